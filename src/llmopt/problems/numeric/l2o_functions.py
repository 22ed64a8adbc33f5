"""The functions on which learned optimizers are compared, as problems of numbers.

Source: the code of Open-L2O (arXiv 2103.12828); its names, formulas, draws and starts. Ours: values
alone are seen, never gradients, so noise is on the values; the numbers lie on a grid, and a search
has solved a function at the lowest value on that grid; a moved lowest point, for a language model
may know where the usual ones are; small constants against a division by 0 (0.01 in the dependency
chain, 1e-10 in a logarithm, none in a norm), which are 1e-6 there.

What numbers in a text cannot carry is left out: networks, sparse
recovery of 512 numbers, the algorithm for matrix products, games of two players, and two functions
without a lowest value.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from llmopt.core.encoding import written
from llmopt.errors import ConfigError, UnknownNameError
from llmopt.problems.function import Fixed
from llmopt.problems.numeric.l2o_formulas import ANY_SIZE, LASSO, PLANES, residuals
from llmopt.problems.numeric.points import OfPoint, Space, VectorProblem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

DRAWN = {
    "quadratic": 20,
    "quadratic-uniform": 10,
    "lasso": 10,
    "norm-1": 27,
    "norm-2": 25,
    "norm-3": 22,
    "rastrigin": 2,
    "square-cos": 2,
}
"""Functions with drawn numbers, with the published number of coordinates."""

NAMES = (*PLANES, *ANY_SIZE, *DRAWN)

_WAVY = ("rastrigin", "square-cos")  # their lowest value is found by looking at the whole grid
_UNIFORM = ("quadratic-uniform", "lasso", "square-cos")  # all that is drawn is from 0 to 1
_NARROW = ("quadratic-uniform", "lasso", "square-cos")  # starts at 0.01 times a normal draw
_PLANE, _MOST = 2, 100  # coordinates
_STARTS = 5
_SEEDS = 1 << 32  # seeds of the generator are below this
_BOX = 5.0  # half of the bounds where starts are drawn from a normal distribution
_GRID = 1001  # points in each direction at most, where the whole grid is looked at
_DESCENT = 1000  # steps on the grid at most
_ROOM = 4  # grid steps within the bounds at least
_TINY = 1e-10  # inside of a logarithm


@dataclass(frozen=True)
class L2OFunction:
    """One of :data:`NAMES`.

    Attributes:
        name: Which.
        dimensions: How many numbers it has.
        instance: Chooses what is drawn; functions without drawn numbers have one.
        shift: By how much the lowest point is moved along each coordinate; none: not moved.
        scale: By how much all coordinates are stretched.
        logarithm: Whether the logarithm of the value is given, which flattens large values.
        noise: Standard deviation of what is added to each value. It is drawn for a point once, so
            that the same point has the same value at any time and for every method.
    """

    name: str
    dimensions: int
    instance: int = 0
    shift: tuple[float, ...] = ()
    scale: float = 1.0
    logarithm: bool = False
    noise: float = 0.0

    stored_name: ClassVar[str] = "L2OFunction"

    def __call__(self, point: Sequence[float]) -> float:
        """Return the value at a point."""
        value = float(self.values(np.array([point], dtype=np.float64))[0])
        if not self.noise:
            return value
        text = f"{self.instance} {','.join(f'{x:.9f}' for x in point)}"
        digest = hashlib.sha256(text.encode()).digest()
        rng = np.random.RandomState(int.from_bytes(digest[:4], "big"))
        return value + self.noise * float(rng.randn())

    def values(self, points: Floats) -> Floats:
        """Return the values at many points without noise; a row is a point."""
        own = points / self.scale
        if self.shift:
            own = own - np.array(self.shift)
        found = self._formula(own)
        return np.log(found + _TINY) - math.log(_TINY) if self.logarithm else found

    def _formula(self, points: Floats) -> Floats:
        if self.name in PLANES:
            return PLANES[self.name].formula(points)
        if self.name in ANY_SIZE:
            return ANY_SIZE[self.name][0](points)
        matrix, target, waves = self._drawn
        rest = residuals(points, matrix, target)
        if self.name.startswith("norm-"):
            power = int(self.name[-1])
            found: Floats = np.sum(np.abs(rest) ** power, axis=-1) ** (1 / power)
            return found
        squares: Floats = np.sum(rest**2, axis=-1)
        if self.name in _WAVY:
            cosines: Floats = np.sum(waves * 10 * np.cos(2 * math.pi * points), axis=-1)
            squares = squares / 2 if self.name == "rastrigin" else squares
            return squares - cosines + 10 * self.dimensions
        if self.name == "quadratic-uniform":
            return squares
        weight = LASSO if self.name == "lasso" else 0.0
        sizes: Floats = np.sum(np.abs(points), axis=-1)
        return 0.5 * squares + weight * sizes

    @cached_property
    def _drawn(self) -> tuple[Floats, Floats, Floats]:
        """The matrix, the target and the heights of the waves."""
        rng = np.random.RandomState(self.instance)
        rows = max(1, self.dimensions // 2) if self.name == "lasso" else self.dimensions
        draw = rng.random_sample if self.name in _UNIFORM else rng.standard_normal
        return (
            np.asarray(draw((rows, self.dimensions))),
            np.asarray(draw(rows)),
            np.asarray(draw(self.dimensions)),
        )

    @cached_property
    def lowest(self) -> tuple[tuple[float, ...], ...]:
        """The points with the lowest value; none where only the grid can tell."""
        if self.name in _WAVY:
            return ()
        if self.name in PLANES:
            plain = [np.array(point, dtype=np.float64) for point in PLANES[self.name].lowest]
        elif self.name in ANY_SIZE:
            plain = [np.full(self.dimensions, ANY_SIZE[self.name][1])]
        elif self.name == "lasso":
            plain = [_lasso(*self._drawn[:2])]
        else:
            plain = [np.linalg.solve(*self._drawn[:2])]
        shift = np.array(self.shift or (0.0,) * self.dimensions)
        return tuple(tuple(((p + shift) * self.scale).tolist()) for p in plain)

    @property
    def box(self) -> tuple[tuple[float, float], ...]:
        """Low and high of each coordinate: where starts are drawn, and around the lowest point."""
        if self.name in PLANES:
            plain: tuple[tuple[float, float], ...] = PLANES[self.name].bounds
        else:
            moved = replace(self, shift=(), scale=1.0)
            farthest = max((abs(x) for point in moved.lowest for x in point), default=0.0)
            half = _BOX
            while half < 1.25 * farthest:
                half *= 2
            plain = ((-half, half),) * self.dimensions
        return tuple((low * self.scale, high * self.scale) for low, high in plain)

    def start(self, rng: np.random.RandomState) -> list[float]:
        """Return a point drawn as the published code draws starts."""
        if self.name in PLANES and not PLANES[self.name].normal:
            return [float(rng.uniform(low, high)) for low, high in self.box]
        spread = self.scale * (0.01 if self.name in _NARROW else 1.0)
        return [float(x) for x in rng.standard_normal(self.dimensions) * spread]


def _lasso(matrix: Floats, target: Floats) -> Floats:
    """Return the lowest point of the lasso by coordinate descent."""
    x = np.zeros(matrix.shape[1])
    squares = np.sum(matrix**2, axis=0)
    for _ in range(100_000):
        before = x.copy()
        for i in range(len(x)):
            along = float(matrix[:, i] @ (target - matrix @ x + matrix[:, i] * x[i]))
            x[i] = math.copysign(max(0.0, abs(along) - LASSO), along) / squares[i]
        if np.max(np.abs(x - before)) < 1e-12:  # noqa: PLR2004 - far below every grid
            break
    return x


def l2o_function(
    name: str = "booth",
    dimensions: int = 0,
    decimals: int = 2,
    seed: int = 0,
    *,
    instance: int = 0,
    moved: bool = False,
    scale: float = 1.0,
    logarithm: bool = False,
    noise: float = 0.0,
    tolerance: float = 0.0,
) -> VectorProblem:
    """Return the problem of finding the lowest point of a function that is not named.

    A run stops at the lowest value on the grid, which is known for all functions but ``rastrigin``
    and ``square-cos`` with more than two coordinates, and unless there is noise.

    Args:
        name: One of :data:`NAMES`.
        dimensions: How many numbers, 2 to 100; 0: as published.
        decimals: Digits after the point of each number, 0 to 9.
        seed: Chooses up to 5 starting points, and where the lowest point is moved.
        instance: Chooses the drawn numbers of the functions that have some.
        moved: Whether the lowest point is elsewhere, in the inner half of the bounds.
        scale: Stretches all coordinates: 0.1 to 1,000 in the published code; above 0.
        logarithm: Whether the logarithm of the value is seen; not of functions with waves.
        noise: Standard deviation of normal noise on each value, 0 or more.
        tolerance: How far above the lowest value counts as solved, 0 or more.

    Raises:
        UnknownNameError: No such function.
        ConfigError: A number is out of its range, or the function does not have this variant.
    """
    dimensions = _checked(name, dimensions, seed, instance)
    ranges = {"scale": (scale, 1e-6), "noise": (noise, 0), "tolerance": (tolerance, 0)}
    for what, (number, least) in ranges.items():
        if not least <= number < math.inf:
            raise ConfigError(f"{what} is {least:g} or more, but got {number}")
    whole = name in PLANES and not PLANES[name].everywhere
    if moved and (name in _WAVY or whole):
        raise ConfigError(
            f"the lowest point of {name} cannot be moved, but got moved; leave it out"
        )
    if logarithm and name in _WAVY:
        raise ConfigError(f"{name} may be below 0, but got logarithm; leave it out")
    function = L2OFunction(name, dimensions, instance, (), scale, logarithm, noise)
    rng = np.random.RandomState(seed)
    names = ("x", "y") if dimensions == _PLANE else tuple(f"x{i + 1}" for i in range(dimensions))
    space = _space(function, names, decimals, bounded=whole or name in _WAVY)
    if moved:
        function = replace(function, shift=_shift(function, space, rng))
    best = None if noise else _lowest_value(function, space)
    return VectorProblem(
        OfPoint(function, space),
        f"Find the {'whole ' if decimals == 0 else ''}numbers {', '.join(names)} for which the "
        "value of an unknown function is lowest. Only values of points that were tried are known.",
        _starts(function, space, rng),
        minimize=True,
        parser=space.parse,
        shown=Fixed(2 if decimals == 0 else 6),
        best=None if best is None else best + tolerance,
        space=space,
        identity=written(function),
    )


def _checked(name: str, dimensions: int, seed: int, instance: int) -> int:
    """Return the number of coordinates after checking what can be checked alone."""
    if name not in NAMES:
        raise UnknownNameError("a function", name, NAMES)
    dimensions = dimensions or DRAWN.get(name, _PLANE)
    if not _PLANE <= dimensions <= _MOST or (name in PLANES and dimensions != _PLANE):
        most = _PLANE if name in PLANES else _MOST
        raise ConfigError(f"dimensions of {name} are 2 to {most}, but got {dimensions}")
    for what, number in (("a seed", seed), ("an instance", instance)):
        if not 0 <= number < _SEEDS:
            raise ConfigError(f"{what} is 0 to {_SEEDS - 1}, but got {number}")
    return dimensions


def _space(function: L2OFunction, names: tuple[str, ...], decimals: int, *, bounded: bool) -> Space:
    """Return the grid.

    Where a function may be lower outside of its bounds, points there are refused.
    """
    bounds = function.box
    largest = max(abs(end) for pair in bounds for end in pair)
    narrowest = min(high - low for low, high in bounds)
    if narrowest * 10**decimals < _ROOM:
        raise ConfigError(
            f"decimals give each coordinate a grid within its range of {narrowest:g}, but got "
            f"{decimals}; take more"
        )
    if bounded:
        return Space(names, bounds, decimals, limit=largest)
    return Space(names, bounds, decimals, limit=max(1e6, largest))


def _shift(function: L2OFunction, space: Space, rng: np.random.RandomState) -> tuple[float, ...]:
    """Return by how much to move the lowest point, to a drawn one in the inner half."""
    pairs = [(low + (high - low) / 4, high - (high - low) / 4) for low, high in space.bounds]
    inner = Space(space.names, tuple(pairs), space.decimals, space.limit)
    aim, lowest = inner.decode(inner.draw(rng)), function.lowest[0]
    return tuple((a - b) / function.scale for a, b in zip(aim, lowest, strict=True))


def _starts(function: L2OFunction, space: Space, rng: np.random.RandomState) -> list[str]:
    """Return up to five different starting points that have a value."""
    drawn = (space.encode(function.start(rng)) for _ in range(_STARTS * 4))
    usable = (text for text in drawn if math.isfinite(function(space.decode(text))))
    found = list(itertools.islice(dict.fromkeys(usable), _STARTS))
    while not found:  # only where a coordinate of 0 has no value
        text = space.draw(rng)
        found = [text] if math.isfinite(function(space.decode(text))) else []
    return found


@lru_cache(maxsize=64)
def _lowest_value(function: L2OFunction, space: Space) -> float | None:
    """Return the value on the grid at which a function counts as solved, or None.

    The lowest point is rounded to the grid; from there the search goes down along the grid, for
    next to a rounded point there may be a lower one. In a long and narrow valley a lower one may
    also be far away; reaching the value that is found here counts all the same.
    """
    rounded = [space.decode(space.encode(point)) for point in function.lowest]
    if not rounded:
        if len(space.names) > _PLANE:
            return None
        rounded = [_lowest_of_all(function, space)]
    return min(_descended(function, space, np.array(point)) for point in rounded)


def _lowest_of_all(function: L2OFunction, space: Space) -> tuple[float, ...]:
    """Return the lowest of all points of the grid, or of an even part of them."""
    axes = []
    for low, high in space.bounds:
        count = min(_GRID, round((high - low) / space.spacing) + 1)
        axes.append(np.linspace(low, high, count))
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
    lowest = points[int(np.argmin(function.values(points)))]
    return space.decode(space.encode([float(x) for x in lowest]))


def _descended(function: L2OFunction, space: Space, point: Floats) -> float:
    """Return the value where no neighbour on the grid is lower."""
    size = len(point)
    moves = np.vstack([np.eye(size), -np.eye(size)])
    if size == _PLANE:
        moves = np.vstack([moves, [[1, 1], [1, -1], [-1, 1], [-1, -1]]])
    value = function(point.tolist())
    for _ in range(_DESCENT):
        near = np.round(point + moves * space.spacing, space.decimals)
        near = near[np.max(np.abs(near), axis=1) <= space.limit]
        best = near[int(np.argmin(function.values(near)))]
        lower = function(best.tolist())
        if not lower < value:
            break
        point, value = best, lower
    return value
