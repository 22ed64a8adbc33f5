"""The time limit of one call, which stands still while the call queues.

A call that waits for a slot or for room in the budget is not late: nobody was asked yet. So
the ring that sets the limit (retry) and the rings that queue (limit, budget) share the timer.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_timer: ContextVar[asyncio.Timeout | None] = ContextVar("timer", default=None)


@contextmanager
def governed(timer: asyncio.Timeout) -> Iterator[None]:
    """Let `queueing` inside of this block stop `timer`."""
    token = _timer.set(timer)
    try:
        yield
    finally:
        _timer.reset(token)


@contextmanager
def queueing() -> Iterator[None]:
    """Stop the timer of the current call for the time of this block."""
    timer = _timer.get()
    until = timer.when() if timer is not None else None
    if timer is None or until is None or timer.expired():
        yield
        return
    loop = asyncio.get_running_loop()
    left = until - loop.time()
    timer.reschedule(None)
    yield
    # Not in a `finally`: whoever leaves by an exception has no use for the rest of the time.
    timer.reschedule(loop.time() + left)
