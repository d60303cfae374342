"""Draws the requests of one app on one day, and writes spans as OTLP/JSON or OTLP Protobuf.

A request is a root span (SERVER, CONSUMER, or INTERNAL where an app has no indicator), some with a child.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from pipelines.simulate.fleet import DAY, HOUR, Incident, profile

SECOND = 10**9
KINDS = {"internal": 1, "server": 2, "client": 3, "consumer": 5}
STATUS_ERROR = 2
INCIDENT_PHASE = 7.25
"""Seconds that requests of an incident stay away from the edges of minutes and slices."""
SCOPE = "appfleet.simulate"


@dataclass(frozen=True)
class Sender:
    """Who sends telemetry: resource attributes, and the app the pipeline must count it for."""

    app_id: str
    kind: str
    attributes: tuple[tuple[str, str], ...]


class Span(NamedTuple):
    """One span; times in nanoseconds, ``http_status`` 0 where there is none."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: int
    start: int
    end: int
    http_status: int
    status: int

    @property
    def is_request(self) -> bool:
        return self.kind in (KINDS["server"], KINDS["consumer"])

    @property
    def is_bad(self) -> bool:
        return self.status == STATUS_ERROR or self.http_status >= 500

    @property
    def is_slow(self) -> bool:
        threshold: int = profile()["telemetry"]["latency_ms"]["threshold"] * SECOND // 1000
        return self.end - self.start > threshold


@dataclass(frozen=True)
class Requests:
    """Requests of one app on one day: nanoseconds since midnight, duration in ns, and what went wrong."""

    offset: np.ndarray
    duration: np.ndarray
    bad: np.ndarray


def draw_requests(
    rng: np.random.Generator, count: int, day: int, incidents: Sequence[Incident], error_share: float
) -> Requests:
    """``count`` ordinary requests over a day, and the exact pattern of planted incidents instead of them."""
    latency = profile()["telemetry"]["latency_ms"]
    busy = rng.random(count) < 0.6
    at = np.where(busy, rng.normal(13.5, 2.8, count) % 24, rng.random(count) * 24) * HOUR
    bad = rng.random(count) < error_share
    slow = rng.random(count) < error_share / 2
    milliseconds = _latencies(rng, count, slow)
    for one in incidents:
        outside = (at + day * DAY < one.start) | (at + day * DAY >= one.end)
        at, bad, milliseconds = at[outside], bad[outside], milliseconds[outside]
        turn, moments = _incident_moments(one, day)
        hit = np.floor((turn + 1) * one.share) > np.floor(turn * one.share)
        late = hit if one.objective == "latency" else np.zeros_like(hit)
        at = np.concatenate([at, moments])
        bad = np.concatenate([bad, hit & ~late])
        milliseconds = np.concatenate([milliseconds, _latencies(rng, len(turn), late)])
    order = np.argsort(at, kind="stable")
    assert latency["limit"] < latency["threshold"]
    return Requests(
        (at[order] * SECOND).astype(np.int64),
        (milliseconds[order] * (SECOND // 1000)).astype(np.int64),
        bad[order],
    )


def _latencies(rng: np.random.Generator, count: int, slow: np.ndarray) -> np.ndarray:
    latency = profile()["telemetry"]["latency_ms"]
    usual = np.exp(rng.normal(np.log(latency["median"]), latency["sigma"], count)).clip(2, latency["limit"])
    return np.where(slow, latency["threshold"] * rng.uniform(1.2, 5.0, count), usual)


def _incident_moments(incident: Incident, day: int) -> tuple[np.ndarray, np.ndarray]:
    """Number and second of the day of an incident's requests on one day: one every ``every`` seconds."""
    first = max(incident.start, day * DAY)
    last = min(incident.end, (day + 1) * DAY)
    turn = np.arange(
        -(-(first - incident.start) // incident.every), -(-(last - incident.start) // incident.every)
    )
    return turn, incident.start + turn * incident.every + INCIDENT_PHASE - day * DAY


def spans_of(rng: np.random.Generator, sender: Sender, requests: Requests, midnight: int) -> Iterator[Span]:
    """Root spans of the requests, each followed by its child if it has one."""
    count = len(requests.offset)
    ids = rng.bytes(32 * count).hex()
    child = rng.random(count) < profile()["telemetry"]["child_share"]
    kind = KINDS[sender.kind]
    http = sender.kind == "server"
    name = {"server": "GET /api/items", "consumer": "items process", "internal": "job run"}[sender.kind]
    drawn = zip(
        requests.offset.tolist(),
        requests.duration.tolist(),
        requests.bad.tolist(),
        child.tolist(),
        strict=True,
    )
    for number, (offset, duration, bad, has_child) in enumerate(drawn):
        one = ids[64 * number : 64 * number + 64]
        trace_id, span_id, child_id = one[:32], one[32:48], one[48:]
        start = midnight + offset
        # Bad comes in three forms: status and code, status alone, code alone.
        form = number % 3 if http else 1
        yield Span(
            trace_id,
            span_id,
            "",
            name,
            kind,
            start,
            start + duration,
            0 if not http else 200 if not bad or form == 1 else 503,
            STATUS_ERROR if bad and form != 2 else 0,
        )
        if has_child:
            yield Span(
                trace_id,
                child_id,
                span_id,
                "SELECT items" if http else "write items",
                KINDS["client"] if http else KINDS["internal"],
                start + duration // 8,
                start + duration // 2,
                0,
                0,
            )


def json_attributes(attributes: Sequence[tuple[str, str]]) -> str:
    """OTLP/JSON key values of text attributes."""
    return json.dumps(
        [{"key": key, "value": {"stringValue": value}} for key, value in attributes], separators=(",", ":")
    )


def json_resource_spans(attributes: Sequence[tuple[str, str]], spans: Sequence[Span]) -> str:
    """One ResourceSpans message as OTLP/JSON."""
    body = ",".join(map(_json_span, spans))
    return (
        f'{{"resource":{{"attributes":{json_attributes(attributes)}}},'
        f'"scopeSpans":[{{"scope":{{"name":"{SCOPE}"}},"spans":[{body}]}}]}}'
    )


def _json_span(span: Span) -> str:
    parent = f'"parentSpanId":"{span.parent_id}",' if span.parent_id else ""
    attributes = (
        '{"key":"http.request.method","value":{"stringValue":"GET"}},'
        f'{{"key":"http.response.status_code","value":{{"intValue":"{span.http_status}"}}}}'
        if span.http_status
        else ""
    )
    status = f'{{"code":{span.status}}}' if span.status else "{}"
    return (
        f'{{"traceId":"{span.trace_id}","spanId":"{span.span_id}",{parent}"name":"{span.name}","kind":{span.kind},'
        f'"startTimeUnixNano":"{span.start}","endTimeUnixNano":"{span.end}","attributes":[{attributes}],"status":{status}}}'
    )


def add_resource_spans(
    request: ExportTraceServiceRequest, attributes: Sequence[tuple[str, str]], spans: Sequence[Span]
) -> None:
    """One more ResourceSpans message in a Protobuf request."""
    message = request.resource_spans.add()
    message.resource.attributes.extend(_text(key, value) for key, value in attributes)
    scope = message.scope_spans.add()
    scope.scope.name = SCOPE
    for span in spans:
        one = scope.spans.add(
            trace_id=bytes.fromhex(span.trace_id),
            span_id=bytes.fromhex(span.span_id),
            parent_span_id=bytes.fromhex(span.parent_id),
            name=span.name,
            kind=span.kind,
            start_time_unix_nano=span.start,
            end_time_unix_nano=span.end,
        )
        if span.http_status:
            one.attributes.append(_text("http.request.method", "GET"))
            one.attributes.append(
                KeyValue(key="http.response.status_code", value=AnyValue(int_value=span.http_status))
            )
        if span.status:
            one.status.code = span.status


def _text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))
