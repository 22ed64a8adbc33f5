"""A method that asks no language model runs without one, and is a run like any other."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from llmopt.algorithms import ALGORITHMS
from llmopt.api import optimize, prepare
from llmopt.core.values import Call
from llmopt.engine.controls import control_of
from llmopt.errors import ConfigError, RefusedError
from llmopt.models.middleware.budget import Limits
from llmopt.models.providers.null import AbsentModel
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.store import open_store
from llmopt.testing import scripted

if TYPE_CHECKING:
    from pathlib import Path

UNAIDED = sorted(name for name, make in ALGORITHMS.items() if not make().needs_model)


def searched(folder: Path, **options: Any) -> Any:
    options = {
        "algorithm": "hill-climbing",
        "steps": 4,
        "store": folder / "store.sqlite",
        "name": "here",
        "progress": False,
        **options,
    }
    return optimize(scripted.numbers(), **options)


def test_these_methods_need_no_model() -> None:
    assert UNAIDED == ["cma-es", "hill-climbing", "one-plus-one-es", "random-search", "two-opt"]


def test_it_runs_without_any_model(tmp_path: Path) -> None:
    result = searched(tmp_path)
    assert result.candidates == 2 + 4 * 8
    assert result.best.text != result.start.text
    assert sum(used.calls for used in result.usage.values()) == 0
    assert result.rejected == {}


def test_a_model_that_is_named_is_left_alone(tmp_path: Path) -> None:
    """It is not even built, so its key may be missing; and it is the same run with and without."""
    asked: list[Call] = []

    def answer(call: Call) -> str:
        asked.append(call)
        return ""

    first = searched(tmp_path, optimizer="openai/gpt-5")
    again = searched(tmp_path, optimizer=ScriptedModel(answer), steps=5)
    assert (first.steps, again.steps) == (4, 5)
    assert not asked


def test_a_run_that_was_stopped_goes_on(tmp_path: Path) -> None:
    whole = searched(tmp_path, name="whole")
    searched(tmp_path, name="broken", steps=2)
    assert searched(tmp_path, name="broken").best == whole.best


def test_a_budget_of_calls_is_not_used(tmp_path: Path) -> None:
    result = searched(tmp_path, budget=Limits(calls=1, tokens=1))
    assert not result.out_of_budget
    assert result.steps == 4


def test_without_a_model_other_methods_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="take a method that needs none, such as 'random-search'"):
        searched(tmp_path, algorithm="evollm")


async def test_a_problem_that_does_not_fit_leaves_nothing_behind(tmp_path: Path) -> None:
    """It is refused before the first call and before the run has a name in the store."""
    model, store = scripted.model(), tmp_path / "store.sqlite"
    options: dict[str, Any] = {"algorithm": "two-opt", "store": store, "optimizer": model}
    with pytest.raises(ConfigError, match="a problem with neighbours"):
        async with prepare(scripted.numbers(), **options):
            raise AssertionError
    assert model.calls == 0
    with closing(open_store(store)) as kept:
        assert list(kept.runs()) == []


@pytest.mark.parametrize("name", UNAIDED)
def test_best_of_n_is_no_control_of_it(name: str) -> None:
    assert control_of(ALGORITHMS[name]()) is None


async def test_who_asks_nobody_gets_no_answer() -> None:
    model = AbsentModel()
    with pytest.raises(RefusedError, match="asks no language model"):
        await model.complete(Call(role="optimizer", prompt="Well?"))
    await model.close()
