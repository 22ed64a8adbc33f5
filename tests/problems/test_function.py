"""A Python function is optimized in the user's direction, whatever it does."""

from __future__ import annotations

import asyncio
import re
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import llmopt
from llmopt.core.problem import Refusal
from llmopt.core.values import Item
from llmopt.errors import ConfigError, StepFailedError
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.problems.function import FunctionProblem
from llmopt.testing import scripted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llmopt.core.values import Call, Outcome

VALUE = Item("value")


def measured(function: Callable[[str], Any], text: str = "x", **options: Any) -> Outcome:
    problem = FunctionProblem(function, "Find it.", ["x"], **options)
    return asyncio.run(problem.measure(text, VALUE, None))


def good_words(text: str) -> float:
    return sum(word in text for word in scripted.GOOD)


# -- direction --------------------------------------------------------------------------------


def test_higher_is_better_inside_and_the_users_value_is_shown() -> None:
    up = FunctionProblem(float, "High.", ["1"])
    down = FunctionProblem(float, "Low.", ["1"], minimize=True)
    assert measured(float, "2.5").score == 2.5
    assert measured(float, "2.5", minimize=True).score == -2.5
    assert up.show(2.5, 100) == down.show(-2.5, 100) == "2.5"
    assert up.description.higher_is_better
    assert not down.description.higher_is_better
    assert measured(float, "2.5", minimize=True).answer == "2.5"


@given(st.floats(-1e6, 1e6, allow_subnormal=False), st.booleans())
def test_the_aim_is_better_in_the_users_direction(value: float, minimize: bool) -> None:
    problem = FunctionProblem(float, "Find.", ["1"], minimize=minimize, decimals=15)
    score = -value if minimize else value
    aim = float(problem.aim(score, 100))
    assert aim < value if minimize else aim > value


def test_zero_is_shown_without_a_sign() -> None:
    assert FunctionProblem(float, "Low.", ["1"], minimize=True).show(0.0, 100) == "0"


def test_values_are_shown_with_significant_digits_and_without_a_scale() -> None:
    """O25: near-equal values can be told apart."""
    problem = FunctionProblem(float, "Find.", ["1"], decimals=4)
    assert problem.show(12.3449, 100) == "12.34"
    assert problem.show(0.000123456, 100) == "0.0001235"
    assert problem.scale(100) == ""


# -- what the function may do -----------------------------------------------------------------


def no_item(text: str) -> float:
    return next(float(c) for c in text if c.isdigit())


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda _: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda _: float("nan"), "the function gave nan"),
        (lambda _: {"score": 1.0}, "a function returns a number, but gave {'score': 1.0}"),
        (lambda _: float("inf"), "the function gave inf"),
        (lambda _: float("-inf"), "the function gave -inf"),
        (lambda _: None, "TypeError"),
        (lambda _: "much", "a function returns a number, but gave 'much'"),
        (no_item, "StopIteration"),
    ],
)
def test_what_goes_wrong_in_the_function_is_the_reason(
    function: Callable[[str], Any], reason: str
) -> None:
    outcome = measured(function)
    assert outcome.score is None
    assert reason in outcome.reason


def test_a_coroutine_function_is_awaited() -> None:
    async def later(text: str) -> float:
        await asyncio.sleep(0)
        return len(text)

    assert measured(later, "abc").score == 3


def test_a_plain_function_does_not_hold_up_the_event_loop() -> None:
    assert measured(lambda _: threading.current_thread() is threading.main_thread()).score == 0


async def test_a_function_that_waits_lets_others_be_measured() -> None:
    both = threading.Barrier(2)

    def meet(_text: str) -> float:
        both.wait(timeout=30)
        return 1.0

    problem = FunctionProblem(meet, "Meet.", ["x"])
    outcomes = await asyncio.gather(*(problem.measure("x", VALUE, None) for _ in range(2)))
    assert [o.score for o in outcomes] == [1.0, 1.0]


# -- texts ------------------------------------------------------------------------------------


def pair(text: str) -> str:
    numbers = [float(part) for part in text.strip(" []").split(",")]
    if len(numbers) != 2:
        raise ValueError("not two numbers")
    return ", ".join(f"{number:g}" for number in numbers)


def test_a_parser_gives_the_canonical_form_or_refuses_with_its_reason() -> None:
    problem = FunctionProblem(float, "Find.", ["[1, 2]"], parser=pair)
    assert problem.starts == ("1, 2",)
    assert problem.parse("[3.0,4]") == "3, 4"
    assert problem.parse("1") == Refusal("not two numbers")
    assert problem.parse("1, two") == Refusal("could not convert string to float: ' two'")
    assert problem.parse("<INS>1, 2") == Refusal("leaked marker <INS>")


def test_without_a_parser_white_space_is_stripped() -> None:
    problem = FunctionProblem(float, "Find.", [" 1 ", "1", "2"])
    assert problem.starts == ("1", "2")
    assert problem.parse(" \n") == Refusal("empty")


@pytest.mark.parametrize("seeds", [[], "one text", ["1, 2", "1"], ["<INS>"]])
def test_starts_that_cannot_be_used_are_refused(seeds: Any) -> None:
    with pytest.raises(ConfigError, match="starting text"):
        FunctionProblem(float, "Find.", seeds, parser=pair)


def test_the_fingerprint_names_the_function_and_every_setting() -> None:
    plain = FunctionProblem(len, "Find.", ["x"])
    assert plain.fingerprint == FunctionProblem(len, "Find.", ["x"]).fingerprint
    others = [
        FunctionProblem(float, "Find.", ["x"]),
        FunctionProblem(len, "Seek.", ["x"]),
        FunctionProblem(len, "Find.", ["y"]),
        FunctionProblem(len, "Find.", ["x"], minimize=True),
        FunctionProblem(len, "Find.", ["x"], parser=str.lower),
        FunctionProblem(len, "Find.", ["x"], decimals=3),
    ]
    assert len({str(p.fingerprint) for p in (plain, *others)}) == 7


# -- a whole run ------------------------------------------------------------------------------


def optimized(function: Callable[[str], Any], folder: Path, **options: Any) -> llmopt.Result:
    minimize = options.pop("minimize", False)
    problem = FunctionProblem(function, "Use the right words.", ["Answer."], minimize=minimize)
    return llmopt.optimize(
        problem,
        store=folder / "runs.sqlite",
        name="function",
        progress=False,
        controls=(),
        optimizer=options.pop("optimizer", scripted.model()),
        steps=4,
        **options,
    )


def test_a_function_is_maximized(tmp_path: Path) -> None:
    result = optimized(good_words, tmp_path)
    assert good_words(result.best.text) >= 3
    assert result.lines[1].train is not None
    assert result.lines[1].train.mean == good_words(result.best.text)
    assert result.test is None
    assert result.verdict == "Not tested: nothing is held out."
    assert result.notes == ()
    assert set(result.usage) <= {"optimizer", "scorer"}


def test_a_function_is_minimized(tmp_path: Path) -> None:
    asked: list[str] = []

    def answer(call: Call) -> str:
        asked.append(call.text)
        return scripted.answer(call)

    model = ScriptedModel(answer)
    result = optimized(lambda t: 9 - good_words(t), tmp_path, minimize=True, optimizer=model)
    assert good_words(result.best.text) >= 3
    assert "lower is better" in asked[-1]
    values = [float(value) for value in re.findall(r"^([\d.]+): <INS>", asked[-1], re.MULTILINE)]
    assert len(values) > 3
    assert values == sorted(values, reverse=True)  # the best, which is the lowest, comes last


def test_a_function_that_fails_on_some_texts_does_not_stop_the_run(tmp_path: Path) -> None:
    def moody(text: str) -> float:
        if "twice" in text:
            raise RuntimeError("no such word")
        return float("nan") if "please" in text else good_words(text)

    result = optimized(moody, tmp_path)
    assert "twice" not in result.best.text
    assert "please" not in result.best.text
    assert result.steps == 4
    assert result.candidates > 4
    (note,) = result.notes
    assert re.fullmatch(r"\d+ of \d+ solutions could not be measured: .*\.", note)
    assert re.search(r"\d x RuntimeError: no such word", note)
    assert re.search(r"\d x the function gave nan", note)


def test_a_function_that_fails_on_every_start_ends_the_run_before_anything_is_paid(
    tmp_path: Path,
) -> None:
    def broken(_text: str) -> float:
        raise RuntimeError("disk full")

    with pytest.raises(StepFailedError, match="RuntimeError: disk full"):
        optimized(broken, tmp_path)
