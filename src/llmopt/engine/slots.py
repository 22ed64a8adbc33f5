"""Slots: how many evaluations are under way at once, and which one begins next."""

from __future__ import annotations

import asyncio
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

from llmopt.errors import SlotsClosedError

if TYPE_CHECKING:
    from collections.abc import Callable


def _nothing() -> None:
    """Do nothing."""


class Slots:
    """A bounded number of jobs under way; of those that wait, the oldest request's begin first.

    Args:
        size: How many jobs are under way at most.
        few: Called when fewer than `enough` jobs are left to begin.

    Attributes:
        size: See above.
        queued: Jobs that are asked for and have not begun.
        failed_in_a_row: Failures since the last job that succeeded.
        few: See above.
        enough: See above.
    """

    def __init__(self, size: int, few: Callable[[], None] = _nothing) -> None:
        self.size = size
        self.queued = self.failed_in_a_row = 0
        self.few, self.enough = few, 0
        self._busy = 0
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._ticket = count()
        self._closed = False

    async def take(self, request: int) -> None:
        """Wait for a slot; each one must be given back by :meth:`free`.

        Args:
            request: Number of the request that the job belongs to; a lower one begins first.

        Raises:
            SlotsClosedError: No further job may begin.
        """
        if self._closed:
            raise SlotsClosedError
        if self._busy < self.size:
            self._busy += 1
            self._began()
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heappush(self._waiting, (request, next(self._ticket), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.free()  # the turn came at the same moment
            turn.cancel()
            raise
        self._began()

    def free(self) -> None:
        """Give a slot back; the first job in the queue takes it."""
        while self._waiting:
            turn = heappop(self._waiting)[-1]
            if not turn.done():
                turn.set_result(None)
                return
        self._busy -= 1

    def close(self) -> None:
        """Let no further job begin; those that are under way continue."""
        self._closed = True
        while self._waiting:
            turn = heappop(self._waiting)[-1]
            if not turn.done():
                turn.set_exception(SlotsClosedError())

    def _began(self) -> None:
        self.queued -= 1
        if self.queued < self.enough:
            self.few()
