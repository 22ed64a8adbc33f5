"""Draws the parent of a step from its island, and the solutions that inspire the change."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from llmopt.algorithms.evolve.feature_grid import Islands, grids_of
from llmopt.core.part import Group
from llmopt.errors import ConfigError

if TYPE_CHECKING:
    from llmopt.core.part import StepContext
    from llmopt.core.trajectory import Entry

_BEST = 0.2  # share of an island's cells that exploitation draws from


@dataclass(frozen=True)
class GridDraw:
    """Draw parents from the cells of the island whose turn it is.

    With probability `explore` every cell is as likely, with probability `exploit` only the best
    fifth of them; otherwise the best of n cells has n times the chance of the worst. The solutions
    shown with a parent are the best others of the island, and some of the rest, drawn at random.

    Attributes:
        islands: How solutions are spread.
        parents: Parents of a step, each a group of its own; 1 or more.
        best: How many of the best others are shown.
        diverse: How many of the rest are shown.
        explore: See above; 0 to 1.
        exploit: See above; 0 to 1, with `explore` at most 1.
    """

    islands: Islands = field(default_factory=Islands)
    parents: int = 1
    best: int = 2
    diverse: int = 1
    explore: float = 0.2
    exploit: float = 0.7

    def __post_init__(self) -> None:
        if self.parents < 1:
            raise ConfigError(f"parents are 1 or more, but got {self.parents}; 1 is usual")
        if min(self.best, self.diverse) < 0:
            raise ConfigError(
                f"solutions shown are 0 or more, but got {min(self.best, self.diverse)}"
            )
        if min(self.explore, self.exploit) < 0 or self.explore + self.exploit > 1:
            raise ConfigError(
                "explore and exploit are shares that are together at most 1, but got "
                f"{self.explore} and {self.exploit}"
            )

    async def __call__(self, ctx: StepContext) -> tuple[Group, ...]:
        """Return a group for each parent."""
        place = self.islands.of(ctx.step)
        cells = grids_of(ctx, self.islands).elites(place, ctx.trajectory)
        if not cells:
            return (Group(),)
        rng = ctx.rng("evolve")
        return tuple(self._group(ctx, cells, rng) for _ in range(self.parents))

    def _group(
        self, ctx: StepContext, cells: tuple[Entry, ...], rng: np.random.RandomState
    ) -> Group:
        parent = cells[self._drawn(len(cells), rng)]
        others = [entry for entry in cells if entry != parent]
        shown, rest = others[: self.best], others[self.best :]
        picked = rng.permutation(len(rest))[: self.diverse]
        shown += [rest[int(at)] for at in picked]
        return Group(parent, tuple(sorted(shown, key=ctx.trajectory.estimate)))

    def _drawn(self, count: int, rng: np.random.RandomState) -> int:
        """Return the rank of the cell that is drawn, 0 for the best."""
        kind = float(rng.random_sample())
        if kind < self.explore:
            return int(rng.randint(count))
        if kind < self.explore + self.exploit:
            return int(rng.randint(math.ceil(_BEST * count)))
        weights = np.arange(count, 0, -1, dtype=float)
        return int(rng.choice(count, p=weights / weights.sum()))
