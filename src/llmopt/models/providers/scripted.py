"""A model made of a function: the fake that ships, for tests and for trying things out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from llmopt.core.model import Traits
from llmopt.core.values import Call, Reply
from llmopt.errors import RefusedError
from llmopt.models.providers.reported_usage import estimate

if TYPE_CHECKING:
    from collections.abc import Callable


class ScriptedModel:
    """Answers each call with what a function says, and counts the calls.

    Args:
        answer: Gives the reply's text for a call, or the whole reply. To fail on purpose it
            raises, as a provider would: `TransientError`, `RefusedError`.
        traits: What the model claims to do; default: chats and raw completions.
        identity: Part of the key of stored replies; models that answer differently need
            different ones.
        latency: Seconds until a reply comes.

    Attributes:
        calls: How many calls were made so far, failed ones included.
    """

    def __init__(
        self,
        answer: Callable[[Call], str | Reply],
        *,
        traits: Traits | None = None,
        identity: str = "scripted",
        latency: float = 0.0,
    ) -> None:
        self.identity = identity
        self.traits = traits or Traits(completion=True)
        self.calls = 0
        self._answer = answer
        self._latency = latency

    async def complete(self, call: Call) -> Reply:
        """Answer `call` with the function's text; tokens are estimated from the lengths."""
        self.calls += 1
        if self._latency > 0:
            await asyncio.sleep(self._latency)
        text: object = self._answer(call)
        if isinstance(text, Reply):
            return text
        if not isinstance(text, str):  # a function named in a configuration is checked by nobody
            raise RefusedError(
                f"the function of a scripted model returns a text, but gave {text!r:.100}"
            )
        return Reply(text=text, usage=estimate(call, text))

    async def close(self) -> None:
        """Do nothing: there is nothing to release."""
