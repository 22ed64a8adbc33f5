"""What a solution got on a split: a mean and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmopt.statistics import Interval, alike, bootstrap_mean, wilson

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmopt.types import Evaluation

LEVEL = 0.95
"""Usual confidence level of intervals."""


@dataclass(frozen=True)
class Score:
    """A mean with its interval over `n` items."""

    mean: float
    interval: Interval
    n: int


def _score(evaluation: Evaluation | None, level: float, groups: Mapping[str, str]) -> Score | None:
    """Return mean and interval: Wilson for equally weighted right/wrong, else bootstrap."""
    if evaluation is None or evaluation.score is None:
        return None
    known = [
        (o.score, o.weight, groups.get(o.item, o.item))
        for o in evaluation.outcomes
        if o.score is not None
    ]
    scores, weights, clusters = zip(*known, strict=True)
    if set(scores) <= {0.0, 1.0} and len(set(weights)) == 1 and len(set(clusters)) == len(scores):
        interval = wilson(sum(scores), len(scores), level)
    elif len(scores) > 1 and set(scores) in ({0.0}, {1.0}):  # nothing to draw from
        n = alike(weights, clusters)
        interval = wilson(scores[0] * n, n, level)
    elif len(scores) > 1:
        interval = bootstrap_mean(scores, weights, level, clusters=clusters)
    else:  # one value of a function has no spread to speak of
        interval = Interval(scores[0], scores[0])
    return Score(evaluation.score, interval, len(scores))


def score_of(
    evaluation: Evaluation | None,
    *,
    higher_is_better: bool,
    level: float = LEVEL,
    groups: Mapping[str, str] | None = None,
) -> Score | None:
    """Return mean and interval in the problem's own direction; None: nothing was measured.

    Args:
        evaluation: What was measured, if it was.
        higher_is_better: The problem's own direction.
        level: Confidence level of the interval.
        groups: Which group items belong to, by id; an item that is not there is its own.
    """
    score = _score(evaluation, level, groups or {})
    if score is None or higher_is_better:
        return score
    return Score(-score.mean, Interval(-score.interval.high, -score.interval.low), score.n)
