"""Doing one cell of a sweep: a run like any other, whose replies the pool buys."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from llmopt.api import prepare
from llmopt.core.problem import HasControls
from llmopt.core.values import Evaluation, digest
from llmopt.evidence.convergence import course_of
from llmopt.evidence.differences import groups_of
from llmopt.evidence.sweep_summary import OUT_OF_BUDGET, Done
from llmopt.problems.program.program_problem import ProgramProblem
from llmopt.problems.prompt.prompt_problem import PromptProblem
from llmopt.sweeps.shared_models import Charged, models_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from llmopt.core.problem import Problem
    from llmopt.core.store import Store
    from llmopt.engine.progress import Progress
    from llmopt.sweeps.grid import Cell
    from llmopt.sweeps.shared_models import Pool


async def done_cell(
    sweep: str, cell: Cell, store: Store, pool: Pool, listen: Callable[[Progress], None] | None
) -> Done:
    """Do a cell, or what is left of it.

    Args:
        sweep: Name of the sweep.
        cell: The cell.
        store: Where its run is kept.
        pool: The models of all cells.
        listen: Who is told of its progress.

    Raises:
        LlmoptError: It could not be done; what it was charged for is stored.
    """
    problem, options = cell.settings.built_problem(), cell.settings.options()
    models = models_of(cell, pool)
    if options["stop"] == "auto":
        options["stop"] = "steps"  # cells are compared on equal budgets
    options |= {
        "optimizer": models.get("optimizer"),
        "rates": {},  # they are kept by the pool, for all cells together
        "name": cell.name,
        "store": cast("Store", Charged(store, sweep)),
        "progress": listen or False,
        "source": cell.source,
    }
    if isinstance(problem, PromptProblem | ProgramProblem):
        problem = replace(problem, scorer=models.get("scorer"), judge=models.get("judge"))
    async with prepare(problem, **options) as run:
        result = await run.optimize()
        choice = run.choice
        course = course_of(problem, run.trajectory)
        controls = () if result.test else await _controls(problem)
    assert choice is not None  # noqa: S101 - the search has ended
    shown = result.presentation
    calls = sum(used.calls for used in result.usage.values())
    tokens = sum(used.tokens for used in result.usage.values())
    return Done(
        cell=cell.name,
        variant=cell.variant,
        task=cell.task,
        seed=cell.seed,
        test=tuple(
            (o.item, o.score, o.weight)
            for o in (choice.winner.outcomes if choice.winner else ())
            if o.score is not None
        ),
        start=shown.facing(result.test.start.mean) if result.test else course.begin,
        best=result.best.text,
        verdict=result.verdict,
        stopped=OUT_OF_BUDGET if result.out_of_budget else result.stopped,
        steps=result.steps,
        candidates=result.candidates,
        calls=calls,
        tokens=tokens,
        course=None if result.test else course,
        controls=controls,
        groups=_shared(problem),
        unmeasured=sum(s.planned - s.n for s in (result.test.start, result.test.best))
        if result.test
        else 0,
        shown=shown,
    )


def _shared(problem: Problem) -> dict[str, str]:
    """Return the groups of the test items that are not alone in theirs, named by content."""
    groups = groups_of(problem.items("test"))
    sizes = Counter(groups.values())
    return {item: digest(group) for item, group in groups.items() if sizes[group] > 1}


async def _controls(problem: Problem) -> tuple[tuple[str, float], ...]:
    """Measure the plain controls of a problem that asks no scorer LLM."""
    found = []
    if isinstance(problem, HasControls):
        for name, text in problem.controls().items():
            outcomes = [await problem.measure(text, i, None) for i in problem.items("train")]
            score = Evaluation(tuple(outcomes), len(outcomes)).score
            found += [] if score is None else [(name, score)]
    return tuple(found)
