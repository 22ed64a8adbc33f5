"""A scripted world of hidden rules, for `benchmarks/gepa.py`; the standard library alone.

It is imported by the environment of the published package as well, which has no llmopt.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

START = "Answer the question."
_CASE = re.compile(r"case-(\d+)")
_RULE = re.compile(r" Rule \d\d applies, in wording \d+\.")


@dataclass(frozen=True)
class World:
    """Rows that each need a rule or none, a scorer, and a writer of rules.

    Attributes:
        seed: Of everything that is drawn.
        rules: How many rules there are, all equally frequent.
        easy: Share of rows that need none.
        noise: Share of answers that are the other way round, fixed for each text and row.
        useful: Chance that the writer names the rule of a failing row.
        forgets: Chance that a new text lacks one of the rules that the old one states.
    """

    seed: int
    rules: int = 8
    easy: float = 0.2
    noise: float = 0.05
    useful: float = 0.5
    forgets: float = 0.1

    def drawn(self, *parts: object) -> float:
        """Return a number from 0 to 1 that follows from the seed and these parts."""
        text = "\n".join(map(str, (self.seed, *parts)))
        return int(hashlib.sha256(text.encode()).hexdigest()[:12], 16) / 16**12

    def needs(self, row: int) -> str:
        """Return how the sentence that a row needs begins; empty: it needs none."""
        if self.drawn("easy", row) < self.easy:
            return ""
        return rule(int(self.drawn("rule", row) * self.rules))

    def right(self, text: str, row: int) -> bool:
        """Return whether a row is answered right with a text."""
        flipped = self.drawn("noise", text, row) < self.noise
        return (self.needs(row) in text) != flipped

    def worth(self, text: str) -> float:
        """Return the expected share of right answers to all rows there could be."""
        stated = sum(rule(number) in text for number in range(self.rules)) / self.rules
        share = self.easy + (1 - self.easy) * stated
        return share * (1 - self.noise) + (1 - share) * self.noise

    def rewrite(self, text: str, wrong: Sequence[int], draw: object) -> str:
        """Return what the writer makes of a text and of rows that were answered wrong with it."""
        lot = (text, tuple(wrong), draw)
        kept = text
        stated = _RULE.findall(text)
        if stated and self.drawn("forgets", *lot) < self.forgets:
            kept = text.replace(stated[int(self.drawn("lost", *lot) * len(stated))], "")
        number = int(self.drawn("number", *lot) * 1e6)
        needed = self.needs(wrong[int(self.drawn("row", *lot) * len(wrong))]) if wrong else ""
        if self.drawn("useful", *lot) < self.useful and needed and needed not in text:
            return f"{kept}{needed}, in wording {number}."
        return f"{kept} Note {number} matters."


def rule(number: int) -> str:
    """Return how the sentence of a rule begins."""
    return f" Rule {number:02d} applies"


def cases(text: str) -> list[int]:
    """Return the rows that a text speaks of."""
    return [int(found) for found in _CASE.findall(text)]
