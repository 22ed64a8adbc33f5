"""Points with named coordinates on a grid: how they are written, read and drawn."""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass, is_dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from llmopt.core.encoding import written
from llmopt.errors import ConfigError
from llmopt.problems.function import FunctionProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from llmopt.core.problem import Description

_NUMBER = r"[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|(?i:nan|inf(?:inity)?))"
_MOST_DECIMALS = 9
_OWN = "llmopt."  # modules whose functions are cheap and do no more than compute


@dataclass(frozen=True)
class Space:
    """Points with named coordinates on a grid.

    Attributes:
        names: What the coordinates are called, in order.
        bounds: Low and high of each, where solutions are drawn; others are allowed.
        decimals: Digits after the point of a coordinate, 0 to 9; 0: whole numbers.
        limit: The largest magnitude of a coordinate; what is beyond is refused as absurd.

    Raises:
        ConfigError: There are not as many bounds as names, or a bound cannot be one.
    """

    names: tuple[str, ...]
    bounds: tuple[tuple[float, float], ...]
    decimals: int = 0
    limit: float = 1e6

    def __post_init__(self) -> None:
        if not self.names or len(self.names) != len(self.bounds):
            raise ConfigError(
                f"every coordinate has its bounds, but got {len(self.names)} coordinates and "
                f"{len(self.bounds)} bounds"
            )
        if not 0 <= self.decimals <= _MOST_DECIMALS:
            raise ConfigError(
                f"decimals of a coordinate are 0 to {_MOST_DECIMALS}, but got {self.decimals}"
            )
        for low, high in self.bounds:
            if not -self.limit <= low < high <= self.limit:
                raise ConfigError(
                    f"bounds are low and high within {self.limit:,.0f}, but got {low} and {high}"
                )

    @property
    def spacing(self) -> float:
        """The grid step."""
        return float(10**-self.decimals)

    def encode(self, point: Sequence[float]) -> str:
        """Return a point as canonical text: ``w=15, b=-2.5``.

        Coordinates are rounded to the grid, halves to the even digit as in the published code,
        and cut to the limit.
        """
        cut = (min(max(float(value), -self.limit), self.limit) for value in point)
        pairs = zip(self.names, cut, strict=True)
        return ", ".join(f"{name}={self._written(value)}" for name, value in pairs)

    def decode(self, text: str) -> tuple[float, ...]:
        """Return the point of a canonical text."""
        return tuple(float(part.partition("=")[2]) for part in text.split(","))

    def parse(self, text: str) -> str:
        """Return the canonical text of a point that a language model wrote.

        The rules are those of OPRO, section 7: the last square brackets count, without those
        that hold names and no ``=``; names before the numbers may be left out. Without brackets,
        the whole text is the list, or the last ``w=…, b=…`` in it counts.

        Raises:
            ValueError: It holds another number of numbers, or one that cannot be used.
        """
        values = [float(token) for token in self._tokens(text.replace("\u2212", "-"))]
        if not all(map(math.isfinite, values)):
            raise ValueError("a number is not finite")
        if any(abs(value) > self.limit for value in values):
            raise ValueError(f"a number is beyond {self.limit:,.0f}")
        return self.encode(values)

    def draw(self, rng: np.random.RandomState) -> str:
        """Return a point drawn uniformly from the grid within the bounds."""
        return self.encode([self._drawn(low, high, rng) for low, high in self.bounds])

    def _drawn(self, low: float, high: float, rng: np.random.RandomState) -> float:
        first = math.ceil(round(low / self.spacing, 6))
        last = math.floor(round(high / self.spacing, 6))
        return int(rng.randint(first, last + 1, dtype="int64")) * self.spacing

    def _tokens(self, text: str) -> list[str]:
        """Return the numbers of a text, not yet read."""
        bracketed = re.findall(r"\[([^\[\]]*)\]", text)
        for inner in reversed(bracketed):
            if "=" in inner or not any(name in inner for name in self.names):
                return self._listed(inner)
        try:
            return self._listed(text)
        except ValueError:
            named = (rf"\b{re.escape(name)} ?[=:] ?({_NUMBER})" for name in self.names)
            found = re.findall(r"(?:,| and|;)? ?".join(named), text)
            if not found:
                raise
            return [found[-1]] if isinstance(found[-1], str) else list(found[-1])

    def _listed(self, text: str) -> list[str]:
        """Return the numbers of a list, with or without names."""
        parts = text.strip().split(",")
        found = []
        if len(parts) == len(self.names):
            for name, part in zip(self.names, parts, strict=True):
                written = re.fullmatch(
                    rf"(?:{re.escape(name)}\s*[=:])?\s*({_NUMBER})", part.strip()
                )
                found += [written.group(1)] if written else []
        if len(found) != len(self.names):
            many = "number" if len(self.names) == 1 else "numbers"
            raise ValueError(f"not {len(self.names)} {many}")
        return found

    def _written(self, value: float) -> str:
        text = f"{round(value, self.decimals):.{self.decimals}f}"
        text = text.rstrip("0").rstrip(".") if self.decimals else text
        return "0" if float(text) == 0 else text


@dataclass(frozen=True)
class OfPoint:
    """A function of a point as a function of its text.

    Attributes:
        function: Of the coordinates, in order.
        space: Reads the text.
    """

    function: Callable[[Sequence[float]], float]
    space: Space

    def __call__(self, text: str) -> float:
        """Return the value at the point that a canonical text names."""
        return self.function(self.space.decode(text))


@dataclass(frozen=True, kw_only=True, repr=False)
class VectorProblem(FunctionProblem):
    """Find the point at which a function is lowest or highest; `function` is an :class:`OfPoint`.

    Attributes:
        space: Where the points are.
        noun: What one solution is called.
        identity: What makes this function this function, for the fingerprint.
    """

    space: Space
    noun: str = "point"
    identity: str = ""

    @property
    def description(self) -> Description:
        """How the problem presents itself to an optimizer LLM."""
        return replace(super().description, noun=self.noun, layout="numbers")

    @property
    def fingerprint(self) -> dict[str, str]:
        """Everything that decides scores, by name."""
        told = {"function": self.identity, "parser": "point", "space": written(self.space)}
        return {**super().fingerprint, **told}

    def bounds(self) -> tuple[tuple[float, float], ...]:
        """Return low and high of each dimension, where methods draw."""
        return self.space.bounds

    def spacing(self) -> float:
        """Return the grid step of coordinates."""
        return self.space.spacing

    def recorded(self) -> dict[str, Any]:
        """Return the space, and the function where it is one of the package's own.

        These are dataclasses of plain numbers, cheap to call and harmless to build again.
        """
        own = self.function
        if not isinstance(own, OfPoint) or not type(own.function).__module__.startswith(_OWN):
            return {}
        function = own.function
        if not is_dataclass(function) or isinstance(function, type):
            return {}
        return {
            "kind": "plane",
            "space": asdict(self.space),
            "function": [type(function).__name__, asdict(function)],
            "optimum": self.best,
        }

    def encode(self, point: Sequence[float]) -> str:
        """Return a point as canonical text, rounded to the grid."""
        return self.space.encode(point)

    def decode(self, text: str) -> tuple[float, ...]:
        """Return the point of a canonical text."""
        return self.space.decode(text)

    def draw(self, rng: np.random.RandomState) -> str:
        """Return a point drawn uniformly from the grid within the bounds."""
        return self.space.draw(rng)


def vector_problem(
    function: Callable[[Sequence[float]], float],
    *,
    describe: str,
    bounds: Mapping[str, Sequence[float]],
    decimals: int = 2,
    minimize: bool = False,
    best: float | None = None,
    seeds: Sequence[Sequence[float]] = (),
    starts: int = 5,
    seed: int = 0,
) -> VectorProblem:
    """Return the problem of finding the point at which a function of numbers is best.

    Its space is declared, so methods that need no language model can be run on it, too.

    Args:
        function: Of the coordinates, in the order of `bounds`.
        describe: What a good point is, in a sentence or two; shown to the optimizer LLM.
        bounds: Low and high of each coordinate by its name, such as ``{"x": (-5, 5)}``.
        decimals: Digits after the point of a coordinate, 0 to 9; 0: whole numbers.
        minimize: Whether lower values are better.
        best: The best value there is, where it is known: a run stops when it is reached.
        seeds: Points to start from; none: `starts` drawn ones.
        starts: How many are drawn, 1 or more.
        seed: Of the draw.

    Raises:
        ConfigError: A bound, a starting point or a number cannot be used.
    """
    pairs = []
    for name, ends in bounds.items():
        if len(ends) != len(("low", "high")):
            raise ConfigError(
                f"the bounds of a coordinate are low and high, but those of {name!r} are {ends!r}"
            )
        pairs.append((float(ends[0]), float(ends[1])))
    space = Space(tuple(bounds), tuple(pairs), decimals)
    if not seeds and starts < 1:
        raise ConfigError(f"starts are 1 or more, but got {starts}")
    for point in seeds:
        if len(point) != len(pairs):
            raise ConfigError(
                f"a starting point has {len(pairs)} coordinates, but got {list(point)!r}"
            )
    rng = np.random.RandomState(seed)
    drawn = [space.encode(point) for point in seeds] or [space.draw(rng) for _ in range(starts)]
    within = ", ".join(
        f"{name} from {low:g} to {high:g}" for name, (low, high) in zip(bounds, pairs, strict=True)
    )
    form = ", ".join(f"{name}=…" for name in bounds)
    return VectorProblem(
        OfPoint(function, space),
        f"{describe.rstrip()} A point is written {form}, with {within}.",
        list(dict.fromkeys(drawn)),
        minimize=minimize,
        parser=space.parse,
        best=best,
        space=space,
        identity=_identity(function),
    )


def _identity(function: Callable[[Sequence[float]], float]) -> str:
    """Return what a function is known by: its name, or its settings."""
    return str(getattr(function, "__qualname__", None) or written(function))
