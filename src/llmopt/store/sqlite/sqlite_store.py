"""The default store: one SQLite file, read directly and written in group commits."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from llmopt.core.store import CONFIG, Freed, check_name
from llmopt.core.values import Call, Reply, canonical, to_json
from llmopt.errors import StoreError
from llmopt.store.sql_store import Row, SqlReplies, SqlStore, encoded, now, score_of
from llmopt.store.sqlite import maintenance
from llmopt.store.sqlite.connection import BROKEN, connect, failure, open_file
from llmopt.store.sqlite.counters import ledger_of, lent, moved
from llmopt.store.sqlite.group_commit import Writer
from llmopt.store.sqlite.lock import claim_of, holding, is_held
from llmopt.store.sqlite.place import identity_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from llmopt.store.sqlite.counters import MappedCounters
    from llmopt.store.sqlite.place import Identity

_APPEND = """
INSERT INTO journal (run, seq, kind, best, json)
SELECT name, (SELECT coalesce(max(seq) + 1, 0) FROM journal WHERE run = name), ?, ?,
    CAST(? AS TEXT)
FROM runs WHERE name = ?
"""

_FOUND = """
SELECT reply, run = ? OR EXISTS (SELECT 1 FROM uses WHERE uses.key = replies.key AND uses.run = ?)
FROM replies WHERE key = ?
"""

_USE = "INSERT OR IGNORE INTO uses (key, run) VALUES (?, ?)"

_OWNER = "SELECT run FROM replies WHERE key = ?"

_USE_STORED = """
INSERT OR IGNORE INTO uses (key, run) SELECT key, ? FROM replies WHERE key = ? AND run != ?
"""

_SPENT = """
SELECT role, count(*), sum(input_tokens), sum(output_tokens), max(estimated),
    sum(cached_tokens), sum(cache_write_tokens)
FROM replies WHERE run = ? GROUP BY role
"""

_REPLY_ROW = """(?, ?, ?, ?, ?, ?, strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now'),
    CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), ?, ?)"""


class SqliteStore(SqlStore):
    """A store in one SQLite file.

    Several processes may use one file at once. A reply or record is flushed to the disk before
    the method that stores it returns, so it survives a loss of power too.
    """

    _DIALECT = ("", "?", "rowid")
    _BACKUP = "put a backup in its place, or move it away to begin a new one"
    _LEFT = ("journal", "uses")
    _writer: Writer

    def __init__(self, path: Path) -> None:
        """Open the file; create it, and its folder, where it does not exist.

        Raises:
            StoreError: It is no store, a newer version's, damaged, or cannot be opened.
        """
        self._path = self._shown = path.absolute()
        connection, manner = open_file(self._path)
        try:
            self._reader = connect(self._path, manner)
        except BROKEN as error:
            connection.close()
            raise failure(self._path, error) from error
        self._reading = threading.Lock()
        self._claimed: dict[str, Identity | None] = {}  # the files of the locks that are held here
        self._writer = Writer(self._path, connection, _insert_replies)

    def append_all(self, run: str, records: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """See the protocol."""
        rows = [(kind, score_of(data), encoded(canonical(data)), run) for kind, data in records]

        def work(connection: sqlite3.Connection) -> int:
            self._check_claimed(run)
            return connection.executemany(_APPEND, rows).rowcount

        if rows and self._writer.do(work) < len(rows):
            self._raise_unknown(run)

    def replies(self, run: str) -> SqlReplies:
        """See the protocol."""
        self._check_known(run)
        return SqlReplies(self, run)

    async def reply(self, key: str, run: str) -> Reply | None:
        """Return the stored reply, or None; note that the run uses what another one paid for.

        It is read at once: that takes less time than to have another thread do it.
        """
        rows = self._rows(_FOUND, (run, run, key))
        if not rows:
            return None
        text, noted = rows[0]
        if not noted:
            # Nobody waits for this: a step is told later than what it found, in the same queue.
            self._writer.later(lambda writing: writing.execute(_USE, (key, run)))
        return self._decoded(text, Reply.from_json)

    async def add_reply(self, run: str, key: str, model: str, call: Call, reply: Reply) -> bool:
        """Store a reply that the run paid for; durable when it returns.

        Returns:
            Whether it is the stored one, and no other run's.
        """
        usage = reply.usage
        return await self._writer.add(
            (
                key,
                run,
                call.role,
                usage.input_tokens,
                usage.output_tokens,
                usage.estimated,
                encoded(model),
                to_json(call),
                to_json(reply),
                usage.cached_tokens,
                usage.cache_write_tokens,
            )
        )

    @contextmanager
    def claim(self, run: str) -> Iterator[None]:
        """See the protocol."""
        self._check_one_name()
        with holding(self._path, check_name(run)):
            self._claimed[run] = identity_of(claim_of(self._path, run))
            try:
                yield
            finally:
                del self._claimed[run]

    def counters(self, run: str) -> AbstractContextManager[MappedCounters]:
        """See the protocol."""
        return lent(ledger_of(self._path, check_name(run)))

    def close(self) -> None:
        """See the protocol."""
        self._writer.close()
        with self._reading:
            self._reader.close()

    def _rows(self, sql: str, values: tuple[str | int, ...] = ()) -> list[Row]:
        try:
            with self._reading:
                return self._reader.execute(sql, values).fetchall()
        except BROKEN as error:
            raise failure(self._path, error) from error

    def _busy(self, runs: Sequence[str]) -> list[str]:
        return [run for run in runs if is_held(self._path, run)]

    def _sums(self, run: str) -> list[Row]:
        return self._rows(_SPENT, (run,))

    def _began(self, connection: sqlite3.Connection, run: str, data: bytes) -> bool:
        sql = "INSERT OR IGNORE INTO runs (name, created) VALUES (?, ?)"
        if not connection.execute(sql, (run, now())).rowcount:
            return False
        connection.execute(_APPEND, (CONFIG, None, data, run))
        return True

    def _renamed(self, connection: sqlite3.Connection, run: str, name: str) -> bool:
        return maintenance.renamed(connection, run, name)

    def _deleted(self, connection: sqlite3.Connection, run: str) -> Freed | None:
        return maintenance.deleted(connection, run)

    def _collected(self, connection: sqlite3.Connection) -> Freed:
        return maintenance.collected(connection)

    def _shrunk(self, connection: sqlite3.Connection) -> int:
        return maintenance.shrunk(connection)

    def _moved(self, run: str, name: str | None) -> None:
        moved(self._path, run, name)

    def _check_claimed(self, run: str) -> None:
        """Refuse to write for a run whose lock is held here, but could be taken by another."""
        known = self._claimed.get(run)
        if known is not None and identity_of(claim_of(self._path, run)) != known:
            raise StoreError(
                f"the lock of run {run!r} stays in its place while the run is worked on, but got "
                f"another file, or none, in {claim_of(self._path, run).parent}: a second process "
                "may work on the run; see that none does, and resume"
            )

    def _check_one_name(self) -> None:
        """Refuse a file with several names: SQLite keeps a log for each, and so do claims."""
        names = self._path.stat().st_nlink if self._path.exists() else 1
        if names > 1:
            raise StoreError(
                f"a store is worked on under its only name, but {self._path} has {names} (hard "
                "links); copy the file, and name the copy with --store"
            )


def _insert_replies(connection: sqlite3.Connection, rows: list[Row]) -> frozenset[int]:
    """Insert rows; return the positions of those of which another run has stored the reply."""
    # One statement for all rows: after each statement this thread may have to wait until a busy
    # event loop gives up the interpreter.
    places = ", ".join([_REPLY_ROW] * len(rows))
    sql = f"INSERT INTO replies VALUES {places} ON CONFLICT (key) DO NOTHING"  # noqa: S608 - question marks only
    stored = connection.execute(sql, [value for row in rows for value in row]).rowcount
    if stored < len(rows):  # some were there: their keys are used by these runs as well
        connection.executemany(_USE_STORED, [(row[1], row[0], row[1]) for row in rows])
        owners = (connection.execute(_OWNER, (row[0],)).fetchone() for row in rows)
        pairs = enumerate(zip(owners, rows, strict=True))
        return frozenset(at for at, (owner, row) in pairs if owner and owner[0] != row[1])
    return frozenset()
