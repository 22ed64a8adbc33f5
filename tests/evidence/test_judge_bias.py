"""Truths about a judge's scores that are corrected by labelled rows."""

from __future__ import annotations

import numpy as np
import pytest

from llmopt.statistics import corrected_mean, judge_bias

_WORLDS, _JUDGED, _LABELLED = 2000, 200, 40
_SCALE = 4  # steps of a rating from 1 to 5


def test_the_corrected_mean_is_covered_and_the_judges_own_is_not() -> None:
    """A judge that rates half a step too high on most answers, and less reliably than people."""
    random = np.random.RandomState(0)

    def rated(n: int) -> tuple[list[float], list[float]]:
        truth = random.binomial(_SCALE, 0.55, size=n)
        seen = np.clip(truth + random.choice([-1, 0, 1], p=[0.1, 0.4, 0.5], size=n), 0, _SCALE)
        return (seen / _SCALE).tolist(), (truth / _SCALE).tolist()

    covered = naive = 0
    for _ in range(_WORLDS):
        bias = judge_bias(*rated(_LABELLED))
        scores, _ = rated(_JUDGED)
        assert bias is not None
        found = corrected_mean(scores, bias)
        covered += found.interval.low <= 0.55 <= found.interval.high
        half = 1.96 * np.std(scores, ddof=1) / _JUDGED**0.5
        naive += abs(np.mean(scores) - 0.55) <= half
    assert 0.93 <= covered / _WORLDS <= 0.97
    assert naive / _WORLDS < 0.1


def test_agreement_on_a_few_rows_is_no_proof_of_no_bias() -> None:
    few = judge_bias([1.0, 0.0, 1.0], [1.0, 0.0, 1.0])
    many = judge_bias([1.0, 0.0] * 200, [1.0, 0.0] * 200)
    assert few is not None
    assert many is not None
    assert few.mean == many.mean == 0
    assert few.interval.low == -1
    assert 0 < many.interval.high < 0.02


def test_one_row_has_no_bias_and_lengths_agree() -> None:
    assert judge_bias([1.0], [0.0]) is None
    with pytest.raises(ValueError, match="one per label"):
        judge_bias([1.0], [])
    bias = judge_bias([1.0, 0.5], [1.0, 0.5])
    assert bias is not None
    with pytest.raises(ValueError, match="at least 2"):
        corrected_mean([1.0], bias)
