"""Draws of one prompt become one request."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from llmopt.core.values import Call
from llmopt.errors import TransientError
from llmopt.models.providers.draws import Draws, chains
from llmopt.models.providers.local import _each

if TYPE_CHECKING:
    from collections.abc import Sequence

CALL = Call("optimizer", prompt="A word:", temperature=1.0, max_tokens=4)


class Asked:
    """Answers each call with its sample number, and keeps the groups it was asked for."""

    def __init__(self, error: Exception | None = None) -> None:
        self.groups: list[list[int]] = []
        self._error = error

    async def __call__(self, calls: Sequence[Call]) -> list[dict[str, Any]]:
        self.groups.append([call.sample for call in calls])
        await asyncio.sleep(0)
        if self._error:
            raise self._error
        return [{"sample": call.sample} for call in calls]


async def test_draws_of_one_prompt_are_one_request() -> None:
    """Calls that differ in their number alone go together; each gets its own answer."""
    asked = Asked()
    draws = Draws(8, asked)
    calls = [replace(CALL, sample=n) for n in range(5)]
    answers = await asyncio.gather(*map(draws.answer, calls))
    assert [answer["sample"] for answer in answers] == [0, 1, 2, 3, 4]
    assert asked.groups == [[0, 1, 2, 3, 4]]


async def test_no_request_has_more_draws_than_there_are_slots() -> None:
    """What is too many for one request becomes several, one after the other."""
    asked = Asked()
    draws = Draws(2, asked)
    await asyncio.gather(*(draws.answer(replace(CALL, sample=n)) for n in range(5)))
    assert asked.groups == [[0, 1], [2, 3], [4]]


async def test_other_prompts_and_parameters_are_other_requests() -> None:
    """A prompt, a temperature or a limit of its own makes a request of its own."""
    asked = Asked()
    draws = Draws(8, asked)
    others = (
        replace(CALL, prompt="Another:", sample=1),
        replace(CALL, temperature=0.5, sample=2),
        replace(CALL, max_tokens=5, sample=3),
    )
    await asyncio.gather(*map(draws.answer, (CALL, *others)))
    assert sorted(asked.groups) == [[0], [1], [2], [3]]


def test_prompts_that_begin_alike_follow_one_another() -> None:
    """A chain is asked one after the other, so that its beginning is read once."""
    alike = [replace(CALL, prompt=f"The same long beginning. {end}") for end in ("a", "b", "c")]
    other = replace(CALL, prompt="Something else.")
    found = chains([alike[0], other, alike[1], replace(alike[0], sample=1), alike[2]], 8)
    assert sorted(sorted(len(request) for request in chain) for chain in found) == [[1], [1, 1, 2]]


async def test_the_same_call_twice_is_asked_once() -> None:
    """Equal calls in flight get the same answer."""
    asked = Asked()
    first, second = await asyncio.gather(*map(Draws(8, asked).answer, (CALL, CALL)))
    assert first is second
    assert asked.groups == [[0]]


async def test_a_failure_reaches_every_call_of_the_group() -> None:
    """Each call raises what the request raised, and the next group is not affected."""
    draws = Draws(2, Asked(TransientError("the engine is busy")))
    found = await asyncio.gather(
        *(draws.answer(replace(CALL, sample=n)) for n in range(2)), return_exceptions=True
    )
    assert [type(one) for one in found] == [TransientError, TransientError]


async def test_a_cancelled_call_does_not_take_the_others_with_it() -> None:
    """Who is cancelled gets no answer; the others of the group get theirs."""
    draws = Draws(8, Asked())
    first, second = (asyncio.create_task(draws.answer(replace(CALL, sample=n))) for n in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second)["sample"] == 1
    assert first.cancelled()


def test_one_answer_is_split_into_draws() -> None:
    """Each draw has its own text and its own count of tokens, in the order of the numbers."""
    token = {"token": "x", "logprob": -1.0}
    data = {
        "choices": [
            {"index": 1, "text": "b", "logprobs": {"content": [token]}},
            {"index": 0, "text": "a", "logprobs": {"content": [token, token]}},
        ],
        "usage": {"prompt_tokens": 7, "completion_tokens": 2},
    }
    first, second = _each(data, 2)
    assert (first["choices"][0]["text"], first["usage"]["completion_tokens"]) == ("a", 2)
    assert (second["choices"][0]["text"], second["usage"]["completion_tokens"]) == ("b", 1)
    assert {answer["usage"]["prompt_tokens"] for answer in (first, second)} == {7}
    with pytest.raises(TransientError, match="3 draws"):
        _each(data, 3)
