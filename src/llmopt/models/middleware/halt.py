"""A run that is asked to stop: what is in flight comes in, and nothing more is sent."""

from __future__ import annotations

import asyncio
import contextlib
from contextvars import ContextVar
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator


class Halt:
    """Counts calls in flight, and holds new ones back once it was asked to.

    A call is in flight while this is entered as a context.

    Attributes:
        asked: Whether no further call may be sent.
        in_flight: Calls that were sent and whose replies are not stored yet.
    """

    def __init__(self) -> None:
        self.asked = False
        self.in_flight = 0
        self._landed = asyncio.Event()

    async def over(self) -> NoReturn:
        """Wait until the end of the work cancels this call, which must not be sent."""
        await asyncio.get_running_loop().create_future()
        raise asyncio.CancelledError

    def __enter__(self) -> None:
        self.in_flight += 1

    def __exit__(self, *_: object) -> None:
        self.in_flight -= 1
        if self.asked and not self.in_flight:
            self._landed.set()

    async def landed(self, patience: float) -> None:
        """Hold further calls back, and wait until none is in flight, or so many seconds."""
        self.asked = True
        if self.in_flight:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._landed.wait()


_current: ContextVar[Halt | None] = ContextVar("halt", default=None)


@contextlib.contextmanager
def halting(halt: Halt) -> Iterator[None]:
    """Let the calls of this task, and of those that it starts, heed `halt`."""
    token = _current.set(halt)
    try:
        yield
    finally:
        _current.reset(token)


def current() -> Halt:
    """Return what calls heed here; where nobody set it, one that holds nothing back."""
    return _current.get() or Halt()
