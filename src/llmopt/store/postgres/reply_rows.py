"""Replies in PostgreSQL: many are stored, or found, by one statement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llmopt.core.values import Call, Reply, to_json
from llmopt.store.sql_store import encoded

if TYPE_CHECKING:
    from psycopg import Connection

# Rows are sorted by their key, so that two processes that store the same do not lock each other.
# What is stored is summed up at once, and the claim on its key, if there is one, has served.
_STORE = """
WITH given AS (
    SELECT * FROM unnest(%b::text[], %b::text[], %b::text[], %b::bigint[], %b::bigint[],
        %b::boolean[], %b::bigint[], %b::bigint[], %b::bytea[], %b::bytea[], %b::bytea[])
    AS given (key, run, role, input_tokens, output_tokens, estimated, cached_tokens,
        cache_write_tokens, model, call, reply)
), stored AS (
    INSERT INTO llmopt.replies
        (key, run, role, input_tokens, output_tokens, estimated, cached_tokens,
            cache_write_tokens, model, call, reply)
    SELECT * FROM given ORDER BY key ON CONFLICT (key) DO NOTHING
    RETURNING key, run, role, input_tokens, output_tokens, estimated, cached_tokens,
        cache_write_tokens
), summed AS (
    INSERT INTO llmopt.spent
        (run, role, worker, calls, input_tokens, output_tokens, estimated, cached_tokens,
            cache_write_tokens)
    SELECT run, role, %b::text, count(*), sum(input_tokens), sum(output_tokens), bool_or(estimated),
        sum(cached_tokens), sum(cache_write_tokens)
    FROM stored GROUP BY run, role ORDER BY run, role
    ON CONFLICT (run, role, worker) DO UPDATE SET
        calls = spent.calls + excluded.calls,
        input_tokens = spent.input_tokens + excluded.input_tokens,
        output_tokens = spent.output_tokens + excluded.output_tokens,
        estimated = spent.estimated OR excluded.estimated,
        cached_tokens = spent.cached_tokens + excluded.cached_tokens,
        cache_write_tokens = spent.cache_write_tokens + excluded.cache_write_tokens
), ended AS (
    DELETE FROM llmopt.calls WHERE key IN (
        SELECT key FROM llmopt.calls WHERE key IN (SELECT key FROM given) ORDER BY key FOR UPDATE)
    RETURNING key, awaited
)
SELECT array(SELECT key FROM stored), (
    SELECT pg_notify('llmopt', string_agg(left(key, 16), ',')) FROM ended WHERE awaited
    HAVING count(*) > 0
)
"""

_OWNERS = "SELECT key, run FROM llmopt.replies WHERE key = ANY(%b::text[])"

_USE = """
INSERT INTO llmopt.uses (key, run)
SELECT key, run FROM unnest(%b::text[], %b::text[]) AS found (key, run)
WHERE EXISTS (SELECT 1 FROM llmopt.runs WHERE name = run)
ORDER BY key, run ON CONFLICT DO NOTHING
"""

_FIND = """
SELECT place, reply, replies.run = wanted.run OR EXISTS (
    SELECT 1 FROM llmopt.uses WHERE uses.key = replies.key AND uses.run = wanted.run)
FROM unnest(%b::text[], %b::text[]) WITH ORDINALITY AS wanted (key, run, place)
JOIN llmopt.replies ON replies.key = wanted.key
"""


@dataclass(frozen=True, slots=True)
class PaidReply:
    """A reply, and which run has paid for it."""

    run: str
    key: str
    model: str
    call: Call
    reply: Reply


@dataclass(frozen=True, slots=True)
class FoundReply:
    """A stored reply.

    Attributes:
        reply: As JSON.
        noted: Whether it is known that the run uses it.
    """

    reply: bytes
    noted: bool


def store_replies(connection: Connection[Any], worker: str, paid: list[PaidReply]) -> list[bool]:
    """Store replies; return of each whether the store has it from the run that paid for it."""
    rows = [
        (
            one.key,
            one.run,
            one.call.role,
            one.reply.usage.input_tokens,
            one.reply.usage.output_tokens,
            one.reply.usage.estimated,
            one.reply.usage.cached_tokens,
            one.reply.usage.cache_write_tokens,
            encoded(one.model),
            to_json(one.call),
            to_json(one.reply),
        )
        for one in paid
    ]
    columns = [list(column) for column in zip(*rows, strict=True)]
    row = connection.execute(_STORE, (*columns, worker)).fetchone()
    new = set(row[0]) if row else set()
    known = [one for one in paid if one.key not in new]
    # Of equal keys in one statement the first is the one that was stored.
    first: dict[str, str] = {}
    for one in paid:
        if one.key in new:
            first.setdefault(one.key, one.run)
    if known:
        first |= dict(connection.execute(_OWNERS, ([one.key for one in known],)).fetchall())
    note_uses(connection, [(one.key, one.run) for one in paid if first.get(one.key) != one.run])
    return [first.get(one.key, one.run) == one.run for one in paid]


def note_uses(connection: Connection[Any], uses: list[tuple[str, str]]) -> None:
    """Note that runs use replies which others have paid for: pairs of key and run."""
    if uses:
        connection.execute(_USE, ([key for key, _ in uses], [run for _, run in uses]))


def find_replies(
    connection: Connection[Any], wanted: list[tuple[str, str]]
) -> list[FoundReply | None]:
    """Return the stored replies of pairs of key and run; None: nothing is stored."""
    keys, runs = [key for key, _ in wanted], [run for _, run in wanted]
    found: list[FoundReply | None] = [None] * len(wanted)
    for place, reply, noted in connection.execute(_FIND, (keys, runs)):
        found[place - 1] = FoundReply(bytes(reply), noted)
    return found
