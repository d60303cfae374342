"""Publishes cost per app and day and the statement lines of a month, once attributed equals billed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import date
from decimal import Decimal
from uuid import UUID

import polars as pl

from models import chargeback
from models.errors import ConfigurationError, ControlTotalError, ModelError
from models.focus import currencies
from models.money import exact_total
from models.settings import Settings
from models.shared_rules import Rules
from pipelines.compute.adjustments import compute_adjustments
from pipelines.compute.publishing import LEASE_WAIT_SECONDS, Outcome, fingerprint, insert, table_sha256
from pipelines.compute.shared_costs import rules_of, rules_print, split_month
from pipelines.ingest.shared_rules import load_rules
from sql.damage import Damage, lost_rows
from sql.leases import lease
from sql.publish import (
    WHOLE_TABLE,
    Release,
    collect,
    head,
    heads,
    heads_by_scope,
    new_batch_id,
    publish,
)
from sql.warehouse import Warehouse


def billed_months(warehouse: Warehouse, settings: Settings) -> tuple[dict[date, str], dict[date, str]]:
    """Month -> fingerprint of what feeds it: of all months with a published bill, and of those whose costs are not
    published as they are now; none before identities are published.

    Raises:
        ConfigurationError: ``rules.yaml`` is wrong; names file, line and key.
    """
    return _billed_months(warehouse, load_rules(settings))


def _billed_months(warehouse: Warehouse, rules: Rules) -> tuple[dict[date, str], dict[date, str]]:
    released = heads_by_scope(warehouse)
    if "identities" not in released:
        return {}, {}
    billed = _by_month(
        one for scope, ones in released.items() if scope.startswith("billing/") for one in ones
    )
    prints = {
        month: fingerprint(
            table_sha256(released, "identities"),
            table_sha256(released, "registry"),
            sorted((one.scope, str(one.batches)) for one in releases),
            *rules_print(rules, month, released.get("slices", ())),
        )
        for month, releases in sorted(billed.items())
    }
    published = {release.period: release.sha256 for release in released.get("costs", ())}
    return prints, {month: print_ for month, print_ in prints.items() if published.get(month) != print_}


def compute_costs(warehouse: Warehouse, settings: Settings, months: Sequence[date] | None = None) -> Outcome:
    """Publishes ``core_app_costs_daily``, ``core_cost_allocations`` and ``mart_chargeback_lines`` of each month whose inputs
    changed.

    A month that the shared cost rules cannot be applied to stays as it was and is told.

    Raises:
        ConfigurationError: ``rules.yaml`` is wrong; names file, line and key.
        ControlTotalError: attributed differs from billed in any source, currency or metric.
    """
    rules = load_rules(settings)
    identities = head(warehouse, "identities", WHOLE_TABLE)
    if identities is None:
        return Outcome(notes=("no identities are published yet",))
    with lease(settings.root, "costs", LEASE_WAIT_SECONDS):
        known, new = _billed_months(warehouse, rules)
        asked = [month for month in known if months is None or month in months]
        billed = _by_month(heads(warehouse, "billing/")) if new else {}
        current = {release.period: release for release in heads(warehouse, "costs")} if new else {}
        published: list[Release] = []
        refused: list[str] = []
        due = [month for month in asked if month in new]
        for month in due:
            try:
                release = _publish_costs(
                    warehouse, month, billed[month], identities, rules, new[month], current.get(month)
                )
            except (ConfigurationError, ModelError) as error:
                if not rules_of(rules, month).lines:
                    raise
                refused.append(f"costs of {month:%Y-%m} stay as they were: {error}")
            else:
                published.append(release)
        collect(warehouse, published)
        refused += _adjusted(warehouse)
    return Outcome(tuple(published), len(asked) - len(due), refused=tuple(refused))


def _adjusted(warehouse: Warehouse) -> tuple[str, ...]:
    """Publishes what is to be adjusted in the open month; a sentence where that cannot be told."""
    try:
        collect(warehouse, compute_adjustments(warehouse))
    except (ConfigurationError, ControlTotalError) as error:  # rules of then may be none of this version's
        return (str(error),)
    return ()


def _by_month(bills: Iterable[Release]) -> dict[date, list[Release]]:
    """Releases of every source's bill by month."""
    billed: dict[date, list[Release]] = {}
    for release in bills:
        billed.setdefault(release.period, []).append(release)
    return billed


def _publish_costs(
    warehouse: Warehouse,
    month: date,
    billed: Sequence[Release],
    identities: Release,
    rules: Rules,
    print_: str,
    before: Release | None,
) -> Release:
    costs_batch, allocations_batch = new_batch_id(), new_batch_id()
    held = rules_of(rules, month)
    warehouse.execute(
        "statements/core_app_costs_daily",
        billing_period=month,
        batch_id=costs_batch,
        identities_batch=identities.batches["core_identities"],
        pools=held.apps,
    )
    allocations = 0
    if held.lines:
        split = split_month(warehouse, held, month, identities.batches["core_identities"], costs_batch)
        insert(
            warehouse,
            "core_app_costs_daily",
            split.costs.with_columns(billing_period=pl.lit(month)),
            costs_batch,
        )
        insert(warehouse, "core_cost_allocations", split.allocations, allocations_batch)
        allocations = split.allocations.height
    attributed = warehouse.frame("queries/costs/batch_sums", billing_period=month, batch_id=costs_batch)
    sums = _attributed_equals_billed(month, billed, attributed)
    reasons_batch, reasons = _reasons_batch(warehouse, month, identities, attributed)
    costs = warehouse.frame("queries/chargeback/costs", billing_period=month, batch_id=costs_batch)
    lines = chargeback.statement_lines(
        costs,
        warehouse.frame("queries/identities/apps"),
        warehouse.frame("queries/identities/teams"),
        currencies(),
    )
    lines_batch = _lines_batch(warehouse, month, lines.with_columns(billing_period=pl.lit(month)), before)
    rows = warehouse.frame("queries/costs/batch_rows", billing_period=month, batch_id=costs_batch)
    return publish(
        warehouse,
        "costs",
        month,
        batches={
            "core_app_costs_daily": costs_batch,
            "core_identity_costs": reasons_batch,
            "core_cost_allocations": allocations_batch,
            "mart_chargeback_lines": lines_batch,
        },
        rows=int(rows["rows"][0]) + reasons + allocations + lines.height,
        sha256=print_,
        version=max(one.version for one in billed),
        sums=sums,
    )


def _reasons_batch(
    warehouse: Warehouse, month: date, identities: Release, attributed: pl.DataFrame
) -> tuple[UUID, int]:
    """Batch and rows of what each identity cost and why, once it sums to what is attributed to the last digit."""
    batch = new_batch_id()
    warehouse.execute(
        "statements/core_identity_costs",
        billing_period=month,
        batch_id=batch,
        identities_batch=identities.batches["core_identities"],
    )
    told = warehouse.frame("queries/costs/identity_sums", billing_period=month, batch_id=batch)
    if not told.drop("rows").equals(attributed):
        raise ControlTotalError(
            f"{month:%Y-%m}: what identities cost does not sum to what apps cost; the old figures stay"
        )
    return batch, int(told["rows"].sum())


def _lines_batch(warehouse: Warehouse, month: date, lines: pl.DataFrame, before: Release | None) -> UUID:
    """Batch of a month's statement lines: the one before where it says the same, so that the statement is no new one."""
    old = before.batches.get("mart_chargeback_lines") if before else None
    if old:
        said = warehouse.frame("queries/chargeback/lines", billing_period=month, batch_id=old, team="")
        if said.equals(lines.select(said.columns)):
            return old
    batch = new_batch_id()
    insert(warehouse, "mart_chargeback_lines", lines, batch)
    return batch


def _attributed_equals_billed(
    month: date, billed: Sequence[Release], sums: pl.DataFrame
) -> dict[str, Decimal]:
    """Sums of a batch (``queries/costs/batch_sums``) per currency and metric, after each source's equal its release's."""
    attributed = {
        (f"billing/{row['source_name']}", f"{row['billing_currency']}/{metric}"): row[column]
        for row in sums.iter_rows(named=True)
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
    """Sentences on months of a bill whose rows in the table are no longer those of their release, by count or by sum."""
    lost = [one for one in lost_rows(warehouse.frame) if one.scope.startswith("billing/")]
    return [str(one) for one in (*lost, *changed_totals(warehouse, lost))]


def changed_totals(warehouse: Warehouse, lost: Collection[Damage] = ()) -> list[Damage]:
    """Months of a bill whose sums in the table are no longer those of their release, but for those known to be ``lost``."""
    totals = warehouse.frame("queries/billing/control_totals").filter(pl.col("damage") != 0)
    places = {(one.scope, one.period) for one in lost}
    return [
        Damage(scope, row["billing_period"], what)
        for row in totals.iter_rows(named=True)
        if (scope := f"billing/{row['source_name']}", row["billing_period"]) not in places
        and (
            what := f"{row['metric']} was published as {row['billing_currency']} {row['published']:f}, "
            f"the table holds {row['held']:f}"
        )
    ]
