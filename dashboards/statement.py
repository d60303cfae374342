"""The chargeback statement as a viewer may download it: the same bytes as the command writes.

What a line says and how it is written belongs to ``models.statement_csv``.
"""

from __future__ import annotations

from datetime import date

from dashboards.queries import TeamReads
from models.statement_csv import COLUMNS, csv_bytes, stamped_lines


def statement_file(reads: TeamReads, billing_period: date) -> bytes:
    """The CSV of the viewer's lines of a month: the whole statement for who may see all of it, else a part by its teams."""
    lines = reads.frame("finance/statement_lines", billing_period=billing_period)
    whole = bool(lines["is_whole"].all())
    version = max(lines["version"].to_list(), default=0)
    teams = None if whole else reads.teams
    stamped = stamped_lines(lines.drop("is_whole", "version"), version, billing_period, teams)
    return csv_bytes(stamped.select(COLUMNS))[0]
