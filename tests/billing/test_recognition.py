"""The format `appfleet init` writes: of real bills of each provider, however they are packed."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import polars as pl
import pytest

from pipelines.commands.templates import source_of
from pipelines.ingest.billing.recognition import likely_format

REAL = {
    "focus": "billing/focus-1.0/focus_sample_dev.csv",
    "aws-cur": "billing/aws-cur/aws_cur_sample.csv",
    "azure-actual": "billing/azure-ea/EA_ActualCost_Small.csv",
    "azure-amortized": "billing/azure-ea/EA_AmortizedCost_Small.csv",
}


@pytest.mark.parametrize("name", REAL)
def test_a_real_bill_is_recognised_alone_packed_and_in_a_folder(
    shared_data: Path, tmp_path: Path, name: str
) -> None:
    path = shared_data / REAL[name]
    assert likely_format([path]) == name
    packed = tmp_path / "in" / "a" / f"{path.stem}.csv.gz"
    packed.parent.mkdir(parents=True)
    packed.write_bytes(gzip.compress(path.read_bytes()))
    (tmp_path / "in" / "README.txt").write_text("Bills of October\n")
    assert likely_format([tmp_path / "in"]) == name
    assert f"format: {name}, location: " in source_of(str(tmp_path / "in" / "a"))


GOOGLE = {
    "billing_account_id": "0",
    "service": {"id": "a"},
    "usage_start_time": "2026-10-01 00:00:00 UTC",
    "cost": 1,
    "invoice": {"month": "202610"},
    "credits": [],
}


def test_parquet_json_lines_and_other_delimiters_are_looked_into(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(json.dumps(GOOGLE) + "\n" + json.dumps(GOOGLE))
    (tmp_path / "many.json").write_text(json.dumps([GOOGLE, GOOGLE]))
    for name in ("one.json", "many.json"):
        assert likely_format([tmp_path / name]) == "gcp-billing"
    pl.DataFrame({"line_item_unblended_cost": [1], "bill_payer_account_id": ["1"]}).write_parquet(
        tmp_path / "cur.parquet"
    )
    assert likely_format([tmp_path / "cur.parquet"]) == "aws-cur"
    (tmp_path / "ea.csv").write_text("\ufeffMeterId;CostInBillingCurrency;Tags\n1;2;3\n")
    assert likely_format([tmp_path / "ea.csv"]) == "azure-actual"


@pytest.mark.parametrize(
    "content", [b"", b"PAR1", b"\x1f\x8b\x00", b"{", b"[1, 2]", b"\xff\xfe\x00", b"one,two\n1,2\n"]
)
def test_what_cannot_be_read_is_taken_for_what_is_usual(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bill").write_bytes(content)
    assert likely_format([tmp_path / "bill"]) == likely_format([tmp_path]) == likely_format([]) == "focus"
