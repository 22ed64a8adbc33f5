"""Break the package on purpose, one line at a time, and see whether its tests notice.

Each mutation of ``mutations.toml`` is applied in a copy of the package, never in the working tree,
and the tests named there run on it until the first failure. A mutation that no test notices has
*survived*: a test is missing. Not all tests run on it, only the ones that are meant to notice it.

    python benchmarks/mutations.py                     # all of them
    python benchmarks/mutations.py --part 2/4          # a quarter
    python benchmarks/mutations.py --only budget       # those of files whose path has the word
    python benchmarks/mutations.py --numbers 83-90,95  # those of these places in the list
    python benchmarks/mutations.py --json > found.json

First the tests run on the unbroken package, where they have to pass. The exit code is 0 if at
least 97 % were killed.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp  # noqa: F401 - imported once for all tests, as the next ones
import numpy as np  # noqa: F401
import pydantic  # noqa: F401
import pytest
import rich.console  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parent.parent
BAR = 0.97  # share of the mutations that the tests have to notice
_LONGEST = 180  # seconds that tests may take; a mutation may keep them from ending
_LONGEST_TEST = 45  # seconds that one of them may
_PASSED, _FAILED, _BROKEN = 0, 1, 99  # exit codes; the first two are pytest's


@dataclass(frozen=True)
class Mutation:
    """A change that makes the package wrong.

    Attributes:
        number: Its place in the list, from 1.
        path: The file, below ``src/llmopt``.
        snippet: What is replaced; it occurs once in the file.
        replacement: What it is replaced by.
        reason: What goes wrong.
        tests: Which tests have to notice, below ``tests``.
    """

    number: int
    path: str
    snippet: str
    replacement: str
    reason: str
    tests: tuple[str, ...]

    def applied(self, text: str) -> str:
        """Return the file's text with the mutation.

        Raises:
            ValueError: The snippet does not occur exactly once.
        """
        count = text.count(self.snippet)
        if count != 1:
            raise ValueError(
                f"the snippet of mutation {self.number} must occur once in {self.path}, got "
                f"{count} times: {self.snippet!r}"
            )
        return text.replace(self.snippet, self.replacement)


@dataclass(frozen=True)
class Found:
    """What became of a mutation.

    Attributes:
        mutation: The mutation.
        killed: Whether a test failed.
        seconds: What its tests took.
        said: The end of what the tests said.
    """

    mutation: Mutation
    killed: bool
    seconds: float
    said: str


def mutations() -> tuple[Mutation, ...]:
    """Return the list."""
    files = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))["file"]
    rows = [(file, row) for file in files for row in file["mutations"]]
    return tuple(
        Mutation(
            number,
            file["path"],
            *row[:3],
            tests=tuple(row[3:]) or tuple(file["tests"]),
        )
        for number, (file, row) in enumerate(rows, 1)
    )


def tried(mutation: Mutation, copy: Path) -> Found:
    """Apply a mutation in a copy of the package, run its tests there, and take it back.

    Raises:
        ValueError: The snippet does not occur exactly once.
        RuntimeError: The tests could not run.
    """
    file = copy / "src/llmopt" / mutation.path
    before = file.read_text("utf-8")
    _write(file, mutation.applied(before))
    begun = time.monotonic()
    try:
        code, said = ran(mutation.tests, copy)
    finally:
        _write(file, before)
    seconds = time.monotonic() - begun
    if code not in (_PASSED, _FAILED):
        raise RuntimeError(f"the tests of mutation {mutation.number} must run, got: {said}")
    return Found(mutation, code == _FAILED, seconds, said)


def ran(tests: Sequence[str], copy: Path) -> tuple[int, str]:
    """Run tests in a copy of the package until the first failure.

    Returns:
        The exit code of pytest, and the end of what it said.
    """
    output = copy / "output.txt"
    # A fork has pytest and the libraries already; llmopt itself is imported from the copy.
    forking = multiprocessing.get_context("fork")
    process = forking.Process(target=_tested, args=(tests, copy, output))
    process.start()
    process.join(_LONGEST)
    if process.exitcode is None:
        os.killpg(process.pid or 0, signal.SIGKILL)
        process.join()
        return _FAILED, "the tests did not end"
    return process.exitcode, output.read_text("utf-8", "replace")[-2000:]


def check_baseline(tests: Sequence[str], copy: Path) -> None:
    """Refuse tests that fail without any mutation.

    Raises:
        RuntimeError: They do.
    """
    code, said = ran(tests, copy)
    if code != _PASSED:
        raise RuntimeError(f"tests must pass without a mutation, got {said} in {tests}")


def _tested(tests: Sequence[str], copy: Path, output: Path) -> None:
    """Run tests in this process and end it."""
    os.setsid()
    written = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(written, 1)
    os.dup2(written, 2)
    os.chdir(copy)
    sys.dont_write_bytecode = False  # what is compiled once in the copy is quicker the next time
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPATH"] = str(copy / "src")  # for processes that tests start
    sys.path[0] = str(copy / "src")
    options = ("-x", "-q", "--tb=line", "-p", "no:cacheprovider", "-m", "not local_model")
    options += (f"--timeout={_LONGEST_TEST}",)
    code: int = _BROKEN
    try:
        code = pytest.main([*options, *(str(copy / "tests" / test) for test in tests)])
    finally:
        sys.stdout.flush()
        os._exit(code)


def _write(file: Path, text: str) -> None:
    """Write a module, and remove what Python has compiled of it: times are in whole seconds."""
    file.write_text(text, encoding="utf-8")
    for compiled in (file.parent / "__pycache__").glob(f"{file.stem}.*.pyc"):
        compiled.unlink()


def chosen(part: str, only: str, numbers: str = "") -> list[Mutation]:
    """Return every n-th mutation from the i-th on, and of these the ones of some files.

    Args:
        part: The i and the n, as in ``2/4``.
        only: What the path of a file has; empty for all.
        numbers: Places in the list, as in ``83-90,95``; empty for all.
    """
    at, _, of = part.partition("/")
    rest = mutations()[int(at) - 1 :: int(of)]
    wanted: set[int] = set()
    for places in numbers.split(",") if numbers else ():
        first, _, last = places.partition("-")
        wanted.update(range(int(first), int(last or first) + 1))
    return [one for one in rest if only in one.path and (not numbers or one.number in wanted)]


def main() -> int:
    """Try the mutations and print what became of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--part", default="1/1", metavar="I/N", help="the I-th of N parts")
    parser.add_argument("--only", default="", metavar="WORD", help="a part of a path")
    parser.add_argument("--numbers", default="", help="places in the list, such as 83-90,95")
    parser.add_argument("--no-baseline", action="store_true", help="skip the unbroken package")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    found: list[Found] = []
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # some tests read as another user
        copy = Path(folder) / "copy"
        ignored = shutil.ignore_patterns(".git", ".venv*", "__pycache__", ".*_cache", "site")
        shutil.copytree(ROOT, copy, ignore=ignored)
        some = chosen(options.part, options.only, options.numbers)
        if not options.no_baseline:
            for tests in dict.fromkeys(mutation.tests for mutation in some):
                check_baseline(tests, copy)
        for mutation in some:
            one = tried(mutation, copy)
            found.append(one)
            word = "killed" if one.killed else "SURVIVED"
            print(
                f"{mutation.number:4} {word:8} {one.seconds:5.0f} s  {mutation.path}: "
                f"{mutation.reason}",
                file=sys.stderr if options.json else sys.stdout,
                flush=True,
            )
    killed = sum(one.killed for one in found)
    if options.json:
        print(json.dumps([asdict(one) for one in found], indent=2))
    else:
        print(f"{killed} of {len(found)} killed")
    return 0 if killed >= BAR * len(found) else 1


if __name__ == "__main__":
    sys.exit(main())
