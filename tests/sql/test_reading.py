"""`appfleet sql`: what is typed is answered as text, with every digit."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from pathlib import Path

import pytest

from models.errors import StatementRefused, WarehouseError
from sql.reading import read_only
from sql.warehouse import Warehouse, one_line

EXACT = [
    "2.08320743876",
    "0.000000000000000001",
    "-99999999999999999999.999999999999999999",
    "1000000",
    "0",
]
QUERY = "SELECT toDecimal128(x, 18) AS cost, x FROM values('x String', {}) -- a comment\n;".format(
    ", ".join(f"'{one}'" for one in EXACT)
)


def test_csv_has_each_decimal_whole(warehouse: Warehouse, workspace: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(read_only(workspace, QUERY, "csv"))))
    assert [row["cost"] for row in rows] == EXACT


def test_json_has_each_decimal_whole(warehouse: Warehouse, workspace: Path) -> None:
    rows = json.loads(read_only(workspace, QUERY, "json"))
    assert [Decimal(row["cost"]) for row in rows] == [Decimal(one) for one in EXACT]
    assert [row["cost"] for row in rows] == EXACT


def test_a_table_has_each_decimal_whole(warehouse: Warehouse, workspace: Path) -> None:
    text = read_only(workspace, QUERY)
    for one in EXACT:
        assert one in text
    assert "\x1b" not in text


def test_integers_beyond_a_float_are_whole(warehouse: Warehouse, workspace: Path) -> None:
    big = 2**64 - 1
    assert json.loads(read_only(workspace, f"SELECT toUInt64({big}) AS n", "json")) == [{"n": big}]


def test_no_rows(warehouse: Warehouse, workspace: Path) -> None:
    assert json.loads(read_only(workspace, "SELECT * FROM core_apps_current", "json")) == []
    assert read_only(workspace, "SELECT app_id FROM core_apps_current", "csv") == '"app_id"\n'


@pytest.mark.parametrize(
    "text", ["SHOW TABLES", "DESCRIBE core_apps", "EXPLAIN SELECT 1", "WITH 1 AS a SELECT a"]
)
@pytest.mark.parametrize("output", ["table", "csv", "json"])
def test_each_kind_of_read_in_each_format(
    warehouse: Warehouse, workspace: Path, text: str, output: str
) -> None:
    assert read_only(workspace, text, output)  # type: ignore[arg-type]


def test_a_write_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    with pytest.raises(StatementRefused):
        read_only(tmp_path, "DROP TABLE core_apps")
    assert not (tmp_path / ".appfleet").exists()


def test_a_mistake_is_the_engine_s_sentence(warehouse: Warehouse, workspace: Path) -> None:
    with pytest.raises(WarehouseError, match="nosuch") as error:
        read_only(workspace, "SELECT nosuch FROM core_apps")
    assert "\n" not in str(error.value)
    assert "http://" not in str(error.value)


@pytest.mark.parametrize(
    ("said", "limit", "sentence"),
    [
        ("Code: 62. DB::Exception: Syntax error: failed at 1", 600, "Syntax error: failed at 1"),
        ("HTTPDriver\nCode: 1. DB::NetException: no   route\n\tto it", 600, "no route to it"),
        ("it broke. Stack trace: 0. somewhere", 600, "it broke."),
        ("x" * 10, 10, "x" * 10),
        ("x" * 11, 10, "xxxxxxx..."),
        ("y" * 601, 600, "y" * 597 + "..."),
    ],
)
def test_what_the_engine_says_is_one_line_of_a_length(said: str, limit: int, sentence: str) -> None:
    assert one_line(said, limit) == sentence
