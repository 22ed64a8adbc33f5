"""An algorithm of your own: a row of parts, one of them new.

It asks for solutions from the latest steps instead of the best ones, shows the examples that
these get wrong, cools down, and measures in stages. It runs in a small scripted world, so it
needs no model and no key::

    python examples/own_algorithm.py
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import llmopt
from llmopt.core.part import Group
from llmopt.parts.keep import Elitist
from llmopt.parts.propose import Generate
from llmopt.parts.rate import Halving
from llmopt.parts.reflect import Exemplars
from llmopt.parts.schedule import Linear
from llmopt.testing import scripted

if TYPE_CHECKING:
    from llmopt.core.part import StepContext


@dataclass(frozen=True)
class Recent:
    """The solutions tried last, worst first, as one group."""

    k: int

    async def __call__(self, ctx: StepContext) -> tuple[Group, ...]:
        """Return one group; nothing here is drawn at random."""
        found = [entry for entry in ctx.trajectory.recent(self.k) if entry.evaluation.measured]
        return (Group(shown=tuple(sorted(found, key=lambda entry: entry.score))),)


def latest() -> llmopt.Algorithm:
    """Return the algorithm."""
    return llmopt.Algorithm(
        name="latest",
        select=Recent(10),
        reflect=Exemplars(3, "current_most_frequent"),
        propose=Generate(samples=6, temperature=Linear(1.2, 0.6)),
        rate=Halving((4, 8)),
        keep=Elitist(),
    )


if __name__ == "__main__":
    # The optimizer LLM is the problem's scorer LLM where no other is named.
    problem = replace(scripted.problem(200, (40, 40, 120)), scorer=scripted.model())
    for algorithm in (latest(), llmopt.opro(samples=6), llmopt.sampling(samples=6)):
        result = llmopt.optimize(problem, algorithm=algorithm, steps=6, progress=False)
        print(f"{algorithm.name:9}", result.best.text, "|", result.verdict)
