"""One pass of everything, through the Dagster definitions, in this process, with progress.

Knows the order of the steps and how a step is run; what a step does is an asset's business.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)
from sqlalchemy import Engine, event

from models.errors import AppfleetError
from models.settings import Settings
from pipelines import compute
from pipelines.commands.report import PassReport, StepReport
from pipelines.orchestration.assets import reports
from pipelines.orchestration.definitions import build_defs
from pipelines.orchestration.partitions import AS_OF_TAG, EVERYTHING_TAG, billing_months, telemetry_days
from pipelines.orchestration.resources import Workspace
from pipelines.steps import STEPS
from sql.local_warehouse import open_warehouse
from sql.publish import heads, lease
from sql.state import state_folder
from sql.warehouse import Warehouse

DAGSTER_SETTINGS = """\
# Written by appfleet. One run at a time on one machine; nothing is reported to anyone.
telemetry:
  enabled: false
concurrency:
  runs:
    max_concurrent_runs: 1
run_monitoring:
  enabled: true
# What a step prints is nothing; keeping it costs two processes a step.
compute_logs:
  module: dagster.core.storage.noop_compute_log_manager
  class: NoOpComputeLogManager
"""

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def dagster_home(settings: Settings) -> Path:
    """Dagster's folder inside the workspace, with its settings written."""
    home = state_folder(settings.root, "dagster")
    (home / "dagster.yaml").write_text(DAGSTER_SETTINGS, encoding="utf-8")
    # Its presence tells the webserver that somebody has seen what it asks a first visitor: to leave an e-mail address.
    (home / ".nux").mkdir(exist_ok=True)
    (home / ".nux" / "nux.yaml").write_text("seen: 1\n", encoding="utf-8")
    return home


@contextmanager
def unsynced_history() -> Iterator[None]:
    """Lets Dagster's SQLite files go without a sync per event while a pass runs in this process.

    They hold run history, never a figure. A pass over ninety days writes some three hundred events, each of them
    two syncs: measured, two thirds of the step. A killed process loses nothing by this; a power cut may lose history.
    """

    def relax(connection: Any, record: Any) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous = OFF")

    event.listen(Engine, "connect", relax)
    try:
        yield
    finally:
        event.remove(Engine, "connect", relax)


def run_pass(
    settings: Settings,
    *,
    steps: Collection[str],
    as_of: datetime | None = None,
    report: Callable[[StepReport], None] = lambda _: None,
    wait_seconds: float = 600.0,
    waiting: Callable[[str], None] = lambda _: None,
) -> PassReport:
    """Runs ``steps`` in their order; a failed step ends the pass, refused input does not.

    Raises:
        LeaseHeld: another pass runs in this workspace for longer than ``wait_seconds``.
    """
    started = time.monotonic()
    os.environ["DAGSTER_HOME"] = str(dagster_home(settings))
    definitions = build_defs(resources={"workspace": Workspace(directory=str(settings.root))})
    done: list[StepReport] = []
    with (
        lease(settings.root, "pass", wait_seconds, waiting),
        unsynced_history(),
        open_warehouse(settings.root, role="writer") as warehouse,
        dg.DagsterInstance.get() as instance,
    ):
        for step in STEPS:
            if step not in steps:
                continue
            tags = {EVERYTHING_TAG: "true", **_range_tags(step, warehouse)}
            if as_of:
                tags[AS_OF_TAG] = as_of.astimezone(UTC).isoformat()
            done.append(_run_step(definitions, instance, step, tags))
            report(done[-1])
            if done[-1].failed:
                break
    return PassReport(tuple(done), time.monotonic() - started)


def _run_step(
    definitions: dg.Definitions, instance: dg.DagsterInstance, step: str, tags: dict[str, str]
) -> StepReport:
    started = time.monotonic()
    job = definitions.resolve_job_def(step)
    failed, exit_code = None, 0
    events: list[dict[str, Any]] = []
    try:
        outcome = job.execute_in_process(instance=instance, tags=tags, run_config=QUIET, raise_on_error=True)
        for materialization in outcome.get_asset_materialization_events():
            events.append(
                {key: entry.value for key, entry in materialization.materialization.metadata.items()}
            )
        bad = [one.check_name for one in outcome.get_asset_check_evaluations() if not one.passed]
        if bad:
            exit_code = 1
            failed = f"the check {bad[0]} is red; what follows was not computed (`appfleet doctor` says more)"
    except AppfleetError as error:
        failed, exit_code = str(error), error.exit_code
    except dg.DagsterExecutionStepExecutionError as error:
        cause = error.user_exception
        if not isinstance(cause, AppfleetError):
            raise
        failed, exit_code = str(cause), cause.exit_code
    return StepReport(
        step=step,
        seconds=time.monotonic() - started,
        rows=_greatest(events, "dagster/partition_row_count"),
        published=_greatest(events, reports.PUBLISHED),
        unchanged=_greatest(events, reports.UNCHANGED),
        refused=_sentences(events, reports.REFUSED),
        held=_sentences(events, reports.HELD),
        notes=_sentences(events, reports.NOTES),
        failed=failed,
        exit_code=exit_code,
    )


def _greatest(events: Sequence[dict[str, Any]], key: str) -> int:
    return max((int(event.get(key, 0)) for event in events), default=0)


def _sentences(events: Sequence[dict[str, Any]], key: str) -> tuple[str, ...]:
    """Sentences of a step once each: the events of a range repeat them per partition."""
    return tuple(dict.fromkeys(sentence for event in events for sentence in event.get(key, [])))


def _range_tags(step: str, warehouse: Warehouse) -> dict[str, str]:
    """Partition range a partitioned step is recorded under: the newest unbroken span of periods there are.

    A pass looks at every period whatever the range says. Dagster writes an event per table and partition of the
    range, so one old object must not stretch it over years without data; and it knows no partition before its
    first one or in the future, where a bill or a clock ahead of ours may well have one.
    """
    periods = _periods(step, warehouse)
    if periods is None:
        return {}
    partitions = telemetry_days if step == "slices" else billing_months
    known = partitions.get_partition_keys()
    there = {period.isoformat() for period in periods}
    last = next((place for place in reversed(range(len(known))) if known[place] in there), len(known) - 1)
    first = last
    while first and known[first - 1] in there:
        first -= 1
    return {ASSET_PARTITION_RANGE_START_TAG: known[first], ASSET_PARTITION_RANGE_END_TAG: known[last]}


def _periods(step: str, warehouse: Warehouse) -> list[date] | None:
    if step == "billing" or step == "costs":
        return [release.period for release in heads(warehouse, "billing/")]
    if step == "slices":
        known, new = compute.telemetry_days(warehouse)
        return sorted(new) or sorted(known)[-1:]
    if step == "unit_costs":
        days = [release.period for scope in ("costs", "slices") for release in heads(warehouse, scope)]
        return [day.replace(day=1) for day in days]
    return None
