"""Coverage as people and files read it, from amounts small enough to add by hand."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal

import polars as pl

from models.coverage import CSV_COLUMNS, csv_bytes, key_lines, share
from models.schemas import MOMENT, MONEY


def test_a_key_has_one_line_whose_parts_are_the_bill() -> None:
    keys = pl.DataFrame(
        [
            ("USD", "team", "virtual", "one", "3"),
            ("USD", "team", "virtual", "two", "0.000000000000000001"),
            ("USD", "team", "none", "", "-1.5"),
            ("USD", "app_id", "tag", "", "1.500000000000000001"),
            ("EUR", "team", "tag", "", "7"),
        ],
        schema={"billing_currency": pl.String, "tag_key": pl.String, "how": pl.String, "rule": pl.String, "billed_cost": pl.String},
        orient="row",
    ).with_columns(pl.col("billed_cost").cast(MONEY))  # fmt: skip
    zero, tiny = Decimal(0), Decimal("0.000000000000000001")
    assert key_lines(keys).rows() == [
        ("EUR", "team", Decimal(7), zero, zero, Decimal(7)),
        ("USD", "app_id", Decimal("1.5") + tiny, zero, zero, Decimal("1.5") + tiny),
        ("USD", "team", zero, 3 + tiny, Decimal("-1.5"), Decimal("1.5") + tiny),
    ]
    assert key_lines(keys.clear()).is_empty()


def test_nothing_is_a_share_of_what_is_not_above_zero() -> None:
    assert share(Decimal(1), Decimal(4)) == Decimal("0.25")
    assert share(Decimal(1), Decimal(0)) is share(Decimal(1), Decimal(-4)) is None


def test_the_csv_has_exact_amounts_and_text_no_spreadsheet_runs() -> None:
    at = datetime(2026, 5, 1, 3, 4, 5, tzinfo=UTC)
    row = {
        "source_name": "aws", "service_name": "S3", "resource_id": "=cmd()", "app_id": "a", "team": "t, u", "attribution_rule": "resource_id",
        "basis": "host.id", "confidence": 0.85, "evidence": "host.id i-1", "spans": 7, "first_seen": at, "last_seen": None,
        "billing_currency": "USD", "charges": 2, "billed_cost": Decimal("-0.000000000000000001"), "effective_cost": Decimal("1200.50"),
    }  # fmt: skip
    times = dict.fromkeys(("first_seen", "last_seen"), MOMENT)
    frame = pl.DataFrame(
        [row], schema_overrides={**dict.fromkeys(("billed_cost", "effective_cost"), MONEY), **times}
    )
    content = csv_bytes(frame, "2026-05").decode()
    assert content.endswith("\r\n")
    [line] = csv.DictReader(io.StringIO(content))
    assert tuple(line) == CSV_COLUMNS
    assert line == {
        **{name: str(value) for name, value in row.items()},
        "period": "2026-05", "resource_id": "'=cmd()", "first_seen": "2026-05-01T03:04:05Z", "last_seen": "",
        "billed_cost": "-0.000000000000000001", "effective_cost": "1200.5",
    }  # fmt: skip
