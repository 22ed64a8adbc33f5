"""A judge's scores corrected by rows that people have labelled (prediction-powered inference)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from llmopt.statistics.intervals import Interval, quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

_LEAST = 2  # rows that a variance takes
_FEW_DIFFER = 5  # fewer labelled rows that differ are too few to take the variance from


@dataclass(frozen=True, slots=True)
class JudgeBias:
    """How much higher a judge scores than people do.

    Attributes:
        mean: Mean of the judge's score minus people's, on labelled rows.
        interval: Of the mean.
        variance: Of the mean.
        n: Labelled rows.
        level: Confidence level of the interval.
    """

    mean: float
    interval: Interval
    variance: float
    n: int
    level: float = 0.95


@dataclass(frozen=True, slots=True)
class CorrectedMean:
    """What people would score on average, as estimated from a judge's scores.

    Attributes:
        mean: The judge's mean minus its bias.
        interval: Of the mean.
        judged: Rows that the judge has scored.
        labelled: Rows that the bias was measured on.
    """

    mean: float
    interval: Interval
    judged: int
    labelled: int


def judge_bias(
    judged: Sequence[float], labels: Sequence[float], level: float = 0.95
) -> JudgeBias | None:
    """Return how much higher a judge scores than people, with Student's interval.

    Where fewer than 5 rows differ, a difference of 1 in each direction is added to the variance,
    as in the interval of Bonett and Price (2012): agreement on a few rows does not rule out a
    bias.

    Args:
        judged: The judge's scores, 0 to 1.
        labels: People's scores of the same answers, 0 to 1, in the same order.
        level: Confidence level, between 0 and 1.

    Returns:
        None with fewer than 2 rows.

    Raises:
        ValueError: The lengths differ, or the level is out of its range.
    """
    if len(judged) != len(labels):
        raise ValueError(f"scores are one per label, but got {len(judged)} and {len(labels)}")
    n = len(labels)
    if n < _LEAST:
        return None
    change = np.asarray(judged, dtype=np.float64) - np.asarray(labels, dtype=np.float64)
    mean = float(change.mean())
    few = int((change != 0).sum()) < _FEW_DIFFER
    spread = np.append(change, (1.0, -1.0)) if few else change
    variance = float(spread.var(ddof=1)) / n
    half = quantile(level, n - 1) * math.sqrt(variance)
    interval = Interval(max(-1.0, mean - half), min(1.0, mean + half))
    return JudgeBias(mean, interval, variance, n, level)


def corrected_mean(scores: Sequence[float], bias: JudgeBias) -> CorrectedMean:
    """Return the mean that people would give, from a judge's scores on other rows.

    It is the judge's mean minus its bias; its variance is the sum of both (Angelopoulos et al.
    2023, prediction-powered inference for a mean), its interval Student's with the degrees of
    freedom of Welch and Satterthwaite. The labelled answers have to be of the same kind as the
    scored ones: a judge may be biased for one instruction and not for another.

    Args:
        scores: The judge's scores on rows without a label, at least 2, 0 to 1.
        bias: From labelled rows.

    Raises:
        ValueError: There are fewer than 2 scores.
    """
    n = len(scores)
    if n < _LEAST:
        raise ValueError(f"scores are at least {_LEAST}, but got {n}")
    values = np.asarray(scores, dtype=np.float64)
    own = float(values.var(ddof=1)) / n
    total = own + bias.variance
    shares = own**2 / (n - 1) + bias.variance**2 / (bias.n - 1)
    freedom = max(1, math.floor(total**2 / shares)) if shares else n - 1
    half = quantile(bias.level, freedom) * math.sqrt(total)
    mean = float(values.mean()) - bias.mean
    return CorrectedMean(mean, Interval(mean - half, mean + half), n, bias.n)
