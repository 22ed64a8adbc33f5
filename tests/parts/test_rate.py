"""Everything measures everything; halving spends on the promising ones and tells partial."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from llmopt.core.trajectory import Trajectory
from llmopt.core.values import Candidate, Item, Outcome
from llmopt.errors import ConfigError
from llmopt.parts.racing import Racing
from llmopt.parts.rate import Everything, Halving, WithoutFirst, rated, without_first
from llmopt.testing import scripted

if TYPE_CHECKING:
    from collections.abc import Sequence

ITEMS = tuple(Item(str(n)) for n in range(20))
CANDIDATES = [Candidate(str(skill), 1) for skill in (0, 5, 10, 15)]


class Desk:
    """A candidate of skill n is right on the items whose number modulo 20 is below n."""

    def __init__(self) -> None:
        self.jobs: list[tuple[str, str]] = []

    async def measure(self, jobs: Sequence[tuple[Candidate, Item]]) -> list[Outcome]:
        self.jobs += [(c.text, i.id) for c, i in jobs]
        return [Outcome(i.id, float(int(i.id) * 7 % 20 < int(c.text))) for c, i in jobs]


async def test_everything_is_measured_candidate_by_candidate() -> None:
    desk = Desk()
    found = await Everything()(scripted.context(Trajectory()), CANDIDATES, ITEMS, desk.measure)
    assert [e.score for e in found] == [0.0, 0.25, 0.5, 0.75]
    assert not any(e.partial for e in found)
    assert desk.jobs == [(c.text, i.id) for c in CANDIDATES for i in ITEMS]


async def test_rows_for_examples_alone_measure_nothing() -> None:
    desk = Desk()
    rate = without_first(3, Everything())
    found = await rate(scripted.context(Trajectory()), CANDIDATES, ITEMS, desk.measure)
    assert {item for _, item in desk.jobs} == {item.id for item in ITEMS[3:]}
    assert not any(e.partial for e in found)
    assert without_first(0, Everything()) == Everything()
    with pytest.raises(ConfigError, match="leave one out"):
        without_first(3, Halving((4,)))
    with pytest.raises(ConfigError, match="for examples alone are 1 or more, but got 0"):
        WithoutFirst(0)
    size = len(scripted.problem().items("train"))
    with pytest.raises(ConfigError, match="lower format_rows"):
        WithoutFirst(size).fits(scripted.problem())
    WithoutFirst(size - 1).fits(scripted.problem())


async def test_halving_measures_the_survivors_on_everything_and_nothing_twice() -> None:
    desk = Desk()
    rate = Halving((4, 8))
    found = await rate(scripted.context(Trajectory().tell([])), CANDIDATES, ITEMS, desk.measure)
    assert [len(e.outcomes) for e in found] == [4, 4, 8, 20]
    assert [e.partial for e in found] == [True, True, True, False]
    assert found[3].score == 0.75
    assert len(desk.jobs) == len(set(desk.jobs)) == 4 + 4 + 8 + 20


@pytest.mark.parametrize(("keep", "left"), [(0.5, 2), (0.51, 3), (0.75, 3), (0.1, 1), (1.0, 4)])
async def test_at_least_the_share_goes_on(keep: float, left: int) -> None:
    """Of four: a part of a candidate is a whole one."""
    rate = Halving((4,), keep)
    context = scripted.context(Trajectory().tell([]))
    found = await rate(context, CANDIDATES, ITEMS, Desk().measure)
    assert sum(not evaluation.partial for evaluation in found) == left


def test_stages_and_a_race_exclude_each_other() -> None:
    assert rated((4, 8), 0.5, 1) == Halving((4, 8), 0.5)
    assert rated((), 0.5, 1) == Everything()
    assert rated((), 0.5, 0.3) == Racing(share=0.3)
    with pytest.raises(ConfigError, match=r"stages = \[4, 8\] and share = 0.3; leave one out"):
        rated((4, 8), 0.5, 0.3)


async def test_halving_measures_the_starts_in_full() -> None:
    found = await Halving((4, 8))(scripted.context(Trajectory()), CANDIDATES, ITEMS, Desk().measure)
    assert not any(e.partial for e in found)


async def test_without_candidates_nothing_is_measured() -> None:
    desk = Desk()
    for rate in (Everything(), Halving((4,))):
        assert await rate(scripted.context(Trajectory().tell([])), [], ITEMS, desk.measure) == ()
    assert not desk.jobs


def test_impossible_stages_are_refused() -> None:
    with pytest.raises(ConfigError, match="increase"):
        Halving((8, 8))
    with pytest.raises(ConfigError, match="at most 1"):
        Halving((8,), keep=1.5)
