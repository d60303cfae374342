"""Publishes cost anomalies; the detector is ``models.anomaly``."""

from __future__ import annotations

import polars as pl

from models import anomaly
from models.settings import Settings
from pipelines.compute.as_of import AsOf, cost_days
from pipelines.compute.causes import NO_TREND, cause_tables
from pipelines.compute.completeness import days_not_whole
from pipelines.compute.publishing import Outcome, fingerprint, frame_fingerprint, is_current, publish_frames
from sql.publish import (
    heads,
)
from sql.warehouse import Warehouse


def compute_anomalies(warehouse: Warehouse, settings: Settings, as_of: AsOf) -> Outcome:
    """Publishes ``mart_cost_anomalies``, episodes per app and currency up to the last day of cost, and why cost changed.

    A day that is not whole in a source of the app is unknown: it is no anomaly, and nothing is expected by it.
    """
    unknown = days_not_whole(warehouse, as_of.cost_day)
    print_ = fingerprint(
        as_of.cost_day,
        [(one.period, one.sha256) for one in heads(warehouse, "costs")],
        [(one.period, one.sha256) for one in heads(warehouse, "slices") if one.period <= as_of.cost_day],
        frame_fingerprint(unknown),
    )
    if is_current(warehouse, "anomalies", print_):
        return Outcome(unchanged=1)
    newest = cost_days(warehouse, as_of.cost_day)
    series = warehouse.frame(
        "queries/anomalies/series", as_of=as_of.cost_day, no_trend=NO_TREND, newest=newest
    )
    by = ("app_id", "billing_currency")
    # The series of an app end with the newest day of its own sources: silence of a late bill is no fall to zero.
    by_end = series.with_columns(pl.col("source_newest").max().over(by)).partition_by(
        "source_newest", as_dict=True, include_key=False
    )
    days = pl.concat(
        [
            anomaly.with_silent_days(part.select(*by, "usage_date", "cost"), last_day, by)
            for (last_day,), part in by_end.items()
        ]
        or [series.select(*by, "usage_date", "cost")]
    ).sort(*by, "usage_date")
    owners = series.unique(by, keep="last", maintain_order=True).select(*by, "team")
    flags = anomaly.detect(days, by, open_days=unknown).join(owners, on=by, how="left", maintain_order="left")
    found = anomaly.episodes(flags, by, carry=["team"])
    tables = {
        "mart_cost_anomalies": found,
        **cause_tables(warehouse, found, flags, as_of.cost_day, newest),
    }
    return publish_frames(warehouse, settings, "anomalies", tables, print_, as_of)
