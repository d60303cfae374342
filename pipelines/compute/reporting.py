"""Publishes what finance reports of a month beside its own ledgers: rates and lines of the reporting currency, and the
bridge from billed to effective cost.

Lines and rates of a closed month stay those it was closed with, whatever the table of rates says later; its bridge follows
the bill. Nothing here refuses a cost: what cannot be converted is said, and the bill's own currencies stand.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

import polars as pl

from models.closing import ADJUSTMENT
from models.commitments import BRIDGE, UNUSED_TABLE, bridges, unused_commitments
from models.errors import ConfigurationError, ModelError
from models.focus import currencies
from models.rates import RateTable, parse_rates
from models.reporting import LINES, RATES, line_days, missing_sentence, needed_rates, reporting_lines
from models.schemas import SCHEMAS
from models.settings import BillingSource, Settings, pairs_of
from pipelines.compute.adjustments import BILL, IDENTITIES, OWN_LINES, own_lines
from pipelines.compute.adjustments import SCOPE as ADJUSTMENTS_SCOPE
from pipelines.compute.adjustments import TABLE as ADJUSTMENTS
from pipelines.compute.publishing import LEASE_WAIT_SECONDS, Outcome, fingerprint, insert
from sql.closings import closed_months
from sql.leases import lease
from sql.publish import NO_BATCH, WHOLE_TABLE, Release, collect, head, heads_by_scope, new_batch_id, publish
from sql.warehouse import Warehouse
from sql.workspace import read_text

SCOPE = "reporting"
DAYS = "core_app_costs_daily"


@dataclass(frozen=True)
class Month:
    """What a month is reported from: releases by scope, whether it is closed, and what is published of it."""

    period: date
    costs: Release
    adjustments: Release | None
    bills: Sequence[Release]
    identities: Release
    is_closed: bool
    before: Release | None

    def print_of(self, settings: Settings, rates: str) -> str:
        """Fingerprint of everything it is made of; ``rates`` is that of the table of rates."""
        one = settings.reporting
        return fingerprint(
            sorted((bill.scope, str(bill.batches)) for bill in self.bills),
            str(self.identities.batches),
            sorted(_pair_names(settings).items()),
            self.is_closed
            or [
                str(self.costs.batches),
                str(self.adjustments.batches) if self.adjustments else "",
                [one.currency, one.by, one.hold_days, rates] if one else [],
            ],
        )


def reported_months(warehouse: Warehouse, settings: Settings) -> tuple[dict[date, str], dict[date, str]]:
    """Month -> fingerprint of what it is reported from: of all months with costs, and of those not reported as they are."""
    rates = rates_sha256(settings)
    prints = {one.period: one.print_of(settings, rates) for one in _months(warehouse)}
    before = {one.period: one.before for one in _months(warehouse)}
    return prints, {
        month: print_
        for month, print_ in prints.items()
        if (release := before[month]) is None or release.sha256 != print_
    }


def compute_reporting(
    warehouse: Warehouse, settings: Settings, months: Sequence[date] | None = None
) -> Outcome:
    """Publishes rates, lines, bridge and unused commitments of each month whose inputs changed.

    A table of rates that cannot be read leaves what is reported in its currency as it was, and is said as refused.
    """
    with lease(settings.root, SCOPE, LEASE_WAIT_SECONDS):
        table = RateTable()
        refused: tuple[str, ...] = ()
        try:
            table = rate_table(settings)
        except ConfigurationError as error:
            refused = (str(error),)
        rates = rates_sha256(settings)
        found = [one for one in _months(warehouse) if months is None or one.period in months]
        published, notes = [], []
        for one in found:
            print_ = one.print_of(settings, rates)
            if one.before is not None and one.before.sha256 == print_:
                continue
            release, said = _publish(warehouse, settings, one, None if refused else table, print_)
            published.append(release)
            notes += said
        collect(warehouse, published)
    return Outcome(tuple(published), len(found) - len(published), tuple(notes), refused)


def rate_table(settings: Settings) -> RateTable:
    """The table of rates of a workspace; empty without a reporting currency.

    Raises:
        ConfigurationError: it cannot be read, or has a mistake.
    """
    path = settings.reporting.rates if settings.reporting else None
    return parse_rates(read_text(path, path.name), path.name) if path else RateTable()


def rates_sha256(settings: Settings) -> str:
    """sha256 of the table of rates as it is; empty where there is none or it cannot be read."""
    path = settings.reporting.rates if settings.reporting else None
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() if path else ""
    except OSError:
        return ""


def unreported(warehouse: Warehouse, settings: Settings, period: date) -> str:
    """Why a month has no lines in the reporting currency as they are now; empty where it has."""
    known, stale = reported_months(warehouse, settings)
    if period in stale or period not in known:
        return f"{period:%Y-%m} is not reported from its costs and rates as they are now: `appfleet run`"
    assert settings.reporting
    release = head(warehouse, SCOPE, period)
    rates = warehouse.frame(
        "queries/reporting/rates_of", batch_id=release.batches.get(RATES, NO_BATCH) if release else NO_BATCH
    )
    return missing_sentence(rates, period, settings.reporting.rates.name)


def _months(warehouse: Warehouse) -> list[Month]:
    released = heads_by_scope(warehouse)
    identities = next((one for one in released.get("identities", ()) if one.period == WHOLE_TABLE), None)
    if identities is None:
        return []
    closed = closed_months(warehouse)
    adjusted = {one.period: one for one in released.get(ADJUSTMENTS_SCOPE, ())}
    before = {one.period: one for one in released.get(SCOPE, ())}
    bills: dict[date, list[Release]] = {}
    for scope, ones in released.items():
        for bill in ones if scope.startswith("billing/") else ():
            bills.setdefault(bill.period, []).append(bill)
    return [
        Month(
            one.period,
            one,
            adjusted.get(one.period),
            bills.get(one.period, []),
            identities,
            one.period in closed,
            before.get(one.period),
        )
        for one in sorted(released.get("costs", ()), key=lambda release: release.period)
        if OWN_LINES in one.batches and DAYS in one.batches
    ]


def _publish(
    warehouse: Warehouse, settings: Settings, one: Month, table: RateTable | None, print_: str
) -> tuple[Release, list[str]]:
    frames: dict[str, pl.DataFrame] = _commitments(warehouse, settings, one)
    notes: list[str] = []
    kept = _kept(one, table is None)
    if not kept:
        assert table is not None
        converted, notes = _converted(warehouse, settings, one, table)
        frames |= converted
    batches = {**kept, **{name: new_batch_id() for name in frames}}
    for name, frame in frames.items():
        insert(warehouse, name, frame, batches[name])
    rows = sum(frame.height for frame in frames.values())
    for name, batch in kept.items():
        held = warehouse.frame("queries/ledger/computed_rows", computed=name, batch_id=batch)
        rows += int(held["rows"][0])
    release = publish(
        warehouse,
        SCOPE,
        one.period,
        batches=batches,
        rows=rows,
        # a table that could not be read is looked at again
        sha256="" if table is None else print_,
        version=one.costs.version,
    )
    return release, notes


def _kept(one: Month, is_unreadable: bool) -> dict[str, UUID]:
    """Batches of rates and lines that stay: of a closed month, and while the table cannot be read."""
    if not (one.is_closed or is_unreadable):
        return {}
    before = one.before.batches if one.before else {}
    return {name: before.get(name, NO_BATCH) for name in (RATES, LINES)}


def _converted(
    warehouse: Warehouse, settings: Settings, one: Month, table: RateTable
) -> tuple[dict[str, pl.DataFrame], list[str]]:
    """Rates and lines of an open month, and why it has none."""
    asked = settings.reporting
    if asked is None:
        return {name: pl.DataFrame(schema=SCHEMAS[name]) for name in (RATES, LINES)}, []
    own = own_lines(warehouse, one.period)
    adjusting = warehouse.frame(
        "queries/closing/adjustments",
        statement_period=one.period,
        batch_id=one.adjustments.batches[ADJUSTMENTS] if one.adjustments else NO_BATCH,
    )
    days = warehouse.frame(
        "queries/reporting/line_days", billing_period=one.period, batch_id=one.costs.batches[DAYS]
    )
    split = line_days(own, adjusting.filter(pl.col("cost_type") == ADJUSTMENT), days, one.period)
    rates = needed_rates(split, one.period, asked.currency, asked.by, asked.hold_days, table)
    said = missing_sentence(rates, one.period, asked.rates.name)
    lines = [*own["line"].to_list(), *adjusting["line"].to_list()]
    try:
        converted = reporting_lines(split, lines, rates, one.period, asked.currency, currencies())
    except ModelError as error:
        return {RATES: rates, LINES: pl.DataFrame(schema=SCHEMAS[LINES])}, [f"{one.period:%Y-%m}: {error}"]
    return {RATES: rates, LINES: converted}, [said] if said else []


def _commitments(warehouse: Warehouse, settings: Settings, one: Month) -> dict[str, pl.DataFrame]:
    costs = warehouse.frame(
        "queries/reporting/commitments",
        billing_period=one.period,
        sources=[bill.scope.removeprefix("billing/") for bill in one.bills],
        batches=[bill.batches[BILL] for bill in one.bills],
        identities_batch=one.identities.batches[IDENTITIES],
    )
    return {
        BRIDGE: bridges(costs, one.period, _pair_names(settings)),
        UNUSED_TABLE: unused_commitments(costs.filter(pl.col("is_commitment")), one.period),
    }


def _pair_names(settings: Settings) -> Mapping[str, str]:
    """Sources that are two views of one bill -> what both are called."""
    names: dict[str, str] = {}
    for source in settings.billing:
        others: list[BillingSource] = pairs_of(source, settings.billing)
        if others:
            names[source.name] = " + ".join(sorted([source.name, *(one.name for one in others)]))
    return names
