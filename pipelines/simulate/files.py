"""Writes files whose bytes and modification times depend on their content and a given moment only."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

GZIP_LEVEL = 4


def moment(day: date, hour: int, minute: int = 0) -> datetime:
    """A time of a day, UTC."""
    return datetime.combine(day, time(hour, minute), UTC)


def delivered_at(month: date, end: date, hour: int) -> datetime:
    """When the final bill of a month arrives: the fifth of the next month, or the day after the simulated end."""
    following = (month + timedelta(days=32)).replace(day=5)
    return moment(min(following, end + timedelta(days=1)), hour)


def write(path: Path, at: datetime, fill: Callable[[Path], object]) -> Path:
    """Lets ``fill`` write ``path`` and dates the file ``at``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fill(path)
    os.utime(path, (at.timestamp(), at.timestamp()))
    return path


def write_bytes(path: Path, at: datetime, content: bytes) -> Path:
    """A file with this content, dated ``at``."""
    return write(path, at, lambda target: target.write_bytes(content))


def write_text(path: Path, at: datetime, text: str) -> Path:
    """A UTF-8 file with this text, dated ``at``."""
    return write_bytes(path, at, text.encode())


def write_json(path: Path, at: datetime, content: Any) -> Path:
    """Indented JSON, dated ``at``."""
    return write_text(path, at, json.dumps(content, indent=1) + "\n")


def write_gzip(path: Path, at: datetime, chunks: Iterable[bytes]) -> Path:
    """A gzip file of the chunks; its header carries neither name nor time."""

    def fill(target: Path) -> None:
        with target.open("wb") as raw, gzip.GzipFile("", "wb", GZIP_LEVEL, raw, mtime=0) as packed:
            for chunk in chunks:
                packed.write(chunk)

    return write(path, at, fill)
