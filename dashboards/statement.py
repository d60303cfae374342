"""The chargeback statement as a viewer may download it: the same bytes as the command writes.

What a line says and how it is written belongs to ``models.statement_csv``.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import date

from dashboards.queries import TeamReads
from models.errors import ControlTotalError
from models.statement_csv import COLUMNS, csv_bytes, stamped_lines


def closed_file(reads: TeamReads, billing_period: date, file_name: str) -> bytes:
    """The bytes a month was closed with, for who may see all of it.

    Raises:
        ControlTotalError: there is no such file, or its bytes are not those the ledger names.
    """
    found = reads.frame("finance/closed_files", billing_period=billing_period, file_name=file_name)
    for row in found.iter_rows(named=True):
        content = base64.b64decode(row["content"])
        if hashlib.sha256(content).hexdigest() == row["file_sha256"]:
            return content
    raise ControlTotalError(
        f"{file_name} is not the file {billing_period:%Y-%m} was closed with: ask who runs these pages"
    )


def statement_file(reads: TeamReads, billing_period: date) -> bytes:
    """The CSV of the viewer's lines of a month: the whole statement for who may see all of it, else a part by its teams."""
    lines = reads.frame("finance/statement_lines", billing_period=billing_period)
    whole = bool(lines["is_whole"].all())
    version = max(lines["version"].to_list(), default=0)
    teams = None if whole else reads.teams
    stamped = stamped_lines(lines.drop("is_whole", "version"), version, billing_period, teams)
    return csv_bytes(stamped.select(COLUMNS))[0]
