"""What every later version of a store still reads.

Let a version that is about to be released write its sample (:func:`write_sample`) and keep that
storage with the tests; then each version since then passes :func:`a_sample_is_kept` on a copy::

    @pytest.mark.parametrize("version", range(1, VERSION + 1))
    def test_a_store_of_any_version_is_read(version, tmp_path):
        copy(ASSETS / f"version-{version}.sqlite", tmp_path / "store.sqlite")
        a_sample_is_kept(functools.partial(open_store, tmp_path / "store.sqlite"))
"""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import TYPE_CHECKING, Any

from llmopt.core.store import JournalRecord
from llmopt.core.values import Usage
from llmopt.testing.stores.demands import (
    MODEL,
    NASTY,
    call_number,
    put_number,
    reply_number,
    require,
)

if TYPE_CHECKING:
    from llmopt.core.store import Store
    from llmopt.testing.stores.demands import Opener

_CONFIG = {"identity": {"seed": "7"}, "text": NASTY[4]}
_JOURNAL: tuple[tuple[str, dict[str, Any]], ...] = (
    ("status", {"status": "running"}),
    ("step", {"best": 0.25, "calls": ["key-1"], "text": NASTY[5]}),
    ("step", {"best": 0.75, "calls": ["key-2"]}),
    ("label", {"tags": ["first"], "note": "kept"}),
    ("status", {"status": "done"}),
)
_REPLIES = 4


def write_sample(store: Store) -> None:
    """Write the sample into an empty store."""

    async def put_all() -> None:
        for number in range(_REPLIES):
            run = "payer" if number < _REPLIES - 1 else "user"
            await store.replies(run).put(
                f"key-{number}", MODEL, call_number(number), reply_number(number)
            )

    store.create("payer", _CONFIG)
    for kind, data in _JOURNAL:
        store.append("payer", kind, data)
    store.create("user", {})
    store.append("user", "step", {"calls": ["key-0"]})
    asyncio.run(put_all())
    store.seconds("payer", 1.5)


def a_sample_is_kept(opener: Opener) -> None:
    """All that :func:`write_sample` wrote is there, and the store can be worked with."""
    with closing(opener()) as store:
        _check_payer(store)
        newest, oldest = store.runs()
        require("the runs", (newest.name, oldest.name), ("user", "payer"))
        found = (oldest.status, oldest.steps, oldest.best, oldest.tags, oldest.note)
        require("the line about a run", found, ("done", 2, 0.75, ("first",), "kept"))
        asyncio.run(put_number(store, "user", 9))
        store.append("payer", "step", {"best": 0.5})
    with closing(opener()) as store:  # brought up to date once, it stays so
        require("the steps", store.runs()[1].steps, 3)
        require("the calls that the other run paid for", store.spent("user")["scorer"].calls, 2)
        store.delete("payer")
        require("a reply that the other run used", store.exchange("key-0") is None, wanted=False)
        require("its own reply", store.exchange("key-3") is None, wanted=False)


def _check_payer(store: Store) -> None:
    require("the configuration", store.config("payer"), _CONFIG)
    journal = [JournalRecord(seq, kind, data) for seq, (kind, data) in enumerate(_JOURNAL, 1)]
    require("the journal", list(store.records("payer"))[1:], journal)
    require("the time", store.seconds("payer"), 1.5)
    used = sum((reply_number(number).usage for number in range(_REPLIES - 1)), Usage())
    require("the usage", store.spent("payer")["scorer"], used)
    for number in range(_REPLIES):
        kept = store.exchange(f"key-{number}")
        require("an exchange", kept, (call_number(number), reply_number(number)))
