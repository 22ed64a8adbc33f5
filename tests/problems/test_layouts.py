"""Where the instruction stands: the table of OPRO, section 4, cell by cell, and the cue of ours."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmopt.errors import ConfigError, UnknownNameError
from llmopt.problems.prompt.layout import Layout, Position, layout

TABLE: list[tuple[Position, bool, str, str]] = [
    ("before_Q", True, "INS\nQ: q\n\nA:", "Q: q\n\nA:"),
    ("Q_begin", True, "Q: INS\nq\n\nA:", "Q: q\n\nA:"),
    ("Q_end", True, "Q: q\nINS\n\nA:", "Q: q\n\nA:"),
    ("A_begin", True, "Q: q\n\nA: INS", "Q: q\n\nA:"),
    ("Q_begin", False, "INS\nq", "q"),
    ("Q_end", False, "q\nINS", "q"),
    ("steps", False, "INS\n\nQuestion: q\n\nStep 1:", "Question: q\n\nStep 1:"),
]


@pytest.mark.parametrize(("position", "frame", "filled", "empty"), TABLE)
def test_every_position_is_the_papers(
    position: Position, frame: bool, filled: str, empty: str
) -> None:
    """An empty instruction disappears together with its separator."""
    where = layout(position, qa_frame=frame)
    assert where.fill("INS", "q") == filled
    assert where.fill("", "q") == empty


@pytest.mark.parametrize("position", ["before_Q", "A_begin"])
def test_some_positions_imply_the_frame(position: Position) -> None:
    """O2: the default runs, and switching the frame off is refused at once."""
    assert layout(position) == layout(position, qa_frame=True)
    with pytest.raises(ConfigError, match=rf"'{position}'.*frame.*false.*Q_begin"):
        layout(position, qa_frame=False)


def test_the_cue_of_behaviour_steps_has_no_frame() -> None:
    with pytest.raises(ConfigError, match="'steps' has no Q:/A: frame, but got qa_frame = true"):
        layout("steps", qa_frame=True)


@pytest.mark.parametrize("position", ["Q_begin", "Q_end"])
def test_other_positions_have_no_frame_unless_asked(position: Position) -> None:
    assert layout(position) == layout(position, qa_frame=False)


def test_an_unknown_position_is_refused_and_the_known_ones_are_named() -> None:
    wrong: Any = "Q_beginn"
    with pytest.raises(UnknownNameError, match=r"A_begin.*did you mean 'Q_begin'"):
        layout(wrong)


@given(st.text(), st.text(), st.sampled_from(TABLE))
def test_braces_of_instruction_and_input_are_text(
    instruction: str, question: str, row: tuple[Position, bool, str, str]
) -> None:
    """Neither is looked into, whatever it holds."""
    hostile, asked = f"{{input}}{instruction}{{x}}", f"{question}{{instruction}}{{}}"
    filled = layout(row[0], qa_frame=row[1]).fill(hostile, asked)
    frame = row[2].partition("INS")
    head, tail = (part.replace("q", asked, 1) for part in (frame[0], frame[2]))
    assert filled == f"{head}{hostile}{tail}"


def test_a_layout_of_ones_own_keeps_its_other_braces() -> None:
    own = Layout('Reply in JSON: {"answer": "{x}"}.\n{instruction}\n\nText: {input}')
    assert own.fill("Go.", "q") == 'Reply in JSON: {"answer": "{x}"}.\nGo.\n\nText: q'
    assert own.fill("", "q") == 'Reply in JSON: {"answer": "{x}"}.\n\nText: q'


@pytest.mark.parametrize(
    ("text", "slot", "times"),
    [
        ("{input}", "instruction", 0),
        ("{instruction}", "input", 0),
        ("{instruction} {input} {input}", "input", 2),
    ],
)
def test_a_slot_stands_exactly_once(text: str, slot: str, times: int) -> None:
    with pytest.raises(ConfigError, match=rf"{{{slot}}} exactly once, but got it {times} times"):
        Layout(text)
