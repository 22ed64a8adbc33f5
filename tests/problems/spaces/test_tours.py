"""What is known without a model is right: heuristics, and the optimum by two ways."""

from __future__ import annotations

import itertools
import math
import sys

import numpy as np
import pytest

from llmopt.errors import ConfigError, MissingExtraError
from llmopt.problems.tours import exact
from llmopt.problems.tours import heuristics as tours
from llmopt.problems.tours.local_search import kicked
from llmopt.problems.tours.tour_problem import tsp


def distances(nodes: int, seed: int) -> tours.Distances:
    return tsp(nodes, seed).instance.distances


def brute_force(d: tours.Distances) -> float:
    return min(tours.length(d, [0, *rest]) for rest in itertools.permutations(range(1, len(d))))


def is_tour(tour: list[int], nodes: int) -> bool:
    return tour[0] == 0 and sorted(tour) == list(range(nodes))


def inserted(d: tours.Distances) -> list[int]:
    """Return farthest insertion's tour, read from its definition (OPRO, section 8)."""
    tour = [0]
    while len(tour) < len(d):
        costs = {}
        for k in set(range(len(d))) - set(tour):
            places = []
            for at, i in enumerate(tour):
                j = tour[(at + 1) % len(tour)]
                places.append((d[i, k] + d[k, j] - d[i, j], at))
            costs[k] = min(places)
        k = max(sorted(costs), key=lambda k: costs[k][0])
        tour.insert(costs[k][1] + 1, k)
    return tour


@pytest.mark.parametrize("seed", range(100))
def test_farthest_insertion_is_what_its_definition_says(seed: int) -> None:
    d = distances(6 + seed % 20, seed)
    found = tours.farthest_insertion(d)
    assert is_tour(found, len(d))
    assert tours.length(d, found) == tours.length(d, inserted(d))


@pytest.mark.parametrize("seed", range(20))
def test_nearest_neighbour_always_goes_to_the_nearest_node_left(seed: int) -> None:
    d = distances(15, seed)
    tour = tours.nearest_neighbour(d)
    assert is_tour(tour, 15)
    for at in range(1, 15):
        assert d[tour[at - 1], tour[at]] == min(d[tour[at - 1], k] for k in tour[at:])


@pytest.mark.parametrize("seed", range(20))
def test_held_karp_finds_the_shortest_of_all_tours(seed: int) -> None:
    d = distances(5 + seed % 4, seed)
    found = tours.held_karp(d)
    assert is_tour(found, len(d))
    assert tours.length(d, found) == brute_force(d)


@pytest.mark.parametrize("nodes", [1, 2, 3])
def test_the_smallest_tours_are_optimal(nodes: int) -> None:
    d = distances(5, 0)[:nodes, :nodes]
    assert is_tour(exact.optimal(d).tour, nodes)


@pytest.mark.parametrize("seed", range(100))
def test_two_opt_never_beats_the_proven_optimum(seed: int) -> None:
    d = distances(5 + seed % 8, seed)
    best = exact.optimal(d)
    assert best.proven
    for begin in (list(range(len(d))), tours.nearest_neighbour(d)):
        found = tours.two_opt(d, begin)
        assert is_tour(found, len(d))
        assert best.length - 1e-9 <= tours.length(d, found) <= tours.length(d, begin) + 1e-9


@pytest.mark.parametrize("seed", range(5))
def test_no_exchange_of_two_edges_shortens_a_tour_of_two_opt(seed: int) -> None:
    problem = tsp(30, seed)
    d, instance = problem.instance.distances, problem.instance
    found = instance.encode(tours.two_opt(d, tours.nearest_neighbour(d)))
    assert instance(found) <= min(map(instance, instance.neighbours(found))) + 1e-9


@pytest.mark.parametrize("nodes", [5, 8, 30])
def test_disturbances_only_shorten_a_tour(nodes: int) -> None:
    d = distances(nodes, 3)
    begin = tours.farthest_insertion(d)
    found = kicked(d, begin, 50)
    assert is_tour(found, nodes)
    assert tours.length(d, found) <= tours.length(d, begin) + 1e-9
    assert found == kicked(d, begin, 50)


def test_a_tour_needs_nodes() -> None:
    with pytest.raises(ConfigError, match="got none"):
        exact.optimal(np.zeros((0, 0)))


# -- HiGHS ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(100))
def test_held_karp_and_the_exact_solver_agree(seed: int) -> None:
    pytest.importorskip("highspy", reason="needs the extra 'exact'")
    from llmopt.problems.tours.exact import branch_and_cut

    d = distances(5 + seed % 8, seed)
    found = branch_and_cut(d, 60)
    assert found.proven
    assert is_tour(found.tour, len(d))
    assert math.isclose(found.length, tours.length(d, tours.held_karp(d)), rel_tol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_fifty_nodes_are_proven_and_no_heuristic_is_shorter(seed: int) -> None:
    pytest.importorskip("highspy", reason="needs the extra 'exact'")
    d = distances(50, seed)
    found = exact.optimal(d)
    assert found.proven
    assert found.by == "HiGHS"
    assert tours.length(d, found.tour) == found.length
    assert found.bound <= tours.length(d, kicked(d, tours.farthest_insertion(d), 500)) + 1e-9


def test_points_that_lie_together_or_on_a_line_are_no_trouble() -> None:
    pytest.importorskip("highspy", reason="needs the extra 'exact'")
    x = np.arange(30.0) // 2
    found = exact.optimal(np.abs(x[:, None] - x[None]))
    assert found.proven
    assert found.length == 28


def test_without_time_there_is_a_tour_and_a_bound() -> None:
    pytest.importorskip("highspy", reason="needs the extra 'exact'")
    d = distances(60, 1)
    found = exact.optimal(d, seconds=0)
    assert is_tour(found.tour, 60)
    assert 0 < found.bound <= found.length
    assert found.bound > 0.9 * found.length


def test_without_the_extra_larger_tours_have_no_optimum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "highspy", None)
    with pytest.raises(MissingExtraError, match=r"llms-as-optimizers\[exact\]"):
        exact.optimal(distances(25, 0))
    problem = tsp(25)
    assert (problem.solved, problem.optimum(), problem.gap(-1000.0)) == (None, None, None)
