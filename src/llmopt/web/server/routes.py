"""The URLs that are served, and their responses."""

from __future__ import annotations

import asyncio
import json
from difflib import get_close_matches
from typing import TYPE_CHECKING

from aiohttp import web

from llmopt.web.pages.run_rows import ListQuery
from llmopt.web.pages.site_pages import message
from llmopt.web.server.access import Door, html
from llmopt.web.server.events import StoreWatcher

if TYPE_CHECKING:
    from llmopt.web.server.events import Waiting
    from llmopt.web.server.page_cache import Shelf

HEARTBEAT = 15.0
"""Seconds of silence after which a reader who waits is sent a comment, or is found to be gone."""


class Site:
    """What answers the addresses."""

    def __init__(self, shelf: Shelf, *, heartbeat: float = HEARTBEAT) -> None:
        """Answer from a shelf.

        Args:
            shelf: The pages.
            heartbeat: Seconds of silence after which a reader who waits is sent a comment.
        """
        self._shelf = shelf
        self._heartbeat = heartbeat
        self._closing = asyncio.Event()
        self.watch = StoreWatcher(shelf.news)

    def app(self, door: Door | None = None) -> web.Application:
        """Return the application; without a door, that of a server on loopback."""
        door = door or Door()
        app = web.Application(middlewares=[door.guard()])
        app.on_response_prepare.append(door.sealed)
        app.on_shutdown.append(self._shut)
        app.router.add_get("/", self._list)
        app.router.add_get("/run/{run}", self._run)
        app.router.add_get("/run/{run}/record.json", self._record)
        app.router.add_get(r"/run/{run}/cells/{place:\d{1,9}}.json", self._cells)
        app.router.add_get("/compare", self._compare)
        app.router.add_get("/events", self._events)
        return app

    async def _list(self, request: web.Request) -> web.StreamResponse:
        return html(await asyncio.to_thread(self._shelf.listing, ListQuery.of(request.query)))

    async def _run(self, request: web.Request) -> web.StreamResponse:
        run = request.match_info["run"]
        known = await asyncio.to_thread(self._shelf.names)
        stem = run.removesuffix(".html")
        if run not in known and stem in known:  # as the pages of a sweep's cells are linked
            raise web.HTTPFound(f"/run/{stem}")
        missing = await self._missing([run])
        return missing or html(await asyncio.to_thread(self._shelf.run, run))

    async def _record(self, request: web.Request) -> web.StreamResponse:
        run = request.match_info["run"]
        missing = await self._missing([run])
        if missing:
            return missing
        found = await asyncio.to_thread(self._shelf.document, run)
        return web.Response(
            body=json.dumps(found, allow_nan=False).encode("ascii"),
            content_type="application/json",
        )

    async def _cells(self, request: web.Request) -> web.StreamResponse:
        run, place = request.match_info["run"], int(request.match_info["place"])
        missing = await self._missing([run])
        if missing:
            return missing
        found = await asyncio.to_thread(self._shelf.cells, run, place)
        if found is None:
            return html(message("No such solution", (f"{run} has no solution {place}.",)), 404)
        return web.Response(
            body=json.dumps(found, allow_nan=False).encode("ascii"),
            content_type="application/json",
        )

    async def _compare(self, request: web.Request) -> web.StreamResponse:
        names = request.query.getall("run", [])
        missing = await self._missing(names)
        return missing or html(await asyncio.to_thread(self._shelf.compared, names))

    async def _missing(self, names: list[str]) -> web.Response | None:
        """Return the answer for the first run that is not there, or None."""
        known = await asyncio.to_thread(self._shelf.names)
        lost = next((name for name in names if name not in known), None)
        if lost is None:
            return None
        said = f"There is no run {lost} in this store."
        close = get_close_matches(lost.casefold(), known, n=1)
        return html(message("No such run", (said,), "".join(close)), 404)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        run = request.query.get("run")
        missing = await self._missing([run] if run is not None else [])
        if missing:
            return missing
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        if request.method == "HEAD":
            return answer
        await answer.prepare(request)
        async with self.watch.told(run) as waiting:
            try:
                while not self._closing.is_set():
                    await answer.write(await self._next(waiting))
            except ConnectionResetError:
                pass  # the reader has gone away
        return answer

    async def _next(self, waiting: Waiting) -> bytes:
        """Return the next news as an event, or a comment after a silence or at the end."""
        getting = asyncio.ensure_future(waiting.get())
        closing = asyncio.ensure_future(self._closing.wait())
        try:
            await asyncio.wait(
                (getting, closing), timeout=self._heartbeat, return_when=asyncio.FIRST_COMPLETED
            )
            if not getting.done():
                return b": nothing new\n\n"
            told = getting.result().items()
            data = {run: news.to_dict() if news else None for run, news in told}
            return f"event: news\ndata: {json.dumps(data)}\n\n".encode("ascii")
        finally:
            getting.cancel()
            closing.cancel()

    async def _shut(self, _: web.Application) -> None:
        """Let readers who wait go, so that the server can end."""
        self._closing.set()
