"""The time limit of one call, which stands still while the call queues.

A call that waits for a slot or for room in the budget is not late: nobody was asked yet. So
the middleware that sets the limit (retry) and those that queue (limit, keep, budget) share it.
"""

from __future__ import annotations

import asyncio
import math
from contextvars import ContextVar
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from contextvars import Token
    from types import TracebackType


class Patience:
    """Ends what is done inside of it with a TimeoutError when its time is over.

    ``asyncio.timeout`` does the same, but moving its end costs a timer each time. Here a timer
    that rings too early is wound up again, so a call that is answered in time needs one.

    Args:
        seconds: What is done inside may take so long, or None for as long as it likes.

    Attributes:
        over: Whether the time is over.
    """

    __slots__ = ("_cancelling", "_left", "_loop", "_seconds", "_task", "_timer", "_token", "over")

    _task: asyncio.Task[object]
    _token: Token[Patience | None]

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._left: float | None = None  # None while the time passes
        self._timer: asyncio.TimerHandle | None = None
        self._cancelling = 0
        self.over = False

    @property
    def end(self) -> float:
        """The time of the event loop at which it is over, if it does not stand still."""
        return math.inf if self._seconds is None else self._seconds

    def __enter__(self) -> Self:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("patience is for tasks only")
        self._task, self._loop = task, asyncio.get_running_loop()
        self._cancelling = task.cancelling()
        self._token = _current.set(self)
        if self._seconds is not None:
            self._seconds += self._loop.time()
            self._timer = self._loop.call_at(self._seconds, self._ring)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        _current.reset(self._token)
        if self._timer is not None:
            self._timer.cancel()
        # As in asyncio.timeout: who was cancelled from outside as well stays cancelled.
        if (
            self.over
            and self._task.uncancel() <= self._cancelling
            and kind is asyncio.CancelledError
        ):
            raise TimeoutError from error

    def stop(self) -> None:
        """Let the time stand still."""
        if self._seconds is not None and not self.over:
            self._left = self._seconds - self._loop.time()

    def go_on(self) -> None:
        """Let the time pass again."""
        if self._left is not None:
            self._seconds = self._loop.time() + self._left
            self._left = None
            if self._timer is None:
                self._timer = self._loop.call_at(self._seconds, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._left is not None or self._seconds is None:
            return
        if self._loop.time() < self._seconds:
            self._timer = self._loop.call_at(self._seconds, self._ring)
        else:
            self.over = True
            self._task.cancel()


class queueing:  # noqa: N801 - used as `with queueing():`, a class because it is entered so often
    """Stops the time of the current call for the duration of this block."""

    __slots__ = ("_patience",)

    def __enter__(self) -> None:
        self._patience = _current.get()
        if self._patience is not None:
            self._patience.stop()

    def __exit__(self, *_: object) -> None:
        if self._patience is not None:
            self._patience.go_on()


_current: ContextVar[Patience | None] = ContextVar("patience", default=None)
