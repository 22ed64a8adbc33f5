"""Measures how much a search may gain, for a twentieth of its calls at most.

A dozen candidates are drawn without scores, as by the control *best of N*. Each is measured on a
few training items, and compared there with the start, which is measured on all of them. It is a
run of its own in the store. The search uses its replies: the start's on train, and those of the
control's first step where both draw alike.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from llmopt.algorithms.sampling import sampling
from llmopt.core.problem import calls_each, presented
from llmopt.core.values import Evaluation
from llmopt.errors import ConfigError
from llmopt.evidence.headroom import Headroom
from llmopt.evidence.pooled import TRAIN_WEIGHT
from llmopt.evidence.verdict import final_calls
from llmopt.parts.propose import Generate
from llmopt.statistics import possible_gain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.core.algorithm import Algorithm
    from llmopt.core.part import Measure, StepContext
    from llmopt.core.problem import Problem
    from llmopt.core.trajectory import Entry, Trajectory
    from llmopt.core.values import Candidate, Item, Outcome
    from llmopt.engine.run import Run

CANDIDATES = 12
"""How many candidates are drawn."""

WORTH = 2.0
"""The usual gain that is worth while, in points."""

_SHARE = 0.05  # of the calls of the whole search
_ROUNDS = ((4, 2), (2, 4))  # how many of the best are measured on how many times `first` more
_LEAST = 6  # items of each candidate
_USUAL = 8  # candidates of a step, where a method does not say
_COMMON = 2  # items that a candidate must share with the start
_TWO = 2  # candidates that tell of a spread


@dataclass(frozen=True)
class HeadroomRace:
    """A few items for each candidate, spread over all, and more for the best.

    Each candidate begins at another item: all of them are compared with the start, which is
    measured on every item, so that its luck on a few items does not count for all of them.

    Attributes:
        first: Items of each candidate, 1 or more. The best four are then measured on twice as many
            more, and the best two on four times as many.
    """

    first: int

    async def __call__(
        self,
        ctx: StepContext,
        candidates: Sequence[Candidate],
        items: Sequence[Item],
        measure: Measure,
    ) -> tuple[Evaluation, ...]:
        """Return full evaluations of starts, and partial ones of candidates."""
        size = min(self.first, len(items)) if ctx.trajectory.steps else len(items)
        found: list[dict[int, Outcome]] = [{} for _ in candidates]

        async def measured(jobs: Sequence[tuple[int, int]]) -> None:
            outcomes = await measure([(candidates[i], items[at]) for i, at in jobs])
            for (i, at), outcome in zip(jobs, outcomes, strict=True):
                found[i][at] = outcome

        begins = [i * len(items) // max(1, len(candidates)) for i in range(len(candidates))]
        await measured(
            [(i, (begins[i] + n) % len(items)) for i in range(len(candidates)) for n in range(size)]
        )
        if ctx.trajectory.steps:
            start = next(iter(ctx.trajectory)).evaluation
            for best, times in _ROUNDS:
                jobs = []
                for i in _ahead(found, start)[:best]:
                    free = [at for at in range(len(items)) if at not in found[i]]
                    jobs += [(i, at) for at in free[: times * size]]
                await measured(jobs)
        return tuple(Evaluation(tuple(own[at] for at in sorted(own)), len(items)) for own in found)


def _ahead(found: Sequence[dict[int, Outcome]], start: Evaluation) -> list[int]:
    """Return the candidates by how far they are ahead of the start on their items."""
    usual = {outcome.item: outcome.score for outcome in start.outcomes}

    def lead(i: int) -> float:
        leads = [
            outcome.score - known
            for outcome in found[i].values()
            if outcome.score is not None and (known := usual.get(outcome.item)) is not None
        ]
        return sum(leads) / len(leads) if leads else -np.inf

    return sorted(range(len(found)), key=lambda i: (-lead(i), i))


@dataclass(frozen=True)
class HeadroomPlan:
    """How a headroom is measured.

    Attributes:
        algorithm: Draws the candidates and measures them.
        planned: Candidates that the search would try.
        full: Calls to the scorer LLM of the whole search, without a control.
        rows: Items by whose scores the search chooses; one of train counts a quarter.
        worth: The gain that is worth while, as a share of 1.
    """

    algorithm: Algorithm
    planned: int
    full: int
    rows: float
    worth: float

    def found(self, problem: Problem, trajectory: Trajectory, usd: float | None) -> Headroom:
        """Return what a finished measurement says.

        Args:
            problem: What is optimized.
            trajectory: The starts, and the candidates.
            usd: What was paid.
        """
        entries = list(trajectory)
        scores = _table(entries, problem.items("train"))
        common = (~np.isnan(scores[1:] - scores[0])).sum(axis=1) >= _COMMON
        scores = scores[np.concatenate([[True], common])]
        gain = None
        if common.sum() >= _TWO:
            gain = possible_gain(scores, planned=self.planned, rows=self.rows, worth=self.worth)
        calls = sum(len(entry.evaluation.outcomes) for entry in entries) * calls_each(problem)
        new = len(entries) - len(problem.starts)
        return Headroom(gain, self.worth, new, self.planned, calls, self.full, usd)


def _table(entries: Sequence[Entry], items: Sequence[Item]) -> np.ndarray:
    place = {item.id: at for at, item in enumerate(items)}
    scores = np.full((len(entries), len(items)), np.nan)
    for row, entry in enumerate(entries):
        for outcome in entry.evaluation.outcomes:
            if outcome.score is not None:
                scores[row, place[outcome.item]] = outcome.score
    return scores


def headroom_plan(
    problem: Problem, algorithm: Algorithm, *, steps: int, finalists: int, worth: float
) -> HeadroomPlan:
    """Return how the headroom of a search is measured.

    Args:
        problem: What is optimized.
        algorithm: The method of the search.
        steps: Steps of the search.
        finalists: How many of the best on train are measured on validation.
        worth: The gain that is worth while, as a share of 1, above 0.

    Raises:
        ConfigError: Scores are no shares, or the method asks no LLM.
    """
    if not presented(problem).shares:
        raise ConfigError(
            "a headroom is of scores that are shares from 0 to 1, but got a problem whose scores "
            "are other values"
        )
    if not algorithm.needs_model:
        raise ConfigError(
            f"a headroom is of a method that asks an LLM, but got {algorithm.name!r}, which asks "
            "none"
        )
    rows, each = len(problem.items("train")), calls_each(problem)
    planned = max(1, steps * getattr(algorithm.propose, "samples", _USUAL))
    starts = len(problem.starts)
    evaluations = (starts + planned) * rows + final_calls(problem, finalists)
    left = _SHARE * evaluations - starts * rows
    shares = CANDIDATES + sum(best * times for best, times in _ROUNDS)
    first = min(rows, max(_LEAST, int(left // shares)))
    made = replace(sampling(), name="headroom", rate=HeadroomRace(first), made=None)
    if isinstance(made.propose, Generate):
        made = replace(made, propose=replace(made.propose, samples=CANDIDATES))
    choice = TRAIN_WEIGHT * rows + len(problem.items("validation"))
    return HeadroomPlan(made, planned, evaluations * each, choice, worth)


async def measured_headroom(run: Run, plan: HeadroomPlan) -> Headroom:
    """Measure a headroom in a run of the plan's algorithm, or read it from a finished one.

    Raises:
        ModelError: A call failed for good; repeating it continues.
        BudgetError: A spending limit was reached.
        StepFailedError: Too many items stayed unmeasured.
    """
    if run.trajectory.steps <= 1:
        with run.session.under_way():
            while run.trajectory.steps <= 1:
                await run.step()
    found = plan.found(run.problem, run.trajectory, run.session.usd())
    run.store.append(run.name, "headroom", found.to_dict())
    return found
