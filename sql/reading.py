"""Statements people type: run as a reader, answered as text with every value exact.

What a reader may run is decided in ``sql.guard``; the engine itself writes the values, so a decimal has all its
digits and no exponent.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

from models.errors import StatementRefused, WarehouseError
from sql.damage import failures, lost_rows, marks
from sql.guard import admit
from sql.opening import open_warehouse
from sql.tokens import tokens
from sql.warehouse import Settings, Warehouse

OutputFormat = Literal["table", "csv", "json"]

MAX_TABLE_ROWS = 100_000

_FORMATS: dict[str, tuple[str, Settings]] = {
    "table": (
        "PrettyCompactNoEscapes",
        {
            "output_format_pretty_max_rows": MAX_TABLE_ROWS,
            "output_format_pretty_max_value_width": 1_000_000,
            "output_format_pretty_row_numbers": 0,
            "output_format_pretty_single_large_number_tip_threshold": 0,
            "output_format_pretty_display_footer_column_names": 0,
        },
    ),
    "csv": ("CSVWithNames", {}),
    "json": (
        "JSONEachRow",
        {"output_format_json_array_of_rows": 1, "output_format_json_quote_decimals": 1},
    ),
}


def read_only(
    workspace: Path,
    text: str,
    output_format: OutputFormat = "table",
    note: Callable[[str], None] = lambda _: None,
) -> str:
    """Answer to one read statement: a table for people, CSV with names, or a JSON array of objects.

    Decimals are written with all their digits (in JSON as strings, since a JSON reader would round them). ``note`` is told what is published and
    not whole any more, whatever was asked for.

    Raises:
        StatementRefused: it is not one plain read.
        WarehouseError: the engine refused it, or the warehouse cannot be reached.
    """
    admit(text)
    _refuse_format(text)
    name, settings = _FORMATS[output_format]
    with open_warehouse(workspace, "reader") as warehouse, ThreadPoolExecutor(1, "look-for-losses") as beside:
        looking = beside.submit(_marks, warehouse)
        answer = warehouse.text(_bare(text), name, settings).decode("utf-8", "replace")
        for sentence in looking.result():
            note(sentence)
        return answer


def _marks(warehouse: Warehouse) -> list[str]:
    try:
        lost = lost_rows(warehouse.frame)
        return [*marks(lost), *failures(warehouse.frame, lost)]
    except WarehouseError as error:
        return [f"Not known to be whole: {error}."]


def _refuse_format(text: str) -> None:
    seen = [one for one in tokens(text) if one.text != ";"]
    if len(seen) > 2 and seen[-2].is_word("FORMAT") and seen[-1].kind == "word":
        raise StatementRefused("a FORMAT clause is not taken here: use --format table, csv or json")


def _bare(text: str) -> str:
    """``text`` without closing semicolons, so that a format can follow it."""
    seen = list(tokens(text))
    while seen[-1].text == ";":
        seen.pop()
    return text[: seen[-1].end]
