"""Forecasts of cost: what the days still to come of a month or budget will cost, and between which bounds.

Pure: daily costs in, predictions out; the last complete day is an argument. What was charged is Decimal and exact, what is
predicted is a float and its name says ``expected``, ``low`` or ``high``. Reading costs and judging budgets do not belong
here; the numbers live in ``models/policy/forecast.yaml``.

How a day to come is predicted, from complete days alone:

- *level* = trimmed mean of the logarithm of late days without their weekday, *factor* of the weekday = the same of the
  days against the week around them, both over days that cost something;
- an app that runs on some days only is expected to cost its mean of that weekday;
- what rose above the level on the same day of both months before is expected again, by the smaller rise;
- an app that stopped is expected to cost nothing, and one too young is not predicted at all.

A band is what the same method missed in windows of the past that were as long: one's own errors give its width, and the
errors of everybody its shape.
"""

from __future__ import annotations

import calendar
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from importlib import resources

import numpy as np
import numpy.typing as npt
import polars as pl
import yaml
from pydantic import BaseModel, ConfigDict

from models.charges import is_trend
from models.errors import ModelError
from models.identity import UNALLOCATED, UNASSIGNED
from models.money import exact_sums
from models.schemas import MONEY, SCHEMAS

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ForecastLevelPolicy(_Section):
    """Windows of the level in days, and how much of them is trimmed."""

    days: int
    long_days: int
    long_share: float
    trimmed: float


class WeekdayPolicy(_Section):
    """How much of the past gives a weekday its factor."""

    weeks: int
    trimmed: float
    least_weeks: int
    least_days_around: int


class IntermittentPolicy(_Section):
    """When an app runs on some days only, and how a weekday's mean is kept from chance."""

    zero_share: float
    days: int
    pulled: float


class MonthlyPolicy(_Section):
    """When a day of the month comes back."""

    least_rise: float
    around_days: int


class BandPolicy(_Section):
    """What a band covers, and which windows of the past it is made from."""

    covers: float
    taken: float
    windows: int
    step_days: int
    trimmed: float
    pulled: float
    trusted: int
    usual: tuple[float, ...]


class ForecastPolicy(_Section):
    """Every number of the forecast, as ``models/policy/forecast.yaml`` has it."""

    least_days: int
    late_days: int
    history_days: int
    level: ForecastLevelPolicy
    weekday: WeekdayPolicy
    intermittent: IntermittentPolicy
    stopped_days: int
    monthly: MonthlyPolicy
    band: BandPolicy


POLICY = ForecastPolicy.model_validate(
    yaml.safe_load((resources.files("models") / "policy" / "forecast.yaml").read_text("utf-8"))
)

WEEK = 7


# ---------------------------------------------------------------- days ahead


def expected_days(past: Floats, last: date, days: int, policy: ForecastPolicy = POLICY) -> Floats:
    """What each of the ``days`` after ``last`` is expected to cost: one row per series, NaN where too little is known.

    Args:
        past: one row per series, one column per day, the last of them ``last``; NaN where a day is not known, as before
            the first cost of an app. A cost below zero is a correction of another day and tells nothing of this one.
    """
    past = past[:, -policy.history_days :]
    kept = past.shape[1]
    weekdays = (np.arange(kept + days) + last.weekday() - (kept - 1)) % WEEK
    spend = np.where(past > 0, past, np.nan)
    factors = _weekday_factors(spend, weekdays[:kept], policy.weekday)
    steady = spend / factors[:, weekdays[:kept]]
    expected = _level(steady, policy)[:, None] * factors[:, weekdays[kept:]]
    expected += _monthly_rises(past, steady, factors, weekdays, last, policy)
    runs_sometimes = _zero_share(past[:, -policy.intermittent.days :]) > policy.intermittent.zero_share
    means = _weekday_means(past[runs_sometimes], weekdays[:kept], policy.intermittent)
    expected[runs_sometimes] = means[:, weekdays[kept:]]
    expected[stopped(past, policy)] = 0.0
    expected[_known_days(past) < policy.least_days] = np.nan
    return expected


def stopped(past: Floats, policy: ForecastPolicy = POLICY) -> Flags:
    """Whether a series that cost something on nearly every day has cost nothing for long enough, or any for all that is
    remembered.
    """
    memory = policy.intermittent.days
    costs_last = np.where(past > 0, np.arange(past.shape[1]), -1).max(1, initial=-1)
    silence = past.shape[1] - 1 - costs_last
    has_stopped = silence >= memory
    for row in np.flatnonzero((silence >= policy.stopped_days) & ~has_stopped):
        until = costs_last[row] + 1
        share = _zero_share(past[row : row + 1, max(0, until - memory) : until])
        has_stopped[row] = share[0] <= policy.intermittent.zero_share
    flags: Flags = has_stopped & (_known_days(past) >= policy.stopped_days)
    return flags


def _known_days(past: Floats) -> npt.NDArray[np.int64]:
    days: npt.NDArray[np.int64] = np.isfinite(past).sum(1)
    return days


def _zero_share(past: Floats) -> Floats:
    """Share of the known days without cost."""
    share: Floats = (past == 0).sum(1) / np.maximum(1, _known_days(past))
    return share


def _weekday_factors(spend: Floats, weekdays: Indices, policy: WeekdayPolicy) -> Floats:
    """Factor of each weekday, Monday first: a day against the mean of the seven days around it; 1 where little is known."""
    around, days = _sums_around(spend)
    with np.errstate(divide="ignore", invalid="ignore"):
        against = np.log(np.where(days >= policy.least_days_around, spend * days / around, np.nan))
    factors = np.ones((len(spend), WEEK))
    late = slice(-policy.weeks * WEEK, None)
    for weekday in range(WEEK):
        seen = against[:, late][:, weekdays[late] == weekday]
        enough = np.isfinite(seen).sum(1) >= policy.least_weeks
        factors[enough, weekday] = np.exp(_trimmed_mean(seen[enough], policy.trimmed))
    return factors


def _sums_around(spend: Floats) -> tuple[Floats, Floats]:
    """Sum and number of the known days among the seven around each day, fewer at either end."""
    known = np.isfinite(spend)
    sums = []
    for values in (np.where(known, spend, 0.0), known.astype(np.float64)):
        before = np.concatenate([np.zeros((len(spend), 4)), np.cumsum(values, 1)], 1)
        ends = np.concatenate([before[:, 4:], np.repeat(before[:, -1:], 3, axis=1)], 1)
        sums.append(ends[:, 3:] - before[:, : spend.shape[1]] if spend.shape[1] else values)
    return sums[0], sums[1]


def _level(steady: Floats, policy: ForecastPolicy) -> Floats:
    """Cost of a late day without its weekday; NaN where no late day cost anything."""
    with np.errstate(divide="ignore"):
        logs = np.log(steady)
    level = policy.level
    short = _trimmed_mean(logs[:, -level.days :], level.trimmed)
    long = _trimmed_mean(logs[:, -level.long_days :], level.trimmed)
    remembered = _trimmed_mean(logs[:, -policy.intermittent.days :], level.trimmed)
    short = np.where(np.isfinite(short), short, np.where(np.isfinite(long), long, remembered))
    long = np.where(np.isfinite(long), long, short)
    return np.exp((1 - level.long_share) * short + level.long_share * long)


def _weekday_means(past: Floats, weekdays: Indices, policy: IntermittentPolicy) -> Floats:
    """Mean cost of each weekday, days without cost included, pulled toward the mean of all days."""
    late = past[:, -policy.days :]
    known = np.isfinite(late)
    costs = np.where(known & (late > 0), late, 0.0)
    mean = costs.sum(1) / np.maximum(1, known.sum(1))
    means = np.empty((len(past), WEEK))
    for weekday in range(WEEK):
        on = weekdays[-policy.days :] == weekday
        means[:, weekday] = (costs[:, on].sum(1) + policy.pulled * mean) / (
            known[:, on].sum(1) + policy.pulled
        )
    return means


def _monthly_rises(
    past: Floats, steady: Floats, factors: Floats, weekdays: Indices, last: date, policy: ForecastPolicy
) -> Floats:
    """What each day to come adds to its level because the same day of both months before did."""
    kept = past.shape[1]
    rises = np.zeros((len(past), len(weekdays) - kept))
    reach = policy.monthly.around_days
    levels: dict[int, Floats] = {}
    for ahead in range(rises.shape[1]):
        day = last + timedelta(days=ahead + 1)
        before = [kept - 1 - (last - one).days for one in same_days_before(day, last)]
        if min(before) < 0:
            continue
        shares, amounts = [], []
        for place in before:
            week = (kept - 1 - place + reach // 2) // WEEK  # one median serves the days around it
            if week not in levels:
                middle = kept - 1 - week * WEEK  # before the first column too: no other series' age moves it
                levels[week] = _median(steady[:, max(0, middle - reach) : middle + reach + 1])
            usual = levels[week] * factors[:, weekdays[place]]
            amounts.append(past[:, place] - usual)
            with np.errstate(divide="ignore", invalid="ignore"):
                shares.append(amounts[-1] / usual)
        comes_back = np.minimum(*shares) > policy.monthly.least_rise
        rises[:, ahead] = np.where(comes_back, np.minimum(*amounts), 0.0)
    return rises


def same_days_before(day: date, last: date) -> tuple[date, date]:
    """The same day of the two newest months that have it no later than ``last``; the last day of a month is the last of any."""
    at_end = (day + timedelta(days=1)).day == 1
    found: list[date] = []
    first = day.replace(day=1)
    while len(found) < 2:
        first = (first - timedelta(days=1)).replace(day=1)
        end = calendar.monthrange(first.year, first.month)[1]
        same = first.replace(day=end if at_end else min(day.day, end))
        if same <= last:
            found.append(same)
    return found[0], found[1]


def _trimmed_mean(values: Floats, share: float) -> Floats:
    """Mean of each row's finite values without a share of them at either end; NaN where there is none."""
    ordered = np.sort(np.where(np.isfinite(values), values, np.nan), axis=1)
    known = np.isfinite(ordered).sum(1)
    out = np.floor(known * share).astype(np.int64)
    places = np.arange(ordered.shape[1])
    kept = (places >= out[:, None]) & (places < (known - out)[:, None])
    total = np.where(kept, np.nan_to_num(ordered), 0.0).sum(1)
    return np.where(known > 0, total / np.maximum(1, kept.sum(1)), np.nan)


def _median(values: Floats) -> Floats:
    """Median of each row's finite values; NaN where there is none."""
    ordered = np.sort(values, axis=1)
    known = np.isfinite(ordered).sum(1)
    rows = np.arange(len(values))
    low = ordered[rows, np.maximum(known - 1, 0) // 2]
    high = ordered[rows, np.minimum(known // 2, values.shape[1] - 1)]
    return np.where(known > 0, (low + high) / 2, np.nan)


# ---------------------------------------------------------------- bands


@dataclass(frozen=True)
class Ahead:
    """What each series is expected to cost on the days that are not complete, and what was missed before.

    ``expected`` has a row per row of ``keys`` and a column per day from ``first`` on: 0 on a day that is complete already,
    NaN where too little is known. ``window_expected`` and ``window_actual`` are the sums of windows of the past of as many
    days, the newest first.
    """

    keys: pl.DataFrame
    first: date
    expected: Floats
    window_expected: Floats
    window_actual: Floats
    is_stopped: Flags
    is_late: Flags
    known_days: npt.NDArray[np.int64]

    @property
    def days(self) -> list[date]:
        """The days of the columns of ``expected``."""
        return [self.first + timedelta(days=number) for number in range(self.expected.shape[1])]

    def within(self, first: date) -> Floats:
        """What each series is expected to cost from a day on."""
        total: Floats = self.expected[:, max(0, (first - self.first).days) :].sum(1)
        return total


def ahead(
    costs: pl.DataFrame, as_of: date, until: date, by: Sequence[str], policy: ForecastPolicy = POLICY
) -> Ahead:
    """What every series is expected to cost on each day after its last complete one, to ``until``.

    Args:
        costs: the columns ``by``, ``usage_date``, ``cost`` (float or decimal, of one currency per series) and
            ``complete_until``, the last day of which everything of the series is known, none later than ``as_of``.
            A row per series and day with a cost; another day from the first one to ``complete_until`` cost nothing,
            and what is dated later is not looked at. A series that is too far behind is not predicted.

    Raises:
        ModelError: a column is missing, or a series has two ``complete_until`` or a day twice.
    """
    _check(costs, by)
    parts = sorted(costs.partition_by("complete_until", as_dict=True).items())
    late = max((min((as_of - last).days, policy.late_days) for (last,), _ in parts), default=0)
    first = as_of - timedelta(days=late - 1)
    found = [_ahead(part, last, first, as_of, until, by, policy) for (last,), part in parts] or [
        _ahead(costs, as_of, first, as_of, until, by, policy)
    ]
    return Ahead(
        pl.concat(one.keys for one in found),
        first,
        *(
            np.concatenate([getattr(one, name) for one in found])
            for name in (
                "expected",
                "window_expected",
                "window_actual",
                "is_stopped",
                "is_late",
                "known_days",
            )
        ),
    )


def _ahead(
    costs: pl.DataFrame,
    last: date,
    first: date,
    as_of: date,
    until: date,
    by: Sequence[str],
    policy: ForecastPolicy,
) -> Ahead:
    """The same of series that are complete until one day, with columns from ``first`` on."""
    band, length = policy.band, (until - last).days
    keys, past = _panel(costs, last, by, policy.history_days + length + band.step_days * (band.windows - 1))
    sums = np.full((2, len(past), band.windows), np.nan)
    expected = np.full((len(past), (until - first).days + 1), np.nan)
    is_late = (as_of - last).days > policy.late_days
    if not is_late:
        known = (last - first).days + 1
        expected[:, :known] = 0.0
        expected[:, known:] = expected_days(past, last, length, policy)
        expected[np.isnan(expected).any(1)] = np.nan
        for number in range(band.windows):
            origin = past.shape[1] - length - number * band.step_days
            if origin < policy.least_days or not length:
                break
            day = last - timedelta(days=past.shape[1] - origin)
            sums[0, :, number] = expected_days(past[:, :origin], day, length, policy).sum(1)
            sums[1, :, number] = np.nansum(past[:, origin : origin + length], 1)
    return Ahead(
        keys,
        first,
        expected,
        sums[0],
        sums[1],
        stopped(past, policy),
        np.full(len(past), is_late),
        _known_days(past),
    )


def _panel(costs: pl.DataFrame, last: date, by: Sequence[str], days: int) -> tuple[pl.DataFrame, Floats]:
    """Keys of the series, sorted, and their cost on each of the last ``days`` to ``last``: NaN before the first one."""
    known = costs.filter(pl.col("usage_date") <= last)
    starts = known.group_by(by).agg(pl.col("usage_date").min()).sort(by)
    if starts.is_empty():
        return starts.select(by), np.full((0, 1), np.nan)
    first = max(min(starts["usage_date"].to_list()), last - timedelta(days=days - 1))
    keys = starts.select(by).with_row_index("row")
    width = (last - first).days + 1
    begin = (starts["usage_date"] - first).dt.total_days().clip(lower_bound=0).to_numpy()
    past = np.where(np.arange(width) >= begin[:, None], 0.0, np.nan)
    cells = (
        known.filter(pl.col("usage_date") >= first)
        .join(keys, on=list(by))
        .select(
            "row",
            (pl.col("usage_date") - first).dt.total_days().alias("day"),
            pl.col("cost").cast(pl.Float64),
        )
    )
    past[cells["row"].to_numpy(), cells["day"].to_numpy()] = cells["cost"].to_numpy()
    return keys.drop("row"), past


def _check(costs: pl.DataFrame, by: Sequence[str]) -> None:
    needed = (*by, "usage_date", "cost", "complete_until")
    missing = [name for name in needed if name not in costs.columns]
    if missing:
        raise ModelError(f"daily costs: column {', '.join(missing)} is missing")
    if costs.select(*by, "usage_date").is_duplicated().any():
        raise ModelError(f"daily costs: a day of one {', '.join(by)} is given twice; add its charges up")
    if costs.select(*by, "complete_until").unique().select(by).is_duplicated().any():
        raise ModelError(f"daily costs: one {', '.join(by)} is complete until two days; give one of them")


def band_of(
    expected: Floats, window_expected: Floats, window_actual: Floats, policy: BandPolicy = POLICY.band
) -> tuple[Floats, Floats]:
    """Bounds of what some series, which are of one kind, will cost together in the days ahead; NaN where no window of the
    past tells how wrong the method is.

    Args:
        expected: what each is expected to cost in these days.
        window_expected, window_actual: of each and of windows of the past of as many days.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        missed = np.where(window_expected > 0, window_actual / window_expected - 1, np.nan)
    sizes = np.abs(missed)
    known = np.isfinite(sizes)
    if not known.any():
        return np.full(len(expected), np.nan), np.full(len(expected), np.nan)
    usual = float(np.median(sizes[known]))
    own = _typical(sizes, policy)
    count = known.sum(1)
    others = np.stack([_typical(np.delete(sizes, one, axis=1), policy) for one in range(sizes.shape[1])], 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        shapes = missed / _pulled(others, count[:, None] - 1, usual, policy)
    low, high = _quantiles(shapes[np.isfinite(shapes)], policy)
    width = _pulled(own, count, usual, policy)
    return expected * np.maximum(0.0, 1 + low * width), expected * (1 + high * width)


def _typical(sizes: Floats, policy: BandPolicy) -> Floats:
    """Typical error of each row, 0 where none is known."""
    return np.nan_to_num(_trimmed_mean(sizes, policy.trimmed))


def _pulled(own: Floats, count: npt.NDArray[np.int64], usual: float, policy: BandPolicy) -> Floats:
    """Own error pulled toward everybody's while there are few windows of one's own."""
    count = np.maximum(count, 0)
    return (own * count + usual * policy.pulled) / (count + policy.pulled)


def _quantiles(shapes: Floats, policy: BandPolicy) -> tuple[float, float]:
    """The two bounds between which the policy's share of errors lies, of what was seen and, while that is little, of what is
    usual."""
    usual = np.array(policy.usual)
    weight = max(0, policy.trusted - len(shapes)) / len(usual)
    values = np.concatenate([shapes, usual])
    weights = np.concatenate([np.ones(len(shapes)), np.full(len(usual), weight)])
    order = np.argsort(values, kind="stable")
    values, weights = values[order], weights[order]
    places = (np.cumsum(weights) - weights / 2) / weights.sum()
    outside = (1 - policy.taken) / 2
    return float(np.interp(outside, places, values)), float(np.interp(1 - outside, places, values))


# ---------------------------------------------------------------- months

SCOPES: Mapping[str, tuple[str, ...]] = {"app": ("app_id",), "team": ("team",), "fleet": ()}
"""What is forecast -> the column of a charge that names it; currencies are always apart."""

_SERIES = ("app_id", "owner", "billing_currency")


def month_of(day: date) -> tuple[date, date]:
    """First and last day of the calendar month of a day."""
    return day.replace(day=1), day.replace(day=calendar.monthrange(day.year, day.month)[1])


def usage_ahead(
    charges: pl.DataFrame,
    as_of: date,
    until: date,
    policy: ForecastPolicy = POLICY,
    unknown: pl.DataFrame | None = None,
) -> Ahead:
    """What the usage of every app and currency is expected to cost on each open day to ``until``; ``charges`` and
    ``unknown`` as for ``month_ends``.
    """
    usage = with_owner(charges).filter(is_trend())
    summed = exact_sums(usage, [*_SERIES, "complete_until", "usage_date"], ("billed_cost",))
    costs = _without(summed.rename({"billed_cost": "cost"}), unknown)
    return ahead(costs, as_of, until, _SERIES, policy)


def _without(costs: pl.DataFrame, unknown: pl.DataFrame | None) -> pl.DataFrame:
    """Daily costs with NULL on the days whose cost is not known, whether or not anything was charged on them."""
    if unknown is None or unknown.is_empty():
        return costs
    key = ("app_id", "billing_currency")
    series = costs.select(*_SERIES, "complete_until").unique()
    opens = unknown.join(series, on=key).with_columns(cost=pl.lit(None, costs.schema["cost"]))
    left = costs.join(unknown, on=[*key, "usage_date"], how="anti")
    return pl.concat([left, opens.select(costs.columns)]).sort(*_SERIES, "usage_date")


def recurring_again(charges: pl.DataFrame, as_of: date, until: date) -> pl.DataFrame:
    """Recurring charges that are expected after ``as_of`` to ``until``: the amounts of the same days of the newest month
    before that is over, as they stood; a day that month does not have has none. Columns of ``charges``.
    """
    recurring = with_owner(charges).filter(
        (pl.col("charge_frequency") == "Recurring")
        & (pl.col("charge_class") == "")
        & ~pl.col("charge_category").is_in(("Credit", "Tax"))
    )
    pairs = [
        (before, day)
        for number in range((until - as_of).days)
        if (before := _same_day_before(day := as_of + timedelta(days=number + 1), as_of))
    ]
    days = pl.DataFrame(pairs, schema={"usage_date": pl.Date, "again": pl.Date}, orient="row")
    charged_already = recurring.filter(pl.col("usage_date") > as_of).select(
        "app_id", "billing_currency", again="usage_date"
    )
    return (
        recurring.join(days, on="usage_date")
        .join(charged_already, on=["app_id", "billing_currency", "again"], how="anti")
        .with_columns(usage_date="again", team="owner")
        .select(charges.columns)
    )


def _same_day_before(day: date, as_of: date) -> date | None:
    """The same day of the newest month before that has nothing to come any more, or None where that month has no such day."""
    first = (as_of.replace(day=1) - timedelta(days=1)).replace(day=1)
    return first.replace(day=day.day) if day.day <= month_of(first)[1].day else None


def month_ends(
    charges: pl.DataFrame,
    as_of: date,
    policy: ForecastPolicy = POLICY,
    unknown: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Where the month of ``as_of`` will end for every app, team and the fleet, per currency: the columns of
    ``mart_cost_forecasts``, sorted by scope, name and currency.

    What is known is added as it stands: usage of complete days, and every other charge of the month. The rest of the
    month's usage is predicted app by app, so that apps add up to their team and teams to the fleet; an app is its newest
    team's. Where an app cannot be predicted, what it has cost still counts, and it is counted among ``apps_unpredicted``.

    Args:
        charges: ``app_id, team, billing_currency, usage_date, charge_category, charge_class, charge_frequency,
            billed_cost`` and ``complete_until`` (Date, of the app and currency), of the months before too.
        unknown: ``app_id, billing_currency, usage_date`` of days to ``complete_until`` that are not whole; what they
            cost counts as it stands and predicts nothing.

    Raises:
        ModelError: a column is missing, or an amount is no exact decimal.
    """
    first, last = month_of(as_of)
    seen = usage_ahead(charges, as_of, last, policy, unknown)
    of_month = charges.filter(pl.col("usage_date").is_between(first, last))
    used = of_month.filter(is_trend() & (pl.col("usage_date") <= pl.col("complete_until")))
    parts = {
        "usage_to_date": used,
        "other_charges": of_month.filter(~is_trend()),
        "recurring_expected": recurring_again(charges, as_of, last),
    }
    owned = seen.keys.rename({"owner": "team"})
    found = [_rest_of(scope, owned, seen, first, policy) for scope in SCOPES]
    known = pl.concat(found).sort("scope", "name", "billing_currency")
    for name, part in parts.items():
        sums = pl.concat(_summed(scope, part, name) for scope in SCOPES)
        known = known.join(
            sums,
            on=["scope", "name", "billing_currency"],
            how="full",
            coalesce=True,
            maintain_order="left_right",
        )
    total = pl.sum_horizontal(pl.col(name).cast(pl.Float64) for name in parts)
    return (
        known.with_columns(pl.col(name).fill_null(pl.lit(0, MONEY)) for name in parts)
        .with_columns(
            pl.col("state").fill_null("no_usage"),
            pl.col("apps", "apps_unpredicted", "known_days").fill_null(0),
            pl.when(pl.col("state").is_null())
            .then(0.0)
            .otherwise(pl.col("expected_rest", "low_rest", "high_rest"))
            .name.keep(),
        )
        .filter(
            pl.any_horizontal(pl.col(name) != 0 for name in parts)
            | (pl.col("expected_rest").fill_null(0) != 0)
        )
        .join(owners_of_apps(charges), left_on="name", right_on="app_id", how="left")
        .with_columns(
            month=pl.lit(first),
            as_of=pl.lit(as_of),
            team=pl.when(pl.col("scope") == "app")
            .then("owner")
            .when(pl.col("scope") == "team")
            .then("name")
            .otherwise(pl.lit("")),
            expected_total=total + pl.col("expected_rest"),
            low_total=total + pl.col("low_rest"),
            high_total=total + pl.col("high_rest"),
        )
        .select(pl.col(name).cast(kind) for name, kind in SCHEMAS["mart_cost_forecasts"].items())
        .sort("scope", "name", "billing_currency")
    )


def with_owner(charges: pl.DataFrame) -> pl.DataFrame:
    """Charges with ``owner``, the team what comes next is expected of: an app's newest one, and of what is no app's the team
    of the charge.
    """
    newest = pl.col("team").sort_by("usage_date", "team").last().over("app_id")
    return charges.with_columns(owner=pl.when(pl.col("app_id") == UNALLOCATED).then("team").otherwise(newest))


def owners_of_apps(charges: pl.DataFrame) -> pl.DataFrame:
    """``app_id, owner``: the newest team of every app; nobody's of what is no app's."""
    return (
        with_owner(charges)
        .select(
            "app_id",
            owner=pl.when(pl.col("app_id") == UNALLOCATED).then(pl.lit(UNASSIGNED)).otherwise("owner"),
        )
        .unique()
    )


def scope_name(scope: str) -> pl.Expr:
    """What a row belongs to in a scope: the app, the team, or nothing for the fleet."""
    return pl.col(SCOPES[scope]) if SCOPES[scope] else pl.lit("")


def _summed(scope: str, charges: pl.DataFrame, name: str) -> pl.DataFrame:
    """Exact sum of charges per name and currency of a scope."""
    named = charges.with_columns(scope=pl.lit(scope), name=scope_name(scope))
    return exact_sums(named, ["scope", "name", "billing_currency"], ("billed_cost",)).rename(
        {"billed_cost": name}
    )


def _rest_of(
    scope: str, owned: pl.DataFrame, seen: Ahead, first: date, policy: ForecastPolicy
) -> pl.DataFrame:
    """What the rest of the month is expected to cost per name and currency of a scope, and what that rests on."""
    rest = seen.within(first)
    named = owned.with_columns(scope=pl.lit(scope), name=scope_name(scope))
    keys, groups = groups_of(named.select("scope", "name", "billing_currency"))
    is_predicted = np.isfinite(rest)
    expected = added(np.where(is_predicted, rest, 0.0), groups, keys.height)
    days = seen.expected.shape[1]
    if days:
        low, high = band_of(expected, *window_sums(seen, groups, keys.height), policy.band)
    else:
        low = high = expected
    counts = {
        "apps": np.bincount(groups, minlength=keys.height),
        "apps_unpredicted": np.bincount(groups[~is_predicted], minlength=keys.height),
        "stopped": np.bincount(groups[seen.is_stopped], minlength=keys.height),
        "late": np.bincount(groups[seen.is_late], minlength=keys.height),
    }
    known_days = np.zeros(keys.height, dtype=np.int64)
    np.maximum.at(known_days, groups, seen.known_days)
    none = pl.col("apps_unpredicted") == pl.col("apps")
    return (
        keys.with_columns(
            **counts, known_days=known_days, expected_rest=expected, low_rest=low, high_rest=high
        )
        .with_columns(
            state=pl.when(pl.col("late") == pl.col("apps"))
            .then(pl.lit("late"))
            .when(none)
            .then(pl.lit("too_few"))
            .when(pl.col("stopped") == pl.col("apps"))
            .then(pl.lit("stopped"))
            .when(pl.col("low_rest").is_nan())
            .then(pl.lit("no_band"))
            .otherwise(pl.lit("ok"))
        )
        .with_columns(
            pl.when(none | pl.col(name).is_nan()).then(None).otherwise(pl.col(name)).alias(name)
            for name in ("expected_rest", "low_rest", "high_rest")
        )
        .drop("stopped", "late")
    )


def groups_of(keys: pl.DataFrame) -> tuple[pl.DataFrame, Indices]:
    """Distinct keys, sorted, and the place of each row's key among them."""
    distinct = keys.unique().sort(keys.columns)
    places = keys.join(distinct.with_row_index("place"), on=keys.columns, how="left", maintain_order="left")[
        "place"
    ]
    return distinct, places.to_numpy().astype(np.intp)


def added(values: Floats, groups: Indices, count: int) -> Floats:
    """Rows of values added up by group, in their order."""
    total = np.zeros((count, *values.shape[1:]))
    np.add.at(total, groups, values)
    return total


def window_sums(seen: Ahead, groups: Indices, count: int) -> tuple[Floats, Floats]:
    """What windows of the past were expected to cost and did, by group: an app that could not be predicted then counts among
    what was missed, unless it is the group's only one.
    """
    predicted = added(np.isfinite(seen.window_expected).astype(np.float64), groups, count) > 0
    return (
        np.where(predicted, added(np.nan_to_num(seen.window_expected), groups, count), np.nan),
        np.where(predicted, added(np.nan_to_num(seen.window_actual), groups, count), np.nan),
    )
