"""Models by name."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from gguf_files import BASE, CHAT

from llmopt.core.model import Traits
from llmopt.errors import ConfigError, InputError, UnknownNameError
from llmopt.models.providers.local import LocalModel
from llmopt.models.providers.openai import OpenAIModel
from llmopt.models.providers.presets import PRESETS
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.models.registry import known_models, model_named, traits_unfetched
from llmopt.models.weights.known import KNOWN
from llmopt.testing.models import MODEL_TRUTHS, chat

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from llmopt.core.model import Model
    from llmopt.core.values import Call
    from llmopt.models.providers.presets import Preset

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
    path.write_bytes(CHAT)
    model = model_named(f"local/{path}", slots=2)
    assert isinstance(model, LocalModel)
    assert model.identity.startswith("local/some-model@")
    assert model.traits == Traits(
        completion=True, family="chat", slots=2, deadline=None, likelihood=True
    )
    path.write_bytes(b"GGUF")
    with pytest.raises(InputError, match="ends in its metadata"):
        model_named(f"local/{path}")
    with pytest.raises(InputError, match="check the path"):
        model_named(f"local/{tmp_path}/missing.gguf")


def test_a_file_without_a_chat_template_is_a_base_model(tmp_path: Path) -> None:
    """It is asked with raw completions, as scorer LLM and as optimizer LLM."""
    path = tmp_path / "base.gguf"
    path.write_bytes(BASE)
    traits = model_named(f"local/{path}").traits
    assert (traits.chat, traits.completion, traits.family) == (False, True, "continuation")


def test_a_file_of_the_hub_that_was_fetched_is_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its whole name is its identity, and its family follows from the file."""
    monkeypatch.setenv("LLMOPT_CACHE", str(tmp_path))
    name = "local/hf:owner/repo/m.gguf"
    assert traits_unfetched(name) == Traits(
        completion=True, slots=8, deadline=None, likelihood=True
    )
    path = tmp_path / "hub" / "owner" / "repo" / "m.gguf"
    path.parent.mkdir(parents=True)
    path.write_bytes(BASE)
    model = model_named(name)
    assert model.identity.startswith(f"{name}@")
    assert model.traits.family == "continuation"
    assert traits_unfetched(name) is None


def test_a_known_model_can_do_what_its_row_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it is here or not."""
    path = tmp_path / "tiny.gguf"
    path.write_bytes(BASE)
    monkeypatch.setenv("LLMOPT_CACHE", str(tmp_path))
    row = replace(
        KNOWN["gemma-3-270m"],
        file=path.name,
        size=len(BASE),
        sha256=hashlib.sha256(BASE).hexdigest(),
        slots=3,
    )
    monkeypatch.setitem(KNOWN, "tiny", row)
    traits = model_named("local/tiny").traits
    assert (traits.chat, traits.family, traits.slots) == (False, "continuation", 3)
    assert traits_unfetched("local/tiny") == traits
    assert model_named("local/tiny", slots=5).traits.slots == 5
    assert traits_unfetched("openai/tiny") is traits_unfetched("local/tiny.gguf") is None


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
    rows = {row.name: row for row in known_models()}
    presets = {f"{name}/<model>" for name in PRESETS}
    assert {"local/smollm2-135m", "anyllm/<provider>/<model>", *presets} < set(rows)
    assert all(row.what and row.state for row in rows.values())


def test_the_list_says_which_keys_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a key is set is said, and never what it is, nor the address beside it."""
    monkeypatch.setenv("GROQ_API_KEY", "gsk_geheim")
    monkeypatch.setenv("XAI_API_KEY", " ")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://ann:geheim@host/v1")
    rows = {row.name: row for row in known_models()}
    assert (rows["groq/<model>"].ready, rows["groq/<model>"].state) == (True, "GROQ_API_KEY is set")
    assert (rows["xai/<model>"].ready, rows["xai/<model>"].state) == (
        False,
        "XAI_API_KEY is not set",
    )
    assert rows["ollama/<model>"].ready
    assert "OPENAI_BASE_URL names another endpoint" in rows["openai/<model>"].state
    assert "geheim" not in repr(rows)


def test_the_list_says_whether_weights_are_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file of the right size counts; nothing is fetched to find out."""
    monkeypatch.setenv("LLMOPT_CACHE", str(tmp_path))

    def state() -> str:
        return next(row.state for row in known_models() if row.name == "local/smollm2-135m")

    assert state() == "weights (98 MB) come with the first use"
    with (tmp_path / "SmolLM2-135M-Instruct.Q4_1.gguf").open("wb") as file:
        file.truncate(98_362_432)
    assert state() == "weights are here (98 MB)"


def test_the_list_says_what_known_models_are() -> None:
    """Size, licence, use, and terms where there are some."""
    rows = {row.name: row for row in known_models()}
    for name, known in KNOWN.items():
        row = rows[f"local/{name}"]
        assert (row.size, row.licence, row.terms) == (known.size, known.licence, known.terms)
        assert all(said in row.what for said in (known.licence, known.good_for, known.terms))
    assert "1117 MB, Apache-2.0" in rows["local/qwen2.5-coder-1.5b"].what
    assert "ai.google.dev/gemma/terms" in rows["local/gemma-3-270m"].what


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)
def test_a_preset_is_an_address_a_key_and_quirks(
    preset: Preset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its key goes to its own address, and no other provider's key does."""
    for other in PRESETS.values():
        monkeypatch.setenv(other.key_variable, f"key-of-{other.name}")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    url = preset.base_url or "https://mine.openai.azure.com/openai/v1"
    model = model_named(f"{preset.name}/owner/model", base_url=None if preset.base_url else url)
    assert isinstance(model, OpenAIModel)
    assert model.identity == f"{preset.name}/owner/model@{url}"
    assert model._authorization == f"Bearer key-of-{preset.name}"
    assert model.traits.completion is preset.completion
    assert (model.dialect.seed, model.dialect.many) == (preset.seed, preset.many)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)
def test_a_preset_says_when_its_key_is_missing(
    preset: Preset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hosts need one; servers of one's own do not, and no other key is sent to them."""
    for other in PRESETS.values():
        monkeypatch.delenv(other.key_variable, raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    url = None if preset.base_url else "https://mine.openai.azure.com/openai/v1"
    if preset.needs_key:
        with pytest.raises(ConfigError, match=f"export {preset.key_variable}="):
            model_named(f"{preset.name}/m", base_url=url)
    else:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-not-theirs")
        model = model_named(f"{preset.name}/m")
        assert isinstance(model, OpenAIModel)
        assert not model._authorization


def test_azure_needs_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """A preset whose users all have their own address asks for it."""
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "k")
    with pytest.raises(ConfigError, match="Azure OpenAI is used with a base URL of your own"):
        model_named("azure/deployment")


def test_another_address_needs_no_key_of_a_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway in front of a host has its own rules; the quirks stay."""
    monkeypatch.delenv("GROQ_API_KEY", raising=False)
    model = model_named("groq/m", base_url="http://127.0.0.1:9/v1")
    assert isinstance(model, OpenAIModel)
    assert (model.dialect.seed, model.dialect.many) == ("seed", False)
