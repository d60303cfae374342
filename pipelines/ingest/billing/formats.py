"""What a spooled object is, by its bytes and its header, for each format a billing source can have.

``BILL_FORMATS`` is the table of formats: how a header is read, what is bound, and the statements that count, load and
name the rows at fault. Nothing here reads a row. A file that cannot be what it says is refused with one sentence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from models import aws_cur, azure_bills, gcp_billing
from models import mapping as mappings
from models.errors import InputRefused, ObjectRefused
from models.focus import (
    FocusColumn,
    Header,
    charge_categories,
    columns,
    currencies,
    looks_like,
    read_header,
)
from pipelines.ingest.billing.texts import CsvText, csv_text, is_utf8, utf8_copy
from sql import bill_files
from sql.bill_files import EngineFile
from sql.catalog import statement
from sql.forms import filled
from sql.mapped import THERE, mapped

_PARQUET_MAGIC = b"PAR1"
_OTHER_MAGICS = {
    b"PK\x03\x04": "a ZIP archive",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "XZ",
}

MAX_CELLS = 4_000_000_000
"""Rows times columns of one Parquet object; the largest exports split at some ten million rows."""
MAX_CELLS_PER_BYTE = 200
"""Cells one stored byte may claim, counted from ``CHECKED_CELLS`` on: real exports stay below 20."""
CHECKED_CELLS = 20_000_000

AS_MAP = "AsMap"
"""What the parameter of tags ends with where they come as a map; all others come under the column's own name."""
TAG_COLUMNS = "resource_tags_"
"""The name of a column that no report has, beside those that hold a tag each: there is always one to read."""

NamesOf = Callable[[Path], list[str]]
"""Finds the names of the members of a file of JSON lines, which stand in every line."""


SurveyOf = Callable[[str, EngineFile, Mapping[str, Any]], Mapping[str, Any]]
"""Runs the statement that asks what the rows of a file tell of it as a whole, and returns its one row."""


@dataclass(frozen=True)
class BillFormat:
    """A format of ``sources.billing``: its header reader, the columns and values bound, and three statements.

    With a ``survey``, a statement over all rows of a file, ``decided`` makes of its answer what else is bound. ``feeds`` is
    the one metric that a view of a bill gives, empty where rows hold both. ``overlaps`` says what a newer object is that
    shares charges with an older one, where every bill of the format means the same; a source may say otherwise.
    """

    name: str
    columns: Callable[[], Mapping[str, FocusColumn]]
    read_header: Callable[[Sequence[str]], Header]
    values: Callable[[Header], Mapping[str, Any]]
    profile: str
    load: str
    rejects: str
    read_rules: Callable[[], tuple[str, ...]]
    looks_like: Callable[[Sequence[str]], int] = looks_like
    keys: str = ""
    """The statement that gives the keys of a file's rows in a month, where the format has any that holds within a source."""
    survey: str = ""
    decided: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict
    feeds: str = ""
    overlaps: Literal["add", "replace"] | None = None
    read_members: Callable[[Sequence[str]], Header] | None = None
    """Where members of JSON lines, of which each line leaves out its own, are not read as a header is."""
    words: Mapping[str, str] = field(default_factory=dict)
    """What its statements are filled with; names and numbers of ours only."""
    reading: str = ""
    """What of its source's settings decides how bytes are read; the same bytes read in another way are another delivery."""
    has_any_names: bool = False
    """Whether its columns may have any names, so that those of a CSV are found by their place."""
    preamble_lines: int = 0
    """Lines before the header of a CSV."""
    skipped: str = ""
    """The statement that counts the rows that ``skips`` leave out, where there are any."""
    skips: tuple[mappings.Skip, ...] = ()

    @property
    def rules(self) -> tuple[str, ...]:
        """What rows are counted and read by, as text: a change of it makes what was counted stale."""
        return self.read_rules()

    def text(self, name: str) -> str:
        """One of its statements."""
        return filled(statement(name), self.words) if self.words else statement(name)

    def digest(self, sha256: str) -> str:
        """Digest of a content as this format reads it; that of the content where nothing but the format says how."""
        return hashlib.sha256(f"{sha256}\n{self.reading}".encode()).hexdigest() if self.reading else sha256


def _focus_rules() -> tuple[str, ...]:
    return (repr(columns()), repr(sorted(currencies())), repr(charge_categories()))


def _focus_values(header: Header) -> dict[str, Any]:
    return {
        "currencies": sorted(currencies()),
        "charge_categories": charge_categories(),
        "empty_effective_cost_is_billed": int(header.dialect.is_empty_effective_cost_billed),
    }


def _in_focus_columns() -> dict[str, str]:
    """Columns of FOCUS under their own names, as a statement over another bill gives them."""
    return {**{name: name for name in columns()}, f"Tags{AS_MAP}": f"Tags{AS_MAP}"}


def _aws_cur_values(header: Header) -> dict[str, Any]:
    return {**_in_focus_columns(), **aws_cur.values(header)}


def _azure_values(view: azure_bills.View, header: Header) -> dict[str, Any]:
    focus_names, delivered_names = azure_bills.delivered_names(view, header)
    return {
        **azure_bills.focus_names(view, header, bill_files.NOWHERE),
        f"Tags{AS_MAP}": f"Tags{AS_MAP}",
        **azure_bills.bound_words(),
        "currencies": sorted(currencies()),
        "charge_categories": charge_categories(),
        "empty_effective_cost_is_billed": 0,
        "date_order": "",
        "focus_names": focus_names,
        "delivered_names": delivered_names,
    }


def _azure_decided(view: azure_bills.View, found: Mapping[str, Any]) -> dict[str, Any]:
    azure_bills.check_view(view, found["amortized"], found["actual"])
    return {"date_order": azure_bills.date_order(found["day_first"], found["month_first"], found["doubtful"])}


def _azure_rules(view: azure_bills.View) -> tuple[str, ...]:
    return (
        azure_bills.FED[view],
        statement(AZURE_SURVEY),
        repr(azure_bills.bound_words()),
        repr(azure_bills.columns()),
        repr(sorted(currencies())),
        repr(charge_categories()),
    )


AZURE_SURVEY = "ingest/azure_survey"


def _azure(view: azure_bills.View) -> BillFormat:
    """One view of a bill; the views of one bill are a pair, of which each feeds its own metric."""
    return BillFormat(
        name=f"azure-{view}",
        columns=azure_bills.columns,
        read_header=partial(azure_bills.read_header, view),
        values=partial(_azure_values, view),
        profile="ingest/azure_profile",
        load="ingest/azure",
        rejects="ingest/azure_rejects",
        read_rules=partial(_azure_rules, view),
        looks_like=azure_bills.looks_like,
        survey=AZURE_SURVEY,
        decided=partial(_azure_decided, view),
        feeds=azure_bills.FED[view],
        overlaps="replace",  # an export writes a month to date, again and again
    )


def _gcp_values(header: Header) -> dict[str, Any]:
    words = gcp_billing.words()
    cost_types, fee, correction = words["cost_types"], words["commitment_fee"], words["correction"]
    return {
        "currencies": sorted(currencies()),
        "provider": words["provider"],
        "time_zone": words["time_zone"],
        "cost_types": list(cost_types),
        "categories": [one["category"] for one in cost_types.values()],
        "frequencies": [one["frequency"] for one in cost_types.values()],
        "credit_category": words["credit"]["category"],
        "credit_frequency": words["credit"]["frequency"],
        "commitment_pattern": fee["pattern"],
        "commitment_category": fee["category"],
        "commitment_frequency": fee["frequency"],
        "correction_type": correction["cost_type"],
        "correction_class": correction["class"],
        "commitment_credits": list(words["commitment_credits"]),
        "commitment_kinds": list(words["commitment_credits"].values()),
        "catalogue_keys": [""],
        "catalogue_prices": [""],
    }


def _gcp_rules() -> tuple[str, ...]:
    return (repr(gcp_billing.columns()), repr(sorted(currencies())), repr(gcp_billing.words()))


def mapping_format(given: mappings.BillMapping) -> BillFormat:
    """The format of a source that is read by a mapping."""
    made = mapped(given)

    def values(header: Header) -> dict[str, Any]:
        focus_names, told_names = mappings.told_as(given)
        there = {
            parameter.replace(mappings.COLUMN, THERE): int(parameter in header.delivered)
            for parameter in given.parameters
        }
        return {
            **made.bound,
            **there,
            f"Tags{AS_MAP}": f"Tags{AS_MAP}",
            "currencies": sorted(currencies()),
            "charge_categories": charge_categories(),
            "empty_effective_cost_is_billed": 0,
            "focus_names": focus_names,
            "told_names": told_names,
        }

    rules = (repr(given), repr(sorted(currencies())), repr(charge_categories()))
    return BillFormat(
        name=mappings.FORMAT,
        columns=partial(mappings.file_columns, given),
        read_header=partial(mappings.read_header, given),
        values=values,
        profile="ingest/mapping_profile",
        load="ingest/mapping",
        rejects="ingest/mapping_rejects",
        read_rules=lambda: rules,
        looks_like=partial(mappings.looks_like, given),
        words=made.words,
        reading=_reading(given),
        has_any_names=True,
        preamble_lines=given.preamble_lines,
        skipped="ingest/mapping_skipped" if given.skips else "",
        skips=given.skips,
    )


def _reading(given: mappings.BillMapping) -> str:
    """What of a mapping decides how bytes are read; what it does not say changes no digest of a delivery."""
    told: tuple[object, ...] = (given.expressions, given.optional)
    if given.preamble_lines or given.skips:
        told = (*told, given.preamble_lines, given.skips)
    return repr(told)


BILL_FORMATS = {
    "focus": BillFormat(
        name="focus",
        columns=columns,
        read_header=read_header,
        values=_focus_values,
        profile="ingest/focus_profile",
        load="ingest/focus",
        rejects="ingest/focus_rejects",
        read_rules=_focus_rules,
    ),
    "aws-cur": BillFormat(
        name="aws-cur",
        columns=aws_cur.columns,
        read_header=aws_cur.read_header,
        values=_aws_cur_values,
        profile="ingest/aws_cur_profile",
        load="ingest/aws_cur",
        rejects="ingest/aws_cur_rejects",
        keys="ingest/aws_cur_keys",
        read_rules=aws_cur.rules,
    ),
    gcp_billing.FORMAT: BillFormat(
        name=gcp_billing.FORMAT,
        columns=gcp_billing.columns,
        read_header=gcp_billing.read_header,
        values=_gcp_values,
        profile="ingest/gcp_billing_profile",
        load="ingest/gcp_billing",
        rejects="ingest/gcp_billing_rejects",
        read_rules=_gcp_rules,
        read_members=gcp_billing.read_members,
    ),
    "azure-actual": _azure("actual"),
    "azure-amortized": _azure("amortized"),
}
"""By name, as a source's ``format`` gives it; the format of a mapping is made of it (``mapping_format``)."""


def feeds_of(name: str) -> str:
    """The one metric a bill of this format gives; empty where rows hold both."""
    return BILL_FORMATS[name].feeds if name in BILL_FORMATS else ""


@dataclass(frozen=True)
class ReadableObject:
    """How the engine reads a spooled object, and what its header says; whether all its text was UTF-8."""

    file: EngineFile
    header: Header
    values: Mapping[str, Any]
    is_utf8: bool = True

    @property
    def path(self) -> Path:
        return self.file.path

    @property
    def bound(self) -> dict[str, Any]:
        """Parameters of every statement over the object."""
        return {**self.file.parameters, **self.values, "is_utf8": int(self.is_utf8)}


def readable(
    name: str, path: Path, bill: BillFormat, names_of: NamesOf, survey_of: SurveyOf | None = None
) -> ReadableObject:
    """Recognises a spooled object by its bytes, and by its rows as a whole where its format asks for that.

    Raises:
        ObjectRefused: neither CSV, Parquet nor JSON lines, damaged, a bomb, or not a header of its format.
    """
    try:
        found = _recognised(name, path, bill, names_of)
        if not bill.survey or survey_of is None:
            return found
        told = survey_of(bill.survey, found.file, found.bound)
        return replace(found, values={**found.values, **bill.decided(told)})
    except InputRefused as error:
        if isinstance(error, ObjectRefused):
            raise
        raise ObjectRefused(name, str(error)) from None


def _recognised(name: str, path: Path, bill: BillFormat, names_of: NamesOf) -> ReadableObject:
    with path.open("rb") as file:
        start = file.read(64)
    if start.startswith(_PARQUET_MAGIC):
        return _parquet(name, path, bill)
    _refuse_other(name, start)
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")):
        return _json_lines(path, bill, names_of)
    return _csv(csv_text(path, bill.looks_like, bill.has_any_names, bill.preamble_lines), bill)


def _refuse_other(name: str, start: bytes) -> None:
    if not start:
        raise ObjectRefused(name, "it is empty, without even a header: deliver it again")
    for magic, what in _OTHER_MAGICS.items():
        if start.startswith(magic):
            raise ObjectRefused(name, f"it is {what}: deliver CSV, JSON lines (both plain or .gz) or Parquet")
    if name.lower().endswith(".parquet"):
        raise ObjectRefused(
            name, "it is named .parquet but is no Parquet file: deliver it again or rename it"
        )


def _csv(text: CsvText, bill: BillFormat) -> ReadableObject:
    header = bill.read_header(text.names)
    for name in header.delivered.values():
        if not text.is_utf8 and "\ufffd" in name:
            raise InputRefused(f"the name of its column {name} is no UTF-8: export it as UTF-8")
    if bill.has_any_names:
        return _by_place(text, bill, header)
    return _of_text(text.path, "csv", bill, header, text.is_utf8, text.delimiter)


def _by_place(text: CsvText, bill: BillFormat, header: Header) -> ReadableObject:
    """A CSV whose columns are told by their place, as their names may be any text, and others may be there twice."""
    places = {parameter: text.names.index(name) for parameter, name in header.delivered.items()}
    names = {parameter: bill_files.place_name(places.get(parameter, 0)) for parameter in bill.columns()}
    types = {bill_files.place_name(place): bill_files.ABSENT_TEXT for place in range(len(text.names))}
    file = bill_files.engine_file(text.path, "csv", types, names, text.delimiter, is_by_place=True)
    return ReadableObject(file, header, bill.values(header), text.is_utf8)


def _refuse_unbindable(bill: BillFormat, header: Header) -> None:
    if not bill.has_any_names:
        return
    for name in header.delivered.values():
        if bill_files.unbindable(name):
            raise InputRefused(
                f"its column {name!r} has a quote, a backslash or a line break in its name, or one that is kept for files: "
                "rename it, or deliver the file as CSV"
            )


def _json_lines(path: Path, bill: BillFormat, names_of: NamesOf) -> ReadableObject:
    is_sound = is_utf8(path)
    text = path if is_sound else utf8_copy(path)
    read_members = bill.read_members or bill.read_header
    header = read_members(names_of(text))
    _refuse_unbindable(bill, header)
    return _of_text(text, "json_lines", bill, header, is_sound)


def _of_text(
    path: Path,
    file_format: bill_files.FileFormat,
    bill: BillFormat,
    header: Header,
    is_utf8: bool,
    delimiter: str = ",",
) -> ReadableObject:
    types, names = {}, {}
    for column in bill.columns().values():
        given = header.delivered.get(column.name)
        names[column.name] = given or bill_files.absent_name(column.name)
        types[names[column.name]] = (
            bill_files.text_type(column.type, column.low_cardinality) if given else _absent_type(column)
        )
        if column.type == "tags":
            names[column.name + AS_MAP] = bill_files.absent_name(column.name + AS_MAP)
            types[names[column.name + AS_MAP]] = bill_files.ABSENT_MAP
    types |= _tag_columns(header)
    file = bill_files.engine_file(path, file_format, types, names, delimiter)
    return ReadableObject(file, header, bill.values(header), is_utf8)


def _parquet(name: str, path: Path, bill: BillFormat) -> ReadableObject:
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
    header = bill.read_header(schema.names)
    _refuse_unbindable(bill, header)
    types, names = {}, {}
    for column in bill.columns().values():
        given = header.delivered.get(column.name)
        type_ = None if given is None else schema.field(given).type
        if given is None or type_ is None or bill_files.is_absent(type_):
            continue
        is_map = column.type == "tags" and bill_files.is_map_of_text(type_)
        names[column.name + AS_MAP if is_map else column.name] = given
        try:
            types[given] = (
                bill_files.ABSENT_MAP
                if is_map
                else bill_files.parquet_type(column.type, type_, column.low_cardinality)
            )
        except bill_files.UnreadableType:
            raise ObjectRefused(name, f"its column {given} is {type_}: export it as one value") from None
    for column in bill.columns().values():
        absent = {column.name: _absent_type(column)}
        if column.type == "tags":
            absent[column.name + AS_MAP] = bill_files.ABSENT_MAP
        for parameter in absent.keys() - names.keys():
            names[parameter] = bill_files.absent_name(parameter)
            types[names[parameter]] = absent[parameter]
    types |= _tag_columns(header)
    engine_file = bill_files.engine_file(path, "parquet", types, names)
    return ReadableObject(engine_file, header, bill.values(header))


def _tag_columns(header: Header) -> dict[str, str]:
    """Types of the columns that hold the values of one tag each, in the order of their keys."""
    if not isinstance(header, aws_cur.CurHeader):
        return {}
    return dict.fromkeys((bill_files.absent_name(TAG_COLUMNS), *header.tag_columns), bill_files.ABSENT_TEXT)


def _absent_type(column: FocusColumn) -> str:
    return bill_files.ABSENT_TEXT if column.type == "time" else bill_files.ABSENT
