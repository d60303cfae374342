"""Parts that load: bills beside the engine's own copy, spans beside its bare parse and insert, and where a span lies."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import pyarrow as pa

from bench.context import BILL_ROUNDS, ROUNDS, Bench, rate, statement, told
from bench.data import DAY, SPANS_PER_OBJECT, SPANS_PER_REQUEST, write_costs, write_spans
from bench.decode import DECODERS
from bench.live import live_seconds
from bench.measure import Cost, Costs, Line, PeakMemory, compared, lengthened, memory_line, repeated
from bench.targets import Figure, Target, Unit, target
from models.settings import RULES_FILE, BillingSource, Settings, TelemetrySource
from pipelines.compute import compute_costs, compute_identities, compute_registry
from pipelines.ingest import billing, telemetry
from pipelines.ingest.telemetry.load import engine_settings
from pipelines.ingest.telemetry.signals import READERS
from pipelines.ingest.telemetry.spool import spool
from sql.opening import open_warehouse
from sql.warehouse import Warehouse

SPAN_ROUNDS = 3
DAYS_KEPT = 3


def bench_billing(bench: Bench) -> None:
    """Bills end to end, beside the engine's own copy into the same schema and its bare one."""
    targets = {1_000_000: target("billing-1m"), 5_000_000: target("billing-5m")}
    for rows in bench.sizes.bills:
        _bench_bill(bench, rows, targets.get(rows, target("billing-1m")))


def _bench_bill(bench: Bench, rows: int, wanted: Target) -> None:
    settings, apps = bench.workspace(f"billing-{rows}"), bench.sizes.apps
    bill = settings.root / "bill.parquet"
    write_costs(bill, rows, apps)
    bare, own, ingest = Costs(), Costs(), Costs()
    with open_warehouse(settings.root) as warehouse, PeakMemory() as memory:
        warehouse.execute_text(
            statement("bare_costs"), path=bill
        )  # once unmeasured: the file is in memory then
        for number in range(BILL_ROUNDS):
            # other charges each time: the same ones under another source would be held for a person
            write_costs(bill, rows, apps, seed=1 + number)
            bare.measure(partial(warehouse.execute_text, statement("bare_costs"), path=bill))
            warehouse.execute_text(statement("own_costs_table"))
            own.measure(partial(warehouse.execute_text, statement("own_costs"), path=bill))
            ingest.measure(partial(load_bill, warehouse, settings, bill, number))
            forget_bills(warehouse)
    what, size = f"billing, {rows:,} rows", {"rows": rows}
    bench.add(Line(f"{what}: the engine's bare copy", bare.median, rate(rows, bare.median, "rows")))
    bench.add(
        Line(f"{what}: its copy into the same schema, synced", own.median, rate(rows, own.median, "rows"))
    )
    note, what = rate(rows, ingest.median, "rows"), f"{what}: end to end published"
    bench.add(compared(what, ingest, own, "copy into the same schema", note=note, target=wanted, size=size))
    bench.add(compared(what, ingest, bare, "bare copy"))
    note = "with what the benchmark itself holds"
    bench.add(
        memory_line(
            f"billing, {rows:,} rows: memory beside the engine",
            memory.beside,
            note=note,
            target=target("memory-billing"),
            size=size,
        )
    )


def load_bill(warehouse: Warehouse, settings: Settings, bill: Path, number: int) -> None:
    """A bill from its file to a published release, as a source of its own."""
    outcome = billing.ingest_source(warehouse, settings, BillingSource(f"bench-{number}", "focus", str(bill)))
    told(outcome.refusals or [one.reason for one in outcome.periods if one.state != "published"])


def forget_bills(warehouse: Warehouse) -> None:
    """Empties what a bill was loaded into: the next round's charges are these, and would be held otherwise."""
    for table in ("period_head", "raw_focus_costs"):
        warehouse.execute_text(f"TRUNCATE TABLE {table}")


def attribute(warehouse: Warehouse, settings: Settings) -> None:
    """Registry, identities and daily cost of what is loaded."""
    compute_registry(warehouse, settings)
    compute_identities(warehouse, settings)
    compute_costs(warehouse, settings)


def bench_attribution(bench: Bench) -> None:
    """Of one month, all tagged, with an empty registry; then with rules that split three platform apps among all others.

    Each round is a workspace of its own: what an earlier one left to be merged is nobody's cost here.
    """
    rows, apps = bench.sizes.bills[0], bench.sizes.apps
    tags, rules, given = Costs(), Costs(), 0
    for number in range(ROUNDS):
        settings = bench.workspace(f"attribution-{number}")
        bill = settings.root / "bill.parquet"
        write_costs(bill, rows, apps, seed=1 + number)
        with open_warehouse(settings.root) as warehouse:
            load_bill(warehouse, settings, bill, number)
            tags.measure(partial(attribute, warehouse, settings))
            (settings.root / RULES_FILE).write_text(RULES, encoding="utf-8")
            rules.measure(partial(attribute, warehouse, settings))
            given = warehouse.frame_of("SELECT count() AS rows FROM core_cost_allocations_current")["rows"][0]
        bench.tidy()
    what, size = f"attribution: {apps:,} apps x 31 days", {"apps": apps, "days": 31}
    bench.add(repeated(f"{what}, tags only", tags, note=f"{rows:,} rows"))
    note = f"{rows:,} rows; {given:,} amounts given"
    bench.add(
        repeated(f"{what}, shared cost rules", rules, note=note, target=target("attribution"), size=size)
    )


RULES = """\
version: bench
rules:
  - {name: even, take: {app: app-00000}, split: even, to: {except: [app-00001, app-00002]}}
  - {name: by-day, take: {app: app-00001}, split: direct_cost, over: day, fallback: even, to: {except: [app-00000, app-00002]}}
  - {name: by-month, take: {app: app-00002}, split: direct_cost, over: month, fallback: even, to: {except: [app-00000, app-00001]}}
"""
"""Three platform apps, whose cost of each day is split among every other app."""


def bench_restated(bench: Bench) -> None:
    """One month of twelve delivered again, beside the same month alone into an empty warehouse."""
    rows = bench.sizes.month_rows
    twelve = bench.workspace("twelve")
    for month in range(1, 13):
        write_costs(_bill(twelve, month), rows, bench.sizes.apps, date(2026, month, 1))
    restated, single = Costs(), Costs()
    with open_warehouse(twelve.root) as warehouse:
        source = source_of(twelve)
        told(billing.ingest_source(warehouse, twelve, source).refusals)
        for number in range(ROUNDS):
            write_costs(_bill(twelve, 6), rows, bench.sizes.apps, date(2026, 6, 1), seed=2 + number)
            told(restated.measure(partial(billing.ingest_source, warehouse, twelve, source)).refusals)
    for number in range(ROUNDS):
        alone = bench.workspace(f"alone-{number}")
        shutil.copy(_bill(twelve, 6), _bill(alone, 6))
        with open_warehouse(alone.root) as warehouse:
            told(single.measure(partial(billing.ingest_source, warehouse, alone, source_of(alone))).refusals)
    bench.add(Line("billing: one month alone", single.median, rate(rows, single.median, "rows")))
    what = "billing: one month of twelve restated"
    bench.add(lengthened(what, restated, single, "time of one alone", target=target("restated")))


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
    paths, size = write_spans(settings.root, spans, bench.sizes.apps), {"spans": spans}
    with open_warehouse(settings.root) as warehouse, PeakMemory() as memory:
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
            wanted = target("spans-bare")
            bench.add(
                compared(
                    f"{what}, loaded",
                    load,
                    bare,
                    "bare, one after another",
                    note=note,
                    target=wanted,
                    size=size,
                )
            )
            bench.add(compared(f"{what}, loaded", load, at_once, "bare, one statement"))
            whole, wanted = decode.times(spans / first), target("spans-decode")
            bench.add(compared(f"{what}, loaded", load, whole, "Python decode", target=wanted, size=size))
            what = f"OTLP {name}: one object"
            bench.add(
                Line(f"{what}, Python decode to Arrow", decode.median, rate(first, decode.median, "spans"))
            )
            note = rate(first, alone.median, "spans")
            bench.add(compared(f"{what}, loaded", alone, one, "bare", note=note))
            bench.add(compared(f"{what}, loaded", alone, decode, "Python decode"))
    note = "with what the benchmark itself holds, a Python decode of one object among it"
    bench.add(
        memory_line(
            "OTLP: memory beside the engine",
            memory.beside,
            note=note,
            target=target("memory-spans"),
            size=size,
        )
    )


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


def bench_traces(bench: Bench) -> None:
    """Share of a merged table's granules that a read of one app's hour has to look at, as the plan says."""
    settings, spans, apps = bench.workspace("traces"), bench.sizes.kept_spans, bench.sizes.apps
    with open_warehouse(settings.root) as warehouse:
        warehouse.execute_text(statement("kept_spans"), spans=spans, apps=apps, days=DAYS_KEPT)
        warehouse.execute_text(statement("merged_spans"))
        plan = "\n".join(warehouse.frame_of(statement("one_hour_plan")).to_series())
    found = [(int(read), int(of)) for read, of in re.findall(r"Granules: (\d+)/(\d+)", plan)]
    read, of = found[-1][0], max(of for _, of in found)
    bench.add(
        Line(
            f"traces: one app's hour of {spans:,} spans",
            note=f"{read} of {of} granules",
            figure=Figure(read / of, Unit.SHARE),
            target=target("one-hour"),
            size={"apps": apps, "days": DAYS_KEPT, "spans": spans},
        )
    )
