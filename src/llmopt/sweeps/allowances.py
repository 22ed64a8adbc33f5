"""The budget of a sweep whose cells are done by workers: who may buy how much, and who has.

A worker gets, with a cell, an allowance: what the cell may still be charged. It is reserved from
the budget of the sweep until the worker answers. A worker that died has bought at most what its
cell was charged since, and what the cell's ledger says was on its way.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from llmopt.core.store import UNSTORED
from llmopt.core.values import Usage
from llmopt.errors import BudgetError, LlmoptError, StoreError, SweepBudgetError
from llmopt.models.middleware.budget import Spent
from llmopt.models.middleware.in_flight import Ledger
from llmopt.sweeps.executors.protocol import Answer, CellJob
from llmopt.sweeps.shared_models import of_sweep

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from llmopt.core.store import Store
    from llmopt.core.values import Role
    from llmopt.models.middleware.budget import Account
    from llmopt.sweeps.grid import Cell, Sweep

WORKERS = "workers"
"""Kind of the records that say where the cells of a sweep are done from now on: data
``{"on": str}``, empty where that is the process itself. None means the same."""

_PATIENCE = 60.0  # seconds until the claim of a process that died is free, by then at the latest
_PAUSE = 0.2


class Allowances:
    """Hands out a sweep's budget with its cells.

    Args:
        store: Where the runs are kept.
        sweep: The sweep.
        buyer: The run that pays for replies; this process has claimed it.
        account: Its budget.
    """

    def __init__(self, store: Store, sweep: Sweep, buyer: str, account: Account) -> None:
        self._store, self._sweep = store, sweep
        self._buyer, self._account = buyer, account
        self._before: dict[int, Mapping[Role, Usage]] = {}
        self._begun = {info.name for info in store.runs()}

    @property
    def bought(self) -> int:
        """Calls that were bought so far, also before the sweep was resumed."""
        return self._account.spent.calls

    async def job(self, number: int) -> CellJob:
        """Return a cell with its allowance; waits while others may leave something over.

        Args:
            number: Which cell, from 0.
        """
        self._before[number] = before = self._charged(number)
        need, whole = self._need(number, before), self._account.limits.calls
        if need is None or whole is None:
            return CellJob(number)
        while (granted := min(need, whole - self._account.spent.calls)) > 0:
            try:
                await self._account.reserve(Spent(calls=granted))
            except BudgetError:
                continue  # those that were waited for have spent more
            return CellJob(number, granted)
        return CellJob(number, 0)

    async def settle(self, job: CellJob, answer: Answer) -> None:
        """Count what a worker has bought for a cell, and journal what the store does not tell.

        Raises:
            SweepBudgetError: The cell needs more than there was.
        """
        for used in (answer.bought, answer.lost):
            for role, usage in used.items():
                self._account.add(Spent(usage.calls, usage.tokens), role)
        note_unstored(self._store, self._buyer, lost=answer.lost, doubled=answer.doubled)
        if job.calls:
            self._account.settle(Spent(calls=job.calls))
        if not isinstance(answer.found, LlmoptError):
            self._begun.add(answer.found.cell)
        need = self._need(job.number, self._before[job.number])
        short = need is not None and job.calls is not None and job.calls < need
        if short and isinstance(answer.found, SweepBudgetError):
            try:
                await self._account.reserve(Spent(calls=1))
            except BudgetError as error:  # which has the numbers of all cells
                raise of_sweep(error) from error

    async def settle_lost(self, job: CellJob) -> None:
        """Count what a worker that died may have bought, and free its cell.

        Raises:
            StoreError: The cell is still claimed.
        """
        cell = self._sweep.cells[job.number]
        lost = await asyncio.to_thread(taken_over, self._store, cell)
        if self._store.has(cell.name):
            self._begun.add(cell.name)
        before, now = self._before[job.number], self._charged(job.number)
        nothing = Usage()
        bought = {role: used.since(before.get(role, nothing)) for role, used in now.items()}
        await self.settle(job, Answer(LlmoptError("the worker died"), bought, lost))

    def _charged(self, number: int) -> Mapping[Role, Usage]:
        name = self._sweep.cells[number].name
        return self._store.spent(name) if name in self._begun else {}

    def _need(self, number: int, before: Mapping[Role, Usage]) -> int | None:
        """Return how many calls a cell may still be charged; None: there is no limit."""
        cap = self._sweep.cells[number].settings.budget.calls
        return None if cap is None else max(0, cap - sum(u.calls for u in before.values()))


def note_unstored(
    store: Store, run: str, *, lost: Mapping[Role, Usage], doubled: Mapping[Role, Usage] | None
) -> None:
    """Journal what a run has paid and its replies do not show, if there is anything."""
    data = {
        "doubled": {role: asdict(used) for role, used in (doubled or {}).items() if used.calls},
        "lost": {role: asdict(used) for role, used in lost.items() if used.calls},
    }
    if any(data.values()):
        store.append(run, UNSTORED, data)


def taken_over(store: Store, cell: Cell) -> dict[Role, Usage]:
    """Return what a cell that nobody works on any more had on its way, and forget it.

    Raises:
        StoreError: It is still worked on.
    """
    if not store.has(cell.name):
        return {}
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            with store.claim(cell.name), store.counters(cell.name) as counters:
                ledger = Ledger(counters)
                noted = ledger.noted()
                ledger.clear()
                return noted
        except StoreError:
            if time.monotonic() > until:
                raise
            time.sleep(_PAUSE)


def take_over(store: Store, buyer: str, cells: Iterable[Cell]) -> None:
    """Count what the workers of an earlier process had on its way when that ended.

    Args:
        store: Where the runs are kept.
        buyer: The run that paid; this process has claimed it.
        cells: Those that are not done.
    """
    if not _worked_on(store, buyer):
        return
    known = {info.name for info in store.runs()}
    for cell in cells:
        if cell.name in known:
            note_unstored(store, buyer, lost=taken_over(store, cell), doubled=None)


def note_workers(store: Store, buyer: str, on: str) -> None:
    """Journal where cells are done from now on, if that has changed."""
    if _worked_on(store, buyer) != on:
        store.append(buyer, WORKERS, {"on": on})


def _worked_on(store: Store, buyer: str) -> str:
    last = ""
    for _, record in store.of_kind(WORKERS, [buyer]):
        last = str(record.data["on"])
    return last
