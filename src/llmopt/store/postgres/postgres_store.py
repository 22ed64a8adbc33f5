"""The store in a PostgreSQL database: read by anybody, written in group commits."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from llmopt.core.store import CONFIG, STEP, Freed, check_name
from llmopt.core.values import Call, Reply, Role, canonical
from llmopt.errors import StoreError
from llmopt.store.postgres import run_removal
from llmopt.store.postgres.call_claims import LEASE, CallClaims
from llmopt.store.postgres.reply_rows import PaidReply, find_replies, note_uses, store_replies
from llmopt.store.postgres.run_claims import RunClaims, held_locks, lock_of
from llmopt.store.postgres.run_numbers import lent_rows
from llmopt.store.postgres.server_address import ServerAddress
from llmopt.store.postgres.server_link import PATIENCE, Server
from llmopt.store.postgres.shared_budget import SharedBank
from llmopt.store.postgres.shared_commits import Handler, SharedCommits
from llmopt.store.postgres.shared_pace import SharedPace
from llmopt.store.sql_store import Row, SqlReplies, SqlStore, encoded, now, score_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from psycopg import Connection

    from llmopt.store.postgres.reply_rows import FoundReply
    from llmopt.store.postgres.run_numbers import RowCounters

T = TypeVar("T")

_READERS = 4  # connections at most for what is read outside of group commits
_ENDING = 30.0  # seconds that closing may wait for a lost server

# The row of the run is locked by this, so that no two records get one number; the holder of an
# older claim than the last one changes nothing.
_APPEND = """
WITH next AS (
    UPDATE llmopt.runs SET length = length + 1 WHERE name = %(run)s AND (
        %(fence)s::bigint IS NULL
        OR %(fence)s = (SELECT fence FROM llmopt.fences WHERE run = %(run)s))
    RETURNING name, length - 1 AS seq
)
INSERT INTO llmopt.journal (run, seq, kind, best, json)
SELECT name, seq, %(kind)s, %(best)s, %(json)s FROM next
"""

_USE_CALLS = """
INSERT INTO llmopt.uses (key, run)
SELECT DISTINCT key, %s FROM unnest(%s::text[]) AS called (key)
WHERE NOT EXISTS (SELECT 1 FROM llmopt.replies WHERE replies.key = called.key AND run = %s)
ORDER BY key ON CONFLICT DO NOTHING
"""

_SPENT = """
SELECT role, sum(calls)::bigint, sum(input_tokens)::bigint, sum(output_tokens)::bigint,
    bool_or(estimated), sum(cached_tokens)::bigint, sum(cache_write_tokens)::bigint
FROM llmopt.spent WHERE run = %s GROUP BY role
"""


class PostgresStore(SqlStore):
    """A store in a PostgreSQL database, in the schema ``llmopt``.

    Any number of processes on any number of machines may use one. A reply or record is on the
    server's disk before the method that stores it returns. A server that is lost in the midst of
    a run is tried again for a while, and nothing is lost; one that cannot be reached at the
    beginning is an error.

    Args:
        url: ``postgresql://user:password@host/database``.
        new: Whether its tables may be made where they are missing.
        patience: Seconds in which a lost server is tried again.
        lease: Seconds after which a process that was not heard of is taken for dead.

    Attributes:
        secrets: The passwords in the URL, which nothing may show.
        calls: The calls that are under way.

    Raises:
        StoreError: The server cannot be reached or refuses it, or its store is a newer version's.
        MissingExtraError: psycopg is not installed.
    """

    _DIALECT = ("llmopt.", "%s", "number")
    _BACKUP = "put a backup in its place, or name another database to begin a new one"
    _LEFT = ("journal", "uses", "spent")
    _writer: SharedCommits

    def __init__(
        self, url: str, *, new: bool = True, patience: float = PATIENCE, lease: float = LEASE
    ) -> None:
        address = ServerAddress.of(url)
        self.secrets = address.secrets
        self._shown = address.shown
        self._server = Server(address, patience)
        from psycopg_pool import ConnectionPool

        first = self._server.opened(new=new)
        self._closed = False
        self._worker = uuid4().hex[:16]
        self._writer = SharedCommits(self._server, first, name="llmopt-store")
        self._reader = SharedCommits(self._server, name="llmopt-lookup", plain=True)
        self._pacer = SharedCommits(self._server, name="llmopt-pace", began=_without_waiting)
        self._claims = RunClaims(self._server)
        self.calls = CallClaims(self._server, self._writer, self._reader, self._worker, lease)
        self._pool: ConnectionPool[Any] = ConnectionPool(
            url,
            kwargs={"autocommit": True, "application_name": "llmopt"},
            min_size=0,
            max_size=_READERS,
            num_workers=1,
            timeout=5.0,
            open=True,
            configure=self._server.prepare,
            name="llmopt",
        )
        self._stored: Handler[PaidReply, bool] = Handler(self._store_replies)
        self._found: Handler[tuple[str, str], FoundReply | None] = Handler(self._find_replies)

    def append_all(self, run: str, records: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """See the protocol."""
        given = list(records)
        called = [key for kind, data in given for key in _called(kind, data)]
        held = {"run": self._known_form(run), "fence": self._claims.fence(run)}
        rows = [
            {**held, "kind": kind, "best": score_of(data), "json": encoded(canonical(data))}
            for kind, data in given
        ]

        def work(connection: Connection[Any]) -> bool:
            # The first one locks the row of the run: all are written, or none is.
            if not all(connection.execute(_APPEND, row).rowcount for row in rows):
                return False
            if called:
                connection.execute(_USE_CALLS, (run, called, run))
            return True

        if not self._writer.do(work):
            self._check_known(run)
            raise StoreError(
                f"run {run!r} is worked on by one process at a time, but another one has taken it "
                "over while the server was away; what is stored is kept: stop this process"
            )

    def replies(self, run: str) -> PostgresReplies:
        """See the protocol."""
        self._check_known(run)
        return PostgresReplies(self, run)

    async def reply(self, key: str, run: str) -> Reply | None:
        """Return the stored reply, or None; note that the run uses what another one paid for."""
        found = await self._reader.add(self._found, (key, run))
        return None if found is None else self._decoded(found.reply, Reply.from_json)

    async def take(self, key: str, run: str) -> Reply | int:
        """Return the reply once it is there, or the number of a call that is to be made here."""
        taken = await self.calls.take(key, run, self._claims.fence(run))
        if isinstance(taken, int):
            return taken
        if not taken.noted:
            self._writer.later(partial(note_uses, uses=[(key, run)]))
        return self._decoded(taken.reply, Reply.from_json)

    async def add_reply(self, run: str, key: str, model: str, call: Call, reply: Reply) -> bool:
        """Store a reply that the run paid for; durable when it returns.

        Returns:
            Whether it is the stored one, and no other run's.
        """
        return await self._writer.add(self._stored, PaidReply(run, key, model, call, reply))

    def bank(self, run: str, prices: Mapping[Role, tuple[float, float]]) -> SharedBank:
        """Return the budget of a run that all processes spend together."""
        return SharedBank(self._writer, self.calls, run, prices)

    def pace(self, endpoint: str, requests: float | None, tokens: float | None) -> SharedPace:
        """Return the caps per minute that all processes keep together."""
        return SharedPace(self._pacer, self.calls, endpoint, requests, tokens)

    def claim(self, run: str) -> AbstractContextManager[None]:
        """See the protocol."""
        return self._claims.hold(check_name(run))

    def counters(self, run: str) -> AbstractContextManager[RowCounters]:
        """See the protocol."""
        return lent_rows(self._writer, check_name(run))

    def close(self) -> None:
        """See the protocol."""
        self._closed = True
        self._server.until = time.monotonic() + _ENDING
        self._pacer.close()
        self._reader.close()  # these may have something for the writer
        self.calls.close()
        self._writer.close()
        self._pool.close()
        self._claims.close()

    def _store_replies(self, connection: Connection[Any], paid: list[PaidReply]) -> list[bool]:
        return store_replies(connection, self._worker, paid)

    def _find_replies(
        self, connection: Connection[Any], wanted: list[tuple[str, str]]
    ) -> list[FoundReply | None]:
        found = find_replies(connection, wanted)
        pairs = zip(wanted, found, strict=True)
        if uses := [pair for pair, one in pairs if one is not None and not one.noted]:
            # Nobody waits for this: a step is told later than what it found, in the same queue.
            self._writer.later(partial(note_uses, uses=uses))
        return found

    def _rows(self, sql: str, values: tuple[str | int, ...] = ()) -> list[Row]:
        return self._ask(lambda connection: connection.execute(sql, values).fetchall())

    def _ask(self, work: Callable[[Connection[Any]], T]) -> T:
        def attempt() -> T:
            with self._pool.connection() as connection:
                return work(connection)

        if self._closed:
            raise StoreError(
                f"the store {self._shown} is open while it is used, but got a question after "
                "close(); open it again"
            )
        return self._server.attempt(attempt)

    def _busy(self, runs: Sequence[str]) -> frozenset[str]:
        held = self._ask(held_locks)
        return frozenset(run for run in runs if lock_of(run) in held)

    def _sums(self, run: str) -> list[Row]:
        return self._rows(_SPENT, (run,))

    def _began(self, connection: Connection[Any], run: str, data: bytes) -> bool:
        sql = "INSERT INTO llmopt.runs (name, created) VALUES (%s, %s) ON CONFLICT DO NOTHING"
        if not connection.execute(sql, (run, now())).rowcount:
            return False
        values = {"run": run, "fence": None, "kind": CONFIG, "best": None, "json": data}
        connection.execute(_APPEND, values)
        return True

    def _renamed(self, connection: Connection[Any], run: str, name: str) -> bool:
        return run_removal.renamed_run(connection, run, name)

    def _deleted(self, connection: Connection[Any], run: str) -> Freed | None:
        return run_removal.deleted_run(connection, run)

    def _collected(self, connection: Connection[Any]) -> Freed:
        return run_removal.collected_replies(connection)

    def _shrunk(self, connection: Connection[Any]) -> int:
        return run_removal.shrunk_tables(connection)


class PostgresReplies(SqlReplies):
    """Replies that several processes share, with their budget and their calls under way."""

    def __init__(self, store: PostgresStore, run: str) -> None:
        super().__init__(store, run)
        self._store = store

    def bank(self, prices: Mapping[Role, tuple[float, float]]) -> SharedBank:
        """See `llmopt.core.model.SharedReplies`."""
        return self._store.bank(self._run, prices)

    def pace(self, endpoint: str, requests: float | None, tokens: float | None) -> SharedPace:
        """See `llmopt.core.model.SharedReplies`."""
        return self._store.pace(endpoint, requests, tokens)

    @asynccontextmanager
    async def once(self, key: str) -> AsyncIterator[Reply | None]:
        """See `llmopt.core.model.SharedReplies`."""
        taken = await self._store.take(key, self._run)
        if not isinstance(taken, int):
            yield taken
            return
        try:
            yield None
        except BaseException:
            self._store.calls.give_up(key, taken)
            raise


def _called(kind: str, data: dict[str, Any]) -> list[str]:
    """Return the keys of the calls that a record of a step names."""
    calls = data.get("calls") if kind == STEP else None
    return [key for key in calls if isinstance(key, str)] if isinstance(calls, list) else []


def _without_waiting(connection: Connection[Any]) -> None:
    """Let commits not wait for the disk."""
    connection.execute("SET synchronous_commit = off")
