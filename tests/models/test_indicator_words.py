"""What objectives count beside requests, in words: each told from what a file says, and none cut off or made up."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from models.indicator_words import events_word, indicator_sentence
from models.indicators import ratio, threshold

LOGS = {"from": "logs"}
CALLS = {"from": "core_request_slices", "sum": "requests"}
ROWS = {"from": "core_request_slices"}
ORDERS = {"from": "counters", "metric": "orders"}


@pytest.mark.parametrize(
    ("part", "total", "is_bad", "word", "sentence"),
    [
        (
            {**LOGS, "where": {"severity": {"gte": 17}, "resource.zone": {"not": "a"}}},
            LOGS,
            True,
            "log records",
            "counts log records, bad are log records with resource.zone not a and severity at least 17",
        ),
        (
            {**ORDERS, "where": {"attributes.result": ["a", "b", "c", "d", "e"]}},
            ORDERS,
            False,
            "events of orders",
            "counts events of orders, good are events of orders with attributes.result a or b or c or 2 more",
        ),
        (
            {**CALLS, "where": {"version": ""}},
            CALLS,
            True,
            "requests",
            "counts requests in core_request_slices, bad are requests in core_request_slices with version nothing",
        ),
        (
            {**ROWS, "where": {"errors": {"gt": 0}}},
            ROWS,
            True,
            "rows of five minutes",
            "counts rows of five minutes in core_request_slices, bad are rows of five minutes in core_request_slices with errors above 0",
        ),
    ],
)
def test_a_ratio_says_what_is_counted_and_which_of_it_is_good_or_bad(
    part: dict[str, Any], total: dict[str, Any], is_bad: bool, word: str, sentence: str
) -> None:
    text = ratio(part, total, part_is_bad=is_bad).text
    assert (events_word(text), indicator_sentence(text)) == (word, sentence)


@pytest.mark.parametrize(
    ("value", "unit", "op", "told"),
    [
        (26, "h", "lte", "at most 26 h old"),
        (48, "h", "lt", "younger than 2 d"),
        (90, "s", "lte", "at most 90 s old"),
    ],
)
def test_an_age_says_how_old_the_newest_may_be(value: int, unit: str, op: str, told: str) -> None:
    text = threshold({**LOGS, "measure": "age", "unit": unit}, op, Decimal(value)).text
    assert events_word(text) == "slices of five minutes"
    assert (
        indicator_sentence(text)
        == f"counts slices of five minutes, good while the newest of log records is {told}"
    )


@pytest.mark.parametrize(("unit", "told"), [("1", "below 0.8"), ("By", "below 0.8 By")])
def test_a_level_says_its_limit_with_its_unit(unit: str, told: str) -> None:
    text = threshold({"from": "points", "metric": "cpu", "unit": unit}, "lt", Decimal("0.80")).text
    assert indicator_sentence(text) == f"counts points of cpu, good with a value {told}"


@pytest.mark.parametrize("indicator", ["", None, "availability", "latency"])
def test_requests_are_requests(indicator: str | None) -> None:
    assert events_word(indicator, "requests") == "requests"
    assert events_word(indicator) == "events"
    assert indicator_sentence(indicator) == ""


@pytest.mark.parametrize("indicator", ["freshness of exports", "ratio {}", 'ratio {"total": 1}'])
def test_what_another_version_published_stops_nothing(indicator: str) -> None:
    assert events_word(indicator) == "events"
    assert indicator_sentence(indicator) == f"counts what this version cannot read ({indicator})"
