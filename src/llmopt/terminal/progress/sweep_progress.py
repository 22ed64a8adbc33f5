"""What a sweep is doing right now: which cell, and the run of it."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from llmopt.core.formatting import clock, plural
from llmopt.core.text import visible
from llmopt.terminal.progress import View, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from llmopt.engine.progress import Progress
    from llmopt.evidence.sweep_summary import Done


class SweepView:
    """Says which cell is done, and shows the run of it meanwhile, on standard error.

    Args:
        sweep: Name of the sweep.
        total: Number of its cells.
        live: Whether the runs are drawn on a terminal; cells side by side are told in lines.
    """

    def __init__(self, sweep: str, total: int, *, live: bool) -> None:
        self._sweep, self._total, self._live = sweep, total, live
        self._began, self._new = time.monotonic(), 0
        self._left = total

    def begins(self, done: int) -> None:
        """Say how many cells are done already."""
        self._left = self._total - done
        before = f", {done} of them done before" if done else ""
        say(f"[{self._sweep}] {self._total} cells{before}")

    @contextlib.contextmanager
    def cell(self, number: int, label: str) -> Iterator[Callable[[Progress], None]]:
        """Say that a cell begins, and show its run."""
        say(f"[{self._sweep}] cell {number} of {self._total}: {visible(label)}")
        with View(live=self._live) as view:
            yield view

    def goes_on(self, number: int, why: str) -> None:
        """Say that a cell continues in another worker."""
        say(f"[{self._sweep}] cell {number} of {self._total} continues in another worker: {why}")

    def ends(self, number: int, label: str, found: Done, bought: int) -> None:
        """Say what a cell found.

        Args:
            number: Which cell.
            label: The same in words.
            found: What it found.
            bought: Calls that models answered for the sweep in this process so far.
        """
        self._new += 1
        self._left -= 1
        rest = (time.monotonic() - self._began) / self._new * self._left
        later = f", about {clock(rest)} for the other {self._left}" if self._left else ""
        say(
            f"[{self._sweep}] cell {number} of {self._total} done: {visible(label)}: "
            f"{_gain(found)}, {found.steps} {plural(found.steps, 'step')}, "
            f"{found.calls:,} calls used ({bought:,} bought by all cells){later}"
        )


def _gain(found: Done) -> str:
    """Return where a cell began and where it ended."""
    shown = found.shown
    start, end = (shown.amount(shown.facing(score)) for score in (found.start, found.score))
    return f"{start} -> {end}{' on test' if found.course is None else ''}"
