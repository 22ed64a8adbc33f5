"""Renaming and removing runs, and the replies that no run uses: work on a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmopt.core.store import Freed

if TYPE_CHECKING:
    from psycopg import Connection

_SIZE = "octet_length(call) + octet_length(reply)"

# What is noted as used is used by a run there is: notes go with their run.
_DROP = f"""
WITH gone AS (
    DELETE FROM llmopt.replies WHERE %s
        AND NOT EXISTS (SELECT 1 FROM llmopt.uses WHERE uses.key = replies.key)
    RETURNING {_SIZE} AS size
) SELECT count(*), coalesce(sum(size), 0) FROM gone
"""  # noqa: S608 - our constant

_OF_NOBODY = "NOT EXISTS (SELECT 1 FROM llmopt.runs WHERE name = replies.run)"


def renamed_run(connection: Connection[Any], run: str, name: str) -> bool:
    """Give a run a name that is free; return whether there was such a run."""
    changed = connection.execute("UPDATE llmopt.runs SET name = %s WHERE name = %s", (name, run))
    if not changed.rowcount:
        return False
    for table in ("journal", "replies", "spent", "uses", "counters", "shares"):
        if table != "replies":
            # What a run of the new name left that was deleted: there should be none.
            connection.execute(f"DELETE FROM llmopt.{table} WHERE run = %s", (name,))  # noqa: S608 - our names
        connection.execute(
            f"UPDATE llmopt.{table} SET run = %s WHERE run = %s",  # noqa: S608 - our names
            (name, run),
        )
    return True


def deleted_run(connection: Connection[Any], run: str) -> Freed | None:
    """Remove a run and the replies that only it uses; None: there is no such run."""
    if not connection.execute("DELETE FROM llmopt.runs WHERE name = %s", (run,)).rowcount:
        return None
    for table in ("journal", "spent", "uses", "counters", "shares"):
        connection.execute(f"DELETE FROM llmopt.{table} WHERE run = %s", (run,))  # noqa: S608 - our names
    freed = _dropped(connection, "run = %s", (run,))
    # A new run of this name has not paid for them.
    connection.execute("UPDATE llmopt.replies SET run = '' WHERE run = %s", (run,))
    return freed


def collected_replies(connection: Connection[Any]) -> Freed:
    """Remove the replies that were paid for by no run there is, and are used by none."""
    return _dropped(connection, _OF_NOBODY)


def shrunk_tables(connection: Connection[Any]) -> int:
    """Make what was removed room for new replies, and give the end of the tables back to the disk.

    Returns:
        The bytes given back.
    """
    before = _bytes(connection)
    connection.execute("VACUUM llmopt.replies, llmopt.uses, llmopt.journal")
    return max(0, before - _bytes(connection))


def _dropped(connection: Connection[Any], payer: str, values: tuple[str, ...] = ()) -> Freed:
    row = connection.execute(_DROP % payer, values).fetchone()
    return Freed(int(row[0]), int(row[1])) if row else Freed(0, 0)


def _bytes(connection: Connection[Any]) -> int:
    row = connection.execute(
        "SELECT sum(pg_total_relation_size(name::regclass)) FROM unnest(%s::text[]) AS t (name)",
        (["llmopt.replies", "llmopt.uses", "llmopt.journal"],),
    ).fetchone()
    return int(row[0]) if row else 0
