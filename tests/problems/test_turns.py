"""Prompts of several turns: the instruction as a system message, and layouts of one's own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmopt import Asking, PromptProblem
from llmopt.core.model import Traits
from llmopt.core.values import Item
from llmopt.errors import ConfigError
from llmopt.preflight.cautions import cautions
from llmopt.problems.prompt.layout import Layout, layout, own_layout
from llmopt.testing import scripted

if TYPE_CHECKING:
    from llmopt.core.model import Model

ROWS = [(f"Is {n} even?", "no" if n % 2 else "yes") for n in range(40)]
RAW = Traits(chat=False, completion=True)
SHOTS = """[system]
Be brief. {instruction}

[user]
Is 2 even?

[assistant]
{"answer": "yes"}

[user]
{input}
"""

TABLE = [
    ("[system]\n{instruction}\n\n[user]\n{input}", "I", ["system: I", "user: q"]),
    ("[system]\n{instruction}\n\n[user]\n{input}", "", ["user: q"]),
    ("[system]\n{instruction}\n[user]\nQ: {input}\nA:", "I", ["system: I", "user: Q: q\nA:"]),
    (
        "[system]\nBe brief.\n[user]\n{input}\n{instruction}",
        "I",
        ["system: Be brief.", "user: q\nI"],
    ),
    ("[system]\nBe brief.\n[user]\n{input}\n{instruction}", "", ["system: Be brief.", "user: q"]),
    ("[user]\n{instruction}\n\n{input}", "I", ["user: I\n\nq"]),
    (
        SHOTS,
        "I",
        ["system: Be brief. I", "user: Is 2 even?", 'assistant: {"answer": "yes"}', "user: q"],
    ),
    ("a [system] b {instruction} {input}", "I", ["user: a [system] b I q"]),
    (
        "Q: 1 {a} {{b}}\nA: yes\n\n{instruction}\nQ: {input}",
        "I",
        ["user: Q: 1 {a} {{b}}\nA: yes\n\nI\nQ: q"],
    ),
]


@pytest.mark.parametrize(("text", "instruction", "turns"), TABLE)
def test_a_layout_of_turns_is_a_chat(text: str, instruction: str, turns: list[str]) -> None:
    said = Layout(text).turns(instruction, "q")
    assert [f"{turn.role}: {turn.content}" for turn in said] == turns


@pytest.mark.parametrize(
    "text",
    [
        "[system]\n{instruction}\n{input}",
        "[user]\n{input}\n[system]\n{instruction}",
        "[system]\na\n[system]\n{instruction}\n[user]\n{input}",
        "[user]\n{instruction} {input}\n[assistant]\nSo:",
    ],
)
def test_turns_that_are_no_chat_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"one \[system\] at most.*ends with \[user\]"):
        Layout(text)


@given(st.text(), st.text())
def test_texts_never_open_a_turn(instruction: str, question: str) -> None:
    """A row or an instruction that holds such a line is text."""
    told = "[user]\n" + instruction
    system, user = layout("system").turns(told, f"[system]\n{question}")
    assert (system.content, user.content) == (told, f"[system]\n{question}")


def problem(**options: Any) -> PromptProblem:
    return PromptProblem.from_rows(
        ROWS, scorer=scripted.model(), **{"position": "system", **options}
    )


def asked(made: PromptProblem, model: Model | None = None, text: str = "Say it.") -> list[str]:
    call = made.call(text, Item("0", "Is 0 even?", "yes"), model or scripted.model())
    if call.prompt is not None:
        return [call.prompt]
    return [f"{turn.role}: {turn.content}" for turn in call.messages]


def test_the_instruction_is_the_system_message_and_the_row_the_users() -> None:
    assert asked(problem()) == ["system: Say it.", "user: Is 0 even?"]
    assert asked(problem(), text="") == ["user: Is 0 even?"]
    framed = asked(problem(qa_frame=True))
    assert framed == ["system: Say it.", "user: Q: Is 0 even?\n\nA:"]


def test_a_second_question_goes_on_with_the_chat() -> None:
    made = problem(asking=Asking(again=True))
    first = made.call("Say it.", Item("0", "Is 0 even?", "yes"), scripted.model())
    for answer, roles in (
        ("It is.", ["system", "user", "assistant", "user"]),
        ("  ", ["system", "user"]),
    ):
        second = made.again(first, answer)
        assert second
        assert [turn.role for turn in second.messages] == roles
        assert "final answer" in second.messages[-1].content


def test_a_raw_completion_gets_the_texts_and_check_says_so() -> None:
    model = replace_traits(RAW)
    made = problem()
    assert asked(made, model) == ["Say it.\n\nIs 0 even?"]
    said = " ".join(cautions(made, model, ""))
    assert "asked with raw completions" in said
    assert "asked with raw completions" not in " ".join(cautions(made, scripted.model(), ""))


def replace_traits(traits: Traits) -> Model:
    model = scripted.model()
    model.traits = traits
    return model


def test_an_exemplar_shows_the_placeholder_in_its_turn() -> None:
    shown = problem().exemplar(Item("0", "Is 0 even?", "yes"), "<INS>")
    assert shown.input == "[system]\n<INS>\n\n[user]\nIs 0 even?"
    assert problem().description.where.startswith("in the system message")


def test_columns_of_a_layout_are_no_braces_to_warn_of() -> None:
    rows = [
        {"q": f"Is {n} even?", "hint": f"{n}!", "a": "no" if n % 2 else "yes"} for n in range(40)
    ]
    made = PromptProblem.from_rows(
        rows, input="q", target="a", prompt="[system]\n{instruction}\n[user]\n{hint} {q} {other}"
    )
    item = made.items("train")[0]
    fields = dict(item.fields)
    assert made.prompt.turns("I", item.input, item.fields)[1].content == (
        f"{fields['hint']} {fields['q']} {{other}}"
    )
    (said,) = [text for text in cautions(made, scripted.model(), "") if "prompt layout" in text]
    assert "{other}" in said
    assert "{hint}" not in said


def test_a_kept_layout_is_the_same_again() -> None:
    """The journal has its text alone; readers build it from that and the items."""
    made = problem(prompt=SHOTS)
    kept = own_layout(made.prompt.text, made.items("train"))
    assert kept == made.prompt
    assert kept.where
    assert not replace(kept, text="{instruction} {input}").chat
