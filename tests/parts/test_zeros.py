"""What came to nothing does not drown the rest of what is shown."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmopt.algorithms.expo.exponential_weights import ExponentialWeights
from llmopt.algorithms.gpo.momentum import Importance, Recency
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation, Outcome
from llmopt.errors import ConfigError
from llmopt.parts.select import Best, EachOfBest
from llmopt.testing import scripted

if TYPE_CHECKING:
    from llmopt.core.part import Select

ITEMS = 10


def entry(name: str, right: int, *, read: bool = True, step: int = 1) -> Entry:
    """Return an entry that got so many of its items right; those it got wrong may be unreadable."""
    wrong = [Outcome("i", 0.0, "no" if read else None)] * (ITEMS - right)
    outcomes = (*[Outcome("i", 1.0, "yes")] * right, *wrong)
    return Entry(Candidate(name, step), Evaluation(outcomes, ITEMS))


def shown(select: Select, past: Trajectory, current: tuple[Entry, ...] = ()) -> list[list[str]]:
    groups = asyncio.run(select(scripted.context(past, survivors=current)))
    return [[e.text for e in group.shown] for group in groups]


def past(*entries: Entry) -> Trajectory:
    return Trajectory().tell(entries)


def test_what_nobody_could_read_is_shown_only_if_there_is_nothing_else() -> None:
    good, bad = entry("good", 5), entry("bad", 2)
    junk = [entry(f"junk{n}", 0, read=False) for n in range(5)]
    assert shown(Best(), past(good, *junk, bad)) == [["bad", "good"]]
    assert shown(EachOfBest(), past(good, *junk, bad)) == [["good"], ["bad"]]
    assert shown(Best(2), past(*junk)) == [["junk3", "junk4"]]
    assert len(shown(Best(zeros="all"), past(good, *junk, bad))[0]) == 7


def test_zeros_are_at_most_half_of_what_is_shown() -> None:
    zeros = [entry(f"zero{n}", 0) for n in range(5)]
    assert shown(Best(), past(entry("a", 3), *zeros, entry("b", 1))) == [
        ["zero3", "zero4", "b", "a"]
    ]
    assert len(shown(Best(), past(*zeros))[0]) == 5
    assert len(shown(Best(zeros="all"), past(entry("a", 3), *zeros))[0]) == 6


def test_momentum_shows_few_of_them_beside_the_current_one() -> None:
    line = [entry("start", 4, step=0), entry("junk", 0, read=False), entry("zero", 0)]
    line += [entry("late", 0), entry("now", 6)]
    trajectory, last = Trajectory(), tuple[str, ...]()
    for step, one in enumerate(line):
        made = Entry(Candidate(one.text, step, last), one.evaluation)
        trajectory, last = trajectory.tell([made]), (made.candidate.id,)
    now = trajectory.recent(1)
    assert shown(Recency(3), trajectory, now) == [["late", "now"]]
    assert shown(Recency(4), trajectory, now) == [["start", "zero", "late", "now"]]
    assert shown(Recency(5, zeros="all"), trajectory, now) == [[e.text for e in line]]
    assert shown(Importance(2), trajectory, now) == [["start", "now"]]


@given(st.lists(st.tuples(st.integers(0, 10), st.booleans(), st.integers(1, 10)), max_size=30))
def test_the_list_is_sorted_by_what_it_shows_and_never_mostly_zeros(
    found: list[tuple[int, bool, int]],
) -> None:
    entries = []
    for n, (right, read, measured) in enumerate(found):
        outcomes = entry("", right, read=read).evaluation.outcomes[-measured:]
        entries.append(Entry(Candidate(str(n)), Evaluation(outcomes, ITEMS)))
    trajectory = past(*entries)
    (found_group,) = asyncio.run(Best(12)(scripted.context(trajectory)))
    group = found_group.shown
    estimates = [trajectory.estimate(e) for e in group]
    assert estimates == sorted(estimates)
    assert bool(group) == bool(entries)
    zeros = [trajectory.worthless(e) for e in group]
    assert all(zeros) or sum(zeros) <= len(zeros) / 2
    unreadable = [trajectory.unreadable(e) for e in group]
    assert not any(unreadable) or all(trajectory.unreadable(e) for e in entries)


def test_other_words_are_refused() -> None:
    for make in (Best, EachOfBest, Recency, ExponentialWeights):
        with pytest.raises(ConfigError, match="are few or all, but got 'none'"):
            make(zeros="none")  # type: ignore[arg-type] # what a configuration could say
