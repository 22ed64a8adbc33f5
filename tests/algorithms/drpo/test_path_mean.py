"""Of a beam weighed by paths, those go on whose ancestors were worth something too."""

from __future__ import annotations

import pytest

from llmopt.algorithms.drpo.path_mean import PathMean
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation, Outcome
from llmopt.errors import ConfigError
from llmopt.testing import scripted


def entry(text: str, score: float | None, step: int, *parents: Entry) -> Entry:
    ids = tuple(parent.candidate.id for parent in parents)
    return Entry(Candidate(text, step, ids), Evaluation((Outcome("i", score),), 1))


def survivors(k: int, *entries: Entry) -> list[str]:
    context = scripted.context(Trajectory().tell(entries), step=2)
    return [one.text for one in PathMean(k)(context)]


def test_a_lucky_rewrite_of_a_weak_prompt_ranks_behind_a_good_one_of_a_strong() -> None:
    weak, strong = entry("weak", 0.2, 0), entry("strong", 0.8, 0)
    lucky, steady = entry("lucky", 0.9, 1, weak), entry("steady", 0.7, 1, weak, strong)
    assert survivors(3, weak, strong, lucky, steady) == ["strong", "steady", "lucky"]


def test_what_could_not_be_measured_counts_for_nothing() -> None:
    start = entry("start", 0.4, 0)
    broken = entry("broken", None, 1, start)
    child = entry("child", 0.6, 2, broken)
    assert survivors(3, start, broken, child) == ["child", "start"]


def test_of_equals_the_earlier_survives() -> None:
    assert survivors(1, entry("one", 0.5, 0), entry("two", 0.5, 0)) == ["one"]


def test_one_survives_at_least() -> None:
    with pytest.raises(ConfigError, match="survivors is 1 or more, but got 0"):
        PathMean(0)
