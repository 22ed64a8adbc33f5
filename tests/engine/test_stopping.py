"""The first request to stop lets the calls in flight come in; the second one stops at once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from llmopt.store import open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")

SLOTS = 4
CONFIG = f"""
[problem]
data = "questions.csv"
task = "Answer with yes or no."
instructions = ["Answer."]
sizes = [12, 8, 20]

[scorer]
model = "openai/world"

[run]
steps = 1
concurrency = {SLOTS}
name = "run"

[evidence]
controls = []
"""


class World:
    """An endpoint that answers when it is told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.full, self.open = asyncio.Event(), asyncio.Event()

    async def handle(self, request: web.Request) -> web.Response:
        await request.read()
        self.asked += 1
        if self.asked >= SLOTS:
            self.full.set()
        await self.open.wait()
        usage = {"prompt_tokens": 9, "completion_tokens": 1}
        said = {"message": {"content": "yes"}, "finish_reason": "stop"}
        return web.json_response({"choices": [said], "usage": usage})


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[tuple[World, asyncio.subprocess.Process]]:
    """Start a run of which all slots are taken."""
    rows = [f"Question number {n}?,{'yes' if n % 2 else 'no'}" for n in range(40)]
    (folder / "questions.csv").write_text("\n".join(["input,target", *rows, ""]))
    (folder / "run.toml").write_text(CONFIG)
    world, app = World(), web.Application()
    app.router.add_post("/v1/chat/completions", world.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    words = ("-m", "llmopt", "run", "run.toml", "-q", "--store", "runs.sqlite")
    keys = {"OPENAI_BASE_URL": f"http://{host}:{port}/v1", "OPENAI_API_KEY": "none"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *words,
        cwd=folder,
        env={**os.environ, **keys},
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        await world.full.wait()
        yield world, process
    finally:
        world.open.set()
        if process.returncode is None:
            process.kill()
        await runner.cleanup()


async def said(process: asyncio.subprocess.Process, words: str) -> str:
    assert process.stderr is not None
    while words not in (line := (await process.stderr.readline()).decode()):
        assert line, "it ended without a word"
    return line


def stored(folder: Path) -> int:
    with closing(open_store(folder / "runs.sqlite")) as store:
        return sum(used.calls for used in store.spent("run").values())


def status(folder: Path) -> Any:
    with closing(open_store(folder / "runs.sqlite")) as store:
        return next(info.status for info in store.runs())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_what_is_in_flight_comes_in_and_is_stored(
    tmp_path: Path, number: signal.Signals
) -> None:
    async with running(tmp_path) as (world, process):
        process.send_signal(number)
        assert f"Stopping: {SLOTS} calls in flight" in await said(process, "Stopping")
        world.open.set()
        assert await process.wait() == 130
        assert world.asked == SLOTS, "nothing more is sent"
        assert stored(tmp_path) == SLOTS
        assert status(tmp_path) == "interrupted"


async def test_the_second_request_stops_at_once(tmp_path: Path) -> None:
    async with running(tmp_path) as (world, process):
        process.send_signal(signal.SIGINT)
        await said(process, "Stopping")
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 130
        assert world.asked == SLOTS
        assert not world.open.is_set()
