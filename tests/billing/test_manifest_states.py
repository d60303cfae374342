"""What a provider calls final: by its manifest, or by the invoice its charges are on."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from models.completeness import azure_word
from models.settings import BillingSource, Settings
from pipelines.compute import days_at
from pipelines.ingest.billing import ingest_source
from sql.publish import new_batch_id, publish
from sql.warehouse import Warehouse

MARCH = date(2026, 3, 1)
NOW = datetime(2026, 4, 20, tzinfo=UTC)
RUN = "costs/20260301-20260331/0f0e0d0c-0000-4000-8000-123456789abc"
HEADER = (
    "BilledCost,EffectiveCost,BillingCurrency,BillingPeriodStart,BillingPeriodEnd,ChargePeriodStart,ChargePeriodEnd,"
    "ChargeCategory,ServiceName,ProviderName,BillingAccountId"
)
ROW = (
    "1,1,EUR,2026-03-01T00:00:00Z,2026-04-01T00:00:00Z,2026-03-31T00:00:00Z,2026-04-01T00:00:00Z,Usage,Compute,"
    "Microsoft,b"
)


def manifest(frame: str, asked: str) -> dict[str, Any]:
    return {
        "exportConfig": {"timeFrame": frame},
        "runInfo": {"startDate": "2026-03-01T00:00:00", "submittedTime": f"{asked}T04:00:00Z"},
        "blobs": [{"blobName": f"{RUN}/part_0.csv"}],
    }


@pytest.mark.parametrize(
    ("frame", "asked", "state"),
    [
        ("TheLastMonth", "2026-04-06", "final"),
        ("TheLastBillingMonth", "2026-04-20", "final"),
        ("TheLastMonth", "2026-04-05", "estimate"),  # Azure may not have closed the month yet
        ("MonthToDate", "2026-04-20", "estimate"),
        ("Custom", "2026-04-20", "estimate"),
    ],
)
def test_a_run_over_the_last_month_is_final_once_azure_closed_it(frame: str, asked: str, state: str) -> None:
    word = azure_word(manifest(frame, asked))
    assert word is not None and (word.month, word.state) == (MARCH, state)
    assert frame in word.reason and asked in word.reason


@pytest.mark.parametrize(
    "content", [{}, {"runInfo": None, "exportConfig": {}}, [], {"runInfo": {"startDate": "x"}}]
)
def test_a_manifest_that_does_not_say_says_nothing(content: Any) -> None:
    assert azure_word(content) is None


def states(warehouse: Warehouse, settings: Settings, source: str) -> set[tuple[str, str]]:
    days = days_at(warehouse, settings, NOW).filter(
        (pl.col("source_name") == source) & (pl.col("usage_date") < date(2026, 4, 1))
    )
    assert days.height == 31
    return set(days.select("state", "reason").rows())


def test_a_month_is_final_while_the_newest_manifest_says_so(
    fresh_warehouse: Warehouse, tmp_path: Path
) -> None:
    """The same bytes under a manifest that says so only later: nothing is loaded again, and the month is final."""
    source = BillingSource("azure", "focus", "exports")
    settings = Settings(tmp_path, tmp_path, tmp_path, billing=(source,))
    folder = tmp_path / "exports" / RUN
    folder.mkdir(parents=True)
    (folder / "part_0.csv").write_text(f"{HEADER}\n{ROW}\n")
    seen = []
    for frame, asked in (
        ("MonthToDate", "2026-04-03"),
        ("TheLastMonth", "2026-04-07"),
        ("Custom", "2026-04-09"),
    ):
        (folder / "manifest.json").write_text(json.dumps(manifest(frame, asked)))
        assert ingest_source(fresh_warehouse, settings, source).refusals == ()
        assert ingest_source(fresh_warehouse, settings, source).refusals == ()  # says nothing new
        ((state, reason),) = states(fresh_warehouse, settings, "azure")
        seen.append(state)
    assert seen == ["arrived", "final", "arrived"]
    lines = fresh_warehouse.frame_of("SELECT toString(state) FROM raw_manifest_states ORDER BY recorded_at")
    assert lines.to_series().to_list() == ["estimate", "final", "estimate"]
    # what is published beside what the manifest lists is not what it calls final
    (folder / "manifest.json").write_text(json.dumps(manifest("TheLastMonth", "2026-04-12")))
    ingest_source(fresh_warehouse, settings, source)
    fresh_warehouse.execute_text(
        "ALTER TABLE raw_manifest_states UPDATE object_names = ['elsewhere.csv'] WHERE 1 SETTINGS mutations_sync = 2"
    )
    assert {state for state, _ in states(fresh_warehouse, settings, "azure")} == {"arrived"}


@pytest.mark.parametrize(
    ("invoices", "bill_format", "state"),
    [
        (["i", "i"], "aws-cur", "final"),
        (["i", None], "aws-cur", "arrived"),
        (["i", ""], "aws-cur", "arrived"),
        (["i", "i"], "focus", "arrived"),  # an invoice may be numbered before it is issued
    ],
)
def test_a_month_of_aws_is_final_once_every_charge_is_on_an_invoice(
    fresh_warehouse: Warehouse, tmp_path: Path, invoices: list[str | None], bill_format: str, state: str
) -> None:
    source = BillingSource("aws", bill_format, "bills")
    settings = Settings(tmp_path, tmp_path, tmp_path, billing=(source,))
    batch = new_batch_id()
    at = datetime(2026, 3, 31, tzinfo=UTC)
    rows = [
        {
            "x_SourceName": "aws",
            "x_BillingPeriod": MARCH,
            "x_BatchId": str(batch),
            "ChargeCategory": "Usage",
            "ChargePeriodStart": at,
            "ChargePeriodEnd": datetime(2026, 4, 1, tzinfo=UTC),
            "InvoiceId": invoice,
        }
        for invoice in invoices
    ]
    fresh_warehouse.insert("raw_focus_costs", pl.DataFrame(rows, schema_overrides={"InvoiceId": pl.String}))
    publish(
        fresh_warehouse,
        "billing/aws",
        MARCH,
        batches={"raw_focus_costs": batch},
        rows=len(rows),
        sha256=str(batch),
        version=NOW,
    )
    ((found, reason),) = states(fresh_warehouse, settings, "aws")
    assert found == state
    assert (state == "final") == ("2 charges is on an invoice" in reason)
