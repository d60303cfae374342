"""Objectives of one route, of a percentile and without cold starts, beside loops over the same slices."""

from __future__ import annotations

import random
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.compute import compute_maintenance, compute_slo
from sql.opening import open_warehouse
from sql.publish import publish
from sql.warehouse import Warehouse
from tests.conftest import Migrated
from tests.models.slo_oracle import Slice, answer, clustering
from tests.pipelines.budget_days import spent_by_day
from tests.pipelines.test_objectives import slo_text, wrote
from tests.pipelines.test_states import AS_OF, LADDER, Row, insert_rows, row, settings_of

MOMENT = AS_OF.slice_end


@dataclass(frozen=True)
class Started(Row):
    """A line of the slices of requests that started an instance anew, or of the others."""

    is_cold_start: bool
    counted_from: str
    stands_for: int | None
    errors_stand_for: int | None


@dataclass(frozen=True)
class Wanted:
    """An objective as a file writes it."""

    name: str
    app: str
    target: str
    route: str = ""
    without_cold_starts: bool = False
    threshold_ms: int | None = None
    percentile: str = ""
    days: int = 30

    def text(self) -> str:
        text = slo_text(
            self.name,
            self.app,
            self.target,
            f"{{duration: {self.days}d, isRolling: true}}",
            threshold_ms=self.threshold_ms,
        )
        notes = {
            **({"appfleet.io/route": self.route} if self.route.startswith("GET ") else {}),
            **({"appfleet.io/cold-starts": "exclude"} if self.without_cold_starts else {}),
        }
        text = text.replace(
            "annotations: {}",
            "annotations: {" + ", ".join(f'"{key}": "{one}"' for key, one in notes.items()) + "}",
            1,
        )
        asked = [f"percentile: {self.percentile}"] * bool(self.percentile)
        asked += [f"filter: {{http.route: {self.route}}}"] * (self.route.startswith("/"))
        return text.replace("}}", "".join(f", {one}" for one in asked) + "}}", 2) if asked else text

    def counts(self, one: Started) -> bool:
        """Whether a line of slices counts, but for cold starts."""
        kinds = ("server",) if self.threshold_ms else ("server", "consumer")
        path = one.route.removeprefix("GET ").removeprefix("POST ")
        return one.app_id == self.app and one.kind in kinds and self.route in ("", one.route, path)

    def slices(self, rows: Sequence[Started], environment: str) -> list[Slice]:
        sums: dict[datetime, list[int]] = defaultdict(lambda: [0, 0])
        for one in rows:
            if (
                self.counts(one)
                and one.environment == environment
                and not (self.without_cold_starts and one.is_cold_start)
            ):
                late = one.timed - one.within[LADDER.index(self.threshold_ms)] if self.threshold_ms else 0
                sums[one.slice_start][0] += late if self.threshold_ms else one.errors
                sums[one.slice_start][1] += one.timed if self.threshold_ms else one.requests
        return [Slice(start, bad, total) for start, (bad, total) in sums.items()]


WANTED = [
    Wanted("read", "app-0", "0.99", "GET /a"),
    Wanted("any-a", "app-0", "0.999", "/a"),
    Wanted("p99-b", "app-0", "0.99", "GET /b", threshold_ms=500, percentile="99", days=7),
    Wanted("warm", "app-1", "0.95", without_cold_starts=True),
    Wanted("warm-a", "app-1", "0.99", "/a", without_cold_starts=True),
    Wanted("p95", "app-1", "0.95", threshold_ms=500, percentile="95"),
    Wanted("typo", "app-1", "0.99", "GET /nobody"),
]


@pytest.fixture(scope="module")
def rows() -> list[Started]:
    source = random.Random(20261128)
    found = []
    for number in range(3):
        for minutes in {5 * source.randint(1, 8_000) for _ in range(150)} | set(range(5, 65, 5)):
            for _ in range(2):
                total = source.choice((2, 40))
                bad = sum(source.random() < (0.03, 0.1, 0.0)[number] for _ in range(total))
                kind = source.choice(("server", "server", "consumer", "health"))
                one = vars(row(minutes, f"app-{number}", kind, total, bad, bad, source))
                one["route"] = source.choice(("GET /a", "POST /a", "GET /b", ""))
                is_sampled = number == 1
                found.append(
                    Started(
                        **one,
                        is_cold_start=source.random() < 0.3,
                        counted_from="sampled_spans" if is_sampled else "spans",
                        stands_for=total * 10 if is_sampled else total,
                        errors_stand_for=bad,  # what keeps failures and a tenth of the rest
                    )
                )
    return found


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, migrated: Migrated) -> Path:
    return migrated(tmp_path_factory.mktemp("routes"))


@pytest.fixture(scope="module")
def warehouse(root: Path, rows: Sequence[Started]) -> Iterator[Warehouse]:
    with open_warehouse(root) as opened:
        insert_rows(opened, rows)
        batch = uuid.uuid4()
        day = MOMENT.date() - timedelta(days=1)
        line = {"usage_date": day, "app_id": "app-1", "sampled_requests": 1, "batch_id": str(batch)}
        opened.insert("core_app_telemetry_daily", pl.DataFrame([line]))
        publish(
            opened,
            "activity",
            day,
            batches={"core_app_telemetry_daily": batch},
            rows=1,
            sha256="sampled",
            version=MOMENT,
        )
        yield opened


def published(warehouse: Warehouse) -> dict[tuple[str, str, str], dict[str, Any]]:
    frame = warehouse.frame_of(
        "SELECT app_id, toString(environment) AS environment, toString(objective) AS objective, route, without_cold_starts,"
        " total - good AS bad, total, budget_remaining, toString(state) AS state, kept_out, sampled, stands_for, sli_scaled,"
        " health_checks, burn_rate_1h FROM mart_slo_status_current"
    )
    return {(one["app_id"], one["environment"], one["objective"]): one for one in frame.iter_rows(named=True)}


def test_parts_are_judged_as_loops_over_their_slices_say(
    warehouse: Warehouse, rows: Sequence[Started], root: Path
) -> None:
    compute_slo(warehouse, settings_of(root), AS_OF, MOMENT)
    usual = published(warehouse)
    wrote(root, {f"{one.name}.yaml": one.text() for one in WANTED})
    outcome = compute_slo(warehouse, settings_of(root), AS_OF, MOMENT)
    assert outcome.refused == ()
    [note] = [one for one in outcome.notes if "no request came to route" in one]
    assert "typo.yaml, line " in note and "route GET /nobody of app app-1" in note
    assert [one for one in outcome.notes if "the defaults stay" in one] == []
    found = published(warehouse)
    states = set()
    for one in WANTED:
        for environment in ("production", "", "staging"):
            slices = one.slices(rows, environment)
            got = found[one.app, environment, one.name]
            assert (got["route"], got["without_cold_starts"]) == (one.route, one.without_cold_starts)
            target = Decimal(one.target)
            want = answer(
                slices,
                MOMENT,
                target,
                one.days,
                production=environment != "staging",
                clustering=clustering(slices, MOMENT, 1 - Fraction(one.target)),
            )
            assert (got["bad"], got["total"], got["state"]) == (want.bad, want.total, want.state), one
            states.add(got["state"])
            if want.budget_remaining is not None:
                assert got["budget_remaining"] == pytest.approx(float(want.budget_remaining), abs=1e-9)
            assert got["health_checks"] == usual[one.app, environment, "availability"]["health_checks"]
            inside = [
                line
                for line in rows
                if one.counts(line)
                and line.environment == environment
                and MOMENT - timedelta(days=one.days) <= line.slice_start < MOMENT
            ]
            cold = sum(line.requests for line in inside if line.is_cold_start)
            assert got["kept_out"] == (cold if one.without_cold_starts else 0)
            own = [line for line in inside if not (one.without_cold_starts and line.is_cold_start)]
            is_sampled = one.app == "app-1" and bool(own)
            assert got["sampled"] == (sum(line.requests for line in own) if is_sampled else 0)
            stands_for = 10 * sum(line.requests for line in own)
            assert got["stands_for"] == (stands_for if is_sampled else None)
            if is_sampled and one.threshold_ms is None:
                right = 1 - sum(line.errors for line in own) / stands_for
                assert got["sli_scaled"] == pytest.approx(right, abs=1e-12)
            else:
                assert got["sli_scaled"] is None
    assert {"page", "no_data"} <= states
    # A route stands beside the app's own objectives; without cold starts one stands in their place.
    for app, gone in (("app-0", set()), ("app-1", {"availability", "latency"}), ("app-2", set())):
        names = {name for of_app, _, name in found if of_app == app}
        assert {"availability", "latency"} - names == gone
    for (app, environment, name), before in usual.items():
        if app != "app-1":
            assert found[app, environment, name] == before

    # What fires is told with its route, on the page, in the alert and in what is to blame.
    firing = {key: one for key, one in found.items() if one["state"] in ("page", "ticket") and one["route"]}
    assert firing
    told = warehouse.frame("queries/alerts/objectives", wanted=["page", "ticket"])
    routes = {
        (one["app_id"], one["environment"], one["objective"]): one["of_route"]
        for one in told.iter_rows(named=True)
    }
    teams = warehouse.frame_of("SELECT DISTINCT team FROM mart_slo_states_current").to_series().to_list()
    blamed = warehouse.frame("queries/oncall/suspects", teams=teams, bounds_ms=list(LADDER), row_limit=20)
    for key, one in firing.items():
        assert routes[key] == one["route"]
        at_fault = blamed.filter(
            (pl.col("app_id") == key[0]) & (pl.col("environment") == key[1]) & (pl.col("objective") == key[2])
        )["route"].unique()
        assert at_fault.len()
        assert all(one["route"] in (name, name.split(" ")[-1]) for name in at_fault)

    # What each day spent, of a route, without cold starts and of whole apps, is what its slices hold, and in all what is spent.
    for app in ("app-0", "app-1"):
        days = spent_by_day(warehouse, app)
        for one in (one for one in WANTED if one.app == app):
            for environment in ("production", "", "staging"):
                inside = [
                    line
                    for line in one.slices(rows, environment)
                    if MOMENT - timedelta(days=one.days) <= line.start < MOMENT and line.total
                ]
                allowed = (1 - Fraction(one.target)) * sum(line.total for line in inside)
                want: dict[Any, Fraction] = defaultdict(Fraction)
                for line in inside:
                    want[line.start.date()] += line.bad / allowed
                got_days = days.filter(environment=environment, objective=one.name)
                assert dict(got_days.select("day", "spent").iter_rows()) == pytest.approx(
                    {day: float(share) for day, share in want.items()}, abs=1e-9
                )
        sums = {
            (environment, name): spent
            for environment, name, spent in days.group_by("environment", "objective")
            .agg(pl.col("spent").sum())
            .iter_rows()
        }
        left = {
            (environment, name): 1 - one["budget_remaining"]
            for (of_app, environment, name), one in found.items()
            if of_app == app and one["total"]
        }
        assert sums == pytest.approx(left, abs=1e-9) and len(sums) > 5


def test_parts_are_judged_without_what_is_in_maintenance(
    warehouse: Warehouse, rows: Sequence[Started], root: Path
) -> None:
    """Routes, cold starts and samples of two apps in one environment, for hours that an hour's edge cuts."""
    wrote(root, {f"{one.name}.yaml": one.text() for one in WANTED})
    first, last = MOMENT - timedelta(days=4, minutes=33), MOMENT - timedelta(minutes=31)
    (root / "maintenance.yaml").write_text(
        "maintenance:\n  - {name: w, reason: r, apps: [app-0, app-1], environments: [production], "
        f"start: {first:%Y-%m-%dT%H:%MZ}, end: {last:%Y-%m-%dT%H:%MZ}}}\n",
        encoding="utf-8",
    )
    assert compute_maintenance(warehouse, settings_of(root), AS_OF, MOMENT).refused == ()
    compute_slo(warehouse, settings_of(root), AS_OF, MOMENT)
    found = published(warehouse)
    out = {
        first - timedelta(minutes=first.minute % 5) + timedelta(minutes=5) * number
        for number in range(12 * 96 + 1)
    }
    kept = [
        one
        for one in rows
        if one.environment != "production" or one.app_id == "app-2" or one.slice_start not in out
    ]
    assert len(kept) < len(rows) - 50
    for one in WANTED:
        for environment in ("production", "", "staging"):
            slices = one.slices(kept, environment)
            want = answer(
                slices,
                MOMENT,
                Decimal(one.target),
                one.days,
                production=environment != "staging",
                clustering=clustering(slices, MOMENT, 1 - Fraction(one.target)),
            )
            got = found[one.app, environment, one.name]
            assert (got["bad"], got["total"], got["state"]) == (want.bad, want.total, want.state), one
            inside = [
                line
                for line in kept
                if one.counts(line)
                and line.environment == environment
                and MOMENT - timedelta(days=one.days) <= line.slice_start < MOMENT
            ]
            cold = sum(line.requests for line in inside if line.is_cold_start)
            assert got["kept_out"] == (cold if one.without_cold_starts else 0)
            own = [line for line in inside if not (one.without_cold_starts and line.is_cold_start)]
            assert got["sampled"] == (sum(line.requests for line in own) if one.app == "app-1" else 0)
    days = spent_by_day(warehouse, "app-0").filter(environment="production")
    sums = dict(days.group_by("objective").agg(pl.col("spent").sum()).iter_rows())
    left = {
        name: 1 - one["budget_remaining"]
        for (app, environment, name), one in found.items()
        if app == "app-0" and environment == "production" and one["total"]
    }
    assert sums == pytest.approx(left, abs=1e-9)
