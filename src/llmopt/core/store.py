"""The protocol of a store of runs, and the small values it returns.

A run is kept as a journal (numbered records, the first of which is its configuration) and as
the replies of language models it paid for. Whatever a method has stored when it returns
survives the death of the process.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from llmopt.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager

    from llmopt.core.model import Counters, Replies
    from llmopt.core.values import (
        Call,
        Reply,
        Role,
        Usage,
    )

Status = Literal["running", "done", "interrupted", "failed", "budget"]

CONFIG = "config"
"""Kind of a journal's first record: its data is the run's configuration."""

STATUS = "status"
"""Kind of the records that say how a run stands: data ``{"status": Status}``."""

STEP = "step"
"""Kind of the records that :attr:`RunInfo.steps` counts."""

UNSTORED = "unstored"
"""Kind of the records of calls that a run paid for and whose replies are not stored under it."""

PARTIAL = "partial"
"""Kind of the records whose ``data["best"]`` is a partial score."""

LABEL = "label"
"""Kind of the records that say what the user calls a run: data ``{"tags": [...], "note": "..."}``,
of which the last one holds."""

COUNTERS = 16
"""How many counters a run has: whole numbers, 0 at first, each between -2⁶³ and 2⁶³-1."""

LONGEST_NAME = 64
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class JournalRecord:
    """One entry of a run's journal.

    Attributes:
        seq: Its number in the journal; the configuration has 0, and no number is missing.
        kind: What it is about: ``config``, ``status``, ``step``, or the writer's own word.
        data: Plain JSON data.
    """

    seq: int
    kind: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RunInfo:
    """One line about a run.

    Attributes:
        name: The run's name.
        created: When it was created: ISO 8601, UTC, milliseconds.
        status: What its last status record says, ``running`` where it has none; a running one
            that no living process claims is ``interrupted``.
        steps: How many records of kind ``step`` it has.
        best: ``data["best"]`` of the last record that has a number there, or None.
        partial: Whether that record is of kind ``partial``.
        tags: The words of its last label record, sorted.
        note: The sentence of its last label record.
    """

    name: str
    created: str
    status: Status
    steps: int
    best: float | None
    tags: tuple[str, ...] = ()
    note: str = ""
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Freed:
    """What was removed from a store.

    Attributes:
        replies: How many replies.
        bytes: Size of their calls and texts.
        disk: Bytes that the storage gave back to the disk; what is removed without it is room
            for new replies.
    """

    replies: int
    bytes: int
    disk: int = 0


class Store(Protocol):
    """Runs and replies, kept durably.

    All methods may be called from any thread. What is done for each call to a model is ``async``:
    the methods of :meth:`replies` and :meth:`counters`. Every method that names a run raises
    StoreError, with the nearest known name, where the run does not exist (except :meth:`create`,
    :meth:`claim`, :meth:`counters`, :meth:`discard`); every method raises StoreError where the
    storage cannot be read or written. A store that an older version has written is brought up to
    date when it is opened.

    A class that names this one as its base need not define :meth:`config`, :meth:`new_name`,
    :meth:`has`, :meth:`append_all`, :meth:`of_kind` and :meth:`exchanges`.
    """

    def create(self, run: str, config: dict[str, Any]) -> None:
        """Create a run; `config` becomes the first record of its journal.

        Raises:
            StoreError: The name is taken or breaks the rule of :func:`check_name`.
        """
        ...

    def new_name(self, base: str) -> str:
        """Return the first free name of `base`, `base`-2, `base`-3 … (shortened to fit)."""
        return free_name(base, (info.name for info in self.runs()))

    def config(self, run: str) -> dict[str, Any]:
        """Return the configuration the run was created with."""
        return next(iter(self.records(run))).data

    def runs(self) -> tuple[RunInfo, ...]:
        """Return one line about every run, newest first."""
        ...

    def has(self, run: str) -> bool:
        """Return whether there is a run of this name."""
        return any(info.name == run for info in self.runs())

    def append(self, run: str, kind: str, data: dict[str, Any]) -> None:
        """Write the next record of the run's journal; durable when it returns."""
        ...

    def append_all(self, run: str, records: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """Write the next records, kind and data each; durable when it returns.

        A store in SQL waits once for all of them, and has all or none.
        """
        for kind, data in records:
            self.append(run, kind, data)

    def records(self, run: str) -> Iterator[JournalRecord]:
        """Yield the run's journal in order, a few records in memory at a time."""
        ...

    def of_kind(
        self, kind: str, runs: Iterable[str] | None = None
    ) -> Iterator[tuple[str, JournalRecord]]:
        """Yield the records of one kind in several journals, each with the name of its run.

        Args:
            kind: See :class:`JournalRecord`.
            runs: Names of existing runs; None: all, in no particular order. The records of a run
                come in their order.
        """
        for run in [info.name for info in self.runs()] if runs is None else runs:
            for record in self.records(run):
                if record.kind == kind:
                    yield run, record

    def replies(self, run: str) -> Replies:
        """Return the replies of all runs; what is put through it is paid for by `run`.

        A second reply under a stored key is dropped without an error: the first stays. What is
        found through it, or dropped, is used by `run`: see :meth:`delete`.
        """
        ...

    def exchange(self, key: str) -> tuple[Call, Reply] | None:
        """Return what was sent and received under a reply's key, or None."""
        ...

    def exchanges(self, keys: Iterable[str]) -> dict[str, tuple[Call, Reply]]:
        """Return what was sent and received under those of the keys that have a reply."""
        found = ((key, self.exchange(key)) for key in keys)
        return {key: pair for key, pair in found if pair is not None}

    def spent(self, run: str) -> dict[Role, Usage]:
        """Return the usage of the replies the run paid for, for every role."""
        ...

    def seconds(self, run: str, more: float = 0.0) -> float:
        """Return the wall time the run has used, in seconds, with `more`, which is added to it.

        What is added is durable when this returns.
        """
        ...

    def claim(self, run: str) -> AbstractContextManager[None]:
        """Hold the run for this process while the context lasts.

        The claim ends with the process, however that dies. The run need not exist yet.

        Raises:
            StoreError: On entering: the run is claimed already, here or in another process.
        """
        ...

    def counters(self, run: str) -> AbstractContextManager[Counters]:
        """Lend the :data:`COUNTERS` numbers of a run while the context lasts.

        They go with the run to another name. Only who has claimed the run uses them.
        """
        ...

    def discard(self, run: str) -> None:
        """Remove a run that has cost nothing, so that a false start leaves nothing.

        One that has a step, a reply or a record of kind :data:`UNSTORED` stays as it is, and a run
        that does not exist is none to remove.
        """
        ...

    def rename(self, run: str, name: str) -> None:
        """Give a run another name; its journal, replies and time go with it.

        Raises:
            StoreError: The new name is taken or breaks the rule of :func:`check_name`, or one of
                the two is claimed.
        """
        ...

    def delete(self, run: str) -> Freed:
        """Remove a run, and the replies it paid for that no other run uses.

        A run uses a reply that it paid for, that it found through :meth:`replies`, or whose key
        is in the list ``calls`` of one of its step records.

        Raises:
            StoreError: The run is claimed.
        """
        ...

    def collect(self) -> Freed:
        """Remove the replies that no run uses, and give what room there is back to the disk.

        Raises:
            StoreError: A run is claimed, here or in another process.
        """
        ...

    def close(self) -> None:
        """Store what was handed in, release everything; closing twice is allowed."""
        ...


def check_name(run: str) -> str:
    """Return `run` if it can name a run.

    Raises:
        StoreError: It is not 1 to 64 of a-z, 0-9, ``.``, ``_``, ``-``, beginning with a letter
            or a digit.
    """
    if len(run) > LONGEST_NAME or not _NAME.fullmatch(run):
        raise StoreError(
            f"the name of a run is 1 to {LONGEST_NAME} of a-z, 0-9, '.', '_', '-', beginning "
            f"with a letter or a digit, but got {run!r}; choose another name"
        )
    return run


def free_name(base: str, taken: Iterable[str]) -> str:
    """Return the first of `base`, `base`-2, `base`-3 … that is not taken, 64 long at most.

    Raises:
        StoreError: `base` cannot name a run.
    """
    names = frozenset(taken)
    name, number = check_name(base), 1
    while name in names:
        number += 1
        suffix = f"-{number}"
        name = base[: LONGEST_NAME - len(suffix)] + suffix
    return name
