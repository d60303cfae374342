"""Bytes of an object as the engine can read them: unpacked under a cap, re-framed, encoding and signals known.

Moves and frames bytes; never decodes a record. Of an object that grows, only what is new is made readable.
"""

from __future__ import annotations

import hashlib
import json
import mmap
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from backports import zstd

from models.errors import ObjectRefused
from pipelines.ingest.sources.spool import CHUNK_BYTES, ZSTD_MAGIC, is_packed
from pipelines.ingest.sources.spool import spool as unpack
from pipelines.ingest.telemetry.frames import (
    PREFIX_BYTES,
    Bytes,
    Encoding,
    Frame,
    delimited_frames,
    line_frames,
    sniffed_encoding,
    sniffed_signal,
    write_delimited,
)
from pipelines.ingest.telemetry.policy import spool_limits
from pipelines.ingest.telemetry.signals import READERS
from sql.otlp_files import ENGINE_FORMATS

HEAD_BYTES = 4096
"""Beginning by which objects are found that may hold the same bytes."""

_SNIFFED_FRAMES = 5000
"""Messages of one object whose signal is looked at; more, and it is every n-th."""

_BLANK = b" \t\r\n"


@dataclass(frozen=True)
class SpooledMessages:
    """A file the engine reads as it is, and the signals to look for in it.

    ``messages`` are the numbers its messages have in their object, from 1; None: in order, from 1.
    """

    path: Path
    encoding: Encoding
    signals: tuple[str, ...]
    messages: Sequence[int] | None = None

    @property
    def engine_format(self) -> str:
        """Name of the input format."""
        return ENGINE_FORMATS[self.encoding]

    @property
    def family(self) -> str:
        """json or protobuf."""
        return "json" if self.encoding == "json" else "protobuf"

    def number(self, index: int) -> int:
        """The number in its object of a message, by its place in this file."""
        return index + 1 if self.messages is None else self.messages[index]


@dataclass(frozen=True)
class Content:
    """What of an object is to be loaded now.

    ``bytes`` of its unpacked bytes are then covered, from its beginning; ``sha256`` and ``head`` (of at most
    ``HEAD_BYTES``) are theirs. ``waiting`` bytes at its end are a message that is not all there yet.
    """

    parts: tuple[SpooledMessages, ...]
    bytes: int
    sha256: str
    head: str
    waiting: int = 0
    already: int = 0


class Covered(Protocol):
    """What earlier loads covered of objects that may be this one."""

    def lengths(self, head: str, size: int) -> Mapping[int, Collection[str]]:
        """sha256 digests by number of bytes (at most ``size``), of objects that begin alike."""


@contextmanager
def mapped(path: Path) -> Iterator[Bytes]:
    """The bytes of a file, mapped; empty bytes for an empty file."""
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            yield b""
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield data


def spool(
    path: Path,
    folder: Path,
    object_name: str,
    signal: str | None = None,
    encoding: Encoding | None = None,
    sha256: str = "",
    covered: Covered | None = None,
    may_grow: bool = False,
) -> Content:
    """Makes the bytes at ``path`` readable for the engine; copies go to ``folder``, plain bytes stay in place.

    Args:
        sha256: of the bytes at ``path``, where that is known.
        covered: what was loaded before: bytes an object begins with that are among it are not loaded again.
        may_grow: whether a message that breaks off at the end waits for its rest, or is damaged for good.

    Raises:
        ObjectRefused: the object is empty, its packing broken or too large, or it holds no OTLP.
    """
    plain = _unpacked(path, folder, object_name)
    with mapped(plain) as data:
        if not data:
            raise ObjectRefused(object_name, "the object is empty: nothing to load")
        start, hashed = _known_prefix(data, covered)
        body = _written(folder / "rest", data[start:]) if start else plain
        with mapped(body) as rest:
            parts, end = (
                _parts(body, rest, folder, object_name, signal, encoding, may_grow) if rest else ((), 0)
            )
        end += start
        known = sha256 if plain == path and end == len(data) else ""
        return Content(
            parts,
            end,
            known or _digest(data, end, hashed),
            _head(data, end),
            len(data) - end,
            start,
        )


def frames_of(data: Bytes, encoding: Encoding) -> list[Frame]:
    """The messages of an object; a broken tail is the last frame, up to the end of the bytes."""
    if encoding == "json":
        return line_frames(data)
    if encoding == "protobuf":
        return [Frame(0, 0, len(data))]
    frames, end = delimited_frames(data, PREFIX_BYTES if encoding == "protobuf_prefixed" else 0)
    return frames if end == len(data) else [*frames, Frame(end, end, len(data))]


def _parts(
    plain: Path,
    data: Bytes,
    folder: Path,
    object_name: str,
    signal: str | None,
    encoding: Encoding | None,
    may_grow: bool,
) -> tuple[tuple[SpooledMessages, ...], int]:
    """What the engine is to read, and how many of the bytes that covers."""
    if not encoding and _is_packed_by_message(data):
        return _unpacked_messages(data, folder, object_name, signal, may_grow)
    encoding = encoding or sniffed_encoding(data)
    if encoding is None:
        if may_grow and len(data) <= PREFIX_BYTES:
            return (), 0
        raise ObjectRefused(object_name, "neither OTLP/JSON nor OTLP Protobuf: deliver one of them")
    if encoding == "json":
        return _json_parts(plain, data, folder, object_name, signal, may_grow)
    frames = frames_of(data, encoding)
    end = len(data)
    if may_grow and encoding != "protobuf" and frames and _is_cut(data, frames[-1], encoding):
        end = frames.pop().start
    if not frames:
        return (), 0
    return _protobuf_parts(plain, data, frames, end, encoding, folder, object_name, signal), end


def _is_cut(data: Bytes, frame: Frame, encoding: Encoding) -> bool:
    """Whether the last frame is one that breaks off: its body begins where it does itself."""
    whole, _ = delimited_frames(data[frame.start :], PREFIX_BYTES if encoding == "protobuf_prefixed" else 0)
    return not whole


def _protobuf_parts(
    plain: Path,
    data: Bytes,
    frames: list[Frame],
    end: int,
    encoding: Encoding,
    folder: Path,
    object_name: str,
    signal: str | None,
) -> tuple[SpooledMessages, ...]:
    if signal:
        by_signal = {signal: frames}
    else:
        by_signal = _by_signal(data, frames)
        if not by_signal:
            raise ObjectRefused(
                object_name, "holds Protobuf, but no span, metric or log record: check the exporter"
            )
    if len(by_signal) == 1 and encoding != "protobuf_prefixed" and end == len(data):
        return (SpooledMessages(plain, encoding, tuple(by_signal)),)
    numbers = {frame: number for number, frame in enumerate(frames, 1)}
    framing: Encoding = "protobuf" if encoding == "protobuf" else "protobuf_delimited"
    parts = []
    for name, own in by_signal.items():
        target = folder / f"framed-{name}"
        with target.open("wb") as file:
            write_delimited(data, own, file)
        parts.append(SpooledMessages(target, framing, (name,), [numbers[frame] for frame in own]))
    return tuple(parts)


def _by_signal(data: Bytes, frames: list[Frame]) -> dict[str, list[Frame]]:
    """Messages by what they are of; one that does not say goes with the first that does."""
    step = -(-len(frames) // _SNIFFED_FRAMES)
    sample = {sniffed_signal(data[frame.body : frame.end]) for frame in frames[::step]} - {None}
    if not sample and step > 1:
        sample = {sniffed_signal(data[frame.body : frame.end]) for frame in frames} - {None}
    if len(sample) < 2:
        return {str(name): frames for name in sample}
    found: dict[str, list[Frame]] = {}
    unsaid: list[Frame] = []
    for frame in frames:
        name = sniffed_signal(data[frame.body : frame.end])
        (found.setdefault(name, []) if name else unsaid).append(frame)
    first = next(iter(found))
    found[first] = sorted(found[first] + unsaid)
    return found


def _json_parts(
    plain: Path, data: Bytes, folder: Path, object_name: str, signal: str | None, may_grow: bool
) -> tuple[tuple[SpooledMessages, ...], int]:
    end = len(data)
    if not _is_lines(data):
        documents, end = _documents(bytes(data), may_grow)
        if documents:
            plain = _written(folder / "lines", b"".join(_one_line(one) for one in documents))
            with mapped(plain) as lines:
                return _json_parts(plain, lines, folder, object_name, signal, False)[0], end
        end = len(data)
    cut = _cut_line(data) if may_grow else end
    if cut < end:
        end = cut
        if not bytes(data[:end]).strip(_BLANK):
            return (), 0
        plain = _written(folder / "whole", data[:end])
        data = bytes(data[:end])
    if signal:
        return (SpooledMessages(plain, "json", (signal,)),), end
    snake = _is_in_snake_case(data)
    found = tuple(name for name, reader in READERS.items() if _mentions(data, reader.key, snake))
    if not found:
        raise ObjectRefused(
            object_name, "holds no resourceSpans, resourceMetrics or resourceLogs: not OTLP/JSON"
        )
    return (SpooledMessages(plain, "json", found),), end


def _is_in_snake_case(data: Bytes) -> bool:
    """Whether any message begins with a name in snake_case."""
    return any(
        data.find(b'"resource_', one.start, min(one.end, one.start + 200)) >= 0 for one in line_frames(data)
    )


def _mentions(data: Bytes, key: bytes, in_snake_case: bool) -> bool:
    if data.find(b'"%s"' % key) >= 0:
        return True
    snake = b"".join(b"_" + bytes([c + 32]) if 65 <= c <= 90 else bytes([c]) for c in key)
    return in_snake_case and data.find(b'"%s"' % snake) >= 0


def _is_lines(data: Bytes) -> bool:
    """Whether the first line that is not blank holds a whole object."""
    first = next((bytes(data[f.start : f.end]).strip(_BLANK) for f in line_frames(data, 1)), b"")
    return first.removeprefix(b"\xef\xbb\xbf").startswith(b"{") and first.endswith(b"}")


def _documents(data: bytes, may_grow: bool) -> tuple[list[bytes], int]:
    """JSON objects laid out over lines or in a list, and where the last whole one ends.

    What is none stays one up to the end of its line, unless it may be the beginning of one still to come.
    """
    text = data.decode("utf-8-sig", "surrogateescape")
    decoder = json.JSONDecoder(strict=False)
    found: list[bytes] = []
    at = end = 0
    while True:
        while at < len(text) and text[at] in " \t\r\n[],":
            at += 1
        if at >= len(text):
            return found, len(data)
        try:
            _, stop = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            if may_grow or not found:
                skipped = len(data) - len(text.encode("utf-8", "surrogateescape"))
                return found, skipped + len(text[:end].encode("utf-8", "surrogateescape"))
            stop = text.find("\n", at)
            stop = len(text) if stop < 0 else stop
        found.append(text[at:stop].encode("utf-8", "surrogateescape"))
        at = end = stop


def _one_line(document: bytes) -> bytes:
    """Inside JSON text a line break is always escaped, so those that are there are only layout."""
    return document.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n"


def _cut_line(data: Bytes) -> int:
    """Where the whole lines end: a last line without its end counts where it is a whole document."""
    if data[-1:] == b"\n":
        return len(data)
    start = data.rfind(b"\n") + 1
    if not bytes(data[start:]).strip(_BLANK):
        return len(data)
    try:
        json.loads(bytes(data[start:]))
    except (ValueError, RecursionError):
        return start
    return len(data)


def _is_packed_by_message(data: Bytes) -> bool:
    """Whether these are messages packed one by one, as the collector's file exporter does with zstd."""
    return data[PREFIX_BYTES : PREFIX_BYTES + len(ZSTD_MAGIC)] == ZSTD_MAGIC


def _unpacked_messages(
    data: Bytes, folder: Path, object_name: str, signal: str | None, may_grow: bool
) -> tuple[tuple[SpooledMessages, ...], int]:
    """Unpacks each message; one that cannot be unpacked stays as it is, to be set aside by its number."""
    frames = frames_of(data, "protobuf_prefixed")
    end = len(data)
    if may_grow and _is_cut(data, frames[-1], "protobuf_prefixed"):
        end = frames.pop().start
    limits = spool_limits()
    messages: list[bytes] = []
    room = limits.unpacked_bytes
    for frame in frames:
        packed = bytes(data[frame.body : frame.end])
        most = min(room, max(limits.ratio_from_bytes, limits.ratio * len(packed)))
        try:
            message = unpacked_zstd(packed, most)
        except zstd.ZstdError:
            message = packed
        if message is None:
            raise ObjectRefused(object_name, f"zstd bomb: a message unpacks to more than {most} bytes")
        room -= len(message)
        messages.append(message)
    if not messages:
        return (), 0
    if any(one[:1] == b"{" for one in messages):
        plain = _written(folder / "messages", b"".join(map(_one_line, messages)))
        with mapped(plain) as lines:
            return _json_parts(plain, lines, folder, object_name, signal, False)[0], end
    plain = folder / "messages"
    with plain.open("wb") as file:
        for one in messages:
            write_delimited(one, [Frame(0, 0, len(one))], file)
    with mapped(plain) as framed:
        own = frames_of(framed, "protobuf_delimited")
        return _protobuf_parts(
            plain, framed, own, len(framed), "protobuf_delimited", folder, object_name, signal
        ), end


def unpacked_zstd(packed: bytes, limit: int) -> bytes | None:
    """All zstd frames of some bytes unpacked; None where that is more than ``limit`` bytes.

    Raises:
        ZstdError: they are no zstd, or break off.
    """
    parts: list[bytes] = []
    room = limit + 1
    rest = packed
    while rest:
        frame = zstd.ZstdDecompressor()
        part = frame.decompress(rest, room)
        parts.append(part)
        room -= len(part)
        if room <= 0:
            return None
        if not frame.eof:
            raise zstd.ZstdError("the zstd frame ends early")
        rest = frame.unused_data
    return b"".join(parts)


def _known_prefix(data: Bytes, covered: Covered | None) -> tuple[int, _Hashed]:
    """How many bytes from the beginning were loaded before."""
    hashed = _Hashed()
    known = covered.lengths(_head(data, len(data)), len(data)) if covered else {}
    start = 0
    for length in sorted(known):
        if hashed.upto(data, length) in known[length]:
            start = length
    return start, hashed


class _Hashed:
    """sha256 of a growing beginning of some bytes."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self.at = 0

    def upto(self, data: Bytes, end: int) -> str:
        """Digest of the first ``end`` bytes; never less than the time before."""
        with memoryview(data) as view:
            for start in range(self.at, end, CHUNK_BYTES):
                self._sha256.update(view[start : min(end, start + CHUNK_BYTES)])
        self.at = max(self.at, end)
        return self._sha256.hexdigest()


def _digest(data: Bytes, end: int, hashed: _Hashed) -> str:
    return (hashed if hashed.at <= end else _Hashed()).upto(data, end)


def _head(data: Bytes, end: int) -> str:
    return hashlib.sha256(data[: min(HEAD_BYTES, end)]).hexdigest()


def _written(path: Path, content: bytes | Bytes) -> Path:
    path.write_bytes(content)
    return path


def _unpacked(path: Path, folder: Path, object_name: str) -> Path:
    with path.open("rb") as file:
        if not is_packed(file.read(8)):
            return path
        file.seek(0)
        target = folder / "unpacked"
        unpack(object_name, iter(lambda: file.read(CHUNK_BYTES), b""), target, spool_limits())
    return target
