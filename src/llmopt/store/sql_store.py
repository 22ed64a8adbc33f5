"""What stores in SQL have in common: a run is read, counted, renamed and removed in one way.

A store of its own says how its rows are read and written, and which runs are worked on.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby, islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Protocol, TypeVar, get_args

from llmopt.core.store import (
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

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from llmopt.store.commit_queue import CommitQueue

T = TypeVar("T")
Row = tuple[Any, ...]

# Records read at a time: no read stays open meanwhile, which would hold up the log's clearing.
_PAGE = 100

_RUNS = f"""
SELECT name, created,
    (SELECT count(*) FROM $.journal WHERE run = name AND kind = '{STEP}'),
    (SELECT json FROM $.journal WHERE run = name AND kind = '{STATUS}'
        ORDER BY seq DESC LIMIT 1),
    (SELECT best FROM $.journal WHERE run = name AND best IS NOT NULL
        ORDER BY seq DESC LIMIT 1),
    (SELECT json FROM $.journal WHERE run = name AND kind = '{LABEL}'
        ORDER BY seq DESC LIMIT 1),
    (SELECT kind FROM $.journal WHERE run = name AND best IS NOT NULL
        ORDER BY seq DESC LIMIT 1)
FROM $.runs ORDER BY created DESC, $number DESC
"""  # noqa: S608 - our constants

_EMPTY = f"""
DELETE FROM $.runs WHERE name = ?
    AND NOT EXISTS (SELECT 1 FROM $.journal WHERE run = name
        AND kind IN ('{STEP}', '{UNSTORED}'))
    AND NOT EXISTS (SELECT 1 FROM $.replies WHERE run = name)
"""  # noqa: S608 - our constants


class SqlReplies:
    """The replies of all runs; what is put through it is paid for by one of them."""

    def __init__(self, store: ReplyRows, run: str) -> None:
        self._rows = store
        self._run = run

    async def get(self, key: str) -> Reply | None:
        """Return the stored reply, whichever run paid for it, or None."""
        return await self._rows.reply(key, self._run)

    async def put(self, key: str, model: str, call: Call, reply: Reply) -> bool:
        """Store a reply; when this returns, it is on the disk.

        Returns:
            Whether the run is the one that the store has it from.

        Raises:
            StoreError: It could not be stored.
        """
        return await self._rows.add_reply(self._run, key, model, call, reply)


class ReplyRows(Protocol):
    """Where replies are found and stored."""

    async def reply(self, key: str, run: str) -> Reply | None:
        """Return the stored reply, or None; note that the run uses what another one paid for."""
        ...

    async def add_reply(self, run: str, key: str, model: str, call: Call, reply: Reply) -> bool:
        """Store a reply that the run paid for; durable when it returns.

        Returns:
            Whether it is the stored one, and no other run's.
        """
        ...


class SqlStore(Store):
    """A store whose runs, journals and replies are rows.

    In statements given to :meth:`_in_dialect`, ``$.`` is before the name of a table, ``?`` is
    a value and ``$number`` the number of a run's row.
    """

    _DIALECT: ClassVar[tuple[str, str, str]]
    """What ``$.``, ``?`` and ``$number`` are in this dialect."""

    _BACKUP: ClassVar[str]
    """What to do about a store that is damaged."""

    _LEFT: ClassVar[tuple[str, ...]]
    """The tables, in addition to the runs', that hold rows of a run without any reply."""

    _shown: str | Path
    """Where the store is, for messages."""

    _writer: CommitQueue[Any]

    def create(self, run: str, config: dict[str, Any]) -> None:
        """See the protocol."""
        check_name(run)
        data = encoded(canonical(config))
        if not self._writer.do(lambda connection: self._began(connection, run, data)):
            raise StoreError(
                f"the name of a new run is not taken, but got {run!r}, which is in "
                f"{self._shown}; resume that run, or choose another name"
            )

    def config(self, run: str) -> dict[str, Any]:
        """See the protocol."""
        name = self._known_form(run)
        rows = self._read("SELECT json FROM $.journal WHERE run = ? AND seq = 0", name)
        if not rows:
            self._check_known(run)
            raise self._incomplete(run, 0)
        return self._record(rows[0][0], run, 0)

    def has(self, run: str) -> bool:
        """See the protocol."""
        return bool(self._read("SELECT 1 FROM $.runs WHERE name = ?", run))

    def append(self, run: str, kind: str, data: dict[str, Any]) -> None:
        """See the protocol."""
        self.append_all(run, [(kind, data)])

    def runs(self) -> tuple[RunInfo, ...]:
        """See the protocol."""
        infos = []
        for stored, created, steps, last, best, label, of in self._read(_RUNS):
            name = self._built(stored, check_name)
            self._built((created, best), _check_line, f"a line about run {name!r}")
            status: Status = "running" if last is None else self._decoded(last, _status)
            tags, note = self._decoded(label or "{}", _label)
            infos.append(RunInfo(name, created, status, steps, best, tags, note, of == PARTIAL))
        running = [info.name for info in infos if info.status == "running"]
        killed = set(running) - set(self._busy(running)) if running else ()
        return tuple(
            replace(info, status="interrupted") if info.name in killed else info for info in infos
        )

    def records(self, run: str) -> Iterator[JournalRecord]:
        """See the protocol."""
        first = self._page(self._known_form(run), -1)
        if not first:
            self._check_known(run)
        return self._pages(run, first)

    def of_kind(
        self, kind: str, runs: Iterable[str] | None = None
    ) -> Iterator[tuple[str, JournalRecord]]:
        """See the protocol; no other record is read, and those of many runs together."""
        names = iter(self._names() if runs is None else runs)
        while some := list(islice(names, _PAGE)):
            if runs is not None:
                known = f"SELECT name FROM $.runs WHERE name IN ({_marks(some)})"  # noqa: S608 - question marks only
                found = {name for (name,) in self._read(known, *some)}
                if unknown := [run for run in some if run not in found]:
                    self._raise_unknown(unknown[0])
            sql = f"""SELECT run, seq, json FROM $.journal
                WHERE run IN ({_marks(some)}) AND kind = ? ORDER BY run, seq"""  # noqa: S608 - question marks only
            pairs = groupby(self._read(sql, *some, kind), key=itemgetter(0))
            rows = {run: [row[1:] for row in its] for run, its in pairs}
            for run in some:
                for seq, text in rows.get(run, ()):
                    yield run, JournalRecord(seq, kind, self._record(text, run, seq))

    def exchange(self, key: str) -> tuple[Call, Reply] | None:
        """See the protocol."""
        return self.exchanges([key]).get(key)

    def exchanges(self, keys: Iterable[str]) -> dict[str, tuple[Call, Reply]]:
        """See the protocol."""
        found, waiting = dict[str, tuple[Call, Reply]](), iter(dict.fromkeys(keys))
        while some := list(islice(waiting, _PAGE)):
            sql = f"SELECT key, call, reply FROM $.replies WHERE key IN ({_marks(some)})"  # noqa: S608 - question marks only
            for key, call, reply in self._read(sql, *some):
                sent, received = (
                    self._decoded(call, Call.from_json),
                    self._decoded(reply, Reply.from_json),
                )
                found[key] = sent, received
        return found

    def spent(self, run: str) -> dict[Role, Usage]:
        """See the protocol."""
        spent: dict[Role, Usage] = {role: Usage() for role in get_args(Role)}
        if not (sums := self._sums(self._known_form(run))):
            self._check_known(run)
        for role, calls, given, made, estimated, *more in sums:
            spent[role] = Usage(calls, given, made, bool(estimated), *more)
        return spent

    def seconds(self, run: str, more: float = 0.0) -> float:
        """See the protocol."""
        name = self._known_form(run)
        look = "SELECT seconds FROM $.runs WHERE name = ?"
        if more:
            sql = self._in_dialect("UPDATE $.runs SET seconds = seconds + ? WHERE name = ?")

            def work(connection: Any) -> list[Row]:
                connection.execute(sql, (more, name))
                return list(connection.execute(self._in_dialect(look), (name,)))

            rows = self._writer.do(work)
        else:
            rows = self._read(look, name)
        return self._built(rows[0][0], float) if rows else self._raise_unknown(run)

    def discard(self, run: str) -> None:
        """See the protocol."""

        def work(connection: Any) -> None:
            self._check_claimed(run)
            if connection.execute(self._in_dialect(_EMPTY), (run,)).rowcount:
                for table in self._LEFT:
                    sql = f"DELETE FROM $.{table} WHERE run = ?"  # noqa: S608 - our names
                    connection.execute(self._in_dialect(sql), (run,))

        self._writer.do(work)

    def rename(self, run: str, name: str) -> None:
        """See the protocol."""
        taken = self._in_dialect("SELECT 1 FROM $.runs WHERE name = ?")

        def work(connection: Any) -> bool:
            if connection.execute(taken, (check_name(name),)).fetchone():
                raise StoreError(
                    f"the new name of a run is not taken, but got {name!r}; choose another, or "
                    f"delete that run first: llmopt runs delete {name}"
                )
            return self._renamed(connection, run, name)

        self._check_known(run)
        self._check_idle("a run gets another name", run, check_name(name))
        with self.claim(run), self.claim(name) if name != run else nullcontext():
            if not self._writer.do(work):
                self._raise_unknown(run)
            self._moved(run, name)

    def delete(self, run: str) -> Freed:
        """See the protocol."""
        self._check_known(run)
        self._check_idle("a run is deleted", run)
        with self.claim(run):
            freed = self._writer.do(lambda connection: self._deleted(connection, run))
            self._moved(run, None)
        return freed or self._raise_unknown(run)

    def collect(self) -> Freed:
        """See the protocol."""
        self._check_idle("unused replies are removed", *self._names())
        freed = self._writer.do(self._collected)
        return replace(freed, disk=self._writer.alone(self._shrunk))

    @abstractmethod
    def _rows(self, sql: str, values: tuple[str | int, ...] = ()) -> list[Row]:
        """Return what a statement of this dialect finds."""

    @abstractmethod
    def _busy(self, runs: Sequence[str]) -> Collection[str]:
        """Return those of the runs that a living process holds."""

    @abstractmethod
    def _sums(self, run: str) -> list[Row]:
        """Return a row for each role of a run: its name, and the fields of its usage in order."""

    @abstractmethod
    def _began(self, connection: Any, run: str, data: bytes) -> bool:
        """Write a new run with its first record; return False where its name is taken."""

    @abstractmethod
    def _renamed(self, connection: Any, run: str, name: str) -> bool:
        """Give a run a name that is free; return whether there is such a run."""

    @abstractmethod
    def _deleted(self, connection: Any, run: str) -> Freed | None:
        """Remove a run and the replies that only it uses; None: there is no such run."""

    @abstractmethod
    def _collected(self, connection: Any) -> Freed:
        """Remove the replies that were paid for by no run there is, and are used by none."""

    @abstractmethod
    def _shrunk(self, connection: Any) -> int:
        """Give what is empty back to the disk; return its bytes."""

    def _check_claimed(self, run: str) -> None:
        """Refuse to write for a run that is claimed here, but could be claimed by another."""

    def _moved(self, run: str, name: str | None) -> None:
        """Let what is kept of a run outside of the tables follow it to its new name, or go."""

    def _in_dialect(self, sql: str) -> str:
        prefix, mark, number = self._DIALECT
        return sql.replace("$.", prefix).replace("?", mark).replace("$number", number)

    def _read(self, sql: str, *values: str | int) -> list[Row]:
        return self._rows(self._in_dialect(sql), values)

    def _decoded(
        self, data: str | bytes, build: Callable[[dict[str, Any]], T], what: str = "a record"
    ) -> T:
        return self._built(data, lambda data: build(json.loads(data)), what)

    def _record(self, data: str | bytes, run: str, seq: int) -> dict[str, Any]:
        return self._decoded(data, _same, f"record {seq} of run {run!r}")

    def _built(self, value: Any, build: Callable[[Any], T], what: str = "a record") -> T:
        """Build something from a stored value; one that does not fit was damaged on the disk."""
        try:
            return build(value)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise StoreError(
                f"the store {self._shown} is undamaged, but got {what} that cannot be read "
                f"({error!r}); {self._BACKUP}"
            ) from error

    def _page(self, run: str, after: int) -> list[Row]:
        sql = "SELECT seq, kind, json FROM $.journal WHERE run = ? AND seq > ? ORDER BY seq LIMIT ?"
        return self._read(sql, run, after, _PAGE)

    def _pages(self, run: str, rows: list[Row]) -> Iterator[JournalRecord]:
        expected = 0
        while rows:
            for seq, kind, data in rows:
                if seq != expected:
                    raise self._incomplete(run, expected)
                yield JournalRecord(seq, kind, self._record(data, run, seq))
                expected += 1
            rows = self._page(run, expected - 1) if len(rows) == _PAGE else []

    def _incomplete(self, run: str, seq: int) -> StoreError:
        return StoreError(
            f"the journal of run {run!r} in {self._shown} is complete, but record {seq} is "
            f"missing; {self._BACKUP}"
        )

    def _names(self) -> list[str]:
        return [self._built(name, check_name) for (name,) in self._read("SELECT name FROM $.runs")]

    def _known_form(self, run: str) -> str:
        """Return a name that can be looked for; none else is that of a run."""
        try:
            return check_name(run)
        except StoreError:
            self._raise_unknown(run)

    def _check_known(self, run: str) -> None:
        if not self._read("SELECT 1 FROM $.runs WHERE name = ?", self._known_form(run)):
            self._raise_unknown(run)

    def _check_idle(self, what: str, *runs: str) -> None:
        """Refuse what another process would not expect; a claim alone says it less plainly."""
        busy = self._busy(runs)
        if held := next((run for run in runs if run in busy), None):
            raise StoreError(
                f"{what} while no process works on it, but one is at work on {held!r}; wait "
                "for it, or stop it: it can be resumed"
            )

    def _raise_unknown(self, run: str) -> NoReturn:
        hint = nearest(run, self._names()) or "; 'llmopt runs' lists the names"
        raise StoreError(f"a run is one that {self._shown} holds, but got {run!r}{hint}")


def _marks(values: Sequence[str]) -> str:
    return ", ".join(["?"] * len(values))


def encoded(text: str) -> bytes:
    """Return a text as it is stored: UTF-8, with lone surrogates as models may write them."""
    return text.encode("utf-8", "surrogatepass")


def score_of(data: dict[str, Any]) -> float | None:
    """Return the best score that a record tells, if it tells one."""
    best = data.get("best")
    return float(best) if isinstance(best, int | float) else None


def now() -> str:
    """Return the time as a run's row holds it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


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
