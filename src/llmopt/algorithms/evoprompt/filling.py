"""Other wordings of a single parent, with which a population is filled."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmopt.core.model import Model
    from llmopt.core.part import Proposed, StepContext
    from llmopt.parts.propose import Generate


@dataclass(frozen=True)
class Filling:
    """Ask each draw for something else while single parents are shown; afterwards as `generate`.

    Ours: at the methods' temperature of 0.5, a model of 1.5 billion parameters that is asked for
    other wordings of one instruction writes the same one again and again (2 of 7 differed in a
    third of their words), and a population of one wording has nothing to cross.

    Attributes:
        generate: How children are asked for. Where it varies its draws itself, or has words of
            the user's own that cannot, single parents are no exception.
    """

    generate: Generate

    @property
    def samples(self) -> int:
        """Solutions asked for per group of parents."""
        return self.generate.samples

    def check(self, model: Model) -> None:
        """Refuse a family that the optimizer LLM cannot answer."""
        self.generate.check(model)

    async def __call__(self, ctx: StepContext) -> tuple[Proposed, ...]:
        """Ask for a wording of a single parent, or for a child of several."""
        generate = self.generate
        able = generate.vary == "none" and generate.metaprompt("chat").varies
        if able and len(ctx.shown) == 1:
            generate = replace(generate, vary="angles")
        return await generate(ctx)
