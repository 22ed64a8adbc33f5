"""The sandboxes that work on this machine, and programs run in them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest

from llmopt.errors import ConfigError
from llmopt.problems.code.sandbox import RunLimits, interpreter
from llmopt.problems.code.supervised import Supervised, supervised

if TYPE_CHECKING:
    from llmopt.problems.code.execution import Ran
    from llmopt.problems.code.sandbox import Level

SMALL = RunLimits(wall=5.0, cpu=3.0, memory=256 << 20, processes=8, output=100_000, scratch=4 << 20)


@cache
def _found(level: Level) -> Supervised | str:
    try:
        return supervised(level, interpreter(packages=False))
    except ConfigError as error:
        return str(error)


def sandbox(level: Level) -> Supervised:
    """Return what runs programs at a level; skip the test where this machine forbids it."""
    found = _found(level)
    if isinstance(found, str):
        pytest.skip(f"needs a machine that allows this sandbox: {found}")
    return found


def run(level: Level, program: str, limits: RunLimits = SMALL, given: bytes = b"") -> Ran:
    """Run a program at a level of the sandbox."""
    return sandbox(level).run("p.py", {"p.py": program}, given, limits)
