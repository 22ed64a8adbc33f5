"""The proven shortest tour: a linear program with subtour cuts, then whole numbers (HiGHS).

After Dantzig, Fulkerson and Johnson (1954). Every edge is a variable from 0 to 1, every node has
two edges, and every set of nodes is left by at least two: these cuts are added where they are
broken. The prices of the linear program show which edges no shorter tour than the best known can
have; without them, HiGHS proves the rest by branching.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from llmopt.errors import ConfigError, MissingExtraError
from llmopt.problems.tours.heuristics import (
    SMALL,
    Solved,
    by_held_karp,
    farthest_insertion,
    length,
)
from llmopt.problems.tours.local_search import kicked

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from llmopt.problems.tours.heuristics import Distances

    Floats = NDArray[np.float64]
    Masks = NDArray[np.bool_]

_NEAR = 8  # edges to so many nearest nodes are in the first linear program
_EPSILON = 1e-6  # by which a linear program may be wrong
_KICKS = 25  # disturbances of the first tour, for each node
_EDGES = 2  # of a node, and of a set of nodes


def optimal(distances: Distances, seconds: float = 40.0) -> Solved:
    """Return a shortest tour, or the shortest found in time with a bound.

    Args:
        distances: Symmetric and not negative, with zeros on the diagonal.
        seconds: How long it may take; not looked at up to :data:`SMALL` nodes.

    Raises:
        MissingExtraError: There are more nodes than that, and HiGHS is not installed.
        ConfigError: There is no node.
    """
    if not len(distances):
        raise ConfigError("a tour has nodes, but got none")
    if len(distances) <= SMALL:
        return by_held_karp(distances)
    return branch_and_cut(distances, seconds)


def branch_and_cut(distances: Distances, seconds: float) -> Solved:
    """Return a shortest tour, or after `seconds` the shortest known one with a bound.

    Lengths are exact up to a millionth.

    Args:
        distances: Symmetric and not negative; at least 5 nodes.
        seconds: When to begin no further program; the last may take as long again.

    Raises:
        MissingExtraError: HiGHS is not installed.
    """
    try:
        import highspy  # noqa: F401 - looked for before anything is computed
    except ImportError as error:
        raise MissingExtraError("a proven shortest tour", "exact") from error
    end = time.monotonic() + seconds
    tour = kicked(distances, farthest_insertion(distances), _KICKS * len(distances))
    search = _Search(distances, tour)
    search.relax()
    return search.finish(end)


@dataclass
class _Search:
    """What is known so far: the best tour, a bound, the cuts, and the edges that matter."""

    distances: Distances
    tour: list[int]
    bound: float = 0.0
    cuts: list[Masks] = field(default_factory=list)

    def __post_init__(self) -> None:
        size = len(self.tour)
        self.shortest = length(self.distances, self.tour)
        rows, columns = np.triu_indices(size, 1)
        self.edges = np.stack([rows, columns], axis=1)
        self.costs = self.distances[rows, columns]
        order = np.argsort(self.distances + np.diag(np.full(size, np.inf)), axis=1)[:, :_NEAR]
        near = np.zeros((size, size), dtype=bool)
        near[np.arange(size)[:, None], order] = True
        near[self.tour, np.roll(self.tour, -1)] = True
        self.used = (near | near.T)[rows, columns]

    def relax(self) -> None:
        """Solve the linear program with all cuts and all edges that it needs."""
        program = _Program(self, whole=False)
        while True:
            values, prices = program.solve()
            fresh = self._broken(values, program.edges)
            if fresh:
                self.cuts += fresh
                program.cut(fresh)
                continue
            reduced = self._reduced(prices)
            missing = (reduced < -_EPSILON) & ~self.used
            if not missing.any():
                break
            self.used |= missing
            program = _Program(self, whole=False)
        self.bound = program.value
        # An edge that would cost more than the best tour leaves room for is in no shorter one.
        self.used = reduced <= self.shortest - self.bound + _EPSILON
        tight = prices[len(self.distances) :] > _EPSILON
        self.cuts = [cut for cut, binds in zip(self.cuts, tight, strict=True) if binds]

    def finish(self, end: float) -> Solved:
        """Solve programs in whole numbers until one gives a tour."""
        program = _Program(self, whole=True)
        while self.shortest - self.bound > _EPSILON * self.shortest and time.monotonic() < end:
            values, _ = program.solve(end - time.monotonic())
            # Without the edges that were left out, nothing is shorter than the best tour.
            self.bound = max(self.bound, min(program.bound, self.shortest))
            if values is None:
                break
            parts = _components(len(self.tour), program.edges[values > 1 / 2])
            if len(parts) == 1:
                self._found(_walk(program.edges[values > 1 / 2]))
                self.bound = max(self.bound, min(program.bound, self.shortest))
                break
            program.cut(self._masks(parts))
        return Solved(self.tour, self.shortest, self.bound, "HiGHS")

    def _found(self, tour: list[int]) -> None:
        found = length(self.distances, tour)
        if found < self.shortest:
            self.tour, self.shortest = tour, found

    def _reduced(self, prices: Floats) -> Floats:
        """Return by how much each edge costs more than the prices of what it gives."""
        size = len(self.distances)
        nodes = prices[:size]
        reduced = self.costs - nodes[self.edges[:, 0]] - nodes[self.edges[:, 1]]
        for cut, price in zip(self.cuts, prices[size:], strict=True):
            reduced -= price * (cut[self.edges[:, 0]] != cut[self.edges[:, 1]])
        return np.asarray(reduced, dtype=np.float64)

    def _broken(self, values: Floats, edges: NDArray[np.int64]) -> list[Masks]:
        """Return sets of nodes that fewer than two edges leave."""
        size = len(self.distances)
        parts = _components(size, edges[values > _EPSILON])
        if len(parts) > 1:
            return self._masks(parts)
        weights = np.zeros((size, size))
        weights[edges[:, 0], edges[:, 1]] = values
        return self._masks(_light(weights + weights.T))

    def _masks(self, parts: Iterable[Sequence[int]]) -> list[Masks]:
        found = []
        for part in parts:
            mask = np.zeros(len(self.distances), dtype=bool)
            mask[list(part)] = True
            found.append(mask)
        return found


class _Program:
    """A linear program, or one in whole numbers, over the edges that a search uses."""

    def __init__(self, search: _Search, *, whole: bool) -> None:
        import highspy

        self._whole = whole
        self.edges = search.edges[search.used]
        self.value = self.bound = 0.0
        costs = search.costs[search.used]
        solver: Any = highspy.Highs  # it is shipped without types
        self._highs = solver()
        for option, chosen in {
            "output_flag": False,
            "random_seed": 0,
            "threads": 1,
            "mip_rel_gap": 0.0,
            "mip_abs_gap": _EPSILON,
        }.items():
            self._highs.setOptionValue(option, chosen)
        count = len(costs)
        self._highs.addVars(count, np.zeros(count), np.ones(count))
        numbers = np.arange(count, dtype=np.int32)
        self._highs.changeColsCost(count, numbers, costs)
        if whole:
            kinds = np.full(count, int(highspy.HighsVarType.kInteger), dtype=np.uint8)
            self._highs.changeColsIntegrality(count, numbers, kinds)
        for node in range(len(search.distances)):
            self._row((self.edges == node).any(axis=1), _EDGES, _EDGES)
        self.cut(search.cuts)

    def cut(self, masks: Iterable[Masks]) -> None:
        """Demand that two edges leave each of these sets."""
        for mask in masks:
            self._row(mask[self.edges[:, 0]] != mask[self.edges[:, 1]], _EDGES, math.inf)

    def _row(self, chosen: Masks, low: float, high: float) -> None:
        numbers = np.flatnonzero(chosen).astype(np.int32)
        self._highs.addRow(low, high, len(numbers), numbers, np.ones(len(numbers)))

    def solve(self, seconds: float = math.inf) -> tuple[Any, Floats]:
        """Return the value of each edge (None: nothing found in time) and the price of each row."""
        import highspy

        if self._whole:
            self._highs.setOptionValue("time_limit", self._highs.getRunTime() + seconds)
        self._highs.run()
        info, solution = self._highs.getInfo(), self._highs.getSolution()
        self.value = float(info.objective_function_value)
        self.bound = float(info.mip_dual_bound) if self._whole else self.value
        done = self._highs.getModelStatus() == highspy.HighsModelStatus.kOptimal
        values = np.array(solution.col_value) if done else None
        return values, np.array(solution.row_dual)


def _components(size: int, edges: NDArray[np.int64]) -> list[list[int]]:
    """Return the parts of a graph that hang together."""
    part = np.arange(size)
    while True:
        lowest = part.copy()
        np.minimum.at(lowest, edges[:, 0], part[edges[:, 1]])
        np.minimum.at(lowest, edges[:, 1], part[edges[:, 0]])
        if (lowest == part).all():
            return [np.flatnonzero(part == name).tolist() for name in np.unique(part)]
        part = lowest


def _light(weights: Floats) -> list[list[int]]:
    """Return sets of nodes that are left by a weight below two, if there is any.

    The algorithm of Stoer and Wagner for minimum cuts (1997): every cut of a phase that is light
    enough is returned, and one of the lightest of all is always among them.
    """
    groups = [[node] for node in range(len(weights))]
    found = []
    while len(groups) > 1:
        tied = weights[0].copy()
        inside = np.zeros(len(groups), dtype=bool)
        inside[0] = True
        before = last = 0
        for _ in range(1, len(groups)):
            before, last = last, int(np.where(inside, -1.0, tied).argmax())
            inside[last] = True
            cut = tied[last]
            tied = tied + weights[last]
        if cut < _EDGES - _EPSILON:
            found.append(list(groups[last]))
        weights[before] += weights[last]
        weights[:, before] += weights[:, last]
        weights[before, before] = 0.0
        groups[before] = groups[before] + groups[last]
        del groups[last]
        weights = np.delete(np.delete(weights, last, axis=0), last, axis=1)
    return found


def _walk(edges: NDArray[np.int64]) -> list[int]:
    """Return the tour that edges make, from node 0 on."""
    beside: dict[int, list[int]] = {}
    for i, j in edges.tolist():
        beside.setdefault(i, []).append(j)
        beside.setdefault(j, []).append(i)
    tour = [0, min(beside[0])]
    while len(tour) < len(beside):
        a, b = beside[tour[-1]]
        tour.append(b if a == tour[-2] else a)
    return tour
