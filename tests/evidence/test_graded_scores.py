"""Graded scores and balanced classes: intervals with a width, and losses that a mean hides."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from llmopt.core.presentation import ACCURACY, Presentation
from llmopt.core.values import Evaluation, Item, Outcome
from llmopt.evidence.classes import classes_of
from llmopt.evidence.comparison import compare, large_losses
from llmopt.evidence.differences import difference_of
from llmopt.evidence.losses import Losses, losses_of
from llmopt.evidence.result import Result
from llmopt.evidence.scores import score_of
from llmopt.problems.data.splits import balance

if TYPE_CHECKING:
    from collections.abc import Sequence


def evaluation(scores: Sequence[float | None], weights: list[float] | None = None) -> Evaluation:
    outcomes = [
        Outcome(f"row {n}", score, weight=weights[n] if weights else 1.0)
        for n, score in enumerate(scores)
    ]
    return Evaluation(tuple(outcomes), len(outcomes))


# -- intervals --------------------------------------------------------------------------------


@pytest.mark.parametrize("few", range(5))
@pytest.mark.parametrize("n", [1, 10, 30, 100])
def test_scores_that_mostly_agree_have_an_interval_around_their_mean(few: int, n: int) -> None:
    scores = [0.75] * n
    scores[: min(few, n)] = [0.25] * min(few, n)
    found = score_of(evaluation(scores), ACCURACY)
    assert found
    assert 0 <= found.interval.low < found.mean < found.interval.high <= 1
    assert found.interval.high - found.interval.low > 0.1 / np.sqrt(n)


def test_values_without_a_range_keep_the_point() -> None:
    """How far the next value of a function may be off, equal ones do not say."""
    found = score_of(evaluation([0.75] * 9), Presentation())
    assert found
    assert found.interval.low == found.interval.high


def balanced_weights(targets: str) -> list[float]:
    items = balance([Item(str(n), str(n), target) for n, target in enumerate(targets)])
    return [item.weight for item in items]


@pytest.mark.parametrize("targets", ["aabbbb", "abbbbbbbbb", "aabbccddddddddd", "a" * 7 + "b" * 93])
def test_weights_that_balance_classes_are_recognized(targets: str) -> None:
    weights = balanced_weights(targets)
    assert classes_of(weights) == weights
    some = weights[: len(weights) - len(weights) // 30]  # a few were not measured
    assert classes_of(some) == some


@pytest.mark.parametrize(
    "weights",
    [[1.0] * 9, [1.0, 3.0] * 20, [1 + n / 100 for n in range(40)], balanced_weights("ab")],
)
def test_other_weights_are_not_taken_for_classes(weights: list[float]) -> None:
    assert classes_of(weights) is None


def test_balanced_accuracy_is_compared_class_by_class() -> None:
    """All rare items gained and some common ones lost: the word and the interval agree."""
    weights = balanced_weights("a" * 6 + "b" * 24)
    first = evaluation([0.0] * 2 + [1.0] * 28, weights)
    second = evaluation([1.0] * 25 + [0.0] * 5, weights)
    found = difference_of(first, second, 0.95, {})
    assert found
    assert found.method == "adjusted Wald test, class by class"
    assert found.mean == pytest.approx((2 / 6 - 5 / 24) / 2)
    assert (found.interval.low > 0 or found.interval.high < 0) == (found.p_value < 0.05)
    assert found.interval.low < found.mean < found.interval.high


@pytest.mark.parametrize(("n", "rare"), [(30, 6), (100, 20), (100, 10)])
@pytest.mark.parametrize("traded", [0.1, 0.4])
def test_classes_that_are_traded_are_seldom_a_difference(n: int, rare: int, traded: float) -> None:
    """A gain in one class and as much loss in the other: at most 8 of 100 of 400 are called so."""
    random = np.random.RandomState(n)
    weights = balanced_weights("a" * rare + "b" * (n - rare))
    rejected = 0
    for _ in range(400):
        changed = random.random_sample(n) < traded
        first = [0.0] * rare + [1.0] * (n - rare)
        second = [abs(score - moved) for score, moved in zip(first, changed, strict=True)]
        found = difference_of(evaluation(first, weights), evaluation(second, weights), 0.95, {})
        assert found
        rejected += found.p_value < 0.05
    assert rejected / 400 <= 0.08


# -- lower is better, and values ----------------------------------------------------------------

ERRORS = replace(ACCURACY, measure="error rate", higher_is_better=False)


@pytest.mark.parametrize("scores", [[1.0] * 20, [1.0] * 19 + [0.5], [1.0, 0.0] * 10])
def test_an_error_rate_has_the_interval_of_the_share_of_right_answers(scores: list[float]) -> None:
    right = score_of(evaluation(scores), ACCURACY)
    wrong = score_of(evaluation([score - 1 for score in scores]), ERRORS)
    assert right
    assert wrong
    assert wrong.mean == pytest.approx(1 - right.mean)
    assert wrong.interval.low == pytest.approx(1 - right.interval.high)
    assert wrong.interval.high == pytest.approx(1 - right.interval.low)


def test_error_rates_are_compared_as_shares_of_right_answers_are() -> None:
    first, second = [0.0] * 8 + [1.0] * 12, [1.0] * 18 + [0.0] * 2
    shares = difference_of(evaluation(first), evaluation(second), 0.95, {})
    before, after = (evaluation([score - 1 for score in scores]) for scores in (first, second))
    assert difference_of(before, after, 0.95, {}) == shares


@pytest.mark.parametrize("value", [0.0, 1.0, 0.5])
def test_one_value_of_a_function_has_no_spread(value: float) -> None:
    found = score_of(evaluation([value]), Presentation())
    assert found
    assert (found.interval.low, found.interval.high) == (value, value)


# -- losses -----------------------------------------------------------------------------------

FIRST: list[float | None] = [0.9, 0.8, 0.7, 1.0, 0.6, None]
SECOND: list[float | None] = [1.0, 0.1, 0.8, 0.0, 0.5, 0.0]


def test_large_losses_are_named_the_largest_first() -> None:
    found = losses_of(evaluation(FIRST), evaluation(SECOND), ACCURACY)
    assert found
    assert (found.large, found.items) == (2, 5)
    assert [loss.item for loss in found.largest] == ["row 3", "row 1", "row 4"]
    assert found.largest[0].size == 1
    said = "The winner lost 50.0 points or more on 2 of 5 test items, which the mean does not show"
    named = "row 3 (100.0 % to 0.0 %), row 1 (80.0 % to 10.0 %)"
    assert found.note("The winner", "test items", ACCURACY) == [f"{said}: {named}."]


def test_small_losses_are_kept_and_not_pointed_out() -> None:
    found = losses_of(evaluation([0.9, 0.9]), evaluation([0.8, 1.0]), ACCURACY)
    assert found
    assert [loss.item for loss in found.largest] == ["row 0"]
    assert found.note("The winner", "test items", ACCURACY) == []


def test_right_and_wrong_answers_and_values_have_no_losses_of_their_own() -> None:
    right, wrong = evaluation([1.0, 0.0]), evaluation([0.0, 1.0])
    assert losses_of(right, wrong, ACCURACY) is None
    assert losses_of(evaluation([0.4]), evaluation([0.1]), Presentation()) is None
    assert losses_of(None, right, ACCURACY) is None


def test_means_of_right_and_wrong_answers_are_not_graded() -> None:
    """A row that was answered 3 times has 1/3 right; where one answer is lost, 1/2."""
    first, second = evaluation([1.0, 2 / 3, 0.5]), evaluation([1 / 3, 0.0, 1.0])
    assert losses_of(first, second, ACCURACY, samples=3) is None
    assert losses_of(first, second, ACCURACY) is not None
    graded = losses_of(evaluation([0.9, 0.8]), evaluation([0.1, 0.8]), ACCURACY, samples=3)
    assert graded
    assert graded.large == 1


def test_an_evaluation_notes_them_for_each_instruction() -> None:
    outcomes = {
        text: [Outcome(f"row {n}", score) for n, score in enumerate(scores)]
        for text, scores in (("one", FIRST), ("two", SECOND), ("three", FIRST))
    }
    rows = compare(outcomes, 1, groups={}, shown=ACCURACY)
    assert [row.losses is None for row in rows] == [True, False, False]
    notes = large_losses(rows, "test", ACCURACY)
    assert len(notes) == 1
    assert notes[0].startswith("[2] lost 50.0 points or more on 2 of 5 test items")


def test_losses_survive_the_journal() -> None:
    found = losses_of(evaluation(FIRST), evaluation(SECOND), ACCURACY)
    candidate = {"text": "a", "step": 0, "parents": []}
    kept: dict[str, Any] = {
        "run": "r", "algorithm": "opro", "best": candidate, "start": candidate, "lines": [],
        "test": None, "verdict": "", "notes": [], "stopped": "", "steps": 1, "candidates": 1,
        "rejected": {}, "usage": {}, "seconds": 0.0, "stretch": {},
    }  # fmt: skip
    assert Result.plain(kept).losses is None
    assert found
    data = json.loads(json.dumps(kept | {"losses": asdict(found)}))
    assert Result.plain(data).losses == found
    assert isinstance(Result.plain(data).losses, Losses)
