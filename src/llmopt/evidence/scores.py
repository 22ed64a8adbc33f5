"""A solution's mean score on a split, with its interval."""

from __future__ import annotations

from dataclasses import dataclass
from operator import mul
from typing import TYPE_CHECKING, Any

from llmopt.evidence.classes import classes_of
from llmopt.statistics import Interval, added, alike, bootstrap_mean, mostly_agree, wilson

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from llmopt.core.presentation import Presentation
    from llmopt.core.values import Evaluation

LEVEL = 0.95
"""Usual confidence level of intervals."""


@dataclass(frozen=True)
class Score:
    """A mean with its interval.

    Attributes:
        mean: Over the items that were measured.
        interval: Of the mean.
        n: How many items were measured.
        planned: How many a full score has; where it is more than `n`, this one is partial.
    """

    mean: float
    interval: Interval
    n: int
    planned: int

    @classmethod
    def plain(cls, data: Mapping[str, Any]) -> Score:
        """Rebuild a score from what ``asdict`` made of it, also by way of JSON.

        One of an older run does not say how many items were planned: it counts as full.
        """
        planned = data.get("planned", data["n"])
        return cls(data["mean"], Interval(**data["interval"]), data["n"], planned)

    @property
    def items(self) -> str:
        """How many items it stands on; see :func:`counted`."""
        return counted(self.n, self.planned)

    @property
    def mark(self) -> str:
        """What stands behind it where no items are told; see :func:`mark`."""
        return mark(self.n, self.planned)


PARTIAL = " (partial)"
"""What stands behind a partial score."""

LEGEND = (
    "partial: some of the items have no score, so it is the mean of the others; it is not ranked "
    "above a full one, unless no more than a tenth of its answers was lost."
)
"""What :data:`PARTIAL` means, for below a table."""


def counted(measured: int, planned: int) -> str:
    """Return on how many items a score stands: ``15``, or ``14 of 15`` where it is partial."""
    return f"{measured:,}" if measured >= planned else f"{measured:,} of {planned:,}"


def mark(measured: int, planned: int, *, items: bool = False) -> str:
    """Return what marks a partial score behind it, and nothing for a full one.

    Args:
        measured: How many items were measured.
        planned: How many a full score has.
        items: Whether to say these numbers as well: `` (partial, 14 of 15 items)``.
    """
    if measured >= planned:
        return ""
    return f" (partial, {counted(measured, planned)} items)" if items else PARTIAL


def _interval(
    scores: Sequence[float],
    weights: Sequence[float],
    clusters: Sequence[str],
    level: float,
    *,
    shares: bool,
) -> Interval:
    """Return the interval that suits the scores.

    Wilson's for equally weighted right and wrong answers. The bootstrap's otherwise, but where
    classes count the same, or nearly all scores are equal, that of :func:`added`. Values that are
    no shares may be 0 or 1 as well, and are not right or wrong. A problem may say shares and
    give other values, which the conformance suite finds.
    """
    if shares and all(0 <= score <= 1 for score in scores):
        single = len(set(clusters)) == len(scores)
        if set(scores) <= {0.0, 1.0} and len(set(weights)) == 1 and single:
            return wilson(sum(scores), len(scores), level)
        if len(scores) > 1 and set(scores) in ({0.0}, {1.0}):  # nothing to draw from
            n = alike(weights, clusters)
            return wilson(scores[0] * n, n, level)
        classes = classes_of(weights)
        if classes or mostly_agree(scores, clusters):
            return added(scores, weights, clusters=clusters, classes=classes).interval(level)
    if len(scores) > 1:
        return bootstrap_mean(scores, weights, level, clusters=clusters)
    return Interval(scores[0], scores[0])  # one value of a function has no spread to speak of


def score_of(
    evaluation: Evaluation | None,
    shown: Presentation,
    *,
    level: float = LEVEL,
    groups: Mapping[str, str] | None = None,
) -> Score | None:
    """Return mean and interval in the problem's own direction; None: nothing was measured.

    Args:
        evaluation: What was measured, if it was.
        shown: How the problem's scores are shown.
        level: Confidence level of the interval.
        groups: Which group items belong to, by id; an item that is not there is its own.
    """
    if evaluation is None or evaluation.score is None:
        return None
    known = [
        (shown.facing(o.score), o.weight, (groups or {}).get(o.item, o.item))
        for o in evaluation.outcomes
        if o.score is not None
    ]
    scores, weights, clusters = zip(*known, strict=True)
    interval = _interval(scores, weights, clusters, level, shares=shown.shares)
    mean = shown.facing(evaluation.score)
    if evaluation.expected is not None:
        interval = _moved(interval, mean - sum(map(mul, scores, weights)) / sum(weights))
    return Score(mean, interval, len(scores), evaluation.planned)


def _moved(interval: Interval, by: float) -> Interval:
    """Return the interval around an estimate for all items: as wide as on the measured ones."""
    low, high = (min(1.0, max(0.0, end + by)) for end in (interval.low, interval.high))
    return Interval(low, high)
