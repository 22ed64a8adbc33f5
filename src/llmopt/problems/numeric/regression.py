"""Linear regression as OPRO poses it: find w and b from pairs and values alone (section 7).

The data are those of the published code, number for number; the line itself is never shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from llmopt.core.encoding import written
from llmopt.errors import ConfigError
from llmopt.problems.function import Fixed
from llmopt.problems.numeric.points import OfPoint, Space, VectorProblem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SETTINGS = ((15, 14), (17, 17), (16, 10), (3, 5), (25, 23), (2, 30), (36, -1))
"""The seven true (w, b) of the paper's table; the starts lie from 10 to 20 in both."""

_POINTS, _STARTS = 50, 5
_LOW, _HIGH = 10, 20  # between which the starts are drawn
_REACH = 50.0  # of the baselines that draw: all seven settings lie well inside
_SEEDS = 1 << 32  # the generator's seeds are below this
_TASK = (
    "Find the two whole numbers w and b for which the value of an unknown function is lowest. "
    "Only values of pairs that were tried are known."
)


@dataclass(frozen=True)
class LinearRegression:
    """Points scattered about a line, and how badly another line fits them.

    Attributes:
        w: The true slope.
        b: The true intercept.
        repetition: Chooses noise and starts, 0 or more; 0 to 4 in the paper.
    """

    stored_name: ClassVar[str] = "Line"

    w: float
    b: float
    repetition: int

    @cached_property
    def x(self) -> NDArray[np.float64]:
        """The 50 places: 1, 2, … 50."""
        return np.arange(1, _POINTS + 1, dtype=np.float64)

    @cached_property
    def y(self) -> NDArray[np.float64]:
        """The value at each place: the line's, with standard normal noise."""
        noise = np.random.RandomState(self.repetition + 1).randn(_POINTS)
        found: NDArray[np.float64] = self.x * self.w + self.b + noise
        return found

    @property
    def starts(self) -> list[tuple[float, float]]:
        """The starting pairs: sorted, whole, all different, so 5 at most."""
        at = self.repetition + 1
        w = np.random.RandomState(at * 10).uniform(_LOW, _HIGH, _STARTS)
        b = np.random.RandomState(at * 100).uniform(_LOW, _HIGH, _STARTS)
        pairs = np.unique(np.round(np.stack([w, b], axis=1), 0), axis=0)
        return [(float(w), float(b)) for w, b in pairs]

    def __call__(self, point: Sequence[float]) -> float:
        """Return the sum of squared residuals of the line with w and b."""
        w, b = point
        return float(np.linalg.norm(self.y - (self.x * w + b)) ** 2)

    def best(self) -> tuple[int, int]:
        """Return the whole w and b with the lowest value there is.

        Rounding the best b for a given w adds at most a quarter per point, and moving w by as
        little as 0.1 from the fitted one adds more than that, so the best w is next to it.
        """
        slope, _ = np.polyfit(self.x, self.y, 1)
        near = range(int(np.floor(slope)) - 1, int(np.ceil(slope)) + 2)
        rests = ((w, float(np.mean(self.y - self.x * w))) for w in near)
        pairs = ((w, int(np.floor(rest)) + up) for w, rest in rests for up in (0, 1))
        return min(pairs, key=self)


def linear_regression(
    w: float = 15, b: float = 14, repetition: int = 0, decimals: int = 2
) -> VectorProblem:
    """Return the problem of finding w and b; a run stops at the whole pair with the lowest value.

    Args:
        w: The true slope; :data:`SETTINGS` has the paper's.
        b: The true intercept.
        repetition: Chooses noise and starts; 0 to 4 in the paper.
        decimals: Digits of values as shown. 0 cuts them off as the published code does, which
            hides ties.

    Raises:
        ConfigError: A number is out of its range.
    """
    if not 0 <= repetition < _SEEDS // 100 - 1:
        raise ConfigError(f"a repetition is 0 or more, but got {repetition}; the paper has 0 to 4")
    bounds = (-_REACH, _REACH)
    if not all(bounds[0] <= true <= bounds[1] for true in (w, b)):
        raise ConfigError(f"w and b are from {bounds[0]:g} to {bounds[1]:g}, but got {w} and {b}")
    line = LinearRegression(w, b, repetition)
    space = Space(("w", "b"), (bounds, bounds))
    return VectorProblem(
        OfPoint(line, space),
        _TASK,
        [space.encode(pair) for pair in line.starts],
        minimize=True,
        parser=space.parse,
        shown=Fixed(decimals),
        best=line(line.best()),
        space=space,
        noun="pair",
        identity=written(line),
    )
