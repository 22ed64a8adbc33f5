"""The usual functions that optimizers are tried on, among them the paper's failure case.

A language model may know the name of such a function and where its lowest point is, so it is told
neither, and the lowest point can be moved.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from llmopt.core.encoding import written
from llmopt.errors import ConfigError, UnknownNameError
from llmopt.problems.function import Fixed
from llmopt.problems.numeric.points import OfPoint, Space, VectorProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Name = Literal["rosenbrock", "sphere", "rastrigin", "ackley", "griewank"]

_LARGEST = 10  # dimensions
_STARTS = 5
_SEEDS = 1 << 32  # seeds of the generator are below this


@dataclass(frozen=True)
class _Shape:
    """A function whose lowest value is 0, and where it is usually looked at."""

    function: Callable[[Floats], float]
    bound: float


def _sphere(x: Floats) -> float:
    return float(x @ x)


def _rastrigin(x: Floats) -> float:
    return float(10 * len(x) + np.sum(x**2 - 10 * np.cos(2 * math.pi * x)))


def _ackley(x: Floats) -> float:
    near = -20 * np.exp(-0.2 * np.sqrt(np.mean(x**2)))
    waves = np.exp(np.mean(np.cos(2 * math.pi * x)))
    # At the lowest point the terms cancel up to rounding.
    return max(0.0, float(near - waves + 20 + math.e))


def _griewank(x: Floats) -> float:
    roots = np.sqrt(np.arange(1, len(x) + 1))
    return max(0.0, float(1 + x @ x / 4000 - np.prod(np.cos(x / roots))))


SHAPES = {
    "sphere": _Shape(_sphere, 10.0),
    "rastrigin": _Shape(_rastrigin, 5.0),
    "ackley": _Shape(_ackley, 30.0),
    "griewank": _Shape(_griewank, 100.0),
}
"""The functions with their lowest point at 0; Rosenbrock's has two numbers of its own."""


@dataclass(frozen=True)
class Moved:
    """A function of :data:`SHAPES` with its lowest point elsewhere.

    Attributes:
        name: Its name.
        lowest: Where its lowest point is.
    """

    name: str
    lowest: tuple[float, ...]

    def __call__(self, point: Sequence[float]) -> float:
        """Return the value at a point."""
        return SHAPES[self.name].function(np.array(point) - np.array(self.lowest))


@dataclass(frozen=True)
class Rosenbrock:
    """``sum of (a - x[i])² + b (x[i+1] - x[i]²)²`` over all i but the last.

    Attributes:
        a: With two dimensions, the lowest point is at (a, a²).
        b: How narrow the curved valley is.
    """

    a: float
    b: float

    def __call__(self, point: Sequence[float]) -> float:
        """Return the value at a point."""
        x = np.array(point)
        return float(np.sum((self.a - x[:-1]) ** 2 + self.b * (x[1:] - x[:-1] ** 2) ** 2))


def landscape(
    name: Name = "rosenbrock",
    dimensions: int = 2,
    decimals: int = 0,
    seed: int = 0,
    *,
    moved: bool = False,
    a: float = 20,
    b: float = 1,
) -> VectorProblem:
    """Return the problem of finding the lowest point of a function that is not named.

    A run stops at the lowest point, whose value is 0.

    Args:
        name: ``rosenbrock``, ``sphere``, ``rastrigin``, ``ackley`` or ``griewank``.
        dimensions: How many numbers, 2 to 10.
        decimals: Digits after the point of each number, 0 to 9: 0 is whole numbers, 6 as good as
            real ones.
        seed: Chooses 5 starting points and where the lowest point is moved. Rosenbrock's starts
            lie from a/2 to a in every dimension: 10 to 20 in the paper.
        moved: Whether the lowest point is elsewhere than at 0; Rosenbrock's always is.
        a: Rosenbrock's first number, 20 in the paper; 1 is usual, and needed with more than two
            dimensions, for otherwise the lowest value is not 0.
        b: Rosenbrock's second number, above 0: 1 in the paper; 100 is usual.

    Raises:
        UnknownNameError: No such function.
        ConfigError: A number is out of its range.
    """
    if name not in get_args(Name):
        raise UnknownNameError("a landscape", name, get_args(Name))
    if not 2 <= dimensions <= _LARGEST:  # noqa: PLR2004 - one dimension is no landscape
        raise ConfigError(f"dimensions are 2 to {_LARGEST}, but got {dimensions}")
    if not 0 <= seed < _SEEDS:
        raise ConfigError(f"a seed is 0 to {_SEEDS - 1}, but got {seed}")
    rng = np.random.RandomState(seed)
    names = ("x", "y") if dimensions == 2 else tuple(f"x{i + 1}" for i in range(dimensions))  # noqa: PLR2004 - a plane
    function: Moved | Rosenbrock
    if name == "rosenbrock":
        _check_rosenbrock(dimensions, decimals, a, b)
        function = Rosenbrock(a, b)
        reach = math.ceil(2 * max(abs(a), a * a))
        # Whole starts, so that they can be written with any number of decimals.
        low, high = sorted((math.ceil(a / 2), math.ceil(a)))
    else:
        reach = math.ceil(SHAPES[name].bound)
        low, high = -reach, reach
    bounds = ((float(-reach), float(reach)),) * dimensions
    space = Space(names, bounds, decimals)
    if name != "rosenbrock":
        inner = Space(names, ((-reach / 2, reach / 2),) * dimensions, decimals)
        lowest = space.decode(inner.draw(rng)) if moved else (0.0,) * dimensions
        function = Moved(name, lowest)
    starts: dict[str, None] = {}
    around = Space(names, ((float(low), float(max(high, low + 4))),) * dimensions, decimals)
    while len(starts) < _STARTS:
        starts[around.draw(rng)] = None
    return VectorProblem(
        OfPoint(function, space),
        f"Find the {'whole ' if decimals == 0 else ''}numbers {', '.join(names)} for which the "
        "value of an unknown function is lowest. Only values of points that were tried are known.",
        list(starts),
        minimize=True,
        parser=space.parse,
        shown=Fixed(2 if decimals == 0 else 6),
        best=0.0,
        space=space,
        identity=written(function),
    )


def _check_rosenbrock(dimensions: int, decimals: int, a: float, b: float) -> None:
    if not 0 < b < math.inf:
        raise ConfigError(f"Rosenbrock's b is above 0, but got {b}; the paper has 1")
    if dimensions > 2 and a != 1:  # noqa: PLR2004 - beyond a plane
        raise ConfigError(
            f"Rosenbrock's a is 1 with more than two dimensions, but got {a}; the lowest value "
            "is known only then"
        )
    if not 0 < abs(a) <= 500 or round(a, decimals) != a or round(a * a, decimals) != a * a:  # noqa: PLR2004 - 500² is a quarter of the largest number
        raise ConfigError(
            f"Rosenbrock's a lies on the grid with its square, from -500 to 500 without 0, but "
            f"got {a} with {decimals} decimals"
        )
