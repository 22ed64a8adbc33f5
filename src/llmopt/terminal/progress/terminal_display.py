"""The terminal, or a notebook, as the place where progress is shown."""

from __future__ import annotations

from llmopt.terminal.progress.live import View
from llmopt.terminal.progress.waiting import Download


class TerminalDisplay:
    """Shows progress on standard error; see :class:`~llmopt.engine.display.Display`."""

    def progress(self) -> View:
        """Return the live view of a run."""
        return View()

    def download(self) -> Download:
        """Return the bar of a download."""
        return Download()


TERMINAL = TerminalDisplay()
