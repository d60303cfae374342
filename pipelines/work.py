"""What each step of a pass does, what it would do, and what it says it did: functions over an open warehouse.

The same for the command line, which calls them in their order, and for Dagster's assets, which call one each. Sources
are looped inside, so one that is broken does not stop the others. Nothing is computed, printed or recorded here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from threading import Lock

import polars as pl

from models import age
from models.policy import watermark_policy
from models.settings import Settings
from pipelines import compute
from pipelines.actions.notify import tell
from pipelines.compute import AsOf, Outcome
from pipelines.ingest import billing, telemetry
from pipelines.ingest.billing import BillingOutcome
from pipelines.ingest.sources import refuse_shared_objects
from pipelines.steps import STEPS, Asset, Step
from sql import access_log
from sql.leases import lease
from sql.publish import WHOLE_TABLE, heads, heads_by_scope
from sql.warehouse import Warehouse


@dataclass(frozen=True)
class Ask:
    """What a step is asked for: ``as_of`` None is as far as the data is known whole, ``periods`` None all there are, and
    ``sources`` None all of a bill's.
    """

    warehouse: Warehouse
    settings: Settings
    clock: datetime
    as_of: datetime | None = None
    periods: Sequence[date] | None = None
    sources: Collection[str] | None = None
    _guard: Lock = field(default_factory=Lock, init=False, compare=False, repr=False)

    @property
    def moment(self) -> AsOf:
        """The moment figures are given for; found when first asked for, and the same from then on, whoever asks."""
        with self._guard:
            return self._moment

    @cached_property
    def _moment(self) -> AsOf:
        if self.as_of is None:
            return compute.newest_complete(self.warehouse, self.clock)
        return compute.as_of_moment(self.warehouse, self.as_of, self.clock)


@dataclass(frozen=True)
class Done:
    """What a step did: rows by table, releases and what was current already, exact sums, and sentences.

    ``refused`` and ``held`` are said by every pass until they are mended; ``set_aside`` once, by the pass that loaded the
    rest.
    """

    rows: Mapping[str, int]
    published: int
    unchanged: int
    periods: tuple[date, ...] = ()
    sums: Mapping[str, Decimal] = field(default_factory=dict)
    refused: tuple[str, ...] = ()
    set_aside: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    standing: tuple[str, ...] = ()
    """Every note that holds; ``notes`` are those of them that are news."""
    facts: Mapping[str, int] = field(default_factory=dict)
    unreached: tuple[str, ...] = ()
    """Of what nobody who should know of it could be told: what was published stands, and the step fails."""


def _billing(ask: Ask) -> Done:
    settings = ask.settings
    refuse_shared_objects(settings.billing, settings.root)
    outcomes = [
        billing.ingest_source(ask.warehouse, settings, source, months=ask.periods)
        for source in settings.billing
        if ask.sources is None or source.name in ask.sources
    ]
    kept = _kept_as_they_were(outcomes)
    notes = [f"{one.source}: {note}" for one in outcomes for note in (*one.notes, *one.repairs)]
    return Done(
        rows={"raw_focus_costs": sum(one.rows for one in outcomes)},
        published=sum(len(one.published) for one in outcomes),
        unchanged=sum(len(one.periods) - len(one.published) for one in outcomes),
        periods=tuple(sorted({period.period for one in outcomes for period in one.published})),
        sums=total(one.sums for one in outcomes),
        refused=tuple(f"{one.source}: {refusal}" for one in outcomes for refusal in one.refusals),
        held=tuple(period.reason for one in outcomes for period in one.held),
        notes=(*kept, *notes),
        standing=_standing(outcomes),
    )


def _kept_as_they_were(outcomes: Iterable[BillingOutcome]) -> list[str]:
    """Months that stay as they are though something else of them is delivered, or nothing any more."""
    return [
        f"{one.source} {period.period:%Y-%m}: {period.reason}"
        for one in outcomes
        for period in one.periods
        if period.state in ("superseded", "vanished")
    ]


def _standing(outcomes: Sequence[BillingOutcome]) -> tuple[str, ...]:
    """Every note on bills that holds."""
    return (
        *_kept_as_they_were(outcomes),
        *(f"{one.source}: {note}" for one in outcomes for note in one.standing),
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
            for refusal in one.refusals
        ),
        set_aside=tuple(
            f"{source.name}: {records}"
            for source, one in zip(sources, outcomes, strict=True)
            for records in one.set_aside
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
            refused=outcome.refused,
            notes=outcome.notes,
            standing=outcome.notes,
        )

    return done


COMPUTED: Mapping[str, Callable[[Ask], Outcome]] = {
    "slices": lambda ask: compute.compute_slices(ask.warehouse, ask.settings, ask.periods),
    "registry": lambda ask: compute.compute_registry(ask.warehouse, ask.settings),
    "identities": lambda ask: compute.compute_identities(ask.warehouse, ask.settings),
    "costs": lambda ask: compute.compute_costs(ask.warehouse, ask.settings, ask.periods),
    "reporting": lambda ask: compute.compute_reporting(ask.warehouse, ask.settings, ask.periods),
    "completeness": lambda ask: compute.compute_completeness(ask.warehouse, ask.settings, ask.clock),
    "unit_costs": lambda ask: compute.compute_unit_costs(ask.warehouse, ask.settings, ask.periods),
    "indicators": lambda ask: compute.compute_indicators(ask.warehouse, ask.settings, ask.moment),
    "maintenance": lambda ask: compute.compute_maintenance(
        ask.warehouse, ask.settings, ask.moment, ask.clock
    ),
    "slo": lambda ask: compute.compute_slo(ask.warehouse, ask.settings, ask.moment, ask.as_of or ask.clock),
    "anomalies": lambda ask: compute.compute_anomalies(ask.warehouse, ask.settings, ask.moment),
    "forecasts": lambda ask: compute.compute_forecasts(ask.warehouse, ask.settings, ask.moment),
    "marts": lambda ask: compute.compute_marts(ask.warehouse, ask.settings, ask.moment),
    "volumes": lambda ask: compute.compute_volumes(ask.warehouse, ask.settings, ask.moment, ask.periods),
    "worth": lambda ask: compute.compute_worth(ask.warehouse, ask.settings, ask.moment),
}


def _alerts(ask: Ask) -> Done:
    done = _computed(
        "alerts", lambda one: compute.compute_alerts(one.warehouse, one.settings, one.moment, one.clock)
    )(ask)
    told = tell(ask.warehouse, ask.settings)
    return replace(
        done,
        notes=told.notes,
        standing=told.notes,
        refused=(*done.refused, *told.refused),
        unreached=told.unreached,
        facts={"sent": told.sent},
    )


def looked_at_newest(warehouse: Warehouse, settings: Settings, clock: datetime) -> str:
    """Looks at the newest minutes between two passes and tells who is to know of what pages; what it did, in a sentence."""
    outcome = compute.compute_newest(warehouse, settings, clock)
    if outcome is None:
        return "nothing pages by the newest minutes"
    told = tell(warehouse, settings)
    return "; ".join(
        [
            f"{len(outcome.releases)} releases of alerts, {told.sent} messages sent",
            *told.unreached,
            *told.refused,
            *told.notes,
        ]
    )


def _access(ask: Ask) -> Done:
    with lease(ask.settings.root, "access", LOOK_WAIT_SECONDS):
        loaded = access_log.load(ask.warehouse, ask.settings.root, ask.clock)
    return Done(
        rows={access_log.TABLE: loaded.rows},
        published=0,
        unchanged=0,
        refused=tuple(
            f"{loaded.unreadable:,} lines of the access log cannot be read; they are kept under .appfleet/{access_log.FOLDER}"
            for _ in range(bool(loaded.unreadable))
        ),
        facts={"collected": loaded.collected},
    )


LOOK_WAIT_SECONDS = 600.0
"""How long a look waits for an ingest of the same source: the next one is a day away."""

WORK: Mapping[str, Callable[[Ask], Done]] = {
    "billing": _billing,
    "telemetry": _telemetry,
    "alerts": _alerts,
    "access": _access,
    **{step: _computed(step, work) for step, work in COMPUTED.items()},
}
"""Step -> its function; every step of ``STEPS`` has one."""


@dataclass(frozen=True)
class Due:
    """Periods a step has something to do in, and what was said while that was found out.

    ``sources`` are those of a bill that have, by period.
    """

    periods: tuple[date, ...] = ()
    sources: Mapping[date, tuple[str, ...]] = field(default_factory=dict)
    refused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    standing: tuple[str, ...] = ()
    """Every note that holds of what there is nothing to do in."""


def _billing_due(ask: Ask) -> Due:
    """Months that are delivered anew, and each source's newest published one: its run repeats what is refused or held."""
    settings = ask.settings
    refuse_shared_objects(settings.billing, settings.root)
    looks = [
        billing.look_at_source(ask.warehouse, settings, source, LOOK_WAIT_SECONDS)
        for source in settings.billing
    ]
    released = heads_by_scope(ask.warehouse)
    sources: dict[date, list[str]] = {}
    for source, (months, _) in zip(settings.billing, looks, strict=True):
        newest = [release.period for release in released.get(f"billing/{source.name}", ())][-1:]
        for month in sorted({*newest, *months}):
            sources.setdefault(month, []).append(source.name)
    return Due(
        periods=tuple(sorted(sources)),
        sources={month: tuple(names) for month, names in sorted(sources.items())},
        refused=tuple(f"{one.source}: {refusal}" for _, one in looks for refusal in one.refusals),
        notes=tuple(f"{one.source}: {note}" for _, one in looks for note in (*one.notes, *one.repairs)),
        standing=_standing([one for _, one in looks]),
    )


def _changed(
    inputs: Callable[[Warehouse], tuple[Mapping[date, str], Mapping[date, str]]],
) -> Callable[[Ask], Due]:
    return lambda ask: Due(tuple(sorted(inputs(ask.warehouse)[1])))


def _costs_due(ask: Ask) -> Due:
    return Due(tuple(sorted(compute.billed_months(ask.warehouse, ask.settings)[1])))


DUE: Mapping[str, Callable[[Ask], Due]] = {
    "billing": _billing_due,
    "slices": lambda ask: Due(tuple(sorted(compute.telemetry_days(ask.warehouse, ask.settings)[1]))),
    "costs": _costs_due,
    "reporting": lambda ask: Due(tuple(sorted(compute.reported_months(ask.warehouse, ask.settings)[1]))),
    "unit_costs": _changed(compute.used_months),
    "volumes": lambda ask: Due(tuple(sorted(compute.volume_days(ask.warehouse, ask.moment)[1]))),
}
"""Step -> what it would do now; every step with periods has one."""


@dataclass(frozen=True)
class Figures:
    """What is published of one table in one period: rows and exact sums."""

    rows: int
    sums: Mapping[str, Decimal] = field(default_factory=dict)


def published_figures(warehouse: Warehouse, step: Step) -> dict[str, dict[date, Figures]]:
    """Table -> period -> what is published of it now; sources of a bill are added up.

    Telemetry is counted, not published: its tables have the rows they keep, copies of a span among them.
    """
    if step.name == "telemetry":
        return {table: {WHOLE_TABLE: Figures(_kept(warehouse, table))} for table in step.tables}
    if step.name == "access":
        return {table: {WHOLE_TABLE: Figures(_seen(warehouse, table))} for table in step.tables}
    sums: dict[date, list[Mapping[str, Decimal]]] = {}
    for release in heads(warehouse, f"{step.name}/" if step.name == "billing" else step.name):
        sums.setdefault(release.period, []).append(release.sums)
    found = {}
    for table, asset in step.tables.items():
        rows = _rows(warehouse, table, asset, step) if sums else {}
        found[table] = {
            period: Figures(rows.get(period, 0), total(parts)) for period, parts in sorted(sums.items())
        }
    return found


PUBLISHED_VIEWS = {"raw_focus_costs": "raw_focus_costs_published"}
"""What shows a table's published rows where `<table>_current` adds to them."""


def _rows(warehouse: Warehouse, table: str, asset: Asset, step: Step) -> dict[date, int]:
    view = PUBLISHED_VIEWS.get(table, f"{table}_current")
    if not step.periods:
        return {WHOLE_TABLE: warehouse.frame("queries/ledger/table_rows", view=view)["rows"][0]}
    unit = "day" if step.periods == "day" else "month"
    frame = warehouse.frame(
        "queries/ledger/table_rows_by_period", view=view, period_column=asset.period, unit=unit
    )
    return dict(frame.select("period", "rows").rows())


def _seen(warehouse: Warehouse, table: str) -> int:
    return int(warehouse.frame("queries/ledger/table_rows", view=f"{table}_current")["rows"][0])


def _kept(warehouse: Warehouse, table: str) -> int:
    return int(warehouse.frame("queries/ledger/telemetry_rows", table_name=table)["rows"][0])


@dataclass(frozen=True)
class Check:
    """What must hold of a table: ``wrong`` gives a sentence for each thing that does not.

    Where one that ``blocks`` is red, nothing that follows is computed.
    """

    name: str
    table: str
    description: str
    wrong: Callable[[Warehouse, datetime], Sequence[str]]
    blocks: bool = False


def _differing_totals(warehouse: Warehouse, clock: datetime) -> list[str]:
    totals = warehouse.frame("queries/billing/control_totals")
    wrong = totals.filter(totals["difference"] != 0).cast(pl.String)
    return [", ".join(f"{key} {value}" for key, value in row.items()) for row in wrong.to_dicts()]


def _old_bills(warehouse: Warehouse, clock: datetime) -> list[str]:
    cost_day = compute.newest_complete(warehouse, clock).known_cost_day
    return [*age.warnings(cost_day=cost_day, telemetry_end=None, clock=clock, policy=watermark_policy())]


def _old_telemetry(warehouse: Warehouse, clock: datetime) -> list[str]:
    as_of = compute.newest_complete(warehouse, clock)
    end = as_of.slice_end if as_of.basis != "none" else None
    return [*age.warnings(cost_day=None, telemetry_end=end, clock=clock, policy=watermark_policy())]


CHECKS: Mapping[str, Sequence[Check]] = {
    "billing": (
        Check(
            "published_rows_equal_their_control_totals",
            "raw_focus_costs",
            "Rows and sums in the table are those of the releases: a part lost on disk is found here.",
            lambda warehouse, _: compute.damaged_totals(warehouse),
            blocks=True,
        ),
        Check(
            "bills_are_recent",
            "raw_focus_costs",
            "The newest complete day of cost is no older than the policy allows, by the clock: a run that loads nothing "
            "makes no bill newer.",
            _old_bills,
        ),
    ),
    "telemetry": (
        Check(
            "telemetry_is_recent",
            "otel_traces",
            "The newest whole slice of telemetry is no older than the policy allows, by the clock: a run that loads "
            "nothing makes nothing newer.",
            _old_telemetry,
        ),
    ),
    "costs": (
        Check(
            "attributed_equals_billed",
            "core_app_costs_daily",
            "Per source, period, currency and metric the attributed sum is the billed one, to the last digit.",
            _differing_totals,
            blocks=True,
        ),
    ),
}
"""Step -> its checks."""

ALL_TAKEN = "everything_delivered_is_taken"
DELIVERED_TO: Mapping[str, str] = {"billing": "raw_focus_costs", "telemetry": "otel_traces"}
"""Steps that say by the check ``ALL_TAKEN`` what they refused and what waits for a person, and the table it stands at."""


def total(sums: Iterable[Mapping[str, Decimal]]) -> dict[str, Decimal]:
    """Sums added up key by key."""
    added: dict[str, Decimal] = {}
    for one in sums:
        for key, amount in one.items():
            added[key] = added.get(key, Decimal(0)) + amount
    return added
