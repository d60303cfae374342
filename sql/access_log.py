"""The access log on its way: lines of JSON that pages spool in the state folder, and their load, each entry once.

Pages read the warehouse as a reader, who writes nothing: they append here, and the next pass loads. Writers and the loader
exclude each other by a lock, and a file is removed only once all of it was read back. Who looks is not known here.
"""

from __future__ import annotations

import fcntl
import json
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import polars as pl

from models.errors import WarehouseError
from models.people import access_policy
from models.schemas import SCHEMAS
from sql.state import state_folder

if TYPE_CHECKING:
    from sql.warehouse import Warehouse

TABLE = "core_access_log"
COLUMNS = SCHEMAS[TABLE]
FOLDER = "access"
_SPOOL = "spool.jsonl"
_LOCK = "spool.lock"
_TAKEN = "taken-"
_REFUSED = "refused-"
_TEXT = 400
"""Characters of a text that are kept: some of it is what anybody wrote into an address."""
_PARAMETERS = 30


def _new_id() -> str:
    return str(uuid.uuid4())


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class AccessEntry:
    """One line of the access log; columns of ``core_access_log`` say what each is."""

    event: str
    person: str = ""
    subject: str = ""
    session: str = ""
    page: str = ""
    file_name: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    teams: Sequence[str] = ()
    rights: Sequence[str] = ()
    reason: str = ""
    lost: int = 0
    event_id: str = field(default_factory=_new_id)
    at: datetime = field(default_factory=_now)

    def line(self) -> bytes:
        """The entry as one line of JSON, of bounded length."""
        values = {key: _short(value) for key, value in asdict(self).items()}
        values["at"] = self.at.astimezone(UTC).isoformat()
        values["parameters"] = {
            _short(key): _short(value) for key, value in list(self.parameters.items())[:_PARAMETERS]
        }
        return json.dumps(values, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


@dataclass(frozen=True)
class Loaded:
    """What a load did: entries new in the warehouse, lines nobody can read, entries that were too old to keep."""

    rows: int = 0
    unreadable: int = 0
    collected: int = 0


def append(workspace: Path, entries: Sequence[AccessEntry]) -> int:
    """Writes entries behind what waits, synced to disk; returns how many there was room for.

    Raises:
        OSError: they cannot be written.
    """
    folder = state_folder(workspace, FOLDER)
    with _locked(folder), (folder / _SPOOL).open("ab") as file:
        size = file.tell()
        written = 0
        if size and not _ends_whole(folder / _SPOOL):  # its writer was killed in the middle of a line
            file.write(b"\n")
        for entry in entries:
            line = entry.line()
            size += len(line)
            if size > access_policy().spool_bytes:
                break
            file.write(line)
            written += 1
        file.flush()
        os.fsync(file.fileno())
    return written


def waiting(workspace: Path) -> pl.DataFrame:
    """Entries that no pass has loaded yet, the newest first, with the columns of the table."""
    folder = state_folder(workspace, FOLDER)
    rows: list[dict[str, Any]] = []
    with _locked(folder):
        for path in [*_taken(folder), folder / _SPOOL]:
            if path.exists():
                rows += _read(path)[0]
    return _frame(rows).unique("event_id", keep="first").sort("at", "event_id", descending=[True, False])


def load(warehouse: Warehouse, workspace: Path, now: datetime) -> Loaded:
    """Loads what waits and removes what is older than it is kept; the caller holds the lease of the log.

    Raises:
        WarehouseError: what was inserted is not there; the file stays and is loaded by the next pass.
    """
    folder = state_folder(workspace, FOLDER)
    with _locked(folder):
        if (folder / _SPOOL).exists():
            (folder / _SPOOL).rename(folder / f"{_TAKEN}{_new_id()}.jsonl")
    loaded = unreadable = 0
    for path in _taken(folder):
        rows, wrong = _read(path)
        loaded += _load(warehouse, _frame(rows))
        unreadable += wrong
        if wrong:
            path.rename(path.with_name(path.name.replace(_TAKEN, _REFUSED, 1)))
        else:
            path.unlink()
    return Loaded(loaded, unreadable, _collect(warehouse, now))


def refused_files(workspace: Path) -> list[Path]:
    """Files that hold lines nobody can read; all others of their lines are loaded."""
    return sorted(state_folder(workspace, FOLDER).glob(f"{_REFUSED}*"))


def waiting_bytes(workspace: Path) -> int:
    """Bytes that no pass has loaded yet."""
    folder = state_folder(workspace, FOLDER)
    return sum(path.stat().st_size for path in [*_taken(folder), folder / _SPOOL] if path.exists())


def _load(warehouse: Warehouse, frame: pl.DataFrame) -> int:
    """Inserts the entries that are not there yet, and reads all of them back."""
    frame = frame.unique("event_id", keep="first", maintain_order=True)
    if frame.is_empty():
        return 0
    known = _known(warehouse, frame)
    new = frame.filter(~pl.col("event_id").is_in(list(known)))
    batch_id = uuid.uuid4()
    warehouse.insert(TABLE, new.with_columns(batch_id=pl.lit(str(batch_id))))
    missing = set(frame["event_id"]) - _known(warehouse, frame)
    if missing:
        raise WarehouseError(
            f"{len(missing):,} entries of the access log are not in {TABLE} after they were inserted: they are kept under "
            ".appfleet and loaded by the next `appfleet run`"
        )
    return new.height


def _known(warehouse: Warehouse, frame: pl.DataFrame) -> set[str]:
    first_at, last_at = _bound(frame["at"].min()), _bound(frame["at"].max())
    return set(warehouse.frame("queries/ledger/access_known", first_at=first_at, last_at=last_at)["event_id"])


def _collect(warehouse: Warehouse, now: datetime) -> int:
    before = _bound(now - timedelta(days=access_policy().kept_days))
    old = int(warehouse.frame("queries/ledger/access_older", before=before)["entries"][0])
    if old:
        warehouse.execute("statements/collect_access_log", before=before)
    return old


def _bound(moment: Any) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S.%f}"


def _short(value: Any) -> Any:
    """A text bounded and in UTF-8: half a character, which an address may hold, would end its reader."""
    return value[:_TEXT].encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _taken(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"{_TAKEN}*"))


def _read(path: Path) -> tuple[list[dict[str, Any]], int]:
    """The entries of a file, and how many of its lines are none."""
    rows, wrong = [], 0
    for line in path.read_bytes().splitlines():
        if not line.strip():
            continue
        try:
            values = json.loads(line)
            rows.append(_row(values))
        except (ValueError, TypeError, KeyError, AttributeError):
            wrong += 1
    return rows, wrong


def _row(values: Any) -> dict[str, Any]:
    """A line as a row.

    Raises:
        ValueError: it is none; so do TypeError, KeyError and AttributeError say.
    """
    row = {name: values[name] for name in COLUMNS}
    row["at"] = datetime.fromisoformat(row["at"]).astimezone(UTC)
    texts = [one for name, one in row.items() if COLUMNS[name] == pl.String()]
    texts += [*row["teams"], *row["rights"], *row["parameters"], *row["parameters"].values()]
    if not all(isinstance(one, str) for one in texts):
        raise TypeError("a text is none")
    if not isinstance(row["lost"], int) or row["lost"] < 0:
        raise ValueError("lost is no count")
    return row


def _frame(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame({name: [row[name] for row in rows] for name in COLUMNS}, schema=COLUMNS)


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


@contextmanager
def _locked(folder: Path) -> Iterator[IO[bytes]]:
    with (folder / _LOCK).open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
