"""What is true of the replies in a store: their texts, and what they used."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import TYPE_CHECKING, get_args

from llmopt.core.values import (
    Call,
    Message,
    Reply,
    Role,
    Usage,
)
from llmopt.testing.stores.demands import (
    MODEL,
    NASTY,
    call_number,
    get_number,
    put_number,
    reply_number,
    require,
)

if TYPE_CHECKING:
    from llmopt.core.store import Store
    from llmopt.testing.stores.demands import Opener


def a_reply_is_kept_as_it_was(opener: Opener) -> None:
    """Calls and replies of any text come back equal, in every run, after opening again."""
    exchanges = []
    for text in NASTY:
        turns = (Message("system", text), Message("user", f"again {text}"))
        chat = Call("optimizer", turns, temperature=0.7, stop=("\n", text))
        usage = Usage(1, 2**40, 0, estimated=True, cached_tokens=2**39)
        exchanges.append((chat, Reply(text, usage, finish="length", reasoning=text)))
        exchanges.append((Call("scorer", prompt=text, sample=3), Reply(text)))

    async def put_all(store: Store) -> None:
        replies = store.replies("a")
        for call, reply in exchanges:
            require("a reply before it is put", await replies.get(call.key(MODEL)), None)
            await replies.put(call.key(MODEL), MODEL, call, reply)
            require("a reply once it is put", await replies.get(call.key(MODEL)), reply)

    async def get_all(store: Store) -> None:
        replies = store.replies("b")
        found = await asyncio.gather(*(replies.get(call.key(MODEL)) for call, _ in exchanges))
        require("the replies in another run", found, [reply for _, reply in exchanges])

    with closing(opener()) as store:
        store.create("a", {})
        asyncio.run(put_all(store))
    with closing(opener()) as store:
        store.create("b", {})
        asyncio.run(get_all(store))
        for call, reply in exchanges:
            require("an exchange", store.exchange(call.key(MODEL)), (call, reply))
        require("an unknown exchange", store.exchange("0" * 64), None)
        several = {call.key(MODEL): (call, reply) for call, reply in exchanges}
        require("exchanges", store.exchanges(["0" * 64, *several]), several)


def replies_are_read_while_others_are_put(opener: Opener) -> None:
    """Reading waits for no writer; a reply is found by every coroutine once its put returned."""

    async def put_and_get(store: Store, number: int) -> None:
        require("a reply before it is put", await get_number(store, "a", number), None)
        await put_number(store, "a", number)
        found = await asyncio.gather(*(get_number(store, "a", n) for n in (number, number, 1000)))
        require("replies once one is put", found, [reply_number(number)] * 2 + [None])

    async def put_all(store: Store) -> None:
        await asyncio.gather(*(put_and_get(store, number) for number in range(100)))

    with closing(opener()) as store:
        store.create("a", {})
        asyncio.run(put_all(store))


def the_first_reply_stays(opener: Opener) -> None:
    """A second reply under one key is no error, changes nothing and is paid for by nobody."""

    async def put_twice(store: Store) -> None:
        call = call_number(1)
        for run, text in (("a", "first"), ("b", "second"), ("a", "third")):
            await store.replies(run).put(call.key(MODEL), MODEL, call, Reply(text))
        # The same in one commit, as far as the store makes one of them.
        await asyncio.gather(*(put_number(store, "b", 2) for _ in range(5)))

    with closing(opener()) as store:
        store.create("a", {})
        store.create("b", {})
        asyncio.run(put_twice(store))
        require("the reply", asyncio.run(get_number(store, "b", 1)), Reply("first"))
        calls = (store.spent("a")["scorer"].calls, store.spent("b")["scorer"].calls)
        require("the calls that a and b paid for", calls, (1, 1))


def usage_is_summed_by_run_and_role(opener: Opener) -> None:
    """What a run has spent is what the replies stored under it used, role by role."""

    async def put_some(store: Store) -> None:
        for number in range(20):
            await put_number(store, "a", number)
        await put_number(store, "b", 20)
        call = Call("optimizer", prompt="Better:")
        reply = Reply("", Usage(1, 1000, 50, True, 640, 200))
        await store.replies("a").put(call.key(MODEL), MODEL, call, reply)

    with closing(opener()) as store:
        for run in ("a", "b", "c"):
            store.create(run, {})
        asyncio.run(put_some(store))
    with closing(opener()) as store:
        scored = sum((reply_number(number).usage for number in range(20)), Usage())
        asked = Usage(1, 1000, 50, True, 640, 200)
        nothing = {role: Usage() for role in get_args(Role)}
        require(
            "the usage of a", store.spent("a"), {**nothing, "optimizer": asked, "scorer": scored}
        )
        other = {**nothing, "scorer": reply_number(20).usage}
        require("the usage of b", store.spent("b"), other)
        require("the usage of a run that asked nothing", store.spent("c"), nothing)
