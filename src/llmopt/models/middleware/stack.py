"""The stack of middleware around a model: each is a `Model` that wraps a `Model`."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from llmopt.models.middleware.budget import (
    Account,
    Budget,
    Limits,
    Price,
    Spent,
)
from llmopt.models.middleware.cache import Cache, CacheWriter
from llmopt.models.middleware.concurrency import Gate, Rates
from llmopt.models.middleware.in_flight import Booked, Ledger
from llmopt.models.middleware.rate_limit import Limit
from llmopt.models.middleware.retry import Retry
from llmopt.models.middleware.usage import Meter

if TYPE_CHECKING:
    from llmopt.core.model import Model, Replies, Traits
    from llmopt.core.values import Call, Reply

__all__ = [
    "Account",
    "Budget",
    "Cache",
    "CacheWriter",
    "Gate",
    "Ledger",
    "Limit",
    "Limits",
    "Meter",
    "Price",
    "Rates",
    "Retry",
    "Spent",
    "Stack",
    "wrap",
]


@dataclass(frozen=True)
class Stack:
    """A model with all its middleware, whose counters progress and results read.

    Attributes:
        outer: The outermost middleware, which is called.
        cache: The cache, or None without a store.
        retry: The retries.
        limit: The slots.
        keep: Stores replies, or None without a store.
        meter: The usage.
    """

    outer: Model
    cache: Cache | None
    retry: Retry
    limit: Limit
    keep: CacheWriter | None
    meter: Meter

    @property
    def identity(self) -> str:
        """The provider's."""
        return self.outer.identity

    @property
    def traits(self) -> Traits:
        """The provider's."""
        return self.outer.traits

    async def complete(self, call: Call) -> Reply:
        """See `llmopt.core.model.Model.complete`."""
        return await self.outer.complete(call)

    async def close(self) -> None:
        """Close all middleware and the provider."""
        await self.outer.close()


def wrap(
    provider: Model,
    *,
    replies: Replies | None = None,
    account: Account | None = None,
    price: Price | None = None,
    gate: Gate | None = None,
    ledger: Ledger | None = None,
    attempts: int = 6,
    deadline: float | None = 120.0,
    seed: int = 0,
) -> Stack:
    """Return the stack cache(retry(limit(booked(keep(budget(meter(provider))))))).

    A stored reply costs nothing and waits for nothing; every attempt of a retry passes the
    limit and the budget; a slot is held until the reply is stored; the budget is inside of the
    limit, so that calls which queue hold no reservation; the meter sees answered calls only.

    Args:
        provider: The model.
        replies: Where replies are kept; None: nowhere.
        account: The budget that the run's roles share; None: no caps.
        price: What `provider` costs; necessary where `account` caps dollars.
        gate: Shared by all models of one endpoint; default: one of its own with as many slots
            as `provider` takes with profit.
        ledger: Where calls stand while they are on their way; None: nowhere.
        attempts: Most attempts per call.
        deadline: Seconds per call, pauses included and queues not; None for a local model,
            which is never asked twice in vain.
        seed: Of the pauses between attempts.

    Raises:
        ConfigError: `account` caps dollars and there is no price.
    """
    meter = Meter(provider)
    inner: Model = meter if account is None else Budget(meter, account, price)
    keep = None if replies is None else CacheWriter(inner, replies)
    sent: Model = keep or inner
    booked = sent if ledger is None else Booked(sent, ledger)
    limit = Limit(booked, gate or Gate(provider.traits.slots))
    retry = Retry(limit, Random(seed), attempts=attempts, deadline=deadline)
    cache = None if replies is None else Cache(retry, replies)
    return Stack(cache or retry, cache, retry, limit, keep, meter)
