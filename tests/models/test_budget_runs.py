"""Budgets of whole runs: whatever happens in them, no cap is exceeded, and nothing is forgotten."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from llmopt.algorithms.opro import opro
from llmopt.api import optimize_async, prepare
from llmopt.core.model import Traits
from llmopt.core.values import Reply, Usage
from llmopt.errors import BudgetError, LostReplyError, StepFailedError, TransientError
from llmopt.models.middleware.stack import Limits, Price, Spent
from llmopt.store import open_store
from llmopt.testing import scripted

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.core.values import Call
    from llmopt.engine.progress import Progress
    from llmopt.store import Store

TRIALS, AT_ONCE = 40, 20
SMALL = (6, 4, 6)


@dataclass
class Biller:
    """The scripted world, which bills at random, never more than a call allows, and fails."""

    random: Random
    price: Price
    identity: str
    faults: float = 0.0
    billed: Spent = field(default_factory=Spent)
    lost: int = 0
    traits: Traits = field(default_factory=Traits)

    async def complete(self, call: Call) -> Reply:
        await asyncio.sleep(0)
        if self.random.random() < self.faults / 2:
            raise TransientError("nothing was done", 0.0)
        size = len(call.text.encode())
        usage = Usage(1, self.random.randint(0, size), self.random.randint(0, call.max_tokens))
        cached = self.random.randint(0, usage.input_tokens)
        wrote = self.random.randint(0, usage.input_tokens - cached)
        usage = replace(usage, cached_tokens=cached, cache_write_tokens=wrote)
        usd = self.price.paid(usage)
        self.billed += Spent(1, usage.tokens, usd)
        await asyncio.sleep(0)
        if self.random.random() < self.faults:
            self.lost += 1
            raise LostReplyError("billed, and lost")
        return Reply(scripted.answer(call), usage)

    async def close(self) -> None:
        pass


async def trial(number: int, store: Store) -> None:
    """One small run, in two stretches, with random caps, prices, sizes, faults and concurrency."""
    random = Random(number)
    caps: dict[str, Any] = {
        "calls": random.choice([None, random.randint(1, 120)]),
        "tokens": random.choice([None, random.randint(1, 100_000)]),
        "usd": random.choice([None, random.uniform(1e-4, 1)]),
    }
    prices = [Price(*(random.uniform(0, top) for top in (20, 60, 20, 30))) for _ in range(2)]
    models = [
        Biller(Random(random.random()), price, f"biller/{number}/{n}", random.choice([0, 0, 0.02]))
        for n, price in enumerate(prices)
    ]
    for _session in range(2):
        with contextlib.suppress(BudgetError, TransientError, StepFailedError):
            await optimize_async(
                replace(scripted.problem(sum(SMALL), SMALL), scorer=models[1]),
                algorithm=opro(samples=3),
                optimizer=models[0],
                store=store,
                name=f"trial-{number}",
                steps=2,
                seed=number,
                budget=Limits(**caps),
                prices={"optimizer": prices[0], "scorer": prices[1]},
                concurrency=random.choice([1, 8, 64, 256]),
                tolerance=0.2,
                progress=False,
            )
        billed = models[0].billed + models[1].billed
        for name, cap in caps.items():
            assert cap is None or getattr(billed, name) <= cap * (1 + 1e-12), (number, name)


@pytest.mark.parametrize("first", range(0, TRIALS, AT_ONCE))
async def test_no_run_exceeds_a_cap(tmp_path: Path, first: int) -> None:
    """In forty random runs, each resumed once, the providers never billed more than a cap."""
    store = open_store(tmp_path / "runs.sqlite")
    try:
        await asyncio.gather(*(trial(n, store) for n in range(first, first + AT_ONCE)))
    finally:
        store.close()


async def test_a_run_says_how_much_of_its_budget_is_spent(tmp_path: Path) -> None:
    """At 50, 80 and 95 %, once each, through its progress."""
    seen: list[tuple[str, ...]] = []

    def listen(progress: Progress) -> None:
        seen.append(tuple(progress.warnings))

    result = await optimize_async(
        replace(scripted.problem(), scorer=scripted.model()),
        store=tmp_path / "runs.sqlite",
        steps=5,
        budget=Limits(calls=300),
        progress=listen,
    )
    assert result.out_of_budget
    told = seen[-1]
    assert told[0] == "50% of the budget is spent: 150 of 300 calls"
    assert [words.split()[0] for words in told] == ["50%", "80%", "95%"]
    assert () in seen
    assert told[:1] in seen


async def test_a_resumed_run_knows_what_it_has_lost(tmp_path: Path) -> None:
    """Calls whose answer was lost count after a resume too, though no reply shows them."""
    model = Biller(Random(1), Price(1, 1), "biller", faults=0.05)
    problem = replace(scripted.problem(), scorer=model)
    options: dict[str, Any] = {"store": tmp_path / "runs.sqlite", "name": "tried", "steps": 1}
    async with prepare(problem, **options, tolerance=0.5, progress=False) as run:
        await run.step()
        spent = run.session.traffic.account.spent
        assert run.session.traffic.stretch.lost == model.lost > 0
        assert spent.calls == model.billed.calls
    async with prepare(problem, **options, progress=False) as run:
        again = run.session.traffic.account.spent
        assert (again.calls, again.tokens) == (spent.calls, spent.tokens)
        assert run.session.traffic.stretch.lost == 0


async def test_a_reply_that_another_run_stored_first_is_counted(tmp_path: Path) -> None:
    """Two runs that ask the same at once both pay, and both say so, also when resumed."""
    models = [Biller(Random(n), Price(1, 1), "same") for n in range(2)]
    path, names = tmp_path / "runs.sqlite", ("first", "second")

    async def ran(model: Biller, name: str) -> Usage:
        problem = replace(scripted.problem(), scorer=model)
        result = await optimize_async(problem, store=path, name=name, steps=1, progress=False)
        return sum(result.usage.values(), Usage())

    used = await asyncio.gather(*map(ran, models, names))
    for model, usage in zip(models, used, strict=True):
        assert Spent(usage.calls, usage.tokens).tokens == model.billed.tokens
        assert usage.calls == model.billed.calls
    assert models[0].billed.calls + models[1].billed.calls > 150
    for model, name, usage in zip(models, names, used, strict=True):
        problem = replace(scripted.problem(), scorer=model)
        async with prepare(problem, store=path, name=name, steps=1, progress=False) as run:
            assert run.session.traffic.account.spent.calls == usage.calls
