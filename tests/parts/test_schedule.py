"""Schedules are pure functions of the step."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from llmopt.parts.schedule import Constant, Linear


def test_a_linear_schedule_follows_the_published_formula() -> None:
    """T + i/N * (T_end - T) with i = step - 1 (OPRO, section 2)."""
    assert [Linear(1.0, 2.0)(step, 4) for step in (1, 2, 3, 4)] == [1.0, 1.25, 1.5, 1.75]
    assert Linear(1.0, 2.0)(9, 4) == 2.0


@given(st.integers(1, 500), st.integers(1, 200))
def test_a_schedule_stays_between_its_ends(step: int, steps: int) -> None:
    assert 0.5 <= Linear(1.5, 0.5)(step, steps) <= 1.5
    assert Constant(0.7)(step, steps) == 0.7
