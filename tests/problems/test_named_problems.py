"""A configuration names its problem: a function that makes one, or one to be optimized."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import own_functions
import pytest

from llmopt.config.reading import settings
from llmopt.core.problem import Refusal
from llmopt.errors import ConfigError
from llmopt.problems.function import FunctionProblem
from llmopt.problems.loading import problem_named

REGRESSION = "llmopt.problems.numeric.regression:linear_regression"


def test_a_factory_gets_its_arguments() -> None:
    found = problem_named("own_functions:made", {"start": "b", "minimize": True})
    assert found.starts == ("b",)
    assert not found.description.higher_is_better
    assert problem_named("own_functions:PROBLEM", {}) is own_functions.PROBLEM


def test_a_plain_function_becomes_a_problem() -> None:
    found = problem_named(
        "own_functions:size",
        {
            "describe": "Write much.",
            "seeds": ["A", "b"],
            "minimize": True,
            "parser": "own_functions:lower",
            "shown": "own_functions:exclaimed",
            "workers": "process",
            "timeout": 2,
        },
    )
    assert isinstance(found, FunctionProblem)
    assert found.starts == ("a", "b")
    assert found.parse("") == Refusal("nothing")
    assert found.show(-2.0, 100) == "2.0"


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("own_functions", {}, "written package.module:name"),
        (":made", {}, "written package.module:name"),
        ("own_functions:other", {}, "cannot be imported"),
        ("no_such_module:made", {}, "cannot be imported"),
        ("own_functions:NUMBER", {}, "a problem or a function, but got 3"),
        ("own_functions:PROBLEM", {"start": "a"}, "takes no arguments"),
        ("own_functions:made", {"strat": "a"}, "did you mean 'start'?"),
        ("own_functions:size", {}, "needs describe and seeds"),
        ("own_functions:size", {"text": "a"}, "returns a problem, but it gave 1.0"),
        ("own_functions:later", {"text": "a"}, "returns a problem, but it gave <coroutine"),
        ("own_functions:size", {"describe": "a", "seeds": ["b"], "sede": 1}, "but got 'sede'"),
        ("own_functions:size", {"describe": "a", "seeds": []}, "one or more starting texts"),
        (REGRESSION, {"w": "x"}, "does not take these arguments"),
        (
            "llmopt.problems.tours.tour_problem:tsp",
            {"nodes": 10.5},
            "does not take these arguments",
        ),
    ],
)
def test_what_cannot_be_used_is_refused(name: str, arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(says)):
        problem_named(name, arguments)


def made(problem: dict[str, Any], **tables: Any) -> Any:
    return settings({"problem": problem, **tables}, "x.toml", Path())


def test_a_function_needs_no_scorer_but_a_model_that_proposes() -> None:
    found = made({"function": REGRESSION, "arguments": {"w": 3, "b": 5}})
    assert found.built_problem().optimum() is not None
    with pytest.raises(ConfigError, match="the table 'optimizer' is missing"):
        found.options()
    found = made({"function": REGRESSION}, optimizer={"model": "local/smollm2-135m"})
    assert found.options()["controls"] == ()
    assert list(found.models()) == ["optimizer"]
    found = made({"function": REGRESSION}, algorithm={"name": "random-search"})
    assert found.models() == {}
    assert found.options()["optimizer"] is None


@pytest.mark.parametrize(
    ("problem", "says"),
    [
        ({"function": REGRESSION, "data": "x.csv"}, "but got problem.data too"),
        ({"function": REGRESSION, "task": "Find it."}, "but got problem.task too"),
        ({"data": "x.csv", "arguments": {"w": 1}}, "go with problem.function"),
    ],
)
def test_a_function_brings_everything_with_it(problem: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        made(problem, scorer={"model": "local/smollm2-135m"}).built_problem()


def test_instructions_cannot_be_evaluated_where_there_are_none() -> None:
    with pytest.raises(ConfigError, match="this is for instructions"):
        made({"function": REGRESSION}).built_prompts()


@pytest.mark.parametrize(
    "name", ["tsp:tsp", "regression:linear_regression", "landscapes:landscape"]
)
def test_configurations_may_name_where_a_problem_once_was(name: str) -> None:
    arguments = {"name": "sphere"} if name.startswith("landscapes") else {}
    assert problem_named(f"llmopt.problems.spaces.{name}", arguments).starts
