"""Linear regression is the paper's: its data, its starts, its optimum, its way to read a pair."""

from __future__ import annotations

import asyncio
import itertools
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import llmopt
from llmopt.core.problem import HasOptimum, Refusal, VectorSpace
from llmopt.core.values import Item
from llmopt.errors import ConfigError
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.problems.numeric.regression import SETTINGS, LinearRegression, linear_regression

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.core.values import Call, Outcome

REPETITIONS = range(5)
PAPER = list(itertools.product(SETTINGS, REPETITIONS))
PROBLEM = linear_regression()


def recipe(w: float, b: float, rep: int) -> tuple[Any, Any, list[tuple[float, float]]]:
    """Return x, y and starts as OPRO, section 7 draws them: from numpy's global generator."""
    before = np.random.get_state()  # noqa: NPY002 - this is the legacy generator
    try:
        x = np.arange(1, 51).astype(float)
        np.random.seed(rep + 1)  # noqa: NPY002 - as above
        y = x * w + b + np.random.randn(50)  # noqa: NPY002 - as above
        np.random.seed((rep + 1) * 10)  # noqa: NPY002 - as above
        init_w = np.random.uniform(10, 20, 5)  # noqa: NPY002 - as above
        np.random.seed((rep + 1) * 100)  # noqa: NPY002 - as above
        init_b = np.random.uniform(10, 20, 5)  # noqa: NPY002 - as above
    finally:
        np.random.set_state(before)  # noqa: NPY002 - as above
    pairs = np.unique(
        [(np.round(i, 0), np.round(j, 0)) for i, j in zip(init_w, init_b, strict=True)], axis=0
    )
    return x, y, [(float(i), float(j)) for i, j in pairs]


def value(problem: Any, text: str) -> float:
    outcome: Outcome = asyncio.run(problem.measure(text, Item("value"), None))
    assert outcome.score is not None
    return -outcome.score


@pytest.mark.parametrize(("pair", "rep"), PAPER)
def test_the_data_are_the_recipes_number_for_number(pair: tuple[int, int], rep: int) -> None:
    x, y, starts = recipe(*pair, rep)
    problem = linear_regression(*pair, rep)
    line = LinearRegression(*pair, rep)
    assert line.x.tolist() == x.tolist()
    assert line.y.tolist() == y.tolist()
    assert [problem.decode(start) for start in problem.starts] == starts
    for w, b in (*starts, pair):
        text = problem.encode((w, b))
        assert value(problem, text) == float(np.linalg.norm(y - (x * w + b)) ** 2)


def test_the_callers_generator_is_left_alone() -> None:
    np.random.seed(5)  # noqa: NPY002 - this is the caller's
    expected = np.random.RandomState(5).uniform()
    value(linear_regression(), "w=1, b=1")
    assert np.random.uniform() == expected  # noqa: NPY002 - as above


@pytest.mark.parametrize(("pair", "rep"), PAPER)
def test_the_truth_is_the_best_whole_pair_in_every_setting(pair: tuple[int, int], rep: int) -> None:
    problem = linear_regression(*pair, rep)
    assert LinearRegression(*pair, rep).best() == pair
    assert problem.optimum() == -value(problem, problem.encode(pair))


@given(
    st.floats(-40, 40), st.floats(-40, 40), st.integers(0, 1000), st.integers(-2, 2),
    st.integers(-60, 60),
)  # fmt: skip
def test_no_whole_pair_is_better_than_the_optimum(
    w: float, b: float, rep: int, further: int, up: int
) -> None:
    line = LinearRegression(w, b, rep)
    other = (round(w) + further, round(b) + up)
    assert line(line.best()) <= line(other)


# -- what a model writes ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("w=15, b=14", "w=15, b=14"),
        ("[15, 14]", "w=15, b=14"),
        ("15,14", "w=15, b=14"),
        ("[w=15, b=14]", "w=15, b=14"),
        ("w: 15, b: 14", "w=15, b=14"),
        ("First [1, 2], then better: [3, 4].", "w=3, b=4"),
        ("[3, 4] is of the form [w, b]", "w=3, b=4"),
        ("I would take w = 3 and b = -4.", "w=3, b=-4"),
        ("w=1, b=2 or rather w=3, b=4", "w=3, b=4"),
        ("[14.5, 15.5]", "w=14, b=16"),
        ("[-0.4, +2e1]", "w=0, b=20"),
        ("[\u22123, 4]", "w=-3, b=4"),
    ],
)
def test_a_pair_is_read_as_in_the_paper(text: str, canonical: str) -> None:
    assert PROBLEM.parse(text) == canonical


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[nan, inf]", "a number is not finite"),
        ("w=1, b=-infinity", "a number is not finite"),
        ("w=1e999, b=0", "a number is not finite"),
        ("w=1e7, b=0", "a number is beyond 1,000,000"),
        ("[1]", "not 2 numbers"),
        ("[1, 2, 3]", "not 2 numbers"),
        ("[1, 2] and then [3]", "not 2 numbers"),
        ("[w, b]", "not 2 numbers"),
        ("b=1, w=2", "not 2 numbers"),
        ("[1_0, 2]", "not 2 numbers"),
        ("[__import__('os'), 2]", "not 2 numbers"),
        ("", "not 2 numbers"),
        ("w=1, b=2</INS>", "leaked marker </INS>"),
    ],
)
def test_what_is_no_pair_is_refused_with_a_reason(text: str, reason: str) -> None:
    assert PROBLEM.parse(text) == Refusal(reason)


@given(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), st.integers(0, 9))
def test_a_point_survives_being_written_and_read(point: tuple[float, float], digits: int) -> None:
    space = replace(PROBLEM.space, decimals=digits)
    text = space.encode(point)
    assert space.parse(text) == text
    assert space.encode(space.decode(text)) == text
    # A float near a million has ten digits after the point.
    assert np.allclose(space.decode(text), point, rtol=0, atol=space.spacing / 2 + 1e-9)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    found = PROBLEM.parse(text)
    assert isinstance(found, Refusal) or PROBLEM.parse(found) == found


# -- as a problem -------------------------------------------------------------------------------


def test_values_are_rounded_in_one_place() -> None:
    assert PROBLEM.show(-47.0377, 100) == "47.04"
    assert linear_regression(decimals=0).show(-47.99, 100) == "47"  # cut off, as published
    assert linear_regression(decimals=0).show(0.0, 100) == "0"
    assert PROBLEM.show(-836.827, 100) != PROBLEM.show(-836.816, 100)  # O25


def test_it_is_a_space_of_points_with_a_known_optimum() -> None:
    assert isinstance(PROBLEM, VectorSpace)
    assert isinstance(PROBLEM, HasOptimum)
    assert (PROBLEM.bounds(), PROBLEM.spacing()) == (((-50, 50), (-50, 50)), 1.0)
    rng = np.random.RandomState(0)
    drawn = np.array([PROBLEM.decode(PROBLEM.draw(rng)) for _ in range(20_000)])
    assert (drawn == np.round(drawn)).all()
    assert (drawn.min(), drawn.max()) == (-50, 50)
    assert np.abs(drawn.mean(axis=0)).max() < 1


@pytest.mark.parametrize(
    "given", [{"repetition": -1}, {"w": 51}, {"b": float("nan")}, {"decimals": -1}]
)
def test_numbers_out_of_range_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="but got"):
        linear_regression(**given)


# -- a run --------------------------------------------------------------------------------------


def searched(folder: Path, problem: Any, answers: list[str], **options: Any) -> Any:
    asked: list[str] = []

    def answer(call: Call) -> str:
        asked.append(call.text)
        return f"<INS>{answers[min(len(asked), len(answers)) - 1]}</INS>"

    return llmopt.optimize(
        problem,
        algorithm=llmopt.opro(samples=1),
        optimizer=ScriptedModel(answer),
        store=folder / "runs.sqlite",
        progress=False,
        controls=(),
        **options,
    ), asked


def test_a_run_stops_at_the_optimum(tmp_path: Path) -> None:
    result, asked = searched(tmp_path, PROBLEM, ["w=1, b=1", "[15, 14]", "w=2, b=2"], steps=9)
    assert (result.steps, result.stopped, result.best.text) == (2, "target reached", "w=15, b=14")
    assert len(asked) == 2


def test_a_run_whose_start_is_the_optimum_asks_nothing(tmp_path: Path) -> None:
    """O25."""
    problem = replace(PROBLEM, seeds=["w=10, b=13", "w=15, b=14"])
    result, asked = searched(tmp_path, problem, ["w=1, b=1"], steps=9)
    assert (result.steps, result.stopped, asked) == (0, "target reached", [])


def test_a_target_of_the_users_comes_first(tmp_path: Path) -> None:
    result, _ = searched(tmp_path, PROBLEM, ["w=14, b=14", "w=15, b=14"], steps=9, target=-1e5)
    assert (result.steps, result.best.text) == (0, "w=15, b=10")


def test_the_twenty_best_are_shown_worst_first(tmp_path: Path) -> None:
    answers = [f"w={n}, b=0" for n in range(40)]
    _, asked = searched(tmp_path, linear_regression(36, -1), answers, steps=30)
    shown = [float(value) for value in re.findall(r"^([\d.]+): <INS>", asked[-1], re.MULTILINE)]
    assert len(shown) == 20
    assert shown == sorted(shown, reverse=True)
