"""What each step of a pass does, and what it says it did: one function per step over an open warehouse.

The same for the command line, which calls them in their order, and for Dagster's assets, which call one each. Sources
are looped inside, so one that is broken does not stop the others. Nothing is computed, printed or recorded here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

import polars as pl

from models.settings import Settings
from pipelines import compute
from pipelines.compute import AsOf, Outcome
from pipelines.ingest import billing, telemetry
from pipelines.ingest.sources import refuse_shared_objects
from pipelines.steps import STEPS
from sql.publish import Release, heads
from sql.warehouse import Warehouse


@dataclass(frozen=True)
class Ask:
    """What a step is asked for: ``as_of`` None is as far as the data is known whole, ``periods`` None all there are."""

    warehouse: Warehouse
    settings: Settings
    clock: datetime
    as_of: datetime | None = None
    periods: Sequence[date] | None = None

    @property
    def moment(self) -> AsOf:
        """The moment figures are given for."""
        if self.as_of is None:
            return compute.newest_complete(self.warehouse, self.clock)
        return compute.as_of_moment(self.warehouse, self.as_of, self.clock)


@dataclass(frozen=True)
class Done:
    """What a step did: rows by table, releases and what was current already, exact sums, and sentences."""

    rows: Mapping[str, int]
    published: int
    unchanged: int
    periods: tuple[date, ...] = ()
    sums: Mapping[str, Decimal] = field(default_factory=dict)
    refused: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    facts: Mapping[str, int] = field(default_factory=dict)


def _billing(ask: Ask) -> Done:
    settings = ask.settings
    refuse_shared_objects(settings.billing, settings.root)
    outcomes = [
        billing.ingest_source(ask.warehouse, settings, source, months=ask.periods)
        for source in settings.billing
    ]
    notes = [
        *(
            f"{one.source} {period.period:%Y-%m}: {period.reason}"
            for one in outcomes
            for period in one.periods
            if period.state in ("superseded", "vanished")
        ),
        *(f"{one.source}: {note}" for one in outcomes for note in (*one.notes, *one.repairs)),
    ]
    return Done(
        rows={"raw_focus_costs": sum(one.rows for one in outcomes)},
        published=sum(len(one.published) for one in outcomes),
        unchanged=sum(len(one.periods) - len(one.published) for one in outcomes),
        periods=tuple(sorted({period.period for one in outcomes for period in one.published})),
        sums=total(one.sums for one in outcomes),
        refused=tuple(f"{one.source}: {refusal}" for one in outcomes for refusal in one.refusals),
        held=tuple(period.reason for one in outcomes for period in one.held),
        notes=tuple(notes),
    )


def _telemetry(ask: Ask) -> Done:
    sources = ask.settings.telemetry
    outcomes = [telemetry.ingest_source(ask.warehouse, ask.settings, source) for source in sources]
    return Done(
        rows={table: sum(one.rows.get(table, 0) for one in outcomes) for table in STEPS["telemetry"].tables},
        published=sum(one.loaded for one in outcomes),
        unchanged=sum(one.already for one in outcomes),
        refused=tuple(
            f"{source.name}: {refusal}"
            for source, one in zip(sources, outcomes, strict=True)
            for refusal in (*one.refusals, *one.set_aside)
        ),
        facts={"rejected": sum(one.rejected for one in outcomes)},
    )


def _computed(step: str, work: Callable[[Ask], Outcome]) -> Callable[[Ask], Done]:
    def done(ask: Ask) -> Done:
        outcome = work(ask)
        return Done(
            rows=dict.fromkeys(STEPS[step].tables, outcome.rows),
            published=len(outcome.releases),
            unchanged=outcome.unchanged,
            periods=tuple(sorted({release.period for release in outcome.releases})),
            sums=total(release.sums for release in outcome.releases),
            notes=outcome.notes,
        )

    return done


COMPUTED: Mapping[str, Callable[[Ask], Outcome]] = {
    "slices": lambda ask: compute.compute_slices(ask.warehouse, ask.settings, ask.periods),
    "registry": lambda ask: compute.compute_registry(ask.warehouse, ask.settings),
    "identities": lambda ask: compute.compute_identities(ask.warehouse, ask.settings),
    "costs": lambda ask: compute.compute_costs(ask.warehouse, ask.settings, ask.periods),
    "unit_costs": lambda ask: compute.compute_unit_costs(ask.warehouse, ask.settings, ask.periods),
    "slo": lambda ask: compute.compute_slo(ask.warehouse, ask.settings, ask.moment, ask.as_of or ask.clock),
    "anomalies": lambda ask: compute.compute_anomalies(ask.warehouse, ask.settings, ask.moment),
    "marts": lambda ask: compute.compute_marts(ask.warehouse, ask.settings, ask.moment),
}

WORK: Mapping[str, Callable[[Ask], Done]] = {
    "billing": _billing,
    "telemetry": _telemetry,
    **{step: _computed(step, work) for step, work in COMPUTED.items()},
}
"""Step -> its function; every step of ``STEPS`` has one."""


@dataclass(frozen=True)
class Figures:
    """What is published of a period: rows and exact sums."""

    rows: int
    sums: Mapping[str, Decimal]


def period_figures(warehouse: Warehouse, step: str) -> dict[date, Figures]:
    """What is published of a step now, by period; sources of a bill are added up."""
    releases: dict[date, list[Release]] = {}
    for release in heads(warehouse, f"{step}/" if step == "billing" else step):
        releases.setdefault(release.period, []).append(release)
    return {
        period: Figures(sum(one.rows for one in found), total(one.sums for one in found))
        for period, found in releases.items()
    }


@dataclass(frozen=True)
class Check:
    """What must hold after a step, or nothing that follows is computed."""

    name: str
    table: str
    description: str
    differences: Callable[[Warehouse], list[str]]


def _differing_totals(warehouse: Warehouse) -> list[str]:
    totals = warehouse.frame("queries/billing/control_totals")
    wrong = totals.filter(totals["difference"] != 0).cast(pl.String)
    return [", ".join(f"{key} {value}" for key, value in row.items()) for row in wrong.to_dicts()]


CHECKS: Mapping[str, Check] = {
    "billing": Check(
        "published_rows_equal_their_control_totals",
        "raw_focus_costs",
        "Rows and sums in the table are those of the releases: a part lost on disk is found here.",
        compute.damaged_totals,
    ),
    "costs": Check(
        "attributed_equals_billed",
        "core_app_costs_daily",
        "Per source, period, currency and metric the attributed sum is the billed one, to the last digit.",
        _differing_totals,
    ),
}
"""Step -> its check."""


def total(sums: Iterable[Mapping[str, Decimal]]) -> dict[str, Decimal]:
    """Sums added up key by key."""
    added: dict[str, Decimal] = {}
    for one in sums:
        for key, amount in one.items():
            added[key] = added.get(key, Decimal(0)) + amount
    return added
