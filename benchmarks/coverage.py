"""Do the intervals cover, and do the tests reject, as often as they say? By simulation.

    python benchmarks/coverage.py --runs 2000
    python benchmarks/coverage.py --only graded    # scores that mostly agree
    python benchmarks/coverage.py --only balanced  # classes that count the same

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
    added,
    bootstrap_mean,
    mcnemar_exact,
    mcnemar_mid_p,
    mostly_agree,
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
    parser.add_argument("--only", default="", help="part of the names of rows")
    given = parser.parse_args()
    print(f"{'runs that a 95 % interval covers, %':54}" + "".join(f"n={n:<8}" for n in SIZES))
    held = intervals(given.draws) | graded(given.draws) | classes(given.draws, covering=True)
    for name, hit in held.items():
        if given.only in name:
            row(name, hit, given.runs, (93, 97))
    print(f"\n{'runs in which a test at 5 % rejects what is true, %':54}")
    for name, hit in (tests(given.draws) | classes(given.draws, covering=False)).items():
        if given.only in name:
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
    print(f"{name:54}" + "".join(cells), flush=True)


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


def graded(draws: int) -> dict[str, Callable[[RandomState, int], bool]]:
    """Return the same for scores from 0 to 1 of which most are equal."""
    found: dict[str, Callable[[RandomState, int], bool]] = {}
    for usual, rest, others in (
        (0.75, (0.0,), 0.05),
        (0.75, (0.0, 1.0), 0.02),
        (1.0, (0.5,), 0.05),
        (1.0, (0.0, 0.25, 0.5, 0.75), 0.1),
    ):
        listed = ", ".join(f"{value:g}" for value in rest)
        name = f"graded, all {usual:g} but {others:.0%} ({listed})"
        found[name] = lambda random, n, mix=(usual, rest, others): covers(
            mean_interval(mostly(random, n, *mix), random, draws), expected(*mix)
        )
    for rest, others in (((-0.5, 0.5), 0.03), ((-1.0,), 0.03), ((-0.5,), 0.1)):
        listed = ", ".join(f"{value:+g}" for value in rest)
        name = f"paired, graded, {others:.0%} differ ({listed})"
        found[name] = lambda random, n, mix=(0.0, rest, others): covers(
            changed(mostly(random, n, *mix), None, random, draws).interval, expected(*mix)
        )
    return found


def mostly(
    random: RandomState, n: int, usual: float, rest: tuple[float, ...], others: float
) -> Floats:
    """Return numbers that are the usual one but for a share."""
    return np.where(random.random_sample(n) < others, random.choice(rest, n), usual)


def expected(usual: float, rest: tuple[float, ...], others: float) -> float:
    """Return the mean of such numbers."""
    return (1 - others) * usual + others * float(np.mean(rest))


def mean_interval(values: Floats, random: RandomState, draws: int) -> Interval:
    """Return the interval that a report gives of such scores."""
    if mostly_agree(values, range(len(values))):
        return added(values).interval(0.95)
    return bootstrap_mean(values, draws=draws, seed=seed(random))


def changed(
    change: Floats, labels: list[int] | None, random: RandomState, draws: int
) -> Difference:
    """Compare two whose scores differ by a change, with classes that count the same if given."""
    first = np.where(change < 0, 1.0, 0.0)
    weights = None
    if labels is not None:
        counts = np.bincount(labels)
        weights = [len(labels) / len(counts) / counts[label] for label in labels]
    return paired_difference(
        first, first + change, weights, classes=labels, seed=seed(random), draws=draws
    )


CLASSES = {
    "2 classes, 50 and 50 %": (0.5, 0.5),
    "2 classes, 20 and 80 %": (0.2, 0.8),
    "5 classes, 20 % each": (0.2,) * 5,
    "5 classes, 50, 20 and 3 x 10 %": (0.5, 0.2, 0.1, 0.1, 0.1),
}


def classes(draws: int, *, covering: bool) -> dict[str, Callable[[RandomState, int], bool]]:
    """Return the same for balanced accuracy: intervals, or tests without a difference."""
    found: dict[str, Callable[[RandomState, int], bool]] = {}
    for name, shares in CLASSES.items():
        if covering:
            found[f"balanced, {name}"] = lambda random, n, shares=shares: covers(
                balanced(random, n, shares), (EASY + HARD * (len(shares) - 1)) / len(shares)
            )
        for moved in (0.1, 0.2, 0.4):
            title = f"balanced, {name}, {moved:.0%} traded"
            found[title] = lambda random, n, shares=shares, moved=moved: outcome(
                changed(*traded(random, n, shares, moved), random, draws), covering=covering
            )
    return found


def outcome(found: Difference, *, covering: bool) -> bool:
    """Return whether the interval holds 0, or whether the test finds what is not there."""
    return covers(found.interval, 0.0) if covering else found.p_value < LEVEL


def sizes(n: int, shares: tuple[float, ...]) -> list[int]:
    """Return the number of items of each class."""
    return [round(n * share) for share in shares]


def balanced(random: RandomState, n: int, shares: tuple[float, ...]) -> Interval:
    """Classes of which the first is easier: 90 % are right, and 50 % of the others."""
    counts = sizes(n, shares)
    labels = np.repeat(np.arange(len(counts)), counts)
    right = random.random_sample(len(labels)) < np.where(labels == 0, EASY, HARD)
    weights = len(labels) / len(counts) / np.repeat(counts, counts)
    return added(right.astype(float), weights, classes=labels.tolist()).interval(0.95)


def traded(
    random: RandomState, n: int, shares: tuple[float, ...], moved: float
) -> tuple[Floats, list[int]]:
    """Changes of which the first class gains what the others lose, and the classes."""
    counts = sizes(n, shares)
    labels = np.repeat(np.arange(len(counts)), counts)
    lost = moved / (len(counts) - 1)
    change = random.random_sample(len(labels)) < np.where(labels == 0, moved, lost)
    return np.where(labels == 0, 1.0, -1.0) * change, labels.tolist()


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
