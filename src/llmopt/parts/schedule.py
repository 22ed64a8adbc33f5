"""Schedules for temperatures and limits: pure functions from a step to a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Schedule(Protocol):
    """A number for each step."""

    def __call__(self, step: int, steps: int) -> float:
        """Return the number for `step` (1..steps) of a run of `steps` steps."""
        ...


@dataclass(frozen=True)
class Constant:
    """The same number in every step."""

    value: float

    def __call__(self, step: int, steps: int) -> float:
        """Return the number."""
        del step, steps
        return self.value


@dataclass(frozen=True)
class Linear:
    """From `start` towards `end` in equal parts (OPRO, section 2: ``T + i/N * (T_end - T)``).

    With the published code's zero-based ``i = step - 1``, the first step gets `start` and
    the last one stops one part short of `end`. Beyond the planned steps it stays at `end`.
    """

    start: float
    end: float

    def __call__(self, step: int, steps: int) -> float:
        """Return the number for this step."""
        return self.start + min(1.0, (step - 1) / max(1, steps)) * (self.end - self.start)


def leading(start: float, end: float | None) -> Schedule:
    """Return the schedule from one number towards another, or of one alone (None)."""
    return Constant(start) if end is None else Linear(start, end)
