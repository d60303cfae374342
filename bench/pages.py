"""Queries of the pages: each page is run once and what it reads is written down, then the same reads are timed.

Server time only: the statement, its way over HTTP and its frame. How a page draws is not measured.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import streamlit as st
from streamlit import config
from streamlit.testing.v1 import AppTest

from dashboards import access, queries
from dashboards.frame import EMPTY
from sql.warehouse import Warehouse
from sql.workspace import WORKSPACE_VARIABLE

APP = Path(access.__file__).with_name("app.py")
PAGES = ("fleet", "one_app", "team", "oncall", "anomalies", "finance")
PAGE_SECONDS = 120.0

Read = tuple[str, dict[str, Any]]


def reads_of_pages(workspace: Path) -> dict[str, list[Read]]:
    """Statements and parameters each page reads for the workspace's viewer, in their order, by name of the page.

    Raises:
        RuntimeError: a page failed, or had nothing to show: its reads would say nothing about a full one.
    """
    config.set_option("server.address", "127.0.0.1")
    os.environ[WORKSPACE_VARIABLE] = str(workspace)
    found = {}
    for page in PAGES:
        st.cache_data.clear()
        with _recorded() as reads:
            app = AppTest.from_file(str(APP), default_timeout=PAGE_SECONDS).run()
            if page != PAGES[0]:
                reads.clear()
                st.cache_data.clear()
                app.switch_page(f"views/{page}.py").run()
        if app.exception or app.error:
            raise RuntimeError(f"page {page} failed: {[one.value for one in (*app.exception, *app.error)]}")
        if not app.dataframe or any(one.value == EMPTY for one in app.info):
            raise RuntimeError(f"page {page} shows no data: there is nothing to measure")
        found[page] = reads
    st.cache_resource.clear()
    return found


def page_seconds(warehouse: Warehouse, reads: list[Read], rounds: int) -> list[float]:
    """Seconds all reads of a page take together, one figure per round after one to warm up."""
    seconds = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        for name, parameters in reads:
            warehouse.frame(f"queries/{name}", **parameters)
        seconds.append(time.perf_counter() - started)
    return seconds[1:]


@contextmanager
def _recorded() -> Iterator[list[Read]]:
    """Every read of a page while the context is open."""
    reads: list[Read] = []
    original = queries._Connection.frame

    def frame(self: queries._Connection, name: str, parameters: dict[str, Any]) -> pl.DataFrame:
        reads.append((name, parameters))
        return original(self, name, parameters)

    queries._Connection.frame = frame  # type: ignore[method-assign]
    try:
        yield reads
    finally:
        queries._Connection.frame = original  # type: ignore[method-assign]
