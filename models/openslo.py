"""The kinds of OpenSLO v1 as values: what one file says, before anybody decides whether appfleet can measure it.

Reading them from YAML is ``models.openslo_reader``, writing them ``models.openslo_writer``, what they mean for the objectives
of an app ``models.objectives``. Source of names and rules: the OpenSLO specification, version v1
(https://github.com/OpenSLO/OpenSLO).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

API_VERSION = "openslo/v1"

ANNOTATIONS = "appfleet.io/"
"""Begin of the annotations that say what OpenSLO has no word for."""

SHORT_WINDOW = f"{ANNOTATIONS}short-window"
"""On an AlertCondition: the second, shorter window that must burn as fast."""
BUILT_IN = f"{ANNOTATIONS}built-in"
"""On an AlertPolicy: written by export, the built-in windows of alerts told for others; read back it is no policy of its own."""
UNIT = f"{ANNOTATIONS}unit"
"""On an SLI: the unit of the thresholds of its objectives."""
APP = f"{ANNOTATIONS}app-id"
ENVIRONMENT = f"{ANNOTATIONS}environment"
ROUTE = f"{ANNOTATIONS}route"
"""On an SLO (the app on a Service too): what it is an objective of."""
COLD_STARTS = f"{ANNOTATIONS}cold-starts"
"""On an SLO or its Service: ``exclude`` where requests that started an instance anew (``faas.coldstart``) do not count."""
OBJECTIVE = f"{ANNOTATIONS}objective"
"""On an SLO: the name appfleet gives the objective, where it is not that of the SLO."""
MISSING_SLICES = f"{ANNOTATIONS}missing-slices"
QUIET_SLICES = f"{ANNOTATIONS}quiet-slices"
"""On an SLO or a Service: what a slice of time without requests is, where some were due and where none were."""

OCCURRENCES, TIMESLICES, RATIO_TIMESLICES = METHODS = ("Occurrences", "Timeslices", "RatioTimeslices")
OPERATORS = ("lte", "gte", "lt", "gt")

_SHORTHAND = re.compile(r"([1-9][0-9]{0,5})([mhdwMQY])")
_FIXED = {
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_MONTHS = {"M": 1, "Q": 3, "Y": 12}


@dataclass(frozen=True)
class Shorthand:
    """A duration in OpenSLO's shorthand: a number of ``m, h, d, w`` or of ``M, Q, Y``, which have no fixed length."""

    number: int
    unit: str

    def __str__(self) -> str:
        return f"{self.number}{self.unit}"

    @property
    def length(self) -> timedelta | None:
        """Its length; None of months, quarters and years."""
        return self.number * _FIXED[self.unit] if self.unit in _FIXED else None

    @property
    def months(self) -> int:
        """Its months; 0 where it has a fixed length."""
        return self.number * _MONTHS.get(self.unit, 0)


def span(text: str) -> Shorthand | None:
    """A shorthand duration (``5m``, ``28d``, ``1M``) as a value; None where it is none."""
    found = _SHORTHAND.fullmatch(text.strip())
    return Shorthand(int(found[1]), found[2]) if found else None


@dataclass(frozen=True)
class WrittenAt:
    """Where something is written, for sentences: file and line."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}"


@dataclass(frozen=True)
class Meta:
    """Metadata of an object."""

    name: str
    display_name: str = ""
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ref:
    """An object named instead of written out."""

    name: str
    where: WrittenAt = field(compare=False)
    key: str = field(default="", compare=False)


@dataclass(frozen=True)
class MetricSource:
    """Where numbers of an indicator come from: a type, or a DataSource by name, and what that one is asked."""

    type: str = ""
    source: Ref | None = None
    spec: Mapping[str, Any] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict, compare=False)
    """Line of each field of the spec, nested ones behind a dot."""


@dataclass(frozen=True)
class Ratio:
    """A ratio of two counts, or one that is delivered ready (``raw``)."""

    counter: bool | None = None
    good: MetricSource | None = None
    bad: MetricSource | None = None
    total: MetricSource | None = None
    raw: MetricSource | None = None
    raw_type: Literal["success", "failure", ""] = ""


@dataclass(frozen=True)
class Sli:
    """An indicator: exactly one of a ratio and a metric that is held against a threshold."""

    meta: Meta
    where: WrittenAt = field(compare=False)
    description: str = ""
    ratio: Ratio | None = None
    threshold: MetricSource | None = None


@dataclass(frozen=True)
class Calendar:
    """A begin in wall time, and the IANA zone it is told in."""

    start: datetime
    zone: str


@dataclass(frozen=True)
class TimeWindow:
    """Rolling, or aligned to a calendar."""

    duration: Shorthand
    calendar: Calendar | None = None
    where: WrittenAt = field(default=WrittenAt("", 0), compare=False)


@dataclass(frozen=True)
class SloTarget:
    """One objective of an SLO; ``share`` of 1 must be good, however it was written."""

    share: Decimal
    display_name: str = ""
    op: str = ""
    value: Decimal | None = None
    slice_target: Decimal | None = None
    slice_window: Shorthand | None = None
    weight: Decimal | None = None
    indicator: Sli | Ref | None = None
    where: WrittenAt = field(default=WrittenAt("", 0), compare=False)


@dataclass(frozen=True)
class Condition:
    """An AlertCondition: burns faster than ``threshold`` in the last ``lookback``, for ``after``."""

    meta: Meta
    where: WrittenAt = field(compare=False)
    description: str = ""
    severity: str = ""
    kind: str = "burnrate"
    op: str = ""
    threshold: Decimal | None = None
    lookback: Shorthand | None = None
    after: Shorthand | None = None
    at: Mapping[str, tuple[WrittenAt, str]] = field(default_factory=dict, compare=False)
    """Place and key of each of its fields."""

    @property
    def short(self) -> Shorthand | None:
        """The second window, by the annotation; None: one window only."""
        return span(self.meta.annotations.get(SHORT_WINDOW, ""))


@dataclass(frozen=True)
class NotificationTarget:
    """An AlertNotificationTarget."""

    meta: Meta
    where: WrittenAt = field(compare=False)
    description: str = ""
    target: str = ""


@dataclass(frozen=True)
class AlertPolicy:
    """When somebody is told, and who."""

    meta: Meta
    where: WrittenAt = field(compare=False)
    description: str = ""
    when_no_data: bool | None = None
    when_resolved: bool | None = None
    when_breaching: bool | None = None
    conditions: tuple[Condition | Ref, ...] = ()
    targets: tuple[NotificationTarget | Ref, ...] = ()


@dataclass(frozen=True)
class DataSource:
    """Where metrics are kept."""

    meta: Meta
    where: WrittenAt = field(compare=False)
    description: str = ""
    type: str = ""
    connection: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SloService:
    """What objectives are grouped by; an app here."""

    meta: Meta
    where: WrittenAt = field(compare=False)
    description: str = ""


@dataclass(frozen=True)
class Slo:
    """A service level objective."""

    meta: Meta
    where: WrittenAt = field(compare=False)
    service: str
    window: TimeWindow
    method: str
    targets: tuple[SloTarget, ...]
    indicator: Sli | Ref | None = None
    alert_policies: tuple[AlertPolicy | Ref, ...] = ()
    description: str = ""
    service_at: WrittenAt = field(default=WrittenAt("", 0), compare=False)


Item = Slo | Sli | SloService | AlertPolicy | Condition | DataSource | NotificationTarget

KINDS: Mapping[str, type[Any]] = {
    "SLO": Slo,
    "SLI": Sli,
    "Service": SloService,
    "AlertPolicy": AlertPolicy,
    "AlertCondition": Condition,
    "DataSource": DataSource,
    "AlertNotificationTarget": NotificationTarget,
}
"""Name of a kind -> what holds one."""


def kind_of(item: Item) -> str:
    """The name of an object's kind."""
    return next(name for name, held in KINDS.items() if isinstance(item, held))


@dataclass(frozen=True)
class OpenSloCatalogue:
    """All objects of some files, by kind and name; the first of a name counts."""

    items: tuple[Item, ...]

    def of(self, kind: str) -> dict[str, Item]:
        """Objects of a kind by name."""
        found: dict[str, Item] = {}
        for item in self.items:
            if kind_of(item) == kind:
                found.setdefault(item.meta.name, item)
        return found

    def indicator(self, slo: Slo, target: SloTarget) -> Sli | None:
        """The indicator an objective is measured by, references followed; None where it dangles."""
        named = target.indicator or slo.indicator
        if isinstance(named, Ref):
            found = self.of("SLI").get(named.name)
            return found if isinstance(found, Sli) else None
        return named


def references(item: Item) -> Iterator[tuple[str, Ref]]:
    """Kind and name of everything an object names, in what it has inline too."""
    match item:
        case Slo():
            yield from _indicator(item.indicator)
            for target in item.targets:
                yield from _indicator(target.indicator)
            for policy in item.alert_policies:
                yield from (("AlertPolicy", policy),) if isinstance(policy, Ref) else references(policy)
        case Sli():
            yield from _sources(item)
        case AlertPolicy():
            for condition in item.conditions:
                if isinstance(condition, Ref):
                    yield "AlertCondition", condition
            for who in item.targets:
                if isinstance(who, Ref):
                    yield "AlertNotificationTarget", who


def _indicator(named: Sli | Ref | None) -> Iterator[tuple[str, Ref]]:
    if isinstance(named, Ref):
        yield "SLI", named
    elif named is not None:
        yield from _sources(named)


def _sources(sli: Sli) -> Iterator[tuple[str, Ref]]:
    for one in metric_sources(sli):
        if one.source is not None:
            yield "DataSource", one.source


def metric_sources(sli: Sli) -> Iterator[MetricSource]:
    """Every metric source of an indicator."""
    ratio = sli.ratio or Ratio()
    yield from filter(None, (sli.threshold, ratio.good, ratio.bad, ratio.total, ratio.raw))


def duplicates(items: Iterable[Item]) -> Iterator[tuple[Item, Item]]:
    """Objects whose kind and name were there before, each with the first of that name."""
    seen: dict[tuple[str, str], Item] = {}
    for item in items:
        first = seen.setdefault((kind_of(item), item.meta.name), item)
        if first is not item:
            yield item, first
