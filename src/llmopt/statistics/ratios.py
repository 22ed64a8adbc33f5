"""The ratio of two times, from paired measurements, with a bootstrap interval."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from llmopt.statistics.intervals import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

_DRAWS = 2000


def median_ratio(groups: Sequence[Sequence[float]]) -> float:
    """Return the geometric mean, over groups, of each group's median ratio.

    Args:
        groups: For each input, the ratios of its pairs; at least one, all above 0.
    """
    logs = [float(np.median(np.log(group))) for group in groups]
    return math.exp(sum(logs) / len(logs))


def ratio_interval(
    groups: Sequence[Sequence[float]], level: float = 0.95, seed: int = 0
) -> Interval:
    """Return the bootstrap interval of :func:`median_ratio`: pairs are drawn within each group.

    The inputs are taken as given: the interval is about these, measured again.

    Args:
        groups: As above.
        level: Confidence level, between 0 and 1.
        seed: Of the draws.
    """
    rng = np.random.RandomState(seed)
    total = np.zeros(_DRAWS)
    for group in groups:
        logs = np.log(np.asarray(group, dtype=np.float64))
        drawn = rng.randint(0, len(logs), size=(_DRAWS, len(logs)))
        total += np.median(logs[drawn], axis=1)
    tail = 50 * (1 - level)
    low, high = np.percentile(total / len(groups), [tail, 100 - tail])
    return Interval(math.exp(float(low)), math.exp(float(high)))
