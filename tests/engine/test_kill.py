"""`kill -9` at any moment of a run costs what was in flight, and changes nothing."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import sys
from collections import Counter
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from llmopt.algorithms.opro import opro
from llmopt.core.values import Call, Message, Reply
from llmopt.engine.journal import REQUEST, Step, steps
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.store import open_store
from llmopt.testing import scripted
from llmopt.testing.schedules import repeated
from llmopt.testing.scripted import answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

KILLS = 6
SLOTS = 6  # calls in flight
STEPS = 4
DRAWS = 8  # solutions asked for in a step: more than may be in flight
LATENCY = 0.01
PLENTY = 1_000_000  # calls of a budget that never ends

PROGRAM = f"""
import asyncio, json, sys
from dataclasses import replace

from llmopt.algorithms.opro import opro
from llmopt.api import optimize_async
from llmopt.errors import BudgetError
from llmopt.models.middleware.stack import Limits
from llmopt.models.providers.openai import OpenAIModel
from llmopt.testing.scripted import problem
from llmopt.core.values import Message


class Numbered(OpenAIModel):
    '''Tells the server which draw it asks for, so that every draw has one answer.'''

    async def complete(self, call):
        text = f"{{call.text}}\\n#{{call.sample}}"
        return await super().complete(replace(call, messages=(Message("user", text),)))


async def main(url, store, calls, name, mode):
    model = Numbered("world", base_url=url, key=name)
    try:
        result = await optimize_async(
            replace(problem(), scorer=model), algorithm=opro(samples={DRAWS}),
            concurrency={SLOTS}, steps={STEPS}, finalists=5, name=name, store=store, progress=False,
            budget=Limits(calls=int(calls)), mode=mode,
        )
    except BudgetError:
        print(json.dumps(None))
    else:
        print(json.dumps(result.to_dict()))
    await model.close()


asyncio.run(main(*sys.argv[1:]))
"""


@dataclass
class World:
    """A server that answers every draw of every call always alike, and logs every request.

    Attributes:
        url: Where its API begins.
        asked: The requests of this stretch: texts with the numbers of their draws.
        runs: How many requests each run has sent, by its name.
        more: Set whenever a request came.
    """

    url: str = ""
    asked: list[str] = field(default_factory=list)
    runs: Counter[str] = field(default_factory=Counter)
    more: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.Response:
        asked = (await request.json())["messages"][0]["content"]
        self.asked.append(asked)
        self.runs[request.headers["Authorization"].removeprefix("Bearer ")] += 1
        self.more.set()
        await asyncio.sleep(LATENCY)
        text, _, sample = asked.rpartition("\n#")
        role: Any = "optimizer" if "<INS>" in text else "scorer"
        said = answer(Call(role, (Message("user", text),), sample=int(sample)))
        return web.json_response(
            {
                "choices": [{"finish_reason": "stop", "message": {"content": said}}],
                "usage": {"prompt_tokens": len(text), "completion_tokens": len(said)},
            }
        )

    def new_stretch(self) -> list[str]:
        """Return what was asked in the last stretch, and begin another."""
        asked, self.asked = self.asked, []
        return asked


@asynccontextmanager
async def serving() -> AsyncIterator[World]:
    world = World()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", world.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    world.url = f"http://{host}:{port}/v1"
    try:
        yield world
    finally:
        await runner.cleanup()


async def start(
    world: World, store: Path, cap: int = PLENTY, name: str = "run", mode: str = "steps"
) -> asyncio.subprocess.Process:
    """Start the run, or go on with it, in a process of its own."""
    program = (sys.executable, "-c", PROGRAM, world.url, str(store), str(cap), name, mode)
    return await asyncio.create_subprocess_exec(*program, stdout=asyncio.subprocess.PIPE)


async def finished(
    world: World, store: Path, cap: int = PLENTY, mode: str = "steps"
) -> dict[str, Any] | None:
    """Let the run go on to its end; return its result without what is of a stretch only.

    None where the budget gave none.
    """
    process = await start(world, store, cap, mode=mode)
    out, _ = await process.communicate()
    assert process.returncode == 0
    found: dict[str, Any] | None = json.loads(out)
    if found is None:
        return None
    return {key: value for key, value in found.items() if key not in ("seconds", "stretch")}


async def killed(
    world: World,
    store: Path,
    seen: set[str],
    enough: int,
    pause: float,
    *,
    cap: int = PLENTY,
    mode: str = "steps",
) -> None:
    """Continue with the run until so many different calls were asked, then kill it."""
    process = await start(world, store, cap, mode=mode)
    over = asyncio.create_task(process.wait())
    over.add_done_callback(lambda _: world.more.set())
    while not over.done() and (not world.asked or len(seen | set(world.asked)) < enough):
        world.more.clear()
        await world.more.wait()
    await asyncio.sleep(pause)
    assert not over.done(), "the run was over before it could be killed"
    process.kill()
    assert await over == -signal.SIGKILL
    assert process.stdout is not None
    assert await process.stdout.read() == b""
    await asyncio.sleep(LATENCY)  # what it sent last is logged before the next stretch begins


def stored(store: Path) -> dict[str, Reply]:
    """Return the stored replies by the texts that the server saw."""
    with closing(sqlite3.connect(store)) as connection:
        rows = connection.execute("SELECT call, reply FROM replies").fetchall()
    calls = [(Call.from_json(json.loads(call)), Reply.from_json(json.loads(r))) for call, r in rows]
    return {f"{call.text}\n#{call.sample}": reply for call, reply in calls}


def told(store: Path) -> list[dict[str, Any]]:
    """Return the steps of the run and of its control: everything that belongs to trajectories."""
    with closing(open_store(store)) as opened:
        return [
            record.data
            for run in ("run", "run-control")
            for record in opened.records(run)
            if record.kind == "step"
        ]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL to send")
async def test_a_run_killed_at_any_moment_ends_as_the_unbroken_one(tmp_path: Path) -> None:
    """The same trajectories and result, also of the control; only what was in flight is asked
    again."""
    whole, broken = tmp_path / "whole.sqlite", tmp_path / "broken.sqlite"
    random = Random(0)
    async with serving() as world:
        unbroken = await finished(world, whole)
        once = world.new_stretch()
        calls = len(once)
        assert calls == len(set(once)) > 10 * KILLS
        # In the longest pause before a kill fewer than 4 calls per slot can be answered.
        moments = sorted(random.sample(range(1, calls - 4 * SLOTS), KILLS))
        seen: set[str] = set()  # everything asked so far
        kept: set[str] = set()  # what is stored of it
        lost = []  # how many calls each kill cost
        for enough in moments:
            await killed(world, broken, seen, enough, random.uniform(0, 2 * LATENCY))
            stretch = world.new_stretch()
            assert len(stretch) == len(set(stretch)), "one stretch asked for something twice"
            assert not kept & set(stretch), "a stored reply was asked for again"
            seen |= set(stretch)
            kept = set(stored(broken))
            lost.append(len(seen - kept))
        assert await finished(world, broken) == unbroken
        stretch = world.new_stretch()
        assert len(stretch) == len(set(stretch))
        assert not kept & set(stretch)
    assert seen | set(stretch) == set(once)
    assert 0 < max(lost) <= SLOTS
    assert told(broken) == told(whole)
    assert stored(broken) == stored(whole)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL to send")
async def test_a_run_without_steps_that_is_killed_follows_its_journal(tmp_path: Path) -> None:
    """No step is lost or changed, nothing stored is asked again, and each step is what its request
    leads to from the trajectory that the journal names."""
    store, random = tmp_path / "runs.sqlite", Random(3)
    seen: set[str] = set()
    kept: set[str] = set()
    before: list[Step] = []
    async with serving() as world:
        for _ in range(3):
            pause = random.uniform(0, 2 * LATENCY)
            await killed(world, store, seen, len(seen) + 40, pause, mode="steady")
            stretch = world.new_stretch()
            assert len(stretch) == len(set(stretch)), "one stretch asked for something twice"
            assert not kept & set(stretch), "a stored reply was asked for again"
            seen |= set(stretch)
            kept = set(stored(store))
            with closing(open_store(store)) as opened:
                found = list(steps(opened, "run"))
            assert found[: len(before)] == before
            before = found
        assert await finished(world, store, mode="steady") is not None
        assert not kept & set(world.new_stretch())
    with closing(open_store(store)) as opened:
        found = list(steps(opened, "run"))
        asked = list(opened.of_kind(REQUEST, ["run"]))
        identity = opened.config("run")["identity"]["optimizer"]
    assert found[: len(before)] == before
    assert len(before) > 1
    assert len(found) - 1 == len(asked) == DRAWS * STEPS
    divided, _ = opro(samples=DRAWS).divided()
    model = ScriptedModel(answer, identity=identity)
    planned = DRAWS * STEPS
    assert await repeated(
        divided, scripted.problem(), found, seed=0, steps=planned, scorer=model, optimizer=model
    )


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL to send")
async def test_a_budget_holds_however_often_a_run_is_killed(tmp_path: Path) -> None:
    """What was on its way when a process died may have been billed, and is counted."""
    random, cap, asked = Random(1), 300, 0
    store = tmp_path / "runs.sqlite"
    async with serving() as world:
        for _ in range(4):
            seen = set(stored(store)) if store.exists() else set()
            await killed(world, store, seen, len(seen) + 20, random.uniform(0, LATENCY), cap=cap)
            asked += len(world.new_stretch())
        await finished(world, store, cap)
        asked += len(world.new_stretch())
    assert len(stored(store)) < asked <= cap


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL to send")
async def test_a_budget_holds_in_a_store_that_two_runs_share_and_are_killed_in(
    tmp_path: Path,
) -> None:
    """Each pays for many replies that the other has stored first, and no kill forgets them."""
    random, cap, names = Random(2), 150, ("one", "two")
    store = tmp_path / "runs.sqlite"
    async with serving() as world:
        for _ in range(3):
            both = [await start(world, store, cap, name) for name in names]
            over = [asyncio.create_task(process.communicate()) for process in both]
            enough = world.runs.total() + 30
            while world.runs.total() < enough and not all(task.done() for task in over):
                world.more.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(world.more.wait(), 1)
            await asyncio.sleep(random.uniform(0, LATENCY))
            for process in both:
                with suppress(ProcessLookupError):
                    process.kill()
            await asyncio.gather(*over)
        for name in names:
            await (await start(world, store, cap, name)).communicate()
    assert max(world.runs.values()) <= cap
    assert len(stored(store)) < world.runs.total()
