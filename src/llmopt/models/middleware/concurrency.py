"""The gate to an endpoint: how many calls may be in flight, and how many a minute.

One gate is shared by the rate limits of all models that are reached at one endpoint, whatever
role they play, because the provider counts them together.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from llmopt.core.model import SharedReplies
from llmopt.errors import ConfigError
from llmopt.models.middleware.timeout import queueing

if TYPE_CHECKING:
    from llmopt.core.model import Pace, Replies

_MINUTE = 60.0
_ENOUGH = 1e-9  # what rounding may take from a bucket
_FEWEST = 16  # calls that came back of late, at least, among which refusals are counted
_FEW = 3  # refusals among them that may be chance no longer
_SHARE = 0.1  # of them, likewise
_SHORTEST = 0.001  # seconds; a timer for less may find that no time has passed


@dataclass(frozen=True, slots=True)
class Rates:
    """What may be asked of an endpoint in a minute; None is no cap.

    Attributes:
        requests: Attempts per minute, retries included.
        tokens: Tokens per minute, input and output together.

    Raises:
        ConfigError: A cap is not a positive number.
    """

    requests: float | None = None
    tokens: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            cap = getattr(self, field.name)
            if cap is not None and not (cap > 0 and math.isfinite(cap)):
                raise ConfigError(
                    f"{field.name} per minute are a number greater than 0, but got {cap!r}; "
                    "leave it out for no cap"
                )

    def lower(self, other: Rates) -> Rates:
        """Return the lower cap of each kind."""
        pairs = ((self.requests, other.requests), (self.tokens, other.tokens))
        return Rates(*(min((c for c in pair if c is not None), default=None) for pair in pairs))


class Gate:
    """Lets calls through in the order in which they came, as slots and rates allow.

    The number of slots adapts as in TCP: it is halved when the provider goes on saying that it is
    asked too much (a tenth of what came back of late, and more than two calls), once per wave of
    calls, and grows by one for each wave of answers, up to `slots`. Single refusals delay their
    own calls alone. The number never falls below one, and a call that is larger than a bucket
    passes when the bucket is full, so there is always progress.

    Args:
        slots: Most calls in flight, 1 or more.
        rates: Caps per minute. In no minute more requests are let through. Tokens are taken at
            their upper bound and given back when the reply tells how many they were; one call
            may exceed their cap by its own size.
        pace: Caps per minute that other processes keep too, in place of `rates`.

    Attributes:
        slots: As given.
        allowed: How many calls may be in flight now; from 1 to `slots`.
        in_flight: How many are.
        wave: How often the number was halved.
    """

    def __init__(self, slots: int, rates: Rates | None = None, pace: Pace | None = None) -> None:
        # What all processes keep together is no affair of this one's buckets.
        rates = Rates() if rates is None or pace is not None else rates
        self._pace = pace
        self._pacing = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        if pace is not None:
            pace.on_slow(self._hear_of_refusals)
        self.slots = slots
        self.allowed = float(slots)
        self.in_flight = 0
        self.wave = 0
        self._requests = None if rates.requests is None else _Bucket(rates.requests)
        self._tokens = None if rates.tokens is None else _Bucket(rates.tokens)
        self._waiting: deque[tuple[int, asyncio.Future[float]]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        # Whether each of the last calls that came back was refused.
        self._recent: deque[bool] = deque(maxlen=max(_FEWEST, slots))

    @property
    def counts_tokens(self) -> bool:
        """Whether tokens are capped, so that calls must be sized."""
        return self._tokens is not None or (self._pace is not None and self._pace.counts_tokens)

    @property
    def waiting(self) -> int:
        """How many calls queue here."""
        return len(self._waiting) + self._pacing

    @property
    def paced(self) -> bool:
        """Whether those who wait do so for the caps per minute, and not for a slot."""
        return self._timer is not None or self._pacing > 0

    async def enter(self, tokens: int) -> float:
        """Wait for the turn of a call of at most so many tokens; every entry must be left.

        Returns:
            What :meth:`leave` has to be told.
        """
        if self._waiting or (mark := self._take(tokens)) is None:
            mark = await self._turn(tokens)
        if self._pace is None:
            return mark
        self._loop = asyncio.get_running_loop()
        self._pacing += 1
        try:
            with queueing():
                return await self._pace.enter(tokens)
        except BaseException:
            self._left()
            raise
        finally:
            self._pacing -= 1

    async def _turn(self, tokens: int) -> float:
        """Queue for a slot, and for what the rates of this process allow."""
        turn: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._waiting.append((tokens, turn))
        self._admit()
        with queueing():
            try:
                return await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():  # the turn came at the same moment
                    self._give_back(tokens, turn.result())
                    self._left()
                turn.cancel()
                self._admit()
                raise

    def leave(self, tokens: int, used: int, mark: float) -> None:
        """Free the slot of a call that entered with `tokens` and has really used `used`."""
        if self._pace is not None:
            self._pace.leave(tokens - used, mark)
        self._give_back(tokens - used, mark)
        self._left()

    def _give_back(self, unused: int, mark: float) -> None:
        if self._tokens is not None:
            self._tokens.give_back(unused, mark, asyncio.get_running_loop().time())

    def _left(self) -> None:
        self.in_flight -= 1
        if self._waiting:
            self._admit()

    def grow(self) -> None:
        """Allow a little more, because a call was answered."""
        self._recent.append(False)
        if self.allowed < self.slots:
            self.allowed = min(float(self.slots), self.allowed + 1 / self.allowed)

    def refused(self, wave: int) -> None:
        """Note that a call was refused which had entered in `wave`; halve the slots if many were.

        Calls that were in flight together with those that made the slots fewer say nothing new.
        """
        if wave != self.wave:
            return
        self._recent.append(True)
        most = max(min(_FEW, int(self.allowed)), _SHARE * len(self._recent))
        if sum(self._recent) >= most:
            self._slow_down()
            if self._pace is not None:
                self._pace.slow()

    def _slow_down(self) -> None:
        self.wave += 1
        self.allowed = max(1.0, self.allowed / 2)
        self._recent.clear()

    def _hear_of_refusals(self) -> None:
        """Another process was refused often: go slower as well; called in any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._slow_down)

    def _admit(self) -> None:
        """Let those in who may, first come first served."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting:
            tokens, turn = self._waiting[0]
            if not turn.done():
                if (mark := self._take(tokens)) is None:
                    return
                turn.set_result(mark)
            self._waiting.popleft()

    def _take(self, tokens: int) -> float | None:
        """Take a slot and the share of the rates if there is room now; None: there is not.

        Where only the rates forbid it, those who wait are looked at again in time.
        """
        if self.in_flight >= int(self.allowed):
            return None
        mark = 0.0
        if self._requests is not None or self._tokens is not None:
            loop = asyncio.get_running_loop()
            shares = [(b, n) for b, n in ((self._requests, 1), (self._tokens, tokens)) if b]
            wait = max(bucket.wait(amount, loop.time()) for bucket, amount in shares)
            if wait > 0:
                if self._waiting:
                    self._timer = loop.call_later(max(wait, _SHORTEST), self._admit)
                return None
            for bucket, amount in shares:
                mark = bucket.take(amount)  # the last is that of the tokens, if they are capped
        self.in_flight += 1
        return mark


def pace_of(replies: Replies | None, endpoint: str, rates: Rates) -> Pace | None:
    """Return the caps that all processes of a store keep together; None: the store knows none."""
    if not isinstance(replies, SharedReplies):
        return None
    return replies.pace(endpoint, rates.requests, rates.tokens)


class _Bucket:
    """So much per minute, steadily: it holds one second's worth, or one, and refills.

    What it holds at the beginning of a minute and what flows in until its end are together no
    more than the cap.
    """

    def __init__(self, per_minute: float) -> None:
        self._size = max(1.0, per_minute / _MINUTE)
        # At less than one a second there is a pause before each, which fills the minute exactly.
        held = self._size if per_minute >= _MINUTE else 0.0
        self._rate = (per_minute - held) / _MINUTE
        self._level = self._size
        self._taken = 0.0  # in all
        self._seen: float | None = None

    def wait(self, amount: float, now: float) -> float:
        """Return the seconds until `amount`, or all that fits, is there; 0 for now."""
        self._refill(now)
        short = min(amount, self._size) - self._level
        return short / self._rate if short > _ENOUGH else 0.0

    def take(self, amount: float) -> float:
        """Take `amount` out, on credit for a call larger than all; return a mark of this take."""
        self._level -= amount
        self._taken += amount
        return self._taken

    def give_back(self, amount: float, mark: float, now: float) -> None:
        """Put back what a take turned out not to need, as far as it was not refilled already.

        Takes are refilled in their order. Had the take been smaller, the refill would have
        gone to nobody, because the bucket was full: given back, it would be more than the cap.
        """
        self._refill(now)
        refilled = self._taken - (self._size - self._level)
        self._level += min(amount, max(0.0, mark - refilled))

    def _refill(self, now: float) -> None:
        if self._seen is not None:
            self._level = min(self._size, self._level + self._rate * (now - self._seen))
        self._seen = now
