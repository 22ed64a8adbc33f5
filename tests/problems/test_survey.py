"""What a look at a data file finds: exports by their shape, columns by name and content, labels."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from llmopt import PromptProblem
from llmopt.errors import DataError
from llmopt.preflight.cautions import cautions
from llmopt.problems.data.labels import lookalikes, spellings
from llmopt.problems.data.objects import from_rows
from llmopt.problems.data.survey import survey
from llmopt.testing import scripted

if TYPE_CHECKING:
    from pathlib import Path


def studio(value: Any) -> dict[str, Any]:
    return {"id": 7, "data": {"text": "It rains."}, "annotations": [{"result": [{"value": value}]}]}


SHAPES: list[tuple[dict[str, Any], str, str, tuple[str, ...]]] = [
    ({"inputs": {"question": "q"}, "outputs": {"answer": "a"}}, "LangSmith", "q", ("a",)),
    (
        {"id": "1", "inputs": {"question": "q"}, "outputs": {"answer": "a", "cost": 3}},
        *("LangSmith", "q", ("a",)),
    ),
    ({"inputs": {"q": "q"}, "reference_outputs": {"x": "a"}}, "LangSmith", "q", ("a",)),
    ({"inputs": '{"question": "q"}', "outputs": '{"answer": "a"}'}, "LangSmith", "q", ("a",)),
    (
        {
            "inputs": {"messages": [{"role": "user", "content": "q"}]},
            "outputs": {"message": {"role": "assistant", "content": "a"}},
        },
        *("LangSmith", "q", ("a",)),
    ),
    (
        {"inputs": {"context": "c", "question": "q"}, "outputs": {"answer": "a"}},
        *("LangSmith", "inputs.context: c\n\ninputs.question: q", ("a",)),
    ),
    (
        {"inputs": {"question": "q"}, "expectations": {"expected_response": "a"}},
        *("MLflow", "q", ("a",)),
    ),
    ({"inputs": "q", "ground_truth": "a"}, "MLflow", "q", ("a",)),
    (
        {"inputs": {"q": "q"}, "outputs": {"x": "no"}, "expectations": {"answer": "a", "n": 1}},
        *("MLflow", "q", ("a",)),
    ),
    (studio({"choices": ["wet"]}), "Label Studio", "It rains.", ("wet",)),
    (studio({"choices": ["wet", "damp"]}), "Label Studio", "It rains.", ("wet", "damp")),
    (studio({"text": ["wet"]}), "Label Studio", "It rains.", ("wet",)),
    (studio({"rating": 4}), "Label Studio", "It rains.", ("4",)),
    (
        {"text": "q", "sentiment": "a", "annotation_id": 3, "annotator": 1, "lead_time": 2.5},
        *("Label Studio", "q", ("a",)),
    ),
    (
        {"fields": {"text": "q"}, "responses": {"label": [{"value": "a", "user_id": "u"}]}},
        *("Argilla", "q", ("a",)),
    ),
    ({"fields": {"text": "q"}, "suggestions": {"label": {"value": "a"}}}, "Argilla", "q", ("a",)),
    (
        {"text": "q", "inputs": {"text": "q"}, "prediction": [], "annotation": "a"},
        "Argilla",
        "q",
        ("a",),
    ),
    (
        {"text": "q", "label.responses": ["a", "b"], "label.suggestion": "c"},
        "Argilla",
        "q",
        ("a", "b"),
    ),
    ({"prompt": "q", "completion": "a"}, "OpenAI fine-tuning", "q", ("a",)),
    ({"input": [{"role": "user", "content": "q"}], "ideal": "a"}, "OpenAI evals", "q", ("a",)),
    (
        {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]},
        *("OpenAI fine-tuning", "q", ("a",)),
    ),
    (
        {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]},
        *("ShareGPT", "q", ("a",)),
    ),
]


@pytest.mark.parametrize(("row", "name", "asked", "answers"), SHAPES)
def test_an_export_needs_no_columns(
    tmp_path: Path, row: dict[str, Any], name: str, asked: str, answers: tuple[str, ...]
) -> None:
    (item,) = from_rows([row], input="input", target="target")
    assert (item.input, (item.target, *item.accepted)) == (asked, answers)
    path = tmp_path / "rows.jsonl"
    path.write_text(f"{json.dumps(row)}\n" * 4, encoding="utf-8")
    found = survey(path)
    assert found.shape == name
    assert found.items[0].input == asked


def test_columns_that_are_named_are_taken() -> None:
    row = {
        "inputs": {"q": "q", "hint": "h"},
        "outputs": {"answer": "a"},
        "input": "i",
        "target": "t",
    }
    (item,) = from_rows([row], input="input", target="target")
    assert (item.input, item.target) == ("i", "t")
    (item,) = from_rows([row], input="inputs.hint", target="outputs.answer")
    assert (item.input, item.target) == ("h", "a")


TABLES: list[tuple[str, str | tuple[str, ...], str, str]] = [
    ("text,label\n{n} is here,{ab}", "text", "label", "choice"),
    (
        "Ticket-ID;Kundennachricht;Team\n{n};Nummer {n} ist weg;{ab}",
        "Kundennachricht",
        "Team",
        "choice",
    ),
    ("id\tquestion\tanswer\n{n}\tWhat is {n}?\t{n}", "question", "answer", "number"),
    ("Unnamed: 0,review,sentiment\n{n},{n} was good,{yn}", "review", "sentiment", "boolean"),
    (
        "question,context,answer\nWho {n}?,It is {n}.,name {n}",
        ("context", "question"),
        "answer",
        "exact",
    ),
    ("premise,hypothesis,label\np {n},h {n},{ab}", ("premise", "hypothesis"), "label", "choice"),
    ("first,second\nsome long text {n},{ab}", "first", "second", "choice"),
    (
        "Expected Output|Customer message\n{ab}|hello {n}",
        "Customer message",
        "Expected Output",
        "choice",
    ),
    ("a,b,c\n{n},some long text about {n},{ab}", "b", "c", "choice"),
]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table[0].partition("\n")[0])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_a_table_is_understood(
    tmp_path: Path, table: tuple[str, str | tuple[str, ...], str, str], encoding: str
) -> None:
    form, asked, target, metric = table
    head, row = form.split("\n")
    lines = [row.format(n=n, ab="ab"[n % 2] * 3, yn=("no", "yes")[n % 2]) for n in range(30)]
    text = "\n".join([head, *lines, ""])
    path = tmp_path / "data.csv"
    path.write_text(text.replace("is weg", "fällt") if encoding == "cp1252" else text, encoding)
    found = survey(path)
    assert (found.input, found.target, found.metric.name) == (asked, target, metric)
    assert found.rows == 30
    if encoding == "utf-16":
        assert found.encoding == "utf-16"


def test_bytes_that_are_no_utf_8_are_named(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(b"text,label\n" + "größer,ja\nkleiner,nein\n".encode("cp1252") * 5)
    assert survey(path).encoding == "cp1252"
    path.write_bytes("text,label\ngrößer,ja\nkleiner,nein\n".encode("utf-16-le"))
    assert survey(path).encoding == "utf-16-le"


def test_what_is_not_clear_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("a,b,c\nx 1,y 1,z 1\nx 2,y 2,z 2\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"not clear which of 'a', 'b', 'c'; name it with --target"):
        survey(path)
    found = survey(path, ["a", "b"], "c")
    assert (found.input, found.target) == (("a", "b"), "c")
    with pytest.raises(DataError, match="there is no 'd'"):
        survey(path, ["a"], "d")


def test_a_system_message_that_all_chats_share_is_the_start(tmp_path: Path) -> None:
    def rows(words: list[str]) -> str:
        chats = [
            [
                {"role": "system", "content": word},
                {"role": "user", "content": f"q {n}"},
                {"role": "assistant", "content": "ab"[n % 2]},
            ]
            for n, word in enumerate(words)
        ]
        return "\n".join(json.dumps({"messages": chat}) for chat in chats)

    path = tmp_path / "chats.jsonl"
    path.write_text(rows(["Sort it."] * 6), encoding="utf-8")
    assert survey(path).system == "Sort it."
    path.write_text(rows(["Sort it.", "Other."] * 3), encoding="utf-8")
    assert survey(path).system == ""


@pytest.mark.parametrize(
    ("labels", "pairs"),
    [
        (["billing", "biling", "shipping"], [("biling", "billing")]),
        (["refund", "refunds"], [("refund", "refunds")]),
        (["not_spam", "not spam", "spam"], [("not spam", "not_spam")]),
        (["sci-fi", "scifi"], [("sci-fi", "scifi")]),
        (["level 1", "level 2", "2023", "2024"], []),
        (["typical", "atypical", "valid", "invalid", "male", "female"], []),
        (["increase", "decrease", "car", "cat", "A", "B", "option a", "option b"], []),
        (["positive", "negative", "neutral"], []),
    ],
)
def test_labels_that_look_like_slips(labels: list[str], pairs: list[tuple[str, str]]) -> None:
    assert lookalikes(labels) == pairs


def test_labels_that_differ_in_case_or_blanks_are_one_and_check_says_so() -> None:
    assert spellings(["Spam", "spam ", "ham"]) == {"Spam": ["Spam", "spam "], "ham": ["ham"]}
    told = ("Spam", "spam ", "ham", "hamm")
    rows = [(f"Mail {n}", told[n % 4]) for n in range(80)]
    for metric in ("auto", "choice"):
        made = PromptProblem.from_rows(rows, metric=metric, scorer=scripted.model())
        assert set(made.metric.labels) == {"Spam", "ham", "hamm"}
        said = " ".join(cautions(made, scripted.model(), ""))
        assert "'Spam', 'spam ' differ only in case, blanks or end marks and count as one" in said
        assert "'ham' (20 rows) and 'hamm' (20 rows) look alike" not in said  # three letters
    rows = [(f"Mail {n}", ("refund", "refunds")[n % 2]) for n in range(80)]
    made = PromptProblem.from_rows(rows, scorer=scripted.model())
    said = " ".join(cautions(made, scripted.model(), ""))
    assert "'refund' (40 rows) and 'refunds' (40 rows) look alike" in said
