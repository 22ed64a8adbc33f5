"""Tours are read strictly, measured exactly, and compared with what is proven."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import llmopt
from llmopt.core.problem import (
    HasControls,
    HasNeighbours,
    HasOptimum,
    Refusal,
)
from llmopt.core.values import Item
from llmopt.errors import ConfigError
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.problems.tours.tour_problem import Instance, tsp

if TYPE_CHECKING:
    from pathlib import Path

SQUARE = Instance(((0, 0), (0, 3), (4, 3), (4, 0)))
SIX = tsp(6)


def orders(size: int) -> st.SearchStrategy[list[int]]:
    return st.permutations(range(1, size)).map(lambda rest: [0, *rest])


def test_points_are_whole_seeded_and_in_the_square() -> None:
    first, again, other = tsp(50, 1), tsp(50, 1), tsp(50, 2)
    assert first.instance == again.instance != other.instance
    assert first.starts == again.starts
    points = np.array(first.instance.points)
    assert (points == np.trunc(points)).all()
    assert -100 <= points.min() < -80 < 80 < points.max() <= 100


@pytest.mark.parametrize("nodes", [5, 10, 200])
def test_there_are_five_different_starts(nodes: int) -> None:
    problem = tsp(nodes)
    assert len(set(problem.starts)) == 5
    assert all(problem.parse(start) == start for start in problem.starts)


def test_a_tour_is_closed_and_euclidean() -> None:
    assert SQUARE("0,1,2,3") == 14
    assert SQUARE("0,2,1,3") == 5 + 4 + 5 + 4


@given(orders(9))
def test_length_and_text_are_the_same_in_both_directions(tour: list[int]) -> None:
    instance = tsp(9).instance
    other = [0, *tour[:0:-1]]
    text = instance.encode(tour)
    assert text == instance.encode(other) == instance.parse(",".join(map(str, tour)))
    assert instance.nodes(text) in (tour, other)
    closed = [*tour, 0]
    edges = sum(
        np.hypot(*np.subtract(instance.points[a], instance.points[b]))
        for a, b in itertools.pairwise(closed)
    )
    assert instance(text) == pytest.approx(edges)


@pytest.mark.parametrize(
    "text",
    [
        "0,1,2,3",
        " 0, 1, 2, 3 ",
        "0 1 2 3",
        "[0, 1, 2, 3]",
        "<trace> 0,1,2,3 </trace>",
        "<trace>0,2,1,3</trace> or <trace>0,3,2,1",
        "0,3,2,1",
        "Shorter than [0, 2, 1, 3] is [0, 1, 2, 3].",
    ],
)
def test_a_tour_is_read_in_the_forms_that_models_write(text: str) -> None:
    assert SQUARE.parse(text) == "0,1,2,3"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0,1,2,-1", "a node number is below 0"),
        ("0,1,2,4", "a node number is above 3"),
        ("0,1,2,2", "a node is visited twice"),
        ("0,1,2,3,0", "a node is visited twice"),
        ("0,1,2", "a node is left out"),
        ("1,0,2,3", "the tour does not begin with node 0"),
        ("0,1,two,3", "not a list of node numbers"),
        ("0,1,2.0,3", "not a list of node numbers"),
        ("0,1,,2,3", "not a list of node numbers"),
        ("0,1,2,\u0663", "not a list of node numbers"),
        (f"0,1,2,{'3' * 5000}", "not a list of node numbers"),
        ("", "not a list of node numbers"),
    ],
)
def test_what_is_no_tour_is_refused_with_a_reason(text: str, reason: str) -> None:
    """O24: the published code takes a negative node, and skips what is no number."""
    with pytest.raises(ValueError, match=f"^{reason}$"):
        SQUARE.parse(text)


@given(st.text() | st.lists(st.integers(-2, 7)).map(str))
def test_any_text_is_read_or_refused(text: str) -> None:
    found = SIX.parse(text)
    assert isinstance(found, Refusal) or SIX.parse(found) == found


@given(orders(8))
def test_neighbours_differ_in_two_edges_and_are_all_there_are(tour: list[int]) -> None:
    instance = tsp(8).instance
    text = instance.encode(tour)
    found = list(instance.neighbours(text))

    def edges(nodes: list[int]) -> set[frozenset[int]]:
        return {frozenset(edge) for edge in itertools.pairwise([*nodes, 0])}

    assert len(found) == len(set(found)) == 8 * (8 - 3) // 2
    assert all(len(edges(instance.nodes(other)) - edges(tour)) == 2 for other in found)
    assert list(instance.neighbours(text)) == found


def test_every_tour_is_drawn_equally_often() -> None:
    problem = tsp(5)
    rng = np.random.RandomState(0)
    drawn = [problem.draw(rng) for _ in range(12_000)]
    counts = [drawn.count(text) for text in sorted(set(drawn))]
    assert len(counts) == 12
    assert 800 < min(counts) <= max(counts) < 1200


def test_it_knows_neighbours_controls_and_the_optimum() -> None:
    assert isinstance(SIX, HasNeighbours)
    assert isinstance(SIX, HasControls)
    assert isinstance(SIX, HasOptimum)
    optimum = SIX.optimum()
    assert optimum is not None
    every = [
        SIX.instance(SIX.instance.encode([0, *rest]))
        for rest in itertools.permutations(range(1, 6))
    ]
    assert -optimum == pytest.approx(min(every), rel=1e-8)
    for text in (*SIX.controls().values(), *SIX.starts):
        assert SIX.parse(text) == text
        gap = SIX.gap(-SIX.instance(text))
        assert gap is not None
        assert gap == pytest.approx(SIX.instance(text) / min(every) - 1)


def test_inside_lengths_are_floats_and_shown_they_are_cut_off() -> None:
    outcome = asyncio.run(SIX.measure(SIX.starts[0], Item("value"), None))
    assert outcome.score is not None
    assert outcome.score != int(outcome.score)
    assert SIX.show(-12.99, 100) == "12"
    assert tsp(6, decimals=1).show(-12.97, 100) == "13.0"


def test_another_instance_is_another_problem() -> None:
    assert SIX.fingerprint == tsp(6).fingerprint != tsp(6, 1).fingerprint


@pytest.mark.parametrize("given", [{"nodes": 4}, {"seed": -1}, {"decimals": -1}])
def test_numbers_out_of_range_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="but got"):
        tsp(**given)


@pytest.mark.parametrize("reply", ["no tour", "<INS>0,-1,2,3,4,5</INS>", "<INS>0,1,1,2,3,4</INS>"])
def test_a_model_that_never_gives_a_tour_ends_the_run(reply: str, tmp_path: Path) -> None:
    """O24: the published code asks for ever."""
    result = llmopt.optimize(
        SIX,
        optimizer=ScriptedModel(lambda _: reply),
        steps=2,
        store=tmp_path / "runs.sqlite",
        progress=False,
    )
    assert (result.candidates, sum(result.rejected.values())) == (5, 16)


def test_a_run_stops_at_an_optimal_tour_in_either_direction(tmp_path: Path) -> None:
    assert SIX.solved is not None
    backwards = ",".join(map(str, [0, *SIX.solved.tour[:0:-1]]))
    result = llmopt.optimize(
        SIX,
        optimizer=ScriptedModel(lambda _: f"<INS>{backwards}</INS>"),
        steps=9,
        store=tmp_path / "runs.sqlite",
        progress=False,
    )
    assert (result.steps, result.stopped) == (1, "target reached")
