"""AWS's Cost and Usage Report, legacy and 2.0, against a reader of our own in Python decimals.

Reports are generated: every line item type, amounts in every notation. What is billed and effective of a line is told here by
AWS's documentation, not by the table of line item types.
"""

from __future__ import annotations

import csv
import decimal
import gzip
import io
import json
import random
import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.aws_cur import columns, line_types, read_header
from models.errors import InputRefused
from models.focus import charge_categories
from pipelines.compute.costs import compute_costs
from pipelines.compute.identities import compute_identities
from pipelines.ingest.billing import BillingOutcome
from pipelines.ingest.billing.outcome import Refusal
from sql.catalog import statement
from tests.billing.conftest import Bills
from tests.conftest import emptied

Line = dict[str, str]
NOVEMBER, OCTOBER = date(2023, 11, 1), date(2023, 10, 1)
REAL_TOTAL = Decimal("1.68230869740")  # shared/data/README.md

LINE: Line = {
    "identity/LineItemId": "l",
    "identity/TimeInterval": "2023-11-02T00:00:00Z/2023-11-03T00:00:00Z",
    "bill/InvoiceId": "",
    "bill/InvoicingEntity": "Amazon Web Services, Inc.",
    "bill/PayerAccountId": "000000000001",
    "bill/BillingPeriodStartDate": "2023-11-01T00:00:00.000Z",
    "bill/BillingPeriodEndDate": "2023-12-01T00:00:00.000Z",
    "lineItem/UsageAccountId": "000000000002",
    "lineItem/LineItemType": "Usage",
    "lineItem/UsageStartDate": "2023-11-02T00:00:00.000Z",
    "lineItem/UsageEndDate": "2023-11-03T00:00:00.000Z",
    "lineItem/ProductCode": "AmazonEC2",
    "lineItem/UsageType": "BoxUsage:t3.micro",
    "lineItem/ResourceId": "",
    "lineItem/UsageAmount": "24.0",
    "lineItem/CurrencyCode": "USD",
    "lineItem/UnblendedCost": "1.0",
    "lineItem/LineItemDescription": "$0.01 per hour",
    "lineItem/LegalEntity": "Amazon Web Services, Inc.",
    "product/ProductName": "Amazon Elastic Compute Cloud",
    "product/regionCode": "eu-west-1",
    "product/sku": "SKU1",
    "pricing/RateCode": "SKU1.A.B",
    "pricing/publicOnDemandCost": "1.0",
    "pricing/publicOnDemandRate": "0.01",
    "pricing/unit": "Hrs",
    "reservation/EffectiveCost": "",
    "reservation/ReservationARN": "",
    "reservation/UnusedAmortizedUpfrontFeeForBillingPeriod": "",
    "reservation/UnusedRecurringFee": "",
    "savingsPlan/SavingsPlanARN": "",
    "savingsPlan/SavingsPlanEffectiveCost": "",
    "savingsPlan/TotalCommitmentToDate": "",
    "savingsPlan/UsedCommitment": "",
    "resourceTags/user:app_id": "",
    "resourceTags/aws:createdBy": "",
}
OF_OCTOBER = {
    "bill/BillingPeriodStartDate": "2023-10-01T00:00:00.000Z",
    "bill/BillingPeriodEndDate": "2023-11-01T00:00:00.000Z",
}
RI, PLAN = "arn:aws:ec2:eu-west-1:1:reserved-instances/r", "arn:aws:savingsplans::1:savingsplan/p"
NEEDED = {
    "SavingsPlanCoveredUsage": ("savingsPlan/SavingsPlanEffectiveCost",),
    "SavingsPlanRecurringFee": ("savingsPlan/TotalCommitmentToDate", "savingsPlan/UsedCommitment"),
    "DiscountedUsage": ("reservation/EffectiveCost",),
    "RIFee": ("reservation/UnusedAmortizedUpfrontFeeForBillingPeriod", "reservation/UnusedRecurringFee"),
}
TYPES = (
    *NEEDED,
    *("Usage", "SavingsPlanNegation", "SavingsPlanUpfrontFee", "Fee", "Tax", "Refund", "Credit"),
    *("BundledDiscount", "EdpDiscount", "PrivateRateDiscount"),
)


def amount(dice: random.Random) -> str:
    """An amount as AWS and its tools write them: plain, in scientific notation, with more places than a table keeps."""
    digits = f"{dice.randint(0, 10**9)}"
    return dice.choice(
        [
            f"{dice.randint(-9, 10_000)}.{digits}",
            f"{dice.choice(['', '-'])}{dice.randint(1, 9)}.{digits}E-{dice.randint(1, 20)}",
            f"{dice.randint(1, 9)}.{digits}e+{dice.randint(0, 5)}",
            f"0.{'0' * dice.randint(0, 17)}{digits}{digits}",
            f"{dice.randint(0, 99)}",
            "0.0",
        ]
    )


def report(seed: object, count: int, **more: str) -> list[Line]:
    """Line items that no other seed has, of every type."""
    dice = random.Random(f"cur {seed}")
    lines = []
    for number in range(count):
        kind = TYPES[number % len(TYPES)]
        day = 1 + dice.randrange(28)
        line = {
            **LINE,
            "identity/LineItemId": f"{seed}-{number // 2}",
            "identity/TimeInterval": f"2023-11-{day:02d}T00:00:00Z/{number}",
            "lineItem/LineItemType": kind,
            "lineItem/UsageStartDate": f"2023-11-{day:02d}T00:00:00.000Z",
            "lineItem/UsageEndDate": f"2023-11-{day:02d}T01:00:00.000Z",
            "lineItem/UnblendedCost": amount(dice),
            "lineItem/ResourceId": f"i-{seed}-{number}" if dice.random() < 0.8 else "",
            "lineItem/UsageAmount": f"{dice.randint(1, 99)}.{number}",
            "resourceTags/user:app_id": dice.choice(["", "orders", 'a "b", c']),
            "resourceTags/aws:createdBy": dice.choice(["", "Root:1"]),
            **{name: amount(dice) for name in NEEDED.get(kind, ())},
        }
        if kind.startswith("SavingsPlan"):
            line["savingsPlan/SavingsPlanARN"] = PLAN
        if kind in ("RIFee", "DiscountedUsage") or (kind == "Fee" and dice.random() < 0.5):
            line["reservation/ReservationARN"] = RI
        lines.append({**line, **more})
    return lines


EXACT = decimal.Context(prec=100)


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Their sum, with every digit."""
    found = Decimal(0)
    for one in amounts:
        found = EXACT.add(found, one)
    return found


def billed(line: Line) -> Decimal:
    return Decimal(line["lineItem/UnblendedCost"])


def effective(line: Line) -> Decimal:
    """What AWS documents as the amortised cost of a line."""
    kind = line["lineItem/LineItemType"]
    number = {name: Decimal(line[name]) for name in NEEDED.get(kind, ())}
    if kind in ("SavingsPlanNegation", "SavingsPlanUpfrontFee") or (
        kind == "Fee" and line["reservation/ReservationARN"]
    ):
        return Decimal(0)
    if kind == "SavingsPlanRecurringFee":
        return EXACT.subtract(
            number["savingsPlan/TotalCommitmentToDate"], number["savingsPlan/UsedCommitment"]
        )
    return total(number.values()) if number else billed(line)


def kept(amount: Decimal) -> Decimal:
    """What the places of the table keep of an amount."""
    return EXACT.add(amount.quantize(Decimal(1).scaleb(-18), "ROUND_DOWN", EXACT), Decimal(0))


def as_csv(lines: Iterable[Line], names: Iterable[str] = LINE) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(names), lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue().encode()


def snake(name: str) -> str:
    """A column's name in CUR 2.0."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=RN)|(?<=R)(?=N)", "_", name.replace("/", "_")).lower()


def tags(line: Line) -> dict[str, str]:
    """Tags with the keys CUR 2.0 gives them."""
    return {
        re.sub("[:]", "_", name.removeprefix("resourceTags/")): value
        for name, value in line.items()
        if name.startswith("resourceTags/") and value
    }


def as_cur2(line: Line) -> Line:
    found = {snake(name): value for name, value in line.items() if "/" in name and "Tags" not in name}
    del found["product_product_name"]
    return {
        **found,
        "product": json.dumps({"product_name": line["product/ProductName"]}),
        "resource_tags": json.dumps(tags(line)),
    }


def cur2_csv(lines: list[Line]) -> bytes:
    converted = [as_cur2(line) for line in lines]
    return as_csv(converted, converted[0])


def cur2_parquet(lines: list[Line], doubles: bool = False) -> bytes:
    """Maps, timestamps, and amounts as doubles, as AWS writes them, or as text."""
    table: dict[str, Any] = {}
    texts = pa.map_(pa.string(), pa.string())
    for name in as_cur2(lines[0]):
        cells = [as_cur2(line)[name] or None for line in lines]
        kind = columns()[name].type if name in columns() else "string"
        if kind == "time":
            moments = [datetime.fromisoformat(cell) if cell else None for cell in cells]
            table[name] = pa.array(moments, pa.timestamp("ms", tz="UTC"))
        elif name in ("product", "resource_tags"):
            table[name] = pa.array([list(json.loads(cell or "{}").items()) for cell in cells], texts)
        elif kind == "decimal" and doubles:
            table[name] = pa.array([None if cell is None else float(cell) for cell in cells])
        else:
            table[name] = pa.array(cells, pa.string())
    sink = io.BytesIO()
    pq.write_table(pa.table(table), sink)
    return sink.getvalue()


def deliver(bills: Bills, **source: str | None) -> BillingOutcome:
    return bills.ingest(format="aws-cur", **source)


def ledger(outcome: BillingOutcome, metric: str) -> Decimal:
    """What is published of a metric and what the table's places cut off."""
    key = f"USD/{metric}"
    return total(amount for one in outcome.periods for amount in (one.sums[key], one.residues[key]))


def rows(bills: Bills) -> pl.DataFrame:
    """Every published charge, whatever delivery it came by."""
    return bills.warehouse.frame_of(
        "SELECT * EXCEPT (x_BatchId, x_ObjectName, Tags), toJSONString(mapSort(Tags)) AS tags"
        " FROM raw_focus_costs_published ORDER BY ALL"
    )


def empty(bills: Bills) -> None:
    """As if nothing had ever been delivered."""
    emptied(bills.warehouse)
    for path in sorted(bills.folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def holds(bills: Bills, outcome: BillingOutcome, lines: list[Line]) -> None:
    """Both ledgers and every row are those of a reader in Python."""
    assert not outcome.refusals
    assert outcome.rows == len(lines)
    assert ledger(outcome, "BilledCost") == total(map(billed, lines))
    assert ledger(outcome, "EffectiveCost") == total(map(effective, lines))
    found = bills.warehouse.frame_of(
        "SELECT BilledCost, EffectiveCost, ifNull(ResourceId, ''), Tags FROM raw_focus_costs_published"
    ).rows()
    expected = [
        (
            kept(billed(line)),
            kept(effective(line)),
            line["lineItem/ResourceId"],
            {key.removeprefix("user_").replace("aws:", "aws_"): value for key, value in tags(line).items()},
        )
        for line in lines
    ]
    plain = [
        (one, other, resource, {key.replace("aws:", "aws_"): value for key, value in dict(tag).items()})
        for one, other, resource, tag in found
    ]
    assert sorted(map(repr, plain)) == sorted(map(repr, expected))


def test_the_real_report_is_published_exactly_and_attributed_to_nobody(
    bills: Bills, shared_data: Path
) -> None:
    location = shared_data / "billing" / "aws-cur"
    outcome = deliver(bills, location=str(location))
    with (location / "aws_cur_sample.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert sum("E" in line["lineItem/UnblendedCost"] for line in lines) == 681
    assert bills.published() == {NOVEMBER: REAL_TOTAL} == {NOVEMBER: total(map(billed, lines))}
    assert ledger(outcome, "EffectiveCost") == REAL_TOTAL
    assert ledger(outcome, "ListCost") == sum(
        Decimal(line["pricing/publicOnDemandCost"] or 0) for line in lines
    )
    assert (outcome.rows, outcome.refusals) == (1281, ())
    assert [one.subject for one in outcome.repairs] == ["ContractedCost"]
    found = rows(bills)
    assert found["tags"].unique().to_list() == ["{}"]
    assert dict(found.group_by("ChargeCategory").len().rows()) == {"Usage": 1269, "Tax": 12}
    assert set(found["ServiceName"]) == {line["product/ProductName"] for line in lines}
    compute_identities(bills.warehouse, bills.settings)
    compute_costs(bills.warehouse, bills.settings)
    costs = bills.warehouse.frame_of(
        "SELECT app_id, sum(billed_cost) AS billed FROM core_app_costs_daily_current GROUP BY app_id"
    )
    assert costs.rows() == [("unallocated", REAL_TOTAL)]
    assert [one.state for one in deliver(bills, location=str(location)).periods] == ["unchanged"]


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_both_ledgers_are_exact_in_every_form_and_the_same_charges_count_once(
    bills: Bills, seed: int
) -> None:
    lines = report(seed, 150)
    bills.put("a.csv", as_csv(lines))
    holds(bills, deliver(bills), lines)
    legacy = rows(bills)
    for name, content in (("b.csv", cur2_csv(lines)), ("c.parquet", cur2_parquet(lines))):
        empty(bills)
        bills.put(name, content)
        holds(bills, deliver(bills), lines)
        # a tag of AWS's own is spelled as each report spells it
        assert (
            rows(bills)
            .drop("tags", "x_IdentityHash", "x_ChargeHash")
            .equals(legacy.drop("tags", "x_IdentityHash", "x_ChargeHash"))
        )
    bills.put("b.csv", gzip.compress(cur2_csv(lines[::-1])))
    outcome = deliver(bills)
    assert outcome.rows == len(lines)
    assert "the same charges as" in " ".join(outcome.notes)


def test_amounts_as_doubles_are_the_decimals_they_print(bills: Bills) -> None:
    lines = report("doubles", 60)
    bills.put("a.parquet", cur2_parquet(lines, doubles=True))
    amounts = {"lineItem/UnblendedCost", *(name for names in NEEDED.values() for name in names)}
    printed = [
        {name: repr(float(cell)) if name in amounts and cell else cell for name, cell in line.items()}
        for line in lines
    ]
    assert printed != lines, "no amount is printed otherwise than it is written: nothing was tried"
    holds(bills, deliver(bills), printed)


def legacy_delivery(bills: Bills, assembly: str, parts: list[list[Line]]) -> None:
    """A legacy report in the layout of its documentation; an empty assembly overwrites the one before."""
    dates = "cur/20231101-20231201"
    folder = f"{dates}/{assembly}" if assembly else dates
    names = [f"{folder}/cur-{number:05d}.csv.gz" for number, _ in enumerate(parts, 1)]
    for name, lines in zip(names, parts, strict=True):
        bills.put(name, gzip.compress(as_csv(lines)))
    manifest = json.dumps(
        {
            "assemblyId": assembly or "11111111-2222-3333-4444-000000000000",
            "bucket": "acme",
            "reportKeys": [f"p/{name}" for name in names],
        }
    )
    if assembly:
        bills.put(f"{folder}/cur-Manifest.json", manifest)
    bills.put(f"{dates}/cur-Manifest.json", manifest)


@pytest.mark.parametrize("mode", ["create new", "overwrite"])
def test_a_restated_report_is_the_report_loaded_alone_in_whatever_order_and_parts(
    bills: Bills, mode: str
) -> None:
    dice = random.Random(mode)
    before, after = report("before", 40), report("before", 25) + report("after", 20)
    assemblies = ["", ""]
    if mode == "create new":
        assemblies = [f"11111111-2222-3333-4444-{number:012d}" for number in (1, 2)]
    legacy_delivery(bills, assemblies[0], [before])
    holds(bills, deliver(bills), before)
    shuffled = dice.sample(after, len(after))
    legacy_delivery(bills, assemblies[1], [shuffled[:13], shuffled[13:]])
    bills.put("cur/20231101-20231201/stray.csv", as_csv(report("stray", 5)))
    holds(bills, deliver(bills), after)
    restated = rows(bills)
    lines = bills.count("raw_deliveries")
    assert [one.state for one in deliver(bills).periods] == ["unchanged"]
    assert bills.count("raw_deliveries") == lines
    empty(bills)
    bills.put("whole.csv", as_csv(after))
    holds(bills, deliver(bills), after)
    assert rows(bills).equals(restated)


def test_the_manifest_beside_the_assemblies_counts_whatever_the_times_of_a_copy(bills: Bills) -> None:
    old, new = report("old", 14), report("new", 14)
    assemblies = [f"11111111-2222-3333-4444-{number:012d}" for number in (1, 2)]
    legacy_delivery(bills, assemblies[0], [old])
    copied = (bills.folder / f"cur/20231101-20231201/{assemblies[0]}/cur-Manifest.json").read_bytes()
    legacy_delivery(bills, assemblies[1], [new])
    bills.put(f"cur/20231101-20231201/{assemblies[0]}/cur-Manifest.json", copied)
    assert total(map(billed, old)) != total(map(billed, new)), "either would do"
    holds(bills, deliver(bills), new)


def test_reports_arrive_from_s3_with_their_manifests(bills: Bills, bucket: Any, s3_address: str) -> None:
    lines, other = report("s3", 30), [{**line, **OF_OCTOBER} for line in report("october", 30)]
    s3 = {"location": "s3://bills/p", "endpoint_url": s3_address, "region": "us-east-1"}

    def put(key: str, content: bytes | dict[str, Any]) -> None:
        body = json.dumps(content).encode() if isinstance(content, dict) else content
        bucket.put_object(Bucket="bills", Key=f"p/{key}", Body=body)

    # legacy: its Parquet lies beside the folder of the manifest
    put("cur/cur/year=2023/month=11/cur-00001.snappy.parquet", cur2_parquet(lines))
    put(
        "cur/20231101-20231201/cur-Manifest.json",
        {
            "assemblyId": "a",
            "bucket": "bills",
            "reportKeys": ["p/cur/cur/year=2023/month=11/cur-00001.snappy.parquet"],
        },
    )
    # Data Exports
    data = "exp/data/BILLING_PERIOD=2023-10/exp-00001.csv.gz"
    put(data, gzip.compress(cur2_csv(other)))
    put(
        "exp/metadata/BILLING_PERIOD=2023-10/exp-Manifest.json",
        {"executionId": "e", "dataFiles": [f"s3://bills/p/{data}"]},
    )
    put("exp/data/BILLING_PERIOD=2023-10/exp-00009.csv.gz", gzip.compress(cur2_csv(report("stray", 5))))
    outcome = deliver(bills, **s3)
    holds(bills, outcome, lines + other)
    assert {one.period for one in outcome.periods} == {OCTOBER, NOVEMBER}
    assert {one.state for one in deliver(bills, **s3).periods} == {"unchanged"}


OUTSIDE = ("../../secret.csv", "p/cur/20231101-20231201/../../other/x.csv", "/etc/passwd", "p/other/x.csv")


@pytest.mark.parametrize(
    ("where", "bucket_named", "key"),
    [
        # a local copy does not know the bucket it was copied from
        ("s3", "elsewhere", "p/cur/20231101-20231201/x.csv"),
        *((where, "bills", key) for where in ("disk", "s3") for key in OUTSIDE),
    ],
)
def test_a_manifest_names_only_what_lies_in_its_own_report(
    bills: Bills, bucket: Any, s3_address: str, where: str, bucket_named: str, key: str
) -> None:
    manifest = json.dumps({"assemblyId": "a", "bucket": bucket_named, "reportKeys": [key]}).encode()
    files = {
        "cur/20231101-20231201/x.csv": as_csv(report("x", 3)),
        "other/x.csv": as_csv(report("o", 3)),
        "cur/20231101-20231201/cur-Manifest.json": manifest,
    }
    source: dict[str, str] = {}
    for name, content in files.items():
        if where == "disk":
            bills.put(name, content)
        else:
            bucket.put_object(Bucket="bills", Key=f"p/{name}", Body=content)
            source = {"location": "s3://bills/p", "endpoint_url": s3_address, "region": "us-east-1"}
    outcome = deliver(bills, **source)
    (refusal,) = outcome.refusals
    assert refusal.object_name == "cur/20231101-20231201/cur-Manifest.json"
    assert "it names" in refusal.sentence and refusal.sentence.endswith("correct the manifest")
    assert bills.published() == {}


CASES: list[tuple[Mapping[str, str], str, str, Mapping[str, str | None]]] = [
    ({"lineItem/LineItemType": "Usage"}, "10", "10", {"ChargeCategory": "Usage", "PricingCategory": "Standard"}),
    ({"lineItem/LineItemType": "Usage", "lineItem/UsageType": "EU-SpotUsage:m5"}, "10", "10", {"PricingCategory": "Dynamic"}),
    ({"lineItem/LineItemType": "Tax"}, "10", "10", {"ChargeCategory": "Tax"}),
    ({"lineItem/LineItemType": "Refund"}, "10", "10", {"ChargeCategory": "Adjustment", "ChargeClass": "Correction"}),
    ({"lineItem/LineItemType": "Credit"}, "10", "10", {"ChargeCategory": "Credit"}),
    ({"lineItem/LineItemType": "Bundled Discount"}, "10", "10", {"ChargeCategory": "Credit"}),
    ({"lineItem/LineItemType": "EDP_DISCOUNT"}, "10", "10", {"ChargeCategory": "Credit"}),
    ({"lineItem/LineItemType": "Fee", "lineItem/ProductCode": "AWSSupportBusiness"}, "10", "10", {"ChargeCategory": "Purchase", "CommitmentDiscountId": None}),
    ({"lineItem/LineItemType": "Fee", "reservation/ReservationARN": RI}, "10", "0", {"CommitmentDiscountId": RI, "CommitmentDiscountType": "Reservation"}),
    ({"lineItem/LineItemType": "RIFee", "reservation/ReservationARN": RI, "reservation/UnusedRecurringFee": "3E-1"}, "10", "0.3", {"CommitmentDiscountStatus": "Unused", "ChargeFrequency": "Recurring"}),
    ({"lineItem/LineItemType": "RIFee", "reservation/UnusedAmortizedUpfrontFeeForBillingPeriod": "0.25", "reservation/UnusedRecurringFee": "0.5"}, "10", "0.75", {"ChargeCategory": "Purchase"}),
    ({"lineItem/LineItemType": "DiscountedUsage", "reservation/ReservationARN": RI, "reservation/EffectiveCost": "4"}, "10", "4", {"CommitmentDiscountCategory": "Usage", "CommitmentDiscountStatus": "Used"}),
    ({"lineItem/LineItemType": "SavingsPlanCoveredUsage", "savingsPlan/SavingsPlanARN": PLAN, "savingsPlan/SavingsPlanEffectiveCost": "7"}, "10", "7", {"CommitmentDiscountType": "Savings Plan", "CommitmentDiscountCategory": "Spend"}),
    ({"lineItem/LineItemType": "SavingsPlanNegation", "savingsPlan/SavingsPlanARN": PLAN}, "10", "0", {"ChargeCategory": "Usage"}),
    ({"lineItem/LineItemType": "SavingsPlanRecurringFee", "savingsPlan/TotalCommitmentToDate": "9", "savingsPlan/UsedCommitment": "7.5"}, "10", "1.5", {"CommitmentDiscountStatus": "Unused"}),
    ({"lineItem/LineItemType": "SavingsPlanUpfrontFee", "savingsPlan/SavingsPlanARN": PLAN}, "10", "0", {"ChargeCategory": "Purchase", "ChargeFrequency": "One-Time"}),
    # nothing says what is effective: what is billed stands for it, and that is told
    ({"lineItem/LineItemType": "DiscountedUsage"}, "10", "10", {"CommitmentDiscountStatus": "Used"}),
]  # fmt: skip


def test_each_line_item_type_is_what_aws_documents(bills: Bills) -> None:
    lines = [
        {**LINE, "lineItem/UnblendedCost": "10", "lineItem/ResourceId": f"r-{number:03d}", **cells}
        for number, (cells, *_) in enumerate(CASES)
    ]
    bills.put("a.csv", as_csv(lines))
    outcome = deliver(bills)
    assert not outcome.refusals
    found = rows(bills).sort("ResourceId").rows(named=True)
    for row, (cells, cost, amortised, expected) in zip(found, CASES, strict=True):
        assert (row["BilledCost"], row["EffectiveCost"]) == (Decimal(cost), Decimal(amortised)), cells
        assert {name: row[name] for name in expected} == dict(expected), cells
    told = {(one.subject, one.reason.split(":")[0]): one.records for one in outcome.repairs}
    assert told[("EffectiveCost", "is empty")] == 1


def test_the_table_of_line_item_types_speaks_focus() -> None:
    assert {one.charge_category for one in line_types().values()} <= set(charge_categories())
    assert {one.charge_class for one in line_types().values()} <= {"", "Correction"}
    assert {one.commitment_status for one in line_types().values()} <= {"", "Used", "Unused"}
    assert {one.name for one in line_types().values()} >= set(TYPES)


def test_discounts_in_columns_lower_what_is_billed(bills: Bills) -> None:
    net = "line_item_net_unblended_cost"
    line = {**as_cur2({**LINE, "lineItem/UnblendedCost": "10"}), "discount": '{"edp_discount": -1}'}
    plan = as_cur2(
        {
            **LINE,
            "lineItem/UnblendedCost": "10",
            "lineItem/ResourceId": "p",
            "lineItem/LineItemType": "SavingsPlanCoveredUsage",
            "savingsPlan/SavingsPlanEffectiveCost": "7",
        }
    )
    covered = {**plan, net: "8.5", "savings_plan_net_savings_plan_effective_cost": "6.5"}
    names = [*line, net, "savings_plan_net_savings_plan_effective_cost"]
    bills.put(
        "a.csv", as_csv([{**line, net: "9"}, covered, {**line, "line_item_resource_id": "none"}], names)
    )
    outcome = deliver(bills)
    assert ledger(outcome, "BilledCost") == Decimal("27.5")
    assert ledger(outcome, "EffectiveCost") == Decimal("25.5")
    # where discounts are lines of their own, the net cost would count them twice
    empty(bills)
    bills.put(
        "b.csv", as_csv([{**LINE, "lineItem/NetUnblendedCost": "9"}], [*LINE, "lineItem/NetUnblendedCost"])
    )
    assert ledger(deliver(bills), "BilledCost") == Decimal(1)
    with pytest.raises(InputRefused, match="has discounts in its column discount and not line_item_net_unbl"):
        read_header(list(line))


def test_an_invoice_that_comes_weeks_later_lands_in_the_month_it_is_billed_in(bills: Bills) -> None:
    october = [{**line, **OF_OCTOBER} for line in report("october", 28)]
    november = report("november", 28)
    bills.put("10.csv", as_csv(october))
    bills.put("11.csv", as_csv(november))
    deliver(bills)
    # support of October is invoiced in its own period; a refund of October's usage in November's
    support = {
        **LINE,
        **OF_OCTOBER,
        "lineItem/LineItemType": "Fee",
        "bill/InvoiceId": "77",
        "lineItem/UnblendedCost": "29",
    }
    refund = {
        **LINE,
        "lineItem/LineItemType": "Refund",
        "lineItem/UnblendedCost": "-3.5",
        "lineItem/UsageStartDate": "2023-10-02T00:00:00Z",
        "lineItem/UsageEndDate": "2023-10-03T00:00:00Z",
    }  # fmt: skip
    bills.put("10.csv", as_csv([*october, support]))
    bills.put("11.csv", as_csv([*november, refund]))
    outcome = deliver(bills)
    assert {
        one.period: total([one.sums["USD/BilledCost"], one.residues["USD/BilledCost"]])
        for one in outcome.periods
    } == {
        OCTOBER: total(map(billed, [*october, support])),
        NOVEMBER: total(map(billed, [*november, refund])),
    }
    late = rows(bills).filter(pl.col("ChargeClass") == "Correction", pl.col("BilledCost") == Decimal("-3.5"))
    (row,) = late.rows(named=True)
    assert (row["x_BillingPeriod"], row["ChargePeriodStart"].date()) == (NOVEMBER, date(2023, 10, 2))


BAD = [
    ({"lineItem/UnblendedCost": "1,234.5"}, "lineItem/UnblendedCost 1,234.5 is no plain decimal"),
    ({"lineItem/UnblendedCost": ""}, "lineItem/UnblendedCost NULL is no plain decimal"),
    ({"lineItem/UnblendedCost": "nan"}, "lineItem/UnblendedCost nan is no plain decimal"),
    ({"lineItem/UnblendedCost": "1E16"}, "lineItem/UnblendedCost 1E16 is no plain decimal"),
    ({"lineItem/UnblendedCost": "1.5E-38"}, "lineItem/UnblendedCost 1.5E-38 is no plain decimal"),
    (
        {"lineItem/LineItemType": "RIFee", "reservation/UnusedRecurringFee": "x"},
        "reservation/UnusedRecurringFee x is no plain decimal",
    ),
    (
        {"lineItem/LineItemType": "SavingsPlanCoveredUsage", "savingsPlan/SavingsPlanEffectiveCost": "?"},
        "savingsPlan/SavingsPlanEffectiveCost ? is no plain decimal",
    ),
    ({"lineItem/LineItemType": "Gift"}, "lineItem/LineItemType Gift is no line item type that is known here"),
    ({"lineItem/CurrencyCode": "XYZ"}, "lineItem/CurrencyCode XYZ is no ISO 4217 currency"),
    (
        {"lineItem/UsageEndDate": "2023-11-01"},
        "lineItem/UsageEndDate 2023-11-01 is before lineItem/UsageStartDate",
    ),
    (
        {"bill/BillingPeriodEndDate": "2023-11-01"},
        "bill/BillingPeriodEndDate 2023-11-01 is not after bill/BillingPeriodStartDate",
    ),
]


def test_a_line_item_that_cannot_be_taken_refuses_its_month_and_is_named(bills: Bills) -> None:
    good = {**LINE, **OF_OCTOBER}
    bills.put("a.csv", as_csv([good, *({**LINE, **cells} for cells, _ in BAD)]))
    outcome = deliver(bills)
    assert {one.period: one.state for one in outcome.periods} == {OCTOBER: "published", NOVEMBER: "refused"}
    for number, (refusal, (_, sentence)) in enumerate(zip(outcome.refusals, BAD, strict=True)):
        assert (refusal.position, refusal.object_name) == (number + 2, "a.csv")
        assert refusal.sentence.startswith(sentence), refusal.sentence


def test_other_cells_that_cannot_be_read_are_left_empty_and_counted(bills: Bills) -> None:
    lines = [
        {**LINE, "lineItem/UsageAmount": "many", "lineItem/ResourceId": "a"},
        {**LINE, "pricing/publicOnDemandCost": "free", "identity/LineItemId": "b"},
    ]
    bills.put("a.csv", as_csv(lines))
    bills.put(
        "b.csv",
        as_csv(
            [
                {
                    **as_cur2({**LINE, "lineItem/ResourceId": "c", "identity/LineItemId": "c"}),
                    "resource_tags": "{oops",
                }
            ],
            as_cur2(LINE),
        ),
    )
    outcome = deliver(bills)
    found = {(one.object_name, one.subject) for one in outcome.repairs if "not delivered" not in one.reason}
    assert found == {
        ("a.csv", "ConsumedQuantity"),
        ("a.csv", "PricingQuantity"),
        ("a.csv", "ListCost"),
        ("b.csv", "Tags"),
    }
    assert bills.published() == {NOVEMBER: Decimal(3)}


def test_a_key_that_stands_in_two_rows_is_counted_and_told_an_id_alone_is_not(bills: Bills) -> None:
    day = {**LINE, "identity/TimeInterval": "2023-11-03T00:00:00Z/2023-11-04T00:00:00Z"}
    bills.put("a.csv", as_csv([LINE, day, day, {**LINE, "lineItem/ResourceId": "r"}]))
    outcome = deliver(bills)
    told = [(one.subject, one.records) for one in outcome.repairs if "time interval" in one.reason]
    assert told == [("row", 2)]
    assert bills.published() == {NOVEMBER: Decimal(4)}


@given(st.permutations(list(LINE)), st.lists(st.booleans(), min_size=len(LINE), max_size=len(LINE)))
def test_a_header_is_read_in_either_spelling_and_any_order(names: list[str], is_snake: list[bool]) -> None:
    written = [
        snake(name) if new and "Tags" not in name else name for name, new in zip(names, is_snake, strict=True)
    ]
    header = read_header(written)
    assert set(header.delivered) == {snake(name) for name in LINE} & set(columns())
    assert {snake(header.delivered[name]) for name in header.delivered} == set(header.delivered)
    assert {*header.delivered.values(), *header.tag_columns, *header.ignored} == set(written)


def test_every_column_that_is_read_is_asked_for_by_a_statement() -> None:
    texts = statement("ingest/aws_cur") + statement("ingest/aws_cur_profile")
    asked = {name.removesuffix("AsMap") for name in re.findall(r"\{(\w+):Identifier\}", texts)}
    assert set(columns()) - asked == {"discount"}  # that it is there decides what is billed


def test_tags_lose_what_aws_puts_before_a_users_key(bills: Bills) -> None:
    own = [
        "resourceTags/user:app_id",
        "resource_tags_user_team",
        "resourceTags/aws:createdBy",
        "resourceTags/user:App Id",
    ]
    header = read_header([*(name for name in LINE if "Tags" not in name), *own])
    assert header.tag_columns == dict(zip(own, ["app_id", "team", "aws:createdBy", "App Id"], strict=True))
    twice = read_header(
        [*(name for name in LINE if "Tags" not in name), "resourceTags/user:a", "resourceTags/a"]
    )
    assert list(twice.tag_columns.values()) == ["a", "resourceTags/a"]
    value = {"user_app_id": "a", "aws_x": "b", "user:team": 'say "user_y": 1', "user_z": ""}
    cells = {**as_cur2(LINE), "resource_tags": json.dumps(value)}
    bills.put("a.csv", as_csv([cells], cells))
    deliver(bills)
    assert json.loads(rows(bills)["tags"][0]) == {
        "app_id": "a", "aws_x": "b", "team": 'say "user_y": 1', "z": ""
    }  # fmt: skip


def refusal_of(bills: Bills, outcome: BillingOutcome) -> Refusal:
    assert bills.published() == {}
    (refusal,) = outcome.refusals
    return refusal


def test_a_folder_of_another_format_is_told_the_right_one(bills: Bills, focus_csv: Any) -> None:
    bills.put("a.csv", focus_csv({}))
    refusal = refusal_of(bills, deliver(bills))
    assert (
        refusal.sentence
        == "it looks like FOCUS, not like AWS's Cost and Usage Report: give its source `format: focus`"
    )
    bills.put("a.csv", as_csv([LINE]))
    refusal = refusal_of(bills, bills.ingest())
    assert (
        refusal.sentence
        == "it looks like AWS's Cost and Usage Report, not like FOCUS: give its source `format: aws-cur`"
    )
    bills.put("a.csv", as_csv([LINE], [name for name in LINE if name != "lineItem/CurrencyCode"]))
    refusal = refusal_of(bills, deliver(bills))
    assert refusal.sentence == (
        "its header lacks the column line_item_currency_code (in the legacy report: lineItem/CurrencyCode): "
        "add it to the export"
    )


@pytest.mark.parametrize("kept", [0, 2, 30])
def test_rows_that_keep_their_key_are_the_same_rows_whatever_they_cost(bills: Bills, kept: int) -> None:
    """A report of loose files that restates every amount: no charge is the same, and its keys say that it is."""
    before = [
        {**LINE, "identity/LineItemId": f"l{number}", "lineItem/UnblendedCost": f"1.{number:03}"}
        for number in range(30)
    ]
    after = [
        {
            **line,
            "identity/LineItemId": f"{'l' if number < kept else 'm'}{number}",
            "lineItem/UnblendedCost": f"2.{number:03}",
        }
        for number, line in enumerate(before)
    ]
    elsewhere = [
        {**line, "identity/TimeInterval": "2023-11-03T00:00:00Z/2023-11-04T00:00:00Z"} for line in before
    ]
    bills.put("a.csv", as_csv(before))
    assert [one.state for one in deliver(bills).periods] == ["published"]
    bills.put("b.csv", as_csv(after))
    (done,) = deliver(bills).periods
    if kept < 3:  # as few as chance explains
        assert done.state == "published"
        return
    assert done.state == "held" and "all of the 30 rows" in done.reason
    # the same ids in another interval are other rows
    empty(bills)
    for path in bills.folder.glob("*.csv"):
        path.unlink()
    bills.put("a.csv", as_csv(before))
    bills.put(
        "c.csv",
        as_csv(
            [{**line, "lineItem/UnblendedCost": f"3.{number:03}"} for number, line in enumerate(elsewhere)]
        ),
    )
    assert [one.state for one in deliver(bills).periods] == ["published"]
