"""Do scores help an optimizer LLM that can read them? OPRO beside its control, over several seeds.

    python benchmarks/searches.py --tasks movies reviews tickets --seeds 5

For each task and seed the rows are split anew, and two searches of the same size are run: OPRO, and
the control ``sampling``, which draws as many instructions with the same words and measures them in
the same stages, but sees no score and nothing that was tried. The start and an instruction written
by hand are measured on the same held-out rows. At the end, per task: means over the seeds, the
difference of the two searches with a 95 % t-interval over the seeds, and how often a proposal of
OPRO's later steps beats one of the control on the training rows that everybody is measured on
first. The latter compares all proposals, where the former compares one winner a search.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

from problems import HAND, problem

import llmopt
from llmopt.algorithms import algorithm_named
from llmopt.core.values import Candidate, Evaluation
from llmopt.engine.scoring import Scoring
from llmopt.models.registry import model_named

if TYPE_CHECKING:
    from llmopt.core.model import Model
    from llmopt.engine.run import Run
    from llmopt.problems.prompt.prompt_problem import PromptProblem

METHODS = ("opro", "sampling")
_T = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 8: 2.365, 10: 2.262}  # 97.5 %, n - 1 df


@dataclass(frozen=True)
class Found:
    """What a search found: the winner, scores in 0..1, and the first rows' scores by step."""

    text: str
    start: float
    best: float
    first: list[tuple[int, float]]
    calls: int
    seconds: float


def first_rows(run: Run, rows: int) -> list[tuple[int, float]]:
    """Return step and score on the first rows of every proposal; everybody was measured on them."""
    found = []
    for entry in run.trajectory:
        seen = [o for o in entry.evaluation.outcomes[:rows] if o.score is not None]
        if entry.candidate.step and len(seen) == rows:
            score = Evaluation(tuple(seen), rows).score or 0.0
            found.append((entry.candidate.step, score))
    return found


async def searched(
    asked: PromptProblem, method: str, optimizer: Model, seed: int, arguments: Any
) -> Found:
    """Run one search."""
    options = {
        "samples": arguments.samples,
        "max_tokens": 70,
        "stages": arguments.stages,
        "vary": arguments.vary,
    }
    own = dict(option.split("=", 1) for option in arguments.options) if method == "opro" else {}
    options |= {key: json.loads(value) for key, value in own.items()}
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        async with llmopt.prepare(
            asked,
            algorithm=algorithm_named(method, options),
            optimizer=optimizer,
            steps=arguments.steps,
            seed=seed,
            store=Path(folder) / "store.sqlite",
            controls=(),
        ) as run:
            result = await run.optimize()
            first = first_rows(run, arguments.stages[0])
    held = result.test
    assert held is not None  # noqa: S101 - every task has held-out rows
    used = result.usage["scorer"].calls
    seconds = time.monotonic() - began
    return Found(result.best.text, held.start.mean, held.best.mean, first, used, seconds)


async def by_hand(asked: PromptProblem, text: str, scorer: Model) -> float:
    """Return what the instruction written by hand gets on the held-out rows."""
    scoring = Scoring(asked, scorer, scorer.traits.slots, 0.0, lambda _: None)
    items = asked.items("test")
    outcomes = await scoring.measure([(Candidate(text), item) for item in items])
    return Evaluation(tuple(outcomes), len(items)).score or 0.0


def spread(values: list[float]) -> str:
    """Return a mean with its 95 % t-interval, in points."""
    if len(values) < 2:  # noqa: PLR2004 - one seed has no spread
        return f"{100 * mean(values):+.1f}"
    wide = _T.get(len(values), 2.0) * stdev(values) / len(values) ** 0.5
    centre = mean(values)
    return f"{100 * centre:+.1f} [{100 * (centre - wide):+.1f}, {100 * (centre + wide):+.1f}]"


def beats(later: list[float], control: list[float]) -> float:
    """Return how often one of the first beats one of the second; ties count half."""
    wins = sum((a > b) + 0.5 * (a == b) for a in later for b in control)
    return wins / max(1, len(later) * len(control))


def main() -> None:
    """Print a row per search and the sums per task."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", nargs="+", default=["movies", "reviews", "tickets"])
    parser.add_argument("--data-dir", type=Path, help="for tasks of the papers")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--optimizer", default="local/qwen2.5-coder-1.5b")
    parser.add_argument("--scorer", default="local/smollm2-135m")
    parser.add_argument("--rows", type=int, nargs=3, default=[40, 0, 100])
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--stages", type=int, nargs="+", default=[8, 16])
    parser.add_argument("--vary", default="angles", help="how the draws of both searches differ")
    parser.add_argument("-o", dest="options", action="append", default=[], help="of opro: KEY=JSON")
    arguments = parser.parse_args()
    scorer = model_named(arguments.scorer)
    same = arguments.optimizer == arguments.scorer
    optimizer = scorer if same else model_named(arguments.optimizer)
    print(f"{'search':24} {'start':>6} {'hand':>6} {'best':>6} {'calls':>6} {'s':>5}  text")
    for task in arguments.tasks:
        found: dict[str, list[Found]] = {method: [] for method in arguments.methods}
        hands = []
        for seed in range(arguments.first, arguments.first + arguments.seeds):
            asked = problem(
                task,
                data_dir=arguments.data_dir,
                scorer=scorer,
                rows=tuple(arguments.rows),
                split_seed=seed,
            )
            hands.append(asyncio.run(by_hand(asked, HAND[task], scorer)))
            for method in arguments.methods:
                one = asyncio.run(searched(asked, method, optimizer, seed, arguments))
                found[method].append(one)
                print(
                    f"{task + ' ' + method + ' ' + str(seed):24} {100 * one.start:6.1f} "
                    f"{100 * hands[-1]:6.1f} {100 * one.best:6.1f} {one.calls:6} "
                    f"{one.seconds:5.0f}  {one.text}",
                    flush=True,
                )
        print(f"{task}: hand {100 * mean(hands):.1f}", end="")
        for method, several in found.items():
            print(f", {method} {100 * mean(one.best for one in several):.1f}", end="")
        print()
        if set(METHODS) <= found.keys():
            pairs = zip(found["opro"], found["sampling"], strict=True)
            print(f"  opro minus sampling: {spread([a.best - b.best for a, b in pairs])}")
            shares = [
                beats([s for step, s in a.first if step > 1], [s for _, s in b.first])
                for a, b in zip(found["opro"], found["sampling"], strict=True)
            ]
            print(f"  a later proposal beats one of the control: {spread(shares)} %, 50 is chance")
        for method, several in found.items():
            gains = [one.best - hand for one, hand in zip(several, hands, strict=True)]
            print(f"  {method} minus hand: {spread(gains)}", flush=True)


if __name__ == "__main__":
    main()
