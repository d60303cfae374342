"""A simulation depends on its arguments only, fits in memory, and makes a workspace that loads."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from models.errors import ConfigurationError
from pipelines.ingest.budgets import load_budgets
from pipelines.simulate import simulate
from sql.workspace import load_settings

END = date(2026, 3, 31)


def fingerprint(root: Path) -> dict[str, tuple[str, int]]:
    """Content and modification time of every file."""
    return {
        path.relative_to(root).as_posix(): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mtime_ns,
        )
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_the_same_arguments_give_the_same_bytes_and_times(tmp_path: Path) -> None:
    for name in ("one", "two"):
        simulate(tmp_path / name, apps=6, days=35, seed=3, end=END)
    assert fingerprint(tmp_path / "one") == fingerprint(tmp_path / "two")


def test_another_seed_gives_another_bill(tmp_path: Path) -> None:
    bills = [
        simulate(tmp_path / str(seed), apps=3, days=3, seed=seed, end=END).content["billing"]
        for seed in (1, 2)
    ]
    assert bills[0] != bills[1]


@pytest.mark.parametrize(("apps", "days"), [(1, 1), (2, 40), (5, 2)])
def test_tiny_fleets_work(tmp_path: Path, apps: int, days: int) -> None:
    truth = simulate(tmp_path, apps=apps, days=days, seed=1, end=END)
    assert len(truth.content["apps"]) == apps
    load_budgets(load_settings(tmp_path))


def test_the_workspace_loads(fleet_dir: Path, truth: dict[str, Any]) -> None:
    settings = load_settings(fleet_dir)
    assert [source.name for source in settings.billing] == ["aws", "azure"]
    assert settings.catalog.is_dir()
    teams = yaml.safe_load((fleet_dir / "teams.yaml").read_text())["teams"]
    assert {one["team"] for one in teams} < set(settings.viewer.teams)
    assert all(isinstance(one["cost_center"], str) and one["cost_center"].startswith("0") for one in teams)
    budgets = load_budgets(settings)
    assert {one.key.name for one in budgets} <= {one["team"] for one in teams} and budgets
    assert {one.key.currency for one in budgets} == {"USD", "EUR"}
    documents = [
        one for path in (fleet_dir / "catalog").glob("*.yaml") for one in yaml.safe_load_all(path.read_text())
    ]
    registered = {one["app_id"] for one in truth["apps"] if one["registered"]}
    assert {one["metadata"]["name"] for one in documents} == registered
    assert truth["unregistered"]["bill"]
    assert truth["unregistered"]["telemetry"]


def test_nonsense_and_taken_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="at least 1 app"):
        simulate(tmp_path, apps=0, days=1, seed=1, end=END)
    simulate(tmp_path, apps=1, days=1, seed=1, end=END)
    with pytest.raises(ConfigurationError, match="already holds a workspace"):
        simulate(tmp_path, apps=1, days=1, seed=1, end=END)


MEASURED = """
import json, resource, sys
from datetime import date
from pathlib import Path
from pipelines.simulate import simulate
truth = simulate(Path(sys.argv[1]), apps=4200, days=90, seed=1, end=date(2026, 3, 31))
rows = sum(one["rows"] for one in truth.content["billing"])
print(json.dumps([resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, rows]))
"""


@pytest.mark.slow
def test_a_big_fleet_fits_in_two_gibibytes(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    kibibytes, rows = json.loads(done.stdout)
    assert kibibytes < 2 * 1024 * 1024
    assert rows > 4200 * 3 * 20
