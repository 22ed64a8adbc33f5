"""Train is said to flatter the winner only where that is more than chance."""

from __future__ import annotations

import numpy as np
import pytest

from llmopt.core.presentation import ACCURACY, Presentation
from llmopt.core.values import Evaluation, Outcome
from llmopt.evidence.optimism import on_optimism, optimism_interval
from llmopt.evidence.scores import Score, score_of
from llmopt.statistics import Interval

CLAIM = "flatters its train score"


def scored(right: int, n: int) -> Score:
    outcomes = tuple(Outcome(f"{at}", float(at < right)) for at in range(n))
    found = score_of(Evaluation(outcomes, n), ACCURACY)
    assert found is not None
    return found


def said(train: Score, test: Score) -> str:
    interval = optimism_interval(train, test)
    return on_optimism(train.mean - test.mean, interval, 0.95, ACCURACY)


def test_newcombe_worked_example() -> None:
    """Newcombe 1998 (Statistics in Medicine 17:873), method 10: 56/70 and 48/80."""
    found = optimism_interval(scored(56, 70), scored(48, 80))
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=1e-4)


@pytest.mark.parametrize(("truth", "items"), [(0.5, (50, 100)), (0.9, (50, 100)), (0.7, (100, 30))])
def test_where_nothing_flatters_it_is_said_in_few_of_all_worlds(
    truth: float, items: tuple[int, int]
) -> None:
    """In 300 worlds in which train and test have the same mean: about 2.5 % where 48 % were."""
    random = np.random.RandomState(3)
    claims = covered = 0
    for _ in range(300):
        train, test = (scored(int(random.binomial(n, truth)), n) for n in items)
        interval = optimism_interval(train, test)
        covered += interval.low <= 0 <= interval.high
        claims += CLAIM in said(train, test)
    assert claims / 300 <= 0.05
    assert 0.93 <= covered / 300 <= 0.98


def test_a_large_optimism_is_found() -> None:
    text = said(scored(90, 100), scored(60, 100))
    assert text.startswith("It scored 30.0 points more on train than on test (95 % interval +")
    assert CLAIM in text


@pytest.mark.parametrize(
    ("train", "test", "end"),
    [
        (55, 50, "+18.4), which may be chance."),
        (50, 50, "on test (95 % interval -13.6 to +13.6)."),
        (50, 90, "-27.8)."),
    ],
)
def test_what_is_not_certain_is_not_claimed(train: int, test: int, end: str) -> None:
    text = said(scored(train, 100), scored(test, 100))
    assert CLAIM not in text
    assert text.endswith(end)


def test_where_lower_is_better_less_on_train_flatters() -> None:
    error = Presentation("text", "error", higher_is_better=False, unit="share")
    assert CLAIM in on_optimism(-0.2, Interval(-0.3, -0.1), 0.95, error)
    assert CLAIM not in on_optimism(0.2, Interval(0.1, 0.3), 0.95, error)


def test_results_of_older_versions_have_no_interval() -> None:
    assert on_optimism(0.025, None, 0.95, ACCURACY) == (
        "It scored 2.5 points more on train than on test."
    )
