"""The ledger: what was sent and is neither stored nor journaled, known even after a kill."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from llmopt.core.values import Role, Usage
from llmopt.errors import LlmoptError, LostReplyError
from llmopt.models.middleware.base import Middleware
from llmopt.models.middleware.cache import noted_doubles
from llmopt.models.middleware.halt import current

if TYPE_CHECKING:
    from llmopt.core.model import Counters, Model
    from llmopt.core.values import Call, Reply

_EACH = 3  # calls, input tokens, output tokens
_PLACES: dict[Role, int] = {role: _EACH * at for at, role in enumerate(get_args(Role))}


class Ledger:
    """Upper bounds of what each role has sent and nobody else knows of.

    Args:
        counters: At least 12 whole numbers that outlive the process.
    """

    def __init__(self, counters: Counters) -> None:
        self._counters = counters

    async def add(self, role: Role, calls: int, asked: int, made: int) -> None:
        """Add a call and the tokens it may take; with negative numbers, take it back."""
        await self._counters.add(_PLACES[role], calls, asked, made)

    def noted(self) -> dict[Role, Usage]:
        """Return what stands there, by role; roles with nothing are left out."""
        found: dict[Role, Usage] = {}
        numbers = self._counters.read()
        for role, at in _PLACES.items():
            calls, asked, made = numbers[at : at + _EACH]
            if calls > 0:
                found[role] = Usage(calls, max(0, asked), max(0, made), estimated=True)
        return found

    def clear(self) -> None:
        """Forget everything, because it is journaled."""
        self._counters.clear()


class Booked(Middleware):
    """Notes a call before it may be sent, until its reply is stored.

    A call whose answer was lost, or that was given up on its way, stays noted; so does one whose
    reply another run has stored first, with what it used, until that is journaled. Once a run is
    asked to stop, no further call is sent.

    Args:
        inner: What is asked; it stores replies.
        ledger: Shared by all roles of a run.
    """

    def __init__(self, inner: Model, ledger: Ledger) -> None:
        super().__init__(inner)
        self._ledger = ledger

    async def complete(self, call: Call) -> Reply:
        """Note, ask, and strike out what is settled."""
        halt = current()
        if halt.asked:
            await halt.over()
        asked, made = call.most_tokens
        await self._ledger.add(call.role, 1, asked, made)
        settled = False
        try:
            with halt, noted_doubles() as doubles:
                reply = await self.inner.complete(call)
            if doubles:
                # Another run has stored it first, so the store does not tell that this one paid.
                used = reply.usage
                asked, made = asked - used.input_tokens, made - used.output_tokens
                await self._ledger.add(call.role, 0, -asked, -made)
            settled = not doubles
        except LlmoptError as error:
            settled = not isinstance(error, LostReplyError)
            raise
        finally:
            if settled:
                await self._ledger.add(call.role, -1, -asked, -made)
        return reply
