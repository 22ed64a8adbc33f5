"""The rank-sum test: exact where it can be, right under the null, never surer than it may be."""

from __future__ import annotations

import math

import numpy as np
import pytest

from llmopt.statistics import rank_sum


def test_small_groups_are_dealt_out_in_every_way() -> None:
    found = rank_sum([5, 6, 7, 8], [1, 2, 3, 4])
    assert found.chance == 1
    assert found.p_value == pytest.approx(2 / math.comb(8, 4))
    assert found.interval.high == 1
    assert 0.5 < found.interval.low < 1
    assert found.method == "exact rank-sum permutation test"
    assert (found.first, found.second) == (4, 4)


def test_ties_count_half_and_swapping_the_groups_mirrors_everything() -> None:
    one, other = [1, 2, 2, 3], [2, 2, 1]
    found, mirrored = rank_sum(one, other), rank_sum(other, one)
    pairs = [(a > b) + (a == b) / 2 for a in one for b in other]
    assert found.chance == pytest.approx(sum(pairs) / len(pairs))
    assert mirrored.chance == pytest.approx(1 - found.chance)
    assert mirrored.p_value == found.p_value
    assert mirrored.interval.low == pytest.approx(1 - found.interval.high)
    assert rank_sum([1, 1], [1, 1]).p_value == 1


def test_the_same_arguments_give_the_same_figures_and_p_is_never_zero() -> None:
    one, other = list(range(100, 140)), list(range(40))
    assert rank_sum(one, other) == rank_sum(one, other)
    assert rank_sum(one, other, draws=999).p_value == pytest.approx(1 / 1000)


def test_draws_agree_with_every_way_of_dealing_out() -> None:
    random = np.random.RandomState(3)
    one, other = random.normal(0.8, 1, 7).tolist(), random.normal(size=7).tolist()
    exact = rank_sum(one, other).p_value  # 3,432 ways
    repeated = rank_sum([*one, *one], [*other, *other], blocks=([*range(7)] * 2, [*range(7)] * 2))
    assert repeated.p_value == pytest.approx(exact)  # blocks that say the same twice


def test_it_rejects_as_often_as_it_says_and_covers_as_often_as_it_says() -> None:
    random = np.random.RandomState(0)
    rejected = covered = 0
    runs = 400
    true = 0.5 * (1 + math.erf(0.8 / 2))
    for seed in range(runs):
        alike = random.binomial(50, 0.6, 40).tolist()
        rejected += rank_sum(alike[:16], alike[16:], seed=seed, draws=499).p_value < 0.05
        higher, lower = random.normal(0.8, 1, 16).tolist(), random.normal(size=24).tolist()
        interval = rank_sum(higher, lower, draws=1).interval
        covered += interval.low <= true <= interval.high
    assert rejected <= 0.075 * runs
    assert 0.93 * runs <= covered <= 0.98 * runs


def test_members_of_a_block_are_not_independent() -> None:
    random = np.random.RandomState(1)
    apart = together = 0
    blocks = np.repeat(range(6), 8).tolist()
    for seed in range(200):
        one, other = (
            (np.repeat(random.normal(size=6), 8) + random.normal(size=48)).tolist()
            for _ in range(2)
        )
        apart += rank_sum(one, other, seed=seed, draws=199).p_value < 0.05
        together += rank_sum(one, other, seed=seed, blocks=(blocks, blocks)).p_value < 0.05
    assert together <= 0.09 * 200
    assert apart > 0.2 * 200


@pytest.mark.parametrize(
    ("one", "other", "match"),
    [([], [1], "not empty"), ([1], [], "not empty"), ([math.nan], [1], "finite")],
)
def test_what_cannot_be_compared_is_refused(
    one: list[float], other: list[float], match: str
) -> None:
    with pytest.raises(ValueError, match=match):
        rank_sum(one, other)
    with pytest.raises(ValueError, match="draws"):
        rank_sum([1], [2], draws=0)
