"""Renaming and removing runs, and the replies that no run uses: work on a SQLite connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.core.store import STEP, Freed

if TYPE_CHECKING:
    import sqlite3

# Python writes numbers that are not finite as words, over which SQLite would stop.
_PLAIN = "replace(replace(replace(journal.json, '-Infinity', '0'), 'Infinity', '0'), 'NaN', '0')"

# A run uses what it paid for, what was noted when it found it, and the calls of its steps.
# Of a run that is older than those notes, everything that was there with it may be used.
_UNUSED = f"""
CREATE TEMP TABLE unused AS SELECT key FROM replies WHERE %s
    AND NOT EXISTS (SELECT 1 FROM uses WHERE uses.key = replies.key
        AND uses.run IN (SELECT name FROM runs))
    AND NOT EXISTS (SELECT 1 FROM runs WHERE untraced > replies.created)
    AND key NOT IN (SELECT value FROM journal, json_each({_PLAIN}, '$.calls')
        WHERE kind = '{STEP}')
"""  # noqa: S608 - a constant of ours

_SIZE = "length(CAST(call AS BLOB)) + length(CAST(reply AS BLOB))"


def renamed(connection: sqlite3.Connection, run: str, name: str) -> bool:
    """Give a run a name that is free; return whether there was such a run."""
    if not connection.execute("UPDATE runs SET name = ? WHERE name = ?", (name, run)).rowcount:
        return False
    for table in ("journal", "replies", "uses"):
        # A run that was deleted may have left uses under the new name: they are this run's now.
        connection.execute(
            f"UPDATE OR REPLACE {table} SET run = ? WHERE run = ?",  # noqa: S608 - names of ours
            (name, run),
        )
    return True


def deleted(connection: sqlite3.Connection, run: str) -> Freed | None:
    """Remove a run and the replies that only it uses; None: there is no such run."""
    if not connection.execute("DELETE FROM runs WHERE name = ?", (run,)).rowcount:
        return None
    connection.execute("DELETE FROM journal WHERE run = ?", (run,))
    connection.execute("DELETE FROM uses WHERE run = ?", (run,))
    freed = _without(connection, "run = ?", (run,))
    # A new run of this name has not paid for them.
    connection.execute("UPDATE replies SET run = '' WHERE run = ?", (run,))
    return freed


def collected(connection: sqlite3.Connection) -> Freed:
    """Remove the replies that were paid for by no run there is, and are used by none."""
    return _without(connection, "run NOT IN (SELECT name FROM runs)")


def shrunk(connection: sqlite3.Connection) -> int:
    """Give the file's empty pages back to the disk; return their bytes.

    Raises:
        sqlite3.Error: Another process is reading or writing all the time.
    """
    before = _bytes(connection)
    connection.execute("VACUUM")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return before - _bytes(connection)


def _without(connection: sqlite3.Connection, payer: str, values: tuple[str, ...] = ()) -> Freed:
    """Remove the unused replies of some payers."""
    connection.execute(_UNUSED % payer, values)
    size = f"SELECT count(*), coalesce(sum({_SIZE}), 0) FROM replies JOIN unused USING (key)"  # noqa: S608 - names of ours
    replies, size_of_texts = connection.execute(size).fetchone()
    connection.execute("DELETE FROM replies WHERE key IN (SELECT key FROM unused)")
    connection.execute("DELETE FROM uses WHERE key IN (SELECT key FROM unused)")
    connection.execute("DROP TABLE unused")
    return Freed(replies, size_of_texts)


def _bytes(connection: sqlite3.Connection) -> int:
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    return int(pages) * int(size)
