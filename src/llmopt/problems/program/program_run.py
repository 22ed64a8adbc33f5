"""One run of the user's program on one row: its output as text, and the calls it made."""

from __future__ import annotations

import asyncio
import inspect
import json
import math
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from llmopt.core.text import one_line
from llmopt.core.values import Reply
from llmopt.errors import ConfigError, LlmoptError, MeasureError
from llmopt.problems.function_workers import (
    FailedCallError,
    awaited,
    in_thread,
    reason_of,
    too_long,
)
from llmopt.problems.program.program_call import ProgramCall

if TYPE_CHECKING:
    from collections.abc import Callable

    from llmopt.core.model import Model, Traits
    from llmopt.core.values import Call
    from llmopt.problems.program.program_call import CallStep
    from llmopt.problems.program.program_row import ProgramRow
    from llmopt.problems.prompt.scorer_call import Asking

    Program = Callable[[dict[str, str], ProgramRow, ProgramCall], Any]

_REHEARSAL = 60.0  # seconds that a rehearsal may take


@dataclass(frozen=True)
class ProgramRun:
    """What a run of a program gave.

    Attributes:
        steps: Its calls, in the order in which they began.
        output: What it returned, as text; empty where it raised something.
        error: What it raised, or did wrong; empty: nothing.
        cut_at: Most tokens at which a reply was cut off; 0: none was.
    """

    steps: tuple[CallStep, ...]
    output: str
    error: str
    cut_at: int


async def program_run(
    program: Program,
    texts: dict[str, str],
    row: ProgramRow,
    *,
    scorer: Model | None,
    asking: Asking,
    timeout: float | None = None,  # noqa: ASYNC109 - it is a reason, not an error
) -> ProgramRun:
    """Run a program once; a coroutine function is awaited, another runs in a thread.

    Args:
        program: The program.
        texts: The text of each part; the program gets its own copy.
        row: The row.
        scorer: The scorer LLM that its calls reach, or None.
        asking: How it is asked where a call does not say it.
        timeout: Seconds that it may take; None: any time.

    Raises:
        LlmoptError: A call failed for good, or a limit is reached, whatever the program made of it.
    """
    call = ProgramCall(scorer, asking)
    output = error = ""
    limit = asyncio.timeout(timeout)
    try:
        async with limit:
            value = await _value(program, texts, row, call)
        output = output_text(value)
    except TimeoutError as raised:
        error = too_long(timeout) if limit.expired() else reason_of(raised)
    except FailedCallError as raised:
        error = str(raised)
    except Exception as raised:  # noqa: BLE001 - the user's code may raise anything
        error = reason_of(raised)
    except BaseException:
        call.close()
        raise
    if limit.expired():
        call.close()
    await call.finished()
    return ProgramRun(tuple(call.steps), output, error, call.cut_at)


async def _value(
    program: Program, texts: dict[str, str], row: ProgramRow, call: ProgramCall
) -> object:
    if is_async(program):
        return await awaited(program(dict(texts), row, call))
    found = await in_thread(lambda _: program(dict(texts), row, call), "")
    return await awaited(found) if inspect.isawaitable(found) else found


def is_async(program: Callable[..., object]) -> bool:
    """Return whether a program is a coroutine function, or an object called as one."""
    return inspect.iscoroutinefunction(program) or inspect.iscoroutinefunction(
        getattr(program, "__call__", None)  # noqa: B004 - its kind is asked, not whether it is there
    )


def output_text(value: object) -> str:
    """Return what a program gave as the text that a metric scores.

    A text stays as it is, numbers and booleans are as in data, and mappings and lists are JSON.

    Raises:
        TypeError: It is something else, such as None or something that was not awaited.
    """
    if isinstance(value, str):
        return value
    if inspect.isawaitable(value):
        close = getattr(value, "close", None) or getattr(value, "cancel", None)
        if close:
            close()
        raise TypeError("the output is an awaitable; write `await call(…)` in a coroutine")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal) or (isinstance(value, float) and math.isfinite(value)):
        return str(value)
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, ensure_ascii=False)
    raise TypeError(
        f"an output is a text, a number, or a mapping or list for JSON, and not "
        f"{one_line(repr(value), 60)}"
    )


@dataclass(frozen=True)
class Rehearsal:
    """What a run of a program with invented replies shows.

    Attributes:
        calls: What it asked the scorer LLM, in order.
        error: Why it ended early; empty: it did not.
    """

    calls: tuple[Call, ...]
    error: str = ""


def rehearsed(
    program: Program, texts: dict[str, str], row: ProgramRow, asking: Asking, traits: Traits
) -> Rehearsal:
    """Run a program in a thread of its own; every call gets an invented reply, and costs nothing.

    Args:
        program: The program.
        texts: The text of each part.
        row: The row.
        asking: How the scorer LLM is asked.
        traits: Of the scorer LLM.
    """
    invented = _Invented(traits)
    errors = ["took too long"]

    def work() -> None:
        with suppress(LlmoptError):  # the invented model raises none
            found = asyncio.run(
                program_run(program, texts, row, scorer=invented, asking=asking, timeout=_REHEARSAL)
            )
            errors[0] = found.error

    thread = threading.Thread(target=work, name="llmopt-rehearsal", daemon=True)
    thread.start()
    thread.join(_REHEARSAL + 1)
    return Rehearsal(tuple(invented.calls), errors[0])


class _Invented:
    """A model whose every reply is the same word."""

    identity = "rehearsal"

    def __init__(self, traits: Traits) -> None:
        self.traits = traits
        self.calls: list[Call] = []

    async def complete(self, call: Call) -> Reply:
        """Note the call."""
        self.calls.append(call)
        return Reply("yes")

    async def close(self) -> None:
        """Do nothing."""


def measured_output(run: ProgramRun, name: str, item: str) -> str:
    """Return the output of a run that gave one.

    Raises:
        MeasureError: The program gave none; the item stays unmeasured for that reason.
    """
    if run.error:
        raise MeasureError(
            f"a program gives every row an output, but {name} failed on the item {item}: "
            f"{run.error}"
        )
    return run.output


def check_program(program: object, arguments: int, rule: str) -> None:
    """Refuse what cannot be called with a number of arguments.

    Args:
        program: What the user gave.
        arguments: How many it is called with.
        rule: What it has to be, as the beginning of a sentence.

    Raises:
        ConfigError: It cannot.
    """
    if not callable(program):
        raise ConfigError(f"{rule}, but got {one_line(repr(program), 60)}; name a function")
    if not takes(program, arguments):
        raise ConfigError(
            f"{rule}, but {getattr(program, '__qualname__', program)!r} takes "
            f"{inspect.signature(program)}; change its arguments"
        )


def takes(program: Callable[..., object], arguments: int) -> bool:
    """Return whether a function can be called with a number of arguments; true if nobody knows."""
    try:
        signature = inspect.signature(program)
    except (TypeError, ValueError):  # made in C, which says nothing of its arguments
        return True
    try:
        signature.bind(*[None] * arguments)
    except TypeError:
        return False
    return True
