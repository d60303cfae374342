"""Draws a fault in one app's hour of traffic and the spans it leaves across apps, with what is to blame.

Plain data and draws from a seed: nothing here reads a clock or writes a file. What finds the fault again is
``models.evidence``, which knows nothing of how it is drawn here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

import numpy as np

from pipelines.simulate.spans import SECOND

Kind = Literal["error", "delay", "dependency", "version", "route"]
FAULTS: tuple[Kind, ...] = ("error", "delay", "dependency", "version", "route")

_MILLISECOND = SECOND // 1000
_ENVIRONMENT = "production"
_STORES = ("postgresql", "redis")
_TEXTS = {"error": "could not answer", "timeout": "upstream timed out"}


@dataclass(frozen=True)
class FaultSpan:
    """One span of an app; times in nanoseconds."""

    trace_id: str
    span_id: str
    parent_id: str
    app_id: str
    name: str
    kind: str
    start: int
    end: int
    failed: bool
    version: str
    host: str
    attributes: tuple[tuple[str, str], ...] = ()
    message: str = ""

    @property
    def resource(self) -> dict[str, str]:
        """Attributes of its resource."""
        return {
            "app_id": self.app_id,
            "service.name": self.app_id,
            "service.version": self.version,
            "deployment.environment.name": _ENVIRONMENT,
            "host.name": self.host,
        }


@dataclass(frozen=True)
class Fault:
    """A planted fault: the app that alerts, when it began and ended, how it is measured, and what is to blame."""

    app_id: str
    kind: Kind
    begins: datetime
    ends: datetime
    measure: Literal["availability", "latency"]
    threshold_ms: int
    culprit_kind: str
    culprit: str
    spans: list[FaultSpan] = field(repr=False, default_factory=list)


@dataclass
class _Call:
    """What a route calls: an app or a store, and what that calls in turn."""

    name: str
    is_app: bool
    usual_ms: float
    below: list[_Call] = field(default_factory=list)

    def names(self) -> Iterator[str]:
        yield self.name
        for one in self.below:
            yield from one.names()


class _Draw:
    """One fault with everything drawn for it."""

    def __init__(
        self, seed: int, kind: Kind, name: str, begins: datetime, minutes: int, requests: int
    ) -> None:
        self.rng = np.random.default_rng([seed, FAULTS.index(kind)])
        rng = self.rng
        self.name = name
        self.kind = kind
        self.begins = begins
        self.length = timedelta(minutes=minutes)
        self.requests = requests
        self.calls = [self._app(number, depth=0) for number in range(int(rng.integers(2, 5)))]
        self.routes = [
            f"{verb} /{noun}"
            for verb, noun in zip(
                ("GET", "POST", "GET", "PUT", "GET"),
                ("items", "orders", "items/{id}", "cart", "search"),
                strict=True,
            )
        ][: int(rng.integers(3, 6))]
        self.weights = rng.dirichlet(np.full(len(self.routes), 2.0))
        self.weights = (self.weights + 0.08) / (self.weights + 0.08).sum()
        self.plans = [
            [one for one in self.calls if rng.random() < 0.6] or [self.calls[0]] for _ in self.routes
        ]
        self.own_ms = rng.uniform(5, 40, len(self.routes))
        self.share = float(rng.uniform(0.3, 1.0))
        self.late_ms = float(rng.uniform(600, 2500))
        self.is_slow = kind == "delay" or (kind == "dependency" and rng.random() < 0.4)
        called = sorted({name for plan in self.plans for one in plan for name in one.names()})
        self.culprit = {
            "error": name,
            "delay": name,
            "dependency": called[int(rng.integers(len(called)))],
            "version": "2.1.0",
            "route": self.routes[int(rng.integers(len(self.routes)))],
        }[kind]
        # a canary beside the old version, or, as an innocent bystander, a deployment some time before
        self.canary = (
            float(rng.uniform(0.15, 0.5)) if kind == "version" else float(rng.choice([0.0, 0.0, 0.3]))
        )
        self.deployed = begins if kind == "version" else begins - self.length * float(rng.uniform(0.3, 0.9))

    def _app(self, number: int, depth: int) -> _Call:
        rng = self.rng
        one = _Call(f"{self.name}-dep{number}{'abc'[depth]}", True, float(rng.uniform(5, 40)))
        if rng.random() < 0.6:
            one.below.append(
                _Call(
                    f"{_STORES[int(rng.integers(2))]}-{self.name}{number}{'abc'[depth]}",
                    False,
                    float(rng.uniform(2, 12)),
                )
            )
        if depth < 1 and rng.random() < 0.4:
            one.below.append(self._app(number, depth + 1))
        return one

    def fault(self) -> Fault:
        kind = {"error": "app", "delay": "app"}.get(self.kind, self.kind)
        found = Fault(
            self.name, self.kind, self.begins, self.begins + self.length,
            "latency" if self.is_slow else "availability", 500 if self.is_slow else 0, kind, self.culprit,
        )  # fmt: skip
        for _ in range(self.requests):
            found.spans.extend(self._request())
        return found

    def _request(self) -> list[FaultSpan]:
        rng = self.rng
        at = self.begins - self.length + 2 * self.length * float(rng.random())
        route = int(rng.choice(len(self.routes), p=self.weights))
        version = "2.1.0" if at >= self.deployed and rng.random() < self.canary else "2.0.3"
        hit = (
            at >= self.begins
            and float(rng.random()) < self.share
            and {
                "version": version == self.culprit,
                "route": self.routes[route] == self.culprit,
            }.get(self.kind, True)
        )
        self.is_hit = hit and self.kind == "dependency"
        self.trace = rng.bytes(16).hex()
        spans: list[FaultSpan] = []
        span_id, start = rng.bytes(8).hex(), int(at.timestamp() * 1000) * _MILLISECOND
        clock = start + self._took(self.own_ms[route])
        failed = False
        for call in self.plans[route]:
            clock, is_bad = self._call(call, span_id, clock, self.name, version, spans)
            failed |= is_bad
        if hit and self.kind == "delay":
            clock += self._took(self.late_ms)
        failed |= (hit and self.kind in ("error", "version", "route")) or float(rng.random()) < 0.003
        method, path = self.routes[route].split(" ")
        own = FaultSpan(
            self.trace, span_id, "", self.name, self.routes[route], "server", start, clock + _MILLISECOND, failed,
            version, f"{self.name}-{int(rng.integers(3))}",
            (("http.request.method", method), ("http.route", path), ("http.response.status_code", "503" if failed else "200")),
            _TEXTS["error"] if failed else "",
        )  # fmt: skip
        return [own, *spans]

    def _call(
        self, call: _Call, parent: str, clock: int, caller: str, version: str, spans: list[FaultSpan]
    ) -> tuple[int, bool]:
        """Spans of a call and what it calls; when it ended, and whether it failed."""
        rng = self.rng
        client, server = rng.bytes(8).hex(), rng.bytes(8).hex()
        start = clock
        inner = clock + _MILLISECOND
        ended = inner + self._took(call.usual_ms)
        failed = False
        for one in call.below:
            ended, is_bad = self._call(one, server, ended, call.name, "1.0.0", spans)
            failed |= is_bad
        if self.is_hit and call.name == self.culprit:
            if self.is_slow:
                ended += self._took(self.late_ms)
            else:
                failed = True
        message = _TEXTS["timeout"] if failed else ""
        host = f"{call.name}-0"
        if call.is_app:
            attributes: tuple[tuple[str, str], ...] = (("server.address", call.name),)
            spans.append(
                FaultSpan(
                    self.trace,
                    server,
                    client,
                    call.name,
                    "POST /call",
                    "server",
                    inner,
                    ended,
                    failed,
                    "1.0.0",
                    host,
                    (("http.response.status_code", "500" if failed else "200"),),
                    message,
                )
            )
        else:
            attributes = (("db.system.name", call.name.split("-")[0]), ("server.address", call.name))
        spans.append(
            FaultSpan(
                self.trace,
                client,
                parent,
                caller,
                f"call {call.name}",
                "client",
                start,
                ended + _MILLISECOND,
                failed,
                version,
                f"{caller}-0",
                attributes,
                message,
            )
        )
        return ended + 2 * _MILLISECOND, failed

    def _took(self, milliseconds: float) -> int:
        return int(milliseconds * float(self.rng.lognormal(0, 0.35)) * _MILLISECOND)


def drawn_fault(
    seed: int, kind: Kind, name: str, begins: datetime, *, minutes: int = 30, requests: int = 400
) -> Fault:
    """A fault of an app from ``begins`` for some minutes, with the requests of those and of as many minutes before.

    The names of the apps it calls begin with ``name``.
    """
    return _Draw(seed, kind, name, begins, minutes, requests).fault()
