"""Counts what each of several methods did in a run, from the steps as they are told."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from llmopt.evidence.method_shares import MethodShare

if TYPE_CHECKING:
    from llmopt.core.algorithm import Algorithm
    from llmopt.core.trajectory import Trajectory
    from llmopt.core.values import Candidate
    from llmopt.engine.journal import Step


class TurnsTaken:
    """What each method did; nothing where none took turns."""

    def __init__(self) -> None:
        self._done: dict[str, Counter[str]] = {}

    def told(self, step: Step) -> None:
        """Count a step."""
        if not step.by:
            return
        done = self._done.setdefault(step.by, Counter())
        done["steps"] += 1
        done["candidates"] += len(step.entries)
        done["evaluations"] += sum(len(entry.evaluation.outcomes) for entry in step.entries)
        done["calls"] += len(step.calls)

    def shares(
        self, algorithm: Algorithm, trajectory: Trajectory, steps: int, winner: Candidate
    ) -> tuple[MethodShare, ...]:
        """Return what each method did, in the order of their first turns.

        Args:
            algorithm: The methods as one.
            trajectory: Everything tried.
            steps: Number of steps planned.
            winner: The solution that was chosen.
        """
        if algorithm.turns is None or not self._done:
            return ()
        stopped = algorithm.turns.stopped(trajectory, steps)
        won = trajectory.made_by(winner.step)
        return tuple(
            MethodShare(
                name,
                done["steps"],
                done["candidates"],
                done["evaluations"],
                done["calls"],
                stopped.get(name),
                name == won,
            )
            for name, done in self._done.items()
        )
