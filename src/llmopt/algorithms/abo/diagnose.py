"""Finds the first behaviour step that deviates: traces, ballots and a vote.

Ours, a reconstruction after docs/papers/abo.md. The optimizer LLM is never asked
why something failed, only which step was the first to deviate and what it should have produced.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from llmopt.algorithms.abo.demonstrate import STEADY, call_of
from llmopt.algorithms.abo.rounds import Shares, blocked, state
from llmopt.algorithms.abo.traces import (
    Deviation,
    Lines,
    Trace,
    Wording,
    read_diagnosis,
    voted,
)
from llmopt.core.part import (
    CallBound,
    Feedback,
    Finding,
    all_of,
)
from llmopt.core.recording import Overheard
from llmopt.errors import ConfigError

if TYPE_CHECKING:
    from llmopt.core.model import Model
    from llmopt.core.part import StepContext
    from llmopt.core.trajectory import Entry
    from llmopt.core.values import Item

ATTEMPTS = 2
"""How often an unreadable reply is asked for."""

SHOWN = 3
"""Failures that the findings show at most."""


@dataclass(frozen=True)
class Diagnose:
    """Run the current state on a batch, find the first step that deviates, and vote.

    A missing marker is found without a call. Otherwise the optimizer LLM is shown the trace and
    the right answer, and names a step; a reply that names none is asked for once more, then it
    has no vote. Blocked steps have none either (:func:`~llmopt.algorithms.abo.rounds.blocked`). The
    traces are what the scorer LLM answers to the calls that measuring makes.

    Attributes:
        shares: How the training items are divided; the batch is drawn from the work items.
        batch: Items of a batch at most, 1 or more.
        diagnosed: Failures that are looked into at most, 1 or more.
        asking: The words of a diagnosis.
        telling: The words of the findings.
        max_tokens: Of one diagnosis, 1 or more.
    """

    shares: Shares = field(default_factory=Shares)
    batch: int = 16
    diagnosed: int = 8
    asking: Wording = field(default_factory=lambda: Wording("diagnose"))
    telling: Wording = field(default_factory=lambda: Wording("findings"))
    max_tokens: int = 1024

    def __post_init__(self) -> None:
        for what, number in (
            ("items of a batch", self.batch),
            ("failures looked into", self.diagnosed),
            ("max_tokens", self.max_tokens),
        ):
            if number < 1:
                raise ConfigError(f"{what} are 1 or more, but got {number}")

    def most(self) -> CallBound:
        """Return the most calls of a step."""
        asked = ATTEMPTS * self.diagnosed
        return CallBound(optimizer=asked, scorer=self.batch, repeated=asked)

    async def __call__(self, ctx: StepContext) -> Feedback:
        """Return the diagnosis, or nothing where there are no steps yet."""
        steps, current = steps_now(ctx), ctx.base
        if not steps or current is None:
            return Feedback()
        if current.score >= 1:
            return Feedback(reason="nothing is left to improve on dev")
        if ctx.scorer is None:
            return Feedback(reason="no scorer LLM to look at")
        failures = await self._failures(ctx, ctx.scorer, current, steps)
        if not failures:
            return Feedback(reason="no failure in the batch")
        looked = await all_of(
            self._ballot(ctx, steps, item, trace) for item, trace in failures[: self.diagnosed]
        )
        calls = tuple(key for _, _, keys in looked for key in keys)
        barred = blocked(ctx.trajectory, current)
        valid = [(n, found) for n, found, _ in looked if n is not None and n not in barred]
        number = voted([n for n, _ in valid])
        if number is None:
            return Feedback(reason="no step to blame that is not blocked", calls=calls)
        meant = tuple(found for n, found in valid if n == number)
        text = self.telling.fill(
            number=number, votes=len(meant), voters=len(looked), findings=meant[:SHOWN]
        )
        return Feedback(text=text, calls=calls, findings=(Finding(text, number),))

    async def _failures(
        self, ctx: StepContext, scorer: Model, current: Entry, steps: Lines
    ) -> list[tuple[Item, Trace]]:
        """Return the items of this step's batch on which the current state fails, with traces."""
        work = self.shares(ctx.problem.items("train")).work
        drawn = ctx.rng("batch").choice(len(work), min(self.batch, len(work)), replace=False)
        batch = [work[int(at)] for at in drawn]

        async def run(item: Item) -> tuple[float | None, str]:
            overheard = Overheard(scorer)
            outcome = await ctx.problem.measure(current.text, item, overheard)
            return outcome.score, next(filter(None, overheard.replies), "")

        found = await all_of(run(item) for item in batch)
        return [
            (item, Trace.after_cue(said, len(steps)))
            for item, (score, said) in zip(batch, found, strict=True)
            if score is not None and score < 1
        ]

    async def _ballot(
        self, ctx: StepContext, steps: Lines, item: Item, trace: Trace
    ) -> tuple[int | None, Deviation, tuple[str, ...]]:
        """Return a failure's vote, or None for none, with what it shows and the calls it took."""
        seen = Deviation(item.input, item.target, trace.text)
        if trace.gap is not None:
            return trace.gap, seen, ()
        text = self.asking.fill(
            task=ctx.problem.description.task,
            steps=steps,
            question=item.input,
            answer=item.target,
            trace=trace.text,
        )
        keys: list[str] = []
        for attempt in range(ATTEMPTS):
            call = call_of(text, STEADY, self.max_tokens, attempt)  # greedy: the same in each step
            reply = await ctx.model.complete(call)
            keys.append(call.key(ctx.model.identity))
            read = read_diagnosis(reply.text, len(steps))
            if read:
                number, expected = read
                return number, replace(seen, expected=expected), tuple(keys)
        return None, seen, tuple(keys)


def steps_now(ctx: StepContext) -> Lines:
    """Return the current steps, or none before the first were written."""
    return state(ctx.base) if ctx.base else ()
