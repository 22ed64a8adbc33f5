"""Data that plots of numbers and tours need in addition to the candidates."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from llmopt.problems.numeric.l2o_functions import L2OFunction
from llmopt.problems.numeric.points import Space
from llmopt.problems.numeric.regression import LinearRegression
from llmopt.problems.numeric.test_functions import Moved, Rosenbrock
from llmopt.problems.tours.tour_problem import Instance

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmopt.core.trajectory import Trajectory

_CELLS = 48  # of the plane in each direction
_MARGIN = 0.12  # of the plane around the points, as a share of their extent
_FUNCTIONS = {kind.__name__: kind for kind in (LinearRegression, L2OFunction, Moved, Rosenbrock)}


def figure_of(
    own: Mapping[str, Any], trajectory: Trajectory
) -> tuple[dict[str, Any] | None, float | None]:
    """Return what can be drawn of a problem, or None; and the optimum where drawing finds it.

    ``{"kind": "plane", "names", "low", "high", "values", "optimum", "points"}``: the function of
    two numbers on a grid (``values[row][column]``, rows along the second number), where it is one
    of the package's own; ``points`` by candidate id. ``{"kind": "tour", "nodes", "optimal",
    "length", "proven"}``: the places, and the shortest tour with its length where it is known.

    Args:
        own: What the problem has kept, see :class:`~llmopt.core.problem.Recorded`.
        trajectory: The search.
    """
    if own.get("kind") == "plane" and len(own["space"]["names"]) == 2:  # noqa: PLR2004
        return _plane(own, trajectory), None
    if own.get("kind") == "tour":
        instance = _instance(tuple((x, y) for x, y in own["points"]))
        solved = instance.solved
        figure = {
            "kind": "tour",
            "nodes": own["points"],
            "optimal": [int(node) for node in solved.tour] if solved else None,
            "length": float(solved.length) if solved else None,
            "proven": bool(solved and solved.proven),
        }
        return figure, instance.optimum
    return None, None


@lru_cache(maxsize=8)
def _instance(points: tuple[tuple[float, float], ...]) -> Instance:
    """Return the same instance for the same points: its shortest tour may have taken a minute."""
    return Instance(points)


def _plane(own: Mapping[str, Any], trajectory: Trajectory) -> dict[str, Any] | None:
    name, options = own["function"]
    if name not in _FUNCTIONS:  # of a version that has more of them
        return None
    function, space = _FUNCTIONS[name](**options), Space(**own["space"])
    points = {entry.candidate.id: space.decode(entry.text) for entry in trajectory}
    if not points:
        return None
    low, high = np.min([*points.values()], axis=0), np.max([*points.values()], axis=0)
    margin = np.maximum(_MARGIN * (high - low), 1.0)
    low, high = low - margin, high + margin
    across, up = (np.linspace(low[i], high[i], _CELLS) for i in (0, 1))
    values = np.array([[function((float(x), float(y))) for x in across] for y in up])
    values = np.minimum(values, np.max(values[np.isfinite(values)]))  # some have poles
    return {
        "kind": "plane",
        "names": list(space.names),
        "low": low.tolist(),
        "high": high.tolist(),
        "values": [[float(f"{value:.5g}") for value in row] for row in values.tolist()],
        "optimum": own["optimum"],
        "points": {key: list(point) for key, point in points.items()},
    }
