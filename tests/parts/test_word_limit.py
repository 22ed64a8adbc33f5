"""GPO's word limits: the formulas of its section 4, and what may go wrong with them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmopt.errors import ConfigError
from llmopt.parts.word_limit import Shape, StepSize, word_limit

COSINE_9 = [48, 45, 40, 33, 26, 20, 14, 11, 10]
COSINE_18 = [49, 48, 47, 45, 42, 40, 36, 33, 30, 26, 23, 20, 17, 14, 12, 11, 10, 10]
SHAPES = st.sampled_from(["fixed", "linear", "cosine"])


def test_g13_the_values_of_the_paper_s_section() -> None:
    """GPO, section 4: cosine from 50 to 10 over 9 and 18 steps."""
    assert [word_limit("cosine", c, 9, 50, 10) for c in range(1, 10)] == COSINE_9
    assert [word_limit("cosine", c, 18, 50, 10) for c in range(1, 19)] == COSINE_18


def test_g13_a_warm_up_that_is_off_changes_nothing() -> None:
    """The published code subtracts it all the same, and ends at -40."""
    found = [word_limit("linear", c, 9, 50, 10) for c in range(1, 10)]
    assert found == [45, 41, 36, 32, 27, 23, 18, 14, 10]


@pytest.mark.parametrize("shape", ["fixed", "linear", "cosine"])
def test_g13_progress_0_has_the_limit_of_the_beginning(shape: Shape) -> None:
    assert word_limit(shape, 0, 18, 50, 10) == 50


@given(
    SHAPES,
    st.integers(0, 80),
    st.integers(1, 60),
    st.tuples(st.integers(1, 200), st.integers(1, 200)),
    st.integers(0, 70),
)
def test_g13_a_limit_lies_between_the_end_and_the_beginning(
    shape: Shape, c: int, total: int, ends: tuple[int, int], warmup: int
) -> None:
    initial, final = max(ends), min(ends)
    assert final <= word_limit(shape, c, total, initial, final, warmup=warmup) <= initial


@given(SHAPES, st.integers(1, 60), st.integers(1, 200), st.data())
def test_without_warm_up_limits_never_rise(
    shape: Shape, total: int, initial: int, data: st.DataObject
) -> None:
    final = data.draw(st.integers(1, initial))
    found = [word_limit(shape, c, total, initial, final) for c in range(total + 3)]
    assert found == sorted(found, reverse=True)
    assert found[total] == (initial if shape == "fixed" else final)


@given(SHAPES, st.integers(6, 60), st.integers(0, 5), st.integers(1, 60))
def test_limits_are_those_of_the_formulas(shape: Shape, total: int, warmup: int, c: int) -> None:
    """Written out as in section 4; where floating point cuts off a whole word, ours is exact."""
    c = min(c, total)
    if c < warmup:
        told = 50 * c / warmup
    elif shape == "fixed":
        told = 50.0
    elif shape == "linear":
        told = 50 - 40 / (total - warmup) * (c - warmup)
    else:
        told = 10 + 40 * 0.5 * (1 + math.cos(math.pi * (c - warmup) / (total - warmup)))
    expected = max(10, round(told) if math.isclose(told, round(told)) else int(told))
    assert word_limit(shape, c, total, 50, 10, warmup=warmup) == expected


def test_a_warm_up_rises_in_equal_parts_from_the_floor() -> None:
    found = [word_limit("cosine", c, 40, 50, 10, warmup=5) for c in range(6)]
    assert found == [10, 10, 20, 30, 40, 50]


def test_the_paper_s_first_step_has_the_whole_limit() -> None:
    limit = StepSize()
    assert [limit(step, 9) for step in range(1, 10)] == [50, *COSINE_9[:-1]]


def test_the_published_code_counts_from_one() -> None:
    limit = StepSize(counting="code")
    assert [limit(step, 9) for step in range(1, 10)] == COSINE_9


def test_the_floor_is_a_share_of_the_words() -> None:
    assert StepSize("linear", words=40, floor=0.25)(99, 10) == 10
    assert StepSize("linear", words=3, floor=0.0)(99, 10) == 1


def test_the_warm_up_is_a_share_of_the_steps() -> None:
    """5 % of 18 steps is one step, as it is of 20."""
    for steps in (18, 20):
        found = [StepSize(warmup=0.05)(step, steps) for step in (1, 2)]
        assert found == [10, 50]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"shape": "consine"}, "fixed, linear, cosine, but got 'consine'"),
        ({"counting": "both"}, "paper, code"),
        ({"above": "shout"}, "record, refuse, again"),
        ({"words": 0}, "1 or more, but got 0"),
        ({"floor": 1.5}, "share from 0 to 1"),
        ({"warmup": 1.0}, "below 1"),
    ],
)
def test_g15_what_is_misspelt_or_out_of_range_is_refused(
    options: dict[str, object], match: str
) -> None:
    with pytest.raises(ConfigError, match=match):
        StepSize(**options)  # type: ignore[arg-type] # what a configuration could say
