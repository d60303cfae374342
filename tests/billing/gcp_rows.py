"""Rows of Google's billing export made for tests, the forms they are delivered in, and what they sum to.

Sums are taken from the rows as Python made them, never from what was written or loaded.
"""

from __future__ import annotations

import csv
import io
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Row = dict[str, Any]
CATEGORIES = {"regular": "Usage", "tax": "Tax", "adjustment": "Adjustment", "rounding_error": "Adjustment"}
"""ChargeCategory by cost type."""

PLAIN: Row = {
    "billing_account_id": "00F3D8-28D652-3F036F",
    "service": {"id": "6F81-5844-456A", "description": "Compute Engine"},
    "sku": {"id": "6C71-E844-38BC", "description": "N1 Instance Ram"},
    "usage_start_time": "2024-09-02 08:00:00 UTC",
    "usage_end_time": "2024-09-02 09:00:00 UTC",
    "project": {"id": "shop", "number": "123", "name": "Shop", "labels": [{"key": "team", "value": "red"}]},
    "labels": [{"key": "app_id", "value": "cart"}],
    "system_labels": [{"key": "compute.googleapis.com/cores", "value": "2"}],
    "location": {"location": "us-west1", "country": "US", "region": "us-west1", "zone": "us-west1-a"},
    "resource": {"name": "vm-1", "global_name": "//compute.googleapis.com/projects/1/zones/a/instances/7"},
    "export_time": "2024-09-02 22:44:03.896 UTC",
    "cost": "1.5",
    "cost_at_list": "2",
    "currency": "USD",
    "usage": {"amount": "3600", "unit": "seconds", "amount_in_pricing_units": "1", "pricing_unit": "hour"},
    "credits": [],
    "invoice": {"month": "202409"},
    "cost_type": "regular",
}


def credit(amount: str, kind: str = "SUSTAINED_USAGE_DISCOUNT", name: str = "Discount") -> Row:
    """One credit of a row."""
    return {
        "name": name,
        "amount": amount,
        "full_name": f"{name} (full)",
        "id": f"id of {name}",
        "type": kind,
    }


def some_rows(seed: int, count: int, places: int = 9) -> list[Row]:
    """Rows of two months, three currencies and every cost type, some with credits, some of which are equal."""
    rng = random.Random(seed)

    def amount(low: int, high: int) -> str:
        digits = rng.choice((0, 2, 6, places))
        return str(Decimal(rng.randint(low * 10**digits, high * 10**digits)).scaleb(-digits))

    rows: list[Row] = []
    for _ in range(count):
        if rows and rng.random() < 0.1:
            rows.append(rng.choice(rows))
            continue
        starts = datetime(2024, 8, 20, tzinfo=UTC) + timedelta(hours=rng.randrange(24 * 40))
        kinds = ("COMMITTED_USAGE_DISCOUNT", "PROMOTION", "FREE_TIER")
        rows.append(
            {
                **PLAIN,
                "sku": {"id": f"sku-{rng.randrange(5)}", "description": f'Thing {rng.randrange(5)}, "big"'},
                "project": {"id": f"project-{rng.randrange(4)}", "name": "Pro;ject,"},
                "labels": [{"key": "app_id", "value": f"app-{rng.randrange(6)}"}] * rng.randrange(2),
                "usage_start_time": f"{starts:%Y-%m-%d %H:%M:%S} UTC",
                "usage_end_time": f"{starts + timedelta(hours=1):%Y-%m-%d %H:%M:%S} UTC",
                "export_time": f"{starts + timedelta(hours=rng.randrange(5, 90)):%Y-%m-%d %H:%M:%S} UTC",
                "cost": amount(-5, 1000),
                "cost_at_list": amount(0, 2000),
                "currency": rng.choice(("USD", "EUR", "JPY")),
                "credits": [
                    credit(amount(-300, 1), rng.choice(kinds), rng.choice(("One", 'say "amount": 5', "Two")))
                    for _ in range(rng.choice((0, 0, 1, 3)))
                ],
                "invoice": {"month": rng.choice(("202408", "202409"))},
                "cost_type": rng.choice((*CATEGORIES, "regular", "regular")),
            }
        )
    return rows


Totals = dict[tuple[str, str, str], Decimal]
"""Billed money by month of invoice (YYYY-MM), currency and charge category."""


def lines(rows: Sequence[Row]) -> Iterator[tuple[tuple[str, str, str], Decimal]]:
    """What each row comes to: its cost, and each of its credits."""
    for row in rows:
        month, currency = row["invoice"]["month"], row["currency"]
        period = f"{month[:4]}-{month[4:]}"
        yield (period, currency, CATEGORIES[row["cost_type"]]), Decimal(row["cost"])
        for one in row["credits"]:
            yield (period, currency, "Credit"), Decimal(one["amount"])


def totals(rows: Sequence[Row]) -> Totals:
    """The bill of these rows."""
    found: Totals = {}
    for key, amount in lines(rows):
        found[key] = found.get(key, Decimal(0)) + amount
    return found


def json_lines(rows: Sequence[Row], path: Path) -> None:
    """As BigQuery extracts to newline-delimited JSON."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def pretty(rows: Sequence[Row], path: Path) -> None:
    """Objects over several lines, one after the other."""
    path.write_text("\n".join(json.dumps(row, indent=1) for row in rows))


def flat_csv(rows: Sequence[Row], path: Path, separator: str = "_", labels: str = "records") -> None:
    """Records as columns of their own, what repeats as JSON text; labels also as an object or as plain pairs."""

    def labels_text(given: list[Row]) -> str:
        if labels == "records":
            return json.dumps(given)
        pairs = {one["key"]: one["value"] for one in given}
        return json.dumps(pairs) if labels == "object" else ", ".join(f"{k}={v}" for k, v in pairs.items())

    flat = []
    for row in rows:
        cells: dict[str, str] = {}
        for name, value in row.items():
            if isinstance(value, dict):
                for member, one in value.items():
                    cells[f"{name}{separator}{member}"] = labels_text(one) if member == "labels" else one
            elif name.endswith("labels"):
                cells[name] = labels_text(value)
            else:
                cells[name] = json.dumps(value) if isinstance(value, list) else value
        flat.append(cells)
    names = dict.fromkeys(name for cells in flat for name in cells)
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(names))
    writer.writeheader()
    writer.writerows(flat)
    path.write_text(out.getvalue())


_TEXT = pa.string()
_LABELS = pa.list_(pa.struct([("key", _TEXT), ("value", _TEXT)]))
_TIME = pa.timestamp("us", "UTC")


def _schema(number: pa.DataType) -> pa.Schema:
    return pa.schema(
        {
            "billing_account_id": _TEXT,
            "service": pa.struct([("id", _TEXT), ("description", _TEXT)]),
            "sku": pa.struct([("id", _TEXT), ("description", _TEXT)]),
            "usage_start_time": _TIME,
            "usage_end_time": _TIME,
            "project": pa.struct([("id", _TEXT), ("number", _TEXT), ("name", _TEXT), ("labels", _LABELS)]),
            "labels": _LABELS,
            "system_labels": _LABELS,
            "location": pa.struct([(name, _TEXT) for name in ("location", "country", "region", "zone")]),
            "resource": pa.struct([("name", _TEXT), ("global_name", _TEXT)]),
            "export_time": _TIME,
            "cost": number,
            "cost_at_list": number,
            "currency": _TEXT,
            "usage": pa.struct(
                [
                    ("amount", number),
                    ("unit", _TEXT),
                    ("amount_in_pricing_units", number),
                    ("pricing_unit", _TEXT),
                ]
            ),
            "credits": pa.list_(
                pa.struct(
                    [
                        ("name", _TEXT),
                        ("amount", number),
                        ("full_name", _TEXT),
                        ("id", _TEXT),
                        ("type", _TEXT),
                    ]
                )
            ),
            "invoice": pa.struct([("month", _TEXT)]),
            "cost_type": _TEXT,
        }
    )


def parquet(rows: Sequence[Row], path: Path, number: pa.DataType | None = None) -> None:
    """As BigQuery extracts to Parquet: numbers are doubles unless they are given as decimals."""
    number = number or pa.float64()

    def typed(value: Any, type_: pa.DataType) -> Any:
        if value is None:
            return None
        if pa.types.is_struct(type_):
            return {one.name: typed(value.get(one.name), one.type) for one in type_}
        if pa.types.is_list(type_):
            return [typed(one, type_.value_type) for one in value]
        if pa.types.is_timestamp(type_):
            return datetime.fromisoformat(value.replace(" UTC", "+00:00"))
        if pa.types.is_decimal(type_):
            return Decimal(value)
        return float(value) if pa.types.is_floating(type_) else value

    schema = _schema(number)
    made = [{one.name: typed(row.get(one.name), one.type) for one in schema} for row in rows]
    pq.write_table(pa.Table.from_pylist(made, schema=schema), path)


def decimal_parquet(rows: Sequence[Row], path: Path) -> None:
    """As `parquet`, with exact numbers as NUMERIC gives them."""
    parquet(rows, path, pa.decimal128(38, 9))


FORMS: dict[str, tuple[str, Callable[[Sequence[Row], Path], None]]] = {
    "lines": (".jsonl", json_lines),
    "pretty": (".json", pretty),
    "csv": (".csv", flat_csv),
    "dotted": (".csv", lambda rows, path: flat_csv(rows, path, ".", "object")),
    "parquet": (".parquet", parquet),
    "decimals": (".parquet", decimal_parquet),
}
"""Ending and writer of every form."""


def multiset(rows: Sequence[Row]) -> Counter[str]:
    """Rows with how often each is there."""
    return Counter(json.dumps(row, sort_keys=True) for row in rows)
