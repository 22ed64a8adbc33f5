"""Several parts are kept as one text, and come back from it exactly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmopt.core.problem import parts_of
from llmopt.core.solution import SolutionPart, join_parts, split_parts
from llmopt.errors import ConfigError, DataError
from llmopt.testing import scripted

NAMES = st.sampled_from(["search", "answer", "a b", "predictors[0].predict", "é"])
LINES = st.sampled_from(
    [
        "",
        "plain",
        "=== search ===",
        "\\=== x ===",
        "\\\\=== answer ===",
        "=== ===",
        "\\",
        "===  ===",
    ]
)
TEXTS = st.text() | st.lists(LINES | st.text(max_size=9)).map("\n".join)
PARTS = st.dictionaries(NAMES, TEXTS, min_size=1, max_size=4)


@given(PARTS)
def test_parts_come_back_exactly(texts: dict[str, str]) -> None:
    split = split_parts(join_parts(texts), list(texts))
    assert split == texts
    assert list(split) == list(texts)


@given(PARTS, PARTS)
def test_different_parts_have_different_texts(one: dict[str, str], other: dict[str, str]) -> None:
    if list(one) == list(other) and one != other:
        assert join_parts(one) != join_parts(other)


@given(TEXTS)
def test_a_single_part_is_its_text(text: str) -> None:
    assert join_parts({"instruction": text}) == text
    assert split_parts(text, ["instruction"]) == {"instruction": text}


def test_several_parts_are_read_easily() -> None:
    joined = join_parts({"search": "Name the city.", "answer": "Answer briefly.\nNo guesses."})
    assert joined == (
        "=== search ===\nName the city.\n\n=== answer ===\nAnswer briefly.\nNo guesses."
    )


@pytest.mark.parametrize(
    "text",
    [
        "no heading",
        "=== a ===\nx",
        "=== b ===\nx\n\n=== a ===\ny",
        "before\n=== a ===\nx\n\n=== b ===\ny",
        "=== a ===\nx\n\n=== b ===\ny\n\n=== a ===\nz",
    ],
)
def test_a_text_with_other_headings_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="has the headings 'a', 'b' in this order"):
        split_parts(text, ["a", "b"])


def test_a_last_part_without_a_text_survives_white_space_cut_off() -> None:
    texts = {"a": "x", "b": ""}
    assert split_parts(join_parts(texts).strip(), ["a", "b"]) == texts


@pytest.mark.parametrize("name", ["", " a", "a ", "a=b", "a\nb", "`a`", "a" * 65, "\x07"])
def test_a_name_that_cannot_stand_in_a_heading_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="name of a part"):
        SolutionPart(name)


def test_a_problem_that_declares_no_parts_has_one_instruction() -> None:
    assert parts_of(scripted.problem()) == (SolutionPart("instruction"),)
