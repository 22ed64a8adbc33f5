"""Change what is stored of a finished run, one thing at a time: does ``llmopt verify`` find each?

A run with a scripted model and its control are finished once. For each mutation something is
changed in a copy of the store, and the run is verified and compared with the manifest that was
written before. The kinds of mutation take turns; they are listed with the result:

- Of every kind of record that is derived, in either journal: a value is changed, a key removed or
  added, a list shortened or put in another order. Records are lost or repeated. A reply that was
  used is lost, or is found under another key. All of it has to be found by derivation alone.
- What was measured, or written down by the way (usage, times, prices, sources, status), requests
  and the wording of replies: a manifest finds these.

Nothing that a figure is made of is in the remaining fields: the table `uses` and the columns
`replies.created`, `replies.model` and `runs.untraced`, by which the store knows what it may delete,
and `replies.estimated` of a single reply, for usage is estimated as soon as one reply's is.

    python benchmarks/verification.py --mutations 1000

The exit code is 1 if one is not found.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import sqlite3
import sys
import tempfile
from collections import Counter
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from llmopt import optimize, verify
from llmopt.engine.header import HEADER
from llmopt.engine.verification import DERIVED, changed_since
from llmopt.errors import LlmoptError
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.testing import scripted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from llmopt.problems.prompt.prompt_problem import PromptProblem

# A run that was renamed keeps its first name in its result.
MEASURED = ("usage", "seconds", "stretch", "usd", "versions", "source", "run")
OPTIONS: dict[str, Any] = {
    "algorithm": "opro",
    "steps": 2,
    "validate_every": 2,
    "name": "run",
    "progress": False,
}


def main() -> int:
    """Read the options, try the mutations and print how many were found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--mutations", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    found: dict[str, Counter[str]] = {}
    problem = the_problem()
    with tempfile.TemporaryDirectory() as folder:
        kept, copy = Path(folder, "kept.sqlite"), Path(folder, "copy.sqlite")
        optimize(problem, store=kept, **OPTIONS)
        before = verify(problem, store=kept, **OPTIONS)
        if not before.holds:
            print("the run does not hold as it is")
            return 1
        with contextlib.suppress(KeyboardInterrupt):  # what is done by then is reported
            for number in range(options.mutations):
                shutil.copy(kept, copy)
                kind, where = mutated(copy, number, Random(f"{options.seed} {number}"))
                how = found_by(problem, copy, before.manifest)
                found.setdefault(kind, Counter())[how] += 1
                if how == "lost" or (how == "manifest" and KINDS[kind][0]):
                    print(f"not found as it should be ({how}): {kind}, {where}", flush=True)
    return reported(found)


def the_problem() -> PromptProblem:
    """Return the problem of the run: small, for it is verified a thousand times."""
    return replace(scripted.problem(24, (8, 6, 10)), scorer=ScriptedModel(scripted.answer))


def found_by(problem: PromptProblem, store: Path, manifest: dict[str, Any]) -> str:
    """Return what finds that something was changed: derived, manifest, or nothing (lost)."""
    try:
        after = verify(problem, store=store, **OPTIONS)
    except LlmoptError:
        return "derived"
    if not after.holds:
        return "derived"
    return "manifest" if list(changed_since(manifest, after.manifest)) else "lost"


def reported(found: dict[str, Counter[str]]) -> int:
    """Print what was found of each kind, and by what; return the exit code."""
    print(f"{'':44}   tried derived manifest")
    wrong = 0
    for kind, how in found.items():
        print(f"{kind:44} {how.total():7,} {how['derived']:7,} {how['manifest']:8,}")
        wrong += how["lost"] + (how["manifest"] if KINDS[kind][0] else 0)
    total = sum((how.total() for how in found.values()), 0)
    print(f"{total - wrong:,} of {total:,} found")
    return int(wrong > 0)


def mutated(path: Path, number: int, random: Random) -> tuple[str, str]:
    """Change something in a store: the kind of mutation with this number, or the next possible one.

    Returns:
        The kind, and what was changed.
    """
    kinds = list(KINDS)
    with closing(sqlite3.connect(path)) as store, store:
        for turn in range(len(kinds)):
            kind = kinds[(number + 17 * turn) % len(kinds)]
            if where := KINDS[kind][1](store, random):
                return kind, where
    raise AssertionError("nothing can be changed")


# -- journals -------------------------------------------------------------------------------------


def records(store: sqlite3.Connection, *, derived: bool) -> list[tuple[str, int, str, str]]:
    """Return run, number, kind and JSON of records; of derived ones those that count."""
    rows = store.execute("SELECT run, seq, kind, json FROM journal ORDER BY run, seq").fetchall()
    if not derived:
        return [row for row in rows if row[2] not in DERIVED]
    last = {(run, kind): seq for run, seq, kind, _ in rows}
    # Of what a run writes again, only the last record counts.
    return [
        row
        for row in rows
        if row[2] in DERIVED and (row[2] == "step" or last[row[0], row[2]] == row[1])
    ]


def in_record(
    kind: str,
    act: Callable[[dict[str, Any], Random], str],
    store: sqlite3.Connection,
    random: Random,
) -> str:
    """Change a record of a kind; empty: none has the place for it."""
    rows = [row for row in records(store, derived=kind in DERIVED) if kind in ("", row[2])]
    random.shuffle(rows)
    for run, seq, row_kind, text in rows:
        data = json.loads(text)
        # Of a configuration, only what makes a run this run is derived.
        within = (
            data[random.choice(("identity", HEADER))]
            if act in _ACTS.values() and row_kind == "config"
            else data
        )
        if where := act(within, random):
            values = (json.dumps(data), run, seq)
            store.execute("UPDATE journal SET json = ? WHERE run = ? AND seq = ?", values)
            return f"{run}, record {seq}, {where}"
    return ""


def nested(data: Any, *, measured: bool = False) -> Iterator[tuple[Any, Any]]:
    """Yield every place in a record as what holds it and its key.

    Args:
        data: The record, or a part of it.
        measured: Only places in what was measured, and else none of them.
    """
    for key, value in data.items() if isinstance(data, dict) else enumerate(data):
        if key in MEASURED:
            if measured:
                yield from ((data, key), *_inside(value))
        else:
            if not measured:
                yield data, key
            if isinstance(value, dict | list):
                yield from nested(value, measured=measured)


def _inside(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield value, key
            yield from _inside(inner)


def change(data: dict[str, Any], random: Random, *, measured: bool = False) -> str:
    """Change one value somewhere in a record, and return where it is and what it was."""
    places = [
        (holder, key)
        for holder, key in nested(data, measured=measured)
        if not isinstance(holder[key], dict | list)
    ]
    if not places:
        return ""
    holder, key = random.choice(places)
    value = holder[key]
    if isinstance(value, bool):
        holder[key] = not value
    elif isinstance(value, int | float):
        holder[key] = value + random.choice((1, -1, 0.5))
    elif value is None:
        holder[key] = random.choice((0, "x"))
    else:
        holder[key] = f"{value} x"
    return f"{key}: {value!r}"


def remove(data: dict[str, Any], random: Random) -> str:
    """Remove a key."""
    places = [(holder, key) for holder, key in nested(data) if isinstance(holder, dict)]
    holder, key = random.choice(places)
    return f"without {key}: {holder.pop(key)!r:.60}"


def add(data: dict[str, Any], random: Random) -> str:
    """Add a key."""
    holders = [data, *(h[key] for h, key in nested(data) if isinstance(h[key], dict))]
    random.choice(holders)["added"] = 1
    return "with a key more"


def shorten(data: dict[str, Any], random: Random) -> str:
    """Take an element out of a list."""
    places = [(holder, key) for holder, key in nested(data) if isinstance(holder, list)]
    if not places:
        return ""
    holder, key = random.choice(places)
    return f"without element {key}: {holder.pop(key)!r:.60}"


def reorder(data: dict[str, Any], random: Random) -> str:
    """Exchange two different elements of a list; that of calls is in the order of the replies."""
    lists = [
        holder[key]
        for holder, key in nested(data)
        if isinstance(holder[key], list) and key != "calls"
    ]
    pairs = [
        (one, n)
        for one in lists
        for n in range(len(one) - 1)
        if json.dumps(one[n]) != json.dumps(one[n + 1])
    ]
    if not pairs:
        return ""
    one, n = random.choice(pairs)
    one[n], one[n + 1] = one[n + 1], one[n]
    return f"elements {n} and {n + 1} exchanged"


def lose_record(store: sqlite3.Connection, random: Random) -> str:
    """Delete a derived record."""
    run, seq, kind, _ = random.choice(records(store, derived=True))
    store.execute("DELETE FROM journal WHERE run = ? AND seq = ?", (run, seq))
    return f"{run}, record {seq} ({kind})"


def repeat_step(store: sqlite3.Connection, random: Random) -> str:
    """Write a step again at the end."""
    steps = [row for row in records(store, derived=True) if row[2] == "step"]
    run, seq, kind, text = random.choice(steps)
    store.execute(
        "INSERT INTO journal (run, seq, kind, json) "
        "SELECT run, max(seq) + 1, ?, ? FROM journal WHERE run = ?",
        (kind, text, run),
    )
    return f"{run}, record {seq}"


def rename_kind(store: sqlite3.Connection, random: Random) -> str:
    """Call a derived record otherwise."""
    run, seq, kind, _ = random.choice(records(store, derived=True))
    store.execute("UPDATE journal SET kind = 'other' WHERE run = ? AND seq = ?", (run, seq))
    return f"{run}, record {seq} ({kind})"


def exchange_records(store: sqlite3.Connection, random: Random) -> str:
    """Exchange two neighbours of a journal that are not alike."""
    rows = store.execute("SELECT run, seq, kind, json FROM journal ORDER BY run, seq").fetchall()
    pairs = [
        (one, other) for one, other in pairwise(rows) if one[0] == other[0] and one[2:] != other[2:]
    ]
    (run, seq, kind, _), (_, after, *_) = random.choice(pairs)
    for old, new in ((seq, -1), (after, seq), (-1, after)):
        store.execute("UPDATE journal SET seq = ? WHERE run = ? AND seq = ?", (new, run, old))
    return f"{run}, records {seq} ({kind}) and {after}"


def best_column(store: sqlite3.Connection, random: Random) -> str:
    """Change the score that the list of runs shows."""
    last = "SELECT run, max(seq) FROM journal WHERE best IS NOT NULL GROUP BY run ORDER BY run"
    run, seq = random.choice(store.execute(last).fetchall())
    store.execute("UPDATE journal SET best = best + 0.25 WHERE run = ? AND seq = ?", (run, seq))
    return f"{run}, record {seq}"


# -- replies and runs -----------------------------------------------------------------------------


def in_reply(field: str, store: sqlite3.Connection, random: Random) -> str:
    """Change a value in the JSON of a reply, or of the request beside it."""
    rows = store.execute(f"SELECT key, {field} FROM replies ORDER BY key").fetchall()  # noqa: S608 - ours
    key, text = random.choice(rows)
    data = json.loads(text)
    places = [(h, k) for h, k in _inside(data) if not isinstance(h[k], dict | list)]
    holder, name = random.choice(places)
    value = holder[name]
    if isinstance(value, bool):
        holder[name] = not value
    elif isinstance(value, int | float):
        holder[name] = value + 1
    else:
        holder[name] = f"{value or ''} x"
    store.execute(f"UPDATE replies SET {field} = ? WHERE key = ?", (json.dumps(data), key))  # noqa: S608 - ours
    return f"{key[:8]}, {name}: {value!r:.60}"


def column(table: str, name: str, value: str, store: sqlite3.Connection, random: Random) -> str:
    """Set a column of a row to what an SQL expression says."""
    rows = store.execute(f"SELECT rowid FROM {table}").fetchall()  # noqa: S608 - ours
    (row,) = random.choice(rows)
    store.execute(f"UPDATE {table} SET {name} = {value} WHERE rowid = ?", (row,))  # noqa: S608 - ours
    return f"row {row}"


def estimated(store: sqlite3.Connection, random: Random) -> str:
    """Say of all replies of a role that their usage is estimated, or that it is not."""
    role = random.choice(("optimizer", "scorer"))
    store.execute("UPDATE replies SET estimated = 1 - estimated WHERE role = ?", (role,))
    return role


def lose_reply(store: sqlite3.Connection, random: Random) -> str:
    """Delete a reply."""
    (key,) = random.choice(store.execute("SELECT key FROM replies ORDER BY key").fetchall())
    store.execute("DELETE FROM replies WHERE key = ?", (key,))
    return str(key[:8])


_ACTS = {
    "value": change,
    "removed key": remove,
    "added key": add,
    "list": shorten,
    "order": reorder,
}

Kind = tuple[bool, "Callable[[sqlite3.Connection, Random], str]"]

KINDS: dict[str, Kind] = {
    **{
        f"journal.json, {kind}: {name}": (True, partial(in_record, kind, act))
        for kind in DERIVED
        for name, act in _ACTS.items()
    },
    "journal: lost record": (True, lose_record),
    "journal: repeated step": (True, repeat_step),
    "journal.kind": (True, rename_kind),
    "replies: lost reply": (True, lose_reply),
    "replies.key": (True, partial(column, "replies", "key", "key || 'x'")),
    "runs.name": (True, partial(column, "runs", "name", "name || 'x'")),
    "journal.json, config: measured": (
        False,
        partial(in_record, "config", partial(change, measured=True)),
    ),
    "journal.json, result: measured": (
        False,
        partial(in_record, "result", partial(change, measured=True)),
    ),
    "journal.json, other records: value": (False, partial(in_record, "", change)),
    "journal.seq: exchanged records": (False, exchange_records),
    "journal.best": (False, best_column),
    "replies.reply": (False, partial(in_reply, "reply")),
    "replies.call": (False, partial(in_reply, "call")),
    **{
        f"replies.{name}": (False, partial(column, "replies", name, value))
        for name, value in (
            ("run", "run || 'x'"),
            ("role", "CASE role WHEN 'scorer' THEN 'optimizer' ELSE 'scorer' END"),
            ("input_tokens", "input_tokens + 1"),
            ("output_tokens", "output_tokens + 1"),
        )
    },
    "replies.estimated, of all": (False, estimated),
    "runs.created": (False, partial(column, "runs", "created", "'2020-01-01T00:00:00.000+00:00'")),
    "runs.seconds": (False, partial(column, "runs", "seconds", "seconds + 1")),
}
"""The kinds of mutation: whether derivation alone has to find it, and what changes it."""


if __name__ == "__main__":
    sys.exit(main())
