"""A good tour quickly: 2-opt and moved pieces over near nodes, with many small disturbances.

It finds the tour from which the proof of :mod:`llmopt.problems.tours.exact` starts: the shorter
it is, the fewer edges the proof has to look at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from llmopt.problems.tours.heuristics import length

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from llmopt.problems.tours.heuristics import Distances

_NEAR = 8  # nodes that a node may be joined to
_PIECE = 3  # nodes of a piece that is moved, at most
_LONGEST = 50  # nodes between the ends of a disturbance
_TINY = 1e-9  # a shorter gain than this is rounding


def kicked(distances: Distances, tour: Sequence[int], kicks: int) -> list[int]:
    """Return a tour that is at least as short, after so many disturbances.

    Each swaps two neighbouring pieces, is repaired around its four ends, and stays if it did not
    lengthen the tour. The same arguments give the same tour.
    """
    rng = np.random.RandomState(len(tour))
    search = _Local(distances, tour)
    search.improve(tour)
    best, shortest = search.tour, length(distances, search.tour)
    widest = min(_LONGEST, len(best) - 1)
    for turn, *cuts in rng.randint(1, 1 << 30, size=(kicks, 4)).tolist():
        at = turn % len(best)
        a, b, c = sorted(1 + cut % widest for cut in cuts)
        turned = best[at:] + best[:at]
        search.take(turned[:a] + turned[b:c] + turned[a:b] + turned[c:])
        search.improve([turned[place] for cut in (a, b, c) for place in (cut - 1, cut)])
        search.improve([turned[-1], turned[0]])
        found = length(distances, search.tour)
        if found <= shortest:
            best, shortest = search.tour, found
    home = best.index(0)
    return best[home:] + best[:home]


class _Local:
    """A tour and where each node stands in it."""

    def __init__(self, distances: Distances, tour: Sequence[int]) -> None:
        self._d: list[list[float]] = distances.tolist()
        order = np.argsort(distances, axis=1, kind="stable")
        near = [[j for j in row if j != i] for i, row in enumerate(order.tolist())]
        self._near = [row[:_NEAR] for row in near]
        self.take(list(tour))

    def take(self, tour: list[int]) -> None:
        """Go on from another tour."""
        self.tour, self._place = tour, [0] * len(tour)
        self._number(0, len(tour))

    def improve(self, nodes: Iterable[int]) -> None:
        """Make moves around these nodes, and around the nodes that they move, while any helps."""
        waiting = list(dict.fromkeys(nodes))
        while waiting:
            node = waiting.pop()
            touched = self._exchanged(node) or self._moved(node)
            if touched:
                waiting += [other for other in touched if other not in waiting]

    def _exchanged(self, a: int) -> tuple[int, ...]:
        """Replace an edge at a node and another one by two shorter edges, if that helps."""
        tour, place, d = self.tour, self._place, self._d
        size = len(tour)
        for side in (1, -1):
            b = tour[(place[a] + side) % size]
            for c in self._near[a]:
                gain = d[a][b] - d[a][c]
                if gain <= _TINY:
                    break
                e = tour[(place[c] + side) % size]
                if gain + d[c][e] - d[b][e] > _TINY:
                    first, last = (b, c) if side == 1 else (c, b)
                    self._reverse(place[first], place[last])
                    return a, b, c, e
        return ()

    def _moved(self, a: int) -> tuple[int, ...]:
        """Put a piece that begins or ends with a node elsewhere, if that helps."""
        tour, place, d = self.tour, self._place, self._d
        size = len(tour)
        for side in (1, -1):
            for count in range(1, min(_PIECE, size - 3) + 1):
                piece = [tour[(place[a] - side * k) % size] for k in range(count)]
                before, after = (
                    tour[(place[a] - side * count) % size],
                    tour[(place[a] + side) % size],
                )
                end = piece[-1]
                spared = d[before][end] + d[a][after] - d[before][after]
                for c in self._near[a]:
                    if spared - d[a][c] <= _TINY:
                        break
                    if c in piece:
                        continue
                    for e in (tour[(place[c] + 1) % size], tour[place[c] - 1]):
                        if e in piece:
                            continue
                        if spared - d[a][c] - d[end][e] + d[c][e] > _TINY:
                            self._insert(piece, c, e)
                            return before, after, a, end, c, e
        return ()

    def _insert(self, piece: list[int], c: int, e: int) -> None:
        """Put a piece between two neighbours, its first node beside `c`."""
        gone = set(piece)
        rest = [node for node in self.tour if node not in gone]
        at = rest.index(c)
        if rest[(at + 1) % len(rest)] == e:
            self.take(rest[: at + 1] + piece + rest[at + 1 :])
        else:
            self.take(rest[:at] + piece[::-1] + rest[at:])

    def _reverse(self, first: int, last: int) -> None:
        """Turn round the piece from one place to another, or the rest, which is the same."""
        size = len(self.tour)
        inner = (last - first) % size + 1
        if 2 * inner > size:
            first, last, inner = (last + 1) % size, (first - 1) % size, size - inner
        if first <= last:
            self.tour[first : last + 1] = self.tour[first : last + 1][::-1]
            self._number(first, last + 1)
            return
        for _ in range(inner // 2):
            self.tour[first], self.tour[last] = self.tour[last], self.tour[first]
            self._place[self.tour[first]], self._place[self.tour[last]] = first, last
            first, last = (first + 1) % size, (last - 1) % size

    def _number(self, first: int, last: int) -> None:
        for place in range(first, last):
            self._place[self.tour[place]] = place
