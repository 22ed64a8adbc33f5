"""A `propose` part in which a local search and an optimizer LLM take turns.

Whose turn it is follows from the trajectory alone: the language model is asked in the first step,
when the local search is at its end, and when a number of its steps brought nothing better. What it
names are the roots of the next descent.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, get_args

from llmopt.algorithms.catalyst.descents import descents_of
from llmopt.core.part import CallBound, Proposed
from llmopt.core.problem import HasNeighbours, Samplable
from llmopt.errors import ConfigError, UnknownNameError
from llmopt.parts.covariance import CovarianceMatrix
from llmopt.parts.perturb import Fresh, Gaussian, Neighbours
from llmopt.parts.propose import Generate

if TYPE_CHECKING:
    from llmopt.core.model import Model
    from llmopt.core.part import StepContext
    from llmopt.core.problem import Problem

DoerName = Literal["auto", "cma-es", "hill-climbing", "two-opt"]


@dataclass(frozen=True)
class Alternation:
    """Search locally; where that brings nothing more, begin where the optimizer LLM says.

    Where the language model names nothing usable, the local search continues; where it cannot, it
    begins at a random solution.

    Attributes:
        doer: The local search; ``auto`` is 2-opt where solutions have neighbours, else CMA-ES.
        samples: Solutions of one of its steps, 1 or more.
        sigma: Standard deviation of its first steps, as a share of each dimension's range.
        patience: Steps without a better solution of the descent, 1 or more.
        instructor: Asks the optimizer LLM.
    """

    doer: DoerName = "auto"
    samples: int = 8
    sigma: float = 0.1
    patience: int = 5
    instructor: Generate = field(default_factory=lambda: Generate(samples=3, wording="catalyst"))

    def __post_init__(self) -> None:
        if self.doer not in get_args(DoerName):
            raise UnknownNameError("a local search", self.doer, get_args(DoerName))
        if self.patience < 1:
            raise ConfigError(f"patience is 1 step or more, but got {self.patience}; 5 is usual")
        for name in get_args(DoerName)[1:]:  # options out of range are refused here
            self._searching(name)

    def _searching(self, name: str) -> CovarianceMatrix | Gaussian | Neighbours:
        if name == "cma-es":
            return CovarianceMatrix(max(2, self.samples), self.sigma)
        if name == "hill-climbing":
            return Gaussian(self.samples, self.sigma)
        return Neighbours(self.samples)

    def _for(self, problem: Problem) -> CovarianceMatrix | Gaussian | Neighbours:
        usual = "two-opt" if isinstance(problem, HasNeighbours) else "cma-es"
        return self._searching(usual if self.doer == "auto" else self.doer)

    def check(self, model: Model) -> None:
        """Refuse a family that the optimizer LLM cannot answer."""
        self.instructor.check(model)

    def fits(self, problem: Problem) -> None:
        """Refuse a problem that the local search is not for."""
        self._for(problem).fits(problem)

    def most(self) -> CallBound:
        """Return the calls of a step in which the language model is asked."""
        return CallBound(optimizer=self.instructor.samples)

    async def __call__(self, ctx: StepContext) -> tuple[Proposed, ...]:
        """Return a step of the local search, or what the language model names."""
        descent = descents_of(ctx.trajectory).all[-1]
        last = descent.best.candidate.step if descent.best else descent.root
        if ctx.step == 1 or (ctx.step - last) % (self.patience + 1) == 0:
            return await self._instructed(ctx)
        if found := await self._searched(ctx):
            return found
        before = ctx.trajectory.recent(1)
        if before and before[0].candidate.step == ctx.step - 1:
            return await self._instructed(ctx)
        problem = ctx.problem  # the last step, the language model's, found nothing
        assert isinstance(problem, Samplable)  # noqa: S101 - checked by fits
        rng = ctx.rng("restart")
        text = Fresh(ctx.trajectory)(lambda _: problem.draw(rng))
        return (Proposed(text, text, "", ()),)

    async def _instructed(self, ctx: StepContext) -> tuple[Proposed, ...]:
        """Return what the language model names, as roots."""
        return tuple(replace(one, parents=()) for one in await self.instructor(ctx))

    async def _searched(self, ctx: StepContext) -> tuple[Proposed, ...]:
        """Return the next solutions of the descent; none at its end."""
        search, descent = self._for(ctx.problem), descents_of(ctx.trajectory).all[-1]
        base = (ctx.base,) if ctx.base else ()
        if not base or descent.begin is None:  # nothing has a value yet
            return ()
        if isinstance(search, Gaussian):
            return await search(ctx)
        if isinstance(search, Neighbours):
            _, texts = search.around(ctx, ctx.base, ctx.rng("neighbours"))
        else:
            texts = search.generation(ctx, descent.begin.text, root=descent.root, again=False)
        return tuple(Proposed(text, text, "", base) for text in texts)
