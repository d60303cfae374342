"""What a person reads in the terminal of an alert's evidence: the same reads, suspects and order as on the pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl
from rich.console import Console
from rich.text import Text

from models.errors import ConfigurationError, ModelError
from models.evidence import POLICY, Measure, asked_range, moment_of
from models.settings import Settings
from sql.damage import ANYBODY
from sql.evidence import Asked, FoundEvidence, copyable, gathered
from sql.opening import open_warehouse
from sql.warehouse import Warehouse

USUAL_RANGE = timedelta(hours=1)
NOTHING_KNOWN = "no telemetry is published yet: run `appfleet run` first, or give --from and --to"
_VALUES_SHOWN = 3
_PATTERN = "%Y-%m-%dT%H:%M"


@dataclass(frozen=True)
class Wanted:
    """What was typed; ``start`` and ``end`` as text, None for the last hour of telemetry."""

    app_id: str
    start: str | None
    end: str | None
    measure: Measure = "availability"
    threshold_ms: int = 0
    environments: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()


def print_evidence(console: Console, settings: Settings, wanted: Wanted, *, with_sql: bool = False) -> None:
    """The evidence of an app, or with ``with_sql`` the statements it is read by.

    Raises:
        ConfigurationError: the range is none, or nothing is published that would end it.
        WarehouseError: the warehouse cannot be reached or refuses a statement.
    """
    with open_warehouse(settings.root, role="reader") as warehouse:
        asked = _asked(warehouse, wanted)
        teams = warehouse.frame("queries/dashboards/teams", teams=[], see_all_teams=True)["team"].to_list()

        def read(name: str, **values: Any) -> pl.DataFrame:
            return warehouse.frame(f"queries/{name}", teams=teams, **values)

        evidence = gathered(read, asked)
        if with_sql:
            for name, values in evidence.asked_for.items():
                console.print(
                    Text(f"-- {name}\n{copyable(warehouse.form, name, {**values, 'teams': teams})};\n")
                )
            return
    _print(console, evidence)


def _asked(warehouse: Warehouse, wanted: Wanted) -> Asked:
    end = wanted.end or _end_of_telemetry(warehouse)
    try:
        start = wanted.start or f"{moment_of(end) - USUAL_RANGE:{_PATTERN}}"
        within = asked_range(start, end)
    except ModelError as error:
        raise ConfigurationError(str(error)) from error
    return Asked(
        wanted.app_id, within, wanted.measure, wanted.threshold_ms, wanted.environments, wanted.routes
    )


def _end_of_telemetry(warehouse: Warehouse) -> str:
    as_of = warehouse.frame("queries/dashboards/as_of", teams=list(ANYBODY))
    end = as_of["telemetry_end"][0] if as_of.height else None
    if not isinstance(end, datetime):
        raise ConfigurationError(NOTHING_KNOWN)
    return f"{end:{_PATTERN}}"


def _print(console: Console, evidence: FoundEvidence) -> None:
    asked = evidence.asked
    told = f"{asked.within.start:%Y-%m-%d %H:%M} to {asked.within.end:%Y-%m-%d %H:%M} UTC"
    if not evidence.bad:
        console.print(Text(f"{asked.app_id}, {told}: no bad request among {evidence.good} good ones."))
        return
    console.print(
        Text(
            f"{asked.app_id}, {told}: {evidence.bad} bad requests, the first at {evidence.first_bad:%H:%M:%S}; {evidence.good} good ones."
        )
    )
    if evidence.sample:
        console.print(Text(f"{evidence.sample}; what follows counts the spans that came."))
    console.print(
        "Suspects, the likeliest first:"
        if evidence.suspects
        else "Nothing stands out among the bad requests."
    )
    for number, one in enumerate(evidence.suspects, 1):
        console.print(Text(f"  {number}. {one.sentence}"))
    near = evidence.nearest
    if near is not None:
        what = f"version {near['version']}" if near["what"] == "version" else str(near["words"])
        console.print(Text(f"Nearest deployment: {what} at {near['at']:%Y-%m-%d %H:%M}"))
    for dimension in ("route", "status", "error text", "version", "environment"):
        rows = evidence.attributes.filter(
            (pl.col("dimension") == dimension) & (pl.col("bad") > 0) & (pl.col("value") != "")
        )
        words = [
            f"{row['value']} ({row['bad']} bad, {row['good']} good)"
            for row in rows.head(_VALUES_SHOWN).iter_rows(named=True)
        ]
        if words:
            console.print(Text(f"{dimension.capitalize()}: {'; '.join(words)}"))
    failing = evidence.dependencies.filter(pl.col("failed") > 0).sort("first_failed", "peer")
    for row in failing.iter_rows(named=True):
        console.print(
            Text(
                f"Calls {row['peer']}: {row['failed']} of {row['calls']} failed, first at {row['first_failed']:%H:%M:%S}"
            )
        )
    console.print("Traces to look at:")
    for row in evidence.traces.iter_rows(named=True):
        console.print(
            Text(
                f"  {row['trace_id']}  {row['at']:%H:%M:%S}  {row['status'] or 'slow'}  {row['version']}  {row['route']}"
            )
        )
    console.print(
        Text(
            f"Compared with good requests from {asked.within.base:%Y-%m-%d %H:%M} on, {POLICY.sample_size} traces of each side read whole."
        )
    )
