"""Runs coroutines from synchronous code, also inside a notebook.

The first Ctrl-C, or SIGTERM, lets the calls that are in flight come in, for a few seconds, so that
what was paid is stored; the second one stops at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from llmopt.core.formatting import counted
from llmopt.models.middleware.halt import Halt, halting

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from types import FrameType


T = TypeVar("T")

GRACE = 5.0
"""Seconds that calls in flight have to come in after the first request to stop."""


def _nothing(words: str) -> None:
    del words


def wait(work: Coroutine[Any, Any, T], say: Callable[[str], None] = _nothing) -> T:
    """Run a coroutine to its end, also where a loop runs already, as in a notebook.

    Args:
        work: The coroutine.
        say: Told in words that a stop waits for calls in flight.

    Raises:
        KeyboardInterrupt: It was stopped by Ctrl-C or SIGTERM.
    """
    if not _in_a_loop():
        return asyncio.run(_heeding(work, say))
    found: list[T] = []
    failed: list[BaseException] = []

    def thread() -> None:
        try:
            found.append(asyncio.run(work))
        except BaseException as error:  # noqa: BLE001 - raised again by the caller below
            failed.append(error)

    worker = threading.Thread(target=thread)
    worker.start()
    worker.join()
    if failed:
        raise failed[0]
    return found[0]


async def _heeding(work: Coroutine[Any, Any, T], say: Callable[[str], None]) -> T:
    """Do work that Ctrl-C and SIGTERM stop."""
    halt = Halt()
    with halting(halt):
        task = asyncio.ensure_future(work)
    stop = _Stop(halt, task, say)
    with stop.heeded():
        try:
            return await task
        except asyncio.CancelledError:
            if stop.requests:
                raise KeyboardInterrupt from None
            task.cancel()
            raise


class _Stop:
    """What the requests to stop do."""

    def __init__(self, halt: Halt, task: asyncio.Future[Any], say: Callable[[str], None]) -> None:
        self.requests = 0
        self._halt, self._task, self._say = halt, task, say
        self._loop = asyncio.get_running_loop()
        self._landing: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def heeded(self) -> Iterator[None]:
        """Take both signals while the context lasts, where nobody else has taken them."""
        usual = {signal.SIGTERM: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}
        before = {}
        if threading.current_thread() is threading.main_thread():
            for number, default in usual.items():
                now = signal.getsignal(number)
                # asyncio has taken the one that was Python's own.
                if now == default or (number == signal.SIGINT and _is_of_asyncio(now)):
                    before[number] = signal.signal(number, self._asked)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _asked(self, number: int, frame: FrameType | None) -> None:
        """Take a request; code that never yields is interrupted by the third."""
        del number, frame
        self.requests += 1
        if self.requests > 2:  # noqa: PLR2004 - see above
            raise KeyboardInterrupt
        self._loop.call_soon_threadsafe(self._begin if self.requests == 1 else self._task.cancel)

    def _begin(self) -> None:
        self._landing = self._loop.create_task(self._land())

    async def _land(self) -> None:
        if count := self._halt.in_flight:
            self._say(
                f"\nStopping: {counted(count, 'call')} in flight may come in for up to {GRACE:g} "
                "s; press Ctrl-C again to stop at once"
            )
        await self._halt.landed(GRACE)
        self._task.cancel()


def _is_of_asyncio(handler: Any) -> bool:
    """Return whether asyncio's runner has set a handler of SIGINT."""
    function = getattr(handler, "func", handler)
    return getattr(function, "__module__", "") == "asyncio.runners"


def _in_a_loop() -> bool:
    """Return whether an event loop runs in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
