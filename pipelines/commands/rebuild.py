"""`appfleet rebuild`: loads again what was lost from the warehouse, from where it came, and computes what follows.

Nothing is removed before its replacement is published; what nothing holds any more is named and stays as it is. How a
loss is found is ``sql.damage``'s business.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from functools import partial

from rich.console import Console

from models.errors import ConfigurationError, DamagedData
from models.settings import BillingSource, Settings, TelemetrySource
from pipelines.commands.run import run_pass
from pipelines.commands.summary import print_step
from pipelines.ingest import LIVE_SOURCE, billing, telemetry
from pipelines.ingest.billing.ledger import Ledger
from pipelines.ingest.intake.journal import journal_folder
from pipelines.said import said
from pipelines.steps import STEPS
from pipelines.told import take
from sql.damage import (
    BEYOND,
    BILL,
    COMPUTED,
    TELEMETRY,
    Damage,
    batches_of,
    broken_parts,
    is_beyond,
    lost_records,
    lost_rows,
    unreadable,
    untellable_part,
)
from sql.leases import lease
from sql.opening import open_warehouse
from sql.publish import heads, withdraw
from sql.retention import removed_days
from sql.warehouse import Warehouse

LOADS = ("billing", "telemetry")
"""Steps that bring bytes in; a rebuild runs the others, and one of these where it failed at what is mended now."""

ONLY_SENT = (
    "it was sent live and is nowhere else: keep .appfleet as it is, and restore a backup of it beside it to take over what "
    "it still holds"
)


@dataclass
class _Done:
    """What was loaded again, and what could not be, in sentences."""

    loaded: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def damages(warehouse: Warehouse) -> list[Damage]:
    """Everything published that is lost or cannot be read; reads everything there is.

    Raises:
        DamagedData: the ledger cannot be read.
    """
    found = unreadable(warehouse.frame)
    for lost in (partial(lost_rows, with_slices=True), lost_records):
        # What cannot even be counted is named by what cannot be read.
        with suppress(DamagedData):
            found += lost(warehouse.frame)
    return list(dict.fromkeys(found))


def rebuild(
    console: Console, settings: Settings, source: str | None, month: date | None, wait_seconds: float
) -> int:
    """Loads a month of a source again, or whatever is lost, computes what follows, says what became of it.

    Returns:
        The exit code: 0 all is there again, 3 something is held nowhere any more, else that of the steps that follow.

    Raises:
        ConfigurationError: no such source or month.
        LeaseHeld: a pass runs for longer than ``wait_seconds``.
    """
    done = _Done()
    with (
        lease(settings.root, "pass", wait_seconds),
        open_warehouse(settings.root, role="writer") as warehouse,
    ):
        _detach_untellable(warehouse)
        found = [one for one in damages(warehouse) if _is_meant(one, source, month)]
        for one in _billing_sources(settings, source, month, found):
            _bill_again(warehouse, settings, one, _months(one, month, found), done)
        for name in dict.fromkeys(_source(one, "telemetry") for one in found):
            if name:
                batches = [one.batch for one in found if _source(one, "telemetry") == name]
                _telemetry_again(warehouse, settings, name, batches, done)
        _withdraw(warehouse, found, done)
        failed = {one.step for one in said(warehouse) if one.kind == "failed"}
    for sentence in done.loaded:
        console.print(f"loaded again: {sentence}")
    for sentence in done.missing:
        console.print(f"not loaded: {sentence}", style="yellow")
    if not found and not done.loaded and not done.missing:
        console.print("Nothing published is lost: there is nothing to load again.")
        return 0
    computed = run_pass(
        settings,
        steps=[step for step in STEPS if step not in LOADS or step in failed],
        report=lambda step: print_step(console, step),
        wait_seconds=wait_seconds,
    )
    with open_warehouse(settings.root, role="writer") as warehouse:
        _detach_unused(warehouse)
    return 3 if done.missing else computed.exit_code


def _is_meant(one: Damage, source: str | None, month: date | None) -> bool:
    if source is None:
        return True
    is_of_source = one.scope.partition("/")[2] == source
    return is_of_source and (month is None or one.period.replace(day=1) == month)


def _source(one: Damage, kind: str) -> str:
    of_kind, found, name = one.scope.partition("/")
    return name if found and of_kind == kind else ""


def _billing_sources(
    settings: Settings, source: str | None, month: date | None, found: Sequence[Damage]
) -> Iterator[BillingSource]:
    """Sources of bills to load from: the one that is named, or those something is lost of.

    Raises:
        ConfigurationError: one of them is not configured.
    """
    names = [source] if source else list(dict.fromkeys(_source(one, "billing") for one in found))
    others = {LIVE_SOURCE, *(one.name for one in settings.telemetry)}
    bills = {one.name: one for one in settings.billing}
    for name in names:
        if name in bills:
            yield bills[name]
        elif name and name not in others:
            raise ConfigurationError(
                f"{name}: no such source: name it under sources in appfleet.yaml, with a location that holds what it "
                "delivered, then run this again; what is published stays"
            )
    if month and not source:
        raise ConfigurationError("--month: name the source too, with --source")


def _months(source: BillingSource, month: date | None, found: Sequence[Damage]) -> list[date]:
    lost = sorted({one.period for one in found if _source(one, "billing") == source.name})
    return [month] if month else lost


def _bill_again(
    warehouse: Warehouse, settings: Settings, source: BillingSource, months: Sequence[date], done: _Done
) -> None:
    published = Ledger(warehouse, source.name).published_objects()
    outcome = billing.ingest_source(warehouse, settings, source, months=months, again=True)
    take(settings.root, "billing")  # so that the pass that comes next tells Dagster all of it
    by_month = {one.period: one for one in outcome.periods}
    refusals = "; ".join(str(one) for one in outcome.refusals[:3])
    for month in months:
        place = f"{source.name} {month:%Y-%m}"
        one = by_month.get(month)
        if one and one.state == "published":
            done.loaded.append(f"{place}, {one.rows:,} rows")
            continue
        names = ", ".join(sorted(published.get(month, {}))) or "what it delivered"
        why = (one.reason if one else "") or refusals or f"{source.location} holds nothing of this month"
        done.missing.append(
            f"{place}: {why}. Put {names} back to {source.location}, or deliver the month once more, then "
            f"`appfleet rebuild --source {source.name} --month {month:%Y-%m}`; where nobody has it, restore a backup of "
            ".appfleet. What is published stays meanwhile"
        )


def _telemetry_again(
    warehouse: Warehouse, settings: Settings, name: str, batches: Sequence[str], done: _Done
) -> None:
    sources = {one.name: one for one in settings.telemetry}
    journal = journal_folder(settings)
    journal.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = TelemetrySource(LIVE_SOURCE, "otlp", str(journal))
    source = kept if name == LIVE_SOURCE else sources.get(name)
    if source is None:
        done.missing.append(
            f"{name}: no such source: name it under sources.telemetry in appfleet.yaml again, then `appfleet rebuild`"
        )
        return
    again = telemetry.load_again(warehouse, settings, source, batches)
    if again.objects:
        done.loaded.append(f"{name}, {len(again.objects):,} object(s)")
    done.missing += [
        f"{name}: {why.split(': ')[0]}: {ONLY_SENT}" if name == LIVE_SOURCE else f"{name}: {why}"
        for why in again.missing
    ]


def _withdraw(warehouse: Warehouse, found: Sequence[Damage], done: _Done) -> None:
    """What is computed and lost is computed again by the steps that follow; but for days of which raw rows were removed."""
    removed = removed_days(warehouse)
    lost = {(one.scope, one.period): one for one in found if "/" not in one.scope}
    for place, one in [*lost.items()]:
        if is_beyond(one, removed):
            del lost[place]
            done.missing.append(f"{one.place}: {one.what}; {BEYOND}")
    for release in heads(warehouse):
        if (release.scope, release.period) in lost:
            withdraw(warehouse, release)


def _detach_untellable(warehouse: Warehouse) -> None:
    """Takes parts out of use of which no reader sees a row: without them their rows can be counted as lost."""
    for table in (BILL, *COMPUTED, *TELEMETRY):
        while part := untellable_part(warehouse.frame, table):
            _detach(warehouse, table, part)


def _detach_unused(warehouse: Warehouse) -> None:
    """Takes parts out of use that cannot be read and hold nothing that is published or waits for a person any more."""
    used = set(warehouse.frame("queries/damage/batches_in_use")["batch_id"])
    for table in (BILL, *COMPUTED, *TELEMETRY):
        for part in broken_parts(warehouse.frame, table):
            batches = batches_of(warehouse.frame, table, part)
            if batches is not None and not used & set(batches):
                _detach(warehouse, table, part)


def _detach(warehouse: Warehouse, table: str, part: str) -> None:
    """The files of the part stay, in the table's folder."""
    form = warehouse.form
    database = form.telemetry_database if table in TELEMETRY else form.main_database
    warehouse.execute("statements/detach_part", database=database, table=table, part=part)
