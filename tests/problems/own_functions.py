"""Functions that a process of its own can import by their name."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from llmopt.problems.function import FunctionProblem

if TYPE_CHECKING:
    from llmopt.problem import Problem


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


def made(*, start: str = "a", minimize: bool = False) -> Problem:
    return FunctionProblem(size, "Write much.", [start], minimize=minimize)


PROBLEM = made()
NUMBER = 3
