"""Objects that grow, break off, are cut, rotated and packed between passes: each record counts once."""

from __future__ import annotations

import gzip
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from backports import zstd

from models.errors import WarehouseError
from models.settings import Settings, TelemetrySource
from pipelines.ingest.telemetry import TelemetryOutcome, ingest_source
from pipelines.ingest.telemetry import load as load_module
from pipelines.ingest.telemetry import source as source_module
from pipelines.ingest.telemetry.policy import load_policy
from pipelines.ingest.telemetry.spool import HEAD_BYTES
from sql.warehouse import Warehouse
from tests.telemetry import otlp_messages as otlp

Framed = Callable[[bytes], bytes]


def zstd_framed(*requests: object) -> bytes:
    """As the collector's file exporter packs: a length and one zstd frame per message."""
    packed = [zstd.compress(otlp.as_json(one).strip()) for one in requests]  # type: ignore[arg-type]
    return b"".join(len(one).to_bytes(4, "big") + one for one in packed)


def as_lines(*requests: object) -> bytes:
    return b"".join(otlp.as_json(one) for one in requests)  # type: ignore[arg-type]


ENCODINGS = {"json": as_lines, "prefixed": otlp.prefixed, "delimited": otlp.delimited, "zstd": zstd_framed}


class Source:
    """A folder, and passes over it."""

    def __init__(self, warehouse: Warehouse, root: Path) -> None:
        self.warehouse = warehouse
        self.settings = Settings(root=root, catalog=root, teams=root)
        self.folder = root / "in"
        self.folder.mkdir()

    def put(self, name: str, content: bytes, age_seconds: float = 0) -> Path:
        path = self.folder / name
        with path.open("r+b" if path.exists() else "wb") as file:  # the same file, as a writer that appends
            file.write(content)
            file.truncate()
        written = time.time() - age_seconds
        os.utime(path, (written, written))
        return path

    def run(self) -> TelemetryOutcome:
        return ingest_source(
            self.warehouse, self.settings, TelemetrySource("files", "otlp", str(self.folder))
        )

    def spans(self) -> int:
        """Spans as stored, not as shown: nothing but the load keeps them from counting twice."""
        return self.spans_by_service().total()

    def spans_by_service(self) -> Counter[str]:
        """The same by the service that wrote them."""
        stored = self.warehouse.frame_of(
            "SELECT toString(ServiceName), count() FROM otel.otel_traces"
            " WHERE x_BatchId IN (SELECT batch_id FROM otel.loaded_batches) GROUP BY 1"
        )
        return Counter(dict(stored.iter_rows()))


@pytest.fixture
def source(warehouse: Warehouse, tmp_path: Path) -> Source:
    return Source(warehouse, tmp_path)


def requests(count: int, service: str = "shop") -> list[object]:
    """Requests of three spans each, no two alike."""
    made: list[object] = []
    for number in range(count):
        state = f"long={'x' * 200}"  # two requests are longer than the beginning by which objects are found
        made.append(otlp.traces(3, first=1 + 3 * number, service=service, trace_state=state))
    return made


class Growing:
    """An object of nine requests whose writer is met in the middle three times."""

    def __init__(self, encoding: str) -> None:
        self.name, self.encode = encoding, ENCODINGS[encoding]
        self.sent = requests(11, encoding)
        self.whole = self.encode(*self.sent[:9])
        self.cuts = sorted(random.Random(encoding).sample(range(1, len(self.whole)), 3))

    def complete(self, cut: int) -> int:
        """How many of the requests are all there in so many bytes; the end of a last line may still come."""
        ends = [len(self.encode(*self.sent[: number + 1])) for number in range(9)]
        return sum(end <= cut + (self.name == "json") for end in ends)


def test_what_is_appended_is_loaded_and_no_more(source: Source) -> None:
    """Passes fall anywhere in files of every encoding, within a message too; packed after their rotation they count no more."""
    files = [Growing(encoding) for encoding in ENCODINGS]
    for turn in range(3):
        for one in files:
            source.put(one.name, one.whole[: one.cuts[turn]])
        outcome = source.run()
        assert source.spans_by_service() == Counter(
            {one.name: 3 * one.complete(one.cuts[turn]) for one in files}
        )
        assert (outcome.refusals, outcome.rejected) == ((), 0)
    for one in files:
        source.put(one.name, one.whole)
    source.run()
    assert source.spans_by_service() == dict.fromkeys(ENCODINGS, 27)
    for one in files:
        source.put(f"{one.name}-2026-01-01.gz", gzip.compress(one.whole))
        source.put(one.name, one.encode(*one.sent[9:]))
    assert source.run().loaded == len(files)
    assert source.spans_by_service() == dict.fromkeys(ENCODINGS, 33)
    for one in files:
        source.put(f"{one.name}.zst", zstd.compress(one.whole))
    source.run()
    assert source.spans_by_service() == dict.fromkeys(ENCODINGS, 33)
    again = source.run()
    assert (again.loaded, again.already, again.rejected) == (0, 3 * len(files), 0)


def test_a_file_cut_to_nothing_begins_anew(source: Source) -> None:
    sent = requests(6)
    source.put("log", as_lines(*sent[:4]))
    source.run()
    source.put("log", as_lines(sent[4]))
    source.run()
    assert source.spans() == 15
    source.put("log", as_lines(*sent[4:]))
    source.run()
    assert source.spans() == 18


def test_what_never_comes_is_set_aside_in_the_end(source: Source) -> None:
    """A message that breaks off waits for its rest for ten minutes, then it is damaged."""
    sent = requests(2)
    content = as_lines(*sent)[:-40]
    source.put("log", content)
    outcome = source.run()
    assert (source.spans(), outcome.waiting, outcome.rejected) == (3, 1, 0)
    source.put("log", content, age_seconds=3600)
    outcome = source.run()
    assert (source.spans(), outcome.waiting, outcome.rejected) == (3, 0, 1)
    reason = source.warehouse.frame_of("SELECT toString(reason) FROM raw_rejects").item()
    assert reason == "unreadable message"
    assert source.run().already == 1


def test_a_kill_between_load_and_ledger_loses_nothing(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = requests(4)
    source.put("log", as_lines(*sent[:2]))
    source.run()
    source.put("log", as_lines(*sent))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(load_module, "_record", killed)
    with pytest.raises(KeyboardInterrupt):
        source.run()
    assert source.spans() == 6
    monkeypatch.undo()
    source.run()
    assert source.spans() == 12


def test_one_bad_sender_in_every_shape_harms_no_other(source: Source) -> None:
    """NaN, halves of characters, garbage, other signals and older names beside innocent messages of one pass."""
    good = [otlp.traces(3, first=1 + 3 * number) for number in range(4)]
    text = otlp.as_json(otlp.traces(1, first=90))
    bad = [
        text.replace(b'"kind"', b'"attributes":[{"key":"n","value":{"doubleValue":NaN}}],"kind"'),
        text.replace(b"GET /", b"cut \\ud83d").replace(b"zQAAAAAAAFo=", b"zQAAAAAAAFs="),
        text.replace(b"GET /", b"cut \xf0\x9f"),
        b"\x00\xff garbage",
        b'{"foo": 1}\n',
        text[:90] + b"\n",
    ]
    for name, some in (("kept.jsonl", bad[:3]), ("lost.jsonl", bad[3:])):
        lines = [otlp.as_json(request).strip() for request in good]
        for number, one in enumerate(some):
            lines.insert(2 * number, one.strip())
        source.put(name, b"\n".join(lines) + b"\n")
    mixed = [otlp.rich_logs(), *good, otlp.metrics_of("gauge")]
    source.put("mixed.pb", otlp.prefixed(*mixed))
    source.put(
        "garbage first.pb", b"\x00\x00\x00\x09\xff\xff\xff\xff\xff\xff\xff\xff\xff" + otlp.prefixed(*good)
    )
    outcome = source.run()
    assert outcome.refusals == ()
    counted = source.warehouse.frame_of("SELECT uniqExact(TraceId) FROM otel.otel_traces_current").item()
    assert counted == 12 + 1
    assert outcome.records["logs"] == 3 and outcome.records["metrics"] == 3
    assert (outcome.rejected, outcome.repaired) == (4, 3)
    reasons = source.warehouse.frame_of("SELECT DISTINCT toString(reason) FROM raw_repairs ORDER BY 1")
    assert len(reasons) == 3


def test_an_object_the_engine_fails_on_is_named_and_holds_up_no_other(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, one in enumerate(requests(9)[6:]):
        source.put(f"{number}.jsonl", as_lines(one) + b" " * number)
    attempt = load_module._attempt

    def out_of_memory(warehouse: Warehouse, parts: Sequence[Any], *more: Any, **named: Any) -> Any:
        if any(
            not one.path.is_file() or b"%d" % (otlp.NOON + 22_000_000) in one.path.read_bytes()
            for one in parts
        ):
            raise WarehouseError("memory limit exceeded", 241)
        return attempt(warehouse, parts, *more, **named)

    monkeypatch.setattr(load_module, "_attempt", out_of_memory)
    outcome = source.run()
    assert [str(one) for one in outcome.refusals] == ["1.jsonl: memory limit exceeded"]
    assert (outcome.loaded, outcome.waiting) == (2, 0)
    monkeypatch.undo()
    assert source.run().refusals == ()
    assert source.spans() == 9


def test_what_waits_is_looked_at_again_when_it_is_old_and_not_before(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same listing: only the clock went on."""
    source.put("log", as_lines(*requests(2))[:-40], age_seconds=300)
    assert (source.run().waiting, source.run().waiting) == (1, 1)
    sooner = replace(load_policy(), growing_seconds=300)
    for module in (source_module, load_module):
        monkeypatch.setattr(module, "load_policy", lambda: sooner)
    outcome = source.run()
    assert (outcome.waiting, outcome.rejected, source.spans()) == (0, 1, 3)


def test_objects_are_found_by_their_beginning_unless_they_are_shorter_than_it(warehouse: Warehouse) -> None:
    lengths = {
        "short": HEAD_BYTES - 1,
        "exact": HEAD_BYTES,
        "long": HEAD_BYTES + 1,
        "long too": HEAD_BYTES + 1,
    }
    lines = [
        {
            "kind": "telemetry",
            "source_name": "files",
            "state": "loaded",
            "content_head": "other" if name == "long too" else "head",
            "content_bytes": length,
            "content_sha256": name,
        }
        for name, length in lengths.items()
    ]
    warehouse.insert("raw_deliveries", pl.DataFrame(lines))
    covered = source_module._Covered(warehouse, "files")
    short, exact, long = (lengths[name] for name in ("short", "exact", "long"))
    for head, size, found in (
        ("head", short - 1, {}),
        ("other", short, {short: {"short"}}),
        ("head", exact - 1, {short: {"short"}}),
        ("head", exact, {short: {"short"}, exact: {"exact"}}),
        ("head", long, {short: {"short"}, exact: {"exact"}, long: {"long"}}),
        ("other", 10**9, {short: {"short"}, long: {"long too"}}),
        ("nobody's", 10**9, {short: {"short"}}),
    ):
        assert covered.lengths(head, size) == found, (head, size)
