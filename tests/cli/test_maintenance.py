"""`appfleet maintenance`: windows said, ended and taken back, what is refused in one sentence, and a file that is checked."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.console import Console

from models.errors import ConfigurationError
from models.settings import Settings
from pipelines.commands import checks, maintenance
from sql.maintenance import maintenance_acts, said_windows
from sql.opening import open_warehouse
from tests.conftest import Migrated
from tests.pipelines.test_states import settings_of

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SAID: dict[str, Any] = {
    "apps": ["app-1"],
    "teams": [],
    "is_fleet": False,
    "environments": [],
    "begin": "2026-02-27T02:10Z",
    "until": "2h",
    "reason": "a switch was replaced",
    "by": "ann",
}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, migrated: Migrated) -> Settings:
    root = migrated(tmp_path_factory.mktemp("said"))
    with open_warehouse(root) as warehouse:
        line = {
            "usage_date": NOW.date(),
            "app_id": "app-1",
            "batch_id": "00000000-0000-0000-0000-000000000001",
        }
        warehouse.insert("core_app_telemetry_daily", pl.DataFrame([line]))
        warehouse.execute_text(
            "INSERT INTO period_head (scope, period, fence, seq, batches, rows, sha256) SELECT 'activity', toDate('2026-03-01'), 0, 1,"
            " map('core_app_telemetry_daily', toUUID('00000000-0000-0000-0000-000000000001')), 1, 'x'"
        )
    return settings_of(root)


def said_by(work: Callable[[Console], int]) -> tuple[int, str]:
    console = Console(width=300, file=io.StringIO(), record=True)
    code = work(console)
    return code, console.export_text()


def printed(settings: Settings) -> tuple[int, str]:
    return said_by(lambda console: maintenance.print_windows(console, settings, NOW))


def test_a_window_is_said_after_the_fact_ended_and_taken_back_and_every_line_stays(
    settings: Settings,
) -> None:
    told = maintenance.add(settings, NOW, **SAID)
    running = maintenance.add(
        settings, NOW, **{**SAID, "begin": "2026-03-01T11:00Z", "until": "2026-03-01T14:00+01:00"}
    )
    past, now = told.split()[1], running.split()[1]
    assert told.startswith(
        f"maintenance {past} of app app-1, 2026-02-27 02:10 to 2026-02-27 04:10 UTC: counts for no objective"
    )
    code, text = printed(settings)
    assert code == 0 and "until 2026-03-01 13:00 UTC" in text and "over" in text and "ann" in text
    with pytest.raises(
        ConfigurationError, match="ended at 2026-02-27 04:10 UTC: `withdraw` counts its requests again"
    ):
        maintenance.end(settings, past, "done", "bob", NOW)
    maintenance.end(settings, now, "done", "bob", NOW + timedelta(minutes=20))
    maintenance.withdraw(settings, past, "it was another", "bob", NOW)
    with open_warehouse(settings.root, role="reader") as warehouse:
        [left] = said_windows(warehouse)
        lines = maintenance_acts(warehouse)
    assert (left.begins_at, left.ends_at, left.said_by) == (
        NOW - timedelta(hours=1),
        NOW + timedelta(minutes=20),
        "ann",
    )
    assert len(lines) == 4
    assert [(one.act, one.acted_by, one.reason) for one in lines].count(("add", "ann", SAID["reason"])) == 2
    assert {(one.act, one.acted_by, one.of_act) for one in lines if one.act != "add"} == {
        ("end", "bob", now),
        ("withdraw", "bob", past),
    }
    with pytest.raises(ConfigurationError, match=f"no maintenance {past} was said by command"):
        maintenance.withdraw(settings, past, "again", "bob", NOW)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"reason": " "}, "--reason is empty: say why, for whoever looks later"),
        ({"until": None}, "--until is missing: a maintenance window has an end"),
        ({"begin": None}, "--from is missing: a maintenance window has a begin"),
        ({"until": "2026-02-27T02:10Z"}, "--until is not after its start"),
        ({"until": "2026-04-27"}, "--until is more than 28 days after its start; that is no maintenance"),
        ({"begin": "soon"}, "--from: 'soon' is no moment such as 2026-10-31T02:00Z"),
        ({"apps": []}, "say whose requests: --app, --team, or --fleet alone"),
        ({"is_fleet": True}, "say whose requests: --app, --team, or --fleet alone"),
        ({"apps": ["app-1", "nobody"]}, "nobody knows app nobody: neither the catalogue, a bill nor telemetry names it"),
        ({"teams": ["x"]}, "nobody knows team x: neither the catalogue, a bill nor telemetry names it"),
    ],
)  # fmt: skip
def test_what_is_refused_is_one_sentence(settings: Settings, said: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigurationError) as told:
        maintenance.add(settings, NOW, **{**SAID, **said})
    assert str(told.value) == sentence


def test_a_file_is_checked_and_doctor_is_red_of_it(settings: Settings, tmp_path: Path) -> None:
    text = "maintenance:\n  - {name: a, reason: r, fleet: true, start: 2026-03-01, duration: 1h}\n  - {name: b, fleet: true, start: 2026-03-01}\n  - {name: c, reason: r, apps: [nobody], start: 2026-03-01, duration: 1h}\n"
    file = tmp_path / "other.yaml"
    file.write_text(text, encoding="utf-8")
    code, told = said_by(lambda console: maintenance.validate(console, None, file))
    assert code == 1
    assert told.splitlines() == [
        f"{file}, line 3: maintenance[1].reason is missing",
        "2 windows can be read",
    ]
    (settings.root / "maintenance.yaml").write_text(text, encoding="utf-8")
    with open_warehouse(settings.root, role="reader") as warehouse:
        found = list(checks.maintenance(checks.Look(warehouse, settings, NOW)))
    assert [(one.sentence, one.is_failure) for one in found] == [
        ("maintenance.yaml, line 3: maintenance[1].reason is missing", True),
        (
            "maintenance.yaml, line 4: window c names app nobody, which nobody knows; so it is about nobody",
            False,
        ),
    ]
    assert printed(settings)[0] == 1
