"""Providers whose charges are pulled over https as data, the months to ask for, and when one is asked for again.

Facts are in ``policy/billing_apis.yaml``, each with its source. Nothing here opens a connection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib import resources
from typing import Any
from urllib.parse import quote

import yaml

from models.errors import ConfigurationError

SCHEME = "https://"
_FROM, _TO = "{from}", "{to}"
"""What stands for a range in the parameters of a source whose provider names none itself."""
_PLACE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Reports:
    """How a provider writes a report of each invoice of a month: parameters of the month, where its answers hold what, and
    how long a wait between two looks is, at first."""

    token_path: str
    month: str
    year: str
    listed: str
    invoice: str
    path: str
    asks: Mapping[str, str]
    report: str
    state: str
    waiting: tuple[str, ...]
    ready: str
    reason: str
    link: str
    poll_seconds: float


@dataclass(frozen=True)
class BillingApi:
    """A row of ``billing_apis.yaml``; without ``since`` and ``until``, names of parameters, a reply has no range. Where it
    writes ``reports``, ``path`` lists the invoices of a month. ``lacks`` says what of an invoice it leaves out."""

    name: str
    title: str
    path: str
    needs: tuple[str, ...]
    allows: tuple[str, ...]
    form: str
    accept: str
    since: str | None
    until: str | None
    times: str
    longest_days: int | None
    mapping: str | None
    reports: Reports | None = None
    lacks: str = ""


@dataclass(frozen=True)
class Range:
    """Days that are asked for at once, the last one exclusive; ``name`` is that of the object the reply becomes."""

    name: str
    first: date | None = None
    end: date | None = None


@dataclass(frozen=True)
class PullPolicy:
    """How far back and how often a provider is asked."""

    months_back: int
    open_minutes: int
    settled_days: int
    settled_minutes: int


@cache
def _data() -> Mapping[str, Any]:
    text = resources.files("models").joinpath("policy", "billing_apis.yaml").read_text(encoding="utf-8")
    found: Mapping[str, Any] = yaml.safe_load(text)
    return found


@cache
def apis() -> dict[str, BillingApi]:
    """The providers that are known, by the name a source's ``api`` has."""
    return {
        name: BillingApi(
            name=name,
            title=row["title"],
            path=row["path"],
            needs=tuple(row["needs"]),
            allows=tuple(row["allows"]),
            form=row["form"],
            accept=row["accept"],
            since=row.get("from"),
            until=row.get("to"),
            times=row.get("times", ""),
            longest_days=row.get("longest_days"),
            mapping=row.get("mapping"),
            reports=_reports(row["reports"]) if "reports" in row else None,
            lacks=row.get("lacks", ""),
        )
        for name, row in _data().items()
        if isinstance(row, dict)
    }


def _reports(row: Mapping[str, Any]) -> Reports:
    return Reports(**{**row, "waiting": tuple(row["waiting"])})


@cache
def pull_policy() -> PullPolicy:
    """The package's own numbers."""
    data = _data()
    return PullPolicy(
        months_back=data["months_back"],
        open_minutes=data["open_minutes"],
        settled_days=data["settled_days"],
        settled_minutes=data["settled_minutes"],
    )


def mapping_of(name: str | None) -> str | None:
    """The mapping a provider's replies are read by; None where they are whole FOCUS."""
    return apis()[name].mapping if name else None


def check_parameters(api: BillingApi, given: Mapping[str, str]) -> None:
    """Does nothing where a source gives what a provider asks for.

    Raises:
        ConfigurationError: one is missing, not known, or one that is ours to set.
    """
    for name in api.needs:
        if not given.get(name):
            raise ConfigurationError(f"{api.title} needs the parameter {name}")
    for name in given:
        if name in (api.since, api.until):
            raise ConfigurationError(f"the parameter {name} is set for each request; say `since` instead")
        if "*" not in api.allows and name not in (*api.needs, *api.allows):
            known = ", ".join((*api.needs, *api.allows)) or "none"
            raise ConfigurationError(f"{api.title} knows no parameter {name}; it takes {known}")


def target_of(
    api: BillingApi, location: str, given: Mapping[str, str], asked: Range
) -> tuple[str, dict[str, str]]:
    """Address and query of the request for a range."""
    path, query = _filled(api.path, given)
    if asked.first and asked.end:
        first, end = (_midnight(day).strftime(api.times) for day in (asked.first, asked.end))
        query = {name: value.replace(_FROM, first).replace(_TO, end) for name, value in query.items()}
        if api.since and api.until:
            query |= {api.since: first, api.until: end}
    return location.rstrip("/") + path, query


def listing_of(
    api: BillingApi, location: str, given: Mapping[str, str], asked: Range
) -> tuple[str, dict[str, str]]:
    """Address and query of the request for the invoices of a month, where a provider writes reports of them."""
    assert api.reports and asked.first
    path, query = _filled(api.path, given)
    month = {api.reports.month: str(asked.first.month), api.reports.year: str(asked.first.year)}
    return location.rstrip("/") + path, query | month


def report_of(api: BillingApi, location: str, given: Mapping[str, str], invoice: str) -> str:
    """Address where a report of an invoice is asked for."""
    assert api.reports
    return location.rstrip("/") + _filled(api.reports.path, {**given, api.reports.invoice: invoice})[0]


def _filled(path: str, given: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """A path with its parameters in their places, and those it has no place for."""
    in_path = set(_PLACE.findall(path))
    filled = _PLACE.sub(lambda match: quote(given[match[1]], safe=""), path)
    return filled, {name: value for name, value in given.items() if name not in in_path}


def ranges(
    api: BillingApi, since: date | None, now: datetime, given: Mapping[str, str] | None = None
) -> list[Range]:
    """What is asked for: each calendar month from ``since`` on, the running one to the end of today; all there is at once
    where neither the provider nor a parameter of the source has a range.

    Raises:
        ConfigurationError: ``since`` lies in the future.
    """
    if not api.reports and not api.since and not any(_FROM in value for value in (given or {}).values()):
        return [Range(f"charges.{api.form}")]
    today = now.astimezone(UTC).date()
    first = (since or months_before(today, pull_policy().months_back)).replace(day=1)
    if first > today:
        raise ConfigurationError(f"since {first:%Y-%m} lies in the future")
    found = []
    while first <= today:
        end = min(months_before(first, -1), today + timedelta(days=1))
        assert api.longest_days is None or (end - first).days <= api.longest_days
        found.append(Range(f"{first:%Y-%m}.{api.form}", first, end))
        first = months_before(first, -1)
    return found


def is_due(asked: Range, pulled_at: datetime | None, now: datetime) -> bool:
    """Whether a range is to be asked for (again); an old reply for a month that is settled holds longer."""
    if pulled_at is None:
        return True
    numbers = pull_policy()
    is_settled = asked.end is not None and now >= _midnight(asked.end) + timedelta(days=numbers.settled_days)
    minutes = numbers.settled_minutes if is_settled else numbers.open_minutes
    return now - pulled_at >= timedelta(minutes=minutes)


def months_before(day: date, months: int) -> date:
    """The first day of the month so many months before that of a day."""
    number = day.year * 12 + day.month - 1 - months
    return date(number // 12, number % 12 + 1, 1)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
