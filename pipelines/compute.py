"""From published rows to published answers: reads current views, asks the pure models, publishes batches.

One function per release. Each leaves the warehouse untouched when its inputs are those of what is already
published; nothing here decides a number.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import polars as pl

from models import anomaly, chargeback, inventory, slo, team_costs, unit_costs
from models.errors import ControlTotalError
from models.focus import currencies
from models.identity import RULE_VERSION, Evidence, TagKeys, attribute
from models.money import exact_total
from models.policy import attribution_confidence, burn_windows, policy_sha256, slo_defaults
from pipelines.registry import load_registry
from pipelines.settings import Settings
from sql.publish import (
    WHOLE_TABLE,
    Release,
    collect,
    head,
    heads,
    lease,
    new_batch_id,
    publish,
    publish_periods,
)
from sql.warehouse import Warehouse

LEASE_WAIT_SECONDS = 30.0


@dataclass(frozen=True)
class Outcome:
    """What one computation did: releases published (empty when nothing was new), and what a person asks."""

    releases: tuple[Release, ...] = ()
    unchanged: int = 0
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows published."""
        return sum(release.rows for release in self.releases)


def fingerprint(*parts: Any) -> str:
    """sha256 over the inputs of a computation, the version of its rules and the numbers of its policies."""
    text = json.dumps([RULE_VERSION, policy_sha256(), *parts], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def frame_fingerprint(frame: pl.DataFrame) -> str:
    """sha256 of a frame's cells in their order."""
    return hashlib.sha256(frame.write_ndjson().encode()).hexdigest()


def compute_registry(warehouse: Warehouse, settings: Settings) -> Outcome:
    """Publishes ``core_apps`` and ``core_teams`` from the catalogue and teams files."""
    registry = load_registry(settings)
    print_ = fingerprint(frame_fingerprint(registry.apps), frame_fingerprint(registry.teams))
    tables = {"core_apps": registry.apps, "core_teams": registry.teams}
    outcome = _publish_frames(warehouse, settings, "registry", tables, print_, as_of=None)
    return Outcome(outcome.releases, outcome.unchanged, tuple(registry.problems))


def compute_identities(warehouse: Warehouse, settings: Settings) -> Outcome:
    """Publishes ``core_identities``: every distinct identity of the published bill through the rules."""
    rows = warehouse.frame("queries/identities/distinct")
    if rows["variants"].max() not in (None, 1):
        raise ControlTotalError(
            "two identities of the bill share one hash: attribution would mix their costs"
        )
    keys = settings.identity
    answers = attribute(
        rows,
        Evidence(
            tags=TagKeys(keys.app_keys, keys.team_keys, keys.environment_keys),
            apps=warehouse.frame("queries/identities/apps"),
            teams=warehouse.frame("queries/identities/teams"),
            resources=warehouse.frame("queries/identities/resources"),
        ),
        attribution_confidence(),
    )
    print_ = fingerprint(frame_fingerprint(answers))
    return _publish_frames(
        warehouse, settings, "identities", {"core_identities": answers}, print_, as_of=None
    )


def compute_costs(warehouse: Warehouse, settings: Settings, months: Sequence[date] | None = None) -> Outcome:
    """Publishes ``core_app_costs_daily`` and ``mart_chargeback_lines`` of each month whose inputs changed.

    Raises:
        ControlTotalError: attributed differs from billed in any source, currency or metric.
    """
    identities = head(warehouse, "identities", WHOLE_TABLE)
    registry = head(warehouse, "registry", WHOLE_TABLE)
    if identities is None:
        return Outcome(notes=("no identities are published yet",))
    billed: dict[date, list[Release]] = {}
    for release in heads(warehouse, "billing/"):
        billed.setdefault(release.period, []).append(release)
    current = {release.period: release for release in heads(warehouse, "costs")}
    published, unchanged = [], 0
    with lease(settings.root, "costs", LEASE_WAIT_SECONDS):
        for month in sorted(billed):
            if months is not None and month not in months:
                continue
            print_ = fingerprint(
                identities.sha256,
                registry.sha256 if registry else "",
                sorted((one.scope, str(one.batches)) for one in billed[month]),
            )
            if month in current and current[month].sha256 == print_:
                unchanged += 1
                continue
            published.append(_publish_costs(warehouse, month, billed[month], identities, print_))
        collect(warehouse, published)
    return Outcome(tuple(published), unchanged)


def _publish_costs(
    warehouse: Warehouse, month: date, billed: Sequence[Release], identities: Release, print_: str
) -> Release:
    costs_batch, lines_batch = new_batch_id(), new_batch_id()
    warehouse.execute(
        "statements/core_app_costs_daily",
        billing_period=month,
        batch_id=costs_batch,
        identities_batch=identities.batches["core_identities"],
    )
    sums = _attributed_equals_billed(warehouse, month, billed, costs_batch)
    costs = warehouse.frame("queries/chargeback/costs", billing_period=month, batch_id=costs_batch)
    lines = chargeback.statement_lines(
        costs,
        warehouse.frame("queries/identities/apps"),
        warehouse.frame("queries/identities/teams"),
        currencies(),
    )
    _insert(warehouse, "mart_chargeback_lines", lines.with_columns(billing_period=pl.lit(month)), lines_batch)
    rows = warehouse.frame("queries/costs/batch_rows", billing_period=month, batch_id=costs_batch)
    return publish(
        warehouse,
        "costs",
        month,
        batches={"core_app_costs_daily": costs_batch, "mart_chargeback_lines": lines_batch},
        rows=int(rows["rows"][0]) + lines.height,
        sha256=print_,
        version=max(one.version for one in billed),
        sums=sums,
    )


def _attributed_equals_billed(
    warehouse: Warehouse, month: date, billed: Sequence[Release], costs_batch: UUID
) -> dict[str, Decimal]:
    """Sums of a batch per currency and metric, after each source's equal its release's."""
    frame = warehouse.frame("queries/costs/batch_sums", billing_period=month, batch_id=costs_batch)
    attributed = {
        (f"billing/{row['source_name']}", f"{row['billing_currency']}/{metric}"): row[column]
        for row in frame.iter_rows(named=True)
        for metric, column in (("BilledCost", "billed_cost"), ("EffectiveCost", "effective_cost"))
    }
    expected = {
        (release.scope, key): amount
        for release in billed
        for key, amount in release.sums.items()
        if key.split("/")[1] in ("BilledCost", "EffectiveCost")
    }
    for scope, key in sorted(set(attributed) | set(expected)):
        got, want = attributed.get((scope, key), Decimal(0)), expected.get((scope, key), Decimal(0))
        if got != want:
            raise ControlTotalError(
                f"{scope} {month:%Y-%m}: attributed {key} is {got:f}, billed is {want:f}; the old figures stay"
            )
    return {
        key: exact_total(amount for (_, other), amount in attributed.items() if other == key)
        for key in {key for _, key in attributed}
    }


def damaged_totals(warehouse: Warehouse) -> list[str]:
    """Sentences on months whose rows in the table are no longer those of their release."""
    totals = warehouse.frame("queries/billing/control_totals")
    return [
        f"{row['source_name']} {row['billing_period']:%Y-%m}: {row['metric']} was published as "
        f"{row['billing_currency']} {row['published']:f}, the table holds {row['held']:f}"
        for row in totals.filter(pl.col("damage") != 0).iter_rows(named=True)
    ]


def telemetry_days(warehouse: Warehouse) -> tuple[dict[date, str], dict[date, str]]:
    """Day -> fingerprint of what feeds it: of all days with telemetry, and of those not published as they are now."""
    feeding = warehouse.frame("queries/telemetry/days").iter_rows(named=True)
    prints = {row["day"]: fingerprint(row["fingerprint"]) for row in feeding}
    published = {release.period: release.sha256 for release in heads(warehouse, "slices")}
    return prints, {day: print_ for day, print_ in prints.items() if published.get(day) != print_}


def compute_slices(warehouse: Warehouse, settings: Settings, days: Sequence[date] | None = None) -> Outcome:
    """Publishes the slices, daily activity and resources of each day whose telemetry changed.

    All changed days are written by one statement per table and published by one insert.
    """
    known, new = telemetry_days(warehouse)
    changed = {day: print_ for day, print_ in sorted(new.items()) if days is None or day in days}
    if not changed:
        return Outcome(unchanged=len(known))
    tables = ("core_sli_slices", "core_app_telemetry_daily", "core_app_resources")
    with lease(settings.root, "slices", LEASE_WAIT_SECONDS):
        batches = {table: new_batch_id() for table in tables}
        for table in tables:
            parameters: dict[str, Any] = {
                "days": [d.isoformat() for d in changed],
                "batch_id": batches[table],
            }
            if table == "core_sli_slices":
                parameters["latency_threshold_ns"] = slo_defaults().latency_threshold_ns
            warehouse.execute(f"statements/{table}", **parameters)
        counted = warehouse.frame(
            "queries/telemetry/batch_rows", **{f"{t}_batch": b for t, b in batches.items()}
        )
        rows = {row["day"]: row["rows"] for row in counted.iter_rows(named=True)}
        releases = publish_periods(warehouse, "slices", batches, changed, rows)
        collect(warehouse, releases)
    return Outcome(tuple(releases), len(known) - len(changed))


@dataclass(frozen=True)
class AsOf:
    """The moment figures are given for: the end of a slice, and the last day of cost."""

    slice_end: datetime
    cost_day: date

    @property
    def telemetry_day(self) -> date:
        """Day of the last slice: at midnight, the day that ended."""
        return (self.slice_end - timedelta(microseconds=1)).date()


STALE_DAYS = 3
"""A billing source this many days behind the newest one is stale: it no longer holds back what is complete."""


def cost_days(warehouse: Warehouse) -> dict[str, date]:
    """Newest complete day of cost of every billing source."""
    return dict(warehouse.frame("queries/freshness/cost_days").rows())


def newest_complete(warehouse: Warehouse) -> AsOf:
    """End of the newest slice and the newest day of cost that every source still delivered holds whole.

    From the published data, never the clock; 1970 where there is none.
    """
    days = cost_days(warehouse).values()
    cost_day = min(
        (day for day in days if max(days) - day <= timedelta(STALE_DAYS)), default=date(1970, 1, 1)
    )
    slice_end = warehouse.frame("queries/freshness/newest_slice").item()
    if slice_end is None:
        slice_end = datetime.combine(cost_day + timedelta(days=1), datetime.min.time(), UTC)
    return AsOf(slice_end.astimezone(UTC), cost_day)


def as_of_moment(warehouse: Warehouse, moment: datetime) -> AsOf:
    """A named moment, cut to the slice and the cost day that were complete then."""
    newest = newest_complete(warehouse)
    slice_end = moment.astimezone(UTC)
    slice_end -= timedelta(
        minutes=slice_end.minute % 5, seconds=slice_end.second, microseconds=slice_end.microsecond
    )
    last_whole_day = slice_end.date() - timedelta(days=1)
    return AsOf(slice_end, min(last_whole_day, newest.cost_day))


def compute_slo(warehouse: Warehouse, settings: Settings, as_of: AsOf) -> Outcome:
    """Publishes ``mart_slo_status``: every app's objectives, budgets and burn as of a slice's end."""
    prints = [(one.period, one.sha256) for one in heads(warehouse, "slices")]
    print_ = fingerprint(as_of.slice_end, prints, _sha(warehouse, "registry"), _sha(warehouse, "identities"))
    if _is_current(warehouse, "slo", print_):
        return Outcome(unchanged=1)
    objectives = slo_defaults()
    windows = warehouse.frame("queries/slo/windows", **slo.window_parameters(objectives, as_of.slice_end))
    apps = warehouse.frame("queries/inventory/apps")
    status = slo.status(windows, objectives, burn_windows(), as_of.slice_end, apps["app_id"])
    status = status.join(apps.select("app_id", "team"), on="app_id", how="left").with_columns(
        pl.col("team").fill_null("unassigned")
    )
    return _publish_frames(warehouse, settings, "slo", {"mart_slo_status": status}, print_, as_of)


def compute_unit_costs(
    warehouse: Warehouse, settings: Settings, months: Sequence[date] | None = None
) -> Outcome:
    """Publishes ``mart_app_unit_costs_daily`` of each month whose cost or telemetry changed."""
    charged = {release.period: release.sha256 for release in heads(warehouse, "costs")}
    # A charge of one billing month may fall on a day of another.
    charging = warehouse.frame("queries/costs/months").rows()
    slices = heads(warehouse, "slices")
    current = {release.period: release for release in heads(warehouse, "unit_costs")}
    usage_months = {usage for _, usage in charging} | {release.period.replace(day=1) for release in slices}
    published, unchanged = [], 0
    with lease(settings.root, "unit_costs", LEASE_WAIT_SECONDS):
        for month in sorted(usage_months):
            if months is not None and month not in months:
                continue
            print_ = fingerprint(
                sorted((period, charged.get(period, "")) for period, usage in charging if usage == month),
                [one.sha256 for one in slices if one.period.replace(day=1) == month],
                _sha(warehouse, "registry"),
            )
            if month in current and current[month].sha256 == print_:
                unchanged += 1
                continue
            frame = unit_costs.daily(
                warehouse.frame("queries/costs/daily", month=month),
                warehouse.frame("queries/telemetry/daily", month=month),
                warehouse.frame("queries/inventory/apps"),
            )
            batch = new_batch_id()
            _insert(warehouse, "mart_app_unit_costs_daily", frame, batch)
            published.append(
                publish(
                    warehouse,
                    "unit_costs",
                    month,
                    batches={"mart_app_unit_costs_daily": batch},
                    rows=frame.height,
                    sha256=print_,
                    version=datetime.combine(month, datetime.min.time(), UTC),
                )
            )
        collect(warehouse, published)
    return Outcome(tuple(published), unchanged)


def compute_anomalies(warehouse: Warehouse, settings: Settings, as_of: AsOf) -> Outcome:
    """Publishes ``mart_cost_anomalies``: episodes per app and currency up to the last day of cost."""
    print_ = fingerprint(as_of.cost_day, [(one.period, one.sha256) for one in heads(warehouse, "costs")])
    if _is_current(warehouse, "anomalies", print_):
        return Outcome(unchanged=1)
    newest = cost_days(warehouse)
    series = warehouse.frame("queries/anomalies/series", as_of=as_of.cost_day, newest=newest)
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
    flags = anomaly.detect(days, by).join(owners, on=by, how="left", maintain_order="left")
    found = anomaly.episodes(flags, by, carry=["team"])
    return _publish_frames(warehouse, settings, "anomalies", {"mart_cost_anomalies": found}, print_, as_of)


def compute_marts(warehouse: Warehouse, settings: Settings, as_of: AsOf) -> Outcome:
    """Publishes ``mart_team_costs_weekly`` and ``mart_app_inventory`` as of a moment."""
    print_ = fingerprint(
        as_of.cost_day,
        as_of.slice_end,
        [
            (one.scope, one.period, one.sha256)
            for scope in ("costs", "slices", "registry", "slo")
            for one in heads(warehouse, scope)
        ],
    )
    if _is_current(warehouse, "marts", print_):
        return Outcome(unchanged=1)
    weekly = team_costs.weekly(warehouse.frame("queries/costs/daily_by_team", as_of=as_of.cost_day))
    apps = inventory.inventory(
        apps=warehouse.frame("queries/inventory/apps"),
        costs=warehouse.frame("queries/inventory/costs", as_of=as_of.cost_day),
        telemetry=warehouse.frame("queries/inventory/telemetry", as_of=as_of.telemetry_day),
        slo_status=warehouse.frame("queries/inventory/slo_states"),
    )
    tables = {"mart_team_costs_weekly": weekly, "mart_app_inventory": apps}
    return _publish_frames(warehouse, settings, "marts", tables, print_, as_of)


def _publish_frames(
    warehouse: Warehouse,
    settings: Settings,
    scope: str,
    tables: Mapping[str, pl.DataFrame],
    print_: str,
    as_of: AsOf | None,
) -> Outcome:
    """Writes frames under fresh batches and publishes them as one whole-table release, unless current."""
    with lease(settings.root, scope, LEASE_WAIT_SECONDS):
        if _is_current(warehouse, scope, print_):
            return Outcome(unchanged=1)
        batches = {table: new_batch_id() for table in tables}
        for table, frame in tables.items():
            _insert(warehouse, table, frame, batches[table])
        release = publish(
            warehouse,
            scope,
            WHOLE_TABLE,
            batches=batches,
            rows=sum(frame.height for frame in tables.values()),
            sha256=print_,
            version=as_of.slice_end if as_of else datetime(1970, 1, 1, tzinfo=UTC),
        )
        collect(warehouse, [release])
    return Outcome((release,))


def _insert(warehouse: Warehouse, table: str, frame: pl.DataFrame, batch: UUID) -> None:
    warehouse.insert(table, frame.with_columns(batch_id=pl.lit(str(batch))))


def _sha(warehouse: Warehouse, scope: str) -> str:
    release = head(warehouse, scope, WHOLE_TABLE)
    return release.sha256 if release else ""


def _is_current(warehouse: Warehouse, scope: str, print_: str) -> bool:
    return _sha(warehouse, scope) == print_
