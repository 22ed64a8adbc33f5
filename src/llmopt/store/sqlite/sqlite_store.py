"""The default store: one SQLite file, read directly and written in group commits."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, get_args

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
from llmopt.core.values import (
    Call,
    Reply,
    Role,
    Usage,
    canonical,
    to_json,
)
from llmopt.errors import StoreError, nearest
from llmopt.store.sqlite.connection import (
    BROKEN,
    connect,
    encoded,
    failure,
    open_file,
)
from llmopt.store.sqlite.counters import ledger_of, lent, moved
from llmopt.store.sqlite.group_commit import Row, Writer
from llmopt.store.sqlite.lock import claim_of, holding, is_held
from llmopt.store.sqlite.maintenance import (
    collected,
    deleted,
    renamed,
    shrunk,
)
from llmopt.store.sqlite.place import identity_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from llmopt.store.sqlite.counters import MappedCounters
    from llmopt.store.sqlite.place import Identity

T = TypeVar("T")

_BACKUP = "put a backup in its place, or move it away to begin a new one"

# Records read at a time: no read stays open meanwhile, which would hold up the log's clearing.
_PAGE = 100

_RUNS = f"""
SELECT name, created,
    (SELECT count(*) FROM journal WHERE run = name AND kind = '{STEP}'),
    (SELECT json FROM journal WHERE run = name AND kind = '{STATUS}' ORDER BY seq DESC LIMIT 1),
    (SELECT best FROM journal WHERE run = name AND best IS NOT NULL ORDER BY seq DESC LIMIT 1),
    (SELECT json FROM journal WHERE run = name AND kind = '{LABEL}' ORDER BY seq DESC LIMIT 1),
    (SELECT kind FROM journal WHERE run = name AND best IS NOT NULL ORDER BY seq DESC LIMIT 1)
FROM runs ORDER BY created DESC, rowid DESC
"""  # noqa: S608 - constants of ours

_APPEND = """
INSERT INTO journal (run, seq, kind, best, json)
SELECT name, (SELECT coalesce(max(seq) + 1, 0) FROM journal WHERE run = name), ?, ?,
    CAST(? AS TEXT)
FROM runs WHERE name = ?
"""

_EMPTY = f"""
DELETE FROM runs WHERE name = ?
    AND NOT EXISTS (SELECT 1 FROM journal WHERE run = ? AND kind IN ('{STEP}', '{UNSTORED}'))
    AND NOT EXISTS (SELECT 1 FROM replies WHERE run = ?)
"""  # noqa: S608 - constants of ours

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

_ADD_SECONDS = "UPDATE runs SET seconds = seconds + ? WHERE name = ?"

_REPLY_ROW = """(?, ?, ?, ?, ?, ?, strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now'),
    CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), ?, ?)"""


class SqliteStore(Store):
    """A store in one SQLite file.

    Several processes may use one file at once. A reply or record is flushed to the disk before
    the method that stores it returns, so it survives a loss of power too.
    """

    def __init__(self, path: Path) -> None:
        """Open the file; create it, and its folder, where it does not exist.

        Raises:
            StoreError: It is no store, a newer version's, damaged, or cannot be opened.
        """
        self._path = path.absolute()
        connection, manner = open_file(self._path)
        try:
            self._reader = connect(self._path, manner)
        except BROKEN as error:
            connection.close()
            raise failure(self._path, error) from error
        self._reading = threading.Lock()
        self._claimed: dict[str, Identity | None] = {}  # the files of the locks that are held here
        self._writer = Writer(self._path, connection, _insert_replies)

    def create(self, run: str, config: dict[str, Any]) -> None:
        """See the protocol."""
        check_name(run)
        data = encoded(canonical(config))

        def work(connection: sqlite3.Connection) -> None:
            made = connection.execute(
                "INSERT OR IGNORE INTO runs (name, created) VALUES (?, ?)", (run, _now())
            )
            if not made.rowcount:
                raise StoreError(
                    f"the name of a new run is not taken, but got {run!r}, which is in "
                    f"{self._path}; resume that run, or choose another name"
                )
            connection.execute(_APPEND, (CONFIG, None, data, run))

        self._writer.do(work)

    def config(self, run: str) -> dict[str, Any]:
        """See the protocol."""
        rows = self._rows("SELECT json FROM journal WHERE run = ? AND seq = 0", (run,))
        if not rows:
            self._check_known(run)
            raise self._incomplete(run, 0)
        return self._decoded(rows[0][0], _same, f"record 0 of run {run!r}")

    def runs(self) -> tuple[RunInfo, ...]:
        """See the protocol."""
        infos = []
        for stored, created, steps, last, best, label, of in self._rows(_RUNS):
            name = self._built(stored, check_name)
            self._built((created, best), _check_line, f"a line about run {name!r}")
            status = "running" if last is None else self._decoded(last, _status)
            if status == "running" and not is_held(self._path, name):
                status = "interrupted"
            tags, note = self._decoded(label or "{}", _label)
            infos.append(RunInfo(name, created, status, steps, best, tags, note, of == PARTIAL))
        return tuple(infos)

    def append(self, run: str, kind: str, data: dict[str, Any]) -> None:
        """See the protocol."""
        best = data.get("best")
        number = float(best) if isinstance(best, int | float) else None
        row = (kind, number, encoded(canonical(data)), run)

        def work(connection: sqlite3.Connection) -> int:
            self._check_claimed(run)
            return connection.execute(_APPEND, row).rowcount

        if not self._writer.do(work):
            self._raise_unknown(run)

    def records(self, run: str) -> Iterator[JournalRecord]:
        """See the protocol."""
        self._check_known(run)
        return self._pages(run)

    def of_kind(
        self, kind: str, runs: Iterable[str] | None = None
    ) -> Iterator[tuple[str, JournalRecord]]:
        """See the protocol; no other record is read."""
        sql = "SELECT seq, json FROM journal WHERE run = ? AND kind = ? ORDER BY seq"
        for run in self._names() if runs is None else runs:
            self._check_known(run)
            for seq, text in self._rows(sql, (run, kind)):
                data = self._decoded(text, _same, f"record {seq} of run {run!r}")
                yield run, JournalRecord(seq, kind, data)

    def replies(self, run: str) -> SqliteReplies:
        """See the protocol."""
        self._check_known(run)
        return SqliteReplies(self, run)

    def exchange(self, key: str) -> tuple[Call, Reply] | None:
        """See the protocol."""
        rows = self._rows("SELECT call, reply FROM replies WHERE key = ?", (key,))
        if not rows:
            return None
        call, reply = rows[0]
        return self._decoded(call, Call.from_json), self._decoded(reply, Reply.from_json)

    def reply(self, key: str, run: str) -> Reply | None:
        """Return the stored reply, or None; note that the run uses what another one paid for."""
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

    def spent(self, run: str) -> dict[Role, Usage]:
        """See the protocol."""
        self._check_known(run)
        spent: dict[Role, Usage] = {role: Usage() for role in get_args(Role)}
        for role, calls, given, made, estimated, *cache in self._rows(_SPENT, (run,)):
            spent[role] = Usage(calls, given, made, bool(estimated), *cache)
        return spent

    def seconds(self, run: str, more: float = 0.0) -> float:
        """See the protocol."""
        if more:
            values = (more, run)
            self._writer.do(lambda writing: writing.execute(_ADD_SECONDS, values))
        rows = self._rows("SELECT seconds FROM runs WHERE name = ?", (run,))
        if not rows:
            self._raise_unknown(run)
        return self._built(rows[0][0], float)

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

    def discard(self, run: str) -> None:
        """See the protocol."""

        def work(connection: sqlite3.Connection) -> None:
            self._check_claimed(run)
            if connection.execute(_EMPTY, (run, run, run)).rowcount:
                connection.execute("DELETE FROM journal WHERE run = ?", (run,))
                connection.execute("DELETE FROM uses WHERE run = ?", (run,))

        self._writer.do(work)

    def rename(self, run: str, name: str) -> None:
        """See the protocol."""
        self._check_known(run)
        self._check_idle("a run gets another name", run, check_name(name))
        with self.claim(run), self.claim(name) if name != run else nullcontext():
            if not self._writer.do(lambda writing: renamed(writing, run, name)):
                self._raise_unknown(run)
            moved(self._path, run, name)

    def delete(self, run: str) -> Freed:
        """See the protocol."""
        self._check_known(run)
        self._check_idle("a run is deleted", run)
        with self.claim(run):
            freed = self._writer.do(lambda connection: deleted(connection, run))
            moved(self._path, run, None)
        return freed or self._raise_unknown(run)

    def collect(self) -> Freed:
        """See the protocol."""
        self._check_idle("unused replies are removed", *self._names())
        freed = self._writer.do(collected)
        return replace(freed, disk=self._writer.alone(shrunk))

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

    def _decoded(
        self, text: str, build: Callable[[dict[str, Any]], T], what: str = "a record"
    ) -> T:
        return self._built(text, lambda text: build(json.loads(text)), what)

    def _built(self, value: Any, build: Callable[[Any], T], what: str = "a record") -> T:
        """Build something from a stored value; one that does not fit was damaged on the disk."""
        try:
            return build(value)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise StoreError(
                f"the store {self._path} is undamaged, but got {what} that cannot be read "
                f"({error!r}); {_BACKUP}"
            ) from error

    def _pages(self, run: str) -> Iterator[JournalRecord]:
        seq, expected = -1, 0
        sql = "SELECT seq, kind, json FROM journal WHERE run = ? AND seq > ? ORDER BY seq LIMIT ?"
        while rows := self._rows(sql, (run, seq, _PAGE)):
            for seq, kind, text in rows:
                if seq != expected:
                    raise self._incomplete(run, expected)
                yield JournalRecord(
                    seq, kind, self._decoded(text, _same, f"record {seq} of run {run!r}")
                )
                expected += 1

    def _incomplete(self, run: str, seq: int) -> StoreError:
        return StoreError(
            f"the journal of run {run!r} in {self._path} is complete, but record {seq} is missing; "
            f"{_BACKUP}"
        )

    def _names(self) -> list[str]:
        return [self._built(name, check_name) for (name,) in self._rows("SELECT name FROM runs")]

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

    def _check_known(self, run: str) -> None:
        if not self._rows("SELECT 1 FROM runs WHERE name = ?", (run,)):
            self._raise_unknown(run)

    def _check_idle(self, what: str, *runs: str) -> None:
        """Refuse what another process would not expect; a claim alone says it less plainly."""
        busy = [run for run in runs if is_held(self._path, run)]
        if busy:
            raise StoreError(
                f"{what} while no process works on it, but one is at work on {busy[0]!r}; wait "
                "for it, or stop it: it can be resumed"
            )

    def _raise_unknown(self, run: str) -> NoReturn:
        hint = nearest(run, self._names()) or "; 'llmopt runs' lists the names"
        raise StoreError(f"a run is one that {self._path} holds, but got {run!r}{hint}")


class SqliteReplies:
    """The replies of all runs; what is put through it is paid for by one of them."""

    def __init__(self, store: SqliteStore, run: str) -> None:
        self._store = store
        self._run = run

    async def get(self, key: str) -> Reply | None:
        """Return the stored reply, whichever run paid for it, or None.

        It is read at once: that takes less time than to have another thread do it.
        """
        return self._store.reply(key, self._run)

    async def put(self, key: str, model: str, call: Call, reply: Reply) -> bool:
        """Store a reply; when this returns, it is on the disk.

        Returns:
            Whether the run is the one that the store has it from.

        Raises:
            StoreError: It could not be stored.
        """
        return await self._store.add_reply(self._run, key, model, call, reply)


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


def _same(data: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise TypeError(f"{type(data).__name__} is no table")
    return data


def _check_line(values: tuple[object, object]) -> None:
    created, best = values
    if not isinstance(created, str) or not isinstance(best, float | int | None):
        raise TypeError(f"{created!r} and {best!r} are no date and no score")


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
