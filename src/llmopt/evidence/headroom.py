"""Whether a search is worth its cost, from what a few candidates and the start got."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from llmopt.core.formatting import counted

if TYPE_CHECKING:
    from llmopt.core.presentation import Presentation
    from llmopt.statistics import PossibleGain

Worth = Literal["worth it", "not worth it", "cannot tell"]

SURE = 0.85
"""Probability from which a gain is said to be worth while, or not to be."""


@dataclass(frozen=True)
class Headroom:
    """How much a search may still gain, and what it would take.

    Attributes:
        gain: What the search is expected to gain; None where too little could be measured.
        worth: The gain that is worth while, as a share of 1.
        candidates: How many candidates were measured, without the start.
        planned: How many the search would try.
        calls: Calls to the scorer LLM that this took, those with stored replies included.
        full: Such calls of the whole search, the choice and the test, without a control.
        usd: US dollars that were paid for this; None: unknown.
    """

    gain: PossibleGain | None
    worth: float
    candidates: int
    planned: int
    calls: int
    full: int
    usd: float | None = None

    @property
    def word(self) -> Worth:
        """What to do: see :data:`SURE`."""
        if self.gain is None:
            return "cannot tell"
        if self.gain.over >= SURE:
            return "worth it"
        return "not worth it" if self.gain.over <= 1 - SURE else "cannot tell"

    def sentence(self, shown: Presentation) -> str:
        """Return the verdict with its figures.

        Args:
            shown: How the problem's scores are shown.
        """
        cost = (
            f"The whole search takes about {self.full:,} calls to the scorer LLM; this took "
            f"{self.calls:,}, whose replies it uses."
        )
        word = self.word.capitalize()
        if self.gain is None:
            return f"{word}: too few new solutions could be measured. {cost}"
        low, high = shown.number(self.gain.low, signed=True), shown.points(self.gain.high)
        return (
            f"{word}: {counted(self.planned, shown.noun)} like the {self.candidates:,} measured "
            f"here would gain {shown.points(self.gain.mean)} on the start (80 % interval {low} to "
            f"{high}; more than {shown.points(self.worth, signed=False)} with a probability of "
            f"{100 * self.gain.over:.0f} %). {cost}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data for JSON."""
        return {"word": self.word, **asdict(self)}
