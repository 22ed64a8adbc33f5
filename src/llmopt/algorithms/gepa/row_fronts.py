"""Fronts row by row: which candidates are in the pool, and which of them is edited next."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from llmopt.algorithms.gepa.tracked_rows import row_labels
from llmopt.core.part import Group
from llmopt.errors import ConfigError
from llmopt.statistics.sequential_gain import gain_p_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.core.part import StepContext
    from llmopt.core.trajectory import Entry, Trajectory

Selection = Literal["tested", "pareto", "best"]


@dataclass(frozen=True)
class CandidatePool:
    """Everything that was tried on all tracked rows survives, the highest estimate first.

    These are the starting solutions and the children that were accepted: one that is rejected is
    never tried on the last row.
    """

    def __call__(self, ctx: StepContext) -> tuple[Entry, ...]:
        """Return the pool; of equals the newer first."""
        pool = ctx.trajectory.running("candidate pool", _Pooled).entries
        return tuple(sorted(pool, key=ctx.trajectory.estimate))[::-1]


class _Pooled:
    """The entries that were tried on every planned row, in the order of the trajectory."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def add(self, entry: Entry, trajectory: Trajectory) -> None:
        """Add an entry where it belongs to the pool."""
        del trajectory
        found = entry.evaluation
        if len(found.outcomes) >= found.planned and found.score is not None:
            self.entries.append(entry)


@dataclass(frozen=True)
class ParetoDraw:
    """Draw a survivor by the number of rows on which it is among the best.

    The front of a row is all survivors with its best score. Survivors that are not needed are left
    out first: from the lowest score up, one is dropped if every front that it is in holds another
    one that is left. Of the others, each is drawn with a probability that is proportional to the
    number of its fronts.

    With ``tested``, survivors that the best one beats by a one-sided paired test on all rows are
    left out before that. Where answers are noisy, a text that others surpass is among the best on
    some rows by luck, and is drawn again and again otherwise.

    Attributes:
        parents: How many different survivors are drawn, each a group of its own; 1 or more.
        selection: ``tested``; ``pareto``, which leaves nothing out before; or ``best``, the highest
            estimates.
        error: Level of the test; above 0, below 1.
    """

    parents: int = 1
    selection: Selection = "tested"
    error: float = 0.05

    def __post_init__(self) -> None:
        if self.parents < 1:
            raise ConfigError(f"parents are 1 or more, but got {self.parents}; 1 is usual")
        if self.selection not in get_args(Selection):
            raise ConfigError(
                f"a selection is {', '.join(get_args(Selection))}, but got {self.selection!r}"
            )

    async def __call__(self, ctx: StepContext) -> tuple[Group, ...]:
        """Return a group for each parent."""
        pool = list(ctx.survivors)
        if self.selection == "tested":
            pool = [entry for entry in pool if not self._beaten(ctx, entry)]
        if self.selection != "best" and pool:
            wins = list(front_counts(pool).items())
            shares = np.array([count for _, count in wins]) / sum(count for _, count in wins)
            size = min(self.parents, len(wins))
            drawn = ctx.rng("parent").choice(len(wins), size, replace=False, p=shares)
            pool = [pool[wins[int(at)][0]] for at in drawn]
        return tuple(Group(one, (one,)) for one in pool[: self.parents]) or (Group(),)

    def _beaten(self, ctx: StepContext, entry: Entry) -> bool:
        """Return whether the best survivor is surely better."""
        ours = {outcome.item: outcome for outcome in entry.evaluation.outcomes}
        labels = row_labels(ctx.problem.items("train"))
        changes, clusters = [], []
        for best in ctx.survivors[0].evaluation.outcomes:
            other = ours.get(best.item)
            if other and other.score is not None and best.score is not None:
                changes.append((best.score - other.score) * best.weight)
                clusters.append(labels.get(best.item, best.item))
        return gain_p_value(changes, clusters, ctx.seed) <= self.error


def fronts(entries: Sequence[Entry]) -> tuple[tuple[int, ...], ...]:
    """Return, row by row, the numbers of the entries with the best score on it.

    Rows are in the order in which they are first met; a row without a score has no front.
    """
    best: dict[str, tuple[float, list[int]]] = {}
    for number, entry in enumerate(entries):
        for outcome in entry.evaluation.outcomes:
            if outcome.score is None:
                continue
            top, holders = best.setdefault(outcome.item, (outcome.score, []))
            if outcome.score > top:
                best[outcome.item] = (outcome.score, [number])
            elif outcome.score == top:
                holders.append(number)
    return tuple(tuple(holders) for _, holders in best.values())


def front_counts(entries: Sequence[Entry]) -> dict[int, int]:
    """Return, by number, in how many fronts each entry is that is not dominated, in their order.

    Args:
        entries: The highest score first: of equals, the later is dropped first.
    """
    rows = [set(row) for row in fronts(entries)]
    standing = Counter(number for row in rows for number in row)
    order = sorted(standing, key=lambda number: (entries[number].score, -number))
    left = set(standing)
    for number in order:
        if all(len(row) > 1 for row in rows if number in row):
            left.discard(number)
            for row in rows:
                row.discard(number)
    return {number: standing[number] for number in sorted(left)}
