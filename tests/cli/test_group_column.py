"""``problem.group`` from the file to the reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Shell


def _rows(shell: Shell, n: int, each: int, column: str = "passage_id") -> None:
    lines = [f"{row // each},Question {row}?,{'yes' if row % 2 else 'no'}" for row in range(n)]
    shell.write("questions.csv", "\n".join([f"{column},input,target", *lines, ""]))


def _cautions(shell: Shell, *words: str) -> str:
    return "\n".join(shell.llmopt("check", "run.toml", "--json", *words).data["cautions"])


_GROUP = ("-o", "problem.group='passage_id'")


def test_check_points_out_a_column_that_looks_like_a_group(shell: Shell) -> None:
    _rows(shell, 40, 2)
    assert "The column 'passage_id' looks like a group" in _cautions(shell)
    assert "looks like a group" not in _cautions(shell, *_GROUP)
    _rows(shell, 40, 1)
    assert "looks like a group" not in _cautions(shell)


def test_check_points_out_a_passage_that_inputs_share(shell: Shell) -> None:
    lines = [
        f'"{"p" * 200}{row // 4}\nQuestion {row}?",{"no" * (row % 2) or "yes"}' for row in range(40)
    ]
    shell.write("questions.csv", "\n".join(["input,target", *lines, ""]))
    assert "40 of 40 inputs share a long passage with others" in _cautions(shell)


def test_check_says_where_groups_are_too_few_and_change_the_sizes(shell: Shell) -> None:
    _rows(shell, 40, 5)
    said = _cautions(shell, *_GROUP)
    assert "train, validation and test have 10, 10 rows and 20" not in said
    assert "train, validation and test have 10, 10, 20 rows, where 12, 8, 20 were" in said
    assert "The 20 test rows are 4 groups" in said
    assert "with so few, no difference is distinguishable from chance" in said
    _rows(shell, 40, 3)
    assert "hardly any difference" in _cautions(shell, *_GROUP)
    _rows(shell, 40, 2)
    assert "are what a test counts" not in _cautions(shell, *_GROUP)
    said = shell.llmopt("check", "run.toml", *_GROUP).out
    assert "20 test rows in 10 groups can show a difference of about 6" in " ".join(said.split())
    assert "where a group's rows are answered alike" in " ".join(said.split())


def test_results_comparisons_and_evaluations_count_groups(shell: Shell) -> None:
    _rows(shell, 40, 2)
    for name, seed in (("one", 0), ("two", 1)):
        words = ("-o", f"run.seed={seed}", "--name", name)
        found = shell.llmopt("run", "run.toml", "--json", *_GROUP, *words).data
        assert found["test"]["difference"]["method"].endswith("groups")
    (shell.folder / "questions.csv").unlink()  # readers need no data
    (_, second) = shell.llmopt("compare", "one", "two", "--json").data["runs"]
    assert second["difference"]["method"].endswith("over 10 groups")
    shown = shell.llmopt("show", "one", "--json").data
    assert shown["result"]["test"]["difference"]["method"].endswith("groups")
