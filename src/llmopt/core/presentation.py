"""How a problem's scores are displayed: direction, unit and decimals, in one place.

Inside, higher is always better. A problem says in its description which way its own scores point
and what they are; a run stores that once, and everybody who shows the run asks it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, Self, overload

if TYPE_CHECKING:
    from collections.abc import Mapping

Unit = Literal["share", "value"]


@dataclass(frozen=True, slots=True)
class Presentation:
    """How a problem's solutions and scores are called and written.

    Attributes:
        noun: What one solution is called: "instruction", "tour".
        measure: What the score is called: "accuracy", "length".
        higher_is_better: Direction of the scores as shown; inside, higher is always better.
        unit: ``share``: scores are shares of 1, which are shown per cent, and their differences
            in points of a hundred; ``value``: any numbers, which are shown as they are.
        decimals: Digits after the point, of the per cent where scores are shares; None: one of a
            per cent, and of a value as many as six significant digits have.
    """

    noun: str = "text"
    measure: str = "value"
    higher_is_better: bool = True
    unit: Unit = "value"
    decimals: int | None = None

    @property
    def shares(self) -> bool:
        """Whether scores are shares of 1."""
        return self.unit == "share"

    @overload
    def facing(self, score: float) -> float: ...

    @overload
    def facing(self, score: float | None) -> float | None: ...

    def facing(self, score: float | None) -> float | None:
        """Turn a score to the problem's own direction, or one of that direction back."""
        if score is None or self.higher_is_better:
            return score
        return -score + 0.0  # never a negative zero

    def number(self, value: float, *, signed: bool = False) -> str:
        """Return a score without its unit, as under a heading that names it: ``85.0``, ``12.5``.

        Args:
            value: A score, or a difference of scores, in the problem's own direction.
            signed: Whether to put a plus before what is not negative.
        """
        sign = "+" if signed else ""
        if self.shares:
            return f"{100 * value:{sign}.{1 if self.decimals is None else self.decimals}f}"
        form = ".6g" if self.decimals is None else f".{self.decimals}f"
        return f"{value:{sign}{form}}"

    def amount(self, value: float) -> str:
        """Return a score: ``85.0 %``, ``12.5``."""
        return f"{self.number(value)} %" if self.shares else self.number(value)

    def points(self, value: float, *, signed: bool = True) -> str:
        """Return a difference of scores: ``+3.1 points``, ``+0.25``."""
        return f"{self.number(value, signed=signed)}{' points' if self.shares else ''}"

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data for the journal."""
        return asdict(self)

    @classmethod
    def plain(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild it from what :meth:`to_dict` gave; what a newer release added is left out."""
        known = {one.name for one in fields(cls)}
        return cls(**{key: value for key, value in data.items() if key in known})


ACCURACY = Presentation("instruction", "accuracy", unit="share")
"""How the scores of instructions are shown."""


def of_older_cell(data: Mapping[str, Any]) -> Presentation:
    """Return how the scores of a sweep's cell are shown that does not say it."""
    course = data.get("course")
    if course is None:
        return ACCURACY
    return Presentation(higher_is_better=course.get("higher_is_better", True))
