"""What a model can do is found out on a real server on loopback."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from loopback import KEY, Loopback, loopback

from llmopt.core.model import Traits
from llmopt.errors import RefusedError
from llmopt.models.probe import probe
from llmopt.models.providers.openai import OpenAIModel
from llmopt.models.providers.presets import PRESETS
from llmopt.models.providers.scripted import ScriptedModel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from llmopt.core.values import Call

ALL = ("chat", "raw completion", "n", "logprobs", "usage")


@pytest.fixture
async def server() -> AsyncIterator[Loopback]:
    async with loopback() as running:
        yield running


async def found(server: Loopback, preset: str = "openai") -> dict[str, tuple[bool, str]]:
    model = OpenAIModel("tiny", base_url=server.url, key=KEY, preset=PRESETS[preset])
    findings = await probe(model)
    await model.close()
    assert tuple(finding.what for finding in findings) == ALL
    return {finding.what: (finding.works, finding.said) for finding in findings}


async def test_a_server_that_can_do_it_all(server: Loopback) -> None:
    """Four calls find out five things."""
    said = await found(server)
    assert all(works for works, _ in said.values())
    assert said["chat"][1] == "'SAY YES.'"
    assert said["usage"][1] == "8 tokens in, 3 out"
    assert len(server.log) == 4


@pytest.mark.parametrize("refused", ["chat", "raw", "n", "logprobs"])
async def test_what_is_refused_is_said_in_the_servers_words(refused: str, server: Loopback) -> None:
    """One thing that does not work hides no other."""
    server.refuses = frozenset({refused})
    said = await found(server)
    what = {"raw": "raw completion"}.get(refused, refused)
    works, why = said.pop(what)
    assert not works
    assert f"{refused} is not supported" in why
    assert all(works for works, _ in said.values())


async def test_a_server_that_ignores_what_it_does_not_know(server: Loopback) -> None:
    """What is silently left out does not work."""
    body = '{"choices": [{"message": {"content": "yes"}, "text": "yes"}]}'
    server.reply = (200, {"Content-Type": "application/json"}, body)
    said = await found(server)
    assert {what for what, (works, _) in said.items() if works} == {"chat", "raw completion"}
    assert said["n"][1] == "asked for 2 answers, got 1"
    assert said["logprobs"][1] == "the answer has none"
    assert "estimated" in said["usage"][1]


async def test_nothing_works(server: Loopback) -> None:
    """Without an answer nothing more is asked, and the key is in no finding."""
    server.reply = (401, {"Content-Type": "application/json"}, f'{{"error": "no {KEY}"}}')
    said = await found(server)
    assert not any(works for works, _ in said.values())
    assert len(server.log) == 2
    assert "status 401" in said["chat"][1]
    assert KEY not in repr(said)


async def test_what_a_preset_rules_out_is_not_asked(server: Loopback) -> None:
    """A host that gives one answer to a request is not asked for two."""
    said = await found(server, "groq")
    assert said["n"] == (False, "not asked, because this provider gives one answer to a request")
    assert not any("n" in body for _, body, _ in server.log)


async def test_an_empty_answer_is_shown_as_one(server: Loopback) -> None:
    """A model whose tokens all went into reasoning answers, but says nothing."""
    choice = {"message": {"content": ""}, "text": "", "finish_reason": "length"}
    usage = {"prompt_tokens": 9, "completion_tokens": 256}
    body = json.dumps({"choices": [choice], "usage": usage})
    server.reply = (200, {"Content-Type": "application/json"}, body)
    assert (await found(server))["chat"] == (True, "nothing, and ended with 'length'")


async def test_a_model_that_is_no_endpoint() -> None:
    """It is asked for what its traits name, once each."""

    def refuse(_call: Call) -> str:
        raise RefusedError("not today")

    spoken = ScriptedModel(lambda _call: "yes", traits=Traits(completion=False))
    works = {finding.what for finding in await probe(spoken) if finding.works}
    assert (works, spoken.calls) == ({"chat"}, 1)
    assert not any(finding.works for finding in await probe(ScriptedModel(refuse)))
