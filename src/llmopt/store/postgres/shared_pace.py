"""Caps per minute that all processes of a store keep together, and a word when one is refused.

A row for each cap holds a bucket, as every process has one of its own without a server. Those who
wait for it are asked for together, so an endpoint costs a process two statements however many of
its calls wait. They need not outlive a failure of the server: no commit waits for the disk.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from llmopt.core.values import digest
from llmopt.store.postgres.call_claims import CHANNEL
from llmopt.store.postgres.shared_commits import Handler

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg import Connection

    from llmopt.store.postgres.call_claims import CallClaims
    from llmopt.store.postgres.shared_commits import SharedCommits

SLOWER = "slow"
"""The word of a notification that an endpoint was asked too much."""

_MINUTE = 60.0
_ENOUGH = 1e-9
_LONGEST = 2.0  # seconds after which a call that waits looks again
_REQUESTS, _TOKENS = "requests", "tokens"

_MAKE = """
INSERT INTO llmopt.paces (endpoint, kind, level, taken, seen)
VALUES (%s, %s, %s, 0, extract(epoch FROM clock_timestamp())) ON CONFLICT DO NOTHING
"""
_READ = """
SELECT kind, level, taken, seen, extract(epoch FROM clock_timestamp())::double precision
FROM llmopt.paces WHERE endpoint = %s ORDER BY kind FOR UPDATE
"""
_WRITE = """
UPDATE llmopt.paces SET level = %s, taken = %s, seen = %s WHERE endpoint = %s AND kind = %s
"""


@dataclass(frozen=True, slots=True)
class _Level:
    """What is in a bucket: a second's worth, or one, and it refills.

    What it holds at the beginning of a minute and what flows in until its end are together no
    more than the cap.
    """

    per_minute: float
    level: float
    taken: float
    seen: float

    @property
    def size(self) -> float:
        return max(1.0, self.per_minute / _MINUTE)

    @property
    def rate(self) -> float:
        held = self.size if self.per_minute >= _MINUTE else 0.0
        return (self.per_minute - held) / _MINUTE

    def at(self, now: float) -> _Level:
        """Return it as it is now."""
        level = min(self.size, self.level + self.rate * max(0.0, now - self.seen))
        return replace(self, level=level, seen=max(now, self.seen))

    def wait(self, amount: float, ahead: float) -> float:
        """Return the seconds until an amount is there, behind others who want so much."""
        short = min(amount, self.size) + ahead - self.level
        return short / self.rate if short > _ENOUGH else 0.0

    def less(self, amount: float) -> _Level:
        """Return it after an amount was taken."""
        return replace(self, level=self.level - amount, taken=self.taken + amount)

    def more(self, amount: float, mark: float) -> _Level:
        """Return it after what a take did not need was put back, where not refilled already."""
        refilled = self.taken - (self.size - self.level)
        return replace(self, level=self.level + min(amount, max(0.0, mark - refilled)))


@dataclass(frozen=True, slots=True)
class _Turn:
    """The outcome of a wish to go: the seconds to wait, or 0 and the mark of what was taken."""

    wait: float
    mark: float = 0.0


class SharedPace:
    """The caps of one endpoint; see `llmopt.core.model.Pace`.

    Args:
        commits: What writes the buckets.
        calls: The calls of this process, which hear notifications.
        endpoint: Where the models are reached.
        requests: Requests per minute; None is no cap.
        tokens: Tokens per minute.
    """

    def __init__(
        self,
        commits: SharedCommits,
        calls: CallClaims,
        endpoint: str,
        requests: float | None,
        tokens: float | None,
    ) -> None:
        self._commits = commits
        self._calls = calls
        self._endpoint = digest(endpoint)[:16]
        caps = ((_REQUESTS, requests), (_TOKENS, tokens))
        self._caps = {kind: cap for kind, cap in caps if cap is not None}
        self._handler: Handler[int, _Turn] = Handler(self._turns, repeatable=False)

    @property
    def counts_tokens(self) -> bool:
        """Whether tokens are capped."""
        return _TOKENS in self._caps

    async def enter(self, tokens: int) -> float:
        """See the protocol."""
        if not self._caps:
            return 0.0
        while True:
            turn = await self._commits.add(self._handler, tokens)
            if not turn.wait:
                return turn.mark
            await asyncio.sleep(min(turn.wait, _LONGEST))

    def leave(self, unused: int, mark: float) -> None:
        """See the protocol."""
        if unused > 0 and self.counts_tokens:

            def work(connection: Connection[Any]) -> None:
                levels = self._levels(connection)
                levels[_TOKENS] = levels[_TOKENS].more(unused, mark)
                self._write(connection, levels)

            self._commits.later(work)

    def slow(self) -> None:
        """See the protocol."""
        word = f"{SLOWER}-{self._endpoint} {self._calls.worker}"
        self._commits.later(
            lambda connection: connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, word))
        )

    def on_slow(self, heard: Callable[[], None]) -> None:
        """See the protocol; it is called in a thread of the store."""

        def notified(by: str) -> None:
            if by != self._calls.worker:
                heard()

        self._calls.on(f"{SLOWER}-{self._endpoint}", notified)

    def _turns(self, connection: Connection[Any], wanted: list[int]) -> list[_Turn]:
        """Let those go for whom there is room, first come first served."""
        levels = self._levels(connection)
        ahead = dict.fromkeys(levels, 0.0)
        turns, blocked = [], False
        for tokens in wanted:
            amounts = {kind: tokens if kind == _TOKENS else 1 for kind in levels}
            wait = max(levels[kind].wait(amounts[kind], ahead[kind]) for kind in levels)
            if wait > 0 or blocked:
                blocked = True
                for kind in levels:
                    ahead[kind] += amounts[kind]
                turns.append(_Turn(max(wait, _ENOUGH)))
                continue
            for kind in levels:
                levels[kind] = levels[kind].less(amounts[kind])
            turns.append(_Turn(0.0, levels[_TOKENS].taken if _TOKENS in levels else 0.0))
        self._write(connection, levels)
        return turns

    def _levels(self, connection: Connection[Any]) -> dict[str, _Level]:
        """Return the buckets as they are now, which nobody else can change meanwhile."""
        rows = connection.execute(_READ, (self._endpoint,)).fetchall()
        if {row[0] for row in rows} < self._caps.keys():
            for kind in sorted(self._caps):
                size = _Level(self._caps[kind], 0.0, 0.0, 0.0).size
                connection.execute(_MAKE, (self._endpoint, kind, size))
            rows = connection.execute(_READ, (self._endpoint,)).fetchall()
        return {
            kind: _Level(self._caps[kind], level, taken, seen).at(now)
            for kind, level, taken, seen, now in rows
            if kind in self._caps
        }

    def _write(self, connection: Connection[Any], levels: dict[str, _Level]) -> None:
        for kind, one in sorted(levels.items()):
            values = (one.level, one.taken, one.seen, self._endpoint, kind)
            connection.execute(_WRITE, values)
