"""One pass of everything in this process, with progress; what was published is told to Dagster.

Knows which steps may run beside each other and when a pass ends; what a step does is ``pipelines.work``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextvars import copy_context
from dataclasses import replace
from datetime import UTC, datetime
from queue import SimpleQueue
from uuid import uuid4

from models.errors import AppfleetError, DamagedData, DiskFull, is_disk_full
from models.settings import Settings
from pipelines.commands.report import PassReport, StepReport
from pipelines.commands.telling import Teller, telling
from pipelines.observed import a_pass, a_step
from pipelines.said import Kind, keep, said
from pipelines.steps import STEPS, Step, ready
from pipelines.told import take
from pipelines.work import CHECKS, WORK, Ask, Done
from sql.damage import BEYOND, Damage, is_beyond, lost_rows
from sql.leases import lease
from sql.opening import open_warehouse
from sql.publish import heads, withdraw
from sql.retention import removed_days
from sql.warehouse import Warehouse

AT_ONCE = 2
"""Steps that run beside each other at most: a step alone leaves a second core idle a third of its time, waiting for the disk
or for the other of engine and Python."""


def run_pass(
    settings: Settings,
    *,
    steps: Collection[str],
    as_of: datetime | None = None,
    report: Callable[[StepReport], None] = lambda _: None,
    wait_seconds: float = 600.0,
    waiting: Callable[[str], None] = lambda _: None,
) -> PassReport:
    """Runs ``steps``, each once those it reads from have ended; what reads from a step that failed is left as it was, and so
    is what follows from it.

    Raises:
        LeaseHeld: another pass runs in this workspace for longer than ``wait_seconds``.
    """
    started = time.monotonic()
    done: dict[str, StepReport] = {}
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
        running = _Running(Ask(warehouse, settings, datetime.now(UTC), as_of), teller)
        begun: set[str] = set()
        ended: set[str] = set()
        try:
            while len(ended) < len(begun) or ready(steps, begun, ended):
                for step in ready(steps, begun, ended):
                    left = bool(unknown & set(step.reads))
                    if not left and len(begun) - len(ended) >= AT_ONCE:
                        continue
                    begun.add(step.name)
                    if not left:
                        running.begin(step)
                        continue
                    ended.add(step.name)
                    unknown |= set(step.tables)
                    if "billing" not in steps and bills:
                        done[step.name] = _not_run(step, f"{bills[0]}; nothing is computed from less")
                        report(done[step.name])
                if len(begun) == len(ended):
                    continue
                step, one = running.next_end()
                ended.add(step.name)
                one = replace(one, notes=(*again.get(step.name, ()), *one.notes))
                done[step.name] = one
                report(one)
                keep(warehouse, step.name, _sentences(one), before)
                if one.failed:
                    unknown |= set(step.tables)
        except BaseException:
            warehouse.end_all()
            raise
    return PassReport(tuple(done[name] for name in STEPS if name in done), time.monotonic() - started)


class _Running:
    """Steps at work, each in a thread of its own: whoever interrupts a pass waits for none of them."""

    def __init__(self, ask: Ask, teller: Teller) -> None:
        self._ask, self._teller = ask, teller
        self._is_of_moment = False
        self._ended: SimpleQueue[tuple[Step, StepReport | BaseException]] = SimpleQueue()

    def begin(self, step: Step) -> None:
        """Begins a step, by the clock of now; what is answered for a moment is answered for one and the same."""
        if not self._is_of_moment:
            self._ask = replace(self._ask, clock=datetime.now(UTC))
        self._is_of_moment = self._is_of_moment or step.of_moment
        work = copy_context()  # the lease of the pass, its run and its trace
        threading.Thread(
            target=work.run, args=(self._work, self._ask, step), name=step.name, daemon=True
        ).start()

    def next_end(self) -> tuple[Step, StepReport]:
        """The next step that ends, and what it did; what ended it otherwise is raised here."""
        step, found = self._ended.get()
        if isinstance(found, BaseException):
            raise found
        return step, found

    def _work(self, ask: Ask, step: Step) -> None:
        try:
            self._ended.put((step, _run_step(ask, step, self._teller)))
        except BaseException as error:  # noqa: BLE001 (raised by whoever waits for it)
            self._ended.put((step, error))


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
