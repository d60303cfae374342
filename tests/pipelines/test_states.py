"""From published slices to published states, against loops over the same slices; what one app sends changes no other."""

from __future__ import annotations

import random
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from models import requests, slo
from models.maintenance import Maintenance
from models.policy import burn_windows, environments, request_slices, slo_defaults, state_policy
from models.settings import EnvironmentSettings, Settings
from pipelines.compute import AsOf, compute_slo
from pipelines.compute.publishing import insert
from sql.opening import open_warehouse
from sql.publish import WHOLE_TABLE, publish
from sql.warehouse import Warehouse
from tests.conftest import Migrated
from tests.models.slo_oracle import UNKNOWN, Answer, Slice, answer, clustering

AS_OF = AsOf(datetime(2026, 3, 1, tzinfo=UTC), date(2026, 2, 28))
LADDER = requests.ladder_ms(request_slices(), slo_defaults())
HALF_A_SECOND = LADDER.index(500)
OBJECTIVES = {"availability": ("server", "consumer"), "latency": ("server",)}
Key = tuple[str, str, str]
NOBODY = Maintenance.none().parameters(AS_OF.slice_end, AS_OF.slice_end)
"""Parameters where nobody is in maintenance."""


@dataclass(frozen=True)
class Row:
    """A line of ``core_request_slices``."""

    slice_start: datetime
    app_id: str
    environment: str
    version: str
    route: str
    kind: str
    requests: int
    errors: int
    timed: int
    within: tuple[int, ...]


def row(
    minutes_ago: int, app_id: str, kind: str, total: int, bad: int, slow: int, source: random.Random
) -> Row:
    timed = total - source.choice((0, 0, min(total, 1)))
    slow = min(slow, timed)
    fast = timed - slow
    within = tuple(
        min(timed, fast + place - HALF_A_SECOND) if place > HALF_A_SECOND else fast * (place == HALF_A_SECOND)
        for place in range(len(LADDER))
    )
    return Row(
        AS_OF.slice_end - timedelta(minutes=minutes_ago),
        app_id,
        source.choice(("production", "production", "", "staging")),
        source.choice(("1.0", "1.1")),
        source.choice(("GET /a", "GET /b", "")),
        kind,
        total,
        bad,
        timed,
        within,
    )


def drawn_rows(seed: int) -> list[Row]:
    """Slices of a few apps: thick around the edges of windows, outages at the end of some."""
    source = random.Random(seed)
    edges = [5, 15, 30, 60, 120, 360, 1440, 4320, 4380, 43_200]
    rows = []
    for number in range(14):
        app, error = f"app-{number}", source.choice((0.0, 0.002, 0.05))
        steps = {5 * source.randint(-3, 1200) for _ in range(source.choice((3, 40, 160)))}
        steps |= {edge + source.choice((-5, 0, 5)) for edge in source.sample(edges, 6)}
        outage = source.choice((0, 0, 25, 70))
        for minutes in sorted(steps | set(range(5, outage, 5))):
            for _ in range(source.choice((1, 1, 3))):
                total = source.choice((1, 2, 40))
                bad = total if minutes <= outage else sum(source.random() < error for _ in range(total))
                kind = source.choice(("server", "server", "server", "consumer", "health"))
                rows.append(row(minutes, app, kind, total, bad, source.choice((0, 0, bad, 1)), source))
    return rows


def with_hours(slices: Iterable[Slice]) -> list[Slice]:
    """Those of the days that are published with their hours."""
    return [one for one in slices if one.start.date().toordinal() % 2 == 0]


def insert_rows(warehouse: Warehouse, rows: Iterable[Row]) -> None:
    """Publishes the rows by day, every second day with its hours; beside each a batch nobody published, with other numbers."""
    days: dict[date, list[Row]] = defaultdict(list)
    for one in rows:
        days[one.slice_start.date()].append(one)
    written = []
    hours: list[dict[str, Any]] = []
    for day, own in days.items():
        current, current_hours = uuid.uuid4(), uuid.uuid4()
        has_hours = bool(with_hours([Slice(one.slice_start, 0, 0) for one in own]))
        stale = [replace(one, errors=one.requests, requests=one.requests + 7) for one in own]
        for batch, lines in ((current, own), (uuid.uuid4(), stale)):
            written += [{**vars(one), "within": list(one.within), "batch_id": str(batch)} for one in lines]
            of_hours = current_hours if batch == current else uuid.uuid4()
            hours += [{"days": [f"{day}"], "slices_batch_id": batch, "batch_id": of_hours}] * has_hours
        publish(
            warehouse,
            "slices",
            day,
            batches={
                "core_request_slices": current,
                **({"core_request_hours": current_hours} if has_hours else {}),
            },
            rows=len(own),
            sha256=str(current),
            version=AS_OF.slice_end,
        )
    counts = dict.fromkeys(("requests", "errors", "timed"), pl.UInt32)
    frame = pl.DataFrame(written).cast(
        {**counts, "within": pl.List(pl.UInt32), "slice_start": pl.Datetime("ms", "UTC")}
    )
    for (_,), part in frame.group_by(pl.col("slice_start").dt.month()):
        warehouse.insert("core_request_slices", part)
    for parameters in hours:
        warehouse.execute("statements/core_request_hours", **parameters)


def counted(rows: Iterable[Row]) -> dict[Key, list[Slice]]:
    """Slices of every objective, whatever version and route."""
    sums: dict[tuple[Key, datetime], list[int]] = defaultdict(lambda: [0, 0])
    for one in rows:
        for objective, kinds in OBJECTIVES.items():
            if one.kind in kinds:
                pair = sums[(one.app_id, one.environment, objective), one.slice_start]
                is_latency = objective == "latency"
                pair[0] += one.timed - one.within[HALF_A_SECOND] if is_latency else one.errors
                pair[1] += one.timed if is_latency else one.requests
    found: dict[Key, list[Slice]] = defaultdict(list)
    for (key, start), (bad, total) in sums.items():
        found[key].append(Slice(start, bad, total))
    return found


def published(warehouse: Warehouse) -> dict[Key, dict[str, Any]]:
    frame = warehouse.frame_of(
        "SELECT app_id, toString(environment) AS environment, toString(objective) AS objective, is_production, good,"
        " total, budget_remaining, is_spent, toString(state) AS state, toDateTime64(since, 6, 'UTC') AS since,"
        " toDateTime64(silent_since, 6, 'UTC') AS silent_since, toString(team) AS team, health_checks, health_errors, burn_rate_5m, burn_rate_1h, burn_rate_3d"
        " FROM mart_slo_status_current"
    )
    return {(one["app_id"], one["environment"], one["objective"]): one for one in frame.iter_rows(named=True)}


def settings_of(root: Path, production: tuple[str, ...] | None = None) -> Settings:
    return Settings(root=root, catalog=root, teams=root, environments=EnvironmentSettings(production))


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return drawn_rows(5)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, migrated: Migrated) -> Path:
    return migrated(tmp_path_factory.mktemp("states"))


@pytest.fixture(scope="module")
def warehouse(root: Path, rows: Sequence[Row]) -> Iterator[Warehouse]:
    with open_warehouse(root) as opened:
        insert_rows(opened, rows)
        compute_slo(opened, settings_of(root), AS_OF, AS_OF.slice_end)
        yield opened


@pytest.mark.parametrize("minutes_ago", [0, 35, 1_400, 4_325, 40_005])
def test_the_engine_counts_what_a_loop_counts(
    warehouse: Warehouse, rows: Sequence[Row], minutes_ago: int
) -> None:
    """At a moment, on the hour or within it: from hours and from slices, of days with hours and without."""
    moment = AS_OF.slice_end - timedelta(minutes=minutes_ago)
    edges = slo.boundaries(slo_defaults(), burn_windows(), moment)
    recent = moment - timedelta(days=3, hours=1)
    want: dict[tuple[str, str, str, datetime], list[Any]] = {}
    health: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for key, slices in counted(rows).items():
        for one in slices:
            if edges[0] <= one.start < moment and one.total:
                found = want.setdefault(
                    (*key, max(e for e in edges if e <= one.start)), [0, 0, 0, None, 0, 0]
                )
                found[0] += one.bad
                found[1] += one.total
                if one.start >= recent and Fraction(one.bad, one.total) > Fraction(1, 100):
                    found[2] += 1
                    found[3] = min(found[3] or one.start, one.start)
    for line in rows:
        if line.kind == "health" and edges[0] <= line.slice_start < moment:
            health[line.app_id, line.environment][0] += line.errors
            health[line.app_id, line.environment][1] += line.requests
    parameters = slo.bucket_parameters(slo_defaults(), burn_windows(), moment, LADDER)
    frame = warehouse.frame("queries/slo/buckets", **parameters, **NOBODY)
    got = {tuple(one[:4]): list(one[4:]) for one in frame.filter(pl.col("objective") != slo.HEALTH).rows()}
    assert got == want
    apart: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for app, environment, _, _, bad, total, *_ in frame.filter(pl.col("objective") == slo.HEALTH).rows():
        apart[app, environment][0] += bad
        apart[app, environment][1] += total
    assert apart == health


@pytest.mark.parametrize("minutes_ago", [0, 35, 1_400])
def test_who_may_not_fire_is_judged_the_same_without_the_boundaries_of_the_hold(
    warehouse: Warehouse, rows: Sequence[Row], minutes_ago: int
) -> None:
    moment = AS_OF.slice_end - timedelta(minutes=minutes_ago)
    ladder = requests.ladder_ms(request_slices(), slo_defaults())
    asked = partial(slo.bucket_parameters, slo_defaults(), burn_windows(), moment, ladder)
    whole, few = (
        warehouse.frame("queries/slo/buckets", **asked(hold=hold), **NOBODY) for hold in (True, False)
    )
    apps = slo.may_fire(few, burn_windows())
    assert apps == slo.may_fire(whole, burn_windows())
    others = pl.col("app_id").is_in(apps).not_()
    assert apps and not few.filter(others).is_empty()
    assert set(asked(hold=False)["edges"]) < set(asked()["edges"])
    again = warehouse.frame("queries/slo/buckets", **asked(apps=apps), **NOBODY)
    assert again.sort(again.columns).equals(whole.filter(~others).sort(whole.columns))
    answers = [
        slo.status(
            frame,
            slo_defaults(),
            burn_windows(),
            moment,
            [],
            environments=environments(),
            state_policy=state_policy(),
            silences=pl.DataFrame(schema=slo.SILENCES),
            age=timedelta(0),
        )
        for frame in (whole, pl.concat([few.filter(others), again]))
    ]
    assert answers[0].status.equals(answers[1].status)
    assert answers[0].burn.equals(answers[1].burn)


def test_health_checks_stand_beside_the_objectives(warehouse: Warehouse, rows: Sequence[Row]) -> None:
    begin = slo.boundaries(slo_defaults(), burn_windows(), AS_OF.slice_end)[0]
    health: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for line in rows:
        if line.kind == "health" and begin <= line.slice_start < AS_OF.slice_end:
            health[line.app_id, line.environment][0] += line.errors
            health[line.app_id, line.environment][1] += line.requests
    states = published(warehouse)
    for (app, environment), (bad, total) in health.items():
        if (app, environment, "availability") in states:
            line_ = states[app, environment, "availability"]
            assert (line_["health_errors"], line_["health_checks"]) == (bad, total)


def test_slices_of_another_ladder_are_counted(warehouse: Warehouse) -> None:
    parameters = slo.bucket_parameters(slo_defaults(), burn_windows(), AS_OF.slice_end, LADDER)
    frame = warehouse.frame("queries/slo/buckets", **{**parameters, **NOBODY, "bounds": len(LADDER) + 1})
    assert frame["other_ladders"].min() > 0


def assert_states(
    states: dict[Key, dict[str, Any]], rows: Iterable[Row], production: tuple[str, ...] = ("production", "")
) -> set[str]:
    seen = set()
    for key, slices in counted(rows).items():
        if not any(one.total for one in slices):
            continue
        is_production = key[1] in production
        found = states.get(key) or states[key[0], "", key[2]]
        want = answer(
            slices,
            AS_OF.slice_end,
            Decimal("0.99"),
            production=is_production,
            silent_since=found["silent_since"],
            clustering=clustering(with_hours(slices), AS_OF.slice_end, Fraction(1, 100)),
        )
        bad = found["total"] - found["good"]
        remaining = 1 - Fraction(bad, found["total"]) * 100 if found["total"] else None
        got = Answer(found["state"], found["since"], bad, found["total"], remaining, found["is_spent"])
        assert got == want, key
        assert found["is_production"] == is_production or not found["total"]
        seen.add(want.state)
        for name, length in (("5m", 5), ("1h", 60), ("3d", 4320)):
            begin = AS_OF.slice_end - timedelta(minutes=length)
            inside = [one for one in slices if begin <= one.start < AS_OF.slice_end]
            total = sum(one.total for one in inside)
            burn = sum(one.bad for one in inside) / total * 100 if total else None
            assert found[f"burn_rate_{name}"] == (None if burn is None else pytest.approx(burn, rel=1e-9))
    return seen


def test_published_states_equal_the_oracle(warehouse: Warehouse, rows: Sequence[Row]) -> None:
    assert assert_states(published(warehouse), rows) >= {"page", "ticket", "spent", "too_few"}


def test_published_budgets_and_clustering_equal_the_oracle(warehouse: Warehouse, rows: Sequence[Row]) -> None:
    frame = warehouse.frame_of(
        "SELECT app_id, toString(environment) AS environment, toString(objective) AS objective, events_left, minutes_spent,"
        " minutes_allowed, exhausts_at, requests_per_day, clustering, unseen FROM mart_slo_budgets_current"
    )
    found = {tuple(one[:3]): one[3:] for one in frame.rows()}
    measured = 0
    for key, slices in counted(rows).items():
        begin = AS_OF.slice_end - timedelta(days=30)
        inside = [one for one in slices if begin <= one.start < AS_OF.slice_end]
        bad, total = (sum(getattr(one, name) for one in inside) for name in ("bad", "total"))
        if not total:
            continue
        left, spent, allowed, exhausts_at, a_day, clusters, unseen = found[key]
        assert (left, spent) == pytest.approx((total / 100 - bad, bad / total * 43_200), rel=1e-9, abs=1e-9)
        assert (allowed, a_day) == pytest.approx((432, total / 30), rel=1e-9)
        if bad * 100 >= total:
            assert exhausts_at == AS_OF.slice_end.timestamp()
        assert ("pass unseen" in unseen or "no outage can" in unseen) == (a_day < 226)
        if clusters != UNKNOWN:
            want = clustering(with_hours(slices), AS_OF.slice_end, Fraction(1, 100))
            assert clusters == pytest.approx(float(want), rel=1e-9), key
            measured += 1
    assert measured > 5


def test_suspects_are_counted_by_version_and_route(warehouse: Warehouse, rows: Sequence[Row]) -> None:
    states = published(warehouse)
    want: dict[tuple[str, ...], list[int]] = defaultdict(lambda: [0, 0])
    newest: dict[tuple[str, ...], datetime] = {}
    for key, found in states.items():
        if found["state"] not in ("page", "ticket"):
            continue
        for one in rows:
            if (one.app_id, one.environment) != key[:2] or one.kind not in OBJECTIVES[key[2]]:
                continue
            if found["since"] <= one.slice_start < AS_OF.slice_end:
                is_latency = key[2] == "latency"
                pair = want[*key, one.version, one.route]
                bad = one.timed - one.within[HALF_A_SECOND] if is_latency else one.errors
                pair[0] += bad
                if bad:
                    newest[*key, one.version, one.route] = max(
                        one.slice_start, newest.get((*key, one.version, one.route), one.slice_start)
                    )
                pair[1] += one.timed if is_latency else one.requests
    frame = warehouse.frame(
        "queries/oncall/suspects", teams=["unassigned"], bounds_ms=list(LADDER), row_limit=9
    )
    lines = [(*key, *pair, newest[key]) for key, pair in want.items() if pair[0]]
    assert frame.rows() == sorted(lines, key=lambda one: (*one[:3], -one[5], one[6], *one[3:5]))
    first = warehouse.frame(
        "queries/oncall/suspects", teams=["unassigned"], bounds_ms=list(LADDER), row_limit=1
    )
    most = {tuple(one[:3]): one[5] for one in first.rows()}
    assert most == {key: max(pair[0] for other, pair in want.items() if other[:3] == key) for key in most}
    assert warehouse.frame(
        "queries/oncall/suspects", teams=["other"], bounds_ms=list(LADDER), row_limit=9
    ).is_empty()


def test_a_workspace_names_its_own_production(warehouse: Warehouse, root: Path, rows: Sequence[Row]) -> None:
    own = settings_of(root, (" Staging ",))
    assert compute_slo(warehouse, own, AS_OF, AS_OF.slice_end).releases
    assert_states(published(warehouse), rows, production=("staging", ""))
    assert compute_slo(warehouse, settings_of(root), AS_OF, AS_OF.slice_end).releases


def test_old_data_is_stale_and_an_unchanged_answer_is_not_published_again(
    warehouse: Warehouse, root: Path, rows: Sequence[Row]
) -> None:
    settings = settings_of(root)
    soon, late = AS_OF.slice_end + timedelta(hours=36), AS_OF.slice_end + timedelta(hours=37)
    assert not compute_slo(warehouse, settings, AS_OF, soon).releases
    assert compute_slo(warehouse, settings, AS_OF, late).releases
    assert {one["state"] for one in published(warehouse).values()} <= {"stale", "no_data"}
    assert not compute_slo(warehouse, settings, AS_OF, late + timedelta(days=9)).releases
    assert compute_slo(warehouse, settings, AS_OF, soon).releases


def test_no_sender_changes_the_state_of_another_app(
    warehouse: Warehouse, root: Path, rows: Sequence[Row]
) -> None:
    """Whatever an app sends: other names in other cases, the future, floods, thousands of routes and versions."""
    before = published(warehouse)
    source = random.Random(11)
    wild = [
        row(minutes, app, source.choice(("server", "consumer", "health")), total, total, total, source)
        for app in ("flood", "APP-1", "app-1 ", "")
        for minutes in (-60 * 24 * 300, -5, 0, 5, 10, 60, 4320, 43_200, 60 * 24 * 90)
        for total in (1, 10**9)
    ]
    wild += [
        replace(
            wild[0],
            app_id="flood",
            version=str(number),
            route=f"GET /{number}",
            slice_start=AS_OF.slice_end - timedelta(minutes=10),
        )
        for number in range(2_000)
    ]
    insert_rows(warehouse, [*rows, *wild])
    compute_slo(warehouse, settings_of(root), AS_OF, AS_OF.slice_end)
    after = published(warehouse)
    assert {key: after[key] for key in before} == before
    assert after["flood", "production", "availability"]["state"] in ("page", "ticket")


def test_only_an_app_the_catalogue_calls_deprecated_may_stop_unsaid(
    fresh_warehouse: Warehouse, tmp_path: Path
) -> None:
    """Twenty requests every hour of two weeks, and none for a day; of another app they go on, so that somebody is heard."""
    lifecycles = ("deprecated", "production", "experimental", "")
    batch = uuid.uuid4()
    apps = pl.DataFrame({"app_id": lifecycles, "lifecycle": lifecycles}).with_columns(
        app_id=pl.concat_str(pl.lit("app "), "app_id")
    )
    insert(fresh_warehouse, "core_apps", apps, batch)
    publish(
        fresh_warehouse,
        "registry",
        WHOLE_TABLE,
        batches={"core_apps": batch},
        rows=len(lifecycles),
        sha256="apps",
        version=AS_OF.slice_end,
    )
    hourly = row(0, "", "server", 20, 0, 0, random.Random(1))
    insert_rows(
        fresh_warehouse,
        [
            replace(
                hourly,
                app_id=app_id,
                environment="production",
                slice_start=AS_OF.slice_end - timedelta(hours=hours),
            )
            for app_id in (*apps["app_id"], "steady")
            for hours in range(1 if app_id == "steady" else 25, 15 * 24)
        ],
    )
    compute_slo(fresh_warehouse, settings_of(tmp_path), AS_OF, AS_OF.slice_end)
    silent = fresh_warehouse.frame_of("SELECT app_id FROM mart_app_silences_current ORDER BY app_id")
    assert silent["app_id"].to_list() == ["app ", "app experimental", "app production"]
