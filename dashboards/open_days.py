"""Which days are still open: said on every page whose figures end with them.

Which days these are is decided by ``models.completeness``.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import streamlit as st

from dashboards import formats
from dashboards.formats import as_text
from dashboards.frame import Page


def say_open_days(page: Page) -> None:
    """One line on days that are over and not whole in some source; nothing where all are whole."""
    opens = page.reads.of_anybody("dashboards/open_days")
    if opens.is_empty():
        return
    said = "; ".join(open_sentence(row) for row in opens.iter_rows(named=True))
    st.caption(
        as_text(f"Not whole yet: {said}. Such days are neither an anomaly nor what a forecast is made from.")
    )


def open_sentence(row: dict[str, Any]) -> str:
    """A source, its open days and why, as a row of ``dashboards/open_days`` has them."""
    first, last = row["first_day"], row["last_day"]
    return f"{row['source_name']} {_days(first, last, row['days'])} ({row['reason']})"


def _days(first: date, last: date, count: int) -> str:
    if first == last:
        return formats.day(first)
    between = "" if (last - first).days + 1 == count else f", {formats.plural(count, 'day')} of them"
    return f"{formats.day(first)} to {formats.day(last)}{between}"
