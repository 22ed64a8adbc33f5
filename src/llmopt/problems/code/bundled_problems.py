"""The bundled programs as problems, and a reader for folders in the form of the PIE data set."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from llmopt.errors import ConfigError, DataError, UnknownNameError
from llmopt.problems.code.bundled.large_inputs import LARGE
from llmopt.problems.code.bundled.scored_outputs import TASKS
from llmopt.problems.code.changeable import normal
from llmopt.problems.code.code_problem import CodeProblem
from llmopt.problems.code.code_tests import CodeTest, read_tests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LARGE, _INSTANCES = 4, 12


@dataclass(frozen=True)
class SlowProgram:
    """A slow program that people write, with what is known about it.

    Attributes:
        name: Its name.
        about: What it does, in a sentence.
        slow: Its text.
        fast: A faster program that does the same.
        wrong: A faster program that does not, on some of the inputs.
        inputs: Inputs; the large ones come first.
    """

    name: str
    about: str
    slow: str
    fast: str
    wrong: str
    inputs: tuple[str, ...]


@cache
def _table(name: str) -> dict[str, Any]:
    path = files("llmopt.problems.code.bundled") / name
    return tomllib.loads(path.read_text(encoding="utf-8"))


def slow_programs() -> tuple[str, ...]:
    """Return the names of the bundled slow programs."""
    return tuple(_table("programs.toml"))


def heuristics() -> tuple[str, ...]:
    """Return the names of the bundled heuristics."""
    return tuple(_table("heuristics.toml"))


def _different(draw: Callable[[Random], str], count: int) -> list[str]:
    """Draw texts until there are `count` different ones."""
    found: dict[str, None] = {}
    seed = 0
    while len(found) < count:
        found[draw(Random(seed))] = None
        seed += 1
    return [*found]


def slow_program_named(name: str) -> SlowProgram:
    """Return a bundled slow program.

    Raises:
        UnknownNameError: No bundled program has this name.
    """
    table = _table("programs.toml")
    if name not in table:
        raise UnknownNameError("a bundled program", name, table)
    row = table[name]
    inputs = (*_different(LARGE[name], _LARGE), *row["small"])
    slow, fast, wrong = (normal(row[form]) for form in ("slow", "fast", "wrong"))
    return SlowProgram(name, row["about"], slow, fast, wrong, inputs)


def slow_program(name: str, **options: Any) -> CodeProblem:
    """Return the problem of making a bundled program faster.

    Args:
        name: One of :func:`slow_programs`.
        options: Attributes of :class:`~llmopt.problems.code.code_problem.CodeProblem`.

    Raises:
        InputError: There is no such program, or no sandbox.
    """
    known = slow_program_named(name)
    tests = [CodeTest(f"{at:02}", "stdin", given) for at, given in enumerate(known.inputs)]
    return CodeProblem(known.slow, tests, task=known.about, **options)


def heuristic(name: str, **options: Any) -> CodeProblem:
    """Return the problem of making a bundled heuristic better; only its region may change.

    Args:
        name: One of :func:`heuristics`.
        options: Attributes of :class:`~llmopt.problems.code.code_problem.CodeProblem`.

    Raises:
        InputError: There is no such heuristic, or no sandbox.
    """
    table = _table("heuristics.toml")
    if name not in table:
        raise UnknownNameError("a bundled heuristic", name, table)
    task = TASKS[name]
    instances = _different(task.draw, _INSTANCES)
    tests = [CodeTest(f"{at:02}", "stdin", given) for at, given in enumerate(instances)]
    return CodeProblem(
        table[name]["program"],
        tests,
        task=table[name]["about"],
        goal="score",
        change="region",
        score=task.score,
        minimize=task.minimize,
        **options,
    )


def better_region(name: str) -> str:
    """Return a known better region of a bundled heuristic."""
    return normal(_table("heuristics.toml")[name]["better"])


def pie_problems(
    pairs: str | Path, tests: str | Path, **options: Any
) -> Iterator[tuple[CodeProblem, str]]:
    """Yield problems of a file of pairs in the form of PIE, each with its faster program.

    Args:
        pairs: JSON lines with ``problem_id``, ``src_v0`` and ``src_v1`` (or ``query`` and
            ``reference``); rows of another ``language`` than Python are passed over.
        tests: A folder with a folder for each ``problem_id``: ``input.0.txt``, ``output.0.txt``, …
        options: Attributes of :class:`~llmopt.problems.code.code_problem.CodeProblem`.

    Raises:
        DataError: A file cannot be used.
        ConfigError: A program does not pass its tests, or there is no sandbox.
    """
    path = Path(pairs)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"pairs are a readable UTF-8 file, but got {path}: {error}") from error
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            key = str(row["problem_id"])
            slow = row.get("src_v0") or row["query"]
            fast = row.get("src_v1") or row.get("reference", "")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"a row of pairs has problem_id, src_v0 and src_v1, but line {number} of {path} "
                f"has not: {error}"
            ) from error
        if str(row.get("language", "python")).lower().startswith("python"):
            found = read_tests(Path(tests) / key)
            try:
                yield CodeProblem(slow, found, **{"compare": "numbers", **options}), fast
            except ConfigError as error:
                raise ConfigError(f"line {number} of {path}: {error}") from error
