"""OpenSLO v1: real files read, every mistake named by file, line and field, and what is written read back as it was."""

from __future__ import annotations

import string
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.openslo import (
    METHODS,
    OCCURRENCES,
    SHORT_WINDOW,
    TIMESLICES,
    UNIT,
    AlertPolicy,
    Calendar,
    Condition,
    DataSource,
    Item,
    Meta,
    MetricSource,
    NotificationTarget,
    Ratio,
    Ref,
    Shorthand,
    Sli,
    Slo,
    SloService,
    SloTarget,
    TimeWindow,
    WrittenAt,
    span,
)
from models.openslo_reader import Reading, read
from models.openslo_writer import written
from models.yaml_reader import documents

HERE = WrittenAt("", 0)


def reading(text: str, file: str = "slo.yaml") -> Reading:
    return read(documents(text, file))


def real(path: Path) -> Reading:
    return reading(path.read_text(encoding="utf-8"), path.name)


def test_the_published_examples_are_read(shared_data: Path) -> None:
    folder = shared_data / "openslo" / "examples"
    ratio = real(folder / "budgeting-method" / "ratio-timeslices.yaml")
    assert (ratio.mistakes, ratio.warnings) == ((), ())
    [slo] = ratio.catalogue.items
    assert isinstance(slo, Slo)
    assert (slo.method, slo.window, slo.service) == (
        "RatioTimeslices",
        TimeWindow(Shorthand(2, "w")),
        "web-shop",
    )
    assert [(one.share, one.slice_window) for one in slo.targets] == [(Decimal("0.99"), Shorthand(1, "m"))]

    month = real(folder / "budgeting-method" / "timeslices-slo.yaml")
    assert month.mistakes == ()
    assert month.warnings == (
        "timeslices-slo.yaml, line 27: spec.timeWindow[0].duration is 1m, which is a minute; 1M is months",
    )
    [slo] = month.catalogue.items
    assert isinstance(slo, Slo)
    assert slo.window.calendar == Calendar(datetime.fromisoformat("2022-01-01 12:00"), "America/New_York")
    assert [one.share for one in slo.targets] == [Decimal("0.995"), Decimal("0.99")]

    week = real(folder / "treat-low-traffic-as-equally-important" / "timeslices-slo.yaml")
    assert (week.mistakes, week.warnings) == ((), ())
    unit = real(folder / "budgeting-method" / "occurences-slo.yaml")
    assert unit.mistakes == (
        "occurences-slo.yaml, line 25: spec.objectives[0].value is 500 without a unit: write the annotation "
        "`appfleet.io/unit: ms` or `s` into the metadata of the indicator search-latency",
    )


SOUND = """\
apiVersion: openslo/v1
kind: SLO
metadata:
  name: checkout
spec:
  service: checkout
  indicator:
    metadata:
      name: answered
      annotations:
        appfleet.io/unit: ms
    spec:
      thresholdMetric:
        metricSource:
          type: appfleet
          spec:
            indicator: latency
  timeWindow:
    - duration: 30d
      isRolling: true
  budgetingMethod: Occurrences
  objectives:
    - op: lte
      value: 500
      target: 0.99
  alertPolicies:
    - kind: AlertPolicy
      metadata:
        name: fast
      spec:
        conditions:
          - kind: AlertCondition
            metadata:
              name: burns
              annotations:
                appfleet.io/short-window: 5m
            spec:
              severity: page
              condition:
                kind: burnrate
                op: gt
                threshold: 14.4
                lookbackWindow: 1h
"""

MISTAKES = [
    ("target: 0.99", "target: 1.0", 25, "spec.objectives[0].target is 1.0: nothing may ever fail"),
    ("target: 0.99", "target: 100", 25, "a percentage is written as targetPercent"),
    ("target: 0.99", "targetPercent: 100", 25, "spec.objectives[0].targetPercent is 100: nothing may ever"),
    ("target: 0.99", "target: 99.9", 25, "a percentage is written as targetPercent"),
    ("target: 0.99", "target: -0.1", 25, "must be at least 0"),
    ("target: 0.99", "target: most", 25, "spec.objectives[0].target is 'most', which is no number"),
    ("target: 0.99", "target: .nan", 25, "which is no number"),
    ("      target: 0.99", "      target: 0.99\n      targetPercent: 99", 26, "stands beside target"),
    ("      target: 0.99\n", "", 23, "spec.objectives[0].target is missing"),
    (
        "      isRolling: true",
        "      isRolling: true\n    - duration: 7d\n      isRolling: true",
        21,
        "names 2 windows",
    ),
    ("isRolling: true", "isRolling: false", 19, "spec.timeWindow[0].calendar is missing"),
    (
        "isRolling: true",
        "isRolling: false\n      calendar: {startTime: 2026-01-01 00:00:00}",
        21,
        "spec.timeWindow[0].calendar.timeZone is missing",
    ),
    (
        "isRolling: true",
        "isRolling: false\n      calendar: {startTime: 2026-01-01 00:00:00, timeZone: Mars/Olympus}",
        21,
        "spec.timeWindow[0].calendar.timeZone is 'Mars/Olympus', which is no zone",
    ),
    (
        "isRolling: true",
        "isRolling: true\n      calendar: {startTime: 2026-01-01 00:00:00, timeZone: UTC}",
        21,
        "stands beside isRolling: true",
    ),
    (
        "isRolling: true",
        "calendar: {startTime: 2026-01-01T00:00:00+01:00, timeZone: UTC}",
        20,
        "carries an offset",
    ),
    (
        "duration: 30d",
        "duration: 30 days",
        19,
        "spec.timeWindow[0].duration is '30 days'; write a number and",
    ),
    ("duration: 30d", "duration: 0d", 19, "spec.timeWindow[0].duration is '0d'"),
    (
        "Occurrences",
        "Occurences",
        21,
        "spec.budgetingMethod is 'Occurences'; it can be Occurrences, Timeslices",
    ),
    ("Occurrences", "Timeslices", 23, "spec.objectives[0].timeSliceWindow is missing"),
    (
        "        appfleet.io/unit: ms",
        "        other: ms",
        23,
        "spec.objectives[0].value is 500 without a unit",
    ),
    ("      value: 500\n", "", 23, "spec.objectives[0].value is missing"),
    ("    - op: lte\n      value", "    - value", 23, "spec.objectives[0].op is missing"),
    ("op: lte", "op: under", 23, "spec.objectives[0].op is 'under'; it can be"),
    ("kind: SLO", "kind: SLA", 2, "kind is 'SLA'; it can be SLO, SLI, Service"),
    ("openslo/v1", "openslo/v1alpha", 1, "apiVersion is 'openslo/v1alpha'; openslo/v1 is read"),
    ("name: checkout", "name: Check Out", 4, "metadata.name is 'Check Out'; use small letters"),
    ("  service: checkout", "  services: checkout", 6, "spec.services is not a known key"),
    (
        "    - kind: AlertPolicy\n",
        "    - alertPolicyRef: nowhere\n    - kind: AlertPolicy\n",
        27,
        "spec.alertPolicies[0].alertPolicyRef names the AlertPolicy 'nowhere', which no document describes",
    ),
    ("short-window: 5m", "short-window: 2h", 36, "must be a duration of m, h, d or w shorter than"),
    ("unit: ms", "unit: parsecs", 11, "appfleet.io/unit is 'parsecs'; it can be ms or s"),
    ("lookbackWindow: 1h", "lookbackWindow: soon", 43, "condition.lookbackWindow is 'soon'"),
    ("threshold: 14.4", "threshold: fast", 42, "condition.threshold is 'fast', which is no number"),
]


@pytest.mark.parametrize(("old", "new", "line", "words"), MISTAKES, ids=[one[3][:50] for one in MISTAKES])
def test_a_mistake_names_file_line_and_field(old: str, new: str, line: int, words: str) -> None:
    assert reading(SOUND).mistakes == ()
    assert SOUND.count(old) == 1
    found = reading(SOUND.replace(old, new))
    assert found.catalogue.items == ()
    assert len(found.mistakes) == 1
    assert found.mistakes[0].startswith(f"slo.yaml, line {line}: ")
    assert words in found.mistakes[0]


def test_every_mistake_of_a_file_is_told_at_once_and_costs_its_own_document_only() -> None:
    broken = (
        SOUND.replace("target: 0.99", "target: 1")
        .replace("duration: 30d", "duration: soon")
        .replace("name: checkout", "name: other")
        .replace("threshold: 14.4", "threshold: fast")
    )
    found = reading(f"{SOUND}---\n{broken}")
    assert [one.meta.name for one in found.catalogue.items] == ["checkout"]
    assert len(found.mistakes) == 3
    again = reading(f"{SOUND}---\n{SOUND}")
    assert len(again.catalogue.items) == 1
    assert "is the name of the SLO of slo.yaml, line 1 too" in again.mistakes[0]


@pytest.mark.parametrize(
    ("kind", "key", "spec"),
    [
        ("SLI", "indicatorRef", None),
        ("AlertCondition", "spec.conditions[0].conditionRef", "conditions: [{conditionRef: gone}]"),
        (
            "AlertNotificationTarget",
            "spec.notificationTargets[0].targetRef",
            "conditions: [{conditionRef: there}], notificationTargets: [{targetRef: gone}]",
        ),
    ],
)
def test_a_name_that_nothing_has_is_a_mistake(kind: str, key: str, spec: str | None) -> None:
    there = (
        "---\napiVersion: openslo/v1\nkind: AlertCondition\nmetadata: {name: there}\n"
        "spec: {severity: page, condition: {kind: burnrate, op: gt, threshold: 2, lookbackWindow: 1h}}\n"
    )
    if spec is None:
        begin, end = SOUND.index("  indicator:"), SOUND.index("  timeWindow")
        text = SOUND[:begin] + "  indicatorRef: gone\n" + SOUND[end:]
    else:
        text = f"apiVersion: openslo/v1\nkind: AlertPolicy\nmetadata: {{name: p}}\nspec: {{{spec}}}\n"
    found = reading(text + there)
    assert len(found.mistakes) == 1
    assert key in found.mistakes[0]
    assert f"names the {kind} 'gone', which no document describes" in found.mistakes[0]


def test_text_that_is_no_openslo_is_a_sentence() -> None:
    for text in ("- a", "a", "kind: SLO", "apiVersion: openslo/v1\nkind: SLO\nmetadata: []\nspec: 3", "1: 2"):
        found = reading(text)
        assert found.catalogue.items == ()
        assert all(one.startswith("slo.yaml, line ") for one in found.mistakes)
        assert found.mistakes
    assert reading("") == reading("---\n---\n")


names = st.from_regex(r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
words = st.text(string.ascii_letters + string.digits + " .:#'\"-äß\n", max_size=20).map(str.strip)
shares = st.integers(0, 10**9 - 1).map(lambda n: Decimal(n).scaleb(-9))
numbers = st.decimals(0, 10**6, places=3)
plain: st.SearchStrategy[Any] = st.recursive(
    st.booleans() | st.integers(-(10**6), 10**6) | words.filter(bool),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
specs = st.dictionaries(names, plain, max_size=3)
metas = st.builds(
    Meta,
    names,
    words,
    st.dictionaries(names, st.lists(words, min_size=1, max_size=2).map(tuple), max_size=2),
    st.dictionaries(names, words, max_size=2),
)
spans = st.builds(Shorthand, st.integers(1, 999), st.sampled_from("mhdw"))
long_spans = st.builds(Shorthand, st.integers(1, 99), st.sampled_from("mhdwMQY"))
sources = st.builds(MetricSource, words, st.none() | names.map(lambda name: Ref(name, HERE)), specs)
ratios = st.builds(Ratio, st.none() | st.booleans(), sources, st.none(), sources) | st.builds(
    Ratio,
    st.none() | st.booleans(),
    st.none(),
    st.none(),
    st.none(),
    sources,
    st.sampled_from(["success", "failure"]),
)
ratio_slis = st.builds(Sli, metas, st.just(HERE), words, ratios, st.none())


@st.composite
def threshold_slis(draw: st.DrawFn) -> Sli:
    meta = draw(metas)
    unit = {UNIT: draw(st.sampled_from(["ms", "s"]))}
    return Sli(
        Meta(meta.name, meta.display_name, meta.labels, {**meta.annotations, **unit}),
        HERE,
        draw(words),
        None,
        draw(sources),
    )


conditions = st.builds(
    Condition,
    st.builds(Meta, names, annotations=st.just({}) | st.just({SHORT_WINDOW: "5m"})),
    st.just(HERE),
    words,
    words.filter(bool),
    st.just("burnrate"),
    st.sampled_from(["lte", "gte", "lt", "gt"]),
    numbers,
    st.builds(Shorthand, st.integers(6, 99), st.sampled_from("mhd")),
    st.none() | spans,
)
notifications = st.builds(NotificationTarget, metas, st.just(HERE), words, words.filter(bool))
truths = st.none() | st.booleans()
policies = st.builds(
    AlertPolicy,
    metas,
    st.just(HERE),
    words,
    truths,
    truths,
    truths,
    st.lists(conditions, min_size=1, max_size=1).map(tuple),
    st.lists(notifications, max_size=2).map(tuple),
)
windows = st.builds(TimeWindow, long_spans) | st.builds(
    TimeWindow,
    long_spans,
    st.builds(
        Calendar,
        st.datetimes(datetime.fromisoformat("1990-01-01"), datetime.fromisoformat("2100-01-01")),
        st.sampled_from(["UTC", "Europe/Vienna", "America/New_York", "Asia/Kathmandu"]),
    ),
)


@st.composite
def slos(draw: st.DrawFn) -> Slo:
    method = draw(st.sampled_from(METHODS))
    sli = draw(ratio_slis | threshold_slis())
    is_threshold = sli.threshold is not None
    inline = draw(st.booleans())
    targets = st.builds(
        SloTarget,
        shares,
        words,
        st.just("lte") if is_threshold else st.just(""),
        numbers if is_threshold else st.none(),
        (st.just(Decimal("0.9")) if method == TIMESLICES else st.none() | st.just(Decimal("0.5"))),
        st.none() if method == OCCURRENCES else spans,
        st.none() | st.just(Decimal("0.25")),
        st.none() if inline else st.just(sli),
    )
    return Slo(
        draw(metas),
        HERE,
        draw(names),
        draw(windows),
        method,
        tuple(draw(st.lists(targets, min_size=1, max_size=3))),
        sli if inline else None,
        tuple(draw(st.lists(policies, max_size=2))),
        draw(words),
    )


items: st.SearchStrategy[Item] = st.one_of(
    slos(),
    ratio_slis,
    threshold_slis(),
    policies,
    conditions,
    notifications,
    st.builds(DataSource, metas, st.just(HERE), words, words.filter(bool), specs),
    st.builds(SloService, metas, st.just(HERE), words),
)


def sources_of(found: list[Item]) -> list[Item]:
    """A DataSource for every name that is asked for, and a Service where there are any."""
    text = written(found)
    asked = {one for one in documents(text, "x") if one}
    assert asked
    named = {
        line.split(":", 1)[1].strip().strip("'\"") for line in text.splitlines() if "metricSourceRef:" in line
    }
    services = {one.service for one in found if isinstance(one, Slo)}
    return [
        *(DataSource(Meta(name), HERE, type="Any") for name in sorted(named)),
        *(SloService(Meta(name), HERE) for name in sorted(services)),
    ]


@given(st.lists(items, min_size=1, max_size=3))
@settings(max_examples=25)
def test_what_is_written_is_read_as_it_was(drawn: list[Item]) -> None:
    kinds_and_names = set()
    found = []
    for item in [*drawn, *sources_of(drawn)]:
        key = (type(item), item.meta.name)
        if key not in kinds_and_names:
            kinds_and_names.add(key)
            found.append(item)
    again = reading(written(found))
    assert again.mistakes == ()
    assert list(again.catalogue.items) == found


@given(st.integers(1, 999_999), st.sampled_from("mhdwMQY"))
@settings(max_examples=30)
def test_a_duration_is_told_as_it_is_read(number: int, unit: str) -> None:
    assert span(f"{number}{unit}") == Shorthand(number, unit)
    assert str(Shorthand(number, unit)) == f"{number}{unit}"
    assert span(f"{number} {unit}") is None
    assert span(f"-{number}{unit}") is None
