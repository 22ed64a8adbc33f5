"""Where runs and replies are kept: the journal of every run, and every reply paid for."""

from __future__ import annotations

import os
from pathlib import Path

from llmopt.core.store import (
    JournalRecord,
    RunInfo,
    Status,
    Store,
    check_name,
)
from llmopt.errors import StoreError
from llmopt.store.postgres.server_address import is_server, shown_place

__all__ = [
    "JournalRecord",
    "RunInfo",
    "Status",
    "Store",
    "check_name",
    "default_path",
    "is_server",
    "open_store",
    "shown_place",
]

_FILE = "llmopt.sqlite"


def open_store(where: str | Path | None = None, *, new: bool = True) -> Store:
    """Open a store; create it where it does not exist.

    Args:
        where: A path; a URL ``sqlite:///PATH`` (an absolute PATH begins with a fourth slash) or
            ``postgresql://USER:PASSWORD@HOST/DATABASE``; or None for :func:`default_path`. ``~``
            is the home directory.
        new: Whether it may be created; without it, a mistyped path is refused.

    Raises:
        StoreError: The scheme of the URL is unknown, or the file is no store, a newer
            version's, damaged, or cannot be opened, or is not there and may not be created; or
            the server cannot be reached.
        MissingExtraError: A store in PostgreSQL needs psycopg, which is not installed.
    """
    if isinstance(where, str) and is_server(where):
        from llmopt.store.postgres.postgres_store import PostgresStore

        return PostgresStore(where, new=new)
    # SQLite is loaded by those who open a store, not by those who name its types.
    from llmopt.store.sqlite.sqlite_store import SqliteStore

    path = default_path() if where is None else _path(where)
    if path.is_dir() or not path.name:
        raise StoreError(
            f"a store is a file, but got the folder {path}; add a file name, such as {_FILE}"
        )
    if not new and not path.exists():
        raise StoreError(f"a store is a file that exists, but there is no {path}; check the path")
    if not new and not path.stat().st_size:
        raise StoreError(f"a store is a file with runs, but {path} is empty; check the path")
    return SqliteStore(path)


def default_path() -> Path:
    """Return ``llmopt.sqlite`` in ``LLMOPT_HOME``, or in the user data directory without it."""
    if home := os.environ.get("LLMOPT_HOME"):
        return _expanded(home) / _FILE
    import platformdirs

    return Path(platformdirs.user_data_dir("llmopt", appauthor=False)) / _FILE


def batches_folder() -> Path:
    """Return the folder next to the usual store where batches are recorded that were sent."""
    return default_path().parent / "batches"


def _path(where: str | Path) -> Path:
    scheme, mark, rest = str(where).partition("://")
    if isinstance(where, Path) or not mark:
        return _expanded(where)
    # The rest of an unknown URL may hold a password: it is not repeated.
    if scheme != "sqlite":
        raise StoreError(
            "a store is a path, sqlite:///PATH or postgresql://HOST/DATABASE, but got a URL with "
            f"the scheme {scheme!r}; name a file"
        )
    if not rest.startswith("/") or rest == "/":
        raise StoreError(
            f"the URL of a SQLite store is sqlite:///PATH, but got {where!r}; "
            "write three slashes and a path (four slashes for an absolute one)"
        )
    return _expanded(rest[1:])


def _expanded(path: str | Path) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise StoreError(
            f"the path of a store is one whose '~' is a known home, but got {path}; write it out"
        ) from error
