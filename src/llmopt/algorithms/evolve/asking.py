"""Asks for changes of the parent: edits, or the whole text."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, get_args

from llmopt.core.metaprompt import filled
from llmopt.core.part import CallBound, Feedback, Proposed
from llmopt.core.problem import Editable
from llmopt.errors import ConfigError
from llmopt.parts.failure_reports import clipped, failures
from llmopt.parts.propose import Generate

if TYPE_CHECKING:
    from llmopt.core.model import Model
    from llmopt.core.part import StepContext

Change = Literal["edits", "whole"]

_TOLD = 2  # failed tests, or remarks, on the parent that are reported


@dataclass(frozen=True)
class ParentRemarks:
    """Tell what failed tests, or whatever scores it, said of the parent.

    Attributes:
        clip: Characters of each remark that are shown at most.
    """

    clip: int = 1500

    def __post_init__(self) -> None:
        if self.clip < 1:
            raise ConfigError(f"characters shown of a text are 1 or more, but got {self.clip}")

    async def __call__(self, ctx: StepContext) -> Feedback:
        """Return the failures of the parent; without any, remarks on its worst items."""
        if ctx.base is None:
            return Feedback()
        said = failures(ctx.base, _TOLD, self.clip)
        if not said:
            scored = [one for one in ctx.base.evaluation.outcomes if one.score is not None]
            worst = sorted(scored, key=lambda one: one.score or 0.0)
            remarks = dict.fromkeys(one.feedback for one in worst if one.feedback)
            said = tuple(clipped(text, self.clip) for text in [*remarks][:_TOLD])
        return Feedback(text="\n\n".join(said))


@dataclass(frozen=True)
class EvolveParent:
    """Ask for changes of the parent.

    Attributes:
        ask: How new solutions are asked for.
        change: ``edits``: search and replace blocks, where the problem takes them; ``whole``:
            the whole text. A reply may be either, whatever was asked for.
    """

    ask: Generate = field(
        default_factory=lambda: Generate(4, wording="evolve", refine="edit", last=True)
    )
    change: Change = "edits"

    def __post_init__(self) -> None:
        if self.change not in get_args(Change):
            raise ConfigError(
                f"a change is {' or '.join(get_args(Change))}, but got {self.change!r}"
            )

    def check(self, model: Model) -> None:
        """Refuse a family that the optimizer LLM cannot answer."""
        self.ask.check(model)

    def most(self) -> CallBound:
        """Return the calls that depend on replies."""
        return self.ask.most()

    async def __call__(self, ctx: StepContext) -> tuple[Proposed, ...]:
        """Return the new solutions."""
        if self.change == "edits" and isinstance(ctx.problem, Editable):
            said = ctx.description or ctx.problem.description
            ctx = replace(ctx, description=replace(said, request=filled("evolve", "edits")))
        return await self.ask(ctx)
