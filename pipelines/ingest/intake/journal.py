"""Segments on disk: requests are appended, synced together, sealed, and removed once they are loaded.

A request is answered only after the sync that covers it. A crash leaves at most one partial frame at the end of
a segment, which the next start cuts off: nothing in it was ever acknowledged. What a frame means is unknown here.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, cast

from models.errors import ConfigurationError, LeaseHeld
from models.settings import Settings
from pipelines.ingest.intake.limits import Limits, busy, exhausted
from pipelines.ingest.intake.wire import ENDINGS, KINDS, Kind, frame_ends, framed
from pipelines.ingest.telemetry.frames import Encoding

_log = logging.getLogger(__name__)

_OPEN = ".open"
_PART = ".part"
_REFUSED = "refused"

SEGMENTS = "segments"
"""Folder of the journal in a workspace's state."""
JOURNAL_VARIABLE = "APPFLEET_INTAKE_JOURNAL"
_ID = ".journal"
_CREATED = "%Y%m%dT%H%M%S.%fZ"
_SUSPECT = "-suspect"
_NAME = re.compile(
    rf"({'|'.join(KINDS)})({_SUSPECT})?-([0-9TZ.]+)-[0-9a-f-]{{36}}({'|'.join(map(re.escape, ENDINGS.values()))})"
)


class Stream(NamedTuple):
    """Kind, encoding, and whether its requests must be put right before they are loaded: each has its own segments."""

    kind: Kind
    encoding: Encoding
    is_suspect: bool = False


@dataclass
class Segment:
    """A sealed segment: whole frames of one stream, complete on disk; ``received`` is when the last one was written."""

    path: Path
    stream: Stream
    created: datetime
    received: datetime
    bytes: int
    failures: int = 0

    @property
    def name(self) -> str:
        """File name, unique for ever; the object's name in the ledger."""
        return self.path.name

    @property
    def kind(self) -> Kind:
        """What its requests are of."""
        return self.stream.kind

    @property
    def encoding(self) -> Encoding:
        """What its requests are in."""
        return self.stream.encoding


@dataclass
class _Growing:
    """The segment a stream is being appended to."""

    path: Path
    descriptor: int
    created: datetime
    opened: float
    synced: int = 0


@dataclass
class _Append:
    stream: Stream
    frame: bytes
    done: Future[None] = field(default_factory=Future)


class Journal:
    """Appends from many requests, one sync for all that wait, sealed segments for one loader per kind."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder = folder
        self._limits = limits
        lock = threading.Lock()
        self._changed = threading.Condition(lock)  # something to write
        self._loadable = threading.Condition(lock)  # something to load
        self._queue: list[_Append] = []
        self._growing: dict[Stream, _Growing] = {}
        self._sealed: list[Segment] = []
        self._being_written: list[datetime] = []
        self._stuck: list[datetime] = []
        self._waiting = 0
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="intake-journal", daemon=True)

    def start(self) -> None:
        """Takes over what an earlier process left behind, then accepts appends."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._sealed = list(_left_behind(self._folder))
        self._waiting += sum(one.bytes for one in self._sealed)
        self._thread.start()

    def append(
        self, kind: Kind, encoding: Encoding, payload: bytes, is_suspect: bool = False
    ) -> Future[None]:
        """Queues a payload; the future is done once it is on disk, or fails with ``Refused``.

        Raises:
            Refused: too much waits to be loaded, or the journal is closing.
        """
        one = _Append(Stream(kind, encoding, is_suspect), framed(payload, encoding))
        with self._changed:
            if self._closing:
                raise busy("the intake is stopping", self._limits.retry_seconds)
            if self._waiting + len(one.frame) > self._limits.waiting_bytes:
                raise exhausted(
                    f"{self._waiting} bytes wait for the warehouse, which is as much as may",
                    self._limits.retry_seconds,
                )
            self._waiting += len(one.frame)
            self._queue.append(one)
            self._changed.notify_all()
        return one.done

    def next_sealed(self, kind: Kind, timeout: float) -> Segment | None:
        """The oldest sealed segment of a kind, or None after ``timeout`` seconds; it stays until removed."""

        def oldest() -> Segment | None:
            return next((one for one in self._sealed if one.kind == kind), None)

        with self._loadable:
            self._loadable.wait_for(lambda: oldest() or self._closing, timeout)
            return oldest()

    def remove(self, segment: Segment) -> None:
        """Deletes a segment whose rows are in the warehouse."""
        segment.path.unlink(missing_ok=True)
        self._forget(segment)

    def set_aside(self, segment: Segment) -> Path:
        """Moves a segment that cannot be loaded out of the way and returns where it is kept."""
        refused = self._folder / _REFUSED
        refused.mkdir(exist_ok=True)
        target = segment.path.rename(refused / segment.name)
        self._forget(segment)
        return target

    def split(self, segment: Segment) -> bool:
        """Replaces a segment by its two halves; false where it is a single frame."""
        ends = frame_ends(segment.path, segment.encoding)
        if len(ends) < 2:
            return False
        middle = ends[len(ends) // 2 - 1]
        data = segment.path.read_bytes()
        halves = [self._written(segment, part) for part in (data[:middle], data[middle:])]
        _sync_folder(self._folder)
        segment.path.unlink()
        with self._changed:
            at = self._sealed.index(segment)
            self._sealed[at : at + 1] = halves
        return True

    def keep_apart(self, segment: Segment, numbers: Sequence[int]) -> Path:
        """Copies frames of a segment, by number from 1, to where what could not be loaded is kept; returns the file."""
        refused = self._folder / _REFUSED
        refused.mkdir(exist_ok=True)
        ends = [0, *frame_ends(segment.path, segment.encoding)]
        data = segment.path.read_bytes()
        target = refused / segment.name
        part = target.with_name(target.name + _PART)
        with part.open("wb") as file:
            for number in numbers:
                file.write(data[ends[number - 1] : ends[number]])
            file.flush()
            os.fdatasync(file.fileno())
        part.rename(target)
        _sync_folder(refused)
        return target

    def loaded_through(self) -> datetime:
        """Every request acknowledged before this moment is in the warehouse, or set aside and said so."""
        with self._changed:
            waiting = [one.created for one in self._sealed]
            waiting += [one.created for one in self._growing.values()]
            waiting += self._being_written + self._stuck
            return min(waiting, default=datetime.now(UTC))

    def postpone(self, segment: Segment) -> None:
        """Puts a segment behind the others."""
        with self._changed:
            self._sealed.remove(segment)
            self._sealed.append(segment)

    def problem(self) -> str:
        """Why nothing more can be appended now, in a few words; empty where it can. Tries the disk."""
        with self._changed:
            if self._closing:
                return "stopping"
            if self._waiting >= self._limits.waiting_bytes:
                return "full"
        probe = self._folder / f"ready{_PART}"
        try:
            with probe.open("wb") as file:
                file.write(b"ready")
                file.flush()
                os.fdatasync(file.fileno())
            probe.unlink()
        except OSError:
            return "not writable"
        return ""

    def waiting_bytes(self) -> int:
        """Bytes accepted that are not yet in the warehouse."""
        with self._changed:
            return self._waiting

    def close(self) -> None:
        """Syncs and seals everything; appends are refused from now on."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            self._loadable.notify_all()
        self._thread.join()

    def _forget(self, segment: Segment) -> None:
        with self._changed:
            self._sealed.remove(segment)
            self._waiting -= segment.bytes

    def _release(self, appends: Iterable[_Append]) -> None:
        """Bytes that will not be written wait for nothing."""
        with self._changed:
            self._waiting -= sum(len(one.frame) for one in appends)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._closing, self._pause())
                queued, self._queue = self._queue, []
                closing = self._closing
            batch = [one for one in queued if one.done.set_running_or_notify_cancel()]
            self._release(one for one in queued if one.done.cancelled())
            if batch:
                with self._changed:
                    self._being_written = [datetime.now(UTC)]
                self._commit(batch)
                with self._changed:
                    self._being_written = []
            self._seal_due(everything=closing)
            if closing:
                return
            if batch:
                # Whoever arrives now shares the next sync.
                time.sleep(self._limits.commit_seconds)

    def _pause(self) -> float | None:
        """Seconds until a growing segment may be due; None where nothing grows."""
        return self._limits.seal_seconds / 10 if self._growing else None

    def _commit(self, batch: list[_Append]) -> None:
        by_stream: dict[Stream, list[_Append]] = {}
        for one in batch:
            by_stream.setdefault(one.stream, []).append(one)
        for stream, appends in by_stream.items():
            try:
                self._write(stream, b"".join(one.frame for one in appends))
            except OSError as error:
                self._give_up(stream, appends, error)
            else:
                for one in appends:
                    one.done.set_result(None)

    def _write(self, stream: Stream, data: bytes) -> None:
        growing = self._growing.get(stream)
        if growing is None:
            growing = self._opened(stream)
            with self._changed:
                self._growing[stream] = growing
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(growing.descriptor, rest) :]
        os.fdatasync(growing.descriptor)
        growing.synced += len(data)

    def _written(self, whole: Segment, part: bytes) -> Segment:
        """A part of a segment as a segment of its own, on disk under its final name."""
        path = self._folder / _name(whole.stream, whole.created)
        growing = path.with_name(path.name + _PART)
        with growing.open("wb") as file:
            file.write(part)
            file.flush()
            os.fdatasync(file.fileno())
        os.utime(growing, (whole.received.timestamp(), whole.received.timestamp()))
        return Segment(growing.rename(path), whole.stream, whole.created, whole.received, len(part))

    def _opened(self, stream: Stream) -> _Growing:
        created = datetime.now(UTC)
        path = self._folder / (_name(stream, created) + _OPEN)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            _sync_folder(self._folder)
        except OSError:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            raise
        return _Growing(path, descriptor, created, time.monotonic())

    def _give_up(self, stream: Stream, appends: list[_Append], error: OSError) -> None:
        """After a failed write or sync nothing of it is kept: the senders still have the bytes."""
        growing = self._growing.get(stream)
        if growing is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(growing.descriptor, growing.synced)
            self._seal(stream, growing)
            with self._changed:
                del self._growing[stream]
        self._release(appends)
        refusal = exhausted(
            f"the bytes could not be written to disk ({error.strerror})", self._limits.retry_seconds
        )
        for one in appends:
            one.done.set_exception(refusal)

    def _seal_due(self, everything: bool) -> None:
        now = time.monotonic()
        with self._changed:
            queued = {one.stream for one in self._sealed}
        for stream, growing in list(self._growing.items()):
            # While one waits to be loaded the next grows: after an outage a few large loads catch up.
            # But not for long: what is received an hour later may rightly be an hour younger.
            age = now - growing.opened
            aged = age >= self._limits.seal_seconds and stream not in queued
            aged = aged or age >= self._limits.longest_seconds
            if everything or aged or growing.synced >= self._limits.segment_bytes:
                self._seal(stream, growing)
                with self._changed:
                    del self._growing[stream]

    def _seal(self, stream: Stream, growing: _Growing) -> None:
        try:
            os.close(growing.descriptor)
            if not growing.synced:
                growing.path.unlink(missing_ok=True)
                return
            path = growing.path.rename(growing.path.with_suffix(""))
        except OSError as error:
            _log.error("%s is loaded at the next start: it could not be sealed (%s)", growing.path, error)
            with self._changed:
                self._stuck.append(growing.created)
            return
        with self._changed:
            self._sealed.append(Segment(path, stream, growing.created, _written_at(path), growing.synced))
            self._loadable.notify_all()


def journal_folder(settings: Settings, environment: Mapping[str, str] = os.environ) -> Path:
    """The journal of an intake: what the environment names, else the settings, else a folder of the workspace's state."""
    named = environment.get(JOURNAL_VARIABLE)
    return Path(named) if named else settings.intake.journal or settings.state / SEGMENTS


@contextlib.contextmanager
def held_journal(folder: Path) -> Iterator[str]:
    """Holds a journal for one intake and yields its id, the same for as long as the folder lives; the kernel lets go of it
    when the holder dies.

    Raises:
        LeaseHeld: another intake holds it.
        ConfigurationError: the folder cannot be made or written to.
    """
    path = folder / _ID
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"{folder}: cannot be written to ({error.strerror}): the journal of the intake needs a folder of its own"
        ) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LeaseHeld(
                f"another intake writes the journal {folder}: stop it, or give this one a journal of its own "
                f"(intake.journal in appfleet.yaml, or {JOURNAL_VARIABLE})"
            ) from None
        file.seek(0)
        known = file.read().strip()
        if not known:
            known = str(uuid.uuid4())
            file.write(known)
            file.flush()
            os.fsync(file.fileno())
        yield known


def refused_segments(folder: Path) -> list[Path]:
    """Files of requests that could not be loaded, in the folder of a journal."""
    folder = folder / _REFUSED
    return sorted(one for one in folder.iterdir() if one.suffix != _PART) if folder.is_dir() else []


def _name(stream: Stream, created: datetime) -> str:
    """A file name of its own: kind, when, and something unique."""
    kind = f"{stream.kind}{_SUSPECT if stream.is_suspect else ''}"
    return f"{kind}-{created.strftime(_CREATED)}-{uuid.uuid4()}{ENDINGS[stream.encoding]}"


def _written_at(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _left_behind(folder: Path) -> Iterable[Segment]:
    """Segments an earlier process did not get loaded, oldest first, cut to their last whole frame."""
    found = []
    for path in folder.iterdir():
        final = path.with_suffix("") if path.suffix == _OPEN else path
        named = _NAME.fullmatch(final.name)
        if path.suffix == _PART:
            path.unlink()
        if named is None:
            continue
        kind, suspect, created, ending = named.groups()
        encoding = next(one for one in ENDINGS if ENDINGS[one] == ending)
        stream = Stream(cast(Kind, kind), encoding, bool(suspect))
        received = _written_at(path)
        if path.suffix == _OPEN:
            os.truncate(path, max(frame_ends(path, encoding), default=0))
            os.utime(path, (received.timestamp(), received.timestamp()))
            path.rename(final)
        size = final.stat().st_size
        if not size:
            final.unlink()
            continue
        when = datetime.strptime(created, _CREATED).replace(tzinfo=UTC)
        found.append(Segment(final, stream, when, received, size))
    return sorted(found, key=lambda one: one.created)


def _sync_folder(folder: Path) -> None:
    """A new name in a folder survives a power cut only after this."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
