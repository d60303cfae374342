"""Bodies of HTTP requests and responses: chunks, lengths, compression and multipart forms.

Works on files and byte strings; knows neither SQL nor the engine.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator
from email.message import Message
from importlib import import_module
from typing import Any, Protocol

import lz4.frame

BLOCK = 1 << 18


class Readable(Protocol):
    """What a connection offers to read from."""

    def read(self, size: int, /) -> bytes: ...

    def readline(self, limit: int, /) -> bytes: ...


class BadRequest(Exception):
    """A request that does not follow HTTP or uses what is not offered."""


def raw_body(source: Readable, headers: Message) -> Iterator[bytes]:
    """The body's bytes as sent: chunked, or as long as the header says.

    Raises:
        BadRequest: the body ends early, or its chunks cannot be read.
    """
    if "chunked" in headers.get("Transfer-Encoding", "").lower():
        yield from _chunks(source)
        return
    try:
        left = int(headers.get("Content-Length") or 0)
    except ValueError:
        raise BadRequest("Content-Length is not a number") from None
    while left > 0:
        block = source.read(min(left, BLOCK))
        if not block:
            raise BadRequest("the body ended before its announced length")
        left -= len(block)
        yield block


def _chunks(source: Readable) -> Iterator[bytes]:
    while True:
        line = source.readline(1024)
        try:
            left = int(line.split(b";")[0].strip(), 16)
        except ValueError:
            raise BadRequest("the chunked body ended early or is malformed") from None
        if left == 0:
            while source.readline(1024).strip():
                pass
            return
        while left > 0:
            block = source.read(min(left, BLOCK))
            if not block:
                raise BadRequest("the body ended inside a chunk")
            left -= len(block)
            yield block
        source.readline(8)


def unpacked(blocks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """``blocks`` without their Content-Encoding.

    Raises:
        BadRequest: an encoding not offered, or bytes that are not of it or end early.
    """
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        yield from blocks
        return
    decoder = _decoder(encoding)
    try:
        for block in blocks:
            while block:
                if decoder.eof:  # several frames or members may follow each other
                    decoder = _decoder(encoding)
                data = decoder.decompress(block)
                if data:
                    yield data
                block = decoder.unused_data if decoder.eof else b""
    except (zlib.error, RuntimeError, OSError, EOFError) as error:
        raise BadRequest(f"the body is not {encoding}: {error}") from None
    if not decoder.eof:
        raise BadRequest(f"the {encoding} body ended early")


def _decoder(encoding: str) -> Any:
    if encoding in ("gzip", "x-gzip"):
        return zlib.decompressobj(31)
    if encoding == "deflate":
        return zlib.decompressobj(15)
    if encoding == "lz4":
        return lz4.frame.LZ4FrameDecompressor()
    if encoding == "zstd":
        return _zstd()
    raise BadRequest(f"Content-Encoding {encoding[:20]} is not offered; use gzip, deflate, lz4 or zstd")


def packer(accepted: str) -> tuple[str, Callable[[bytes], bytes], Callable[[], bytes]]:
    """Encoding chosen of an Accept-Encoding, its compress and its flush; empty when none is offered."""
    wanted = [one.split(";")[0].strip().lower() for one in accepted.split(",")]
    if "lz4" in wanted:
        frame = lz4.frame.LZ4FrameCompressor()
        begun = [frame.begin()]

        def compress(block: bytes) -> bytes:
            return bytes((begun.pop() if begun else b"") + frame.compress(block))

        def flush() -> bytes:
            return bytes((begun.pop() if begun else b"") + frame.flush())

        return "lz4", compress, flush
    if "gzip" in wanted:
        stream = zlib.compressobj(1, zlib.DEFLATED, 31)
        return "gzip", stream.compress, stream.flush
    return "", bytes, bytes


def form_fields(body: bytes, content_type: str) -> dict[str, bytes]:
    """Plain fields of a multipart/form-data body.

    Raises:
        BadRequest: no boundary, or a part that is a file (external data is not offered).
    """
    message = Message()
    message["Content-Type"] = content_type
    boundary = message.get_param("boundary")
    if not isinstance(boundary, str) or not boundary:
        raise BadRequest("the multipart body has no boundary")
    fields: dict[str, bytes] = {}
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary.encode())[1:]:
        if part.startswith(b"--"):
            break
        head, _, value = part.partition(b"\r\n\r\n")
        disposition = Message()
        for line in head.decode("utf-8", "replace").split("\r\n"):
            field, _, text = line.partition(":")
            if field.strip().lower() == "content-disposition":
                disposition["Content-Disposition"] = text.strip()
        name = disposition.get_param("name", header="Content-Disposition")
        if disposition.get_param("filename", header="Content-Disposition") is not None:
            raise BadRequest("external data in a form is not offered by the local warehouse")
        if isinstance(name, str):
            fields[name] = value
    return fields


def _zstd() -> Any:
    name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    return import_module(name).ZstdDecompressor()
