"""Bytes of OTLP requests: unpacking under a cap, and the framing of segments. What they say is not known here."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

from backports import zstd

from pipelines.ingest.intake.limits import malformed, too_large, unsupported
from pipelines.ingest.sources.spool import ZSTD_MAGIC
from pipelines.ingest.telemetry.frames import Encoding, Signal, varint_bytes
from pipelines.ingest.telemetry.spool import unpacked_zstd

SIGNALS: tuple[Signal, ...] = ("traces", "metrics", "logs")

Kind = Signal | Literal["left"]
"""What a segment of the journal holds: requests of a signal, or lines about what a token did not let in."""
KINDS: tuple[Kind, ...] = (*SIGNALS, "left")
PROTOBUF: Encoding = "protobuf_delimited"
JSON: Encoding = "json"
ENDINGS: dict[Encoding, str] = {PROTOBUF: ".otlp", JSON: ".jsonl"}

_WINDOW_BITS = {"gzip": 31, "deflate": 15, "zlib": 15}
_RAW_DEFLATE = -15
_LONGEST_VARINT = 10


def unpacked(body: bytes, coding: str, limit: int) -> bytes:
    """The body without its content coding: ``identity``, ``gzip``, ``zstd``, ``deflate`` or its other name ``zlib``.

    Deflate is read with zlib's frame, as the standard has it, and without, as some senders write it.

    Never holds more than ``limit`` + 1 unpacked bytes, whatever the body claims.

    Raises:
        Refused: too large, ends early, not of that coding, or an unknown coding.
    """
    if coding == "identity":
        if len(body) > limit:
            raise too_large(limit)
        return body
    if coding == "zstd":
        return _without_zstd(body, limit)
    if coding not in _WINDOW_BITS:
        raise unsupported(
            f"content encoding {coding[:40]!r} is not read here: use gzip, zstd, deflate or none"
        )
    bits = _WINDOW_BITS[coding]
    if coding != "gzip" and not _has_zlib_header(body):
        bits = _RAW_DEFLATE
    parts: list[bytes] = []
    room = limit + 1
    rest = body
    while rest:
        unpacker = zlib.decompressobj(bits)
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


def _without_zstd(body: bytes, limit: int) -> bytes:
    try:
        message = unpacked_zstd(body, limit)
    except zstd.ZstdError:
        raise malformed("the body is not zstd, though its header says so, or ends early") from None
    if message is None:
        raise too_large(limit)
    return message


def _has_zlib_header(body: bytes) -> bool:
    return len(body) > 1 and body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0


def grpc_coding(message: bytes) -> str:
    """The coding of a gRPC message that was handed over packed.

    No request begins like gzip (wire type 7 does not exist), and none of OTLP like zlib's header (field 15) or
    zstd's (field 5 as a number).
    """
    if message[:2] == b"\x1f\x8b":
        return "gzip"
    if message.startswith(ZSTD_MAGIC):
        return "zstd"
    if message[:1] == b"\x78" and len(message) > 1 and int.from_bytes(message[:2], "big") % 31 == 0:
        return "deflate"
    return "identity"


def framed(payload: bytes, encoding: Encoding) -> bytes:
    """A payload as it stands in a segment: behind its varint length, or as a line."""
    if encoding == JSON:
        return payload + b"\n"
    return varint_bytes(len(payload)) + payload


def frame_ends(path: Path, encoding: Encoding) -> list[int]:
    """Where each whole frame of a segment ends; bytes after the last are a frame that broke off."""
    with path.open("rb") as file:
        return list(_line_ends(file) if encoding == JSON else _delimited_ends(file, path.stat().st_size))


def _delimited_ends(file: BinaryIO, size: int) -> Iterator[int]:
    end = 0
    while end < size:
        head = file.read(_LONGEST_VARINT)
        length, used = _read_varint(head)
        if not used:
            return
        end += used + length
        if end <= size:
            yield end
        file.seek(end)


def _line_ends(file: BinaryIO) -> Iterator[int]:
    for line in file:
        if line.endswith(b"\n"):
            yield file.tell()


def _read_varint(data: bytes) -> tuple[int, int]:
    """Value and the bytes it takes; (0, 0) where it breaks off."""
    value = 0
    for index, byte in enumerate(data[:_LONGEST_VARINT]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, index + 1
    return 0, 0
