"""Bandits spend a limited number of calls, find who is best, and measure those in full."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmopt.core.trajectory import Entry, Trajectory, rank
from llmopt.core.values import Candidate, Item, Outcome
from llmopt.errors import ConfigError
from llmopt.parts.bandits import (
    UCB,
    BelowMean,
    EvenShares,
    SuccessiveRejects,
    selected_by,
    sizes,
)
from llmopt.parts.rate import Everything
from llmopt.testing import scripted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.core.part import Rate

ITEMS = tuple(Item(str(n)) for n in range(60))
CANDIDATES = [Candidate(str(skill), 1) for skill in (12, 48, 6, 18, 54, 24, 30, 0)]
GROWN = Trajectory().tell([])
BANDITS: dict[str, Rate] = {
    "ucb": UCB(2, 160, 3, 5),
    "ucb-e": UCB(2, 160, 3, 5, bound="ucb-e"),
    "ucb from 1": UCB(2, 160, 3, 5, begin=1),
    "rejects": SuccessiveRejects(2, 160),
    "below the mean": BelowMean(2, 160),
    "even shares": EvenShares(2, 160),
}


class Desk:
    """A candidate of skill n is right on n of the 60 items, spread over all of them."""

    def __init__(self, lost: frozenset[str] = frozenset()) -> None:
        self.jobs: list[tuple[str, str]] = []
        self.batches = 0
        self.lost = lost

    async def measure(self, jobs: Sequence[tuple[Candidate, Item]]) -> list[Outcome]:
        self.batches += 1
        self.jobs += [(c.text, i.id) for c, i in jobs]
        return [
            Outcome(i.id, None, reason="lost")
            if c.text in self.lost
            else Outcome(i.id, float(int(i.id) * 7 % 60 < int(c.text)))
            for c, i in jobs
        ]


@pytest.mark.parametrize("rate", BANDITS.values(), ids=BANDITS)
async def test_the_best_are_found_and_measured_in_full(rate: Rate) -> None:
    desk = Desk()
    found = await rate(scripted.context(GROWN), CANDIDATES, ITEMS, desk.measure)
    full = {c.text for c, e in zip(CANDIDATES, found, strict=True) if not e.partial}
    assert {"48", "54"} <= full
    assert len(full) < len(CANDIDATES)
    assert len(desk.jobs) == len(set(desk.jobs)), "nothing is measured twice"
    assert len(desk.jobs) == sum(len(e.outcomes) for e in found)
    assert len(desk.jobs) < 300 < len(CANDIDATES) * len(ITEMS)


@pytest.mark.parametrize("rate", BANDITS.values(), ids=BANDITS)
async def test_a_partial_score_never_outranks_a_full_one(rate: Rate) -> None:
    found = await rate(scripted.context(GROWN), CANDIDATES, ITEMS, Desk().measure)
    entries = [Entry(c, e) for c, e in zip(CANDIDATES, found, strict=True)]
    ranked = sorted(entries, key=rank)
    assert [e.evaluation.partial for e in ranked] == sorted(
        (e.evaluation.partial for e in ranked), reverse=True
    )
    assert ranked[-1].text == "54"


@pytest.mark.parametrize("rate", BANDITS.values(), ids=BANDITS)
async def test_the_starts_and_the_few_are_measured_in_full(rate: Rate) -> None:
    starts = await rate(scripted.context(Trajectory()), CANDIDATES, ITEMS, Desk().measure)
    few = await rate(scripted.context(GROWN), CANDIDATES[:2], ITEMS, Desk().measure)
    assert not any(e.partial for e in (*starts, *few))
    desk = Desk()
    assert await rate(scripted.context(GROWN), [], ITEMS, desk.measure) == ()
    assert not desk.jobs


@pytest.mark.parametrize("rate", BANDITS.values(), ids=BANDITS)
async def test_measuring_follows_from_the_trajectory_alone(rate: Rate) -> None:
    first, again, later = Desk(), Desk(), Desk()
    assert await rate(scripted.context(GROWN), CANDIDATES, ITEMS, first.measure) == await rate(
        scripted.context(GROWN), CANDIDATES, ITEMS, again.measure
    )
    assert first.jobs == again.jobs
    await rate(scripted.context(GROWN.tell([])), CANDIDATES, ITEMS, later.measure)
    assert later.jobs[0] != first.jobs[0], "another step begins at another item"


@pytest.mark.parametrize("rate", BANDITS.values(), ids=BANDITS)
async def test_outcomes_stand_in_the_order_of_the_items(rate: Rate) -> None:
    place = {item.id: at for at, item in enumerate(ITEMS)}
    for evaluation in await rate(
        scripted.context(GROWN.tell([])), CANDIDATES, ITEMS, Desk().measure
    ):
        assert evaluation.planned == len(ITEMS)
        places = [place[o.item] for o in evaluation.outcomes]
        assert places == sorted(places)


@pytest.mark.parametrize("rate", BANDITS.values(), ids=BANDITS)
async def test_who_cannot_be_measured_is_not_left(rate: Rate) -> None:
    found = await rate(scripted.context(GROWN), CANDIDATES, ITEMS, Desk(frozenset({"54"})).measure)
    assert found[4].score is None
    assert len(found[4].outcomes) < len(ITEMS)


async def test_the_first_look_of_ucb_is_at_everybody_on_the_same_items() -> None:
    desk = Desk()
    await UCB(2, 200, 3, 5)(scripted.context(GROWN), CANDIDATES, ITEMS, desk.measure)
    first = desk.jobs[: 5 * len(CANDIDATES)]
    assert first == [(c.text, str(item)) for c in CANDIDATES for item in range(5, 10)]


@pytest.mark.parametrize(("budget", "each"), [(1, 1), (31, 1), (32, 2), (80, 5), (9999, 5)])
async def test_the_first_look_of_ucb_takes_at_most_half_of_the_budget(
    budget: int, each: int
) -> None:
    desk = Desk()
    await UCB(2, budget, 3, 5)(scripted.context(GROWN), CANDIDATES, ITEMS, desk.measure)
    first, *_ = [at for at, (text, _) in enumerate(desk.jobs) if text == CANDIDATES[1].text]
    assert first == each


async def test_no_round_begins_when_the_budget_is_spent() -> None:
    desk = Desk()
    await UCB(2, 1, 3, 5)(scripted.context(GROWN), CANDIDATES, ITEMS, desk.measure)
    assert desk.batches == 2


async def test_the_rounds_of_ucb_go_to_those_who_may_be_best() -> None:
    """Without a bonus only the best means are pulled; a huge bonus pulls everybody equally."""
    greedy = await UCB(1, 150, 2, 5, c=0)(
        scripted.context(GROWN), CANDIDATES, ITEMS, Desk().measure
    )
    curious = await UCB(1, 160, 2, 5, c=1000)(
        scripted.context(GROWN), CANDIDATES, ITEMS, Desk().measure
    )
    assert sorted(len(e.outcomes) for e in greedy)[:5] == [5] * 5
    seen = sorted(len(e.outcomes) for e in curious)[:-1]
    assert seen[-1] - seen[0] <= 5


async def test_even_shares_are_as_many_items_as_the_calls_allow() -> None:
    """ProTeGi's brute force: 160 calls for 8 candidates are 20 items each."""
    desk = Desk()
    found = await EvenShares(2, 160)(scripted.context(GROWN), CANDIDATES, ITEMS, desk.measure)
    assert sorted(len(e.outcomes) for e in found) == [20] * 6 + [60] * 2
    assert desk.batches == 2


async def test_halving_by_the_mean_shares_each_rounds_calls_among_those_left() -> None:
    """160 calls in 3 rounds: 6 items each, then 13 more for the better 4, then 26 for 2."""
    desk = Desk()
    found = await BelowMean(2, 160)(scripted.context(GROWN), CANDIDATES, ITEMS, desk.measure)
    seen = {c.text: len(e.outcomes) for c, e in zip(CANDIDATES, found, strict=True)}
    assert min(seen.values()) == 160 // (8 * 3)
    assert len(set(seen.values())) > 2
    assert {text for text, count in seen.items() if count == len(ITEMS)} == {"48", "54"}


async def test_the_first_choice_of_ucb_takes_chances_unless_it_is_round_1() -> None:
    """log(1) = 0: the best of the first look are pulled, however little is known of the others."""
    second: list[set[str]] = []
    for rate in (UCB(2, 160, 2, 5, c=9, begin=1), UCB(2, 160, 2, 5, c=9)):
        desk = Desk()
        await rate(scripted.context(GROWN), CANDIDATES, ITEMS, desk.measure)
        second.append({text for text, _ in desk.jobs[40:50]})
    assert second[0] <= {"48", "54", "30", "24"}
    with pytest.raises(ConfigError, match="numbers of rounds are 1 or more, but got 0"):
        UCB(begin=0)


async def test_successive_rejects_sees_as_many_items_as_its_formula() -> None:
    found = await SuccessiveRejects(2, 160)(
        scripted.context(GROWN), CANDIDATES, ITEMS, Desk().measure
    )
    partial = sorted(len(e.outcomes) for e in found if e.partial)
    assert tuple(partial) == sizes(8, 160)[:6]
    worst = [int(CANDIDATES[i].text) for i, e in enumerate(found) if e.partial]
    assert max(worst) < 48


def test_the_sizes_are_those_of_the_paper() -> None:
    """Audibert, Bubeck and Munos (2010): logbar(4) = 1/2 + 1/2 + 1/3 + 1/4 = 19/12."""
    assert sizes(4, 42) == tuple(math.ceil(38 / (19 / 12 * left)) for left in (4, 3, 2))
    assert sizes(4, 42) == (6, 8, 12)


@given(st.integers(2, 80), st.integers(1, 5000))
def test_rejecting_all_but_one_stays_within_the_budget(arms: int, budget: int) -> None:
    found = sizes(arms, budget)
    assert len(found) == arms - 1
    assert found[0] >= 1
    assert all(a <= b for a, b in pairwise(found))
    if budget >= arms:
        assert sum(found) + found[-1] <= budget


def test_a_selection_has_a_name() -> None:
    assert selected_by("ucb", 3, 100) == UCB(3, 100)
    assert selected_by("successive-rejects", 3, 100) == SuccessiveRejects(3, 100)
    assert selected_by("everything", 3, 100) == Everything()
    with pytest.raises(ConfigError, match="successive-rejects"):
        selected_by("best", 3, 100)  # type: ignore[arg-type] # what a configuration may hold


@pytest.mark.parametrize("option", ["k", "budget", "arms", "batch"])
def test_nothing_of_a_bandit_is_zero(option: str) -> None:
    none: dict[str, Any] = {option: 0}
    with pytest.raises(ConfigError, match="1 or more"):
        UCB(**none)
    with pytest.raises(ConfigError, match="0 or more"):
        UCB(c=-1)
    with pytest.raises(ConfigError, match="1 or more"):
        SuccessiveRejects(budget=0)
