"""What playbooks decide: once per episode, over the cool-down, within the bounds, withdrawn when the alert ends; on alerts and
people drawn at random, against rules written out here."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.alert_routes import ACK, SILENCE, Act
from models.alerts import FIRING, FROZEN, PENDING, RESOLVED, Alert, alert_policy
from models.errors import ConfigurationError
from models.playbooks import Bounds, Facts, Playbook, Playbooks, When, playbook_policy
from models.remediation import Deciding, Decision, answered, decide, remediations

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
NUMBERS = itertools.count()


def at(now: datetime = NOW, *acts: Act) -> Deciding:
    return Deciding(
        now, "/appfleet/test", playbook_policy(), alert_policy(), lambda: f"d{next(NUMBERS)}", acts
    )


def alert(app: str, objective: str = "availability", **changes: Any) -> Alert:
    key = f"slo/{app}/prod/{objective}"
    one = Alert(key, "slo", app, "prod", "payments", "page", FIRING, "", "bad", NOW, NOW, NOW, episode=1)
    return replace(one, **changes)


def book(name: str = "shed", action: str = "throttle", **changes: Any) -> Playbook:
    one = Playbook(name, When(), action, "gate", {"note": "look"} if action == "flag" else {"minutes": 5}, "medium", False, HOUR, False, "v1", "line 1")  # fmt: skip
    return replace(one, **changes)


def books(*playbooks: Playbook, in_pass: int = 50, in_day: int = 500) -> Playbooks:
    return Playbooks({}, Bounds(in_pass, in_day), playbooks)


class Kept:
    """Decisions as the warehouse keeps them."""

    def __init__(self) -> None:
        self.lines: list[Decision] = []

    def decide(self, playbooks: Playbooks, alerts: list[Alert], when: Deciding, facts: dict[str, Facts] | None = None) -> list[str]:  # fmt: skip
        """Decides, keeps it, and holds that the same moment has nothing left to decide but what was held back by the pass."""
        made = [replace(one, fence=1) for one in decide(playbooks, alerts, facts or {}, self.lines, when)]  # fmt: skip
        self.lines += made
        return [one.decision for one in made]

    def answer(self, decision: str, when: Deciding, action_id: str | None = None) -> None:
        known = remediations(self.lines)
        key = action_id or next(key for key, one in known.items() if one.waits)
        self.lines.append(answered(known, key, decision, "ona", "because", when))


def test_a_playbook_acts_once_on_an_episode_and_again_on_the_next_after_its_cool_down() -> None:
    kept = Kept()
    assert kept.decide(books(book()), [alert("a")], at()) == ["acted"]
    for minutes in (0, 1, 59, 600):
        assert kept.decide(books(book()), [alert("a")], at(NOW + minutes * MINUTE)) == []
    again = alert("a", episode=2)
    kept = Kept()
    kept.decide(books(book()), [alert("a"), alert("b")], at())
    assert kept.decide(books(book()), [again], at(NOW + MINUTE)) == ["held_back"]
    assert kept.decide(books(book()), [again], at(NOW + 59 * MINUTE)) == [], "said once"
    assert kept.decide(books(book()), [again], at(NOW + HOUR)) == ["acted"]
    # another objective of the app cools with it, another app and another playbook do not
    kept = Kept()
    two = [alert("a"), alert("a", "latency")]
    assert Counter(kept.decide(books(book()), two, at())) == {"acted": 1, "held_back": 1}
    assert kept.decide(books(book(), book("other")), [alert("c")], at(NOW + MINUTE)) == ["acted", "acted"]


def test_a_dry_run_sends_nothing_and_acts_once_it_is_none() -> None:
    kept = Kept()
    dry = book(is_dry_run=True)
    assert kept.decide(books(dry), [alert("a")], at()) == ["dry_run"]
    assert kept.decide(books(dry), [alert("a")], at(NOW + 2 * HOUR)) == []
    assert kept.decide(books(replace(dry, is_dry_run=False, version="v2")), [alert("a")], at(NOW + MINUTE)) == ["acted"]  # fmt: skip


@pytest.mark.parametrize("state", [FIRING, FROZEN])
def test_what_needs_a_person_waits_until_approved_declined_ended_changed_or_forgotten(state: str) -> None:
    asks = books(book(needs_approval=True, when=When(states=frozenset({FIRING, FROZEN}))))
    firing = alert("a", state=state)

    def proposed() -> Kept:
        kept = Kept()
        assert kept.decide(asks, [firing], at()) == ["proposed"]
        assert kept.decide(asks, [firing], at(NOW + 23 * HOUR)) == []
        return kept

    kept = proposed()
    kept.answer("approved", at())
    assert kept.decide(asks, [firing], at(NOW + MINUTE)) == ["acted"]
    assert kept.lines[-1].reason == "approved by ona: because" and kept.decide(asks, [firing], at()) == []

    for ended in ([], [replace(firing, state=RESOLVED, resolved_at=NOW)], [replace(firing, episode=2, state=PENDING, fired_at=None)]):  # fmt: skip
        for is_answered in (False, True):
            kept = proposed()
            if is_answered:
                kept.answer("approved", at())
            assert kept.decide(asks, ended, at(NOW + MINUTE)) == ["withdrawn"]
            with pytest.raises(ConfigurationError, match="is withdrawn: it waits for nobody"):
                kept.answer("approved", at(), kept.lines[0].action_id)

    kept = proposed()
    kept.answer("declined", at())
    assert kept.decide(asks, [firing], at(NOW + MINUTE)) == []
    assert kept.decide(asks, [replace(firing, episode=2)], at(NOW + MINUTE)) == ["held_back"], "it cools down"

    kept = proposed()
    assert kept.decide(asks, [firing], at(NOW + 24 * HOUR)) == ["withdrawn"]
    assert kept.decide(asks, [firing], at(NOW + 25 * HOUR)) == [], "nobody decided, and it is asked no more"

    kept = proposed()
    kept.answer("approved", at())
    other = books(book(needs_approval=True, version="v2"))
    assert kept.decide(other, [alert("a")], at()) == ["withdrawn", "proposed"], (
        "what was approved was another one"
    )
    assert kept.decide(books(), [firing], at()) == ["withdrawn"]


def test_two_people_who_answer_at_once_are_one_answer_and_no_is_stronger() -> None:
    kept = Kept()
    asks = books(book(needs_approval=True))
    kept.decide(asks, [alert("a")], at())
    before = list(kept.lines)
    kept.answer("approved", at())
    with pytest.raises(ConfigurationError, match="is approved by ona"):
        kept.answer("approved", at(), kept.lines[0].action_id)
    for order in (("approved", "declined"), ("declined", "approved")):
        lines = [*before, *(answered(remediations(before), before[0].action_id, one, "x", "y", at()) for one in order)]  # fmt: skip
        assert decide(asks, [alert("a")], {}, lines, at()) == []


def test_marks_last_as_long_as_their_alert_and_may_be_taken_off() -> None:
    kept = Kept()
    marks = books(book(action="flag"))
    assert kept.decide(marks, [alert("a"), alert("b")], at()) == ["acted", "acted"]
    assert all(one.is_mark for one in remediations(kept.lines).values())
    [first, _] = kept.lines
    kept.answer("declined", at(), first.action_id)
    assert kept.decide(marks, [alert("a"), alert("b")], at(NOW + 9 * HOUR)) == []
    assert kept.decide(marks, [], at(NOW + 9 * HOUR)) == ["ended"]
    assert not any(one.is_mark for one in remediations(kept.lines).values())


def test_what_is_silenced_or_acknowledged_is_left_to_whoever_did_it() -> None:
    acts = (
        Act("s", SILENCE, "ida", NOW, "move", subject="a", ends_at=NOW + HOUR),
        Act("k", ACK, "ona", NOW, "mine", alert_key="slo/b/prod/availability", episode=1, severity="page"),
    )
    kept = Kept()
    alerts = [alert("a"), alert("b"), alert("c")]
    assert kept.decide(books(book()), alerts, at(NOW, *acts)) == ["held_back", "held_back", "acted"]
    assert [one.reason for one in kept.lines[:2]] == [
        "the alert is silenced by ida, to whom it is left",
        "the alert is acknowledged by ona, to whom it is left",
    ]
    assert kept.decide(books(book()), alerts, at(NOW + HOUR, *acts)) == ["acted"], "the silence ended"


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 12), st.sampled_from(("availability", "latency"))), max_size=30),
    st.integers(1, 4),
    st.integers(1, 6),
    st.lists(st.integers(1, 400), min_size=1, max_size=8),
    st.booleans(),
)
def test_a_fleet_on_fire_is_never_switched_off(
    drawn: list[tuple[int, str]], in_pass: int, in_day: int, gaps: list[int], needs: bool
) -> None:
    """Whatever fires: no more begin in a pass and are sent in a day than the bounds, none twice, none within a cool-down."""
    file = books(book(action="disable", needs_approval=needs, cool_down=3 * HOUR), in_pass=in_pass, in_day=in_day)  # fmt: skip
    alerts = [alert(f"app{number}", objective) for number, objective in dict.fromkeys(drawn)]
    kept, moment = Kept(), NOW
    for gap in gaps:
        moment += gap * MINUTE
        begun = Counter(kept.decide(file, alerts, at(moment)))
        assert begun["acted"] + begun["proposed"] <= in_pass and begun["acted"] <= (0 if needs else in_pass)
    acted = [one for one in kept.lines if one.decision in ("acted", "proposed")]
    assert len({one.action_id for one in acted}) == len(acted)
    if not needs:
        for one in acted:
            near = [other for other in acted if timedelta(0) <= one.decided_at - other.decided_at < 24 * HOUR]
            assert len(near) <= in_day
            same = [other for other in near if other.subject == one.subject and other is not one]
            assert all(one.decided_at - other.decided_at >= 3 * HOUR for other in same)
    assert acted or not alerts, "and yet something is done"


def test_an_event_says_what_its_receiver_needs_and_money_stays_text() -> None:
    kept = Kept()
    facts = {alert("a").alert_key: Facts("high", {"burn_1h": 20.5}, "EUR", Decimal("12.340"))}
    kept.decide(books(book(), book("tell", "webhook"), book("mark", "flag")), [alert("a")], at(), facts)
    event, hook, mark = (one.event for one in kept.lines)
    told = json.loads(event)
    assert set(told) == {"specversion", "id", "source", "type", "time", "datacontenttype", "data", "subject"}
    assert (told["specversion"], told["type"], told["subject"]) == (
        "1.0",
        "appfleet.remediation.throttle",
        "a",
    )
    assert (told["id"], told["time"]) == (kept.lines[0].action_id, "2026-03-01T12:00:00.000Z")
    assert told["source"] == "/appfleet/test/playbooks/shed" and told["data"]["parameters"] == {"minutes": 5}
    assert told["data"]["facts"]["cost"] == "12.340" and told["data"]["facts"]["figures"] == {"burn_1h": 20.5}
    assert json.loads(hook)["action"] == "webhook" and mark == "look"
    inputs = json.loads(kept.lines[0].inputs)
    assert inputs["facts"]["criticality"] == "high" and inputs["playbook"]["version"] == "v1"
    assert inputs["at_most"] == {"in_pass": 50, "in_day": 500} and inputs["alert"]["since"] == NOW.isoformat()
