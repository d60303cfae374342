"""`appfleet map`: a proposal for a file in every form, which loads where nothing decisive is missing."""

from __future__ import annotations

import gzip
import io
import json
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.errors import ConfigurationError, InputRefused
from pipelines.commands.mapping import propose_mapping

ROWS = [
    {"Usage date": "2026-10-02", "Net amount": "10.50", "Currency": "USD", "Product": "db", "Team": "one"},
    {"Usage date": "2026-10-03", "Net amount": "-0.25", "Currency": "USD", "Product": "web", "Team": "two"},
]


def csv_of(delimiter: str = ",") -> bytes:
    lines = [ROWS[0].keys(), *(row.values() for row in ROWS)]
    return "".join(delimiter.join(line) + "\r\n" for line in lines).encode()


def parquet() -> bytes:
    out = io.BytesIO()
    amounts = [Decimal(row["Net amount"]) for row in ROWS]
    pq.write_table(
        pa.table({**{name: [row[name] for row in ROWS] for name in ROWS[0]}, "Net amount": amounts}), out
    )
    return out.getvalue()


def json_lines() -> bytes:
    return "\n".join(json.dumps(row) for row in ROWS).encode()


FILES = {
    "bill.csv": csv_of(),
    "bill.tsv": csv_of("\t"),
    "bill.csv.gz": gzip.compress(b"\xef\xbb\xbf" + csv_of(";")),
    "bill.parquet": parquet(),
    "bill.jsonl": json_lines(),
    "bill.json": json.dumps(ROWS, indent=1).encode(),
}


@pytest.mark.parametrize("name", FILES)
def test_every_form_gives_the_same_proposal(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(FILES[name])
    (tmp_path / "bill.csv").write_bytes(FILES["bill.csv"])
    said: list[str] = []
    text = propose_mapping(tmp_path / name, None, said.append)
    plain = propose_mapping(tmp_path / "bill.csv", None, lambda line: None)
    assert text.splitlines()[2:] == plain.replace("bill.csv", name).splitlines()[2:]
    assert "  BilledCost: Net amount\n" in text and not any("loads nothing yet" in line for line in said)
    assert (
        propose_mapping(tmp_path / name, tmp_path / "m.yaml", said.append)
        == (tmp_path / "m.yaml").read_text()
    )
    with pytest.raises(ConfigurationError, match="never overwrites"):
        propose_mapping(tmp_path / name, tmp_path / "m.yaml", said.append)


def test_what_is_missing_and_what_is_no_table_is_told(tmp_path: Path) -> None:
    (tmp_path / "thin.csv").write_text("Date,Amount\n2026-10-01,5\n")
    said: list[str] = []
    propose_mapping(tmp_path / "thin.csv", None, said.append)
    assert (
        said[-1]
        == "it loads nothing yet: the mapping, line 4: columns.BillingCurrency is missing, and FOCUS requires it"
    )
    with pytest.raises(ConfigurationError, match="cannot be read"):
        propose_mapping(tmp_path / "none.csv", None, said.append)
    for content in (b"PAR1", b"{", b"\x1f\x8b\x00", b"a\0b"):
        (tmp_path / "bad").write_bytes(content)
        with pytest.raises(InputRefused):
            propose_mapping(tmp_path / "bad", None, said.append)
