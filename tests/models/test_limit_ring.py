"""The limit: never more than allowed, first come first served, adaptive, never frozen."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_time import run_virtually

from llmopt.errors import RateLimitError, TransientError
from llmopt.models.middleware.stack import Gate, Limit
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.testing.models import GatedModel, chat

if TYPE_CHECKING:
    from llmopt.core.values import Call, Reply


class Watching(ScriptedModel):
    """Takes a random time per call and notes how many were inside at once."""

    def __init__(self, seed: int) -> None:
        super().__init__(lambda call: call.text)
        self.inside = 0
        self.most = 0
        self.order: list[str] = []
        self.random = Random(seed)

    async def complete(self, call: Call) -> Reply:
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.order.append(call.text)
        try:
            await asyncio.sleep(self.random.random())
            if call.text.endswith("7"):
                raise RateLimitError("too many")
            return await super().complete(call)
        finally:
            self.inside -= 1


@settings(max_examples=30)
@given(slots=st.integers(1, 9), seed=st.integers(), leavers=st.sets(st.integers(0, 59)))
def test_never_more_than_allowed_and_never_frozen(slots: int, seed: int, leavers: set[int]) -> None:
    """Whatever fails or is cancelled, at most `slots` are inside, and every call ends."""

    async def ask() -> None:
        inner = Watching(seed)
        limit = Limit(inner, Gate(slots))
        tasks = [asyncio.ensure_future(limit.complete(chat(f"{n}"))) for n in range(60)]
        for n in leavers:
            await asyncio.sleep(0.05)
            tasks[n].cancel()
        await asyncio.wait(tasks)
        assert inner.most <= slots
        assert (limit.gate.in_flight, inner.inside) == (0, 0)
        assert 1 <= limit.gate.allowed <= slots
        assert (await limit.complete(chat("after"))).text == "after"

    run_virtually(ask())


def test_first_come_first_served() -> None:
    """Calls reach the model in the order in which they came."""

    async def ask() -> list[str]:
        inner = Watching(1)
        limit = Limit(inner, Gate(4))
        texts = [f"{n}" for n in range(0, 600, 10)]
        await asyncio.gather(*(limit.complete(chat(text)) for text in texts))
        assert inner.order == texts
        return inner.order

    run_virtually(ask())


@pytest.mark.parametrize("fault", [RateLimitError("slow"), TransientError("busy", 1.0)])
async def test_halved_once_per_wave(fault: TransientError) -> None:
    """Sixteen refusals of one wave halve the number once; the next wave halves it again."""

    def refuse(_call: Call) -> str:
        raise fault

    limit = Limit(ScriptedModel(refuse, latency=0.001), Gate(16))
    for allowed in (8, 4, 2, 1, 1):
        calls = [limit.complete(chat(f"{n}")) for n in range(int(limit.gate.allowed))]
        await asyncio.gather(*calls, return_exceptions=True)
        assert limit.gate.allowed == allowed


async def test_single_refusals_do_not_slow_down() -> None:
    """One call in fifty is refused at random: all others go on as before."""
    random = Random(7)

    def answer(call: Call) -> str:
        if random.random() < 0.02:
            raise RateLimitError("slow", 1.0)
        return call.text

    limit = Limit(ScriptedModel(answer), Gate(64))
    for n in range(5000):
        await asyncio.gather(limit.complete(chat(f"{n}")), return_exceptions=True)
    assert (limit.gate.allowed, limit.gate.wave) == (64, 0)


@pytest.mark.parametrize("slots", [2, 8, 64, 256])
async def test_refusals_that_go_on_slow_down(slots: int) -> None:
    """Where every third call is refused, few are in flight in the end."""
    numbers = iter(range(10**6))

    def answer(call: Call) -> str:
        if next(numbers) % 3 == 0:
            raise RateLimitError("slow")
        return call.text

    limit = Limit(ScriptedModel(answer), Gate(slots))
    for n in range(10 * slots):
        await asyncio.gather(limit.complete(chat(f"{n}")), return_exceptions=True)
    assert limit.gate.allowed <= max(3.0, slots / 8)


async def test_other_faults_do_not_slow_down() -> None:
    """A broken connection says nothing about the pace."""

    def refuse(_call: Call) -> str:
        raise TransientError("dropped")

    limit = Limit(ScriptedModel(refuse), Gate(16))
    with pytest.raises(TransientError):
        await limit.complete(chat("a"))
    assert limit.gate.allowed == 16


async def test_grows_back_by_one_per_wave() -> None:
    """After a halving, about as many answers as are allowed make room for one more."""
    limit = Limit(ScriptedModel(lambda call: call.text), Gate(16))
    limit.gate.allowed = 4.0
    for _ in range(5):
        await limit.complete(chat("a"))
    assert 5.0 <= limit.gate.allowed < 6.0
    for _ in range(1000):
        await limit.complete(chat("a"))
    assert limit.gate.allowed == 16.0


async def test_a_smaller_number_holds_for_those_who_wait() -> None:
    """After a halving, freed slots are not given away until fewer calls are in flight."""
    inner = GatedModel()
    limit = Limit(inner, Gate(4))
    tasks = [asyncio.ensure_future(limit.complete(chat(f"{n}"))) for n in range(8)]
    await asyncio.sleep(0.01)
    limit.gate.allowed = 2.0
    tasks[0].cancel()
    await asyncio.sleep(0.01)
    assert inner.waiting == 3
    inner.gate.set()
    await asyncio.gather(*tasks[1:])


async def test_a_slot_given_to_one_who_leaves_is_given_on() -> None:
    """A call that is cancelled at the moment when its turn comes does not keep the slot."""
    limit = Limit(ScriptedModel(lambda call: call.text, latency=0.001), Gate(1))

    async def first() -> None:
        await limit.complete(chat("first"))
        second.cancel()  # its turn has just come, but it has not run yet

    leading = asyncio.ensure_future(first())
    await asyncio.sleep(0)
    second = asyncio.ensure_future(limit.complete(chat("second")))
    third = asyncio.ensure_future(limit.complete(chat("third")))
    await asyncio.wait_for(asyncio.wait([leading, second, third]), 10)
    assert second.cancelled()
    assert third.result().text == "third"
    assert limit.gate.in_flight == 0
