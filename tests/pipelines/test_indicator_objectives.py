"""Objectives of ratios, ages, levels and logs from a file to the published state, against loops over the records."""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from models.alerts import alert_policy
from models.budget_words import left_words
from models.burn_scalings import windows_of
from models.maintenance import ADD, MaintenanceAct
from models.objectives import overrides
from models.openslo_export import exported
from models.openslo_reader import read
from models.openslo_writer import written
from models.policy import burn_windows, slo_defaults
from models.samples import of_part
from models.settings import Settings
from models.yaml_reader import documents
from pipelines.commands import checks
from pipelines.compute import AsOf, compute_indicators, compute_maintenance, compute_slo
from pipelines.compute.alerts import conditions
from sql.maintenance import write_maintenance_act
from sql.warehouse import Warehouse
from tests.conftest import ROOT
from tests.pipelines.budget_days import spent_by_day
from tests.pipelines.test_indicator_counts import moment, resource, sent
from tests.pipelines.test_objectives import states, wrote
from tests.pipelines.test_states import LADDER, Row, insert_rows, settings_of

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
END = datetime(2026, 3, 4, 12, tzinfo=UTC)
AS_OF = AsOf(END, END.date())
SLICE = timedelta(minutes=5)
LOGS_STOP = END - timedelta(hours=18)
JOB_DIES = END - timedelta(hours=30)
FRESH_HOURS = 26


def objective(name: str, indicator: str, target: str, *more: str) -> str:
    lines = "\n".join(f"      {one}" for one in more)
    return f"""---
apiVersion: openslo/v1
kind: SLO
metadata: {{name: {name}}}
spec:
  service: shop
  indicator:
    metadata: {{name: {name}-sli}}
    spec:
{indicator}
  timeWindow: [{{duration: 7d, isRolling: true}}]
  budgetingMethod: Occurrences
  objectives:
    - target: {target}
{lines}
"""


def counts(good: str, total: str, side: str = "good") -> str:
    return f"""      ratioMetric:
        {side}: {{metricSource: {{type: appfleet, spec: {good}}}}}
        total: {{metricSource: {{type: appfleet, spec: {total}}}}}"""


def measured(spec: str) -> str:
    return f"      thresholdMetric: {{metricSource: {{type: appfleet, spec: {spec}}}}}"


ORDERS = objective(
    "orders",
    counts(
        "{from: counters, metric: orders, where: {attributes.result: good}}",
        "{from: counters, metric: orders}",
    ),
    "0.9",
)
SPANS = objective(
    "steps",
    counts(
        "{from: spans, where: {kind: internal, status: error}}",
        "{from: spans, where: {kind: internal}}",
        "bad",
    ),
    "0.9",
)
LOGS = objective("lines", counts("{from: logs, where: {severity: {gte: 17}}}", "{from: logs}", "bad"), "0.9")
NIGHTLY = objective(
    "nightly",
    measured("{from: spans, where: {name: nightly, status: ok}, measure: age, unit: h}"),
    "0.9",
    "op: lte",
    f"value: {FRESH_HOURS}",
)
CALLS = objective(
    "calls",
    counts(
        "{from: core_request_slices, sum: requests, where: {route: [GET /a, GET /b], requests: {gte: 2}}}",
        "{from: core_request_slices, sum: requests}",
    ),
    "0.2",
)
CPU = objective("cpu", measured('{from: points, metric: cpu, unit: "1"}'), "0.9", "op: lte", "value: 0.8")
ALL = {"orders": ORDERS, "steps": SPANS, "lines": LOGS, "nightly": NIGHTLY, "cpu": CPU, "calls": CALLS}

MINUTES = 15
BY_SLICES = {
    name: CPU.replace("cpu-sli", f"{name}-sli")
    .replace("name: cpu}", f"name: {name}}}")
    .replace("Occurrences", method)
    .replace("target: 0.9", f"target: 0.8{more}\n      timeSliceWindow: {MINUTES}m")
    for name, method, more in (
        ("steady", "Timeslices", "\n      timeSliceTarget: 0.6"),
        ("level", "RatioTimeslices", ""),
    )
}
"""The same points by slices of time: bad with less than 0.6 of the points good, or as bad as they are."""

Expected = dict[str, tuple[int, int]]


def prepared(warehouse: Warehouse, copies: int, seed: int) -> tuple[Expected, list[bool]]:
    """Records of three days and a half, each sent so often and in the order of a seed; good and all events of each objective, and
    whether the level of each five minutes is good.
    """
    source, order = random.Random(7), random.Random(seed)
    good: Counter[str] = Counter()
    total: Counter[str] = Counter()

    def count(name: str, is_good: bool, times: int = 1) -> None:
        total[name] += times
        good[name] += times * is_good

    logs, points, sums, spans = [], [], [], []
    calls = []
    levels: list[bool] = []
    slots = (END - BEGIN) // SLICE
    value: Counter[str] = Counter()
    runs: list[datetime] = []
    for slot in range(slots):
        at = BEGIN + SLICE * slot + timedelta(seconds=source.randrange(1, 299))
        if at < LOGS_STOP:
            for number in range(3):
                severity = source.choice([9] * 20 + [13, 17])
                logs.append(
                    {
                        "Timestamp": moment(at),
                        "SeverityNumber": severity,
                        "Body": f"{slot}-{number}",
                        "ResourceAttributes": resource("shop"),
                    }
                )
                count("lines", severity < 17)
        level = source.choice([0.1, 0.5, 0.8, 0.95])
        points.append(
            {
                "TimeUnix": moment(at),
                "MetricName": "cpu",
                "MetricUnit": "1",
                "Value": level,
                "ResourceAttributes": resource("shop"),
            }
        )
        count("cpu", level <= 0.8)
        levels.append(level <= 0.8)
        for result in ("good", "bad"):
            growth = source.randrange(20 if result == "good" else 3)
            value[result] += growth
            sums.append(
                {
                    "TimeUnix": moment(at),
                    "StartTimeUnix": moment(BEGIN),
                    "MetricName": "orders",
                    "Value": value[result],
                    "IsMonotonic": True,
                    "AggregationTemporality": 2,
                    "Attributes": {"result": result},
                    "ResourceAttributes": resource("shop"),
                }
            )
            count("orders", result == "good", growth)
        for route in ("GET /a", "GET /b", "GET /c"):
            came = source.randrange(1, 5)
            of_slot = BEGIN + SLICE * slot
            calls.append(
                Row(of_slot, "shop", "production", "1", route, "server", came, 0, came, (came,) * len(LADDER))
            )
            count("calls", route != "GET /c" and came >= 2, came)
        status = source.choice(["Ok", "Unset", "Unset", "Error"])
        spans.append(span(f"{slot:016x}", "step", "Internal", status, at, 5_000_000))
        count("steps", status != "Error")
        if slot % 288 == 24 and at < JOB_DIES:
            hour = timedelta(hours=1)
            spans.append(
                span(
                    f"{slot + 10**6:016x}",
                    "nightly",
                    "Server",
                    "Ok",
                    at,
                    hour // timedelta(microseconds=1) * 1000,
                )
            )
            runs.append(at + hour)
    for slot in range(slots):
        end = BEGIN + SLICE * (slot + 1)
        before = [one for one in runs if one < end]
        if before:
            count("nightly", end - max(before) <= timedelta(hours=FRESH_HOURS))
    for table, rows in (
        ("otel_logs", logs),
        ("otel_metrics_gauge", points),
        ("otel_metrics_sum", sums),
        ("otel_traces", spans),
    ):
        sent(
            warehouse,
            table,
            [dict(one) for one in rows for _ in range(1 if table == "otel_logs" else copies)],
            order,
        )
    insert_rows(warehouse, calls)
    counted = {name: (good[name], total[name]) for name in ALL}
    return counted, levels


def span(number: str, name: str, kind: str, status: str, at: datetime, nanoseconds: int) -> dict[str, Any]:
    return {
        "Timestamp": moment(at),
        "TraceId": number * 2,
        "SpanId": number,
        "SpanName": name,
        "SpanKind": kind,
        "StatusCode": status,
        "Duration": nanoseconds,
        "ResourceAttributes": resource("shop"),
    }


@pytest.mark.parametrize("copies", [2])
def test_every_kind_goes_from_a_file_to_its_published_state(
    fresh_warehouse: Warehouse, tmp_path: Path, copies: int
) -> None:
    expected, levels = prepared(fresh_warehouse, copies, seed=1)
    settings = settings_of(tmp_path)
    assert compute_indicators(fresh_warehouse, settings, AS_OF).releases == ()  # nobody asks
    wrote(tmp_path, {f"{name}.yaml": text for name, text in (ALL | BY_SLICES).items()})
    done = compute_indicators(fresh_warehouse, settings, AS_OF)
    assert not done.refused and len(done.releases) == 4
    assert compute_indicators(fresh_warehouse, settings, AS_OF).releases == ()  # nothing is new
    outcome = compute_slo(fresh_warehouse, settings, AS_OF, END)
    assert not outcome.refused
    found = states(fresh_warehouse)
    counted = {
        name: (found["shop", "production", name]["total"] - found["shop", "production", name]["bad"],)
        + (found["shop", "production", name]["total"],)
        for name in ALL
    }
    assert counted == expected
    state = {name: found["shop", "production", name]["state"] for name in ALL}
    assert state == {
        "orders": "ok",
        "steps": "ticket",
        "cpu": "ticket",
        "calls": "ok",
        "lines": "silent",  # its logs stopped, whatever else it sends
        "nightly": "page",
    }
    _by_slices_of_time(fresh_warehouse, levels)
    # No request is evidence of a job that is late, nor does a page of the newest minutes come of it.
    insert_rows(fresh_warehouse, [failing(minutes) for minutes in range(5, 65, 5)])
    suspects = fresh_warehouse.frame(
        "queries/oncall/suspects", teams=["unassigned"], bounds_ms=list(LADDER), row_limit=9
    )
    assert suspects.is_empty()
    _said_in_its_own_words(fresh_warehouse, settings, expected)
    _left_out_in_maintenance(fresh_warehouse, settings, levels)


@pytest.mark.slow  # the same records once more: what files and days do to what is published
def test_what_is_published_outlives_files_and_raw_rows(fresh_warehouse: Warehouse, tmp_path: Path) -> None:
    prepared(fresh_warehouse, 1, seed=2)
    settings = settings_of(tmp_path)
    wrote(tmp_path, {f"{name}.yaml": text for name, text in (ALL | BY_SLICES).items()})
    assert len(compute_indicators(fresh_warehouse, settings, AS_OF).releases) == 4
    assert not compute_slo(fresh_warehouse, settings, AS_OF, END).refused
    insert_rows(fresh_warehouse, [failing(minutes) for minutes in range(5, 65, 5)])
    _exported_is_the_same(fresh_warehouse)
    _a_broken_file_changes_nothing(fresh_warehouse, tmp_path)
    _dead_for_days(fresh_warehouse, tmp_path)
    _doctor_finds_what_was_not_counted(fresh_warehouse, tmp_path)
    _a_day_without_its_raw_rows_stays(fresh_warehouse, tmp_path)


def _by_slices_of_time(warehouse: Warehouse, levels: list[bool]) -> None:
    size = MINUTES // 5
    of_slices = [levels[first : first + size] for first in range(0, len(levels), size)]
    shares = [Fraction(sum(not one for one in own), len(own)) for own in of_slices]
    bad = {"steady": sum(one > Fraction(4, 10) for one in shares), "level": sum(shares)}
    rows = {
        one["objective"]: one
        for one in warehouse.frame(
            "queries/alerts/objectives", wanted=["ok", "page", "ticket", "spent"]
        ).to_dicts()
    }
    for name, many in bad.items():
        assert rows[name]["slices_bad"] == pytest.approx(float(many))
        assert rows[name]["slices_counted"] == len(shares)
        remaining = 1 - many / len(shares) / Fraction(2, 10)
        assert float(rows[name]["budget_remaining"]) == pytest.approx(float(remaining))


def _left_out_in_maintenance(warehouse: Warehouse, settings: Settings, levels: list[bool]) -> None:
    """What was counted in a window counts for no objective, of slices of time neither as good nor bad, nor is it missed."""
    begin, end = END - timedelta(hours=40, minutes=-2), END - timedelta(hours=38, minutes=1)
    out = range((begin - BEGIN) // SLICE, (end - BEGIN) // SLICE + 1)
    assert len(out) == 24
    before = states(warehouse)
    counted = warehouse.frame_of(
        "SELECT splitByChar(' ', toString(indicator))[1] AS kind, toString(indicator) AS indicator, sum(total) AS total FROM"
        f" core_indicator_slices_current WHERE slice_start >= toDateTime('{BEGIN + SLICE * out[0]:%Y-%m-%d %H:%M:%S}', 'UTC') AND"
        f" slice_start < toDateTime('{BEGIN + SLICE * (out[-1] + 1):%Y-%m-%d %H:%M:%S}', 'UTC') GROUP BY ALL"
    )
    write_maintenance_act(
        warehouse, MaintenanceAct("w", ADD, "ann", END, "moved", ("shop",), begins_at=begin, ends_at=end)
    )
    assert compute_maintenance(warehouse, settings, AS_OF, END).releases
    assert compute_slo(warehouse, settings, AS_OF, END).releases
    after = states(warehouse)
    left_out = {
        name: before["shop", "production", name]["total"] - after["shop", "production", name]["total"]
        for name in ALL
    }
    assert sorted(left_out.values()) == sorted(counted["total"].to_list())
    assert left_out["nightly"] == len(out)
    kept = [level for slot, level in enumerate(levels) if slot not in out]
    cpu = after["shop", "production", "cpu"]
    assert (cpu["total"] - cpu["bad"], cpu["total"]) == (sum(kept), len(kept))
    size = MINUTES // 5
    shares = []
    for first in range(0, len(levels), size):
        own = [levels[slot] for slot in range(first, first + size) if slot not in out]
        if own:
            shares.append(Fraction(sum(not one for one in own), len(own)))
    rows = {
        one["objective"]: one
        for one in warehouse.frame(
            "queries/alerts/objectives", wanted=["ok", "page", "ticket", "spent"]
        ).to_dicts()
    }
    for name, many in (("steady", sum(one > Fraction(4, 10) for one in shares)), ("level", sum(shares))):
        assert rows[name]["slices_counted"] == len(shares)
        assert rows[name]["slices_bad"] == pytest.approx(float(many))
    spent = spent_by_day(warehouse, "shop").filter(pl.col("objective") == "cpu")["spent"].sum()
    assert float(spent) == pytest.approx(cpu["bad"] / (0.1 * cpu["total"]))


def failing(minutes: int) -> Row:
    at = END - timedelta(minutes=minutes)
    return Row(at, "shop", "production", "1", "GET /a", "server", 50, 50, 50, (0,) * len(LADDER))


def _said_in_its_own_words(warehouse: Warehouse, settings: Settings, expected: Expected) -> None:
    """What pages, commands and alerts read beside each of them, and what its days spent."""
    rows = {
        one["objective"]: one
        for one in warehouse.frame("queries/app/objectives", teams=["unassigned"], app_id="shop").to_dicts()
    }
    told = {name: of_part(rows[name]) for name in rows}
    assert told["availability"] == told["latency"] == []
    assert told["lines"] == ["counts log records, bad are log records with severity at least 17"]
    assert told["nightly"] == [
        "counts slices of five minutes, good while the newest of spans with name nightly and status ok is at most 26 h old"
    ]
    for query in ("queries/oncall/burning", "queries/slo/status"):
        bound = {"teams": ["unassigned"]} if "oncall" in query else {"app_id": "shop"}
        seen = {one["objective"]: one["question"] for one in warehouse.frame(query, **bound).to_dicts()}
        assert {name: seen[name] for name in ALL} == {name: rows[name]["question"] for name in ALL}
    budgets = {
        one["objective"]: one
        for one in warehouse.frame("queries/app/budgets", teams=["unassigned"], app_id="shop").to_dicts()
    }
    assert left_words({**rows["orders"], **budgets["orders"]}).endswith(" events of orders")
    assert not budgets["nightly"]["unseen"]
    spent = spent_by_day(warehouse, "shop")
    for name, (good, total) in expected.items():
        # Each day's share of the whole window's budget: together all that is bad of all that may be.
        allowed = (1 - float(rows[name]["target"])) * total
        of_days = spent.filter(pl.col("objective") == name)
        end = LOGS_STOP if name == "lines" else END
        assert of_days.height == (end.date() - BEGIN.date()).days + 1
        assert float(of_days["spent"].sum()) == pytest.approx((total - good) / allowed)
    assert "log records" in spent.filter(pl.col("objective") == "lines")["shown"][0]
    found = conditions(warehouse, settings, AS_OF, END, alert_policy())
    stopped = {one.key: one.sentence for one in found if one.kind == "silent"}
    assert stopped["silent/shop/production/lines"].endswith(
        "log records of lines stopped, or nearly, against their own rhythm"
    )
    assert len(stopped) == 1  # its requests go on
    alerts = {one.key.rsplit("/", 1)[1]: one.sentence for one in found if one.kind == "slo"}
    good, total = expected["cpu"]
    assert f"{total - good:,} of {total:,} points of cpu bad" in alerts["cpu"]
    assert "slices of five minutes bad" in alerts["nightly"]


def promised(text: str) -> set[tuple[Any, ...]]:
    reading = read(documents(text, "export.yaml"))
    assert not reading.mistakes
    found = overrides(reading.catalogue, slo_defaults(), burn_windows(), LADDER)
    assert not found.refusals
    return {
        (one.app_id, one.objective.name, one.objective.target, one.indicator, one.objective.budgeting)
        for one in found.lines
        if one.objective.question
    }


def _exported_is_the_same(warehouse: Warehouse) -> None:
    rows = warehouse.frame("queries/slo/objectives").filter(pl.col("valid_to").is_null())
    again = promised(written(exported(rows.iter_rows(named=True), partial(windows_of, "workbook"))))
    assert again == promised("\n".join([*ALL.values(), *BY_SLICES.values()]))
    assert len(again) == len(ALL) + len(BY_SLICES)


def _a_broken_file_changes_nothing(warehouse: Warehouse, root: Path) -> None:
    of_files = pl.col("source") != "defaults"
    before = warehouse.frame("queries/slo/objectives").filter(of_files)
    # Requests of the last day changed above, and with them what is counted in their table.
    assert [one.period for one in compute_indicators(warehouse, settings_of(root), AS_OF).releases] == [
        END.date()
    ]
    (root / "objectives" / "lines.yaml").write_text(LOGS.replace("target: 0.9", "target: 1.0"))
    assert compute_indicators(warehouse, settings_of(root), AS_OF).releases == ()
    assert compute_slo(warehouse, settings_of(root), AS_OF, END).refused
    assert warehouse.frame("queries/slo/objectives").filter(of_files).equals(before)
    (root / "objectives" / "lines.yaml").write_text(LOGS)


def _dead_for_days(warehouse: Warehouse, root: Path) -> None:
    """A job that is dead longer than its records are read back for stays late, on days nobody sent anything too."""
    later = END + timedelta(days=6)
    sent(
        warehouse,
        "otel_metrics_gauge",
        [
            {
                "TimeUnix": moment(later + timedelta(seconds=second)),
                "MetricName": "cpu",
                "MetricUnit": "1",
                "Value": value,
                "ResourceAttributes": resource("shop"),
            }
            for second, value in enumerate((0.1, "nan"))
        ],
        random.Random(1),
    )
    done = compute_indicators(warehouse, settings_of(root), replace(AS_OF, slice_end=later))
    assert {one.period for one in done.releases} == {
        END.date() + timedelta(days=number) for number in range(7)
    } - {END.date()}
    frame = warehouse.frame_of(
        "SELECT toString(toDate(slice_start)) AS day, sum(good) AS good, sum(total) AS total"
        " FROM core_indicator_slices_current WHERE startsWith(toString(indicator), 'freshness') GROUP BY day ORDER BY day"
    )
    assert frame.rows()[-6:] == [(f"2026-03-{day:02}", 0, 288) for day in range(5, 11)]


def _a_day_without_its_raw_rows_stays(warehouse: Warehouse, root: Path) -> None:
    """Another question counts what is there; a day whose rows were removed, and those that need it, stay as they were."""
    gone = BEGIN.date() + timedelta(days=1)
    warehouse.execute_text(
        "INSERT INTO telemetry_removals (removal_id, table_name, day) VALUES (generateUUIDv4(), 'otel_logs', {day:Date})",
        day=gone.isoformat(),
    )
    of_lines = (
        "SELECT toDate(slice_start) AS day, sum(good) AS good FROM core_indicator_slices_current"
        " WHERE indicator LIKE 'ratio%logs%' GROUP BY day ORDER BY day"
    )
    before = dict(warehouse.frame_of(of_lines).rows())
    (root / "objectives" / "lines.yaml").write_text(
        LOGS.replace("gte: 17", "gte: 9")
    )  # nothing is good any more
    done = compute_indicators(warehouse, settings_of(root), replace(AS_OF, slice_end=END + timedelta(days=6)))
    assert f"{gone}" in done.notes[0]
    needing = {gone + timedelta(days=number) for number in range(FRESH_HOURS // 24 + 3)}
    assert not {one.period for one in done.releases} & needing
    after = dict(warehouse.frame_of(of_lines).rows())
    assert {day: after[day] for day in after if day in needing} == {
        day: before[day] for day in before if day in needing
    }
    assert (before[BEGIN.date()] > 0, after[BEGIN.date()]) == (True, 0)


def _doctor_finds_what_was_not_counted(warehouse: Warehouse, root: Path) -> None:
    [finding] = checks.uncounted(checks.Look(warehouse, settings_of(root), END + timedelta(days=6)))
    assert finding.sentence.startswith("shop: of what an objective counts, 1 could not be counted and")
    assert finding.sentence.endswith("it counts points of cpu, good with a value at most 0.8")


MISTAKES = [
    (
        ORDERS.replace(
            "from: counters, metric: orders}", "from: counters, metric: orders, where: {colour: red}}"
        ),
        12,
        "total.where.colour",
    ),
    (SPANS.replace("status: error", "status: errror"), 11, "'errror'; it can be unset, ok, error"),
    (SPANS.replace("kind: internal, status", "kind: Intern, status"), 11, "it can be unspecified"),
    (LOGS.replace("gte: 17", "is: ERROR"), 11, "it can be a number, 0 to 24"),
    (NIGHTLY.replace("unit: h", "unit: fortnight"), 10, "an age is told in s, min, h, d"),
    (
        CPU.replace("from: points", "from: logs").replace("metric: cpu, ", ""),
        10,
        "no value to hold against a threshold",
    ),
    (LOGS.replace("{from: logs}", "{from: raw_focus_costs}"), 12, "it can be logs, spans"),
    (
        LOGS.replace("{from: logs}", "{from: core_request_slices, sum: within}"),
        12,
        "'within', which counts no events",
    ),
    (
        LOGS.replace("Occurrences", "Timeslices").replace(
            "target: 0.9", "target: 0.9\n      timeSliceTarget: 0.9\n      timeSliceWindow: 7m"
        ),
        16,
        "a multiple of 5m",
    ),
    (LOGS.replace("name: lines}", "name: availability}"), 16, "under the name of the default objective"),
]


@pytest.mark.parametrize(("text", "line", "told"), MISTAKES)
def test_a_mistake_is_told_with_the_line_of_its_field(text: str, line: int, told: str) -> None:
    reading = read(documents(text, "own.yaml"))
    assert not reading.mistakes
    found = overrides(reading.catalogue, slo_defaults(), burn_windows(), LADDER)
    assert not found.lines
    assert told in found.refusals[0]
    assert found.refusals[0].startswith(f"own.yaml, line {line}: "), found.refusals[0]


def test_a_ratio_delivered_ready_is_refused() -> None:
    raw = """      ratioMetric:
        rawType: success
        raw: {metricSource: {type: appfleet, spec: {from: points, metric: share}}}"""
    found = overrides(
        read(documents(objective("raw", raw, "0.9"), "own.yaml")).catalogue,
        slo_defaults(),
        burn_windows(),
        LADDER,
    )
    assert "raw ratio, whose events nobody can count" in found.refusals[0]


def test_the_examples_of_the_guide_are_these() -> None:
    guide = (ROOT / "docs" / "objectives.md").read_text(encoding="utf-8")
    section = guide.split("## What is counted beside requests", 1)[1].split("\n## ", 1)[0]
    examples = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
    assert promised("---\n".join(examples)) == promised("\n".join(ALL.values()))
