"""Shared cost against fractions: parts sum to the whole in both ledgers, no app is cut off, and no order changes a digit."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import ConfigurationError, ModelError
from models.money import decimal_series, split, split_units, units_of
from models.ownership import ALWAYS
from models.policy import shared_cost_policy
from models.registry import OPEN_END
from models.schemas import MONEY, SCHEMAS, SECOND
from models.shared_costs import (
    QUANTITY,
    ChargePart,
    ChargeSplitting,
    Split,
    Weights,
    Window,
    in_tiers,
    shared_costs,
    window_of,
    with_minimum,
)
from models.shared_rules import Rules, Tier, shared_rules
from models.yaml_reader import documents

DAY = date(2026, 10, 5)
MONTH = date(2026, 10, 1)
NOON = datetime(2026, 10, 5, tzinfo=UTC)
ROW: dict[str, Any] = {
    **{name: "" for name, kind in SCHEMAS["core_app_costs_daily"].items() if kind == pl.String},
    **dict.fromkeys(("account", "project", "region", "commitment", "description"), ""),
    "usage_date": DAY,
    "source_name": "aws",
    "app_id": "unallocated",
    "team": "unassigned",
    "billing_currency": "USD",
    "attribution_rule": "unallocated",
    "confidence": 0.0,
    "tags": [],
    "period_start": NOON,
    "period_end": NOON + timedelta(days=1),
    "charges": 1,
    "billed_cost": Decimal(0),
    "effective_cost": Decimal(0),
}
TYPES: dict[str, Any] = {
    **{name: pl.String() for name, value in ROW.items() if isinstance(value, str)},
    "usage_date": pl.Date(),
    "confidence": pl.Float64(),
    "tags": pl.List(pl.String),
    "period_start": SECOND,
    "period_end": SECOND,
    "charges": pl.UInt64(),
    "billed_cost": MONEY,
    "effective_cost": MONEY,
}

amounts = st.decimals(-(10**6), 10**6, places=18, allow_nan=False)
names = st.lists(st.text("abcdefgh", min_size=1, max_size=4), min_size=1, max_size=30, unique=True)


def rules(lines: str) -> Rules:
    return shared_rules(documents(f'version: "7"\nrules:\n{lines}', "rules.yaml")[0])


def pools(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([{**ROW, **row} for row in rows], schema=TYPES)


def registry(ids: list[str], **more: Any) -> pl.DataFrame:
    line = {
        "valid_from": ALWAYS,
        "valid_to": OPEN_END,
        "team": "red",
        "cost_center": "1",
        "system": "",
        "lifecycle": "",
        "criticality": "",
        "tags": [],
    }
    schema = {
        "app_id": pl.String,
        "valid_from": pl.Date,
        "valid_to": pl.Date,
        **dict.fromkeys(("team", "cost_center", "system", "lifecycle", "criticality"), pl.String),
        "tags": pl.List(pl.String),
    }
    return pl.DataFrame([{"app_id": one, **line, **more} for one in ids], schema=schema)


def given_by(lines: str, frame: pl.DataFrame, apps: pl.DataFrame, weights: Weights | None = None) -> Split:
    return shared_costs(
        MONTH, frame, rules(lines), apps, weights or Weights(), shared_cost_policy().confidence
    )


def sums(frame: pl.DataFrame, *by: str) -> dict[Any, tuple[Fraction, Fraction]]:
    """Exact sums of both ledgers in fractions, without those of nothing."""
    found: dict[Any, list[Fraction]] = {}
    for row in frame.iter_rows(named=True):
        sum_ = found.setdefault(tuple(row[one] for one in by), [Fraction(0), Fraction(0)])
        sum_[0] += Fraction(row["billed_cost"])
        sum_[1] += Fraction(row["effective_cost"])
    return {key: (one[0], one[1]) for key, one in found.items() if any(one)}


def by_fractions(amount: Decimal, weights: list[int]) -> list[Fraction]:
    """Largest remainder, on a tie to the first, in fractions of the last place."""
    place = Fraction(1, 10**18)
    exact = [Fraction(amount) * weight / sum(weights) / place for weight in weights]
    parts = [one.numerator // one.denominator for one in exact]
    order = sorted(range(len(parts)), key=lambda index: (parts[index] - exact[index], index))
    for index in order[: int(Fraction(amount) / place) - sum(parts)]:
        parts[index] += 1
    return [part * place for part in parts]


@settings(max_examples=50, deadline=None)
@given(amounts, st.lists(st.integers(0, 10**30), min_size=1, max_size=50).filter(any))
def test_units_are_split_as_decimals_are(amount: Decimal, weights: list[int]) -> None:
    parts = split_units(units_of(amount), weights)
    assert [Fraction(part, 10**18) for part in parts] == by_fractions(amount, weights)
    assert [Decimal(part).scaleb(-18) for part in parts] == split(amount, weights) or max(weights) > 10**20
    assert sum(parts) == units_of(amount)


@pytest.mark.parametrize("weights", [[], [0, 0], [1, -1]])
def test_weights_that_cannot_divide_are_refused(weights: list[int]) -> None:
    with pytest.raises(ModelError, match="leave the cost unallocated"):
        split_units(100, weights)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-(10**38) + 1, 10**38 - 1), max_size=20), st.integers(0, 18))
def test_columns_of_decimals_are_their_units(units: list[int], places: int) -> None:
    column = decimal_series("x", units, places)
    assert column.dtype == pl.Decimal(38, places)
    assert [units_of(one, places) for one in column] == units


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ModelError, match="more than 38 digits"):
        decimal_series("x", [10**38], 18)
    with pytest.raises(ModelError, match="no amount of at most 2 places"):
        units_of(Decimal("0.001"), 2)


@settings(max_examples=30, deadline=None)
@given(names, amounts, amounts, st.randoms(use_true_random=False))
def test_whatever_the_order_every_app_gets_its_part_and_the_parts_are_the_whole(
    ids: list[str], billed: Decimal, effective: Decimal, chance: random.Random
) -> None:
    frame = pools(
        {"billed_cost": billed, "effective_cost": effective},
        {"billed_cost": effective, "service_name": "other", "billing_currency": "EUR"},
        {"effective_cost": billed, "app_id": "platform"},
    )
    measured = {app: chance.choice([0, 1, 7, 10**9, 10**15 + 3]) for app in ids}
    weights = Weights(days={"requests": {DAY: measured}})
    lines = (
        "  - {name: even, split: even, take: {service: other}}\n"
        "  - {name: asked, split: requests, fallback: even, take: {app: [unallocated, platform]}}\n"
    )
    answer = given_by(lines, frame, registry(ids), weights)
    again = given_by(lines, frame.reverse(), registry(chance.sample(ids, len(ids))), weights)
    for one, other in zip(answer, again, strict=True):
        assert one.sort(one.columns).equals(other.sort(other.columns))
    assert sums(answer.costs, "billing_currency") == sums(frame, "billing_currency")
    order = sorted(ids)
    usage = [measured[app] for app in order] if any(measured.values()) else [1] * len(order)
    told = {
        (app, "EUR"): part for app, part in zip(order, by_fractions(effective, [1] * len(order)), strict=True)
    }
    told |= {(app, "USD"): part for app, part in zip(order, by_fractions(billed, usage), strict=True)}
    found = {key: one[0] for key, one in sums(answer.costs, "app_id", "billing_currency").items() if one[0]}
    assert found == {key: part for key, part in told.items() if part}
    assert sums(answer.allocations, "billing_currency") == sums(frame, "billing_currency")


@settings(max_examples=30, deadline=None)
@given(amounts, amounts, names.filter(lambda ids: len(ids) > 2))
def test_a_chain_hands_on_what_was_handed_on_to_the_last_digit(
    support: Decimal, own: Decimal, ids: list[str]
) -> None:
    """Support is shared with the platform too, whose cost and share are then split on by what apps cost."""
    platform, *others = sorted(ids)
    frame = pools(
        {"billed_cost": support, "service_name": "Support"},
        {"billed_cost": own, "app_id": platform, "service_name": "Cluster"},
        {"billed_cost": own, "service_name": "nobody's"},
    )
    direct = {app: (place - 1) * 10**18 for place, app in enumerate(others)}  # the first has a credit
    answer = given_by(
        f"  - {{name: support, split: even, take: {{service: support}}}}\n"
        f"  - {{name: cluster, split: direct_cost, fallback: even, take: {{app: {platform}}}}}\n",
        frame,
        registry(ids),
        Weights(direct={DAY: {"USD": direct}}),
    )
    usable = [max(0, direct[app]) for app in others]
    usable = usable if any(usable) else [1] * len(others)
    shares = by_fractions(support, [1] * len(ids))
    on = by_fractions(Decimal(0) + own, usable)
    handed = by_fractions(_decimal(shares[0]), usable)
    told = {app: shares[place + 1] + on[place] + handed[place] for place, app in enumerate(others)}
    found = {key[0]: one[0] for key, one in sums(answer.costs, "app_id").items()}
    assert {app: found.get(app, 0) for app in others} == told
    assert found.get(platform, 0) == 0
    assert found.get("unallocated", 0) == Fraction(own)
    labels = set(answer.costs.filter(pl.col("app_id") != "unallocated")["attribution_rule"])
    assert labels <= {"shared:support", "shared:cluster"}


EVERY_KIND = (
    "  - {name: kept, split: keep, take: {service: keep}}\n"
    "  - {name: support, split: even, take: {service: support}}\n"
    "  - {name: cluster, split: cpu_seconds, fallback: direct_cost, capacity: 1, take: {app: platform}}\n"
    "  - {name: rest, split: fixed, shares: {a: 1, b: 2.5}, take: {service: other}}\n"
)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["keep", "support", "other", "nobody's"]), amounts, amounts, amounts),
        min_size=1,
        max_size=25,
    ),
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 10**14)),
    st.randoms(use_true_random=False),
)
def test_single_charges_are_split_as_their_sums_are(
    charges: list[tuple[str, Decimal, Decimal, Decimal]], used: dict[str, int], chance: random.Random
) -> None:
    """Parts of a charge are the charge, in each ledger; an app has of all charges what the statement gives it."""
    frame = pools(
        *(
            {"service_name": name, "billed_cost": billed, "effective_cost": effective}
            for name, billed, effective, _ in charges
        )
    )
    by = [name for name in frame.columns if name not in ("billed_cost", "effective_cost", "charges")]
    pooled = frame.group_by(by).agg(pl.col("billed_cost", "effective_cost", "charges").sum())
    apps, weights = registry(["a", "b", "c", "platform"]), Weights(days={"cpu_seconds": {DAY: used}})
    answer = shared_costs(MONTH, pooled, rules(EVERY_KIND), apps, weights, shared_cost_policy().confidence)
    splitting = ChargeSplitting(
        MONTH, pooled, rules(EVERY_KIND), apps, weights, shared_cost_policy().confidence
    )
    given_to: dict[tuple[str, str], list[Fraction]] = {}
    rows = list(zip(frame.iter_rows(named=True), (one[3] for one in charges), strict=True))
    for row, listed in chance.sample(rows, len(rows)):
        costs = {name: units_of(row[name]) for name in ("billed_cost", "effective_cost")}
        parts = splitting.parts(row, costs, {"ListCost": units_of(listed)})
        if not parts:
            assert row["service_name"] == "nobody's"
            parts = [ChargePart("unallocated", "", "", "unallocated", "", 0, 0, 10**18, costs)]
        else:
            assert sum(part.amounts["ListCost"] for part in parts) == units_of(listed)
        assert sum(part.ratio for part in parts) == 10**18
        for place, name in enumerate(costs):
            assert sum(part.amounts[name] for part in parts) == costs[name]
            for part in parts:
                exact = Fraction(costs[name] * part.ratio, 10**18)
                # of three rules in a row each is a unit of the last place off at most, and so is the ratio of each
                assert abs(part.amounts[name] - exact) < 6 + Fraction(3 * abs(costs[name]), 10**18)
                sum_ = given_to.setdefault((part.app_id, part.rule), [Fraction(0), Fraction(0)])
                sum_[place] += Fraction(part.amounts[name], 10**18)
    found = {key: (one[0], one[1]) for key, one in given_to.items() if any(one)}
    assert found == sums(answer.costs, "app_id", "attribution_rule")


def _decimal(amount: Fraction) -> Decimal:
    units = amount * 10**18
    assert units.denominator == 1
    sign, digits = int(units < 0), tuple(map(int, str(abs(units.numerator))))
    return Decimal((sign, digits, -18))


def test_capacity_nobody_used_and_what_is_kept_are_lines_of_their_own() -> None:
    frame = pools(
        {"billed_cost": Decimal(24), "app_id": "platform"},
        {"effective_cost": Decimal(5), "commitment": "Unused"},
        {"billed_cost": Decimal(1)},
    )
    answer = given_by(
        "  - {name: cluster, split: cpu_seconds, fallback: keep, capacity: 10, take: {app: platform}}\n"
        "  - {name: unused, split: keep, take: {commitment: unused}}\n",
        frame,
        registry(["a", "b", "platform"]),
        Weights(days={"cpu_seconds": {DAY: {"a": 20 * QUANTITY, "b": 40 * QUANTITY}}}),
    )
    told = {
        ("a", "shared:cluster"): (2, 0),  # 20 of 10 an hour in 24 hours
        ("b", "shared:cluster"): (4, 0),
        ("platform", "idle:cluster"): (18, 0),
        ("unallocated", "shared:unused"): (0, 5),
        ("unallocated", "unallocated"): (1, 0),
    }
    assert sums(answer.costs, "app_id", "attribution_rule") == told
    rows = {(row["app_id"], row["allocation_rule"]): row for row in answer.allocations.iter_rows(named=True)}
    assert rows["a", "cluster"]["quantity"] == 20
    assert rows["a", "cluster"]["total_quantity"] == 240
    assert rows["platform", "cluster"]["basis"] == "idle"
    assert rows["unallocated", "unused"]["basis"] == "keep"
    assert {row["rule_version"] for row in rows.values()} == {"7"}


@pytest.mark.parametrize(
    ("fallback", "told"),
    [
        ("even", {("a", "even"): 1, ("b", "even"): 1}),
        ("direct_cost", {("b", "direct_cost"): 2}),
        ("keep", {("unallocated", "keep"): 2}),
    ],
)
def test_where_there_is_no_telemetry_the_stated_fallback_holds_and_says_so(
    fallback: str, told: dict[tuple[str, str], int]
) -> None:
    answer = given_by(
        f"  - {{name: asked, split: requests, fallback: {fallback}}}\n",
        pools({"billed_cost": Decimal(2)}),
        registry(["a", "b"]),
        Weights(direct={DAY: {"USD": {"a": -1, "b": 5}, "EUR": {"a": 9}}}),
    )
    rows = answer.allocations
    assert {(row["app_id"], row["basis"]): row["billed_cost"] for row in rows.iter_rows(named=True)} == told
    assert set(rows["instead_of"]) == {"requests"}


REFUSED = [
    (
        "  - {name: a, split: requests, fallback: refuse}\n",
        ["x"],
        "the rule a has no requests above zero for 2026-10-05",
    ),
    (
        "  - {name: a, split: direct_cost, fallback: refuse, over: month}\n",
        ["x"],
        "for 2026-10-01 to 2026-10-31",
    ),
    (
        "  - {name: a, split: even, to: {teams: blue}}\n",
        ["x"],
        "the rule a has no app to give to on 2026-10-05",
    ),
    ("  - {name: a, split: fixed, shares: {y: 1}}\n", ["x"], "the rule a gives a share to y, which neither"),
]


@pytest.mark.parametrize(("lines", "ids", "sentence"), REFUSED)
def test_a_rule_that_charges_nobody_is_refused_by_name(lines: str, ids: list[str], sentence: str) -> None:
    with pytest.raises(ModelError) as refused:
        given_by(lines, pools({"billed_cost": Decimal(1)}), registry(ids))
    assert sentence in str(refused.value)
    assert str(refused.value).startswith("rules.yaml, line 3: ")


def test_a_circle_that_only_the_registry_closes_is_named() -> None:
    with pytest.raises(ConfigurationError, match="in a circle: a -> b -> a;"):
        given_by(
            "  - {name: a, split: even, take: {app: p}, to: {teams: red}}\n"
            "  - {name: b, split: even, take: {app: q}, to: {teams: red}}\n",
            pools({"billed_cost": Decimal(1), "app_id": "p"}),
            registry(["p", "q", "r"]),
        )


def test_who_is_charged_is_who_held_on_the_day_and_so_is_the_team() -> None:
    moved = pl.concat(
        [
            registry(["moved"], valid_to=date(2026, 10, 6), team="old"),
            registry(["moved"], valid_from=date(2026, 10, 6), team="new"),
            registry(["ended"], valid_to=DAY),
            registry(["later"], valid_from=DAY + timedelta(days=1)),
        ]
    )
    frame = pools(
        {"billed_cost": Decimal(1)}, {"billed_cost": Decimal(2), "usage_date": DAY + timedelta(days=1)}
    )
    answer = given_by("  - {name: a, split: even}\n", frame, moved)
    assert sums(answer.costs, "app_id", "team", "usage_date") == {
        ("moved", "old", DAY): (1, 0),
        ("moved", "new", DAY + timedelta(days=1)): (1, 0),
        ("later", "red", DAY + timedelta(days=1)): (1, 0),
    }


@pytest.mark.parametrize(
    ("over", "split_by", "start", "hours", "told"),
    [
        ("charge_period", "requests", "2026-10-05T13:00", 1, ("2026-10-05T13", "2026-10-05T14")),
        ("charge_period", "requests", "2026-10-05T13:20", 0.5, ("2026-10-05T13", "2026-10-05T14")),
        ("charge_period", "requests", "2026-10-05T13:30", 1, ("2026-10-05", "2026-10-06")),
        ("charge_period", "direct_cost", "2026-10-05T13:00", 1, ("2026-10-05", "2026-10-06")),
        ("charge_period", "requests", "2026-10-05T00:00", 24, ("2026-10-05", "2026-10-06")),
        ("charge_period", "requests", "2026-10-01T00:00", 744, ("2026-10-01", "2026-11-01")),
        ("charge_period", "requests", "2026-10-05T00:00", 0, ("2026-10-05", "2026-10-06")),
        ("day", "requests", "2026-10-05T13:00", 1, ("2026-10-05", "2026-10-06")),
        ("month", "requests", "2026-12-31T13:00", 1, ("2026-12-01", "2027-01-01")),
    ],
)
def test_weights_are_those_of_the_charge_period(
    over: str, split_by: str, start: str, hours: float, told: tuple[str, str]
) -> None:
    [rule] = rules(f"  - {{name: a, split: {split_by}, fallback: even, over: {over}}}\n").lines
    begin = datetime.fromisoformat(start).replace(tzinfo=UTC)
    window = window_of(rule, begin.date(), begin, begin + timedelta(hours=hours))
    assert window == Window(*(datetime.fromisoformat(one).replace(tzinfo=UTC) for one in told))
    assert window.is_hour is (window.hours == 1)


def test_an_hour_is_split_by_its_own_hour() -> None:
    at = NOON + timedelta(hours=7)
    answer = given_by(
        "  - {name: a, split: requests, fallback: keep}\n",
        pools({"billed_cost": Decimal(4), "period_start": at, "period_end": at + timedelta(hours=1)}),
        registry(["a", "b"]),
        Weights(
            hours={"requests": {at: {"a": 1, "b": 3}, at + timedelta(hours=1): {"a": 9}}},
            days={"requests": {DAY: {"a": 9}}},
        ),
    )
    assert sums(answer.costs, "app_id") == {("a",): (1, 0), ("b",): (3, 0)}


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(0, 10**12), min_size=1, max_size=40).filter(any),
    st.fractions(Fraction(1, 10**6), Fraction(1, 3)),
)
def test_nobody_has_less_than_the_minimum_and_the_others_keep_their_proportions(
    weights: list[int], minimum: Fraction
) -> None:
    lifted = with_minimum(weights, minimum)
    shares = [Fraction(one, sum(lifted)) for one in lifted]
    assert min(shares) >= min(minimum, Fraction(1, len(weights)))
    above = [place for place, share in enumerate(shares) if share > minimum]
    if minimum * len(weights) < 1:
        for one in above:
            assert shares[one] * weights[above[0]] == shares[above[0]] * weights[one]
    assert with_minimum(weights, Fraction(0)) == weights


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(0, 10**6), min_size=1, max_size=20),
    st.lists(st.fractions(0, 100, max_denominator=50), min_size=1, max_size=4, unique=True).map(sorted),
    st.lists(st.fractions(0, 3, max_denominator=50), min_size=5, max_size=5),
)
def test_a_tier_weighs_what_lies_in_it(
    quantities: list[int], ends: list[Fraction], rates: list[Fraction]
) -> None:
    ends = [one for one in ends if one]
    tiers = [Tier(end, rate) for end, rate in zip([*ends, None], rates, strict=False)]
    weights = in_tiers(quantities, tiers, 1000)
    told = []
    for quantity in quantities:
        left, begin, weight = Fraction(quantity, 1000), Fraction(0), Fraction(0)
        for end, rate in tiers:
            inside = left if end is None else min(left, end - begin)
            weight, left, begin = weight + inside * rate, left - inside, end or begin
        told.append(weight)
    assert [one * (sum(told) or 1) for one in weights] == [one * (sum(weights) or 0) for one in told]
