"""What is shown: the best, in the order asked for, and never an announced empty list."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from llmopt.core.part import Group
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation, Outcome
from llmopt.errors import ConfigError
from llmopt.parts.select import Best, EachOfBest, Lineages, StartsOnly
from llmopt.testing import scripted

if TYPE_CHECKING:
    from llmopt.core.part import Select


def trajectory(*scores: float) -> Trajectory:
    start = [Entry(Candidate("start"), Evaluation((Outcome("i", 0.0),), 1))]
    entries = [
        Entry(Candidate(f"c{n}", 1), Evaluation((Outcome("i", s),), 1))
        for n, s in enumerate(scores)
    ]
    return Trajectory().tell(start).tell(entries)


def texts(select: Select, past: Trajectory, seed: int = 0) -> list[list[str]]:
    ctx = scripted.context(past, survivors=past.best(1), seed=seed)
    return [[e.text for e in group.shown] for group in asyncio.run(select(ctx))]


def test_the_best_stands_last() -> None:
    assert texts(Best(3), trajectory(0.9, 0.1, 0.5)) == [["c1", "c2", "c0"]]
    assert texts(Best(2, "descending"), trajectory(0.9, 0.1, 0.5)) == [["c0", "c2"]]


def test_a_random_order_shows_the_same_solutions_and_follows_the_generator() -> None:
    past = trajectory(0.9, 0.1, 0.5, 0.3, 0.7)
    first, again = (texts(Best(5, "random"), past, 1)[0] for _ in range(2))
    assert first == again
    assert sorted(first) == sorted(texts(Best(5), past)[0])


def test_a_hundred_solutions_are_cut_to_twenty() -> None:
    """O16: the limit holds whatever the family."""
    assert len(texts(Best(20), trajectory(*[n / 100 for n in range(100)]))[0]) == 20


def test_a_threshold_above_everything_still_shows_the_best() -> None:
    """O15: a section is never announced and empty."""
    assert texts(Best(5, threshold=0.95), trajectory(0.2, 0.4)) == [["c1"]]
    assert texts(Best(5, threshold=0.3), trajectory(0.2, 0.4)) == [["c1"]]


def test_each_of_the_best_is_a_group_of_its_own() -> None:
    assert texts(EachOfBest(2), trajectory(0.9, 0.1, 0.5)) == [["c0"], ["c2"]]


def test_each_of_the_best_is_edited_and_a_list_leaves_that_to_the_first_survivor() -> None:
    ctx = scripted.context(trajectory(0.9, 0.5))
    ctx = replace(ctx, survivors=ctx.trajectory.best(1))
    apart = ctx.grouped(asyncio.run(EachOfBest(2)(ctx)))
    assert [(c.group, c.base, c.shown) for c in apart] == [
        (n, entry, (entry,)) for n, entry in enumerate(ctx.trajectory.best(2))
    ]
    (together,) = ctx.grouped(asyncio.run(Best(2)(ctx)))
    assert together.base == ctx.survivors[0]
    (nothing,) = scripted.context().grouped(asyncio.run(Best(2)(scripted.context())))
    assert (nothing.base, nothing.shown) == (None, ())


# -- lines ------------------------------------------------------------------------------------


def line() -> tuple[Trajectory, list[Entry]]:
    """Each solution was made out of the one before it, with all before that beside it."""
    made: list[Entry] = []
    past = Trajectory()
    for step in range(5):
        parents = tuple(entry.candidate.id for entry in made)
        outcomes = (Outcome("i", step / 10),)
        made.append(Entry(Candidate(f"v{step}", step, parents), Evaluation(outcomes, 1)))
        past = past.tell(made[-1:])
    return past, made


@pytest.mark.parametrize(
    ("k", "shown"),
    [(1, ["v4"]), (3, ["v2", "v3", "v4"]), (0, ["v0", "v1", "v2", "v3", "v4"])],
)
def test_a_survivor_is_edited_and_stands_after_those_it_came_from(k: int, shown: list[str]) -> None:
    past, made = line()
    (group,) = asyncio.run(Lineages(k)(scripted.context(past, survivors=(made[-1],))))
    assert [e.text for e in group.shown] == shown
    assert group.base == made[-1]


def test_every_survivor_has_a_group_of_its_own() -> None:
    past, made = line()
    groups = asyncio.run(Lineages(2)(scripted.context(past, survivors=(made[4], made[1]))))
    assert [[e.text for e in group.shown] for group in groups] == [["v3", "v4"], ["v0", "v1"]]
    assert asyncio.run(Lineages()(scripted.context(past))) == (Group(),)


def test_the_control_sees_the_starts_only() -> None:
    assert texts(StartsOnly(), trajectory(0.9)) == [["start"]]


def test_impossible_options_are_refused() -> None:
    with pytest.raises(ConfigError, match="0 or more"):
        Best(-1)
    with pytest.raises(ConfigError, match="ascending"):
        Best(order="sideways")  # type: ignore[arg-type] # what a configuration could say
    with pytest.raises(ConfigError, match="1 or more"):
        EachOfBest(0)
    with pytest.raises(ConfigError, match="0 for all"):
        Lineages(-1)
