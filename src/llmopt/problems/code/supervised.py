"""Runs programs in the sandbox: the side of llmopt, which any thread may ask."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
import weakref
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from llmopt.errors import LlmoptError
from llmopt.problems.code import sandbox
from llmopt.problems.code.execution import Job, Ran
from llmopt.problems.code.instruction_counts import INSTRUCTIONS
from llmopt.problems.code.sandbox import RunLimits

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from multiprocessing.connection import Connection

    from llmopt.problems.code.instruction_counts import Event
    from llmopt.problems.code.sandbox import Interpreter, Level, SandboxName

_GONE = 5.0  # seconds that the supervisor has to end
_TRIAL = RunLimits(wall=20.0, cpu=10.0)
_WORD = "it runs"


class SupervisorError(LlmoptError):
    """The process that runs programs was killed; the run can be resumed."""


@dataclass
class Supervised:
    """Runs programs at one level of the sandbox, one after the other.

    Attributes:
        level: The level.
        python: What runs them.
        event: What is counted of them, where it can be.
    """

    level: Level
    python: Interpreter
    event: Event = INSTRUCTIONS

    def run(
        self,
        script: str,
        files: Mapping[str, str],
        given: bytes,
        limits: RunLimits,
        *,
        core: int | None = None,
    ) -> Ran:
        """Run a script; blocks, so call it in a thread.

        Args:
            script: Name of the file that is run.
            files: Names and texts of all files, the script included.
            given: What it reads from its standard input.
            limits: What it may use.
            core: The processor core that it runs on; None: any.

        Raises:
            SupervisorError: The supervisor was killed.
        """
        command = (*self.python.command, f"{sandbox.PROGRAMS}/{script}")
        if self.level == "bubblewrap":
            command = tuple(sandbox.bubblewrap(command, self.python, limits))
        readable = sandbox.readable_places(self.python)
        job = Job(
            self.level, command, tuple(files.items()), given, limits, readable, core, self.event
        )
        with self._lock:
            return self._asked(job)

    @cached_property
    def _lock(self) -> threading.Lock:
        return threading.Lock()

    def _asked(self, job: Job) -> Ran:
        try:
            self._connection.send(job)
            found: Ran = self._connection.recv()
        except (EOFError, OSError) as error:
            self._forget()
            raise SupervisorError("the process that runs programs was killed") from error
        except BaseException:  # interrupted: the next answer would be that to this job
            self._forget()
            raise
        return found

    def _forget(self) -> None:
        """End the supervisor, so that the next job starts another one."""
        connection = self.__dict__.pop("_connection", None)
        if connection is not None:
            connection.close()

    @cached_property
    def _connection(self) -> Connection:
        """The connection to a supervisor, which is started."""
        mine, theirs = multiprocessing.Pipe()
        number = theirs.fileno()
        line = [sys.executable, "-P", "-m", "llmopt.problems.code.supervisor", str(number)]
        process = subprocess.Popen(  # noqa: S603 - our own interpreter with fixed arguments
            line,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[number],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        theirs.close()
        weakref.finalize(self, _end, mine, process)
        return mine


def _end(connection: Connection, process: subprocess.Popen[bytes]) -> None:
    connection.close()
    try:
        process.wait(_GONE)
    except subprocess.TimeoutExpired:
        process.kill()


def supervised(wanted: SandboxName, python: Interpreter) -> Supervised:
    """Return what runs programs, at the strongest level of those wanted that works here.

    Each level is tried with a program that does nothing.

    Raises:
        ConfigError: None of them works; the message says why, and what to do.
        UnknownNameError: There is no such sandbox.
    """
    sandbox.check_sandbox_name(wanted)
    tried: dict[Level, str] = {}
    for level in sandbox.candidates(wanted):
        why = sandbox.missing(level)
        if not why:
            found = Supervised(level, python)
            ran = found.run("trial.py", {"trial.py": f"print({_WORD!r})"}, b"", _TRIAL)
            if ran.output.decode(errors="replace").strip() == _WORD:
                return found
            why = _first_line(ran)
        tried[level] = why
    raise sandbox.refusal(tried)


def _first_line(ran: Ran) -> str:
    lines: Iterable[str] = ran.errors.decode(errors="replace").strip().splitlines()
    return ran.stopped or next(iter(lines), f"exit code {ran.code}")
