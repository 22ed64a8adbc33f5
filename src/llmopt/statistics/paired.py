"""Two on the same items: intervals and tests of their difference."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from llmopt.statistics.intervals import (
    DRAWS,
    Interval,
    bootstrap_mean,
    checked,
    chunks,
    grouped,
    quantile,
    summed,
)
from llmopt.statistics.planning import detectable, observations_needed

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_EXACT_FLIPS = 12  # non-zero differences up to which all sign patterns are enumerated
_FEW_DIFFER = 5  # fewer differing items than this are too few to draw from
_NOTHING = 1e-12  # a smaller difference is a rounding error


@dataclass(frozen=True, slots=True)
class Difference:
    """How much better the second of two is than the first, on the same items.

    Attributes:
        mean: Weighted mean of ``second - first``; above 0 the second is better.
        interval: Of the mean.
        p_value: Two-sided; of the hypothesis that the two do not differ.
        n: Number of items.
        wins: Items on which the second scored higher.
        losses: Items on which the first scored higher.
        ties: Items on which both scored the same.
        method: The test that gave the p-value, as a report writes it.
        needed: Items like these that find a true difference of this size in four of five
            cases; None where there is no difference. It is kept for those who read it, and is
            not printed: it takes a difference that may be luck for the true one.
        detectable: The smallest true difference that these items show in four of five cases;
            see :func:`~llmopt.statistics.planning.detectable`. None where that is not known.
    """

    mean: float
    interval: Interval
    p_value: float
    n: int
    wins: int
    losses: int
    ties: int
    method: str
    needed: int | None = None
    detectable: float | None = None


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Return the two-sided exact p-value of McNemar's test.

    Args:
        only_first: Items that only the first got right, at least 0.
        only_second: Items that only the second got right, at least 0.

    Raises:
        ValueError: A count is below 0.
    """
    if only_first < 0 or only_second < 0:
        raise ValueError(f"counts are at least 0, but got {only_first} and {only_second}")
    n = only_first + only_second
    # The tail of a fair coin in whole numbers: the one rounding is the division at the end.
    term = tail = 1
    for k in range(min(only_first, only_second)):
        term = term * (n - k) // (k + 1)
        tail += term
    return float(min(1.0, 2 * tail / 2**n))


def mcnemar_mid_p(only_first: int, only_second: int) -> float:
    """Return the two-sided mid-p value of McNemar's test.

    The exact test counts the whole probability of what was seen as at least as extreme; that
    makes it too strict: at 5 % it rejects a true hypothesis in 1 to 4 % of all cases with 30 to
    300 items. The mid-p value counts half of it, and hardly ever rejects more often than it
    says (Fagerland, Lydersen and Laake 2013, who recommend it over the exact test).

    Args:
        only_first: Items that only the first got right, at least 0.
        only_second: Items that only the second got right, at least 0.

    Raises:
        ValueError: A count is below 0.
    """
    exact = mcnemar_exact(only_first, only_second)
    if only_first == only_second:
        return 1.0
    n = only_first + only_second
    return float(exact - math.comb(n, only_first) / 2**n)


def paired_difference(
    first: Sequence[float],
    second: Sequence[float],
    weights: Sequence[float] | None = None,
    level: float = 0.95,
    seed: int = 0,
    *,
    clusters: Sequence[Hashable] | None = None,
    draws: int = DRAWS,
) -> Difference:
    """Compare two on the same items; above 0 means that the second is better.

    The p-value is McNemar's mid-p when every score is 0 or 1, all weights are equal and every
    item is a cluster of its own. Otherwise it comes from a sign-flip permutation test of the
    weighted mean, in which a cluster keeps together: exact for up to 12 clusters that differ,
    else from seeded draws with the observed one counted among them, so that it is
    never 0.

    The interval is the bootstrap's. Where right or wrong answers differ in fewer than 5 clusters
    it has next to nothing to draw from; there it is the adjusted Wald interval of Bonett and
    Price (2012), which never is a single point. Where clusters weigh unequally, the two answers
    that it adds weigh as much as the heaviest one.

    Args:
        first: Scores of the first, at least one, finite.
        second: Scores of the second on the same items in the same order.
        weights: One above 0 per item; None for equal ones.
        level: Confidence level of the interval, between 0 and 1.
        seed: Of the bootstrap and of the permutations.
        clusters: The cluster of each item; None: each is its own.
        draws: Of the bootstrap and of the permutations, at least 1.

    Raises:
        ValueError: The lengths differ, or an argument is out of its range.
    """
    if len(first) != len(second):
        raise ValueError(
            f"two score lists are equally long, but got {len(first)} and {len(second)}"
        )
    before, shares = checked(first, weights)
    after, _ = checked(second, weights)
    change = after - before
    n = len(change)
    group = np.arange(n) if clusters is None else grouped(clusters, n)
    wins, losses = int((change > 0).sum()), int((change < 0).sum())
    single = bool((np.bincount(group) == 1).all())
    binary = bool(np.isin(np.concatenate([before, after]), (0.0, 1.0)).all())
    plain = binary and single and bool((shares == shares[0]).all())
    if plain:
        p_value, method = mcnemar_mid_p(losses, wins), "McNemar mid-p test"
    else:
        p_value, method = _sign_flips(summed(group, change * shares), draws, seed)
        method += "" if single else f" over {group.max() + 1:,} groups"
    sums = summed(group, change * shares)
    if binary and int((np.abs(sums) > _NOTHING).sum()) < _FEW_DIFFER:
        interval = _bonett_price(sums, summed(group, shares), level)
    else:
        interval = bootstrap_mean(
            change.tolist(), shares.tolist(), level, draws, seed, clusters=group.tolist()
        )
    return Difference(
        mean=float((change * shares).sum() / shares.sum()),
        interval=interval,
        p_value=p_value,
        n=n,
        wins=wins,
        losses=losses,
        ties=n - wins - losses,
        method=method,
        needed=_needed(change, shares, group, level),
        detectable=detectable(sums, summed(group, shares), binary=binary, plain=plain, level=level),
    )


def _bonett_price(sums: Floats, shares: Floats, level: float) -> Interval:
    """Return the interval of a difference of two paired shares, with a success added to each.

    Args:
        sums: Weighted differences, one per cluster.
        shares: Weight of each cluster; the two that are added weigh as much as the largest.
        level: Confidence level.
    """
    largest = float(shares.max())
    total = float(shares.sum()) + 2 * largest
    centre = float(sums.sum()) / total
    # The two that are added, a gain and a loss, cancel in the sum and count in its spread.
    square = float(((sums - centre * shares) ** 2).sum()) + 2 * largest**2 * (1 + centre**2)
    half = quantile(level) * math.sqrt(square) / total
    return Interval(max(-1.0, centre - half), min(1.0, centre + half))


def _needed(change: Floats, shares: Floats, group: NDArray[np.intp], level: float) -> int | None:
    """Return how many items show a true difference of the size that was seen, or None."""
    sums = summed(group, change * shares) / shares.sum()
    gain = abs(float(sums.sum()))
    if gain <= _NOTHING:
        return None
    # Items as many and as alike as these: the mean of clusters has n times the variance of one.
    square = float((sums**2).sum()) * len(sums)
    clusters = observations_needed(gain, square, level=level)
    return math.ceil(clusters * len(change) / len(sums))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Return Holm's step-down adjusted p-values (Holm 1979), in the given order.

    Raises:
        ValueError: A p-value is not from 0 to 1.
    """
    if not all(0 <= p <= 1 for p in p_values):
        raise ValueError(f"p-values are from 0 to 1, but got {tuple(p_values)}")
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return tuple(adjusted)


def _sign_flips(change: Floats, draws: int, seed: int) -> tuple[float, str]:
    """Return the two-sided p-value of the sum of `change` under random signs, and its name."""
    moved = change[change != 0]
    # A sum that equals the observed one in theory must count as one in floating point too.
    bound = abs(moved.sum()) - 1e-12 * np.abs(moved).sum()
    if len(moved) <= _EXACT_FLIPS:
        patterns = np.arange(2 ** len(moved))[:, None] >> np.arange(len(moved)) & 1
        extreme = np.abs((2 * patterns - 1) @ moved) >= bound
        return float(extreme.mean()), "exact sign-flip permutation test"
    random = np.random.RandomState(seed)
    count = 0
    for rows in chunks(draws, len(moved)):
        signs = 2 * random.randint(0, 2, size=(rows.stop - rows.start, len(moved))) - 1
        count += int((np.abs(signs @ moved) >= bound).sum())
    return (count + 1) / (draws + 1), f"sign-flip permutation test, {draws:,} draws"
