"""Values nested deeper than the engine reads, put as the text they become: one text whichever way they came.

Runs only for a file a statement ended at. What the text of a shallower value is decides
``sql/migrations/0003_otel.sql``; this module writes the same.
"""

from __future__ import annotations

import base64
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf.message import Message

from pipelines.ingest.telemetry.shapes import REQUESTS
from sql.otlp_files import DEPTH

LEVELS = 30
"""Levels of one value that are kept; Protobuf itself ends at 100 nested messages, three of them a level."""

CUT = f"levels below the {LEVELS}th left out"
"""Reason of the repair."""

_SPREAD = {"\u2028": "\\u2028", "\u2029": "\\u2029"}

Cuts = Counter[str]
"""Attributes of which something was left out, by key."""

Read = Callable[[Any], tuple[str, Any]]
"""A value's kind (text, json, array, map or nothing) and what it holds."""


def flattened_protobuf(message: bytes, signal: str) -> tuple[bytes, Cuts]:
    """One message with every value that is too deep replaced by its text.

    Raises:
        DecodeError: the bytes are no message of this signal.
    """
    request = REQUESTS[signal].FromString(message)
    cuts: Cuts = Counter()
    for key, value in _values_of(request):
        if _levels(value, _of_message) > DEPTH:
            value.string_value = _text(key, value, _of_message, cuts)
    return request.SerializeToString(), cuts


def flattened_json(message: bytes) -> tuple[bytes, Cuts]:
    """As ``flattened_protobuf``, for one message of OTLP/JSON.

    Raises:
        ValueError: the bytes are no JSON.
    """
    document = json.loads(message)
    cuts: Cuts = Counter()
    for key, holder, name in _members_of(document):
        if isinstance(holder[name], dict) and _levels(holder[name], _of_members) > DEPTH:
            holder[name] = {"stringValue": _text(key, holder[name], _of_members, cuts)}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(), cuts


def _values_of(message: Message, key: str = "body") -> Iterator[tuple[str, Any]]:
    """Every attribute value and body in a message, with its key."""
    name = message.DESCRIPTOR.name
    if name == "AnyValue":
        yield key, message
        return
    if name == "KeyValue":
        key = message.key
    for field, value in message.ListFields():
        if field.message_type is not None:
            for one in value if field.is_repeated else (value,):
                yield from _values_of(one, key)


def _members_of(document: Any) -> Iterator[tuple[str, dict[str, Any], str]]:
    """As ``_values_of``: the key, and where the value stands."""
    waiting = [document]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += one
        elif isinstance(one, dict):
            if "key" in one and "value" in one:
                yield str(one["key"]), one, "value"
                continue
            if "body" in one:
                yield "body", one, "body"
            waiting += [value for name, value in one.items() if name != "body"]


def _of_message(value: Any) -> tuple[str, Any]:
    kind = value.WhichOneof("value")
    held: Any = getattr(value, kind) if kind else None
    if kind == "array_value":
        return "array", list(held.values)
    if kind == "kvlist_value":
        return "map", [(pair.key, pair.value) for pair in held.values]
    if kind == "string_value":
        return "text", held
    if kind == "bytes_value":
        return "text", base64.b64encode(held).decode()
    return "json", _scalar(held)


def _of_members(value: Any) -> tuple[str, Any]:
    value = value if isinstance(value, dict) else {}
    for kind, name in (("array", "arrayValue"), ("map", "kvlistValue")):
        if isinstance(value.get(name), dict):
            held = value[name].get("values") or []
            if kind == "array":
                return kind, held
            return kind, [(str(pair.get("key", "")), pair.get("value") or {}) for pair in held]
    if value.get("stringValue") is not None:
        return "text", str(value["stringValue"])
    if value.get("intValue") is not None:
        return "json", str(int(value["intValue"]))
    if value.get("boolValue") is not None:
        return "json", _scalar(bool(value["boolValue"]))
    if value.get("doubleValue") is not None:
        return "json", _scalar(float(value["doubleValue"]))
    if value.get("bytesValue") is not None:
        return "text", str(value["bytesValue"])
    return "json", "null"


def _levels(value: Any, read: Read) -> int:
    """Levels of arrays and maps in a value; no deeper than is needed to know that it is too deep."""
    deepest, waiting = 0, [(value, 0)]
    while waiting:
        one, level = waiting.pop()
        kind, held = read(one)
        if kind not in ("array", "map"):
            continue
        deepest = max(deepest, level + 1)
        if deepest > DEPTH:
            return deepest
        waiting += [(inner[1] if kind == "map" else inner, level + 1) for inner in held]
    return deepest


def _text(key: str, value: Any, read: Read, cuts: Cuts, level: int = 1) -> str:
    kind, held = read(value)
    if kind == "json":
        return str(held)
    if kind == "text":
        return _quoted(held)
    if level > LEVELS:
        cuts[key] += 1
        return "null"
    if kind == "array":
        return f"[{','.join(_text(key, one, read, cuts, level + 1) for one in held)}]"
    return (
        "{"
        + ",".join(f"{_quoted(name)}:{_text(key, one, read, cuts, level + 1)}" for name, one in held)
        + "}"
    )


def _quoted(text: str) -> str:
    quoted = json.dumps(text, ensure_ascii=False)
    for character, escaped in _SPREAD.items():
        quoted = quoted.replace(character, escaped)
    return quoted


def _scalar(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return double_text(value) if isinstance(value, float) else str(value)


def double_text(value: float) -> str:
    """A double as the engine writes it in JSON: the shortest digits, an exponent below 1e-6 and from 1e21."""
    if math.isnan(value):
        return '"nan"'
    if math.isinf(value):
        return '"inf"' if value > 0 else '"-inf"'
    sign, digits, exponent = _decimal(value)
    point = len(digits) + exponent
    if digits == "0":
        return f"{sign}0"
    if -6 < point <= 21:
        if exponent >= 0:
            return sign + digits + "0" * exponent
        if point > 0:
            return f"{sign}{digits[:point]}.{digits[point:]}"
        return f"{sign}0.{'0' * -point}{digits}"
    return f"{sign}{digits[0]}{'.' + digits[1:] if len(digits) > 1 else ''}e{point - 1}"


def _decimal(value: float) -> tuple[str, str, int]:
    """Sign, the shortest digits that give the value back, and the power of ten of the last of them."""
    mantissa, _, power = repr(value).lower().partition("e")
    sign, mantissa = ("-", mantissa[1:]) if mantissa.startswith("-") else ("", mantissa)
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    exponent = int(power or 0) - len(fraction)
    stripped = digits.rstrip("0")
    return sign, stripped or "0", exponent + len(digits) - len(stripped)
