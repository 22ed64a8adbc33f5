"""Methods for texts run on programs to their end, find a planted gain, and read of failures."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from llmopt import optimize
from llmopt.algorithms import ALGORITHMS
from llmopt.errors import ConfigError
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.problems.code.code_problem import CodeProblem
from llmopt.problems.code.code_tests import CodeTest

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.core.values import Call

SLOW = """\
numbers = [int(word) for word in input().split()]
seen = []
looks = 1
for number in numbers:
    looks += len(seen)
    if number not in seen:
        seen.append(number)
print(len(seen))
print(looks)
"""
FAST = "numbers = input().split()\nprint(len(set(numbers)))\nprint(len(numbers))\n"
WRONG = "numbers = input().split()\nprint(len(numbers) + 1)\nprint(1)\n"

REFUSING = {"abo", "catalyst", "evollm", "mipro"}  # they need steps, numbers or demonstrations
OPTIONS: dict[str, dict[str, Any]] = {"gepa": {"gate": "strict", "rows": 2}}
READING = ["pe2", "protegi", "sbllm"]  # those that always look at failures


def counts(given: str, got: str) -> bool | str:
    """Return whether the first number of an output counts the different words of an input."""
    expected, said = len(set(given.split())), got.split(maxsplit=1)[0]
    return said == str(expected) or f"expected {expected}, got {said}"


@cache
def counting() -> CodeProblem:
    """Return a problem whose score, looks in a list, is the same on every machine.

    It runs each program once, whichever method proposes it.
    """
    words = [" ".join(str(at % 7) for at in range(size)) for size in range(30, 6, -2)]
    tests = [CodeTest(str(at), "stdin", text) for at, text in enumerate(words)]
    try:
        return CodeProblem(SLOW, tests, goal="score", check=counts, minimize=True)
    except ConfigError as error:
        if "none can be had here" in str(error):
            pytest.skip(str(error))
        raise


def fitting() -> list[str]:
    made = {name: make(**OPTIONS.get(name, {})) for name, make in ALGORITHMS.items()}
    return [name for name, one in made.items() if one.needs_model and name not in REFUSING]


def searched(name: str, folder: Path) -> tuple[Any, list[str]]:
    """Return the result of a search whose optimizer LLM has two ideas, and what it was sent."""
    sent: list[str] = []

    def answer(call: Call) -> str:
        sent.append(call.text)
        first = WRONG if len(sent) % 2 else FAST
        return f"It looks through a list.\n```python\n{first}```"

    result = optimize(
        counting(),
        algorithm=ALGORITHMS[name](**OPTIONS.get(name, {})),
        optimizer=ScriptedModel(answer),
        steps=4,
        controls=(),
        store=folder / "runs.sqlite",
        progress=False,
    )
    return result, sent


@pytest.mark.parametrize("name", fitting())
def test_a_planted_gain_is_found(name: str, tmp_path: Path) -> None:
    result, sent = searched(name, tmp_path)
    assert result.best.text == FAST
    assert any(one.word == "better" for one in result.comparisons if one.against == "start")
    if name in READING:
        assert any("expected 7, got" in text for text in sent)


@pytest.mark.parametrize("name", sorted(REFUSING))
def test_a_method_for_other_solutions_says_so(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        ALGORITHMS[name]().check(counting(), ScriptedModel(lambda _: ""))
