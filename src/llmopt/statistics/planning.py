"""How many items a gain needs, and whether a lead that was seen will last."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from llmopt.statistics.intervals import quantile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_STEPS = 50  # of a bisection, after which a share is exact to the last digit that is shown


def lead_p_value(differences: Floats, weights: Floats) -> Floats:
    """Return how likely a lead as large as the one seen is if it does not last.

    The hypothesis: over *all* items the weighted sum of the differences is at most 0. Seen are
    the first of them, in an order that is random. The sum over n of N items seen then varies
    by the square root of ``n * (1 - n / N)`` times the root mean square difference, which is
    taken from the items seen; hence the closer n comes to N, the smaller a lead is enough, and
    a lead over all items is certain. The normal tail of this ratio is one-sided, with two
    safeguards for few items: one more difference of the largest size is assumed, and half of
    it is taken off the lead. For differences of -1, 0 and 1 and many items to come it is at
    least 4/5 of the p-value of the exact sign test where that is below 0.2. It remains an
    approximation: many small gains deceive it when a rare large loss has not been seen.

    Args:
        differences: One row per comparison, or a single row: the leader's score minus the
            other's on each item seen, 0 where one of the two is missing.
        weights: Of all N items, those seen first; above 0.

    Returns:
        One p-value per row; 1 where no item differs.

    Raises:
        ValueError: There are more differences than items.
    """
    seen, total = differences.shape[-1], len(weights)
    if seen > total:
        raise ValueError(f"differences are at most one per item, but got {seen} for {total}")
    moved = differences * weights[:seen]
    if seen == total:
        return np.where(moved.sum(axis=-1) > 0, 0.0, 1.0)
    largest = np.abs(differences).max(axis=-1, initial=0.0) * weights.max()
    lead = moved.sum(axis=-1) - largest / 2
    spread = np.sqrt(((moved**2).sum(axis=-1) + largest**2) * (1 - seen / total))
    ratio = np.divide(lead, spread, out=np.full_like(lead, -np.inf), where=spread > 0)
    tails = [math.erfc(value / math.sqrt(2)) / 2 for value in np.atleast_1d(ratio).tolist()]
    return np.array(tails).reshape(lead.shape)


def items_needed(
    gain: float, *, power: float = 0.8, level: float = 0.95, disagreement: float = 0.2
) -> int:
    """Return how many items a paired test of right and wrong answers needs to see a gain.

    Connor's formula for McNemar's test (Connor 1987).

    Args:
        gain: True difference of the two shares of right answers, above 0.
        power: Chance of finding it, between 0 and 1.
        level: Confidence level of the two-sided test, between 0 and 1.
        disagreement: Share of the items on which only one of the two is right, at least `gain`
            and at most 1. The more they disagree, the more items are needed.

    Raises:
        ValueError: An argument is out of its range.
    """
    if not 0 < gain <= disagreement <= 1:
        raise ValueError(
            f"a gain is above 0 and at most the disagreement, which is at most 1, but got {gain} "
            f"and {disagreement}"
        )
    return math.ceil(observations_needed(gain, disagreement, power=power, level=level))


def observations_needed(
    gain: float, square: float, *, power: float = 0.8, level: float = 0.95
) -> float:
    """Return how many independent differences a test of their mean needs, as a real number.

    Args:
        gain: Their true mean, above 0.
        square: Their mean square, at least the square of `gain`. For right and wrong answers
            it is the share of items on which only one of the two is right.
        power: Chance of finding it, between 0 and 1.
        level: Confidence level of the two-sided test, between 0 and 1.

    Raises:
        ValueError: An argument is out of its range.
    """
    if not 0 < power < 1:
        raise ValueError(f"power is between 0 and 1, but got {power}")
    tail = quantile(level) * math.sqrt(square)
    tail += NormalDist().inv_cdf(power) * math.sqrt(max(0.0, square - gain * gain))
    return (tail / gain) ** 2


def shown_gain(
    items: int, disagreement: float, *, power: float = 0.8, level: float = 0.95
) -> float:
    """Return the smallest gain that a paired test of right and wrong answers finds on some items.

    The reverse of :func:`items_needed`. A gain of more than the disagreement takes more
    disagreement; and so few items may differ that no test can reject, which :func:`least_shown`
    accounts for.

    Args:
        items: How many items there are, at least 1.
        disagreement: Share of the items on which only one of the two is right, above 0, at most 1.
        power: Chance of finding the gain, between 0 and 1.
        level: Confidence level of the two-sided test, between 0 and 1.

    Returns:
        A difference of two shares; 1 where the items show none.

    Raises:
        ValueError: An argument is out of its range.
    """
    if items < 1 or not 0 < disagreement <= 1:
        raise ValueError(
            "items are at least 1 and a disagreement is above 0 and at most 1, but got "
            f"{items} and {disagreement}"
        )
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        gain = (low + high) / 2
        square = max(gain, disagreement)
        if observations_needed(gain, square, power=power, level=level) > items:
            low = gain
        else:
            high = gain
    return max(high, least_shown(items, power=power, level=level))


def least_shown(
    items: int, *, power: float = 0.8, level: float = 0.95, doubled: bool = False
) -> float:
    """Return the share of items on which one must win so that a test finds it at all.

    However one-sided the differences are, a test can only reject from some number of them on: at
    95 %, from five (mid-p) or six (sign flips). This is the share of items that must differ for
    that many to be seen with the given chance.

    Args:
        items: How many items there are, at least 1.
        power: Chance of seeing that many, between 0 and 1.
        level: Confidence level of the two-sided test, between 0 and 1.
        doubled: Whether the p-value of k differences in one direction is ``2 * 0.5**k``, as of
            sign flips, and not ``0.5**k``, as of the mid-p value.

    Returns:
        A share; 1 where there are too few items for any difference.
    """
    fewest = 1
    while (1 + doubled) * 0.5**fewest >= 1 - level:
        fewest += 1
    if items < fewest:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        share = (low + high) / 2
        missed = sum(
            math.comb(items, k) * share**k * (1 - share) ** (items - k) for k in range(fewest)
        )
        low, high = (share, high) if missed > 1 - power else (low, share)
    return high


def detectable(
    sums: Floats, shares: Floats, *, binary: bool, plain: bool, level: float = 0.95
) -> float | None:
    """Return the smallest true mean difference that items like these show in four of five cases.

    ``(z(1 - alpha/2) + z(0.8)) * sqrt(q / n)``, where q is the mean square difference and n the
    number of independent differences. A gain and a loss are added to those seen, so that few
    differences are not taken for none. For right and wrong answers it is not below
    :func:`least_shown`. It depends on the items and on how often the two disagree, and hardly
    on which of them was better.

    Args:
        sums: Weighted differences, one for each group of items that belong together.
        shares: Weight of each group, above 0.
        binary: Whether all scores are 0 or 1; then the result is at most 1, which means that
            there are too few items to show any difference.
        plain: Whether the test is McNemar's, and not the one of sign flips.
        level: Confidence level of the two-sided test, between 0 and 1.

    Returns:
        None where the differences say nothing about it: none was seen, or there are too few.
    """
    floor = least_shown(len(sums), level=level, doubled=not plain)
    largest = float(shares.max() if binary else np.abs(sums).max())
    if not binary and (floor >= 1 or not largest):
        return None
    total = float(shares.sum()) * (len(sums) + 2) / len(sums)
    root = math.sqrt(float((sums**2).sum()) + 2 * largest**2) / total
    found = (quantile(level) + NormalDist().inv_cdf(0.8)) * root
    return min(1.0, max(found, floor)) if binary else found
