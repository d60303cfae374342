"""A workspace with one billing source and a migrated warehouse, and small FOCUS files with exact contents."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from models.settings import BillingSource, Settings
from pipelines.ingest.billing import BillingOutcome, ingest_source
from sql.warehouse import Warehouse
from tests.conftest import emptied


@pytest.fixture
def warehouse(fresh_warehouse: Warehouse) -> Warehouse:
    """The engine, empty."""
    emptied(fresh_warehouse)
    return fresh_warehouse


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a workspace whose bills lie in ``bills/``."""
    (tmp_path / "bills").mkdir()
    return Settings(root=tmp_path, catalog=tmp_path / "catalog", teams=tmp_path / "teams.yaml")


class Bills:
    """The folder of a source, and ingests of it; every write is newer than the one before."""

    def __init__(self, warehouse: Warehouse, settings: Settings) -> None:
        self.warehouse, self.settings = warehouse, settings
        self.folder = settings.root / "bills"
        self._clock = 1_700_000_000

    def put(self, name: str, content: bytes | str) -> Path:
        """Delivers a file."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        self._clock += 60
        os.utime(path, (self._clock, self._clock))
        return path

    def ingest(self, **source: str | None) -> BillingOutcome:
        """One ingest of the folder, or of what ``source`` says."""
        fields = {"name": "bill", "format": "focus", "location": "bills", **source}
        return ingest_source(self.warehouse, self.settings, BillingSource(**fields))  # type: ignore[arg-type]

    def published(self) -> dict[date, Decimal]:
        """Published BilledCost by month, summed by Python from the rows a reader sees."""
        frame = self.warehouse.frame_of(
            "SELECT x_BillingPeriod AS period, BilledCost AS cost FROM raw_focus_costs_published"
        )
        sums: dict[date, Decimal] = {}
        for row in frame.iter_rows(named=True):
            sums[row["period"]] = sums.get(row["period"], Decimal(0)) + row["cost"]
        return sums

    def count(self, table: str) -> int:
        """Rows of a table, read by anybody or not."""
        return int(self.warehouse.frame_of(f"SELECT count() AS n FROM {table}")["n"][0])


@pytest.fixture
def bills(warehouse: Warehouse, settings: Settings) -> Bills:
    """The source ``bill``, with nothing delivered yet."""
    return Bills(warehouse, settings)


ROW = {
    "BilledCost": "1",
    "EffectiveCost": "1",
    "ListCost": "1",
    "ContractedCost": "1",
    "BillingAccountId": "b",
    "BillingCurrency": "USD",
    "BillingPeriodStart": "2024-09-01T00:00:00Z",
    "BillingPeriodEnd": "2024-10-01T00:00:00Z",
    "ChargePeriodStart": "2024-09-02T00:00:00Z",
    "ChargePeriodEnd": "2024-09-03T00:00:00Z",
    "ChargeCategory": "Usage",
    "ServiceName": "Compute",
    "ProviderName": "AWS",
    "Tags": '{"app_id": "a"}',
}
OCTOBER = {
    "BillingPeriodStart": "2024-10-01T00:00:00Z",
    "BillingPeriodEnd": "2024-11-01T00:00:00Z",
    "ChargePeriodStart": "2024-10-02T00:00:00Z",
    "ChargePeriodEnd": "2024-10-03T00:00:00Z",
}


@pytest.fixture(scope="session")
def focus_csv() -> Callable[..., str]:
    """Makes a FOCUS CSV: each argument a row, given by what differs from a plain one."""

    def text(*rows: dict[str, str], columns: list[str] | None = None) -> str:
        out = io.StringIO(newline="")
        names = columns or [*ROW, *(name for row in rows for name in row if name not in ROW)]
        writer = csv.DictWriter(out, list(dict.fromkeys(names)), extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows({**ROW, **row} for row in rows)
        return out.getvalue()

    return text


@pytest.fixture(scope="session")
def s3_address() -> Iterator[str]:
    """Endpoint of an S3 of our own on the loopback interface."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of that S3 with an empty bucket ``bills``."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-secret")
    client = boto3.client("s3", endpoint_url=s3_address, region_name="us-east-1")
    client.create_bucket(Bucket="bills")
    yield client
    for item in client.list_objects_v2(Bucket="bills").get("Contents", []):
        client.delete_object(Bucket="bills", Key=item["Key"])
    client.delete_bucket(Bucket="bills")
