"""What the checks of a store demand, and the numbered calls that they put into it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING

from llmopt.core.store import Store
from llmopt.core.values import (
    Call,
    Message,
    Reply,
    Usage,
)
from llmopt.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

Opener = Callable[[], Store]
Check = Callable[[Opener], None]

MODEL = "scripted"

NASTY = (
    "",
    " \t\r\n",
    "nul \0 inside",
    "quotes ' \" ` \\ -- ; DROP TABLE runs",
    "ä 中文 🙂 e\u0301 \u202e \ufeff",
    "lone \ud800 and \udfff, a pair apart \ud83d\ude42",
    "x" * 100_000,
)


class StoreCheckError(AssertionError):
    """A store breaks its contract."""


def require(what: str, found: object, wanted: object) -> None:
    """Raise StoreCheckError unless what was found is what is wanted."""
    if found != wanted:
        raise StoreCheckError(f"{what} is {wanted!r}, but got {found!r}")


@contextmanager
def refused(what: str, *words: str) -> Iterator[None]:
    """Require a StoreError whose message has all the words."""
    try:
        yield
    except StoreError as error:
        missing = [word for word in words if word not in str(error)]
        require(f"what the message of {what} lacks ({error})", missing, [])
    else:
        raise StoreCheckError(f"{what} is refused with a StoreError, but nothing was raised")


def call_number(number: int) -> Call:
    """Return the call that checks and benchmarks put as number `number`."""
    text = f"Is sentence {number} positive or negative?"
    return Call("scorer", (Message("user", text),), max_tokens=8, sample=number)


def reply_number(number: int) -> Reply:
    """Return the reply to :func:`call_number`."""
    return Reply(f"positive {number}", Usage(1, 10 + number % 7, 2))


async def put_number(store: Store, run: str, number: int) -> None:
    """Put the reply of :func:`reply_number` as paid for by the run."""
    call = call_number(number)
    await store.replies(run).put(call.key(MODEL), MODEL, call, reply_number(number))


async def get_number(store: Store, run: str, number: int) -> Reply | None:
    """Return the reply of that number as the run finds it, or None."""
    return await store.replies(run).get(call_number(number).key(MODEL))


def stored(store: Store, count: int) -> set[int]:
    """Return which of the first `count` numbers have their reply stored, and check it."""
    return asyncio.run(_stored(store, count))


async def _stored(store: Store, count: int) -> set[int]:
    found = set()
    for number in range(count):
        reply = await get_number(store, "a", number)
        if reply is not None:
            require(f"reply {number}", reply, reply_number(number))
            found.add(number)
    return found
