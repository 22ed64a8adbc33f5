"""A race drops who is surely worse, stays within its share, and keeps the winner."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmopt.core.trajectory import Entry, Trajectory, rank
from llmopt.core.values import (
    Candidate,
    Evaluation,
    Item,
    Outcome,
)
from llmopt.errors import ConfigError
from llmopt.parts.racing import Racing, stages
from llmopt.testing import scripted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

ITEMS = tuple(Item(f"item {n}") for n in range(100))
NOBODY = np.empty((0, 100))
TOLD = Trajectory().tell([])


class Desk:
    """Measures by a table of scores: a row per candidate, whose text is the row's number."""

    def __init__(self, table: NDArray[np.float64]) -> None:
        self.table = table
        self.jobs: list[tuple[str, str]] = []
        self.batches: list[int] = []

    async def measure(self, jobs: Sequence[tuple[Candidate, Item]]) -> list[Outcome]:
        self.jobs += [(c.text, i.id) for c, i in jobs]
        self.batches.append(len(jobs))
        return [self.outcome(c, item) for c, item in jobs]

    def outcome(self, candidate: Candidate, item: Item) -> Outcome:
        score = float(self.table[int(candidate.text), int(item.id.split()[1])])
        return Outcome(item.id, None if np.isnan(score) else score, weight=item.weight)

    def entry(self, row: int, items: Sequence[Item] = ITEMS) -> Entry:
        candidate = Candidate(str(row))
        outcomes = tuple(self.outcome(candidate, item) for item in items)
        return Entry(candidate, Evaluation(outcomes, len(ITEMS)))


def named(*rows: int) -> list[Candidate]:
    return [Candidate(str(row), 1) for row in rows]


def spread(accuracies: Sequence[float], items: int = 100, seed: int = 0) -> NDArray[np.float64]:
    """Exact shares of right answers, in random order."""
    random = np.random.RandomState(seed)
    rows = [random.permutation(np.arange(items) < round(a * items)) for a in accuracies]
    return np.array(rows, dtype=np.float64)


async def test_who_is_surely_worse_drops_out_and_the_others_are_measured_on_all_items() -> None:
    desk = Desk(spread([0.05, 0.9, 0.1, 0.85]))
    found = await Racing(share=1.0)(scripted.context(TOLD), named(0, 1, 2, 3), ITEMS, desk.measure)
    assert [e.partial for e in found] == [True, False, True, False]
    assert found[1].score == 0.9
    assert len(desk.jobs) == len(set(desk.jobs)) == sum(len(e.outcomes) for e in found)


async def test_all_are_measured_on_the_same_first_items_in_order() -> None:
    desk = Desk(spread([0.05, 0.9, 0.5]))
    for evaluation in await Racing()(scripted.context(TOLD), named(0, 1, 2), ITEMS, desk.measure):
        seen = [outcome.item for outcome in evaluation.outcomes]
        assert seen == [item.id for item in ITEMS[: len(seen)]]
        assert len(seen) in stages(len(ITEMS))
        assert evaluation.planned == len(ITEMS)


async def test_a_dropped_one_never_ranks_above_one_measured_in_full() -> None:
    desk = Desk(spread([0.1, 0.6, 0.62, 0.58, 0.61, 0.2, 0.65, 0.55]))
    candidates = named(*range(8))
    found = await Racing()(scripted.context(TOLD), candidates, ITEMS, desk.measure)
    entries = [Entry(c, e) for c, e in zip(candidates, found, strict=True)]
    full = [rank(e) for e in entries if not e.evaluation.partial]
    assert full
    assert all(rank(e) < min(full) for e in entries if e.evaluation.partial)


async def test_the_starts_are_measured_in_full() -> None:
    desk = Desk(spread([0.0, 0.9]))
    found = await Racing()(scripted.context(Trajectory()), named(0, 1), ITEMS, desk.measure)
    assert not any(e.partial for e in found)
    assert desk.batches == [200]


async def test_few_items_are_measured_in_full() -> None:
    desk = Desk(spread([0.0, 0.9]))
    found = await Racing()(scripted.context(TOLD), named(0, 1), ITEMS[:11], desk.measure)
    assert [len(e.outcomes) for e in found] == [11, 11]


async def test_without_candidates_nothing_is_measured() -> None:
    desk = Desk(spread([0.5]))
    assert await Racing()(scripted.context(TOLD), [], ITEMS, desk.measure) == ()
    assert not desk.batches


async def test_when_all_drop_out_nothing_more_is_measured() -> None:
    desk = Desk(spread([0.05, 0.1, 0.95]))
    trajectory = Trajectory().tell([desk.entry(2)])
    found = await Racing()(scripted.context(trajectory), named(0, 1), ITEMS, desk.measure)
    assert all(e.partial for e in found)
    assert all(desk.batches)


async def test_the_best_so_far_takes_part_without_a_call() -> None:
    """A lone poor candidate is measured in full, unless something better is known."""
    desk = Desk(spread([0.2, 0.9]))
    alone = await Racing()(scripted.context(TOLD), named(0), ITEMS, desk.measure)
    against = await Racing()(
        scripted.context(Trajectory().tell([desk.entry(1)])), named(0), ITEMS, desk.measure
    )
    assert not alone[0].partial
    assert against[0].partial
    assert {text for text, _ in desk.jobs} == {"0"}


async def test_a_partial_entry_or_one_of_other_items_is_no_rival() -> None:
    desk = Desk(spread([0.2, 1.0]))
    few = Trajectory().tell([desk.entry(1, ITEMS[:8])])
    told = Trajectory().tell([Entry(Candidate("1"), Evaluation((Outcome("told", 9.0),), 1))])
    for trajectory in (few, told):
        found = await Racing()(scripted.context(trajectory), named(0), ITEMS, desk.measure)
        assert not found[0].partial


async def test_one_that_beats_the_best_so_far_is_not_dropped() -> None:
    desk = Desk(spread([0.5, 0.9]))
    found = await Racing()(
        scripted.context(Trajectory().tell([desk.entry(0)])), named(1), ITEMS, desk.measure
    )
    assert not found[0].partial


async def test_who_is_worse_than_one_but_not_than_k_stays() -> None:
    desk = Desk(spread([0.9, 0.4, 0.02]))
    assert [
        e.partial
        for k in (1, 2)
        for e in await Racing(k=k, share=1.0)(
            scripted.context(TOLD), named(0, 1, 2), ITEMS, desk.measure
        )
    ] == [False, True, True, False, False, True]


@pytest.mark.parametrize("spoiled", [0, 1])
async def test_a_lost_reply_is_no_difference_and_leaves_the_evaluation_partial(
    spoiled: int,
) -> None:
    table = spread([0.05, 0.9])
    table[spoiled, :3] = np.nan
    found = await Racing(share=1.0)(scripted.context(TOLD), named(0, 1), ITEMS, Desk(table).measure)
    assert [len(e.outcomes) for e in found][1] == 100
    assert len(found[0].outcomes) < 100
    assert found[spoiled].measured == len(found[spoiled].outcomes) - 3


async def test_candidates_without_any_reply_go_last_and_break_nothing() -> None:
    table = spread([0.5, 0.6, 0.5])
    table[0] = np.nan
    found = await Racing(share=0.4)(
        scripted.context(TOLD), named(0, 1, 2), ITEMS, Desk(table).measure
    )
    assert found[0].partial
    assert found[0].score is None
    assert not found[1].partial


async def test_weights_decide_who_leads() -> None:
    """Right on the rare half of the weight beats right on the many light items."""
    rare = np.arange(100) % 10 == 0
    items = tuple(Item(f"item {n}", weight=20.0 if rare[n] else 0.1) for n in range(100))
    desk = Desk(np.array([rare, ~rare], dtype=np.float64))
    found = await Racing(share=0.5)(scripted.context(TOLD), named(0, 1), items, desk.measure)
    assert [e.partial for e in found] == [False, True]


async def test_fractional_scores_race_whatever_their_scale() -> None:
    random = np.random.RandomState(1)
    table = np.array([[0.3], [0.8], [0.35]]) + random.uniform(-0.2, 0.2, (3, 100))
    lengths = [
        [
            len(e.outcomes)
            for e in await Racing()(scripted.context(TOLD), named(0, 1, 2), ITEMS, desk.measure)
        ]
        for desk in (Desk(table), Desk(1000 * table - 500))
    ]
    assert lengths[0] == lengths[1]
    assert lengths[0][1] == 100
    assert max(lengths[0][0], lengths[0][2]) < 100


async def test_among_equals_the_earlier_goes_on() -> None:
    found = await Racing()(
        scripted.context(TOLD), named(*range(8)), ITEMS, Desk(np.ones((8, 100))).measure
    )
    seen = [len(e.outcomes) for e in found]
    assert seen == sorted(seen, reverse=True)
    assert seen[0] == 100


@settings(max_examples=60)
@given(
    field=st.integers(1, 40),
    items=st.integers(12, 200),
    share=st.floats(0.05, 1.0),
    seed=st.integers(0, 1000),
)
async def test_the_share_is_a_limit_and_somebody_is_measured_in_full(
    field: int, items: int, share: float, seed: int
) -> None:
    random = np.random.RandomState(seed)
    desk = Desk((random.random_sample((field, items)) < 0.6).astype(float))
    own = tuple(Item(f"item {n}") for n in range(items))
    found = await Racing(share=share)(
        scripted.context(TOLD), named(*range(field)), own, desk.measure
    )
    first = stages(items)[0]
    assert len(desk.jobs) <= max(share * field * items, field * first + items - first)
    assert any(not e.partial for e in found)


@pytest.mark.parametrize("alike", [0.0, 0.6])
def test_the_winner_of_all_items_is_lost_less_often_than_stated(alike: float) -> None:
    """Equal candidates are the hardest case: rule 1 alone loses the winner in 10 % at most."""
    random = np.random.RandomState(7)
    rule, field, items, draws = Racing(share=1.0, confidence=0.9), 6, 60, 400
    lost = 0
    for _ in range(draws):
        common = random.random_sample(items)
        own = random.random_sample((field, items))
        mixed = np.where(random.random_sample((field, items)) < alike, common, own)
        table = (mixed < 0.5).astype(float)
        left, spent = list(range(field)), 0
        for size in stages(items)[:-1]:
            rows = rule.survivors(
                table[left, :size], NOBODY[:, :size], np.ones(items), field, spent
            )
            left = [left[row] for row in rows]
        lost += table[left].mean(axis=1).max() != table.mean(axis=1).max()
    assert lost / draws < 0.1


@pytest.mark.parametrize(("missed", "dropped"), [(4, ()), (5, (2,)), (7, (2, 5)), (9, (2, 5, 20))])
def test_the_more_rivals_the_surer_a_lead_has_to_be(missed: int, dropped: tuple[int, ...]) -> None:
    """After a third of a hundred items that the leader has all right, by how many began."""
    scores = np.ones((2, 33))
    scores[1, :missed] = 0
    for field in (2, 5, 20, 100):
        left = Racing(share=1.0).survivors(scores, NOBODY[:, :33], np.ones(100), field, 66)
        assert left == ([0] if field in dropped else [0, 1])


@given(st.integers(0, 5000))
def test_stages_grow_to_all_items(total: int) -> None:
    sizes = stages(total)
    assert sizes[-1] == total
    assert all(a < b for a, b in pairwise(sizes))
    assert all(size >= 8 for size in sizes[:-1])


def test_stages_of_a_hundred_items() -> None:
    assert stages(100) == (8, 17, 33, 67, 100)


def test_impossible_races_are_refused() -> None:
    with pytest.raises(ConfigError, match="k is at least 1"):
        Racing(k=0)
    with pytest.raises(ConfigError, match="between 0 and 1"):
        Racing(confidence=1.0)
    with pytest.raises(ConfigError, match="share is above 0"):
        Racing(share=0.0)
