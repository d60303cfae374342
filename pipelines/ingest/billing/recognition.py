"""The likely format of a bill on this machine, by the header of its files: what `appfleet init` writes beside its place.

A guess for a person to see and change; nothing is refused and nothing loaded by it.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from models.bill_formats import BILLING_FORMATS, formats_of

USUAL = "focus"
"""What is written where no header says otherwise."""
_AMORTIZED = "azure-amortized"
_START_BYTES = 1 << 16
_DELIMITERS = ",;\t|"
_PARQUET, _GZIP = b"PAR1", b"\x1f\x8b"


def likely_format(paths: Iterable[Path]) -> str:
    """The format whose names the first header that is known has; of two views with one header, by the name of the file."""
    for path in sorted(one for root in paths for one in ([root] if root.is_file() else root.rglob("*"))):
        found = [name for name in formats_of(_header(path)) if name in BILLING_FORMATS]
        if _AMORTIZED in found and "amorti" in str(path).lower():
            return _AMORTIZED
        if found:
            return found[0]
    return USUAL


def _header(path: Path) -> Sequence[str]:
    """Names of the columns or members of a file; none where it is no bill that could be read."""
    try:
        if not path.is_file():
            return ()
        with path.open("rb") as file:
            start = file.read(_START_BYTES)
        if start.startswith(_PARQUET):
            return list(pq.read_schema(path).names)
        if start.startswith(_GZIP):
            with gzip.open(path) as unpacked:
                start = unpacked.read(_START_BYTES)
    except (OSError, EOFError, pa.ArrowException):
        return ()
    text = start.decode("utf-8-sig", "replace").lstrip()
    if text[:1] in ("{", "["):
        return _members(text.lstrip("[ \r\n\t"))
    line = text.partition("\n")[0]
    return max((next(csv.reader([line], delimiter=one), []) for one in _DELIMITERS), key=len)


def _members(text: str) -> Sequence[str]:
    try:
        found, _ = json.JSONDecoder().raw_decode(text)
    except ValueError:
        return ()
    return list(found) if isinstance(found, dict) else ()
