"""Budgets: the caps hold whatever is in flight, and nothing waits for ever."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_time import run_virtually

from llmopt.core.model import Traits
from llmopt.core.values import (
    Call,
    Message,
    Reply,
    Usage,
)
from llmopt.errors import BudgetError, ConfigError, LostReplyError, TransientError
from llmopt.models.middleware.stack import (
    Account,
    Budget,
    Gate,
    Limits,
    Price,
    Spent,
    wrap,
)
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.testing.models import GatedModel, chat

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Biller:
    """A provider that bills at random, never more than a call allows, and fails at random."""

    random: Random
    price: Price
    billed: Spent = field(default_factory=Spent)
    identity: str = "biller"
    traits: Traits = field(default_factory=Traits)

    async def complete(self, call: Call) -> Reply:
        await asyncio.sleep(self.random.random())
        chance = self.random.random()
        if chance < 0.1:
            raise TransientError("nothing was done")
        size = len(call.text.encode())
        usage = Usage(1, self.random.randint(0, size), self.random.randint(0, call.max_tokens))
        usd = self.price.of(usage.input_tokens, usage.output_tokens)
        self.billed += Spent(1, usage.tokens, usd)
        await asyncio.sleep(self.random.random())
        if chance < 0.2:
            raise LostReplyError("billed, and lost")
        return Reply("said", usage)

    async def close(self) -> None:
        pass


def trial(seed: int) -> None:
    """Run two roles on one account with random caps, prices, sizes and concurrency."""
    random = Random(seed)
    caps: dict[str, Any] = {
        "calls": random.choice([None, random.randint(1, 80)]),
        "tokens": random.choice([None, random.randint(1, 100_000)]),
        "usd": random.choice([None, random.uniform(1e-4, 1)]),
    }
    account = Account(Limits(**caps))
    roles = []
    for _ in range(2):
        price = Price(random.uniform(0, 20), random.uniform(0, 60))
        roles.append((Biller(Random(random.random()), price), price))
    slots = random.choice([1, 8, 64, 256])
    stacks = [wrap(b, account=account, price=p, gate=Gate(slots), attempts=3) for b, p in roles]

    async def ask() -> None:
        tasks = []
        for n in range(random.randint(1, 300)):
            text = "é" * random.randint(1, 2000)
            call = chat(text, sample=n, max_tokens=random.randint(1, 1000))
            tasks.append(asyncio.ensure_future(random.choice(stacks).complete(call)))
        for task in random.sample(tasks, len(tasks) // 10):
            asyncio.get_running_loop().call_later(random.uniform(0, 3), task.cancel)
        await asyncio.wait(tasks)
        errors = [task.exception() for task in tasks if not task.cancelled()]
        assert all(e is None or isinstance(e, BudgetError | TransientError) for e in errors)

    run_virtually(ask())
    billed = roles[0][0].billed + roles[1][0].billed
    for name, cap in caps.items():
        assert cap is None or getattr(billed, name) <= cap * (1 + 1e-12)
        assert getattr(billed, name) <= getattr(account.spent, name) * (1 + 1e-12)
    assert account._in_flight == 0


@pytest.mark.parametrize("seed", range(100))
def test_a_cap_is_never_exceeded(seed: int) -> None:
    """In a hundred random runs the provider never billed more than a cap."""
    trial(seed)


async def test_the_whole_budget_is_used() -> None:
    """When replies cost less than their bounds, the rest goes to those who wait."""
    account = Account(Limits(calls=40))
    model = Budget(ScriptedModel(lambda call: call.text, latency=0.001), account)
    calls = [model.complete(chat(f"{n}")) for n in range(60)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(result, Reply) for result in results) == 40
    assert sum(isinstance(result, BudgetError) for result in results) == 20
    assert account.spent.calls == 40


async def test_a_call_waits_for_what_may_become_free() -> None:
    """A call that does not fit now, but may, waits until what is in flight is settled."""
    inner = GatedModel()
    bound = 3 * 32 + 256 + 16 + 32
    account = Account(Limits(tokens=bound + 10))
    model = Budget(inner, account)
    first = asyncio.ensure_future(model.complete(chat("a")))
    second = asyncio.ensure_future(model.complete(chat("b")))
    await asyncio.sleep(0.01)
    assert inner.waiting == 1
    inner.gate.set()
    assert [(await first).text, (await second).text] == ["a", "b"]


async def test_what_a_call_leaves_over_is_free_while_others_are_in_flight() -> None:
    """Who waits goes on as soon as one of those in flight has cost less than it might."""
    account = Account(Limits(tokens=10))
    for tokens in (5, 4):
        await account.reserve(Spent(tokens=tokens))
    waits = asyncio.ensure_future(account.reserve(Spent(tokens=3)))
    await asyncio.sleep(0)
    assert account.waiting == 1
    account.settle(Spent(tokens=5), Spent(tokens=1))
    assert account.waiting == 0
    await waits


@given(text=st.text(max_size=50), turns=st.integers(1, 3), most=st.integers(1, 99))
def test_the_bound_is_above_every_tokenizer(text: str, turns: int, most: int) -> None:
    """A token per byte, and all generated tokens, always fit into the reservation."""
    call = Call("scorer", (Message("user", text),) * turns, max_tokens=most)
    ring = Budget(ScriptedModel(lambda call: call.text), Account(Limits(calls=1)), Price(1, 2))
    bound = ring._bound(*call.most_tokens)
    size = turns * len(text.encode("utf-8", "surrogatepass"))
    assert bound.calls == 1
    assert bound.tokens > size + most
    assert bound.usd > Price(1, 2).of(size, most)


async def test_what_failed_costs_nothing_and_what_was_lost_may() -> None:
    """A refused attempt frees its reservation; a lost reply counts as billed."""
    faults: list[Exception] = [TransientError("busy"), LostReplyError("cut")]

    def answer(_call: Call) -> str:
        raise faults.pop(0)

    account = Account(Limits(calls=5))
    model = Budget(ScriptedModel(answer), account)
    with pytest.raises(TransientError):
        await model.complete(chat("a"))
    assert account.spent.calls == 0
    with pytest.raises(LostReplyError):
        await model.complete(chat("a"))
    assert account.spent.calls == 1


async def test_a_cancelled_call_may_have_been_billed() -> None:
    """Who gives up a call on its way has spent its bound."""
    account = Account(Limits(calls=5))
    task = asyncio.ensure_future(Budget(GatedModel(), account).complete(chat("a")))
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait([task])
    assert account.spent.calls == 1


async def test_a_resumed_run_has_spent_already() -> None:
    """What earlier parts of a run spent counts."""
    account = Account(Limits(calls=5), Spent(calls=4, tokens=7, usd=0.5, seconds=3))
    model = Budget(ScriptedModel(lambda call: call.text), account)
    await model.complete(chat("a"))
    with pytest.raises(BudgetError, match=r"5 calls, but 5 are spent.*larger budget"):
        await model.complete(chat("b"))


async def test_what_is_kept_back_costs_what_measuring_costs() -> None:
    """The end of a run asks who measures; what proposing cost says nothing about that."""
    account = Account(Limits(usd=1, tokens=10_000))
    account.add(Spent(calls=1, tokens=5_000, usd=0.5), "optimizer")
    account.add(Spent(calls=10, tokens=1_000, usd=0.01), "scorer")
    account.keep_back(39)  # 3,900 tokens and $0.039 at the scorer's mean; half of all at the mean
    await account.reserve(Spent(calls=1, tokens=100, usd=0.4))
    words = (
        r"^the budget is 10,000 tokens, but 6,000 are spent, 3,900 are kept back to choose and "
        r"test the winner, and the next call may take 101; resume the run with a larger budget, "
        r"at least 10,001 tokens$"
    )
    with pytest.raises(BudgetError, match=words):
        await account.reserve(Spent(calls=1, tokens=101))


@pytest.mark.parametrize("cap", [15, 20])
async def test_time_is_capped_at_the_start_of_calls(cap: float) -> None:
    """A call that would start late is refused; one on its way is not broken off."""
    now = 100.0

    def answer(call: Call) -> str:
        nonlocal now
        now += 10
        return call.text

    account = Account(Limits(seconds=cap), clock=lambda: now)
    model = Budget(ScriptedModel(answer), account)
    await model.complete(chat("a"))
    await model.complete(chat("b"))
    assert account.spent.seconds == 20
    with pytest.raises(BudgetError, match=f"{cap} seconds, but 20 are spent"):
        await model.complete(chat("c"))


def test_dollars_need_a_price() -> None:
    """An unknown price is unknown, never zero."""
    with pytest.raises(ConfigError, match="give its price"):
        wrap(ScriptedModel(lambda call: call.text), account=Account(Limits(usd=1)))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Limits(calls=0),
        lambda: Limits(usd=-1),
        lambda: Limits(seconds=float("nan")),
        lambda: Limits(usd=float("inf")),
        lambda: Price(-1, 0),
    ],
)
def test_a_cap_is_a_positive_number(make: Callable[[], object]) -> None:
    """Caps and prices that are none are refused."""
    with pytest.raises(ConfigError, match="but got"):
        make()


@settings(max_examples=25)
@given(bounds=st.lists(st.integers(1, 12), min_size=1, max_size=30), cap=st.integers(1, 12))
def test_everybody_gets_an_answer(bounds: list[int], cap: int) -> None:
    """Whatever is reserved, each one who waits is let through or refused in the end."""

    async def ask() -> None:
        account = Account(Limits(tokens=cap))

        async def one(bound: int) -> bool:
            try:
                await account.reserve(Spent(tokens=bound))
            except BudgetError:
                return False
            await asyncio.sleep(1)
            account.settle(Spent(tokens=bound), Spent(tokens=bound // 2))
            return True

        await asyncio.wait_for(asyncio.gather(*map(one, bounds)), 1000)
        assert account.spent.tokens <= cap

    run_virtually(ask())


async def test_a_reservation_given_to_one_who_leaves_is_given_back() -> None:
    """A call that is cancelled at the moment when there is room for it has spent nothing."""
    account = Account(Limits(calls=2))

    async def first() -> None:
        account.settle(Spent(calls=2), Spent(calls=1))
        second.cancel()  # there has just come room for it, but it has not run yet

    await account.reserve(Spent(calls=2))
    second = asyncio.ensure_future(account.reserve(Spent(calls=1)))
    third = asyncio.ensure_future(account.reserve(Spent(calls=1)))
    await asyncio.sleep(0)
    await first()
    await asyncio.wait_for(asyncio.wait([second, third]), 10)
    assert second.cancelled()
    assert third.exception() is None
    assert account.spent.calls == 1


async def test_a_small_call_does_not_overtake_a_large_one_that_waits() -> None:
    """Else a stream of small calls would keep it waiting for ever."""
    account = Account(Limits(tokens=100))
    await account.reserve(Spent(tokens=60))
    large = asyncio.ensure_future(account.reserve(Spent(tokens=50)))
    await asyncio.sleep(0)
    small = asyncio.ensure_future(account.reserve(Spent(tokens=10)))
    await asyncio.sleep(0)
    assert not small.done()
    account.settle(Spent(tokens=60), Spent(tokens=20))
    await asyncio.wait_for(asyncio.gather(large, small), 10)
