"""Functions that a process of its own can import by their name."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path
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


def note(text: str, process: int) -> None:
    with Path(text.partition(" ")[2]).open("a", encoding="ascii") as file:
        file.write(f"{process}\n")


def printing(text: str) -> float:
    print("printed by Python", flush=True)  # noqa: T201 - as a user's function may
    os.system("echo printed by a shell")
    return float(len(text))


def path_is_safe(_text: str) -> float:
    return float("PYTHONSAFEPATH" in os.environ)


def greedy(text: str) -> float:
    """Take more than a worker may have, or leave something behind."""
    if text == "memory":
        held = []
        while True:
            held.append(bytearray(64_000_000))
    if text == "memory of many":
        for _ in range(4):
            subprocess.Popen(
                [sys.executable, "-c", "a = bytearray(400_000_000); input()"], stdin=-1
            )
        time.sleep(600)
    if text == "processes":
        while True:
            subprocess.Popen(["sleep", "600"])
    if text.startswith("children"):
        for options in ({}, {"start_new_session": True}, {"process_group": 0}):
            note(text, subprocess.Popen(["sleep", "600"], **options).pid)
        printing(text)
        note(text, os.getpid())
    if text.endswith("busy"):
        sum(range(1 << 62))  # never gives the interpreter up
    return 1.0


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
