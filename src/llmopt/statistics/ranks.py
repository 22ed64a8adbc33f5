"""Two independent groups: which of them tends to be higher, by ranks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from llmopt.statistics.intervals import (
    DRAWS,
    Interval,
    chunks,
    grouped,
    quantile,
    summed,
)

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_EXACT = 10_000  # ways to deal out the blocks up to which all are counted
_HALVINGS = 60  # of the range in which an end of an interval is looked for


@dataclass(frozen=True, slots=True)
class RankSum:
    """How often a member of the first of two groups is above one of the second.

    Attributes:
        chance: Share of all pairs in which the first is higher; ties count half. 0.5: neither
            group tends to be higher.
        interval: Of `chance`.
        p_value: Two-sided; of the hypothesis that the groups are exchangeable.
        first: Members of the first group.
        second: Members of the second group.
        method: The test that gave the p-value, as a report writes it.
    """

    chance: float
    interval: Interval
    p_value: float
    first: int
    second: int
    method: str


def rank_sum(
    first: Sequence[float],
    second: Sequence[float],
    level: float = 0.95,
    seed: int = 0,
    *,
    blocks: tuple[Sequence[Hashable], Sequence[Hashable]] | None = None,
    draws: int = DRAWS,
) -> RankSum:
    """Compare two groups by the ranks of all their members together.

    The p-value is that of Wilcoxon's rank-sum test (Wilcoxon 1945; Mann and Whitney 1947) by
    permutation: how often the mean ranks of the two differ by as much when members are dealt
    out to the groups at random. Ties get the mean of their ranks. It is exact for up to 10,000
    ways to deal them out; otherwise it comes from seeded draws with the observed one counted among
    them, so that it is never 0. The interval is Newcombe's score interval of the area
    under the ROC curve (Newcombe 2006, method 5), which is never a single point.

    Members of one block belong together and are dealt out together; the interval is then as
    wide as if each block had one member.

    Args:
        first: The first group: at least one number, finite.
        second: The second group, in the same form.
        level: Confidence level of the interval, between 0 and 1.
        seed: Of the permutations.
        blocks: The block of each member of the two groups; None: each is its own. A block of
            the first group is never one of the second, whatever its label.
        draws: Of the permutations, at least 1.

    Raises:
        ValueError: A group is empty, or an argument is out of its range.
    """
    if not (len(first) and len(second)):
        raise ValueError(f"groups are not empty, but got {len(first)} and {len(second)} members")
    values = np.array([*first, *second], dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError(f"members are finite, but got {values[~np.isfinite(values)][0]}")
    if draws < 1:
        raise ValueError(f"draws is at least 1, but got {draws}")
    ranks, many = _ranks(values), len(first)
    chance = (float(ranks[:many].sum()) - many * (many + 1) / 2) / (many * len(second))
    group = np.arange(len(values))
    blocked = many
    if blocks is not None:
        ahead = grouped(blocks[0], many)
        blocked = int(ahead.max()) + 1
        group = np.concatenate([ahead, blocked + grouped(blocks[1], len(second))])
    sizes = summed(group, np.ones(len(values)))
    p_value, method = _dealt_out(summed(group, ranks), sizes, blocked, draws, seed)
    interval = _newcombe(chance, blocked, len(sizes) - blocked, level)
    return RankSum(chance, interval, p_value, many, len(second), method)


def _ranks(values: Floats) -> Floats:
    """Return the rank of each value, counted from 1; those of equal values are their mean."""
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    means: Floats = (last - (counts - 1) / 2).astype(np.float64)
    return means[group.reshape(-1)]


def _dealt_out(sums: Floats, sizes: Floats, first: int, draws: int, seed: int) -> tuple[float, str]:
    """Return the two-sided p-value, and the name of the test.

    Args:
        sums: Sum of the ranks of each block; those of the first group come first.
        sizes: Members of each block.
        first: Blocks of the first group.
        draws: See :func:`rank_sum`.
        seed: See :func:`rank_sum`.
    """
    excess = sums - sizes * sums.sum() / sizes.sum()  # over the mean rank
    blocks, total = len(sums), sizes.sum()

    def apart(chosen: NDArray[np.intp]) -> Floats:
        """Return how far the mean ranks are apart, where the first group is of these blocks."""
        inside = sizes[chosen].sum(axis=1)
        found: Floats = np.abs(excess[chosen].sum(axis=1)) * total / (inside * (total - inside))
        return found

    # What equals the observed one in theory must count as one in floating point too.
    bound = float(apart(np.arange(first)[None, :])[0]) * (1 - 1e-9) - 1e-12
    if math.comb(blocks, first) <= _EXACT:
        every = np.array(list(combinations(range(blocks), first)), dtype=np.intp)
        return float((apart(every) >= bound).mean()), "exact rank-sum permutation test"
    random = np.random.RandomState(seed)
    count = 0
    for rows in chunks(draws, blocks):
        order = random.random_sample((rows.stop - rows.start, blocks)).argsort(axis=1)
        count += int((apart(order[:, :first]) >= bound).sum())
    return (count + 1) / (draws + 1), f"rank-sum permutation test, {draws:,} draws"


def _newcombe(chance: float, first: int, second: int, level: float) -> Interval:
    """Return Newcombe's interval of the chance that one of a group is above one of the other.

    Its ends are the chances that are just so far from the one observed as their own standard
    error allows.

    Args:
        chance: The share observed, 0..1.
        first: Independent members of the first group.
        second: Those of the second.
        level: Confidence level.
    """
    z, more = quantile(level), (first + second) / 2 - 1

    def likely(true: float) -> bool:
        overlap = (1 - true) / (2 - true) + true / (1 + true)
        variance = true * (1 - true) * (1 + more * overlap) / (first * second)
        return abs(chance - true) <= z * math.sqrt(variance)

    def end(outside: float) -> float:
        inside = chance
        for _ in range(_HALVINGS):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if likely(middle) else (inside, middle)
        return outside

    low = 0.0 if chance == 0 else end(0.0)
    high = 1.0 if chance == 1 else end(1.0)
    return Interval(low, high)
