"""All rings of a run together: slots until stored, stalls that are told, runs that are replayed."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import closing
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from virtual_time import run_virtually

from llmopt.algorithms.opro import opro
from llmopt.api import optimize_async
from llmopt.engine.run import Run
from llmopt.engine.session import Session
from llmopt.errors import ConfigError, InputError, RefusedError, TransientError
from llmopt.models.middleware.stack import (
    Account,
    Gate,
    Limits,
    Retry,
    wrap,
)
from llmopt.models.middleware.traffic import Stretch, Traffic
from llmopt.models.providers.replay import ReplayModel
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.models.registry import model_named
from llmopt.store import open_store
from llmopt.testing import scripted
from llmopt.testing.models import GatedModel, chat

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.core.values import Call, Reply
    from llmopt.engine.progress import Progress
    from llmopt.evidence.result import Result


class Disk:
    """Replies in memory, durable when the event is set."""

    def __init__(self) -> None:
        self.replies: dict[str, Reply] = {}
        self.storable = asyncio.Event()

    async def get(self, key: str) -> Reply | None:
        return self.replies.get(key)

    async def put(self, key: str, model: str, call: Call, reply: Reply) -> bool:
        del model, call
        await self.storable.wait()
        self.replies[key] = reply
        return True


async def test_a_slot_is_held_until_the_reply_is_stored() -> None:
    """So a kill at any moment asks no more than the slots again."""
    disk, model = Disk(), ScriptedModel(lambda call: call.text)
    stack = wrap(model, replies=disk, gate=Gate(4))
    tasks = [asyncio.ensure_future(stack.complete(chat(f"{n}"))) for n in range(12)]
    await asyncio.sleep(0.01)
    assert stack.keep is not None
    assert (model.calls, stack.keep.storing, len(disk.replies)) == (4, 4, 0)
    disk.storable.set()
    await asyncio.gather(*tasks)
    assert (model.calls, stack.keep.storing, len(disk.replies)) == (12, 0, 12)


def test_a_slow_disk_is_no_late_reply() -> None:
    """The deadline of a call is the provider's: a reply that came is stored, however long."""

    async def ask() -> None:
        disk = Disk()
        stack = wrap(ScriptedModel(lambda call: call.text), replies=disk, deadline=10)
        task = asyncio.ensure_future(stack.complete(chat("a")))
        await asyncio.sleep(1000)
        disk.storable.set()
        assert (await task).text == "a"

    run_virtually(ask())


def test_a_refusal_ends_the_pauses_of_others() -> None:
    """Who pauses for long learns at once that it is in vain; later calls are asked as before."""

    def answer(call: Call) -> str:
        if call.text == "late":
            raise TransientError("slow down", 50.0)
        if call.text == "bad":
            raise RefusedError("wrong key")
        return call.text

    async def ask() -> float:
        retry = Retry(ScriptedModel(answer), Random(1))
        late = asyncio.ensure_future(retry.complete(chat("late")))
        await asyncio.sleep(1)
        assert retry.pausing == 1
        with pytest.raises(RefusedError):
            await retry.complete(chat("bad"))
        with pytest.raises(TransientError, match=r"another call was refused.*slow down"):
            await late
        assert (await retry.complete(chat("good"))).text == "good"
        assert (retry.pausing, retry.under_way) == (0, 0)
        return asyncio.get_running_loop().time()

    assert run_virtually(ask()) == pytest.approx(1)


def watched(traffic: Traffic, seconds: float, *calls: Any) -> list[str]:
    """What the watchdog says while calls are under way for so long."""

    async def ask() -> list[str]:
        said: list[str] = []
        watching = asyncio.ensure_future(traffic.watch(said.append))
        tasks = [asyncio.ensure_future(call()) for call in calls]
        await asyncio.sleep(seconds)
        for task in (watching, *tasks):
            task.cancel()
        await asyncio.wait([watching, *tasks])
        return said

    return run_virtually(ask())


def test_a_stall_says_what_is_waited_for() -> None:
    """Slots, pauses, the budget and the disk, each with how many calls."""
    hanging = wrap(GatedModel(), account=Account(Limits()), gate=Gate(2), deadline=None)
    traffic = Traffic()
    traffic.add(hanging)
    said = watched(traffic, 100, *(lambda n=n: hanging.complete(chat(f"{n}")) for n in range(5)))
    assert said[0].startswith("nothing was answered for 60 s: calls awaiting a reply of gated: 2, ")
    assert "queueing for one of 2 slots: 3" in said[0]
    assert said[1].startswith("nothing was answered for 75 s")

    def busy(_call: Call) -> str:
        raise TransientError("come back later", 1000.0)

    pausing = wrap(ScriptedModel(busy), deadline=None)
    traffic = Traffic()
    traffic.add(pausing)
    said = watched(traffic, 70, lambda: pausing.complete(chat("a")))
    assert said == [
        "nothing was answered for 60 s: calls pausing before the next attempt (come back later): 1"
    ]

    storing = wrap(ScriptedModel(lambda call: call.text), replies=Disk(), deadline=None)
    traffic = Traffic()
    traffic.add(storing)
    said = watched(traffic, 80, lambda: storing.complete(chat("a")))
    assert said == ["nothing was answered for 60 s: calls being stored: 1"]

    account = Account(Limits(calls=1))
    tight = wrap(GatedModel(), account=account, gate=Gate(9), deadline=None)
    traffic = Traffic(account)
    traffic.add(tight)
    said = watched(traffic, 70, *(lambda n=n: tight.complete(chat(f"{n}")) for n in range(3)))
    assert (
        "awaiting a reply of gated: 1, waiting for what those leave over of the budget: 2"
        in said[0]
    )


def test_a_slow_model_and_an_idle_run_are_no_stall() -> None:
    """As long as something is answered, or nothing asked, the watchdog is silent."""
    stack = wrap(ScriptedModel(lambda call: call.text, latency=50), deadline=None, gate=Gate(1))
    traffic = Traffic()
    traffic.add(stack)
    assert (
        watched(traffic, 1000, *(lambda n=n: stack.complete(chat(f"{n}")) for n in range(4))) == []
    )


async def test_a_run_tells_its_stall_and_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Through its progress and once through the log, until something is answered again."""
    model = GatedModel()
    stack = wrap(model)
    traffic = Traffic(patience=0.02)
    traffic.add(stack)
    store = open_store(tmp_path / "runs.sqlite")
    store.create("tried", {})
    seen: list[str] = []

    def listen(progress: Progress) -> None:
        seen.append(progress.stall)
        if progress.stall and len(seen) > 10:
            model.gate.set()

    with closing(store):
        problem = replace(scripted.problem(), scorer=stack)
        session = Session(store, "tried", stack, stack, traffic=traffic, listen=listen)
        run = Run(problem, opro(), session)
        with caplog.at_level(logging.WARNING, "llmopt"):
            await run.optimize()
    assert any(words.startswith("nothing was answered") for words in seen)
    assert seen[-1] == ""
    assert "nothing was answered" in caplog.text


async def recorded(folder: Path, name: str, **more: Any) -> Result:
    model = more.pop("model", None) or scripted.model()
    return await optimize_async(
        replace(scripted.problem(), scorer=model),
        store=folder / f"{name}.sqlite",
        name=name,
        steps=2,
        seed=3,
        progress=False,
        **more,
    )


def found(result: Result) -> Result:
    return replace(result, run="", seconds=0.0, stretch=Stretch())


async def test_a_recorded_run_is_replayed_without_any_model(tmp_path: Path) -> None:
    """From the file alone, in an empty store, the same result comes out."""
    path = tmp_path / "replies.jsonl"
    first = await recorded(tmp_path, "first", record=path)
    replay = model_named(f"replay/{path}")
    assert isinstance(replay, ReplayModel)
    again = await recorded(tmp_path, "again", model=replay)
    assert found(again) == found(first)
    heads: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    for line in path.read_text().splitlines():
        data = json.loads(line)
        (heads if "role" in data else lines).append(data)
    assert [head["role"] for head in heads] == ["optimizer", "scorer"]
    assert all(line.keys() == {"key", "call", "reply"} for line in lines)
    assert len(lines) == sum(used.calls for used in first.usage.values())


async def test_a_stored_run_is_recorded_for_nothing(tmp_path: Path) -> None:
    """Under another name it is done again from the store, and every hit is seen."""
    model = scripted.model()
    first = await recorded(tmp_path, "first", model=model)
    asked = model.calls
    store = open_store(tmp_path / "first.sqlite")
    with closing(store):
        problem = replace(scripted.problem(), scorer=model)
        path = tmp_path / "replies.jsonl"
        options: dict[str, Any] = {"store": store, "steps": 2, "seed": 3, "progress": False}
        again = await optimize_async(problem, name="copy", record=path, **options)
        assert model.calls == asked
        assert again.stretch.hits >= asked
        assert sum(used.calls for used in again.usage.values()) == 0
        with pytest.raises(ConfigError, match="from its beginning, but 'copy' has begun"):
            await optimize_async(problem, name="copy", record=tmp_path / "b.jsonl", **options)
        with pytest.raises(ConfigError, match="new file"):
            await optimize_async(problem, name="third", record=path, **options)
    replayed = await recorded(tmp_path, "again", model=ReplayModel(path))
    assert found(replayed) == found(first)


async def test_what_was_not_recorded_is_refused(tmp_path: Path) -> None:
    """With another seed the optimizer LLM is asked something new, and the message says so."""
    path = tmp_path / "replies.jsonl"
    await recorded(tmp_path, "first", record=path)
    with pytest.raises(RefusedError, match=r"a call of the scorer LLM that it does not: 'Other"):
        await ReplayModel(path).complete(chat("Other words"))


@pytest.mark.parametrize("text", ["", "no json\n", '{"neither": 1}\n', "[]\n"])
def test_a_replay_is_a_recording(tmp_path: Path, text: str) -> None:
    """Anything else is refused before it is asked."""
    path = tmp_path / "replies.jsonl"
    path.write_text(text)
    with pytest.raises(InputError, match="a replay is the recording of a run"):
        ReplayModel(path)
    with pytest.raises(InputError, match="a replay is a file that can be read"):
        ReplayModel(tmp_path / "none.jsonl")
