"""Markers are found and white space is tamed, whatever the text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from llmopt.core.text import (
    FOREIGN,
    MARKERS,
    between,
    leaked_marker,
    one_line,
    word_distance,
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("<a>x</a>", "x"),
        ("say <a>x</a> and <a>y</a>", "x"),
        ("</a><a>x</a>", "x"),
        ("<a>cut", "cut"),
        ("<a></a>", ""),
        ("none</a>", None),
        ("", None),
    ],
)
def test_the_text_between_the_first_marks_is_taken(text: str, found: str | None) -> None:
    assert between(text, "<a>", "</a>") == found


@given(st.text(), st.text(), st.text())
def test_what_is_put_between_marks_is_found_again(before: str, inside: str, after: str) -> None:
    text = f"{before.replace('<', '')}<a>{inside.replace('<', '')}</a>{after}"
    assert between(text, "<a>", "</a>") == inside.replace("<", "")


@pytest.mark.parametrize("marker", MARKERS)
def test_every_marker_of_a_meta_prompt_is_found_in_any_case(marker: str) -> None:
    """O23."""
    assert leaked_marker(f"Think {marker} twice.") == marker
    assert leaked_marker(f"Think {marker.upper()} twice.") == marker


@pytest.mark.parametrize(
    "text", ["INSTRUCTIONS", "Follow the INS form.", "Start here", "a < b", ""]
)
def test_words_that_only_resemble_a_marker_are_kept(text: str) -> None:
    """O23."""
    assert leaked_marker(text) is None


@given(st.text(), st.integers(1, 30))
def test_one_line_is_one_printable_line_of_that_width(text: str, width: int) -> None:
    line = one_line(text, width)
    assert len(line) <= width
    assert line == line.strip()
    assert all(c.isprintable() for c in line)
    assert one_line(line, width) == line


def test_terminal_control_and_line_breaks_become_spaces() -> None:
    assert one_line("red \x1b[31m\nand\tmore\u202e ") == "red [31m and more"
    assert one_line("a" * 9, 5) == "aaaa…"


@pytest.mark.parametrize("marker", FOREIGN)
def test_g21_tags_of_gpo_are_markers_too(marker: str) -> None:
    assert leaked_marker(f"Do it.{marker.upper()}") == marker


WORDS = st.lists(st.sampled_from(["a", "b", "A", "b,", "step"]), max_size=12)


@given(WORDS, WORDS)
def test_the_distance_in_words_is_that_of_levenshtein(old: list[str], new: list[str]) -> None:
    assert word_distance(" ".join(old), "\n ".join(new)) == Levenshtein.distance(old, new)


def test_a_word_replaced_put_in_or_left_out_is_one_change() -> None:
    assert word_distance("Think step by step.", "Think twice by step.") == 1
    assert word_distance("Think step by step.", "Think step by step. Now.") == 1
    assert word_distance("Think step by step.", "Think by step.") == 1
    assert word_distance("", "Think.") == 1
