"""CAPO's race: block after block of items, paired t-tests, and a penalty on length."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from llmopt.algorithms.capo.offspring import unbeaten
from llmopt.core.values import Evaluation
from llmopt.errors import ConfigError
from llmopt.parts.bootstrap_demonstrations import prompt_tokens
from llmopt.statistics.student import t_p_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from llmopt.core.part import Measure, StepContext
    from llmopt.core.trajectory import Entry
    from llmopt.core.values import Candidate, Item, Outcome

    Floats = NDArray[np.float64]

_NOTHING = 1e-12  # a smaller difference is a rounding error


@dataclass(frozen=True)
class BlockRace:
    """Measure children block by block; drop who is worse than a whole population.

    After each block, a child is dropped when as many others as survive (children still racing,
    and the population) are better than it on the items that both have: a one-sided paired t-test
    on all of them, at the level `alpha`, without a correction for the number of tests. What is
    compared is the score less the penalty. Who is never dropped is measured on all items, and so
    are the starting solutions.

    Attributes:
        block: Items of a block, 2 or more.
        alpha: Level of the tests, between 0 and 1.
        survivors: Size of the population, 1 or more.
        penalty: Points of the score (a share of 1) that a solution loses which is as long as the
            longest of the first population, in proportion to its tokens; 0 or more.
    """

    block: int = 30
    alpha: float = 0.2
    survivors: int = 10
    penalty: float = 0.05

    def __post_init__(self) -> None:
        if self.block < 2:  # noqa: PLR2004 - a variance needs two
            raise ConfigError(f"a block has 2 items or more, but got {self.block}")
        if not 0 < self.alpha < 1:
            raise ConfigError(f"alpha is between 0 and 1, but got {self.alpha}")
        if self.survivors < 1:
            raise ConfigError(f"survivors are 1 or more, but got {self.survivors}")
        if self.penalty < 0:
            raise ConfigError(f"a length penalty is 0 or more, but got {self.penalty}")

    async def __call__(
        self,
        ctx: StepContext,
        candidates: Sequence[Candidate],
        items: Sequence[Item],
        measure: Measure,
    ) -> tuple[Evaluation, ...]:
        """Return full evaluations of those who stayed and partial ones of the others."""
        size = self.block if ctx.trajectory.steps else len(items)
        rivals = unbeaten(ctx.trajectory, self.survivors)
        costs = self._penalties(ctx, [*candidates, *(entry.candidate for entry in rivals)])
        known = [_scores(entry, items) for entry in rivals]
        found: list[list[Outcome]] = [[] for _ in candidates]
        left = list(range(len(candidates)))
        for begin in range(0, len(items), size):
            if not left:
                break
            jobs = [(i, item) for i in left for item in items[begin : begin + size]]
            outcomes = await measure([(candidates[i], item) for i, item in jobs])
            for (i, _), outcome in zip(jobs, outcomes, strict=True):
                found[i].append(outcome)
            seen = begin + size
            if seen < len(items):
                racing = {i: np.array([_number(o) for o in found[i]]) - costs[i] for i in left}
                others = [
                    row[:seen] - cost
                    for row, cost in zip(known, costs[len(candidates) :], strict=True)
                ]
                left = self._staying(racing, others)
        return tuple(Evaluation(tuple(outcomes), len(items)) for outcomes in found)

    def _staying(self, racing: dict[int, Floats], others: list[Floats]) -> list[int]:
        """Return who goes on after a block."""
        staying = []
        for i, mine in racing.items():
            rows = [row for j, row in racing.items() if j != i] + others
            beaten = sum(ahead_p_value(row - mine) < self.alpha for row in rows)
            if beaten < self.survivors:
                staying.append(i)
        return staying

    def _penalties(self, ctx: StepContext, candidates: Sequence[Candidate]) -> list[float]:
        """Return what each solution loses for its length."""
        problem = ctx.problem
        first = [problem.starts[0]]
        for entry in ctx.trajectory:
            if entry.candidate.step > 1:
                break
            first.append(entry.text)
        first += [candidate.text for candidate in candidates if candidate.step <= 1]
        longest = max(1, *(prompt_tokens(problem, text) for text in first))
        return [self.penalty * prompt_tokens(problem, c.text) / longest for c in candidates]


def ahead_p_value(differences: Floats) -> float:
    """Return the one-sided p-value of a paired t-test; small: the mean difference is above 0.

    Args:
        differences: One per item; NaN where one of the two has no score, which does not count.
    """
    known = differences[~np.isnan(differences)]
    if len(known) < 2:  # noqa: PLR2004 - a variance needs two
        return 1.0
    mean, spread = float(known.mean()), float(known.std(ddof=1))
    if spread < _NOTHING:
        return 0.0 if mean > _NOTHING else 1.0
    t = mean / (spread / math.sqrt(len(known)))
    two_sided = t_p_value(t, len(known) - 1)
    return two_sided / 2 if t > 0 else 1 - two_sided / 2


def _scores(entry: Entry, items: Sequence[Item]) -> Floats:
    scores = {outcome.item: _number(outcome) for outcome in entry.evaluation.outcomes}
    return np.array([scores.get(item.id, math.nan) for item in items])


def _number(outcome: Outcome) -> float:
    return math.nan if outcome.score is None else outcome.score
