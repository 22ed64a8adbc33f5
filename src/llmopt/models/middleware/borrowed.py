"""A model that the caller owns: closing the middleware around it leaves it open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.models.middleware.base import Middleware

if TYPE_CHECKING:
    from llmopt.core.values import Call, Reply


class Borrowed(Middleware):
    """Passes calls on and keeps the model open, because who made it may use it again."""

    async def complete(self, call: Call) -> Reply:
        """Pass the call on."""
        return await self.inner.complete(call)

    async def close(self) -> None:
        """Leave the model open."""
