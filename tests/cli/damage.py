"""Really damages the warehouse of a workspace nobody has open: parts of tables are removed, their bytes turned."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.cli.conftest import rows


@dataclass(frozen=True)
class Part:
    """A part of a table on disk."""

    name: str
    folder: Path

    def lose(self) -> None:
        """Removes it, as a disk that forgets does."""
        shutil.rmtree(self.folder)

    def turn(self, beginning: float = 0.0, end: float = 1.0) -> None:
        """Turns bytes of its data, every hundredth between two places of the file."""
        data = max(self.folder.glob("*.bin"), key=lambda file: file.stat().st_size)
        content = bytearray(data.read_bytes())
        for at in range(int(len(content) * beginning), int(len(content) * end), 100):
            content[at] ^= 0xFF
        data.write_bytes(content)


def parts(workspace: Path, table: str, beginning: str = "") -> list[Part]:
    """Parts of a table whose name begins so, the largest first."""
    found = rows(
        workspace,
        f"SELECT name, path FROM system.parts WHERE active AND concat(database, '.', table) = '{table}'"
        f" AND startsWith(name, '{beginning}') ORDER BY rows DESC",
    )
    return [Part(one["name"], Path(one["path"])) for one in found]
