"""Noise of repeated answers: what comes from the draws, and what from the rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

_LEAST = 2  # rows, and answers to a row, that a variance takes
_MOST = 10  # answers to a row that are recommended at most


@dataclass(frozen=True, slots=True)
class DrawNoise:
    """The parts of the variance of a mean difference, per row (Miller 2024, section 4).

    Attributes:
        samples: Answers to each row, of each of the two.
        rows: Rows that both have all answers to.
        within: Variance of the difference on one row over fresh answers of both; for right or wrong
            answers the mean of ``p (1 - p) K / (K - 1)`` over rows, for both together.
        between: Variance of the true differences between rows, 0 or more.
        standard_error: Of the mean difference: the root of ``(between + within / K) / rows``.
        recommended: Answers to each row from which the draws say less than the rows; 1 to 10.
    """

    samples: int
    rows: int
    within: float
    between: float
    standard_error: float
    recommended: int


def draw_noise(
    first: Sequence[Sequence[float]], second: Sequence[Sequence[float]], samples: int
) -> DrawNoise | None:
    """Return the noise of the mean of ``second - first``, all rows counting the same.

    Args:
        first: For each row the scores of the first's answers.
        second: The second's, for the same rows in the same order.
        samples: Answers that a row has where none is missing; other rows are left out.

    Returns:
        None with fewer than 2 answers to a row, or fewer than 2 rows.

    Raises:
        ValueError: The two have different numbers of rows.
    """
    if len(first) != len(second):
        raise ValueError(f"two have the same rows, but got {len(first)} and {len(second)}")
    pairs = [
        (one, two)
        for one, two in zip(first, second, strict=True)
        if len(one) == len(two) == samples
    ]
    if samples < _LEAST or len(pairs) < _LEAST:
        return None
    scores = np.array(pairs, dtype=np.float64)  # row, side, answer
    within = float(scores.var(axis=2, ddof=1).sum(axis=1).mean())
    means = scores.mean(axis=2)
    seen = float((means[:, 1] - means[:, 0]).var(ddof=1))
    between = max(0.0, seen - within / samples)
    ratio = within / between if between else math.inf if within else 0.0
    return DrawNoise(
        samples=samples,
        rows=len(pairs),
        within=within,
        between=between,
        standard_error=math.sqrt((between + within / samples) / len(pairs)),
        recommended=max(1, math.ceil(min(ratio, _MOST))),
    )
