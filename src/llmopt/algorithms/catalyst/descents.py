"""The descents of a search with restarts, found in the trajectory.

A descent begins with the starting solutions, or with the solutions without parents of a step, its
roots; everything tried from there on to the next roots belongs to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmopt.core.part import Group
from llmopt.core.trajectory import rank
from llmopt.errors import ConfigError

if TYPE_CHECKING:
    from llmopt.core.part import StepContext
    from llmopt.core.trajectory import Entry, Trajectory


@dataclass
class Descent:
    """One descent so far.

    Attributes:
        root: The step of its roots; 0: the starting solutions.
        begin: The best of its roots; None: none has a score.
        best: Its best solution, the earliest of equal ones.
    """

    root: int
    begin: Entry | None = None
    best: Entry | None = None


class Descents:
    """All descents of a trajectory; the starting solutions, and a regular sample of the others."""

    def __init__(self, every: int) -> None:
        self._every = every
        self._measured = 0
        self.all = [Descent(0)]
        self.recorded: list[Entry] = []

    def add(self, entry: Entry, trajectory: Trajectory) -> None:
        """Add the entry that was tried next."""
        del trajectory
        candidate, now = entry.candidate, self.all[-1]
        if candidate.step and not candidate.parents and candidate.step != now.root:
            now = Descent(candidate.step)
            self.all.append(now)
        if entry.evaluation.score is None:
            return
        if now.best is None or rank(entry) > rank(now.best):
            now.best = entry
        if candidate.step == now.root and (now.begin is None or rank(entry) > rank(now.begin)):
            now.begin = entry
        if not candidate.step or self._measured % self._every == 0:
            self.recorded.append(entry)
        self._measured += 1


def descents_of(trajectory: Trajectory, every: int = 1) -> Descents:
    """Return the descents of a trajectory, the last one being under way."""
    return trajectory.running(("descents", every), lambda: Descents(every))


@dataclass(frozen=True)
class EndsOfDescents:
    """Show the best solution of each descent and a sample of the others; continue the last one.

    Attributes:
        k: Solutions shown at most; the ends of the best descents come first, then the latest
            others. 1 or more.
        every: Of the other solutions, one in this many; 1 or more.
    """

    k: int = 20
    every: int = 5

    def __post_init__(self) -> None:
        if self.k < 1 or self.every < 1:
            raise ConfigError(
                "the number of solutions shown, and of how many others one is, are 1 or more, but "
                f"got {self.k} and {self.every}"
            )

    async def __call__(self, ctx: StepContext) -> tuple[Group, ...]:
        """Return one group: worst first, with the best of the present descent as its base."""
        found = descents_of(ctx.trajectory, self.every)
        ends = sorted((d.best for d in found.all if d.best), key=rank, reverse=True)[: self.k]
        room = self.k - len(ends)
        others = [e for e in found.recorded[-2 * self.k :] if e not in ends][-room:] if room else []
        worth = ctx.trajectory.estimate
        shown = tuple(sorted((*ends, *others), key=worth))
        return (Group(base=found.all[-1].best, shown=shown),)
