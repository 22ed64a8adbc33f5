"""Whether a mean has fallen or risen, tested again and again with an error that always holds.

Each observation is a change within -1 to 1. Against the hypothesis that its mean is m or more, one
bets on less: with the stake q, between 0 and 1, the capital is multiplied by ``1 - q (x - m) / (1 -
m)``, which is never negative and whose mean is at most 1 where the hypothesis holds. So the capital
exceeds 1/a ever with a chance of at most a (Ville's inequality), however often it is looked at: a
test by betting (Waudby-Smith and Ramdas 2024), with a mean over fixed stakes in place of one that
is estimated. The same for a rise, mirrored. The values of m that are not rejected are an interval
that holds for all times.

A change may come late. So there is such a test from several starts on, each with a share of the
error: most for the first, the rest for the later ones, slowly falling. The shares and this way to
use them are our own. Rows that are drawn without putting back raise the capital no faster at the
end of a draw than those of independent draws (Maclaurin's inequality), so it is looked at there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from llmopt.statistics.intervals import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

STAKES = (0.03, 0.06, 0.1, 0.15, 0.22, 0.32, 0.45, 0.6, 0.8, 0.95)
"""The stakes whose capitals are averaged."""

ERROR = 0.05
"""How often at most a fall that is not there is ever found; the same for a rise."""

REFERENCE = 0.01
"""The part of it that is for errors of what is compared with; the rest is for the bets."""

_FIRST = 0.7  # the share of the first start in the error of the bets
_LEAST, _HALVINGS = 1e-9, 40


@dataclass(frozen=True)
class MeanChange:
    """What a series of changes says from one start on.

    Attributes:
        start: The number of its first observation.
        n: Observations from there on.
        mean: Their mean.
        interval: For the mean that they are drawn with; each end is ever wrong in 5 % at most.
            Where the mean has moved meanwhile, the low end is for its highest value and the high
            end for its lowest.
        fallen: Whether the mean is below 0, and a fall as large as was asked for not ruled out.
        risen: Whether it is above 0.
    """

    start: int
    n: int
    mean: float
    interval: Interval
    fallen: bool
    risen: bool


def log_bets(changes: ArrayLike, margins: ArrayLike, level: float = 0.0) -> Floats:
    """Return the logarithms of what bets on less than a level multiply their capitals by.

    Args:
        changes: Within -1 to 1, of any shape.
        margins: How far below the level the mean may be by the error of what is compared with, 0
            or more, below 1; of the same shape, or one for all.
        level: The mean under the hypothesis, at least; -1 to 1.

    Returns:
        An array with one more axis at its end, for the stakes.
    """
    x = np.asarray(changes, dtype=np.float64)
    least = np.maximum(level - np.asarray(margins, dtype=np.float64), -1.0)
    room = np.maximum(1 - least, _LEAST)
    odds = (x - least) / room
    return np.asarray(np.log1p(-np.multiply.outer(odds, np.array(STAKES))), dtype=np.float64)


def log_capital(bets: Floats) -> Floats:
    """Return the logarithm of the mean capital of all stakes, given the sums of their bets.

    Args:
        bets: Sums of what :func:`log_bets` gives; the last axis is for the stakes.
    """
    top = bets.max(axis=-1)
    mean = np.exp(bets - top[..., None]).mean(axis=-1)
    return np.asarray(top + np.log(mean), dtype=np.float64)


def log_price(number: int) -> float:
    """Return what the logarithm of the capital must reach from a start on.

    Args:
        number: Of the start, from 0 on; all shares of the error sum to what there is.
    """
    share = _FIRST
    if number:
        at = number + 2
        share = (1 - _FIRST) * math.log(3) * (1 / math.log(at) - 1 / math.log(at + 1))
    return math.log(1 / ((ERROR - REFERENCE) * share))


def change_since(
    changes: Sequence[float],
    margins: Sequence[float],
    starts: Sequence[int] = (0,),
    least: float = 0.0,
) -> MeanChange:
    """Say whether the mean of a growing series has fallen or risen, from whichever start on.

    It may be asked after every new block of observations: the chance that it ever says *fallen*
    where the mean was never below 0 is at most :data:`ERROR`, and so for *risen*.

    Args:
        changes: Within -1 to 1, in the order in which they came; one or more.
        margins: See :func:`log_bets`; each is settled before its change is seen.
        starts: Numbers of the observations from which on it is tested: 0, then ascending. Only
            starts may be added later, and not after what they start with was seen.
        least: A fall that is shown to be smaller than this does not count, 0 to 1.

    Returns:
        The change from the start on that shows a fall, or else a rise, most clearly; from the
        first start on where neither is shown.

    Raises:
        ValueError: An argument is out of its range.
    """
    x, slack = np.asarray(changes, dtype=np.float64), np.asarray(margins, dtype=np.float64)
    rising = all(a < b for a, b in pairwise(starts))
    if not (len(x) == len(slack) > 0 and np.all(np.abs(x) <= 1) and np.all(slack >= 0)):
        raise ValueError("changes are one or more from -1 to 1, each with a margin of 0 or more")
    if not starts or starts[0] != 0 or starts[-1] >= len(x) or not rising:
        raise ValueError(
            f"starts are 0 and ascending numbers of changes, but got {list(starts)} of {len(x)}"
        )
    means = [float(x[start:].mean()) for start in starts]
    falls, rises = (_leads(signed, slack, starts) for signed in (x, -x))
    small = _leads(-x, slack, starts, least)
    fallen = [lead if less < 0 else -1.0 for lead, less in zip(falls, small, strict=True)]
    at, is_fall, is_rise = 0, max(fallen) >= 0, max(rises) >= 0
    if is_fall:
        at = int(np.argmax(fallen))
    elif is_rise:
        at = int(np.argmax(rises))
    tail = slice(starts[at], None)
    high = _end(x[tail], slack[tail], log_price(at))
    low = -_end(-x[tail], slack[tail], log_price(at))
    return MeanChange(
        start=starts[at],
        n=len(x) - starts[at],
        mean=means[at],
        interval=Interval(min(low, means[at]), max(high, means[at])),
        fallen=is_fall,
        risen=is_rise and not is_fall,
    )


def _leads(x: Floats, slack: Floats, starts: Sequence[int], level: float = 0.0) -> list[float]:
    """Return by how much the capital from each start on exceeds what it must reach."""
    sums = np.add.reduceat(log_bets(x, slack, level), list(starts), axis=0)
    from_start = np.cumsum(sums[::-1], axis=0)[::-1]
    return [
        float(capital) - log_price(number) for number, capital in enumerate(log_capital(from_start))
    ]


def _end(x: Floats, slack: Floats, price: float) -> float:
    """Return the least level that bets on less reject; 1 where they reject none."""
    low, high = -1.0, 1.0
    for _ in range(_HALVINGS):
        level = (low + high) / 2
        if float(log_capital(log_bets(x, slack, level).sum(axis=0))) >= price:
            high = level
        else:
            low = level
    return high
