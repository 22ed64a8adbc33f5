"""Conformance suite for metrics.

Apply it to a metric of your own::

    from llmopt.testing import metrics

    CASE = metrics.Case(MyMetric(), (Item("1", "2 + 2?", "4"), Item("2", "2 + 3?", "5")))

    @pytest.mark.parametrize("check", metrics.CHECKS, ids=lambda check: check.__name__)
    async def test_my_metric(check):
        await check(CASE)

Each check raises AssertionError with what was broken.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmopt.core.values import Message
from llmopt.errors import DataError
from llmopt.problems.metrics.contract import Metric, Rule, Scored
from llmopt.problems.prompt.scorer_call import Asking
from llmopt.testing import scripted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from llmopt.core.values import Item

    Check = Callable[["Case"], Awaitable[None]]

_NASTY = (
    "",
    " \t\r\n",
    "nul \0",
    "{{ 7 * 7 }} \\",
    "ä 中文 🙂 e\u0301 \u202e \ufeff",
    "x" * 100_000,
)


def _itself(target: str) -> str:
    return target


def _inside(target: str) -> str:
    return f"x{target}x"


@dataclass(frozen=True)
class Case:
    """A metric with what it is tried on.

    Attributes:
        metric: A judge LLM is bound to it where it asks one.
        items: Two or more whose targets differ, and can be right.
        refused: Items whose targets can never be right; empty: it refuses none.
        said: Plainly formatted outputs that give an answer, with ``{}`` in its place.
        formed: An item's target -> the answer in the form that the metric asks for.
        inside: A target -> an output in which it stands inside of another word, or another
            answer, and which is not right.
    """

    metric: Metric
    items: tuple[Item, ...]
    refused: tuple[Item, ...] = ()
    said: tuple[str, ...] = ("{}", " {}\n")
    formed: Callable[[str], str] = _itself
    inside: Callable[[str], str] = _inside


async def names_itself(case: Case) -> None:
    """It has a name, a line of help and a repr that is its configuration and stays the same."""
    metric = case.metric
    _demand(isinstance(metric, Metric), "it is a Metric")
    _demand(metric.name and metric.title, "it has a name")
    _demand(metric.help, "it says what it takes for right")
    _demand(metric.measure and metric.task, "it presents itself to an optimizer LLM")
    _demand(" at 0x" not in repr(metric), "its repr holds no memory address")


async def credits_the_target(case: Case) -> None:
    """The target of an item is a right answer to it, and what is read from it is recorded."""
    for item in case.items:
        scored = await _scored(case, item.target, item)
        _demand(scored.score == 1, f"the target {item.target!r} scores 1, not {scored.score}")
        _demand(scored.answer, f"the answer {item.target!r} is recorded")


async def reads_plain_answers(case: Case) -> None:
    """A plainly formatted answer is read, and is the same as the target."""
    for item in case.items:
        for form in case.said:
            said = form.format(item.target)
            _demand((await _scored(case, said, item)).score == 1, f"{said!r} is right")
            if isinstance(case.metric, Rule):
                answer = case.metric.extract(said, item)
                _demand(answer is not None, f"an answer is read from {said!r}")
                _demand(answer and case.metric.same(answer, item), f"{answer!r} is the target")


async def credits_no_wrong_answer(case: Case) -> None:
    """The answer to another item is not right."""
    targets = {item.target for item in case.items}
    _demand(len(targets) > 1, "a case has items with different targets")
    for item in case.items:
        for other in targets - {item.target}:
            score = (await _scored(case, other, item)).score
            _demand(score < 1, f"{other!r} is not right where {item.target!r} is")


async def credits_no_bare_substring(case: Case) -> None:
    """An answer that only holds the target's letters is not right."""
    for item in case.items:
        said = case.inside(item.target)
        _demand(item.target in said, "a case embeds the target")
        score = (await _scored(case, said, item)).score
        _demand(score < 1, f"{said!r} is not right where {item.target!r} is")


async def scores_anything_from_0_to_1(case: Case) -> None:
    """Whatever a model writes gets a score from 0 to 1, and the same one again."""
    for item in case.items:
        for said in _NASTY:
            scored = await _scored(case, said, item)
            _demand(type(scored.score) is float and 0 <= scored.score <= 1, "a score is 0 to 1")
            _demand(scored == await _scored(case, said, item), "equal outputs get equal scores")


async def refuses_impossible_targets(case: Case) -> None:
    """It refuses targets that can never be right, naming the row, and no others."""
    for item in case.items:
        case.metric.check(item)
    for item in case.refused:
        try:
            case.metric.check(item)
        except DataError as error:
            _demand(f"row {item.id}" in str(error), "a refusal names the row")
        else:
            raise AssertionError(f"the target {item.target!r} is refused")


async def asks_for_what_it_reads(case: Case) -> None:
    """The form in which a final answer is asked for is one that it reads."""
    metric, model = case.metric, scripted.model()
    _demand(metric.tokens >= 1, "an answer has a token or more")
    asking = Asking(again=True)
    for item in case.items:
        first = asking.first((Message("user", "Go."),), model, metric, item)
        second = asking.second(first, "Hm.", metric)
        _demand(second and metric.form in second.text, "the cue asks for its form")
        said = case.formed(item.target)
        _demand((await _scored(case, said, item)).score == 1, f"the form {said!r} is right")


async def closes_its_answers(case: Case) -> None:
    """Where all answers are known, exactly one of them is right: the expected one."""
    if not case.metric.closed_set:
        return
    for item in case.items:
        found = case.metric.closed(item)
        _demand(len(found.answers) == len(found.texts) == len(set(found.texts)), "a text for each")
        for number, answer in enumerate(found.answers):
            score = (await _scored(case, answer, item)).score
            _demand((score == 1) == (number == found.right), f"{answer!r} is right if expected")


async def exports_or_says_no(case: Case) -> None:
    """It gives promptfoo an assertion whose values are data, or nothing."""
    found = case.metric.promptfoo()
    if found is not None:
        _demand(found.code.strip(), "an assertion says something")
        _demand(all(name in found.code for name in found.values), "every value has a place")
        json.dumps(dict(found.values))


async def tells_its_calls(case: Case) -> None:
    """It asks a judge LLM as often as it says, and only if one is bound to it."""
    metric, model, item = case.metric, scripted.model(), case.items[0]
    calls = metric.asked(item.target, item, model)
    _demand(len(calls) == metric.calls, "it makes as many calls as it says")
    _demand((metric.judge is not None) == bool(metric.calls), "a judge LLM is bound if it asks one")
    _demand(metric.ready() is metric.judge, "it is ready with the judge LLM that is bound to it")
    _demand(bool(metric.scale_in_words) == bool(metric.calls), "it says how a judge LLM judges")
    _demand(isinstance(await metric.remarks(item.target, item), str), "remarks are a text")


async def _scored(case: Case, output: str, item: Item) -> Scored:
    scored = case.metric(output, item)
    return scored if isinstance(scored, Scored) else await scored


def _demand(truth: object, rule: str) -> None:
    if not truth:
        raise AssertionError(f"broken: {rule}")


CHECKS: tuple[Check, ...] = (
    names_itself,
    credits_the_target,
    reads_plain_answers,
    credits_no_wrong_answer,
    credits_no_bare_substring,
    scores_anything_from_0_to_1,
    refuses_impossible_targets,
    asks_for_what_it_reads,
    closes_its_answers,
    exports_or_says_no,
    tells_its_calls,
)
"""All checks."""
