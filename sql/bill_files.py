"""How the engine reads the file of a bill: names of formats, types of columns, settings, and what its failures mean.

Knows no bill: which column means what comes from outside, as its kind. Reads no row.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pyarrow as pa

from models.errors import InputRefused, WarehouseError
from sql.warehouse import Settings, Warehouse

FileFormat = Literal["csv", "parquet", "json_lines"]
CellKind = Literal["string", "decimal", "time", "json", "tags"]

ENGINE_FORMATS: dict[FileFormat, str] = {
    "csv": "CSVWithNames",
    "parquet": "Parquet",
    "json_lines": "JSONEachRow",
}

COUNTS_FORMAT = "JSONEachRow"
"""Format of what a profile counted: a JSON object on each line, decimals as text."""

ROW_BY_ROW: Settings = {"max_threads": 1, "input_format_parallel_parsing": 0}
"""Settings under which rows have their number, counted from 1 over the whole file."""

_OF_ITSELF = re.compile(r"^\s*(?:text|json|amount)\(\{(\w+):Identifier\}(?:, is_\w+)?\),$", re.MULTILINE)
"""An expression of a SELECT, on a line of its own, that reads one column and no other."""

_OF_EVERY_FILE: Settings = {
    # a member without a value is not there: Spark writes a tag nobody set as a NULL member of a struct
    "output_format_json_skip_null_value_in_named_tuples": 1,
    # what parts of a statement are not needed for a row is not computed for it
    "short_circuit_function_evaluation": "force_enable",
}
_ROW = re.compile(r"\(at row (\d+)\)")
_FAULTS = (
    (re.compile(r"expected '.' before"), "it has fewer fields than the header"),
    (re.compile("Expected end of line"), "it has more fields than the header"),
    (re.compile("Duplicate field found"), "it has a member twice"),
    (re.compile("JSON|expected '{'"), "it is no JSON object on a line"),
)
"""What the engine says of a file, and what that means to whoever sent it; the first that is found."""
_OF_THE_ENGINE = re.compile(r"[: ]*(\(at row |\(in file/uri |While executing ).*", re.DOTALL)
_SINGLE_VALUES = (
    (pa.types.is_boolean, "Bool"),
    (pa.types.is_signed_integer, "Int64"),
    (pa.types.is_unsigned_integer, "UInt64"),
    (pa.types.is_floating, "Float64"),
)
"""Types inside of nested columns that JSON has a form of its own for; the rest is text there."""
_TIME_SCALES = {"s": 0, "ms": 3, "us": 6, "ns": 9}


@dataclass(frozen=True)
class EngineFile:
    """A file as the statements of a bill read it; bound into them by ``parameters``.

    ``columns`` maps each column a statement names to the name it has in the file.
    """

    path: Path
    format: str
    structure: str
    columns: Mapping[str, str]
    settings: Settings = field(default_factory=dict)

    @property
    def parameters(self) -> dict[str, object]:
        """What a statement binds to read the file: path, format, structure and an identifier for each column."""
        return {"path": self.path, "format": self.format, "structure": self.structure, **self.columns}


class UnreadableType(Exception):
    """A column whose type in Parquet cannot be read as what it means; the text names the type."""


def engine_file(
    path: Path,
    file_format: FileFormat,
    types: Mapping[str, str],
    columns: Mapping[str, str],
    delimiter: str = ",",
    is_by_place: bool = False,
) -> EngineFile:
    """A file with the type of each of its columns, by the name it has there; of a CSV ``is_by_place`` by its place, so that
    ``types`` has all of them, in order, under any names."""
    settings: dict[str, str | int | float] = dict(_OF_EVERY_FILE)
    if file_format == "csv":
        settings |= {"format_csv_delimiter": delimiter}
    if is_by_place:
        settings |= {"input_format_with_names_use_header": 0}
    structure = ", ".join(f"{_quoted(name)} {type_}" for name, type_ in types.items())
    return EngineFile(path, ENGINE_FORMATS[file_format], structure, columns, settings)


def path_of_all(paths: Sequence[Path]) -> Path:
    """A path under which the engine reads all these files of one folder, each with its ``_file``."""
    if len(paths) == 1:
        return paths[0]
    return paths[0].parent / f"{{{','.join(path.name for path in paths)}}}"


def member_names(warehouse: Warehouse, path: Path) -> list[str]:
    """Names of the members of a file of JSON lines: those of any line, as a line leaves out what it has no value for.

    Raises:
        InputRefused: it is no JSON, with the engine's reason.
    """
    try:
        found = warehouse.frame("ingest/json_names", path=path)
    except WarehouseError as error:
        row, reason = fault(error)
        raise InputRefused(
            f"{reason}{f' (row {row})' if row else ''}: correct it and deliver it again"
        ) from None
    return list(found["name"])


def survey(
    warehouse: Warehouse, name: str, file: EngineFile, bound: Mapping[str, object]
) -> Mapping[str, object]:
    """The one row of ``sql/<name>.sql``, a statement over all rows of a file.

    Raises:
        InputRefused: the file cannot be read, with the engine's reason.
    """
    try:
        return warehouse.frame(name, settings=file.settings, **bound).row(0, named=True)
    except WarehouseError:
        try:
            return warehouse.frame(name, settings={**file.settings, **ROW_BY_ROW}, **bound).row(0, named=True)
        except WarehouseError as error:
            row, reason = fault(error)
            raise InputRefused(
                f"{reason}{f' (row {row})' if row else ''}: correct it and deliver it again"
            ) from None


_NOT_IN_NAMES = re.compile(r"[`'\\\\\x00-\x1f]")
_VIRTUAL = ("_file", "_row_number", "_path", "_size", "_time")


def unbindable(name: str) -> bool:
    """Whether a statement cannot ask for a column of this name: it has a quote, a backslash or a control character, or is one
    of the engine's own."""
    return bool(_NOT_IN_NAMES.search(name)) or name in _VIRTUAL


def place_name(number: int) -> str:
    """The name under which the column at a place, from 0, is read."""
    return f"column {number}"


def absent_name(column: str) -> str:
    """The name under which a column that a file does not have is read as NULL: one that no file has."""
    return f"{column} (not delivered)"


NOWHERE = "(not delivered)"
"""The name of a column of NULL among rows that a statement makes of a bill that is no FOCUS: what nothing gives is this."""


def undelivered(text: str, bound: Mapping[str, object]) -> frozenset[str]:
    """Columns that a statement takes from nothing but a column of the same name, which these files do not have: NULL in
    every row."""
    return frozenset(one for one in _OF_ITSELF.findall(text) if bound.get(one) in (absent_name(one), NOWHERE))


ABSENT = "Nullable(Nothing)"
"""Type of a column that nobody delivered: it costs nothing to map."""
ABSENT_TEXT = "Nullable(String)"
ABSENT_MAP = "Map(String, Nullable(String))"


def text_type(kind: CellKind, has_few_values: bool) -> str:
    """The type of a column read as text."""
    # Few distinct texts: NULL tokens are then looked for once per text and not once per row.
    return "LowCardinality(Nullable(String))" if has_few_values and kind == "string" else "Nullable(String)"


def parquet_type(kind: CellKind, given: pa.DataType, has_few_values: bool) -> str:
    """The type to read a Parquet column with: its own where a statement takes it so, else text.

    Raises:
        UnreadableType: it is nested where one value is meant.
    """
    if pa.types.is_dictionary(given):
        given = given.value_type
    if kind == "decimal" and pa.types.is_decimal(given):
        return f"Nullable(Decimal({given.precision}, {given.scale}))"
    if kind == "time" and pa.types.is_timestamp(given):
        return f"Nullable(DateTime64({_TIME_SCALES[given.unit]}, 'UTC'))"
    if kind == "time" and pa.types.is_date(given):
        return "Nullable(Date32)"
    if pa.types.is_nested(given):
        if kind not in ("json", "tags"):
            raise UnreadableType(str(given))
        return _nested_type(given)
    return text_type(kind, has_few_values)


def is_absent(given: pa.DataType) -> bool:
    """Whether a column of this type can hold nothing but NULL."""
    if pa.types.is_list(given) or pa.types.is_large_list(given):
        return is_absent(given.value_type)
    if pa.types.is_struct(given):
        return all(is_absent(member.type) for member in given)
    return bool(pa.types.is_null(given))


def is_map_of_text(given: pa.DataType) -> bool:
    """Whether it is a map from text to single values: what tags are stored as."""
    return bool(
        pa.types.is_map(given) and _is_text(given.key_type) and not pa.types.is_nested(given.item_type)
    )


def fault(error: WarehouseError) -> tuple[int, str]:
    """Row (0: not told) and reason of a failure to read a file; the engine's own words as a last resort."""
    text = str(error)
    row = _ROW.search(text)
    known = next((sentence for sign, sentence in _FAULTS if sign.search(text)), "")
    return int(row[1]) if row else 0, known or f"it cannot be read ({_OF_THE_ENGINE.sub('', text)[:200]})"


def _nested_type(given: pa.DataType) -> str:
    if pa.types.is_map(given):
        return f"Map({_nested_type(given.key_type).removeprefix('Nullable(').removesuffix(')')}, {_nested_type(given.item_type)})"
    if pa.types.is_list(given) or pa.types.is_large_list(given) or pa.types.is_fixed_size_list(given):
        return f"Array({_nested_type(given.value_type)})"
    if pa.types.is_struct(given):
        members = (
            f"{_quoted(one.name)} {_nested_type(one.type)}" for one in given if not is_absent(one.type)
        )
        return f"Tuple({', '.join(members)})"
    if pa.types.is_decimal(given):
        return f"Nullable(Decimal({given.precision}, {given.scale}))"
    return next((f"Nullable({name})" for is_one, name in _SINGLE_VALUES if is_one(given)), "Nullable(String)")


def _is_text(given: pa.DataType) -> bool:
    if pa.types.is_dictionary(given):
        given = given.value_type
    return bool(pa.types.is_string(given) or pa.types.is_large_string(given))


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"
