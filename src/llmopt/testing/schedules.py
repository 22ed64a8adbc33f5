"""Checks that the schedule of a run without steps, as its journal has it, leads to its steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.core.trajectory import Trajectory
from llmopt.testing import scripted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.core.algorithm import Algorithm
    from llmopt.core.model import Model
    from llmopt.core.problem import Problem
    from llmopt.engine.journal import Step


async def repeated(
    algorithm: Algorithm,
    problem: Problem,
    found: Sequence[Step],
    *,
    seed: int,
    steps: int,
    scorer: Model | None,
    optimizer: Model | None = None,
) -> bool:
    """Return whether each request leads to its step again, with the model that answered it.

    Args:
        algorithm: The method as the run used it, see `Algorithm.divided`.
        problem: The problem of the run.
        found: All steps of its journal.
        seed: Seed of the run.
        steps: Requests planned.
        scorer: The scorer LLM, if the problem has one.
        optimizer: The optimizer LLM; None: the scripted model.
    """
    points, model = [Trajectory()], optimizer or scripted.model()
    for step in found:
        points.append(points[-1].tell(step.entries))
    for step in found[1:]:
        request = step.request
        if request is None or request.seen > step.number:
            return False
        asked = await algorithm.ask(
            problem,
            points[request.seen],
            model,
            seed,
            steps,
            scorer=scorer,
            number=request.number,
        )
        # Others may have proposed the same meanwhile.
        known = {r.text for r in step.rejected if r.reason == "already tried"}
        again = [c.text for c in asked.candidates if c.text not in known]
        if again != [entry.text for entry in step.entries] or asked.calls != step.calls:
            return False
    return True
