"""DRPO's rewards: the score of one answer, and the reason for it.

Source: "Dynamic Rewarding with Prompt Optimization" (arXiv 2411.08733), where a state of the
search is a prompt and an action is a rewrite of it. The reward is whatever the problem measures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from llmopt.core.metaprompt import filled
from llmopt.core.part import CallBound, Feedback, Proposed, all_of
from llmopt.core.problem import ExplainsScores, Refusal
from llmopt.core.recording import Overheard
from llmopt.errors import ConfigError, UnknownNameError

if TYPE_CHECKING:
    from llmopt.core.model import Model
    from llmopt.core.part import StepContext
    from llmopt.core.trajectory import Entry
    from llmopt.core.values import Item, Outcome
    from llmopt.parts.propose import Generate

Idle = Literal["rewrite", "carry"]

NOTHING_POOR = "no poor answer, carried on"


@dataclass(frozen=True)
class Rewards:
    """Tell what the solution to be edited leads to on some training items, and what that is worth.

    The items are drawn anew in each step and group, among those that are not good enough yet. The
    scorer LLM is asked what it was asked when the solution was measured, and so is a judge LLM,
    so both answer from the store. Without a scorer LLM nothing is told.

    Attributes:
        items: Training items that are told about, 1 or more.
        enough: Items with a score above this are passed over, in 0..1.
        idle: Whether a state without poor answers is rewritten without a reward ("rewrite"), or
            there is a reason to ask nothing and to carry it on ("carry").

    Raises:
        UnknownNameError: `idle` is something else.
        ConfigError: A number is out of its range.
    """

    items: int = 1
    enough: float = 0.875
    idle: Idle = "rewrite"

    def __post_init__(self) -> None:
        if self.idle not in get_args(Idle):
            raise UnknownNameError("idle", self.idle, get_args(Idle))
        if self.items < 1:
            raise ConfigError(f"the items told about are 1 or more, but got {self.items}")
        if not 0 <= self.enough <= 1:
            raise ConfigError(f"what is good enough is a score of 0 to 1, but got {self.enough}")

    async def __call__(self, ctx: StepContext) -> Feedback:
        """Return the answers with their rewards as text; empty where all are good enough."""
        if ctx.scorer is None or ctx.base is None:
            return Feedback()
        scorer, state = ctx.scorer, ctx.base
        known = {item.id: item for item in ctx.problem.items("train")}
        poor = [
            (known[outcome.item], outcome)
            for outcome in state.evaluation.outcomes
            if outcome.score is not None and outcome.score <= self.enough
        ]
        drawn = sorted(ctx.rng("rewards").permutation(len(poor))[: self.items])
        told = await all_of(self._told(ctx, scorer, state, *poor[int(place)]) for place in drawn)
        if not told:
            return Feedback(reason=NOTHING_POOR if self.idle == "carry" else "")
        return Feedback(text=filled("drpo", "rewards", told=told))

    async def _told(
        self, ctx: StepContext, scorer: Model, state: Entry, item: Item, outcome: Outcome
    ) -> dict[str, str]:
        problem, overheard = ctx.problem, Overheard(scorer)
        await problem.measure(state.text, item, overheard)
        answer = overheard.replies[-1] if overheard.replies else ""
        remarks = outcome.feedback
        if not remarks and isinstance(problem, ExplainsScores):
            remarks = await problem.remarks(answer, item)
        return {
            "question": problem.exemplar(item, "").question,
            "answer": answer.strip(),
            "score": problem.show(outcome.score or 0.0, 100),
            "remarks": remarks.strip(),
        }


@dataclass(frozen=True)
class RewriteOrCarry:
    """Rewrite a state, unless the reflection gives a reason to carry it on.

    Attributes:
        ask: How rewrites are asked for.
    """

    ask: Generate

    def check(self, model: Model) -> None:
        """Refuse a family that the optimizer LLM cannot answer."""
        self.ask.check(model)

    def most(self) -> CallBound:
        """Return the calls of a state with a poor answer, which a rehearsal need not have."""
        return CallBound(optimizer=self.ask.samples, proposed=self.ask.samples) + self.ask.most()

    async def __call__(self, ctx: StepContext) -> tuple[Proposed, ...]:
        """Return the rewrites, or the reason for asking nothing, which is counted."""
        if ctx.feedback.reason:
            parents = (ctx.base,) if ctx.base else ()
            return (Proposed(Refusal(ctx.feedback.reason), "", "", parents),)
        return await self.ask(ctx)
