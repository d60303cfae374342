"""Brings the objects of one configured source into ``otel``: lists, spools, hands over to ``load_object``.

Bad input is part of the outcome, never an exception; what an object holds is not known here.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property, partial
from pathlib import Path

from models.errors import ConfigurationError, ControlTotalError, InputRefused, ObjectRefused, WarehouseError
from models.redaction import Redaction, redaction
from models.retention import Retention
from models.settings import Settings, TelemetrySource
from pipelines.ingest.registry import registry_retention
from pipelines.ingest.sources import ObjectStore, SourceObject, open_store
from pipelines.ingest.telemetry.load import (
    ObjectLoad,
    TelemetryObject,
    is_suspect,
    load_delivered,
    load_group,
    load_spooled,
    note_copies,
    recorded,
)
from pipelines.ingest.telemetry.policy import load_policy, spool_limits
from pipelines.ingest.telemetry.spool import HEAD_BYTES, Content, spool
from sql.leases import lease
from sql.state import state_folder
from sql.warehouse import Warehouse

GROUP_OBJECTS = 64
"""How many objects are loaded together at most."""

GROUP_BYTES = 256 * 2**20
"""How many unpacked bytes are loaded together; an object of more is loaded alone."""

LEASE = "telemetry"
"""Scope of the one reader of objects: two at once could load the same bytes twice."""


@dataclass(frozen=True)
class TelemetryRefusal:
    """An object, or a whole location, that could not be used, and why."""

    object_name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.object_name}: {self.reason}"


@dataclass(frozen=True)
class TelemetryOutcome:
    """One pass over a source.

    ``loaded`` and ``already`` count objects; ``records`` what was loaded now per signal, ``rows`` the same per
    table of ``otel``; ``rejected`` records and messages set aside now, ``set_aside`` the same in sentences, one
    per object and reason; ``repaired`` values changed now so that they could be read, ``waiting`` objects that end
    with a message not all there yet.
    """

    source: str
    loaded: int
    already: int
    records: dict[str, int]
    rows: dict[str, int]
    rejected: int
    refusals: tuple[TelemetryRefusal, ...]
    set_aside: tuple[TelemetryRefusal, ...]
    seconds: float
    repaired: int = 0
    waiting: int = 0


def ingest_source(
    warehouse: Warehouse, settings: Settings, source: TelemetrySource, wait_seconds: float = 60.0
) -> TelemetryOutcome:
    """Loads what is new in a telemetry source, each object once for its bytes.

    Raises:
        LeaseHeld: another process still reads telemetry objects of this workspace after ``wait_seconds``.
        WarehouseError: the warehouse cannot be reached or failed; objects loaded before stay.
        ConfigurationError: ``redact:`` switches a rule that does not exist.
    """
    started = time.monotonic()
    hide = redaction(settings.redact)
    spool = state_folder(settings.root, "spool", "telemetry")
    refusals: list[TelemetryRefusal] = []
    with lease(settings.root, LEASE, wait_seconds), tempfile.TemporaryDirectory(dir=spool) as folder:
        try:
            store = open_store(source, settings.root)
            items = store.objects()
        except (ConfigurationError, InputRefused) as error:
            refusals.append(TelemetryRefusal(source.location, str(error)))
            items = []
        # The registry is read when something is loaded: most passes load nothing.
        keep = cache(partial(registry_retention, settings))
        read = _Groups(warehouse, source, store, Path(folder), hide, keep) if items else None
        loads, refused = read.load(items) if read else ([], [])
        refusals += refused
        set_aside = _set_aside(warehouse, read.damaged) if read else ()
    now = [load for load in loads if load.state == "loaded"]
    return TelemetryOutcome(
        source=source.name,
        loaded=len(now),
        already=sum(load.state == "already" for load in loads),
        records=_total(load.rows for load in now),
        rows=_total(load.tables for load in now),
        rejected=sum(load.rejected for load in now),
        refusals=tuple(refusals),
        set_aside=set_aside,
        seconds=time.monotonic() - started,
        repaired=sum(load.repaired for load in now),
        waiting=sum(load.waiting > 0 for load in loads),
    )


class _Groups:
    """Objects of a scan on their way: those of one shape are gathered and loaded as one batch.

    One thread loads, in the order in which groups are full, while this one fetches what comes next.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        source: TelemetrySource,
        store: ObjectStore,
        folder: Path,
        hide: Redaction,
        keep: Callable[[], Retention],
    ) -> None:
        self.hide = hide
        self.keep = keep
        self.warehouse = warehouse
        self.source = source
        self.store = store
        self.folder = folder
        self.count = 0
        self.loads: dict[str, ObjectLoad] = {}
        """By the name of the object."""
        self.damaged: list[str] = []
        """sha256 of the objects some of whose records were set aside now."""
        self.open: dict[tuple[str, tuple[str, ...], int], _Group] = {}
        self.covered = _Covered(warehouse, source.name)
        self.loader = ThreadPoolExecutor(1, "telemetry-load")
        self.loading: Future[None] | None = None

    def load(self, items: Sequence[SourceObject]) -> tuple[list[ObjectLoad], list[TelemetryRefusal]]:
        """What became of every object of a listing, in its order; those the ledger knows as listed are not fetched.

        Raises:
            WarehouseError: the warehouse failed; objects loaded before stay, and the sentence names the object.
        """
        with self.loader:
            self._load(items)
        found = [(item.name, self.loads[item.name]) for item in items]
        refused = [TelemetryRefusal(name, load.reason) for name, load in found if load.state == "refused"]
        return [load for _, load in found], refused

    def _load(self, items: Sequence[SourceObject]) -> None:
        known = self._known()
        for item in items:
            answer = known.get((item.name, item.size, _micros(item.modified_at)))
            if answer and not (answer.waiting and _is_done(item)):
                self.loads[item.name] = answer
                continue
            try:
                self._add(item)
            except ObjectRefused as refusal:
                self.loads[item.name] = ObjectLoad("refused", reason=refusal.reason)
        for group in self.open.values():
            self._flush(group)
        self._wait()

    def _hand_over(self, load: Callable[[], None]) -> None:
        """Has something loaded after what is being loaded now; nothing waits behind it, so that disks do not fill."""
        self._wait()
        self.loading = self.loader.submit(load)

    def _wait(self) -> None:
        loading, self.loading = self.loading, None
        if loading is not None:
            loading.result()

    def _known(self) -> dict[tuple[str, int, int], ObjectLoad]:
        frame = self.warehouse.frame("queries/telemetry/recorded_objects", source_name=self.source.name)
        return {
            (row["object_name"], row["object_bytes"], _micros(row["modified_at"])): ObjectLoad(
                "already", waiting=row["waiting_bytes"]
            )
            if row["state"] != "refused"
            else ObjectLoad("refused", reason=row["reason"])
            for row in frame.iter_rows(named=True)
        }

    def _add(self, item: SourceObject) -> None:
        self.count += 1
        target = self.folder / f"{self.count:08d}"
        fetched = self.store.fetch(item, target, spool_limits(), may_grow=True)
        delivered = TelemetryObject.of_file(
            self.source.name, item.name, fetched.bytes, fetched.sha256, item.modified_at
        )
        own = self.folder / f"{self.count:08d}.spool"
        own.mkdir()
        known = fetched.sha256 if fetched.bytes == fetched.unpacked_bytes else ""
        try:
            content = spool(
                fetched.path,
                own,
                item.name,
                sha256=known,
                covered=self.covered,
                may_grow=delivered.may_grow,
            )
        except ObjectRefused:
            # Loaded by itself, so that the refusal reaches the ledger.
            self._hand_over(partial(self._load_one, _Fetched(delivered, fetched.path, own, None)))
            return
        one = _Fetched(delivered, fetched.path, own, content)
        if len(content.parts) != 1 or one.part_bytes > GROUP_BYTES or is_suspect(content.parts[0]):
            self._hand_over(partial(self._load_one, one))
            return
        (part,) = content.parts
        received = int(delivered.received_at.timestamp()) // load_policy().future_seconds
        group = self.open.setdefault((part.encoding, part.signals, received), _Group())
        if group.bytes + one.part_bytes > GROUP_BYTES:
            self._flush(group)
        group.members.append(one)
        if len(group.members) >= GROUP_OBJECTS:
            self._flush(group)

    def _flush(self, group: _Group) -> None:
        members, group.members = group.members, []
        if members:
            self._hand_over(partial(self._load_group, members))

    def _load_group(self, members: Sequence[_Fetched]) -> None:
        """Loads a group; what the ledger has by its bytes, or comes twice in the group, counts once."""
        earlier = recorded(self.warehouse, [one.delivered.sha256 for one in members])
        fresh: dict[str, _Fetched] = {}
        copies: list[TelemetryObject] = []
        for one in members:
            if one.delivered.sha256 in earlier or one.delivered.sha256 in fresh:
                copies.append(one.delivered)
                self.loads[one.delivered.object_name] = earlier.get(
                    one.delivered.sha256, ObjectLoad("already")
                )
            else:
                fresh[one.delivered.sha256] = one
        loads = self._load_together(list(fresh.values())) if fresh else {}
        for one in fresh.values():
            if loads is None:
                self._load_alone(one)
            else:
                self.loads[one.delivered.object_name] = loads[one.file_name]
        note_copies(self.warehouse, [one for one in copies if _counts(earlier.get(one.sha256))])
        for one in members:
            one.remove()

    def _load_together(self, members: list[_Fetched]) -> dict[str, ObjectLoad] | None:
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            together = Path(name)
            contents = {}
            for one in members:
                assert one.content is not None
                os.link(one.content.parts[0].path, together / one.file_name)
                contents[one.file_name] = one.content
            delivered = {one.file_name: one.delivered for one in members}
            return load_group(self.warehouse, together, delivered, contents, self.hide, self.keep())

    def _load_one(self, one: _Fetched) -> None:
        self._load_alone(one)
        one.remove()

    def _load_alone(self, one: _Fetched) -> None:
        earlier = recorded(self.warehouse, [one.delivered.sha256])
        if one.delivered.sha256 in earlier:
            load = earlier[one.delivered.sha256]
            if _counts(load):
                note_copies(self.warehouse, [one.delivered])
        else:
            try:
                load = self._loaded(one)
            except (ControlTotalError, WarehouseError) as error:
                if isinstance(error, WarehouseError) and error.code is None:
                    raise  # the warehouse is away: that is not the object's fault
                # Not in the ledger, so that the next pass tries again; the others are not held up by it.
                load = ObjectLoad("refused", reason=str(error).removeprefix(f"{one.delivered.object_name}: "))
        if load.state == "loaded" and load.rejected:
            self.damaged.append(one.delivered.sha256)
        self.loads[one.delivered.object_name] = load

    def _loaded(self, one: _Fetched) -> ObjectLoad:
        if one.content is None:
            return load_delivered(
                self.warehouse,
                one.delivered,
                one.path,
                covered=self.covered,
                hide=self.hide,
                keep=self.keep(),
            )
        return load_spooled(self.warehouse, one.delivered, one.content, one.folder, self.hide, self.keep())


@dataclass(frozen=True)
class _Fetched:
    """An object on this machine: its bytes as delivered, and as the engine reads them, which lie in ``folder``."""

    delivered: TelemetryObject
    path: Path
    folder: Path
    content: Content | None

    @property
    def file_name(self) -> str:
        """Name of its file in a group."""
        return self.delivered.sha256

    @cached_property
    def part_bytes(self) -> int:
        """What the engine has to read of it."""
        parts = self.content.parts if self.content else ()
        return sum(part.path.stat().st_size for part in parts)

    def remove(self) -> None:
        """Makes room for the objects that come after it."""
        self.path.unlink(missing_ok=True)
        shutil.rmtree(self.folder)


@dataclass
class _Group:
    """Objects of one shape that wait for more of it."""

    members: list[_Fetched] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        """What the engine has to read of them."""
        return sum(one.part_bytes for one in self.members)


class _Covered:
    """Beginnings of a source's objects that are loaded."""

    def __init__(self, warehouse: Warehouse, source_name: str) -> None:
        self._by_head: dict[str, dict[int, set[str]]] = {}
        self._short: dict[int, set[str]] = {}
        frame = warehouse.frame("queries/telemetry/covered", source_name=source_name)
        for head, length, sha256 in frame.iter_rows():
            long = length >= HEAD_BYTES
            found = self._by_head.setdefault(head, {}) if long else self._short
            found.setdefault(length, set()).add(sha256)

    def lengths(self, head: str, size: int) -> Mapping[int, Collection[str]]:
        """sha256 digests by number of bytes, of objects that begin alike; those too short to tell are all among them."""
        found = self._short | (self._by_head.get(head, {}) if size >= HEAD_BYTES else {})
        return {length: digests for length, digests in found.items() if length <= size}


def _counts(load: ObjectLoad | None) -> bool:
    """Whether the bytes are loaded; None: they are being loaded in the same group."""
    return load is None or load.state != "refused"


def _is_done(item: SourceObject) -> bool:
    """Whether an object was written so long ago that what it waits for will not come."""
    return datetime.now(UTC) - item.modified_at >= timedelta(seconds=load_policy().growing_seconds)


def _set_aside(warehouse: Warehouse, sha256s: Sequence[str]) -> tuple[TelemetryRefusal, ...]:
    """What of these objects does not count, and why: one sentence per object and reason."""
    if not sha256s:
        return ()
    return tuple(
        TelemetryRefusal(
            row["object_name"],
            f"{row['records']} record(s) set aside, {row['reason']}, the first is number {row['position']}; the rest counts",
        )
        for row in warehouse.frame("queries/telemetry/set_aside", sha256s=list(sha256s)).iter_rows(named=True)
    )


def _micros(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000)


def _total(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return dict(total)
