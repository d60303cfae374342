"""How the engine reads bytes of OTLP: its names for their formats, its settings, and which errors lie with the bytes.

What the bytes look like is told by whoever has them; nothing here reads any.
"""

from __future__ import annotations

from models.errors import WarehouseError

ENGINE_FORMATS = {"json": "JSONEachRow", "protobuf": "ProtobufSingle", "protobuf_delimited": "Protobuf"}
"""Input format by encoding."""

_UNREADABLE_CODES = frozenset({6, 25, 26, 27, 32, 33, 72, 117, 128, 130, 131, 190, 306, 349, 436, 444, 467})
"""Codes the engine gives for bytes it cannot parse (ClickHouse, src/Common/ErrorCodes.cpp)."""

_LATER_INDEXES = (
    "idx_trace_id",
    "idx_duration",
    "idx_lower_body",
    *(
        f"idx_{what}_attr_{part}"
        for what in ("res", "scope", "span", "log", "attr")
        for part in ("key", "value")
    ),
)

_THROWN_BY_STATEMENT = 395
"""Code of ``throwIf``: the ingest statements throw it where a value is nested deeper than their structure, and where
text is not UTF-8 or an enum is not the protocol's."""

_ANY_OTLP: dict[str, str | int | float] = {
    "output_format_json_escape_forward_slashes": 0,
    "output_format_json_quote_denormals": 1,
    # Off: this pass hashes the nested types of every comparison; 0.3 of 0.5 s of a small object's plan.
    "optimize_and_compare_chain": 0,
    # Off: it hashes the nested types under a condition, up to 0.5 s of a plan.
    "use_query_condition_cache": 0,
    # An empty list is told from no value by the presence of its member.
    "allow_experimental_nullable_tuple_type": 1,
    # The patterns are ours (models/policy/redaction.yaml) and their cost is measured.
    "reject_expensive_hyperscan_regexps": 0,
}


def json_settings() -> dict[str, str | int | float]:
    """Settings OTLP/JSON is read with."""
    return {
        **_ANY_OTLP,
        "input_format_json_read_numbers_as_strings": 1,
        "input_format_skip_unknown_fields": 1,
        # Off: true is no number, and a statement that says so has its message put right.
        "input_format_json_read_bools_as_numbers": 0,
        # Every block costs 0.05 s of CPU time beside what is in it: fewer, larger ones than the engine's 10 MiB.
        "min_chunk_bytes_for_parallel_parsing": 40 << 20,
    }


def protobuf_settings(schema: str, message: str) -> dict[str, str | int | float]:
    """Settings OTLP Protobuf is read with: the schema as text, and the message to look for."""
    return {
        **_ANY_OTLP,
        "format_schema_source": "string",
        "format_schema": schema,
        "format_schema_message_name": message,
    }


def insert_settings() -> dict[str, str | int | float]:
    """Settings telemetry is inserted with."""
    return {
        # A partition is a day, and one object may hold a year.
        "max_partitions_per_insert_block": 0,
        # What people search by is indexed when parts are merged, which does it again anyway; that by batch stays.
        "exclude_materialize_skip_indexes_on_insert": ",".join(_LATER_INDEXES),
    }


def is_unreadable(error: WarehouseError) -> bool:
    """Whether the engine failed because of the bytes it read, not for a reason of its own."""
    return error.code in _UNREADABLE_CODES


def is_thrown(error: WarehouseError) -> bool:
    """Whether an ingest statement ended at a value that it does not store as it is."""
    return error.code == _THROWN_BY_STATEMENT
