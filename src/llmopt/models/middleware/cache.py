"""The cache: a stored reply is free, and identical calls in flight are made once.

It has two parts. `Cache` is the outermost middleware and looks replies up; `CacheWriter` stands
inside of the limit and stores them, so that a call holds its slot until its reply is durable:
whenever the process dies, no more calls than there are slots were paid and not stored.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING

from llmopt.core.model import OnceReplies, noting
from llmopt.models.middleware.base import Middleware
from llmopt.models.middleware.timeout import queueing

if TYPE_CHECKING:
    from llmopt.core.model import Model, Replies
    from llmopt.core.values import Call, Reply


class Cache(Middleware):
    """Answers from `replies` what is stored there, and asks for the rest once.

    An inner `CacheWriter` stores the replies. A call is cancelled when nobody waits for it any
    more, unless it is answered already: then its reply is still stored.

    Attributes:
        hits: Calls answered without asking the inner model.
    """

    def __init__(self, inner: Model, replies: Replies) -> None:
        super().__init__(inner)
        self.hits = 0
        self._replies = replies
        self._flights: dict[str, _Flight] = {}  # those that a new call may join
        self._looked_up: dict[str, list[asyncio.Future[None]]] = {}  # and who waits for that
        self._tasks: set[asyncio.Task[None]] = set()  # all, also those nobody waits for
        self._shared = replies if isinstance(replies, OnceReplies) else None

    async def complete(self, call: Call) -> Reply:
        """Return the stored reply to an equal call, or that of a call in flight, or ask."""
        key = call.key(self.identity)
        with noting(key):
            return await self._reply(key, call)

    async def _reply(self, key: str, call: Call) -> Reply:
        while key in self._looked_up:
            await self._end_of_look(key)
        flight = self._flights.get(key)
        if flight is None:
            stored = await self._look_up(key)
            if stored is not None:
                self.hits += 1
                return replace(stored, stored=True)
            flight = self._start(key, call)
        else:
            self.hits += 1
        try:
            return await flight.reply()
        except asyncio.CancelledError:
            if flight.abandoned and self._flights.get(key) is flight:
                del self._flights[key]  # a new equal call must not join one that is ending
            raise

    async def close(self) -> None:
        """Wait until replies that came are stored, then close the inner model."""
        if self._tasks:
            await asyncio.wait(self._tasks)
        await super().close()

    async def _look_up(self, key: str) -> Reply | None:
        """Return the stored reply; equal calls wait meanwhile.

        One that looked it up by itself might miss both a reply that is stored a moment later and
        the flight that brought it, and pay a second time.
        """
        self._looked_up[key] = []
        try:
            return await self._replies.get(key)
        finally:
            for future in self._looked_up.pop(key):
                if not future.done():
                    future.set_result(None)

    async def _end_of_look(self, key: str) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._looked_up[key].append(future)
        await future

    def _start(self, key: str, call: Call) -> _Flight:
        """Ask the inner model in a task of its own, which outlives whoever asked first."""
        flight = _Flight(key)
        flight.task = asyncio.get_running_loop().create_task(self._fetch(call, flight))
        self._flights[key] = flight
        self._tasks.add(flight.task)
        flight.task.add_done_callback(self._tasks.discard)
        return flight

    async def _fetch(self, call: Call, flight: _Flight) -> None:
        """Make the call, and hand its outcome to all who wait; inner middleware know the flight."""
        _flight.set(flight)
        reply: Reply | None = None
        fault: BaseException | None = None
        try:
            reply = await self._made(call, flight)
        except BaseException as error:
            fault = error
            if not isinstance(error, Exception):
                raise
        finally:
            if self._flights.get(flight.key) is flight:
                del self._flights[flight.key]
            flight.land(reply, fault)

    async def _made(self, call: Call, flight: _Flight) -> Reply:
        if self._shared is None:
            return await self.inner.complete(call)
        async with self._shared.once(flight.key) as reply:
            if reply is not None:  # another one has made the call meanwhile
                self.hits += 1
                return replace(reply, stored=True)
            return await self.inner.complete(call)


class CacheWriter(Middleware):
    """Stores a reply before it is returned; errors are not stored.

    Attributes:
        storing: Replies that are on their way to the disk.
    """

    def __init__(self, inner: Model, replies: Replies) -> None:
        super().__init__(inner)
        self.storing = 0
        self._replies = replies

    async def complete(self, call: Call) -> Reply:
        """Ask, and return the reply once it is durable."""
        reply = await self.inner.complete(call)
        flight = _flight.get()
        if flight is not None:
            flight.answered = True
        self.storing += 1
        try:
            # The provider has answered in time, whatever the disk does now.
            with queueing():
                key = call.key(self.identity) if flight is None else flight.key
                if await self._replies.put(key, self.identity, call, reply) is False:
                    _note_double(key)
        finally:
            self.storing -= 1
        return reply


class _Flight:
    """A call on its way, and everybody who waits for it."""

    task: asyncio.Task[None]

    def __init__(self, key: str) -> None:
        self.key = key
        self.answered = False
        self.abandoned = False
        self._waiting: set[asyncio.Future[Reply]] = set()

    async def reply(self) -> Reply:
        """Wait for the reply; when the last one stops waiting, the call is given up."""
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            return await future
        except asyncio.CancelledError:
            self._waiting.discard(future)
            if future.done() and not future.cancelled():
                future.exception()  # seen; else asyncio would log it as forgotten
            if not self._waiting and not self.answered and not self.task.done():
                self.abandoned = True
                self.task.cancel()
            raise

    def land(self, reply: Reply | None, fault: BaseException | None) -> None:
        """Hand the outcome of the call to everybody who waits."""
        for future in self._waiting:
            if future.done():
                continue
            if isinstance(fault, asyncio.CancelledError):
                future.cancel()
            elif reply is None:
                future.set_exception(fault or asyncio.InvalidStateError())
            else:
                future.set_result(reply)


_doubles: ContextVar[list[str] | None] = ContextVar("doubles", default=None)


class noted_doubles:  # noqa: N801 - used as `with noted_doubles():`, a class for its speed
    """Collect the keys of replies that were paid meanwhile, but stored by another run first."""

    __slots__ = ("_token",)

    def __enter__(self) -> list[str]:
        keys: list[str] = []
        self._token = _doubles.set(keys)
        return keys

    def __exit__(self, *_: object) -> None:
        _doubles.reset(self._token)


def _note_double(key: str) -> None:
    if (keys := _doubles.get()) is not None:
        keys.append(key)


_flight: ContextVar[_Flight | None] = ContextVar("flight", default=None)
