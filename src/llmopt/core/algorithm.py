"""An algorithm is a set of parts; the control flow that all of them share is here.

A step goes down once and up once::

    ask       keep -> select -> (reflect -> propose) per group -> parse
    evaluate  rate decides which candidates are measured on which items
    tell      the trajectory grows

Every kind of part has one signature, so no part depends on its method and no method on its
parts. :meth:`Algorithm.ask` is a function of (problem, trajectory, seed, replies) and of nothing
else, so resuming is the same as re-running.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol

from llmopt.core.encoding import encoded
from llmopt.core.focus import focus_of
from llmopt.core.part import (
    Divisible,
    Embedding,
    Feedback,
    InTurn,
    Keep,
    MeasuresAlone,
    NoModel,
    Propose,
    Proposed,
    Rate,
    Reflect,
    Select,
    StepContext,
    StepPlan,
    SupportsProblem,
    all_of,
)
from llmopt.core.problem import Refusal
from llmopt.core.values import Candidate, Rejected
from llmopt.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from llmopt.core.model import Model
    from llmopt.core.problem import Problem
    from llmopt.core.trajectory import OpenRequest, Trajectory


Options = ParamSpec("Options")


@dataclass(frozen=True)
class Asked:
    """The result of asking.

    Attributes:
        candidates: New candidates, canonical, in the order in which they were proposed.
        rejected: Proposals that did not become candidates, with reasons.
        calls: Keys of the optimizer calls, in order.
        request: Which request this answers, where several are open at once.
        by: Name of the method that was asked, where several take turns.
    """

    candidates: tuple[Candidate, ...]
    rejected: tuple[Rejected, ...] = ()
    calls: tuple[str, ...] = ()
    request: OpenRequest | None = None
    by: str = ""


@dataclass(frozen=True)
class Made:
    """How an algorithm was made.

    Attributes:
        make: The function; equal options make equal algorithms.
        options: The options that differ from its defaults.
    """

    make: Callable[..., Algorithm]
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Turn:
    """Which method makes a step, and what it sees.

    Attributes:
        method: The method.
        trajectory: What it sees of everything tried so far.
        seed: Of its random choices.
        by: Its name among those that take turns; empty: it is alone.
    """

    method: Algorithm
    trajectory: Trajectory
    seed: int
    by: str = ""


class TakesTurns(Protocol):
    """Several methods of which one makes each step."""

    @property
    def methods(self) -> tuple[Algorithm, ...]:
        """The methods, in the order of their first turns."""
        ...

    def turn(self, trajectory: Trajectory, steps: int, seed: int) -> Turn:
        """Return who makes the next step: a function of the arguments, and of nothing else.

        Args:
            trajectory: Everything tried so far.
            steps: Number of steps planned.
            seed: Seed of the run.
        """
        ...

    def stopped(self, trajectory: Trajectory, steps: int) -> Mapping[str, int]:
        """Return the names of the methods that were stopped, and after which step.

        Args:
            trajectory: Everything tried so far.
            steps: Number of steps planned.
        """
        ...


@dataclass(frozen=True)
class Algorithm:
    """A published method, or one of your own, as a set of parts.

    Attributes:
        name: Name of the method.
        select: Selects the past solutions to edit and to show.
        reflect: Adds exemplars, critiques or summaries.
        propose: Asks for new solutions.
        rate: Decides which candidates are measured on which items.
        keep: Chooses the survivors.
        pace: Plans the number of steps; None: as many as the run allows.
        version: Increased when the method behaves differently with the same options, so that an
            older run is not continued with it.
        steady: Whether solutions may be asked for while earlier ones are still measured, because
            no part needs the results of a whole step.
        shares: Whether other methods' solutions may be in its trajectory. A steady one's always
            may.
        turns: Who makes each step, if several methods take turns; each part is then that of the
            method whose turn it is. None: the method itself.
        made: How it was made; see :func:`method`.
    """

    name: str
    select: Select
    reflect: Reflect
    propose: Propose
    rate: Rate
    keep: Keep
    pace: StepPlan | None = None
    version: int = 1
    steady: bool = field(default=False, repr=False)
    shares: bool = field(default=False, repr=False)
    turns: TakesTurns | None = field(default=None, repr=False)
    made: Made | None = field(default=None, repr=False, compare=False)

    def steps(self, problem: Problem, most: int) -> int:
        """Return the steps planned with a problem, where the run allows `most`."""
        return most if self.pace is None else min(most, self.pace(problem))

    @property
    def parts(self) -> dict[str, object]:
        """The parts by kind, without the kinds left out."""
        kinds = ("select", "reflect", "propose", "rate", "keep", "pace")
        return {kind: part for kind in kinds if (part := getattr(self, kind)) is not None}

    @property
    def options(self) -> dict[str, Any] | None:
        """The options that differ from their defaults, if a :func:`method` made the algorithm.

        None if none did, or if parts were exchanged since.
        """
        if self.made is None:
            return None
        again = self.made.make(**self.made.options)
        same = (again.name, encoded(again.parts)) == (self.name, encoded(self.parts))
        return dict(self.made.options) if same else None

    @property
    def embedder(self) -> str:
        """Name of the embedding model that a part uses; empty: no part uses one."""
        one = self.alone
        parts = [part for each in one for part in (each.select, each.reflect, each.propose)]
        names = (part.embedder() for part in parts if isinstance(part, Embedding))
        return next(filter(None, names), "")

    @property
    def alone(self) -> tuple[Algorithm, ...]:
        """The methods that take turns, or the method itself where there is one."""
        return self.turns.methods if self.turns else (self,)

    @property
    def needs_model(self) -> bool:
        """Whether the algorithm uses an optimizer LLM; if not, none is built."""
        proposing = [one.propose for one in self.alone]
        return not all(isinstance(part, NoModel) and part.unaided() for part in proposing)

    def divided(self) -> tuple[Algorithm, int]:
        """Return the method with one proposal to a request, and how many of these make a step.

        Where draws depend on each other, a request is a whole step.

        Raises:
            ConfigError: The method, or its rate, needs the results of a whole step.
        """
        advice = "set it to 'steps'"
        if not self.steady:
            raise ConfigError(
                "mode = 'steady' needs a method that can propose before a step is measured, but "
                f"got {self.name!r}, which needs the results of a whole step; {advice}"
            )
        if not (isinstance(self.rate, MeasuresAlone) and self.rate.alone()):
            raise ConfigError(
                "mode = 'steady' measures each solution by itself, but got "
                f"{type(self.rate).__name__}, which compares those of a step; measure everything, "
                f"or {advice}"
            )
        if not isinstance(self.propose, Divisible):
            return self, 1
        propose, requests = self.propose.divided()
        return replace(self, propose=propose), requests

    def check(self, problem: Problem, model: Model) -> None:
        """Refuse what the parts do not support, before the first call.

        Args:
            problem: The problem.
            model: The optimizer LLM; ignored if the algorithm needs none.

        Raises:
            ConfigError: The problem or the model does not fit, and what to choose instead.
        """
        for one in self.alone:
            for part in (one.keep, one.select, one.reflect, one.propose, one.rate):
                if isinstance(part, SupportsProblem):
                    try:
                        part.fits(problem)
                    except ConfigError as error:
                        raise ConfigError(f"the algorithm {one.name!r}: {error}") from error
            if one.needs_model:
                one.propose.check(model)

    def turn(self, trajectory: Trajectory, steps: int, seed: int) -> Turn:
        """Return who makes the next step: the method itself, or one of those that take turns.

        A part that was exchanged for another one is used in every turn.

        Args:
            trajectory: Everything tried so far.
            steps: Number of steps planned.
            seed: Seed of the run.
        """
        if self.turns is None:
            return Turn(self, trajectory, seed)
        turn = self.turns.turn(trajectory, steps, seed)
        own: dict[str, Any] = {
            kind: part for kind, part in self.parts.items() if not isinstance(part, InTurn)
        }
        return replace(turn, method=replace(turn.method, **own))

    async def ask(
        self,
        problem: Problem,
        trajectory: Trajectory,
        model: Model,
        seed: int,
        steps: int,
        *,
        scorer: Model | None = None,
        embedder: Model | None = None,
        number: int = 0,
    ) -> Asked:
        """Ask for new candidates once.

        Args:
            problem: What is optimized.
            trajectory: Everything tried so far, the starting solutions included.
            model: The optimizer LLM.
            seed: Seed of the run.
            steps: Number of steps planned, for schedules.
            scorer: The scorer LLM, if the problem has one.
            embedder: The embedding model, if a part uses one.
            number: Number of the request, where several are open at once; 0: of the next step.

        Raises:
            ModelError: A call failed; the others of the step were still finished.
            BudgetError: A spending limit is reached.
        """
        turn = self.turn(trajectory, steps, seed)
        focus = focus_of(turn.method.propose, problem, turn.trajectory)
        ctx = StepContext(
            problem=focus.view if focus else problem,
            trajectory=focus.seen if focus else turn.trajectory,
            model=model,
            step=number or turn.trajectory.steps,
            steps=steps,
            seed=turn.seed,
            scorer=scorer,
            embedder=embedder,
        )
        found = await turn.method._asked(ctx)  # noqa: SLF001 - of the same class
        if focus is not None:
            whole = [focus.unfocused(candidate) for candidate in found.candidates]
            found = replace(found, candidates=tuple(whole))
        return _of_turn(found, turn, trajectory) if turn.by else found

    async def _asked(self, ctx: StepContext) -> Asked:
        ctx = replace(ctx, survivors=self.keep(ctx))
        contexts = ctx.grouped(await self.select(ctx))
        found = await all_of(self._group(one) for one in contexts)
        candidates: list[Candidate] = []
        rejected: list[Rejected] = []
        calls: list[str] = []
        for one, (feedback, proposals) in zip(contexts, found, strict=True):
            calls += feedback.calls
            for proposed in proposals:
                calls += [key for key in (proposed.call, *proposed.further) if key]
                made_of = one.shown if proposed.parents is None else proposed.parents
                parents = tuple(entry.candidate.id for entry in made_of)
                text = proposed.text
                parsed = text if isinstance(text, Refusal) else ctx.problem.parse(text)
                if isinstance(parsed, Refusal):
                    rejected.append(Rejected(proposed.reply, parsed.reason, ctx.step))
                    continue
                candidate = Candidate(parsed, ctx.step, parents)
                if ctx.trajectory.knows(candidate) or candidate.id in {c.id for c in candidates}:
                    rejected.append(Rejected(parsed, "already tried", ctx.step))
                else:
                    candidates.append(candidate)
        # One reply may hold several solutions.
        return Asked(tuple(candidates), tuple(rejected), tuple(dict.fromkeys(calls)))

    async def _group(self, ctx: StepContext) -> tuple[Feedback, tuple[Proposed, ...]]:
        feedback = await self.reflect(ctx)
        return feedback, await self.propose(replace(ctx, feedback=feedback))


def _of_turn(found: Asked, turn: Turn, trajectory: Trajectory) -> Asked:
    """Return what a method found in its turn, as of the step of all; known texts are refused."""
    step = trajectory.steps
    new = [replace(candidate, step=step) for candidate in found.candidates]
    rejected = [replace(one, step=step) for one in found.rejected]
    rejected += [Rejected(c.text, "already tried", step) for c in new if trajectory.knows(c)]
    new = [candidate for candidate in new if not trajectory.knows(candidate)]
    return replace(found, candidates=tuple(new), rejected=tuple(rejected), by=turn.by)


def method(make: Callable[Options, Algorithm]) -> Callable[Options, Algorithm]:
    """Decorate a function that makes an algorithm from options.

    Runs are then identified by the method's name, its version and the options that differ from
    their defaults, and not by its parts, which may be rearranged as long as they do the same.
    """
    usual = {name: one.default for name, one in inspect.signature(make).parameters.items()}

    @wraps(make)
    def made(*args: Options.args, **options: Options.kwargs) -> Algorithm:
        given = inspect.signature(make).bind(*args, **options).arguments
        changed = {k: v for k, v in given.items() if encoded(v) != encoded(usual[k])}
        return replace(make(*args, **options), made=Made(make, changed))

    return made
