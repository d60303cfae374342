"""Tells people of alerts: makes the messages that are due, claims them, sends them, and keeps what became of each.

Every step can be killed: what a message tells is decided before it is sent and kept under its key, one process sends at a
time, and what was claimed and not told of again is sent again under the same key, so it arrives at least once. Which
messages are due is ``models.alert_routes``; how one is sent is ``pipelines.actions.targets``.
"""

from __future__ import annotations

import queue
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from models.alert_routes import Routing, ToldItem, due_messages, retry_after, standing, unrouted
from models.alerts import Alert, AlertingPolicy, alert_policy
from models.errors import ConfigurationError, LeaseHeld
from models.playbooks import Playbooks
from models.remediation import remediations
from models.settings import Settings
from models.text import visible
from pipelines.actions.remediate import Doing, due_doings, load_playbooks, receivers, undone
from pipelines.actions.targets import Heard, address_of, load_routing, send_all
from sql.alerts import (
    CLAIMED,
    DUE,
    FAILED,
    GIVEN_UP,
    LEASE,
    SENT,
    WORDS,
    Send,
    acts,
    current_alerts,
    sends,
    write_sends,
)
from sql.leases import lease
from sql.remediation import decisions
from sql.warehouse import Warehouse

_WAITS = (DUE, CLAIMED, FAILED)
_NAMED = 3
"""Alerts a sentence names."""


@dataclass(frozen=True)
class Telling:
    """What was sent, and what has to be said: ``unreached`` where nobody could be told of an alert that fires, ``notes``
    what else did not arrive or has no way to anybody, ``refused`` why playbooks decide nothing."""

    sent: int = 0
    unreached: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


def tell(warehouse: Warehouse, settings: Settings, now: datetime | None = None) -> Telling:
    """Sends what is due. Where somebody else sends just now nothing is done, and what did not arrive is told all the same.

    Raises:
        ConfigurationError: ``alerts.yaml`` is wrong; names file, line and key.
    """
    moment = now or datetime.now(UTC)
    routing = load_routing(settings)
    playbooks, refused = Playbooks(), ""
    try:
        playbooks = load_playbooks(settings)
    except ConfigurationError as error:  # people are told of alerts all the same
        refused = f"{error}; playbooks do nothing until it is corrected"
    alerts = current_alerts(warehouse)
    sent = 0
    if routing.routes or playbooks.playbooks or decisions(warehouse, moment):
        reached = replace(routing, targets={**routing.targets, **receivers(playbooks)})
        try:
            with lease(settings.root, LEASE):
                before = sends(warehouse, moment)
                if refused:
                    before, doing = [one for one in before if one.form == WORDS], Doing()
                else:
                    doing = due_doings(warehouse, settings, playbooks, routing, alerts, before, moment)
                sent = _send_due(warehouse, settings, reached, alerts, before, doing, moment)
        except LeaseHeld:
            pass
    told = told_of(warehouse, routing, alerts, moment)
    return replace(told, sent=sent, refused=(refused,) if refused else ())


def told_of(warehouse: Warehouse, routing: Routing, alerts: Sequence[Alert], now: datetime) -> Telling:
    """What has to be said of the alerts of now and of the messages on their way."""
    policy = alert_policy()
    on_the_way = sends(warehouse, now)
    done = acts(warehouse, now)
    firing = [one for one in alerts if one.is_open and standing(one, done, now) is None]
    lines = decisions(warehouse, now)
    unreached = (*_unreached(firing, on_the_way, policy), *undone(lines, on_the_way, alerts))
    # an action that nobody has to approve any more is asked about no longer, which is nobody's fault
    of_use = [one for one in on_the_way if one.form == WORDS and (one.items or one.state != GIVEN_UP)]
    notes = list(_late(of_use))
    waiting = sum(one.waits for one in remediations(lines).values())
    if waiting:
        wait = "1 action of a playbook waits" if waiting == 1 else f"{waiting:,} actions of playbooks wait"
        notes.append(f"{wait} for a person: `appfleet playbooks` lists them")
    without = unrouted(firing, routing)
    if without and routing.routes:
        notes.append(f"no route of alerts.yaml leads {_names(without)} to anybody")
    return Telling(0, unreached, tuple(notes))


def _send_due(
    warehouse: Warehouse,
    settings: Settings,
    routing: Routing,
    alerts: Sequence[Alert],
    before: Sequence[Send],
    doing: Doing,
    now: datetime,
) -> int:
    """Makes what is due, and sends it and what waits from before; how many messages arrived."""
    policy = alert_policy()
    told = [ToldItem(one.target, item) for one in before for item in one.items]
    new = [
        Send.of(message, now)
        for message in due_messages(alerts, routing, told, acts(warehouse, now), now, policy)
    ] + list(doing.new)
    if new:
        new = write_sends(warehouse, new, DUE, now)
    waiting = [one for one in (*before, *new) if one.state in _WAITS]
    over = [
        one
        for one in waiting
        if now - one.made_at >= policy.sending.give_up
        or one.target not in routing.targets
        or one.message_id in doing.over
    ]
    if over:
        write_sends(warehouse, over, GIVEN_UP, now)
    ready = [one for one in waiting if one not in over and (one.next_at <= now or one.state == CLAIMED)]
    by_target: dict[str, list[Send]] = {}
    for one in sorted(ready, key=lambda one: (one.made_at, one.message_id)):
        if len(by_target.setdefault(one.target, [])) < policy.sending.messages:
            by_target[one.target].append(one)
    if not by_target:
        return 0
    claimed = write_sends(
        warehouse,
        [replace(one, attempt=one.attempt + 1) for ones in by_target.values() for one in ones],
        CLAIMED,
        now,
    )
    return _sent(warehouse, settings, routing, claimed, now, policy)


def _sent(
    warehouse: Warehouse,
    settings: Settings,
    routing: Routing,
    claimed: Sequence[Send],
    now: datetime,
    policy: AlertingPolicy,
) -> int:
    """Sends to all targets at once and keeps what became of each message as soon as it is known."""
    answers: queue.Queue[tuple[str, str]] = queue.Queue()
    by_target: dict[str, list[Send]] = {}
    for one in claimed:
        by_target.setdefault(one.target, []).append(one)
    open_ = {one.message_id: one for one in claimed}
    arrived = 0
    with ThreadPoolExecutor(policy.sending.at_once) as threads:
        for name, messages in by_target.items():
            threads.submit(_to_target, settings, routing, name, messages, lambda *one: answers.put(one))
        while open_:
            found = [answers.get()]
            while not answers.empty():
                found.append(answers.get())
            for state, lines in _outcomes(open_, found, now, policy).items():
                write_sends(warehouse, lines, state, now)
                arrived += len(lines) if state == SENT else 0
    return arrived


def _to_target(
    settings: Settings, routing: Routing, name: str, messages: Sequence[Send], heard: Heard
) -> None:
    """Sends one target's messages; whatever happens, each of them is told of."""
    target = routing.targets[name]
    open_ = {one.message_id for one in messages}

    def hear(message_id: str, why: str) -> None:
        if message_id in open_:
            open_.discard(message_id)
            heard(message_id, why)

    why = "could not be sent to"
    try:
        send_all(target, address_of(target, settings.root), messages, hear)
    except ConfigurationError as error:
        why = f"cannot be sent to: {error}"
    finally:
        for message_id in sorted(open_):
            heard(message_id, why)


def _outcomes(
    open_: dict[str, Send], found: Iterable[tuple[str, str]], now: datetime, policy: AlertingPolicy
) -> dict[str, list[Send]]:
    """State -> the messages that are in it now; they are open no longer."""
    outcomes: dict[str, list[Send]] = {}
    for message_id, why in found:
        one = open_.pop(message_id)
        if why:
            later = replace(one, reason=why, next_at=now + retry_after(one.attempt, policy))
            outcomes.setdefault(FAILED, []).append(later)
        else:
            outcomes.setdefault(SENT, []).append(replace(one, reason=""))
    return outcomes


def _unreached(firing: Sequence[Alert], on_the_way: Sequence[Send], policy: AlertingPolicy) -> Iterable[str]:
    """A sentence about alerts that fire and of which nobody who should be told was told."""
    states: dict[str, dict[str, Send]] = {}
    for one in on_the_way:
        for item in one.items:
            states.setdefault(item.partition(" ")[2], {})[one.message_id] = one
    lost: list[Alert] = []
    why: dict[str, str] = {}
    for alert in firing:
        messages = list(states.get(f"{alert.episode} {alert.alert_key}", {}).values())
        tried = [one for one in messages if one.state in (FAILED, GIVEN_UP, CLAIMED)]
        if tried and not any(one.state == SENT for one in messages):
            lost.append(alert)
            why |= {one.target: one.reason for one in tried}
    if lost:
        reasons = "; ".join(
            f"{target} {reason or 'gave no answer yet'}" for target, reason in sorted(why.items())
        )
        yield f"nobody could be reached about {_names(lost)}: {reasons}"


def _late(on_the_way: Sequence[Send]) -> Iterable[str]:
    """A sentence per target that did not take what was sent to it."""
    by_target: dict[str, list[Send]] = {}
    for one in on_the_way:
        if one.state in (FAILED, GIVEN_UP):
            by_target.setdefault(one.target, []).append(one)
    for target, ones in sorted(by_target.items()):
        newest = max(ones, key=lambda one: (one.at, one.message_id))
        waits = [one for one in ones if one.state == FAILED]
        again = (
            f"tried again from {min(one.next_at for one in waits):%Y-%m-%d %H:%M} UTC on"
            if waits
            else "given up"
        )
        many = "1 message is" if len(ones) == 1 else f"{len(ones):,} messages are"
        yield f"target {target} {newest.reason or 'is in alerts.yaml no longer'}: {many} {again}"


def _names(alerts: Sequence[Alert]) -> str:
    """Alerts in words, the first few by their key."""
    shown = ", ".join(visible(one.alert_key) for one in alerts[:_NAMED])
    more = f" and {len(alerts) - _NAMED:,} more" if len(alerts) > _NAMED else ""
    return f"{'alert' if len(alerts) == 1 else f'{len(alerts):,} alerts:'} {shown}{more}"
