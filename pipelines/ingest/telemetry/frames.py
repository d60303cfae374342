"""Where one OTLP message ends and the next begins, and which encoding and signal the bytes are of.

Looks at lengths and field tags only; what a message says is read by the engine. Nothing here writes a file
but the re-framing of a length-prefixed stream.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from mmap import mmap
from typing import BinaryIO, Literal, NamedTuple

Encoding = Literal["json", "protobuf", "protobuf_delimited", "protobuf_prefixed"]
Signal = Literal["traces", "metrics", "logs"]
Bytes = bytes | mmap

_MESSAGE_TAG = 0x0A
"""Tag of field 1, length-delimited: the only field of the three export requests."""
PREFIX_BYTES = 4
"""Bytes of the big-endian length the collector's file exporter writes before each message."""
_HEAD = 512
_JSON = re.compile(rb"\s*[\[{]\s*[\"{}\]]")
_JSON_KEYS = (b"resource", b"instrumentation")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")


class Frame(NamedTuple):
    """One message: ``start`` to ``end`` with its framing, its own bytes from ``body``."""

    start: int
    body: int
    end: int


class Field(NamedTuple):
    """One Protobuf field of a message: number, wire type and where its value lies."""

    number: int
    wire: int
    start: int
    end: int


def sniffed_encoding(data: Bytes) -> Encoding | None:
    """The encoding the bytes are in, or None where they are none of OTLP's."""
    head = bytes(data[:_HEAD])
    if _JSON.match(head.removeprefix(b"\xef\xbb\xbf")) and not _CONTROL.search(head):
        return "json"
    if not head:
        return None
    if _covers(data, _top_fields(data)):
        return "protobuf"
    prefixed = int.from_bytes(head[:PREFIX_BYTES], "big") if head[0] == 0 else 0
    length, body = _varint(data, 0)
    if _starts_message(data, PREFIX_BYTES, prefixed):
        return "protobuf_prefixed"
    if _starts_message(data, body, length):
        return "protobuf_delimited"
    if head[0] == _MESSAGE_TAG:
        return "protobuf"
    if prefixed and data[PREFIX_BYTES : PREFIX_BYTES + 1] == bytes([_MESSAGE_TAG]):
        return "protobuf_prefixed"
    if length and data[body : body + 1] == bytes([_MESSAGE_TAG]):
        return "protobuf_delimited"
    return _encoding_behind(data)


def _encoding_behind(data: Bytes) -> Encoding | None:
    """The encoding of an object whose first message is none, told by those behind it."""
    if any(data.find(b'\n{"%s' % key) >= 0 for key in _JSON_KEYS):
        return "json"
    prefixes: tuple[tuple[Encoding, int], ...] = (
        ("protobuf_prefixed", PREFIX_BYTES),
        ("protobuf_delimited", 0),
    )
    for encoding, prefix in prefixes:
        frames, end = delimited_frames(data, prefix)
        messages = sum(data[frame.body : frame.body + 1] == bytes([_MESSAGE_TAG]) for frame in frames)
        if messages and (end == len(data) or messages > 1):
            return encoding
    return None


def sniffed_signal(message: Bytes) -> Signal | None:
    """The signal of one export request, by the fields of its first span, metric or log record."""
    for item in _first_items(message):
        kinds = {(field.number, field.wire): field.end - field.start for field in fields(message, item)}
        if (7, 1) in kinds or (8, 1) in kinds:
            return "traces"
        if (1, 1) in kinds or (11, 1) in kinds:
            return "logs"
        if (1, 2) in kinds and any((number, 2) in kinds for number in (5, 7, 9, 10, 11)):
            return "metrics"
    return None


def delimited_frames(data: Bytes, prefix: int = 0) -> tuple[list[Frame], int]:
    """Messages of a delimited stream and where the last whole one ends.

    ``prefix`` 0 reads varint lengths, else big-endian ones of so many bytes.
    """
    found, position = [], 0
    while position < len(data):
        if prefix:
            length, body = int.from_bytes(data[position : position + prefix], "big"), position + prefix
        else:
            length, body = _varint(data, position)
        if not body or body + length > len(data):
            break
        found.append(Frame(position, body, body + length))
        position = body + length
    return found, position


def line_frames(data: Bytes, most: int | None = None) -> list[Frame]:
    """Lines that are not blank, the first ``most`` of them."""
    found: list[Frame] = []
    position, size = 0, len(data)
    while position < size and (most is None or len(found) < most):
        end = data.find(b"\n", position)
        end = size if end < 0 else end + 1
        if data[position] not in b" \t\r\n" or bytes(data[position:end]).strip():
            found.append(Frame(position, position, end))
        position = end
    return found


def write_delimited(data: Bytes, frames: list[Frame], target: BinaryIO) -> None:
    """Writes messages with varint lengths, the framing the engine reads."""
    for frame in frames:
        target.write(varint_bytes(frame.end - frame.body))
        target.write(data[frame.body : frame.end])


def fields(data: Bytes, within: Field | None = None) -> Iterator[Field]:
    """Fields of the message lying in ``within`` (or in all of ``data``), until the bytes stop making sense."""
    position, stop = (within.start, within.end) if within else (0, len(data))
    while position < stop:
        tag, start = _varint(data, position)
        if not start:
            return
        wire = tag & 7
        if wire == 0:
            _, end = _varint(data, start)
        elif wire == 1:
            end = start + 8
        elif wire == 2:
            length, start = _varint(data, start)
            end = start + length if start else 0
        elif wire == 5:
            end = start + 4
        else:
            return
        if not end or end > stop:
            return
        yield Field(tag >> 3, wire, start, end)
        position = end


def _first_items(message: Bytes) -> Iterator[Field]:
    """First span, metric or log record of each scope."""
    for resource in fields(message):
        for scope in fields(message, resource):
            if (scope.number, scope.wire) == (2, 2):
                for item in fields(message, scope):
                    if (item.number, item.wire) == (2, 2):
                        yield item
                        break


def _top_fields(data: Bytes) -> Iterator[Field]:
    for field in fields(data):
        if (field.number, field.wire) != (1, 2):
            return
        yield field


def _covers(data: Bytes, found: Iterator[Field]) -> bool:
    end = 0
    for field in found:
        end = field.end
    return end == len(data)


def _starts_message(data: Bytes, body: int, length: int) -> bool:
    return 0 < length <= len(data) - body and data[body] == _MESSAGE_TAG


def _varint(data: Bytes, position: int) -> tuple[int, int]:
    """Value and the position after it; (0, 0) where there is none."""
    value = 0
    for index in range(10):
        if position + index >= len(data):
            break
        byte = data[position + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, position + index + 1
    return 0, 0


def varint_bytes(value: int) -> bytes:
    """A length as Protobuf writes it."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
