"""Spans of three senders with known counts, framed and mutated from a seed: the same seed, the same bytes.

One sender of a seed may misbehave; the other two are innocent, and what they sent must count whatever it did.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from backports import zstd
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.telemetry.otlp_messages import any_value, pairs, varint

RECEIVED = datetime(2026, 1, 2, 12, tzinfo=UTC)
"""When the files of a seed were written."""

Counts = Mapping[str, tuple[int, int]]
"""App -> spans and spans with an error."""


@dataclass(frozen=True)
class File:
    """One object of a source."""

    name: str
    content: bytes


@dataclass(frozen=True)
class Delivery:
    """What lies at the source at one scan, and what must then count for each app.

    ``innocent`` apps must be exact even where something was said about the rest.
    """

    files: tuple[File, ...]
    truth: Counts
    innocent: tuple[str, ...]
    must_be_told: bool = False


@dataclass(frozen=True)
class MutatedTelemetry:
    """What the source delivers, scan after scan, and what was done to it, in words."""

    seed: int
    kinds: tuple[str, ...]
    deliveries: tuple[Delivery, ...]


@dataclass(frozen=True)
class Span:
    """What the truth knows of a span."""

    app: str
    trace: int
    number: int
    start: datetime
    is_error: bool
    attributes: Mapping[str, Any] = field(default_factory=dict)
    kind: int = 2


@dataclass(frozen=True)
class Form:
    """How messages become a file."""

    encoding: str = "json"
    packing: str = ""
    snake: bool = False
    ids: str = "hex"
    array: bool = False

    def words(self) -> tuple[str, ...]:
        """What differs from plain JSON lines."""
        plain = Form()
        return tuple(
            f"{name}={getattr(self, name)!r}"
            for name in self.__dataclass_fields__
            if getattr(self, name) != getattr(plain, name)
        )


def apps_of(seed: int) -> tuple[str, str, str]:
    """The three senders of a seed; the last may misbehave."""
    return f"s{seed}-a", f"s{seed}-b", f"s{seed}-c"


def spans_of(rng: random.Random, seed: int) -> list[Span]:
    """Spans of the day before the files were written, ids of no other seed."""
    spans = []
    for place, app in enumerate(apps_of(seed)):
        for number in range(rng.randint(3, 12)):
            start = RECEIVED - timedelta(
                seconds=rng.randint(3_600, 80_000), microseconds=rng.randint(0, 10**6)
            )
            spans.append(
                Span(app, seed * 1_000_000 + place * 1000 + number + 1, number + 1, start, rng.random() < 0.3)
            )
    return spans


def counts(spans: Sequence[Span]) -> dict[str, tuple[int, int]]:
    """Spans and errors by app; the same span twice counts once."""
    found: dict[str, set[tuple[int, int, datetime, int, bool]]] = {}
    for one in spans:
        found.setdefault(one.app, set()).add((one.trace, one.number, one.start, one.kind, one.is_error))
    return {app: (len(some), sum(one[4] for one in some)) for app, some in found.items()}


def message(spans: Sequence[Span]) -> ExportTraceServiceRequest:
    """One request with a resource per app."""
    request = ExportTraceServiceRequest()
    for app in dict.fromkeys(one.app for one in spans):
        resource = request.resource_spans.add()
        resource.resource.attributes.extend(pairs({"service.name": app, "host.name": "h"}))
        scope = resource.scope_spans.add()
        scope.scope.name = "lib"
        for one in spans:
            if one.app != app:
                continue
            start = int(one.start.timestamp()) * 10**9 + one.start.microsecond * 1000
            span = scope.spans.add(
                trace_id=one.trace.to_bytes(16, "big"),
                span_id=(one.trace * 16 + one.number).to_bytes(8, "big"),
                name="GET /",
                kind=one.kind,
                start_time_unix_nano=start,
                end_time_unix_nano=start + 5_000_000,
            )
            span.status.code = 2 if one.is_error else 0
            for key, value in one.attributes.items():
                span.attributes.add(key=key).value.CopyFrom(any_value(value))
    return request


def as_data(request: ExportTraceServiceRequest, form: Form) -> dict[str, Any]:
    """The request as JSON data, ids in hex as OTLP has them."""
    data = json_format.MessageToDict(
        request, use_integers_for_enums=True, preserving_proto_field_name=form.snake
    )

    def hexed(node: Any) -> Any:
        if isinstance(node, list):
            return [hexed(one) for one in node]
        if isinstance(node, dict):
            return {key: _hex(value) if _is_id(key) else hexed(value) for key, value in node.items()}
        return node

    return data if form.ids == "base64" else hexed(data)


def _is_id(key: str) -> bool:
    return key.replace("_", "").lower() in ("traceid", "spanid", "parentspanid")


def _hex(value: str) -> str:
    import base64

    return base64.b64decode(value).hex()


def framed(messages: Sequence[bytes | ExportTraceServiceRequest], form: Form, stem: str) -> File:
    """Messages as one file; raw bytes among them are written as they are."""
    if form.encoding == "json":
        texts = [
            one if isinstance(one, bytes) else json.dumps(as_data(one, form)).encode() for one in messages
        ]
        if form.packing == "zstd-framed":
            return File(f"{stem}.json.zst", b"".join(_prefixed(zstd.compress(text)) for text in texts))
        content = b"".join(text + b"\n" for text in texts)
        name = f"{stem}.jsonl"
    else:
        bodies = [one if isinstance(one, bytes) else one.SerializeToString() for one in messages]
        if form.packing == "zstd-framed":
            return File(f"{stem}.pb.zst", b"".join(_prefixed(zstd.compress(body)) for body in bodies))
        if form.encoding == "delimited":
            content = b"".join(varint(len(body)) + body for body in bodies)
        else:
            content = b"".join(_prefixed(body) for body in bodies)
        name = f"{stem}.pb"
    if form.packing == "gzip":
        return File(name + ".gz", gzip.compress(content, mtime=0))
    if form.packing == "zstd":
        return File(name + ".zst", zstd.compress(content))
    return File(name, content)


def _prefixed(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


def drawn_form(rng: random.Random) -> Form:
    """An encoding and packing, each of which must be read exactly."""
    encoding = rng.choice(("json", "json", "delimited", "prefixed"))
    return Form(
        encoding,
        rng.choice(("", "", "gzip", "zstd", "zstd-framed")),
        snake=encoding == "json" and rng.random() < 0.3,
        ids=rng.choice(("hex", "hex", "base64")),
    )


def in_messages(rng: random.Random, spans: Sequence[Span]) -> list[ExportTraceServiceRequest]:
    """The spans in requests of one app each, in any order."""
    requests = []
    for app in dict.fromkeys(one.app for one in spans):
        own = [one for one in spans if one.app == app]
        cut = rng.randint(1, len(own))
        requests += [message(part) for part in (own[:cut], own[cut:]) if part]
    rng.shuffle(requests)
    return requests


Fault = Callable[[random.Random, int, list[Span], Form], tuple[Delivery, ...]]


def _all_right(files: Sequence[File], spans: Sequence[Span], **more: bool) -> Delivery:
    truth = counts(spans)
    return Delivery(tuple(files), truth, tuple(truth), **more)


def _beside_it(files: Sequence[File], seed: int, spans: Sequence[Span], **more: bool) -> Delivery:
    """Only the first two senders are promised to be exact."""
    return Delivery(tuple(files), counts(spans), apps_of(seed)[:2], **more)


def _nothing(rng: random.Random, seed: int, spans: list[Span], form: Form) -> tuple[Delivery, ...]:
    return (_all_right([framed(in_messages(rng, spans), form, "spans")], spans),)


def _same_object_twice(rng: random.Random, seed: int, spans: list[Span], form: Form) -> tuple[Delivery, ...]:
    plain = framed(in_messages(rng, spans), replace(form, packing=""), "spans")
    packed = File(plain.name + ".gz", gzip.compress(plain.content, mtime=0))
    return (_all_right([plain, packed, File("copy/" + plain.name, plain.content)], spans),)


def _resent(rng: random.Random, seed: int, spans: list[Span], form: Form) -> tuple[Delivery, ...]:
    first, again = in_messages(rng, spans), in_messages(rng, spans)
    other = drawn_form(rng)
    return (_all_right([framed(first + again[:2], form, "a"), framed(again, other, "b")], spans),)


def _growing(rng: random.Random, seed: int, spans: list[Span], form: Form) -> tuple[Delivery, ...]:
    form = replace(form, packing="" if form.packing != "zstd-framed" else form.packing)
    rng.shuffle(spans)
    cut = rng.randint(1, len(spans) - 1)
    some, rest = in_messages(rng, spans[:cut]), in_messages(rng, spans[cut:])
    before, after = framed(some, form, "spans"), framed(some + rest, form, "spans")
    return (_all_right([before], spans[:cut]), _all_right([after], spans))


def _clock_ahead(rng: random.Random, seed: int, spans: list[Span], form: Form) -> tuple[Delivery, ...]:
    ahead = rng.choice((timedelta(days=365), timedelta(days=30), timedelta(days=2, hours=1)))
    bad = apps_of(seed)[2]
    moved = [replace(one, start=one.start + ahead) if one.app == bad else one for one in spans]
    return (_beside_it([framed(in_messages(rng, moved), form, "spans")], seed, moved, must_be_told=True),)


def _client_and_server(rng: random.Random, seed: int, spans: list[Span], form: Form) -> tuple[Delivery, ...]:
    both = spans + [replace(one, kind=3) for one in spans]
    return (_all_right([framed(in_messages(rng, both), form, "spans")], both),)


def _spoiled(rng: random.Random, seed: int, spans: list[Span], form: Form, bad: Sequence[bytes]) -> File:
    messages: list[Any] = in_messages(rng, spans)
    for one in bad:
        messages.insert(rng.randint(0, len(messages)), one)
    return framed(messages, form, "spans")


def _garbage_message(rng: random.Random, seed: int, spans: list[Span], form: Form) -> tuple[Delivery, ...]:
    if form.encoding == "json":
        bad = rng.choice(
            (b'{"resourceSpans": [', b"not json", b'{"resourceSpans": 7}', b'{"foo": 1}', b"[1, 2")
        )
    else:
        bad = rng.choice((b"\xff" * 20, b"\x0a\x7f\x01", rng.randbytes(40)))
    return (_all_right([_spoiled(rng, seed, spans, form, [bad])], spans, must_be_told=True),)


def _bare_nan(rng: random.Random, seed: int, spans: list[Span], form: Form) -> tuple[Delivery, ...]:
    form = replace(form, encoding="json")
    bad = apps_of(seed)[2]
    messages: list[Any] = []
    for one in in_messages(rng, spans):
        data = as_data(one, form)
        names = ("resource_spans", "scope_spans") if form.snake else ("resourceSpans", "scopeSpans")
        if bad in json.dumps(data):
            key = "double_value" if form.snake else "doubleValue"
            value = rng.choice((float("nan"), float("inf"), float("-inf")))
            data[names[0]][0][names[1]][0]["spans"][0]["attributes"] = [{"key": "x", "value": {key: value}}]
        messages.append(json.dumps(data).encode())
    return (_beside_it([framed(messages, form, "spans")], seed, spans),)


def _lone_surrogate(rng: random.Random, seed: int, spans: list[Span], form: Form) -> tuple[Delivery, ...]:
    form = replace(form, encoding="json")
    bad = apps_of(seed)[2]
    half = rng.choice((b"\\ud83d", b"\\udc00", b"\\ud83d\\ud83d", b"ok\\ud83dok"))
    messages = [json.dumps(as_data(one, form)).encode() for one in in_messages(rng, spans)]
    messages = [
        text.replace(b'"GET /"', b'"' + half + b'"') if f'"{bad}"'.encode() in text else text
        for text in messages
    ]
    return (_beside_it([framed(messages, form, "spans")], seed, spans),)


def _deep_attributes(rng: random.Random, seed: int, spans: list[Span], form: Form) -> tuple[Delivery, ...]:
    deep: Any = "end"
    for level in range(rng.randint(4, 40)):
        deep = [deep] if level % 2 else {"k": deep}
    bad = apps_of(seed)[2]
    spans = [replace(one, attributes={"deep": deep}) if one.app == bad else one for one in spans]
    return (_beside_it([framed(in_messages(rng, spans), form, "spans")], seed, spans),)


def _old_library_member(rng: random.Random, seed: int, spans: list[Span], form: Form) -> tuple[Delivery, ...]:
    form = replace(form, encoding="json")
    texts: list[Any] = [
        json.dumps(as_data(one, form))
        .encode()
        .replace(b'"scopeSpans"', b'"instrumentationLibrarySpans"')
        .replace(b'"scope_spans"', b'"instrumentation_library_spans"')
        .replace(b'"scope"', b'"instrumentationLibrary"')
        for one in in_messages(rng, spans)
    ]
    return (_all_right([framed(texts, form, "spans")], spans),)


def _cut_off(rng: random.Random, seed: int, spans: list[Span], form: Form) -> tuple[Delivery, ...]:
    whole = framed(in_messages(rng, spans), form, "spans")
    end = rng.randint(len(whole.content) // 3, len(whole.content) - 2)
    truth = counts(spans)
    return (Delivery((replace(whole, content=whole.content[:end]),), truth, ()),)


def _flipped_bit(rng: random.Random, seed: int, spans: list[Span], form: Form) -> tuple[Delivery, ...]:
    form = replace(form, packing=rng.choice(("gzip", "zstd")))
    whole = framed(in_messages(rng, spans), form, "spans")
    damaged = bytearray(whole.content)
    damaged[rng.randrange(12, len(damaged))] ^= 1 << rng.randrange(8)
    return (Delivery((replace(whole, content=bytes(damaged)),), counts(spans), ()),)


FAULTS: tuple[tuple[str, int, Fault], ...] = (
    ("nothing", 4, _nothing),
    ("same object twice", 3, _same_object_twice),
    ("resent", 3, _resent),
    ("growing file", 3, _growing),
    ("clock ahead", 3, _clock_ahead),
    ("client and server share ids", 2, _client_and_server),
    ("garbage message", 3, _garbage_message),
    ("bare NaN", 2, _bare_nan),
    ("lone surrogate", 2, _lone_surrogate),
    ("deep attributes", 2, _deep_attributes),
    ("old library member", 1, _old_library_member),
    ("cut off", 3, _cut_off),
    ("flipped bit", 2, _flipped_bit),
)
"""Name, weight in the draw, and what it does."""


def mutated_telemetry(seed: int) -> MutatedTelemetry:
    """The telemetry of a seed."""
    rng = random.Random(f"telemetry {seed}")
    spans = spans_of(rng, seed)
    form = drawn_form(rng)
    (name, _, fault), *_ = rng.choices(FAULTS, [weight for _, weight, _ in FAULTS])
    return MutatedTelemetry(seed, (name, *form.words()), fault(rng, seed, spans, form))
