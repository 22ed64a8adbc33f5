"""Models by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from llmopt.errors import InputError, UnknownNameError
from llmopt.models.local import LocalModel
from llmopt.models.openai import OpenAIModel
from llmopt.models.registry import known_models, model_named
from llmopt.models.scripted import ScriptedModel
from llmopt.testing.models import MODEL_TRUTHS, chat

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from llmopt.model import Model
    from llmopt.types import Call

HERE = Path(__file__).stem


def shout(call: Call) -> str:
    """Answer for the tests of this file."""
    text = call.text.upper().replace("E", "3").replace("O", "0")
    return "".join(c for c in text if c not in call.stop)


NOT_A_FUNCTION = 3


@pytest.mark.parametrize("truth", MODEL_TRUTHS)
async def test_a_scripted_model(truth: Callable[[Model], Awaitable[None]]) -> None:
    """A function by name is a model."""
    await truth(model_named(f"scripted/{HERE}:shout"))


async def test_a_scripted_model_counts_and_fails_on_purpose() -> None:
    """It is deterministic, counts its calls, and raises what its function raises."""

    def answer(call: Call) -> str:
        if call.text == "bad":
            raise InputError("on purpose")
        return "fine"

    model = ScriptedModel(answer, latency=0.001)
    assert await model.complete(chat("a")) == await model.complete(chat("a"))
    with pytest.raises(InputError, match="on purpose"):
        await model.complete(chat("bad"))
    assert model.calls == 3


def test_an_endpoint_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of the name is the provider's own, slashes included."""
    monkeypatch.setenv("A_KEY", "sk-from-a-variable")
    model = model_named(
        "openai/owner/model-7b",
        base_url="http://127.0.0.1:9/v1",
        api_key_variable="A_KEY",
        completion=True,
        slots=7,
    )
    assert isinstance(model, OpenAIModel)
    assert model.identity == "openai/owner/model-7b@http://127.0.0.1:9/v1"
    assert (model.traits.completion, model.traits.slots) == (True, 7)


def test_a_local_file_by_path(tmp_path: Path) -> None:
    """Any GGUF file is a model; nothing is loaded before it is asked."""
    path = tmp_path / "some-model.gguf"
    path.write_bytes(b"GGUF")
    model = model_named(f"local/{path}", slots=2)
    assert isinstance(model, LocalModel)
    assert model.identity.startswith("local/some-model@")
    assert (model.traits.completion, model.traits.family, model.traits.slots) == (True, "chat", 2)
    with pytest.raises(InputError, match="check the path"):
        model_named(f"local/{tmp_path}/missing.gguf")


@pytest.mark.parametrize("name", ["gpt-5", "opanai/gpt-5", "openai/", "", "local/unknown"])
def test_an_unknown_name_says_what_there_is(name: str) -> None:
    """Names without a known provider, and unknown local models, list the known ones."""
    with pytest.raises(UnknownNameError, match="is one of"):
        model_named(name)


@pytest.mark.parametrize(
    "name",
    ["nowhere:function", f"{HERE}:nothing", f"{HERE}:NOT_A_FUNCTION", "no-colon", ":x", f"{HERE}:"],
)
def test_a_function_that_is_none(name: str) -> None:
    """What cannot be imported, or is no function, is refused."""
    with pytest.raises(InputError, match="a scripted model is"):
        model_named(f"scripted/{name}")


def test_the_patterns_are_listed() -> None:
    """Each pattern has a few words beside it."""
    patterns = dict(known_models())
    assert {"local/smollm2-135m", "openai/<model>"} < set(patterns)
    assert all(patterns.values())
