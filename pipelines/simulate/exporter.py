"""Writes OTLP files as a collector rotates them: some days per file, JSON lines packed with gzip or Protobuf messages.

Streamed: a file grows while days are added. What the telemetry says is decided elsewhere.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from google.protobuf.message import Message

from pipelines.simulate.files import GZIP_LEVEL, moment

RECORDS_PER_LINE = 400
RECORDS_PER_MESSAGE = 20_000
PROTOBUF_EVERY = 3
SETTLED_MINUTES = 2
"""After midnight, when the files of a day are written."""


@dataclass(frozen=True)
class Signal:
    """One OTLP signal: its key in JSON, its message, and how one resource of it is written."""

    name: str
    key: str
    message: type[Message]
    as_json: Callable[[Any], str]
    add_to: Callable[[Any, Any], None]
    records: Callable[[Any], int]


class Exporter:
    """Writes one signal below ``root``; every third file's days are Protobuf messages instead of a file of lines.

    The last day has files of its own, received as it ends: a fleet is looked at while it runs.
    """

    def __init__(self, root: Path, signal: Signal, days_per_file: int, last_day: int) -> None:
        self.folder = root / signal.name
        self.signal = signal
        self.days_per_file = days_per_file
        self.last_day = last_day
        self._first = self._last = date.min
        self._lines: gzip.GzipFile | None = None
        self._message = signal.message()
        self._held = 0
        self._messages = 0

    def add(self, day: int, today: date, resources: Iterable[Any]) -> None:
        """Appends what one day sent; days come in order."""
        if day % self.days_per_file == 0 or day == self.last_day or self._first == date.min:
            self.close()
            self._first = today
        self._last = today
        if day // self.days_per_file % PROTOBUF_EVERY == 1:
            self._add_messages(resources)
        else:
            self._add_lines(resources)

    def _add_lines(self, resources: Iterable[Any]) -> None:
        for chunk in self._chunks(resources, RECORDS_PER_LINE):
            if self._lines is None:
                self.folder.mkdir(parents=True, exist_ok=True)
                # No name and no time in the header: the same content is the same bytes.
                self._raw = self._path(".jsonl.gz").open("wb")
                self._lines = gzip.GzipFile("", "wb", GZIP_LEVEL, self._raw, mtime=0)
            texts = ",".join(map(self.signal.as_json, chunk))
            self._lines.write(f'{{"{self.signal.key}":[{texts}]}}\n'.encode())

    def _add_messages(self, resources: Iterable[Any]) -> None:
        for resource in resources:
            records = self.signal.records(resource)
            if self._held + records > RECORDS_PER_MESSAGE:
                self._end_message()
            self.signal.add_to(self._message, resource)
            self._held += records

    def _end_message(self) -> None:
        if not self._held:
            return
        self._messages += 1
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._path(f"-{self._messages:03d}.binpb")
        path.write_bytes(self._message.SerializeToString(deterministic=True))
        self._date(path)
        self._message, self._held = self.signal.message(), 0

    def close(self) -> None:
        """Ends the open file or message."""
        self._end_message()
        self._messages = 0
        if self._lines is None:
            return
        self._lines.close()
        self._raw.close()
        self._lines = None
        self._date(self._path(".jsonl.gz"))

    def _path(self, ending: str) -> Path:
        return self.folder / f"{self._first}{ending}"

    def _date(self, path: Path) -> None:
        at = moment(self._last + timedelta(days=1), 0, SETTLED_MINUTES).timestamp()
        os.utime(path, (at, at))

    def _chunks(self, resources: Iterable[Any], size: int) -> Iterator[list[Any]]:
        """The resources in order, cut so that one chunk holds at most ``size`` records where it can."""
        chunk: list[Any] = []
        held = 0
        for resource in resources:
            records = self.signal.records(resource)
            if chunk and held + records > size:
                yield chunk
                chunk, held = [], 0
            chunk.append(resource)
            held += records
        if chunk:
            yield chunk
