"""Truths about intervals, paired tests and corrections; scipy is the reference."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from llmopt.statistics import (
    Interval,
    _quantile,
    _sign_flips,
    bootstrap_mean,
    holm,
    items_needed,
    lead_p_value,
    mcnemar_exact,
    paired_difference,
    wilson,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

unit = st.floats(0, 1, allow_nan=False)
counts = st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
pairs = st.lists(st.tuples(unit, unit), min_size=1, max_size=25)


@settings(deadline=None)
@given(counts, st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_wilson_equals_scipy(count: tuple[int, int], level: float) -> None:
    successes, n = count
    reference = stats.binomtest(successes, n).proportion_ci(level, "wilson")
    assert wilson(successes, n, level).low == pytest.approx(reference.low, abs=1e-12)
    assert wilson(successes, n, level).high == pytest.approx(reference.high, abs=1e-12)


@settings(deadline=None)
@given(counts)
def test_wilson_holds_the_share_and_stays_within_0_and_1(count: tuple[int, int]) -> None:
    successes, n = count
    interval = wilson(successes, n)
    assert 0 <= interval.low <= successes / n <= interval.high <= 1


@pytest.mark.parametrize(
    ("successes", "n", "level"), [(0, 0, 0.95), (3, 2, 0.95), (-1, 2, 0.95), (1, 2, 1.0)]
)
def test_wilson_refuses_what_is_no_share(successes: int, n: int, level: float) -> None:
    with pytest.raises(ValueError, match="but got"):
        wilson(successes, n, level)


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_equals_scipy_binomial(only_first: int, only_second: int) -> None:
    n = only_first + only_second
    reference = stats.binomtest(only_first, n).pvalue if n else 1.0
    assert mcnemar_exact(only_first, only_second) == pytest.approx(reference, rel=1e-9)
    assert mcnemar_exact(only_first, only_second) == mcnemar_exact(only_second, only_first)


def test_mcnemar_stays_exact_where_floats_would_vanish() -> None:
    assert mcnemar_exact(0, 200) == 2.0**-199
    assert mcnemar_exact(0, 5000) == 0.0
    assert mcnemar_exact(2000, 2000) == 1.0
    with pytest.raises(ValueError, match="at least 0"):
        mcnemar_exact(-1, 3)


@pytest.mark.parametrize("freedom", [4, 9, 29, 299])
@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_t_quantile_is_within_one_percent_of_scipy(level: float, freedom: int) -> None:
    assert _quantile(level, freedom) == pytest.approx(stats.t.ppf((1 + level) / 2, freedom), 0.01)


@settings(max_examples=30, deadline=None)
@given(st.lists(unit, min_size=1, max_size=30), st.integers(0, 2**32 - 1))
def test_bootstrap_is_seeded_ordered_and_within_the_scores(scores: list[float], seed: int) -> None:
    interval = bootstrap_mean(scores, draws=200, seed=seed)
    assert interval == bootstrap_mean(scores, draws=200, seed=seed)
    assert min(scores) - 1e-9 <= interval.low <= interval.high <= max(scores) + 1e-9


def test_bootstrap_is_near_the_t_interval_for_plain_scores() -> None:
    scores = np.random.RandomState(3).rand(40)
    low, high = stats.t.interval(0.95, 39, scores.mean(), stats.sem(scores))
    interval = bootstrap_mean(scores.tolist())
    assert interval.low == pytest.approx(low, abs=0.01)
    assert interval.high == pytest.approx(high, abs=0.01)


def test_bootstrap_does_not_depend_on_how_draws_are_chunked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scores = np.random.RandomState(1).rand(50).tolist()
    whole = bootstrap_mean(scores, draws=500)
    monkeypatch.setattr("llmopt.statistics._CELLS", 70)
    assert bootstrap_mean(scores, draws=500) == whole


def test_bootstrap_weights_count_as_repetitions_of_the_mean() -> None:
    """A weight of 3 on the only right item of two moves the centre to 3/4."""
    assert bootstrap_mean([1, 0], [3, 1]) == Interval(0.0, 1.0)
    interval = bootstrap_mean([1.0] * 60 + [0.0] * 60, [3.0] * 60 + [1.0] * 60)
    assert interval.low < 0.75 < interval.high
    assert interval.low > 0.6


@pytest.mark.parametrize("n", [30, 100])
def test_intervals_cover_what_they_promise(n: int) -> None:
    """A 95 % interval covers the truth in 92-98 % of 400 simulated runs."""
    random = np.random.RandomState(n)
    hits = 0
    for run in range(400):
        scores = random.beta(2, 1, n)
        interval = bootstrap_mean(scores.tolist(), draws=400, seed=run)
        hits += interval.low <= 2 / 3 <= interval.high
    assert 0.92 <= hits / 400 <= 0.98


@pytest.mark.parametrize(
    ("scores", "weights", "draws"),
    [
        ([], None, 9),
        ([float("nan")], None, 9),
        ([1.0], [0.0], 9),
        ([1.0], [1.0, 2.0], 9),
        ([1.0], None, 0),
    ],
)
def test_bootstrap_refuses_what_has_no_mean(
    scores: list[float], weights: list[float] | None, draws: int
) -> None:
    with pytest.raises(ValueError, match=r"but (got|the smallest)"):
        bootstrap_mean(scores, weights, draws=draws)


def test_binary_scores_are_compared_by_mcnemar() -> None:
    first = [1, 0, 0, 0, 0, 0, 0, 1]
    second = [0, 1, 1, 1, 1, 1, 0, 1]
    difference = paired_difference(first, second)
    assert difference.mean == 0.5
    assert (difference.wins, difference.losses, difference.ties) == (5, 1, 2)
    assert difference.p_value == mcnemar_exact(1, 5)
    assert difference.method == "exact McNemar test"
    assert difference.interval.low <= 0.5 <= difference.interval.high


def _enumerated(change: Sequence[float]) -> float:
    observed = abs(sum(change))
    sums = [
        abs(sum(s * c for s, c in zip(signs, change, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(change))
    ]
    return sum(s >= observed - 1e-9 for s in sums) / len(sums)


def test_few_differences_are_enumerated_exactly() -> None:
    first, second = [0.5, 0.1, 0.2, 0.9, 0.3], [0.6, 0.4, 0.1, 0.9, 0.8]
    difference = paired_difference(first, second)
    change = [b - a for a, b in zip(first, second, strict=True)]
    assert difference.p_value == pytest.approx(_enumerated(change))
    assert difference.method == "exact sign-flip permutation test"


def test_unequal_weights_leave_mcnemar() -> None:
    difference = paired_difference([0, 0, 1], [1, 1, 0], [2, 1, 1])
    assert difference.mean == pytest.approx(0.5)
    assert difference.p_value == pytest.approx(_enumerated([2, 1, -1]))


def test_many_differences_are_drawn_and_agree_with_scipy() -> None:
    random = np.random.RandomState(0)
    first = random.rand(30)
    second = first + random.normal(0.08, 0.2, 30)
    reference = stats.permutation_test(
        (second - first,), np.mean, permutation_type="samples", n_resamples=20_000, rng=1
    )
    difference = paired_difference(first.tolist(), second.tolist())
    assert difference.p_value == pytest.approx(reference.pvalue, abs=0.01)
    assert difference.method == "sign-flip permutation test, 10,000 draws"
    certain = paired_difference([0.1] * 30, [0.9 + i / 1000 for i in range(30)])
    assert certain.p_value == 1 / 10_001


@settings(max_examples=20, deadline=None)
@given(pairs)
def test_swapping_the_two_mirrors_the_difference(scores: list[tuple[float, float]]) -> None:
    first, second = (list(column) for column in zip(*scores, strict=True))
    there, back = paired_difference(first, second), paired_difference(second, first)
    assert there.mean == pytest.approx(-back.mean)
    assert there.p_value == pytest.approx(back.p_value)
    assert (there.wins, there.losses, there.ties) == (back.losses, back.wins, back.ties)
    assert 0 < there.p_value <= 1
    assert there.wins + there.losses + there.ties == there.n == len(scores)


def test_equal_scores_are_no_difference() -> None:
    difference = paired_difference([0.5, 1, 0], [0.5, 1, 0])
    assert (difference.mean, difference.p_value) == (0, 1)
    assert difference.interval == Interval(0, 0)
    with pytest.raises(ValueError, match="equally long"):
        paired_difference([1], [1, 0])


def test_the_paired_test_keeps_its_level_under_the_null() -> None:
    """Equally good instructions are told apart at 5 % in at most 7 % of 400 runs."""
    random = np.random.RandomState(5)
    rejected = 0
    for run in range(400):
        chance = random.rand(25)
        first, second = random.beta(1 + chance, 1), random.beta(1 + chance, 1)
        change = second - first
        rejected += _sign_flips(change, run)[0] < 0.05
    assert 0.02 <= rejected / 400 <= 0.08


def test_holm_worked_example() -> None:
    """Holm 1979: the smallest of three is tripled, and order is kept."""
    assert holm([0.01, 0.04, 0.03]) == pytest.approx((0.03, 0.06, 0.06))
    assert holm([]) == ()
    assert holm([0.7, 0.9]) == (1.0, 1.0)
    with pytest.raises(ValueError, match="from 0 to 1"):
        holm([1.2])


@settings(deadline=None)
@given(st.lists(unit, min_size=1, max_size=8))
def test_holm_never_lowers_a_p_value_and_keeps_their_order(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(p <= a <= 1 for p, a in zip(p_values, adjusted, strict=True))
    assert adjusted == tuple(holm(list(reversed(p_values)))[::-1])
    ranked = sorted(zip(p_values, adjusted, strict=True))
    assert [a for _, a in ranked] == sorted(a for _, a in ranked)


@pytest.mark.parametrize(("gain", "disagreement"), [(0.05, 0.2), (0.05, 0.1), (0.1, 0.3)])
def test_as_many_items_as_are_needed_give_the_power_that_was_asked_for(
    gain: float, disagreement: float
) -> None:
    """The exact test finds the gain in 78 to 85 of 100 runs, by the probabilities of all counts."""
    n = items_needed(gain, disagreement=disagreement)
    share = (disagreement + gain) / 2 / disagreement  # of the disagreements that are wins
    power = 0.0
    for differing in range(n + 1):
        chance = stats.binom.pmf(differing, n, disagreement)
        if chance < 1e-9:
            continue
        wins = np.arange(differing + 1)
        seen = [mcnemar_exact(differing - int(w), int(w)) < 0.05 for w in wins]
        power += chance * float(stats.binom.pmf(wins, differing, share)[seen].sum())
    assert 0.78 <= power <= 0.85


def test_a_smaller_gain_needs_more_items_and_a_gain_is_a_disagreement() -> None:
    assert items_needed(0.02) > items_needed(0.05) > items_needed(0.1) > items_needed(0.2) > 10
    for wrong in ({"gain": 0.0}, {"gain": 0.3}, {"gain": 0.1, "power": 1.0}):
        with pytest.raises(ValueError, match="but got"):
            items_needed(**wrong)


@pytest.mark.parametrize("n", range(4, 60))
def test_a_lead_is_about_as_sure_as_the_sign_test_says(n: int) -> None:
    for wins in range((n + 1) // 2, n + 1):
        moved = np.repeat([1.0, -1.0], [wins, n - wins])
        exact = stats.binomtest(wins, n, alternative="greater").pvalue
        p = float(lead_p_value(moved, np.ones(1_000_000)))
        if exact < 0.2:
            assert p > 0.8 * exact


@pytest.mark.parametrize("share", [0.1, 0.3, 0.7])
@pytest.mark.parametrize("items", [12, 50, 300])
@pytest.mark.parametrize("kind", ["right or wrong", "fractional", "weighted"])
def test_a_lead_that_does_not_last_is_called_sure_as_seldom_as_stated(
    items: int, share: float, kind: str
) -> None:
    """In a random order of items whose differences sum to 0."""
    random = np.random.RandomState(items)
    changes = np.zeros(items)
    pairs = max(1, int(share * items / 2))
    sizes = np.ones(pairs) if kind == "right or wrong" else random.uniform(0.05, 1, pairs)
    changes[:pairs], changes[pairs : 2 * pairs] = sizes, -sizes
    weights = np.ones(items)
    if kind == "weighted":
        weights = np.where(random.random_sample(items) < 0.2, 2.5, 0.6)
        changes /= weights
    levels, draws = np.array([0.1, 0.02]), 2000
    false = np.zeros(2)
    looks = (items // 6, items // 3, 2 * items // 3)
    for _ in range(draws):
        order = random.permutation(items)
        seen, shares = changes[order], weights[order]
        least = min(float(lead_p_value(seen[:size], shares)) for size in looks)
        false += least < levels / len(looks)
    assert (false / draws <= levels).all()


def test_a_lead_over_all_items_is_certain_and_no_lead_is_none() -> None:
    assert lead_p_value(np.array([1.0, 0.0]), np.ones(2)) == 0
    assert lead_p_value(np.array([1.0, -1.0]), np.ones(2)) == 1
    assert lead_p_value(np.array([0.0, 0.0]), np.ones(9)) == 1
    assert lead_p_value(np.empty(0), np.ones(9)) == 1


def test_a_lead_is_surer_the_fewer_items_are_left_and_does_not_depend_on_the_scale() -> None:
    rows = np.array([[1.0, 0.0, 1.0, 1.0, -1.0, 1.0], [-1.0, 0.0, -1.0, -1.0, 1.0, 0.0]])
    by_total = [lead_p_value(rows, np.ones(total)) for total in (7, 12, 100)]
    assert by_total[0][0] < by_total[1][0] < by_total[2][0] < 0.5 < by_total[2][1]
    scaled = lead_p_value(rows * 40, np.full(12, 3.0))
    assert scaled == pytest.approx(by_total[1])


def test_more_differences_than_items_are_refused() -> None:
    with pytest.raises(ValueError, match="at most one per item"):
        lead_p_value(np.zeros(3), np.ones(2))
