"""Is a winner better that is chosen by validation and train together? By simulation.

    python benchmarks/choosing.py --runs 300

Each search proposes 80 solutions in 10 steps. Ten finalists, the best on train, and the start are
compared: on validation alone, and with items of train that count a quarter, a half and in full. The
figures are differences of the winners' true accuracy, in points, with standard errors. Two
solutions give correlated answers, because items are easy or hard for both. In some worlds,
proposals build on one of the eight best on train; in others, each also memorises train items, which
raises its score on train and nothing else.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.random import RandomState
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SIZES = ((100, 25), (100, 100))  # items of train and validation
WEIGHTS = (0.25, 0.5, 1.0)  # of an item of train
ALIKE = 0.85  # correlation of the answers of two solutions, before they are right or wrong
STEPS, EACH, FINALISTS, PARENTS = 10, 8, 10, 8
USUAL, CHANGE = 0.58, 0.04  # mean accuracy of a proposal; how far a child is from its parent


@dataclass(frozen=True)
class World:
    """How solutions come about.

    Attributes:
        name: Of the row.
        spread: Standard deviation of the true accuracies of proposals.
        follows: Share of the proposals that build on one of the best.
        memorised: Mean share of the train items that a solution memorises.
        start: True accuracy of the starting solution.
    """

    name: str
    spread: float
    follows: float = 0.0
    memorised: float = 0.0
    start: float = 0.55


WORLDS = (
    World("proposals ignore scores, far apart", 0.10),
    World("the same, close to each other", 0.04),
    World("the same, from a start that is hard to beat", 0.06, start=0.70),
    World("proposals build on the best", 0.06, 0.7),
    World("and memorise 4 % of the train items", 0.06, 0.7, 0.04),
    World("and memorise 8 % of the train items", 0.06, 0.7, 0.08),
)


def main() -> None:
    """Print a table for each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=300)
    runs = parser.parse_args().runs
    for train, validation in SIZES:
        weights = "".join(f"{f'weight {weight:g}':16}" for weight in WEIGHTS)
        print(f"\n{f'{train} train and {validation} validation items':46}{weights}")
        for number, world in enumerate(WORLDS):
            random = np.random.RandomState(1000 * number + train + validation)
            found = 100 * np.array(
                [searched(world, train, validation, random) for _ in range(runs)]
            )
            means, errors = found.mean(axis=0), found.std(axis=0) / math.sqrt(runs)
            cells = (f"{m:+5.2f} +- {e:4.2f}   " for m, e in zip(means, errors, strict=True))
            print(f"{world.name:46}" + "".join(cells), flush=True)


def searched(world: World, train: int, validation: int, random: RandomState) -> list[float]:
    """Return by how much each weight beats choosing on validation alone, in one search."""
    hard = random.normal(size=train + validation)
    truth = [world.start]
    right = [answers(world.start, hard, random)]
    for _ in range(STEPS):
        best = np.argsort([-row[:train].mean() for row in right], kind="stable")[:PARENTS]
        for _ in range(EACH):
            mean, spread = USUAL, world.spread
            if random.random_sample() < world.follows:
                mean, spread = truth[random.choice(best)], CHANGE
            truth.append(float(np.clip(random.normal(mean, spread), 0.05, 0.97)))
            row = answers(truth[-1], hard, random)
            share = abs(random.normal()) * world.memorised / math.sqrt(2 / math.pi)
            known = random.random_sample(train) < share / max(0.05, 1 - truth[-1])
            row[:train][known] = 1
            right.append(row)
    scores = np.array([[row[:train].mean(), row[train:].mean()] for row in right])
    finalists = [*(1 + np.argsort(-scores[1:, 0], kind="stable")[:FINALISTS]), 0]

    def chosen(weight: float) -> float:
        both = scores @ (weight * train, validation)
        best: int = max(finalists, key=lambda at: (both[at], *scores[at, ::-1]))
        return truth[best]

    alone = chosen(0.0)
    return [chosen(weight) - alone for weight in WEIGHTS]


def answers(truth: float, hard: Floats, random: RandomState) -> Floats:
    """Return which items a solution of a true accuracy gets right."""
    own = random.normal(size=len(hard))
    latent = math.sqrt(ALIKE) * hard + math.sqrt(1 - ALIKE) * own
    return (latent < NormalDist().inv_cdf(truth)).astype(float)


if __name__ == "__main__":
    main()
