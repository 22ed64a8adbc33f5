"""Doing a sweep: its cells one after the other or a few at once, on equal budgets, resumable.

A cell is a run like any other. What differs is who pays: a reply is bought once for all cells,
and kept under the name of the sweep; a cell that uses it is *charged* as if it had bought it
alone. So a budget means the same for the first cell and for the last, which finds most of its
replies bought, and a cell that is resumed goes on with what it had left.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from llmopt.core.problem import check_scorer
from llmopt.core.store import STATUS, UNSTORED
from llmopt.engine.opening import booked, opened
from llmopt.engine.options import SessionOptions
from llmopt.errors import ConfigError, InputError, LlmoptError, StoreError, WorkerLostError
from llmopt.evidence.sweep_summary import CELL, ORDER
from llmopt.models.middleware.budget import Account, Limits, Spent
from llmopt.models.middleware.traffic import Traffic
from llmopt.models.providers.null import AbsentModel
from llmopt.problems.program.program_problem import ProgramProblem
from llmopt.problems.prompt.prompt_problem import PromptProblem
from llmopt.sweeps.allowances import Allowances, note_workers, take_over
from llmopt.sweeps.cell import done_cell
from llmopt.sweeps.executors.choice import CellPlace, executor_for
from llmopt.sweeps.executors.protocol import SweepWork
from llmopt.sweeps.joint_account import joint_account
from llmopt.sweeps.parting import (
    all_parts,
    begin_part,
    bought_by,
    claimed,
    has_begun,
    parts_of,
)
from llmopt.sweeps.shared_models import BuiltModels, Pool, models_of
from llmopt.sweeps.swept import Swept, compared, finished
from llmopt.terminal.progress.sweep_progress import SweepView

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from pathlib import Path

    from llmopt.core.store import Store
    from llmopt.engine.progress import Progress
    from llmopt.engine.session import Session
    from llmopt.evidence.sweep_summary import Done
    from llmopt.sweeps.executors.protocol import Executor
    from llmopt.sweeps.grid import Cell, Sweep
    from llmopt.sweeps.parting import SweepPart

_HARMLESS = (
    "concurrency",
    "controls",
    "deadline",
    "price",
    "requests_per_minute",
    "tokens_per_minute",
)
_SHOWN = 3  # keys that a message names
_DEATHS = 3  # of workers in one cell


async def run_sweep(
    sweep: Sweep,
    *,
    store: str | Path | Store | None = None,
    jobs: int | None = None,
    apart: bool | None = None,
    on: str | None = None,
    part: SweepPart | None = None,
    calls: int | None = None,
    progress: bool = True,
) -> Swept:
    """Do the cells that are not done yet, and compare all of them.

    Args:
        sweep: What to do; a sweep of this name that is in the store is continued.
        store: As in :class:`llmopt.engine.options.Options`.
        jobs: Cells at once; None: as many as `on` has cores, and one without it.
        apart: Whether these are in processes of their own, each with its own cores, instead of
            sharing the slots and rates of their models in this one. None: where a model runs
            in this process.
        on: Where cells are done: "processes" of this machine; "ray", which is started on this
            machine and ended; or "ray://HOST:PORT", a cluster. None: see `apart`.
        part: Which part of the cells is done, while other processes do others; None: all.
        calls: What the whole sweep may buy, over all processes that do its cells; None: what the
            budgets of its cells come to.
        progress: Whether to show what happens, on standard error.

    Raises:
        InputError: A cell cannot be done as it is configured; nothing was paid for any.
        ModelError: A model could not answer; the same call goes on where it stopped.
        BudgetError: The budget of a cell does not even pay for measuring where it starts.
        SweepBudgetError: The budget of the whole sweep is spent; with a larger one, the cells
            continue.
        WorkerLostError: The processes that did a cell died again and again.
    """
    place = CellPlace(on, jobs, apart)
    name = part.run(sweep.name) if part else sweep.name
    async with (
        opened(
            SessionOptions(store=store, progress=progress),
            None,
            name=name,
            register=partial(_register_part, sweep=sweep, part=part)
            if part
            else partial(_register, sweep=sweep),
            found=partial(_worth, sweep=sweep, part=part),
        ) as session,
        contextlib.AsyncExitStack() as stack,
    ):
        doing = _Doing(session, sweep, part, calls)
        await doing.prepare(stack, progress=progress)
        work = doing.work
        left, local = len(doing.left), doing.pool.local
        executor = executor_for(place, work, store, cells=left, local=local, quiet=not progress)
        note_workers(session.store, name, executor.name if executor else "")
        if executor:
            await stack.enter_async_context(executor)
        at_once = executor.slots if executor else min(jobs or 1, max(1, left))
        if progress:
            live = at_once == 1 and not executor
            doing.view = SweepView(sweep.name, len(sweep.cells), live=live)
        await doing.do(at_once, executor)
        return compared(sweep, session.store, doing.buyers, part)


class _Doing:
    """A sweep that is being done, or a part of it.

    Args:
        session: The run that pays.
        sweep: The sweep.
        part: Which part of it; None: all.
        calls: What the sweep may buy; None: what the budgets of its cells come to.

    Raises:
        ConfigError: The store does not keep such a budget.

    Attributes:
        left: Numbers of the cells to be done, from 0.
        pool: The models that cells in this process ask.
        buyers: The runs that have paid so far.
        view: Shows what happens, if anything does.
    """

    pool: Pool

    def __init__(
        self, session: Session, sweep: Sweep, part: SweepPart | None, calls: int | None
    ) -> None:
        self.buyers = [sweep.name]
        self.left: list[int] = []
        self.view: SweepView | None = None
        self._session, self._sweep, self._part = session, sweep, part
        self._store = session.store
        self._whole = sweep.calls if calls is None else calls
        # Where the store keeps one budget for all processes, all pay from it under one name.
        self._joint = joint_account(self._store.replies(sweep.name), self._whole)
        self._buyer = sweep.name if self._joint else session.name
        if calls is not None and sweep.calls is None and not self._joint:
            raise ConfigError(
                "in a store that is a file, the budget of a whole sweep is handed out by the "
                "budgets of its cells, but some have none; set budget.calls in the sweep, leave "
                "out --calls, or name a database with --store"
            )
        self._executor: Executor | None = None
        self._done: dict[str, Done] = {}

    @property
    def work(self) -> SweepWork:
        """What workers need to know, except for the store."""
        return SweepWork(self._sweep, self._buyer, calls=self._whole if self._joint else None)

    async def prepare(self, stack: contextlib.AsyncExitStack, *, progress: bool) -> None:
        """Open the account and the models, and check the cells.

        Raises:
            InputError: A cell cannot be done; nothing was paid.
        """
        sweep, session = self._sweep, self._session
        built = BuiltModels(quiet=not progress)
        stack.push_async_callback(built.close)
        own = self._part.numbers(len(sweep.cells)) if self._part else range(len(sweep.cells))
        # Nothing is granted or bought for what cannot be done.
        looked = Pool(self._store.replies(self._buyer), built)
        for number in own:
            _check(sweep.cells[number], looked)
        self._done = finished(self._store, sweep)
        self.left = [number for number in own if sweep.cells[number].name not in self._done]
        self._open_account(stack)
        self.pool = Pool(self._store.replies(self._buyer), built, traffic=session.traffic)
        stack.push_async_callback(self.pool.aclose)

    def _open_account(self, stack: contextlib.AsyncExitStack) -> None:
        """Let a sweep buy no more calls than it may, whatever dies.

        What was on its way when an earlier process was killed is in the ledger, and counts.
        """
        store, name, sweep, whole = self._store, self._session.name, self._sweep, self._whole
        take_over(store, name, [sweep.cells[number] for number in self.left])
        payers = [self._buyer]
        if not self._part:
            self.buyers += stack.enter_context(all_parts(store, sweep, set(self._done)))
            payers = self.buyers
        elif not self._joint:
            with claimed(store, sweep.name):
                whole = begin_part(store, sweep, self._part, set(self._done), whole)
                self.buyers += [p for p in parts_of(store, sweep.name) if has_begun(store, p)]
        account = self._joint or Account(Limits(calls=max(1, whole) if whole is not None else None))
        if whole == 0:
            account.add(Spent(calls=1), "scorer")
        for payer in payers:
            for role, used in store.spent(payer).items():
                account.add(Spent(used.calls, used.tokens), role)
        self._session.traffic = Traffic(account, stored=lambda: store.spent(self._buyer))
        stack.enter_context(booked(store, name, self._session.traffic))
        self._allowances = Allowances(store, sweep, name, account)
        for payer in payers:
            for _, record in store.of_kind(UNSTORED, [payer]):
                self._session.traffic.remember(record.data)

    async def do(self, at_once: int, executor: Executor | None) -> None:
        """Do the cells that are left, a few at once."""
        self._executor = executor
        if self.view:
            self.view.begins(len(self._done))
        with self._session.under_way():
            await _each(self.left, self._one, at_once)
        if self._part and len(finished(self._store, self._sweep)) == len(self._sweep.cells):
            await asyncio.to_thread(self._note, STATUS, {"status": "done"})

    async def _one(self, number: int) -> None:
        """Do a cell."""
        cell, view = self._sweep.cells[number], self.view
        shown = view.cell(number + 1, cell.label) if view else contextlib.nullcontext()
        with shown as listen:
            if self._executor:
                found = await self._elsewhere(number, self._executor, listen)
            else:
                found = await done_cell(self._sweep.name, cell, self._store, self.pool, listen)
        await asyncio.to_thread(self._note, CELL, asdict(found))
        self._done[cell.name] = found
        if view:
            bought = self._allowances.bought if self._executor else self.pool.bought
            view.ends(number + 1, cell.label, found, bought)

    async def _elsewhere(
        self, number: int, executor: Executor, listen: Callable[[Progress], None] | None
    ) -> Done:
        """Let a worker do a cell, and another one where that dies."""
        for again in reversed(range(_DEATHS)):
            job = await self._allowances.job(number)
            try:
                answer = await executor.answer(job, listen)
            except WorkerLostError as error:
                await self._allowances.settle_lost(job)
                if not again:
                    raise
                if self.view:
                    self.view.goes_on(number + 1, str(error))
                continue
            await self._allowances.settle(job, answer)
            if isinstance(answer.found, LlmoptError):
                raise answer.found
            return answer.found
        raise AssertionError  # the last round returns or raises

    def _note(self, kind: str, data: dict[str, Any]) -> None:
        """Write a record into the journal of the sweep."""
        alone = self._part and not self._joint  # calls must not be bought under a passing claim
        with claimed(self._store, self._sweep.name) if alone else contextlib.nullcontext():
            self._store.append(self._sweep.name, kind, data)


def _worth(store: Store, name: str, *, sweep: Sweep, part: SweepPart | None) -> bool:
    """Say whether a run that has bought nothing is kept.

    A part's run is once it has begun, because other parts count on it, and where all pay together,
    once anything was paid: a killed process may be followed by another one at any moment. A false
    start leaves nothing, and then neither does the sweep, if there is no other part.
    """
    if part is None:
        return bool(finished(store, sweep))
    with claimed(store, sweep.name):
        if has_begun(store, name) or bought_by(store, sweep.name):
            return True
        store.discard(name)
        if not (finished(store, sweep) or parts_of(store, sweep.name)):
            store.discard(sweep.name)
    return False


async def _each(numbers: Iterable[int], do: Callable[[int], Awaitable[None]], at_once: int) -> None:
    """Do cells in order, a few at once; the first failure lets those at work finish."""
    waiting = iter(numbers)
    failed: list[LlmoptError] = []

    async def work() -> None:
        for number in waiting:
            if failed:
                return
            try:
                await do(number)
            except LlmoptError as error:
                failed.append(error)

    await asyncio.gather(*(work() for _ in range(at_once)))
    if failed:
        raise failed[0]


def _register_part(store: Store, name: str, *, sweep: Sweep, part: SweepPart) -> None:
    """Note a part in the store, and the sweep, where they are new.

    Raises:
        StoreError: See :func:`_register`; or a process does the whole sweep.
    """
    with claimed(store, sweep.name):
        _register(store, sweep.name, sweep)
        if name not in parts_of(store, sweep.name):
            config = {"sweep": True, "cell": sweep.name, "part": str(part)}
            store.create(name, {**config, "identity": {}, "source": {}})


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
        was, now = _decisive(store.config(cell.name)["source"]), _decisive(cell.source)
        changed = sorted(k for k in was.keys() | now.keys() if was.get(k) != now.get(k))
        if changed:
            more = ", …" if len(changed) > _SHOWN else ""
            raise StoreError(
                f"the sweep {sweep.name!r} is continued only as it began, but "
                f"{', '.join(changed[:_SHOWN])}{more} changed in its cell {cell.label!r}; choose "
                "another --name: replies that are stored are not bought again"
            )
    order = [cell.name for cell in sweep.cells]
    before = [record.data["cells"] for _, record in store.of_kind(ORDER, [name])]
    if before[-1:] != [order]:
        store.append(name, ORDER, {"cells": order})


def _decisive(source: dict[str, Any]) -> dict[str, Any]:
    """Return table.key -> value of what a cell's course depends on."""
    return {
        f"{table}.{key}": value
        for table, values in source.items()
        for key, value in values.items()
        if key not in _HARMLESS
    }


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
