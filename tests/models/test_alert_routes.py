"""Who is told when and what, counted by hand; mistakes in alerts.yaml with their line; what a person may do about alerts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.alert_routes import (
    ACK,
    SILENCE,
    UNSILENCE,
    Act,
    Quiet,
    Routing,
    ToldItem,
    checked_ack,
    checked_silence,
    due_messages,
    retry_after,
    routing_of,
    standing,
)
from models.alerts import FIRING, RESOLVED, Alert, alert_policy
from models.errors import ConfigurationError
from models.yaml_reader import documents

POLICY = alert_policy()
NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ROUTES = """\
targets:
  pager: {url: {env: PAGER}, seconds: 20}
  mail: {url: {file: secrets/mail}, inward: true}
routes:
  - {severities: [page], targets: [pager]}
  - teams: [payments]
    kinds: [slo, cost]
    targets: [mail]
    quiet: {from: "22:00", until: "07:30", zone: Europe/Berlin}
"""


def routing(text: str = ROUTES) -> Routing:
    return routing_of(documents(text, "alerts.yaml")[0], POLICY)


def alert(key: str = "slo/a/", **changes: Any) -> Alert:
    one = Alert(key, "slo", key, "", "payments", "page", FIRING, "", f"{key} fails", NOW, NOW, NOW, episode=1)
    return replace(one, **changes)


def due(
    alerts: list[Alert], told: list[ToldItem], now: datetime = NOW, acts: tuple[Act, ...] = ()
) -> dict[str, set[str]]:
    """AlertTarget -> what it is told."""
    found: dict[str, set[str]] = {}
    for message in due_messages(alerts, routing(), told, acts, now, POLICY):
        assert not found.get(message.target, set()) & set(message.items), "told twice in one go"
        found.setdefault(message.target, set()).update(message.items)
    return found


def after(told: list[ToldItem], sent: dict[str, set[str]]) -> list[ToldItem]:
    return [*told, *(ToldItem(target, item) for target, items in sent.items() for item in items)]


def test_routes_lead_by_severity_team_and_kind() -> None:
    given_ = [
        alert("slo/a/"),
        alert("cost/b/", kind="cost", severity="ticket"),
        alert("held/c", kind="held", severity="ticket"),
        alert("slo/d/", team="other"),
        alert("slo/e/", fired_at=None, state="pending"),
    ]
    assert due(given_, []) == {
        "pager": {"fired/page 1 slo/a/", "fired/page 1 slo/d/"},
        "mail": {"fired/page 1 slo/a/", "fired/ticket 1 cost/b/"},
    }


def test_worse_is_told_again_the_end_to_who_knows_and_a_new_episode_anew() -> None:
    told = after([], due([alert(severity="ticket")], []))
    assert told == [ToldItem("mail", "fired/ticket 1 slo/a/")]
    assert due([alert(severity="ticket")], told) == {}
    worse = due([alert()], told)
    assert worse == {"mail": {"fired/page 1 slo/a/"}, "pager": {"fired/page 1 slo/a/"}}
    ended = alert(state=RESOLVED, resolved_at=NOW)
    assert due([ended], []) == {}, "nobody knew"
    told = after(told, worse)
    end = due([ended], told)
    assert end == {"mail": {"resolved 1 slo/a/"}, "pager": {"resolved 1 slo/a/"}}
    assert due([alert(episode=2)], after(told, end))["pager"] == {"fired/page 2 slo/a/"}


@given(
    st.lists(st.sampled_from([f"slo/{name}/" for name in "abcdefgh"]), max_size=12),
    st.randoms(use_true_random=False),
)
def test_told_once_whatever_the_order(keys: list[str], shuffle: Any) -> None:
    alerts = [
        alert(key, since=NOW + 7 * index * timedelta(minutes=1))
        for index, key in enumerate(dict.fromkeys(keys))
    ]
    first = due_messages(alerts, routing(), [], (), NOW, POLICY)
    mixed = alerts[:]
    shuffle.shuffle(mixed)
    assert due_messages(mixed, routing(), [], (), NOW, POLICY) == first
    told = [ToldItem(one.target, item) for one in first for item in one.items]
    assert len(set(told)) == len(told) == 2 * len(alerts)
    assert due_messages(mixed, routing(), told, (), NOW, POLICY) == []


def test_more_groups_than_a_target_takes_are_one_message() -> None:
    many = [
        alert(f"slo/{number}/", since=NOW - number * HOUR) for number in range(POLICY.sending.messages + 1)
    ]
    messages = due_messages(many, routing(), [], (), NOW, POLICY)
    assert [one.target for one in messages] == ["mail", "pager"]
    assert all(len(one.items) == len(many) for one in messages)
    assert f"{len(many)} alerts in all" in messages[0].body and messages[0].message_id in messages[0].body


@pytest.mark.parametrize(
    ("month", "hour", "minute", "is_quiet"),
    [
        (1, 20, 59, False),
        (1, 21, 0, True),
        (1, 6, 29, True),
        (1, 6, 30, False),
        (7, 20, 0, True),
        (7, 5, 30, False),
    ],
)
def test_quiet_hours_are_those_of_their_zone(month: int, hour: int, minute: int, is_quiet: bool) -> None:
    """Berlin is an hour ahead of UTC in winter and two in summer."""
    now = datetime(2026, month, 15, hour, minute, tzinfo=UTC)
    found = due([alert(severity="ticket")], [], now)
    assert ("mail" not in found) == is_quiet


def test_quiet_hours_within_a_day() -> None:
    quiet = Quiet(time(9), time(17), "UTC")
    assert [quiet.holds(NOW.replace(hour=hour)) for hour in (8, 9, 16, 17)] == [False, True, True, False]


def act(what: str, **changes: Any) -> Act:
    return replace(Act("1", what, "ada", NOW, "because"), **changes)


def test_what_is_silenced_or_acknowledged_is_not_told_until_that_ends() -> None:
    silence = act(SILENCE, team="payments", ends_at=NOW + HOUR)
    assert due([alert()], [], NOW, (silence,)) == {}
    assert set(due([alert()], [], NOW + HOUR, (silence,))) == {"pager", "mail"}
    ended = act(UNSILENCE, act_id="2", of_act="1")
    assert set(due([alert()], [], NOW, (silence, ended))) == {"pager", "mail"}
    ack = act(ACK, alert_key="slo/a/", episode=1, severity="page")
    assert due([alert()], [], NOW, (ack,)) == {}
    assert due([alert(episode=2)], [], NOW, (ack,)) != {}
    milder = replace(ack, severity="ticket")
    assert due([alert()], [], NOW, (milder,)) != {}, "it became worse after it was acknowledged"
    assert standing(alert(), (silence, ack), NOW) == silence
    assert standing(alert("slo/b/"), (ack,), NOW) is None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"ends_at": None, "kind": "slo"}, "needs an end"),
        ({"ends_at": NOW, "kind": "slo"}, "has ended already"),
        ({"ends_at": NOW + 91 * 24 * HOUR, "kind": "slo"}, "90 days at most"),
        ({"ends_at": NOW + HOUR}, "of everything is refused"),
        ({"ends_at": NOW + HOUR, "kind": "slo", "reason": " "}, "--reason is empty"),
    ],
)
def test_a_silence_that_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        checked_silence(act(SILENCE, **wrong), POLICY)
    assert checked_silence(act(SILENCE, ends_at=NOW + 90 * 24 * HOUR, kind="slo"), POLICY).kind == "slo"


def test_an_acknowledgement_is_of_what_fires() -> None:
    asked = act(ACK, alert_key="slo/a/")
    assert checked_ack(asked, [alert(episode=4)]) == replace(asked, episode=4, severity="page")
    with pytest.raises(ConfigurationError, match="resolved: there is nothing to acknowledge"):
        checked_ack(asked, [alert(state=RESOLVED, resolved_at=NOW)])
    with pytest.raises(ConfigurationError, match="there is no alert slo/a/"):
        checked_ack(asked, [])


MISTAKES = [
    ("targets:\n  a: {url: 'json://u:hunter2@x'}\n", 2, "targets.a.url must say where the address is kept"),
    (
        "targets:\n  a: {url: {env: 'json://hunter2'}}\n",
        2,
        "targets.a.url.env must be a name, not an address",
    ),
    ("targets:\n  a: {url: {env: A, file: b}}\n", 2, "targets.a.url must name one of env or file"),
    ("targets:\n  a: {}\n", 2, "targets.a.url is missing"),
    ("targets:\n  a: {url: {env: A}, seconds: 61}\n", 2, "targets.a.seconds is '61'"),
    ("targets:\n  a: {url: {env: A}, inward: yes}\n", 2, "targets.a.inward must be true or false"),
    ("targets:\n  a: {url: {env: A}}\n", 2, "targets.a is in no route"),
    ("routes:\n  - {targets: [b]}\n", 2, "routes[0].targets[0] is 'b'"),
    ("routes:\n  - {teams: [x]}\n", 2, "routes[0].targets is missing"),
    (
        ROUTES.replace("page]", "loud]"),
        5,
        "routes[0].severities[0] is 'loud'; it can be page, ticket, notice",
    ),
    (ROUTES.replace("cost]", "money]"), 7, "routes[1].kinds[1] is 'money'"),
    (ROUTES.replace("Europe/Berlin", "Berlin"), 9, "routes[1].quiet.zone is 'Berlin', which is no time zone"),
    (ROUTES.replace('"22:00"', "22:00"), 9, None),
    (ROUTES.replace('"22:00"', '"25:00"'), 9, "routes[1].quiet.from is '25:00'"),
    (ROUTES.replace('"22:00"', '"07:30"'), 9, "routes[1].quiet begins when it ends"),
    (ROUTES.replace("until", "till"), 9, "routes[1].quiet.till is not a known key"),
    ("rules: []\n", 1, "rules is not a known key"),
]


@pytest.mark.parametrize(("text", "line", "said"), MISTAKES)
def test_a_mistake_names_file_line_and_field(text: str, line: int, said: str | None) -> None:
    if said is None:
        assert routing(text) == routing(), "a time without quotes is read as it is written"
        return
    with pytest.raises(ConfigurationError) as error:
        routing(text)
    assert str(error.value).startswith(f"alerts.yaml, line {line}: {said}")
    assert "hunter2" not in str(error.value)


def test_waits_grow_and_the_last_is_repeated() -> None:
    waits = [retry_after(attempt, POLICY) for attempt in (1, 2, 3, 4, 5, 99)]
    assert waits == sorted(waits) and waits[3:] == [POLICY.sending.retries[-1]] * 3
