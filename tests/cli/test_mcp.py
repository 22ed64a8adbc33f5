"""The server for coding agents, asked by the client of the official SDK."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from llmopt.errors import MissingExtraError
from llmopt.integrations.mcp_server import server

if TYPE_CHECKING:
    from conftest import Shell


@pytest.fixture
def sdk() -> Any:
    return pytest.importorskip("mcp", reason="needs the extra mcp: make test-extras")


async def asked(client: Any, tool: str, **arguments: Any) -> dict[str, Any]:
    said = await client.call_tool(tool, arguments)
    assert not said.is_error, said.content
    found: dict[str, Any] = said.structured_content
    return found


async def ended(client: Any, name: str) -> dict[str, Any]:
    """Wait until a run is over."""
    while (found := await asked(client, "status", name=name))["at_work"]:  # noqa: ASYNC110 - as an agent waits
        await asyncio.sleep(0.05)
    return found


async def paid(client: Any, name: str) -> int:
    """Return how many calls a run has made so far."""
    used = (await asked(client, "status", name=name))["used"]
    return sum(role["calls"] for role in used.values())


async def test_an_agent_does_the_whole_job(shell: Shell, sdk: Any) -> None:
    """Check, run within a budget, status, result, export: as the commands do it."""
    config = str(shell.folder / "run.toml")
    async with sdk.Client(server()) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert names == {"check", "run", "status", "result", "export"}
        found = await asked(client, "check", config=config, overrides=["budget.calls=500"])
        assert found["exit_code"] == 0
        assert found["out"]["checks"], found
        await asked(client, "run", config=config, name="mine", budget={"calls": 500})
        status = await ended(client, "mine")
        assert (status["exit_code"], status["run"]["status"]) == (0, "done")
        assert status["run"]["steps"] == 2
        assert 0 < status["used"]["scorer"]["calls"] <= 500
        result = (await asked(client, "result", name="mine"))["out"]
        assert result["verdict"]
        text = (await asked(client, "export", name="mine"))["out"]
        assert text == result["best"]["text"]
        config_of = (await asked(client, "export", name="mine", form="openai"))["out"]
        assert json.loads(config_of)["messages"]


async def test_a_run_needs_a_budget(shell: Shell, sdk: Any) -> None:
    """And the budget that the tool was given is the one that holds."""
    config = str(shell.folder / "run.toml")
    async with sdk.Client(server()) as client:
        for budget in ({}, {"seconds": 60}, {"usd": 1, "usd=9 #": 1}):
            given = {"config": config, "name": "mine", "budget": budget}
            refused = await client.call_tool("run", given)
            assert refused.is_error
            assert "usd, calls or tokens, but got" in refused.content[0].text
        larger = ["budget.calls=100000"]
        given = {"config": config, "name": "mine", "budget": {"calls": 20}, "overrides": larger}
        await asked(client, "run", **given)
        status = await ended(client, "mine")
        assert status["exit_code"] == 3
        assert sum(used["calls"] for used in status["used"].values()) <= 20
        assert "llmopt resume mine" in status["told"]


async def test_bad_input_is_told(shell: Shell, sdk: Any) -> None:
    """With the exit code and the message of the command; names are never options."""
    async with sdk.Client(server()) as client:
        found = await asked(client, "check", config=str(shell.folder / "none.toml"))
        assert found["exit_code"] == 2
        assert "none.toml" in found["told"]
        assert (await asked(client, "result", name="--help"))["exit_code"] == 2
        assert (await asked(client, "status", name="none"))["run"] is None
        assert "a format is one of" in (await asked(client, "export", name="a", form="x"))["told"]


FORBIDDEN = (
    "scorer.base_url=http://127.0.0.1:9/v1",
    "scorer.key_variable=HOME",
    'scorer.headers={a = {env = "HOME"}}',
    "scorer.model=scripted/subprocess:getoutput",
    "optimizer.model=local/x",
    "judge.base_url=http://127.0.0.1:9",
    "problem.function=os:getcwd",
    "problem.metric=subprocess:getoutput",
    "problem.data=/etc/passwd",
    'problem={function = "os:getcwd"}',
    "algorithm.name=os:getcwd",
    "algorithm.template_from=/etc/passwd",
    "algorithm.embedder=subprocess:getoutput",
    " problem.metric=subprocess:getoutput",
    "run.steps",
    "--help",
)
"""What would send something somewhere, read a file, or have something executed."""


@pytest.mark.parametrize("override", FORBIDDEN)
async def test_no_override_says_where_to_or_what_to_call(
    shell: Shell, sdk: Any, override: str
) -> None:
    config = str(shell.folder / "run.toml")
    async with sdk.Client(server()) as client:
        for tool, more in (("check", {}), ("run", {"name": "a", "budget": {"calls": 500}})):
            given = {"config": config, "overrides": ["run.steps=1", override], **more}
            refused = await client.call_tool(tool, given)
            assert refused.is_error
            assert "an override is table.key=value of run" in refused.content[0].text
        assert (await asked(client, "status", name="a"))["run"] is None


async def test_hints_say_what_the_tools_do(shell: Shell, sdk: Any) -> None:
    """What only reads makes no store either."""
    async with sdk.Client(server(str(shell.folder / "none.sqlite"))) as client:
        hints = {tool.name: tool.annotations for tool in (await client.list_tools()).tools}
        assert {name for name, hint in hints.items() if hint.read_only_hint} == {
            *("status", "result", "export")
        }
        for hint in hints.values():
            assert hint.read_only_hint != hint.open_world_hint
            assert hint.read_only_hint == hint.idempotent_hint != hint.destructive_hint
        for tool in ("status", "result", "export"):
            await client.call_tool(tool, {"name": "a"})
        assert not (shell.folder / "none.sqlite").exists()


SLOW = """
import time

from llmopt.testing import scripted


def answer(call):
    time.sleep(0.05)
    return scripted.answer(call)
"""


async def test_a_server_that_ends_leaves_runs_that_can_be_resumed(shell: Shell, sdk: Any) -> None:
    shell.write("slow_world.py", SLOW)
    shell.configure(("llmopt.testing.scripted:answer", "slow_world:answer"))
    config = str(shell.folder / "run.toml")
    async with sdk.Client(server()) as client:
        await asked(client, "run", config=config, name="mine", budget={"calls": 5000})
        while not await paid(client, "mine"):  # noqa: ASYNC110 - another process tells
            await asyncio.sleep(0.05)
        again = await client.call_tool(
            "run", {"config": config, "name": "mine", "budget": {"calls": 5}}
        )
        assert "is at work" in again.content[0].text
    (row,) = shell.llmopt("runs", "--json").data
    assert (row["name"], row["status"]) == ("mine", "interrupted")


def test_a_missing_sdk_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    monkeypatch.setitem(sys.modules, "mcp.server", None)
    with pytest.raises(MissingExtraError, match=r"llms-as-optimizers\[mcp\]"):
        server()
