"""Answers with status 200 that are no answers, and counts of tokens that are none."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopback import KEY, Loopback, loopback

from llmopt.core.model import Traits
from llmopt.core.values import Call, Reply, Usage
from llmopt.errors import BadCallError, LostReplyError, TransientError, WithheldError
from llmopt.models.middleware.stack import Account, Limits, wrap
from llmopt.models.providers.bodies import MOST_BYTES, decoded
from llmopt.models.providers.http_errors import Redactor, fault_of_status
from llmopt.models.providers.openai import OpenAIModel
from llmopt.models.providers.openai_wire import read_reply
from llmopt.models.providers.reported_usage import (
    MOST_TOKENS,
    believable,
    estimate,
    tokens_of,
)
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.store import open_store
from llmopt.testing.models import chat

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

JSON = {"Content-Type": "application/json"}
COUNTS = {"prompt_tokens": 5, "completion_tokens": 2}


@pytest.fixture
async def server() -> AsyncIterator[Loopback]:
    async with loopback() as running:
        yield running


@pytest.fixture
async def model(server: Loopback) -> AsyncIterator[OpenAIModel]:
    found = OpenAIModel("tiny", base_url=server.url, key=KEY, timeout=5.0)
    yield found
    await found.close()


def answer(content: Any, finish: Any = "stop", **more: Any) -> dict[str, Any]:
    """Return the answer to a chat."""
    choice = {"message": {"role": "assistant", "content": content}, "finish_reason": finish}
    return {"choices": [choice], "usage": COUNTS, **more}


FAULTS: dict[str, Any] = {
    "error beside an answer": answer("yes", error={"message": "upstream failed"}),
    "error beside an empty choice": answer("", error={"message": "upstream failed", "code": 503}),
    "error as a text": answer("yes", error="upstream failed"),
    "error of no status": answer("yes", error={"message": "m", "code": 99999}),
    "error in the choice": {"choices": [{**answer("yes")["choices"][0], "error": {"code": 1}}]},
    "abort": answer("", "abort"),
    "abort with a part": answer("ye", "abort"),
    "insufficient_system_resource": answer("", "insufficient_system_resource"),
    "network_error": answer("", "network_error"),
    "error": answer("yes", "error"),
    "null": answer("", None),
    "null with a part": answer("ye", None),
    "number": answer("yes", 7),
    "list": answer("yes", ["stop"]),
    "nothing": answer("yes", ""),
    "empty and cut off": answer("", "length"),
    "empty with tools": answer("", "tool_calls"),
    "null content": answer(None),
    "number as content": answer(42),
    "true as content": answer(True),
    "empty list": answer([]),
    "list of numbers": answer([1, 2]),
    "parts without text": answer([{"type": "image_url", "image_url": "x"}]),
    "part with a number": answer([{"type": "text", "text": 5}]),
    "no message": {"choices": [{"finish_reason": "stop"}]},
    "message as text": {"choices": [{"message": "yes", "finish_reason": "stop"}]},
    "no choices": {"choices": []},
    "choices null": {"choices": None},
    "choices as a table": {"choices": {"message": {"content": "yes"}}},
    "another shape": {"success": False, "msg": "quota", "code": 500},
    "list at the top": [answer("yes")],
    "text at the top": "yes",
    "deep": '{"choices":' + "[" * 100_000 + "]" * 100_000 + "}",
    "deep content": '{"choices":[{"message":{"content":'
    + '[{"text":' * 300
    + '"x"'
    + "}]" * 300
    + '},"finish_reason":"stop"}]}',
    "deeper error": '{"error":' + '{"message":' * 940 + '"x"' + "}" * 941,
    "deep error": '{"error":' + '{"message":' * 400 + '"x"' + "}" * 401,
    "a number without end": '{"choices":' + "9" * 100_000 + "}",
    "not a number": '{"choices": NaN}',
    "cut": json.dumps(answer("yes"))[:-9],
    "two answers": json.dumps(answer("yes")) + json.dumps(answer("no")),
    "other bytes": b'{"choices": "\xff\xfe"}',
    "nothing at all": b"",
    "stream that breaks off": 'data: {"choices":[{"delta":{"content":"ye"}}]}\n\n',
    "stream with a failure": 'data: {"choices":[{"delta":{"content":"ye"}}]}\n\n'
    'event: error\ndata: {"message":"overloaded"}\n\ndata: [DONE]\n\n',
    "stream that fails in its end": 'data: {"choices":[{"delta":{"content":"ye"}}]}\n\n'
    'data: {"choices":[{"delta":{},"finish_reason":"abort"}]}\n\ndata: [DONE]\n\n',
    "stream that fails behind its end": 'data: {"choices":[{"delta":{"content":"yes"},'
    '"finish_reason":"stop"}]}\n\ndata: {"error":{"message":"overloaded"}}\n\ndata: [DONE]\n\n',
    "stream of nothing": "data: [DONE]\n\n",
    "stream of no JSON": "data: hello\n\ndata: [DONE]\n\n",
}


@pytest.mark.parametrize("kind", FAULTS)
async def test_what_is_no_answer_is_asked_for_again_and_never_stored(
    kind: str, server: Loopback, model: OpenAIModel, tmp_path: Path
) -> None:
    """A status of 200 does not make a failure an answer, whatever its shape."""
    said = FAULTS[kind]
    server.reply = (200, JSON, said if isinstance(said, str | bytes) else json.dumps(said))
    store = open_store(tmp_path / "runs.sqlite")
    store.create("run", {})
    attempts = 2 if kind == "abort" else 1  # the pause before the second one takes a while
    asked = wrap(model, replies=store.replies("run"), attempts=attempts)
    with pytest.raises(TransientError, match=rf"{attempts} failed attempts"):
        await asked.complete(chat("a"))
    assert len(server.log) == attempts
    server.reply = None
    assert (await asked.complete(chat("a"))).text == "A"  # nothing was stored under its key
    store.close()


ANSWERS: dict[str, tuple[Any, str, str]] = {
    "empty": (answer(""), "", "stop"),
    "no error": (answer("yes", error=None), "yes", "stop"),
    "empty error": (answer("yes", error={}), "yes", "stop"),
    "cut off": (answer("ye", "length"), "ye", "length"),
    "Gemini's word": (answer("ye", "MAX_TOKENS"), "ye", "length"),
    "Anthropic's word": (answer("yes", "end_turn"), "yes", "stop"),
    "TGI's word": (answer("yes", "eos_token"), "yes", "stop"),
    "tools": (answer("yes", "tool_calls"), "yes", "tool_calls"),
    "no word": ({"choices": [{"message": {"content": "yes"}}]}, "yes", "stop"),
    "parts": (answer([{"type": "text", "text": "ye"}, {"text": "s"}]), "yes", "stop"),
    "texts": (answer(["ye", "s"]), "yes", "stop"),
    "one part": (answer({"type": "text", "text": "yes"}), "yes", "stop"),
    "an empty part": (answer([{"type": "text", "text": ""}]), "", "stop"),
    "thoughts alone": (
        {
            "choices": [
                {
                    "message": {"content": None, "reasoning_content": "hm"},
                    "finish_reason": "length",
                }
            ]
        },
        "",
        "length",
    ),
    "hidden thoughts alone": (
        answer("", "length", usage={"prompt_tokens": 5, "completion_tokens": 16}),
        "",
        "length",
    ),
}


@pytest.mark.parametrize("kind", [kind for kind in FAULTS if kind.startswith("error")])
def test_an_error_beside_an_answer_makes_it_none(kind: str) -> None:
    """Whoever reads it: a batch has no status of its own for each answer."""
    with pytest.raises(LostReplyError, match="broke it off"):
        read_reply(FAULTS[kind], chat("q"))


def test_tokens_that_only_the_total_counts_were_generated() -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 105}
    assert read_reply(answer("yes", usage=usage), chat("q")).usage == Usage(1, 5, 100)


@pytest.mark.parametrize("kind", ANSWERS)
def test_what_is_an_answer(kind: str) -> None:
    """Also an empty one of a model that stopped by itself, or that thought for all its tokens."""
    said, text, finish = ANSWERS[kind]
    reply = read_reply(said, chat("q", max_tokens=16))
    assert (reply.text, reply.finish) == (text, finish)


@given(st.text(max_size=30))
def test_only_known_words_end_an_answer(word: str) -> None:
    """An unknown one stands for a failure, with a text and without."""
    for text in ("yes", ""):
        try:
            reply = read_reply(answer(text, word), chat("q"))
        except (LostReplyError, WithheldError):
            continue
        assert reply.finish in ("stop", "length", "tool_calls", "tool_use", "function_call")


@pytest.mark.parametrize("packed", [gzip.compress, zlib.compress])
async def test_a_packed_answer_is_unpacked(
    packed: Any, server: Loopback, model: OpenAIModel
) -> None:
    """As HTTP allows it, whether it was asked for or not."""
    encoding = "gzip" if packed is gzip.compress else "deflate"
    body = packed(json.dumps(answer("yes")).encode())
    server.reply = (200, {**JSON, "Content-Encoding": encoding}, body)
    assert (await model.complete(chat("a"))).text == "yes"


async def test_a_body_has_a_limit_also_when_it_is_unpacked(
    server: Loopback, model: OpenAIModel
) -> None:
    """A megabyte that unpacks to three gigabytes takes neither the memory nor the time."""
    packer = zlib.compressobj(9, wbits=31)
    zeros = bytes(1 << 24)
    first, other = (packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    bomb = first + 63 * other  # a part by itself each time, packed once
    tracemalloc.start()
    for headers, body in (
        ({**JSON, "Content-Encoding": "gzip"}, bomb),
        (JSON, b" " * (MOST_BYTES + 1)),
    ):
        server.reply = (200, headers, body)
        with pytest.raises(LostReplyError, match="at most 16 MiB"):
            await model.complete(chat("a"))
    assert tracemalloc.get_traced_memory()[1] < 8 * MOST_BYTES
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("encoding", "body", "words"),
    [
        ("gzip", b"no gzip", "a broken one"),
        ("gzip", gzip.compress(b"{}" * 999, mtime=0)[:-9], "cut off"),
        # What came says all, but nobody knows what would have followed.
        ("gzip", gzip.compress(json.dumps(answer("yes")).encode(), mtime=0)[:-8], "cut off"),
        ("br", b"x", "another form"),
        ("zstd", b"", "another form"),
    ],
)
async def test_what_cannot_be_unpacked_is_lost(
    encoding: str, body: bytes, words: str, server: Loopback, model: OpenAIModel
) -> None:
    server.reply = (200, {**JSON, "Content-Encoding": encoding}, body)
    with pytest.raises(LostReplyError, match=f"but got .*{words}"):
        await model.complete(chat("a"))


STREAM = (
    ': OPENROUTER PROCESSING\n\ndata: {"choices":[{"index":0,"delta":{"role":"assistant",'
    '"content":""}}]}\n\n'
    'data: {"choices":[{"delta":{"reasoning_content":"h"}}]}\n\n'
    'data: {"choices":[{"delta":{"reasoning_content":"m"}}]}\n\n'
    'data: {"choices":[{"delta":{"content":"y\u2028e"}}]}\n\n'
    'data: {"choices":[{"delta":{"content":"s"}}]}\n\n'
    'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
    'data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":4}}\n\ndata: [DONE]\n\n'
)


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_a_stream_is_one_answer(ends: str) -> None:
    """Its pieces are put together, whichever line ends it has."""
    reply = read_reply(decoded(STREAM.replace("\n", ends).encode()), chat("q"))
    assert reply == Reply("y\u2028es", Usage(1, 5, 4), "stop", "hm")


@pytest.mark.parametrize(
    "body",
    [
        "data: {}\n\ndata: [DONE]\n\n",
        "data: {}\n\n",
        "data:{}",
        "event: message\nid: 1\ndata: {}\n\n",
        "{}\n\ndata: [DONE]\n\n",
        "\n\n  {}",
        "\ufeff{}",
        ": waiting\n\n: waiting\n\ndata: {}\n\ndata: [DONE]",
    ],
)
def test_json_in_other_clothes(body: str) -> None:
    """As one event, behind comments, before the end of a stream: it is the same answer."""
    said = json.dumps(answer("yes"))
    assert read_reply(decoded(body.replace("{}", said).encode()), chat("q")).text == "yes"


def test_an_event_may_have_several_lines() -> None:
    """As the format of event streams has it, and JSON that is indented."""
    lines = json.dumps(answer("yes"), indent=2).splitlines()
    body = "".join(f"data: {line}\n" for line in lines) + "\ndata: [DONE]\n\n"
    assert decoded(body.encode()) == answer("yes")


def test_a_stream_of_raw_text() -> None:
    """Pieces of a raw completion are put together, too."""
    body = (
        'data: {"choices":[{"text":"y","finish_reason":null}]}\n'
        'data: {"choices":[{"text":"es","finish_reason":"length"}],"usage":null}\ndata: [DONE]\n'
    )
    reply = read_reply(decoded(body.encode()), Call("scorer", prompt="q"))
    assert (reply.text, reply.finish) == ("yes", "length")


@pytest.mark.parametrize(
    "text", [" " * 99_999 + "think>", "x" * 99_999 + "think>", " <think>" * 99_999, "</think" * 99]
)
def test_thoughts_are_told_from_answers_in_one_pass(text: str) -> None:
    """Also where a text looks for long as if a thought were about to end."""
    reply = read_reply(answer(text), chat("q"))
    assert len(reply.text) + len(reply.reasoning) <= len(text)


def test_a_long_error_is_understood_by_its_ends() -> None:
    """Whose words may look for long as if they were about to name the context."""
    for words in ("prompt (" * 99_999, "exceeds the " * 99_999, "available " * 99_999):
        for said in (words, f"{words} This model's maximum context length is 5 tokens"):
            fault = fault_of_status("here", 400, {"error": {"message": said}}, {}, Redactor())
            assert isinstance(fault, BadCallError) == (said != words)


def test_a_long_stream_is_read_in_one_pass() -> None:
    """Time grows with the length, and not with its square."""
    piece = 'data: {"choices":[{"delta":{"content":"x"}}]}\n\n'
    end = 'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
    assert len(read_reply(decoded((piece * 60_000 + end).encode()), chat("q")).text) == 60_000
    assert decoded(b"data: }\n" * 200_000) is None


@given(st.binary() | st.text().map(str.encode))
def test_no_body_breaks_the_reader(body: bytes) -> None:
    """Whatever a server sends is plain data or nothing."""
    for content in (body, b"data: " + body, b"{}" + body, b'data: {"choices":' + body):
        decoded(content)


ODD: tuple[dict[str, Any], ...] = (
    {"prompt_tokens": -10_000, "completion_tokens": 2},
    {"prompt_tokens": 5, "completion_tokens": -3},
    {"prompt_tokens": True, "completion_tokens": True},
    {"prompt_tokens": 1 << 63, "completion_tokens": 2},
    {"prompt_tokens": 5, "completion_tokens": 10**30},
    {"prompt_tokens": "5", "completion_tokens": "2"},
    {"prompt_tokens": 5.5, "completion_tokens": 2},
    {"prompt_tokens": None, "completion_tokens": 2},
    {"prompt_tokens": [5], "completion_tokens": {}},
)


@pytest.mark.parametrize("counts", ODD)
def test_counts_that_are_none_are_estimated(counts: dict[str, Any]) -> None:
    """Negative ones, true, texts, and more than any model reads."""
    call = chat("y" * 9)
    reply = read_reply({**answer("x" * 10), "usage": counts}, call)
    assert reply.usage == estimate(call, reply.text)
    assert reply.usage.estimated


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        ({"prompt_tokens": 0, "completion_tokens": 2}, Usage(1, 3, 2, estimated=True)),
        ({"prompt_tokens": 5, "completion_tokens": 0}, Usage(1, 5, 3, estimated=True)),
        ({"prompt_tokens": 5}, Usage(1, 5, 3, estimated=True)),
        ({"prompt_tokens": 5.0, "completion_tokens": 2.0}, Usage(1, 5, 2)),
        ({"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": -4}, Usage(1, 5, 2)),
        ({"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 1 << 70}, Usage(1, 5, 2)),
    ],
)
def test_what_is_not_counted_is_estimated(counts: dict[str, Any], usage: Usage) -> None:
    """No text has 0 tokens, and a total that is none says nothing."""
    assert read_reply({**answer("x" * 10), "usage": counts}, chat("y" * 9)).usage == usage


def test_an_estimate_does_not_undercount_other_writing() -> None:
    """Four characters of English are a token; a Chinese character is one or more by itself."""
    assert tokens_of("") == 0
    assert tokens_of("x" * 10) == 3
    assert tokens_of("判断下面的数字是不是偶数") == 18
    assert tokens_of("yes 是") == 1 + 2


@given(st.text())
def test_an_estimate_is_no_more_than_the_bytes(text: str) -> None:
    """Which no tokenizer exceeds, so that a reservation is always enough."""
    assert bool(text) <= tokens_of(text) <= len(text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("bad", [-1, True, MOST_TOKENS + 1, 1 << 70, 1.5, None, "9"])
async def test_no_model_can_give_a_count_that_is_none(bad: Any, tmp_path: Path) -> None:
    """A model of the user's own, too: budgets and the store see estimates."""
    call = chat("y" * 9)
    for counts in ((bad, 3, 3), (1, bad, 3), (1, 3, bad)):
        usage = believable(Usage(*counts), call, "x" * 10)
        assert usage == Usage(1, 3, 3, estimated=True)

    class Odd(ScriptedModel):
        async def complete(self, call: Call) -> Reply:
            return Reply(call.text, Usage(bad, bad, bad))

    account = Account(Limits(tokens=10_000))
    with_store = open_store(tmp_path / "runs.sqlite")
    with_store.create("run", {})
    asked = wrap(
        Odd(lambda call: call.text, traits=Traits()),
        replies=with_store.replies("run"),
        account=account,
    )
    assert (await asked.complete(call)).usage == Usage(1, 3, 3, estimated=True)
    assert account.spent.tokens == 6
    assert with_store.spent("run")["scorer"].tokens == 6
    with_store.close()
