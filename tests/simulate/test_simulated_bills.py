"""The bills of a simulated fleet hold what its truth says, read back without any code of ours."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from tests.simulate.reading import aws_rows, azure_rows, listed_files, newest_manifests, spans

APP_KEYS = ("app_id", "app name", "application", "app")


@pytest.fixture(scope="session")
def rows(fleet_dir: Path) -> dict[str, list[dict[str, Any]]]:
    return {
        "aws": list(aws_rows(fleet_dir / "bills/aws")),
        "azure": list(azure_rows(fleet_dir / "bills/azure")),
    }


def test_rows_and_sums_of_every_period_are_those_of_the_files(rows: Any, truth: dict[str, Any]) -> None:
    found: dict[tuple[str, str, str], list[Any]] = defaultdict(lambda: [0, Decimal(0), Decimal(0)])
    for source, items in rows.items():
        for row in items:
            sums = found[source, row["period"], row["BillingCurrency"]]
            sums[0] += 1
            sums[1] += row["BilledCost"]
            sums[2] += row["EffectiveCost"]
    told = {
        (one["source"], one["period"], one["currency"]): [
            one["rows"],
            Decimal(one["billed"]),
            Decimal(one["effective"]),
        ]
        for one in truth["billing"]
    }
    assert dict(found) == told
    assert len(told) == 2 * 3
    assert any(sums[1] != sums[2] for sums in told.values())


@pytest.mark.parametrize("fleet", ["fleet_dir", "sparse_dir"])
def test_sums_per_app_and_rule_follow_the_attribution_rules(
    fleet: str, request: pytest.FixtureRequest
) -> None:
    root = request.getfixturevalue(fleet)
    truth = json.loads((root / "truth.json").read_text())
    rules = _Rules(root)
    found: dict[tuple[str, ...], list[Any]] = defaultdict(lambda: [0, Decimal(0), Decimal(0)])
    for source, items in (("aws", aws_rows(root / "bills/aws")), ("azure", azure_rows(root / "bills/azure"))):
        for row in items:
            sums = found[source, row["period"], *rules.answer(row)]
            sums[0] += 1
            sums[1] += row["BilledCost"]
            sums[2] += row["EffectiveCost"]
    told = {
        (one["source"], one["period"], one["app_id"], one["rule"]): [
            one["rows"],
            Decimal(one["billed"]),
            Decimal(one["effective"]),
        ]
        for one in truth["app_costs"]
    }
    assert dict(found) == told
    assert {one["rule"] for one in truth["app_costs"]} == {"app_tag", "resource_id", "pattern", "unallocated"}


class _Rules:
    """The attribution rules in plain Python, over catalogue, telemetry and tags as they lie on disk."""

    def __init__(self, root: Path) -> None:
        self.listed: dict[str, str] = {}
        self.patterns: list[tuple[str, str, str]] = []
        for path in sorted((root / "catalog").glob("*.yaml")):
            for document in yaml.safe_load_all(path.read_text()):
                app = document["metadata"]["name"]
                for key, value in document["metadata"].get("annotations", {}).items():
                    kind = key.removeprefix("appfleet.io/")
                    if kind == "resource-ids":
                        self.listed.update({one.strip().lower(): app for one in value.split(",")})
                    elif kind != "valid-from":
                        self.patterns.append((kind, value.lower(), app))
        self.seen = dict(_resources_in_telemetry(root / "telemetry"))
        self.called: dict[str, set[str]] = defaultdict(set)
        for app, span in spans(root / "telemetry"):
            for key in ("host.id", "faas.name", "db.namespace", "server.address"):
                said = span["names"].get(key, "").lower()
                self.called[said.partition(".")[0] if key == "server.address" else said].add(app)
        rules = yaml.safe_load((root / "appfleet.yaml").read_text())["attribution"]
        self.values = {
            other: app
            for app, others in rules.get("values", {}).get("app_id", {}).items()
            for other in others
        }

    def answer(self, row: dict[str, Any]) -> tuple[str, str]:
        tags = {" ".join(key.lower().split()): " ".join(value.lower().split()) for key, value in row["Tags"]}
        for key in APP_KEYS:
            if tags.get(key):
                return self.values.get(tags[key], tags[key]), "app_tag"
        resource = (row["ResourceId"] or "").lower()
        if found := self.listed.get(resource) or self.seen.get(resource):
            return found, "resource_id"
        for name in (resource.replace("/", ":").rpartition(":")[2], (row["ResourceName"] or "").lower()):
            if name and len(self.called.get(name, ())) == 1:
                return next(iter(self.called[name])), "resource_id"
        for kind, pattern, app in self.patterns:
            column = {
                "project": "SubAccountId",
                "resource-group": "x_ResourceGroupName",
                "name-pattern": "ResourceName",
            }
            if fnmatchcase((row.get(column[kind]) or "").lower(), pattern):
                return app, "pattern"
        return "unallocated", "unallocated"


def _resources_in_telemetry(root: Path) -> Iterator[tuple[str, str]]:
    for app, span in spans(root):
        if span["resource"]:
            yield span["resource"].lower(), app


def test_what_attribution_must_cope_with_is_planted(fleet_dir: Path, truth: dict[str, Any]) -> None:
    """Every spelling, attribute and change of team, and a name that two apps say."""
    catalog = [
        (document["spec"]["owner"].rpartition("/")[2], document["metadata"].get("annotations", {}).get("appfleet.io/valid-from"))
        for path in (fleet_dir / "catalog").glob("*.yaml")
        for document in yaml.safe_load_all(path.read_text())
        if document["metadata"]["name"] in {one["app_id"] for one in truth["owners"]}
    ]  # fmt: skip
    assert len(truth["owners"]) == 2 and len(catalog) == 4
    for one in truth["owners"]:
        assert (one["before"], None) in catalog
        assert (one["after"], one["changed_at"].replace("+00:00", "Z")) in catalog
        assert not one["changed_at"].endswith("00:00:00+00:00")
    assert len(truth["aliases"]) == 2
    said = [(one["attribute"], one["value"]) for one in truth["recovered"]]
    assert {attribute for attribute, _ in said} == {"host.id", "faas.name", "db.namespace", "server.address"}
    assert len(said) - len(set(said)) == 1


def test_manifests_list_files_that_exist_and_only_they_count(fleet_dir: Path, truth: dict[str, Any]) -> None:
    root = fleet_dir / "bills/aws"
    manifests = newest_manifests(root)
    counted = [path for manifest in manifests for path in listed_files(root, manifest)]
    assert len(manifests) == 3
    assert all(path.is_file() for path in counted)
    assert all(
        path.stat().st_mtime < manifest.stat().st_mtime
        for manifest in manifests
        for path in listed_files(root, manifest)
    )
    ignored = {one["file"] for one in truth["ignored_files"] if one["file"].endswith(".parquet")}
    delivered = {path.relative_to(root).as_posix() for path in root.glob("data/**/*.parquet")}
    assert delivered - {path.relative_to(root).as_posix() for path in counted} == ignored
    assert {one["reason"] for one in truth["ignored_files"]} == {
        "superseded by a newer manifest",
        "listed by no manifest",
    }


def test_azure_manifests_list_every_part(fleet_dir: Path, rows: Any) -> None:
    root = fleet_dir / "bills/azure"
    manifests = [json.loads(path.read_text()) for path in root.glob("**/manifest.json")]
    blobs = {one["blobName"]: one for manifest in manifests for one in manifest["blobs"]}
    assert set(blobs) == {path.relative_to(root).as_posix() for path in root.glob("**/*.csv.gz")}
    assert all((root / name).stat().st_size == one["byteCount"] for name, one in blobs.items())
    assert sum(one["dataRowCount"] for one in blobs.values()) == len(rows["azure"])


def test_the_restated_month_was_delivered_before_with_other_sums(
    fleet_dir: Path, truth: dict[str, Any]
) -> None:
    root = fleet_dir / "bills/aws"
    period = truth["restated"]["period"]
    early, late = sorted(
        root.glob(f"metadata/BILLING_PERIOD={period[:7]}/**/*-Manifest.json"), key=lambda p: p.stat().st_mtime
    )
    sums = [
        sum(Decimal(repr(cost)) for path in listed_files(root, manifest) for cost in _billed(path))
        for manifest in (early, late)
    ]
    told = next(one for one in truth["billing"] if one["source"] == "aws" and one["period"] == period)
    assert sums[1] == Decimal(told["billed"]) != sums[0]


def _billed(path: Path) -> list[float]:
    return list(pq.read_table(path, columns=["BilledCost"])["BilledCost"].to_pylist())


def test_costs_have_at_most_ten_places_and_no_exponent_in_azure_text(rows: Any) -> None:
    for items in rows.values():
        for row in items:
            assert -row["BilledCost"].normalize().as_tuple().exponent <= 10


def test_every_kind_of_charge_occurs(rows: Any) -> None:
    for items in rows.values():
        assert {row["ChargeCategory"] for row in items} == {"Usage", "Purchase", "Credit", "Tax"}
        assert sum(row["BilledCost"] for row in items if row["ChargeCategory"] == "Credit") < 0
        assert any(row["ChargeClass"] == "Correction" for row in items)
        assert {row["CommitmentDiscountStatus"] or None for row in items} == {None, "Used", "Unused"}
    keys = {key for items in rows.values() for row in items for key, _ in row["Tags"]}
    assert {"app_id", " App ", "Application", "APP_ID"} <= keys


def test_aws_files_have_the_types_of_the_table_dictionary(fleet_dir: Path) -> None:
    path = next(iter((fleet_dir / "bills/aws/data").glob("**/*.parquet")))
    schema = pq.read_schema(path)
    assert len(schema.names) == 60
    assert str(schema.field("BilledCost").type) == "double"
    assert schema.field("Tags").type == pa.map_(pa.string(), pa.string())
    assert str(schema.field("ChargePeriodStart").type) == "timestamp[ms, tz=UTC]"
