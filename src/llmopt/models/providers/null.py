"""Who plays the optimizer LLM where a method needs none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.core.model import Traits
from llmopt.errors import RefusedError

if TYPE_CHECKING:
    from llmopt.core.values import Call, Reply


class AbsentModel:
    """No language model: it has no name, and it answers nothing.

    It stands where a model is expected but never asked, so that a run of such a method is the
    same run whatever models its configuration names.
    """

    identity = ""
    traits = Traits()

    async def complete(self, call: Call) -> Reply:
        """Refuse.

        Raises:
            RefusedError: Always.
        """
        raise RefusedError(f"this method asks no language model, but got a call: {call.text[:60]}")

    async def close(self) -> None:
        """Do nothing: there is nothing to release."""
