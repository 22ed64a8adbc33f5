"""What the next steps of a search are expected to gain, from the scores of the steps so far."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

WINDOW = 3
"""Steps of whose scores the next ones are expected to be."""

_TREND = 4  # steps whose means show a trend
_FEW = 6  # solutions from which a spread can be estimated
_LEAST = 1e-6  # variance
_LARGEST, _POINTS = 0.5, 400  # of the grid of gains


def further_gain(steps: Sequence[tuple[Floats, Floats]], ahead: int) -> float | None:
    """Return by how much the best solution is expected to be improved, in units of the scores.

    True scores of new solutions are normal, with mean and spread of the last steps that found
    something new, and the mean continues to rise as it has, where it did. Only as much of a score
    counts as is not luck (as with empirical Bayes), of the best one so far too. The
    expectation is that of the largest of all new ones above the best so far.

    Args:
        steps: For each step, the scores of its new solutions and the variance of each score's
            luck.
        ahead: Steps that follow, 0 or more.

    Returns:
        The gain, 0 or more; None: too little is known, of fewer than two steps with something new.
    """
    known = [(scores, luck) for scores, luck in steps if len(scores)]
    last = known[-WINDOW:]
    scores = np.concatenate([s for s, _ in last]) if last else np.empty(0)
    if len(last) < WINDOW - 1 or len(scores) < _FEW:
        return None
    luck = float(np.concatenate([n for _, n in last]).mean())
    spread = max(_LEAST, float(scores.var(ddof=1)) - luck) * (1 + 1 / len(scores))
    best = max(_shrunk(s, n, spread) for s, n in known)
    width = math.sqrt(spread * spread / (spread + luck))
    each, mean, slope = len(scores) / len(last), float(scores.mean()), _slope(known[-_TREND:])
    gains = np.linspace(0, _LARGEST, _POINTS)
    below = np.zeros(_POINTS)
    for step in range(1, ahead + 1):
        level = mean + slope * (step + (len(last) - 1) / 2)
        below += each * np.log(np.clip(_normal((best + gains - level) / width), 1e-300, 1.0))
    return float((1 - np.exp(below)).sum() * (gains[1] - gains[0]))


def _shrunk(scores: Floats, luck: Floats, spread: float) -> float:
    """Return the best score of a step without the luck that is to be expected of it."""
    mean = scores.mean()
    own = max(spread, float(scores.var()) - float(luck.mean()))
    return float((mean + (scores - mean) * own / (own + luck)).max())


def _slope(steps: Sequence[tuple[Floats, Floats]]) -> float:
    """Return by how much the mean rises from step to step; 0 where it does not."""
    if len(steps) < WINDOW:
        return 0.0
    means = np.array([scores.mean() for scores, _ in steps])
    at = np.arange(len(means)) - (len(means) - 1) / 2
    return max(0.0, float((at * means).sum() / (at * at).sum()))


def _normal(z: Floats) -> Floats:
    """Return the standard normal distribution function."""
    found: Floats = np.array([0.5 * math.erfc(-x / math.sqrt(2)) for x in z])
    return found
