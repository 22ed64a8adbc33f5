"""Intervals, paired tests and corrections: pure functions of numbers, numpy only.

Scores are numbers where higher is better, one per item, in item order. Random draws come from
the `seed` argument alone, through ``numpy.random.RandomState``, whose streams are frozen: the
same arguments give the same figures on every machine and with every numpy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_DRAWS = 10_000
_CELLS = 1_000_000  # numbers held at once while drawing: 8 MB
_EXACT_FLIPS = 12  # non-zero differences up to which all sign patterns are enumerated


@dataclass(frozen=True, slots=True)
class Interval:
    """A closed interval, ``low <= high``."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """How much better the second of two is than the first, on the same items.

    Attributes:
        mean: Weighted mean of ``second - first``; above 0 the second is better.
        interval: Paired bootstrap interval of the mean.
        p_value: Two-sided; of the hypothesis that the two do not differ.
        n: Number of items.
        wins: Items on which the second scored higher.
        losses: Items on which the first scored higher.
        ties: Items on which both scored the same.
        method: The test that gave the p-value, as a report writes it.
    """

    mean: float
    interval: Interval
    p_value: float
    n: int
    wins: int
    losses: int
    ties: int
    method: str


def wilson(successes: float, n: int, level: float = 0.95) -> Interval:
    """Return Wilson's score interval of a share (Wilson 1927), without continuity correction.

    Args:
        successes: From 0 to `n`; a fraction is allowed, for weighted shares.
        n: Number of trials, at least 1.
        level: Confidence level, between 0 and 1.

    Raises:
        ValueError: An argument is out of its range.
    """
    z = _quantile(level)
    if n < 1:
        raise ValueError(f"n is at least 1, but got {n}")
    if not 0 <= successes <= n:
        raise ValueError(f"successes is from 0 to n = {n}, but got {successes}")
    share = successes / n
    scale = 1 + z * z / n
    centre = (share + z * z / (2 * n)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # The two ends below are exact in theory and off by a rounding error in floating point.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return Interval(low, high)


def bootstrap_mean(
    scores: Sequence[float],
    weights: Sequence[float] | None = None,
    level: float = 0.95,
    draws: int = _DRAWS,
    seed: int = 0,
) -> Interval:
    """Return the expanded percentile bootstrap interval of the weighted mean.

    The plain percentile interval is too narrow for few items, so its percentiles are moved
    outwards as Student's t asks (Hesterberg 2015, section 5.3 "expanded percentile"). When all
    scores are equal the interval is that one point, whatever the number of items: for scores
    of 0 and 1 prefer :func:`wilson`.

    Args:
        scores: At least one finite number.
        weights: One above 0 per score; None for equal ones.
        level: Confidence level, between 0 and 1.
        draws: Number of resamples, at least 1.
        seed: Of the resampling.

    Raises:
        ValueError: An argument is out of its range.
    """
    values, shares = _checked(scores, weights)
    n = len(values)
    if draws < 1:
        raise ValueError(f"draws is at least 1, but got {draws}")
    tail = (1 - level) / 2
    if n > 1:
        wider = _quantile(level, n - 1) * math.sqrt(n / (n - 1))
        tail = NormalDist().cdf(-wider)
    else:
        _quantile(level)  # the level is checked for one item as well
    random = np.random.RandomState(seed)
    # Products first, so that each resample is two sums over the same drawn indices.
    products = values * shares
    means = np.empty(draws)
    for rows in _chunks(draws, n):
        drawn = random.randint(0, n, size=(rows.stop - rows.start, n))
        means[rows] = products[drawn].sum(axis=1) / shares[drawn].sum(axis=1)
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(low), float(high))


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


def paired_difference(
    first: Sequence[float],
    second: Sequence[float],
    weights: Sequence[float] | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> Difference:
    """Compare two on the same items; above 0 means that the second is better.

    The p-value is McNemar's exact one when every score is 0 or 1 and all weights are equal.
    Otherwise it comes from a sign-flip permutation test of the weighted mean: exact for up to
    12 items that differ, else from 10,000 seeded draws with the observed one counted among
    them, so that it is never 0.

    Args:
        first: Scores of the first, at least one, finite.
        second: Scores of the second on the same items in the same order.
        weights: One above 0 per item; None for equal ones.
        level: Confidence level of the interval, between 0 and 1.
        seed: Of the bootstrap and of the permutations.

    Raises:
        ValueError: The lengths differ, or an argument is out of its range.
    """
    if len(first) != len(second):
        raise ValueError(
            f"two score lists are equally long, but got {len(first)} and {len(second)}"
        )
    before, shares = _checked(first, weights)
    after, _ = _checked(second, weights)
    change = after - before
    wins, losses = int((change > 0).sum()), int((change < 0).sum())
    binary = bool(np.isin(np.concatenate([before, after]), (0.0, 1.0)).all())
    if binary and bool((shares == shares[0]).all()):
        p_value, method = mcnemar_exact(losses, wins), "exact McNemar test"
    else:
        p_value, method = _sign_flips(change * shares, seed)
    return Difference(
        mean=float((change * shares).sum() / shares.sum()),
        interval=bootstrap_mean(change.tolist(), shares.tolist(), level, seed=seed),
        p_value=p_value,
        n=len(change),
        wins=wins,
        losses=losses,
        ties=len(change) - wins - losses,
        method=method,
    )


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

    Connor's formula for McNemar's test (Connor 1987), and ``1 / gain`` items more, because the
    exact test is a little stricter than the normal tail in the formula.

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
    if not 0 < power < 1:
        raise ValueError(f"power is between 0 and 1, but got {power}")
    tail = _quantile(level) * math.sqrt(disagreement)
    tail += NormalDist().inv_cdf(power) * math.sqrt(disagreement - gain * gain)
    return math.ceil((tail / gain) ** 2 + 1 / gain)


def _sign_flips(change: Floats, seed: int) -> tuple[float, str]:
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
    for rows in _chunks(_DRAWS, len(moved)):
        signs = 2 * random.randint(0, 2, size=(rows.stop - rows.start, len(moved))) - 1
        count += int((np.abs(signs @ moved) >= bound).sum())
    return (count + 1) / (_DRAWS + 1), f"sign-flip permutation test, {_DRAWS:,} draws"


def _chunks(rows: int, width: int) -> Iterator[slice]:
    """Cut `rows` rows of `width` numbers into slices that are small in memory."""
    step = max(1, _CELLS // max(1, width))
    return (slice(start, min(rows, start + step)) for start in range(0, rows, step))


def _checked(scores: Sequence[float], weights: Sequence[float] | None) -> tuple[Floats, Floats]:
    """Return scores and weights as arrays of one length, or raise ValueError."""
    values = np.asarray(scores, dtype=np.float64)
    shares = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    if len(values) == 0:
        raise ValueError("scores are at least one, but got none")
    if not np.isfinite(values).all():
        raise ValueError(f"scores are finite, but got {values[~np.isfinite(values)][0]}")
    if len(shares) != len(values):
        raise ValueError(f"weights are one per score, but got {len(shares)} for {len(values)}")
    if not (np.isfinite(shares) & (shares > 0)).all():
        raise ValueError(f"weights are finite and above 0, but the smallest is {shares.min()}")
    return values, shares


def _quantile(level: float, freedom: int | None = None) -> float:
    """Return the two-sided quantile of the normal, or of Student's t with `freedom` >= 1."""
    if not 0 < level < 1:
        raise ValueError(f"level is between 0 and 1, but got {level}")
    z = NormalDist().inv_cdf((1 + level) / 2)
    if freedom is None:
        return z
    # Abramowitz and Stegun 26.7.5: off by less than 1 % from 4 degrees of freedom on.
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + math.fsum(term / freedom**power for power, term in enumerate(terms, start=1))
