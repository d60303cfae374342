"""`appfleet maintenance`: which windows there are, saying one, also after the fact, and ending or taking it back.

Words and records only; what a window means is ``models.maintenance``, how the file is read ``models.maintenance_file``.
"""

from __future__ import annotations

import getpass
import re
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table

from models.errors import ConfigurationError
from models.maintenance import (
    ADD,
    END,
    WITHDRAW,
    HeldWindows,
    MaintenanceAct,
    MaintenanceWindow,
    maintenance_policy,
    said_by_command,
    strange_names,
    stretches,
)
from models.maintenance_file import span_problem
from models.registry import normalised_app_id
from models.settings import MAINTENANCE_FILE, Settings
from models.text import visible
from pipelines.ingest.maintenance import held_windows, load_windows
from sql.maintenance import maintenance_acts, write_maintenance_act
from sql.opening import open_warehouse
from sql.warehouse import Warehouse

_LENGTH = re.compile(r"(\d{1,5})([mhd])")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


def print_windows(console: Console, settings: Settings, now: datetime) -> int:
    """Every window and when it holds next, and what is wrong with the file; 1 where something is."""
    with open_warehouse(settings.root, role="reader") as warehouse:
        held = held_windows(warehouse, settings)
        apps = _apps(warehouse)
    if held.windows:
        table = Table("window", "whose", "when", "now", "why", "by")
        for one in held.windows:
            table.add_row(
                one.name,
                one.whose,
                one.when,
                _now_words(one, now),
                one.reason,
                one.said_by or MAINTENANCE_FILE,
            )
        console.print(table)
    else:
        console.print(
            f"No maintenance window. Write {MAINTENANCE_FILE}, or `appfleet maintenance add --app A --from T --until T --reason TEXT`."
        )
    for sentence in strange_names(held.windows, apps):
        console.print(sentence, style="yellow", markup=False)
    return _print_refused(console, held)


def _print_refused(console: Console, held: HeldWindows) -> int:
    for sentence in held.refused:
        console.print(sentence, style="red", markup=False)
    return 1 if held.refused else 0


def _now_words(one: MaintenanceWindow, now: datetime) -> str:
    """Whether a window holds now, or when it does next."""
    ahead = stretches(one, now, now + maintenance_policy().ahead)
    if not ahead:
        return "over" if one.ends_at is not None and one.ends_at <= now else "not within days"
    begin, end = ahead[0]
    if begin <= now:
        return f"until {end:%Y-%m-%d %H:%M} UTC"
    return f"from {begin:%Y-%m-%d %H:%M} UTC"


def validate(console: Console, settings: Settings | None, path: Path | None) -> int:
    """What is wrong with a file, a sentence each; 1 where something is."""
    file = path or (settings.root / MAINTENANCE_FILE if settings else Path(MAINTENANCE_FILE))
    if not file.exists():
        raise ConfigurationError(f"{file} does not exist")
    found = load_windows(file, file.name if path is None else str(path))
    code = _print_refused(console, found)
    console.print(f"{len(found.windows):,} window{'' if len(found.windows) == 1 else 's'} can be read")
    return code


def add(
    settings: Settings,
    now: datetime,
    *,
    apps: Sequence[str],
    teams: Sequence[str],
    is_fleet: bool,
    environments: Sequence[str],
    begin: str | None,
    until: str | None,
    reason: str,
    by: str | None,
) -> str:
    """Records a window; what was recorded, in words.

    Raises:
        ConfigurationError: it has no begin, end or reason, is about nobody, or names who is not known.
    """
    if not reason.strip():
        raise ConfigurationError("--reason is empty: say why, for whoever looks later")
    if is_fleet == bool(apps or teams):
        raise ConfigurationError("say whose requests: --app, --team, or --fleet alone")
    begins_at = _moment(begin, "--from", None)
    ends_at = _moment(until, "--until", begins_at)
    if problem := span_problem(begins_at, ends_at):
        raise ConfigurationError(f"--until {problem}")
    act = MaintenanceAct(
        uuid.uuid4().hex[:12],
        ADD,
        by or getpass.getuser(),
        now,
        reason,
        tuple(sorted({normalised_app_id(one) for one in apps})),
        tuple(sorted(set(teams))),
        tuple(sorted(set(environments))),
        begins_at,
        ends_at,
    )
    with open_warehouse(settings.root) as warehouse:
        known = _apps(warehouse)
        strange = strange_names(said_by_command([act]), known)
        if strange:
            named = strange[0].split(" names ")[1].split(", which nobody knows")[0]
            raise ConfigurationError(
                f"nobody knows {named}: neither the catalogue, a bill nor telemetry names it"
            )
        write_maintenance_act(warehouse, act)
    [window] = said_by_command([act])
    return (
        f"maintenance {act.act_id} of {visible(window.whose)}, {window.when}: counts for no objective from the next pass on; "
        f"`appfleet maintenance withdraw {act.act_id}` takes it back"
    )


def end(settings: Settings, act_id: str, reason: str, by: str | None, now: datetime) -> str:
    """Ends a window that holds now; what was recorded, in words.

    Raises:
        ConfigurationError: there is no such window said by command that holds now, or no reason is given.
    """
    with open_warehouse(settings.root) as warehouse:
        one = _known(warehouse, act_id, reason)
        assert one.begins_at is not None and one.ends_at is not None
        if one.begins_at >= now:
            raise ConfigurationError(
                f"maintenance {visible(act_id)} begins at {one.begins_at:%Y-%m-%d %H:%M} UTC: take it back by `withdraw`"
            )
        if one.ends_at <= now:
            raise ConfigurationError(
                f"maintenance {visible(act_id)} ended at {one.ends_at:%Y-%m-%d %H:%M} UTC: `withdraw` counts its requests again"
            )
        act = replace(_act(END, act_id, reason, by, now), ends_at=now.replace(microsecond=0))
        write_maintenance_act(warehouse, act)
    return f"maintenance {visible(act_id)} has ended: requests count again from now on"


def withdraw(settings: Settings, act_id: str, reason: str, by: str | None, now: datetime) -> str:
    """Takes a window back as if it had never been; what was recorded, in words.

    Raises:
        ConfigurationError: there is no such window said by command, or no reason is given.
    """
    with open_warehouse(settings.root) as warehouse:
        _known(warehouse, act_id, reason)
        write_maintenance_act(warehouse, _act(WITHDRAW, act_id, reason, by, now))
    return f"maintenance {visible(act_id)} is withdrawn: its requests count as if it had never been, from the next pass on"


def _act(act: str, of_act: str, reason: str, by: str | None, now: datetime) -> MaintenanceAct:
    return MaintenanceAct(uuid.uuid4().hex[:12], act, by or getpass.getuser(), now, reason, of_act=of_act)


def _known(warehouse: Warehouse, act_id: str, reason: str) -> MaintenanceWindow:
    if not reason.strip():
        raise ConfigurationError("--reason is empty: say why, for whoever looks later")
    for one in said_by_command(maintenance_acts(warehouse)):
        if one.name == act_id:
            return one
    raise ConfigurationError(
        f"no maintenance {visible(act_id)} was said by command: `appfleet maintenance` lists them; those of {MAINTENANCE_FILE} "
        "are changed there"
    )


def _apps(warehouse: Warehouse) -> pl.DataFrame:
    return warehouse.frame("queries/inventory/apps").select("app_id", "team")


def _moment(text: str | None, option: str, begin: datetime | None) -> datetime:
    """A moment, or so long after the begin."""
    if text is None or not text.strip():
        what = "a begin" if begin is None else "an end"
        raise ConfigurationError(f"{option} is missing: a maintenance window has {what}")
    length = _LENGTH.fullmatch(text.strip())
    if length and begin is not None:
        return begin + int(length[1]) * _UNITS[length[2]]
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        more = "" if begin is None else " nor a length such as 2h"
        raise ConfigurationError(f"{option}: {text!r} is no moment such as 2026-10-31T02:00Z{more}") from None
    moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    if not 1970 < moment.year < 2100:
        raise ConfigurationError(f"{option}: {text!r} is in no year that is counted")
    return moment.replace(microsecond=0)
