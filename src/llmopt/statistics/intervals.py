"""Intervals of a mean score."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

DRAWS = 10_000
_CELLS = 1_000_000  # numbers held at once while drawing: 8 MB


@dataclass(frozen=True, slots=True)
class Interval:
    """A closed interval, ``low <= high``."""

    low: float
    high: float


def wilson(successes: float, n: int, level: float = 0.95) -> Interval:
    """Return Wilson's score interval of a share (Wilson 1927), without continuity correction.

    Args:
        successes: From 0 to `n`; a fraction is allowed, for weighted shares.
        n: Number of trials, at least 1.
        level: Confidence level, between 0 and 1.

    Raises:
        ValueError: An argument is out of its range.
    """
    z = quantile(level)
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
    draws: int = DRAWS,
    seed: int = 0,
    *,
    clusters: Sequence[Hashable] | None = None,
) -> Interval:
    """Return the expanded percentile bootstrap interval of the weighted mean.

    The plain percentile interval is too narrow for few items, so its percentiles are moved
    outwards as Student's t asks (Hesterberg 2015, section 5.3 "expanded percentile"). When all
    scores are equal the interval is that one point, whatever the number of items: for scores
    of 0 and 1 prefer :func:`wilson`.

    Items that belong together, such as several samples of one question, say less than as many
    independent ones. With `clusters`, whole clusters are drawn (Davison and Hinkley 1997,
    section 3.8), and it is their number that widens the percentiles.

    Args:
        scores: At least one finite number.
        weights: One above 0 per score; None for equal ones.
        level: Confidence level, between 0 and 1.
        draws: Number of resamples, at least 1.
        seed: Of the resampling.
        clusters: The cluster of each score; None: each score is its own.

    Raises:
        ValueError: An argument is out of its range.
    """
    values, shares = checked(scores, weights)
    # Products first, so that each resample is two sums over the same drawn indices.
    products = values * shares
    if clusters is not None:
        group = grouped(clusters, len(values))
        products, shares = summed(group, products), summed(group, shares)
    n = len(products)
    if draws < 1:
        raise ValueError(f"draws is at least 1, but got {draws}")
    tail = (1 - level) / 2
    if n > 1:
        wider = quantile(level, n - 1) * math.sqrt(n / (n - 1))
        tail = NormalDist().cdf(-wider)
    else:
        quantile(level)  # the level is checked for one item as well
    equal = bool((shares == 1).all())
    means = np.empty(draws)
    for rows, drawn in _resamples(draws, n, seed):
        means[rows] = products[drawn].sum(axis=1) / (n if equal else shares[drawn].sum(axis=1))
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(low), float(high))


def _resamples(draws: int, n: int, seed: int) -> Iterator[tuple[slice, NDArray[np.int_]]]:
    """Yield which of `n` are drawn in each resample, some resamples at a time."""
    if draws * n <= _CELLS:
        yield slice(0, draws), _drawn(draws, n, seed)
        return
    random = np.random.RandomState(seed)
    for rows in chunks(draws, n):
        yield rows, random.randint(0, n, size=(rows.stop - rows.start, n))


@lru_cache(maxsize=4)  # drawing takes most of the time, and a run compares as many items each time
def _drawn(draws: int, n: int, seed: int) -> NDArray[np.int_]:
    return np.random.RandomState(seed).randint(0, n, size=(draws, n))


def alike(weights: Sequence[float], clusters: Sequence[Hashable]) -> int:
    """Return how many independent items of equal weight say as much as these (Kish 1965).

    Args:
        weights: At least one, above 0.
        clusters: The cluster of each.
    """
    sums = summed(grouped(clusters, len(weights)), np.asarray(weights, dtype=np.float64))
    return round(float(sums.sum() ** 2 / (sums**2).sum()))


def grouped(clusters: Sequence[Hashable], n: int) -> NDArray[np.intp]:
    """Return the number of each item's cluster, counted from 0 in the order of appearance.

    Raises:
        ValueError: There are not as many labels as items.
    """
    if len(clusters) != n:
        raise ValueError(f"clusters are one per score, but got {len(clusters)} for {n}")
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(label, len(numbers)) for label in clusters], dtype=np.intp)


def summed(group: NDArray[np.intp], numbers: Floats) -> Floats:
    """Return the sum of the numbers of each cluster."""
    return np.asarray(np.bincount(group, numbers), dtype=np.float64)


def chunks(rows: int, width: int) -> Iterator[slice]:
    """Cut `rows` rows of `width` numbers into slices that are small in memory."""
    step = max(1, _CELLS // max(1, width))
    return (slice(start, min(rows, start + step)) for start in range(0, rows, step))


def checked(scores: Sequence[float], weights: Sequence[float] | None) -> tuple[Floats, Floats]:
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


def quantile(level: float, freedom: int | None = None) -> float:
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
