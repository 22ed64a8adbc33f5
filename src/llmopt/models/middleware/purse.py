"""The part of a shared budget that this process has drawn ahead of its calls."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from llmopt.core.formatting import bare, capped
from llmopt.errors import BudgetError

if TYPE_CHECKING:
    from llmopt.core.model import Amounts, Bank, Drawn

_AHEAD = 8  # calls that are drawn for at a time where there is plenty
_LOOK = 0.1  # seconds between looks at a budget whose rest is drawn by others
_NAMES = ("calls", "tokens", "usd")


class Purse:
    """Lends what calls may take at most; near a cap it draws, and gives back, for each call.

    Args:
        bank: The budget of all processes.
        caps: Of calls, tokens and US dollars; None is no cap.
    """

    def __init__(self, bank: Bank, caps: tuple[float | None, ...]) -> None:
        self._bank = bank
        self._caps = caps
        self._free: Amounts = (0, 0, 0.0)
        self._in_flight = 0
        self._tight = False
        self._drawing = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        bank.on_wanted(self._wanted)

    async def reserve(self, need: Amounts) -> None:
        """Set aside what a call may cost at most; every reservation must be settled.

        Raises:
            BudgetError: It does not fit, whatever the calls in flight of all processes will cost.
            StoreError: The budget cannot be read.
        """
        self._loop = asyncio.get_running_loop()
        while not self._take(need):
            async with self._drawing:
                if self._take(need):
                    return
                ahead = (need[0] * _AHEAD, need[1] * _AHEAD, need[2] * _AHEAD)
                drawn = await self._bank.draw(need, ahead, self._caps, quiet=self._in_flight == 0)
                if drawn.amounts is not None:
                    self._free = _sum(self._free, drawn.amounts)
                    self._tight = drawn.amounts != ahead
                    if self._take(need):
                        return
                if not drawn.waits:
                    raise self._reached(need, drawn)
            await asyncio.sleep(_LOOK)

    def settle(self, bound: Amounts, real: Amounts | None) -> None:
        """Replace a reservation by what the call really cost; None: nothing."""
        self._in_flight -= 1
        used = real or (0, 0, 0.0)
        left = (bound[0] - used[0], bound[1] - used[1], bound[2] - used[2])
        self._free = _sum(self._free, left)
        if self._tight:
            self._give_back()

    def close(self) -> None:
        """Give back what was drawn and not used."""
        self._give_back()

    def _take(self, need: Amounts) -> bool:
        if any(cap is not None and need[at] > self._free[at] for at, cap in enumerate(self._caps)):
            return False
        self._free = _sum(self._free, tuple(-amount for amount in need))
        self._in_flight += 1
        return True

    def _wanted(self) -> None:
        """Another process has no room left: what is free here goes back, in our own thread."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._give_way)

    def _give_way(self) -> None:
        self._tight = True
        if not self._drawing.locked():
            self._give_back()

    def _give_back(self) -> None:
        free, self._free = self._free, (0, 0, 0.0)
        self._bank.give_back(free, quiet=self._in_flight == 0)

    def _reached(self, need: Amounts, drawn: Drawn) -> BudgetError:
        at = next(
            (
                at
                for at, cap in enumerate(self._caps)
                if cap is not None and drawn.settled[at] + need[at] > cap
            ),
            0,
        )
        name, cap = _NAMES[at], self._caps[at] or 0
        return BudgetError(
            f"the budget of all processes is {capped(name, cap)}, but "
            f"{bare(name, drawn.settled[at])} are spent, and the next call may take "
            f"{bare(name, need[at])}; continue with a larger budget"
        )


def _sum(one: Amounts, other: tuple[float, ...]) -> Amounts:
    return (int(one[0] + other[0]), int(one[1] + other[1]), one[2] + other[2])
