"""The choice among finalists: all on every validation item, or fewer of them on more items.

    python benchmarks/finals.py --capo FOLDER --searches 150

The worlds, searches and recorded tables are those of `benchmarks/selection.py`. Each search is made
once, and each way chooses among the same ten finalists and the start; the start is measured on all
validation items in any case. In recorded tables, a random half of the columns is train, the other
half is validation, and the finalists are the ten best on train. Differences are those of the
winner's true accuracy, or of its recorded held-out score, from the choice with everything measured,
in points, with 95 % intervals over searches or tables; calls are in per cent of those of measuring
everything on validation.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from selection import (
    NORMAL,
    ORDERS,
    WORLDS,
    World,
    answers_of,
    block_tables,
    interval,
    pooled,
    searched,
)

from llmopt.parts.ability import AbilityRace
from llmopt.parts.racing import Racing, stages
from llmopt.parts.rate import Everything

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from selection import Floats

    from llmopt.core.part import Rate

    Way = Callable[[Floats, Floats], tuple[int, int]]  # train, validation -> row, calls

FINALISTS = 10
RATES: dict[str, Rate] = {
    "everything": Everything(),
    "race, share .5": Racing(),
    "ability": AbilityRace(),
}


def looked(shares: Sequence[float], keep: float) -> Way:
    """Return a way that looks after shares of the items, and keeps a share of the finalists."""

    def choose(train: Floats, held: Floats) -> tuple[int, int]:
        left = list(range(len(train)))
        known, spent, seen, last = np.full_like(held, np.nan), held.shape[1], 0, len(train) - 1
        known[last] = held[last]  # the start
        for share in (*shares, 1.0):
            size = round(share * held.shape[1])
            spent += (len(left) - (last in left)) * (size - seen)
            known[left, seen:size], seen = held[left, seen:size], size
            score = pooled(
                train[left], np.where(np.arange(held.shape[1]) < size, known[left], np.nan)
            )
            most = 1 if share == 1 else max(2, math.ceil(keep * len(left)))
            left = [left[i] for i in np.sort(np.argsort(-score, kind="stable")[:most])]
        return left[0], spent

    return choose


def raced(share: float) -> Way:
    """Return a way that drops finalists as the shipped race does."""
    rule = Racing(share=share)

    def choose(train: Floats, held: Floats) -> tuple[int, int]:
        left, spent, seen = list(range(len(train) - 1)), held.shape[1], 0
        start, size = held[-1:], held.shape[1]
        weights, begun = np.ones(size), len(left)
        for size in stages(held.shape[1]):
            spent, seen = spent + len(left) * (size - seen), size
            if size < held.shape[1]:
                stay = rule.survivors(held[left, :size], start[:, :size], weights, begun, spent)
                left = [left[row] for row in stay]
        left.append(len(train) - 1)
        return left[int(pooled(train[left], held[left]).argmax())], spent

    return choose


WAYS: dict[str, Way] = {
    "everything": looked((), 1.0),
    "race, share 1": raced(1.0),
    "race, share .5": raced(0.5),
    "halved after 1/4, 1/2, 3/4": looked((0.25, 0.5, 0.75), 0.5),
    "halved after 1/2": looked((0.5,), 0.5),
    "halved after 1/2, 3/4": looked((0.5, 0.75), 0.5),
    "2 thirds after 1/4, 1/2, 3/4": looked((0.25, 0.5, 0.75), 2 / 3),
}


def print_ways(title: str, found: dict[str, list[tuple[float, int]]]) -> None:
    """Print calls and the difference of each way."""
    full = np.array(found["everything"])
    for name, rows in found.items():
        own = np.array(rows)
        calls = 100 * own[:, 1].sum() / full[:, 1].sum()
        print(f"{title:34} {name:30} {calls:6.1f} % {interval(own[:, 0] - full[:, 0])}", flush=True)


def print_searches(world: str, rate: str, items: int, searches: int) -> None:
    """Print what the ways choose after simulated searches."""
    found: dict[str, list[tuple[float, int]]] = {name: [] for name in WAYS}
    for seed in range(searches):
        made = World(world, items, seed)
        trajectory = searched(made, RATES[rate])
        best = [int(e.text) for e in trajectory.best(FINALISTS) if e.evaluation.comparable]
        rows = [*(row for row in best if row), 0]
        train = answers_of(trajectory, items)[rows]
        held = np.array([made.right[row][items:] for row in rows])
        for name, way in WAYS.items():
            chosen, calls = way(train, held)
            found[name].append((100 * NORMAL.cdf(made.ability[rows[chosen]]), calls))
    print_ways(f"{world}, {rate}, {items} items", found)


def print_recorded(folder: Path) -> None:
    """Print what the ways choose in recorded tables."""
    found: dict[str, list[tuple[float, int]]] = {name: [] for name in WAYS}
    for table in block_tables(folder):
        gains: dict[str, list[tuple[float, int]]] = {name: [] for name in WAYS}
        for seed in range(ORDERS):
            columns = np.random.RandomState(seed).permutation(table.scores.shape[1])
            train, held = (table.scores[:, part] for part in np.array_split(columns, 2))
            start = 0
            best = [row for row in np.argsort(-train.mean(axis=1), kind="stable") if row != start]
            rows = [*best[:FINALISTS], start]
            for name, way in WAYS.items():
                chosen, calls = way(train[rows], held[rows])
                gains[name].append((100 * float(table.held[rows[chosen]]), calls))
        for name, pairs in gains.items():
            score, calls = np.mean(pairs, axis=0)
            found[name].append((float(score), float(calls)))  # type: ignore[arg-type]
    print_ways(f"{len(found['everything'])} recorded tables", found)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--capo", type=Path, help="folder of recorded block tables")
    parser.add_argument("--searches", type=int, default=150, help="simulated; 0: none")
    parser.add_argument("--items", type=int, nargs="*", default=[50, 100])
    own = parser.parse_args()
    if own.capo:
        print_recorded(own.capo)
    for items in own.items if own.searches else ():
        for rate in RATES:
            for world in WORLDS:
                print_searches(world, rate, items, own.searches)


if __name__ == "__main__":
    main()
