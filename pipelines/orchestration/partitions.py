"""The partitions of the asset graph, in UTC: billing months and days of telemetry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import dagster as dg

FIRST_MONTH = "2019-01-01"
"""Before the first FOCUS export; an older bill is still loaded by `appfleet run`, which names no months."""

billing_months = dg.MonthlyPartitionsDefinition(start_date=FIRST_MONTH, end_offset=1)
telemetry_days = dg.DailyPartitionsDefinition(start_date=FIRST_MONTH, end_offset=1)

PARTITIONS: Mapping[str, dg.TimeWindowPartitionsDefinition] = {"month": billing_months, "day": telemetry_days}
"""By the kind of periods a step has."""

EVERYTHING_TAG = "appfleet/everything"
"""Run tag: look at every period there is, not only those the run's partition range names."""

AS_OF_TAG = "appfleet/as_of"
"""Run tag: the moment figures are given for; without it, the watermark of telemetry and the newest complete cost day."""


def wanted_periods(context: dg.AssetExecutionContext) -> Sequence[date] | None:
    """First days of the periods a run is about; None for all there are."""
    if context.run.tags.get(EVERYTHING_TAG):
        return None
    return [date.fromisoformat(key) for key in context.partition_keys]
