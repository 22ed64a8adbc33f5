"""The trajectory is immutable, and the best are found as a full sort finds them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmopt.core.trajectory import Entry, Trajectory, missed, rank
from llmopt.core.values import Candidate, Evaluation, Outcome


def entry(name: str, score: float | None, *, partial: bool = False) -> Entry:
    evaluation = Evaluation((Outcome("i", score),), 2 if partial else 1)
    return Entry(Candidate(name), evaluation)


@given(
    st.lists(st.tuples(st.sampled_from([None, 0.0, 0.25, 0.5, 1.0]), st.booleans()), max_size=30),
    st.integers(0, 8),
    st.integers(1, 5),
)
def test_the_best_are_those_of_a_stable_sort(
    found: list[tuple[float | None, bool]], k: int, per_step: int
) -> None:
    entries = [entry(str(i), score, partial=p) for i, (score, p) in enumerate(found)]
    trajectory = Trajectory()
    for at in range(0, len(entries), per_step):
        trajectory = trajectory.tell(entries[at : at + per_step])
    ranked = sorted(
        (e for e in entries if e.evaluation.score is not None),
        key=rank,
    )
    assert list(trajectory.best(k)) == ranked[::-1][:k]


def test_a_partial_score_never_outranks_a_full_one() -> None:
    full, partial = entry("full", 0.1), entry("partial", 1.0, partial=True)
    assert Trajectory().tell([full, partial]).best(1) == (full,)
    nearly = Entry(Candidate("nearly"), Evaluation((Outcome("i", 1.0),) * 39, 40))
    assert Trajectory().tell([full, nearly]).best(1) == (full,)


def test_among_partial_scores_the_longer_measured_ranks_higher() -> None:
    lucky = Entry(Candidate("lucky"), Evaluation((Outcome("i", 1.0),), 10))
    solid = Entry(Candidate("solid"), Evaluation((Outcome("i", 0.5),) * 4, 10))
    assert Trajectory().tell([lucky, solid]).best(1) == (solid,)


def test_telling_leaves_the_older_trajectory_as_it_was() -> None:
    first = Trajectory().tell([entry("a", 0.5)])
    second = first.tell([entry("b", 0.9)])
    assert [e.text for e in first] == ["a"]
    assert [e.text for e in first.best(5)] == ["a"]
    assert first.recent(5) == tuple(first)
    assert not first.knows(Candidate("b"))
    assert second.knows(Candidate("b"))
    with pytest.raises(KeyError):
        first.entry(Candidate("b").id)
    assert second.entry(Candidate("b").id).text == "b"


def test_two_continuations_of_one_trajectory_do_not_mix() -> None:
    base = Trajectory().tell([entry("a", 0.5)])
    left, right = base.tell([entry("l", 0.6)]), base.tell([entry("r", 0.7)])
    assert [e.text for e in left] == ["a", "l"]
    assert [e.text for e in right] == ["a", "r"]
    assert right.misses() == {"i": 2}
    assert base.misses() == {"i": 1}


def test_a_step_without_finds_still_counts() -> None:
    assert Trajectory().tell([]).tell([]).steps == 2


def test_nothing_is_told_twice() -> None:
    with pytest.raises(ValueError, match="already"):
        Trajectory().tell([entry("a", 0.5), entry("a", 0.6)])


def step(number: int, *names: str, parents: tuple[str, ...] = ()) -> list[Entry]:
    ids = tuple(Candidate(parent).id for parent in parents)
    return [
        Entry(Candidate(name, number, ids), Evaluation((Outcome("i", 0.5),), 1)) for name in names
    ]


def test_who_led_each_step_is_known() -> None:
    """The last parent; a step that found nothing has no leader, and the past does not change."""
    first = Trajectory().tell(step(0, "a")).tell(step(1, "b", "c", parents=("a",)))
    then = first.tell([]).tell(step(3, "d", parents=("a", "c")))
    assert [(n, e.text) for n, e in then.led()] == [(1, "a"), (3, "c")]
    assert [(n, e.text) for n, e in first.led()] == [(1, "a")]
    other = first.tell(step(2, "e", parents=("b",)))
    assert [(n, e.text) for n, e in other.led()] == [(1, "a"), (2, "b")]


@given(st.lists(st.integers(0, 40), max_size=6))
def test_the_latest_are_those_of_the_last_step_that_found_something(sizes: list[int]) -> None:
    trajectory = Trajectory()
    for number, size in enumerate(sizes):
        trajectory = trajectory.tell(step(number, *(f"{number} {n}" for n in range(size))))
    found = [entry for entry in trajectory if entry.candidate.step == last_of(sizes)]
    assert list(trajectory.latest()) == found


def last_of(sizes: list[int]) -> int:
    return max((number for number, size in enumerate(sizes) if size), default=-1)


def test_what_was_not_measured_is_not_the_latest() -> None:
    trajectory = Trajectory().tell(step(0, "a")).tell([entry("lost", None)])
    assert [e.text for e in trajectory.latest()] == ["a"]


def test_changed_words_are_counted_from_the_last_parent() -> None:
    trajectory = Trajectory().tell(step(0, "think now", "go"))
    (found,) = step(1, "think twice", parents=("go", "think now"))
    assert trajectory.words_changed(found.candidate) == 1
    assert trajectory.words_changed(Candidate("go")) is None


class Texts:
    """All texts, and how often they were added."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def add(self, entry: Entry, trajectory: Trajectory) -> None:
        assert trajectory.entry(entry.candidate.id) == entry
        self.texts.append(entry.text)


def test_a_running_value_is_told_each_entry_once() -> None:
    first = Trajectory().tell([entry("a", 0.5)])
    kept = first.running("texts", Texts)
    assert kept.texts == ["a"]
    second = first.tell([entry("b", 0.9)]).tell([])
    assert second.running("texts", Texts) is kept
    assert kept.texts == ["a", "b"]
    assert second.running("others", Texts) is not kept


def test_an_older_or_another_line_begins_its_running_value_anew() -> None:
    """And leaves what the newer one has."""
    first = Trajectory().tell([entry("a", 0.5)])
    second = first.tell([entry("b", 0.9)])
    assert second.running("texts", Texts).texts == ["a", "b"]
    assert first.running("texts", Texts).texts == ["a"]
    other = first.tell([entry("c", 0.1)])
    assert other.running("texts", Texts).texts == ["a", "c"]
    assert second.tell([entry("d", 0.2)]).running("texts", Texts).texts == ["a", "b", "d"]


answers = st.sampled_from([None, "a"])
outcome = st.tuples(st.sampled_from([None, 0.0, 0.5, 1.0]), answers)
evaluations = st.lists(st.tuples(st.lists(outcome, max_size=12), st.integers(0, 12)), max_size=20)


def told(found: list[tuple[list[tuple[float | None, str | None]], int]], size: int) -> Trajectory:
    """Return a trajectory of steps of `size`; the number of an evaluation is what was left out."""
    entries = [
        Entry(
            Candidate(str(n)),
            Evaluation(tuple(Outcome(str(i), *o) for i, o in enumerate(some)), len(some) + less),
        )
        for n, (some, less) in enumerate(found)
    ]
    trajectory = Trajectory()
    for at in range(0, len(entries), size):
        trajectory = trajectory.tell(entries[at : at + size])
    return trajectory


@given(evaluations, st.integers(0, 8), st.integers(1, 5))
def test_the_promising_are_those_of_a_stable_sort_by_estimate(
    found: list[tuple[list[tuple[float | None, str | None]], int]], k: int, size: int
) -> None:
    past = told(found, size)
    scored = [e for e in past if e.evaluation.score is not None]
    ranked = sorted(scored, key=past.estimate)[::-1]
    assert list(past.promising(k)) == ranked[:k]
    readable = [e for e in ranked if not past.unreadable(e)] or ranked
    assert list(past.promising(k, readable=True)) == readable[:k]


@given(evaluations, st.integers(1, 5))
def test_an_estimate_never_changes_and_a_full_score_is_its_own(
    found: list[tuple[list[tuple[float | None, str | None]], int]], size: int
) -> None:
    past = told(found, size)
    later = past.tell([entry("later", 1.0), entry("part", 0.0, partial=True)])
    other = past.tell([entry("else", 0.0)])  # from the same step, so its log is another
    for one in past:
        if one.evaluation.score is not None:
            assert past.estimate(one) == later.estimate(one) == other.estimate(one)
            if not one.evaluation.partial:
                assert past.estimate(one) == one.score
            assert -1e-9 <= past.estimate(one) <= 1 + 1e-9


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=30), st.integers(0, 8))
def test_with_everything_measured_the_promising_are_the_best(scores: list[float], k: int) -> None:
    past = Trajectory().tell([entry(str(n), score) for n, score in enumerate(scores)])
    assert past.promising(k) == past.best(k)


def test_the_fewer_the_items_the_less_luck_is_worth_and_a_lost_answer_hardly_matters() -> None:
    def right(name: str, measured: int) -> Entry:
        return Entry(Candidate(name), Evaluation((Outcome("i", 1.0, "a"),) * measured, 100))

    start = Entry(Candidate("start"), Evaluation((Outcome("i", 0.2, "a"),) * 100, 100))
    found = [right(str(n), n) for n in (8, 24, 99, 100)]
    past = Trajectory().tell([start, *found])
    estimates = [past.estimate(e) for e in found]
    assert estimates == sorted(estimates)
    assert past.estimate(start) < estimates[0] < 0.95
    assert estimates[2] > 0.99
    assert past.best(1) == (found[3],)


def test_unreadable_is_what_made_nearly_every_answer_unreadable() -> None:
    def of(name: str, blank: int, score: float = 0.0) -> Entry:
        lost = [Outcome("i", score)] * blank
        return Entry(
            Candidate(name), Evaluation((*lost, *[Outcome("i", 1.0, "a")] * (10 - blank)), 10)
        )

    junk, doubtful, judged = of("junk", 9), of("doubtful", 8), of("judged", 10, 0.7)
    past = Trajectory().tell([junk, doubtful, judged])
    assert [past.unreadable(e) for e in past] == [True, False, False]
    alone = of("alone", 10)
    assert not Trajectory().tell([alone]).unreadable(alone)  # no answer was ever read


def test_nothing_is_worthless_where_scores_go_below_zero_or_are_single() -> None:
    def of(name: str, *scores: float) -> Entry:
        return Entry(
            Candidate(name), Evaluation(tuple(Outcome("i", s, "a") for s in scores), len(scores))
        )

    zero, single, below = of("zero", 0.0, 0.0), of("single", 0.0), of("below", -1.0, -3.0)
    past = Trajectory().tell([zero, single])
    assert (past.worthless(zero), past.worthless(single)) == (True, False)
    assert not past.tell([below]).worthless(zero)


def test_what_is_unreadable_is_expected_to_remain_so() -> None:
    """Its few measured items say enough: it is not drawn towards the mean of the others."""
    good = Entry(Candidate("good"), Evaluation((Outcome("i", 1.0, "a"),) * 40, 40))
    junk = Entry(Candidate("junk"), Evaluation((Outcome("i", 0.0),) * 4, 40))
    past = Trajectory().tell([good, junk])
    assert past.estimate(junk) == 0


def test_missed_are_the_measured_items_below_a_full_score() -> None:
    outcomes = (Outcome("a", 1.0), Outcome("b", 0.5), Outcome("c", None), Outcome("d", 0.0))
    assert missed(Entry(Candidate("x"), Evaluation(outcomes, 4))) == ["b", "d"]
