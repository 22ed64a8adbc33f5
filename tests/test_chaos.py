"""Whatever an endpoint does, a run ends as if nothing had happened, and asks no more than needed.

The endpoint is a real server on loopback. Its replies are a function of the call, and one in
five of them is a fault, drawn from the call and how often it came before.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from llmopt.algorithms.opro import opro
from llmopt.api import optimize_async
from llmopt.core.values import Call, Message, digest
from llmopt.errors import ModelError, RefusedError, StepFailedError
from llmopt.models.middleware.base import Middleware
from llmopt.models.middleware.traffic import Stretch
from llmopt.models.providers.openai import OpenAIModel
from llmopt.store import open_store
from llmopt.testing import scripted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from llmopt.core.values import Reply, Role
    from llmopt.evidence.result import Result

SHARE = 0.2
FAULTS = ("429", "429 soon", "500", "drop", "stall", "cut json", "cut body", "html", "no choices")
STALLS = 2  # each takes the whole time limit of an attempt
SLOTS = 16
DRAW = "\nDraw "


class Numbered(Middleware):
    """Sends the number of the draw along, so that the endpoint can answer each draw its own."""

    async def complete(self, call: Call) -> Reply:
        text = f"{call.messages[-1].content}{DRAW}{call.sample}"
        return await self.inner.complete(replace(call, messages=(Message("user", text),)))


@dataclass
class Endpoint:
    """What the server does and has done.

    Attributes:
        fault: From a call's text and how often it came before to a fault, or "".
        log: How often each text came.
        served: The faults given.
        most: Most requests at once.
    """

    fault: Callable[[str, int], str] = field(default=lambda _text, _before: "")
    log: Counter[str] = field(default_factory=Counter)
    served: list[str] = field(default_factory=list)
    url: str = ""
    inside: int = 0
    most: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            text = (await request.json())["messages"][-1]["content"]
            before = self.log[text]
            self.log[text] += 1
            fault = self.fault(text, before)
            whole = answered(text)
            if not fault:
                return web.json_response(whole)
            self.served.append(fault)
            return await self.failed(request, fault, json.dumps(whole))
        finally:
            self.inside -= 1

    async def failed(self, request: web.Request, fault: str, whole: str) -> web.StreamResponse:
        assert request.transport is not None
        if fault == "stall":
            await self.over.wait()
        if fault in ("drop", "stall"):
            request.transport.abort()
            return web.Response()
        if fault == "cut body":
            response = web.StreamResponse(headers={"Content-Length": str(len(whole))})
            response.content_type = "application/json"
            await response.prepare(request)
            await response.write(whole[:20].encode())
            request.transport.close()
            return response
        plain = "application/json"
        status, kind, wait, content = {
            "429": (429, plain, "", '{"error": {"message": "slow down"}}'),
            "429 soon": (429, plain, "0.02", '{"error": {"message": "slow down"}}'),
            "500": (500, "text/plain", "", "Internal Server Error"),
            "cut json": (200, plain, "", whole[:-7]),
            "html": (200, "text/html", "", "<html>Sign in</html>"),
            "no choices": (200, plain, "", '{"choices": []}'),
            "401": (401, plain, "", '{"error": {"message": "this key is not known"}}'),
            "403": (403, plain, "", '{"error": {"message": "not for you"}}'),
            "404": (404, plain, "", '{"error": {"message": "no such model"}}'),
            "400": (400, plain, "", '{"error": {"message": "no such parameter"}}'),
            "quota": (
                429,
                plain,
                "",
                '{"error": {"message": "you are out of quota", "code": "insufficient_quota"}}',
            ),
            "429 late": (429, plain, "50", '{"error": {"message": "slow down"}}'),
        }[fault]
        headers = {"Content-Type": kind, **({"Retry-After": wait} if wait else {})}
        return web.Response(status=status, headers=headers, text=content)


def answered(text: str) -> dict[str, Any]:
    """The reply to a text: the scripted world's, a function of the text."""
    text, _, draw = text.rpartition(DRAW)
    role: Role = "optimizer" if "<INS>" in text else "scorer"
    said = scripted.answer(Call(role, (Message("user", text),), sample=int(draw)))
    return {
        "choices": [{"message": {"content": said}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": len(text), "completion_tokens": len(said)},
    }


@asynccontextmanager
async def serving() -> AsyncIterator[Endpoint]:
    endpoint = Endpoint()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", endpoint.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    endpoint.url = f"http://{host}:{port}/v1"
    try:
        yield endpoint
    finally:
        endpoint.over.set()
        await runner.cleanup()


def seeded(endpoint: Endpoint, seed: int) -> Callable[[str, int], str]:
    """One in five replies is a fault; those of a call's first three attempts at most."""

    def fault(text: str, before: int) -> str:
        random = Random(digest(f"{seed} {text} {before}"))
        if before > 2 or random.random() >= SHARE:
            return ""
        kind = random.choice(FAULTS)
        return "500" if kind == "stall" and endpoint.served.count("stall") == STALLS else kind

    return fault


async def ran(url: str, store: Path, **more: Any) -> Result:
    provider = OpenAIModel("tiny", base_url=url, timeout=1.5)
    model = Numbered(provider)
    options: dict[str, Any] = {"steps": 2, "seed": 5, "finalists": 3, "concurrency": SLOTS}
    options |= {"controls": (), **more}
    try:
        return await optimize_async(
            replace(scripted.problem(), scorer=model),
            algorithm=opro(samples=4),
            store=store,
            name="tried",
            progress=False,
            **options,
        )
    finally:
        await provider.close()


def found(result: Result) -> Result:
    """Everything in a result but the time and the trouble it took."""
    return replace(result, seconds=0.0, stretch=Stretch())


def journaled(store: Path) -> list[dict[str, Any]]:
    opened = open_store(store)
    try:
        return [record.data for record in opened.records("tried") if record.kind == "step"]
    finally:
        opened.close()


async def test_a_run_amid_faults_ends_as_one_without(tmp_path: Path) -> None:
    """The same steps and the same result, with one request per reply and one per fault."""
    async with serving() as endpoint:
        calm = await ran(endpoint.url, tmp_path / "calm.sqlite")
        asked = set(endpoint.log)
        assert set(endpoint.log.values()) == {1}
        endpoint.log.clear()
        endpoint.fault = seeded(endpoint, seed=1)
        rough = await ran(endpoint.url, tmp_path / "rough.sqlite")
        assert set(endpoint.served) == set(FAULTS)
        assert set(endpoint.log) == asked
        assert endpoint.log.total() == len(asked) + len(endpoint.served)
        assert endpoint.most <= SLOTS
    assert rough.stretch.retries == len(endpoint.served)
    assert found(rough) == found(calm)
    assert journaled(tmp_path / "rough.sqlite") == journaled(tmp_path / "calm.sqlite")


@pytest.mark.parametrize("fault", ["401", "403", "404", "quota"])
async def test_a_refusal_ends_a_run_at_once(tmp_path: Path, fault: str) -> None:
    """In the midst of a run, with others pausing for most of a minute, nobody is asked again,
    the provider's own words are told, and the run goes on once it is allowed to."""
    async with serving() as endpoint:
        whole = await ran(endpoint.url, tmp_path / "whole.sqlite")
        endpoint.log.clear()

        def refusing(_text: str, before: int) -> str:
            count = endpoint.log.total()
            return "" if count < 60 else "429 late" if count < 66 else fault if before == 0 else ""

        endpoint.fault = refusing
        said = {"quota": "out of quota", "401": "not known", "403": "not for you"}
        async with asyncio.timeout(30):
            with pytest.raises(RefusedError, match=said.get(fault, "no such")):
                await ran(endpoint.url, tmp_path / "cut.sqlite")
        assert set(endpoint.log.values()) == {1}
        assert endpoint.served.count(fault) <= SLOTS
        refused, endpoint.fault = len(endpoint.served), lambda _text, _before: ""
        resumed = await ran(endpoint.url, tmp_path / "cut.sqlite")
        assert endpoint.log.total() == len(endpoint.log) + refused
    assert found(resumed) == found(whole)


async def test_a_step_has_a_deadline(tmp_path: Path) -> None:
    """Calls that fail past it are not asked again, and the run stops, resumable."""
    async with serving() as endpoint:
        endpoint.fault = lambda _text, _before: "429 soon" if endpoint.log.total() > 30 else ""
        async with asyncio.timeout(30):
            with pytest.raises((StepFailedError, ModelError), match=r"step is over|deadline"):
                await ran(endpoint.url, tmp_path / "late.sqlite", step_deadline=0.5)
        endpoint.fault = lambda _text, _before: ""
        resumed = await ran(endpoint.url, tmp_path / "late.sqlite", step_deadline=100)
    assert resumed.steps == 2
