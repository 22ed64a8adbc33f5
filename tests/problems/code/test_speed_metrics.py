"""OPT, SP and best@k of faster programs."""

from __future__ import annotations

from itertools import combinations

import pytest

from llmopt.errors import ConfigError
from llmopt.problems.code.speed_metrics import best_at, mean_gain, opt


def test_wrong_and_slower_programs_gain_nothing() -> None:
    ratios = [2.0, None, 0.5, 1.1, 1.12]
    assert opt(ratios) == pytest.approx(2 / 5)  # 1.1 times as fast still takes 91 % of the time
    assert mean_gain(ratios) == pytest.approx((1.0 + 0.1 + 0.12) / 5)


def test_the_best_of_k_is_the_mean_over_all_choices() -> None:
    ratios = [1.5, None, 3.0, 0.2, 1.5]
    counted = [1.5, 1.0, 3.0, 1.0, 1.5]
    for k in range(1, 6):
        best = [max(some) for some in combinations(counted, k)]
        assert best_at(ratios, k) == pytest.approx(sum(best) / len(best))
    with pytest.raises(ConfigError, match="but got 6"):
        best_at(ratios, 6)
