"""Tests of a program: read from a folder, and dealt to search, choice and held-out.

A folder holds any of:

* ``NAME.in`` with ``NAME.out``: what a program reads, and what it should write. ``input.N.txt``
  with ``output.N.txt`` (as in PIE) and ``NAME.in.txt`` with ``NAME.out.txt`` are the same.
* ``NAME.json``: ``{"arguments": […], "result": …}`` for a function; arguments may be a table of
  keywords.
* ``test_*.py``: functions ``test_*`` without parameters, as pytest runs them; each is a test.

An expected output may be missing: the original program is right, so that its answer is expected.
In subfolders ``train``, ``validation`` and ``test`` a user splits the tests; otherwise they are
dealt by size, so that each part has large ones.
"""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Literal, get_args

from llmopt.core.problem import SplitName
from llmopt.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

TestKind = Literal["stdin", "call", "check"]

_DEALT: tuple[SplitName, ...] = ("train", "test", "validation", "test")
_INPUT = re.compile(r"(?:(?P<name>.+)\.in(?:\.txt)?|input\.(?P<number>\w+)\.txt)")


@dataclass(frozen=True)
class CodeTest:
    """One test.

    Attributes:
        name: Unique among the tests of a program.
        kind: ``stdin``: a program reads `given`; ``call``: a function gets the arguments that
            `given` holds as JSON; ``check``: the test function named `given` runs.
        given: See `kind`.
        expected: What should be written or returned (as JSON); None: what the original says.
        split: The split that the user put it in; None: it is dealt to one.
        source: The text of the file with the test function.
    """

    name: str
    kind: TestKind
    given: str
    expected: str | None = None
    split: SplitName | None = None
    source: str = ""


def read_tests(folder: Path) -> tuple[CodeTest, ...]:
    """Read the tests of a folder, in the order of their names.

    Raises:
        DataError: There is no such folder, no test in it, or a file cannot be used.
    """
    if not folder.is_dir():
        raise DataError(
            f"tests are in a folder, but got {folder}; see the formats of a test folder"
        )
    found = [*_in_folder(folder, None)]
    for split in get_args(SplitName):
        if (folder / split).is_dir():
            found += _in_folder(folder / split, split)
    if not found:
        raise DataError(
            "a folder of tests has files such as a.in with a.out, a.json or test_a.py, but "
            f"{folder} has none"
        )
    names = [test.name for test in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise DataError(f"names of tests are unique, but got {twice!r} twice in {folder}")
    return tuple(found)


def _in_folder(folder: Path, split: SplitName | None) -> Iterator[CodeTest]:
    for path in sorted(folder.iterdir(), key=lambda path: _natural(path.name)):
        if path.suffix == ".json":
            yield _of_arguments(path, split)
        elif path.suffix == ".py" and path.stem.startswith("test_"):
            yield from _of_functions(path, split)
        elif match := _INPUT.fullmatch(path.name):
            name = match["name"] or match["number"]
            outputs = (f"{name}.out", f"{name}.out.txt", f"output.{name}.txt")
            answer = next((folder / one for one in outputs if (folder / one).is_file()), None)
            yield CodeTest(name, "stdin", _text(path), _text(answer) if answer else None, split)


def _of_arguments(path: Path, split: SplitName | None) -> CodeTest:
    try:
        data = json.loads(_text(path))
        arguments = data["arguments"]
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(
            f'a test of a function is {{"arguments": […], "result": …}}, but {path} is not: {error}'
        ) from error
    if not isinstance(arguments, list | dict):
        raise DataError(f"arguments are a list or a table, but got {arguments!r:.60} in {path}")
    expected = json.dumps(data["result"]) if "result" in data else None
    return CodeTest(path.stem, "call", json.dumps(arguments), expected, split)


def _of_functions(path: Path, split: SplitName | None) -> Iterator[CodeTest]:
    source = _text(path)
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise DataError(f"tests are Python, but {path} is not: {error}") from error
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            if node.args.args or node.args.kwonlyargs:
                raise DataError(
                    f"a test function has no parameters, but {node.name} in {path} has; write one "
                    "function for each case"
                )
            yield CodeTest(f"{path.stem}.{node.name}", "check", node.name, None, split, source)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"a test is a readable UTF-8 file, but got {path}: {error}") from error


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts 2 before 10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def dealt(tests: Sequence[CodeTest], *, cyclic: bool = True) -> dict[str, SplitName]:
    """Return the split of each test by its name.

    Those that the user has not put in one are dealt from the largest input to the smallest: one
    to search, one held out, one to the choice, another one held out, and again; or all to search,
    where one of them is there by the user's will, or `cyclic` is false.
    """
    free = [test for test in tests if test.split is None]
    order = sorted(range(len(free)), key=lambda at: (-len(free[at].given), at))
    splits = {test.name: test.split for test in tests if test.split is not None}
    if free and cyclic and "train" not in splits.values():
        splits |= {free[at].name: split for at, split in zip(order, cycle(_DEALT), strict=False)}
    else:
        splits |= {test.name: "train" for test in free}
    return splits


def distinct(tests: Iterable[CodeTest]) -> tuple[CodeTest, ...]:
    """Return tests without those whose input another one has."""
    found: dict[tuple[str, str, str], CodeTest] = {}
    for test in tests:
        found.setdefault((test.kind, test.given, test.source), test)
    return tuple(found.values())
