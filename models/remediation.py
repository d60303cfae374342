"""What is done about alerts by playbooks: which actions begin, wait, are sent, held back or withdrawn, and with which inputs.

Takes alerts, facts, playbooks and every decision before, and gives the decisions of this moment; the moment is an argument.
Reading files is ``models.playbooks``, keeping decisions ``sql.remediation``, sending ``pipelines.actions``.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from models.alert_routes import Act, standing
from models.alerts import Alert, AlertingPolicy, in_order
from models.cloud_events import cloud_event
from models.errors import ConfigurationError
from models.playbooks import EVENT, FLAG, NOTHING, Facts, Playbook, PlaybookPolicy, Playbooks, in_words, plain
from models.text import visible

DRY_RUN, PROPOSED, ACTED = "dry_run", "proposed", "acted"
HELD_BACK, WITHDRAWN, ENDED = "held_back", "withdrawn", "ended"
APPROVED, DECLINED = "approved", "declined"
"""What a pass decides; and, the last two, what a person does."""

APPFLEET = "appfleet"
"""Who decides where no person does."""

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Decision:
    """One decision about one action (columns of ``remediation_decisions``), and everything it was made of.

    An action is a playbook's, of one episode of one alert: ``action_id`` is made of these, so it is sent once at most. Of a
    pass's decisions the highest (fence, seq) of an action holds; a person's is about the line ``of_line``.
    """

    decision_id: str
    action_id: str
    decision: str
    decided_by: str
    decided_at: datetime
    reason: str
    playbook: str
    version: str
    action: str
    target: str
    risk: str
    alert_key: str
    episode: int
    kind: str
    subject: str
    team: str
    environment: str
    inputs: str = ""
    event: str = ""
    of_line: str = ""
    fence: int = 0
    seq: int = 0


@dataclass(frozen=True)
class Remediation:
    """Where one action is: the last line of a pass, and what a person did about it."""

    last: Decision
    answer: Decision | None = None
    acted_at: datetime | None = None

    @property
    def state(self) -> str:
        """The last decision, or what a person made of it; a person's word on a proposal holds until a pass acts on it."""
        return self.answer.decision if self.answer else self.last.decision

    @property
    def waits(self) -> bool:
        """Whether somebody has to decide."""
        return self.state == PROPOSED

    @property
    def is_mark(self) -> bool:
        """Whether the app bears a mark by it."""
        return self.last.action == FLAG and self.state == ACTED


def remediations(lines: Iterable[Decision]) -> dict[str, Remediation]:
    """Action -> where it is. Of two people who answer one proposal who declines is right, else who came first."""
    own: dict[str, Decision] = {}
    answers: dict[str, Decision] = {}
    acted: dict[str, datetime] = {}
    for one in lines:
        if one.of_line:
            before = answers.get(one.of_line)
            if before is None or _answer_order(one) < _answer_order(before):
                answers[one.of_line] = one
            continue
        if one.decision == ACTED:
            acted[one.action_id] = max(one.decided_at, acted.get(one.action_id, one.decided_at))
        known = own.get(one.action_id)
        if known is None or (one.fence, one.seq) > (known.fence, known.seq):
            own[one.action_id] = one
    return {key: Remediation(one, answers.get(one.decision_id), acted.get(key)) for key, one in own.items()}


def _answer_order(one: Decision) -> tuple[Any, ...]:
    return (one.decision != DECLINED, one.decided_at, one.decision_id)


def action_id_of(playbook: str, alert: Alert) -> str:
    """The id of what a playbook does about one episode of an alert."""
    parts = (playbook, alert.alert_key, str(alert.episode))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Deciding:
    """Everything decisions are made of beside playbooks and alerts."""

    now: datetime
    source: str
    policy: PlaybookPolicy
    alerting: AlertingPolicy
    new_id: Callable[[], str]
    acts: Sequence[Act] = ()


def decide(
    playbooks: Playbooks,
    alerts: Sequence[Alert],
    facts: Mapping[str, Facts],
    lines: Sequence[Decision],
    at: Deciding,
) -> list[Decision]:
    """The decisions of this moment that are not made yet, the worst alerts first; asked again with them, none.

    A playbook acts once on each episode of an alert. What is silenced or acknowledged is left to whoever did that. A proposal
    is withdrawn when its alert has ended, its playbook was changed, or nobody decided in time.

    Args:
        playbooks: of ``playbooks_of``.
        alerts: of this moment.
        facts: by key of the alert.
        lines: every decision before that may still matter.
        at: the moment, and what else bounds the decisions.
    """
    known = remediations(lines)
    made = _under_way(playbooks, alerts, facts, known, at)
    known = remediations([*lines, *made])
    begun = 0
    # what was approved above counts as sent, and a person's word is not held up by a bound of what goes without one
    sent = sum(
        one.decision == ACTED and one.action != FLAG and at.now - one.decided_at < _DAY
        for one in (*lines, *made)
    )
    for alert in in_order([one for one in alerts if one.is_open], at.alerting):
        for playbook in playbooks.playbooks:
            own = facts.get(alert.alert_key, Facts())
            if playbook.when.differs(alert, own, at.now):
                continue
            before = known.get(action_id_of(playbook.name, alert))
            if before is not None and not _may_begin(before, playbook):
                continue
            why = _held_back(playbook, playbooks, alert, known.values(), begun, sent, at)
            if why:
                decision = HELD_BACK
                if before is not None and (before.state, before.last.reason) == (decision, why):
                    continue
            else:
                decision = _first_step(playbook)
                why = _why(playbook)
                begun += 1
                sent += decision == ACTED and playbook.action != FLAG
            limits = {"begun_in_pass": begun, "sent_in_a_day": sent}
            one = _decided(decision, why, playbook, playbooks, alert, own, before, limits, at)
            made.append(one)
            known[one.action_id] = Remediation(one, None, at.now if decision == ACTED else None)
    return made


def _first_step(playbook: Playbook) -> str:
    if playbook.is_dry_run:
        return DRY_RUN
    return PROPOSED if playbook.needs_approval else ACTED


def _why(playbook: Playbook) -> str:
    if playbook.is_dry_run:
        then = "would wait for a person" if playbook.needs_approval else "would be done"
        return f"dry run: it {then}, nothing was sent"
    if playbook.needs_approval:
        return f"its risk is {playbook.risk}: a person has to approve it"
    return f"its risk is {playbook.risk}: no person has to approve it"


def _may_begin(before: Remediation, playbook: Playbook) -> bool:
    """Whether an action that is known may begin: it was held back, or it did nothing and its playbook was changed since."""
    if before.state == HELD_BACK:
        return True
    return before.state in (DRY_RUN, WITHDRAWN) and before.last.version != playbook.version


def _under_way(
    playbooks: Playbooks,
    alerts: Sequence[Alert],
    facts: Mapping[str, Facts],
    known: Mapping[str, Remediation],
    at: Deciding,
) -> list[Decision]:
    """What becomes of proposals and marks."""
    by_name = {one.name: one for one in playbooks.playbooks}
    by_key = {one.alert_key: one for one in alerts}
    made = []
    for key in sorted(known):
        one = known[key]
        last = one.last
        alert = by_key.get(last.alert_key)
        if alert is not None and not (alert.is_open and alert.episode == last.episode):
            alert = None
        playbook = by_name.get(last.playbook)
        if last.decision == PROPOSED and one.state != DECLINED:
            why = _withdrawn(one, alert, playbook, at)
            if why:
                made.append(_after(last, WITHDRAWN, why, at))
            elif one.answer is not None and alert is not None and playbook is not None:
                said = f"approved by {one.answer.decided_by}: {one.answer.reason}"
                own = facts.get(alert.alert_key, Facts())
                answer = {"approved_by": one.answer.decided_by, "approved_line": one.answer.decision_id}
                made.append(_decided(ACTED, said, playbook, playbooks, alert, own, one, answer, at))
        elif one.is_mark and (alert is None or playbook is None):
            made.append(
                _after(last, ENDED, "its alert has ended" if alert is None else "its playbook is gone", at)
            )
    return made


def _withdrawn(one: Remediation, alert: Alert | None, playbook: Playbook | None, at: Deciding) -> str:
    """Why a proposal holds no longer; empty where it does."""
    if alert is None:
        return "its alert has ended"
    if playbook is None or playbook.version != one.last.version:
        return "its playbook was changed"
    if one.answer is None and at.now - one.last.decided_at >= at.policy.waits:
        return f"nobody decided within {in_words(at.policy.waits)}"
    return ""


def _held_back(
    playbook: Playbook,
    playbooks: Playbooks,
    alert: Alert,
    known: Iterable[Remediation],
    begun: int,
    sent: int,
    at: Deciding,
) -> str:
    """Why a playbook does not act on an alert now, in words that stay the same while that holds; empty where it may."""
    act = standing(alert, at.acts, at.now)
    if act is not None:
        done = "silenced" if act.ends_at is not None else "acknowledged"
        return f"the alert is {done} by {act.acted_by}, to whom it is left"
    cools = _cools(playbook, alert, known, at.now)
    if cools:
        return cools
    if begun >= playbooks.at_most.in_pass:
        return f"{playbooks.at_most.in_pass} actions begin in one pass at most"
    is_sent = playbook.action != FLAG and _first_step(playbook) == ACTED
    if is_sent and sent >= playbooks.at_most.in_day:
        return f"{playbooks.at_most.in_day} actions were sent in 24 hours, the most without a person"
    return ""


def _cools(playbook: Playbook, alert: Alert, known: Iterable[Remediation], now: datetime) -> str:
    """Whether the playbook left its mark on this app too short a while ago, or waits for a person there."""
    ends = []
    for one in known:
        if (one.last.playbook, one.last.subject) != (playbook.name, alert.subject):
            continue
        if not playbook.is_dry_run and one.state in (PROPOSED, APPROVED):
            return f"action {one.last.action_id} of it waits for a person already"
        since = [one.acted_at] if one.acted_at else []
        if one.answer is not None and one.state == DECLINED:
            since.append(one.answer.decided_at)
        if playbook.is_dry_run and one.state == DRY_RUN:
            since.append(one.last.decided_at)
        ends += [
            (begin + playbook.cool_down, one.last.action_id)
            for begin in since
            if now < begin + playbook.cool_down
        ]
    if not ends:
        return ""
    end, action = max(ends)
    return f"it leaves the app alone until {end:%Y-%m-%d %H:%M} UTC, after action {action}"


def _decided(
    decision: str,
    reason: str,
    playbook: Playbook,
    playbooks: Playbooks,
    alert: Alert,
    facts: Facts,
    before: Remediation | None,
    more: Mapping[str, Any],
    at: Deciding,
) -> Decision:
    action = action_id_of(playbook.name, alert)
    inputs = {
        "alert": _plain(asdict(alert)),
        "facts": _plain(asdict(facts)),
        "playbook": {
            "name": playbook.name,
            "version": playbook.version,
            "where": playbook.where,
            "when": plain(playbook.when),
            "cool_down": in_words(playbook.cool_down),
            "needs_approval": playbook.needs_approval,
            "dry_run": playbook.is_dry_run,
        },
        "at_most": playbooks.at_most._asdict(),
        **more,
    }
    return Decision(
        decision_id=at.new_id(),
        action_id=action,
        decision=decision,
        decided_by=APPFLEET,
        decided_at=at.now,
        reason=reason,
        playbook=playbook.name,
        version=playbook.version,
        action=playbook.action,
        target=playbook.target,
        risk=playbook.risk,
        alert_key=alert.alert_key,
        episode=alert.episode,
        kind=alert.kind,
        subject=alert.subject,
        team=alert.team,
        environment=alert.environment,
        inputs=json.dumps(inputs, sort_keys=True, ensure_ascii=False),
        event=_event(action, playbook, alert, facts, more.get("approved_by", ""), at),
        fence=before.last.fence if before else 0,
        seq=before.last.seq + 1 if before else 1,
    )


def _after(last: Decision, decision: str, reason: str, at: Deciding) -> Decision:
    """A decision that follows another one without anything new."""
    return replace(
        last,
        decision_id=at.new_id(),
        decision=decision,
        decided_by=APPFLEET,
        decided_at=at.now,
        reason=reason,
        event="",
        seq=last.seq + 1,
    )


def _event(
    action_id: str, playbook: Playbook, alert: Alert, facts: Facts, approved_by: str, at: Deciding
) -> str:
    """What is sent, or the note of a mark."""
    kind = at.policy.actions[playbook.action]
    if kind.sends == NOTHING:
        return str(playbook.parameters["note"])
    data = {
        "action": playbook.action,
        "action_id": action_id,
        "playbook": playbook.name,
        "risk": playbook.risk,
        "parameters": dict(playbook.parameters),
        "approved_by": approved_by or None,
        "alert": _plain(asdict(alert)),
        "facts": _plain(asdict(facts)),
    }
    if kind.sends == EVENT:
        source = f"{at.source}/playbooks/{quote(playbook.name)}"
        event_type = f"{at.policy.event_type}{playbook.action}"
        return cloud_event(action_id, source, event_type, alert.subject, at.now, data)
    return json.dumps(data, sort_keys=True, ensure_ascii=False)


def _plain(value: Any) -> Any:
    """Values as JSON has them: moments in UTC, and money as text, as a reader's number would be a float."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, float):
        return value if math.isfinite(value) else None  # JSON has no other
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def answered(
    known: Mapping[str, Remediation], action_id: str, decision: str, by: str, reason: str, at: Deciding
) -> Decision:
    """A person's word on an action: approving what waits, or declining it, or taking a mark off.

    Raises:
        ConfigurationError: there is no such action, it does not wait any more, or no reason is given.
    """
    if not reason.strip():
        raise ConfigurationError("--reason is empty: say why, for whoever looks later")
    one = known.get(action_id)
    if one is None:
        raise ConfigurationError(f"there is no action {visible(action_id)}: `appfleet playbooks` lists them")
    may = one.waits or (decision == DECLINED and (one.state == APPROVED or one.is_mark))
    if not may:
        who = f" by {one.answer.decided_by}" if one.answer else ""
        raise ConfigurationError(
            f"action {visible(action_id)} is {one.state.replace('_', ' ')}{who}: it waits for nobody"
        )
    return replace(
        one.last,
        decision_id=at.new_id(),
        decision=decision,
        decided_by=by,
        decided_at=at.now,
        reason=reason,
        of_line=one.last.decision_id,
        event="",
        fence=0,
        seq=0,
    )


def in_reading_order(known: Iterable[Remediation]) -> list[Remediation]:
    """Actions as people read them: what waits for somebody first, then what was done, the newest first."""
    ranks = (PROPOSED, APPROVED, ACTED, DRY_RUN, HELD_BACK, DECLINED, WITHDRAWN, ENDED)
    return sorted(
        known,
        key=lambda one: (ranks.index(one.state), -one.last.decided_at.timestamp(), one.last.action_id),
    )
