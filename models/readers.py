"""Who opens a statement file. How it is then written is decided in ``models.statement_csv``."""

from __future__ import annotations

from enum import StrEnum


class Reader(StrEnum):
    """A spreadsheet guesses what a cell is; an ERP does not, and takes no byte order mark."""

    spreadsheet = "spreadsheet"
    erp = "erp"
