"""The test functions are the known ones, with their lowest points where they are known to be."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from llmopt.core.values import Item
from llmopt.errors import InputError
from llmopt.problems.numeric.points import Space
from llmopt.problems.numeric.test_functions import landscape

if TYPE_CHECKING:
    from llmopt.problems.numeric.points import VectorProblem

NAMES: list[Any] = ["rosenbrock", "sphere", "rastrigin", "ackley", "griewank"]


def value(problem: VectorProblem, point: list[float]) -> float:
    found = asyncio.run(problem.measure(problem.encode(point), Item("value"), None)).score
    assert found is not None
    return -found


def test_rosenbrock_is_the_papers_failure_case() -> None:
    problem = landscape()
    assert value(problem, [20, 400]) == 0
    assert value(problem, [0, 0]) == 400  # where the paper's runs stick
    assert len(problem.starts) == 5
    starts = np.array([problem.decode(start) for start in problem.starts])
    assert (starts >= 10).all()
    assert (starts <= 20).all()


@pytest.mark.parametrize(
    ("name", "point", "expected"),
    [
        ("rosenbrock", [0, 0], 1),
        ("rosenbrock", [-1, 1], 4),
        ("sphere", [3, -4], 25),
        ("rastrigin", [1, 2], 5),
        ("ackley", [1, 1], 20 - 20 * np.exp(-0.2)),
        ("griewank", [0, 0], 0),
        ("griewank", [10, 0], 1 + 100 / 4000 - np.cos(10)),
    ],
)
def test_values_are_the_known_ones(name: Any, point: list[float], expected: float) -> None:
    assert value(landscape(name, a=1), point) == pytest.approx(expected)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dimensions", [2, 3, 10])
@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("decimals", [0, 2, 6])
def test_the_lowest_value_is_zero_and_lies_within_the_bounds(
    name: Any, dimensions: int, *, moved: bool, decimals: int
) -> None:
    problem = landscape(name, dimensions, decimals, seed=4, moved=moved, a=1)
    assert problem.optimum() == 0
    lowest: list[float] = getattr(problem.function.function, "lowest", [1] * dimensions)  # type: ignore[attr-defined] # an OfPoint
    assert value(problem, lowest) == pytest.approx(0, abs=1e-12)
    assert all(low <= x <= high for x, (low, high) in zip(lowest, problem.bounds(), strict=True))
    rng = np.random.RandomState(1)
    assert all(value(problem, list(problem.decode(problem.draw(rng)))) >= 0 for _ in range(50))


def test_a_moved_lowest_point_is_elsewhere_and_seeded() -> None:
    first, again, other = (landscape("sphere", seed=s, moved=True) for s in (1, 1, 2))
    assert value(first, [0, 0]) > 0
    assert first.fingerprint == again.fingerprint != other.fingerprint


def test_neither_name_nor_formula_is_told() -> None:
    for name in NAMES:
        assert name not in landscape(name, a=1).description.task.lower()


@pytest.mark.parametrize(
    "given",
    [
        {"name": "rosenbrok"},
        {"dimensions": 1},
        {"dimensions": 11},
        {"dimensions": 3},
        {"a": 0},
        {"a": 0.5},
        {"a": 501},
        {"b": 0},
        {"seed": -1},
        {"decimals": 10},
    ],
)
def test_numbers_out_of_range_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="but got"):
        landscape(**given)


@pytest.mark.parametrize(
    ("names", "bounds"), [(("x",), ()), ((), ()), (("x",), ((1.0, 1.0),)), (("x",), ((0.0, 1e7),))]
)
def test_a_space_needs_bounds(names: Any, bounds: Any) -> None:
    with pytest.raises(InputError, match="but got"):
        Space(names, bounds)
