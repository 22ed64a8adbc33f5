"""Caps per minute: kept in every minute, without ever freezing, shared by all of an endpoint."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from dataclasses import replace
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_time import run_virtually

from llmopt.api import prepare
from llmopt.core.model import Traits
from llmopt.core.values import Reply, Usage
from llmopt.errors import ConfigError, TransientError
from llmopt.models.middleware.stack import (
    Gate,
    Limit,
    Rates,
    wrap,
)
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.testing import scripted
from llmopt.testing.models import GatedModel, chat

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.core.model import Model
    from llmopt.core.values import Call


class Counting(ScriptedModel):
    """Takes and uses at random, fails at times, and notes when it was asked for how much."""

    def __init__(self, seed: int) -> None:
        super().__init__(lambda call: call.text)
        self.random = Random(seed)
        self.asked: list[tuple[float, int]] = []

    async def complete(self, call: Call) -> Reply:
        at = asyncio.get_running_loop().time()
        used = self.random.randint(0, len(call.text) + call.max_tokens)
        failed = self.random.random() < 0.1
        self.asked.append((at, 0 if failed else used))
        await asyncio.sleep(self.random.random() * 20)
        if failed:
            raise TransientError("nothing was done")
        return Reply("said", Usage(1, used, 0))


def most_in_a_minute(events: list[tuple[float, int]]) -> int:
    """The largest sum of amounts over any minute, its end not included."""
    times = [at for at, _ in events]
    sums = [0, *accumulate(amount for _, amount in events)]
    return max(
        sums[bisect_left(times, at + 60 - 1e-6)] - sums[n] for n, (at, _) in enumerate(events)
    )


@settings(max_examples=40)
@given(
    per_minute=st.integers(1, 400),
    slots=st.integers(1, 64),
    calls=st.integers(1, 150),
    seed=st.integers(),
    leavers=st.sets(st.integers(0, 149), max_size=20),
)
def test_in_no_minute_more_requests(
    per_minute: int, slots: int, calls: int, seed: int, leavers: set[int]
) -> None:
    """However calls fail or leave, the cap holds in every minute, and every call ends."""

    async def ask() -> None:
        inner = Counting(seed)
        limit = Limit(inner, Gate(slots, Rates(requests=per_minute)))
        tasks = [asyncio.ensure_future(limit.complete(chat(f"{n}"))) for n in range(calls)]
        for n in leavers:
            await asyncio.sleep(0.5)
            if n < calls:
                tasks[n].cancel()
        await asyncio.wait(tasks)
        if inner.asked:
            most = most_in_a_minute([(at, 1) for at, _ in inner.asked])
            assert most <= per_minute
        assert (limit.gate.in_flight, limit.gate.waiting) == (0, 0)

    run_virtually(ask())


@settings(max_examples=40)
@given(per_minute=st.integers(1, 50_000), calls=st.integers(1, 80), seed=st.integers())
def test_in_no_minute_many_more_tokens(per_minute: int, calls: int, seed: int) -> None:
    """More than the cap by the size of one call at most; a call larger than the cap passes."""

    async def ask() -> None:
        inner = Counting(seed)
        limit = Limit(inner, Gate(16, Rates(tokens=per_minute)))
        random = Random(seed)
        texts = ["x" * random.randint(1, 2000) for _ in range(calls)]
        await asyncio.gather(
            *(limit.complete(chat(text, max_tokens=500)) for text in texts), return_exceptions=True
        )
        largest = max(used for _, used in inner.asked)
        assert len(inner.asked) == calls
        assert most_in_a_minute(inner.asked) <= per_minute + largest
        assert limit.gate.in_flight == 0

    run_virtually(ask())


def test_a_cap_is_used_up() -> None:
    """Six hundred requests at sixty a minute take about ten minutes, not more."""

    async def ask() -> float:
        limit = Limit(ScriptedModel(lambda call: call.text), Gate(8, Rates(requests=60)))
        await asyncio.gather(*(limit.complete(chat(f"{n}")) for n in range(600)))
        return asyncio.get_running_loop().time()

    assert 590 <= run_virtually(ask()) <= 620


def test_tokens_that_a_call_did_not_use_are_given_back() -> None:
    """A hundred calls that may take 500 tokens, but take two, wait for hardly any."""

    async def ask() -> float:
        model = ScriptedModel(lambda call: call.text, latency=0.01)
        limit = Limit(model, Gate(8, Rates(tokens=60_000)))
        await asyncio.gather(*(limit.complete(chat(f"{n}", max_tokens=500)) for n in range(100)))
        return asyncio.get_running_loop().time()

    assert run_virtually(ask()) < 10  # 50 or more at a thousand tokens a second, as reserved


@pytest.mark.parametrize("cap", [0, -1, float("nan"), float("inf")])
def test_a_rate_is_a_positive_number(cap: float) -> None:
    """A cap that is none is refused."""
    with pytest.raises(ConfigError, match="requests per minute are a number greater than 0"):
        Rates(requests=cap)


def test_the_lower_of_two_caps_holds() -> None:
    """No cap is higher than any."""
    assert Rates(60, None).lower(Rates(90, 1000)) == Rates(60, 1000)
    assert Rates().lower(Rates()) == Rates()


async def test_models_of_one_gate_share_its_slots() -> None:
    """Two models behind one gate have as many in flight together as one alone."""
    gate, models = Gate(5), [GatedModel(), GatedModel()]
    stacks = [wrap(model, gate=gate) for model in models]
    tasks = [asyncio.ensure_future(stacks[n % 2].complete(chat(f"{n}"))) for n in range(20)]
    await asyncio.sleep(0.01)
    assert sum(model.waiting for model in models) == 5
    for model in models:
        model.gate.set()
    assert len(await asyncio.gather(*tasks)) == 20


def model_at(endpoint: str, slots: int, identity: str) -> Model:
    traits = Traits(completion=True, slots=slots, endpoint=endpoint)
    return ScriptedModel(scripted.answer, traits=traits, identity=identity)


@pytest.mark.parametrize(
    ("endpoints", "more", "slots"),
    [
        (("here", "here"), {}, 3),
        (("here", "there"), {}, 3 + 9),
        (("", ""), {}, 3 + 9),
        (("here", "here"), {"concurrency": 5}, 5),
        (("here", "there"), {"concurrency": 5}, 10),
    ],
)
async def test_roles_share_an_endpoint(
    tmp_path: Path, endpoints: tuple[str, str], more: dict[str, Any], slots: int
) -> None:
    """Both models of a run have the slots of one where they are reached at one place."""
    optimizer, scorer = model_at(endpoints[0], 3, "first"), model_at(endpoints[1], 9, "second")
    problem = replace(scripted.problem(), scorer=scorer)
    async with prepare(problem, optimizer=optimizer, store=tmp_path / "runs.sqlite", **more) as run:
        assert run.session.traffic.slots == slots
