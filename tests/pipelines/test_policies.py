"""Alert policies of files, silences and no data of any app, from published slices to alerts: figures written out by hand."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from models.alerts import FIRING, RESOLVED, RETIRED, Alert, alert_policy
from pipelines.commands import alerts as commands
from pipelines.commands.doubts import silent_sentences
from pipelines.commands.objectives import exported_text, print_validation
from pipelines.compute import AsOf, compute_alerts, compute_slo
from pipelines.compute.silent_alerts import SILENT, silent_troubles
from sql.alerts import current_alerts
from sql.opening import open_warehouse
from sql.warehouse import Warehouse
from tests.conftest import Migrated
from tests.pipelines.test_objectives import slo_text, wrote
from tests.pipelines.test_states import Row, insert_rows, row, settings_of

NOW = datetime(2026, 3, 1, tzinfo=UTC)
POLICY = """\
---
apiVersion: openslo/v1
kind: AlertPolicy
metadata: {{name: {name}}}
spec:
  alertWhenNoData: {no_data}
  conditions:
    - kind: AlertCondition
      metadata: {{name: {name}}}
      spec:
        severity: critical
        condition: {{kind: burnrate, op: {op}, threshold: 3, lookbackWindow: 2h, alertAfter: 10m}}
  notificationTargets: [{{kind: AlertNotificationTarget, metadata: {{name: pager}}, spec: {{target: any}}}}]
"""
ROUTES = "targets:\n  {name}: {{url: {{env: HOOK}}}}\nroutes:\n  - {{teams: [none], targets: [{name}]}}\n"


def with_policy(app: str, name: str, *, op: str = "gt", no_data: str = "false") -> str:
    """An SLO of availability and its policy: a page where two hours burn more than three times as fast."""
    text = slo_text(f"{app}-slo", app, "0.99") + f"  alertPolicies: [{{alertPolicyRef: {name}}}]\n"
    return text + POLICY.format(name=name, op=op, no_data=no_data)


def slices(
    app: str, since: datetime, until: datetime, step: int, requests: int, errors: int = 0
) -> list[Row]:
    """The same counts every so many minutes."""
    one = row(0, app, "server", requests, errors, 0, random.Random(1))
    one = replace(one, environment="production", version="1.0", route="GET /a")
    count = int((until - since) / timedelta(minutes=step))
    return [replace(one, slice_start=since + timedelta(minutes=step * number)) for number in range(count)]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, migrated: Migrated) -> Path:
    return migrated(tmp_path_factory.mktemp("policies"))


def alerts_at(warehouse: Warehouse, root: Path, moment: datetime) -> tuple[dict[str, Alert], tuple[str, ...]]:
    """Alerts of a moment by key, and what a pass refuses."""
    as_of = AsOf(moment, moment.date(), "live")
    refused = compute_slo(warehouse, settings_of(root), as_of, moment).refused
    compute_alerts(warehouse, settings_of(root), as_of, moment)
    return {one.alert_key: one for one in current_alerts(warehouse)}, refused


HOURS = timedelta(hours=1)
FILES = {"shop.yaml": with_policy("shop", "early"), "job.yaml": with_policy("job", "watch", no_data="true")}


def month_of(days: int) -> list[Row]:
    """Days up to now of four apps: two with a trouble, two that stopped a day ago."""
    begin = NOW - days * 24 * HOURS
    return [
        # Five of a hundred go wrong for six hours: five times as fast as allowed, which no built-in window alerts by.
        *(one for app in ("shop", "plain") for one in slices(app, begin, NOW - 6 * HOURS, 60, 1200)),
        *(one for app in ("shop", "plain") for one in slices(app, NOW - 6 * HOURS, NOW, 5, 100, 5)),
        *(one for app in ("job", "old") for one in slices(app, begin, NOW - 24 * HOURS, 60, 20)),
    ]


def test_from_a_policy_to_an_alert(root: Path) -> None:
    (root / "alerts.yaml").write_text(ROUTES.format(name="pager"))
    with open_warehouse(root) as warehouse:
        insert_rows(warehouse, [*month_of(9), *slices("shop", NOW, NOW + timedelta(minutes=5), 5, 100)])
        usual, _ = alerts_at(warehouse, root, NOW)
        assert {key: one.severity for key, one in usual.items()} == {
            "silent/job/production": "ticket",
            "silent/old/production": "ticket",
        }
        # By hand: ln(365 * 480 / 0.3) = 13.3 at a clustering of 0.125, of 20 an hour: within the first hour.
        assert usual["silent/job/production"].sentence.endswith(
            "; at 480 requests a day, going 1 hour without one is no chance"
        )
        statuses = warehouse.frame("queries/slo/status", app_id="plain")

        wrote(root, FILES)
        found, refused = alerts_at(warehouse, root, NOW)
        assert refused == ()
        page = found["slo/shop/production/shop-slo"]
        assert (page.state, page.severity, page.by_routes, page.targets) == (
            FIRING,
            "page",
            False,
            ("pager",),
        )
        assert page.sentence.endswith("; by policy early (page where 2h burn above 3 x for 10m)")
        assert page.since == NOW - 3 * HOURS, "the hold of an hour looks back from its first window"
        assert (
            found["silent/job/production"].targets == ("pager",) and found["silent/job/production"].by_routes
        )
        assert found["silent/old/production"].targets == ()
        assert warehouse.frame("queries/slo/status", app_id="plain").equals(statuses), (
            "figures of others moved"
        )

    console = Console(record=True, width=300)
    commands.print_oncall(console, settings_of(root), NOW)
    assert "shop, production, shop-slo: fires by policy early." in console.export_text()
    again = root / "objectives" / "again.yaml"
    again.write_text(exported_text(settings_of(root), None))
    text = again.read_text()
    assert text.count("alertAfter: 10m") == 2 and "appfleet.io/built-in" in text
    assert print_validation(console, again, root)
    again.unlink()

    (root / "alerts.yaml").write_text(ROUTES.format(name="nobody"))
    assert not print_validation(console, root / "objectives", root)
    with open_warehouse(root) as warehouse:
        found, refused = alerts_at(warehouse, root, NOW + timedelta(minutes=5))
        assert len(refused) == 2, refused
        assert all("no route of alerts.yaml leads to a target of either name" in one for one in refused)
        assert found["slo/shop/production/shop-slo"].clear_at, (
            found["slo/shop/production/shop-slo"],
            "the built-in windows hold, by which nothing fires",
        )


def test_the_end_of_an_apps_silence_is_not_that_of_what_it_counts_beside_requests(
    fresh_warehouse: Warehouse,
) -> None:
    def silent(key: str) -> Alert:
        begun = NOW - timedelta(days=40)
        return Alert(
            key, SILENT, "shop", "production", "t", "ticket", FIRING, "", "silent", begun, begun, begun
        )

    before = [silent("silent/shop/production"), silent("silent/shop/production/lines")]
    as_of = AsOf(NOW, NOW.date(), "none")
    ended = list(silent_troubles(fresh_warehouse, as_of, before, alert_policy(), {}))
    assert [(one.key, one.ending) for one in ended] == [("silent/shop/production", RETIRED)]


@pytest.mark.slow
def test_from_a_silence_to_its_end_and_nobody_heard(tmp_path: Path, migrated: Migrated) -> None:
    """The same rules are judged quickly by tests of ``models.unheard`` and ``models.alerts``; here from slices to alerts."""
    root = migrated(tmp_path)
    later, end = NOW + 27 * 24 * HOURS, NOW + 27 * 24 * HOURS + 3 * HOURS
    rows = [
        *month_of(20),
        *slices("shop", NOW, later - 48 * HOURS, 60, 1200),
        *slices("shop", later - 48 * HOURS, later, 5, 100),
    ]
    with open_warehouse(root) as warehouse:
        insert_rows(warehouse, rows)
        alerts_at(warehouse, root, NOW)

        # Four weeks after its last request an app is retired, which is no mending; and one that is to go is waited for no longer.
        gone, _ = alerts_at(warehouse, root, later)
        ends = {key: (one.state, one.ending) for key, one in gone.items() if one.kind == "silent"}
        retired = dict.fromkeys(("silent/job/production", "silent/old/production"), (RESOLVED, RETIRED))
        assert ends == {**retired, "silent/plain/production": (FIRING, "")}
        assert "no request for 28 days: it counts as retired" in gone["silent/job/production"].sentence

        # Nobody is heard: one alert of no team since the last request, and no app of it is silent.
        dark, _ = alerts_at(warehouse, root, end)
        new = [one for key, one in dark.items() if key not in gone]
        assert [(one.alert_key, one.team, one.severity, one.since) for one in new] == [
            ("unheard/telemetry", "", "page", later)
        ]
        assert warehouse.frame("queries/slo/budgets", app_id="shop")["is_frozen"].all()
        assert warehouse.frame("queries/alerts/silent")["app_id"].to_list() == ["plain"], (
            "shop is not waited for"
        )
        assert next(silent_sentences(warehouse)) == new[0].sentence + "."
        still, _ = alerts_at(warehouse, root, end + timedelta(minutes=30))
        assert still["unheard/telemetry"].since == later and still["unheard/telemetry"].state == FIRING
