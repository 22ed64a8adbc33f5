"""One process per run: locks of a connection of their own, and numbers that fence others off.

A claim is an advisory lock of PostgreSQL: it ends with the connection, and so with the process,
however that dies. A lease in a table would last on for its whole term after a kill, so nobody
could resume at once. What a lock alone does not give is what happens when the server restarts:
all locks are gone, and another process may take the run before its holder is back. So each claim
also has a number, higher than all before it, and who writes with a lower one is refused.
"""

from __future__ import annotations

import contextlib
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from llmopt.core.values import digest
from llmopt.errors import StoreError
from llmopt.store.postgres.server_link import Lasting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg import Connection

    from llmopt.store.postgres.server_link import Server

_INSTANT = 0.5  # seconds in which the server notices that a holder has just died
_LOOK = 0.02  # seconds between looks at a lock
_BEAT = 1.0  # seconds between looks at the connection, without which the locks are gone

_FENCE = """
INSERT INTO llmopt.fences (run, fence) VALUES (%s, 1)
ON CONFLICT (run) DO UPDATE SET fence = fences.fence + 1 RETURNING fence
"""

# A lock on a number of 64 bits is listed as two halves.
_HELD = """
SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks
WHERE locktype = 'advisory' AND granted AND objsubid = 1
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def lock_of(run: str) -> int:
    """Return the number of a run's lock, between -2⁶³ and 2⁶³-1."""
    return int(digest(f"llmopt run {run}")[:16], 16) - 2**63


def held_locks(connection: Connection[Any]) -> frozenset[int]:
    """Return the numbers of all locks that are held on the database."""
    return frozenset(number for (number,) in connection.execute(_HELD))


class RunClaims:
    """The claims of this process; all methods may be called from any thread.

    Args:
        server: Where the store is.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._link = Lasting(server, began=self._take_again)
        self._lock = threading.Lock()
        self._fences: dict[str, int] = {}
        self._lost: set[str] = set()
        self._ending = threading.Event()
        self._keeper: threading.Thread | None = None

    def fence(self, run: str) -> int | None:
        """Return the number to write with for a run; None where it is not claimed here."""
        return self._fences.get(run)

    @contextmanager
    def hold(self, run: str) -> Iterator[None]:
        """Hold a run while the context lasts.

        Raises:
            StoreError: It is held by another, or the server cannot be reached.
        """
        end = time.monotonic() + _INSTANT
        while not self._server.attempt(lambda: self._taken(run)):
            if time.monotonic() > end:
                raise StoreError(
                    f"run {run!r} is worked on by one process at a time, but got a second one; "
                    "wait for the first or stop it, or start a run under another name"
                )
            time.sleep(_LOOK)
        self._keep()
        try:
            yield
        finally:
            self._release(run)

    def close(self) -> None:
        """End all claims and close the connection."""
        self._ending.set()
        if self._keeper is not None:
            self._keeper.join()
        with self._lock:
            self._link.close()

    def _taken(self, run: str) -> bool:
        """Take a run if nobody holds it; return whether it was taken."""
        with self._lock:
            if run in self._fences:
                return False
            connection = self._link.use()
            try:
                if not _locked(connection, run):
                    return False
                row = connection.execute(_FENCE, (run,)).fetchone()
            except BaseException:
                connection.close()  # with whatever it locked
                raise
            self._fences[run] = row[0] if row else 0
            return True

    def _release(self, run: str) -> None:
        import psycopg

        with self._lock:
            del self._fences[run]
            # Without its connection the lock is gone already.
            with contextlib.suppress(psycopg.Error):
                self._link.use().execute("SELECT pg_advisory_unlock(%s)", (lock_of(run),))

    def _take_again(self, connection: Connection[Any]) -> None:
        """Lock on a new connection what was locked on a lost one, unless another was faster.

        Then the fence refuses what is written here from now on.
        """
        for run in self._fences:
            _locked(connection, run)

    def _keep(self) -> None:
        with self._lock:
            if self._keeper is None:
                self._keeper = threading.Thread(
                    target=self._watch, name="llmopt-claims", daemon=True
                )
                self._keeper.start()

    def _watch(self) -> None:
        """Notice soon when the connection is lost, and take the locks again."""
        import psycopg

        while not self._ending.wait(_BEAT):
            with contextlib.suppress(psycopg.Error), self._lock:
                if self._fences:
                    self._link.use().execute("SELECT 1")


def _locked(connection: Connection[Any], run: str) -> bool:
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", (lock_of(run),)).fetchone()
    return bool(row and row[0])
