"""Keeps a run's progress up to date and publishes it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from llmopt.core.text import one_line
from llmopt.engine.progress import Amount

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from llmopt.core.trajectory import Entry, Trajectory
    from llmopt.core.values import Outcome
    from llmopt.engine.journal import Step
    from llmopt.engine.progress import Progress
    from llmopt.models.middleware.budget import Account
    from llmopt.models.middleware.traffic import Traffic

_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())  # who wants the messages configures logging

_OFTEN = 0.02  # seconds; faster than anybody reads


class Monitor:
    """Keeps the progress of a run true.

    Args:
        progress: Told with every change; the same object all along.
        traffic: The middleware of both models.
        listen: Told of every change, but of evaluations that follow fast not each one by one.
    """

    def __init__(
        self, progress: Progress, traffic: Traffic, listen: Callable[[Progress], None]
    ) -> None:
        self.progress = progress
        self.listen = listen
        self._traffic = traffic
        self._looked = -math.inf

    def note(self, **changes: Any) -> None:
        """Change fields of the progress without telling anybody yet."""
        for key, value in changes.items():
            setattr(self.progress, key, value)

    def say(self, **changes: Any) -> None:
        """Change fields of the progress, and tell it with what was spent."""
        self.note(**changes)
        self.progress.spent = self._traffic.usage()
        self._look()

    def planned(self, jobs: int) -> None:
        """Tell that so many more evaluations are asked for in this phase."""
        self.say(planned=self.progress.planned + jobs)

    def observed(self, outcome: Outcome) -> None:
        """Count an evaluation as done."""
        del outcome
        self.progress.done += 1
        # Thousands come in a second, and each look costs as much as a part of a call.
        last = self.progress.done == self.progress.planned
        if last or time.monotonic() - self._looked >= _OFTEN:
            self._look()

    def stepped(self, told: Trajectory, best: Entry, score: float) -> None:
        """Tell what has been found after a step.

        Args:
            told: The trajectory with the step.
            best: The best in it.
            score: Its score in the problem's own direction.
        """
        self.progress.curve.append(score)
        self.say(
            step=told.steps - 1,
            best=score,
            best_items=(best.evaluation.measured, best.evaluation.planned),
            best_text=best.text,
            candidates=len(told),
        )

    def told(self, step: Step) -> None:
        """Log what a step brought, for those who want to read more than the progress."""
        if not _log.isEnabledFor(logging.INFO):
            return
        refused = Counter(one_line(r.reason) for r in step.rejected).most_common()
        why = f" ({', '.join(f'{reason}: {n}' for reason, n in refused)})" if refused else ""
        _log.info(
            "%s: step %d of %d: %d new, %d refused%s; %d solutions measured so far",
            self.progress.run,
            step.number,
            self.progress.steps,
            len(step.entries),
            len(step.rejected),
            why,
            self.progress.candidates,
        )

    def _look(self) -> None:
        """Publish the progress, with the current state of the middleware."""
        self._looked = time.monotonic()
        progress, traffic = self.progress, self._traffic
        progress.budget = _amounts(traffic.account)
        progress.hits, progress.retries = traffic.hits, traffic.retries
        progress.busy, progress.slots = traffic.busy, traffic.slots
        self.listen(progress)

    @contextlib.asynccontextmanager
    async def stalls(self) -> AsyncIterator[None]:
        """Watch for a stall while the context lasts."""
        watching = asyncio.ensure_future(self._traffic.watch(self._stalled))
        try:
            yield
        finally:
            watching.cancel()

    def _stalled(self, words: str) -> None:
        if words and not self.progress.stall:
            _log.warning("%s: %s", self.progress.run, words)
        self.progress.stall = words
        self._look()


def _amounts(account: Account) -> tuple[Amount, ...]:
    """Return what was spent against each cap; dollars only where they are known or capped."""
    spent, caps = account.spent, account.limits
    dollars = (Amount("usd", spent.usd, caps.usd),) if spent.usd or caps.usd else ()
    return (
        Amount("calls", spent.calls, caps.calls),
        Amount("tokens", spent.tokens, caps.tokens),
        *dollars,
        Amount("seconds", spent.seconds, caps.seconds),
    )
