"""A store is data: whatever it names, no reader imports it, calls it, or asks a model."""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from llmopt import open_store
from llmopt.core.imports import imported
from llmopt.core.store import CONFIG as FIRST
from llmopt.web.server.access import Door
from llmopt.web.server.page_cache import Shelf
from llmopt.web.server.routes import Site

if TYPE_CHECKING:
    from conftest import Shell

TRAP = "open('sprung', 'w').close()\nanswer = problem = metric = parser = shown = method = print\n"

NAMES = {
    "problem": {
        "function": "trap_module:problem",
        "metric": "trap_module:metric",
        "arguments": {"parser": "trap_module:parser", "shown": "trap_module:shown"},
    },
    "scorer": {"model": "scripted/trap_module:answer", "base_url": "http://127.0.0.1:9/v1"},
    "optimizer": {"model": "scripted/trap_module:answer", "key_variable": "HOME"},
    "judge": {"model": "scripted/trap_module:answer"},
    "algorithm": {"name": "trap_module:method", "embedder": "trap_module:vectors"},
}
"""What the configuration of a store may name."""

COMMANDS = (
    *(("show", "run"), ("show", "run", "--json"), ("runs",), ("runs", "--json"), ("report", "run")),
    *(("compare", "run", "other"), ("compare", "run", "other", "--json")),
    *(("export", "run", "--format", form) for form in ("text", "json", "items", "trajectory")),
    *(("export", "run", "--format", form) for form in ("promptfoo", "dspy", "langchain", "openai")),
    ("export", "run", "--prompt"),
)


def store_of() -> str:
    """Return the path of the store that is used without another one."""
    with closing(open_store()) as store:
        return str(vars(store)["_path"])


def forged(path: str) -> None:
    """Let the configuration of every run name the trap wherever it names something."""
    with closing(sqlite3.connect(path)) as raw, raw:
        rows = raw.execute("SELECT run, json FROM journal WHERE kind = ?", (FIRST,)).fetchall()
        for run, text in rows:
            config: dict[str, Any] = json.loads(text)
            config["source"] = {**(config.get("source") or {}), **NAMES}
            config["identity"] |= {"scorer": "scripted/trap_module:answer"}
            values = (json.dumps(config), run, FIRST)
            raw.execute("UPDATE journal SET json = ? WHERE run = ? AND kind = ?", values)


@pytest.fixture
def foreign(shell: Shell) -> Shell:
    """A folder with a store of somebody else's, and a module of the name that it names."""
    shell.configure()
    for name in ("run", "other"):
        assert shell.llmopt("run", "run.toml", "-q", "--name", name).code == 0
    forged(store_of())
    for path in shell.folder.glob("*.toml"):
        path.unlink()
    shell.write("trap_module.py", TRAP)
    return shell


def test_no_command_that_reads_calls_what_a_store_names(foreign: Shell) -> None:
    for words in COMMANDS:
        said = foreign.llmopt(*words)
        assert said.code == 0, (words, said.err)
        assert "trap_module" not in sys.modules, words
        assert not (foreign.folder / "sprung").exists(), words


async def test_no_page_calls_what_a_store_names(foreign: Shell) -> None:
    with closing(open_store()) as store:
        site = Site(Shelf(store)).app(Door())
        async with TestClient(TestServer(site)) as client:
            for path in ("/", "/run/run", "/run/run/record.json", "/compare?run=run&run=other"):
                async with client.get(path) as answer:
                    assert answer.status == 200, path
    assert "trap_module" not in sys.modules
    assert not (foreign.folder / "sprung").exists()


def test_the_trap_works(foreign: Shell) -> None:
    assert imported("trap_module:answer", "a scripted model")
    assert (foreign.folder / "sprung").exists()
    del sys.modules["trap_module"]
