"""Every metric keeps the rules of the conformance suite, and the suite has teeth."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from llmopt.core.values import Item
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.problems.metrics.contract import (
    Assertion,
    Metric,
    Rule,
    Scored,
)
from llmopt.problems.metrics.json_fields import JsonFields
from llmopt.problems.metrics.judge import Judge
from llmopt.problems.metrics.rouge import RougeL
from llmopt.problems.metrics.rules import (
    METRICS,
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
    metric_named,
    owned,
)
from llmopt.testing import metrics
from llmopt.testing.metrics import Case

if TYPE_CHECKING:
    from llmopt.core.values import Call

SHAPES = "What is it?\n(A) a circle\n(B) a line\n(C) a point"
ANNOUNCED = ("{}", " {}\n", "Let me see. The answer is {}.", "**{}**")


def items(*targets: str, shown: str = "What is it?") -> tuple[Item, ...]:
    return tuple(Item(f"row-{n}", shown, target) for n, target in enumerate(targets))


def judged(call: Call) -> str:
    """Rate 5 where the answer is the reference answer, else 1."""
    shown = dict(
        re.findall(
            r"^\[begin (.+?) [0-9a-f]{12}\]\n(.*?)\n\[end", call.text, re.MULTILINE | re.DOTALL
        )
    )
    (line,) = re.findall(r"Verdict [0-9a-f]{12}:(?= .$)", call.text)
    same = shown["answer"].strip() == shown["reference answer"].strip()
    return f"{line} {5 if same else 1}"


def length(output: str, item: Item) -> float:
    """Score how many of the target's words are there."""
    words = output.lower().split()
    return sum(word in words for word in item.target.split()) / len(item.target.split())


CASES = {
    "exact": Case(Exact(), items("Paris", "New York"), items(" "), ("{}", ' "{}." ', "**{}**")),
    "choice": Case(
        Choice(("valid", "invalid", "not sure")),
        items("valid", "invalid", "not sure"),
        items("maybe"),
        ANNOUNCED,
        inside=lambda target: f"x{target}ity",
    ),
    "number": Case(
        Number(),
        items("12", "-0.5", "1,200"),
        items("twelve monkeys", " "),
        (*ANNOUNCED, "3 of 9 is nothing, so we get {}"),
        inside=lambda target: f"1{target}3",
    ),
    "boolean": Case(Boolean(), items("valid", "invalid", "yes"), items("maybe"), ANNOUNCED),
    "contains": Case(
        Contains(), items("valid", "New York"), items(" "), (*ANNOUNCED, "I say {}, of course")
    ),
    "options": Case(
        LetteredOptions(),
        items("A", "a line", "C", shown=SHAPES),
        (*items("(D)", shown=SHAPES), *items("(A)", shown="no options")),
        ANNOUNCED,
        formed=lambda target: "B" if target == "a line" else target,
    ),
    "list": Case(
        Words(), items("barn damp", "damp barn"), items(" "), ("{}", "The answer is {}.", "**{}**")
    ),
    "brackets": Case(
        Brackets(),
        items("] )", "> }"),
        items("( )", "x"),
        ("{}", "So the answer is {} ."),
        inside=lambda target: f"] {target}",
    ),
    "json": Case(
        JsonFields(),
        items('{"label": "spam", "score": 3}', '{"label": "ham", "score": 0.5}'),
        items("spam", "[1]", "{}"),
        ("{}", "Here it is:\n```json\n{}\n```", "<think>{{}}</think>{}"),
        inside=lambda target: f'{{"inside": {target}}}',
    ),
    "pattern": Case(
        Pattern(r"(?m)^(?:Answer: )?(\S.*)$"), items("yes", "no way"), items(" "), ("Answer: {}",)
    ),
    "rouge-l": Case(RougeL(), items("Ann owns it.", "New York"), items(" ", "."), ("{}", " {}\n")),
    "judge": Case(
        Judge().bound(ScriptedModel(judged)), items("Paris", "New York"), said=("{}", " {}\n")
    ),
}


@pytest.mark.parametrize("check", metrics.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", METRICS)
async def test_every_metric_conforms(name: str, check: metrics.Check) -> None:
    assert CASES[name].metric.name == name
    await check(CASES[name])


@pytest.mark.parametrize("check", metrics.CHECKS, ids=lambda check: check.__name__)
async def test_a_users_function_conforms(check: metrics.Check) -> None:
    function = Function("mine:length", length)
    await check(Case(function, items("new york", "paris"), said=("I say {} .",)))


def test_a_mere_callable_has_the_whole_contract() -> None:
    class Mine:
        def __call__(self, output: str, item: Item) -> Scored:
            return Scored(length(output, item), output)

        def __repr__(self) -> str:
            return "Mine()"

    metric = owned(Mine())
    assert metric("new", items("new york")[0]) == Scored(0.5, "new")
    assert (repr(metric), metric.name, metric.promptfoo()) == ("Mine()", "Mine", None)
    assert owned(metric) is metric


# -- the suite has teeth --------------------------------------------------------------------


@dataclass(frozen=True)
class Initial(Rule):
    """The output begins with the target's first letter."""

    name = "initial"
    help = "the output begins with the target's first letter"
    form = "its first letter"

    def extract(self, output: str, item: Item) -> str | None:
        del item
        return output.strip().lower()[:1] or None

    def same(self, answer: str, item: Item) -> bool:
        return answer == item.target.lower()[:1]


INITIAL = Case(Initial(), items("Paris", "Rome"), items(" "), formed=lambda target: target[0])


def careless(**replaced: Any) -> Metric:
    """Return a working metric with answers of its own to some questions."""
    made: Metric = type("Careless", (Initial,), replaced)()
    return made


class Substring(Initial):
    def __call__(self, output: str, item: Item) -> Scored:
        return Scored(float(item.target in output), output[:200] or None)


class Generous(Initial):
    def __call__(self, output: str, item: Item) -> Scored:
        del item
        return Scored(1.0, output[:200] or "-")


class Deaf(Initial):
    def extract(self, output: str, item: Item) -> str | None:
        del output, item
        return None


class Wild(Initial):
    def __call__(self, output: str, item: Item) -> Scored:
        del item
        return Scored(float(len(output)), output[:200])


class Open(Initial):
    closed_set = True

    def closed(self, item: Item) -> Any:
        return Choice(("Paris", "Pisa")).closed(item)


@pytest.mark.parametrize("check", metrics.CHECKS, ids=lambda check: check.__name__)
async def test_a_metric_of_a_few_lines_conforms(check: metrics.Check) -> None:
    await check(INITIAL)


@pytest.mark.parametrize(
    ("check", "metric"),
    [
        (metrics.names_itself, careless(help="")),
        (metrics.names_itself, careless(name="")),
        (metrics.credits_the_target, Deaf()),
        (metrics.reads_plain_answers, Deaf()),
        (metrics.credits_no_wrong_answer, Generous()),
        (metrics.credits_no_bare_substring, Substring()),
        (metrics.scores_anything_from_0_to_1, Wild()),
        (metrics.refuses_impossible_targets, careless(check=lambda *_: None)),
        (metrics.asks_for_what_it_reads, Deaf()),
        (metrics.asks_for_what_it_reads, careless(tokens=0)),
        (metrics.closes_its_answers, Open()),
        (
            metrics.exports_or_says_no,
            careless(promptfoo=lambda _: Assertion("javascript", "return true;", {"LOST": 1})),
        ),
        (metrics.tells_its_calls, careless(calls=1)),
    ],
)
async def test_a_broken_metric_is_found_out(check: metrics.Check, metric: Metric) -> None:
    case = Case(metric, INITIAL.items, INITIAL.refused, formed=INITIAL.formed)
    with pytest.raises(AssertionError):
        await check(case)


def test_every_name_of_a_configuration_makes_its_metric() -> None:
    for name, metric in METRICS.items():
        asked = f"{name}:x" if metric.argument else name
        assert type(metric_named(asked, ("a", "b"))) is metric
