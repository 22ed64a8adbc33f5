"""What is true of the runs in a store: their names, their journals, their time."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import TYPE_CHECKING

from llmopt.core.store import JournalRecord
from llmopt.testing.stores.demands import NASTY, put_number, refused, require

if TYPE_CHECKING:
    from collections.abc import Callable

    from llmopt.core.store import Store
    from llmopt.testing.stores.demands import Opener


def a_run_is_created_once(opener: Opener) -> None:
    """A created run keeps its configuration; its name cannot be taken again."""
    config = {"b": [1, 2.5, None, True], "a": {"ü": NASTY[5]}}
    with closing(opener()) as store:
        store.create("tickets", config)
        with refused("a taken name", "'tickets'"):
            store.create("tickets", {"other": 1})
        require("the configuration", store.config("tickets"), config)
    with closing(opener()) as store:
        require("the configuration after opening again", store.config("tickets"), config)


def an_unknown_run_is_refused_and_the_nearest_named(opener: Opener) -> None:
    """Whatever reads or writes a run refuses an unknown name and names the nearest known one."""
    asks: dict[str, Callable[[Store], object]] = {
        "config": lambda store: store.config("ticket"),
        "records": lambda store: store.records("ticket"),
        "append": lambda store: store.append("ticket", "note", {}),
        "replies": lambda store: store.replies("ticket"),
        "spent": lambda store: store.spent("ticket"),
        "seconds": lambda store: store.seconds("ticket"),
        "seconds to add": lambda store: store.seconds("ticket", 1.0),
    }
    with closing(opener()) as store:
        store.create("tickets", {})
        for name, ask in asks.items():
            with refused(f"{name} of an unknown run", "'ticket'", "'tickets'"):
                ask(store)
        require("the journal", list(store.records("tickets")), [JournalRecord(0, "config", {})])


def a_name_follows_the_rule(opener: Opener) -> None:
    """Names are 1 to 64 of a-z, 0-9, dot, underscore, hyphen."""
    with closing(opener()) as store:
        for name in ("", "-a", ".a", "A", "a b", "a/b", "ä", "a\n", "x" * 65):
            with refused(f"the name {name!r}", "64"):
                store.create(name, {})
            with refused(f"a claim on {name!r}", "64"), store.claim(name):
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
        require("the names", names, ["demo", "demo-2", "demo-3", "x" * 64, "x" * 62 + "-2"])


def records_are_written_together(opener: Opener) -> None:
    """Several records come in their order; a run that is not there is said to be none."""
    with closing(opener()) as store:
        store.create("a", {})
        store.append_all("a", [("step", {"best": 1.0}), ("note", {"text": NASTY[5]})])
        store.append_all("a", [])
        found = [(record.seq, record.kind) for record in store.records("a")]
        require("the records", found, [(0, "config"), (1, "step"), (2, "note")])
        require("whether runs are there", [store.has("a"), store.has("b")], [True, False])
        with refused("records of an unknown run", "'b'"):
            store.append_all("b", [("note", {}), ("note", {})])


def a_journal_keeps_its_order(opener: Opener) -> None:
    """Records come back complete, numbered without a gap, run by run, after opening again."""
    count = 350
    with closing(opener()) as store:
        store.create("a", {"run": "a"})
        store.create("b", {"run": "b"})
        for number in range(1, count):
            store.append("a", "step", {"number": number, "text": NASTY[number % 6]})
    with closing(opener()) as store:
        store.append("b", "note", {"text": NASTY[6]})
        steps = [
            JournalRecord(number, "step", {"number": number, "text": NASTY[number % 6]})
            for number in range(1, count)
        ]
        require(
            "the journal of a",
            list(store.records("a")),
            [JournalRecord(0, "config", {"run": "a"}), *steps],
        )
        require(
            "the journal of b",
            list(store.records("b")),
            [
                JournalRecord(0, "config", {"run": "b"}),
                JournalRecord(1, "note", {"text": NASTY[6]}),
            ],
        )


def records_of_a_kind_are_found_in_all_journals(opener: Opener) -> None:
    """Records of one kind are found in all journals, or in those of the runs that are named."""
    with closing(opener()) as store:
        for run in ("a", "b", "c"):
            store.create(run, {})
        for number in range(3):
            store.append("a", "note", {"number": number})
            store.append("a", "other", {})
        store.append("c", "note", {"text": NASTY[6]})
    with closing(opener()) as store:
        first = [("a", JournalRecord(1 + 2 * at, "note", {"number": at})) for at in range(3)]
        last = [("c", JournalRecord(1, "note", {"text": NASTY[6]}))]
        found = sorted(store.of_kind("note"), key=lambda pair: pair[0])
        require("the records of the kind", found, [*first, *last])
        require("those of two runs", list(store.of_kind("note", ("b", "c"))), last)
        require("those of a kind that nobody wrote", list(store.of_kind("nothing")), [])


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
        require("what was read", seen[:151], list(range(151)))


def runs_are_summed_up_newest_first(opener: Opener) -> None:
    """A line about a run: its last status, how many steps, and the last best score."""
    with closing(opener()) as store:
        require("the runs of a new store", store.runs(), ())
        for name in ("first", "second"):
            store.create(name, {})
        store.append("first", "status", {"status": "running"})
        for best in (0.25, 0.75, None):
            store.append("first", "step", {"best": best})
        store.append("first", "status", {"status": "budget"})
        second, first = store.runs()
        require("the newest run", second.name, "second")
        found = (first.name, first.status, first.steps, first.best)
        require("the line about the first run", found, ("first", "budget", 3, 0.75))
        require("whether its best is partial", first.partial, wanted=False)
        store.append("second", "partial", {"best": 0.5})
        store.append("second", "step", {"best": None})
        require("whether another's is", store.runs()[0].partial, wanted=True)
        store.append("second", "step", {"best": 0.25})
        now = store.runs()[0]
        require("the best after a full one", (now.best, now.partial), (0.25, False))
        require("the best of a run without a score", (second.steps, second.best), (0, None))
        require("whether times are in UTC", first.created.endswith("+00:00"), wanted=True)


def a_running_run_nobody_claims_is_interrupted(opener: Opener) -> None:
    """What a process that died has left behind is not shown as running."""
    with closing(opener()) as store:
        store.create("a", {})
        store.append("a", "status", {"status": "running"})
        require("the status without a claim", store.runs()[0].status, "interrupted")
        with store.claim("a"):
            require("the status with a claim", store.runs()[0].status, "running")
            store.append("a", "status", {"status": "done"})
            require("the status at the end", store.runs()[0].status, "done")


def seconds_add_up(opener: Opener) -> None:
    """Wall time is added to, from as many processes as work on a run in turn."""
    with closing(opener()) as store:
        store.create("a", {})
        require("the time of a new run", store.seconds("a"), 0.0)
        require("the time with more", store.seconds("a", 1.5), 1.5)
    with closing(opener()) as store:
        store.seconds("a", 0.25)
        require("the time of both processes", store.seconds("a"), 1.75)


def only_an_empty_run_is_discarded(opener: Opener) -> None:
    """A run that cost nothing leaves no trace; any other stays as it is."""
    with closing(opener()) as store:
        for run in ("empty", "stepped", "paid", "lost"):
            store.create(run, {"run": run})
            store.append(run, "status", {"status": "failed"})
        store.append("stepped", "step", {})
        store.append("lost", "unstored", {})
        asyncio.run(put_number(store, "paid", 1))
        for run in ("empty", "stepped", "paid", "lost", "never-made"):
            store.discard(run)
        require("what is left", {info.name for info in store.runs()}, {"stepped", "paid", "lost"})
        require("a journal", [r.kind for r in store.records("paid")], ["config", "status"])
        store.create("empty", {})
        require("the journal of a new run", [r.kind for r in store.records("empty")], ["config"])
