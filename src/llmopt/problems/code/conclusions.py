"""The verdict on a program: whether it is right, and how much better, on the held-out tests."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from llmopt.core.formatting import counted
from llmopt.core.problem import Conclusion
from llmopt.problems.code.timing import WORTH, sentence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmopt.problems.code.bench import CodeAim, Examined
    from llmopt.problems.code.timing import SpeedUp

_MUCH = 0.4  # share of Python's start in the time of a test from which it is pointed out
_WORDS: dict[str, Literal["better", "worse", "not distinguishable"]] = {
    "faster": "better",
    "slower": "worse",
    "not distinguishable": "not distinguishable",
}


@dataclass(frozen=True)
class Circumstances:
    """Under what programs ran.

    Attributes:
        sandbox: The level of the sandbox.
        dropped: Why tests were left out, by name.
        start_up: Share of Python's own start in the original's time on the longest test.
        written: How many tests have inputs of the optimizer LLM.
    """

    sandbox: str
    dropped: Mapping[str, str]
    start_up: float
    written: int = 0


def concluded_of(
    found: Examined, goal: CodeAim, where: Circumstances, level: float
) -> Conclusion | None:
    """Return the verdict on a program; None where a test over the scores of items says it.

    Args:
        found: What it did on the held-out tests.
        goal: What it was to be better at.
        where: Under what it ran.
        level: Confidence level of the report; that of the interval is the timing's own.
    """
    del level
    tests = len(found.runs)
    failed = sum(not run.passed for run in found.runs.values())
    data: dict[str, Any] = {
        "kind": "code",
        "sandbox": where.sandbox,
        "tests": tests,
        "failed": failed,
        "remarks": _remarks(where),
    }
    if failed:
        said = f"The winner is wrong: it fails {failed} of {counted(tests, 'held-out test')}."
        return Conclusion("worse", f"{said} Keep the original program.", data, unfit=True)
    passed = f"It passes all {counted(tests, 'held-out test')}."
    if found.speed is not None:
        data |= _timings(found, found.speed)
        data["remarks"] += _on_start_up(where)
        counts = "" if found.instructions is None else _on_instructions(found.instructions)
        said = f"{sentence(found.speed)} {counts}{passed}"
        return Conclusion(_WORDS[found.speed.word], said, data)
    return _of_memory(found, data, passed) if goal == "memory" else None


def _timings(found: Examined, speed: SpeedUp) -> dict[str, Any]:
    return {
        "ratio": speed.ratio,
        "low": speed.interval.low,
        "high": speed.interval.high,
        "word": speed.word,
        "instructions": found.instructions,
        "pairs": {
            name: {"original": list(pairs.original), "candidate": list(pairs.candidate)}
            for name, pairs in found.pairs.items()
        },
    }


def _on_instructions(fewer: float) -> str:
    return f"It executes {1 / fewer:.0%} of the original's instructions. "


def _of_memory(found: Examined, data: dict[str, Any], passed: str) -> Conclusion:
    ratio = math.exp(math.fsum(map(math.log, found.ratios.values())) / len(found.ratios))
    data |= {"ratio": ratio}
    share = f"{1 / ratio:.0%} of the original's memory"
    if ratio >= WORTH:
        return Conclusion("better", f"The winner needs less memory: {share}. {passed}", data)
    if ratio <= 1 / WORTH:
        return Conclusion("worse", f"The winner needs more memory: {share}. {passed}", data)
    said = f"The winner is not distinguishable from the original: it needs {share}. {passed}"
    return Conclusion("not distinguishable", said, data)


def _remarks(where: Circumstances) -> list[str]:
    """Return what a reader of the verdict should know of the sandbox and the tests."""
    said = [f"Programs ran in the sandbox {where.sandbox!r}."]
    if where.sandbox == "none":
        said = ["Programs ran without a sandbox, with all rights of the user."]
    if where.written:
        inputs = counted(where.written, "input")
        said.append(f"The optimizer LLM wrote {inputs}, and the original program answered them.")
    if where.dropped:
        names = ", ".join(f"{name} ({why})" for name, why in where.dropped.items())
        said.append(f"Tests left out: {names}.")
    return said


def start_up_matters(share: float) -> bool:
    """Return whether Python's start hides what is gained, with this share of a test's time."""
    return share >= _MUCH


def _on_start_up(where: Circumstances) -> list[str]:
    """Say so where the tests are too small to show what a faster program gains."""
    if not start_up_matters(where.start_up):
        return []
    said = f"Python's own start takes {where.start_up:.0%} of the original's time on the longest"
    return [f"{said} held-out test; larger inputs would show more of a speed-up."]
