"""Deliveries that wait for a person: what waits, and what a decision does. Accepting publishes what is loaded already.

Every step can be killed: a decision is a line of the ledger, and whoever runs next does what it says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

from models.errors import ConfigurationError, ControlTotalError
from models.settings import Settings
from pipelines.ingest.billing.ledger import Hold, Ledger, MonthTotals, holds
from pipelines.ingest.billing.outcome import exact_sum
from pipelines.ingest.billing.plan import fingerprint
from sql.leases import lease
from sql.publish import IN_THE_BACKGROUND, may_be_removed, new_batch_id, publish
from sql.warehouse import Warehouse

TABLE = "raw_focus_costs"
PUBLISHING = "billing"
"""Lease under which charges are compared with those of all sources and published: two ingests never miss each other."""

AT_STAKE = {"BilledCost": "billed", "EffectiveCost": "effective"}
"""What is said of the money at stake: the first of these costs that there is, as a view of a bill may have one alone."""


def waiting(warehouse: Warehouse) -> list[Hold]:
    """Deliveries that wait for a person, by source and month."""
    found = [line for line in holds(warehouse) if line.is_latest and line.state == "held"]
    return sorted(found, key=lambda line: (line.source, line.period))


def decided(warehouse: Warehouse) -> list[Hold]:
    """Decisions that were taken, newest first."""
    return [line for line in holds(warehouse) if line.state in ("accepted", "rejected")]


def at_stake(line: Hold) -> str:
    """The money of a delivery that waits, beside what is published meanwhile."""
    by_metric = {
        metric: {key for key in {*line.sums, *line.published_sums} if key.endswith(f"/{metric}")}
        for metric in AT_STAKE
    }
    metric = next(
        (
            one
            for one, keys in by_metric.items()
            if any(amount for key in keys for amount in _money(line, key))
        ),
        "BilledCost",
    )
    return (
        ", ".join(
            f"{key.partition('/')[0]} {would:,.2f} {AT_STAKE[metric]} would count, {published:,.2f} is published"
            for key in sorted(by_metric[metric])
            for would, published in [_money(line, key)]
        )
        or "no money would count"
    )


def _money(line: Hold, key: str) -> tuple[Decimal, Decimal]:
    """What would count and what is published of a currency's cost."""
    return line.sums.get(key, Decimal(0)), line.published_sums.get(key, Decimal(0))


def held_sentence(line: Hold) -> str:
    """What is said of a delivery that waits, by every pass until somebody decides."""
    return f"{line.id}: {line.reason}; {at_stake(line)}; `appfleet deliveries` decides"


def accept(
    warehouse: Warehouse, settings: Settings, name: str, by: str, why: str, newest_only: bool = False
) -> Hold:
    """Publishes a delivery that waits, from the rows that are loaded already; a second time it changes nothing.

    With ``newest_only``, of objects that share charges the newer one counts alone.

    Raises:
        ConfigurationError: nothing of this name waits.
        ControlTotalError: the loaded rows are not what was counted from the bytes any more.
        LeaseHeld: the source is ingested now.
    """
    source = _named(warehouse, name).source
    ledger = Ledger(warehouse, source)
    with lease(settings.root, ledger.scope, wait_seconds=60.0), lease(settings.root, PUBLISHING, 60.0):
        line = _named(warehouse, name)
        if line.state != "held":
            return line
        objects = ledger.held_objects(line.batch_id, line.period)
        kept = set(line.newest_sha256s if newest_only else line.object_sha256s)
        chosen = [one for one in objects if one.sha256 in kept]
        batch_id = line.batch_id
        if len(chosen) < len(objects):
            batch_id = new_batch_id()
            warehouse.execute(
                "statements/copy_billing_batch",
                source_name=source,
                period=line.period,
                from_batch=line.batch_id,
                batch_id=batch_id,
                object_names=[one.item.name for one in chosen],
            )
        totals = added(one.totals for one in chosen if one.totals)
        found = added(month.totals for month in ledger.batch(batch_id, [line.period], {}, 1).values())
        wrong = difference(totals, found)
        if wrong or {one.sha256 for one in chosen} != kept:
            raise ControlTotalError(
                f"{line.id}: {wrong or 'its ledger lines are gone'}; nothing was published: run `appfleet run --only billing`"
            )
        done = replace(
            line,
            state="accepted",
            batch_id=batch_id,
            kept_sha256s=tuple(sorted(kept)),
            decided_by=by,
            why=why,
            recorded_at=datetime.now(UTC),
        )
        ledger.hold(done)
        said = f"accepted by {by}" + (f": {why}" if why else "")
        ledger.record(replace(one, state="loaded", reason=said, batch_id=batch_id) for one in chosen)
        publish(
            warehouse,
            ledger.scope,
            line.period,
            batches={TABLE: batch_id},
            rows=totals.rows,
            sha256=fingerprint(line.period, kept),
            version=line.version,
            sums=totals.sums,
            residues=totals.residues,
        )
        collect(warehouse, source, [line.period])
        return done


def reject(warehouse: Warehouse, settings: Settings, name: str, by: str, why: str) -> Hold:
    """Keeps what is published for good, until the content of the delivery changes; a second time it changes nothing.

    Raises:
        ConfigurationError: nothing of this name waits.
        LeaseHeld: the source is ingested now.
    """
    source = _named(warehouse, name).source
    ledger = Ledger(warehouse, source)
    with lease(settings.root, ledger.scope, wait_seconds=60.0):
        line = _named(warehouse, name)
        if line.state != "held":
            return line
        done = replace(line, state="rejected", decided_by=by, why=why, recorded_at=datetime.now(UTC))
        ledger.hold(done)
        collect(warehouse, source, [line.period])
        return done


def collect(warehouse: Warehouse, source_name: str, periods: Collection[date]) -> None:
    """Removes rows of batches that no release of the last two and no waiting delivery names."""
    frame = warehouse.frame(
        "queries/ledger/billing_uncollected", source_name=source_name, periods=sorted(periods)
    )
    for row in frame.iter_rows(named=True):
        if not may_be_removed(UUID(row["batch_id"])):
            continue
        warehouse.execute(
            "statements/collect_billing",
            settings=IN_THE_BACKGROUND,
            source_name=source_name,
            period=row["period"],
            batch_id=row["batch_id"],
        )


def _named(warehouse: Warehouse, name: str) -> Hold:
    """The newest line on a delivery, by its id or the beginning of it (source and month)."""
    lines = [line for line in holds(warehouse) if line.is_latest]
    found = [line for line in lines if line.id == name or line.id.startswith(name.rstrip("/") + "/")]
    if len(found) == 1 and found[0].state != "lapsed":
        return found[0]
    ids = ", ".join(sorted(line.id for line in lines if line.state == "held")) or "nothing"
    raise ConfigurationError(f"{name}: no such delivery waits; waiting: {ids} (`appfleet deliveries list`)")


def added(parts: Iterable[MonthTotals]) -> MonthTotals:
    """Totals of several objects together, exact."""
    rows, sums, residues = 0, {}, {}  # type: int, dict[str, Decimal], dict[str, Decimal]
    for part in parts:
        rows += part.rows
        for total, of_part in ((sums, part.sums), (residues, part.residues)):
            for key, value in of_part.items():
                total[key] = exact_sum(total.get(key, Decimal(0)), value)
    return MonthTotals(rows, 0, sums, residues)


def difference(expected: MonthTotals, counted: MonthTotals) -> str:
    """How the table differs from the bytes, or an empty text."""
    if expected.rows != counted.rows:
        return f"the bytes hold {expected.rows} rows, the table {counted.rows}"
    for key in sorted({*expected.sums, *counted.sums}):
        left, right = expected.sums.get(key, Decimal(0)), counted.sums.get(key, Decimal(0))
        if left != right:
            return f"the bytes sum to {left:f} {key}, the table to {right:f}"
    return ""
