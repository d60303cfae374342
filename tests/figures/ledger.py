"""Rows of the ledger in which everything occurs beside everything: sources whose names begin alike, objects and contents that
come back, lines in no order of time, releases in no order of their numbers. Rows stay plain Python, for independent counts."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from sql.warehouse import Warehouse
from tests.figures.rows import MONEY, MONTHS, Draw, Row
from tests.figures.signals import texts

SOURCES = ("aws", "azure", "aws-eu")
NO_MONTH = date(1970, 1, 1)
PERIODS = (*MONTHS, NO_MONTH)
BATCHES = tuple(uuid.UUID(int=number) for number in range(1, 7))
NAMELESS = tuple(uuid.UUID(int=number) for number in (50, 51))
"""Batches that rows are of, and no release and no line."""
NAMED_ONCE = tuple(uuid.UUID(int=number) for number in (60, 61, 62))
OBJECTS = ("a.csv", "b.csv", "c.csv")
CONTENTS = ("1", "2", "3", "4")
RULES = ("rules 1", "rules 2")
STATES = (
    "loaded",
    "refused",
    "superseded",
    "unchanged",
    "vanished",
    "replaced",
    "held",
    "rejected",
    "profiled",
)
MARCH = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass
class Ledger:
    """Every row by table."""

    heads: list[Row] = field(default_factory=list)
    deliveries: list[Row] = field(default_factory=list)
    charges: list[Row] = field(default_factory=list)
    overlaps: list[Row] = field(default_factory=list)
    holds: list[Row] = field(default_factory=list)
    rejects: list[Row] = field(default_factory=list)
    repairs: list[Row] = field(default_factory=list)
    costs: list[Row] = field(default_factory=list)

    def current(self, source: str, period: date) -> uuid.UUID | None:
        """The batch whose rows are published of a month."""
        own = [row for row in self.heads if (row["scope"], row["period"]) == (f"billing/{source}", period)]
        newest = max(own, key=place_of, default=None)
        return newest["batches"].get("raw_focus_costs") if newest else None


def place_of(head: Row) -> tuple[int, int]:
    """What the current release of a scope and period has the highest of."""
    return head["fence"], head["seq"]


def amounts(*key: Any) -> dict[str, Decimal]:
    """Amounts that are the same whenever the same is asked for."""
    chance = random.Random(repr(key))
    return {
        f"{currency}/BilledCost": Decimal(chance.randrange(-999, 9_999)).scaleb(-chance.choice((0, 2, 18)))
        for currency in ("EUR", "USD")[: chance.choice((1, 2))]
    }


def _heads(draw: Draw) -> list[Row]:
    rows = []
    for scope in (*(f"billing/{source}" for source in SOURCES), "costs", "registry"):
        for period in PERIODS[: draw.of((3, 4))]:
            for seq in range(1, draw.of((2, 4, 5))):
                batches = {"raw_focus_costs": draw.of(BATCHES), "other": uuid.uuid4()}
                rows.append(
                    {
                        "scope": scope,
                        "period": period,
                        "fence": draw.of((0, 0, 3, 7)),  # a late one may come under a lease that is over
                        "seq": seq,
                        "batches": batches if draw.chance.random() < 0.9 else {"other": uuid.uuid4()},
                        "rows": draw.number(900),
                        "sums": amounts(scope, period, seq),
                        "residues": amounts("residues", scope, period, seq),
                        "sha256": f"{draw.number(999)}",
                        "version": MARCH + timedelta(hours=draw.number(900)),
                        "published_at": MARCH + timedelta(minutes=draw.number(900)),
                    }
                )
    draw.chance.shuffle(rows)
    return rows


def _deliveries(draw: Draw) -> list[Row]:
    rows = []
    for number in draw.chance.sample(range(900), 700):
        kind, source, period = (
            draw.of(("billing", "billing", "telemetry")),
            draw.of(SOURCES),
            draw.of(PERIODS),
        )
        state, content, batch = (
            draw.of((*STATES, "loaded", "held", "profiled")),
            draw.of(CONTENTS),
            draw.of(BATCHES),
        )
        signal = "costs" if kind == "billing" else draw.of(("traces", "logs"))
        rows.append(
            {
                "kind": kind,
                "source_name": source,
                "object_name": draw.of(OBJECTS),
                "object_sha256": content,
                "object_bytes": draw.of((10, 20)) if kind == "telemetry" else number,
                "modified_at": MARCH + timedelta(hours=draw.of((1, 2)) if kind == "telemetry" else number),
                "signal": signal,
                "period": period,
                "batch_id": batch,
                "rows": draw.number(900, 0.3),
                "sums": amounts(content, period, state),
                "residues": amounts("residues", content, period, state),
                "rejected": draw.number(9),
                "content_bytes": draw.of((0, 100, 4_096, 5_000)),
                "content_sha256": f"content {draw.number(2)}",
                "content_head": f"head {draw.number(2)}",
                "waiting_bytes": draw.of((0, 0, 7)),
                "ignored_columns": [f"column {content}"],
                "state": state,
                "reason": draw.of(RULES) if state == "profiled" else f"{content} {signal} {state}",
                "recorded_at": MARCH + timedelta(seconds=number),
            }
        )
    return rows


def _charges(draw: Draw) -> list[Row]:
    rows = []
    for source in SOURCES:
        for period in MONTHS:
            for content in CONTENTS:
                for rules in RULES:
                    if draw.chance.random() < 0.8:
                        key = (source, period, content, rules)
                        row = {
                            "source_name": source,
                            "period": period,
                            "object_sha256": content,
                            "rules": rules,
                            "rows": draw.number(900),
                            "row_hash_sum": draw.chance.getrandbits(64),
                            "gross": {name.partition("/")[0]: cost for name, cost in amounts(*key).items()},
                            "sketch": sorted(draw.chance.sample(range(1, 40), draw.of((1, 3, 12)))),
                        }
                        rows += [row] * draw.of((1, 1, 2))
    return rows


def _overlaps(draw: Draw) -> list[Row]:
    return [
        {
            "source_name": draw.of(SOURCES),
            "period": draw.of(MONTHS),
            "object_sha256": draw.of(CONTENTS),
            "other_object_sha256": draw.of(CONTENTS),
            "found": number,
        }
        for number in range(60)
    ]


def _holds(draw: Draw) -> list[Row]:
    rows = []
    for number in draw.chance.sample(range(100), 40):
        source, period = draw.of(SOURCES), draw.of(MONTHS)
        rows.append(
            {
                "source_name": source,
                "period": period,
                "sha256": f"{number:064x}",
                "state": draw.of(("held", "accepted", "rejected", "lapsed")),
                "cause": draw.of(("overlap", "shrinks")),
                "reason": f"because {number}",
                # of a batch that is read already, or of one that nobody reads yet
                "batch_id": draw.of((*BATCHES, uuid.UUID(int=1_000 + number), uuid.UUID(int=2_000 + number))),
                "rows": number,
                "sums": amounts(number),
                "residues": amounts("residues", number),
                "published_sums": amounts("published", number),
                "version": MARCH + timedelta(hours=number),
                **{
                    name: [f"{name} {number}", "x"][: draw.of((1, 2))]
                    for name in (
                        "object_names",
                        "object_sha256s",
                        "new_sha256s",
                        "newest_sha256s",
                        "kept_sha256s",
                    )
                },
                "decided_by": f"by {number}",
                "why": f"why {number}",
                "recorded_at": MARCH + timedelta(minutes=number),
            }
        )
    return rows


def _rejects(draw: Draw) -> list[Row]:
    return [
        {
            "kind": draw.of(("billing", "billing", "telemetry")),
            "source_name": draw.of(SOURCES),
            "object_name": draw.of(OBJECTS),
            "object_sha256": draw.of(CONTENTS),
            "position": number % 12,
            "reason": draw.of(("bad", "late")),
            "detail": f"detail {draw.number(3)}",
        }
        for number in range(300)
    ]


def _repairs(draw: Draw) -> list[Row]:
    rows = []
    for number in range(240):
        kind = draw.of(("billing", "billing", "telemetry"))
        billed = {
            f"{currency}/BilledCost": Decimal(draw.number(900, 0))
            for currency in ("EUR", "USD")[: draw.of((1, 2))]
        }
        rows.append(
            {
                "kind": kind,
                "source_name": draw.of(SOURCES),
                "object_name": draw.of(OBJECTS),
                "object_sha256": draw.of(CONTENTS),
                "period": draw.of(PERIODS),
                "subject": draw.of(("Tags", "row")),
                "reason": draw.of(("left empty", "guessed")),
                "records": number,
                "amounts": {**billed, "EUR/EffectiveCost": Decimal(7)} if kind == "billing" else {},
                "example": f"example {draw.number(99)}",
                "recorded_at": MARCH + timedelta(seconds=draw.chance.randrange(10**6)),
            }
        )
    return rows


def _costs(draw: Draw) -> list[Row]:
    rows = []
    for _ in range(1_100):
        period = draw.of(MONTHS)
        start = datetime(period.year, period.month, draw.of((1, 2, 3, 27, 28)), draw.of((0, 23)), tzinfo=UTC)
        rows.append(
            {
                "x_SourceName": draw.of(SOURCES),
                "x_BillingPeriod": period,
                "x_BatchId": draw.of(BATCHES if draw.chance.random() < 0.95 else NAMELESS),
                "x_ObjectName": draw.of(OBJECTS),
                "BillingCurrency": draw.of(("EUR", "USD")),
                "BilledCost": draw.money(),
                "EffectiveCost": draw.money(),
                "ListCost": draw.of((None, draw.money())),
                "ContractedCost": draw.of((None, draw.money())),
                "ConsumedQuantity": draw.of((None, draw.money())),
                "PricingQuantity": draw.of((None, draw.money())),
                "ChargePeriodStart": start,
                "x_ChargeHash": draw.chance.randrange(1, 40)
                if draw.chance.random() < 0.7
                else draw.chance.getrandbits(63),
                "x_Repairs": [
                    {
                        "subject": draw.of(("Tags", "ListCost")),
                        "reason": draw.of(("guessed", "left empty")),
                        "delivered": f"cell {draw.number(99)}",
                    }
                    for _ in range(draw.of((0, 0, 0, 1, 2)))
                ],
            }
        )
    return rows


def _add_named_once(ledger: Ledger) -> None:
    """Batches that one thing alone names, each with a row: a release, a hold, and what was loaded."""
    head, hold, line, row = ledger.heads[0], ledger.holds[0], ledger.deliveries[0], ledger.costs[0]
    released, held, loaded = NAMED_ONCE
    ledger.heads.append(
        {**head, "scope": "billing/once", "fence": 0, "seq": 1, "batches": {"raw_focus_costs": released}}
    )
    ledger.holds.append({**hold, "source_name": "once", "batch_id": held})
    once = {"kind": "telemetry", "source_name": "once", "state": "loaded", "batch_id": loaded}
    ledger.deliveries.append({**line, **once})
    ledger.costs += [{**row, "x_SourceName": "once", "x_BatchId": batch} for batch in NAMED_ONCE]


def record(warehouse: Warehouse, seed: int = 29) -> Ledger:
    """Writes the ledger and rows of bills; returns what was written."""
    draw = Draw(seed)
    ledger = Ledger(
        _heads(draw),
        _deliveries(draw),
        _charges(draw),
        _overlaps(draw),
        _holds(draw),
        _rejects(draw),
        _repairs(draw),
        _costs(draw),
    )
    _add_named_once(ledger)
    for head in ledger.heads:
        moments = {name: f"{head[name]:%Y-%m-%d %H:%M:%S}" for name in ("version", "published_at")}
        warehouse.execute("statements/publish", **{**head, **moments})
    _insert(warehouse, "raw_deliveries", ledger.deliveries, "sums", "residues")
    _insert(warehouse, "raw_object_charges", ledger.charges, "gross")
    for _ in range(2):  # what was found twice is there twice until it is merged
        _insert(warehouse, "raw_object_overlaps", ledger.overlaps)
    _insert(warehouse, "raw_held_deliveries", ledger.holds, "sums", "residues", "published_sums")
    _insert(warehouse, "raw_rejects", ledger.rejects)
    _insert(warehouse, "raw_repairs", ledger.repairs, "amounts")
    _insert(warehouse, "raw_focus_costs", ledger.costs)
    return ledger


def _insert(warehouse: Warehouse, table: str, rows: list[Row], *maps: str) -> None:
    money = (
        "BilledCost",
        "EffectiveCost",
        "ListCost",
        "ContractedCost",
        "ConsumedQuantity",
        "PricingQuantity",
    )
    hashes = ("x_ChargeHash", "row_hash_sum")
    types: dict[str, Any] = {
        **{name: MONEY for name in money if name in rows[0]},
        **{name: pl.UInt64 for name in hashes if name in rows[0]},
        **({"sketch": pl.List(pl.UInt64)} if "sketch" in rows[0] else {}),
    }
    plain = [
        {
            name: str(cell) if isinstance(cell, uuid.UUID) else cell
            for name, cell in row.items()
            if name not in maps
        }
        for row in rows
    ]
    frame = pl.DataFrame(plain, schema_overrides=types, infer_schema_length=None)
    held = {
        name: texts([{key: f"{cost:f}" for key, cost in row[name].items()} for row in rows]) for name in maps
    }
    warehouse.insert(table, frame.with_columns(**held))
