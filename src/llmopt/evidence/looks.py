"""Looks at held-out items: how many results they have given, and what that costs the next one.

Every result that is read off the same held-out items is another chance of a lucky winner. So the
k-th look is held to a stricter level than the first: its p-values are multiplied by k (k - 1). The
levels of the second, the third, ... look are then 1/2, 1/6, 1/12, 1/20, ... of the first one's,
whose sum is 1. So, however many results follow, the chance that any of them calls a winner better
that is not is at most half of 1 - level for the first look (which is two-sided and as it always
was), and as much again for all others together: 5 % at a level of 95 %. Multiplying by k alone
would not hold that, because 1 + 1/2 + 1/3 + ... has no bound; 1/k^2 would at the same price.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from llmopt.core.formatting import counted, ordinal
from llmopt.evidence.differences import START
from llmopt.evidence.words import word_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from llmopt.evidence.differences import Versus

SHARED = 0.1
"""Share of a result's held-out items from which on an earlier result on them counts as a look."""


@dataclass(frozen=True)
class PriorLooks:
    """How many results the held-out items of a result had given before it.

    Attributes:
        earlier: Earlier results on the same items, or on a tenth of them or more.
        own: How many of these are of the same run, which then was resumed.
        items: Held-out items of the result; 0: not known.
        shared: How many of these were used by an earlier result.
    """

    earlier: int = 0
    own: int = 0
    items: int = 0
    shared: int = 0

    @property
    def number(self) -> int:
        """Which look at these items it is, from 1."""
        return self.earlier + 1

    @property
    def factor(self) -> int:
        """What its p-values are multiplied by: 1 for the first look, 2, 6, 12, ... after it."""
        return max(1, self.number * self.earlier)

    def corrected(self, found: Sequence[Versus], level: float) -> tuple[Versus, ...]:
        """Return comparisons with p-values and words that allow for the earlier looks.

        The start is tested first here too: where it shows no difference any more, the controls
        are not tested.

        Args:
            found: The comparisons, corrected for their own number.
            level: Confidence level of the words.
        """
        if self.factor == 1:
            return tuple(found)
        made = []
        for versus in found:
            p_value = min(1.0, self.factor * versus.corrected)
            word = word_of(versus.difference, p_value, level)
            # What these items can show is known at the full level only.
            difference = replace(versus.difference, detectable=None)
            made.append(replace(versus, difference=difference, corrected=p_value, word=word))
        undecided = (START, "not distinguishable")
        if undecided not in [(versus.against, versus.word) for versus in made]:
            return tuple(made)
        return tuple(v if v.against == START else replace(v, word="not tested") for v in made)

    @property
    def said(self) -> str:
        """Whose look it is, in a sentence; empty for the first one."""
        if not self.earlier:
            return ""
        several = self.items > 1
        if self.shared < self.items:
            what = f"{self.shared:,} of the {counted(self.items, 'held-out item')}"
        else:
            what = f"{'These' if several else 'This'} {counted(self.items, 'held-out item')}"
        own = f", {self.own:,} of them of this run" if self.own else ""
        own = ", of this run" if self.own == self.earlier else own
        were = "were" if self.shared > 1 else "was"
        return (
            f"{what} {were} used by {counted(self.earlier, 'earlier result')}{own}: this is the "
            f"{ordinal(self.number)} look."
        )

    def notes(self, level: float) -> Iterator[str]:
        """Yield what a careful reader of a corrected result should know, if anything.

        Args:
            level: Confidence level of its words.
        """
        if self.earlier:
            yield (
                f"{self.said} Its p-values are multiplied by {self.factor:,}, so that all looks "
                "together call a winner better by luck in at most "
                f"{100 * (1 - level):.3g} % of cases. Items that no result has used, such as "
                "those of problem.vault, need no such correction."
            )

    def uncorrected(self) -> Iterator[str]:
        """Yield what to know of a result that does not allow for earlier looks, if anything."""
        if self.earlier:
            yield (
                f"{self.said} These p-values do not allow for that; the best of several results "
                "on the same items is partly luck."
            )

    @classmethod
    def plain(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild from plain data."""
        return cls(data["earlier"], data["own"], data["items"], data["shared"])
