"""What all rings share: a model around a model, which it resembles from outside."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmopt.core.model import Model
    from llmopt.core.values import Call, Reply


class Ring(ABC):
    """A model around `inner`, with the same identity and traits.

    Attributes:
        inner: The model, or the next ring.
    """

    def __init__(self, inner: Model) -> None:
        self.inner = inner
        # Taken once: a key is made of the identity at every call, through all rings.
        self.identity = inner.identity
        self.traits = inner.traits

    @abstractmethod
    async def complete(self, call: Call) -> Reply:
        """See `llmopt.core.model.Model.complete`."""

    async def close(self) -> None:
        """Close the inner model."""
        await self.inner.close()
