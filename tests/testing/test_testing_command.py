"""``python -m llmopt.testing`` says of a user's method which rules it keeps, and why not."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from llmopt.testing import scripted
from llmopt.testing.__main__ import cases, main
from llmopt.testing.algorithms import CHECKS

if TYPE_CHECKING:
    from pathlib import Path

METHODS = """
import random
from dataclasses import dataclass, replace

from llmopt.core.part import Feedback, Group
from llmopt.algorithms.opro import opro
from llmopt.errors import ConfigError
from llmopt.testing import scripted


def fine():
    return opro(samples=2, family="chat")


def in_families(family="auto"):
    return opro(samples=2, family=family)


class OnInstructions:
    def fits(self, problem):
        if problem.fingerprint != scripted.problem().fingerprint:
            raise ConfigError("it is for one instruction")


@dataclass(frozen=True)
class Peek(OnInstructions):
    async def __call__(self, ctx):
        return Feedback(ctx.problem.items("test")[:1])


def peeking():
    return replace(fine(), reflect=Peek())


@dataclass(frozen=True)
class Broken(OnInstructions):
    async def __call__(self, ctx):
        return {}["no such key"]


def broken():
    return replace(fine(), reflect=Broken())


@dataclass(frozen=True)
class Choosy(Broken):
    def fits(self, problem):
        raise ConfigError("it needs a chess board")


def choosy():
    return replace(fine(), reflect=Choosy())


class Nameless(OnInstructions):
    async def __call__(self, ctx):
        return (Group(shown=ctx.trajectory.best(3)),)


def nameless():
    return replace(fine(), select=Nameless())


@dataclass(frozen=True)
class Flat(OnInstructions):
    async def __call__(self, ctx):
        return (ctx.trajectory.best(3),)


def flat():
    return replace(fine(), select=Flat())


@dataclass(frozen=True)
class Waiting(OnInstructions):
    def __call__(self, ctx):
        return Feedback()


def waiting():
    return replace(fine(), reflect=Waiting())


class Mine:
    def __new__(cls):
        return fine()
"""


@pytest.fixture(autouse=True)
def checked_methods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "checked_methods.py").write_text(METHODS, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "checked_methods", raising=False)


def said(name: str) -> tuple[int, str]:
    found = CliRunner().invoke(main, [name])
    return found.exit_code, found.output


def titles(name: str) -> list[str]:
    return [title for title, _, _ in cases(name)]


def test_a_method_that_conforms_passes_every_check() -> None:
    code, text = said("checked_methods:fine")
    assert code == 0, text
    assert "failed" not in text
    for check in CHECKS:
        assert text.count(f"ok      {check.__name__}: ") == 3
    assert text.endswith(f"{3 * len(CHECKS)} of {3 * len(CHECKS)} checks passed.\n")


def test_a_method_is_checked_on_each_problem_that_it_is_for_and_in_each_family() -> None:
    """It may be a function or a class, or one that ships."""
    assert titles("checked_methods:Mine") == [
        f"checked_methods:Mine on {problem}"
        for problem in ("an instruction", "steps of instructions", "whole numbers")
    ]
    assert titles("hill-climbing") == ["hill-climbing on whole numbers"]
    found = titles("checked_methods:in_families")
    assert len(found) == 9
    assert found[-1] == "checked_methods:in_families on whole numbers, family continuation"


def test_what_is_broken_is_said_with_its_reason() -> None:
    code, text = said("checked_methods:peeking")
    assert code == 1
    assert "failed  shows_training_items_only: " in text
    assert "what only a test item has is not shown" in text
    assert "ok      survives_nonsense" in text


def test_what_a_method_raises_is_said_with_its_place() -> None:
    code, text = said("checked_methods:broken")
    assert code == 1
    assert "failed  asks_purely: KeyError: 'no such key'" in text
    assert "checked_methods.py, line " in text


@pytest.mark.parametrize(
    ("name", "check", "why"),
    [
        ("nameless", "is_told_by_its_repr", "make each of them a frozen dataclass; but one prints"),
        (
            "flat",
            "has_parts_of_their_kinds",
            "such as (Group(base=first, shown=(first, second)),)",
        ),
        ("waiting", "has_parts_of_their_kinds", "reflect is called with `async def __call__`"),
    ],
)
async def test_what_beginners_get_wrong_is_said_in_their_words(
    name: str, check: str, why: str, tmp_path: Path
) -> None:
    method = getattr(importlib.import_module("checked_methods"), name)()
    (rule,) = (one for one in CHECKS if one.__name__ == check)
    with pytest.raises(AssertionError, match=re.escape(why)):
        await rule(method, scripted.problem(), tmp_path)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("checked_methods:choosy", "it needs a chess board"),
        ("checked_methods:nothing", "cannot be imported"),
        ("checked_methods:random", "is a function"),
        ("orpo", "did you mean 'opro'"),
    ],
)
def test_what_cannot_be_checked_is_bad_usage(name: str, why: str) -> None:
    code, text = said(name)
    assert code == 2
    assert why in text


def test_it_is_a_command_of_the_package(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "llmopt.testing"]
    found = subprocess.run(
        [*command, "checked_methods:choosy"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 2
    assert "chess board" in found.stderr
    assert not found.stdout
