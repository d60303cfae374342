"""A statement is recomputed by itself when its rules change, and is a new one only where it says something else."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from models.settings import Settings
from pipelines.compute import costs, publishing
from pipelines.compute.costs import compute_costs
from pipelines.compute.identities import compute_identities
from pipelines.reports.statements import write_statement
from sql.warehouse import Warehouse
from tests.billing.conftest import Bills

SEPTEMBER = date(2024, 9, 1)


def test_other_rules_recompute_and_the_same_lines_are_the_same_statement(
    bills: Bills,
    settings: Settings,
    warehouse: Warehouse,
    focus_csv: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    def told() -> tuple[bytes, dict[str, Any]]:
        files = write_statement(warehouse, settings, SEPTEMBER, tmp_path / "out")
        return files.csv_path.read_bytes(), json.loads(files.sidecar_path.read_text())

    def computed(rules: str) -> int:
        with monkeypatch.context() as patched:
            patched.setattr(publishing, "rules_sha256", lambda: rules)
            compute_identities(warehouse, settings)
            return len(compute_costs(warehouse, settings).releases)

    bills.put("a.csv", focus_csv({"BilledCost": "803.6", "EffectiveCost": "800"}))
    bills.ingest()
    assert computed("rules 1") == 1
    content, first = told()
    assert computed("rules 1") == 0
    # other rules, the same answer: computed again, and still version 1 with the same bytes
    assert computed("rules 2") == 1
    assert computed("rules 3") == 1
    again, same = told()
    assert (first["computed"]["release"], same["computed"]["release"]) == (1, 3)
    assert (same["statement_version"], same["statement_id"]) == (1, first["statement_id"])
    assert again == content
    # a layout that writes lines in another way: a new statement
    lines = costs.chargeback.statement_lines
    with monkeypatch.context() as patched:
        patched.setattr(
            costs.chargeback,
            "statement_lines",
            lambda *given: lines(*given).with_columns(owner=lines(*given)["app_id"]),
        )
        assert computed("rules 4") == 1
    other, new = told()
    assert new["statement_version"] == 2
    assert new["statement_id"] != first["statement_id"]
    assert other != content
    # a bill restated: a new statement; the one before is not counted twice
    bills.put("a.csv", focus_csv({"BilledCost": "803.7", "EffectiveCost": "800"}))
    bills.ingest()
    assert computed("rules 4") == 1
    assert told()[1]["statement_version"] == 3
    assert b"803.70" in told()[0]
