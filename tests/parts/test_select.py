"""What is shown: the best, in the order asked for, and never an announced empty list."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np
import pytest

from llmopt.errors import ConfigError
from llmopt.parts.select import Best, EachOfBest, Starts
from llmopt.trajectory import Entry, Trajectory
from llmopt.types import Candidate, Evaluation, Outcome

if TYPE_CHECKING:
    from llmopt.part import Select


def trajectory(*scores: float) -> Trajectory:
    start = [Entry(Candidate("start"), Evaluation((Outcome("i", 0.0),), 1))]
    entries = [
        Entry(Candidate(f"c{n}", 1), Evaluation((Outcome("i", s),), 1))
        for n, s in enumerate(scores)
    ]
    return Trajectory().tell(start).tell(entries)


def texts(select: Select, past: Trajectory, draw: np.random.RandomState) -> list[list[str]]:
    groups = asyncio.run(select(past, past.best(1), draw))
    return [[e.text for e in group] for group in groups]


def rng(seed: int = 0) -> np.random.RandomState:
    return np.random.RandomState(seed)


def test_the_best_stands_last() -> None:
    assert texts(Best(3), trajectory(0.9, 0.1, 0.5), rng()) == [["c1", "c2", "c0"]]
    assert texts(Best(2, "descending"), trajectory(0.9, 0.1, 0.5), rng()) == [["c0", "c2"]]


def test_a_random_order_shows_the_same_solutions_and_follows_the_generator() -> None:
    past = trajectory(0.9, 0.1, 0.5, 0.3, 0.7)
    first, again = (texts(Best(5, "random"), past, rng(1))[0] for _ in range(2))
    assert first == again
    assert sorted(first) == sorted(texts(Best(5), past, rng())[0])


def test_a_hundred_solutions_are_cut_to_twenty() -> None:
    """O16: the limit holds whatever the family."""
    assert len(texts(Best(20), trajectory(*[n / 100 for n in range(100)]), rng())[0]) == 20


def test_a_threshold_above_everything_still_shows_the_best() -> None:
    """O15: a section is never announced and empty."""
    assert texts(Best(5, threshold=0.95), trajectory(0.2, 0.4), rng()) == [["c1"]]
    assert texts(Best(5, threshold=0.3), trajectory(0.2, 0.4), rng()) == [["c1"]]


def test_each_of_the_best_is_a_group_of_its_own() -> None:
    assert texts(EachOfBest(2), trajectory(0.9, 0.1, 0.5), rng()) == [["c0"], ["c2"]]


def test_the_control_sees_the_starts_only() -> None:
    assert texts(Starts(), trajectory(0.9), rng()) == [["start"]]


def test_impossible_options_are_refused() -> None:
    with pytest.raises(ConfigError, match="0 or more"):
        Best(-1)
    with pytest.raises(ConfigError, match="ascending"):
        Best(order="sideways")  # type: ignore[arg-type] # what a configuration could say
    with pytest.raises(ConfigError, match="1 or more"):
        EachOfBest(0)
