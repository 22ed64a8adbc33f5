"""The metrics of the papers on faster code: OPT, SP, SPEEDUP and best@k, from ratios of times.

A ratio is the original's time divided by the candidate's; a wrong candidate has none.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from llmopt.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

FASTER = 1 / 0.9
"""The least ratio of a program that takes at most 90 % of the original's time."""


def worth_of(ratio: float | None) -> float:
    """Return what a candidate counts as: its ratio, and 1 where it is wrong or slower."""
    return max(1.0, ratio) if ratio is not None else 1.0


def opt(ratios: Sequence[float | None]) -> float:
    """Return OPT: the share of programs that a right version makes at least 10 % faster.

    Args:
        ratios: One for each program, at least one; None: no right version was found.
    """
    return sum(worth_of(ratio) >= FASTER for ratio in ratios) / len(ratios)


def mean_gain(ratios: Sequence[float | None]) -> float:
    """Return SP as a share: the mean over programs of the ratio less 1; 0 where wrong or slower.

    PCO's SPEEDUP is 1 more.
    """
    return sum(worth_of(ratio) - 1 for ratio in ratios) / len(ratios)


def best_at(ratios: Sequence[float | None], k: int) -> float:
    """Return best@k: the expected best ratio of `k` of the candidates for a program.

    It is the mean over all choices of k of them, so that all candidates are used for each k:
    sorted from the lowest, the i-th of n is the best of ``C(i - 1, k - 1)`` of ``C(n, k)`` choices.

    Args:
        ratios: One for each candidate; None: it is wrong.
        k: 1 to their number.

    Raises:
        ConfigError: There are fewer candidates.
    """
    if not 1 <= k <= len(ratios):
        raise ConfigError(f"k is 1 to the number of candidates, {len(ratios)}, but got {k}")
    ordered = sorted(map(worth_of, ratios))
    ways = (math.comb(below, k - 1) * ratio for below, ratio in enumerate(ordered))
    return math.fsum(ways) / math.comb(len(ratios), k)
