"""Writes the Azure bill: FOCUS 1.2 CSV.gz as a Cost Management export delivers it.

One folder per month and run, parts numbered, dates with a time and Z, tags as JSON text, Microsoft's own
columns with prefix ``x_``, a manifest last. https://learn.microsoft.com/azure/cost-management-billing/dataset-schema/cost-usage-details-focus
"""

from __future__ import annotations

import uuid
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.simulate.bill import COSTS, decimal_text, period_columns
from pipelines.simulate.files import delivered_at, write_gzip, write_json
from pipelines.simulate.fleet import BILLING_ACCOUNTS, Fleet

EXPORT = "focus-cost"
PART_ROWS = 40_000

_TIMES = ("BillingPeriodEnd", "BillingPeriodStart", "ChargePeriodEnd", "ChargePeriodStart")
COLUMNS = (
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingAccountType",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "CapacityReservationId",
    "CapacityReservationStatus",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "CommitmentDiscountCategory",
    "CommitmentDiscountId",
    "CommitmentDiscountName",
    "CommitmentDiscountStatus",
    "CommitmentDiscountType",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "ContractedUnitPrice",
    "EffectiveCost",
    "InvoiceId",
    "InvoiceIssuerName",
    "ListCost",
    "ListUnitPrice",
    "PricingCategory",
    "PricingCurrency",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "RegionId",
    "RegionName",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "SkuId",
    "SkuMeter",
    "SkuPriceId",
    "SubAccountId",
    "SubAccountName",
    "SubAccountType",
    "Tags",
    "x_BillingExchangeRate",
    "x_InvoiceSectionName",
    "x_PublisherCategory",
    "x_ResourceGroupName",
    "x_ServiceCode",
    "x_SkuMeterCategory",
    "x_SkuRegion",
)


def write_bills(fleet: Fleet, month: date, charges: pl.DataFrame, root: Path) -> None:
    """Writes one month's export under ``root``."""
    following = (month + timedelta(days=32)).replace(day=1)
    run = uuid.UUID(bytes=fleet.rng(3, month.year, month.month).bytes(16), version=4)
    folder = root / EXPORT / f"{month:%Y%m%d}-{following - timedelta(days=1):%Y%m%d}" / str(run)
    at = delivered_at(month, fleet.end, 6)
    blobs = []
    for number, start in enumerate(range(0, charges.height, PART_ROWS), start=1):
        part = charges[start : start + PART_ROWS]
        text = focus_frame(part, month).write_csv().encode()
        path = write_gzip(folder / f"part_0_{number:04d}.csv.gz", at, [text])
        blobs.append(
            {
                "blobName": path.relative_to(root).as_posix(),
                "byteCount": path.stat().st_size,
                "dataRowCount": part.height,
            }
        )
    write_json(folder / "manifest.json", at + timedelta(minutes=1), _manifest(month, str(run), at, blobs))


def _manifest(month: date, run: str, at: datetime, blobs: list[dict[str, Any]]) -> dict[str, Any]:
    """The manifest of a run; its shape as shown in https://github.com/microsoft/finops-toolkit/issues/527."""
    return {
        "exportConfig": {
            "exportName": EXPORT,
            "resourceId": f"{BILLING_ACCOUNTS['azure']}/providers/Microsoft.CostManagement/exports/{EXPORT}",
            "dataVersion": "1.2-preview",
            "apiVersion": "2023-07-01-preview",
            "type": "FocusCost",
            "timeFrame": "MonthToDate",
            "granularity": "Daily",
        },
        "deliveryConfig": {
            "partitionData": True,
            "dataOverwriteBehavior": "OverwritePreviousReport",
            "fileFormat": "Csv",
            "compressionMode": "gzip",
            "rootFolderPath": "",
        },
        "runInfo": {
            "executionType": "Scheduled",
            "submittedTime": at.isoformat(),
            "runId": run,
            "startDate": f"{month}T00:00:00",
            "endDate": at.strftime("%Y-%m-%dT00:00:00Z"),
        },
        "blobs": blobs,
    }


def focus_frame(charges: pl.DataFrame, month: date) -> pl.DataFrame:
    """The charges as Azure exports them: every column of ``COLUMNS``, all text."""
    committed = pl.col("CommitmentDiscountId").is_not_null()
    frame = charges.with_columns(
        *period_columns("azure", month),
        *[decimal_text(pl.col(name)).alias(name) for name in COSTS],
        pl.when(committed).then(pl.lit("Spend")).alias("CommitmentDiscountCategory"),
        pl.when(committed).then(pl.lit("SavingsPlan")).alias("CommitmentDiscountType"),
        pl.col("PricingQuantity").alias("ConsumedQuantity"),
        pl.col("PricingUnit").alias("ConsumedUnit"),
        pl.col("ListUnitPrice").alias("ContractedUnitPrice"),
        (pl.lit("/subscriptions/") + pl.col("SubAccountId")).alias("SubAccountId"),
        pl.lit(f"G{month:%y%m}00417").alias("InvoiceId"),
        pl.col("SkuMeter").alias("SkuId"),
        pl.col("_tags_json").replace("", None).alias("Tags"),
        pl.lit("1").alias("x_BillingExchangeRate"),
        pl.lit("Cloud Provider").alias("x_PublisherCategory"),
        pl.col("_group").alias("x_ResourceGroupName"),
        pl.col("_code").alias("x_ServiceCode"),
        pl.col("ServiceName").alias("x_SkuMeterCategory"),
        pl.col("SubAccountName").alias("x_InvoiceSectionName"),
    )
    frame = frame.with_columns(
        pl.concat_str(pl.col(name).dt.strftime("%Y-%m-%d"), pl.lit("T00:00:00Z")).alias(name)
        for name in _TIMES
    )
    missing = [name for name in COLUMNS if name not in frame.columns]
    return frame.with_columns(pl.lit(None, pl.String).alias(name) for name in missing).select(COLUMNS)
