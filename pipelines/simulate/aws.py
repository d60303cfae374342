"""Writes the AWS bill: FOCUS 1.2 Parquet as AWS Data Exports delivers it, with manifests.

Columns and types follow the table dictionary "FOCUS 1.2 with AWS columns" (costs are doubles, times are
milliseconds, tags a map), folders the create-new mode: one execution folder per delivery, under ``data`` and
``metadata``. https://docs.aws.amazon.com/cur/latest/userguide/dataexports-export-delivery.html
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.simulate.bill import COSTS, UNIT, period_columns
from pipelines.simulate.files import delivered_at, write, write_json
from pipelines.simulate.fleet import Fleet

EXPORT = "aws-focus"
BUCKET = "s3://example-billing/exports/" + EXPORT
CHUNK_ROWS = 40_000

_TEXT = pa.string()
_TIME = pa.timestamp("ms", tz="UTC")
_NUMBER = pa.float64()
_MAP = pa.map_(_TEXT, _TEXT)
COLUMNS: dict[str, pa.DataType] = {
    "AvailabilityZone": _TEXT,
    "BilledCost": _NUMBER,
    "BillingAccountId": _TEXT,
    "BillingAccountName": _TEXT,
    "BillingAccountType": _TEXT,
    "BillingCurrency": _TEXT,
    "BillingPeriodEnd": _TIME,
    "BillingPeriodStart": _TIME,
    "CapacityReservationId": _TEXT,
    "CapacityReservationStatus": _TEXT,
    "ChargeCategory": _TEXT,
    "ChargeClass": _TEXT,
    "ChargeDescription": _TEXT,
    "ChargeFrequency": _TEXT,
    "ChargePeriodEnd": _TIME,
    "ChargePeriodStart": _TIME,
    "CommitmentDiscountCategory": _TEXT,
    "CommitmentDiscountId": _TEXT,
    "CommitmentDiscountName": _TEXT,
    "CommitmentDiscountQuantity": _NUMBER,
    "CommitmentDiscountStatus": _TEXT,
    "CommitmentDiscountType": _TEXT,
    "CommitmentDiscountUnit": _TEXT,
    "ConsumedQuantity": _NUMBER,
    "ConsumedUnit": _TEXT,
    "ContractedCost": _NUMBER,
    "ContractedUnitPrice": _NUMBER,
    "EffectiveCost": _NUMBER,
    "InvoiceId": _TEXT,
    "InvoiceIssuerName": _TEXT,
    "ListCost": _NUMBER,
    "ListUnitPrice": _NUMBER,
    "PricingCategory": _TEXT,
    "PricingCurrency": _TEXT,
    "PricingCurrencyContractedUnitPrice": _NUMBER,
    "PricingCurrencyEffectiveCost": _NUMBER,
    "PricingCurrencyListUnitPrice": _NUMBER,
    "PricingQuantity": _NUMBER,
    "PricingUnit": _TEXT,
    "ProviderName": _TEXT,
    "PublisherName": _TEXT,
    "RegionId": _TEXT,
    "RegionName": _TEXT,
    "ResourceId": _TEXT,
    "ResourceName": _TEXT,
    "ResourceType": _TEXT,
    "ServiceCategory": _TEXT,
    "ServiceName": _TEXT,
    "ServiceSubcategory": _TEXT,
    "SkuId": _TEXT,
    "SkuMeter": _TEXT,
    "SkuPriceDetails": _MAP,
    "SkuPriceId": _TEXT,
    "SubAccountId": _TEXT,
    "SubAccountName": _TEXT,
    "SubAccountType": _TEXT,
    "Tags": _MAP,
    "x_Discounts": pa.map_(_TEXT, _NUMBER),
    "x_Operation": _TEXT,
    "x_ServiceCode": _TEXT,
}
"""The columns of the export, in the order AWS writes them, with their Parquet types."""

_MANIFEST_TYPES = {_TEXT: "string", _TIME: "timestamp_milliseconds", _NUMBER: "double"}


@dataclass(frozen=True)
class ExportRun:
    """One execution of the export for one billing period."""

    month: date
    at: datetime
    execution: str

    @property
    def partition(self) -> str:
        return f"BILLING_PERIOD={self.month:%Y-%m}/{self.at:%Y-%m-%dT%H:%M:%S}Z-{self.execution}".replace(
            ":", ""
        )


def restated_month(fleet: Fleet) -> date:
    """The month delivered twice: the last one that is over, else the only one there is."""
    months = [month for month, _, _ in fleet.months()]
    return months[-2] if len(months) > 1 else months[-1]


def write_bills(fleet: Fleet, month: date, charges: pl.DataFrame, root: Path) -> list[dict[str, str]]:
    """Writes one month's deliveries under ``root`` and says which files must not be counted, and why."""
    final = ExportRun(month, delivered_at(month, fleet.end, 4), _execution(fleet, month, 1))
    ignored = []
    if month == restated_month(fleet):
        early = ExportRun(month, final.at - timedelta(days=2), _execution(fleet, month, 0))
        ignored += [
            (path, "superseded by a newer manifest")
            for path in _deliver(root, early, _as_first_billed(charges))
        ]
    elif month == next(fleet.months())[0]:
        stale = ExportRun(month, final.at - timedelta(days=1), _execution(fleet, month, 0))
        ignored += [(path, "listed by no manifest") for path in _write_data(root, stale, charges.head(500))]
    _deliver(root, final, charges)
    return [{"file": str(path.relative_to(root)), "reason": reason} for path, reason in ignored]


def _execution(fleet: Fleet, month: date, number: int) -> str:
    return str(uuid.UUID(bytes=fleet.rng(2, month.year, month.month, number).bytes(16), version=4))


def _as_first_billed(charges: pl.DataFrame) -> pl.DataFrame:
    """The month before its restatement: late rows are missing, and some prices were higher."""
    row = pl.int_range(pl.len())
    dearer = (row % 11 == 0) & (pl.col("ChargeCategory") == "Usage")
    return charges.filter(row % 40 != 7).with_columns(
        pl.when(dearer).then(pl.col(name) * 2).otherwise(pl.col(name)).alias(name) for name in COSTS
    )


def _deliver(root: Path, delivery: ExportRun, charges: pl.DataFrame) -> list[Path]:
    """Data files first, then the manifest that lists them."""
    paths = _write_data(root, delivery, charges)
    manifest = {
        "executionId": delivery.execution,
        "dataFiles": [f"{BUCKET}/{path.relative_to(root).as_posix()}" for path in paths],
        "columns": [
            {"name": name, "type": _MANIFEST_TYPES.get(kind, "map")} for name, kind in COLUMNS.items()
        ],
    }
    path = root / "metadata" / delivery.partition / f"{EXPORT}-Manifest.json"
    write_json(path, delivery.at + timedelta(minutes=1), manifest)
    return [*paths, path]


def _write_data(root: Path, delivery: ExportRun, charges: pl.DataFrame) -> list[Path]:
    folder = root / "data" / delivery.partition
    paths = []
    for number, start in enumerate(range(0, charges.height, CHUNK_ROWS), start=1):
        table = focus_table(charges[start : start + CHUNK_ROWS], delivery.month)
        path = folder / f"{EXPORT}-{number:05d}.snappy.parquet"
        paths.append(write(path, delivery.at, partial(pq.write_table, table, compression="snappy")))
    return paths


def focus_table(charges: pl.DataFrame, month: date) -> pa.Table:
    """The charges as AWS exports them: every column of ``COLUMNS``."""
    committed = pl.col("CommitmentDiscountId").is_not_null()
    frame = charges.with_columns(
        *period_columns("aws", month),
        *[_doubles(charges, name).alias(name) for name in COSTS],
        _doubles(charges, "EffectiveCost").alias("PricingCurrencyEffectiveCost"),
        pl.when(committed).then(pl.lit("Spend")).alias("CommitmentDiscountCategory"),
        pl.when(committed).then(pl.lit("Compute Savings Plan")).alias("CommitmentDiscountType"),
        pl.col("PricingQuantity").alias("ConsumedQuantity"),
        pl.col("PricingUnit").alias("ConsumedUnit"),
        pl.col("ListUnitPrice").alias("ContractedUnitPrice"),
        pl.col("ListUnitPrice").alias("PricingCurrencyContractedUnitPrice"),
        pl.col("ListUnitPrice").alias("PricingCurrencyListUnitPrice"),
        pl.lit(f"EUINDE26-{month:%y%m}").alias("InvoiceId"),
        # AWS gives no name for most resources: its own conformance gap.
        pl.lit(None, pl.String).alias("ResourceName"),
        pl.col("SkuMeter").alias("SkuId"),
        pl.col("_operation").alias("x_Operation"),
        pl.col("_code").alias("x_ServiceCode"),
    )
    arrays = [_array(frame, name, kind) for name, kind in COLUMNS.items()]
    return pa.Table.from_arrays(arrays, schema=pa.schema(list(COLUMNS.items())))


def _doubles(charges: pl.DataFrame, name: str) -> pl.Series:
    """Amounts as the doubles nearest to them, so that their shortest text is the exact amount.

    NumPy divides; Polars would multiply with a rounded 1 / UNIT and miss by one digit.
    """
    return pl.Series(charges[name].to_numpy() / UNIT)


def _array(frame: pl.DataFrame, name: str, kind: pa.DataType) -> pa.Array:
    if name == "Tags":
        pairs = frame["_tags"].to_arrow()
        values = pairs.values
        return pa.MapArray.from_arrays(
            pairs.offsets.cast(pa.int32()), values.field("key").cast(_TEXT), values.field("value").cast(_TEXT)
        )
    if name not in frame.columns:
        return pa.nulls(frame.height, kind)
    return frame[name].to_arrow().cast(kind)
