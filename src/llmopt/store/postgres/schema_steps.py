"""The tables of the PostgreSQL store, as numbered steps from nothing to the newest version.

A step that was released never changes: a change of the tables is another step at the end. All
tables are in a schema of their own, so that the database may hold anything else.

Texts of models may hold NUL and lone surrogates, which PostgreSQL's own texts refuse, so they are
bytes: UTF-8 as Python writes it.
"""

from __future__ import annotations

_RUNS_AND_REPLIES = (
    """CREATE TABLE llmopt.runs (
        name text COLLATE "C" PRIMARY KEY,
        number bigint GENERATED ALWAYS AS IDENTITY,
        created text NOT NULL,
        seconds double precision NOT NULL DEFAULT 0,
        length bigint NOT NULL DEFAULT 0
    )""",
    """CREATE TABLE llmopt.journal (
        run text COLLATE "C" NOT NULL,
        seq bigint NOT NULL,
        kind text COLLATE "C" NOT NULL,
        best double precision,
        json bytea NOT NULL,
        PRIMARY KEY (run, seq)
    )""",
    "CREATE INDEX journal_by_kind ON llmopt.journal (run, kind, seq)",
    "CREATE INDEX journal_best ON llmopt.journal (run, seq) WHERE best IS NOT NULL",
    """CREATE TABLE llmopt.replies (
        key text COLLATE "C" PRIMARY KEY,
        run text COLLATE "C" NOT NULL,
        role text COLLATE "C" NOT NULL,
        input_tokens bigint NOT NULL,
        output_tokens bigint NOT NULL,
        estimated boolean NOT NULL,
        created timestamptz NOT NULL DEFAULT now(),
        model bytea NOT NULL,
        call bytea NOT NULL,
        reply bytea NOT NULL
    )""",
    "CREATE INDEX replies_of_run ON llmopt.replies (run)",
    # What replies used, summed up by run and role. Every process adds to rows of its own, so that
    # none waits for another one's commit.
    """CREATE TABLE llmopt.spent (
        run text COLLATE "C" NOT NULL,
        role text COLLATE "C" NOT NULL,
        worker text COLLATE "C" NOT NULL,
        calls bigint NOT NULL,
        input_tokens bigint NOT NULL,
        output_tokens bigint NOT NULL,
        estimated boolean NOT NULL,
        PRIMARY KEY (run, role, worker)
    )""",
    # A row for each reply that a run uses and another one had paid for.
    """CREATE TABLE llmopt.uses (
        key text COLLATE "C" NOT NULL,
        run text COLLATE "C" NOT NULL,
        PRIMARY KEY (key, run)
    )""",
    "CREATE INDEX uses_of_run ON llmopt.uses (run)",
    """CREATE TABLE llmopt.counters (
        run text COLLATE "C" PRIMARY KEY,
        numbers bigint[] NOT NULL
    ) WITH (fillfactor = 50)""",
    # Processes that make calls, and the calls that they are about to make.
    """CREATE TABLE llmopt.workers (
        id text COLLATE "C" PRIMARY KEY,
        lease interval NOT NULL,
        until timestamptz NOT NULL
    )""",
    """CREATE TABLE llmopt.calls (
        key text COLLATE "C" PRIMARY KEY,
        worker text COLLATE "C" NOT NULL,
        number bigint NOT NULL,
        run text COLLATE "C" NOT NULL,
        fence bigint,
        awaited boolean NOT NULL DEFAULT false
    )""",
    # What each process has drawn of a budget; see shared_budget.py.
    """CREATE TABLE llmopt.shares (
        run text COLLATE "C" NOT NULL,
        worker text COLLATE "C" NOT NULL,
        calls bigint NOT NULL,
        tokens bigint NOT NULL,
        usd double precision NOT NULL,
        quiet boolean NOT NULL,
        PRIMARY KEY (run, worker)
    )""",
    # Nothing of these is missed after a failure of the server.
    """CREATE UNLOGGED TABLE llmopt.paces (
        endpoint text COLLATE "C" NOT NULL,
        kind text COLLATE "C" NOT NULL,
        level double precision NOT NULL,
        taken double precision NOT NULL,
        seen double precision NOT NULL,
        PRIMARY KEY (endpoint, kind)
    ) WITH (fillfactor = 50)""",
    # Who has claimed a run before has a lower number, with which nothing is written any more.
    """CREATE TABLE llmopt.fences (
        run text COLLATE "C" PRIMARY KEY,
        fence bigint NOT NULL
    )""",
)

_CACHE_TOKENS = tuple(
    f"ALTER TABLE llmopt.{table} ADD COLUMN {column} bigint NOT NULL DEFAULT 0"
    for table in ("replies", "spent")
    for column in ("cached_tokens", "cache_write_tokens")
)

STEPS: tuple[tuple[str, ...], ...] = (_RUNS_AND_REPLIES, _CACHE_TOKENS)
"""The statements that make tables of version n those of version n + 1, from n = 0 on."""

NEWEST = len(STEPS)
"""The version of our tables, which ``llmopt.version`` holds."""
