"""The travelling salesman as OPRO poses it (section 8): points in a square, tours as lists."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from llmopt.core.values import digest
from llmopt.errors import ConfigError, MissingExtraError
from llmopt.problems.function import Fixed, FunctionProblem
from llmopt.problems.tours import exact
from llmopt.problems.tours import heuristics as tours
from llmopt.problems.tours.instance_files import RULES, distances_of, read_points

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from llmopt.core.problem import Description
    from llmopt.problems.tours.heuristics import Distances, Solved

_SIDE = 100.0  # points lie from -100 to 100 in both directions
_FEWEST = 5  # nodes: with fewer there are not enough tours to start from
_USUAL = 10  # nodes, where nobody says how many
_SEEDS = 1 << 32  # seeds of the generator are below this
_STARTS = 5
_ROUNDING = 1e-9  # by which an optimal length may be computed otherwise


@dataclass(frozen=True)
class Instance:
    """Nodes, the distances between them, and tours over them.

    Attributes:
        points: x and y of each node; node 0 is where tours begin.
        rule: How lengths are computed, see :data:`~llmopt.problems.tours.instance_files.RULES`.
        matrix: The distances themselves, in place of points.
    """

    points: tuple[tuple[float, float], ...]
    rule: str = "EXACT"
    matrix: tuple[tuple[float, ...], ...] = ()

    @property
    def size(self) -> int:
        """How many nodes there are."""
        return len(self.points) or len(self.matrix)

    @cached_property
    def distances(self) -> Distances:
        """The distance between each two nodes."""
        if self.matrix:
            return np.array(self.matrix, dtype=np.float64)
        return distances_of(self.points, self.rule)

    @cached_property
    def solved(self) -> Solved | None:
        """The optimal tour, or a tour with a bound; computed once, in a minute at most.

        None where there are more than 20 nodes and the extra `exact` is not installed.
        """
        if importlib.util.find_spec("highspy") is None and self.size <= tours.LARGEST:
            return tours.by_held_karp(self.distances)
        try:
            return exact.optimal(self.distances)
        except MissingExtraError:
            return None

    @property
    def optimum(self) -> float | None:
        """The score from which a tour counts as optimal, where that is proven."""
        return optimum_by(self.solved)

    def __call__(self, text: str) -> float:
        """Return the length of the tour that a canonical text names."""
        return tours.length(self.distances, self.nodes(text))

    def nodes(self, text: str) -> list[int]:
        """Return the nodes of a canonical text."""
        return [int(part) for part in text.split(",")]

    def encode(self, tour: Sequence[int]) -> str:
        """Return a tour as canonical text: from node 0, in the direction of the lower neighbour."""
        turned = [*tour[:1], *tour[:0:-1]] if tour[1] > tour[-1] else tour
        return ",".join(map(str, turned))

    def parse(self, text: str) -> str:
        """Return the canonical text of a tour that a language model wrote.

        It is a list of all nodes, each once, node 0 first, with commas or blanks between them; it
        may stand in ``<trace>`` tags or square brackets. Nothing is repaired.

        Raises:
            ValueError: It is something else.
        """
        traces = re.findall(r"<trace>(.*?)(?:</trace>|$)", text, re.DOTALL)
        bracketed = re.findall(r"\[([^\[\]]*)\]", text)
        inner = traces[-1] if traces else bracketed[-1] if bracketed else text
        parts = re.split(r"\s*,\s*|\s+", inner.strip())
        if not all(re.fullmatch(r"-?[0-9]{1,9}", part) for part in parts):
            raise ValueError("not a list of node numbers")
        tour = [int(part) for part in parts]
        if min(tour) < 0:
            raise ValueError("a node number is below 0")
        if max(tour) >= self.size:
            raise ValueError(f"a node number is above {self.size - 1}")
        if len(set(tour)) < len(tour):
            raise ValueError("a node is visited twice")
        if len(tour) < self.size:
            raise ValueError("a node is left out")
        if tour[0] != 0:
            raise ValueError("the tour does not begin with node 0")
        return self.encode(tour)

    def draw(self, rng: np.random.RandomState) -> str:
        """Return a random tour, every one equally likely."""
        return self.encode([0, *(1 + rng.permutation(self.size - 1)).tolist()])

    def neighbours(self, text: str) -> Iterator[str]:
        """Yield every tour that has all edges of a tour but two, in a fixed order."""
        tour = self.nodes(text)
        for first in range(1, len(tour) - 1):
            for last in range(first + 1, len(tour) - (first == 1)):
                yield self.encode(tour[:first] + tour[first : last + 1][::-1] + tour[last + 1 :])


def optimum_by(solved: Solved | None) -> float | None:
    """Return the score from which a tour counts as optimal; None without a proof."""
    return -solved.length * (1 + _ROUNDING) if solved and solved.proven else None


@dataclass(frozen=True, kw_only=True, repr=False)
class TourProblem(FunctionProblem):
    """Find the shortest tour over an instance; :func:`tsp` makes one.

    Attributes:
        instance: The points.
    """

    instance: Instance

    @property
    def description(self) -> Description:
        """How the problem presents itself to an optimizer LLM."""
        plain = super().description
        return replace(plain, noun="tour", measure="length", layout="numbers")

    @property
    def fingerprint(self) -> dict[str, str]:
        """Everything that decides scores, by name."""
        told = {"function": "length of a tour", "points": digest(repr(self.instance.points))}
        if self.instance.rule != "EXACT":
            told["lengths"] = digest(repr((self.instance.rule, self.instance.matrix)))
        return {**super().fingerprint, **told}

    @property
    def solved(self) -> Solved | None:
        """The optimal tour, or a tour with a bound; computed once, in a minute at most."""
        return self.instance.solved

    def optimum(self) -> float | None:
        """Return the score from which a tour counts as optimal, where that is proven."""
        return optimum_by(self.solved)

    def recorded(self) -> dict[str, Any]:
        """Return the points, where there are any."""
        if not self.instance.points:
            return {}
        return {"kind": "tour", "points": [list(point) for point in self.instance.points]}

    def controls(self) -> dict[str, str]:
        """Return tours that nobody had to search for, by what finds them."""
        distances = self.instance.distances
        nearest = tours.nearest_neighbour(distances)
        found = {
            "nearest neighbour": nearest,
            "farthest insertion": tours.farthest_insertion(distances),
            "2-opt from nearest neighbour": tours.two_opt(distances, nearest),
        }
        return {name: self.instance.encode(tour) for name, tour in found.items()}

    def gap(self, score: float) -> float | None:
        """Return by which share a tour with this score is longer than the shortest one.

        Measured from what is proven, so it is never too small; None where nothing is.
        """
        return -score / self.solved.bound - 1 if self.solved else None

    def draw(self, rng: np.random.RandomState) -> str:
        """Return a random tour, every one equally likely."""
        return self.instance.draw(rng)

    def neighbours(self, text: str) -> Iterator[str]:
        """Yield every tour that has all edges of a tour but two, in a fixed order."""
        return self.instance.neighbours(text)


def tsp(nodes: int = _USUAL, seed: int = 0, decimals: int = 0, file: str = "") -> TourProblem:
    """Return a problem over random points or those of a file, with 5 random tours to start from.

    A run stops at an optimal tour. Random coordinates are drawn from -100 to 100 and cut off to
    whole numbers, as in the published code, so that an optimizer LLM sees the very points.

    Args:
        nodes: How many random points, 5 or more; 10, 15, 20 and 50 in the paper.
        seed: Chooses points and starting tours, 0 or more.
        decimals: Digits of lengths as shown; 0 cuts them off as the published code does. Inside,
            lengths are never rounded but as a TSPLIB file demands it.
        file: A TSPLIB file (EUC_2D, CEIL_2D, MAN_2D, MAX_2D, GEO, ATT or a symmetric EXPLICIT
            matrix), or a CSV file of points, in place of random ones; its first point is node 0.
            See :func:`~llmopt.problems.tours.instance_files.read_points`.

    Raises:
        ConfigError: A number is out of its range, or `nodes` is given with a file.
        DataError: The file cannot be used.
    """
    if not 0 <= seed < _SEEDS:
        raise ConfigError(f"a seed is 0 to {_SEEDS - 1}, but got {seed}")
    rng = np.random.RandomState(seed)
    if file:
        if nodes != _USUAL:
            raise ConfigError(
                f"the nodes of a tour are those of its file, but got nodes = {nodes} too; leave "
                "one out"
            )
        found = read_points(Path(file).expanduser())
        instance = Instance(found.points, found.rule, found.matrix)
    else:
        drawn = np.trunc(rng.uniform(-_SIDE, _SIDE, (max(nodes, 0), 2))).tolist()
        instance = Instance(tuple((x + 0.0, y + 0.0) for x, y in drawn))
    if instance.size < _FEWEST:
        raise ConfigError(
            f"a tour has {_FEWEST} nodes or more, but got {instance.size}; the paper has 10"
        )
    return _over(instance, rng, decimals)


def _over(instance: Instance, rng: np.random.RandomState, decimals: int) -> TourProblem:
    """Return the problem over an instance, with 5 random tours to start from."""
    starts: dict[str, None] = {}
    while len(starts) < _STARTS:
        starts[instance.draw(rng)] = None
    return TourProblem(
        instance,
        f"{_described(instance)}. A tour is the list of their numbers, separated by commas; it "
        "begins with 0, visits every point exactly once, and returns to 0 at its end without "
        "saying so.",
        list(starts),
        minimize=True,
        parser=instance.parse,
        shown=Fixed(decimals),
        instance=instance,
    )


def _described(instance: Instance) -> str:
    """Return what is asked, with the points or the distances."""
    if instance.matrix:
        rows = (f"({at}): {', '.join(map(_plain, r))}" for at, r in enumerate(instance.matrix))
        return (
            f"Find the shortest round trip through these {instance.size} points, given as "
            f"(number): its distances to points 0 to {instance.size - 1}: {'; '.join(rows)}"
        )
    listed = ", ".join(
        f"({number}): ({_plain(x)}, {_plain(y)})" for number, (x, y) in enumerate(instance.points)
    )
    shortest = "Find the shortest round trip through these"
    how = f". Lengths are {RULES[instance.rule][0]}" if instance.rule != "EXACT" else ""
    return f"{shortest} {instance.size} points, given as (number): (x, y): {listed}{how}"


def _plain(value: float) -> str:
    return f"{value:.10g}"
