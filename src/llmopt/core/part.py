"""The protocols of an algorithm's parts, and the values they receive and return.

Every kind has one signature, and every part receives the same context (:class:`StepContext`). So no
part depends on the method it belongs to, and no method on the parts it holds.
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
    """The input of one proposal: the solution to edit, and the solutions to show.

    Attributes:
        base: The solution to edit; None: the first survivor.
        shown: The past solutions shown in the meta-prompt, in order.
    """

    base: Entry | None = None
    shown: tuple[Entry, ...] = ()


@dataclass(frozen=True)
class Finding:
    """One fault of a solution.

    Attributes:
        text: What is wrong, in words.
        line: Number of the numbered line of the solution that is to be rewritten; 0: one that is
            missing; None: not about one line.
    """

    text: str
    line: int | None = None


@dataclass(frozen=True)
class Feedback:
    """What a reflection returns for a group.

    Attributes:
        exemplars: Training items to show.
        failing: Whether they were chosen because the solutions fail on them.
        text: A critique, or a summary of the past; may be empty. If there are findings, it contains
            all of them, for proposals that do not treat them separately.
        calls: Keys of the optimizer calls that the reflection made.
        summary: A solution that summarizes the past, with its own evaluation, shown instead of the
            selected ones.
        findings: The faults, one by one; each may lead to its own solutions.
        reason: Why there is no feedback, as a short phrase that can be counted; may be empty.
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
    """The context that the parts of a step receive. It grows from part to part.

    `survivors` are known after `keep`; `group`, `base` and `shown` after `select`, when each group
    gets its own context; `feedback` after `reflect`.

    Attributes:
        problem: What is optimized.
        trajectory: Everything tried so far.
        model: The optimizer LLM.
        step: Number of the step, 1 for the first after the starting solutions, which are step 0.
        steps: Number of steps planned, for schedules.
        seed: Seed of the run.
        scorer: The scorer LLM, for parts that inspect its answers (those that the run has already
            paid for are free); None if the problem has none.
        embedder: The embedding model, if a part names one (:class:`Embedding`).
        survivors: The solutions that `keep` returned, best first.
        group: Number of the group within the step; None before there are groups.
        base: The group's solution to edit; None if nothing has a score.
        shown: The group's past solutions, in display order.
        feedback: The reflection's result.
        description: The problem's description as changed by the method; None: unchanged.
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

        Without the step, a step that found nothing new would repeat the same call and get the
        stored reply forever; without the group, two equal groups would get the same reply from the
        cache.
        """
        return int(digest(f"{self.seed} {self.step} {self.group} {draw}")[:12], 16)


@dataclass(frozen=True)
class Proposed:
    """One proposed text, or the reason why there is not one, and its origin.

    Attributes:
        text: The proposed text.
        reply: The whole reply that contains it.
        call: Key of the call; empty if no LLM was called.
        further: Keys of the other calls made for it.
        parents: The past solutions it was made from, the edited one last; None: all shown ones.
    """

    text: str | Refusal
    reply: str
    call: str
    parents: tuple[Entry, ...] | None = None
    further: tuple[str, ...] = ()


class Keep(Protocol):
    """Chooses the survivors: the solutions that the next step builds on."""

    def __call__(self, ctx: StepContext) -> tuple[Entry, ...]:
        """Return the survivors, best first; none only if no entry has a score."""
        ...


class Select(Protocol):
    """Selects the past solutions to edit and to show, in groups."""

    async def __call__(self, ctx: StepContext) -> Sequence[Group]:
        """Return at least one group; a group is empty only if no entry has a score."""
        ...


class Reflect(Protocol):
    """Says something about a group: exemplars, critiques, summaries."""

    async def __call__(self, ctx: StepContext) -> Feedback:
        """Return the feedback on a group."""
        ...


class Propose(Protocol):
    """Asks for new solutions."""

    def check(self, model: Model) -> None:
        """Refuse an optimizer LLM that does not support this part, before the first call.

        Raises:
            ConfigError: What does not fit, and what to choose instead.
        """
        ...

    async def __call__(self, ctx: StepContext) -> tuple[Proposed, ...]:
        """Return the proposals, in the order of the samples."""
        ...


@runtime_checkable
class SupportsProblem(Protocol):
    """A part that does not support every problem: it needs numbers, or tours, or items."""

    def fits(self, problem: Problem) -> None:
        """Refuse a problem that the part does not support, before the first call.

        Raises:
            ConfigError: What the part needs, and what the problem is.
        """
        ...


@runtime_checkable
class NoModel(Protocol):
    """A `propose` part that can work without a language model."""

    def unaided(self) -> bool:
        """Return whether the part needs no optimizer LLM."""
        ...


@runtime_checkable
class Divisible(Protocol):
    """A `propose` part whose draws do not depend on each other."""

    def divided(self) -> tuple[Propose, int]:
        """Return the part with as few draws as it can do, and how many of these make a step."""
        ...


@runtime_checkable
class InTurn(Protocol):
    """The part of several methods: it acts as that of the method whose turn it is."""

    def in_turn(self) -> bool:
        """Return whether it is."""
        ...


@runtime_checkable
class MeasuresAlone(Protocol):
    """A `rate` part that may measure a solution without regard to the others of its step."""

    def alone(self) -> bool:
        """Return whether it does."""
        ...


@runtime_checkable
class Embedding(Protocol):
    """A part that may compare texts by an embedding model, `ctx.embedder`."""

    def embedder(self) -> str:
        """Return the name of the embedding model; empty: the part needs none."""
        ...


class StepPlan(Protocol):
    """The number of steps that a method plans."""

    def __call__(self, problem: Problem) -> int:
        """Return the number of steps for a problem, 1 or more."""
        ...


@dataclass(frozen=True)
class CallBound:
    """Upper bounds of what a part calls and proposes for a group of parents.

    Attributes:
        optimizer: Calls to the optimizer LLM.
        scorer: Calls to the scorer LLM.
        repeated: Scorer answers that calls to the optimizer LLM contain, in total.
        proposed: Solutions proposed.
        measured: Solutions measured on all training items, in addition to those proposed.
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
    """A part whose number of calls depends on replies, so that a dry run shows too few."""

    def most(self) -> CallBound:
        """Return the upper bounds for a group of parents, in addition to what a dry run shows."""
        ...


class Measure(Protocol):
    """Measures jobs for a `rate` part; the run provides it, with many jobs in flight."""

    async def __call__(self, jobs: Sequence[tuple[Candidate, Item]]) -> Sequence[Outcome]:
        """Return one outcome per job, in order."""
        ...


class Rate(Protocol):
    """Decides which candidates are measured on which items."""

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
            candidates: The new candidates.
            items: The items of a full evaluation.
            measure: Measures jobs.
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

    Unlike ``asyncio.gather``, a failure does not leave the others running unobserved: the calls
    they pay for are finished and stored before the step fails.
    """
    results = await asyncio.gather(*awaitables, return_exceptions=True)
    found: list[T] = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        found.append(result)
    return found
