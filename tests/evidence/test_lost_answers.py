"""Answers that were lost by accident cost a solution nothing, and no word rests on them."""

from __future__ import annotations

import numpy as np
import pytest

from llmopt.core.presentation import ACCURACY, Presentation
from llmopt.core.trajectory import Entry, Trajectory, rank
from llmopt.core.values import Candidate, Evaluation, Outcome
from llmopt.evidence.differences import compared, scale_of, sentence
from llmopt.evidence.finalists import finalists_of
from llmopt.evidence.pooled import pooled

N = 100
SHARES = (0.0, 1.0)


def evaluation(scores: list[float | None], planned: int = 0) -> Evaluation:
    outcomes = tuple(Outcome(f"{n}", score) for n, score in enumerate(scores))
    return Evaluation(outcomes, planned or len(outcomes))


def entry(text: str, scores: list[float | None], planned: int = 0, step: int = 1) -> Entry:
    return Entry(Candidate(text, step), evaluation(scores, planned))


def losing(scores: list[float], *lost: int) -> list[float | None]:
    return [None if at in lost else score for at, score in enumerate(scores)]


def shares(right: int, n: int = N) -> list[float]:
    return [1.0] * right + [0.0] * (n - right)


# -- by accident and by design ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("tried", "lost", "whole"),
    [(100, 0, True), (100, 1, True), (100, 10, True), (100, 11, False), (99, 0, False)],
)
def test_a_tenth_may_be_lost_and_nothing_may_be_left_out(
    tried: int, lost: int, whole: bool
) -> None:
    scores = losing(shares(tried, tried), *range(lost))
    assert evaluation(scores, 100).whole is whole


def test_of_fewer_than_ten_items_none_may_be_lost() -> None:
    assert not evaluation([None, *[1.0] * 8]).whole
    assert not evaluation([None] * 20).whole
    assert not Evaluation((), 0).whole


def test_who_lost_an_answer_ranks_among_the_full_and_who_was_dropped_does_not() -> None:
    lost = entry("lost", losing(shares(80), 3))
    full, dropped = entry("full", [*shares(70)]), entry("dropped", [1.0] * 40, planned=N)
    assert sorted([dropped, lost, full], key=rank) == [dropped, full, lost]
    trajectory = Trajectory().tell([entry("start", [*shares(30)], step=0)])
    trajectory = trajectory.tell([dropped, lost, full])
    assert [e.text for e in trajectory.best(3)] == ["lost", "full", "start"]
    start = next(iter(trajectory))
    assert [e.text for e in finalists_of(trajectory, 4, start)] == ["lost", "full", "start"]


def test_a_lost_answer_to_a_hard_item_is_no_advantage_in_the_choice() -> None:
    """Both get the same; one of them loses an answer that all get wrong, or that all get right."""
    same = [1.0] * 6 + [0.0] * 6
    for lost in (11, 0):
        one, two = entry("one", [*same]), entry("two", losing(same, lost))
        found = pooled([one, two], {})
        assert found[one.candidate.id] == found[two.candidate.id]
        assert one.score != two.score


@pytest.mark.parametrize("lost", [0.0, 0.01, 0.02])
def test_a_search_that_loses_answers_at_random_finds_as_good_a_solution(lost: float) -> None:
    """The true share of the best on train, among 20 solutions on 100 items, in 60 searches."""
    random = np.random.RandomState(int(1000 * lost))
    without, best = [], []
    for _ in range(60):
        truth = random.beta(12, 8, size=20)
        right = (random.random_sample((20, N)) < truth[:, None]).astype(float)
        gone = random.random_sample((20, N)) < lost
        entries = [
            entry(str(at), [None if g else r for r, g in zip(*pair, strict=True)])
            for at, pair in enumerate(zip(right.tolist(), gone.tolist(), strict=True))
        ]
        trajectory = Trajectory().tell(entries)
        best.append(truth[int(trajectory.best(1)[0].text)])
        without.append(truth[int(right.mean(axis=1).argmax())])
    assert np.mean(best) >= np.mean(without) - 0.005


# -- what the lost answers could change ------------------------------------------------------


def test_bounds_count_each_missing_answer_at_worst_and_at_best() -> None:
    start, winner = shares(50), shares(70)
    start_lost, winner_lost = losing(start, 60, 61), losing(winner, 0)
    (found,) = compared(
        evaluation(winner_lost), [("start", evaluation(start_lost))], 0.95, {}, SHARES
    )
    assert found.missing == 3
    assert found.bounds is not None
    # The winner loses a tie (-1 at worst), the start two items that it may have got right or not.
    assert found.bounds.low == pytest.approx((20 - 1 - 2) / N)
    assert found.bounds.high == pytest.approx(20 / N)
    assert found.bounds.low <= found.difference.mean <= found.bounds.high + 0.01
    assert found.word == "better"


def test_an_item_that_is_missing_for_both_says_nothing() -> None:
    start, winner = losing(shares(50), 60), losing(shares(70), 60)
    (found,) = compared(evaluation(winner), [("start", evaluation(start))], 0.95, {}, SHARES)
    assert (found.missing, found.bounds) == (0, None)
    assert found.corrected == found.difference.p_value


def test_a_word_holds_at_both_ends_or_is_not_said() -> None:
    """Seven more are right, which is better; but if the two lost ones are wrong, it is not."""
    start, winner = shares(50), shares(57)
    whole = compared(evaluation([*winner]), [("start", evaluation([*start]))], 0.95, {}, SHARES)
    holes = losing(winner, 0, 1)
    (found,) = compared(evaluation(holes), [("start", evaluation([*start]))], 0.95, {}, SHARES)
    assert [v.word for v in whole] == ["better"]
    assert found.difference.p_value < 0.05 < found.corrected
    assert found.word == "not distinguishable"
    text = sentence([found], ACCURACY, tested=True)
    assert (
        "Counting 2 answers missing on one side at worst and at best, it is +5.0 to +7.0 points, "
        "and one of these ends shows no difference."
    ) in text


def test_no_word_is_said_that_the_lost_answers_would_have_taken_back() -> None:
    """In 16 worlds of two that differ or do not, up to a tenth of the answers lost to chance."""
    random = np.random.RandomState(8)
    said = 0
    for world in range(16):
        first = (random.random_sample(N) < 0.5).astype(float)
        second = (random.random_sample(N) < (0.5, 0.7)[world % 2]).astype(float)
        full = compared(
            evaluation([*second.tolist()]), [("start", evaluation([*first.tolist()]))], 0.95, {}
        )
        lost = [np.flatnonzero(random.random_sample(N) < 0.03).tolist() for _ in range(2)]
        one, two = losing(first.tolist(), *lost[0]), losing(second.tolist(), *lost[1])
        (found,) = compared(evaluation(two), [("start", evaluation(one))], 0.95, {}, SHARES)
        if found.word != "not distinguishable":
            said += 1
            both = set(lost[0]) & set(lost[1])
            assert both or found.word == full[0].word
    assert said > 4


def test_what_is_missing_of_scores_without_bounds_is_said_to_be_unknown() -> None:
    values = Presentation("text", "value")
    assert scale_of(values) is None
    assert scale_of(Presentation("text", "error", higher_is_better=False, unit="share")) == (-1, 0)
    start, winner = [float(n) for n in range(20)], [float(n + 5) for n in range(20)]
    (found,) = compared(
        evaluation(losing(winner, 3)), [("start", evaluation([*start]))], 0.95, {}, scale_of(values)
    )
    assert (found.missing, found.bounds, found.word) == (1, None, "better")
    assert "What 1 answer missing on one side would change is unknown." in sentence(
        [found], values, tested=True
    )
