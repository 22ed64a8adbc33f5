"""The one-sided paired test of a gain, and the chance that it will succeed."""

from __future__ import annotations

import numpy as np
import pytest

from llmopt.statistics.sequential_gain import gain_p_value, predictive_power


def test_right_and_wrong_answers_give_the_one_sided_mid_p_value() -> None:
    assert gain_p_value([1, 1, 1, 1, 0, 0]) == pytest.approx(1 / 32)
    assert gain_p_value([1, 1, -1, 0]) == pytest.approx((1 + 3 / 2) / 8)
    assert gain_p_value([-1, -1, -1]) == pytest.approx(1 - 1 / 16)
    assert gain_p_value([0, 0]) == 1


def test_rows_that_belong_together_count_once() -> None:
    assert gain_p_value([1, 1, 1, 1], ["a", "a", "a", "a"]) == pytest.approx(1 / 4)


def test_graded_scores_are_tested_by_sign_flips() -> None:
    few = gain_p_value([0.5, 0.25, 0.125])
    assert few == pytest.approx(1 / 16)
    many = gain_p_value([0.1 + n / 100 for n in range(20)])
    assert many == pytest.approx(0.5 / 5000)


def test_a_true_hypothesis_is_rejected_about_as_often_as_the_level_says() -> None:
    random = np.random.RandomState(1)
    for noise in (0.05, 0.2):
        old, new = (random.random_sample((2000, 60)) < noise for _ in range(2))
        found = [gain_p_value(row.tolist()) <= 0.05 for row in new.astype(float) - old]
        assert np.mean(found) < 0.062


def test_the_chance_of_success_follows_what_was_seen() -> None:
    chances = [predictive_power(row, 100, 0.05) for row in ([-1, 0], [0, 0], [1, 0], [1, 1])]
    assert chances == sorted(chances)
    assert predictive_power([0.0] * 50, 100, 0.05) == pytest.approx(0.05)
    assert predictive_power([1.0] * 10, 10, 0.05) == 1
    assert predictive_power([0.0] * 10, 10, 0.05) == 0


@pytest.mark.parametrize(("seen", "total", "error"), [([], 9, 0.1), ([1], 0, 0.1), ([1], 2, 1.0)])
def test_arguments_out_of_range_are_refused(seen: list[float], total: int, error: float) -> None:
    with pytest.raises(ValueError, match="differences are at least 1"):
        predictive_power(seen, total, error)
