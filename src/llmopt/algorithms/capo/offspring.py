"""Couples of a population and their children: instructions merged and reworded, shots inherited."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from llmopt.core.demonstrations import shot_rules_of
from llmopt.core.part import CallBound, Group, Proposed
from llmopt.core.problem import Refusal
from llmopt.core.trajectory import Entry
from llmopt.core.values import Candidate
from llmopt.errors import ConfigError
from llmopt.parts.bootstrap_demonstrations import Taught, drawn, one_instruction, solution, taught
from llmopt.parts.propose import Generate

if TYPE_CHECKING:
    import numpy as np

    from llmopt.core.demonstrations import Shot, ShotRules
    from llmopt.core.model import Model
    from llmopt.core.part import StepContext
    from llmopt.core.problem import Problem
    from llmopt.core.trajectory import Trajectory

_COUPLE = 2
_ADD, _REMOVE = 1 / 3, 2 / 3  # below the first a shot is added, below the second one is removed


@dataclass(frozen=True)
class Couples:
    """Pairs of different parents, all equally likely; first, single parents to fill a population.

    Attributes:
        population: Size of the population, 2 or more.
        crossovers: Pairs of a step, 1 or more.
    """

    population: int = 10
    crossovers: int = 4

    def __post_init__(self) -> None:
        if self.population < _COUPLE:
            raise ConfigError(f"a population has 2 or more, but got {self.population}")
        if self.crossovers < 1:
            raise ConfigError(f"crossovers are 1 or more, but got {self.crossovers}")

    async def __call__(self, ctx: StepContext) -> tuple[Group, ...]:
        """Return a group for each child."""
        current = ctx.survivors
        if not current:
            return (Group(),)
        missing = self.population - len(current)
        if ctx.trajectory.steps == 1 and missing > 0:
            singles = (current[at % len(current)] for at in range(missing))
            return tuple(Group(one, (one,)) for one in singles)
        if len(current) < _COUPLE:
            return tuple(Group(current[0], current) for _ in range(self.crossovers))
        rng = ctx.rng("couples")
        pairs = (
            sorted(rng.choice(len(current), _COUPLE, replace=False)) for _ in range(self.crossovers)
        )
        # The better one, which comes first among survivors, is the last parent.
        return tuple(Group(current[a], (current[b], current[a])) for a, b in pairs)


@dataclass(frozen=True)
class Offspring:
    """Merge the instructions of two parents, reword the result, and mix their demonstrations.

    A single parent is reworded alone, and gets a random number of demonstrations, 0 to `shots`.
    Of two, the child has half of the shots of both together, drawn at random; then one is added,
    or one removed, or none, each with a chance of one third, and the order is drawn.

    Attributes:
        cross: How two instructions are merged.
        mutate: How an instruction is reworded.
        shots: Most demonstrations of a child, 0 or more; the problem may allow fewer.
    """

    cross: Generate = field(default_factory=lambda: Generate(1, wording="capo", scores=0))
    mutate: Generate = field(default_factory=lambda: Generate(1, wording="capo-mutation", scores=0))
    shots: int = 5

    def __post_init__(self) -> None:
        if self.shots < 0:
            raise ConfigError(f"shots are 0 or more, but got {self.shots}")

    def proposes_parts(self) -> bool:
        """Return True: it sees whole solutions."""
        return True

    def fits(self, problem: Problem) -> None:
        """Refuse a problem whose solutions are more than an instruction and demonstrations."""
        one_instruction(problem)

    def check(self, model: Model) -> None:
        """Refuse a family that the optimizer LLM cannot answer."""
        self.cross.check(model)
        self.mutate.check(model)

    def most(self) -> CallBound:
        """Return the second call of a child, which is made where the first one can be read."""
        return CallBound(optimizer=1)

    async def __call__(self, ctx: StepContext) -> tuple[Proposed, ...]:
        """Return one child."""
        if ctx.base is None:
            return await self.mutate(ctx)
        parents = [taught(ctx.problem, entry.text) for entry in ctx.shown]
        further: tuple[str, ...] = ()
        now = parents[-1].instruction
        if len(parents) == _COUPLE:
            merged = await self._asked(self.cross, ctx, [one.instruction for one in parents])
            if isinstance(merged.text, Refusal):
                return (replace(merged, parents=ctx.shown),)
            further, now = (merged.call,), merged.text
        reworded = self.mutate if further else _varied(self.mutate)
        made = await self._asked(reworded, ctx, [now])
        if not isinstance(made.text, Refusal):
            child = Taught(made.text, await self._shots(ctx, parents))
            made = replace(made, text=solution(ctx.problem, child))
        return (replace(made, parents=ctx.shown, further=further),)

    async def _asked(self, how: Generate, ctx: StepContext, texts: list[str]) -> Proposed:
        """Ask for one instruction made of others; a text that the problem refuses is a refusal."""
        assert ctx.base is not None  # noqa: S101 - checked by the caller
        evaluation = ctx.base.evaluation
        shown = tuple(Entry(Candidate(text), evaluation) for text in texts)
        (made, *_) = await how(replace(ctx, shown=shown))
        if isinstance(made.text, Refusal):
            return made
        parsed = ctx.problem.parse(solution(ctx.problem, Taught(made.text)))
        text = parsed if isinstance(parsed, Refusal) else taught(ctx.problem, parsed).instruction
        return replace(made, text=text)

    async def _shots(self, ctx: StepContext, parents: list[Taught]) -> tuple[Shot, ...]:
        """Return the demonstrations of a child."""
        rules = shot_rules_of(ctx.problem)
        if rules is None:
            return ()
        rng, most = ctx.rng("shots"), min(self.shots, rules.most)
        if len(parents) < _COUPLE:
            return await drawn(ctx, rules, rng.randint(most + 1), rng, sources=ctx.shown)
        first, second = (one.shots for one in parents)
        both = list({shot.id: shot for shot in (*first, *second)}.values())
        half = min(most, (len(first) + len(second)) // 2, len(both))
        kept = [both[at] for at in rng.permutation(len(both))[:half]]
        return await self._mutated(ctx, rules, rng, kept)

    async def _mutated(
        self, ctx: StepContext, rules: ShotRules, rng: np.random.RandomState, kept: list[Shot]
    ) -> tuple[Shot, ...]:
        """Return demonstrations with one more, one less, or as many, in another order."""
        luck, shots = rng.uniform(), tuple(kept)
        if luck < _ADD and len(kept) < min(self.shots, rules.most):
            shots = await drawn(ctx, rules, 1, rng, sources=ctx.shown, kept=kept)
        elif _ADD <= luck < _REMOVE and kept:
            shots = tuple(kept[1:])  # they are in a random order
        return tuple(shots[at] for at in rng.permutation(len(shots)))


def _varied(mutate: Generate) -> Generate:
    """Return how the population is filled: each draw is asked to try something else."""
    able = mutate.vary == "none" and mutate.metaprompt("chat").varies
    return replace(mutate, vary="angles") if able else mutate


@dataclass(frozen=True)
class Unbeaten:
    """The best of those that no race has dropped survive.

    Attributes:
        population: Their number, 1 or more.
    """

    population: int = 10

    def __post_init__(self) -> None:
        if self.population < 1:
            raise ConfigError(f"the number of survivors is 1 or more, but got {self.population}")

    def __call__(self, ctx: StepContext) -> tuple[Entry, ...]:
        """Return them, the highest estimate first; of all where nothing was measured in full."""
        return unbeaten(ctx.trajectory, self.population)


def unbeaten(trajectory: Trajectory, k: int) -> tuple[Entry, ...]:
    """Return the `k` solutions with the highest estimates that were measured on all items."""
    size = k
    while True:
        best = trajectory.promising(size)
        found = tuple(entry for entry in best if entry.evaluation.whole)[:k]
        if len(found) == k or len(best) < size:
            return found or best[:k]
        size *= 4
