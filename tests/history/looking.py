"""Opens pages in a browser, and notes what goes wrong on them and what they ask for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page


@dataclass
class Look:
    """A page in the browser, with everything that went wrong on it or was asked for by it."""

    page: Page
    wrong: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Looker:
    """Opens pages."""

    browser: Browser
    folder: Path

    def open(
        self,
        name: str,
        *,
        width: int = 1280,
        script: bool = True,
        drawn: bool = True,
        **options: Any,
    ) -> Look:
        """Open the page of a run, drawn to its end; it is closed with the browser.

        Args:
            name: Of the page.
            width: Of the screen.
            script: Whether scripts may run.
            drawn: Whether the page has a script that draws it.
            options: Of the browser.
        """
        context = self.browser.new_context(
            viewport={"width": width, "height": 900}, java_script_enabled=script, **options
        )
        made = Look(context.new_page())
        made.page.on("console", lambda message: made.wrong.append(message.text))
        made.page.on("pageerror", lambda error: made.wrong.append(str(error)))
        made.page.on("dialog", lambda dialog: made.wrong.append(dialog.message))
        made.page.on("request", lambda request: made.asked.append(request.url))
        made.page.goto((self.folder / f"{name}.html").as_uri())
        if script and drawn:
            made.page.wait_for_selector("body[data-drawn=yes]", timeout=30_000)
        return made
