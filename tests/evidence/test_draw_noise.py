"""Truths about the noise of repeated answers."""

from __future__ import annotations

import numpy as np
import pytest

from llmopt.core.presentation import Presentation
from llmopt.evidence.draws_in_words import on_draws
from llmopt.statistics import draw_noise

_ROWS, _SAMPLES = 4000, 5


def test_within_is_the_mean_of_p_times_one_minus_p_with_its_correction() -> None:
    first = [(1.0, 0.0, 0.0), (0.0, 0.0, 0.0)]
    second = [(1.0, 1.0, 0.0), (1.0, 1.0, 1.0)]
    found = draw_noise(first, second, 3)
    assert found is not None
    shares = [(1 / 3, 2 / 3), (0, 1)]
    expected = np.mean([sum(p * (1 - p) * 3 / 2 for p in pair) for pair in shares])
    assert found.within == pytest.approx(float(expected))


def test_both_parts_are_found_and_make_the_standard_error() -> None:
    random = np.random.RandomState(0)
    start = random.beta(2, 2, size=_ROWS)
    best = np.clip(start + random.normal(0.1, 0.2, size=_ROWS), 0, 1)
    first, second = (
        (random.uniform(size=(_ROWS, _SAMPLES)) < p[:, None]).astype(float) for p in (start, best)
    )
    found = draw_noise(first.tolist(), second.tolist(), _SAMPLES)
    assert found is not None
    within = (start * (1 - start) + best * (1 - best)).mean()
    assert found.within == pytest.approx(within, rel=0.05)
    assert found.between == pytest.approx((best - start).var(), rel=0.2)
    seen = (second.mean(axis=1) - first.mean(axis=1)).std(ddof=1) / _ROWS**0.5
    assert found.standard_error == pytest.approx(seen)
    assert found.recommended == 10


def test_draws_that_agree_are_no_noise_and_missing_ones_are_left_out() -> None:
    found = draw_noise([(1.0, 1.0), (0.0, 0.0), (1.0,)], [(0.0, 0.0), (1.0, 1.0), (1.0, 1.0)], 2)
    assert found is not None
    assert (found.rows, found.within, found.recommended) == (2, 0.0, 1)
    assert draw_noise([(1.0,), (0.0,)], [(1.0,), (0.0,)], 1) is None
    assert draw_noise([(1.0, 1.0)], [(1.0, 1.0)], 2) is None
    with pytest.raises(ValueError, match="same rows"):
        draw_noise([], [(1.0,)], 2)


def test_more_draws_are_recommended_only_where_they_help() -> None:
    shown = Presentation()
    noisy = draw_noise([(0.0, 1.0)] * 9 + [(0.0, 0.0)], [(1.0, 0.0)] * 9 + [(1.0, 1.0)], 2)
    (said,) = on_draws(noisy, 2, 2, shown)
    assert "evidence.samples = 10 narrows" in said
    calm = draw_noise([(0.0, 0.0)] * 9 + [(0.0, 1.0)], [(1.0, 1.0)] * 5 + [(0.0, 0.0)] * 5, 2)
    (said,) = on_draws(calm, 2, 2, shown)
    assert "narrows" not in said
