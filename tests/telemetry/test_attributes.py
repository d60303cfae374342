"""Attributes of any shape become one text, and senders without a name are told apart by what else they say."""

from __future__ import annotations

import math
import random
import struct
from typing import Any

import pytest

from pipelines.ingest.telemetry.deep import CUT, LEVELS, double_text
from sql.otlp_files import insert_settings
from sql.warehouse import Warehouse
from tests.telemetry import otlp_messages as otlp
from tests.telemetry.conftest import Load


def test_doubles_are_written_as_the_engine_writes_them(warehouse: Warehouse) -> None:
    draw = random.Random(3)
    values = [
        0.0,
        -0.0,
        1e21,
        1e20,
        123456789012345680000.0,
        1e-6,
        1e-7,
        9.999e-7,
        5e-324,
        1.7976931348623157e308,
        0.1,
    ]
    values += [struct.unpack("<d", draw.randbytes(8))[0] for _ in range(500)]
    values += [round(draw.uniform(-1e6, 1e6), draw.randrange(8)) for _ in range(500)]
    values = [value for value in values if math.isfinite(value)]
    written = warehouse.frame_of(
        "SELECT toJSONString(arrayJoin({values:Array(Float64)})) AS text", values=values
    )["text"].to_list()
    assert [double_text(value) for value in values] == written


def _nested(levels: int) -> Any:
    value: Any = "end"
    for level in range(levels):
        value = [value] if level % 2 else {"k": value}
    return value


def _text(value: Any) -> str:
    if isinstance(value, list):
        return f"[{_text(value[0])}]"
    return f'{{"k":{_text(value["k"])}}}' if isinstance(value, dict) else f'"{value}"'


@pytest.mark.parametrize("encode", [otlp.as_json, otlp.delimited], ids=["json", "protobuf"])
def test_values_of_any_depth_are_kept_and_the_rest_counts(
    warehouse: Warehouse, load: Load, encode: Any
) -> None:
    request = otlp.traces(2)
    one = request.resource_spans[0].scope_spans[0].spans[0]
    one.attributes.extend(
        otlp.pairs({str(levels): _nested(levels) for levels in (2, 4, 7, LEVELS, LEVELS + 2)})
    )
    one.events.add(name="e").attributes.extend(otlp.pairs({"deep": _nested(5)}))
    outcome = load(encode(request))
    assert (outcome.rows, outcome.rejected) == ({"traces": 2}, 0)
    found = warehouse.frame_of(
        "SELECT pair.1, pair.2 FROM otel.otel_traces"
        " ARRAY JOIN CAST(arrayConcat([SpanAttributes], `Events.Attributes`), 'Array(Array(Tuple(String, String)))') AS pairs"
        " ARRAY JOIN pairs AS pair"
    ).rows()
    cut = _text(_nested(LEVELS + 2)).replace(_text(_nested(2)), "null")
    assert dict(found) == {
        **{str(levels): _text(_nested(levels)) for levels in (2, 4, 7, LEVELS)},
        "deep": _text(_nested(5)),
        str(LEVELS + 2): cut,
    }
    repairs = warehouse.frame_of(
        "SELECT subject, toString(reason), records FROM raw_repairs FINAL WHERE source_name = 'test'"
    )
    assert repairs.rows() == [(str(LEVELS + 2), CUT, 1)]


NAMELESS: list[tuple[dict[str, str], str]] = [
    ({"service.name": "unknown_service:node"}, "unknown_service:node"),
    ({"service.name": "unknown_service", "telemetry.sdk.language": "python"}, "unknown_service:python"),
    (
        {
            "service.name": "unknown_service:java",
            "k8s.namespace.name": "Shop",
            "k8s.deployment.name": "cart",
            "host.name": "h",
        },
        "unknown_service:java@shop/cart",
    ),
    (
        {"service.name": "unknown_service:java", "k8s.pod.name": "cart-7d9f8b6c5d-x2v4z"},
        "unknown_service:java@cart",
    ),
    (
        {"service.name": "unknown_service:java", "k8s.pod.name": "cart-5c6b7d8f9c-q9q4z"},
        "unknown_service:java@cart",
    ),
    (
        {"service.name": "unknown_service", "cloud.resource_id": "ARN:x", "host.name": "h"},
        "unknown_service@arn:x",
    ),
    (
        {
            "service.name": "unknown_service:go",
            "host.name": "vm-1",
            "process.executable.name": "billing",
            "process.pid": "7",
        },
        "unknown_service:go@vm-1/billing",
    ),
    ({"service.name": "unknown_service:go", "host.name": "0123456789ab"}, "unknown_service:go"),
    (
        {"service.name": "unknown_service:go", "service.instance.id": "627cc493-f310-47de-96bd-71410b7dec09"},
        "unknown_service:go",
    ),
    ({"service.name": "unknown_service:go", "service.instance.id": "node-3"}, "unknown_service:go@node-3"),
    ({"service.name": "unknown_service:go", "app_id": "Known", "host.name": "h"}, "known"),
    ({"service.name": "unknown", "host.name": "h"}, "unknown"),
]


def test_senders_without_a_name_are_told_apart(warehouse: Warehouse, load: Load) -> None:
    request = otlp.traces(len(NAMELESS))
    spans = list(request.resource_spans[0].scope_spans[0].spans)
    del request.resource_spans[:]
    for span, (attributes, _) in zip(spans, NAMELESS, strict=True):
        resource = request.resource_spans.add()
        resource.resource.attributes.extend(otlp.pairs(attributes))
        resource.scope_spans.add().spans.append(span)
    load(otlp.delimited(request))
    found = warehouse.frame_of(
        "SELECT toString(app_id) FROM otel.otel_traces_current ORDER BY Timestamp"
    ).to_series()
    assert found.to_list() == [app for _, app in NAMELESS]


def test_what_an_insert_leaves_to_merges_is_every_index_but_that_of_batches(warehouse: Warehouse) -> None:
    left = insert_settings()["exclude_materialize_skip_indexes_on_insert"]
    there = warehouse.frame_of(
        "SELECT DISTINCT name FROM system.data_skipping_indices WHERE database = '{{otel}}' AND table LIKE 'otel\\_%'"
    )["name"].to_list()
    assert {*str(left).split(","), "idx_batch"} == set(there)
