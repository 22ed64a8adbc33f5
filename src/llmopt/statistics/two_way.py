"""Two methods over several searches each: items and searches both are samples.

A search finds another winner with another seed, so a method's mean varies with its few searches
as well as with the items that its winners were tested on. A test over the items alone takes what
these winners are for what the methods are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from llmopt.statistics.added import CHANGES, added, mostly_agree
from llmopt.statistics.intervals import Interval, checked, grouped
from llmopt.statistics.student import t_p_value, t_quantile

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_TWO = 2  # repetitions, from which on their spread is known
_ROUNDING = 1e-9  # a spread that is a smaller share of the mean is a rounding error
_CROSSED = 0.9  # share of the items that a repetition has, from which on they are the same ones


@dataclass(frozen=True)
class Repetition:
    """What the winners of two methods got in one repetition, on the items they have in common.

    Attributes:
        first: Scores of the first, at least one, finite.
        second: Scores of the second on the same items in the same order.
        weights: One above 0 per item.
        clusters: Which question an item is; the same one in every repetition that has it.
    """

    first: Sequence[float]
    second: Sequence[float]
    weights: Sequence[float]
    clusters: Sequence[Hashable]


@dataclass(frozen=True, slots=True)
class MethodDifference:
    """How much better the second of two methods is than the first.

    Attributes:
        mean: Above 0 the second is better.
        variance: Of the mean, over items and searches; at least 0.
        freedom: Degrees of freedom of the variance.
    """

    mean: float
    variance: float
    freedom: float

    def interval(self, level: float) -> Interval:
        """Return Student's interval of the mean."""
        half = t_quantile(level, self.freedom) * math.sqrt(self.variance)
        return Interval(self.mean - half, self.mean + half)

    @property
    def p_value(self) -> float:
        """Two-sided p-value of the hypothesis that the methods do not differ; 1 without spread."""
        if self.variance <= (_ROUNDING * self.mean) ** 2:
            return 1.0
        return t_p_value(self.mean / math.sqrt(self.variance), self.freedom)


def between_methods(repetitions: Sequence[Repetition]) -> MethodDifference:
    """Return the mean difference of two methods on one task, with its variance.

    With k repetitions the mean of the differences ``d_s`` varies by what the searches add and by
    what the items add, which the repetitions share:

    - Searches, where all have the same items: ``var(a_s) / k + var(b_s) / k`` with the means
      ``a_s`` and ``b_s`` of the two winners, as searches of different methods are independent;
      degrees of freedom by Welch and Satterthwaite, from k - 1 to 2 k - 2. Where every
      repetition has a split of its own, its items favour or hurt both winners, so they are
      compared pair by pair: ``var(d_s) / k`` on k - 1 degrees.
    - Items: the mean covariance of ``d_s`` and ``d_t`` over the pairs of repetitions, from the
      questions that both have; it is 0 where they have none in common. With the same items in
      all of them this is the classic two-way analysis of variance, ``V_items - V_residual``.

    The sum is not less than the searches' part, nor than the variance over the items with these
    winners alone, in which, where the winners hardly differ, a gain and a loss are added
    (:func:`added`).

    Args:
        repetitions: At least 2.

    Raises:
        ValueError: There are fewer, or scores and weights do not fit each other.
    """
    k = len(repetitions)
    if k < _TWO:
        raise ValueError(f"repetitions are at least 2, but got {k}")
    means, changes, shares = np.empty((2, k)), [], []
    for number, one in enumerate(repetitions):
        before, weights = checked(one.first, one.weights)
        after, _ = checked(one.second, one.weights)
        shares.append(weights / weights.sum())
        changes.append(after - before)
        means[:, number] = (shares[-1] * before).sum(), (shares[-1] * after).sum()
    sizes = [len(change) for change in changes]
    group = grouped([label for one in repetitions for label in one.clusters], sum(sizes))
    n = int(group.max()) + 1
    mine = np.split(group, np.cumsum(sizes)[:-1])
    gains = means[1] - means[0]
    # Row s, column g: what question g adds to the difference of repetition s.
    parts = np.array(
        [
            np.bincount(questions, share * (change - gain), n)
            for questions, share, change, gain in zip(mine, shares, changes, gains, strict=True)
        ]
    )
    present = np.array([np.bincount(questions, minlength=n) > 0 for questions in mine])
    searches, freedom = _of_searches(means, crossed=present.mean() >= _CROSSED)
    within = all(
        min(scores) >= 0 and max(scores) <= 1 for r in repetitions for scores in (r.first, r.second)
    )
    change, labels = np.concatenate(changes).tolist(), group.tolist()
    if within and mostly_agree(change, labels):
        weight = np.concatenate(shares).tolist()
        items = added(change, weight, ends=CHANGES, clusters=labels).error ** 2
    else:
        items = float((parts.mean(axis=0) ** 2).sum()) * n / max(1, n - 1)
    variance = max(searches + _shared(parts, present), items)
    return MethodDifference(float(gains.mean()), variance, freedom)


def over_tasks(estimates: Sequence[MethodDifference]) -> MethodDifference:
    """Return the mean over tasks that count the same and have no item in common.

    Variances add; degrees of freedom by Welch and Satterthwaite.

    Args:
        estimates: One per task, at least one.
    """
    tasks = len(estimates)
    variance = sum(one.variance for one in estimates)
    square = sum(one.variance**2 / one.freedom for one in estimates)
    return MethodDifference(
        sum(one.mean for one in estimates) / tasks,
        variance / tasks**2,
        variance**2 / square if square else sum(one.freedom for one in estimates),
    )


def _of_searches(means: Floats, *, crossed: bool) -> tuple[float, float]:
    """Return the variance that searches add to the difference, and its degrees of freedom."""
    k = means.shape[1]
    if not crossed:
        return float((means[1] - means[0]).var(ddof=1)) / k, k - 1
    each = means.var(axis=1, ddof=1) / k
    square = float((each**2).sum()) / (k - 1)
    total = float(each.sum())
    return total, total**2 / square if square > 0 else 2 * k - 2


def _shared(parts: Floats, present: NDArray[np.bool_]) -> float:
    """Return the mean covariance of two repetitions' differences, at least 0."""
    both = present.astype(float) @ present.T
    small = np.divide(both, both - 1, out=np.zeros_like(both), where=both > 1)
    covariances = (parts @ parts.T) * small
    k = len(parts)
    return max(0.0, float(covariances.sum() - np.trace(covariances)) / (k * (k - 1)))
