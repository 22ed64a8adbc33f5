"""Truths about comparing methods over searches and items, and about Student's t."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from llmopt.statistics import (
    MethodDifference,
    Repetition,
    between_methods,
    over_tasks,
    t_p_value,
    t_quantile,
)

Floats = np.typing.NDArray[np.float64]


@given(st.floats(-40, 40), st.floats(0.8, 5000))
def test_the_tail_of_students_t_is_scipys(t: float, freedom: float) -> None:
    assert t_p_value(t, freedom) == pytest.approx(2 * stats.t.sf(abs(t), freedom), rel=1e-7)


@pytest.mark.parametrize("freedom", [1, 1.7, 2, 4, 30, 1e6])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_the_quantile_of_students_t_is_scipys(level: float, freedom: float) -> None:
    assert t_quantile(level, freedom) == pytest.approx(stats.t.ppf((1 + level) / 2, freedom))


def test_what_has_no_t_distribution_is_refused() -> None:
    assert t_p_value(float("inf"), 3) == 0
    for t, freedom in ((1.0, 0.0), (float("nan"), 3.0)):
        with pytest.raises(ValueError, match="but got"):
            t_p_value(t, freedom)
    with pytest.raises(ValueError, match="between 0 and 1"):
        t_quantile(1.0, 3)


def crossed(first: Floats, second: Floats) -> list[Repetition]:
    """Repetitions on the same items: matrices are seeds x items."""
    n = first.shape[1]
    return [
        Repetition(a.tolist(), b.tolist(), [1.0] * n, range(n))
        for a, b in zip(first, second, strict=True)
    ]


def test_the_variance_is_that_of_the_two_way_analysis() -> None:
    """Mean squares of items and residuals of the difference, and Welch's of the searches."""
    random = np.random.RandomState(3)
    k, n = 4, 50
    liked = random.normal(0.2, 0.4, n)
    first = random.rand(k, n) + random.normal(0, 0.05, (k, 1))
    second = random.rand(k, n) + liked + random.normal(0, 0.1, (k, 1))
    change = second - first
    rows, columns, mean = change.mean(1, keepdims=True), change.mean(0), change.mean()
    square_items = k * ((columns - mean) ** 2).sum() / (n - 1)
    square_rest = ((change - rows - columns + mean) ** 2).sum() / ((k - 1) * (n - 1))
    items = (square_items - square_rest) / (k * n)
    parts = [one.mean(1).var(ddof=1) / k for one in (first, second)]
    found = between_methods(crossed(first, second))
    assert found.mean == pytest.approx(mean)
    assert found.variance == pytest.approx(sum(parts) + items)
    freedom = sum(parts) ** 2 / sum(part**2 / (k - 1) for part in parts)
    assert found.freedom == pytest.approx(freedom)
    assert found.p_value == pytest.approx(
        2 * stats.t.sf(mean / np.sqrt(found.variance), found.freedom)
    )


def test_repetitions_without_common_items_are_a_t_test_of_their_differences() -> None:
    random = np.random.RandomState(1)
    first, second = random.rand(2, 5, 40)
    second += 0.1
    apart = [
        Repetition(a.tolist(), b.tolist(), [1.0] * 40, [f"{seed} {n}" for n in range(40)])
        for seed, (a, b) in enumerate(zip(first, second, strict=True))
    ]
    gains = (second - first).mean(1)
    found = between_methods(apart)
    assert (found.mean, found.freedom) == pytest.approx((gains.mean(), 4))
    assert found.variance >= gains.var(ddof=1) / 5


def test_rows_of_one_question_say_less_than_rows_of_several() -> None:
    random = np.random.RandomState(2)
    change = np.repeat(random.choice([-1.0, 0.0, 1.0], 30), 4)
    first = np.full((3, 120), 0.0) + (change < 0)
    second = first + change
    apart = crossed(first, second)
    together = [
        Repetition(one.first, one.second, one.weights, [n // 4 for n in range(120)])
        for one in apart
    ]
    less, more = between_methods(together), between_methods(apart)
    assert less.mean == more.mean
    assert less.variance > 3 * more.variance


def test_winners_that_never_differ_are_no_certainty() -> None:
    """Neither in a difference of nothing nor in one that was the same everywhere."""
    same = between_methods(crossed(np.ones((3, 20)), np.ones((3, 20))))
    assert (same.mean, same.p_value) == (0, 1)
    assert same.variance > 0
    all_of_them = between_methods(crossed(np.zeros((3, 20)), np.ones((3, 20))))
    assert 0 < all_of_them.p_value < 0.001
    values = between_methods(crossed(np.full((3, 20), 5.0), np.full((3, 20), 7.0)))
    assert values.p_value == 1, "values without a range and without a spread allow no claim"


def test_an_item_that_one_repetition_could_not_measure_is_left_out_of_it_alone() -> None:
    random = np.random.RandomState(7)
    first, second = (random.rand(2, 3, 60) < 0.6).astype(float)
    whole = crossed(first, second)
    one = whole[0]
    partial = [Repetition(one.first[1:], one.second[1:], one.weights[1:], range(1, 60)), *whole[1:]]
    assert between_methods(partial).variance == pytest.approx(
        between_methods(whole).variance, rel=0.15
    )


def test_tasks_count_the_same() -> None:
    both = over_tasks([MethodDifference(0.1, 0.04, 4), MethodDifference(0.3, 0.04, 4)])
    assert (both.mean, both.variance, both.freedom) == pytest.approx((0.2, 0.02, 8))
    one = over_tasks([MethodDifference(0.1, 0.04, 4)])
    assert (one.mean, one.variance, one.freedom) == pytest.approx((0.1, 0.04, 4))
    assert over_tasks([MethodDifference(0.1, 0.0, 4), MethodDifference(0.0, 0.0, 2)]).p_value == 1


def test_one_repetition_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2, but got 1"):
        between_methods(crossed(np.zeros((1, 4)), np.ones((1, 4))))


@pytest.mark.parametrize(
    ("spreads", "seeds", "rows"),
    [((0.15, 0.15), 3, 100), ((0.0, 0.15), 3, 200), ((0.3, 0.3), 5, 200), ((0.0, 0.0), 3, 60)],
)
@pytest.mark.parametrize("apart", [False, True])
def test_a_method_is_seldom_called_better_than_itself(
    spreads: tuple[float, float], seeds: int, rows: int, apart: bool
) -> None:
    """In at most 9 of 100 of 200 sweeps; benchmarks/sweeps.py does it at length."""
    random = np.random.RandomState(rows)
    rejected = 0
    for _ in range(200):
        size = seeds * rows if apart else rows
        hard = random.standard_normal(size)
        answers = [
            0.4 + spread * random.standard_normal((seeds, 1)) + random.normal(0, 0.6, (seeds, size))
            > hard
            for spread in spreads
        ]
        repetitions = []
        for seed in range(seeds):
            mine = np.arange(rows) + (seed * rows if apart else 0)
            first, second = (found[seed, mine].astype(float).tolist() for found in answers)
            repetitions.append(Repetition(first, second, [1.0] * rows, mine.tolist()))
        rejected += between_methods(repetitions).p_value < 0.05
    assert rejected / 200 <= 0.09
