"""What changed in closed months since they were closed: computed from the ledger, published as lines of the open month.

A provider's restatement is what its bill has now less what it had, charge by charge, attributed as when the month was
closed; a reclassification is what a person asked for. Credits for failures that a person accepted are beside them. What a
line says is decided by ``models.closing`` and ``models.credit_proposals``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import polars as pl

from models.chargeback import KEY, ROUNDING
from models.closing import (
    COSTS,
    LINE_KEY,
    RECLASSIFICATION,
    RESTATEMENT,
    Basis,
    adjustment_lines,
    changes,
    open_month,
    summed,
)
from models.credit_proposals import CREDIT, CreditDecision, changes_of_statements, month_of
from models.errors import ControlTotalError, ModelError
from models.focus import currencies
from models.money import exact_total
from models.schemas import MONEY, SCHEMAS
from models.settings import RULES_FILE
from pipelines.compute.publishing import fingerprint, insert
from pipelines.compute.shared_costs import (
    MONTHS_BEFORE,
    KeptRules,
    rules_of,
    split_as_kept,
    what_tells_charges_apart,
)
from pipelines.ingest.shared_rules import rules_text
from sql.closings import (
    Closing,
    Reclassification,
    batch_key,
    batches_of,
    batches_of_days,
    closed_lines,
    closed_months,
    day_key,
    reclassifications,
)
from sql.credits import booked_credits, credit_decisions
from sql.publish import NO_BATCH, WHOLE_TABLE, Release, head, heads, heads_by_scope, new_batch_id, publish
from sql.warehouse import Warehouse

SCOPE = "adjustments"
TABLE = "mart_statement_adjustments"
BILL = "raw_focus_costs"
IDENTITIES = "core_identities"
OWN_LINES = "mart_chargeback_lines"
COSTS_DAILY, APPS, USAGE = "core_app_costs_daily", "core_apps", "core_app_usage_hours"
"""Tables by whose batches shared cost is split again as it was: direct cost, the registry, and what telemetry measured."""
METRICS = {"billed_cost": "BilledCost", "effective_cost": "EffectiveCost"}
"""Column of a line -> metric of the published bill it must sum to."""
ORIGINAL = ("reference", "app_name", "owner")
"""What an adjustment takes from the closed line it adjusts."""
RECLASSIFIED = "reclassified"
"""Scope by which a closing names the identities a month was reclassified to."""


@dataclass(frozen=True)
class Pending:
    """Adjustments of closed months, and accepted credits, that no closed statement has yet.

    ``batches`` and ``releases`` are what adjustments were made of, as a closing that books them names it; ``lines`` are those
    of the open month, behind its own; ``others`` are credits on statements of other months that are open.
    """

    month: date | None = None
    lines: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=SCHEMAS[TABLE]))
    batches: Mapping[str, UUID] = field(default_factory=dict)
    releases: Mapping[str, int] = field(default_factory=dict)
    others: Mapping[date, pl.DataFrame] = field(default_factory=dict)

    @property
    def by_month(self) -> dict[date, pl.DataFrame]:
        """Lines of each month that may have any."""
        return {**self.others, **({self.month: self.lines} if self.month else {})}


def compute_adjustments(warehouse: Warehouse) -> list[Release]:
    """Publishes the adjustments of the open month where they are others than before; the caller holds the lease of costs.

    Raises:
        ControlTotalError: closed lines and adjustments of a month do not sum to its bill; the old figures stay.
    """
    found = pending(warehouse)
    wanted = found.by_month
    closed = closed_months(warehouse)
    for one in heads(warehouse, SCOPE):
        # a month that was open and is not the first any more has none: another one was reopened since
        if one.scope == SCOPE and one.period not in closed:
            wanted.setdefault(one.period, found.lines.clear())
    print_ = fingerprint(sorted((key, str(value)) for key, value in found.batches.items()))
    return [
        release
        for month, lines in sorted(wanted.items())
        if (release := _published(warehouse, month, lines, print_)) is not None
    ]


def _published(warehouse: Warehouse, month: date, lines: pl.DataFrame, print_: str) -> Release | None:
    """Publishes the adjustments of a month; None where they are those that are published."""
    before = head(warehouse, SCOPE, month)
    if before is None and lines.is_empty():
        return None
    if before is not None:
        said = warehouse.frame(
            "queries/closing/adjustments", statement_period=month, batch_id=before.batches[TABLE]
        )
        if said.equals(lines):
            return None
    batch = new_batch_id()
    insert(warehouse, TABLE, lines, batch)
    return publish(
        warehouse,
        SCOPE,
        month,
        batches={TABLE: batch},
        rows=lines.height,
        sha256=print_,
        version=datetime(1970, 1, 1, tzinfo=UTC),
    )


def pending(warehouse: Warehouse) -> Pending:
    """What is to be adjusted now, by the bills that are published and by what people asked for.

    Raises:
        ControlTotalError: closed lines and adjustments of a month do not sum to its bill.
    """
    closed = closed_months(warehouse)
    decided = credit_decisions(warehouse)
    if not closed and not decided:
        return Pending()
    released = heads_by_scope(warehouse)
    bills = _bills(released)
    month = open_month(closed, {one for ones in bills.values() for one in ones})
    credited = _credited(warehouse, closed, decided, month)
    asked = reclassifications(warehouse) if closed else []
    identities = [
        one.batches[IDENTITIES] for one in released.get("identities", ()) if one.period == WHOLE_TABLE
    ]
    batches: dict[str, UUID] = {}
    releases: dict[str, int] = {}
    changed: list[pl.DataFrame] = []
    originals: list[pl.DataFrame] = []
    for period in closed:
        now = {scope: months[period].batches[BILL] for scope, months in bills.items() if period in months}
        basis = basis_of(period, closed.values())
        wanted = [one for one in asked if one.billing_period == period and one.seq > basis.reclassified]
        if now == basis.bills and not wanted:
            continue
        booked = _booked(warehouse, closed, period)
        last = next(
            (one for one in asked if one.billing_period == period and one.seq == basis.reclassified), None
        )
        kept = kept_rules(period, last or closed[period])
        found = _changes_of(warehouse, period, basis, wanted, now, identities, booked, kept)
        _equals_bill(period, booked, found, [bills[scope][period] for scope in now])
        changed.append(found)
        originals.append(_originals(closed, booked))
        for scope, batch in now.items():
            batches[batch_key(scope, period, BILL)] = batch
            releases[f"{scope} {period:%Y-%m}"] = bills[scope][period].seq
        if wanted:
            batches[batch_key(RECLASSIFIED, period, IDENTITIES)] = wanted[-1].batches[
                batch_key("identities", period, IDENTITIES)
            ]
            releases[reclassification_key(period)] = wanted[-1].seq
        if identities:
            batches[batch_key("identities", period, IDENTITIES)] = identities[0]
    if month is not None and month in credited:
        changed.append(credited.pop(month))
    lines = _lines(warehouse, month, changed, originals) if month and changed else Pending().lines
    others = {one: _lines(warehouse, one, [found], []) for one, found in credited.items()}
    return Pending(month, lines, batches, releases, others)


def _lines(
    warehouse: Warehouse, month: date, changed: Sequence[pl.DataFrame], originals: Sequence[pl.DataFrame]
) -> pl.DataFrame:
    """Changes as lines of an open month, behind its own."""
    nothing = {**dict.fromkeys((*LINE_KEY, *ORIGINAL), pl.String), "billing_period": pl.Date}
    return adjustment_lines(
        month,
        own_lines(warehouse, month),
        pl.concat(frame.select("billing_period", "adjustment", "named", *KEY, *COSTS) for frame in changed),
        pl.concat([pl.DataFrame(schema=nothing), *originals]),
        _names(warehouse),
        currencies(),
    )


def _credited(
    warehouse: Warehouse,
    closed: Mapping[date, Closing],
    decided: Sequence[CreditDecision],
    open_to: date | None,
) -> dict[date, pl.DataFrame]:
    """Month -> what its statement takes of credits that were accepted or taken back."""
    if not decided:
        return {}
    found = changes_of_statements(decided, booked_credits(warehouse, closed.values()))
    by: dict[date, list[pl.DataFrame]] = {}
    for (of,), part in found.group_by("billing_period", maintain_order=True):
        assert isinstance(of, date)
        by.setdefault(month_of(of, closed, open_to), []).append(part)
    return {month: pl.concat(parts) for month, parts in by.items()}


def basis_of(period: date, closed: Iterable[Closing]) -> Basis:
    """What the lines booked for a provider's month were made of, by all closings that hold, its own first."""
    bills: dict[str, UUID] = {}
    identities: list[UUID] = []
    reclassified = 0
    for closing in sorted(closed, key=lambda one: (one.statement_period != period, one.statement_period)):
        if not _books(closing, period):
            continue
        bills = batches_of(closing.batches, "billing/", period)
        moved = batches_of(closing.batches, RECLASSIFIED, period)
        if moved:
            identities = list(moved.values())
        reclassified = closing.releases.get(reclassification_key(period), reclassified)
        for batch in batches_of(closing.batches, "identities", period).values():
            if batch not in identities:
                identities.append(batch)
    return Basis(bills, identities, reclassified)


def reclassification_key(period: date) -> str:
    """Key by which a closing names the last reclassification of a month that its lines have."""
    return f"reclassification {period:%Y-%m}"


def own_lines(warehouse: Warehouse, month: date) -> pl.DataFrame:
    """Lines of a month's own charges as they are published; none where it has no statement."""
    release = head(warehouse, "costs", month)
    batch = release.batches.get(OWN_LINES) if release else None
    return _lines_of(warehouse, month, batch or NO_BATCH)


def _lines_of(warehouse: Warehouse, month: date, batch: UUID) -> pl.DataFrame:
    return warehouse.frame("queries/chargeback/lines", billing_period=month, batch_id=batch, team="")


def _books(closing: Closing, period: date) -> bool:
    return closing.statement_period == period or bool(batches_of(closing.batches, "billing/", period))


def _bills(released: Mapping[str, Sequence[Release]]) -> dict[str, dict[date, Release]]:
    return {
        scope: {one.period: one for one in ones}
        for scope, ones in released.items()
        if scope.startswith("billing/")
    }


def _booked(warehouse: Warehouse, closed: Mapping[date, Closing], period: date) -> pl.DataFrame:
    """Closed lines of a provider's month, those of its own statement first."""
    lines = closed_lines(warehouse, [one for one in closed.values() if _books(one, period)])
    of_bill = (pl.col("cost_type") != ROUNDING) & (pl.col("adjustment") != CREDIT)
    return lines.filter((pl.col("billing_period") == period) & of_bill).sort(
        pl.col("statement_period") != period, "statement_period", "line"
    )


def _originals(closed: Mapping[date, Closing], booked: pl.DataFrame) -> pl.DataFrame:
    ids = {month: closing.statement_id for month, closing in closed.items()}
    return booked.select(
        *LINE_KEY,
        pl.format(
            "{}/{}",
            pl.col("statement_period").replace_strict(ids, return_dtype=pl.String),
            pl.col("line"),
        ).alias("reference"),
        *ORIGINAL[1:],
    )


def _changes_of(
    warehouse: Warehouse,
    period: date,
    basis: Basis,
    wanted: Sequence[Reclassification],
    now: Mapping[str, UUID],
    newest: Sequence[UUID],
    booked: pl.DataFrame,
    kept: KeptRules | None,
) -> pl.DataFrame:
    """``billing_period, adjustment``, ``KEY`` and costs: restatements up to each reclassification, what it moves, and what
    was restated since. Shared cost is split as it was when the month was closed, or reclassified last."""
    bills, identities = basis.bills, list(basis.identities)
    columns = [*KEY, *COSTS]
    state = booked.select(columns)
    parts: list[tuple[str, pl.DataFrame]] = []

    def restated(to: Mapping[str, UUID]) -> pl.DataFrame:
        charges: dict[str, Any] = {
            "billing_period": period,
            "before": sorted(set(bills.values()) - set(to.values()), key=str),
            "now": sorted(set(to.values()) - set(bills.values()), key=str),
            "identities": [*identities, *(one for one in newest if one not in identities)],
        }
        pools = kept.rules.apps if kept else ()
        frame = warehouse.frame("queries/closing/restated", **charges, pools=sorted(pools))
        direct = frame.select(*KEY, *(pl.col(name).cast(MONEY) for name in COSTS))
        return pl.concat([direct, _split_again(warehouse, period, kept, charges)]) if kept else direct

    for one in wanted:
        to = batches_of(one.batches, "billing/", period)
        parts.append((RESTATEMENT, restated(to)))
        state = summed(pl.concat([state, parts[-1][1]]))
        asked = _lines_of(warehouse, period, one.batches[batch_key("costs", period, OWN_LINES)])
        asked = asked.filter(pl.col("cost_type") != ROUNDING).select(columns)
        parts.append((RECLASSIFICATION, changes(state, asked)))
        state = asked
        bills, identities = to, [one.batches[batch_key("identities", period, IDENTITIES)]]
        kept = kept_rules(period, one)
    parts.append((RESTATEMENT, restated(now)))
    return pl.concat(
        frame.select(*columns, billing_period=pl.lit(period), adjustment=pl.lit(kind), named=pl.lit(""))
        for kind, frame in parts
    )


def kept_rules(period: date, decided: Closing | Reclassification) -> KeptRules | None:
    """What shared cost of a month was split by; None where no rule held, or a decision from before that was kept."""
    rules = rules_of(
        rules_text(decided.shared_rules, f"the rules of {period:%Y-%m} as it was closed"), period
    )
    own = decided.batches
    apps, costs = (
        own.get(batch_key(scope, period, table))
        for scope, table in (("registry", APPS), ("costs", COSTS_DAILY))
    )
    if not rules.lines or apps is None or costs is None:
        return None
    bills = {
        scope.removeprefix("billing/"): one for scope, one in batches_of(own, "billing/", period).items()
    }
    identities = own[batch_key("identities", period, IDENTITIES)]
    return KeptRules(rules, bills, identities, costs, apps, batches_of_days(own, "slices", USAGE))


def _split_again(
    warehouse: Warehouse, period: date, kept: KeptRules, charges: Mapping[str, Any]
) -> pl.DataFrame:
    """What restated charges add to, and take from, those whom the rules of then give to: ``KEY`` and costs.

    Raises:
        ControlTotalError: a rule of then has nothing to split by and says to refuse.
    """
    pools = warehouse.frame(
        "queries/closing/restated_pools", **charges, **what_tells_charges_apart(kept.rules)
    )
    parts = [pools.filter(~pl.col("is_now")), pools.filter("is_now")]
    try:
        before, after = split_as_kept(warehouse, kept, period, parts)
    except ModelError as error:
        raise ControlTotalError(
            f"what was restated of {period:%Y-%m} cannot be split by the rules it was closed by: {error}; `appfleet reclassify` "
            "charges the month by the rules of now"
        ) from None
    return changes(before, after)


def batches_of_rules(
    warehouse: Warehouse, rules_as_written: str, period: date, costs: Release
) -> tuple[dict[str, UUID], dict[str, int]]:
    """What a decision on a month names so that its shared cost can be split again as it was: batches, and their releases.
    Nothing where no rule holds in the month."""
    rules = rules_of(rules_text(rules_as_written, RULES_FILE), period)
    if not rules.lines:
        return {}, {}
    batches = {batch_key("costs", period, COSTS_DAILY): costs.batches[COSTS_DAILY]}
    releases: dict[str, int] = {}
    registry = head(warehouse, "registry", WHOLE_TABLE)
    batches[batch_key("registry", period, APPS)] = registry.batches[APPS] if registry else NO_BATCH
    if registry:
        releases[f"registry {period:%Y-%m}"] = registry.seq
    first, last = period - MONTHS_BEFORE, period + MONTHS_BEFORE
    for one in heads(warehouse, "slices") if rules.measures else ():
        if first <= one.period <= last and USAGE in one.batches:
            batches[day_key("slices", one.period, USAGE)] = one.batches[USAGE]
    return batches, releases


def _equals_bill(
    period: date, booked: pl.DataFrame, found: pl.DataFrame, releases: Sequence[Release]
) -> None:
    """Closed lines and adjustments of a provider's month sum to its bill, per source, currency and metric."""
    both = pl.concat([frame.select("source_name", "billing_currency", *COSTS) for frame in (booked, found)])
    told = {
        (source, f"{currency}/{METRICS[column]}"): exact_total(part[column])
        for (source, currency), part in both.group_by("source_name", "billing_currency")
        for column in COSTS
    }
    billed = {
        (release.scope.removeprefix("billing/"), key): amount
        for release in releases
        for key, amount in release.sums.items()
        if key.partition("/")[2] in METRICS.values()
    }
    for place in sorted({*told, *billed}):
        if told.get(place, Decimal(0)) != billed.get(place, Decimal(0)):
            raise ControlTotalError(
                f"{place[0]} {period:%Y-%m}: closed lines and adjustments have {told.get(place, Decimal(0)):f} {place[1]}, "
                f"the bill {billed.get(place, Decimal(0)):f}: nothing was adjusted, run `appfleet doctor`"
            )


def _names(warehouse: Warehouse) -> pl.DataFrame:
    """``app_id, app_name`` of apps and ``team, owner`` of teams, as the registry has them now."""
    apps = warehouse.frame("queries/identities/apps").select("app_id", "app_name")
    teams = warehouse.frame("queries/identities/teams").select("team", owner="lead")
    return pl.concat([apps, teams], how="diagonal")
