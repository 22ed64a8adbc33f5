"""Racing against measuring everything, by simulation with known true accuracies.

    python benchmarks/racing.py --draws 600

A world draws true accuracies of candidates and a difficulty for each item; a candidate's
outcome on an item mixes that difficulty with luck of its own so that its true accuracy is
exactly the one drawn, and `alike` is the correlation of two candidates on the same item
(before the outcome is cut to right or wrong). Both ways see the same outcomes and choose the
best full train score; what counts is the chosen one's *true* accuracy. The race is the shipped
one: ``Racing.survivors``.

The second table is a whole search: a start and 5 steps of 8, each step's race against the best
of the steps before. The winner is chosen on train, or among the 10 best on as many validation
items, as a run does it. In the third, racing looks at twice as many candidates as everything
measured does: what the calls saved can buy. Calls are always a share of those for measuring
everything; `most` is the largest share in any draw.

The last table (alone with ``--only follow``) is of searches that heed what they are shown, with
the shipped stages, race and trajectory: of the proposals, 70 % go on from one of the 8 best shown.
These are ordered as claims are (partial scores below full ones) or by estimate, as they are shown.
"""

from __future__ import annotations

import argparse
import asyncio
import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Item, Outcome
from llmopt.parts.racing import Racing, stages
from llmopt.parts.rate import Everything, Halving
from llmopt.testing import scripted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from llmopt.core.part import Rate

    Floats = NDArray[np.float64]

STEPS, EACH, FINALISTS = 5, 8, 10


def demo(random: np.random.RandomState, n: int) -> Floats:
    """Most at 0-35 %, about one in seven at 45-70 %: what the demo's optimizer writes."""
    good = random.random_sample(n) < 1 / 7
    return np.where(good, random.uniform(0.45, 0.7, n), random.uniform(0.0, 0.35, n))


def within(low: float, high: float) -> Callable[[np.random.RandomState, int], Floats]:
    """Return a world of accuracies spread evenly."""
    return lambda random, n: random.uniform(low, high, n)


def bell(random: np.random.RandomState, n: int) -> Floats:
    """Return accuracies around 60 % with a standard deviation of 5 points."""
    return random.normal(0.6, 0.05, n)


WORLDS: dict[str, Callable[[np.random.RandomState, int], Floats]] = {
    "demo": demo,
    "within 5": within(0.575, 0.625),
    "within 10": within(0.55, 0.65),
    "within 10, high": within(0.82, 0.92),
    "bell, sd 5": bell,
    "within 40": within(0.4, 0.8),
}


def outcomes(random: np.random.RandomState, truth: Floats, items: int, alike: float) -> Floats:
    """Return right (1) or wrong (0) for each candidate (row) and item (column)."""
    clipped = np.clip(truth, 0.001, 0.999)
    cut = np.array([NormalDist().inv_cdf(p) for p in clipped])
    hard = random.normal(size=items)
    luck = random.normal(size=(len(truth), items))
    return (math.sqrt(alike) * hard + math.sqrt(1 - alike) * luck < cut[:, None]).astype(float)


def race(rule: Racing, table: Floats, rivals: Floats) -> tuple[list[int], int]:
    """Return who was measured in full, and the calls made."""
    field, items = table.shape
    left, spent, seen = list(range(field)), 0, 0
    for size in stages(items):
        spent, seen = spent + len(left) * (size - seen), size
        if size < items and left:
            scores, known = table[left, :size], rivals[:, :size]
            left = [left[i] for i in rule.survivors(scores, known, np.ones(items), field, spent)]
    return left, spent


@dataclass
class Tally:
    """True accuracies of those chosen, in points, over the draws of one setting."""

    everything: list[float]
    racing: list[float]
    calls: list[float]

    def row(self) -> str:
        """Return the four figures."""
        gains = 100 * (np.array(self.racing) - np.array(self.everything))
        error = gains.std(ddof=1) / math.sqrt(len(gains))
        return (
            f"{100 * np.mean(self.everything):10.2f} {100 * np.mean(self.racing):7.2f} "
            f"{gains.mean():+7.2f} ± {error:.2f} {100 * np.mean(self.calls):7.1f} "
            f"{100 * max(self.calls):5.1f}"
        )


HEADER = f"{'everything':>10} {'racing':>7} {'difference':>14} {'calls %':>7} {'most':>5}"


def one_step(rule: Racing, world: str, size: tuple[int, int], alike: float, draws: int) -> Tally:
    """Choose among so many candidates on so many items, many times."""
    field, items = size
    random = np.random.RandomState(field * items)
    tally = Tally([], [], [])
    nobody = np.empty((0, items))
    for _ in range(draws):
        truth = WORLDS[world](random, field)
        table = outcomes(random, truth, items, alike)
        train = table.mean(axis=1)
        full, spent = race(rule, table, nobody)
        tally.everything.append(truth[np.argmax(train)])
        tally.racing.append(truth[max(full, key=lambda i: train[i])])
        tally.calls.append(spent / table.size)
    return tally


def search(
    rule: Racing, world: str, items: int, draws: int, *, more: int = 1, validate: bool = False
) -> Tally:
    """Search for 5 steps of 8, and racing with `more` times as many; count calls on train."""
    random = np.random.RandomState(items)
    tally = Tally([], [], [])
    for _ in range(draws):
        truth = WORLDS[world](random, 1 + STEPS * EACH * more)
        both = outcomes(random, truth, (1 + validate) * items, alike=0.5)
        table, held = both[:, :items], both[:, items:]
        train = table.mean(axis=1)
        full, spent = [0], 0
        for first in range(1, len(truth), EACH * more):
            known = sorted(full, key=lambda i: -train[i])[: rule.k]
            stayed, calls = race(rule, table[first : first + EACH * more], table[known])
            full, spent = full + [first + i for i in stayed], spent + calls
        for pool, chosen in ((range(1 + STEPS * EACH), tally.everything), (full, tally.racing)):
            best = sorted(pool, key=lambda i: -train[i])[:FINALISTS]
            final = [(held[i].mean() if validate else 0.0, train[i]) for i in best]
            chosen.append(truth[best[final.index(max(final))]])
        tally.calls.append(spent / (STEPS * EACH * items))
    return tally


RATES: dict[str, Rate] = {
    "stages (8, 24)": Halving((8, 24)),
    "race .5": Racing(share=0.5),
    "race .3": Racing(share=0.3),
}
SHOWN, HEEDS, FOLLOW_STEPS, ITEMS = 8, 0.7, 10, 100


def follow(rate: Rate, order: Callable[[Trajectory, int], Sequence[Entry]], seed: int) -> float:
    """Search 10 steps of 8 on 100 items, and return the winner's true accuracy in percent.

    An ability is a threshold on items of a normal difficulty. The start has 27 %, a new idea
    around 38 %, and what goes on from another is better or worse by about 6 points.
    """
    random = np.random.RandomState(seed)
    hard = random.normal(size=2 * ITEMS)
    ability: list[float] = [NormalDist().inv_cdf(0.27)]
    right: list[Floats] = []
    items = [Item(str(n)) for n in range(ITEMS)]
    trajectory = Trajectory()

    async def measure(jobs: Sequence[tuple[Candidate, Item]]) -> list[Outcome]:
        return [Outcome(i.id, float(right[int(c.text)][int(i.id)]), "a") for c, i in jobs]

    for step in range(FOLLOW_STEPS + 1):
        if step:
            best = [int(entry.text) for entry in order(trajectory, SHOWN)]
            for _ in range(EACH):
                heeds = random.random_sample() < HEEDS
                parent = ability[best[random.randint(len(best))]] if heeds else -0.3
                ability.append(parent + (0.15 if heeds else 0.3) * random.normal())
        first = len(right)
        for threshold in ability[first:]:
            luck = random.normal(size=2 * ITEMS)
            right.append((math.sqrt(0.7) * hard + math.sqrt(0.3) * luck < threshold).astype(float))
        made = [Candidate(str(n), step) for n in range(first, len(right))]
        found = asyncio.run(rate(scripted.context(trajectory), made, items, measure))
        trajectory = trajectory.tell(map(Entry, made, found))
    full = [int(e.text) for e in trajectory.best(FINALISTS) if not e.evaluation.partial]
    return 100 * NormalDist().cdf(ability[max(full, key=lambda n: right[n][ITEMS:].mean())])


def interval(differences: Floats) -> str:
    """Return a mean with its 95 % interval."""
    half = 1.96 * differences.std(ddof=1) / math.sqrt(len(differences))
    return f"{differences.mean():+6.2f} ± {half:.2f}"


def print_follow(draws: int) -> None:
    """Print what the order of what is shown is worth."""

    def winners(rate: Rate, order: Callable[[Trajectory, int], Sequence[Entry]]) -> Floats:
        return np.array([follow(rate, order, seed) for seed in range(draws)])

    everything = winners(Everything(), Trajectory.best)
    print(f"\nfollow, everything measured: {everything.mean():.2f}; beside it, in points:")
    print(f"{'':16} {'full ones first':>15} {'by estimate':>15} {'difference':>15}")
    for name, rate in RATES.items():
        claimed = winners(rate, Trajectory.best)
        estimated = winners(rate, Trajectory.promising)
        columns = (claimed - everything, estimated - everything, estimated - claimed)
        print(f"{name:16} " + " ".join(f"{interval(column):>15}" for column in columns), flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=600)
    parser.add_argument("--k", type=int, default=Racing.k)
    parser.add_argument("--confidence", type=float, default=Racing.confidence)
    parser.add_argument("--share", type=float, default=Racing.share)
    parser.add_argument("--only", choices=["follow"], help="print this table alone")
    own = parser.parse_args()
    if own.only:
        print_follow(own.draws)
        return
    rule = Racing(own.k, own.confidence, own.share)
    print(rule)
    print(f"{'one step':16} {'field':>5} {'items':>5} {'alike':>5} {HEADER}")
    for world in WORLDS:
        for size in ((8, 50), (8, 100), (8, 300), (24, 100), (64, 50), (64, 300)):
            for alike in (0.2, 0.8) if size == (24, 100) else (0.5,):
                row = one_step(rule, world, size, alike, own.draws).row()
                print(f"{world:16} {size[0]:5} {size[1]:5} {alike:5} {row}", flush=True)
    print(f"\n{'search, 5 of 8':16} {'items':>5} {'chosen on':>11} {HEADER}")
    for world in WORLDS:
        for items in (50, 100, 300):
            for validate in (False, True):
                row = search(rule, world, items, own.draws, validate=validate).row()
                split = "validation" if validate else "train"
                print(f"{world:16} {items:5} {split:>11} {row}", flush=True)
    print(f"\n{'racing 5 of 16':16} {'items':>5} {'':11} {HEADER}")
    for world in WORLDS:
        row = search(rule, world, 100, own.draws, more=2).row()
        print(f"{world:16} {100:5} {'':11} {row}", flush=True)
    print_follow(own.draws)


if __name__ == "__main__":
    main()
