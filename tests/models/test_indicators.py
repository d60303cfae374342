"""Questions of objectives beside requests, and counts made into slices, against loops over the same records."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.indicators import (
    RECORDS,
    Misasked,
    Question,
    Tally,
    counted_of,
    fresh_slices,
    question_of,
    ratio,
    ratio_slices,
    spec_of,
    threshold,
)

DAY = date(2026, 3, 2)
BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
LOGS = Tally("logs")

sides = st.dictionaries(st.integers(0, 287), st.tuples(st.integers(0, 50), st.integers(0, 3)), max_size=20)


def records(rows: dict[int, tuple[int, int]]) -> pl.DataFrame:
    """Counts of slices of the day as the queries give them."""
    return pl.DataFrame(
        [
            (0, "a", "production", BEGIN + timedelta(minutes=5 * place), counted, aside, None)
            for place, (counted, aside) in rows.items()
        ],
        schema=RECORDS,
        orient="row",
    )


@settings(max_examples=60, deadline=None)
@given(sides, sides, st.booleans())
def test_good_of_all_is_what_a_loop_counts(
    part: dict[int, tuple[int, int]], total: dict[int, tuple[int, int]], is_bad: bool
) -> None:
    question = Question("ratio", LOGS, LOGS, is_bad)
    expected = []
    for place in sorted({*part, *total}):
        some, aside = part.get(place, (0, 0))
        every, aside_of_all = total.get(place, (0, 0))
        kept = min(some, every)
        lost = max(aside, aside_of_all) + some - kept
        if every or lost:
            expected.append(
                (BEGIN + timedelta(minutes=5 * place), every - kept if is_bad else kept, every, lost)
            )
    found = ratio_slices(question, records(part), records(total))
    assert found.select("slice_start", "good", "total", "set_aside").rows() == expected


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(-86_400, 86_399), max_size=12),
    st.integers(1, 40_000),
    st.sampled_from(["lte", "lt"]),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_a_slice_is_fresh_where_some_record_before_its_end_is_young(
    seconds: list[int], age: int, op: str, was_known: bool, source: Any
) -> None:
    question = Question("freshness", LOGS, seconds=age, op=op)
    newest: dict[int, int] = {}
    for one in seconds:
        newest[one // 300] = max(one, newest.get(one // 300, one))
    rows = [
        (0, "a", "", BEGIN + timedelta(minutes=5 * place), 1, 0, BEGIN + timedelta(seconds=at))
        for place, at in newest.items()
    ]
    source.shuffle(rows)
    known = pl.DataFrame({"app_id": ["a"] * was_known, "environment": [""] * was_known})
    known = known.cast({"app_id": pl.String, "environment": pl.String})
    expected = []
    for place in range(288):
        end = 300 * (place + 1)
        before = [one for one in seconds if one < end]
        if before or was_known:
            young = [one for one in before if (end - one < age if op == "lt" else end - one <= age)]
            expected.append((BEGIN + timedelta(minutes=5 * place), int(bool(young)), 1))
    frame = pl.DataFrame(rows, schema=RECORDS, orient="row")
    found = fresh_slices(question, frame, known, [DAY])
    assert found.select("slice_start", "good", "total").rows() == expected


def test_a_question_is_one_text_whatever_the_order_and_read_back_the_same() -> None:
    one = {"from": "logs", "where": {"event_name": ["b", "a"], "severity": {"gte": 17, "lt": 21}}}
    other = {"where": {"severity": {"lt": 21.0, "gte": 17}, "event_name": ["a", "b", "a"]}, "from": "logs"}
    asked = ratio(one, {"from": "logs"}, part_is_bad=True)
    assert asked.text == ratio(other, {"from": "logs"}, part_is_bad=True).text
    cpu = {"from": "points", "metric": "system.cpu.utilization", "unit": "1"}
    job = {"from": "spans", "where": {"status": "ok"}, "measure": "age", "unit": "h"}
    calls = {
        "from": "core_request_hours",
        "sum": "requests",
        "where": {"kind": "server", "errors": {"lte": 0}},
    }
    of_calls = ratio(calls, {"from": "core_request_hours", "sum": "requests"}, part_is_bad=False)
    for question in (
        asked,
        threshold(cpu, "lte", Decimal("0.80")),
        threshold(job, "lte", Decimal(26)),
        of_calls,
    ):
        assert question_of(question.text) == question
    assert counted_of(spec_of(of_calls.total)) == of_calls.total
    assert threshold(job, "lte", Decimal(26)).seconds == 93_600
    assert (
        threshold(job, "lte", Decimal(26)).days_before == 3
    )  # 26 hours reach into the day before last; it began earlier
    assert question_of("availability") is None


@pytest.mark.parametrize(
    ("spec", "field", "problem"),
    [
        ({"from": "core_nothing"}, "from", "no signal or published table"),
        ({"from": "core_teams"}, "from", "nothing is counted in"),
        ({"from": "core_app_costs_daily"}, "from", "nothing is counted in"),
        ({"from": "core_request_slices", "time": "slice_start"}, "time", "not known"),
        ({"from": "core_request_slices", "sum": "within"}, "sum", "counts no events"),
        ({"from": "core_request_slices", "where": {"route": {"gte": 5}}}, "where.route.gte", "no number"),
        ({"from": "core_request_slices", "metric": "m"}, "metric", "has none"),
        ({"from": "core_request_slices", "where": {"attributes.a": 1}}, "where.attributes.a", "no field"),
        ({"from": "logs", "metric": "m"}, "metric", "have none"),
        ({"from": "logs", "sum": "x"}, "sum", "column of a table"),
        ({"from": "points"}, "metric", "is missing"),
        ({"from": "logs", "select": "1"}, "select", "not known"),
        ({"from": "logs", "where": {"severity": {"gte": "high"}}}, "where.severity.gte", "no number"),
        ({"from": "logs", "where": {"severity": {"like": 1}}}, "where.severity.like", "not known"),
        ({"from": "logs", "where": {"body": []}}, "where.body", "0 values"),
        ({"from": "logs", "where": {"body": [str(one) for one in range(101)]}}, "where.body", "101 values"),
        ({"from": "logs", "where": {f"attributes.{one}": 1 for one in range(9)}}, "where", "9 conditions"),
    ],
)
def test_what_cannot_be_counted_is_named_by_its_field(spec: dict[str, Any], field: str, problem: str) -> None:
    with pytest.raises(Misasked) as told:
        counted_of(spec)
    assert told.value.field == field
    assert problem in told.value.problem


@pytest.mark.parametrize(
    ("spec", "op", "field"),
    [
        ({"from": "logs"}, "lte", "from"),
        ({"from": "logs", "measure": "width", "unit": "h"}, "lte", "measure"),
        ({"from": "logs", "measure": "age"}, "lte", "unit"),
        ({"from": "logs", "measure": "age", "unit": "h"}, "gt", "measure"),
        ({"from": "logs", "measure": "age", "unit": "d"}, "lte", "measure"),
        ({"from": "counters", "metric": "m", "measure": "age", "unit": "h"}, "lte", "from"),
    ],
)
def test_a_threshold_needs_a_value_or_an_age(spec: dict[str, Any], op: str, field: str) -> None:
    with pytest.raises(Misasked) as told:
        threshold(spec, op, Decimal(36))
    assert told.value.field == field
