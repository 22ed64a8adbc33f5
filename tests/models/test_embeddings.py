"""Embedding models are models: named, wrapped in rings, and never asked twice for a text."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from loopback import KEY, loopback

from llmopt.algorithms.gpo import gpo
from llmopt.api import prepare
from llmopt.core.values import Call
from llmopt.errors import ConfigError, InputError, LostReplyError, MissingExtraError
from llmopt.models.embeddings import embedder_named
from llmopt.models.middleware.budget import Limits, Price
from llmopt.models.prices import price_of
from llmopt.testing import scripted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MODULE = "embedders_of_a_test"
asked: list[str] = []


def letters(texts: Sequence[str]) -> list[list[float]]:
    """Return how often some letters occur."""
    asked.extend(texts)
    return [[1.0, *(float(text.count(letter)) for letter in "aeiou")] for text in texts]


@pytest.fixture(autouse=True)
def embedders(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType(MODULE)
    vars(module).update(
        letters=letters, number=3, endless=lambda _: [[float("inf")]], empty=lambda _: [[]]
    )
    monkeypatch.setitem(sys.modules, MODULE, module)
    asked.clear()


def text(content: str) -> Call:
    return Call(role="embedder", prompt=content, max_tokens=1)


async def test_a_function_is_an_embedding_model() -> None:
    model = embedder_named(f"{MODULE}:letters")
    reply = await model.complete(text("a banana"))
    assert json.loads(reply.text) == [1, 4, 0, 0, 0, 0]
    assert reply.usage.output_tokens == 0
    assert model.identity == f"embeddings {MODULE}:letters"
    assert price_of(model) == Price(0, 0)
    await model.close()


async def test_an_endpoint_is_asked_for_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    async with loopback() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        model = embedder_named("openai/tiny-embedder")
        reply = await model.complete(text("four"))
        await model.close()
        assert json.loads(reply.text) == [4, 1]
        assert [path for path, _, _ in server.log] == ["/v1/embeddings"]
        assert KEY not in model.identity
        assert model.traits.endpoint == server.url


@pytest.mark.parametrize("name", ["endless", "empty"])
async def test_what_is_no_vector_of_numbers_is_lost(name: str) -> None:
    with pytest.raises(LostReplyError, match="is numbers"):
        await embedder_named(f"{MODULE}:{name}").complete(text("a"))


async def test_sentence_transformers_are_loaded_once_on_no_forced_device(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """G2."""
    loaded: list[tuple[Any, ...]] = []

    class SentenceTransformer:
        def __init__(self, *given: Any) -> None:
            loaded.append(given)

        def encode(self, content: str) -> list[float]:
            return [len(content), 1]

    module: Any = ModuleType("sentence_transformers")
    module.SentenceTransformer = SentenceTransformer
    module.__spec__ = SimpleNamespace()
    monkeypatch.setitem(sys.modules, "sentence_transformers", module)
    model = embedder_named("sentence-transformers/some/model")
    assert not loaded
    for word in ("a", "bb"):
        assert json.loads((await model.complete(text(word))).text) == [len(word), 1]
    assert loaded == [("some/model",)]


def test_a_missing_extra_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingExtraError, match=r"llms-as-optimizers\[embeddings\]"):
        embedder_named("sentence-transformers/some/model")


@pytest.mark.parametrize(
    ("name", "error", "match"),
    [
        ("nobody/model", ConfigError, "OpenAI-compatible provider"),
        ("local/smollm2-135m", ConfigError, "OpenAI-compatible provider"),
        (f"{MODULE}:number", InputError, "from texts to vectors"),
        (f"{MODULE}:nothing", InputError, "cannot be imported"),
        ("no_such_module_here:f", InputError, "cannot be imported"),
    ],
)
def test_g1_every_other_name_is_refused(name: str, error: type[InputError], match: str) -> None:
    with pytest.raises(error, match=match):
        embedder_named(name)


async def test_a_text_is_embedded_once_in_all_runs(tmp_path: Path) -> None:
    """Vectors are stored by content: another run over the same texts asks for none."""
    for name in ("first", "second"):
        method = gpo(similarity=f"{MODULE}:letters", shown=2, samples=3)
        options: dict[str, Any] = {"store": tmp_path / "s.sqlite", "name": name, "steps": 4}
        async with prepare(
            replace(scripted.problem(), scorer=scripted.model()),
            algorithm=method,
            controls=(),
            **options,
        ) as run:
            result = await run.optimize()
        assert len(asked) == len(set(asked))
        embedder = result.usage.get("embedder")
        if name == "first":
            assert embedder
            assert embedder.calls == len(asked) > 2
            count = len(asked)
        else:
            assert embedder is None
            assert len(asked) == count


async def test_a_free_embedder_needs_no_price(tmp_path: Path) -> None:
    method = gpo(similarity=f"{MODULE}:letters", shown=2, samples=3)
    async with prepare(
        replace(scripted.problem(), scorer=scripted.model()),
        algorithm=method,
        store=tmp_path / "s.sqlite",
        steps=2,
        controls=(),
        budget=Limits(usd=1.0),
    ) as run:
        assert (await run.optimize()).steps == 2
