"""A call that several processes want is made by one of them, whatever happens to it."""

from __future__ import annotations

import asyncio
import multiprocessing
from contextlib import AsyncExitStack, closing
from typing import TYPE_CHECKING

import pytest

from llmopt.core.model import SharedReplies, Traits
from llmopt.core.values import Call, Message, Reply, Usage
from llmopt.errors import RefusedError
from llmopt.models.middleware.stack import wrap
from llmopt.store.postgres.postgres_store import PostgresStore
from llmopt.testing.stores import MODEL, call_number, put_number, reply_number

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

LEASE = 2.0


class SlowModel:
    """Takes a moment for each call, and notes it."""

    identity = "scripted/slow"
    traits = Traits()

    def __init__(self, made: list[str]) -> None:
        self.made = made

    async def complete(self, call: Call) -> Reply:
        self.made.append(call.text)
        await asyncio.sleep(0.05)
        return Reply(f"to {call.text}", Usage(1, 3, 2))

    async def close(self) -> None:
        pass


def opened(database: str) -> PostgresStore:
    return PostgresStore(database, lease=LEASE)


async def test_equal_calls_of_several_processes_are_made_once(database: str) -> None:
    """Twenty calls that five stores want at the same time cost twenty calls."""
    made: list[str] = []
    async with AsyncExitStack() as stack:
        stores = [stack.enter_context(closing(opened(database))) for _ in range(5)]
        for at, store in enumerate(stores):
            store.create(f"run-{at}", {})
        models = [
            wrap(SlowModel(made), replies=store.replies(f"run-{at}"))
            for at, store in enumerate(stores)
        ]
        calls = [Call("scorer", (Message("user", f"question {n}"),)) for n in range(20)]
        found = await asyncio.gather(*(model.complete(call) for call in calls for model in models))
        assert len(made) == 20
        assert {reply.text for reply in found} == {f"to question {n}" for n in range(20)}
        spent = [store.spent(f"run-{at}")["scorer"].calls for at, store in enumerate(stores)]
        assert sum(spent) == 20
        # What the others found is used by them: it stays when its buyer goes.
        payer = spent.index(max(spent))
        assert stores[payer].delete(f"run-{payer}").replies == 0


async def test_a_call_that_fails_is_made_by_another(database: str) -> None:
    """The error reaches who made it; the one who waited makes the call."""
    with closing(opened(database)) as one, closing(opened(database)) as other:
        for store in (one, other):
            store.create(f"run-{id(store)}", {})
        first, second = (store.replies(f"run-{id(store)}") for store in (one, other))
        key = call_number(1).key(MODEL)

        async def waits() -> Reply | None:
            async with second.once(key) as reply:
                return reply

        async def fails() -> None:
            async with first.once(key) as reply:
                assert reply is None
                waiting.append(asyncio.ensure_future(waits()))
                await asyncio.sleep(0.1)
                raise RefusedError("overloaded")

        waiting: list[asyncio.Future[Reply | None]] = []
        with pytest.raises(RefusedError):
            await fails()
        assert await waiting[0] is None


async def test_who_waits_gets_the_reply_and_one_who_is_cancelled_takes_nothing(
    database: str,
) -> None:
    with closing(opened(database)) as one, closing(opened(database)) as other:
        one.create("a", {})
        first, second = one.replies("a"), other.replies("a")
        assert isinstance(first, SharedReplies)
        key = call_number(1).key(MODEL)

        async def waits() -> Reply | None:
            async with second.once(key) as reply:
                return reply

        async with first.once(key):
            given_up, waiting = (asyncio.ensure_future(waits()) for _ in range(2))
            await asyncio.sleep(0.1)
            given_up.cancel()
            await put_number(one, "a", 1)
        assert await waiting == reply_number(1)


def _take_and_wait(database: str, told: Connection) -> None:
    async def take() -> None:
        store = opened(database)
        async with store.replies("a").once(call_number(1).key(MODEL)) as reply:
            told.send(reply)
            await asyncio.Event().wait()

    asyncio.run(take())


async def test_the_call_of_a_dead_process_is_taken_over_when_its_lease_ran_out(
    database: str,
) -> None:
    with closing(opened(database)) as store:
        store.create("a", {})
        context = multiprocessing.get_context("spawn")
        told, telling = context.Pipe(duplex=False)
        process = context.Process(target=_take_and_wait, args=(database, telling), daemon=True)
        process.start()
        assert await asyncio.to_thread(told.recv) is None
        key = call_number(1).key(MODEL)
        with pytest.raises(TimeoutError):  # it lives, for much longer than its lease
            async with asyncio.timeout(2 * LEASE), store.replies("a").once(key):
                pass
        process.kill()
        process.join()
        async with store.replies("a").once(key) as reply:
            assert reply is None
