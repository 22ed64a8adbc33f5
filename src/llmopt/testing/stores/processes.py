"""What is true of a store that several threads and processes use, and of one that is killed."""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from llmopt.core.store import COUNTERS
from llmopt.testing.stores.demands import (
    MODEL,
    call_number,
    get_number,
    put_number,
    refused,
    reply_number,
    require,
    stored,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

    from llmopt.core.model import Counters
    from llmopt.core.store import Store
    from llmopt.testing.stores.demands import Opener

_SOON, _LOOK = 10.0, 0.01  # seconds


def replies_come_from_several_event_loops(opener: Opener) -> None:
    """Threads with loops of their own, and plain calls among them, share one store."""
    with closing(opener()) as store:
        store.create("a", {})

        async def put_range(start: int) -> None:
            await asyncio.gather(*(put_number(store, "a", n) for n in range(start, start + 100)))

        def work(start: int) -> None:
            store.append("a", "step", {"start": start})
            asyncio.run(put_range(start))

        threads = [threading.Thread(target=work, args=(100 * n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        require("the replies", stored(store, 400), set(range(400)))
        require("the steps", store.runs()[0].steps, 4)


def what_was_handed_in_is_stored_by_close(opener: Opener) -> None:
    """Closing waits for the replies under way; afterwards everything is refused."""

    async def close_early(store: Store) -> None:
        tasks = [asyncio.create_task(put_number(store, "a", number)) for number in range(50)]
        tasks[7].cancel()
        await asyncio.sleep(0)  # each task runs up to its wait
        store.close()
        await asyncio.gather(*tasks, return_exceptions=True)
        with refused("put after close"):
            await replies.put("k", MODEL, call_number(0), reply_number(0))

    store = opener()
    store.create("a", {})
    replies = store.replies("a")
    asyncio.run(close_early(store))
    store.close()
    with refused("append after close"):
        store.append("a", "note", {})
    with refused("get after close"):
        asyncio.run(get_number(store, "a", 1))
    with closing(opener()) as again:
        require("the replies", stored(again, 50), set(range(50)) - {7})


def a_run_is_claimed_by_one_at_a_time(opener: Opener) -> None:
    """A second claim is refused, of the same store or another; other runs stay free."""
    with closing(opener()) as one, closing(opener()) as other:
        with one.claim("a"), one.claim("b"):
            for store in (one, other):
                with refused("a second claim", "'a'"), store.claim("a"):
                    pass
        with other.claim("a"):
            pass


def _claim_and_wait(opener: Opener, told: Connection) -> None:
    with closing(opener()) as store, store.claim("a"):
        told.send("claimed")
        threading.Event().wait()


def a_claim_ends_with_its_process(opener: Opener) -> None:
    """A claim of another process holds, and is free soon after that process is killed.

    The system itself frees what is locked in a file; a server hears of it a moment later.
    """
    with closing(opener()) as store:
        store.create("a", {})
        store.append("a", "status", {"status": "running"})
        with _killed_after(1, _claim_and_wait, opener):
            require("the status of a run at work", store.runs()[0].status, "running")
            with refused("the claim of another process", "'a'"), store.claim("a"):
                pass
        until = time.monotonic() + _SOON
        while store.runs()[0].status != "interrupted" and time.monotonic() < until:
            time.sleep(_LOOK)
        require("the status of a killed run", store.runs()[0].status, "interrupted")
        with store.claim("a"):
            pass


def _count_and_wait(opener: Opener, told: Connection) -> None:
    with closing(opener()) as store, store.claim("a"), store.counters("a") as counters:
        asyncio.run(counters.add(0, 7))
        asyncio.run(counters.add(COUNTERS - 2, 1, -(2**62)))
        told.send("counted")
        threading.Event().wait()


def counters_outlive_their_process(opener: Opener) -> None:
    """They are 0 at first, each run's own, kept by a kill, and go with the run."""
    nothing = [0] * COUNTERS
    counted = [7, *nothing[3:], 1, -(2**62)]
    with closing(opener()) as store:
        store.create("a", {})
        store.create("b", {})
        require("new counters", _counted(store, "a"), nothing)
        with _killed_after(1, _count_and_wait, opener):
            pass
        require("the counters after a kill", _counted(store, "a"), counted)
        require("another run's counters", _counted(store, "b"), nothing)
        store.rename("a", "c")
        require("the counters of a renamed run", _counted(store, "c"), counted)
        store.delete("c")
        store.create("c", {})
        require("the counters of a deleted run", _counted(store, "c"), nothing)


def counters_add_up(opener: Opener) -> None:
    """Whatever many coroutines add at the same time is there; cleared, all are 0 again."""

    async def add_all(counters: Counters) -> None:
        await asyncio.gather(*(counters.add(1, 1, -number) for number in range(100)))

    with closing(opener()) as store:
        store.create("a", {})
        with store.claim("a"), store.counters("a") as counters:
            asyncio.run(add_all(counters))
            require("the counters", counters.read()[:4], [0, 100, -4950, 0])
        with store.claim("a"), store.counters("a") as counters:
            require("the counters later", counters.read()[:4], [0, 100, -4950, 0])
            counters.clear()
        require("the counters that were cleared", _counted(store, "a"), [0] * COUNTERS)


def _counted(store: Store, run: str) -> list[int]:
    with store.claim(run), store.counters(run) as counters:
        return list(counters.read())


def _put_for_ever(opener: Opener, told: Connection) -> None:
    store = opener()

    async def put_every(start: int, stride: int) -> None:
        number = start
        while True:
            await put_number(store, "a", number)
            told.send(number)
            if number % 50 == 0:
                store.append("a", "step", {"number": number})
                told.send(-number)
            number += stride

    async def put_all() -> None:
        await asyncio.gather(*(put_every(start, 16) for start in range(1, 17)))

    asyncio.run(put_all())


def whatever_was_acknowledged_survives_a_kill(opener: Opener) -> None:
    """Killed in the midst of writing, a process leaves all behind that it was told is stored."""
    with closing(opener()) as store:
        store.create("a", {})
    for acknowledged in (30, 300, 600):
        with _killed_after(acknowledged, _put_for_ever, opener) as told:
            pass
        with closing(opener()) as store:
            put = {number for number in told if number > 0}
            require("replies lost", put - stored(store, max(put) + 1), set())
            steps = {record.data["number"] for record in store.records("a") if record.seq}
            require("steps lost", {-number for number in told if number < 0} - steps, set())


def _put_a_range(opener: Opener, told: Connection, start: int) -> None:
    with closing(opener()) as store:

        async def put_range() -> None:
            await asyncio.gather(*(put_number(store, "a", n) for n in range(start, start + 300)))

        told.send("ready")
        for number in range(5):
            store.append("a", "step", {"number": number})
            asyncio.run(put_range())


def two_processes_write_at_once(opener: Opener) -> None:
    """Two processes that write the same run and, in part, the same replies lose nothing."""
    with closing(opener()) as store:
        store.create("a", {})
    started = [_started(_put_a_range, opener, start) for start in (0, 150)]
    for process, told in started:
        with told:
            _drained(told)
            process.join()
            require("the exit code", process.exitcode, 0)
    with closing(opener()) as store:
        require("the replies", stored(store, 450), set(range(450)))
        require("the calls paid for", store.spent("a")["scorer"].calls, 450)
        require("the records", [r.seq for r in store.records("a")], list(range(11)))


def _open_and_append(opener: Opener, told: Connection, number: int) -> None:
    with closing(opener()) as store:
        store.create(f"run-{number}", {"number": number})
        told.send(number)


def several_processes_make_one_store(opener: Opener) -> None:
    """Processes that open a store which does not exist yet all get the same one."""
    started = [_started(_open_and_append, opener, number) for number in range(4)]
    for process, told in started:
        with told:
            _drained(told)
            process.join()
            require("the exit code", process.exitcode, 0)
    with closing(opener()) as store:
        names = sorted(info.name for info in store.runs())
        require("the runs", names, [f"run-{number}" for number in range(4)])


def _started(
    work: Callable[..., None], opener: Opener, *values: int
) -> tuple[multiprocessing.process.BaseProcess, Connection]:
    """Start another process that tells this one how far it is."""
    context = multiprocessing.get_context("spawn")
    told, telling = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(opener, telling, *values), daemon=True)
    process.start()
    telling.close()
    return process, told


def _drained(told: Connection) -> list[Any]:
    """Return everything that a process has told until its end."""
    everything = []
    try:
        while True:
            everything.append(told.recv())
    except EOFError:
        return everything


@contextmanager
def _killed_after(count: int, work: Callable[..., None], opener: Opener) -> Iterator[list[Any]]:
    """Start a process, wait until it has told `count` things, kill it after the context.

    The list holds everything it has told by its death once the context is left.
    """
    process, told = _started(work, opener)
    with told:
        everything = [told.recv() for _ in range(count)]
        try:
            yield everything
        finally:
            process.kill()
            process.join()
        everything += _drained(told)
