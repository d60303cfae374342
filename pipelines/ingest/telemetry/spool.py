"""Bytes of an object as the engine can read them: unpacked under a cap, re-framed, encoding and signals known.

Moves and frames bytes; never decodes a record.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from models.errors import ObjectRefused
from pipelines.ingest.sources.spool import CHUNK_BYTES
from pipelines.ingest.sources.spool import spool as unpack
from pipelines.ingest.telemetry.frames import (
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

_GZIP = b"\x1f\x8b"
_SNAKE_OBJECT = re.compile(rb'"(?:resource|scope)_(?:spans|metrics|logs)"\s*:')
_SNAKE_KEY = re.compile(rb'(?<!\\)"([a-z]+(?:_[a-z]+)+)"(?=\s*:)')
ENGINE_FORMATS = {"json": "JSONEachRow", "protobuf": "ProtobufSingle", "protobuf_delimited": "Protobuf"}


@dataclass(frozen=True)
class Spooled:
    """A file the engine reads as it is, and the signals to look for in it."""

    path: Path
    encoding: Encoding
    signals: tuple[str, ...]

    @property
    def engine_format(self) -> str:
        """Name of the input format."""
        return ENGINE_FORMATS[self.encoding]

    @property
    def family(self) -> str:
        """json or protobuf."""
        return "json" if self.encoding == "json" else "protobuf"


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
    path: Path, folder: Path, object_name: str, signal: str | None = None, encoding: Encoding | None = None
) -> Spooled:
    """Makes the bytes at ``path`` readable for the engine; copies go to ``folder``, plain bytes stay in place.

    Raises:
        ObjectRefused: the object is empty, a broken or too large gzip, or holds no OTLP.
    """
    plain = _unpacked(path, folder, object_name)
    with mapped(plain) as data:
        if not data:
            raise ObjectRefused(object_name, "the object is empty: nothing to load")
        encoding = encoding or sniffed_encoding(data)
        if encoding is None:
            raise ObjectRefused(object_name, "neither OTLP/JSON nor OTLP Protobuf: deliver one of them")
        if encoding == "json":
            return _spooled_json(plain, data, folder, object_name, signal)
        frames = frames_of(data, encoding)
        signals = (signal,) if signal else _sniffed_signals(data, frames)
        if not signals:
            raise ObjectRefused(
                object_name, "holds Protobuf, but no span, metric or log record: check the exporter"
            )
        if encoding == "protobuf_prefixed":
            plain = folder / "framed"
            with plain.open("wb") as target:
                write_delimited(data, frames, target)
            encoding = "protobuf_delimited"
        return Spooled(plain, encoding, signals)


def frames_of(data: Bytes, encoding: Encoding) -> list[Frame]:
    """The messages of an object; a broken tail is the last frame, up to the end of the bytes."""
    if encoding == "json":
        return line_frames(data)
    if encoding == "protobuf":
        return [Frame(0, 0, len(data))]
    frames, end = delimited_frames(data, 4 if encoding == "protobuf_prefixed" else 0)
    return frames if end == len(data) else [*frames, Frame(end, end, len(data))]


def _spooled_json(plain: Path, data: Bytes, folder: Path, object_name: str, signal: str | None) -> Spooled:
    if _SNAKE_OBJECT.search(data[:CHUNK_BYTES]):
        camel = folder / "camel"
        camel.write_bytes(_SNAKE_KEY.sub(_camel_key, data[:]))
        with mapped(camel) as rewritten:
            return _spooled_json(camel, rewritten, folder, object_name, signal)
    found = tuple(name for name, reader in READERS.items() if data.find(b'"%s"' % reader.key) >= 0)
    if not found:
        raise ObjectRefused(
            object_name, "holds no resourceSpans, resourceMetrics or resourceLogs: not OTLP/JSON"
        )
    return Spooled(plain, "json", (signal,) if signal else found)


def _camel_key(match: re.Match[bytes]) -> bytes:
    first, *rest = match[1].split(b"_")
    return b'"' + first + b"".join(word.capitalize() for word in rest) + b'"'


def _sniffed_signals(data: Bytes, frames: list[Frame]) -> tuple[str, ...]:
    for frame in frames:
        name = sniffed_signal(data[frame.body : frame.end])
        if name:
            return (name,)
    return ()


def _unpacked(path: Path, folder: Path, object_name: str) -> Path:
    with path.open("rb") as file:
        if file.read(len(_GZIP)) != _GZIP:
            return path
        file.seek(0)
        target = folder / "unpacked"
        unpack(object_name, iter(lambda: file.read(CHUNK_BYTES), b""), target, spool_limits())
    return target
