"""The real local model, and what can be said about it without running it."""

from __future__ import annotations

import asyncio
import importlib.util
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from llmopt.core.values import Call, Message
from llmopt.errors import InputError, RefusedError, TransientError
from llmopt.models.providers.local import (
    LocalModel,
    _checked,
    _waits,
    free_cores,
)
from llmopt.models.registry import model_named
from llmopt.testing.models import MODEL_TRUTHS, chat

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from llmopt.core.model import Model


@pytest.fixture(scope="module")
def small() -> Model:
    """The small model; its engine is started once for this file."""
    if importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("xllamacpp is not installed: pip install 'llms-as-optimizers[local]'")
    try:
        return model_named("local/smollm2-135m")
    except InputError as error:
        pytest.skip(f"the weights cannot be had: {error}")


@pytest.mark.local_model
@pytest.mark.parametrize("truth", MODEL_TRUTHS)
async def test_is_a_model(truth: Callable[[Model], Awaitable[None]], small: Model) -> None:
    """Every truth about models holds for the local model."""
    await truth(small)


@pytest.mark.local_model
async def test_a_chat(small: Model) -> None:
    """A greedy chat gets an answer with llama.cpp's own count of tokens."""
    call = Call("scorer", (Message("user", "What colour is the sky?"),), max_tokens=24)
    reply = await small.complete(call)
    assert "blue" in reply.text
    assert not reply.usage.estimated
    assert 0 < reply.usage.output_tokens <= 24
    assert reply.usage.input_tokens > 5


@pytest.mark.local_model
async def test_a_raw_completion(small: Model) -> None:
    """A raw prompt is continued where it stops, without a chat template."""
    call = Call("optimizer", prompt="one, two, three, four, five,", max_tokens=6)
    assert "six" in (await small.complete(call)).text


@pytest.mark.local_model
async def test_stop_texts(small: Model) -> None:
    """The reply ends before a stop text, in chats and in raw completions."""
    raw = Call("optimizer", prompt="1, 2, 3, 4,", max_tokens=24, stop=("7",))
    reply = await small.complete(raw)
    assert "7" not in reply.text
    assert reply.finish == "stop"
    cut = await small.complete(chat("Write a long poem.", max_tokens=3))
    assert cut.finish == "length"


@pytest.mark.local_model
async def test_samples_differ(small: Model) -> None:
    """Draws with different numbers differ."""
    calls = [
        Call("optimizer", prompt="My favourite word is", temperature=1.0, max_tokens=8, sample=n)
        for n in range(4)
    ]
    texts = [(await small.complete(call)).text for call in calls]
    assert len(set(texts)) > 1


@pytest.mark.local_model
async def test_eight_at_once(small: Model) -> None:
    """Eight calls side by side each get the reply to their own text."""
    colours = ["red", "blue", "green", "black", "white", "pink", "brown", "grey"]
    calls = [
        Call("scorer", prompt=f"The colour is {c}. I say it again: the colour is", max_tokens=4)
        for c in colours
    ]
    replies = await asyncio.gather(*map(small.complete, calls))
    assert sum(c in reply.text for c, reply in zip(colours, replies, strict=True)) >= 7


@pytest.mark.local_model
async def test_draws_at_once_differ_and_are_counted_each(small: Model) -> None:
    """Draws of one prompt differ, keep to their limit, and each has a count of its own."""
    calls = [
        Call("optimizer", prompt="My favourite word is", temperature=1.0, max_tokens=8, sample=n)
        for n in range(10)
    ]
    replies = await asyncio.gather(*map(small.complete, calls))
    assert len({reply.text for reply in replies}) > 5
    assert all(0 < reply.usage.output_tokens <= 8 for reply in replies)
    assert len({reply.usage.input_tokens for reply in replies}) == 1


@pytest.mark.local_model
async def test_too_long_a_prompt_is_refused(small: Model) -> None:
    """A prompt longer than the context is refused with a reason, and others go on."""
    with pytest.raises((RefusedError, TransientError), match=r"llama\.cpp said"):
        await small.complete(Call("scorer", prompt="word " * 20_000, max_tokens=1))
    assert (await small.complete(chat("Hello", max_tokens=4))).text


@pytest.mark.local_model
async def test_a_file_that_is_no_model(tmp_path: Path, small: Model) -> None:
    """A file that llama.cpp cannot load is named."""
    assert small.traits.chat
    path = tmp_path / "noise.gguf"
    path.write_bytes(b"GGUF" + bytes(100))
    model = LocalModel(path, "noise")
    with pytest.raises(InputError, match=r"noise\.gguf"):
        await model.complete(chat("Hello"))
    await model.close()


@pytest.mark.local_model
async def test_closing_stops_the_engine(small: Model) -> None:
    """A closed model starts again when asked; this test comes last and leaves nothing running."""
    await small.close()
    assert (await small.complete(chat("Hello", max_tokens=2))).usage.calls == 1
    await small.close()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ({"error": {"code": 400, "message": "too long"}}, RefusedError),
        ({"code": 400, "message": "too long", "type": "x"}, RefusedError),
        ({"error": {"code": 503, "message": "loading"}}, TransientError),
        ({"error": "strange"}, TransientError),
        ({}, TransientError),
    ],
)
def test_errors_of_the_engine(data: dict[str, Any], kind: type[Exception]) -> None:
    """What llama.cpp reports as the caller's fault is refused, the rest may pass."""
    with pytest.raises(kind, match=r"llama\.cpp said"):
        _checked(data, "local/x")
    assert _checked({"choices": []}, "local/x") == {"choices": []}


@pytest.mark.parametrize(
    ("files", "most"),
    [
        ({}, None),
        ({"cpu.max": "max 100000"}, None),
        ({"cpu.max": "100000 100000"}, 1),
        ({"cpu.max": "50000 100000"}, 1),
        ({"cpu.max": "nonsense"}, None),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ({"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, 1),
    ],
)
def test_threads_follow_the_cores_that_are_free(
    files: dict[str, str], most: int | None, tmp_path: Path
) -> None:
    """Quotas of control groups, both versions, bound the threads; there is always one."""
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    unbounded = free_cores(tmp_path / "nowhere")
    assert unbounded >= 1
    assert free_cores(tmp_path) == (most or unbounded)


class Listening:
    """An engine that keeps what it is asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def handle_completions(self, body: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(body)
        return {"choices": []}

    handle_chat_completions = handle_completions


class Drawing:
    """An engine that answers as many draws as it is asked for."""

    def __init__(self) -> None:
        self.draws: list[int] = []

    def handle_completions(self, body: dict[str, Any]) -> dict[str, Any]:
        self.draws.append(body.get("n", 1))
        choices = [{"index": n, "text": "x"} for n in range(self.draws[-1])]
        return {"choices": choices, "usage": {"prompt_tokens": 3, "completion_tokens": 1}}


def test_no_more_draws_are_asked_for_than_the_shared_engine_has_slots(tmp_path: Path) -> None:
    """Who uses a file first shapes its engine, which may have fewer slots than the next wants."""
    path = tmp_path / "shared.gguf"
    path.write_bytes(b"GGUF")
    model = LocalModel(path, "shared", slots=8)
    engine = model._engine = Drawing()
    model._most = 2
    call = Call("optimizer", prompt="1, 2,", temperature=1.0)
    assert len(model._draw([replace(call, sample=n) for n in range(5)])) == 5
    assert engine.draws == [2, 2, 1]


def test_a_base_model_stops_at_its_own_texts_too(tmp_path: Path) -> None:
    """In raw completions, beside those of the call, which come first."""
    path = tmp_path / "base.gguf"
    path.write_bytes(b"GGUF")
    model = LocalModel(path, "base", chat=False, stop=("\nQ:",))
    engine = model._engine = Listening()
    model._ask(Call("optimizer", prompt="1, 2,", stop=("9",)))
    model._ask(Call("scorer", prompt="1, 2,"))
    model._ask(chat("Hello"))
    assert [body.get("stop") for body in engine.asked] == [["9", "\nQ:"], ["\nQ:"], None]
    assert not model.traits.chat


def test_threads_sleep_soon_where_the_user_says_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the OpenMP library reads when it is loaded does not stay in the environment."""
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    with _waits(7):
        assert os.environ["GOMP_SPINCOUNT"] == "7"
    assert "GOMP_SPINCOUNT" not in os.environ
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    with _waits(7):
        assert "GOMP_SPINCOUNT" not in os.environ
