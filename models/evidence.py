"""What is to blame for bad requests: suspects ranked from counts and sampled traces, what was deployed, which alerts are one.

Pure: frames in, suspects with their counts and one sentence each out. Reading traces and logs, and how a suspect is drawn,
do not belong here; the numbers live in ``models/policy/evidence.yaml``.

A suspect is a value (a version, a route, an attribute, a failing dependency) that bad requests have more often than good
ones. With x of n bad and y of m good requests, its score is the lower bound of the difference of the two shares after Agresti
and Caffo: d - z s, d = (x + 1)/(n + 2) - (y + 1)/(m + 2), s the standard error of d. Its lift, (x/n) / (y/m), is told beside it
and does not rank: one request among few has a large lift.

A dependency is blamed along the traces. Where requests fail, the origin of a trace is its failed span without a failed child,
the earliest of several; where they are slow, it is what spent the most self-time beyond what it spends in good requests of
the same route. Self-time of a span is its duration without the parts its children cover.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import resources
from statistics import fmean
from typing import Literal, NamedTuple

import polars as pl
import yaml
from pydantic import BaseModel, ConfigDict

from models.errors import ModelError

Measure = Literal["availability", "latency", "everything"]
MEASURES: tuple[Measure, ...] = ("availability", "latency", "everything")


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SharedPolicy(_Section):
    """When alerts of several apps are one, as the policy has it."""

    grouped_apps: int
    alerting_apps: int
    minutes: int
    least_apps: int
    least_failed: int
    least_failed_share: float
    times_before: float


class EvidencePolicy(_Section):
    """Every number of the evidence, as ``models/policy/evidence.yaml`` has it."""

    base_lengths: int
    least_base_minutes: int
    longest_range_hours: int
    sample_size: int
    around_minutes: int
    deploys_days: int
    least_bad: int
    least_score: float
    sureness: float
    tie: float
    suspects: int
    value_limit: int
    exemplars: int
    exemplars_per_kind: int
    log_rows: int
    shown_spans: int
    dependencies: int
    order: tuple[str, ...]
    words: dict[str, str]
    symptoms: tuple[str, ...]
    named: tuple[str, ...]
    left_out: tuple[str, ...]
    shared: SharedPolicy


POLICY = EvidencePolicy.model_validate(
    yaml.safe_load((resources.files("models") / "policy" / "evidence.yaml").read_text("utf-8"))
)

DEPENDENCY = "dependency"
ITSELF = "app"
ANOTHER_TEAMS = "an app of another team"
"""Name of a span's app that the viewer may not see and that no call of an own app names."""
_MOMENTS = ("%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%MZ", "%Y-%m-%d %H:%M:%S")


@dataclass(frozen=True)
class EvidenceRange:
    """From when to when evidence is asked for, its end not in it; aware, UTC."""

    start: datetime
    end: datetime

    @property
    def base(self) -> datetime:
        """From when on good requests are compared."""
        least = timedelta(minutes=POLICY.least_base_minutes)
        return self.start - max(POLICY.base_lengths * (self.end - self.start), least)


@dataclass(frozen=True)
class Suspect:
    """What may be to blame: ``bad`` of ``all_bad`` bad requests have it and ``good`` of ``all_good`` good ones."""

    kind: str
    value: str
    bad: int
    all_bad: int
    good: int
    all_good: int
    score: float
    first_bad: datetime | None = None
    is_sampled: bool = False
    """The counts are of sampled traces, not of all requests."""

    @property
    def lift(self) -> float | None:
        """How many times as often bad requests have it; None where no good one has."""
        if not self.good:
            return None
        return (self.bad / self.all_bad) / (self.good / self.all_good)

    @property
    def sentence(self) -> str:
        """Name and counts in one line."""
        word = POLICY.words.get(self.kind, self.kind)
        lift = "" if self.lift is None else f", {self.lift:.1f} times as often"
        sampled = "sampled " if self.is_sampled else ""
        return (
            f"{word} {self.value}: {self.bad} of {self.all_bad} {sampled}bad requests and "
            f"{self.good} of {self.all_good} good ones{lift}"
        )


class SampledSpan(NamedTuple):
    """A span of a sampled trace; times in nanoseconds, duration 0 where it has no end."""

    trace_id: str
    span_id: str
    parent_id: str
    app_id: str
    name: str
    kind: str
    peer: str
    start_ns: int
    duration_ns: int
    failed: bool


@dataclass(frozen=True)
class SampledRequest:
    """A sampled request: its own span, and which side it is of."""

    trace_id: str
    span_id: str
    side: str
    route: str


@dataclass(frozen=True)
class SharedCause:
    """A failing dependency that several alerting apps call; ``apps`` are sorted."""

    peer: str
    apps: tuple[str, ...]
    first_failed: datetime | None
    failed: int
    calls: int


def moment_of(text: str) -> datetime:
    """A moment to the minute as people write it in an address or a command, UTC.

    Raises:
        ModelError: it is none; the sentence says how it is written.
    """
    for pattern in _MOMENTS:
        try:
            return datetime.strptime(text.strip(), pattern).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise ModelError(f"“{text[:40]}” is no time: write it in UTC as 2026-03-11T22:05")


def asked_range(start: str, end: str) -> EvidenceRange:
    """The range of two texts.

    Raises:
        ModelError: one is no time, the range is empty, or longer than the policy reads.
    """
    found = EvidenceRange(moment_of(start), moment_of(end))
    if found.end <= found.start:
        raise ModelError(
            f"the range ends at {end.strip()[:40]}, which is not after its start: turn them round"
        )
    if found.end - found.start > timedelta(hours=POLICY.longest_range_hours):
        raise ModelError(
            f"the range is longer than {POLICY.longest_range_hours} hours: ask for the hours in which it began"
        )
    return found


def score(bad: int, all_bad: int, good: int, all_good: int) -> float:
    """Lower bound of how much larger a share of the bad than of the good has a value (Agresti and Caffo, 2000)."""
    of_bad, of_good = (bad + 1) / (all_bad + 2), (good + 1) / (all_good + 2)
    error = math.sqrt(of_bad * (1 - of_bad) / (all_bad + 2) + of_good * (1 - of_good) / (all_good + 2))
    return of_bad - of_good - POLICY.sureness * error


def totals(attributes: pl.DataFrame) -> tuple[int, int]:
    """Bad and good requests of all, as ``sql/queries/evidence/attributes`` counts them."""
    whole = attributes.filter(pl.col("dimension") == "")
    return (int(whole["bad"][0]), int(whole["good"][0])) if whole.height else (0, 0)


def attribute_suspects(attributes: pl.DataFrame) -> list[Suspect]:
    """Values that the bad have more often than the good, of dimensions that are no symptom; the best scored first.

    Columns read: ``dimension, value, bad, good, first_bad``. Of values with equal counts (an attribute that says a
    version over again) the one of the dimension that stands first in the policy's order is kept.
    """
    all_bad, all_good = totals(attributes)
    found = [
        Suspect(
            row["dimension"], row["value"], row["bad"], all_bad, row["good"], all_good,
            score(row["bad"], all_bad, row["good"], all_good), row["first_bad"],
        )
        for row in attributes.iter_rows(named=True)
        if row["dimension"] not in ("", *POLICY.symptoms) and row["bad"] >= POLICY.least_bad
    ]  # fmt: skip
    once: dict[tuple[int, int], Suspect] = {}
    for one in sorted(found, key=lambda one: (_place(one.kind), one.kind, one.value)):
        once.setdefault((one.bad, one.good), one)
    return [one for one in once.values() if one.score >= POLICY.least_score]


def likeliest(attributes: pl.DataFrame, dimension: str) -> str:
    """The value of one dimension that is suspected first, whatever else has the same counts; empty where none is.

    Columns read: those of ``attribute_suspects``.
    """
    found = attribute_suspects(attributes.filter(pl.col("dimension").is_in(["", dimension])))
    return max(found, key=lambda one: (one.score, one.bad, one.value)).value if found else ""


def _place(kind: str) -> int:
    return POLICY.order.index(kind) if kind in POLICY.order else len(POLICY.order) + (kind == ITSELF)


def ranked(suspects: Iterable[Suspect]) -> list[Suspect]:
    """Suspects, the likeliest first: by score in steps of the policy's tie, then by what they are; the app itself last.

    The app itself says only that no part of it and nothing it calls stands out.
    """
    best = sorted(suspects, key=lambda one: (one.kind == ITSELF, -one.score, one.kind, one.value))
    found: list[Suspect] = []
    while best:
        near = [
            one
            for one in best
            if one.score > best[0].score - POLICY.tie and (one.kind == ITSELF) == (best[0].kind == ITSELF)
        ]
        found.append(min(near, key=lambda one: (_place(one.kind), -one.score, one.kind, one.value)))
        best.remove(found[-1])
    return found[: POLICY.suspects]


class _Trace:
    """The spans below one request, with who is answerable for each."""

    def __init__(self, request: SampledRequest, spans: Sequence[SampledSpan]) -> None:
        by_parent: dict[str, list[SampledSpan]] = defaultdict(list)
        for span in spans:
            by_parent[span.parent_id].append(span)
        self.request = request
        self.spans: list[SampledSpan] = []
        self.children: dict[int, list[int]] = defaultdict(list)
        self.owners: list[str] = []
        roots = [
            span for span in spans if span.span_id == request.span_id and span.kind in ("server", "consumer")
        ]
        self._walk(roots[:1], None, by_parent)

    def _walk(
        self, roots: Sequence[SampledSpan], above: int | None, by_parent: Mapping[str, Sequence[SampledSpan]]
    ) -> None:
        todo = [(span, above) for span in roots]
        seen: set[SampledSpan] = set()
        while todo:  # not by recursion: a trace can be as deep as it likes
            span, parent = todo.pop()
            if span in seen:
                continue
            seen.add(span)
            place = len(self.spans)
            self.spans.append(span)
            self.owners.append(self._owner(span, parent))
            if parent is not None:
                self.children[parent].append(place)
            below = list(by_parent.get(span.span_id, ()))
            # a server span may have the id of the client span that called it, and its children with it
            todo += [(one, place) for one in below if one is not span]

    def _owner(self, span: SampledSpan, parent: int | None) -> str:
        """Whose time a span is: of its app, and a call's of what is called."""
        if span.kind in ("client", "producer") and span.peer:
            return span.peer
        if span.app_id:
            return span.app_id
        if parent is None:
            return ANOTHER_TEAMS
        above = self.spans[parent]
        return (
            self.owners[parent] if above.kind in ("client", "producer") or not above.app_id else ANOTHER_TEAMS
        )

    def named(self) -> list[str]:
        """Owner of each span; a call whose callee sent a span is named as that callee."""
        names = list(self.owners)
        for place, span in enumerate(self.spans):
            if span.kind in ("client", "producer"):
                seen = [
                    self.spans[child].app_id for child in self.children[place] if self.spans[child].app_id
                ]
                others = [one for one in seen if one != span.app_id]
                if others:
                    names[place] = others[0]
        return names

    def failed_at(self) -> str:
        """Who failed first: owner of the failed span without a failed child that ended first; empty where none failed."""
        names = self.named()
        leaves = [
            (span.start_ns + span.duration_ns, place)
            for place, span in enumerate(self.spans)
            if span.failed and not any(self.spans[child].failed for child in self.children[place])
        ]
        return names[min(leaves)[1]] if leaves else ""

    def failing(self) -> set[str]:
        """Owners of failed spans."""
        names = self.named()
        return {names[place] for place, span in enumerate(self.spans) if span.failed}

    def self_times(self) -> Counter[str]:
        """Nanoseconds each owner spent itself."""
        found: Counter[str] = Counter()
        for place, name in enumerate(self.named()):
            span = self.spans[place]
            covered = _covered(span, [self.spans[child] for child in self.children[place]])
            found[name] += span.duration_ns - covered
        return found


def _covered(span: SampledSpan, children: Sequence[SampledSpan]) -> int:
    """Nanoseconds of a span that its children cover, each moment once."""
    end, covered, last = span.start_ns + span.duration_ns, 0, span.start_ns
    for start, stop in sorted((one.start_ns, one.start_ns + one.duration_ns) for one in children):
        start, stop = max(start, last), min(stop, end)
        if stop > start:
            covered += stop - start
            last = stop
    return covered


def _traces(requests: Sequence[SampledRequest], spans: Iterable[SampledSpan]) -> list[_Trace]:
    by_trace: dict[str, list[SampledSpan]] = defaultdict(list)
    for span in spans:
        by_trace[span.trace_id].append(span)
    found = [_Trace(one, by_trace.get(one.trace_id, ())) for one in requests]
    return [one for one in found if one.spans]


def trace_suspects(
    app_id: str, measure: Measure, requests: Sequence[SampledRequest], spans: Iterable[SampledSpan]
) -> list[Suspect]:
    """Dependencies, and the app itself, by how many sampled bad traces begin to go wrong there and how many good ones do."""
    traces = _traces(requests, spans)
    bad = [one for one in traces if one.request.side == "bad"]
    good = [one for one in traces if one.request.side == "good"]
    if not bad:
        return []
    if measure == "availability":
        origins = Counter(one.failed_at() or app_id for one in bad)
        beside = Counter(name for one in good for name in one.failing())
        return _suspects(app_id, origins, beside, len(bad), len(good))
    found = _slow_suspects(app_id, bad, good)
    return [*found, *_cut_short(app_id, bad, good)] if measure == "everything" else found


def _suspects(
    app_id: str, origins: Mapping[str, int], beside: Mapping[str, int], bad: int, good: int
) -> list[Suspect]:
    against = good or bad  # where nothing went well, as if as many had gone well without it
    found = [
        Suspect(
            ITSELF if name == app_id else DEPENDENCY,
            name,
            count,
            bad,
            beside.get(name, 0),
            good,
            score(count, bad, beside.get(name, 0), against),
            is_sampled=True,
        )
        for name, count in sorted(origins.items())
    ]
    return [one for one in found if one.bad >= POLICY.least_bad and one.score >= POLICY.least_score]


def _slow_suspects(app_id: str, bad: Sequence[_Trace], good: Sequence[_Trace]) -> list[Suspect]:
    """Who spent the most self-time beyond the usual of good requests of the same route."""
    usual = _usual(good)
    excesses = [
        Counter({name: time - _of(usual, trace, name) for name, time in trace.self_times().items()})
        for trace in bad
    ]
    means = {name: fmean(one[name] for one in excesses) for name in {key for one in excesses for key in one}}
    origins = Counter(
        max(one.items(), key=lambda item: (item[1], item[0]))[0]
        for one in excesses
        if one and max(one.values()) > 0
    )
    beside: Counter[str] = Counter()
    for trace in good:
        for name, time in trace.self_times().items():
            beside[name] += time - _of(usual, trace, name) > means.get(name, math.inf) / 2 > 0
    return _suspects(app_id, origins, beside, len(bad), len(good))


def _usual(good: Sequence[_Trace]) -> dict[tuple[str, str], float]:
    """Mean self-time of each owner in good requests, by route, and of all routes under the empty one."""
    times: dict[tuple[str, str], list[int]] = defaultdict(list)
    routes: Counter[str] = Counter()
    for trace in good:
        for route in ("", trace.request.route):
            routes[route] += 1
            for name, time in trace.self_times().items():
                times[route, name].append(time)
    return {key: sum(found) / routes[key[0]] for key, found in times.items()}


def _of(usual: Mapping[tuple[str, str], float], trace: _Trace, name: str) -> float:
    own = usual.get((trace.request.route, name))
    return own if own is not None else usual.get(("", name), 0.0)


def _cut_short(app_id: str, bad: Sequence[_Trace], good: Sequence[_Trace]) -> list[Suspect]:
    """The app itself, where requests end without any of the calls that requests of the same routes make."""
    counts = Counter(len(one.spans) == 1 for one in bad)[True]
    beside = Counter(len(one.spans) == 1 for one in good)[True]
    return _suspects(app_id, {app_id: counts}, {app_id: beside}, len(bad), len(good))


def nearest_deploy(deploys: pl.DataFrame, start: datetime | None) -> dict[str, object] | None:
    """The deployment closest to when it went wrong: a row of ``evidence/versions`` or ``evidence/deployments``, a version that was there
    before not counted; None where there is none or no start."""
    if start is None:
        return None
    rows = [row for row in deploys.iter_rows(named=True) if not row["was_there_before"]]
    return min(rows, key=lambda row: (abs(row["at"] - start), row["at"], row["what"]), default=None)


def shared_causes(dependencies: pl.DataFrame) -> list[SharedCause]:
    """Dependencies whose failures several alerting apps share, the one of most apps first; an app is in one group only.

    Columns read: ``app_id, peer, calls, failed, calls_before, failed_before, first_failed`` of the apps that alert.
    """
    policy = POLICY.shared
    failing: dict[str, dict[str, dict[str, object]]] = defaultdict(dict)
    for row in dependencies.iter_rows(named=True):
        share = row["failed"] / row["calls"] if row["calls"] else 0.0
        before = row["failed_before"] / row["calls_before"] if row["calls_before"] else 0.0
        if (
            row["failed"] >= policy.least_failed
            and share >= policy.least_failed_share
            and share > policy.times_before * before
        ):
            failing[row["peer"]][row["app_id"]] = row
    found: list[SharedCause] = []
    while failing:
        peer = min(failing, key=lambda name: (-len(failing[name]), name))
        rows = failing.pop(peer)
        if len(rows) < policy.least_apps:
            break
        found.append(_cause(peer, rows))
        for others in failing.values():
            for app in rows:
                others.pop(app, None)
    return found


def _cause(peer: str, rows: Mapping[str, Mapping[str, object]]) -> SharedCause:
    frame = pl.DataFrame([dict(row) for row in rows.values()])
    first = frame["first_failed"].min()
    return SharedCause(
        peer,
        tuple(sorted(rows)),
        first if isinstance(first, datetime) else None,
        int(frame["failed"].sum()),
        int(frame["calls"].sum()),
    )


class Bar(NamedTuple):
    """A span's place in a waterfall: how deep below the first, and nanoseconds after the trace's begin."""

    depth: int
    offset_ns: int
    span: SampledSpan


def waterfall(spans: Sequence[SampledSpan]) -> list[Bar]:
    """The spans of one trace, each below its parent, in the order of time; without a parent at hand it stands at the edge.

    Each span stands once, though client and server of a call share an id or parents make a circle.
    """
    if not spans:
        return []
    ids = {span.span_id for span in spans}
    begin = min(span.start_ns for span in spans)
    by_parent: dict[str, list[int]] = defaultdict(list)
    roots: list[int] = []
    for place, span in enumerate(spans):
        has_parent = span.parent_id in ids and span.parent_id != span.span_id
        (by_parent[span.parent_id] if has_parent else roots).append(place)
    found: list[Bar] = []
    shown: set[int] = set()
    everything = list(range(len(spans)))
    for start in (roots, everything):  # those of a circle have no root
        todo = [(place, 0) for place in reversed(start)]
        while todo:
            place, depth = todo.pop()
            if place in shown:
                continue
            shown.add(place)
            span = spans[place]
            found.append(Bar(depth, span.start_ns - begin, span))
            todo += [(one, depth + 1) for one in reversed(by_parent[span.span_id])]
    return found
