"""Asks for new texts in place of current ones, where there is something to learn from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from llmopt.algorithms.gepa.components import ComponentChoice
from llmopt.algorithms.gepa.system_merge import PAIR, merged
from llmopt.core.component import Component
from llmopt.core.part import CallBound, Feedback, Proposed, all_of
from llmopt.core.problem import Refusal
from llmopt.parts.propose import Generate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.core.model import Model
    from llmopt.core.part import StepContext
    from llmopt.core.trajectory import Entry


@dataclass(frozen=True)
class ReflectiveRewrite:
    """Rewrite the base of the group with what the reflection tells of it, or merge two candidates.

    Where the reflection gives a reason why there is nothing to tell, nothing is asked, and that
    reason is counted as a refusal. A group that shows two candidates is merged, without a call.

    Attributes:
        ask: How a new text is asked for.
        components: Which parts are rewritten; each is asked for by itself, with its reports.
    """

    ask: Generate = field(
        default_factory=lambda: Generate(1, wording="gepa", scores=0, refine="edit")
    )
    components: ComponentChoice = field(default_factory=ComponentChoice)

    @property
    def samples(self) -> int:
        """How many texts a step proposes."""
        return self.ask.samples

    def check(self, model: Model) -> None:
        """Refuse a family that the optimizer LLM cannot answer."""
        self.ask.check(model)

    def most(self) -> CallBound:
        """Return the calls that depend on replies."""
        return self.ask.most()

    async def __call__(self, ctx: StepContext) -> tuple[Proposed, ...]:
        """Return the new texts."""
        if len(ctx.shown) == PAIR:
            other, better = ctx.shown
            text = merged(ctx, other, better)
            return (Proposed(text or Refusal("cannot be merged"), "", "", ctx.shown),)
        if ctx.feedback.reason:
            parents = (ctx.base,) if ctx.base else ()
            return (Proposed(Refusal(ctx.feedback.reason), "", "", parents),)
        if ctx.base is None or not ctx.feedback.findings:
            return await self.ask(ctx)
        base, reports = ctx.base, ctx.feedback.findings
        components = [
            Component(ctx.problem, name, base.text) for name in self.components.names(ctx)
        ]
        drawn = await all_of(
            self._rewritten(ctx, component, base, found.text)
            for component, found in zip(components, reports, strict=True)
        )
        return tuple(_joined(base, components, some) for some in zip(*drawn, strict=True))

    async def _rewritten(
        self, ctx: StepContext, component: Component, base: Entry, report: str
    ) -> tuple[Proposed, ...]:
        """Ask for new texts of one part, with what was found about it."""
        shown = component.shown(base)
        alone = replace(
            ctx, problem=component.view, base=shown, shown=(shown,), feedback=Feedback(text=report)
        )
        return await self.ask(alone)


def _joined(base: Entry, components: Sequence[Component], drawn: Sequence[Proposed]) -> Proposed:
    """Return new texts of parts as one solution; refused texts leave their part as it is."""
    solution: str = base.text
    whole: str | Refusal = Refusal("nothing proposed")
    for component, one in zip(components, drawn, strict=True):
        found = one.text
        if isinstance(found, Refusal):
            parsed: str | Refusal = Refusal(f"{component.name}: {found.reason}")
        else:
            parsed = component.problem.parse(replace(component, solution=solution).whole(found))
        if not isinstance(parsed, Refusal):
            solution = parsed
        if not isinstance(parsed, Refusal) or isinstance(whole, Refusal):
            whole = parsed
    calls = [key for one in drawn for key in (one.call, *one.further) if key]
    reply = "\n\n".join(one.reply for one in drawn)
    return Proposed(whole, reply, "".join(calls[:1]), (base,), tuple(calls[1:]))
