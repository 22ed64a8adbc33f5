"""The trajectory is immutable, and the best are found as a full sort finds them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmopt.trajectory import Entry, Trajectory, rank
from llmopt.types import Candidate, Evaluation, Outcome


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
