"""A function of the user's with a declared space, and the methods that need no model on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import llmopt
from llmopt.core.problem import VectorSpace
from llmopt.errors import ConfigError
from llmopt.problems.loading import problem_named

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

BOUNDS = {"rate": (0, 1), "decay": (0, 10)}


def loss(point: Sequence[float]) -> float:
    return (point[0] - 0.3) ** 2 + (point[1] - 4.5) ** 2


def made(**options: Any) -> llmopt.VectorProblem:
    given = {"describe": "Small.", "bounds": BOUNDS, "minimize": True, **options}
    return llmopt.vector_problem(loss, **given)


@pytest.mark.parametrize("method", ["random-search", "hill-climbing", "one-plus-one-es", "cma-es"])
def test_methods_without_a_model_work_on_it(tmp_path: Path, method: str) -> None:
    if method == "cma-es":
        pytest.importorskip("cmaes", reason="the extra cma is not installed")
    problem = made()
    result = llmopt.optimize(
        problem, algorithm=method, steps=12, store=str(tmp_path / "s.db"), progress=False
    )
    first = min(loss(problem.decode(text)) for text in problem.starts)
    assert loss(problem.decode(result.best.text)) < first


def test_its_space_is_declared_and_told() -> None:
    problem = made()
    assert isinstance(problem, VectorSpace)
    assert problem.bounds() == ((0, 1), (0, 10))
    assert problem.describe == (
        "Small. A point is written rate=…, decay=…, with rate from 0 to 1, decay from 0 to 10."
    )
    assert len(problem.starts) == 5
    assert made(seeds=[(0.5, 1), (0.25, 2)]).starts == ("rate=0.5, decay=1", "rate=0.25, decay=2")
    assert made(decimals=0, seeds=[(0.4, 1.2)]).starts == ("rate=0, decay=1",)
    assert made().fingerprint == problem.fingerprint
    assert made(seed=1).fingerprint != problem.fingerprint


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"bounds": {"x": (1, 1), "y": (0, 1)}}, "bounds are low and high"),
        ({"bounds": {"x": (1,), "y": (0, 1)}}, "low and high, but those of 'x' are"),
        ({"bounds": {}}, "every coordinate has its bounds"),
        ({"seeds": [(1, 2, 3)]}, "has 2 coordinates, but got"),
        ({"starts": 0}, "starts are 1 or more, but got 0"),
        ({"decimals": 12}, "0 to 9, but got 12"),
    ],
)
def test_what_cannot_be_a_space_is_said(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        made(**options)


def test_a_configuration_declares_one_by_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "training_of_mine.py").write_text(
        "def loss(point):\n    return sum(point)\n", encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    arguments = {"describe": "Small.", "bounds": {"x": [0, 1]}, "minimize": True}
    problem = problem_named("training_of_mine:loss", arguments)
    assert isinstance(problem, llmopt.VectorProblem)
    with pytest.raises(ConfigError, match=r"describe and seeds there, one of numbers describe and"):
        problem_named("training_of_mine:loss", {})
    with pytest.raises(ConfigError, match="an argument of training_of_mine:loss is one of"):
        problem_named("training_of_mine:loss", {**arguments, "bound": 1})
