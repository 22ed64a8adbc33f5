"""``llmopt run TASK`` and ``llmopt tasks``, on a small data folder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Shell

SCORER = ("-o", "scorer.model=scripted/llmopt.testing.scripted:answer")
SMALL = ("-o", "run.steps=1", "-o", "algorithm.samples=2", "-q")


@pytest.fixture(autouse=True)
def data(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LLMOPT_DATA", raising=False)
    rows = [{"input": f"Is {n} odd?", "target": ("No", "Yes")[n % 2]} for n in range(60)]
    (shell.folder / "data" / "bbh").mkdir(parents=True)
    shell.write("data/bbh/navigate.json", json.dumps({"examples": rows}))


def test_a_task_runs_by_its_name_alone_with_its_paper_s_split(shell: Shell) -> None:
    said = shell.llmopt(
        "run", "bbh/navigate", "--data-dir", "data", *SCORER, *SMALL, "--json", "--name", "walk"
    )
    assert said.code == 0, said.err
    assert said.data["start"]["text"] == ""
    start = said.data["lines"][0]
    assert start["train"]["n"] == 12, "20 % of 60"
    assert start["validation"] is None
    assert start["test"]["n"] == 48


def test_the_run_is_named_after_the_task_and_can_be_resumed(shell: Shell) -> None:
    shell.llmopt("run", "bbh/navigate", "--data-dir", "data", *SCORER, *SMALL)
    assert "bbh-navigate" in shell.runs()
    said = shell.llmopt("resume", "bbh-navigate", "-o", "run.steps=2", "-q", "--json")
    assert said.code == 0, said.err
    assert said.data["steps"] == 2


def test_the_folder_may_be_named_by_the_environment(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run keeps it, so resuming needs no environment."""
    monkeypatch.setenv("LLMOPT_DATA", str(shell.folder / "data"))
    assert shell.llmopt("run", "bbh/navigate", *SCORER, *SMALL).code == 0
    monkeypatch.delenv("LLMOPT_DATA")
    assert shell.llmopt("resume", "bbh-navigate", "-q").code == 0


def test_sizes_of_the_user_s_own_replace_the_paper_s_split(shell: Shell) -> None:
    said = shell.llmopt(
        "run", "bbh/navigate", "--data-dir", "data", *SCORER, *SMALL, "--json",
        "-o", "problem.sizes=[10, 10, 30]",
    )  # fmt: skip
    assert said.code == 0, said.err
    assert said.data["lines"][0]["validation"]["n"] == 10


def test_a_configuration_may_name_a_task(shell: Shell) -> None:
    shell.write(
        "run.toml",
        '[problem]\nbenchmark = "bbh/navigate"\ndata_dir = "data"\nsizes = [10, 10, 30]\n'
        'position = "Q_end"\n[scorer]\nmodel = "scripted/llmopt.testing.scripted:answer"\n',
    )
    assert shell.llmopt("run", "run.toml", *SMALL).code == 0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("bbh/navigate", "--data-dir", "data"), "-o scorer.model="),
        (("bbh/navigat", *SCORER), "did you mean 'bbh/navigate'"),
        (("bbh/web_of_lies", "--data-dir", "data", *SCORER), "BIG-Bench-Hard"),
        (("bbh/navigate", "--data-dir", "nowhere", *SCORER), "nowhere"),
        (("bbh/navigate", *SCORER, "-o", "problem.data=x.csv"), "leave one out"),
        (("bbh/navigate", *SCORER, "-o", "problem.split=apo"), "problem.split"),
        (
            ("bbh/navigate", *SCORER, "-o", "problem.sizes=[2, 2, 2]", "-o", "problem.split=gpo"),
            "leave one out",
        ),
        (("nothing.toml", *SCORER), "nothing.toml"),
    ],
)
def test_what_cannot_be_run_is_bad_input(
    shell: Shell, words: tuple[str, ...], expected: str
) -> None:
    said = shell.llmopt("run", *words, "-q")
    assert said.code == 2, said.out
    assert expected in said.err


def test_a_folder_goes_with_a_task_only(shell: Shell) -> None:
    shell.configure()
    said = shell.llmopt("run", "run.toml", "--data-dir", "data", "-q")
    assert said.code == 2
    assert "problem.benchmark" in said.err


def test_tasks_are_listed_with_the_items_that_are_there(shell: Shell) -> None:
    rows = {row["task"]: row for row in shell.llmopt("tasks", "--data-dir", "data", "--json").data}
    assert len(rows) == 93
    assert rows["bbh/navigate"]["items"] == 60
    assert rows["bbh/navigate"]["kind"] == "boolean"
    assert rows["gsm8k"]["items"] is None
    assert rows["gsm8k"]["splits"] == ["opro", "gpo"]
    assert "93 tasks" in shell.llmopt("tasks").out


def test_a_task_is_checked_by_its_name_too(shell: Shell) -> None:
    said = shell.llmopt(
        "check", "bbh/navigate", "--data-dir", "data", *SCORER, "--offline", "--json"
    )
    assert said.code == 0, said.err
    assert "60 rows: 12 train, 0 validation, 48 test" in said.out
