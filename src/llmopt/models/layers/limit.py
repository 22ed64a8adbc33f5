"""The limit: at most so many calls in flight, fewer when the provider cannot keep up."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from llmopt.errors import RateLimitError, TransientError
from llmopt.models.layers.patience import queueing
from llmopt.models.layers.ring import Ring

if TYPE_CHECKING:
    from llmopt.model import Model
    from llmopt.types import Call, Reply


class Limit(Ring):
    """Lets at most `slots` calls through at once, in the order in which they came.

    The number adapts as in TCP: it is halved when the provider says that it is asked too much
    (once per wave of calls), and grows by one for each wave of answers, up to `slots`. It never
    falls below one, so there is always progress.

    Attributes:
        allowed: How many calls may be in flight now; from 1 to `slots`.
        in_flight: How many are.
    """

    def __init__(self, inner: Model, slots: int) -> None:
        super().__init__(inner)
        self.allowed = float(slots)
        self.in_flight = 0
        self._slots = slots
        self._wave = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def complete(self, call: Call) -> Reply:
        """Wait for a slot, then ask."""
        if self._waiting or self.in_flight >= int(self.allowed):
            await self._queue()
        else:
            self.in_flight += 1
        wave = self._wave
        try:
            reply = await self.inner.complete(call)
        except TransientError as fault:
            if isinstance(fault, RateLimitError) or fault.retry_after is not None:
                self._shrink(wave)
            raise
        else:
            self.allowed = min(float(self._slots), self.allowed + 1 / self.allowed)
            return reply
        finally:
            self.in_flight -= 1
            self._admit()

    async def _queue(self) -> None:
        """Wait for a slot, which is taken when this returns."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        with queueing():
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():  # the slot came at the same moment
                    self.in_flight -= 1
                turn.cancel()
                self._admit()
                raise

    def _admit(self) -> None:
        """Give free slots to those who wait, first come first served."""
        while self._waiting and self.in_flight < int(self.allowed):
            turn = self._waiting.popleft()
            if not turn.done():
                self.in_flight += 1
                turn.set_result(None)

    def _shrink(self, wave: int) -> None:
        """Halve the number, once for all calls that were in flight together."""
        if wave == self._wave:
            self._wave += 1
            self.allowed = max(1.0, self.allowed / 2)
