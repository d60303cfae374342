"""The pages of the dashboard, as it lists them itself, and their queries: each page is run once and what it asks is written down,
then the same is asked and timed, ahead where the page asks ahead.

Server time only: the statements, their way over HTTP and their frames. How a page draws is not measured, nor what is of no
team: that is read before whoever looks (``dashboards.shared``).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit import config
from streamlit.testing.v1 import AppTest

from dashboards import access, queries
from dashboards.frame import EMPTY
from dashboards.menu import HOME, MENU
from dashboards.queries import TeamReads
from models.people import access_policy
from sql.workspace import WORKSPACE_VARIABLE

APP = Path(access.__file__).with_name("app.py")
PAGE_SECONDS = 120.0


@dataclass(frozen=True)
class Call:
    """What a page asks of its reads: ``frame`` or ``ahead``, with its arguments."""

    reads: TeamReads
    method: str
    arguments: tuple[Any, ...]
    values: dict[str, Any]


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


def calls_of_pages(workspace: Path) -> dict[str, list[Call]]:
    """What each page asks for the workspace's viewer, in its order, by name of the page.

    Raises:
        RuntimeError: a page failed, or had nothing to show: its reads would say nothing about a full one.
    """
    config.set_option("server.address", "127.0.0.1")
    os.environ[WORKSPACE_VARIABLE] = str(workspace)
    found, main = {}, sys.modules["__main__"]
    try:
        for page in (one.view for one in pages()):
            found[page] = _calls_of(page)
    finally:
        sys.modules["__main__"] = (
            main  # a page takes its place, and what starts processes would run the page in them
        )
        st.cache_resource.clear()  # their connection: it would outlive this process's own
    return found


def _calls_of(page: str) -> list[Call]:
    with _recorded() as calls:
        app = AppTest.from_file(str(APP), default_timeout=PAGE_SECONDS).run()
        if page != pages()[0].view:
            calls.clear()
            app.switch_page(f"views/{page}.py").run()
    if app.exception or app.error:
        raise RuntimeError(f"page {page} failed: {[one.value for one in (*app.exception, *app.error)]}")
    if not app.dataframe or any(one.value == EMPTY for one in app.info):
        raise RuntimeError(f"page {page} shows no data: there is nothing to measure")
    return calls


def read_names(calls: list[Call]) -> set[str]:
    """The statements that are read."""
    return {call.arguments[0] for call in calls if call.method == "frame"}


def page_seconds(workspace: Path, calls: list[Call], rounds: int) -> list[float]:
    """Seconds all a page asks takes together where nothing is remembered, one figure per round after one to warm up."""
    viewer, seconds = calls[0].reads.viewer, []
    try:
        for number in range(rounds + 1):
            started = time.perf_counter()
            queries.reads_of(workspace, viewer)  # a page begins with the mark of the newest release
            for call in calls:
                unseen = replace(call.reads, mark=f"{call.reads.mark} {number}")
                getattr(unseen, call.method)(*call.arguments, **call.values)
            seconds.append(time.perf_counter() - started)
    finally:
        st.cache_resource.clear()
    return seconds[1:]


@contextmanager
def _recorded() -> Iterator[list[Call]]:
    """Everything a page asks while the context is open."""
    calls: list[Call] = []
    originals = {method: getattr(TeamReads, method) for method in ("frame", "ahead")}

    def recording(method: str) -> Callable[..., Any]:
        def asked(self: TeamReads, *arguments: Any, **values: Any) -> Any:
            calls.append(Call(self, method, arguments, values))
            return originals[method](self, *arguments, **values)

        return asked

    for method in originals:
        setattr(TeamReads, method, recording(method))
    try:
        yield calls
    finally:
        for method, original in originals.items():
            setattr(TeamReads, method, original)
