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
        for budget in ({}, {"seconds": 60}):
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
    with pytest.raises(MissingExtraError, match=r"llmopt\[mcp\]"):
        server()
