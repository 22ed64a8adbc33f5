"""Doing a sweep: its cells one after the other or a few at once, on equal budgets, resumable.

A cell is a run like any other. What differs is who pays: a reply is bought once for all cells,
and kept under the name of the sweep; a cell that uses it is *charged* as if it had bought it
alone. So a budget means the same for the first cell and for the last, which finds most of its
replies bought, and a cell that is resumed goes on with what it had left.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmopt.core.problem import check_scorer
from llmopt.engine.opening import booked, opened
from llmopt.engine.options import SessionOptions
from llmopt.errors import ConfigError, InputError, LlmoptError, StoreError
from llmopt.evidence.convergence import Converged, VariantCurve, lines_of
from llmopt.evidence.sweep_summary import (
    CELL,
    Done,
    VariantScore,
    courses_of,
    summarized,
)
from llmopt.models.middleware.budget import Account, Limits, Spent
from llmopt.models.middleware.traffic import Traffic
from llmopt.models.providers.null import AbsentModel
from llmopt.problems.program.program_problem import ProgramProblem
from llmopt.problems.prompt.prompt_problem import PromptProblem
from llmopt.sweeps.cell import done_cell
from llmopt.sweeps.cell_workers import Workers, shares_of
from llmopt.sweeps.shared_models import Pool, models_of
from llmopt.terminal.progress.sweep_progress import SweepView

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from llmopt.core.store import Store
    from llmopt.engine.session import Session
    from llmopt.sweeps.grid import Cell, Sweep

_HARMLESS = (
    "concurrency",
    "controls",
    "deadline",
    "price",
    "requests_per_minute",
    "tokens_per_minute",
)
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
    rows: tuple[VariantScore, ...]
    lines: tuple[VariantCurve, ...]
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
    apart: bool | None = None,
    progress: bool = True,
) -> Swept:
    """Do the cells that are not done yet, and compare all of them.

    Args:
        sweep: What to do; a sweep of this name that is in the store is continued.
        store: As in :class:`llmopt.engine.options.Options`.
        jobs: Cells at once.
        apart: Whether these are in processes of their own, each with its own cores, instead of
            sharing the slots and rates of their models in this one. None: where a model runs
            in this process.
        progress: Whether to show what happens, on standard error.

    Raises:
        InputError: A cell cannot be done as it is configured; nothing was paid for any.
        ModelError: A model could not answer; the same call goes on where it stopped.
        BudgetError: The budget of a cell does not even pay for measuring where it starts.
    """
    if jobs < 1:
        raise ConfigError(f"jobs are cells at once, 1 or more, but got {jobs}")
    async with (
        opened(
            SessionOptions(store=store, progress=progress),
            None,
            name=sweep.name,
            register=partial(_register, sweep=sweep),
            found=lambda kept, _: bool(finished(kept, sweep)),
        ) as session,
        contextlib.AsyncExitStack() as stack,
    ):
        kept = session.store
        _open_account(session, sweep, stack)
        pool = Pool(kept.replies(sweep.name), quiet=not progress, traffic=session.traffic)
        stack.push_async_callback(pool.close)
        for cell in sweep.cells:
            _check(cell, pool)
        done = finished(kept, sweep)
        left = [(n, cell) for n, cell in enumerate(sweep.cells, 1) if cell.name not in done]
        jobs = min(jobs, max(1, len(left)))
        workers = None
        if jobs > 1 and (pool.local if apart is None else apart):
            workers = stack.enter_context(_workers(sweep, store, jobs, quiet=not progress))
        view = SweepView(sweep.name, len(sweep.cells), live=jobs == 1) if progress else None

        async def one(number: int, cell: Cell) -> None:
            shown = view.cell(number, cell.label) if view else contextlib.nullcontext()
            with shown as listen:
                if workers:
                    found = await workers.done(number - 1)
                else:
                    found = await done_cell(sweep.name, cell, kept, pool, listen)
            kept.append(sweep.name, CELL, asdict(found))
            done[cell.name] = found
            if view:
                view.ends(number, cell.label, found, (workers or pool).bought)

        with session.under_way():
            if view:
                view.begins(len(done))
            await _each(left, one, jobs)
        return _compared(sweep, kept, done)


def _open_account(session: Session, sweep: Sweep, stack: contextlib.AsyncExitStack) -> None:
    """Let a sweep buy no more calls than the budgets of its cells come to, whatever dies.

    What was on its way when an earlier process was killed is in the ledger, and counts.
    """
    store, name = session.store, session.name
    caps = [cell.settings.budget.calls for cell in sweep.cells]
    whole = sum(cap for cap in caps if cap is not None) if None not in caps else None
    account = Account(Limits(calls=whole))
    for role, used in store.spent(name).items():
        account.add(Spent(used.calls, used.tokens), role)
    session.traffic = Traffic(account, stored=lambda: store.spent(name))
    stack.enter_context(booked(store, name, session.traffic))
    session.remember()


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


def _compared(sweep: Sweep, store: Store, done: Mapping[str, Done]) -> Swept:
    """Return the cells and the table that compares them."""
    cells = tuple(done[cell.name] for cell in sweep.cells)
    bought = sum(used.calls for used in store.spent(sweep.name).values())
    courses = courses_of(cells)
    rows = () if courses else summarized(cells)
    return Swept(sweep.name, cells, rows, lines_of(courses), bought)


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


def _register(store: Store, name: str, sweep: Sweep) -> None:
    """Note a new sweep in the store, or check that the known one is this one, cell by cell.

    Raises:
        StoreError: The name is another run's, or a cell began with another configuration.
    """
    known = {info.name for info in store.runs()}
    if name not in known:
        store.create(name, {"sweep": True, "identity": {}, "source": {}})
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


def _workers(sweep: Sweep, store: str | Path | Store | None, jobs: int, *, quiet: bool) -> Workers:
    """Start processes for cells."""
    if not (store is None or isinstance(store, str | Path)):
        raise ConfigError(
            "processes that do cells open the store by its path, but got an open store; give its "
            "path, or leave the jobs out"
        )
    return Workers(sweep, store, shares_of(jobs), quiet=quiet)


def _check(cell: Cell, pool: Pool) -> None:
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
    if isinstance(problem, PromptProblem | ProgramProblem) and not problem.items("test"):
        raise ConfigError(
            f"cells of a sweep are compared on test items, but {cell.label!r} has none; "
            "give problem.sizes a share for test, or set problem.test"
        )
