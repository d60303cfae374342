"""The real FOCUS 1.0 sample, against an independent count in Python decimals."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from pipelines.ingest.billing.held import accept
from tests.billing.conftest import Bills

SEPTEMBER = date(2024, 9, 1)
TOTAL = Decimal("2.08320743876")


@pytest.fixture(scope="module")
def sample(shared_data: Path) -> tuple[list[str], list[dict[str, str]]]:
    with (shared_data / "billing" / "focus-1.0" / "focus_sample_dev.csv").open(newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
        assert reader.fieldnames
        return list(reader.fieldnames), rows


def _text(header: list[str], rows: list[dict[str, str]]) -> str:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, header, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def test_the_real_bill_is_published_exactly(bills: Bills, shared_data: Path, sample) -> None:
    location = str(shared_data / "billing" / "focus-1.0")
    outcome = bills.ingest(location=location)
    header, rows = sample
    assert bills.published() == {SEPTEMBER: TOTAL} == {SEPTEMBER: sum(Decimal(r["BilledCost"]) for r in rows)}
    assert not outcome.refusals
    assert outcome.ignored_columns == ("Id",)
    assert outcome.rows == len(rows) == 356
    for metric in ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"):
        assert outcome.sums[f"USD/{metric}"] == sum(Decimal(r[metric]) for r in rows)
    frame = bills.warehouse.frame_of(
        "SELECT * EXCEPT (x_IdentityHash, x_ChargeHash) FROM raw_focus_costs_published"
    )
    for column in header:
        if column in frame.columns and column not in ("Tags", "ServiceName"):
            assert frame[column].null_count() == sum(r[column] in ("", "NULL") for r in rows), column
    lines = bills.count("raw_deliveries")
    again = bills.ingest(location=location)
    assert [one.state for one in again.periods] == ["unchanged"]
    assert bills.published() == {SEPTEMBER: TOTAL}
    assert bills.count("raw_deliveries") == lines


def test_tags_are_kept_as_delivered(bills: Bills, sample) -> None:
    header, rows = sample
    bills.put("a.csv", _text(header, rows))
    bills.ingest()
    import json

    expected: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        tags = {} if row["Tags"] in ("", "NULL") else json.loads(row["Tags"])
        expected[repr(sorted(tags.items()))] += Decimal(row["BilledCost"])
    found: dict[str, Decimal] = defaultdict(Decimal)
    for row in bills.warehouse.frame_of("SELECT Tags, BilledCost FROM raw_focus_costs_published").to_dicts():
        found[repr(sorted(dict(row["Tags"]).items()))] += row["BilledCost"]
    assert found == expected


def test_every_step_of_a_sequence_of_deliveries_is_exact(bills: Bills, sample) -> None:
    header, rows = sample
    half = rows[:178]
    half_sum = sum(Decimal(r["BilledCost"]) for r in half)

    def step(expected: Decimal, states: list[str]) -> None:
        outcome = bills.ingest()
        assert [one.state for one in outcome.periods] == states
        assert bills.published().get(SEPTEMBER, Decimal(0)) == expected
        assert [one.state for one in bills.ingest().periods if one.state == "published"] == []

    whole = _text(header, rows)
    bills.put("part1.csv", _text(header, half))
    bills.put("part2.csv", _text(header, rows[178:]))
    step(TOTAL, ["published"])
    bills.put("copy-of-part2.csv", _text(header, rows[178:]))
    step(TOTAL, ["unchanged"])
    (bills.folder / "part1.csv").unlink()
    (bills.folder / "copy-of-part2.csv").unlink()
    (bills.folder / "part2.csv").unlink()
    bills.put("bill.csv", _text(header, list(reversed(rows))))
    step(TOTAL, ["published"])
    bills.put("bill.csv", _text(header, half))
    step(TOTAL, ["held"])  # less than half of the money is left
    accept(bills.warehouse, bills.settings, "bill/2024-09", "finance", "half a month")
    step(half_sum, ["unchanged"])
    bills.put("bill.csv", _text(header, []))
    step(half_sum, ["held"])
    accept(bills.warehouse, bills.settings, "bill/2024-09", "finance", "an empty month")
    assert bills.published() == {}
    bills.put("bill.csv", whole)
    step(TOTAL, ["published"])
    batches = bills.warehouse.frame_of("SELECT uniqExact(x_BatchId) AS n FROM raw_focus_costs")["n"][0]
    assert batches <= 2


def test_a_file_under_two_names_counts_once(bills: Bills, sample) -> None:
    header, rows = sample
    for name in ("a.csv", "b/a.csv"):
        bills.put(name, _text(header, rows))
    outcome = bills.ingest()
    assert outcome.rows == 356
    assert bills.published() == {SEPTEMBER: TOTAL}
