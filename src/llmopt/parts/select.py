"""Selects the past solutions that are edited and those that a meta-prompt shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from llmopt.core.part import Group
from llmopt.errors import ConfigError
from llmopt.parts.zeros import best_shown, check_zeros

if TYPE_CHECKING:
    from llmopt.core.metaprompt import Order, Zeros
    from llmopt.core.part import StepContext
    from llmopt.core.trajectory import Entry, Trajectory


@dataclass(frozen=True)
class Best:
    """The best solutions so far, as one group (OPRO, section 2: the 20 best, best last).

    Ranked by their estimates (:meth:`~llmopt.core.trajectory.Trajectory.estimate`), which are also
    displayed: for solutions measured in full, their scores.

    Attributes:
        k: The largest number shown; 0 shows none.
        order: Their order.
        threshold: Entries with a lower estimate are not shown, in 0..1. The best entry is shown
            whatever its score, so that the list can never be announced and empty (O15).
        zeros: Whether ``few`` of the solutions that scored zero are shown, or ``all`` (paper).
    """

    k: int = 20
    order: Order = "ascending"
    threshold: float | None = None
    zeros: Zeros = "few"

    def __post_init__(self) -> None:
        if self.k < 0:
            raise ConfigError(
                f"the number of solutions shown is 0 or more, but got {self.k}; 20 is usual"
            )
        if self.order not in ("ascending", "descending", "random"):
            raise ConfigError(
                f"an order is ascending, descending or random, but got {self.order!r}"
            )
        check_zeros(self.zeros)

    async def __call__(self, ctx: StepContext) -> tuple[Group, ...]:
        """Return one group."""
        best = best_shown(ctx.trajectory, self.k, self.zeros)
        if self.threshold is not None:
            good = (e for e in best[1:] if ctx.trajectory.estimate(e) >= self.threshold)
            best = [*best[:1], *good]
        if self.order == "ascending":
            best.reverse()
        elif self.order == "random":
            best = [best[i] for i in ctx.rng("select").permutation(len(best))]
        return (Group(shown=tuple(best)),)


@dataclass(frozen=True)
class EachOfBest:
    """Each of the best solutions alone: one group per parent (APE's resampling).

    Attributes:
        k: How many parents at most.
        zeros: See :class:`Best`.
    """

    k: int = 4
    zeros: Zeros = "few"

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ConfigError(f"the number of parents is 1 or more, but got {self.k}")
        check_zeros(self.zeros)

    async def __call__(self, ctx: StepContext) -> tuple[Group, ...]:
        """Return one group per parent, the best parent first."""
        best = best_shown(ctx.trajectory, self.k, self.zeros)
        return tuple(Group(entry, (entry,)) for entry in best) or (Group(),)


@dataclass(frozen=True)
class StartsOnly:
    """Only the starting solutions: what a control without trajectory shows."""

    stored_name: ClassVar[str] = "Starts"

    async def __call__(self, ctx: StepContext) -> tuple[Group, ...]:
        """Return one group, in the order of the starts."""
        found: list[Entry] = []
        for entry in ctx.trajectory:
            if entry.candidate.step > 0:
                break  # starts are told first, so a long trajectory is not walked through
            if entry.evaluation.score is not None:
                found.append(entry)
        return (Group(shown=tuple(found)),)


@dataclass(frozen=True)
class Lineages:
    """Each survivor with the solutions it was refined from, step by step: one group per survivor.

    A solution was refined from the last of its parents. The oldest comes first, the survivor, which
    is the one to be edited, last (PE2's history of a prompt, the states of DRPO's beam). With
    ``k=1`` each survivor stands alone.

    Attributes:
        k: How many of each line are shown at most, the survivor included; 0: all.
    """

    k: int = 0

    def __post_init__(self) -> None:
        if self.k < 0:
            raise ConfigError(
                f"the number of solutions shown is 1 or more, or 0 for all, but got {self.k}"
            )

    async def __call__(self, ctx: StepContext) -> tuple[Group, ...]:
        """Return one group per survivor, that of the best first."""
        found = (Group(entry, self._line(ctx.trajectory, entry)) for entry in ctx.survivors)
        return tuple(found) or (Group(),)

    def _line(self, trajectory: Trajectory, entry: Entry) -> tuple[Entry, ...]:
        line = [entry]
        while line[-1].candidate.parents and (not self.k or len(line) < self.k):
            line.append(trajectory.entry(line[-1].candidate.parents[-1]))
        return tuple(one for one in reversed(line) if one.evaluation.score is not None)
