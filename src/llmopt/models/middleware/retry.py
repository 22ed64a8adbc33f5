"""The one layer of retries: same call, growing pauses, one deadline."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING

from llmopt.errors import (
    BadCallError,
    RateLimitError,
    RefusedError,
    TransientError,
    WithheldError,
)
from llmopt.models.middleware.base import Middleware
from llmopt.models.middleware.timeout import Patience

if TYPE_CHECKING:
    from random import Random

    from llmopt.core.model import Model
    from llmopt.core.values import Call, Reply

_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())  # who wants the messages configures logging

_FIRST_PAUSE = 0.5  # seconds; the upper end of the first pause, doubled each time
# The same after a refusal for the pace: one of a few at random has passed at once, and others are
# waited for as long as other faults, because it grows faster.
_FIRST_REFUSED = 0.05
_FASTER = 4.0
_LONGEST_PAUSE = 30.0


class Retry(Middleware):
    """Asks again after a `TransientError` but a `WithheldError`, never after another error.

    Before attempt n+1 it waits a time drawn uniformly from [0, 0.5 · 2ⁿ⁻¹] s, at most 30 s
    (exponential back-off with full jitter), and at least as long as the provider asked to. Where
    a provider refused it for its pace, the first range is no longer than it asked for, or 0.05 s.

    A refusal ends the pauses of other calls too: they would only be refused later.

    Args:
        inner: What is asked.
        random: Draws the pauses.
        attempts: Most attempts per call, the first included.
        deadline: Seconds for all attempts and pauses of a call together, or None. Time spent
            queueing in inner middleware does not count. It also ends an attempt that hangs.

    Attributes:
        retries: Attempts made beyond the first ones.
        under_way: Calls that wait for their reply, in any middleware.
        until: Time of the event loop after which no attempt begins: the deadline of a step;
            None for no such time. An attempt that began has the time of its call.
        last_fault: What the last attempt that failed said; empty before.
    """

    def __init__(
        self,
        inner: Model,
        random: Random,
        *,
        attempts: int = 6,
        deadline: float | None = 120.0,
    ) -> None:
        super().__init__(inner)
        self.retries = 0
        self.under_way = 0
        self.until: float | None = None
        self.last_fault = ""
        self._pauses: set[asyncio.Future[None]] = set()
        self._random = random
        self._attempts = attempts
        self._deadline = deadline

    @property
    def pausing(self) -> int:
        """How many calls pause before their next attempt."""
        return len(self._pauses)

    async def complete(self, call: Call) -> Reply:
        """Return the first reply.

        Raises:
            TransientError: No attempt succeeded, or the deadline passed; it names the last
                reason.
            WithheldError: The answer was kept back.
        """
        faults: list[TransientError] = []
        patience = Patience(self._deadline)
        self.under_way += 1
        try:
            with patience:
                return await self._persist(call, patience, faults)
        except TimeoutError:
            if not patience.over:
                raise
        finally:
            self.under_way -= 1
        raise self._given_up(call, faults, f"the {self._deadline:g} s of this call are over")

    async def _persist(self, call: Call, patience: Patience, faults: list[TransientError]) -> Reply:
        """Ask until a reply comes, or further attempts make no sense."""
        loop = asyncio.get_running_loop()
        while True:
            if self.until is not None and loop.time() >= self.until:
                raise self._given_up(call, faults, "the time of this step is over")
            try:
                return await self.inner.complete(call)
            except (BadCallError, WithheldError):  # it would be refused, or kept back, again
                raise
            except RefusedError:
                self._end_pauses()
                raise
            except TransientError as fault:
                faults.append(fault)
                self.last_fault = str(fault)
            if len(faults) >= self._attempts:
                raise self._given_up(call, faults, f"{self._attempts} attempts are the most")
            pause = self._pause(len(faults), faults[-1])
            end = patience.end if self.until is None else min(patience.end, self.until)
            if loop.time() + pause >= end:
                raise self._given_up(
                    call, faults, f"the next attempt, in {pause:.1f} s, is past the deadline"
                )
            _log.info("retrying in %.1f s (%d failed): %s", pause, len(faults), faults[-1])
            if not await self._paused(pause):
                raise self._given_up(call, faults, "another call was refused for good")
            self.retries += 1

    async def _paused(self, seconds: float) -> bool:
        """Wait; return whether the whole time has passed, and no refusal ended it."""
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pauses.add(over)
        try:
            async with asyncio.timeout(seconds):
                await over
        except TimeoutError:
            return True
        finally:
            self._pauses.discard(over)
        return False

    def _end_pauses(self) -> None:
        """Let all who pause give up."""
        for over in self._pauses:
            if not over.done():
                over.set_result(None)

    def _pause(self, failed: int, fault: TransientError) -> float:
        """Return the seconds to wait after `failed` attempts, the last of which met `fault`."""
        ceiling = min(_LONGEST_PAUSE, math.ldexp(_FIRST_PAUSE, failed - 1))
        asked = fault.retry_after
        if asked is not None or isinstance(fault, RateLimitError):
            ceiling = min(ceiling, max(asked or 0.0, _FIRST_REFUSED) * _FASTER ** (failed - 1))
        # Added to what the provider asked for, so that not all callers return at once.
        return (asked or 0.0) + ceiling * self._random.random()

    def _given_up(self, call: Call, faults: list[TransientError], why: str) -> TransientError:
        """Return the error that ends a call."""
        last = f"the last failure was: {faults[-1]}" if faults else "no attempt came to an end"
        return TransientError(
            f"{self.identity} did not answer the {call.role} ({len(faults)} failed attempts; "
            f"{why}); {last}; resume the run when it answers again",
            faults[-1].retry_after if faults else None,
        )
