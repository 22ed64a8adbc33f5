"""The largest single losses, which a mean of graded scores hides.

Many small gains outweigh a few complete failures in a mean, and no test tells how bad the few
are. So they are named.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmopt.core.presentation import Presentation
    from llmopt.core.values import Evaluation

_MOST = 3  # losses named
_LARGE = 0.5  # of the range of scores, from which on a loss is pointed out
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Loss:
    """An item on which the second of two scored lower than the first.

    Attributes:
        item: Its id.
        first: Score of the first, in the problem's own direction.
        second: Score of the second.
    """

    item: str
    first: float
    second: float

    @property
    def size(self) -> float:
        """By how much, above 0."""
        return abs(self.first - self.second)


@dataclass(frozen=True, slots=True)
class Losses:
    """What the second of two lost on single items, where scores are graded.

    Attributes:
        large: Items on which it lost half of the range of scores or more.
        items: Items that were measured for both.
        largest: The largest losses, the largest first; at most 3.
    """

    large: int
    items: int
    largest: tuple[Loss, ...]

    def note(self, who: str, where: str, shown: Presentation) -> list[str]:
        """Return what to say of them, which is nothing unless one is large.

        Args:
            who: Who lost, for the sentence: ``The winner``.
            where: What items they are: ``test items``.
            shown: How the problem's scores are shown.
        """
        if not self.large:
            return []
        named = ", ".join(
            f"{loss.item} ({shown.amount(loss.first)} to {shown.amount(loss.second)})"
            for loss in self.largest[: self.large]
        )
        lost = shown.points(_LARGE, signed=False)
        more = ", …" if self.large > _MOST else ""
        count = f"{self.large:,} of {self.items:,} {where}"
        said = f"{who} lost {lost} or more on {count}, which the mean does not show"
        return [f"{said}: {named}{more}."]


def losses_of(
    first: Evaluation | None, second: Evaluation | None, shown: Presentation, samples: int = 1
) -> Losses | None:
    """Return what the second lost; None where answers are right or wrong, or no shares.

    Args:
        first: What the first got.
        second: What the second got on the same items in the same order.
        shown: How the problem's scores are shown.
        samples: Answers to each item, whose mean its score is.
    """
    if first is None or second is None or not shown.shares:
        return None
    pairs = [
        (f.item, f.score, s.score)
        for f, s in zip(first.outcomes, second.outcomes, strict=True)
        if f.score is not None and s.score is not None
    ]
    if all(_share_of(score, samples) for _, *scores in pairs for score in scores):
        return None
    lost = sorted((after - before, item, before, after) for item, before, after in pairs)
    return Losses(
        large=sum(change <= _ROUNDING - _LARGE for change, *_ in lost),
        items=len(pairs),
        largest=tuple(
            Loss(item, shown.facing(before), shown.facing(after))
            for change, item, before, after in lost[:_MOST]
            if change < -_ROUNDING
        ),
    )


def _share_of(score: float, samples: int) -> bool:
    """Whether a score is what some of several answers give that are right or wrong."""
    return any(
        abs(score * known - round(score * known)) < _ROUNDING for known in range(1, samples + 1)
    )
