"""A bill with known sums, written and mutated from a seed: the same seed, the same bytes.

A ``Delivery`` is what lies at a source at one scan; a mutated bill has one or two of them, one after the other.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Row = dict[str, Any]
Key = tuple[date, str, str]
"""Billing month, currency, app (empty: no app tag)."""


@dataclass(frozen=True)
class File:
    """One object of a source; ``age_seconds`` puts its modification time before that of an ordinary file."""

    name: str
    content: bytes
    age_seconds: int = 0


@dataclass(frozen=True)
class Delivery:
    """Everything at the source at one scan, and the sums a reader must then find, unless something was said."""

    files: tuple[File, ...]
    truth: Mapping[Key, tuple[Decimal, Decimal]]
    quantity: Decimal
    must_be_told: bool = False
    """Something was lost that the sums do not show: exact sums are not enough, it must be said."""
    must_be_exact: bool = False
    """Nothing is wrong with it: refusing it is wrong too."""


@dataclass(frozen=True)
class MutatedBill:
    """What the source delivers, scan after scan, and what was done to it, in words."""

    seed: int
    kinds: tuple[str, ...]
    deliveries: tuple[Delivery, ...]
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Form:
    """How rows become a file."""

    suffix: str = ".csv"
    delimiter: str = ","
    encoding: str = "utf-8"
    newline: str = "\n"
    blank_lines: bool = False
    quote_all: bool = False
    packed: bool = False
    names: str = "focus"
    moments: str = "z"
    tags: str = "json"
    numbers: str = "text"
    shuffled_columns: bool = False

    def words(self) -> tuple[str, ...]:
        """What differs from a plain CSV."""
        plain = Form()
        return tuple(
            f"{name}={getattr(self, name)!r}"
            for name in self.__dataclass_fields__
            if getattr(self, name) != getattr(plain, name)
        )


MONEY = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")
NUMBERS = (*MONEY, "ConsumedQuantity", "PricingQuantity", "ListUnitPrice")
MOMENTS = ("BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd")
SERVICES = ("Compute Engine", "Object Storage", "Função", "Datenbank für Alle", "Queue; fast, cheap")
APPS = ("shop", "Claim-Checker", "über-app", "")


def rows_of(rng: random.Random, seed: int, count: int) -> list[Row]:
    """Charges of two months and three apps that no other seed has."""
    currency = rng.choice(("USD", "EUR", "JPY"))
    rows = []
    for number in range(count):
        month = rng.choice((9, 10))
        start = datetime(2024, month, rng.randint(1, 28), tzinfo=UTC)
        app = rng.choice(APPS)
        places = rng.choice((0, 2, 4, 9))
        billed = Decimal(rng.randint(-20_000, 900_000)).scaleb(-places) + Decimal(number + 1)
        tags = {"env": rng.choice(("prod", "dev")), "n": str(number)}
        if app:
            tags["app_id"] = app
        rows.append(
            {
                "BilledCost": billed,
                "EffectiveCost": billed * rng.choice((Decimal(1), Decimal("0.75"))),
                "ListCost": abs(billed) + 1,
                "ContractedCost": rng.choice((abs(billed), None)),
                "BillingAccountId": f"account-{seed}",
                "BillingCurrency": currency,
                "BillingPeriodStart": datetime(2024, month, 1, tzinfo=UTC),
                "BillingPeriodEnd": datetime(2024, month + 1, 1, tzinfo=UTC),
                "ChargePeriodStart": start,
                "ChargePeriodEnd": start + timedelta(days=1),
                "ChargeCategory": rng.choice(("Usage", "Usage", "Usage", "Tax", "Credit", "Purchase")),
                "ChargeDescription": rng.choice(("plain", 'with "quotes"', "two\nlines", "a;b,c", "")),
                "ServiceName": rng.choice(SERVICES),
                "ProviderName": rng.choice(("AWS", "Microsoft")),
                "ResourceId": f"r-{seed}-{number}",
                "SubAccountId": f"sub-{seed % 7}",
                "RegionId": rng.choice(("eu-1", "us-1", None)),
                "SkuId": f"sku-{number % 5}",
                "ConsumedQuantity": Decimal(rng.randint(0, 10**7)).scaleb(-3),
                "PricingQuantity": Decimal(rng.randint(0, 10**5)).scaleb(-2),
                "ListUnitPrice": Decimal(rng.randint(0, 10**5)).scaleb(-5),
                "Tags": tags,
            }
        )
    return rows


def truth_of(rows: Iterable[Row]) -> dict[Key, tuple[Decimal, Decimal]]:
    """Billed and effective by month, currency and app, in exact arithmetic."""
    sums: dict[Key, tuple[Decimal, Decimal]] = {}
    for row in rows:
        tags = row["Tags"] if isinstance(row["Tags"], dict) else {}
        key = (row["BillingPeriodStart"].date(), row["BillingCurrency"], tags.get("app_id", ""))
        billed, effective = sums.get(key, (Decimal(0), Decimal(0)))
        sums[key] = (billed + row["BilledCost"], effective + row["EffectiveCost"])
    return sums


def quantity_of(rows: Iterable[Row]) -> Decimal:
    """Sum of what was consumed; unreadable quantities count nothing."""
    return sum(
        (row["ConsumedQuantity"] for row in rows if isinstance(row["ConsumedQuantity"], Decimal)), Decimal(0)
    )


def drawn_form(rng: random.Random) -> Form:
    """A packing, spelling and format, each of which must be read exactly."""
    names = rng.choice(("focus", "lower", "upper", "snake", "spaced", "one-lower"))
    moments = rng.choice(("z", "space-utc", "offset", "plain", "micros"))
    order = rng.random() < 0.5
    if rng.random() < 0.35:
        return Form(
            ".parquet",
            names=rng.choice(("focus", "lower", "upper", "one-lower")),
            moments=rng.choice(("typed", "typed-naive", "z")),
            tags=rng.choice(("json", "map", "pairs", "struct")),
            numbers=rng.choice(("text", "decimal", "short")),
            shuffled_columns=order,
        )
    if rng.random() < 0.12:
        return Form(
            ".jsonl",
            names="focus",
            moments=moments,
            tags=rng.choice(("json", "map")),
            packed=rng.random() < 0.5,
        )
    encoding = rng.choice(("utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le-bom"))
    return Form(
        ".csv",
        delimiter=rng.choice((",", ",", ",", ";", "\t")),
        encoding=encoding,
        newline=rng.choice(("\n", "\r\n")),
        blank_lines=rng.random() < 0.3,
        quote_all=rng.random() < 0.3,
        packed=rng.random() < 0.4,
        names=names,
        moments=moments,
        tags=rng.choice(("json", "json", "braceless")),
        numbers=rng.choice(("text", "text", "exponent", "plus")),
        shuffled_columns=order,
    )


def written(rows: Iterable[Row], form: Form, stem: str, rng: random.Random) -> File:
    """The rows as one file."""
    rows = list(rows)
    columns = list(rows[0]) if rows else list(rows_of(random.Random(0), 0, 1)[0])
    if form.shuffled_columns:
        rng.shuffle(columns)
    spelled = {column: _spelled(column, form.names) for column in columns}
    if form.suffix == ".parquet":
        return File(f"{stem}.parquet", _parquet(rows, columns, spelled, form))
    if form.suffix == ".jsonl":
        content = b"".join(
            json.dumps({spelled[c]: _json_cell(row[c], c, form) for c in columns}).encode() + b"\n"
            for row in rows
        )
    else:
        content = _csv(rows, columns, spelled, form)
    if form.packed:
        return File(f"{stem}{form.suffix}.gz", gzip.compress(content, mtime=0))
    return File(f"{stem}{form.suffix}", content)


def _csv(rows: list[Row], columns: list[str], spelled: Mapping[str, str], form: Form) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(
        out,
        delimiter=form.delimiter,
        lineterminator=form.newline,
        quoting=csv.QUOTE_ALL if form.quote_all else csv.QUOTE_MINIMAL,
    )
    writer.writerow([spelled[column] for column in columns])
    for row in rows:
        writer.writerow([_text(row[column], column, form) for column in columns])
        if form.blank_lines:
            out.write(form.newline)
    text = out.getvalue()
    if form.encoding == "utf-16-le-bom":
        return b"\xff\xfe" + text.encode("utf-16-le")
    return text.encode(form.encoding)


def _parquet(rows: list[Row], columns: list[str], spelled: Mapping[str, str], form: Form) -> bytes:
    arrays = []
    for column in columns:
        values = [row[column] for row in rows]
        if column == "Tags":
            arrays.append(_parquet_tags(values, form))
        elif column in NUMBERS and form.numbers != "text" and _all_decimals(values):
            kind = pa.decimal128(38, 9) if form.numbers == "short" else pa.decimal128(38, 18)
            if column == "EffectiveCost" and form.numbers == "short":
                kind = pa.decimal128(38, 12)
            arrays.append(pa.array(values, kind))
        elif column in MOMENTS and form.moments.startswith("typed"):
            naive = form.moments == "typed-naive"
            moments = [value.replace(tzinfo=None) if naive else value for value in values]
            arrays.append(pa.array(moments, pa.timestamp("us", None if naive else "UTC")))
        else:
            arrays.append(pa.array([_or_none(_text(value, column, form)) for value in values], pa.string()))
    sink = io.BytesIO()
    pq.write_table(pa.table(arrays, [spelled[column] for column in columns]), sink)
    return sink.getvalue()


def _all_decimals(values: list[Any]) -> bool:
    return all(value is None or isinstance(value, Decimal) for value in values)


def _or_none(text: str) -> str | None:
    return text or None


def _parquet_tags(values: list[Any], form: Form) -> pa.Array:
    if not all(isinstance(value, dict) for value in values) or form.tags == "json":
        return pa.array([_text(value, "Tags", form) for value in values], pa.string())
    if form.tags == "map":
        return pa.array([list(value.items()) for value in values], pa.map_(pa.string(), pa.string()))
    pair = pa.struct([("key", pa.string()), ("value", pa.string())])
    if form.tags == "pairs":
        return pa.array(
            [[{"key": k, "value": v} for k, v in value.items()] for value in values], pa.list_(pair)
        )
    keys = sorted({key for value in values for key in value})
    if not keys:  # a struct without a field cannot be written: a writer that infers types gives null
        return pa.nulls(len(values))
    return pa.array(values, pa.struct([(key, pa.string()) for key in keys]))


def _json_cell(value: Any, column: str, form: Form) -> Any:
    if value is None or (column == "Tags" and form.tags == "map"):
        return value
    return _text(value, column, form)


def _text(value: Any, column: str, form: Form) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return _moment(value, form.moments)
    if isinstance(value, dict):
        text = json.dumps(value, ensure_ascii=False)
        return text[1:-1] if form.tags == "braceless" else text
    if isinstance(value, Decimal):
        if form.numbers == "exponent":
            return f"{value:E}"
        return f"+{value:f}" if form.numbers == "plus" and value > 0 else f"{value:f}"
    return str(value)


def _moment(value: datetime, shape: str) -> str:
    return {
        "z": f"{value:%Y-%m-%dT%H:%M:%SZ}",
        "space-utc": f"{value:%Y-%m-%d %H:%M:%S} UTC",
        "offset": f"{value:%Y-%m-%dT%H:%M:%S}+00:00",
        "plain": f"{value:%Y-%m-%d %H:%M:%S}",
        "micros": f"{value:%Y-%m-%dT%H:%M:%S.000000Z}",
    }.get(shape, f"{value:%Y-%m-%dT%H:%M:%SZ}")


def _spelled(column: str, names: str) -> str:
    snake = "".join(f"_{c.lower()}" if c.isupper() and place else c.lower() for place, c in enumerate(column))
    return {
        "lower": column.lower(),
        "upper": column.upper(),
        "snake": snake,
        "spaced": snake.replace("_", " ").title(),
        "one-lower": column.lower() if column in ("Tags", "EffectiveCost") else column,
    }.get(names, column)


# What is done to a delivery. Each takes the rows and their form and returns the deliveries that follow each other.

Fault = Callable[[random.Random, list[Row], Form], tuple[tuple[Delivery, ...], dict[str, str]]]


def _right(files: Iterable[File], rows: Iterable[Row], **more: bool) -> Delivery:
    rows = list(rows)
    return Delivery(tuple(files), truth_of(rows), quantity_of(rows), **more)


def _nothing(rng: random.Random, rows: list[Row], form: Form) -> tuple[tuple[Delivery, ...], dict[str, str]]:
    return (_right([written(rows, form, "bill", rng)], rows, must_be_exact=True),), {}


def _copy_of_the_same_bytes(rng: random.Random, rows: list[Row], form: Form) -> Any:
    one = written(rows, form, "bill", rng)
    if one.name.endswith(".gz"):
        other = File("bill-unpacked" + form.suffix, gzip.decompress(one.content))
    elif rng.random() < 0.5 and form.suffix != ".parquet":
        other = File(f"copy/{one.name}.gz", gzip.compress(one.content, mtime=0))
    else:
        other = File(f"copy/{one.name}", one.content)
    return (_right([one, other], rows),), {}


def _copy_in_another_format(rng: random.Random, rows: list[Row], form: Form) -> Any:
    shuffled = list(rows)
    rng.shuffle(shuffled)
    other = written(shuffled, drawn_form(rng), "moved", rng)
    return (_right([written(rows, form, "bill", rng), other], rows),), {}


def _copy_delivered_later(rng: random.Random, rows: list[Row], form: Form) -> Any:
    one = written(rows, form, "bill", rng)
    other = written(rows[::-1], drawn_form(rng), "later", rng)
    first = _right([one], rows, must_be_exact=True)
    return (first, _right([one, other], rows)), {}


def _overlapping_files(rng: random.Random, rows: list[Row], form: Form) -> Any:
    middle = len(rows) // 2
    files = [
        written(rows[: middle + middle // 2], form, "first", rng),
        written(rows[middle:], form, "second", rng),
    ]
    return (_right(files, rows),), {}


def _part_files(rng: random.Random, rows: list[Row], form: Form) -> Any:
    middle = len(rows) // 2
    files = [written(rows[:middle], form, "part-1", rng), written(rows[middle:], form, "part-2", rng)]
    return (_right(files, rows, must_be_exact=True),), {}


def _month_to_date(rng: random.Random, rows: list[Row], form: Form) -> Any:
    some = rows[: len(rows) - 4]
    one, two = written(some, form, "2024-10-07", rng), written(rows, form, "2024-10-08", rng)
    settings = rng.choice(({}, {"deliveries": "replace"}))
    return (
        _right([one], some, must_be_exact=True),
        _right([one, two], rows, must_be_exact=bool(settings) and not _more_than_doubled(some, rows)),
    ), settings


def _more_than_doubled(before: list[Row], after: list[Row]) -> bool:
    """Whether a month that had rows has more than twice as many now, or of a currency more than twice the charges,
    credits counted as they are large: a person is asked then, whatever the source declares."""

    def sizes(rows: list[Row]) -> dict[tuple[date, str], Decimal]:
        found: dict[tuple[date, str], Decimal] = defaultdict(Decimal)
        for row in rows:
            month = row["BillingPeriodStart"].date()
            found[month, ""] += 1
            found[month, row["BillingCurrency"]] += abs(row["BilledCost"])
        return found

    old, new = sizes(before), sizes(after)
    return any(old[key] and new[key] > 2 * old[key] for key in new)


def _corrected_with_an_older_time(rng: random.Random, rows: list[Row], form: Form) -> Any:
    right = [{**row, "BilledCost": row["BilledCost"] + 1} for row in rows]
    return (
        _right([written(rows, form, "bill", rng)], rows, must_be_exact=True),
        _right([replace(written(right, form, "bill", rng), age_seconds=86_400)], right, must_be_exact=True),
    ), {}


def _shrunk(rng: random.Random, rows: list[Row], form: Form) -> Any:
    left = rows[: rng.choice((0, 1, len(rows) // 4))]
    return (
        _right([written(rows, form, "bill", rng)], rows, must_be_exact=True),
        _right([written(left, form, "bill", rng)], left),
    ), {}


def _cut_off(rng: random.Random, rows: list[Row], form: Form) -> Any:
    whole = written(rows, form, "bill", rng)
    if whole.name.endswith((".gz", ".parquet")):
        end = rng.randint(1, len(whole.content) - 1)
    else:
        # A text that ends inside a row: one that ends with a row is a whole, smaller file, which nothing can tell.
        end = whole.content.rfind((";" if form.delimiter == ";" else form.delimiter).encode(), 0, -60)
        end = max(end, 40)
    return (_right([replace(whole, content=whole.content[:end])], rows),), {}


def _unreadable_money(rng: random.Random, rows: list[Row], form: Form) -> Any:
    bad = rng.choice(("1,234.5", "nan", "inf", "abc", "", "1e400", "12.3.4", "0x1f", "1 000", "−5"))
    column = rng.choice(("BilledCost", "EffectiveCost"))
    place = rng.randrange(len(rows))
    spoiled = [{**row, column: bad} if number == place else row for number, row in enumerate(rows)]
    form = replace(form, numbers="text")
    wrong = Delivery(
        (written(spoiled, form, "bill", rng),), truth_of(rows), quantity_of(rows), must_be_told=True
    )
    return (wrong,), {}


def _unreadable_quantity(rng: random.Random, rows: list[Row], form: Form) -> Any:
    bad = rng.choice(("many", "1,234.5", "nan", "9" * 60, "1e99", "--3"))
    place = rng.randrange(len(rows))
    spoiled = [
        {**row, "ConsumedQuantity": bad} if number == place else row for number, row in enumerate(rows)
    ]
    form = replace(form, numbers="text")
    return (_right([written(spoiled, form, "bill", rng)], spoiled, must_be_told=True),), {}


def _large_quantity(rng: random.Random, rows: list[Row], form: Form) -> Any:
    large = Decimal(rng.choice(("2678400000000000", "2600000000000000000000", "99999999999999999999")))
    place = rng.randrange(len(rows))
    spoiled = [
        {**row, "ConsumedQuantity": large} if number == place else row for number, row in enumerate(rows)
    ]
    if form.numbers == "decimal":
        form = replace(form, numbers="short")
    return (_right([written(spoiled, form, "bill", rng)], spoiled),), {}


def _malformed_tags(rng: random.Random, rows: list[Row], form: Form) -> Any:
    bad = rng.choice(
        ("{'app_id': 'shop'}", '{"app_id": "shop"', "shop", "[1, 2]", '{"app_id": {"x": 1}}', "{,}")
    )
    place = rng.randrange(len(rows))
    spoiled = [{**row, "Tags": bad} if number == place else row for number, row in enumerate(rows)]
    return (
        _right([written(spoiled, replace(form, tags="json"), "bill", rng)], spoiled, must_be_told=True),
    ), {}


def _another_months_midnight(rng: random.Random, rows: list[Row], form: Form) -> Any:
    hours = rng.choice((-8, -7, 2, 5))
    if form.suffix == ".parquet" or form.moments in ("typed", "typed-naive"):
        form = replace(form, moments="z")
    offset = f"{hours:+03d}:00"
    moved = [{**row, **{name: f"{row[name]:%Y-%m-%dT%H:%M:%S}{offset}" for name in MOMENTS}} for row in rows]
    file = written(moved, form, "bill", rng)
    return (Delivery((file,), truth_of(rows), quantity_of(rows), must_be_exact=True),), {}


def _not_utf8(rng: random.Random, rows: list[Row], form: Form) -> Any:
    form = replace(form, suffix=".csv", encoding="latin-1", names="focus", packed=False, tags="json")
    return (_right([written(rows, form, "bill", rng)], rows),), {}


def _column_twice(rng: random.Random, rows: list[Row], form: Form) -> Any:
    twice = [{**row, "billed cost": row["ListCost"]} for row in rows]
    form = replace(form, names="focus", numbers="text")
    return (_right([written(twice, form, "bill", rng)], rows, must_be_told=True),), {}


def _column_missing(rng: random.Random, rows: list[Row], form: Form) -> Any:
    gone = rng.choice(
        ("BilledCost", "EffectiveCost", "BillingCurrency", "BillingPeriodStart", "ChargeCategory")
    )
    less = [{name: value for name, value in row.items() if name != gone} for row in rows]
    return (
        Delivery((written(less, form, "bill", rng),), truth_of(rows), quantity_of(rows), must_be_told=True),
    ), {}


def _ragged_row(rng: random.Random, rows: list[Row], form: Form) -> Any:
    form = replace(
        form, suffix=".csv", encoding="utf-8", delimiter=",", packed=False, blank_lines=False, newline="\n"
    )
    whole = written(rows, form, "bill", rng)
    extra = rng.choice((b",,,\n", b"1,2\n"))
    content = whole.content + (b"x," * len(rows[0]) + extra if extra == b",,,\n" else extra)
    return (_right([replace(whole, content=content)], rows, must_be_told=True),), {}


def _flipped_bit(rng: random.Random, rows: list[Row], form: Form) -> Any:
    form = replace(form, suffix=".csv", packed=True)
    whole = written(rows, form, "bill", rng)
    place = rng.randrange(12, len(whole.content))
    damaged = bytearray(whole.content)
    damaged[place] ^= 1 << rng.randrange(8)
    return (_right([replace(whole, content=bytes(damaged))], rows),), {}


FAULTS: tuple[tuple[str, int, Fault], ...] = (
    ("nothing", 6, _nothing),
    ("copy of the same bytes", 3, _copy_of_the_same_bytes),
    ("copy in another format", 3, _copy_in_another_format),
    ("copy delivered later", 3, _copy_delivered_later),
    ("overlapping files", 2, _overlapping_files),
    ("part files", 2, _part_files),
    ("month to date under new names", 2, _month_to_date),
    ("corrected with an older time", 2, _corrected_with_an_older_time),
    ("shrunk", 2, _shrunk),
    ("cut off", 3, _cut_off),
    ("unreadable money", 3, _unreadable_money),
    ("unreadable quantity", 2, _unreadable_quantity),
    ("large quantity", 2, _large_quantity),
    ("malformed tags", 2, _malformed_tags),
    ("another midnight", 2, _another_months_midnight),
    ("not UTF-8", 1, _not_utf8),
    ("column twice", 1, _column_twice),
    ("column missing", 1, _column_missing),
    ("ragged row", 1, _ragged_row),
    ("flipped bit", 2, _flipped_bit),
)
"""Name, weight in the draw, and what it does."""


def mutated_bill(seed: int) -> MutatedBill:
    """The bill of a seed."""
    rng = random.Random(f"bill {seed}")
    rows = rows_of(rng, seed, rng.randint(12, 30))
    form = drawn_form(rng)
    (name, _, fault), *_ = rng.choices(FAULTS, [weight for _, weight, _ in FAULTS])
    deliveries, settings = fault(rng, rows, form)
    return MutatedBill(seed, (name, *form.words()), deliveries, settings)
