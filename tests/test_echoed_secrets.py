"""What a server repeats in an answer, a proxy says, or a user writes in a wrong place."""

from __future__ import annotations

import asyncio
import base64
import html
import json
import os
import re
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

import llmopt
from llmopt.config.reading import read
from llmopt.core.values import Call, Message
from llmopt.errors import ConfigError, LlmoptError
from llmopt.models.providers.openai import OpenAIModel
from llmopt.models.providers.request_options import RequestOptions
from llmopt.models.secrets import fit_for_messages, know, looks_secret, without_secrets
from llmopt.testing import scripted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

KEY = "zz-41Kd-93hf-Xw2Lm"
HEADER = "tenant-7f3a-99b1"
PASSWORD = "sesame+41/d7c0"
ROWS = "input,target\n" + "".join(f"Is {n} even?,{'no' if n % 2 else 'yes'}\n" for n in range(40))


@asynccontextmanager
async def server(answer: Callable[[web.Request], Any]) -> AsyncIterator[str]:
    """A server that answers every request, whatever its path or host."""

    async def handle(request: web.Request) -> web.Response:
        said = answer(request)
        return said if isinstance(said, web.Response) else web.json_response(said)

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"{host}:{port}"
    finally:
        await runner.cleanup()


def said(text: str, **more: Any) -> dict[str, Any]:
    message = {"content": text, "reasoning_content": f"I see {text}"}
    return {"choices": [{"message": message, "finish_reason": "stop", **more}]}


def files(folder: Path) -> list[bytes]:
    """Return the bytes of all files."""
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


def bearer(request: web.Request) -> str:
    return request.headers["Authorization"].removeprefix("Bearer ")


ECHOES: dict[str, Callable[[web.Request], Any]] = {
    "key": lambda r: said(f"Your key is {bearer(r)}."),
    "header": lambda r: said(f"Authorization: {r.headers['Authorization']}"),
    "own header": lambda r: said(f"From {r.headers['X-Tenant-Key']}"),
    "all headers": lambda r: said(json.dumps(dict(r.headers))),
    "encoded": lambda r: said(base64.b64encode(bearer(r).encode()).decode()),
    "quoted": lambda r: said(quote(r.headers["X-Tenant-Key"], safe="")),
    "end": lambda r: said("yes", finish_reason=bearer(r)),
    "error": lambda r: {**said(""), "error": {"message": bearer(r)}},
}


@pytest.mark.parametrize("echo", ECHOES)
async def test_what_a_server_repeats_is_neither_answered_nor_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, echo: str
) -> None:
    monkeypatch.setenv("TENANT", HEADER)
    request = RequestOptions(headers={"X-Tenant-Key": {"env": "TENANT"}})
    seen: list[str] = []
    async with server(ECHOES[echo]) as where:
        model = OpenAIModel("m", base_url=f"http://{where}/v1", key=KEY, request=request)
        model.traits = replace(model.traits, deadline=3.0)  # few attempts, where it is an error
        try:
            seen.append(repr(await model.complete(Call("scorer", (Message("user", "a"),)))))
        except LlmoptError as error:
            seen.append(repr(error))
        try:
            await llmopt.optimize_async(
                replace(scripted.problem(), scorer=model),
                optimizer=model,
                store=tmp_path / "runs.sqlite",
                name="a",
                steps=1,
                record=tmp_path / "recording.jsonl",
                progress=False,
            )
        except LlmoptError as error:
            seen.append(repr(error))
        await model.close()
    seen += [content.decode("latin-1") for content in files(tmp_path)]
    for form in (KEY, HEADER, base64.b64encode(KEY.encode()).decode(), KEY[3:]):
        assert all(form not in text for text in seen)
    assert any("[secret]" in text for text in seen)


FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in capitals": str.upper,
    "in small letters": str.lower,
    "in a URL": lambda key: quote(key, safe=""),
    "in the path of a URL": quote,
    "escaped in small letters": lambda key: re.sub(
        "%..", lambda match: match[0].lower(), quote(key, safe="")
    ),
    "escaped twice": lambda key: quote(quote(key, safe=""), safe=""),
    "in JSON": lambda key: key.replace("/", "\\/"),
    "in HTML": html.escape,
    "hexadecimal": lambda key: key.encode().hex(),
    "hexadecimal in capitals": lambda key: key.encode().hex().upper(),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_known_in_every_form(form: str) -> None:
    """In which servers, and the libraries behind them, write what they were sent."""
    key = "zz-77/Kd+93&hf<Xw2Lm"
    know(key)
    assert without_secrets(f"I got {FORMS[form](key)}.") == "I got [secret]."
    assert fit_for_messages(f"I got {FORMS[form](key)}.") == "I got [secret]."


@given(before=st.binary(max_size=20), after=st.binary(max_size=20), urls=st.booleans())
def test_a_secret_is_known_in_base64_wherever_it_stands(
    before: bytes, after: bytes, *, urls: bool
) -> None:
    """As a part of a header or a whole request that was encoded, too."""
    key = "yy-99~Kd?93>hfXw2Lm"
    know(key)
    encode = base64.urlsafe_b64encode if urls else base64.b64encode
    encoded = encode(before + key.encode() + after).decode()
    found = without_secrets(f"I got {encoded}.")
    left = found.removeprefix("I got ").removesuffix(".")
    assert "[secret]" in left
    # At most a letter on either side is made of bits of it.
    start, end = left.split("[secret]")
    assert len(start) <= len(encode(before)) + 1
    assert len(end) <= len(encode(after)) + 3


def test_answers_without_a_secret_stay_as_they_are() -> None:
    """And so do the words that local servers are given as keys."""
    for key in ("lm-studio", "not-needed", "key", "none"):
        OpenAIModel("m", base_url="http://127.0.0.1:9/v1", key=key)
        assert without_secrets(f"The {key} is  a\nword.") == f"The {key} is  a\nword."
    query = "http://127.0.0.1:9/v1?api-version=2024-06-01"
    OpenAIModel("m", base_url=query, key=KEY)
    assert without_secrets("On 2024-06-01.") == "On 2024-06-01."


@pytest.mark.parametrize("fault", ["407", "answer", "drop"])
async def test_a_proxy_s_password_is_neither_shown_nor_stored(tmp_path: Path, fault: str) -> None:
    def answer(request: web.Request) -> Any:
        login = base64.b64decode(request.headers["Proxy-Authorization"].split()[1]).decode()
        if fault == "407":
            return web.Response(status=407, text=f"no such user: {login}, {dict(request.headers)}")
        return said(f"I am {login} {dict(request.headers)} {quote(login)}")

    (tmp_path / "rows.csv").write_text(ROWS)
    (tmp_path / "run.toml").write_text(
        '[problem]\ndata = "rows.csv"\n[scorer]\nmodel = "openai/x"\n'
        'base_url = "http://model.invalid/v1"\n[run]\nsteps = 1\n'
    )
    async with server(answer) as where:
        there = "127.0.0.1:9" if fault == "drop" else where
        proxy = f"http://user:{quote(PASSWORD, safe='')}@{there}"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "llmopt", "run", "run.toml", "-v"),
            *("--store", "runs.sqlite", "--record", "recording.jsonl"),
            cwd=tmp_path,
            env={**os.environ, "OPENAI_API_KEY": KEY, "http_proxy": proxy, "no_proxy": ""},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await process.communicate()
    seen = [out, *files(tmp_path)]
    assert (b"reached" if fault == "drop" else b"[secret]") in b"".join(seen)
    login = f"user:{PASSWORD}"
    for form in (PASSWORD, quote(PASSWORD, safe=""), base64.b64encode(login.encode()).decode()):
        assert all(form.encode() not in text for text in seen), out.decode()


WRONG = "qK7dA93hfXw2Lm5PsT8vB1n0"
PLACES = {
    "key_variable": f'key_variable = "{WRONG}"',
    "key_variable with dashes": f'key_variable = "sk-{WRONG}"',
    "key_variable in capitals": f'key_variable = "{WRONG.upper()}"',
    "base_url": f'base_url = "{WRONG}"',
    "base_url as a path": f'base_url = "https://127.0.0.1:9/sk-{WRONG}/v1"',
    "base_url as a login": f'base_url = "{WRONG}@127.0.0.1:9/v1"',
    "base_url in a list": f'base_url = ["{WRONG}"]',
    "price": f'price = "{WRONG}"',
    "price in words": f'price = {{ input = "{WRONG}", output = 1 }}',
    "short price": 'price = "hunter22"',
    "header": f'headers = "{WRONG}"',
    "variable of a header": f'headers = {{ A = {{ env = "{WRONG}" }} }}',
    "deadline": f'deadline = "{WRONG}"',
    "mode": f'mode = "{WRONG}"',
    "unknown": f'api_key = "{WRONG}"',
}


@pytest.mark.parametrize("place", PLACES)
def test_a_key_in_a_wrong_place_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    (tmp_path / "rows.csv").write_text(ROWS)
    config = tmp_path / "run.toml"
    config.write_text(
        f'[problem]\ndata = "rows.csv"\n[scorer]\nmodel = "openai/x"\n{PLACES[place]}\n'
    )
    with pytest.raises(ConfigError) as refused:  # noqa: PT012 - any of these may refuse it
        table = read(config).scorer
        assert table
        table.named().built()
    for form in (WRONG, WRONG.upper(), "hunter22"):
        assert form not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (WRONG, True),
        ("sk-proj-abcdefgh", True),
        ("user@host", True),
        ("Bearer abc", True),
        ("a", False),
        ("0.5", False),
        ("before_Q", False),
        ("fast and cheap", False),
    ],
)
def test_what_looks_like_a_key(text: str, secret: bool) -> None:
    assert looks_secret(text) == secret
