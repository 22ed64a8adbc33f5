"""What groups do to the error rate of the test: five questions for each passage."""

from __future__ import annotations

import numpy as np

from llmopt.core.values import Item
from llmopt.evidence.differences import groups_of
from llmopt.statistics import paired_difference

_PASSAGES, _QUESTIONS, _WORLDS, _DRAWS = 40, 5, 400, 500
_ALPHA = 0.05


def _answered(random: np.random.RandomState) -> list[float]:
    """Answer as an instruction that suits some passages better than others, and none on average."""
    suits = random.normal(size=_PASSAGES).repeat(_QUESTIONS)
    right = 1.2 * suits + random.normal(size=len(suits)) > 0
    return [float(score) for score in right]


def test_with_groups_the_test_keeps_its_level_and_without_it_does_not() -> None:
    """Two instructions that are equally good are called different in 5 %, and in 25 % without."""
    items = [
        Item(f"{passage}-{question}", f"{passage} {question}", group=f"p{passage}")
        for passage in range(_PASSAGES)
        for question in range(_QUESTIONS)
    ]
    random, groups = np.random.RandomState(0), list(groups_of(items).values())
    grouped = alone = 0
    for world in range(_WORLDS):
        first, second = _answered(random), _answered(random)
        found = paired_difference(first, second, clusters=groups, draws=_DRAWS, seed=world)
        assert found.method == "sign-flip permutation test, 500 draws over 40 groups"
        grouped += found.p_value < _ALPHA
        alone += paired_difference(first, second, draws=1).p_value < _ALPHA
    assert 0.03 <= grouped / _WORLDS <= 0.075
    assert 0.15 <= alone / _WORLDS <= 0.3
