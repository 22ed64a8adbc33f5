"""What a run does, as its progress says it: kept true, and told to whoever listens."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from llmopt.models.layers.traffic import Traffic
    from llmopt.search.progress import Progress
    from llmopt.types import Outcome

_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())  # who wants the messages configures logging


class Watch:
    """Keeps the progress of a run true.

    Args:
        progress: Told with every change; the same object all along.
        traffic: The rings of both models.
        listen: Told of every change.
    """

    def __init__(
        self, progress: Progress, traffic: Traffic, listen: Callable[[Progress], None]
    ) -> None:
        self.progress = progress
        self.listen = listen
        self._traffic = traffic

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
        self._look()

    def _look(self) -> None:
        """Tell the progress, with what the rings do now."""
        progress, traffic = self.progress, self._traffic
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
