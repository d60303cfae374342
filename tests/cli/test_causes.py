"""What `appfleet causes` and `appfleet status` say of changed costs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from models.settings import Settings
from pipelines.commands.causes import SHOWN_IN_STATUS, print_causes
from pipelines.commands.summary import print_status
from sql.opening import open_warehouse
from tests.cli.test_budgets import said
from tests.conftest import Migrated
from tests.dashboards.fleet import build, publish_fleet


def test_open_anomalies_and_the_weeks_changes_are_a_line_each(tmp_path: Path, migrated: Migrated) -> None:
    root = migrated(tmp_path / "workspace")
    settings = Settings(root, root, root)
    with open_warehouse(root) as warehouse:
        nothing = said(lambda console: print_causes(console, settings))
        publish_fleet(warehouse, build())
        told = said(lambda console: print_causes(console, settings)).splitlines()
        status = said(lambda console: print_status(console, settings, datetime(2026, 3, 12, tzinfo=UTC)))
    assert nothing.splitlines() == ["No open anomaly of cost.", "Nothing moved in the week so far."]
    opened = "  depot-map (logistics), 2026-03-10 to 2026-03-11: depot-map costs more; it began with version 2.0.0."
    assert told[:2] == ["Open anomalies of cost, the largest against what was expected first:", opened]
    assert told[2] == "The largest changes of the week so far:"
    assert told[3] == "  checkout (payments), 2026-03-09 to 2026-03-11: USD 21.5 by chance."
    assert sum(line.startswith("  ") for line in told) == 7
    assert not any("daily-kpi" in line for line in told)
    assert opened in status and SHOWN_IN_STATUS == 3
    assert "by chance" not in status
