"""A few numbers of a run that outlive its process: a row each, added to in group commits."""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from llmopt.core.store import COUNTERS
from llmopt.store.postgres.shared_commits import Handler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg import Connection

    from llmopt.store.postgres.shared_commits import SharedCommits

_ADD = """
INSERT INTO llmopt.counters AS old (run, numbers) VALUES (%s, %s)
ON CONFLICT (run) DO UPDATE SET numbers = (
    SELECT array_agg(before + more ORDER BY place)
    FROM unnest(old.numbers, excluded.numbers) WITH ORDINALITY AS both_ (before, more, place))
"""


def _added(
    connection: Connection[Any], values: list[tuple[str, int, tuple[int, ...]]]
) -> list[None]:
    """Add to the numbers of runs, once for each run."""
    sums: defaultdict[str, list[int]] = defaultdict(lambda: [0] * COUNTERS)
    for run, first, amounts in values:
        for at, amount in enumerate(amounts, first):
            sums[run][at] += amount
    for run in sorted(sums):
        connection.execute(_ADD, (run, sums[run]))
    return [None] * len(values)


ADDED = Handler(_added, repeatable=False)
"""Adds to the numbers of runs: the run, the first number's place, and what is added."""


class RowCounters:
    """The numbers of one run."""

    def __init__(self, commits: SharedCommits, run: str) -> None:
        self._commits = commits
        self._run = run

    def read(self) -> list[int]:
        """See the protocol."""

        def work(connection: Connection[Any]) -> list[int]:
            row = connection.execute(
                "SELECT numbers FROM llmopt.counters WHERE run = %s", (self._run,)
            ).fetchone()
            return list(row[0]) if row else [0] * COUNTERS

        return self._commits.do(work)

    async def add(self, first: int, *amounts: int) -> None:
        """See the protocol."""
        await self._commits.add(ADDED, (self._run, first, amounts))

    def clear(self) -> None:
        """See the protocol."""
        self._commits.do(
            lambda connection: connection.execute(
                "DELETE FROM llmopt.counters WHERE run = %s", (self._run,)
            )
        )


@contextmanager
def lent_rows(commits: SharedCommits, run: str) -> Iterator[RowCounters]:
    """Lend the numbers of a run while the context lasts."""
    yield RowCounters(commits, run)
