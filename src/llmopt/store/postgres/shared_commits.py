"""Group commits to a server: one thread writes, and everybody waits for the commit of theirs.

A commit costs one wait for the server's disk however much is in it. While one is under way, all
that arrives is collected for the next. The same is used for looking replies up: a few hundred
coroutines share a question.

A transaction whose connection is lost while it commits may or may not have been committed. The
server knows: each transaction has a number, whose fate is asked for on the next connection.
"""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from llmopt.errors import StoreError
from llmopt.store.postgres.server_link import Lasting, is_passing

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg import Connection

    from llmopt.store.postgres.server_link import Server

T = TypeVar("T")
V = TypeVar("V")

_MOST = 400  # values that one handler gets at a time; a notification has room for as many


@dataclass(frozen=True, slots=True, eq=False)
class Handler(Generic[V, T]):
    """Does something for many who wait, at once.

    Attributes:
        do: Gets the values of those who wait, and returns as many results, in their order.
        repeatable: Whether it may be done a second time with the same values, so that it needs
            no transaction around it.
    """

    do: Callable[[Connection[Any], list[V]], list[T]]
    repeatable: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """A value that a coroutine waits for."""

    handler: Handler[Any, Any]
    value: Any
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]

    def settle(self, result: object, error: Exception | None) -> None:
        """Tell the coroutine; inside its loop."""
        if self.future.done():  # it was cancelled; what it wanted is done all the same
            return
        if error is None:
            self.future.set_result(result)
        else:
            self.future.set_exception(error)


@dataclass(frozen=True, slots=True, eq=False)
class _Work(Generic[T]):
    """Work that a thread waits for."""

    work: Callable[[Connection[Any]], T]
    future: Future[T] = field(default_factory=Future)
    alone: bool = False


class SharedCommits:
    """The user of one connection; all methods may be called from any thread.

    Args:
        server: Where the connection leads.
        connection: An open one to begin with; None: one is made at the first use.
        name: Of the thread.
        plain: Whether each statement is a transaction of its own, as for what is read.
        began: Called with each connection that is made here.
    """

    def __init__(
        self,
        server: Server,
        connection: Connection[Any] | None = None,
        *,
        name: str,
        plain: bool = False,
        began: Callable[[Connection[Any]], None] | None = None,
    ) -> None:
        self._server = server
        self._link = Lasting(server, connection, began)
        self._plain = plain
        self._queue: SimpleQueue[_Asked | _Work[Any] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    async def add(self, handler: Handler[V, T], value: V) -> T:
        """Return what a handler returns for a value; what it writes is durable by then.

        Args:
            handler: Gets this value, and those of others who wait.
            value: What it is to do.

        Raises:
            StoreError: It could not be done.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._submit(_Asked(handler, value, loop, future))
        return await future

    def do(self, work: Callable[[Connection[Any]], T]) -> T:
        """Return what `work` returns for the connection, once its writes are durable.

        Args:
            work: Runs inside a transaction with others'; may raise StoreError before it has
                written anything, which concerns nobody else.

        Raises:
            StoreError: As `work`, or the commit could not be stored.
        """
        return self._awaited(_Work(work))

    def later(self, work: Callable[[Connection[Any]], object]) -> None:
        """Do work with the next commit; nobody waits for it, and everything later comes after it.

        Raises:
            StoreError: The store is closed.
        """
        self._submit(_Work(work))

    def alone(self, work: Callable[[Connection[Any]], T]) -> T:
        """Return what `work` returns for the connection outside of any transaction.

        Raises:
            StoreError: As `work`, or the server refused it.
        """
        return self._awaited(_Work(work, alone=True))

    def close(self) -> None:
        """Do what was given, end the thread and close the connection."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()
        self._link.close()

    def _awaited(self, job: _Work[T]) -> T:
        self._submit(job)
        return job.future.result()

    def _submit(self, one: _Asked | _Work[Any]) -> None:
        # Under the lock, so that nothing can be queued behind the end.
        with self._lock:
            if self._closed:
                raise StoreError(
                    f"the store {self._server.address.shown} is open while it is used, but got a "
                    "call after close(); open it again"
                )
            self._queue.put(one)

    def _serve(self) -> None:
        """Do whatever waits, again and again, until the end comes up."""
        while (first := self._queue.get()) is not None:
            batch = [first]
            ended = False
            with suppress(Empty):
                while not ended:
                    if (one := self._queue.get_nowait()) is None:
                        ended = True
                    else:
                        batch.append(one)
            self._do_batch(batch)
            if ended:
                return

    def _do_batch(self, batch: list[_Asked | _Work[Any]]) -> None:
        """Do a batch in one transaction, then tell everybody who waits for it."""
        shared = [one for one in batch if isinstance(one, _Asked) or not one.alone]
        if shared:
            results: dict[int, Any] = {}
            try:
                self._server.attempt(_Transaction(self._link, shared, results, plain=self._plain))
            except Exception as error:  # noqa: BLE001 - raised again by everybody who waits
                if len(shared) > 1 and self._usable():
                    # One of them is odd: the others shall not suffer from it.
                    for one in shared:
                        self._do_batch([one])
                else:
                    self._tell(shared, results, error)
            else:
                self._tell(shared, results, None)
        for one in batch:
            if isinstance(one, _Work) and one.alone:
                self._do_alone(one)

    def _usable(self) -> bool:
        """Return whether the server takes statements, so that it was one of them that failed."""
        import psycopg

        try:
            self._link.undo()
            self._link.use().execute("SELECT 1")
        except psycopg.Error:
            return False
        return True

    def _do_alone(self, job: _Work[Any]) -> None:
        try:
            job.future.set_result(self._server.attempt(lambda: job.work(self._link.use())))
        except StoreError as refused:
            job.future.set_exception(refused)

    @staticmethod
    def _tell(
        shared: list[_Asked | _Work[Any]], results: dict[int, Any], error: Exception | None
    ) -> None:
        """Wake all who wait, with one call into each event loop."""
        by_loop: defaultdict[asyncio.AbstractEventLoop, list[tuple[_Asked, Any]]]
        by_loop = defaultdict(list)
        for at, one in enumerate(shared):
            result = results.get(at)
            if isinstance(one, _Asked):
                by_loop[one.loop].append((one, result))
            elif error is not None:
                one.future.set_exception(error)
            elif isinstance(result, StoreError):
                one.future.set_exception(result)
            else:
                one.future.set_result(result)
        for loop, settled in by_loop.items():
            # A loop that was closed meanwhile has nobody left who waits.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_settle, settled, error)


def _settle(settled: list[tuple[_Asked, Any]], error: Exception | None) -> None:
    for one, result in settled:
        one.settle(result, error)


class _Transaction:
    """A batch, done when it is called, and done again when it is called again.

    Args:
        link: The connection.
        shared: What is to be done.
        results: Gets what comes out, by place in `shared`.
        plain: As in :class:`SharedCommits`.
    """

    def __init__(
        self,
        link: Lasting,
        shared: list[_Asked | _Work[Any]],
        results: dict[int, Any],
        *,
        plain: bool,
    ) -> None:
        self._link = link
        self._results = results
        self._groups: dict[Handler[Any, Any], list[int]] = {}
        self._values: list[Any] = []
        self._works: list[tuple[int, _Work[Any]]] = []
        self._number: str | None = None  # of the transaction whose commit was lost
        for at, one in enumerate(shared):
            self._values.append(one.value if isinstance(one, _Asked) else None)
            if isinstance(one, _Asked):
                self._groups.setdefault(one.handler, []).append(at)
            else:
                self._works.append((at, one))
        only = next(iter(self._groups)) if len(self._groups) == 1 and not self._works else None
        self._plain = plain or (only is not None and only.repeatable)

    def __call__(self) -> None:
        import psycopg

        connection = self._link.use()
        if self._number is not None:
            row = connection.execute("SELECT pg_xact_status(%s::xid8)", (self._number,)).fetchone()
            self._number = None
            if row and row[0] == "committed":
                return
        try:
            if self._plain:
                self._do(connection)
                return
            number = connection.execute("BEGIN; SELECT pg_current_xact_id()::text")
            number.nextset()
            row = number.fetchone()
            self._do(connection)
            self._number = row[0] if row else None
            connection.execute("COMMIT")
            self._number = None
        except psycopg.Error as error:
            if is_passing(error) != "lost":
                self._number = None
            self._link.undo()
            raise

    def _do(self, connection: Connection[Any]) -> None:
        for handler, places in self._groups.items():
            for start in range(0, len(places), _MOST):
                part = places[start : start + _MOST]
                found = handler.do(connection, [self._values[at] for at in part])
                self._results.update(zip(part, found, strict=True))
        for at, one in self._works:
            try:
                self._results[at] = one.work(connection)
            except StoreError as refused:
                self._results[at] = refused
