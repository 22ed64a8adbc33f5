"""Parts that are those of the method whose turn it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from llmopt.parts.rate import Everything

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.algorithms.portfolio.method_race import MethodRace
    from llmopt.core.algorithm import Algorithm
    from llmopt.core.model import Model
    from llmopt.core.part import Feedback, Group, Measure, Proposed, StepContext
    from llmopt.core.trajectory import Entry
    from llmopt.core.values import Candidate, Evaluation, Item


@dataclass(frozen=True)
class _InTurn:
    """One part of a step.

    Attributes:
        race: The methods.
    """

    race: MethodRace

    def in_turn(self) -> bool:
        """Return that it acts as the part of one of several methods."""
        return True

    def _turn(self, ctx: StepContext) -> tuple[Algorithm, StepContext]:
        """Return the method whose turn it is, and the context as it sees it."""
        turn = self.race.turn(ctx.trajectory, ctx.steps, ctx.seed)
        seen = turn.trajectory
        return turn.method, replace(ctx, trajectory=seen, step=seen.steps, seed=turn.seed)


class KeepInTurn(_InTurn):
    """Chooses as the method whose turn it is."""

    def __call__(self, ctx: StepContext) -> tuple[Entry, ...]:
        """Return its survivors."""
        method, seen = self._turn(ctx)
        return method.keep(seen)


class SelectInTurn(_InTurn):
    """Selects as the method whose turn it is."""

    async def __call__(self, ctx: StepContext) -> Sequence[Group]:
        """Return its groups."""
        method, seen = self._turn(ctx)
        return await method.select(seen)


class ReflectInTurn(_InTurn):
    """Reflects as the method whose turn it is."""

    async def __call__(self, ctx: StepContext) -> Feedback:
        """Return its feedback."""
        method, seen = self._turn(ctx)
        return await method.reflect(seen)


class ProposeInTurn(_InTurn):
    """Proposes as the method whose turn it is."""

    def check(self, model: Model) -> None:
        """Refuse a model that one of the methods refuses.

        Raises:
            ConfigError: See there.
        """
        for method in self.race.methods:
            if method.needs_model:
                method.propose.check(model)

    async def __call__(self, ctx: StepContext) -> tuple[Proposed, ...]:
        """Return its proposals."""
        method, seen = self._turn(ctx)
        return await method.propose(seen)


class RateInTurn(_InTurn):
    """Measures as the method whose turn it is; the starting solutions on all items."""

    async def __call__(
        self,
        ctx: StepContext,
        candidates: Sequence[Candidate],
        items: Sequence[Item],
        measure: Measure,
    ) -> tuple[Evaluation, ...]:
        """Return its evaluations."""
        if not ctx.trajectory.steps:
            return await Everything()(ctx, candidates, items, measure)
        method, seen = self._turn(ctx)
        own = [replace(candidate, step=seen.step) for candidate in candidates]
        return await method.rate(seen, own, items, measure)
