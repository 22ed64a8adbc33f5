"""A model whose replies are all stored: it has a name, and it is not asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.errors import BadCallError

if TYPE_CHECKING:
    from llmopt.core.model import Traits
    from llmopt.core.values import Call, Reply

NOT_STORED = "the reply to this call is not stored"


class UnaskedModel:
    """Takes the place of a model where only its stored replies are used.

    Args:
        identity: That of the model, by which its replies are stored.
        traits: What the model can do.
    """

    def __init__(self, identity: str, traits: Traits) -> None:
        self.identity, self.traits = identity, traits

    async def complete(self, call: Call) -> Reply:
        """Refuse.

        Raises:
            BadCallError: Always; it concerns this call alone.
        """
        raise BadCallError(f"{NOT_STORED}: {self.identity}, {call.text[:80]!r}")

    async def close(self) -> None:
        """Do nothing: there is nothing to release."""
