"""Statement files read back by Python's csv and json: exact, reproducible, safe to open."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.chargeback import statement_lines
from models.errors import ConfigurationError, ControlTotalError
from models.schemas import MONEY
from models.settings import Settings
from models.statement_csv import COLUMNS, csv_bytes, plain, safe
from pipelines.reports.statements import write_statement
from sql.publish import publish
from sql.warehouse import Warehouse

MARCH, APRIL, MAY = date(2026, 3, 1), date(2026, 4, 1), date(2026, 5, 1)
NOW = datetime(2026, 6, 1, tzinfo=UTC)
COMMAND = '=HYPERLINK("http://example.test","x"),\r\n'

# cost centre, team, app, service, currency, billed, effective
COSTS = [
    ("0012", "web", "shop", "EC2", "USD", "12345678901234.123456789012345678", "1"),
    ("0012", "web", "shop", "Support, \"gold\"", "USD", "-0.005000000000000000", "0.1"),
    ("0012", "web", "+shop", "EC2", "USD", "0.000000000000000001", "0"),
    ("-7", "jobs", "batch", "EC2", "JPY", "1000.5", "900"),
    ("", "unassigned", "unallocated", "EC2", "USD", "100", "50"),
]  # fmt: skip
USD_BILLED = Decimal("12345678901334.118456789012345679")
USD_EFFECTIVE = Decimal("51.1")


def lines() -> pl.DataFrame:
    names = [
        "cost_center", "team", "app_id", "service_name", "billing_currency", "billed_cost", "effective_cost",
    ]  # fmt: skip
    costs = pl.DataFrame(COSTS, schema=names, orient="row").with_columns(
        pl.col("billed_cost", "effective_cost").cast(MONEY),
        pl.lit("aws").alias("source_name"),
        pl.lit("AWS").alias("provider"),
        pl.lit("Usage").alias("charge_category"),
        pl.lit("").alias("charge_class"),
        pl.when(pl.col("app_id") == "unallocated")
        .then(pl.lit("unallocated"))
        .otherwise(pl.lit("app_tag"))
        .alias("attribution_rule"),
    )
    apps = pl.DataFrame({"app_id": ["shop", "batch"], "app_name": [COMMAND, "\ufeff @batch"]})
    teams = pl.DataFrame({"team": ["web", "jobs"], "lead": ["Ada Löwe", "\t-1"]})
    return statement_lines(costs, apps, teams, {"USD": 2, "JPY": 0})


def publish_month(store: Warehouse, month: date, frame: pl.DataFrame) -> None:
    batch = uuid.uuid4()
    store.insert(
        "mart_chargeback_lines",
        frame.with_columns(billing_period=pl.lit(month), batch_id=pl.lit(str(batch))),
    )
    publish(
        store,
        "costs",
        month,
        batches={"core_app_costs_daily": uuid.uuid4(), "mart_chargeback_lines": batch},
        rows=frame.height,
        sha256="c" * 64,
        version=NOW,
    )


def publish_bill(store: Warehouse, month: date, source: str, sums: dict[str, Decimal]) -> uuid.UUID:
    batch = uuid.uuid4()
    publish(
        store,
        f"billing/{source}",
        month,
        batches={"raw_focus_costs": batch},
        rows=1,
        sha256=source * 2,
        version=NOW,
        sums=sums,
    )
    return batch


@pytest.fixture(scope="module")
def store(fresh_warehouse: Warehouse) -> Iterator[Warehouse]:
    store = fresh_warehouse
    for source, share in (("aws", Decimal("34.118456789012345679")), ("azure", Decimal("12345678901300"))):
        publish_bill(
            store,
            MARCH,
            source,
            {
                "USD/BilledCost": share,
                "USD/EffectiveCost": USD_EFFECTIVE / 2,
                "USD/ListCost": Decimal(7),
                "JPY/BilledCost": Decimal("500.25"),
                "JPY/EffectiveCost": Decimal(450),
            },
        )
    publish_month(store, MARCH, lines().clear())
    publish_month(store, MARCH, lines())
    publish_month(store, APRIL, lines().clear())
    publish_month(store, MAY, lines())
    publish_bill(store, MAY, "aws", {"USD/BilledCost": Decimal(1)})
    yield store


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(root=tmp_path, catalog=tmp_path / "catalog", teams=tmp_path / "teams.yaml")


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8"), newline="")))


def test_a_statement_sums_to_the_bill_and_says_so(
    store: Warehouse, settings: Settings, tmp_path: Path
) -> None:
    written = write_statement(store, settings, MARCH, tmp_path / "new" / "folder")
    rows = rows_of(written.csv_path)
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == written.rows == 5 + 2
    by_currency = {
        currency: {
            column: sum(
                (Decimal(row[column]) for row in rows if row["billing_currency"] == currency), Decimal(0)
            )
            for column in ("billed_cost", "effective_cost", "amount")
        }
        for currency in ("USD", "JPY")
    }  # 32 digits: Python's context would round them
    assert written.sums["USD/billed_cost"] == USD_BILLED
    assert by_currency["USD"]["amount"] == written.sums["USD/amount"] == Decimal("12345678901334.12")
    assert by_currency["JPY"] == {
        "billed_cost": Decimal("1000.5"),
        "effective_cost": Decimal(900),
        "amount": Decimal(1000),
    }

    sidecar = json.loads(written.sidecar_path.read_text(encoding="utf-8"))
    assert sidecar["sha256"] == hashlib.sha256(written.csv_path.read_bytes()).hexdigest()
    assert (sidecar["csv"], sidecar["rows"], sidecar["team"]) == ("chargeback-2026-03.csv", 7, None)
    assert (sidecar["period"], sidecar["statement_version"], sidecar["rule_version"]) == ("2026-03", 2, "1")
    assert sidecar["sums"] == {
        "JPY": {"amount": "1000", "billed_cost": "1000.5", "effective_cost": "900"},
        "USD": {"amount": "12345678901334.12", "billed_cost": str(USD_BILLED), "effective_cost": "51.1"},
    }
    usd = sidecar["statement"]["USD"]
    assert usd["published"] == {"billed_cost": str(USD_BILLED), "effective_cost": "51.1"}
    assert usd["unallocated"]["billed_cost"] == {"cost": "100", "share": "0"}
    assert usd["unallocated"]["effective_cost"] == {"cost": "50", "share": "0.978474"}
    assert sidecar["statement"]["JPY"]["unallocated"]["billed_cost"] == {"cost": "0", "share": "0"}
    assert [(one["source"], one["release"], one["sha256"]) for one in sidecar["sources"]] == [
        ("aws", 1, "awsaws"),
        ("azure", 1, "azureazure"),
    ]
    assert uuid.UUID(sidecar["sources"][0]["batch_ids"]["raw_focus_costs"])
    assert {row["statement_id"] for row in rows} == {sidecar["statement_id"]}


def test_a_line_reads_as_finance_expects(store: Warehouse, settings: Settings, tmp_path: Path) -> None:
    rows = rows_of(write_statement(store, settings, MARCH, tmp_path).csv_path)
    [shop] = [row for row in rows if row["app_id"] == "shop" and row["service_name"] == "EC2"]
    assert {key: shop[key] for key in COLUMNS[2:]} == {
        "period": "2026-03",
        "cost_center": "0012",
        "team": "web",
        "owner": "Ada Löwe",
        "app_id": "shop",
        "app_name": "'" + COMMAND,
        "source_name": "aws",
        "provider": "AWS",
        "service_name": "EC2",
        "charge_category": "Usage",
        "charge_class": "",
        "cost_type": "direct",
        "attribution_rule": "app_tag",
        "billing_currency": "USD",
        "billed_cost": "12345678901234.123456789012345678",
        "effective_cost": "1",
        "amount": "12345678901234.12",
        "description": f"EC2 Usage of {COMMAND}, 2026-03",
    }
    [support] = [row for row in rows if row["service_name"].startswith("Support")]
    assert (support["service_name"], support["billed_cost"], support["amount"]) == (
        'Support, "gold"',
        "-0.005",
        "0",
    )
    [batch] = [row for row in rows if row["app_id"] == "batch"]
    assert (batch["cost_center"], batch["owner"], batch["app_name"]) == ("'-7", "'\t-1", "'\ufeff @batch")
    assert [row["description"] for row in rows if row["cost_type"] == "rounding"] == [
        "Rounding of JPY 2026-03 to minor units",
        "Rounding of USD 2026-03 to minor units",
    ]


def test_the_same_statement_is_the_same_bytes(store: Warehouse, settings: Settings, tmp_path: Path) -> None:
    first = write_statement(store, settings, MARCH, tmp_path / "a")
    second = write_statement(store, settings, MARCH, tmp_path / "b")
    again = write_statement(store, settings, MARCH, tmp_path / "a")
    assert first.csv_path == again.csv_path
    assert first.csv_path.read_bytes() == second.csv_path.read_bytes()
    assert first.sidecar_path.read_bytes() == second.sidecar_path.read_bytes()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [
        "chargeback-2026-03.csv",
        "chargeback-2026-03.json",
    ]


def test_a_file_is_rfc_4180_in_utf_8(store: Warehouse, settings: Settings, tmp_path: Path) -> None:
    content = write_statement(store, settings, MARCH, tmp_path).csv_path.read_bytes()
    assert not content.startswith(b"\xef\xbb\xbf")
    assert content.endswith(b"\r\n")
    assert content.decode("utf-8").splitlines()[0] == ",".join(COLUMNS)
    assert b'"Support, ""gold"""' in content


def test_a_team_sees_its_lines_only(store: Warehouse, settings: Settings, tmp_path: Path) -> None:
    whole = write_statement(store, settings, MARCH, tmp_path)
    written = write_statement(store, settings, MARCH, tmp_path, team="web")
    rows = rows_of(written.csv_path)
    assert {row["team"] for row in rows} == {"web"}
    assert written.csv_path.name == "chargeback-2026-03-web.csv"
    assert written.sums["USD/amount"] == Decimal("12345678901234.12")
    sidecar = json.loads(written.sidecar_path.read_text())
    assert (sidecar["team"], sidecar["rows"]) == ("web", 3)
    assert sidecar["statement_id"] != json.loads(whole.sidecar_path.read_text())["statement_id"]


def test_a_team_without_lines_and_a_month_without_statement_are_named(
    store: Warehouse, settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        write_statement(store, settings, MARCH, tmp_path, team="' OR 1=1 --")
    assert str(raised.value) == (
        "team ' OR 1=1 -- has no line in the statement of 2026-03; teams in it: jobs, unassigned, web"
    )
    with pytest.raises(ConfigurationError) as raised:
        write_statement(store, settings, date(2025, 1, 1), tmp_path)
    assert str(raised.value) == (
        "there is no statement of 2025-01; months with one: 2026-03, 2026-04, 2026-05"
    )
    assert list(tmp_path.glob("*.csv")) == []


def test_a_month_restated_to_nothing_is_a_header(
    store: Warehouse, settings: Settings, tmp_path: Path
) -> None:
    written = write_statement(store, settings, APRIL, tmp_path)
    assert written.csv_path.read_text() == ",".join(COLUMNS) + "\n"
    assert (written.rows, written.sums) == (0, {})


def test_a_statement_older_than_its_bill_is_not_written(
    store: Warehouse, settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(
        ControlTotalError, match="2026-05 has billed_cost 1000.5 JPY, the bill published since has 0"
    ):
        write_statement(store, settings, MAY, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    ["=1", "+1", "-5", "@x", "\tx", "\rx", "\nx", "\0x", " =x", "\ufeff=x", "\u200b \u00a0+x", "\uff1dx", "\uff0bx", "\uff0dx", "\uff20x", " \tx", "\u3000=x"],
)  # fmt: skip
def test_formulas_are_made_text(text: str) -> None:
    assert safe(text) == "'" + text
    content, escaped = csv_bytes(pl.DataFrame({"text": [text]}))
    [[_], [cell]] = list(csv.reader(io.StringIO(content.decode(), newline="")))
    assert (cell, escaped) == ("'" + text, 1)


@pytest.mark.parametrize("text", ["", "shop", "a=b", "1-2", "0012", "x@y", "'=x", "Löwe", "  two blanks"])
def test_plain_text_is_left_alone(text: str) -> None:
    assert safe(text) == text


@given(st.integers(-(10**38) + 1, 10**38 - 1), st.integers(0, 18))
def test_amounts_are_exact_plain_text(units: int, places: int) -> None:
    amount = Decimal((int(units < 0), tuple(map(int, str(abs(units)))), -places))
    text = plain(amount)
    assert Decimal(text) == amount
    assert set(text) <= set("-.0123456789")
    assert "." not in text or text[-1] not in "0."
    assert text != "-0"
