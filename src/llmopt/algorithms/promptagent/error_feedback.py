"""Error feedback: what the optimizer LLM says about a prompt's answers to a small batch.

Source: PromptAgent (arXiv 2310.16427) and its published code, whose actions are such texts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from llmopt.algorithms.promptagent.reward_rows import RewardRows
from llmopt.core.metaprompt import filled, mark_for, marked_call
from llmopt.core.part import CallBound, Feedback, all_of
from llmopt.core.recording import Overheard
from llmopt.core.text import between
from llmopt.errors import ConfigError

if TYPE_CHECKING:
    from llmopt.core.part import StepContext
    from llmopt.core.problem import Problem
    from llmopt.core.trajectory import Entry
    from llmopt.core.values import Item, Outcome

_PLACEHOLDER = "<INS>"
_LONGEST = 1_200  # characters of a reply that are shown
_NOTHING = "(nothing that can be read)"


@dataclass(frozen=True)
class BatchAnswer:
    """An answer to a row of a batch, as the templates show it.

    Attributes:
        question: The row's input.
        response: What the scorer LLM replied; empty if it is the answer itself.
        answer: What was read from the reply.
        truth: The right answer.
    """

    question: str
    response: str
    answer: str
    truth: str


@dataclass(frozen=True)
class ErrorFeedback:
    """Answer a batch with the current prompt, and ask why the wrong answers are wrong.

    If all answers are right, the question is why the prompt works. Rows for rewards are never
    shown (:class:`~llmopt.algorithms.promptagent.reward_rows.RewardRows`).

    Attributes:
        rows: How the training items are divided.
        batch: Rows of a batch, 1 or more.
        temperature: Of the feedback, 0 to 2.
        max_tokens: Of the feedback, 1 or more.
    """

    rows: RewardRows = field(default_factory=RewardRows)
    batch: int = 5
    temperature: float = 1.0
    max_tokens: int = 512

    def __post_init__(self) -> None:
        for name in ("batch", "max_tokens"):
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"{name} of error feedback is 1 or more, but got {getattr(self, name)}"
                )
        if not 0 <= self.temperature <= 2:  # noqa: PLR2004 - what providers take
            raise ConfigError(f"a temperature is 0 to 2, but got {self.temperature}; 1 is usual")

    def fits(self, problem: Problem) -> None:
        """Refuse a problem without inputs: where nothing is answered, no answer is wrong."""
        if not any(item.input for item in problem.items("train")):
            raise ConfigError(
                "it learns from wrong answers to the training items, but got a problem whose items "
                "have no inputs; take opro or ape"
            )

    def most(self) -> CallBound:
        """Return the calls that answer a batch; its answers occur in two requests."""
        return CallBound(scorer=self.batch, repeated=2 * self.batch)

    async def __call__(self, ctx: StepContext) -> Feedback:
        """Return the answers shown, followed by what was said about them."""
        now = ctx.base
        if now is None:
            return Feedback()
        rows = self.rows(ctx.problem.items("train"))[0]
        drawn = ctx.rng("batch").choice(len(rows), min(self.batch, len(rows)), replace=False)
        answered = await all_of(self._answered(ctx, now, rows[int(at)]) for at in sorted(drawn))
        measured = [(seen, o.score) for seen, o in answered if o.score is not None]
        if not measured:
            return Feedback(reason="no answer of the batch could be had")
        wrong = [seen for seen, score in measured if score < 1]
        shown = wrong or [seen for seen, _ in measured]
        description = ctx.problem.description
        mark = mark_for(description)
        text = filled(
            "promptagent",
            "critique",
            task=description.task,
            noun=description.noun,
            where=description.where,
            current=now.text,
            answers=shown,
            wrong=bool(wrong),
            opening=mark.opening,
            closing=mark.closing,
        )
        call = marked_call(
            ctx.model.traits,
            text,
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            sample=ctx.sample(0) if self.temperature else 0,
            mark=mark,
        )
        reply = await ctx.model.complete(call)
        said = between(reply.text, mark.opening, mark.closing) or reply.text
        said = said.replace(mark.opening, "").partition(mark.closing)[0].strip()
        text = filled("promptagent", "findings", answers=shown, wrong=bool(wrong), feedback=said)
        return Feedback(text=text, calls=(call.key(ctx.model.identity),))

    async def _answered(
        self, ctx: StepContext, now: Entry, item: Item
    ) -> tuple[BatchAnswer, Outcome]:
        overheard = Overheard(ctx.scorer) if ctx.scorer else None
        outcome = await ctx.problem.measure(now.text, item, overheard)
        replies = overheard.replies if overheard else []
        response = next((one.strip() for one in replies if one.strip()), "")
        answer = outcome.answer or _NOTHING
        if len(response) > _LONGEST:
            response = f"{response[: _LONGEST // 2]} … {response[-_LONGEST // 2 :]}"
        seen = BatchAnswer(
            question=ctx.problem.exemplar(item, _PLACEHOLDER).question,
            response="" if response == answer else response,
            answer=answer,
            truth=item.target,
        )
        return seen, outcome
