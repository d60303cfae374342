"""Azure Blob Storage as a store: against Azurite where it is installed, and against a server of our own that can fail."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from azure.storage.blob import ContainerClient

from models.errors import ConfigurationError, InputRefused, ObjectRefused
from models.settings import BillingSource
from pipelines.ingest.sources import ObjectStore, SpoolLimits, open_store, refuse_shared_objects
from pipelines.ingest.sources.azure_blob import ACCOUNT, CONNECTION_STRING, KEY, SAS_TOKEN
from tests.billing import azure_storage
from tests.billing.azure_exports import Charge, every_digit, export  # noqa: F401
from tests.billing.conftest import Bills
from tests.billing.test_sources import At

Put = Callable[[str, bytes], None]


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Endpoint of Azurite; its executable is on the PATH, or in the folder AZURITE names."""
    found = shutil.which(
        "azurite-blob", path=os.pathsep.join((os.environ.get("AZURITE", ""), os.environ["PATH"]))
    )
    if not found:
        pytest.skip("no azurite-blob on this machine (npm install -g azurite)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = tmp_path_factory.mktemp("azurite")
    process = subprocess.Popen(
        [found, "--silent", "--disableTelemetry", "--skipApiVersionCheck", "--location", str(place)]
        + ["--blobHost", "127.0.0.1", "--blobPort", str(port)],
        env={**os.environ, "AZURITE_ACCOUNTS": f"{azure_storage.ACCOUNT}:{azure_storage.KEY}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until and process.poll() is None:
            with socket.socket() as tried:
                if tried.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        assert process.poll() is None, "Azurite ended"
        yield f"http://127.0.0.1:{port}/{azure_storage.ACCOUNT}"
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (CONNECTION_STRING, ACCOUNT, SAS_TOKEN):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(KEY, azure_storage.KEY)


@pytest.fixture
def account(secrets: None) -> Iterator[azure_storage.Account]:
    """An account of our own, with an empty container ``bills``."""
    with azure_storage.account() as made:
        made.containers.add("bills")
        yield made


@pytest.fixture(params=["azurite", "our own"])
def container(request: pytest.FixtureRequest, secrets: None) -> Iterator[tuple[str, Put]]:
    """Endpoint of an account with an empty container ``bills``, and what puts a blob there."""
    if request.param == "our own":
        made = request.getfixturevalue("account")
        yield made.url, lambda name, content: made.put("bills", name, content)
        return
    url = request.getfixturevalue("azurite")
    credential = {"account_name": azure_storage.ACCOUNT, "account_key": azure_storage.KEY}
    with ContainerClient(url, "bills", credential) as client:
        client.create_container()
        yield url, lambda name, content: client.upload_blob(name, content, overwrite=True) and None
        client.delete_container()


def _names(store: ObjectStore) -> list[str]:
    return [item.name for item in store.objects()]


def _fetched(store: ObjectStore, name: str, target: Path, limits: SpoolLimits | None = None) -> bytes:
    item = next(item for item in store.objects() if item.name == name)
    return store.fetch(item, target, limits).path.read_bytes()


def test_prefixes_and_globs_name_the_same_blobs_as_folders_do_files(
    container: tuple[str, Put], tmp_path: Path
) -> None:
    url, put = container
    every = [
        "in/a.csv",
        "in/sub/b.csv",
        "in/sub/d.txt",
        "in/sub/deep/c.csv",
        "in2/a.csv",
        "in/ü n&d/%41+é.csv",
    ]
    for name in every:
        put(name, name.encode())
    for location, names in {
        "az://bills": every,
        "az://bills/in": ["a.csv", "sub/b.csv", "sub/d.txt", "sub/deep/c.csv", "ü n&d/%41+é.csv"],
        "az://bills/in/": ["a.csv", "sub/b.csv", "sub/d.txt", "sub/deep/c.csv", "ü n&d/%41+é.csv"],
        "az://bills/in/*.csv": ["a.csv"],
        "az://bills/in/**/*.csv": ["a.csv", "sub/b.csv", "sub/deep/c.csv", "ü n&d/%41+é.csv"],
        "az://bills/in/a.csv": ["a.csv"],
        "az://bills/nothing": [],
    }.items():
        store = open_store(At(location, endpoint_url=url), tmp_path)
        assert _names(store) == sorted(names), location
        for name in names:
            key = next(
                one for one in every if one.endswith(name) and one.startswith(location[11:].partition("*")[0])
            )
            assert _fetched(store, name, tmp_path / "bytes") == key.encode()


def test_packed_and_large_blobs_arrive_whole(container: tuple[str, Put], tmp_path: Path) -> None:
    url, put = container
    large = os.urandom(6 << 20)
    put("large.bin", large)
    put("packed.csv.gz", gzip.compress(b"a,b\n1,2\n"))
    put("empty.csv", b"")
    store = open_store(At("az://bills", endpoint_url=url), tmp_path)
    assert _fetched(store, "large.bin", tmp_path / "large") == large
    assert _fetched(store, "packed.csv.gz", tmp_path / "packed") == b"a,b\n1,2\n"
    assert _fetched(store, "empty.csv", tmp_path / "empty") == b""
    with pytest.raises(ObjectRefused, match="larger than the limit of 1000 bytes"):
        _fetched(store, "large.bin", tmp_path / "capped", SpoolLimits(unpacked_bytes=1000))


def test_what_changed_or_went_since_it_was_listed_is_refused(
    container: tuple[str, Put], tmp_path: Path
) -> None:
    url, put = container
    put("a.csv", b"one")
    store = open_store(At("az://bills", endpoint_url=url), tmp_path)
    (item,) = store.objects()
    put("a.csv", b"two")
    with pytest.raises(ObjectRefused, match="changed while it was read"):
        store.fetch(item, tmp_path / "bytes")
    # Azurite holds the condition against a blob that is not there, Azure says that it is not there
    with pytest.raises(ObjectRefused, match="gone since it was listed|changed while it was read"):
        store.fetch(replace(item, name="b.csv"), tmp_path / "bytes")
    assert [one.etag for one in store.objects()] != [item.etag]


def test_a_bill_is_ingested_from_the_container_its_manifest_names(
    container: tuple[str, Put], bills: Bills
) -> None:
    url, put = container
    charges = [Charge(date(2024, 3, day), Decimal(f"{day}.25")) for day in (1, 13, 20)]
    run = "costs/daily/20240301-20240331/0f0e0d0c-0000-4000-8000-123456789abc"
    put(f"{run}/part_0.csv", export(charges[:2]))
    put(f"{run}/part_1.csv", export(charges[2:]))
    put("costs/daily/20240301-20240331/0f0e0d0c-0000-4000-8000-000000000000/part_0.csv", export(charges))
    blobs = [{"blobName": f"{run}/part_{number}.csv", "byteCount": 1} for number in (0, 1)]
    put(f"{run}/manifest.json", json.dumps({"blobs": blobs}).encode())
    source = {"location": "az://bills/costs", "format": "azure-actual", "endpoint_url": url}
    outcome = bills.ingest(**source)
    assert not outcome.refusals
    assert bills.published() == {date(2024, 3, 1): sum((one.cost for one in charges), Decimal(0))}
    assert [one.state for one in bills.ingest(**source).periods] == ["unchanged"]
    put(f"{run}/manifest.json", json.dumps({"blobs": [{"blobName": "other/part.csv"}]}).encode())
    (refusal,) = bills.ingest(**source).refusals
    assert "outside of its source" in refusal.sentence


def test_manifests_name_blobs_of_this_prefix_only(account: azure_storage.Account, tmp_path: Path) -> None:
    store = open_store(At("az://bills/in", endpoint_url=account.url), tmp_path)
    assert store.name_of("in/x/a%20b.csv", "m") == "x/a%20b.csv"
    assert store.name_of(f"{account.url}/bills/in/x/a%20b.csv", "m") == "x/a b.csv"
    for reference in (
        "out/a.csv", "/in/a.csv", "in/../a.csv", "in/a\\b", "in/",
        f"{account.url}/other/in/a.csv", f"{account.url}/bills2/in/a.csv", "https://elsewhere.example/bills/in/a.csv",
        "s3://bills/in/a.csv",
    ):  # fmt: skip
        with pytest.raises(ObjectRefused):
            store.name_of(reference, "m")


def test_folders_of_a_hierarchical_account_are_no_objects(
    account: azure_storage.Account, tmp_path: Path
) -> None:
    account.put("bills", "in", b"", {"hdi_isfolder": "true"})
    account.put("bills", "in/sub", b"", {"hdi_isfolder": "true"})
    account.put("bills", "in/sub/in", b"x")
    store = open_store(At("az://bills/in", endpoint_url=account.url), tmp_path)
    assert _names(store) == ["sub/in"]
    assert _fetched(store, "sub/in", tmp_path / "bytes") == b"x"


@pytest.mark.parametrize("bytes_sent", [b"", b"on", b"owe"])
def test_bytes_that_are_cut_or_others_are_never_taken(
    account: azure_storage.Account, tmp_path: Path, bytes_sent: bytes
) -> None:
    account.put("bills", "a.csv", b"one")

    def cut(answer: azure_storage._Answers) -> bool:
        if "comp=list" in answer.path:
            return False
        answer.send(206, bytes_sent, {"ETag": '"0x1"', "Content-Range": "bytes 0-2/3", "Content-Length": "3"})
        answer.close_connection = True
        return True

    store = open_store(At("az://bills", endpoint_url=account.url), tmp_path)
    (item,) = store.objects()
    account.fault = cut
    with pytest.raises(ObjectRefused, match="run again"):
        store.fetch(item, tmp_path / "bytes")


def test_a_busy_account_is_asked_again(account: azure_storage.Account, tmp_path: Path) -> None:
    account.put("bills", "a.csv", b"one")
    left = [1]

    def busy(answer: azure_storage._Answers) -> bool:
        left[0] -= 1
        if left[0] >= 0:
            answer.send(503, b"", {"x-ms-error-code": "ServerBusy", "Retry-After": "0"})
        return left[0] >= 0

    account.fault = busy
    assert _names(open_store(At("az://bills", endpoint_url=account.url), tmp_path)) == ["a.csv"]
    assert len(account.asked) == 2


@pytest.mark.parametrize(
    ("location", "key", "said"),
    [
        ("az://other/in", azure_storage.KEY, "ContainerNotFound"),
        ("az://bills/in", "", "AuthenticationFailed"),
    ],
)
def test_what_azure_refuses_is_one_sentence_without_a_secret(
    account: azure_storage.Account,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    location: str,
    key: str,
    said: str,
) -> None:
    monkeypatch.setenv(KEY, key)
    with pytest.raises(InputRefused, match=f"{location} cannot be listed: Azure answers {said}") as refused:
        open_store(At(location, endpoint_url=account.url), tmp_path).objects()
    assert azure_storage.KEY not in str(refused.value)


def test_credentials_come_from_the_environment(
    account: azure_storage.Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.put("bills", "a.csv", b"one")
    monkeypatch.delenv(KEY)
    monkeypatch.setenv(SAS_TOKEN, "sv=2021-12-02&sig=canary")
    assert _names(open_store(At("az://bills", endpoint_url=account.url), tmp_path)) == ["a.csv"]
    assert "sig=canary" in account.asked[-1]
    account.put("bills", "a.csv", b"two")
    monkeypatch.delenv(SAS_TOKEN)
    monkeypatch.setenv(
        CONNECTION_STRING,
        f"AccountName={azure_storage.ACCOUNT};AccountKey={azure_storage.KEY};BlobEndpoint={account.url};",
    )
    store = open_store(At("az://bills"), tmp_path)
    assert _names(store) == ["a.csv"]
    assert _fetched(store, "a.csv", tmp_path / "bytes") == b"two"


@pytest.mark.parametrize(
    ("location", "endpoint", "environment", "said"),
    [
        ("az:///in", "http://127.0.0.1:1/a", {}, "names no container"),
        ("az://bills", None, {}, "no storage account is named"),
        ("az://bills", "ftp://127.0.0.1", {}, "must be an http or https address"),
        ("az://bills", "https://user:canary@a.blob.core.windows.net", {}, "holds a credential"),
        ("az://bills", None, {CONNECTION_STRING: "AccountKey=canary"}, "is none of Azure's"),
        ("az://bills", "http://169.254.169.254/a", {}, "not a storage address"),
        ("az://bills", "http://[fe80::1]/a", {}, "not a storage address"),
        ("az://bills", "http://[::ffff:169.254.169.254]/a", {}, "not a storage address"),
        ("az://bills", "http://2852039166/a", {}, "not a storage address"),
        ("az://bills", "http://0.0.0.0/a", {}, "not a storage address"),
        ("az://bills", None, {CONNECTION_STRING: "BlobEndpoint=http://169.254.1.1/a;AccountName=a;AccountKey=Y2FuYXJ5"}, "not a storage address"),
    ],
)  # fmt: skip
def test_an_address_or_credential_that_is_none_is_refused_before_anything_is_asked(
    secrets: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    location: str,
    endpoint: str | None,
    environment: dict[str, str],
    said: str,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=said) as refused:
        open_store(At(location, endpoint_url=endpoint), tmp_path)
    assert "canary" not in str(refused.value) and "Y2FuYXJ5" not in str(refused.value)


def test_one_blob_is_not_in_two_sources(account: azure_storage.Account, tmp_path: Path) -> None:
    account.put("bills", "in/a.csv", b"one")
    sources = [At("az://bills/in", "one", account.url), At("az://bills/*/a.csv", "two", account.url)]
    with pytest.raises(ConfigurationError, match="would count twice"):
        refuse_shared_objects(sources, tmp_path)
    assert BillingSource("one", "focus", "az://bills/in").location == "az://bills/in"
