"""News of runs arrive at all who wait for them, by one look at the store."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from world import Slow, fill, until

from llmopt.core.store import LABEL
from llmopt.errors import StoreError
from llmopt.store import open_store
from llmopt.web.server.events import Looks, News, StoreWatcher
from llmopt.web.server.page_cache import Shelf
from llmopt.web.server.routes import Site

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp import ClientResponse


def news(run: str, calls: int = 0) -> News:
    return News(run, "running", 1, calls, 2 * calls, "v")


class Counted:
    """A look at runs that change when they are told to; counts how often it looks."""

    def __init__(self, *names: str) -> None:
        self.found = {name: news(name) for name in names}
        self.looks = 0
        self.fails = False

    def __call__(self) -> dict[str, News]:
        self.looks += 1
        if self.fails:
            raise StoreError("the store is busy")
        return dict(self.found)


async def told(answer: ClientResponse) -> dict[str, Any]:
    """Return the next news of a stream."""
    while True:
        line = (await answer.content.readline()).decode()
        assert line, "the stream has ended"
        if line.startswith("data: "):
            found: dict[str, Any] = json.loads(line.removeprefix("data: "))
            return found


async def test_how_a_run_stands_comes_first_and_then_what_changes() -> None:
    look = Counted("a", "b")
    watch = StoreWatcher(look, pause=0)
    async with watch.told("a") as waiting:
        assert await waiting.get() == {"a": news("a")}
        look.found["b"] = news("b", 1)
        look.found["a"] = news("a", 2)
        assert await waiting.get() == {"a": news("a", 2)}
        del look.found["a"]
        assert await waiting.get() == {"a": None}


async def test_who_waits_for_all_hears_of_all() -> None:
    look = Counted("a", "b")
    async with StoreWatcher(look, pause=0).told(None) as waiting:
        assert set(await waiting.get()) == {"a", "b"}
        look.found["c"] = news("c")
        assert set(await waiting.get()) == {"c"}


async def test_all_who_wait_share_one_look_and_nobody_looks_for_nobody() -> None:
    look = Counted("a")
    watch = StoreWatcher(look, pause=3600)
    async with watch.told(None) as one:
        await one.get()
        async with watch.told("a") as two, watch.told(None) as three:
            assert await two.get() == await three.get() == {"a": news("a")}
            assert watch.waiting == 3
        assert watch.waiting == 1
    assert (look.looks, watch.waiting) == (1, 0)


async def test_who_reads_slowly_gets_the_latest_alone() -> None:
    look = Counted("a")
    watch = StoreWatcher(look, pause=0)
    async with watch.told("a") as slow, watch.told("a") as quick:
        for calls in range(1, 5):
            look.found["a"] = news("a", calls)
            while (await quick.get())["a"] != look.found["a"]:
                pass
        assert await slow.get() == {"a": news("a", 4)}


async def test_a_store_that_is_busy_for_a_moment_ends_nothing() -> None:
    look = Counted("a")
    look.fails = True
    async with StoreWatcher(look, pause=0).told("a") as waiting:
        await until(lambda: look.looks >= 3)
        look.fails = False
        assert await waiting.get() == {"a": news("a")}


def test_a_label_is_news_and_a_second_look_is_none(tmp_path: Path) -> None:
    fill(tmp_path / "runs.sqlite")
    with closing(open_store(tmp_path / "runs.sqlite")) as store:
        looks = Looks(store)
        first = looks.look()
        assert first == looks.look()
        assert first["first"].calls > 0
        assert first["first"].steps == 2
        store.append("second", LABEL, {"tags": [], "note": "new"})
        changed = looks.look()
        assert {run for run in first if first[run] != changed[run]} == {"second"}
        store.delete("line")
        assert "line" not in looks.look()


def test_a_sweep_stands_as_its_cells_do(tmp_path: Path) -> None:
    """Cells are runs of their own; a sweep's page says something new when one has ended."""
    with closing(open_store(tmp_path / "runs.sqlite")) as store:
        store.create("grid", {"sweep": {}, "identity": {}})
        looks = Looks(store)
        seen = [looks.look()["grid"]]
        store.create("grid.1", {"identity": {}})
        seen.append(looks.look()["grid"])
        for number in (0, 1):
            store.append("grid.1", "step", {"step": number})
        store.append("grid.1", "status", {"status": "done"})
        seen.append(looks.look()["grid"])
        assert len({news.version for news in seen}) == 3
        assert [news.steps for news in seen] == [0, 0, 1]


async def test_an_event_arrives_when_a_run_tells_a_step(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    with closing(open_store(path)) as store:
        slow = Slow(path)
        try:
            await until(lambda: bool(store.runs()))
            site = Site(Shelf(store))
            async with (
                TestClient(TestServer(site.app())) as client,
                client.get("/events?run=slow") as answer,
            ):
                assert answer.headers["Content-Type"] == "text/event-stream"
                now = (await told(answer))["slow"]
                assert (now["run"], now["status"], now["steps"]) == ("slow", "running", 0)
                slow.step()
                seen = [now]
                while seen[-1]["steps"] < 1:
                    seen.append((await told(answer))["slow"])
                assert seen[-1]["version"] != now["version"]
                assert seen[-1]["calls"] > now["calls"]
                await asyncio.to_thread(slow.finish)
                while seen[-1]["status"] == "running":
                    seen.append((await told(answer))["slow"])
                assert seen[-1]["status"] == "done"
        finally:
            await asyncio.to_thread(slow.finish)


@pytest.mark.parametrize("run", ["", "?run=first"])
async def test_a_reader_who_goes_away_is_forgotten(tmp_path: Path, run: str) -> None:
    fill(tmp_path / "runs.sqlite")
    with closing(open_store(tmp_path / "runs.sqlite")) as store:
        site = Site(Shelf(store), heartbeat=0.05)
        async with TestClient(TestServer(site.app())) as client:
            answers = [await client.get(f"/events{run}") for _ in range(5)]
            for answer in answers:
                assert "first" in await told(answer)
            assert site.watch.waiting == 5
            lines = [(await answers[0].content.readline()) for _ in range(3)]
            assert b": nothing new\n" in lines
            for answer in answers:
                answer.close()
            await until(lambda: not site.watch.waiting)


async def test_the_head_of_a_stream_ends_at_once(tmp_path: Path) -> None:
    with closing(open_store(tmp_path / "runs.sqlite")) as store:
        async with (
            TestClient(TestServer(Site(Shelf(store)).app())) as client,
            client.head("/events") as answer,
        ):
            assert answer.headers["Content-Type"] == "text/event-stream"


async def test_a_server_that_ends_lets_its_readers_go(tmp_path: Path) -> None:
    with closing(open_store(tmp_path / "runs.sqlite")) as store:
        client: TestClient[Any, Any] = TestClient(
            TestServer(Site(Shelf(store), heartbeat=3600).app())
        )
        await client.start_server()
        answer = await client.get("/events")
        await client.server.close()
        assert (await answer.content.read()).endswith(b"\n\n")
        await client.close()
