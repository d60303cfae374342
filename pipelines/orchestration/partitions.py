"""The partitions of the asset graph: the months and days there is something of, in UTC, and no others.

They are learned: a period becomes a partition when it is first delivered or published, so none is missing that never was.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date

import dagster as dg

from pipelines.steps import STEPS

PARTITIONS: Mapping[str, dg.DynamicPartitionsDefinition] = {
    kind: dg.DynamicPartitionsDefinition(name=f"{kind}s")
    for kind in dict.fromkeys(step.periods for step in STEPS.values())
    if kind
}
"""By the kind of periods a step has."""

AS_OF_TAG = "appfleet/as_of"
"""Run tag: the moment figures are given for; without it, the watermark of telemetry and the newest complete cost day."""


def learn(instance: dg.DagsterInstance, kind: str, periods: Collection[date]) -> None:
    """Makes partitions of periods that are none yet.

    Dagster keeps them in the order they were added, in its pages and in ranges: those after a new one are added again.
    What is known of them stays.
    """
    name = f"{kind}s"
    known = instance.get_dynamic_partitions(name)
    new = {period.isoformat() for period in periods}.difference(known)
    if not new:
        return
    later = [key for key in known if key > min(new)]
    for key in later:
        instance.delete_dynamic_partition(name, key)
    instance.add_dynamic_partitions(name, sorted({*new, *later}))


def asked_periods(keys: Sequence[str]) -> tuple[date, ...]:
    """First days of the partitions a run is about.

    Raises:
        Failure: a key, which a person may add in Dagster's pages, is no day.
    """
    try:
        return tuple(date.fromisoformat(key) for key in keys)
    except ValueError as error:
        raise dg.Failure(
            f"{error}: a partition is a day, or the first day of a month, such as 2026-10-01",
            allow_retries=False,
        ) from None
