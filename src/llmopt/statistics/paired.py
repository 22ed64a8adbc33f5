"""Two on the same items: intervals and tests of their difference."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from llmopt.statistics.added import CHANGES, Added, added, mostly_agree
from llmopt.statistics.intervals import (
    DRAWS,
    Interval,
    bootstrap_mean,
    checked,
    chunks,
    grouped,
    summed,
)
from llmopt.statistics.planning import detectable, observations_needed

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_EXACT_FLIPS = 12  # non-zero differences up to which all sign patterns are enumerated
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
    classes: Sequence[Hashable] | None = None,
    draws: int = DRAWS,
) -> Difference:
    """Compare two on the same items; above 0 means that the second is better.

    The p-value is McNemar's mid-p when every score is 0 or 1, all weights are equal and every
    item is a cluster of its own. Otherwise it comes from a sign-flip permutation test of the
    weighted mean, in which a cluster keeps together: exact for up to 12 clusters that differ,
    else from seeded draws with the observed one counted among them, so that it is
    never 0.

    The interval is the bootstrap's. Where scores from 0 to 1 changed by the same amount in all
    but fewer than 5 clusters, the bootstrap has next to nothing to draw from; there it is the
    adjusted Wald interval of Bonett and Price (2012), which is never a single point. Where
    clusters weigh unequally, the two answers that it adds weigh as much as the heaviest one.

    Where weights make classes count the same, a few answers of a rare class decide, and neither
    sign flips nor a bootstrap notices that its other answers might be lost. With `classes`,
    interval and p-value are the adjusted Wald ones class by class (:func:`added`), and agree.

    Args:
        first: Scores of the first, at least one, finite.
        second: Scores of the second on the same items in the same order.
        weights: One above 0 per item; None for equal ones.
        level: Confidence level of the interval, between 0 and 1.
        seed: Of the bootstrap and of the permutations.
        clusters: The cluster of each item; None: each is its own.
        classes: The class of each item, where weights make classes count the same; scores are
            then from 0 to 1.
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
    pairs = _Pairs(before, after, shares, group, classes)
    p_value, method = pairs.tested(draws, seed)
    interval = pairs.interval(level, draws, seed)
    sums, weighed = summed(group, change * shares), summed(group, shares)
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
        detectable=detectable(sums, weighed, binary=pairs.binary, plain=pairs.plain, level=level),
    )


@dataclass(frozen=True)
class _Pairs:
    """Scores of two on the same items, with the weight, cluster and class of each item."""

    before: Floats
    after: Floats
    shares: Floats
    group: NDArray[np.intp]
    classes: Sequence[Hashable] | None

    @property
    def binary(self) -> bool:
        """Whether all scores are 0 or 1."""
        return bool(np.isin(np.concatenate([self.before, self.after]), (0.0, 1.0)).all())

    @property
    def plain(self) -> bool:
        """Whether McNemar's test fits: right and wrong answers to items that count the same."""
        equal = bool((self.shares == self.shares[0]).all())
        return self.classes is None and self.binary and self._single and equal

    @property
    def _single(self) -> bool:
        return bool((np.bincount(self.group) == 1).all())

    def tested(self, draws: int, seed: int) -> tuple[float, str]:
        """Return the p-value of the difference, and the name of the test that gave it."""
        over = "" if self._single else f" over {self.group.max() + 1:,} groups"
        change = self.after - self.before
        if self.classes is not None:
            return self._added().p_value, f"adjusted Wald test, class by class{over}"
        if self.plain:
            wins, losses = int((change > 0).sum()), int((change < 0).sum())
            return mcnemar_mid_p(losses, wins), "McNemar mid-p test"
        p_value, method = _sign_flips(summed(self.group, change * self.shares), draws, seed)
        return p_value, method + over

    def interval(self, level: float, draws: int, seed: int) -> Interval:
        """Return the interval of the difference."""
        change, group = (self.after - self.before).tolist(), self.group.tolist()
        both = np.concatenate([self.before, self.after])
        within = both.min() >= 0 and both.max() <= 1
        if self.classes is not None or (within and mostly_agree(change, group)):
            return self._added().interval(level)
        return bootstrap_mean(change, self.shares.tolist(), level, draws, seed, clusters=group)

    def _added(self) -> Added:
        change, group = (self.after - self.before).tolist(), self.group.tolist()
        shares = self.shares.tolist()
        return added(change, shares, ends=CHANGES, clusters=group, classes=self.classes)


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
