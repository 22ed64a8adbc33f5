"""What a model costs where the user did not say."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from llmopt.models.middleware.borrowed import Borrowed
from llmopt.models.middleware.budget import Price
from llmopt.models.prices import price_of
from llmopt.models.providers.openai import OpenAIModel
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.testing.scripted import answer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TABLE = '''
"""A table of one endpoint that prices its calls as genai-prices does."""
from dataclasses import dataclass
from decimal import Decimal

@dataclass
class Usage:
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0

@dataclass
class Found:
    input_price: Decimal
    output_price: Decimal

def calc_price(usage, model_ref, *, provider_api_url):
    if (model_ref, provider_api_url) != ("tiny", "https://models.example/v1"):
        raise LookupError(f"no {model_ref} at {provider_api_url}")
    asked = (usage.input_tokens - usage.cache_read_tokens) * Decimal("0.25e-6")
    cached = usage.cache_read_tokens * Decimal("0.125e-6")
    return Found(asked + cached, usage.output_tokens * Decimal("2e-6"))
'''


def endpoint(name: str, url: str) -> OpenAIModel:
    return OpenAIModel(name, base_url=url, key="no-secret")


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "genai_prices.py").write_text(TABLE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    real = sys.modules.pop("genai_prices", None)
    yield
    sys.modules.pop("genai_prices", None)
    if real is not None:
        sys.modules["genai_prices"] = real


@pytest.fixture
def no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "genai_prices", None)  # how Python notes a missing module


def test_a_model_in_this_process_costs_nothing_with_rings_or_without() -> None:
    model = ScriptedModel(answer, identity="openai/gpt-5@https://api.openai.com/v1")
    assert price_of(model) == price_of(Borrowed(model)) == Price(0, 0)


@pytest.mark.usefixtures("table")
def test_a_list_price_is_found_by_address_and_name_per_million_tokens() -> None:
    known = endpoint("tiny", "https://models.example/v1")
    assert price_of(known) == price_of(Borrowed(known)) == Price(0.25, 2, cached=0.125)


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    ("name", "url"),
    [("tiny", "http://127.0.0.1:8000/v1"), ("huge", "https://models.example/v1")],
)
def test_what_is_not_in_the_table_is_unknown_and_not_free(name: str, url: str) -> None:
    assert price_of(endpoint(name, url)) is None


@pytest.mark.usefixtures("no_table")
def test_without_the_extra_a_price_is_unknown() -> None:
    assert price_of(endpoint("tiny", "https://models.example/v1")) is None


def test_the_real_table_knows_a_model_of_a_large_provider_by_its_address_only() -> None:
    pytest.importorskip("genai_prices", reason="the extra prices is not installed")
    found = price_of(endpoint("gpt-4o", "https://api.openai.com/v1"))
    assert found is not None
    assert 0 < found.input < found.output < 1000
    assert found.cached is not None
    assert 0 < found.cached < found.input
    assert price_of(endpoint("gpt-4o", "http://127.0.0.1:8000/v1")) is None
    assert price_of(endpoint("no-such-model", "https://api.openai.com/v1")) is None
