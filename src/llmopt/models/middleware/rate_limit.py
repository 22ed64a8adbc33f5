"""The limit: at most so many calls in flight and a minute, fewer when many are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.errors import LlmoptError, LostReplyError, RateLimitError
from llmopt.models.middleware.base import Middleware

if TYPE_CHECKING:
    from llmopt.core.model import Model
    from llmopt.core.values import Call, Reply
    from llmopt.models.middleware.concurrency import Gate


class Limit(Middleware):
    """Passes every call through the gate of its endpoint.

    Args:
        inner: What is asked.
        gate: Shared by all models of one endpoint.
    """

    def __init__(self, inner: Model, gate: Gate) -> None:
        super().__init__(inner)
        self.gate = gate

    async def complete(self, call: Call) -> Reply:
        """Wait for a slot, make the call, and hold the slot until it has returned."""
        gate = self.gate
        most = sum(call.most_tokens) if gate.counts_tokens else 0
        mark = await gate.enter(most)
        wave, used = gate.wave, most
        try:
            reply = await self.inner.complete(call)
        except LlmoptError as fault:
            if not isinstance(fault, LostReplyError):
                used = 0
            if isinstance(fault, RateLimitError) or getattr(fault, "retry_after", None) is not None:
                gate.refused(wave)
            raise
        else:
            used = reply.usage.tokens
            gate.grow()
            return reply
        finally:
            gate.leave(most, used, mark)
