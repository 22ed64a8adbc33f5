"""Decides which candidates are measured on which items."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from llmopt.core.values import Evaluation
from llmopt.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.core.part import Measure, Rate, StepContext
    from llmopt.core.problem import Problem
    from llmopt.core.values import Candidate, Item, Outcome

Rating = Literal["auto", "ability"]
"""How a method's option `rate` says what is measured."""


@dataclass(frozen=True)
class Everything:
    """Every candidate on every training item (OPRO, section 3, step 10)."""

    async def __call__(
        self,
        ctx: StepContext,
        candidates: Sequence[Candidate],
        items: Sequence[Item],
        measure: Measure,
    ) -> tuple[Evaluation, ...]:
        """Return full evaluations."""
        del ctx
        outcomes = await measure([(c, item) for c in candidates for item in items])
        size = len(items)
        return tuple(
            Evaluation(tuple(outcomes[i * size : (i + 1) * size]), size)
            for i in range(len(candidates))
        )

    def alone(self) -> bool:
        """Return that no candidate matters to another one."""
        return True


@dataclass(frozen=True)
class WithoutFirst:
    """Every candidate on every training item but the first ones, which are shown as examples.

    An evaluation on all others is full, so scores are comparable with one another.

    Attributes:
        first: Number of items that are left out, 1 or more.
    """

    first: int

    def __post_init__(self) -> None:
        if self.first < 1:
            raise ConfigError(f"rows for examples alone are 1 or more, but got {self.first}")

    def fits(self, problem: Problem) -> None:
        """Refuse a problem that has no other training items."""
        if len(problem.items("train")) <= self.first:
            raise ConfigError(
                f"training rows are more than those for examples alone, {self.first}, but got "
                f"{len(problem.items('train'))}; lower format_rows"
            )

    async def __call__(
        self,
        ctx: StepContext,
        candidates: Sequence[Candidate],
        items: Sequence[Item],
        measure: Measure,
    ) -> tuple[Evaluation, ...]:
        """Return one evaluation per candidate."""
        return await Everything()(ctx, candidates, items[self.first :], measure)


@dataclass(frozen=True)
class Halving:
    """Many candidates on few items, the good ones on more, the best on all.

    Ours, after successive halving: in each stage the candidates left are measured on the
    same first items, and the better share of them goes on. Who drops out keeps a partial
    evaluation, which claims rank below a full one. The starting solutions are measured in full,
    because every gain is a gain over them.

    Attributes:
        sizes: How many items the candidates left have seen after each stage, increasing;
            stages that are as large as the training split are left out.
        keep: Share of the candidates that goes on to the next stage, in 0..1; at least one.
    """

    sizes: tuple[int, ...] = (8, 24)
    keep: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.keep <= 1:
            raise ConfigError(f"the share kept is above 0 and at most 1, but got {self.keep}")
        if any(b <= a for a, b in zip((0, *self.sizes), self.sizes, strict=False)):
            raise ConfigError(f"stage sizes are positive and increase, but got {self.sizes}")

    async def __call__(
        self,
        ctx: StepContext,
        candidates: Sequence[Candidate],
        items: Sequence[Item],
        measure: Measure,
    ) -> tuple[Evaluation, ...]:
        """Return full evaluations of the last ones left and partial ones of the others."""
        stages = [size for size in self.sizes if size < len(items)] if ctx.trajectory.steps else []
        found: list[list[Outcome]] = [[] for _ in candidates]
        left = list(range(len(candidates)))
        seen = 0
        for size in (*stages, len(items)):
            jobs = [(i, item) for i in left for item in items[seen:size]]
            outcomes = await measure([(candidates[i], item) for i, item in jobs])
            for (i, _), outcome in zip(jobs, outcomes, strict=True):
                found[i].append(outcome)
            seen = size
            if size < len(items):
                left = self._best(left, found)
        return tuple(Evaluation(tuple(outcomes), len(items)) for outcomes in found)

    def _best(self, left: list[int], found: list[list[Outcome]]) -> list[int]:
        """Return who goes on, in the order of the proposals; among equals the earlier."""

        def rank(i: int) -> tuple[float, int]:
            score = Evaluation(tuple(found[i]), len(found[i])).score
            return (-math.inf if score is None else score, -i)

        wanted = max(1, math.ceil(self.keep * len(left)))
        return sorted(sorted(left, key=rank, reverse=True)[:wanted])


def rated(stages: Sequence[int], keep: float, share: float, rate: Rating = "auto") -> Rate:
    """Return the rate that a method's options ask for.

    Args:
        stages: For :class:`Halving`; none: no stages.
        keep: For :class:`Halving`.
        share: For :class:`~llmopt.parts.racing.Racing`; 1: no race.
        rate: ``ability`` for :class:`~llmopt.parts.ability.AbilityRace`, or ``auto`` for what the
            other options say.

    Raises:
        ConfigError: An option is out of its range, or more than one of stages, a race and a race
            by abilities is asked for.
    """
    if rate not in get_args(Rating):
        raise ConfigError(f"a rate is auto or ability, but got {rate!r}")
    if rate == "ability" and (stages or share != 1):
        raise ConfigError(
            "a race by abilities has neither stages nor a share, but got stages = "
            f'{list(stages)} and share = {share}; leave them out, or rate = "ability"'
        )
    if rate == "ability":
        from llmopt.parts.ability import AbilityRace

        return AbilityRace()
    if stages and share != 1:
        raise ConfigError(
            f"candidates are measured in stages or in a race, but got stages = {list(stages)} "
            f"and share = {share}; leave one out"
        )
    if stages:
        return Halving(tuple(stages), keep)
    if share == 1:
        return Everything()
    from llmopt.parts.racing import Racing

    return Racing(share=share)


def without_first(first: int, others: Rate) -> Rate:
    """Return the rate that leaves out rows which are for examples alone.

    Args:
        first: Number of these rows; 0: there are no such rows, and `others` is what the other
            options ask for.
        others: The rate without them, which measures everything.

    Raises:
        ConfigError: It does not.
    """
    if first == 0:
        return others
    if not isinstance(others, Everything):
        raise ConfigError(
            "with rows for examples alone (format_rows), prompts are measured on all others, but "
            "got stages, share or rate too; leave one out"
        )
    return WithoutFirst(first)
