"""Which objectives an app is held to: the defaults, what OpenSLO files put in their place, and the generations of both.

Takes the values of ``models.openslo`` and frames; counting events and judging them is ``models.slo``. What a file asks for
and nobody can measure yet is refused in a sentence here, never left out in silence.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

import polars as pl

from models import alert_policies
from models.alert_rules import rules_of
from models.budgeting import MISSING, QUIET, Budgeting
from models.errors import ModelError
from models.indicator_counts import COUNTED_VARIANT, AppQuestion, QuestionGroup
from models.indicators import (
    Misasked,
    Question,
    asks_records,
    question_of,
    ratio,
    threshold,
)
from models.openslo import (
    APP,
    COLD_STARTS,
    ENVIRONMENT,
    MISSING_SLICES,
    OBJECTIVE,
    OCCURRENCES,
    QUIET_SLICES,
    ROUTE,
    TIMESLICES,
    DataSource,
    MetricSource,
    OpenSloCatalogue,
    Sli,
    Slo,
    SloService,
    SloTarget,
    TimeWindow,
    WrittenAt,
    metric_sources,
)
from models.openslo_reader import unit_of
from models.parts import PART_KEYS, PART_VARIANT, AppPart, PartGroup, part_of
from models.policy import BurnWindows, Objective, Objectives, duration
from models.registry import normalised_app_id
from models.schemas import SCHEMAS
from models.slo import SLICE
from models.slo_windows import period_at, rolling, window_of, window_text

SOURCE_TYPE = "appfleet"
"""Type of the metric sources of OpenSLO that appfleet measures itself."""

AVAILABILITY, LATENCY = "availability", "latency"
INDICATORS = (AVAILABILITY, LATENCY)
"""What appfleet measures: requests without an error, and requests within a threshold."""

PERCENTILE = "percentile"
"""What a source may ask of latency: that this many of 100 requests are within the threshold, which is what a percentile says."""

HTTP_ROUTE = "http.route"
"""Attribute a source may filter by."""

_QUESTIONS = ("indicator", "kinds", "unit", PERCENTILE, "filter")
_COLD_STARTS = {"": False, "include": False, "exclude": True}

DEFAULTS = "defaults"
"""Source of an objective that no file names."""

EVERYWHERE = ""
"""Environment of an objective that holds in all of them."""

PLACES = 9
"""Decimal places a target may have, as budgets are counted in parts per billion."""

_MS = {"ms": Decimal(1), "s": Decimal(1000)}
_BUDGETING = ("budgeting_method", "slice_minutes", "slice_target", "missing_slices", "quiet_slices")
_DEFINITION = (
    "indicator",
    "target",
    "threshold_ms",
    "time_window",
    *_BUDGETING,
    "span_kinds",
    "route",
    "without_cold_starts",
)
"""Columns whose change begins a generation."""
_BESIDE = ("source", "alerting")
"""Columns that may change within one: where it is told, and who is told of it when."""

KEYS = ("app_id", "environment", "objective")


@dataclass(frozen=True)
class Override:
    """One objective that stands in place of the defaults of its indicator, for an app and environment."""

    app_id: str
    environment: str
    objective: Objective
    window: TimeWindow
    source: str
    is_default: bool = False
    """Whether it is the default of the app's own criticality, behind whatever a file says."""

    @property
    def indicator(self) -> str:
        """What it measures."""
        return indicator_of(self.objective)


@dataclass(frozen=True)
class Overrides:
    """What files ask for: what can be measured, and a sentence for each objective that cannot."""

    lines: tuple[Override, ...] = ()
    refusals: tuple[str, ...] = ()
    unheeded: tuple[str, ...] = ()
    """Why alert policies are not honoured: their objectives hold and alert by the built-in windows."""


def indicator_of(one: Objective) -> str:
    """What an objective measures."""
    if one.question is not None:
        return one.question.text
    return AVAILABILITY if one.threshold_ms is None else LATENCY


def overrides(
    catalogue: OpenSloCatalogue,
    defaults: Objectives,
    policy: BurnWindows,
    ladder: Sequence[int],
    targets: Collection[str] | None = None,
) -> Overrides:
    """Objectives of a catalogue in place of the defaults.

    Args:
        catalogue: sound objects of the workspace's files.
        defaults: what every app is held to, for the kinds of spans where a file names none.
        policy: whose longest window an objective's own must hold.
        ladder: thresholds slices were counted by, in milliseconds.
        targets: names of the targets that routes of alerts lead to; None: nobody knows.
    """
    lines: list[Override] = []
    refusals: list[str] = []
    unheeded: list[str] = []
    for item in catalogue.items:
        if not isinstance(item, Slo):
            continue
        for place, target in enumerate(item.targets):
            try:
                line = _override(catalogue, item, place, target, defaults, policy, ladder)
            except _Unmeasured as problem:
                refusals.append(f"{problem.where or target.where}: objective {item.meta.name} {problem}")
                continue
            how = alert_policies.alerting_of(catalogue, item, line.window, line.objective.budget, targets)
            unheeded.extend(how.refusals)
            line = replace(line, objective=replace(line.objective, alerting=how.rules))
            taken = next((one for one in lines if _collide(one, line)), None)
            if taken is None:
                lines.append(line)
            else:
                refusals.append(
                    f"{line.source}: objective {line.objective.name} of app {line.app_id} is told by {taken.source} too; "
                    "that one counts, rename one of them"
                )
    why = dict.fromkeys((*unheeded, *alert_policies.unheeded(catalogue, targets)))
    return Overrides(tuple(lines), tuple(refusals), tuple(why))


def _collide(one: Override, other: Override) -> bool:
    """Whether two objectives would be told apart by nothing where both hold."""
    return (
        one.app_id == other.app_id
        and one.objective.name == other.objective.name
        and (
            one.environment == other.environment
            or one.indicator != other.indicator
            or one.objective.route != other.objective.route
        )
    )


def tier_defaults(
    apps: pl.DataFrame, defaults: Objectives, tiers: Mapping[str, Mapping[str, Decimal]]
) -> Iterator[Override]:
    """Default objectives of apps whose criticality has targets of its own.

    Args:
        apps: ``app_id, criticality``.
        defaults: of every app.
        tiers: criticality -> indicator -> target.
    """
    for app_id, criticality in apps.select("app_id", "criticality").iter_rows():
        targets = tiers.get(criticality, {})
        for one in defaults.lines:
            target = targets.get(indicator_of(one), one.target)
            if target != one.target:
                yield Override(
                    app_id,
                    EVERYWHERE,
                    replace(one, target=target),
                    rolling(defaults.window_days),
                    f"criticality {criticality}",
                    is_default=True,
                )


class _Unmeasured(Exception):
    """Completes the sentence why an objective is not measured; ``where`` is told where it is not the objective itself."""

    def __init__(self, problem: str, where: WrittenAt | None = None) -> None:
        super().__init__(problem)
        self.where = where


def _override(
    catalogue: OpenSloCatalogue,
    slo: Slo,
    place: int,
    target: SloTarget,
    defaults: Objectives,
    policy: BurnWindows,
    ladder: Sequence[int],
) -> Override:
    if target.weight is not None:
        raise _Unmeasured("has a compositeWeight; composite objectives are read and not measured yet")
    window = _window(slo.window, policy)
    sli = catalogue.indicator(slo, target)
    if sli is None:
        raise _Unmeasured("has no indicator that some document describes")
    annotations = _annotations(catalogue, slo)
    name = annotations.get(OBJECTIVE, "").strip() or slo.meta.name
    if len(slo.targets) > 1:
        name = f"{name}-{place + 1}"
    if any(asks_records(one.spec) for one in metric_sources(sli)):
        return _counted(catalogue, slo, sli, target, annotations, name, window, defaults)
    asked = _asked(catalogue, sli)
    kinds = _kinds(asked, defaults)
    route = _route(asked, annotations)
    if slo.method != OCCURRENCES and (route or _leaves_cold_starts(annotations)):
        raise _Unmeasured(
            f"has budgetingMethod {slo.method} for a part of the app's requests, which is read and not measured yet; write {OCCURRENCES}"
        )
    if any(one.name == name and (route or indicator_of(one) != asked["indicator"]) for one in defaults.lines):
        what = f"route {route}" if route else asked["indicator"]
        raise _Unmeasured(f"measures {what} under the name of the default objective {name}; rename it")
    _check_share(target.share)
    _check_percentile(asked, target)
    threshold = _threshold(sli, target, ladder) if asked["indicator"] == LATENCY else None
    budgeting = _budgeting(slo.method, target, annotations)
    return Override(
        normalised_app_id(annotations.get(APP) or slo.service),
        annotations.get(ENVIRONMENT, EVERYWHERE).strip().lower(),
        Objective(
            name,
            target.share,
            threshold,
            kinds,
            route=route,
            without_cold_starts=_leaves_cold_starts(annotations),
            budgeting=budgeting,
        ),
        window,
        str(target.where),
    )


def _counted(
    catalogue: OpenSloCatalogue,
    slo: Slo,
    sli: Sli,
    target: SloTarget,
    annotations: Mapping[str, str],
    name: str,
    window: TimeWindow,
    defaults: Objectives,
) -> Override:
    """An objective that counts something else than requests."""
    if any(_plain(catalogue, one)[0] != SOURCE_TYPE for one in metric_sources(sli)):
        raise _Unmeasured(
            f"counts records by a source that is not of type {SOURCE_TYPE}; write `type: {SOURCE_TYPE}`"
        )
    if annotations.get(ROUTE) is not None or _leaves_cold_starts(annotations):
        raise _Unmeasured(
            "counts records, which have no route and no cold starts; leave those annotations out"
        )
    said = [key for key in (MISSING_SLICES, QUIET_SLICES) if annotations.get(key, "").strip()]
    if said and slo.method == OCCURRENCES:
        raise _Unmeasured(f"counts records by {OCCURRENCES} and has {said[0]}, which is about slices of time")
    question = _question(sli, target)
    if any(one.name == name for one in defaults.lines):
        raise _Unmeasured(
            f"measures {question.kind} under the name of the default objective {name}; rename it"
        )
    _check_share(target.share)
    return Override(
        normalised_app_id(annotations.get(APP) or slo.service),
        annotations.get(ENVIRONMENT, EVERYWHERE).strip().lower(),
        Objective(
            name,
            target.share,
            kinds=(),
            budgeting=_budgeting(slo.method, target, annotations),
            question=question,
        ),
        window,
        str(target.where),
    )


def _question(sli: Sli, target: SloTarget) -> Question:
    """What an indicator asks to count; a mistake is told at the line of its field."""
    metric, counts = sli.threshold, sli.ratio
    if counts is not None and counts.raw is not None:
        raise _Unmeasured(
            "has a raw ratio, whose events nobody can count; write good or bad, and total, so that they are weighed"
        )
    try:
        if metric is not None:
            if target.value is None:
                raise _Unmeasured("has no value to hold its threshold metric against; write `op` and `value`")
            unit = unit_of(sli)
            found = threshold({**metric.spec, **({"unit": unit} if unit else {})}, target.op, target.value)
        else:
            assert counts is not None and counts.total is not None
            part = counts.bad if counts.good is None else counts.good
            if part is None or (counts.good is not None and counts.bad is not None):
                raise _Unmeasured("needs good or bad beside total, one of the two")
            if counts.counter is True and "points" in (part.spec.get("from"), counts.total.spec.get("from")):
                raise _Unmeasured(
                    "has `counter: true` and counts points of a gauge; take counters, or leave it out"
                )
            found = ratio(part.spec, counts.total.spec, part_is_bad=counts.good is None)
    except Misasked as wrong:
        raise _Unmeasured(
            f"asks wrongly: {wrong.field} {wrong.problem}", _line_of(sli, wrong.field)
        ) from None
    return found


def _line_of(sli: Sli, named: str) -> WrittenAt | None:
    """Where a field of a question is written, or what is nearest above it."""
    side, _, rest = named.partition(".")
    counts = sli.ratio
    source = sli.threshold
    if counts is not None:
        source = {"good": counts.good, "bad": counts.bad, "total": counts.total}.get(side)
        named = rest
    while source is not None and named:
        if named in source.lines:
            return WrittenAt(sli.where.file, source.lines[named])
        named = named.rpartition(".")[0]
    return sli.where


def _route(asked: Mapping[str, object], annotations: Mapping[str, str]) -> str:
    """The route an objective is of, by its annotation or the filter of its source; empty: it is the whole app's."""
    noted = annotations.get(ROUTE)
    by_filter = asked.get("filter")
    if by_filter is None:
        route = noted
    elif not isinstance(by_filter, dict) or set(by_filter) != {HTTP_ROUTE}:
        raise _Unmeasured(f"filters by {by_filter!r}; it can be a route, `filter: {{{HTTP_ROUTE}: /path}}`")
    else:
        route = str(by_filter[HTTP_ROUTE])
        if noted is not None and noted.strip() != route.strip():
            raise _Unmeasured(f"filters by route {route} and is annotated with {noted}; leave one of them")
    if route is not None and not route.strip():
        raise _Unmeasured("names an empty route; write one as traces name it, such as `GET /orders/{id}`")
    return "" if route is None else route.strip()


def _leaves_cold_starts(annotations: Mapping[str, str]) -> bool:
    said = annotations.get(COLD_STARTS, "").strip().lower()
    if said not in _COLD_STARTS:
        raise _Unmeasured(f"has {COLD_STARTS} {said!r}; it can be include or exclude")
    return _COLD_STARTS[said]


def _check_percentile(asked: Mapping[str, object], target: SloTarget) -> None:
    """A percentile within a threshold is a share of requests within it: the target must be that share."""
    if PERCENTILE not in asked:
        return
    try:
        percentile = Decimal(str(asked[PERCENTILE]))
    except ArithmeticError:
        percentile = Decimal(0)
    if asked["indicator"] != LATENCY or not 0 < percentile < 100:
        raise _Unmeasured(
            f"asks for {PERCENTILE} {asked[PERCENTILE]!r}; it is a number between 0 and 100, of {LATENCY} alone"
        )
    if percentile != target.share * 100:
        share = (percentile / 100).normalize()
        raise _Unmeasured(
            f"asks that percentile {asked[PERCENTILE]} is within a threshold and has the target {target.share}; that "
            f"percentile is within it where {share:f} of the requests are, so write `target: {share:f}`"
        )


def _annotations(catalogue: OpenSloCatalogue, slo: Slo) -> Mapping[str, str]:
    """Annotations of an SLO, before those of its Service."""
    service = catalogue.of("Service").get(slo.service)
    own = service.meta.annotations if isinstance(service, SloService) else {}
    return {**own, **slo.meta.annotations}


def _window(window: TimeWindow, policy: BurnWindows) -> TimeWindow:
    """Whole days that roll, or periods of a calendar that begin with a slice, none shorter than the longest alert's window."""
    longest = duration(policy.windows[-1])
    length = window.duration.length
    if window.calendar is not None:
        start = window.calendar.start
        if start.second or start.microsecond or start.minute % (SLICE // timedelta(minutes=1)):
            raise _Unmeasured(
                f"has a calendar that begins at {start}; requests are counted by {SLICE // timedelta(minutes=1)} minutes, so "
                "begin with one of them"
            )
    elif length is None:
        raise _Unmeasured(
            f"rolls over {window.duration}, which has no fixed length; write days or weeks, such as 30d"
        )
    if length is not None and (length.seconds or length < longest):
        raise _Unmeasured(
            f"has a window of {window.duration}; it must be whole days and {longest.days} of them at least, the longest "
            "window of an alert"
        )
    return window if length is None or window.calendar is not None else rolling(length.days)


def _asked(catalogue: OpenSloCatalogue, sli: Sli) -> Mapping[str, object]:
    """What the one metric source of an indicator asks appfleet for; good and total of a ratio must ask for the same."""
    named = [_plain(catalogue, one) for one in metric_sources(sli)]
    kinds = sorted({kind for kind, _ in named})
    if kinds != [SOURCE_TYPE]:
        others = ", ".join(repr(kind) for kind in kinds if kind != SOURCE_TYPE)
        raise _Unmeasured(
            f"is measured by a source of type {others}, which appfleet does not read; write `type: {SOURCE_TYPE}` with "
            f"`indicator: {AVAILABILITY}` or `{LATENCY}`"
        )
    asked = named[0][1]
    if any(spec != asked for _, spec in named):
        raise _Unmeasured(
            "asks for two different things in its good and total; any ratio of two queries is not measured yet"
        )
    if asked.get("indicator") not in INDICATORS:
        raise _Unmeasured(
            f"asks for the indicator {asked.get('indicator')!r}; {' and '.join(INDICATORS)} are measured"
        )
    unknown = sorted(set(asked) - set(_QUESTIONS))
    if unknown:
        raise _Unmeasured(
            f"asks for {', '.join(unknown)}, which no indicator has; known are {', '.join(_QUESTIONS)}"
        )
    is_latency = asked["indicator"] == LATENCY
    if is_latency != (sli.threshold is not None) or (sli.ratio is not None and sli.ratio.raw is not None):
        raise _Unmeasured(
            f"must be a {'thresholdMetric' if is_latency else 'ratioMetric of good and total'} to measure {asked['indicator']}"
        )
    return asked


def _plain(catalogue: OpenSloCatalogue, one: MetricSource) -> tuple[str, Mapping[str, object]]:
    """Type and question of a metric source, its DataSource followed."""
    if one.source is None:
        return one.type, one.spec
    held = catalogue.of("DataSource").get(one.source.name)
    return one.type or (held.type if isinstance(held, DataSource) else ""), one.spec


def _kinds(asked: Mapping[str, object], defaults: Objectives) -> tuple[str, ...]:
    """Kinds of spans that count: those named, else those of the default objective of the indicator."""
    own = {indicator_of(one): one.kinds for one in defaults.lines}
    known = sorted({kind for kinds in own.values() for kind in kinds})
    named = asked.get("kinds")
    if named is None:
        return own[str(asked["indicator"])]
    if not isinstance(named, list) or not named or not set(map(str, named)) <= set(known):
        raise _Unmeasured(f"counts spans of the kinds {named!r}; it must be a list of {', '.join(known)}")
    return tuple(sorted(set(map(str, named)), reverse=True))


def _check_share(share: Decimal) -> None:
    if share <= 0:
        raise _Unmeasured("has the target 0, which nothing can miss")
    _check_places("target", share)


def _check_places(name: str, share: Decimal) -> None:
    if share.scaleb(PLACES) % 1:
        raise _Unmeasured(f"has the {name} {share}; it may have {PLACES} places at most")


def _budgeting(method: str, target: SloTarget, annotations: Mapping[str, str]) -> Budgeting:
    """How the budget is counted; slices are made of whole slices of requests, so that none is cut."""
    words = {MISSING_SLICES: MISSING, QUIET_SLICES: QUIET}
    said = {key: annotations.get(key, "").strip() for key in words}
    for key, known in words.items():
        if said[key] and said[key] not in known:
            raise _Unmeasured(f"has {key}: {said[key]}; it can be {', '.join(known)}")
    if method == OCCURRENCES:
        return Budgeting(missing=said[MISSING_SLICES], quiet=said[QUIET_SLICES])
    window = target.slice_window
    length = window.length if window is not None else None
    minutes = SLICE // timedelta(minutes=1)
    if length is None or length < SLICE or length % SLICE or timedelta(days=1) % length:
        raise _Unmeasured(
            f"has a timeSliceWindow of {window or 'no length'}; requests are counted by {minutes} minutes and no slice is cut, "
            f"so write a multiple of {minutes}m that divides a day, such as {minutes}m, {3 * minutes}m or 1h"
        )
    if target.slice_target is not None:
        _check_places("timeSliceTarget", target.slice_target)
    return Budgeting(
        method,
        length // timedelta(minutes=1),
        target.slice_target if method == TIMESLICES else None,
        said[MISSING_SLICES],
        said[QUIET_SLICES],
    )


def _threshold(sli: Sli, target: SloTarget, ladder: Sequence[int]) -> int:
    """Threshold in milliseconds; it must be a bound that slices were counted by, as nothing is interpolated."""
    if target.op != "lte":
        raise _Unmeasured(
            f"counts what is {target.op} its value; a request is good within a threshold, write `op: lte`"
        )
    assert target.value is not None
    unit = unit_of(sli)
    if unit not in _MS:
        raise _Unmeasured(f"has a threshold in {unit or 'no unit'}; it can be {' or '.join(_MS)}")
    wanted = target.value * _MS[unit]
    if wanted not in ladder:
        below = max((bound for bound in ladder if bound < wanted), default=None)
        above = min((bound for bound in ladder if bound > wanted), default=None)
        near = " or ".join(f"{bound} ms" for bound in (below, above) if bound is not None)
        raise _Unmeasured(
            f"has a threshold of {target.value} {unit}, which requests are not counted by, and nothing is interpolated; "
            f"take {near}"
        )
    return int(wanted)


@dataclass(frozen=True)
class Assignment:
    """What apps are held to beside the defaults, made ready to be counted in one query per window.

    ``groups``: window -> its different objectives under names of their own; ``apps``: window -> the apps they are of;
    ``lines``: every objective with the name of its variant in its group. ``parts``: window -> objectives of a part of an
    app's requests, which are counted apart, as variants of the parts they are of.
    """

    groups: Mapping[TimeWindow, tuple[Objective, ...]] = field(default_factory=dict)
    apps: Mapping[TimeWindow, tuple[str, ...]] = field(default_factory=dict)
    lines: tuple[tuple[Override, str], ...] = ()
    parts: Mapping[TimeWindow, PartGroup] = field(default_factory=dict)
    counted: Mapping[TimeWindow, QuestionGroup] = field(default_factory=dict)
    """Window -> objectives that count something else than requests."""

    @property
    def groups_by_rules(self) -> Iterator[tuple[TimeWindow, tuple[Objective, ...]]]:
        """Windows, and of each the objectives that alert by the same rules."""
        for window, group in self.groups.items():
            yield from ((window, lines) for lines in alert_policies.by_rules(group))

    @property
    def parts_by_rules(self) -> Iterator[tuple[TimeWindow, tuple[Objective, ...]]]:
        """The same of objectives of a part of an app's requests."""
        for window, group in self.parts.items():
            yield from ((window, lines) for lines in alert_policies.by_rules(group.variants))

    @property
    def counted_by_rules(self) -> Iterator[tuple[TimeWindow, tuple[Objective, ...]]]:
        """The same of objectives that count something else than requests."""
        for window, group in self.counted.items():
            yield from ((window, lines) for lines in alert_policies.by_rules(group.variants))

    def apps_of(self, window: TimeWindow, lines: Iterable[Objective]) -> tuple[str, ...]:
        """The apps that some of the objectives of a window are of."""
        names = {one.name for one in lines}
        if names >= {one.name for one in self.groups[window]}:
            return self.apps[window]
        held_to = {line.app_id for line, name in self.lines if line.window == window and name in names}
        return tuple(sorted(held_to))

    @property
    def routes(self) -> dict[tuple[str, str], str]:
        """App and route of every objective of a route -> where it is told."""
        return {
            (line.app_id, line.objective.route): line.source for line, _ in self.lines if line.objective.route
        }


def held(lines: Iterable[Override]) -> Assignment:
    """Objectives grouped by their window; equal ones of several apps are counted as one variant."""
    variants: dict[TimeWindow, dict[tuple[object, ...], Objective]] = {}
    of_parts: dict[TimeWindow, dict[tuple[object, ...], Objective]] = {}
    apps: dict[TimeWindow, set[str]] = {}
    parts: dict[TimeWindow, set[AppPart]] = {}
    of_questions: dict[TimeWindow, dict[tuple[object, ...], Objective]] = {}
    questions: dict[TimeWindow, set[AppQuestion]] = {}
    placed = []
    for line in lines:
        one, part = line.objective, part_of(line.app_id, line.objective)
        if one.question is not None:
            targets = of_questions.setdefault(line.window, {})
            held_to = targets.setdefault(
                (one.target, one.budgeting, one.alerting),
                replace(one, name=f"{COUNTED_VARIANT} {len(targets) + 1}", question=None),
            )
            questions.setdefault(line.window, set()).add(AppQuestion(line.app_id, line.indicator))
            placed.append((line, held_to.name))
            continue
        same = (variants if part is None else of_parts).setdefault(line.window, {})
        word = "variant" if part is None else PART_VARIANT
        variant = same.setdefault(
            (one.target, one.threshold_ms, one.kinds, one.budgeting, one.alerting),
            replace(one, name=f"{word} {len(same) + 1}", route="", without_cold_starts=False),
        )
        if part is None:
            apps.setdefault(line.window, set()).add(line.app_id)
        else:
            parts.setdefault(line.window, set()).add(part)
        placed.append((line, variant.name))
    return Assignment(
        {window: tuple(same.values()) for window, same in variants.items()},
        {window: tuple(sorted(named)) for window, named in apps.items()},
        tuple(placed),
        {
            window: PartGroup(tuple(same.values()), tuple(sorted(parts[window])))
            for window, same in of_parts.items()
        },
        {
            window: QuestionGroup(tuple(same.values()), tuple(sorted(questions[window])))
            for window, same in of_questions.items()
        },
    )


def promised_in(window: TimeWindow, lines: tuple[Objective, ...], as_of: datetime) -> Objectives:
    """Objectives over the period of their window that a moment is in."""
    period = period_at(window, as_of)
    return Objectives(period.days, lines, None if window.calendar is None else period.begin)


WANTED = pl.Schema(
    {
        **{name: pl.String() for name in KEYS},
        "indicator": pl.String(),
        "time_window": pl.String(),
        "variant": pl.String(),
        "source": pl.String(),
        "route": pl.String(),
        "without_cold_starts": pl.Boolean(),
    }
)
"""Columns of ``wanted``; an empty ``variant`` is a default."""


def wanted(
    seen: pl.DataFrame, defaults: Objectives, asked: Assignment, counted: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Which objective each app and environment is held to (``WANTED``), sorted.

    Of an indicator the objectives of that very environment count, else those of every environment, else the default of the
    app's criticality, else the default of all. Those of a route stand beside them, by the same rule without a default.

    Args:
        seen: ``app_id, environment`` of everything there is.
        defaults: of every app.
        asked: what stands in their place.
        counted: ``app_id, environment, indicator`` of what was counted beside requests: an app that sends logs alone is held to what
            they say where they are of; one of which nothing was counted is held to it everywhere it is.
    """
    by_place: dict[tuple[str, str, str, str, bool], list[tuple[Override, str]]] = {}
    routes: dict[str, set[tuple[str, str]]] = {}
    for line, variant in asked.lines:
        route = line.objective.route
        place = line.app_id, line.environment, line.indicator, route, line.is_default
        by_place.setdefault(place, []).append((line, variant))
        if route:
            routes.setdefault(line.app_id, set()).add((line.indicator, route))
    usual = window_text(rolling(defaults.window_days))
    rows: list[tuple[object, ...]] = []

    def chosen_of(app: str, environment: str, indicator: str, route: str) -> list[tuple[Override, str]]:
        return (
            by_place.get((app, environment, indicator, route, False))
            or by_place.get((app, EVERYWHERE, indicator, route, False))
            or by_place.get((app, EVERYWHERE, indicator, route, True))
            or []
        )

    for app, environment in seen.select("app_id", "environment").unique().iter_rows():
        own = []
        for default in defaults.lines:
            indicator = indicator_of(default)
            instead = chosen_of(app, environment, indicator, "")
            own.extend(instead)
            if not instead:
                rows.append((app, environment, default.name, indicator, usual, "", "", "", False))
        for indicator, route in sorted(routes.get(app, ())):
            own.extend(chosen_of(app, environment, indicator, route))
        rows.extend(_row(app, environment, line, variant) for line, variant in own)
    for app, environment, indicator in _places_counted(seen, asked, counted):
        own = chosen_of(app, environment, indicator, "")
        rows.extend(_row(app, environment, line, variant) for line, variant in own)
    return pl.DataFrame(rows, schema=WANTED, orient="row").sort(KEYS)


def _places_counted(
    seen: pl.DataFrame, asked: Assignment, counted: pl.DataFrame | None
) -> list[tuple[str, str, str]]:
    """App, environment and indicator of every objective that counts something else than requests."""
    pairs = sorted({(one.app_id, one.indicator) for group in asked.counted.values() for one in group.asked})
    found: dict[tuple[str, str], set[str]] = {}
    if not pairs:
        return []
    for app, environment, indicator in () if counted is None else counted.iter_rows():
        found.setdefault((app, indicator), set()).add(environment)
    known: dict[str, set[str]] = {}
    for app, environment in seen.select("app_id", "environment").unique().iter_rows():
        known.setdefault(app, set()).add(environment)
    return [
        (app, environment, indicator)
        for app, indicator in pairs
        for environment in sorted(found.get((app, indicator)) or known.get(app, set()))
    ]


def _row(app: str, environment: str, line: Override, variant: str) -> tuple[object, ...]:
    one = line.objective
    return (
        app,
        environment,
        one.name,
        line.indicator,
        window_text(line.window),
        variant,
        line.source,
        one.route,
        one.without_cold_starts,
    )


def unseen(asked: Assignment, seen: pl.DataFrame) -> Iterator[str]:
    """A sentence for every objective of an app or environment that nobody has seen."""
    pairs = set(seen.select("app_id", "environment").iter_rows())
    apps = {app for app, _ in pairs}
    for line, _ in asked.lines:
        if line.app_id not in apps:
            yield (
                f"{line.source}: objective {line.objective.name} is of app {line.app_id}, which no registry, bill or telemetry "
                "names; correct its service or annotation"
            )
        elif line.environment and (line.app_id, line.environment) not in pairs:
            yield (
                f"{line.source}: objective {line.objective.name} is of environment {line.environment} of app {line.app_id}, "
                "which has sent nothing from there"
            )


def chosen(frame: pl.DataFrame, places: pl.DataFrame, window: TimeWindow | None) -> pl.DataFrame:
    """Rows of a judgement that are wanted, under the names of their objectives.

    Args:
        frame: with ``app_id, environment, objective``, where an objective is a variant, or a default; of parts with ``route,
            without_cold_starts`` too (``models.parts.gathered_parts``).
        places: result of ``wanted``.
        window: it was judged by; None: the defaults and theirs.
    """
    if window is None:
        mine = places.filter(pl.col("variant") == "").with_columns(name="objective")
    else:
        mine = places.filter(
            (pl.col("variant") != "") & (pl.col("time_window") == window_text(window))
        ).with_columns(objective="variant", name="objective")
    keys = [name for name in (*KEYS, *PART_KEYS, "indicator") if name in frame.columns]
    order = frame.columns
    return (
        frame.join(mine.select(*keys, "name"), on=keys, how="inner")
        .with_columns(objective=pl.col("name"))
        .select(order)
    )


def definitions(places: pl.DataFrame, defaults: Objectives, asked: Assignment) -> pl.DataFrame:
    """What each objective of ``wanted`` says: its keys and the columns of ``mart_slo_objectives`` that define it."""
    usual = window_text(rolling(defaults.window_days))
    promised = [
        *(
            (window_text(window), one.name, "", one)
            for window, group in asked.groups.items()
            for one in group
        ),
        *(
            (window_text(window), one.name, "", one)
            for window, group in asked.parts.items()
            for one in group.variants
        ),
        *(
            (window_text(window), one.name, "", one)
            for window, group in asked.counted.items()
            for one in group.variants
        ),
        *((usual, "", one.name, one) for one in defaults.lines),
    ]
    schema = SCHEMAS["mart_slo_objectives"]
    kinds = {name: schema[name] for name in ("target", "threshold_ms", "span_kinds", *_BUDGETING, "alerting")}
    said = pl.DataFrame(
        [
            (
                window,
                variant,
                default,
                one.target,
                one.threshold_ms,
                list(one.kinds),
                *_budgeting_row(one),
                "" if one.alerting is None else one.alerting.text,
            )
            for window, variant, default, one in promised
        ],
        schema={"time_window": pl.String(), "variant": pl.String(), "default": pl.String(), **kinds},
        orient="row",
    )
    is_default = pl.col("variant") == ""
    return (
        places.with_columns(
            default=pl.when(is_default).then("objective").otherwise(pl.lit("")),
            source=pl.when(is_default).then(pl.lit(DEFAULTS)).otherwise("source"),
        )
        .join(said, on=["time_window", "variant", "default"], how="left", maintain_order="left")
        .select(pl.col(name).cast(schema[name]) for name in (*KEYS, *_DEFINITION, *_BESIDE))
    )


def _budgeting_row(one: Objective) -> tuple[object, ...]:
    """Columns ``_BUDGETING`` of an objective."""
    how = one.budgeting
    return how.method, how.minutes, how.slice_target, how.missing, how.quiet


def _budgeting_of(row: Mapping[str, object]) -> Budgeting:
    """The same read back."""
    method, minutes, target, missing, quiet = (row[name] for name in _BUDGETING)
    assert isinstance(method, str) and isinstance(missing, str) and isinstance(quiet, str)
    return Budgeting(
        method,
        minutes if isinstance(minutes, int) else None,
        target.normalize() if isinstance(target, Decimal) else None,
        missing,
        quiet,
    )


def generations(before: pl.DataFrame, now: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """Every generation of every objective: ``mart_slo_objectives`` without ``team``, sorted.

    What is defined as it was goes on; what changed ends and begins anew with the next number; what is gone ends.

    Args:
        before: the same as it was published last; none the first time.
        now: result of ``definitions``.
        as_of: the moment from which it holds.

    Raises:
        ModelError: an objective is defined twice.
    """
    if now.select(KEYS).is_duplicated().any():
        raise ModelError("an objective of one app and environment is defined twice")
    columns = [name for name in SCHEMAS["mart_slo_objectives"].names() if name != "team"]
    schema = {name: SCHEMAS["mart_slo_objectives"][name] for name in columns}
    past = before.select(pl.col(name).cast(kind) for name, kind in schema.items())
    moment = pl.lit(as_of).cast(schema["valid_from"])
    last = past.group_by(KEYS).agg(last=pl.col("generation").max())
    goes_on = (
        past.filter(pl.col("valid_to").is_null())
        .with_columns(_definition())
        .join(
            now.select(*KEYS, _definition(), *(pl.col(name).alias(f"now_{name}") for name in _BESIDE)),
            on=[*KEYS, "definition"],
            how="inner",
        )
    )
    begun = (
        now.join(goes_on, on=list(KEYS), how="anti")
        .join(last, on=list(KEYS), how="left")
        .with_columns(
            generation=(pl.col("last").fill_null(0) + 1).cast(pl.UInt32),
            valid_from=moment,
            valid_to=pl.lit(None, schema["valid_to"]),
        )
        .select(pl.col(name).cast(kind) for name, kind in schema.items())
    )
    ended = past.join(goes_on, on=[*KEYS, "generation"], how="anti").with_columns(
        valid_to=pl.col("valid_to").fill_null(pl.max_horizontal(moment, pl.col("valid_from")))
    )
    kept = goes_on.with_columns(pl.col(f"now_{name}").alias(name) for name in _BESIDE).select(columns)
    return pl.concat([kept, ended.select(columns), begun]).sort(*KEYS, "generation")


def _held_in(one: Override, before: pl.DataFrame) -> Iterable[str]:
    """Environments an objective is of."""
    if one.environment != EVERYWHERE:
        return (one.environment,)
    return before.filter(pl.col("app_id") == one.app_id)["environment"].unique()


def _definition() -> pl.Expr:
    """What an objective promises as one text, to be compared."""
    parts = [
        pl.col(name).list.join(",") if name == "span_kinds" else pl.col(name).cast(pl.String)
        for name in _DEFINITION
    ]
    return pl.concat_str([part.fill_null("none") for part in parts], separator="|").alias("definition")


def as_they_were(before: pl.DataFrame, files: Iterable[str], now: Iterable[Override]) -> list[Override]:
    """Objectives that hold by the word of files that cannot be read now, and that no other file tells: they stay as they were.

    Args:
        before: ``mart_slo_objectives`` as it was published last.
        files: names of the files.
        now: what is told by files without a mistake, and by the sound documents of the others.
    """
    told = {
        (one.app_id, environment, one.objective.name) for one in now for environment in _held_in(one, before)
    }
    broken = tuple(f"{file}, line " for file in files)
    if not broken or before.is_empty():
        return []
    open_ = before.filter(pl.col("valid_to").is_null())
    return [
        Override(
            row["app_id"],
            row["environment"],
            Objective(
                row["objective"],
                row["target"].normalize(),
                row["threshold_ms"],
                tuple(row["span_kinds"]),
                route=row["route"],
                without_cold_starts=row["without_cold_starts"],
                budgeting=_budgeting_of(row),
                question=question_of(row["indicator"]),
                alerting=rules_of(row["alerting"]),
            ),
            window_of(row["time_window"]),
            row["source"],
        )
        for row in open_.iter_rows(named=True)
        if row["source"].startswith(broken)
        and (row["app_id"], row["environment"], row["objective"]) not in told
    ]
