"""Who survives follows from the trajectory alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation, Outcome
from llmopt.errors import ConfigError
from llmopt.parts.keep import Elitist, LatestBest, NeverChosen
from llmopt.testing import scripted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmopt.core.part import Keep


def told(*steps: Mapping[str, float | None]) -> Trajectory:
    found = Trajectory()
    for number, step in enumerate(steps):
        found = found.tell(
            Entry(Candidate(text, number), Evaluation((Outcome("i", score),), 1))
            for text, score in step.items()
        )
    return found


def kept(keep: Keep, past: Trajectory) -> tuple[Entry, ...]:
    return keep(scripted.context(past))


def test_g6_the_best_of_the_step_is_current_also_if_it_is_worse() -> None:
    """The paper's rule."""
    past = told({"start": 0.5}, {"a": 0.3, "b": 0.4})
    assert [e.text for e in kept(LatestBest(), past)] == ["b"]
    assert [e.text for e in kept(Elitist(), past)] == ["start"]


def test_g6_the_current_one_keeps_its_true_score() -> None:
    """In the published code it takes part with 0."""
    past = told({"start": 0.5}, {"a": 0.3})
    assert [e.score for e in kept(LatestBest(), past.tell([]))] == [0.3]
    assert [e.score for e in kept(NeverChosen(), past.tell([]))] == [0.3]


def test_a_step_that_found_nothing_changes_nothing() -> None:
    past = told({"start": 0.5}, {"a": 0.3, "b": 0.4}, {}, {"lost": None})
    assert [e.text for e in kept(LatestBest(), past)] == ["b"]


def test_the_published_code_never_stays() -> None:
    """Where nothing new is found, it goes on from the next best, and then from the best again."""
    past, found = told({"start": 0.5}, {"a": 0.3, "b": 0.4}), []
    for _ in range(4):
        found += [e.text for e in kept(NeverChosen(), past)]
        past = past.tell([])
    assert found == ["b", "a", "b", "a"]


def test_g7_the_start_counts_as_chosen() -> None:
    """It is proposed again: refused as tried, so the search cannot go back to it."""
    past = told({"start": 0.9}, {"a": 0.3}).tell([])
    assert [e.text for e in kept(NeverChosen(), past)] == ["a"]


def test_among_equals_the_newer_survives() -> None:
    assert [e.text for e in kept(LatestBest(), told({"a": 0.3, "b": 0.3}))] == ["b"]


def test_a_long_last_step_is_seen_whole() -> None:
    many = {f"c{n}": n / 200 for n in range(150, 50, -1)}
    assert [e.text for e in kept(LatestBest(), told({"start": 0.9}, many))] == ["c150"]


def test_where_nothing_is_measured_nobody_survives() -> None:
    assert kept(LatestBest(), told({"lost": None})) == ()
    assert kept(NeverChosen(), told({})) == ()


def test_no_survivors_is_no_number() -> None:
    with pytest.raises(ConfigError, match="1 or more"):
        Elitist(0)
