"""Budgets where replies use more than their calls allow: bounded, and said."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from random import Random

import pytest
from virtual_time import run_virtually

from llmopt.core.model import Traits
from llmopt.core.values import Call, Reply, Usage
from llmopt.errors import BudgetError
from llmopt.models.middleware.stack import (
    Account,
    Gate,
    Limits,
    Price,
    wrap,
)
from llmopt.testing.models import chat

CALL = chat("x" * 100, max_tokens=100)


@dataclass
class Hidden:
    """A model that bills hidden reasoning: so many tokens, or as a list says."""

    tokens: list[int]
    counted: bool = True
    in_flight: int = 0
    most_at: dict[int, int] = field(default_factory=dict)
    billed: int = 0
    replies: int = 0
    identity: str = "hidden"
    traits: Traits = field(default_factory=Traits)

    async def complete(self, call: Call) -> Reply:
        self.in_flight += 1
        self.most_at[self.replies] = max(self.most_at.get(self.replies, 0), self.in_flight)
        await asyncio.sleep(1)
        self.in_flight -= 1
        made = self.tokens[self.replies % len(self.tokens)]
        self.replies += 1
        self.billed += 100 + made
        return Reply(call.text, Usage(1, 100, made, estimated=not self.counted))

    async def close(self) -> None:
        pass


def run(model: Hidden, limits: Limits, calls: int = 300, price: Price | None = None) -> Account:
    """Ask for many draws at once, as long as the budget lasts."""
    account = Account(limits)
    stack = wrap(model, account=account, price=price, gate=Gate(64))

    async def ask() -> None:
        tasks = [
            stack.complete(chat(CALL.text, sample=n, max_tokens=CALL.max_tokens))
            for n in range(calls)
        ]
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(one, Reply | BudgetError) for one in results)

    run_virtually(ask())
    return account


@pytest.mark.parametrize("hidden", [1_000, 2_000, 8_000])
@pytest.mark.parametrize("cap", [10_000, 50_000, 400_000])
def test_steady_excess_costs_one_call_at_most(hidden: int, cap: int) -> None:
    """The first call shows it, and from then on it is set aside."""
    model = Hidden([hidden])
    account = run(model, Limits(tokens=cap))
    assert model.billed == account.spent.tokens <= max(cap, 100 + hidden)
    assert any("hidden uses more than its calls allow" in said for said in account.warnings)


@pytest.mark.parametrize("seed", range(20))
def test_growing_excess_is_bounded_and_said(seed: int) -> None:
    """A call that uses more than any before costs what it uses more, and it is said."""
    random = Random(seed)
    model = Hidden([round(random.lognormvariate(6.5, 1)) for _ in range(300)])
    cap = random.choice([20_000, 60_000, 200_000])
    account = run(model, Limits(tokens=cap))
    assert model.billed <= cap + 64 * max(model.tokens)
    assert model.billed <= 1.5 * cap
    exceeded = [said for said in account.warnings if "is exceeded by" in said]
    assert bool(exceeded) is (model.billed > cap)
    assert len(exceeded) <= 1


def test_dollars_are_kept_in_the_same_way() -> None:
    """What is hidden is billed as generated."""
    model = Hidden([2_000])
    account = run(model, Limits(usd=0.1), price=Price(1, 10))
    assert account.spent.usd <= 0.1


def test_few_calls_begin_where_nothing_is_known() -> None:
    """One, then twice as many as have come back; then, without an excess, all."""
    model = Hidden([50])
    run(model, Limits(tokens=15_000))
    assert model.most_at[0] == 1
    assert model.most_at[1] <= 2
    assert max(model.most_at.values()) > 8


def test_a_large_budget_waits_for_nothing() -> None:
    """Where even many times the bound is safe, all slots are used at once."""
    model = Hidden([50])
    run(model, Limits(tokens=10_000_000))
    assert model.most_at[0] == 64


def test_without_a_cap_on_tokens_nothing_waits() -> None:
    """Calls are counted as calls whatever they use."""
    model = Hidden([5_000])
    account = run(model, Limits(calls=100))
    assert model.most_at[0] == 64
    assert account.spent.calls == 100


def test_an_estimate_teaches_nothing() -> None:
    """It is ours, and not what the provider bills."""
    model = Hidden([5_000], counted=False)
    account = run(model, Limits(tokens=20_000))
    assert not any("uses more" in said for said in account.warnings)


def test_who_leaves_the_queue_takes_no_place() -> None:
    """A call that is cancelled while it waits for its turn lets the others go on."""

    async def ask() -> list[bool]:
        stack = wrap(Hidden([50]), account=Account(Limits(tokens=9_000)), gate=Gate(8))
        calls = [stack.complete(chat(f"{n}", max_tokens=9)) for n in range(6)]
        tasks = [asyncio.ensure_future(call) for call in calls]
        await asyncio.sleep(0.1)
        for task in tasks[1:4]:
            task.cancel()
        await asyncio.wait(tasks)
        return [task.cancelled() for task in tasks]

    assert run_virtually(ask()) == [False, True, True, True, False, False]
