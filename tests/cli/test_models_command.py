"""``llmopt models`` and ``llmopt models test``, against a server on loopback."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Shell

KEY = "sk-recognisable-4711"


@contextmanager
def serving(status: int = 200) -> Iterator[str]:
    """Serve chats only, without usage, at the address that is given."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            data = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            choice = {"message": {"content": "y\x1b[31mes"}}
            said: dict[str, Any] = {"choices": [choice] * data.get("n", 1)}
            found = status if "messages" in data else 404
            if found != 200:
                said = {"error": {"message": f"no, {self.headers['Authorization']}"}}
            content = json.dumps(said).encode()
            self.send_response(found)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - named by its base
            """Write nothing beside the output of the command."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_list_says_what_is_configured(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names, whether their keys are set, and no key."""
    monkeypatch.setenv("GROQ_API_KEY", KEY)
    monkeypatch.delenv("XAI_API_KEY", raising=False)
    text = shell.llmopt("models")
    rows = {row["name"]: row for row in shell.llmopt("models", "--json").data}
    assert rows["groq/<model>"]["ready"]
    assert rows["xai/<model>"]["state"] == "XAI_API_KEY is not set"
    assert all(name in text.out and row["what"] in text.out for name, row in rows.items())
    assert KEY not in text.out + json.dumps(rows)


def test_a_model_that_can_do_some_of_it(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """What works is told from what does not, in the server's words, which command no terminal."""
    monkeypatch.setenv("GROQ_API_KEY", KEY)
    with serving() as url:
        said = shell.llmopt("models", "test", "openai/tiny", "--base-url", url)
        data = shell.llmopt(
            *("models", "test", "xai/m", "--base-url", url),
            *("--key-variable", "GROQ_API_KEY", "--json"),
        ).data
    assert said.code == 0
    lines = [line.split(None, 2) for line in said.out.splitlines()]
    assert lines[0] == [f"openai/tiny@{url}"]
    assert lines[1][:2] == ["chat", "yes"]
    assert "\\x1b" in lines[1][2]
    assert "\x1b" not in said.out
    assert data["identity"] == f"xai/m@{url}"
    works = {row["what"]: row["works"] for row in data["findings"]}
    assert works == {
        "chat": True,
        "raw completion": False,
        "n": True,
        "logprobs": False,
        "usage": False,
    }
    assert "status 404 and said: no, [secret]" in data["findings"][1]["said"]
    assert KEY not in said.out + json.dumps(data)


@pytest.mark.parametrize("json_too", [(), ("--json",)])
def test_a_model_that_can_do_nothing(shell: Shell, json_too: tuple[str, ...]) -> None:
    """The exit code is 1, and the reason is shown all the same."""
    with serving(status=401) as url:
        said = shell.llmopt("models", "test", "openai/tiny", "--base-url", url, *json_too)
    assert said.code == 1
    assert "status 401" in said.out
    assert "check the key" in said.out


def test_a_server_that_does_not_run(shell: Shell) -> None:
    """It is said where nobody was met."""
    with serving() as url:
        pass
    said = shell.llmopt("models", "test", "ollama/m", "--base-url", url)
    assert said.code == 1
    assert "cannot be reached" in said.out
    assert "check the base URL, and that the server runs" in said.out


def test_what_cannot_be_tested(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown name, and a key that is not there, are bad input."""
    monkeypatch.delenv("GROQ_API_KEY", raising=False)
    said = shell.llmopt("models", "test", "groq/m")
    assert (said.code, "export GROQ_API_KEY" in said.err) == (2, True)
    said = shell.llmopt("models", "test", "grog/m")
    assert (said.code, "did you mean 'groq'?" in said.err) == (2, True)
