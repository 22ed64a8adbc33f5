"""CAPO's race."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from llmopt.algorithms.capo.block_race import BlockRace, ahead_p_value
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation, Item, Outcome
from llmopt.errors import ConfigError
from llmopt.testing import scripted

if TYPE_CHECKING:
    from collections.abc import Sequence

ITEMS = tuple(Item(str(n)) for n in range(40))
PROBLEM = scripted.problem()


def score(text: str, item: Item) -> float:
    """Return what is known of each text: good, poor, or the same as good but long."""
    luck = int(item.id) % 10
    return float(luck < (9 if text.startswith("good") else 2))


async def raced(texts: Sequence[str], tried: Sequence[str], race: BlockRace) -> list[int]:
    """Return on how many items each text is measured."""

    async def measure(jobs: Sequence[tuple[Candidate, Item]]) -> list[Outcome]:
        return [Outcome(item.id, score(c.text, item)) for c, item in jobs]

    known = [
        Entry(
            Candidate(text),
            Evaluation(tuple(Outcome(i.id, score(text, i)) for i in ITEMS), len(ITEMS)),
        )
        for text in tried
    ]
    trajectory = Trajectory().tell(known) if known else Trajectory()
    ctx = scripted.context(trajectory, problem=PROBLEM)
    candidates = [Candidate(text, trajectory.steps) for text in texts]
    found = await race(ctx, candidates, ITEMS, measure)
    return [evaluation.measured for evaluation in found]


async def test_who_is_worse_than_a_whole_population_is_dropped_after_a_block() -> None:
    race = BlockRace(block=10, survivors=2)
    assert await raced(["good c", "poor a"], ["good a", "good b"], race) == [40, 10]


async def test_with_room_in_the_population_nobody_is_dropped() -> None:
    assert await raced(["poor a"], ["good a"], BlockRace(block=10, survivors=2)) == [40]


async def test_starts_are_measured_in_full() -> None:
    assert await raced(["poor a", "good a", "poor b"], [], BlockRace(10, survivors=1)) == [40] * 3


async def test_of_equals_the_much_longer_one_is_dropped_where_length_counts() -> None:
    long = "good " + "and so on " * 30
    for penalty, measured in ((0.05, 10), (0.0, 40)):
        race = BlockRace(block=10, survivors=1, penalty=penalty)
        assert await raced([long], ["good a"], race) == [measured]


@pytest.mark.parametrize(
    ("differences", "expected"),
    [
        ([1.0, 0.0, 1.0, 1.0], 0.0288),  # t = 3 with 3 degrees of freedom
        ([-1.0, 0.0, -1.0, -1.0], 1 - 0.0288),
        ([0.0, 0.0], 1.0),
        ([0.1, 0.1, 0.1], 0.0),
        ([-0.1, -0.1], 1.0),
        ([1.0], 1.0),
        ([math.nan, 1.0, 0.0, 1.0, 1.0], 0.0288),
    ],
)
def test_the_test_is_one_sided_and_paired(differences: list[float], expected: float) -> None:
    assert ahead_p_value(np.array(differences)) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"block": 1}, "a block has 2 items or more"),
        ({"alpha": 1.0}, "alpha is between 0 and 1"),
        ({"survivors": 0}, "survivors are 1 or more"),
        ({"penalty": -0.1}, "a length penalty is 0 or more"),
    ],
)
def test_wrong_races_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        BlockRace(**options)
