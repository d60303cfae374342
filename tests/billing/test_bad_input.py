"""Bad input is refused with file, row and column in one line; everything good beside it is published."""

from __future__ import annotations

import decimal
import gzip
from datetime import date
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.ingest.billing import BillingOutcome
from tests.billing.conftest import OCTOBER, ROW, Bills

SEPTEMBER, OCTOBER_1 = date(2024, 9, 1), date(2024, 10, 1)


def _states(outcome: BillingOutcome) -> dict[date, str]:
    return {one.period: one.state for one in outcome.periods}


def _parquet(path, rows: int = 3, **columns: pa.Array) -> None:
    table = {name: pa.array([value] * rows) for name, value in ROW.items()}
    pq.write_table(pa.table({**table, **columns}), path)


NUMBER = "is no plain decimal of at most 38 places and 15 digits before the point"


BAD_ROWS = [
    ({"BilledCost": "1,234.5"}, "BilledCost 1,234.5", NUMBER),
    ({"EffectiveCost": "nan"}, "EffectiveCost nan", NUMBER),
    ({"EffectiveCost": "inf"}, "EffectiveCost inf", NUMBER),
    ({"EffectiveCost": ""}, "EffectiveCost NULL", NUMBER),
    ({"BilledCost": "NULL"}, "BilledCost NULL", NUMBER),
    ({"BilledCost": "0." + "1" * 40}, "BilledCost 0.1111", NUMBER),
    ({"BilledCost": "0." + "0" * 39 + "1"}, "BilledCost 0.0000", NUMBER),
    ({"BilledCost": "1e-40"}, "BilledCost 1e-40", NUMBER),
    ({"BilledCost": "1" * 16}, "BilledCost 1111", NUMBER),
    ({"BilledCost": "1e15"}, "BilledCost 1e15", NUMBER),
    ({"BilledCost": "1.2.3"}, "BilledCost 1.2.3", NUMBER),
    ({"BilledCost": "-"}, "BilledCost -", NUMBER),
    ({"BillingCurrency": "US$"}, "BillingCurrency US$", "is no ISO 4217 currency"),
    (
        {"BillingPeriodEnd": "2024-08-01"},
        "BillingPeriodEnd 2024-08-01",
        "is not after BillingPeriodStart",
    ),
    ({"ChargePeriodEnd": "2024-09-01"}, "ChargePeriodEnd 2024-09-01", "is before ChargePeriodStart"),
    (
        {"ChargePeriodStart": "1970-01-01"},
        "ChargePeriodStart 1970-01-01",
        "is no time between 2000 and 2100",
    ),
    ({"ChargePeriodEnd": "2150-01-01"}, "ChargePeriodEnd 2150-01-01", "is no time between 2000 and 2100"),
    ({"ChargePeriodEnd": "09/30/2024"}, "ChargePeriodEnd 09/30/2024", "is no time between 2000 and 2100"),
    ({"ChargeCategory": "Refund"}, "ChargeCategory Refund", "is no charge category of FOCUS"),
    ({"ChargeCategory": ""}, "ChargeCategory NULL", "is no charge category of FOCUS"),
    ({"ChargeCategory": "x" * 100}, f"ChargeCategory {'x' * 80} is", "is no charge category of FOCUS"),
]


def test_every_bad_row_is_named_with_its_column(bills: Bills, focus_csv) -> None:
    bills.put("bill.csv", focus_csv(*(row for row, _, _ in BAD_ROWS)))
    refusals = bills.ingest().refusals
    assert [one.position for one in refusals] == list(range(1, len(BAD_ROWS) + 1))
    for refusal, (_, column, reason) in zip(refusals, BAD_ROWS, strict=True):
        assert refusal.sentence.startswith(column)
        assert refusal.sentence.endswith(reason)
    assert bills.published() == {}
    assert bills.warehouse.frame_of("SELECT max(length(first_bytes)) FROM raw_rejects").item() == 80


@pytest.mark.parametrize(
    ("row", "column", "reason"), [BAD_ROWS[0], pytest.param(*BAD_ROWS[13], marks=pytest.mark.slow)]
)
def test_a_bad_row_refuses_its_month_and_nothing_else(bills: Bills, focus_csv, row, column, reason) -> None:
    bills.put("bill.csv", focus_csv({"BilledCost": "2"}, {"BilledCost": "5", **OCTOBER}))
    bills.ingest()
    bills.put("bill.csv", focus_csv({"BilledCost": "3"}, row, {"BilledCost": "7", **OCTOBER}))
    outcome = bills.ingest()
    assert _states(outcome) == {SEPTEMBER: "refused", OCTOBER_1: "published"}
    assert bills.published() == {SEPTEMBER: Decimal(2), OCTOBER_1: Decimal(7)}
    (refusal,) = outcome.refusals
    assert (refusal.object_name, refusal.position) == ("bill.csv", 2)
    assert refusal.sentence.startswith(column)
    assert refusal.sentence.endswith(reason)
    rejects = bills.warehouse.frame_of("SELECT object_name, position, detail FROM raw_rejects")
    assert [row[:2] for row in rejects.rows()] == [("bill.csv", 2)]
    lines = bills.count("raw_deliveries")
    assert _states(bills.ingest()) == {SEPTEMBER: "refused", OCTOBER_1: "unchanged"}
    assert (bills.count("raw_rejects"), bills.count("raw_deliveries")) == (1, lines)
    bills.put("bill.csv", focus_csv({"BilledCost": "4"}, {"BilledCost": "7", **OCTOBER}))
    assert bills.ingest().refusals == ()
    assert bills.published() == {SEPTEMBER: Decimal(4), OCTOBER_1: Decimal(7)}


def test_a_row_whose_month_cannot_be_told_refuses_its_file(bills: Bills, focus_csv) -> None:
    starts = ("1970-01-01", "2150-01-01", "soon", "")
    bills.put("good.csv", focus_csv({"BilledCost": "2"}))
    for number, start in enumerate(starts):
        bills.put(f"bad-{number}.csv", focus_csv({}, {"BillingPeriodStart": start}, OCTOBER))
    outcome = bills.ingest()
    assert _states(outcome) == {SEPTEMBER: "published"}
    assert bills.published() == {SEPTEMBER: Decimal(2)}
    assert [(one.object_name, one.position) for one in outcome.refusals] == [
        (f"bad-{number}.csv", 2) for number in range(len(starts))
    ]
    for refusal, start in zip(outcome.refusals, starts, strict=True):
        assert refusal.sentence.startswith(f"BillingPeriodStart {start or 'NULL'!r} is no time"), refusal


def test_of_many_rows_without_a_month_the_first_is_named_blank_ones_beside_them(
    bills: Bills, focus_csv
) -> None:
    blank = dict.fromkeys(ROW, "")
    first, second = ({"BillingPeriodStart": start} for start in ("soon", "never"))
    bills.put("bad.csv", focus_csv(blank, {}, first, second, blank))
    (refusal,) = bills.ingest().refusals
    assert refusal.position == 3
    assert refusal.sentence.startswith("BillingPeriodStart 'soon'")
    assert bills.published() == {}


def _missing(name: str, focus_csv) -> bytes:
    return focus_csv({}, columns=[column for column in ROW if column != name]).encode()


UNREADABLE = [
    ("x.csv", lambda f: _missing("BilledCost", f), 0, "required column BilledCost"),
    ("x.csv", lambda f: _missing("BillingCurrency", f), 0, "required column BillingCurrency"),
    ("x.csv", lambda f: _missing("ProviderName", f), 0, "ServiceProviderName or ProviderName"),
    ("x.csv", lambda f: f({}).replace("ListCost", "BilledCost").encode(), 0, "column BilledCost twice"),
    ("x.csv", lambda f: f({}).replace("ListCost", "billed_cost").encode(), 0, "billed_cost twice"),
    ("x.csv", lambda f: f({}, {}).encode() + b"1,2,3\n", 3, "fewer fields than the header"),
    ("x.csv", lambda f: f({}, {}).strip().encode() + b",more\n", 2, "more fields than the header"),
    ("x.csv", lambda f: b"", 0, "empty"),
    (
        "x.csv",
        lambda f: "Größe,Name\n1,2\n".encode("latin-1"),
        0,
        "neither UTF-8 CSV nor Parquet",
    ),
    ("x.csv", lambda f: f({}).encode("utf-16-le"), 0, "holds NUL characters"),
    ("x.csv", lambda f: b"PK\x03\x04" + b"0" * 50, 0, "ZIP"),
    ("x.parquet", lambda f: f({}).encode(), 0, "named .parquet but is no Parquet"),
    ("x.csv.gz", lambda f: gzip.compress(f(*[{}] * 500).encode())[:-20], 0, "gzip is truncated"),
    ("x.csv.gz", lambda f: gzip.compress(f({}).encode() + b" " * 300_000_000), 0, "gzip bomb"),
]


def test_a_file_that_cannot_be_read_is_refused_by_name(bills: Bills, focus_csv) -> None:
    bills.put("good.csv", focus_csv({"BilledCost": "2"}))
    expected = {}
    for number, (name, content, position, sentence) in enumerate(UNREADABLE):
        bills.put(f"{number}/{name}", content(focus_csv))
        expected[f"{number}/{name}"] = (position, sentence)
    outcome = bills.ingest()
    assert bills.published() == {SEPTEMBER: Decimal(2)}
    assert sorted(one.object_name for one in outcome.refusals) == sorted(expected)
    for one in outcome.refusals:
        position, sentence = expected[one.object_name]
        assert one.position == position, one
        assert sentence in one.sentence, one
    lines = bills.count("raw_deliveries")
    assert bills.ingest().refusals == outcome.refusals
    assert bills.count("raw_deliveries") == lines


def test_truncated_parquet_is_refused(bills: Bills, focus_csv) -> None:
    bills.put("good.csv", focus_csv({"BilledCost": "2"}))
    for kept in (0.5, 0.98):
        path = bills.put(f"cut-{kept}.parquet", b"")
        _parquet(path, 1000)
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    outcome = bills.ingest()
    assert {one.object_name for one in outcome.refusals} == {"cut-0.5.parquet", "cut-0.98.parquet"}
    assert all("Parquet is truncated or damaged" in one.sentence for one in outcome.refusals)
    assert bills.published() == {SEPTEMBER: Decimal(2)}


def test_a_parquet_bomb_is_refused_by_its_footer(bills: Bills) -> None:
    path = bills.put("bomb.parquet", b"")
    rows = 4_000_000
    zeros = pa.repeat(pa.scalar(0, pa.int32()), rows)
    pq.write_table(pa.table({name: pa.DictionaryArray.from_arrays(zeros, [ROW[name]]) for name in ROW}), path)
    assert path.stat().st_size < 200_000
    outcome = bills.ingest()
    assert "Parquet bomb" in outcome.refusals[0].sentence
    assert outcome.periods == ()


def test_a_refused_file_keeps_the_months_it_fed(bills: Bills, focus_csv) -> None:
    bills.put("a.csv", focus_csv({"BilledCost": "2"}))
    bills.put("b.csv", focus_csv({"BilledCost": "5"}, {"BilledCost": "1", **OCTOBER}))
    bills.ingest()
    bills.put("a.csv", focus_csv({"BilledCost": "3"}))
    bills.put("b.csv", b"BilledCost\n1\n")
    bills.put("c.csv", focus_csv({"BilledCost": "11", **OCTOBER}))
    outcome = bills.ingest()
    assert _states(outcome) == {SEPTEMBER: "refused", OCTOBER_1: "refused"}
    assert "b.csv was refused and fed this month before" in outcome.periods[0].reason
    assert bills.published() == {SEPTEMBER: Decimal(7), OCTOBER_1: Decimal(1)}


def test_a_location_that_is_not_there_is_reported(bills: Bills) -> None:
    outcome = bills.ingest(location="nowhere")
    assert "no such file or folder" in outcome.refusals[0].sentence


def test_places_beyond_eighteen_are_a_residue(bills: Bills, focus_csv) -> None:
    costs = [
        "0.1234567890123456789",
        "-0.0000000000000000019",
        "6.266E-7",
        "0." + "9" * 38,
        "999999999999999.5",
    ]
    bills.put("a.csv", focus_csv(*({"BilledCost": cost} for cost in costs)))
    (period,) = bills.ingest().published
    key = "USD/BilledCost"
    assert period.residues[key] == Decimal("9" * 20).scaleb(-38)
    with decimal.localcontext(prec=80):
        exact = sum(Decimal(cost) for cost in costs)
        assert period.sums[key] + period.residues[key] == exact
        assert bills.published()[SEPTEMBER] == period.sums[key]


def test_each_metric_has_its_own_residue(bills: Bills, focus_csv) -> None:
    beyond = {
        "BilledCost": "1.0000000000000000001",
        "EffectiveCost": "-2.0000000000000000002",
        "ListCost": "3",
        "ContractedCost": "4.00000000000000000004",
    }
    bills.put("a.csv", focus_csv(beyond, dict.fromkeys(beyond, "0")))
    (period,) = bills.ingest().published
    assert period.sums == {
        "USD/BilledCost": 1,
        "USD/EffectiveCost": -2,
        "USD/ListCost": 3,
        "USD/ContractedCost": 4,
    }
    assert {key: amount for key, amount in period.residues.items() if amount} == {
        "USD/BilledCost": Decimal("1E-19"),
        "USD/EffectiveCost": Decimal("-2E-19"),
        "USD/ContractedCost": Decimal("4E-20"),
    }


def test_a_charge_may_last_no_time_but_not_less(bills: Bills, focus_csv) -> None:
    moment = "2024-09-02T00:00:00Z"
    bills.put("a.csv", focus_csv({"BilledCost": "7", "ChargePeriodStart": moment, "ChargePeriodEnd": moment}))
    bills.ingest()
    assert bills.published() == {SEPTEMBER: Decimal(7)}
    before = "2024-09-01T23:59:59Z"
    bills.put("a.csv", focus_csv({"BilledCost": "8", "ChargePeriodStart": moment, "ChargePeriodEnd": before}))
    outcome = bills.ingest()
    assert outcome.refusals
    assert bills.published() == {SEPTEMBER: Decimal(7)}


def test_currencies_are_counted_apart(bills: Bills, focus_csv) -> None:
    bills.put("a.csv", focus_csv({"BilledCost": "1"}, {"BilledCost": "200", "BillingCurrency": "JPY"}))
    (period,) = bills.ingest().published
    assert (period.sums["USD/BilledCost"], period.sums["JPY/BilledCost"]) == (Decimal(1), Decimal(200))
