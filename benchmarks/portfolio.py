"""Does a portfolio of methods come close to the best of them alone? In scripted worlds.

    python benchmarks/portfolio.py --seeds 20

Three scripted methods propose solutions of known accuracy in each of twelve worlds: some build on
the best solutions shown, some draw by themselves, some are of no use, start slowly, reach a
ceiling, or have small steps. Alone and as a portfolio they get the same evaluations and the same
steps; the parts, the race and the trajectory are those of the package. Ten finalists, the best on
train, are compared on validation and train together. The figures are the winner's true accuracy in
percent, and the difference of the portfolio from the method that is the best one of its world, in
points, with a 95 % interval over seeds.
"""

from __future__ import annotations

import argparse
import asyncio
import math
from dataclasses import dataclass, field, replace
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from llmopt.algorithms.portfolio import portfolio
from llmopt.core.algorithm import Algorithm
from llmopt.core.part import Proposed, StepContext
from llmopt.core.problem import Description
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Item, Outcome
from llmopt.models.providers.null import AbsentModel
from llmopt.parts.keep import Elitist
from llmopt.parts.rate import Everything
from llmopt.parts.reflect import NoReflection
from llmopt.parts.select import Best

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

NORMAL = NormalDist()
ROWS = 100  # of train and of validation
STEPS, EACH, SHOWN, FINALISTS = 10, 8, 8, 10
ALIKE = 0.85  # correlation of the answers of two solutions, before they are right or wrong


@dataclass(frozen=True)
class Script:
    """How a scripted method proposes.

    Attributes:
        follows: Share of its proposals that build on one of the best shown.
        gain: How far, on average, such a child goes towards the ceiling: a share of the way.
        change: Standard deviation of a child from that, as a normal quantile.
        usual: Mean accuracy of the other proposals.
        spread: Its standard deviation.
        ceiling: Accuracy towards which children go.
        samples: Proposals of a step.
        slow: Solutions that it must have proposed before children gain anything.
        shares: Whether it goes on from what others proposed.
    """

    follows: float = 0.0
    gain: float = 0.0
    change: float = 0.15
    usual: float = 0.5
    spread: float = 0.06
    ceiling: float = 0.75
    samples: int = EACH
    slow: int = 0
    shares: bool = True


DRAWS = Script(usual=0.53, spread=0.08)
CLIMBS = Script(follows=0.9, gain=0.1)
DRIFTS = Script(follows=0.7, gain=0.0)
USELESS = Script(usual=0.35, spread=0.05)
SMALL = Script(follows=1.0, gain=0.12, samples=1)

WORLDS: dict[str, tuple[Script, Script, Script]] = {
    "one climbs, two draw": (CLIMBS, DRAWS, replace(DRAWS, usual=0.5)),
    "one climbs, two drift": (DRIFTS, CLIMBS, replace(DRIFTS, follows=0.4)),
    "one climbs fast": (replace(CLIMBS, gain=0.3), DRAWS, DRIFTS),
    "wide draws are best": (DRIFTS, replace(DRAWS, usual=0.55, spread=0.15), USELESS),
    "all climb alike": (CLIMBS, CLIMBS, CLIMBS),
    "all draw alike": (DRAWS, DRAWS, DRAWS),
    "two are of no use": (USELESS, CLIMBS, USELESS),
    "the best starts slowly": (replace(CLIMBS, gain=0.25, slow=12), CLIMBS, DRAWS),
    "early ceiling against steady": (
        replace(CLIMBS, gain=0.4, ceiling=0.65), replace(CLIMBS, gain=0.15), DRAWS,
    ),
    "small steps are best": (SMALL, DRAWS, DRIFTS),
    "small steps are of no use": (replace(SMALL, follows=0.0), CLIMBS, DRAWS),
    "the best sees its own steps alone": (
        replace(CLIMBS, gain=0.2, shares=False), DRIFTS, DRAWS,
    ),
}  # fmt: skip


class World:
    """Solutions by number, with what is known of each, and their answers to train and validation.

    Attributes:
        ability: Normal quantile of the true accuracy of each solution.
        right: Answers of each solution, first to train and then to validation.
    """

    def __init__(self, seed: int) -> None:
        self.random = np.random.RandomState(seed)
        self._hard = self.random.normal(size=2 * ROWS)
        self.ability: list[float] = []
        self.right: list[NDArray[np.float64]] = []
        self.add(NORMAL.inv_cdf(0.5))

    def add(self, ability: float) -> str:
        """Add a solution, and return its text."""
        luck = self.random.normal(size=2 * ROWS)
        latent = math.sqrt(ALIKE) * self._hard + math.sqrt(1 - ALIKE) * luck
        self.ability.append(ability)
        self.right.append((latent < ability).astype(float))
        return str(len(self.ability) - 1)

    async def measure(self, jobs: Sequence[tuple[Candidate, Item]]) -> list[Outcome]:
        """Return answers to train items."""
        return [Outcome(i.id, float(self.right[int(c.text)][int(i.id)]), "a") for c, i in jobs]


@dataclass(frozen=True)
class Task:
    """The problem of a world."""

    world: World = field(repr=False)
    description: Description = field(default_factory=lambda: Description("a task"))
    starts: tuple[str, ...] = ("0",)

    def parse(self, text: str) -> str:
        """Return the text."""
        return text


@dataclass(frozen=True)
class Scripted:
    """Proposes as a script says."""

    script: Script

    def check(self, model: Any) -> None:
        """Need no model."""

    def unaided(self) -> bool:
        """Return that no model is needed."""
        return True

    async def __call__(self, ctx: StepContext) -> tuple[Proposed, ...]:
        """Return new solutions."""
        said, world = self.script, ctx.problem.world
        found = []
        for _ in range(said.samples):
            chance, pick = world.random.random_sample(2)
            change = world.random.normal()
            if chance < said.follows and ctx.shown:
                parent = ctx.shown[int(pick * len(ctx.shown))]
                before = world.ability[int(parent.text)]
                way = max(0.0, NORMAL.inv_cdf(said.ceiling) - before)
                slow = len(ctx.trajectory) <= said.slow
                gain = 0.0 if slow else said.gain * way
                moved = gain + said.change * change * min(1.0, 2 * way)
                text = world.add(before + min(way, moved))
            else:
                accuracy = said.usual + said.spread * change
                text = world.add(NORMAL.inv_cdf(min(0.97, max(0.02, accuracy))))
            found.append(Proposed(text, text, ""))
        return tuple(found)


def method_of(name: str, script: Script) -> Algorithm:
    """Return a scripted method."""
    return Algorithm(
        name, Best(SHOWN), NoReflection(), Scripted(script), Everything(), Elitist(),
        shares=script.shares,
    )  # fmt: skip


def searched(world: World, algorithm: Algorithm, planned: int) -> Trajectory:
    """Search until the evaluations of 10 steps of 8 solutions are spent."""
    task: Any = Task(world)
    items = [Item(str(n)) for n in range(ROWS)]
    trajectory, most = Trajectory(), planned * EACH * ROWS
    small = any(m.propose.script.samples < EACH for m in algorithm.alone)  # type: ignore[attr-defined]
    steps = planned * EACH if small else planned
    spent, model = 0, AbsentModel()

    async def go() -> Trajectory:
        nonlocal trajectory, spent
        by, made = "", (Candidate("0"),)
        while spent < most:
            if trajectory.steps:
                asked = await algorithm.ask(task, trajectory, model, 0, steps)
                made, by = asked.candidates, asked.by
            ctx = context(task, trajectory, steps)
            found = await algorithm.rate(ctx, made, items, world.measure)
            if trajectory.steps:
                spent += sum(len(evaluation.outcomes) for evaluation in found)
            trajectory = trajectory.tell(map(Entry, made, found), by)
        return trajectory

    return asyncio.run(go())


def context(task: Any, trajectory: Trajectory, steps: int) -> StepContext:
    """Return the context of the next step."""
    return StepContext(
        problem=task, trajectory=trajectory, model=AbsentModel(), step=trajectory.steps,
        steps=steps, seed=0,
    )  # fmt: skip


def worth(world: World, trajectory: Trajectory) -> float:
    """Choose a winner, and return its true accuracy in percent."""
    finalists = {0, *(int(entry.text) for entry in trajectory.best(FINALISTS))}
    best = max(sorted(finalists), key=lambda n: world.right[n].mean())
    return 100 * NORMAL.cdf(world.ability[best])


def main() -> None:
    """Print a row for each world."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--chance", type=float, default=0.1)
    parser.add_argument("--shared", type=float, default=0.3)
    parser.add_argument("--rounds", type=int, default=4)
    given = parser.parse_args()
    print(f"{'world':36} {'alone':>20} {'portfolio':>9}  against the best")
    for name, scripts in WORLDS.items():
        methods = [method_of(f"m{n}", script) for n, script in enumerate(scripts)]
        both = portfolio(methods, chance=given.chance, shared=given.shared, rounds=given.rounds)
        rows = []
        for seed in range(given.seeds):
            row = []
            for algorithm in (*methods, both):
                world = World(seed)
                row.append(worth(world, searched(world, algorithm, given.steps)))
            rows.append(row)
        found = np.array(rows)
        means = found.mean(0)
        best = int(means[:3].argmax())
        change = found[:, 3] - found[:, best]
        half = 1.96 * change.std(ddof=1) / math.sqrt(len(change))
        alone = " / ".join(f"{mean:.1f}" for mean in means[:3])
        print(f"{name:36} {alone:>20} {means[3]:9.1f}  {change.mean():+.1f} +- {half:.1f}")


if __name__ == "__main__":
    main()
