"""The bundled programs: each faster form does the same, each wrong one does not."""

from __future__ import annotations

import contextlib
import io
import json
import runpy
import sys
from random import Random
from typing import TYPE_CHECKING

import pytest

from llmopt.errors import ConfigError, DataError, UnknownNameError
from llmopt.problems.code.bundled.scored_outputs import TASKS
from llmopt.problems.code.bundled_problems import (
    better_region,
    heuristic,
    heuristics,
    pie_problems,
    slow_program,
    slow_program_named,
    slow_programs,
)
from llmopt.problems.code.changeable import changeable
from llmopt.problems.code.sandbox import interpreter
from llmopt.problems.code.supervised import supervised

if TYPE_CHECKING:
    from pathlib import Path


def written(program: str, given: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return what a program writes for an input."""
    path = folder / "bundled_form.py"
    path.write_text(program, encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", io.StringIO(given))
    with contextlib.redirect_stdout(io.StringIO()) as output:
        runpy.run_path(str(path), run_name="__main__")
    return output.getvalue().rstrip()


def test_there_are_20_programs_and_5_heuristics() -> None:
    assert len(slow_programs()) == 20
    assert len(heuristics()) == 5
    assert set(heuristics()) == set(TASKS)
    with pytest.raises(UnknownNameError, match="a bundled program is one of"):
        slow_program("quick-join")
    with pytest.raises(UnknownNameError, match="a bundled heuristic is one of"):
        heuristic("bins")


@pytest.mark.parametrize("name", slow_programs())
def test_a_faster_form_does_the_same_and_a_wrong_one_does_not(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = slow_program_named(name)
    assert len(set(known.inputs)) >= 10
    small = known.inputs[4:]
    slow, fast, wrong = (
        [written(form, given, tmp_path, monkeypatch) for given in small]
        for form in (known.slow, known.fast, known.wrong)
    )
    assert fast == slow
    assert wrong != slow


@pytest.mark.parametrize("name", heuristics())
def test_a_better_region_scores_better(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = TASKS[name]
    given = task.draw(Random(0))
    supervised_or_skip()
    problem = heuristic(name)
    better = problem.parse(better_region(name))
    assert isinstance(better, str)
    scores = [
        task.score(given, written(text, given, tmp_path, monkeypatch))
        for text in (problem.starts[0], better)
    ]
    assert (scores[1] < scores[0]) is task.minimize
    with pytest.raises(ValueError, match=r"."):
        task.score(given, "99999 99999")


def test_pairs_in_the_form_of_pie_are_read(tmp_path: Path) -> None:
    supervised_or_skip()
    rows = [
        {"problem_id": "p1", "src_v0": "print(1 + int(input()))", "src_v1": "print(2)"},
        {"problem_id": "p1", "query": "print(int(input()) + 1)", "reference": "print(2)"},
        {"problem_id": "p1", "src_v0": "int main", "src_v1": "", "language": "cpp"},
    ]
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text("\n".join(map(json.dumps, rows)))
    folder = tmp_path / "tests" / "p1"
    folder.mkdir(parents=True)
    (folder / "input.0.txt").write_text("1")
    (folder / "output.0.txt").write_text("3")
    with pytest.raises(ConfigError, match=r"line 1 of .*passes its own tests"):
        list(pie_problems(pairs, tmp_path / "tests"))
    (folder / "output.0.txt").write_text("2")
    found = list(pie_problems(pairs, tmp_path / "tests"))
    assert [fast for _, fast in found] == ["print(2)", "print(2)"]
    pairs.write_text("{}")
    with pytest.raises(DataError, match="line 1"):
        list(pie_problems(pairs, tmp_path / "tests"))


def supervised_or_skip() -> None:
    try:
        supervised("auto", interpreter(packages=False))
    except ConfigError as error:
        pytest.skip(str(error))


def test_every_form_is_a_program() -> None:
    for name in slow_programs():
        known = slow_program_named(name)
        for form in (known.slow, known.fast, known.wrong):
            assert changeable(form, "program").text == form
