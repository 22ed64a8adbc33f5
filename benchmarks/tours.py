"""Tours without a language model: how good the heuristics are, and how long many nodes take.

    python benchmarks/tours.py [gaps | large] [--nodes N …] [--instances N]

``gaps`` makes the table of docs/math.md: over seeded instances (seeds 0, 1, 2, …) of each size,
how far nearest neighbour, farthest insertion and 2-opt from nearest neighbour stay off the proven
optimum, as mean ± standard error in %, on how many instances each of them is optimal, and between
what the mean over five of these instances lies in 95 of 100 draws: the paper has five of each size.
``large`` takes the time of everything that is known of one instance of 200 nodes, for a few
seeds. Without a word both are done. The extra ``exact`` is needed for more than 20 nodes.
"""

from __future__ import annotations

import argparse
import itertools
import math
import time
from statistics import fmean, stdev
from typing import TYPE_CHECKING

import numpy as np

from llmopt.problems.tours import exact
from llmopt.problems.tours.tour_problem import tsp

if TYPE_CHECKING:
    from collections.abc import Sequence

HEURISTICS = ("nearest neighbour", "farthest insertion", "2-opt from nearest neighbour")
FEW, DRAWS = 5, 10_000  # instances of the paper; how often so many are drawn from ours
CLOSE = 1e-6  # relative; a tour this near to the optimum is one


def measure_gaps(nodes: int, instances: int) -> None:
    """Print a row for one size, in Markdown."""
    gaps: dict[str, list[float]] = {name: [] for name in HEURISTICS}
    began = time.perf_counter()
    for seed in range(instances):
        problem = tsp(nodes, seed)
        solved = problem.solved
        if solved is None or not solved.proven:
            raise SystemExit(f"{nodes} nodes, seed {seed}: no proven optimum; see the extra exact")
        for name, text in problem.controls().items():
            gaps[name].append(problem.instance(text) / solved.length - 1)
    cells = []
    for name in HEURISTICS:
        found = gaps[name]
        error = stdev(found) / math.sqrt(instances)
        optimal = sum(gap <= CLOSE for gap in found)
        drawn = np.random.RandomState(0).choice(found, (DRAWS, FEW)).mean(axis=1)
        low, high = 100 * np.percentile(drawn, [2.5, 97.5])
        mean = 100 * fmean(found)
        cells.append(f"{mean:.2f} ± {100 * error:.2f} ({optimal}) {low:.1f} to {high:.1f}")
    took = time.perf_counter() - began
    print(f"| {nodes} | {' | '.join(cells)} | {took:.0f} s |", flush=True)


def measure_large(nodes: int, seed: int) -> None:
    """Print seconds for an instance, its heuristics, and its optimum or a bound."""
    marks = [time.perf_counter()]
    problem = tsp(nodes, seed)
    distances = problem.instance.distances
    marks.append(time.perf_counter())
    lengths = [problem.instance(text) for text in problem.controls().values()]
    marks.append(time.perf_counter())
    solved = exact.optimal(distances)
    marks.append(time.perf_counter())
    instance, heuristics, optimum = (b - a for a, b in itertools.pairwise(marks))
    off = ", ".join(f"{100 * (length / solved.bound - 1):.2f}" for length in lengths)
    rest = 100 * (solved.length / solved.bound - 1)
    what = "proven" if solved.proven else f"within {rest:.3f} % of its bound"
    print(
        f"{nodes} nodes, seed {seed}: instance {instance:.2f} s, heuristics {heuristics:.2f} s "
        f"(gaps {off} %), optimum {optimum:.1f} s ({what}), together {marks[-1] - marks[0]:.1f} s",
        flush=True,
    )


def main(words: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", choices=["gaps", "large"])
    parser.add_argument("--nodes", type=int, nargs="+", help="default: 10 15 20 50, and 200")
    parser.add_argument("--instances", type=int, help="default: 200, and 5")
    chosen = parser.parse_args(words)
    if chosen.what in (None, "gaps"):
        print(f"| n | {' | '.join(HEURISTICS)} | time |\n|{'---|' * (len(HEURISTICS) + 2)}")
        for nodes in chosen.nodes or (10, 15, 20, 50):
            measure_gaps(nodes, chosen.instances or 200)
    if chosen.what in (None, "large"):
        for nodes in chosen.nodes or (200,):
            for seed in range(chosen.instances or 5):
                measure_large(nodes, seed)


if __name__ == "__main__":
    main()
