"""Cost anomalies: which days of an app cost far more, or nothing, against what its own past makes us expect.

Pure: daily costs in, the same days with a judgement out, and flagged days gathered into episodes. Reading costs,
choosing currencies and sending alerts do not belong here; the numbers live in ``models/policy/anomaly.yaml``.

How a day is judged, from that day and earlier ones only:

- *expected* = robust level of the app x factor of the weekday, both medians over earlier days that had a cost;
- *score* = log(cost / expected) in units of the app's own spread, which leans on a prior while the app is young;
- ``up``: well above expected in money, as a share and by score, on several of the last few days or on one extreme
  day, or somewhat above it for longer than a monthly charge lasts; not when the same rise came a month or two
  before, nor on a single day of a young app, which may be its first monthly charge;
- ``ramp``: the median week outgrew earlier weeks by far more than the app's weeks ever wandered;
- ``zero``: an app that always costs something costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from functools import reduce
from importlib import resources
from typing import Any

import polars as pl
import yaml
from pydantic import BaseModel, ConfigDict

from models.errors import ModelError


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MoneyPolicy(_Section):
    """What is worth an alert, per day, and how much of a currency makes a dollar."""

    least_amount: float
    least_amount_lasting: float
    per_dollar: dict[str, float]


class LevelPolicy(_Section):
    """What is expected: windows of the level and of the weekday factor, in days and weeks."""

    days: int
    long_days: int
    least_days: int
    weeks: int
    least_weeks: int
    trend_days: int
    least_trend_days: int
    intermittent_share: float


class SpreadPolicy(_Section):
    """Spread of log(cost / expected), the prior that young apps lean on, and their cap."""

    days: int
    floor: float
    prior: float
    prior_days: int
    most_day_to_day: float


class RisePolicy(_Section):
    """How far above expected a day must be, as a share and by score, and for how many days."""

    least_share: float
    least_share_one_day: float
    least_share_intermittent: float
    least_share_young: float
    least_score: float
    least_score_one_day: float
    days_needed: int
    days_seen: int
    least_share_lasting: float
    days_needed_lasting: int
    days_seen_lasting: int


class CostlyPolicy(_Section):
    """How much less proof is asked of what lasts, the more money a day it is: from ``amount`` on, down to ``least_proof`` of
    it at ``amount_least``; the proof falls with the logarithm of the amount."""

    amount: float
    amount_least: float
    least_proof: float


class RecurrencePolicy(_Section):
    """When a rise is the monthly charge that came before."""

    lags: tuple[int, ...]
    days: int
    least_share_of_rise: float
    cost_ratio: float
    score_margin: float


class Horizon(_Section):
    """What the last week is compared with: the median of ``before_days`` ended ``lag_days`` ago."""

    before_days: int
    lag_days: int
    least_ratio: float
    least_score: float


class GrowthPolicy(_Section):
    """When growth of the median week is too fast."""

    days: int
    horizons: tuple[Horizon, ...]
    own_days: int
    own_lag_days: int
    least_own_days: int
    least_spread_share: float


class ZeroPolicy(_Section):
    """When no cost is a failure and not a day off."""

    share_of_level: float
    least_age_days: int
    most_zero_share: float


class EpisodePolicy(_Section):
    """How flagged days become one alert."""

    gap_days: int
    open_days: int


class RollupPolicy(_Section):
    """What anomalies of a team or service must add up to: dollars, and a share of what the group would have cost."""

    least_amount: float
    least_share: float
    least_apps_whole: int


class AnomalyPolicy(_Section):
    """Every number of the detector, as ``models/policy/anomaly.yaml`` has it."""

    young_days: int
    money: MoneyPolicy
    level: LevelPolicy
    spread: SpreadPolicy
    rise: RisePolicy
    costly: CostlyPolicy
    recurrence: RecurrencePolicy
    growth: GrowthPolicy
    zero: ZeroPolicy
    episode: EpisodePolicy
    rollup: RollupPolicy


POLICY = AnomalyPolicy.model_validate(
    yaml.safe_load((resources.files("models") / "policy" / "anomaly.yaml").read_text("utf-8"))
)

MONEY = pl.Decimal(38, 18)
ESTIMATE = pl.Decimal(38, 6)  # what comes from a float: more places would be noise dressed as money
MAD_TO_SIGMA = 1.4826  # median absolute deviation of a normal distribution -> its standard deviation
CURRENCY = "billing_currency"
JUDGEMENT = {"expected": pl.Float64(), "is_anomaly": pl.Boolean(), "kind": pl.String()}


def detect(
    costs: pl.DataFrame,
    by: Sequence[str] = ("app_id",),
    policy: AnomalyPolicy = POLICY,
    open_days: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Judge every day of every series by that day and earlier ones.

    ``costs``: the columns ``by`` (the key of a series: app, and currency where there are several), ``usage_date``
    (Date) and ``cost`` (float or decimal, one currency per series), live days only, one row per series and day,
    sorted by ``by`` and ``usage_date``. Lags count calendar days, so days may be missing; a missing day, like a
    null, NaN or infinite cost, is unknown: neither zero nor anomalous. A negative cost is a correction of another
    day and is not judged either. After a gap longer than anything the detector remembers, a series starts anew.

    Where a missing day is known to be a day without cost, as in a complete bill, ``with_silent_days`` says so.
    ``open_days`` are days whose bill is not whole yet, by ``usage_date`` and any of ``by``: what they cost so far is as
    unknown as what a missing day cost, so that half a day is neither a fall nor part of a level.

    Returns the frame as given plus ``expected`` (Float64, null while the past is too short), ``is_anomaly``
    (Boolean) and ``kind`` (``up``, ``ramp``, ``zero`` or null). Raises ModelError for missing columns, wrong types,
    null keys, rows out of order or given twice.
    """
    _check(costs, by)
    if costs.is_empty():
        return costs.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in JUDGEMENT.items())
    numbered = _numbered(without_open_days(costs, open_days, by), by, policy)
    judged = _judged(_calendar(numbered).lazy(), policy).filter("is_given").select(*JUDGEMENT)
    return costs.with_columns(judged.collect().get_columns())


def without_open_days(
    costs: pl.DataFrame, open_days: pl.DataFrame | None, by: Sequence[str] = ("app_id",)
) -> pl.DataFrame:
    """The same rows with a null cost on the days whose bill is not whole yet.

    Raises:
        ModelError: ``open_days`` has no ``usage_date``, or a column that is not of the series.
    """
    if open_days is None or open_days.is_empty():
        return costs
    named = sorted(open_days.columns)
    if "usage_date" not in named or set(named) - {*by, "usage_date"}:
        raise ModelError(
            f"open days: columns {', '.join(named)}; give usage_date, and any of {', '.join(by)}"
        )
    known = costs.join(
        open_days.unique().with_columns(is_open=pl.lit(True)), on=named, how="left", maintain_order="left"
    )
    return known.with_columns(cost=pl.when(pl.col("is_open").is_null()).then("cost")).drop("is_open")


def with_silent_days(
    costs: pl.DataFrame, last_day: date, by: Sequence[str] = ("app_id",), policy: AnomalyPolicy = POLICY
) -> pl.DataFrame:
    """Add the days without cost, which a bill leaves out, as days that cost zero, so that ``detect`` sees a stop.

    ``costs`` as for ``detect``; ``last_day`` is the last day whose bill is complete, and nothing is added after it.
    A series is filled from its first day on, and past its last one for as long as the level is remembered: after
    that, silence is what is expected. Columns: ``by``, ``usage_date``, ``cost``, sorted. Raises ModelError as ``detect``.
    """
    _check(costs, by)
    rows = costs.select(*by, "usage_date", "cost")
    stop = pl.col.usage_date.max() + pl.duration(days=policy.level.long_days)
    spans = rows.group_by(*by, maintain_order=True).agg(
        first=pl.col.usage_date.min(),
        last=pl.max_horizontal(pl.col.usage_date.max(), pl.min_horizontal(stop, pl.lit(last_day))),
    )
    days = spans.select(*by, pl.date_ranges("first", "last").alias("usage_date")).explode("usage_date")
    silent = days.join(rows, on=[*by, "usage_date"], how="anti")
    zero = pl.lit(0).cast(costs.schema["cost"]).alias("cost")
    return pl.concat([rows, silent.with_columns(zero)]).sort(*by, "usage_date")


def episodes(
    flags: pl.DataFrame,
    by: Sequence[str] = ("app_id",),
    carry: Sequence[str] = (),
    policy: AnomalyPolicy = POLICY,
) -> pl.DataFrame:
    """Gather flagged days of a series into alerts: flags at most ``gap_days`` apart are one episode.

    ``flags``: what ``detect`` returned, with the same ``by``. Columns: ``by``, ``carry`` (labels such as the team,
    as on the last day of the episode), ``start_date``, ``end_date``, ``kind`` (of the first day: how it began),
    ``expected_cost``, ``actual_cost`` and ``impact`` = actual - expected (Decimal(38,18), sums over all known days
    from start to end; a day without expectation counts as expected), ``state`` (``open`` when the episode touches
    the last ``open_days`` of the data, else ``ended``). Largest absolute impact first.
    Raises ModelError for missing columns, rows out of order, or sums beyond Decimal(38,18).
    """
    _check(flags, by, also=(*carry, *JUDGEMENT))
    marked = _marked(flags, by, policy.episode)
    for name in ("cost", "expected"):
        check_sum(marked[name])
    last_day = flags["usage_date"].max()
    is_open = pl.col.end_date > pl.lit(last_day, pl.Date) - pl.duration(days=policy.episode.open_days)
    return (
        marked.group_by("episode", maintain_order=True)
        .agg(
            *[pl.col(key).last() for key in (*by, *carry)],
            pl.col.usage_date.first().alias("start_date"),
            pl.col.usage_date.last().alias("end_date"),
            pl.col.kind.first(),
            pl.col.expected.sum().alias("expected_cost"),
            pl.col.cost.sum().alias("actual_cost"),
        )
        .drop("episode")
        .with_columns(
            (pl.col.actual_cost - pl.col.expected_cost).cast(MONEY).alias("impact"),
            pl.when(is_open).then(pl.lit("open")).otherwise(pl.lit("ended")).alias("state"),
        )
        .sort(pl.col.impact.abs(), *by, "start_date", descending=[True, *[False] * len(by), False])
    )


def _check(frame: pl.DataFrame, by: Sequence[str], also: Sequence[str] = ()) -> None:
    missing = [name for name in (*by, "usage_date", "cost", *also) if name not in frame.columns]
    if missing:
        raise ModelError(
            f"daily costs: column {', '.join(missing)} is missing; the frame has {', '.join(frame.columns)}"
        )
    if frame.schema["usage_date"] != pl.Date:
        raise ModelError(f"daily costs: usage_date is {frame.schema['usage_date']}; cast it to Date")
    if not frame.schema["cost"].is_numeric():
        raise ModelError(f"daily costs: cost is {frame.schema['cost']}; give a float or a decimal")
    order = [*by, "usage_date"]
    with_nulls = [name for name in order if frame[name].null_count()]
    if with_nulls:
        raise ModelError(f"daily costs: {', '.join(with_nulls)} has nulls; every row needs its key and day")
    ascending = reduce(
        lambda later, name: (
            (pl.col(name) > pl.col(name).shift()) | ((pl.col(name) == pl.col(name).shift()) & later)
        ),
        reversed(order),
        pl.lit(False),
    )
    wrong = frame.select(ascending.fill_null(True).not_().arg_true())
    if wrong.height:
        row = wrong.item(0, 0)
        what = ", ".join(f"{name} {frame.item(row, name)}" for name in order)
        raise ModelError(
            f"daily costs: row {row} ({what}) is out of order or given twice; sort by {', '.join(order)}"
        )


def _memory_days(policy: AnomalyPolicy) -> int:
    """Days after which no window reaches back to the past."""
    growth, again = policy.growth, policy.recurrence
    return max(
        policy.level.long_days,
        policy.level.weeks * 7,
        policy.spread.days,
        growth.own_days + growth.own_lag_days,
        *(horizon.before_days + horizon.lag_days for horizon in growth.horizons),
        *(lag + again.days for lag in again.lags),
    )


def _numbered(costs: pl.DataFrame, by: Sequence[str], policy: AnomalyPolicy) -> pl.DataFrame:
    """Columns ``series`` (a number per uninterrupted series), ``usage_date``, ``dollar`` (what makes one in the currency
    of the series) and ``cost`` (known and not negative, or null)."""
    value = pl.col.cost.cast(pl.Float64)
    new_key = pl.any_horizontal(pl.col(key) != pl.col(key).shift() for key in by)
    gap = pl.col.usage_date.diff() > pl.duration(days=_memory_days(policy))
    dollar = (
        pl.col(CURRENCY)
        .cast(pl.String)
        .replace_strict(policy.money.per_dollar, default=1.0, return_dtype=pl.Float64)
        if CURRENCY in by
        else pl.lit(1.0)
    )
    return costs.select(
        (new_key | gap).fill_null(True).cum_sum().alias("series"),
        pl.col.usage_date,
        dollar.alias("dollar"),
        pl.when(value.is_finite() & (value >= 0)).then(value).alias("cost"),
    )


def _calendar(numbered: pl.DataFrame) -> pl.DataFrame:
    """One row per series and calendar day, so that a shift by one row is a day; ``is_given`` marks the rows we were given."""
    given = numbered.with_columns(is_given=pl.lit(True))
    spans = numbered.group_by("series", maintain_order=True).agg(
        pl.col.usage_date.first().alias("first"), pl.col.usage_date.last().alias("last")
    )
    if spans.select(((pl.col.last - pl.col.first).dt.total_days() + 1).sum()).item() == numbered.height:
        return given
    days = spans.select("series", pl.date_ranges("first", "last").alias("usage_date")).explode("usage_date")
    return days.join(given, on=["series", "usage_date"], how="left", maintain_order="left").with_columns(
        pl.col.is_given.fill_null(False)
    )


def _judged(days: pl.LazyFrame, policy: AnomalyPolicy) -> pl.LazyFrame:
    """Adds the columns of JUDGEMENT to a calendar of series; each step below adds the columns the next ones read.

    A rise that outgrew earlier weeks is measured against those: the level of late has followed it.
    """
    steps = (_with_level, _with_spread, _with_rise, _with_growth, _with_zero)
    kind = (
        pl.when("is_zero")
        .then(pl.lit("zero"))
        .when("is_up")
        .then(pl.lit("up"))
        .when(pl.col.outgrown.is_not_null())
        .then(pl.lit("ramp"))
    )
    judged = reduce(lambda frame, step: step(frame, policy), steps, days)
    return judged.with_columns(kind=kind).with_columns(
        is_anomaly=pl.col.kind.is_not_null(),
        expected=pl.coalesce(
            pl.when(pl.col.kind.is_in(["up", "ramp"])).then(pl.col.outgrown * pl.col.factor), "expected"
        ),
    )


def _with_level(days: pl.LazyFrame, policy: AnomalyPolicy) -> pl.LazyFrame:
    """``age``, ``spend`` (cost where there is any), ``steady`` (spend without weekday) and its medians, ``level``,
    ``factor``, ``expected``.

    Zero days never enter a level: it says what the app costs on a day it runs.
    """
    level = policy.level
    trend = pl.col.spend.rolling_mean(level.trend_days, min_samples=level.least_trend_days).over("series")
    weekday = (
        pl.col.against_trend.rolling_median(level.weeks, min_samples=level.least_weeks)
        .shift()
        .over("series", "weekday")
    )

    windows = {level.days, level.long_days, policy.growth.days}
    windows |= {horizon.before_days for horizon in policy.growth.horizons}
    return (
        days.with_columns(
            age=pl.int_range(pl.len()).over("series"),
            weekday=pl.col.usage_date.dt.weekday(),
            spend=pl.when(pl.col.cost > 0).then(pl.col.cost),
            zero_share=_past(
                (pl.col.cost == 0).cast(pl.Float64).rolling_mean(level.long_days, min_samples=1)
            ).fill_null(0),
        )
        .with_columns(against_trend=pl.col.spend / trend)
        .with_columns(factor=weekday.fill_null(1.0))
        .with_columns(steady=pl.col.spend / pl.col.factor)
        .with_columns(
            pl.col.steady.rolling_median(window, min_samples=level.least_days)
            .over("series")
            .alias(_median(window))
            for window in sorted(windows)
        )
        .with_columns(
            level=_past(pl.col(_median(level.days))),
            long_level=_past(pl.col(_median(level.long_days))),
            is_intermittent=pl.col.zero_share > level.intermittent_share,
        )
        .with_columns(
            expected=pl.col.factor
            * pl.when("is_intermittent").then("long_level").otherwise(pl.coalesce("level", "long_level"))
        )
    )


def _with_spread(days: pl.LazyFrame, policy: AnomalyPolicy) -> pl.LazyFrame:
    """``rise`` = log(spend / expected), ``spread`` of it, ``score`` = rise / spread.

    A young app that still grows into its level is far from expected every day, which is not noise: its own spread is
    capped by that of its changes from day to day.
    """
    spread = policy.spread
    own_days = pl.min_horizontal("age", spread.days)
    is_young = pl.col.age < policy.young_days
    day_to_day = pl.when(is_young).then(pl.col.steady.log().diff().over("series").abs())
    capped = pl.when(is_young).then(pl.min_horizontal("own", "cap")).otherwise("own")
    shrunk = (own_days * capped.fill_null(0) + spread.prior_days * spread.prior) / (
        own_days + spread.prior_days
    )
    return (
        days.with_columns(rise=(pl.col.spend / pl.col.expected).log(), change=day_to_day)
        .with_columns(
            own=MAD_TO_SIGMA * _past(pl.col.rise.abs().rolling_median(spread.days, min_samples=1)),
            cap=spread.most_day_to_day
            * (MAD_TO_SIGMA / math.sqrt(2))  # a difference of two days has twice the variance of one
            * _past(pl.col.change.rolling_median(spread.days, min_samples=policy.level.least_days)),
        )
        .with_columns(spread=pl.max_horizontal(shrunk, spread.floor))
        .with_columns(score=pl.col.rise / pl.col.spread)
    )


def _with_rise(days: pl.LazyFrame, policy: AnomalyPolicy) -> pl.LazyFrame:
    """``is_up``: far above expected for a few days or extremely for one, and not as it was a month or two ago; or
    somewhat above it for longer than a monthly charge lasts."""
    rise, again, money = policy.rise, policy.recurrence, policy.money
    is_young = pl.col.age < policy.young_days

    def least_share(everyday: float) -> pl.Expr:
        return (
            pl.when(is_young)
            .then(max(everyday, rise.least_share_young))
            .when("is_intermittent")
            .then(max(everyday, rise.least_share_intermittent))
            .otherwise(everyday)
        )

    def is_far(amount: float, share: float, score: float, proof: pl.Expr | float = 1.0) -> pl.Expr:
        return (
            (pl.col.cost - pl.col.expected > amount * pl.col.dollar)
            & (pl.col.cost > (1 + proof * least_share(share)) * pl.col.expected)
            & (pl.col.score > proof * score)
        ).fill_null(False)

    def month_ago(value: str) -> pl.Expr:
        return pl.max_horizontal(
            pl.col(value).rolling_max(again.days, min_samples=1).shift(lag).over("series")
            for lag in again.lags
        )

    def lasts(days_high: str, needed: int, seen: int) -> pl.Expr:
        """High today, and on as many of the last days as it takes."""
        count = pl.col(days_high).cast(pl.Int8).rolling_sum(seen, min_samples=1).over("series")
        return pl.col(days_high) & (count >= needed)

    is_recurring = (pl.col.past_rise > again.least_share_of_rise * pl.col.rise) & (
        (pl.col.cost <= again.cost_ratio * pl.col.past_cost)
        | (pl.col.rise <= pl.col.past_rise + again.score_margin * pl.col.spread)
    )
    return days.with_columns(
        is_higher=is_far(
            money.least_amount_lasting,
            rise.least_share_lasting,
            rise.least_score,
            _proof(pl.col.cost - pl.col.expected, policy.costly),
        ),
        is_high=is_far(money.least_amount_lasting, rise.least_share, rise.least_score),
        is_extreme=is_far(money.least_amount, rise.least_share_one_day, rise.least_score_one_day)
        & is_young.not_(),
        past_rise=month_ago("rise"),
        past_cost=month_ago("spend"),
    ).with_columns(
        is_up=(
            (pl.col.is_extreme | lasts("is_high", rise.days_needed, rise.days_seen))
            & is_recurring.fill_null(False).not_()
        )
        | lasts("is_higher", rise.days_needed_lasting, rise.days_seen_lasting)
    )


def _with_growth(days: pl.LazyFrame, policy: AnomalyPolicy) -> pl.LazyFrame:
    """``outgrown``: the earlier median that the last week outgrew, of the farthest horizon where it did; else null.

    Growth is measured in units of the app's own wandering from week to week, so an app whose noise lasts for days
    is not taken for a growing one.
    """
    growth = policy.growth
    numbered = list(enumerate(growth.horizons))
    week = pl.col(_median(growth.days))

    def wandering(name: str) -> pl.Expr:
        own = pl.col(name).abs().rolling_median(growth.own_days, min_samples=growth.least_own_days)
        return MAD_TO_SIGMA * own.shift(growth.own_lag_days).over("series")

    def outgrown(number: int, horizon: Horizon) -> pl.Expr:
        before, log_growth = pl.col(f"before_{number}"), pl.col(f"growth_{number}")
        floor = growth.least_spread_share * pl.col.spread
        proof = _proof(week - before, policy.costly)
        is_too_fast = (
            (log_growth > proof * math.log(horizon.least_ratio))
            & (log_growth > proof * horizon.least_score * pl.col(f"wandering_{number}"))
            & (log_growth > proof * horizon.least_score * floor)
            & (week - before > policy.money.least_amount_lasting * pl.col.dollar)
        )
        return pl.when(is_too_fast).then(before)

    is_judged = pl.col.cost.is_not_null() & (pl.col.age > policy.young_days) & pl.col.is_intermittent.not_()
    farthest_first = sorted(numbered, key=lambda entry: -entry[1].lag_days)
    return (
        days.with_columns(
            pl.col(_median(horizon.before_days))
            .shift(horizon.lag_days)
            .over("series")
            .alias(f"before_{number}")
            for number, horizon in numbered
        )
        .with_columns(
            (week / pl.col(f"before_{number}")).log().alias(f"growth_{number}") for number, _ in numbered
        )
        .with_columns(wandering(f"growth_{number}").alias(f"wandering_{number}") for number, _ in numbered)
        .with_columns(
            outgrown=pl.when(is_judged).then(pl.coalesce(outgrown(*entry) for entry in farthest_first))
        )
    )


def _with_zero(days: pl.LazyFrame, policy: AnomalyPolicy) -> pl.LazyFrame:
    """``is_zero``: nothing is spent where there always was something, or twice running where there nearly always was."""
    zero = policy.zero
    nothing = (pl.col.cost <= zero.share_of_level * pl.col.level).fill_null(False)
    is_unusual = (pl.col.zero_share == 0) | (
        (pl.col.zero_share <= zero.most_zero_share)
        & pl.col.is_nothing.shift().over("series").fill_null(False)
    )
    is_missed = (pl.col.level * pl.col.factor >= policy.money.least_amount_lasting * pl.col.dollar) & (
        pl.col.age >= zero.least_age_days
    )
    return days.with_columns(is_nothing=nothing).with_columns(
        is_zero=(pl.col.is_nothing & is_missed & is_unusual).fill_null(False)
    )


def _proof(excess: pl.Expr, costly: CostlyPolicy) -> pl.Expr:
    """Share of the everyday proof that is asked of an excess a day, which is in the currency of the series."""
    most = costly.amount_least / costly.amount
    size = (excess / (pl.col.dollar * costly.amount)).clip(1.0, most).log() / math.log(most)
    return 1 - (1 - costly.least_proof) * size


def _median(days: int) -> str:
    """Column with the median of ``steady`` over the last days, today's included."""
    return f"median_{days}"


def _past(value: pl.Expr) -> pl.Expr:
    """The value as it stood at the end of the day before."""
    return value.shift().over("series")


def _marked(flags: pl.DataFrame, by: Sequence[str], policy: EpisodePolicy) -> pl.DataFrame:
    """Days inside an episode, with its number in ``episode``, and ``cost`` and ``expected`` as money."""
    key = list(by)
    flagged_on = pl.when("is_anomaly").then("usage_date")
    since, until = flagged_on.forward_fill().over(key), flagged_on.backward_fill().over(key)
    inside = (
        flags.with_columns(since=since, until=until)
        .filter((pl.col.until - pl.col.since) <= pl.duration(days=policy.gap_days))
        .with_columns(cost=_money(flags.schema["cost"], "cost"), expected=_money(pl.Float64(), "expected"))
        .with_columns(expected=pl.when(pl.col.cost.is_not_null()).then(pl.coalesce("expected", "cost")))
    )
    new_key = pl.any_horizontal(pl.col(name) != pl.col(name).shift() for name in key)
    gap = pl.col.since - pl.col.until.shift() > pl.duration(days=policy.gap_days)
    return inside.with_columns(episode=(new_key | gap).fill_null(True).cum_sum())


def _money(dtype: pl.DataType, column: str) -> pl.Expr:
    """The column as Decimal(38,18), exact where it is a decimal; a float that is no finite number becomes null."""
    value = pl.col(column)
    if dtype.is_float():
        value = pl.when(value.is_finite()).then(value).cast(ESTIMATE)
    return value.cast(MONEY)


def check_sum(amounts: pl.Series) -> None:
    """Raises ModelError where amounts could add up to more than a decimal holds: Polars wraps such a sum in silence."""
    limit = 10.0**19  # Decimal(38, 18) holds 20 digits before the point
    total: Any = amounts.cast(pl.Float64).abs().sum()
    if total >= limit:
        raise ModelError(f"episodes: the sum of {amounts.name} has more than 19 digits before the point")
