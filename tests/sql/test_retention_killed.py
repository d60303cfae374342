"""A removal of raw telemetry that is really killed, again and again; and a whole fleet's figures before and after one."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from models.settings import Settings
from pipelines.commands.run import run_pass
from pipelines.compute import publishing
from pipelines.steps import STEPS
from sql.damage import COMPUTED, lost_records, lost_rows
from sql.opening import open_warehouse
from sql.publish import heads
from sql.retention import begun
from sql.workspace import load_settings
from tests.cli.conftest import environment
from tests.conftest import Migrated, SmallFleet
from tests.sql.test_retention import Place, spans

pytestmark = pytest.mark.slow
DAYS_AGO = (40, 41)
AS_OF = datetime(2026, 11, 1, tzinfo=UTC)


def test_a_removal_that_is_killed_at_any_moment_can_be_run_again(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, migrated: Migrated
) -> None:
    """Killed as soon as something of it is seen, until nothing is left to do."""
    root = migrated(tmp_path_factory.mktemp("killed"))
    (root / "appfleet.yaml").write_text("retention: {critical: 3, high: 3}\n")
    (root / "catalog").mkdir()
    (root / "teams.yaml").write_text("teams: []\n")
    command = [sys.executable, "-m", "pipelines.commands.cli", "retention", "apply", "-w", str(root)]
    seen = "SELECT (SELECT count() FROM telemetry_removals) AS lines, (SELECT count() FROM {{otel}}.otel_traces) AS rows"
    kills = 0
    with open_warehouse(root) as warehouse:
        place = Place(Settings(root, root / "catalog", root / "teams.yaml"), warehouse, tmp_path)
        place.send(spans, *DAYS_AGO)
        place.computed()
        figures = place.figures()
        for _ in range(60):
            before = warehouse.frame_of(seen).row(0)
            process = subprocess.Popen(
                command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            while process.poll() is None and warehouse.frame_of(seen).row(0) == before:
                time.sleep(0.001)
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                kills += 1
            _, said = process.communicate(timeout=120)
            assert process.returncode in (0, -signal.SIGKILL), said
            assert lost_records(warehouse.frame) == [] and place.figures() == figures
            assert [one.releases for one in place.computed()] == [(), ()]
            if process.returncode == 0:
                break
        assert begun(warehouse) == [] and warehouse.frame_of(seen)["rows"][0] == 0
        gone, listed = warehouse.frame_of(
            "SELECT sumIf(rows, state = 'removed'), sumIf(rows, state = 'removing') FROM telemetry_removals"
        ).row(0)
        assert gone == listed == sum(place.held.values())
    assert kills


def test_every_published_figure_of_a_fleet_stays(
    small_fleet: SmallFleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is, and where other rules have everything computed anew: in a fleet that keeps its raw rows and in one that
    removed them."""
    whole, removed = (SmallFleet.copy(small_fleet.passed, tmp_path / name) for name in ("whole", "removed"))
    before = figures(removed)
    assert sum(map(len, before.values())) > 1_000
    settings = load_settings(removed)
    with open_warehouse(removed, role="writer") as warehouse:
        rows = warehouse.frame_of("SELECT count() FROM {{otel}}.otel_traces").item()
    applied = subprocess.run(
        [sys.executable, "-m", "pipelines.commands.cli", "retention", "apply", "-w", str(removed)],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert applied.returncode == 0 and "freed about" in applied.stdout, applied
    with open_warehouse(removed, role="writer") as warehouse:
        assert warehouse.frame_of("SELECT count() FROM {{otel}}.otel_traces").item() < rows / 2
        assert lost_rows(warehouse.frame, with_slices=True) == lost_records(warehouse.frame) == []
    assert figures(removed) == before
    monkeypatch.setattr(publishing, "rules_sha256", lambda: "other rules")
    for one in (load_settings(whole), settings):
        done = run_pass(one, steps=[*STEPS], as_of=AS_OF)
        assert not [step.failed for step in done.steps if step.failed]
    after = {name: rows for name, rows in figures(removed).items() if name != "heads"}
    assert after == {name: rows for name, rows in figures(whole).items() if name != "heads"}


def figures(workspace: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row that is published, and the releases."""
    with open_warehouse(workspace, role="writer") as warehouse:
        found = {
            table: sorted(warehouse.frame_of(f"SELECT * FROM {table}_current").rows(), key=repr)
            for table in COMPUTED
        }
        return {**found, "heads": [(one.scope, one.period, one.seq, one.rows) for one in heads(warehouse)]}
