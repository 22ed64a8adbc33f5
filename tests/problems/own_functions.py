"""Functions that a process of its own can import by their name."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

from llmopt.problems.function import FunctionProblem

if TYPE_CHECKING:
    from llmopt.core.problem import Problem


def size(text: str) -> float:
    return float(len(text))


def lower(text: str) -> str:
    if not text:
        raise ValueError("nothing")
    return text.lower()


def exclaimed(value: float) -> str:
    return f"{value:.1f}"


async def later(text: str) -> float:
    return len(text)


def whole_process(text: str) -> float:
    """Return the number of the process that is asked, or do what the text says."""
    if text == "sleep":
        time.sleep(600)
    if text == "exit":
        os._exit(7)
    if text == "leave":
        raise SystemExit(3)
    if text == "fail":
        raise RuntimeError("no such text")
    return float(os.getpid())


class Mute(Exception):  # noqa: N818 - it stands for a class of the user's
    def __str__(self) -> str:
        raise RuntimeError("no words")


RAISED: dict[str, BaseException] = {
    "GeneratorExit": GeneratorExit(),
    "CancelledError": asyncio.CancelledError(),
    "Mute": Mute(),
    "StopIteration": StopIteration(),
    "SystemExit": SystemExit(),
}


def raising(text: str) -> float:
    raise RAISED[text]


async def raising_later(text: str) -> float:
    raise RAISED[text]


def made(*, start: str = "a", minimize: bool = False) -> Problem:
    return FunctionProblem(size, "Write much.", [start], minimize=minimize)


PROBLEM = made()
NUMBER = 3
