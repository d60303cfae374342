"""Every shape a bill comes in is read whole or said: dialects, spellings, types, encodings, cells that cannot be read.

Many objects are one delivery, so that a pass reads them all. Expected values are written down here or come from
Python's decimals.
"""

from __future__ import annotations

import csv
import decimal
import io
import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.focus import METRICS, columns, dialects, read_header
from pipelines.ingest.billing import BillingOutcome
from sql.bill_files import member_names
from sql.warehouse import Warehouse
from tests.billing.conftest import ROW, Bills

SEPTEMBER = date(2024, 9, 1)
PLAIN_TAGS = {"app_id": "a"}


def _row(number: int, **cells: str) -> dict[str, str]:
    """A charge that no other case has."""
    return {**ROW, "ResourceId": f"r-{number}", **cells}


def _csv(*rows: Mapping[str, str], delimiter: str = ",", names: Callable[[str], str] = str) -> str:
    out = io.StringIO(newline="")
    columns_ = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    writer.writerow([names(name) for name in columns_])
    writer.writerows([row.get(name, "") for name in columns_] for row in rows)
    return out.getvalue()


def _parquet(row: Mapping[str, str], names: Callable[[str], str] = str, **cells: pa.Array) -> bytes:
    """One charge, its columns text but for those given."""
    table = {name: pa.array([value]) for name, value in row.items()} | cells
    sink = io.BytesIO()
    pq.write_table(pa.table(list(table.values()), [names(name) for name in table]), sink)
    return sink.getvalue()


def _json_lines(*rows: Mapping[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def _decimal(text: str, precision: int, scale: int) -> pa.Array:
    kind = pa.decimal128(precision, scale) if precision <= 38 else pa.decimal256(precision, scale)
    return pa.array([Decimal(text)], kind)


def _spaced(name: str) -> str:
    return "".join(f" {c}" if c.isupper() and place else c for place, c in enumerate(name))


def _snake(name: str) -> str:
    return _spaced(name).replace(" ", "_").lower()


PAIR = pa.struct([("key", pa.string()), ("value", pa.string()), ("x_inherited", pa.bool_())])
TEXT_MAP = pa.map_(pa.string(), pa.string())

# Name of the object, its content for a charge of its own, and what some columns must hold then.
Read = tuple[str, Callable[[int], bytes | str], dict[str, Any]]
READ: list[Read] = [
    ("lower.csv", lambda n: _csv(_row(n), names=str.lower), {"Tags": PLAIN_TAGS}),
    ("snake.csv", lambda n: _csv(_row(n), names=_snake), {"Tags": PLAIN_TAGS}),
    ("spaced.csv", lambda n: _csv(_row(n), names=_spaced), {"ServiceName": "Compute"}),
    ("lower.parquet", lambda n: _parquet(_row(n), str.lower), {"Tags": PLAIN_TAGS}),
    ("spaced.parquet", lambda n: _parquet(_row(n), _spaced), {"ServiceName": "Compute"}),
    (
        "one.parquet",
        lambda n: _parquet(_row(n), lambda name: name.lower() if name == "Tags" else name),
        {"Tags": PLAIN_TAGS},
    ),
    ("semicolon.csv", lambda n: _csv(_row(n, ServiceName="a;b"), delimiter=";"), {"ServiceName": "a;b"}),
    ("tab.tsv", lambda n: _csv(_row(n, ServiceName="a\n\nb"), delimiter="\t"), {"ServiceName": "a\n\nb"}),
    ("hint.csv", lambda n: "sep=;\n" + _csv(_row(n), delimiter=";"), {"ServiceName": "Compute"}),
    ("bom.csv", lambda n: _csv(_row(n, ServiceName="ü")).encode("utf-8-sig"), {"ServiceName": "ü"}),
    ("utf16.csv", lambda n: _csv(_row(n, ServiceName="ü")).encode("utf-16"), {"ServiceName": "ü"}),
    (
        "utf16be.csv",
        lambda n: b"\xfe\xff" + _csv(_row(n), delimiter="\t").encode("utf-16-be"),
        {"Tags": PLAIN_TAGS},
    ),
    ("crlf.csv", lambda n: _csv(_row(n)).replace("\n", "\r\n") + "\r\n\r\n", {"ServiceName": "Compute"}),
    ("old-mac.csv", lambda n: _csv(_row(n)).replace("\n", "\r"), {"ServiceName": "Compute"}),
    (
        "blank-lines.csv",
        lambda n: "\n" + _csv(_row(n, ServiceName='a\n\n"b"')).replace("Tags\n", "Tags\n\n \n") + "\n\n",
        {"ServiceName": 'a\n\n"b"'},
    ),
    (
        "lines.jsonl",
        lambda n: _json_lines({**_row(n), "Tags": [{"key": "app_id", "value": "j"}], "BilledCost": 1.10}),
        {"Tags": {"app_id": "j"}, "BilledCost": Decimal("1.1")},
    ),
    (
        "blanks-in-header.csv",
        lambda n: _csv(_row(n), names=lambda name: f" {name}{' ' * (n % 3)}").replace(" Tags", ' "Tags"'),
        {"ServiceName": "Compute", "Tags": PLAIN_TAGS},
    ),
    ("array.json", lambda n: json.dumps([_row(n)], indent=1), {"Tags": PLAIN_TAGS}),
    (
        "maps.parquet",
        lambda n: _parquet(
            _row(n),
            Tags=pa.array([[("app_id", "m"), ("k", None)]], TEXT_MAP),
            SkuPriceDetails=pa.array([[("x", "1")]], TEXT_MAP),
            BilledCost=_decimal("-1.1234567890123456789", 76, 30),
            ConsumedQuantity=_decimal("2678400000000000", 38, 9),
        ),
        {
            "Tags": {"app_id": "m", "k": ""},
            "SkuPriceDetails": '{"x":"1"}',
            "BilledCost": Decimal("-1.123456789012345678"),
            "ConsumedQuantity": Decimal("2678400000000000"),
        },
    ),
    (
        "map-of-numbers.parquet",
        lambda n: _parquet(
            _row(n),
            Tags=pa.array([[("app_id", 7)]], pa.map_(pa.string(), pa.int64())),
            SkuPriceDetails=pa.array([[{"x": 1.5}]]),
            BilledCost=pa.array([1e-7]),
        ),
        {"Tags": {"app_id": "7"}, "SkuPriceDetails": '[{"x":1.5}]', "BilledCost": Decimal("1E-7")},
    ),
    (
        "null-types.parquet",
        lambda n: _parquet(
            _row(n),
            Tags=pa.array([None]),
            BilledCost=pa.array([0.1], pa.float32()),
            ConsumedQuantity=pa.array([None]),
            RegionId=pa.array([None]),
        ),
        {"Tags": {}, "BilledCost": Decimal("0.1"), "ConsumedQuantity": None, "RegionId": None},
    ),
    (
        "pairs.parquet",
        lambda n: _parquet(
            _row(n),
            Tags=pa.array(
                [
                    [
                        {"key": "app_id", "value": "inherited", "x_inherited": True},
                        {"key": "app_id", "value": "own", "x_inherited": False},
                        {"key": "k", "value": None, "x_inherited": False},
                    ]
                ],
                pa.list_(PAIR),
            ),
            BilledCost=pa.array([7]),
        ),
        {"Tags": {"app_id": "own", "k": ""}, "BilledCost": Decimal(7)},
    ),
    (
        "structs.parquet",
        lambda n: _parquet(
            _row(n),
            Tags=pa.array([{"app_id": "s", "nobody-set-it": None}]),
            SkuPriceDetails=pa.array([{"x": 1, "y": None, "z": True}]),
        ),
        {"Tags": {"app_id": "s"}, "SkuPriceDetails": '{"x":1,"z":true}'},
    ),
]

# Cells of rows of one CSV, and what some columns must hold then.
CELLS: list[tuple[dict[str, str], dict[str, Any]]] = [
    ({"Tags": '"app_id":"b","k":"v"'}, {"Tags": {"app_id": "b", "k": "v"}}),
    ({"Tags": "null"}, {"Tags": {}}),
    ({"Tags": '[{"Key":"app_id","Value":"p"}]'}, {"Tags": {"app_id": "p"}}),
    ({"Tags": '"{\\"app_id\\": \\"t\\"}"'}, {"Tags": {"app_id": "t"}}),
    ({"ListCost": "", "ContractedCost": "NULL"}, {"ListCost": None, "ContractedCost": None}),
    (
        {"ChargeCategory": "usage", "ChargeClass": "correction", "BillingCurrency": "usd"},
        {"ChargeCategory": "Usage", "ChargeClass": "Correction", "BillingCurrency": "USD"},
    ),
]


def test_each_shape_is_read(bills: Bills) -> None:
    expected = {f"r-{number}": (name, cells) for number, (name, _, cells) in enumerate(READ)}
    for number, (name, content, _) in enumerate(READ):
        bills.put(name, content(number))
    of_cells = {f"r-{number}": one for number, one in enumerate(CELLS, start=len(READ))}
    bills.put(
        "cells.csv", _csv(*({**ROW, "ResourceId": name, **cells} for name, (cells, _) in of_cells.items()))
    )
    expected |= {name: ("cells.csv", cells) for name, (_, cells) in of_cells.items()}
    outcome = bills.ingest()
    assert [str(one) for one in outcome.refusals] == []
    assert {one.period: one.state for one in outcome.periods} == {SEPTEMBER: "published"}
    assert {one.subject for one in outcome.repairs} <= {"ListCost", "ContractedCost"}
    stored = bills.warehouse.frame_of("SELECT * FROM raw_focus_costs_published")
    assert stored.height == len(expected)
    for row in stored.iter_rows(named=True):
        name, cells = expected[row["ResourceId"]]
        assert row["x_ObjectName"] == name
        assert _found(row, cells) == cells, row["ResourceId"]
        assert row["x_Repairs"] == [], name


def _found(row: Mapping[str, Any], expected: Iterable[str]) -> dict[str, Any]:
    """The columns of a row that are expected of it; tags as a dictionary."""
    return {column: dict(row[column]) if column == "Tags" else row[column] for column in expected}


Unread = tuple[str, dict[str, str], str, str, dict[str, Any]]
QUANTITY = "is no plain decimal of at most 38 places and 20 digits before the point: left empty"
COST = "is no plain decimal of at most 38 places and 15 digits before the point: left empty"
NO_TAGS = "is no JSON object and no list of pairs: left empty"
NESTED = "holds a nested value: kept as JSON text"
UNREAD: list[Unread] = [
    ("word", {"ConsumedQuantity": "many"}, "ConsumedQuantity", QUANTITY, {"ConsumedQuantity": None}),
    ("large", {"ConsumedQuantity": "2.6e21"}, "ConsumedQuantity", QUANTITY, {"ConsumedQuantity": None}),
    ("nan", {"PricingQuantity": "nan"}, "PricingQuantity", QUANTITY, {"PricingQuantity": None}),
    ("comma", {"ListUnitPrice": "1,5"}, "ListUnitPrice", QUANTITY, {"ListUnitPrice": None}),
    ("list", {"ListCost": "1e15"}, "ListCost", COST, {"ListCost": None}),
    ("contracted", {"ContractedCost": "x"}, "ContractedCost", COST, {"ContractedCost": None}),
    ("cut-off", {"Tags": '{"app_id": "a"'}, "Tags", NO_TAGS, {"Tags": {}}),
    ("shop", {"Tags": "shop"}, "Tags", NO_TAGS, {"Tags": {}}),
    ("numbers", {"Tags": "[1, 2]"}, "Tags", NO_TAGS, {"Tags": {}}),
    ("trailing", {"Tags": '{"a":"b"}x'}, "Tags", NO_TAGS, {"Tags": {}}),
    ("nested", {"Tags": '{"app_id": {"x": 1}}'}, "Tags", NESTED, {"Tags": {"app_id": '{"x":1}'}}),
    (
        "python",
        {"Tags": "{'app_id': 'p', 'n': None}"},
        "Tags",
        "is a Python dictionary: read as one",
        {"Tags": {"app_id": "p", "n": ""}},
    ),
    (
        "odd-month",
        {"BillingPeriodStart": "2024-09-15", "BillingPeriodEnd": "2024-10-15"},
        "BillingPeriodStart",
        "and BillingPeriodEnd are of no calendar month: filed under the month it begins in",
        {"x_BillingPeriod": SEPTEMBER},
    ),
]


def _apart(number: int) -> str:
    """The object of a case: cases of one column and reason lie in objects of their own, as they are told together."""
    _, _, subject, reason, _ = UNREAD[number]
    return f"{sum((subject, reason) == one[2:4] for one in UNREAD[:number])}.csv"


def test_a_cell_that_cannot_be_read_is_empty_and_counted_with_its_money(bills: Bills) -> None:
    objects: dict[str, list[dict[str, str]]] = {}
    for number, (_, cells, *_) in enumerate(UNREAD):
        rows = objects.setdefault(_apart(number), [])
        rows += [_row(number, BilledCost=str(number + 1), **cells), _row(1000 + number)]
    for name, rows in objects.items():
        bills.put(name, _csv(*rows))
    outcome = bills.ingest()
    assert outcome.refusals == ()
    assert bills.published() == {SEPTEMBER: sum(range(1, len(UNREAD) + 1)) + len(UNREAD)}
    told = {(one.object_name, one.subject, one.reason): one for one in outcome.repairs}
    assert len(told) == len(outcome.repairs)
    lines = bills.warehouse.frame_of(
        "SELECT object_name, period, toString(subject), toString(reason), records, toString(amounts['USD/BilledCost'])"
        " FROM raw_repairs FINAL"
    ).rows()
    assert sorted(lines) == sorted(
        (_apart(number), SEPTEMBER, subject, reason, 1, str(number + 1))
        for number, (_, _, subject, reason, _) in enumerate(UNREAD)
    )
    stored = {
        row["ResourceId"]: row
        for row in bills.warehouse.frame_of("SELECT * FROM raw_focus_costs_published").iter_rows(named=True)
    }
    for number, (name, cells, subject, reason, expected) in enumerate(UNREAD):
        one = told[_apart(number), subject, reason]
        assert (one.records, one.amounts["USD/BilledCost"]) == (1, number + 1), name
        assert cells[subject].startswith(one.example.split(" to ")[0]), name
        assert _found(stored[f"r-{number}"], expected) == expected, name
    assert bills.ingest().repairs == ()


def test_what_was_repaired_alike_is_one_line_with_the_money_of_each_currency(bills: Bills) -> None:
    """Both metrics, each by its currency, of all rows; the example is the first of all values by the alphabet."""
    least = ".000000000000000001"
    repaired = [
        ("many", "USD", f"1{least}", f"10{least}"),
        ("few", "USD", "2", "20"),
        ("some", "EUR", "4", "40"),
        ("all", "EUR", "8", "80"),
    ]
    rows = [
        _row(
            number,
            ConsumedQuantity=told,
            BillingCurrency=currency,
            BilledCost=billed,
            EffectiveCost=effective,
        )
        for number, (told, currency, billed, effective) in enumerate(repaired)
    ]
    bills.put("a.csv", _csv(*rows, _row(9, BilledCost="16", EffectiveCost="160")))
    (line,) = bills.ingest().repairs
    assert (line.object_name, line.period, line.subject) == ("a.csv", SEPTEMBER, "ConsumedQuantity")
    assert (line.records, line.example) == (4, "all")
    assert line.amounts == {
        "USD/BilledCost": Decimal(f"3{least}"),
        "USD/EffectiveCost": Decimal(f"30{least}"),
        "EUR/BilledCost": 12,
        "EUR/EffectiveCost": 120,
    }


BROKEN = "holds bytes that are no UTF-8: replaced by U+FFFD"


def _latin(number: int, **cells: str) -> bytes:
    """A CSV of a charge that is Latin-1 throughout, of 50 cents more than its number."""
    return _csv(_row(number, BilledCost=f"{number}.5", **cells)).encode("latin-1")


def _latin_lines(number: int, **cells: str) -> bytes:
    line = json.dumps(_row(number, BilledCost=f"{number}.5", **cells), ensure_ascii=False)
    return line.encode("latin-1") + b"\n"


DECIDING = ("BillingCurrency", "ChargeCategory", "ChargeClass", "Tags")
"""Text that decides about a row, and tags, which have a shape of their own."""


def test_text_that_is_no_utf8_is_replaced_and_counted_and_money_of_it_is_refused(bills: Bills) -> None:
    good = _csv(_row(900, BilledCost="0.25", RegionName="B\ufffdle, Größe", ServiceName="ß")).encode()
    cut = _csv(_row(6, BilledCost="6.5", ResourceName="Größe")).encode().replace("ß".encode(), b"\xc3")
    blank = _latin(4, SubAccountName="Café").replace(b"\n", b"\n\n", 1)
    tabs = _csv(_row(3, BilledCost="3.5", ServiceName="Größe"), delimiter="\t").encode("latin-1")
    read = {
        "one.csv": (1, _latin(1, ServiceName="Größe"), {"ServiceName": "Gr\ufffd\ufffde"}),
        "several.csv": (
            2,
            _latin(2, ServiceName="é", RegionName="naïve", ChargeDescription="für", SubAccountId="ü"),
            {
                "ServiceName": "\ufffd",
                "RegionName": "na\ufffdve",
                "ChargeDescription": "f\ufffdr",
                "SubAccountId": "\ufffd",
            },
        ),
        "tabs.csv": (3, tabs, {"ServiceName": "Gr\ufffd\ufffde"}),
        "blank.csv": (4, blank, {"SubAccountName": "Caf\ufffd"}),
        "tags.csv": (5, _latin(5, Tags='{"équipe": "é"}'), {"Tags": {"\ufffdquipe": "\ufffd"}}),
        "cut.csv": (6, cut, {"ResourceName": "Gr\xf6\ufffde"}),
        "lines.jsonl": (7, _latin_lines(7, ServiceName="Größe"), {"ServiceName": "Gr\ufffd\ufffde"}),
        "details.csv": (8, _latin(8, SkuPriceDetails='{"a": "é"}'), {"SkuPriceDetails": '{"a": "\ufffd"}'}),
    }
    every = [
        one.name for one in columns().values() if one.type in ("string", "json") and one.name not in DECIDING
    ]
    assert len(every) > 40
    read["every.csv"] = (
        9,
        _latin(9, **dict.fromkeys(every, "é"), Tags='{"a": "é"}'),
        {**dict.fromkeys(every, "\ufffd"), "Tags": {"a": "\ufffd"}},
    )
    refused = {
        "cost.csv": ("BilledCost", _csv(_row(20, BilledCost="1\xa0")).encode("latin-1")),
        "currency.csv": ("BillingCurrency", _latin(21, BillingCurrency="\xdcSD")),
        "category.csv": ("ChargeCategory", _latin(22, ChargeCategory="Us\xe4ge")),
        "period.csv": ("BillingPeriodStart", _latin(23, BillingPeriodStart="2024-09-01\xa0")),
        "lines-cost.jsonl": ("EffectiveCost", _latin_lines(24, EffectiveCost="1\xe9")),
    }
    months = {name: f"2024-{month:02}" for month, name in enumerate(refused, 1)}
    bills.put("good.csv", good)
    for name, (_, content, _) in read.items():
        bills.put(name, content)
    # each of a month of its own: a refused charge refuses its month
    for name, (_, content) in refused.items():
        bills.put(name, content.replace(b"2024-09", b"2023-" + months[name][5:].encode()))
    outcome = bills.ingest()
    by_number = [number for number, _, _ in read.values()]
    assert bills.published() == {SEPTEMBER: Decimal("0.25") + sum(by_number) + Decimal("0.5") * len(read)}
    told = {one.object_name: one.sentence for one in outcome.refusals}
    assert told.keys() == refused.keys()
    for name, (column, _) in refused.items():
        assert told[name].startswith(f"{column} "), told[name]
    lines = bills.warehouse.frame_of(
        "SELECT object_name, toString(subject), records, toString(amounts['USD/BilledCost']) FROM raw_repairs FINAL"
        " WHERE reason = {reason:String}",
        reason=BROKEN,
    ).rows()
    assert sorted(lines) == sorted(
        (name, column, 1, f"{number}.5") for name, (number, _, cells) in read.items() for column in cells
    )
    stored = {name: cells for name, (_, _, cells) in read.items()}
    stored["good.csv"] = {"RegionName": "B\ufffdle, Größe", "ServiceName": "ß"}
    rows = bills.warehouse.frame_of("SELECT * FROM raw_focus_costs_published")
    assert sorted(rows["x_ObjectName"]) == sorted(stored)
    for row in rows.iter_rows(named=True):
        cells = stored[row["x_ObjectName"]]
        assert _found(row, cells) == cells, row["x_ObjectName"]
    assert bills.ingest().repairs == ()


def test_every_column_is_stored_under_its_own_name(bills: Bills) -> None:
    texts, numbers = {}, {}
    for place, column in enumerate(columns().values()):
        if column.type in ("string", "json"):
            texts[column.name] = f"value of {column.name}"
        elif column.type == "decimal":
            numbers[column.name] = Decimal(place).scaleb(-3)
    fixed = {name: ROW[name] for name in ("BillingCurrency", "ChargeCategory", "Tags")}
    moments = {
        name: f"2024-{month:02}-{day:02}T0{hour}:00:00Z"
        for name, (month, day, hour) in {
            "BillingPeriodStart": (9, 1, 0),
            "BillingPeriodEnd": (10, 1, 0),
            "ChargePeriodStart": (9, 2, 3),
            "ChargePeriodEnd": (9, 3, 4),
        }.items()
    }
    row = {**texts, **{name: f"{value}" for name, value in numbers.items()}, **fixed, **moments}
    assert set(row) == set(columns())
    bills.put("a.csv", _csv(row))
    bills.put("b.parquet", _parquet({**row, "ResourceId": "another"}))
    assert bills.ingest().refusals == ()
    frame = bills.warehouse.frame_of("SELECT * FROM raw_focus_costs_published ORDER BY x_ObjectName")
    for stored, resource in zip(frame.iter_rows(named=True), ("value of ResourceId", "another"), strict=True):
        for name in columns():
            expected: Any = {**texts, **numbers, **fixed, "ResourceId": resource}.get(name)
            if name == "Tags":
                assert dict(stored[name]) == PLAIN_TAGS
            elif name in moments:
                assert stored[name] == datetime.fromisoformat(moments[name]).astimezone(UTC)
            else:
                assert stored[name] == expected, name


def _written(draw: random.Random, value: Decimal) -> str:
    """A number as somebody may write it."""
    shape = draw.randrange(5)
    if shape == 0:
        return f"{value:E}"
    if shape == 1:
        return f" {value:f} "
    if shape == 2 and value >= 0:
        return f"+{value:f}"
    if shape == 3 and value >= 0:
        return f"000{value:f}"
    return f"{value:f}"


@pytest.mark.parametrize("files", [6, pytest.param(20, marks=pytest.mark.slow)])
def test_drawn_amounts_are_exact_in_every_type(bills: Bills, files: int) -> None:
    draw = random.Random(20_240_901)
    exact = decimal.Context(prec=120)
    costs: dict[str, list[Decimal]] = {metric: [] for metric in METRICS}
    rows = []
    for number in range(200):
        places = 38 if number == 0 else draw.randrange(0, 39)  # one as long as may be
        value = Decimal(draw.choice((-1, 1)) * draw.randrange(10 ** min(places + 14, 30))).scaleb(-places)
        metric = METRICS[number % len(METRICS)]
        row = _row(number, **{metric: _written(draw, value)})
        for each in METRICS:
            costs[each].append(value if each == metric else Decimal(row[each]))
        rows.append(row)
    bills.put("text.csv", _csv(*rows))
    for number in range(files):
        cells = {}
        for metric in METRICS:
            precision = draw.choice((9, 18, 38, 60, 76))
            scale = draw.randrange(0, min(precision, 38) + 1)
            most = 10 ** min(precision, scale + 15)
            value = Decimal(draw.choice((-1, 1)) * draw.randrange(most)).scaleb(-scale, exact)
            costs[metric].append(value)
            kind = pa.decimal128 if precision <= 38 else pa.decimal256
            cells[metric] = pa.array([value], kind(precision, scale))
        bills.put(f"{number}.parquet", _parquet(_row(1000 + number), **cells))
    outcome = bills.ingest()
    assert outcome.refusals == ()
    (period,) = outcome.published
    frame = bills.warehouse.frame_of(f"SELECT {', '.join(METRICS)} FROM raw_focus_costs_published")
    for metric, values in costs.items():
        kept = [value.quantize(Decimal("1E-18"), decimal.ROUND_DOWN, exact) for value in values]
        total = Decimal(0)
        for value in values:
            total = exact.add(total, value)
        held = Decimal(0)
        for value in kept:
            held = exact.add(held, value)
        assert period.sums[f"USD/{metric}"] == held
        assert exact.add(held, period.residues[f"USD/{metric}"]) == total
        assert Counter(frame[metric].to_list()) == Counter(kept), metric


TOO_LARGE: dict[str, pa.Array] = {
    "wraps.parquet": _decimal("340282366920938463463.5", 38, 9),
    "million-digits.parquet": _decimal("1e60", 76, 3),
    "short.parquet": _decimal("1000000000000000", 18, 2),
    "below.parquet": _decimal("-1000000000000000", 38, 18),
    "nan.parquet": pa.array([float("nan")]),
    "inf.parquet": pa.array([float("-inf")]),
    "double.parquet": pa.array([1e300]),
    "int.parquet": pa.array([9 * 10**17]),
    "unsigned.parquet": pa.array([2**64 - 1], pa.uint64()),
    "null.parquet": pa.array([None], pa.float64()),
    "null-type.parquet": pa.array([None]),
}


@pytest.mark.parametrize(
    ("column", "names"),
    [
        ("BilledCost", tuple(TOO_LARGE)),
        ("EffectiveCost", ("wraps.parquet", "double.parquet", "null-type.parquet")),
        pytest.param("EffectiveCost", tuple(TOO_LARGE), marks=pytest.mark.slow),
    ],
    ids=["billed", "effective", "effective-all"],
)
def test_money_that_cannot_be_held_refuses_its_month_and_never_wraps(
    bills: Bills, column: str, names: tuple[str, ...]
) -> None:
    bills.put("good.csv", _csv(_row(0, BilledCost="5")))
    bills.ingest()
    for number, name in enumerate(names, start=1):
        bills.put(name, _parquet(_row(number), **{column: TOO_LARGE[name]}))
    outcome = bills.ingest()
    assert {one.object_name for one in outcome.refusals} == set(names)
    assert all(one.sentence.startswith(column) and one.position == 1 for one in outcome.refusals)
    assert bills.published() == {SEPTEMBER: 5}


def test_other_numbers_that_cannot_be_held_are_empty_and_counted(bills: Bills) -> None:
    costs = [name for name in TOO_LARGE if not name.startswith("null")]
    costs += costs[: len(costs) % 2]
    quantities = ["wraps.parquet", "million-digits.parquet", "nan.parquet"]  # of 20 digits before the point
    objects = [
        {"ListCost": one, "ContractedCost": other} for one, other in zip(costs[::2], costs[1::2], strict=True)
    ]
    for cells, quantity in zip(objects, quantities, strict=False):
        cells["ConsumedQuantity"] = quantity
    for number, cells in enumerate(objects):
        given = {column: TOO_LARGE[name] for column, name in cells.items()}
        bills.put(f"{number}.parquet", _parquet(_row(number), **given))
    outcome = bills.ingest()
    assert outcome.refusals == ()
    told = [(one.object_name, one.subject) for one in outcome.repairs]
    assert sorted(told) == sorted(
        (f"{number}.parquet", column) for number, cells in enumerate(objects) for column in cells
    )
    kept = bills.warehouse.frame_of(
        "SELECT count(), count(ListCost), count(ContractedCost), count(ConsumedQuantity) FROM raw_focus_costs_published"
    )
    assert kept.row(0) == (len(objects), 0, 0, 0)


MONTHS = [
    ("2026-09-01T00:00:00+02:00", "2026-10-01T00:00:00+02:00", False),
    ("2026-09-01 07:00:00 UTC", "2026-10-01 07:00:00 UTC", False),
    ("2026-09-01 07:00:00 UTC", "2026-09-30 07:00:00 UTC", False),  # Google's view: the last day
    ("2026-08-31T22:00:00Z", "2026-09-30T22:00:00Z", False),
    ("2026-09-01T00:00:00+14:00", "2026-10-01T00:00:00+14:00", False),
    ("2026-09-01T00:00:00-12:00", "2026-10-01T00:00:00-12:00", False),
    ("2026-09-01", "2026-09-30", False),
    ("2026-09-01 00:00:00.123456 UTC", "2026-10-01 00:00:00+00", False),
    ("2026-09-15", "2026-10-15", True),
    ("2026-09-01", "2026-09-08", True),
    ("2026-09-01", "2026-12-01", True),
]


def test_a_month_is_the_one_its_provider_means(bills: Bills) -> None:
    objects: dict[str, list[dict[str, str]]] = {}
    for number, (start, end, is_odd) in enumerate(MONTHS):
        charge = {"ChargePeriodStart": start, "ChargePeriodEnd": end}
        row = _row(number, BillingPeriodStart=start, BillingPeriodEnd=end, **charge)
        objects.setdefault(f"odd-{number}.csv" if is_odd else "whole.csv", []).append(row)
    for name, rows in objects.items():
        bills.put(name, _csv(*rows))
    zone = pa.timestamp("ms", "America/Los_Angeles")
    moments = {
        name: pa.array([datetime(2026, month, 1, 7, tzinfo=UTC)], zone)
        for name, month in (("BillingPeriodStart", 9), ("BillingPeriodEnd", 10))
    }
    days = {
        "ChargePeriodStart": pa.array([date(2026, 9, 2)]),
        "ChargePeriodEnd": pa.array([1_788_393_600 * 10**9], pa.timestamp("ns")),
    }
    bills.put("typed.parquet", _parquet(_row(100), **moments, **days))
    outcome = bills.ingest()
    assert outcome.refusals == ()
    assert bills.published() == {date(2026, 9, 1): len(MONTHS) + 1}
    odd = {one.object_name for one in outcome.repairs if one.subject == "BillingPeriodStart"}
    assert odd == set(objects) - {"whole.csv"}
    typed = bills.warehouse.frame_of(
        "SELECT ChargePeriodStart, ChargePeriodEnd FROM raw_focus_costs_published WHERE ResourceId = 'r-100'"
    ).row(0)
    assert typed == (datetime(2026, 9, 2, tzinfo=UTC), datetime(2026, 9, 3, tzinfo=UTC))


ORACLE = {
    **{name: value for name, value in ROW.items() if name not in ("ProviderName", "ContractedCost")},
    "Provider": "Oracle",
    "Publisher": "Oracle",
    "InvoiceIssuer": "Oracle",
    "Region": "us-ashburn-1",
    "UsageQuantity": "3",
    "UsageUnit": "OCPU Hours",
    "ChargeSubCategory": "On-Demand",
    "oci_CompartmentId": "ocid1.compartment",
}
AZURE_PREVIEW = {
    **{name: value for name, value in ROW.items() if name != "ContractedCost"},
    "ChargeSubcategory": "On-Demand",
    "UsageQuantity": "3",
    "UsageUnit": "Hours",
    "Region": "EU West",
    "x_OnDemandCost": "0.9",
    "x_InvoiceId": "i-1",
    "x_SkuDetails": '{"a":1}',
}


def test_oracle_s_report_is_read_by_its_names_and_an_empty_effective_cost_is_what_is_billed(
    bills: Bills,
) -> None:
    bills.put(
        "oracle.csv",
        _csv({**ORACLE, "BilledCost": "2.5", "EffectiveCost": ""}, {**ORACLE, "EffectiveCost": "0.5"}),
    )
    outcome = bills.ingest()
    assert outcome.refusals == ()
    (period,) = outcome.published
    assert (period.sums["USD/BilledCost"], period.sums["USD/EffectiveCost"]) == (Decimal("3.5"), Decimal(3))
    told = {one.subject: one for one in outcome.repairs}
    assert (told["EffectiveCost"].records, told["EffectiveCost"].amounts["USD/BilledCost"]) == (
        1,
        Decimal("2.5"),
    )
    assert told["ContractedCost"].records == 2
    row = bills.warehouse.frame_of("SELECT * FROM raw_focus_costs_published").row(0, named=True)
    expected = {"ProviderName": "Oracle", "InvoiceIssuerName": "Oracle", "RegionId": "us-ashburn-1"}
    expected |= {"ConsumedQuantity": Decimal(3), "ConsumedUnit": "OCPU Hours", "ContractedCost": None}
    assert {name: row[name] for name in expected} == expected


def test_an_empty_effective_cost_elsewhere_refuses_the_month(bills: Bills) -> None:
    bills.put("a.csv", _csv(_row(0, EffectiveCost="")))
    outcome = bills.ingest()
    assert "EffectiveCost NULL" in outcome.refusals[0].sentence
    assert bills.published() == {}


def test_azure_s_preview_is_read_by_its_names(bills: Bills) -> None:
    bills.put("azure.csv", _csv(AZURE_PREVIEW))
    assert bills.ingest().refusals == ()
    row = bills.warehouse.frame_of("SELECT * FROM raw_focus_costs_published").row(0, named=True)
    expected = {"ContractedCost": Decimal("0.9"), "InvoiceId": "i-1", "SkuPriceDetails": '{"a":1}'}
    expected |= {"ConsumedQuantity": Decimal(3), "RegionName": "EU West", "RegionId": None}
    assert {name: row[name] for name in expected} == expected


def test_google_s_view_is_read_as_csv_json_lines_and_parquet(bills: Bills) -> None:
    view = {
        **{name: value for name, value in ROW.items() if name != "ContractedCost"},
        "ContractedCost": "",
        "BillingPeriodStart": "2026-09-01 07:00:00 UTC",
        "BillingPeriodEnd": "2026-09-30 07:00:00 UTC",
        "ChargePeriodStart": "2026-09-02 03:00:00 UTC",
        "ChargePeriodEnd": "2026-09-02 04:00:00 UTC",
        "ChargeCategory": "tax",
        "ListCost": "",
        "ProviderName": "Google Cloud",
        "ConsumedQuantity": "2678400000000000",
        "x_CostType": "tax",
        "x_Credits": "[]",
    }
    labels = [
        {"key": "app_id", "value": "project", "x_type": "project_label", "x_inherited": True},
        {"key": "app_id", "value": "own", "x_type": "label", "x_inherited": False},
    ]
    bills.put("view.csv", _csv({**view, "ResourceId": "c", "Tags": json.dumps(labels)}))
    lines = {name: value or None for name, value in view.items()}
    bills.put("view.json", _json_lines({**lines, "ResourceId": "j", "Tags": labels, "x_Credits": []}))
    numbers = {
        "BilledCost": _decimal("1", 38, 9),
        "EffectiveCost": _decimal("1", 38, 9),
        "ConsumedQuantity": _decimal("2600000000000000000000", 38, 9),
        "ListCost": pa.array([None], pa.decimal128(38, 9)),
        "ContractedCost": pa.array([None], pa.decimal128(38, 9)),
        "BillingPeriodStart": pa.array([datetime(2026, 9, 1, 7, tzinfo=UTC)], pa.timestamp("us", "UTC")),
        "Tags": pa.array([labels]),
    }
    bills.put("view.parquet", _parquet({**view, "ResourceId": "p"}, **numbers))
    outcome = bills.ingest()
    assert outcome.refusals == ()
    assert bills.published() == {date(2026, 9, 1): 3}
    rows = bills.warehouse.frame_of(
        "SELECT x_ObjectName, ChargeCategory, Tags['app_id'], ListCost, ConsumedQuantity"
        " FROM raw_focus_costs_published ORDER BY x_ObjectName"
    ).rows()
    large = Decimal(2678400000000000)
    assert rows == [
        ("view.csv", "Tax", "own", None, large),
        ("view.json", "Tax", "own", None, large),
        ("view.parquet", "Tax", "own", None, None),
    ]
    assert [(one.object_name, one.subject) for one in outcome.repairs] == [
        ("view.parquet", "ConsumedQuantity")
    ]


@pytest.mark.parametrize("kind", ["focus", "other"])
def test_every_dialect_is_recognised_by_its_signature(kind: str) -> None:
    for dialect in dialects():
        assert dialect.signatures
        if dialect.is_focus and dialect.names:
            assert set(dialect.names.values()) <= set(columns())
    assert read_header(list(ORACLE)).dialect.name == "oracle"
    assert read_header([name.lower() for name in AZURE_PREVIEW]).dialect.name == "azure-1.0-preview"
    assert read_header(list(ROW)).dialect.name == "focus"


REFUSED = [
    (
        "cur.csv",
        "lineItem/UnblendedCost,lineItem/UsageStartDate\n1,2\n",
        "looks like AWS's Cost and Usage Report",
    ),
    ("cur.parquet", None, "looks like AWS's Cost and Usage Report"),
    (
        "ea.csv",
        "CostInBillingCurrency,MeterId,Date\n1,2,3\n",
        "looks like Azure's actual or amortized cost export",
    ),
    (
        "gcp.jsonl",
        '{"billing_account_id":"b","usage_start_time":"t","cost":1}\n',
        "looks like Google's detailed",
    ),
    ("none.csv", "when,what\n1,2\n", "its header (when, what) looks like no version of FOCUS"),
    (
        "oracle.csv",
        _csv({name: value for name, value in ORACLE.items() if name != "BilledCost"}),
        "looks like Oracle's FOCUS report, but its header lacks the required column BilledCost",
    ),
    (
        "focus.csv",
        _csv({name: value for name, value in ROW.items() if name != "ChargeCategory"}),
        "looks like FOCUS, but its header lacks the required column ChargeCategory",
    ),
    ("nested.parquet", "", "its column ServiceName is struct<x: int64>: export it as one value"),
    ("twice.parquet", "", "column billedcost twice (also written BilledCost)"),
    ("broken.jsonl", _json_lines(ROW) + "{oops\n", "no JSON object on a line"),
    ("ragged.csv", _csv(ROW, ROW, delimiter=";") + "1;2\n", "fewer fields than the header"),
    ("latin.csv", "", "byte 0xF6"),
]


def test_a_refusal_names_what_the_file_looks_like(bills: Bills) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"line_item_unblended_cost": [1.0], "bill_payer_account_id": ["b"]}), sink)
    twice = io.BytesIO()
    names = [*ROW, "billedcost"]
    pq.write_table(pa.table([pa.array(["1"])] * len(names), names), twice)
    made = {
        "cur.parquet": sink.getvalue(),
        "nested.parquet": _parquet(ROW, ServiceName=pa.array([{"x": 1}])),
        "twice.parquet": twice.getvalue(),
        "latin.csv": "Größe,Name\n1,2\n".encode("latin-1"),
    }
    for name, content, _ in REFUSED:
        bills.put(name, made.get(name, content or ""))
    found = {one.object_name: one for one in bills.ingest().refusals}
    assert set(found) == {name for name, _, _ in REFUSED}
    for name, _, sentence in REFUSED:
        assert sentence in found[name].sentence, found[name]
    assert found["ragged.csv"].position == 3


def test_rows_that_are_blank_are_left_out_and_counted(bills: Bills) -> None:
    bills.put("a.csv", _csv(_row(0, BilledCost="2")) + "," * len(ROW) + "\n" + "," * len(ROW) + "\n")
    outcome = bills.ingest()
    assert outcome.refusals == ()
    assert bills.published() == {SEPTEMBER: 2}
    assert [(one.subject, one.records) for one in outcome.repairs] == [("row", 2)]


def test_the_foundation_s_sample_with_oracle_rows_is_exact(bills: Bills, shared_data: Path) -> None:
    """The shared sample with seven rows as the full one has them: Oracle's, without a ContractedCost."""
    with (shared_data / "billing" / "focus-1.0" / "focus_sample_dev.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    oracle = [
        {
            **row,
            "ProviderName": "Oracle",
            "InvoiceIssuerName": "Oracle",
            "ContractedCost": "NULL",
            "ResourceId": f"ocid1.{number}",
            "BilledCost": f"0.{number + 1}0000000001",
            "EffectiveCost": f"0.0{number + 1}000000001",
        }
        for number, row in enumerate(rows[:7])
    ]
    bills.put("sample.csv", _csv(*rows, *oracle))
    outcome: BillingOutcome = bills.ingest()
    assert outcome.refusals == ()
    (period,) = outcome.published
    assert period.rows == len(rows) + 7
    for metric in ("BilledCost", "EffectiveCost", "ListCost"):
        assert period.sums[f"USD/{metric}"] == sum(Decimal(row[metric]) for row in (*rows, *oracle))
    contracted = sum(Decimal(row["ContractedCost"]) for row in rows)
    assert period.sums["USD/ContractedCost"] == contracted
    empty = bills.warehouse.frame_of("SELECT countIf(ContractedCost IS NULL) FROM raw_focus_costs_published")
    assert empty.item() == 7


def test_names_of_json_lines_stand_in_the_order_of_their_first_line(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    lines = tmp_path / "lines.jsonl"
    lines.write_text('{"b": 1, "a": 1}\n{"z": null}\n{"c": 2, "b": 3, "a": 4}\n')
    assert member_names(warehouse.reading, lines) == ["a", "b", "z", "c"]
