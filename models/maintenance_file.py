"""Reads the text of ``maintenance.yaml`` and what a command says into windows; each mistake is one sentence with file, line and key.

A window with a mistake is left out and told of, the others hold. What windows mean is ``models.maintenance``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import NoReturn
from zoneinfo import ZoneInfo

import yaml

from models.errors import ConfigurationError
from models.maintenance import (
    HeldWindows,
    MaintenanceWindow,
    Recurrence,
    maintenance_policy,
    nearby_rule,
    rule_parts,
)
from models.registry import normalised_app_id
from models.yaml_reader import Document, YamlReader, is_empty

_KEYS = {
    "name", "reason", "apps", "teams", "fleet", "environments", "start", "end", "rrule", "duration", "zone",
}  # fmt: skip
_LENGTH = re.compile(r"([1-9]\d{0,4})([mhd])")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_DAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)")
_DAYS_OF_MONTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def read_windows(document: Document) -> HeldWindows:
    """Windows of a ``maintenance.yaml`` in their order, and a sentence for each that cannot be read."""
    reader = YamlReader(document.file)
    try:
        nodes = _nodes(reader, document)
    except ConfigurationError as error:
        return HeldWindows((), (str(error),))
    found: dict[str, MaintenanceWindow] = {}
    refused = []
    for index, node in enumerate(nodes):
        try:
            one = _window(reader, node, f"maintenance[{index}]")
            if one.name in found:
                reader.fail(
                    node, f"maintenance[{index}].name", f"is {one.name!r}, as is {found[one.name].where}"
                )
            found[one.name] = one
        except ConfigurationError as error:
            refused.append(str(error))
    return HeldWindows(tuple(found.values()), tuple(refused))


def _nodes(reader: YamlReader, document: Document) -> list[yaml.Node]:
    if is_empty(document.node):
        return []
    fields = reader.mapping(document.node, "", {"maintenance"})
    return reader.sequence(fields.get("maintenance"), "maintenance")


def _window(reader: YamlReader, node: yaml.Node, key: str) -> MaintenanceWindow:
    fields = reader.mapping(node, key, _KEYS)
    for needed in ("name", "reason", "start"):
        if needed not in fields or is_empty(fields[needed]):
            reader.fail(fields.get(needed, node), f"{key}.{needed}", "is missing")
    apps = tuple(normalised_app_id(one) for one in _texts(reader, fields, key, "apps"))
    teams = tuple(_texts(reader, fields, key, "teams"))
    _check_whose(reader, node, fields, key, bool(apps or teams))
    zone = reader.optional_text(fields.get("zone"), f"{key}.zone") or "UTC"
    try:
        ZoneInfo(zone)
    except (OSError, ValueError, KeyError):
        reader.fail(
            fields["zone"], f"{key}.zone", f"is {zone!r}, which is no time zone such as Europe/Vienna"
        )
    start = _wall(reader, fields["start"], f"{key}.start", zone)
    begins_at = ends_at = recurrence = None
    if "rrule" in fields:
        recurrence = _recurrence(reader, node, fields, key, start, zone)
    else:
        begins_at, ends_at = _once(reader, node, fields, key, start, zone)
    return MaintenanceWindow(
        name=reader.text(fields["name"], f"{key}.name"),
        reason=reader.text(fields["reason"], f"{key}.reason"),
        where=reader.where(node),
        apps=tuple(sorted(set(apps))),
        teams=tuple(sorted(set(teams))),
        environments=tuple(sorted(set(_texts(reader, fields, key, "environments")))),
        begins_at=begins_at,
        ends_at=ends_at,
        recurrence=recurrence,
    )


def _texts(reader: YamlReader, fields: Mapping[str, yaml.Node], key: str, name: str) -> Iterator[str]:
    for index, node in enumerate(reader.sequence(fields.get(name), f"{key}.{name}")):
        yield reader.text(node, f"{key}.{name}[{index}]")


def _check_whose(
    reader: YamlReader, node: yaml.Node, fields: Mapping[str, yaml.Node], key: str, names_some: bool
) -> None:
    if "fleet" in fields:
        if reader.source_text(fields["fleet"], f"{key}.fleet") != "true":
            reader.fail(fields["fleet"], f"{key}.fleet", "can only be true")
        if names_some:
            reader.fail(fields["fleet"], f"{key}.fleet", "is said beside apps or teams; say one or the other")
    elif not names_some:
        reader.fail(node, key, "is about nobody: name apps, teams or fleet: true")


def _once(
    reader: YamlReader, node: yaml.Node, fields: Mapping[str, yaml.Node], key: str, start: datetime, zone: str
) -> tuple[datetime, datetime]:
    """Begin and end of a window that comes once."""
    begin = start.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    if ("end" in fields) == ("duration" in fields):
        reader.fail(node, key, "has no end: say end or duration, one of them, or rrule and duration")
    if "duration" in fields:
        return begin, begin + _length(reader, fields["duration"], f"{key}.duration")
    end = _wall(reader, fields["end"], f"{key}.end", zone).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    if problem := span_problem(begin, end):
        reader.fail(fields["end"], f"{key}.end", problem)
    return begin, end


def span_problem(begin: datetime, end: datetime) -> str:
    """What is wrong with the end of a window, completing ``<key> ...``; empty where nothing is."""
    longest = maintenance_policy().longest
    if end <= begin:
        return "is not after its start"
    if end - begin > longest:
        return f"is more than {longest.days} days after its start; that is no maintenance"
    return ""


def _length(reader: YamlReader, node: yaml.Node, key: str) -> timedelta:
    text = reader.source_text(node, key).strip()
    found = _LENGTH.fullmatch(text)
    if not found:
        reader.fail(node, key, f"is {text!r}; it must be a length such as 90m, 2h or 1d")
    length = int(found[1]) * _UNITS[found[2]]
    longest = maintenance_policy().longest
    if length > longest:
        reader.fail(node, key, f"is {text}, longer than {longest.days} days; that is no maintenance")
    return length


def _wall(reader: YamlReader, node: yaml.Node, key: str, zone: str) -> datetime:
    """A moment as wall time of the zone; one with an offset of its own is told in it."""
    text = reader.source_text(node, key).strip()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        reader.fail(node, key, f"is {text!r}; it must be a moment such as 2026-10-31T02:00")
    if not 1970 < moment.year < 9000:
        reader.fail(node, key, f"is {text!r}, which is in no year that is counted")
    if moment.tzinfo is not None:
        moment = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    return moment.replace(microsecond=0)


def _recurrence(
    reader: YamlReader, node: yaml.Node, fields: Mapping[str, yaml.Node], key: str, start: datetime, zone: str
) -> Recurrence:
    if "end" in fields or "duration" not in fields:
        reader.fail(node, key, "recurs: say duration, how long it lasts each time, in place of end")
    rule = reader.text(fields["rrule"], f"{key}.rrule").removeprefix("RRULE:")

    def fail(problem: str) -> NoReturn:
        reader.fail(fields["rrule"], f"{key}.rrule", problem)

    parts = rule_parts(rule)
    problem = rule_problem(rule, parts)
    if problem:
        fail(problem)
    length = _length(reader, fields["duration"], f"{key}.duration")
    one = Recurrence(start, ";".join(f"{name}={value}" for name, value in parts.items()), zone, length)
    try:
        begins = next(iter(nearby_rule(one, start)), None)
    except (ValueError, TypeError, IndexError) as error:
        fail(f"is {rule!r}, which is no rule: {error}")
    if begins is None:
        fail(f"is {rule!r}, which never begins")
    return one


def rule_problem(rule: str, parts: Mapping[str, str]) -> str:
    """What is wrong with a rule before it is tried, completing ``<key> ...``; empty where nothing is.

    What would begin too often, or be looked for through all years in vain, is refused here.
    """
    policy = maintenance_policy()
    often = parts.get("FREQ", "")
    if not often:
        return f"is {rule!r}; it must begin with FREQ=, such as FREQ=WEEKLY;BYDAY=SU"
    if often not in policy.frequencies:
        return (
            f"begins {often}; it can be {', '.join(policy.frequencies)}, and BYHOUR names hours of a day"
            if often in ("HOURLY", "MINUTELY", "SECONDLY")
            else f"has FREQ={often}; it can be {', '.join(policy.frequencies)}"
        )
    strange = [name for name in parts if name not in policy.parts]
    if strange:
        why = "; the start says minute and second" if strange[0] in ("BYMINUTE", "BYSECOND") else ""
        return f"has {strange[0]}; it can have {', '.join(policy.parts)}{why}"
    if "COUNT" in parts and "UNTIL" in parts:
        return "has both COUNT and UNTIL; one of them ends it"
    for name, most in (("INTERVAL", 1_000), ("COUNT", 10_000)):
        if name in parts and not (parts[name].isdigit() and 1 <= int(parts[name]) <= most):
            return f"has {name}={parts[name]}; it must be a whole number from 1 to {most:,}"
    until = parts.get("UNTIL", "")
    if until and not re.fullmatch(r"\d{8}(T\d{6}Z?)?", until):
        return f"has UNTIL={until}; it must be as 20261231 or 20261231T235959Z"
    return _day_problem(parts)


def _day_problem(parts: Mapping[str, str]) -> str:
    """What is wrong with the days a rule names."""
    days = parts.get("BYDAY", "").split(",") if "BYDAY" in parts else []
    for day in days:
        found = _DAY.fullmatch(day)
        if not found:
            return f"has BYDAY={day}; it must be weekdays such as MO, or 1SU and -1FR of a month"
        number = abs(int(found[1])) if found[1] else None
        if number is not None and (parts["FREQ"] not in ("MONTHLY", "YEARLY") or not 1 <= number <= 5):
            return f"has BYDAY={day}; only a month has its first to fifth, or last, weekday"
    if (
        parts["FREQ"] == "DAILY"
        and int(parts.get("INTERVAL", "1")) > 1
        and ("BYDAY" in parts or "BYMONTHDAY" in parts)
    ):
        return "has INTERVAL beside BYDAY or BYMONTHDAY, which with FREQ=DAILY may never meet; name the days with FREQ=WEEKLY"
    if "BYMONTH" in parts and "BYMONTHDAY" in parts:
        months = [int(one) for one in parts["BYMONTH"].split(",") if one.isdigit() and 1 <= int(one) <= 12]
        least = min(
            (abs(int(one)) for one in parts["BYMONTHDAY"].split(",") if one.lstrip("+-").isdigit()), default=0
        )
        if least > max((_DAYS_OF_MONTHS[month - 1] for month in months), default=31):
            return f"has BYMONTHDAY={parts['BYMONTHDAY']}, which the months it names do not have"
    return ""
