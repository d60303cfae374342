"""`make bench`: how fast each part is, as ratios against the engine's own bare work on the same bytes.

Only measures and prints, a table for people and one line of JSON; nothing here asserts. `--full` uses the sizes of
the design's targets.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from rich.console import Console
from rich.table import Table

from bench.data import cost_panel, write_costs, write_spans
from models import anomaly
from pipelines import billing, telemetry
from pipelines.compute import (
    compute_costs,
    compute_identities,
    compute_registry,
    compute_slo,
    newest_complete,
)
from pipelines.settings import BillingSource, Settings
from sql.local_warehouse import open_warehouse
from sql.publish import new_batch_id, publish_periods
from sql.warehouse import Warehouse

SQL = Path(__file__).parent / "sql"
APPS = 4_200


@dataclass
class Line:
    """One measured thing."""

    what: str
    seconds: float
    rate: str = ""
    ratio: float | None = None
    against: str = ""
    target: str = ""


@dataclass
class Sizes:
    """How much is measured."""

    cost_rows: int = 400_000
    spans: int = 100_000
    slice_days: int = 3
    anomaly_days: int = 400
    demo_apps: int = 60
    demo_days: int = 45


FULL = Sizes(cost_rows=5_000_000, spans=2_000_000, slice_days=30, demo_apps=120, demo_days=90)


@dataclass
class Bench:
    """A workspace to measure in, and what was measured."""

    sizes: Sizes
    root: Path
    lines: list[Line] = field(default_factory=list)

    def add(self, line: Line) -> Line:
        """Keeps a line and tells it at once."""
        self.lines.append(line)
        print(f"  {line.what}: {line.seconds:.2f} s {line.rate}", file=sys.stderr, flush=True)
        return line

    def workspace(self, name: str) -> Settings:
        """A fresh workspace."""
        root = self.root / name
        root.mkdir()
        (root / "catalog").mkdir()
        (root / "teams.yaml").write_text("teams: []\n")
        return Settings(root=root, catalog=root / "catalog", teams=root / "teams.yaml")


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds and result of a piece of work."""
    gc.collect()
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def statement(name: str) -> str:
    """A statement of the benchmark's own."""
    return (SQL / f"{name}.sql").read_text(encoding="utf-8")


def bench_billing(bench: Bench) -> None:
    """End to end published, beside the engine's own copy; then attribution of what was published."""
    settings = bench.workspace("billing")
    bill = settings.root / "bill.parquet"
    rows = bench.sizes.cost_rows
    write_costs(bill, rows, APPS)
    source = BillingSource("bench", "focus", str(bill))
    with open_warehouse(settings.root, role="writer") as warehouse:
        copy, _ = timed(lambda: warehouse.execute_text(statement("copy_costs"), path=bill))
        ingest, outcome = timed(lambda: billing.ingest_source(warehouse, settings, source))
        assert not outcome.refusals, outcome.refusals
        bench.add(Line("billing: the engine's own copy", copy, f"{rows / copy:,.0f} rows/s"))
        bench.add(
            Line(
                "billing: end to end published",
                ingest,
                f"{rows / ingest:,.0f} rows/s",
                copy / ingest,
                "engine's copy",
                ">= 0.6",
            )
        )
        registry, _ = timed(lambda: compute_registry(warehouse, settings))
        identities, _ = timed(lambda: compute_identities(warehouse, settings))
        costs, _ = timed(lambda: compute_costs(warehouse, settings))
        bench.add(
            Line(
                f"attribution: {APPS:,} apps x 31 days",
                registry + identities + costs,
                f"{rows:,} rows",
                target="<= 5 s",
            )
        )


def bench_spans(bench: Bench) -> None:
    """OTLP to the final table, JSON and Protobuf, beside the engine's bare parse-and-insert and a Python decode."""
    settings = bench.workspace("spans")
    spans = bench.sizes.spans
    lines, whole = write_spans(settings.root, spans, APPS)
    with open_warehouse(settings.root, role="writer") as warehouse:
        for name, path in (("JSON", lines), ("Protobuf", whole)):
            bare, _ = timed(lambda path=path, name=name: bare_copy(warehouse, name, path))
            load, outcome = timed(
                lambda path=path: telemetry.load_object(
                    warehouse,
                    source_name="bench",
                    object_name=path.name,
                    path=path,
                    sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
                    modified_at=datetime(2026, 10, 1, tzinfo=UTC),
                )
            )
            assert outcome.state == "loaded", outcome
            bench.add(Line(f"OTLP {name}: bare parse and insert", bare, f"{spans / bare:,.0f} spans/s"))
            bench.add(
                Line(
                    f"OTLP {name}: into the final table",
                    load,
                    f"{spans / load:,.0f} spans/s",
                    bare / load,
                    "bare parse",
                    ">= 0.7",
                )
            )
        decode, _ = timed(lambda: decode_in_python(whole))
        bench.add(
            Line(
                "OTLP Protobuf: Python decode to Arrow",
                decode,
                f"{spans / decode:,.0f} spans/s",
                decode / load,
                "decode / load",
                ">= 3",
            )
        )


def bare_copy(warehouse: Warehouse, name: str, path: Path) -> None:
    """Parse and insert by the engine alone: every field of a span, no mapping, no ledger."""
    telemetry.bare_copy(warehouse, path, json=name == "JSON")


def decode_in_python(path: Path) -> pa.Table:
    """What a Python pipeline does with the same bytes: upb decode, then columns."""
    request = ExportTraceServiceRequest.FromString(path.read_bytes())
    columns: dict[str, list[Any]] = {
        name: [] for name in ("trace", "span", "name", "start", "end", "kind", "attributes")
    }
    for group in request.resource_spans:
        for scope in group.scope_spans:
            for span in scope.spans:
                columns["trace"].append(span.trace_id.hex())
                columns["span"].append(span.span_id.hex())
                columns["name"].append(span.name)
                columns["start"].append(span.start_time_unix_nano)
                columns["end"].append(span.end_time_unix_nano)
                columns["kind"].append(span.kind)
                columns["attributes"].append(
                    [(one.key, one.value.string_value or str(one.value.int_value)) for one in span.attributes]
                )
    return pa.table(
        {
            **{key: values for key, values in columns.items() if key != "attributes"},
            "attributes": pa.array(columns["attributes"], pa.map_(pa.string(), pa.string())),
        }
    )


def bench_slo(bench: Bench) -> None:
    """One SLO pass over slices of 4,200 apps, two objectives, every five minutes of the days measured."""
    settings = bench.workspace("slo")
    days = bench.sizes.slice_days
    with open_warehouse(settings.root, role="writer") as warehouse:
        batch = new_batch_id()
        last = date(2026, 10, 31)
        first = last - timedelta(days=days - 1)
        rows = APPS * 2 * 288 * days
        for offset in range(days):
            day = first + timedelta(days=offset)
            warehouse.execute_text(statement("slices"), day=day.isoformat(), apps=APPS, batch_id=batch)
        publish_periods(
            warehouse,
            "slices",
            {"core_sli_slices": batch},
            {first + timedelta(days=offset): "bench" for offset in range(days)},
            {},
        )
        compute_registry(warehouse, settings)
        seconds, outcome = timed(lambda: compute_slo(warehouse, settings, newest_complete(warehouse)))
        assert outcome.rows == APPS * 2, outcome
        full = "<= 10 s" if days == 30 else f"10 s for 30 days = {days / 3:.0f} s here"
        bench.add(
            Line(
                f"SLO pass: {APPS:,} apps x 2 x {days} days",
                seconds,
                f"{rows / seconds:,.0f} slices/s",
                target=full,
            )
        )


def bench_anomalies(bench: Bench) -> None:
    """The detector on 4,200 apps x 400 days."""
    panel = cost_panel(APPS, bench.sizes.anomaly_days)
    seconds, _ = timed(lambda: anomaly.detect(panel))
    bench.add(
        Line(
            f"anomalies: {APPS:,} apps x {bench.sizes.anomaly_days} days",
            seconds,
            f"{panel.height / seconds:,.0f} days/s",
            target="<= 3 s",
        )
    )


def bench_pass(bench: Bench) -> None:
    """`appfleet run` on a simulated fleet, in a process of its own: seconds per step; then again, unchanged."""
    root = bench.root / "demo"
    apps, days = bench.sizes.demo_apps, bench.sizes.demo_days
    appfleet("simulate", str(root), "--apps", str(apps), "--days", str(days))
    for name in ("first", "unchanged"):
        seconds, text = timed(lambda: appfleet("run", "-w", str(root)))
        bench.add(Line(f"run, {name}: {apps} apps x {days} days", seconds, _steps(text)))
    bench_pages(bench, root)


def bench_pages(bench: Bench, root: Path) -> None:
    """Server time of each query the pages read, on the simulated fleet."""
    from bench.pages import page_queries

    with open_warehouse(root, role="reader") as warehouse:
        timings = page_queries(warehouse)
    for page, milliseconds in timings.items():
        p95 = sorted(milliseconds)[min(len(milliseconds) - 1, int(len(milliseconds) * 0.95))]
        bench.add(
            Line(
                f"page {page}: 95th percentile of its queries' sum",
                p95 / 1000,
                f"{p95:.0f} ms",
                target="<= 300 ms",
            )
        )


def appfleet(*arguments: str) -> str:
    """Output of the command, in a process of its own."""
    run = subprocess.run(
        [sys.executable, "-m", "pipelines.cli", *arguments], capture_output=True, text=True, check=False
    )
    if run.returncode:
        raise SystemExit(run.stdout + run.stderr)
    return run.stdout


def _steps(text: str) -> str:
    return next((line for line in text.splitlines() if " s in all (" in line), "").split("(")[-1].rstrip(").")


class PeakMemory:
    """Greatest resident memory of this process and its children, sampled ten times a second."""

    def __init__(self) -> None:
        self.children = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _sample(self) -> None:
        me = psutil.Process()
        while not self._end.wait(0.1):
            total = 0
            for child in me.children(recursive=True):
                try:
                    total = max(total, child.memory_info().rss)
                except psutil.NoSuchProcess:
                    continue
            self.children = max(self.children, total)


def main() -> None:
    """Measures everything and prints it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="the sizes of the design's targets")
    options = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="appfleet-bench-"))
    bench = Bench(FULL if options.full else Sizes(), root)
    started = time.monotonic()
    try:
        with PeakMemory() as memory:
            for part in (bench_billing, bench_spans, bench_slo, bench_anomalies, bench_pass):
                part(bench)
        from bench.live import bench_live

        bench.lines += [Line(**line) for line in bench_live(root / "live", bench.sizes.spans)]
    finally:
        shutil.rmtree(root, ignore_errors=True)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    bench.lines.append(Line("peak memory: this process", 0.0, f"{own / 2**20:,.0f} MiB"))
    bench.lines.append(
        Line("peak memory: the largest child (the engine)", 0.0, f"{memory.children / 2**20:,.0f} MiB")
    )
    table = Table(
        "what",
        "seconds",
        "rate",
        "ratio",
        "against",
        "target",
        title=f"{time.monotonic() - started:.0f} s in all",
    )
    for line in bench.lines:
        ratio = "" if line.ratio is None else f"{line.ratio:.2f}"
        table.add_row(
            line.what,
            f"{line.seconds:.2f}" if line.seconds else "",
            line.rate,
            ratio,
            line.against,
            line.target,
        )
    Console(width=170).print(table)
    print(json.dumps([line.__dict__ for line in bench.lines]))


if __name__ == "__main__":
    main()
