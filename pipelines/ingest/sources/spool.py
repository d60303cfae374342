"""Moves a stream of bytes to disk: gzip and zstd unpacked under caps, and hashed as unpacked, so that packing changes nothing.

Nothing here knows where the stream comes from or what it means.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from backports import zstd

from models.errors import DiskFull, ObjectRefused, is_disk_full

CHUNK_BYTES = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_GZIP_WINDOW = zlib.MAX_WBITS | 16


@dataclass(frozen=True)
class SpoolLimits:
    """Caps on what one object may unpack to.

    DEFLATE reaches 1032:1 on constant bytes; real exports and OTLP stay below 60:1, so a higher ratio is an
    attack or a broken file. The ratio counts from ``ratio_from_bytes`` on, as small texts may repeat a lot.
    """

    unpacked_bytes: int = 64 << 30
    ratio: int = 250
    ratio_from_bytes: int = 16 << 20


@dataclass(frozen=True)
class Spooled:
    """What was moved: sha256 and size of the content, md5 and size of the form it was delivered in."""

    sha256: str
    md5: str
    bytes: int
    unpacked_bytes: int


def is_packed(beginning: bytes) -> bool:
    """Whether bytes that begin so are a gzip or zstd stream."""
    return beginning.startswith((_GZIP_MAGIC, ZSTD_MAGIC))


def spool(name: str, chunks: Iterable[bytes], target: Path, limits: SpoolLimits) -> Spooled:
    """Writes ``chunks`` to ``target``, unpacking gzip (any number of members; NUL padding after the last) and zstd.

    Raises:
        ObjectRefused: truncated or damaged packing, bytes after it, or more than ``limits`` allow.
        DiskFull: there is no room for it.
    """
    md5 = hashlib.md5(usedforsecurity=False)
    delivered = 0
    unpacker: _Gunzip | _Unzstd | None = None
    with disk_has_room(target), target.open("wb") as file:
        writer = _CappedWriter(name, file, limits)
        for chunk in chunks:
            if not chunk:
                continue
            if delivered == 0 and is_packed(chunk):
                unpacker = _Gunzip(name) if chunk.startswith(_GZIP_MAGIC) else _Unzstd(name)
                writer.packing = unpacker.packing
            md5.update(chunk)
            delivered += len(chunk)
            if unpacker is None:
                writer.write(chunk, delivered=0)
                continue
            for part in unpacker.unpack(chunk):
                writer.write(part, delivered)
        if unpacker is not None:
            unpacker.finish()
    return Spooled(writer.sha256.hexdigest(), md5.hexdigest(), delivered, writer.written)


@contextmanager
def disk_has_room(target: Path) -> Iterator[None]:
    """Says of a full disk that it is full: the object is as good as it was."""
    try:
        yield
    except OSError as error:
        if is_disk_full(error):
            raise DiskFull(str(target.parent)) from None
        raise


class _CappedWriter:
    """Writes until a cap is passed; ``delivered`` of 0 means the bytes were not packed."""

    def __init__(self, name: str, file: IO[bytes], limits: SpoolLimits) -> None:
        self._name, self._file, self._limits = name, file, limits
        self.packing = ""
        self.written = 0
        self.sha256 = hashlib.sha256()

    def write(self, part: bytes, delivered: int) -> None:
        self.written += len(part)
        if self.written > self._limits.unpacked_bytes:
            raise ObjectRefused(
                self._name, f"it is larger than the limit of {self._limits.unpacked_bytes} bytes: split it"
            )
        if (
            delivered
            and self.written > self._limits.ratio_from_bytes
            and self.written > delivered * self._limits.ratio
        ):
            raise ObjectRefused(
                self._name,
                f"{self.packing} bomb: it unpacks to more than {self._limits.ratio} times its size",
            )
        self.sha256.update(part)
        self._file.write(part)


class _Gunzip:
    """Unpacks gzip members one after the other, a bounded piece at a time."""

    packing = "gzip"

    def __init__(self, name: str) -> None:
        self._name = name
        self._member: zlib._Decompress | None = zlib.decompressobj(_GZIP_WINDOW)
        self._held = b""

    def unpack(self, chunk: bytes) -> Iterable[bytes]:
        data, self._held = self._held + chunk, b""
        while data:
            if self._member is None:
                data = data.lstrip(b"\0")
                if len(data) < len(_GZIP_MAGIC):
                    self._held = data
                    return
                if not data.startswith(_GZIP_MAGIC):
                    raise ObjectRefused(self._name, "bytes that are no gzip follow its last gzip member")
                self._member = zlib.decompressobj(_GZIP_WINDOW)
            try:
                part = self._member.decompress(data, CHUNK_BYTES)
            except zlib.error as error:
                raise ObjectRefused(self._name, f"its gzip is damaged ({error}): deliver it again") from None
            if part:
                yield part
            if self._member.eof:
                data, self._member = self._member.unused_data, None
            else:
                data = self._member.unconsumed_tail
                if not data and not part:
                    return

    def finish(self) -> None:
        if self._member is not None or self._held:
            raise ObjectRefused(self._name, "its gzip is truncated: deliver it again")


class _Unzstd:
    """Unpacks zstd frames one after the other, a bounded piece at a time."""

    packing = "zstd"

    def __init__(self, name: str) -> None:
        self._name = name
        self._frame: zstd.ZstdDecompressor | None = zstd.ZstdDecompressor()

    def unpack(self, chunk: bytes) -> Iterable[bytes]:
        data = chunk
        while True:
            if self._frame is None:
                if not data:
                    return
                self._frame = zstd.ZstdDecompressor()
            try:
                part = self._frame.decompress(data, CHUNK_BYTES)
            except zstd.ZstdError as error:
                raise ObjectRefused(self._name, f"its zstd is damaged ({error}): deliver it again") from None
            data = b""
            if part:
                yield part
            if self._frame.eof:
                data, self._frame = self._frame.unused_data, None
            elif self._frame.needs_input:
                return

    def finish(self) -> None:
        if self._frame is not None:
            raise ObjectRefused(self._name, "its zstd is truncated: deliver it again")
