"""A language model as the recombination of an evolution strategy (EvoLLM).

There is no state beside the trajectory: what is shown are solutions of the last steps, the mean is
what the language model says to that, and where it says nothing usable, the weighted mean of
what was shown. The population of a step is drawn around the mean by the run's own generator.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from llmopt.core.metaprompt import MetaPrompt, Sections, Shown
from llmopt.core.part import Group, Proposed, all_of
from llmopt.core.problem import Description, Refusal
from llmopt.core.values import Candidate
from llmopt.errors import ConfigError
from llmopt.parts.perturb import (
    Around,
    Fresh,
    check_sigma,
    needs_points,
)
from llmopt.parts.propose import AnyFamily, Generate
from llmopt.parts.schedule import Constant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from llmopt.core.model import Model
    from llmopt.core.part import StepContext
    from llmopt.core.problem import Problem
    from llmopt.core.trajectory import Entry
    from llmopt.core.values import Call
    from llmopt.parts.schedule import Schedule

    Point = NDArray[np.float64]

WORDING = "evollm"
"""The folder of the templates."""

_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
_DIGITS = 9  # of one number; more of them are no coordinate


@dataclass(frozen=True)
class Generations:
    """The best of each of the last steps, all together from the worst to the best.

    Attributes:
        steps: How many steps that found something; the starting solutions are one. 1 or more.
        members: Solutions of each at most, 1 or more.
    """

    steps: int = 5
    members: int = 5

    def __post_init__(self) -> None:
        if self.steps < 1 or self.members < 1:
            raise ConfigError(
                "generations shown and members of each are 1 or more, but got "
                f"{self.steps} and {self.members}"
            )

    async def __call__(self, ctx: StepContext) -> tuple[Group, ...]:
        """Return one group."""
        trajectory = ctx.trajectory
        found: dict[int, list[Entry]] = {}
        size = 64
        while True:
            entries = trajectory.recent(size)
            found.clear()
            for entry in reversed(entries):
                if entry.evaluation.score is not None:
                    found.setdefault(entry.candidate.step, []).append(entry)
            # The earliest step may be cut off, so there has to be one more than is wanted.
            if len(found) > self.steps or size >= len(trajectory):
                break
            size *= 4
        last = [found[step] for step in sorted(found, reverse=True)[: self.steps]]
        worth = trajectory.estimate
        best = [e for some in last for e in sorted(some, key=worth, reverse=True)[: self.members]]
        return (Group(shown=tuple(sorted(best, key=worth))),)


@dataclass(frozen=True)
class NextMean:
    """Ask for the next mean at a better fitness, and draw a population around it.

    Solutions are shown as whole numbers from 0 to `resolution`, one for each dimension. With more
    than `block` dimensions, blocks of them are asked for in calls of their own. A block
    that cannot be read is a refused proposal with its reason, and gets the weighted mean of the
    better half of what is shown, with the weights of the CMA-ES: logarithmic in the rank.

    Attributes:
        population: Solutions a step, 1 or more; the first is the mean itself.
        sigma: Standard deviation around the mean, as a share of each dimension's range; above 0.
        resolution: Steps into which each range is divided, 1 or more.
        block: Dimensions in one call, 1 or more.
        family: See :class:`~llmopt.parts.propose.Generate`.
        template: A template of the user's own; empty for the family's.
        temperature: Of the optimizer LLM, by step.
        max_tokens: Of one reply.
    """

    population: int = 8
    sigma: float = 0.05
    resolution: int = 1000
    block: int = 4
    family: AnyFamily = "auto"
    template: str = ""
    temperature: Schedule = field(default_factory=lambda: Constant(1.0))
    max_tokens: int = 64

    def __post_init__(self) -> None:
        for what, number in (
            ("solutions per step", self.population),
            ("steps of the resolution", self.resolution),
            ("dimensions in a block", self.block),
        ):
            if number < 1:
                raise ConfigError(f"{what} are 1 or more, but got {number}")
        check_sigma(self.sigma)
        self._generate()  # it checks what both have in common

    def _generate(self) -> Generate:
        return Generate(
            samples=1,
            family=self.family,
            wording=WORDING,
            template=self.template,
            temperature=self.temperature,
            max_tokens=self.max_tokens,
        )

    def check(self, model: Model) -> None:
        """Refuse a family that the optimizer LLM cannot answer."""
        self._generate().check(model)

    def fits(self, problem: Problem) -> None:
        """Refuse a problem whose solutions are no points."""
        needs_points(problem)

    async def __call__(self, ctx: StepContext) -> tuple[Proposed, ...]:
        """Ask once for each block, and draw the population."""
        metaprompt = self._generate().metaprompt(ctx.model.traits.family)
        around = Around(ctx, "population")
        size = len(around.ranges)
        shown = np.array([around.point([e]) for e in ctx.shown]).reshape(-1, size)
        whole = np.clip((shown - around.low) / around.ranges, 0, 1) * self.resolution
        mean = _recombined(whole) if len(whole) else np.full(size, self.resolution / 2)
        blocks = [slice(at, min(at + self.block, size)) for at in range(0, size, self.block)]
        calls = [
            self._call(ctx, metaprompt, whole[:, block], number)
            for number, block in enumerate(blocks)
        ]
        replies = await all_of(ctx.model.complete(call) for call in calls)
        keys = [call.key(ctx.model.identity) for call in calls]
        found: list[Proposed] = []
        for block, reply, key in zip(blocks, replies, keys, strict=True):
            read = self._read(
                metaprompt.read(reply.text, cut=reply.finish == "length"), len(mean[block])
            )
            if isinstance(read, Refusal):
                found.append(Proposed(read, reply.text, key))
            else:
                mean[block] = read
        point = around.low + mean / self.resolution * around.ranges
        fresh = Fresh(ctx.trajectory)
        first, texts = around.text(point), []
        if not ctx.trajectory.knows(Candidate(first)):
            texts.append(Proposed(fresh(lambda _: first), first, ""))
        while len(texts) < self.population:
            texts.append(around.proposed(fresh, ctx.shown, point, self.sigma))
        used = tuple(k for k in keys if k not in {p.call for p in found})
        return (*found, replace(texts[0], further=used), *texts[1:])

    def _call(self, ctx: StepContext, metaprompt: MetaPrompt, whole: Point, number: int) -> Call:
        """Return the call for one block of dimensions."""
        problem = ctx.problem
        said = problem.description
        size = whole.shape[1]
        numbers = f"{size} whole numbers" if size > 1 else "1 whole number"
        worth = ctx.trajectory.estimate
        best = max(map(worth, ctx.shown), default=0.0)
        sections = Sections(
            description=Description(
                task="",
                noun=f"list of {numbers} from 0 to {self.resolution}",
                measure=said.measure,
                higher_is_better=said.higher_is_better,
            ),
            entries=tuple(
                Shown(
                    ", ".join(str(round(float(x))) for x in row),
                    problem.show(worth(entry), 100),
                    entry.evaluation.partial,
                )
                for entry, row in zip(ctx.shown, whole, strict=True)
            ),
            aim=problem.aim(best, 100),
        )
        return metaprompt.call(
            metaprompt.lay_out(sections),
            temperature=self.temperature(ctx.step, ctx.steps),
            max_tokens=self.max_tokens,
            sample=ctx.sample(number),
        )

    def _read(self, text: str | Refusal, size: int) -> Point | Refusal:
        """Return the numbers of a reply, on the scale of the meta-prompt, or why there are none."""
        if isinstance(text, Refusal):
            return text
        found = _NUMBER.findall(text)
        if len(found) != size:
            return Refusal(f"not a list of {size}")
        if any(len(number) > _DIGITS for number in found):
            return Refusal("a number out of its range")
        numbers = np.array([float(number) for number in found])
        if numbers.min() < 0 or numbers.max() > self.resolution:
            return Refusal("a number out of its range")
        return numbers


def _recombined(ascending: Point) -> Point:
    """Return the weighted mean of the better half of points that run from the worst to the best."""
    half = max(1, len(ascending) // 2)
    weights = np.array([math.log(half + 0.5) - math.log(i) for i in range(1, half + 1)])
    best_first: Sequence[int] = range(len(ascending) - 1, len(ascending) - 1 - half, -1)
    mean: Point = np.average(ascending[list(best_first)], axis=0, weights=weights)
    return mean
