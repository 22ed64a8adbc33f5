"""One process per run: a lock that the operating system frees when its holder dies.

The lock is SQLite's own on an empty file beside the store, one file per name, because that is
the one file lock the standard library offers on every platform. The files stay: removing one
while another process opens it would let two processes hold the same name. Whoever holds one and
writes checks that it is still there.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

from llmopt.core.private_files import new_private
from llmopt.core.values import digest
from llmopt.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# A look at a claim (`is_held`) locks the file for an instant; a claim waits that out.
_INSTANT = 0.5

# A process that closes a file loses its locks on it, also those that were taken otherwise. So no
# thread makes the file of a lock, and closes it, while another one takes the lock.
_making = threading.Lock()


@contextmanager
def holding(store: Path, name: str, *, timeout: float = _INSTANT) -> Iterator[None]:
    """Hold `name` beside the store file while the context lasts.

    Args:
        store: Absolute path of the store file; its folder exists.
        name: Name of a run; "" is the store as a whole.
        timeout: Seconds to wait for another holder.

    Raises:
        StoreError: It is held by another, or the lock's file cannot be made.
    """
    path = claim_of(store, name)
    what = f"run {name!r}" if name else f"the store {store}"
    connection = None
    try:
        _make(path)
        connection = _connect(path, "rwc", timeout)
        connection.execute("BEGIN EXCLUSIVE")
    except (OSError, sqlite3.Error) as error:
        if connection is not None:
            connection.close()
        if _is_busy(error):
            raise StoreError(
                f"{what} is worked on by one process at a time, but got a second one; wait for "
                "the first or stop it, or start a run under another name"
            ) from error
        raise _broken(path, error) from error
    try:
        yield
    finally:
        connection.close()


def is_held(store: Path, name: str) -> bool:
    """Return whether some living process, this one included, holds `name`.

    Raises:
        StoreError: The lock's file cannot be read.
    """
    path = claim_of(store, name)
    if not path.exists():
        return False
    try:
        with closing(_connect(path, "ro", 0)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_schema")
    except sqlite3.Error as error:
        if _is_busy(error):
            return True
        raise _broken(path, error) from error
    return False


def claim_of(store: Path, name: str) -> Path:
    """Return the file whose lock is the claim of a run."""
    # Next to the file itself: by a link to it a second process would hold another claim.
    store = store.resolve()
    # A digest, because some names of runs are not names of files everywhere ("con", "nul").
    return store.with_name(store.name + "-claims") / f"{digest(name)[:16]}.lock"


def folder_beside(path: Path) -> None:
    """Make the folder of a lock where it is missing.

    Raises:
        OSError: It cannot be made, or is a link, which may lead anywhere.
    """
    path.parent.mkdir(mode=0o700, exist_ok=True)
    _refuse_link(path.parent)


def _make(path: Path) -> None:
    """Make the file of a lock, and its folder, where they are missing.

    Raises:
        OSError: They cannot be made, or one of them is a link.
    """
    folder_beside(path)
    with _making, suppress(FileExistsError):
        os.close(new_private(path))
    _refuse_link(path)


def _refuse_link(path: Path) -> None:
    if path.is_symlink():
        raise OSError("a symbolic link")


def _connect(path: Path, mode: str, timeout: float) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.as_uri()}?mode={mode}",
        uri=True,
        timeout=timeout,
        isolation_level=None,
        check_same_thread=False,
    )


def _broken(path: Path, error: Exception) -> StoreError:
    return StoreError(
        f"the lock of a run is an empty file in a folder that can be written, but got {error} for "
        f"{path}; change the permissions, remove the file if nothing is running, or name another "
        "store with --store"
    )


def _is_busy(error: Exception) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
