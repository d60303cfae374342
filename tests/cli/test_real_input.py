"""Real input through the command alone, against counts made here in plain Python."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from pipelines.steps import STEPS
from tests.cli.conftest import appfleet, csv_text, make_workspace, owned, rows
from tests.conftest import Migrated
from tests.days import passed_today

TOTAL = Decimal("2.08320743876")
IDENTITY = {"app_keys": ["application", "Project"], "team_keys": ["business_unit", "org"]}
TABLES = (
    "core_identities",
    "core_apps",
    "core_app_costs_daily",
    "core_request_slices",
    "mart_slo_status",
    "mart_slo_burn",
    "mart_cost_anomalies",
    "mart_cost_forecasts",
    "mart_app_unit_costs_daily",
    "mart_team_costs_weekly",
    "mart_chargeback_lines",
    "mart_app_inventory",
)
Bill = tuple[list[str], list[dict[str, str]]]


@pytest.fixture(scope="module")
def bill(shared_data: Path) -> Bill:
    with (shared_data / "billing" / "focus-1.0" / "focus_sample_dev.csv").open(newline="") as file:
        reader = csv.DictReader(file)
        return list(reader.fieldnames or ()), list(reader)


def focus_source(location: str) -> dict[str, object]:
    return {"billing": [{"name": "sample", "format": "focus", "location": location}]}


@pytest.fixture(scope="module")
def whole(shared_data: Path, tmp_path_factory: pytest.TempPathFactory, migrated: Migrated) -> Iterator[Path]:
    """The real bill and all real telemetry after one pass."""
    otlp = shared_data / "otlp"
    workspace = make_workspace(
        migrated(tmp_path_factory.mktemp("real")),
        identity=IDENTITY,
        sources={
            **focus_source(str(shared_data / "billing" / "focus-1.0")),
            "telemetry": [
                {"name": "nezha", "format": "otlp", "location": str(otlp / "nezha" / "*.gz")},
                {"name": "loadgen", "format": "otlp", "location": str(otlp / "elastic-loadgen" / "*.jsonl")},
                {"name": "examples", "format": "otlp", "location": str(otlp / "proto-examples" / "*.json")},
            ],
        },
    )
    with owned(workspace):
        appfleet(workspace, "run", TZ="America/New_York")
        yield workspace


def app_of(row: dict[str, str]) -> str:
    """The app a row's own tag names; keys and values as a person would compare them."""
    tags = {} if row["Tags"] in ("", "NULL") else json.loads(row["Tags"])
    folded = {key.strip().lower(): value for key, value in reversed(tags.items())}
    for key in ("application", "project"):
        value = (folded.get(key) or "").strip().lower()
        if value and value != "null":
            return value
    return "unallocated"


def by_app(lines: list[dict[str, str]]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for row in lines:
        sums[app_of(row)] += Decimal(row["BilledCost"])
    return dict(sums)


def published(workspace: Path) -> Decimal:
    (row,) = rows(workspace, "SELECT sum(BilledCost) AS cost FROM raw_focus_costs_current")
    return Decimal(row["cost"])


def attributed(workspace: Path) -> dict[str, Decimal]:
    found = rows(
        workspace, "SELECT app_id, sum(billed_cost) AS cost FROM core_app_costs_daily_current GROUP BY app_id"
    )
    return {row["app_id"]: Decimal(row["cost"]) for row in found}


def test_the_published_sum_is_printed_whole_in_every_format(whole: Path) -> None:
    text = "SELECT sum(BilledCost) AS cost FROM raw_focus_costs_current"
    assert json.loads(appfleet(whole, "sql", text, "--format", "json").out) == [{"cost": str(TOTAL)}]
    assert appfleet(whole, "sql", text, "--format", "csv").out == f'"cost"\n{TOTAL}\n'
    assert f"│ {TOTAL} │" in appfleet(whole, "sql", text).out


def test_apps_and_unallocated_sum_to_an_independent_count(whole: Path, bill: Bill) -> None:
    assert attributed(whole) == by_app(bill[1])
    assert sum(attributed(whole).values()) == TOTAL


def test_both_null_tokens_are_null(whole: Path, bill: Bill) -> None:
    tokens = {row["CommitmentDiscountId"] for row in bill[1]} | {row["SkuId"] for row in bill[1]}
    assert tokens & {"", "NULL"}
    columns = [
        one
        for one in bill[0]
        if one not in ("Id", "Tags") and any(row[one] in ("", "NULL") for row in bill[1])
    ]
    counted = ", ".join(f"countIf({column} IS NULL) AS n_{column}" for column in columns)
    (found,) = rows(whole, f"SELECT {counted} FROM raw_focus_costs_current")
    expected = {f"n_{column}": sum(row[column] in ("", "NULL") for row in bill[1]) for column in columns}
    assert {name: int(value) for name, value in found.items()} == expected


def test_the_chargeback_file_sums_to_the_bill_and_not_to_the_minute(whole: Path, tmp_path: Path) -> None:
    """The same bytes under every time zone and hash seed."""
    files = []
    for place, anew in (("America/New_York", False), ("Asia/Kolkata", True)):
        out = tmp_path / place.replace("/", "-")
        appfleet(whole, "chargeback", "--month", "2024-09", "--out", str(out), anew=anew, TZ=place)
        files.append((out / "chargeback-2024-09.csv").read_bytes())
    assert files[0] == files[1]
    sidecar = json.loads((out / "chargeback-2024-09.json").read_text())
    assert sidecar["sha256"] == hashlib.sha256(files[0]).hexdigest()
    lines = list(csv.DictReader(files[0].decode().splitlines()))
    assert sidecar["rows"] == len(lines)
    assert sum(Decimal(line["billed_cost"]) for line in lines) == TOTAL
    assert not [cell for line in lines for cell in line.values() if cell[:1] in "=+@\t" and cell]


def test_a_second_pass_in_another_time_zone_publishes_nothing(whole: Path) -> None:
    passed_today(whole, lambda: appfleet(whole, "run"))
    before = rows(whole, "SELECT scope, period, seq, sha256 FROM period_head ORDER BY ALL")
    again = appfleet(whole, "run", anew=True, TZ="Asia/Kolkata")
    assert again.out.count("nothing new") == len(STEPS), again.out
    assert rows(whole, "SELECT scope, period, seq, sha256 FROM period_head ORDER BY ALL") == before


@pytest.mark.slow
def test_every_table_is_the_same_computed_in_another_time_zone(whole: Path, tmp_path: Path) -> None:
    """A workspace of its own, computed under Kolkata: the figures of the one computed under New York."""
    text = (whole / "appfleet.yaml").read_text()
    other = tmp_path / "kolkata"
    other.mkdir()
    (other / "appfleet.yaml").write_text(text)
    each = " UNION ALL ".join(
        f"SELECT '{one}' AS name, count() AS n, toString(sum(cityHash64(tuple(*)))) AS hash FROM {one}_current"
        for one in TABLES
    )
    statement = f"SELECT * FROM ({each}) ORDER BY name"
    with owned(other):
        appfleet(other, "run", anew=True, TZ="Asia/Kolkata")
        assert rows(other, statement) == rows(whole, statement)
        for workspace in (whole, other):
            appfleet(workspace, "chargeback", "--month", "2024-09", "--out", str(tmp_path / workspace.name))
    name = "chargeback-2024-09.csv"
    assert (tmp_path / whole.name / name).read_bytes() == (tmp_path / other.name / name).read_bytes()


def test_real_telemetry_counts(whole: Path, shared_data: Path) -> None:
    spans: Counter[str] = Counter()
    seen: set[tuple[str, str]] = set()
    delivered = 0
    for path in sorted((shared_data / "otlp" / "nezha").glob("*.gz")):
        for line in gzip.decompress(path.read_bytes()).splitlines():
            for resource in json.loads(line)["resourceSpans"]:
                attributes = {one["key"]: one["value"] for one in resource["resource"]["attributes"]}
                for scope in resource["scopeSpans"]:
                    for span in scope["spans"]:
                        delivered += 1
                        key = (span["traceId"], span["spanId"])
                        if key not in seen:
                            seen.add(key)
                            spans[attributes["service.name"]["stringValue"]] += 1
    assert (delivered, len(seen)) == (110_649, 109_943)
    nezha = "toYear(Timestamp) = 2022"
    (counts,) = rows(
        whole,
        f"SELECT (SELECT count() FROM otel.otel_traces WHERE {nezha}) AS delivered,"
        f" (SELECT count() FROM otel.otel_traces_current WHERE {nezha}) AS counted,"
        " (SELECT count() FROM otel.otel_logs_current WHERE toYear(Timestamp) = 2024) AS logs,"
        " (SELECT min(toYear(Timestamp)) FROM otel.otel_logs_current) AS oldest_log",
    )
    assert {name: int(value) for name, value in counts.items()} == {
        "delivered": 110_649,
        "counted": 109_943,
        "logs": 1_443,
        "oldest_log": 2018,
    }
    # No span names app_id: each app is the service of that name, and appears without being registered.
    per_app = rows(
        whole, f"SELECT app_id, count() AS n FROM otel.otel_traces_current WHERE {nezha} GROUP BY app_id"
    )
    assert {row["app_id"]: int(row["n"]) for row in per_app} == dict(spans)
    listed = rows(
        whole, "SELECT app_id, is_registered, is_observed, is_billed FROM mart_app_inventory_current"
    )
    inventory = {row["app_id"]: row for row in listed}
    for name in spans:
        assert (inventory[name]["is_registered"], inventory[name]["is_observed"]) == (False, True)
    for name in by_app_names(whole):
        assert (inventory[name]["is_registered"], inventory[name]["is_billed"]) == (False, True)


def by_app_names(workspace: Path) -> set[str]:
    return set(attributed(workspace)) - {"unallocated"}


@pytest.mark.slow  # the same by functions: tests/billing/test_real_bill.py
def test_the_published_sum_is_exact_after_each_delivery(
    bill: Bill, tmp_path: Path, migrated: Migrated
) -> None:
    """Two files, one under two names, re-ordered, half, none, and again as first; what loses half waits for a person."""
    header, lines = bill
    bills = tmp_path / "bills"
    bills.mkdir()
    workspace = make_workspace(migrated(tmp_path / "w"), identity=IDENTITY, sources=focus_source(str(bills)))
    clock = 1_700_000_000

    def deliver(**files: list[dict[str, str]]) -> None:
        nonlocal clock
        clock += 60
        for path in bills.iterdir():
            if path.stem not in files:
                path.unlink()
        for name, content in files.items():
            path = bills / f"{name}.csv"
            path.write_text(csv_text(header, content))
            os.utime(path, (clock, clock))

    def step(expected: list[dict[str, str]], attribute: bool = False) -> None:
        appfleet(workspace, "run", "--only", "billing,identities,costs" if attribute else "billing")
        assert published(workspace) == sum((Decimal(row["BilledCost"]) for row in expected), Decimal(0))
        if attribute:
            assert attributed(workspace) == by_app(expected)

    def accept(kept: list[dict[str, str]]) -> None:
        said = appfleet(workspace, "run", "--only", "billing", code=3).out
        assert published(workspace) == sum((Decimal(row["BilledCost"]) for row in kept), Decimal(0))
        found = re.search(r"held: (\S+/\d{4}-\d{2})", said)
        assert found, said
        appfleet(workspace, "deliveries", "accept", found[1])

    half = lines[:178]
    with owned(workspace):
        deliver(first=half, second=lines[178:])
        step(lines)
        deliver(first=half, second=lines[178:], copy=half)
        step(lines)
        deliver(bill=list(reversed(lines)))
        step(lines)
        deliver(bill=half)
        accept(lines)
        step(half, attribute=True)
        deliver(bill=[])
        accept(half)
        step([], attribute=True)
        deliver(bill=lines)
        step(lines, attribute=True)
