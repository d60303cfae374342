"""What a spooled object is: CSV or Parquet by its bytes, its FOCUS header, and the types the engine reads it with.

Nothing here reads a row. A file that cannot be what it says is refused with one sentence.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from models.errors import InputRefused, ObjectRefused
from models.focus import FocusColumn, Header, columns, read_header

_PARQUET_MAGIC = b"PAR1"
_OTHER_MAGICS = {
    b"PK\x03\x04": "a ZIP archive",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "XZ",
}
_HEADER_BYTES = 1 << 20

MAX_CELLS = 4_000_000_000
"""Rows times columns of one Parquet object; the largest exports split at some ten million rows."""
MAX_CELLS_PER_BYTE = 200
"""Cells one stored byte may claim, counted from ``CHECKED_CELLS`` on: real exports stay below 20."""
CHECKED_CELLS = 20_000_000


@dataclass(frozen=True)
class ReadableObject:
    """How the engine reads a spooled object: path, format and structure are bound into the ingest statements."""

    path: Path
    format: str
    structure: str
    header: Header


def readable(name: str, path: Path) -> ReadableObject:
    """Recognises a spooled object by its bytes.

    Raises:
        ObjectRefused: neither CSV nor Parquet, damaged, a bomb, or not a FOCUS header.
    """
    with path.open("rb") as file:
        start = file.read(_HEADER_BYTES)
    try:
        if start.startswith(_PARQUET_MAGIC):
            return _parquet(name, path)
        return _csv(name, path, start)
    except InputRefused as error:
        if isinstance(error, ObjectRefused):
            raise
        raise ObjectRefused(name, str(error)) from None


def _csv(name: str, path: Path, start: bytes) -> ReadableObject:
    if not start:
        raise ObjectRefused(name, "it is empty, without even a header: deliver it again")
    for magic, what in _OTHER_MAGICS.items():
        if start.startswith(magic):
            raise ObjectRefused(name, f"it is {what}: deliver CSV, CSV.gz or Parquet")
    if name.lower().endswith(".parquet"):
        raise ObjectRefused(
            name, "it is named .parquet but is no Parquet file: deliver it again or rename it"
        )
    try:
        line = _first_record(
            start.decode("utf-8-sig", errors="strict" if len(start) < _HEADER_BYTES else "ignore")
        )
    except UnicodeDecodeError:
        line = ["\0"]
    if any("\0" in cell for cell in line):
        raise ObjectRefused(name, "it is neither UTF-8 CSV nor Parquet: deliver one of these")
    header = read_header(line)
    renamed = {given: column for column, given in header.delivered.items() if given != column}
    if renamed:
        path = _with_header(path, start, [renamed.get(cell, cell) for cell in line])
    structure = {one.name: _text_type(one, one.name in header.delivered) for one in columns().values()}
    return ReadableObject(path, "CSVWithNames", _structure(structure), header)


def _first_record(text: str) -> list[str]:
    return next(csv.reader(io.StringIO(text, newline="")), [])


def _with_header(path: Path, start: bytes, cells: list[str]) -> Path:
    """A copy of a CSV whose header has FOCUS's own spelling, as the engine finds columns by name."""
    text = io.StringIO(start.decode("utf-8-sig", errors="ignore"), newline="")
    next(csv.reader(text))
    header_bytes = len(text.getvalue()[: text.tell()].encode()) + (
        3 if start.startswith(b"\xef\xbb\xbf") else 0
    )
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator="\n").writerow(cells)
    target = path.with_name(path.name + ".named")
    with path.open("rb") as source, target.open("wb") as file:
        source.seek(header_bytes)
        file.write(written.getvalue().encode())
        while chunk := source.read(_HEADER_BYTES):
            file.write(chunk)
    path.unlink()
    return target


def _parquet(name: str, path: Path) -> ReadableObject:
    try:
        with pq.ParquetFile(path) as file:
            metadata, schema = file.metadata, file.schema_arrow
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0][:200]
        raise ObjectRefused(
            name, f"its Parquet is truncated or damaged ({reason}): deliver it again"
        ) from None
    cells = metadata.num_rows * metadata.num_columns
    if cells > MAX_CELLS or (cells > CHECKED_CELLS and cells > path.stat().st_size * MAX_CELLS_PER_BYTE):
        raise ObjectRefused(
            name,
            f"Parquet bomb: its footer claims {metadata.num_rows} rows of {metadata.num_columns} columns",
        )
    header = read_header(schema.names)
    structure = {}
    for column in columns().values():
        given = header.delivered.get(column.name)
        if given is not None and given.casefold() != column.name.casefold():
            raise ObjectRefused(name, f"its column {given} must be named {column.name} in Parquet: rename it")
        structure[column.name] = _parquet_type(
            name, column, None if given is None else schema.field(given).type
        )
    return ReadableObject(path, "Parquet", _structure(structure), header)


def _structure(types: dict[str, str]) -> str:
    return ", ".join(f"{name} {type_}" for name, type_ in types.items())


def _parquet_type(name: str, column: FocusColumn, given: pa.DataType | None) -> str:
    """The engine's type for a column as stored; text where the ingest statement parses it."""
    if column.type == "tags":
        if given is not None and pa.types.is_map(given):
            return "Map(String, String)"
        if given is None or _is_text(given):
            return _text_type(column, delivered=given is not None)
        raise ObjectRefused(name, f"its column Tags is {given}: export it as a map or as JSON text")
    if given is None:
        return _text_type(column, delivered=False)
    if column.type == "decimal" and pa.types.is_decimal(given):
        return f"Nullable(Decimal({given.precision}, {given.scale}))"
    if column.type == "time" and pa.types.is_timestamp(given):
        scale = {"s": 0, "ms": 3, "us": 6, "ns": 9}[given.unit]
        return f"Nullable(DateTime64({scale}, 'UTC'))"
    if column.type == "time" and pa.types.is_date(given):
        return "Nullable(Date32)"
    if pa.types.is_map(given) and column.type == "json":
        return "Map(String, String)"
    if pa.types.is_nested(given):
        raise ObjectRefused(name, f"its column {column.name} is {given}: export it as text")
    return _text_type(column, delivered=True)


def _text_type(column: FocusColumn, delivered: bool) -> str:
    """The engine's type for a column read as text; one nobody delivered has only NULLs, which cost nothing to map."""
    if column.type == "tags":
        return "String"
    if not delivered and column.type != "time":
        return "Nullable(Nothing)"
    # Few distinct texts: NULL tokens are then looked for once per text and not once per row.
    few = column.low_cardinality and column.type == "string"
    return "LowCardinality(Nullable(String))" if few else "Nullable(String)"


def _is_text(given: pa.DataType) -> bool:
    if pa.types.is_dictionary(given):
        given = given.value_type
    return any((pa.types.is_string(given), pa.types.is_large_string(given), pa.types.is_null(given)))
