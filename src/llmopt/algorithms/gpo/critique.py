"""Critiques of a solution and summaries of several, written by a language model.

Nothing of it is stored beside the replies. What was said in an earlier step is asked for again,
in the same words and with the same number of the draw, so it comes from the store.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

from llmopt.algorithms.gpo.momentum import Past
from llmopt.core.metaprompt import Shown, filled, mark_for, marked_call
from llmopt.core.part import (
    Bounded,
    CallBound,
    Embedding,
    Feedback,
    SupportsProblem,
    all_of,
    generator,
)
from llmopt.core.problem import Refusal
from llmopt.core.text import between
from llmopt.core.trajectory import Entry
from llmopt.core.values import Candidate, Evaluation, digest
from llmopt.errors import ConfigError, UnknownNameError
from llmopt.parts.pace import check_batch, epoch_steps
from llmopt.parts.reply_length import USUAL, reply_tokens

if TYPE_CHECKING:
    from llmopt.algorithms.gpo.momentum import Memory, Momentum, Retrieval
    from llmopt.core.metaprompt import Mark
    from llmopt.core.part import Reflect, StepContext
    from llmopt.core.problem import Problem
    from llmopt.core.trajectory import Trajectory
    from llmopt.core.values import Item
    from llmopt.parts.reflect import Exemplars

Reflection = Past | Literal["none", "current"]

_UNREAD = "(no answer could be read)"
_BUCKETS = 100


@dataclass(frozen=True)
class CombinedReflection:
    """Several reflections at once: the exemplars and summary of the first that has some, all texts.

    Attributes:
        parts: The reflections.
    """

    stored_name: ClassVar[str] = "Together"

    parts: tuple[Reflect, ...]

    def fits(self, problem: Problem) -> None:
        """Refuse a problem that one of the parts can do nothing with."""
        for part in self.parts:
            if isinstance(part, SupportsProblem):
                part.fits(problem)

    def embedder(self) -> str:
        """Return the name of the embedding model that a part wants, or nothing."""
        names = (part.embedder() for part in self.parts if isinstance(part, Embedding))
        return next(filter(None, names), "")

    def most(self) -> CallBound:
        """Return the most calls of a step that depend on what is replied."""
        return sum((part.most() for part in self.parts if isinstance(part, Bounded)), CallBound())

    async def __call__(self, ctx: StepContext) -> Feedback:
        """Return what all say."""
        found = await all_of(part(ctx) for part in self.parts)
        shown = next((f for f in found if f.exemplars), Feedback())
        return Feedback(
            exemplars=shown.exemplars,
            failing=shown.failing,
            text="\n\n".join(f.text for f in found if f.text),
            calls=tuple(key for f in found for key in f.calls),
            summary=next((f.summary for f in found if f.summary), None),
            findings=tuple(finding for f in found for finding in f.findings),
            reason=next((f.reason for f in found if f.reason), ""),
        )


@dataclass(frozen=True)
class Merged:
    """Instead of single critiques of the past, one text that the optimizer LLM makes of all."""


@dataclass(frozen=True)
class Critique:
    """Ask why the current solution fails on some training items (GPO: with reflection).

    The wrong predictions are those of its evaluation, so nothing is measured for this (G11). Each
    step looks at its own batch of the training items, which are mixed anew in each epoch.

    Attributes:
        batch: Training items that a step looks at, 1 or more.
        memory: Which critiques of earlier steps are told too: None: none; a way of choosing
            them, for which the importance of a critique is the score gained after it; or
            :class:`Merged`.
        max_tokens: Of one critique.
    """

    batch: int = 8
    memory: Memory | Merged | None = None
    max_tokens: int = 512

    def __post_init__(self) -> None:
        check_batch(self.batch)
        _check_tokens(self.max_tokens)

    def embedder(self) -> str:
        """Return the name of the embedding model that the memory wants, or nothing."""
        return self.memory.embedder() if isinstance(self.memory, Embedding) else ""

    def most(self) -> CallBound:
        """Return the calls of a step beside the critique: one that merges it with earlier ones."""
        return CallBound(optimizer=int(isinstance(self.memory, Merged)))

    async def __call__(self, ctx: StepContext) -> Feedback:
        """Return the critique of the current solution, with earlier ones as the memory says."""
        if ctx.base is None:
            return Feedback()
        past = ctx.trajectory.led() if self.memory else ()
        line = (*past, (ctx.step, ctx.base))
        said = await all_of(self._said(ctx, step, entry) for step, entry in line)
        now, calls = said[-1]
        if isinstance(self.memory, Merged):
            text, merging = await self._merged(ctx, [text for text, _ in said])
            return Feedback(text=text, calls=(*calls, *merging))
        if self.memory is None:
            return Feedback(text=now, calls=calls)
        worth = [ctx.trajectory.estimate(entry) for _, entry in line]
        gains = [after - before for before, after in pairwise(worth)]
        known = [at for at in range(len(past)) if said[at][0] not in ("", now)]
        texts = [said[at][0] for at in known]
        worths = [gains[at] for at in known]
        picked = await self.memory.pick(ctx, self.memory.k - 1, texts, worths, now)
        told = [*(texts[at] for at in picked), now]
        return Feedback(text="\n\n".join(text for text in told if text), calls=calls)

    async def _said(self, ctx: StepContext, step: int, entry: Entry) -> tuple[str, tuple[str, ...]]:
        """Return what was wrong with a solution in a step, and the key of the call; or nothing."""
        outcomes = {outcome.item: outcome for outcome in entry.evaluation.outcomes}
        problem = ctx.problem
        wrongs = []
        for item in self._items(ctx, step):
            outcome = outcomes.get(item.id)
            if outcome is None or outcome.score is None or outcome.score >= 1:
                continue
            if item.target or outcome.feedback:
                prediction = _UNREAD if outcome.answer is None else outcome.answer
                question = problem.exemplar(item, "").question
                wrongs.append(
                    {
                        "question": question,
                        "prediction": prediction,
                        "truth": item.target,
                        "feedback": outcome.feedback,
                    }
                )
        if not wrongs:
            return "", ()
        said = problem.description
        mark = mark_for(said)
        text = filled(
            "gpo",
            "critique",
            noun=said.noun,
            task=said.task,
            current=entry.text,
            wrongs=wrongs,
            opening=mark.opening,
            closing=mark.closing,
        )
        found, key = await _answer(ctx, text, self.max_tokens, mark)
        return found, (key,)

    def _items(self, ctx: StepContext, step: int) -> list[Item]:
        """Return the batch of a step."""
        items = ctx.problem.items("train")
        epoch, place = divmod(step - 1, epoch_steps(len(items), self.batch))
        mixed = generator(ctx.seed, epoch, "batches").permutation(len(items))
        return [items[at] for at in sorted(mixed[place * self.batch :][: self.batch])]

    async def _merged(self, ctx: StepContext, texts: list[str]) -> tuple[str, tuple[str, ...]]:
        """Return one text made of all, and the key of the last call, if there was one."""
        noun = ctx.problem.description.noun
        summary, calls = "", tuple[str, ...]()
        for text in filter(None, texts):
            calls = ()
            if summary and text != summary:
                mark = mark_for(ctx.problem.description)
                asked = filled(
                    "gpo",
                    "merge-critiques",
                    noun=noun,
                    previous=summary,
                    newest=text,
                    opening=mark.opening,
                    closing=mark.closing,
                )
                merged, key = await _answer(ctx, asked, self.max_tokens, mark)
                summary, calls = merged or summary, (key,)
            else:
                summary = text
        return summary, calls if texts[-1] else ()


@dataclass(frozen=True)
class Summary:
    """Show one solution in place of the past: written by the optimizer LLM out of all of it.

    In each step it merges the summary so far with the current solution. The summary is measured
    on the training items, so that it is shown with its own score (G12); a reply that is no
    solution leaves the summary as it was.

    Attributes:
        max_tokens: Of one summary; the default grows with long starting solutions.
    """

    max_tokens: int = USUAL

    def __post_init__(self) -> None:
        _check_tokens(self.max_tokens)

    def most(self) -> CallBound:
        """Return the calls of a step: one summary is asked for, and measured."""
        return CallBound(optimizer=1, measured=1)

    async def __call__(self, ctx: StepContext) -> Feedback:
        """Return the summary; the current solution itself where there is nothing before it."""
        if ctx.base is None:
            return Feedback()
        models = [m.identity for m in (ctx.model, ctx.scorer) if m]
        past = ctx.trajectory.running((repr(self), ctx.seed, *models), _Summed)
        line, done, summary = [*past.line, ctx.base], past.done, past.summary
        calls = tuple[str, ...]()
        for at in range(done, len(line)):
            if at == len(line) - 1 and summary:  # what this step finds out is not kept
                past.keep(at, summary)
            calls = ()
            if summary is None:
                summary = line[at]
            elif line[at].candidate.id not in (line[at - 1].candidate.id, summary.candidate.id):
                summary, key = await self._merged(ctx, summary, line[at])
                calls = (key,)
        return Feedback(calls=calls, summary=summary)

    async def _merged(self, ctx: StepContext, before: Entry, now: Entry) -> tuple[Entry, str]:
        """Return the next summary, measured, and the key of the call."""
        problem, said = ctx.problem, ctx.problem.description

        def shown(entry: Entry) -> Shown:
            score = problem.show(ctx.trajectory.estimate(entry), _BUCKETS)
            return Shown(entry.text, score, entry.evaluation.partial)

        mark = mark_for(said)
        asked = filled(
            "gpo",
            "merge-prompts",
            noun=said.noun,
            task=said.task,
            measure=said.measure,
            scale=problem.scale(_BUCKETS),
            better="higher" if said.higher_is_better else "lower",
            previous=shown(before),
            newest=shown(now),
            opening=mark.opening,
            closing=mark.closing,
        )
        text, key = await _answer(ctx, asked, reply_tokens(self.max_tokens, said), mark)
        parsed = problem.parse(text)
        if isinstance(parsed, Refusal):
            return before, key
        made = Candidate(parsed, ctx.step)
        if ctx.trajectory.knows(made):
            known = ctx.trajectory.entry(made.id)
            return (known if known.evaluation.score is not None else before), key
        items = problem.items("train")
        outcomes = await all_of(problem.measure(parsed, item, ctx.scorer) for item in items)
        evaluation = Evaluation(tuple(outcomes), len(items))
        return (before if evaluation.score is None else Entry(made, evaluation)), key


def reflected(
    exemplars: Exemplars, momentum: Momentum, reflection: Reflection, past: Retrieval, batch: int
) -> Reflect:
    """Return what GPO's options say beside the scores.

    Args:
        exemplars: Training examples shown.
        momentum: Where it is ``summary``, the summary.
        reflection: ``none``, the ``current`` solution's critique alone, or with earlier ones: a
            :data:`~llmopt.algorithms.gpo.momentum.Past`.
        past: How earlier critiques are chosen.
        batch: See :class:`Critique`.

    Raises:
        UnknownNameError: There is no such reflection.
    """
    known = ("none", "current", *get_args(Past))
    if reflection not in known:
        raise UnknownNameError("reflection", reflection, known)
    parts: list[Reflect] = [exemplars]
    if momentum == "summary":
        parts.append(Summary())
    if reflection != "none":
        memory = Merged() if reflection == "summary" else past.named(reflection)
        parts.append(Critique(batch, memory))
    return CombinedReflection(tuple(parts)) if len(parts) > 1 else parts[0]


class _Summed:
    """Whom the search went on from, step by step, and a summary of the first of them.

    Attributes:
        line: All of them.
        done: How many of them the summary is of.
        summary: The summary; None of nobody.
    """

    def __init__(self) -> None:
        self.line: list[Entry] = []
        self.done, self.summary = 0, None  # type: int, Entry | None
        self._last = (0, "")

    def add(self, entry: Entry, trajectory: Trajectory) -> None:
        """Add the one that an entry was made out of, once for each step."""
        candidate = entry.candidate
        if candidate.parents and self._last != (candidate.step, candidate.parents[-1]):
            self._last = (candidate.step, candidate.parents[-1])
            self.line.append(trajectory.entry(candidate.parents[-1]))

    def keep(self, done: int, summary: Entry) -> None:
        """Keep a summary, so that the next step need not ask for it again."""
        if done > self.done:
            self.done, self.summary = done, summary


async def _answer(ctx: StepContext, text: str, most: int, mark: Mark) -> tuple[str, str]:
    """Ask the optimizer LLM at temperature 0; return what it marked, or all it said, and the key.

    The number of the draw is the same in all steps of a run, so that it is asked once.
    """
    sample = int(digest(f"{ctx.seed} aside")[:12], 16)
    call = marked_call(ctx.model.traits, text, max_tokens=most, sample=sample, mark=mark)
    reply = (await ctx.model.complete(call)).text
    marked = between(reply, mark.opening, mark.closing)
    found = reply.partition(mark.closing)[0] if marked is None else marked
    return found.strip(), call.key(ctx.model.identity)


def _check_tokens(most: int) -> None:
    if most < 1:
        raise ConfigError(f"max_tokens is 1 or more, but got {most}")
