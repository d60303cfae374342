"""A month as FOCUS 1.2 and 1.4: bills made by the FOCUS Data Toolkit, exported and held against both validators and Python."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, localcontext
from pathlib import Path

import polars as pl
import pytest
from focus_data_toolkit.generators import get_generator
from focus_data_toolkit.model.validator import lint_focus_1_4_structure

from models.errors import ConfigurationError, ControlTotalError
from models.focus_export import VERSIONS
from models.settings import BillingSource, Settings
from pipelines.compute.costs import compute_costs
from pipelines.compute.identities import compute_identities
from pipelines.compute.registry import compute_registry
from pipelines.ingest.billing import ingest_source
from pipelines.reports.focus_export import Exported, export_focus
from sql.opening import open_warehouse
from sql.warehouse import Warehouse
from tests.conftest import Migrated

PROVIDERS = ("aws", "azure", "gcp")
ROWS = 150
DOCS = Path(__file__).resolve().parents[2] / "docs" / "export.md"
VALIDATOR = Path(sys.prefix) / "focus-validator"
METRICS = ("BilledCost", "EffectiveCost")


@dataclass
class Books:
    """A warehouse with the bills of three providers, and what was delivered, as text."""

    warehouse: Warehouse
    settings: Settings
    delivered: list[dict[str, str]]
    month: date


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory, migrated: Migrated) -> Iterator[Books]:
    root = tmp_path_factory.mktemp("export")
    delivered: list[dict[str, str]] = []
    (root / "teams.yaml").write_text("")
    (root / "catalog").mkdir()
    (root / "bills").mkdir()
    for place, provider in enumerate(PROVIDERS):
        content = get_generator(provider, "1.2").generate_csv_bytes(ROWS, seed=3 + place)
        (root / "bills" / f"{provider}.csv").write_bytes(content)
        delivered += csv.DictReader(content.decode().splitlines())
    source = BillingSource("all", "focus", "bills", deliveries="add")
    settings = Settings(root=root, catalog=root / "catalog", teams=root / "teams.yaml", billing=(source,))
    with open_warehouse(migrated(root)) as warehouse:
        assert ingest_source(warehouse, settings, source).refusals == ()
        compute_registry(warehouse, settings)
        compute_identities(warehouse, settings)
        compute_costs(warehouse, settings)
        months = {row["BillingPeriodStart"][:7] for row in delivered}
        month = max(months, key=lambda one: sum(row["BillingPeriodStart"][:7] == one for row in delivered))
        kept = [row for row in delivered if row["BillingPeriodStart"][:7] == month]
        yield Books(warehouse, settings, kept, date.fromisoformat(f"{month}-01"))


@pytest.fixture(scope="module")
def files(books: Books, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Exported]:
    out = tmp_path_factory.mktemp("out")
    return {
        version: export_focus(books.warehouse, books.settings, books.month, version, out)
        for version in VERSIONS
    }


def documented(version: str) -> set[str]:
    """Rules that docs/export.md says a delivered bill may fail: first cells of the table of a version."""
    part = DOCS.read_text().split(f"## What FOCUS {version}")[1].split("\n## ")[0]
    return set(re.findall(r"^\| `([^`]+)`", part, re.MULTILINE))


def test_files_are_the_bill_to_the_last_digit(books: Books, files: dict[str, Exported]) -> None:
    wanted: dict[str, Decimal] = {}
    with localcontext() as context:
        context.prec = 80
        for row in books.delivered:
            for metric in METRICS:
                key = f"{row['BillingCurrency']}/{metric}"
                wanted[key] = wanted.get(key, Decimal(0)) + Decimal(row[metric])
        for done in files.values():
            assert done.rows == len(books.delivered)
            assert done.sums == wanted
            with done.paths[0].open(newline="") as file:
                rows = list(csv.DictReader(file))
            assert list(rows[0]) == list(done.columns)
            told = sorted((row["BilledCost"], row["EffectiveCost"], row["ChargePeriodStart"]) for row in rows)
            given = [
                (one["BilledCost"], one["EffectiveCost"], one["ChargePeriodStart"]) for one in books.delivered
            ]
            assert sorted((Decimal(a), Decimal(b), c) for a, b, c in told) == sorted(
                (Decimal(a), Decimal(b), c) for a, b, c in given
            )
            parquet = pl.read_parquet(done.paths[1])
            assert parquet.schema["BilledCost"] == pl.Decimal(38, 18)
            assert sorted(parquet["BilledCost"]) == sorted(Decimal(row["BilledCost"]) for row in rows)
            assert {row["x_AppId"] for row in rows} >= {"unallocated"}


def test_the_toolkit_accepts_1_4(files: dict[str, Exported]) -> None:
    with files["1.4"].paths[0].open(newline="") as file:
        rows = list(csv.DictReader(file))
    report = lint_focus_1_4_structure("Cost and Usage", rows)
    failed = {f"{one.rule} {one.column}" for one in report.violations}
    assert failed <= documented("1.4"), report.messages()[:10]
    rows[0]["ChargeCategory"] = "Gift"  # it looks
    assert not lint_focus_1_4_structure("Cost and Usage", rows).ok


@pytest.mark.slow
@pytest.mark.parametrize("form", (0, 1), ids=("csv", "parquet"))
def test_the_official_validator_accepts_1_2(files: dict[str, Exported], form: int) -> None:
    if not (VALIDATOR / "bin" / "focus-validator").exists():
        pytest.skip(
            "no focus-validator beside the packages: it needs Python 3.12, `make PYTHON312=...` installs it"
        )
    [home] = VALIDATOR.glob("lib/python3*/site-packages")  # it finds its rules there alone
    command = [VALIDATOR / "bin" / "focus-validator", "--data-file", files["1.2"].paths[form]]
    done = subprocess.run(
        [*command, "--validate-version", "1.2.0.1", "--block-download"],
        cwd=home, capture_output=True, text=True, check=False, timeout=500,
    )  # fmt: skip
    total = re.search(r"Total: (\d+) \| Pass: (\d+) \| Fail: (\d+)", done.stdout)
    assert total and int(total[2]) > 100, done.stdout + done.stderr  # its exit code says nothing
    failed = set(re.findall(r"❌ ([\w-]+): FAIL", done.stdout))
    assert len(failed) == int(total[3])
    assert failed <= documented("1.2"), sorted(failed)


def test_what_cannot_be_exported_is_said_and_leaves_no_file(
    books: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigurationError, match=r"no bill of 1999-01 is published; months with one: 20"):
        export_focus(books.warehouse, books.settings, date(1999, 1, 1), "1.4", tmp_path)
    real = Warehouse.frames

    def cut(self: Warehouse, name: str, **parameters: object) -> Iterator[pl.DataFrame]:
        for piece in real(self, name, **parameters):
            yield piece.head(piece.height - 1)

    monkeypatch.setattr(Warehouse, "frames", cut)
    with pytest.raises(ControlTotalError, match="no file was written"):
        export_focus(books.warehouse, books.settings, books.month, "1.4", tmp_path)
    assert list(tmp_path.iterdir()) == []
