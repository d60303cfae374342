"""Whatever is done to an input, it ends exact or not silent: a wrong figure never stands alone.

Many seeds are sources of one workspace. ``APPFLEET_MUTATION_SEEDS`` names others, as ``FIRST:COUNT``.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from models.settings import BillingSource, Settings, TelemetrySource
from pipelines.ingest import billing, telemetry
from sql.opening import open_warehouse
from sql.warehouse import Warehouse
from tests.conftest import Migrated
from tests.mutations import bills as bill_mutations
from tests.mutations import telemetry as telemetry_mutations
from tests.mutations.bills import MutatedBill, mutated_bill
from tests.mutations.telemetry import MutatedTelemetry, mutated_telemetry

BILLS, SENDERS = 10, 8
"""Seeds in the suite, each of another kind of fault, out of the first ``DRAWN``; the rest of ``MANY`` of each is slow."""
DRAWN, MANY = 200, 1000
FILES_WRITTEN = datetime(2026, 1, 2, 12, tzinfo=UTC)


@dataclass
class Workspace:
    """A workspace whose sources are seeds."""

    warehouse: Warehouse
    settings: Settings

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

    def lines_of_the_ledger(self) -> dict[str, Counter[str]]:
        """Whatever the tables say about a source that is not plain success, by source."""
        lines: dict[str, Counter[str]] = defaultdict(Counter)
        for row in self.warehouse.frame_of(
            """
            SELECT source_name, 'delivery' AS place, concat(toString(state), ' ', reason) AS words
            FROM raw_deliveries WHERE reason != '' OR state != 'loaded'
            UNION ALL
            SELECT source_name, 'reject' AS place, concat(reason, ' ', detail) AS words FROM raw_rejects
            UNION ALL
            SELECT source_name, 'repair' AS place, concat(subject, ' ', reason) AS words FROM raw_repairs
            """
        ).iter_rows(named=True):
            lines[row["source_name"]][f"{row['place']}: {row['words']}"] += 1
        return lines


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, migrated: Migrated) -> Iterator[Workspace]:
    """An empty workspace, its warehouse open."""
    root = migrated(tmp_path_factory.mktemp("mutations"))
    settings = Settings(root=root, catalog=root / "catalog", teams=root / "teams.yaml")
    with open_warehouse(root) as warehouse:
        yield Workspace(warehouse, settings)


@cache
def quick(draw: Callable[[int], MutatedBill | MutatedTelemetry], count: int) -> Sequence[int]:
    """As many seeds: the first one of every kind of fault before a second one, so that few are of all kinds."""
    drawn: Counter[str] = Counter()
    turns = []
    for seed in range(DRAWN):
        kind = draw(seed).kinds[0]
        turns.append((drawn[kind], seed))
        drawn[kind] += 1
    return [seed for _, seed in sorted(turns)][:count]


def seeds(usual: Sequence[int]) -> Sequence[int]:
    """The seeds to run: those of the environment, else the usual ones."""
    named = os.environ.get("APPFLEET_MUTATION_SEEDS")
    if named:
        start, _, number = named.partition(":")
        return range(int(start), int(start) + int(number or 1))
    return usual


def bills_that_end_badly(workspace: Workspace, chosen: Sequence[int]) -> list[str]:
    """Sentences on seeds whose bill ended neither exact nor said."""
    bad = []
    bills = {f"bill{seed}": mutated_bill(seed) for seed in chosen}
    said: dict[str, list[str]] = {}
    for scan in range(max(len(one.deliveries) for one in bills.values())):
        there = {source: one for source, one in bills.items() if scan < len(one.deliveries)}
        before = workspace.lines_of_the_ledger()
        for source, one in there.items():
            folder = workspace.put(source, one.deliveries[scan].files, scan)
            outcome = billing.ingest_source(
                workspace.warehouse,
                workspace.settings,
                BillingSource(name=source, format="focus", location=str(folder), **one.settings),  # type: ignore[arg-type]
            )
            said[source] = [str(refusal) for refusal in outcome.refusals]
        after = workspace.lines_of_the_ledger()
        published = published_sums(workspace.warehouse)
        for source, one in there.items():
            said[source] += sorted((after[source] - before[source]).elements())
            delivery = one.deliveries[scan]
            wrong = _difference(delivery, published.get(source, Sums()))
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


@dataclass
class Sums:
    """Billed and effective by month, currency and app tag, and the quantity."""

    money: dict[bill_mutations.Key, tuple[Decimal, Decimal]] = field(default_factory=dict)
    quantity: Decimal = Decimal(0)


def published_sums(warehouse: Warehouse) -> dict[str, Sums]:
    """The sums of every source, summed here from the rows readers see."""
    rows = warehouse.frame_of(
        """
        SELECT x_SourceName AS source, x_BillingPeriod AS period, toString(BillingCurrency) AS currency, Tags['app_id'] AS app,
            BilledCost AS billed, EffectiveCost AS effective, toString(ConsumedQuantity) AS quantity
        FROM raw_focus_costs_published
        """
    )
    found: dict[str, Sums] = defaultdict(Sums)
    for row in rows.iter_rows(named=True):
        sums = found[row["source"]]
        key = (row["period"], row["currency"], row["app"])
        billed, effective = sums.money.get(key, (Decimal(0), Decimal(0)))
        sums.money[key] = (billed + row["billed"], effective + row["effective"])
        sums.quantity += Decimal(row["quantity"] or 0)
    return found


def _difference(delivery: bill_mutations.Delivery, sums: Sums) -> str:
    nothing = (Decimal(0), Decimal(0))
    for key in sorted({*delivery.truth, *sums.money}):
        want, got = delivery.truth.get(key, nothing), sums.money.get(key, nothing)
        if want != got:
            return f"{key} is {got[0]}/{got[1]}, not {want[0]}/{want[1]}"
    return (
        "" if sums.quantity == delivery.quantity else f"quantity is {sums.quantity}, not {delivery.quantity}"
    )


def telemetry_that_ends_badly(workspace: Workspace, chosen: Sequence[int]) -> list[str]:
    """Sentences on seeds whose telemetry ended neither exact nor said, or whose innocent senders lost anything."""
    bad = []
    sent = {f"spans{seed}": mutated_telemetry(seed) for seed in chosen}
    said: dict[str, list[str]] = {}
    for scan in range(max(len(one.deliveries) for one in sent.values())):
        there = {source: one for source, one in sent.items() if scan < len(one.deliveries)}
        before = workspace.lines_of_the_ledger()
        for source, one in there.items():
            folder = workspace.put(source, one.deliveries[scan].files, scan)
            outcome = telemetry.ingest_source(
                workspace.warehouse,
                workspace.settings,
                TelemetrySource(name=source, format="otlp", location=str(folder)),
            )
            said[source] = [str(refusal) for refusal in (*outcome.refusals, *outcome.set_aside)]
        after = workspace.lines_of_the_ledger()
        found = counted_spans(workspace.warehouse)
        for source, one in there.items():
            said[source] += sorted((after[source] - before[source]).elements())
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
    assert bills_that_end_badly(workspace, seeds(quick(mutated_bill, BILLS))) == []


def test_mutated_telemetry_ends_exact_or_not_silent(workspace: Workspace) -> None:
    assert telemetry_that_ends_badly(workspace, seeds(quick(mutated_telemetry, SENDERS))) == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_thousand_mutated_bills(workspace: Workspace) -> None:
    others = [seed for seed in range(MANY) if seed not in quick(mutated_bill, BILLS)]
    assert bills_that_end_badly(workspace, seeds(others)) == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_thousand_mutated_senders(workspace: Workspace) -> None:
    others = [seed for seed in range(MANY) if seed not in quick(mutated_telemetry, SENDERS)]
    assert telemetry_that_ends_badly(workspace, seeds(others)) == []


def test_every_kind_is_drawn() -> None:
    bills = {mutated_bill(seed).kinds[0] for seed in quick(mutated_bill, len(bill_mutations.FAULTS))}
    assert bills == {name for name, _, _ in bill_mutations.FAULTS}
    sent = {
        mutated_telemetry(seed).kinds[0] for seed in quick(mutated_telemetry, len(telemetry_mutations.FAULTS))
    }
    assert sent == {name for name, _, _ in telemetry_mutations.FAULTS}
