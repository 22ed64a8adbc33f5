"""How a run was divided among methods that take turns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmopt.core.formatting import counted

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class MethodShare:
    """What one of several methods did in a run.

    Attributes:
        name: Of the method.
        steps: Steps that it made.
        candidates: Solutions that it proposed and that were measured.
        evaluations: What was measured of them on train.
        calls: Its calls to the optimizer LLM, repeated ones included.
        stopped: The step after which it was stopped; None: it was in the race until the end.
        won: Whether it proposed the winner.
    """

    name: str
    steps: int
    candidates: int
    evaluations: int
    calls: int
    stopped: int | None = None
    won: bool = False


def on_methods(methods: Sequence[MethodShare]) -> tuple[str, ...]:
    """Return a note on who proposed the winner, and on how the run was divided; or nothing."""
    if not methods:
        return ()
    total = sum(one.evaluations for one in methods)
    found = [
        f"{one.name} {counted(one.steps, 'step')} with "
        f"{100 * one.evaluations / total if total else 0:.0f} % of the evaluations"
        + (f", stopped after step {one.stopped}" if one.stopped is not None else "")
        for one in methods
    ]
    winner = next((one.name for one in methods if one.won), "")
    said = f"The winner was proposed by {winner}" if winner else "The start won"
    return (f"{said}. The methods took turns: {'; '.join(found)}.",)
