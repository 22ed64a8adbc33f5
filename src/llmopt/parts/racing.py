"""Fewer calls: candidates race on the same items, and those that cannot win stop early."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from llmopt.core.values import Evaluation
from llmopt.errors import ConfigError
from llmopt.statistics import lead_p_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from llmopt.core.part import Measure, StepContext
    from llmopt.core.trajectory import Trajectory
    from llmopt.core.values import Candidate, Item, Outcome

    Floats = NDArray[np.float64]

_LEAST = 8  # items before the first look; on fewer, hardly any lead is sure
_LAST = 2 / 3  # share of the items before the last look


@dataclass(frozen=True)
class Racing:
    """Measure on growing subsets; drop who is surely worse, and more where calls run short.

    All candidates are measured on the same items in the same order, in stages
    (:func:`stages`). After each stage two rules decide who goes on:

    1. *Confidence.* A candidate is dropped when it is worse than each of the best `k` so far
       with confidence. The best `k` of the trajectory take part with the scores that they
       already have on the same items, which cost nothing.
    2. *Share.* Of those, as many go on, best first, as the calls that are left can pay for if
       the number still racing shrinks as the number of items seen grows (so that every
       doubling of the items costs the same); at least `k`.

    Who goes on to the end has a full evaluation. Who drops out keeps a partial one, which
    claims rank below a full one. The starting solutions (no step told yet) are measured in full,
    because every gain is a gain over them; so is everything on fewer than 12 items.

    The statistics of rule 1: a pair is compared by its differences, item by item
    (:func:`~llmopt.statistics.lead_p_value`), and the question is which of the two would be
    ahead with *all* items measured. A candidate is worse than a rival when the p-value is
    below ``(1 - confidence) / (looks * rivals)``: the union bound over all looks of the race
    and all rivals that a candidate can meet (fellow candidates and the best `k` of the
    trajectory). So a candidate that would end among the best `k` is dropped by this rule with
    a probability of at most ``1 - confidence``, all looks together, as far as the normal
    approximation of the p-value holds and the order of the items has nothing to do with the
    scores: shuffled, or shuffled within classes that alternate, as
    :func:`~llmopt.problems.data.splits.split` leaves them. Rule 2 promises no confidence; what it
    costs was simulated (``benchmarks/racing.py``): at the share of one half at most 0.5 points
    of the true accuracy of the best, for eight candidates that differ by about 5 points, and
    hardly anything for more candidates or closer ones; clearly more at smaller shares.

    Sources: the race is that of Maron and Moore (1994, "Hoeffding races"), with pairs on the
    same items as in Moore and Lee (1994). Ours: a p-value for the finite list of items instead
    of Hoeffding's bound; rivals from the trajectory; rule 2, whose schedule spreads the calls
    as successive rejects (Audibert, Bubeck and Munos 2010) and sequential halving (Karnin,
    Koren and Somekh 2013) do, but as one limit of calls, so that what rule 1 saves early is
    there for close contenders later.

    Attributes:
        k: How many best ones the race is to find, at least 1.
        confidence: Of rule 1, between 0 and 1.
        share: At most this share of the calls of measuring everything is spent in a step,
            above 0 and at most 1; 1 leaves rule 1 alone. Where a first look at everybody and
            `k` full evaluations cost more, this is what is spent at most: a lone candidate is
            measured in full, whatever the share.
    """

    k: int = 1
    confidence: float = 0.9
    share: float = 0.5

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ConfigError(f"k is at least 1, but got {self.k}")
        if not 0 < self.confidence < 1:
            raise ConfigError(f"the confidence is between 0 and 1, but got {self.confidence}")
        if not 0 < self.share <= 1:
            raise ConfigError(f"the share is above 0 and at most 1, but got {self.share}")

    async def __call__(
        self,
        ctx: StepContext,
        candidates: Sequence[Candidate],
        items: Sequence[Item],
        measure: Measure,
    ) -> tuple[Evaluation, ...]:
        """Return full evaluations of those who stayed and partial ones of the others."""
        sizes = stages(len(items)) if ctx.trajectory.steps else (len(items),)
        rivals = _known(ctx.trajectory, items, self.k)
        weights = np.array([item.weight for item in items])
        found: list[list[Outcome]] = [[] for _ in candidates]
        left = list(range(len(candidates)))
        seen = spent = 0
        for size in sizes:
            if not left:
                break
            jobs = [(i, item) for i in left for item in items[seen:size]]
            outcomes = await measure([(candidates[i], item) for i, item in jobs])
            for (i, _), outcome in zip(jobs, outcomes, strict=True):
                found[i].append(outcome)
            seen, spent = size, spent + len(jobs)
            if size < len(items):
                scores = np.array([[_number(o.score) for o in found[i]] for i in left])
                stay = self.survivors(scores, rivals[:, :size], weights, len(candidates), spent)
                left = [left[row] for row in stay]
        return tuple(Evaluation(tuple(outcomes), len(items)) for outcomes in found)

    def survivors(
        self, scores: Floats, rivals: Floats, weights: Floats, field: int, spent: int
    ) -> list[int]:
        """Return which rows of `scores` go on after a look, in ascending order.

        Args:
            scores: A row per candidate still racing, a column per item seen; NaN where an
                item stayed unmeasured, which counts as no difference.
            rivals: The same for the best of the trajectory.
            weights: Of all items, seen or not; above 0.
            field: How many candidates began the race.
            spent: Calls made in the race so far.
        """
        seen, total = scores.shape[1], len(weights)
        looks = [size for size in stages(total) if size < total]
        rows = np.vstack([scores, rivals])
        standing = _means(rows, weights[:seen])
        leaders = np.argsort(-standing, kind="stable")[: self.k]
        level = (1 - self.confidence) / (max(1, len(looks)) * max(1, field - 1 + len(rivals)))
        worse = np.ones(len(scores), dtype=bool)
        for leader in leaders:
            lead = np.nan_to_num(rows[leader] - scores, nan=0.0)
            worse &= lead_p_value(lead, weights) < level
        staying = np.flatnonzero(~worse)
        spare = self.share * field * total - spent
        wanted = len(staying)
        while wanted > self.k and _cost(wanted, seen, total, self.k) > spare:
            wanted -= 1
        best = staying[np.argsort(-standing[staying], kind="stable")[:wanted]]
        return sorted(best.tolist())


def stages(total: int) -> tuple[int, ...]:
    """Return after how many items a race looks at its candidates; the last is all of them.

    Two thirds of the items, half as many before that, and so on while it is at least 8: for
    100 items 8, 17, 33, 67 and 100.
    """
    sizes = [total]
    size = _LAST * total
    while size >= _LEAST:
        sizes.append(round(size))
        size /= 2
    return tuple(reversed(sizes))


def _cost(racing: int, seen: int, total: int, least: int) -> float:
    """Return the calls to the end if so many go on after `seen` items.

    After n items, the share ``seen / n`` of them is still racing, but at least `least`.
    """
    sizes = [seen, *(size for size in stages(total) if size > seen)]
    return sum(max(least, racing * seen / a) * (b - a) for a, b in pairwise(sizes))


def _known(trajectory: Trajectory, items: Sequence[Item], k: int) -> Floats:
    """Return the scores of the best `k` so far on the items, a row each; only of whole ones."""
    rows = []
    for entry in trajectory.best(k):
        if entry.evaluation.whole:
            scores = {outcome.item: _number(outcome.score) for outcome in entry.evaluation.outcomes}
            rows.append([scores.get(item.id, np.nan) for item in items])
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(items))


def _number(score: float | None) -> float:
    return np.nan if score is None else score


def _means(rows: Floats, weights: Floats) -> Floats:
    """Return each row's weighted mean over what was measured, -inf without any."""
    shares = np.where(np.isnan(rows), 0.0, weights)
    totals = shares.sum(axis=1)
    sums = (np.nan_to_num(rows, nan=0.0) * shares).sum(axis=1)
    return np.where(totals > 0, sums / np.where(totals > 0, totals, 1.0), -np.inf)
