"""Calls a function of the user's: in threads, or in processes that can be killed.

Whatever the function does, the event loop goes on, and what goes wrong is told as an exception
of its own kind, so that a problem can turn it into a reason.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import multiprocessing
import os
import pickle
import signal
import threading
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from llmopt.core.imports import folder_looked_in, looking_in
from llmopt.core.text import one_line
from llmopt.errors import ConfigError
from llmopt.problems.guarded_process import PROCESSES, TOO_LARGE, TOO_MANY, guard
from llmopt.problems.metrics.contract import Scored, said, value_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from multiprocessing.connection import Connection
    from pathlib import Path

T = TypeVar("T")

_BEGIN = 60.0  # seconds in which a process must have imported the function
_GONE = 5.0  # seconds that a killed process has to be gone
_SAFE, _OURS = "PYTHONSAFEPATH", "for llmopt's worker"
_starting = threading.Lock()
_REASONS = {
    TOO_MANY: f"had more than {PROCESSES} processes at once",
    TOO_LARGE: "took more memory with its processes than a worker may (memory)",
}


class FailedCallError(Exception):
    """The function gave no value; the message says why, on one line."""


async def in_thread(function: Callable[[str], T], text: str) -> T:
    """Call a function in a thread of its own.

    The thread does not hold up the end of the program: a call that is given up, because its time
    was over, goes on unobserved until the function returns.

    Raises:
        FailedCallError: The function raised StopIteration or what is no Exception (SystemExit and
            the like), which mean something else to a thread or a coroutine.
        Exception: Whatever else the function raised.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def settle(found: T | None, error: Exception | None) -> None:
        if future.done():  # given up
            return
        if error is None:
            future.set_result(found)  # type: ignore[arg-type]
        else:
            future.set_exception(error)

    def work() -> None:
        found: T | None = None
        failed: Exception | None = None
        try:
            found = context.run(function, text)
        except BaseException as error:  # noqa: BLE001 - raised again where the call is awaited
            usual = isinstance(error, Exception) and not isinstance(error, StopIteration)
            failed = cast("Exception", error) if usual else FailedCallError(reason_of(error))
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, found, failed)

    threading.Thread(target=work, name="llmopt-function", daemon=True).start()
    return await future


async def awaited(given: Awaitable[T]) -> T:
    """Return what an awaitable of the function's gives.

    Raises:
        FailedCallError: It raised SystemExit, or was cancelled by something of its own.
        CancelledError: This call is cancelled from outside.
        Exception: Whatever else it raised.
    """
    try:
        return await given
    except SystemExit as error:
        raise FailedCallError(reason_of(error)) from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise FailedCallError(reason_of(error)) from error


class Processes:
    """Worker processes for one function: begun when needed, killed when a call takes too long.

    There are as many as this process may use processors. Each is a fresh interpreter that
    imports the function by its name, and answers one call after the other. However this process
    ends, the worker is killed with all processes it started (see ``guarded_process``). What it
    prints goes to standard error.

    Args:
        function: What is called; it and its module must be importable.
        timeout: Seconds that a call may take; None: any time. Waiting for a free process and its
            beginning do not count.
        memory: Bytes that a process may take; None: 2 GiB, or half of what is free when it
            starts if that is less.

    Raises:
        ConfigError: The function cannot be sent to another process.
    """

    def __init__(
        self, function: Callable[[str], Any], timeout: float | None, memory: int | None = None
    ) -> None:
        try:
            self._function = pickle.dumps(function)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise ConfigError(
                "a function for worker processes is one that a module holds under its name, but "
                f"got {function!r}; define it with def in a module, or take workers='thread'"
            ) from error
        self._folder, self._timeout, self._memory = folder_looked_in(), timeout, memory
        self._free = threading.BoundedSemaphore(_processors())
        self._idle: list[_Worker] = []
        weakref.finalize(self, _end, self._idle)

    def call(self, text: str) -> Scored:
        """Return the function's value; blocks, so call it in a thread.

        Raises:
            FailedCallError: It raised something, took too long, or ended its process.
        """
        with self._free:
            worker = self._idle.pop() if self._idle else self._started()
            try:
                found = worker.call(text, self._timeout)
            except BaseException:
                worker.kill()
                raise
            self._idle.append(worker)
        if isinstance(found, str):
            raise FailedCallError(found)
        return found

    def _started(self) -> _Worker:
        return _Worker(self._function, self._folder, self._memory)


class _Worker:
    """One process."""

    def __init__(self, function: bytes, folder: Path | None, memory: int | None) -> None:
        context = multiprocessing.get_context("spawn")
        self._mine, theirs = context.Pipe()
        guarded, self._guard = context.Pipe(duplex=False)  # the guard ends when this is closed
        given = (theirs, guarded, function, folder, memory)
        self._process = context.Process(target=serve, args=given, daemon=True)
        with _safe_path():
            self._process.start()
        theirs.close()
        guarded.close()
        self._begun = False

    def call(self, text: str, timeout: float | None) -> Scored | str:
        """Return the function's value, or what it raised.

        Raises:
            FailedCallError: It took too long, or ended its process.
        """
        try:
            if not self._begun:
                if not self._mine.poll(_BEGIN):
                    raise FailedCallError(f"its module was not imported within {_BEGIN:g} s")
                self._mine.recv()
                self._begun = True
            self._mine.send(text)
            if not self._mine.poll(timeout):
                raise FailedCallError(too_long(timeout))
            found: Scored | str = self._mine.recv()
        except (EOFError, OSError) as error:
            self._process.join(_GONE)
            code = self._process.exitcode
            words = f"the worker process ended with exit code {code}"
            raise FailedCallError(_REASONS.get(code or 0, words)) from error
        return found

    def kill(self) -> None:
        """Kill the process and all that it started."""
        self._mine.close()
        self._guard.close()
        self._process.join(_GONE)
        if self._process.is_alive():  # this system has no guard
            self._process.kill()
            self._process.join(_GONE)


def _end(workers: list[_Worker]) -> None:
    for worker in workers:
        worker.kill()


def _processors() -> int:
    """Return how many processors this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)  # Linux alone has it
    return len(allowed(0)) if allowed else os.cpu_count() or 1


@contextlib.contextmanager
def _safe_path() -> Iterator[None]:
    """Keep a new interpreter from looking for Python's own modules in the working directory."""
    with _starting:  # all threads share one environment
        if os.environ.get(_SAFE):
            yield
            return
        os.environ[_SAFE] = _OURS
        try:
            yield
        finally:
            del os.environ[_SAFE]


def serve(
    connection: Connection,
    guarded: Connection,
    pickled: bytes,
    folder: Path | None,
    memory: int | None,
) -> None:
    """Answer calls in a worker process until nobody asks any more.

    Args:
        connection: Where calls come from and values go.
        guarded: Closed at the other end when this process and all that it started have to end.
        pickled: The function, by reference.
        folder: Where its module is looked for too; None: where Python looks alone.
        memory: See :class:`Processes`.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that asks decides what ends
    if os.environ.get(_SAFE) == _OURS:
        del os.environ[_SAFE]  # Python programs that the function starts look where they always do
    guard(guarded.fileno(), memory)
    with looking_in(folder) if folder else contextlib.nullcontext():
        function: Callable[[str], Any] = pickle.loads(pickled)  # noqa: S301 - by the asking process
    connection.send("begun")
    while True:
        try:
            text = connection.recv()
        except EOFError:
            return
        answer: Scored | str
        try:
            found = function(text)
            given = said(asyncio.run(found) if inspect.iscoroutine(found) else found)
            answer = replace(given, score=value_of(given), aims=dict(given.aims))
        except BaseException as error:  # noqa: BLE001 - the user's code may raise anything
            answer = reason_of(error)
        connection.send(answer)


def too_long(timeout: float | None) -> str:
    """Return the reason of a call that was given up."""
    return f"took longer than {timeout:g} s"


def reason_of(error: BaseException) -> str:
    """Return what was raised, on one line."""
    try:
        words = str(error)
    except Exception:  # noqa: BLE001 - it is the user's class, and its name says enough
        words = ""
    return one_line(f"{type(error).__name__}: {words}" if words else type(error).__name__)
