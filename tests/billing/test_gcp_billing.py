"""Google's billing export, through whole ingests: exact in every form, lines of its own for credits, each row once.

Expected values are summed by Python from the rows as they were made, or are the published totals of real input.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipelines.ingest.billing.delivery import DeliveredObject
from pipelines.ingest.billing.formats import BILL_FORMATS, readable
from pipelines.ingest.billing.ledger import Profile
from pipelines.ingest.billing.loading import Loadable, bound, together
from pipelines.ingest.billing.plan import Candidate
from pipelines.ingest.sources import SourceObject
from sql.bill_files import member_names
from sql.publish import new_batch_id
from sql.warehouse import Warehouse
from tests.billing import gcp_rows as made
from tests.billing.conftest import Bills
from tests.billing.gcp_rows import FORMS, PLAIN, Row, Totals, credit, some_rows, totals

GCP = "gcp-billing"
PUBLISHED = """
SELECT formatDateTime(x_BillingPeriod, '%Y-%m') AS period, toString(BillingCurrency) AS currency,
    toString(ChargeCategory) AS category, BilledCost AS billed, EffectiveCost AS effective, * EXCEPT(BilledCost, EffectiveCost)
FROM raw_focus_costs_published
"""
OUR_OWN = ("x_BatchId", "x_ObjectName")


def deliver(bills: Bills, name: str, rows: Sequence[Row], form: str = "lines") -> None:
    """Writes rows as an object in a form."""
    ending, write = FORMS[form]
    path = bills.put(f"{name}{ending}", b"")
    write(rows, path)
    bills.put(path.relative_to(bills.folder).as_posix(), path.read_bytes())


def published(bills: Bills) -> Totals:
    """What a reader finds, summed by Python."""
    found: Totals = {}
    for row in bills.warehouse.frame_of(PUBLISHED).iter_rows(named=True):
        key = (row["period"], row["currency"], row["category"])
        assert row["billed"] == row["effective"]
        found[key] = found.get(key, Decimal(0)) + row["billed"]
    return found


def lines(bills: Bills) -> list[str]:
    """Everything that was published, but what names its load, in an order of its own."""
    frame = bills.warehouse.frame_of(PUBLISHED)
    return sorted(
        repr({name: value for name, value in row.items() if name not in OUR_OWN})
        for row in frame.iter_rows(named=True)
    )


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """Objects that stand one after the other in a file, numbers as they are written."""
    text, at = path.read_text(), 0
    decoder = json.JSONDecoder(parse_float=Decimal)
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        row, at = decoder.raw_decode(text, at)
        yield row


def load_all(warehouse: Warehouse, paths: Sequence[Path]) -> None:
    """Loads files beside each other, without asking whether they share charges, as the cases of one text book do."""
    bill = BILL_FORMATS[GCP]
    objects = []
    for path in paths:
        found = readable(path.name, path, bill, lambda file: member_names(warehouse.reading, file))
        counted = warehouse.reading.frame(bill.profile, **found.bound)
        periods = [row["period"] for row in counted.iter_rows(named=True)]
        item = SourceObject(path.name, 0, datetime(2024, 10, 1, tzinfo=UTC), "")
        candidate = Candidate(DeliveredObject(item, item.modified_at), Profile("", {}, ()))
        objects.append(Loadable(candidate, found, tuple(periods)))
    batch_id = new_batch_id()
    for run in together(sorted(objects, key=lambda one: repr(one.shape))):
        warehouse.load(
            bill.load,
            reading_settings=run[0].readable.file.settings,
            **bound(run),
            source_name="cases",
            batch_id=batch_id,
        )


def test_the_published_cases_come_to_what_they_are_expected_to(
    warehouse: Warehouse, shared_data: Path, tmp_path: Path
) -> None:
    """27 cases of committed and sustained use; their authors' own results move credits between projects, and keep sums."""
    cases = sorted((shared_data / "billing" / "gcp-cud-cases" / "tests").glob("*/export.json"))
    assert len(cases) == 27
    paths = []
    for case in cases:
        paths.append(tmp_path / f"{case.parent.name}.json")
        paths[-1].write_bytes(case.read_bytes())
    load_all(warehouse, paths)
    frame = warehouse.frame_of(
        "SELECT toString(x_ObjectName) AS name, ChargeCategory = 'Credit' AS is_credit, SubAccountId AS project,"
        " BilledCost AS billed FROM raw_focus_costs"
    )
    found: dict[tuple[str, bool], Decimal] = {}
    by_project: dict[tuple[str, str], Decimal] = {}
    for name, is_credit, project, billed in frame.iter_rows():
        case = name.removesuffix(".json")
        found[case, bool(is_credit)] = found.get((case, bool(is_credit)), Decimal(0)) + billed
        by_project[case, project] = by_project.get((case, project), Decimal(0)) + billed
    for case in cases:
        name = case.parent.name
        expected = json.loads(
            (case.parent / "expected_billingexport_output.json").read_text(), parse_float=Decimal
        )
        cost = sum((Decimal(one["cost"]) for one in expected), Decimal(0))
        credits = sum((Decimal(c["amount"]) for one in expected for c in one["credits"]), Decimal(0))
        # their figures are printed from doubles
        assert (cost - found[name, False]).copy_abs() < Decimal("1e-9"), name
        assert (credits - found.get((name, True), Decimal(0))).copy_abs() < Decimal("1e-9"), name
        net: dict[str, Decimal] = {}
        for row in rows_of(case):
            amounts = [row["cost"], *(one["amount"] for one in row.get("credits", []))]
            project = row["project"]["id"]
            net[project] = net.get(project, Decimal(0)) + sum(map(Decimal, amounts), Decimal(0))
        assert {project: by_project[name, project] for project in net} == net
    assert sum(value for (_, is_credit), value in found.items() if not is_credit) == Decimal("9150.0")
    assert sum(value for (_, is_credit), value in found.items() if is_credit) == Decimal("-3150.00")


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 12))])
def test_split_shuffled_and_mixed_deliveries_are_the_whole_one_and_sum_to_the_bill(
    bills: Bills, seed: int
) -> None:
    """Conservation, permutation, split and rerun at once: parts in any order and form are what all rows are."""
    rng = random.Random(seed)
    rows = some_rows(seed, 60)
    deliver(bills, "whole", rows, "lines")
    outcome = bills.ingest(format=GCP)
    assert not outcome.refusals and {one.state for one in outcome.periods} == {"published"}
    assert published(bills) == totals(rows)
    whole = lines(bills)
    assert len(whole) == len(list(made.lines(rows)))
    (bills.folder / "whole.jsonl").unlink()

    shuffled = rng.sample(rows, len(rows))
    cuts = sorted(rng.sample(range(1, len(rows)), 3))
    forms = rng.sample(sorted(FORMS), 4)
    for number, (start, end) in enumerate(zip([0, *cuts], [*cuts, len(rows)], strict=True)):
        deliver(bills, f"part-{number}", shuffled[start:end], forms[number])
    outcome = bills.ingest(format=GCP, deliveries="add")
    assert not outcome.refusals and not outcome.repairs
    assert published(bills) == totals(rows)
    assert lines(bills) == whole
    before = bills.count("raw_focus_costs")
    assert {one.state for one in bills.ingest(format=GCP, deliveries="add").periods} == {"unchanged"}
    assert bills.count("raw_focus_costs") == before and lines(bills) == whole


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_lines(bills: Bills, form: str) -> None:
    row: Row = {
        **PLAIN,
        "credits": [credit("-0.25", "COMMITTED_USAGE_DISCOUNT", "CUD"), credit("-0.000001")],
        "cost": "1.000000001",
    }
    deliver(bills, "bill", [row], form)
    assert not bills.ingest(format=GCP).refusals
    frame = bills.warehouse.frame_of(f"{PUBLISHED} ORDER BY billed DESC")
    usage, small, cud = frame.iter_rows(named=True)
    assert [one["billed"] for one in (usage, small, cud)] == [
        Decimal("1.000000001"),
        Decimal("-0.000001"),
        Decimal("-0.25"),
    ]
    expected = {
        "category": "Usage",
        "ChargeFrequency": "Usage-Based",
        "ServiceName": "Compute Engine",
        "ServiceProviderName": "Google Cloud",
        "SkuId": "6C71-E844-38BC",
        "SkuMeter": "N1 Instance Ram",
        "ChargeDescription": "N1 Instance Ram",
        "SubAccountId": "shop",
        "SubAccountName": "Shop",
        "SubAccountType": "Project",
        "RegionId": "us-west1",
        "AvailabilityZone": "us-west1-a",
        "ResourceId": "//compute.googleapis.com/projects/1/zones/a/instances/7",
        "ResourceName": "vm-1",
        "ResourceType": "instances",
        "BillingAccountId": "00F3D8-28D652-3F036F",
        "ConsumedQuantity": Decimal(3600),
        "ConsumedUnit": "seconds",
        "PricingQuantity": Decimal(1),
        "PricingUnit": "hour",
        "ListCost": Decimal(2),
        "ContractedCost": Decimal("1.000000001"),
        "CommitmentDiscountId": None,
    }
    assert {name: usage[name] for name in expected} == expected
    tags = {"app_id": "cart", "team": "red", "compute.googleapis.com/cores": "2"}
    assert [dict(one["Tags"]) for one in (usage, small, cud)] == [tags] * 3
    # A month of Google begins at midnight in Los Angeles.
    assert f"{usage['BillingPeriodStart']:%Y-%m-%d %H:%M} {usage['BillingPeriodEnd']:%Y-%m-%d %H:%M}" == (
        "2024-09-01 07:00 2024-10-01 07:00"
    )
    assert f"{usage['ChargePeriodStart']:%Y-%m-%d %H:%M}" == "2024-09-02 08:00"
    of_commitment = {
        "category": "Credit",
        "CommitmentDiscountCategory": "Usage",
        "CommitmentDiscountId": "id of CUD",
        "CommitmentDiscountType": "COMMITTED_USAGE_DISCOUNT",
        "CommitmentDiscountStatus": "Used",
        "ChargeDescription": "CUD (full)",
        "ListCost": Decimal("-0.25"),
        "ContractedCost": Decimal("-0.25"),
        "ConsumedQuantity": None,
        "SubAccountId": "shop",
    }
    assert {name: cud[name] for name in of_commitment} == of_commitment
    assert (small["category"], small["CommitmentDiscountId"]) == ("Credit", None)
    assert usage["x_IdentityHash"] == cud["x_IdentityHash"]


def test_labels_are_read_as_records_as_json_and_as_text(bills: Bills) -> None:
    row = {**PLAIN, "labels": [{"key": "app_id", "value": "cart"}, {"key": "env", "value": "eu-1"}]}
    for number, labels in enumerate(("records", "object", "pairs")):
        each = {**row, "export_time": f"2024-09-02 0{number}:00:00 UTC"}
        made.flat_csv([each], bills.put(f"{labels}.csv", b""), "_", labels)
    outcome = bills.ingest(format=GCP)
    assert not outcome.refusals and not outcome.repairs
    tags = {"app_id": "cart", "env": "eu-1", "team": "red", "compute.googleapis.com/cores": "2"}
    assert [dict(one) for one in bills.warehouse.frame_of(PUBLISHED)["Tags"]] == [tags] * 3


def test_labels_that_cannot_be_read_are_left_empty_and_counted(bills: Bills) -> None:
    deliver(bills, "bill", [{**PLAIN, "labels": "no labels at all"}])
    outcome = bills.ingest(format=GCP)
    assert [(one.subject, one.records) for one in outcome.repairs if one.subject == "labels"] == [
        ("labels", 1)
    ]
    assert published(bills) == {("2024-09", "USD", "Usage"): Decimal("1.5")}


KINDS: tuple[tuple[Row, str, str | None, str], ...] = (
    ({"cost_type": "regular"}, "Usage", None, "Usage-Based"),
    ({"cost_type": None}, "Usage", None, "Usage-Based"),
    ({"cost_type": "tax"}, "Tax", None, "One-Time"),
    ({"cost_type": "rounding_error"}, "Adjustment", None, "One-Time"),
    ({"cost_type": "adjustment"}, "Adjustment", None, "One-Time"),
    ({"cost_type": "adjustment", "invoice": {"month": "202410"}}, "Adjustment", "Correction", "One-Time"),
    ({"cost_type": "regular", "invoice": {"month": "202410"}}, "Usage", None, "Usage-Based"),
    ({"sku": {"description": "Commitment v1: Cpu in Americas"}}, "Purchase", None, "Recurring"),
    ({"sku": {"description": "Commitment - dollar based v1: Run"}}, "Purchase", None, "Recurring"),
    ({"sku": {"description": "Commitments API calls"}}, "Usage", None, "Usage-Based"),
    ({"cost_type": "tax", "sku": {"description": "Commitment v1: tax"}}, "Tax", None, "One-Time"),
)
"""What a row is given, and its category, class and frequency in FOCUS."""


def test_each_kind_of_cost_has_its_category(bills: Bills) -> None:
    rows = [
        {**PLAIN, **given, "cost": str(number), "credits": [credit(f"-{number}")]}
        for number, (given, *_) in enumerate(KINDS, start=1)
    ]
    deliver(bills, "bill", rows)
    bills.ingest(format=GCP)
    found = {
        int(row["billed"]): (row["category"], row["ChargeClass"], row["ChargeFrequency"])
        for row in bills.warehouse.frame_of(PUBLISHED).iter_rows(named=True)
    }
    for number, (given, *expected) in enumerate(KINDS, start=1):
        assert found[number] == tuple(expected), given
        assert found[-number] == ("Credit", None, "Usage-Based"), given


def test_late_rows_of_old_months_are_added_and_the_month_is_the_invoices(bills: Bills) -> None:
    first = some_rows(11, 30)
    late = [
        {**PLAIN, "cost": "7.25", "invoice": {"month": "202408"}, "export_time": "2024-10-09 01:00:00 UTC"},
        {**PLAIN, "cost": "0.5", "invoice": {"month": "202410"}, "export_time": "2024-10-09 01:00:00 UTC"},
    ]
    deliver(bills, "2024-09-30", first, "parquet")
    bills.ingest(format=GCP)
    deliver(bills, "2024-10-09", late, "lines")
    outcome = bills.ingest(format=GCP)
    assert {f"{one.period:%Y-%m}": one.state for one in outcome.periods} == {
        "2024-08": "published",
        "2024-09": "unchanged",
        "2024-10": "published",
    }
    assert published(bills) == totals([*first, *late])


def test_rows_that_differ_in_the_moment_of_their_export_alone_all_count(bills: Bills) -> None:
    """Several exports of a day add to each other, however alike their rows are."""
    rows = [{**PLAIN, "export_time": f"2024-09-02 {hour:02}:10:00 UTC"} for hour in (10, 14, 18)]
    for number, row in enumerate(rows):
        deliver(bills, f"export-{number}", [row] * 3)
        assert not bills.ingest(format=GCP).refusals
    assert published(bills) == {("2024-09", "USD", "Usage"): Decimal("13.5")}


def test_the_same_rows_exported_again_count_once(bills: Bills) -> None:
    rows = some_rows(5, 25)
    deliver(bills, "first", rows, "lines")
    bills.ingest(format=GCP)
    deliver(bills, "again", random.Random(1).sample(rows, len(rows)), "parquet")
    outcome = bills.ingest(format=GCP)
    assert published(bills) == totals(rows)
    assert outcome.notes and all("the same charges" in note for note in outcome.notes)


def test_rows_exported_again_among_others_wait_or_replace(bills: Bills) -> None:
    days = [some_rows(seed, 20) for seed in (21, 22)]
    for number, day in enumerate(days):
        deliver(bills, f"day-{number}", day)
    bills.ingest(format=GCP)
    both = [*days[0], *days[1]]
    assert published(bills) == totals(both)
    more = [*both, {**PLAIN, "cost": "100"}]
    deliver(bills, "month", more, "parquet")
    outcome = bills.ingest(format=GCP)
    assert {one.state for one in outcome.periods} == {"held"}
    assert published(bills) == totals(both)
    bills.ingest(format=GCP, deliveries="replace")
    assert published(bills) == totals(more)


def test_digits_beyond_the_tables_places_are_counted(bills: Bills) -> None:
    rows = [
        {
            **PLAIN,
            "cost": "0.1234567890123456789012345",
            "credits": [credit("-0.0000000000000000001999"), credit("-12345678901.12345678901234567899")],
        },
        {**PLAIN, "cost": "6.266E-7", "credits": [{"amount": -1e-7, "name": "number"}]},
    ]
    deliver(bills, "bill", rows)
    (month,) = bills.ingest(format=GCP).periods
    cells = [one for row in rows for one in (row["cost"], *(each["amount"] for each in row["credits"]))]
    assert month.sums["USD/BilledCost"] + month.residues["USD/BilledCost"] == sum(
        (Decimal(str(one)) for one in cells), Decimal(0)
    )
    assert month.residues["USD/BilledCost"] != 0


BAD: dict[str, tuple[Row, str]] = {
    "cost": ({"cost": "1,234.5"}, "cost 1,234.5 is no plain decimal"),
    "no-cost": ({"cost": None}, "cost NULL is no plain decimal"),
    "nan": ({"cost": "nan"}, "cost nan is no plain decimal"),
    "credit": ({"credits": [credit("1e99")]}, "has an amount that is no plain decimal"),
    "credit-without-amount": (
        {"credits": [credit("1"), {"name": "x"}]},
        "no list of records with one amount each",
    ),
    "credits-as-a-number": ({"credits": "-3.5"}, "no list of records with one amount each"),
    "credits-as-one-record": ({"credits": credit("-3.5")}, "no list of records with one amount each"),
    "currency": ({"currency": "DOLLAR"}, "currency DOLLAR is no ISO 4217 currency"),
    "cost-type": ({"cost_type": "gift"}, "cost_type gift is no cost type"),
    "credit-as-cost-type": ({"cost_type": "credit"}, "cost_type credit is no cost type"),
    "start": ({"usage_start_time": "09/02/2024"}, "usage_start_time 09/02/2024 is no time"),
    "end": ({"usage_end_time": "2024-09-01 00:00:00 UTC"}, "is before usage_start_time"),
}


def test_a_row_that_cannot_decide_refuses_its_month_by_row_and_column(bills: Bills) -> None:
    good = {**PLAIN, "invoice": {"month": "202408"}}
    for number, (kind, (given, _)) in enumerate(BAD.items()):
        moment = {"export_time": f"2024-09-02 {number:02}:00:00 UTC"}
        deliver(bills, kind, [PLAIN, {**PLAIN, **given}, {**good, **moment}])
    outcome = bills.ingest(format=GCP)
    refused = {one.object_name.removesuffix(".jsonl"): one for one in outcome.refusals}
    assert len(outcome.refusals) == len(BAD) and set(refused) == set(BAD)
    for kind, (_, said) in BAD.items():
        assert refused[kind].position == 2 and said in refused[kind].sentence
    assert published(bills) == {("2024-08", "USD", "Usage"): Decimal("1.5") * len(BAD)}


def test_a_row_of_no_month_refuses_its_object(bills: Bills) -> None:
    for number, month in enumerate(("202413", "2024", "", "09/2024", None)):
        deliver(bills, f"bill-{number}", [PLAIN, {**PLAIN, "invoice": {"month": month}}])
    refusals = bills.ingest(format=GCP).refusals
    assert [one.position for one in refusals] == [2] * 5
    assert all("is no month written YYYYMM" in one.sentence for one in refusals)
    assert not published(bills)


HEADERS = {
    "nothing": ("credits", "bonus", "lacks the column credits"),
    "one-of-many": ("cost_at_list", "credits.amount", "one value where a row has any number"),
    "month": ("invoice_month", "month", "lacks the column invoice_month"),
    "twice": ("cost_type", "Cost", "has column Cost twice"),
}
"""What a name of a good header is changed to, and what is said of it."""


def test_a_header_that_lacks_or_flattens_money_is_refused(bills: Bills) -> None:
    for name, (old, new, _) in HEADERS.items():
        path = bills.put(f"{name}.csv", b"")
        made.flat_csv([PLAIN], path)
        header, _, rows = path.read_text().partition("\n")
        changed = ",".join(new if one == old else one for one in header.split(","))
        bills.put(path.name, f"{changed}\n{rows}")
    refusals = {
        one.object_name.removesuffix(".csv"): one.sentence for one in bills.ingest(format=GCP).refusals
    }
    assert set(refusals) == set(HEADERS)
    for name, (_, _, said) in HEADERS.items():
        assert said in refusals[name]
    assert not published(bills)


def test_cells_that_do_not_decide_are_empty_and_counted(bills: Bills) -> None:
    row = {
        **PLAIN,
        "cost_at_list": "much",
        "usage": {"amount": "9" * 21, "unit": "byte"},
        "price": {"effective_price": "0.25", "list_price": "cheap", "pricing_unit_quantity": "1"},
    }
    deliver(
        bills, "bill", [row, {**PLAIN, "price": {"effective_price": "3", "pricing_unit_quantity": "1000"}}]
    )
    outcome = bills.ingest(format=GCP)
    assert sorted(one.subject for one in outcome.repairs) == [
        "cost_at_list",
        "price.list_price",
        "usage.amount",
    ]
    frame = bills.warehouse.frame_of(f"{PUBLISHED} ORDER BY ListCost")
    assert list(frame["ContractedUnitPrice"]) == [None, Decimal("0.25")]
    assert list(frame["ListUnitPrice"]) == [None, None]


def test_blank_rows_below_a_table_are_no_charges(bills: Bills) -> None:
    path = bills.put("bill.csv", b"")
    made.flat_csv([PLAIN], path)
    text = path.read_text()
    bills.put("bill.csv", text + "," * (text.splitlines()[0].count(",")) + "\r\n")
    assert [one.records for one in bills.ingest(format=GCP).repairs if one.subject == "row"] == [1]
    assert published(bills) == {("2024-09", "USD", "Usage"): Decimal("1.5")}
