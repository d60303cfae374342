"""Suspects, waterfalls and shared causes against hand counts, published intervals and properties that hold for any input."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import ModelError
from models.evidence import (
    ANOTHER_TEAMS,
    DEPENDENCY,
    ITSELF,
    POLICY,
    SampledRequest,
    SampledSpan,
    Suspect,
    asked_range,
    attribute_suspects,
    nearest_deploy,
    ranked,
    score,
    shared_causes,
    trace_suspects,
    waterfall,
)

AT = datetime(2026, 3, 1, 10, tzinfo=UTC)
COUNTS = st.integers(0, 500)


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_the_score_is_the_lower_bound_of_agresti_and_caffo(
    bad: int, rest: int, good: int, others: int
) -> None:
    """One added to each cell, the variance of each share by its enlarged count (The American Statistician 54, 2000)."""
    all_bad, all_good = bad + rest, good + others
    p, q = Fraction(bad + 1, all_bad + 2), Fraction(good + 1, all_good + 2)
    variance = p * (1 - p) / (all_bad + 2) + q * (1 - q) / (all_good + 2)
    margin = float(p - q) - score(bad, all_bad, good, all_good)
    assert margin * margin == pytest.approx(POLICY.sureness**2 * float(variance), rel=1e-9)
    assert margin >= 0


def counts(*rows: tuple[str, str, int, int]) -> pl.DataFrame:
    schema = {"dimension": pl.String, "value": pl.String, "bad": pl.UInt64, "good": pl.UInt64}
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(
        first_bad=pl.lit(AT), first_seen=pl.lit(AT)
    )


def test_what_is_over_represented_is_suspected_and_a_symptom_is_not() -> None:
    found = ranked(
        attribute_suspects(
            counts(
                ("", "", 100, 900),
                ("version", "2", 98, 90),
                ("host.name", "pod-of-version-2", 98, 90),
                ("route", "GET /a", 40, 360),
                ("status", "503", 100, 0),
                ("error text", "boom", 100, 0),
                ("cloud.region", "x", 2, 0),
            )
        )
    )
    assert [(one.kind, one.value) for one in found] == [("version", "2")]
    assert found[0].lift == pytest.approx(9.8)
    assert (
        found[0].sentence == "version 2: 98 of 100 bad requests and 90 of 900 good ones, 9.8 times as often"
    )


def test_few_requests_do_not_outrank_many() -> None:
    few = score(3, 3, 0, 20)
    assert few < score(90, 100, 10, 1000)
    assert attribute_suspects(counts(("", "", 2, 1000), ("route", "GET /a", 2, 0))) == []


def test_the_app_itself_stands_last_and_ties_go_to_what_can_be_undone() -> None:
    def one(kind: str, points: float) -> Suspect:
        return Suspect(kind, kind, 9, 10, 1, 10, points)

    tied = ranked(
        [
            one("route", 0.85),
            one(ITSELF, 0.99),
            one("host.name", 0.9),
            one(DEPENDENCY, 0.82),
            one("version", 0.3),
        ]
    )
    assert [found.kind for found in tied] == [DEPENDENCY, "route", "host.name", "version", ITSELF]


def span(
    name: str,
    parent: str,
    app: str,
    kind: str,
    start: int,
    end: int,
    failed: bool = False,
    peer: str = "",
    trace: str = "t",
) -> SampledSpan:
    return SampledSpan(trace, name, parent, app, name, kind, peer, start, end - start, failed)


def chain(trace: str, failing: str, masked: bool = False) -> list[SampledSpan]:
    """front calls back, which calls a store; what stands above the failing one fails with it."""
    names = ("front", "call back", "back", "store")
    bad = {name: failing in names and place <= names.index(failing) for place, name in enumerate(names)}
    return [
        span("front", "", "front", "server", 0, 100, bad["front"], trace=trace),
        span("call back", "front", "front", "client", 10, 80, bad["call back"], "back.internal", trace),
        span("back", "call back", "" if masked else "back", "server", 11, 79, bad["back"], trace=trace),
        span("store", "back", "" if masked else "back", "client", 20, 70, bad["store"], "" if masked else "pg", trace),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("failing", "masked", "expected"),
    [
        ("front", False, (ITSELF, "front")),
        ("call back", False, (DEPENDENCY, "back")),
        ("back", False, (DEPENDENCY, "back")),
        ("store", False, (DEPENDENCY, "pg")),
        ("back", True, (DEPENDENCY, "back.internal")),
    ],
)
def test_the_deepest_failure_of_a_trace_is_its_origin(
    failing: str, masked: bool, expected: tuple[str, str]
) -> None:
    """Another team's app is named by what the own app calls."""
    requests = [SampledRequest(f"b{n}", "front", "bad", "r") for n in range(20)]
    requests += [SampledRequest(f"g{n}", "front", "good", "r") for n in range(20)]
    spans = [
        one for n in range(20) for one in (*chain(f"b{n}", failing, masked), *chain(f"g{n}", "", masked))
    ]
    (found,) = trace_suspects("front", "availability", requests, spans)
    assert (found.kind, found.value) == expected
    assert (found.bad, found.all_bad, found.good, found.all_good) == (20, 20, 0, 20)


@pytest.mark.parametrize(("late", "expected"), [("front", ITSELF), ("pg", DEPENDENCY)])
def test_slow_requests_are_blamed_on_whose_own_time_grew(late: str, expected: str) -> None:
    """A parent is as slow as its child; its self-time is not."""

    def timed(trace: str, more: int) -> list[SampledSpan]:
        inside = more if late == "pg" else 0
        return [
            span("front", "", "front", "server", 0, 100 + more, trace=trace),
            span("back", "front", "back", "server", 10, 80 + inside, trace=trace),
            span("store", "back", "back", "client", 20, 70 + inside, peer="pg", trace=trace),
        ]

    requests = [
        SampledRequest(f"{side}{n}", "front", side, "r") for n in range(20) for side in ("bad", "good")
    ]
    spans = [one for n in range(20) for one in (*timed(f"bad{n}", 900 + n), *timed(f"good{n}", n))]
    (found,) = trace_suspects("front", "latency", requests, spans)
    assert (found.kind, found.value) == (expected, late)


def test_requests_that_end_without_their_calls_are_the_apps_own() -> None:
    requests = [
        SampledRequest(f"{side}{n}", "front", side, "r") for n in range(20) for side in ("bad", "good")
    ]
    spans = [one for n in range(20) for one in chain(f"good{n}", "")]
    spans += [span("front", "", "front", "server", 0, 2, trace=f"bad{n}") for n in range(20)]
    (found,) = trace_suspects("front", "everything", requests, spans)
    assert (found.kind, found.value, found.bad, found.good) == (ITSELF, "front", 20, 0)


def test_a_callee_nobody_may_name_is_told_to_be_another_teams() -> None:
    requests = [SampledRequest(f"b{n}", "front", "bad", "r") for n in range(9)]
    spans = [
        one
        for n in range(9)
        for one in (
            span("front", "", "front", "server", 0, 9, True, trace=f"b{n}"),
            span("hidden", "front", "", "internal", 1, 8, True, trace=f"b{n}"),
        )
    ]
    (found,) = trace_suspects("front", "availability", requests, spans)
    assert (found.kind, found.value) == (DEPENDENCY, ANOTHER_TEAMS)


IDS = st.sampled_from("abcdefg")
SPANS = st.lists(
    st.builds(
        SampledSpan,
        st.just("t"), IDS, IDS, st.sampled_from(["x", "y", ""]), st.just("n"),
        st.sampled_from(["server", "client", "internal"]), st.sampled_from(["", "p"]),
        st.integers(0, 50), st.integers(0, 50), st.booleans(),
    ),
    max_size=12,
)  # fmt: skip


@given(SPANS)
def test_a_waterfall_has_each_span_once_whatever_their_parents_are(spans: list[SampledSpan]) -> None:
    """Parents that are missing, make a circle, or share an id with another."""
    bars = waterfall(spans)
    assert sorted(bar.span for bar in bars) == sorted(spans)
    for above, below in zip(bars, bars[1:], strict=False):
        assert below.depth <= above.depth + 1
    assert all(bar.offset_ns == bar.span.start_ns - min(one.start_ns for one in spans) for bar in bars)


@given(SPANS, st.sampled_from(["availability", "latency", "everything"]))
def test_any_trace_can_be_judged(spans: list[SampledSpan], measure: Any) -> None:
    requests = [SampledRequest("t", one, side, "r") for one in "ab" for side in ("bad", "good")]
    for found in trace_suspects("x", measure, requests, spans):
        assert 0 < found.bad <= found.all_bad


def calls(*rows: tuple[str, str, int, int, int, int]) -> pl.DataFrame:
    names = ("app_id", "peer", "failed", "calls", "failed_before", "calls_before")
    return pl.DataFrame(rows, schema=list(names), orient="row").with_columns(first_failed=pl.lit(AT))


def test_alerts_with_one_failing_dependency_are_one_group() -> None:
    found = shared_causes(
        calls(
            ("a", "pg", 50, 100, 0, 100),
            ("b", "pg", 30, 100, 1, 100),
            ("c", "pg", 90, 100, 0, 0),
            ("c", "redis", 90, 100, 0, 0),
            ("d", "redis", 90, 100, 0, 100),
            ("e", "mail", 90, 100, 0, 100),
            ("f", "pg", 50, 100, 50, 100),
            ("g", "pg", 2, 3, 0, 100),
            ("h", "pg", 9, 100, 0, 100),
        )
    )
    assert [(one.peer, one.apps, one.failed, one.calls) for one in found] == [
        ("pg", ("a", "b", "c"), 170, 300)
    ]


def test_the_nearest_deployment_is_no_version_that_was_there_before() -> None:
    rows = [
        {
            "at": AT - timedelta(minutes=minutes),
            "what": "version",
            "version": version,
            "was_there_before": before,
        }
        for minutes, version, before in (
            (1, "1", True),
            (30, "2", False),
            (-20, "3", False),
            (90, "4", False),
        )
    ]
    near = nearest_deploy(pl.DataFrame(rows), AT)
    assert near is not None and near["version"] == "3"
    assert nearest_deploy(pl.DataFrame(rows), None) is None


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        ("yesterday", "2026-03-01T11:00", "is no time: write it in UTC"),
        ("2026-03-01T11:00", "2026-02-30T11:00", "is no time"),
        ("2026-03-01T11:00", "2026-03-01T11:00", "not after its start"),
        ("2026-02-01T11:00", "2026-03-01T11:00", "longer than"),
    ],
)
def test_a_range_that_is_none_is_told_in_one_sentence(start: str, end: str, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        asked_range(start, end)
    assert asked_range("2026-03-01T10:00", "2026-03-01 11:30").base == AT - timedelta(minutes=90)
