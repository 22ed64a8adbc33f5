"""Which training rows GEPA reflects on, and which it tracks candidates by.

Both are functions of the data, the seed, the step and the parent, so the part that reflects and the
part that measures find the same rows without telling each other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmopt.core.groups import group_labels
from llmopt.core.part import generator
from llmopt.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.core.problem import Problem
    from llmopt.core.trajectory import Entry
    from llmopt.core.values import Item

_FULL = 1.0  # marks from which a row has nothing to teach
_BUCKETS = 100  # any number does: asked for only to learn whether scores have a range


def row_labels(items: Sequence[Item]) -> dict[str, str]:
    """Return, by the id of a row, a label that it shares with the rows that belong to it."""
    return dict(zip((item.id for item in items), group_labels(items), strict=True))


@dataclass(frozen=True)
class TrackedRows:
    """How the training rows are used.

    With ``tracked=1`` every training row is tracked. A step reflects on rows that the parent got
    wrong, which its evaluation already tells, so they cost nothing. With a smaller share, as in the
    paper, the first rows are for reflection alone and the others are tracked and never shown; a
    step takes the next rows for reflection, which are shuffled in each epoch, and the parent is
    measured on them. Rows of one group, or of one input, are never divided.

    Attributes:
        rows: Rows that a step reflects on at most, 1 or more.
        tracked: Share of the training rows that are tracked, above 0 and at most 1.
    """

    rows: int = 3
    tracked: float = 1.0

    def __post_init__(self) -> None:
        if self.rows < 1:
            raise ConfigError(f"rows to reflect on are 1 or more, but got {self.rows}; 3 is usual")
        if not 0 < self.tracked <= 1:
            raise ConfigError(
                f"the share of tracked rows is above 0 and at most 1, but got {self.tracked}"
            )

    def kept(self, items: Sequence[Item]) -> tuple[Item, ...]:
        """Return the tracked rows, in the order of the training rows."""
        apart = self._apart(items)
        return tuple(item for at, item in enumerate(items) if at not in apart)

    def apart(self, items: Sequence[Item]) -> tuple[Item, ...]:
        """Return the rows for reflection alone; none where every row is tracked."""
        return tuple(items[at] for at in sorted(self._apart(items)))

    def _apart(self, items: Sequence[Item]) -> frozenset[int]:
        wanted = len(items) - round(self.tracked * len(items))
        if self.tracked == 1 or not items:
            return frozenset()
        members: dict[str, list[int]] = {}
        for at, label in enumerate(group_labels(items)):
            members.setdefault(label, []).append(at)
        found: set[int] = set()
        for some in members.values():
            if not found or len(found) + len(some) <= wanted:
                found.update(some)
        return frozenset(found) if len(found) < len(items) else frozenset()

    def shown(
        self, items: Sequence[Item], seed: int, step: int, parent: Entry, full: float = _FULL
    ) -> tuple[Item, ...]:
        """Return the rows that a step reflects on for a parent, in the order of the training rows.

        None where every row is tracked and the parent has full marks on all: a score of `full`.
        """
        apart = self.apart(items)
        if apart:
            size = min(self.rows, len(apart))
            epoch, place = divmod(step - 1, -(-len(apart) // size))
            mixed = [int(at) for at in generator(seed, epoch, "reflection").permutation(len(apart))]
            drawn = (mixed + mixed)[place * size : (place + 1) * size]
            return tuple(apart[at] for at in sorted(drawn))
        wrong = {
            outcome.item
            for outcome in parent.evaluation.outcomes
            if outcome.score is not None and outcome.score < full
        }
        failed = [item for item in items if item.id in wrong]
        rng = generator(seed, step, f"reflection {parent.candidate.id}")
        drawn = sorted(int(at) for at in rng.permutation(len(failed))[: self.rows])
        return tuple(failed[at] for at in drawn)


def full_marks(problem: Problem) -> float:
    """Return the score of a right answer; infinite where scores have no range."""
    return _FULL if problem.scale(_BUCKETS) else math.inf
