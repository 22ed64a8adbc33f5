"""The live view of a run, and plain lines where there is no terminal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from llmopt.core.formatting import spent
from llmopt.core.text import one_line
from llmopt.evidence.scores import mark
from llmopt.terminal.progress.evaluation_rate import EvaluationRate
from llmopt.terminal.progress.notebook import NotebookOutput
from llmopt.terminal.progress.panel import WORDS, Panel, traffic_words
from llmopt.terminal.progress.stream import (
    drawing,
    draws,
    in_notebook,
    say,
    terminal,
)

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console, RenderableType
    from rich.live import Live

    from llmopt.engine.progress import Progress

_LONGEST_NEWS = 300  # characters of a warning
_QUIET = 10.0  # seconds from line to line within a phase
_APART = 1.0  # seconds between two lines that the same phase begins, step after step


class View:
    """Shows progress while a run lasts: live on a terminal or in a notebook, else as lines.

    Use as a context manager; call it with every change of progress. A thread of its own draws,
    so that a call costs next to nothing, and time goes on while a slow model keeps everything
    waiting.

    Args:
        console: Where to draw; None: on standard error.
        live: Whether it may draw at all; without, there are lines.
    """

    def __init__(self, console: Console | None = None, *, live: bool = True) -> None:
        self._console = console or terminal()
        self._draws = live and draws(self._console)
        self._cell = NotebookOutput() if live and in_notebook(self._console) else None
        self._live: Live | None = None
        self._pace = EvaluationRate()
        self._progress: Progress | None = None
        self._told = 0.0
        self._lined = 0.0
        self._phase = ("", -1)
        self._began: dict[str, float] = {}
        self._warned = 0
        self._stalled = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
        if self._cell is not None:
            self._cell.stop()

    def __call__(self, progress: Progress) -> None:
        """Show the state of a run; cheap when called often."""
        now = time.monotonic()
        self._pace.saw(progress, now)
        self._progress, self._told = progress, now
        self._tell_news(progress)
        if self._draws:
            # Not before the first telling: until then others may draw, such as a download.
            self._live = self._live or drawing(self._console, self._panel)
        elif self._cell is not None:
            self._cell.show(self._panel)
        elif self._due(progress, now):
            self._lined = now
            say(self._plain(progress, now))

    def _panel(self) -> RenderableType:
        """Return the state as it is now."""
        assert self._progress is not None  # noqa: S101 - drawn from the first telling on
        now = time.monotonic()
        return Panel(self._progress, self._pace, now, now - self._told).drawn(self._console)

    def _due(self, progress: Progress, now: float) -> bool:
        """Return whether it is time for a line.

        It is when a phase begins, which may then be silent for long; but where steps take no
        time, not for each of them.
        """
        whole = progress.phase == "searching"  # a phase of many steps, which are done at once
        phase, before = (progress.phase, 0 if whole else progress.step), self._phase
        self._phase = phase
        if phase == before:
            return now - self._lined >= _QUIET
        last = self._began.get(progress.phase, -_APART)
        if now - last < _APART:
            return False
        self._began[progress.phase] = now
        return True

    def _tell_news(self, progress: Progress) -> None:
        """Write what nobody should miss, once, as lines of their own that stay."""
        news = progress.warnings[self._warned :]
        self._warned = len(progress.warnings)
        if progress.stall and not self._stalled:
            news.append(progress.stall)
        self._stalled = progress.stall
        for words in news:
            line = f"[{progress.run}] {one_line(words, _LONGEST_NEWS)}"
            if self._draws:
                from rich.text import Text

                self._console.print(Text(line, style="yellow"), soft_wrap=True)
            else:
                say(line)

    def _plain(self, progress: Progress, now: float) -> str:
        # An evaluation has no steps.
        at = min(progress.step, progress.steps)  # fewer may be wanted after resuming
        step = f"step {at}/{progress.steps}, " if progress.steps else ""
        parts = [f"[{progress.run}] {step}{WORDS.get(progress.phase, progress.phase)}"]
        if progress.planned:
            parts.append(f"{progress.done}/{progress.planned} evaluations")
        parts += self._pace.words(progress, now)
        for of in progress.budget:
            parts.append(
                ("time " if of.of == "seconds" else "") + spent(of.of, of.used, of.cap, " of ")
            )
        if progress.slots and progress.phase != "done":
            parts.append(f"{progress.busy} of {progress.slots} slots busy")
        parts += traffic_words(progress)
        shown = progress.presentation
        if progress.validation is not None:
            partly = mark(*progress.validation_items)
            parts.append(f"last on validation {shown.amount(progress.validation)}{partly}")
        if progress.best is not None:
            text = one_line(progress.best_text, 60) or "(empty)"
            partly = mark(*progress.best_items, items=True)
            parts.append(f"best {shown.amount(progress.best)}{partly}: {text}")
        return ", ".join(part for part in parts if part)
