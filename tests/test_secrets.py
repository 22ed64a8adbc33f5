"""A key is nowhere but in the request: not in the store, logs, output, reports or errors."""

from __future__ import annotations

import base64
import io
import json
import logging
import traceback
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from aiohttp import web
from rich.console import Console

from llmopt.api import optimize_async
from llmopt.errors import LlmoptError
from llmopt.models.openai import OpenAIModel
from llmopt.report.progress import View
from llmopt.report.tables import print_result
from llmopt.testing import scripted
from llmopt.types import Call, Message

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from llmopt.search.progress import Progress

KEY = "qz-7Kd/93hf+Xw2Lm5PsT8vB1n"  # not of a shape that gives it away
PASSWORD = "open+sesame-41d7c0"
VERSION = "2026-secretive-9b3e"
FAULTY = 26  # requests among which some fail
FORMS = [
    form
    for secret in (KEY, PASSWORD, VERSION)
    for form in (
        secret,
        secret[4:-4],
        quote(secret, safe=""),
        base64.b64encode(secret.encode()).decode().rstrip("="),
        json.dumps(secret)[1:-1].replace("/", "\\/"),
    )
]


@asynccontextmanager
async def telltale(ends: int) -> AsyncIterator[str]:
    """An endpoint that repeats the request's headers and URL in every error.

    It fails in several ways among its first requests, and after so many for good with 401.
    """
    count = 0

    async def handle(request: web.Request) -> web.Response:
        nonlocal count
        count += 1
        data = await request.json()
        echo = {"headers": dict(request.headers), "url": str(request.url)}
        text = data["messages"][-1]["content"]
        words = f"bad request by {json.dumps(echo)}"
        error = {"error": {"message": words, "param": request.headers["Authorization"]}}
        if count > ends:
            return web.json_response(error, status=401)
        faulty = count < FAULTY
        if faulty and count % 7 == 0:
            return web.json_response(error, status=500, headers={"Retry-After": "0.01"})
        if faulty and count % 11 == 0:
            return web.Response(status=429, text=words, headers={"X-Echo": KEY})
        if faulty and count % 13 == 0:
            return web.Response(text=words, content_type="text/html")
        if faulty and count % 17 == 0:
            return web.json_response({**error, "choices": []})
        role: Any = "optimizer" if "<INS>" in text else "scorer"
        said = scripted.answer(Call(role, (Message("user", text),), sample=count))
        choice = {"message": {"content": said}, "finish_reason": "stop"}
        return web.json_response({"choices": [choice]})

    app = web.Application()
    app.router.add_post("/v1/chat/completions", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://user:{quote(PASSWORD, safe='')}@{host}:{port}/v1?api-version={VERSION}"
    finally:
        await runner.cleanup()


def check(text: str, where: str) -> None:
    """No form of a secret is in a text."""
    for form in FORMS:
        assert form not in text, where


def files(folder: Path) -> dict[str, str]:
    """The bytes of all files, the store's log included."""
    found = {f.name: f.read_bytes().decode("latin-1") for f in folder.rglob("*") if f.is_file()}
    assert {"runs.sqlite", "recording.jsonl"} <= found.keys()
    return found


def told(error: BaseException) -> str:
    """Everything that can be seen of an error: the traceback, causes, notes, attributes."""
    seen: list[str] = ["".join(traceback.format_exception(error))]
    found: BaseException | None = error
    while found is not None:
        notes = getattr(found, "__notes__", ())
        seen += [repr(found), str(found), repr(found.args), repr(vars(found)), repr(notes)]
        found = found.__cause__ or found.__context__
    return "\n".join(seen)


@pytest.mark.parametrize("ends", [FAULTY, 10**6])
async def test_a_key_is_nowhere(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    ends: int,
) -> None:
    """Neither after a run that ended well, nor after one that was refused."""
    caplog.set_level(logging.DEBUG)
    view = View(Console(stderr=True))
    states: list[str] = []

    def listen(progress: Progress) -> None:
        view(progress)
        states.append(repr(progress))

    report = Console(file=io.StringIO(), width=10_000)
    async with telltale(ends) as url:
        model = OpenAIModel("tiny", base_url=url, key=KEY)
        failed = ""
        try:
            result = await optimize_async(
                replace(scripted.problem(), scorer=model),
                store=tmp_path / "runs.sqlite",
                name="tried",
                steps=1,
                concurrency=8,
                tolerance=0.5,
                progress=listen,
                record=tmp_path / "recording.jsonl",
            )
            print_result(report, result)
            states.append(json.dumps(result.to_dict()))
        except LlmoptError as error:
            failed = told(error)
        finally:
            states += [repr(model), repr(vars(model)["_redact"]), model.identity]
            await model.close()
    assert bool(failed) == (ends == FAULTY)
    assert not failed or "[secret]" in failed
    for where, content in files(tmp_path).items():
        check(content, where)
    assert isinstance(report.file, io.StringIO)
    check(report.file.getvalue(), "the report")
    check(failed, "the error")
    check("\n".join(states), "the progress")
    out = capfd.readouterr()
    check(out.out + out.err, "the output")
    check(caplog.text + repr([r.__dict__ for r in caplog.records]), "the log")
