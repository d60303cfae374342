"""The billing export in BigQuery, read from bqemulator, which speaks BigQuery's own API and is started here.

It has packages of its own beside ours (`tests/sources/bqemulator.lock`), as it asks for older ones than we have.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from models.errors import ConfigurationError, InputRefused, ObjectRefused
from models.settings import BillingSource, Settings
from pipelines.ingest.billing import ingest_source
from pipelines.ingest.sources import open_store
from sql.warehouse import Warehouse
from tests.billing.gcp_rows import Row, Totals, some_rows, totals
from tests.conftest import free_ports

PLACE = Path(sys.prefix) / "bqemulator"
SPATIAL = (
    "import duckdb, duckdb_extension_spatial as found, pathlib\n"
    "file = next(pathlib.Path(found.__file__).parent.rglob('spatial.duckdb_extension'))\n"
    "duckdb.sql(f\"INSTALL '{file}'\")"
)
"""The extension it would fetch from the network at its start."""

RECORDS: dict[str, tuple[str, ...]] = {
    "service": ("id", "description"),
    "sku": ("id", "description"),
    "project": ("id", "number", "name"),
    "location": ("location", "country", "region", "zone"),
    "resource": ("name", "global_name"),
    "invoice": ("month",),
}
SCHEMA = [
    *(bigquery.SchemaField(name, "STRING") for name in ("billing_account_id", "currency", "cost_type")),
    *(
        bigquery.SchemaField(name, "TIMESTAMP")
        for name in ("usage_start_time", "usage_end_time", "export_time")
    ),
    *(bigquery.SchemaField(name, "FLOAT64") for name in ("cost", "cost_at_list")),
    *(
        bigquery.SchemaField(name, "RECORD", fields=[bigquery.SchemaField(one, "STRING") for one in members])
        for name, members in RECORDS.items()
    ),
    bigquery.SchemaField(
        "credits",
        "RECORD",
        mode="REPEATED",
        fields=[
            bigquery.SchemaField("amount", "FLOAT64"),
            *(bigquery.SchemaField(one, "STRING") for one in ("name", "full_name", "id", "type")),
        ],
    ),
    bigquery.SchemaField(
        "labels",
        "RECORD",
        mode="REPEATED",
        fields=[bigquery.SchemaField(one, "STRING") for one in ("key", "value")],
    ),
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Endpoint of an emulator on the loopback interface."""
    if not (PLACE / "bin" / "bqemulator").exists():
        pytest.skip(f"no bqemulator in {PLACE.name}/ beside the packages: `make test` installs it")
    home = tmp_path_factory.mktemp("bqemulator")
    environment = {"HOME": str(home), "PATH": os.environ["PATH"]}
    subprocess.run([PLACE / "bin" / "python", "-c", SPATIAL], env=environment, check=True)
    rest, grpc = free_ports(2)
    command = [PLACE / "bin" / "bqemulator", "start", "--rest-port", str(rest), "--grpc-port", str(grpc)]
    url = f"http://127.0.0.1:{rest}"
    with (home / "log").open("w") as log:
        running = subprocess.Popen(
            [*map(str, command), "--project", "acme"], env=environment, stdout=log, stderr=log
        )
        try:
            for _ in range(600):
                assert running.poll() is None, (home / "log").read_text()[-2000:]
                try:
                    urllib.request.urlopen(f"{url}/bigquery/v2/projects/acme/datasets", timeout=5).close()
                    break
                except OSError:
                    time.sleep(0.1)
            yield url
        finally:
            running.terminate()
            running.wait(20)


@pytest.fixture(scope="module")
def client(address: str) -> bigquery.Client:
    made = bigquery.Client(
        project="acme", credentials=AnonymousCredentials(), client_options={"api_endpoint": address}
    )
    made.create_dataset("billing")
    return made


def table(client: bigquery.Client, name: str) -> bigquery.Table:
    return client.create_table(bigquery.Table(f"acme.billing.{name}", schema=SCHEMA))


def append(client: bigquery.Client, to: bigquery.Table, rows: list[Row]) -> None:
    names = {field.name for field in SCHEMA}
    given = [
        {
            name: {member: value.get(member) for member in RECORDS[name]} if name in RECORDS else value
            for name, value in row.items()
            if name in names
        }
        for row in rows
    ]
    assert client.insert_rows_json(to, given) == []


def at(address: str, name: str) -> BillingSource:
    return BillingSource("google", "gcp-billing", f"bigquery://acme/billing/{name}", endpoint_url=address)


def published(warehouse: Warehouse) -> Totals:
    found = warehouse.frame_of(
        "SELECT formatDateTime(x_BillingPeriod, '%Y-%m') AS period, toString(BillingCurrency) AS currency,"
        " toString(ChargeCategory) AS category, sum(BilledCost) AS billed FROM raw_focus_costs_published GROUP BY 1, 2, 3"
    )
    return {(one[0], one[1], one[2]): one[3] for one in found.iter_rows()}


def test_a_table_is_published_exactly_and_again_only_when_rows_were_appended(
    client: bigquery.Client, address: str, fresh_warehouse: Warehouse, tmp_path: Path
) -> None:
    """Doubles of up to nine places come as they were written, so sums are those of the rows as Python made them."""
    made = table(client, "exported")
    rows, late = some_rows(41, 40), some_rows(42, 10)
    append(client, made, rows)
    source = at(address, "exported")
    settings = Settings(root=tmp_path, catalog=tmp_path, teams=tmp_path)
    first = ingest_source(fresh_warehouse, settings, source)
    assert not first.refusals and {one.state for one in first.periods} == {"published"}
    assert published(fresh_warehouse) == totals(rows)
    again = ingest_source(fresh_warehouse, settings, source)
    assert {one.state for one in again.periods} == {"unchanged"}
    old = [row for row in late if row["invoice"]["month"] == "202408"]
    later = [{**row, "export_time": "2024-10-20 00:00:00 UTC"} for row in old]
    append(client, made, later)
    outcome = ingest_source(fresh_warehouse, settings, source)
    assert {f"{one.period:%Y-%m}": one.state for one in outcome.periods} == {
        "2024-08": "published",
        "2024-09": "unchanged",
    }
    assert published(fresh_warehouse) == totals([*rows, *later])


def test_what_was_listed_is_what_is_read_and_a_second_read_has_the_same_digest(
    client: bigquery.Client, address: str, tmp_path: Path
) -> None:
    made = table(client, "growing")
    rows = [row for row in some_rows(43, 30) if row["invoice"]["month"] == "202409"]
    append(client, made, rows)
    store = open_store(at(address, "growing"), tmp_path)
    (item,) = store.objects()
    assert (item.name, item.size) == ("invoice_month=202409.parquet", len(rows))
    first = store.fetch(item, tmp_path / "first")
    append(client, made, [{**rows[0], "export_time": "2024-12-01 00:00:00 UTC"}])
    second = store.fetch(item, tmp_path / "second")
    assert pq.read_metadata(tmp_path / "second").num_rows == len(rows)
    assert first.sha256 == second.sha256
    (changed,) = store.objects()
    assert changed.etag != item.etag and changed.size == len(rows) + 1
    assert store.fetch(changed, tmp_path / "third").sha256 != first.sha256
    append(client, made, [rows[0]])  # appended with an old moment: not what was listed
    with pytest.raises(ObjectRefused, match="changed while it was read"):
        store.fetch(changed, tmp_path / "fourth")


def test_rows_of_no_month_are_an_object_that_is_refused(
    client: bigquery.Client, address: str, fresh_warehouse: Warehouse, tmp_path: Path
) -> None:
    made = table(client, "monthless")
    append(client, made, [{**some_rows(1, 1)[0], "invoice": {"month": None}}])
    settings = Settings(root=tmp_path, catalog=tmp_path, teams=tmp_path)
    source = BillingSource(
        "monthless", "gcp-billing", "bigquery://acme.billing.monthless", endpoint_url=address
    )
    (refusal,) = ingest_source(fresh_warehouse, settings, source).refusals
    assert "is no month written YYYYMM" in refusal.sentence


def test_a_table_that_is_none_is_one_sentence(client: bigquery.Client, address: str, tmp_path: Path) -> None:
    client.create_table(
        bigquery.Table("acme.billing.other", schema=[bigquery.SchemaField("cost", "FLOAT64")])
    )
    with pytest.raises(InputRefused, match="^bigquery://acme.billing.nothing cannot be listed: "):
        open_store(at(address, "nothing"), tmp_path).objects()
    with pytest.raises(InputRefused, match="^bigquery://acme.billing.other cannot be listed: "):
        open_store(at(address, "other"), tmp_path).objects()


@pytest.mark.parametrize(
    "location", ["bigquery://acme", "bigquery://acme/b/t`; DROP TABLE x", "bigquery://A/b/c d"]
)
def test_a_location_that_names_no_table_is_refused(location: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="names no table"):
        open_store(BillingSource("google", "gcp-billing", location), tmp_path)
