"""The viewer in a real browser: the list, a comparison, and a page that lives while it is read."""

from __future__ import annotations

import asyncio
import shutil
import threading
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import pytest
from aiohttp import web
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright
from synthetic import HOSTILE, NASTY, hostile
from world import Slow, fill, hostile_comparison, hostile_rows

from llmopt.store import open_store
from llmopt.web.pages import site_pages as pages
from llmopt.web.server.page_cache import Shelf
from llmopt.web.server.routes import Site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from llmopt.web.pages.run_rows import ListQuery

_NAMES = ("chromium", "chromium-browser", "google-chrome")
EVERY = ("/", "/run/first", "/run/line", "/compare?run=first&run=second", "/run/frist")
PATIENCE = 60_000  # milliseconds


@dataclass
class Seen:
    """A page in the browser, with everything that went wrong on it or was asked for by it."""

    page: Page
    base: str
    wrong: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def go(self, path: str) -> Page:
        self.page.goto(self.base + path)
        return self.page


class Hostile(Shelf):
    """Pages with hostile texts wherever texts of models and users can be."""

    def names(self) -> list[str]:
        return ["a", "b", hostile()["run"]]

    def listing(self, asked: ListQuery) -> str:
        return pages.listing(hostile_rows(HOSTILE), asked)

    def run(self, _: str) -> str:
        return pages.run_page(hostile(), None)

    def compared(self, _: Sequence[str]) -> str:
        return pages.comparison(hostile_comparison(HOSTILE))


@dataclass
class Server:
    """Serves a shelf from a thread."""

    shelf: Shelf
    base: str = ""

    def __enter__(self) -> Self:
        self._ready, self._loop = threading.Event(), asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        assert self._ready.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    def _serve(self) -> None:
        with closing(self._loop):
            self._loop.run_until_complete(self._served())
            self._loop.run_until_complete(self._loop.shutdown_default_executor())

    async def _served(self) -> None:
        self._ended = asyncio.Event()
        runner = web.AppRunner(
            Site(self.shelf).app(), handler_cancellation=True, shutdown_timeout=1
        )
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self._ready.set()
        await self._ended.wait()
        await runner.cleanup()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with three runs and their controls."""
    path = tmp_path_factory.mktemp("view") / "runs.sqlite"
    fill(path)
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The browser; without one, these tests are skipped."""
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium on PATH; Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        # The sandbox needs rights that containers do not have; the pages are our own.
        made = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture
def look(store: Path, browser: Browser) -> Iterator[Callable[..., Seen]]:
    """Opens the viewer's pages, or the hostile ones."""
    with closing(open_store(store)) as kept:
        servers: list[Server] = []
        contexts: list[Any] = []

        def opened(*, kind: type[Shelf] = Shelf, width: int = 1280, **options: Any) -> Seen:
            server = Server(kind(kept)).__enter__()
            servers.append(server)
            context = browser.new_context(viewport={"width": width, "height": 800}, **options)
            contexts.append(context)
            made = Seen(context.new_page(), server.base)
            made.page.set_default_timeout(PATIENCE)
            made.page.on("console", lambda message: made.wrong.append(message.text))
            made.page.on("pageerror", lambda error: made.wrong.append(str(error)))
            made.page.on("dialog", lambda dialog: made.wrong.append(dialog.message))
            made.page.on("request", lambda request: made.asked.append(request.url))
            return made

        yield opened
        for context in contexts:
            context.close()
        for server in servers:
            server.__exit__()


def names_of(page: Page) -> list[str]:
    return page.locator("#runs tbody th a").all_inner_texts()


def test_the_list_is_searched_and_filtered_at_once(look: Callable[..., Seen]) -> None:
    seen = look()
    page = seen.go("/")
    assert set(names_of(page)) == {"first", "first-control", "second", "second-control", "line"}
    page.get_by_label("Search").press_sequentially("secon")
    expect(page.locator("#count")).to_have_text("2 of 5 runs")
    assert set(names_of(page)) == {"second", "second-control"}
    assert page.evaluate("document.activeElement.id") == "find"
    assert page.url.endswith("/?find=secon")
    page.get_by_label("Search").fill("")
    page.get_by_label("Algorithm").select_option("cma-es")
    expect(page.locator("#count")).to_have_text("1 of 5 runs")
    assert names_of(page) == ["line"]
    page.get_by_label("Algorithm").select_option("")
    page.get_by_label("Order").select_option("name")
    expect(page.locator("#runs tbody th a").first).to_have_text("first")
    assert names_of(page) == sorted(names_of(page))
    assert seen.wrong == []
    assert all(url.startswith(seen.base) for url in seen.asked)


def test_the_list_works_without_scripts(look: Callable[..., Seen]) -> None:
    page = look(java_script_enabled=False).go("/")
    page.get_by_label("Search").fill("line")
    page.get_by_role("button", name="Apply").click()
    assert names_of(page) == ["line"]


def test_ticked_runs_are_compared(look: Callable[..., Seen]) -> None:
    seen = look()
    page = seen.go("/")
    compare = page.locator("#compare")
    assert compare.get_attribute("aria-disabled") == "true"
    compare.click(force=True)  # it says that it is disabled, and why when it is pressed
    expect(page.locator("#count")).to_have_text("Tick two runs or more to compare them.")
    page.get_by_label("compare first", exact=True).check()
    page.get_by_label("Search").fill("second")
    expect(page.locator("#count")).to_have_text("2 of 5 runs")
    page.get_by_label("compare second", exact=True).check()
    expect(compare).to_have_text("Compare 2 ticked runs")
    compare.click()
    page.wait_for_selector("body[data-drawn=yes]")
    assert page.url.endswith("/compare?run=first&run=second")
    assert "common held-out items" in page.locator(".verdict").inner_text()
    assert page.locator("#curves svg .line").count() >= 2
    texts = [*page.locator(".text blockquote").all_inner_texts(), ""]
    assert texts[0]
    after = page.locator(".diff").evaluate(
        "d => [...d.childNodes].filter(n => n.nodeName !== 'DEL').map(n => n.textContent).join('')"
    )
    assert after == texts[1]
    assert page.get_by_role("heading", name="Paired test").count() == 1
    assert seen.wrong == []


def test_a_page_lives_while_its_run_goes_on(browser: Browser, tmp_path: Path) -> None:
    """New points arrive, and what the reader has opened, typed and focused stays."""
    path = tmp_path / "runs.sqlite"
    slow = Slow(path, steps=4)
    with closing(open_store(path)) as kept, Server(Shelf(kept)) as server:
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        try:
            page.goto(f"{server.base}/")
            points = page.locator("svg.points circle.point")
            slow.step()
            page.locator("#runs th a", has_text="slow").click()  # it has come into the open list
            expect(points).to_have_count(3, timeout=PATIENCE)
            page.get_by_label("Filter", exact=True).fill("answer")
            page.locator(".opener").nth(1).click()
            page.locator(".change summary").click()
            assert page.locator(".change[open]").count() == 0
            page.locator("#again pre").first.wait_for()
            page.get_by_label("Filter", exact=True).focus()
            page.wait_for_timeout(1000)  # focusing has scrolled there, smoothly
            where = "document.getElementById('filter').getBoundingClientRect().top"
            top = page.evaluate(where)
            slow.step()
            expect(points).to_have_count(4, timeout=PATIENCE)
            expect(page.locator("#live")).to_contain_text("running · 2 steps")
            expect(page.locator(".opener[aria-expanded=true]")).to_have_count(1)
            page.wait_for_timeout(500)
            assert page.evaluate("document.activeElement.id") == "filter"
            assert page.get_by_label("Filter", exact=True).input_value() == "answer"
            assert page.locator(".change[open]").count() == 0
            assert abs(page.evaluate(where) - top) < 3
            points.last.focus()
            label = page.evaluate("document.activeElement.getAttribute('aria-label')")
            slow.finish()
            expect(page.locator("#told")).to_have_text("The run has ended: done.")
            expect(page.locator("#comparisons-caption")).to_have_count(1)
            expect(page.locator(".verdict")).to_contain_text("held-out items", timeout=PATIENCE)
            page.wait_for_timeout(500)
            focused = page.evaluate("document.activeElement.getAttribute('aria-label')")
            # It may have become the winner, or another one may have.
            assert focused.replace(", the winner", "") == label.replace(", the winner", "")
            assert wrong == []
        finally:
            slow.finish()
            page.close()


def test_the_list_follows_the_store(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    with closing(open_store(path)) as kept, Server(Shelf(kept)) as server:
        page = browser.new_page()
        page.goto(f"{server.base}/")
        assert "The store is empty" in page.locator("#runs").inner_text()
        expect(page.locator("#live")).to_have_text("live")
        slow = Slow(path)
        try:
            row = page.locator("tr[data-key=slow]")
            expect(row).to_contain_text("running", timeout=PATIENCE)
            row.locator("input").check()
            slow.finish()
            expect(row).to_contain_text("done", timeout=PATIENCE)
            assert row.locator("input").is_checked()
        finally:
            slow.finish()
            page.close()


@pytest.mark.parametrize("path", ["/", "/run/a", "/compare?run=a&run=b"])
def test_hostile_texts_execute_nothing_and_are_read_as_text(
    look: Callable[..., Seen], path: str
) -> None:
    seen = look(kind=Hostile)
    page = seen.go(path)
    page.wait_for_timeout(1500)
    for _ in range(3):
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        page.evaluate("document.querySelectorAll('.opener').forEach(b => b.click())")
        page.wait_for_timeout(100)
    assert page.evaluate("typeof window.hacked") == "undefined"
    assert seen.wrong == []
    assert all(url.startswith(seen.base) for url in seen.asked)
    assert page.locator("img, iframe, object, embed, [onerror], [onload]").count() == 0
    said = page.evaluate("document.body.textContent")
    for text in (*NASTY[:3], "\\u001b[31mred", "\\u202eright to left\\u202c"):
        assert text in said


@pytest.mark.parametrize("path", EVERY)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_stands_in_the_way_of_anybody(
    look: Callable[..., Seen], path: str, scheme: Any
) -> None:
    # What the check brings along would be kept out by the policy, which other tests look at.
    page = look(color_scheme=scheme, bypass_csp=True).go(path)
    page.wait_for_timeout(700)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.wait_for_timeout(200)
    found = Axe().run(page).response["violations"]
    page.set_viewport_size({"width": 390, "height": 900})
    page.wait_for_timeout(300)
    found += Axe().run(page).response["violations"]
    serious = [
        (rule["id"], rule["nodes"][0]["html"][:200], rule["nodes"][0]["failureSummary"])
        for rule in found
        if rule["impact"] in ("serious", "critical")
    ]
    assert serious == []


@pytest.mark.parametrize("path", EVERY)
def test_a_narrow_screen_needs_no_scrolling_sideways(look: Callable[..., Seen], path: str) -> None:
    page = look(width=390, has_touch=True).go(path)
    page.wait_for_timeout(700)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
