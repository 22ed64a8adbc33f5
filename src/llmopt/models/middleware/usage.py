"""The meter: what was used, by role, as the provider counted it."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, get_args

from llmopt.core.values import Role, Usage
from llmopt.models.middleware.base import Middleware
from llmopt.models.providers.reported_usage import believable

if TYPE_CHECKING:
    from collections.abc import Callable

    from llmopt.core.model import Model
    from llmopt.core.values import Call, Reply


class Meter(Middleware):
    """Adds up the usage of every answered call, with estimates for counts that are none.

    Attributes:
        usage: Calls and tokens by role.
        seconds: Time from call to reply by role; calls in flight together add up, so it can
            exceed the time that passed.
    """

    def __init__(self, inner: Model, clock: Callable[[], float] = time.perf_counter) -> None:
        super().__init__(inner)
        self.usage: dict[Role, Usage] = {role: Usage() for role in get_args(Role)}
        self.seconds: dict[Role, float] = dict.fromkeys(get_args(Role), 0.0)
        self._clock = clock

    async def complete(self, call: Call) -> Reply:
        """Ask, and add what it took."""
        start = self._clock()
        reply = await self.inner.complete(call)
        self.seconds[call.role] += self._clock() - start
        usage = believable(reply.usage, call, reply.text + reply.reasoning)
        self.usage[call.role] += usage
        return reply if usage is reply.usage else replace(reply, usage=usage)
