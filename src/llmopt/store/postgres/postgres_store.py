"""The store in a PostgreSQL database: read by anybody, written in group commits."""

from __future__ import annotations

import json
import time
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, get_args
from uuid import uuid4

from llmopt.core.store import (
    CONFIG,
    LABEL,
    PARTIAL,
    STATUS,
    STEP,
    UNSTORED,
    Freed,
    JournalRecord,
    RunInfo,
    Status,
    Store,
    check_name,
)
from llmopt.core.values import Call, Reply, Role, Usage, canonical
from llmopt.errors import StoreError, nearest
from llmopt.store.postgres.call_claims import LEASE, CallClaims
from llmopt.store.postgres.reply_rows import (
    PaidReply,
    decoded,
    encoded,
    find_replies,
    note_uses,
    store_replies,
)
from llmopt.store.postgres.run_claims import RunClaims, held_locks, lock_of
from llmopt.store.postgres.run_numbers import lent_rows
from llmopt.store.postgres.run_removal import (
    collected_replies,
    deleted_run,
    renamed_run,
    shrunk_tables,
)
from llmopt.store.postgres.server_address import ServerAddress
from llmopt.store.postgres.server_link import PATIENCE, Server
from llmopt.store.postgres.shared_budget import SharedBank
from llmopt.store.postgres.shared_commits import Handler, SharedCommits
from llmopt.store.postgres.shared_pace import SharedPace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from psycopg import Connection

    from llmopt.store.postgres.reply_rows import FoundReply
    from llmopt.store.postgres.run_numbers import RowCounters

T = TypeVar("T")
Row = tuple[Any, ...]

_BACKUP = "put a backup in its place, or name another database to begin a new one"
_PAGE = 100  # records read at a time
_READERS = 4  # connections at most for what is read outside of group commits
_ENDING = 30.0  # seconds that closing may wait for a lost server

_RUNS = f"""
SELECT name, created,
    (SELECT count(*) FROM llmopt.journal WHERE run = name AND kind = '{STEP}'),
    (SELECT json FROM llmopt.journal WHERE run = name AND kind = '{STATUS}'
        ORDER BY seq DESC LIMIT 1),
    last.best,
    (SELECT json FROM llmopt.journal WHERE run = name AND kind = '{LABEL}'
        ORDER BY seq DESC LIMIT 1),
    last.kind
FROM llmopt.runs LEFT JOIN LATERAL (
    SELECT best, kind FROM llmopt.journal WHERE run = name AND best IS NOT NULL
    ORDER BY seq DESC LIMIT 1
) AS last ON true
ORDER BY created DESC, number DESC
"""  # noqa: S608 - our constants

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

_EMPTY = f"""
DELETE FROM llmopt.runs WHERE name = %s
    AND NOT EXISTS (SELECT 1 FROM llmopt.journal WHERE run = name
        AND kind IN ('{STEP}', '{UNSTORED}'))
    AND NOT EXISTS (SELECT 1 FROM llmopt.replies WHERE run = name)
"""  # noqa: S608 - our constant

_SPENT = """
SELECT role, sum(calls)::bigint, sum(input_tokens)::bigint, sum(output_tokens)::bigint,
    bool_or(estimated), sum(cached_tokens)::bigint, sum(cache_write_tokens)::bigint
FROM llmopt.spent WHERE run = %s GROUP BY role
"""


class PostgresStore(Store):
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

    def create(self, run: str, config: dict[str, Any]) -> None:
        """See the protocol."""
        check_name(run)
        data = encoded(canonical(config))

        def work(connection: Connection[Any]) -> None:
            made = connection.execute(
                "INSERT INTO llmopt.runs (name, created) VALUES (%s, %s) ON CONFLICT DO NOTHING",
                (run, _now()),
            )
            if not made.rowcount:
                raise StoreError(
                    f"the name of a new run is not taken, but got {run!r}, which is in "
                    f"{self._shown}; resume that run, or choose another name"
                )
            values = {"run": run, "fence": None, "kind": CONFIG, "best": None, "json": data}
            connection.execute(_APPEND, values)

        self._writer.do(work)

    def config(self, run: str) -> dict[str, Any]:
        """See the protocol."""
        rows = self._rows("SELECT json FROM llmopt.journal WHERE run = %s AND seq = 0", (run,))
        if not rows:
            self._check_known(run)
            raise self._incomplete(run, 0)
        return self._decoded(rows[0][0], _same, f"record 0 of run {run!r}")

    def runs(self) -> tuple[RunInfo, ...]:
        """See the protocol."""
        infos = []
        held = self._held()
        for name, created, steps, last, best, label, of in self._rows(_RUNS):
            status: Status = "running" if last is None else self._decoded(last, _status)
            if status == "running" and lock_of(name) not in held:
                status = "interrupted"
            tags, note = self._decoded(label or b"{}", _label)
            infos.append(RunInfo(name, created, status, steps, best, tags, note, of == PARTIAL))
        return tuple(infos)

    def append(self, run: str, kind: str, data: dict[str, Any]) -> None:
        """See the protocol."""
        best = data.get("best")
        calls = data.get("calls") if kind == STEP else None
        called = [key for key in calls if isinstance(key, str)] if isinstance(calls, list) else []
        values = {
            "run": self._known_form(run),
            "fence": self._claims.fence(run),
            "kind": kind,
            "best": float(best) if isinstance(best, int | float) else None,
            "json": encoded(canonical(data)),
        }

        def work(connection: Connection[Any]) -> int:
            written = connection.execute(_APPEND, values).rowcount
            if written and called:
                connection.execute(_USE_CALLS, (run, called, run))
            return written

        if not self._writer.do(work):
            self._check_known(run)
            raise StoreError(
                f"run {run!r} is worked on by one process at a time, but another one has taken it "
                "over while the server was away; what is stored is kept: stop this process"
            )

    def records(self, run: str) -> Iterator[JournalRecord]:
        """See the protocol."""
        self._check_known(run)
        return self._pages(run)

    def of_kind(
        self, kind: str, runs: Iterable[str] | None = None
    ) -> Iterator[tuple[str, JournalRecord]]:
        """See the protocol; no other record is read."""
        sql = "SELECT seq, json FROM llmopt.journal WHERE run = %s AND kind = %s ORDER BY seq"
        for run in self._names() if runs is None else runs:
            self._check_known(run)
            for seq, text in self._rows(sql, (run, kind)):
                data = self._decoded(text, _same, f"record {seq} of run {run!r}")
                yield run, JournalRecord(seq, kind, data)

    def replies(self, run: str) -> PostgresReplies:
        """See the protocol."""
        self._check_known(run)
        return PostgresReplies(self, run)

    def exchange(self, key: str) -> tuple[Call, Reply] | None:
        """See the protocol."""
        rows = self._rows("SELECT call, reply FROM llmopt.replies WHERE key = %s", (key,))
        if not rows:
            return None
        call, reply = rows[0]
        return self._decoded(call, Call.from_json), self._decoded(reply, Reply.from_json)

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

    async def add_reply(self, paid: PaidReply) -> bool:
        """Store a reply; durable when it returns.

        Returns:
            Whether it is the stored one, and no other run's.
        """
        return await self._writer.add(self._stored, paid)

    def bank(self, run: str, prices: Mapping[Role, tuple[float, float]]) -> SharedBank:
        """Return the budget of a run that all processes spend together."""
        return SharedBank(self._writer, self.calls, run, prices)

    def pace(self, endpoint: str, requests: float | None, tokens: float | None) -> SharedPace:
        """Return the caps per minute that all processes keep together."""
        return SharedPace(self._pacer, self.calls, endpoint, requests, tokens)

    def spent(self, run: str) -> dict[Role, Usage]:
        """See the protocol."""
        self._check_known(run)
        spent: dict[Role, Usage] = {role: Usage() for role in get_args(Role)}
        for role, *used in self._rows(_SPENT, (run,)):
            spent[role] = Usage(*used)
        return spent

    def seconds(self, run: str, more: float = 0.0) -> float:
        """See the protocol."""
        if more:
            values = (more, self._known_form(run))
            sql = "UPDATE llmopt.runs SET seconds = seconds + %s WHERE name = %s"
            self._writer.do(lambda connection: connection.execute(sql, values))
        self._check_known(run)
        rows = self._rows("SELECT seconds FROM llmopt.runs WHERE name = %s", (run,))
        return float(rows[0][0]) if rows else self._raise_unknown(run)

    def claim(self, run: str) -> AbstractContextManager[None]:
        """See the protocol."""
        return self._claims.hold(check_name(run))

    def counters(self, run: str) -> AbstractContextManager[RowCounters]:
        """See the protocol."""
        return lent_rows(self._writer, check_name(run))

    def discard(self, run: str) -> None:
        """See the protocol."""

        def work(connection: Connection[Any]) -> None:
            if connection.execute(_EMPTY, (run,)).rowcount:
                for table in ("journal", "uses", "spent"):
                    connection.execute(f"DELETE FROM llmopt.{table} WHERE run = %s", (run,))  # noqa: S608 - our names

        self._writer.do(work)

    def rename(self, run: str, name: str) -> None:
        """See the protocol."""
        self._check_known(run)
        self._check_idle("a run gets another name", run, check_name(name))
        with self.claim(run), self.claim(name) if name != run else nullcontext():
            if not self._writer.do(lambda connection: renamed_run(connection, run, name)):
                self._raise_unknown(run)

    def delete(self, run: str) -> Freed:
        """See the protocol."""
        self._check_known(run)
        self._check_idle("a run is deleted", run)
        with self.claim(run):
            freed = self._writer.do(lambda connection: deleted_run(connection, run))
        return freed or self._raise_unknown(run)

    def collect(self) -> Freed:
        """See the protocol."""
        self._check_idle("unused replies are removed", *self._names())
        freed = self._writer.do(collected_replies)
        return replace(freed, disk=self._writer.alone(shrunk_tables))

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
        return self._read(lambda connection: connection.execute(sql, values).fetchall())

    def _read(self, work: Callable[[Connection[Any]], T]) -> T:
        def attempt() -> T:
            with self._pool.connection() as connection:
                return work(connection)

        if self._closed:
            raise StoreError(
                f"the store {self._shown} is open while it is used, but got a question after "
                "close(); open it again"
            )
        return self._server.attempt(attempt)

    def _held(self) -> frozenset[int]:
        return self._read(held_locks)

    def _decoded(
        self, data: bytes, build: Callable[[dict[str, Any]], T], what: str = "a record"
    ) -> T:
        """Build something from stored JSON; what does not fit was damaged on the disk."""
        try:
            return build(json.loads(decoded(data)))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise StoreError(
                f"the store {self._shown} is undamaged, but got {what} that cannot be read "
                f"({error!r}); {_BACKUP}"
            ) from error

    def _pages(self, run: str) -> Iterator[JournalRecord]:
        seq, expected = -1, 0
        sql = """
        SELECT seq, kind, json FROM llmopt.journal WHERE run = %s AND seq > %s ORDER BY seq LIMIT %s
        """
        while rows := self._rows(sql, (run, seq, _PAGE)):
            for seq, kind, data in rows:
                if seq != expected:
                    raise self._incomplete(run, expected)
                record = self._decoded(data, _same, f"record {seq} of run {run!r}")
                yield JournalRecord(seq, kind, record)
                expected += 1

    def _incomplete(self, run: str, seq: int) -> StoreError:
        return StoreError(
            f"the journal of run {run!r} in {self._shown} is complete, but record {seq} is "
            f"missing; {_BACKUP}"
        )

    def _names(self) -> list[str]:
        return [name for (name,) in self._rows("SELECT name FROM llmopt.runs")]

    def _known_form(self, run: str) -> str:
        """Return a name that the server can look for; none else is that of a run."""
        try:
            return check_name(run)
        except StoreError:
            self._raise_unknown(run)

    def _check_known(self, run: str) -> None:
        name = self._known_form(run)
        if not self._rows("SELECT 1 FROM llmopt.runs WHERE name = %s", (name,)):
            self._raise_unknown(run)

    def _check_idle(self, what: str, *runs: str) -> None:
        """Refuse what another process would not expect; a claim alone says it less plainly."""
        held = self._held()
        busy = [run for run in runs if lock_of(run) in held]
        if busy:
            raise StoreError(
                f"{what} while no process works on it, but one is at work on {busy[0]!r}; wait "
                "for it, or stop it: it can be resumed"
            )

    def _raise_unknown(self, run: str) -> NoReturn:
        hint = nearest(run, self._names()) or "; 'llmopt runs' lists the names"
        raise StoreError(f"a run is one that {self._shown} holds, but got {run!r}{hint}")


class PostgresReplies:
    """The replies of all runs; what is put through it is paid for by one of them."""

    def __init__(self, store: PostgresStore, run: str) -> None:
        self._store = store
        self._run = run

    async def get(self, key: str) -> Reply | None:
        """Return the stored reply, whichever run paid for it, or None."""
        return await self._store.reply(key, self._run)

    async def put(self, key: str, model: str, call: Call, reply: Reply) -> bool:
        """Store a reply; when this returns, it is on the server's disk.

        Returns:
            Whether the run is the one that the store has it from.

        Raises:
            StoreError: It could not be stored.
        """
        return await self._store.add_reply(PaidReply(self._run, key, model, call, reply))

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


def _without_waiting(connection: Connection[Any]) -> None:
    """Let commits not wait for the disk."""
    connection.execute("SET synchronous_commit = off")


def _same(data: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise TypeError(f"{type(data).__name__} is no table")
    return data


def _label(data: dict[str, Any]) -> tuple[tuple[str, ...], str]:
    tags, note = tuple(data.get("tags", ())), data.get("note", "")
    if not all(isinstance(text, str) for text in (*tags, note)):
        raise TypeError("tags and notes are texts")
    return tags, note


def _status(data: dict[str, Any]) -> Status:
    status: Status = data["status"]
    if status not in get_args(Status):
        raise ValueError(f"{status!r} is no status")
    return status


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
