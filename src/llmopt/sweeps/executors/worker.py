"""A worker from inside: does the cells that it is handed, one after the other or side by side."""

from __future__ import annotations

import asyncio
import contextlib
import time
import traceback
from typing import TYPE_CHECKING, Any, Self, TypeVar, get_args

from llmopt.core.model import SharedReplies
from llmopt.core.values import Role, Usage
from llmopt.errors import LlmoptError, StoreError
from llmopt.models.middleware.budget import Account, Limits, Spent
from llmopt.models.middleware.in_flight import Ledger
from llmopt.models.middleware.traffic import Traffic
from llmopt.store import is_server, open_store
from llmopt.sweeps.cell import done_cell
from llmopt.sweeps.executors.protocol import Answer
from llmopt.sweeps.joint_account import joint_account
from llmopt.sweeps.shared_models import BuiltModels, Pool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
    from pathlib import Path
    from types import TracebackType

    from llmopt.core.model import Bank, Pace, Replies
    from llmopt.core.store import Store
    from llmopt.core.values import Call, Reply
    from llmopt.engine.progress import Progress
    from llmopt.sweeps.executors.protocol import CellJob, SweepWork
    from llmopt.sweeps.grid import Cell


T = TypeVar("T")
_PATIENCE, _PAUSE = 60.0, 0.2  # seconds


class CellWorker:
    """Does cells in this process, with a store and models of its own; a context manager.

    Args:
        work: What it needs to know.
    """

    def __init__(self, work: SweepWork) -> None:
        self._work = work
        self._built = BuiltModels(quiet=True, share=work.share)
        self._stack = contextlib.ExitStack()
        self._turns: dict[str, asyncio.Event] = {}

    def __enter__(self) -> Self:
        self._runner = self._stack.enter_context(asyncio.Runner())
        self._store = self._stack.enter_context(contextlib.closing(_opened(self._work.store)))
        self._stack.callback(lambda: self._runner.run(self._built.close()))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Return what a coroutine that does cells returns, in the main thread.

        Raises:
            KeyboardInterrupt: It was interrupted, and has ended tidily.
        """
        return self._runner.run(main)

    async def answer(self, job: CellJob, listen: Callable[[Progress], None] | None) -> Answer:
        """Do a cell.

        What a cell that is cancelled has lost is written back to its ledger, as after
        a kill: the process that continues the sweep counts it.
        """
        cell = self._work.sweep.cells[job.number]
        replies = _counted(self._store.replies(self._work.buyer), self._turns)
        account = joint_account(replies, self._work.calls) or _account(job.calls)
        pool = Pool(replies, self._built, traffic=Traffic(account))
        try:
            found = await _found(self._work.sweep.name, cell, self._store, pool, listen)
        except asyncio.CancelledError:
            await _noted(self._store, cell, account.lost, replies.doubled)
            raise
        return Answer(found, pool.usage, _some(account.lost), _some(replies.doubled))


def _opened(where: str | Path | None) -> Store:
    """Open a store that another process has open; a server that is away meanwhile comes back.

    Raises:
        StoreError: It is no server, or does not come back within a minute.
    """
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            return open_store(where)
        except StoreError:
            if not (isinstance(where, str) and is_server(where)) or time.monotonic() > until:
                raise
            time.sleep(_PAUSE)


def _account(calls: int | None) -> Account:
    """Return an account that pays for a number of calls, 0 included."""
    if calls is None:
        return Account(Limits())
    return Account(Limits(calls=max(1, calls)), Spent(calls=0 if calls else 1))


def _some(used: Mapping[Role, Usage]) -> dict[Role, Usage]:
    return {role: usage for role, usage in used.items() if usage.calls}


async def _found(
    sweep: str, cell: Cell, store: Store, pool: Pool, listen: Callable[[Progress], None] | None
) -> Any:
    """Return what a cell found, or why it could not be done."""
    try:
        async with contextlib.aclosing(pool):
            return await done_cell(sweep, cell, store, pool, listen)
    except LlmoptError as error:
        return error
    except Exception as error:  # noqa: BLE001 - it is reported elsewhere, whatever it is
        traceback.print_exc()
        return LlmoptError(f"the cell {cell.label!r} broke off: {type(error).__name__}: {error}")


async def _noted(store: Store, cell: Cell, *amounts: Mapping[Role, Usage]) -> None:
    """Put what was paid and not stored into the ledger of a cell that is not worked on."""
    with (
        contextlib.suppress(StoreError),  # the store is gone, or the cell is done by another
        store.claim(cell.name),
        store.counters(cell.name) as counters,
    ):
        ledger = Ledger(counters)
        for used in amounts:
            for role, usage in _some(used).items():
                await ledger.add(role, usage.calls, usage.input_tokens, usage.output_tokens)


def _counted(replies: Replies, turns: dict[str, asyncio.Event]) -> _Counted:
    """Return replies that count doubles, and can be shared where these can."""
    if isinstance(replies, SharedReplies):
        return _CountedTogether(replies, turns)
    return _Counted(replies, turns)


class _Counted:
    """Replies, with what was paid for those that another had stored first.

    Args:
        replies: Where they are kept.
        turns: The calls that cells of this process make now, each with what is set at its end.

    Attributes:
        doubled: That, by role.
    """

    def __init__(self, replies: Replies, turns: dict[str, asyncio.Event]) -> None:
        self._replies, self._turns = replies, turns
        self.doubled: dict[Role, Usage] = {role: Usage() for role in get_args(Role)}

    async def get(self, key: str) -> Reply | None:
        return await self._replies.get(key)

    async def put(self, key: str, model: str, call: Call, reply: Reply) -> bool:
        kept = await self._replies.put(key, model, call, reply)
        if kept is False:
            self.doubled[call.role] += reply.usage
        return kept

    @contextlib.asynccontextmanager
    async def once(self, key: str) -> AsyncIterator[Reply | None]:
        while (turn := self._turns.get(key)) is not None:
            await turn.wait()
            if (reply := await self.get(key)) is not None:
                yield reply
                return
        self._turns[key] = turn = asyncio.Event()
        try:
            yield None
        finally:
            del self._turns[key]
            turn.set()


class _CountedTogether(_Counted):
    """The same of replies that processes buy together."""

    def __init__(self, replies: SharedReplies, turns: dict[str, asyncio.Event]) -> None:
        super().__init__(replies, turns)
        self._shared = replies

    def bank(self, prices: Mapping[Role, tuple[float, float]]) -> Bank:
        return self._shared.bank(prices)

    def pace(self, endpoint: str, requests: float | None, tokens: float | None) -> Pace:
        return self._shared.pace(endpoint, requests, tokens)

    @contextlib.asynccontextmanager
    async def once(self, key: str) -> AsyncIterator[Reply | None]:
        async with super().once(key) as reply:
            if reply is not None:
                yield reply
                return
            async with self._shared.once(key) as stored:
                yield stored
