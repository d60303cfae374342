"""Everything bad at once, from disk and from S3: each named in one line, exit code 3, all good beside it published."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer

from pipelines.steps import STEPS
from tests.billing.conftest import OCTOBER, ROW
from tests.cli.conftest import Answer, appfleet, csv_text, make_workspace, owned, rows
from tests.conftest import Migrated
from tests.days import passed_today
from tests.telemetry import otlp_messages as otlp

GOOD = Decimal("7.25")
YEAR = 365 * 86_400 * otlp.SECOND
CANARY = "canary-5ecret"

BAD_CELLS = {
    "thousands": ({"BilledCost": "1,234.5"}, "BilledCost 1,234.5"),
    "not-a-number": ({"BilledCost": "nan"}, "BilledCost nan"),
    "forty-places": ({"BilledCost": "0." + "1" * 40}, "BilledCost 0.1111"),
    "currency": ({"BillingCurrency": "XQZ"}, "BillingCurrency XQZ is no ISO 4217 currency"),
    "period-end": ({"BillingPeriodEnd": "2024-08-01"}, "BillingPeriodEnd 2024-08-01"),
    "markup": ({"BilledCost": "[/red]"}, "BilledCost [/red]"),
}
"""File -> the bad cell in its second row of September, and what the line must say."""


def focus(*lines: dict[str, str], columns: list[str] | None = None) -> bytes:
    names = columns or list(dict.fromkeys([*ROW, *(name for line in lines for name in line)]))
    return csv_text(names, [{name: {**ROW, **line}[name] for name in names} for line in lines]).encode()


def parquet(path: Path, count: int) -> None:
    zeros = pa.repeat(pa.scalar(0, pa.int32()), count)
    pq.write_table(pa.table({name: pa.DictionaryArray.from_arrays(zeros, [ROW[name]]) for name in ROW}), path)


def bad_files(folder: Path) -> dict[str, str]:
    """Files that cannot be read, beside a good one; name -> what its line must say."""
    folder.mkdir()
    (folder / "good.csv").write_bytes(focus({"BilledCost": str(GOOD), "x_Unknown": "is no error"}))
    parquet(folder / "cut.parquet", 1000)
    cut = folder / "cut.parquet"
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    parquet(folder / "bomb.parquet", 2_000_000)
    (folder / "text.parquet").write_bytes(focus({}))
    (folder / "cut.csv.gz").write_bytes(gzip.compress(focus(*[{}] * 500))[:-20])
    (folder / "bomb.csv.gz").write_bytes(gzip.compress(focus({}) + b" " * 40_000_000))
    (folder / "missing.csv").write_bytes(focus({}, columns=[one for one in ROW if one != "BilledCost"]))
    (folder / "twice.csv").write_bytes(focus({}).replace(b"ListCost", b"BilledCost"))
    (folder / "ragged [bold].csv").write_bytes(focus({}, {}) + b"1,2,3\n")
    (folder / "1970.csv").write_bytes(focus({}, {"BillingPeriodStart": "1970-01-01T00:00:00Z"}))
    (folder / "2150.csv").write_bytes(focus({"BillingPeriodStart": "2150-01-01T00:00:00Z"}))
    return {
        "cut.parquet": "truncated or damaged",
        "bomb.parquet": "Parquet bomb",
        "text.parquet": "named .parquet but is no Parquet",
        "cut.csv.gz": "gzip is truncated",
        "bomb.csv.gz": "gzip bomb",
        "missing.csv": "required column BilledCost",
        "twice.csv": "column BilledCost twice",
        "ragged [bold].csv, row 3": "fewer fields than the header",
        "1970.csv, row 2": "BillingPeriodStart",
        "2150.csv, row 1": "BillingPeriodStart",
    }


def bad_telemetry(folder: Path) -> dict[str, str]:
    """Objects with bad bytes among good ones; name -> what its line must say. Good spans: 40."""
    folder.mkdir()
    lines = [otlp.as_json(otlp.traces(10, first=1 + 10 * n)) for n in range(3)]
    (folder / "middle.jsonl").write_bytes(b"".join([*lines[:2], b"\x00\xff [/] garbage\n", lines[2]]))
    times = otlp.traces(12, first=31)
    spans = times.resource_spans[0].scope_spans[0].spans
    spans[0].start_time_unix_nano = 3
    spans[1].start_time_unix_nano = otlp.NOON + 125 * YEAR
    spans[1].end_time_unix_nano = spans[1].start_time_unix_nano + 1
    (folder / "times.jsonl").write_bytes(otlp.as_json(times))
    (folder / "cut.jsonl.gz").write_bytes(gzip.compress(otlp.as_json(otlp.traces(9, first=90)))[:-9])
    (folder / "bomb.jsonl.gz").write_bytes(gzip.compress(b'{"resourceSpans":' + b" " * (64 << 20) + b"[]}"))
    return {
        "middle.jsonl": "1 record(s) set aside, unreadable message, the first is number 3",
        "times.jsonl": "2 record(s) set aside, time out of range, the first is number 1",
        "cut.jsonl.gz": "truncated",
        "bomb.jsonl.gz": "gzip bomb",
    }


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Endpoint of an S3 of our own: a good bill, and one under a key that leaves its folder."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    client: Any = boto3.client(
        "s3",
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )
    client.create_bucket(Bucket="bills")
    client.put_object(Bucket="bills", Key="in/good.csv.gz", Body=gzip.compress(focus({"BilledCost": "11"})))
    client.put_object(Bucket="bills", Key="in/../../escaped.csv", Body=focus({"BilledCost": "5000"}))
    yield address
    server.stop()


@pytest.fixture(scope="module")
def passed(
    s3: str, tmp_path_factory: pytest.TempPathFactory, migrated: Migrated
) -> Iterator[tuple[Path, Answer, dict[str, str]]]:
    """A workspace after one pass over all of it: the workspace, what the pass said, what it must have said."""
    root = migrated(tmp_path_factory.mktemp("bad"))
    expected = {**bad_files(root / "files"), **bad_telemetry(root / "otlp")}
    sources = [{"name": "files", "format": "focus", "location": "files"}]
    (root / "cells").mkdir()
    sources.append({"name": "cells", "format": "focus", "location": "cells"})
    for name, (cell, sentence) in BAD_CELLS.items():
        lines = ({"BilledCost": "1"}, cell, {"BilledCost": str(GOOD), **OCTOBER})
        (root / "cells" / f"{name}.csv").write_bytes(
            focus(*({"ServiceName": name, **line} for line in lines))
        )
        expected[f"{name}.csv, row 2"] = sentence
    bucket = {"location": "s3://bills/in", "endpoint_url": s3, "region": "us-east-1"}
    sources.append({"name": "bucket", "format": "focus", **bucket})
    sources.append({"name": "gone", "format": "focus", "location": "nowhere"})
    expected["../../escaped.csv"] = "leaves its folder"
    expected["nowhere"] = "no such file or folder"
    make_workspace(
        root,
        sources={
            "billing": sources,
            "telemetry": [{"name": "otlp", "format": "otlp", "location": "otlp"}],
        },
    )
    with owned(root):
        asked = ("run", "--only", "billing,telemetry,registry,identities,costs")
        said = appfleet(root, *asked, code=3, AWS_ACCESS_KEY_ID="AKIACANARY", AWS_SECRET_ACCESS_KEY=CANARY)
        yield root, said, expected


def test_each_is_named_in_one_line(passed: tuple[Path, Answer, dict[str, str]]) -> None:
    _, said, expected = passed
    refused = [line for line in said.out.splitlines() if "refused: " in line]
    for name, sentence in expected.items():
        assert [line for line in refused if name in line and sentence in line], (name, said.out)
    assert len(refused) == len(expected), refused


def test_everything_good_is_published_and_nothing_half(
    passed: tuple[Path, Answer, dict[str, str]],
) -> None:
    root, _, _ = passed
    found = rows(
        root,
        "SELECT x_SourceName AS source, toString(x_BillingPeriod) AS month, sum(BilledCost) AS cost"
        " FROM raw_focus_costs_current GROUP BY ALL",
    )
    assert {(row["source"], row["month"]): Decimal(row["cost"]) for row in found} == {
        ("files", "2024-09-01"): GOOD,
        ("bucket", "2024-09-01"): Decimal(11),
        ("cells", "2024-10-01"): GOOD * len(BAD_CELLS),
    }
    (spans,) = rows(
        root,
        "SELECT count() AS n, min(toYear(Timestamp)) AS first, max(toYear(Timestamp)) AS last"
        " FROM otel.otel_traces_current",
    )
    assert {name: int(value) for name, value in spans.items()} == {"n": 40, "first": 2026, "last": 2026}
    (costs,) = rows(root, "SELECT sum(billed_cost) AS cost FROM core_app_costs_daily_current")
    assert Decimal(costs["cost"]) == GOOD * (1 + len(BAD_CELLS)) + 11


def test_a_second_pass_says_the_same_of_bills_and_publishes_nothing(
    passed: tuple[Path, Answer, dict[str, str]],
) -> None:
    root, _, _ = passed

    def run_again() -> Answer:
        return appfleet(root, "run", code=3, AWS_ACCESS_KEY_ID="AKIACANARY", AWS_SECRET_ACCESS_KEY=CANARY)

    run_again()  # of every step
    passed_today(root, run_again)
    before = rows(root, "SELECT scope, period, seq FROM period_head ORDER BY ALL")
    again = run_again()
    assert again.out.count("nothing new") == len(STEPS), again.out
    assert rows(root, "SELECT scope, period, seq FROM period_head ORDER BY ALL") == before


def test_doctor_names_them_and_fails(passed: tuple[Path, Answer, dict[str, str]]) -> None:
    root, _, _ = passed
    said = appfleet(root, "doctor", code=1).out
    for word in ("refusals", "rejects", "time out of range", "unreadable message", "nowhere"):
        assert word in said


def test_no_secret_reaches_a_file_or_the_terminal(passed: tuple[Path, Answer, dict[str, str]]) -> None:
    root, said, _ = passed
    assert CANARY not in said.said
    searched = 0
    for path in root.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            searched += 1
            assert CANARY.encode() not in content, path
            assert b"AKIACANARY" not in content, path
    assert searched > 50


def test_nothing_was_written_outside_the_workspace(passed: tuple[Path, Answer, dict[str, str]]) -> None:
    root, _, _ = passed
    assert not list(root.parent.rglob("escaped.csv"))
