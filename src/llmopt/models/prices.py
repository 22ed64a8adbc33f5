"""What a model costs where the user did not say: nothing, a list price, or unknown."""

from __future__ import annotations

from dataclasses import astuple
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from llmopt.models.middleware.base import Middleware
from llmopt.models.middleware.budget import Price
from llmopt.models.providers.openai import OpenAIModel

if TYPE_CHECKING:
    from llmopt.core.model import Model

# Some prices rise with the length of a prompt; calls of this size are below every such step.
_TOKENS = 1000
_THOUSANDS_PER_MILLION = 1000
_IN_BATCHES = 0.5


def price_of(model: Model) -> Price | None:
    """Return the price of a model, or None where it is not known; never zero as a guess.

    Models in this process and recorded replies cost nothing. For an OpenAI-compatible endpoint it
    is the list price in the table of genai-prices (the extra ``prices``), found by the address of
    the endpoint and the provider's name of the model; without the extra, and for an address that
    is not in the table, such as a server of one's own, it is unknown. Nothing is fetched: the
    table is the one that was installed. Discounts and other terms of a contract are not in it.

    Args:
        model: A model, with or without middleware.
    """
    while isinstance(model, Middleware):
        model = model.inner
    if isinstance(model, OpenAIModel):
        return list_price(model.model, model.identity.partition(f"/{model.model}@")[2])
    from llmopt.models.embeddings import EmbeddingModel
    from llmopt.models.providers.batch.batch_model import BatchModel
    from llmopt.models.providers.local import LocalModel
    from llmopt.models.providers.replay import ReplayModel
    from llmopt.models.providers.scripted import ScriptedModel

    if isinstance(model, EmbeddingModel):
        return price_of(model.behind) if model.behind else Price(0.0, 0.0)
    if isinstance(model, BatchModel):
        return in_batches(price_of(model.behind))
    if isinstance(model, LocalModel | ReplayModel | ScriptedModel):
        return Price(0.0, 0.0)
    return None


def in_batches(price: Price | None) -> Price | None:
    """Return what a model costs in batches: half of its list price, at every host that has them."""
    each = astuple(price) if price else ()
    return price and Price(*(part and _IN_BATCHES * part for part in each))


def list_price(name: str, url: str) -> Price | None:
    """Return the list price of the model `name` at the API `url`; None: it is not in the table."""
    host = urlsplit(url).hostname or ""
    if "." not in host or host.replace(".", "").isdigit():
        return None  # nobody's public address: no need to load the table
    try:
        from genai_prices import Usage, calc_price
    except ModuleNotFoundError:
        return None

    def usd(**more: int) -> tuple[float, float]:
        usage = Usage(input_tokens=_TOKENS, output_tokens=_TOKENS, **more)
        found = calc_price(usage, name, provider_api_url=url)  # a server of one's own is unknown
        parts = (found.input_price, found.output_price)
        asked, made = (float(part * _THOUSANDS_PER_MILLION) for part in parts)
        return asked, made

    try:
        asked, made = usd()
    except LookupError:
        return None
    read, wrote = usd(cache_read_tokens=_TOKENS)[0], usd(cache_write_tokens=_TOKENS)[0]
    return Price(asked, made, *(None if part == asked else part for part in (read, wrote)))
