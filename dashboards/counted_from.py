"""Says by what the requests of an app were counted where it was not whole spans. How they are counted is the pipeline's business."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import streamlit as st

from dashboards import formats
from dashboards.frame import Page

WORDS = {
    "metrics": "are counted from the histogram of their durations: no spans came of them, or a sample",
    "sampled_spans": "are counted from a sample of spans and not scaled up: there were more, as the objectives say where the spans do",
}


def counted_from(page: Page, app_id: str, first: date, last: date) -> None:
    """A line for each environment whose requests something else than whole spans tells of."""
    frame = page.reads.frame("app/counted_from", app_id=app_id, first_day=first, last_day=last)
    for row in frame.iter_rows(named=True):
        st.caption(formats.as_text(sentence(row)))


def sentence(row: Mapping[str, Any]) -> str:
    """What is said of a row of ``app/counted_from``."""
    where = row["environment"] or "no environment"
    until = formats.day(row["last_day"])
    return f"{formats.plural(row['requests'], 'request')} of {where}, until {until}, {WORDS[row['counted_from']]}."
