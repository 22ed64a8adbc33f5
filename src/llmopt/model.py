"""The one seam to a language model, and what stands around it.

A model is anything with :meth:`Model.complete`. Rings (``models/layers``) are models around
a model, so a cache, retries, limits and meters are added by wrapping, never by patching.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from llmopt.types import Call, Reply

Family = Literal["chat", "brackets", "continuation"]

DEADLINE = 120.0
"""Seconds that one call may take, all attempts together, where nobody says otherwise."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What a model can do and how it likes to be asked.

    Attributes:
        chat: Whether it takes chats.
        completion: Whether it takes raw completions.
        family: The meta-prompt family that suits it as optimizer LLM (papers: OPRO, section 5).
        slots: How many calls it answers at once with profit; the default concurrency.
        deadline: Seconds that one call may take, retries included; None for a model in this
            process, which is never asked twice in vain.
        endpoint: Where it is reached; models of one endpoint share its slots and rates. Empty:
            the model shares with nobody.
        likelihood: Whether it tells how likely given answers are (`Call.answers`).
    """

    chat: bool = True
    completion: bool = False
    family: Family = "chat"
    slots: int = 64
    deadline: float | None = DEADLINE
    endpoint: str = ""
    likelihood: bool = False


def attempt_seconds(traits: Traits) -> float:
    """Return after how many seconds one attempt of a call is given up: half of its deadline."""
    return (traits.deadline or DEADLINE) / 2


class Model(Protocol):
    """A language model, or a ring around one.

    Attributes:
        identity: Everything beside the call that decides a reply (provider, model, base URL);
            part of every stored reply's key. It holds no secret.
        traits: What the model can do.
    """

    @property
    def identity(self) -> str:
        """See the class."""
        ...

    @property
    def traits(self) -> Traits:
        """See the class."""
        ...

    async def complete(self, call: Call) -> Reply:
        """Answer one call.

        Raises:
            TransientError: The same call may succeed later.
            RefusedError: The same call will never succeed.
            BudgetError: A spending limit forbids the call; nothing was sent.
        """
        ...

    async def close(self) -> None:
        """Release connections and memory; the model is not used afterwards."""
        ...


class Replies(Protocol):
    """Where replies are kept: the part of a store that the cache ring needs."""

    async def get(self, key: str) -> Reply | None:
        """Return the stored reply, or None."""
        ...

    async def put(self, key: str, model: str, call: Call, reply: Reply) -> None:
        """Store a reply; when this returns, it survives the death of the process."""
        ...


class Counters(Protocol):
    """Whole numbers, 0 at first, which outlive the process, killed or not."""

    def read(self) -> list[int]:
        """Return all of them."""
        ...

    async def add(self, first: int, *amounts: int) -> None:
        """Add to as many of them, from number `first` on; when this returns, a kill keeps it."""
        ...

    def clear(self) -> None:
        """Set all of them to 0."""
        ...
