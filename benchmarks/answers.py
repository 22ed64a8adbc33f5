"""How far the verdicts of ``llmopt.problems.answers`` agree with recorded ones, and how fast.

A recording is a line of JSON with the keys ``task``, ``kind`` (see ``answers.AnswerKind``),
``output``, ``target``, ``verdict`` (whether the output was judged right) and, where there are
any, ``choices``. Run with a folder of ``*.jsonl`` files:

    python benchmarks/answers.py recordings/ --show 5

It prints per task how many verdicts agree, how many were credited or refused against the
recorded verdict, and the microseconds of one reading; with ``--show N`` the first N
disagreements of each task.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from llmopt.problems.answers import extract, is_correct


@dataclass
class Tally:
    """What one task's recordings came to."""

    total: int = 0
    credited: int = 0
    refused: int = 0
    seconds: float = 0.0
    differing: list[str] = field(default_factory=list)


def measure(folder: Path) -> dict[str, Tally]:
    """Judge every recording below `folder`."""
    tallies: dict[str, Tally] = defaultdict(Tally)
    for path in sorted(folder.glob("**/*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            output, target, kind = record["output"], record["target"], record["kind"]
            choices = record.get("choices")
            tally = tallies[record["task"]]
            begin = time.perf_counter()
            verdict = is_correct(output, target, kind, choices)
            tally.seconds += time.perf_counter() - begin
            tally.total += 1
            if verdict != record["verdict"]:
                tally.credited += verdict
                tally.refused += not verdict
                read = extract(output, kind, choices)
                tally.differing.append(f"target {target!r}, read {read!r} from {output[-300:]!r}")
    return tallies


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--show", type=int, default=0, help="disagreements to print per task")
    arguments = parser.parse_args()
    tallies = measure(arguments.folder)
    print(f"{'task':44}{'outputs':>8}{'agree %':>9}{'credited':>9}{'refused':>8}{'µs':>7}")
    for task, tally in tallies.items():
        agree = 100 * (1 - len(tally.differing) / tally.total)
        each = tally.seconds / tally.total * 1e6
        print(f"{task:44}{tally.total:8}{agree:9.2f}{tally.credited:9}{tally.refused:8}{each:7.0f}")
        for line in tally.differing[: arguments.show]:
            print("    " + line)


if __name__ == "__main__":
    main()
