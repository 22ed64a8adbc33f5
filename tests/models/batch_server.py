"""A server on loopback with the batch interfaces as they are documented, in a thread of its own."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aiohttp import web

from llmopt.core.values import Call, Message
from llmopt.testing.scripted import answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmopt.core.values import Role


@dataclass
class BatchServer:
    """What the server is to do, and what it has got.

    Attributes:
        url: Where its API begins.
        looks: How often a batch says that it is in progress before it ends.
        ends: How batches end, in the order in which they came; the last one holds for all others.
        faults: Statuses that requests are answered with, by the end of their path; each once.
        lose: Paths whose next request is done, but not answered.
        failing: A result instead of an answer, by how often any call was answered before.
        asked: Method and path of every request.
        batches: By name: how they were sent.
        direct: Calls that were asked one by one.
        answered: Custom ids of all calls that were answered in batches, in order.
    """

    url: str = ""
    looks: int = 1
    ends: list[str] = field(default_factory=lambda: ["completed"])
    faults: dict[str, list[int]] = field(default_factory=dict)
    lose: list[str] = field(default_factory=list)
    failing: dict[int, dict[str, Any]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    direct: int = 0
    answered: list[str] = field(default_factory=list)

    @property
    def sizes(self) -> list[int]:
        """How many calls each batch had."""
        return [len(batch["lines"]) for batch in self.batches.values()]

    @web.middleware
    async def watched(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.asked.append((request.method, request.path))
        self.headers.append(dict(request.headers))
        for end, statuses in self.faults.items():
            if request.path.endswith(end) and statuses:
                said = {"error": {"message": "not now"}}
                return web.json_response(said, status=statuses.pop(0))
        made: web.StreamResponse = await handler(request)
        for end in self.lose:
            if request.path.endswith(end):
                self.lose.remove(end)
                assert request.transport is not None
                request.transport.close()
        return made

    async def chat(self, request: web.Request) -> web.Response:
        self.direct += 1
        return web.json_response(said_to(await request.json()))

    # -- OpenAI ---------------------------------------------------------------------------

    async def upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        assert form["purpose"] == "batch"
        file = form["file"]
        assert isinstance(file, web.FileField)
        return self._file(file.file.read())

    def _file(self, content: bytes) -> web.Response:
        name = f"file-{len(self.files)}"
        self.files[name] = content
        return web.json_response({"id": name})

    async def make(self, request: web.Request) -> web.Response:
        data = await request.json()
        assert data["completion_window"] == "24h"
        lines = [json.loads(line) for line in self.files[data["input_file_id"]].splitlines()]
        assert {line["url"] for line in lines} == {data["endpoint"]}
        assert len({line["custom_id"] for line in lines}) == len(lines)
        return self._made({"lines": lines, "metadata": data["metadata"], "kind": "openai"})

    def _made(self, batch: dict[str, Any]) -> web.Response:
        number = len(self.batches)
        name = f"batch_{number}"
        end = self.ends[min(number, len(self.ends) - 1)]
        self.batches[name] = batch | {"id": name, "looks": self.looks, "end": end}
        return web.json_response(self._shown(self.batches[name]))

    def _shown(self, batch: dict[str, Any]) -> dict[str, Any]:
        over, total = batch["looks"] <= 0, len(batch["lines"])
        if batch["kind"] == "anthropic":
            counts = {"processing": 0 if over else total, "succeeded": total if over else 0}
            return {
                "id": batch["id"],
                "processing_status": "ended" if over else "in_progress",
                "request_counts": counts,
                "created_at": batch["made"],
            }
        shown = {
            "id": batch["id"],
            "metadata": batch["metadata"],
            "status": batch["end"] if over else "in_progress",
            "request_counts": {"total": total, "completed": total if over else 0, "failed": 0},
        }
        if over and batch["end"] == "failed":
            said = {"code": "token_limit_exceeded", "message": "Enqueued token limit reached"}
            shown["errors"] = {"data": [said]}
        elif over:
            shown |= {"output_file_id": f"out-{batch['id']}", "error_file_id": None}
            if batch["end"] == "expired":
                shown |= {"output_file_id": None, "error_file_id": f"err-{batch['id']}"}
        return shown

    async def look(self, request: web.Request) -> web.Response:
        batch = self.batches.get(request.match_info["name"])
        if batch is None:
            return web.json_response({"error": {"message": "no such batch"}}, status=404)
        batch["looks"] -= 1
        return web.json_response(self._shown(batch))

    async def listed(self, _: web.Request) -> web.Response:
        shown = [self._shown(batch) for batch in self.batches.values()]
        return web.json_response({"data": shown[::-1], "has_more": False})

    async def content(self, request: web.Request) -> web.Response:
        kind, _, name = request.match_info["name"].partition("-")
        lines = []
        for line in self.batches[name]["lines"]:
            result: dict[str, Any] = {"custom_id": line["custom_id"], "error": None}
            if kind == "err":
                result |= {"response": None, "error": {"code": "batch_expired"}}
            else:
                body = self.failing.pop(len(self.answered), None)
                response = body or {"status_code": 200, "body": said_to(line["body"])}
                result["response"] = response
                self.answered.append(line["custom_id"])
            lines.append(json.dumps(result))
        return web.Response(text="\n".join(lines[::-1]))

    # -- Anthropic ------------------------------------------------------------------------

    async def make_messages(self, request: web.Request) -> web.Response:
        data = await request.json()
        made = datetime.fromtimestamp(time.time(), UTC).isoformat().replace("+00:00", "Z")
        return self._made({"lines": data["requests"], "kind": "anthropic", "made": made})

    async def results(self, request: web.Request) -> web.Response:
        lines = []
        for line in self.batches[request.match_info["name"]]["lines"]:
            params = line["params"]
            assert {"model", "max_tokens", "messages"} <= params.keys()
            assert all(turn["role"] in ("user", "assistant") for turn in params["messages"])
            chat = said_to(params)
            text = chat["choices"][0]["message"]["content"]
            message = {
                "content": [{"type": "text", "text": text}],
                "stop_reason": "end_turn",
                "usage": {"input_tokens": 7, "output_tokens": 2},
            }
            result = self.failing.pop(len(self.answered), None)
            result = result or {"type": "succeeded", "message": message}
            self.answered.append(line["custom_id"])
            lines.append(json.dumps({"custom_id": line["custom_id"], "result": result}))
        return web.Response(text="\n".join(lines))


def said_to(body: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to a chat."""
    text = body["messages"][-1]["content"]
    role: Role = "optimizer" if "<INS>" in text else "scorer"
    words = answer(Call(role, (Message("user", text),)))
    return {
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"content": words}}],
        "usage": {"prompt_tokens": len(text), "completion_tokens": len(words)},
    }


@contextmanager
def batch_server() -> Iterator[BatchServer]:
    """Serve until the context ends."""
    server, ready = BatchServer(), threading.Event()
    loop = asyncio.new_event_loop()

    async def begin() -> web.AppRunner:
        app = web.Application(middlewares=[server.watched], client_max_size=1 << 30)
        routes = (
            ("POST", "/v1/chat/completions", server.chat),
            ("POST", "/v1/files", server.upload),
            ("GET", "/v1/files/{name}/content", server.content),
            ("POST", "/v1/batches", server.make),
            ("GET", "/v1/batches", server.listed),
            ("GET", "/v1/batches/{name}", server.look),
            ("POST", "/v1/messages/batches", server.make_messages),
            ("GET", "/v1/messages/batches", server.listed),
            ("GET", "/v1/messages/batches/{name}", server.look),
            ("GET", "/v1/messages/batches/{name}/results", server.results),
        )
        for method, path, handler in routes:
            app.router.add_route(method, path, handler)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        return runner

    def serve() -> None:
        asyncio.set_event_loop(loop)
        runner = loop.run_until_complete(begin())
        ready.set()
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    ready.wait()
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
