"""One budget for all processes of a store: what each of them has drawn, spent, and may still spend.

Every process draws amounts ahead of its calls, and what a reply has used is summed up when it is
stored. So what is used in all is, for each process, the larger one of what it has drawn and what
it has spent. Nothing else is written for a call. What a dead process has drawn and not spent stays
counted: it may have cost something.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llmopt.core.model import Drawn
from llmopt.core.values import digest
from llmopt.store.postgres.call_claims import CHANNEL, LIVING
from llmopt.store.postgres.shared_commits import Handler

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from psycopg import Connection

    from llmopt.core.model import Amounts
    from llmopt.core.values import Role
    from llmopt.store.postgres.call_claims import CallClaims
    from llmopt.store.postgres.shared_commits import SharedCommits

WANTED = "wanted"
"""The word of a notification that somebody has no room left, and which run it is about."""

_SPARE = 8  # a process draws ahead at most this part of what is left: one in 8
_ROUNDING = 1e-9  # dollars

_SHARES = f"""
SELECT worker, calls, tokens, usd, NOT quiet AND worker IN ({LIVING})
FROM llmopt.shares WHERE run = %s
"""  # noqa: S608 - our constants

_SPENT = "SELECT worker, role, calls, input_tokens, output_tokens FROM llmopt.spent WHERE run = %s"

_DRAW = """
INSERT INTO llmopt.shares AS old (run, worker, calls, tokens, usd, quiet)
VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (run, worker) DO UPDATE SET calls = old.calls + excluded.calls,
    tokens = old.tokens + excluded.tokens, usd = old.usd + excluded.usd, quiet = excluded.quiet
"""

_SPENT_HERE = """
SELECT role, calls, input_tokens, output_tokens FROM llmopt.spent WHERE run = %s AND worker = %s
"""


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to draw.

    Attributes:
        run: Whose budget it is.
        least: What the next call may take.
        most: What is drawn ahead where there is plenty.
        caps: Of calls, tokens and US dollars; None is no cap.
        quiet: Whether nothing of this process is in flight.
    """

    run: str
    least: Amounts
    most: Amounts
    caps: tuple[float | None, ...]
    quiet: bool


class SharedBank:
    """The budget of one run; see `llmopt.core.model.Bank`.

    Args:
        commits: What writes to the store.
        calls: The calls of this process, which has a lease by them.
        run: Who pays.
        prices: US dollars per million input and output tokens, by role.
    """

    def __init__(
        self,
        commits: SharedCommits,
        calls: CallClaims,
        run: str,
        prices: Mapping[Role, tuple[float, float]],
    ) -> None:
        self._commits = commits
        self._calls = calls
        self._run = run
        self._prices = dict(prices)
        self._handler: Handler[Wish, Drawn] = Handler(self._drawn, repeatable=False)
        self._heard: list[Callable[[], None]] = []

    def on_wanted(self, heard: Callable[[], None]) -> None:
        """See the protocol; it is called in a thread of the store."""
        self._heard.append(heard)
        self._calls.on(f"{WANTED}-{_short(self._run)}", self._tell)

    async def draw(
        self, least: Amounts, most: Amounts, caps: tuple[float | None, ...], *, quiet: bool
    ) -> Drawn:
        """See the protocol."""
        return await self._commits.add(self._handler, Wish(self._run, least, most, caps, quiet))

    def give_back(self, amounts: Amounts, *, quiet: bool) -> None:
        """See the protocol."""
        back = [-amount for amount in amounts]
        values = (self._run, self._calls.worker, *back, quiet)
        self._commits.later(lambda connection: connection.execute(_DRAW, values))

    def _tell(self, about: str) -> None:
        if about != self._calls.worker:
            for heard in self._heard:
                heard()

    def _drawn(self, connection: Connection[Any], wishes: list[Wish]) -> list[Drawn]:
        """Draw for those who wish, first come first served; one process at a time."""
        worker = self._calls.worker
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_lock_of(self._run),))
        used, settled = self._sums(connection)
        found, drawn, short = [], [0.0, 0.0, 0.0], False
        for wish in wishes:
            amounts = _granted(wish, used)
            fits = all(
                cap is None or settled[at] + wish.least[at] <= cap + _ROUNDING
                for at, cap in enumerate(wish.caps)
            )
            found.append(Drawn(amounts, tuple(settled), waits=amounts is None and fits))
            short |= amounts != wish.most
            for at, amount in enumerate(amounts or ()):
                used[at] += amount
                drawn[at] += amount
        none = not any(drawn)
        values = (int(drawn[0]), int(drawn[1]), drawn[2])
        connection.execute(
            _DRAW, (self._run, worker, *values, none and all(wish.quiet for wish in wishes))
        )
        if short:
            connection.execute(
                "SELECT pg_notify(%s, %s)", (CHANNEL, f"{WANTED}-{_short(self._run)} {worker}")
            )
        return found

    def _sums(self, connection: Connection[Any]) -> tuple[list[float], list[float]]:
        """Return what is used in all, and what of it does not come back."""
        spent: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
        for worker, role, calls, asked, made in connection.execute(_SPENT, (self._run,)):
            prices = self._prices.get(role, (0.0, 0.0))
            usd = (asked * prices[0] + made * prices[1]) / 1e6
            for at, amount in enumerate((calls, asked + made, usd)):
                spent[worker][at] += amount
        used, settled = [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]
        for worker, *drawn, lives in connection.execute(_SHARES, (self._run,)):
            here = spent.pop(worker, [0.0, 0.0, 0.0])
            for at in range(3):
                most = max(drawn[at], here[at])
                used[at] += most
                settled[at] += here[at] if lives else most
        for here in spent.values():
            for at in range(3):
                used[at] += here[at]
                settled[at] += here[at]
        return used, settled


def _granted(wish: Wish, used: list[float]) -> Amounts | None:
    """Return what a wish gets: ahead where there is plenty, exactly its own bound near a cap."""
    parts = [
        (cap - used[at]) / _SPARE / wish.most[at]
        for at, cap in enumerate(wish.caps)
        if cap is not None and wish.most[at] > 0
    ]
    if min(parts, default=1.0) >= 1:
        return wish.most
    if all(
        cap is None or used[at] + wish.least[at] <= cap + _ROUNDING
        for at, cap in enumerate(wish.caps)
    ):
        return wish.least
    return None


def _short(run: str) -> str:
    return digest(run)[:12]


def _lock_of(run: str) -> int:
    return int(digest(f"llmopt budget {run}")[:16], 16) - 2**63
