"""Textual gradients: critiques of groups of errors, and solutions edited by them.

Source: "Automatic Prompt Optimization with 'Gradient Descent' and Beam Search" (ProTeGi, arXiv
2305.03495) with its published code. PE2 (arXiv 2311.05661) asks other questions about the errors
and makes one successor of each group.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from llmopt.core.metaprompt import Mark, filled, mark_for, marked_call
from llmopt.core.part import (
    CallBound,
    Feedback,
    Finding,
    Proposed,
    all_of,
)
from llmopt.core.problem import Refusal
from llmopt.core.recording import Overheard
from llmopt.core.trajectory import Entry
from llmopt.core.values import Candidate
from llmopt.errors import ConfigError, UnknownNameError
from llmopt.parts.propose import Generate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.algorithms.promptagent.reward_rows import RewardRows
    from llmopt.core.model import Model
    from llmopt.core.part import StepContext
    from llmopt.core.problem import Problem
    from llmopt.core.values import Call, Item, Outcome

_PLACEHOLDER = "<INS>"
_APART = 1_000_000  # more findings than any group has
_LONGEST = 1_200  # characters of a reply that are shown
_NOTHING = "(nothing that can be read)"

Batching = Literal["hard", "hard_weighted", "random"]
"""Which rows a group of a gradient draws."""


@dataclass(frozen=True)
class Wrong:
    """An item that a solution got wrong, as a template shows it.

    Attributes:
        question: The item's input.
        prediction: The answer that was given.
        truth: The right answer.
        layout: The scorer's prompt, with a placeholder for the solution.
        feedback: What was said of the answer; may be empty.
        reasoning: The whole reply that the answer was read from, where it is to be shown.
    """

    question: str
    prediction: str
    truth: str
    layout: str
    feedback: str = ""
    reasoning: str = ""


@dataclass(frozen=True)
class TextualGradients:
    """Ask what is wrong with the current solution, for several groups of what it got wrong.

    The current solution is the base of the group. Its errors are known from its evaluation and
    cost nothing (the published code evaluates it again), unless errors and ranking have rows of
    their own. A solution without errors has no gradient.

    Attributes:
        groups: Groups of errors, a call each; 1 or more.
        errors: Errors in a group at most, 1 or more; groups may share some.
        reasons: Gradients that a call asks for, 1 or more.
        batch: Evaluated items among which errors are looked for, drawn anew in each step; 1 or
            more.
        wording: Whose words: the folder of ``templates/`` with a ``critique.md``.
        temperature: Of these calls, 0 to 2. At 0, equal calls have one answer: they are made once
            in all steps, and in all runs that share a store.
        max_tokens: Of a call, 1 or more.
        batching: Which rows a group draws: ``hard`` errors, each once (ProTeGi and PE2);
            ``hard_weighted`` errors with a chance in proportion to what they lack, so that one may
            come twice; or ``random`` ones, right answers among them.
        reasoning: Whether errors are shown with the whole reply of the scorer LLM (PE2's code),
            which comes from the store.
        rows: How training items are divided between errors and ranking (PE2's code); None: all
            are for both. Those for errors are answered, in their order, until there are half as
            many errors as the groups take together, or `batch` answers.

    Raises:
        UnknownNameError: There is no such batching.
        ConfigError: A number is out of its range.
    """

    groups: int = 4
    errors: int = 4
    reasons: int = 1
    batch: int = 64
    wording: str = "protegi"
    temperature: float = 1.0
    max_tokens: int = 512
    batching: Batching = "hard"
    reasoning: bool = False
    rows: RewardRows | None = None

    def __post_init__(self) -> None:
        if self.batching not in get_args(Batching):
            raise UnknownNameError("batching", self.batching, get_args(Batching))
        for name in ("groups", "errors", "reasons", "batch", "max_tokens"):
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"{name} of gradients are 1 or more, but got {getattr(self, name)}"
                )
        if not 0 <= self.temperature <= 2:  # noqa: PLR2004 - what providers take
            raise ConfigError(f"a temperature is 0 to 2, but got {self.temperature}; 1 is usual")

    def fits(self, problem: Problem) -> None:
        """Refuse a problem without inputs: where nothing is answered, no answer is wrong."""
        if self.rows:
            self.rows.check(problem.items("train"))
        if not any(item.input for item in problem.items("train")):
            raise ConfigError(
                "it learns from wrong answers to the training items, but got a problem whose items "
                "have no inputs; take opro or ape"
            )

    async def __call__(self, ctx: StepContext) -> Feedback:
        """Return the gradients as findings, in the order of the groups of errors."""
        now = ctx.base
        answered = await self._answered(ctx, now) if now else []
        if not now or not answered:
            return Feedback()
        drawn = self._drawn(ctx, answered)
        shown = sorted({at for one in drawn for at in one})
        wrongs = await all_of(self._wrong(ctx, now, *answered[at]) for at in shown)
        found = dict(zip(shown, wrongs, strict=True))
        groups = [[found[at] for at in one] for one in drawn]
        mark = mark_for(ctx.problem.description)
        calls = [self._call(ctx, now, group, draw, mark) for draw, group in enumerate(groups)]
        replies = await all_of(ctx.model.complete(call) for call in calls)
        findings = tuple(
            Finding(filled("protegi", "findings", wrongs=group, reason=reason))
            for group, reply in zip(groups, replies, strict=True)
            for reason in self._reasons(reply.text, mark)
        )
        return Feedback(
            text="\n\n".join(finding.text for finding in findings),
            calls=tuple(call.key(ctx.model.identity) for call in calls),
            findings=findings,
        )

    def most(self) -> CallBound:
        """Return the calls that look for errors, and the answers that the requests show."""
        shown = self.groups * self.errors if self.reasoning else 0
        return CallBound(scorer=self.batch if self.rows else 0, repeated=shown)

    async def _answered(self, ctx: StepContext, now: Entry) -> list[tuple[Item, Outcome]]:
        """Return the rows that a group may draw, with their answers, in the order of the rows."""
        if self.rows:
            drawn = await self._looked_for(ctx, now, self.rows)
        else:
            measured = [o for o in now.evaluation.outcomes if o.score is not None]
            size = min(self.batch, len(measured))
            at = sorted(ctx.rng("minibatch").choice(len(measured), size, replace=False))
            drawn = [measured[i] for i in at]
        wanted = {o.item: o for o in drawn if self.batching == "random" or (o.score or 0) < 1}
        return [(item, wanted[item.id]) for item in ctx.problem.items("train") if item.id in wanted]

    async def _looked_for(self, ctx: StepContext, now: Entry, rows: RewardRows) -> list[Outcome]:
        """Answer the rows that are for errors until there are enough errors."""
        items = rows(ctx.problem.items("train"))[0][: self.batch]
        enough = max(1, self.errors * max(self.groups, 2) // 2)
        found: list[Outcome] = []
        for begin in range(0, len(items), enough):
            asked = items[begin : begin + enough]
            found += await all_of(ctx.problem.measure(now.text, i, ctx.scorer) for i in asked)
            if sum(o.score is not None and o.score < 1 for o in found) >= enough:
                break
        return [outcome for outcome in found if outcome.score is not None]

    def _drawn(
        self, ctx: StepContext, answered: Sequence[tuple[Item, Outcome]]
    ) -> list[tuple[int, ...]]:
        """Return which rows each group shows."""
        rng = ctx.rng("errors")
        size = min(self.errors, len(answered))
        lacking = np.array([1 - (outcome.score or 0) for _, outcome in answered])
        weights = lacking / lacking.sum() if self.batching == "hard_weighted" else None
        return [
            tuple(sorted(rng.choice(len(answered), size, weights is not None, weights)))
            for _ in range(self.groups)
        ]

    async def _wrong(self, ctx: StepContext, now: Entry, item: Item, outcome: Outcome) -> Wrong:
        """Return a row as the templates show it."""
        exemplar = ctx.problem.exemplar(item, _PLACEHOLDER)
        said = ""
        if self.reasoning and ctx.scorer:
            overheard = Overheard(ctx.scorer)
            await ctx.problem.measure(now.text, item, overheard)
            said = next((reply.strip() for reply in overheard.replies if reply.strip()), "")
        if len(said) > _LONGEST:
            said = f"{said[: _LONGEST // 2]} … {said[-_LONGEST // 2 :]}"
        return Wrong(
            question=exemplar.question,
            prediction=outcome.answer or _NOTHING,
            truth=item.target,
            layout=exemplar.input,
            feedback=outcome.feedback,
            reasoning="" if said == outcome.answer else said,
        )

    def _reasons(self, reply: str, mark: Mark) -> list[str]:
        """Return the marked texts of a reply; without marks, the whole reply.

        Where it says nothing, the errors speak for themselves, as often as it was asked.
        """
        parts = [part.partition(mark.closing)[0] for part in reply.split(mark.opening)[1:]]
        said = [part.strip() for part in parts or [reply] if part.strip()]
        return said[: self.reasons] or [""] * self.reasons

    def _call(
        self, ctx: StepContext, now: Entry, wrongs: Sequence[Wrong], draw: int, mark: Mark
    ) -> Call:
        description = ctx.problem.description
        text = filled(
            self.wording,
            "critique",
            task=description.task,
            noun=description.noun,
            where=description.where,
            current=now.text,
            wrongs=wrongs,
            reasons=self.reasons,
            placeholder=_PLACEHOLDER,
            opening=mark.opening,
            closing=mark.closing,
        )
        return marked_call(
            ctx.model.traits,
            text,
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            sample=ctx.sample(draw) if self.temperature else 0,
            mark=mark,
        )


@dataclass(frozen=True)
class Successors:
    """Propose once for each finding of the feedback, and new wordings of what comes out.

    Where there are no findings, what is wrong is not known: then only the current solution, which
    is the base of the group, is reworded, and where nothing is reworded it is asked for once.

    Attributes:
        edit: How each finding is asked about; it draws its `samples` for each.
        paraphrase: How new wordings are asked for (ProTeGi's Monte Carlo samples): its `samples`
            of each edit and of the current solution, which also stands in for a refused edit.
            None: no new wordings.
        at_most: Successors of a current solution at most; 0: all. Ours: the lot that says which of
            them there are falls before they are asked for, so what would be left out is not paid.
    """

    edit: Generate = field(default_factory=lambda: Generate(samples=1, refine="edit"))
    paraphrase: Generate | None = None
    at_most: int = 0

    def __post_init__(self) -> None:
        if self.at_most < 0:
            raise ConfigError(f"successors are 1 or more, or 0 for all, but got {self.at_most}")

    def check(self, model: Model) -> None:
        """Refuse a family that the optimizer LLM cannot answer."""
        self.edit.check(model)
        if self.paraphrase:
            self.paraphrase.check(model)

    def most(self) -> CallBound:
        """Return the calls that are made because a first edit changed too much."""
        return self.edit.most() * self.at_most

    async def __call__(self, ctx: StepContext) -> tuple[Proposed, ...]:
        """Return each edit with its new wordings, then those of the current solution."""
        feedback = ctx.feedback
        branches = [replace(feedback, text=one.text, findings=(one,)) for one in feedback.findings]
        if not branches and not (ctx.base and self.paraphrase):
            branches = [feedback]
        samples = self.edit.samples
        lots = self._lots(ctx, len(branches) * samples)
        asked = sorted({source // samples for source, _ in lots} & set(range(len(branches))))
        rows = await all_of(
            self.edit(replace(_apart(ctx, branch), feedback=branches[branch])) for branch in asked
        )
        edits = {
            branch * samples + draw: edit
            for branch, row in zip(asked, rows, strict=True)
            for draw, edit in enumerate(row)
        }
        reworded = Counter(source for source, wording in lots if wording)
        wordings = await all_of(
            _reworded(
                replace(self.paraphrase, samples=count),
                _apart(ctx, len(branches) + source),
                edits.get(source),
            )
            for source, count in reworded.items()
            if self.paraphrase
        )
        found = {source: (_told(edit, (source, 0) in lots),) for source, edit in edits.items()}
        for source, made in zip(reworded, wordings, strict=True):
            found[source] = (*found.get(source, ()), *made)
        return tuple(proposed for source in sorted(found) for proposed in found[source])

    def _lots(self, ctx: StepContext, edits: int) -> list[tuple[int, int]]:
        """Return which successors there are.

        Each is the number of an edit, or the number after the last one for the current solution,
        and 0 for the edit itself or the number of a new wording of it.
        """
        wordings = self.paraphrase.samples if self.paraphrase and ctx.base else 0
        lots = [(edit, wording) for edit in range(edits) for wording in range(wordings + 1)]
        lots += [(edits, wording + 1) for wording in range(wordings)]
        if not self.at_most or len(lots) <= self.at_most:
            return lots
        drawn = ctx.rng("successors").choice(len(lots), self.at_most, replace=False)
        return [lots[i] for i in sorted(drawn)]


def _apart(ctx: StepContext, number: int) -> StepContext:
    """Return the context with draws of its own: no group has a number below 0."""
    return replace(ctx, group=-1 - ((ctx.group or 0) * _APART + number))


def _told(edit: Proposed, drawn: bool) -> Proposed:
    """Return an edit as it is proposed: one that the lot left out only leads to new wordings."""
    if drawn or isinstance(edit.text, Refusal):
        return edit
    return replace(edit, text=Refusal("left out by lot"))


async def _reworded(
    paraphrase: Generate, ctx: StepContext, edit: Proposed | None
) -> tuple[Proposed, ...]:
    """Return new wordings of an edit, or of the current solution where there is none."""
    now = ctx.base
    assert now is not None  # noqa: S101 - without a base there are no lots for new wordings
    text = edit.text if edit else now.text
    parsed = text if isinstance(text, Refusal) else ctx.problem.parse(text)
    if isinstance(parsed, Refusal):
        parsed = now.text
    # An edit has no score yet; the request for new wordings shows none.
    shown = Entry(Candidate(parsed), now.evaluation)
    made = await paraphrase(replace(ctx, shown=(shown,), feedback=Feedback()))
    return tuple(replace(proposed, parents=(now,)) for proposed in made)
