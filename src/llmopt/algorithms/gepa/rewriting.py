"""Asks for a new text in place of the current one, where there is something to learn from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from llmopt.core.part import CallBound, Proposed
from llmopt.core.problem import Refusal
from llmopt.parts.propose import Generate

if TYPE_CHECKING:
    from llmopt.core.model import Model
    from llmopt.core.part import StepContext


@dataclass(frozen=True)
class ReflectiveRewrite:
    """Rewrite the base of the group with what the reflection tells of it.

    Where the reflection gives a reason why there is nothing to tell, nothing is asked, and that
    reason is counted as a refusal.

    Attributes:
        ask: How a new text is asked for.
    """

    ask: Generate = field(
        default_factory=lambda: Generate(1, wording="gepa", scores=0, refine="edit")
    )

    def check(self, model: Model) -> None:
        """Refuse a family that the optimizer LLM cannot answer."""
        self.ask.check(model)

    def most(self) -> CallBound:
        """Return the calls that depend on replies."""
        return self.ask.most()

    async def __call__(self, ctx: StepContext) -> tuple[Proposed, ...]:
        """Return the new texts."""
        if ctx.feedback.reason:
            parents = (ctx.base,) if ctx.base else ()
            return (Proposed(Refusal(ctx.feedback.reason), "", "", parents),)
        return await self.ask(ctx)
