"""The text of a CSV as the engine takes it, from its bytes alone: what is left as it is, what is written anew and to what,
and what is refused with which byte. What becomes of it as a bill: ``test_reading``."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from pathlib import Path

import pytest

from models.errors import InputRefused
from pipelines.ingest.billing.texts import csv_text, is_utf8, utf8_copy

KNOWN = ("Cost", "Name")


def looks_like(names: Sequence[str]) -> int:
    """How many columns a header has that somebody knows."""
    return sum(name in KNOWN for name in names)


PLAIN = "Cost,Name\n1,a\n2,b\n"
CELLS = 'Cost;Name\n1;"a\n\n;b"\n'
LONG = "Cost,Name\n" + "1,a\n" * 300_000
"""More than one block of a megabyte."""

KEPT: dict[str, tuple[bytes, str]] = {
    "plain": (PLAIN.encode(), ","),
    "semicolons": (b"Cost;Name\n1;a\n", ";"),
    "bars": (b"Cost|Name\n1|a\n", "|"),
    "Windows line ends": (PLAIN.replace("\n", "\r\n").encode(), ","),
    "a byte order mark": (codecs.BOM_UTF8 + PLAIN.encode(), ","),
    "not ASCII": ("Cost,Name\n1,ü\n".encode(), ","),
    "a header alone": (b"Cost,Name", ","),
    "a break in a cell": (b'Cost,Name\n1,"a\nb"\n', ","),
    "several blocks": (LONG.encode(), ","),
    "the delimiter of most known columns": (b"Cost;Name,x\n1;2,3\n", ";"),
    "more than sixty-four blanks": (b"Cost,Name\n" + b" " * 70 + b",\n", ","),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_the_engine_takes_is_left_as_it_is(tmp_path: Path, name: str) -> None:
    content, delimiter = KEPT[name]
    path = tmp_path / "1.bytes"
    path.write_bytes(content)
    found = csv_text(path, looks_like)
    assert (found.path, path.read_bytes(), found.delimiter, found.is_utf8) == (path, content, delimiter, True)
    assert list(tmp_path.iterdir()) == [path]


# Content, text written anew, delimiter, whether it was UTF-8.
WRITTEN: dict[str, tuple[bytes, str, str, bool]] = {
    "tabs": (b'Cost\tName\n1\t"a\tb"\n2\t"c,d"\n', 'Cost,Name\n1,a\tb\n2,"c,d"\n', ",", True),
    "old line ends": (b"Cost,Name\r1,a\r", "Cost,Name\n1,a\n", ",", True),
    "old line ends before the header": (b"\r\rCost,Name\r1,a\r", "Cost,Name\n1,a\n", ",", True),
    "a blank line": (b"Cost,Name\n\n1,a\n", PLAIN[:14], ",", True),
    "a line of blanks": (b"Cost,Name\r\n \t \r\n1,a\r\n", "Cost,Name\r\n1,a\r\n", ",", True),
    "blanks around names": (
        b'Cost , "Name "\t\r\n 1 , a\r\n',
        "Cost,Name\n 1 , a\r\n",
        ",",
        True,
    ),
    "a blank line at the end": (PLAIN.encode() + b"\n", PLAIN, ",", True),
    "sixty-four blanks": (b"Cost,Name\n" + b" " * 64 + b"\n1,a\n", PLAIN[:14], ",", True),
    "a blank line before the header": (b"\n \t\r\nCost,Name\n1,a\n", PLAIN[:14], ",", True),
    "a hint": (b"sep=;\nCost;Name\n1;a\n", "Cost;Name\n1;a\n", ";", True),
    "a hint in capitals with cells": (b"SEP=;;\r\n\r\nCost;Name\r\n1;a\r\n", "Cost;Name\r\n1;a\r\n", ";", True),
    "a hint further down": (b"Cost;Name\n\nsep=;;\n", "Cost;Name\nsep=;;\n", ";", True),
    "blank lines in a cell": (CELLS.encode(), CELLS, ";", True),
    "UTF-16": (PLAIN.encode("utf-16"), PLAIN, ",", True),
    "UTF-16, big end first": (codecs.BOM_UTF16_BE + "Cost\tName\n1\tü\n".encode("utf-16-be"), "Cost,Name\n1,ü\n", ",", True),
    "UTF-32": (codecs.BOM_UTF32_LE + "Cost|Name\n".encode("utf-32-le"), "Cost|Name\n", "|", True),
    "UTF-32, big end first": (codecs.BOM_UTF32_BE + PLAIN.encode("utf-32-be"), PLAIN, ",", True),
    "Latin-1": ("Cost,Name\n1,Größe\n".encode("latin-1"), "Cost,Name\n1,Gr\ufffd\ufffde\n", ",", False),
    "cut inside a character": (b"Cost,Name\n1,\xc3", "Cost,Name\n1,\ufffd", ",", False),
    "a mark and no UTF-8 then": (codecs.BOM_UTF8 + b"Cost,Name\n1,\xff\n", "Cost,Name\n1,\ufffd\n", ",", False),
    "a fault in a later block": (LONG.encode() + b"1,\xe9\n", LONG + "1,\ufffd\n", ",", False),
    "a blank line across two blocks": (
        LONG.encode()[: 2**20 - 2] + b"1\n\n2,b\n",
        LONG[: 2**20 - 2] + "1\n2,b\n",
        ",",
        True,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITTEN)
def test_what_it_does_not_take_is_written_anew(tmp_path: Path, name: str) -> None:
    content, text, delimiter, was_utf8 = WRITTEN[name]
    path = tmp_path / "1.bytes"
    path.write_bytes(content)
    found = csv_text(path, looks_like)
    assert (found.names, found.delimiter, found.is_utf8) == (list(KNOWN), delimiter, was_utf8)
    assert found.path.read_bytes().decode() == text
    assert list(tmp_path.iterdir()) == [found.path] and found.path != path


REFUSED: dict[str, tuple[bytes, str]] = {
    "NUL": (b"Cost,Name\n1,a\0\n", "it holds NUL characters"),
    "NUL in a later block": (LONG.encode() + b"\0", "it holds NUL characters"),
    "NUL after what is no UTF-8": (b"Cost,Name\n\xff\n" + b"x" * 2**20 + b"\0", "it holds NUL characters"),
    "NUL in UTF-16": ("Cost,Name\n\0".encode("utf-16"), "it holds NUL characters"),
    "no UTF-8 and no header anybody knows": (b"What,\xe9\n1,2\n", "it is neither UTF-8 CSV nor Parquet: byte 0xE9 near 5 is no UTF-8"),
    "the same after a mark": (codecs.BOM_UTF8 + b"What\n\xff\n", "byte 0xFF near 8 is no UTF-8"),
    "the same in a later block": (b"x" * 2**20 + b"12\xfe", f"byte 0xFE near {2**20 + 2} is no UTF-8"),
    "cut between blocks": (b"x" * (2**20 - 1) + b"\xc3(", f"byte 0xC3 near {2**20 - 1} is no UTF-8"),
    "cut": (b"What\n\xc3", "byte 0xC3 near 5 is no UTF-8"),
    "no UTF-16": (codecs.BOM_UTF16_LE + b"C\0o\0s\0t\0\0\xdc\n\0", "it is neither UTF-16 CSV nor Parquet: byte 0x00 near 10 is no UTF-16"),
    "half of a UTF-16": ("Cost,Name\n".encode("utf-16") + b"x", "is no UTF-16"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_text_is_refused_with_its_byte(tmp_path: Path, name: str) -> None:
    content, sentence = REFUSED[name]
    path = tmp_path / "1.bytes"
    path.write_bytes(content)
    with pytest.raises(InputRefused) as refused:
        csv_text(path, looks_like)
    assert sentence in str(refused.value)
    assert path.read_bytes() == content


def test_a_cell_that_never_ends_is_read_to_the_end_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "1.bytes"
    path.write_bytes(b'Cost,Name\n\n1,"a\n')
    found = csv_text(path, looks_like)
    assert found.path.read_text() == 'Cost,Name\n1,"a\n'


def test_json_lines_are_made_utf8(tmp_path: Path) -> None:
    path = tmp_path / "1.bytes"
    for content, is_sound in ((b'{"a": "\xc3\xbc"}\n', True), (b'{"a": "\xfc"}\r\n', False)):
        path.write_bytes(content)
        assert is_utf8(path) is is_sound
    copy = utf8_copy(path)
    assert (copy.read_bytes(), path.exists()) == ('{"a": "\ufffd"}\r\n'.encode(), False)
    path.write_bytes(b'{"a": "\0"}')
    with pytest.raises(InputRefused, match="NUL"):
        is_utf8(path)


def test_names_asked_for_by_place_stay_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "1.bytes"
    path.write_bytes(b"Cost , Name\n1,a\n")
    found = csv_text(path, lambda names: len(names), is_by_place=True)
    assert (found.path, found.names, path.read_bytes()) == (path, ["Cost ", " Name"], b"Cost , Name\n1,a\n")
