"""Group commits to a SQLite file: many rows go into it by one statement."""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING, Any

from llmopt.errors import StoreError
from llmopt.store.commit_queue import Awaited, CommitJob, CommitQueue, tell
from llmopt.store.sqlite.connection import BROKEN, failure, rollback
from llmopt.store.sqlite.place import Place

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Collection
    from pathlib import Path

    from llmopt.store.sql_store import Row

    WriteJob = CommitJob[sqlite3.Connection, Any]

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


class Writer(CommitQueue[sqlite3.Connection]):
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
        super().__init__(path, "llmopt-store")
        self._path = path
        self._connection = connection
        self._insert = insert
        self._place = Place(path)
        self._awaited: dict[asyncio.AbstractEventLoop, int] = {}  # each loop knows its own only
        self._moves = 0  # how often the thread got hold of the interpreter and got on
        self._thread.start()

    async def add(self, row: Row) -> bool:
        """Insert a row; it is durable when this returns.

        Returns:
            Whether it was inserted and not dropped for another one.

        Raises:
            StoreError: The row, and all of its commit, could not be stored.
        """
        future: asyncio.Future[bool] = self._queued(row)
        loop = future.get_loop()
        if loop not in self._awaited:
            self._awaited[loop] = 0
            loop.call_later(_PATIENCE, self._give_way, loop, self._moves)
        self._awaited[loop] += 1
        try:
            return await future
        finally:
            self._awaited[loop] -= 1

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

    def _do_batch(self, batch: list[Awaited | WriteJob]) -> None:
        self._moves += 1
        self._commit(batch)
        self._moves += 1

    def _disconnect(self) -> None:
        self._connection.close()

    def _commit(self, batch: list[Awaited | WriteJob]) -> None:
        """Write a batch in one transaction, then tell everybody who waits for it."""
        added = [one for one in batch if isinstance(one, Awaited)]
        jobs = [one for one in batch if isinstance(one, CommitJob) and not one.alone]
        alone = [one for one in batch if isinstance(one, CommitJob) and one.alone]
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
        self, added: list[Awaited], jobs: list[WriteJob], dropped: set[int]
    ) -> tuple[list[tuple[WriteJob, Any]], Exception | None]:
        """Write rows and do jobs; return what the jobs returned, or why nothing is stored."""
        try:
            outcomes: list[tuple[WriteJob, Any]] = []
            if jobs or len(added) > _ROWS:
                outcomes = self._transaction(added, jobs, dropped)
            elif added:
                # One statement is a transaction by itself. This is the usual case, and before and
                # after each statement this thread may have to wait for a busy event loop.
                dropped |= self._insert(self._connection, [one.value for one in added])
            self._place.check()
        except _UNSTORABLE as odd:
            return [], odd
        except BROKEN as broken:
            return [], failure(self._path, broken)
        except Exception as bug:  # noqa: BLE001 - raised again by everybody who waits
            return [], bug
        return outcomes, None

    def _one_by_one(self, added: list[Awaited]) -> None:
        """Insert rows each in a transaction of its own, so that an odd one costs no other."""
        for one in added:
            error: Exception | None = None
            dropped: frozenset[int] = frozenset()
            try:
                dropped = self._insert(self._connection, [one.value])
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

    def _do_alone(self, job: WriteJob) -> None:
        """Do work that no transaction may surround."""
        try:
            job.future.set_result(job.work(self._connection))
        except BROKEN as broken:
            job.future.set_exception(failure(self._path, broken))

    def _transaction(
        self, added: list[Awaited], jobs: list[WriteJob], dropped: set[int]
    ) -> list[tuple[WriteJob, Any]]:
        """Write rows and do jobs in one transaction; return what the jobs returned."""
        connection = self._connection
        outcomes: list[tuple[WriteJob, Any]] = []
        connection.execute("BEGIN IMMEDIATE")
        for start in range(0, len(added), _ROWS):
            found = self._insert(connection, [one.value for one in added[start : start + _ROWS]])
            dropped |= {start + at for at in found}
        for job in jobs:
            try:
                outcomes.append((job, job.work(connection)))
            except StoreError as refused:
                job.future.set_exception(refused)
        connection.execute("COMMIT")
        return outcomes


def _tell(added: list[Awaited], error: Exception | None, dropped: Collection[int]) -> None:
    tell(((one, at not in dropped) for at, one in enumerate(added)), error)
