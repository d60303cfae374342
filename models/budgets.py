"""Budgets with effective dates: the lines of ``budgets.yaml``, what a period's budget is, what is left, and when it runs out.

Takes composed YAML nodes and frames; reading files and predicting cost do not belong here (``models.forecast``). Amounts are
Decimal; what is predicted is a float and its name says ``expected``, ``low`` or ``high``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import yaml

from models.charges import is_trend
from models.errors import ConfigurationError
from models.focus import currencies
from models.forecast import (
    SCOPES,
    Ahead,
    Flags,
    Floats,
    added,
    band_of,
    groups_of,
    owners_of_apps,
    recurring_again,
    scope_name,
    window_sums,
)
from models.identity import UNASSIGNED
from models.money import exact_sums, exact_total, split
from models.registry import OPEN_END, normalised_app_id
from models.schemas import SCHEMAS
from models.statement_csv import plain
from models.yaml_reader import Document, YamlReader, is_empty

PERIODS: Mapping[str, int] = {"month": 1, "quarter": 3, "year": 12}
"""Period of a budget -> its calendar months."""

_AMOUNT = re.compile(r"[0-9]{1,15}(\.[0-9]{1,18})?")
_SHARE = re.compile(r"[0-9]{1,3}(\.[0-9]{1,6})?")
_KEYS = {"app", "team", "fleet", "amount", "currency", "period", "from", "until", "alerts"}


class Key(NamedTuple):
    """What a budget is of; lines of one key follow each other in time."""

    scope: str
    name: str
    currency: str
    period: str


@dataclass(frozen=True)
class BudgetLine:
    """One line of ``budgets.yaml``: an amount per period from a day on, to another if it has one, both included."""

    key: Key
    amount: Decimal
    first: date
    last: date
    alerts: tuple[Decimal, ...]
    where: str

    @property
    def words(self) -> str:
        """The line in words."""
        until = "" if self.last == OPEN_END else f" to {self.last}"
        return f"{self.key.currency} {plain(self.amount)} a {self.key.period} from {self.first}{until}"


@cache
def usual_alerts() -> tuple[Decimal, ...]:
    """Shares to alert at where a line names none (``budgets.yaml`` of the policy)."""
    text = (resources.files("models") / "policy" / "budgets.yaml").read_text("utf-8")
    return tuple(Decimal(one) for one in yaml.safe_load(text)["alerts"])


def budget_lines(document: Document) -> list[BudgetLine]:
    """Lines of a ``budgets.yaml``, by what they are of and then by day.

    Raises:
        ConfigurationError: an unknown or missing key, an amount, day, share, currency or period that cannot be one, or two
            lines of one budget that hold on the same day; names file, line and key.
    """
    if is_empty(document.node):
        return []
    reader = YamlReader(document.file)
    fields = reader.mapping(document.node, "", {"budgets"})
    nodes = reader.sequence(fields.get("budgets"), "budgets")
    lines = sorted(
        (_line(reader, node, f"budgets[{index}]") for index, node in enumerate(nodes)),
        key=lambda one: (one.key, one.first),
    )
    for before, after in zip(lines, lines[1:], strict=False):
        if before.key == after.key and after.first <= before.last:
            raise ConfigurationError(
                f"{after.where}: budgets of {_of(after.key)} hold twice on {after.first}, by {before.where} too; "
                f"end that one by `until: {after.first - timedelta(days=1)}`"
            )
    return lines


def _line(reader: YamlReader, node: yaml.Node, key: str) -> BudgetLine:
    fields = reader.mapping(node, key, _KEYS)
    for needed in ("amount", "currency", "from"):
        if needed not in fields:
            reader.fail(node, f"{key}.{needed}", "is missing")
    scope, name = _scope(reader, node, fields, key)
    currency = reader.text(fields["currency"], f"{key}.currency")
    if currency not in currencies():
        reader.fail(fields["currency"], f"{key}.currency", f"is {currency!r}, which is no code of ISO 4217")
    period = reader.optional_text(fields.get("period"), f"{key}.period") or "month"
    if period not in PERIODS:
        reader.fail(fields["period"], f"{key}.period", f"is {period!r}; it can be {', '.join(PERIODS)}")
    first = _day(reader, fields["from"], f"{key}.from")
    last = _day(reader, fields["until"], f"{key}.until") if "until" in fields else OPEN_END
    if last < first:
        reader.fail(fields["until"], f"{key}.until", f"is {last}, before the line begins")
    alerts = tuple(
        _number(reader, share, f"{key}.alerts[{index}]", _SHARE, "a share of the budget, such as 0.8")
        for index, share in enumerate(reader.sequence(fields.get("alerts"), f"{key}.alerts"))
    )
    amount = _number(
        reader, fields["amount"], f"{key}.amount", _AMOUNT, "an amount above zero in digits, such as 1200.50"
    )
    return BudgetLine(
        Key(scope, name, currency, period),
        amount,
        first,
        last,
        tuple(sorted(set(alerts))) or usual_alerts(),
        reader.where(node),
    )


def _scope(reader: YamlReader, node: yaml.Node, fields: Mapping[str, yaml.Node], key: str) -> tuple[str, str]:
    """What a line is of, and its name."""
    given = [scope for scope in SCOPES if scope in fields]
    if len(given) != 1:
        reader.fail(node, key, "must name one of app, team or fleet: true")
    [scope] = given
    if scope == "fleet":
        if reader.source_text(fields["fleet"], f"{key}.fleet") != "true":
            reader.fail(fields["fleet"], f"{key}.fleet", "can only be true")
        return scope, ""
    name = reader.text(fields[scope], f"{key}.{scope}")
    return scope, normalised_app_id(name) if scope == "app" else name


def _number(reader: YamlReader, node: yaml.Node, key: str, form: re.Pattern[str], what: str) -> Decimal:
    """A number as it is written, never by way of a float."""
    text = reader.source_text(node, key).strip()
    if not form.fullmatch(text) or not Decimal(text):
        reader.fail(node, key, f"is {text!r}; it must be {what}")
    return Decimal(text)


def _day(reader: YamlReader, node: yaml.Node, key: str) -> date:
    text = reader.source_text(node, key).strip()
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = OPEN_END
    if not date(1970, 1, 1) <= day < OPEN_END:
        reader.fail(node, key, f"is {text!r}; it must be a day as 2026-01-31")
    return day


def _of(key: Key) -> str:
    return f"the {' '.join(filter(None, (key.scope, key.name)))} in {key.currency} a {key.period}"


def period_of(day: date, period: str) -> tuple[date, date]:
    """First and last day of the calendar period a day is in (UTC)."""
    months = PERIODS[period]
    first = date(day.year, (day.month - 1) // months * months + 1, 1)
    after = (first + timedelta(days=31 * months)).replace(day=1)
    return first, after - timedelta(days=1)


@dataclass(frozen=True)
class Budget:
    """What a period's budget is: the days that have one, its amount, when to alert, and the lines it is made of."""

    key: Key
    first: date
    last: date
    amount: Decimal
    alerts: tuple[Decimal, ...]
    basis: str


def budgets_on(lines: Iterable[BudgetLine], day: date) -> list[Budget]:
    """The budgets of the periods a day is in, of those that have one on that day.

    A line that holds for a part of the period only gives its amount's share of the period's days, to the last digit by
    largest remainder. The period then has the days of its lines without a gap around ``day``, and alerts of the line that
    holds on it.
    """
    by_key: dict[Key, list[BudgetLine]] = {}
    for line in lines:
        by_key.setdefault(line.key, []).append(line)
    found = (_budget_on(key, of_key, day) for key, of_key in by_key.items())
    return [one for one in found if one]


def _budget_on(key: Key, lines: Sequence[BudgetLine], day: date) -> Budget | None:
    first, last = period_of(day, key.period)
    places = [place for place, line in enumerate(lines) if line.first <= day <= line.last]
    if not places:
        return None
    low = high = places[0]
    while low and lines[low - 1].last + timedelta(days=1) == lines[low].first and lines[low].first > first:
        low -= 1
    while high + 1 < len(lines) and lines[high].last + timedelta(days=1) == lines[high + 1].first <= last:
        high += 1
    held = lines[low : high + 1]
    return Budget(
        key,
        max(first, held[0].first),
        min(last, held[-1].last),
        exact_total(_share_of_period(line, first, last) for line in held),
        lines[places[0]].alerts,
        "; ".join(line.words for line in held),
    )


def _share_of_period(line: BudgetLine, first: date, last: date) -> Decimal:
    """Of the amount of a line, what falls to the days of a period it holds on."""
    days = (min(last, line.last) - max(first, line.first)).days + 1
    whole = (last - first).days + 1
    return line.amount if days == whole else split(line.amount, [days, whole - days])[0]


def budget_states(
    budgets: Sequence[Budget], charges: pl.DataFrame, ahead_to: Mapping[date, Ahead], as_of: date
) -> pl.DataFrame:
    """What is spent of every budget, what its period is expected to come to, and the day it runs out: the columns of
    ``mart_budget_states``, sorted by scope, name, currency and period.

    Args:
        charges: as for ``models.forecast.month_ends``, from the first day of every budget on.
        ahead_to: ``models.forecast.usage_ahead`` to the last day of every budget.
    """
    owners = dict(owners_of_apps(charges).rows())
    rows = []
    for last in sorted({one.last for one in budgets}):
        of_day = [one for one in budgets if one.last == last]
        known = pl.concat(
            [
                charges.filter(
                    (pl.col("usage_date") <= as_of) | (~is_trend() & (pl.col("usage_date") <= last))
                ),
                recurring_again(charges, as_of, last),
            ],
            how="diagonal",
        )
        for scope in SCOPES:
            rows += _of_scope(
                scope,
                [one for one in of_day if one.key.scope == scope],
                known,
                charges,
                ahead_to[last],
                as_of,
                owners,
            )
    schema = SCHEMAS["mart_budget_states"]
    return pl.DataFrame(rows, schema=schema, orient="row").sort("scope", "name", "billing_currency", "period")


def _of_scope(
    scope: str,
    budgets: Sequence[Budget],
    known: pl.DataFrame,
    charges: pl.DataFrame,
    seen: Ahead,
    as_of: date,
    owners: Mapping[str, str],
) -> list[dict[str, Any]]:
    """States of the budgets of one scope and last day."""
    if not budgets:
        return []
    keys = ["name", "billing_currency"]
    daily = exact_sums(known.with_columns(name=scope_name(scope)), [*keys, "usage_date"], ("billed_cost",))
    by_name = {
        (name, currency): part.select("usage_date", "billed_cost").rows()
        for (name, currency), part in daily.partition_by(keys, as_dict=True).items()
    }
    named = seen.keys.rename({"owner": "team"}).with_columns(name=scope_name(scope)).select(keys)
    groups, places = groups_of(named)
    is_known: Flags = np.asarray(np.isfinite(seen.expected).all(axis=1), dtype=np.bool_)
    known_days: Floats = np.where(is_known[:, None], seen.expected, 0.0)
    days = added(known_days, places, groups.height)
    expected = days.sum(1)
    low, high = (
        band_of(expected, *window_sums(seen, places, groups.height))
        if days.shape[1]
        else (expected, expected)
    )
    of_group = {key: place for place, key in enumerate(groups.rows())}
    has_forecast = added(is_known.astype(np.float64), places, groups.height) > 0
    rows = []
    for budget in budgets:
        key = (budget.key.name, budget.key.currency)
        place = of_group.get(key)
        rest = _Rest(seen.first, as_of, None, np.nan, np.nan)
        if place is None and key in by_name:  # no usage at all: nothing but known charges is expected
            rest = _Rest(seen.first, as_of, np.zeros(seen.expected.shape[1]), 0.0, 0.0)
        elif place is not None and has_forecast[place]:
            rest = _Rest(seen.first, as_of, days[place], low[place], high[place])
        team = {"app": owners.get(budget.key.name, UNASSIGNED), "team": budget.key.name, "fleet": ""}[scope]
        rows.append(_state(budget, team, by_name.get(key, []), rest, as_of))
    return rows


class _Rest(NamedTuple):
    """Usage expected on each day from ``first`` on, or None where it cannot be said, and the bounds of its sum."""

    first: date
    as_of: date
    days: Any
    low: float
    high: float

    def factors(self) -> tuple[float, float]:
        """What the days are times at the bounds."""
        total = float(self.days.sum())
        return (self.low / total, self.high / total) if total else (1.0, 1.0)

    def on(self, day: date) -> float:
        """Usage expected to be added on a day to come; the first of them takes what is late."""
        place = (day - self.first).days
        start = 0 if day == self.as_of + timedelta(days=1) else place
        return float(self.days[start : place + 1].sum())


def _state(
    budget: Budget, team: str, charged: Sequence[tuple[date, Decimal]], rest: _Rest, as_of: date
) -> dict[str, Any]:
    """The row of one budget."""
    of_period = [(day, cost) for day, cost in charged if budget.first <= day <= budget.last]
    past = [(day, cost) for day, cost in of_period if day <= as_of]
    spent = exact_total(cost for _, cost in past)
    told: dict[str, Any] = dict.fromkeys(
        (
            "expected_total",
            "low_total",
            "high_total",
            "exhausted_on",
            "expected_on",
            "earliest_on",
            "latest_on",
        )
    )
    coming = exact_total(cost for day, cost in of_period if day > as_of)
    is_exhausted = spent >= budget.amount
    if is_exhausted:
        told["exhausted_on"] = _reached(past, budget.amount)
    if rest.days is not None:
        later = {day: float(cost) for day, cost in of_period if day > as_of}
        low, high = rest.factors()
        factors = {"expected": 1.0, "low": low, "high": high}
        known = float(spent + coming)
        for word, factor in factors.items():
            total = known + factor * float(rest.days.sum())
            told[f"{word}_total"] = None if np.isnan(factor) else total
        if not is_exhausted:
            for word, factor in (("expected_on", 1.0), ("latest_on", low), ("earliest_on", high)):
                told[word] = _runs_out(budget, float(spent), later, rest, factor)
    alert = max((one for one in budget.alerts if spent >= one * budget.amount), default=None)
    total = told["expected_total"]
    expected = [one for one in budget.alerts if total is not None and total >= float(one * budget.amount)]
    following = max((one for one in expected if alert is None or one > alert), default=None)
    state = (
        "exhausted"
        if is_exhausted
        else "over"
        if told["expected_on"]
        else "alert"
        if alert is not None
        else "unknown"
        if total is None
        else "ok"
    )
    return {
        "scope": budget.key.scope,
        "name": budget.key.name,
        "team": team,
        "billing_currency": budget.key.currency,
        "period": budget.key.period,
        "first_day": budget.first,
        "last_day": budget.last,
        "as_of": as_of,
        "budget": budget.amount,
        "spent": spent,
        **told,
        "alert_share": alert,
        "next_share": following,
        "state": state,
        "basis": budget.basis,
    }


def _reached(charged: Sequence[tuple[date, Decimal]], amount: Decimal) -> date:
    """Day from which on an amount was spent for good: what a credit gives back is not spent yet."""
    total, since = Decimal(0), charged[0][0]
    was_over = False
    for day, cost in charged:
        total += cost
        if total >= amount and not was_over:
            since = day
        was_over = total >= amount
    return since


def _runs_out(
    budget: Budget, spent: float, later: Mapping[date, float], rest: _Rest, factor: float
) -> date | None:
    """First day to come on which a budget is expected to be spent, or None where it lasts."""
    if np.isnan(factor):
        return None
    day, total = rest.as_of, spent
    while day < budget.last:
        day += timedelta(days=1)
        total += later.get(day, 0.0) + factor * rest.on(day)
        if total >= float(budget.amount):
            return day
    return None
