"""What is current: the same inputs by the same policies, columns, SQL and code, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from models.settings import EnvironmentSettings, Settings
from pipelines.compute import (
    AsOf,
    anomalies,
    compute_costs,
    compute_unit_costs,
    marts,
    publishing,
    rules,
    slo,
)
from pipelines.compute.publishing import Outcome
from sql.publish import WHOLE_TABLE, new_batch_id, publish
from sql.warehouse import Warehouse

JANUARY, FEBRUARY, MAY = date(2026, 1, 1), date(2026, 2, 1), date(2026, 5, 1)
AS_OF = AsOf(datetime(2026, 3, 1, tzinfo=UTC), date(2026, 2, 28))


class Published:
    """Releases that say something else each time, though their rows stay the same."""

    TABLES: Mapping[str, str] = {
        "billing/aws": "raw_focus_costs",
        "identities": "core_identities",
        "registry": "core_apps",
        "costs": "core_app_costs_daily",
        "slices": "core_request_slices",
        "slo": "mart_slo_status",
    }

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self.january_charged_in_february = new_batch_id()
        row = {"billing_period": FEBRUARY, "usage_date": JANUARY, "app_id": "a", "effective_cost": Decimal(1)}
        frame = pl.DataFrame([row], schema_overrides={"effective_cost": pl.Decimal(38, 18)})
        publishing.insert(warehouse, "core_app_costs_daily", frame, self.january_charged_in_february)

    def again(self, scope: str, period: date = WHOLE_TABLE) -> None:
        batch = self.january_charged_in_february if scope == "costs" else new_batch_id()
        publish(
            self._warehouse,
            scope,
            period,
            batches={self.TABLES[scope]: batch},
            rows=1,
            sha256=str(new_batch_id()),
            version=AS_OF.slice_end,
        )


@pytest.fixture
def published(fresh_warehouse: Warehouse) -> Published:
    fresh_warehouse.execute_text("TRUNCATE TABLE period_head")
    found = Published(fresh_warehouse)
    for scope in ("identities", "registry", "slo"):
        found.again(scope)
    found.again("costs", FEBRUARY)
    found.again("slices", date(2026, 1, 15))
    found.again("slices", date(2026, 2, 15))
    return found


def names_an_owner(warehouse: Warehouse) -> None:
    """A bill of May gives the app of January's charge a team."""
    batch = new_batch_id()
    row = {"billing_period": MAY, "usage_date": MAY, "app_id": "a", "team": "payments"}
    publishing.insert(warehouse, "core_app_costs_daily", pl.DataFrame([row]), batch)
    tables = {"core_app_costs_daily": batch}
    publish(warehouse, "costs", MAY, batches=tables, rows=1, sha256="may", version=AS_OF.slice_end)


def periods(outcome: Outcome, known: int = 1) -> list[date]:
    """What was published, of so many that are known: the rest was current."""
    found = [one.period for one in outcome.releases]
    assert outcome.unchanged == known - len(found)
    return found


def test_cost_of_a_month_is_that_of_its_bill_identities_and_registry(
    fresh_warehouse: Warehouse, published: Published, tmp_path: Path
) -> None:
    settings = Settings(tmp_path, tmp_path, tmp_path)
    published.again("billing/aws", MAY)
    assert periods(compute_costs(fresh_warehouse, settings)) == [MAY]
    for scope, period in (("billing/aws", MAY), ("identities", WHOLE_TABLE), ("registry", WHOLE_TABLE)):
        assert periods(compute_costs(fresh_warehouse, settings)) == []
        published.again(scope, period)
        assert periods(compute_costs(fresh_warehouse, settings)) == [MAY], scope


def test_cost_of_a_month_is_as_new_as_its_newest_bill(
    fresh_warehouse: Warehouse, published: Published, tmp_path: Path
) -> None:
    for number, source in enumerate(("aws", "azure", "gcp")):
        version = AS_OF.slice_end + timedelta(days=(1, 3, 2)[number])
        batches = {"raw_focus_costs": new_batch_id()}
        publish(
            fresh_warehouse, f"billing/{source}", MAY, batches=batches, rows=0, sha256=source, version=version
        )
    (release,) = compute_costs(fresh_warehouse, Settings(tmp_path, tmp_path, tmp_path)).releases
    assert release.version == AS_OF.slice_end + timedelta(days=3)


def test_unit_costs_of_a_month_are_those_of_its_usage_whichever_month_charged_it(
    fresh_warehouse: Warehouse, published: Published, tmp_path: Path
) -> None:
    settings = Settings(tmp_path, tmp_path, tmp_path)
    assert periods(compute_unit_costs(fresh_warehouse, settings), 2) == [JANUARY, FEBRUARY]
    for scope, period, stale in (
        ("costs", FEBRUARY, [JANUARY]),
        ("slices", date(2026, 1, 15), [JANUARY]),
        ("slices", date(2026, 2, 15), [FEBRUARY]),
        ("registry", WHOLE_TABLE, [JANUARY, FEBRUARY]),
    ):
        assert periods(compute_unit_costs(fresh_warehouse, settings), 2) == []
        published.again(scope, period)
        assert periods(compute_unit_costs(fresh_warehouse, settings), 2) == stale, scope
    names_an_owner(fresh_warehouse)
    assert periods(compute_unit_costs(fresh_warehouse, settings), 3) == [JANUARY, FEBRUARY, MAY]
    assert periods(compute_unit_costs(fresh_warehouse, settings), 3) == []


def test_answers_of_a_moment_are_those_of_all_they_are_made_of(
    fresh_warehouse: Warehouse, published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every release that is read, the moment's own parts, and what a workspace calls production."""
    prints: list[str] = []
    for module in (anomalies, slo, marts):
        monkeypatch.setattr(module, "is_current", lambda warehouse, scope, print_: not prints.append(print_))
    settings, clock, day = Settings(tmp_path, tmp_path, tmp_path), AS_OF.slice_end, timedelta(days=1)
    now = settings, AS_OF, clock
    asked = {
        "next cost day": (settings, replace(AS_OF, cost_day=AS_OF.cost_day + day), clock),
        "next slice": (settings, replace(AS_OF, slice_end=AS_OF.slice_end + timedelta(minutes=5)), clock),
        "production": (replace(settings, environments=EnvironmentSettings(("live",))), AS_OF, clock),
        "old": (settings, AS_OF, clock + 30 * day),
    }
    places = {"costs": FEBRUARY, "slices": date(2026, 2, 15)}
    made: Mapping[str, tuple[Callable[[Settings, AsOf, datetime], Outcome], set[str]]] = {
        "anomalies": (
            lambda said, as_of, _: anomalies.compute_anomalies(fresh_warehouse, said, as_of),
            {"costs", "next cost day"},
        ),
        "slo": (
            lambda said, as_of, moment: slo.compute_slo(fresh_warehouse, said, as_of, moment),
            {"slices", "registry", "identities", "next cost day", "next slice", "production", "old"},
        ),
        "marts": (
            lambda said, as_of, _: marts.compute_marts(fresh_warehouse, said, as_of),
            {"costs", "slices", "registry", "slo", "next cost day", "next slice"},
        ),
    }
    for name, (compute, parts) in made.items():
        for part in sorted(parts):
            prints.clear()
            compute(*now)
            compute(*now)
            if part not in asked:
                published.again(part, places.get(part, WHOLE_TABLE))
            compute(*asked.get(part, now))
            assert prints[0] == prints[1] != prints[2], (name, part)
    prints.clear()
    slo.compute_slo(fresh_warehouse, *now)
    names_an_owner(fresh_warehouse)
    slo.compute_slo(fresh_warehouse, *now)
    assert prints[0] != prints[1]


def test_answers_of_a_moment_are_published_once_and_again_when_the_moment_moves(
    fresh_warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(tmp_path, tmp_path, tmp_path)
    later = replace(AS_OF, cost_day=AS_OF.cost_day + timedelta(days=1))
    for module, compute in (
        (anomalies, lambda as_of: anomalies.compute_anomalies(fresh_warehouse, settings, as_of)),
        (slo, lambda as_of: slo.compute_slo(fresh_warehouse, settings, as_of, AS_OF.slice_end)),
        (marts, lambda as_of: marts.compute_marts(fresh_warehouse, settings, as_of)),
    ):
        assert (len(compute(AS_OF).releases), len(compute(later).releases)) == (1, 1), module.__name__
        with monkeypatch.context() as patched:
            patched.delattr(module, "publish_frames")  # nothing is computed that stands already
            again = compute(later)
        assert (len(again.releases), again.unchanged) == (0, 1), module.__name__


def test_what_is_published_and_what_was_current_is_counted_apart(
    fresh_warehouse: Warehouse, published: Published, tmp_path: Path
) -> None:
    settings, frame = Settings(tmp_path, tmp_path, tmp_path), pl.DataFrame({"team": ["a", "b"]})
    first, second = (
        publishing.publish_frames(
            fresh_warehouse, settings, "registry", {"core_teams": frame}, "print", AS_OF
        )
        for _ in range(2)
    )
    assert (len(first.releases), first.rows, first.unchanged) == (1, 2, 0)
    assert (len(second.releases), second.rows, second.unchanged) == (0, 0, 1)
    timeless = publishing.publish_frames(
        fresh_warehouse,
        settings,
        "registry",
        {"core_teams": frame, "core_apps": frame.clear()},
        "other",
        None,
    )
    assert [one.version for one in (*first.releases, *timeless.releases)] == [
        AS_OF.slice_end,
        datetime(1970, 1, 1, tzinfo=UTC),
    ]
    assert (timeless.rows, Outcome((*first.releases, *timeless.releases)).rows) == (2, 4)


def test_other_inputs_or_rules_are_not_current(monkeypatch: pytest.MonkeyPatch) -> None:
    current = publishing.fingerprint("a", 1)
    assert publishing.fingerprint("a", 1) == current
    assert publishing.fingerprint("a", 2) != current
    assert publishing.fingerprint({"a": 1, "b": 2}) == publishing.fingerprint({"b": 2, "a": 1})
    monkeypatch.setattr(publishing, "rules_sha256", lambda: "other rules")
    assert publishing.fingerprint("a", 1) != current


def test_whatever_decides_an_answer_is_part_of_the_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy number, a column, a filter in a statement, a migration, a line of a model: each makes old answers stale."""
    rules_of = rules.rules_sha256.__wrapped__
    current = rules_of()
    assert rules_of() == current

    def changed(name: str, patch: object) -> bool:
        with monkeypatch.context() as patched:
            patched.setattr(rules, name, patch)
            return bool(rules_of() != current)

    assert changed("policy_sha256", lambda: "other numbers")
    lines = rules.SCHEMAS["mart_chargeback_lines"]
    wider = {**rules.SCHEMAS, "mart_chargeback_lines": {**lines, "gl_account": lines["team"]}}
    assert changed("SCHEMAS", wider)
    read = rules.statement
    for name, counts in (
        ("statements/core_app_costs_daily", True),
        ("queries/chargeback/costs", True),
        ("migrations/0004_core_and_marts", True),
        ("queries/finance/lines", False),
    ):
        other = lambda one, name=name: read(one) + (" AND 1" if one == name else "")  # noqa: E731
        assert changed("statement", other) is counts, name
    modules = rules._modules
    for module, counts in (
        ("models.chargeback.py", True),
        ("pipelines.compute.costs.py", True),
        ("no.py", False),
    ):

        def more(folder, prefix, module=module, line="\nX = 1"):  # type: ignore[no-untyped-def]
            return [(one, text + (line if one == module else "")) for one, text in modules(folder, prefix)]

        assert changed("_modules", more) is counts, module
