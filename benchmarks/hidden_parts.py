"""The scripted world of hidden rules with solutions of two parts, for `benchmarks/gepa.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hidden_rules import START, World, cases, rule

from llmopt.core.solution import SolutionPart, join_parts, split_parts
from llmopt.core.trace import ProgramTrace, TraceStep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.core.model import Model
    from llmopt.core.values import Item

PARTS = ("first", "second")
STARTS = join_parts(dict.fromkeys(PARTS, START))


@dataclass(frozen=True)
class TwoParts(World):
    """Rules of even numbers help in the first part alone, the others in the second part alone.

    Attributes:
        each: Whether the writer handles each failing row of a request in turn, and not one of them.
    """

    each: bool = False

    def rewrite(self, text: str, wrong: Sequence[int], draw: object) -> str:
        """Return what the writer makes of a part and of rows in which it failed."""
        if not self.each:
            return super().rewrite(text, wrong, draw)
        for row in wrong or [0]:
            text = super().rewrite(text, [row] if wrong else [], draw)
        return text

    def place(self, row: int) -> str:
        """Return the part in which the rule of a row has to be stated; empty: it needs none."""
        return PARTS[int(self.needs(row).split()[1]) % len(PARTS)] if self.needs(row) else ""

    def failing(self, text: str, row: int) -> str:
        """Return the part that lacks the rule of a row; empty: none does."""
        place = self.place(row)
        return place if place and self.needs(row) not in split_parts(text, PARTS)[place] else ""

    def right(self, text: str, row: int) -> bool:
        """Return whether a row is answered right with the two parts."""
        flipped = self.drawn("noise", text, row) < self.noise
        return (not self.failing(text, row)) != flipped

    def worth(self, text: str) -> float:
        """Return the expected share of right answers to all rows there could be."""
        texts = split_parts(text, PARTS)
        held = sum(rule(n) in texts[PARTS[n % len(PARTS)]] for n in range(self.rules)) / self.rules
        share = self.easy + (1 - self.easy) * held
        return share * (1 - self.noise) + (1 - share) * self.noise

    def written(self, text: str, request: str, draw: object) -> str:
        """Return what the writer makes of a part, or of both, and of a request's failing steps."""
        blocks = request.split("Input: ")[1:]
        if not text.startswith("==="):
            wrong = [cases(one)[0] for one in blocks if " answered: wrong" in one]
            return self.rewrite(text, wrong, draw)
        texts = split_parts(text, PARTS)
        failing = {
            name: [cases(one)[0] for one in blocks if f"({name}) was asked: lacks" in one]
            for name in PARTS
        }
        some = [name for name in PARTS if failing[name]] or list(PARTS)
        name = some[int(self.drawn("part", request, draw) * len(some))]
        return join_parts({**texts, name: self.rewrite(texts[name], failing[name], draw)})

    def steps(self, text: str, row: int) -> tuple[TraceStep, ...]:
        """Return a step for each part, which says whether it is at fault."""
        fault = self.failing(text, row)
        return tuple(
            TraceStep(
                name,
                name,
                "lacks a rule" if name == fault else "holds all rules",
                "wrong" if name == fault else "right",
            )
            for name in PARTS
        )


@dataclass(frozen=True)
class TwoPartTexts:
    """What a problem of this world can do on top: it has two parts, and tells its steps.

    Attributes:
        world: The world.
    """

    world: TwoParts

    def parts(self) -> tuple[SolutionPart, ...]:
        """Return the two parts."""
        return tuple(map(SolutionPart, PARTS))

    async def trace(self, text: str, item: Item, scorer: Model | None) -> ProgramTrace:
        """Return the steps of a row."""
        del scorer
        return ProgramTrace(self.world.steps(text, int(item.id)))


def two_parts(seeds: int) -> dict[str, list[TwoParts]]:
    """Return worlds of two parts, by name."""
    kinds: dict[str, dict[str, Any]] = {
        "2 parts, 6 rules, no noise": {"rules": 6, "noise": 0.0},
        "2 parts, 6 rules, 5 % noise": {"rules": 6},
        "2 parts, 10 rules, a writer that forgets": {
            "rules": 10,
            "noise": 0.0,
            "useful": 0.8,
            "forgets": 0.4,
            "each": True,
        },
    }
    return {name: [TwoParts(seed, **own) for seed in range(seeds)] for name, own in kinds.items()}
