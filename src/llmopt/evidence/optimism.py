"""By how much the search flattered its winner: train minus test, with an interval."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from llmopt.statistics import Interval

if TYPE_CHECKING:
    from llmopt.core.presentation import Presentation
    from llmopt.evidence.scores import Score


def optimism_interval(train: Score, test: Score) -> Interval:
    """Return the interval of a score on train minus that on test, which share no item.

    Of the two means' own intervals (Newcombe 1998, method 10, which holds for shares near 0 and 1
    as well): what each can err by adds up in squares.
    """
    mean = train.mean - test.mean
    below = math.hypot(train.mean - train.interval.low, test.interval.high - test.mean)
    above = math.hypot(train.interval.high - train.mean, test.mean - test.interval.low)
    return Interval(mean - below, mean + above)


def on_optimism(
    optimism: float, interval: Interval | None, level: float, shown: Presentation
) -> str:
    """Say how far train and test differ, and that train flatters only where that is certain.

    Args:
        optimism: The winner's score on train minus that on test, in the problem's own direction.
        interval: Of that; None in results of older versions.
        level: Confidence level of the interval.
        shown: How the problem's scores are shown.
    """
    more = "more" if optimism > 0 else "less"
    said = f"It scored {shown.points(abs(optimism), signed=False)} {more} on train than on test"
    if optimism == 0:
        said = "It scored the same on train as on test"
    if interval is None:
        return f"{said}."
    low, high = (shown.number(end, signed=True) for end in (interval.low, interval.high))
    said = f"{said} ({100 * level:g} % interval {low} to {high})"
    least = min(shown.facing(interval.low), shown.facing(interval.high))
    if least > 0:
        return f"{said}, so luck in the choice, or a fit to those items, flatters its train score."
    chance = interval.low <= 0 <= interval.high and optimism != 0
    return f"{said}, which may be chance." if chance else f"{said}."
