"""Every middleware, and the whole stack, keeps its contract; and the stack against faults."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from random import Random
from typing import TYPE_CHECKING

import pytest
from loopback import FAULTS, KEY, loopback

from llmopt.core.model import Traits
from llmopt.core.store import COUNTERS
from llmopt.core.values import Call, Reply, Usage
from llmopt.errors import LostReplyError, RefusedError, StoreError, TransientError
from llmopt.models.middleware.in_flight import Booked
from llmopt.models.middleware.stack import (
    Account,
    Budget,
    Cache,
    CacheWriter,
    Gate,
    Ledger,
    Limit,
    Limits,
    Meter,
    Price,
    Retry,
    wrap,
)
from llmopt.models.providers.openai import OpenAIModel
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.store.sqlite.counters import MappedCounters
from llmopt.testing.models import MIDDLEWARE_TRUTHS, MODEL_TRUTHS, GatedModel, chat

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from llmopt.core.model import Model
    from llmopt.errors import ModelError

    Middleware = Callable[[Model], Model]


class Kept:
    """Replies in memory; finding takes a turn of the loop, and storing takes one, or fails."""

    def __init__(self) -> None:
        self.replies: dict[str, Reply] = {}
        self.storable = asyncio.Event()
        self.storable.set()
        self.full = False

    async def get(self, key: str) -> Reply | None:
        found = self.replies.get(key)
        await asyncio.sleep(0)
        return found

    async def put(self, key: str, model: str, call: Call, reply: Reply) -> bool:
        assert model
        assert key == call.key(model)
        await self.storable.wait()
        if self.full:
            raise StoreError("disk full")
        self.replies[key] = reply
        return True


def counters() -> MappedCounters:
    """Return new counters in plain memory."""
    return MappedCounters(memoryview(bytearray(8 * COUNTERS)).cast("q"))


def cached(inner: Model, kept: Kept) -> Cache:
    """Return the two rings of the cache."""
    return Cache(CacheWriter(inner, kept), kept)


MIDDLEWARE: dict[str, Middleware] = {
    "cache": lambda inner: cached(inner, Kept()),
    "retry": lambda inner: Retry(inner, Random(0), attempts=1),
    "limit": lambda inner: Limit(inner, Gate(3)),
    "wide limit": lambda inner: Limit(inner, Gate(1000)),
    "meter": Meter,
    "booked": lambda inner: Booked(inner, Ledger(counters())),
    "budget": lambda inner: Budget(inner, Account(Limits(calls=1000))),
    "tight budget": lambda inner: Budget(inner, Account(Limits(tokens=10**6, usd=9)), Price(9, 9)),
    "stack": lambda inner: wrap(
        inner, replies=Kept(), account=Account(Limits(calls=1000)), attempts=1
    ),
}


@pytest.mark.parametrize("truth", MIDDLEWARE_TRUTHS)
@pytest.mark.parametrize("name", MIDDLEWARE)
async def test_every_ring(name: str, truth: Callable[[Middleware], Awaitable[None]]) -> None:
    """Each middleware changes no reply, resembles its model, passes errors, and leaves nothing."""
    await truth(MIDDLEWARE[name])


@pytest.mark.parametrize("truth", MODEL_TRUTHS)
async def test_a_wrapped_model_is_a_model(truth: Callable[[Model], Awaitable[None]]) -> None:
    """Every truth about models holds for a model in its rings; here its answers are empty."""
    await truth(wrap(ScriptedModel(lambda _call: ""), replies=Kept()))


async def test_a_stored_reply_is_free() -> None:
    """The second of two equal calls asks nobody, other samples do."""
    inner = ScriptedModel(lambda call: f"{call.text}{call.sample}")
    cache = cached(inner, Kept())
    first = await cache.complete(chat("a"))
    assert await cache.complete(chat("a")) == first
    assert (await cache.complete(chat("a", sample=1))).text == "a1"
    assert (inner.calls, cache.hits) == (2, 1)


class Slow(Kept):
    """Replies far away: what is read there is some turns old when it arrives."""

    def __init__(self, random: Random) -> None:
        super().__init__()
        self.random = random

    async def get(self, key: str) -> Reply | None:
        found = self.replies.get(key)
        for _ in range(self.random.randrange(8)):
            await asyncio.sleep(0)
        return found


@pytest.mark.parametrize("seed", range(20))
async def test_equal_calls_are_made_once_however_long_it_takes_to_look_them_up(seed: int) -> None:
    random = Random(seed)
    model = ScriptedModel(lambda call: call.text)
    outer = cached(model, Slow(random))

    async def ask(number: int) -> None:
        for _ in range(random.randrange(20)):
            await asyncio.sleep(0)
        task = asyncio.ensure_future(outer.complete(chat(f"{number % 3}")))
        if number % 4 == 0:  # given up: nobody else is harmed
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
        else:
            assert (await task).text == f"{number % 3}"

    await asyncio.gather(*(ask(number) for number in range(40)))
    await outer.close()
    assert model.calls == 3


async def test_equal_calls_in_flight_are_made_once() -> None:
    """One of them asks; a caller who leaves does not take the reply from the others."""
    inner = GatedModel()
    cache = cached(inner, Kept())
    tasks = [asyncio.ensure_future(cache.complete(chat("a"))) for _ in range(5)]
    await asyncio.sleep(0.01)
    tasks[0].cancel()
    inner.gate.set()
    replies = await asyncio.gather(*tasks[1:])
    assert tasks[0].cancelled()
    assert {r.text for r in replies} == {"a"}
    assert (inner.calls, cache.hits) == (1, 4)


async def test_a_call_that_nobody_waits_for_is_not_joined() -> None:
    """After its only caller left, an equal call asks anew at once."""
    inner = GatedModel()
    cache = cached(inner, Kept())
    first = asyncio.ensure_future(cache.complete(chat("a")))
    await asyncio.sleep(0.01)
    first.cancel()
    inner.gate.set()
    second = asyncio.ensure_future(cache.complete(chat("a")))
    assert (await second).text == "a"
    assert first.cancelled()


async def test_an_answered_call_is_stored_even_if_nobody_waits() -> None:
    """A paid reply is kept, and closing waits until it is."""
    kept = Kept()
    kept.storable.clear()
    cache = cached(ScriptedModel(lambda call: call.text), kept)
    task = asyncio.ensure_future(cache.complete(chat("a")))
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.sleep(0.01)
    kept.storable.set()
    await cache.close()
    assert task.cancelled()
    assert len(kept.replies) == 1


async def test_a_reply_is_used_only_when_stored() -> None:
    """A store that fails fails the call; the error is not remembered."""
    kept = Kept()
    cache = cached(ScriptedModel(lambda call: call.text), kept)
    kept.full = True
    with pytest.raises(StoreError):
        await cache.complete(chat("a"))
    kept.full = False
    assert (await cache.complete(chat("a"))).text == "a"


async def test_errors_are_shared_but_not_stored() -> None:
    """Equal calls in flight fail together, and the next one asks again."""

    def answer(_call: Call) -> str:
        if inner.calls == 1:
            raise StoreError("any error of the tree")
        return "fine"

    inner = ScriptedModel(answer, latency=0.01)
    cache = cached(inner, Kept())
    results = await asyncio.gather(
        *(cache.complete(chat("a")) for _ in range(3)), return_exceptions=True
    )
    assert [type(result) for result in results] == [StoreError] * 3
    assert (await cache.complete(chat("a"))).text == "fine"


async def test_the_meter_adds_up_by_role() -> None:
    """Usage and seconds go to the role that asked; failed calls count nothing."""
    ticks = iter(range(100))
    meter = Meter(ScriptedModel(lambda call: call.text), clock=lambda: float(next(ticks)))
    await meter.complete(chat("abcd"))
    await meter.complete(chat("abcdefgh"))
    await meter.complete(Call("optimizer", prompt="abcd"))
    assert meter.usage["scorer"] == Usage(2, 3, 3, estimated=True)
    assert meter.usage["optimizer"] == Usage(1, 1, 1, estimated=True)
    assert meter.seconds == {"scorer": 2.0, "optimizer": 1.0, "judge": 0.0, "embedder": 0.0}


async def test_a_stack_is_calm_under_faults() -> None:
    """With a fault in every fourth reply, 200 calls get their 200 replies, and the server sees
    no request beyond one per reply and one per fault."""
    random = Random(20)
    faults = {
        (f"call {n}", before): FAULTS[(n // 4 + before) % len(FAULTS)]
        for n in range(200)
        for before in range(3)
        if random.random() < 0.25
    }
    async with loopback() as server:
        server.plan = lambda text, before: faults.get((text, before), "")
        kept = Kept()
        provider = OpenAIModel(
            "tiny", base_url=server.url, key=KEY, traits=Traits(slots=32), timeout=2.5
        )
        account = Account(Limits(calls=400, tokens=10**6))
        stack = wrap(provider, replies=kept, account=account)
        calls = [chat(f"call {n}") for n in range(200)]
        replies = await asyncio.gather(*map(stack.complete, calls))
        assert [reply.text for reply in replies] == [f"CALL {n}" for n in range(200)]
        assert set(server.served) == set(FAULTS)
        assert len(server.log) == 200 + len(server.served)
        assert stack.retry.retries == len(server.served)
        assert stack.meter.usage["scorer"].calls == len(kept.replies) == 200
        assert stack.limit.gate.in_flight == 0
        assert server.most_in_flight <= 32
        again = await asyncio.gather(*map(stack.complete, calls))
        assert again == replies
        assert stack.cache is not None
        assert stack.cache.hits == 200
        await stack.close()


@pytest.mark.parametrize(
    ("fault", "stays"),
    [(None, 0), (TransientError("busy"), 0), (RefusedError("no"), 0), (LostReplyError("cut"), 1)],
)
async def test_a_ledger_holds_what_may_have_been_billed(
    fault: ModelError | None, stays: int
) -> None:
    """A call stands there while it is on its way, and for good if its answer was lost."""
    ledger, seen = Ledger(counters()), []

    def answer(call: Call) -> str:
        seen.append(ledger.noted())
        if fault is not None:
            raise fault
        return call.text

    with nullcontext() if fault is None else pytest.raises(type(fault)):
        await Booked(ScriptedModel(answer), ledger).complete(chat("a"))
    (during,) = seen
    assert list(during) == ["scorer"]
    assert during["scorer"].calls == 1
    assert (during["scorer"].input_tokens, during["scorer"].output_tokens) == chat("a").most_tokens
    assert sum(used.calls for used in ledger.noted().values()) == stays
    ledger.clear()
    assert not ledger.noted()


async def test_a_ledger_holds_what_was_given_up() -> None:
    ledger = Ledger(counters())
    task = asyncio.ensure_future(Booked(GatedModel(), ledger).complete(chat("a")))
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait([task])
    assert ledger.noted()["scorer"].calls == 1
