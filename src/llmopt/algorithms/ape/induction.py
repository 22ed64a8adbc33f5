"""First solutions induced from examples, instead of rewordings of the starts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from llmopt.core.part import Feedback, Proposed, all_of
from llmopt.core.problem import parts_of
from llmopt.errors import ConfigError
from llmopt.parts.propose import Generate

if TYPE_CHECKING:
    from llmopt.core.model import Model
    from llmopt.core.part import StepContext
    from llmopt.core.problem import Problem


@dataclass(frozen=True)
class Inferred:
    """Infer solutions from examples in the first step, and propose as usual after it.

    Source: "Large Language Models Are Human-Level Prompt Engineers" (APE, arXiv 2211.01910), whose
    first prompts come from input-output pairs alone; 5 pairs as in its published code. Ours: every
    draw sees examples of its own, where the code draws many prompts for each of 5 sets of pairs.

    Attributes:
        infer: How solutions are inferred; it draws its `samples` in the first step.
        then: How they are proposed in every other step.
        pairs: Training examples that a draw sees, 1 or more.
    """

    infer: Generate = field(default_factory=lambda: Generate(wording="induction", scores=0))
    then: Generate = field(default_factory=Generate)
    pairs: int = 5

    def __post_init__(self) -> None:
        if self.pairs < 1:
            raise ConfigError(f"examples to infer from are 1 or more, but got {self.pairs}")

    def fits(self, problem: Problem) -> None:
        """Refuse a problem without right answers, or whose solutions have several parts."""
        if len(parts_of(problem)) > 1:
            raise ConfigError(
                "one instruction is inferred from inputs with their right answers, but got "
                f"solutions of {len(parts_of(problem))} parts; set induced = 0"
            )
        if not any(item.target for item in problem.items("train")):
            raise ConfigError(
                "solutions are inferred from inputs with their right answers, but got a problem "
                "without any; set induced = 0"
            )

    def check(self, model: Model) -> None:
        """Refuse a family that the optimizer LLM cannot answer."""
        self.infer.check(model)
        self.then.check(model)

    def divided(self) -> tuple[Inferred, int]:
        """Return a single draw of what comes after the induction."""
        then, requests = self.then.divided()
        return replace(self, then=then), requests

    async def __call__(self, ctx: StepContext) -> tuple[Proposed, ...]:
        """Return what was inferred, once for all groups, or what is proposed."""
        if ctx.step > 1:
            return await self.then(ctx)
        if ctx.group:
            return ()
        items = [item for item in ctx.problem.items("train") if item.target]
        rng = ctx.rng("pairs")
        size = min(self.pairs, len(items))
        one = replace(self.infer, samples=1)
        contexts = []
        for draw in range(self.infer.samples):
            shown = tuple(items[i] for i in sorted(rng.choice(len(items), size, replace=False)))
            apart = replace(ctx, group=draw, shown=(), feedback=Feedback(shown))
            contexts.append(apart)
        found = await all_of(one(apart) for apart in contexts)
        return tuple(proposed for row in found for proposed in row)
