"""Deliveries over time: versions, vanished objects, manifests, S3, Parquet of every FOCUS version."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import time
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.focus import columns
from pipelines.ingest.billing import BillingOutcome
from pipelines.ingest.billing.held import accept
from pipelines.ingest.sources.disk import DiskStore
from tests.billing.conftest import OCTOBER, ROW, Bills

SEPTEMBER, OCTOBER_1 = date(2024, 9, 1), date(2024, 10, 1)


def _states(outcome: BillingOutcome) -> dict[date, str]:
    return {one.period: one.state for one in outcome.periods}


def test_an_older_delivery_under_another_name_is_superseded(bills: Bills, focus_csv) -> None:
    bills.put("a.csv", focus_csv({"BilledCost": "3"}))
    bills.ingest()
    (bills.folder / "a.csv").unlink()
    path = bills.put("b.csv", focus_csv({"BilledCost": "2"}))
    os.utime(path, (1_600_000_000, 1_600_000_000))
    assert _states(bills.ingest()) == {SEPTEMBER: "superseded"}
    assert bills.published() == {SEPTEMBER: Decimal(3)}
    lines = bills.count("raw_deliveries")
    bills.ingest()
    assert bills.count("raw_deliveries") == lines
    bills.put("b.csv", focus_csv({"BilledCost": "2"}))
    assert _states(bills.ingest()) == {SEPTEMBER: "published"}
    assert bills.published() == {SEPTEMBER: Decimal(2)}


def test_a_delivery_of_the_same_time_with_other_bytes_is_a_restatement(bills: Bills, focus_csv) -> None:
    """A source whose clock has whole seconds, or that keeps the time of an export, still restates."""
    path = bills.put("a.csv", focus_csv({"BilledCost": "2"}))
    bills.ingest()
    at = path.stat().st_mtime
    path.write_text(focus_csv({"BilledCost": "3"}))
    os.utime(path, (at, at))
    assert _states(bills.ingest()) == {SEPTEMBER: "published"}
    assert bills.published() == {SEPTEMBER: Decimal(3)}


def test_a_vanished_object_is_reported_and_changes_nothing(bills: Bills, focus_csv) -> None:
    bills.put("a.csv", focus_csv({"BilledCost": "2"}))
    gone = bills.put("b.csv", focus_csv({"BilledCost": "3"}))
    bills.ingest()
    gone.unlink()
    outcome = bills.ingest()
    assert _states(outcome) == {SEPTEMBER: "vanished"}
    assert "b.csv vanished" in outcome.periods[0].reason
    assert bills.published() == {SEPTEMBER: Decimal(5)}
    lines = bills.count("raw_deliveries")
    bills.ingest()
    assert bills.count("raw_deliveries") == lines


def test_a_header_alone_is_held_for_the_months_its_name_fed(bills: Bills, focus_csv) -> None:
    bills.put("a.csv", focus_csv({"BilledCost": "2"}, {"BilledCost": "4", **OCTOBER}))
    bills.put("b.csv", focus_csv({"BilledCost": "3"}))
    bills.ingest()
    bills.put("a.csv", focus_csv())
    assert _states(bills.ingest()) == {SEPTEMBER: "held", OCTOBER_1: "held"}
    assert bills.published() == {SEPTEMBER: Decimal(5), OCTOBER_1: Decimal(4)}
    for month in ("2024-09", "2024-10"):
        accept(bills.warehouse, bills.settings, f"bill/{month}", "finance", "")
    assert bills.published() == {SEPTEMBER: Decimal(3)}
    assert _states(bills.ingest()) == {SEPTEMBER: "unchanged", OCTOBER_1: "unchanged"}


def test_one_month_restated_leaves_the_other_batches_alone(bills: Bills, focus_csv) -> None:
    bills.put("09.csv", focus_csv({"BilledCost": "2"}))
    bills.put("10.csv", focus_csv({"BilledCost": "4", **OCTOBER}))
    bills.ingest()
    bills.put("10.csv", focus_csv({"BilledCost": "5", **OCTOBER}))
    assert _states(bills.ingest()) == {SEPTEMBER: "unchanged", OCTOBER_1: "published"}
    assert bills.published() == {SEPTEMBER: Decimal(2), OCTOBER_1: Decimal(5)}


def test_old_batches_are_collected_and_the_last_two_kept(bills: Bills, focus_csv) -> None:
    for cost in range(3, 6):
        bills.put("a.csv", focus_csv({"BilledCost": str(cost)}))
        bills.ingest()
    deadline = time.monotonic() + 60  # collected in the background
    while (kept := _costs_held(bills)) != [Decimal(4), Decimal(5)] and time.monotonic() < deadline:
        time.sleep(0.2)
    assert kept == [Decimal(4), Decimal(5)]


def _costs_held(bills: Bills) -> list[Decimal]:
    frame = bills.warehouse.frame_of("SELECT BilledCost AS cost FROM raw_focus_costs ORDER BY cost")
    return frame["cost"].to_list()


def test_unchanged_objects_are_not_read_again(
    bills: Bills, focus_csv, monkeypatch: pytest.MonkeyPatch
) -> None:
    bills.put("a.csv", focus_csv({"BilledCost": "2"}))
    bills.ingest()

    def unread(*_: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(DiskStore, "fetch", unread)
    assert _states(bills.ingest()) == {SEPTEMBER: "unchanged"}


def test_header_spelling_order_bom_and_unknown_columns(bills: Bills, focus_csv) -> None:
    text = focus_csv({"BilledCost": "2", "x_Extra": "?", "Id": "1"}).replace("BilledCost", "billed_cost", 1)
    bills.put("a.csv", b"\xef\xbb\xbf" + text.replace("BillingCurrency", "billing currency", 1).encode())
    outcome = bills.ingest()
    assert outcome.refusals == ()
    assert outcome.ignored_columns == ("Id", "x_Extra")
    assert bills.published() == {SEPTEMBER: Decimal(2)}
    ledger = bills.warehouse.frame_of(
        "SELECT ignored_columns AS c FROM raw_deliveries WHERE state = 'loaded'"
    )
    assert ledger["c"].to_list() == [["x_Extra", "Id"]]


def _table(version: str, tags: str, cost: str) -> pa.Table:
    """Two rows with every column of a FOCUS version, in the types exports use."""
    names = [c for c in columns().values() if c.since <= version and (not c.removed or version < c.removed)]
    moments = {
        name: pa.array([datetime.fromisoformat(ROW[name])] * 2, pa.timestamp("ms", tz="UTC"))
        for name in ROW
        if "Period" in name
    }
    costs = {
        "decimal": pa.array([Decimal("0.123456789012345678"), Decimal("-2")], pa.decimal128(38, 18)),
        "text": pa.array(["0.1234567890123456789", "-2"]),
        "double": pa.array([1e-7, -2.5]),
    }[cost]
    arrays = {}
    for column in names:
        if column.type == "decimal":
            arrays[column.name] = costs
        elif column.type == "time":
            arrays[column.name] = moments[column.name]
        elif column.type == "tags" and tags == "map":
            arrays[column.name] = pa.array(
                [[("app_id", "a"), (" org", "z")], None], pa.map_(pa.string(), pa.string())
            )
        elif column.type == "tags":
            arrays[column.name] = pa.array(['{"app_id": "a", " org": "z"}', None])
        elif column.type == "json" and tags == "map":
            arrays[column.name] = pa.array([[("k", "v")], None], pa.map_(pa.string(), pa.string()))
        else:
            arrays[column.name] = pa.array([ROW.get(column.name, "text"), ROW.get(column.name)])
    return pa.table(arrays)


DECIMALS = ("map", "decimal", ("-1.876543210987654322", "0"))
TEXTS = ("text", "text", ("-1.876543210987654322", "9E-19"))
DOUBLES = ("map", "double", ("-2.4999999", "0"))
IN_A_TEST = {"1.0": DECIMALS, "1.2": TEXTS, "1.3": DOUBLES, "1.4": DECIMALS}


@pytest.mark.parametrize(
    ("version", "tags", "cost", "sums"),
    [
        pytest.param(version, *types, marks=[] if types == usual else pytest.mark.slow)
        for version, usual in IN_A_TEST.items()
        for types in (DECIMALS, TEXTS, DOUBLES)
    ],
)
def test_parquet_of_every_version(bills: Bills, version: str, tags: str, cost: str, sums) -> None:
    pq.write_table(_table(version, tags, cost), bills.put("a.snappy.parquet", b""))
    outcome = bills.ingest()
    assert outcome.refusals == ()
    (period,) = outcome.published
    assert (period.sums["USD/BilledCost"], period.residues["USD/BilledCost"]) == tuple(map(Decimal, sums))
    frame = bills.warehouse.frame_of(
        "SELECT * EXCEPT (x_IdentityHash, x_ChargeHash) FROM raw_focus_costs_published ORDER BY BilledCost DESC"
    )
    first = frame.row(0, named=True)
    assert dict(first["Tags"]) == {"app_id": "a", " org": "z"}
    assert dict(frame.row(1, named=True)["Tags"]) == {}
    assert first["ChargePeriodStart"] == datetime(2024, 9, 2, tzinfo=UTC)
    for column in columns().values():
        there = column.since <= version and (not column.removed or version < column.removed)
        assert there or first[column.name] is None, column.name


def test_resource_groups_are_found_in_azure_resource_ids(bills: Bills, focus_csv) -> None:
    resource = "/subscriptions/s/resourceGroups/Rg-One/providers/microsoft.web/sites/x"
    bills.put(
        "a.csv",
        focus_csv(
            {"ResourceId": resource},
            {"ResourceId": resource, "x_ResourceGroupName": "told"},
            {"ResourceId": "arn:x"},
        ),
    )
    bills.ingest()
    frame = bills.warehouse.frame_of(
        "SELECT x_ResourceGroupName AS g FROM raw_focus_costs_published ORDER BY g"
    )
    assert frame["g"].to_list() == ["Rg-One", "told", None]


class Export:
    """An AWS Data Exports delivery in the layout of its documentation, in a folder."""

    def __init__(self, bills: Bills) -> None:
        self.bills = bills

    def data(self, month: str, execution: str, number: int, content: str) -> str:
        folder = "/".join(part for part in (f"exp/data/BILLING_PERIOD={month}", execution) if part)
        name = f"{folder}/exp-{number:05d}.csv.gz"
        self.bills.put(name, gzip.compress(content.encode()))
        return f"s3://bucket/prefix/{name}"

    def manifest(self, month: str, execution: str, files: list[str]) -> Path:
        folder = "/".join(part for part in (f"exp/metadata/BILLING_PERIOD={month}", execution) if part)
        return self.bills.put(f"{folder}/exp-Manifest.json", json.dumps({"dataFiles": files}))


RUNS = [
    "2024-09-10T01:02:03.456Z-11111111-2222-3333-4444-555555555555",
    "2024-09-11T01:02:03.456Z-11111111-2222-3333-4444-666666666666",
]


def test_only_what_the_newest_manifest_lists_is_read(bills: Bills, focus_csv) -> None:
    export = Export(bills)
    for run, costs in zip(RUNS, (["1", "2"], ["3", "4"]), strict=True):
        files = [
            export.data("2024-09", run, i, focus_csv({"BilledCost": cost})) for i, cost in enumerate(costs)
        ]
        export.manifest("2024-09", run, files)
    bills.put("exp/data/BILLING_PERIOD=2024-09/stray.csv", focus_csv({"BilledCost": "100"}))
    assert _states(bills.ingest()) == {SEPTEMBER: "published"}
    assert bills.published() == {SEPTEMBER: Decimal(7)}
    export.manifest("2024-10", "", [export.data("2024-10", "", 1, focus_csv({"BilledCost": "5", **OCTOBER}))])
    assert _states(bills.ingest()) == {SEPTEMBER: "unchanged", OCTOBER_1: "published"}


def test_a_manifest_whose_file_is_missing_publishes_nothing(bills: Bills, focus_csv) -> None:
    export = Export(bills)
    files = [export.data("2024-09", "", 1, focus_csv({"BilledCost": "1"}))]
    export.manifest(
        "2024-09", "", [*files, "s3://bucket/prefix/exp/data/BILLING_PERIOD=2024-09/exp-00002.csv.gz"]
    )
    outcome = bills.ingest()
    assert "exp-00002.csv.gz, which is not there" in str(outcome.refusals[0])
    assert bills.published() == {}
    files.append(export.data("2024-09", "", 2, focus_csv({"BilledCost": "2"})))
    assert _states(bills.ingest()) == {SEPTEMBER: "published"}
    assert bills.published() == {SEPTEMBER: Decimal(3)}
    (bills.folder / "exp/data/BILLING_PERIOD=2024-09/exp-00002.csv.gz").unlink()
    assert _states(bills.ingest()) == {SEPTEMBER: "refused"}
    assert bills.published() == {SEPTEMBER: Decimal(3)}


def test_a_refused_file_refuses_what_its_manifest_lists(bills: Bills, focus_csv) -> None:
    export = Export(bills)
    files = [
        export.data("2024-09", "", 1, focus_csv({"BilledCost": "1"})),
        export.data("2024-09", "", 2, "no,bill\n"),
    ]
    export.manifest("2024-09", "", files)
    assert _states(bills.ingest()) == {SEPTEMBER: "refused"}
    assert bills.published() == {}


@pytest.mark.parametrize(
    "reference", ["../../secret.csv", "s3://bucket/prefix/other/data/x.csv.gz", "/etc/passwd"]
)
def test_a_manifest_names_only_its_own_export(bills: Bills, focus_csv, reference: str) -> None:
    export = Export(bills)
    bills.put("other/data/x.csv.gz", gzip.compress(focus_csv({}).encode()))
    export.manifest("2024-09", "", [reference])
    outcome = bills.ingest()
    assert len(outcome.refusals) == 1
    assert bills.published() == {}


def test_a_manifest_that_changes_while_it_is_read_is_followed_again_once(
    bills: Bills, focus_csv, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = Export(bills)
    files = [export.data("2024-09", "", 1, focus_csv({"BilledCost": "1"}))]
    export.manifest("2024-09", "", files)
    fetch, moves = DiskStore.fetch, [1]

    def moving(self, item, target, limits=None):  # type: ignore[no-untyped-def]
        done = fetch(self, item, target, limits)
        if item.name.endswith(".gz") and moves[0]:
            moves[0] -= 1
            second = export.data("2024-09", "", 2 + moves[0], focus_csv({"BilledCost": "2"}))
            export.manifest("2024-09", "", [*files, second])
        return done

    monkeypatch.setattr(DiskStore, "fetch", moving)
    assert _states(bills.ingest()) == {SEPTEMBER: "published"}
    assert bills.published() == {SEPTEMBER: Decimal(3)}
    moves[0] = 5
    bills.put(
        "exp/data/BILLING_PERIOD=2024-09/exp-00001.csv.gz",
        gzip.compress(focus_csv({"BilledCost": "9"}).encode()),
    )
    export.manifest("2024-09", "", files)
    outcome = bills.ingest()
    assert "changed while read" in str(outcome.refusals[0])
    assert bills.published() == {SEPTEMBER: Decimal(3)}


def test_an_azure_manifest_lists_its_blobs(bills: Bills, focus_csv) -> None:
    folder = "focus/20240901-20240930/11111111-2222-3333-4444-555555555555"
    bills.put(f"{folder}/part_0_0001.csv", focus_csv({"BilledCost": "2"}))
    bills.put(f"{folder}/part_9_stray.csv", focus_csv({"BilledCost": "100"}))
    blobs = [{"blobName": f"container/{folder}/part_0_0001.csv", "byteCount": 1}]
    bills.put(f"{folder}/manifest.json", json.dumps({"blobCount": 1, "blobs": blobs}))
    assert _states(bills.ingest()) == {SEPTEMBER: "published"}
    assert bills.published() == {SEPTEMBER: Decimal(2)}


def test_the_same_delivery_from_s3(bills: Bills, focus_csv, bucket, s3_address: str) -> None:
    good = {
        "a.csv.gz": gzip.compress(focus_csv({"BilledCost": "2"}).encode()),
        "b/b.csv": focus_csv({"BilledCost": "3"}).encode(),
    }
    for name, content in good.items():
        bucket.put_object(Bucket="bills", Key=f"p/{name}", Body=content)
    bucket.put_object(Bucket="bills", Key="p/../../evil.csv", Body=good["b/b.csv"])
    s3 = {"location": "s3://bills/p", "endpoint_url": s3_address, "region": "us-east-1"}
    outcome = bills.ingest(**s3)
    assert bills.published() == {SEPTEMBER: Decimal(5)}
    (refusal,) = outcome.refusals
    assert refusal.object_name == "../../evil.csv"
    assert "canary" not in str(outcome)
    assert not list(bills.settings.root.parent.glob("evil*"))
    assert _states(bills.ingest(**s3)) == {SEPTEMBER: "unchanged"}


def test_s3_manifest_of_another_bucket_is_refused(bills: Bills, focus_csv, bucket, s3_address: str) -> None:
    key = "p/exp/data/BILLING_PERIOD=2024-09/exp-00001.csv"
    bucket.put_object(Bucket="bills", Key=key, Body=focus_csv({"BilledCost": "2"}).encode())
    place = "p/exp/metadata/BILLING_PERIOD=2024-09/exp-Manifest.json"
    s3 = {"location": "s3://bills/p", "endpoint_url": s3_address, "region": "us-east-1"}
    for uri, published in ((f"s3://other/{key}", {}), (f"s3://bills/{key}", {SEPTEMBER: Decimal(2)})):
        bucket.put_object(Bucket="bills", Key=place, Body=json.dumps({"dataFiles": [uri]}).encode())
        bills.ingest(**s3)
        assert bills.published() == published


def test_an_s3_bucket_that_is_not_there_is_reported(bills: Bills, bucket, s3_address: str) -> None:
    outcome = bills.ingest(location="s3://nobody/p", endpoint_url=s3_address, region="us-east-1")
    assert "NoSuchBucket" in outcome.refusals[0].sentence


def test_csv_reader_agrees_with_the_engine_on_quotes_and_newlines(bills: Bills, focus_csv) -> None:
    text = focus_csv(
        {"ChargeDescription": 'two\nlines, "quoted"', "BilledCost": "2"}, {"ChargeDescription": ""}
    )
    bills.put("a.csv", text.replace("\r\n", "\n"))
    bills.ingest()
    found = bills.warehouse.frame_of(
        "SELECT ChargeDescription AS d FROM raw_focus_costs_published ORDER BY BilledCost DESC"
    )
    expected = [row["ChargeDescription"] or None for row in csv.DictReader(io.StringIO(text, newline=""))]
    assert found["d"].to_list() == expected
