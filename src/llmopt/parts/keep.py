"""Chooses the survivors: the solutions that the next step builds on.

Survivors depend on the trajectory alone, so a resumed run has the same ones. They are ranked by
estimate (:meth:`~llmopt.core.trajectory.Trajectory.estimate`), which compares candidates measured
on some of the items fairly with the others; no claim is based on it.
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
    """The best solutions so far survive.

    Attributes:
        k: Their number, 1 or more.
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
    """Only the best of the last step survives, better or worse than its parent (GPO, section 2).

    A step that found nothing new changes nothing. The newer of two equals survives.
    """

    def __call__(self, ctx: StepContext) -> tuple[Entry, ...]:
        """Return one entry."""
        return _best_first(ctx.trajectory)[:1]


@dataclass(frozen=True)
class NeverChosen:
    """The best of the last step that was not built on before (GPO, section 5, step 8).

    Like :class:`LatestBest`, but after a step that found nothing new the search moves to the next
    best, and from the worst back to the best: the published code never stays at one solution.
    There, texts proposed again take part too; here they are refused.
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
    """Return the rule that chooses the current solution, by name.

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
