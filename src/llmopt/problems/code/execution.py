"""What the supervisor is asked for, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmopt.problems.code.instruction_counts import INSTRUCTIONS

if TYPE_CHECKING:
    from llmopt.problems.code.instruction_counts import Event
    from llmopt.problems.code.sandbox import RunLimits


@dataclass(frozen=True)
class Job:
    """One execution of a program.

    Attributes:
        level: Of the sandbox.
        command: What is run; at the level ``bubblewrap``, the command line of ``bwrap``.
        files: Names and texts of the program's files.
        given: What it reads from its standard input.
        limits: What it may use.
        readable: See :func:`~llmopt.problems.code.namespaces.enter`.
        core: Number of the processor core that it runs on; None: any.
        event: What is counted, where it can be.
    """

    level: str
    command: tuple[str, ...]
    files: tuple[tuple[str, str], ...]
    given: bytes
    limits: RunLimits
    readable: tuple[str, ...] = ()
    core: int | None = None
    event: Event = INSTRUCTIONS


@dataclass(frozen=True)
class Ran:
    """What an execution came to.

    Attributes:
        code: Its exit code; 128 and the number of a signal that ended it.
        stopped: Which limit it was ended for, in words; empty: none.
        wall: Seconds from its start to its end.
        cpu: Seconds of processor time of all its processes that have ended by themselves, with
            the sandbox's own.
        memory: Most bytes that one of its processes had in memory.
        output: Its standard output, up to the limit.
        errors: The end of its standard error.
        instructions: How many it executed, with the sandbox's own; None: they cannot be counted.
    """

    code: int
    stopped: str
    wall: float
    cpu: float
    memory: int
    output: bytes
    errors: bytes
    instructions: int | None = None
