"""Splits shared cost among apps by rules: every charge a rule takes is given on to the last digit, in both ledgers, or stays.

Frames and rules in, frames out (``models.shared_rules`` says what a rule is). Amounts are split as whole numbers of their last
place by largest remainder, apps in the order of their ids, so that no order of rows or apps changes a digit.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import accumulate
from math import gcd, lcm
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.errors import ModelError
from models.identity import UNASSIGNED
from models.money import LARGEST_UNITS, decimal_series, exact_sums, money_series, split_units, units_of
from models.ownership import ALWAYS
from models.schemas import MONEY, SCHEMAS, SECOND
from models.shared_rules import (
    DIRECT_COST,
    EVEN,
    FIXED,
    IDLE,
    KEEP,
    REFUSE,
    SELECTABLE,
    Rule,
    Rules,
    Tier,
    refuse_circles,
)
from models.shares import SameSplit, Words, added, money_of, unit_of

SHARED, IDLE_RULE = "shared:", "idle:"
"""What the name of a rule follows in ``attribution_rule`` of what it gave, and of the capacity nobody used."""

COSTS = ("billed_cost", "effective_cost")
KEPT = [name for name in SCHEMAS["core_app_costs_daily"].names() if name != "billing_period"]
LOOKED_AT = tuple(dict.fromkeys((*SELECTABLE.values(), "tags", "period_start", "period_end")))
"""Columns of a pool that rules look at beside those that are kept."""

ALLOCATIONS = SCHEMAS["core_cost_allocations"]
PLACES = 9
"""Places of a quantity."""

QUANTITY: int = 10**PLACES
"""Parts of one that quantities of telemetry are counted in."""

_UNITS = 10**MONEY.scale
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


class Window(NamedTuple):
    """Time a rule measures in: one whole hour, or whole days; ``end`` is not in it (UTC)."""

    start: datetime
    end: datetime

    @property
    def is_hour(self) -> bool:
        """Whether it is shorter than a day."""
        return self.end - self.start < _DAY

    @property
    def days(self) -> list[date]:
        """Its days."""
        count = max(1, (self.end - self.start) // _DAY)
        return [self.start.date() + offset * _DAY for offset in range(count)]

    @property
    def hours(self) -> int:
        """How many hours it has."""
        return (self.end - self.start) // _HOUR


def window_of(rule: Rule, usage_date: date, start: datetime, end: datetime) -> Window:
    """Where a rule measures for a charge: its charge period by whole hours or days, or the day or month it is used in."""
    day = datetime(usage_date.year, usage_date.month, usage_date.day, tzinfo=UTC)
    if rule.over == "month":
        first = day.replace(day=1)
        return Window(first, (first + 31 * _DAY).replace(day=1))
    if rule.over == "day" or end <= start:
        return Window(day, day + _DAY)
    hour = start.replace(minute=0, second=0, microsecond=0)
    if end <= hour + _HOUR and rule.split != DIRECT_COST:
        return Window(hour, hour + _HOUR)
    first = start.replace(hour=0, minute=0, second=0, microsecond=0)
    last = (end - timedelta(microseconds=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return Window(first, last + _DAY)


@dataclass(frozen=True)
class Weights:
    """What apps are weighed by.

    direct: day -> currency -> app -> direct cost, in whole numbers of its last place.
    hours, days: measure -> hour or day -> app -> quantity in ``QUANTITY`` parts of its unit.
    """

    direct: Mapping[date, Mapping[str, Mapping[str, int]]] = field(default_factory=dict)
    hours: Mapping[str, Mapping[datetime, Mapping[str, int]]] = field(default_factory=dict)
    days: Mapping[str, Mapping[date, Mapping[str, int]]] = field(default_factory=dict)

    def of(self, basis: str, window: Window, currency: str) -> dict[str, int]:
        """App -> what it is weighed by in a window."""
        if basis != DIRECT_COST and window.is_hour:
            return dict(self.hours.get(basis, {}).get(window.start, {}))
        found: dict[str, int] = {}
        for day in window.days:
            if basis == DIRECT_COST:
                of_day = self.direct.get(day, {}).get(currency, {})
            else:
                of_day = self.days.get(basis, {}).get(day, {})
            if not found:
                found = dict(of_day)
                continue
            for app, quantity in of_day.items():
                found[app] = found.get(app, 0) + quantity
        return found


@dataclass(frozen=True)
class _Share:
    """How a rule divides in one window what is used on one day: the same for each of its charges.

    ``quantities`` are in parts of ``parts``, ``ratios`` whole numbers of their sum; where ``has_idle``, the last of them is of
    nobody. No app is charged where ``apps`` is empty. ``instead_of`` is what was to be measured where a fallback decided.
    """

    number: int
    rule: Rule
    day: date
    basis: str
    instead_of: str
    window: Window
    apps: tuple[str, ...] = ()
    quantities: tuple[int, ...] = (1,)
    parts: int = 1
    ratios: tuple[int, ...] = (1,)
    has_idle: bool = False


class _Part(NamedTuple):
    """A part of a charge that an app has by now, in whole numbers of the last place; ``share`` is what gave it."""

    charge: int
    app_id: str
    billed: int
    effective: int
    share: _Share | None = None


class _Given(NamedTuple):
    """A part that was split, and the amounts by the order of the share's ratios."""

    part: _Part
    share: _Share
    billed: Words
    effective: Words

    @property
    def stays_with(self) -> str:
        """Whom what is of nobody stays with; empty where the share gives everything to somebody."""
        return self.part.app_id if self.share.has_idle or not self.share.apps else ""


@dataclass
class _Sum:
    """What a share gave of several charges: amounts by the order of its ratios, and of how many rows of the bill."""

    share: _Share
    billed: Words
    effective: Words
    charges: NDArray[np.int64]

    def add(self, other: _Sum) -> None:
        """Adds what the same share gave."""
        is_same = self.billed is self.effective and other.billed is other.effective
        self.billed = added(self.billed, other.billed)
        self.effective = self.billed if is_same else added(self.effective, other.effective)
        self.charges = self.charges + other.charges


_Sums = dict[tuple[int, int, str], _Sum]
"""Sums by what they are of: a kind of charges, the number of the share, and an app."""


class Split(NamedTuple):
    """What the rules made of the pools.

    costs: rows of ``core_app_costs_daily`` that stand for the pools, exact, in no order.
    allocations: rows of ``core_cost_allocations``, sums over what a rule split by the same weights, in no order.
    """

    costs: pl.DataFrame
    allocations: pl.DataFrame


def shared_costs(
    month: date,
    pools: pl.DataFrame,
    rules: Rules,
    apps: pl.DataFrame,
    weights: Weights,
    confidence: Mapping[str, float],
) -> Split:
    """Gives what the rules take of the pools to the apps they name; what no rule takes stays as it is.

    Args:
        month: first day of the billing month.
        pools: ``KEPT``, ``LOOKED_AT`` and ``charges`` (how many a row is of) of ``rules.apps``; ``tags`` a list of values in the order of
            ``rules.tag_keys``.
        apps: ``app_id, valid_from, valid_to, team, cost_center, system, lifecycle, criticality, tags``: who may be charged on which day
            (``valid_to`` is the first day a line no longer holds).
        weights: what rules measure.
        confidence: by basis (``models/policy/shared_costs.yaml``).

    Raises:
        ConfigurationError: rules give to each other in a circle, or against their order.
        ModelError: a rule has nobody to give to, or nothing to weigh by and says to refuse.
    """
    return _Splitting(month, pools, rules, apps, weights, confidence).done()


class _Splitting:
    """One month's pools going through the rules."""

    def __init__(
        self,
        month: date,
        pools: pl.DataFrame,
        rules: Rules,
        apps: pl.DataFrame,
        weights: Weights,
        confidence: Mapping[str, float],
    ) -> None:
        self.month, self.pools, self.rules = month, pools, rules
        self.weights, self.confidence = weights, confidence
        self.lines = apps.sort("valid_from", "app_id")
        lines = list(self.lines.sort("app_id", "valid_from").iter_rows(named=True))
        self.fitting = [[line for line in lines if rule.fits(line)] for rule in rules.lines]
        self.turns = [_turns(fits) for fits in self.fitting]
        charged = {id(rule): _names(fits) for rule, fits in zip(rules.lines, self.fitting, strict=True)}
        refuse_circles(rules.lines, lambda rule, app: app in charged[id(rule)])
        self.shares: list[_Share] = []
        self.known: dict[tuple[object, ...], _Share] = {}
        self.measured: dict[tuple[str, Window, str], dict[str, int]] = {}
        self.splits: dict[int, SameSplit] = {}
        self.going: dict[int, list[tuple[int, str]]] = {}
        self.charged: dict[tuple[int, int], tuple[str, ...]] = {}

    def done(self) -> Split:
        rows = list(self.pools.iter_rows(named=True))
        parts = [
            _Part(charge, row["app_id"], units_of(row["billed_cost"]), units_of(row["effective_cost"]))
            for charge, row in enumerate(rows)
        ]
        given: list[_Given] = []
        for place, rule in enumerate(self.rules.lines):
            left: list[_Part] = []
            for part in parts:
                row = rows[part.charge]
                tags = dict(zip(self.rules.tag_keys, row["tags"], strict=True))
                if not rule.holds_on(row["usage_date"]) or not rule.takes(
                    {**row, "app_id": part.app_id}, tags
                ):
                    left.append(part)
                    continue
                share = self._share(place, row)
                split = self._split(share)
                billed = split.words(part.billed)
                same = part.billed == part.effective
                effective = billed if same else split.words(part.effective)
                given.append(_Given(part, share, billed, effective))
                left += self._given_on(place, given[-1])
            parts = left
        return self._answer(parts, given)

    def _takers(self, place: int) -> set[str]:
        """Apps that rules after a place take from."""
        return {app for later in self.rules.lines[place + 1 :] for app in later.take_apps}

    def _split(self, share: _Share) -> SameSplit:
        """What divides each charge of a share."""
        if share.number not in self.splits:
            self.splits[share.number] = SameSplit(share.ratios)
        return self.splits[share.number]

    def _given_on(self, place: int, given: _Given) -> list[_Part]:
        """Of what was given, parts of apps that a later rule takes from."""
        number = given.share.number
        if number not in self.going:
            takers = self._takers(place)
            self.going[number] = [(nth, app) for nth, app in enumerate(given.share.apps) if app in takers]
        parts = [
            _Part(
                given.part.charge, app, unit_of(given.billed[nth]), unit_of(given.effective[nth]), given.share
            )
            for nth, app in self.going[number]
        ]
        return [one for one in parts if one.billed or one.effective]

    def _share(self, place: int, row: Mapping[str, Any]) -> _Share:
        """How a rule divides a charge.

        Raises:
            ModelError: there is nobody to give to, or nothing to weigh by and the rule says to refuse.
        """
        rule, day, currency = self.rules.lines[place], row["usage_date"], row["billing_currency"]
        window = window_of(rule, day, row["period_start"], row["period_end"])
        key = (place, day, window, currency)
        if key not in self.known:
            self.known[key] = self._new_share(place, rule, day, window, currency)
            self.shares.append(self.known[key])
        return self.known[key]

    def _new_share(self, place: int, rule: Rule, day: date, window: Window, currency: str) -> _Share:
        number = len(self.shares)
        if rule.split == KEEP:
            return _Share(number, rule, day, KEEP, "", window)
        apps = self._apps(place, rule, day)
        basis, instead_of = rule.split, ""
        quantities, parts = self._quantities(rule, basis, apps, window, currency)
        if not any(quantities):
            if rule.fallback in ("", REFUSE):
                raise ModelError(
                    f"{rule.where}: the rule {rule.name} has no {rule.split} above zero for {_said(window)}, so nobody can be "
                    "charged by it; give it a fallback of even, direct_cost or keep"
                )
            basis, instead_of = rule.fallback, rule.split
            if basis != KEEP:
                quantities, parts = self._quantities(rule, basis, apps, window, currency)
                if not any(quantities):  # neither is there a cost to follow
                    basis = KEEP
        if basis == KEEP:
            return _Share(number, rule, day, KEEP, instead_of, window)
        idle = 0
        if rule.capacity is not None and not instead_of:
            idle = max(0, int(rule.capacity * parts) * window.hours - sum(quantities))
        tiers = () if instead_of else rule.tiers
        ratios = with_minimum(in_tiers(quantities, tiers, parts), rule.minimum)
        if idle:
            apps, quantities, ratios = (*apps, ""), [*quantities, idle], [*quantities, idle]
        divisor = gcd(*ratios)
        return _Share(
            number,
            rule,
            day,
            basis,
            instead_of,
            window,
            apps,
            tuple(quantities),
            parts,
            tuple(one // divisor for one in ratios),
            bool(idle),
        )

    def _apps(self, place: int, rule: Rule, day: date) -> tuple[str, ...]:
        """Apps a rule charges on a day, in the order of their ids; those it names by their shares always."""
        fits = self.fitting[place]
        if rule.split == FIXED:
            unknown = sorted(set(rule.shares) - _names(fits))
            if unknown:
                raise ModelError(
                    f"{rule.where}: the rule {rule.name} gives a share to {unknown[0]}, which neither the registry nor the "
                    "bill of the month knows; correct its id or leave it out"
                )
            return tuple(rule.shares)
        key = (
            place,
            bisect_right(self.turns[place], day),
        )  # who holds is the same until the next line begins or ends
        if key not in self.charged:
            held = [line for line in fits if line["valid_from"] <= day < line["valid_to"]]
            if not held:
                raise ModelError(
                    f"{rule.where}: the rule {rule.name} has no app to give to on {day}; correct what is below `to`"
                )
            self.charged[key] = tuple(sorted(_names(held)))
        return self.charged[key]

    def _quantities(
        self, rule: Rule, basis: str, apps: Sequence[str], window: Window, currency: str
    ) -> tuple[list[int], int]:
        """What each app is weighed by, zero and more, and how many parts one is counted in."""
        if basis == EVEN:
            return [1] * len(apps), 1
        if basis == FIXED:
            parts = lcm(*(share.denominator for share in rule.shares.values()))
            return [int(rule.shares[app] * parts) for app in apps], parts
        found = self._measured(basis, window, currency)
        parts = _UNITS if basis == DIRECT_COST else QUANTITY
        return [max(0, found.get(app, 0)) for app in apps], parts

    def _measured(self, basis: str, window: Window, currency: str) -> dict[str, int]:
        """App -> what it is weighed by: a month is added up once, whichever of its days asks."""
        key = (basis, window, currency)
        if key not in self.measured:
            self.measured[key] = self.weights.of(basis, window, currency)
        return self.measured[key]

    def _answer(self, left: Sequence[_Part], given: Sequence[_Given]) -> Split:
        """Rows of costs and of allocations.

        A share gives each of its charges to the same apps in the same order, so what it gave is added up as arrays. Only
        what several shares gave one app of the same charges is looked for among rows.
        """
        shares, first = self._share_rows()
        kinds, of_charge = _distinct(self._charges())
        numbers = of_charge.to_list()
        sums = self._sums(given, lambda one: (numbers[one.part.charge], one.share.number, one.stays_with))
        times = Counter((kind, self.shares[number].rule.name) for kind, number, _ in sums)
        alone: _Sums = {}
        several: _Sums = {}
        for key, one in sums.items():
            (alone if times[key[0], one.share.rule.name] == 1 else several)[key] = one
        passed = self._passed_on([one for one in left if one.share is not None], of_charge)
        shared = pl.concat(
            [
                self._given_rows(alone, shares, first).select(_SHARED),
                exact_sums(
                    pl.concat([self._given_rows(several, shares, first).select(_SHARED), passed]),
                    [name for name in _SHARED if name not in COSTS],
                    COSTS,
                    in_order=False,
                ).select(_SHARED),
            ]
        ).with_columns(environment=pl.lit(""))
        untouched = exact_sums(
            self.pools[[one.charge for one in left if one.share is None]],
            [name for name in KEPT if name not in COSTS],
            COSTS,
            in_order=False,
        )
        of_kind = kinds.drop("kind")[shared["kind"]].get_columns()
        costs = pl.concat([untouched.select(KEPT), shared.hstack(of_kind).select(KEPT)])
        return Split(costs, self._allocations(given, shares, first))

    def _charges(self) -> pl.DataFrame:
        """What a part of a charge keeps of it."""
        own = {"app_id", "team", "cost_center", "environment", "attribution_rule", "confidence", *COSTS}
        return self.pools.select(name for name in KEPT if name not in own)

    def _sums(self, given: Sequence[_Given], key: Callable[[_Given], tuple[int, int, str]]) -> _Sums:
        """What was given by a key that holds the share's number.

        Raises:
            ModelError: a sum could exceed 38 digits.
        """
        for name, ledger in zip(COSTS, _LEDGERS, strict=True):
            if sum(abs(getattr(one.part, ledger)) for one in given) > LARGEST_UNITS:
                raise ModelError(
                    f"the sum of {name} needs more than the 20 digits before the point that exist"
                )
        charges = self.pools["charges"].to_list()
        sums: _Sums = {}
        for one in given:
            is_given = one.billed.any(axis=1) | one.effective.any(axis=1)
            new = _Sum(one.share, one.billed, one.effective, is_given * charges[one.part.charge])
            known = sums.setdefault(key(one), new)
            if known is not new:
                known.add(new)
        return sums

    def _sum_rows(self, sums: _Sums, first: Sequence[int], *, is_going_on: bool) -> pl.DataFrame:
        """One row per part of a sum, none of nothing: ``key, stays_with`` of the sum, ``place`` of its row of the shares,
        amounts and ``charges``; parts of apps that a later rule takes from only where ``is_going_on``."""
        held = []
        for one in sums.values():
            is_row = one.charges > 0
            if not is_going_on:
                is_row[[nth for nth, _ in self.going[one.share.number]]] = False
            held.append(np.flatnonzero(is_row))
        nth = np.repeat(np.arange(len(sums)), [len(rows) for rows in held])
        said = pl.DataFrame(
            {"key": [key for key, *_ in sums], "stays_with": [who for *_, who in sums]},
            schema={"key": pl.UInt32, "stays_with": pl.String},
        )
        starts = np.array([first[one.share.number] for one in sums.values()], dtype=np.int64)

        def column(name: str, nothing: NDArray[Any]) -> NDArray[Any]:
            chosen = [getattr(one, name)[rows] for one, rows in zip(sums.values(), held, strict=True)]
            return np.concatenate([nothing, *chosen])

        ledgers = zip(COSTS, _LEDGERS, strict=True)
        return said[nth].hstack(
            [
                pl.Series("place", starts[nth] + np.concatenate([_NO_PLACES, *held]), dtype=pl.UInt32),
                *(money_of(name, column(ledger, _NO_WORDS)) for name, ledger in ledgers),
                pl.Series("charges", column("charges", _NO_PLACES), dtype=pl.UInt64),
            ]
        )

    def _given_rows(self, sums: _Sums, shares: pl.DataFrame, first: Sequence[int]) -> pl.DataFrame:
        """Parts of sums by the kind of their charges, named by their row of the shares."""
        rows = self._sum_rows(sums, first, is_going_on=False).rename({"key": "kind"})
        return self._named(rows, shares.select(*_OWNED, "usage_date", "attribution_rule", "confidence"))

    def _named(self, rows: pl.DataFrame, shares: pl.DataFrame) -> pl.DataFrame:
        """Adds what their row of the shares says to parts; what is of nobody stays with whom it came from."""
        named = rows.hstack(shares[rows["place"]].get_columns())
        is_nobody = named["app_id"] == ""
        if not is_nobody.any():
            return named
        stays = named.filter(is_nobody).with_columns(app_id="stays_with").drop("team", "cost_center")
        return pl.concat([named.filter(~is_nobody), self._with_owner(stays).select(named.columns)])

    def _share_rows(self) -> tuple[pl.DataFrame, list[int]]:
        """What shares say of each of their apps, and the place of each share's first one."""
        counts = [len(one.ratios) for one in self.shares]
        said = pl.DataFrame(
            [
                (one.day, one.rule.name, one.instead_of, one.basis, one.window.start, one.window.end)
                for one in self.shares
            ],
            schema=_OF_SHARE,
            orient="row",
        ).with_columns(
            decimal_series(
                "total_quantity", [_scaled(sum(one.quantities), one.parts) for one in self.shares], PLACES
            ),
            attribution_rule=pl.concat_str(pl.lit(SHARED), "allocation_rule"),
        )
        apps = [app for one in self.shares for app in one.apps or ("",)]
        quantities = [_scaled(quantity, one.parts) for one in self.shares for quantity in one.quantities]
        ratios: list[int] = []
        for one in self.shares:
            total = sum(one.ratios)
            ratios += [ratio * _UNITS // total for ratio in one.ratios]
        ends = list(accumulate(counts))
        is_idle = np.zeros(len(apps), dtype=np.bool_)
        is_idle[[end - 1 for end, one in zip(ends, self.shares, strict=True) if one.has_idle]] = True
        rows = (
            said[np.repeat(np.arange(len(counts)), counts)]
            .hstack(
                [
                    pl.Series("app_id", apps, dtype=pl.String),
                    decimal_series("quantity", quantities, PLACES),
                    money_series("ratio", ratios),
                    pl.Series("is_idle", is_idle),
                ]
            )
            .with_columns(
                basis=pl.when("is_idle").then(pl.lit(IDLE)).otherwise("basis"),
                attribution_rule=pl.when("is_idle")
                .then(pl.concat_str(pl.lit(IDLE_RULE), "allocation_rule"))
                .otherwise("attribution_rule"),
            )
            .with_columns(
                confidence=pl.col("basis").replace_strict(dict(self.confidence), return_dtype=pl.Float64)
            )
        )
        return self._with_owner(rows), [end - count for end, count in zip(ends, counts, strict=True)]

    def _passed_on(self, parts: Sequence[_Part], of_charge: pl.Series) -> pl.DataFrame:
        """Parts given to an app that a rule takes from, which no rule took."""
        rules = [f"{SHARED}{one.share.rule.name}" for one in parts if one.share]
        sure = [self.confidence[one.share.basis] for one in parts if one.share]
        charges = pl.Series([one.charge for one in parts], dtype=pl.UInt32)
        return self._with_owner(
            pl.DataFrame(
                {
                    "kind": of_charge.gather(charges),
                    "usage_date": self.pools["usage_date"].gather(charges),
                    "app_id": pl.Series([one.app_id for one in parts], dtype=pl.String),
                    "attribution_rule": pl.Series(rules, dtype=pl.String),
                    "confidence": pl.Series(sure, dtype=pl.Float64),
                    "billed_cost": money_series("billed_cost", [one.billed for one in parts]),
                    "effective_cost": money_series("effective_cost", [one.effective for one in parts]),
                }
            )
        ).select(_SHARED)

    def _with_owner(self, shared: pl.DataFrame) -> pl.DataFrame:
        """Adds ``team`` and ``cost_center`` of the app on the day: of the line that held then, else of its first one."""
        days = shared.select("app_id", "usage_date").unique().sort("usage_date", "app_id")
        lines = self.lines.select("app_id", "valid_from", "team", "cost_center")
        first = lines.unique("app_id", keep="first", maintain_order=True).select(
            "app_id", first_team="team", first_center="cost_center"
        )
        owners = (
            days.join_asof(
                lines, left_on="usage_date", right_on="valid_from", by="app_id", check_sortedness=False
            )
            .join(first, on="app_id", how="left")
            .select(
                "app_id",
                "usage_date",
                team=pl.coalesce("team", "first_team", pl.lit(UNASSIGNED)),
                cost_center=pl.coalesce("cost_center", "first_center", pl.lit("")),
            )
        )
        return shared.join(owners, on=["app_id", "usage_date"], how="left", maintain_order="left")

    def _allocations(
        self, given: Sequence[_Given], shares: pl.DataFrame, first: Sequence[int]
    ) -> pl.DataFrame:
        """Sums over what a share gave of one app, day, source and currency: a row of a share says all the rest."""
        kinds, of_charge = _distinct(self.pools.select("source_name", "billing_currency"))
        numbers = of_charge.to_list()
        sums = self._sums(given, lambda one: (numbers[one.part.charge], one.share.number, one.part.app_id))
        rows = self._sum_rows(sums, first, is_going_on=True)
        named = self._named(rows, shares)
        return (
            named.hstack(kinds.drop("kind")[named["key"]].get_columns())
            .with_columns(
                from_app_id=pl.col("stays_with"),
                billing_period=pl.lit(self.month),
                rule_version=pl.lit(self.rules.version),
            )
            .select(ALLOCATIONS.names())
        )


def _scaled(quantity: int, parts: int) -> int:
    """A quantity counted in ``parts`` of one, in ``QUANTITY`` parts."""
    return quantity * QUANTITY // parts


def _distinct(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """Distinct rows by their number ``kind``, and the number of each row."""
    kinds = rows.unique(maintain_order=True).with_row_index("kind")
    numbers = rows.join(kinds, on=rows.columns, how="left", nulls_equal=True, maintain_order="left")["kind"]
    return kinds, numbers


class ChargePart(NamedTuple):
    """One app's part of a charge: who has it by which rule, and its amounts in whole numbers of their last place.

    ``ratio`` is its part of the whole in units of ``MONEY``; ``quantity`` what it was measured by, in ``QUANTITY`` parts, and
    ``basis`` of what.
    """

    app_id: str
    team: str
    cost_center: str
    rule: str
    basis: str
    confidence: float
    quantity: int
    ratio: int
    amounts: Mapping[str, int]


class ChargeSplitting:
    """Gives single charges of a month to the apps that ``shared_costs`` gave the pools they are in.

    ``shared_costs`` splits sums of charges alike. Here each charge is what its pool's parts grow by when it is added: so the
    parts of a charge sum to the charge, those of an app to what it was given, both to the last digit, in whatever order charges
    come. A part may lie one unit of the last place beside its ratio.
    """

    def __init__(
        self,
        month: date,
        pools: pl.DataFrame,
        rules: Rules,
        apps: pl.DataFrame,
        weights: Weights,
        confidence: Mapping[str, float],
    ) -> None:
        """As ``shared_costs``, which these are the arguments of."""
        self._splitting = _Splitting(month, pools, rules, apps, weights, confidence)
        self._rules, self._confidence = rules, confidence
        self._key = [name for name in pools.columns if name not in (*COSTS, "charges")]
        self._grown: dict[tuple[object, ...], tuple[int, list[int]]] = {}
        self._owners: dict[tuple[str, date], tuple[str, str]] = {}
        self._lines: dict[str, list[tuple[date, str, str]]] = {}
        for line in self._splitting.lines.iter_rows(named=True):
            owned = (line["valid_from"], line["team"], line["cost_center"])
            self._lines.setdefault(line["app_id"], []).append(owned)

    def parts(
        self, charge: Mapping[str, Any], grown: Mapping[str, int], alone: Mapping[str, int]
    ) -> list[ChargePart]:
        """Parts of a charge; none where no rule takes it.

        Args:
            charge: columns of the pools, but for amounts.
            grown: the two costs of the statement by their columns' names, in units: every charge must be given once.
            alone: other amounts, in units, split each for itself.

        Raises:
            ModelError: a rule has nobody to give to, or nothing to weigh by and says to refuse.
        """
        pool = tuple(str(charge[name]) if name == "tags" else charge[name] for name in self._key)
        tags = dict(zip(self._rules.tag_keys, charge["tags"], strict=True))
        whole = _Divided(charge["app_id"], 0, None, 0, (), dict(grown), {**alone, _RATIO: _UNITS})
        waiting, done = [whole], []
        for one in waiting:
            place = self._taker(charge, tags, one)
            if place is None:
                done.append(one)
            else:
                waiting += self._divided(charge, pool, one, place)
        return [self._part(one, charge["usage_date"]) for one in done if one.share]

    def _taker(self, charge: Mapping[str, Any], tags: Mapping[str, str], one: _Divided) -> int | None:
        """Place of the rule that takes a part, of those it has not come by; what is kept or idle stays."""
        if one.share and (not one.share.apps or not one.share.apps[one.nth]):
            return None
        row = {**charge, "app_id": one.app_id}
        for place in range(one.start, len(self._rules.lines)):
            rule = self._rules.lines[place]
            if rule.holds_on(charge["usage_date"]) and rule.takes(row, tags):
                return place
        return None

    def _divided(
        self, charge: Mapping[str, Any], pool: tuple[object, ...], one: _Divided, place: int
    ) -> list[_Divided]:
        share = self._splitting._share(place, charge)
        path = (*one.path, place)
        grown = {
            name: self._growth((pool, path, name), units, share.ratios) for name, units in one.grown.items()
        }
        alone = {name: split_units(units, share.ratios) for name, units in one.alone.items()}
        apps = share.apps or ("",)
        return [
            _Divided(
                app or one.app_id,
                place + 1,
                share,
                index,
                (*path, app),
                {name: parts[index] for name, parts in grown.items()},
                {name: parts[index] for name, parts in alone.items()},
            )
            for index, app in enumerate(apps)
            if share.ratios[index]
        ]

    def _growth(self, key: tuple[object, ...], units: int, ratios: Sequence[int]) -> list[int]:
        """What the parts of a sum grow by."""
        total, before = self._grown.get(key, (0, [0] * len(ratios)))
        after = split_units(total + units, ratios)
        self._grown[key] = (total + units, after)
        return [new - old for new, old in zip(after, before, strict=True)]

    def _part(self, one: _Divided, day: date) -> ChargePart:
        assert one.share
        share = one.share
        is_idle = share.has_idle and one.nth == len(share.ratios) - 1
        basis = IDLE if is_idle else share.basis
        team, cost_center = self._owner(one.app_id, day)
        return ChargePart(
            one.app_id,
            team,
            cost_center,
            f"{IDLE_RULE if is_idle else SHARED}{share.rule.name}",
            basis,
            self._confidence[basis],
            share.quantities[one.nth] * QUANTITY // share.parts,
            one.alone[_RATIO],
            {**one.grown, **{name: units for name, units in one.alone.items() if name != _RATIO}},
        )

    def _owner(self, app: str, day: date) -> tuple[str, str]:
        """Team and cost centre of an app on a day: of the line that held then, else of its first one."""
        if (app, day) not in self._owners:
            lines = self._lines.get(app, [])
            held = [line for line in lines if line[0] <= day] or lines[:1]
            _, team, cost_center = held[-1] if len(held) and held[0][0] <= day else (held or [_NOBODY])[0]
            self._owners[app, day] = (team, cost_center)
        return self._owners[app, day]


class _Divided(NamedTuple):
    """A part of a charge on its way: the first rule that may take it, what gave it as the nth, and by which way."""

    app_id: str
    start: int
    share: _Share | None
    nth: int
    path: tuple[object, ...]
    grown: Mapping[str, int]
    alone: Mapping[str, int]


_RATIO = "ratio"
_NOBODY = (ALWAYS, UNASSIGNED, "")
_OWNED = ("app_id", "team", "cost_center")
_SHARED = ["kind", *_OWNED, "attribution_rule", "confidence", *COSTS]
_LEDGERS = ("billed", "effective")
_NO_WORDS: Words = np.empty((0, 2), dtype=np.uint64)
_NO_PLACES = np.empty(0, dtype=np.int64)
_OF_SHARE = {
    "usage_date": pl.Date(),
    "allocation_rule": pl.String(),
    "instead_of": pl.String(),
    "basis": pl.String(),
    "window_start": SECOND,
    "window_end": SECOND,
}


def in_tiers(quantities: Sequence[int], tiers: Sequence[Tier], parts: int) -> list[int]:
    """Weights of quantities, counted in ``parts``: what lies in a tier weighs its rate. Whole numbers of one scale."""
    if not tiers:
        return list(quantities)
    ends = [one.end * parts for one in tiers if one.end is not None]
    scale = lcm(*(end.denominator for end in ends), 1)
    rates = lcm(*(one.rate.denominator for one in tiers))
    bounds = [0, *(int(end * scale) for end in ends)]
    weights = []
    for quantity in quantities:
        whole = quantity * scale
        weight = 0
        for index, tier in enumerate(tiers):
            above = min(whole, bounds[index + 1]) if index + 1 < len(bounds) else whole
            weight += max(0, above - bounds[index]) * int(tier.rate * rates)
        weights.append(weight)
    return weights


def with_minimum(weights: Sequence[int], minimum: Fraction) -> list[int]:
    """Weights by which nobody has less than a share of the whole: whoever would is lifted to it, the others divide the rest
    as they did. Everybody has the same where the shares need the whole, or more."""
    if not minimum or not any(weights):
        return list(weights)
    if minimum * len(weights) >= 1:
        return [1] * len(weights)
    share, of = minimum.numerator, minimum.denominator
    lifted: set[int] = set()
    while True:
        rest = sum(weight for place, weight in enumerate(weights) if place not in lifted)
        left = of - share * len(lifted)
        more = {
            place
            for place, weight in enumerate(weights)
            if place not in lifted and weight * left < share * rest
        }
        if not more:
            return [
                share * rest if place in lifted else weight * left for place, weight in enumerate(weights)
            ]
        lifted |= more


def _turns(lines: Sequence[Mapping[str, Any]]) -> list[date]:
    """Days on which a line begins to hold, or no longer does, in their order."""
    return sorted({line[edge] for line in lines for edge in ("valid_from", "valid_to")})


def _names(lines: Sequence[Mapping[str, Any]]) -> set[str]:
    return {line["app_id"] for line in lines}


def _said(window: Window) -> str:
    """A window for people."""
    if window.is_hour:
        return f"the hour of {window.start:%Y-%m-%d %H:%M} UTC"
    if window.end - window.start == _DAY:
        return f"{window.start:%Y-%m-%d}"
    return f"{window.start:%Y-%m-%d} to {window.end - _DAY:%Y-%m-%d}"
