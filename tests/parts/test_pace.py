"""Epochs over the training items, whatever their number."""

from __future__ import annotations

import pytest

from llmopt.algorithms.gpo import gpo
from llmopt.errors import ConfigError
from llmopt.parts.pace import Epochs, epoch_steps
from llmopt.testing import scripted


@pytest.mark.parametrize(
    ("items", "steps"), [(48, 6), (20, 3), (100, 13), (50, 6), (35, 4), (3, 1), (1, 1)]
)
def test_g10_steps_per_epoch_follow_the_task_at_hand(items: int, steps: int) -> None:
    """GPO, section 3: whole batches of 8, and one more for a rest of at least 4."""
    assert epoch_steps(items, 8) == steps


def test_g10_two_tasks_have_their_own_numbers_of_steps() -> None:
    method = gpo(epochs=3, batch=8)
    large = scripted.problem(80, (48, 8, 20))
    small = scripted.problem(80, (20, 8, 20))
    assert (method.steps(large, 100), method.steps(small, 100)) == (18, 9)


def test_the_run_may_allow_fewer_steps() -> None:
    assert gpo(epochs=3).steps(scripted.problem(80, (48, 8, 20)), 5) == 5
    assert gpo().steps(scripted.problem(), 5) == 5


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(ConfigError, match="epochs are 1 or more"):
        Epochs(0)
    with pytest.raises(ConfigError, match="batch are 1 or more"):
        Epochs(batch=0)
