"""The kinds of parts an algorithm is made of, and what a part is given and gives.

Every kind has one signature, and every part is given the same context (:class:`StepContext`), so no
part asks who holds it and nobody asks which part it holds.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

import numpy as np

from llmopt.core.values import Candidate, Evaluation, digest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Sequence

    from llmopt.core.model import Model
    from llmopt.core.problem import Description, Problem, Refusal
    from llmopt.core.trajectory import Entry, Trajectory
    from llmopt.core.values import Item, Outcome

T = TypeVar("T")


@dataclass(frozen=True)
class Group:
    """What one proposal is about: the solution that it edits, and those that it shows.

    Attributes:
        base: The solution that an editing method edits; None: the first survivor.
        shown: The past solutions that the meta-prompt shows, in their order.
    """

    base: Entry | None = None
    shown: tuple[Entry, ...] = ()


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a solution.

    Attributes:
        text: What is wrong, in words.
        line: Number of the numbered line of the solution that is to be rewritten; 0: one that is
            missing; None: no line is named.
    """

    text: str
    line: int | None = None


@dataclass(frozen=True)
class Feedback:
    """What a reflection says about a group.

    Attributes:
        exemplars: Training items to show.
        failing: Whether they were chosen because the solutions fail on them.
        text: What is wrong, or a summary of the past, in words; may be empty. Where there are
            findings, it says all of them, for a proposal that does not tell them apart.
        calls: Keys of the optimizer calls that the reflection made.
        summary: A solution written out of the past, with what it got itself, to be shown in
            place of those that were selected.
        findings: What is wrong, one by one; each may lead to solutions of its own.
        reason: Why nothing was found, as a short phrase that can be counted; may be empty.
    """

    exemplars: tuple[Item, ...] = ()
    failing: bool = False
    text: str = ""
    calls: tuple[str, ...] = ()
    summary: Entry | None = None
    findings: tuple[Finding, ...] = ()
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class StepContext:
    """What the parts are given in a step. It grows from part to part.

    `survivors` are known after `keep`; `group`, `base` and `shown` after `select`, when each group
    goes on with a context of its own; `feedback` after `reflect`.

    Attributes:
        problem: What is optimized.
        trajectory: Everything tried so far.
        model: The optimizer LLM.
        step: Number of the step, 1 for the first after the starting solutions, which are step 0.
        steps: Number of steps planned, for schedules.
        seed: Seed of the run.
        scorer: The scorer LLM, for parts that look at what it answers (to calls that the run
            has paid for already its answers are free); None where the problem has none.
        embedder: The embedding model, where a part named one (:class:`Embedding`).
        survivors: Who survives, best first.
        group: Number of the group within the step; None before there are groups.
        base: The solution of the group that an editing method edits; None if nothing has a score.
        shown: The past solutions of the group, in the order in which they are shown.
        feedback: What the reflection said.
        description: The problem's own words as a method has changed them; None: as they are.
    """

    problem: Problem
    trajectory: Trajectory
    model: Model
    step: int
    steps: int
    seed: int
    scorer: Model | None = None
    embedder: Model | None = None
    survivors: tuple[Entry, ...] = ()
    group: int | None = None
    base: Entry | None = None
    shown: tuple[Entry, ...] = ()
    feedback: Feedback = field(default_factory=Feedback)
    description: Description | None = None

    def grouped(self, groups: Iterable[Group]) -> tuple[StepContext, ...]:
        """Return the context of each group."""
        first = self.survivors[0] if self.survivors else None
        return tuple(
            replace(self, group=number, base=group.base or first, shown=tuple(group.shown))
            for number, group in enumerate(groups)
        )

    def rng(self, purpose: str) -> np.random.RandomState:
        """Return the generator of this run, step, group (if there is one) and purpose."""
        named = purpose if self.group is None else f"{self.group} {purpose}"
        return generator(self.seed, self.step, named)

    def sample(self, draw: int) -> int:
        """Return the number of a draw: different in every run, step, group and draw.

        Without the step, a step that found nothing new would ask the same question again
        and get the stored reply for ever; without the group, two equal groups would lose their
        second draw to the cache.
        """
        return int(digest(f"{self.seed} {self.step} {self.group} {draw}")[:12], 16)


@dataclass(frozen=True)
class Proposed:
    """One text out of a proposal, or why there is none, and where it came from.

    Attributes:
        text: The proposed text.
        reply: The whole reply it stood in.
        call: Key of the call; empty where no LLM was asked.
        further: Keys of other calls that it took, beside `call`.
        parents: The past solutions it was made of, if not of all that were shown; what was edited
            is the last of them.
    """

    text: str | Refusal
    reply: str
    call: str
    parents: tuple[Entry, ...] | None = None
    further: tuple[str, ...] = ()


class Keep(Protocol):
    """Who survives: the solutions that the search goes on from."""

    def __call__(self, ctx: StepContext) -> tuple[Entry, ...]:
        """Return the survivors, best first; none only if no entry has a score."""
        ...


class Select(Protocol):
    """Which past solutions are edited and shown, in groups."""

    async def __call__(self, ctx: StepContext) -> Sequence[Group]:
        """Return at least one group; a group is empty only if no entry has a score."""
        ...


class Reflect(Protocol):
    """What to say about a group."""

    async def __call__(self, ctx: StepContext) -> Feedback:
        """Return the feedback on a group."""
        ...


class Propose(Protocol):
    """How to ask for new solutions."""

    def check(self, model: Model) -> None:
        """Refuse an optimizer LLM that cannot be asked this way, before anything is paid.

        Raises:
            ConfigError: What does not fit, and what to choose instead.
        """
        ...

    async def __call__(self, ctx: StepContext) -> tuple[Proposed, ...]:
        """Return what was proposed, in the order of the draws."""
        ...


@runtime_checkable
class SupportsProblem(Protocol):
    """A part that is not for every problem: it needs numbers, or tours, or items."""

    def fits(self, problem: Problem) -> None:
        """Refuse a problem that the part can do nothing with, before anything is paid.

        Raises:
            ConfigError: What the part needs, and what the problem is.
        """
        ...


@runtime_checkable
class NoModel(Protocol):
    """A `propose` part that asks no language model, if `unaided` says so."""

    def unaided(self) -> bool:
        """Return whether the part does without the optimizer LLM."""
        ...


@runtime_checkable
class Embedding(Protocol):
    """A part that may compare texts by the vectors of an embedding model: `ctx.embedder`."""

    def embedder(self) -> str:
        """Return the name of the embedding model; empty: the part needs none."""
        ...


class StepPlan(Protocol):
    """How long a search goes on, as far as the method says so."""

    def __call__(self, problem: Problem) -> int:
        """Return the steps that the method takes with a problem, 1 or more."""
        ...


@dataclass(frozen=True)
class CallBound:
    """The most that a part asks and proposes for a group of parents.

    Attributes:
        optimizer: Calls to the optimizer LLM.
        scorer: Calls to the scorer LLM.
        repeated: Answers of the scorer LLM that calls to the optimizer LLM hold, all together.
        proposed: Solutions proposed.
        measured: Solutions measured on all training items, beside those proposed.
    """

    optimizer: int = 0
    scorer: int = 0
    repeated: int = 0
    proposed: int = 0
    measured: int = 0

    def __mul__(self, times: int) -> CallBound:
        return CallBound(
            self.optimizer * times,
            self.scorer * times,
            self.repeated * times,
            self.proposed * times,
            self.measured * times,
        )

    def __add__(self, other: CallBound) -> CallBound:
        return CallBound(
            self.optimizer + other.optimizer,
            self.scorer + other.scorer,
            self.repeated + other.repeated,
            self.proposed + other.proposed,
            self.measured + other.measured,
        )


@runtime_checkable
class Bounded(Protocol):
    """A part whose calls depend on what is replied, so that made-up replies show too few."""

    def most(self) -> CallBound:
        """Return the most for a group of parents, beside what any reply leads to."""
        ...


class Measure(Protocol):
    """What a rate measures with: the run does it, many jobs in flight."""

    async def __call__(self, jobs: Sequence[tuple[Candidate, Item]]) -> Sequence[Outcome]:
        """Return one outcome per job, in order."""
        ...


class Rate(Protocol):
    """What to measure next."""

    async def __call__(
        self,
        ctx: StepContext,
        candidates: Sequence[Candidate],
        items: Sequence[Item],
        measure: Measure,
    ) -> tuple[Evaluation, ...]:
        """Return one evaluation per candidate, measured through `measure`.

        Args:
            ctx: Of the step; the starting solutions are measured in step 0.
            candidates: What was proposed.
            items: What a full evaluation is of.
            measure: Measures.
        """
        ...


def generator(seed: int, step: int, purpose: str) -> np.random.RandomState:
    """Return the random generator of one purpose in one step of one run.

    ``RandomState`` because its streams are frozen: the same seed gives the same draws with
    every version of numpy.
    """
    return np.random.RandomState(int(digest(f"{seed} {step} {purpose}")[:8], 16))


async def all_of(awaitables: Iterable[Awaitable[T]]) -> list[T]:
    """Await all, then raise the first error if there was one.

    Unlike ``asyncio.gather``, a failure does not leave the others running unobserved: what
    they pay for is finished and stored before the step is given up.
    """
    results = await asyncio.gather(*awaitables, return_exceptions=True)
    found: list[T] = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        found.append(result)
    return found
