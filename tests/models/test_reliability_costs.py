"""Cost of failures, budgets, the price of a nine, caps and credits against fractions and decimals of Python."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import reliability_cost_windows as windows
from models import reliability_costs, reliability_credits
from models.errors import ModelError
from models.reliability_costs import KNOWN, Whole, worth_policy
from models.schemas import MONEY, QUANTITY, SCHEMAS

LAST = date(2026, 3, 29)
POLICY = worth_policy()
PROMISE = Decimal("0.99")
SMALLEST = Fraction(1, 10**18)

DAYS: dict[str, Any] = {
    "usage_date": pl.Date,
    "app_id": pl.String,
    "team": pl.String,
    "billing_currency": pl.String,
    "effective_cost": MONEY,
    "requests": pl.UInt64,
    "errors": pl.UInt64,
    "stands_for": QUANTITY,
    "sends": pl.UInt8,
    "is_open": pl.UInt8,
}
CALLS = dict(SCHEMAS["core_app_calls"])
SILENT = {"app_id": pl.String, "silent_since": pl.Datetime("us", "UTC")}
NO_SILENCE = pl.DataFrame(schema=SILENT)


def day_of(app: str, cost: str, requests: int, errors: int, **other: Any) -> dict[str, Any]:
    usual = {
        "usage_date": LAST,
        "team": "web",
        "billing_currency": "USD",
        "stands_for": None,
        "sends": 1,
        "is_open": 0,
    }
    return {
        **usual,
        "app_id": app,
        "effective_cost": Decimal(cost),
        "requests": requests,
        "errors": errors,
        **other,
    }


def call_of(callee: str, retries: int, failed_retries: int, **other: Any) -> dict[str, Any]:
    usual = {"usage_date": LAST, "caller": "", "calls": 0, "failed": 0, "hurt": 0}
    return {**usual, "callee": callee, "retries": retries, "failed_retries": failed_retries, **other}


def daily(
    rows: list[dict[str, Any]],
    calls: list[dict[str, Any]] | None = None,
    silences: pl.DataFrame = NO_SILENCE,
    whole: Whole | None = None,
) -> pl.DataFrame:
    days = {row["usage_date"] for row in rows}
    return reliability_costs.daily(
        pl.DataFrame(rows, schema=DAYS, orient="row"),
        pl.DataFrame(calls or [], schema=CALLS, orient="row"),
        silences,
        whole or Whole(LAST, LAST, days),
    )


amounts = st.integers(-(10**28), 10**30).map(lambda units: Decimal(units).scaleb(-18))


@settings(max_examples=150)
@given(st.data())
def test_parts_of_a_day_sum_to_its_cost_and_are_its_shares(data: st.DataObject) -> None:
    """Good, failed and repeated sum exactly; each is within the smallest amount of its share as a fraction."""
    cost, requests = data.draw(amounts), data.draw(st.integers(1, 10**7))
    errors = data.draw(st.integers(0, requests))
    repeats = data.draw(st.integers(0, requests - errors))
    failed_repeats = data.draw(st.integers(0, errors))
    stands = data.draw(st.none() | st.integers(requests * 10**9, requests * 10**12))
    row = day_of("shop", "0", requests, errors, effective_cost=cost)
    row["stands_for"] = None if stands is None else Decimal(stands).scaleb(-9)
    says = repeats + failed_repeats
    [got] = daily([row], [call_of("shop", says, failed_repeats)] if says else []).to_dicts()
    parts = {
        "good_cost": requests - errors - (repeats if says else 0),
        "failed_cost": errors,
        "retry_cost": repeats if says else 0,
    }
    assert sum(Fraction(got[name] or 0) for name in parts) == Fraction(cost)
    for name, share in parts.items():
        if name == "retry_cost" and not says:
            assert got[name] is None and got["retries"] is None, "nobody said that it repeats one: not known"
        else:
            assert abs(Fraction(got[name]) - Fraction(cost) * share / requests) < SMALLEST
    good = Fraction(stands or requests * 10**9, 10**9) * (requests - errors) / requests
    assert abs(Fraction(got["good"]) - good) <= Fraction(1, 2 * 10**9)
    if got["good"]:
        assert (
            abs(Fraction(got["cost_per_good_request"]) - Fraction(cost) / Fraction(got["good"]))
            <= SMALLEST / 2
        )
    else:
        assert got["cost_per_good_request"] is None


@pytest.mark.parametrize(
    ("state", "row", "whole", "silent"),
    [
        ("known", {}, {}, None),
        ("no_requests", {"requests": 0, "errors": 0}, {}, None),
        ("no_telemetry", {"sends": 0, "requests": 0, "errors": 0}, {}, None),
        ("telemetry_missing", {}, {"telemetry_days": ()}, None),
        ("telemetry_open", {}, {"telemetry_day": LAST - timedelta(days=1)}, None),
        ("telemetry_open", {}, {"telemetry_day": None}, None),
        ("cost_open", {}, {"cost_day": LAST - timedelta(days=1)}, None),
        ("cost_open", {"is_open": 1}, {}, None),
        ("cost_open", {}, {"cost_day": None}, None),
        ("silent", {}, {}, LAST),
        ("silent", {}, {}, LAST - timedelta(days=3)),
        ("known", {}, {}, LAST + timedelta(days=1)),
    ],
)
def test_a_day_that_is_not_whole_is_not_known_and_never_zero(
    state: str, row: dict[str, Any], whole: dict[str, Any], silent: date | None
) -> None:
    limits = {"telemetry_day": LAST, "cost_day": LAST, "telemetry_days": (LAST,), **whole}
    since = (
        [] if silent is None else [("shop", datetime(silent.year, silent.month, silent.day, 13, tzinfo=UTC))]
    )
    silences = pl.DataFrame(since, schema=SILENT, orient="row")
    [got] = daily([{**day_of("shop", "3", 10, 1), **row}], None, silences, Whole(**limits)).to_dicts()
    assert got["state"] == state
    counted = [got[name] for name in ("requests", "failed")]
    costs = [got[name] for name in ("cost_per_good_request", "good_cost", "failed_cost", "good")]
    assert all(one is not None for one in counted) == (state in KNOWN)
    assert all(one is not None for one in costs) == (state == "known")
    assert got["effective_cost"] == 3, "what the bill says stays"


def test_more_failures_than_requests_are_refused_by_name() -> None:
    with pytest.raises(ModelError, match="app shop has 3 failed of 2 requests on 2026-03-29"):
        daily([day_of("shop", "1", 2, 3)])


def worth(
    days: pl.DataFrame,
    volumes: list[tuple[Any, ...]] | None = None,
    targets: dict[str, Decimal] | None = None,
) -> dict[tuple[str, str], dict[str, Any]]:
    schema = {
        "app_id": pl.String,
        "signal": pl.String,
        "records": pl.UInt64,
        "bytes": pl.UInt64,
        "series": pl.UInt64,
        "widest_metric": pl.String,
        "widest_series": pl.UInt64,
    }
    found = windows.worth(
        days,
        pl.DataFrame(volumes or [], schema=schema, orient="row"),
        {"shop": "web"},
        targets or {},
        PROMISE,
        LAST,
        POLICY,
    )
    return {(row["app_id"], row["billing_currency"]): row for row in found.iter_rows(named=True)}


def in_window(number: int, app: str, cost: str, requests: int, errors: int, **other: Any) -> dict[str, Any]:
    return day_of(
        app,
        cost,
        requests,
        errors,
        usage_date=LAST - timedelta(days=POLICY.window_days * number + 3),
        **other,
    )


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(("USD", "EUR")),
            st.integers(0, 27),
            st.integers(-(10**20), 10**22),
            st.integers(0, 5_000),
            st.integers(0, 20),
            st.booleans(),
        ),
        min_size=1,
        max_size=30,
        unique_by=lambda one: one[:2],
    )
)
def test_a_window_is_the_sum_of_its_known_days_and_currencies_stay_apart(days: list[tuple[Any, ...]]) -> None:
    rows = [
        day_of(
            "shop",
            "0",
            requests + errors,
            errors,
            billing_currency=currency,
            effective_cost=Decimal(units).scaleb(-18),
            usage_date=LAST - timedelta(days=back),
            is_open=int(is_open),
        )
        for currency, back, units, requests, errors, is_open in days
    ]
    frame = daily(rows)
    got = worth(frame)
    for currency in {one[0] for one in days}:
        known = [one for one in days if one[0] == currency and not one[5]]
        row = got["shop", currency]
        served = [one for one in known if one[3] + one[4]]
        requests, failed = sum(one[3] + one[4] for one in known), sum(one[4] for one in known)
        assert (row["days_known"], row["days_not_known"]) == (len(known), POLICY.window_days - len(known))
        assert (row["requests"], row["failed"]) == (requests, failed)
        assert Fraction(row["effective_cost"]) == SMALLEST * sum(one[2] for one in known)
        if not requests:
            assert row["failed_cost"] is row["budget_cost"] is row["burnt_share"] is None, (
                "not known, not zero"
            )
            continue
        cost = SMALLEST * sum(one[2] for one in served)
        parts = frame.filter(pl.col("billing_currency") == currency)["failed_cost"].drop_nulls()
        assert Fraction(row["failed_cost"]) == sum(map(Fraction, parts))
        assert abs(Fraction(row["budget_cost"]) - cost / 100) <= SMALLEST / 2
        assert math.isclose(row["burnt_share"], failed / (requests / 100))
        if requests > failed:
            assert abs(Fraction(row["cost_per_good_request"]) - cost / (requests - failed)) <= SMALLEST / 2


def test_what_stands_out_is_told_of_the_outer_quartiles_alone() -> None:
    """Eight apps, place by place dearer: the two cheapest fail, the two dearest never do, and so do two in the middle."""
    rows = []
    for place in range(1, 9):
        errors = 0 if place in (4, 5, 7, 8) else 40
        rows += [
            in_window(number, f"app-{place}", str(place), 2_000, errors) for number in range(POLICY.windows)
        ]
    verdicts = {app: row["verdict"] for (app, _), row in worth(daily(rows)).items()}
    assert verdicts == {
        **dict.fromkeys(("app-1", "app-2"), "failing"),
        **dict.fromkeys(("app-3", "app-4", "app-5", "app-6"), ""),
        **dict.fromkeys(("app-7", "app-8"), "over_reliable"),
    }
    strict = {
        "app-2": Decimal("0.5"),
        "app-7": Decimal("0.9999"),
    }  # 40 of 2,000 is little; two may fail in ten thousand
    held = worth(daily(rows), targets=strict)
    assert {app: row["verdict"] for (app, _), row in held.items()} == verdicts | {"app-2": "", "app-7": ""}
    assert held["app-2", "USD"]["burnt_share"] == 0.04 and held["app-2", "USD"]["target"] == Decimal("0.5")
    assert held["app-7", "USD"]["budget_cost"] == Decimal("0.0007")
    once_less = [
        row
        for row in rows
        if not (row["app_id"] == "app-8" and row["usage_date"] < LAST - timedelta(days=56))
    ]
    assert worth(daily(once_less))["app-8", "USD"]["verdict"] == "", (
        "a window nothing is known of proves nothing"
    )
    fewer = [row for row in rows if row["app_id"] != "app-4"]
    assert {row["verdict"] for row in worth(daily(fewer)).values()} == {""}, "seven apps are no cohort"


@settings(max_examples=60)
@given(
    st.tuples(*[st.integers(1_000, 10**6), st.integers(10, 900), st.integers(1, 10**6)] * 2),
)
def test_the_price_of_a_nine_is_the_slope_between_two_windows(drawn: tuple[int, ...]) -> None:
    requests, failed, cents, later_requests, later_failed, later_cents = drawn
    rows = [
        in_window(1, "shop", str(Decimal(cents) / 100), requests, failed),
        in_window(0, "shop", str(Decimal(later_cents) / 100), later_requests, later_failed),
    ]
    row = worth(daily(rows))["shop", "USD"]
    nines = math.log10(failed / requests) - math.log10(later_failed / later_requests)
    if abs(nines) < 0.3:
        assert row["price_of_a_nine"] is None and "never moved by 0.3 nines" in row["price_inputs"]
        return
    before = cents / 100 / (requests - failed)
    now = later_cents / 100 / (later_requests - later_failed)
    want = (now - before) * (later_requests - later_failed) / nines
    assert math.isclose(row["price_of_a_nine"], want, rel_tol=1e-6, abs_tol=1e-6)
    for number in (requests, failed, later_requests, later_failed):
        assert f"{number:,}" in row["price_inputs"], "an estimate names what it rests on"


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("short", [{"requests": 999, "errors": 10}, {"requests": 1_000, "errors": 9}])
def test_without_enough_in_both_windows_no_nine_has_a_price(number: int, short: dict[str, int]) -> None:
    counts = [{"requests": 100_000, "errors": 10}, {"requests": 100_000, "errors": 1_000}]
    told = worth(daily([in_window(at, "shop", "5", **one) for at, one in enumerate(counts)]))["shop", "USD"]
    assert told["price_of_a_nine"] is not None
    counts[number] = short
    row = worth(daily([in_window(at, "shop", "5", **one) for at, one in enumerate(counts)]))["shop", "USD"]
    assert row["price_of_a_nine"] is None and row["price_inputs"].startswith("not known: no two windows")


def test_telemetry_over_a_cap_is_proposed_to_be_less_and_comes_under_it() -> None:
    """Twenty apps, one with half of all bytes: at the share proposed it holds the cap's share or less."""
    volumes: list[tuple[Any, ...]] = [(f"app-{number}", "spans", 10, 1_000, 0, "", 0) for number in range(19)]
    volumes += [("loud", "spans", 90, 17_000, 0, "", 0), ("loud", "logs", 9, 1_900, 0, "", 0)]
    volumes += [("loud", "points", 5, 100, 2_001, "http.requests", 2_001)]
    row = worth(daily([day_of("shop", "1", 1, 0)]), volumes)["loud", ""]
    assert (row["telemetry_bytes"], row["telemetry_share"], row["spans"]) == (19_000, 0.5, 90)
    assert (row["log_records"], row["metric_points"], row["series"]) == (9, 5, 2_001)
    assert row["effective_cost"] == 0 and row["failed_cost"] is None
    # At most 20 % (four times an equal share): of 19,000 bytes of others that is 4,750; 2,000 are no spans.
    one_in = -(-17_000 // 2_750)
    assert f"keep one trace in {one_in}" in row["proposal"]
    kept = Fraction(17_000, one_in) + 2_000
    assert (
        kept / (kept + 19_000)
        <= Fraction(1, 5)
        < (Fraction(17_000, one_in - 1) + 2_000) / (Fraction(17_000, one_in - 1) + 21_000)
    )
    assert "http.requests has 2,001 series on a day, over 2,000" in row["proposal"]
    assert worth(daily([day_of("shop", "1", 1, 0)]), volumes)["app-1", ""]["proposal"] == ""


TEAMS = {"shop": "web", "cart": "buy", "bank": "pay", "mill": "ops", "gate": "ops", "lone": "unassigned"}


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(("shop", "cart", "mill", "lone")),
            st.sampled_from(("gate", "bank")),
            st.integers(1, 9),
        ),
        unique_by=lambda one: one[:2],
        max_size=8,
    ),
    st.integers(0, 40),
    st.integers(0, 10**22),
)
def test_credits_and_the_rest_are_the_cost_of_failures(
    hurts: list[tuple[str, str, int]], failed: int, units: int
) -> None:
    """Who is shared and what each owes, counted apart; no more than the failures cost is ever credited."""
    cost = Decimal(units).scaleb(-18)
    apps = {caller for caller, _, _ in hurts} | {"shop"}
    totals = {app: sum(hurt for caller, _, hurt in hurts if caller == app) for app in apps}
    rows = [
        day_of(app, "0", 100, max(failed, totals[app]), effective_cost=cost, team=TEAMS[app])
        for app in sorted(apps)
    ]
    calls = [
        call_of(callee, 0, 0, caller=caller, calls=hurt, failed=hurt, hurt=hurt)
        for caller, callee, hurt in hurts
    ]
    days = daily(rows, calls)
    got = reliability_credits.credits(days, pl.DataFrame(calls, schema=CALLS, orient="row"), TEAMS, POLICY)
    shared = {
        callee
        for callee in ("gate", "bank")
        if len({TEAMS[a] for a, b, _ in hurts if b == callee} - {TEAMS[callee], "unassigned"}) >= 2
    }
    want = {(b, a): hurt for a, b, hurt in hurts if b in shared and TEAMS[a] != TEAMS[b]}
    assert {(row["from_app_id"], row["app_id"]): row["hurt_requests"] for row in got.to_dicts()} == want
    for row in got.to_dicts():
        share = Fraction(cost) * max(failed, totals[row["app_id"]]) / 100
        owed = share * row["hurt_requests"] / max(failed, totals[row["app_id"]])
        assert abs(Fraction(row["credit"]) - owed) < 2 * SMALLEST
        assert (row["from_team"], row["team"]) == (TEAMS[row["from_app_id"]], TEAMS[row["app_id"]])
    for app in apps:
        own = got.filter(pl.col("app_id") == app)["credit"]
        burnt = days.filter(pl.col("app_id") == app)["failed_cost"].item()
        assert sum(map(Fraction, own)) <= Fraction(burnt)
