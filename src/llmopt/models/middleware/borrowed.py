"""A model that is somebody else's: the rings around it may close, it stays open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.models.middleware.base import Ring

if TYPE_CHECKING:
    from llmopt.core.values import Call, Reply


class Borrowed(Ring):
    """Passes calls on and keeps the model open, because who made it may use it again."""

    async def complete(self, call: Call) -> Reply:
        """Pass the call on."""
        return await self.inner.complete(call)

    async def close(self) -> None:
        """Leave the model open."""
