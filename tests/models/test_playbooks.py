"""What a playbooks.yaml may say: every mistake by its line and key, and conditions that match what a plain count matches."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from models.alerts import FIRING, FROZEN, Alert, alert_policy
from models.errors import ConfigurationError
from models.playbooks import Facts, Playbooks, When, in_words, playbook_policy, playbooks_of
from models.yaml_reader import documents

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ALERT = Alert(
    "slo/pay/prod/latency",
    "slo",
    "pay",
    "prod",
    "payments",
    "page",
    FIRING,
    "",
    "bad",
    NOW,
    NOW,
    NOW,
    episode=1,
)
GOOD: dict[str, Any] = {
    "targets": {"gate": {"url": {"env": "GATE"}}},
    "playbooks": [
        {
            "name": "shed",
            "when": {"kinds": ["slo"], "above": {"burn_1h": 14.4}},
            "do": {"action": "throttle", "target": "gate", "percent": 50, "minutes": 30},
        },
        {"name": "mark", "when": {"teams": ["payments"]}, "do": {"action": "flag", "note": "look"}, "cool_down": "1d"},
    ],
}  # fmt: skip


def read(data: Any) -> Playbooks:
    text = data if isinstance(data, str) else yaml.safe_dump(data, sort_keys=False)
    return playbooks_of(documents(text, "playbooks.yaml")[0], playbook_policy(), alert_policy())


def test_what_is_not_said_is_careful() -> None:
    shed, mark = read(GOOD).playbooks
    assert (shed.is_dry_run, shed.needs_approval, shed.risk) == (True, True, "medium")
    assert (mark.is_dry_run, mark.needs_approval, mark.risk) == (True, False, "none")
    assert (shed.cool_down, mark.cool_down) == (timedelta(hours=1), timedelta(days=1))
    assert shed.when.states == {FIRING} and mark.when.kinds == {"slo", "silent", "cost"}
    assert tuple(read(GOOD).at_most) == (3, 20)
    assert read("targets: {}\n") == Playbooks({}, playbook_policy().at_most, ())
    assert set(playbook_policy().app_kinds) <= set(alert_policy().kinds)
    higher = {**GOOD, "approve_above": "none"}
    higher["playbooks"] = [{**GOOD["playbooks"][0], "risk": "high"}]
    assert read(higher).playbooks[0].risk == "high"
    assert not read({**GOOD, "approve_above": "high"}).playbooks[0].needs_approval


MISTAKES: list[tuple[tuple[Any, ...], Any, str]] = [
    (("playbook",), [], "playbook is not a known key"),
    (("playbooks", 0, "wenn"), {}, r"playbooks\[0\]\.wenn is not a known key"),
    (("playbooks", 0, "do", "action"), "explode", r"do\.action is 'explode'; it can be flag, webhook, throttle"),
    (("playbooks", 0, "do", "target"), "gone", r"do\.target is 'gone'; it can be gate"),
    (("playbooks", 0, "do", "target"), None, r"do\.target is ''"),
    (("playbooks", 0, "do", "percent"), 0, r"do\.percent is '0'; it must be a whole number from 1 to 99"),
    (("playbooks", 0, "do", "minutes"), "1e3", r"do\.minutes is '1e3'"),
    (("playbooks", 0, "do", "note"), "x", r"do\.note is not a known key"),
    (("playbooks", 0, "do"), {"action": "throttle", "target": "gate", "percent": 5}, r"do\.minutes is missing"),
    (("playbooks", 0, "do"), {"action": "disable"}, r"do\.target is missing"),
    (("playbooks", 1, "do"), {"action": "flag"}, r"do\.note is missing"),
    (("playbooks", 1, "do", "note"), "x" * 201, "longer than the 200 characters"),
    (("playbooks", 0, "cool_down"), "0m", r"cool_down is '0m'; it must be a length"),
    (("playbooks", 0, "cool_down"), 0, r"cool_down is '0'"),
    (("playbooks", 0, "risk"), "low", r"risk is 'low'; that of throttle is medium at least"),
    (("playbooks", 0, "risk"), "huge", r"risk is 'huge'; it can be none, low"),
    (("playbooks", 0, "dry_run"), "maybe", "dry_run is 'maybe'"),
    (("playbooks", 0, "when"), {}, "names nothing: the playbook would act on every alert"),
    (("playbooks", 0, "when", "kinds"), ["held"], r"kinds\[0\] is 'held'; it can be slo, silent, cost"),
    (("playbooks", 0, "when", "severities"), ["bad"], r"severities\[0\] is 'bad'"),
    (("playbooks", 0, "when", "states"), ["pending"], r"states\[0\] is 'pending'; it can be firing, frozen"),
    (("playbooks", 0, "when", "apps"), [], r"apps is empty"),
    (("playbooks", 0, "when", "age"), "15", r"age is '15'; it must be a length"),
    (("playbooks", 0, "when", "above"), {"__import__('os')": 1}, "is no figure known here"),
    (("playbooks", 0, "when", "above", "burn_1h"), "1+1", r"above\.burn_1h is '1\+1'; it must be a number"),
    (("playbooks", 0, "when", "above", "burn_1h"), ".nan", r"it must be a number"),
    (("playbooks", 0, "when", "cost_above"), {"EURO": 1}, "cost_above.EURO is no figure known here"),
    (("playbooks", 0, "name"), "A b", "must be of lower case letters"),
    (("playbooks", 1, "name"), "shed", "is 'shed', as another one's is"),
    (("targets", "other"), {"url": {"env": "X"}}, "targets.other is in no playbook"),
    (("targets", "gate", "url"), "https://h/hunter2", "must say where the address is kept"),
    (("approve_above",), "never", "approve_above is 'never'"),
    (("at_most",), {"pass": 0}, r"at_most\.pass is '0'"),
    (("at_most",), {"day": 10**9}, r"at_most\.day is"),
]  # fmt: skip


@pytest.mark.parametrize(("place", "value", "sentence"), MISTAKES, ids=[str(one[0][-1]) + str(i) for i, one in enumerate(MISTAKES)])  # fmt: skip
def test_a_mistake_is_named_by_its_line_and_key(place: tuple[Any, ...], value: Any, sentence: str) -> None:
    data = yaml.safe_load(yaml.safe_dump(GOOD))
    part = data
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    with pytest.raises(ConfigurationError, match=rf"^playbooks\.yaml, line \d+: .*{sentence}") as error:
        read(data)
    assert "hunter2" not in str(error.value)


def test_a_version_changes_with_anything_a_playbook_says_and_with_nothing_else() -> None:
    before = [one.version for one in read(GOOD).playbooks]
    text = "# words\n" + yaml.safe_dump({**GOOD, "at_most": {"pass": 1}}, sort_keys=True)
    assert [one.version for one in read(text).playbooks] == before
    seen = {before[0]}
    for key, value in (
        ("dry_run", False),
        ("risk", "high"),
        ("cool_down", "2h"),
        ("when", {"kinds": ["slo"], "above": {"burn_1h": 14.5}}),
        ("do", {"action": "throttle", "target": "gate", "percent": 51, "minutes": 30}),
    ):
        changed = {**GOOD, "playbooks": [{**GOOD["playbooks"][0], key: value}]}
        seen.add(read(changed).playbooks[0].version)
    assert len(seen) == 6


WORDS = {
    "kinds": ("slo", "cost"), "severities": ("page", "ticket"), "states": (FIRING, FROZEN), "teams": ("payments", "ops"),
    "environments": ("prod", ""), "criticalities": ("high", ""), "objectives": ("latency", "availability"),
}  # fmt: skip


@given(
    st.fixed_dictionaries(
        {key: st.frozensets(st.sampled_from(values), min_size=1) for key, values in WORDS.items()}
    ),
    st.fixed_dictionaries({key: st.sampled_from(values) for key, values in WORDS.items()}),
    st.integers(0, 90),
    st.integers(0, 90),
    st.sampled_from((None, 1.0, 2.5)),
    st.sampled_from((None, "1.00", "2.5")),
    st.sampled_from(("EUR", "USD")),
)
def test_an_alert_matches_exactly_where_every_key_does(
    asked: dict[str, frozenset[str]],
    own: dict[str, str],
    age: int,
    fired: int,
    burn: float | None,
    cost: str | None,
    currency: str,
) -> None:
    when = When(**asked, age=timedelta(minutes=age), above={"burn_1h": Decimal("1")}, cost_above={"EUR": Decimal("1.00")})  # fmt: skip
    key = f"{own['kinds']}/pay/{own['environments']}/{own['objectives']}"
    alert = replace(
        ALERT, alert_key=key, kind=own["kinds"], severity=own["severities"], state=own["states"], team=own["teams"],
        environment=own["environments"], fired_at=NOW - timedelta(minutes=fired),
    )  # fmt: skip
    facts = Facts(own["criticalities"], {"burn_1h": burn}, currency, None if cost is None else Decimal(cost))
    if own["kinds"] != "slo":
        own["objectives"] = ""
    expected = (
        all(own[name] in asked[name] for name in WORDS)
        and fired >= age
        and burn == 2.5
        and cost == "2.5"
        and currency == "EUR"
    )
    assert (when.differs(alert, facts, NOW) == "") == expected


def test_apps_are_names_or_patterns_and_a_figure_nobody_knows_is_above_nothing() -> None:
    for pattern, takes in (("pay", True), ("p*", True), ("PAY", False), ("pa", False), ("*", True)):
        assert (When(apps=frozenset({pattern})).differs(ALERT, Facts(), NOW) == "") == takes
    below = When(above={"burn_1h": Decimal("-1")})
    for figures in ({}, {"burn_1h": None}, {"burn_1h": float("nan")}):
        assert below.differs(ALERT, Facts(figures=figures), NOW)
    assert not below.differs(ALERT, Facts(figures={"burn_1h": 0.0}), NOW)
    assert When(states=frozenset({FROZEN})).differs(ALERT, Facts(), NOW) == "states has no 'firing'"


@given(st.integers(1, 10_000))
def test_a_length_is_written_as_it_is_read(minutes: int) -> None:
    units = {"m": 1, "h": 60, "d": 1_440}
    word = in_words(timedelta(minutes=minutes))
    assert int(word[:-1]) * units[word[-1]] == minutes
