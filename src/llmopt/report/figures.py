"""What a figure of a search on numbers or tours needs beside the candidates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from llmopt.problems.spaces.space import OfPoint, VectorProblem
from llmopt.problems.spaces.tsp import TourProblem

if TYPE_CHECKING:
    from llmopt.problem import Problem
    from llmopt.trajectory import Trajectory

_CELLS = 48  # of the plane in each direction
_MARGIN = 0.12  # of the plane around the points, as a share of their extent
_OWN = "llmopt."  # modules whose functions are cheap and do no more than compute


def figure_of(problem: Problem, trajectory: Trajectory) -> dict[str, Any] | None:
    """Return what can be drawn of a problem, or None.

    ``{"kind": "plane", "names", "low", "high", "values", "optimum", "points"}``: the function of
    two numbers on a grid (``values[row][column]``, rows along the second number), where it is one
    of the package's own; ``points`` by candidate id. ``{"kind": "tour", "nodes", "optimal",
    "length", "proven"}``: the places, and the shortest tour with its length where it is known.
    """
    if isinstance(problem, VectorProblem) and len(problem.space.names) == 2:  # noqa: PLR2004
        return _plane(problem, trajectory)
    if isinstance(problem, TourProblem):
        solved = problem.solved
        return {
            "kind": "tour",
            "nodes": [list(point) for point in problem.instance.points],
            "optimal": [int(node) for node in solved.tour] if solved else None,
            "length": float(solved.length) if solved else None,
            "proven": bool(solved and solved.proven),
        }
    return None


def _plane(problem: VectorProblem, trajectory: Trajectory) -> dict[str, Any] | None:
    own = problem.function
    if not isinstance(own, OfPoint) or not type(own.function).__module__.startswith(_OWN):
        return None
    points = {entry.candidate.id: problem.decode(entry.text) for entry in trajectory}
    if not points:
        return None
    low, high = np.min([*points.values()], axis=0), np.max([*points.values()], axis=0)
    margin = np.maximum(_MARGIN * (high - low), 1.0)
    low, high = low - margin, high + margin
    across, up = (np.linspace(low[i], high[i], _CELLS) for i in (0, 1))
    values = [[float(own.function((float(x), float(y)))) for x in across] for y in up]
    return {
        "kind": "plane",
        "names": list(problem.space.names),
        "low": low.tolist(),
        "high": high.tolist(),
        "values": [[float(f"{value:.5g}") for value in row] for row in values],
        "optimum": problem.best,
        "points": {key: list(point) for key, point in points.items()},
    }
