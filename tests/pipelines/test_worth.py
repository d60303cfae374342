"""From spans and a bill to what failures cost and whom they hurt: against a hand count of two dozen spans."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.console import Console

from models.reliability_costs import worth_policy
from models.settings import Settings
from pipelines.commands.worth import print_worth
from pipelines.compute import AsOf, compute_slices, compute_volumes, compute_worth
from pipelines.compute.publishing import insert
from sql.opening import open_warehouse
from sql.publish import WHOLE_TABLE, new_batch_id, publish
from sql.warehouse import Warehouse
from tests.conftest import Migrated

DAY = date(2026, 3, 3)
AS_OF = AsOf(datetime(2026, 3, 4, 12, tzinfo=UTC), DAY)
TEAMS = {"shop": "web", "cart": "buy", "gate": "ops"}
TEXTS = pl.List(pl.Struct({"key": pl.String, "value": pl.String}))


class Spans:
    """Spans of one day, an id for each."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def add(
        self,
        trace: int,
        app: str,
        kind: str,
        parent: str = "",
        failed: bool = False,
        day: date = DAY,
        **attributes: str,
    ) -> str:
        """Adds one; returns its id."""
        number = len(self.rows) + 1
        self.rows.append(
            {
                "Timestamp": datetime(day.year, day.month, day.day, 10, tzinfo=UTC)
                + timedelta(seconds=number),
                "TraceId": f"{trace:032x}",
                "SpanId": f"{number:016x}",
                "ParentSpanId": parent,
                "SpanName": "GET /",
                "SpanKind": kind,
                "ServiceName": app,
                "ResourceAttributes": [{"key": "service.name", "value": app}],
                "SpanAttributes": [
                    {"key": name.replace("_in_", "."), "value": value} for name, value in attributes.items()
                ],
                "Duration": 1_000_000,
                "StatusCode": "Error" if failed else "Unset",
            }
        )
        return str(self.rows[-1]["SpanId"])

    def call(
        self, trace: int, caller: str, own_failed: bool, callees: list[tuple[str, bool]], **says: str
    ) -> None:
        """A request of an app that calls others in turn, through a span of its own; each of them may fail."""
        own = self.add(trace, caller, "Server", failed=own_failed)
        for callee, failed in callees:
            client = self.add(trace, caller, "Client", own, failed=failed, **says)
            self.add(trace, callee, "Server", client, failed=failed)


def spans() -> list[dict[str, Any]]:
    """Shop fails five times: three by gate, once with gate's failure of another trace, once alone. Cart once by gate."""
    made = Spans()
    for trace in (1, 2):
        made.call(trace, "shop", True, [("gate", True)])
    made.call(3, "shop", True, [("gate", True), ("cart", True)])  # gate was first
    made.call(4, "shop", True, [("gate", False)])
    made.call(5, "shop", True, [])
    made.call(6, "shop", False, [("gate", True), ("gate", False)])  # a failure that hurt nobody
    made.call(7, "cart", True, [("gate", True)])
    made.call(8, "shop", False, [("gate", False)], http_in_request_in_resend_count="1")
    made.call(9, "shop", False, [("gate", True)], http_in_request_in_resend_count="2")
    made.call(10, "gate", True, [("gate", True)])  # within one app
    made.add(11, "gate", "Server", "feedfeedfeedfeed")  # nobody knows who called
    made.add(12, "shop", "Server", day=DAY + timedelta(days=1))  # of a day that is not whole
    health = made.add(13, "shop", "Client")
    made.add(13, "gate", "Server", health, failed=True, url_in_path="/healthz")
    return made.rows


COUNTS = {"shop": (8, 5), "cart": (2, 2), "gate": (12, 8)}
"""Requests and failures of the day, counted by hand in ``spans``; without health checks."""
COSTS = {"shop": Decimal(8), "cart": Decimal("0.000000000000000001"), "gate": Decimal(-12)}


@pytest.fixture(scope="module")
def warehouse(
    tmp_path_factory: pytest.TempPathFactory, migrated: Migrated
) -> Iterator[tuple[Warehouse, Settings]]:
    """Spans, a bill and owners, published to the step before."""
    root = migrated(tmp_path_factory.mktemp("worth"))
    settings = Settings(root=root, catalog=root, teams=root)
    with open_warehouse(root) as opened:
        frame = pl.DataFrame(
            spans(), schema_overrides=dict.fromkeys(("ResourceAttributes", "SpanAttributes"), TEXTS)
        ).with_columns(
            pl.col("Timestamp").cast(pl.Datetime("ns", "UTC")),
            pl.col("Duration").cast(pl.UInt64),
            pl.col("ResourceAttributes", "SpanAttributes").cast(pl.Map(pl.String, pl.String)),
        )
        for _ in range(2):  # a resend changes nothing but the room it takes
            opened.insert("otel.otel_traces", frame)
        compute_slices(opened, settings)
        apps = pl.DataFrame(
            {"app_id": list(TEAMS), "team": list(TEAMS.values()), "valid_from": [DAY] * len(TEAMS)}
        )
        costs = pl.DataFrame(
            [
                {
                    "usage_date": DAY,
                    "app_id": app,
                    "team": TEAMS[app],
                    "billing_currency": "USD",
                    "effective_cost": COSTS[app],
                    "requests": requests,
                    "errors": errors,
                }
                for app, (requests, errors) in COUNTS.items()
            ],
            schema_overrides={"effective_cost": pl.Decimal(38, 18)},
        )
        for table, scope, period, rows in (
            ("core_apps", "registry", WHOLE_TABLE, apps),
            ("mart_app_unit_costs_daily", "unit_costs", DAY.replace(day=1), costs),
        ):
            batch = new_batch_id()
            insert(opened, table, rows, batch)
            publish(
                opened,
                scope,
                period,
                batches={table: batch},
                rows=rows.height,
                sha256=scope,
                version=AS_OF.slice_end,
            )
        yield opened, settings


def test_failures_are_counted_priced_and_credited_and_a_second_pass_publishes_nothing(
    warehouse: tuple[Warehouse, Settings], tmp_path: Path
) -> None:
    opened, settings = warehouse
    counted = opened.frame_of(
        "SELECT app_id, sum(requests), sum(errors) FROM core_app_telemetry_daily_current "
        f"WHERE usage_date = '{DAY}' GROUP BY app_id"
    )
    assert {app: (requests, errors) for app, requests, errors in counted.rows()} == COUNTS
    volumes = compute_volumes(opened, settings, AS_OF)
    assert [one.period for one in volumes.releases] == [DAY], "a day that is not over is not counted"
    calls = opened.frame("queries/worth/calls", first_day=DAY, last_day=DAY)
    assert {row[1:] for row in calls.rows()} == {
        ("shop", "gate", 8, 5, 2, 1, 3),
        ("shop", "cart", 1, 1, 0, 0, 0),
        ("cart", "gate", 1, 1, 0, 0, 1),
        ("gate", "gate", 1, 1, 0, 0, 0),
    }
    sizes = opened.frame("queries/worth/volumes", first_day=DAY, last_day=DAY)
    held = {row["app_id"]: row["records"] for row in sizes.iter_rows(named=True)}
    of_day = [row["ServiceName"] for row in spans() if row["Timestamp"].date() == DAY]
    assert held == {app: 2 * of_day.count(app) for app in TEAMS}, "copies take room too"
    assert all(sizes["bytes"] > 0)

    assert compute_worth(opened, settings, AS_OF).rows > 0
    assert not compute_volumes(opened, settings, AS_OF).releases
    assert not compute_worth(opened, settings, AS_OF).releases
    later = replace(AS_OF, slice_end=AS_OF.slice_end + timedelta(hours=1))
    assert not compute_worth(opened, settings, later).releases, "an hour later no day more is whole"

    teams = list(TEAMS.values())
    [shop] = opened.frame("queries/worth_shown/apps", teams=teams, app_id="shop", row_limit=0).to_dicts()
    assert (shop["effective_cost"], shop["failed_cost"], shop["days_known"]) == (8, 5, 1)
    assert shop["cost_per_good_request"] == Decimal("2.666666666666666667")
    assert shop["budget_cost"] == Decimal("0.08") and shop["days_not_known"] == worth_policy().window_days - 1
    [gate] = opened.frame("queries/worth_shown/apps", teams=teams, app_id="gate", row_limit=0).to_dicts()
    assert (gate["failed_cost"], gate["retries"], gate["retry_cost"]) == (-8, 1, -1)
    # Shop has three of its five failures by gate, which two teams beside its own call; cart's is of the smallest amount.
    credits = opened.frame("queries/worth_shown/credits", teams=teams, app_id="")
    assert credits.select("from_app_id", "app_id", "hurt_requests", "credit").rows() == [
        ("gate", "shop", 3, Decimal(3)),
        ("gate", "cart", 1, Decimal("0.000000000000000001")),
    ]

    console = Console(width=200, record=True, soft_wrap=True)
    print_worth(console, settings, "", tmp_path / "credits.csv")
    assert "gate (ops) to shop (web): USD 3" in console.export_text()
    lines = (tmp_path / "credits.csv").read_text().splitlines()
    assert lines[0].split(",")[:3] == ["month", "first_day", "last_day"] and len(lines) == 3


def test_an_app_is_held_to_its_own_target(warehouse: tuple[Warehouse, Settings]) -> None:
    """Production before any other environment, the strictest of several, and no generation that is over; a latency is none."""
    opened, settings = warehouse
    batches = {table: new_batch_id() for table in ("mart_slo_objectives", "mart_slo_status")}
    rows = [
        ("shop", "production", "availability", "0.999", None, True),
        ("shop", "production", "strict", "0.9999", None, True),
        ("shop", "staging", "availability", "0.99999", None, False),
        ("shop", "production", "old", "0.999999", AS_OF.slice_end, True),
        ("cart", "", "availability", "0.5", None, True),
        ("gate", "production", "latency", "0.9999", None, True),
    ]
    told = pl.DataFrame(
        [(app, where, name, Decimal(target), over) for app, where, name, target, over, _ in rows],
        schema={
            "app_id": pl.String, "environment": pl.String, "objective": pl.String, "target": pl.Decimal(38, 18),
            "valid_to": pl.Datetime("ms", "UTC"),
        },
        orient="row",
    ).with_columns(
        indicator=pl.when(pl.col("objective") == "latency").then(pl.lit("latency")).otherwise(pl.lit("availability"))
    )  # fmt: skip
    states = told.select("app_id", "environment", "objective").with_columns(
        is_production=pl.Series([one[-1] for one in rows])
    )
    for table, frame in (("mart_slo_objectives", told), ("mart_slo_status", states)):
        insert(opened, table, frame, batches[table])
    publish(
        opened, "slo", WHOLE_TABLE, batches=batches, rows=2 * len(rows), sha256="slo", version=AS_OF.slice_end
    )  # fmt: skip
    assert opened.frame("queries/worth/targets").rows() == [
        ("cart", Decimal("0.5")),
        ("shop", Decimal("0.9999")),
    ]
    compute_volumes(opened, settings, AS_OF)
    assert compute_worth(opened, settings, AS_OF).releases, "another target is another figure"
    teams = list(TEAMS.values())
    budgets = {
        app: opened.frame("queries/worth_shown/apps", teams=teams, app_id=app, row_limit=0)[
            "budget_cost"
        ].item()
        for app in ("shop", "gate")
    }
    assert budgets["shop"] == Decimal("0.0008") and budgets["gate"] == Decimal("-0.12")


def test_another_team_sees_nothing_of_it(warehouse: tuple[Warehouse, Settings]) -> None:
    opened, _ = warehouse
    asked = {"first_day": DAY, "last_day": DAY}
    for teams in (["any"], ["buy"]):
        found = opened.frame("queries/worth_shown/apps", teams=teams, app_id="shop", row_limit=9)
        days = opened.frame("queries/worth_shown/days", teams=teams, app_id="shop", **asked)
        why = opened.frame("queries/worth_shown/not_known", teams=teams, app_id="shop", **asked)
        assert found.is_empty() and days.is_empty() and why.is_empty()
