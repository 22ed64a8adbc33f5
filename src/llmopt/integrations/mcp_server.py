"""What a coding agent needs, as tools of the Model Context Protocol; ``llmopt mcp`` serves them.

Every tool is a command of ours in a process of its own, so nothing that a user's code prints can
get between the messages, and the server stays free while a run is under way.
"""

from __future__ import annotations

import contextlib
import json
import re
import signal
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, create_subprocess_exec
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmopt.errors import MissingExtraError

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator
    from typing import IO

_LINE = (sys.executable, "-P", "-m", "llmopt")  # no file of the working directory is a library
_TOLD = 4000  # last bytes of a run's messages that its status repeats
_LIMITS = ("usd", "calls", "tokens", "seconds")
_TUNED = re.compile(
    r"(?:run|budget|evidence)\.[a-z_]+=.*|algorithm\.(?:(?!name=|template_from=|patterns_from=)[a-z_]+="
    r"(?:[-+.\deE]+|true|false)|name=[a-z_-]+)",
    re.DOTALL,
)
"""Overrides that say how long and how to search: they name no address, file, variable or code."""

# What a configuration names is called and asked: code of the user's, models that cost money.
_DOES: dict[str, bool] = {
    "read_only_hint": False,
    "destructive_hint": True,
    "idempotent_hint": False,
    "open_world_hint": True,
}
_READS: dict[str, bool] = {
    "read_only_hint": True,
    "destructive_hint": False,
    "idempotent_hint": True,
    "open_world_hint": False,
}
_INSTRUCTIONS = (
    "Improves a prompt on the user's data and tests it on held-out items. First check, which says "
    "what a budget buys. Then run, with a budget that buys a few steps at least; ask for the "
    "status until it is done; then result. Claim a gain only where the verdict says better."
)


class Tools:
    """The tools, by their names; what they say of themselves is read by an agent."""

    def __init__(self, store: str | None) -> None:
        self._store, self._where = store, ("--store", store) if store else ()
        self._started: dict[str, tuple[Process, IO[bytes]]] = {}

    async def check(self, config: str, overrides: list[str] | None = None) -> dict[str, Any]:
        """Test a configuration file; say what a run takes, and how many steps its budget buys.

        Makes one short call to each model, and loads the code that the configuration names. An
        override is such as "run.steps=5"; those of run, budget, evidence and the options of the
        algorithm are taken.
        """
        return await _said("check", "--json", *_changes(overrides), "--", config)

    async def run(
        self, config: str, name: str, budget: dict[str, float], overrides: list[str] | None = None
    ) -> dict[str, Any]:
        """Start a run, or go on with the one of this name, and return at once. It costs money.

        The budget is a hard limit: usd, calls or tokens, and seconds, such as {"usd": 5}.
        """
        from mcp.server.mcpserver.exceptions import ToolError

        if not {"usd", "calls", "tokens"} & budget.keys() or budget.keys() - {*_LIMITS}:
            raise ToolError(f"a run's budget has usd, calls or tokens, but got {budget}")
        if self._told(name)["at_work"]:
            raise ToolError(f"a run is started once, but {name!r} is at work; ask for its status")
        caps = [f"budget.{key}={value:.15g}" for key, value in budget.items()]
        words = ["--name", name, *_changes([*(overrides or ()), *caps]), *self._where]
        told = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop
        line = (*_LINE, "run", "--json", *words, "--", config)
        process = await create_subprocess_exec(*line, stdin=DEVNULL, stdout=DEVNULL, stderr=told)
        self._started[name] = (process, told)
        return self._told(name)

    async def status(self, name: str) -> dict[str, Any]:
        """Say how a run stands: steps done, best score on train, calls and tokens used."""
        from llmopt.history.listing import listed
        from llmopt.store import default_path, is_server, open_store

        file = Path(self._store) if self._store else default_path()
        if not (is_server(self._store) or file.exists()):
            return {"run": None, "used": {}, **self._told(name)}  # nothing is made by reading
        with closing(open_store(self._store)) as kept:
            known = [row.to_dict() for row in listed(kept) if row.info.name == name]
            spent = kept.spent(name) if known else {}
        used = {role: {"calls": u.calls, "tokens": u.tokens} for role, u in spent.items()}
        return {"run": known[0] if known else None, "used": used, **self._told(name)}

    async def result(self, name: str) -> dict[str, Any]:
        """Return what a finished run found: the winner, its held-out figures and the verdict."""
        said = await _said("show", "--json", *self._where, "--", name)
        return {**said, "out": said["out"] and said["out"]["result"]}

    async def export(self, name: str, form: str = "text") -> dict[str, Any]:
        """Return the winning text, or it as json, promptfoo, dspy, langchain or openai."""
        words = ("export", "--format", form, *self._where, "--", name)
        return await _said(*words, as_json=False)

    def _told(self, name: str) -> dict[str, Any]:
        """Return whether a run is at work here, its exit code at its end, its last messages."""
        if not (started := self._started.get(name)):
            return {"at_work": False, "exit_code": None, "told": ""}
        process, file = started
        file.seek(0)
        told, code = file.read()[-_TOLD:].decode(errors="replace"), process.returncode
        return {"at_work": code is None, "exit_code": code, "told": told}

    async def stop(self) -> None:
        """Interrupt what is at work, so that it can be resumed."""
        for process, file in self._started.values():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
            await process.wait()
            file.close()


async def _said(*words: str, as_json: bool = True) -> dict[str, Any]:
    """Return exit code, output and messages of a command."""
    process = await create_subprocess_exec(*_LINE, *words, stdin=DEVNULL, stdout=PIPE, stderr=PIPE)
    out, told = (text.decode(errors="replace") for text in await process.communicate())
    found = json.loads(out) if as_json and out else out or None
    return {"exit_code": process.returncode, "out": found, "told": told}


def _changes(overrides: list[str] | None) -> list[str]:
    """Return overrides as words of a command.

    Raises:
        ToolError: One could send a secret somewhere, or have something executed.
    """
    from mcp.server.mcpserver.exceptions import ToolError

    for override in overrides or ():
        if not _TUNED.fullmatch(override):
            raise ToolError(
                "an override is table.key=value of run, budget, evidence, or an option of the "
                f"algorithm, but got {override.partition('=')[0]!r}; write it into the file"
            )
    return [word for override in overrides or () for word in ("-o", override)]


def server(store: str | None = None) -> Any:
    """Return the tools as an ``MCPServer`` of the official SDK, an extra, over a store of runs."""
    try:
        from mcp.server import MCPServer
        from mcp.types import ToolAnnotations
    except ImportError as error:
        raise MissingExtraError("the server for coding agents", "mcp") from error
    tools = Tools(store)

    @contextlib.asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await tools.stop()

    made = MCPServer("llmopt", instructions=_INSTRUCTIONS, lifespan=lifespan)
    for tool in (tools.check, tools.run):
        made.add_tool(tool, annotations=ToolAnnotations(**_DOES))
    for reader in (tools.status, tools.result, tools.export):
        made.add_tool(reader, annotations=ToolAnnotations(**_READS))
    return made
