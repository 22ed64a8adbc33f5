"""Rows become items by the columns that are named, as exports have them."""

from __future__ import annotations

from typing import Any

import pytest

from llmopt.core.values import Item
from llmopt.errors import ConfigError, DataError
from llmopt.problems.data.objects import from_rows
from llmopt.problems.metrics.best_scored import best_scored
from llmopt.problems.metrics.judge import Judge
from llmopt.problems.prompt.prompt_problem import PromptProblem
from llmopt.problems.prompt.scorer_call import Asking


def one(row: dict[str, Any], **columns: Any) -> Item:
    columns = {"input": "input", "target": "target", **columns}
    (item,) = from_rows([row], **columns)
    return item


USER = {"role": "user", "content": "Is 1 even?"}
SYSTEM = {"role": "system", "content": "Be brief."}
ANSWER = {"role": "assistant", "content": "no"}


@pytest.mark.parametrize(
    ("row", "columns", "expected"),
    [
        # LangSmith, MLflow, Label Studio, Argilla: what is wanted stands some levels down.
        (
            {"inputs": {"question": "q"}, "outputs": {"answer": "a"}},
            {"input": "inputs.question", "target": "outputs.answer"},
            ("q", "a"),
        ),
        (
            {"inputs": {"q": "q"}, "expectations": {"expected_response": "a"}},
            {"input": "inputs.q", "target": "expectations.expected_response"},
            ("q", "a"),
        ),
        (
            {
                "data": {"text": "t"},
                "annotations": [{"result": [{"value": {"choices": ["spam"]}}]}],
            },
            {"input": "data.text", "target": "annotations.0.result.0.value.choices"},
            ("t", "spam"),
        ),
        (
            {"a.b": "dots", "a": {"b": "deep"}, "t": "x"},
            {"input": "a.b", "target": "t"},
            ("dots", "x"),
        ),
        # chats: the last turn of the assistant is the answer, a system turn is the instruction
        ({"messages": [SYSTEM, USER, ANSWER]}, {}, ("Is 1 even?", "no")),
        ({"messages": [USER, ANSWER]}, {"input": "messages"}, ("Is 1 even?", "no")),
        (
            {"messages": [USER, ANSWER]},
            {"input": "messages", "target": "messages"},
            ("Is 1 even?", "no"),
        ),
        ({"messages": [USER], "label": "yes"}, {"target": "label"}, ("Is 1 even?", "yes")),
        (
            {"turns": [USER, ANSWER, {"role": "user", "content": "Sure?"}, ANSWER]},
            {"input": "turns"},
            ("user: Is 1 even?\nassistant: no\nuser: Sure?", "no"),
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "t"}]}, ANSWER]},
            {},
            ("t", "no"),
        ),
        # a column that happens to be called so, and is none
        ({"input": "i", "messages": "3 new", "target": "t"}, {}, ("i", "t")),
    ],
)
def test_what_exports_hold_is_found(
    row: dict[str, Any], columns: dict[str, Any], expected: tuple[str, str]
) -> None:
    item = one(row, **columns)
    assert (item.input, item.target) == expected


@pytest.mark.parametrize(
    ("row", "columns", "message"),
    [
        (
            {"inputs": {"question": "q"}, "target": "t"},
            {"input": "inputs.queston"},
            "'inputs.question'",
        ),
        (
            {"inputs": {"question": "q"}, "target": "t"},
            {"input": "question"},
            "below them are 'inputs.q",
        ),
        ({"messages": [ANSWER]}, {}, "a turn of the user before"),
        ({"messages": [USER]}, {}, "no 'target'"),
        ({"input": "i", "target": []}, {}, "at least one, but it is empty"),
        ({"input": "i", "target": [{}]}, {}, "but got a dict"),
        (
            {"input": "i", "target": "t", "w": "0"},
            {"weight": "w"},
            "a number greater than 0, but got '0'",
        ),
        ({"input": "i", "target": "t", "w": "x"}, {"weight": "w"}, "greater than 0, but got 'x'"),
        ({"input": "i", "target": "t"}, {"weight": "w"}, "there is no 'w'"),
        ({"input": "i", "target": "t"}, {"id": "name"}, "there is no 'name'"),
        ({"input": "i", "target": "t"}, {"fields": ["more"]}, "there is no 'more'"),
        ({"input": "i", "target": "t"}, {"input": []}, "one or more"),
        ({"input": "i", "target": "t"}, {"input": ["input", "input"]}, "all different"),
    ],
)
def test_what_is_missing_is_named(
    row: dict[str, Any], columns: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        one(row, **columns)


def test_several_columns_are_one_input_and_a_slot_each() -> None:
    rows = [
        {"q": f"Is {n} even?", "c": f"{n} of 9", "t": "yes" if n % 2 else "no"} for n in range(20)
    ]
    problem = PromptProblem.from_rows(
        rows, input=["q", "c"], target="t", prompt="{c}\n{instruction}\n{q} {other} {{c}}"
    )
    item = problem.items("train")[0]
    assert item.input == "\n\n".join(f"{name}: {text}" for name, text in item.fields)
    said = dict(item.fields)
    assert problem.prompt.fill("Say.", item.input, item.fields) == (
        f"{said['c']}\nSay.\n{said['q']} {{other}} {{{said['c']}}}"
    )


def test_a_layout_brings_its_columns() -> None:
    rows = [{"input": f"i{n}", "context": f"c{n}", "target": "ab"[n % 2]} for n in range(20)]
    problem = PromptProblem.from_rows(rows, prompt="{context}: {instruction} {input} {no_column}")
    item = problem.items("test")[0]
    assert item.fields == (("context", f"c{item.input[1:]}"),)
    plain = PromptProblem.from_rows(rows, prompt="{instruction} {input}")
    assert plain.items("test")[0].fields == ()
    with pytest.raises(ConfigError, match="input} exactly once"):
        PromptProblem.from_rows(rows, prompt="{instruction} {no_column}")


def test_ids_and_weights_of_the_users_own() -> None:
    rows = [{"input": "i", "target": "t", "name": "row 1", "w": "2.5"}]
    (item,) = from_rows(rows, input="input", target="target", id="name", weight="w")
    assert (item.id, item.weight) == ("row 1", 2.5)
    with pytest.raises(DataError, match="an id is given once, but 'row 1' stands there again"):
        from_rows(rows * 2, input="input", target="target", id="name")


def test_names_of_plain_rows_stay_what_they_are() -> None:
    assert one({"input": "a", "target": "b"}).id == one({"input": "a", "target": ["b", "b"]}).id
    assert one({"input": "a", "target": "b"}).id != one({"input": "a", "target": ["b", "c"]}).id


@pytest.mark.parametrize("metric", ["exact", "contains", "choice"])
@pytest.mark.parametrize("answer", ["Rome", "Eternal City"])
async def test_any_accepted_answer_is_right(metric: str, answer: str) -> None:
    rows = [
        {
            "input": f"Which city, number {n}?",
            "target": ["Rome", "Eternal City"] if n % 2 else ["Oslo"],
        }
        for n in range(20)
    ]
    problem = PromptProblem.from_rows(rows, metric=metric)
    (item, *_) = [i for i in problem.items("train") if i.accepted]
    (other, *_) = [i for i in problem.items("train") if not i.accepted]
    assert (await best_scored(problem.metric, answer, item)).score == 1
    assert (await best_scored(problem.metric, answer, other)).score == 0


def test_a_judge_is_told_every_accepted_answer_at_once() -> None:
    (told,) = Judge().expected(Item("1", "Which city?", "Rome", accepted=("Eternal City",)))
    assert (told.target, told.accepted) == ("Rome, or Eternal City", ())


def test_accepted_answers_need_what_can_weigh_them() -> None:
    rows = [{"input": f"i{n}", "target": ["a", "b"] if n % 2 else "c"} for n in range(20)]
    with pytest.raises(ConfigError, match="several right ones"):
        PromptProblem.from_rows(rows, metric="choice", asking=Asking(answer="likelihood"))
    with pytest.raises(ConfigError, match="balanced = false"):
        PromptProblem.from_rows(rows, metric="choice", balanced=True)
