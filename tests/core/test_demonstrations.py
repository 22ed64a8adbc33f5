"""Demonstrations as text: canonical, and refused where they break a rule."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmopt.core.demonstrations import Shot, ShotRules, shot_rules_of, shots_in, shots_text
from llmopt.core.problem import Refusal
from llmopt.core.values import Item
from llmopt.testing import scripted

ROWS = (Item("1", "Is it wet?", "yes"), Item("2", "Is it dry?", "no"), Item("3", "Is it?", ""))
RULES = ShotRules(ROWS, most=2, tokens=20)


@given(st.lists(st.builds(Shot, st.text(), st.text().map(str.strip)), max_size=5))
def test_reading_undoes_writing(shots: list[Shot]) -> None:
    assert shots_in(shots_text(shots)) == tuple(shots)


def test_the_order_is_a_part_of_the_text() -> None:
    assert shots_text([Shot("1"), Shot("2")]) == '{"id": "1"}\n{"id": "2"}'
    assert (
        shots_text([Shot("2"), Shot("1", "Wet.")]) == '{"id": "2"}\n{"id": "1", "answer": "Wet."}'
    )


@pytest.mark.parametrize(
    "line",
    ["1", "[]", '"1"', '{"id": 1}', "{}", '{"id": "1", "more": ""}', '{"id": "1"', "[" * 99_999],
)
def test_what_is_no_demonstration_is_refused(line: str) -> None:
    found = shots_in(f'{{"id": "1"}}\n{line}')
    assert isinstance(found, Refusal)
    assert found.reason.startswith("no demonstration: ")


@pytest.mark.parametrize(
    ("shots", "reason"),
    [
        ([Shot("1"), Shot("2")], ""),
        ([Shot("1", "It rains, so yes.")], ""),
        ([], ""),
        ([Shot("1"), Shot("2"), Shot("3")], "more than 2 demonstrations"),
        ([Shot("1"), Shot("1", "yes")], "shows a row twice"),
        ([Shot("test 1")], "shows 'test 1', which is no training row"),
        ([Shot("3")], "shows '3', which has no expected answer"),
        ([Shot("3", "It is.")], ""),
        ([Shot("1", "<INS>yes")], "leaked marker <INS>"),
        ([Shot("1", "word " * 20)], "demonstrations of more than about 20 tokens"),
    ],
)
def test_rules_say_what_is_wrong(shots: list[Shot], reason: str) -> None:
    assert RULES.fault(shots) == reason


def test_whose_answers_are_shown_is_a_rule() -> None:
    labels, own = (ShotRules(ROWS, 2, answers=kind) for kind in ("labels", "reasoning"))
    assert (
        labels.fault([Shot("1", "yes")]) == "shows an answer of the model's, not the expected one"
    )
    assert own.fault([Shot("1")]) == "shows an expected answer, not one of the model's"
    assert labels.fault([Shot("1")]) == own.fault([Shot("1", "yes")]) == ""


def test_a_tag_of_the_users_own_may_stand_in_an_answer() -> None:
    own = ShotRules(ROWS, 2, marks=frozenset({"text"}))
    assert own.fault([Shot("1", "<TEXT>yes</TEXT>")]) == ""


def test_most_problems_have_none() -> None:
    assert shot_rules_of(scripted.problem()) is None
    assert shot_rules_of(scripted.numbers()) is None
    rules = shot_rules_of(scripted.few_shot(3))
    assert rules is not None
    assert (rules.most, len(rules.rows)) == (3, 12)
