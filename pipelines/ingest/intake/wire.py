"""Bytes of OTLP requests: unpacking under a cap, a structural check, and the framing of segments.

No span is decoded here: a Protobuf request is walked two levels deep, which is enough to tell a request from
something else, and the loader sets aside what still turns out to be unreadable.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pipelines.ingest.intake.limits import Refused, malformed, too_large, unsupported
from pipelines.ingest.telemetry.frames import Encoding, Signal

SIGNALS: tuple[Signal, ...] = ("traces", "metrics", "logs")
PROTOBUF: Encoding = "protobuf_delimited"
JSON: Encoding = "json"
ENDINGS: dict[Encoding, str] = {PROTOBUF: ".otlp", JSON: ".jsonl"}

_JSON_LISTS = {"traces": "resourceSpans", "metrics": "resourceMetrics", "logs": "resourceLogs"}
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_WINDOW_BITS = {"gzip": 31, "deflate": 15}
_LONGEST_VARINT = 10


def unpacked(body: bytes, coding: str, limit: int) -> bytes:
    """The body without its content coding (``identity``, ``gzip`` or zlib's ``deflate``).

    Never holds more than ``limit`` + 1 unpacked bytes, whatever the body claims.

    Raises:
        Refused: too large, ends early, not of that coding, or an unknown coding.
    """
    if coding == "identity":
        if len(body) > limit:
            raise too_large(limit)
        return body
    if coding not in _WINDOW_BITS:
        raise unsupported(f"content encoding {coding[:40]!r} is not read here: use gzip, deflate or none")
    parts: list[bytes] = []
    room = limit + 1
    rest = body
    while rest:
        unpacker = zlib.decompressobj(_WINDOW_BITS[coding])
        try:
            part = unpacker.decompress(rest, room)
        except zlib.error:
            raise malformed(f"the body is not {coding}, though its header says so") from None
        parts.append(part)
        room -= len(part)
        if room <= 0:
            raise too_large(limit)
        if not unpacker.eof:
            raise malformed(f"the {coding} body ends early")
        rest = unpacker.unused_data
    return b"".join(parts)


def grpc_coding(message: bytes) -> str:
    """The coding of a gRPC message that was handed over packed.

    No request begins like gzip (wire type 7 does not exist), and none of OTLP like zlib's header (field 15).
    """
    if message[:2] == b"\x1f\x8b":
        return "gzip"
    if message[:1] == b"\x78" and len(message) > 1 and int.from_bytes(message[:2], "big") % 31 == 0:
        return "deflate"
    return "identity"


def check_protobuf(request: bytes) -> None:
    """Checks that bytes can be an ``Export...ServiceRequest``: its fields, and those of each resource.

    Raises:
        Refused: they cannot.
    """
    for number, kind, start, end in _fields(request, 0, len(request)):
        if number != 1:
            continue
        if kind != _LENGTH:
            raise malformed("the body is not an OTLP request: field 1 is not a message")
        for inner, inner_kind, _, _ in _fields(request, start, end):
            if inner <= 3 and inner_kind != _LENGTH:
                raise malformed(f"the body is not an OTLP request: field 1.{inner} is not a message or text")


def json_line(request: bytes, signal: Signal) -> bytes:
    """An OTLP/JSON request as one line without its end; empty where it holds nothing.

    Raises:
        Refused: not JSON, or not a request of this signal.
    """
    try:
        text = request.decode("utf-8-sig")
        document = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        raise malformed("the body is not JSON, though its content type says so") from None
    name = _JSON_LISTS[signal]
    if not isinstance(document, dict) or not isinstance(document.get(name, []), list):
        raise malformed(f"the body is not an OTLP request: {name} is missing or not a list")
    if not document.get(name):
        return b""
    # Inside JSON text a line break is always escaped, so those that are there are only layout.
    return text.replace("\n", " ").replace("\r", " ").encode()


def framed(payload: bytes, encoding: Encoding) -> bytes:
    """A payload as it stands in a segment: behind its varint length, or as a line."""
    if encoding == JSON:
        return payload + b"\n"
    return _varint(len(payload)) + payload


def frame_ends(path: Path, encoding: Encoding) -> list[int]:
    """Where each whole frame of a segment ends; bytes after the last are a frame that broke off."""
    with path.open("rb") as file:
        return list(_line_ends(file) if encoding == JSON else _delimited_ends(file, path.stat().st_size))


def _delimited_ends(file: BinaryIO, size: int) -> Iterator[int]:
    end = 0
    while end < size:
        head = file.read(_LONGEST_VARINT)
        try:
            length, used = _read_varint(head, 0, len(head))
        except Refused:
            return
        end += used + length
        if end <= size:
            yield end
        file.seek(end)


def _line_ends(file: BinaryIO) -> Iterator[int]:
    for line in file:
        if line.endswith(b"\n"):
            yield file.tell()


def _fields(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Fields between two positions: number, wire type, where the value starts and ends."""
    at = start
    while at < end:
        tag, at = _read_varint(data, at, end)
        number, kind = tag >> 3, tag & 7
        value = at
        if kind == _LENGTH:
            length, value = _read_varint(data, at, end)
            at = value + length
        elif kind == _VARINT:
            _, at = _read_varint(data, at, end)
        elif kind == _FIXED64:
            at += 8
        elif kind == _FIXED32:
            at += 4
        else:
            raise malformed(f"the body is not an OTLP request: wire type {kind} at byte {at}")
        if not number or at > end:
            raise malformed(f"the body is not an OTLP request: it breaks off at byte {value}")
        yield number, kind, value, at


def _read_varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 7 * _LONGEST_VARINT:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise malformed(f"the body is not an OTLP request: a number breaks off at byte {at}")


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
