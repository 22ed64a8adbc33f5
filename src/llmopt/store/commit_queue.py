"""Group commit: one thread writes, and everybody waits for the commit that holds their write.

A commit costs one wait for the disk however much is in it. While one is under way, all that
arrives is collected for the next, so a few hundred calls in flight share a commit. What coroutines
want stored in one turn of their event loop wakes the thread once.
"""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections import defaultdict
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from llmopt.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

C = TypeVar("C")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Awaited:
    """What a coroutine waits for: a row, or what is done with a value."""

    value: Any
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]


@dataclass(frozen=True, slots=True, eq=False)
class CommitJob(Generic[C, T]):
    """Work that a thread waits for."""

    work: Callable[[C], T]
    future: Future[T] = field(default_factory=Future)
    alone: bool = False


class CommitQueue(ABC, Generic[C]):
    """The only user of one connection; all methods may be called from any thread.

    Args:
        shown: Where the store is, for messages.
        name: Of the thread, which :meth:`_start` begins.
    """

    def __init__(self, shown: str | Path, name: str) -> None:
        self._shown = shown
        self._queue: SimpleQueue[list[Awaited] | CommitJob[C, Any] | None] = SimpleQueue()
        self._held: dict[asyncio.AbstractEventLoop, list[Awaited]] = {}  # in this turn of each
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)

    def do(self, work: Callable[[C], T]) -> T:
        """Return what `work` returns for the connection, once its writes are durable.

        Args:
            work: Runs inside a transaction with others'; may raise StoreError before it has
                written anything, which concerns nobody else.

        Raises:
            StoreError: As `work`, or the commit could not be stored.
        """
        job = CommitJob(work)
        self._submit(job)
        return job.future.result()

    def later(self, work: Callable[[C], object]) -> None:
        """Do work with the next commit; nobody waits for it, and everything later comes after it.

        Args:
            work: As in :meth:`do`.

        Raises:
            StoreError: The store is closed.
        """
        self._submit(CommitJob(work))

    def alone(self, work: Callable[[C], T]) -> T:
        """Return what `work` returns for the connection outside of any transaction.

        Raises:
            StoreError: As `work`, or the storage refused it.
        """
        job = CommitJob(work, alone=True)
        self._submit(job)
        return job.future.result()

    def close(self) -> None:
        """Do what was passed, end the thread and close the connection."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._pass_on()
                self._queue.put(None)
        self._thread.join()
        self._disconnect()

    @abstractmethod
    def _do_batch(self, batch: list[Awaited | CommitJob[C, Any]]) -> None:
        """Do a batch, in one transaction where that is possible, and tell all who wait for it."""

    @abstractmethod
    def _disconnect(self) -> None:
        """Close the connection."""

    def _submit(self, job: CommitJob[C, Any]) -> None:
        # Under the lock, so that nothing can be queued behind the end.
        with self._lock:
            self._check_open()
            self._pass_on()
            self._queue.put(job)

    def _queued(self, value: Any) -> asyncio.Future[Any]:
        """Queue a value at the end of this turn of the event loop; return what becomes of it."""
        loop = asyncio.get_running_loop()
        one = Awaited(value, loop, loop.create_future())
        with self._lock:
            self._check_open()
            if loop not in self._held:
                self._held[loop] = []
                loop.call_soon(self._end_turn, loop)
            self._held[loop].append(one)
        return one.future

    def _end_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            if held := self._held.pop(loop, None):
                self._queue.put(held)

    def _pass_on(self) -> None:
        """Queue all that is held, before what comes now; called under the lock."""
        for held in self._held.values():
            self._queue.put(held)
        self._held.clear()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError(
                f"the store {self._shown} is open while it is used, but got a call after "
                "close(); open it again"
            )

    def _serve(self) -> None:
        """Do whatever waits, again and again, until the end comes up."""
        while (first := self._queue.get()) is not None:
            batch: list[Awaited | CommitJob[C, Any]] = []
            one: list[Awaited] | CommitJob[C, Any] | None = first
            with suppress(Empty):
                while one is not None:
                    batch += one if isinstance(one, list) else [one]
                    one = self._queue.get_nowait()
            ended = one is None
            self._do_batch(batch)
            if ended:
                return


def tell(results: Iterable[tuple[Awaited, Any]], error: Exception | None) -> None:
    """Wake the coroutines that wait, with one call into each of their event loops."""
    by_loop: defaultdict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]]
    by_loop = defaultdict(list)
    for one, result in results:
        by_loop[one.loop].append((one.future, result))
    for loop, futures in by_loop.items():
        # A loop that was closed meanwhile has nobody left who waits.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle, futures, error)


def _settle(futures: list[tuple[asyncio.Future[Any], Any]], error: Exception | None) -> None:
    for future, result in futures:
        if future.done():  # its coroutine was cancelled; what it wanted is done all the same
            continue
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
