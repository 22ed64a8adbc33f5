"""A real HTTP server on loopback that speaks the OpenAI API and fails on purpose."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

KEY = "sk-loopback-5f2c9e7b1a4d"
FAULTS = (
    "429",
    "429 soon",
    "500",
    "503",
    "drop",
    "stall",
    "cut json",
    "cut body",
    "html",
    "no choices",
)


def echo_body(text: str, *, chat: bool, usage: bool = True) -> dict[str, Any]:
    """Return the answer to `text`: the text in capital letters."""
    said = text.upper()
    choice = {"message": {"role": "assistant", "content": said}} if chat else {"text": said}
    body: dict[str, Any] = {"choices": [{**choice, "index": 0, "finish_reason": "stop"}]}
    if usage:
        body["usage"] = {"prompt_tokens": len(text), "completion_tokens": 3, "total_tokens": 0}
    return body


def embedded(texts: list[str]) -> dict[str, Any]:
    """Return vectors of texts, their lengths, the last text's first."""
    rows = [{"index": n, "embedding": [len(text), 1]} for n, text in enumerate(texts)]
    return {"object": "list", "data": rows[::-1], "usage": {"prompt_tokens": 1}}


@dataclass
class Loopback:
    """What the server did, and what it is to do.

    Attributes:
        plan: From a call's text and how often it came before to a fault, or "" for an answer.
        log: Every request: path, decoded body, headers.
        served: The faults it gave.
        reply: A status, headers and body to give instead of an answer.
        refuses: What it answers with 400: ``chat``, ``raw``, ``n``, ``logprobs``.
        counts: Whether answers count their tokens.
    """

    plan: Callable[[str, int], str] = field(default=lambda _text, _before: "")
    log: list[tuple[str, dict[str, Any], dict[str, str]]] = field(default_factory=list)
    served: list[str] = field(default_factory=list)
    reply: tuple[int, dict[str, str], str | bytes] | None = None
    refuses: frozenset[str] = frozenset()
    counts: bool = True
    url: str = ""
    connections: set[object] = field(default_factory=set)
    in_flight: int = 0
    most_in_flight: int = 0
    delay: float = 0.0
    _seen: dict[str, int] = field(default_factory=dict)
    _stalled: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self._answer(request)
        finally:
            self.in_flight -= 1

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        data = await request.json()
        chat = "messages" in data
        vectors = "input" in data
        text = data["messages"][-1]["content"] if chat else data["input" if vectors else "prompt"]
        self.log.append((request.path, data, dict(request.headers)))
        self.connections.add(request.transport)
        await asyncio.sleep(self.delay)
        if self.reply is not None:
            status, headers, given = self.reply
            content = given.encode() if isinstance(given, str) else given
            return web.Response(status=status, headers=headers, body=content)
        if vectors:
            return web.json_response(embedded(text))
        refused = self.refuses & {"chat" if chat else "raw", *data}
        if refused:
            said = {"error": {"message": f"{min(refused)} is not supported"}}
            return web.json_response(said, status=400)
        before = self._seen.get(text, 0)
        self._seen[text] = before + 1
        fault = self.plan(text, before)
        if fault:
            self.served.append(fault)
            return await self._fail(request, fault, text)
        body = echo_body(text, chat=chat, usage=self.counts)
        body |= {"id": "1", "object": "chat.completion", "created": 1, "model": data["model"]}
        if "logprobs" in data:
            body["choices"][0]["logprobs"] = {"content": [{"token": "A", "logprob": -0.1}]}
        body["choices"] *= data.get("n", 1)
        return web.json_response(body)

    async def _fail(self, request: web.Request, fault: str, text: str) -> web.StreamResponse:
        whole = json.dumps(echo_body(text, chat=True))
        if fault == "drop":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if fault == "stall":
            await self._stalled.wait()
            return web.Response(status=500)
        if fault == "cut body":
            response = web.StreamResponse(headers={"Content-Length": str(len(whole))})
            response.content_type = "application/json"
            await response.prepare(request)
            await response.write(whole[:20].encode())
            assert request.transport is not None
            request.transport.close()
            return response
        answers: dict[str, tuple[int, dict[str, str], str]] = {
            "429": (429, {}, '{"error": {"message": "slow down", "code": "rate_limit"}}'),
            "429 soon": (429, {"Retry-After": "0.01"}, '{"error": {"message": "slow down"}}'),
            "500": (500, {}, "Internal Server Error"),
            "503": (503, {}, '{"error": {"message": "overloaded"}}'),
            "cut json": (200, {"Content-Type": "application/json"}, whole[:-7]),
            "html": (200, {"Content-Type": "text/html"}, "<html>Sign in</html>"),
            "no choices": (200, {"Content-Type": "application/json"}, '{"choices": []}'),
        }
        if fault.isdigit() and fault not in answers:
            answers[fault] = (int(fault), {}, '{"error": {"message": "as planned"}}')
        status, headers, content = answers[fault]
        return web.Response(status=status, headers=headers, text=content)


@asynccontextmanager
async def loopback() -> AsyncIterator[Loopback]:
    """Serve on a free port of loopback until the block ends."""
    server = Loopback()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", server.handle)
    app.router.add_post("/v1/completions", server.handle)
    app.router.add_post("/v1/embeddings", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.url = f"http://{host}:{port}/v1"
    try:
        yield server
    finally:
        server._stalled.set()
        await runner.cleanup()
