"""Unit and weekly costs against Python decimals and hand-counted days."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal, localcontext

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import team_costs, unit_costs
from models.errors import ModelError
from models.schemas import MONEY

DAY = date(2026, 2, 9)
APPS = pl.DataFrame({"app_id": ["shop", "quiet"], "team": ["web", "night"]})


def costs(*rows: tuple[date, str, str, str, str]) -> pl.DataFrame:
    """Day, app, team, currency, cost: billed twice what is effective."""
    names = ["usage_date", "app_id", "team", "billing_currency", "effective_cost"]
    schema = dict(zip(names, (pl.Date, *[pl.String] * 4), strict=True))
    frame = pl.DataFrame(rows, schema=schema, orient="row").with_columns(pl.col("effective_cost").cast(MONEY))
    return frame.with_columns(
        charge_category=pl.lit("Usage"), charge_class=pl.lit(""), billed_cost=pl.col("effective_cost") * 2
    )


def telemetry(*rows: tuple[date, str, int, int]) -> pl.DataFrame:
    schema = {"usage_date": pl.Date, "app_id": pl.String, "requests": pl.UInt64, "errors": pl.UInt64}
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(duration_p95_ms=pl.lit(12.5))


def test_cost_and_requests_meet() -> None:
    [row] = unit_costs.daily(
        costs((DAY, "shop", "web", "USD", "1.25"), (DAY, "shop", "web", "USD", "0.75")),
        telemetry((DAY, "shop", 300, 4)),
        APPS,
    ).to_dicts()
    assert row == {
        "usage_date": DAY,
        "app_id": "shop",
        "team": "web",
        "billing_currency": "USD",
        "billed_cost": Decimal(4),
        "effective_cost": Decimal(2),
        "requests": 300,
        "errors": 4,
        "duration_p95_ms": 12.5,
        "cost_per_1000_requests": Decimal("6.666666666666666667"),
    }


def test_an_app_billed_to_two_teams_on_a_day_has_one_line_of_the_last_by_name() -> None:
    """Whichever way round the rows come, and whatever the registry says: only days without cost are its."""
    rows = [(DAY, "shop", team, "USD", "1") for team in ("ops", "web", "finance")]
    for billed in (rows, rows[::-1]):
        [row] = unit_costs.daily(costs(*billed), telemetry(), APPS.with_columns(team=pl.lit("x"))).to_dicts()
        assert (row["team"], row["effective_cost"]) == ("web", Decimal(3))


def test_the_last_line_of_an_app_in_the_registry_owns_its_days_without_cost() -> None:
    apps = pl.DataFrame({"app_id": ["quiet", "quiet"], "team": ["first", "last"]})
    assert unit_costs.daily(costs(), telemetry((DAY, "quiet", 5, 5)), apps)["team"].to_list() == ["last"]


def test_neither_side_is_lost() -> None:
    frame = unit_costs.daily(
        costs(
            (DAY, "dark", "ops", "USD", "1"),
            (DAY, "shop", "web", "EUR", "2"),
            (DAY, "shop", "web", "USD", "3"),
        ),
        telemetry((DAY, "shop", 1000, 0), (DAY, "quiet", 5, 5), (DAY, "stray", 0, 0)),
        APPS,
    )
    told = frame.select(
        "app_id", "team", "billing_currency", "effective_cost", "requests", "cost_per_1000_requests"
    ).rows()
    assert told == [
        ("dark", "ops", "USD", Decimal(1), 0, None),
        ("quiet", "night", "", Decimal(0), 5, None),
        ("shop", "web", "EUR", Decimal(2), 1000, Decimal(2)),
        ("shop", "web", "USD", Decimal(3), 1000, Decimal(3)),
        ("stray", "unassigned", "", Decimal(0), 0, None),
    ]


@settings(max_examples=300, deadline=None)
@given(st.decimals("-1000000", "1000000", places=18), st.integers(1, 10**12))
def test_unit_cost_equals_decimal_half_even(cost: Decimal, requests: int) -> None:
    [row] = unit_costs.daily(
        costs((DAY, "shop", "web", "USD", str(cost))), telemetry((DAY, "shop", requests, 0)), APPS
    ).to_dicts()
    with localcontext(prec=100):
        expected = (cost * 1000 / requests).quantize(Decimal("1e-18"), ROUND_HALF_EVEN)
    assert row["cost_per_1000_requests"] == expected


@pytest.mark.parametrize(
    ("cost", "unit_cost"),
    [("0.000000000000000001", "0"), ("0.000000000000000003", "2e-18"), ("-0.000000000000000003", "-2e-18")],
)
def test_a_tie_goes_to_the_even_digit(cost: str, unit_cost: str) -> None:
    frame = unit_costs.daily(
        costs((DAY, "shop", "web", "USD", cost)), telemetry((DAY, "shop", 2000, 0)), APPS
    )
    assert frame["cost_per_1000_requests"].item() == Decimal(unit_cost)


def test_nothing_at_all() -> None:
    empty = unit_costs.daily(costs(), telemetry(), APPS)
    assert empty.columns == unit_costs.COLUMNS
    assert empty.is_empty()


def test_weeks_are_iso_weeks_and_say_how_whole_they_are() -> None:
    frame = team_costs.weekly(
        costs(
            *((date(2025, 12, 29 + n), "shop", "web", "USD", "1") for n in range(3)),
            *((date(2026, 1, 1 + n), "shop", "web", "USD", "1") for n in range(4)),
            (date(2026, 1, 4), "blog", "web", "USD", "0.1"),
            (date(2026, 1, 4), "blog", "web", "EUR", "5"),
            (date(2026, 1, 5), "shop", "web", "USD", "2"),
            (date(2026, 1, 5), "shop", "ops", "USD", "4"),
            (date(2027, 1, 3), "shop", "web", "USD", "8"),
        )
    )
    told = frame.select(
        "iso_week", "week_start", "days", "team", "app_id", "billing_currency", "effective_cost"
    ).rows()
    monday = date(2025, 12, 29)
    assert told == [
        ("2026-W02", date(2026, 1, 5), 1, "ops", "shop", "USD", Decimal(4)),
        ("2026-W01", monday, 1, "web", "blog", "EUR", Decimal(5)),
        ("2026-W01", monday, 7, "web", "blog", "USD", Decimal("0.1")),
        ("2026-W01", monday, 7, "web", "shop", "USD", Decimal(7)),
        ("2026-W02", date(2026, 1, 5), 1, "web", "shop", "USD", Decimal(2)),
        ("2026-W53", date(2026, 12, 28), 1, "web", "shop", "USD", Decimal(8)),
    ]
    assert frame["billed_cost"].to_list() == [2 * row[-1] for row in told]


def test_weeks_keep_the_lines_of_the_bill_apart() -> None:
    """A week's days are counted over all of its lines: a tax of Sunday makes it no less whole."""
    frame = costs(*((date(2026, 1, 5 + n), "shop", "web", "USD", str(n + 1)) for n in range(7)))
    lines = ["Usage", "Tax", "Usage", "Usage", "Usage", "Purchase", "Tax"]
    classes = ["", "", "Correction", "", "", "", ""]
    frame = frame.with_columns(
        charge_category=pl.Series(lines), charge_class=pl.Series(classes, dtype=pl.String)
    )
    told = team_costs.weekly(frame).select("days", "charge_category", "charge_class", "effective_cost").rows()
    assert told == [
        (7, "Purchase", "", Decimal(6)),
        (7, "Tax", "", Decimal(9)),
        (7, "Usage", "", Decimal(10)),
        (7, "Usage", "Correction", Decimal(3)),
    ]


def test_a_week_beyond_thirty_eight_digits_is_refused() -> None:
    large = "49999999999999999999"
    frame = costs(*((DAY, app, "web", "USD", "1") for app in "abc"))
    frame = frame.with_columns(billed_cost=pl.lit(large).cast(MONEY))
    with pytest.raises(ModelError, match="20 digits"):
        team_costs.weekly(frame)
