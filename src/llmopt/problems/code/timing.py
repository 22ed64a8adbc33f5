"""Timing that can be believed: pairs of runs of the original and of a candidate, interleaved.

A pair is a run of each, one after the other on one processor core, in an order that alternates.
What the machine does meanwhile meets both, so that their ratio is steadier than either time. The
time is processor time, of the program and of all it starts, Python's own start included: a loaded
machine makes a program wait, but hardly makes it compute longer.

After a planned number of pairs the interval is looked at, and no more pairs are made where it is
decided; the level of each look is corrected for their number (Bonferroni).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from llmopt.statistics.ratios import median_ratio, ratio_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from llmopt.statistics import Interval

SpeedWord = Literal["faster", "not distinguishable", "slower"]

LEVEL = 0.95
"""Confidence level of the interval of a ratio."""

WORTH = 1.1
"""The least ratio that is called faster; below it, a difference is noise."""


@dataclass(frozen=True)
class LookPlan:
    """When the pairs of an input are looked at.

    Attributes:
        pairs: Numbers of pairs, rising; the last is the most.
        seconds: No further pair is begun after this time; at least as many pairs as at
            the first look are made.
        level: Confidence level of the whole sequence.
    """

    pairs: tuple[int, ...]
    seconds: float
    level: float = LEVEL

    @property
    def each(self) -> float:
        """Confidence level of one look."""
        return 1 - (1 - self.level) / len(self.pairs)


SEARCH = LookPlan((3, 7), 20.0)
"""For candidates of a search."""

FINAL = LookPlan((7, 15, 31), 120.0)
"""For the verdict on the winner."""


@dataclass(frozen=True)
class Pairs:
    """The pairs of one input.

    Attributes:
        original: Of each pair, what the original took.
        candidate: Of each pair, what the candidate took.
    """

    original: tuple[float, ...]
    candidate: tuple[float, ...]

    @property
    def ratios(self) -> tuple[float, ...]:
        """How many times as fast the candidate was, in each pair."""
        pairs = zip(self.original, self.candidate, strict=True)
        return tuple(first / second for first, second in pairs)


@dataclass(frozen=True)
class SpeedUp:
    """How many times as fast as the original a candidate is.

    Attributes:
        ratio: Geometric mean over the inputs of the median ratio of their pairs.
        interval: Its bootstrap interval, corrected for the looks.
        pairs: How many pairs were made.
        inputs: On how many inputs.
    """

    ratio: float
    interval: Interval
    pairs: int
    inputs: int

    @property
    def word(self) -> SpeedWord:
        """What the candidate is: the ratio and its whole interval have to say so."""
        if self.ratio >= WORTH and self.interval.low > 1:
            return "faster"
        if self.ratio <= 1 / WORTH and self.interval.high < 1:
            return "slower"
        return "not distinguishable"


def speed_up(measured: Sequence[Pairs], looks: LookPlan) -> SpeedUp:
    """Return what the pairs of one or more inputs say."""
    groups = [pairs.ratios for pairs in measured]
    made = sum(map(len, groups))
    interval = ratio_interval(groups, looks.each)
    return SpeedUp(median_ratio(groups), interval, made, len(groups))


def timed(
    original: Callable[[], float | None],
    candidate: Callable[[], float | None],
    looks: LookPlan,
    clock: Callable[[], float] = time.monotonic,
) -> Pairs:
    """Make pairs of two runs until their ratio is decided.

    Args:
        original: Runs the original; returns what it took, above 0. None: it came to no end, and
            the pair does not count.
        candidate: Runs the candidate; returns what it took. None: it is wrong, and no more pairs
            are made.
        looks: When to look.
        clock: Gives seconds, for the limit on time.
    """
    begun = clock()
    first: list[float] = []
    second: list[float] = []
    for number in range(looks.pairs[-1]):
        if number >= looks.pairs[0] and clock() - begun > looks.seconds:
            break
        if number % 2:
            new, old = candidate(), original()
        else:
            old, new = original(), candidate()
        if new is None:
            break
        if old is None:
            continue
        first.append(old)
        second.append(new)
        if len(first) in looks.pairs and _decided(Pairs(tuple(first), tuple(second)), looks):
            break
    return Pairs(tuple(first), tuple(second))


def _decided(pairs: Pairs, looks: LookPlan) -> bool:
    """Whether more pairs would hardly change the word."""
    interval = speed_up([pairs], looks).interval
    faster, slower = interval.low > WORTH, interval.high < 1 / WORTH
    return faster or slower or (interval.low > 1 / WORTH and interval.high < WORTH)


def sentence(found: SpeedUp, level: float = LEVEL) -> str:
    """Say how much faster the winner is, on held-out inputs."""
    interval = f"{100 * level:g} % interval {found.interval.low:.2f} to {found.interval.high:.2f}"
    on = f"on {found.inputs} held-out input{'s' * (found.inputs != 1)}, {found.pairs} pairs of runs"
    times = f"{found.ratio:.2f} times as fast as the original ({interval}; {on})"
    if found.word == "faster":
        return f"The winner is faster: {times}."
    if found.word == "slower":
        return f"The winner is slower: {times}."
    return f"The winner is not distinguishable from the original: {times}; {WORTH} is needed."
