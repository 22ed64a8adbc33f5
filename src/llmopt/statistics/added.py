"""Intervals for few or for traded answers: to each class two answers are added.

Where hardly any answer differs from the others, a bootstrap has nothing to draw from, and its
interval has no width although the next items may well differ. Where every class counts the same,
a rare class decides much of the mean with few answers. In both cases the classic remedy is to
add one answer at each end of the range and to compute the normal interval of what is then there:
for one share it is that of Agresti and Coull (1998, "plus four" with two), for the difference of
two paired shares that of Bonett and Price (2012). Here it is the same for scores between.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from llmopt.statistics.intervals import Interval, checked, grouped, quantile

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence
FEW = 5
"""Fewer clusters than this with another score than most are too few to draw from."""

SHARES = (0.0, 1.0)
"""Range of a score."""

CHANGES = (-1.0, 1.0)
"""Range of a difference of two scores."""

_ROUNDING = 1e-9  # two scores that differ by less are the same


@dataclass(frozen=True, slots=True)
class Added:
    """A mean with its standard error, after answers at both ends were added.

    Attributes:
        mean: Weighted mean of the scores themselves.
        centre: The mean with what was added, which is nearer to the middle of the range.
        error: Standard error of the centre, above 0.
        ends: The lowest and the highest possible score.
    """

    mean: float
    centre: float
    error: float
    ends: tuple[float, float]

    def interval(self, level: float) -> Interval:
        """Return the normal interval around the centre, within the range; it holds the mean."""
        half = quantile(level) * self.error
        low, high = self.ends
        return Interval(
            max(low, min(self.mean, self.centre - half)),
            min(high, max(self.mean, self.centre + half)),
        )

    @property
    def p_value(self) -> float:
        """Two-sided p-value of the hypothesis that the mean is 0; agrees with the interval."""
        return math.erfc(abs(self.centre) / self.error / math.sqrt(2))


def added(
    scores: Sequence[float],
    weights: Sequence[float] | None = None,
    *,
    ends: tuple[float, float] = SHARES,
    clusters: Sequence[Hashable] | None = None,
    classes: Sequence[Hashable] | None = None,
) -> Added:
    """Return a weighted mean after one score at each end of the range was added.

    With K classes, each of them gets ``1 / sqrt(K)`` of a score at each end, which count as much
    as its heaviest cluster. A whole one each would pull a mean of many small classes to the
    middle, and ``1 / K`` of one leaves classes of a few items too sure of themselves.

    Args:
        scores: At least one finite number, within `ends`.
        weights: One above 0 per score; None for equal ones.
        ends: The lowest and the highest possible score.
        clusters: The cluster of each score; None: each is its own.
        classes: The class of each score, whose share in the mean is fixed: its scores are
            compared with the mean of their class. None: there is one class.

    Raises:
        ValueError: An argument is out of its range.
    """
    values, shares = checked(scores, weights)
    n, (low, high) = len(values), ends
    if not (low - _ROUNDING <= values.min() and values.max() <= high + _ROUNDING):
        raise ValueError(
            f"scores are from {low:g} to {high:g}, but got {values.min():g} to {values.max():g}"
        )
    group = np.arange(n) if clusters is None else grouped(clusters, n)
    kind = np.zeros(n, dtype=np.intp) if classes is None else grouped(classes, n)
    kinds = int(kind.max()) + 1
    centre = variance = 0.0
    spread = np.zeros(int(group.max()) + 1)
    for number in range(kinds):
        mine = kind == number
        value, weight = values[mine], shares[mine]
        share = float(weight.sum() / shares.sum())
        heaviest = float(np.bincount(group[mine], weight).max())
        extra = heaviest / math.sqrt(kinds)
        total = float(weight.sum()) + 2 * extra
        mean = (float((value * weight).sum()) + extra * (low + high)) / total
        centre += share * mean
        spread += np.bincount(group[mine], share * weight * (value - mean) / total, len(spread))
        # What is added, a fraction of an answer of that size, counts as that fraction.
        square = extra * heaviest * ((low - mean) ** 2 + (high - mean) ** 2)
        variance += (share / total) ** 2 * square
    variance += float((spread**2).sum())
    mean = float((values * shares).sum() / shares.sum())
    return Added(mean, centre, math.sqrt(variance), ends)


def mostly_agree(scores: Sequence[float], clusters: Sequence[Hashable]) -> bool:
    """Return whether all but a few clusters have one and the same score.

    Args:
        scores: At least one.
        clusters: The cluster of each.
    """
    values = np.asarray(scores, dtype=np.float64)
    ordered = np.sort(values)
    starts = np.concatenate([[0], 1 + np.flatnonzero(np.diff(ordered) > _ROUNDING)])
    longest = np.diff(np.append(starts, len(ordered))).argmax()
    other = np.flatnonzero(np.abs(values - ordered[starts[longest]]) > 2 * _ROUNDING)
    return len({clusters[at] for at in other.tolist()}) < FEW
