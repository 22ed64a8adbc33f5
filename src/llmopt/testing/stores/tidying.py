"""What is true of runs that are labelled, renamed and removed, and of what they leave behind."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import TYPE_CHECKING

from llmopt.core.store import JournalRecord
from llmopt.testing.stores.demands import (
    MODEL,
    call_number,
    get_number,
    put_number,
    refused,
    reply_number,
    require,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from llmopt.core.store import Store
    from llmopt.testing.stores.demands import Opener


def _filled(store: Store, run: str, *numbers: int) -> None:
    """Create a run that paid for the replies of these numbers."""
    store.create(run, {"run": run})
    for number in numbers:
        asyncio.run(put_number(store, run, number))


def _key(number: int) -> str:
    return call_number(number).key(MODEL)


def _kept(store: Store, *numbers: int) -> list[int]:
    """Return which of the numbers have a reply, without using it."""
    return [number for number in numbers if store.exchange(_key(number))]


def the_last_label_holds(opener: Opener) -> None:
    """Tags and note are those of the last label; a run without one has none."""
    with closing(opener()) as store:
        store.create("a", {})
        found = store.runs()[0]
        require("the label of a new run", (found.tags, found.note), ((), ""))
        store.append("a", "label", {"tags": ["x"], "note": "first"})
        store.append("a", "label", {"tags": ["best", "shown"], "note": "ü 🙂"})
    with closing(opener()) as store:
        found = store.runs()[0]
        require("the label", (found.tags, found.note), (("best", "shown"), "ü 🙂"))


def a_renamed_run_keeps_what_it_has(opener: Opener) -> None:
    """Journal, replies, time and place in the list go with the name; the old one is free."""
    with closing(opener()) as store:
        _filled(store, "old", 1, 2)
        store.append("old", "step", {"number": 1})
        store.seconds("old", 1.5)
        store.create("other", {})
        asyncio.run(get_number(store, "other", 1))
        store.rename("old", "new")
    with closing(opener()) as store:
        require("the names", [info.name for info in store.runs()], ["other", "new"])
        journal = [
            JournalRecord(0, "config", {"run": "old"}),
            JournalRecord(1, "step", {"number": 1}),
        ]
        require("the journal", list(store.records("new")), journal)
        require("the time", store.seconds("new"), 1.5)
        require("the calls paid for", store.spent("new")["scorer"].calls, 2)
        store.create("old", {})
        require("the calls of a new run", store.spent("old")["scorer"].calls, 0)


def a_rename_is_refused_where_it_would_harm(opener: Opener) -> None:
    """A taken name, one that breaks the rule, an unknown run, one at work: nothing changes."""
    with closing(opener()) as store, closing(opener()) as other:
        store.create("tickets", {})
        store.create("taken", {})
        with refused("a taken name", "'taken'"):
            store.rename("tickets", "taken")
        with refused("a name against the rule", "64"):
            store.rename("tickets", "A b")
        with refused("an unknown run", "'ticket'", "'tickets'"):
            store.rename("ticket", "new")
        for claimed in ("tickets", "new"):
            with (
                other.claim(claimed),
                refused("a claimed name", f"'{claimed}'"),
            ):
                store.rename("tickets", "new")
        names = {info.name for info in store.runs()}
        require("the names", names, {"tickets", "taken"})


def a_deleted_run_leaves_what_others_use(opener: Opener) -> None:
    """What another run found, put a second time, or lists among a step's calls stays."""
    with closing(opener()) as store:
        _filled(store, "a", 1, 2, 3, 4)
        _filled(store, "b", 5)
        reply = asyncio.run(get_number(store, "b", 1))
        require("the reply that b found", reply, reply_number(1))
        asyncio.run(put_number(store, "b", 2))
        store.append("b", "step", {"calls": [_key(3)]})
        freed = store.delete("a")
        require("the replies removed", freed.replies, 1)
        require("whether their size is told", freed.bytes > 0, wanted=True)
    with closing(opener()) as store:
        require("the runs", [info.name for info in store.runs()], ["b"])
        require("the replies", _kept(store, 1, 2, 3, 4, 5), [1, 2, 3, 5])
        require("the calls that b paid for", store.spent("b")["scorer"].calls, 1)
        store.create("a", {"again": True})
        journal = [JournalRecord(0, "config", {"again": True})]
        require("the journal of a new run", list(store.records("a")), journal)
        require("the calls it paid for", store.spent("a")["scorer"].calls, 0)


def what_no_run_uses_is_collected(opener: Opener) -> None:
    """Replies that outlived their run for another one's sake go when that one is gone."""
    with closing(opener()) as store:
        _filled(store, "a", 1, 2)
        _filled(store, "b", 3)
        asyncio.run(get_number(store, "b", 1))
        store.delete("a")
        require("the replies that b uses", _kept(store, 1, 2, 3), [1, 3])
        require("what is collected before", store.collect().replies, 0)
        store.delete("b")
        require("the replies of a that b used", _kept(store, 1, 2, 3), [1])
        freed = store.collect()
        require("what is collected", (freed.replies, freed.bytes > 0), (1, True))
        require("the replies", _kept(store, 1, 2, 3), [])
        require("what is collected twice", store.collect().replies, 0)


def a_use_follows_a_renamed_run(opener: Opener) -> None:
    """A renamed run still uses what it used."""
    with closing(opener()) as store:
        _filled(store, "a", 1)
        store.create("b", {})
        asyncio.run(get_number(store, "b", 1))
        store.rename("b", "c")
        store.delete("a")
        store.collect()
        require("the replies", _kept(store, 1), [1])


def a_run_at_work_is_left_alone(opener: Opener) -> None:
    """While a run is claimed it is not deleted, and nothing is collected."""
    asks: dict[str, Callable[[Store], object]] = {
        "delete": lambda store: store.delete("a"),
        "collect": lambda store: store.collect(),
    }
    with closing(opener()) as store, closing(opener()) as other:
        store.create("a", {})
        for name, ask in asks.items():
            for holder in (store, other):
                with holder.claim("a"), refused(f"{name} of a run at work", "'a'"):
                    ask(store)
        with refused("an unknown run", "'tickets'"):
            store.delete("tickets")
        require("the runs", [info.name for info in store.runs()], ["a"])
