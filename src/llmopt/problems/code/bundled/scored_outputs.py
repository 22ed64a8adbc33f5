"""The bundled heuristics' instances, and the scores of what programs write for them.

A score is computed here, from the instance and the output, so that no program can claim one. An
output that is not valid raises ValueError.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random


@dataclass(frozen=True)
class ScoredTask:
    """What a heuristic is tried on.

    Attributes:
        draw: Draws an instance.
        score: Instance and output -> the score, above 0.
        minimize: Whether lower scores are better.
    """

    draw: Callable[[Random], str]
    score: Callable[[str, str], float]
    minimize: bool


def _whole(output: str, count: int) -> list[int]:
    """Return the numbers of an output.

    Raises:
        ValueError: There are not as many as there should be.
    """
    numbers = [int(word) for word in output.split()]
    if len(numbers) != count:
        raise ValueError(f"{count} numbers are expected, got {len(numbers)}")
    return numbers


def _bins(rng: Random) -> str:
    return f"100\n{' '.join(str(rng.randrange(15, 70)) for _ in range(120))}\n"


def used_bins(given: str, output: str) -> float:
    """Return the number of bins that are used."""
    first, second = given.splitlines()
    items = [int(word) for word in second.split()]
    loads: dict[int, int] = {}
    for item, at in zip(items, _whole(output, len(items)), strict=True):
        loads[at] = loads.get(at, 0) + item
        if loads[at] > int(first):
            raise ValueError(f"bin {at} holds {loads[at]}, more than {first}")
    return float(len(loads))


def _jobs(rng: Random) -> str:
    return f"5\n{' '.join(str(int(rng.paretovariate(1.2) * 10)) for _ in range(80))}\n"


def makespan(given: str, output: str) -> float:
    """Return the load of the machine that ends last."""
    first, second = given.splitlines()
    jobs = [int(word) for word in second.split()]
    loads = [0] * int(first)
    for length, at in zip(jobs, _whole(output, len(jobs)), strict=True):
        if not 0 <= at < len(loads):
            raise ValueError(f"there is no machine {at}")
        loads[at] += length
    return float(max(loads))


def _points(rng: Random) -> str:
    return "\n".join(f"{rng.uniform(0, 100):.3f} {rng.uniform(0, 100):.3f}" for _ in range(60))


def tour_length(given: str, output: str) -> float:
    """Return the length of a round trip."""
    points = [tuple(map(float, line.split())) for line in given.splitlines()]
    tour = _whole(output, len(points))
    if sorted(tour) != list(range(len(points))):
        raise ValueError("each point is visited once")
    legs = zip(tour, [*tour[1:], tour[0]], strict=True)
    return math.fsum(math.dist(points[one], points[other]) for one, other in legs)


def _requests(rng: Random) -> str:
    keys = [f"k{number:02}" for number in range(40)]
    rng.shuffle(keys)
    weights = [1 / (rank + 1) for rank in range(len(keys))]
    return f"8\n{' '.join(rng.choices(keys, weights, k=400))}\n"


def cache_hits(given: str, output: str) -> float:
    """Return the number of requests that the cache answers."""
    first, second = given.splitlines()
    cache: set[str] = set()
    dropped = iter(output.split())
    hits = 0
    for key in second.split():
        if key in cache:
            hits += 1
            continue
        out = next(dropped, "")
        full = len(cache) == int(first)
        if full != (out in cache) or (not full and out != "-"):
            raise ValueError(f"{out!r} is dropped, which is not in the cache")
        cache.discard(out)
        cache.add(key)
    return float(hits)


def _things(rng: Random) -> str:
    things = [f"{rng.randrange(5, 60)} {rng.randrange(5, 100)}" for _ in range(60)]
    return "\n".join(["400", *things]) + "\n"


def packed_value(given: str, output: str) -> float:
    """Return the value of the things that are packed."""
    first, *rest = given.splitlines()
    things = [tuple(map(int, line.split())) for line in rest]
    chosen = [int(word) for word in output.split()]
    if len(set(chosen)) < len(chosen):
        raise ValueError("a thing is packed twice")
    if sum(things[at][0] for at in chosen) > int(first):
        raise ValueError("the knapsack is too heavy")
    return float(sum(things[at][1] for at in chosen))


TASKS = {
    "bin-packing": ScoredTask(_bins, used_bins, minimize=True),
    "online-scheduling": ScoredTask(_jobs, makespan, minimize=True),
    "tour-construction": ScoredTask(_points, tour_length, minimize=True),
    "cache-eviction": ScoredTask(_requests, cache_hits, minimize=False),
    "knapsack": ScoredTask(_things, packed_value, minimize=False),
}
