"""How a SQLite file of ours is opened, and what SQLite's errors mean to the user."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from llmopt.core.private_files import new_private, private_folder
from llmopt.errors import StoreError
from llmopt.store.sqlite.lock import holding
from llmopt.store.sqlite.migrations import MIGRATIONS, VERSION

if TYPE_CHECKING:
    from pathlib import Path

APPLICATION = 0x6C6C6D6F
"""SQLite's ``application_id`` of our files: the letters "llmo"."""

PATIENCE = 60.0
"""Seconds to wait for another process that is writing."""

_UNWRITABLE = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)

# Views, triggers and virtual tables; llmopt writes none.
_ACTIVE = """
SELECT 1 FROM sqlite_schema
WHERE type NOT IN ('table', 'index') OR sql LIKE 'CREATE VIRTUAL%' LIMIT 1
"""

BROKEN = (sqlite3.Error, UnicodeDecodeError)
"""What the use of a connection raises: SQLite's errors about a damaged file may quote bytes of
it that Python cannot decode, and then the decoding is what fails."""

# Texts of models may hold lone surrogates, which strict UTF-8 refuses to write and to read.
_text = partial(str, encoding="utf-8", errors="surrogatepass")


def connect(path: Path, manner: str = "") -> sqlite3.Connection:
    """Open a connection without checking what the file is; usable from any thread.

    Args:
        path: Absolute.
        manner: What SQLite's address of the file says behind its path; see :func:`open_file`.

    Raises:
        sqlite3.Error: The file cannot be opened.
    """
    connection = sqlite3.connect(
        path.as_uri() + manner,
        uri=True,
        timeout=PATIENCE,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.text_factory = _text
    return connection


def open_file(path: Path) -> tuple[sqlite3.Connection, str]:
    """Open the store file for writing; create it, and its folder, where it does not exist.

    A file that is not a store of this version is left as it is. Where nothing can be written,
    a store that is there is opened for reading, whatever its version.

    Args:
        path: Absolute.

    Returns:
        The connection, and how others to the same file are opened.

    Raises:
        StoreError: The file is another program's, damaged, of another version, or cannot be
            opened or created.
    """
    try:
        private_folder(path.parent)
    except OSError as error:
        raise StoreError(
            f"the folder of the store {path} is one that can be created, but got "
            f"{error.strerror}; name another store with --store or LLMOPT_HOME"
        ) from error
    if not path.exists():
        with suppress(OSError):  # SQLite says better what is in the way
            os.close(new_private(path.resolve()))  # the files beside it get its permissions
    try:
        connection = connect(path)
    except sqlite3.Error as error:
        raise failure(path, error) from error
    try:
        if not _is_ours(connection, path):
            # Only one process at a time may turn an empty file into a store.
            with holding(path, "", timeout=PATIENCE):
                _create(connection, path)
        connection.execute("PRAGMA synchronous = FULL")
    except BROKEN as error:
        connection.close()
        if path.exists() and getattr(error, "sqlite_errorcode", 0) & 0xFF in _UNWRITABLE:
            return _open_to_read(path)
        raise failure(path, error) from error
    except StoreError:
        connection.close()
        raise
    return connection, ""


def _open_to_read(path: Path) -> tuple[sqlite3.Connection, str]:
    """Open a store on a disk or in a folder where nothing can be written."""
    log = path.with_name(path.name + "-wal")
    # Without a log nobody is writing. With one SQLite needs the index beside it, which is there
    # unless the log was copied without it.
    logged = log.exists() and log.stat().st_size
    manner = "?mode=ro" if logged else "?mode=ro&immutable=1"
    connection = None
    try:
        connection = connect(path, manner)
        _is_ours(connection, path, newest=False)
    except (*BROKEN, StoreError) as error:
        if connection is not None:
            connection.close()
        if isinstance(error, StoreError):
            raise
        raise failure(path, error) from error
    return connection, manner


def _is_ours(connection: sqlite3.Connection, path: Path, *, newest: bool = True) -> bool:
    """Return whether the file is a complete store; False where it is still to be made.

    Raises:
        StoreError: It is another program's or of another version.
        sqlite3.Error, UnicodeDecodeError: It is damaged or cannot be read.
    """
    application, version, tables, mode = connection.execute(
        "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema), journal_mode"
        " FROM pragma_application_id, pragma_user_version, pragma_journal_mode"
    ).fetchone()
    if application == 0 and version == 0 and tables == 0:
        return False
    if application != APPLICATION:
        raise StoreError(
            f"a store is a SQLite file made by llmopt, but got {path}, which is another "
            "program's; name another file with --store"
        )
    if connection.execute(_ACTIVE).fetchone():
        raise StoreError(
            f"a store holds tables and indexes, but got {path}, which holds what SQLite would run "
            "when it is read or written; another program changed it: do not use it"
        )
    if not 1 <= version <= VERSION:
        raise StoreError(
            f"the store {path} is of a version up to {VERSION}, which this llmopt writes, but got "
            f"version {version}; use the llmopt that wrote it, or name another file with --store"
        )
    if version < VERSION and newest:
        _migrate(connection)
    return bool(mode == "wal")


def _migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables up to date, unless another process has done so; all or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        version, tables = connection.execute(
            "SELECT user_version, (SELECT count(*) FROM sqlite_schema) FROM pragma_user_version"
        ).fetchone()
        if version < VERSION and (version or not tables):
            for statements in MIGRATIONS[version:]:
                for statement in statements:
                    connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    finally:
        rollback(connection)


def _create(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables unless another process has done so, then switch to the write-ahead log.

    The mark of ours is committed before the switch, so it always stands in the file itself.
    """
    _migrate(connection)
    connection.execute("PRAGMA journal_mode = WAL")
    if not _is_ours(connection, path):
        raise StoreError(
            f"the store {path} is on a disk that can share memory between processes, but got one "
            "that cannot (a network drive?); name a file on a local disk with --store"
        )


def rollback(connection: sqlite3.Connection) -> None:
    """Give up the transaction if one is open; some errors have ended it already."""
    if connection.in_transaction:
        # The error that led here is the one to report; a broken disk can break this as well.
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")


def failure(path: Path, error: sqlite3.Error | UnicodeDecodeError) -> StoreError:
    """Return the StoreError that says what one of :data:`BROKEN` means and what to do."""
    code = getattr(error, "sqlite_errorcode", None)
    if isinstance(error, UnicodeDecodeError):
        code = sqlite3.SQLITE_CORRUPT
    if code == sqlite3.SQLITE_IOERR_SHMSIZE:  # there is no room for the index of the log
        code = sqlite3.SQLITE_FULL
    if code is None:  # raised by Python itself: the connection is closed
        return StoreError(f"the store {path} is open while it is used, but got: {error}; open it")
    rule, remedy = {
        sqlite3.SQLITE_FULL: (
            "on a disk with free space",
            "free some space and try again: what was stored is kept",
        ),
        sqlite3.SQLITE_READONLY: (
            "writable",
            "change the permissions, or name another with --store: what was stored is kept",
        ),
        sqlite3.SQLITE_CANTOPEN: (
            "a file that can be opened and written, in a folder that can be written",
            "check the path and the permissions, or name another with --store",
        ),
        sqlite3.SQLITE_NOTADB: (
            "a SQLite file made by llmopt",
            "name another file with --store, or put a backup in its place",
        ),
        sqlite3.SQLITE_CORRUPT: (
            "undamaged",
            "put a backup in its place, or move it away to begin a new one",
        ),
        sqlite3.SQLITE_BUSY: (
            f"free within {PATIENCE:.0f} s",
            "another process is writing to it all the time: end that one, and try again",
        ),
    }.get(
        code & 0xFF,  # the low byte is the kind, the rest its details
        ("readable and writable", "check the disk, and try again: what was stored is kept"),
    )
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    return StoreError(f"the store {path} is {rule}, but got {name}: {error}; {remedy}")
