"""What OpenSLO files ask for: what is measured, what is refused in a sentence, and what is exported read back the same."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import requests
from models.alert_rules import AlertRule, AlertRules, rules_of
from models.budgeting import Budgeting
from models.burn_scalings import windows_of
from models.objectives import (
    KEYS,
    Override,
    Overrides,
    as_they_were,
    definitions,
    generations,
    held,
    overrides,
    unseen,
    wanted,
)
from models.openslo import RATIO_TIMESLICES, TIMESLICES
from models.openslo_export import exported
from models.openslo_reader import read
from models.openslo_writer import written
from models.policy import Objective, burn_windows, request_slices, slo_defaults
from models.schemas import SCHEMAS
from models.slo_windows import rolling, window_of
from models.yaml_reader import documents
from tests.conftest import ROOT

LADDER = requests.ladder_ms(request_slices(), slo_defaults())
NONE = pl.DataFrame(schema=SCHEMAS["mart_slo_objectives"])

SLO = """\
apiVersion: openslo/v1
kind: SLO
metadata:
  name: fast
  annotations: {}
spec:
  service: Checkout
  indicator:
    metadata: {name: fast-sli, annotations: {"appfleet.io/unit": s}}
    spec:
      thresholdMetric:
        metricSource: {type: appfleet, spec: {indicator: latency}}
  timeWindow: [{duration: 4w, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{op: lte, value: 0.25, target: 0.995}]
"""
RATIO = "{metricSource: {type: appfleet, spec: {indicator: availability}}}"


def asked(text: str) -> Overrides:
    reading = read(documents(text, "a.yaml"))
    assert reading.mistakes == ()
    return overrides(reading.catalogue, slo_defaults(), burn_windows(), LADDER)


def test_an_objective_is_of_an_app_and_environment_by_annotation() -> None:
    [line] = asked(SLO).lines
    assert line == Override(
        "checkout", "", Objective("fast", Decimal("0.995"), 250, ("server",)), rolling(28), "a.yaml, line 15"
    )
    annotated = SLO.replace(
        "annotations: {}",
        'annotations: {"appfleet.io/app-id": Pay, "appfleet.io/environment": Staging, "appfleet.io/objective": latency}',
    )
    [line] = asked(annotated).lines
    assert (line.app_id, line.environment, line.objective.name) == ("pay", "staging", "latency")
    service = (
        '---\napiVersion: openslo/v1\nkind: Service\nmetadata: {name: shop, annotations: {"appfleet.io/app-id": shop-7}}\n'
        "spec: {}\n"
    )
    [line] = asked(SLO.replace("Checkout", "shop") + service).lines
    assert line.app_id == "shop-7"
    several = asked(SLO.replace("target: 0.995}]", "target: 0.995}, {op: lte, value: 1, target: 0.9}]")).lines
    assert [(one.objective.name, one.objective.threshold_ms) for one in several] == [
        ("fast-1", 250),
        ("fast-2", 1000),
    ]


REFUSED = [
    ("annotations: {}", 'annotations: {"appfleet.io/route": " "}', "names an empty route"),
    ("annotations: {}", 'annotations: {"appfleet.io/cold-starts": keep}', "it can be include or exclude"),
    ("indicator: latency}", "indicator: latency, filter: {http.method: GET}}", "it can be a route"),
    ("indicator: latency}", "indicator: latency, percentile: 99}", "write `target: 0.99`"),
    (
        "indicator: latency}",
        "indicator: latency, percentile: x}",
        "a number between 0 and 100, of latency alone",
    ),
    (
        "annotations: {}",
        'annotations: {"appfleet.io/route": GET /a}',
        "indicator: latency}",
        "indicator: latency, filter: {http.route: /b}}",
        "filters by route /b and is annotated with GET /a",
    ),
    (
        "annotations: {}",
        'annotations: {"appfleet.io/route": GET /, "appfleet.io/objective": latency}',
        "measures route GET / under the name of the default objective latency",
    ),
    (
        "0.995}]",
        "0.995, timeSliceWindow: 1m}]",
        "",
        "Occurrences",
        "RatioTimeslices",
        "has a timeSliceWindow of 1m; requests are counted by 5 minutes and no slice is cut, so write a multiple of 5m",
    ),
    (
        "0.995}]",
        "0.995, timeSliceWindow: 35m}]",
        "",
        "Occurrences",
        "RatioTimeslices",
        "has a timeSliceWindow of 35m",
    ),
    (
        "annotations: {}",
        'annotations: {"appfleet.io/missing-slices": fine}',
        "has appfleet.io/missing-slices: fine; it can be good, bad, excluded, freeze",
    ),
    ("0.995}]", "0.995, compositeWeight: 1}]", "composite objectives are read and not measured yet"),
    ("duration: 4w", "duration: 1M", "rolls over 1M, which has no fixed length"),
    ("duration: 4w", "duration: 2d", "must be whole days and 3 of them at least"),
    ("duration: 4w", "duration: 100h", "must be whole days and 3 of them at least"),
    (
        "{duration: 4w, isRolling: true}",
        "{duration: 1M, calendar: {startTime: 2026-01-01 00:01:00, timeZone: UTC}}",
        "requests are counted by 5 minutes",
    ),
    (
        "type: appfleet",
        "type: Prometheus",
        "measured by a source of type 'Prometheus', which appfleet does not read",
    ),
    ("indicator: latency}", "indicator: saturation}", "asks for the indicator 'saturation'"),
    ("indicator: latency}", "indicator: latency, route: x}", "asks for route, which no indicator has"),
    ("indicator: latency}", "indicator: latency, kinds: [batch]}", "must be a list of consumer, server"),
    ("indicator: latency}", "indicator: availability}", "must be a ratioMetric of good and total to measure"),
    (
        "thresholdMetric:\n        ",
        f"ratioMetric:\n        good: {RATIO}\n        total:\n         ",
        "two different things",
    ),
    ("op: lte", "op: lt", "write `op: lte`"),
    ("value: 0.25", "value: 0.3", "nothing is interpolated; take 250 ms or 500 ms"),
    ("value: 0.25", "value: 60", "take 10000 ms"),
    ("target: 0.995", "target: 0", "has the target 0, which nothing can miss"),
    ("target: 0.995", "target: 0.9999999999", "may have 9 places at most"),
    ("name: fast\n", "name: availability\n", "under the name of the default objective availability"),
]


@pytest.mark.parametrize("case", REFUSED, ids=[one[-1][:40] for one in REFUSED])
def test_what_nobody_measures_yet_is_refused_in_a_sentence(case: tuple[str, ...]) -> None:
    *changes, words = case
    text = SLO
    pairs = [one for one in changes if one]
    for old, new in zip(pairs[::2], pairs[1::2], strict=True):
        assert text.count(old) == 1
        text = text.replace(old, new)
    found = asked(text)
    assert found.lines == ()
    assert len(found.refusals) == 1
    assert found.refusals[0].startswith("a.yaml, line ")
    assert words in found.refusals[0]


shares = st.integers(1, 10**9 - 1).map(lambda n: Decimal(n).scaleb(-9))
apps = st.sampled_from(["a", "b-1", "unknown_service@x/y", "Ä"]).map(str.lower)
lines = st.builds(
    Override,
    apps,
    st.sampled_from(["", "production", "staging"]),
    st.builds(
        Objective,
        st.sampled_from(["one", "two", "three"]),
        shares,
        st.sampled_from([None, *LADDER]),
        st.sampled_from([("server", "consumer"), ("server",)]),
        st.sampled_from(["", "", "GET /a/{id}", "/b"]),
        st.booleans(),
    ),
    st.sampled_from(["7d", "30d", "1M from 2026-01-01 00:00:00 Europe/Vienna"]).map(window_of),
    st.just("a.yaml, line 3"),
)
SEEN = pl.DataFrame(
    [
        (app, env)
        for app in ("a", "b-1", "unknown_service@x/y", "quiet")
        for env in ("production", "staging", "")
    ],
    schema=["app_id", "environment"],
    orient="row",
)


def distinct(drawn: list[Override]) -> list[Override]:
    """Those of which no two would be told apart by nothing, as ``overrides`` gives them."""
    kept: dict[tuple[str, str], Override] = {}
    for one in drawn:
        kept.setdefault((one.app_id, one.objective.name), one)
    return list(kept.values())


def definitions_of(drawn: list[Override]) -> pl.DataFrame:
    group = held(drawn)
    return definitions(wanted(SEEN, slo_defaults(), group), slo_defaults(), group)


@given(st.lists(lines, max_size=8).map(distinct))
@settings(max_examples=40)
def test_the_closest_objective_counts(drawn: list[Override]) -> None:
    """Of that environment, else of all, else the default: for each indicator and route on its own, and no default of a route."""
    expected = set()
    for app, environment in SEEN.iter_rows():
        for default in slo_defaults().lines:
            is_latency = default.threshold_ms is not None
            mine = [
                one
                for one in drawn
                if one.app_id == app and (one.objective.threshold_ms is not None) is is_latency
            ]
            for route in {"", *(one.objective.route for one in mine)}:
                of_route = [one for one in mine if one.objective.route == route]
                exact = [one for one in of_route if one.environment == environment]
                own = exact or [one for one in of_route if one.environment == ""]
                expected |= {(app, environment, one.objective.name, one.objective.target) for one in own}
                if not own and not route:
                    expected.add((app, environment, default.name, default.target))
    found = definitions_of(drawn)
    assert set(found.select(*KEYS, "target").iter_rows()) == expected
    told = {
        one.split(" is of app ")[1].split(",")[0] for one in unseen(held(drawn), SEEN) if " is of app " in one
    }
    assert told == {one.app_id for one in drawn} - set(SEEN["app_id"])


BUDGETINGS = (
    Budgeting(),
    Budgeting(TIMESLICES, 15, Decimal("0.9")),
    Budgeting(TIMESLICES, 5, Decimal("0.975"), "freeze", "good"),
    Budgeting(RATIO_TIMESLICES, 60, None, "bad"),
)


RULES = (
    None,
    AlertRules((AlertRule("a", "page", "1h", "5m", Decimal(1), tells_end=False, targets=("hook", "Mail x")),)),
    # Another policy of the same name, as two files of a workspace cannot have it and two apps' inline ones can.
    AlertRules((AlertRule("a", "page", "2d", "2d", Decimal(1), True, "15m"), AlertRule("b", "ticket", "6h", "30m", Decimal(1), fires=False))),
)  # fmt: skip


def sliced(line: Override, budgeting: Budgeting, rules: AlertRules | None) -> Override:
    """The line by another method, where slices of time are measured: of whole apps with their cold starts; and by its own policies."""
    one = replace(line.objective, alerting=rules)
    if one.route or one.without_cold_starts:
        return replace(line, objective=one)
    return replace(line, objective=replace(one, budgeting=budgeting))


by_any_method = st.builds(sliced, lines, st.sampled_from(BUDGETINGS), st.sampled_from(RULES))


def as_before(rules: AlertRules | None) -> object:
    """Rules but for names, which are told apart by a number or spelt as OpenSLO allows; without a policy there is none."""
    if rules is None:
        return None
    return [replace(one, policy=one.policy[0], targets=tuple(name.lower().replace(" ", "-") for name in one.targets)) for one in rules.lines]  # fmt: skip


@given(st.lists(by_any_method, max_size=8).map(distinct), st.sampled_from(["workbook", "pyrra"]))
@settings(max_examples=12)
def test_what_is_exported_is_read_as_the_same_objectives(drawn: list[Override], windows: str) -> None:
    before = definitions_of(drawn)
    rows = before.filter(pl.col("environment") != "")  # empty: every environment, once it is read
    text = written(exported(rows.iter_rows(named=True), lambda days: windows_of(windows, days)))
    reading = read(documents(text, "x.yaml"))
    assert reading.mistakes == ()
    again = overrides(reading.catalogue, slo_defaults(), burn_windows(), LADDER)
    assert again.refusals == again.unheeded == ()
    found = definitions_of(list(again.lines)).filter(pl.col("environment") != "")
    assert found.drop("source", "alerting").equals(rows.drop("source", "alerting"))
    for was, now in zip(rows["alerting"], found["alerting"], strict=True):
        assert as_before(rules_of(now)) == as_before(rules_of(was))
    assert "appfleet.io/short-window" in text


@given(st.lists(st.lists(lines, max_size=4).map(distinct), min_size=1, max_size=5))
@settings(max_examples=30)
def test_a_change_begins_a_generation_and_history_stays(history: list[list[Override]]) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    published = NONE
    open_: dict[tuple[str, ...], tuple[Any, ...]] = {}
    numbers: dict[tuple[str, ...], int] = {}
    closed: list[tuple[Any, ...]] = []
    for drawn in history:
        moment += timedelta(minutes=5)
        now = definitions_of(drawn)
        current: dict[tuple[str, ...], tuple[Any, ...]] = {}
        for row in now.iter_rows(named=True):
            key = tuple(row[name] for name in KEYS)
            current[key] = tuple(
                tuple(row[name]) if name == "span_kinds" else row[name]
                for name in (
                    "target",
                    "threshold_ms",
                    "time_window",
                    "span_kinds",
                    "indicator",
                    "route",
                    "without_cold_starts",
                )
            )
        for key, (number, begun, said) in list(open_.items()):
            if current.get(key) != said:
                closed.append((*key, number, begun, moment, said[0]))
                del open_[key]
        for key, said in current.items():
            if key not in open_:
                numbers[key] = numbers.get(key, 0) + 1
                open_[key] = (numbers[key], moment, said)
        published = generations(published, now, moment).with_columns(team=pl.lit("t"))
    expected = {
        *closed,
        *((*key, number, begun, None, said[0]) for key, (number, begun, said) in open_.items()),
    }
    found = published.select(*KEYS, "generation", "valid_from", "valid_to", "target")
    assert set(found.iter_rows()) == expected
    assert found.height == len(expected)


def test_a_file_that_cannot_be_read_leaves_its_objectives_as_they_were() -> None:
    one = Override("a", "", Objective("one", Decimal("0.9"), 250, ("server",)), rolling(7), "a.yaml, line 3")
    two = Override("b-1", "", Objective("two", Decimal("0.8")), rolling(7), "b.yaml, line 3")
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    before = generations(NONE, definitions_of([one, two]), moment)
    kept = as_they_were(before, ["a.yaml"], [two])
    assert definitions_of([*kept, two]).equals(definitions_of([one, two]))
    assert as_they_were(before, [], [two]) == []
    # What another file tells now counts.
    moved = Override("a", "", Objective("one", Decimal("0.7"), 250), rolling(7), "c.yaml, line 3")
    assert as_they_were(before, ["a.yaml"], [moved]) == []


def test_the_example_of_the_guide_is_measured() -> None:
    guide = (ROOT / "docs" / "objectives.md").read_text(encoding="utf-8")
    example, *_, policy = re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL)
    found = asked(f"{example}  alertPolicies: [{{alertPolicyRef: fast-burn}}]\n---\n{policy}")
    assert found.refusals == found.unheeded == ()
    rules = found.lines[0].objective.alerting
    assert rules is not None
    assert [one.words for one in rules.lines] == ["page where 1h and 5m burn above 14.4 x for 10m"]
    assert [(one.app_id, one.environment, one.objective.threshold_ms) for one in found.lines] == [
        ("checkout", "production", 250)
    ]
    bounds = re.findall(r"Thresholds\*\* are bounds requests are counted by: ([0-9, and]+) ms", guide)
    assert [int(one) for one in re.findall(r"[0-9]+", bounds[0])] == list(LADDER)
