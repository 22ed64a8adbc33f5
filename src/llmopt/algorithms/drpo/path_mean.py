"""Ranks solutions by the mean of their path: DRPO's beam as its published code weighs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmopt.errors import ConfigError

if TYPE_CHECKING:
    from llmopt.core.part import StepContext
    from llmopt.core.trajectory import Entry, Trajectory


@dataclass(frozen=True)
class PathMean:
    """Those survive whose path was worth most on the mean.

    The path of a solution is the solution itself and those it was rewritten from, step by step, up
    to the start. So a rewrite that is a little worse than its strong parents stays ahead of a
    lucky one of weak parents. Of equals the earlier survives.

    Attributes:
        k: Their number, 1 or more.
    """

    k: int = 2

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ConfigError(f"the number of survivors is 1 or more, but got {self.k}")

    def __call__(self, ctx: StepContext) -> tuple[Entry, ...]:
        """Return the best `k`, best first."""
        trajectory = ctx.trajectory
        scored = [entry for entry in trajectory if entry.evaluation.score is not None]
        return tuple(sorted(scored, key=lambda one: -_worth(trajectory, one))[: self.k])


def _worth(trajectory: Trajectory, entry: Entry) -> float:
    """Return the mean of a path, without what could not be measured."""
    path = [entry]
    while path[-1].candidate.parents:
        path.append(trajectory.entry(path[-1].candidate.parents[-1]))
    worth = [trajectory.estimate(one) for one in path if one.evaluation.score is not None]
    return sum(worth) / len(worth)
