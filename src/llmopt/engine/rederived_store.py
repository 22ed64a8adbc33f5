"""A store in which a run is done again from the replies that another store has of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmopt.core.store import Store
from llmopt.engine.look_journal import LOOK
from llmopt.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager

    from llmopt.core.model import Counters, Replies
    from llmopt.core.store import Freed, JournalRecord, RunInfo
    from llmopt.core.values import Call, Reply, Role, Usage


class RederivedStore(Store):
    """Reads replies from one store and writes journals to another, which is empty at first.

    How often the test items had been looked at when a run was finished is history, which cannot be
    derived: the looks of the run itself are read from the first store.

    Attributes:
        kept: The first store.
        used: The keys of the replies that were read.

    Args:
        kept: Has the run and its replies; nothing is written to it.
        fresh: Takes the journal of the run that is done again.
        run: Name of the run.
    """

    def __init__(self, kept: Store, fresh: Store, run: str) -> None:
        self.used: set[str] = set()
        self.kept, self._fresh, self._run = kept, fresh, run

    def create(self, run: str, config: dict[str, Any]) -> None:
        """See the protocol."""
        self._fresh.create(run, config)

    def runs(self) -> tuple[RunInfo, ...]:
        """See the protocol."""
        return self._fresh.runs()

    def has(self, run: str) -> bool:
        """See the protocol."""
        return self._fresh.has(run)

    def append(self, run: str, kind: str, data: dict[str, Any]) -> None:
        """See the protocol."""
        self._fresh.append(run, kind, data)

    def records(self, run: str) -> Iterator[JournalRecord]:
        """See the protocol."""
        return self._fresh.records(run)

    def of_kind(
        self, kind: str, runs: Iterable[str] | None = None
    ) -> Iterator[tuple[str, JournalRecord]]:
        """See the protocol; looks are those of the run as it was done first."""
        if kind == LOOK and runs is None:
            return self.kept.of_kind(LOOK, [self._run])
        return self._fresh.of_kind(kind, runs)

    def replies(self, run: str) -> Replies:
        """See the protocol; the replies are those of the first store, and none can be added."""
        del run
        return _StoredReplies(self.kept, self.used)

    def exchange(self, key: str) -> tuple[Call, Reply] | None:
        """See the protocol."""
        return self.kept.exchange(key)

    def exchanges(self, keys: Iterable[str]) -> dict[str, tuple[Call, Reply]]:
        """See the protocol."""
        return self.kept.exchanges(keys)

    def spent(self, run: str) -> dict[Role, Usage]:
        """See the protocol."""
        return self._fresh.spent(run)

    def seconds(self, run: str, more: float = 0.0) -> float:
        """See the protocol."""
        return self._fresh.seconds(run, more)

    def claim(self, run: str) -> AbstractContextManager[None]:
        """See the protocol."""
        return self._fresh.claim(run)

    def counters(self, run: str) -> AbstractContextManager[Counters]:
        """See the protocol."""
        return self._fresh.counters(run)

    def discard(self, run: str) -> None:
        """See the protocol."""
        self._fresh.discard(run)

    def rename(self, run: str, name: str) -> None:
        """See the protocol."""
        self._fresh.rename(run, name)

    def delete(self, run: str) -> Freed:
        """See the protocol."""
        return self._fresh.delete(run)

    def collect(self) -> Freed:
        """See the protocol."""
        return self._fresh.collect()

    def close(self) -> None:
        """Leave both stores open: they are closed by who opened them."""


class _StoredReplies:
    """The replies of a store, to be read only."""

    def __init__(self, kept: Store, used: set[str]) -> None:
        self._kept, self._used = kept, used

    async def get(self, key: str) -> Reply | None:
        """Return the stored reply, or None."""
        found = self._kept.exchange(key)
        if found is None:
            return None
        self._used.add(key)
        return found[1]

    async def put(self, key: str, model: str, call: Call, reply: Reply) -> bool:
        """Refuse.

        Raises:
            StoreError: Always.
        """
        del model, call, reply
        raise StoreError(f"a run is derived from stored replies alone, but got another one: {key}")
