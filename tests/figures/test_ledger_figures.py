"""What is read from the ledger, cell by cell against an independent count in plain Python."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal, localcontext
from typing import Any

import polars as pl
import pytest

from sql.catalog import statements
from sql.warehouse import Warehouse
from tests.figures.counted import groups, total
from tests.figures.ledger import (
    BATCHES,
    CONTENTS,
    NO_MONTH,
    OBJECTS,
    PERIODS,
    RULES,
    SOURCES,
    Ledger,
    place_of,
    record,
)
from tests.figures.rows import MONTHS, Row
from tests.figures.test_figures import differing

Answer = list[tuple[Any, ...]]
Count = Callable[..., Answer]
COUNTS: dict[str, Count] = {}
CASES: dict[str, list[dict[str, Any]]] = {}
"""Query -> the parameters it is asked with."""


def query(name: str, *cases: dict[str, Any]) -> Callable[[Count], Count]:
    def add(function: Count) -> Count:
        COUNTS[name], CASES[name] = function, list(cases)
        return function

    return add


def of(rows: Iterable[Row], **equal: Any) -> list[Row]:
    return [row for row in rows if all(row[key] == value for key, value in equal.items())]


def text(amount: Decimal) -> str:
    """An amount as the engine writes it: no zeros at the end."""
    with localcontext(prec=120):
        return format(amount.normalize(), "f") if amount else "0"


def texts(amounts: dict[str, Decimal]) -> dict[str, str]:
    return {key: text(amount) for key, amount in amounts.items()}


def newest(rows: Iterable[Row]) -> Row:
    return max(rows, key=lambda row: row["recorded_at"])


EACH_SOURCE = [{"source_name": source} for source in (*SOURCES, "nobody")]
EACH_MONTH = [{"source_name": source, "period": month} for source in SOURCES for month in MONTHS]
BILLS = [
    {"source_name": source, "batch_id": batch, "periods": periods}
    for source in SOURCES[:2]
    for batch in BATCHES[:2]
    for periods in (MONTHS, MONTHS[1:2])
]


@query("ledger/heads", *({"scope_prefix": prefix} for prefix in ("", "billing/", "billing/aws", "cost", "x")))
def heads(ledger: Ledger, scope_prefix: str) -> Answer:
    out = []
    for (scope, period), own in sorted(groups(ledger.heads, "scope", "period").items()):
        if scope.startswith(scope_prefix):
            last = max(own, key=place_of)
            out.append(
                (
                    scope,
                    period,
                    last["fence"],
                    last["seq"],
                    {table: str(batch) for table, batch in last["batches"].items()},
                    last["rows"],
                    texts(last["sums"]),
                    texts(last["residues"]),
                    last["sha256"],
                    last["version"],
                    "open",
                    last["published_at"],
                )
            )
    return out


@query("ledger/held_deliveries", {"source_name": ""}, *EACH_SOURCE)
def held_deliveries(ledger: Ledger, source_name: str) -> Answer:
    last = [newest(own) for own in groups(ledger.holds, "source_name", "period").values()]
    lists = ("object_names", "object_sha256s", "new_sha256s", "newest_sha256s", "kept_sha256s")
    return [
        (
            *(row[name] for name in ("source_name", "period", "sha256", "state", "cause", "reason")),
            str(row["batch_id"]),
            row["rows"],
            *(texts(row[name]) for name in ("sums", "residues", "published_sums")),
            row["version"],
            *(row[name] for name in lists),
            row["decided_by"],
            row["why"],
            row["recorded_at"],
            row in last,
        )
        for row in sorted(ledger.holds, key=lambda row: row["recorded_at"], reverse=True)
        if source_name in ("", row["source_name"])
    ]


@query(
    "ledger/billing_batch_totals",
    *(
        {**one, "sketched": sketched, "limits": limits, "sketch_hashes": most}
        for one, (sketched, limits, most) in zip(
            BILLS,
            [
                (["a.csv", "b.csv"], [20, 2**64 - 1], 4),
                ([], [], 4),
                (["c.csv"], [9], 100),
                (list(OBJECTS), [2**62, 1, 2], 3),
            ]
            * 2,
            strict=True,
        )
    ),
)
def batch_totals(
    ledger: Ledger,
    source_name: str,
    batch_id: Any,
    periods: Any,
    sketched: Any,
    limits: Any,
    sketch_hashes: int,
) -> Answer:
    """All but ``row_hash_sum``, which depends on the engine's own hash."""
    rows = [
        row
        for row in of(ledger.costs, x_SourceName=source_name, x_BatchId=batch_id)
        if row["x_BillingPeriod"] in periods
    ]
    out = []
    for key, own in sorted(groups(rows, "x_BillingPeriod", "BillingCurrency", "x_ObjectName").items()):
        limit = dict(zip(sketched, limits, strict=True)).get(key[2], 0)
        hashes = sorted({row["x_ChargeHash"] for row in own if row["x_ChargeHash"] <= limit})
        sums = [
            total([row for row in own if row[name] is not None], name)
            for name in ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")
        ]
        gross = total([{"cost": abs(row["BilledCost"])} for row in own], "cost")
        out.append((*key, len(own), *map(text, (*sums, gross)), hashes[:sketch_hashes]))
    return out


@query(
    "ledger/billing_days_covered",
    *(
        {**one, "batch_id": BATCHES[0], "published_batch": other}
        for one in EACH_MONTH
        for other in (*BATCHES[1:3], uuid.UUID(int=99))
    ),
)
def days_covered(
    ledger: Ledger, source_name: str, period: date, batch_id: Any, published_batch: Any
) -> Answer:
    rows = of(ledger.costs, x_SourceName=source_name, x_BillingPeriod=period)
    last = max(
        (row["ChargePeriodStart"].date() for row in of(rows, x_BatchId=published_batch)), default=NO_MONTH
    )
    own = [row for row in of(rows, x_BatchId=batch_id) if row["ChargePeriodStart"].date() <= last]
    return [
        (currency, len(some), text(total([{"cost": abs(row["BilledCost"])} for row in some], "cost")))
        for (currency,), some in sorted(groups(own, "BillingCurrency").items())
    ]


@query(
    "ledger/billing_held_objects", *({**one, "batch_id": batch} for one in EACH_MONTH for batch in BATCHES)
)
def held_objects(ledger: Ledger, source_name: str, batch_id: Any, period: date) -> Answer:
    lines = of(
        ledger.deliveries,
        kind="billing",
        source_name=source_name,
        state="held",
        batch_id=batch_id,
        period=period,
    )
    return [
        (
            *key,
            *(max(row[name] for row in own) for name in ("object_bytes", "modified_at", "rows")),
            texts(own[0]["sums"]),
            texts(own[0]["residues"]),
        )
        for key, own in groups(lines, "object_name", "object_sha256").items()
    ]


@query("ledger/billing_last_states", *EACH_SOURCE)
def last_states(ledger: Ledger, source_name: str) -> Answer:
    lines = [
        row
        for row in of(ledger.deliveries, kind="billing", source_name=source_name)
        if row["state"] != "profiled"
    ]
    return [
        (*key, *(newest(own)[name] for name in ("object_sha256", "state", "reason")))
        for key, own in sorted(groups(lines, "object_name", "period").items())
    ]


@query("ledger/billing_object_charges", *({**one, "rules": rules} for one in EACH_SOURCE for rules in RULES))
def object_charges(ledger: Ledger, source_name: str, rules: str) -> Answer:
    lines = of(ledger.charges, source_name=source_name, rules=rules)
    return [
        (*key, own[0]["rows"], own[0]["row_hash_sum"], texts(own[0]["gross"]))
        for key, own in sorted(groups(lines, "object_sha256", "period").items())
    ]


@query("ledger/billing_object_overlaps", *EACH_SOURCE)
def object_overlaps(ledger: Ledger, source_name: str) -> Answer:
    lines = of(ledger.overlaps, source_name=source_name)
    return sorted({(row["period"], row["object_sha256"], row["other_object_sha256"]) for row in lines})


@query("ledger/billing_profiles", *({**one, "rules": rules} for one in EACH_SOURCE for rules in RULES))
def profiles(ledger: Ledger, source_name: str, rules: str) -> Answer:
    lines = of(ledger.deliveries, kind="billing", source_name=source_name, state="profiled", reason=rules)
    return [
        (
            *key,
            max(row["rows"] for row in own),
            max(row["rejected"] for row in own),
            texts(own[0]["sums"]),
            texts(own[0]["residues"]),
            own[0]["ignored_columns"],
        )
        for key, own in sorted(groups(lines, "object_sha256", "period").items())
    ]


@query("ledger/billing_published_objects", *EACH_SOURCE)
def published_objects(ledger: Ledger, source_name: str) -> Answer:
    return sorted({line[1:] for line in loaded_now(ledger) if line[0] == source_name})


def loaded_now(ledger: Ledger) -> set[tuple[str, date, str, str]]:
    """Source, month, name and content of every object whose rows are published."""
    return {
        (row["source_name"], row["period"], row["object_name"], row["object_sha256"])
        for row in of(ledger.deliveries, kind="billing", state="loaded")
        if row["batch_id"] == ledger.current(row["source_name"], row["period"])
    }


@query(
    "ledger/billing_rejects",
    *({**one, "object_sha256": content} for one in EACH_SOURCE for content in CONTENTS),
)
def rejects(ledger: Ledger, source_name: str, object_sha256: str) -> Answer:
    """Of an object under several names each line comes once for each of them."""
    lines = of(ledger.rejects, kind="billing", source_name=source_name, object_sha256=object_sha256)
    names = ("position", "reason", "detail", "object_name")
    found = {tuple(row[name] for name in names) for row in lines if row["position"] > 0}
    return [row[:3] for row in found]


@query("ledger/billing_repairs", *BILLS)
def repairs(ledger: Ledger, source_name: str, batch_id: Any, periods: Any) -> Answer:
    cells = [
        {**row, **repair}
        for row in of(ledger.costs, x_SourceName=source_name, x_BatchId=batch_id)
        for repair in row["x_Repairs"]
        if row["x_BillingPeriod"] in periods
    ]
    out = []
    for key, own in sorted(groups(cells, "x_ObjectName", "x_BillingPeriod", "subject", "reason").items()):
        money = {
            f"{currency}/{metric}": text(total(some, metric))
            for (currency,), some in groups(own, "BillingCurrency").items()
            for metric in ("BilledCost", "EffectiveCost")
        }
        out.append((*key, len(own), money, min(row["delivered"] for row in own)))
    return out


ATTEMPT = [
    (month, BATCHES[number % 3], OBJECTS[number % 3], CONTENTS[number % 4], bool(number % 2))
    for number, month in enumerate([*MONTHS[:2] * 4, MONTHS[2]])
]
"""Month, batch, name, content, and whether it is new, of the objects that are to be published."""


@query(
    "ledger/billing_shared_charges",
    *(
        {
            "source_name": source,
            "rules": rules,
            "periods": periods,
            **{
                f"part_{name}": [part[place] for part in parts]
                for place, name in enumerate(("periods", "batches", "names", "sha256s", "new"))
            },
        }
        for source, rules, periods, parts in (
            ("aws", RULES[0], MONTHS, ATTEMPT),
            ("azure", RULES[1], MONTHS[:1], ATTEMPT[::2]),
            ("aws-eu", RULES[0], MONTHS, ATTEMPT[3:5]),
            ("aws", RULES[0], MONTHS, [(*part[:4], False) for part in ATTEMPT]),
        )
    ),
)
def shared_charges(ledger: Ledger, source_name: str, rules: str, periods: Any, **parts: Any) -> Answer:
    names = ("part_periods", "part_batches", "part_names", "part_sha256s", "part_new")
    mine = zip(*(parts[name] for name in names), strict=True)
    all_parts = {(source_name, *part) for part in mine}
    all_parts |= {
        (source, month, ledger.current(source, month), name, content, False)
        for source, month, name, content in loaded_now(ledger)
        if source != source_name and month in periods
    }
    sketches = {
        (row["source_name"], row["period"], row["object_sha256"]): row
        for row in of(ledger.charges, rules=rules)
        if row["period"] in periods
    }
    held: dict[tuple[Any, ...], set[int]] = {}
    for row in ledger.costs:
        key = (row["x_SourceName"], row["x_BillingPeriod"], row["x_BatchId"], row["x_ObjectName"])
        held.setdefault(key, set()).add(row["x_ChargeHash"])
    found: dict[tuple[Any, ...], int] = {}
    for source, month, _, name, content, is_new in all_parts:
        sketch = sketches.get((source, month, content))
        for other, other_month, batch, other_name, other_content, other_new in all_parts if sketch else ():
            if (
                sketch
                and month == other_month
                and (is_new or other_new)
                and (source, name) != (other, other_name)
            ):
                shared = set(sketch["sketch"]) & held.get((other, month, batch, other_name), set())
                key = (
                    month,
                    source,
                    name,
                    content,
                    len(sketch["sketch"]),
                    sketch["rows"],
                    other,
                    other_name,
                    other_content,
                )
                if shared:
                    found[key] = found.get(key, 0) + len(shared)
    return [(*key, count) for key, count in found.items()]


@query(
    "ledger/billing_uncollected",
    *({**one, "periods": periods} for one in EACH_SOURCE for periods in (MONTHS, MONTHS[:1])),
)
def uncollected(ledger: Ledger, source_name: str, periods: Any) -> Answer:
    kept = set()
    for month in periods:
        own = of(ledger.heads, scope=f"billing/{source_name}", period=month)
        own.sort(key=place_of, reverse=True)
        kept |= {(month, row["batches"].get("raw_focus_costs")) for row in own[:2]}
        holds = of(ledger.holds, source_name=source_name, period=month)
        if holds and newest(holds)["state"] in ("held", "accepted"):
            kept.add((month, newest(holds)["batch_id"]))
    rows = [row for row in of(ledger.costs, x_SourceName=source_name) if row["x_BillingPeriod"] in periods]
    there = {(row["x_BillingPeriod"], row["x_BatchId"]) for row in rows}
    return sorted((month, str(batch)) for month, batch in there - kept)


@query("ledger/bill_rows", *({"batch_id": batch, "period": month} for batch in BATCHES for month in MONTHS))
def bill_rows(ledger: Ledger, batch_id: uuid.UUID, period: date) -> Answer:
    return [(len(of(ledger.costs, x_BatchId=batch_id, x_BillingPeriod=period)),)]


@query("doctor/repairs", {})
def told_repairs(ledger: Ledger) -> Answer:
    last: dict[tuple[Any, ...], Row] = {}
    for row in sorted(ledger.repairs, key=lambda row: row["recorded_at"]):
        names = ("kind", "source_name", "object_sha256", "object_name", "period", "subject", "reason")
        last[tuple(row[name] for name in names)] = row
    published = {(source, month, content) for source, month, _, content in loaded_now(ledger)}
    told = [
        row
        for row in last.values()
        if row["kind"] == "telemetry"
        or row["period"] == NO_MONTH
        or (row["source_name"], row["period"], row["object_sha256"]) in published
    ]
    out = []
    for key, own in sorted(groups(told, "source_name", "subject", "reason").items()):
        money = {
            currency: sum(
                (row["amounts"].get(f"{currency}/BilledCost", Decimal(0)) for row in own), Decimal(0)
            )
            for currency in sorted(
                {name[:3] for row in own for name in row["amounts"] if name.endswith("/BilledCost")}
            )
        }
        out.append(
            (
                *key,
                len({(row["object_sha256"], row["object_name"]) for row in own}),
                sum(row["records"] for row in own),
                [f"{currency} {text(cost)}" for currency, cost in money.items()],
                min(row["object_name"] for row in own),
                min(row["example"] for row in own),
            )
        )
    return out


@query("telemetry/recorded", *({"sha256s": list(CONTENTS[:count])} for count in (1, 3, 0)))
def recorded(ledger: Ledger, sha256s: Any) -> Answer:
    lines = [
        row
        for row in of(ledger.deliveries, kind="telemetry", waiting_bytes=0)
        if row["object_sha256"] in sha256s and row["state"] in ("loaded", "refused")
    ]
    return [
        (
            *key[:2],
            sum(row["rows"] for row in own),
            sum(row["rejected"] for row in own),
            key[2],
            own[0]["reason"],
        )
        for key, own in sorted(groups(lines, "object_sha256", "signal", "state").items())
    ]


@query("telemetry/recorded_objects", *EACH_SOURCE)
def recorded_objects(ledger: Ledger, source_name: str) -> Answer:
    lines = [
        row
        for row in of(ledger.deliveries, kind="telemetry", source_name=source_name)
        if row["state"] in ("loaded", "refused", "unchanged")
    ]
    return [
        (*key, *(newest(own)[name] for name in ("state", "reason", "waiting_bytes")))
        for key, own in groups(lines, "object_name", "object_bytes", "modified_at").items()
    ]


@query("telemetry/covered", *EACH_SOURCE)
def covered(ledger: Ledger, source_name: str) -> Answer:
    lines = of(ledger.deliveries, kind="telemetry", source_name=source_name, state="loaded")
    names = ("content_head", "content_bytes", "content_sha256")
    return list({tuple(row[name] for name in names) for row in lines if row["content_bytes"]})


LOADED: dict[str, Any] = {"kind": "telemetry", "state": "loaded"}
EACH_BATCHES = ([], [str(BATCHES[0])], [str(batch) for batch in BATCHES[1:]])


@query(
    "damage/batch_deliveries",
    *({"day": day, "batches": batches} for day in PERIODS for batches in EACH_BATCHES),
)
def batch_deliveries(ledger: Ledger, day: date, batches: list[str]) -> Answer:
    lines = [row for row in of(ledger.deliveries, **LOADED, period=day) if row["rows"]]
    found = {(row["source_name"], str(row["batch_id"])) for row in lines}
    return sorted(one for one in found if not batches or one[1] in batches)


@query(
    "damage/batch_objects",
    *({"source_name": source, "batches": batches} for source in SOURCES for batches in EACH_BATCHES),
)
def batch_objects(ledger: Ledger, source_name: str, batches: list[str]) -> Answer:
    names = ("object_name", "object_sha256", "content_bytes", "content_sha256")
    return list(
        {
            (str(row["batch_id"]), *(row[name] for name in names))
            for row in of(ledger.deliveries, **LOADED, source_name=source_name)
            if str(row["batch_id"]) in batches
        }
    )


def published_batches(ledger: Ledger) -> dict[tuple[str, date], dict[str, str]]:
    """Scope and period -> the batches of its newest release, by table."""
    return {
        key: {table: str(batch) for table, batch in max(own, key=place_of)["batches"].items()}
        for key, own in groups(ledger.heads, "scope", "period").items()
    }


@query(
    "damage/batch_releases",
    *(
        {"table": table, "batches": batches}
        for table in ("raw_focus_costs", "other")
        for batches in EACH_BATCHES
    ),
)
def batch_releases(ledger: Ledger, table: str, batches: list[str]) -> Answer:
    return sorted(
        key
        for key, own in published_batches(ledger).items()
        if table in own and (not batches or own[table] in batches)
    )


@query("damage/batches_in_use", {})
def batches_in_use(ledger: Ledger) -> Answer:
    published = {batch for own in published_batches(ledger).values() for batch in own.values()}
    loaded = {str(row["batch_id"]) for row in of(ledger.deliveries, **LOADED)}
    last = [newest(own) for own in groups(ledger.holds, "source_name", "period").values()]
    waiting = {str(row["batch_id"]) for row in last if row["state"] in ("held", "accepted")}
    return [(batch,) for batch in published | loaded | waiting | {str(uuid.UUID(int=0))}]


@query("doctor/orphans", {})
def orphans(ledger: Ledger) -> Answer:
    released = {own["batches"].get("raw_focus_costs") for own in ledger.heads}
    loaded = {row["batch_id"] for row in of(ledger.deliveries, **LOADED)}
    named = released | loaded | {row["batch_id"] for row in ledger.holds}
    own = [row["x_BatchId"] for row in ledger.costs if row["x_BatchId"] not in named]
    return [("raw_focus_costs", len(set(own)), len(own))]


@query("telemetry/set_aside", *({"sha256s": list(CONTENTS[:count])} for count in (1, 3, 0)))
def set_aside(ledger: Ledger, sha256s: Any) -> Answer:
    names = ("source_name", "object_sha256", "object_name", "position", "reason", "detail")
    lines = {tuple(row[name] for name in names) for row in of(ledger.rejects, kind="telemetry")}
    own = [dict(zip(names, line, strict=True)) for line in lines if line[1] in sha256s]
    out = [
        (*key, len(some), min(row["position"] for row in some))
        for key, some in groups(own, "object_name", "reason").items()
    ]
    return sorted(out, key=lambda one: (one[0], one[3], one[1]))


ORDERED_BY: dict[str, tuple[str, ...]] = {
    "ledger/billing_held_objects": ("object_name",),
    "ledger/billing_published_objects": ("period", "object_name"),
    "ledger/billing_rejects": ("position", "detail"),
    "ledger/billing_shared_charges": (
        "period",
        "source_name",
        "object_name",
        "other_source_name",
        "other_object_name",
    ),
    "telemetry/recorded_objects": ("object_name",),
    "telemetry/covered": ("content_bytes", "content_sha256"),
    "damage/batch_objects": ("batch_id", "object_name"),
    "damage/batches_in_use": (),
}
"""Queries whose order leaves some rows open, and by what they are ordered."""


@pytest.fixture(scope="module")
def ledger(fresh_warehouse: Warehouse) -> Ledger:
    """What the module's warehouse has recorded."""
    return record(fresh_warehouse)


@pytest.mark.parametrize("name", COUNTS)
def test_every_cell_is_the_counted_one(fresh_warehouse: Warehouse, ledger: Ledger, name: str) -> None:
    filled = 0
    for given in CASES[name]:
        want = COUNTS[name](ledger, **given)
        frame = fresh_warehouse.frame(f"queries/{name}", **given)
        if name == "ledger/billing_batch_totals":
            frame = frame.drop("row_hash_sum")
        if (order := ORDERED_BY.get(name)) is not None:
            keys = frame.select(order).rows()
            assert keys == sorted(keys)
            frame = frame.sort(frame.columns)
            want.sort()
        assert not differing(frame, want), (given, differing(frame, want))
        filled += bool(want)
    assert filled


@pytest.mark.parametrize("name", ["ledger/billing_batch_totals"])
def test_rows_are_told_apart_by_every_amount_of_theirs(
    fresh_warehouse: Warehouse, ledger: Ledger, name: str
) -> None:
    """``row_hash_sum`` is the sum over the rows, modulo 2**64, of a hash of the charge and of every amount of it."""
    rows = fresh_warehouse.frame_of(
        "SELECT toString(x_SourceName), toString(x_BatchId), x_BillingPeriod, toString(BillingCurrency), toString(x_ObjectName), cityHash64("
        " x_ChargeHash, BilledCost, EffectiveCost, coalesce(ConsumedQuantity, 0), coalesce(PricingQuantity, 0)) FROM raw_focus_costs"
    ).rows()
    for given in CASES["ledger/billing_batch_totals"]:
        sums: dict[tuple[Any, ...], int] = {}
        for source, batch, *key, hash_ in rows:
            if (source, str(batch)) == (given["source_name"], str(given["batch_id"])) and key[0] in given[
                "periods"
            ]:
                sums[tuple(key)] = (sums.get(tuple(key), 0) + hash_) % 2**64
        frame = fresh_warehouse.frame(f"queries/{name}", **given)
        found = frame.select("period", "currency", "object_name", "row_hash_sum").rows()
        assert found == [(*key, sums[key]) for key in sorted(sums)]


@pytest.mark.parametrize("name", ["ledger/columns"])
def test_columns_are_those_of_our_own_tables(fresh_warehouse: Warehouse, name: str) -> None:
    """In the order they have there, whatever another database calls its tables."""
    fresh_warehouse.execute_text("CREATE DATABASE IF NOT EXISTS elsewhere")
    fresh_warehouse.execute_text(
        "CREATE TABLE IF NOT EXISTS elsewhere.raw_rejects (foreign UInt8) ENGINE = Memory"
    )
    frame = fresh_warehouse.frame(f"queries/{name}", tables=["raw_rejects", "period_head"])
    for table in ("raw_rejects", "period_head"):
        there = fresh_warehouse.frame_of(f"SELECT * FROM {table} LIMIT 0").columns
        assert frame.filter(table_name=table)["name"].to_list() == there
    assert set(frame["table_name"]) == {"raw_rejects", "period_head"}


def test_a_number_given_twice_is_noticed_while_it_is_the_newest(
    fresh_warehouse: Warehouse, ledger: Ledger
) -> None:
    twice, once = [uuid.uuid4(), uuid.uuid4()], uuid.uuid4()
    claims = {
        MONTHS[0]: [(0, 1, once), (0, 2, twice[0]), (0, 2, twice[1])],
        MONTHS[1]: [(0, 1, twice[0]), (0, 1, twice[1]), (0, 2, once)],  # whose older rows nobody reads
        MONTHS[2]: [(0, 1, once), (0, 2, once), (0, 2, once)],  # the same release, written again
        date(2026, 7, 1): [
            (4, 1, twice[0]),
            (4, 1, twice[1]),
            (3, 2, once),
        ],  # a higher number under an older lease
        date(2026, 8, 1): [(3, 2, twice[0]), (4, 2, twice[1])],  # the same number under two leases
        NO_MONTH: [(2, 3, twice[1]), (2, 3, twice[0])],
    }
    scope = f"race {uuid.uuid4()}"
    for period, lines in claims.items():
        for place, (fence, seq, batch) in enumerate(lines):
            empty: dict[str, Any] = {"sums": {}, "residues": {}, "sha256": f"{place}", "rows": 0}
            moments = {"version": "2026-03-01 00:00:00", "published_at": f"2026-03-01 00:00:0{place}"}
            given = {
                "scope": scope,
                "period": period,
                "fence": fence,
                "seq": seq,
                "batches": {"t": batch},
                **empty,
                **moments,
            }
            fresh_warehouse.execute("statements/publish", **given)
    for other in (scope, f"{scope} and more"):
        want = [NO_MONTH, MONTHS[0], date(2026, 7, 1)] if other == scope else []
        found = fresh_warehouse.frame("queries/ledger/claimed_twice", scope=other)["period"].to_list()
        assert sorted(found) == want


Cell = tuple[str, date, str, str]
"""Source, month, batch and object of a row."""


def laid_out(warehouse: Warehouse) -> tuple[list[str], set[Cell]]:
    """A row of each of two sources, months, batches and objects nobody else has."""
    sources = [f"{uuid.uuid4()}" for _ in range(2)]
    cells = {
        (source, month, str(batch), name)
        for source in sources
        for month in MONTHS[:2]
        for batch in BATCHES[:2]
        for name in OBJECTS[:2]
    }
    names = ("x_SourceName", "x_BillingPeriod", "x_BatchId", "x_ObjectName")
    warehouse.insert("raw_focus_costs", pl.DataFrame(sorted(cells), schema=names, orient="row"))
    return sources, cells


def cells_of(warehouse: Warehouse, sources: list[str]) -> list[Cell]:
    return warehouse.frame_of(
        "SELECT toString(x_SourceName), x_BillingPeriod, toString(x_BatchId), toString(x_ObjectName) FROM raw_focus_costs"
        " WHERE x_SourceName IN {sources:Array(String)} ORDER BY ALL",
        sources=sources,
    ).rows()


@pytest.mark.parametrize("statement", ["copy_billing_batch"])
def test_objects_of_a_month_are_copied_and_no_others(fresh_warehouse: Warehouse, statement: str) -> None:
    sources, cells = laid_out(fresh_warehouse)
    batch = uuid.uuid4()
    asked = {
        "source_name": sources[0],
        "period": MONTHS[0],
        "from_batch": BATCHES[0],
        "object_names": ["a.csv", "x"],
    }
    fresh_warehouse.execute(f"statements/{statement}", batch_id=batch, **asked)
    copied = {(sources[0], MONTHS[0], str(batch), "a.csv")}
    assert cells_of(fresh_warehouse, sources) == sorted(cells | copied)


@pytest.mark.parametrize("statement", ["collect_billing"])
def test_rows_of_a_batch_and_month_are_removed_and_no_others(
    fresh_warehouse: Warehouse, statement: str
) -> None:
    sources, cells = laid_out(fresh_warehouse)
    asked = {"source_name": sources[0], "period": MONTHS[0], "batch_id": BATCHES[0]}
    fresh_warehouse.execute(f"statements/{statement}", settings={"lightweight_deletes_sync": 2}, **asked)
    gone = {(sources[0], MONTHS[0], str(BATCHES[0]), name) for name in OBJECTS[:2]}
    assert cells_of(fresh_warehouse, sources) == sorted(cells - gone)


BESIDE = {
    "computed_rows": "tests/server/test_leases.py",
    "loaders": "tests/server/test_opening.py",
    "team_views": "tests/sql/test_grants.py",
    "server_facts": "tests/server/test_opening.py",
    "uncollected": "tests/sql/test_collect.py",
    "access_known": "tests/sql/test_access_log.py",
    "access_older": "tests/sql/test_access_log.py",
    "alive": "tests/sql/test_local_warehouse.py",
    "claimed_twice": "test_a_number_given_twice_is_noticed_while_it_is_the_newest",
    "columns": "tests/pipelines/test_record.py",
    "migrations": "tests/sql/test_migrations.py",
    "pass_sentences": "tests/cli/test_doctor.py",
    "table_rows": "tests/pipelines/test_record.py",
    "table_rows_by_period": "tests/pipelines/test_record.py",
    "telemetry_rows": "tests/pipelines/test_record.py",
    "view_comments": "tests/sql/test_migrations.py",
}
"""Queries of the ledger that another test counts."""


def test_every_query_of_the_ledger_is_counted() -> None:
    names = {name.removeprefix("queries/ledger/") for name in statements("queries/ledger")}
    assert names == {name.partition("/")[2] for name in COUNTS if name.startswith("ledger/")} | set(BESIDE)
    assert len(PERIODS) == len(MONTHS) + 1
