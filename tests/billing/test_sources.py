"""Stores list and spool objects: names are data, gzip is bounded, what changed meanwhile is refused."""

from __future__ import annotations

import gzip
import hashlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError
from clickhouse_connect.driver.exceptions import DatabaseError

from models.bill_formats import BILLING_FORMATS
from models.errors import ConfigurationError, DiskFull, InputRefused, ObjectRefused
from pipelines.ingest.billing.formats import BILL_FORMATS
from pipelines.ingest.sources import (
    ObjectStore,
    SourceObject,
    SpoolLimits,
    open_store,
    refuse_shared_objects,
)
from pipelines.ingest.sources.s3 import S3Store
from sql.warehouse import Warehouse


@dataclass(frozen=True)
class At:
    """A source's settings, as far as stores need them."""

    location: str
    name: str = "bill"
    endpoint_url: str | None = None
    region: str | None = "us-east-1"
    profile: str | None = None


def _names(store: ObjectStore) -> list[str]:
    return [item.name for item in store.objects()]


def _fetched(store: ObjectStore, name: str, target: Path, limits: SpoolLimits | None = None) -> bytes:
    item = next(item for item in store.objects() if item.name == name)
    return store.fetch(item, target, limits).path.read_bytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.csv", "sub/b.csv", "sub/deep/c.csv", "sub/d.txt"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path


@pytest.mark.parametrize(
    ("location", "names"),
    [
        ("in", ["a.csv", "sub/b.csv", "sub/d.txt", "sub/deep/c.csv"]),
        ("in/a.csv", ["a.csv"]),
        ("in/*.csv", ["a.csv"]),
        ("in/**/*.csv", ["a.csv", "sub/b.csv", "sub/deep/c.csv"]),
        ("in/s?b/[b].csv", ["sub/b.csv"]),
    ],
)
def test_file_folder_and_glob(folder: Path, location: str, names: list[str]) -> None:
    assert _names(open_store(At(location), folder)) == names


def test_a_location_that_is_not_there_is_wrong_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such file or folder"):
        open_store(At("nothing"), tmp_path)


def test_spooled_bytes_carry_the_digest_of_their_content(folder: Path, tmp_path: Path) -> None:
    packed = gzip.compress(b"first\n") + gzip.compress(b"second\n") + b"\0" * 7
    (folder / "in" / "two.gz").write_bytes(packed)
    store = open_store(At("in/two.gz"), folder)
    done = store.fetch(store.objects()[0], tmp_path / "spooled")
    assert done.path.read_bytes() == b"first\nsecond\n"
    assert (done.sha256, done.bytes) == (hashlib.sha256(b"first\nsecond\n").hexdigest(), len(packed))


def test_a_full_disk_is_said_and_refuses_nothing(folder: Path) -> None:
    store = open_store(At("in"), folder)
    with pytest.raises(DiskFull, match="the disk of /dev is full"):
        _fetched(store, "a.csv", Path("/dev/full"))


@pytest.mark.parametrize(
    "error",
    [
        DatabaseError(
            "Code: 243. DB::Exception: Cannot reserve 1.00 MiB, not enough space. (NOT_ENOUGH_SPACE)",
            code=243,
        ),
        DatabaseError(
            "Code: 75. DB::Exception: Cannot write to file x.bin, errno: 28, strerror: No space left on device",
            code=75,
        ),
    ],
)
def test_a_full_disk_of_the_engine_is_said_as_such(error: DatabaseError) -> None:
    class Full:
        def raw_query(self, *_: object, **__: object) -> None:
            raise error

    with pytest.raises(DiskFull, match="is full: make room"):
        Warehouse(Full()).execute("statements/collect_billing")  # type: ignore[arg-type]


def test_a_single_file_does_not_walk_its_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    walked: list[str] = []
    walk = os.walk
    monkeypatch.setattr(os, "walk", lambda top, **more: walked.append(str(top)) or walk(top, **more))
    assert _names(open_store(At("in/a.csv"), folder)) == ["a.csv"]
    assert walked == []
    assert _names(open_store(At("in/*.csv"), folder)) == ["a.csv"]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("in", "in/sub"),
        ("in/**/*.csv", "in/sub/b.csv"),
        ("in/a.csv", "in/*.csv"),
        ("linked", "in/sub/deep"),
        ("hard", "in"),
        ("in/../in", "in/a.csv"),
    ],
)
def test_an_object_in_two_sources_is_wrong_configuration(folder: Path, left: str, right: str) -> None:
    (folder / "linked").symlink_to(folder / "in" / "sub")
    (folder / "hard").mkdir()
    os.link(folder / "in" / "a.csv", folder / "hard" / "other.csv")
    sources = [At(left, "one"), At(right, "two")]
    with pytest.raises(ConfigurationError, match="would count twice") as refused:
        refuse_shared_objects(sources, folder)
    assert "source one" in str(refused.value)
    assert "source two" in str(refused.value)
    assert refused.value.exit_code == 2


def test_sources_side_by_side_are_no_fault(folder: Path) -> None:
    """What shares nothing is taken, whatever cannot be listed beside it; one object more in common is refused."""
    sources = [At("in/*.csv", "one"), At("in/sub", "two"), At("nothing-there", "three")]
    found = [{item.name for item in open_store(one, folder).objects()} for one in sources[:2]]
    assert all(found)
    assert refused(sources, folder) == ""
    again = refused([*sources, At("in/sub/*.csv", "four")], folder)
    assert "source four" in again and "source two" in again and "source one" not in again


def refused(sources: list[At], folder: Path) -> str:
    """What settings of these sources are refused for; empty where they are not."""
    try:
        refuse_shared_objects(sources, folder)
    except ConfigurationError as error:
        return str(error)
    return ""


def test_s3_prefixes_that_share_an_object_are_wrong_configuration(
    bucket, s3_address: str, tmp_path: Path
) -> None:
    bucket.put_object(Bucket="bills", Key="exports/sub/b.csv", Body=b"x")
    places = ("s3://bills/exports", "s3://bills/exports/sub/b.csv", "s3://bills/exports/**/*.parquet")
    one, two, three = (At(place, place, endpoint_url=s3_address) for place in places)
    with pytest.raises(ConfigurationError, match="would count twice"):
        refuse_shared_objects([one, two], tmp_path)
    refuse_shared_objects([one, three], tmp_path)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda packed: packed[:-9], "truncated"),
        (lambda packed: packed[:-8] + bytes(4) + packed[-4:], "damaged"),
        (lambda packed: packed + b"more", "no gzip follow"),
    ],
)
def test_broken_gzip_is_refused_by_name(folder: Path, tmp_path: Path, damage, sentence: str) -> None:
    (folder / "in" / "x.gz").write_bytes(damage(gzip.compress(os.urandom(100_000))))
    with pytest.raises(ObjectRefused, match=sentence) as refused:
        _fetched(open_store(At("in/x.gz"), folder), "x.gz", tmp_path / "spooled")
    assert refused.value.object_name == "x.gz"


def test_a_gzip_bomb_stops_at_the_ratio(folder: Path, tmp_path: Path) -> None:
    (folder / "in" / "bomb.csv.gz").write_bytes(gzip.compress(bytes(300_000_000), 9))
    with pytest.raises(ObjectRefused, match="gzip bomb"):
        _fetched(open_store(At("in/bomb.csv.gz"), folder), "bomb.csv.gz", tmp_path / "spooled")
    assert (tmp_path / "spooled").stat().st_size < 80_000_000


def test_an_object_larger_than_the_cap_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ObjectRefused, match="larger than the limit"):
        _fetched(open_store(At("in"), folder), "a.csv", tmp_path / "spooled", SpoolLimits(unpacked_bytes=3))


def test_names_that_leave_their_folder_are_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "in" / "back\\slash.csv").write_bytes(b"x")
    (folder / "secret").write_bytes(b"s")
    (folder / "in" / "link.csv").symlink_to(folder / "secret")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "bill.csv").write_bytes(b"e")
    (folder / "in" / "away").symlink_to(tmp_path / "elsewhere")
    store = open_store(At("in"), folder)
    for name, sentence in (
        ("back\\slash.csv", "backslash"),
        ("link.csv", "leaves its folder"),
        ("away/bill.csv", "leaves its folder"),
    ):
        with pytest.raises(ObjectRefused, match=sentence):
            _fetched(store, name, tmp_path / "spooled")
    for reference in ("../secret", "/etc/passwd", "a\0b"):
        with pytest.raises(ObjectRefused):
            store.name_of(reference, "Manifest.json")


def test_a_file_that_changed_since_it_was_listed_is_refused(folder: Path, tmp_path: Path) -> None:
    store = open_store(At("in/a.csv"), folder)
    item = store.objects()[0]
    (folder / "in" / "a.csv").write_bytes(b"other")
    with pytest.raises(ObjectRefused, match="changed while it was read"):
        store.fetch(item, tmp_path / "spooled")


def test_s3_prefix_glob_and_single_key(bucket, s3_address: str, tmp_path: Path) -> None:
    for key in ("exports/a.csv", "exports/sub/b.csv", "exports-old/c.csv", "exports/sub/"):
        bucket.put_object(Bucket="bills", Key=key, Body=gzip.compress(key.encode()))

    def store(location: str) -> ObjectStore:
        return open_store(At(location, endpoint_url=s3_address), tmp_path)

    assert _names(store("s3://bills/exports")) == ["a.csv", "sub/b.csv"]
    assert _names(store("s3://bills/exports/**/b.csv")) == ["sub/b.csv"]
    assert _fetched(store("s3://bills/exports/"), "sub/b.csv", tmp_path / "x") == b"exports/sub/b.csv"
    assert _fetched(store("s3://bills/exports/a.csv"), "a.csv", tmp_path / "x") == b"exports/a.csv"
    assert store("s3://bills/exports").name_of("s3://bills/exports/sub/b.csv", "m") == "sub/b.csv"
    for outside in ("s3://other/exports/a.csv", "s3://bills/exports-old/c.csv", "exports/../a.csv"):
        with pytest.raises(ObjectRefused):
            store("s3://bills/exports").name_of(outside, "m")


def test_s3_object_that_changed_or_has_a_hostile_key_is_refused(
    bucket, s3_address: str, tmp_path: Path
) -> None:
    bucket.put_object(Bucket="bills", Key="in/a.csv", Body=b"first")
    bucket.put_object(Bucket="bills", Key="in/../../x.csv", Body=b"hostile")
    store = open_store(At("s3://bills/in", endpoint_url=s3_address), tmp_path)
    listed = {item.name: item for item in store.objects()}
    with pytest.raises(ObjectRefused, match="leaves its folder"):
        store.fetch(listed["../../x.csv"], tmp_path / "spooled")
    bucket.put_object(Bucket="bills", Key="in/a.csv", Body=b"second")
    with pytest.raises(ObjectRefused, match="changed while it was read"):
        store.fetch(listed["a.csv"], tmp_path / "spooled")


@pytest.mark.parametrize("address", ["http://169.254.169.254", "ftp://host", "http://user:pw@host"])
def test_s3_endpoints_that_are_no_storage_are_refused(address: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        open_store(At("s3://bills/x", endpoint_url=address), tmp_path)


def test_a_source_may_have_each_format_there_is_a_reader_of_and_no_other() -> None:
    assert (*BILL_FORMATS, "mapping") == BILLING_FORMATS  # that of a mapping is made of the mapping
    assert {one.name for one in BILL_FORMATS.values()} == set(BILL_FORMATS)


class _Answers:
    """A client of S3 that answers one question in a given way and lists what there is."""

    def __init__(self, code: str, keys: tuple[str, ...], list_code: str = "") -> None:
        self.code, self.keys, self.list_code, self.asked = code, keys, list_code, 0
        self.meta = SimpleNamespace(endpoint_url="https://s3.eu-west-1.amazonaws.com")

    def head_object(self, **_: str) -> dict[str, str]:
        self.asked += 1
        if self.code:
            raise ClientError({"Error": {"Code": self.code}}, "HeadObject")
        return {}

    def list_objects_v2(self, **asked: str) -> dict[str, list[dict[str, str]]]:
        if self.list_code:
            raise ClientError({"Error": {"Code": self.list_code}}, "ListObjectsV2")
        found = sorted(key for key in self.keys if key.startswith(asked["Prefix"]))
        return {"Contents": [{"Key": key} for key in found[: asked["MaxKeys"]]]}  # type: ignore[misc]


@pytest.mark.parametrize(
    ("code", "keys", "is_single"),
    [
        ("", ("in/a.csv",), True),
        ("404", ("in/a.csv/a.csv",), False),
        ("NoSuchKey", (), False),
        ("403", ("in/a.csv/a.csv",), False),  # who may not read is asked for what there is
        ("403", ("in/a.csv", "in/a.csv/a.csv"), True),
    ],
)
def test_only_a_key_that_is_not_there_is_taken_for_no_object(
    code: str, keys: tuple[str, ...], is_single: bool
) -> None:
    client = _Answers(code, keys)
    store = S3Store(client, "bills", "in/a.csv")
    item = SourceObject("a.csv", 1, datetime(2026, 1, 1, tzinfo=UTC), "e")
    names = {store.identity(item) for _ in range(3)}
    assert names == {f"s3://aws/bills/in/a.csv{'' if is_single else '/a.csv'}"}
    assert client.asked == 1


@pytest.mark.parametrize(
    ("code", "list_code"),
    [("503", ""), ("SlowDown", ""), ("403", "AccessDenied"), ("InvalidAccessKeyId", "")],
)
def test_a_store_that_does_not_say_whether_an_object_is_there_is_said(code: str, list_code: str) -> None:
    store = S3Store(_Answers(code, (), list_code), "bills", "in/a.csv")
    item = SourceObject("a.csv", 1, datetime(2026, 1, 1, tzinfo=UTC), "e")
    with pytest.raises(InputRefused, match=rf"s3://bills/in/a.csv cannot be .* {list_code or code}"):
        store.identity(item)
