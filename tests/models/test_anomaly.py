"""The anomaly detector on series whose right answer is known by construction, and the properties it promises."""

from __future__ import annotations

import math
import random
from datetime import date, timedelta
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from bench import anomaly as bench_anomaly
from models import anomaly
from models.errors import ModelError

START = date(2025, 1, 6)  # a Monday
ADDED = ["expected", "is_anomaly", "kind"]


def day(number: int) -> date:
    return START + timedelta(days=number)


def series(values: list[float | None], app: str = "shop", first: int = 0) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "app_id": [app] * len(values),
            "usage_date": [day(first + i) for i in range(len(values))],
            "cost": values,
        },
        schema={"app_id": pl.String, "usage_date": pl.Date, "cost": pl.Float64},
    )


def weekly(days: int, workday: float = 10.0, weekend: float = 5.0) -> list[float]:
    return [weekend if day(i).weekday() >= 5 else workday for i in range(days)]


def flagged(judged: pl.DataFrame) -> dict[date, str]:
    rows = judged.filter("is_anomaly")
    return dict(zip(rows["usage_date"].to_list(), rows["kind"].to_list(), strict=True))


def test_an_app_that_keeps_its_week_is_expected_exactly_and_never_flagged() -> None:
    judged = anomaly.detect(series(weekly(200)))
    assert flagged(judged) == {}
    settled = judged.slice(70)
    assert settled["expected"].to_list() == pytest.approx(settled["cost"].to_list())


def test_a_spike_is_flagged_on_its_day_only() -> None:
    costs = weekly(200)
    costs[100] *= 4
    judged = anomaly.detect(series(costs))
    assert flagged(judged) == {day(100): "up"}
    assert judged["expected"][100] == pytest.approx(costs[100] / 4)


def test_a_weekend_that_costs_like_a_workday_is_a_rise() -> None:
    costs = weekly(140, weekend=3.0)
    saturday = 103
    assert day(saturday).weekday() == 5
    costs[saturday] = 10.0
    assert flagged(anomaly.detect(series(costs))) == {day(saturday): "up"}


def test_a_step_is_flagged_within_two_days_and_becomes_the_new_level() -> None:
    costs = [cost * (1.6 if i >= 120 else 1) for i, cost in enumerate(weekly(220))]
    found = flagged(anomaly.detect(series(costs)))
    assert min(found) in (day(120), day(121))
    assert max(found) < day(120 + 28)
    assert found[min(found)] == "up"


@pytest.mark.parametrize("in_month", [lambda d: d.day == 15, lambda d: (d + timedelta(1)).day == 1])
def test_a_monthly_charge_is_new_once_and_known_from_the_second_month(in_month) -> None:
    costs = [cost + 40 * in_month(day(i)) for i, cost in enumerate(weekly(300))]
    found = [d for d in flagged(anomaly.detect(series(costs))) if d >= day(60)]
    assert found == []


def test_a_monthly_charge_is_found_again_by_date_when_days_are_missing() -> None:
    costs = series([cost + 40 * (day(i).day == 15) for i, cost in enumerate(weekly(300))])
    holes = costs.filter((pl.col.usage_date.dt.day() == 15) | (pl.int_range(pl.len()) % 4 != 0))
    found = [d for d in flagged(anomaly.detect(holes)) if d >= day(60)]
    assert found == []


def test_a_monthly_charge_that_is_ten_times_as_high_is_a_rise() -> None:
    """More than half again what it was, and further above expected than chance explains."""
    charged = [i for i in range(300) if day(i).day == 15]
    costs = weekly(300)
    for place in charged[:-1]:
        costs[place] += 40
    costs[charged[-1]] += 400
    found = {d: kind for d, kind in flagged(anomaly.detect(series(costs))).items() if d >= day(60)}
    assert found == {day(charged[-1]): "up"}


def test_growth_too_slow_for_any_single_day_is_a_ramp_measured_against_what_was_before() -> None:
    costs = [10.0] * 120 + [10.0 * 1.035 ** (i + 1) for i in range(30)]
    judged = anomaly.detect(series(costs))
    found = flagged(judged)
    assert found and set(found.values()) == {"ramp"}
    assert day(120) < min(found) <= day(120 + 28)
    first = judged.filter("is_anomaly")["expected"][0]
    assert first == pytest.approx(10.0, rel=0.1)


def test_growth_of_a_fifth_in_a_month_is_business() -> None:
    costs = [10.0 * 1.2 ** (i / 30) for i in range(300)]
    assert flagged(anomaly.detect(series(costs))) == {}


def test_an_app_that_stops_is_flagged_from_the_first_day_without_cost() -> None:
    costs = weekly(150)
    costs[130:135] = [0.0] * 5
    assert flagged(anomaly.detect(series(costs))) == {day(i): "zero" for i in range(130, 135)}


def test_an_app_that_rests_at_weekends_does_not_fail_then() -> None:
    assert flagged(anomaly.detect(series(weekly(200, weekend=0.0)))) == {}


def test_one_dear_day_of_a_young_app_may_be_its_monthly_charge_but_two_are_a_rise() -> None:
    costs = weekly(40)
    costs[20] += 60
    assert flagged(anomaly.detect(series(costs))) == {}
    costs[21] += 60
    assert flagged(anomaly.detect(series(costs))) == {day(21): "up"}


def test_a_young_app_that_grows_every_day_is_found_when_it_triples() -> None:
    """It is far from its level every day, so its own spread says nothing; that of its changes from day to day does."""
    costs = [20 * 1.08**i for i in range(28)]
    assert flagged(anomaly.detect(series(costs))) == {}
    costs[18:20] = [3 * cost for cost in costs[18:20]]
    assert flagged(anomaly.detect(series(costs))) == {day(19): "up"}


def test_a_step_of_half_a_dollar_a_day_adds_up_but_a_single_such_day_does_not() -> None:
    costs = [cost / 20 for cost in weekly(150)]
    costs[100] *= 2.5
    assert flagged(anomaly.detect(series(costs))) == {}
    costs[101] *= 2.5
    assert flagged(anomaly.detect(series(costs))) == {day(101): "up"}


def test_a_rise_by_two_fifths_is_flagged_once_it_has_lasted_four_days() -> None:
    costs = [cost * (1.4 if i >= 119 else 1) for i, cost in enumerate(weekly(140))]
    assert min(flagged(anomaly.detect(series(costs)))) == day(122)
    costs[122:] = weekly(140)[122:]
    assert flagged(anomaly.detect(series(costs))) == {}


def test_an_app_whose_weeks_wander_is_not_taken_for_a_ramp() -> None:
    """The same growth is a ramp in an app that keeps still."""
    growing = [10.0 * 1.03 ** max(0, i - 200) for i in range(225)]
    swinging = [cost * math.exp(0.45 * math.sin(i / 6)) for i, cost in enumerate([10.0] * 225)]
    assert "ramp" in flagged(anomaly.detect(series(growing))).values()
    assert flagged(anomaly.detect(series(swinging[60:]))) == {}


def test_a_day_whose_bill_is_not_whole_is_neither_a_fall_nor_part_of_a_level() -> None:
    """Two days of half a bill, then whole ones: as if the two were missing."""
    costs = weekly(150)
    costs[130:132] = [0.0, 1.0]
    costs[140] = 30.0
    open_days = pl.DataFrame({"app_id": ["shop"] * 2, "usage_date": [day(130), day(131)]})
    judged = anomaly.detect(series(costs), open_days=open_days)
    assert flagged(judged) == {day(140): "up"}
    assert judged["cost"].to_list() == costs
    missing = series([*costs[:130], None, None, *costs[132:]])
    assert_frame_equal(judged.select(ADDED), anomaly.detect(missing).select(ADDED))
    assert_frame_equal(anomaly.detect(series(costs), open_days=open_days.drop("app_id")), judged)
    assert flagged(anomaly.detect(series(costs))) != flagged(judged)
    assert day(130) in flagged(anomaly.detect(series(costs), open_days=open_days.clear()))
    for wrong in (open_days.drop("usage_date"), open_days.with_columns(source=pl.lit("aws"))):
        with pytest.raises(ModelError, match="open days"):
            anomaly.detect(series(costs), open_days=wrong)


@pytest.mark.parametrize(("scale", "is_found"), [(1.0, False), (40.0, True)])
def test_what_lasts_and_is_much_money_needs_less_proof(scale: float, is_found: bool) -> None:
    """A quarter more for three weeks: of ten dollars a day it is business, of four hundred it is told."""
    costs = [10 * scale * (1.25 if 150 <= i < 171 else 1) for i in range(180)]
    assert bool(flagged(anomaly.detect(series(costs)))) is is_found


def test_much_money_on_one_day_needs_the_same_proof_as_little() -> None:
    costs = weekly(150, 1000.0, 500.0)
    costs[100] *= 1.8
    assert flagged(anomaly.detect(series(costs))) == {}


@pytest.mark.parametrize(("currency", "is_worth_it"), [("USD", True), ("EUR", True), ("JPY", False)])
def test_what_is_worth_an_alert_depends_on_the_currency(currency: str, is_worth_it: bool) -> None:
    costs = weekly(150)
    costs[100] += 50
    judged = anomaly.detect(
        series(costs).with_columns(billing_currency=pl.lit(currency)), by=("app_id", "billing_currency")
    )
    assert bool(flagged(judged)) is is_worth_it


@pytest.mark.parametrize(("currency", "dollar"), [("USD", 1), ("EUR", 1), ("JPY", 150), ("SEK", 10)])
@pytest.mark.parametrize("kind", ["up", "ramp", "zero"])
def test_every_kind_is_worth_an_alert_by_the_size_of_its_currency(
    kind: str, currency: str, dollar: int
) -> None:
    """The same course, in dollars and in cents of them: worth an alert as the first, never as the second."""
    courses = {
        "up": [cost + (50 if i == 100 else 0) for i, cost in enumerate(weekly(150))],
        "ramp": [10.0] * 120 + [10.0 * 1.035 ** (i + 1) for i in range(30)],
        "zero": [0.0 if 130 <= i < 135 else cost for i, cost in enumerate(weekly(150))],
    }

    def kinds(scale: float) -> set[str]:
        costs = series([cost * scale for cost in courses[kind]])
        judged = anomaly.detect(
            costs.with_columns(billing_currency=pl.lit(currency)), by=("app_id", "billing_currency")
        )
        return set(flagged(judged).values())

    assert kinds(dollar) == {kind}
    assert kinds(dollar / 100) == set()


def test_cents_are_never_an_anomaly() -> None:
    costs = [cost / 100 for cost in weekly(200)]
    costs[100] *= 9
    costs[150:153] = [0.0] * 3
    assert flagged(anomaly.detect(series(costs))) == {}


@pytest.mark.parametrize("unknown", [None, math.nan, math.inf, -3.0])
def test_an_unknown_cost_is_neither_zero_nor_an_anomaly_nor_part_of_the_level(unknown: float | None) -> None:
    costs: list[float | None] = list(weekly(150))
    costs[100] = unknown
    judged = anomaly.detect(series(costs))
    assert flagged(judged) == {}
    assert judged["expected"][100] == pytest.approx(10.0 if day(100).weekday() < 5 else 5.0)
    assert_frame_equal(
        judged.slice(101), anomaly.detect(series(costs).filter(pl.col.usage_date != day(100))).slice(100)
    )


@pytest.mark.parametrize("missing", [1, 2, 3])
def test_a_missing_day_is_not_a_failure_and_keeps_later_days_in_place(missing: int) -> None:
    is_missing = pl.col.usage_date.is_between(day(150), day(149 + missing))
    holes = series(weekly(200)).filter(~is_missing)
    judged = anomaly.detect(holes)
    assert flagged(judged) == {}
    assert judged["expected"].tail(7).to_list() == pytest.approx(weekly(200)[-7:])
    chance = random.Random(missing)
    wandering = series([cost * chance.uniform(0.5, 1.6) for cost in weekly(200)])
    unknown = wandering.with_columns(cost=pl.when(~is_missing).then("cost"))
    assert_frame_equal(
        anomaly.detect(wandering.filter(~is_missing)), anomaly.detect(unknown).filter(~is_missing)
    )


def test_days_that_a_complete_bill_leaves_out_are_a_stop_once_they_are_filled_with_zeros() -> None:
    bill = series(weekly(120)).filter(~pl.col.usage_date.is_between(day(100), day(103)))
    filled = anomaly.with_silent_days(bill, last_day=day(121))
    assert filled["usage_date"].to_list() == [day(i) for i in range(122)]
    assert filled.filter(pl.col.cost == 0)["usage_date"].to_list() == [
        day(i) for i in (100, 101, 102, 103, 120, 121)
    ]
    found = flagged(anomaly.detect(filled))
    assert found == {day(i): "zero" for i in (100, 101, 102, 103, 121)}  # the second stop needs two days


def test_silence_is_filled_per_series_until_it_is_old_and_never_past_what_is_known() -> None:
    bill = pl.concat([series([1.0], "ended", first=0), series([2.0, 3.0], "late", first=398)]).with_columns(
        pl.col.cost.cast(pl.Decimal(38, 18)), team=pl.lit("web")
    )
    filled = anomaly.with_silent_days(bill, last_day=day(398))
    assert filled.columns == ["app_id", "usage_date", "cost"]
    assert filled.schema["cost"] == pl.Decimal(38, 18)
    ended = filled.filter(pl.col.app_id == "ended")
    assert ended["usage_date"].to_list() == [day(i) for i in range(57)]
    assert filled.filter(pl.col.app_id == "late")["usage_date"].to_list() == [day(398), day(399)]
    assert filled["cost"].sum() == Decimal(6)


def test_judging_what_was_judged_replaces_the_judgement() -> None:
    judged = anomaly.detect(series(weekly(90)))
    assert_frame_equal(anomaly.detect(judged), judged)


def test_after_a_gap_longer_than_its_memory_an_app_starts_anew() -> None:
    before, after = series(weekly(100)), series(weekly(30, workday=90, weekend=90), first=5000)
    judged = anomaly.detect(pl.concat([before, after]))
    assert_frame_equal(judged.slice(100), anomaly.detect(after))


def test_frame_comes_back_as_given_with_three_columns_more() -> None:
    costs = series(weekly(90)).with_columns(
        pl.col.cost.cast(pl.Decimal(38, 18)), team=pl.lit("web"), billing_currency=pl.lit("EUR")
    )
    costs = costs.select("team", "cost", "billing_currency", "usage_date", "app_id")
    copy = costs.clone()
    judged = anomaly.detect(costs, by=("app_id", "billing_currency"))
    assert_frame_equal(costs, copy)
    assert_frame_equal(judged.select(costs.columns), costs)
    assert judged.columns == [*costs.columns, *ADDED]
    assert [judged.schema[name] for name in ADDED] == [pl.Float64, pl.Boolean, pl.String]
    assert_frame_equal(judged.select(ADDED), anomaly.detect(series(weekly(90))).select(ADDED))


def test_an_empty_frame_has_the_columns_too() -> None:
    judged = anomaly.detect(series([]))
    assert judged.schema == {
        **series([]).schema,
        "expected": pl.Float64,
        "is_anomaly": pl.Boolean,
        "kind": pl.String,
    }
    assert anomaly.episodes(judged).height == 0


def test_integer_app_ids_are_as_good_as_names() -> None:
    costs = series(weekly(90)).with_columns(app_id=pl.lit(7))
    assert anomaly.detect(costs)["app_id"].to_list() == [7] * 90


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda costs: costs.reverse(), "row 1 .* out of order"),
        (lambda costs: pl.concat([costs, costs.tail(1)]), "given twice"),
        (lambda costs: pl.concat([costs.with_columns(app_id=pl.lit("z")), costs]), "out of order"),
        (lambda costs: costs.drop("cost"), "column cost is missing"),
        (lambda costs: costs.with_columns(pl.col.usage_date.cast(pl.String)), "cast it to Date"),
        (lambda costs: costs.with_columns(pl.col.cost.cast(pl.String)), "cost is String"),
        (lambda costs: costs.with_columns(app_id=pl.lit(None, pl.String)), "app_id has nulls"),
    ],
)
def test_a_frame_that_is_not_as_promised_is_refused_in_a_sentence(broken, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        anomaly.detect(broken(series(weekly(20))))


# Fleets of random apps: rhythm, gaps, zeros, unknown days, spikes and steps in any order.
@st.composite
def fleets(draw: st.DrawFn) -> pl.DataFrame:
    chance = random.Random(draw(st.integers(0, 2**32)))
    apps = []
    for number in range(draw(st.integers(1, 4))):
        size = 10 ** chance.uniform(-1, 3)
        days = chance.randint(1, 220)
        values: list[float | None] = []
        for i in range(days):
            size *= chance.choice([1] * 60 + [0.5, 2])
            value = size * (0.6 if i % 7 > 4 else 1) * math.exp(chance.gauss(0, 0.1))
            values.append(chance.choice([value] * 40 + [0.0, None, 8 * value, -1.0]))
        app = series(values, app=f"app-{number}", first=chance.randint(0, 40))
        missing = chance.choice([0.0, 0.1, 0.6])
        keep = [True] + [chance.random() >= missing for _ in range(days - 1)]
        apps.append(app.filter(pl.Series(keep)))
    return pl.concat(apps)


@settings(max_examples=40, deadline=None)
@given(fleets())
def test_judging_twice_gives_the_same_and_changes_nothing(costs: pl.DataFrame) -> None:
    copy = costs.clone()
    assert_frame_equal(anomaly.detect(costs), anomaly.detect(costs), check_exact=True)
    assert_frame_equal(costs, copy, check_exact=True)


@settings(max_examples=40, deadline=None)
@given(fleets(), st.integers(0, 250))
def test_later_days_never_change_an_earlier_judgement(costs: pl.DataFrame, cut: int) -> None:
    early = pl.col.usage_date <= day(cut)
    assert_frame_equal(
        anomaly.detect(costs).filter(early), anomaly.detect(costs.filter(early)), check_exact=True
    )


@settings(max_examples=40, deadline=None)
@given(fleets())
def test_an_app_is_judged_as_if_it_were_alone(costs: pl.DataFrame) -> None:
    together = anomaly.detect(costs)
    alone = [anomaly.detect(app) for app in costs.partition_by("app_id")]
    assert_frame_equal(together, pl.concat(alone), check_exact=True)


@settings(max_examples=40, deadline=None)
@given(fleets())
def test_only_a_known_day_with_an_expectation_is_flagged_and_every_flag_has_a_kind(
    costs: pl.DataFrame,
) -> None:
    judged = anomaly.detect(costs)
    flags = judged.filter("is_anomaly")
    assert judged["is_anomaly"].null_count() == 0
    assert judged.filter(pl.col.is_anomaly != pl.col.kind.is_not_null()).height == 0
    assert set(flags["kind"]) <= {"up", "ramp", "zero"}
    assert flags.filter(pl.col.cost.is_null() | (pl.col.cost < 0) | pl.col.expected.is_null()).height == 0


def test_the_last_120_days_give_the_flags_of_the_last_day() -> None:
    """So a daily run reads a tail of the costs and not the whole year."""
    chance = random.Random(20251122)
    apps = []
    for number in range(300):
        spread, size = chance.uniform(0.03, 0.2), 10 ** chance.uniform(0, 2)
        noise = [math.exp(chance.gauss(0, spread)) for _ in range(250)]
        values = [size * n * w for n, w in zip(noise, weekly(250, 1.0, chance.uniform(0.3, 1)), strict=True)]
        if number % 3 == 0:
            values[-1] *= chance.choice([0, 1.5, 3, 6])
        if number % 5 == 0:
            values = [v + 12 * size * (day(i).day == day(249).day) for i, v in enumerate(values)]
        apps.append(series(values, app=f"app-{number:03}"))
    costs = pl.concat(apps)
    last = pl.col.usage_date == day(249)
    whole = anomaly.detect(costs).filter(last)
    tail = anomaly.detect(costs.filter(pl.col.usage_date > day(249 - 120))).filter(last)
    assert whole["is_anomaly"].sum() > 20
    assert whole.select("app_id", "kind").equals(tail.select("app_id", "kind"))


@pytest.mark.parametrize(
    ("noise", "tailp", "least_f1"),
    [(1.0, 0.005, 0.85), pytest.param(1.5, 0.02, 0.79, marks=pytest.mark.slow)],
)
def test_the_bars_of_the_benchmark_hold(noise: float, tailp: float, least_f1: float) -> None:
    if not bench_anomaly.BENCHMARK.is_file():
        pytest.skip(f"no {bench_anomaly.BENCHMARK.name} beside the project")
    scores = bench_anomaly.measured(bench_anomaly.loaded(bench_anomaly.BENCHMARK), 20250801, noise, tailp)
    assert scores["f1"] >= least_f1
    assert scores["dollar_recall"] >= 0.9
    assert scores["false_alarms_per_1k_app_months"] <= 2.5


def flags_on(days: dict[int, str], length: int, app: str = "shop", team: str = "web") -> pl.DataFrame:
    """Costs of 3 where 1 is expected on flagged days, else 1."""
    return pl.DataFrame(
        {
            "app_id": [app] * length,
            "team": [team] * length,
            "usage_date": [day(i) for i in range(length)],
            "cost": [Decimal("3.000000000000000001") if i in days else Decimal(1) for i in range(length)],
            "expected": [1.0] * length,
            "is_anomaly": [i in days for i in range(length)],
            "kind": [days.get(i) for i in range(length)],
        },
        schema_overrides={"cost": pl.Decimal(38, 18), "kind": pl.String},
    )


def test_flags_three_days_apart_are_one_episode_and_four_days_apart_are_two() -> None:
    flags = flags_on({10: "up", 13: "up", 17: "ramp"}, 40)
    found = anomaly.episodes(flags, carry=["team"]).sort("start_date")
    assert found.columns == [
        "app_id",
        "team",
        "start_date",
        "end_date",
        "kind",
        "expected_cost",
        "actual_cost",
        "impact",
        "state",
    ]
    assert found.rows() == [
        ("shop", "web", day(10), day(13), "up", Decimal(4), Decimal("8.000000000000000002"), Decimal("4.000000000000000002"), "ended"),
        ("shop", "web", day(17), day(17), "ramp", Decimal(1), Decimal("3.000000000000000001"), Decimal("2.000000000000000001"), "ended"),
    ]  # fmt: skip
    assert [found.schema[name] for name in ("expected_cost", "actual_cost", "impact")] == [
        pl.Decimal(38, 18)
    ] * 3


def test_the_kind_of_an_episode_is_how_it_began() -> None:
    flags = flags_on({10: "up", 11: "ramp", 12: "ramp", 20: "zero", 21: "up"}, 30)
    assert anomaly.episodes(flags).sort("start_date")["kind"].to_list() == ["up", "zero"]


def test_an_episode_is_open_while_it_touches_the_last_three_days_of_the_data() -> None:
    flags = pl.concat(
        [flags_on({36: "up"}, 40, "a"), flags_on({37: "up"}, 40, "b"), flags_on({37: "up"}, 38, "c")]
    )
    assert anomaly.episodes(flags).sort("app_id")["state"].to_list() == ["ended", "open", "open"]


def test_the_largest_impact_of_either_sign_comes_first() -> None:
    big, small = flags_on({10: "up"}, 20, "big"), flags_on({10: "up"}, 20, "small")
    fall = flags_on({10: "zero"}, 20, "stopped").with_columns(expected=pl.lit(90.5))
    found = anomaly.episodes(pl.concat([big.with_columns(pl.col.cost * 2), small, fall]))
    assert found["app_id"].to_list() == ["stopped", "big", "small"]
    assert found["impact"][0] == Decimal("3.000000000000000001") - Decimal("90.5")


def test_episodes_of_two_currencies_of_an_app_stay_apart() -> None:
    euro, dollar = (
        flags_on({10: "up"}, 20).with_columns(billing_currency=pl.lit(currency))
        for currency in ("EUR", "USD")
    )
    found = anomaly.episodes(pl.concat([euro, dollar]), by=["app_id", "billing_currency"])
    assert found["billing_currency"].to_list() == ["EUR", "USD"]


def test_the_label_of_an_episode_is_the_one_of_its_last_day() -> None:
    flags = flags_on({10: "up", 12: "up"}, 20).with_columns(
        team=pl.when(pl.col.usage_date >= day(12)).then(pl.lit("new")).otherwise(pl.lit("old"))
    )
    assert anomaly.episodes(flags, carry=["team"])["team"].to_list() == ["new"]


def test_unknown_days_inside_an_episode_count_as_expected() -> None:
    flags = flags_on({10: "up", 13: "up"}, 20).with_columns(
        cost=pl.when(pl.col.usage_date != day(11)).then("cost"),
        expected=pl.when(pl.col.usage_date != day(12)).then("expected"),
    )
    assert anomaly.episodes(flags)["impact"].to_list() == [Decimal("4.000000000000000002")]


def test_a_sum_beyond_the_money_type_is_an_error_and_does_not_wrap() -> None:
    flags = flags_on({10: "up", 11: "up"}, 20).with_columns(
        cost=pl.lit(Decimal("9" * 19)).cast(pl.Decimal(38, 18))
    )
    with pytest.raises(ModelError, match="more than 19 digits"):
        anomaly.episodes(flags)


@settings(max_examples=30, deadline=None)
@given(fleets())
def test_episodes_cover_each_flag_once_and_sum_to_the_same_decimals(costs: pl.DataFrame) -> None:
    exact = costs.with_columns(pl.col.cost.fill_nan(None).cast(pl.Decimal(38, 18)))
    flags = anomaly.detect(exact)
    found = anomaly.episodes(flags)
    covered = 0
    for episode in found.iter_rows(named=True):
        inside = flags.filter(
            (pl.col.app_id == episode["app_id"])
            & pl.col.usage_date.is_between(episode["start_date"], episode["end_date"])
        )
        covered += inside["is_anomaly"].sum()
        assert sum((c for c in inside["cost"] if c is not None), Decimal(0)) == episode["actual_cost"]
        assert episode["actual_cost"] - episode["expected_cost"] == episode["impact"]
    assert covered == flags["is_anomaly"].sum()
