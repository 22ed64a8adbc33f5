"""The command that runs every small recipe keeps what has ended, and names what failed."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import ModuleType

    import pytest


class Terminal:
    """Runs nothing; says what it was asked for and fails as often as it is told."""

    def __init__(self, failures: int = 0) -> None:
        self.lines: list[list[str]] = []
        self.failures = failures

    def __call__(self, line: Sequence[str]) -> subprocess.CompletedProcess[str]:
        self.lines.append(list(line))
        self.failures -= 1
        code = int(self.failures >= 0)
        return subprocess.CompletedProcess(
            line, code, "start:\nNo gain.\nMore.\n", "Trace\nIt broke.\n"
        )


def test_a_part_of_the_recipes_can_be_named(recipes: ModuleType) -> None:
    assert {recipe.name for recipe in recipes.small(["expo/"])} == {
        "expo/functions-small",
        "expo/regression-small",
        "expo/tours-small",
    }
    assert len(recipes.small([])) > 40


def test_what_ended_well_is_not_run_again(
    recipes: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = Terminal(failures=1), Terminal()
    broken, well = recipes.all_ended(
        ["expo/functions", "expo/tours-"], tmp_path, None, ["a=1"], first
    )
    assert (broken.code, broken.said, well.code, well.said) == (1, "It broke.", 0, "No gain.")
    again = recipes.all_ended(["expo/functions", "expo/tours-"], tmp_path, None, ["a=1"], second)
    assert [one.code for one in again] == [0, 0]
    assert [line[2:5] for line in second.lines] == [["llmopt", "sweep", "expo/functions-small"]]
    assert "--store" in second.lines[0]
    assert second.lines[0] == first.lines[0]  # in the same store, so it is continued
    third = Terminal()
    recipes.all_ended(["expo/tours-"], tmp_path, None, ["a=2"], third)
    assert len(third.lines) == 1
    assert "expo/tours-small" in capsys.readouterr().out


def test_recipes_that_need_files_are_left_out_without_them(
    recipes: ModuleType, tmp_path: Path
) -> None:
    terminal = Terminal()
    assert recipes.all_ended(["gpo/bbh-all"], tmp_path, None, [], terminal) == []
    assert recipes.all_ended(["gpo/bbh-all"], tmp_path, tmp_path, [], terminal)[0].code == 0
    assert "--data-dir" in terminal.lines[0]
