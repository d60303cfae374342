"""Silence: requests were due by an app's own rhythm, none or far too few came, and chance does not explain it.

Counts per hour come in (``sql/queries/silence/hours.sql``); the moment is an argument. How many false alarms chance may
raise is policy; the states made of it are the business of ``models.slo``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import polars as pl

from models.maintenance import LostHours, Maintenance
from models.policy import SilencePolicy
from models.unheard import due_in

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

DAY, WEEK = 24, 168
"""Hours."""
MONDAY = 72
"""The epoch began on a Thursday: this many hours after a Monday."""
JITTER = 3
"""Hours by which a nightly run may be early or late and still be that night's."""
_HOUR = timedelta(hours=1)
_RECENT = WEEK
"""Hours back from as-of that are searched for far too few requests; the weeks before them are what they are held to."""

SCHEMA = pl.Schema(
    {
        "app_id": pl.String(),
        "environment": pl.String(),
        "silent_since": pl.Datetime("us", "UTC"),
        "received": pl.UInt64(),
        "expected": pl.Float64(),
        "requests_per_day": pl.Float64(),
        "clustering": pl.Float64(),
        "apps_together": pl.UInt32(),
        "wait_hours": pl.Float64(),
    }
)
"""One row per silent app and environment: requests received and expected since then, requests a day before, how much
they cluster (variance over mean), how many apps fell silent at about the same time (0: it is alone), and after how many hours
without a request its own traffic before says that this is no chance (0: the days it missed say so, or far too few came)."""


def hours_needed(policy: SilencePolicy) -> timedelta:
    """How far back from as-of the counts must reach."""
    return policy.retired_after + _HOUR * (policy.baseline_weeks * WEEK + _RECENT)


@dataclass(frozen=True)
class _Rhythm:
    """What the baseline of each app says, a row per app; hours are counted from the one after the baseline."""

    mean: Floats
    weeks: Floats
    per_day: Floats
    total: Floats
    clustering: Floats
    daily_clustering: Floats
    day_spread: Floats
    due_days: Floats
    miss_odds: Floats
    bursts_per_day: Floats


@dataclass(frozen=True)
class _Found:
    """What one rule says, a row per app; ``since`` in seconds of the epoch, ``surprise`` as of ``_surprise``, ``waited`` in hours."""

    is_silent: Booleans
    since: Floats
    received: Floats
    expected: Floats
    surprise: Floats
    waited: Floats

    def of(self, rows: npt.NDArray[np.intp]) -> _Found:
        """What the rule says of some of the apps."""
        return _Found(*(getattr(self, one.name)[rows] for one in fields(self)))


def silences(
    traffic: pl.DataFrame,
    as_of: datetime,
    policy: SilencePolicy,
    unheard: Mapping[int, float] = MappingProxyType({}),
    maintenance: Maintenance | None = None,
) -> pl.DataFrame:
    """The silent apps and environments: the columns of ``SCHEMA``, by app and environment.

    None came: with E the requests expected since the last one, from the same hours of the four weeks before it, and w the
    weeks known (at most four), chance explains it with a probability of ``exp(-E * w * ln(1 + 1 / w) / phi)``: the
    predictive distribution of a Poisson count whose mean is known from w times as much data (.893 E for four weeks),
    thinned by the app's own clustering phi (variance over mean of its hourly counts, at most the policy's cap, below 1
    only for what runs like a clock), and averaged over its good and bad days. Every request of a year begins a chance; all of them together may raise the policy's
    alarms per year. Besides: days on which the app never was without a request, missed more often than chance allows.
    Far too few came: the same by the tail of that distribution, over the hours before as-of against the same hours of
    the four weeks before the last one, until requests are back. Hours at which requests set in get an hour's grace, as
    clocks are put forward and back. Baselines end with the last request, so that silence itself is never the rhythm,
    and a silence ends by retirement. What was due while no app at all was heard says nothing about one of them.

    Args:
        traffic: ``app_id, environment, hours, requests, last_slice_end``, a row per app and environment: lists of the
            hours since 1970 with requests (one may come several times) and of the requests of each, from
            ``hours_needed`` before ``as_of`` on and none later, and the end of the last slice with requests.
        as_of: end of the newest slice counted, an aware datetime.
        policy: ``models.policy.silence_policy()``.
        unheard: hours since 1970 in which nobody was heard, and the share of each (``models.unheard``).
        maintenance: when nothing is due of whom.
    """
    hour_of_as_of = as_of.replace(minute=0, second=0, microsecond=0)
    newest = hour_of_as_of if as_of > hour_of_as_of else hour_of_as_of - _HOUR
    keys, counts, last_end = _counts(traffic, newest, policy)
    if keys.is_empty():
        return pl.DataFrame(schema=SCHEMA)
    number = int(newest.timestamp()) // 3600
    since_hour = (as_of - newest) / _HOUR
    last = counts.shape[1] - 1 - np.argmax(counts[:, ::-1] > 0, axis=1)
    first = np.argmax(counts > 0, axis=1)
    lost = LostHours.none()
    if maintenance:
        lost = maintenance.hours(keys, as_of - policy.retired_after - 2 * _HOUR, as_of).beyond(unheard)
    few = _too_few_came(counts, first, since_hour, number, policy, unheard, lost)
    gap = (as_of.timestamp() - last_end) / 3600
    # Who has asked just now is not silent but by too few: its rhythm need not be known.
    asked = np.flatnonzero((gap >= policy.least_silence / _HOUR) | few.is_silent)
    few, gap = few.of(asked), gap[asked]
    rhythm = _rhythm(counts[asked], last[asked], first[asked], number, policy)
    none = _none_came(
        counts[asked],
        rhythm,
        last[asked],
        last_end[asked],
        as_of,
        number,
        policy,
        unheard,
        lost.of(asked, len(counts)),
    )
    # A request now and then is no end of a silence: where few say clearly more than none, they say since when.
    is_none = none.is_silent & (gap >= policy.least_silence / _HOUR)
    is_none &= ~(few.is_silent & (few.surprise > 1.5 * none.surprise))
    is_silent = (is_none | few.is_silent) & (gap <= policy.retired_after / _HOUR)
    chosen = [
        np.where(is_none, getattr(none, name), getattr(few, name))[is_silent]
        for name in ("since", "received", "expected")
    ]
    wait = np.where(is_none & (none.waited <= gap), none.waited, 0.0)
    found = (
        keys[asked]
        .filter(pl.Series(is_silent))
        .with_columns(
            silent_since=pl.from_epoch(pl.Series(chosen[0].astype(np.int64)), "s").dt.replace_time_zone(
                "UTC"
            ),
            received=pl.Series(chosen[1]),
            expected=pl.Series(chosen[2]),
            requests_per_day=pl.Series(rhythm.per_day[is_silent]),
            clustering=pl.Series(rhythm.clustering[is_silent]),
            wait_hours=pl.Series(wait[is_silent]),
        )
    )
    with_rhythm = int((_total(counts, last, policy) >= policy.least_requests).sum())
    return _with_company(found, with_rhythm, policy).select(SCHEMA.names()).cast(SCHEMA)


def _counts(
    traffic: pl.DataFrame, newest: datetime, policy: SilencePolicy
) -> tuple[pl.DataFrame, Floats, Floats]:
    """Apps that are not retired, their requests by hour (the last column is ``newest``), and the end of their last slice."""
    width = hours_needed(policy) // _HOUR
    kept = traffic.filter(pl.col("last_slice_end") > newest - policy.retired_after - _HOUR).sort(
        "app_id", "environment"
    )
    rows = np.repeat(np.arange(kept.height), kept["hours"].list.len().to_numpy())
    columns = kept["hours"].explode().to_numpy().astype(np.int64) - (
        int(newest.timestamp()) // 3600 - width + 1
    )
    seen = (columns >= 0) & (columns < width)
    cells = np.bincount(
        rows[seen] * width + columns[seen],
        weights=kept["requests"].explode().to_numpy()[seen],
        minlength=kept.height * width,
    )
    counts = cells.astype(np.float64).reshape(kept.height, width)
    seconds = kept["last_slice_end"].dt.epoch("us").to_numpy() / 1e6
    return kept.select("app_id", "environment"), counts, seconds


def _total(counts: Floats, end: Integers, policy: SilencePolicy) -> Floats:
    """Requests of each app in the baseline that ends with hour ``end``."""
    rows, before = np.arange(len(counts)), end - policy.baseline_weeks * WEEK
    sums = counts.cumsum(1)
    return np.asarray(sums[rows, end] - np.where(before >= 0, sums[rows, before.clip(0)], 0.0))


def _rhythm(counts: Floats, end: Integers, first: Integers, number: int, policy: SilencePolicy) -> _Rhythm:
    """The baseline of the four weeks that end with hour ``end`` of each app; ``number`` is that of the last hour of all."""
    weeks, size = policy.baseline_weeks, policy.baseline_weeks * WEEK
    rows = np.arange(len(counts))[:, None]
    columns = end[:, None] - size + 1 + np.arange(size)
    seen = (columns >= first[:, None]) & (columns >= 0)
    values = np.where(seen, counts[rows, columns.clip(0)], 0.0)
    mean, clustering = _means(values, seen, weeks, WEEK)
    total, hours_seen = values.sum(1), seen.sum(1)
    unknown = seen.reshape(-1, weeks, WEEK).sum(1) == 0
    young = np.flatnonzero(unknown.any(1))
    if len(young):
        following = number - (counts.shape[1] - 1 - end[young])[:, None] + 1 + np.arange(WEEK)
        mean[young], clustering[young] = _by_kind_of_day(
            values[young], seen[young], unknown[young], mean[young], (following + MONDAY) % WEEK, policy
        )
    night = columns + JITTER
    of_nights = np.where(night <= end[:, None], counts[rows, night.clip(0, counts.shape[1] - 1)], 0.0)
    days = np.where(night >= first[:, None], of_nights, 0.0).reshape(len(counts), weeks * 7, DAY).sum(2)
    day_seen: Booleans = np.all((night >= first[:, None]).reshape(len(counts), weeks * 7, DAY), axis=2)
    _, daily = _means(days * day_seen, day_seen, weeks, 7)
    came = (days > 0).reshape(-1, weeks, 7)
    known = day_seen.reshape(-1, weeks, 7)
    others = (came & known).sum(1, keepdims=True) - (came & known)
    always = known & (others == known.sum(1, keepdims=True) - 1) & (known.sum(1, keepdims=True) >= 3)
    chances, misses = always.sum((1, 2)), (always & ~came).sum((1, 2))
    # Only a spread of days that chance does not explain says anything: with 21 degrees of freedom it is .31 wide.
    clear = 1 + 3 * np.sqrt(2 / np.maximum((known.sum(1) - 1).clip(0).sum(1), 1))
    is_wide = np.isfinite(daily) & (daily > clear * clustering)
    per_day = total / np.maximum(hours_seen / DAY, 1)
    spread = np.where(is_wide, (np.where(is_wide, daily, 0.0) - clustering) / np.maximum(per_day, 1e-9), 0.0)
    phi = np.where(
        clustering < policy.regular_below, policy.regular_floor, clustering.clip(1.0, policy.clustering_cap)
    )
    near = (np.abs((columns - end[:, None] + DAY // 2) % DAY - DAY // 2) <= JITTER) & seen
    at_night = (values * near).sum(1) >= 0.9 * total
    runs_daily = (
        np.isfinite(daily) & (daily < policy.regular_below) & at_night & (misses == 0) & (chances >= 14)
    )
    return _Rhythm(
        mean=mean,
        weeks=(hours_seen / WEEK).clip(1 / 7),
        per_day=per_day,
        total=total,
        clustering=phi,
        daily_clustering=np.where(runs_daily, policy.regular_floor, policy.clustering_cap),
        day_spread=spread.clip(0, policy.day_spread_cap),
        due_days=((came | ~known).all(1) & (known.sum(1) >= 3)).astype(float),
        miss_odds=np.where(chances >= 14, (misses + 0.5) / (chances + 1), 1.0),
        bursts_per_day=(values > 0).sum(1) / np.maximum(hours_seen / DAY, 1),
    )


def _means(values: Floats, seen: Booleans, weeks: int, slots: int) -> tuple[Floats, Floats]:
    """Mean per slot of the week over the weeks seen, and variance over mean of the counts, pooled over the slots."""
    values, known = values.reshape(-1, weeks, slots), seen.reshape(-1, weeks, slots)
    times = known.sum(1)
    mean = values.sum(1) / np.maximum(times, 1)
    squares = (((values - mean[:, None, :]) ** 2) * known).sum((1, 2))
    freedom = (mean * (times - 1).clip(0)).sum(1)
    return mean, np.where(freedom > 0, squares / np.maximum(freedom, 1e-9), np.inf)


def _by_kind_of_day(
    values: Floats,
    seen: Booleans,
    unknown: Booleans,
    mean: Floats,
    hour_of_week: Integers,
    policy: SilencePolicy,
) -> tuple[Floats, Floats]:
    """Means of a young app: an hour of the week it has not lived yet is like that hour of the working days it has.

    Nothing is known about a weekend that it has not seen. Its clustering is that of the counts around those means.
    """
    weekend = hour_of_week // DAY >= 5
    slot = hour_of_week % DAY + np.where(weekend, DAY, 0)
    rows = np.broadcast_to(np.arange(len(values))[:, None], slot.shape)
    sums, times = np.zeros((2, len(values), 2 * DAY))
    np.add.at(sums, (rows, slot), values.reshape(len(values), -1, WEEK).sum(1))
    np.add.at(times, (rows, slot), seen.reshape(len(values), -1, WEEK).sum(1))
    pooled = (sums / np.maximum(times, 1))[rows, slot]
    spread = times[rows, slot]
    repeated = np.tile(pooled, (1, policy.baseline_weeks)), np.tile(spread, (1, policy.baseline_weeks))
    squares = (((values - repeated[0]) ** 2) * seen).sum(1)
    freedom = (repeated[0] * (1 - 1 / np.maximum(repeated[1], 1)) * seen).sum(1)
    clustering = np.where(freedom > 0, squares / np.maximum(freedom, 1e-9), policy.clustering_cap)
    return np.where(unknown, pooled, mean), clustering


def _none_came(
    counts: Floats,
    rhythm: _Rhythm,
    last: Integers,
    last_end: Floats,
    as_of: datetime,
    number: int,
    policy: SilencePolicy,
    unheard: Mapping[int, float],
    lost: LostHours,
) -> _Found:
    """Whether chance explains that nothing came since the last request."""
    hour_end = (number - (counts.shape[1] - 1 - last) + 1) * 3600.0
    rows = np.arange(len(counts))
    after = (as_of.timestamp() - hour_end).clip(0) / 3600
    whole = after.astype(np.int64)
    share = after - whole
    # Of the last hour only what it still lacked was due after its last request: a nightly run is over with its run.
    begun = (np.minimum(hour_end, as_of.timestamp()) - last_end).clip(0) / 3600
    lacking = (rhythm.mean[:, -1] - counts[rows, last]).clip(0)
    so_far = np.concatenate([np.zeros((len(counts), 1)), rhythm.mean.cumsum(1)], axis=1)
    now, before = (rows, whole % WEEK), (rows, (whole - 1) % WEEK)
    whole_hours = whole // WEEK * so_far[:, -1] + so_far[now]
    last_hour = number - (counts.shape[1] - 1 - last)
    in_last = lost.hours == last_hour[lost.rows]
    left_out = np.bincount(lost.rows[in_last], weights=lost.shares[in_last], minlength=len(counts))
    begun_due = (np.minimum(begun * rhythm.mean[:, -1], lacking) - left_out * rhythm.mean[:, -1]).clip(0)
    begun_hours = begun_due + share * rhythm.mean[now]
    expected = whole_hours + begun_hours
    sets_in = _sets_in(rhythm.mean)
    grace = share * rhythm.mean[now] * sets_in[now] + np.where(
        whole > 0, rhythm.mean[before] * sets_in[before], 0.0
    )
    # What came where hardly anything was due came early: a nightly run after the clocks went forward.
    lately = counts[rows, last] + counts[rows, (last - 1).clip(0)]
    weeks = rhythm.weeks.clip(2)
    usually = ((rhythm.mean[:, -2:].sum(1) * weeks - lately) / (weeks - 1)).clip(0)
    early = (lately - 3 * usually).clip(0)
    not_due = due_in(unheard, last_hour.astype(np.float64), rhythm.mean) + _due_in(
        lost, last_hour, rhythm.mean
    )
    due = (expected - grace - early - not_due).clip(0)
    # Counts per hour say nothing about the minute: what runs like a clock is late when its hour is over.
    due = np.where(rhythm.clustering < 1, (due - begun_hours).clip(0), due)
    nights = ((after - JITTER).clip(0) // DAY).astype(np.int64)
    # A night on part of which nobody was heard may have had its run.
    nights = (nights - _nights_unheard(unheard, last_hour) - _nights_lost(lost, unheard, last_hour)).clip(0)
    missed = nights // 7 * rhythm.due_days.sum(1) + np.where(
        np.arange(7) < (nights % 7)[:, None], rhythm.due_days, 0.0
    ).sum(1)
    limit = _limit(rhythm, policy)
    surprise = _surprise(0.0, due, rhythm, rhythm.clustering)
    is_silent: Booleans = surprise > limit
    is_silent |= _surprise(0.0, missed * rhythm.per_day, rhythm, rhythm.daily_clustering) > limit
    by_chance = rhythm.miss_odds**missed * 365 * rhythm.bursts_per_day.clip(1)
    is_silent |= (missed > 0) & (by_chance < policy.days_missed_per_year)
    is_silent &= rhythm.total >= policy.least_requests
    waited = _wait(rhythm, policy)
    return _Found(is_silent, last_end, np.zeros(len(counts)), expected, surprise, waited)


def _nights_unheard(unheard: Mapping[int, float], last_hour: Integers) -> Integers:
    """Days after the last request of each app on which nobody was heard for a while."""
    days = np.array(sorted({hour // DAY for hour in unheard}), np.int64)
    return len(days) - np.searchsorted(days, last_hour // DAY)


def _due_in(lost: LostHours, last_hour: Integers, mean: Floats) -> Floats:
    """What would have been due of each app in hours that are left out, after its last request."""
    back = lost.hours - last_hour[lost.rows] - 1
    after = back >= 0
    rows = lost.rows[after]
    due = lost.shares[after] * mean[rows, back[after] % mean.shape[1]]
    return np.bincount(rows, weights=due, minlength=len(mean)).astype(np.float64)


def _nights_lost(lost: LostHours, unheard: Mapping[int, float], last_hour: Integers) -> Integers:
    """Days after the last request of each app of which some is left out, beside those on which nobody was heard."""
    days = lost.hours // DAY
    known = np.array(sorted({hour // DAY for hour in unheard}), np.int64)
    own = (days >= last_hour[lost.rows] // DAY) & ~np.isin(days, known)
    pairs = np.unique(np.stack([lost.rows[own], days[own]]), axis=1)
    return np.bincount(pairs[0], minlength=len(last_hour)).astype(np.int64)


def _wait(rhythm: _Rhythm, policy: SilencePolicy) -> Floats:
    """Whole hours after its last request at which so much was due of each app that nothing of it is no chance; infinite beyond
    four weeks.

    The inverse of ``_surprise`` of none received: ``w * ln(1 + 1 / w) * due / phi`` must reach the limit, or what the limit is of days
    that differ.
    """
    limit = _limit(rhythm, policy)
    spread = np.maximum(rhythm.day_spread, 1e-12)
    bound = np.where(rhythm.day_spread > 0, np.expm1(limit * spread) / spread, limit)
    needed = bound * rhythm.clustering / (rhythm.weeks * np.log1p(1 / rhythm.weeks))
    due = np.tile(rhythm.mean, (1, policy.retired_after // (WEEK * _HOUR))).cumsum(axis=1)
    is_enough = due > needed[:, None]
    hours = np.where(is_enough.any(axis=1), is_enough.argmax(axis=1) + 1.0, np.inf)
    return np.maximum(hours, policy.least_silence / _HOUR)


def _too_few_came(
    counts: Floats,
    first: Integers,
    since_hour: float,
    number: int,
    policy: SilencePolicy,
    unheard: Mapping[int, float],
    lost: LostHours,
) -> _Found:
    """Whether far fewer came than were due in the hours before as-of, over the span of hours that says it best."""
    width = counts.shape[1]
    end = np.full(len(counts), width - 1 - _RECENT)
    rhythm = _rhythm(counts, end, first, number, policy)
    due = rhythm.mean.copy()
    grace = _sets_in(rhythm.mean)
    due[:, -1] *= since_hour * ~grace[:, -1]
    due[:, -2] *= ~grace[:, -2]
    for hour, share in unheard.items():
        if 0 <= number - hour < due.shape[1]:
            due[:, hour - number - 1] *= 1 - share
    back = number - lost.hours
    near = (back >= 0) & (back < due.shape[1])
    rows, columns = lost.rows[near], -back[near] - 1
    heard = 1 - np.array([unheard.get(int(hour), 0.0) for hour in lost.hours[near]])
    due[rows, columns] *= np.clip(1 - lost.shares[near] / np.maximum(heard, 1e-9), 0, 1)
    expected = due[:, ::-1].cumsum(1)
    received = counts[:, : -_RECENT - 1 : -1].cumsum(1)
    known = (rhythm.total >= policy.least_requests)[:, None] & (rhythm.weeks >= 1)[:, None]
    surprise = _surprise(received.T, expected.T, rhythm, rhythm.clustering).T
    is_back = (received >= policy.recovered_requests) & (received > policy.recovered * expected)
    fits = (
        known
        & (received > 0)
        & (received <= policy.far_too_few * expected)
        & (surprise > _limit(rhythm, policy)[:, None])
        & ~np.logical_or.accumulate(is_back, axis=1)
    )
    best = np.where(fits, surprise, -1.0).argmax(1)
    at = np.arange(len(counts)), best
    since = (number + 1 - (best + 1)) * 3600.0
    waited = np.zeros(len(counts))
    return _Found(np.any(fits, axis=1), since, received[at], expected[at], surprise[at], waited)


def _sets_in(mean: Floats) -> Booleans:
    """Hours of the week with more than three times the requests of the hour before."""
    return mean > 3 * np.roll(mean, 1, axis=1)


def _limit(rhythm: _Rhythm, policy: SilencePolicy) -> Floats:
    """How unlikely, as a negative logarithm, so that the chances of a year together stay below the policy's alarms."""
    return np.log(365 * rhythm.per_day.clip(1 / 28) / policy.alarms_per_year)


def _surprise(received: Floats | float, expected: Floats, rhythm: _Rhythm, clustering: Floats) -> Floats:
    """Bound of -ln P(so few); apps are the last axis.

    Chernoff's bound for the negative binomial that predicts a Poisson count from so many weeks of data, and that bound
    averaged over days that differ in how much happens (gamma with the app's own squared spread). Sources: the gamma-Poisson
    predictive distribution is Gelman et al., Bayesian Data Analysis, section 2.6; the bound is Chernoff's of 1952.
    """
    few, due = np.asarray(received) / clustering, expected / clustering
    known = rhythm.weeks * due
    with np.errstate(divide="ignore", invalid="ignore"):
        bound = np.where(few > 0, few * np.log(few / due), 0.0) - (few + known) * np.log(
            (few + known) / (due + known)
        )
        averaged = np.log1p(rhythm.day_spread * bound) / rhythm.day_spread
    return np.where((few < due) & (due > 0), np.where(rhythm.day_spread > 0, averaged, bound), 0.0)


def _with_company(found: pl.DataFrame, with_rhythm: int, policy: SilencePolicy) -> pl.DataFrame:
    """With ``apps_together``: how many fell silent within the policy's hours, where that many are one finding."""
    if found.is_empty():
        return found.with_columns(apps_together=pl.lit(0))
    since = found["silent_since"].sort()
    within = since.search_sorted(since + policy.together_within, "right") - np.arange(len(since))
    start = since[int(np.argmax(within.to_numpy()))]
    together = pl.col("silent_since").is_between(start, start + policy.together_within)
    apps = found.filter(together)["app_id"].n_unique()
    is_one = apps >= max(policy.together_least, policy.together_share * with_rhythm)
    return found.with_columns(apps_together=pl.when(together & pl.lit(is_one)).then(apps).otherwise(0))
