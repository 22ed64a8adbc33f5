"""Retries on a virtual clock."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from virtual_time import run_virtually

from llmopt.errors import (
    BadCallError,
    LlmoptError,
    RateLimitError,
    RefusedError,
    TransientError,
    WithheldError,
)
from llmopt.models.middleware.stack import Gate, Limit, Retry
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.testing.models import GatedModel, chat

if TYPE_CHECKING:
    from llmopt.core.values import Call


class Flaky(ScriptedModel):
    """Raises the given errors one after the other, then answers; notes when it was asked."""

    def __init__(self, *faults: LlmoptError) -> None:
        super().__init__(self._say)
        self.faults = list(faults)
        self.asked: list[tuple[float, Call]] = []

    def _say(self, call: Call) -> str:
        self.asked.append((asyncio.get_running_loop().time(), call))
        if self.faults:
            raise self.faults.pop(0)
        return "fine"


class Most(Random):
    """Draws the largest number every time."""

    def random(self) -> float:
        return 1.0


def test_the_same_call_is_made_again_after_growing_pauses() -> None:
    """GPO, G16: nothing of it is lost. The upper ends of the pauses double from half a second."""
    model = Flaky(*(TransientError("busy") for _ in range(5)))
    retry = Retry(model, Most())
    call = chat("a")
    assert run_virtually(retry.complete(call)).text == "fine"
    times = [when for when, _ in model.asked]
    assert [b - a for a, b in pairwise(times)] == [0.5, 1, 2, 4, 8]
    assert all(asked is call for _, asked in model.asked)
    assert retry.retries == 5


@pytest.mark.parametrize(
    ("wait", "pauses"),
    [
        (None, [0.05, 0.2, 0.8, 3.2, 8]),
        (0.0, [0.05, 0.2, 0.8, 3.2, 8]),
        (0.2, [0.4, 1.0, 2.2, 4.2, 8.2]),
        (3.0, [3.5, 4.0, 5.0, 7.0, 11.0]),
    ],
)
def test_after_a_refusal_the_first_pause_is_short(wait: float | None, pauses: list[float]) -> None:
    """One at random has passed at once; where they go on, the pauses are as long as others'."""
    model = Flaky(*(RateLimitError("slow down", wait) for _ in range(5)))
    run_virtually(Retry(model, Most()).complete(chat("a")))
    times = [when for when, _ in model.asked]
    assert [b - a for a, b in pairwise(times)] == pytest.approx(pauses)


@given(seed=st.integers(), wait=st.none() | st.floats(0, 50))
def test_a_pause_has_full_jitter_and_honours_the_provider(seed: int, wait: float | None) -> None:
    """A pause is drawn from all of its range, after the time the provider asked for."""
    model = Flaky(TransientError("busy", wait))
    run_virtually(Retry(model, Random(seed)).complete(chat("a")))
    pause = model.asked[1][0] - model.asked[0][0]
    assert (wait or 0) - 1e-6 <= pause <= (wait or 0) + 0.5 + 1e-6


def test_attempts_end() -> None:
    """After the last attempt the error names the attempts and the last reason."""
    model = Flaky(*(TransientError(f"busy {n}") for n in range(9)))
    with pytest.raises(TransientError, match=r"3 failed attempts; 3 attempts.*busy 2"):
        run_virtually(Retry(model, Random(1), attempts=3).complete(chat("a")))
    assert model.calls == 3


def test_only_what_may_pass_is_asked_again() -> None:
    """A refusal comes out at once, as it is, and so does an answer that was kept back."""
    for fault in (RefusedError("wrong key"), BadCallError("too long"), WithheldError("a filter")):
        model = Flaky(fault)
        with pytest.raises(LlmoptError) as caught:
            run_virtually(Retry(model, Random(1)).complete(chat("a")))
        assert caught.value is fault
        assert model.calls == 1


def test_nobody_pauses_any_longer_once_one_is_refused_for_good() -> None:
    """The others would be refused, too, only later."""

    async def ask() -> None:
        retry = Retry(Flaky(TransientError("busy", 60.0), RefusedError("wrong key")), Random(1))
        pausing = asyncio.ensure_future(retry.complete(chat("a")))
        await asyncio.sleep(1)
        assert retry.pausing == 1
        with pytest.raises(RefusedError):
            await retry.complete(chat("b"))
        with pytest.raises(TransientError, match=r"another call was refused for good.*busy"):
            await pausing
        assert asyncio.get_running_loop().time() == 1.0

    run_virtually(ask())


def test_no_attempt_begins_after_the_time_of_a_step() -> None:
    """Neither a first one nor one after a pause; one that began has the time of its call."""

    async def ask() -> None:
        model = Flaky(TransientError("busy", 5.0))
        retry = Retry(model, Random(1))
        retry.until = 4.0
        with pytest.raises(TransientError, match=r"past the deadline.*busy"):
            await retry.complete(chat("a"))
        assert asyncio.get_running_loop().time() == 0.0
        slow = Retry(ScriptedModel(lambda call: call.text, latency=60.0), Random(1))
        slow.until = 4.0
        assert (await slow.complete(chat("b"))).text == "b"
        with pytest.raises(TransientError, match=r"the time of this step is over.*no attempt"):
            await retry.complete(chat("c"))
        assert model.calls == 1

    run_virtually(ask())


def test_no_pause_goes_past_the_deadline() -> None:
    """When the provider asks for more time than is left, the call ends without waiting."""
    model = Flaky(TransientError("come back tomorrow", 86_400.0))

    async def ask() -> float:
        with pytest.raises(TransientError, match=r"past the deadline.*tomorrow") as caught:
            await Retry(model, Random(1)).complete(chat("a"))
        assert caught.value.retry_after == 86_400.0
        return asyncio.get_running_loop().time()

    assert run_virtually(ask()) == 0.0


def test_an_attempt_that_hangs_ends_with_the_deadline() -> None:
    """The deadline ends a stalled attempt, and nothing is left of it."""

    async def ask() -> None:
        inner = GatedModel()
        with pytest.raises(TransientError, match=r"120 s of this call are over.*no attempt"):
            await Retry(inner, Random(1)).complete(chat("a"))
        assert asyncio.get_running_loop().time() == pytest.approx(120)
        assert inner.waiting == 0

    run_virtually(ask())


def test_queueing_does_not_count() -> None:
    """A thousand calls of a minute each behind two slots all get their replies."""

    async def ask() -> None:
        inner = ScriptedModel(lambda call: call.text, latency=60.0)
        retry = Retry(Limit(inner, Gate(2)), Random(1))
        replies = await asyncio.gather(*(retry.complete(chat(f"{n}")) for n in range(1000)))
        assert len(replies) == 1000
        assert asyncio.get_running_loop().time() == pytest.approx(500 * 60)

    run_virtually(ask())


def test_after_the_queue_the_deadline_counts_again() -> None:
    """A call that waited long and then hangs is given up after its own time."""

    async def ask() -> None:
        inner = GatedModel()
        limit = Limit(inner, Gate(1))
        patient = asyncio.ensure_future(limit.complete(chat("first")))
        late = asyncio.ensure_future(Retry(limit, Random(1)).complete(chat("second")))
        await asyncio.sleep(1000)
        patient.cancel()
        with pytest.raises(TransientError, match="120 s"):
            await late
        assert asyncio.get_running_loop().time() == pytest.approx(1120)

    run_virtually(ask())


def test_a_time_out_of_somebody_else_is_not_ours() -> None:
    """A bare TimeoutError from inside is not taken for the deadline."""

    def answer(_call: Call) -> str:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        run_virtually(Retry(ScriptedModel(answer), Random(1)).complete(chat("a")))
