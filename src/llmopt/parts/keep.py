"""Who survives: the solutions that a search goes on from.

What survives follows from the trajectory alone, so a resumed run goes on from the same ones. The
best are those by estimate (:meth:`~llmopt.core.trajectory.Trajectory.estimate`): who was measured
on a part of the items is compared with the others fairly, and nothing is claimed of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from llmopt.errors import ConfigError, UnknownNameError

if TYPE_CHECKING:
    from llmopt.core.part import Keep, StepContext
    from llmopt.core.trajectory import Entry, Trajectory

Current = Literal["latest_best", "never_chosen", "best"]


@dataclass(frozen=True)
class Elitist:
    """The best solutions so far survive, whenever they were found.

    Attributes:
        k: How many, 1 or more.
    """

    k: int = 1

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ConfigError(f"the number of survivors is 1 or more, but got {self.k}")

    def __call__(self, ctx: StepContext) -> tuple[Entry, ...]:
        """Return the best `k`, best first."""
        return ctx.trajectory.promising(self.k)


@dataclass(frozen=True)
class LatestBest:
    """The best of the last step alone, better or worse than what it came from (GPO, section 2).

    A step that found nothing new changes nothing. Among equals the newer survives.
    """

    def __call__(self, ctx: StepContext) -> tuple[Entry, ...]:
        """Return one entry."""
        return _best_first(ctx.trajectory)[:1]


@dataclass(frozen=True)
class NeverChosen:
    """The best of the last step that was not gone on from before (GPO, section 5, step 8).

    As :class:`LatestBest`, but a step that found nothing new moves the search on to the next
    best, and from the worst to the best again: the published code never stays where it is.
    There, texts that are proposed again take part too; here those are refused.
    """

    def __call__(self, ctx: StepContext) -> tuple[Entry, ...]:
        """Return one entry."""
        ranked = _best_first(ctx.trajectory)
        if not ranked:
            return ()
        idle = ctx.trajectory.steps - 1 - ranked[0].candidate.step
        return (ranked[idle % len(ranked)],)


def _best_first(trajectory: Trajectory) -> tuple[Entry, ...]:
    return tuple(sorted(trajectory.latest(), key=trajectory.estimate))[::-1]


def going_on_from(current: str) -> Keep:
    """Return who is the current solution, by name.

    Raises:
        UnknownNameError: It is no :data:`Current`.
    """
    known: dict[str, Keep] = {
        "latest_best": LatestBest(),
        "never_chosen": NeverChosen(),
        "best": Elitist(),
    }
    if current not in known:
        raise UnknownNameError("the current prompt", current, known)
    return known[current]
