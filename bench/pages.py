"""The pages of the dashboard, as it lists them itself, and their queries: each page is run once and what it reads is written down, then the same reads are timed.

Server time only: the statement, its way over HTTP and its frame. How a page draws is not measured, nor what is of no team:
that is read ahead of whoever looks (``dashboards.shared``).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import streamlit as st
from streamlit import config
from streamlit.testing.v1 import AppTest

from dashboards import access, queries
from dashboards.frame import EMPTY
from dashboards.menu import HOME, MENU
from models.people import access_policy
from sql.warehouse import Warehouse
from sql.workspace import WORKSPACE_VARIABLE

APP = Path(access.__file__).with_name("app.py")
PAGE_SECONDS = 120.0

Read = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class ServedPage:
    """A page of the menu: the file of its view, its title, and its path below the address ("" for the first)."""

    view: str
    title: str
    path: str


def pages() -> tuple[ServedPage, ...]:
    """The pages of the menu that who sits at this machine has, in their order."""
    theirs = ("", *access_policy().at_this_machine)
    return tuple(
        ServedPage(page.view, page.title, "" if page.path == HOME else page.path)
        for page in MENU
        if page.right in theirs and page.path != "fleet"
    )


def reads_of_pages(workspace: Path) -> dict[str, list[Read]]:
    """Statements and parameters each page reads for the workspace's viewer, in their order, by name of the page.

    Raises:
        RuntimeError: a page failed, or had nothing to show: its reads would say nothing about a full one.
    """
    config.set_option("server.address", "127.0.0.1")
    os.environ[WORKSPACE_VARIABLE] = str(workspace)
    found = {}
    try:
        for page in (one.view for one in pages()):
            found[page] = _reads_of(page)
    finally:
        st.cache_resource.clear()  # their connection: it would outlive this process's own
    return found


def _reads_of(page: str) -> list[Read]:
    AppTest.from_file(str(APP), default_timeout=PAGE_SECONDS).run()  # what is of no team is read
    st.cache_data.clear()
    with _recorded() as reads:
        app = AppTest.from_file(str(APP), default_timeout=PAGE_SECONDS).run()
        if page != pages()[0].view:
            reads.clear()
            st.cache_data.clear()
            app.switch_page(f"views/{page}.py").run()
    if app.exception or app.error:
        raise RuntimeError(f"page {page} failed: {[one.value for one in (*app.exception, *app.error)]}")
    if not app.dataframe or any(one.value == EMPTY for one in app.info):
        raise RuntimeError(f"page {page} shows no data: there is nothing to measure")
    return reads


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
