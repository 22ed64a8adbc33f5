"""What a provider read from its prompt cache or wrote to it: counted, priced, stored and shown."""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopback import echo_body

from llmopt.algorithms.opro import opro
from llmopt.api import optimize_async
from llmopt.core.model import Traits
from llmopt.core.values import Call, Message, Reply, Usage
from llmopt.errors import ConfigError
from llmopt.models.middleware.stack import Limits, Price
from llmopt.models.middleware.usage import Meter
from llmopt.models.prices import in_batches
from llmopt.models.providers.batch.anthropic_batches import as_answer
from llmopt.models.providers.openai_wire import read_reply
from llmopt.models.providers.reported_usage import read_usage
from llmopt.store import open_store
from llmopt.terminal.result_table import paid
from llmopt.testing import scripted
from llmopt.web.pages.setup import usage_rows

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.evidence.result import Result

PRICE = Price(2.0, 8.0, cached=0.5, cache_write=2.5)
SMALL = (6, 4, 6)
QUESTION = Call("scorer", (Message("user", "q"),))


@pytest.mark.parametrize(
    ("said", "cached", "written"),
    [
        ({"prompt_tokens_details": {"cached_tokens": 64}}, 64, 0),
        ({"prompt_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 36}}, 64, 36),
        ({"prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36}, 64, 0),
        ({"cache_read_input_tokens": 60, "cache_creation_input_tokens": 30}, 60, 30),
        ({"prompt_tokens_details": None}, 0, 0),
        ({"prompt_tokens_details": {"cached_tokens": None}}, 0, 0),
    ],
)
def test_the_cache_is_read_as_providers_report_it(
    said: dict[str, Any], cached: int, written: int
) -> None:
    usage = {"prompt_tokens": 100, "completion_tokens": 5, **said}
    reply = read_reply({**echo_body("x", chat=True), "usage": usage}, QUESTION)
    assert reply.usage == Usage(1, 100, 5, cached_tokens=cached, cache_write_tokens=written)


@pytest.mark.parametrize(
    "said",
    [
        {"prompt_tokens_details": {"cached_tokens": 101}},
        {"prompt_tokens_details": {"cached_tokens": -1}},
        {"prompt_tokens_details": {"cached_tokens": True}},
        {"prompt_tokens_details": "all of it"},
        {"cache_read_input_tokens": "100"},
    ],
)
def test_a_cache_that_cannot_be_costs_the_full_price(said: dict[str, Any]) -> None:
    usage = read_usage({"prompt_tokens": 100, "completion_tokens": 5, **said})
    assert usage is not None
    assert PRICE.paid(usage) == PRICE.of(100, 5)


@given(
    st.dictionaries(
        st.sampled_from(
            ["cached_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"]
        ),
        st.integers(-5, 300),
    ),
    st.integers(0, 200),
)
def test_what_a_call_costs_is_never_more_than_the_most_whatever_is_reported(
    said: dict[str, int], asked: int
) -> None:
    usage = read_usage({"prompt_tokens": asked, "completion_tokens": 3, **said})
    assert usage is not None
    assert 0 <= PRICE.paid(usage) <= PRICE.most(asked, 3) + 1e-12


async def test_a_model_of_the_users_cannot_claim_more_cached_than_asked() -> None:
    class Liar:
        identity, traits = "liar", Traits()

        async def complete(self, _: Call) -> Reply:
            return Reply("yes", Usage(1, 10, 1, cached_tokens=99))

        async def close(self) -> None:
            """Nothing is held."""

    assert (await Meter(Liar()).complete(QUESTION)).usage == Usage(1, 10, 1)


def test_anthropic_counts_its_cache_beside_the_input() -> None:
    usage = {
        "input_tokens": 10,
        "output_tokens": 2,
        "cache_read_input_tokens": 60,
        "cache_creation_input_tokens": 30,
    }
    found = read_usage(as_answer({"content": [], "usage": usage})["usage"])
    assert found == Usage(1, 100, 2, cached_tokens=60, cache_write_tokens=30)
    plain = read_usage(as_answer({"usage": {"input_tokens": 10, "output_tokens": 2}})["usage"])
    assert plain == Usage(1, 10, 2)


def test_a_price_of_the_cache_is_0_or_more_and_half_in_batches() -> None:
    assert in_batches(PRICE) == Price(1.0, 4.0, cached=0.25, cache_write=1.25)
    assert in_batches(Price(2.0, 8.0)) == Price(1.0, 4.0)
    with pytest.raises(ConfigError, match="0 or more"):
        Price(1.0, 1.0, cached=-0.1)


@dataclass
class Caching:
    """The scripted world behind a provider that reads half of each prompt from its cache."""

    identity: str = "caching/world"
    traits: Traits = field(default_factory=Traits)

    async def complete(self, call: Call) -> Reply:
        await asyncio.sleep(0)
        return Reply(scripted.answer(call), Usage(1, 40, 2, cached_tokens=20))

    async def close(self) -> None:
        """Nothing is held."""


async def searched(path: Path, steps: int) -> Result:
    with closing(open_store(path)) as store:
        return await optimize_async(
            replace(scripted.problem(sum(SMALL), SMALL), scorer=Caching()),
            algorithm=opro(samples=2),
            optimizer=Caching(),
            store=store,
            name="cached",
            steps=steps,
            budget=Limits(usd=1.0),
            prices={"optimizer": PRICE, "scorer": PRICE},
            controls=(),
            progress=False,
        )


async def test_a_run_pays_and_keeps_what_was_cached(tmp_path: Path) -> None:
    """Its result, its store, and the same run when it is resumed."""
    for steps in (1, 2):
        found = await searched(tmp_path / "runs.sqlite", steps)
        used = found.usage["scorer"]
        assert used.cached_tokens == used.input_tokens // 2 > 0
        total = sum(found.usage.values(), Usage())
        assert found.usd == pytest.approx(PRICE.paid(total))
        assert found.usd is not None
        assert found.usd < PRICE.of(total.input_tokens, total.output_tokens)
        with closing(open_store(tmp_path / "runs.sqlite")) as store:
            assert store.spent("cached")["scorer"] == used
    part = f"({used.cached_tokens:,} of them cached)"
    assert any(part in line for line in paid(found.usage, found.stretch))
    record = {
        "usage": {"scorer": asdict(used)},
        "prices": {"scorer": {"input": 2.0, "output": 8.0, "cached": 0.5, "by": "list"}},
        "identity": {},
    }
    (row,) = usage_rows(record)
    assert part in row["input"]
    assert row["usd"] == f"{PRICE.paid(used):,.4f}"
