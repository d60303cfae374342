"""Pages in a real browser: from a click on another page's link until that page is drawn.

The browser itself keeps the time, frame by frame. What a page reads, and how long that takes alone, is ``bench.pages``.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median

from playwright.sync_api import Page, sync_playwright

from bench.measure import Line, p95
from bench.pages import ServedPage, pages
from bench.processes import answers, free_ports, health_of, running
from bench.targets import Figure, size_text, target
from sql.publish import WHOLE_TABLE, new_batch_id, publish
from sql.warehouse import Warehouse

WAIT_MS = 120_000
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
SETTLED = """title => {
    const app = document.querySelector('[data-testid=stApp]');
    const heading = document.querySelector('[data-testid=stMain] h1');
    return app?.getAttribute('data-test-script-state') === 'notRunning'
        && heading?.innerText.trim() === title
        && !document.querySelector('[data-testid=stSkeleton], [data-stale=true]');
}"""
"""Whether the page of a title has run and is drawn: nothing of it is a placeholder or left of the page before."""
CLICK = f"""title => new Promise((resolve, reject) => {{
    const settled = {SETTLED};
    const link = [...document.querySelectorAll('a')].find(one => one.innerText.trim() === title);
    if (!link) return reject(new Error('no link ' + title));
    const started = performance.now();
    const look = now => settled(title)
        ? requestAnimationFrame(() => resolve((performance.now() - started) / 1000))
        : now - started > {WAIT_MS} ? reject(new Error(title + ' is not drawn')) : requestAnimationFrame(look);
    link.click();
    requestAnimationFrame(look);
}})"""
"""Clicks the link of a title; seconds until its page is settled, and painted once more."""


def browsed(root: Path, warehouse: Warehouse, rounds: int, size: Mapping[str, int]) -> list[Line]:
    """A line per page: seconds from a click until settled, 95th percentile over the rounds.

    A new release comes before each of these clicks, so that a page remembers nothing of what it reads; the median of
    clicks without one stands beside it.
    """
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    shown = pages()
    if found is None:
        return [_line(page, size, None, "no Chromium on this machine") for page in shown]
    (port,), log = free_ports(1), root / "pages.log"
    command = [sys.executable, "-m", "dashboards.serve", "--workspace", str(root), "--port", str(port)]
    with running(command, log) as until, sync_playwright() as playwright:
        until(lambda: answers(health_of(port)))
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        view = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        view.set_default_timeout(WAIT_MS)
        view.goto(f"http://127.0.0.1:{port}")
        view.wait_for_function(SETTLED, arg=shown[0].title)
        fresh = _seconds(view, shown, rounds, partial(_release, warehouse))
        known = _seconds(view, shown, rounds, lambda: None)
        browser.close()
    return [
        _line(
            page,
            size,
            p95(fresh[page.title]),
            f"median {median(fresh[page.title]):.2f} s; seen before {median(known[page.title]):.2f} s",
        )
        for page in shown
    ]


def _line(page: ServedPage, size: Mapping[str, int], figure: Figure | None, note: str) -> Line:
    what = f"page {page.view}, click to settled, p95: {size_text(size)}"
    return Line(what, note=note, figure=figure, target=target("page-browser"), size=size)


def _seconds(
    view: Page, shown: Sequence[ServedPage], rounds: int, before_each: Callable[[], None]
) -> dict[str, list[float]]:
    """Seconds from click to settled by title of the page, one per round after one to warm up."""
    seconds: dict[str, list[float]] = {page.title: [] for page in shown}
    for _ in range(rounds + 1):
        for page in (*shown[1:], shown[0]):
            before_each()
            seconds[page.title].append(float(view.evaluate(CLICK, page.title)))
    return {title: found[1:] for title, found in seconds.items()}


def _release(warehouse: Warehouse) -> None:
    """Publishes something no page shows."""
    publish(
        warehouse,
        "bench",
        WHOLE_TABLE,
        batches={"bench": new_batch_id()},
        rows=0,
        sha256="",
        version=datetime.now(UTC),
    )
