"""What was published and is lost or cannot be read any more, by source and month: counted, read, and put into words.

Looks only. How what is lost is loaded or computed again does not belong here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from models.errors import DamagedData, WarehouseError

ReadFrame = Callable[..., pl.DataFrame]
"""``Warehouse.frame``: result of a named statement with its parameters bound."""

SETTLED_SECONDS = 900
"""Age of a load from which one that no release names was not published any more, and not just not yet."""

ANYBODY = ("any",)
"""Teams of a command, which has none: what is lost is no team's secret."""

BILL = "raw_focus_costs"
LEDGER = (
    "period_head",
    "raw_deliveries",
    "raw_held_deliveries",
    "raw_object_charges",
    "raw_object_overlaps",
    "telemetry_removals",
)
"""Tables that remember what was delivered and published: they are made from nothing else."""

TELEMETRY = (
    "otel_traces",
    "otel_logs",
    *(f"otel_metrics_{kind}" for kind in ("gauge", "sum", "summary", "histogram", "exponential_histogram")),
)
COMPUTED = (
    *(
        f"core_{name}"
        for name in [
            "apps",
            "teams",
            "identities",
            "app_costs_daily",
            "cost_days",
            "request_slices",
            "request_hours",
            "indicator_slices",
            "maintenance_hours",
            "app_telemetry_daily",
            "app_resources",
            "app_usage_hours",
            "identity_costs",
            "cost_allocations",
            "alerts",
            "app_calls",
            "app_telemetry_volumes",
        ]
    ),
    *(
        f"mart_{name}"
        for name in [
            "slo_status",
            "slo_burn",
            "slo_budgets",
            "slo_objectives",
            "slo_newest",
            "maintenance",
            "as_of",
            "app_silences",
            "cost_anomalies",
            "app_unit_costs_daily",
            "team_costs_weekly",
            "chargeback_lines",
            "app_inventory",
            "cost_forecasts",
            "budget_states",
            "statement_adjustments",
            "reporting_rates",
            "reporting_lines",
            "cost_bridges",
            "unused_commitments",
            "cost_causes",
            "cost_cause_parts",
            "cost_anomaly_rollups",
            "charges_apart",
            "reliability_costs_daily",
            "app_worth",
            "reliability_credits",
        ]
    ),
)
_PLACES = 3
"""How many places a sentence names."""

_WHOLE = date(1970, 1, 1)
_DAY = re.compile(r"(\d{4})(\d{2})(\d{2})[_-]")


@dataclass(frozen=True)
class Damage:
    """Something published that is not whole any more: ``scope`` of a release, or ``telemetry/<source>``.

    ``batch`` is that of telemetry; ``period`` a billing month, a day, or 1970-01-01 for a table as a whole.
    """

    scope: str
    period: date
    what: str
    batch: str = ""

    @property
    def place(self) -> str:
        """Source and month (of telemetry and of what is computed by day: the day), as people say it."""
        kind, _, source = self.scope.rpartition("/")
        name = source if kind else self.scope
        if self.period == _WHOLE:
            return name
        by_day = kind == "telemetry" or name in ("slices", "volumes", "maintenance")
        return f"{name} {self.period}" if by_day else f"{name} {self.period:%Y-%m}"

    @property
    def command(self) -> str:
        """What loads or computes it again."""
        kind, _, source = self.scope.rpartition("/")
        if not kind:
            return "appfleet rebuild"
        return f"appfleet rebuild --source {source} --month {self.period:%Y-%m}"

    @property
    def verb(self) -> str:
        """What that command does."""
        return "loads" if "/" in self.scope else "computes"

    def __str__(self) -> str:
        return f"{self.place}: {self.what}; `{self.command}` {self.verb} it again"


BEYOND = (
    "raw telemetry of the day was removed as past its retention, so that it cannot be computed again: restore a backup of "
    ".appfleet"
)
"""What is said of what is computed by day from raw telemetry and lost for good."""


def is_beyond(one: Damage, removed: Collection[date]) -> bool:
    """Whether what is lost was computed from raw rows of a day that were removed; slices begin with those of the day before."""
    needed = {"slices": (one.period, one.period - timedelta(days=1)), "volumes": (one.period,)}
    return any(day in removed for day in needed.get(one.scope, ()))


def lost_rows(frame: ReadFrame, *, with_slices: bool = False) -> list[Damage]:
    """Releases that hold more or fewer rows than were published, and bills that were loaded and no release names; releases
    of slices too, where that is wanted."""
    asked = {"teams": list(ANYBODY), "with_slices": with_slices, "settled_seconds": SETTLED_SECONDS}
    return losses(frame("queries/damage/lost_rows", **asked))


def losses(found: pl.DataFrame) -> list[Damage]:
    """The rows of ``damage/lost_rows`` in words."""
    return [
        Damage(
            row["scope"],
            row["period"],
            _counts(row["published"], row["held"], "row(s) published")
            if row["is_released"]
            else f"{row['published']:,} row(s) of its newest load are named by no release of period_head, the ledger",
        )
        for row in found.iter_rows(named=True)
    ]


def marks(found: Sequence[Damage]) -> list[str]:
    """What stands beside figures some of whose rows are lost, the first few by name."""
    said = [f"Not whole: {one}." for one in found[:_PLACES]]
    if len(found) > _PLACES:
        said.append(f"Not whole: {len(found) - _PLACES:,} more; `appfleet doctor` lists them.")
    return said


def failures(frame: ReadFrame, lost: Sequence[Damage] = ()) -> list[str]:
    """What the last pass failed at, in its own words, but for what is known to be lost."""
    found = frame("queries/damage/failed_steps", teams=list(ANYBODY))
    return [
        f"The last pass failed at {row['step']}: {row['sentence']}."
        for row in found.iter_rows(named=True)
        if not any(row["sentence"].startswith(f"{damage.place}:") for damage in lost)
    ]


def lost_records(frame: ReadFrame, days: Sequence[date] = ()) -> list[Damage]:
    """Batches of telemetry that hold more or fewer records of a day than were loaded; of all days or of those named."""
    found = frame("queries/damage/lost_records", days=[day.isoformat() for day in days])
    return [
        Damage(
            f"telemetry/{row['source_name']}",
            row["day"],
            _counts(row["loaded"], row["held"], f"record(s) of {row['signal']} loaded"),
            row["batch_id"],
        )
        for row in found.iter_rows(named=True)
    ]


def _counts(before: int, now: int, noun: str) -> str:
    if now < before:
        return f"{before - now:,} of {before:,} {noun} are lost"
    return f"{now:,} are there of {before:,} {noun}"


def unreadable(frame: ReadFrame) -> list[Damage]:
    """What is published in parts that cannot be read, column by column; reads everything there is.

    Raises:
        DamagedData: the ledger itself cannot be read.
    """
    for table in LEDGER:
        _read(frame, table)
    return [
        damage
        for table in (BILL, *COMPUTED, *TELEMETRY)
        for part in broken_parts(frame, table)
        for damage in _damages(frame, table, part)
    ]


def broken_parts(frame: ReadFrame, table: str) -> list[str]:
    """Names of the parts of a table that cannot be read in full."""
    broken: list[str] = []
    while True:
        try:
            _read(frame, table, broken)
            return broken
        except DamagedData as error:
            if _named(error) in broken:
                raise
            broken.append(_named(error))


def _read(frame: ReadFrame, table: str, without: Sequence[str] = ()) -> None:
    frame("queries/damage/readable", without=list(without), **_place(table))


def _named(error: DamagedData) -> str:
    """The name of the part an error is about."""
    return error.part.rstrip("/").rpartition("/")[2]


def untellable_part(frame: ReadFrame, table: str) -> str:
    """A part of a table of which nobody can tell whose rows it holds, so that no reader sees them; empty without one."""
    try:
        frame("queries/damage/part_batches", part="", **_place(table))
    except DamagedData as error:
        return _named(error)
    return ""


def _place(table: str) -> dict[str, object]:
    """A table of ours, as statements that read any table are told it."""
    return {"is_telemetry": int(table in TELEMETRY), "pattern": f"^{table}$"}


def batches_of(frame: ReadFrame, table: str, part: str) -> list[str] | None:
    """Batches with rows in a part, or None where that cannot be read."""
    try:
        return frame("queries/damage/part_batches", part=part, **_place(table))["batch_id"].to_list()
    except DamagedData:
        return None


def _damages(frame: ReadFrame, table: str, part: str) -> list[Damage]:
    """What is published in a part that cannot be read; of all its period where nobody can tell."""
    what = f"part {part} of {table} cannot be read any more"
    batches = batches_of(frame, table, part)
    day = _day(part)
    if batches == []:
        return []
    if table in TELEMETRY:
        found = frame("queries/damage/batch_deliveries", day=day, batches=batches or [])
        return [
            Damage(f"telemetry/{row['source_name']}", day or _WHOLE, what, row["batch_id"])
            for row in found.iter_rows(named=True)
        ]
    found = frame("queries/damage/batch_releases", table=table, batches=batches or [])
    return [
        Damage(row["scope"], row["period"], what)
        for row in found.iter_rows(named=True)
        if day is None or row["period"] == day
    ]


def _day(part: str) -> date | None:
    """The day or first of a month a part is partitioned by, where it is by one."""
    found = _DAY.match(part)
    return date(int(found[1]), int(found[2]), int(found[3])) if found else None


def placed(frame: ReadFrame, error: DamagedData) -> DamagedData:
    """The same error with the source and month of what cannot be read, as far as these can be told."""
    try:
        (row,) = frame("queries/damage/part", path=error.part).iter_rows(named=True)
        sentence = _sentence(frame, row["table"], row["part"])
    except (WarehouseError, ValueError):
        sentence = f"{error.part} cannot be read any more; `appfleet doctor` says what is in it"
    return DamagedData(sentence, error.code, error.part)


def _sentence(frame: ReadFrame, table: str, part: str) -> str:
    if table in LEDGER:
        return (
            f"part {part} of {table}, the ledger of what was delivered and published, cannot be read any more: keep a copy of "
            ".appfleet whole, then restore a backup of it; nothing else holds the ledger or live telemetry"
        )
    found = _damages(frame, table, part)
    if not found:
        return f"part {part} of {table} cannot be read any more; nothing that is published is in it"
    places = ", ".join(dict.fromkeys(one.place for one in found[:_PLACES]))
    more = f" and {len(found) - _PLACES} more" if len(found) > _PLACES else ""
    return f"{places}{more}: {found[0].what}; `{found[0].command}` and `appfleet doctor` say more"
