"""Plays a simulated fleet's traffic now, through OTLP, with one incident: a version that fails on one route.

What is sent follows from the fleet's seed; when, from the clock that is handed in. Who takes it, and whether anybody notices,
is not known here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.trace import SpanKind, Status, StatusCode

from models.errors import ConfigurationError
from pipelines.simulate.draw import draw_fleet
from pipelines.simulate.fleet import Fleet, profile
from pipelines.simulate.spans import SCOPE, SECOND, Sender
from pipelines.simulate.telemetry import VERSIONS, Telemetry

TICK_SECONDS = 1.0
PATIENCE = 5
"""Times in a row that nobody takes what is sent until nothing more is sent."""
SERVER = "server"

Send = Callable[[Sequence[ReadableSpan]], bool]
"""Sends spans and says whether they were taken."""


@dataclass(frozen=True)
class LiveIncident:
    """What is planted: requests of one route fail in one version, from ``begins`` on until before ``ends``."""

    app_id: str
    environment: str
    route: str
    version: str
    begins: datetime
    ends: datetime


@dataclass
class LiveCounts:
    """What was played: requests, those that failed, and spans nobody took."""

    requests: int = 0
    bad: int = 0
    refused_spans: int = 0


def fleet_of(workspace: Path) -> Fleet:
    """The fleet a workspace was simulated with, drawn again from what its ``truth.json`` says.

    Raises:
        ConfigurationError: the folder was not simulated.
    """
    try:
        truth = json.loads((workspace / "truth.json").read_text(encoding="utf-8"))
        first, last = (date.fromisoformat(truth[name]) for name in ("first_day", "last_day"))
        apps, seed = len(truth["apps"]), int(truth["seed"])
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"{workspace} is no simulated workspace: `appfleet simulate {workspace}` makes one, and `--live` plays on it"
        ) from error
    return draw_fleet(apps, (last - first).days + 1, seed, last)


class LiveTraffic:
    """Traffic of a fleet from a moment on, second by second, and the incident in it."""

    def __init__(self, fleet: Fleet, begins: datetime, seconds: float) -> None:
        size = profile()["live"]
        known = Telemetry(fleet)
        self._rng = fleet.rng(6, int(begins.timestamp()))
        heard = {app.app_id: app for app in fleet.apps if app.is_heard and app.idle_from >= fleet.days}
        troubled = {one.app_id for one in fleet.incidents} | {one.app_id for one in fleet.habits}
        self._deployed = set(known.incidents)
        self._senders = [
            one for one in known.senders if one.app_id in heard and one.app_id not in known.habits
        ]
        subjects = [
            one
            for one in self._senders
            if one.kind == SERVER and one.app_id not in troubled and heard[one.app_id].registered
            and heard[one.app_id].environment == "production"
        ]  # fmt: skip
        if not subjects:
            raise ConfigurationError("no app of this fleet can have an incident: simulate a larger one")
        self._subject = max(subjects, key=lambda one: (heard[one.app_id].requests_weight, one.app_id))
        weights = np.array([heard[one.app_id].requests_weight for one in self._senders])
        self._rates = weights / weights.sum() * size["requests_per_second"]
        self._rates[self._senders.index(self._subject)] = size["subject_per_second"]
        start = begins + timedelta(seconds=min(size["before_seconds"], seconds / 3))
        self.incident = LiveIncident(
            self._subject.app_id,
            heard[self._subject.app_id].environment,
            size["routes"][-1],
            size["version"],
            start,
            min(start + timedelta(seconds=size["incident_seconds"]), begins + timedelta(seconds=seconds)),
        )
        self._providers: dict[tuple[str, str], TracerProvider] = {}
        self.counts = LiveCounts()

    def second(self, begins: datetime) -> list[ReadableSpan]:
        """Spans of the requests that begin in one second, ended, in no order of time."""
        counts = self._rng.poisson(self._rates * TICK_SECONDS).tolist()
        return [
            span
            for sender, count in zip(self._senders, counts, strict=True)
            for _ in range(count)
            for span in [self._request(sender, begins)]
        ]

    def _request(self, sender: Sender, begins: datetime) -> ReadableSpan:
        size = profile()["live"]
        start = int(begins.timestamp() * SECOND) + int(self._rng.random() * TICK_SECONDS * SECOND)
        route = size["routes"][int(self._rng.integers(len(size["routes"])))]
        version, bad = VERSIONS[sender.app_id in self._deployed], False
        if sender is self._subject and begins >= self.incident.begins:
            is_over = begins >= self.incident.ends
            if not is_over and self._rng.random() < size["version_share"]:
                version = self.incident.version
                bad = route == self.incident.route and self._rng.random() < size["bad"]
        latency = profile()["telemetry"]["latency_ms"]
        milliseconds = float(np.exp(self._rng.normal(np.log(latency["median"]), latency["sigma"])))
        self.counts.requests += 1
        self.counts.bad += bad
        return self._span(
            sender, version, route, start, start + int(min(milliseconds, latency["limit"]) * 10**6), bad
        )

    def _span(
        self, sender: Sender, version: str, route: str, start: int, end: int, bad: bool
    ) -> ReadableSpan:
        is_http = sender.kind == SERVER
        span = self._tracer(sender, version).start_span(
            route if is_http else "items process",
            kind=SpanKind.SERVER
            if is_http
            else SpanKind.CONSUMER
            if sender.kind == "consumer"
            else SpanKind.INTERNAL,
            start_time=start,
            attributes=_http(route, bad) if is_http else None,
        )
        if bad:
            span.add_event(
                "exception",
                {"exception.type": "ValueError", "exception.message": profile()["live"]["error"]},
                timestamp=end,
            )
            span.set_status(Status(StatusCode.ERROR, profile()["live"]["error"]))
        span.end(end)
        assert isinstance(span, ReadableSpan)
        return span

    def _tracer(self, sender: Sender, version: str) -> Any:
        provider = self._providers.get((sender.app_id, version))
        if provider is None:
            attributes = {**dict(sender.attributes), "service.version": version}
            provider = TracerProvider(resource=Resource(attributes), shutdown_on_exit=False)
            self._providers[sender.app_id, version] = provider
        return provider.get_tracer(SCOPE)


def _http(route: str, bad: bool) -> dict[str, str | int]:
    method, path = route.split(" ", 1)
    return {
        "http.request.method": method,
        "http.route": path,
        "http.response.status_code": 500 if bad else 200,
    }


def play(
    traffic: LiveTraffic,
    send: Send,
    seconds: float,
    now: Callable[[], datetime],
    sleep: Callable[[float], None],
) -> LiveCounts:
    """Sends each second's requests when the second is over, for so long, or until nobody took any ``PATIENCE`` times in a row;
    returns what was played."""
    begins, refused = now().astimezone(UTC), 0
    for number in range(max(1, round(seconds / TICK_SECONDS))):
        second = begins + timedelta(seconds=number * TICK_SECONDS)
        over = (second - now()).total_seconds() + TICK_SECONDS
        if over > 0:
            sleep(over)
        spans = traffic.second(second)
        if not spans:
            continue
        refused = 0 if send(spans) else refused + 1
        traffic.counts.refused_spans += len(spans) if refused else 0
        if refused == PATIENCE:
            break
    return traffic.counts
