"""A local search and a language model in turns, against either alone, at equal evaluations.

    python benchmarks/catalyst.py --only "rastrigin 2" --seeds 10   a scripted model
    python benchmarks/catalyst.py --model local/qwen2.5-coder-1.5b --seeds 10 --evaluations 160

For each landscape or set of tours, and each seed (other data, other starts, other draws), every
method may evaluate the same number of solutions, the starting ones included:

- catalyst: the local search, and what the optimizer LLM names when it gets no further;
- the local search alone, with its own restarts, at its own first step size and at catalyst's;
- the optimizer LLM alone (OPRO);
- uniform restarts: catalyst with an optimizer LLM that names solutions drawn uniformly. What is
  gained over this is the language model's; what this gains over the local search is the restarts'.

A search has solved its problem when it has tried the optimum. Shares have Wilson's 95 % intervals;
differences from catalyst are paired by seed, with exact McNemar tests.

The scripted optimizer LLM is a stand-in for an able one. It sees the meta-prompt and nothing else,
neither the function nor its bounds: it fits a round bowl to the points and values listed there and
names points around the bottom; of tours it keeps the connections that the better ones share. It
stands for a model that reads a trend off a list, and shows what such a model is worth. What a real
model is worth, only `--model` shows.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from llmopt.algorithms import ALGORITHMS
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation, Item, digest
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.models.registry import model_named
from llmopt.problems.numeric.test_functions import landscape
from llmopt.problems.tours.tour_problem import tsp
from llmopt.statistics.intervals import wilson
from llmopt.statistics.paired import mcnemar_exact

if TYPE_CHECKING:
    from collections.abc import Callable

    from llmopt.core.algorithm import Algorithm
    from llmopt.core.model import Model
    from llmopt.core.values import Call

PROBLEMS: dict[str, Callable[[int], Any]] = {
    "rastrigin 2": lambda seed: landscape("rastrigin", 2, 1, seed, moved=True),
    "ackley 4": lambda seed: landscape("ackley", 4, 1, seed, moved=True),
    "griewank 2": lambda seed: landscape("griewank", 2, 1, seed, moved=True),
    "rosenbrock": lambda seed: landscape("rosenbrock", seed=seed),  # OPRO's failure case
    "tours 12": lambda seed: tsp(12, seed),
    "tours 15": lambda seed: tsp(15, seed),
    "tours 20": lambda seed: tsp(20, seed),
}
_SHOWN = re.compile(r"^(-?[\d.]+): <INS>(.*)</INS>$", re.MULTILINE)
_EMPTY_STEPS = 10  # in a row, after which a search is over


def draws(call: Call) -> np.random.RandomState:
    """Return the generator of a call: the same for the same call."""
    return np.random.RandomState(int(digest(f"{call.text} {call.sample}")[:8], 16))


def reader(call: Call) -> str:
    """Answer as a model that reads the trend of the list in its meta-prompt, and nothing else."""
    shown = [(float(value), text) for value, text in _SHOWN.findall(call.text)]
    shown.sort(key=lambda pair: pair[0])
    if not shown:
        return ""
    named = _tour(shown, draws(call)) if "=" not in shown[0][1] else _point(shown, draws(call))
    return f"<INS>{named}</INS>"


def _point(shown: list[tuple[float, str]], rng: np.random.RandomState) -> str:
    """Return a point around the bottom of a round bowl fitted to the points."""
    names = [part.partition("=")[0].strip() for part in shown[0][1].split(",")]
    points = np.array(
        [[float(part.partition("=")[2]) for part in text.split(",")] for _, text in shown]
    )
    values = np.array([value for value, _ in shown])
    centre, spread = points.mean(axis=0), points.std(axis=0) + 1e-9
    scaled = (points - centre) / spread.max()
    aim = points[: max(1, len(points) // 3)].mean(axis=0)
    if len(points) > points.shape[1] + 2:
        terms = np.column_stack([np.ones(len(points)), scaled, np.sum(scaled**2, axis=1)])
        fit = np.linalg.lstsq(terms, values, rcond=None)[0]
        if fit[-1] > 0:
            bottom = -fit[1:-1] / (2 * fit[-1])
            aim = centre + np.clip(bottom, -3, 3) * spread.max()
    named = aim + rng.standard_normal(len(aim)) * spread / 4
    return ", ".join(f"{name}={x:.2f}" for name, x in zip(names, named, strict=True))


def _tour(shown: list[tuple[float, str]], rng: np.random.RandomState) -> str:
    """Return a tour of connections that the better tours share, with chance where they differ."""
    tours = [[int(node) for node in text.split(",")] for _, text in shown]
    better = tours[: max(2, len(tours) // 2)]
    size = len(tours[0])
    counts = np.zeros((size, size))
    for place, tour in enumerate(better):
        for a, b in zip(tour, [*tour[1:], tour[0]], strict=True):
            counts[a, b] += len(better) - place
            counts[b, a] += len(better) - place
    found, left = [0], set(range(1, size))
    while left:
        options = sorted(left)
        weights = counts[found[-1], options] + 0.05 * counts.max()
        found.append(options[int(rng.choice(len(options), p=weights / weights.sum()))])
        left.remove(found[-1])
    return ",".join(map(str, found))


@dataclass(frozen=True)
class Searched:
    """What a search came to.

    Attributes:
        solved: Whether it tried the optimum.
        evaluations: How many solutions it had tried then, or in all.
        asked: Calls of the optimizer LLM.
        best: The best score, negative where lower values are better.
    """

    solved: bool
    evaluations: int
    asked: int
    best: float


async def searched(
    problem: Any, algorithm: Algorithm, model: Model, seed: int, evaluations: int
) -> Searched:
    """Search until the optimum was tried or all evaluations are made."""
    optimum, item = problem.optimum(), Item("value")

    async def told(candidates: tuple[Candidate, ...]) -> list[Entry]:
        outcomes = [await problem.measure(one.text, item, None) for one in candidates]
        return [
            Entry(one, Evaluation((outcome,), 1))
            for one, outcome in zip(candidates, outcomes, strict=True)
        ]

    trajectory = Trajectory().tell(await told(tuple(map(Candidate, problem.starts))))
    asked = empty = 0
    while len(trajectory) < evaluations and empty < _EMPTY_STEPS:
        best = max(entry.score for entry in trajectory.best(1))
        if best >= optimum - 1e-9:
            break
        found = await algorithm.ask(problem, trajectory, model, seed, evaluations)
        asked += len(found.calls)
        empty = 0 if found.candidates else empty + 1
        room = evaluations - len(trajectory)
        trajectory = trajectory.tell(await told(found.candidates[:room]))
    best = max(entry.score for entry in trajectory.best(1))
    return Searched(best >= optimum - 1e-9, len(trajectory), asked, best)


def methods(name: str, model: Model, problem: Any) -> dict[str, tuple[Algorithm, Model]]:
    """Return the methods that are compared on a problem, each with its optimizer LLM."""

    def uniform(call: Call) -> str:
        return f"<INS>{problem.draw(draws(call))}</INS>"

    made = {
        "catalyst": (ALGORITHMS["catalyst"](), model),
        "uniform restarts": (ALGORITHMS["catalyst"](), ScriptedModel(uniform)),
        "model alone": (ALGORITHMS["opro"](), model),
    }
    if name.startswith("tours"):
        return made | {"2-opt alone": (ALGORITHMS["two-opt"](), model)}
    return made | {
        "CMA-ES alone": (ALGORITHMS["cma-es"](), model),
        "CMA-ES, as in catalyst": (ALGORITHMS["cma-es"](sigma=0.03), model),
        "hill climbing": (ALGORITHMS["hill-climbing"](), model),
    }


async def compared(name: str, model: Model, seeds: int, evaluations: int, first: int = 0) -> None:
    """Print the table of one problem."""
    found: dict[str, list[Searched]] = {}
    for seed in range(first, first + seeds):
        problem = PROBLEMS[name](seed)
        for method, (algorithm, asked) in methods(name, model, problem).items():
            one = await searched(problem, algorithm, asked, seed, evaluations)
            found.setdefault(method, []).append(one)
    print(f"\n{name}: {seeds} seeds, {evaluations} evaluations each")
    print(f"{'method':22} {'solved':>7} {'95 % interval':>15}  {'calls':>6}  against catalyst")
    own = [one.solved for one in found["catalyst"]]
    for method, all_of in found.items():
        solved = [one.solved for one in all_of]
        share = wilson(sum(solved), seeds)
        calls = sum(one.asked for one in all_of) / seeds
        line = f"{method:22} {sum(solved):3}/{seeds:<3} {share.low:7.0%} to {share.high:<5.0%}"
        if method == "catalyst":
            print(f"{line}  {calls:6.1f}")
            continue
        only = sum(a and not b for a, b in zip(own, solved, strict=True))
        lost = sum(b and not a for a, b in zip(own, solved, strict=True))
        p = mcnemar_exact(only, lost)
        print(f"{line}  {calls:6.1f}  {only} only catalyst, {lost} only this: p = {p:.2g}")


async def main() -> None:
    """Compare on the problems named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", default="", help="an optimizer LLM instead of the scripted one")
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--evaluations", type=int, default=400, help="of each search")
    parser.add_argument("--only", nargs="+", choices=list(PROBLEMS), default=list(PROBLEMS))
    arguments = parser.parse_args()
    model = model_named(arguments.model) if arguments.model else ScriptedModel(reader)
    began = time.monotonic()
    for name in arguments.only:
        await compared(name, model, arguments.seeds, arguments.evaluations, arguments.first)
    print(f"\n{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    asyncio.run(main())
