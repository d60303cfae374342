"""Anomalies of groups: the sums of those of their apps, whatever the order, and what no app shows."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from models import rollups
from models.anomaly import POLICY
from models.errors import ModelError
from models.schemas import MONEY

FIRST = date(2026, 3, 1)
GAP = POLICY.episode.gap_days

Row = tuple[str, str, int, int, str]
"""Team, app, first and last day, impact."""


def episodes(rows: list[Row], state: str = "ended", currency: str = "USD") -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "team": team,
                "app_id": app,
                "billing_currency": currency,
                "start_date": FIRST + timedelta(days=first),
                "end_date": FIRST + timedelta(days=last),
                "expected_cost": Decimal(10),
                "actual_cost": Decimal(10) + Decimal(impact),
                "impact": Decimal(impact),
                "state": state,
            }
            for team, app, first, last, impact in rows
        ],
        schema_overrides=dict.fromkeys(("expected_cost", "actual_cost", "impact"), MONEY),
    )


def runs(found: pl.DataFrame) -> list[tuple[str, int, int, Decimal, int, str]]:
    return [
        (
            one["team"],
            (one["start_date"] - FIRST).days,
            (one["end_date"] - FIRST).days,
            one["impact"],
            one["apps"],
            one["top_app"],
        )
        for one in found.iter_rows(named=True)
    ]


def test_anomalies_that_touch_are_one_and_rises_do_not_hide_falls() -> None:
    rows = [
        ("a", "shop", 0, 5, "30"),
        ("a", "mail", 5 + GAP, 9, "40"),
        ("a", "cron", 10 + GAP + GAP, 20, "1"),
        ("a", "stop", 2, 3, "-25"),
        ("b", "blog", 0, 1, "7"),
        ("b", "same", 0, 1, "0"),
    ]
    assert runs(rollups.rolled_up(episodes(rows), ("team",))) == [
        ("a", 0, 9, Decimal(70), 2, "mail"),
        ("a", 2, 3, Decimal(-25), 1, "stop"),
        ("a", 10 + 2 * GAP, 20, Decimal(1), 1, "cron"),
        ("b", 0, 1, Decimal(7), 1, "blog"),
    ]


def test_one_long_anomaly_holds_together_what_lies_in_it() -> None:
    rows = [("a", "long", 0, 30, "5"), ("a", "early", 2, 3, "5"), ("a", "late", 28, 29, "5")]
    assert runs(rollups.rolled_up(episodes(rows), ("team",))) == [("a", 0, 30, Decimal(15), 3, "early")]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("ab"),
            st.sampled_from(["shop", "mail", "cron"]),
            st.integers(0, 60),
            st.integers(0, 9),
            st.decimals(-(10**9), 10**9, places=18, allow_nan=False),
        ),
        max_size=12,
    ),
    st.randoms(use_true_random=False),
)
def test_no_money_is_lost_in_a_group_and_the_order_does_not_matter(rows, chance) -> None:
    told = [(team, app, first, first + days, str(impact)) for team, app, first, days, impact in rows]
    found = rollups.rolled_up(episodes(told), ("team",)) if told else pl.DataFrame()
    for team in "ab" if told else "":
        own = [Decimal(row[4]) for row in told if row[0] == team]
        assert found.filter(pl.col("team") == team)["impact"].sum() == sum(own, Decimal(0))
        above = found.filter((pl.col("team") == team) & (pl.col("impact") > 0))["impact"].sum()
        assert above == sum((impact for impact in own if impact > 0), Decimal(0))
    chance.shuffle(told)
    if told:
        assert_frame_equal(rollups.rolled_up(episodes(told), ("team",)), found)


@pytest.mark.parametrize(
    ("impact", "group_cost", "currency", "is_told"),
    [
        ("25", "100", "USD", True),
        ("15", "20", "USD", False),  # little money
        ("25", "900", "USD", False),  # a small share
        ("-25", "75", "USD", True),
        ("25", "25", "USD", True),  # there was nothing before
        ("25", "100", "JPY", False),  # worth less than a quarter of a dollar
        ("2500", "10000", "JPY", False),
        ("4000", "10000", "JPY", True),
    ],
)
def test_what_is_told_is_much_in_money_and_of_its_group(
    impact: str, group_cost: str, currency: str, is_told: bool
) -> None:
    found = rollups.rolled_up(episodes([("a", "shop", 0, 1, impact)], currency=currency), ("team",))
    told = rollups.worth_telling(found.with_columns(group_cost=pl.lit(Decimal(group_cost), MONEY)))
    assert bool(told.height) is is_told
    if is_told and impact != group_cost:
        assert told["share"].item() == pytest.approx(float(impact) / (float(group_cost) - float(impact)))


def test_an_anomaly_of_a_sum_is_told_where_no_app_shows_it() -> None:
    found = rollups.rolled_up(episodes([("a", "shop", 5, 9, "30")]), ("team",))
    wholes = episodes(
        [("a", "", 0, 4, "9"), ("a", "", 9, 12, "9"), ("b", "", 5, 9, "9"), ("a", "", 10, 12, "9")]
    )
    assert runs(rollups.thin(wholes.with_columns(apps=0, top_app=pl.lit("")), found, ("team",))) == [
        ("a", 0, 4, Decimal(9), 0, ""),
        ("b", 5, 9, Decimal(9), 0, ""),
        ("a", 10, 12, Decimal(9), 0, ""),
    ]


def test_the_groups_state_is_open_while_one_is() -> None:
    both = pl.concat([episodes([("a", "shop", 0, 5, "30")]), episodes([("a", "mail", 1, 2, "30")], "open")])
    assert rollups.rolled_up(both, ("team",))["state"].to_list() == ["open"]


def test_a_missing_column_and_a_sum_beyond_a_decimal_are_named() -> None:
    with pytest.raises(ModelError, match="team"):
        rollups.rolled_up(episodes([("a", "shop", 0, 1, "1")]).drop("team"), ("team",))
    much = episodes([("a", "shop", 0, 1, "9" * 19), ("a", "mail", 0, 1, "9" * 19)])
    with pytest.raises(ModelError, match="19 digits"):
        rollups.rolled_up(much, ("team",))
