"""Planted speed-ups are confirmed, planted wrong programs are not, and methods are compared.

    python benchmarks/faster.py --part 1/4
    python benchmarks/faster.py --identical 50 --part 1/4
    python benchmarks/faster.py --model local/qwen2.5-coder-1.5b --method sbllm --part 1/10

Without ``--model``, a scripted optimizer LLM proposes, for each bundled slow program, the known
faster form and one that is fast and wrong; a second run gets the wrong one alone. For each bundled
heuristic it proposes a better region. It prints each verdict, and ends with 1 where a bar is
missed: at least 95 % of the speed-ups are confirmed on held-out tests, and no wrong program is
accepted. With ``--identical``, it proposes the program itself with another comment, that many
times: at most 5 % may be called faster.

With ``--model``, a real one proposes a number of candidates for each program, by one method, and
the metrics of the SBLLM paper are printed: OPT, the share of programs that a winner makes at least
10 % faster, and SP, the mean gain in speed, 0 where there is none. Both are of the held-out tests,
with intervals, and best@k of all candidates by the tests of the search.

``--part 2/4`` is every fourth program; with ``--json``, each program is a line in a file, which
``--sum`` adds up, so that parts can run at different times.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmopt import optimize, prepare
from llmopt.algorithms import algorithm_named
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.problems.code.bundled_problems import (
    better_region,
    heuristic,
    heuristics,
    slow_program,
    slow_program_named,
    slow_programs,
)
from llmopt.problems.code.speed_metrics import best_at, mean_gain, opt, worth_of
from llmopt.statistics import bootstrap_mean, wilson

if TYPE_CHECKING:
    from llmopt import CodeProblem, Result
    from llmopt.statistics import Interval

_CONFIRMED, _CALLED = 0.95, 0.05
_SAMPLES = 4  # programs of a step, as in the SBLLM paper


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


def planted(name: str) -> dict[str, Any]:
    """Return what became of the planted programs of a slow one."""
    known, problem = slow_program_named(name), slow_program(name)
    result = searched(problem, known.wrong, known.fast)
    alone = searched(problem, known.wrong)
    print(f"{name}: {result.verdict}", f"wrong alone: {alone.verdict}", sep="\n  ", flush=True)
    right = accepted(result) and result.best.text == known.fast
    return {"confirmed": right, "wrong": accepted(alone) or result.best.text == known.wrong}


def identical(name: str, tries: int) -> dict[str, Any]:
    """Return how often a program is called faster than itself."""
    known = slow_program_named(name)
    called = 0
    for number in range(tries):
        problem = slow_program(name)  # of its own: each program is timed once by a problem
        called += accepted(searched(problem, f"# {number}\n{known.slow}"))
    print(f"{name}: called faster {called} times of {tries}", flush=True)
    return {"called": called, "tries": tries}


def proposed(name: str, given: argparse.Namespace) -> dict[str, Any]:
    """Return what a method with a real model makes of a slow program."""
    result, ratios = asyncio.run(_proposed(slow_program(name), given))
    found = result.conclusion or {}
    right = result.best.step > 0 and not found.get("failed")
    print(f"{name}: {result.verdict}", flush=True)
    return {"ratio": found.get("ratio") if right else None, "candidates": ratios}


async def _proposed(
    problem: CodeProblem, given: argparse.Namespace
) -> tuple[Result, list[float | None]]:
    """Return the result of a search, and the ratio of each candidate on the search tests."""
    method = algorithm_named(given.method, {"samples": _SAMPLES, "max_tokens": given.tokens})
    steps = -(-given.candidates // _SAMPLES)
    with tempfile.TemporaryDirectory() as folder:
        store = str(Path(folder) / "runs.sqlite")
        options: dict[str, Any] = {"steps": steps, "seed": given.seed, "controls": ()}
        opened = prepare(
            problem, algorithm=method, optimizer=given.model, store=store, name="run", **options
        )
        async with opened as run:
            result = await run.optimize()
            tried = [entry for entry in run.trajectory if entry.candidate.step]
    right = [problem.fits(one.evaluation) and one.evaluation.score is not None for one in tried]
    ratios = [one.score if fits else None for one, fits in zip(tried, right, strict=True)]
    refused = given.candidates - len(ratios)  # these count as wrong
    return result, [*ratios, *[None] * max(0, refused)]


def heuristics_improved(only: str) -> dict[str, Any]:
    """Return how many heuristics a known better region is shown to improve."""
    names = [name for name in heuristics() if only in name]
    improved = 0
    for name in names:
        result = searched(heuristic(name), better_region(name))
        improved += accepted(result)
        print(f"{name}: {result.verdict}", flush=True)
    return {"improved": improved, "heuristics": len(names)}


def summed(rows: list[dict[str, Any]]) -> int:
    """Print what the rows of all parts come to; return the exit code."""
    missed = False
    if found := [row for row in rows if "confirmed" in row]:
        right, wrong = (sum(row[key] for row in found) for key in ("confirmed", "wrong"))
        print(f"{right} of {len(found)} speed-ups confirmed, {wrong} wrong programs accepted")
        missed |= right < _CONFIRMED * len(found) or wrong > 0
    if found := [row for row in rows if "heuristics" in row]:
        better, total = (sum(row[key] for row in found) for key in ("improved", "heuristics"))
        print(f"{better} of {total} heuristics better")
        missed |= better < total
    if found := [row for row in rows if "tries" in row]:
        called, tries = (sum(row[key] for row in found) for key in ("called", "tries"))
        shown = _between(wilson(called, tries))
        print(f"identical programs called faster: {called} of {tries} {shown}")
        missed |= called > _CALLED * tries
    if found := [row for row in rows if "candidates" in row]:
        _print_metrics(found)
    return int(missed)


def _between(interval: Interval) -> str:
    return f"(95 %: {interval.low:.1%} to {interval.high:.1%})"


def _print_metrics(rows: list[dict[str, Any]]) -> None:
    ratios = [row["ratio"] for row in rows]
    shown = _between(wilson(opt(ratios) * len(ratios), len(ratios)))
    print(f"OPT {opt(ratios):.1%} of {len(ratios)} programs {shown}")
    shown = _between(bootstrap_mean([worth_of(ratio) - 1 for ratio in ratios]))
    print(f"SP {mean_gain(ratios):.1%} {shown}")
    most = min(len(row["candidates"]) for row in rows)
    for k in (k for k in (1, 3, 5, 8, 20) if k <= most):
        best = [best_at(row["candidates"], k) for row in rows]
        print(f"best@{k} on the tests of the search: {sum(best) / len(best):.2f} times as fast")


def main() -> int:
    """Print the verdicts; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="programs whose name has this word")
    parser.add_argument("--part", default="1/1", help="such as 2/4: every fourth one")
    parser.add_argument("--identical", type=int, default=0, help="tries for each program")
    parser.add_argument("--model", default="", help="the optimizer LLM")
    parser.add_argument("--method", default="sbllm", help="with --model")
    parser.add_argument("--candidates", type=int, default=20, help="for each program")
    parser.add_argument("--tokens", type=int, default=700, help="of one reply at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="file that each result is added to as a line")
    parser.add_argument("--sum", type=Path, help="only add up the lines of such a file")
    given = parser.parse_args()
    if given.sum:
        lines = given.sum.read_text(encoding="utf-8").splitlines()
        return summed([json.loads(line) for line in lines])
    part, parts = map(int, given.part.split("/"))
    rows: list[dict[str, Any]] = []
    for name in [name for name in slow_programs() if given.only in name][part - 1 :: parts]:
        if given.model:
            found = proposed(name, given)
        else:
            found = identical(name, given.identical) if given.identical else planted(name)
        rows.append({"name": name, **found})
        _noted(given.json, rows[-1])
    if part == parts and not (given.model or given.identical):
        rows.append({"name": "heuristics", **heuristics_improved(given.only)})
        _noted(given.json, rows[-1])
    return summed(rows)


def _noted(path: Path | None, row: dict[str, Any]) -> None:
    if path:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    sys.exit(main())
