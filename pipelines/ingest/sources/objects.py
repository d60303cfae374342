"""What an object of a source is, and what every kind of store offers.

Names are relative to the location of their source, parts separated by ``/``. How a store reads its bytes is
its own business; what the bytes mean is nobody's business here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from models.errors import ObjectRefused
from pipelines.ingest.sources.spool import SpoolLimits

_WILDCARD = re.compile(r"[*?\[]")


class Location(Protocol):
    """The part of a source's settings that says where its objects are."""

    @property
    def name(self) -> str: ...
    @property
    def location(self) -> str: ...
    @property
    def endpoint_url(self) -> str | None: ...
    @property
    def region(self) -> str | None: ...
    @property
    def profile(self) -> str | None: ...


@dataclass(frozen=True)
class SourceObject:
    """One object as listed; an equal ``etag`` and ``size`` promise equal bytes."""

    name: str
    size: int
    modified_at: datetime
    etag: str


@dataclass(frozen=True)
class SpooledObject:
    """An object's bytes on local disk, unpacked; ``sha256`` is of the unpacked content, ``bytes`` of the delivered form."""

    path: Path
    sha256: str
    bytes: int
    unpacked_bytes: int


class ObjectStore(Protocol):
    """The objects of one source."""

    def objects(self) -> list[SourceObject]:
        """Everything there is now, sorted by name; names are not checked yet.

        Raises:
            InputRefused: the location cannot be listed.
        """

    def fetch(
        self, item: SourceObject, target: Path, limits: SpoolLimits | None = None, may_grow: bool = False
    ) -> SpooledObject:
        """Copies an object's bytes to ``target``, gzip and zstd unpacked.

        With ``may_grow`` bytes written behind those that were listed are left for the next time.

        Raises:
            ObjectRefused: bad name, broken or oversized gzip, changed or gone since it was listed.
        """

    def identity(self, item: SourceObject) -> str:
        """What this object is wherever it is listed from: equal for one object in two sources."""

    def name_of(self, reference: str, manifest: str) -> str:
        """The name of the object a manifest calls ``reference``.

        Raises:
            ObjectRefused: it lies outside of this source.
        """


def checked_name(name: str) -> str:
    """``name`` if it is a plain relative name.

    Raises:
        ObjectRefused: ``..``, an absolute name, NUL, a backslash or a control character.
    """
    parts = name.split("/")
    if not name or name.startswith("/") or ".." in parts or "\\" in name or any(ord(c) < 32 for c in name):
        shown = name.encode("unicode_escape").decode("ascii")[:200]
        raise ObjectRefused(
            shown, "its name leaves its folder or has a control character or backslash: rename the object"
        )
    return name


def name_below(prefix: str, key: str) -> str:
    """Name of a key below a prefix; empty for folder marks and for neighbours of the prefix."""
    if key.endswith("/"):
        return ""
    if not prefix:
        return key
    if key == prefix:
        return key.rsplit("/", 1)[-1]
    return key[len(prefix) + 1 :] if key.startswith(prefix + "/") else ""


def key_below(prefix: str, name: str, is_object: Callable[[], bool]) -> str:
    """The key of a name below a prefix; ``is_object`` says whether the prefix is itself the key of an object, and is asked
    only where that matters."""
    if not prefix:
        return name
    if name == prefix.rsplit("/", 1)[-1] and is_object():
        return prefix
    return f"{prefix}/{name}"


def split_pattern(location: str) -> tuple[str, str | None]:
    """A location as its fixed folder and the glob below it, None where there is no wildcard."""
    parts = location.split("/")
    for index, part in enumerate(parts):
        if _WILDCARD.search(part):
            return "/".join(parts[:index]), "/".join(parts[index:])
    return location, None


def name_pattern(glob: str) -> re.Pattern[str]:
    """A glob over object names: ``*`` and ``?`` stay within a part, ``**/`` spans any number of parts."""
    out, rest = "", glob
    while rest:
        if rest.startswith("**/"):
            out, rest = out + "(?:.*/)?", rest[3:]
        elif rest.startswith("**"):
            out, rest = out + ".*", rest[2:]
        elif rest[0] == "*":
            out, rest = out + "[^/]*", rest[1:]
        elif rest[0] == "?":
            out, rest = out + "[^/]", rest[1:]
        elif rest[0] == "[" and "]" in rest[2:]:
            end = rest.index("]", 2)
            inside = rest[1:end].replace("\\", "\\\\")
            out += "[" + ("^" + inside[1:] if inside[0] == "!" else inside) + "]"
            rest = rest[end + 1 :]
        else:
            out, rest = out + re.escape(rest[0]), rest[1:]
    return re.compile(out + r"\Z", re.DOTALL)
