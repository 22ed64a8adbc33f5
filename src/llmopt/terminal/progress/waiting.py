"""What takes long before, or instead of, a run: a download, or waiting for an answer."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Self

from llmopt.core.formatting import clock
from llmopt.core.text import one_line
from llmopt.terminal.progress.stream import (
    drawing,
    draws,
    frame,
    say,
    terminal,
)

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console, RenderableType
    from rich.live import Live
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

_PATIENCE = 2.0  # seconds after which somebody wonders


class Doing:
    """Says what a command is doing, if it takes longer than two seconds.

    On a terminal it is a line that goes away with the context, elsewhere a line that stays.

    Args:
        words: What is being done.
        quiet: Say nothing.
        console: Where to draw; None: on standard error.

    Attributes:
        begun: Set when something was said.
    """

    def __init__(self, words: str, *, quiet: bool = False, console: Console | None = None) -> None:
        self._words = one_line(words)
        self._console = console or terminal()
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._over = quiet
        self.begun = threading.Event()
        self._live: Live | None = None
        self._timer = threading.Timer(_PATIENCE, self._begin)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        if not self._over:
            self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        with self._lock:
            self._over = True
            if self._live is not None:
                self._live.stop()

    def _begin(self) -> None:
        with self._lock:
            if self._over:
                return
            if draws(self._console):
                self._live = drawing(self._console, self._line)
            else:
                say(f"{self._words} …")
            self.begun.set()

    def _line(self) -> RenderableType:
        from rich.text import Text

        now = time.monotonic()
        words = f"{frame(now)} {self._words}  {clock(now - self._began)}"
        return Text(words, no_wrap=True, overflow="ellipsis")


class Download:
    """Shows how far obtaining the weights of a local model is; silent where nothing is done.

    Args:
        console: Where to draw; None: on standard error.
        quiet: Show nothing at all.
    """

    def __init__(self, console: Console | None = None, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._drawn: Bar | None = None
        self._console = console or terminal()
        self._stage = ""
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._drawn is not None:
            self._drawn.stop()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show `done` of `total` bytes of a stage; with 0 in all, show the stage as a sentence."""
        if self._quiet:
            return
        if not total:
            self._say(stage)
            return
        if stage != self._stage:
            self._begin(stage, total)
        if self._drawn and self._task is not None:
            self._drawn.update(self._task, completed=done, total=total)

    def _say(self, sentence: str) -> None:
        if self._drawn is None:
            say(sentence)
        else:
            self._drawn.console.print(sentence, markup=False, soft_wrap=True)

    def _begin(self, stage: str, total: int) -> None:
        from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self._stage = stage
        words = {
            "download": "fetching the local model",
            "verify": "checking",
        }
        what = words.get(stage, stage)
        if not draws(self._console):
            say(f"{what} ({total / 1e6:.0f} MB)")
            return
        if self._drawn is None:
            self._drawn = Bar(
                TextColumn("{task.description}"),
                BarColumn(),
                DownloadColumn(),
                TimeRemainingColumn(),
                console=self._console,
            )
            self._drawn.start()
        self._task = self._drawn.add_task(what, total=total)
