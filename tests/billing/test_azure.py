"""Azure's actual and amortized exports, against published totals and Python's own decimals."""

from __future__ import annotations

import csv
import random
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from models.settings import BillingSource, Settings
from pipelines.ingest.billing import BillingOutcome, ingest_source
from pipelines.ingest.billing.held import waiting
from sql.warehouse import Warehouse
from tests.billing.azure_exports import (
    FORMS,
    Charge,
    Form,
    cut,
    dearer,
    every_digit,  # noqa: F401
    export,
    made_up,
    totals,
)
from tests.billing.conftest import Bills

FED = {"actual": "BilledCost", "amortized": "EffectiveCost"}
OTHER = {"actual": "amortized", "amortized": "actual"}
REAL = {
    "actual": ("EA_ActualCost_Small.csv", 11, Decimal("8.5450077867419368")),
    "amortized": ("EA_AmortizedCost_Small.csv", 28, Decimal("16.296932136636644627485419")),
}


@dataclass
class Pair:
    """A workspace with both views of one bill, in folders of their own."""

    warehouse: Warehouse
    settings: Settings
    bills: Bills

    def put(self, view: str, name: str, content: bytes) -> Path:
        return self.bills.put(f"{view}/{name}", content)

    def ingest(self, view: str) -> BillingOutcome:
        source = next(one for one in self.settings.billing if one.name == view)
        return ingest_source(self.warehouse, self.settings, source)

    def published(self, view: str) -> dict[tuple[date, str], tuple[int, Decimal, Decimal]]:
        """Rows, billed and effective cost by month and currency, as a reader sees them."""
        found: dict[tuple[date, str], tuple[int, Decimal, Decimal]] = {}
        frame = self.warehouse.frame_of(
            "SELECT x_BillingPeriod AS month, toString(BillingCurrency) AS currency, BilledCost, EffectiveCost"
            " FROM raw_focus_costs_published WHERE x_SourceName = {view:String}",
            view=view,
        )
        for row in frame.iter_rows(named=True):
            key = row["month"], row["currency"]
            count, billed, effective = found.get(key, (0, Decimal(0), Decimal(0)))
            found[key] = count + 1, billed + row["BilledCost"], effective + row["EffectiveCost"]
        return found

    def rows(self) -> list[dict[str, Any]]:
        """All a reader sees but what a load stamps, in one order."""
        frame = self.warehouse.frame_of(
            "SELECT * EXCEPT (x_BatchId, x_ObjectName) FROM raw_focus_costs_published"
        )
        return sorted(frame.to_dicts(), key=repr)


@pytest.fixture
def pair(warehouse: Warehouse, settings: Settings) -> Pair:
    sources = (
        BillingSource("actual", "azure-actual", "bills/actual", pair="amortized"),
        BillingSource("amortized", "azure-amortized", "bills/amortized"),
    )
    for one in sources:
        (settings.root / one.location).mkdir()
    settings = replace(settings, billing=sources)
    return Pair(warehouse, settings, Bills(warehouse, settings))


def _agrees(pair: Pair, view: str, outcome: BillingOutcome, charges: list[Charge]) -> None:
    """What is published and its residue are exactly the charges, by month and currency, and the other metric is zero."""
    expected = totals(charges)
    published = pair.published(view)
    fed, other = (1, 2) if view == "actual" else (2, 1)
    assert {key: (one[0], one[fed]) for key, one in published.items()} == {
        key: (one[0], one[1]) for key, one in expected.items()
    }
    assert not any(one[other] for one in published.values())
    by_month = {one.period: one for one in outcome.periods}
    for (month, currency), (_, kept, rest) in expected.items():
        assert by_month[month].sums[f"{currency}/{FED[view]}"] == kept
        assert by_month[month].residues[f"{currency}/{FED[view]}"] == rest
        assert by_month[month].sums[f"{currency}/{FED[OTHER[view]]}"] == 0


@pytest.mark.parametrize("first", ["actual", "amortized"])
def test_the_real_pair_is_two_exact_views_in_both_orders(pair: Pair, shared_data: Path, first: str) -> None:
    for view in (first, OTHER[first]):
        name, _, _ = REAL[view]
        pair.put(view, name, (shared_data / "billing" / "azure-ea" / name).read_bytes())
        outcome = pair.ingest(view)
        assert [one.state for one in outcome.periods] == ["published"] and not outcome.refusals
        told = {one.subject for one in outcome.repairs}
        assert told == {"ListCost", "ContractedCost"}  # the other view's metric is delivered by its pair
    assert not waiting(pair.warehouse)
    billed = effective = Decimal(0)
    for view, (name, count, total) in REAL.items():
        with (shared_data / "billing" / "azure-ea" / name).open(encoding="utf-8-sig", newline="") as file:
            assert sum(Decimal(row["Cost"]) for row in csv.DictReader(file)) == total
        ((key, (found, one_billed, one_effective)),) = pair.published(view).items()
        assert key == (date(2023, 9, 1), "USD") and found == count
        billed, effective = billed + one_billed, effective + one_effective
        again = pair.ingest(view)
        assert [one.state for one in again.periods] == ["unchanged"]
        residue = again.periods[0].residues[f"USD/{FED[view]}"]
        assert (one_billed if view == "actual" else one_effective) + residue == total
    assert billed == REAL["actual"][2]
    assert effective + residue == REAL["amortized"][2] or residue == 0


def test_real_rows_keep_what_they_say(pair: Pair, shared_data: Path) -> None:
    name, _, _ = REAL["amortized"]
    content = (shared_data / "billing" / "azure-ea" / name).read_bytes()
    pair.put("amortized", name, content)
    pair.ingest("amortized")
    import json

    rows = list(csv.DictReader(content.decode("utf-8-sig").splitlines()))
    expected: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        tags = json.loads(f"{{{row['Tags']}}}")
        key = (
            row["ResourceId"],
            row["Date"],
            row["MeterCategory"],
            row["ResourceGroup"],
            sorted(tags.items()),
        )
        expected[repr(key)] += Decimal(row["Cost"]).quantize(Decimal(1).scaleb(-18), rounding="ROUND_DOWN")
    found: dict[str, Decimal] = defaultdict(Decimal)
    for one in pair.rows():
        day = f"{one['ChargePeriodStart']:%m/%d/%Y}"
        assert one["ChargePeriodEnd"] - one["ChargePeriodStart"] == timedelta(days=1)
        assert (
            f"{one['BillingPeriodStart']:%Y-%m-%d} {one['BillingPeriodEnd']:%Y-%m-%d}"
            == "2023-09-01 2023-10-01"
        )
        key = (
            one["ResourceId"],
            day,
            one["ServiceName"],
            one["x_ResourceGroupName"] or "",
            sorted(dict(one["Tags"]).items()),
        )
        found[repr(key)] += one["EffectiveCost"]
    assert found == expected
    commitments = {
        (one["CommitmentDiscountType"], one["CommitmentDiscountStatus"], one["PricingCategory"])
        for one in pair.rows()
    }
    assert commitments == {
        (None, None, "Standard"),
        ("Reservation", "Used", "Committed"),
        ("Savings Plan", "Used", "Committed"),
    }


@pytest.mark.parametrize("view", ["actual", "amortized"])
def test_conservation_in_every_spelling(pair: Pair, view: str) -> None:
    """Each way to spell a file with charges of its own; what each holds is read back by its name."""
    mine = FORMS[("actual", "amortized").index(view) :: 2]
    files = {f"{one.header}-{one.dates}.{one.packing}": (one, made_up(seed)) for seed, one in enumerate(mine)}
    for name, (form, charges) in files.items():
        pair.put(view, name, export(charges, form))
    outcome = pair.ingest(view)
    assert not outcome.refusals, outcome.refusals
    assert outcome.ignored_columns == ()
    _agrees(pair, view, outcome, [one for _, charges in files.values() for one in charges])
    found: dict[str, list[tuple[object, ...]]] = defaultdict(list)
    frame = pair.warehouse.frame_of(
        "SELECT x_ObjectName, x_BillingPeriod, ChargePeriodStart, toString(BillingCurrency) AS currency, ResourceName,"
        " ChargeCategory, x_ResourceGroupName, Tags, BilledCost + EffectiveCost AS cost FROM raw_focus_costs_published"
    )
    for row in frame.iter_rows(named=True):
        tags = tuple(sorted(dict(row["Tags"]).items()))
        day = row["ChargePeriodStart"].date()
        found[row["x_ObjectName"]].append(
            (row["x_BillingPeriod"], day, row["currency"], row["ResourceName"], row["ChargeCategory"],
             row["x_ResourceGroupName"], tags, row["cost"])
        )  # fmt: skip
    for name, (_, charges) in files.items():
        expected = [
            (one.month, one.day, one.currency, one.resource, "Purchase" if one.kind == "Refund" else "Usage", one.group,
             tuple(sorted(one.tags)), cut(one.cost))
            for one in charges
        ]  # fmt: skip
        assert sorted(found[name], key=repr) == sorted(expected, key=repr), name


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_order_packing_and_parts_change_no_row(pair: Pair, seed: int) -> None:
    view = ("actual", "amortized")[seed % 2]
    charges = made_up(100 + seed, count=30)
    pair.put(view, "bill.csv", export(charges))
    _agrees(pair, view, pair.ingest(view), charges)
    whole = pair.rows()
    random.Random(seed).shuffle(charges)
    pair.put(view, "bill.csv", export(charges, Form(header="mca", dates="iso", bom=True)))
    assert not pair.ingest(view).refusals
    assert pair.rows() == whole
    pair.put(view, "bill.csv", export(charges[:11], Form(dates="iso")))
    pair.put(view, "rest.csv", export(charges[11:], Form(header="snake", dates="compact")))
    outcome = pair.ingest(view)
    assert not outcome.refusals and not waiting(pair.warehouse)
    assert pair.rows() == whole
    _agrees(pair, view, outcome, charges)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_restated_month_is_the_newest_alone_and_reruns_change_nothing(pair: Pair, seed: int) -> None:
    view = ("amortized", "actual")[seed % 2]
    charges = made_up(200 + seed, count=24, months=1)
    to_date = [[one for one in charges if one.day.day <= last] for last in (10, 20)]
    for step in (*to_date, charges, dearer(charges, Decimal("1.01"))):  # month to date, then rated again
        pair.put(view, "bill.csv", export(step))
        _agrees(pair, view, pair.ingest(view), step)
        rows, lines = pair.rows(), pair.bills.count("raw_deliveries")
        assert {one.state for one in pair.ingest(view).periods} == {"unchanged"}
        assert (pair.rows(), pair.bills.count("raw_deliveries")) == (rows, lines)
    for table in ("raw_focus_costs", "raw_deliveries", "period_head", "raw_object_charges"):
        pair.warehouse.execute_text(f"TRUNCATE TABLE {table}")
    pair.ingest(view)
    assert pair.rows() == rows


def test_month_to_date_deliveries_replace_whatever_they_are_called(pair: Pair) -> None:
    """As exports write them that keep every run: in a folder of the month, each run a file or folder of its own."""
    charges = made_up(300, count=20, months=1)
    one, two, three = (f"{number:08x}-5d4e-4c11-8f3a-123456789abc" for number in (7, 3, 9))
    place = "daily/20240101-20240131"
    first, second = ([each for each in charges if each.day.day <= last] for last in (10, 20))
    pair.put("actual", f"{place}/{one}/part_0.csv", export(first))
    pair.ingest("actual")
    restated = dearer(second, Decimal("1.5"))
    pair.put("actual", f"{place}/{two}/part_0.csv", export(restated))
    outcome = pair.ingest("actual")
    _agrees(pair, "actual", outcome, restated)
    pair.put("amortized", f"{place}/daily_{one}.csv", export(first))
    pair.ingest("amortized")
    pair.put("amortized", f"{place}/daily_{two}.csv", export(restated))
    _agrees(pair, "amortized", pair.ingest("amortized"), restated)
    pair.put("amortized", f"{place}/daily_{three}.csv", export(charges))
    _agrees(pair, "amortized", pair.ingest("amortized"), charges)
    # in no folder of a run: one that holds the charges of an older one replaces it, as an export is a month to date
    pair.put("actual", "january.csv", export(dearer(charges, Decimal("1.5"))))
    _agrees(pair, "actual", pair.ingest("actual"), dearer(charges, Decimal("1.5")))
    assert not waiting(pair.warehouse)


@pytest.mark.parametrize("first", ["actual", "amortized"])
def test_a_pair_is_never_added_and_never_held(pair: Pair, first: str) -> None:
    """Charges of nothing are alike in both views, as their hashes are: half of these rows."""
    charges = [
        replace(one, cost=Decimal(0) if place % 2 else one.cost)
        for place, one in enumerate(made_up(400, count=20, months=1))
    ]
    spread = dearer(charges, Decimal("0.9"))
    for view, rows in ((first, charges), (OTHER[first], spread)):
        pair.put(view, "bill.csv", export(rows))
        _agrees(pair, view, pair.ingest(view), rows)
    assert not waiting(pair.warehouse)
    _agrees(pair, first, pair.ingest(first), charges)


def test_a_view_without_its_pair_says_what_is_missing(pair: Pair) -> None:
    alone = replace(pair.settings.billing[0], pair=None)
    pair.settings = replace(pair.settings, billing=(alone, pair.settings.billing[1]))
    pair.put("actual", "bill.csv", export(made_up(500, months=1)))
    (told,) = [one for one in pair.ingest("actual").repairs if one.subject == "EffectiveCost"]
    assert told.reason.startswith("is not delivered: 0") and told.records == 40


NO_DAY_PAST_TWELVE = [Charge(date(2024, 3, day), Decimal(day)) for day in (1, 2, 4, 12)]


ONE = [Charge(date(2024, 3, 13), Decimal(1))]
BAD_FILES = [
    (NO_DAY_PAST_TWELVE, Form(dates="mdy", with_periods=False), "can be read as month/day and as day/month, such as 03/01/2024"),
    (ONE, Form(renamed={"Cost": "Price"}), "lacks the required column Cost"),
    (ONE, Form(renamed={"BillingCurrency": "Money"}), "lacks the required column BillingCurrency"),
    (ONE, Form(renamed={"Tags": "Cost (Cost)"}), "has column Cost (Cost) twice (also written Cost)"),
    ([replace(ONE[0], kind="UnusedReservation")], Form(), "`format: azure-amortized` is the likely right one"),
    ([replace(ONE[0], kind="Gift")], Form(), "ChargeType Gift is no charge category of FOCUS"),
    ([replace(ONE[0], currency="XBT")], Form(header="mca"), "billingCurrency XBT is no ISO 4217 currency"),
]  # fmt: skip


def test_bad_files_are_refused_with_one_sentence_each(pair: Pair) -> None:
    for place, (charges, form, _) in enumerate(BAD_FILES):
        pair.put("actual", f"{place}.csv", export(charges, form))
    said = {one.object_name: one.sentence for one in pair.ingest("actual").refusals}
    for place, (_, _, expected) in enumerate(BAD_FILES):
        assert expected in said[f"{place}.csv"]
        assert "\n" not in said[f"{place}.csv"]
    assert pair.published("actual") == {}


def _with_cells(charges: list[Charge], name: str, cells: list[str]) -> bytes:
    """An export in which a column begins with these cells."""
    lines = list(csv.reader(export(charges).decode().splitlines()))
    for row, cell in enumerate(cells, 1):
        lines[row][lines[0].index(name)] = cell
    return "\n".join(
        ",".join(f'"{one.replace(chr(34), chr(34) * 2)}"' for one in line) for line in lines
    ).encode()


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        ("Cost", ["", "1,5", "1.234,56", "nan", "1e99", "--1", "0x1", "USD 1", f"0.{'1' * 39}", "1" * 16]),
        (
            "Date",
            ["02/30/2024", "2024-02-30", "13/13/2024", "2024-13-01", "", "soon", "1/2/24", "01/01/1999"],
        ),
        ("BillingCurrency", ["", "NULL", "US", "XBT"]),
    ],
)
def test_a_cell_that_decides_and_is_none_refuses_its_month_by_row_and_name(
    pair: Pair, column: str, cells: list[str]
) -> None:
    charges = made_up(700, count=12, months=1)
    pair.put("actual", "bill.csv", _with_cells(charges, column, cells))
    refused = [one for one in pair.ingest("actual").refusals if one.position]
    assert [one.position for one in refused] == list(range(1, len(cells) + 1))
    assert all(one.sentence.startswith(f"{column} ") for one in refused)
    assert pair.published("actual") == {}


def test_what_was_refused_counts_once_it_is_corrected(pair: Pair) -> None:
    charges = made_up(600, count=10, months=1)
    pair.put("actual", "bill.csv", _with_cells(charges, "Cost", ["many"]))
    assert pair.ingest("actual").refusals and pair.published("actual") == {}
    pair.put("actual", "bill.csv", export(charges))
    _agrees(pair, "actual", pair.ingest("actual"), charges)


def test_a_file_of_two_date_orders_is_refused(pair: Pair) -> None:
    text = export([Charge(date(2024, 2, 13), Decimal(1)), Charge(date(2024, 2, 14), Decimal(1))]).decode()
    pair.put("actual", "bill.csv", text.replace("02/14/2024", "14/02/2024").encode())
    (refusal,) = pair.ingest("actual").refusals
    assert "its dates are of two orders, such as 14/02/2024 and 02/" in refusal.sentence


def test_a_purchase_of_a_commitment_is_of_the_actual_view(pair: Pair) -> None:
    bought = Charge(date(2024, 2, 13), Decimal(100), kind="Purchase", model="Reservation")
    pair.put("amortized", "bill.csv", export([bought]))
    (refusal,) = pair.ingest("amortized").refusals
    assert refusal.sentence.endswith("`format: azure-actual` is the likely right one")
    pair.put("actual", "bill.csv", export([bought]))
    _agrees(pair, "actual", pair.ingest("actual"), [bought])


def test_a_bill_under_the_wrong_format_is_told_the_right_one(pair: Pair, focus_csv: Any) -> None:
    pair.put("actual", "bill.csv", focus_csv({}).encode())
    (refusal,) = pair.ingest("actual").refusals
    assert "`format: focus`" in refusal.sentence
    pair.bills.put("azure.csv", export(made_up(800)))
    (refusal,) = pair.bills.ingest(location="bills/azure.csv").refusals
    assert "azure-actual or azure-amortized" in refusal.sentence


def test_rows_travel_by_their_names_to_a_warehouse_elsewhere(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As to a server: one stream of blocks, without the columns that nothing gives."""
    charges = made_up(900, count=12, months=1)
    pair.put("amortized", "bill.csv", export(charges))
    pair.ingest("amortized")
    here = pair.rows()
    for table in ("raw_focus_costs", "raw_deliveries", "period_head", "raw_object_charges"):
        pair.warehouse.execute_text(f"TRUNCATE TABLE {table}")
    sent: list[object] = []
    insert_stream = pair.warehouse.insert_stream
    monkeypatch.setattr(
        pair.warehouse, "insert_stream", lambda *args: (sent.append(args[-1]), insert_stream(*args))[1]
    )
    monkeypatch.setattr(pair.warehouse, "_reading", lambda: pair.warehouse)
    pair.ingest("amortized")
    assert pair.rows() == here
    (columns,) = sent
    assert "EffectiveCost" in columns and "BilledCost" in columns  # type: ignore[operator]
    assert not {"ConsumedQuantity", "ContractedCost", "SkuPriceId", "RegionName"} & set(columns)  # type: ignore[call-overload]
