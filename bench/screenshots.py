"""Pictures of the pages of a running dashboard, for the README.

Needs a Chromium, and `make run` in another terminal: ``python -m bench.screenshots --app claim-checker``.
"""

from __future__ import annotations

import argparse
import io
import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from bench.pages import pages

WIDTH, HEIGHT = 1280, 900
LONGEST = 2200
"""Pixels of height at most, so that a picture stays below 200 kB."""
COLOURS = 128
SETTLE_MS = 1500
"""Charts and tables draw on canvases, which say nothing when they are done."""
LOOKS = 3
"""A page draws what comes into sight, so it grows as its picture does."""
PATIENCE_MS = 90_000
BUSY = "[data-testid=stStatusWidget], [data-testid=stSkeleton]"


def take(browser: Browser, address: str, page: str, target: Path, dark: bool, height: int) -> None:
    """Writes the picture of one page once it stopped working."""
    context = browser.new_context(
        viewport={"width": WIDTH, "height": HEIGHT},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
    )
    view = context.new_page()
    view.set_default_timeout(PATIENCE_MS)
    view.goto(f"{address}/{page}")
    view.wait_for_selector("[data-testid=stCaptionContainer]")
    for _ in range(LOOKS):
        view.wait_for_function(f"document.querySelectorAll('{BUSY}').length === 0")
        view.wait_for_timeout(SETTLE_MS)
        content = view.evaluate("document.querySelector('[data-testid=stMainBlockContainer]').scrollHeight")
        view.set_viewport_size({"width": WIDTH, "height": min(int(content), height)})
    view.wait_for_function(f"document.querySelectorAll('{BUSY}').length === 0")
    view.wait_for_timeout(SETTLE_MS)
    picture = Image.open(io.BytesIO(view.screenshot()))
    picture.quantize(COLOURS).save(target, optimize=True)
    context.close()


def main() -> None:
    """Takes all pictures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("address", nargs="?", default="http://127.0.0.1:8501")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("docs/screenshots"))
    parser.add_argument("--app", default="", help="app of the App page; the first one without")
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--height", type=int, default=LONGEST)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for shown in pages():
            name = shown.title.lower()
            page = f"{shown.path}?app={given.app}" if name == "app" and given.app else shown.path
            take(browser, given.address, page, given.folder / f"{name}.png", given.dark, given.height)
        browser.close()


if __name__ == "__main__":
    main()
