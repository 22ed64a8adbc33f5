"""A PostgreSQL server of one's own for tests and benchmarks: on loopback, in a temporary folder.

It needs PostgreSQL's programs ``initdb`` and ``postgres``. They refuse to work for the system's
administrator, so for that user they are started as another one, by ``setpriv``.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLACES = "/usr/lib/postgresql"  # where Debian keeps the programs of each version
_USERS = ("postgres", "nobody")
_STARTS = 60.0  # seconds that a server has to start or stop

# It runs as long as this process holds the other end of its input, whatever happens to it.
_ENDS_WITH_ITS_INPUT = '"$@" < /dev/null & read -r how; kill -"${how:-INT}" $!; wait $!'

PASSWORD = "pa55/word@of:tests"  # noqa: S105 - of a server that lives for a test
"""The password of the only user: it has letters that a URL has to quote."""


def missing_postgres() -> str:
    """Return what a server needs that this machine lacks, for a skipped test; "": nothing."""
    try:
        import psycopg  # noqa: F401 - it is looked for
    except ImportError:
        return "needs the extra 'postgres'"
    if not _program("initdb") or not _program("postgres"):
        return "needs PostgreSQL's programs initdb and postgres"
    if os.getuid() == 0 and not (shutil.which("setpriv") and _other_user()):
        return "needs setpriv and another user than root, for whom PostgreSQL does not run"
    return ""


class TemporaryPostgres:
    """A server that is started and stopped at will; its data stay until it is removed.

    Args:
        durable: Whether commits wait for the disk, as benchmarks need it.
    """

    def __init__(self, *, durable: bool = False) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="llmopt-postgres-"))
        self._port = _free_port()
        self._durable = durable
        self._process: subprocess.Popen[bytes] | None = None
        if os.getuid() == 0:
            shutil.chown(self._folder, _other_user())
        secret = self._folder / "password"
        secret.write_text(PASSWORD + "\n", encoding="utf-8")
        if os.getuid() == 0:
            shutil.chown(secret, _other_user())
        self._run(
            _program("initdb"),
            *("-D", str(self._data), "-U", "llmopt", "-A", "scram-sha-256", "-E", "UTF8"),
            *("--pwfile", str(secret), "--locale", "C", "--no-sync"),
        )

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def url(self, database: str = "postgres", user: str = "llmopt") -> str:
        """Return the URL of a database, with the password."""
        from urllib.parse import quote

        word = quote(PASSWORD, safe="")
        return f"postgresql://{user}:{word}@127.0.0.1:{self._port}/{database}"

    def database(self) -> str:
        """Make an empty database and return its URL."""
        import psycopg

        name = f"d{uuid4().hex[:12]}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        return self.url(name)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self._port),
            "unix_socket_directories": "",
            "max_connections": "200",
            "fsync": "on" if self._durable else "off",
            "log_min_messages": "warning",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as log:
            line = [_program("postgres"), "-D", str(self._data), *options]
            self._process = subprocess.Popen(  # noqa: S603 - programs of PostgreSQL
                [*_before(), "/bin/sh", "-c", _ENDS_WITH_ITS_INPUT, "sh", *line],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd="/",
            )
        self._wait()

    def stop(self, *, at_once: bool = False) -> None:
        """Stop the server: tidily, or at once as if its machine had failed."""
        if self._process is not None:
            self._process.communicate(b"QUIT\n" if at_once else b"INT\n", _STARTS)
            self._process = None

    def remove(self) -> None:
        """Stop the server and remove its data."""
        self.stop(at_once=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _wait(self) -> None:
        import psycopg

        end = time.monotonic() + _STARTS
        while True:
            try:
                psycopg.connect(self.url(), connect_timeout=5).close()
            except psycopg.OperationalError:
                if time.monotonic() > end or (self._process and self._process.poll() is not None):
                    raise
                time.sleep(0.05)
            else:
                return

    def _run(self, *line: str) -> None:
        done = subprocess.run(  # noqa: S603 - programs of PostgreSQL
            [*_before(), *line], capture_output=True, check=False, cwd="/"
        )
        if done.returncode:
            raise RuntimeError(f"{line[0]} works, but got: {done.stderr.decode()}")


@contextmanager
def running_postgres(*, durable: bool = False) -> Iterator[TemporaryPostgres]:
    """Lend a server that runs; it is stopped and removed at the end, whatever happens."""
    server = TemporaryPostgres(durable=durable)
    try:
        server.start()
        yield server
    finally:
        server.remove()


def _program(name: str) -> str:
    """Return the path of one of PostgreSQL's programs; "": it is not here."""
    if found := shutil.which(name):
        return found
    known = sorted(Path(_PLACES).glob(f"*/bin/{name}"), key=lambda path: path.parts)
    return str(known[-1]) if known else ""


def _before() -> list[str]:
    """Return what starts a program as another user where this one is the administrator."""
    if os.getuid() != 0:
        return []
    user = _other_user()
    return ["setpriv", f"--reuid={user}", f"--regid={_group_of(user)}", "--clear-groups"]


def _other_user() -> str:
    import pwd

    names = {entry.pw_name for entry in pwd.getpwall()}
    return next((user for user in _USERS if user in names), "")


def _group_of(user: str) -> str:
    import pwd

    return str(pwd.getpwnam(user).pw_gid)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
