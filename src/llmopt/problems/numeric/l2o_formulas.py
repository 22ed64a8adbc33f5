"""The formulas of the functions on which learned optimizers are compared, on many points at once.

Each takes points with the coordinates along the last axis and gives a value for each point. The
formulas and the distributions of the drawn numbers are those of the code of Open-L2O (Chen et al.,
"Learning to Optimize: A Primer and A Benchmark", arXiv 2103.12828).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_EPSILON = 0.01  # of the dependency chain; 1e-6 in the code, whose values no text can carry
_MICHALEWICZ = 10  # power of the second sine: 2 m with m = 5
LASSO = 0.005  # weight of the absolute values


@dataclass(frozen=True)
class Plane:
    """A function of two numbers.

    Attributes:
        formula: Of points.
        bounds: Low and high of each number, between which its starts are drawn.
        lowest: The points of its lowest value within the bounds.
        normal: Whether starts are drawn from the standard normal distribution instead.
        everywhere: Whether no point outside of the bounds has a lower value.
    """

    formula: Callable[[Floats], Floats]
    bounds: tuple[tuple[float, float], tuple[float, float]]
    lowest: tuple[tuple[float, float], ...]
    normal: bool = False
    everywhere: bool = True


def _square(half: float) -> tuple[tuple[float, float], tuple[float, float]]:
    return ((-half, half), (-half, half))


def _rosenbrock(p: Floats) -> Floats:
    x, y = p[..., 0], p[..., 1]
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


def _ackley(p: Floats) -> Floats:
    near = -20 * np.exp(-0.2 * np.sqrt(np.mean(p**2, axis=-1)))
    waves = np.exp(np.mean(np.cos(2 * math.pi * p), axis=-1))
    # At the lowest point the terms cancel up to rounding.
    found: Floats = np.maximum(0.0, near - waves + math.e + 20)
    return found


def _beale(p: Floats) -> Floats:
    x, y = p[..., 0], p[..., 1]
    parts = ((1.5, 1), (2.25, 2), (2.625, 3))
    return sum(((c - x + x * y**n) ** 2 for c, n in parts), np.zeros_like(x))


def _booth(p: Floats) -> Floats:
    x, y = p[..., 0], p[..., 1]
    return (x + 2 * y - 7) ** 2 + (2 * x + y - 5) ** 2


def _branin(p: Floats) -> Floats:
    x, y = p[..., 0], p[..., 1]
    bent = y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6
    return bent**2 + 10 * (1 - 1 / (8 * math.pi)) * np.cos(x) + 10


def _log_sum_exp(p: Floats) -> Floats:
    x, y = p[..., 0], p[..., 1]
    terms = np.stack([x + 3 * y - 0.1, x - 3 * y - 0.1, -x - 0.1, np.zeros_like(x)], axis=-1)
    largest = np.max(terms, axis=-1)  # taken out, for otherwise large points overflow
    found: Floats = largest + np.log(np.sum(np.exp(terms - largest[..., None]), axis=-1))
    return found


def _matyas(p: Floats) -> Floats:
    x, y = p[..., 0], p[..., 1]
    return 0.26 * (x**2 + y**2) - 0.48 * x * y


def _michalewicz(p: Floats) -> Floats:
    index = np.arange(1, p.shape[-1] + 1)
    waves = np.sin(p) * np.sin(index * p**2 / math.pi) ** _MICHALEWICZ
    found: Floats = 2 - np.sum(waves, axis=-1)
    return found


def _styblinski_tang(p: Floats) -> Floats:
    found: Floats = 0.5 * np.sum(p**4 - 16 * p**2 + 5 * p, axis=-1) + 80
    return found


_VALLEY = -2.903534027771177  # where t^4 - 16 t^2 + 5 t is lowest
PLANES = {
    "rosenbrock": Plane(_rosenbrock, ((-5, 10), (-5, 10)), ((1, 1),)),
    "ackley": Plane(_ackley, _square(32.768), ((0, 0),)),
    "beale": Plane(_beale, _square(4.5), ((3, 0.5),)),
    "booth": Plane(_booth, _square(10), ((1, 3),)),
    "branin": Plane(
        _branin,
        ((-5, 10), (0, 15)),
        ((-math.pi, 12.275), (math.pi, 2.275), (3 * math.pi, 2.475)),
    ),
    "logsumexp": Plane(_log_sum_exp, _square(5), ((-0.5 * math.log(2), 0),), normal=True),
    "matyas": Plane(_matyas, _square(10), ((0, 0),)),
    "michalewicz": Plane(
        _michalewicz,
        ((0, math.pi), (0, math.pi)),
        ((2.185311968, math.pi / 2),),
        everywhere=False,
    ),
    "styblinski-tang": Plane(_styblinski_tang, _square(5), ((_VALLEY, _VALLEY),)),
}
"""The functions of two numbers that have a lowest value; the published saddle has none."""


def _bowl(squeezed: float, degrees: float) -> Callable[[Floats], Floats]:
    turn = math.radians(degrees)
    rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    curvature = np.array([squeezed, 1.0])

    def formula(p: Floats) -> Floats:
        found: Floats = 0.5 * np.sum(curvature * (p @ rotation.T) ** 2, axis=-1)
        return found

    return formula


PLANES |= {
    name: Plane(_bowl(squeezed, degrees), _square(5), ((0, 0),), normal=True)
    for name, squeezed, degrees in (
        ("bowl-0.1", 0.1, 0),
        ("bowl-1", 1, 0),
        ("bowl-5", 5, 0),
        ("bowl-5-rotated", 5, 45),
    )
}


def dependency_chain(p: Floats) -> Floats:
    """Each coordinate matters more, the smaller the one before it is."""
    before, after = p[..., :-1], p[..., 1:]
    found: Floats = np.sum(p[..., :1] ** 2 + after**2 / (before**2 + _EPSILON), axis=-1)
    return found


def min_max_well(p: Floats) -> Floats:
    """Only the largest and the smallest coordinate matter; infinite where one is 0."""
    squares = p**2
    with np.errstate(divide="ignore"):
        found: Floats = np.max(squares, axis=-1) + 1 / np.min(squares, axis=-1) - 2
    return found


ANY_SIZE = {
    "dependency-chain": (dependency_chain, 0.0),
    "min-max-well": (min_max_well, 1.0),
}
"""Functions of any number of coordinates, all of which are equal at the lowest point; value 0."""


def residuals(p: Floats, matrix: Floats, target: Floats) -> Floats:
    """Return ``W x - y`` for each point x."""
    return p @ matrix.T - target
