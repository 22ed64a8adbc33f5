"""The winner is chosen by validation, and by train where validation hardly tells them apart."""

from __future__ import annotations

import numpy as np
import pytest

from llmopt.core.trajectory import Entry
from llmopt.core.values import Candidate, Evaluation, Outcome
from llmopt.evidence.pooled import pooled


def evaluation(scores: list[float | None], weights: list[float] | None = None) -> Evaluation:
    outcomes = (Outcome(f"{at}", score) for at, score in enumerate(scores))
    weighed = zip(outcomes, weights or [1.0] * len(scores), strict=True)
    made = tuple(Outcome(o.item, o.score, weight=weight) for o, weight in weighed)
    return Evaluation(made, len(made))


def shares(right: int, n: int) -> list[float | None]:
    return [*[1.0] * right, *[0.0] * (n - right)]


def entry(text: str, train: list[float | None]) -> Entry:
    return Entry(Candidate(text, 1), evaluation(train))


def scores(*given: tuple[list[float | None], list[float | None] | None]) -> list[float]:
    entries = [entry(f"text {at}", train) for at, (train, _) in enumerate(given)]
    pairs = zip(entries, given, strict=True)
    held = {e.candidate.id: evaluation(v) for e, (_, v) in pairs if v is not None}
    found = pooled(entries, held)
    return [found[e.candidate.id] for e in entries]


def test_an_item_of_train_counts_a_quarter() -> None:
    (found,) = scores((shares(30, 100), shares(20, 25)))
    assert found == pytest.approx((30 / 4 + 20) / (100 / 4 + 25))


def test_train_decides_between_those_that_validation_hardly_tells_apart() -> None:
    one, other = (shares(60, 100), shares(20, 25)), (shares(70, 100), shares(19, 25))
    assert scores(one, other)[0] < scores(one, other)[1]
    clear = (shares(70, 100), shares(15, 25))
    assert scores(one, clear)[0] > scores(one, clear)[1]


def test_without_validation_it_is_the_score_on_train() -> None:
    found = scores((shares(6, 10), None), (shares(7, 10), None))
    assert found == pytest.approx([0.6, 0.7])


@pytest.mark.parametrize("value", [1e-14, 1.0, -3e20])
def test_values_of_functions_are_told_apart_whatever_their_size(value: float) -> None:
    entries = [entry("one", [value]), entry("two", [2 * value])]
    found = pooled(entries, {})
    assert [found[e.candidate.id] for e in entries] == [value, 2 * value]


def test_equal_answers_are_equal_where_others_have_lost_some() -> None:
    random = np.random.RandomState(2)
    right: list[float | None] = [float(r) for r in random.random_sample(33) < 0.5]
    backwards = [right[(at + 5) % 33] for at in range(33)]
    holes = [None, *right[1:]]
    one, two, _ = scores((right, backwards), (right, backwards), (holes, right))
    assert one == two


def test_what_was_measured_for_nobody_changes_nothing() -> None:
    plain = scores((shares(6, 10), shares(5, 10)), (shares(4, 10), shares(6, 10)))
    more: list[float | None] = [None]
    found = scores(
        (shares(6, 10), [*shares(5, 10), *more]), (shares(4, 10), [*shares(6, 10), *more])
    )
    assert found == plain
    unmeasured = entry("nothing", [None, None])
    assert pooled([unmeasured], {}) == {}


def test_weights_are_those_of_the_items() -> None:
    one = Entry(Candidate("one", 1), evaluation([1.0, 0.0], [3.0, 1.0]))
    held = {one.candidate.id: evaluation([0.0, 1.0], [1.0, 1.0])}
    assert pooled([one], held)[one.candidate.id] == pytest.approx((3 / 4 + 1) / (4 / 4 + 2))


def test_choosing_on_both_finds_better_winners_than_on_few_validation_items() -> None:
    """The best of ten finalists of 60 solutions, on 100 train and 25 validation items."""
    random = np.random.RandomState(11)
    gains = []
    for _ in range(150):
        truth = random.normal(0.6, 0.1, size=60).clip(0.05, 0.95)
        train = random.random_sample((60, 100)) < truth[:, None]
        finalists = np.argsort(-train.mean(axis=1), kind="stable")[:10]
        validation = random.random_sample((10, 25)) < truth[finalists][:, None]
        both = scores(
            *(
                (t.astype(float).tolist(), v.astype(float).tolist())
                for t, v in zip(train[finalists], validation, strict=True)
            )
        )
        alone = finalists[validation.mean(axis=1).argmax()]
        gains.append(truth[finalists[int(np.argmax(both))]] - truth[alone])
    assert np.mean(gains) > 0.003
