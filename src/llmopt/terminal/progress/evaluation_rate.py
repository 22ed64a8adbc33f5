"""How fast evaluations are done, and how long the rest will take."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from llmopt.core.formatting import about, pace

if TYPE_CHECKING:
    from llmopt.engine.progress import Progress

_WINDOW = 30.0  # seconds that a rate looks back
_TICK = 0.5  # seconds between two marks


class EvaluationRate:
    """How fast evaluations are done, over the last half minute.

    It is fed by the thread that works, and read by the one that draws.
    """

    def __init__(self) -> None:
        self._marks: list[tuple[float, int]] = []
        self._total = 0
        self._last = (("", -1), 0)

    def saw(self, progress: Progress, now: float) -> None:
        """Count what was done since the last look."""
        whole = progress.phase == "searching"  # a phase of many steps, which are done at once
        phase = (progress.phase, 0 if whole else progress.step)
        before = self._last[1] if self._last[0] == phase else 0
        self._total += max(0, progress.done - before)
        self._last = (phase, progress.done)
        if not self._marks or now - self._marks[-1][0] >= _TICK:
            kept = [mark for mark in self._marks if now - mark[0] < _WINDOW]
            self._marks = [*kept, (now, self._total)]

    def rate(self, now: float) -> float:
        """Return the evaluations per second; 0 while nothing is known."""
        marks = self._marks
        if len(marks) < 2:  # noqa: PLR2004 - a rate needs two marks
            return 0.0
        (then, was), (until, total) = marks[0], marks[-1]
        # While nothing comes, the rate falls: the time that passes counts too.
        return (total - was) / max(until - then, now - then - _TICK)

    def left(self, progress: Progress, now: float) -> float | None:
        """Return the seconds left at this rate, or None while nothing is known."""
        rate = self.rate(now)
        if not rate or progress.ahead is None:
            return None
        return (progress.planned - progress.done + progress.ahead) / rate

    def words(self, progress: Progress, now: float | None = None) -> tuple[str, str]:
        """Return rate and time left, each as far as it is known and there is something to do."""
        if progress.phase == "done":
            return "", ""
        now = time.monotonic() if now is None else now
        rate, left = self.rate(now), self.left(progress, now)
        return pace(rate) if rate else "", "" if left is None else f"{about(left)} left"
