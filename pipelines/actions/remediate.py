"""Makes of playbooks what is sent: asks ``models.remediation`` what is decided now, keeps it, and gives the messages of it.

Messages go the way of those about alerts (``pipelines.actions.notify``), under the same lease, so each is sent once. An action
whose decision is kept and whose message is not, as a kill between the two leaves it, gets its message with the next pass.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from urllib.parse import quote

from models.alert_routes import AlertTarget, Routing
from models.alerts import Alert, alert_policy
from models.errors import ConfigurationError
from models.playbooks import FILE_NAME, FLAG, Facts, Playbooks, playbook_policy, playbooks_of
from models.remediation import ACTED, Deciding, Decision, Remediation, decide, remediations
from models.settings import Settings
from models.text import visible
from models.yaml_reader import documents
from sql.alerts import CLAIMED, DUE, FAILED, GIVEN_UP, WORDS, Send, acts
from sql.remediation import decisions, write_decisions
from sql.warehouse import Warehouse
from sql.workspace import read_text

_WAITS = (DUE, CLAIMED, FAILED)


def load_playbooks(settings: Settings) -> Playbooks:
    """What is done about alerts, by the workspace's ``playbooks.yaml``; nothing where there is none.

    Raises:
        ConfigurationError: the file is wrong; names file, line and key.
    """
    path = settings.root / FILE_NAME
    if not path.is_file():
        return Playbooks()
    found = documents(read_text(path, FILE_NAME), FILE_NAME)
    if len(found) > 1:
        raise ConfigurationError(f"{FILE_NAME} holds {len(found)} documents; write all playbooks into one")
    return playbooks_of(found[0], playbook_policy(), alert_policy()) if found else Playbooks()


def receiver_name(target: str) -> str:
    """What messages call a target of ``playbooks.yaml``: no target of ``alerts.yaml`` is meant by it."""
    return f"{FILE_NAME}/{target}"


def receivers(playbooks: Playbooks) -> dict[str, AlertTarget]:
    """Targets of playbooks by the name messages have for them."""
    return {
        receiver_name(name): replace(one, name=receiver_name(name)) for name, one in playbooks.targets.items()
    }


@dataclass(frozen=True)
class Doing:
    """Messages to be made, and the ids of waiting ones that are of no use any more."""

    new: tuple[Send, ...] = ()
    over: frozenset[str] = field(default_factory=frozenset)


def deciding(warehouse: Warehouse, settings: Settings, now: datetime) -> Deciding:
    """What decisions are made of beside playbooks and alerts."""
    source = f"/appfleet/{quote(settings.root.name)}"
    return Deciding(
        now, source, playbook_policy(), alert_policy(), lambda: uuid.uuid4().hex, acts(warehouse, now)
    )


def facts_of(warehouse: Warehouse, alerts: Sequence[Alert]) -> dict[str, Facts]:
    """What is known beside each alert that is open, by its key."""
    of_apps = [one for one in alerts if one.is_open and one.kind in playbook_policy().app_kinds]
    if not of_apps:
        return {}
    apps = sorted({one.subject for one in of_apps})
    frame = warehouse.frame("queries/remediation/criticalities", apps=apps)
    critical = dict(frame.iter_rows())
    wanted = sorted(one.alert_key for one in of_apps if one.kind == "slo")
    figures = {
        row.pop("alert_key"): row
        for row in warehouse.frame("queries/remediation/figures", wanted=wanted).iter_rows(named=True)
    }
    costs = {}
    if any(one.kind == "cost" for one in of_apps):
        for row in warehouse.frame("queries/alerts/costs").iter_rows(named=True):
            key = f"cost/{row['app_id']}/{row['billing_currency']}/{row['start_date']}"
            costs[key] = (row["billing_currency"], row["impact"])
    return {
        one.alert_key: Facts(
            critical.get(one.subject, ""),
            figures.get(one.alert_key, {}),
            *costs.get(one.alert_key, ("", None)),
        )
        for one in of_apps
    }


def due_doings(
    warehouse: Warehouse,
    settings: Settings,
    playbooks: Playbooks,
    routing: Routing,
    alerts: Sequence[Alert],
    before: Sequence[Send],
    now: datetime,
) -> Doing:
    """Decides, keeps what is decided, and gives the messages of it; the caller holds the lease of sending.

    Args:
        routing: who is asked to approve: whoever is told of the alert.
        before: messages that were made before.
    """
    lines = decisions(warehouse, now)
    if not (playbooks.playbooks or lines):
        return Doing()
    at = deciding(warehouse, settings, now)
    made = decide(playbooks, alerts, facts_of(warehouse, alerts), lines, at)
    known = remediations([*lines, *write_decisions(warehouse, made)])
    by_key = {one.alert_key: one for one in alerts}
    sent = {one.message_id for one in before}
    wanted = {
        **{one.message_id: one for one in _events(known.values(), by_key, now)},
        **{one.message_id: one for one, _ in _asks(known.values(), by_key, routing, now)},
    }
    quiet = {one.message_id for one, is_quiet in _asks(known.values(), by_key, routing, now) if is_quiet}
    over = {
        one.message_id
        for one in before
        if one.state in _WAITS and not one.items and one.message_id not in wanted
    }
    new = (one for key, one in wanted.items() if key not in sent and key not in quiet)
    return Doing(tuple(new), frozenset(over))


def _events(known: Iterable[Remediation], alerts: Mapping[str, Alert], now: datetime) -> Iterator[Send]:
    """Messages of actions that are decided, as long as their alert is open and they are not too old to be of use."""
    policy = playbook_policy()
    for one in known:
        last = one.last
        if last.decision != ACTED or last.action == FLAG or now - last.decided_at >= policy.give_up:
            continue
        if not is_open(last, alerts):
            continue
        yield Send(
            message_id=last.action_id,
            target=receiver_name(last.target),
            state=DUE,
            attempt=0,
            at=now,
            made_at=now,
            next_at=now,
            title=f"{last.action} for {visible(last.subject)} by playbook {last.playbook}",
            body=last.event,
            items=(),
            form=policy.actions[last.action].sends,
        )


def is_open(decision: Decision, alerts: Mapping[str, Alert]) -> bool:
    """Whether the episode of the alert a decision is about did not end."""
    alert = alerts.get(decision.alert_key)
    return alert is not None and alert.is_open and alert.episode == decision.episode


def _asks(
    known: Iterable[Remediation], alerts: Mapping[str, Alert], routing: Routing, now: datetime
) -> Iterator[tuple[Send, bool]]:
    """A message for everybody who is told of an alert about which an action waits for a person, and whether it is quiet there."""
    for one in known:
        if not (one.waits and is_open(one.last, alerts)):
            continue
        last = one.last
        for target, routes in routing.targets_of(alerts[last.alert_key]).items():
            is_quiet = all(route.quiet is not None and route.quiet.holds(now) for route in routes)
            key = hashlib.sha256("\0".join(("ask", last.decision_id, target)).encode()).hexdigest()[:32]
            what = f"{last.action} for {visible(last.subject)}"
            ask = Send(
                message_id=key,
                target=target,
                state=DUE,
                attempt=0,
                at=now,
                made_at=now,
                next_at=now,
                title=f"[Approval] Playbook {last.playbook}: {what}",
                body="\n".join(
                    (
                        f"{visible(alerts[last.alert_key].sentence)}",
                        f"Playbook {last.playbook} proposes {what}; {last.reason}.",
                        f'appfleet playbooks approve {last.action_id} --reason "..."',
                        "",
                        f"Key of this message: {key}",
                    )
                ),
                items=(),
            )
            yield ask, is_quiet


def undone(lines: Sequence[Decision], on_the_way: Sequence[Send], alerts: Sequence[Alert]) -> Iterator[str]:
    """A sentence per action whose alert is open and whose target did not take it."""
    by_key = {one.alert_key: one for one in alerts}
    sends = {one.message_id: one for one in on_the_way if one.form != WORDS}
    for one in remediations(lines).values():
        send = sends.get(one.last.action_id)
        if send is None or send.state not in (FAILED, GIVEN_UP, CLAIMED) or not is_open(one.last, by_key):
            continue
        again = (
            "given up" if send.state == GIVEN_UP else f"tried again from {send.next_at:%Y-%m-%d %H:%M} UTC on"
        )
        yield (
            f"playbook {one.last.playbook} could not {one.last.action.replace('_', ' ')} {visible(one.last.subject)}: "
            f"{send.target} {send.reason or 'gave no answer yet'}; it is {again}"
        )
