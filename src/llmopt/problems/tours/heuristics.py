"""Tours over a matrix of distances: what is known without a language model.

A tour is a list of nodes, each once, that begins with node 0 and is closed. Distances are
symmetric. Among equals, the node or place with the lowest number is taken everywhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Distances = NDArray[np.float64]

SMALL = 16
"""Up to so many nodes Held-Karp is the quickest way to an optimal tour (0.1 s and 4 MB)."""

LARGEST = 20
"""Up to so many nodes Held-Karp is a way at all (4 s and 100 MB)."""

_TINY = 1e-9  # a shorter gain than this is rounding


@dataclass(frozen=True)
class Solved:
    """A tour, and how short any tour can be.

    Attributes:
        tour: The shortest tour that was found.
        length: Its length.
        bound: No tour is shorter; equal to `length` where the tour is proven to be optimal.
        by: Who found out: "Held-Karp" or "HiGHS".
    """

    tour: list[int]
    length: float
    bound: float
    by: str

    @property
    def proven(self) -> bool:
        """Whether no tour is shorter, up to a millionth of the length."""
        return self.length - self.bound <= 1e-6 * max(1.0, self.length)


def length(distances: Distances, tour: Sequence[int]) -> float:
    """Return the length of a closed tour, the same for each direction and first node."""
    nodes = np.asarray(tour)
    return math.fsum(distances[nodes, np.roll(nodes, -1)].tolist())


def nearest_neighbour(distances: Distances) -> list[int]:
    """Return the tour that always goes to the nearest node left (OPRO, section 8)."""
    left = np.ones(len(distances), dtype=bool)
    tour = [0]
    left[0] = False
    while left.any():
        nearest = int(np.argmin(np.where(left, distances[tour[-1]], np.inf)))
        tour.append(nearest)
        left[nearest] = False
    return tour


def farthest_insertion(distances: Distances) -> list[int]:
    """Return the tour by farthest insertion as OPRO defines it (section 8).

    The cost of a node left is what the tour grows by at the cheapest place for it; the node with
    the largest cost is put there. Lengths are not rounded. Takes time in O(n³).
    """
    tour = [0]
    left = list(range(1, len(distances)))
    while left:
        nodes = np.array(tour)
        after = np.roll(nodes, -1)
        grown = distances[left][:, nodes] + distances[left][:, after] - distances[nodes, after]
        places = grown.argmin(axis=1)
        farthest = int(grown[np.arange(len(left)), places].argmax())
        tour.insert(int(places[farthest]) + 1, left.pop(farthest))
    return tour


def two_opt(distances: Distances, tour: Sequence[int]) -> list[int]:
    """Return a tour that exchanging two of its edges does not shorten, beginning with one.

    In each round the exchange with the largest gain is made.
    """
    nodes = np.array(tour)
    while True:
        after = np.roll(nodes, -1)
        edges = distances[nodes, after]
        exchanged = distances[np.ix_(nodes, nodes)] + distances[np.ix_(after, after)]
        change = np.triu(exchanged - edges[:, None] - edges[None, :], 1)
        at = int(change.argmin())
        i, j = divmod(at, len(nodes))
        if change[i, j] > -_TINY:
            return [int(node) for node in nodes]
        nodes[i + 1 : j + 1] = nodes[i + 1 : j + 1][::-1].copy()


def held_karp(distances: Distances) -> list[int]:
    """Return a shortest tour by dynamic programming over sets of nodes.

    Time and memory double with every node: 20 nodes take some seconds and 100 MB.
    """
    others = len(distances) - 1
    if others < 2:  # noqa: PLR2004 - with two nodes there is nothing to choose
        return list(range(others + 1))
    between, home = distances[1:, 1:], distances[0, 1:]
    best = np.full((1 << others, others), np.inf)  # (set of nodes, the last of them)
    best[1 << np.arange(others), np.arange(others)] = home
    sets = np.arange(1 << others)
    sizes = sum((sets >> node) & 1 for node in range(others))
    for size in range(1, others):
        layer = sets[sizes == size]
        for node in range(others):
            without = layer[(layer >> node) & 1 == 0]
            best[without | (1 << node), node] = (best[without] + between[:, node]).min(axis=1)
    full = (1 << others) - 1
    tour = [int((best[full] + home).argmin())]
    while full.bit_count() > 1:
        last = tour[-1]
        full ^= 1 << last
        tour.append(int((best[full] + between[:, last]).argmin()))
    return [0, *(node + 1 for node in tour)]


def by_held_karp(distances: Distances) -> Solved:
    """Return a shortest tour by :func:`held_karp`, with its length."""
    tour = held_karp(distances)
    found = length(distances, tour)
    return Solved(tour, found, found, "Held-Karp")
