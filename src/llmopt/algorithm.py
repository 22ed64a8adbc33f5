"""An algorithm is a row of parts; the one control flow that all of them share stands here.

A step goes down once and up once::

    ask       select -> (reflect -> propose) per group of parents -> parse
    evaluate  rate decides which candidates are measured on which items
    tell      the trajectory grows

Every kind of part has one signature, so no part asks who holds it and nobody asks which
part it holds. :meth:`Algorithm.ask` is a function of (problem, trajectory, seed, replies)
and of nothing else, which is what makes resuming the same as re-running.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np

from llmopt.problem import Refusal
from llmopt.types import Candidate, Evaluation, Rejected, digest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Sequence

    from llmopt.model import Model
    from llmopt.problem import Problem
    from llmopt.trajectory import Entry, Trajectory
    from llmopt.types import Item, Outcome

T = TypeVar("T")


@dataclass(frozen=True)
class Feedback:
    """What a reflection says about the parents.

    Attributes:
        exemplars: Training items to show.
        failing: Whether they were chosen because the parents fail on them.
        calls: Keys of the calls that the reflection made.
    """

    exemplars: tuple[Item, ...] = ()
    failing: bool = False
    calls: tuple[str, ...] = ()


@dataclass(frozen=True)
class Brief:
    """Everything a reflection or a proposal may know.

    Attributes:
        problem: What is optimized.
        trajectory: Everything tried so far.
        model: The optimizer LLM.
        parents: The past solutions of this group, in the order in which they are shown.
        step: Number of the step, 1 for the first after the starting solutions.
        steps: Number of steps planned, for schedules.
        seed: Seed of the run.
        group: Number of the group of parents within the step.
        feedback: What the reflection said.
    """

    problem: Problem
    trajectory: Trajectory
    model: Model
    parents: tuple[Entry, ...]
    step: int
    steps: int
    seed: int
    group: int = 0
    feedback: Feedback = field(default_factory=Feedback)

    def rng(self, purpose: str) -> np.random.RandomState:
        """Return the generator of this run, step, group and purpose."""
        return generator(self.seed, self.step, f"{self.group} {purpose}")

    def sample(self, draw: int) -> int:
        """Return the number of a draw: different in every run, step, group and draw.

        Without the step, a step that found nothing new would ask the same question again
        and get the stored reply for ever; without the group, two groups with equal parents
        would lose their second draw to the cache.
        """
        return int(digest(f"{self.seed} {self.step} {self.group} {draw}")[:12], 16)


@dataclass(frozen=True)
class Proposed:
    """One text out of a proposal, or why there is none, and the call it came from."""

    text: str | Refusal
    reply: str
    call: str


@dataclass(frozen=True)
class Asked:
    """What a step found out by asking.

    Attributes:
        candidates: New candidates, canonical, in the order in which they were proposed.
        rejected: What was proposed and did not become a candidate, with reasons.
        calls: Keys of the optimizer calls, in order.
    """

    candidates: tuple[Candidate, ...]
    rejected: tuple[Rejected, ...] = ()
    calls: tuple[str, ...] = ()


class Select(Protocol):
    """Which past solutions to show: groups of parents, each in its order of showing."""

    def __call__(
        self, trajectory: Trajectory, rng: np.random.RandomState
    ) -> tuple[tuple[Entry, ...], ...]:
        """Return at least one group; a group is empty only if no entry has a score."""
        ...


class Reflect(Protocol):
    """What to say about the parents."""

    async def __call__(self, brief: Brief) -> Feedback:
        """Return the feedback on a group of parents."""
        ...


class Propose(Protocol):
    """How to ask for new solutions."""

    def check(self, model: Model) -> None:
        """Refuse an optimizer LLM that cannot be asked this way, before anything is paid.

        Raises:
            ConfigError: What does not fit, and what to choose instead.
        """
        ...

    async def __call__(self, brief: Brief) -> tuple[Proposed, ...]:
        """Return what was proposed, in the order of the draws."""
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
        candidates: Sequence[Candidate],
        items: Sequence[Item],
        trajectory: Trajectory,
        measure: Measure,
    ) -> tuple[Evaluation, ...]:
        """Return one evaluation per candidate, measured through `measure`."""
        ...


@dataclass(frozen=True)
class Algorithm:
    """A published method, or one of the user's own, as a row of parts.

    Attributes:
        name: What the method is called.
        select: Which past to show.
        reflect: What to say about it.
        propose: How to ask for the new.
        rate: What to measure next.
    """

    name: str
    select: Select
    reflect: Reflect
    propose: Propose
    rate: Rate

    async def ask(
        self, problem: Problem, trajectory: Trajectory, model: Model, seed: int, steps: int
    ) -> Asked:
        """Ask for new candidates once.

        Args:
            problem: What is optimized.
            trajectory: Everything tried so far; the starting solutions are already told.
            model: The optimizer LLM.
            seed: Seed of the run.
            steps: Number of steps planned, for schedules.

        Raises:
            ModelError: A call failed; the others of the step were still finished.
            BudgetError: A spending limit is reached.
        """
        step = trajectory.steps
        groups = self.select(trajectory, generator(seed, step, "select"))
        briefs = [
            Brief(problem, trajectory, model, parents, step, steps, seed, number)
            for number, parents in enumerate(groups)
        ]
        found = await all_of(self._group(brief) for brief in briefs)
        candidates: list[Candidate] = []
        rejected: list[Rejected] = []
        calls: list[str] = []
        for brief, (feedback, proposals) in zip(briefs, found, strict=True):
            calls += feedback.calls
            parents = tuple(entry.candidate.id for entry in brief.parents)
            for proposed in proposals:
                calls.append(proposed.call)
                text = proposed.text
                parsed = text if isinstance(text, Refusal) else problem.parse(text)
                if isinstance(parsed, Refusal):
                    rejected.append(Rejected(proposed.reply, parsed.reason, step))
                    continue
                candidate = Candidate(parsed, step, parents)
                if trajectory.knows(candidate) or candidate.id in {c.id for c in candidates}:
                    rejected.append(Rejected(parsed, "already tried", step))
                else:
                    candidates.append(candidate)
        return Asked(tuple(candidates), tuple(rejected), tuple(calls))

    async def _group(self, brief: Brief) -> tuple[Feedback, tuple[Proposed, ...]]:
        feedback = await self.reflect(brief)
        return feedback, await self.propose(replace(brief, feedback=feedback))


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
