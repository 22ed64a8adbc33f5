"""How often does a sweep call a method better or worse than itself? By simulation.

    python benchmarks/sweeps.py --runs 400

Two methods find winners of the same mean accuracy, 65 %. What a winner truly scores varies from
search to search by a standard deviation, in points; methods may have a taste of their own, items
that they are better at than the other one. Per cent of runs in which a test at 5 % rejects: over
the items alone with each item's mean over the seeds, and over items and searches, as the table of
a sweep does. Marked are figures above 6.5 %. With 400 runs a true 5 % is shown as 3 to 7.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from itertools import product
from statistics import NormalDist

import numpy as np

from llmopt.statistics import Repetition, between_methods, over_tasks, t_p_value

LEVEL = 0.05  # of the tests
MOST = 6.5  # per cent
ACCURACY = 0.65  # of the average winner
TASTE = 0.5  # sd of what a method adds to an item, of which the difficulty has sd 1
NOISE = 0.6  # the same of a single winner

Floats = np.typing.NDArray[np.float64]


@dataclass(frozen=True)
class Design:
    """A sweep of two methods.

    Attributes:
        spreads: Standard deviation of the winners' accuracy, for each method.
        seeds: Searches of each.
        rows: Test items of a task.
        taste: Whether methods have a taste of their own.
        apart: Whether every seed draws its test items anew, half of twice as many.
        tasks: How many.
    """

    spreads: tuple[float, float]
    seeds: int
    rows: int
    taste: bool = False
    apart: bool = False
    tasks: int = 1


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=400)
    runs = parser.parse_args().runs
    print(f"{'winners vary by':18}{'seeds':>6}{'rows':>6}{'taste':>7}  items alone  both")
    worst = 0.0
    for spread, seeds, rows, taste in product(
        (0.0, 2.0, 5.0, 8.0), (3, 5, 10), (100, 300, 1000), (False, True)
    ):
        worst = max(worst, row(Design((spread, spread), seeds, rows, taste), runs))
    for spreads, seeds in product(((0.0, 5.0), (2.0, 8.0)), (2, 3, 5)):
        worst = max(worst, row(Design(spreads, seeds, 300), runs))
    print("\nevery seed with test items of its own")
    for spread, seeds, taste in product((0.0, 5.0), (3, 5), (False, True)):
        worst = max(worst, row(Design((spread, spread), seeds, 300, taste, apart=True), runs))
    print("\nthree tasks together")
    for spread, seeds, taste in product((0.0, 2.0, 8.0), (2, 3, 5), (False, True)):
        worst = max(worst, row(Design((spread, spread), seeds, 100, taste, tasks=3), runs))
    print(f"\nhighest of both ways: {worst:.1f} %")


def row(design: Design, runs: int) -> float:
    """Print how often the tests reject; return the figure of the test over both."""
    random = np.random.RandomState(design.seeds * design.rows)
    alone = both = 0
    for _ in range(runs):
        over_items, over_both = p_values(design, random)
        alone += over_items < LEVEL
        both += over_both < LEVEL
    name = " / ".join(f"{spread:g}" for spread in dict.fromkeys(design.spreads)) + " points"
    share, other = 100 * both / runs, 100 * alone / runs
    taste = "own" if design.taste else "same"
    print(
        f"{name:18}{design.seeds:6}{design.rows:6}{taste:>7}{other:13.1f}{share:6.1f}"
        f"{'*' if share > MOST else ''}",
        flush=True,
    )
    return share


def p_values(design: Design, random: np.random.RandomState) -> tuple[float, float]:
    """Simulate one sweep of two methods that do not differ; return both p-values."""
    estimates, means, variances = [], [], []
    for _ in range(design.tasks):
        first, second, chosen = task(design, random)
        repetitions = [
            Repetition(f[mine], s[mine], np.ones(len(mine)), mine.tolist())
            for f, s, mine in zip(first, second, chosen, strict=True)
        ]
        estimates.append(between_methods(repetitions))
        change = over_seeds(second - first, chosen)
        means.append(change.mean())
        variances.append(change.var(ddof=1) / len(change))
    spread = np.sqrt(sum(variances))
    alone = 1.0 if spread == 0 else t_p_value(float(sum(means) / spread), 10 * design.rows)
    return alone, over_tasks(estimates).p_value


def over_seeds(change: Floats, chosen: list[Floats]) -> Floats:
    """Return the mean change of each item over the seeds that have it."""
    seen = np.zeros(change.shape, dtype=bool)
    for number, mine in enumerate(chosen):
        seen[number, mine] = True
    counts = seen.sum(axis=0)
    return np.asarray((change * seen).sum(axis=0)[counts > 0] / counts[counts > 0])


def task(design: Design, random: np.random.RandomState) -> tuple[Floats, Floats, list[Floats]]:
    """Return right and wrong answers of both methods, seeds x items, and each seed's items."""
    rows = 2 * design.rows if design.apart else design.rows
    size = np.sqrt(1 + NOISE**2 + (TASTE**2 if design.taste else 0))
    normal, hard = NormalDist(), random.standard_normal(rows)
    able = normal.inv_cdf(ACCURACY)
    steep = normal.pdf(able)  # accuracy per unit of ability
    found = []
    for spread in design.spreads:
        ability = able + spread / 100 / steep * random.standard_normal((design.seeds, 1))
        liked = TASTE * random.standard_normal(rows) if design.taste else 0.0
        noise = NOISE * random.standard_normal((design.seeds, rows))
        found.append((size * ability + liked + noise > hard).astype(float))
    chosen = [
        np.sort(random.permutation(rows)[: design.rows]) if design.apart else np.arange(rows)
        for _ in range(design.seeds)
    ]
    return found[0], found[1], chosen


if __name__ == "__main__":
    main()
