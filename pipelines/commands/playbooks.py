"""`appfleet playbooks`: what playbooks did and would do, what waits for a person, and that person's word.

Words and records only; what is decided belongs to ``models.remediation``, what is sent to ``pipelines.actions``.
"""

from __future__ import annotations

import getpass
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from rich.console import Console
from rich.table import Table

from models.alerts import alert_policy, in_order
from models.errors import AppfleetError, ConfigurationError
from models.grants import parse_people
from models.people import APPROVE_ACTIONS, access_policy
from models.playbooks import FILE_NAME, Facts, Playbook, Playbooks, in_words, playbook_policy
from models.remediation import (
    APPROVED,
    DECLINED,
    HELD_BACK,
    Remediation,
    answered,
    decide,
    in_reading_order,
    remediations,
)
from models.settings import Settings
from models.text import visible
from pipelines.actions.notify import tell
from pipelines.actions.remediate import deciding, facts_of, is_open, load_playbooks
from pipelines.actions.targets import address_of
from sql.alerts import WORDS, Send, current_alerts, sends
from sql.opening import open_warehouse
from sql.remediation import decisions, write_answer
from sql.warehouse import Warehouse
from sql.workspace import people_text

_SHOWN_FOR = timedelta(days=7)
"""How long what is over is listed without being asked for."""


def print_playbooks(console: Console, settings: Settings, now: datetime) -> None:
    """The playbooks there are, and the actions that wait, were sent or mark an app, those that wait first."""
    playbooks = load_playbooks(settings)
    if not playbooks.playbooks:
        console.print(
            f"No playbook: there is no {FILE_NAME}, so nothing is done about alerts but telling people."
        )
    else:
        console.print(_playbooks_table(playbooks))
    with open_warehouse(settings.root, role="reader") as warehouse:
        print_actions(console, warehouse, now, _SHOWN_FOR)


def print_actions(console: Console, warehouse: Warehouse, now: datetime, lately: timedelta) -> None:
    """Actions about alerts that are open, and what was done ``lately``; those that wait for a person first."""
    lines = decisions(warehouse, now)
    by_key = {one.alert_key: one for one in current_alerts(warehouse)}
    known = [
        one
        for one in in_reading_order(remediations(lines).values())
        if is_open(one.last, by_key) or (one.acted_at is not None and now - one.acted_at < lately)
    ]
    if not known:
        console.print("No action of a playbook waits, and none was taken lately.")
        return
    sent = {one.message_id: one for one in sends(warehouse, now)}
    table = Table("action", "state", "playbook", "does", "of", "alert", "decided (UTC)", "why")
    for one in known:
        last = one.last
        table.add_row(
            last.action_id,
            state_of(one, sent.get(last.action_id)),
            last.playbook,
            last.action,
            last.subject,
            last.alert_key,
            f"{last.decided_at:%Y-%m-%d %H:%M}",
            last.event if one.is_mark else why_of(one),
            style="yellow" if one.waits else None,
        )
    console.print(table)


def state_of(one: Remediation, send: Send | None) -> str:
    """Where an action is, in words: what was decided, and whether it arrived."""
    if one.is_mark:
        return "marked"
    if one.acted_at is not None and send is not None and send.form != WORDS:
        return send.state.replace("_", " ")
    return one.state.replace("_", " ")


def why_of(one: Remediation) -> str:
    """Why an action is where it is; a person's word with their name."""
    if one.answer is None:
        return one.last.reason
    return f"{one.answer.decision} by {one.answer.decided_by}: {one.answer.reason}"


def _playbooks_table(playbooks: Playbooks) -> Table:
    table = Table("playbook", "does", "to", "risk", "a person", "cool-down", "sends")
    for one in playbooks.playbooks:
        words = " ".join(f"{name}={value}" for name, value in one.parameters.items())
        table.add_row(
            one.name,
            f"{one.action} {words}".strip(),
            one.target or "-",
            one.risk,
            "approves it" if one.needs_approval else "-",
            in_words(one.cool_down),
            "nothing: dry run" if one.is_dry_run else "yes",
        )
    return table


def print_plan(console: Console, settings: Settings, now: datetime) -> None:
    """What a pass would decide now, and why each playbook takes no alert where it takes none; nothing is kept or sent."""
    playbooks = load_playbooks(settings)
    with open_warehouse(settings.root, role="reader") as warehouse:
        alerts = [one for one in in_order(current_alerts(warehouse), alert_policy()) if one.is_open]
        facts = facts_of(warehouse, alerts)
        lines = decisions(warehouse, now)
        made = decide(playbooks, alerts, facts, lines, deciding(warehouse, settings, now))
    known = remediations(lines)
    if made:
        table = Table("would be", "playbook", "does", "of", "alert", "why")
        for one in made:
            table.add_row(
                one.decision.replace("_", " "),
                one.playbook,
                one.action,
                one.subject,
                one.alert_key,
                one.reason,
            )
        console.print(table)
    else:
        console.print("A pass would decide nothing new now.")
    for playbook in playbooks.playbooks:
        taken = sum(not playbook.when.differs(one, facts.get(one.alert_key, Facts()), now) for one in alerts)
        under_way = sum(
            one.last.playbook == playbook.name and one.state != HELD_BACK for one in known.values()
        )
        reasons = Counter(
            why
            for one in alerts
            if (why := playbook.when.differs(one, facts.get(one.alert_key, Facts()), now))
        )
        first = f"; most of the others: {reasons.most_common(1)[0][0]}" if reasons else ""
        console.print(
            f"{playbook.name}: takes {taken:,} of {len(alerts):,} open alerts, {under_way:,} decided before{first}",
            markup=False,
        )


def print_history(console: Console, settings: Settings, now: datetime, action_id: str | None) -> None:
    """Every decision, the newest last; of one action with everything it was decided by.

    Raises:
        ConfigurationError: there is no such action.
    """
    with open_warehouse(settings.root, role="reader") as warehouse:
        lines = decisions(warehouse, now)
    if action_id is not None:
        lines = [one for one in lines if one.action_id == action_id]
        if not lines:
            raise ConfigurationError(
                f"there is no action {visible(action_id)}: `appfleet playbooks` lists them"
            )
    if not lines:
        console.print("Nothing was decided about an alert yet.")
        return
    table = Table("decided (UTC)", "by", "decision", "playbook", "does", "of", "why", "action")
    for one in lines:
        table.add_row(
            f"{one.decided_at:%Y-%m-%d %H:%M:%S}",
            one.decided_by,
            one.decision.replace("_", " "),
            one.playbook,
            one.action,
            one.subject,
            one.reason,
            one.action_id,
        )
    console.print(table)
    if action_id is not None:
        for one in lines:
            for name, text in (("decided by", one.inputs), ("sent", one.event)):
                if text:
                    said = f"{one.decision} at {one.decided_at:%Y-%m-%d %H:%M:%S}, {name}: {_readable(text)}"
                    console.print(said, markup=False)


def _readable(text: str) -> str:
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, sort_keys=True)
    except ValueError:
        return text


def answer(
    settings: Settings, action_id: str, is_approved: bool, reason: str, by: str | None, now: datetime
) -> str:
    """Records a person's word on an action and, where it is approved, has it sent; what became of it, in words.

    Raises:
        ConfigurationError: there is no such action, it waits for nobody, no reason is given, or the file is wrong.
    """
    who = by or getpass.getuser()
    decision = APPROVED if is_approved else DECLINED
    with open_warehouse(settings.root) as warehouse:
        at = deciding(warehouse, settings, now)
        known = remediations(decisions(warehouse, now))
        line = answered(known, action_id, decision, who, reason, at)
        if is_approved:
            load_playbooks(settings)  # with a mistake in it nothing could follow
        write_answer(warehouse, line)
        if not is_approved:
            took = "took its mark off" if known[action_id].is_mark else "nothing is sent"
            return f"declined {action_id}: {line.action} of {visible(line.subject)}; {took}"
        tell(warehouse, settings, now)
        one = remediations(decisions(warehouse, now))[action_id]
        sent = next((send for send in sends(warehouse, now) if send.message_id == action_id), None)
    became = f"approved {action_id}: {line.action} of {visible(line.subject)} is {state_of(one, sent)}"
    if one.state == APPROVED:
        return f"{became}: another process sends just now, the next pass goes on"
    return f"{became}: {sent.reason}" if sent is not None and sent.reason else became


def mistakes(settings: Settings, playbooks: Playbooks) -> Iterator[tuple[str, str]]:
    """What is wrong with playbooks beyond their text, and what to do: targets without an address, and approvals nobody may give."""
    for target in playbooks.targets.values():
        try:
            address_of(target, settings.root)
        except AppfleetError as error:
            yield f"target {target.name} of {FILE_NAME}: {error}", "nothing is sent to it until then"
    waiting = [one.name for one in playbooks.playbooks if one.needs_approval]
    if waiting and not _approvers(settings):
        yield (
            f"{FILE_NAME}: nobody has the right {APPROVE_ACTIONS}, and {', '.join(waiting)} "
            f"{'waits' if len(waiting) == 1 else 'wait'} for somebody who has",
            "give somebody a role that has it in people.yaml, or approve by `appfleet playbooks approve`",
        )
    for one in _unwatched(playbooks.playbooks):
        yield (
            f"{one.where}: {one.name} does {one.action} without a person, its risk is {one.risk}",
            "lower `approve_above`, unless that is meant",
        )


def _approvers(settings: Settings) -> bool:
    """Whether the pages let anybody approve: whoever signs in, or sits at this machine."""
    if settings.sign_in is None:
        rights = access_policy().at_this_machine
        return APPROVE_ACTIONS in {*rights, *settings.viewer.rights}
    people = parse_people(people_text(settings), str(settings.people))
    roles = {role for grant in people.people for role in grant.roles}
    return any(APPROVE_ACTIONS in access_policy().roles[role] for role in roles)


def _unwatched(playbooks: Sequence[Playbook]) -> list[Playbook]:
    """Playbooks that send without a person what the policy would have one approve."""
    policy = playbook_policy()
    least = policy.rank(policy.approve_above)
    return [
        one
        for one in playbooks
        if policy.rank(one.risk) > least and not one.needs_approval and not one.is_dry_run
    ]


def check(console: Console, settings: Settings) -> int:
    """Reads the file and says what is wrong; 1 where something is.

    Raises:
        ConfigurationError: the file cannot be read; names file, line and key.
    """
    playbooks = load_playbooks(settings)
    found = list(mistakes(settings, playbooks))
    for sentence, advice in found:
        console.print(f"{sentence}: {advice}", markup=False)
    live = sum(not one.is_dry_run for one in playbooks.playbooks)
    console.print(
        f"{FILE_NAME}: {len(playbooks.playbooks):,} playbooks, {live:,} of them act, the others are dry runs"
    )
    return 1 if found else 0
