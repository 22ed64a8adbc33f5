"""An OpenAI-compatible server on loopback in a thread of its own, which counts its calls."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from llmopt.core.values import Call, Message
from llmopt.testing.scripted import answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmopt.core.values import Role


@dataclass
class Endpoint:
    """What the server is to do, and what it was asked.

    Attributes:
        url: Where its API begins.
        status: What it answers with; anything but 200 is an error.
        stalls_after: How many calls it answers before it keeps all others waiting.
        keys: The authorization of every call, in order.
    """

    url: str = ""
    status: int = 200
    stalls_after: int = 1_000_000
    keys: list[str] = field(default_factory=list)

    @property
    def calls(self) -> int:
        return len(self.keys)

    async def handle(self, request: web.Request) -> web.Response:
        self.keys.append(request.headers.get("Authorization", ""))
        if self.calls > self.stalls_after:
            await asyncio.Event().wait()
        if self.status != 200:
            said = {"error": {"message": "this key is not known"}}
            return web.json_response(said, status=self.status)
        data: dict[str, Any] = await request.json()
        text = data["messages"][-1]["content"]
        role: Role = "optimizer" if "<INS>" in text else "scorer"
        # The draws of a meta-prompt are told apart by their order.
        words = answer(Call(role, (Message("user", text),), sample=self.calls))
        return web.json_response(
            {
                "choices": [
                    {"index": 0, "finish_reason": "stop", "message": {"content": words}},
                ],
                "usage": {"prompt_tokens": len(text), "completion_tokens": len(words)},
            }
        )


@contextmanager
def endpoint() -> Iterator[Endpoint]:
    """Serve until the block ends."""
    made = Endpoint()
    ready, over = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", made.handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        made.url = f"http://{host}:{port}/v1"
        ready.set()
        await over.wait()
        await runner.cleanup()

    def run() -> None:
        loop.run_until_complete(serve())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait()
    try:
        yield made
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
