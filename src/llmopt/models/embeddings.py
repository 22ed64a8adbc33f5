"""Embedding models: to a raw text they reply with its vector, as JSON.

So the same middleware as for other models stores, retries, limits and counts their calls, and no
text is embedded twice in any run.
"""

from __future__ import annotations

import asyncio
import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from llmopt.core.imports import imported
from llmopt.core.model import Traits
from llmopt.core.values import Call, Reply
from llmopt.errors import ConfigError, InputError, LostReplyError, MissingExtraError
from llmopt.models.providers.openai import OpenAIModel
from llmopt.models.providers.presets import PRESETS
from llmopt.models.providers.reported_usage import estimate
from llmopt.models.registry import model_named

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from llmopt.core.model import Model
    from llmopt.core.values import Usage

_SENTENCES = "sentence-transformers/"
_DIGITS = 7  # of a coordinate, as single precision has


class EmbeddingModel:
    """What embeds texts, as a model.

    Args:
        embed: Gives the vector of a text, and what the provider counted, or None.
        identity: What decides the vectors.
        traits: Where it is reached, and how many calls it takes at once.
        behind: The model at an endpoint that is asked; None: it runs in this process.
    """

    def __init__(
        self,
        embed: Callable[[str], Awaitable[tuple[Iterable[float], Usage | None]]],
        identity: str,
        traits: Traits,
        behind: Model | None = None,
    ) -> None:
        self.identity = f"embeddings {identity}"
        self.traits = replace(traits, chat=False, completion=True)
        self.behind = behind
        self._embed = embed

    async def complete(self, call: Call) -> Reply:
        """Reply with the vector of the call's text.

        Raises:
            ModelError: There is none, or it is no vector of numbers.
        """
        found, usage = await self._embed(call.text)
        vector = [float(f"{float(x):.{_DIGITS}g}") for x in found]
        if not vector or not all(map(math.isfinite, vector)):
            raise LostReplyError(f"an embedding of {self.identity} is numbers, but got others")
        return Reply(
            json.dumps(vector), usage=usage or replace(estimate(call, ""), output_tokens=0)
        )

    async def close(self) -> None:
        """Release what the model holds."""
        if self.behind is not None:
            await self.behind.close()


def embedder_named(name: str) -> Model:
    """Return the embedding model of a name (GPO, G1, G2: one name, one model, loaded once).

    Args:
        name: ``<provider>/<model>`` at an OpenAI-compatible endpoint, as for other models;
            ``sentence-transformers/<name or folder>`` in this process, on the device that the
            library chooses; or ``package.module:function`` from texts to vectors.

    Raises:
        InputError: There is none of this name, or what it needs is missing.
    """
    if name.startswith(_SENTENCES):
        return _sentences(name.removeprefix(_SENTENCES))
    if name.partition("/")[0] in PRESETS:
        model = model_named(name)
        if isinstance(model, OpenAIModel):
            return _endpoint(model)
    if ":" in name:
        return _function(name)
    raise ConfigError(
        "an embedding model is <provider>/<model> of an OpenAI-compatible provider, "
        f"{_SENTENCES}<name>, or package.module:function, but got {name!r}; "
        "llmopt models lists the providers"
    )


def _endpoint(model: OpenAIModel) -> EmbeddingModel:
    async def embed(text: str) -> tuple[Sequence[float], Usage | None]:
        (vector,), usage = await model.embed([text])
        return vector, usage

    return EmbeddingModel(embed, model.identity, model.traits, model)


def _sentences(name: str) -> EmbeddingModel:
    """Return a model of sentence-transformers, loaded with the first text."""
    from importlib.util import find_spec

    if find_spec("sentence_transformers") is None:
        raise MissingExtraError("an embedding model of sentence-transformers", "embeddings")
    held: list[Any] = []
    turn = asyncio.Lock()

    def encoded(text: str) -> list[float]:
        if not held:
            from sentence_transformers import SentenceTransformer

            held.append(SentenceTransformer(name))
        return [float(x) for x in held[0].encode(text)]

    async def embed(text: str) -> tuple[list[float], None]:
        async with turn:
            return await asyncio.to_thread(encoded, text), None

    return EmbeddingModel(embed, f"{_SENTENCES}{name}", Traits(slots=1, deadline=None))


def _function(path: str) -> EmbeddingModel:
    """Return the function at ``package.module:function`` as a model."""
    function = imported(path, "an embedding function")
    if not callable(function):
        raise InputError(
            f"an embedding function is one from texts to vectors, but {path!r} is "
            f"{type(function).__name__}; name a function"
        )

    async def embed(text: str) -> tuple[Iterable[float], None]:
        (vector,) = function([text])
        found: Iterable[float] = vector
        return found, None

    return EmbeddingModel(embed, path, Traits(deadline=None))
