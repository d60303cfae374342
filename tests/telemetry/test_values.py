"""What the tables cannot hold as it was sent is kept as text, set aside or repaired, and counted: never changed in silence."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from google.protobuf.message import Message

from pipelines.ingest.intake.examine import examined
from pipelines.ingest.telemetry.messages import mended_json
from pipelines.ingest.telemetry.repair import suspects
from pipelines.ingest.telemetry.spool import frames_of
from sql.catalog import split_statements, statement
from sql.warehouse import Warehouse
from tests.telemetry import otlp_messages as otlp
from tests.telemetry.conftest import TABLES, Load

SCOPES = {
    "traces": ("resourceSpans", 0, "scopeSpans", 0),
    "logs": ("resourceLogs", 0, "scopeLogs", 0),
    "metrics": ("resourceMetrics", 0, "scopeMetrics", 0),
}
RICH: dict[str, Callable[[], Message]] = {
    "traces": otlp.rich_traces,
    "logs": otlp.rich_logs,
    "metrics": otlp.rich_metrics,
}
RECORDS = {"traces": 3, "logs": 3, "metrics": 8}


class Place(NamedTuple):
    """A whole number in a message of a signal: the way to it inside its scope, and how many bits it may have."""

    signal: str
    way: tuple[str | int, ...]
    least: int
    most: int


def signed(signal: str, *way: str | int, bits: int = 64) -> Place:
    return Place(signal, way, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def unsigned(signal: str, *way: str | int, bits: int = 64) -> Place:
    return Place(signal, way, 0, 2**bits - 1)


def point(number: int, kind: str, place: int = 0) -> tuple[str | int, ...]:
    return ("metrics", number, kind, "dataPoints", place)


VALUE = ("attributes", 0, "value", "intValue")
ATTRIBUTES = [
    signed("traces", "spans", 0, *VALUE),
    signed("traces", "spans", 0, "events", 0, *VALUE),
    signed("traces", "spans", 0, "links", 0, *VALUE),
    signed("logs", "logRecords", 0, *VALUE),
    signed("logs", "scope", *VALUE),
    signed("logs", "logRecords", 0, "body", "intValue"),
    signed("metrics", *point(0, "gauge"), *VALUE),
    signed("metrics", *point(2, "histogram"), "exemplars", 0, "filteredAttributes", *VALUE[1:]),
]
"""Where a number is kept as text when it does not fit."""

NUMBERS = [
    unsigned("traces", "spans", 0, "startTimeUnixNano"),
    unsigned("traces", "spans", 0, "endTimeUnixNano"),
    unsigned("traces", "spans", 0, "events", 0, "timeUnixNano"),
    unsigned("logs", "logRecords", 0, "timeUnixNano"),
    unsigned("logs", "logRecords", 1, "observedTimeUnixNano"),
    unsigned("metrics", *point(0, "gauge"), "timeUnixNano"),
    unsigned("metrics", *point(0, "gauge"), "startTimeUnixNano"),
    unsigned("metrics", *point(2, "histogram"), "exemplars", 0, "timeUnixNano"),
    signed("metrics", *point(0, "gauge", 1), "asInt"),
    signed("metrics", *point(1, "sum"), "asInt"),
    signed("metrics", *point(1, "sum"), "exemplars", 0, "asInt"),
    unsigned("metrics", *point(0, "gauge"), "flags", bits=32),
    unsigned("metrics", *point(2, "histogram"), "count"),
    unsigned("metrics", *point(2, "histogram"), "bucketCounts", 1),
    unsigned("metrics", *point(3, "exponentialHistogram"), "zeroCount"),
    signed("metrics", *point(3, "exponentialHistogram"), "scale", bits=32),
    signed("metrics", *point(3, "exponentialHistogram"), "positive", "offset", bits=32),
    unsigned("metrics", *point(3, "exponentialHistogram"), "negative", "bucketCounts", 0),
    unsigned("metrics", *point(4, "summary"), "count"),
]
"""Where a number that does not fit sets its record aside."""

OF_SCOPE = unsigned("metrics", "scope", "droppedAttributesCount", bits=32)
"""A number whose scope is set aside, with all its records."""


def altered(place: Place, value: int | str) -> bytes:
    """A line of every field a signal has, with one number changed."""
    document = json.loads(otlp.as_json(RICH[place.signal]()))
    node: Any = document
    way = (*SCOPES[place.signal], *place.way)
    for step in way[:-1]:
        node = node[step] if isinstance(step, int) else node.setdefault(step, {})
    if way[-1] == "intValue":
        node.clear()
    node[way[-1]] = value
    return json.dumps(document).encode() + b"\n"


def just_outside(place: Place) -> Iterator[int]:
    """Numbers one too small, one too large, and those that would be a good time or a 5 without what is too much."""
    bits = 32 if place.most < 2**33 else 64
    yield place.most + 1
    yield 2**bits + 5
    yield 2 ** (2 * bits) + 5
    if bits == 64:
        yield 2**64 + otlp.NOON
        yield 10**20
    if place.least:
        yield place.least - 1
        yield -(2**bits) + 5


def test_numbers_too_large_are_never_wrapped(warehouse: Warehouse, load: Load) -> None:
    """Every number of every message, just too large, as number and as text in turn: in one file, so that nothing but
    its own length betrays it."""
    texts: list[str] = []
    lines: list[bytes] = []
    set_aside: dict[int, int] = {}
    for place in [*ATTRIBUTES, *NUMBERS, OF_SCOPE]:
        for turn, value in enumerate(just_outside(place)):
            lines += [otlp.as_json(RICH[place.signal]()), altered(place, str(value) if turn % 2 else value)]
            if place in ATTRIBUTES:
                texts.append(str(value))
            else:
                set_aside[len(lines)] = RECORDS["metrics"] if place is OF_SCOPE else 1
    content = b"".join(lines)
    assert set(range(1, len(lines), 2)) <= set(suspects(content, "json", frames_of(content, "json")))
    outcome = load(content)
    sent = sum(
        len(json.loads(line)[SCOPES[signal][0]]) * RECORDS[signal]
        for line in lines
        for signal in SCOPES
        if SCOPES[signal][0] in json.loads(line)
    )
    assert sum(outcome.rows.values()) == sent - sum(set_aside.values())
    assert outcome.rejected == sum(set_aside.values())
    rejects = warehouse.frame_of(
        "SELECT position, toString(reason) FROM raw_rejects ORDER BY position"
    ).rows()
    assert rejects == [(position, "unreadable record") for position in set_aside]
    examples = warehouse.frame_of("SELECT sum(records), count() FROM raw_repairs").row(0)
    assert examples[0] == len(texts) == outcome.repaired
    kept = Counter(texts_stored(warehouse))
    assert all(kept[text] == count for text, count in Counter(texts).items())


ENUM_NAME = re.compile("(SPAN_KIND|STATUS_CODE|SEVERITY_NUMBER|AGGREGATION_TEMPORALITY)_")


def numbers_in(node: Any, member: str = "") -> Iterator[tuple[Any, Any]]:
    """Where numbers stand in a document of OTLP/JSON, 64 bits as text: the object or list and the place in it."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        name = key if isinstance(key, str) else member
        if isinstance(value, dict | list):
            yield from numbers_in(value, name)
        elif isinstance(value, bool) or name.endswith("Id"):
            continue
        elif (
            isinstance(value, int | float)
            or ENUM_NAME.match(value)
            or value.isdigit()
            and name not in ("key", "stringValue", "version")
        ):
            yield node, key


@pytest.mark.parametrize("signal", RICH)
def test_empty_text_is_never_a_number(signal: str) -> None:
    """Every number of every message as empty text, however its member is named elsewhere: seen, and then told."""
    document = json.loads(otlp.as_json(RICH[signal]()))
    places = list(numbers_in(document))
    named = {key for _, key in places if isinstance(key, str)}
    assert (
        named
        >= {"traces": {"kind"}, "logs": {"severityNumber"}, "metrics": {"sum", "value", "quantile"}}[signal]
    )
    for node, key in places:
        sent, node[key] = node[key], ""
        for line in (json.dumps(document), json.dumps(document, separators=(",", ":"))):
            content = line.encode() + b"\n"
            assert list(suspects(content, "json", frames_of(content, "json"))) == [0], (key, sent)
        done = mended_json(content, (signal,))
        assert sum(done.repairs.values()) + len(done.rejects) == 1, (key, sent, done.repairs, done.rejects)
        node[key] = sent


def texts_stored(warehouse: Warehouse) -> list[str]:
    """Every attribute and body as stored."""
    return (
        warehouse.frame_of(
            "SELECT arrayJoin(mapValues(SpanAttributes)) AS text FROM otel.otel_traces"
            " UNION ALL SELECT arrayJoin(mapValues(arrayJoin(arrayConcat(`Events.Attributes`, `Links.Attributes`)))) FROM otel.otel_traces"
            " UNION ALL SELECT arrayJoin(arrayConcat(mapValues(LogAttributes), [Body])) FROM otel.otel_logs"
            " UNION ALL SELECT arrayJoin(mapValues(ScopeAttributes)) FROM otel.otel_logs LIMIT 1 BY ScopeAttributes"
            " UNION ALL SELECT arrayJoin(mapValues(Attributes)) FROM otel.otel_metrics_gauge"
            " UNION ALL SELECT arrayJoin(mapValues(arrayJoin(`Exemplars.FilteredAttributes`))) FROM otel.otel_metrics_histogram"
        )
        .to_series()
        .to_list()
    )


def test_the_largest_numbers_are_exact(warehouse: Warehouse, load: Load) -> None:
    places = [one for one in ATTRIBUTES if one.signal == "traces"]
    lines = [altered(place, value) for place in places for value in (place.least, place.most)]
    outcome = load(b"".join(lines))
    assert (outcome.rows, outcome.rejected, outcome.repaired) == ({"traces": 3 * len(lines)}, 0, 0)
    kept = Counter(texts_stored(warehouse))
    assert kept[str(-(2**63))] >= len(places) <= kept[str(2**63 - 1)]


@pytest.mark.parametrize("encode", [otlp.as_json, otlp.delimited])
def test_a_span_that_ends_when_it_starts_has_an_end(
    warehouse: Warehouse, load: Load, encode: Callable[..., bytes]
) -> None:
    """End 0 is what says that there is none; one before the start is none either, and is counted."""
    request = otlp.traces(4)
    spans = request.resource_spans[0].scope_spans[0].spans
    spans[0].end_time_unix_nano = spans[0].start_time_unix_nano
    spans[1].end_time_unix_nano = 0
    spans[2].end_time_unix_nano = spans[2].start_time_unix_nano - 1
    load(encode(request))
    assert warehouse.frame_of(
        "SELECT if(has_end, Duration, 0), has_end FROM otel.otel_traces_current ORDER BY Timestamp"
    ).rows() == [(0, True), (0, False), (0, False), (5_000_000, True)]
    assert warehouse.frame_of(
        "SELECT toString(period), toString(subject), toString(reason), records, example FROM raw_repairs"
    ).rows() == [
        (
            "2026-01-01",
            "endTimeUnixNano",
            "end before the start read as no end",
            1,
            "shop at 2026-01-01 12:00:00.003000000",
        )
    ]


AS_TEXT = "value that does not fit its type kept as text"
NAME = "name that is not the protocol's read as the one it is part of"
UNSET = "number or name that the protocol does not have read as unset"
SPELLINGS: list[tuple[str, Any, str | None, str]] = [
    *(("intValue", value, text, AS_TEXT) for value, text in ((True, "true"), ("true", "true"), ("", ""))),
    *(("intValue", value, value, AS_TEXT) for value in (" ", "-", "5x", "1_000", "\u0661")),
    *(("intValue", value, "5", "") for value in (5, "5", "+5", 5.0, "5.0", "5e0", " 5")),
    *(("doubleValue", value, text, AS_TEXT) for value, text in ((True, "true"), ("true", "true"), ("", ""))),
    *(("doubleValue", value, "1000", "") for value in (1000, "1000", "1e3", 1e3)),
    *(("boolValue", value, text, "") for value, text in ((True, "true"), ("true", "true"), (False, "false"))),
    *(("boolValue", value, text, AS_TEXT) for value, text in ((2, "2"), ("", ""), ("TRUE", "TRUE"))),
    *(("endTimeUnixNano", value, None, "") for value in ("", " ", True, "noon", -1, [5], {})),
    *(("startTimeUnixNano", value, None, "") for value in ("", True)),
    *(("code", value, "Error", "") for value in (2, "2", 2.0, "2.0", "02", "STATUS_CODE_ERROR")),
    *(
        ("code", value, "Error", NAME)
        for value in ("ERROR", "Error", "error", "CODE_ERROR", "status_code_error")
    ),
    *(("code", value, "Ok", NAME) for value in ("OK", "Ok")),
    *(("code", value, "Unset", "") for value in (0, "STATUS_CODE_UNSET", None)),
    *(("code", value, "Unset", UNSET) for value in ("", 7, "7", -1)),
    *(("code", value, None, "") for value in ("failed", "RROR", True, [2], {}, 2**33 + 2, str(2**33 + 2))),
    *(("kind", value, "Server", "") for value in (2, "2", "SPAN_KIND_SERVER")),
    *(("kind", value, "Client", NAME) for value in ("CLIENT", "Client", "client", "kind_client")),
    *(("kind", value, "Unspecified", UNSET) for value in ("", 6, "99")),
    *(("kind", value, None, "") for value in ("SERVERS", False, 2**32 + 2)),
]
"""Member, value in JSON, what is stored (None: the span is set aside), and the repair that counts it ("": none)."""


def spelt(member: str, value: Any) -> dict[str, Any]:
    """A message of one span with a member spelt this way."""
    document: dict[str, Any] = json.loads(otlp.as_json(otlp.traces()))
    span = document["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    if member == "code":
        span["status"] = {"code": value}
    elif member.endswith("Value"):
        span["attributes"] = [{"key": "x", "value": {member: value}}]
    else:
        span[member] = value
    return document


def in_snake_case(node: Any, depth: int) -> Any:
    """The same with the names of members in snake_case from this depth on: those above stay as they are."""
    if isinstance(node, list):
        return [in_snake_case(one, depth) for one in node]
    if not isinstance(node, dict):
        return node
    names = {name: re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name) for name in node}
    return {
        names[name] if depth <= 0 else name: in_snake_case(value, depth - 1) for name, value in node.items()
    }


def spellings() -> Iterator[tuple[dict[str, Any], str | None, tuple[str, str]]]:
    """Each spelling in messages whose names are camelCase down to some depth: the message, what is stored, the repair."""
    for number, (member, value, stored, reason) in enumerate(SPELLINGS):
        subject = "x" if member.endswith("Value") else member
        for depth in (9, number % 6):
            yield in_snake_case(spelt(member, value), depth), stored, (subject, reason)


def test_json_is_read_as_the_protocol_has_it_or_it_is_said(warehouse: Warehouse, load: Load) -> None:
    """Numbers and enums in every spelling, names in both: read rightly, repaired and counted, or set aside."""
    cases = list(spellings())
    for number, (message, _, _) in enumerate(cases):
        scopes = next(value for key, value in message.items())[0]
        span = next(value for key, value in scopes.items() if key.startswith("scope"))[0]["spans"][0]
        span["name"] = f"{number}"
    outcome = load(b"".join(json.dumps(message).encode() + b"\n" for message, _, _ in cases))
    aside = [number for number, (_, stored, _) in enumerate(cases, 1) if stored is None]
    assert (outcome.rows, outcome.rejected) == ({"traces": len(cases) - len(aside)}, len(aside))
    assert (
        warehouse.frame_of("SELECT DISTINCT position FROM raw_rejects ORDER BY 1").to_series().to_list()
        == aside
    )
    rows = {
        int(row["name"]): row
        for row in warehouse.frame_of(
            "SELECT toString(SpanName) AS name, SpanAttributes['x'] AS x, toString(StatusCode) AS code,"
            " toString(SpanKind) AS kind, length(SpanId) AS id, ServiceName AS service FROM otel.otel_traces"
        ).iter_rows(named=True)
    }
    assert {(row["id"], row["service"]) for row in rows.values()} == {(16, "Shop ")}
    for number, (message, stored, (subject, _)) in enumerate(cases):
        assert stored is None or rows[number][subject] == stored, message
    expected = Counter(repair for _, stored, repair in cases if repair[1] and stored is not None)
    repairs = warehouse.frame_of(
        "SELECT toString(subject), toString(reason), records FROM raw_repairs"
    ).rows()
    assert {(subject, reason): records for subject, reason, records in repairs} == expected
    assert [told_live(message) for message, _, _ in cases] == [stored is None for _, stored, _ in cases]


def told_live(message: dict[str, Any]) -> int:
    """What a sender is told of such a request: records not kept."""
    return examined(json.dumps(message).encode(), "traces", "json", otlp.NOON / otlp.SECOND + 1).rejected


@pytest.mark.parametrize("encode", [pytest.param(otlp.as_json, marks=pytest.mark.slow), otlp.delimited])
def test_enums_of_metrics_and_logs_are_the_protocols_or_counted(
    warehouse: Warehouse, load: Load, encode: Callable[..., bytes]
) -> None:
    """Numbers the protocol does not have are unset and counted, in both encodings; the others are as sent."""
    spans, logs = otlp.traces(3), otlp.rich_logs()
    metrics = otlp.metrics_of("sum", "histogram", "exponential_histogram")
    for span, (kind, code) in zip(
        spans.resource_spans[0].scope_spans[0].spans, ((6, 2), (3, 3), (5, 1)), strict=True
    ):
        span.kind, span.status.code = kind, code
    records = logs.resource_logs[0].scope_logs[0].log_records
    for record, severity in zip(records, (24, 25, 300), strict=True):
        record.severity_number = severity
    kinds = metrics.resource_metrics[0].scope_metrics[0].metrics
    kinds[0].sum.aggregation_temporality = 3
    kinds[1].histogram.aggregation_temporality = 1
    kinds[2].exponential_histogram.aggregation_temporality = -1
    found = [load(encode(one)) for one in (spans, logs, metrics)]
    assert [(one.rejected, one.repaired) for one in found] == [(0, 2), (0, 2), (0, 2)]
    stored = [
        "SELECT toString(SpanKind), toString(StatusCode) FROM otel.otel_traces ORDER BY Timestamp",
        "SELECT SeverityNumber FROM otel.otel_logs ORDER BY Timestamp",
        "SELECT AggregationTemporality FROM otel.otel_metrics_sum",
        "SELECT DISTINCT AggregationTemporality FROM otel.otel_metrics_histogram",
        "SELECT AggregationTemporality FROM otel.otel_metrics_exponential_histogram",
    ]
    assert [warehouse.frame_of(one).rows() for one in stored] == [
        [("Unspecified", "Error"), ("Client", "Unset"), ("Consumer", "Ok")],
        [(24,), (0,), (0,)],
        [(0,)],
        [(1,)],
        [(0,)],
    ]
    repairs = warehouse.frame_of(
        "SELECT toString(subject), toString(reason), sum(records) FROM raw_repairs GROUP BY ALL"
    )
    assert sorted(repairs.rows()) == [
        ("aggregationTemporality", UNSET, 2),
        ("code", UNSET, 1),
        ("kind", UNSET, 1),
        ("severityNumber", UNSET, 2),
    ]


BROKEN = b"caf\xe9"
"""Latin-1 where UTF-8 must be."""


def text_places(message: Any, way: tuple[str, ...] = ()) -> Iterator[tuple[str, Any, str]]:
    """Every text of a message that is stored: its kind, where it stands and its member."""
    for field, value in message.ListFields():
        items = list(value) if field.is_repeated else [value]
        if field.message_type is not None:
            for one in items:
                yield from text_places(one, (*way, field.name))
        elif field.type == field.TYPE_STRING:
            yield ".".join((*way, field.name)), message, field.name


def with_broken_texts(request: Any) -> tuple[bytes, int]:
    """The message with one text of each kind broken, and how many those are."""
    first = {way: (holder, member) for way, holder, member in reversed(list(text_places(request)))}
    for holder, member in first.values():
        setattr(holder, member, "caf@")
    content = request.SerializeToString()
    assert content.count(b"caf@") == len(first) > 5
    return content.replace(b"caf@", BROKEN), len(first)


@pytest.mark.parametrize("signal", RICH)
def test_text_that_is_no_utf8_is_replaced_and_counted(warehouse: Warehouse, load: Load, signal: str) -> None:
    content, broken = with_broken_texts(RICH[signal]())
    outcome = load(otlp.delimited(RICH[signal]()) + otlp.varint(len(content)) + content)
    assert (outcome.rows, outcome.rejected, outcome.repaired) == (
        {signal: 2 * RECORDS[signal]},
        0,
        broken,
    )
    repairs = warehouse.frame_of("SELECT DISTINCT toString(reason), example FROM raw_repairs").rows()
    assert repairs == [("bytes that are not UTF-8 replaced by U+FFFD", "caf\\xe9")]
    assert "caf\ufffd" in dumped(warehouse, signal)


@pytest.mark.parametrize("signal", RICH)
def test_no_text_is_stored_without_being_looked_at(
    warehouse: Warehouse, load: Load, signal: str, sounds_told: None
) -> None:
    """Each kind of text in Protobuf is looked at by itself: where it would stop the load it is marked here instead."""
    content, broken = with_broken_texts(shallow(RICH[signal]()))
    assert load(content).repaired == 0
    stored = dumped(warehouse, signal)
    # The metrics' resource and scope go into each of five tables, once for each of their points.
    assert stored.count("(broken)") >= broken
    assert "\\xe9" not in stored


def shallow(request: Any, inside: bool = False) -> Any:
    """The message with the values inside of values plain, so that nothing in it is too deep for the engine."""
    for field, value in request.ListFields():
        if field.message_type is not None:
            for one in value if field.is_repeated else (value,):
                holds = one.DESCRIPTOR.name == "AnyValue" and one.WhichOneof("value") in (
                    "array_value",
                    "kvlist_value",
                )
                if holds and inside:
                    one.string_value = "inside"
                shallow(one, inside or holds)
    return request


@pytest.fixture
def sounds_told(warehouse: Warehouse) -> Iterator[None]:
    """``otlp_sound`` tells by a word what it would end the statement for."""
    own = next(
        one for one in split_statements(statement("migrations/0003_otel")) if "FUNCTION otlp_sound AS" in one
    )
    warehouse.reading.execute_text(
        "CREATE OR REPLACE FUNCTION otlp_sound AS (text, json) -> if(json OR isValidUTF8(text), text, '(broken)')"
    )
    yield
    warehouse.reading.execute_text(own)


def dumped(warehouse: Warehouse, signal: str) -> str:
    """Everything that is stored of a signal, bytes that are not UTF-8 escaped."""
    tables = [table for table in TABLES if table.startswith(f"otel_{signal}")]
    return "".join(
        str(
            warehouse.frame_of(
                f"SELECT replaceAll(toString(tuple(*)), char(233), '\\\\xe9') AS row FROM otel.{table}"
            ).rows()
        )
        for table in tables
    )
