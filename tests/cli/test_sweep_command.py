"""``llmopt sweep`` and ``llmopt recipes``, as a user calls them."""

from __future__ import annotations

import csv
import json
import signal
import sys
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from llmopt.testing import scripted

if TYPE_CHECKING:
    from conftest import Shell

    from llmopt.core.values import Call

SWEEP = """
base = "run.toml"

[grid]
"algorithm.order" = ["ascending", "descending"]
"run.seed" = [0, 1]
"run.steps" = [50]

[budget]
calls = 200
"""


@pytest.fixture
def project(shell: Shell) -> Shell:
    shell.write("orders.toml", SWEEP)
    return shell


def test_a_sweep_prints_its_table_and_what_it_means(project: Shell) -> None:
    said = project.llmopt("sweep", "orders.toml")
    assert said.code == 0
    head, first, second = said.out.strip().splitlines()[:3]
    assert head.split()[:3] == ["test", "±", "sd"]
    assert first.startswith("order=ascending ")
    assert second.startswith("order=descending ")
    assert "order=descending: " in said.out
    assert "corrected for 1 comparison a table (Holm)" in said.out
    assert "4 cells used " in said.out
    assert "[orders] cell 2 of 4: order=descending, seed 0\n" in said.err
    assert "[orders] cell 4 of 4 done: order=descending, seed 1: " in said.err


def test_json_and_csv_are_the_same_table(project: Shell) -> None:
    said = project.llmopt("sweep", "orders.toml", "--json", "-q", "--csv", "table.csv")
    assert said.err == ""
    with (project.folder / "table.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [float(line["mean"]) for line in lines] == [row["mean"] for row in said.data["rows"]]
    cells = said.data["cells"]
    assert [cell["variant"] for cell in cells] == ["order=ascending", "order=descending"] * 2
    assert {len(cell["test"]) for cell in cells} == {20}
    assert max(cell["calls"] for cell in cells) <= 200


def test_a_csv_that_cannot_be_written_is_refused_first(project: Shell) -> None:
    said = project.llmopt("sweep", "orders.toml", "--csv", "nowhere/table.csv")
    assert said.code == 2
    assert "'nowhere/table.csv'" in said.err
    assert project.runs() == []


def test_a_listing_does_nothing(project: Shell) -> None:
    """It says what is done, what a cell may use, and what that is together."""
    said = project.llmopt("sweep", "orders.toml", "--list")
    assert said.code == 0
    assert "order=ascending" in said.out
    assert "Still to do: " in said.out
    assert project.runs() == []
    project.llmopt("sweep", "orders.toml", "-q")
    cells = project.llmopt("sweep", "orders.toml", "--list", "--json").data["cells"]
    assert {cell["state"] for cell in cells} == {"done"}
    assert all(cell["low"] <= cell["high"] <= 200 for cell in cells)
    assert {cell["name"] for cell in cells} < set(project.runs())


def test_options_change_all_cells_or_an_axis(project: Shell) -> None:
    words = ("-o", "run.steps=3", "-o", "grid.run.seed=[7]", "--list", "--json")
    assert project.llmopt("sweep", "orders.toml", *words).code == 2, "run.steps is an axis"
    words = ("-o", "grid.run.steps=[3]", *words[2:])
    cells = project.llmopt("sweep", "orders.toml", *words).data["cells"]
    assert [cell["seed"] for cell in cells] == ["7", "7"]


def test_ctrl_c_says_how_to_go_on_and_the_same_command_does(
    project: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def answer(call: Call) -> str:
        calls.append(call.text)
        if len(calls) == 150:
            signal.raise_signal(signal.SIGINT)
        return scripted.answer(call)

    module = ModuleType("interrupted_model")
    monkeypatch.setattr(module, "answer", answer, raising=False)
    monkeypatch.setitem(sys.modules, "interrupted_model", module)
    words = ("sweep", "orders.toml", "-o", "scorer.model=scripted/interrupted_model:answer")
    said = project.llmopt(*words)
    assert said.code == 130
    assert f"Continue with: llmopt {' '.join(words)}\n" in said.err
    again = project.llmopt(*words)
    assert again.code == 0
    assert "of them done before" in again.err


def test_a_run_is_no_sweep(project: Shell) -> None:
    """It says which command takes it."""
    said = project.llmopt("sweep", "demo")
    assert (said.code, "llmopt run demo" in said.err) == (2, True)
    said = project.llmopt("sweep", "opro/ablation-ordr")
    assert (said.code, "did you mean 'opro/ablation-order" in said.err) == (2, True)


def test_a_recipe_that_is_a_sweep_can_be_run(project: Shell) -> None:
    """``llmopt run`` does it as ``llmopt sweep`` does, with the same options and name."""
    few = ("-o", "grid.problem.arguments.repetition=[0, 1]", "-o", "grid.problem.arguments=[{}]")
    model = ("-o", "optimizer.model=scripted/llmopt.testing.scripted:answer")
    words = ("opro/linear-regression-small", *few, *model, "--json", "-q", "--name", "lines")
    run = project.llmopt("run", *words)
    assert run.code == 0
    assert {line["variant"] for line in json.loads(run.out)["lines"]} == {
        "OPRO",
        "EvoLLM",
        "random search",
        "hill climbing",
        "optimum",
    }
    assert json.loads(project.llmopt("sweep", *words).out) == json.loads(run.out)


def test_a_sweep_is_not_resumed_and_shown_as_its_table(project: Shell) -> None:
    """It has no steps; its cells have."""
    project.llmopt("sweep", "orders.toml", "-q")
    said = project.llmopt("resume", "orders")
    assert said.code == 2
    assert "'orders' is a sweep; repeat the llmopt sweep command that began it" in said.err
    shown = project.llmopt("show", "orders")
    assert shown.code == 0
    assert "order=ascending" in shown.out
    assert project.llmopt("show", "orders", "--format", "latex").out.startswith("% needs")
    said = project.llmopt("show", "orders", "--step", "1")
    assert (said.code, "'orders' is a sweep, whose cells have" in said.err) == (2, True)
    assert project.llmopt("show", project.runs()[0]).code == 0


def test_the_recipes_are_listed_with_what_they_need(project: Shell) -> None:
    rows = {row["name"]: row for row in project.llmopt("recipes", "--json").data}
    assert rows["opro/gsm8k"]["kind"] == "run"
    assert rows["opro/ablation-order-small"]["kind"] == "sweep"
    assert all(row["what"] and row["source"] and row["needs"] for row in rows.values())
    listed = project.llmopt("recipes").out
    assert "llmopt run opro/gsm8k\n" in listed
    assert "llmopt sweep opro/transfer\n" in listed
    assert 'benchmark = "gsm8k"' in project.llmopt("recipes", "opro/gsm8k").out
    assert project.llmopt("recipes", "opro/gsm").code == 2


def test_a_small_ablation_runs(project: Shell) -> None:
    """As it ships, but with a scripted model and few items."""
    words = ("-o", "scorer.model=scripted/llmopt.testing.scripted:answer", "-q", "--json")
    few = ("-o", "problem.sizes=[6, 4, 20]", "-o", "run.steps=2", "-o", "grid.run.seed=[0, 1]")
    said = project.llmopt("sweep", "opro/ablation-order-small", *few, *words)
    assert said.code == 0
    assert said.data["sweep"] == "opro-ablation-order-small"
    assert [row["variant"] for row in said.data["rows"]] == [
        "order=ascending",
        "order=descending",
        "order=random",
    ]
    assert len(said.data["cells"]) == 6


def test_a_cell_is_continued_by_its_sweep_alone(project: Shell) -> None:
    """As a run of its own it would find what other cells have bought, and so do more."""
    project.llmopt("sweep", "orders.toml", "-q")
    cell = next(run for run in project.runs() if run.startswith("orders."))
    said = project.llmopt("resume", cell, "-o", "run.steps=60")
    assert (said.code, said.out) == (2, "")
    assert f"{cell!r} is a cell of the sweep 'orders'" in said.err


def test_seconds_are_no_equal_budget(project: Shell) -> None:
    said = project.llmopt("sweep", "orders.toml", "-o", "budget.seconds=60")
    assert said.code == 2
    assert "budget.seconds is no equal budget" in said.err
