"""The functions of Open-L2O have their published values, lowest points, starts and bounds."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from llmopt.algorithms import ALGORITHMS
from llmopt.api import optimize
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation, Item
from llmopt.errors import InputError, MissingExtraError
from llmopt.history.figures import figure_of
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.problems.loading import problem_named
from llmopt.problems.numeric.l2o_formulas import ANY_SIZE, LASSO, PLANES
from llmopt.problems.numeric.l2o_functions import DRAWN, NAMES, L2OFunction, l2o_function
from llmopt.testing import problems

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.core.values import Call
    from llmopt.problems.numeric.points import VectorProblem

KNOWN = [name for name in NAMES if name not in ("rastrigin", "square-cos")]


def of(problem: VectorProblem) -> L2OFunction:
    function = problem.function.function  # type: ignore[attr-defined] # an OfPoint
    assert isinstance(function, L2OFunction)
    return function


@pytest.mark.parametrize(
    ("name", "point", "expected"),
    [
        ("rosenbrock", [0, 0], 1),
        ("ackley", [0, 0], 0),
        ("beale", [0, 0], 1.5**2 + 2.25**2 + 2.625**2),
        ("booth", [0, 0], 49 + 25),
        ("branin", [0, 0], 36 + 10 * (1 - 1 / (8 * math.pi)) + 10),
        ("branin", [math.pi, 2.275], 0.397887),
        ("logsumexp", [0, 0], math.log(3 * math.exp(-0.1) + 1)),
        ("logsumexp", [-0.34657, 0], 1.26956),
        ("logsumexp", [1000, 0], 999.9 + math.log(2)),
        ("matyas", [1, 2], 0.26 * 5 - 0.96),
        ("michalewicz", [2.185312, 1.570796], 0.19338),
        ("styblinski-tang", [0, 0], 80),
        ("styblinski-tang", [-2.903534, -2.903534], 1.66767),
        ("bowl-5", [1, 2], 0.5 * (5 + 4)),
        ("bowl-5-rotated", [1, 1], 0.5 * 2),
        ("dependency-chain", [1, 1], 1 + 1 / 1.01),
        ("min-max-well", [2, 0.5], 4 + 4 - 2),
    ],
)
def test_values_are_the_published_ones(name: str, point: list[float], expected: float) -> None:
    assert L2OFunction(name, 2)(point) == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("instance", [0, 1])
def test_nothing_is_lower_than_the_known_lowest_points(name: str, instance: int) -> None:
    """Neither near them nor anywhere in the bounds."""
    function = L2OFunction(name, DRAWN.get(name, 2), instance)
    rng = np.random.RandomState(0)
    bounds = np.array(function.box)
    anywhere = rng.uniform(bounds[:, 0], bounds[:, 1], (4000, function.dimensions))
    for point in function.lowest:
        low = function(point)
        assert all(a <= x <= b for x, (a, b) in zip(point, function.box, strict=True))
        near = np.array(point) + rng.standard_normal((2000, function.dimensions)) * 1e-3
        assert np.min(function.values(near)) >= low - 1e-9
        assert np.min(function.values(anywhere)) >= low - 1e-9


@pytest.mark.parametrize("name", [*ANY_SIZE, *(n for n in DRAWN if n in KNOWN)])
@pytest.mark.parametrize("dimensions", [2, 7])
def test_functions_of_any_size_have_lowest_points_of_that_size(name: str, dimensions: int) -> None:
    function = L2OFunction(name, dimensions, 3)
    low = function(function.lowest[0])
    if name == "lasso":  # at least one coordinate is 0, as the weight wants it
        assert LASSO > 0
        assert low < function([0.0] * dimensions)
    else:
        assert low == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_many_points_at_once_have_the_values_of_each(name: str) -> None:
    function = L2OFunction(name, DRAWN.get(name, 3 if name in ANY_SIZE else 2), 2)
    points = np.random.RandomState(0).standard_normal((50, function.dimensions))
    each = [function(point) for point in points.tolist()]
    assert function.values(points) == pytest.approx(np.array(each))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("decimals", [1, 2, 6])
def test_a_search_is_over_at_the_lowest_value_of_the_grid(name: str, decimals: int) -> None:
    problem = l2o_function(name, decimals=decimals)
    assert problem.best is not None
    function, rng = of(problem), np.random.RandomState(1)
    for point in function.lowest:  # rounded
        assert function(problem.decode(problem.encode(point))) >= problem.best
    if function.lowest:
        assert problem.best >= function(function.lowest[0]) - 1e-12
    assert 1 <= len(problem.starts) <= 5
    drawn = [function(problem.decode(problem.draw(rng))) for _ in range(200)]
    assert min(drawn) >= problem.best
    solved = l2o_function(name, decimals=decimals, tolerance=0.5)
    assert solved.best == problem.best + 0.5


def test_the_whole_grid_of_a_wavy_function_is_looked_at() -> None:
    for name in ("rastrigin", "square-cos"):
        problem = l2o_function(name, decimals=1, instance=4)
        axis = np.arange(-50, 51) / 10
        every = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
        assert problem.best == pytest.approx(np.min(of(problem).values(every)))
        assert isinstance(problem.parse("x=5.1, y=0").reason, str)  # type: ignore[union-attr]
        assert l2o_function(name, 3).best is None


@pytest.mark.parametrize("name", [n for n in KNOWN if n != "michalewicz"])
def test_a_moved_lowest_point_is_elsewhere_with_the_same_value(name: str) -> None:
    plain, moved, again = (l2o_function(name, seed=3, moved=m) for m in (False, True, True))
    assert of(moved).lowest[0] != of(plain).lowest[0]
    assert of(moved)(of(moved).lowest[0]) == pytest.approx(of(plain)(of(plain).lowest[0]))
    assert moved.fingerprint == again.fingerprint != plain.fingerprint
    for x, (low, high) in zip(of(moved).lowest[0], moved.bounds(), strict=True):
        assert low <= x <= high


def test_units_logarithm_and_noise() -> None:
    wide, flat = L2OFunction("booth", 2, scale=10), L2OFunction("booth", 2, logarithm=True)
    assert wide((10, 30)) == 0
    assert wide.box[0] == (-100, 100)
    assert flat((1, 3)) == pytest.approx(0)
    assert flat((0, 0)) == pytest.approx(math.log(74) - math.log(1e-10))
    noisy = L2OFunction("booth", 2, noise=2)
    assert noisy((1, 3)) == noisy((1, 3)) != noisy((1, 3.01))
    off = [noisy((x / 100, 0)) - L2OFunction("booth", 2)((x / 100, 0)) for x in range(500)]
    assert np.std(off) == pytest.approx(2, rel=0.15)
    assert l2o_function("booth", noise=2).best is None


def test_neither_name_nor_formula_is_shown() -> None:
    for name in NAMES:
        assert name not in l2o_function(name).description.task.lower()


@pytest.mark.parametrize(
    "given",
    [
        {"name": "saddle"},
        {"dimensions": 3},
        {"name": "lasso", "dimensions": 1},
        {"name": "lasso", "dimensions": 101},
        {"seed": -1},
        {"instance": -1},
        {"scale": 0},
        {"noise": -1},
        {"tolerance": math.inf},
        {"name": "michalewicz", "moved": True},
        {"name": "rastrigin", "moved": True},
        {"name": "square-cos", "logarithm": True},
        {"name": "michalewicz", "decimals": 0},
        {"scale": 0.01, "decimals": 0},
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="but got"):
        l2o_function(**given)


@pytest.mark.parametrize("check", problems.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", ["branin", "lasso", "min-max-well", "rastrigin"])
async def test_the_functions_conform(name: str, check: problems.Check) -> None:
    await check(l2o_function(name))


def written(call: Call) -> str:
    """Write two numbers that follow from the call."""
    x, y = (len(call.text) * 7 + call.sample * 31) % 200 - 100, call.sample * 17 % 200 - 100
    text = f"{x / 10}, {y / 10}"
    return text if "<INS>" not in call.text else f"<INS>{text}</INS>"


@pytest.mark.parametrize(
    "method",
    [
        "random-search",
        "hill-climbing",
        "one-plus-one-es",
        "cma-es",
        "sampling",
        "opro",
        "ape",
        "evollm",
        "expo",
        "evoprompt-ga",
    ],
)
def test_every_method_for_numbers_takes_them(method: str, tmp_path: Path) -> None:
    problem = problem_named(
        "llmopt.problems.numeric.l2o_functions:l2o_function", {"name": "beale", "decimals": 1}
    )
    try:
        ALGORITHMS[method]().check(problem, ScriptedModel(written))
    except MissingExtraError:
        pytest.skip("needs the extra cma")
    found = optimize(
        problem,
        algorithm=method,
        optimizer=ScriptedModel(written),
        steps=3,
        controls=(),
        store=tmp_path / "runs.sqlite",
        progress=False,
    )
    assert found.steps >= 1


@pytest.mark.parametrize("name", PLANES)
def test_the_page_draws_a_function_of_two_numbers(name: str) -> None:
    problem = l2o_function(name)
    trajectory = asyncio.run(measured(problem))
    figure, _ = figure_of(problem.recorded(), trajectory)
    assert figure is not None
    assert np.isfinite(figure["values"]).all()


def test_the_page_draws_poles_as_high_ground() -> None:
    problem = l2o_function("min-max-well")
    figure, _ = figure_of(problem.recorded(), asyncio.run(measured(problem)))
    assert figure is not None
    assert np.isfinite(figure["values"]).all()


async def measured(problem: VectorProblem) -> Trajectory:
    """Return the trajectory of the starting points."""
    outcomes = [await problem.measure(text, Item("value"), None) for text in problem.starts]
    return Trajectory().tell(
        Entry(Candidate(text), Evaluation((outcome,), 1))
        for text, outcome in zip(problem.starts, outcomes, strict=True)
    )
