"""A second store, as plain as can be: one log of JSON lines, of which every process reads the rest.

It shows that the protocol asks for nothing that SQLite alone has: replies and counters are
written and read in another thread, as a store at the other end of a network would do it. What is
written outlives a kill, but no loss of power.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, get_args

from llmopt.core.store import (
    COUNTERS,
    LABEL,
    PARTIAL,
    STATUS,
    STEP,
    UNSTORED,
    Freed,
    JournalRecord,
    RunInfo,
    Store,
    check_name,
)
from llmopt.core.values import (
    Call,
    Reply,
    Role,
    Usage,
    digest,
    to_json,
)
from llmopt.errors import StoreError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

T = TypeVar("T")


@dataclass
class Kept:
    """What the log says of a run."""

    created: str
    journal: list[JournalRecord] = field(default_factory=list)
    seconds: float = 0.0
    counters: list[int] = field(default_factory=lambda: [0] * COUNTERS)

    def calls(self) -> set[str]:
        """Return the keys in the steps of the run."""
        steps = (record.data for record in self.journal if record.kind == STEP)
        return {key for data in steps for key in data.get("calls", ())}

    def last(self, kind: str) -> dict[str, Any]:
        """Return the data of the last record of a kind."""
        return next((r.data for r in reversed(self.journal) if r.kind == kind), {})


@dataclass
class Told:
    """What the log says so far."""

    runs: dict[str, Kept] = field(default_factory=dict)
    replies: dict[str, dict[str, Any]] = field(default_factory=dict)
    uses: set[tuple[str, str]] = field(default_factory=set)

    def create(self, run: str, created: str) -> None:
        self.runs[run] = Kept(created)

    def append(self, run: str, kind: str, data: dict[str, Any]) -> None:
        journal = self.runs[run].journal
        journal.append(JournalRecord(len(journal), kind, data))

    def put(self, run: str, key: str, **exchange: Any) -> None:
        if key not in self.replies:
            self.replies[key] = {"run": run, **exchange}
        elif self.replies[key]["run"] != run:
            self.use(run, key)

    def use(self, run: str, key: str) -> None:
        self.uses.add((run, key))

    def add_seconds(self, run: str, more: float) -> None:
        self.runs[run].seconds += more

    def count(self, run: str, first: int, amounts: list[int]) -> None:
        for at, amount in enumerate(amounts, first):
            self.runs[run].counters[at] += amount

    def clear(self, run: str) -> None:
        self.runs[run].counters = [0] * COUNTERS

    def rename(self, run: str, name: str) -> None:
        self.runs = {name if known == run else known: kept for known, kept in self.runs.items()}
        self.uses = {(name if user == run else user, key) for user, key in self.uses}
        for reply in self.replies.values():
            reply["run"] = name if reply["run"] == run else reply["run"]

    def delete(self, run: str, keys: list[str]) -> None:
        self.runs.pop(run, None)
        self.uses = {(user, key) for user, key in self.uses if user != run}
        for key in keys:
            del self.replies[key]
        for reply in self.replies.values():
            reply["run"] = "" if reply["run"] == run else reply["run"]

    def unused(self, gone: Callable[[str], bool], but: str = "") -> list[str]:
        """Return the keys that no run uses, but one, of those whose payer is gone."""
        used = {key for user, key in self.uses if user in self.runs and user != but}
        for name, kept in self.runs.items():
            used |= kept.calls() if name != but else set()
        return [
            key for key, reply in self.replies.items() if gone(reply["run"]) and key not in used
        ]


class LogStore(Store):
    """Runs and replies in a folder: the log, a lock for who writes, and a lock for each claim."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._told, self._place = folder, Told(), 0
        self._turn = threading.RLock()
        self._worker = ThreadPoolExecutor(1)
        self._open = True

    def create(self, run: str, config: dict[str, Any]) -> None:
        check_name(run)
        with self._writing() as told:
            if run in told.runs:
                raise StoreError(f"the name of a run is not taken, but got {run!r}")
            self._write("create", run=run, created=datetime.now(UTC).isoformat())
            self._write("append", run=run, kind="config", data=config)

    def runs(self) -> tuple[RunInfo, ...]:
        with self._writing() as told:
            return tuple(self._info(*one) for one in reversed(told.runs.items()))

    def append(self, run: str, kind: str, data: dict[str, Any]) -> None:
        self._do("append", run, kind=kind, data=data)

    def records(self, run: str) -> Iterator[JournalRecord]:
        return iter(tuple(self._kept(run).journal))

    def replies(self, run: str) -> LogReplies:
        self._kept(run)
        return LogReplies(self, run)

    def payer(self, key: str) -> str:
        with self._writing() as told:
            return str(told.replies[key]["run"])

    def exchange(self, key: str) -> tuple[Call, Reply] | None:
        with self._writing() as told:
            kept = told.replies.get(key)
        if kept is None:
            return None
        call, reply = (json.loads(kept[what]) for what in ("call", "reply"))
        return Call.from_json(call), Reply.from_json(reply)

    def spent(self, run: str) -> dict[Role, Usage]:
        self._kept(run)
        spent: dict[Role, Usage] = {role: Usage() for role in get_args(Role)}
        for kept in self._told.replies.values():
            if kept["run"] == run:
                usage = Reply.from_json(json.loads(kept["reply"])).usage
                spent[Call.from_json(json.loads(kept["call"])).role] += usage
        return spent

    def seconds(self, run: str, more: float = 0.0) -> float:
        if more:
            self._do("add_seconds", run, more=more)
        return self._kept(run).seconds

    @contextmanager
    def claim(self, run: str) -> Iterator[None]:
        with self._claim_of(check_name(run)).open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise StoreError(f"run {run!r} is worked on by one process at a time") from error
            yield

    @contextmanager
    def counters(self, run: str) -> Iterator[LogCounters]:
        yield LogCounters(self, run)

    def discard(self, run: str) -> None:
        with self._writing() as told:
            kept = told.runs.get(run)
            paid = any(reply["run"] == run for reply in told.replies.values())
            if (
                kept
                and not paid
                and not any(record.kind in (STEP, UNSTORED) for record in kept.journal)
            ):
                self._write("delete", run=run, keys=[])

    def rename(self, run: str, name: str) -> None:
        self._kept(run)
        with self.claim(run), self.claim(check_name(name)), self._writing() as told:
            if name in told.runs:
                raise StoreError(f"the new name of a run is not taken, but got {name!r}")
            self._write("rename", run=run, name=name)

    def delete(self, run: str) -> Freed:
        self._kept(run)
        with self.claim(run), self._writing() as told:
            return self._remove(run, told.unused(lambda payer: payer == run, run))

    def collect(self) -> Freed:
        with self._writing() as told:
            for run in told.runs:
                if self._is_held(run):
                    raise StoreError(f"nothing is removed while one is at work on {run!r}")
            return self._remove("", told.unused(lambda payer: payer not in told.runs))

    def close(self) -> None:
        self._worker.shutdown()
        self._open = False

    async def elsewhere(self, work: Callable[[], T]) -> T:
        """Do something in another thread; whatever was begun ends before the store is closed."""
        try:
            begun = asyncio.get_running_loop().run_in_executor(self._worker, work)
        except RuntimeError as error:
            raise StoreError("the store is open while it is used") from error
        return await begun

    def found(self, run: str, key: str) -> Reply | None:
        with self._writing() as told:
            kept = told.replies.get(key)
            if kept is None:
                return None
            if kept["run"] != run and (run, key) not in told.uses:
                self._write("use", run=run, key=key)
        return Reply.from_json(json.loads(kept["reply"]))

    def _remove(self, run: str, keys: list[str]) -> Freed:
        replies = [self._told.replies[key] for key in keys]
        self._write("delete", run=run, keys=keys)
        return Freed(len(keys), sum(len(one["call"]) + len(one["reply"]) for one in replies))

    def _info(self, name: str, kept: Kept) -> RunInfo:
        status = kept.last(STATUS).get("status", "running")
        scored = [r for r in kept.journal if isinstance(r.data.get("best"), int | float)]
        label = kept.last(LABEL)
        return RunInfo(
            name,
            kept.created,
            "interrupted" if status == "running" and not self._is_held(name) else status,
            sum(record.kind == STEP for record in kept.journal),
            scored[-1].data["best"] if scored else None,
            tuple(label.get("tags", ())),
            label.get("note", ""),
            bool(scored) and scored[-1].kind == PARTIAL,
        )

    def _claim_of(self, run: str) -> Path:
        return self._folder / f"{digest(run)[:16]}.claim"

    def _is_held(self, run: str) -> bool:
        with self._claim_of(run).open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def _kept(self, run: str) -> Kept:
        with self._writing() as told:
            return told.runs.get(run) or self._unknown(run)

    def _do(self, what: str, run: str, **values: Any) -> None:
        with self._writing() as told:
            if run not in told.runs:
                self._unknown(run)
            self._write(what, run=run, **values)

    def _unknown(self, run: str) -> NoReturn:
        raise StoreError(
            f"a run is one that is there, but got {run!r}{nearest(run, self._told.runs)}"
        )

    @contextmanager
    def _writing(self) -> Iterator[Told]:
        """Keep others out, and read what they have written meanwhile."""
        with self._turn, (self._folder / "lock").open("w") as lock:
            if not self._open:
                raise StoreError("the store is open while it is used")
            fcntl.flock(lock, fcntl.LOCK_EX)
            with (self._folder / "log").open("a+b") as self._log:
                self._log.seek(self._place)
                for line in self._log:
                    if not line.endswith(b"\n"):  # its writer was killed
                        self._log.truncate(self._place)
                        break
                    self._apply(line)
                yield self._told

    def _write(self, what: str, **values: Any) -> None:
        line = (
            json.dumps([what, values], ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"
        )
        self._log.write(line)
        self._log.flush()
        self._apply(line)

    def _apply(self, line: bytes) -> None:
        what, values = json.loads(line.decode("utf-8", "surrogatepass"))
        getattr(self._told, what)(**values)
        self._place += len(line)


class LogReplies:
    """Replies of all runs; what is put is paid for by one of them."""

    def __init__(self, store: LogStore, run: str) -> None:
        self._store, self._run = store, run

    async def get(self, key: str) -> Reply | None:
        return await self._store.elsewhere(lambda: self._store.found(self._run, key))

    async def put(self, key: str, model: str, call: Call, reply: Reply) -> bool:
        values = {"key": key, "model": model, "call": plain(call), "reply": plain(reply)}
        await self._store.elsewhere(lambda: self._store._do("put", self._run, **values))
        return self._store.payer(key) == self._run


class LogCounters:
    """Counters of which each change is a line."""

    def __init__(self, store: LogStore, run: str) -> None:
        self._store, self._run = store, run

    def read(self) -> list[int]:
        return list(self._store._kept(self._run).counters)

    async def add(self, first: int, *amounts: int) -> None:
        values = {"first": first, "amounts": amounts}
        await self._store.elsewhere(lambda: self._store._do("count", self._run, **values))

    def clear(self) -> None:
        self._store._do("clear", self._run)


def plain(value: Call | Reply) -> str:
    """Return a value as JSON; lone surrogates stay."""
    return to_json(value).decode("utf-8", "surrogatepass")
