"""How long raw telemetry is kept: days by how critical an app is, as data, and which partitions are past them.

The numbers are those of ``policy/retention.yaml``, a workspace may write its own. What is read, stamped or dropped, and
when, is the business of ``sql.retention`` and of the load.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from importlib import resources
from typing import Any

import yaml

from models.errors import ConfigurationError

UNSTAMPED = "unstamped"
"""The tier of rows whose ``retention_days`` is 0."""


@dataclass(frozen=True)
class Retention:
    """Days rows are kept, by tier; ``usual`` is the tier of an app nothing is known of, ``by_app`` what the registry says."""

    days: Mapping[str, int]
    usual: str
    unstamped: int
    by_app: Mapping[str, str] = field(default_factory=dict)

    def of(self, app_id: str, criticality: str) -> int:
        """Days a row is stamped with: by the registry's word on its app, else by the row's own ``service.criticality``, else
        as the usual tier. As ``otlp_retention`` has it."""
        said = self.by_app.get(app_id) or criticality.strip(" \t\n\r\f\v").lower()
        return self.days.get(said, self.days[self.usual])

    def kept(self, retention_days: int) -> int:
        """Days a row is kept that was stamped with some."""
        return retention_days or self.unstamped

    def tiers(self, retention_days: int) -> str:
        """Names of the tiers whose days these are now; of days that no tier has any more, that they are stamped."""
        if not retention_days:
            return UNSTAMPED
        return (
            ", ".join(tier for tier, days in self.days.items() if days == retention_days) or "stamped before"
        )

    def bound(self) -> dict[str, Any]:
        """As parameters of an ingest statement; an app without a name is never in the registry."""
        usual = self.days[self.usual]
        apps = {
            "": usual,
            **{app: self.days[tier] for app, tier in sorted(self.by_app.items()) if tier in self.days},
        }
        return {
            "kept_apps": list(apps),
            "kept_app_days": list(apps.values()),
            "kept_tiers": list(self.days),
            "kept_tier_days": list(self.days.values()),
            "kept_usual": usual,
        }


@dataclass(frozen=True)
class Partition:
    """What lies in one partition of a table of raw telemetry: ``bytes`` on disk, about."""

    table: str
    day: date
    retention_days: int
    rows: int
    bytes: int


@dataclass(frozen=True)
class Leaving:
    """A partition past its retention. ``waits`` says why it stays all the same; empty where it may go."""

    partition: Partition
    waits: str = ""


def leaving(
    partitions: Sequence[Partition],
    kept: Retention,
    today: date,
    open_days: Mapping[date, str],
) -> list[Leaving]:
    """The partitions all of whose rows are past their retention, oldest first.

    A row is kept for its whole days after its own: one of the 1st that is kept two days may go on the 4th.

    Args:
        today: the day (UTC) it is.
        open_days: day -> why raw rows of it are needed yet.
    """
    past = [one for one in partitions if is_past(one.day, kept.kept(one.retention_days), today)]
    ordered = sorted(past, key=lambda one: (one.day, one.table, one.retention_days))
    return [Leaving(one, open_days.get(one.day, "")) for one in ordered]


def is_past(day: date, days: int, today: date) -> bool:
    """Whether rows of a day that are kept for some days may go."""
    return day + timedelta(days=days) < today


def first_kept_day(kept: Retention, today: date) -> date:
    """No row from this day on is past its retention, whatever it is stamped with: none was stamped with fewer than
    ``least_days``."""
    return today - timedelta(days=min(_policy()["least_days"], kept.unstamped))


def retention(given: Mapping[str, int] | None = None, by_app: Mapping[str, str] | None = None) -> Retention:
    """The retention of a workspace whose settings say ``given`` (tier or ``unstamped`` -> days) and whose registry says
    ``by_app`` (app -> tier).

    Without a word on them, unstamped rows are kept as long as any tier.

    Raises:
        ConfigurationError: a tier nobody knows, or days out of range.
    """
    given = given or {}
    for name, days in given.items():
        wrong = mistake(name, days)
        if wrong:
            raise ConfigurationError(f"appfleet.yaml, retention.{name}: {wrong}")
    policy = _policy()
    by_tier = {tier: given.get(tier, of) for tier, of in policy["tiers"].items()}
    longest = max(policy[UNSTAMPED], *by_tier.values())
    return Retention(by_tier, policy["usual"], given.get(UNSTAMPED, longest), dict(by_app or {}))


def mistake(name: str, days: int) -> str:
    """What is wrong with a line of a workspace's ``retention:``, or an empty text."""
    policy = _policy()
    if name not in (*policy["tiers"], UNSTAMPED):
        return f"is no tier; tiers are {', '.join([*policy['tiers'], UNSTAMPED])}"
    if not policy["least_days"] <= days <= policy["most_days"]:
        return f"is {days}; it must be days from {policy['least_days']} to {policy['most_days']}"
    return ""


@cache
def _policy() -> dict[str, Any]:
    text = resources.files("models").joinpath("policy", "retention.yaml").read_text(encoding="utf-8")
    policy: dict[str, Any] = yaml.safe_load(text)
    return policy
