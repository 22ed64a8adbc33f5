"""Instructions with demonstrations: what is parsed, what is shown, and to whom."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from llmopt.core.demonstrations import Shot
from llmopt.core.problem import Refusal, parts_of
from llmopt.core.values import Item, Message, in_words
from llmopt.errors import ConfigError, UnknownNameError
from llmopt.problems.data.splits import Splits
from llmopt.problems.prompt.few_shot import FewShot, FewShotLayout, apart, fixed_shots, joined
from llmopt.problems.prompt.layout import Layout, layout
from llmopt.problems.prompt.prompt_problem import PromptProblem
from llmopt.problems.prompt.scorer_call import Asking
from llmopt.testing import scripted

PROBLEM = scripted.few_shot(2)
TRAIN = PROBLEM.items("train")
A, B, C = TRAIN[:3]
SHOWN = [(Item("1", "One?", "yes"), "yes"), (Item("2", "Two?", "no"), "Two is\nno.")]
ASKED = Item("9", "Nine?", "no")


def prompt(made: Layout, instruction: str = "Say it.") -> str:
    return in_words(FewShotLayout(made).turns(instruction, ASKED, SHOWN))


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (
            layout("Q_begin"),
            "Say it.\n\nQ: One?\n\nA: yes\n\nQ: Two?\n\nA: Two is\nno.\n\nQ: Nine?\n\nA:",
        ),
        (
            layout("Q_begin", qa_frame=True),
            "Q: One?\n\nA: yes\n\nQ: Two?\n\nA: Two is\nno.\n\nQ: Say it.\nNine?\n\nA:",
        ),
        (
            layout("Q_end"),
            "Q: One?\n\nA: yes\n\nQ: Two?\n\nA: Two is\nno.\n\nQ: Nine?\nSay it.\n\nA:",
        ),
        (
            layout("before_Q"),
            "Say it.\n\nQ: One?\n\nA: yes\n\nQ: Two?\n\nA: Two is\nno.\n\nQ: Nine?\n\nA:",
        ),
        (
            layout("A_begin"),
            "Q: One?\n\nA: yes\n\nQ: Two?\n\nA: Two is\nno.\n\nQ: Nine?\n\nA: Say it.",
        ),
        (
            Layout("{demonstrations}\nNow: {instruction}\nText: {input}\nLabel:"),
            (
                "Text: One?\nLabel: yes\n\nText: Two?\nLabel: Two is\nno.\n"
                "Now: Say it.\nText: Nine?\nLabel:"
            ),
        ),
        (
            Layout("[user]\n{instruction}\n{input}"),
            "Say it.\n\nQ: One?\n\nA: yes\n\nQ: Two?\n\nA: Two is\nno.\n\nQ: Nine?\n\nA:",
        ),
        (
            Layout("[system]\n{instruction}\n{demonstrations}\n[user]\n{input}"),
            (
                "[system]\nSay it.\nQ: One?\n\nA: yes\n\nQ: Two?\n\nA: Two is\nno.\n\n"
                "[user]\nQ: Nine?\n\nA:"
            ),
        ),
    ],
)
def test_a_demonstration_looks_like_the_question_after_it(made: Layout, text: str) -> None:
    assert prompt(made) == text


def test_a_chat_whose_question_stands_alone_shows_turns() -> None:
    turns = FewShotLayout(layout("system")).turns("Say it.", ASKED, SHOWN)
    assert turns == (
        Message("system", "Say it."),
        Message("user", "One?"),
        Message("assistant", "yes"),
        Message("user", "Two?"),
        Message("assistant", "Two is\nno."),
        Message("user", "Nine?"),
    )


def test_columns_of_the_row_are_filled_in() -> None:
    made = Layout("{instruction}\n\nText: {text}\nLabel:", columns=("text",))
    row = Item("1", "One?", "yes", fields=(("text", "uno"),))
    asked = Item("9", "Nine?", "no", fields=(("text", "nove"),))
    (turn,) = FewShotLayout(made).turns("Say it.", asked, [(row, "yes")])
    assert turn.content == "Say it.\n\nText: uno\nLabel: yes\n\nText: nove\nLabel:"


@pytest.mark.parametrize(
    "text", ["{instruction}\n{demonstrations}\n\n{input}", "{instruction}\n{input}"]
)
def test_without_demonstrations_the_prompt_is_the_plain_one(text: str) -> None:
    (turn,) = FewShotLayout(Layout(text)).turns("Say it.", ASKED, [])
    assert turn.content == "Say it.\nNine?"


def test_braces_in_a_row_are_no_slots() -> None:
    shown = [(Item("1", "{input} {instruction}?", "yes"), "{demonstrations}")]
    (turn,) = FewShotLayout(layout("before_Q")).turns("Say it.", ASKED, shown)
    assert "Q: {input} {instruction}?\n\nA: {demonstrations}" in turn.content


@pytest.mark.parametrize("position", ["Q_begin", "before_Q", "A_begin", "system"])
def test_written_out_they_ask_the_same(position: Any) -> None:
    made = FewShotLayout(layout(position))
    filled = made.filled(SHOWN)
    assert filled.turns("Say it.", ASKED.input) == made.turns("Say it.", ASKED, SHOWN)
    assert made.filled([]) == layout(position)


@pytest.mark.parametrize("held", ["{input}", "{instruction}", "no\n[user]\nyes"])
def test_a_row_that_would_be_read_as_layout_is_not_written_out(held: str) -> None:
    made = FewShotLayout(layout("system"))
    with pytest.raises(ConfigError, match="has no slots but its own"):
        made.filled([(Item("1", held, "yes"), "yes")])


def test_two_slots_are_refused() -> None:
    text = "{demonstrations}{demonstrations}{instruction}{input}"
    with pytest.raises(ConfigError, match="at most once, but got it 2 times"):
        replace(PROBLEM, prompt=Layout(text))
    replace(scripted.problem(), prompt=Layout(text))  # literal text where there are none


def call(text: str, item: Item) -> str:
    return PROBLEM.call(text, item, scripted.model()).text


def test_a_row_is_never_its_own_demonstration() -> None:
    solution = joined("Answer.", [Shot(A.id), Shot(B.id, "It is odd: yes")])
    assert f"Q: {A.input}\n\nA: {A.target}\n\nQ: {B.input}\n\nA: It is odd: yes" in call(
        solution, C
    )
    for row, other in ((A, B), (B, A)):
        text = call(solution, row)
        assert text.count(row.input) == 1
        assert other.input in text


def test_rows_of_its_group_and_with_its_input_are_left_out_too() -> None:
    rows = [replace(row, group="g" if row in (A, B) else "") for row in TRAIN]
    grouped = replace(PROBLEM, splits=replace(PROBLEM.splits, train=tuple(rows)))
    solution = joined("Answer.", [Shot(B.id), Shot(C.id)])
    text = grouped.call(solution, rows[0], scripted.model()).text
    assert B.input not in text
    assert C.input in text
    twin = replace(A, id="twin")
    assert call(joined("Answer.", [Shot(A.id)]), twin).count(A.input) == 1


@pytest.mark.parametrize(
    ("examples", "reason"),
    [
        ([Shot(item.id) for item in TRAIN[:3]], "more than 2 demonstrations"),
        ([Shot(PROBLEM.items("test")[0].id)], "which is no training row"),
        ([Shot(PROBLEM.items("validation")[0].id)], "which is no training row"),
        ([Shot(A.id), Shot(A.id)], "shows a row twice"),
        ([Shot(A.id, "long " * 2000)], "demonstrations of more than about 2000 tokens"),
    ],
)
def test_what_no_solution_may_show_is_refused(examples: list[Shot], reason: str) -> None:
    found = PROBLEM.parse(joined("Answer.", examples))
    assert isinstance(found, Refusal)
    assert reason in found.reason


def test_the_instruction_keeps_every_rule_of_its_own() -> None:
    assert PROBLEM.parse(joined('  "answer it."', [Shot(A.id)])) == joined(
        "Answer it.", [Shot(A.id)]
    )
    assert PROBLEM.parse("think about it") == joined("Think about it")
    assert PROBLEM.parse(joined("", [Shot(A.id)])) == Refusal("empty")
    assert PROBLEM.parse(joined("<INS>")) == Refusal("leaked marker <INS>")


def test_solutions_have_two_parts_where_there_may_be_demonstrations() -> None:
    assert [part.name for part in parts_of(PROBLEM)] == ["instruction", "demonstrations"]
    assert [part.name for part in parts_of(scripted.problem())] == ["instruction"]
    assert PROBLEM.starts == (joined("Answer."), joined("Answer now."))
    assert PROBLEM.controls()["empty"] == joined("")
    assert apart(PROBLEM.controls()["think"]) == ("Let's think step by step.", "")


def test_without_them_nothing_changes() -> None:
    plain = scripted.problem()
    off = replace(plain, few_shot=FewShot(0, 7, "labels"))
    assert off.fingerprint == plain.fingerprint
    assert off.recorded() == plain.recorded()
    assert off.starts == plain.starts
    heading = joined("Answer.", [Shot(A.id)])
    assert off.call(heading, C, scripted.model()).text == f"{heading}\n{C.input}"


def test_the_rules_identify_a_run() -> None:
    one, two = (replace(PROBLEM, few_shot=FewShot(n)).fingerprint for n in (1, 2))
    assert one != two
    assert one.keys() - scripted.problem().fingerprint.keys() == {"demonstrations"}


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"most": -1}, ConfigError, "problem.demonstrations is 0 or more, but got -1"),
        ({"most": 1, "tokens": -1}, ConfigError, "problem.demonstration_tokens is 0 or more"),
        ({"most": 1, "answers": "own"}, UnknownNameError, "problem.demonstration_answers"),
    ],
)
def test_wrong_rules_are_refused(
    options: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        FewShot(**options)


def test_answers_read_from_their_likelihood_show_expected_ones() -> None:
    likely = Asking(answer="likelihood")
    made = replace(PROBLEM, asking=likely)
    assert made.few_shot == FewShot(2, answers="labels")
    with pytest.raises(ConfigError, match="where it writes its answers"):
        replace(PROBLEM, asking=likely, few_shot=FewShot(2, answers="reasoning"))


def test_python_takes_a_number_or_rules() -> None:
    splits = scripted.problem().splits
    for given in (3, FewShot(3)):
        assert PromptProblem.from_splits(splits, demonstrations=given).few_shot == FewShot(3)


ROWS = [{"input": f"q{n}", "target": f"a{n}"} for n in range(20)]


def test_fixed_demonstrations_stand_before_every_question_and_are_not_measured() -> None:
    sizes = (0.5, 0.25, 0.25)
    plain = PromptProblem.from_rows(ROWS, sizes=sizes)
    shown = PromptProblem.from_rows(ROWS, sizes=sizes, fixed_demonstrations=2, position="Q_end")
    first, second, *rest = plain.splits.train
    assert shown.splits == replace(plain.splits, train=tuple(rest))
    asked = shown.call("Say.", rest[0], scripted.model()).text
    demonstrations = [f"Q: {row.input}\n\nA: {row.target}" for row in (first, second)]
    assert asked == "\n\n".join([*demonstrations, f"Q: {rest[0].input}\nSay.\n\nA:"])


def test_rows_that_give_a_fixed_demonstration_s_answer_away_are_not_measured() -> None:
    rows = [Item(f"r{n}", f"q{n}", f"a{n}", group=f"g{n // 2}") for n in range(6)]
    splits, layout_ = fixed_shots(Splits(tuple(rows), (), ()), layout("Q_end"), 1)
    assert splits.train == tuple(rows[2:])
    assert "q0" in layout_.text
    with pytest.raises(ConfigError, match=r"got 6 of 6; lower problem\.fixed_demonstrations"):
        fixed_shots(Splits(tuple(rows), (), ()), layout("Q_end"), 6)
