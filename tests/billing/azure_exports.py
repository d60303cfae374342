"""Azure cost exports made for tests, and what they hold by Python's own decimals: no code of the product is used here."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal, localcontext

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

DIGITS = 80
"""Digits sums are made with here: Python's own 28 would round them."""


@pytest.fixture(autouse=True)
def every_digit() -> Iterator[None]:
    """Sums of a test have every digit; whoever imports this has it for each of its tests, and nobody else."""
    with localcontext(prec=DIGITS):
        yield


PLACES = Decimal(1).scaleb(-18)

OTHER_LANGUAGES = {
    "de": {"Date": "Datum", "Cost": "Kosten", "SubscriptionId": "Abonnement-GUID", "Tags": "Markierungen"},
    "fr": {"Date": "Date", "Cost": "Coût", "MeterId": "ID du compteur", "Tags": "Balises"},
    "es": {"Date": "Fecha", "Cost": "Coste", "ResourceId": "Id. de recurso", "Tags": "Etiquetas"},
    "ja": {"Date": "日付", "Cost": "コスト", "ResourceGroup": "リソース グループ", "Tags": "タグ"},
}


@dataclass(frozen=True)
class Charge:
    """One row, as what it means."""

    day: date
    cost: Decimal
    resource: str = "vm-1"
    group: str = "shop"
    meter: str = "f31064a2-ed95-4e11-8b69-270f2fc4fbdd"
    kind: str = "Usage"
    model: str = "OnDemand"
    currency: str = "USD"
    tags: tuple[tuple[str, str], ...] = (("app_id", "shop"),)

    @property
    def month(self) -> date:
        return self.day.replace(day=1)


@dataclass(frozen=True)
class Form:
    """How a file spells its rows."""

    header: str = "ea"
    dates: str = "mdy"
    braces: bool = False
    bom: bool = False
    delimiter: str = ","
    packing: str = "csv"
    with_periods: bool = True
    renamed: dict[str, str] = field(default_factory=dict)


FORMS = [
    Form(bom=True),
    Form(header="mca", dates="iso", braces=True),
    Form(header="spaced", dates="time", delimiter=";"),
    Form(header="snake", dates="compact", packing="csv.gz"),
    Form(header="upper", dates="dmy", with_periods=False),
    Form(header="de", dates="dotted", bom=True, delimiter=";"),
    Form(header="fr", dates="dmy"),
    Form(header="es", dates="iso", braces=True, with_periods=False),
    Form(header="ja", dates="mdy", bom=True),
    Form(header="mca", dates="iso", packing="parquet"),
    Form(header="ea", dates="typed", packing="parquet"),
]

_RENAMED = {
    "mca": {"Cost": "costInBillingCurrency", "ResourceGroup": "resourceGroupName"},
    "snake": {"Cost": "cost_in_billing_currency", "BillingCurrency": "billing_currency_code"},
    "upper": {"Cost": "PRETAXCOST", "Date": "USAGEDATETIME", "BillingCurrency": "CURRENCY"},
}


def _spelled(name: str, form: Form) -> str:
    if name in form.renamed:
        return form.renamed[name]
    if name in _RENAMED.get(form.header, {}):
        return _RENAMED[form.header][name]
    parts = "".join(f" {c}" if c.isupper() else c for c in name.replace("ID", "Id")).split()
    if form.header == "mca":
        return name[0].lower() + name[1:]
    if form.header == "spaced":
        return " ".join(parts)
    if form.header == "snake":
        return "_".join(parts).lower()
    if form.header == "upper":
        return name.upper()
    if form.header in OTHER_LANGUAGES:
        return f"{OTHER_LANGUAGES[form.header].get(name, f'Spalte {name}')} ({name})"
    return name


def _day(day: date, form: Form) -> str:
    return {
        "mdy": f"{day:%m/%d/%Y}",
        "dmy": f"{day:%d/%m/%Y}",
        "dotted": f"{day:%d.%m.%Y}",
        "iso": day.isoformat(),
        "time": f"{day.isoformat()}T00:00:00Z",
        "compact": f"{day:%Y%m%d}",
        "typed": day.isoformat(),
    }[form.dates]


def _month_end(month: date) -> date:
    return (month.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)


def rows(charges: Iterable[Charge], form: Form) -> list[dict[str, str]]:
    """The charges as cells by delivered name."""
    made = []
    for one in charges:
        tags = json.dumps(dict(one.tags)) if one.tags else ""
        cells = {
            "BillingAccountId": "8611537",
            "SubscriptionId": "ed570627-0265-4620-bb42-bae06bcfa914",
            "Date": _day(one.day, form),
            "ProductName": "B1s - UK South",
            "MeterCategory": "Virtual Machines",
            "MeterId": one.meter,
            "Quantity": "1",
            "Cost": f"{one.cost:f}",
            "BillingCurrency": one.currency,
            "ResourceId": f"/subscriptions/s/resourceGroups/{one.group}/providers/Microsoft.Compute/virtualMachines/{one.resource}",
            "ResourceGroup": one.group,
            "Tags": tags if form.braces or not tags else tags[1:-1],
            "ChargeType": one.kind,
            "PricingModel": one.model,
        }
        if form.with_periods:
            cells["BillingPeriodStartDate"] = _day(one.month, form)
            cells["BillingPeriodEndDate"] = _day(_month_end(one.month), form)
        made.append({_spelled(name, form): value for name, value in cells.items()})
    return made


def export(charges: Sequence[Charge], form: Form | None = None) -> bytes:
    """A file of these charges; without any, its header alone."""
    form = form or Form()
    cells = rows(charges, form) or rows([Charge(date(2024, 1, 1), Decimal(0))], form)
    names = list(cells[0])
    cells = cells if charges else []
    if form.packing == "parquet":
        columns: dict[str, pa.Array] = {}
        for name in names:
            values: list[object] = [row[name] for row in cells]
            type_: pa.DataType = pa.string()
            if name == _spelled("Cost", form):
                values, type_ = [Decimal(str(value)) for value in values], pa.decimal256(60, 28)
            elif form.dates == "typed" and "Date" in name:
                values, type_ = [date.fromisoformat(str(value)) for value in values], pa.date32()
            columns[name] = pa.array(values, type_)
        out = io.BytesIO()
        pq.write_table(pa.table(columns), out)
        return out.getvalue()
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, names, delimiter=form.delimiter, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(cells)
    content = text.getvalue().encode("utf-8-sig" if form.bom else "utf-8")
    return gzip.compress(content) if form.packing == "csv.gz" else content


def made_up(seed: int, count: int = 40, months: int = 2, days: int = 28) -> list[Charge]:
    """Charges with what costs are in practice: many places, refunds, nothing, large ones; each told apart by its resource."""
    rng = random.Random(seed)
    charges = []
    for place in range(count):
        month = date(2024, 1 + place % months, 1)
        digits = Decimal(rng.randint(-(10**9), 10 ** rng.choice((2, 9, 14))))
        cost = digits.scaleb(-rng.choice((0, 2, 6, 18, 24, 28))) if rng.random() > 0.15 else Decimal(0)
        kind = "Refund" if cost < 0 else "Usage"
        tags = (("app_id", f"app{place % 5}"), ("Kosten stelle", 'a "b", {c}')) if rng.random() > 0.3 else ()
        charges.append(
            Charge(
                # one day past the twelfth in each file, so that the order of its dates is told
                month + timedelta(days=(12 + place % 15) if place < months else rng.randrange(days)),
                cost,
                resource=f"vm-{seed}-{place}",
                kind=kind,
                currency=rng.choice(("USD", "USD", "EUR")),
                tags=tags,
            )
        )
    return charges


def cut(value: Decimal) -> Decimal:
    """What 18 places hold of an amount."""
    with localcontext() as context:
        context.prec = 80
        return value.quantize(PLACES, rounding="ROUND_DOWN")


def totals(charges: Iterable[Charge]) -> dict[tuple[date, str], tuple[int, Decimal, Decimal]]:
    """Rows, what 18 places hold and what they cut off, by month and currency."""
    found: dict[tuple[date, str], tuple[int, Decimal, Decimal]] = defaultdict(
        lambda: (0, Decimal(0), Decimal(0))
    )
    for one in charges:
        count, kept, rest = found[one.month, one.currency]
        found[one.month, one.currency] = count + 1, kept + cut(one.cost), rest + one.cost - cut(one.cost)
    return dict(found)


def dearer(charges: Iterable[Charge], by: Decimal) -> list[Charge]:
    """The same charges, rated again."""
    return [replace(one, cost=one.cost * by if one.cost else one.cost) for one in charges]
