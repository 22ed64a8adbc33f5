"""Fewer calls: candidates race by their abilities, on the items that tell most of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from llmopt.core.problem import presented
from llmopt.core.values import Evaluation
from llmopt.errors import ConfigError
from llmopt.statistics import fit_rasch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from llmopt.core.part import Measure, StepContext
    from llmopt.core.problem import Problem
    from llmopt.core.trajectory import Entry, Trajectory
    from llmopt.core.values import Candidate, Item, Outcome
    from llmopt.statistics import Rasch

    Floats = NDArray[np.float64]

_FEW = 12  # items; on fewer, everybody is measured on all
_REMEMBERED = 200  # best and newest solutions of a long search, each, that the model is fitted to
_BLANK = 0.9  # share of answers of which nothing could be read, from which nothing is estimated


@dataclass(frozen=True)
class AbilityRace:
    """Measure on few items that tell much, drop who is hardly among the best, estimate the rest.

    A Rasch model (:func:`~llmopt.statistics.fit_rasch`) is fitted to all answers of the search so
    far, those of dropped candidates included. With it

    1. the next items are those that tell most of a solution as able as the `k`-th best, the same
       ones for everybody who is still racing;
    2. after `first` items, twice as many, and so on, a candidate stays that is among the `k`
       ablest of the search, or would be with a probability of at least `chance`;
    3. the score of a candidate is what it got on the items that it was measured on, and what the
       model expects on the others: :attr:`~llmopt.core.values.Evaluation.expected`. So scores are
       comparable whatever they were measured on, and nobody has to be measured in full.

    The starting solutions (the first step) are measured in full, because every gain is a gain
    over them; so is everything on fewer than 12 items, and from the first score on that is not
    from 0 to 1. What is measured is a function of the trajectory and of this step's answers, so a
    resumed run continues as it would have done. Ours; how many calls it takes is simulated, and
    replayed on recorded scores, in ``benchmarks/selection.py``.

    Attributes:
        first: Items of the first look, 1 or more.
        chance: Posterior probability of being among the `k` ablest below which a candidate is
            dropped, above 0 and below 1.
        k: How many best ones the race is to find, 1 or more.
        cap: Share of the items after which nobody is measured further, above 0 and at most 1.
    """

    first: int = 8
    chance: float = 0.1
    k: int = 5
    cap: float = 0.5

    def __post_init__(self) -> None:
        if self.first < 1:
            raise ConfigError(f"the items of the first look are 1 or more, but got {self.first}")
        if not 0 < self.chance < 1:
            raise ConfigError(f"the chance is above 0 and below 1, but got {self.chance}")
        if self.k < 1:
            raise ConfigError(f"k is at least 1, but got {self.k}")
        if not 0 < self.cap <= 1:
            raise ConfigError(f"the cap is above 0 and at most 1, but got {self.cap}")

    def fits(self, problem: Problem) -> None:
        """Refuse a problem whose scores are not from 0 to 1.

        Raises:
            ConfigError: They are other values.
        """
        if not presented(problem).shares:
            raise ConfigError(
                "a race by abilities needs scores that are shares from 0 to 1, but got a problem "
                'whose scores are other values; leave out rate = "ability"'
            )

    async def __call__(
        self,
        ctx: StepContext,
        candidates: Sequence[Candidate],
        items: Sequence[Item],
        measure: Measure,
    ) -> tuple[Evaluation, ...]:
        """Return evaluations with estimates of what was not measured."""
        table = _Table(remembered(ctx.trajectory), candidates, items)
        racing = bool(ctx.trajectory.steps) and len(items) >= _FEW and table.bounded
        left = list(range(len(candidates)))
        limit = max(1, math.ceil(self.cap * len(items))) if racing else len(items)
        model = fit_rasch(table.scores) if racing else None
        seen, size = 0, self.first if racing else len(items)
        while left and seen < limit:
            block = table.next(model, self.k, min(size, limit) - seen)
            found = await measure([(candidates[i], items[at]) for i in left for at in block])
            table.took(left, block, found)
            seen += len(block)
            if racing and not table.bounded:  # such scores are no shares: nothing is estimated
                racing, model, limit, size = False, None, len(items), len(items)
                continue
            if model is not None:
                model = fit_rasch(table.scores)
                left = self.staying(model, left, table.known)
                size = 2 * seen
        return table.evaluations(model)

    def staying(self, model: Rasch, racing: Sequence[int], known: int) -> list[int]:
        """Return which candidates stay in the race.

        Args:
            model: Of the solutions tried before, and then the candidates.
            racing: Numbers of the candidates, from 0.
            known: How many solutions were tried before.
        """
        best = np.argsort(-model.ability, kind="stable")[: self.k]
        last = best[-1]
        rows = known + np.asarray(racing)
        spread = np.sqrt(model.spread[rows] + model.spread[last])
        lead = (model.ability[rows] - model.ability[last]) / spread
        chances = [0.5 * math.erfc(-z / math.sqrt(2)) for z in lead]
        among = set(best.tolist())
        return [
            i
            for i, row, p in zip(racing, rows.tolist(), chances, strict=True)
            if row in among or p >= self.chance
        ]


class _Table:
    """The scores of the solutions tried before and of this step's candidates, item by item."""

    def __init__(
        self, before: Sequence[Entry], candidates: Sequence[Candidate], items: Sequence[Item]
    ) -> None:
        self.known, self._items = len(before), items
        self._place = {item.id: at for at, item in enumerate(items)}
        self.scores = np.full((len(before) + len(candidates), len(items)), np.nan)
        self._tried = np.zeros(len(items), dtype=bool)
        self._found: list[list[Outcome]] = [[] for _ in candidates]
        for row, entry in enumerate(before):
            self._fill(row, entry.evaluation.outcomes)

    @property
    def bounded(self) -> bool:
        """Whether all scores so far are from 0 to 1."""
        return not np.any((self.scores < 0) | (self.scores > 1))

    def next(self, model: Rasch | None, k: int, size: int) -> list[int]:
        """Return the items that tell most of the `k`-th best, or the first without a model."""
        left = np.flatnonzero(~self._tried)
        if model is not None:
            level = np.sort(model.ability)[::-1][:k][-1]
            left = left[np.argsort(-model.information(float(level))[left], kind="stable")]
        return sorted(left[:size].tolist())

    def took(
        self, racing: Sequence[int], block: Sequence[int], outcomes: Sequence[Outcome]
    ) -> None:
        """Note the outcomes of all who race on some items; one that failed is not tried again."""
        self._tried[block] = True
        for at, i in enumerate(racing):
            own = outcomes[at * len(block) : (at + 1) * len(block)]
            self._found[i].extend(own)
            self._fill(self.known + i, own)

    def evaluations(self, model: Rasch | None) -> tuple[Evaluation, ...]:
        """Return what the candidates got, in the order of the items."""
        expected = None if model is None else self._expected(model)
        made = []
        for i, found in enumerate(self._found):
            outcomes = tuple(sorted(found, key=lambda o: self._place[o.item]))
            full = Evaluation(outcomes, len(self._items))
            if expected is not None and full.partial and full.measured and not _blank(full):
                full = Evaluation(outcomes, len(self._items), round(float(expected[i]), 12))
            made.append(full)
        return tuple(made)

    def _expected(self, model: Rasch) -> Floats:
        weights = np.array([item.weight for item in self._items])
        scores = self.scores[self.known :]
        filled = np.where(np.isnan(scores), model.expected()[self.known :], scores)
        mean: Floats = (filled * weights).sum(axis=1) / weights.sum()
        return mean

    def _fill(self, row: int, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            if outcome.score is not None and outcome.item in self._place:
                self.scores[row, self._place[outcome.item]] = outcome.score


def remembered(trajectory: Trajectory) -> list[Entry]:
    """Return the entries that a model is fitted to: all, or the best and the newest of many."""
    if len(trajectory) <= 2 * _REMEMBERED:
        return [entry for entry in trajectory if entry.evaluation.measured]
    wanted = {e.candidate.id for e in trajectory.promising(_REMEMBERED)}
    wanted |= {e.candidate.id for e in trajectory.recent(_REMEMBERED)}
    return [e for e in trajectory if e.candidate.id in wanted and e.evaluation.measured]


def _blank(evaluation: Evaluation) -> bool:
    """Whether hardly any answer could be read, so that the next ones hardly will be either."""
    measured = [o for o in evaluation.outcomes if o.score is not None]
    blank = sum(o.answer is None and o.score == 0 for o in measured)
    return blank >= _BLANK * len(measured)
