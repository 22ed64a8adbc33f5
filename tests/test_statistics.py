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
    bootstrap_mean,
    holm,
    items_needed,
    lead_p_value,
    mcnemar_exact,
    mcnemar_mid_p,
    paired_difference,
    shown_gain,
    wilson,
)
from llmopt.statistics.intervals import quantile
from llmopt.statistics.paired import _sign_flips
from llmopt.statistics.planning import detectable

if TYPE_CHECKING:
    from collections.abc import Sequence

unit = st.floats(0, 1, allow_nan=False)
counts = st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
pairs = st.lists(st.tuples(unit, unit), min_size=1, max_size=25)


@given(counts, st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_wilson_equals_scipy(count: tuple[int, int], level: float) -> None:
    successes, n = count
    reference = stats.binomtest(successes, n).proportion_ci(level, "wilson")
    assert wilson(successes, n, level).low == pytest.approx(reference.low, abs=1e-12)
    assert wilson(successes, n, level).high == pytest.approx(reference.high, abs=1e-12)


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
    assert quantile(level, freedom) == pytest.approx(stats.t.ppf((1 + level) / 2, freedom), 0.01)


@settings(max_examples=30)
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
    monkeypatch.setattr("llmopt.statistics.intervals._CELLS", 70)
    assert bootstrap_mean(scores, draws=500) == whole


@pytest.mark.parametrize("n", [2, 3, 5, 8, 20])
def test_bootstrap_of_few_scores_is_as_wide_as_their_number_asks(n: int) -> None:
    """Hesterberg's 5.3: Student's t, and n for n - 1 in the variance of a resample's mean."""
    scores = np.random.default_rng(1).normal(size=n)
    draws = np.random.RandomState(0).randint(0, n, size=(2000, n))
    outer = stats.norm.cdf(-stats.t.ppf(0.975, n - 1) * np.sqrt(n / (n - 1)))
    low, high = np.quantile(scores[draws].mean(axis=1), [outer, 1 - outer])
    found = bootstrap_mean(scores.tolist(), draws=2000)
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-3)


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


@given(st.integers(0, 60), st.integers(0, 60))
def test_the_mid_p_counts_half_of_what_was_seen(only_first: int, only_second: int) -> None:
    """By scipy's binomial distribution; never above the exact value, which counts all of it."""
    n, few = only_first + only_second, min(only_first, only_second)
    half = stats.binom.cdf(few, n, 0.5) - stats.binom.pmf(few, n, 0.5) / 2
    assert mcnemar_mid_p(only_first, only_second) == pytest.approx(min(1.0, 2 * half), rel=1e-9)
    assert 0 < mcnemar_mid_p(only_first, only_second) <= mcnemar_exact(only_first, only_second)
    assert mcnemar_mid_p(only_first, only_second) == mcnemar_mid_p(only_second, only_first)


def test_binary_scores_are_compared_by_mcnemar() -> None:
    first = [1, 0, 0, 0, 0, 0, 0, 1]
    second = [0, 1, 1, 1, 1, 1, 0, 1]
    difference = paired_difference(first, second)
    assert difference.mean == 0.5
    assert (difference.wins, difference.losses, difference.ties) == (5, 1, 2)
    assert difference.p_value == mcnemar_mid_p(1, 5)
    assert difference.method == "McNemar mid-p test"
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


@settings(max_examples=20)
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
    """The next items may differ nevertheless, so the interval is not a point."""
    difference = paired_difference([0.5, 1, 0], [0.5, 1, 0])
    assert (difference.mean, difference.p_value) == (0, 1)
    assert difference.interval.low == -difference.interval.high < 0
    assert difference.needed is None
    values = paired_difference([50, 1, 0], [50, 1, 0])  # of any size: their range is not known
    assert values.interval == Interval(0, 0)
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
        rejected += _sign_flips(change, 10_000, run)[0] < 0.05
    assert 0.02 <= rejected / 400 <= 0.08


def test_holm_worked_example() -> None:
    """Holm 1979: the smallest of three is tripled, and order is kept."""
    assert holm([0.01, 0.04, 0.03]) == pytest.approx((0.03, 0.06, 0.06))
    assert holm([]) == ()
    assert holm([0.7, 0.9]) == (1.0, 1.0)
    with pytest.raises(ValueError, match="from 0 to 1"):
        holm([1.2])


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
    """The test finds the gain in 78 to 85 of 100 runs, by the probabilities of all counts."""
    n = items_needed(gain, disagreement=disagreement)
    share = (disagreement + gain) / 2 / disagreement  # of the disagreements that are wins
    power = 0.0
    for differing in range(n + 1):
        chance = stats.binom.pmf(differing, n, disagreement)
        if chance < 1e-9:
            continue
        wins = np.arange(differing + 1)
        seen = [mcnemar_mid_p(differing - int(w), int(w)) < 0.05 for w in wins]
        power += chance * float(stats.binom.pmf(wins, differing, share)[seen].sum())
    assert 0.78 <= power <= 0.85


def test_a_smaller_gain_needs_more_items_and_a_gain_is_a_disagreement() -> None:
    assert items_needed(0.02) > items_needed(0.05) > items_needed(0.1) > items_needed(0.2) > 10
    for wrong in ({"gain": 0.0}, {"gain": 0.3}, {"gain": 0.1, "power": 1.0}):
        with pytest.raises(ValueError, match="but got"):
            items_needed(**wrong)


def power_of(n: int, gain: float, disagreement: float) -> float:
    """Return how often the mid-p test finds a gain, by the probabilities of all counts."""
    differ = max(gain, disagreement)
    found = 0.0
    for differing in range(n + 1):
        chance = float(stats.binom.pmf(differing, n, differ))
        if chance > 1e-9:
            wins = np.arange(differing + 1)
            seen = [mcnemar_mid_p(differing - int(w), int(w)) < 0.05 for w in wins]
            share = (1 + gain / differ) / 2
            found += chance * float(stats.binom.pmf(wins, differing, share)[seen].sum())
    return found


@pytest.mark.parametrize("n", [5, 10, 20, 30, 60, 100])
@pytest.mark.parametrize("disagreement", [0.05, 0.2, 0.4])
def test_the_smallest_gain_that_items_show_is_found_in_four_of_five_cases(
    n: int, disagreement: float
) -> None:
    gain = shown_gain(n, disagreement)
    assert 0.8 <= power_of(n, gain, disagreement) <= (0.9 if n > 5 else 1)


def test_what_items_show_is_the_reverse_of_what_a_gain_needs() -> None:
    for gain in (0.02, 0.05, 0.1):
        n = items_needed(gain)
        assert shown_gain(n, 0.2) <= gain <= shown_gain(n - 2, 0.2)
    assert shown_gain(4, 0.4) == 1  # four that agree are no significant difference
    for items, disagreement in ((0, 0.2), (10, 0.0), (10, 1.1)):
        with pytest.raises(ValueError, match="but got"):
            shown_gain(items, disagreement)


@pytest.mark.parametrize("n", [30, 60, 100])
@pytest.mark.parametrize("disagreement", [0.05, 0.2, 0.4])
@pytest.mark.parametrize("gain", [0.0, 0.03])
def test_what_a_comparison_says_it_can_show_it_does_show(
    n: int, disagreement: float, gain: float
) -> None:
    """As a rule in 4 of 5 cases, and in few worlds in much less, because few items differed there.

    In worlds with and without a gain.
    """
    random = np.random.RandomState(n)
    powers = []
    for _ in range(12):
        differ = random.random_sample(n) < disagreement
        wins = random.random_sample(n) < (1 + gain / disagreement) / 2
        sums = np.where(differ, np.where(wins, 1.0, -1.0), 0.0)
        least = detectable(sums, np.ones(n), binary=True, plain=True)
        assert least is not None
        powers.append(power_of(n, least, disagreement))
    assert np.median(powers) >= 0.799
    assert np.mean(np.array(powers) >= 0.65) >= 0.75


def test_repeated_answers_let_a_comparison_show_no_more() -> None:
    first, second = [0.0] * 12 + [1.0] * 88, [1.0] * 8 + [0.0] * 6 + [1.0] * 86
    once = paired_difference(first, second)
    labels = [n for n in range(100) for _ in range(5)]
    often = paired_difference(
        np.repeat(first, 5).tolist(), np.repeat(second, 5).tolist(), clusters=labels
    )
    assert once.detectable == pytest.approx(often.detectable, rel=0.01)
    strict = paired_difference(first, second, level=0.99)
    assert (strict.detectable or 0) > (once.detectable or 0)


def test_graded_scores_show_as_little_as_they_vary() -> None:
    random = np.random.RandomState(1)
    first, noise = random.random_sample(100), random.standard_normal(100)
    small, large = (
        paired_difference(first.tolist(), (first + size * noise).tolist()) for size in (0.01, 0.1)
    )
    assert small.detectable == pytest.approx(0.0028, rel=0.25)
    assert large.detectable == pytest.approx(10 * (small.detectable or 0))
    assert paired_difference([0.5, 0.2], [0.5, 0.2]).detectable is None


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


# -- several samples of one question ---------------------------------------------------------


def grouped(questions: int, samples: int, seed: int) -> tuple[list[float], list[int]]:
    """Right and wrong answers to questions of which some are easier, and whose they are."""
    random = np.random.RandomState(seed)
    easy = random.beta(1, 1, questions)
    right = random.random_sample((questions, samples)) < easy[:, None]
    return right.astype(float).ravel().tolist(), np.repeat(range(questions), samples).tolist()


def test_the_clustered_bootstrap_is_scipys_over_sums_of_clusters() -> None:
    """Clusters of unequal size: a ratio of two sums over the clusters drawn."""
    random = np.random.RandomState(4)
    sizes = random.randint(1, 6, 40)
    labels = np.repeat(np.arange(40), sizes)
    scores = random.rand(len(labels))
    sums = np.bincount(labels, scores)
    level = 0.95
    tail = stats.norm.cdf(-stats.t.ppf((1 + level) / 2, 39) * np.sqrt(40 / 39))
    reference = stats.bootstrap(
        (sums, sizes.astype(float)),
        lambda total, count, axis=-1: total.sum(axis) / count.sum(axis),
        paired=True,
        vectorized=True,
        n_resamples=20_000,
        confidence_level=1 - 2 * tail,
        method="percentile",
        rng=1,
    ).confidence_interval
    interval = bootstrap_mean(scores.tolist(), clusters=labels.tolist())
    assert interval.low == pytest.approx(reference.low, abs=0.005)
    assert interval.high == pytest.approx(reference.high, abs=0.005)


@settings(max_examples=20)
@given(st.lists(unit, min_size=2, max_size=25))
def test_clusters_of_one_change_nothing(scores: list[float]) -> None:
    labels = [f"question {number}" for number in range(len(scores))]
    assert bootstrap_mean(scores, clusters=labels) == bootstrap_mean(scores)
    other = scores[::-1]
    assert paired_difference(scores, other, clusters=labels) == paired_difference(scores, other)


def test_an_answer_that_is_repeated_adds_nothing() -> None:
    """Each item five times is as good as once, and not five times as good."""
    scores = np.random.RandomState(2).rand(30).tolist()
    again = [score for score in scores for _ in range(5)]
    labels = [number for number in range(30) for _ in range(5)]
    once, often = bootstrap_mean(scores), bootstrap_mean(again, clusters=labels)
    assert (often.low, often.high) == pytest.approx((once.low, once.high))
    change = paired_difference([0.0] * 150, again, clusters=labels)
    assert change.p_value == paired_difference([0.0] * 30, scores).p_value
    assert change.needed == 5 * (paired_difference([0.0] * 30, scores).needed or 0)


def test_the_order_of_items_does_not_decide_who_belongs_together() -> None:
    scores, labels = grouped(20, 3, seed=1)
    order = np.random.RandomState(1).permutation(60)
    mixed = bootstrap_mean([scores[i] for i in order], clusters=[labels[i] for i in order])
    straight = bootstrap_mean(scores, clusters=labels)
    assert mixed.high - mixed.low == pytest.approx(straight.high - straight.low, rel=0.1)


def test_a_clustered_comparison_flips_whole_clusters() -> None:
    """Two clusters that moved: one sign each, so that p is one half at least."""
    found = paired_difference([0, 0, 0, 0, 1], [1, 1, 1, 1, 1], clusters="aabbc")
    assert found.p_value == pytest.approx(_enumerated([2, 2, 0])) == 0.5
    assert found.method == "exact sign-flip permutation test over 3 groups"
    assert (found.wins, found.losses, found.ties, found.n) == (4, 0, 1, 5)


def test_clusters_are_one_label_per_score() -> None:
    with pytest.raises(ValueError, match="one per score"):
        bootstrap_mean([1.0, 0.0], clusters=["a"])
    with pytest.raises(ValueError, match="one per score"):
        paired_difference([1.0, 0.0], [0.0, 1.0], clusters=["a"])


# -- few differences, and how many items are needed ------------------------------------------


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (1, 0), (3, 1)])
def test_few_differences_leave_an_interval_that_is_no_point(wins: int, losses: int) -> None:
    """Of Bonett and Price: one success is added to each of two shares."""
    first = [0.0] * wins + [1.0] * losses + [1.0] * (30 - wins - losses)
    second = [1.0] * wins + [0.0] * losses + [1.0] * (30 - wins - losses)
    interval = paired_difference(first, second).interval
    gained, lost = (wins + 1) / 32, (losses + 1) / 32
    half = stats.norm.ppf(0.975) * np.sqrt((gained + lost - (gained - lost) ** 2) / 32)
    assert interval.low == pytest.approx(gained - lost - half)
    assert interval.high == pytest.approx(gained - lost + half)


@pytest.mark.parametrize("wins", range(5))
def test_few_differences_of_unequal_weight_leave_an_interval_around_the_mean(wins: int) -> None:
    """Also where a rare class weighs more, as in balanced accuracy, or questions are repeated."""
    first, second = [0.0] * 100, [1.0] * wins + [0.0] * (100 - wins)
    weighted = paired_difference(first, second, [6.7] * 5 + [0.7] * 95)
    clustered = paired_difference(first, second, clusters=[min(90, n) for n in range(100)])
    for found in (weighted, clustered):
        assert found.interval.low < found.mean < found.interval.high
        assert (found.interval.low > 0) <= (found.p_value < 0.05)


def test_what_is_needed_is_what_the_plan_says_for_such_items() -> None:
    first, second = [0.0] * 12 + [1.0] * 88, [1.0] * 8 + [0.0] * 6 + [1.0] * 86
    found = paired_difference(first, second)
    share = (found.wins + found.losses) / 100
    assert found.needed == items_needed(abs(found.mean), disagreement=share)
    assert (paired_difference(first, second, level=0.99).needed or 0) > (found.needed or 0)


# -- what the figures promise, by simulation; benchmarks/coverage.py does it at length ---------


@pytest.mark.parametrize("n", [30, 100])
def test_clustered_intervals_cover_where_plain_ones_do_not(n: int) -> None:
    together = apart = 0
    for run in range(400):
        scores, labels = grouped(n, 5, seed=1000 * n + run)
        for clusters in (labels, None):
            interval = bootstrap_mean(scores, draws=300, seed=run, clusters=clusters)
            covered = interval.low <= 0.5 <= interval.high
            together += covered and clusters is not None
            apart += covered and clusters is None
    assert 0.92 <= together / 400 <= 0.98
    assert apart / 400 < 0.9


@pytest.mark.parametrize("n", [30, 100])
@pytest.mark.parametrize(("differ", "gain"), [(0.2, 0.0), (0.4, 0.2)])
def test_paired_intervals_cover(n: int, differ: float, gain: float) -> None:
    random = np.random.RandomState(n)
    hits = 0
    for run in range(400):
        kinds = [(1 - differ) / 2, (differ - gain) / 2, (differ + gain) / 2, (1 - differ) / 2]
        kind = random.choice(4, size=n, p=kinds)
        first, second = (kind % 2).astype(float).tolist(), (kind // 2).astype(float).tolist()
        interval = paired_difference(first, second, seed=run, draws=300).interval
        hits += interval.low <= gain <= interval.high
    assert 0.92 <= hits / 400 <= 0.99


@pytest.mark.parametrize("n", [30, 100, 300])
@pytest.mark.parametrize("p", [0.1, 0.3, 0.5, 0.8])
def test_wilson_covers_by_the_probabilities_of_all_counts(n: int, p: float) -> None:
    counts = np.arange(n + 1)
    inside = [wilson(int(k), n).low <= p <= wilson(int(k), n).high for k in counts]
    assert 0.929 <= stats.binom.pmf(counts, n, p)[inside].sum() <= 0.975


@pytest.mark.parametrize("n", [30, 100, 300])
@pytest.mark.parametrize("differ", [0.2, 0.3, 0.5])
def test_the_mid_p_test_rejects_a_true_hypothesis_in_3_to_5_of_100_runs(
    n: int, differ: float
) -> None:
    """By the probabilities of all counts; the exact test rejects fewer, down to 1 in 100."""
    rejected = {mcnemar_mid_p: 0.0, mcnemar_exact: 0.0}
    for only in range(n + 1):
        chance = stats.binom.pmf(only, n, differ)
        if chance < 1e-9:
            continue
        split = stats.binom.pmf(np.arange(only + 1), only, 0.5)
        for test in rejected:
            seen = [test(k, only - k) < 0.05 for k in range(only + 1)]
            rejected[test] += chance * float(split[seen].sum())
    assert 0.03 <= rejected[mcnemar_mid_p] <= 0.05
    assert rejected[mcnemar_exact] < rejected[mcnemar_mid_p]


def test_the_clustered_test_keeps_its_level_under_the_null() -> None:
    rejected = 0
    for run in range(400):
        first, labels = grouped(30, 4, seed=run)
        second, _ = grouped(30, 4, seed=10_000 + run)
        found = paired_difference(first, second, clusters=labels, seed=run, draws=400)
        rejected += found.p_value < 0.05
    assert 0.02 <= rejected / 400 <= 0.08
