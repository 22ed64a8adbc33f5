"""Truths about metrics: what they credit, how they are named and what they refuse."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from llmopt.core.values import Item
from llmopt.errors import ConfigError, DataError, UnknownNameError
from llmopt.problems.metrics.contract import Metric, Scored
from llmopt.problems.metrics.json_fields import JsonFields
from llmopt.problems.metrics.rules import (
    Boolean,
    Brackets,
    Choice,
    Contains,
    Exact,
    Function,
    LetteredOptions,
    Number,
    Pattern,
    Words,
    check_targets,
    default_metric,
    metric_named,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def item(target: str) -> Item:
    return Item("row-1", "input", target)


@pytest.mark.parametrize(
    ("metric", "output", "target", "scored"),
    [
        (Exact(), ' **"Paris."** ', "paris", Scored(1, "paris")),
        (Exact(), "It is Paris", "Paris", Scored(0, "it is paris")),
        (Exact(), " ", "Paris", Scored(0, None)),
        (Exact(), "x" * 300, "y", Scored(0, "x" * 200)),
        (Choice(("spam", "not spam")), "It is not spam.", "Not Spam", Scored(1, "not spam")),
        (Choice(("spam", "not spam")), "It is not spam.", "spam", Scored(0, "not spam")),
        (Choice(("A", "B")), "(b) banana", "A", Scored(0, "B")),
        (Choice(("A", "B")), "banana", "A", Scored(0, None)),
        (Number(), "So: 15 dollars.", "15", Scored(1, "15")),
        (Number(), "about 15", "16", Scored(0, "15")),
        (Number(tolerance=1), "about 15", "16", Scored(1, "15")),
        (Number(), "often", "10", Scored(0, None)),
        (Boolean(), "Yes, it is", "yes", Scored(1, "yes")),
        (Boolean(), "invalid", "valid", Scored(0, "invalid")),
        (Boolean(), "I do not know", "No", Scored(0, None)),
        (Boolean(), "It is true. Yes", "No", Scored(0, "yes")),
        (Words(), "Sorted: barn, damp", "barn damp", Scored(1, "barn damp")),
        (Words(), "damp barn", "barn damp", Scored(0, "damp barn")),
        (Brackets(), "So the answer is ] ) .", "] )", Scored(1, "] )")),
        (Brackets(), "[ ( ) ]", "]", Scored(1, ") ]")),
        (Brackets(), "] )", "] >", Scored(0, "] )")),
        (Contains(), "I live in New  York.", "new york", Scored(1, "i live in new york")),
        (Contains(), "invalid", "valid", Scored(0, "invalid")),
        (Pattern(r"=\s*(\w+)"), "x = Paris!", "paris", Scored(1, "paris")),
        (Pattern(r"\d+"), "12 or 13", "12", Scored(1, "12")),
        (Pattern(r"(a)|b"), "b", "b", Scored(0, None)),
        (Pattern(r"\d+"), "none", "12", Scored(0, None)),
        (Pattern(r"end"), " " * 20_000 + "end", "end", Scored(0, None)),
    ],
)
def test_scores_and_answers(metric: Metric, output: str, target: str, scored: Scored) -> None:
    assert metric(output, item(target)) == scored


SHAPES = "What is it?\nOptions:\n(A) circle\n(B) line"


def test_options_are_read_from_the_input_of_each_item() -> None:
    shape = Item("1", SHAPES, "(B)")
    assert LetteredOptions()("It is a line.", shape) == Scored(1, "(B) line")
    assert LetteredOptions()("B", Item("1", SHAPES, "line")) == Scored(1, "(B) line")
    assert LetteredOptions()("(A)", shape) == Scored(0, "(A) circle")
    assert LetteredOptions()("no idea", shape) == Scored(0, None)
    asked = Item("2", "Is it?\nOptions:\n- Yes\n- No", "No")
    assert LetteredOptions()("**No**, because", asked) == Scored(1, "No")


def test_a_target_that_broken_options_do_not_show_is_right_as_a_text() -> None:
    """BIG-Bench Hard has three questions whose target no option shows."""
    torn = Item("1", "Find a movie:\nOptions:\n(A) Monsters\n(B) Inc", "Monsters, Inc")
    assert LetteredOptions()("Monsters, Inc", torn).score == 1
    assert LetteredOptions()("(A)", torn).score == 0
    check_targets(LetteredOptions(), [torn])


def test_options_that_cannot_be_right_are_refused() -> None:
    for wrong in (Item("1", SHAPES, "(C)"), Item("1", "No options", "(A)")):
        with pytest.raises(DataError, match="options in the input for the metric options"):
            check_targets(LetteredOptions(), [wrong])
    check_targets(LetteredOptions(), [Item("1", SHAPES, "(B)"), Item("2", SHAPES, "Line")])


def test_the_repr_of_a_metric_is_its_configuration() -> None:
    assert repr(Choice(("a", "b"))) == "Choice(choices=('a', 'b'))"
    assert repr(Number(0.5)) == "Number(tolerance=0.5)"
    assert repr(Pattern("x")) == "Pattern(regex='x')"
    assert repr(Function("m:f", lambda _output, _item: 1)) == "Function(name='m:f')"
    assert Pattern("x") == Pattern("x")
    assert Choice(["a", "b"]) == Choice(("a", "b"))  # type: ignore[arg-type]  # users give lists


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("exact", Exact()),
        ("number", Number()),
        ("boolean", Boolean()),
        ("contains", Contains()),
        ("options", LetteredOptions()),
        ("list", Words()),
        ("brackets", Brackets()),
        ("choice", Choice(("a", "b"))),
        ("pattern:x: (.)", Pattern("x: (.)")),
    ],
)
def test_metrics_have_names(name: str, metric: Metric) -> None:
    assert metric_named(name, ("a", "b")) == metric


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pattern:(", r"regular expression, but got '\('"),
        ("choice", "choices are a list of answers"),
        ("no_such_module:f", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("math:no_such_name", "AttributeError: .*no_such_name"),
        ("math:pi", "plain function .* is a float"),
        (":f", "written package.module:name, but got ':f'"),
    ],
)
def test_what_cannot_be_a_metric_is_refused(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        metric_named(name)


def test_an_unknown_name_proposes_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'number'"):
        metric_named("numbr")


def test_choices_and_tolerances_are_checked() -> None:
    with pytest.raises(ConfigError, match="not blank"):
        Choice(("a", " "))
    with pytest.raises(ConfigError, match="list of answers"):
        Choice("abc")  # type: ignore[arg-type]
    for tolerance in (-1, math.nan):
        with pytest.raises(ConfigError, match="at least 0"):
            Number(tolerance)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A user's module in the current directory."""
    name = "users_own_metric"
    (tmp_path / f"{name}.py").write_text(
        "import asyncio\n"
        "def length(output, item):\n"
        "    return min(1.0, len(output) / len(item.target))\n"
        "def same(output, item):\n"
        "    return output == item.target\n"
        "def broken(output, item):\n"
        "    return output['x']\n"
        "async def later(output, item):\n"
        "    return 1\n"
        "class Nest:\n"
        "    same = staticmethod(same)\n"
    )
    (tmp_path / "users_broken_module.py").write_text("1 / 0\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield name
    sys.modules.pop(name, None)


def test_a_users_function_is_found_in_the_current_directory(module: str) -> None:
    assert metric_named(f"{module}:length")("ab", item("abcd")) == Scored(0.5, "ab")
    assert metric_named(f"{module}:same")("ab", item("ab")) == Scored(1.0, "ab")
    assert metric_named(f"{module}:Nest.same")("", item("ab")) == Scored(0.0, None)


def test_a_users_module_that_fails_is_named(module: str) -> None:
    with pytest.raises(ConfigError, match=r"users_broken_module:f.*ZeroDivisionError"):
        metric_named("users_broken_module:f")
    with pytest.raises(ConfigError, match="later' is asynchronous"):
        metric_named(f"{module}:later")


def test_what_a_users_function_raises_goes_through_with_the_row(module: str) -> None:
    with pytest.raises(TypeError) as caught:
        metric_named(f"{module}:broken")("ab", item("ab"))
    assert f"raised by the metric {module}:broken on the item row-1" in caught.value.__notes__


@pytest.mark.parametrize("value", [1.5, -0.1, math.nan, math.inf, "1", None, [1], 1j])
def test_a_users_score_is_from_0_to_1(value: object) -> None:
    metric = Function("mine:f", lambda _output, _item: value)
    with pytest.raises(DataError, match=r"the metric mine:f gave .* for the item row-1"):
        metric("ab", item("ab"))


@pytest.mark.parametrize("value", [True, 1, np.float32(1), np.bool_(True), np.int64(1)])
def test_a_users_score_may_be_any_number(value: object) -> None:
    score = Function("mine:f", lambda _output, _item: value)("ab", item("ab")).score
    assert (type(score), score) == (float, 1.0)


@pytest.mark.parametrize(
    ("targets", "metric"),
    [
        (["12", "$1,200", "-0.5"], Number()),
        (["True", "False", "true"], Boolean()),
        (["yes", "no"], Boolean()),
        (["yes", "true", "yes", "true"], Choice(("true", "yes"))),
        (["spam", "ham", "Spam", "ham "], Choice(("ham", "Spam"))),
        (["(B)", "(A)", "(A)", "(B)"], Choice(("(A)", "(B)"))),
        (["spam", "ham", "spam"], Exact()),
        (["spam", "spam"], Exact()),
        ([str(n) + "x" for n in range(21)] * 2, Exact()),
        ([], Exact()),
    ],
)
def test_targets_suggest_a_metric(targets: list[str], metric: Metric) -> None:
    assert default_metric(targets) == metric
    assert default_metric(targets[::-1]) == metric


def test_a_suggested_metric_can_credit_every_target() -> None:
    for targets in (["1", "2"], ["Yes", "no"], ["a b", "c", "a b", "c"], ["x", "y"]):
        metric = default_metric(targets)
        check_targets(metric, [item(target) for target in targets])
        for target in targets:
            scored = metric(target, item(target))
            assert isinstance(scored, Scored)
            assert scored.score == 1


@pytest.mark.parametrize(
    ("metric", "target", "message"),
    [
        (Choice(("spam", "ham")), "egg", "one of 'spam', 'ham' for the metric choice.* 'egg'"),
        (Number(), "twelve monkeys", "a number for the metric number.* 'twelve monkeys'"),
        (Boolean(), "maybe", "valid or invalid for the metric boolean.* 'maybe'"),
        (Exact(), " ", "some text for the metric exact"),
        (Words(), " ", "a list of words for the metric words"),
        (Brackets(), "( )", "closing brackets for the metric brackets"),
    ],
)
def test_a_target_that_is_never_right_is_named(metric: Metric, target: str, message: str) -> None:
    fine = {"Choice": "spam", "Number": "1", "Boolean": "no", "Brackets": "]"}
    right = fine.get(type(metric).__name__, "x")
    items = [Item("first", "Is it?", right), Item("second", "Why\nnot?", target)]
    with pytest.raises(DataError, match=message) as caught:
        check_targets(metric, items)
    assert "row second, 'Why not?', has" in str(caught.value)


def test_targets_of_functions_are_the_users_own() -> None:
    check_targets(Function("m:f", lambda _output, _item: 1), [item("")])


def test_fields_of_the_metric_json_have_weights() -> None:
    assert metric_named("json") == JsonFields()
    assert metric_named("json:label=2, reason") == JsonFields((("label", 2.0), ("reason", 1.0)))
    for wrong in ("json:=2", "json:label=x", "json:label=0", "json:label=nan"):
        with pytest.raises(ConfigError, match="json"):
            metric_named(wrong)


def test_a_target_lacks_what_json_counts() -> None:
    item = Item("7", "?", '{"label": "a"}')
    JsonFields((("label", 1.0), ("more", 1.0))).check(item)
    with pytest.raises(DataError, match=r"row 7.*name fields of the targets"):
        JsonFields((("more", 1.0),)).check(item)


def test_targets_that_are_objects_are_compared_by_field() -> None:
    assert default_metric(['{"a": 1}', '{"a": 2}']) == JsonFields()
    assert default_metric(['{"a": 1}', "a"]) != JsonFields()
