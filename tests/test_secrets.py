"""A key is nowhere but in the request: not in the store, logs, output, reports or errors."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import logging
import os
import sys
import traceback
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from aiohttp import web
from click.testing import CliRunner
from rich.console import Console

from llmopt.api import optimize_async
from llmopt.cli import main
from llmopt.core.values import Call, Message
from llmopt.errors import LlmoptError
from llmopt.models.providers.openai import OpenAIModel
from llmopt.store import open_store
from llmopt.terminal.progress import View
from llmopt.terminal.result_table import print_result
from llmopt.testing import scripted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from llmopt.engine.progress import Progress

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


def everything(request: web.Request) -> str:
    """What a server may say of a request: its headers and its URL."""
    echo = {"headers": dict(request.headers), "url": str(request.url)}
    return f"bad request by {json.dumps(echo)}"


def credential(request: web.Request) -> str:
    """The key or the login that came with a request, without the word before it."""
    return request.headers["Authorization"].partition(" ")[2]


def login(request: web.Request) -> str:
    """The user name and the password that came with a request."""
    return base64.b64decode(credential(request)).decode()


# What a server may repeat early in an error, where nothing around it gives it away; and the key
# that is configured: without one, the user name and the password of the URL are sent.
ECHOES: dict[str, tuple[str, Callable[[web.Request], str]]] = {
    "everything": (KEY, everything),
    "key": (KEY, lambda request: f"no such key: {credential(request)}."),
    "key in a URL": (KEY, lambda request: f"at /v1?k={quote(credential(request), safe='')}&a=1"),
    "encoded key": (
        KEY,
        lambda request: f"token {base64.b64encode(credential(request).encode()).decode()} is bad",
    ),
    "query": (KEY, lambda request: f"no version {request.query['api-version']} here"),
    "login": ("", lambda request: f"nobody is {credential(request)}"),
    "password": ("", lambda request: f"nobody is {login(request)}"),
    "password in a URL": ("", lambda request: f"at //{quote(login(request), safe=':')}@h/v1"),
}


@asynccontextmanager
async def telltale(ends: int, words_of: Callable[[web.Request], str]) -> AsyncIterator[str]:
    """An endpoint whose errors say of a request what `words_of` does.

    It fails in several ways among its first requests, for one question always, and after so
    many requests for good with 401.
    """
    count = 0
    stubborn = scripted.problem().items("train")[0].input

    async def handle(request: web.Request) -> web.Response:
        nonlocal count
        count += 1
        data = await request.json()
        text = data["messages"][-1]["content"]
        words = words_of(request)
        error = {"error": {"message": words, "param": request.headers["Authorization"]}}
        never = stubborn in text and "<INS>" not in text
        if never or count > ends:
            # Too long to wait for: the question stays unmeasured, and the journal says why.
            status, wait = (401, {}) if count > ends else (500, {"Retry-After": "1000"})
            return web.json_response(error, status=status, headers=wait)
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


def journal(path: Path) -> str:
    """Everything that a store knows of a run, read through the store."""
    store = open_store(path)
    try:
        records = [repr(record) for record in store.records("tried")]
        return "\n".join([*records, repr(store.config("tried")), repr(list(store.runs()))])
    finally:
        store.close()


@pytest.mark.parametrize(
    ("echo", "ends"), [*((echo, FAULTY) for echo in ECHOES), ("everything", 10**6)]
)
async def test_a_key_is_nowhere(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    echo: str,
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
    key, words_of = ECHOES[echo]
    async with telltale(ends, words_of) as url:
        model = OpenAIModel("tiny", base_url=url, key=key)
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
    kept = journal(tmp_path / "runs.sqlite")
    assert isinstance(report.file, io.StringIO)
    out = capfd.readouterr()
    shown = {
        "the journal": kept,
        "the report": report.file.getvalue(),
        "the error": failed,
        "the progress": "\n".join(states),
        "the output": out.out + out.err,
        "the log": caplog.text + repr([r.__dict__ for r in caplog.records]),
    }
    for where, content in {**files(tmp_path), **shown}.items():
        check(content, where)
    # The errors were told in all of these places, so a secret could have been as well.
    assert "[secret]" in (failed or kept)
    assert "[secret]" in shown["the log"]


CONFIG = """
[problem]
data = "questions.csv"
task = "Answer with yes or no."
instructions = ["Answer.", "Answer now."]
sizes = [12, 8, 20]

[scorer]
model = "openai/tiny"

[run]
name = "tried"
steps = 1
concurrency = 8
tolerance = 0.5
"""


@pytest.mark.parametrize("echo", ["everything", "password"])
async def test_a_command_says_no_key(tmp_path: Path, echo: str) -> None:
    """All that a refused run prints, with its log, its last message and what it keeps."""
    questions = [f"Question number {n}?,{'yes' if n % 2 else 'no'}" for n in range(40)]
    (tmp_path / "questions.csv").write_text("\n".join(["input,target", *questions, ""]))
    (tmp_path / "run.toml").write_text(CONFIG)
    key, words_of = ECHOES[echo]
    async with telltale(FAULTY, words_of) as url:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "llmopt", "run", "run.toml", "-v"),
            *("--store", "runs.sqlite", "--record", "recording.jsonl"),
            cwd=tmp_path,
            env={**os.environ, "OPENAI_API_KEY": key, "OPENAI_BASE_URL": url},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = (text.decode() for text in await process.communicate())
    assert process.returncode == 1
    *log, last = err.splitlines()
    assert last.startswith("Error: http://127.0.0.1")
    assert "[secret]" in last
    assert "[secret]" in "\n".join(log)
    for where, content in {**files(tmp_path), "the output": out + err}.items():
        check(content, where)
    check(journal(tmp_path / "runs.sqlite"), "the journal")


@pytest.mark.parametrize(
    "url",
    [
        "https://user:hunter22@host/v1",
        "https://hunter22@host/v1",
        "https://host/v1?api-key=hunter22",
        "https://host/v1?version=1&sig=hunter22",
    ],
)
def test_a_configuration_holds_no_secret(tmp_path: Path, url: str) -> None:
    """It would be stored with the run and shown, so it is refused, without being repeated."""
    config = tmp_path / "llmopt.toml"
    (tmp_path / "rows.csv").write_text("input,target\n" + "a,yes\nb,no\n" * 20)
    config.write_text(
        f'[problem]\ndata = "rows.csv"\n[scorer]\nmodel = "openai/x"\nbase_url = "{url}"\n'
    )
    store = tmp_path / "runs.sqlite"
    done = CliRunner().invoke(main, ["run", str(config), "--store", str(store)])
    assert done.exit_code == 2
    assert "holds no password and no key" in done.stderr
    found = done.output + repr([f.read_bytes() for f in tmp_path.rglob("runs*") if f.is_file()])
    assert "hunter22" not in found
