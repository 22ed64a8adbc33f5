"""A promptfoo configuration as data: what maps is taken as it is, the rest is refused."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from llmopt.errors import DataError, MissingExtraError
from llmopt.problems.data.columns import load

if TYPE_CHECKING:
    from pathlib import Path

HEAD = """
prompts: ['Answer: {{question}}']
providers: [openai:chat:gpt-5-mini]
"""
TESTS = """
tests:
  - vars: {question: 'Is it so?'}
    assert:
      - {type: equals, value: yes}
  - vars:
      question: Where?
    assert:
      - type: icontains
        value: 'Paris'
  - description: a variable gives the answer
    vars: {question: 'How many?', target: 01.50}
    assert:
      - type: llm-rubric
        value: is friendly
"""


def rows(folder: Path, text: str, **columns: str) -> list[tuple[str, str]]:
    pytest.importorskip("yaml", reason="the extra promptfoo is not installed")
    path = folder / "promptfooconfig.yaml"
    path.write_text(text, encoding="utf-8")
    names = {"input": "question", "target": "target", **columns}
    return [(item.input, item.target) for item in load(path, **names)]


def test_variables_and_what_is_expected_are_columns(tmp_path: Path) -> None:
    """Scalars stay what is written: neither yes nor 01.50 is anything but text."""
    expected = [("Is it so?", "yes"), ("Where?", "Paris"), ("How many?", "01.50")]
    assert rows(tmp_path, HEAD + TESTS) == expected


def test_json_is_read_without_a_library(tmp_path: Path) -> None:
    tests = [
        {"vars": {"question": "2 + 2"}, "assert": [{"type": "equals", "value": 4}]},
        {"vars": {"question": "Is it?"}, "assert": [{"type": "equals", "value": True}]},
    ]
    path = tmp_path / "promptfooconfig.json"
    path.write_text(json.dumps({"prompts": ["{{question}}"], "tests": tests}), encoding="utf-8")
    found = load(path, input="question", target="target")
    assert [item.target for item in found] == ["4", "true"]


def test_defaults_go_with_every_test(tmp_path: Path) -> None:
    """Its variables may be replaced; an assertion may name a variable."""
    text = """
defaultTest:
  vars: {question: 'Really?', answer: no}
  assert: [{type: equals, value: '{{ answer }}'}]
tests:
  - vars: {answer: yes}
  - vars: {question: 'Truly?'}
"""
    assert rows(tmp_path, HEAD + text) == [("Really?", "yes"), ("Truly?", "no")]


def test_further_files_are_read(tmp_path: Path) -> None:
    """Tables with what is expected in a column, and lists; beside the configuration."""
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a.csv").write_text(
        "question,__expected,__description\nIs it?,yes,x\nWhere?,icontains: Paris,\n"
        "Note: why?,so: it is,\n",
        encoding="utf-8",
    )
    (tmp_path / "b.yaml").write_text(
        "- vars: {question: 'Who?'}\n  assert: [{type: equals, value: Me}]\n", encoding="utf-8"
    )
    (tmp_path / "c.jsonl").write_text(
        '{"vars": {"question": "When?", "target": "Now"}}\n', encoding="utf-8"
    )
    expected = [("Is it?", "yes"), ("Where?", "Paris"), ("Note: why?", "so: it is")]
    assert rows(tmp_path, HEAD + "tests: file://more/a.csv\n") == expected
    found = rows(tmp_path, HEAD + "tests: [file://b.yaml, c.jsonl]\n")
    assert found == [("Who?", "Me"), ("When?", "Now")]


def test_escaped_braces_are_braces(tmp_path: Path) -> None:
    """As ``llmopt export`` writes them."""
    test = {"vars": {"question": 'Is {{ "{" }}{x}} {{ "#}" }}?', "target": '{{ "{" }}% a %}'}}
    found = rows(tmp_path, HEAD + f"tests: {json.dumps([test])}\n")
    assert found == [("Is {{x}} #}?", "{% a %}")]


def asserted(*assertions: dict[str, Any]) -> str:
    return f"tests: {json.dumps([{'vars': {'question': 'Q'}, 'assert': list(assertions)}])}\n"


EQUALS = {"type": "equals", "value": "a"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (asserted({"type": "javascript", "value": "true"}), "test 1: an assertion is one of eq"),
        (asserted(EQUALS, {"type": "latency", "threshold": "5"}), "but got 'latency'"),
        (asserted({**EQUALS, "type": "not-equals"}), "but got 'not-equals'"),
        (asserted({**EQUALS, "transform": "output.x"}), "'equals' with a transform"),
        (asserted(EQUALS, {"type": "contains", "value": "b"}), "expects one answer, but got 2"),
        (asserted(), "expects one answer, but got 0"),
        (asserted({"type": "equals", "value": "{{ a | upper }}"}), "got the template"),
        (asserted({"type": "equals", "value": "file://a.txt"}), "stands in the file itself"),
        (asserted({"type": "equals", "value": ["a"]}), "a value is a text, but got \\['a'\\]"),
        ("tests: [{vars: {question: '{% x %}'}}]\n", "got the template"),
        ("tests: [{vars: {question: [a, b]}}]\n", "a value is a text"),
        ("tests: [{vars: [a]}]\n", "are tables, but got"),
        ("tests: [7.xlsx]\n", "test cases are in .csv"),
        ("tests: file://none.csv\n", "a data file exists"),
        ("tests: [\n", "line 5: the data is valid YAML"),
        ("defaultTest: file://d.yaml\ntests: []\n", "defaultTest is written in the file"),
        ("tests: []\n", "at least one row"),
    ],
)
def test_what_does_not_map_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        rows(tmp_path, HEAD + text)


def test_a_judge_in_a_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("question,__expected\nQ,python: len(output)\n", "utf-8")
    with pytest.raises(DataError, match=r"line 2: an assertion is one of .* but got 'python'"):
        rows(tmp_path, HEAD + "tests: a.csv\n")


def test_other_yaml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a promptfoo configuration with prompts and tests"):
        rows(tmp_path, "- {question: a, target: b}\n")


def test_a_wrong_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no 'questoin'; did you mean 'question'"):
        rows(tmp_path, HEAD + TESTS, input="questoin")


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    path = tmp_path / "a.yaml"
    path.write_text(HEAD + TESTS, encoding="utf-8")
    with pytest.raises(MissingExtraError, match=r"llms-as-optimizers\[promptfoo\]"):
        load(path, input="question", target="target")
