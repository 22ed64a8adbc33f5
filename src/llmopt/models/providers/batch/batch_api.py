"""What the batch interfaces of providers have in common."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from llmopt.errors import LostReplyError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmopt.core.values import Call, Reply
    from llmopt.errors import ModelError


@dataclass(frozen=True, slots=True)
class BatchState:
    """How far a batch is.

    Attributes:
        ended: Whether nothing more will be answered.
        done: How many of its calls have an answer or an error.
        total: How many calls it has; 0 where the provider does not say.
        fault: Why the batch as a whole was refused; None where it was not.
    """

    ended: bool
    done: int = 0
    total: int = 0
    fault: ModelError | None = None


def json_object(content: bytes) -> dict[str, Any]:
    """Return a body that is a JSON object.

    Raises:
        LostReplyError: It is anything else.
    """
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise LostReplyError("an answer about a batch is a JSON object, but got something else")
    return data


class BatchAPI(Protocol):
    """The batch interface of a provider."""

    @property
    def most_calls(self) -> int:
        """How many calls a batch may have."""
        ...

    @property
    def most_bytes(self) -> int:
        """How large the requests of a batch may be together, as JSON."""
        ...

    def group(self, call: Call) -> str:
        """Return what the calls of one batch have in common, such as where they are sent."""
        ...

    def request(self, call: Call) -> dict[str, Any]:
        """Return what a call is in a batch."""
        ...

    async def send(self, requests: Mapping[str, dict[str, Any]], mark: str) -> str:
        """Send a batch; return the provider's name of it.

        Args:
            requests: By the keys of their calls, 64 letters and digits each.
            mark: A text that only this batch has, by which it may be found again.

        Raises:
            ModelError: It was refused, or it is not known whether it was accepted.
        """
        ...

    async def find(self, mark: str, total: int, since: float) -> str:
        """Return the name of a batch of which it is not known whether it was accepted.

        Empty where the provider has no such batch.

        Args:
            mark: As it was sent with.
            total: How many calls it has.
            since: When it was sent, in seconds since 1970.

        Raises:
            ModelError: The provider does not answer.
        """
        ...

    async def state(self, name: str) -> BatchState:
        """Return how far a batch is.

        Raises:
            ModelError: The provider does not answer, or does not know the batch.
        """
        ...

    async def results(self, name: str) -> Mapping[str, Any]:
        """Return what an ended batch has for each call, by the call's key, for :meth:`read`.

        Calls of which it says nothing are missing.

        Raises:
            ModelError: The provider does not answer.
        """
        ...

    def read(self, result: Any, call: Call) -> Reply:
        """Return the reply in a call's result.

        Raises:
            ModelError: The call failed.
        """
        ...

    async def close(self) -> None:
        """Close what is kept open."""
        ...
