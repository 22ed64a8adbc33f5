"""Measure the page of a search of 200 steps, 8 candidates a step and 261 items in a browser.

Prints the size of the page without the texts of its matrix, and how long it takes from opening the
file until every part is drawn (the median of five). Needs Chromium.

    python benchmarks/pages.py
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "history"))

from playwright.sync_api import sync_playwright
from synthetic import large

from llmopt.web.pages.run_page import page

MOST_BYTES, MOST_SECONDS, TIMES = 1_500_000, 1.5, 5


def main() -> int:
    """Print both figures; return 1 where one is over its limit."""
    html = page(large())
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "large.html")
        file.write_text(html, "utf-8")
        taken = statistics.median(opened(file.as_uri()) for _ in range(TIMES))
    size = len(html.encode("utf-8"))
    print(f"size {size / 1e6:.2f} MB of {MOST_BYTES / 1e6:g} MB")
    print(f"opens in {taken:.2f} s of {MOST_SECONDS} s")
    return int(size > MOST_BYTES or taken > MOST_SECONDS)


def opened(address: str) -> float:
    """Return the seconds from opening a page until it is drawn."""
    browser_path = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        began = time.perf_counter()
        tab.goto(address)
        tab.wait_for_selector("body[data-drawn=yes]")
        taken = time.perf_counter() - began
        browser.close()
    return taken


if __name__ == "__main__":
    sys.exit(main())
