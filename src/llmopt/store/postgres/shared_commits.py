"""Group commits to a server: one thread writes, and everybody waits for the commit of theirs.

The same is used for looking replies up: a few hundred coroutines share a question.

A transaction whose connection is lost while it commits may or may not have been committed. The
server knows: each transaction has a number, whose fate is asked for on the next connection.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from llmopt.errors import StoreError
from llmopt.store.commit_queue import Awaited, CommitJob, CommitQueue, tell
from llmopt.store.postgres.server_link import Lasting, is_passing

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from psycopg import Connection

    from llmopt.store.postgres.server_link import Server

    ServerJob = CommitJob[Connection[Any], Any]

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


class SharedCommits(CommitQueue["Connection[Any]"]):
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
        super().__init__(server.address.shown, name)
        self._server = server
        self._link = Lasting(server, connection, began)
        self._plain = plain
        self._thread.start()

    async def add(self, handler: Handler[V, T], value: V) -> T:
        """Return what a handler returns for a value; what it writes is durable by then.

        Args:
            handler: Gets this value, and those of others who wait.
            value: What it is to do.

        Raises:
            StoreError: It could not be done.
        """
        future: asyncio.Future[T] = self._queued((handler, value))
        return await future

    def _disconnect(self) -> None:
        self._link.close()

    def _do_batch(self, batch: list[Awaited | ServerJob]) -> None:
        shared = [one for one in batch if isinstance(one, Awaited) or not one.alone]
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
            if isinstance(one, CommitJob) and one.alone:
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

    def _do_alone(self, job: ServerJob) -> None:
        try:
            job.future.set_result(self._server.attempt(lambda: job.work(self._link.use())))
        except StoreError as refused:
            job.future.set_exception(refused)

    @staticmethod
    def _tell(
        shared: list[Awaited | ServerJob], results: dict[int, Any], error: Exception | None
    ) -> None:
        """Wake all who wait, with one call into each event loop."""
        asked = []
        for at, one in enumerate(shared):
            result = results.get(at)
            if isinstance(one, Awaited):
                asked.append((one, result))
            elif error is not None:
                one.future.set_exception(error)
            elif isinstance(result, StoreError):
                one.future.set_exception(result)
            else:
                one.future.set_result(result)
        tell(asked, error)


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
        shared: list[Awaited | ServerJob],
        results: dict[int, Any],
        *,
        plain: bool,
    ) -> None:
        self._link = link
        self._results = results
        self._groups: dict[Handler[Any, Any], list[int]] = {}
        self._values: dict[int, Any] = {}
        self._works: list[tuple[int, ServerJob]] = []
        self._number: str | None = None  # of the transaction whose commit was lost
        for at, one in enumerate(shared):
            if isinstance(one, Awaited):
                handler, value = one.value
                self._groups.setdefault(handler, []).append(at)
                self._values[at] = value
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
