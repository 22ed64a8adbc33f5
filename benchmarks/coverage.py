"""Do the intervals cover, and do the tests reject, as often as they say? By simulation.

    python benchmarks/coverage.py --runs 2000

Each row is a kind of data of which the truth is known. A 95 % interval should hold the truth in
95 of 100 simulated runs, and a test at 5 % should reject a true hypothesis in 5 of 100; marked
are those outside of 93 to 97 and of 3 to 7. With 2,000 runs the figures are within 1 point.
What a small number of whole answers cannot reach by any interval or test is explained in
docs/evidence.md.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import numpy as np

from llmopt.statistics import (
    bootstrap_mean,
    mcnemar_exact,
    mcnemar_mid_p,
    paired_difference,
    wilson,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import RandomState
    from numpy.typing import NDArray

    from llmopt.statistics import Difference, Interval

    Floats = NDArray[np.float64]

SIZES = (30, 100, 300)
SAMPLES = 5  # answers to one question
LEVEL = 0.05  # of the tests
EASY, HARD = 0.9, 0.5  # shares that are right in two classes
PAIRS = ((0.1, 0.0), (0.1, 0.05), (0.2, 0.0), (0.2, 0.1), (0.4, 0.0), (0.4, 0.2))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--draws", type=int, default=2000, help="of each bootstrap")
    given = parser.parse_args()
    print(f"{'runs that a 95 % interval covers, %':52}" + "".join(f"n={n:<8}" for n in SIZES))
    for name, hit in intervals(given.draws).items():
        row(name, hit, given.runs, (93, 97))
    print(f"\n{'runs in which a test at 5 % rejects what is true, %':52}")
    for name, hit in tests(given.draws).items():
        row(name, hit, given.runs, (3, 7))


def row(
    name: str, hit: Callable[[RandomState, int], bool], runs: int, within: tuple[int, int]
) -> None:
    """Print how often something happens for each number of items."""
    cells = []
    for n in SIZES:
        random = np.random.RandomState(n)
        share = 100 * sum(hit(random, n) for _ in range(runs)) / runs
        mark = " " if within[0] <= share <= within[1] else "*"
        cells.append(f"{share:5.1f}{mark}    ")
    print(f"{name:52}" + "".join(cells), flush=True)


def intervals(draws: int) -> dict[str, Callable[[RandomState, int], bool]]:
    """Return what simulates one run and says whether its interval covers the truth."""
    found: dict[str, Callable[[RandomState, int], bool]] = {}
    for p in (0.1, 0.3, 0.5, 0.7, 0.9):
        found[f"Wilson, {p:.0%} are right"] = lambda random, n, p=p: covers(
            wilson(random.binomial(n, p), n), p
        )
    found["bootstrap mean, scores between 0 and 1"] = lambda random, n: covers(
        bootstrap_mean(random.beta(2, 1, n), draws=draws, seed=seed(random)), 2 / 3
    )
    found["bootstrap mean, two classes balanced by weights"] = lambda random, n: balanced(
        random, n, draws
    )
    found[f"clustered, n questions of {SAMPLES} answers each"] = lambda random, n: clustered(
        random, n, draws, together=True
    )
    found["the same, taken for independent answers"] = lambda random, n: clustered(
        random, n, draws, together=False
    )
    for differ, gain in PAIRS:
        name = f"paired, {differ:.0%} differ, {100 * gain:.0f} points better"
        found[name] = lambda random, n, differ=differ, gain=gain: covers(
            paired_difference(
                *answers(random, n, differ, gain), seed=seed(random), draws=draws
            ).interval,
            gain,
        )
    found["paired, scores between 0 and 1"] = lambda random, n: covers(
        paired_difference(*scores(random, n, 0.1), seed=seed(random), draws=draws).interval, 0.1
    )
    found[f"paired, n questions of {SAMPLES} answers each"] = lambda random, n: covers(
        several(random, n, draws, together=True).interval, 0.0
    )
    return found


def tests(draws: int) -> dict[str, Callable[[RandomState, int], bool]]:
    """Return what simulates one run without a difference and says whether a test finds one."""
    found: dict[str, Callable[[RandomState, int], bool]] = {}
    for differ in (0.1, 0.2, 0.3, 0.5):
        for name, test in (("exact", mcnemar_exact), ("mid-p", mcnemar_mid_p)):
            found[f"McNemar {name}, {differ:.0%} differ"] = (
                lambda random, n, differ=differ, test=test: test(*counts(random, n, differ)) < LEVEL
            )
    found["sign flips, scores between 0 and 1"] = lambda random, n: (
        paired_difference(*scores(random, n, 0.0), seed=seed(random), draws=draws).p_value < LEVEL
    )
    found[f"sign flips over n questions of {SAMPLES} answers each"] = lambda random, n: (
        several(random, n, draws, together=True).p_value < LEVEL
    )
    found["the same, taken for independent answers"] = lambda random, n: (
        several(random, n, draws, together=False).p_value < LEVEL
    )
    return found


def covers(interval: Interval, truth: float) -> bool:
    """Return whether the truth lies in the interval."""
    return interval.low <= truth <= interval.high


def seed(random: RandomState) -> int:
    """Return a new seed for what is drawn inside."""
    return int(random.randint(1 << 31))


def balanced(random: RandomState, n: int, draws: int) -> bool:
    """Two classes, one of a fifth of the items, of which 90 % and 50 % are right."""
    few = n // 5
    right = np.concatenate([random.random_sample(few) < EASY, random.random_sample(n - few) < HARD])
    weights = np.repeat([n / few / 2, n / (n - few) / 2], [few, n - few])
    interval = bootstrap_mean(right.astype(float), weights, draws=draws, seed=seed(random))
    return covers(interval, (EASY + HARD) / 2)


def clustered(random: RandomState, n: int, draws: int, *, together: bool) -> bool:
    """Several right or wrong answers to each question, of which some are easier than others."""
    easy = random.beta(1, 1, n)
    right = (random.random_sample((n, SAMPLES)) < easy[:, None]).astype(float).ravel()
    groups = np.repeat(np.arange(n), SAMPLES).tolist() if together else None
    interval = bootstrap_mean(right, draws=draws, seed=seed(random), clusters=groups)
    return covers(interval, 0.5)


def several(random: RandomState, n: int, draws: int, *, together: bool) -> Difference:
    """Two of which each is better on half of the questions, with several answers to each."""
    easy, other = random.beta(1, 1, (2, n))
    first, second = (
        (random.random_sample((n, SAMPLES)) < chance[:, None]).astype(float).ravel()
        for chance in (easy, other)
    )
    groups = np.repeat(np.arange(n), SAMPLES)
    labels = groups.tolist() if together else None
    # Weights that are not all equal, so that the test is the sign flips' in both cases.
    weights = np.where(groups % 2, 1.0, 1.001)
    return paired_difference(
        first, second, weights, seed=seed(random), clusters=labels, draws=draws
    )


def counts(random: RandomState, n: int, differ: float) -> tuple[int, int]:
    """How many items only the first, and only the second got right; neither is better."""
    only = random.binomial(n, differ)
    first = random.binomial(only, 0.5)
    return first, only - first


def answers(random: RandomState, n: int, differ: float, gain: float) -> tuple[Floats, Floats]:
    """Right and wrong answers of two that differ on a share of the items."""
    kind = random.choice(4, size=n, p=_kinds(differ, gain))
    return (kind % 2).astype(float), (kind // 2).astype(float)


def _kinds(differ: float, gain: float) -> list[float]:
    """Chances of neither, only the first, only the second, and both being right."""
    rest = (1 - differ) / 2
    return [rest, (differ - gain) / 2, (differ + gain) / 2, rest]


def scores(random: RandomState, n: int, gain: float) -> tuple[Floats, Floats]:
    """Scores of two on items of which some are easier than others."""
    easy = random.beta(2, 2, n) * 0.6
    first, second = easy + 0.2 * random.beta(1, 3, (2, n))
    return first, second + gain


if __name__ == "__main__":
    main()
