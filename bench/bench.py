"""`make bench`: how fast each part is, as ratios against the engine's own bare work on the same bytes.

Only measures and prints, a table for people and one line of JSON; nothing here asserts. ``--full`` uses the sizes of
the design's targets. What a measurement is lives in ``bench.measure``, the bytes in ``bench.data``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from bench.data import DAY, SPANS_PER_OBJECT, SPANS_PER_REQUEST, cost_panel, write_costs, write_spans
from bench.decode import DECODERS
from bench.live import live_seconds
from bench.measure import MIB, Cost, Costs, Line, PeakMemory, compared, lengthened, measured, print_lines
from bench.pages import page_seconds, reads_of_pages
from models import anomaly
from models.policy import request_slices, slo_defaults
from models.requests import ladder_ms
from models.settings import BillingSource, Settings, TelemetrySource
from pipelines.compute import (
    AsOf,
    compute_costs,
    compute_identities,
    compute_registry,
    compute_slo,
)
from pipelines.ingest import billing, telemetry
from pipelines.ingest.telemetry.load import engine_settings
from pipelines.ingest.telemetry.signals import READERS
from pipelines.ingest.telemetry.spool import spool
from sql.local_warehouse import open_warehouse
from sql.publish import new_batch_id, publish_periods
from sql.warehouse import Warehouse

SQL = Path(__file__).parent / "sql"
APPS = 4_200
ROUNDS = 3
BILL_ROUNDS = 5
SPAN_ROUNDS = 3
PAGE_ROUNDS = 20
SLICES_PER_DAY = 288
OBJECTIVES = 2
SLO_TARGET_DAYS = 30
SLO_TARGET_SECONDS = 10
REFUSED = 3


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    cost_rows: int = 1_000_000
    month_rows: int = 50_000
    spans: int = 400_000
    live_spans: int = 200_000
    slice_days: int = 3
    anomaly_days: int = 400
    demo_apps: int = 30
    demo_days: int = 30


FULL = Sizes(
    cost_rows=5_000_000,
    month_rows=400_000,
    spans=2_000_000,
    live_spans=500_000,
    slice_days=SLO_TARGET_DAYS,
    demo_apps=120,
    demo_days=90,
)


@dataclass
class Bench:
    """A folder to measure in, and what was measured."""

    sizes: Sizes
    root: Path
    lines: list[Line] = field(default_factory=list)

    def add(self, line: Line) -> None:
        """Keeps a line and tells it at once."""
        self.lines.append(line)
        seconds = f"{line.cost.seconds:.2f} s" if line.cost else ""
        print(f"  {line.what}: {seconds} {line.note}", file=sys.stderr, flush=True)

    def workspace(self, name: str) -> Settings:
        """Settings of a fresh, empty workspace."""
        root = self.root / name
        (root / "catalog").mkdir(parents=True)
        (root / "teams.yaml").write_text("teams: []\n", encoding="utf-8")
        return Settings(root=root, catalog=root / "catalog", teams=root / "teams.yaml")


def statement(name: str) -> str:
    """A statement of the benchmark's own."""
    return (SQL / f"{name}.sql").read_text(encoding="utf-8")


def rate(count: int, cost: Cost, of: str) -> str:
    """How many a second."""
    return f"{count / cost.seconds:,.0f} {of}/s"


def bench_billing(bench: Bench) -> None:
    """A bill end to end, beside the engine's own copy into the same schema and its bare one; then its attribution."""
    settings, rows = bench.workspace("billing"), bench.sizes.cost_rows
    bill = settings.root / "bill.parquet"
    write_costs(bill, rows, APPS)
    bare, own, ingest = Costs(), Costs(), Costs()
    with open_warehouse(settings.root) as warehouse:
        warehouse.execute_text(
            statement("bare_costs"), path=bill
        )  # once unmeasured: the file is in memory then
        for number in range(BILL_ROUNDS):
            # other charges each time: the same ones under another source would be held for a person
            write_costs(bill, rows, APPS, seed=1 + number)
            bare.measure(partial(warehouse.execute_text, statement("bare_costs"), path=bill))
            warehouse.execute_text(statement("own_costs_table"))
            own.measure(partial(warehouse.execute_text, statement("own_costs"), path=bill))
            source = BillingSource(f"bench-{number}", "focus", str(bill))
            outcome = ingest.measure(partial(billing.ingest_source, warehouse, settings, source))
            told(outcome.refusals or [one.reason for one in outcome.periods if one.state != "published"])
            if number == 0:
                bench_attribution(bench, warehouse, settings)
            for table in (
                "period_head",
                "raw_focus_costs",
            ):  # the next round's charges are these: held otherwise
                warehouse.execute_text(f"TRUNCATE TABLE {table}")
    bench.add(Line("billing: the engine's bare copy", bare.median, rate(rows, bare.median, "rows")))
    bench.add(
        Line("billing: its copy into the same schema, synced", own.median, rate(rows, own.median, "rows"))
    )
    note, what = rate(rows, ingest.median, "rows"), "billing: end to end published"
    bench.add(compared(what, ingest, own, "copy into the same schema", ">= 0.6", note))
    bench.add(compared(what, ingest, bare, "bare copy", "> 0.32"))


def bench_attribution(bench: Bench, warehouse: Warehouse, settings: Settings) -> None:
    """Registry, identities and daily cost of one month of 4,200 apps, all tagged.

    The registry is empty: the rules after the tag, shared cost among them, are not measured.
    """

    def attribute() -> None:
        compute_registry(warehouse, settings)
        compute_identities(warehouse, settings)
        compute_costs(warehouse, settings)

    cost, _ = measured(attribute)
    note = f"{bench.sizes.cost_rows:,} rows; tags only"
    bench.add(Line(f"attribution: {APPS:,} apps x 31 days", cost, note, target="<= 5 s with shared cost"))


def bench_restated(bench: Bench) -> None:
    """One month of twelve delivered again, beside the same month alone into an empty warehouse."""
    rows = bench.sizes.month_rows
    twelve = bench.workspace("twelve")
    for month in range(1, 13):
        write_costs(_bill(twelve, month), rows, APPS, date(2026, month, 1))
    restated, single = Costs(), Costs()
    with open_warehouse(twelve.root) as warehouse:
        source = source_of(twelve)
        told(billing.ingest_source(warehouse, twelve, source).refusals)
        for number in range(ROUNDS):
            write_costs(_bill(twelve, 6), rows, APPS, date(2026, 6, 1), seed=2 + number)
            told(restated.measure(partial(billing.ingest_source, warehouse, twelve, source)).refusals)
    for number in range(ROUNDS):
        alone = bench.workspace(f"alone-{number}")
        shutil.copy(_bill(twelve, 6), _bill(alone, 6))
        with open_warehouse(alone.root) as warehouse:
            told(single.measure(partial(billing.ingest_source, warehouse, alone, source_of(alone))).refusals)
    bench.add(Line("billing: one month alone", single.median, rate(rows, single.median, "rows")))
    what = "billing: one month of twelve restated"
    bench.add(lengthened(what, restated, single, "time of one alone", "<= 1.3"))


def source_of(settings: Settings) -> BillingSource:
    """The folder of a workspace's bills."""
    return BillingSource("bench", "focus", str(settings.root / "bills"))


def _bill(settings: Settings, month: int) -> Path:
    folder = settings.root / "bills"
    folder.mkdir(exist_ok=True)
    return folder / f"{month:02}.parquet"


def bench_spans(bench: Bench) -> None:
    """OTLP into the final table, JSON and Protobuf, beside the bare parse and insert and a Python decode.

    A folder of objects is what a pass meets; one object alone pays the plan of its statements by itself.
    """
    settings, spans = bench.workspace("spans"), bench.sizes.spans
    paths = write_spans(settings.root, spans, APPS)
    with open_warehouse(settings.root) as warehouse:
        for encoding, objects in paths.items():
            name = {"json": "JSON", "protobuf": "Protobuf"}[encoding]
            bare, at_once, load, alone, decode, one = Costs(), Costs(), Costs(), Costs(), Costs(), Costs()
            _bare_spans(warehouse, objects)  # once unmeasured: the files are in memory then
            for _ in range(SPAN_ROUNDS):
                bare.measure(partial(_each_bare, warehouse, objects))
                one.measure(partial(_bare_spans, warehouse, objects[:1]))
                at_once.measure(partial(_bare_spans, warehouse, objects))
                load.measure(partial(_load_spans, warehouse, settings, objects))
                alone.measure(partial(_load_spans, warehouse, settings, objects[:1]))
                decode.measure(partial(_decode, DECODERS[encoding], objects[:1]))
            first = min(spans, SPANS_PER_OBJECT)
            what = f"OTLP {name}: {len(objects)} objects"
            bench.add(
                Line(f"{what}, bare, one after another", bare.median, rate(spans, bare.median, "spans"))
            )
            bench.add(
                Line(f"{what}, bare, one statement", at_once.median, rate(spans, at_once.median, "spans"))
            )
            note = rate(spans, load.median, "spans")
            bench.add(compared(f"{what}, loaded", load, bare, "bare, one after another", ">= 0.7", note))
            bench.add(compared(f"{what}, loaded", load, at_once, "bare, one statement", ""))
            whole = decode.times(spans / first)
            bench.add(compared(f"{what}, loaded", load, whole, "Python decode", ">= 3"))
            what = f"OTLP {name}: one object"
            bench.add(
                Line(f"{what}, Python decode to Arrow", decode.median, rate(first, decode.median, "spans"))
            )
            note = rate(first, alone.median, "spans")
            bench.add(compared(f"{what}, loaded", alone, one, "bare", "", note))
            bench.add(compared(f"{what}, loaded", alone, decode, "Python decode", ""))


def _each_bare(warehouse: Warehouse, objects: list[Path]) -> None:
    for path in objects:
        _bare_spans(warehouse, [path])


def _bare_spans(warehouse: Warehouse, objects: list[Path]) -> None:
    """All objects in one statement."""
    reader = READERS["traces"]
    with tempfile.TemporaryDirectory(dir=objects[0].parent) as name:
        folder = Path(name)
        for number, path in enumerate(objects):
            own = folder / str(number)
            own.mkdir()
            (spooled,) = spool(path, own, path.name).parts
            os.link(spooled.path, folder / f"read-{path.name}")
        warehouse.execute_text(
            statement("bare_spans"),
            engine_settings(spooled, reader),
            path=folder / "read-*",
            format=spooled.engine_format,
            structure=reader.targets[0].structure,
        )


def _load_spans(warehouse: Warehouse, settings: Settings, objects: list[Path]) -> None:
    """A pass over a folder of the objects, which were received after their day; all is empty before and after."""
    received = (DAY + timedelta(days=1)).timestamp()
    with tempfile.TemporaryDirectory(dir=settings.root) as name:
        for path in objects:
            os.link(path, Path(name) / path.name)
            os.utime(path, (received, received))
        outcome = telemetry.ingest_source(warehouse, settings, TelemetrySource("bench", "otlp", name))
    told([str(one) for one in (*outcome.refusals, *outcome.set_aside)])
    told(
        [] if outcome.loaded == len(objects) else [f"{outcome.loaded} of {len(objects)} objects were loaded"]
    )
    for table in ("raw_deliveries", "otel.otel_traces"):  # as the bare insert finds it: nothing to merge with
        warehouse.execute_text(f"TRUNCATE TABLE {table}")


def _decode(decoder: Callable[[Path], pa.Table], objects: list[Path]) -> None:
    for path in objects:
        decoder(path)


def bench_live(bench: Bench) -> None:
    """Spans over gRPC to rows a reader sees: one request, which is all waiting, and many."""
    for name, spans in (("one request", SPANS_PER_REQUEST), ("many", bench.sizes.live_spans)):
        found = live_seconds(bench.root / f"live-{spans}", spans)
        what = f"live, {name} ({spans:,} spans)"
        acknowledged = Cost(found.acknowledged)
        bench.add(Line(f"{what}: acknowledged", acknowledged, rate(spans, acknowledged, "spans")))
        if found.visible is None:
            bench.add(Line(f"{what}: visible", note="not in time"))
        else:
            visible = Cost(found.visible)
            bench.add(Line(f"{what}: visible", visible, rate(spans, visible, "spans")))


def bench_slo(bench: Bench) -> None:
    """One SLO pass over slices of 4,200 apps, two objectives, every five minutes of the days measured."""
    settings, days = bench.workspace("slo"), bench.sizes.slice_days
    last = date(2026, 10, 31)
    measured_days = [last - timedelta(days=offset) for offset in range(days)]
    rows = APPS * OBJECTIVES * SLICES_PER_DAY * days
    ladder = ladder_ms(request_slices(), slo_defaults())
    with open_warehouse(settings.root) as warehouse:
        batch = new_batch_id()
        for day in measured_days:
            warehouse.execute_text(
                statement("slices"), day=day.isoformat(), apps=APPS, bounds=len(ladder), batch_id=batch
            )
        publish_periods(
            warehouse, "slices", {"core_request_slices": batch}, dict.fromkeys(measured_days, "bench"), {}
        )
        compute_registry(warehouse, settings)
        as_of = AsOf(datetime.combine(last + timedelta(days=1), datetime.min.time(), UTC), last)
        cost, outcome = measured(lambda: compute_slo(warehouse, settings, as_of, as_of.slice_end))
    note = f"{outcome.rows:,} answers, {rate(rows, cost, 'slices')}"
    target = f"<= {SLO_TARGET_SECONDS * days / SLO_TARGET_DAYS:g} s ({SLO_TARGET_SECONDS} s for {SLO_TARGET_DAYS} days)"
    bench.add(Line(f"SLO pass: {APPS:,} apps x {OBJECTIVES} x {days} days", cost, note, target=target))


def bench_anomalies(bench: Bench) -> None:
    """The detector on 4,200 apps."""
    panel = cost_panel(APPS, bench.sizes.anomaly_days)
    cost, _ = measured(lambda: anomaly.detect(panel))
    note = rate(panel.height, cost, "app days")
    what = f"anomalies: {APPS:,} apps x {bench.sizes.anomaly_days} days"
    bench.add(Line(what, cost, note, target="<= 3 s"))


def bench_pass(bench: Bench) -> None:
    """`appfleet run` on a simulated fleet: seconds per step, first and unchanged; then what its pages read."""
    root, apps, days = bench.root / "demo", bench.sizes.demo_apps, bench.sizes.demo_days
    appfleet("simulate", str(root), "--apps", str(apps), "--days", str(days))
    for name in ("first", "unchanged"):
        cost, text = measured(lambda: appfleet("run", "-w", str(root)))
        bench.add(Line(f"run, {name}: {apps} apps x {days} days", cost, _steps(text)))
    with open_warehouse(root, role="reader") as warehouse:
        for page, reads in reads_of_pages(root).items():
            seconds = sorted(page_seconds(warehouse, reads, PAGE_ROUNDS))
            high = Cost(seconds[int(len(seconds) * 0.95) - 1])
            note = f"{len(reads)} reads, median {seconds[len(seconds) // 2] * 1000:.0f} ms"
            bench.add(
                Line(
                    f"page {page}, p95: {apps} apps x {days} days",
                    high,
                    note,
                    target="<= 0.3 s at 4,200 apps x 13 months",
                )
            )


def appfleet(*arguments: str) -> str:
    """Output of the command, in a process of its own."""
    run = subprocess.run(
        [sys.executable, "-m", "pipelines.commands.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "1000"},
    )
    if run.returncode not in (0, REFUSED):
        raise SystemExit(run.stdout + run.stderr)
    return run.stdout


def _steps(text: str) -> str:
    """The steps and their seconds, from the summary's last line."""
    return next((line.split("(")[-1].rstrip(").") for line in text.splitlines() if " s in all (" in line), "")


def told(problems: Any) -> None:
    """Ends the benchmark where its own input was refused: there is nothing to measure then."""
    if problems:
        raise SystemExit(f"the benchmark's own input was refused: {problems}")


PARTS: dict[str, Callable[[Bench], None]] = {
    "billing": bench_billing,
    "restated": bench_restated,
    "spans": bench_spans,
    "live": bench_live,
    "slo": bench_slo,
    "anomalies": bench_anomalies,
    "pass": bench_pass,
}


def main() -> None:
    """Measures everything and prints it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="the sizes of the design's targets")
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {', '.join(PARTS)}")
    options = parser.parse_args()
    started = time.monotonic()
    root = Path(tempfile.mkdtemp(prefix="appfleet-bench-"))
    bench = Bench(FULL if options.full else Sizes(), root)
    try:
        with PeakMemory() as memory:
            for part in options.only.split(","):
                PARTS[part](bench)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    bench.lines.append(Line("peak memory: this process", note=f"{memory.own / MIB:,.0f} MiB"))
    bench.lines.append(
        Line("peak memory: the largest child, the engine", note=f"{memory.child / MIB:,.0f} MiB")
    )
    print_lines(bench.lines, f"{time.monotonic() - started:.0f} s in all")


if __name__ == "__main__":
    main()
