"""How likely answers are: asked of an endpoint on loopback, and of llama.cpp in this process."""

from __future__ import annotations

import importlib.util
import json
import math
from typing import TYPE_CHECKING, Any

import pytest
from loopback import KEY, Loopback, loopback

from llmopt.core.model import Traits
from llmopt.core.values import (
    Call,
    Message,
    Reply,
    Usage,
    to_json,
)
from llmopt.errors import InputError, RefusedError
from llmopt.models.providers.any_llm import AnyLLMModel
from llmopt.models.providers.likelihood import spellings
from llmopt.models.providers.local import LocalModel
from llmopt.models.providers.openai import OpenAIModel
from llmopt.models.providers.openai_wire import dialect_of
from llmopt.models.registry import model_named
from llmopt.store import open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from llmopt.core.model import Model

JSON = {"Content-Type": "application/json"}
CLASSES = ("positive", "negative")


@pytest.fixture
async def server() -> AsyncIterator[Loopback]:
    async with loopback() as running:
        yield running


@pytest.fixture
async def model(server: Loopback) -> AsyncIterator[OpenAIModel]:
    found = OpenAIModel("tiny", base_url=server.url, key=KEY, traits=Traits(completion=True))
    yield found
    await found.close()


def asked(*answers: str, raw: bool = False, text: str = "Is it good?") -> Call:
    turns = () if raw else (Message("user", text),)
    return Call("scorer", turns, text if raw else None, max_tokens=1, answers=answers or CLASSES)


def gives(server: Loopback, logprobs: Any) -> None:
    """Let the server list probabilities of the first token."""
    choice = {"index": 0, "finish_reason": "length", "logprobs": logprobs}
    choice |= {"message": {"content": "x"}, "text": "x"}
    usage = {"prompt_tokens": 9, "completion_tokens": 1}
    server.reply = (200, JSON, json.dumps({"choices": [choice], "usage": usage}))


def listed(**shares: float) -> dict[str, Any]:
    """Return tokens with their probabilities as chats list them."""
    top = [{"token": token, "logprob": math.log(share)} for token, share in shares.items()]
    return {"content": [{**top[0], "top_logprobs": top}]}


def odds(reply: Reply) -> list[float]:
    """Return the probabilities of the answers among themselves."""
    shares = [math.exp(log) for log in reply.likelihoods]
    return [share / sum(shares) for share in shares]


# -- endpoints --------------------------------------------------------------------------------


async def test_an_endpoint_is_asked_for_one_token_and_its_alternatives(
    server: Loopback, model: OpenAIModel
) -> None:
    gives(server, listed(Positive=0.5, The=0.2, neg=0.1, positive=0.1))
    reply = await model.complete(asked())
    assert server.log[0][1] == {
        "model": "tiny",
        "messages": [{"role": "user", "content": "Is it good?"}],
        "temperature": 0.0,
        "max_tokens": 1,
        "logprobs": True,
        "top_logprobs": 20,
    }
    assert reply.text == "positive"
    assert odds(reply) == pytest.approx([6 / 7, 1 / 7]), "both cases of the first letter count"
    assert reply.usage == Usage(1, 9, 1)


@pytest.mark.parametrize(
    "logprobs",
    [
        {"top_logprobs": [{" positive": math.log(0.2), " negative": math.log(0.6)}]},
        {
            "content": [
                {
                    "token": " negative",
                    "logprob": math.log(0.6),
                    "top_logprobs": [
                        {"token": " negative", "logprob": math.log(0.6), "bytes": [*b" negative"]},
                        {"token": " positive", "logprob": math.log(0.2), "bytes": [*b" positive"]},
                    ],
                }
            ]
        },
    ],
)
async def test_raw_completions_list_tokens_in_either_form(
    logprobs: Any, server: Loopback, model: OpenAIModel
) -> None:
    """As a table, which is the API's own, or as chats do it, which is llama.cpp's."""
    gives(server, logprobs)
    reply = await model.complete(asked(raw=True))
    assert server.log[0][1]["logprobs"] == 20
    assert reply.text == "negative"
    assert odds(reply) == pytest.approx([0.25, 0.75])


async def test_an_answer_that_is_not_listed_is_as_likely_as_it_can_be(
    server: Loopback, model: OpenAIModel
) -> None:
    gives(server, listed(positive=0.9, The=0.05))
    assert odds(await model.complete(asked())) == pytest.approx([0.9 / 0.95, 0.05 / 0.95])
    gives(server, listed(positive=0.9, The=0.09))
    assert odds(await model.complete(asked()))[1] == pytest.approx(0.01 / 0.91)
    gives(server, listed(The=0.4, It=0.3))
    assert odds(await model.complete(asked())) == pytest.approx([0.5, 0.5]), "nothing is known"


async def test_answers_that_share_their_first_token_are_refused(
    server: Loopback, model: OpenAIModel
) -> None:
    gives(server, listed(pos=0.6, neg=0.4))
    with pytest.raises(RefusedError, match="'positive', 'possible' all begin with 'pos'"):
        await model.complete(asked("positive", "possible", "negative"))
    gives(server, listed(positive=0.6, possible=0.395, p=0.004))
    assert odds(await model.complete(asked("positive", "possible")))[0] > 0.6, "hardly any share it"


@pytest.mark.parametrize(
    "logprobs",
    [
        None,
        {},
        {"content": []},
        {"content": [{"token": "positive", "logprob": -0.1}]},
        {"content": [{"top_logprobs": [{"token": "positive", "logprob": None}]}]},
        {"top_logprobs": [None]},
    ],
)
async def test_an_endpoint_that_lists_nothing_is_refused_with_what_to_do(
    logprobs: Any, server: Loopback, model: OpenAIModel
) -> None:
    gives(server, logprobs)
    with pytest.raises(RefusedError, match=r'set scorer\.answer = "text"'):
        await model.complete(asked())


def test_models_that_list_no_probabilities_say_so() -> None:
    able = [name for name in ("gpt-4o", "o3-mini", "claude-3-5-haiku") if dialect_of(name).logprobs]
    assert able == ["gpt-4o"]
    assert not OpenAIModel("o3-mini", base_url="http://localhost:1/v1").traits.likelihood
    assert OpenAIModel("gpt-4o", base_url="http://localhost:1/v1", key="k").traits.likelihood


def test_providers_through_any_llm_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("any_llm", reason="needs the extra anyllm: make test-extras")
    monkeypatch.setenv("MY_KEY", "a key")
    assert not AnyLLMModel("openai", "gpt-4o", key_variable="MY_KEY").traits.likelihood


def test_an_answer_is_recognised_with_a_small_or_a_capital_first_letter() -> None:
    assert spellings("positive") == ("positive", "Positive")
    assert spellings("World") == ("World", "world")
    assert spellings("ABBR") == ("ABBR",)
    assert spellings("A") == ("A",)


# -- values -----------------------------------------------------------------------------------


async def test_likelihoods_are_stored_and_name_a_call(tmp_path: Path) -> None:
    """What was stored without them keeps its name and its text, byte by byte."""
    plain, wanted = asked("a", "b"), asked("a", "c")
    without = Call("scorer", plain.messages, max_tokens=1)
    assert len({call.key("m") for call in (plain, wanted, without)}) == 3
    assert b"answers" not in to_json(without)
    assert b"likelihoods" not in to_json(Reply("a"))
    reply = Reply("a", likelihoods=(-0.5, -1.25))
    store = open_store(tmp_path / "s.sqlite")
    try:
        store.create("run", {})
        await store.replies("run").put("key", "m", plain, reply)
        assert store.exchange("key") == (plain, reply)
    finally:
        store.close()
    assert Call.from_json(json.loads(to_json(without))) == without
    assert Reply.from_json(json.loads(to_json(Reply("a")))) == Reply("a")


# -- llama.cpp --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small() -> LocalModel:
    """The small model; its engine is started once for this file."""
    if importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("xllamacpp is not installed: pip install 'llms-as-optimizers[local]'")
    try:
        found: Model = model_named("local/smollm2-135m", slots=1)
    except InputError as error:
        pytest.skip(f"the weights cannot be had: {error}")
    assert isinstance(found, LocalModel)
    return found


REVIEW = "Is this review positive or negative?\nA great thing, I love it."


def whole(model: LocalModel, call: Call) -> dict[str, float]:
    """Return the probabilities of (nearly) all tokens that may begin a reply."""
    fields: dict[str, Any] = {"temperature": 0.0, "logprobs": True, "top_logprobs": 20_000}
    data = model._ask(call, {**fields, "n_probs": 20_000})
    top = data["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
    return {one["token"]: math.exp(one["logprob"]) for one in top}


@pytest.mark.local_model
@pytest.mark.parametrize("raw", [False, True])
async def test_one_token_gives_the_odds_of_the_whole_distribution(
    small: LocalModel, *, raw: bool
) -> None:
    """A chat's answer begins without a blank, a raw prompt's with one."""
    call = asked(raw=raw, text=f"Q: {REVIEW}\n\nA:" if raw else REVIEW)
    before = " " if raw else ""
    shares = whole(small, call)
    wanted = [sum(shares[before + s] for s in spellings(answer)) for answer in CLASSES]
    reply = await small.complete(call)
    assert odds(reply) == pytest.approx([w / sum(wanted) for w in wanted], rel=0.05)
    assert reply.text == CLASSES[wanted.index(max(wanted))]
    assert reply.usage.output_tokens == 1


@pytest.mark.local_model
async def test_answers_that_share_their_first_token_are_asked_for_one_by_one(
    small: LocalModel,
) -> None:
    """An answer that goes on with another's words is not counted twice."""
    call = asked("no", "no answer", "yes", text="Is 2 a prime number? Answer yes or no.")
    reply = await small.complete(call)
    shares = whole(small, call)
    no = shares["no"] + shares["No"]
    assert sum(map(math.exp, reply.likelihoods[:2])) == pytest.approx(no, rel=0.1)
    assert reply.likelihoods[1] < reply.likelihoods[0]
    assert math.exp(reply.likelihoods[2]) == pytest.approx(shares["yes"] + shares["Yes"], rel=0.1)


@pytest.mark.local_model
async def test_any_texts_can_be_answers(small: LocalModel) -> None:
    """Words of many tokens, letters of parts of a byte, quotes, and a common beginning."""
    for answers in (("mostly harmless", "mostly not"), ("五", "六"), ('say "a"', "say \\b")):
        reply = await small.complete(asked(*answers))
        assert reply.text in answers
        assert all(math.isfinite(log) and log < 0 for log in reply.likelihoods)
