"""`appfleet doctor` finds each mistake by name, goes on after it, and its exit code says whether something is broken."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from models.errors import WarehouseError
from models.settings import BillingSource, Settings, TelemetrySource
from pipelines.commands import doctor
from pipelines.commands.doctor import Finding, findings
from sql.local_warehouse import open_warehouse
from tests.conftest import Migrated

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, migrated: Migrated) -> Iterator[Path]:
    root = migrated(tmp_path_factory.mktemp("doctor"))
    (root / "empty").mkdir()
    with open_warehouse(root):
        yield root


def found(root: Path, check: str, *sources: BillingSource | TelemetrySource) -> list[Finding]:
    settings = Settings(
        root,
        root / "catalog",
        root / "teams.yaml",
        billing=tuple(one for one in sources if isinstance(one, BillingSource)),
        telemetry=tuple(one for one in sources if isinstance(one, TelemetrySource)),
    )
    return [one for one in findings(settings, NOW) if one.check == check]


def test_a_workspace_without_a_source_is_said_to_have_none(workspace: Path) -> None:
    (one,) = found(workspace, "sources")
    assert "no source is configured" in one.sentence and "sources.billing in appfleet.yaml" in one.advice
    assert not one.is_failure


def test_a_location_that_cannot_be_read_is_a_failure_each_by_name(workspace: Path) -> None:
    bill, spans = BillingSource("aws", "focus", "nowhere/bills"), TelemetrySource("files", "otlp", "nowhere")
    one, other = found(workspace, "sources", bill, spans)
    assert one.sentence.startswith("aws: ") and "nowhere/bills" in one.sentence
    assert other.sentence.startswith("files: ") and "nowhere" in other.sentence
    assert one.is_failure and other.is_failure


def test_a_location_with_nothing_in_it_is_advice(workspace: Path) -> None:
    (one,) = found(workspace, "sources", BillingSource("aws", "focus", "empty"))
    assert one.sentence == "aws: there is nothing in empty"
    assert not one.is_failure


def test_a_check_that_cannot_be_made_is_a_failure_and_the_others_are_made(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> list[str]:
        raise WarehouseError("a block of raw_focus_costs cannot be read")

    monkeypatch.setattr(doctor, "damaged_totals", broken)
    everything = findings(Settings(workspace, workspace, workspace), NOW)
    (one,) = [one for one in everything if one.check == "control totals"]
    assert one.sentence == "could not be looked at: a block of raw_focus_costs cannot be read"
    assert one.is_failure
    assert len({one.check for one in everything}) == 16
