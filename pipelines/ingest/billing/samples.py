"""The header and the first rows of a file on this machine, cells as text: what a mapping is proposed from.

A look for a person; nothing is loaded by it, and no row of a bill comes to the warehouse this way.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from models.errors import ConfigurationError, ObjectRefused
from pipelines.ingest.billing.texts import csv_text
from pipelines.ingest.sources.spool import CHUNK_BYTES, SpoolLimits, spool

MOST_ROWS = 1000
_MOST_TEXT = 1 << 24
_PARQUET = b"PAR1"


@dataclass(frozen=True)
class Sample:
    """Names of the columns, and the first rows."""

    names: list[str]
    rows: list[Mapping[str, str]]


def sample_of(path: Path, room: Path) -> Sample:
    """The first rows of a CSV, JSON lines or Parquet file, packed or not; ``room`` is a folder to unpack it in.

    Raises:
        ConfigurationError: there is no such file.
        InputRefused: it is none of these, or damaged.
    """
    try:
        with path.open("rb") as file:
            target = room / "sample"
            spool(path.name, iter(lambda: file.read(CHUNK_BYTES), b""), target, SpoolLimits())
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read ({error.strerror}): name a file") from None
    with target.open("rb") as file:
        start = file.read(64)
    if start.startswith(_PARQUET):
        return _of_parquet(path.name, target)
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")):
        return _of_json(path.name, target)
    return _of_csv(target)


def _of_parquet(name: str, path: Path) -> Sample:
    try:
        with pq.ParquetFile(path) as file:
            batch = next(file.iter_batches(batch_size=MOST_ROWS), None)
            names = list(file.schema_arrow.names)
    except (pa.ArrowException, OSError) as error:
        raise ObjectRefused(name, f"its Parquet is damaged ({str(error).splitlines()[0][:100]})") from None
    rows = batch.to_pylist() if batch is not None else []
    return Sample(names, [{key: _text(value) for key, value in row.items()} for row in rows])


def _of_json(name: str, path: Path) -> Sample:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        text = file.read(_MOST_TEXT)
    decoder, names, rows = json.JSONDecoder(parse_float=Decimal), dict[str, None](), list[Mapping[str, str]]()
    place = _next_object(text, 0)
    while place < len(text) and len(rows) < MOST_ROWS:
        try:
            row, place = decoder.raw_decode(text, place)
        except ValueError:
            break
        names |= dict.fromkeys(row)
        rows.append({key: _text(value) for key, value in row.items()})
        place = _next_object(text, place)
    if not rows:
        raise ObjectRefused(name, "it is no JSON objects: deliver CSV, JSON lines or Parquet")
    return Sample(list(names), rows)


def _next_object(text: str, place: int) -> int:
    """Where the next object begins; the end of the text where something else comes first."""
    while place < len(text) and text[place] in "[, \r\n\t":
        place += 1
    return place if text[place : place + 1] == "{" else len(text)


def _of_csv(path: Path) -> Sample:
    text = csv_text(path, lambda names: sum(1 for name in names if name.strip()))
    rows: list[Mapping[str, str]] = []
    with text.path.open(encoding="utf-8-sig", newline="", errors="replace") as file:
        reader = csv.reader(file, delimiter=text.delimiter)
        next(reader, None)
        for cells in reader:
            rows.append(dict(zip(text.names, cells, strict=False)))
            if len(rows) >= MOST_ROWS:
                break
    return Sample(text.names, rows)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict | list):
        return json.dumps(value, default=str)
    return str(value).lower() if isinstance(value, bool) else str(value)
