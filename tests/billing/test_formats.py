"""What a spooled object is told to be by its bytes and header, and with which types the engine is to read it: without the
engine. What is read then: ``test_reading``."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.bill_formats import plain_name
from models.errors import InputRefused, ObjectRefused, WarehouseError
from models.focus import columns, dialects, looks_like, read_header
from pipelines.ingest.billing import formats
from pipelines.ingest.billing.formats import BILL_FORMATS, ReadableObject
from sql import bill_files
from sql.bill_files import UnreadableType, fault, is_absent, is_map_of_text, parquet_type, text_type
from tests.billing.conftest import ROW

FOCUS = BILL_FORMATS["focus"]
HEADER = ",".join(ROW)


def read(tmp_path: Path, content: bytes, name: str = "bill") -> ReadableObject:
    path = tmp_path / "1.bytes"
    path.write_bytes(content)
    return formats.readable(
        name, path, FOCUS, lambda path: list(json.loads(path.read_text().splitlines()[0]))
    )


def parquet(**cells: pa.Array) -> bytes:
    table = {name: pa.array([value]) for name, value in ROW.items()} | cells
    sink = io.BytesIO()
    pq.write_table(pa.table(table), sink)
    return sink.getvalue()


def structure(found: ReadableObject) -> dict[str, str]:
    """Type by the name a statement has for a column."""
    types = dict(part.rsplit("` ", 1) for part in found.file.structure.removeprefix("`").split(", `"))
    return {parameter: types[name] for parameter, name in found.file.columns.items()}


REFUSED = {
    b"": "it is empty, without even a header",
    b"PK\x03\x04": "it is a ZIP archive: deliver CSV",
    b"\x28\xb5\x2f\xfd": "it is Zstandard",
    b"BZh9": "it is bzip2",
    b"\xfd7zXZ\0": "it is XZ",
    b"PAR1 and no more": "its Parquet is truncated or damaged (",
    b"a,b\n": "looks like no version of FOCUS",
    b'{"a": "\0"}': "it holds NUL characters",
}


@pytest.mark.parametrize("content", REFUSED, ids=repr)
def test_what_is_no_bill_is_refused_by_its_first_bytes(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ObjectRefused) as refused:
        read(tmp_path, content)
    assert refused.value.object_name == "bill"
    assert REFUSED[content] in refused.value.reason


@pytest.mark.parametrize(
    ("name", "is_refused"), [("a.parquet", True), ("A.PARQUET", True), ("a.parquet.csv", False)]
)
def test_what_is_named_parquet_is_it(tmp_path: Path, name: str, is_refused: bool) -> None:
    if is_refused:
        with pytest.raises(ObjectRefused, match="named .parquet but is no Parquet"):
            read(tmp_path, HEADER.encode(), name)
    else:
        assert read(tmp_path, HEADER.encode(), name).file.format == "CSVWithNames"
    assert read(tmp_path, parquet(), name).file.format == "Parquet"


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b" \t\r\n\n"])
@pytest.mark.parametrize("opening", [b"", b"["])
def test_what_begins_with_a_brace_is_json(tmp_path: Path, before: bytes, opening: bytes) -> None:
    path = tmp_path / "1.bytes"
    path.write_bytes(before + opening + json.dumps(ROW).encode() + b"\n")
    found = formats.readable("bill", path, FOCUS, lambda _: list(ROW))
    assert (found.file.format, found.is_utf8, found.path) == ("JSONEachRow", True, path)


def test_json_that_is_no_utf8_is_read_from_a_copy(tmp_path: Path) -> None:
    found = read(tmp_path, json.dumps(ROW).encode() + b'\n{"x": "\xe9"}\n')
    assert (found.is_utf8, found.bound["is_utf8"]) == (False, 0)
    assert found.path.read_text().endswith('{"x": "\ufffd"}\n')


def test_a_csv_has_the_types_of_its_columns_and_none_for_the_others(tmp_path: Path) -> None:
    content = f"x_Mine,{HEADER.replace('Tags', 'tags')},Region Id\n"
    found = read(tmp_path, content.replace(",", ";").encode())
    assert found.file.settings["format_csv_delimiter"] == ";"
    types = structure(found)
    assert set(types) == {*columns(), "TagsAsMap"}
    for name, column in columns().items():
        given = {**dict.fromkeys(ROW), "Tags": "tags", "RegionId": "Region Id"}
        if name in given:
            assert found.file.columns[name] == (given[name] or name)
            assert types[name] == (
                "LowCardinality(Nullable(String))"
                if column.low_cardinality and column.type == "string"
                else "Nullable(String)"
            )
        else:
            assert found.file.columns[name] == f"{name} (not delivered)"
            assert types[name] == ("Nullable(String)" if column.type == "time" else "Nullable(Nothing)")
    assert types["TagsAsMap"] == "Map(String, Nullable(String))"
    bound = found.bound
    assert (bound["path"], bound["is_utf8"], bound["empty_effective_cost_is_billed"]) == (found.path, 1, 0)
    assert "USD" in bound["currencies"] and bound["currencies"] == sorted(bound["currencies"])
    assert "Usage" in bound["charge_categories"]
    assert found.header.ignored == ("x_Mine",)


def test_a_column_whose_name_is_no_utf8_is_named(tmp_path: Path) -> None:
    content = HEADER.replace("ServiceName", "Service\xa0Name").encode("latin-1")
    with pytest.raises(ObjectRefused, match="the name of its column Service\ufffdName is no UTF-8"):
        read(tmp_path, content + b"\n")
    assert read(tmp_path, f"{HEADER},\xe9\n".encode("latin-1")).header.ignored == ("\ufffd",)


TEXT, NUMBER = pa.string(), pa.int64()
PAIRS = pa.list_(pa.struct([("key", TEXT), ("value", TEXT)]))
ARROW: list[tuple[str, pa.DataType, str]] = [
    ("decimal", pa.decimal128(20, 5), "Nullable(Decimal(20, 5))"),
    ("decimal", pa.decimal256(60, 9), "Nullable(Decimal(60, 9))"),
    ("decimal", pa.float64(), "Nullable(String)"),
    ("string", pa.decimal128(20, 5), "Nullable(String)"),
    ("time", pa.timestamp("s"), "Nullable(DateTime64(0, 'UTC'))"),
    ("time", pa.timestamp("ms", "Asia/Tokyo"), "Nullable(DateTime64(3, 'UTC'))"),
    ("time", pa.timestamp("us"), "Nullable(DateTime64(6, 'UTC'))"),
    ("time", pa.timestamp("ns"), "Nullable(DateTime64(9, 'UTC'))"),
    ("time", pa.date32(), "Nullable(Date32)"),
    ("time", pa.date64(), "Nullable(Date32)"),
    ("time", TEXT, "Nullable(String)"),
    ("string", pa.date32(), "Nullable(String)"),
    ("string", pa.dictionary(pa.int32(), TEXT), "Nullable(String)"),
    ("decimal", pa.dictionary(pa.int32(), pa.decimal128(9, 2)), "Nullable(Decimal(9, 2))"),
    ("json", pa.struct([("x", NUMBER), ("a`\\", TEXT), ("gone", pa.null())]), "Tuple(`x` Nullable(Int64), `a\\`\\\\` Nullable(String))"),
    ("tags", PAIRS, "Array(Tuple(`key` Nullable(String), `value` Nullable(String)))"),
    ("json", pa.large_list(pa.bool_()), "Array(Nullable(Bool))"),
    ("json", pa.list_(pa.uint8(), 2), "Array(Nullable(UInt64))"),
    ("json", pa.list_(pa.float32()), "Array(Nullable(Float64))"),
    ("json", pa.list_(pa.decimal128(9, 2)), "Array(Nullable(Decimal(9, 2)))"),
    ("json", pa.list_(pa.date32()), "Array(Nullable(String))"),
    ("tags", pa.map_(TEXT, pa.list_(NUMBER)), "Map(String, Array(Nullable(Int64)))"),
    ("json", pa.map_(NUMBER, TEXT), "Map(Int64, Nullable(String))"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "given", "type_"), ARROW, ids=str)
def test_a_parquet_column_is_read_with_its_own_type_where_that_helps(
    kind: Any, given: pa.DataType, type_: str
) -> None:
    assert parquet_type(kind, given, False) == type_
    if type_ == "Nullable(String)":
        few = "LowCardinality(Nullable(String))" if kind == "string" else type_
        assert parquet_type(kind, given, True) == text_type(kind, True) == few
    for other in ("string", "decimal", "time") if pa.types.is_nested(given) else ():
        with pytest.raises(UnreadableType, match=r"\w"):
            parquet_type(other, given, False)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "absent", "text_map"),
    [
        (pa.null(), True, False),
        (TEXT, False, False),
        (pa.list_(pa.null()), True, False),
        (pa.large_list(pa.null()), True, False),
        (pa.list_(TEXT), False, False),
        (pa.struct([("a", pa.null()), ("b", pa.list_(pa.null()))]), True, False),
        (pa.struct([("a", pa.null()), ("b", TEXT)]), False, False),
        (pa.map_(TEXT, TEXT), False, True),
        (pa.map_(pa.large_string(), NUMBER), False, True),
        (pa.map_(pa.dictionary(pa.int32(), TEXT), TEXT), False, True),
        (pa.map_(NUMBER, TEXT), False, False),
        (pa.map_(TEXT, pa.list_(TEXT)), False, False),
    ],
    ids=str,
)
def test_a_column_of_nothing_and_a_map_of_text(given: pa.DataType, absent: bool, text_map: bool) -> None:
    assert (is_absent(given), is_map_of_text(given)) == (absent, text_map)


def test_a_parquet_file_has_its_own_types_and_its_tags_their_place(tmp_path: Path) -> None:
    as_map = read(
        tmp_path, parquet(Tags=pa.array([[("a", "b")]], pa.map_(TEXT, TEXT)), RegionId=pa.array([None]))
    )
    types = structure(as_map)
    assert (as_map.file.columns["TagsAsMap"], types["TagsAsMap"]) == ("Tags", "Map(String, Nullable(String))")
    assert (as_map.file.columns["Tags"], types["Tags"]) == ("Tags (not delivered)", "Nullable(Nothing)")
    assert (as_map.file.columns["RegionId"], types["RegionId"]) == (
        "RegionId (not delivered)",
        "Nullable(Nothing)",
    )
    assert set(types) == {*columns(), "TagsAsMap"}
    listed = read(tmp_path, parquet(Tags=pa.array([[{"key": "a", "value": "b"}]], PAIRS)))
    assert "`Tags` Array(Tuple(`key` Nullable(String), `value` Nullable(String)))" in listed.file.structure
    assert (listed.file.columns["Tags"], listed.file.columns["TagsAsMap"]) == (
        "Tags",
        "TagsAsMap (not delivered)",
    )
    assert "`TagsAsMap (not delivered)` Map(String, Nullable(String))" in listed.file.structure
    with pytest.raises(
        ObjectRefused, match=r"its column ServiceName is struct<x: int64>: export it as one value"
    ):
        read(tmp_path, parquet(ServiceName=pa.array([{"x": 1}])))


@pytest.mark.parametrize(
    ("rows", "most", "checked", "per_byte", "is_refused"),
    [
        (4, 4 * 14, 10**9, 1, False),  # as many cells as there may be
        (4, 4 * 14 - 1, 10**9, 1, True),
        (4, 10**9, 4 * 14, 0, False),  # so few that their bytes do not matter
        (4, 10**9, 4 * 14 - 1, 0, True),
        (4, 10**9, 0, 1, False),  # more bytes than cells
    ],
)
def test_a_footer_that_claims_too_much_is_a_bomb(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rows: int,
    most: int,
    checked: int,
    per_byte: int,
    is_refused: bool,
) -> None:
    for name, value in (("MAX_CELLS", most), ("CHECKED_CELLS", checked), ("MAX_CELLS_PER_BYTE", per_byte)):
        monkeypatch.setattr(formats, name, value)
    sink = io.BytesIO()
    pq.write_table(pa.table({name: pa.array([value] * rows) for name, value in ROW.items()}), sink)
    assert len(ROW) == 14
    if is_refused:
        with pytest.raises(ObjectRefused, match="Parquet bomb: its footer claims 4 rows of 14 columns"):
            read(tmp_path, sink.getvalue())
    else:
        read(tmp_path, sink.getvalue())


@pytest.mark.parametrize(
    ("said", "row", "sentence"),
    [
        ("Cannot parse: expected ',' before: x (at row 7)", 7, "it has fewer fields than the header"),
        ("Expected end of line (at row 12)", 12, "it has more fields than the header"),
        ("Duplicate field found while parsing JSON (at row 3)", 3, "it has a member twice"),
        ("Cannot parse JSON", 0, "it is no JSON object on a line"),
        ("expected '{' or '[': x", 0, "it is no JSON object on a line"),
        ("boom: (in file/uri /x): While executing y", 0, "it cannot be read (boom)"),
        ("x" * 300, 0, f"it cannot be read ({'x' * 200})"),
    ],
)
def test_what_the_engine_says_of_a_file_is_said_in_words(said: str, row: int, sentence: str) -> None:
    assert fault(WarehouseError(said)) == (row, sentence)


def focus_header(*more: str, without: str = "") -> list[str]:
    return [name for name in ROW if name != without] + list(more)


HEADERS: list[tuple[list[str], str]] = [
    (focus_header("BilledCost"), "column BilledCost twice: deliver one of them"),
    (focus_header("billed_cost"), "column billed_cost twice (also written BilledCost)"),
    (focus_header("x", "x"), "column x twice: deliver one of them"),
    (focus_header(without="EffectiveCost"), "it looks like FOCUS, but its header lacks the required column EffectiveCost"),
    (focus_header(without="ProviderName"), "lacks the required column ServiceProviderName or ProviderName"),
    (["a", "b" * 50, "c", "d", "e"], f"its header (a, {'b' * 40}, c, d, e) looks like no version of FOCUS"),
    (["a", "b", "c", "d", "e", "f"], "its header (a, b, c, d, e, ...) looks like no version"),
]  # fmt: skip


@pytest.mark.parametrize(("names", "sentence"), HEADERS)
def test_a_header_that_is_none_is_refused_with_what_it_lacks(names: list[str], sentence: str) -> None:
    with pytest.raises(InputRefused) as refused:
        read_header(names)
    assert sentence in str(refused.value)


def test_a_header_is_known_by_names_however_they_are_written() -> None:
    found = read_header(
        ["x_Other", *(name.upper() for name in ROW if name != "ListCost"), "Service Subcategory"]
    )
    assert found.delivered["BilledCost"] == "BILLEDCOST"
    assert found.ignored == ("x_Other",)
    assert found.undelivered_metrics == ("ListCost",)
    assert found.version == max(columns()[name].since for name in found.delivered)
    assert plain_name("Billed-Cost_ (x)") == "billedcostx"
    own = next(one for one in dialects() if one.is_focus and one.names)
    assert looks_like(["nothing", "Billed Cost", "BilledCost", next(iter(own.names))]) == 2


def test_half_of_the_required_columns_are_not_enough_to_look_like_focus() -> None:
    required = [name for name, column in columns().items() if column.required]
    half = len(required) // 2
    for count, is_focus in ((half, len(required) % 2 and False), (half + 1, True)):
        with pytest.raises(InputRefused, match="looks like FOCUS" if is_focus else "looks like no version"):
            read_header(required[-count:])


def test_every_fact_of_the_statements_is_part_of_the_rules() -> None:
    bill: Mapping[str, Any] = {"rules": FOCUS.rules}
    assert all(any(text in rule for rule in bill["rules"]) for text in ("BilledCost", "'USD'", "'Usage'"))
    assert bill_files.ENGINE_FORMATS == {
        "csv": "CSVWithNames",
        "parquet": "Parquet",
        "json_lines": "JSONEachRow",
    }
