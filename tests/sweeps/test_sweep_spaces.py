"""A sweep over numbers compares how searches converge; nothing is held out there."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from llmopt.errors import ConfigError
from llmopt.sweeps.grid import Sweep, sweep_of
from llmopt.sweeps.runner import run_sweep

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.sweeps.swept import Swept


BASE: dict[str, Any] = {
    "problem": {"function": "llmopt.testing.scripted:numbers"},
    "optimizer": {"model": "scripted/llmopt.testing.scripted:answer"},
    "run": {"steps": 4},
}
VARIANTS = [
    {"label": "model", "algorithm.name": "evollm", "algorithm.population": 4},
    {"label": "climbing", "algorithm.name": "hill-climbing"},
    {"label": "drawn", "algorithm.name": "random-search"},
]


def made(folder: Path, *overrides: str, **changes: Any) -> Sweep:
    data = {
        "base": BASE,
        "variants": VARIANTS,
        "grid": {"problem.arguments.dimensions": [2, 3], "run.seed": [0, 1]},
        **changes,
    }
    return sweep_of(data, "here", folder, overrides, name="spaces")


def swept(sweep: Sweep, folder: Path) -> Swept:
    return asyncio.run(run_sweep(sweep, store=folder / "store.sqlite", progress=False))


def test_arguments_are_tasks_and_seeds_repetitions(tmp_path: Path) -> None:
    sweep = made(tmp_path)
    assert len(sweep.cells) == 2 * 2 * 3
    assert sweep.variants == ("model", "climbing", "drawn")
    assert {cell.task for cell in sweep.cells} == {"dimensions=2", "dimensions=3"}
    assert {cell.seed for cell in sweep.cells} == {"0", "1"}
    assert sweep.cells[-1].settings.problem.arguments == {"dimensions": 3}


def test_arguments_that_belong_together_are_one_axis(tmp_path: Path) -> None:
    """Each repetition changes its own copy of them."""
    grid = {
        "problem.arguments": [{"w": 15, "b": 14}, {"w": 3, "b": 5}],
        "problem.arguments.repetition": [0, 1],
    }
    base = {"problem": {"function": "llmopt.problems.numeric.regression:linear_regression"}}
    variants = [{"label": "drawn", "algorithm.name": "random-search"}]
    sweep = made(tmp_path, base=base, grid=grid, variants=variants)
    assert [(cell.task, cell.seed) for cell in sweep.cells] == [
        ("w=15, b=14", "0/0"),
        ("w=15, b=14", "0/1"),
        ("w=3, b=5", "0/0"),
        ("w=3, b=5", "0/1"),
    ]
    assert [cell.settings.problem.arguments for cell in sweep.cells][1:3] == [
        {"w": 15, "b": 14, "repetition": 1},
        {"w": 3, "b": 5, "repetition": 0},
    ]
    fewer = made(
        tmp_path,
        "grid.problem.arguments.repetition=[4]",
        base=base,
        grid=grid,
        variants=variants,
    )
    assert [cell.settings.problem.arguments["repetition"] for cell in fewer.cells] == [4, 4]
    with pytest.raises(ConfigError, match=r"problem\.arguments\.w differs between them"):
        made(tmp_path, "problem.arguments.w=9", base=base, grid=grid, variants=variants)


def test_a_repetition_of_the_data_draws_anew(tmp_path: Path) -> None:
    """Random search would otherwise try the same points every time, and have no spread."""
    repeated = {"problem.arguments.repetition": [0, 1, 2]}
    base = {"problem": {"function": "llmopt.problems.numeric.regression:linear_regression"}}
    variants = [{"label": "drawn", "algorithm.name": "random-search", "run.steps": 2}]
    sweep = made(tmp_path, "run.seed=7", base=base, grid=repeated, variants=variants)
    assert [cell.settings.run.seed for cell in sweep.cells] == [7, 8, 9]
    assert [cell.seed for cell in sweep.cells] == ["7/0", "7/1", "7/2"]
    crossed = made(tmp_path, base=base, grid={**repeated, "run.seed": [3, 4]}, variants=variants)
    assert {cell.settings.run.seed for cell in crossed.cells} == {3, 4}


def test_variants_do_not_change_the_task(tmp_path: Path) -> None:
    variants = [{"label": "other", "problem.arguments.dimensions": 5}]
    with pytest.raises(ConfigError, match=r"one of them changes problem\.arguments\.dimensions"):
        made(tmp_path, variants=variants, grid={"run.seed": [0]})


def test_its_table_is_of_steps_tries_and_gaps(tmp_path: Path) -> None:
    found = swept(made(tmp_path), tmp_path)
    assert found.rows == ()
    assert [(line.task, line.variant) for line in found.lines] == [
        (task, variant)
        for task in ("dimensions=2", "dimensions=3")
        for variant in ("model", "climbing", "drawn", "optimum")
    ]
    model, climbing, _, optimum = found.lines[:4]
    assert (optimum.cells, optimum.solved, optimum.tried.mean) == (2, 2, 1)
    assert optimum.best is not None
    assert optimum.best.mean == 0
    assert (model.cells, model.tried.mean, climbing.tried.mean) == (2, 16, 32)
    assert all(cell.course and cell.course.optimum == 0 for cell in found.cells)
    assert {cell.start for cell in found.cells if cell.task == "dimensions=2"} == {-1018}
    assert [cell.calls for cell in found.cells if cell.variant != "model"] == [0] * 8
    data = json.loads(json.dumps(found.to_dict()))
    assert "rows" not in data
    assert len(data["lines"]) == 8


def test_what_is_done_is_read_again(tmp_path: Path) -> None:
    first = swept(made(tmp_path), tmp_path)
    again = swept(made(tmp_path), tmp_path)
    assert (again.cells, again.lines) == (first.cells, first.lines)


def test_plain_controls_are_lines_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A solution that nobody had to search for is one try, measured once for each task and seed."""
    (tmp_path / "with_controls.py").write_text(
        "from llmopt.testing import scripted\n"
        "class Controlled(scripted.Valley):\n"
        "    def controls(self):\n"
        "        return {'middle': '0, 0', 'corner': '30, 30'}\n"
        "def made():\n"
        "    found = scripted.numbers()\n"
        "    object.__setattr__(found, '__class__', Controlled)\n"
        "    return found\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    base = {**BASE, "problem": {"function": "with_controls:made"}}
    sweep = made(tmp_path, base=base, grid={"run.seed": [0, 1]})
    found = swept(sweep, tmp_path)
    middle, corner, _ = found.lines[3:]
    assert (middle.variant, middle.cells, middle.tried.mean) == ("middle", 2, 1)
    assert middle.best is not None
    assert corner.best is not None
    assert (middle.best.mean, corner.best.mean) == (-58, -(23**2 + 33**2))
    assert swept(sweep, tmp_path).lines == found.lines


def test_a_method_that_does_not_fit_is_refused_before_any_cell(tmp_path: Path) -> None:
    variants = [*VARIANTS, {"label": "tours", "algorithm.name": "two-opt"}]
    with pytest.raises(ConfigError, match=r"the cell 'tours, .*neighbours, such as tours"):
        swept(made(tmp_path, variants=variants), tmp_path)
