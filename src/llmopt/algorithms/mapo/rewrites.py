"""The parts of MAPO: each start by itself, and one step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmopt.core.part import Group

if TYPE_CHECKING:
    from llmopt.core.part import StepContext
    from llmopt.core.problem import Problem
    from llmopt.core.trajectory import Entry


@dataclass(frozen=True)
class EachStart:
    """Each starting solution by itself: one group per start, in their order, whatever its score.

    So the requests do not depend on the scorer LLM. A start of which nothing could be measured has
    no score to rank it, and is left out if another one has.
    """

    async def __call__(self, ctx: StepContext) -> tuple[Group, ...]:
        """Return one group per start."""
        found: list[Entry] = []
        for entry in ctx.trajectory:
            if entry.candidate.step > 0:
                break
            if entry.evaluation.score is not None:
                found.append(entry)
        return tuple(Group(entry, (entry,)) for entry in found) or (Group(),)


@dataclass(frozen=True)
class OneStep:
    """Plans a single step: all rewrites are drawn and raced at once."""

    def __call__(self, problem: Problem) -> int:
        """Return 1."""
        del problem
        return 1
