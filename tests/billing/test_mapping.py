"""Bills that are read by a mapping, against the rows they were made of: providers nobody has seen before need no code."""

from __future__ import annotations

import io
import json
from collections import Counter
from datetime import UTC, date, datetime
from decimal import ROUND_DOWN, Decimal, localcontext

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.mapping import shipped
from models.settings import BillingSource
from pipelines.ingest.billing import BillingOutcome, ingest_source
from pipelines.ingest.billing.counting import total_fault
from pipelines.ingest.billing.held import waiting
from tests.billing.conftest import Bills
from tests.billing.made_up_bills import EXACT, FORMS, PLACES, Truth, put

SEEDS = [
    pytest.param(seed, form, marks=[] if seed < 3 else pytest.mark.slow)
    for seed, form in enumerate(("csv", "parquet", "jsonl.gz", "tab.tsv", *FORMS, *FORMS, *FORMS))
]


def _cut(value: Decimal) -> Decimal:
    return value.quantize(PLACES, rounding=ROUND_DOWN, context=EXACT)


def _agrees(bills: Bills, outcome: BillingOutcome, truths: list[Truth]) -> None:
    """Every published row is one of the bill, and sums with their residues are exact."""
    assert not outcome.refusals and not waiting(bills.warehouse), outcome.refusals
    expected = Counter(
        (_cut(one.billed), _cut(one.effective), one.currency, one.month, one.starts, one.ends, one.category, one.service, one.description, one.tags)
        for one in truths
    )  # fmt: skip
    frame = bills.warehouse.frame_of(
        "SELECT BilledCost, EffectiveCost, toString(BillingCurrency), x_BillingPeriod, ChargePeriodStart, ChargePeriodEnd,"
        " toString(ChargeCategory), toString(ServiceName), ChargeDescription, Tags, toDate(BillingPeriodEnd) FROM raw_focus_costs_published"
    )
    found = Counter((*row[:9], tuple(sorted(dict(row[9]).items()))) for row in frame.iter_rows())
    assert found == expected
    by_month = {one.period: one for one in outcome.periods}
    with localcontext(EXACT):
        for month in by_month:
            for metric in ("billed", "effective"):
                for currency in {one.currency for one in truths if one.month == month}:
                    key = f"{currency}/{'BilledCost' if metric == 'billed' else 'EffectiveCost'}"
                    total = sum(
                        getattr(one, metric)
                        for one in truths
                        if (one.month, one.currency) == (month, currency)
                    )
                    assert by_month[month].sums[key] + by_month[month].residues[key] == total


@pytest.mark.parametrize(("seed", "form"), SEEDS)
def test_a_provider_nobody_has_seen_before_needs_no_code(bills: Bills, seed: int, form: str) -> None:
    truths = put(bills.settings.root, seed, form)
    outcome = bills.ingest(format="mapping", mapping=f"{seed}.yaml", location=f"bills/{seed}")
    assert outcome.rows == len(truths) > 0
    _agrees(bills, outcome, truths)


MAPPING = """\
optional: [Label]
columns:
  BilledCost: {sum: [Net, Tax]}
  EffectiveCost: {same_as: BilledCost}
  BillingCurrency: {agreed: [Net currency, Tax currency]}
  BillingAccountId: {constant: acme}
  BillingPeriodStart: {month_start: {date: Day, format: DD.MM.YYYY}}
  BillingPeriodEnd: {month_end: {date: Day, format: DD.MM.YYYY}}
  ChargePeriodStart: {date: Day, format: DD.MM.YYYY}
  ChargePeriodEnd: {day_end: {date: Day, format: DD.MM.YYYY}}
  ChargeCategory: {map: Kind, values: {use: Usage}}
  ServiceName: Service
  ServiceProviderName: {constant: Acme}
  ListCost: {product: [Quantity, Price]}
  Tags: Label
"""
HEADER = "Net,Tax,Net currency,Tax currency,Day,Kind,Service,Quantity,Price\n"
GOOD = "10.10,1.01,EUR,EUR,02.09.2024,use,db,3,0.1\n"
BAD = {
    "two currencies": ("1,1,EUR,USD,02.09.2024,use,db,1,1", "BillingCurrency (of Net currency, Tax currency)", "are two currencies in one line"),
    "no currency": ("1,1,,,02.09.2024,use,db,1,1", "BillingCurrency (of Net currency, Tax currency)", "is no ISO 4217 currency"),
    "half an amount": ("1,,EUR,EUR,02.09.2024,use,db,1,1", "BilledCost (of Net, Tax)", "is no plain decimal"),
    "money in words": ("1,one,EUR,EUR,02.09.2024,use,db,1,1", "BilledCost (of Net, Tax)", "is no plain decimal"),
    "thousands": ('"1,000",1,EUR,EUR,02.09.2024,use,db,1,1', "BilledCost (of Net, Tax)", "is no plain decimal"),
    "too large": (f"{10**16},1,EUR,EUR,02.09.2024,use,db,1,1", "BilledCost (of Net, Tax)", "is no plain decimal"),
    "another date": ("1,1,EUR,EUR,2024-09-02,use,db,1,1", "BillingPeriodStart (of Day)", "so its month is unknown"),
    "no such day": ("1,1,EUR,EUR,31.02.2024,use,db,1,1", "BillingPeriodStart (of Day)", "so its month is unknown"),
    "unknown kind": ("1,1,EUR,EUR,02.09.2024,fee,db,1,1", "ChargeCategory (of Kind)", "is no charge category"),
}  # fmt: skip


SKIPPING = (
    MAPPING
    + """\
preamble_lines: 3
skip_rows_where:
  - {column: Service, begins_with: ["grand total"], total: true}
  - {column: Kind, equals: [Subtotal, note]}
  - {column: Day, is_empty: true}
"""
)
PREAMBLE = 'Invoice;4711\n"two, cells",and more,EUR\n\n'


def test_lines_before_the_header_and_lines_that_are_no_charges_are_left_out_and_told(bills: Bills) -> None:
    (bills.settings.root / "m.yaml").write_text(SKIPPING)
    rows = GOOD + "1,0.5,USD,USD,03.09.2024,use,db,1,1\n"
    others = ",,,,02.09.2024,SUBTOTAL,db,,\n,,,,,,page 2,,\n,,,,,,page 3,,\n,,,,,,,,\n"
    totals = "11,0.11,EUR,EUR,,,Grand total (all),,\n1.50,0,USD,USD,,,GRAND TOTAL,,\n"
    bills.put("a.csv", PREAMBLE + HEADER + rows + others + totals)
    bills.put("b.csv", (PREAMBLE + HEADER + "5,0,EUR,EUR,04.09.2024,use,x,1,1\n").encode("utf-16"))
    outcome = bills.ingest(format="mapping", mapping="m.yaml")
    assert not outcome.refusals
    assert outcome.periods[0].sums["EUR/BilledCost"] == Decimal("16.11")
    assert outcome.periods[0].sums["USD/BilledCost"] == Decimal("1.5")
    told = {(one.object_name, one.reason): one.records for one in outcome.repairs if one.subject == "row"}
    assert told == {
        ("a.csv", "stands before the header, as the mapping says: left out"): 3,
        ("b.csv", "stands before the header, as the mapping says: left out"): 3,
        ("a.csv", "is a total, and equal to the sum of the others, as the mapping says (Service begins with grand total): left out"): 2,
        ("a.csv", "is no charge, as the mapping says (Kind is Subtotal or note): left out"): 1,
        ("a.csv", "is no charge, as the mapping says (Day is empty): left out"): 2,
        ("a.csv", "is blank in every column that decides: left out"): 1,
    }  # fmt: skip


def test_a_total_that_is_not_the_sum_refuses_its_file(bills: Bills) -> None:
    (bills.settings.root / "m.yaml").write_text(SKIPPING)
    bills.put("a.csv", PREAMBLE + HEADER + GOOD + GOOD + "11.12,0,EUR,EUR,,,Grand Total,,\n")
    bills.put("short.csv", "one line\n")
    outcome = bills.ingest(format="mapping", mapping="m.yaml")
    said = sorted(map(str, outcome.refusals))
    assert said[0].startswith(
        "a.csv, row 3: is a total of 11.12, and the rows that are left sum to 22.22: "
    ), said
    assert "it has fewer than the 3 preamble_lines its mapping leaves out" in said[1]
    assert not bills.published()


def test_a_total_is_compared_in_its_currency_to_the_last_digit() -> None:
    def line(currency: str, cost: str, rest: str = "0", **more: int) -> str:
        told = {
            "currency": currency,
            "rows": 2,
            "bad_rows": 0,
            "sum_BilledCost": cost,
            "residue_BilledCost": rest,
        }
        return json.dumps({**told, **more})

    tiny = "0." + "0" * 37 + "1"
    euros = "\n".join((line("EUR", "1.5", tiny), line("EUR", "2"), line("", "0", rows=0)))
    both = euros + "\n" + line("USD", "7")
    exact = "3.5" + "0" * 36 + "1"
    for amount, currency, counted, wanted in (
        (exact, "EUR", both, ""),
        (exact, "eur", both, ""),
        (exact, "", euros, ""),
        ("7.000", "USD", both, ""),
        ("3.5", "EUR", both, "is a total of 3.5, and the rows that are left sum to 3.5000"),
        ("1", "CHF", both, "is a total of 1, and the rows that are left sum to 0"),
        ("10.5", "", both, "is a total 10.5 without a currency, and the file has EUR and USD"),
        (
            "1'2 (no plain decimal)",
            "EUR",
            both,
            'is a total, and its BilledCost "1\'2 (no plain decimal)" is no plain decimal',
        ),
        ("1", "EUR", line("EUR", "2", bad_rows=1), ""),  # refused by its rows
    ):
        found = total_fault(amount, currency, counted)
        assert found.startswith(wanted) and bool(found) == bool(wanted), found


def test_what_cannot_be_read_refuses_its_month_and_is_named(bills: Bills) -> None:
    (bills.settings.root / "m.yaml").write_text(MAPPING)
    monthless = {name for name, (_, _, reason) in BAD.items() if reason == "so its month is unknown"}
    for name in monthless:
        bills.put(f"{name}.csv", HEADER + GOOD + BAD[name][0] + "\n")
    dated = [name for name in BAD if name not in monthless]
    bills.put("dated.csv", HEADER + GOOD + "".join(BAD[name][0] + "\n" for name in dated))
    bills.put("lacks.csv", "Net,Tax,Day\n1,1,02.09.2024\n")
    bills.put("ragged.csv", HEADER + "1,1,EUR\n")
    bills.put("focus.csv", "BilledCost,BillingPeriodStart\n1,2024-09-01\n")
    outcome = bills.ingest(format="mapping", mapping="m.yaml")
    told = {(one.object_name, one.position): one.sentence for one in outcome.refusals}
    for row, name in enumerate(dated, start=2):
        assert BAD[name][1] in told["dated.csv", row] and BAD[name][2] in told["dated.csv", row], told
    for name in monthless:
        assert BAD[name][1] in told[f"{name}.csv", 2] and BAD[name][2] in told[f"{name}.csv", 2], told
    assert told["lacks.csv", 0].startswith(
        "its header (Net, Tax, Day) lacks the column Net currency that m.yaml, line 5"
    )
    assert "it has fewer fields than the header" in told["ragged.csv", 1]
    assert "give its source `format: focus`" in told["focus.csv", 0]
    assert not bills.published() and all(one.state == "refused" for one in outcome.periods)


def test_a_changed_mapping_is_a_changed_delivery(bills: Bills) -> None:
    """The same bytes read otherwise are published anew, and read as before are what they were."""
    mapping, month = bills.settings.root / "m.yaml", "2024-09-01"
    mapping.write_text(MAPPING)
    bills.put(
        "bill.csv",
        HEADER + GOOD + "-0.10,0,EUR,,30.09.2024,use,db,2.5,1.000000000000000000000000000001\n,,,,,,,,\n",
    )
    first = bills.ingest(format="mapping", mapping="m.yaml")
    assert [one.state for one in first.periods] == ["published"]
    assert {f"{key}": value for key, value in bills.published().items()} and sum(
        bills.published().values()
    ) == Decimal("11.01")
    assert first.periods[0].sums["EUR/ListCost"] + first.periods[0].residues["EUR/ListCost"] == Decimal(
        "2.8"
    ) + Decimal("2.5e-30")
    assert [one.state for one in bills.ingest(format="mapping", mapping="m.yaml").periods] == ["unchanged"]
    mapping.write_text("# a remark changes nothing\n" + MAPPING)
    assert [one.state for one in bills.ingest(format="mapping", mapping="m.yaml").periods] == ["unchanged"]
    mapping.write_text(MAPPING.replace("{sum: [Net, Tax]}", "Net"))
    again = bills.ingest(format="mapping", mapping="m.yaml")
    assert [(f"{one.period}", one.state) for one in again.periods] == [(month, "published")]
    assert sum(bills.published().values()) == Decimal("10.00")
    for text, sentence in (
        ("columns: {BilledCost: {eval: x}}", "which is no function"),
        ("", "holds 0 documents"),
    ):
        mapping.write_text(text)
        broken = bills.ingest(format="mapping", mapping="m.yaml")
        assert [one.object_name for one in broken.refusals] == ["m.yaml"] and sentence in broken.refusals[
            0
        ].sentence
    assert sum(bills.published().values()) == Decimal("10.00")


def test_a_mapping_that_is_not_there_is_named(bills: Bills) -> None:
    source = BillingSource("bill", "mapping", "bills", mapping="none.yaml")
    outcome = ingest_source(bills.warehouse, bills.settings, source)
    assert (
        outcome.refusals[0].sentence
        == "none.yaml cannot be read (No such file or directory): name a mapping that is there"
    )
    assert "vercel" in shipped()


def test_numbers_and_nested_values_of_parquet_keep_what_they_say(bills: Bills) -> None:
    table = pa.table(
        {
            "cost": pa.array(
                [Decimal("1.25"), Decimal("-99999999999999.000000000000000001")], pa.decimal128(38, 18)
            ),
            "double": [0.1, 1e-7],
            "day": pa.array([date(2024, 9, 2), date(2024, 9, 30)]),
            "at": pa.array(
                [datetime(2024, 9, 2, 10, 30, tzinfo=UTC), datetime(2024, 9, 30, tzinfo=UTC)],
                pa.timestamp("us", "UTC"),
            ),
            "tags": pa.array([[("app_id", "shop")], []], pa.map_(pa.string(), pa.string())),
            "meta": [{"team": "one", "n": 1}, {"team": "", "n": 2}],
            "service": pa.array(["db", "db"]).dictionary_encode(),
        }
    )
    out = io.BytesIO()
    pq.write_table(table, out)
    bills.put("bill.parquet", out.getvalue())
    (bills.settings.root / "m.yaml").write_text(
        "columns:\n  BilledCost: cost\n  EffectiveCost: double\n  BillingCurrency: {constant: USD}\n  BillingAccountId: {constant: a}\n"
        "  BillingPeriodStart: {month_start: day}\n  BillingPeriodEnd: {month_end: day}\n  ChargePeriodStart: at\n"
        "  ChargePeriodEnd: {day_end: at}\n  ChargeCategory: {constant: usage}\n  ServiceName: service\n"
        "  ProviderName: {constant: p}\n  Tags: {tags: {team: {json: meta, member: team}}, json: tags}\n"
    )
    outcome = bills.ingest(format="mapping", mapping="m.yaml")
    assert not outcome.refusals
    frame = bills.warehouse.frame_of(
        "SELECT BilledCost, EffectiveCost, toString(ChargePeriodStart) AS at, Tags FROM raw_focus_costs_published ORDER BY at"
    )
    assert [(*row[:3], dict(row[3])) for row in frame.iter_rows()] == [
        (Decimal("1.25"), Decimal("0.1"), "2024-09-02 10:30:00.000000000", {"app_id": "shop", "team": "one"}),
        (Decimal("-99999999999999.000000000000000001"), Decimal("1e-7"), "2024-09-30 00:00:00.000000000", {}),
    ]
    odd = table.rename_columns(["cost", "double", "day", "at", "tags", "it's", "service"])
    out = io.BytesIO()
    pq.write_table(odd, out)
    bills.put("bill.parquet", out.getvalue())
    mapping = bills.settings.root / "m.yaml"
    mapping.write_text(mapping.read_text().replace("json: meta", "json: it's"))
    assert "rename it" in bills.ingest(format="mapping", mapping="m.yaml").refusals[0].sentence
