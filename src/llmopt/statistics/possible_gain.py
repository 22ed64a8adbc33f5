"""How much a search may still gain, from a few candidates and the start, on the same items.

Scores are additive: what a solution is worth, how easy an item is, and noise of their own. What
candidates are worth above the start is normal, with a mean and a spread that are learned from the
candidates measured so far. A search then draws as many as it is planned to, and chooses one by
noisy scores. All of it is simulated from the posterior, so its interval holds what is not known of
the mean and the spread as well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_USUAL_SPREAD, _DOUBT = 0.03, 1.0  # median of the spread, and the deviation of its logarithm
_SPREADS = np.exp(np.linspace(math.log(0.002), math.log(0.4), 60))
_DRAWS = 4_000
_LEAST_NOISE = 1e-4  # variance of a score, where all measured ones are equal


@dataclass(frozen=True)
class PossibleGain:
    """What a search as planned is expected to gain; shares of 1.

    Attributes:
        mean: Of the true gain of the solution that it would choose.
        low: Lower end of the 80 % interval.
        high: Upper end.
        over: Probability that the gain is larger than what is worth while.
    """

    mean: float
    low: float
    high: float
    over: float


def possible_gain(
    scores: Floats, *, planned: int, rows: float, worth: float, seed: int = 0
) -> PossibleGain:
    """Return what a search may gain.

    Args:
        scores: The start in the first row, then two candidates or more; a column per item, NaN
            where there is no score. A candidate shares two items with the start or more.
        planned: Candidates that the search will try, 1 or more.
        rows: Items by whose scores it chooses among them.
        worth: The gain above which `over` counts.
        seed: Of the simulation.
    """
    noise = _noise(scores)
    gains, precision = _gains(scores, noise)
    cov = np.linalg.inv(precision)
    values, vectors = np.linalg.eigh(cov)
    turned, ones = vectors.T @ gains, vectors.T @ np.ones(len(gains))
    width = values[:, None] + _SPREADS[None] ** 2
    level = (ones**2 @ (1 / width), (ones * turned) @ (1 / width))
    mean = level[1] / level[0]
    miss = (turned[:, None] - ones[:, None] * mean) ** 2 / width
    fit = -0.5 * (np.log(width).sum(axis=0) + np.log(level[0]) + miss.sum(axis=0))
    prior = -0.5 * (np.log(_SPREADS / _USUAL_SPREAD) / _DOUBT) ** 2
    weight = np.exp(fit + prior - (fit + prior).max())
    random = np.random.RandomState(seed)
    at = random.choice(len(_SPREADS), _DRAWS, p=weight / weight.sum())
    means = mean[at] + random.normal(size=_DRAWS) / np.sqrt(level[0][at])
    drawn = means[:, None] + _SPREADS[at][:, None] * random.normal(size=(_DRAWS, planned))
    drawn = np.hstack([np.zeros((_DRAWS, 1)), drawn])
    seen = drawn + math.sqrt(noise / rows) * random.normal(size=drawn.shape)
    found = drawn[np.arange(_DRAWS), seen.argmax(axis=1)]
    low, high = np.quantile(found, [0.1, 0.9])
    over = float(np.mean(found > worth))
    return PossibleGain(float(found.mean()), float(low), float(high), over)


def _noise(scores: Floats) -> float:
    """Return the variance of a score that neither solution nor item explains."""
    differences = scores[1:] - scores[0]
    counts = (~np.isnan(differences)).sum(axis=1)
    centred = differences - np.nanmean(differences, axis=1, keepdims=True)
    free = max(1, int((counts - 1).sum()))
    return max(_LEAST_NOISE, float(np.nansum(centred**2)) / free / 2)


def _gains(scores: Floats, noise: float) -> tuple[Floats, Floats]:
    """Return the estimates of what candidates gain on the start, and their precision matrix."""
    seen = ~np.isnan(scores)
    size = np.maximum(1, seen.sum(axis=0))
    given = np.where(seen, scores, 0.0)
    centred = np.where(seen, given - given.sum(axis=0) / size, 0.0)
    shares = seen.astype(float)
    matrix = np.diag(shares.sum(axis=1)) - (shares / size) @ shares.T
    matrix = matrix[1:, 1:] + 1e-9 * np.eye(len(scores) - 1)
    gains: Floats = np.linalg.solve(matrix, centred.sum(axis=1)[1:])
    return gains, matrix / noise
