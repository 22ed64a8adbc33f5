"""A model that records its replies, for a second look at answers already paid for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmopt.core.model import Model
    from llmopt.core.values import Call, Reply


class Overheard:
    """A model that keeps what it replies.

    Attributes:
        heard: The calls with their replies, in the order of the replies.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self.identity, self.traits = model.identity, model.traits
        self.heard: list[tuple[Call, Reply]] = []

    @property
    def replies(self) -> list[str]:
        """The texts of the replies."""
        return [reply.text for _, reply in self.heard]

    async def complete(self, call: Call) -> Reply:
        """Answer as the model does."""
        reply = await self._model.complete(call)
        self.heard.append((call, reply))
        return reply

    async def close(self) -> None:
        """Leave the model open: it belongs to the run."""
