"""Planted speed-ups are confirmed, and planted wrong programs are not accepted.

    python benchmarks/faster.py

For each bundled slow program a scripted optimizer LLM proposes the known faster form and one that
is fast and wrong; a second run gets the wrong one alone. For each bundled heuristic it proposes a
better region. It prints each verdict, and ends with 1 where a bar is missed: at least 95 % of the
speed-ups are confirmed on held-out tests, and no wrong program is accepted.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from llmopt import optimize
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.problems.code.bundled_problems import (
    better_region,
    heuristic,
    heuristics,
    slow_program,
    slow_program_named,
    slow_programs,
)

if TYPE_CHECKING:
    from llmopt import CodeProblem, Result

_CONFIRMED = 0.95


def searched(problem: CodeProblem, *replies: str) -> Result:
    """Return the result of a search in which these programs are proposed."""
    model = ScriptedModel(lambda call: f"```python\n{replies[call.sample % len(replies)]}```")
    with tempfile.TemporaryDirectory() as folder:
        return optimize(
            problem,
            algorithm="opro",
            optimizer=model,
            steps=1,
            controls=(),
            store=str(Path(folder) / "runs.sqlite"),
            progress=False,
        )


def accepted(result: Result) -> bool:
    """Return whether the winner is said to be better than the start."""
    return any(one.word == "better" for one in result.comparisons if one.against == "start")


def main() -> int:
    """Print the verdicts; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="programs whose name has this word")
    parser.add_argument("--part", default="1/1", help="such as 2/4: every fourth one")
    given = parser.parse_args()
    part, parts = map(int, given.part.split("/"))
    names = [name for name in slow_programs() if given.only in name][part - 1 :: parts]
    confirmed = wrongly = 0
    for name in names:
        known, problem = slow_program_named(name), slow_program(name)
        result = searched(problem, known.wrong, known.fast)
        alone = searched(problem, known.wrong)
        right = accepted(result) and result.best.text == known.fast
        confirmed += right
        wrongly += accepted(alone) or result.best.text == known.wrong
        print(f"{name}: {result.verdict}", f"wrong alone: {alone.verdict}", sep="\n  ", flush=True)
    better = [name for name in heuristics() if given.only in name]
    improved = 0
    for name in better:
        result = searched(heuristic(name), better_region(name))
        improved += accepted(result)
        print(f"{name}: {result.verdict}", flush=True)
    print(
        f"{confirmed} of {len(names)} speed-ups confirmed, {wrongly} of {len(names)} wrong "
        f"programs accepted, {improved} of {len(better)} heuristics better"
    )
    return int(confirmed < _CONFIRMED * len(names) or wrongly > 0 or improved < len(better))


if __name__ == "__main__":
    sys.exit(main())
