"""Who owns a workspace's warehouse: kernel locks, the owner file and the two credentials.

The owner holds an exclusive lock for its life, and every user holds a shared one while it works; the kernel
frees both with their process, so no file left behind can mean anything. Knows neither HTTP nor the engine.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from models.errors import ConfigurationError
from models.workspace import STATE_FOLDER
from sql.state import state_folder


@dataclass(frozen=True)
class Owner:
    """What the owner file says."""

    pid: int
    port: int
    started: str

    def sentence(self) -> str:
        """Who owns the warehouse, for people."""
        return f"process {self.pid} on port {self.port}, since {self.started}"


@dataclass(frozen=True)
class Place:
    """The files of a workspace's warehouse."""

    workspace: Path

    @property
    def state(self) -> Path:
        """Folder of everything appfleet keeps."""
        return self.workspace.resolve() / STATE_FOLDER

    @property
    def data(self) -> Path:
        """The engine's own folder."""
        return self.state / "warehouse"

    @property
    def draft(self) -> Path:
        """Workspace of the warehouse a renewal is making; while it is there no other process opens the old one."""
        return self.state / "renewed"

    @property
    def log(self) -> Path:
        """What the owner process writes for people who look for the cause of a failure."""
        return self.state / "warehouse.log"

    def prepare(self) -> None:
        """Makes the folders, readable by the user alone.

        Raises:
            ConfigurationError: they cannot be made.
        """
        for name in (self.data.name, "credentials", "leases"):
            state_folder(self.workspace.resolve(), name)

    def owner(self) -> Owner | None:
        """Content of the owner file; None when there is none that can be read."""
        try:
            line = json.loads((self.state / "owner.json").read_text(encoding="utf-8"))
            return Owner(int(line["pid"]), int(line["port"]), str(line["started"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def announce(self, port: int) -> None:
        """Writes the owner file for this process, in one rename."""
        owner = Owner(os.getpid(), port, datetime.now(UTC).isoformat(timespec="seconds"))
        draft = self.state / f".owner.{os.getpid()}"
        draft.write_text(json.dumps(asdict(owner)), encoding="utf-8")
        draft.replace(self.state / "owner.json")

    def withdraw(self) -> None:
        """Removes the owner file."""
        (self.state / "owner.json").unlink(missing_ok=True)

    def password(self, role: str, create: bool = False) -> str:
        """The password of ``writer`` or ``reader``; ``create`` makes a random one where there is none.

        Raises:
            ConfigurationError: it cannot be read.
        """
        path = self.state / "credentials" / role
        try:
            if create and not path.exists():
                draft = path.with_name(f".{role}.{os.getpid()}")
                handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                with os.fdopen(handle, "w", encoding="ascii") as file:
                    file.write(secrets.token_urlsafe(32))
                draft.replace(path)
            return path.read_text(encoding="ascii").strip()
        except OSError as error:
            raise ConfigurationError(f"{path}: the credential cannot be read ({error.strerror})") from None

    @contextmanager
    def users(self, exclusive: bool) -> Iterator[bool]:
        """Holds the lock of the warehouse's users if it is free, and says whether it is held."""
        with self._locked("users.lock", exclusive) as held:
            yield held

    @contextmanager
    def ownership(self) -> Iterator[bool]:
        """Holds the lock of the owner if it is free, and says whether it is held."""
        with self._locked("owner.lock", exclusive=True) as held:
            yield held

    @contextmanager
    def _locked(self, name: str, exclusive: bool) -> Iterator[bool]:
        with (self.state / name).open("a") as file:
            yield _take(file, exclusive)


def _take(file: IO[str], exclusive: bool) -> bool:
    try:
        fcntl.flock(file, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
