"""What a request is told before it is answered is what the load then does, whatever was damaged in it."""

from __future__ import annotations

import random
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines.ingest.intake.examine import examined
from pipelines.ingest.intake.faults import Accepted, json_faults, protobuf_faults
from pipelines.ingest.intake.journal import ENDINGS
from pipelines.ingest.intake.limits import Refused
from pipelines.ingest.intake.wire import JSON, PROTOBUF, framed
from pipelines.ingest.telemetry import load_object
from pipelines.ingest.telemetry.frames import Encoding, Signal
from pipelines.ingest.telemetry.messages import mended_json
from sql.warehouse import Warehouse
from tests.telemetry import otlp_messages as otlp

RECEIVED = otlp.NOON // otlp.SECOND
RICH: dict[Signal, Any] = {
    "traces": otlp.rich_traces,
    "metrics": otlp.rich_metrics,
    "logs": otlp.rich_logs,
}
TIMES = (
    0,
    1,
    otlp.NOON,
    otlp.NOON + 600 * otlp.SECOND - 1,
    otlp.NOON + 600 * otlp.SECOND,
    otlp.NOON + 10**18,
    2**63,
    2**64 - 1,
)


def records_of(request: Any) -> list[Any]:
    """Spans, points and log records of a request."""
    found = []
    for resource in getattr(request, request.DESCRIPTOR.fields[0].name):
        for scope in getattr(resource, resource.DESCRIPTOR.fields_by_number[2].name):
            for item in getattr(scope, scope.DESCRIPTOR.fields_by_number[2].name):
                data = item.WhichOneof("data") if item.DESCRIPTOR.name == "Metric" else None
                found += getattr(item, data).data_points if data else [item]
    return found


def with_odd_records(numbers: random.Random, signal: Signal) -> Any:
    """A request some of whose ids and times are odd."""
    request = RICH[signal]()
    for record in records_of(request) if numbers.random() < 0.7 else ():
        for name in record.DESCRIPTOR.fields_by_name:
            if name.endswith("time_unix_nano") and numbers.random() < 0.3:
                setattr(record, name, numbers.choice(TIMES))
            if name in ("trace_id", "span_id") and signal == "traces" and numbers.random() < 0.2:
                size = len(getattr(record, name))
                setattr(
                    record, name, numbers.choice((b"", bytes(size), b"\x01" * (size - 1), b"\x02" * size))
                )
        for event in getattr(record, "events", ()):
            event.time_unix_nano = numbers.choice(TIMES)
        for exemplar in getattr(record, "exemplars", ()):
            exemplar.time_unix_nano = numbers.choice(TIMES)
    return request


def loaded(
    warehouse: Warehouse,
    folder: Path,
    signal: Signal,
    encoding: Encoding,
    payloads: list[bytes],
    suspect: bool,
) -> Any:
    """What the load makes of a segment of these requests."""
    content = b"".join(framed(one, encoding) for one in payloads)
    path = folder / f"{signal}-{suspect}-{random.random()}{ENDINGS[encoding]}"
    path.write_bytes(content)
    return load_object(
        warehouse,
        source_name="live",
        object_name=path.name,
        path=path,
        sha256=path.name,
        modified_at=datetime.fromtimestamp(RECEIVED, UTC),
        signal=signal,
        encoding=encoding,
        received_at=datetime.fromtimestamp(RECEIVED, UTC),
        is_suspect=suspect,
    )


@pytest.mark.parametrize("count", [15, pytest.param(80, marks=pytest.mark.slow)])
@pytest.mark.parametrize("signal", RICH)
def test_an_answer_and_the_load_agree(
    warehouse: Warehouse, tmp_path: Path, signal: Signal, count: int
) -> None:
    """Many requests with odd records in both encodings: as many are said not to be kept as are then set aside."""
    numbers = random.Random(f"agree {signal}")
    requests = [with_odd_records(numbers, signal) for _ in range(count)]
    for encoding, encode in ((PROTOBUF, lambda one: one.SerializeToString()), (JSON, otlp.as_json)):
        answers = [examined(encode(one), signal, encoding, RECEIVED) for one in requests]
        assert any(one.rejected for one in answers) and not all(one.rejected for one in answers)
        outcome = loaded(
            warehouse, tmp_path, signal, encoding, [one.payload.rstrip(b"\n") for one in answers], False
        )
        assert outcome.rejected == sum(one.rejected for one in answers)
        assert outcome.rows[signal] == len(requests) * len(records_of(RICH[signal]())) - outcome.rejected


@pytest.mark.parametrize("count", [60, pytest.param(300, marks=pytest.mark.slow)])
@pytest.mark.parametrize("signal", RICH)
def test_damage_is_said_and_costs_no_innocent_request(
    warehouse: Warehouse, tmp_path: Path, signal: Signal, count: int
) -> None:
    """A byte changed anywhere: the request is refused, or what of it is kept is what was promised."""
    numbers = random.Random(f"damage {signal}")
    streams: dict[bool, list[bytes]] = {False: [], True: []}
    promised = Counter[str]()
    innocent = RICH[signal]().SerializeToString()
    for _ in range(count):
        damaged = bytearray(innocent)
        for _ in range(numbers.choice((1, 2))):
            damaged[numbers.randrange(len(damaged))] = numbers.randrange(256)
        try:
            found = examined(bytes(damaged), signal, PROTOBUF, RECEIVED)
        except Refused as refusal:
            assert refusal.status == 400
            continue
        if found.payload:
            streams[found.is_suspect].append(found.payload)
            promised["rejected"] += found.rejected
        streams[False].append(innocent)
        promised["innocent"] += 1
    rejected = 0
    for suspect, payloads in streams.items():
        outcome = loaded(warehouse, tmp_path, signal, PROTOBUF, payloads, suspect)
        assert outcome.state == "loaded"
        rejected += outcome.rejected
        if not suspect:
            assert outcome.rows[signal] >= promised["innocent"] * len(records_of(RICH[signal]()))
    assert rejected == promised["rejected"]


def test_the_quick_look_sees_what_the_slow_one_sees() -> None:
    numbers = random.Random("quick")
    accepted = Accepted.at(time.time())
    now = time.time_ns()
    for _ in range(200):
        request = otlp.traces(numbers.randint(0, 6), start=now)
        for span in records_of(request):
            if numbers.random() < 0.2:
                span.start_time_unix_nano = numbers.choice(TIMES)
            if numbers.random() < 0.1:
                span.trace_id = numbers.choice((bytes(16), b"", b"\x01" * 16))
        text = mended_json(otlp.as_json(request)).document
        seen = protobuf_faults(request.SerializeToString(), "traces", accepted)
        assert seen == json_faults(text, "traces", accepted)
