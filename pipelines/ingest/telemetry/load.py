"""The one load path of OTLP: an object's bytes to rows of ``otel``, once per object whatever is killed when.

The engine parses; this keeps attempts apart by batch id, has what it cannot read put right or set aside, compares
two independent counts and writes the ledger line that makes a batch visible. Where objects come from is not known here.
"""

from __future__ import annotations

import hashlib
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import polars as pl

from models.errors import ControlTotalError, ObjectRefused, WarehouseError
from models.redaction import Redaction, redaction
from models.retention import Retention, retention
from pipelines.ingest.telemetry.frames import Encoding
from pipelines.ingest.telemetry.policy import load_policy
from pipelines.ingest.telemetry.repair import Findings, flattened, put_right, readable, suspects
from pipelines.ingest.telemetry.signals import READERS, SignalReader, Target
from pipelines.ingest.telemetry.spool import Content, Covered, SpooledMessages, frames_of, mapped, spool
from sql.otlp_files import (
    IN_ORDER,
    insert_settings,
    is_thrown,
    is_unreadable,
    json_settings,
    protobuf_settings,
)
from sql.publish import new_batch_id
from sql.warehouse import Warehouse

State = Literal["loaded", "already", "refused"]


@dataclass(frozen=True)
class ObjectLoad:
    """What became of one object.

    ``rows`` counts records per signal, ``tables`` per table of ``otel`` (only where loaded now), ``rejected``
    records and messages set aside, ``repaired`` records or values changed so that they could be read; ``reason`` is
    that of a refusal. ``lost`` are numbers of messages nothing of which counts; ``waiting`` bytes at the end of the
    object are a message that is not all there yet.
    """

    state: State
    rows: dict[str, int] = field(default_factory=dict)
    rejected: int = 0
    reason: str = ""
    tables: dict[str, int] = field(default_factory=dict)
    repaired: int = 0
    lost: tuple[int, ...] = ()
    waiting: int = 0


@dataclass(frozen=True)
class TelemetryObject:
    """An object as delivered; ``bytes`` and ``sha256`` are those of the source, packed or not.

    ``received_at`` is when its records were received at the latest: what they claim to be much later is not so.
    ``may_grow`` is whether it was written so recently that its writer may go on.
    """

    source_name: str
    object_name: str
    bytes: int
    sha256: str
    modified_at: datetime
    received_at: datetime
    may_grow: bool

    @classmethod
    def of_file(
        cls, source_name: str, object_name: str, bytes: int, sha256: str, modified_at: datetime
    ) -> TelemetryObject:
        """An object received when it was written, or now where its time is in the future or no time at all."""
        now = datetime.now(UTC)
        known = modified_at.timestamp() * 1e9 >= load_policy().time_from
        received_at = min(modified_at, now) if known else now
        may_grow = now - modified_at < timedelta(seconds=load_policy().growing_seconds)
        return cls(source_name, object_name, bytes, sha256, modified_at, received_at, may_grow)


@dataclass(frozen=True)
class _Line:
    """One line of the ledger: an object's records of a signal on a day; what was set aside has no day."""

    delivered: TelemetryObject
    signal: str
    day: date
    rows: int
    rejected: int = 0


@dataclass(frozen=True)
class _Terms:
    """What the records of a load are held to."""

    received_at: datetime
    hide: Redaction
    keep: Retention


_NO_DAY = date(1970, 1, 1)


_NO_CONTENT = Content((), 0, "", "")
_NOTHING = pl.DataFrame(
    schema={
        "file_name": pl.String,
        "table_name": pl.String,
        "day": pl.Date,
        "fault": pl.String,
        "records": pl.UInt64,
        "signal": pl.String,
    }
)


def load_object(
    warehouse: Warehouse,
    *,
    source_name: str,
    object_name: str,
    path: Path,
    sha256: str,
    modified_at: datetime,
    signal: Literal["traces", "metrics", "logs"] | None = None,
    encoding: Encoding | None = None,
    received_at: datetime | None = None,
    is_suspect: bool = False,
    hide: Redaction | None = None,
    keep: Retention | None = None,
) -> ObjectLoad:
    """Loads one object of OTLP, exactly once for its sha256, and returns what became of it.

    Args:
        path: the bytes, readable by the warehouse's process; plain, gzip or zstd.
        sha256: of the bytes as delivered; an object the ledger has as loaded or refused is not read again.
        signal: what the messages are of; None looks at the bytes (JSON lines may mix signals).
        encoding: None looks at the bytes.
        received_at: when the last of the bytes was received; None: when the object was written.
        is_suspect: whether every message is to be put right before it is loaded, not only those that look odd.
        hide: what is hidden before it is stored; None: what the policy says.
        keep: how long rows are stamped to be kept; None: what the policy says.

    Raises:
        WarehouseError: the warehouse failed for a reason that is not in the bytes; nothing became visible.
        ControlTotalError: the rows written are not those counted in the bytes; nothing became visible.
    """
    delivered = TelemetryObject.of_file(source_name, object_name, path.stat().st_size, sha256, modified_at)
    if received_at is not None:
        delivered = replace(delivered, received_at=received_at, may_grow=False)
    earlier = recorded(warehouse, [sha256])
    if sha256 in earlier:
        return earlier[sha256]
    return load_delivered(
        warehouse,
        delivered,
        path,
        signal=signal,
        encoding=encoding,
        is_suspect=is_suspect,
        hide=hide,
        keep=keep,
    )


def load_delivered(
    warehouse: Warehouse,
    delivered: TelemetryObject,
    path: Path,
    *,
    signal: Literal["traces", "metrics", "logs"] | None = None,
    encoding: Encoding | None = None,
    covered: Covered | None = None,
    is_suspect: bool = False,
    hide: Redaction | None = None,
    keep: Retention | None = None,
) -> ObjectLoad:
    """As ``load_object``, for an object that is not in the ledger by its sha256: what ``covered`` has is left out."""
    with tempfile.TemporaryDirectory(prefix="appfleet-otlp-") as folder:
        try:
            content = spool(
                path,
                Path(folder),
                delivered.object_name,
                signal,
                encoding,
                delivered.sha256,
                covered,
                delivered.may_grow,
            )
        except ObjectRefused as refusal:
            return _refused(warehouse, delivered, refusal.reason)
        return load_spooled(
            warehouse, delivered, content, Path(folder), hide or redaction(), keep or retention(), is_suspect
        )


def load_spooled(
    warehouse: Warehouse,
    delivered: TelemetryObject,
    content: Content,
    folder: Path,
    hide: Redaction,
    keep: Retention,
    is_suspect: bool = False,
) -> ObjectLoad:
    """As ``load_delivered``, for an object whose bytes are spooled already; ``folder`` takes what is made of them."""
    findings = Findings(hide)
    with _named(delivered.object_name):
        parts = _without_suspects(content.parts, folder, findings, is_suspect)
        parts, batch_id, counted = _settled(
            warehouse, parts, _Terms(delivered.received_at, hide, keep), folder, findings
        )
        survey = pl.concat(counted) if counted else _NOTHING
        good, bad = survey.filter(pl.col("fault") == ""), survey.filter(pl.col("fault") != "")
        if content.parts and not parts and not content.already:
            return _refused(warehouse, delivered, _why_nothing(findings))
        _list_rejects(warehouse, delivered, parts, bad, hide)
        _set_aside(warehouse, delivered, findings)
        _note_repairs(warehouse, delivered, findings)
        _note_hidden(warehouse, delivered, batch_id, good)
    lines = _lines(delivered, good, bad)
    signal = content.parts[0].signals[0] if content.parts else ""
    if findings.set_aside:
        lines.append(_Line(delivered, signal, _NO_DAY, 0, findings.rejected))
    if lines or not content.already:
        _record(warehouse, lines or [_Line(delivered, signal, _NO_DAY, 0)], batch_id, "loaded", "", [content])
    else:
        _record(warehouse, [_Line(delivered, signal, _NO_DAY, 0)], batch_id, "unchanged", "", [content])
    load = _load_of([name for part in content.parts for name in part.signals], good, lines)
    return replace(
        load,
        state="loaded" if lines or not content.already else "already",
        repaired=sum(findings.repairs.values()),
        lost=tuple(sorted(findings.lost)),
        waiting=content.waiting,
    )


def _settled(
    warehouse: Warehouse, parts: list[SpooledMessages], terms: _Terms, folder: Path, findings: Findings
) -> tuple[list[SpooledMessages], uuid.UUID, list[pl.DataFrame]]:
    """The parts as they could be loaded, put right as far as that took, with the attempt that loaded them."""
    flat = sound = False
    while True:
        try:
            return (parts, *_attempt(warehouse, parts, terms))
        except (WarehouseError, ControlTotalError) as error:
            if isinstance(error, WarehouseError) and is_thrown(error) and not flat:
                flat = True
                parts = [
                    flattened(part, folder / f"flat-{number}", findings) for number, part in enumerate(parts)
                ]
                parts = [part for part in parts if part.messages]
            elif (isinstance(error, ControlTotalError) or is_unreadable(error)) and not sound:
                sound = True
                parts = _readable(warehouse, parts, folder, findings)
            else:
                raise


def is_suspect(spooled: SpooledMessages) -> bool:
    """Whether a file holds a message that must be put right before the engine reads it."""
    with mapped(spooled.path) as data:
        return bool(suspects(data, spooled.encoding, frames_of(data, spooled.encoding)))


def _without_suspects(
    parts: Sequence[SpooledMessages], folder: Path, findings: Findings, all_are: bool
) -> list[SpooledMessages]:
    """The parts with every message put right that the engine would misread in silence."""
    sound = []
    for number, part in enumerate(parts):
        with mapped(part.path) as data:
            frames = frames_of(data, part.encoding)
            found = range(len(frames)) if all_are else suspects(data, part.encoding, frames)
        if found:
            part = put_right(part, folder / f"right-{number}", found, findings)
        if part.messages is None or part.messages:
            sound.append(part)
    return sound


def _readable(
    warehouse: Warehouse, parts: Sequence[SpooledMessages], folder: Path, findings: Findings
) -> list[SpooledMessages]:
    sound = []
    for number, part in enumerate(parts):
        own = folder / f"readable-{number}"
        own.mkdir()
        part = readable(part, own, findings, lambda piece: _is_readable(warehouse, piece))
        if part.messages:
            sound.append(part)
    return sound


def _why_nothing(findings: Findings) -> str:
    first = findings.set_aside[0].detail if findings.set_aside else "it is empty"
    return f"no message in it can be read: not OTLP, or damaged ({first})"


@contextmanager
def _named(object_name: str) -> Iterator[None]:
    """What fails names its object."""
    try:
        yield
    except WarehouseError as error:
        raise type(error)(f"{object_name}: {error}", error.code) from error
    except ControlTotalError as error:
        raise ControlTotalError(f"{object_name}: {error}") from error


def _list_rejects(
    warehouse: Warehouse,
    delivered: TelemetryObject,
    parts: Sequence[SpooledMessages],
    bad: pl.DataFrame,
    hide: Redaction,
) -> None:
    for name in bad["signal"].unique(maintain_order=True).to_list():
        for part in parts:
            if name in part.signals:
                warehouse.load(
                    READERS[name].rejects,
                    reading_settings={**engine_settings(part, READERS[name]), **IN_ORDER},
                    structure=READERS[name].rejects_structure,
                    source_name=delivered.source_name,
                    object_name=delivered.object_name,
                    sha256=delivered.sha256,
                    first_bytes=load_policy().first_bytes,
                    **_binding(part, delivered.received_at),
                    **hide.bound(),
                )


def load_group(
    warehouse: Warehouse,
    folder: Path,
    delivered: Mapping[str, TelemetryObject],
    contents: Mapping[str, Content],
    hide: Redaction,
    keep: Retention,
) -> dict[str, ObjectLoad] | None:
    """Loads objects of one shape as one batch, all of them or none: planning a statement costs more than reading a
    small object, and the engine reads several files at once.

    Args:
        folder: holds the bytes of all objects and nothing else, one file each.
        delivered: file name -> the object in it; none of them is in the ledger, no two have the same bytes.
        contents: the same objects, each of one part, of one encoding and the same signals, none with suspects.

    Returns:
        File name -> what became of the object; None, and nothing is visible, when any object holds something to be
        set aside or cannot be loaded: each must then be loaded by itself.
    """
    whole = replace(next(iter(contents.values())).parts[0], path=folder / "*")
    received_at = min(one.received_at for one in delivered.values())
    try:
        terms = _Terms(received_at, hide, keep)
        batch_id, counted = _attempt(warehouse, [whole], terms, abandon_on_fault=True)
    except ControlTotalError:
        return None
    except WarehouseError as error:
        if error.code is not None:
            return None  # whichever it is, loaded by itself it is named
        raise
    survey = pl.concat(counted)
    if not survey.filter(pl.col("fault") != "").is_empty():
        return None
    _note_hidden(warehouse, _together(delivered), batch_id, survey)
    lines: list[_Line] = []
    loads: dict[str, ObjectLoad] = {}
    of_lines: list[Content] = []
    for name, content in contents.items():
        signals = content.parts[0].signals
        good = survey.filter(pl.col("file_name") == name)
        own = _lines(delivered[name], good, good.clear()) or [_Line(delivered[name], signals[0], _NO_DAY, 0)]
        lines += own
        of_lines += [content] * len(own)
        loads[name] = replace(_load_of(signals, good, own), waiting=content.waiting)
    _record(warehouse, lines, batch_id, "loaded", "", of_lines)
    return loads


def _lines(delivered: TelemetryObject, good: pl.DataFrame, bad: pl.DataFrame) -> list[_Line]:
    return [
        *(
            _Line(delivered, row["signal"], row["day"], row["records"])
            for row in _sums(good, "signal", "day")
        ),
        *(_Line(delivered, row["signal"], _NO_DAY, 0, row["records"]) for row in _sums(bad, "signal")),
    ]


def _load_of(signals: Sequence[str], good: pl.DataFrame, lines: Sequence[_Line]) -> ObjectLoad:
    return ObjectLoad(
        "loaded",
        dict.fromkeys(signals, 0) | {row["signal"]: row["records"] for row in _sums(good, "signal")},
        sum(line.rejected for line in lines),
        tables={row["table_name"]: row["records"] for row in _sums(good, "table_name")},
    )


def _sums(survey: pl.DataFrame, *by: str) -> list[dict[str, Any]]:
    return survey.group_by(by, maintain_order=True).agg(pl.col("records").sum()).to_dicts()


def _attempt(
    warehouse: Warehouse, parts: Sequence[SpooledMessages], terms: _Terms, abandon_on_fault: bool = False
) -> tuple[uuid.UUID, list[pl.DataFrame]]:
    """Writes all records under a fresh batch id; returns it and what the surveys counted.

    With ``abandon_on_fault`` nothing is written any more once a survey found a record to set aside.
    """
    batch_id = new_batch_id()
    counted: list[pl.DataFrame] = []
    expected: dict[str, list[pl.DataFrame]] = {}
    for part in parts:
        for name in part.signals:
            reader = READERS[name]
            survey = _survey(warehouse, part, reader, terms)
            counted.append(survey)
            if abandon_on_fault and not survey.filter(pl.col("fault") != "").is_empty():
                return batch_id, counted
            for target in reader.targets:
                good = survey.filter((pl.col("table_name") == target.table) & (pl.col("fault") == ""))
                if not good.is_empty():
                    _write(warehouse, part, reader, target, terms, batch_id, good["day"])
                    expected.setdefault(target.table, []).append(good)
    for table, surveys in expected.items():
        _verify(warehouse, table, batch_id, pl.concat(surveys))
    return batch_id, counted


def _survey(warehouse: Warehouse, part: SpooledMessages, reader: SignalReader, terms: _Terms) -> pl.DataFrame:
    return warehouse.reading.frame(
        reader.survey,
        settings=engine_settings(part, reader),
        structure=reader.survey_structure,
        **_binding(part, terms.received_at),
    ).with_columns(signal=pl.lit(reader.name))


def _write(
    warehouse: Warehouse,
    part: SpooledMessages,
    reader: SignalReader,
    target: Target,
    terms: _Terms,
    batch_id: uuid.UUID,
    days: pl.Series,
) -> None:
    warehouse.load(
        target.statement,
        reading_settings=engine_settings(part, reader),
        settings=insert_settings(),
        structure=target.structure,
        batch_id=batch_id,
        first_day=str(days.min()),
        last_day=str(days.max()),
        **_binding(part, terms.received_at),
        **terms.hide.bound(),
        **terms.keep.bound(),
    )


def _verify(warehouse: Warehouse, table: str, batch_id: uuid.UUID, good: pl.DataFrame) -> None:
    days = good["day"].unique().sort().to_list()
    expected = sum(good["records"].to_list())
    written = warehouse.frame(
        f"queries/telemetry/batch_rows_{table}",
        batch_id=batch_id,
        first_day=days[0].isoformat(),
        last_day=days[-1].isoformat(),
    ).item()
    if written != expected:
        raise ControlTotalError(
            f"otel.{table}: {written} rows written where the object holds {expected}; nothing was published"
        )


def _is_readable(warehouse: Warehouse, spooled: SpooledMessages) -> bool:
    """Whether the engine can read every message of a file, in full."""
    for name in spooled.signals:
        for target in READERS[name].targets:
            try:
                warehouse.reading.frame(
                    f"queries/telemetry/readable_{name}",
                    settings=engine_settings(spooled, READERS[name]),
                    path=spooled.path,
                    format=spooled.engine_format,
                    structure=target.structure,
                )
            except WarehouseError as error:
                if is_unreadable(error):
                    return False
                raise
    return True


def engine_settings(spooled: SpooledMessages, reader: SignalReader) -> dict[str, str | int | float]:
    """Settings the engine reads a spooled file with."""
    if spooled.family == "json":
        return json_settings()
    return protobuf_settings(reader.message)


def _binding(spooled: SpooledMessages, received_at: datetime) -> dict[str, Any]:
    policy = load_policy()
    return {
        "path": spooled.path,
        "format": spooled.engine_format,
        "encoding": spooled.family,
        "time_from": policy.time_from,
        "time_to": policy.time_to,
        "received_to": (int(received_at.timestamp()) + policy.future_seconds) * 10**9,
    }


def recorded(warehouse: Warehouse, sha256s: Sequence[str]) -> dict[str, ObjectLoad]:
    """The outcome the ledger already has for bytes, by their sha256."""
    found: dict[str, ObjectLoad] = {}
    frame = warehouse.frame("queries/telemetry/recorded", sha256s=list(sha256s))
    for (sha256,), lines in frame.group_by(["sha256"], maintain_order=True):
        loaded = lines.filter(pl.col("state") == "loaded")
        if loaded.is_empty():
            found[str(sha256)] = ObjectLoad("refused", reason=lines["reason"][0])
        else:
            rows = dict(loaded.select("signal", "rows").iter_rows())
            found[str(sha256)] = ObjectLoad("already", rows, sum(loaded["rejected"].to_list()))
    return found


def _refused(warehouse: Warehouse, delivered: TelemetryObject, reason: str) -> ObjectLoad:
    _record(warehouse, [_Line(delivered, "", _NO_DAY, 0)], new_batch_id(), "refused", reason, [_NO_CONTENT])
    return ObjectLoad("refused", reason=reason)


def record_rejected(warehouse: Warehouse, delivered: TelemetryObject, records: Mapping[str, int]) -> None:
    """Writes to the ledger how many records of each signal were set aside of an object that holds nothing else."""
    lines = [_Line(delivered, signal, _NO_DAY, 0, count) for signal, count in records.items()]
    if lines:
        _record(warehouse, lines, new_batch_id(), "loaded", "", [_NO_CONTENT])


def note_copies(warehouse: Warehouse, copies: Sequence[TelemetryObject]) -> None:
    """Writes to the ledger that the bytes of these objects were loaded under another name."""
    for one in copies:
        _record(warehouse, [_Line(one, "", _NO_DAY, 0)], new_batch_id(), "unchanged", "", [_NO_CONTENT])


def _record(
    warehouse: Warehouse,
    lines: Sequence[_Line],
    batch_id: uuid.UUID,
    state: Literal["loaded", "refused", "unchanged"],
    reason: str,
    contents: Sequence[Content],
) -> None:
    """One insert for all lines; ``contents`` has one entry per line, or one for all."""
    covered = list(contents) * len(lines) if len(contents) == 1 else contents
    warehouse.execute(
        "statements/telemetry_delivery",
        source_name=lines[0].delivered.source_name,
        object_names=[line.delivered.object_name for line in lines],
        sha256s=[line.delivered.sha256 for line in lines],
        object_bytes=[line.delivered.bytes for line in lines],
        modified=[
            line.delivered.modified_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f") for line in lines
        ],
        batch_id=batch_id,
        signals=[line.signal for line in lines],
        days=[line.day.isoformat() for line in lines],
        rows=[line.rows for line in lines],
        rejected=[line.rejected for line in lines],
        content_bytes=[one.bytes for one in covered],
        content_sha256s=[one.sha256 for one in covered],
        content_heads=[one.head for one in covered],
        waiting_bytes=[one.waiting for one in covered],
        state=state,
        reason=reason,
    )


def _set_aside(warehouse: Warehouse, delivered: TelemetryObject, findings: Findings) -> None:
    now = datetime.now(UTC)
    warehouse.insert(
        "raw_rejects",
        pl.DataFrame(
            [
                {
                    "kind": "telemetry",
                    "source_name": delivered.source_name,
                    "object_name": delivered.object_name,
                    "object_sha256": delivered.sha256,
                    "position": one.position,
                    "records": one.records,
                    "reason": one.reason,
                    "detail": one.detail,
                    "first_bytes": one.first_bytes,
                    "rejected_at": now,
                }
                for one in findings.set_aside
            ]
        ),
    )


def _together(delivered: Mapping[str, TelemetryObject]) -> TelemetryObject:
    """Objects of a group as one, for what is counted over all of them."""
    first, *others = (delivered[name] for name in sorted(delivered))
    if not others:
        return first
    digest = hashlib.sha256("".join(sorted(one.sha256 for one in delivered.values())).encode()).hexdigest()
    return replace(first, object_name=f"{first.object_name} and {len(others)} more", sha256=digest)


def _note_hidden(
    warehouse: Warehouse, delivered: TelemetryObject, batch_id: uuid.UUID, good: pl.DataFrame
) -> None:
    """Counts what was hidden in the rows of a batch, before they become visible."""
    for signal in good["signal"].unique(maintain_order=True).to_list():
        days = good.filter(pl.col("signal") == signal)["day"].sort().to_list()
        warehouse.execute(
            f"statements/telemetry_hidden_{signal}",
            batch_id=batch_id,
            source_name=delivered.source_name,
            object_name=delivered.object_name,
            sha256=delivered.sha256,
            first_day=days[0].isoformat(),
            last_day=days[-1].isoformat(),
        )


def _note_repairs(warehouse: Warehouse, delivered: TelemetryObject, findings: Findings) -> None:
    now = datetime.now(UTC)
    warehouse.insert(
        "raw_repairs",
        pl.DataFrame(
            [
                {
                    "kind": "telemetry",
                    "source_name": delivered.source_name,
                    "object_name": delivered.object_name,
                    "object_sha256": delivered.sha256,
                    "period": _NO_DAY,
                    "subject": subject,
                    "reason": reason,
                    "records": count,
                    "example": findings.examples[subject, reason],
                    "recorded_at": now,
                }
                for (subject, reason), count in findings.repairs.items()
            ]
        ),
    )
