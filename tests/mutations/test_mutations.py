"""Whatever is done to an input, it ends exact or not silent: a wrong figure never stands alone.

Many seeds are sources of one workspace. ``APPFLEET_MUTATION_SEEDS`` names others, as ``FIRST:COUNT``.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from models.settings import BillingSource, Settings, TelemetrySource
from pipelines.ingest import billing, telemetry
from sql.local_warehouse.process import open_warehouse
from sql.warehouse import Warehouse
from tests.conftest import Migrated
from tests.mutations import bills as bill_mutations
from tests.mutations import telemetry as telemetry_mutations
from tests.mutations.bills import mutated_bill
from tests.mutations.telemetry import mutated_telemetry

QUICK = 30
"""Seeds of bills, and as many of telemetry, in the suite; the rest is slow."""
MANY = 1000
FILES_WRITTEN = datetime(2026, 1, 2, 12, tzinfo=UTC)


@dataclass
class Workspace:
    """A workspace whose sources are seeds."""

    warehouse: Warehouse
    settings: Settings
    told: dict[str, list[str]] = field(default_factory=dict)

    def put(self, source: str, files: Sequence[Any], scan: int) -> Path:
        """Makes the folder of a source hold these files and nothing else."""
        folder = self.settings.root / "sources" / source
        for old in sorted(folder.rglob("*"), reverse=True):
            if old.is_file():
                old.unlink()
        for one in files:
            path = folder / one.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(one.content)
            written = FILES_WRITTEN.timestamp() + 60 * scan - getattr(one, "age_seconds", 0)
            os.utime(path, (written, written))
        return folder

    def lines_of_the_ledger(self, source: str) -> list[str]:
        """Whatever the tables say about a source that is not plain success."""
        return [
            f"{row['place']}: {row['words']}"
            for row in self.warehouse.frame_of(
                """
                SELECT * FROM (
                SELECT 'delivery' AS place, concat(toString(state), ' ', reason) AS words
                FROM raw_deliveries WHERE source_name = {source:String} AND (reason != '' OR state != 'loaded')
                UNION ALL
                SELECT 'reject' AS place, concat(reason, ' ', detail) AS words FROM raw_rejects WHERE source_name = {source:String}
                UNION ALL
                SELECT 'repair' AS place, concat(subject, ' ', reason) AS words FROM raw_repairs WHERE source_name = {source:String}
                ) ORDER BY place, words
                """,
                source=source,
            ).iter_rows(named=True)
        ]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, migrated: Migrated) -> Iterator[Workspace]:
    """An empty workspace, its warehouse open."""
    root = migrated(tmp_path_factory.mktemp("mutations"))
    settings = Settings(root=root, catalog=root / "catalog", teams=root / "teams.yaml")
    with open_warehouse(root) as warehouse:
        yield Workspace(warehouse, settings)


def seeds(count: int, first: int = 0) -> range:
    """The seeds to run: those of the environment, else ``count`` from ``first`` on."""
    named = os.environ.get("APPFLEET_MUTATION_SEEDS")
    if named:
        start, _, number = named.partition(":")
        return range(int(start), int(start) + int(number or 1))
    return range(first, first + count)


def bills_that_end_badly(workspace: Workspace, chosen: Sequence[int]) -> list[str]:
    """Sentences on seeds whose bill ended neither exact nor said."""
    bad = []
    bills = {f"bill{seed}": mutated_bill(seed) for seed in chosen}
    said: dict[str, list[str]] = {}
    for scan in range(max(len(one.deliveries) for one in bills.values())):
        there = {source: one for source, one in bills.items() if scan < len(one.deliveries)}
        for source, one in there.items():
            before = Counter(workspace.lines_of_the_ledger(source))
            folder = workspace.put(source, one.deliveries[scan].files, scan)
            outcome = billing.ingest_source(
                workspace.warehouse,
                workspace.settings,
                BillingSource(name=source, format="focus", location=str(folder), **one.settings),  # type: ignore[arg-type]
            )
            after = Counter(workspace.lines_of_the_ledger(source))
            said[source] = [str(refusal) for refusal in outcome.refusals] + list((after - before).elements())
        for source, one in there.items():
            sums, quantity = published_sums(workspace.warehouse, source)
            delivery = one.deliveries[scan]
            wrong = _difference(delivery, sums, quantity)
            problem = _problem(wrong, said[source], delivery.must_be_exact, delivery.must_be_told)
            if problem:
                bad.append(f"seed {one.seed} {one.kinds} scan {scan}: {problem}; said {said[source][:4]}")
    return bad


def _problem(wrong: str, said: Sequence[str], must_be_exact: bool, must_be_told: bool) -> str:
    if must_be_exact and wrong:
        return f"nothing is wrong with it, yet {wrong}"
    if wrong and not said:
        return f"silent: {wrong}"
    if must_be_told and not said:
        return "nothing was said"
    return ""


def published_sums(
    warehouse: Warehouse, source: str
) -> tuple[dict[bill_mutations.Key, tuple[Decimal, Decimal]], Decimal]:
    """Billed and effective by month, currency and app tag, and the quantity, summed here from the rows readers see."""
    rows = warehouse.frame_of(
        """
        SELECT x_BillingPeriod AS period, toString(BillingCurrency) AS currency, Tags['app_id'] AS app,
            BilledCost AS billed, EffectiveCost AS effective, toString(ConsumedQuantity) AS quantity
        FROM raw_focus_costs_published WHERE x_SourceName = {source:String}
        """,
        source=source,
    )
    sums: dict[tuple[date, str, str], tuple[Decimal, Decimal]] = {}
    quantity = Decimal(0)
    for row in rows.iter_rows(named=True):
        key = (row["period"], row["currency"], row["app"])
        billed, effective = sums.get(key, (Decimal(0), Decimal(0)))
        sums[key] = (billed + row["billed"], effective + row["effective"])
        quantity += Decimal(row["quantity"] or 0)
    return sums, quantity


def _difference(
    delivery: bill_mutations.Delivery,
    sums: Mapping[bill_mutations.Key, tuple[Decimal, Decimal]],
    quantity: Decimal,
) -> str:
    nothing = (Decimal(0), Decimal(0))
    for key in sorted({*delivery.truth, *sums}):
        want, got = delivery.truth.get(key, nothing), sums.get(key, nothing)
        if want != got:
            return f"{key} is {got[0]}/{got[1]}, not {want[0]}/{want[1]}"
    return "" if quantity == delivery.quantity else f"quantity is {quantity}, not {delivery.quantity}"


def telemetry_that_ends_badly(workspace: Workspace, chosen: Sequence[int]) -> list[str]:
    """Sentences on seeds whose telemetry ended neither exact nor said, or whose innocent senders lost anything."""
    bad = []
    sent = {f"spans{seed}": mutated_telemetry(seed) for seed in chosen}
    said: dict[str, list[str]] = {}
    for scan in range(max(len(one.deliveries) for one in sent.values())):
        there = {source: one for source, one in sent.items() if scan < len(one.deliveries)}
        for source, one in there.items():
            before = Counter(workspace.lines_of_the_ledger(source))
            folder = workspace.put(source, one.deliveries[scan].files, scan)
            outcome = telemetry.ingest_source(
                workspace.warehouse,
                workspace.settings,
                TelemetrySource(name=source, format="otlp", location=str(folder)),
            )
            after = Counter(workspace.lines_of_the_ledger(source))
            said[source] = [str(refusal) for refusal in (*outcome.refusals, *outcome.set_aside)]
            said[source] += list((after - before).elements())
        found = counted_spans(workspace.warehouse)
        for source, one in there.items():
            delivery = one.deliveries[scan]
            wrong = [
                f"{app} has {found.get(app, (0, 0))}, not {want}"
                for app, want in delivery.truth.items()
                if found.get(app, (0, 0)) != want
            ]
            harmed = [text for text in wrong if text.split(" ")[0] in delivery.innocent]
            problem = (
                f"innocent senders were harmed: {harmed[0]}"
                if harmed
                else _problem(wrong[0] if wrong else "", said[source], False, delivery.must_be_told)
            )
            if problem:
                bad.append(f"seed {one.seed} {one.kinds} scan {scan}: {problem}; said {said[source][:4]}")
    return bad


def counted_spans(warehouse: Warehouse) -> dict[str, tuple[int, int]]:
    """Spans and errors by app as readers count them."""
    frame = warehouse.frame_of(
        "SELECT toString(app_id) AS app, count() AS spans, countIf(StatusCode = 'Error') AS errors"
        " FROM otel.otel_traces_current GROUP BY app"
    )
    return {row["app"]: (row["spans"], row["errors"]) for row in frame.iter_rows(named=True)}


def test_a_mutated_bill_ends_exact_or_not_silent(workspace: Workspace) -> None:
    assert bills_that_end_badly(workspace, seeds(QUICK)) == []


def test_mutated_telemetry_ends_exact_or_not_silent(workspace: Workspace) -> None:
    assert telemetry_that_ends_badly(workspace, seeds(QUICK)) == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_thousand_mutated_bills(workspace: Workspace) -> None:
    assert bills_that_end_badly(workspace, seeds(MANY, QUICK)) == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_thousand_mutated_senders(workspace: Workspace) -> None:
    assert telemetry_that_ends_badly(workspace, seeds(MANY, QUICK)) == []


@pytest.mark.parametrize(
    ("kinds", "drawn"),
    [
        (bill_mutations.FAULTS, lambda seed: mutated_bill(seed).kinds[0]),
        (telemetry_mutations.FAULTS, lambda seed: mutated_telemetry(seed).kinds[0]),
    ],
    ids=["bills", "telemetry"],
)
def test_every_kind_is_drawn(kinds: Sequence[tuple[str, int, Any]], drawn: Any) -> None:
    assert {drawn(seed) for seed in range(200)} == {name for name, _, _ in kinds}
