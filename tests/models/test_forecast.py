"""Forecasts against what can be worked out by hand, and against what must hold whatever the costs are."""

from __future__ import annotations

import calendar
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.errors import ModelError
from models.forecast import (
    POLICY,
    Ahead,
    ahead,
    band_of,
    expected_days,
    month_ends,
    recurring_again,
    same_days_before,
    stopped,
)

Row = dict[str, Any]
SCHEMA = {
    "app_id": pl.String,
    "team": pl.String,
    "billing_currency": pl.String,
    "usage_date": pl.Date,
    "charge_category": pl.String,
    "charge_class": pl.String,
    "charge_frequency": pl.String,
    "billed_cost": pl.Decimal(38, 18),
    "complete_until": pl.Date,
}


def charge(day: date, cost: str | int, **other: Any) -> Row:
    """One charge of usage of one app in dollars, but for what is said."""
    return {
        "app_id": "one",
        "team": "red",
        "billing_currency": "USD",
        "usage_date": day,
        "charge_category": "Usage",
        "charge_class": "",
        "charge_frequency": "Usage-Based",
        "billed_cost": Decimal(cost),
        "complete_until": date(2026, 1, 1),
        **other,
    }


def frame(rows: list[Row], as_of: date) -> pl.DataFrame:
    """Charges of bills that are complete until ``as_of`` where nothing else is said."""
    plain = date(2026, 1, 1)
    told = [
        row | {"complete_until": as_of if row["complete_until"] == plain else row["complete_until"]}
        for row in rows
    ]
    return pl.DataFrame(told, schema=SCHEMA, orient="row")


def days_to(last: date, count: int) -> list[date]:
    """As many days up to one."""
    return [last - timedelta(days=count - 1 - number) for number in range(count)]


def flat(last: date, count: int, cost: str = "10", **other: Any) -> list[Row]:
    """The same usage every day."""
    return [charge(day, cost, **other) for day in days_to(last, count)]


def row_of(ends: pl.DataFrame, scope: str = "app", name: str = "one", currency: str = "USD") -> Row:
    """The one forecast of something."""
    [found] = ends.filter(
        (pl.col("scope") == scope) & (pl.col("name") == name) & (pl.col("billing_currency") == currency)
    ).iter_rows(named=True)
    return found


# every length a month has, a leap February among them, at every place of the month
MONTHS = [(2023, 2), (2024, 2), (2024, 3), (2024, 4), (2024, 12), (2100, 2)]


@pytest.mark.parametrize(("year", "month"), MONTHS)
@pytest.mark.parametrize("day", [1, 7, 15, 27, -1])
def test_what_costs_the_same_every_day_costs_that_times_the_days_of_the_month(
    year: int, month: int, day: int
) -> None:
    length = calendar.monthrange(year, month)[1]
    as_of = date(year, month, length if day == -1 else day)
    found = row_of(month_ends(frame(flat(as_of, 150), as_of), as_of))
    assert found["usage_to_date"] == 10 * as_of.day
    assert found["expected_total"] == pytest.approx(10 * length)
    assert found["low_total"] == pytest.approx(10 * length) == found["high_total"]
    assert found["month"] == date(year, month, 1) and found["state"] == "ok"


def test_weekdays_are_expected_again_as_they_were() -> None:
    """Ten on a weekday, two on a day of the weekend: 17 to 30 November 2025 have ten and four of them to come."""
    as_of = date(2025, 11, 16)
    rows = [charge(day, 2 if day.weekday() > 4 else 10) for day in days_to(as_of, 120)]
    found = row_of(month_ends(frame(rows, as_of), as_of))
    assert found["usage_to_date"] == 10 * 10 + 6 * 2
    assert found["expected_total"] == pytest.approx(112 + 10 * 10 + 4 * 2, rel=1e-3)


def test_a_charge_of_every_month_is_expected_again_and_a_single_one_is_not() -> None:
    as_of = date(2025, 11, 10)
    monthly = [charge(date(2025, month, 20), 110) for month in (8, 9, 10)]
    usual = [
        row for row in flat(as_of, 120) if row["usage_date"] not in {one["usage_date"] for one in monthly}
    ]
    found = row_of(month_ends(frame(usual + monthly, as_of), as_of))
    assert found["expected_total"] == pytest.approx(29 * 10 + 110)
    once = [row for row in flat(as_of, 120) if row["usage_date"] != date(2025, 10, 20)]
    found = row_of(month_ends(frame([*once, charge(date(2025, 10, 20), 110)], as_of), as_of))
    assert found["expected_total"] == pytest.approx(300)


def test_the_last_day_of_a_month_is_the_last_of_any() -> None:
    assert same_days_before(date(2024, 3, 31), date(2024, 3, 10)) == (date(2024, 2, 29), date(2024, 1, 31))
    assert same_days_before(date(2023, 2, 28), date(2023, 2, 10)) == (date(2023, 1, 31), date(2022, 12, 31))
    assert same_days_before(date(2024, 3, 30), date(2024, 3, 10)) == (date(2024, 2, 29), date(2024, 1, 30))
    assert same_days_before(date(2024, 4, 5), date(2024, 3, 10)) == (date(2024, 3, 5), date(2024, 2, 5))


def test_known_charges_are_added_as_they_stand_and_bend_no_trend() -> None:
    as_of = date(2026, 3, 10)
    others = [
        charge(date(2026, 3, 1), 900, charge_category="Tax"),
        charge(date(2026, 3, 2), "-20.125", charge_category="Credit"),
        charge(date(2026, 3, 3), 1200, charge_category="Purchase", charge_frequency="One-Time"),
        charge(date(2026, 3, 4), "-7.5", charge_class="Correction"),
        charge(date(2026, 3, 5), 33, charge_frequency="One-Time"),
        charge(date(2026, 3, 28), 50, charge_category="Purchase"),  # billed ahead
        charge(date(2026, 2, 3), 5000, charge_category="Purchase"),  # of another month
    ]
    found = row_of(month_ends(frame(flat(as_of, 120) + others, as_of), as_of))
    known = Decimal(900) - Decimal("20.125") + 1200 - Decimal("7.5") + 33 + 50
    assert (found["usage_to_date"], found["other_charges"]) == (100, known)
    assert found["expected_rest"] == pytest.approx(210)
    assert found["expected_total"] == pytest.approx(310 + float(known))


def test_recurring_charges_come_again_on_the_same_days_as_they_stood() -> None:
    """A fee of every day and one of the 20th; of the days from 11 March on, February has those to the 28th."""
    as_of = date(2026, 3, 10)
    fees = [
        charge(day, 3, charge_category="Purchase", charge_frequency="Recurring")
        for day in days_to(as_of, 100)
    ]
    monthly = [charge(date(2026, month, 20), 77, charge_frequency="Recurring") for month in (1, 2)]
    billed = [charge(date(2026, 3, 25), 9, charge_category="Purchase", charge_frequency="Recurring")]
    charges = frame(flat(as_of, 100) + fees + monthly + billed, as_of)
    found = row_of(month_ends(charges, as_of))
    assert found["recurring_expected"] == 17 * 3 + 77  # 11 to 28 without the 25th, which is billed
    assert found["other_charges"] == 10 * 3 + 9
    again = recurring_again(charges, as_of, date(2026, 3, 31))
    assert set(again["usage_date"]) == {date(2026, 3, day) for day in range(11, 29) if day != 25}


def test_days_that_are_not_complete_tell_nothing() -> None:
    as_of = date(2026, 3, 10)
    rows = flat(as_of, 120)
    before = row_of(month_ends(frame(rows, as_of), as_of))
    late = [
        charge(date(2026, 3, 11), "0.5", complete_until=as_of),
        charge(date(2026, 3, 12), 4000, complete_until=as_of),
    ]
    assert row_of(month_ends(frame(rows + late, as_of), as_of)) == before


def test_an_app_whose_bill_is_behind_is_predicted_from_where_it_is_complete() -> None:
    as_of, until = date(2026, 3, 10), date(2026, 3, 7)
    rows = flat(until, 120, complete_until=until) + flat(as_of, 120, "1", app_id="two")
    ends = month_ends(frame(rows, as_of), as_of)
    found = row_of(ends)
    assert found["usage_to_date"] == 70 and found["expected_total"] == pytest.approx(310)
    assert row_of(ends, "team", "red")["expected_total"] == pytest.approx(341)
    assert row_of(ends, "fleet", "")["expected_total"] == pytest.approx(341)


def test_an_app_whose_bill_is_far_behind_is_not_guessed() -> None:
    as_of = date(2026, 3, 20)
    until = as_of - timedelta(days=POLICY.late_days + 1)
    rows = flat(until, 120, complete_until=until) + flat(as_of, 120, app_id="two")
    ends = month_ends(frame(rows, as_of), as_of)
    found = row_of(ends)
    assert (found["state"], found["expected_total"], found["usage_to_date"]) == ("late", None, 10 * until.day)
    fleet = row_of(ends, "fleet", "")
    assert (fleet["apps"], fleet["apps_unpredicted"]) == (2, 1)
    assert fleet["expected_total"] == pytest.approx(310 + 10 * until.day)


@pytest.mark.parametrize("days", range(1, 12))
def test_a_new_app_is_predicted_once_enough_days_are_known(days: int) -> None:
    as_of = date(2026, 3, 12)
    found = row_of(month_ends(frame(flat(as_of, days), as_of), as_of))
    assert found["usage_to_date"] == 10 * days and found["known_days"] == days
    if days < POLICY.least_days:
        assert (found["state"], found["expected_total"]) == ("too_few", None)
        assert (found["apps"], found["apps_unpredicted"]) == (1, 1)
    else:
        assert found["state"] == "no_band" and found["low_total"] is None
        assert found["expected_total"] == pytest.approx(10 * (days + 19))


@pytest.mark.parametrize("silent", range(0, 80, 3))
def test_an_app_that_stopped_is_expected_to_cost_nothing(silent: int) -> None:
    as_of = date(2026, 3, 14)
    rows = flat(as_of - timedelta(days=silent), 120) + flat(as_of, 150, "1", app_id="two")
    ends = month_ends(frame(rows, as_of), as_of)
    used = 10 * max(0, 14 - silent)
    if silent < POLICY.stopped_days:
        assert row_of(ends)["expected_total"] == pytest.approx(used + 170)
    elif used:
        found = row_of(ends)
        assert (found["state"], found["expected_total"]) == ("stopped", used)
    else:
        assert not ends.filter(pl.col("name") == "one").height
    assert row_of(ends, "fleet", "")["expected_total"] == pytest.approx(
        31 + used + (170 if silent < POLICY.stopped_days else 0)
    )


def test_an_app_that_runs_on_mondays_only_costs_its_mondays_and_has_not_stopped_by_sunday() -> None:
    as_of = date(2026, 3, 15)  # a Sunday: 16, 23 and 30 March are Mondays to come
    rows = [charge(day, 70) for day in days_to(as_of, 140) if day.weekday() == 0]
    found = row_of(month_ends(frame(rows, as_of), as_of))
    mean = 70 / 7  # the pull of two days of the app's mean on eight Mondays, and on the other days
    monday, other = (8 * 70 + 2 * mean) / 10, 2 * mean / 10
    assert found["expected_rest"] == pytest.approx(3 * monday + 13 * other)


def test_a_correction_below_zero_in_usage_counts_but_bends_no_level() -> None:
    as_of = date(2026, 3, 10)
    rows = [row for row in flat(as_of, 120) if row["usage_date"] != date(2026, 3, 8)]
    found = row_of(month_ends(frame([*rows, charge(date(2026, 3, 8), "-444.25")], as_of), as_of))
    assert found["usage_to_date"] == 90 - Decimal("444.25")
    assert found["expected_rest"] == pytest.approx(210)


def test_currencies_are_never_added_and_a_new_owner_gets_what_is_to_come() -> None:
    as_of = date(2026, 3, 10)
    moved = date(2026, 3, 6)
    rows = [charge(day, 10, team="red" if day < moved else "blue") for day in days_to(as_of, 120)]
    rows += flat(as_of, 120, "4", app_id="two", billing_currency="EUR")
    ends = month_ends(frame(rows, as_of), as_of)
    assert {
        (row["scope"], row["name"], row["billing_currency"], row["team"])
        for row in ends.iter_rows(named=True)
    } == {
        ("app", "one", "USD", "blue"),
        ("app", "two", "EUR", "red"),
        ("team", "red", "USD", "red"),
        ("team", "blue", "USD", "blue"),
        ("team", "red", "EUR", "red"),
        ("fleet", "", "USD", ""),
        ("fleet", "", "EUR", ""),
    }
    red, blue = row_of(ends, "team", "red"), row_of(ends, "team", "blue")
    assert (red["usage_to_date"], blue["usage_to_date"]) == (50, 50)
    assert red["expected_total"] == 50 and blue["expected_total"] == pytest.approx(260)
    assert row_of(ends, "fleet", "", "EUR")["expected_total"] == pytest.approx(124)


def test_what_is_no_apps_is_expected_of_the_teams_it_is_tagged_with() -> None:
    as_of = date(2026, 3, 10)
    rows = flat(as_of, 120, "3", app_id="unallocated") + flat(
        as_of, 120, "5", app_id="unallocated", team="blue"
    )
    ends = month_ends(frame(rows, as_of), as_of)
    assert row_of(ends, "team", "red")["expected_total"] == pytest.approx(93)
    assert row_of(ends, "team", "blue")["expected_total"] == pytest.approx(155)
    nobody = row_of(ends, "app", "unallocated")
    assert nobody["expected_total"] == pytest.approx(248) and nobody["team"] == "unassigned"


def test_nothing_at_all_is_an_empty_answer() -> None:
    as_of = date(2026, 3, 10)
    assert month_ends(frame([], as_of), as_of).is_empty()


def test_a_series_given_twice_or_without_a_column_is_refused() -> None:
    costs = pl.DataFrame({"app_id": ["a", "a"], "usage_date": [date(2026, 3, 1)] * 2, "cost": [1.0, 2.0]})
    with pytest.raises(ModelError, match="complete_until is missing"):
        ahead(costs, date(2026, 3, 2), date(2026, 3, 31), ["app_id"])
    whole = costs.with_columns(complete_until=date(2026, 3, 2))
    with pytest.raises(ModelError, match="given twice"):
        ahead(whole, date(2026, 3, 2), date(2026, 3, 31), ["app_id"])
    two = whole.with_columns(
        usage_date=pl.Series([date(2026, 3, 1), date(2026, 3, 2)]),
        complete_until=pl.Series([date(2026, 3, 1), date(2026, 3, 2)]),
    )
    with pytest.raises(ModelError, match="complete until two days"):
        ahead(two, date(2026, 3, 2), date(2026, 3, 31), ["app_id"])


def drawn(seed: int, apps: int, days: int, as_of: date) -> list[Row]:
    """Charges of a few apps and teams, of every kind, in two currencies."""
    draw = Random(seed)
    rows: list[Row] = []
    for number in range(apps):
        level, currency, team = (
            draw.uniform(0.5, 90),
            draw.choice(("USD", "EUR")),
            draw.choice(("red", "blue")),
        )
        for day in days_to(as_of, draw.randint(1, days)):
            if draw.random() < 0.9:
                cost = Decimal(f"{level * draw.uniform(0.6, 1.5):.12f}")
                rows.append(
                    charge(day, str(cost), app_id=f"app-{number}", team=team, billing_currency=currency)
                )
            if draw.random() < 0.03:
                kind = draw.choice(("Tax", "Credit", "Purchase"))
                sign = -1 if kind == "Credit" else 1
                rows.append(
                    charge(
                        day, str(sign * Decimal(draw.randint(1, 999)) / 7), app_id=f"app-{number}", team=team
                    )
                    | {
                        "billing_currency": currency,
                        "charge_category": kind,
                        "billed_cost": sign * Decimal(draw.randint(1, 10**9)).scaleb(-6),
                    }
                )
    return rows


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), day=st.integers(1, 28))
def test_apps_add_up_to_their_teams_and_teams_to_the_fleet(seed: int, day: int) -> None:
    """Charged amounts to the last digit by a loop over the charges, what is predicted as far as a float holds."""
    as_of = date(2026, 3, day)
    rows = drawn(seed, 6, 90, as_of)
    ends = month_ends(frame(rows, as_of), as_of)
    for scope, key in (("app", "app_id"), ("team", "team"), ("fleet", None)):
        sums: dict[tuple[str, str, str], Decimal] = {}
        for row in rows:
            if row["usage_date"] >= as_of.replace(day=1):
                column = "usage_to_date" if row["charge_category"] == "Usage" else "other_charges"
                place = (row[key] if key else "", row["billing_currency"], column)
                sums[place] = sums.get(place, Decimal(0)) + row["billed_cost"]
        for row in ends.filter(pl.col("scope") == scope).iter_rows(named=True):
            for column in ("usage_to_date", "other_charges"):
                assert row[column] == sums.pop((row["name"], row["billing_currency"], column), Decimal(0))
        assert not any(sums.values())
    for currency in ("USD", "EUR"):
        totals = [
            ends.filter((pl.col("scope") == scope) & (pl.col("billing_currency") == currency))[
                "expected_rest"
            ].sum()
            for scope in ("app", "team", "fleet")
        ]
        assert totals[0] == pytest.approx(totals[1]) and totals[1] == pytest.approx(totals[2])


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), power=st.integers(-8, 20))
def test_scaled_costs_scale_everything(seed: int, power: int) -> None:
    """By a power of two, so that a float loses nothing on the way."""
    past = np.random.default_rng(seed).lognormal(1, 1, (5, 160))
    past[np.random.default_rng(seed + 1).random(past.shape) < 0.1] = 0
    factor = 2.0**power
    one, other = (expected_days(values, date(2026, 3, 10), 21) for values in (past, past * factor))
    np.testing.assert_allclose(other, one * factor, rtol=1e-9)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6))
@example(seed=35324)  # an app younger than the others, with a charge in its first days
def test_no_order_of_the_charges_and_no_other_app_changes_an_apps_forecast(seed: int) -> None:
    as_of = date(2026, 3, 12)
    rows = drawn(seed, 4, 90, as_of)
    whole = month_ends(frame(rows, as_of), as_of)
    Random(seed).shuffle(rows)
    assert month_ends(frame(rows, as_of), as_of).equals(whole)
    alone = month_ends(frame([row for row in rows if row["app_id"] == "app-1"], as_of), as_of)
    columns = ["usage_to_date", "other_charges", "expected_rest", "expected_total", "known_days"]
    [mine] = whole.filter(pl.col("name") == "app-1").select(columns).rows()
    [by_itself] = alone.filter(pl.col("scope") == "app").select(columns).rows()
    assert by_itself[:2] + by_itself[4:] == mine[:2] + mine[4:]
    for own, among_others in zip(by_itself[2:4], mine[2:4], strict=True):  # doubles, or nothing to expect
        assert own == among_others or own == pytest.approx(among_others, rel=1e-12)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), groups=st.integers(1, 60))
def test_a_band_holds_its_share_of_what_was_missed_before(seed: int, groups: int) -> None:
    """Where everybody misses alike, the band of each holds about the policy's share of the errors it was made from; of few
    errors as much less as chance allows."""
    draw = np.random.default_rng(seed)
    windows = POLICY.band.windows
    expected = draw.uniform(1, 100, (groups, windows))
    actual = expected * draw.normal(1, 0.1, expected.shape)
    low, high = band_of(expected[:, 0], expected, actual)
    assert ((low <= expected[:, 0]) & (expected[:, 0] <= high)).all()
    inside = (low[:, None] <= actual / expected * expected[:, :1]) & (
        actual / expected * expected[:, :1] <= high[:, None]
    )
    assert inside.mean() >= POLICY.band.taken - 0.12 - inside.size**-0.5
    if groups > 20:
        assert inside.mean() <= POLICY.band.taken + 0.1


def test_a_band_needs_a_past_and_never_goes_below_zero() -> None:
    none = np.full((2, 8), np.nan)
    low, high = band_of(np.array([3.0, 5.0]), none, none)
    assert np.isnan(low).all() and np.isnan(high).all()
    wild = np.tile([0.0] * 7 + [40.0], (40, 1))  # mostly nothing, once far too much
    low, high = band_of(np.full(40, 5.0), np.ones((40, 8)), wild)
    assert (low == 0).all() and (high > 0).all()


def test_who_is_wide_of_the_mark_gets_the_wider_band() -> None:
    draw = np.random.default_rng(1)
    sizes = np.array([0.01] * 30 + [0.3] * 30)
    expected = np.full((60, 8), 100.0)
    low, high = band_of(
        expected[:, 0], expected, expected * (1 + sizes[:, None] * draw.normal(0, 1, (60, 8)))
    )
    width = high - low
    assert np.median(width[30:]) > 10 * np.median(width[:30])


def test_trimmed_levels_by_hand() -> None:
    """Flat but for two wild days of the last ten: the three highest and three lowest of ten are left out."""
    past = np.full((1, 120), 8.0)
    past[0, [-2, -5]] = 800, 0.01
    found = expected_days(past, date(2026, 3, 10), 7)
    assert found.sum() == pytest.approx(56, rel=0.02)


def test_stopped_is_a_matter_of_what_was_usual() -> None:
    usual = np.full((3, 120), 5.0)
    usual[0, -POLICY.stopped_days :] = 0
    usual[1, -POLICY.stopped_days + 1 :] = 0
    usual[2] = np.where(np.arange(120) % 7 == 0, 5.0, 0.0)
    usual[2, -POLICY.stopped_days :] = 0
    assert stopped(usual).tolist() == [True, False, False]


def test_windows_are_as_long_as_the_days_ahead_and_know_nothing_of_what_came_after() -> None:
    as_of, until = date(2026, 3, 10), date(2026, 3, 31)
    costs = frame(flat(as_of, 160), as_of).rename({"billed_cost": "cost"})
    seen = ahead(costs, as_of, until, ["app_id"])
    assert isinstance(seen, Ahead) and len(seen.days) == 21 == seen.expected.shape[1]
    assert seen.window_actual[0] == pytest.approx(np.full(POLICY.band.windows, 210.0))
    assert seen.window_expected[0] == pytest.approx(np.full(POLICY.band.windows, 210.0))
    late = costs.with_columns(
        cost=pl.when(pl.col("usage_date") > as_of - timedelta(days=21))
        .then(pl.col("cost") * 3)
        .otherwise("cost")
    )
    other = ahead(late, as_of, until, ["app_id"])
    assert other.window_expected[0][0] == seen.window_expected[0][0]
    assert other.window_actual[0][0] == pytest.approx(630)
