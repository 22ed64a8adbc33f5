"""Budgets and rates that several processes of a store keep together."""

from __future__ import annotations

import asyncio
import multiprocessing
from contextlib import AsyncExitStack, closing
from typing import TYPE_CHECKING

import pytest

from llmopt.core.model import Traits
from llmopt.core.values import Call, Message, Reply, Usage
from llmopt.errors import BudgetError, RateLimitError
from llmopt.models.middleware.budget import Account, Limits
from llmopt.models.middleware.concurrency import Gate, Rates, pace_of
from llmopt.models.middleware.purse import Purse
from llmopt.models.middleware.stack import Price, wrap
from llmopt.store.postgres.postgres_store import PostgresStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from llmopt.core.model import Model

LEASE = 2.0
PRICE = Price(100.0, 200.0)


class Counting:
    """Answers at once, and notes the calls."""

    identity = "scripted/counting"
    traits = Traits(slots=8)

    def __init__(self, made: list[str], refuse: Callable[[], bool] = lambda: False) -> None:
        self.made = made
        self.refuse = refuse

    async def complete(self, call: Call) -> Reply:
        await asyncio.sleep(0.002)
        if self.refuse():
            raise RateLimitError("slow down")
        self.made.append(call.text)
        return Reply("yes", Usage(1, 3, 1))

    async def close(self) -> None:
        pass


def question(text: str) -> Call:
    return Call("scorer", (Message("user", text),), max_tokens=4)


def worker(store: PostgresStore, limits: Limits, made: list[str]) -> Model:
    """Return a model as one of several processes has it."""
    replies = store.replies("sweep")
    purse = Purse(replies.bank({"scorer": (PRICE.input, PRICE.output)}), limits.shared)
    return wrap(Counting(made), replies=replies, account=Account(limits, purse=purse), price=PRICE)


async def asked(model: Model, name: str, most: int) -> int:
    """Ask until the budget is spent; return how many calls were answered."""
    answered = 0

    async def ask(number: int) -> None:
        nonlocal answered
        await model.complete(question(f"{name} {number}"))
        answered += 1

    found = await asyncio.gather(*(ask(n) for n in range(most)), return_exceptions=True)
    assert {type(one) for one in found} <= {type(None), BudgetError}
    return answered


@pytest.mark.parametrize(
    ("limits", "pays"),
    [
        (Limits(calls=101), 101),
        (Limits(calls=3), 3),
        (Limits(tokens=403), None),
        (Limits(usd=0.05), None),
    ],
    ids=["calls", "few", "tokens", "usd"],
)
async def test_one_budget_is_spent_by_all_to_the_last_call_and_never_exceeded(
    database: str, limits: Limits, pays: int | None
) -> None:
    made: list[str] = []
    async with AsyncExitStack() as stack:
        stores = [
            stack.enter_context(closing(PostgresStore(database, lease=LEASE))) for _ in range(4)
        ]
        stores[0].create("sweep", {})
        models = [worker(store, limits, made) for store in stores]
        await asyncio.gather(*(asked(model, f"of {at}", 80) for at, model in enumerate(models)))
        spent = stores[0].spent("sweep")["scorer"]
    assert spent.calls == len(made)
    if pays is not None:
        assert spent.calls == pays
    if limits.tokens is not None:
        # One call more would not have fitted.
        bound = sum(question("of 0 10").most_tokens)
        assert limits.tokens - bound < spent.tokens <= limits.tokens
    if limits.usd is not None:
        asked_, made_ = question("of 0 10").most_tokens
        used = PRICE.of(spent.input_tokens, spent.output_tokens)
        assert limits.usd - PRICE.of(asked_, made_) < used <= limits.usd + 1e-9


def _reserve_and_wait(database: str, told: Connection) -> None:
    async def work() -> None:
        store = PostgresStore(database, lease=LEASE)
        purse = Purse(store.replies("sweep").bank({}), (10, None, None))
        account = Account(Limits(calls=10), purse=purse)
        model = wrap(Counting([]), replies=store.replies("sweep"), account=account)
        await model.complete(question("stored"))
        stuck = wrap(Stuck(told), replies=store.replies("sweep"), account=account)
        await stuck.complete(question("in flight"))

    asyncio.run(work())


class Stuck(Counting):
    """Tells that a call has come, and never answers it."""

    def __init__(self, told: Connection) -> None:
        super().__init__([])
        self.told = told

    async def complete(self, call: Call) -> Reply:
        self.told.send(call.text)
        await asyncio.Event().wait()
        raise AssertionError


async def test_what_a_dead_process_had_in_flight_stays_counted(database: str) -> None:
    with closing(PostgresStore(database, lease=LEASE)) as store:
        store.create("sweep", {})
        context = multiprocessing.get_context("spawn")
        told, telling = context.Pipe(duplex=False)
        process = context.Process(target=_reserve_and_wait, args=(database, telling), daemon=True)
        process.start()
        assert await asyncio.to_thread(told.recv) == "in flight"
        process.kill()
        process.join()
        made: list[str] = []
        await asked(worker(store, Limits(calls=10), made), "of me", 20)
        # One is stored, one may have cost something; what was drawn ahead is at most as much as
        # an eighth part of what there was.
        assert 10 - 2 - 1 <= len(made) <= 10 - 2


async def test_one_cap_per_minute_is_kept_by_all(database: str) -> None:
    """It is used by all together, as if they were one."""
    per_minute = 1200.0
    async with AsyncExitStack() as stack:
        stores = [stack.enter_context(closing(PostgresStore(database))) for _ in range(3)]
        stores[0].create("sweep", {})
        gates = [
            Gate(8, None, pace_of(store.replies("sweep"), "http://host", Rates(per_minute)))
            for store in stores
        ]
        loop = asyncio.get_running_loop()
        times: list[float] = []

        async def pass_through(gate: Gate) -> None:
            for _ in range(10):
                mark = await gate.enter(1)
                times.append(loop.time())
                gate.leave(1, 1, mark)

        await asyncio.gather(*(pass_through(gate) for gate in gates for _ in range(2)))
    # A second's worth is there at the beginning; from then on 19.67 come in each second.
    begin, held, rate = min(times), per_minute / 60, (per_minute - per_minute / 60) / 60
    for number, at in enumerate(sorted(times), 1):
        assert number <= held + rate * (at - begin) + 2


async def test_tokens_that_a_call_did_not_need_are_given_back(database: str) -> None:
    with closing(PostgresStore(database)) as store:
        store.create("sweep", {})
        pace = pace_of(store.replies("sweep"), "http://host", Rates(tokens=600.0))
        assert pace is not None
        assert pace.counts_tokens
        loop = asyncio.get_running_loop()
        begin = loop.time()
        for _ in range(5):  # ten a second: without giving back, these take four seconds or more
            mark = await pace.enter(10)
            pace.leave(9, mark)
            await asyncio.sleep(0.01)
        # No upper bound: a machine may be busy. What is left tells that they were given back.
        assert loop.time() >= begin
        mark = await pace.enter(1)
        assert mark <= 51


async def test_who_is_refused_slows_down_all(database: str) -> None:
    async with AsyncExitStack() as stack:
        stores = [stack.enter_context(closing(PostgresStore(database))) for _ in range(2)]
        stores[0].create("sweep", {})
        one, other = (
            Gate(16, None, pace_of(store.replies("sweep"), "http://host", Rates()))
            for store in stores
        )
        for gate in (one, other):  # each has been used
            gate.leave(1, 1, await gate.enter(1))
        for _ in range(3):
            one.refused(one.wave)
        assert one.allowed == 8
        while other.allowed == 16:  # noqa: ASYNC110 - a gate has no event
            await asyncio.sleep(0.01)
        assert other.allowed == 8
        assert one.allowed == 8
