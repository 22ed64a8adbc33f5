"""Connections to a PostgreSQL server: made, made again, and what their errors mean to the user."""

from __future__ import annotations

import logging
import math
import random
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

from llmopt.core.values import digest
from llmopt.errors import MissingExtraError, StoreError
from llmopt.store.postgres.schema_steps import NEWEST, STEPS

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg import Connection, Error

    from llmopt.store.postgres.server_address import ServerAddress

T = TypeVar("T")

PATIENCE = 600.0
"""Seconds in which a server that was reached before is tried again."""

_CONNECT = 10  # seconds for one attempt
_SHORTEST, _LONGEST = 0.05, 5.0  # seconds between attempts

# A number reserved among the locks of the database, for who makes the tables.
_MAKING = int(digest("llmopt tables")[:15], 16)

# A process that vanished with its machine is noticed, and its claims end, in about half a minute.
# What is acknowledged is on the disk, whatever the database's default is.
_SETTINGS = """
SELECT set_config('tcp_keepalives_idle', '15', false),
    set_config('tcp_keepalives_interval', '5', false),
    set_config('tcp_keepalives_count', '3', false),
    set_config('synchronous_commit', 'on', false)
FROM (SELECT) AS one
"""

# A question to the catalogue's tables: to_regclass may answer from what it remembers, without what
# another process has made a moment ago.
_TABLES = """
SELECT 1 FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE nspname = 'llmopt' AND relname = 'version'
"""

# What a server says that is stopped, starting, or has no room for another connection now.
_PASSING = ("57P01", "57P02", "57P03", "57P05", "53300")
_REFUSALS = {
    "authentication failed": "28P01",
    "no password supplied": "28P01",
    "no pg_hba.conf entry": "28000",
    'role "': "28000",
    'database "': "3D000",
    "the database system is": "57P03",  # starting up, or shutting down
    "too many clients": "53300",
}
_RETRIED = ("40001", "40P01")  # deadlocks and the like: the transaction was undone

_log = logging.getLogger("llmopt.store")
# The pool's log would tell of every attempt; ours tells once that the server is lost, and is back.
logging.getLogger("psycopg.pool").addHandler(logging.NullHandler())


class Server:
    """A PostgreSQL server with a store; all methods may be called from any thread.

    Args:
        address: Where it is.
        patience: Seconds in which a lost server is tried again.

    Attributes:
        address: As given.
        until: Time, as of :func:`time.monotonic`, after which a lost server is not tried again.

    Raises:
        MissingExtraError: psycopg is not installed.
    """

    def __init__(self, address: ServerAddress, patience: float = PATIENCE) -> None:
        try:
            import psycopg
            import psycopg_pool  # noqa: F401 - the extra has both
        except ImportError:
            raise MissingExtraError("a store in PostgreSQL", "postgres") from None
        self._psycopg = psycopg
        self.address = address
        self.until = math.inf
        self._patience = patience
        self._lost = False
        self._given_up = False
        self._saying = threading.Lock()

    def connect(self) -> Connection[Any]:
        """Open a connection in autocommit mode; one attempt.

        Raises:
            psycopg.Error: It cannot be opened.
        """
        url = self.address.url
        more: dict[str, Any] = {} if "connect_timeout=" in url else {"connect_timeout": _CONNECT}
        connection = self._psycopg.connect(url, autocommit=True, application_name="llmopt", **more)
        self.prepare(connection)
        return connection

    def prepare(self, connection: Connection[Any]) -> None:
        """Set what every connection has set."""
        connection.execute(_SETTINGS)

    def attempt(self, work: Callable[[], T]) -> T:
        """Return what `work` returns; it is done again where the connection or a lock was lost.

        Args:
            work: Uses a connection, and replaces it where it is broken.

        Raises:
            StoreError: The server refused it, or was not back in time.
        """
        # A server that did not come back in time is not waited for again, until it is back.
        patience = 0.0 if self._given_up else self._patience
        end, pause = time.monotonic() + patience, _SHORTEST
        while True:
            try:
                found = work()
            except self._psycopg.Error as error:
                passing = is_passing(error)
                if not passing or time.monotonic() + pause > min(end, self.until):
                    self._given_up = self._given_up or passing == "lost"
                    raise self.failure(error) from None
                if passing == "lost":
                    self._say_lost(error)
                time.sleep(pause * random.uniform(0.5, 1.0))
                pause = min(_LONGEST, 2 * pause)
            else:
                self._say_back()
                return found

    def opened(self, *, new: bool) -> Connection[Any]:
        """Open the first connection, and bring the tables up to date.

        Args:
            new: Whether the tables may be made where they are missing.

        Raises:
            StoreError: The server cannot be reached or refuses it, or the store is a newer
                version's, or none.
        """
        try:
            connection = self.connect()
        except (self._psycopg.Error, UnicodeError) as error:  # a host may be no name at all
            raise self.failure(error) from None
        try:
            self._bring_up(connection, new=new)
        except self._psycopg.Error as error:
            connection.close()
            raise self.failure(error) from None
        except StoreError:
            connection.close()
            raise
        return connection

    def _bring_up(self, connection: Connection[Any], *, new: bool) -> None:
        version = _version(connection)
        if version == 0 and not new:
            raise StoreError(
                f"a store is a database with runs, but {self.address.shown} has none; check the URL"
            )
        if version < NEWEST:
            with connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (_MAKING,))
                version = _version(connection)  # another process may have been first
                if version == 0:
                    connection.execute("CREATE SCHEMA IF NOT EXISTS llmopt")
                    connection.execute("CREATE TABLE llmopt.version (version int NOT NULL)")
                    connection.execute("INSERT INTO llmopt.version VALUES (0)")
                for statements in STEPS[version:]:
                    for statement in statements:
                        connection.execute(statement)
                connection.execute(
                    "UPDATE llmopt.version SET version = greatest(version, %s)", (NEWEST,)
                )
        if version > NEWEST:
            raise StoreError(
                f"the store {self.address.shown} is of a version up to {NEWEST}, which this llmopt "
                f"writes, but got version {version}; use the llmopt that wrote it, or name another "
                "database with --store"
            )

    def failure(self, error: Error | UnicodeError) -> StoreError:
        """Return the StoreError that says what an error of psycopg means and what to do."""
        rule, remedy = _meaning(error)
        said = self.address.clean(str(error)) or type(error).__name__
        return StoreError(f"the store {self.address.shown} is {rule}, but got: {said}; {remedy}")

    def _say_lost(self, error: Error) -> None:
        with self._saying:
            if not self._lost:
                self._lost = True
                said = self.address.clean(str(error))
                _log.warning(
                    "The store %s cannot be reached (%s): nothing is lost, and it is tried again "
                    "for %.0f s.",
                    self.address.shown,
                    said,
                    self._patience,
                )

    def _say_back(self) -> None:
        self._given_up = False
        if self._lost:
            with self._saying:
                if self._lost:
                    self._lost = False
                    _log.warning("The store %s is back; the run continues.", self.address.shown)


class Lasting:
    """One connection that is made again when it was lost; for one thread at a time.

    Args:
        server: Where to.
        connection: An open one to begin with.
        began: Called with each connection that is made here.
    """

    def __init__(
        self,
        server: Server,
        connection: Connection[Any] | None = None,
        began: Callable[[Connection[Any]], None] | None = None,
    ) -> None:
        self._server = server
        self._connection = connection
        self._began = began

    def use(self) -> Connection[Any]:
        """Return the connection, made where it is missing or broken.

        Raises:
            psycopg.Error: It cannot be made now.
        """
        if self._connection is None or self._connection.closed:
            self._connection = None
            made = self._server.connect()
            try:
                if self._began is not None:
                    self._began(made)
            except BaseException:
                made.close()
                raise
            self._connection = made
        return self._connection

    def undo(self) -> None:
        """Give up the open transaction, and the connection where that cannot be done."""
        import psycopg

        if self._connection is not None and not self._connection.closed:
            try:
                self._connection.rollback()
            except psycopg.Error:
                self._connection.close()

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()


def is_passing(error: Exception) -> str:
    """Return "lost" for a lost server, "again" for what is done again at once, or ""."""
    import psycopg

    state = _state(error)
    if state in _RETRIED:
        return "again"
    if not state:
        return "lost" if isinstance(error, psycopg.OperationalError) else ""
    return "lost" if state in _PASSING or state.startswith("08") else ""


def _state(error: Exception) -> str:
    """Return the code of an error, where it is known.

    What refuses a connection tells its reason in words alone.
    """
    state = getattr(error, "sqlstate", None)
    if state is None:
        said = str(error)
        return next((code for words, code in _REFUSALS.items() if words in said), "")
    return str(state)


def _version(connection: Connection[Any]) -> int:
    """Return the version of the tables; 0: they are missing."""
    if connection.execute(_TABLES).fetchone() is None:
        return 0
    row = connection.execute("SELECT version FROM llmopt.version").fetchone()
    return int(row[0]) if row else 0


def _meaning(error: Exception) -> tuple[str, str]:
    """Return what an error says a store should be, and what to do."""
    kept = "what was stored is kept"
    state = _state(error)
    known = {
        "28": (
            "one that this user may open",
            "check user and password: in the URL, in PGPASSWORD, or in ~/.pgpass",
        ),
        "3D000": ("a database that exists", "create it: createdb NAME"),
        "53100": ("on a disk with free space", f"free some space and try again: {kept}"),
        "53300": (
            "on a server with connections to spare",
            f"raise max_connections, or use fewer workers: {kept}",
        ),
        "42501": (
            "writable for this user",
            "grant it CREATE on the database, or all on the schema llmopt",
        ),
        "25006": ("writable", f"name the primary server, not a copy of it: {kept}"),
        "42P01": ("complete", "another program changed its tables: put a backup in its place"),
        "22": ("able to hold what it is given", "fix the model that gave it"),
        "XX": ("undamaged", "put a backup in its place"),
    }
    for beginning, meaning in known.items():
        if state.startswith(beginning):
            return meaning
    if is_passing(error) or isinstance(error, UnicodeError):
        return (
            "on a server that can be reached",
            f"check the URL, start the server, and try again: {kept}",
        )
    return ("readable and writable", f"check the server's log, and try again: {kept}")
