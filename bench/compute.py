"""Parts that compute on rollups: objectives, anomalies, and what twice as much costs."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from functools import partial
from statistics import fmean

from bench.anomaly import BENCHMARK, loaded
from bench.anomaly import measured as scored
from bench.context import ROUNDS, Bench, rate, statement, told
from bench.data import cost_panel, write_costs
from bench.ingest import attribute, forget_bills, load_bill
from bench.measure import (
    Costs,
    Line,
    PeakMemory,
    lengthened,
    measured,
    memory_line,
    repeated,
)
from bench.targets import Figure, Target, Unit, target
from models import anomaly
from models.policy import request_slices, slo_defaults
from models.requests import ladder_ms
from models.settings import MAINTENANCE_FILE, Settings
from pipelines.compute import AsOf, compute_maintenance, compute_registry, compute_slo
from sql.opening import open_warehouse
from sql.publish import new_batch_id, publish_periods
from sql.warehouse import Warehouse

SLICES_PER_DAY = 288
SLICE = timedelta(minutes=5)
OBJECTIVES = 2
LAST_DAY = date(2026, 10, 31)
WINDOW = """maintenance:
  - {name: w, reason: r, fleet: true, start: 2026-01-05T02:10, rrule: "FREQ=WEEKLY;BYDAY=MO,WE,SA", duration: 2h}
"""
STRESS = {"noise": 1.5, "tailp": 0.02}


def bench_slo(bench: Bench) -> None:
    """A pass over slices of every five minutes of the days measured, two objectives; then ticks, each five minutes on."""
    settings, days, apps = bench.workspace("slo"), bench.sizes.slice_days, bench.sizes.apps
    size = {"apps": apps, "objectives": OBJECTIVES, "slices": days * SLICES_PER_DAY}
    what, rows = f"{apps:,} apps x {OBJECTIVES} x {days} days", apps * OBJECTIVES * SLICES_PER_DAY * days
    ticks, maintained, end = (
        Costs(),
        Costs(),
        datetime.combine(LAST_DAY + timedelta(days=1), datetime.min.time(), UTC),
    )
    with open_warehouse(settings.root) as warehouse:
        _fill_slices(warehouse, apps, [LAST_DAY - timedelta(days=offset) for offset in range(days)])
        compute_registry(warehouse, settings)
        with PeakMemory() as memory:
            cost, answers = measured(partial(_slo, warehouse, settings, end))
            for number in range(1, ROUNDS + 1):
                _fill_slices(warehouse, apps, [end.date()], number)
                ticks.measure(partial(_slo, warehouse, settings, end + number * SLICE))
        (settings.root / MAINTENANCE_FILE).write_text(WINDOW, encoding="utf-8")
        _maintained(warehouse, settings, end + ROUNDS * SLICE)
        for number in range(ROUNDS + 1, 2 * ROUNDS + 1):
            _fill_slices(warehouse, apps, [end.date()], number)
            maintained.measure(partial(_maintained, warehouse, settings, end + number * SLICE))
    note = f"{answers:,} answers, {rate(rows, cost, 'slices')}"
    bench.add(Line(f"SLO pass: {what}", cost, note, target=target("slo"), size=size))
    note = "a pass after five more minutes of slices"
    bench.add(repeated(f"SLO tick: {what}", ticks, note=note, target=target("slo-tick"), size=size))
    note = "the same with a maintenance window of the whole fleet three times a week, across edges of hours"
    bench.add(repeated(f"SLO tick in maintenance: {what}", maintained, note=note, size=size))
    bench.add(
        memory_line(
            f"SLO memory: {what}",
            memory.together,
            note="engine and pass together",
            target=target("slo-memory"),
            size=size,
        )
    )


def _fill_slices(warehouse: Warehouse, apps: int, days: list[date], slices: int = SLICES_PER_DAY) -> None:
    """Publishes the first slices of some days for all apps, each day by itself, as they come."""
    ladder = ladder_ms(request_slices(), slo_defaults())
    for day in days:
        batch, hours = new_batch_id(), new_batch_id()
        warehouse.execute_text(
            statement("slices"),
            day=day.isoformat(),
            slices=slices,
            apps=apps,
            bounds=len(ladder),
            batch_id=batch,
        )
        warehouse.execute(
            "statements/core_request_hours", days=[day.isoformat()], slices_batch_id=batch, batch_id=hours
        )
        tables = {"core_request_slices": batch, "core_request_hours": hours}
        publish_periods(warehouse, "slices", tables, {day: f"bench-{slices}"}, {})


def _slo(warehouse: Warehouse, settings: Settings, end: datetime) -> int:
    """Answers of a pass over the slices up to a moment."""
    outcome = compute_slo(warehouse, settings, AsOf(end, (end - SLICE).date()), end)
    told([] if outcome.releases else ["nothing was published"])
    return outcome.rows


def _maintained(warehouse: Warehouse, settings: Settings, end: datetime) -> int:
    """The same with what is in maintenance published before."""
    told(compute_maintenance(warehouse, settings, AsOf(end, (end - SLICE).date()), end).refused)
    return _slo(warehouse, settings, end)


def bench_anomalies(bench: Bench) -> None:
    """The detector's speed on all apps, and its quality on the benchmark that lies beside the project."""
    apps, days = bench.sizes.apps, bench.sizes.anomaly_days
    panel, costs = cost_panel(apps, days), Costs()
    for _ in range(ROUNDS):
        costs.measure(lambda: anomaly.detect(panel))
    bench.add(
        repeated(
            f"anomalies: {apps:,} apps x {days} days",
            costs,
            note=rate(panel.height, costs.median, "app days"),
            target=target("anomalies"),
            size={"apps": apps, "days": days},
        )
    )
    _bench_quality(bench)


def _bench_quality(bench: Bench) -> None:
    wanted = {
        "f1": target("anomaly-f1"),
        "precision": target("anomaly-precision"),
        "recall": target("anomaly-recall"),
        "dollar_recall": target("anomaly-dollars"),
        "false_alarms_per_1k_app_months": target("anomaly-alarms"),
    }
    plain = _scores(bench.sizes.quality_seeds)
    for name, own in wanted.items():
        bench.add(_quality_line(bench, name, plain, own))
    stressed = _scores(bench.sizes.quality_seeds, **STRESS)
    bench.add(_quality_line(bench, "f1", stressed, target("anomaly-stress"), ", under stress"))


def _quality_line(
    bench: Bench, name: str, scores: dict[str, float] | None, own: Target, under: str = ""
) -> Line:
    seeds = len(bench.sizes.quality_seeds)
    note = f"mean of {seeds} seeds" if scores else f"{BENCHMARK.name} is not beside the project"
    figure = Figure(scores[name], Unit.SCORE) if scores else None
    return Line(f"anomalies: {name.replace('_', ' ')}{under}", note=note, figure=figure, target=own)


def _scores(seeds: tuple[int, ...], **stress: float) -> dict[str, float] | None:
    """Mean of each score over the seeds; None where the benchmark is not here."""
    if not BENCHMARK.is_file():
        return None
    benchmark = loaded(BENCHMARK)
    rows = [scored(benchmark, seed, **stress) for seed in seeds]
    return {name: fmean(row[name] for row in rows) for name in rows[0]}


def bench_growth(bench: Bench) -> None:
    """Bills, attribution and objectives of half the apps and of all, with half the rows and all, in turn."""
    _bench_grown_bills(bench)
    _bench_grown_slo(bench)


def _bench_grown_bills(bench: Bench) -> None:
    settings, rows, apps = bench.workspace("grown-bills"), bench.sizes.growth_rows, bench.sizes.apps
    bill = settings.root / "bill.parquet"
    loads, attributions = {1: Costs(), 2: Costs()}, {1: Costs(), 2: Costs()}
    with open_warehouse(settings.root) as warehouse:
        for number in range(ROUNDS):
            for times in (1, 2):
                write_costs(bill, rows * times, apps * times // 2, seed=1 + number)
                loads[times].measure(partial(load_bill, warehouse, settings, bill, number))
                attributions[times].measure(partial(attribute, warehouse, settings))
                forget_bills(warehouse)
    note = f"{apps // 2:,} to {apps:,} apps, {rows:,} to {2 * rows:,} rows"
    for what, costs, wanted in (
        ("billing", loads, target("growth-billing")),
        ("attribution", attributions, target("growth-attribution")),
    ):
        bench.add(_grown(what, costs, note, wanted, apps))


def _bench_grown_slo(bench: Bench) -> None:
    apps, days = bench.sizes.apps, bench.sizes.growth_days
    costs = {1: Costs(), 2: Costs()}
    end = datetime.combine(LAST_DAY + timedelta(days=1), datetime.min.time(), UTC)
    with ExitStack() as stack:
        opened = {}
        for times in costs:
            settings = bench.workspace(f"grown-slo-{times}")
            warehouse = stack.enter_context(open_warehouse(settings.root))
            _fill_slices(
                warehouse, apps * times // 2, [LAST_DAY - timedelta(days=offset) for offset in range(days)]
            )
            compute_registry(warehouse, settings)
            opened[times] = (warehouse, settings)
        for number in range(ROUNDS):
            for times, (warehouse, settings) in opened.items():
                costs[times].measure(partial(_slo, warehouse, settings, end - number * SLICE))
    note = f"{apps // 2:,} to {apps:,} apps, {days} days"
    bench.add(_grown("SLO pass", costs, note, target("growth-slo"), apps))


def _grown(what: str, costs: dict[int, Costs], note: str, wanted: Target, apps: int) -> Line:
    """A line for twice the work against half of it."""
    return lengthened(
        f"growth: {what}", costs[2], costs[1], "time of half", note=note, target=wanted, size={"apps": apps}
    )
