"""`appfleet alerts` and `appfleet oncall`: what is wrong now in the order of the On-call page, and what people do about it.

Words and records only; what an alert is and who is told of it belongs to ``models.alerts`` and ``models.alert_routes``.
"""

from __future__ import annotations

import getpass
import re
import uuid
from datetime import UTC, datetime, timedelta

from rich.console import Console
from rich.table import Table

from models.alert_routes import ACK, SILENCE, UNSILENCE, Act, checked_ack, checked_silence, standing
from models.alerts import FIRING, RESOLVED, Alert, alert_policy, grouped, in_order
from models.budget_words import exhausted_words, method_words
from models.errors import ConfigurationError
from models.maintenance import maintained_sentences
from models.newest import METHOD
from models.policy import burn_windows
from models.samples import objective_of, part_sentences
from models.settings import Settings
from models.slo import worst_first
from models.text import visible
from pipelines.actions.notify import told_of
from pipelines.actions.targets import load_routing
from pipelines.commands.playbooks import print_actions
from pipelines.commands.slo_budgets import frozen_sentences, with_budgets
from sql.alerts import acts, current_alerts, write_act
from sql.opening import open_warehouse
from sql.remediation import decisions
from sql.warehouse import Warehouse

_LENGTH = re.compile(r"(\d{1,5})([mhd])")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_STYLES = {"page": "red", "ticket": "yellow"}


def print_alerts(console: Console, settings: Settings, now: datetime, every: bool = False) -> int:
    """Every alert that is not resolved, or ``every`` one, and what did not reach anybody; 1 where nobody was reached."""
    with open_warehouse(settings.root, role="reader") as warehouse:
        return _print_alerts(console, warehouse, settings, now, every)


def print_oncall(console: Console, settings: Settings, now: datetime) -> int:
    """The alerts and the objectives that fire, in the order of the On-call page; 1 where nobody was reached."""
    with open_warehouse(settings.root, role="reader") as warehouse:
        code = _print_alerts(console, warehouse, settings, now, every=False)
        if decisions(warehouse, now):
            print_actions(console, warehouse, now, timedelta(0))
        _print_burning(console, warehouse)
    return code


def _print_alerts(
    console: Console, warehouse: Warehouse, settings: Settings, now: datetime, every: bool
) -> int:
    alerts = current_alerts(warehouse)
    done = acts(warehouse, now)
    told = told_of(warehouse, load_routing(settings), alerts, now)
    shown = [one for one in in_order(alerts, alert_policy()) if every or one.state != RESOLVED]
    if not shown:
        console.print(
            "No alert: nothing that is published is wrong enough. `appfleet doctor` looks at the rest."
        )
    else:
        console.print(_table(shown, done, now))
    for group in grouped([one for one in shown if one.state == FIRING], alert_policy()):
        if len(group.alerts) > 1 and group.cause:
            names = ", ".join(sorted({one.subject for one in group.alerts}))
            console.print(f"{group.owner}: {group.cause}: {names}", markup=False)
    for sentence in told.unreached:
        console.print(sentence, style="red", markup=False)
    for sentence in told.notes:
        console.print(sentence, markup=False)
    return 1 if told.unreached else 0


def _table(shown: list[Alert], done: list[Act], now: datetime) -> Table:
    table = Table("alert", "severity", "state", "since (UTC)", "owner", "what", "by whom")
    for one in shown:
        table.add_row(
            one.alert_key,
            one.severity,
            one.end_word if one.state == RESOLVED else one.state,
            f"{one.since:%Y-%m-%d %H:%M}",
            one.team or "-",
            one.sentence,
            handled(standing(one, done, now)),
            style=_STYLES.get(one.severity) if one.state == FIRING else None,
        )
    return table


def handled(act: Act | None) -> str:
    """What a person did that holds, in words; empty where nobody did."""
    if act is None:
        return ""
    if act.act == SILENCE and act.ends_at is not None:
        return f"silenced by {act.acted_by} until {act.ends_at:%Y-%m-%d %H:%M}: {act.reason} ({act.act_id})"
    return f"acknowledged by {act.acted_by}: {act.reason}"


def _print_burning(console: Console, warehouse: Warehouse) -> None:
    """Objectives that page or need a ticket, the worst first, as the On-call page has them."""
    frame = with_budgets(warehouse, worst_first(warehouse.frame("queries/slo/status", app_id="")))
    rows = [row for row in frame.iter_rows(named=True) if row["state"] in burn_windows().severities]
    newest = warehouse.frame("queries/newest/current")
    for row in newest.iter_rows(named=True):
        console.print(
            f"{row['app_id']} in {row['environment']}: {row['objective']} pages by the {METHOD}: {row['bad']:,} of "
            f"{row['total']:,} events bad at {row['seen_at']:%H:%M:%S} UTC",
            markup=False,
        )
    if not rows and newest.is_empty():
        console.print("No objective burns fast enough for a page or a ticket.")
    for sentence in frozen_sentences(frame.iter_rows(named=True)):
        console.print(sentence, style="yellow", markup=False)
    for sentence in maintained_sentences(frame.iter_rows(named=True)):
        console.print(sentence, markup=False)
    if not rows:
        return
    table = Table(
        "app",
        "environment",
        "objective",
        "state",
        "since (UTC)",
        "budget left",
        "by",
        "nothing left (UTC)",
        "burn 1h",
        "6h",
    )
    for row in rows:
        table.add_row(
            row["app_id"],
            row["environment"],
            objective_of(row),
            row["state"],
            f"{row['since']:%Y-%m-%d %H:%M}" if row["since"] else "-",
            "-" if row["budget_remaining"] is None else f"{row['budget_remaining']:.1%}",
            method_words(row),
            exhausted_words(row),
            *(
                "-" if row[f"burn_rate_{window}"] is None else f"{row[f'burn_rate_{window}']:.1f} x"
                for window in ("1h", "6h")
            ),
        )
    console.print(table)
    for sentence in part_sentences(rows):
        console.print(sentence, markup=False)


def acknowledge(settings: Settings, key: str, reason: str, by: str | None, now: datetime) -> str:
    """Records that somebody works on an alert; what was recorded, in words.

    Raises:
        ConfigurationError: there is no such alert, it does not fire, or no reason is given.
    """
    asked = Act(_new_id(), ACK, by or getpass.getuser(), now, reason, alert_key=key)
    with open_warehouse(settings.root) as warehouse:
        act = checked_ack(asked, current_alerts(warehouse))
        write_act(warehouse, act)
    return f"acknowledged {visible(act.alert_key)}: {visible(act.acted_by)} works on it; nobody is told of it again unless it becomes worse or ends"


def silence(
    settings: Settings,
    until: str | None,
    reason: str,
    by: str | None,
    now: datetime,
    *,
    key: str = "",
    app_id: str = "",
    team: str = "",
    kind: str = "",
) -> str:
    """Records a silence; what was recorded, in words.

    Raises:
        ConfigurationError: it has no end, too late a one, no reason, or names nothing.
    """
    policy = alert_policy()
    if kind and kind not in policy.kinds:
        raise ConfigurationError(f"--kind is {kind!r}; it can be {', '.join(policy.kinds)}")
    asked = Act(
        _new_id(),
        SILENCE,
        by or getpass.getuser(),
        now,
        reason,
        alert_key=key,
        subject=app_id,
        team=team,
        kind=kind,
        ends_at=_end(until, now),
    )
    act = checked_silence(asked, policy)
    with open_warehouse(settings.root) as warehouse:
        write_act(warehouse, act)
        matched = sum(act.matches(one) and one.is_open for one in current_alerts(warehouse))
    return f"silence {act.act_id} holds until {act.ends_at:%Y-%m-%d %H:%M} UTC, for {matched:,} alerts that are open now"


def unsilence(settings: Settings, act_id: str, reason: str, by: str | None, now: datetime) -> str:
    """Ends a silence early; what was recorded, in words.

    Raises:
        ConfigurationError: there is no such silence that holds.
    """
    with open_warehouse(settings.root) as warehouse:
        done = acts(warehouse, now)
        ended = {one.of_act for one in done}
        known = [one for one in done if one.act == SILENCE and one.ends_at and one.ends_at > now]
        if not any(one.act_id == act_id and act_id not in ended for one in known):
            raise ConfigurationError(
                f"no silence {visible(act_id)} holds now: `appfleet alerts` names those that do"
            )
        write_act(warehouse, Act(_new_id(), UNSILENCE, by or getpass.getuser(), now, reason, of_act=act_id))
    return f"silence {visible(act_id)} has ended"


def _end(text: str | None, now: datetime) -> datetime | None:
    """The end of a silence: a moment, or so long from now.

    Raises:
        ConfigurationError: it is neither.
    """
    if text is None or not text.strip():
        return None
    length = _LENGTH.fullmatch(text.strip())
    if length:
        return now + int(length[1]) * _UNITS[length[2]]
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ConfigurationError(
            f"--until: {text!r} is neither a moment such as 2026-10-31T12:00Z nor a length such as 4h"
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _new_id() -> str:
    return uuid.uuid4().hex[:12]
