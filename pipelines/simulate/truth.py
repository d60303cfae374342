"""What was planted, and every sum a pipeline must find: the content of ``truth.json``.

Money is exact decimal text. Nothing here is read by the pipeline.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from pipelines.simulate.bill import UNIT
from pipelines.simulate.files import moment
from pipelines.simulate.fleet import CURRENCIES, DAY, UNALLOCATED, Fleet
from pipelines.simulate.telemetry import WINDOW_DAYS, SimulatedCounts

METRICS = {"billed": "BilledCost", "effective": "EffectiveCost"}


FINE = 10**18 // UNIT
"""Units of 1e-18 in a unit of the bill."""

ROLES = {
    "app_id": {"app_id", "application", "app", "app name"},
    "team": {"team", "owner"},
    "environment": {"environment", "env"},
}
"""Tag key whose coverage is told -> keys that will do."""


def money(units: int) -> str:
    """An amount in units as plain decimal text."""
    return format((Decimal(units) / UNIT).normalize(), "f")


@dataclass
class Truth:
    """The right answers of a simulated fleet; ``as_text`` is the file."""

    content: dict[str, Any] = field(default_factory=dict)

    def as_text(self) -> str:
        """JSON, one line per entry of a list, so that differences read well."""
        parts = []
        for key, value in self.content.items():
            if isinstance(value, list) and value:
                lines = ",\n  ".join(json.dumps(one) for one in value)
                parts.append(f"{json.dumps(key)}: [\n  {lines}\n ]")
            else:
                parts.append(f"{json.dumps(key)}: {json.dumps(value)}")
        return "{\n " + ",\n ".join(parts) + "\n}\n"


def period_totals(cloud: str, month: date, charges: pl.DataFrame) -> dict[str, Any]:
    """Rows and exact sums of one source and billing period."""
    return {
        "source": cloud,
        "period": month.isoformat(),
        "currency": CURRENCIES[cloud],
        "rows": charges.height,
        **{metric: money(int(charges[column].sum())) for metric, column in METRICS.items()},
    }


def app_totals(cloud: str, month: date, charges: pl.DataFrame) -> list[dict[str, Any]]:
    """Exact sums per app and rule of one source and billing period."""
    sums = (
        charges.group_by("_app_id", "_rule")
        .agg(pl.len(), *[pl.col(column).sum().alias(metric) for metric, column in METRICS.items()])
        .sort("_app_id", "_rule")
    )
    return [
        {
            "source": cloud,
            "period": month.isoformat(),
            "currency": CURRENCIES[cloud],
            "app_id": app_id,
            "rule": rule,
            "rows": rows,
            "billed": money(billed),
            "effective": money(effective),
        }
        for app_id, rule, rows, billed, effective in sums.iter_rows()
    ]


def coverage_totals(cloud: str, month: date, charges: pl.DataFrame) -> list[dict[str, Any]]:
    """Exact billed cost per tag key of one source and billing period: with the tag, with a virtual one, with neither."""
    sums: dict[tuple[str, str], int] = {}
    columns = ("_tags", "ResourceName", "BilledCost")
    for tags, name, billed in charges.select(columns).iter_rows():
        has = {" ".join(one["key"].lower().split()) for one in tags if one["value"].strip()}
        test = any(one["key"] in ("environment", "env") and one["value"] == "staging" for one in tags)
        pooled = (name or "").startswith("shared-") or test
        for key, spellings in ROLES.items():
            how = "tag" if has & spellings else "none"
            sums[key, how] = sums.get((key, how), 0) + billed
        sums["pool", "virtual" if pooled else "none"] = (
            sums.get(("pool", "virtual" if pooled else "none"), 0) + billed
        )
    return [
        {
            "source": cloud,
            "period": month.isoformat(),
            "currency": CURRENCIES[cloud],
            "key": key,
            "how": how,
            "billed": money(units),
        }
        for (key, how), units in sorted(sums.items())
    ]


def owner_totals(fleet: Fleet, cloud: str, month: date, charges: pl.DataFrame) -> list[dict[str, Any]]:
    """Exact sums per team of apps that change theirs: each charge cut at the moment, by whole numbers, to 1e-18."""
    sums: dict[tuple[str, str], list[int]] = {}
    for one in fleet.transfers:
        turn = moment(fleet.first_day, 0) + timedelta(seconds=one.at)
        own = charges.filter(pl.col("_app_id") == one.app_id)
        columns = ("ChargePeriodStart", "ChargePeriodEnd", *METRICS.values())
        for begins, ends, *costs in own.select(columns).iter_rows():
            start, end = moment(begins, 0), moment(ends, 0)
            seconds = [
                _seconds(min(turn, end) - min(turn, start)),
                _seconds(max(turn, end) - max(turn, start)),
            ]
            for place, units in enumerate(costs):
                parts = _cut(units * FINE, seconds)
                for team, part in zip((one.before, one.after), parts, strict=True):
                    sums.setdefault((one.app_id, team), [0, 0])[place] += part
    return [
        {
            "source": cloud,
            "period": month.isoformat(),
            "app_id": app_id,
            "team": team,
            **{
                name: format(Decimal(units).scaleb(-18), "f")
                for name, units in zip(METRICS, own_sums, strict=True)
            },
        }
        for (app_id, team), own_sums in sorted(sums.items())
    ]


def _cut(units: int, seconds: list[int]) -> list[int]:
    """Whole units shared by seconds: each floored, what is left to the largest remainders, the earlier first."""
    whole = sum(seconds)
    parts = [units * one // whole for one in seconds]
    order = sorted(range(len(parts)), key=lambda place: (-(units * seconds[place] % whole), place))
    for place in order[: units - sum(parts)]:
        parts[place] += 1
    return parts


def _seconds(length: timedelta) -> int:
    return length // timedelta(seconds=1)


def planted(fleet: Fleet, counts: SimulatedCounts) -> dict[str, Any]:
    """Everything of the truth that is no sum of money."""
    registered = {app.app_id for app in fleet.apps if app.registered}
    billed = {resource.answer for resource in fleet.resources} - {UNALLOCATED}
    seen = set(counts.spans)
    return {
        "apps": [_app(fleet, app) for app in fleet.apps],
        "unregistered": {"bill": sorted(billed - registered), "telemetry": sorted(seen - registered)},
        "idle": [
            {"app_id": app.app_id, "no_request_since": _day(fleet, app.idle_from)}
            for app in fleet.apps
            if app.idle_from < fleet.days
        ],
        "launches": [
            {"app_id": app.app_id, "day": _day(fleet, app.start)} for app in fleet.apps if app.start
        ],
        "retirements": [
            {"app_id": app.app_id, "last_day": _day(fleet, app.stop - 1)}
            for app in fleet.apps
            if app.stop < fleet.days
        ],
        "anomalies": [
            {
                "app_id": one.app_id,
                "kind": one.kind,
                "start": _day(fleet, one.start),
                "end": _day(fleet, one.end),
                "factor": one.factor,
            }
            for one in fleet.anomalies
        ],
        "incidents": [
            {
                "app_id": one.app_id,
                "objective": one.objective,
                "start": _instant(fleet, one.start),
                "end": _instant(fleet, one.end),
                "bad_share": one.share,
                "state": one.state,
            }
            for one in fleet.incidents
        ],
        "habits": [
            {
                "app_id": one.app_id,
                "kind": one.kind,
                "stops": _instant(fleet, one.stop) if one.stop < fleet.days * DAY else None,
                "fails_from": _instant(fleet, one.fails_from) if one.fails_from < one.stop else None,
                "state": one.state,
            }
            for one in fleet.habits
        ],
        "owners": [
            {
                "app_id": one.app_id,
                "before": one.before,
                "after": one.after,
                "changed_at": _instant(fleet, one.at),
            }
            for one in fleet.transfers
        ],
        "recovered": [
            {"app_id": app.app_id, "attribute": attribute, "value": value}
            for app in fleet.apps
            for attribute, value in app.names
        ],
        "aliases": [{"app_id": app_id, "value": other} for app_id, other in fleet.aliases.items()],
        "telemetry": {
            "delivered_spans": counts.delivered_spans,
            "spans": sum(counts.spans.values()),
            "requests": sum(counts.requests.values()),
            "metric_points": counts.metric_points,
            "log_records": counts.log_records,
            "window_days": WINDOW_DAYS,
            "as_of": _instant(fleet, fleet.days * DAY),
        },
        "telemetry_by_app": [
            {
                "app_id": app_id,
                "spans": counts.spans[app_id],
                "requests": counts.requests[app_id],
                "bad": counts.bad[app_id],
                "slow": counts.slow[app_id],
                "window": {name: found[app_id] for name, found in counts.window.items()},
            }
            for app_id in sorted(seen)
        ],
        "requests_by_day": counts.requests_by_day,
    }


def _app(fleet: Fleet, app: Any) -> dict[str, Any]:
    return {
        "app_id": app.app_id,
        "team": app.team,
        "source": app.cloud,
        "registered": app.registered,
        "telemetry": app.telemetry,
        "kind": app.kind,
        "first_day": _day(fleet, app.start),
        "last_day": _day(fleet, app.stop - 1),
    }


def _day(fleet: Fleet, index: int) -> str:
    return (fleet.first_day + timedelta(days=index)).isoformat()


def _instant(fleet: Fleet, seconds: int) -> str:
    return (moment(fleet.first_day, 0) + timedelta(seconds=seconds)).isoformat()
