"""Publishes what reliability and telemetry are worth: calls and volumes of whole days, then costs, verdicts and credits.

The rules are ``models.reliability_costs``, ``models.reliability_cost_windows`` and ``models.reliability_credits``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from models import reliability_cost_windows, reliability_costs, reliability_credits, requests
from models.errors import ModelError
from models.policy import health_checks, request_errors, slo_defaults
from models.reliability_costs import Whole, worth_policy
from models.schemas import SCHEMAS
from models.settings import Settings
from pipelines.compute.as_of import AsOf
from pipelines.compute.publishing import (
    LEASE_WAIT_SECONDS,
    Outcome,
    fingerprint,
    frame_fingerprint,
    is_current,
    publish_frames,
    table_sha256,
)
from pipelines.compute.slices import kept_as_they_were
from sql.damage import lost_records
from sql.leases import lease
from sql.publish import collect, heads, heads_by_scope, new_batch_id, publish_periods
from sql.retention import removed_days
from sql.warehouse import Warehouse

_BY_DAY = ("core_app_calls", "core_app_telemetry_volumes")


def last_whole_day(as_of: AsOf) -> date | None:
    """The last day telemetry is whole of, None without any."""
    return None if as_of.basis == "none" else as_of.slice_end.date() - timedelta(days=1)


def volume_days(warehouse: Warehouse, as_of: AsOf) -> tuple[dict[date, str], dict[date, str]]:
    """Day -> fingerprint of what feeds it: of all whole days with telemetry, and of those to compute."""
    last = last_whole_day(as_of)
    prints, new, _ = _volume_days(warehouse)
    whole = [day for day in prints if last is not None and day <= last]
    return {day: prints[day] for day in whole}, {day: new[day] for day in whole if day in new}


def volumes_due(warehouse: Warehouse) -> list[date]:
    """Days whose raw rows are yet to be counted, whole ones or not."""
    return sorted(_volume_days(warehouse)[1])


def _volume_days(warehouse: Warehouse) -> tuple[dict[date, str], dict[date, str], list[date]]:
    """Day -> fingerprint of what feeds it: of all with slices, of those to compute; and those that are not published as they
    are now and are computed no more, as raw rows of them were removed."""
    prints = {one.period: fingerprint(one.sha256) for one in heads(warehouse, "slices")}
    published = {one.period: one.sha256 for one in heads(warehouse, "volumes")}
    differing = {day: print_ for day, print_ in prints.items() if published.get(day) != print_}
    removed = removed_days(warehouse) if differing else {}
    kept = [day for day in differing if day in removed]
    return prints, {day: print_ for day, print_ in differing.items() if day not in removed}, kept


def compute_volumes(
    warehouse: Warehouse, settings: Settings, as_of: AsOf, days: Sequence[date] | None = None
) -> Outcome:
    """Publishes calls between apps and volumes of telemetry of each whole day whose slices changed; a day of which raw rows
    were removed stays as it was published."""
    with lease(settings.root, "volumes", LEASE_WAIT_SECONDS):
        known, new = volume_days(warehouse, as_of)
        asked = [day for day in known if days is None or day in days]
        notes = kept_as_they_were("volumes", [day for day in _volume_days(warehouse)[2] if day in asked])
        changed = {day: new[day] for day in asked if day in new}
        lost = lost_records(warehouse.frame, list(changed)) if changed else []
        refused = tuple(f"{one}; volumes of the day stay as they were" for one in lost)
        changed = {day: print_ for day, print_ in changed.items() if day not in {one.period for one in lost}}
        if not changed:
            return Outcome(unchanged=len(asked), refused=refused, notes=notes)
        retries = worth_policy().retries
        counting: dict[str, Any] = {
            **requests.classification(request_errors(), health_checks()),
            "retry_names": list(retries),
            "retry_from": list(retries.values()),
        }
        own: dict[str, dict[str, Any]] = {"core_app_calls": counting}
        batches = {table: new_batch_id() for table in _BY_DAY}
        for table, batch in batches.items():
            warehouse.execute(
                f"statements/{table}",
                days=[day.isoformat() for day in changed],
                batch_id=batch,
                **own.get(table, {}),
            )
        written: dict[str, Any] = {f"{table}_batch": batch for table, batch in batches.items()}
        counted = warehouse.frame("queries/worth/batch_rows", **written)
        rows = {row["day"]: row["rows"] for row in counted.iter_rows(named=True)}
        releases = publish_periods(warehouse, "volumes", batches, changed, rows)
        collect(warehouse, releases)
    return Outcome(tuple(releases), len(asked) - len(changed), refused=refused, notes=notes)


def compute_worth(warehouse: Warehouse, settings: Settings, as_of: AsOf) -> Outcome:
    """Publishes the days, windows and credits of every app to the last day that is whole in bills and telemetry."""
    released = heads_by_scope(warehouse)
    apps = warehouse.frame("queries/inventory/apps").select("app_id", "team")
    # By the day: the moment of a silence moves with every pass of a live fleet, its day does not.
    silences = warehouse.frame("queries/silence/silent")
    stopped = silences.select("app_id", pl.col("silent_since").dt.date()).sort("app_id", "silent_since")
    telemetry_day, cost_day = last_whole_day(as_of), as_of.known_cost_day
    ends = [day for day in (telemetry_day, cost_day) if day is not None]
    targets = warehouse.frame("queries/worth/targets")
    print_ = fingerprint(
        telemetry_day,
        cost_day,
        [(one.period, one.sha256) for one in released.get("unit_costs", ())],
        [(one.period, one.sha256) for one in released.get("volumes", ())],
        table_sha256(released, "completeness"),
        frame_fingerprint(apps),
        frame_fingerprint(stopped),
        frame_fingerprint(targets),
    )
    if is_current(warehouse, "worth", print_):
        return Outcome(unchanged=1)
    whole = Whole(telemetry_day, cost_day, ())
    tables = _tables(warehouse, apps, targets, silences, ends, whole) if ends else {}
    empty = {table: pl.DataFrame(schema=SCHEMAS[table]) for table in WORTH_TABLES}
    return publish_frames(warehouse, settings, "worth", {**empty, **tables}, print_, as_of)


WORTH_TABLES = ("mart_reliability_costs_daily", "mart_app_worth", "mart_reliability_credits")


def _tables(
    warehouse: Warehouse,
    apps: pl.DataFrame,
    targets: pl.DataFrame,
    silences: pl.DataFrame,
    ends: Sequence[date],
    whole: Whole,
) -> dict[str, pl.DataFrame]:
    policy, last = worth_policy(), min(ends)
    windows = reliability_cost_windows.windows_to(last, policy)
    # From the begin of a month on, so that no month's credits are cut; to the last day anything is whole of, so that days
    # which are not stand there by name.
    asked: dict[str, Any] = {"first_day": windows[-1][0].replace(day=1), "last_day": max(ends)}
    calls = warehouse.frame("queries/worth/calls", **asked)
    seen = [one.period for one in heads(warehouse, "slices") if one.rows]
    days = reliability_costs.daily(
        warehouse.frame("queries/worth/days", **asked),
        calls,
        silences,
        Whole(whole.telemetry_day, whole.cost_day, seen),
    )
    volumes = warehouse.frame("queries/worth/volumes", first_day=windows[0][0], last_day=windows[0][1])
    teams = dict(apps.iter_rows())
    return {
        "mart_reliability_costs_daily": days,
        "mart_app_worth": reliability_cost_windows.worth(
            days, volumes, teams, dict(targets.iter_rows()), _usual_target(), last, policy
        ),
        "mart_reliability_credits": reliability_credits.credits(days, calls, teams, policy),
    }


def _usual_target() -> Decimal:
    """The availability an app is held to of which nothing else is published.

    Raises:
        ModelError: there is none.
    """
    for one in slo_defaults().lines:
        if one.threshold_ms is None:
            return one.target
    raise ModelError("no objective counts errors, so no failure has a price: name one in slo_defaults.yaml")
