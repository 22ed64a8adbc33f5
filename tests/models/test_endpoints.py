"""Endpoints as people have them: further fields and headers, streams, base URLs, aliases."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from loopback import KEY, Loopback, echo_body, loopback

from llmopt.config.tables import ModelTable
from llmopt.core.values import Call, Message
from llmopt.errors import ConfigError, EndpointError, InputError, LostReplyError, RefusedError
from llmopt.models.providers.openai import OpenAIModel
from llmopt.models.providers.request_options import RequestOptions
from llmopt.models.registry import NamedModel, model_named
from llmopt.testing.models import chat

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

JSON = {"Content-Type": "application/json"}
SECRET = "a-secret-of-the-environment"


@pytest.fixture
async def server() -> AsyncIterator[Loopback]:
    async with loopback() as running:
        yield running


async def sent(
    server: Loopback, call: Call | None = None, **options: Any
) -> tuple[str, dict[str, Any], Mapping[str, str]]:
    """Return path, body and headers of the request that a table of a configuration makes."""
    table = ModelTable(model="openai/prod-chat", base_url=server.url, **options)
    model = table.named().built()
    await model.complete(call or chat("a"))
    await model.close()
    return server.log[-1]


async def test_further_fields_and_headers(
    server: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They go with every request, and secrets come from the environment."""
    monkeypatch.setenv("MY_SECRET", SECRET)
    _, body, headers = await sent(
        server,
        extra={
            "enable_thinking": False,
            "chat_template_kwargs": {"thinking": False},
            "provider": {"order": ["a"], "token": {"env": "MY_SECRET"}},
        },
        headers={"X-Tenant": "7", "api-key": {"env": "MY_SECRET"}},
        top_p=0.5,
        reasoning_effort="low",
        response_format="json_object",
    )
    assert body["enable_thinking"] is False
    assert body["chat_template_kwargs"] == {"thinking": False}
    assert body["provider"] == {"order": ["a"], "token": SECRET}
    assert body["top_p"] == 0.5
    assert body["reasoning_effort"] == "low"
    assert body["response_format"] == {"type": "json_object"}
    assert headers["X-Tenant"] == "7"
    assert headers["api-key"] == SECRET


async def test_a_header_of_the_user_replaces_ours(
    server: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as the authorization of a gateway."""
    monkeypatch.setenv("MY_SECRET", f"Basic {SECRET}")
    _, _, headers = await sent(server, headers={"authorization": {"env": "MY_SECRET"}})
    assert [v for k, v in headers.items() if k.lower() == "authorization"] == [f"Basic {SECRET}"]


async def test_secrets_of_the_environment_are_not_shown(
    server: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that echoes them finds no echo."""
    monkeypatch.setenv("MY_SECRET", SECRET)
    options = RequestOptions({"token": {"env": "MY_SECRET"}}, {"x-key": {"env": "MY_SECRET"}})
    model = OpenAIModel("m", base_url=server.url, request=options)
    said = {"error": {"message": f"field_a must be {SECRET}"}}
    server.reply = (400, JSON, json.dumps(said))
    with pytest.raises(RefusedError) as caught:
        await model.complete(chat("a"))
    assert SECRET not in str(caught.value) + model.identity + repr(model) + repr(options)
    await model.close()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"extra": {"model": "x"}}, "use the key model"),
        ({"extra": {"messages": []}}, "leave it out"),
        ({"extra": {"max_completion_tokens": 5}}, "use the key max_tokens"),
        ({"extra": {"stream": True}}, "use the key stream"),
        ({"extra": {"api_key": "sk-1"}}, r'extra\.api_key = \{ env = "NAME" \}'),
        ({"extra": {"a": {"password": "x"}}}, "looks like a secret"),
        ({"extra": {"a": float("nan")}}, "what JSON has"),
        ({"headers": {"Authorization": "Bearer x"}}, r"headers\.Authorization looks like a secret"),
        ({"headers": {"x-api-key": "x"}}, "looks like a secret"),
        ({"headers": {"Content-Length": "3"}}, "set by llmopt itself"),
        ({"headers": {"a b": "3"}}, "headers are names"),
        ({"headers": {"a": 3}}, "headers are names"),
        ({"headers": {"a": {"env": "NOT_SET_AT_ALL"}}}, "export NOT_SET_AT_ALL"),
        ({"headers": {"a": "x\ny"}}, "one line of plain characters"),
        ({"extra": {"a": {"env": "NOT_SET_AT_ALL"}}}, "export NOT_SET_AT_ALL"),
    ],
)
def test_what_cannot_be_sent_is_refused(options: dict[str, Any], words: str) -> None:
    """Before anything is asked, with what to do."""
    with pytest.raises(ConfigError, match=words):
        ModelTable(model="openai/m", base_url="http://h/v1", **options).named().built()


def test_what_decides_a_reply_is_in_the_identity() -> None:
    """What was stored before keeps its name, and so does it whatever way it is sent."""
    plain = OpenAIModel("m", base_url="http://h/v1").identity
    assert plain == "openai/m@http://h/v1"

    def identity(**options: Any) -> str:
        return OpenAIModel("m", base_url="http://h/v1", request=RequestOptions(**options)).identity

    assert identity(stream=True) == plain
    others = [
        identity(top_p=0.5),
        identity(top_p=0.6),
        identity(extra={"a": 1}),
        identity(extra={"a": 1}, headers={"x": "1"}),
        identity(headers={"x": "1"}),
        identity(dialect="reasoning"),
        identity(reasoning_effort="low"),
        identity(response_format="json_object"),
    ]
    assert len({plain, *others}) == 1 + len(others)


def test_named_models_are_compared_by_what_they_send() -> None:
    """So that a sweep builds each once."""
    ones = [NamedModel("openai/m", request=RequestOptions({"a": n % 2})) for n in range(4)]
    assert len(set(ones)) == 2


@pytest.mark.parametrize("name", ["local/smollm2-135m", "anyllm/openai/m"])
def test_other_models_take_no_fields(name: str) -> None:
    """They would be left out silently."""
    with pytest.raises(InputError, match=r"OpenAI-compatible endpoints.*leave them out"):
        model_named(name, request=RequestOptions({"a": 1}))


async def test_an_alias_of_a_reasoning_model(server: Loopback) -> None:
    """A deployment has a name of its own; the dialect says what it is."""
    call = Call("scorer", (Message("system", "s"), Message("user", "u")), stop=("#",))
    _, body, _ = await sent(server, call, dialect="reasoning")
    assert set(body) == {"model", "messages", "max_completion_tokens"}
    assert body["messages"][0]["role"] == "developer"


async def test_a_plain_model_that_is_called_like_a_reasoning_one(server: Loopback) -> None:
    """The other way round."""
    table = ModelTable(model="openai/o3-of-ours", base_url=server.url, dialect="plain")
    model = table.named().built()
    await model.complete(chat("a"))
    assert {"temperature", "max_tokens"} <= server.log[0][1].keys()
    await model.close()


async def test_a_refusal_names_the_key(server: Loopback) -> None:
    """With the table of who asked."""
    said = {"error": {"message": "Unsupported parameter: use 'max_completion_tokens' instead."}}
    server.reply = (400, JSON, json.dumps(said))
    model = OpenAIModel("m", base_url=server.url)
    with pytest.raises(EndpointError, match=r'; set scorer\.dialect = "reasoning"$'):
        await model.complete(chat("a"))
    await model.close()


def stream_of(text: str) -> str:
    """Return the events in which a server gives a text letter by letter."""
    pieces: list[dict[str, Any]] = [{"delta": {"content": letter}} for letter in text]
    chunks = [*pieces, {"delta": {}, "finish_reason": "stop"}]
    events = [json.dumps({"choices": [{"index": 0, **chunk}]}) for chunk in chunks]
    usage = json.dumps({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 3}})
    return "".join(f"data: {event}\n\n" for event in (*events, usage, "[DONE]"))


async def test_a_server_that_only_streams(server: Loopback) -> None:
    """It is asked for a stream, with its counts, and gives one answer."""
    server.reply = (200, {"Content-Type": "text/event-stream"}, stream_of("YES"))
    model = OpenAIModel("m", base_url=server.url, request=RequestOptions(stream=True))
    reply = await model.complete(chat("a"))
    assert (reply.text, reply.usage.tokens, reply.usage.estimated) == ("YES", 4, False)
    _, body, headers = server.log[0]
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}
    assert headers["Accept"] == "text/event-stream"
    server.reply = (200, {}, stream_of("YES").partition('"finish_reason"')[0])
    with pytest.raises(LostReplyError):
        await model.complete(chat("a"))
    await model.close()


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/octet-stream", "text/event-stream", "text/html", ""]
)
async def test_the_declared_type_does_not_matter(kind: str, server: Loopback) -> None:
    """The answer does; each attempt would be paid."""
    body = json.dumps(echo_body("yes", chat=True))
    for said in (body, f"data: {body}\n\ndata: [DONE]\n\n", f"{body}\n\ndata: [DONE]\n\n"):
        server.reply = (200, {"Content-Type": kind} if kind else {}, said)
        model = OpenAIModel("m", base_url=server.url)
        assert (await model.complete(chat("a"))).text == "YES"
        await model.close()
    assert len(server.log) == 3


@pytest.mark.parametrize("ending", ["/chat/completions", "/completions", "/embeddings"])
async def test_a_base_url_with_the_path_of_a_request(ending: str, server: Loopback) -> None:
    """It is taken without it, and says so."""
    model = OpenAIModel("m", base_url=server.url + ending)
    assert (await model.complete(chat("a"))).text == "A"
    assert model.identity == f"openai/m@{server.url}"
    assert model.notes == [f"the base URL {server.url} is taken without {ending} at its end"]
    await model.close()


async def test_a_base_url_without_its_version(server: Loopback) -> None:
    """Where nothing answers, /v1 is tried, once, for as many calls as are in flight."""
    root = server.url.removesuffix("/v1")
    model = OpenAIModel("m", base_url=root)
    replies = await asyncio.gather(*(model.complete(chat(f"{n}")) for n in range(20)))
    assert [reply.text for reply in replies] == [f"{n}" for n in range(20)]
    assert (await model.complete(chat("a"))).text == "A"
    assert len(server.log) == 21
    assert model.notes == [f"{root} answers below /v1 only; write the base URL with it"]
    await model.close()


async def test_a_base_url_where_nothing_answers_either_way(server: Loopback) -> None:
    """The failure is that of the URL that was given."""
    url = server.url.removesuffix("/v1") + "/elsewhere"
    model = OpenAIModel("m", base_url=url, key=KEY)
    with pytest.raises(EndpointError, match=r"/elsewhere answered with status 404.*base URL"):
        await model.complete(chat("a"))
    assert not model.notes
    await model.close()
