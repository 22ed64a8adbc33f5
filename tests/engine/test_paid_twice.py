"""What another run has stored first is paid all the same, and no kill forgets it."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from llmopt import optimize_async
from llmopt.core.model import text_call
from llmopt.core.store import UNSTORED
from llmopt.core.values import Reply, Usage
from llmopt.engine.session import Session
from llmopt.errors import LlmoptError, RefusedError
from llmopt.models.middleware.in_flight import Ledger
from llmopt.models.middleware.stack import wrap
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.store import open_store
from llmopt.testing import scripted

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.core.store import Store
    from llmopt.core.values import Call


async def test_a_reply_that_another_run_stored_first_stays_in_the_ledger(tmp_path: Path) -> None:
    with closing(open_store(tmp_path / "runs.sqlite")) as store:
        store.create("mine", {})
        store.create("other", {})
        call = text_call("scorer", "the same", raw=False)
        alone = text_call("scorer", "mine alone", raw=False)
        model = ScriptedModel(lambda _call: "a reply")

        def first(asked: Call) -> str:
            if asked == call:
                put = store.replies("other").put(
                    call.key(model.identity), model.identity, call, Reply("first", Usage(1, 2, 3))
                )
                with contextlib.suppress(StopIteration):
                    put.send(None)
                put.close()
            return "a reply"

        model = ScriptedModel(first)
        with store.counters("mine") as counters:
            ledger = Ledger(counters)
            onion = wrap(model, replies=store.replies("mine"), ledger=ledger)
            await onion.complete(alone)
            assert ledger.noted() == {}
            await onion.complete(call)
            noted = ledger.noted()["scorer"]
            used = onion.meter.usage["scorer"]
            assert noted.calls == 1
            assert store.spent("mine")["scorer"].calls + noted.calls == used.calls == 2
        # A process that is killed here leaves the ledger as it is.
        with store.counters("mine") as counters:
            assert Ledger(counters).noted()["scorer"].calls == 1


async def test_the_time_is_stored_as_it_passes(tmp_path: Path) -> None:
    with closing(open_store(tmp_path / "runs.sqlite")) as store:
        store.create("run", {})
        session = Session(store, "run")
        async with session.timed(every=0.01):
            while store.seconds("run") <= 0:  # noqa: ASYNC110 - a store tells nobody
                await asyncio.sleep(0.01)


class Overtaken(ScriptedModel):
    """Another run stores each reply first; the endpoint refuses all calls after the fifth."""

    store: Store

    async def complete(self, call: Call) -> Reply:
        """Answer, unless five were answered."""
        if self.calls == 5:
            raise RefusedError("the key is no longer valid")
        reply = await super().complete(call)
        await self.store.replies("other").put(call.key(self.identity), self.identity, call, reply)
        return reply


async def test_a_stretch_whose_replies_another_run_stored_first_is_not_forgotten(
    tmp_path: Path,
) -> None:
    """It has neither a step nor a reply of its own, and has cost something all the same."""
    model = Overtaken(lambda _call: "yes")
    with closing(open_store(tmp_path / "runs.sqlite")) as store:
        store.create("other", {})
        model.store = store
        problem = replace(scripted.problem(), scorer=model)
        optimizer = ScriptedModel(lambda _call: "<INS>Say yes.</INS>")
        with pytest.raises(LlmoptError, match="no longer valid"):
            await optimize_async(
                problem, optimizer=optimizer, store=store, name="mine", concurrency=1
            )
        lost = [record.data for _, record in store.of_kind(UNSTORED, ["mine"])]
        assert [data["doubled"]["scorer"]["calls"] for data in lost] == [5]
