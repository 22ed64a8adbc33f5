"""Grids of solutions by their features, on islands: the best of each cell is kept."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

from llmopt.errors import ConfigError
from llmopt.parts.program_structure import loop_depth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.core.part import StepContext
    from llmopt.core.trajectory import Entry, Trajectory

Feature = Literal["length", "score", "loops"]

Cell = tuple[int, ...]

_WIDTH = math.log(1.25)  # a bin of lengths is a quarter longer than the one before it
_HALF_WIDTH = math.log(2) / 2  # two bins of scores for each doubling
_BINS = 12  # bins to either side of the start's
_DEEPEST = 4


@dataclass(frozen=True)
class Islands:
    """How solutions are spread over grids.

    Attributes:
        count: Number of islands, each with a grid of its own; 1 or more.
        migrate: Steps after which the best of each island also joins the next one; 0: never.
        features: What makes the cells. ``length``: in bins of a quarter of the length of the
            start; ``score``: two bins for each doubling of the start's score, and one for what
            is not above 0 where the start is; ``loops``: how deep the loops of a program are
            nested.
    """

    count: int = 2
    migrate: int = 10
    features: Sequence[Feature] = ("length", "score", "loops")

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ConfigError(f"islands are 1 or more, but got {self.count}; 2 is usual")
        if self.migrate < 0:
            raise ConfigError(f"steps between migrations are 0 or more, but got {self.migrate}")
        object.__setattr__(self, "features", tuple(self.features))
        for name in self.features:
            if name not in get_args(Feature):
                known = ", ".join(get_args(Feature))
                raise ConfigError(f"a feature is one of {known}, but got {name!r}")

    def of(self, step: int) -> int:
        """Return the island that a step asks for; the steps take turns."""
        return (step - 1) % self.count

    def cell(self, entry: Entry, start: Entry, trajectory: Trajectory) -> Cell:
        """Return the cell of a solution, compared with the start."""
        found = []
        for name in self.features:
            if name == "length":
                ratio = max(1, len(entry.text)) / max(1, len(start.text))
                found.append(_bin(math.log(ratio), _WIDTH))
            elif name == "score":
                worth = trajectory.estimate
                found.append(_score_bin(worth(entry), worth(start)))
            else:
                found.append(min(_DEEPEST, loop_depth(entry.text)))
        return tuple(found)


def _bin(value: float, width: float) -> int:
    return max(-_BINS, min(_BINS, round(value / width)))


def _score_bin(score: float, start: float) -> int:
    """Return the bin of a score; scores below 0 are losses, so that fewer are better."""
    if score > 0 and start > 0:
        return _bin(math.log(score / start), _HALF_WIDTH)
    if score < 0 and start < 0:
        return _bin(math.log(start / score), _HALF_WIDTH)
    return (_BINS + 1) * ((score > start) - (score < start))


@dataclass
class IslandGrids:
    """The grids of a trajectory.

    Attributes:
        islands: How solutions are spread.
        grids: For each island, the best of each cell.
        migrations: How many there were.
        start: The first solution with a score.
    """

    islands: Islands
    grids: list[dict[Cell, Entry]] = field(default_factory=list)
    migrations: int = 0
    start: Entry | None = None

    def add(self, entry: Entry, trajectory: Trajectory) -> None:
        """Add an entry to the grid of its step's island, a start to all; first what migrates."""
        if entry.evaluation.score is None:
            return
        self.start = self.start or entry
        self.grids = self.grids or [{} for _ in range(self.islands.count)]
        step, every = entry.candidate.step, self.islands.migrate
        while every and self.migrations < (step - 1) // every:
            self.migrations += 1
            self._migrate(trajectory)
        places = [self.islands.of(step)] if step else range(self.islands.count)
        for place in places:
            self._put(place, entry, trajectory)

    def _migrate(self, trajectory: Trajectory) -> None:
        """Let the best of each island join the next one, all at once."""
        best = [max(grid.values(), key=trajectory.estimate, default=None) for grid in self.grids]
        for place, entry in enumerate(best):
            if entry is not None:
                self._put((place + 1) % len(self.grids), entry, trajectory)

    def _put(self, place: int, entry: Entry, trajectory: Trajectory) -> None:
        """Put an entry in its cell, if it is at least as good as what is there."""
        cell = self.islands.cell(entry, self.start or entry, trajectory)
        known = self.grids[place].get(cell)
        worth = trajectory.estimate
        if known is None or worth(entry) >= worth(known):
            self.grids[place][cell] = entry

    def elites(self, place: int, trajectory: Trajectory) -> tuple[Entry, ...]:
        """Return what an island has, the highest estimate first."""
        grid = self.grids[place] if self.grids else {}
        return tuple(sorted(grid.values(), key=trajectory.estimate, reverse=True))


def grids_of(ctx: StepContext, islands: Islands) -> IslandGrids:
    """Return the grids of everything tried so far."""
    made = lambda: IslandGrids(islands)  # noqa: E731 - begins the running value
    return ctx.trajectory.running(("island grids", islands), made)


@dataclass(frozen=True)
class GridElites:
    """The best of each cell of each island survive.

    Attributes:
        islands: How solutions are spread.
    """

    islands: Islands = field(default_factory=Islands)

    def __call__(self, ctx: StepContext) -> tuple[Entry, ...]:
        """Return them, the highest estimate first."""
        grids, trajectory = grids_of(ctx, self.islands), ctx.trajectory
        found = {
            entry.candidate.id: entry
            for place in range(self.islands.count)
            for entry in grids.elites(place, trajectory)
        }
        return tuple(sorted(found.values(), key=trajectory.estimate, reverse=True))
