"""One pass of everything, step by step, in this process, with progress; what was published is told to Dagster.

Knows the order of the steps and when a pass ends; what a step does is ``pipelines.work``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

from models.errors import AppfleetError, DamagedData, DiskFull, is_disk_full
from models.settings import Settings
from pipelines.commands.report import PassReport, StepReport
from pipelines.commands.telling import Teller, telling
from pipelines.observed import a_pass, a_step
from pipelines.said import Kind, keep, said
from pipelines.steps import STEPS, Step
from pipelines.told import take
from pipelines.work import CHECKS, WORK, Ask, Done
from sql.damage import BEYOND, Damage, is_beyond, lost_rows
from sql.leases import lease
from sql.opening import open_warehouse
from sql.publish import heads, withdraw
from sql.retention import removed_days
from sql.warehouse import Warehouse


def run_pass(
    settings: Settings,
    *,
    steps: Collection[str],
    as_of: datetime | None = None,
    report: Callable[[StepReport], None] = lambda _: None,
    wait_seconds: float = 600.0,
    waiting: Callable[[str], None] = lambda _: None,
) -> PassReport:
    """Runs ``steps`` in their order; what reads from a step that failed is left as it was, and so is what follows from it.

    Raises:
        LeaseHeld: another pass runs in this workspace for longer than ``wait_seconds``.
    """
    started = time.monotonic()
    done: list[StepReport] = []
    ask: Ask | None = None
    with (
        a_pass(uuid4().hex),
        lease(settings.root, "pass", wait_seconds, waiting),
        telling(settings) as teller,
        open_warehouse(settings.root, role="writer") as warehouse,
    ):
        before = said(warehouse)
        lost = _lost(warehouse)
        again = _withdrawn(warehouse, lost)
        bills = [str(one) for one in lost if one.scope.startswith("billing/")]
        unknown: set[str] = set()
        if bills and "billing" not in steps:  # whose check would say it
            unknown |= set(STEPS["billing"].tables)
        for step in STEPS.values():
            if step.name not in steps:
                continue
            if unknown & set(step.reads):
                unknown |= set(step.tables)
                if "billing" not in steps and bills:
                    done.append(_not_run(step, f"{bills[0]}; nothing is computed from less"))
                    report(done[-1])
                continue
            if (
                not ask or not ask.has_moment
            ):  # what is answered for a moment is answered for one and the same
                ask = Ask(warehouse, settings, datetime.now(UTC), as_of)
            done.append(_run_step(ask, step, teller))
            done[-1] = replace(done[-1], notes=(*again.get(step.name, ()), *done[-1].notes))
            report(done[-1])
            keep(warehouse, step.name, _sentences(done[-1]), before)
            if done[-1].failed:
                unknown |= set(step.tables)
    return PassReport(tuple(done), time.monotonic() - started)


def _lost(warehouse: Warehouse) -> list[Damage]:
    """Releases some of whose rows are lost; none where not even that can be read, which the steps say that read it."""
    try:
        return lost_rows(warehouse.frame, with_slices=True)
    except DamagedData:
        return []


def _withdrawn(warehouse: Warehouse, lost: Sequence[Damage]) -> dict[str, list[str]]:
    """Has every release of computed tables whose rows are lost computed again, and says so by step; slices of a day whose raw
    rows were removed stay as they are, as nothing is left to compute them from."""
    computed = {(one.scope, one.period): one for one in lost if "/" not in one.scope}
    said_of: dict[str, list[str]] = {}
    removed = removed_days(warehouse) if computed else {}
    for release in heads(warehouse) if computed else []:
        one = computed.get((release.scope, release.period))
        if one and is_beyond(one, removed):
            said_of.setdefault(release.scope, []).append(f"{one.place}: {one.what}; {BEYOND}")
        elif one:
            withdraw(warehouse, release)
            said_of.setdefault(release.scope, []).append(f"{one.place}: {one.what}; it is computed again")
    return said_of


def _sentences(report: StepReport) -> Mapping[Kind, Sequence[str]]:
    """What is kept of what a step says: one that failed says that, and what it said before still holds."""
    if report.failed:
        return {"failed": (report.failed,)}
    return {"refused": report.refused, "held": report.held, "note": report.standing, "failed": ()}


def _not_run(step: Step, why: str) -> StepReport:
    return StepReport(step.name, 0.0, 0, 0, 0, (), (), (), failed=why, exit_code=1)


def _run_step(ask: Ask, step: Step, teller: Teller) -> StepReport:
    with a_step(step.name) as seen:
        report = _step_report(ask, step, teller)
        if not report.failed:
            seen.ended(report, report.rows)
        return report


def _step_report(ask: Ask, step: Step, teller: Teller) -> StepReport:
    started = time.monotonic()
    failed, exit_code, done = None, 0, Done({}, 0, 0)
    before = take(ask.settings.root, step.name)
    try:
        done = WORK[step.name](ask)
        blocking = [check for check in CHECKS.get(step.name, ()) if check.blocks]
        wrong = {check.name: check.wrong(ask.warehouse, ask.clock) for check in blocking}
        red = [sentence for sentences in wrong.values() for sentence in sentences]
        if red:
            exit_code = 1
            more = f" (and {len(red) - 1} more: `appfleet doctor`)" if len(red) > 1 else ""
            failed = f"{red[0]}{more}; what follows from it was not computed"
        if done.unreached:
            exit_code, failed = 1, "; ".join(done.unreached)
        teller.tell(ask.warehouse, step, done, time.monotonic() - started, before, wrong)
    except AppfleetError as error:
        failed, exit_code = str(error), error.exit_code
    except OSError as error:
        if not is_disk_full(error):
            raise
        full = DiskFull(str(ask.settings.state))
        failed, exit_code = str(full), full.exit_code
    return StepReport(
        step=step.name,
        seconds=time.monotonic() - started,
        rows=max(done.rows.values(), default=0),
        published=done.published,
        unchanged=done.unchanged,
        refused=tuple(dict.fromkeys((*done.refused, *done.set_aside))),
        held=tuple(dict.fromkeys(done.held)),
        notes=tuple(dict.fromkeys(done.notes)),
        standing=tuple(dict.fromkeys(done.standing)),
        failed=failed,
        exit_code=exit_code,
    )
