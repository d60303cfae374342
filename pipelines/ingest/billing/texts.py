"""The text of a CSV as the engine takes it: UTF-8, without blank lines, its delimiter and header known.

A file that is so already is left alone. Bytes are moved; a cell keeps its text, but for bytes that are no UTF-8: U+FFFD
stands for them, and the statements count it cell by cell.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.errors import InputRefused

DELIMITERS = (",", ";", "\t", "|")
_TAKEN_DELIMITERS = (",", ";", "|")
"""Those the engine takes in CSV: it refuses the tab."""
_NUL = "it holds NUL characters, so it is neither CSV nor Parquet: deliver CSV in UTF-8 or UTF-16"
_BLOCK = 1 << 20
_HEADER_CHARACTERS = 1 << 20
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_AS_IT_IS = ("utf-8", "utf-8-sig")
"""Encodings the engine takes."""
_TRIMMED = " \t"
"""What the engine takes off both ends of a name in a header."""
_BEFORE_HEADER = re.compile(r"(?:[ \t]*\r?\n|sep=.[ ,;\t]*\r?\n)+", re.IGNORECASE)
_BLANK_LINE = re.compile(rb"\n[ \t]{0,64}\r?\n")
_LONGEST_BLANK_LINE = 68
csv.field_size_limit(
    1 << 30
)  # of this process: a cell of the bill may be long, and only here is CSV read by it


@dataclass(frozen=True)
class CsvText:
    """A CSV in UTF-8: where it lies, what stands between its cells, and the names of its header.

    ``is_utf8`` is false where some bytes are none, as in a file of Latin-1 or with one cell cut inside a character.
    """

    path: Path
    delimiter: str
    names: list[str]
    is_utf8: bool = True


def csv_text(
    path: Path,
    looks_like: Callable[[Sequence[str]], int],
    is_by_place: bool = False,
    preamble_lines: int = 0,
) -> CsvText:
    """A spooled CSV, written anew beside it where its encoding, its lines or its header ask for it; ``looks_like`` scores a
    header. Its columns are asked for by name, or by their place and then keep whatever names they have. The first
    ``preamble_lines`` are no part of it.

    Raises:
        InputRefused: it holds NUL characters or is no text of its encoding; no UTF-8 and no header known either: no CSV.
    """
    if preamble_lines:
        path = _without_preamble(path, preamble_lines)
    encoding = _encoding(path)
    fault = _fault(path, encoding)
    if fault and encoding not in _AS_IT_IS:
        raise InputRefused(fault)
    with path.open(encoding=encoding, newline="", errors="replace") as file:
        start = file.read(_HEADER_CHARACTERS)
    has_old_line_ends = "\r" in start and "\n" not in start
    if has_old_line_ends:
        start = start.replace("\r", "\n")
    table = start[_before_header(start) :]
    found = [(_first_record(table, delimiter, not is_by_place), delimiter) for delimiter in DELIMITERS]
    names, delimiter = max(found, key=lambda one: looks_like(one[0]))
    if fault and not looks_like(names):
        raise InputRefused(fault)
    # The engine trims names that stand without quotes, and finds no column then by the name the file has.
    own = names if is_by_place else [name.strip(_TRIMMED) for name in names]
    is_taken = (
        not fault
        and encoding in _AS_IT_IS
        and delimiter in _TAKEN_DELIMITERS
        and not has_old_line_ends
        and own == names
    )
    if is_taken and len(table) == len(start) and not _has_blank_lines(path):
        return CsvText(path, delimiter, names)
    copy = _plain_copy(path, encoding, delimiter, None if has_old_line_ends else "", own)
    return CsvText(copy, delimiter if delimiter in _TAKEN_DELIMITERS else ",", own, not fault)


def _without_preamble(path: Path, lines: int) -> Path:
    """A copy without the first lines, in UTF-8 where it is UTF-16; bytes that are no text of it stay as they are."""
    encoding = _encoding(path)
    target = path.with_name(path.name + ".table")
    with path.open(encoding=encoding, newline="", errors="surrogateescape") as source:
        for _ in range(lines):
            if not source.readline():
                raise InputRefused(f"it has fewer than the {lines} preamble_lines its mapping leaves out")
        with target.open("w", encoding="utf-8", newline="", errors="surrogateescape") as file:
            shutil.copyfileobj(source, file, _BLOCK)
    path.unlink()
    return target


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(4)
    return next((encoding for bom, encoding in _BOMS if start.startswith(bom)), "utf-8")


def is_utf8(path: Path) -> bool:
    """Whether all bytes of a file are UTF-8.

    Raises:
        InputRefused: it holds NUL characters.
    """
    return not _fault(path, "utf-8")


def utf8_copy(path: Path) -> Path:
    """A copy in which U+FFFD stands for what is no UTF-8; the file itself is gone then."""
    target = path.with_name(path.name + ".utf8")
    with (
        path.open(encoding="utf-8", errors="replace", newline="") as source,
        target.open("w", encoding="utf-8", newline="") as file,
    ):
        shutil.copyfileobj(source, file, _BLOCK)
    path.unlink()
    return target


def _fault(path: Path, encoding: str) -> str:
    """Why a file is not text of its encoding, naming the first byte that is not; empty if it is.

    Raises:
        InputRefused: it holds NUL characters.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    end, fault = 0, ""
    for block in _blocks(path):
        # in UTF-8 only NUL has a byte of zeros, whatever else stands there
        if encoding in _AS_IT_IS and b"\0" in block:
            raise InputRefused(_NUL)
        end += len(block)
        try:
            text = "" if fault else decoder.decode(block)
        except UnicodeDecodeError as error:
            fault, text = _no_text(encoding, error, end), ""
        if "\0" in text:
            raise InputRefused(_NUL)
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        fault = fault or _no_text(encoding, error, end)
    return fault


def _no_text(encoding: str, error: UnicodeDecodeError, end: int) -> str:
    """What is said of a byte; what the decoder was given may lack a mark, or begin with the end of an earlier block."""
    place = end - len(error.object) + error.start
    spoken = encoding.removesuffix("-sig").upper()
    byte = error.object[error.start : error.start + 1].hex().upper()
    return (
        f"it is neither {spoken} CSV nor Parquet: byte 0x{byte} near {place} is no {spoken}; "
        "export it as UTF-8"
    )


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


def _before_header(start: str) -> int:
    """Length of what stands before the header: blank lines, and the hint ``sep=`` that spreadsheets write."""
    found = _BEFORE_HEADER.match(start)
    return found.end() if found else 0


def _has_blank_lines(path: Path) -> bool:
    """Whether there may be a line of nothing but blanks; one inside of a quoted cell counts too."""
    before = b""
    for block in _blocks(path):
        if _BLANK_LINE.search(before + block):
            return True
        before = block[-_LONGEST_BLANK_LINE:]
    return False


def _plain_copy(path: Path, encoding: str, delimiter: str, newline: str | None, names: Sequence[str]) -> Path:
    """A copy in UTF-8 that begins with a header of these names and has no blank lines.

    Lines are kept as they are, cells that span several too, unless their delimiter is none that the engine takes.
    """
    target = path.with_name(path.name + ".utf8")
    try:
        with (
            path.open(encoding=encoding, newline=newline, errors="replace") as source,
            target.open("w", encoding="utf-8", newline="") as file,
        ):
            lines, is_first = _Lines(source), True
            is_taken = delimiter in _TAKEN_DELIMITERS
            rewritten = csv.writer(file, delimiter=delimiter if is_taken else ",", lineterminator="\n")
            for cells in csv.reader(lines, delimiter=delimiter):
                record = lines.taken()
                if not record.strip() or (is_first and _before_header(record)):
                    continue
                if is_first and cells != list(names):
                    rewritten.writerow(names)
                elif is_taken:
                    file.write(record)
                else:
                    rewritten.writerow(cells)
                is_first = False
    except csv.Error as error:
        raise InputRefused(f"its CSV cannot be read ({error}): export it again") from None
    path.unlink()
    return target


class _Lines:
    """Lines of a file, remembering those handed out since it was last asked."""

    def __init__(self, file: io.TextIOWrapper) -> None:
        self._file = file
        self._seen: list[str] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        self._seen.append(next(self._file))
        return self._seen[-1]

    def taken(self) -> str:
        """Those lines, as one text."""
        text = "".join(self._seen)
        self._seen.clear()
        return text


def _first_record(text: str, delimiter: str, may_quote_after_blanks: bool) -> list[str]:
    lines = io.StringIO(text, newline="")
    return next(csv.reader(lines, delimiter=delimiter, skipinitialspace=may_quote_after_blanks), [])
