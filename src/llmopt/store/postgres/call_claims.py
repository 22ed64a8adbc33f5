"""Calls that are under way anywhere: each is made once, and others wait for its reply.

Who is about to make a call claims its key with one statement. One wins and pays; the others wait
until the reply is stored, of which the server notifies them (and look now and then, should a
notification be lost), or until the winner gives up. A claim is worth as much as its worker's
lease, which a living process renews; those of a dead one are taken over when that has run out,
and those of a run at once by who has claimed the run since. A server that was away has renewed no
lease, so each lasts for its whole term after it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llmopt.store.postgres.reply_rows import find_replies
from llmopt.store.postgres.server_link import Lasting
from llmopt.store.postgres.shared_commits import Handler

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg import Connection

    from llmopt.store.postgres.reply_rows import FoundReply
    from llmopt.store.postgres.server_link import Server
    from llmopt.store.postgres.shared_commits import SharedCommits

LEASE = 15.0
"""Seconds after whose passing a worker that was not heard of is taken for dead."""

CHANNEL = "llmopt"
"""Where the server tells which of the awaited calls have ended."""

_BEATS = 5  # renewals in the term of a lease
_LOOK = 1.0  # seconds between looks at what is awaited
_BEGINS = 5.0  # seconds in which listening has begun; without it, what is awaited is looked for
_SHORT = 16  # letters of a key that are sent

_RENEW = """
INSERT INTO llmopt.workers (id, lease, until)
VALUES (%(worker)s, %(lease)s * interval '1 second', now() + %(lease)s * interval '1 second')
ON CONFLICT (id) DO UPDATE SET until = excluded.until
"""

# Which workers live: what is asked of a server that has started a moment ago must not take them
# for dead because they could not reach it.
LIVING = """
SELECT id FROM llmopt.workers
WHERE greatest(until, pg_postmaster_start_time() + lease) > clock_timestamp()
"""

_TAKE = f"""
INSERT INTO llmopt.calls AS held (key, worker, number, run, fence)
SELECT key, %(worker)s, number, run, fence
FROM unnest(%(keys)b::text[], %(numbers)b::bigint[], %(runs)b::text[], %(fences)b::bigint[])
    AS wanted (key, number, run, fence)
WHERE NOT EXISTS (SELECT 1 FROM llmopt.replies WHERE replies.key = wanted.key)
ORDER BY key
ON CONFLICT (key) DO UPDATE
SET worker = excluded.worker, number = excluded.number, run = excluded.run,
    fence = excluded.fence, awaited = false
WHERE (held.worker, held.number) = (excluded.worker, excluded.number)
    OR held.run = excluded.run AND held.fence < excluded.fence
    OR held.worker NOT IN ({LIVING})
RETURNING key
"""  # noqa: S608 - our constants

_AWAIT = """
UPDATE llmopt.calls SET awaited = true WHERE key IN (
    SELECT key FROM llmopt.calls WHERE key = ANY(%b::text[]) AND NOT awaited
    ORDER BY key FOR UPDATE)
"""

_END = f"""
WITH ended AS (
    DELETE FROM llmopt.calls USING unnest(%b::text[], %b::bigint[]) AS mine (key, number)
    WHERE calls.key = mine.key AND calls.number = mine.number AND worker = %s
    RETURNING calls.key, awaited
)
SELECT pg_notify('{CHANNEL}', left(key, {_SHORT})) FROM ended WHERE awaited
"""  # noqa: S608 - our constants


_WAKE = f"SELECT pg_notify('{CHANNEL}', 'end')"


@dataclass(frozen=True, slots=True)
class WantedCall:
    """A call that somebody is about to make.

    Attributes:
        key: Under which its reply will be stored.
        run: Who pays for it.
        number: Another one for each call of a process.
        fence: The number of the run's claim, where this process has claimed it.
    """

    key: str
    run: str
    number: int
    fence: int | None


@dataclass(frozen=True, slots=True)
class CallFate:
    """What became of a wish to make a call.

    Attributes:
        mine: Whether it is to be made.
        found: The reply that is stored by now; without it and `mine`, another one makes the call.
    """

    mine: bool
    found: FoundReply | None = None


class CallClaims:
    """The calls of this process; all methods may be called from any thread.

    Args:
        server: Where the store is.
        commits: What writes to it.
        asks: What is done at once: a claim holds no lock while others wait for a commit.
        worker: Name of this process.
        lease: Seconds, see :data:`LEASE`.
    """

    def __init__(
        self,
        server: Server,
        commits: SharedCommits,
        asks: SharedCommits,
        worker: str,
        lease: float = LEASE,
    ) -> None:
        self._server = server
        self._commits = commits
        self._asks = asks
        self._worker = worker
        self._lease = lease
        self._numbers = itertools.count(1)
        self._take = Handler(self._taken)
        self._waiting: defaultdict[str, list[Callable[[], None]]] = defaultdict(list)
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._listening = threading.Event()
        self._thread: threading.Thread | None = None
        self._heard: dict[str, Callable[[str], None]] = {}

    @property
    def worker(self) -> str:
        """Name of this process, under a lease that is renewed from the first use on."""
        self._begin()
        return self._worker

    async def take(self, key: str, run: str, fence: int | None = None) -> FoundReply | int:
        """Wait until a call is to be made here, or has its reply.

        Args:
            key: Of the call.
            run: Who pays for it.
            fence: The number of the run's claim, where this process has claimed it.

        Returns:
            The reply, or the number with which the call is given up where it gets none.

        Raises:
            StoreError: The server cannot be reached.
        """
        if self._thread is None:
            await asyncio.to_thread(self._begin)
        wanted = WantedCall(key, run, next(self._numbers), fence)
        while True:
            notified, forget = self._listen_for(key)
            try:
                answer: CallFate = await self._asks.add(self._take, wanted)
                if answer.mine:
                    return wanted.number
                if answer.found is not None:
                    return answer.found
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK):
                        await notified
            except asyncio.CancelledError:
                self.give_up(key, wanted.number)
                raise
            finally:
                forget()

    def give_up(self, key: str, number: int) -> None:
        """Let others make a call, because it has got no reply here; nobody waits for this."""
        self._commits.later(
            lambda connection: connection.execute(_END, ([key], [number], self._worker))
        )

    def on(self, word: str, heard: Callable[[str], None]) -> None:
        """Call `heard` with what follows a word in notifications, in a thread of the store."""
        self._heard[word] = heard
        self._begin()

    def close(self) -> None:
        """End the lease, and with it all claims; called before the commits are closed."""
        self._ending.set()
        if self._thread is not None:
            # It waits for a word, so it gets one.
            self._commits.later(lambda connection: connection.execute(_WAKE))
            self._thread.join()

            def work(connection: Connection[Any]) -> None:
                connection.execute("DELETE FROM llmopt.calls WHERE worker = %s", (self._worker,))
                connection.execute("DELETE FROM llmopt.workers WHERE id = %s", (self._worker,))

            self._commits.later(work)

    def _listen_for(self, key: str) -> tuple[asyncio.Future[None], Callable[[], None]]:
        """Return what is done when the call of a key has ended, and what ends the listening."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()

        def tell() -> None:
            with contextlib.suppress(RuntimeError):  # its loop is closed
                loop.call_soon_threadsafe(_end, future)

        def forget() -> None:
            with self._lock:
                waiting = self._waiting[key[:_SHORT]]
                waiting.remove(tell)
                if not waiting:
                    del self._waiting[key[:_SHORT]]

        with self._lock:
            self._waiting[key[:_SHORT]].append(tell)
        return future, forget

    def _taken(self, connection: Connection[Any], wanted: list[WantedCall]) -> list[CallFate]:
        """Claim keys for the first that wants each; look up those of the others."""
        first = {one.key: one for one in reversed(wanted)}
        values = {
            "worker": self._worker,
            "keys": list(first),
            "numbers": [one.number for one in first.values()],
            "runs": [one.run for one in first.values()],
            "fences": [one.fence for one in first.values()],
        }
        taken = {key for (key,) in connection.execute(_TAKE, values)}
        rest = [key for key in first if key not in taken]
        if rest:
            connection.execute(_AWAIT, (rest,))
        # A reply that was stored while the claim was taken is seen by a new statement only. What
        # is looked at after the mark of those who wait cannot end without a word to them.
        found = find_replies(connection, [(one.key, one.run) for one in wanted])
        useless = [
            one for one, reply in zip(wanted, found, strict=True) if reply and one.key in taken
        ]
        if useless:
            keys, numbers = [one.key for one in useless], [one.number for one in useless]
            connection.execute(_END, (keys, numbers, self._worker))
        return [
            CallFate(reply is None and one.key in taken and first[one.key] is one, reply)
            for one, reply in zip(wanted, found, strict=True)
        ]

    def _begin(self) -> None:
        """Take a lease, and let a thread renew it and listen, where that is still to be done."""
        with self._lock:
            if self._thread is None and not self._ending.is_set():
                self._commits.do(self._renew)
                self._thread = threading.Thread(
                    target=self._listen, name="llmopt-listen", daemon=True
                )
                self._thread.start()
                self._listening.wait(_BEGINS)

    def _renew(self, connection: Connection[Any]) -> None:
        connection.execute(_RENEW, {"worker": self._worker, "lease": self._lease})

    def _listen(self) -> None:
        """Hear of calls that have ended, and renew the lease, on a connection of their own."""
        import psycopg

        link = Lasting(self._server, began=self._listen_on)
        beat = self._lease / _BEATS
        while not self._ending.is_set():
            try:
                connection = link.use()
                self._renew(connection)
                for note in connection.notifies(timeout=min(beat, _LOOK)):
                    self._tell(note.payload)
                    if self._ending.is_set():
                        break
            except psycopg.Error:
                self._ending.wait(min(beat, _LOOK))
        link.close()

    def _listen_on(self, connection: Connection[Any]) -> None:
        connection.execute(f"LISTEN {CHANNEL}")
        self._listening.set()

    def _tell(self, payload: str) -> None:
        word, mark, rest = payload.partition(" ")
        if mark:
            if heard := self._heard.get(word):
                heard(rest)
            return
        with self._lock:
            waiting = [tell for key in payload.split(",") for tell in self._waiting.get(key, ())]
        for tell in waiting:
            tell()


def _end(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
