"""The base of all middleware: a model that wraps a model and has its identity and traits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmopt.core.model import Model
    from llmopt.core.values import Call, Reply


class Middleware(ABC):
    """A model around `inner`, with the same identity and traits.

    Attributes:
        inner: The model, or the next middleware.
    """

    def __init__(self, inner: Model) -> None:
        self.inner = inner
        # Read once: every call hashes the identity, and properties would chain through the stack.
        self.identity = inner.identity
        self.traits = inner.traits

    @abstractmethod
    async def complete(self, call: Call) -> Reply:
        """See `llmopt.core.model.Model.complete`."""

    async def close(self) -> None:
        """Close the inner model."""
        await self.inner.close()
