"""Alerts over time: an oracle by the clock, order and repeats, no flapping, freezing, and groups by owner and cause."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.alert_routes import (
    FIRED,
    AlertTarget,
    Route,
    Routing,
    ToldItem,
    due_messages,
    item_of,
)
from models.alerts import (
    DEPRECATED,
    FIRING,
    FROZEN,
    GIVEN_UP,
    PENDING,
    RESOLVED,
    RETIRED,
    Alert,
    AlertingPolicy,
    Kind,
    Trouble,
    advance,
    alert_policy,
    alerts_frame,
    alerts_of,
    grouped,
    in_order,
)

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
TICK = timedelta(minutes=5)
POLICY = alert_policy()


def policy(fire_minutes: int, resolve_minutes: int) -> AlertingPolicy:
    kind = Kind("Objective", timedelta(minutes=fire_minutes), timedelta(minutes=resolve_minutes), 2 * TICK)
    return replace(POLICY, kinds=MappingProxyType(dict.fromkeys(POLICY.kinds, kind)))


def wrong(key: str = "slo/a//x", **changes: object) -> Trouble:
    return replace(Trouble(key, "slo", key, "team", "ticket", START, "it fails"), **changes)  # type: ignore[arg-type]


KEYS = ["slo/a//x", "slo/b//x", "silent/a/", "stale/telemetry"]
CONDITIONS = st.builds(
    wrong,
    key=st.sampled_from(KEYS),
    severity=st.sampled_from(POLICY.severities),
    since=st.integers(0, 40).map(lambda minutes: START - timedelta(minutes=minutes)),
    sentence=st.sampled_from(["one", "two"]),
    is_known=st.booleans(),
)
TICKS = st.lists(st.lists(CONDITIONS, max_size=6), min_size=1, max_size=14)


def played(ticks: list[list[Trouble]], by: AlertingPolicy, gap: timedelta = TICK) -> Iterator[list[Alert]]:
    alerts: list[Alert] = []
    for number, found in enumerate(ticks):
        alerts = advance(alerts, found, START + number * gap, by)
        yield alerts


@given(TICKS, st.randoms(use_true_random=False), st.integers(0, 20), st.integers(0, 20))
def test_order_and_repeats_change_nothing(
    ticks: list[list[Trouble]], shuffle: random.Random, fire: int, resolve: int
) -> None:
    by = policy(fire, resolve)
    alerts: list[Alert] = []
    other: list[Alert] = []
    for number, found in enumerate(ticks):
        now = START + number * TICK
        alerts = advance(alerts, found, now, by)
        mixed = found + found[::2]
        shuffle.shuffle(mixed)
        shuffle.shuffle(other)
        other = advance(other, mixed, now, by)
        assert other == alerts
        assert advance(alerts, mixed, now, by) == alerts, "asking again at the same moment changed something"
        assert [one.alert_key for one in alerts] == sorted({one.alert_key for one in alerts})


def oracle(seen: list[str], fire: int, resolve: int) -> list[tuple[str, int]]:
    """State and episode (the second it fired in) at every tick of one key, decided by counting ticks since the last change."""
    answers = []
    state, episode, held, clear = "", 0, 0, 0
    was_fired = False
    for number, what in enumerate(seen):
        now = number * 5
        if what == "wrong":
            if state in ("", RESOLVED):
                held, was_fired, episode = now, False, 0
            clear = -1
            if was_fired or now - held >= fire:
                episode = episode if was_fired else int(START.timestamp()) + now * 60
                was_fired = True
                state = FIRING
            else:
                state = PENDING
        elif what == "unknown":
            if state in (PENDING, FIRING):
                state = FROZEN
        elif state in (PENDING, FIRING, FROZEN):
            if not was_fired:
                state = ""
            else:
                clear = now if clear < 0 else clear
                state = RESOLVED if now - clear >= resolve else FIRING
        answers.append((state, episode if state else 0))
        if not state:
            episode = 0
    return answers


@given(
    st.lists(st.sampled_from(["wrong", "right", "unknown"]), max_size=40),
    st.integers(0, 25),
    st.integers(0, 25),
)
def test_states_are_those_of_a_stopwatch(seen: list[str], fire: int, resolve: int) -> None:
    ticks = [[] if what == "right" else [wrong(is_known=what == "wrong")] for what in seen]
    found = [
        (alerts[0].state, alerts[0].episode) if alerts else ("", 0)
        for alerts in played(ticks, policy(fire, resolve))
    ]
    assert found == oracle(seen, fire, resolve)


@given(st.lists(st.booleans(), max_size=80), st.integers(0, 30), st.integers(0, 30))
def test_nothing_flaps_faster_than_it_fires_and_resolves(seen: list[bool], fire: int, resolve: int) -> None:
    ticks = [[wrong()] if is_wrong else [] for is_wrong in seen]
    fired: set[tuple[int, datetime]] = set()
    ended: set[tuple[int, datetime]] = set()
    for alerts in played(ticks, policy(fire, resolve)):
        fired |= {(one.episode, one.fired_at) for one in alerts if one.fired_at}
        ended |= {(one.episode, one.resolved_at) for one in alerts if one.resolved_at}
    starts, ends = sorted(fired), sorted(ended)
    assert len({number for number, _ in starts}) == len(starts), "an episode fired twice"
    for (_, begin), (_, end) in zip(starts, ends, strict=False):
        assert end - begin >= timedelta(minutes=resolve)
    for (_, end), (_, begin) in zip(ends, starts[1:], strict=False):
        assert begin - end >= timedelta(minutes=fire)
    quiet = sum(1 for before, after in zip([False, *seen], seen, strict=False) if after and not before)
    assert len(starts) <= quiet, "more alerts than times it became wrong"


def test_a_worse_severity_is_taken_and_a_milder_one_is_not() -> None:
    by = policy(0, 60)
    ticks = [[wrong(severity=one)] for one in ("notice", "page", "ticket", "notice")]
    assert [alerts[0].severity for alerts in played(ticks, by)] == ["notice", "page", "page", "page"]


def test_what_is_frozen_too_long_is_given_up_and_never_fires() -> None:
    ticks = [[wrong()], *[[wrong(is_known=False)]] * 30, []]
    states = [[one.state for one in alerts] for alerts in played(ticks, policy(0, 0), timedelta(days=1))]
    assert states[1:29] == [[FROZEN]] * 28
    assert states[29] == [RESOLVED]
    unknown = list(played([[wrong(is_known=False)]] * 40, policy(0, 0), timedelta(days=1)))
    assert not any(unknown)


def test_resolved_alerts_leave_after_they_were_shown() -> None:
    kept = list(played([[wrong()], *[[]] * 33], policy(0, 0), timedelta(days=1)))
    assert [len(alerts) for alerts in kept] == [1] * 31 + [
        0
    ] * 3  # resolved on the first day, shown for thirty


def fired(key: str, minutes: int, **changes: object) -> Alert:
    one = advance([], [wrong(key, since=START + timedelta(minutes=minutes))], START, policy(0, 0))[0]
    return replace(one, **changes)  # type: ignore[arg-type]


@given(st.permutations(range(7)))
def test_groups_are_chains_of_one_owner_or_one_named_cause(order: list[int]) -> None:
    alerts = [
        fired("slo/a//x", 0),
        fired("slo/b//x", 8),
        fired("slo/c//x", 17),
        fired("slo/d//x", 40),
        fired("slo/e//x", 2, team="other"),
        fired("silent/f/", 0, kind="silent", cause="a collector"),
        fired("silent/g/", 500, kind="silent", cause="a collector"),
    ]
    found = {
        frozenset(one.subject for one in group.alerts)
        for group in grouped([alerts[i] for i in order], POLICY)
    }
    assert found == {
        frozenset({"slo/a//x", "slo/b//x", "slo/c//x"}),
        frozenset({"slo/d//x"}),
        frozenset({"slo/e//x"}),
        frozenset({"silent/f/", "silent/g/"}),
    }


@given(TICKS)
def test_one_order_and_columns_that_come_back(ticks: list[list[Trouble]]) -> None:
    *_, alerts = played(ticks, policy(5, 5))
    ordered = in_order(alerts, POLICY)
    places = [(one.state == RESOLVED, one.state != FIRING and one.state != RESOLVED) for one in ordered]
    assert places == sorted(places)
    worst = [POLICY.rank(one.severity) for one in ordered if one.state == FIRING]
    assert worst == sorted(worst)
    assert sorted(ordered, key=lambda one: one.alert_key) == alerts
    frame = alerts_frame(alerts)
    assert frame.schema["since"] == pl.Datetime("us", "UTC")
    assert alerts_of(frame) == alerts


def test_every_kind_and_severity_of_the_policy_is_known() -> None:
    named = {
        *POLICY.objectives.values(),
        *POLICY.anomalies.values(),
        *POLICY.budgets.values(),
        POLICY.silent,
        POLICY.held,
    }
    assert {*named, POLICY.stale} <= set(POLICY.severities)
    with pytest.raises(ValueError, match="tuple"):
        POLICY.rank("loud")


@given(st.sampled_from([RETIRED, DEPRECATED]), st.booleans(), st.integers(1, 40))
def test_what_ends_unmended_has_its_own_word_and_is_told_by_it(
    word: str, is_frozen: bool, ticks: int
) -> None:
    alerts = advance([], [wrong("silent/a/", kind="silent"), wrong("slo/b//x")], START, POLICY)
    if is_frozen:
        alerts = advance(alerts, [wrong("silent/a/", kind="silent", is_known=False)], START + TICK, POLICY)
    gone = wrong("silent/a/", kind="silent", ending=word, sentence="it is gone")
    ended = advance(alerts, [gone, wrong("slo/b//x")], START + 2 * TICK, POLICY)
    (one, other) = ended
    assert (one.state, one.ending, one.end_word, one.resolved_at) == (RESOLVED, word, word, START + 2 * TICK)
    assert (other.state, other.ending) == (FIRING, "")
    # Said again it changes nothing; what never fired is forgotten; what fires again is an alert anew, whose end may be a mending.
    assert advance(ended, [gone, wrong("slo/b//x")], START + ticks * 2 * TICK, POLICY)[0] == one
    assert advance([], [gone], START, POLICY) == []
    again = advance(ended, [wrong("silent/a/", kind="silent")], START + timedelta(hours=9), POLICY)
    assert (again[0].state, again[0].ending) == (FIRING, "")
    targets = {"hook": AlertTarget("hook", "V", "", 1, False, "")}
    routing = Routing(targets, (Route(("hook",), kinds=frozenset({"silent"})),))
    told = [ToldItem("hook", item_of(alerts[0], FIRED + "/ticket"))]
    (message,) = due_messages(ended, routing, told, (), START + 2 * TICK, POLICY)
    assert message.title.startswith(f"[{word.capitalize()}] Silent app")
    assert message.body.startswith(f"{word.capitalize()} 2026-03-01 12:10 UTC: it is gone")
    assert "Resolved" not in message.title + message.body
    back = alerts_of(alerts_frame(ended))
    assert back == ended


def test_what_is_frozen_for_four_weeks_is_given_up_and_not_resolved() -> None:
    alerts = advance([], [wrong()], START, POLICY)
    for days in (1, 28, 29):
        alerts = advance(alerts, [wrong(is_known=False)], START + timedelta(days=days), POLICY)
    assert [(one.state, one.end_word) for one in alerts] == [(RESOLVED, GIVEN_UP)]
