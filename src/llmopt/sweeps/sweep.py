"""Doing a sweep: its cells one after the other or a few at once, on equal budgets, resumable.

A cell is a run like any other. What differs is who pays: a reply is bought once for all cells,
and kept under the name of the sweep; a cell that uses it is *charged* as if it had bought it
alone. So a budget means the same for the first cell and for the last, which finds most of its
replies bought, and a cell that is resumed goes on with what it had left.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from llmopt.api import prepare
from llmopt.errors import ConfigError, InputError, LlmoptError, StoreError
from llmopt.evidence.versus import groups_of
from llmopt.models.absent import AbsentModel
from llmopt.problem import Controlled, check_scorer
from llmopt.problems.prompting import PromptProblem
from llmopt.report.convergence import Converged, Line, course_of, lines_of
from llmopt.report.sweeping import SweepView
from llmopt.report.sweeps import CELL, OUT_OF_BUDGET, Done, Row, courses_of, summarized
from llmopt.store import open_store
from llmopt.sweeps.pool import Charged, Pool, models_of
from llmopt.types import Evaluation, digest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from llmopt.problem import Problem
    from llmopt.search.progress import Progress
    from llmopt.store.protocol import Store
    from llmopt.sweeps.grid import Cell, Sweep

_HARMLESS = ("concurrency", "deadline", "price", "requests_per_minute", "tokens_per_minute")
_SHOWN = 3  # keys that a message names


@dataclass(frozen=True)
class Swept:
    """What a sweep found.

    Attributes:
        sweep: Its name.
        cells: Every cell, in the order of the sweep.
        rows: The table, where cells are compared on test items.
        lines: The table, where nothing is held out and the searches' convergence is compared.
        bought: Calls that models answered, for all cells together, also before it was resumed.
    """

    sweep: str
    cells: tuple[Done, ...]
    rows: tuple[Row, ...]
    lines: tuple[Line, ...]
    bought: int

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data for JSON."""
        cells = [asdict(cell) | {"score": cell.score} for cell in self.cells]
        rows = [asdict(row) | {"words": row.words} for row in self.rows]
        lines = [asdict(line) for line in self.lines]
        found = {"rows": rows} if rows else {"lines": lines}
        return {"sweep": self.sweep, "cells": cells, **found, "bought": self.bought}

    @property
    def converged(self) -> tuple[Converged, ...]:
        """The cells of which the convergence is compared."""
        return courses_of(self.cells)


async def run_sweep(
    sweep: Sweep,
    *,
    store: str | Path | Store | None = None,
    jobs: int = 1,
    progress: bool = True,
) -> Swept:
    """Do the cells that are not done yet, and compare all of them.

    Args:
        sweep: What to do; a sweep of this name that is in the store is continued.
        store: As in :class:`llmopt.options.Options`.
        jobs: Cells at once; they share the slots and rates of their models.
        progress: Whether to show what happens, on standard error.

    Raises:
        InputError: A cell cannot be done as it is configured; nothing was paid for any.
        ModelError: A model could not answer; the same call goes on where it stopped.
        BudgetError: The budget of a cell does not even pay for measuring where it starts.
    """
    if jobs < 1:
        raise ConfigError(f"jobs are cells at once, 1 or more, but got {jobs}")
    async with contextlib.AsyncExitStack() as stack:
        if store is None or isinstance(store, str | Path):
            kept: Store = open_store(store)
            stack.callback(kept.close)
        else:
            kept = store
        stack.enter_context(kept.claim(sweep.name))
        _register(kept, sweep)
        # A sweep that fails at its first call leaves nothing behind; one without models has
        # cells, but no replies.
        stack.callback(lambda: None if finished(kept, sweep) else kept.discard(sweep.name))
        pool = Pool(kept.replies(sweep.name), quiet=not progress)
        stack.push_async_callback(pool.close)
        for cell in sweep.cells:
            _check(cell, pool, jobs)
        done = finished(kept, sweep)
        kept.append(sweep.name, "status", {"status": "running"})
        status = "interrupted"
        try:
            view = SweepView(sweep.name, len(sweep.cells), live=jobs == 1) if progress else None
            left = [(n, cell) for n, cell in enumerate(sweep.cells, 1) if cell.name not in done]

            async def one(number: int, cell: Cell) -> None:
                shown = view.cell(number, cell.label) if view else contextlib.nullcontext()
                with shown as listen:
                    found = await _ran(sweep.name, cell, kept, pool, listen)
                kept.append(sweep.name, CELL, asdict(found))
                done[cell.name] = found
                if view:
                    view.ends(number, cell.label, found, pool.bought)

            if view:
                view.begins(len(done))
            await _each(left, one, jobs)
            status = "done"
        except LlmoptError:
            status = "failed"
            raise
        finally:
            kept.append(sweep.name, "status", {"status": status})
        cells = tuple(done[cell.name] for cell in sweep.cells)
        bought = sum(used.calls for used in kept.spent(sweep.name).values())
        courses = courses_of(cells)
        rows = () if courses else summarized(cells)
        return Swept(sweep.name, cells, rows, lines_of(courses), bought)


def finished(store: Store, sweep: Sweep) -> dict[str, Done]:
    """Return what the finished cells of a sweep found, by the names of their runs.

    Raises:
        StoreError: The store cannot be read.
    """
    if all(info.name != sweep.name for info in store.runs()):
        return {}
    names = {cell.name for cell in sweep.cells}
    found: dict[str, Done] = {}
    for record in store.records(sweep.name):
        if record.kind == CELL and record.data["cell"] in names:
            found[record.data["cell"]] = Done.plain(record.data)
    return found


async def _each(
    cells: Iterable[tuple[int, Cell]], do: Callable[[int, Cell], Awaitable[None]], jobs: int
) -> None:
    """Do cells in order, a few at once; the first failure lets those at work finish."""
    waiting = iter(cells)
    failed: list[LlmoptError] = []

    async def work() -> None:
        for number, cell in waiting:
            if failed:
                return
            try:
                await do(number, cell)
            except LlmoptError as error:
                failed.append(error)

    await asyncio.gather(*(work() for _ in range(jobs)))
    if failed:
        raise failed[0]


async def _ran(
    sweep: str, cell: Cell, store: Store, pool: Pool, listen: Callable[[Progress], None] | None
) -> Done:
    """Do a cell, or what is left of it."""
    problem, options = cell.settings.built_problem(), cell.settings.options()
    models = models_of(cell, pool)
    options |= {
        "optimizer": models.get("optimizer"),
        "rates": {},  # they are kept by the pool, for all cells together
        "name": cell.name,
        "store": cast("Store", Charged(store, sweep)),
        "progress": listen or False,
        "source": cell.source,
    }
    if isinstance(problem, PromptProblem):
        problem = replace(problem, scorer=models["scorer"], judge=models.get("judge"))
    async with prepare(problem, **options) as run:
        result = await run.optimize()
        choice = run.choice
        course = course_of(problem, run.trajectory)
        controls = () if result.test else await _controls(problem)
    assert choice is not None  # noqa: S101 - the search has ended
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
        start=result.test.start.mean if result.test else course.begin,
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
    )


def _shared(problem: Problem) -> dict[str, str]:
    """Return the groups of the test items that are not alone in theirs, named by content."""
    groups = groups_of(problem.items("test"))
    sizes = Counter(groups.values())
    return {item: digest(group) for item, group in groups.items() if sizes[group] > 1}


async def _controls(problem: Problem) -> tuple[tuple[str, float], ...]:
    """Measure the plain controls of a problem that asks no scorer LLM."""
    found = []
    if isinstance(problem, Controlled):
        for name, text in problem.controls.items():
            outcomes = [await problem.measure(text, i, None) for i in problem.items("train")]
            score = Evaluation(tuple(outcomes), len(outcomes)).score
            found += [] if score is None else [(name, score)]
    return tuple(found)


def _register(store: Store, sweep: Sweep) -> None:
    """Note a new sweep in the store, or check that the known one is this one, cell by cell.

    Raises:
        StoreError: The name is another run's, or a cell began with another configuration.
    """
    known = {info.name for info in store.runs()}
    if sweep.name not in known:
        store.create(sweep.name, {"sweep": True, "identity": {}, "source": {}})
    elif "sweep" not in store.config(sweep.name):
        raise StoreError(
            f"the name of a sweep is free or a sweep's, but got {sweep.name!r}, which is a run; "
            "choose another with --name"
        )
    for cell in sweep.cells:
        if cell.name not in known:
            continue
        before, now = _decisive(store.config(cell.name)["source"]), _decisive(cell.source)
        changed = sorted(k for k in before.keys() | now.keys() if before.get(k) != now.get(k))
        if changed:
            more = ", …" if len(changed) > _SHOWN else ""
            raise StoreError(
                f"the sweep {sweep.name!r} is continued only as it began, but "
                f"{', '.join(changed[:_SHOWN])}{more} changed in its cell {cell.label!r}; choose "
                "another --name: replies that are stored are not bought again"
            )


def _decisive(source: dict[str, Any]) -> dict[str, Any]:
    """Return table.key -> value of what a cell's course depends on."""
    return {
        f"{table}.{key}": value
        for table, values in source.items()
        for key, value in values.items()
        if key not in _HARMLESS
    }


def _check(cell: Cell, pool: Pool, jobs: int) -> None:
    """Refuse a cell that cannot be done, before anything is paid for any.

    Raises:
        InputError: See above.
    """
    try:
        problem, options = cell.settings.built_problem(), cell.settings.options()
        models = models_of(cell, pool)
        options["algorithm"].check(problem, models.get("optimizer", AbsentModel()))
        check_scorer(problem, models.get("scorer"))
    except InputError as error:
        raise ConfigError(f"the cell {cell.label!r} of the sweep: {error}") from error
    if isinstance(problem, PromptProblem) and not problem.items("test"):
        raise ConfigError(
            f"cells of a sweep are compared on test items, but {cell.label!r} has none; "
            "give problem.sizes a share for test, or set problem.test"
        )
    if jobs > 1 and pool.local:
        raise ConfigError(
            f"a model in this process does one cell at a time, but got jobs = {jobs}; "
            "leave the jobs out"
        )
