"""What reliability and telemetry of an app were worth over whole windows: budget in money, verdict, price of a nine, caps.

Pure: the days of ``models.reliability_costs`` and volumes of telemetry in, a frame out. Every figure is of the days that are
known; what an estimate rests on stands beside it in words. Floors and caps live in ``models/policy/worth.yaml``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from fractions import Fraction
from typing import Any

import polars as pl

from models.money import exact_sums
from models.policy import burn_windows
from models.reliability_costs import KNOWN, PER_QUANTITY, WorthPolicy, rounded
from models.schemas import MONEY, QUANTITY, SCHEMAS

UNIT: int = 10**MONEY.scale
"""Smallest amounts in one."""

_WIDE = Context(prec=80)
_SMALLEST = Decimal(1).scaleb(-MONEY.scale)
_SIGNALS = {"spans": "spans", "logs": "log_records", "points": "metric_points"}


@dataclass(frozen=True)
class WorthWindow:
    """The known days of an app and currency in one window, added up; amounts are whole numbers of the smallest."""

    first_day: date
    last_day: date
    days_known: int = 0
    cost: int = 0
    served_cost: int = 0
    failed_cost: int = 0
    retry_cost: int | None = None
    requests: int = 0
    failed: int = 0
    retries: int | None = None
    good: int = 0
    """Requests that went right, or what they stand for, in 1e-9."""

    @property
    def per_good(self) -> Fraction | None:
        """Cost of one good request in the smallest amounts, None without any."""
        return Fraction(self.served_cost * PER_QUANTITY, self.good) if self.good else None

    def allowed(self, target: Decimal) -> Fraction:
        """Requests a target lets fail."""
        return self.requests * (1 - Fraction(target))


def windows_to(last_day: date, policy: WorthPolicy) -> list[tuple[date, date]]:
    """First and last day of each window that is looked back to, the newest first."""
    length = timedelta(days=policy.window_days)
    lasts = [last_day - length * number for number in range(policy.windows)]
    return [(last - length + timedelta(days=1), last) for last in lasts]


def worth(
    days: pl.DataFrame,
    volumes: pl.DataFrame,
    teams: Mapping[str, str],
    targets: Mapping[str, Decimal],
    usual: Decimal,
    last_day: date,
    policy: WorthPolicy,
) -> pl.DataFrame:
    """What each app was worth in the newest window: columns of ``mart_app_worth``, by app and currency.

    ``budget_cost`` is the cost of days with requests times the share that may fail; ``failed_cost`` is what the failures
    cost, so the two are budget and burn in money, while ``burnt_share`` counts requests. An app is *over-reliable and dear*
    when it used less of its budget than the policy's share in every window, each large enough to prove it, and is in the
    dear quartile of its currency; *failing and cheap* when its budget is spent, by more than one or two failures, and it is
    in the cheap one. The price of a nine is the change of the cost per good request between two windows, times the good
    requests of the later one, over the change in nines (``-log10(failed / requests)``): what was seen, not what follows.

    Args:
        days: result of ``models.reliability_costs.daily``, of all windows.
        volumes: result of ``queries/worth/volumes`` of the newest window.
        teams: app -> its team.
        targets: app -> the availability it is held to.
        usual: the one of every other app.
        last_day: last day of the newest window.
        policy: floors and caps.
    """
    spans = windows_to(last_day, policy)
    found = [_added_up(days, first, last) for first, last in spans]
    keys = sorted(set().union(*found))
    places = _places(found[0])
    telemetry = TelemetryVolumes.of(volumes)
    billed = {app for app, _ in keys}
    keys = sorted({*keys, *((app, "") for app in telemetry.bytes if app not in billed)})
    rows = [
        _row(
            app,
            currency,
            [
                windows.get((app, currency), WorthWindow(*span))
                for windows, span in zip(found, spans, strict=True)
            ],
            places.get(currency, {}),
            telemetry,
            teams.get(app, "unassigned"),
            targets.get(app, usual),
            policy,
        )
        for app, currency in keys
    ]
    return pl.DataFrame(rows, schema=SCHEMAS["mart_app_worth"], orient="row")


def _added_up(days: pl.DataFrame, first: date, last: date) -> dict[tuple[str, str], WorthWindow]:
    """The window of each app and currency that has any day in it."""
    key = ["app_id", "billing_currency"]
    inside = days.filter(pl.col("usage_date").is_between(first, last)).with_columns(
        is_known=pl.col("state").is_in(KNOWN)
    )
    nothing = pl.lit(Decimal(0)).cast(MONEY)
    served = pl.col("is_known") & (pl.col("requests") > 0)
    amounts = {
        "cost": pl.when("is_known").then("effective_cost").otherwise(nothing),
        "served_cost": pl.when(served).then("effective_cost").otherwise(nothing),
        "failed_cost": pl.col("failed_cost").fill_null(nothing),
        "retry_cost": pl.col("retry_cost").fill_null(nothing),
    }
    sums = exact_sums(inside.with_columns(**amounts), key, list(amounts))
    counts = inside.group_by(key).agg(
        pl.col("is_known").sum().alias("days_known"),
        pl.col("requests", "failed").sum(),
        pl.when(pl.col("retries").count() > 0).then(pl.col("retries").sum()).alias("retries"),
        pl.col("good").fill_null(pl.lit(Decimal(0)).cast(QUANTITY)).to_physical().sum().alias("good"),
    )
    joined = sums.join(counts, on=key).with_columns(pl.col(*amounts).to_physical())
    return {
        (row["app_id"], row["billing_currency"]): WorthWindow(
            first,
            last,
            row["days_known"],
            row["cost"],
            row["served_cost"],
            row["failed_cost"],
            None if row["retries"] is None else row["retry_cost"],
            row["requests"],
            row["failed"],
            row["retries"],
            row["good"],
        )
        for row in joined.iter_rows(named=True)
    }


def _places(windows: Mapping[tuple[str, str], WorthWindow]) -> dict[str, dict[str, int]]:
    """Currency -> app -> its place by cost per good request, the cheapest first; equal ones share a place."""
    by_currency: defaultdict[str, list[tuple[Fraction, str]]] = defaultdict(list)
    for (app, currency), one in windows.items():
        if currency and one.per_good is not None:
            by_currency[currency].append((one.per_good, app))
    places: dict[str, dict[str, int]] = {}
    for currency, priced in by_currency.items():
        own, place = places.setdefault(currency, {}), 0
        before = None
        for number, (price, app) in enumerate(sorted(priced), start=1):
            place = place if price == before else number
            own[app], before = place, price
    return places


def _row(
    app: str,
    currency: str,
    windows: Sequence[WorthWindow],
    places: Mapping[str, int],
    telemetry: TelemetryVolumes,
    team: str,
    target: Decimal,
    policy: WorthPolicy,
) -> dict[str, Any]:
    newest = windows[0]
    allowed = newest.allowed(target)
    is_priced = bool(newest.requests and currency)
    verdict = _verdict(windows, places.get(app), len(places), target, policy) if is_priced else ""
    price, inputs = price_of_a_nine(windows, currency, policy)
    return {
        "app_id": app,
        "team": team,
        "billing_currency": currency,
        "first_day": newest.first_day,
        "last_day": newest.last_day,
        "days_known": newest.days_known,
        "days_not_known": policy.window_days - newest.days_known,
        "effective_cost": _amount(newest.cost),
        "requests": newest.requests,
        "failed": newest.failed,
        "retries": newest.retries,
        "cost_per_good_request": _maybe(newest.per_good) if is_priced else None,
        "cohort_apps": len(places),
        "cohort_place": places.get(app),
        "failed_cost": _amount(newest.failed_cost) if is_priced else None,
        "retry_cost": _amount(newest.retry_cost) if is_priced and newest.retry_cost is not None else None,
        "target": target,
        "budget_cost": _maybe(newest.served_cost * (1 - Fraction(target))) if is_priced else None,
        "burnt_share": float(newest.failed / allowed) if allowed else None,
        "verdict": verdict,
        "price_of_a_nine": price,
        "price_inputs": inputs,
        "telemetry_bytes": telemetry.bytes.get(app, 0),
        "telemetry_share": telemetry.share(app),
        **{name: telemetry.records.get((app, signal), 0) for signal, name in _SIGNALS.items()},
        "series": telemetry.series.get(app, 0),
        "proposal": telemetry.proposal(app, policy),
        "sentence": _sentence(verdict, newest, currency, places.get(app), len(places), allowed, policy),
    }


def _verdict(
    windows: Sequence[WorthWindow], place: int | None, apps: int, target: Decimal, policy: WorthPolicy
) -> str:
    """What stands out of an app's reliability and cost, or nothing."""
    if place is None or apps < policy.cohort.least_apps:
        return ""
    newest = windows[0]
    used_little = all(
        one.allowed(target) >= policy.least_allowed_failures
        and one.failed < Fraction(policy.over_reliable_below) * one.allowed(target)
        for one in windows
    )
    if used_little and place > Fraction(policy.cohort.dear_from) * apps:
        return "over_reliable"
    is_spent = newest.failed >= newest.allowed(target) and newest.failed >= burn_windows().least_bad_events
    if is_spent and place <= Fraction(policy.cohort.cheap_to) * apps:
        return "failing"
    return ""


def _sentence(
    verdict: str,
    window: WorthWindow,
    currency: str,
    place: int | None,
    apps: int,
    allowed: Fraction,
    policy: WorthPolicy,
) -> str:
    if not verdict or window.per_good is None:
        return ""
    told = (
        f"{currency} {_per_thousand(window)} per 1,000 good requests, place {place:,} of {apps:,} from the cheapest; "
        f"{window.failed:,} of {window.requests:,} requests failed"
    )
    if verdict == "over_reliable":
        return f"{told}, {_percent(window.failed / allowed)} of what may, and below {_percent(policy.over_reliable_below)} in {policy.windows} windows of {policy.window_days} days: smaller or fewer machines would still keep the promise."
    return (
        f"{told}, {_percent(window.failed / allowed)} of what may: it is cheap and does not keep its promise."
    )


def price_of_a_nine(
    windows: Sequence[WorthWindow], currency: str, policy: WorthPolicy
) -> tuple[Decimal | None, str]:
    """What one more nine cost by the newest two windows in a row that tell, and what it rests on; or why it is not known."""
    floors = policy.price_of_a_nine
    if not currency:
        return None, "not known: no bill"
    told = [
        one.requests >= floors.least_requests
        and one.failed >= floors.least_failures
        and one.per_good is not None
        for one in windows
    ]
    enough = False
    for number in range(len(windows) - 1):
        later, earlier = windows[number], windows[number + 1]
        if not (told[number] and told[number + 1]):
            continue
        enough = True
        nines = _nines(later) - _nines(earlier)
        if abs(nines) >= floors.least_nines:
            return _price(earlier, later, nines), _inputs(earlier, later, currency, nines)
    if not enough:
        return None, (
            f"not known: no two windows of {policy.window_days} days in a row with {floors.least_requests:,} requests and "
            f"{floors.least_failures} failures each"
        )
    return (
        None,
        f"not known: the share of failures never moved by {floors.least_nines} nines from one window to the next",
    )


def _nines(window: WorthWindow) -> Decimal:
    with localcontext(_WIDE):
        return -(Decimal(window.failed) / window.requests).log10()


def _price(earlier: WorthWindow, later: WorthWindow, nines: Decimal) -> Decimal:
    assert earlier.per_good is not None and later.per_good is not None  # both served
    change = (later.per_good - earlier.per_good) * Fraction(later.good, PER_QUANTITY) / UNIT
    with localcontext(_WIDE):
        price = Decimal(change.numerator) / change.denominator / nines
        return price.quantize(_SMALLEST, ROUND_HALF_EVEN)


def _inputs(earlier: WorthWindow, later: WorthWindow, currency: str, nines: Decimal) -> str:
    before, now = (
        f"{one.failed:,} of {one.requests:,} requests failed from {one.first_day} to {one.last_day}, at {currency} "
        f"{_per_thousand(one)} per 1,000 good ones"
        for one in (earlier, later)
    )
    return f"estimate: {before}; {now}: {nines:+.2f} nines. Whatever else changed between them is in it."


@dataclass(frozen=True)
class TelemetryVolumes:
    """Volumes of telemetry of every app."""

    bytes: Mapping[str, int]
    of_signal: Mapping[tuple[str, str], int]
    records: Mapping[tuple[str, str], int]
    series: Mapping[str, int]
    widest: Mapping[str, tuple[str, int]]
    total: int

    @classmethod
    def of(cls, volumes: pl.DataFrame) -> TelemetryVolumes:
        """From the rows of ``queries/worth/volumes``."""
        rows = list(volumes.iter_rows(named=True))
        sizes: defaultdict[str, int] = defaultdict(int)
        for row in rows:
            sizes[row["app_id"]] += row["bytes"]
        points = [row for row in rows if row["signal"] == "points"]
        return cls(
            dict(sizes),
            {(row["app_id"], row["signal"]): row["bytes"] for row in rows},
            {(row["app_id"], row["signal"]): row["records"] for row in rows},
            {row["app_id"]: row["series"] for row in points},
            {row["app_id"]: (row["widest_metric"], row["widest_series"]) for row in points},
            sum(sizes.values()),
        )

    def share(self, app: str) -> float | None:
        """Share of the bytes of all apps; None where nothing is known."""
        return self.bytes.get(app, 0) / self.total if self.total else None

    def proposal(self, app: str, policy: WorthPolicy) -> str:
        """What would bring the app under the caps, in words; empty where it is."""
        return " ".join(filter(None, (self._by_share(app, policy), self._by_series(app, policy))))

    def _by_share(self, app: str, policy: WorthPolicy) -> str:
        own, caps = self.bytes.get(app, 0), policy.telemetry
        cap = (
            max(Fraction(caps.share_cap), Fraction(caps.times_equal_share, max(len(self.bytes), 1)))
            * self.total
        )
        if own <= cap:
            return ""
        signal, size = max(
            ((name, self.of_signal.get((app, name), 0)) for name in _SIGNALS), key=lambda one: one[1]
        )
        # What the others hold does not change: to hold a share s of the whole, own = s / (1 - s) of theirs.
        share = cap / self.total
        kept = share / (1 - share) * (self.total - own) - (own - size) if share < 1 else Fraction(size)
        one_in = -(-size // kept) if kept > 0 else 0
        told = f"{_percent(Fraction(own, self.total))} of the warehouse's telemetry, over {_percent(share)}; {_percent(Fraction(size, own))} of it are {_NAMES[signal]}"
        if not one_in:
            return f"{told}: {_DROPPED[signal]} alone is not enough, so keep the rest shorter too."
        return f"{told}: {_KEPT[signal].format(one_in=one_in)}, or keep them {one_in:,} times shorter."

    def _by_series(self, app: str, policy: WorthPolicy) -> str:
        metric, series = self.widest.get(app, ("", 0))
        cap = policy.telemetry.series_of_a_metric
        if series <= cap:
            return ""
        return f"{metric} has {series:,} series on a day, over {cap:,}: drop the attribute with the most values in a view of the SDK or in the collector."


_NAMES = {"spans": "spans", "logs": "log records", "points": "points of metrics"}
_KEPT = {
    "spans": "keep one trace in {one_in:,} (counts are corrected where the sampler writes its threshold)",
    "logs": "keep warnings and worse, and one in {one_in:,} of all records",
    "points": "send one point where there are {one_in:,} now, by a longer interval or fewer attributes",
}
_DROPPED = {
    "spans": "sampling traces",
    "logs": "sampling log records",
    "points": "fewer points",
}


def in_words(amount: Decimal) -> str:
    """An amount to four digits that count, or to the smallest there is."""
    with localcontext(_WIDE):
        if not amount:
            return "0"
        places = max(2, min(MONEY.scale, 3 - amount.adjusted()))
        return f"{round(amount, places):,f}"


def _per_thousand(window: WorthWindow) -> str:
    """Cost of 1,000 good requests in words."""
    assert window.per_good is not None
    with localcontext(_WIDE):
        return in_words(Decimal(window.per_good.numerator) * 1000 / window.per_good.denominator / UNIT)


def _percent(share: Fraction | Decimal) -> str:
    whole = float(share) * 100
    return f"{whole:,.0f} %" if whole >= 10 or whole == int(whole) else f"{whole:,.2g} %"


def _amount(units: int) -> Decimal:
    with localcontext(_WIDE):
        return Decimal(units).scaleb(-MONEY.scale)


def _maybe(units: Fraction | None) -> Decimal | None:
    return None if units is None else _amount(rounded(units.numerator, units.denominator))
