"""Group commit: one thread writes, and everybody waits for the commit that holds their write.

A commit costs one wait for the disk however much is in it. While one is under way, all that
arrives is collected for the next, so a few hundred calls in flight share a commit.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections import defaultdict
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from llmopt.errors import StoreError
from llmopt.store.sqlite.connection import BROKEN, failure, rollback
from llmopt.store.sqlite.place import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

Row = tuple[Any, ...]
T = TypeVar("T")

# Rows of one INSERT: SQLite takes at most 32,766 parameters, a row has a dozen at most.
_ROWS = 1000

# What is wrong with a row, and not with the storage.
_UNSTORABLE = (
    OverflowError,
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
)

_PATIENCE = 0.002  # seconds that the thread may take to get on before a busy event loop waits
_MOMENT = 0.0001  # seconds in which the writing thread wakes up


@dataclass(frozen=True, slots=True, eq=False)
class _Added:
    """A row that a coroutine waits for."""

    row: Row
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[bool]


@dataclass(frozen=True, slots=True, eq=False)
class _Job(Generic[T]):
    """Work that a thread waits for."""

    work: Callable[[sqlite3.Connection], T]
    future: Future[T] = field(default_factory=Future)
    alone: bool = False


class Writer:
    """The only writer of one connection; all methods may be called from any thread."""

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        insert: Callable[[sqlite3.Connection, list[Row]], frozenset[int]],
    ) -> None:
        """Take over the connection.

        Args:
            path: The store file, for messages.
            connection: In autocommit mode; closed by :meth:`close`.
            insert: Inserts rows given to :meth:`add`, in an open transaction; returns the
                positions of those that were dropped.
        """
        self._path = path
        self._connection = connection
        self._insert = insert
        self._place = Place(path)
        self._queue: SimpleQueue[_Added | _Job[Any] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._awaited: dict[asyncio.AbstractEventLoop, int] = {}  # each loop knows its own only
        self._moves = 0  # how often the thread got hold of the interpreter and got on
        self._closed = False
        self._thread = threading.Thread(target=self._write, name="llmopt-store", daemon=True)
        self._thread.start()

    async def add(self, row: Row) -> bool:
        """Insert a row; it is durable when this returns.

        Returns:
            Whether it was inserted and not dropped for another one.

        Raises:
            StoreError: The row, and all of its commit, could not be stored.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bool] = loop.create_future()
        self._submit(_Added(row, loop, future))
        if loop not in self._awaited:
            self._awaited[loop] = 0
            loop.call_later(_PATIENCE, self._give_way, loop, self._moves)
        self._awaited[loop] += 1
        try:
            return await future
        finally:
            self._awaited[loop] -= 1

    def do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `work` returns for the connection, once its writes are durable.

        Args:
            work: Runs inside a transaction with others'; may raise StoreError before it has
                written anything, which concerns nobody else.

        Raises:
            StoreError: As `work`, or the commit could not be stored.
        """
        job = _Job(work)
        self._submit(job)
        return job.future.result()

    def later(self, work: Callable[[sqlite3.Connection], object]) -> None:
        """Do work with the next commit; nobody waits for it, and everything later comes after it.

        Args:
            work: As in :meth:`do`.

        Raises:
            StoreError: The writer is closed.
        """
        self._submit(_Job(work))

    def alone(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `work` returns for the connection outside of any transaction.

        Raises:
            StoreError: As `work`, or the storage refused it.
        """
        job = _Job(work, alone=True)
        self._submit(job)
        return job.future.result()

    def close(self) -> None:
        """Write what was handed in, end the thread and close the connection."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()
        self._connection.close()

    def _submit(self, one: _Added | _Job[Any]) -> None:
        # Under the lock, so that nothing can be queued behind the end.
        with self._lock:
            if self._closed:
                raise StoreError(
                    f"the store {self._path} is open while it is used, but got a write after "
                    "close(); open it again"
                )
            self._queue.put(one)

    def _give_way(self, loop: asyncio.AbstractEventLoop, seen: int) -> None:
        """Let the writing thread have the interpreter where it did not get on since `seen`.

        An event loop that always has something to do gives the interpreter up in every turn, but
        takes it back before another thread has woken up: the writer would get it when all work
        is done. So this looks again and again while rows are awaited.
        """
        if not self._awaited[loop]:
            del self._awaited[loop]
            return
        if self._moves == seen:
            time.sleep(_MOMENT)
        loop.call_later(_PATIENCE, self._give_way, loop, self._moves)

    def _write(self) -> None:
        """Commit whatever waits, again and again, until the end comes up."""
        while (first := self._queue.get()) is not None:
            batch = [first]
            ended = False
            with suppress(Empty):
                while not ended:
                    if (one := self._queue.get_nowait()) is None:
                        ended = True
                    else:
                        batch.append(one)
            self._moves += 1
            self._commit(batch)
            self._moves += 1
            if ended:
                return

    def _commit(self, batch: list[_Added | _Job[Any]]) -> None:
        """Write a batch in one transaction, then tell everybody who waits for it."""
        added = [one for one in batch if isinstance(one, _Added)]
        jobs = [one for one in batch if isinstance(one, _Job) and not one.alone]
        alone = [one for one in batch if isinstance(one, _Job) and one.alone]
        dropped: set[int] = set()
        outcomes, error = self._attempt(added, jobs, dropped)
        if error is not None:
            rollback(self._connection)
        if added and isinstance(error, _UNSTORABLE):
            self._one_by_one(added)
            self._commit([one for one in (*jobs, *alone) if not one.future.done()])
            return
        _tell(added, error, dropped)
        for job, outcome in outcomes if error is None else ():
            job.future.set_result(outcome)
        for job in jobs if error is not None else ():
            if not job.future.done():
                job.future.set_exception(error)
        for job in alone:
            self._do_alone(job)

    def _attempt(
        self, added: list[_Added], jobs: list[_Job[Any]], dropped: set[int]
    ) -> tuple[list[tuple[_Job[Any], Any]], Exception | None]:
        """Write rows and do jobs; return what the jobs returned, or why nothing is stored."""
        try:
            outcomes: list[tuple[_Job[Any], Any]] = []
            if jobs or len(added) > _ROWS:
                outcomes = self._transaction(added, jobs, dropped)
            elif added:
                # One statement is a transaction by itself. This is the usual case, and before and
                # after each statement this thread may have to wait for a busy event loop.
                dropped |= self._insert(self._connection, [one.row for one in added])
            self._place.check()
        except _UNSTORABLE as odd:
            return [], odd
        except BROKEN as broken:
            return [], failure(self._path, broken)
        except Exception as bug:  # noqa: BLE001 - raised again by everybody who waits
            return [], bug
        return outcomes, None

    def _one_by_one(self, added: list[_Added]) -> None:
        """Insert rows each in a transaction of its own, so that an odd one costs no other."""
        for one in added:
            error: Exception | None = None
            dropped: frozenset[int] = frozenset()
            try:
                dropped = self._insert(self._connection, [one.row])
            except _UNSTORABLE as odd:
                error = StoreError(
                    "a reply has numbers and texts that SQLite holds, but got one that it does "
                    f"not hold ({odd}); mend the model that gave it"
                )
            except BROKEN as broken:
                error = failure(self._path, broken)
            if error is not None:
                rollback(self._connection)
            _tell([one], error, dropped)

    def _do_alone(self, job: _Job[Any]) -> None:
        """Do work that no transaction may surround."""
        try:
            job.future.set_result(job.work(self._connection))
        except BROKEN as broken:
            job.future.set_exception(failure(self._path, broken))

    def _transaction(
        self, added: list[_Added], jobs: list[_Job[Any]], dropped: set[int]
    ) -> list[tuple[_Job[Any], Any]]:
        """Write rows and do jobs in one transaction; return what the jobs returned."""
        connection = self._connection
        outcomes: list[tuple[_Job[Any], Any]] = []
        connection.execute("BEGIN IMMEDIATE")
        for start in range(0, len(added), _ROWS):
            found = self._insert(connection, [one.row for one in added[start : start + _ROWS]])
            dropped |= {start + at for at in found}
        for job in jobs:
            try:
                outcomes.append((job, job.work(connection)))
            except StoreError as refused:
                job.future.set_exception(refused)
        connection.execute("COMMIT")
        return outcomes


def _tell(added: list[_Added], error: Exception | None, dropped: Collection[int]) -> None:
    """Wake the coroutines that wait, with one call into each of their event loops."""
    by_loop: defaultdict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[bool], bool]]]
    by_loop = defaultdict(list)
    for at, one in enumerate(added):
        by_loop[one.loop].append((one.future, at not in dropped))
    for loop, futures in by_loop.items():
        # A loop that was closed meanwhile has nobody left who waits.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle, futures, error)


def _settle(futures: list[tuple[asyncio.Future[bool], bool]], error: Exception | None) -> None:
    for future, inserted in futures:
        if future.done():  # its coroutine was cancelled; the reply is stored all the same
            continue
        if error is None:
            future.set_result(inserted)
        else:
            future.set_exception(error)
