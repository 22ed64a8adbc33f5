"""What a model uses beyond the bound of a call, learned from its replies.

Some hosts bill reasoning that no answer shows and that `max_tokens` does not limit, or a system
prompt of their own. A budget that reserves the bound of a call is exceeded by such calls. So it
begins with few of them at once, as long as nothing is known of a model, and then sets the largest
excess aside that was seen.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from llmopt.models.middleware.timeout import queueing

if TYPE_CHECKING:
    from llmopt.core.values import Call, Usage

_ENOUGH = 4  # replies after which a model without any excess is taken to have none


class Excess:
    """Lets calls to one model through, few at first, and learns from their replies.

    One call is let through before anything is known, then twice as many at once as replies have
    come; after four replies without an excess there is no limit.

    Attributes:
        asked: The largest number of tokens of a prompt above the bound of its call.
        made: The same of generated tokens.
    """

    def __init__(self) -> None:
        self.asked = 0
        self.made = 0
        self._replies = 0
        self._in_flight = 0
        self._waiting: deque[tuple[float, asyncio.Future[None]]] = deque()

    def most_tokens(self, call: Call) -> tuple[int, int]:
        """Return the most tokens that a call can take, by its bound and by what was seen."""
        asked, made = call.most_tokens
        return asked + self.asked, made + self.made

    async def enter(self, safe: float) -> None:
        """Wait for the turn of a call; every entry must be left.

        Args:
            safe: So many calls may be in flight at once whatever they use.
        """
        if not self._waiting and self._take(safe):
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((safe, turn))
        with queueing():
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():  # the turn came at the same moment
                    self._in_flight -= 1
                turn.cancel()
                self._admit()
                raise

    def leave(self, call: Call, usage: Usage | None) -> bool:
        """Free the place of a call, and learn from what its reply used; None: it has none.

        Returns:
            Whether this is the first excess that was seen.
        """
        self._in_flight -= 1
        first = False
        if usage is not None:
            self._replies += 1
            asked, made = call.most_tokens
            before = self.asked or self.made
            if not usage.estimated:
                self.asked = max(self.asked, usage.input_tokens - asked)
                self.made = max(self.made, usage.output_tokens - made)
            first = not before and bool(self.asked or self.made)
        self._admit()
        return first

    def _take(self, safe: float) -> bool:
        """Take a place where there is one."""
        seen = self.asked or self.made
        if seen or self._replies < _ENOUGH:
            most = max(1.0, 2.0 * self._replies, safe)
            if self._in_flight >= most:
                return False
        self._in_flight += 1
        return True

    def _admit(self) -> None:
        """Let those in who may, first come first served."""
        while self._waiting:
            safe, turn = self._waiting[0]
            if not turn.done():
                if not self._take(safe):
                    return
                turn.set_result(None)
            self._waiting.popleft()
