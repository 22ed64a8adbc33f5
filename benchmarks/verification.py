"""Change values in the journal of a finished run, one at a time: does ``llmopt verify`` find each?

A run with a scripted model is finished once. For each mutation one value of a record that is
derived is changed in a copy of the store, in the run's journal or its control's, and the run is
verified. Values that were measured (usage, time, prices) are not derived, and not changed.

    python benchmarks/verification.py --mutations 1000

The exit code is 1 if one is not found.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sqlite3
import sys
import tempfile
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from llmopt import optimize, verify
from llmopt.engine.verification import DERIVED
from llmopt.errors import LlmoptError
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.testing import scripted

# A run that was renamed keeps its first name in its result.
MEASURED = ("usage", "seconds", "stretch", "usd", "versions", "source", "run")
OPTIONS: dict[str, Any] = {"algorithm": "opro", "steps": 3, "name": "run", "progress": False}


def main() -> int:
    """Read the options, try the mutations and print how many were found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--mutations", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    found: Counter[str] = Counter()
    tried: Counter[str] = Counter()
    problem = replace(scripted.problem(), scorer=ScriptedModel(scripted.answer))
    with tempfile.TemporaryDirectory() as folder:
        kept, copy = Path(folder, "kept.sqlite"), Path(folder, "copy.sqlite")
        optimize(problem, store=kept, **OPTIONS)
        if not verify(problem, store=kept, **OPTIONS).holds:
            print("the run does not hold as it is")
            return 1
        for number in range(options.mutations):
            shutil.copy(kept, copy)
            kind, where = mutated(copy, Random(f"{options.seed} {number}"))
            tried[kind] += 1
            try:
                holds = verify(problem, store=copy, **OPTIONS).holds
            except LlmoptError:
                holds = False
            found[kind] += not holds
            if holds:
                print(f"not found: {kind}, {where}", flush=True)
    for kind, count in tried.items():
        print(f"{kind:10} {found[kind]:5,} of {count:5,} found")
    print(f"{found.total():,} of {tried.total():,} found")
    return 0 if found == tried else 1


def mutated(path: Path, random: Random) -> tuple[str, str]:
    """Change one value in a journal; return the kind of the record and what was changed."""
    with closing(sqlite3.connect(path)) as store, store:
        rows = store.execute(
            "SELECT run, seq, kind, json FROM journal ORDER BY run, seq"
        ).fetchall()
        last = {(run, kind): seq for run, seq, kind, _ in rows}
        # Of what a run writes again, only the last record counts.
        counted = [
            row
            for row in rows
            if row[2] in DERIVED and (row[2] == "step" or last[row[0], row[2]] == row[1])
        ]
        kind = random.choice(sorted({row[2] for row in counted}))
        run, seq, _, text = random.choice([row for row in counted if row[2] == kind])
        data = json.loads(text)
        where = change(data, random)
        values = (json.dumps(data), run, seq)
        store.execute("UPDATE journal SET json = ? WHERE run = ? AND seq = ?", values)
    return kind, f"{run}, record {seq}, {where}"


def change(data: dict[str, Any], random: Random) -> str:
    """Change one value somewhere in a record, and return where it is and what it was."""
    holder, key = random.choice(values_in(data))
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


def values_in(data: Any) -> list[tuple[Any, Any]]:
    """Return every single value with what holds it, but for those that were measured."""
    found: list[tuple[Any, Any]] = []
    for key, value in data.items() if isinstance(data, dict) else enumerate(data):
        if key in MEASURED:
            continue
        if isinstance(value, dict | list):
            found += values_in(value)
        else:
            found.append((data, key))
    return found


if __name__ == "__main__":
    sys.exit(main())
