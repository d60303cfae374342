"""The objects of one delivery on local disk, while an ingest runs.

Bytes are fetched when first asked for and kept up to a budget. Files are named by number: an object's name is
data and never becomes a path. What is remembered between runs is only a shortcut; losing it costs a read.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from models.errors import ObjectRefused
from pipelines.ingest.billing.delivery import DeliveredObject
from pipelines.ingest.billing.formats import BillFormat, NamesOf, ReadableObject, SurveyOf, readable
from pipelines.ingest.sources import ObjectStore, SourceObject, SpooledObject

KEPT_BYTES = 16 << 30
"""Unpacked bytes kept for loading after they were counted; beyond, an object is fetched again."""


@dataclass
class _Held:
    spooled: SpooledObject
    readable: ReadableObject | None = None


class Spool:
    """Fetches and holds the objects of a store below ``folder``; empty again when the context ends."""

    def __init__(
        self,
        store: ObjectStore,
        folder: Path,
        bill: BillFormat,
        names_of: NamesOf,
        survey_of: SurveyOf | None = None,
    ) -> None:
        self._bill, self._names_of, self._survey_of = bill, names_of, survey_of
        self.folder = folder / "objects"
        self._store = store
        self._seen_path = folder / "contents.json"
        self._seen: dict[str, dict[str, object]] = {}
        self._held: dict[str, _Held] = {}
        self._number = 0

    def __enter__(self) -> Spool:
        self.folder.mkdir(exist_ok=True)
        try:
            self._seen = json.loads(self._seen_path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self._seen = {}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def known_sha256(self, item: SourceObject) -> str:
        """Digest of an object read before and not changed since, by size and ETag; empty if not known."""
        seen = self._seen.get(item.name, {})
        if seen.get("etag") == item.etag and seen.get("size") == item.size:
            return str(seen["sha256"])
        return ""

    def sha256(self, item: DeliveredObject) -> str:
        """Digest of an object's content, unpacked, as its source reads it.

        Raises:
            ObjectRefused: it cannot be fetched or unpacked.
        """
        return self._bill.digest(self.known_sha256(item.object) or self._hold(item).spooled.sha256)

    def readable(self, item: DeliveredObject) -> ReadableObject:
        """How the engine reads an object's spooled bytes.

        Raises:
            ObjectRefused: it cannot be fetched, or is no bill of its source's format.
        """
        held = self._hold(item)
        if held.readable is None:
            held.readable = readable(
                item.name, held.spooled.path, self._bill, self._names_of, self._survey_of
            )
        return held.readable

    def _hold(self, item: DeliveredObject) -> _Held:
        if item.name in self._held:
            return self._held[item.name]
        used = sum(one.spooled.unpacked_bytes for one in self._held.values())
        while self._held and used > KEPT_BYTES:
            oldest = self._held.pop(next(iter(self._held)))
            used -= oldest.spooled.unpacked_bytes
            (oldest.readable.path if oldest.readable else oldest.spooled.path).unlink(missing_ok=True)
        self._number += 1
        target = self.folder / f"{self._number}.bytes"
        spooled = self._store.fetch(item.object, target)
        known = self.known_sha256(item.object)
        if known and known != spooled.sha256:
            raise ObjectRefused(item.name, "it changed while it was read: run again")
        self._seen[item.name] = {"etag": item.object.etag, "size": item.object.size, "sha256": spooled.sha256}
        self._remember()
        self._held[item.name] = _Held(spooled)
        return self._held[item.name]

    def _remember(self) -> None:
        draft = self._seen_path.with_suffix(".new")
        draft.write_text(json.dumps(self._seen), encoding="utf-8")
        draft.replace(self._seen_path)
