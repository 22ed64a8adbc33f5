"""Asks for new programs until the reflection says that the search has settled."""

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
class UntilSettled:
    """Ask for versions of the given program.

    Where the reflection gives a reason to stop, nothing is asked, and that reason is counted as a
    refusal; so are the steps that are left.

    Attributes:
        ask: How new programs are asked for.
    """

    ask: Generate = field(default_factory=lambda: Generate(4, wording="sbllm", refine="generate"))

    def check(self, model: Model) -> None:
        """Refuse a family that the optimizer LLM cannot answer."""
        self.ask.check(model)

    def most(self) -> CallBound:
        """Return the calls that depend on replies."""
        return self.ask.most()

    async def __call__(self, ctx: StepContext) -> tuple[Proposed, ...]:
        """Return the new programs."""
        if ctx.feedback.reason:
            return (Proposed(Refusal(ctx.feedback.reason), "", "", ctx.shown),)
        return await self.ask(ctx)
