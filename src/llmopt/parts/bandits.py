"""Measures many candidates with a limited number of calls: bandits (ProTeGi's selection).

A candidate is an arm, and to pull it is to measure it on its next few items. Each arm goes through
the items in the same order, which begins at another item in each step, so two arms are compared on
the same items as far as both were pulled. Ours, beside that order: the arms that a bandit leaves
are then measured on all items, because a claim needs a full score and what a
search goes on from ought to be known well. The limit is the bandit's own, and that comes on top.
The starting solutions (no step told yet) are measured in full, and so is everything where no more
candidates are proposed than are left.

Source: "Automatic Prompt Optimization with 'Gradient Descent' and Beam Search" (arXiv 2305.03495),
its selection step and the defaults of its published code.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from llmopt.core.values import Evaluation
from llmopt.errors import ConfigError
from llmopt.parts.ability import AbilityRace
from llmopt.parts.rate import Everything

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from llmopt.core.part import Measure, Rate, StepContext
    from llmopt.core.values import Candidate, Item, Outcome

Selection = Literal["ucb", "ucb-e", "successive-rejects", "sh", "bf", "ability", "everything"]
Bound = Literal["ucb", "ucb-e"]


@dataclass(frozen=True)
class UCB:
    """Measure those on more items that may still be the best: upper confidence bounds.

    Everybody is measured on `batch` items first. Then, in each round, the `arms` candidates with
    the highest ``mean + c * sqrt(log(round) / items seen)`` are measured on `batch` more. Ours: the
    first look at everybody, where the published code draws the arms of the first round, and smaller
    pulls where that look would take more than half of the budget.

    Attributes:
        k: How many are left, which are then measured in full; 1 or more.
        budget: Calls that the rounds may take, the first look included; 1 or more. A round that
            has begun is finished. The default is the published code's 8 rounds of 8 arms with 32
            items each.
        arms: Arms that are pulled in a round, 1 or more.
        batch: Items of a pull at most, 1 or more.
        c: How much the unknown is worth, 0 or more, for scores from 0 to 1.
        bound: ``ucb`` as above, or ``ucb-e``: ``mean + c * sqrt(c / items seen)``, which does not
            grow with the rounds.
        begin: Number of the first round after the look at everybody, 1 or more. The published code
            counts from 0, so that its second round is 1 and, as log(1) is 0, takes no chances.
    """

    k: int = 4
    budget: int = 2048
    arms: int = 8
    batch: int = 32
    c: float = 1.0
    bound: Bound = "ucb"
    begin: int = 2

    def __post_init__(self) -> None:
        _at_least_one(self.k, "candidates that a bandit leaves")
        _at_least_one(self.budget, "calls of a bandit")
        _at_least_one(self.begin, "numbers of rounds")
        _at_least_one(self.arms, "arms of a round")
        _at_least_one(self.batch, "items of a pull")
        if not self.c >= 0:
            raise ConfigError(f"what the unknown is worth is 0 or more, but got {self.c}")

    async def __call__(
        self,
        ctx: StepContext,
        candidates: Sequence[Candidate],
        items: Sequence[Item],
        measure: Measure,
    ) -> tuple[Evaluation, ...]:
        """Return full evaluations of the best `k`, and partial ones of the others."""
        if not ctx.trajectory.steps or len(candidates) <= self.k:
            return await Everything()(ctx, candidates, items, measure)
        size = min(self.batch, max(1, self.budget // (2 * len(candidates))))
        field = _Field(candidates, items, ctx.trajectory.steps * size, measure)
        spent = await field.pull(field.arms, size)
        rounds = self.begin - 1
        while spent < self.budget and (unsure := field.unsure()):
            rounds += 1
            bound = {arm: self._bound(field, arm, rounds) for arm in unsure}
            chosen = sorted(unsure, key=lambda arm: -bound[arm])[: self.arms]
            spent += await field.pull(chosen, size)
        await field.pull(field.best(field.arms, self.k), len(items))
        return field.evaluations()

    def _bound(self, field: _Field, arm: int, rounds: int) -> float:
        unknown = self.c if self.bound == "ucb-e" else math.log(rounds)
        return field.mean(arm) + self.c * math.sqrt(unknown / field.seen(arm))


@dataclass(frozen=True)
class _Elimination(ABC):
    """Measures everybody on some items, drops some, and measures those who are left in full."""

    k: int = 4
    budget: int = 2048

    def __post_init__(self) -> None:
        _at_least_one(self.k, "candidates that a bandit leaves")
        _at_least_one(self.budget, "calls of a bandit")

    async def __call__(
        self,
        ctx: StepContext,
        candidates: Sequence[Candidate],
        items: Sequence[Item],
        measure: Measure,
    ) -> tuple[Evaluation, ...]:
        """Return full evaluations of the `k` that are left, and partial ones of the others."""
        if not ctx.trajectory.steps or len(candidates) <= self.k:
            return await Everything()(ctx, candidates, items, measure)
        begin = ctx.trajectory.steps * self._first(len(candidates))
        field = _Field(candidates, items, begin, measure)
        await field.pull(await self._left(field), len(items))
        return field.evaluations()

    @abstractmethod
    def _first(self, arms: int) -> int:
        """Return on how many items this number of arms is looked at first."""

    @abstractmethod
    async def _left(self, field: _Field) -> Sequence[int]:
        """Return the `k` arms that are left."""


@dataclass(frozen=True)
class SuccessiveRejects(_Elimination):
    """Measure everybody on more and more items, and reject the worst one each time.

    The sizes are those of Audibert, Bubeck and Munos (2010), "Best arm identification in
    multi-armed bandits": see :func:`sizes`. As in ProTeGi, it ends when as many are left as are
    wanted. Ours: all that was measured counts for who is worst, where the published code looks
    at the items of the phase alone.

    Attributes:
        k: How many are left, which are then measured in full; 1 or more.
        budget: Calls that rejecting all but one might take; 1 or more. However few they are,
            everybody is measured on one item.
    """

    def _first(self, arms: int) -> int:
        return sizes(arms, self.budget)[0]

    async def _left(self, field: _Field) -> Sequence[int]:
        arms = len(field.arms)
        left, seen = list(field.arms), 0
        for size in sizes(arms, self.budget)[: arms - self.k]:
            await field.pull(left, size - seen)
            seen = size
            left = field.best(left, len(left) - 1)
        return left


@dataclass(frozen=True)
class BelowMean(_Elimination):
    """Measure everybody on more and more items, and drop who is below the mean each time.

    The published code of ProTeGi calls it successive halving: with K arms there are
    ``ceil(log2(K))`` rounds of ``n / ceil(log2(K))`` calls, n being the budget, which those who are
    left share. Ours: what was measured before counts too, and no fewer than `k` are left.

    Attributes:
        k: How many are left at least, of which the best are then measured in full; 1 or more.
        budget: Calls of all rounds together; 1 or more. However few they are, everybody is measured
            on one item.
    """

    def _first(self, arms: int) -> int:
        return max(1, self.budget // (arms * _rounds(arms)))

    async def _left(self, field: _Field) -> Sequence[int]:
        rounds = _rounds(len(field.arms))
        left = list(field.arms)
        for _ in range(rounds):
            await field.pull(left, max(1, self.budget // (len(left) * rounds)))
            means = {arm: field.mean(arm) for arm in left}
            known = [mean for mean in means.values() if mean > -math.inf]
            middle = sum(known) / len(known) if known else -math.inf
            above = [arm for arm in left if means[arm] >= middle]
            left = above if len(above) >= self.k else field.best(left, self.k)
        return field.best(left, self.k)


@dataclass(frozen=True)
class EvenShares(_Elimination):
    """Measure everybody on the same share of the items: no bandit.

    The published code of ProTeGi calls it brute force, and takes it by default.

    Attributes:
        k: How many are left, which are then measured in full; 1 or more.
        budget: Calls that all share; 1 or more. However few they are, everybody is measured on one
            item.
    """

    def _first(self, arms: int) -> int:
        return max(1, self.budget // arms)

    async def _left(self, field: _Field) -> Sequence[int]:
        await field.pull(field.arms, self._first(len(field.arms)))
        return field.best(field.arms, self.k)


def sizes(arms: int, budget: int) -> tuple[int, ...]:
    """Return how many items those who are left have seen in each phase of successive rejects.

    With K arms and n calls, in phase r it is ``ceil((n - K) / (logbar(K) * (K + 1 - r)))``, where
    ``logbar(K) = 1/2 + 1/2 + 1/3 + … + 1/K``; here at least 1. All K - 1 phases together take at
    most n calls where n is at least K.

    Args:
        arms: K, 2 or more.
        budget: n.
    """
    log = 0.5 + sum(1 / i for i in range(2, arms + 1))
    return tuple(
        max(1, math.ceil((budget - arms) / (log * (arms + 1 - phase)))) for phase in range(1, arms)
    )


def selected_by(selection: Selection, k: int, budget: int, begin: int = 2) -> Rate:
    """Return the rate of a name.

    Args:
        selection: One of the bandits ``ucb``, ``ucb-e``, ``successive-rejects`` and ``sh``;
            ``bf`` for even shares; ``ability`` for a race by abilities; or ``everything``.
        k: How many are left.
        budget: Of the bandit.
        begin: Number of UCB's first round after the look at everybody.

    Raises:
        ConfigError: There is no such selection, or an option is out of its range.
    """
    if selection not in get_args(Selection):
        raise ConfigError(
            f"a selection is one of {', '.join(get_args(Selection))}, but got {selection!r}"
        )
    rates: dict[str, Rate] = {
        "ucb": UCB(k, budget, begin=begin),
        "ucb-e": UCB(k, budget, bound="ucb-e", begin=begin),
        "successive-rejects": SuccessiveRejects(k, budget),
        "sh": BelowMean(k, budget),
        "bf": EvenShares(k, budget),
        "ability": AbilityRace(k=max(k, AbilityRace.k)),
        "everything": Everything(),
    }
    return rates[selection]


class _Field:
    """The arms of a step, and what was found out about them so far.

    Attributes:
        arms: The numbers of the candidates, in the order in which they were proposed.
    """

    def __init__(
        self,
        candidates: Sequence[Candidate],
        items: Sequence[Item],
        begin: int,
        measure: Measure,
    ) -> None:
        self.arms = range(len(candidates))
        self._candidates = candidates
        self._items = items
        self._begin = begin % len(items)
        self._measure = measure
        self._found: list[list[Outcome]] = [[] for _ in candidates]

    async def pull(self, arms: Iterable[int], more: int) -> int:
        """Measure arms on the next `more` items of each, and return how many calls it took."""
        jobs = [
            (arm, self._items[(self._begin + place) % len(self._items)])
            for arm in arms
            for place in range(self.seen(arm), min(self.seen(arm) + more, len(self._items)))
        ]
        outcomes = await self._measure([(self._candidates[arm], item) for arm, item in jobs])
        for (arm, _), outcome in zip(jobs, outcomes, strict=True):
            self._found[arm].append(outcome)
        return len(jobs)

    def seen(self, arm: int) -> int:
        """Return how many items an arm was tried on."""
        return len(self._found[arm])

    def unsure(self) -> list[int]:
        """Return the arms that were not tried on all items."""
        return [arm for arm in self.arms if self.seen(arm) < len(self._items)]

    def mean(self, arm: int) -> float:
        """Return the weighted mean of an arm, -inf where nothing could be measured."""
        score = Evaluation(tuple(self._found[arm]), self.seen(arm)).score
        return -math.inf if score is None else score

    def best(self, arms: Sequence[int], k: int) -> list[int]:
        """Return the best `k` of some arms in ascending order; among equals the earlier."""
        return sorted(sorted(arms, key=lambda arm: (-self.mean(arm), arm))[:k])

    def evaluations(self) -> tuple[Evaluation, ...]:
        """Return what each candidate got, in the order of the items."""
        place = {item.id: at for at, item in enumerate(self._items)}
        return tuple(
            Evaluation(tuple(sorted(found, key=lambda o: place[o.item])), len(self._items))
            for found in self._found
        )


def _rounds(arms: int) -> int:
    """Return the rounds of what ProTeGi's code calls successive halving."""
    return math.ceil(math.log2(arms))


def _at_least_one(number: int, what: str) -> None:
    if number < 1:
        raise ConfigError(f"{what} are 1 or more, but got {number}")
