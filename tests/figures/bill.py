"""Rows of a published bill and its ledger beside the tables of ``rows``: two sources, three months, restated and failed
batches with other numbers, charges longer than a day, identities that change their app and some that have none."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from sql.publish import new_batch_id, publish
from sql.warehouse import Warehouse
from tests.figures.rows import DAYS, MONEY, MONTHS, SOURCES, Draw, Row, month_of

IDENTITIES = {
    1000 + number: {
        "Tags": {"app": f"app {number}"} if number % 3 else {},
        "ResourceId": f"arn:{number}" if number % 4 else None,
        "ResourceName": f"name {number}" if number % 5 else None,
        "SubAccountId": f"sub {number % 4}" if number % 4 else None,
        "BillingAccountId": f"account {number % 2}",
        "x_ResourceGroupName": f"group {number}" if number % 2 else None,
    }
    for number in range(0, 32, 2)
}
"""Identity by hash; the last one has no line in ``core_identities``."""

NOTHING_LEFT = ("azure", MONTHS[2])
"""A month that had rows and was restated to none."""

DAMAGED = ("aws", MONTHS[1])
"""A month whose release says a cent more than its rows hold."""

SHORT = timedelta(days=1)
MAP = pl.List(pl.Struct({"key": pl.String, "value": pl.String}))


@dataclass
class Bill:
    """Current rows, the batch and sums of each current release, and every line of the ledger and on what waits."""

    rows: list[Row] = field(default_factory=list)
    batches: dict[tuple[str, date], uuid.UUID] = field(default_factory=dict)
    sums: dict[tuple[str, date], dict[str, Decimal]] = field(default_factory=dict)
    published: dict[tuple[str, date], tuple[datetime, int]] = field(default_factory=dict)
    deliveries: list[Row] = field(default_factory=list)
    rejects: list[Row] = field(default_factory=list)
    holds: list[Row] = field(default_factory=list)
    releases: int = 0


def _charges(draw: Draw, source: str, month: date) -> list[Row]:
    rows = []
    for number in range(30):
        hash_ = draw.of(IDENTITIES)
        day = draw.of([one for one in DAYS if month_of(one) == month])
        start = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=draw.of((0, 0, 16, 23)))
        length = draw.of((timedelta(hours=1), SHORT, SHORT, timedelta(days=30)))
        service, publisher = draw.of((("Amazon", "Amazon Inc"), (None, "Microsoft"), ("Google", None)))
        rows.append(
            {
                "x_SourceName": source,
                "x_BillingPeriod": month,
                "x_IdentityHash": hash_,
                **IDENTITIES[hash_],
                "x_ObjectName": f"{source}/{month:%Y-%m}.csv",
                "BilledCost": draw.money(),
                "EffectiveCost": draw.money(),
                "ListCost": draw.money(),
                "ContractedCost": draw.money(),
                "BillingCurrency": draw.of(("EUR", "USD")),
                "BillingPeriodStart": datetime(month.year, month.month, 1, tzinfo=UTC),
                "BillingPeriodEnd": datetime(month.year, month.month + 1, 1, tzinfo=UTC),
                "ChargePeriodStart": start,
                "ChargePeriodEnd": start + length,
                "ChargeCategory": draw.of(("Usage", "Tax")),
                "ChargeClass": draw.of((None, "Correction")),
                "ChargeFrequency": (None, "Usage-Based", "Recurring", "One-Time")[number % 4],
                "ServiceName": draw.of(("Compute", "Storage")),
                "ServiceProviderName": service,
                "ProviderName": publisher,
            }
        )
    return rows


def publish_bill(warehouse: Warehouse, seed: int = 5) -> Bill:
    """Writes bills three times, replaced, failed and current, and the ledger's lines; returns what counts."""
    bill = Bill()
    for generation, draw in (
        ("replaced", Draw(seed + 1)),
        ("failed", Draw(seed + 2)),
        ("current", Draw(seed)),
    ):
        for source in SOURCES:
            for month in MONTHS:
                rows = _charges(draw, source, month)
                gone = generation == "current" and (source, month) == NOTHING_LEFT
                rows = [] if gone else rows
                batch = new_batch_id()
                _insert(warehouse, rows, batch)
                if generation != "failed":
                    _release(warehouse, bill, source, month, rows, batch)
                if generation == "current":
                    bill.rows += rows
                bill.deliveries += _lines(draw, source, month, batch, generation)
    _ledger(warehouse, bill)
    _holds(warehouse, bill)
    return bill


def sums_of(rows: list[Row]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for row in rows:
        for metric in ("BilledCost", "EffectiveCost", "ListCost"):
            key = f"{row['BillingCurrency']}/{metric}"
            sums[key] = sums.get(key, Decimal(0)) + row[metric]
    return sums


def _release(
    warehouse: Warehouse, bill: Bill, source: str, month: date, rows: list[Row], batch: uuid.UUID
) -> None:
    sums = sums_of(rows)
    if (source, month) == DAMAGED:
        sums["EUR/BilledCost"] += Decimal("0.01")
    release = publish(
        warehouse,
        f"billing/{source}",
        month,
        batches={"raw_focus_costs": batch},
        rows=len(rows),
        sha256=str(batch),
        version=datetime(2026, 3, 12, tzinfo=UTC),
        sums=sums,
    )
    bill.batches[source, month], bill.sums[source, month] = batch, sums
    bill.published[source, month] = release.published_at.replace(microsecond=0), release.seq
    bill.releases += 1


def _lines(draw: Draw, source: str, month: date, batch: uuid.UUID, generation: str) -> list[Row]:
    """Ledger lines of an attempt: loaded ones, one refused, one of telemetry; recorded later in later generations."""
    base = datetime(2026, 3, {"replaced": 1, "failed": 2, "current": 3}[generation], tzinfo=UTC)
    lines = []
    for number, (kind, state) in enumerate(
        (
            ("billing", "loaded"),
            ("billing", "loaded"),
            ("billing", "refused"),
            ("telemetry", "loaded"),
            ("telemetry", "refused"),
        )
    ):
        lines.append(
            {
                "kind": kind,
                "source_name": source,
                "object_name": f"{month:%Y-%m}/{number}.csv",
                "object_sha256": f"{draw.chance.getrandbits(64):064x}",
                "modified_at": base + timedelta(seconds=draw.chance.randrange(9_000)),
                "period": month,
                "batch_id": str(batch),
                "rows": draw.number(900),
                "rejected": draw.number(9),
                # what was refused at first and loaded in the end is no refusal, and the other way round
                "state": {"loaded": "refused", "refused": "loaded"}[state]
                if generation == "replaced" and number % 2
                else state,
                "reason": f"because {draw.number(999)}",
                "recorded_at": base + timedelta(seconds=draw.chance.randrange(10_000, 20_000)),
            }
        )
    return lines


def _ledger(warehouse: Warehouse, bill: Bill) -> None:
    warehouse.insert("raw_deliveries", pl.DataFrame(bill.deliveries, infer_schema_length=None))
    draw = Draw(11)
    for number in range(40):
        bill.rejects.append(
            {
                "kind": draw.of(("billing", "telemetry")),
                "source_name": draw.of(SOURCES),
                "object_name": f"object {number % 7}",
                "object_sha256": f"{number:064x}",
                "position": 40 - number,
                "reason": draw.of(("time out of range", "unreadable message")),
                "detail": f"detail {number}",
                "first_bytes": "{",
                "rejected_at": datetime(2026, 3, 1, number % 24, tzinfo=UTC),
            }
        )
    for later in range(2):  # set aside twice, once each
        again = [{**one, "rejected_at": one["rejected_at"] + timedelta(days=later)} for one in bill.rejects]
        warehouse.insert("raw_rejects", pl.DataFrame(again))


def _holds(warehouse: Warehouse, bill: Bill) -> None:
    """Lines on deliveries that wait or waited, in no order: several of a month, decided ones before held ones and after,
    currencies on one side alone, months that had no money at all."""
    draw = Draw(17)
    for source in SOURCES:
        for month in MONTHS:
            for number in draw.chance.sample(range(100), 5):
                told, published = (
                    {
                        f"{currency}/{metric}": draw.money()
                        for currency in draw.chance.sample(("EUR", "USD", "CHF"), draw.chance.randrange(3))
                        for metric in ("BilledCost", "EffectiveCost")
                    }
                    for _ in range(2)
                )
                bill.holds.append(
                    {
                        "source_name": source,
                        "period": month,
                        "sha256": f"{number:064x}",
                        "state": draw.of(("held", "held", "held", "accepted", "rejected", "lapsed")),
                        "cause": draw.of(("overlap", "shrinks", "emptied")),
                        "reason": f"because {number}",
                        "rows": number,
                        "sums": told,
                        "published_sums": published,
                        "object_names": [f"{number}.csv", "b.csv"][: draw.chance.randrange(1, 3)],
                        "recorded_at": datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=number),
                    }
                )
    texts = [
        {
            **line,
            **{
                column: [{"key": key, "value": str(cost)} for key, cost in line[column].items()]
                for column in ("sums", "published_sums")
            },
        }
        for line in bill.holds
    ]
    amounts = dict.fromkeys(("sums", "published_sums"), MAP)
    frame = pl.DataFrame(texts, schema_overrides={**amounts, "rows": pl.UInt64})
    warehouse.insert("raw_held_deliveries", frame.cast(dict.fromkeys(amounts, pl.Map(pl.String, pl.String))))


def _insert(warehouse: Warehouse, rows: list[Row], batch: uuid.UUID) -> None:
    if not rows:
        return
    tagged = [
        {**row, "Tags": [{"key": key, "value": value} for key, value in row["Tags"].items()]} for row in rows
    ]
    types: dict[str, Any] = {
        "Tags": MAP,
        "x_IdentityHash": pl.UInt64,
        **dict.fromkeys(("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"), MONEY),
    }
    frame = pl.DataFrame(tagged, schema_overrides=types, infer_schema_length=None)
    frame = frame.with_columns(
        pl.col("Tags").cast(pl.Map(pl.String, pl.String)), x_BatchId=pl.lit(str(batch))
    )
    warehouse.insert("raw_focus_costs", frame)
