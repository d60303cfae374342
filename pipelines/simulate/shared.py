"""Shared cost rules of every kind for a simulated fleet, and what each app must get by them, computed apart from the pipeline.

Exact by whole numbers and Python's fractions. The rules are written as a candidate, ``rules-candidate.yaml``: they hold once they
are the workspace's ``rules.yaml``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from fnmatch import fnmatch
from fractions import Fraction
from typing import Any

import polars as pl
import yaml

from pipelines.simulate.bill import UNIT
from pipelines.simulate.fleet import CURRENCIES, UNALLOCATED, Fleet

FILE = "rules-candidate.yaml"
VERSION = "simulated-1"

MOST_APP_DAYS = 3_000
"""Apps times days up to which the truth has shared costs: fractions take a microsecond each."""

DIGIT = 10**18
"""Amounts are split in 1 / DIGIT of the currency."""

TAX, UNUSED, FEE, CREDIT = (
    {"category": "tax"},
    {"commitment": "unused"},
    {"category": "purchase"},
    {"category": "credit"},
)

Row = tuple[str, date, str, str, str, str, str, str, str, str, str, date]
"""Source, day, app, service, category, class, frequency, team, environment, rule, commitment, end of the charge period."""

Usage = Mapping[str, Mapping[tuple[date, str], Fraction]]
"""Measure -> day and app -> what telemetry says."""


def is_counted(fleet: Fleet) -> bool:
    """Whether a fleet is small enough to be split by fractions."""
    return len(fleet.apps) * fleet.days <= MOST_APP_DAYS


def rules_of(fleet: Fleet) -> list[dict[str, Any]]:
    """The rules: a list that is written as YAML and read by ``answers``."""
    registered = [app.app_id for app in fleet.apps if app.registered]
    rules: list[dict[str, Any]] = [
        {"name": "tax", "take": TAX, "split": "even"},
        {
            "name": "unused-commitment",
            "take": UNUSED,
            "split": "direct_cost",
            "over": "month",
            "fallback": "even",
        },
        {"name": "commitment-fee", "take": FEE, "split": "keep"},
        {"name": "credits", "take": CREDIT, "split": "span_seconds", "over": "month", "fallback": "even"},
        {
            "name": "databases",
            "take": {"service": ["*database*", "*dynamodb*", "*cosmos*"]},
            "split": "fixed",
            "shares": dict(zip(registered, ("50", "33.3", "0.7"), strict=False)),
        },
        {
            "name": "queues",
            "take": {"service": ["*queue*", "service bus"]},
            "split": "requests",
            "fallback": "direct_cost",
            "tiers": [{"up_to": 10, "rate": 1}, {"rate": "0.25"}],
        },
        {
            "name": "gateways",
            "take": {"service": ["*gateway*"]},
            "split": "requests",
            "fallback": "keep",
            "capacity": 20,
        },
        {
            "name": "functions",
            "take": {"service": ["*lambda*", "*functions*"]},
            "split": "cpu_seconds",
            "fallback": "even",
        },
        {
            "name": "monitoring",
            "take": {"service": ["*cloudwatch*", "*monitor*"]},
            "split": "network_bytes",
            "fallback": "even",
            "minimum": "0.004",
        },
        {
            "name": "containers",
            "take": {"service": ["*container*"]},
            "split": "memory_byte_hours",
            "fallback": "direct_cost",
        },
        {
            "name": "storage",
            "take": {"service": ["*storage*"]},
            "split": "storage_byte_hours",
            "fallback": "even",
        },
    ]
    platform = _platform_app(fleet)
    if platform and len(registered) > 2 and platform != registered[0]:
        rules += [
            {
                "name": "compute",
                "take": {"service": ["*compute*", "*app service*"]},
                "split": "even",
                "to": {"apps": [registered[0], platform]},
            },
            {
                "name": "platform-app",
                "take": {"app": platform},
                "split": "direct_cost",
                "fallback": "even",
                "to": {"except": registered[0]},
            },
        ]
    return rules


def rules_text(fleet: Fleet) -> str:
    """The rules as a file."""
    head = "# A shared cost rule of every kind: `appfleet rules diff rules-candidate.yaml` shows what they would change.\n"
    return head + yaml.safe_dump({"version": VERSION, "rules": rules_of(fleet)}, sort_keys=False)


def _platform_app(fleet: Fleet) -> str:
    """A registered app all of whose resources carry its tag: its rows are of one rule and confidence."""
    plain: dict[int, bool] = {}
    for one in fleet.resources:
        is_own = one.rule == "app_tag" and one.app >= 0 and one.answer == fleet.apps[one.app].app_id
        plain[one.app] = plain.get(one.app, True) and is_own
    found = [app.app_id for index, app in enumerate(fleet.apps) if app.registered and plain.get(index)]
    return found[-1] if found else ""


@dataclass
class SharedTruth:
    """Gathers the charges of every month, then says what each app must get."""

    fleet: Fleet
    charges: dict[date, list[tuple[Row, int, int]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, cloud: str, month: date, charges: pl.DataFrame) -> None:
        """Takes the charges of a cloud in a month."""
        if not is_counted(self.fleet):
            return
        for row in charges.iter_rows(named=True):
            tags = {pair["key"]: pair["value"] for pair in row["_tags"] or ()}
            registered = {app.app_id: app.team for app in self.fleet.apps if app.registered}
            key = (
                cloud,
                row["ChargePeriodStart"],
                row["_app_id"],
                row["ServiceName"],
                row["ChargeCategory"],
                row["ChargeClass"] or "",
                row["ChargeFrequency"] or "",
                registered.get(row["_app_id"], tags.get("team", "")),
                tags.get("environment", tags.get("env", "")),
                row["_rule"],
                row["CommitmentDiscountStatus"] or "",
                row["ChargePeriodEnd"],
            )
            self.charges[month].append((key, row["BilledCost"], row["EffectiveCost"]))

    def answers(self, usage: Usage) -> list[dict[str, Any]]:
        """What every app must have per source, month and rule once the rules hold: exact text of amounts.

        None for a fleet that is too large to be counted by hand.
        """
        rules = rules_of(self.fleet)
        if not any(app.registered for app in self.fleet.apps):
            return []
        lines = []
        for month, charges in sorted(self.charges.items()):
            found = _month(rules, self.fleet, charges, usage)
            for (source, app, rule), (billed, effective) in sorted(found.items()):
                lines.append(
                    {
                        "source": source,
                        "period": month.isoformat(),
                        "currency": CURRENCIES[source],
                        "app_id": app,
                        "rule": rule,
                        "billed": _text(billed),
                        "effective": _text(effective),
                    }
                )
        return lines


def _text(units: int) -> str:
    sign, digits = ("-" if units < 0 else ""), f"{abs(units):019d}"
    return f"{sign}{digits[:-18]}.{digits[-18:]}".rstrip("0").rstrip(".")


def _month(
    rules: Sequence[Mapping[str, Any]], fleet: Fleet, charges: Iterable[tuple[Row, int, int]], usage: Usage
) -> dict[tuple[str, str, str], list[int]]:
    """(source, app, rule) -> billed and effective in 1 / DIGIT."""
    taken = {UNALLOCATED} | {rule["take"]["app"] for rule in rules if "app" in rule["take"]}
    found: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0])
    pools: dict[Row, list[int]] = defaultdict(lambda: [0, 0])
    direct: dict[tuple[date, str], Counter[str]] = defaultdict(Counter)
    for row, billed, effective in charges:
        source, day, app = row[0], row[1], row[2]
        sums = pools[row] if app in taken else found[source, app, row[9]]
        sums[0] += billed * (DIGIT // UNIT)
        sums[1] += effective * (DIGIT // UNIT)
        if app != UNALLOCATED:
            direct[day, CURRENCIES[source]][app] += effective
    known = {app.app_id for app in fleet.apps if app.registered} | {
        app for ones in direct.values() for app in ones
    }
    # a part of a charge: the charge, who has it by now, by which label, whether it may still be taken
    parts = [(row, row[2], row[9], costs[0], costs[1]) for row, costs in pools.items()]
    done: list[tuple[Row, str, str, int, int]] = []
    for rule in rules:
        left = []
        for row, app, label, billed, effective in parts:
            if not _takes(rule, row, app):
                left.append((row, app, label, billed, effective))
                continue
            weights = _weights(rule, row, known, direct, usage)
            if weights is None:
                done.append((row, app, f"shared:{rule['name']}", billed, effective))
                continue
            both = zip(_split(billed, weights), _split(effective, weights), strict=True)
            for (target, _), (more_billed, more_effective) in zip(weights, both, strict=True):
                if target is None:
                    done.append((row, app, f"idle:{rule['name']}", more_billed, more_effective))
                else:
                    left.append((row, target, f"shared:{rule['name']}", more_billed, more_effective))
        parts = left
    for row, app, label, billed, effective in (*parts, *done):
        if billed or effective:
            found[row[0], app, label][0] += billed
            found[row[0], app, label][1] += effective
    return dict(found)


def _takes(rule: Mapping[str, Any], row: Row, app: str) -> bool:
    take = rule["take"]
    if app != take.get("app", UNALLOCATED):
        return False
    values = {"service": row[3], "category": row[4], "commitment": row[10]}
    for key, value in values.items():
        wanted = take.get(key, "*")
        if not any(fnmatch(value.lower(), one) for one in (wanted if isinstance(wanted, list) else [wanted])):
            return False
    return True


def _weights(
    rule: Mapping[str, Any],
    row: Row,
    known: set[str],
    direct: Mapping[tuple[date, str], Mapping[str, int]],
    usage: Usage,
) -> list[tuple[str | None, Fraction]] | None:
    """Apps in the order of their ids and what each weighs; None where the cost stays; the last may be nobody (idle)."""
    to = rule.get("to", {})
    apps = sorted(
        app
        for app in known
        if app != rule["take"].get("app")
        and ("apps" not in to or app in to["apps"])
        and not ("except" in to and fnmatch(app, to["except"]))
    )
    day, end = row[1], row[11]
    days = [day + timedelta(days=offset) for offset in range(max(1, (end - day).days))]
    if rule.get("over") == "month":
        first = day.replace(day=1)
        days = [
            first + timedelta(days=offset)
            for offset in range(31)
            if (first + timedelta(days=offset)).month == day.month
        ]

    def measured(split: str) -> list[Fraction]:
        if split == "even":
            return [Fraction(1)] * len(apps)
        if split == "direct_cost":
            sums = [
                sum(direct.get((one, CURRENCIES[row[0]]), {}).get(app, 0) for one in days) for app in apps
            ]
            return [Fraction(max(0, one)) for one in sums]
        return [sum((usage[split].get((one, app), Fraction(0)) for one in days), Fraction(0)) for app in apps]

    split = rule["split"]
    if split == "keep":
        return None
    if split == "fixed":
        return [(app, Fraction(Decimal(share))) for app, share in sorted(rule["shares"].items())]
    weights = measured(split)
    if not any(weights):
        if rule["fallback"] == "keep":
            return None
        weights = measured(rule["fallback"])
        return list(zip(apps, weights, strict=True)) if any(weights) else None
    idle = rule.get("capacity", 0) * 24 * len(days) - sum(weights) if "capacity" in rule else 0
    if "tiers" in rule:
        bound, rate = Fraction(rule["tiers"][0]["up_to"]), Fraction(Decimal(rule["tiers"][1]["rate"]))
        weights = [min(one, bound) + max(Fraction(0), one - bound) * rate for one in weights]
    if "minimum" in rule:
        weights = _lifted(weights, Fraction(Decimal(rule["minimum"])))
    answer: list[tuple[str | None, Fraction]] = list(zip(apps, weights, strict=True))
    return [*answer, (None, Fraction(idle))] if idle > 0 else answer


def _lifted(weights: Sequence[Fraction], least: Fraction) -> list[Fraction]:
    """Shares of the whole of which none is below ``least``: the smallest are lifted, one after the other."""
    if least * len(weights) >= 1:
        return [Fraction(1)] * len(weights)
    order = sorted(range(len(weights)), key=lambda place: weights[place])
    for lifted in range(len(weights)):
        rest = sum((weights[place] for place in order[lifted:]), Fraction(0))
        room = 1 - least * lifted
        if weights[order[lifted]] * room >= least * rest:
            shares = [least] * len(weights)
            for place in order[lifted:]:
                shares[place] = weights[place] * room / rest
            return shares
    raise AssertionError("the largest is never lifted where there is room for all")


def _split(units: int, weights: Sequence[tuple[str | None, Fraction]]) -> list[int]:
    """Largest remainder: what is left over goes to the largest remainders, of equal ones to the first."""
    total = sum((weight for _, weight in weights), Fraction(0))
    shares = [units * weight / total for _, weight in weights]
    parts = [share.numerator // share.denominator for share in shares]
    order = sorted(range(len(parts)), key=lambda place: (parts[place] - shares[place], place))
    for place in order[: units - sum(parts)]:
        parts[place] += 1
    return parts
