"""Bills of providers that do not exist: random columns under random names, a mapping that fits, and what every row is.

What a row is was there first, in Python's own decimals and dates; cells and expressions are written to come to it, so
that a test compares with the truth and not with a second reading.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal, localcontext
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

PLACES = Decimal(1).scaleb(-18)
EXACT = Context(prec=200)

HOSTILE = (
    "text", "x", "xs", "given", "given_0", "mapped_0", "mapped_1", "is_there_0", "amount", "trimmed", "period", "BilledCost", "Tags",
    "billed", "currency", "select", "NULL", "is_blank_line", "position", "cost", "places", "groups", "format",
)  # fmt: skip
"""Names that mean something in the statements a bill is read by."""
ONLY_IN_CSV = (
    "Kunden's Betrag",
    "a\\b",
    'said "so"',
    "two\nlines",
    "`tick`",
    " lead",
    "_file",
    "_row_number",
    "{p:String}",
)


@dataclass
class MadeUp:
    """A bill under construction: columns as they will stand in the file, and the mapping of it."""

    rng: random.Random
    rows: int
    odd_names: bool
    columns: dict[str, list[str]] = field(default_factory=dict)
    mapping: dict[str, Any] = field(default_factory=dict)

    def column(self, cells: list[str]) -> str:
        """A new column under a name nobody has seen before."""
        while True:
            kind = self.rng.random()
            if kind < 0.35:
                name = self.rng.choice(HOSTILE)
            elif kind < 0.55 and self.odd_names:
                name = self.rng.choice(ONLY_IN_CSV)
            else:
                alphabet = "abcdefgXYZ äßé 金額 -_./()%&:;#!?"
                name = "".join(self.rng.choice(alphabet) for _ in range(self.rng.randint(3, 12)))
            plain = "".join(c for c in name.casefold() if c.isalnum())
            others = {"".join(c for c in one.casefold() if c.isalnum()) for one in self.columns}
            if plain and plain not in others and name.strip():
                self.columns[name] = cells
                return name

    def of(self, name: str) -> Any:
        """The name of a column as an expression."""
        return {"column": name} if self.rng.random() < 0.3 else name


def _plain(value: Decimal) -> str:
    return format(value, "f")


def _amount(rng: random.Random) -> Decimal:
    whole = rng.choice((0, 7, rng.randint(0, 10**6), rng.randint(0, 10**12)))
    places = rng.choice((0, 1, 2, 6, 18, 19, 25))
    return (
        Decimal(rng.choice((-1, 1, 1, 1))) * Decimal(f"{whole}.{rng.randrange(10**places):0{places or 1}d}")
    ).normalize(EXACT) + 0


def _as_written(made: MadeUp, amounts: list[Decimal]) -> Any:
    """A column as some country writes numbers."""
    rng = made.rng
    mark, grouping = rng.choice(((",", "."), (",", " "), (".", ","), (",", ""), (".", "'"), (",", "\u00a0")))
    unit, in_brackets = rng.choice(("", "EUR", "€", "US$")), rng.random() < 0.4
    cells = []
    for value in amounts:
        whole, _, rest = _plain(abs(value)).partition(".")
        grouped = f"{int(whole):,}".replace(",", grouping) if grouping else whole
        text = grouped + (mark + rest if rest else "")
        text = (f"({text})" if in_brackets else rng.choice((f"-{text}", f"{text}-"))) if value < 0 else text
        cells.append(rng.choice((f"{text} {unit}", f"{text}{unit}")) if unit else text)
    node: dict[str, Any] = {"decimal": made.of(made.column(cells)), "mark": mark}
    return node | ({"grouping": grouping} if grouping else {}) | ({"unit": unit} if unit else {})


def money(made: MadeUp, depth: int = 0) -> tuple[Any, list[Decimal]]:
    """An expression of an amount, and what it comes to in each row."""
    rng = made.rng
    kind = rng.choice(
        ("column", "written", "exponent", "sum", "difference", "product", "coalesce")
        if depth < 2
        else ("column", "written")
    )
    amounts = [_amount(rng) for _ in range(made.rows)]
    if kind == "written":
        return _as_written(made, amounts), amounts
    if kind == "exponent":
        return made.of(made.column([f"{one * 1000:f}e-3" for one in amounts])), amounts
    if kind == "coalesce":
        at = [rng.random() < 0.5 for _ in amounts]
        first = made.column(["" if later else _plain(one) for one, later in zip(amounts, at, strict=True)])
        second = made.column([_plain(one) if later else "99" for one, later in zip(amounts, at, strict=True)])
        return {"coalesce": [made.of(first), made.of(second), 0]}, amounts
    if kind in ("sum", "difference"):
        parts = [money(made, depth + 1) for _ in range(2 if kind == "difference" else rng.randint(2, 4))]
        sign = -1 if kind == "difference" else 1
        with localcontext(EXACT):
            totals = [
                row[0] + sign * sum(row[1:]) for row in zip(*(found for _, found in parts), strict=True)
            ]
            if kind == "sum":
                return {"sum": [*(node for node, _ in parts), 0.5]}, [one + Decimal("0.5") for one in totals]
        return {"difference": [node for node, _ in parts]}, totals
    if kind == "product":
        quantity = [
            Decimal(rng.randint(-(10**4), 10**6)).scaleb(-rng.randint(0, 6)) for _ in range(made.rows)
        ]
        price = [Decimal(rng.randint(0, 10**9)).scaleb(-rng.randint(0, 12)) for _ in range(made.rows)]
        names = [made.column([_plain(one) for one in each]) for each in (quantity, price)]
        with localcontext(EXACT):
            return {"product": [made.of(one) for one in names]}, [
                a * b for a, b in zip(quantity, price, strict=True)
            ]
    return made.of(made.column([_plain(one) for one in amounts])), amounts


FORMATS: dict[str, Callable[[date], str]] = {
    "DD.MM.YYYY": lambda day: f"{day:%d.%m.%Y}",
    "MM/DD/YYYY": lambda day: f"{day.month}/{day.day}/{day.year}",
    "YYYYMMDD": lambda day: f"{day:%Y%m%d}",
    "DD MON YY": lambda day: f"{day.day} {day:%B} {day:%y}",
    "MON DD, YYYY": lambda day: f"{day:%b} {day.day}, {day.year}",
    "YYYY-MM-DD HH:mm:ss": lambda day: f"{day:%Y-%m-%d} 00:00:00",
}


def day_of(made: MadeUp, days: list[date]) -> Any:
    """An expression of a day."""
    written = made.rng.choice(["", *FORMATS])
    if not written:
        return made.of(
            made.column(
                [f"{day:%Y-%m-%d}{made.rng.choice(('', 'T00:00:00Z', ' 00:00:00 UTC'))}" for day in days]
            )
        )
    return {"date": made.of(made.column([FORMATS[written](day) for day in days])), "format": written}


def word(made: MadeUp) -> tuple[Any, list[str]]:
    """An expression of a text, and what it is in each row."""
    rng = made.rng
    texts = [
        rng.choice(("alpha", "Beta beta", "größe", "x'); DROP TABLE y; --", "100 %", "{a:String}", "=1+1"))
        for _ in range(made.rows)
    ]
    kind = rng.choice(("column", "upper", "lower", "concat", "part", "map", "json", "constant"))
    if kind in ("upper", "lower"):
        name = made.column(texts)
        return {kind: name}, [one.upper() if kind == "upper" else one.lower() for one in texts]
    if kind == "concat":
        others = [rng.choice(("eu", "us")) for _ in texts]
        names = made.column(texts), made.column(others)
        return {"concat": [names[0], {"constant": " / "}, names[1]]}, [
            f"{a} / {b}" for a, b in zip(texts, others, strict=True)
        ]
    if kind == "part":
        place, name = rng.choice((1, 2, -1)), made.column([f"{one}|b|{one}c" for one in texts])
        return {"part": name, "separator": "|", "number": place}, [
            f"{one}|b|{one}c".split("|")[place - 1 if place > 0 else place].strip() for one in texts
        ]
    if kind == "map":
        meant = {one: f"<{one}>" for one in sorted(set(texts))[:2]}
        name = made.column([rng.choice((one, one.upper())) if one.isascii() else one for one in texts])
        cells = made.columns[name]
        found = [
            next((to for key, to in meant.items() if key.lower() == cell.lower()), "else") for cell in cells
        ]
        return {"map": name, "values": meant, "otherwise": {"constant": "else"}}, found
    if kind == "json":
        return {
            "json": made.column([json.dumps({"a": {"b c": one}, "d": 1}) for one in texts]),
            "member": "a.b c",
        }, texts
    if kind == "constant":
        return {"constant": texts[0]}, [texts[0]] * made.rows
    return made.of(made.column(texts)), texts


@dataclass(frozen=True)
class Truth:
    """What a row of the bill is."""

    billed: Decimal
    effective: Decimal
    currency: str
    month: date
    starts: datetime
    ends: datetime
    category: str
    service: str
    description: str
    tags: tuple[tuple[str, str], ...]


FORMS = ("csv", "semicolon.csv", "tab.tsv", "csv.gz", "parquet", "jsonl", "jsonl.gz")


def made_up(seed: int, form: str, rows: int = 25) -> tuple[str, bytes, list[Truth]]:
    """A mapping as YAML, a file it reads, and what the rows of the file are."""
    rng = random.Random(f"{seed} {form}")
    made = MadeUp(rng, rows, odd_names="csv" in form or "tsv" in form)
    billed, amounts = money(made)
    effective, others = ({"same_as": "BilledCost"}, amounts) if rng.random() < 0.4 else money(made)
    first = date(2024, rng.randint(1, 11), 1)
    days = [first + timedelta(days=rng.randint(0, 50)) for _ in range(rows)]
    day = day_of(made, days)
    currencies = [rng.choice(("EUR", "USD", "JPY")) for _ in range(rows)]
    kind = rng.choice(("constant", "column", "agreed"))
    if kind == "constant":
        currency, currencies = {"constant": "CHF"}, ["CHF"] * rows
    elif kind == "column":
        currency = made.column([one.lower() if rng.random() < 0.2 else one for one in currencies])
    else:
        currency = {
            "agreed": [
                made.column(currencies),
                made.column([rng.choice((one, "", one.lower())) for one in currencies]),
            ]
        }
    meant = {"Nutzung": "Usage", "Gebühr": "Purchase", "Steuer": "Tax", "Gutschrift": "Credit"}
    kinds = [rng.choice(list(meant)) for _ in range(rows)]
    service, services = word(made)
    description, descriptions = word(made)
    apps, labels = (
        [rng.choice(("shop", "cart", "")) for _ in range(rows)],
        [rng.choice(("{}", '{"k": "v", "app_id": "old"}', "")) for _ in range(rows)],
    )
    tags: dict[str, Any] = {"tags": {"app_id": made.column(apps), "fixed": {"constant": "yes"}}}
    if rng.random() < 0.6:
        tags["json"] = made.column(labels)
    else:
        labels = [""] * rows
    made.column([rng.choice(("unused", "12,5", "")) for _ in range(rows)])
    mapping = {
        "BilledCost": billed,
        "EffectiveCost": effective,
        "BillingCurrency": currency,
        "BillingAccountId": {"constant": "acme"},
        "BillingPeriodStart": {"month_start": day},
        "BillingPeriodEnd": {"month_end": day},
        "ChargePeriodStart": {"day_start": day},
        "ChargePeriodEnd": {"day_end": day},
        "ChargeCategory": {"map": made.column(kinds), "values": meant},
        "ServiceName": service,
        "ServiceProviderName": {"constant": "Nobody"},
        "ChargeDescription": description,
        "Tags": tags,
    }
    truths = [
        Truth(
            amounts[row], others[row], currencies[row], days[row].replace(day=1), _midnight(days[row]), _midnight(days[row] + timedelta(days=1)),
            meant[kinds[row]], services[row], descriptions[row],
            tuple(sorted({**(json.loads(labels[row] or "{}")), "fixed": "yes", **({"app_id": apps[row]} if apps[row] else {})}.items())),
        )
        for row in range(rows)
    ]  # fmt: skip
    names = list(made.columns)
    rng.shuffle(names)
    text = yaml.safe_dump({"columns": mapping}, allow_unicode=True, sort_keys=False)
    return text, written({name: made.columns[name] for name in names}, form), truths


def written(columns: dict[str, list[str]], form: str) -> bytes:
    """A file of these columns."""
    rows = list(zip(*columns.values(), strict=True))
    if form == "parquet":
        out = io.BytesIO()
        pq.write_table(
            pa.table({name: [one or None for one in cells] for name, cells in columns.items()}), out
        )
        return out.getvalue()
    if form.startswith("jsonl"):
        lines = (
            json.dumps({name: one for name, one in zip(columns, row, strict=True) if one}) for row in rows
        )
        content = "\n".join(lines).encode()
        return gzip.compress(content) if form.endswith("gz") else content
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter={"semicolon.csv": ";", "tab.tsv": "\t"}.get(form, ","))
    writer.writerow(columns)
    writer.writerows(rows)
    writer.writerow([""] * len(columns))
    return gzip.compress(text.getvalue().encode()) if form.endswith("gz") else text.getvalue().encode()


def put(folder: Path, seed: int, form: str) -> list[Truth]:
    """Writes mapping and bill below ``folder``; returns what the rows are."""
    text, content, truths = made_up(seed, form)
    (folder / f"{seed}.yaml").write_text(text, encoding="utf-8")
    (folder / "bills" / f"{seed}").mkdir(parents=True)
    (folder / "bills" / f"{seed}" / f"bill.{form}").write_bytes(content)
    return truths


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
