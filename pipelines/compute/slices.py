"""Publishes what is reduced from telemetry by day: slices and their hours, daily activity, resources, usage by the hour."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from models import requests
from models.policy import (
    health_checks,
    request_errors,
    request_slices,
    shared_cost_policy,
    slo_defaults,
)
from models.resource_evidence import resource_attributes
from models.settings import Settings
from pipelines.compute.kept_routes import KeptRoutes, kept_routes
from pipelines.compute.publishing import LEASE_WAIT_SECONDS, Outcome, fingerprint
from sql.damage import lost_records
from sql.leases import lease
from sql.publish import (
    collect,
    heads,
    new_batch_id,
    publish_periods,
)
from sql.retention import removed_days
from sql.warehouse import Warehouse

DAY = timedelta(days=1)

Batches = Mapping[str, uuid.UUID]
"""Table -> the batch that is written."""


@dataclass(frozen=True)
class _Days:
    """Day -> fingerprint of what feeds it: of all days with telemetry, of them without the routes that are kept, of those to compute, and of those that are not
    published as they are now and are computed no more."""

    all: dict[date, str]
    fed: dict[date, str]
    new: dict[date, str]
    kept: dict[date, str]


def telemetry_days(warehouse: Warehouse, settings: Settings) -> tuple[dict[date, str], dict[date, str]]:
    """Day -> fingerprint of what feeds it: of all days with telemetry, and of those not published as they are now.

    A day of which raw rows were removed because they were past their retention is none of the second, nor is a published one
    that follows it: both stay as they were published, as what is left to compute them from is less.
    """
    days = _days(warehouse, kept_routes(warehouse, settings))
    return days.all, days.new


def _days(warehouse: Warehouse, routes: KeptRoutes) -> _Days:
    feeding = warehouse.frame("queries/telemetry/days").iter_rows(named=True)
    fed = {row["day"]: fingerprint(row["fingerprint"]) for row in feeding}
    prints = routes.prints(warehouse, fed)
    published = {release.period: release.sha256 for release in heads(warehouse, "slices")}
    differing = {day: print_ for day, print_ in prints.items() if published.get(day) != print_}
    removed = removed_days(warehouse) if differing else {}
    # The first interval of a cumulative series begins on the day before.
    kept = {day for day in differing if day in removed or (day in published and day - DAY in removed)}
    return _Days(
        prints,
        fed,
        {day: print_ for day, print_ in differing.items() if day not in kept},
        {day: print_ for day, print_ in differing.items() if day in kept},
    )


def compute_slices(warehouse: Warehouse, settings: Settings, days: Sequence[date] | None = None) -> Outcome:
    """Publishes the slices, their hours, daily activity, resources and usage of each day whose telemetry changed.

    All changed days are written by one statement per table and published by one insert. A day some of whose records are
    lost stays as it was: less would be taken for quiet.
    """
    routes = kept_routes(warehouse, settings)
    known = _days(warehouse, routes)
    asked = [day for day in known.all if days is None or day in days]
    changed = {day: known.new[day] for day in sorted(asked) if day in known.new}
    notes = kept_as_they_were("slices", [day for day in asked if day in known.kept])
    lost = lost_records(warehouse.frame, list(changed)) if changed else []
    refused = tuple(f"{one}; slices of the day stay as they were" for one in lost)
    changed = {day: print_ for day, print_ in changed.items() if day not in {one.period for one in lost}}
    if not changed:
        return Outcome(unchanged=len(asked), refused=refused, notes=notes)
    policy = requests.classification(request_errors(), health_checks())
    slicing = {
        **requests.slicing(request_slices(), slo_defaults(), routes.named),
        **requests.sampling(request_slices()),
    }
    parameters: dict[str, Callable[[Batches], dict[str, Any]]] = {
        "core_request_slices": lambda _: {**policy, **slicing},
        "core_request_hours": lambda batches: {"slices_batch_id": batches["core_request_slices"]},
        "core_app_telemetry_daily": lambda batches: {
            **policy,
            "slices_batch_id": batches["core_request_slices"],
        },
        "core_app_resources": lambda _: {"attributes": [one.attribute for one in resource_attributes()]},
        "core_app_usage_hours": lambda batches: {
            **requests.measuring(policy, shared_cost_policy()),
            "rate_attributes": list(request_slices().rate_attributes),
            "slices_batch_id": batches["core_request_slices"],
        },
    }
    with lease(settings.root, "slices", LEASE_WAIT_SECONDS):
        batches = {table: new_batch_id() for table in parameters}
        days_changed = [day.isoformat() for day in changed]
        warehouse.execute(
            "statements/core_request_slices_of_metrics",
            days=days_changed,
            batch_id=batches["core_request_slices"],
            **policy,
            **slicing,
            **requests.of_metrics(request_slices()),
        )
        for table, own in parameters.items():
            warehouse.execute(
                f"statements/{table}", days=days_changed, batch_id=batches[table], **own(batches)
            )
        written: dict[str, Any] = {f"{table}_batch": batch for table, batch in batches.items()}
        counted = warehouse.frame("queries/telemetry/batch_rows", **written)
        rows = {row["day"]: row["rows"] for row in counted.iter_rows(named=True)}
        fed = {day: known.fed[day] for day in changed}
        changed = routes.prints(warehouse, fed, batches["core_request_slices"])
        releases = publish_periods(warehouse, "slices", batches, changed, rows)
        collect(warehouse, releases)
    return Outcome(tuple(releases), len(asked) - len(changed), notes=notes, refused=refused)


def kept_as_they_were(what: str, days: Sequence[date]) -> tuple[str, ...]:
    """What is said of days that what is left of their rows would make less of: ``what`` of them stays."""
    if not days:
        return ()
    span = f"{min(days)} to {max(days)}" if len(days) > 1 else f"{days[0]}"
    return (
        f"{len(days):,} day(s), {span}: {what} stay as they were published, whatever came or changed since, as raw rows past "
        "their retention were removed",
    )
