"""What is true of every store of runs: apply :data:`CHECKS` to yours.

Each check takes an opener: a function without arguments that opens the same storage whenever
it is called, in this process or, pickled, in another one. The storage is empty at first::

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_is_a_store(check, tmp_path):
        check(functools.partial(open_store, tmp_path / "store.sqlite"))

A check raises AssertionError where the store breaks the contract.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
from collections.abc import Callable
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from llmopt.errors import StoreError
from llmopt.store.protocol import Record, Store
from llmopt.types import Call, Message, Reply, Usage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

Opener = Callable[[], Store]
Check = Callable[[Opener], None]

MODEL = "scripted"

_NASTY = (
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


def _require(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise StoreCheckError(f"{what} is {wanted!r}, but got {found!r}")


@contextmanager
def _refused(what: str, *words: str) -> Iterator[None]:
    """Require a StoreError whose message has all the words."""
    try:
        yield
    except StoreError as error:
        missing = [word for word in words if word not in str(error)]
        _require(f"what the message of {what} lacks ({error})", missing, [])
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


def a_run_is_created_once(opener: Opener) -> None:
    """A created run keeps its configuration; its name cannot be taken again."""
    config = {"b": [1, 2.5, None, True], "a": {"ü": _NASTY[5]}}
    with closing(opener()) as store:
        store.create("tickets", config)
        with _refused("a taken name", "'tickets'"):
            store.create("tickets", {"other": 1})
        _require("the configuration", store.config("tickets"), config)
    with closing(opener()) as store:
        _require("the configuration after opening again", store.config("tickets"), config)


def an_unknown_run_is_refused_and_the_nearest_named(opener: Opener) -> None:
    """Whatever reads or writes a run refuses an unknown name and names the nearest known one."""
    asks: dict[str, Callable[[Store], object]] = {
        "config": lambda store: store.config("ticket"),
        "records": lambda store: store.records("ticket"),
        "append": lambda store: store.append("ticket", "note", {}),
        "replies": lambda store: store.replies("ticket"),
        "spent": lambda store: store.spent("ticket"),
        "seconds": lambda store: store.seconds("ticket"),
        "add_seconds": lambda store: store.add_seconds("ticket", 1.0),
    }
    with closing(opener()) as store:
        store.create("tickets", {})
        for name, ask in asks.items():
            with _refused(f"{name} of an unknown run", "'ticket'", "'tickets'"):
                ask(store)
        _require("the journal", list(store.records("tickets")), [Record(0, "config", {})])


def a_name_follows_the_rule(opener: Opener) -> None:
    """Names are 1 to 64 of a-z, 0-9, dot, underscore, hyphen."""
    with closing(opener()) as store:
        for name in ("", "-a", ".a", "A", "a b", "a/b", "ä", "a\n", "x" * 65):
            with _refused(f"the name {name!r}", "64"):
                store.create(name, {})
            with _refused(f"a claim on {name!r}", "64"), store.claim(name):
                pass
        for name in ("a", "0", "con", "a.b_c-d", "x" * 64):
            store.create(name, {})


def a_new_name_is_the_first_free_one(opener: Opener) -> None:
    """Names are counted up from 2, and shortened so that they stay names."""
    with closing(opener()) as store:
        names = []
        for base in ("demo", "demo", "demo", "x" * 64, "x" * 64):
            names.append(store.new_name(base))
            store.create(names[-1], {})
        _require("the names", names, ["demo", "demo-2", "demo-3", "x" * 64, "x" * 62 + "-2"])


def a_journal_keeps_its_order(opener: Opener) -> None:
    """Records come back complete, numbered without a gap, run by run, after opening again."""
    count = 350
    with closing(opener()) as store:
        store.create("a", {"run": "a"})
        store.create("b", {"run": "b"})
        for number in range(1, count):
            store.append("a", "step", {"number": number, "text": _NASTY[number % 6]})
    with closing(opener()) as store:
        store.append("b", "note", {"text": _NASTY[6]})
        steps = [
            Record(number, "step", {"number": number, "text": _NASTY[number % 6]})
            for number in range(1, count)
        ]
        _require(
            "the journal of a",
            list(store.records("a")),
            [Record(0, "config", {"run": "a"}), *steps],
        )
        _require(
            "the journal of b",
            list(store.records("b")),
            [Record(0, "config", {"run": "b"}), Record(1, "note", {"text": _NASTY[6]})],
        )


def a_journal_can_grow_while_it_is_read(opener: Opener) -> None:
    """Reading a journal holds nothing up, and what was there at the beginning is read."""
    with closing(opener()) as store:
        store.create("a", {})
        for _ in range(150):
            store.append("a", "step", {})
        records = store.records("a")
        seen = [next(records).seq]
        store.append("a", "step", {})
        seen += [record.seq for record in records]
        _require("what was read", seen[:151], list(range(151)))


def runs_are_summed_up_newest_first(opener: Opener) -> None:
    """A line about a run: its last status, how many steps, and the last best score."""
    with closing(opener()) as store:
        _require("the runs of a new store", store.runs(), ())
        for name in ("first", "second"):
            store.create(name, {})
        store.append("first", "status", {"status": "running"})
        for best in (0.25, 0.75, None):
            store.append("first", "step", {"best": best})
        store.append("first", "status", {"status": "budget"})
        second, first = store.runs()
        _require("the newest run", second.name, "second")
        found = (first.name, first.status, first.steps, first.best)
        _require("the line about the first run", found, ("first", "budget", 3, 0.75))
        _require("the best of a run without a score", (second.steps, second.best), (0, None))
        _require("whether times are in UTC", first.created.endswith("+00:00"), wanted=True)


def a_running_run_nobody_claims_is_interrupted(opener: Opener) -> None:
    """What a process that died has left behind is not shown as running."""
    with closing(opener()) as store:
        store.create("a", {})
        store.append("a", "status", {"status": "running"})
        _require("the status without a claim", store.runs()[0].status, "interrupted")
        with store.claim("a"):
            _require("the status with a claim", store.runs()[0].status, "running")
            store.append("a", "status", {"status": "done"})
            _require("the status at the end", store.runs()[0].status, "done")


def a_reply_is_kept_as_it_was(opener: Opener) -> None:
    """Calls and replies of any text come back equal, in every run, after opening again."""
    exchanges = []
    for text in _NASTY:
        turns = (Message("system", text), Message("user", f"again {text}"))
        chat = Call("optimizer", turns, temperature=0.7, stop=("\n", text))
        usage = Usage(1, 2**40, 0, estimated=True)
        exchanges.append((chat, Reply(text, usage, finish="length", reasoning=text)))
        exchanges.append((Call("scorer", prompt=text, sample=3), Reply(text)))

    async def put_all(store: Store) -> None:
        replies = store.replies("a")
        for call, reply in exchanges:
            _require("a reply before it is put", replies.get(call.key(MODEL)), None)
            await replies.put(call.key(MODEL), MODEL, call, reply)
            _require("a reply once it is put", replies.get(call.key(MODEL)), reply)

    with closing(opener()) as store:
        store.create("a", {})
        asyncio.run(put_all(store))
    with closing(opener()) as store:
        store.create("b", {})
        replies = store.replies("b")
        for call, reply in exchanges:
            _require("a reply in another run", replies.get(call.key(MODEL)), reply)
            _require("an exchange", store.exchange(call.key(MODEL)), (call, reply))
        _require("an unknown exchange", store.exchange("0" * 64), None)


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
        _require("the reply", store.replies("b").get(call_number(1).key(MODEL)), Reply("first"))
        calls = (store.spent("a")["scorer"].calls, store.spent("b")["scorer"].calls)
        _require("the calls that a and b paid for", calls, (1, 1))


def usage_is_summed_by_run_and_role(opener: Opener) -> None:
    """What a run has spent is what the replies stored under it used, role by role."""

    async def put_some(store: Store) -> None:
        for number in range(20):
            await put_number(store, "a", number)
        await put_number(store, "b", 20)
        call = Call("optimizer", prompt="Better:")
        reply = Reply("", Usage(1, 1000, 50, estimated=True))
        await store.replies("a").put(call.key(MODEL), MODEL, call, reply)

    with closing(opener()) as store:
        for run in ("a", "b", "c"):
            store.create(run, {})
        asyncio.run(put_some(store))
    with closing(opener()) as store:
        scored = sum((reply_number(number).usage for number in range(20)), Usage())
        asked = Usage(1, 1000, 50, estimated=True)
        _require("the usage of a", store.spent("a"), {"optimizer": asked, "scorer": scored})
        other = {"optimizer": Usage(), "scorer": reply_number(20).usage}
        _require("the usage of b", store.spent("b"), other)
        nothing = {"optimizer": Usage(), "scorer": Usage()}
        _require("the usage of a run that asked nothing", store.spent("c"), nothing)


def seconds_add_up(opener: Opener) -> None:
    """Wall time is added to, from as many processes as work on a run in turn."""
    with closing(opener()) as store:
        store.create("a", {})
        _require("the time of a new run", store.seconds("a"), 0.0)
        store.add_seconds("a", 1.5)
    with closing(opener()) as store:
        store.add_seconds("a", 0.25)
        _require("the time of both processes", store.seconds("a"), 1.75)


def only_an_empty_run_is_discarded(opener: Opener) -> None:
    """A run without steps and replies leaves no trace; any other stays as it is."""
    with closing(opener()) as store:
        for run in ("empty", "stepped", "paid"):
            store.create(run, {"run": run})
            store.append(run, "status", {"status": "failed"})
        store.append("stepped", "step", {})
        asyncio.run(put_number(store, "paid", 1))
        for run in ("empty", "stepped", "paid", "never-made"):
            store.discard(run)
        _require("what is left", {info.name for info in store.runs()}, {"stepped", "paid"})
        _require("a journal", [r.kind for r in store.records("paid")], ["config", "status"])
        store.create("empty", {})
        _require("the journal of a new run", [r.kind for r in store.records("empty")], ["config"])


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
        _require("the replies", _stored(store, 400), set(range(400)))
        _require("the steps", store.runs()[0].steps, 4)


def what_was_handed_in_is_stored_by_close(opener: Opener) -> None:
    """Closing waits for the replies under way; afterwards everything is refused."""

    async def close_early(store: Store) -> None:
        tasks = [asyncio.create_task(put_number(store, "a", number)) for number in range(50)]
        tasks[7].cancel()
        await asyncio.sleep(0)  # each task runs up to its wait
        store.close()
        await asyncio.gather(*tasks, return_exceptions=True)
        with _refused("put after close"):
            await replies.put("k", MODEL, call_number(0), reply_number(0))

    store = opener()
    store.create("a", {})
    replies = store.replies("a")
    asyncio.run(close_early(store))
    store.close()
    with _refused("append after close"):
        store.append("a", "note", {})
    with _refused("get after close"):
        replies.get("k")
    with closing(opener()) as again:
        _require("the replies", _stored(again, 50), set(range(50)) - {7})


def a_run_is_claimed_by_one_at_a_time(opener: Opener) -> None:
    """A second claim is refused, of the same store or another; other runs stay free."""
    with closing(opener()) as one, closing(opener()) as other:
        with one.claim("a"), one.claim("b"):
            for store in (one, other):
                with _refused("a second claim", "'a'"), store.claim("a"):
                    pass
        with other.claim("a"):
            pass


def _claim_and_wait(opener: Opener, told: Connection) -> None:
    with closing(opener()) as store, store.claim("a"):
        told.send("claimed")
        threading.Event().wait()


def a_claim_ends_with_its_process(opener: Opener) -> None:
    """A claim of another process holds, and is free as soon as that process is killed."""
    with closing(opener()) as store:
        store.create("a", {})
        store.append("a", "status", {"status": "running"})
        with _killed_after(1, _claim_and_wait, opener):
            _require("the status of a run at work", store.runs()[0].status, "running")
            with _refused("the claim of another process", "'a'"), store.claim("a"):
                pass
        _require("the status of a killed run", store.runs()[0].status, "interrupted")
        with store.claim("a"):
            pass


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
            _require("replies lost", put - _stored(store, max(put) + 1), set())
            steps = {record.data["number"] for record in store.records("a") if record.seq}
            _require("steps lost", {-number for number in told if number < 0} - steps, set())


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
            _require("the exit code", process.exitcode, 0)
    with closing(opener()) as store:
        _require("the replies", _stored(store, 450), set(range(450)))
        _require("the calls paid for", store.spent("a")["scorer"].calls, 450)
        _require("the records", [r.seq for r in store.records("a")], list(range(11)))


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
            _require("the exit code", process.exitcode, 0)
    with closing(opener()) as store:
        names = sorted(info.name for info in store.runs())
        _require("the runs", names, [f"run-{number}" for number in range(4)])


def _stored(store: Store, count: int) -> set[int]:
    """Return which of the first `count` numbers have their reply stored, and check it."""
    replies = store.replies("a")
    found = set()
    for number in range(count):
        reply = replies.get(call_number(number).key(MODEL))
        if reply is not None:
            _require(f"reply {number}", reply, reply_number(number))
            found.add(number)
    return found


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


CHECKS: tuple[Check, ...] = (
    a_run_is_created_once,
    an_unknown_run_is_refused_and_the_nearest_named,
    a_name_follows_the_rule,
    a_new_name_is_the_first_free_one,
    a_journal_keeps_its_order,
    a_journal_can_grow_while_it_is_read,
    runs_are_summed_up_newest_first,
    a_running_run_nobody_claims_is_interrupted,
    a_reply_is_kept_as_it_was,
    the_first_reply_stays,
    usage_is_summed_by_run_and_role,
    seconds_add_up,
    only_an_empty_run_is_discarded,
    replies_come_from_several_event_loops,
    what_was_handed_in_is_stored_by_close,
    a_run_is_claimed_by_one_at_a_time,
    a_claim_ends_with_its_process,
    whatever_was_acknowledged_survives_a_kill,
    two_processes_write_at_once,
    several_processes_make_one_store,
)
