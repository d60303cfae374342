"""One message at a time: what is wrong in it is repaired and counted or set aside by record, the rest stays exact."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.message import DecodeError

from pipelines.ingest.telemetry import messages
from pipelines.ingest.telemetry.messages import Mended, mended_json, mended_protobuf
from pipelines.ingest.telemetry.repair import suspects
from pipelines.ingest.telemetry.shapes import REQUESTS, lenient
from pipelines.ingest.telemetry.spool import frames_of
from tests.telemetry import otlp_messages as otlp

RICH = {"traces": otlp.rich_traces, "metrics": otlp.rich_metrics, "logs": otlp.rich_logs}
RECORDS = {"traces": 3, "metrics": 8, "logs": 3}


def request_of(done: Mended):  # type: ignore[no-untyped-def]
    """The repaired JSON as the data it holds."""
    assert done.content is not None
    return json.loads(done.content)


@pytest.mark.parametrize("signal", RICH)
def test_what_is_right_stays_as_it_is(signal: str) -> None:
    request = RICH[signal]()
    done = mended_protobuf(request.SerializeToString(), signal)
    assert done.content == request.SerializeToString()
    assert (done.records, done.rejects, done.repairs) == ({signal: RECORDS[signal]}, [], {})
    for snake in (False, True):
        text = otlp.as_snake_json(request) if snake else otlp.as_json(request)
        done = mended_json(text)
        assert (done.records, done.rejects, done.repairs) == ({signal: RECORDS[signal]}, [], {})
        assert done.is_changed == snake


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"scopeSpans"', b'"instrumentationLibrarySpans"'),
        (b'"scopeSpans"', b'"instrumentation_library_spans"'),
        (b'"resourceSpans"', b'"resource_spans"'),
        (b'"scope":', b'"instrumentationLibrary":'),
    ],
)
def test_every_spelling_is_read(old: bytes, new: bytes) -> None:
    text = otlp.as_json(otlp.rich_traces())
    assert old in text
    assert request_of(mended_json(text.replace(old, new))) == request_of(mended_json(text))


def test_scopes_in_field_1000_are_read() -> None:
    request = otlp.rich_traces()
    older = lenient("traces").FromString(request.SerializeToString())
    older.resource_spans[0].older_scopes.extend(older.resource_spans[0].scope_spans)  # type: ignore[attr-defined]
    older.resource_spans[0].ClearField("scope_spans")  # type: ignore[attr-defined]
    message = older.SerializeToString()
    assert REQUESTS["traces"].FromString(message).resource_spans[0].scope_spans == []  # type: ignore[attr-defined]
    assert suspects(message, "protobuf", frames_of(message, "protobuf")) == [0]
    done = mended_protobuf(message, "traces")
    assert REQUESTS["traces"].FromString(done.content or b"") == request


@pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity"])
def test_bare_numbers_become_the_numbers(token: str) -> None:
    text = otlp.as_json(otlp.rich_metrics()).replace(b'"asDouble": -1.5', b'"asDouble": ' + token.encode())
    assert suspects(text, "json", frames_of(text, "json")) == [0]
    done = mended_json(text)
    assert dict(done.repairs) == {("asDouble", messages.BARE_NUMBER): 1}
    point = request_of(done)["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0]["gauge"]["dataPoints"][0]
    assert point["asDouble"] == token


@pytest.mark.parametrize(
    ("escaped", "kept"),
    [
        ("\\ud83d", "\ufffd"),
        ("\\udc00", "\ufffd"),
        ("a\\ud83d\\ud83db", "a\ufffd\ufffdb"),
        ("\\ud83d\\ude00", "\U0001f600"),
        ("\\ude00\\ud83d", "\ufffd\ufffd"),
    ],
)
def test_halves_of_characters_are_replaced(escaped: str, kept: str) -> None:
    text = otlp.as_json(otlp.traces(1)).replace(b'"GET /"', f'"{escaped}"'.encode())
    done = mended_json(text)
    assert request_of(done)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["name"] == kept
    assert dict(done.repairs) == ({("name", messages.LONE_SURROGATE): 1} if "\ufffd" in kept else {})


def test_text_cut_inside_a_character_is_replaced_in_both_encodings() -> None:
    text = otlp.as_json(otlp.traces(1)).replace(b"GET /", b"GET \xf0\x9f\x9a")
    assert suspects(text, "json", frames_of(text, "json")) == [0]
    assert mended_json(text).repairs == {("text", messages.NO_UTF8): 1}
    message = otlp.traces(2).SerializeToString().replace(b"GET /", b"GE\xed\xa0\xbd")
    with pytest.raises(DecodeError):
        REQUESTS["traces"].FromString(message)
    done = mended_protobuf(message, "traces")
    assert done.repairs == {("name", messages.NO_UTF8): 2}
    names = [
        span.name
        for span in REQUESTS["traces"].FromString(done.content or b"").resource_spans[0].scope_spans[0].spans  # type: ignore[attr-defined]
    ]
    assert names == ["GE\ufffd\ufffd\ufffd"] * 2


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ('{"intValue": "99999999999999999999"}', {"stringValue": "99999999999999999999"}),
        ('{"intValue": 9223372036854775808}', {"stringValue": "9223372036854775808"}),
        ('{"intValue": -9223372036854775808}', {"intValue": "-9223372036854775808"}),
        ('{"intValue": 1.5}', {"stringValue": "1.5"}),
        ('{"boolValue": "yes"}', {"stringValue": "yes"}),
        ('{"doubleValue": "abc"}', {"stringValue": "abc"}),
        ('{"doubleValue": 1e999}', {"doubleValue": "Infinity"}),
        ('{"int_value": 7}', {"intValue": "7"}),
    ],
)
def test_an_attribute_that_does_not_fit_its_type_is_kept_as_text(value: str, kept: dict[str, str]) -> None:
    text = otlp.as_json(otlp.traces(1)).replace(
        b'"name":', b'"attributes": [{"key": "k", "value": %s}], "name":' % value.encode(), 2
    )
    spans = request_of(mended_json(text))["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert spans[0]["attributes"] == [{"key": "k", "value": kept}]


@pytest.mark.parametrize(
    "wrong",
    [
        b'"startTimeUnixNano": "18446744073709551617"',
        b'"startTimeUnixNano": -5',
        b'"startTimeUnixNano": "soon"',
        b'"startTimeUnixNano": [1]',
    ],
)
def test_a_span_that_cannot_be_read_costs_no_other(wrong: bytes) -> None:
    text = otlp.as_json(otlp.traces(3))
    start = text.index(b'"startTimeUnixNano"')
    done = mended_json(text[:start] + wrong + text[text.index(b",", start) :])
    assert done.records == {"traces": 2}
    assert [(one.reason, one.records) for one in done.rejects] == [(messages.UNREADABLE_RECORD, 1)]
    assert "Span[0].startTimeUnixNano" in done.rejects[0].detail


@pytest.mark.parametrize(
    "message", [b'{"foo": 1}', b'{"resourceSpans": 7}', b"[1, 2", b"not json", b"7", b"[" * 100_000]
)
def test_what_is_no_otlp_is_named(message: bytes) -> None:
    done = mended_json(message)
    assert done.content is None
    assert [one.reason for one in done.rejects] == [messages.UNREADABLE]


@pytest.mark.parametrize("signal", RICH)
def test_damage_at_any_byte_leaves_what_is_readable(signal: str) -> None:
    """Whatever is kept, the protocol's own classes read; a record is only missing where that was said."""
    numbers = random.Random(signal)
    message = RICH[signal]().SerializeToString()
    text = otlp.as_json(RICH[signal]())
    for _ in range(400):
        damaged = bytearray(message)
        for _ in range(numbers.choice((1, 1, 3))):
            damaged[numbers.randrange(len(damaged))] = numbers.randrange(256)
        done = mended_protobuf(
            bytes(damaged[: numbers.choice((len(damaged), numbers.randrange(len(damaged))))]), signal
        )
        if done.content is not None:
            kept = lenient(signal).FromString(done.content)
            REQUESTS[signal].FromString(done.content)
            assert messages.count_records(kept) == done.records[signal]
        else:
            assert done.rejects
        spoiled = bytearray(text)
        spoiled[numbers.randrange(len(spoiled))] = numbers.randrange(256)
        read = mended_json(bytes(spoiled))
        assert read.content is not None or read.rejects
        if read.content is not None and read.records:
            parsed = json_format.ParseDict(_plain(json.loads(read.content)), REQUESTS[signal]())
            assert messages.count_records(parsed) == read.records[signal]


def _plain(node: Any) -> Any:
    """The data without ids and names of enums, which are looked at when they are loaded."""
    if isinstance(node, list):
        return [_plain(one) for one in node]
    if isinstance(node, dict):
        return {
            key: _plain(value)
            for key, value in node.items()
            if key
            not in ("traceId", "spanId", "parentSpanId", "bytesValue", "kind", "code", "severityNumber")
            and not key.endswith("emporality")
        }
    return node
