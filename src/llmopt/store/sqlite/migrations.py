"""The tables of the SQLite store, as numbered steps from an empty file to the newest version.

A new file takes all of them, an older one those it lacks, so both have the same tables. A step
that was released never changes: a change of the tables is another step at the end. With it comes
a file of the version before it, for the tests, which bring each of them up to date.
"""

from __future__ import annotations

_RUNS_AND_REPLIES = (
    """CREATE TABLE runs (
        name TEXT PRIMARY KEY,
        created TEXT NOT NULL,
        seconds REAL NOT NULL DEFAULT 0
    )""",
    """CREATE TABLE journal (
        run TEXT NOT NULL,
        seq INTEGER NOT NULL,
        kind TEXT NOT NULL,
        best REAL,
        json TEXT NOT NULL,
        PRIMARY KEY (run, seq)
    )""",
    "CREATE INDEX journal_by_kind ON journal (run, kind, seq)",
    "CREATE INDEX journal_best ON journal (run, seq, best) WHERE best IS NOT NULL",
    """CREATE TABLE replies (
        key TEXT PRIMARY KEY,
        run TEXT NOT NULL,
        role TEXT NOT NULL,
        input_tokens INTEGER NOT NULL,
        output_tokens INTEGER NOT NULL,
        estimated INTEGER NOT NULL,
        created TEXT NOT NULL,
        model TEXT NOT NULL,
        call TEXT NOT NULL,
        reply TEXT NOT NULL
    )""",
    "CREATE INDEX replies_spent ON replies (run, role, input_tokens, output_tokens, estimated)",
)

# `uses` has a row for each reply that a run found and another one had paid for. `untraced` is
# empty, or the time before which what a run found was not noted.
_USES = (
    "ALTER TABLE runs ADD COLUMN untraced TEXT NOT NULL DEFAULT ''",
    "UPDATE runs SET untraced = strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')",
    """CREATE TABLE uses (
        key TEXT NOT NULL,
        run TEXT NOT NULL,
        PRIMARY KEY (key, run)
    ) WITHOUT ROWID""",
)

_CACHE_TOKENS = (
    "ALTER TABLE replies ADD COLUMN cached_tokens INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE replies ADD COLUMN cache_write_tokens INTEGER NOT NULL DEFAULT 0",
    "DROP INDEX replies_spent",
    """CREATE INDEX replies_spent ON replies
        (run, role, input_tokens, output_tokens, estimated, cached_tokens, cache_write_tokens)""",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_RUNS_AND_REPLIES, _USES, _CACHE_TOKENS)
"""The statements that make a file of version n one of version n + 1, from n = 0 on."""

VERSION = len(MIGRATIONS)
"""SQLite's ``user_version`` of our files."""
