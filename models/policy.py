"""The numbers decisions rest on, read from the YAML files beside this module, each with its source cited there.

They are data of the package, not of a workspace: nothing here reads what a user wrote. How a number is used
belongs to the model that uses it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import yaml

from models.alert_rules import AlertRules
from models.budgeting import Budgeting

if TYPE_CHECKING:
    from models.indicators import Question

Colour = Literal["red", "orange", "violet", "gray", "green"]

_MINUTE = timedelta(minutes=1)
_UNITS = {"m": _MINUTE, "h": timedelta(hours=1), "d": timedelta(days=1)}


@dataclass(frozen=True)
class Objective:
    """One service level objective: the share of events, or of slices of time, that must be good."""

    name: str
    target: Decimal
    threshold_ms: int | None = None
    kinds: tuple[str, ...] = ("server", "consumer")
    route: str = ""
    """Whose requests alone count, as slices name it or without its method; empty: those of every route."""
    without_cold_starts: bool = False
    budgeting: Budgeting = Budgeting()
    question: Question | None = None
    """What is counted instead of requests."""
    alerting: AlertRules | None = None
    """What its own alert policies say; None: the built-in windows."""

    @property
    def budget(self) -> Decimal:
        """Share of events that may be bad."""
        return 1 - self.target


@dataclass(frozen=True)
class Objectives:
    """Objectives over one window: the last days, or since ``start`` in a calendar period of so many days."""

    window_days: int
    lines: tuple[Objective, ...]
    start: datetime | None = None


@dataclass(frozen=True)
class BurnPair:
    """Two windows that must both burn faster than a factor; window names are ``5m``, ``1h``, ``3d``.

    ``by`` names the alert policy a pair is of, empty for a built-in one; ``or_equal`` asks for the factor only, and ``after`` for how
    long it must have been so.
    """

    severity: str
    budget_share: Decimal | Fraction
    long: str
    short: str
    by: str = ""
    or_equal: bool = False
    after: timedelta = timedelta(0)

    def factor(self, window_days: int) -> Fraction:
        """Burn rate that spends ``budget_share`` of the budget of ``window_days`` within the long window."""
        long_windows = Fraction(timedelta(days=window_days) // _MINUTE, duration(self.long) // _MINUTE)
        return Fraction(self.budget_share) * long_windows


@dataclass(frozen=True)
class BurnGuard:
    """A window in which nothing but failures, in so many slices, is an alert by itself."""

    severity: str
    window: str
    least_bad_slices: int
    by: str = ""


@dataclass(frozen=True)
class ChanceFloor:
    """So many slices that burn are believed when chance explains the bad events with less than a probability."""

    bad_slices: int
    chance: Decimal


@dataclass(frozen=True)
class Clustering:
    """How an app's clustering of errors is measured, and what counts where it is not known."""

    days: int
    unknown: float
    weight_bad_events: float
    cap: float
    outage_sigmas: float


@dataclass(frozen=True)
class BurnWindows:
    """The pairs, worst first, what keeps chance from firing them, and how long what fired holds."""

    rule: str
    pairs: tuple[BurnPair, ...]
    guards: tuple[BurnGuard, ...]
    least_bad_events: int
    least_bad_events_short: int
    evidence: tuple[ChanceFloor, ...]
    chance_short: Mapping[str, Decimal]
    """Of the short window, by severity."""
    guard_chance: Decimal
    hold: timedelta
    seen_share: Decimal
    clustering: Clustering
    also_published: tuple[str, ...] = ()
    """Windows whose burn is published beside those of the pairs."""

    @property
    def reach(self) -> timedelta:
        """How far before a moment lie the ends of windows it is judged by: what fired holds, and may have to go on first."""
        return self.hold + max((pair.after for pair in self.pairs), default=timedelta(0))

    @property
    def least_bad_slices(self) -> int:
        """Slices that burn without which no pair and no guard fires."""
        return min([one.bad_slices for one in self.evidence] + [one.least_bad_slices for one in self.guards])

    @property
    def severities(self) -> tuple[str, ...]:
        """Severities something may fire with, worst first."""
        return tuple(self.chance_short)

    @property
    def pair_windows(self) -> tuple[str, ...]:
        """Names of all windows of the pairs, shortest first, and what else is to be seen: those whose burn is published."""
        of_pairs = {name for pair in self.pairs for name in (pair.long, pair.short)}
        return tuple(sorted(of_pairs | set(self.also_published), key=duration))

    @property
    def windows(self) -> tuple[str, ...]:
        """Names of all windows of the pairs and guards, shortest first."""
        return tuple(sorted({*self.pair_windows, *(guard.window for guard in self.guards)}, key=duration))


@dataclass(frozen=True)
class State:
    """A state of an objective; rank 1 is the worst."""

    name: str
    rank: int
    word: str
    colour: Colour
    meaning: str


@dataclass(frozen=True)
class StatePolicy:
    """How many bad events the budget must allow before a state claims anything, and when data is too old to."""

    least_budget_events: int
    stale_after: timedelta


@dataclass(frozen=True)
class Environments:
    """Which environments are production, and the worst state that any other may have."""

    production: frozenset[str]
    worst_elsewhere: str


def duration(window: str) -> timedelta:
    """Length of a window name: ``5m``, ``1h`` or ``3d``."""
    return int(window[:-1]) * _UNITS[window[-1]]


@cache
def slo_defaults() -> Objectives:
    """Objectives of every app without configuration (``slo_defaults.yaml``)."""
    data = _document("slo_defaults")
    lines = (
        Objective(one["name"], Decimal(one["target"]), one.get("threshold_ms"), tuple(one["kinds"]))
        for one in data["objectives"]
    )
    return Objectives(data["window_days"], tuple(lines))


@cache
def slo_tiers() -> dict[str, dict[str, Decimal]]:
    """Criticality -> indicator -> default target (``slo_tiers.yaml``)."""
    return {
        tier: {indicator: Decimal(target) for indicator, target in targets.items()}
        for tier, targets in _document("slo_tiers")["tiers"].items()
    }


@cache
def burn_windows(rule: str = "") -> BurnWindows:
    """Burn-rate pairs, guards and floors under one of the rules, or the one that decides (``burn_windows.yaml``)."""
    data = _document("burn_windows")
    chosen = next(one for one in data["rules"] if one["name"] == (rule or data["rule"]))
    pairs = tuple(
        BurnPair(one["severity"], Decimal(one["budget_share"]), one["long"], one["short"])
        for one in data["pairs"]
        if chosen["name"] in one.get("rules", [chosen["name"]])
    )
    return BurnWindows(
        rule=chosen["name"],
        pairs=pairs,
        guards=tuple(BurnGuard(**one) for one in data["guards"] if chosen["guards"]),
        least_bad_events=chosen["least_bad_events"],
        least_bad_events_short=chosen["least_bad_events_short"],
        evidence=tuple(ChanceFloor(one["bad_slices"], Decimal(one["chance"])) for one in chosen["evidence"]),
        guard_chance=Decimal(chosen["guard_chance"]),
        chance_short=MappingProxyType(
            {severity: Decimal(one) for severity, one in chosen["chance_short"].items()}
        ),
        hold=duration(chosen["hold"]),
        seen_share=Decimal(data["seen_share"]),
        clustering=Clustering(**data["clustering"]),
    )


@cache
def burn_tables() -> Mapping[str, Any]:
    """Published tables of alert windows by name, as ``burn_scalings.yaml`` has them."""
    return MappingProxyType(_document("burn_scalings")["scalings"])


@cache
def states() -> tuple[State, ...]:
    """States of an objective, worst first (``states.yaml``)."""
    return tuple(State(rank=rank, **one) for rank, one in enumerate(_document("states")["states"], 1))


@cache
def state_policy() -> StatePolicy:
    """What a state must rest on (``states.yaml``)."""
    data = _document("states")
    return StatePolicy(data["least_budget_events"], duration(data["stale_after"]))


@cache
def environments() -> Environments:
    """Which environments are production (``environments.yaml``)."""
    data = _document("environments")
    return Environments(frozenset(data["production"]), data["worst_elsewhere"])


@dataclass(frozen=True)
class RequestErrors:
    """Which status codes say that a request went wrong by the fault of the side that answered it."""

    http_errors: tuple[int, int]
    caller_faults: tuple[int, int]
    grpc_errors: dict[str, int]


@cache
def request_errors() -> RequestErrors:
    """Codes of HTTP and gRPC that count as errors (``request_errors.yaml``)."""
    data = _document("request_errors")
    return RequestErrors(
        (data["http_error_from"], data["http_error_to"]),
        (data["http_fault_of_caller_from"], data["http_fault_of_caller_to"]),
        dict(data["grpc_errors"]),
    )


@dataclass(frozen=True)
class HealthChecks:
    """What tells a health check from a request of somebody."""

    paths: tuple[str, ...]
    endings: tuple[str, ...]
    services: tuple[str, ...]
    user_agents: tuple[str, ...]
    methods: tuple[str, ...]


@cache
def health_checks() -> HealthChecks:
    """Paths, services and user agents of health checks (``health_checks.yaml``)."""
    return HealthChecks(**{key: tuple(value) for key, value in _document("health_checks").items()})


@dataclass(frozen=True)
class RequestSlices:
    """How requests are cut into slices: the advised bounds of latency, how many routes keep their name, and what counts where
    spans are missing or a sample.
    """

    advised_bounds_ms: tuple[int, ...]
    routes_kept: int
    duration_metrics: Mapping[str, int]
    """Histogram of durations -> milliseconds of its unit; the first counts."""
    least_scale: int
    sampled_trace_state: str
    """Regular expression (RE2) of a trace state that says its span stands for others."""
    sampler_types: tuple[str, ...]
    rate_attributes: tuple[str, ...]
    """Attributes of a span that say as a number how many spans it stands for."""


@cache
def request_slices() -> RequestSlices:
    """Bounds, routes and other sources of the slices (``request_slices.yaml``)."""
    data = _document("request_slices")
    return RequestSlices(
        tuple(data["advised_bounds_ms"]),
        data["routes_kept"],
        MappingProxyType(data["duration_metrics"]),
        data["least_scale"],
        data["sampled_trace_state"],
        tuple(data["sampler_types"]),
        tuple(data["rate_attributes"]),
    )


@cache
def attribution_confidence() -> dict[str, float]:
    """How sure each attribution rule is, 0 to 1 (``attribution.yaml``)."""
    return dict(_document("attribution")["confidence"])


@cache
def evidence_days() -> int:
    """How many days after telemetry last named a resource it still names it (``attribution.yaml``)."""
    return int(_document("attribution")["evidence_days"])


@dataclass(frozen=True)
class SharedCostPolicy:
    """How sure a shared cost rule is by what it splits by, and what telemetry can measure: unit and metrics by measure."""

    confidence: dict[str, float]
    units: dict[str, str]
    counters: dict[str, str]
    gauges: dict[str, str]


@cache
def shared_cost_policy() -> SharedCostPolicy:
    """What shared cost rules rest on (``shared_costs.yaml``); ``counters`` and ``gauges`` by name of the metric."""
    found = _document("shared_costs")
    return SharedCostPolicy(
        dict(found["confidence"]),
        {measure: one["unit"] for measure, one in found["measures"].items()},
        *(
            {metric: measure for measure, one in found["measures"].items() for metric in one.get(kind, ())}
            for kind in ("counters", "gauges")
        ),
    )


@dataclass(frozen=True)
class WatermarkPolicy:
    """How far telemetry is believed, and from which age on figures are said to be old."""

    slice: timedelta
    settle: timedelta
    fresh_within: timedelta
    believed_senders: int
    alone: timedelta
    intake_silent: timedelta
    island: timedelta
    telemetry_old: timedelta
    bills_old: timedelta


@cache
def watermark_policy() -> WatermarkPolicy:
    """The rule of as-of and the ages (``watermark.yaml``)."""
    data = _document("watermark")
    return WatermarkPolicy(
        slice=timedelta(minutes=data["slice_minutes"]),
        settle=timedelta(minutes=data["settle_minutes"]),
        fresh_within=timedelta(hours=data["fresh_within_hours"]),
        believed_senders=data["believed_senders"],
        alone=timedelta(hours=data["alone_hours"]),
        intake_silent=timedelta(minutes=data["intake_silent_minutes"]),
        island=timedelta(days=data["island_days"]),
        telemetry_old=timedelta(minutes=data["telemetry_old_minutes"]),
        bills_old=timedelta(days=data["bills_old_days"]),
    )


@dataclass(frozen=True)
class SilencePolicy:
    """What is silence: how much chance may explain, what a rhythm is, when many are one finding."""

    baseline_weeks: int
    alarms_per_year: float
    days_missed_per_year: float
    least_silence: timedelta
    clustering_cap: float
    day_spread_cap: float
    regular_below: float
    regular_floor: float
    far_too_few: float
    recovered: float
    recovered_requests: int
    least_requests: int
    retired_after: timedelta
    together_least: int
    together_share: float
    together_within: timedelta


@cache
def silence_policy() -> SilencePolicy:
    """The rule of silence (``silence.yaml``)."""
    data = _document("silence")
    return SilencePolicy(
        baseline_weeks=data["baseline_weeks"],
        alarms_per_year=float(data["alarms_per_app_year"]),
        days_missed_per_year=float(data["days_missed_per_app_year"]),
        least_silence=timedelta(minutes=data["least_silence_minutes"]),
        clustering_cap=float(data["clustering_cap"]),
        day_spread_cap=float(data["day_spread_cap"]),
        regular_below=float(data["regular_below"]),
        regular_floor=float(data["regular_floor"]),
        far_too_few=float(data["far_too_few"]),
        recovered=float(data["recovered"]),
        recovered_requests=data["recovered_requests"],
        least_requests=data["least_requests"],
        retired_after=timedelta(days=data["retired_after_days"]),
        together_least=data["together_least"],
        together_share=float(data["together_share"]),
        together_within=timedelta(hours=data["together_hours"]),
    )


@dataclass(frozen=True)
class CountedTable:
    """A published table that objectives may count rows of: columns of a condition, columns events are summed up of, the scope that
    publishes its days, and what one of its rows is called."""

    fields: tuple[str, ...]
    sums: tuple[str, ...]
    scope: str
    rows: str


@dataclass(frozen=True)
class CountedSignal:
    """A signal of telemetry that objectives may count records of: fields of a condition, whether by metric, and by age, and what
    its records are called.

    ``values``: of some fields all they can hold.
    """

    fields: tuple[str, ...]
    metric: bool
    age: bool
    records: str
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class IndicatorSources:
    """What objectives of their own may count, and the bounds of a question."""

    telemetry: dict[str, CountedSignal]
    tables: dict[str, CountedTable]
    series_cap: int
    oldest_fresh: timedelta
    most_conditions: int
    most_values: int


@cache
def indicator_sources() -> IndicatorSources:
    """Sources of indicators beside requests (``indicator_sources.yaml``)."""
    data = _document("indicator_sources")
    return IndicatorSources(
        {
            name: CountedSignal(
                tuple(one["fields"]),
                one["metric"],
                one["age"],
                one["records"],
                {place: tuple(values) for place, values in one.get("values", {}).items()},
            )
            for name, one in data["telemetry"].items()
        },
        {
            name: CountedTable(tuple(one["fields"]), tuple(one["sums"]), one["scope"], one["rows"])
            for name, one in data["tables"].items()
        },
        data["series_cap"],
        timedelta(days=data["oldest_fresh_days"]),
        data["most_conditions"],
        data["most_values"],
    )


@cache
def collection_grace() -> timedelta:
    """How long what was superseded is kept (``collection.yaml``)."""
    return timedelta(hours=_document("collection")["grace_hours"])


@cache
def policy_sha256() -> str:
    """Digest of every policy file: an answer computed under other numbers is not current."""
    digest = hashlib.sha256()
    for file in sorted((resources.files("models") / "policy").iterdir(), key=lambda one: one.name):
        if file.is_file():
            digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _document(name: str) -> Any:
    text = (resources.files("models") / "policy" / f"{name}.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)
