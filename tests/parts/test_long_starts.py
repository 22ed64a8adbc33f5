"""Production prompts: limits follow the start, and an edit of it is taken by every method."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from llmopt.algorithms import algorithm_named
from llmopt.core.defaults import Following, follows
from llmopt.core.encoding import encoded
from llmopt.core.problem import Description, Refusal
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation, Item, Outcome, Reply
from llmopt.evidence.refusals import dropped_by, on_dropped, on_refusals
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.parts.reply_length import USUAL, reply_tokens
from llmopt.preflight.cautions import cautions
from llmopt.problems.data.splits import Splits
from llmopt.problems.prompt.dropped import dropped_from
from llmopt.problems.prompt.prompt_problem import PromptProblem
from llmopt.problems.prompt.proposal_filter import Filters
from llmopt.testing import scripted

if TYPE_CHECKING:
    from llmopt.core.model import Family
    from llmopt.core.values import Call

RULES = "\n".join(
    f"{n}. When case {n} of the handbook applies, name the {n}th label." for n in range(1, 31)
)
START = f"# Role\nYou sort letters to {{team}}.\n\n# Rules\n{RULES}\n\n# Tone\nBe **polite**."
EDIT = START.replace("polite", "polite and brief")
METHODS = (
    *("ape", "drpo", "evoprompt-de", "evoprompt-ga", "expo", "expo-es", "gpo", "opro", "pe2"),
    *("promptagent", "protegi", "sampling", "sgdm"),
)


def problem(*starts: str, **options: Any) -> PromptProblem:
    def items(name: str) -> tuple[Item, ...]:
        return tuple(Item(f"{name}{n}", f"{name} {n}?", "yes" if n % 2 else "no") for n in range(8))

    splits = Splits(items("train"), items("validation"), items("test"))
    return PromptProblem.from_splits(splits, instructions=starts or (START,), **options)


@pytest.mark.parametrize(
    ("longest", "limit"), [(0, 500), (1, 500), (333, 500), (334, 501), (2000, 3000)]
)
def test_the_limit_on_the_length_follows_the_longest_start(longest: int, limit: int) -> None:
    assert problem("x" * longest, "Say it.").limits.max_length == limit
    assert problem("x" * longest, filters=Filters(max_length=400)).limits.max_length == 400


def test_a_default_that_follows_is_no_changed_option() -> None:
    """What is stored of it is what was stored of the plain number."""
    assert encoded(Filters()) == encoded(Filters(max_length=500)) == {"Filters": {}}
    assert follows(Filters().max_length)
    assert not follows(Filters(max_length=500).max_length)
    assert repr(Following(512)) == "512"
    made = algorithm_named("opro")
    assert made.options == algorithm_named("opro", {"max_tokens": 512}).options == {}


@pytest.mark.parametrize(
    ("most", "tokens", "several", "expected"),
    [
        (USUAL, 0, 1, 512),
        (USUAL, 200, 1, 512),
        (USUAL, 1000, 1, 1128),
        (USUAL, 1000, 3, 3128),
        (Following(1024), 1000, 1, 1256),
        (512, 1000, 1, 512),
    ],
)
def test_a_reply_can_hold_an_edit(most: int, tokens: int, several: int, expected: int) -> None:
    assert reply_tokens(most, Description("t", tokens=tokens), several) == expected


def edited(call: Call) -> str:
    """Reply with a faithful edit, in the marks that are asked for."""
    if call.prompt is not None:
        return f"{EDIT}{call.stop[0]}"
    if re.search(r"in square brackets", call.text):
        return f"[{EDIT}]"
    return f"<INS>{EDIT}</INS>"


@pytest.mark.parametrize("family", ["chat", "brackets", "continuation"])
@pytest.mark.parametrize("name", METHODS)
async def test_every_method_takes_an_edit_of_a_long_start(name: str, family: Family) -> None:
    asked: list[Call] = []

    def answer(call: Call) -> str:
        asked.append(call)
        return edited(call)

    made, made_of = algorithm_named(name, {"family": family}), problem()
    outcomes = tuple(
        Outcome(item.id, float(n % 2), "yes") for n, item in enumerate(made_of.items("train"))
    )
    entries = [Entry(Candidate(text), Evaluation(outcomes, 8)) for text in made_of.starts]
    told = Trajectory().tell(entries)
    found = await made.ask(made_of, told, ScriptedModel(answer), 0, 4, scorer=scripted.model())
    assert [candidate.text for candidate in found.candidates] == [EDIT], found.rejected
    longest = max(call.max_tokens for call in asked)
    assert longest >= made_of.description.tokens > 512


async def test_half_of_a_long_solution_is_refused() -> None:
    def answer(call: Call) -> Reply:
        del call
        return Reply(f"<INS>{EDIT[:300]}", finish="length")

    made_of = problem()
    entry = Entry(Candidate(START), Evaluation((Outcome("train0", 0.0, "yes"),), 8))
    model = ScriptedModel(answer)
    made = algorithm_named("opro", {"samples": 1, "max_tokens": 75})
    found = await made.ask(made_of, Trajectory().tell([entry]), model, 0, 4)
    assert [one.reason for one in found.rejected] == ["cut off at 75 tokens"]


@pytest.mark.parametrize(
    ("reason", "key"),
    [
        ("longer than 500 characters", "problem.max_length"),
        ("longer than 40 words", "problem.max_words"),
        ("longer than about 9 tokens", "problem.max_instruction_tokens"),
        ("contains a digit", "problem.digits"),
        ("copies a training example", "problem.copied_words"),
        ("invents the variable {x}", "problem.variables"),
        ("lacks the placeholder {x} of the start", "problem.variables"),
        ("lacks the placeholder {x}", "problem.placeholders"),
        ("cut off at 512 tokens", "algorithm.max_tokens"),
        ("changes 60 words, more than 50", "algorithm.words"),
    ],
)
def test_a_limit_that_refuses_most_is_named(reason: str, key: str) -> None:
    (said,) = on_refusals(problem(), {reason: 3, "already tried": 1}, 2)
    assert said.startswith("3 of 6 proposals were refused")
    assert key in said
    assert not on_refusals(problem(), {reason: 2}, 3)


@pytest.mark.parametrize("reason", ["already tried", "empty", "no marked text in the reply"])
def test_what_is_no_limit_is_not_named_as_one(reason: str) -> None:
    assert not on_refusals(problem(), {reason: 9}, 0)


def test_one_key_that_refuses_for_several_reasons_counts_once() -> None:
    rejected = {"invents the variable {a}": 2, "invents the variable {b}": 2}
    (said,) = on_refusals(problem(), rejected, 1)
    assert said.startswith("4 of 5 proposals")


@pytest.mark.parametrize(
    ("start", "text", "dropped"),
    [
        (START, EDIT, ()),
        (START, START, ()),
        ("Let's think.", "Answer yes or no.", ()),
        (START, START.replace("# Tone\nBe **polite**.", ""), ("heading Tone",)),
        (START, START.replace("{team}", "us"), ("placeholder {team}",)),
        ("Use <doc> and </doc>.", "Use it.", ("tag <doc>",)),
        ("Rules:\nBe brief.", "Be brief.", ("heading Rules",)),
    ],
)
def test_parts_that_a_text_dropped(start: str, text: str, dropped: tuple[str, ...]) -> None:
    assert dropped_from(start, text) == dropped


def test_a_short_text_in_place_of_a_long_one_has_dropped_nearly_all() -> None:
    found = dropped_from(START, "Sort the letter.")
    assert found[:3] == (
        *("placeholder {team}", "headings Role, Rules, Tone", "30 of 30 numbered rules"),
    )
    assert found[3].endswith(" % of its words")
    (said,) = on_dropped(dropped_by(problem(), "Sort the letter."))
    assert "30 of 30 numbered rules" in said
    assert not tuple(on_dropped(()))


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({}, ""),
        ({"filters": Filters(max_length=600)}, "problem.max_length"),
        ({"filters": Filters(digits=False)}, "problem.digits"),
    ],
)
def test_check_names_a_limit_that_edits_of_the_start_break(
    options: dict[str, Any], key: str
) -> None:
    said = [c for c in cautions(problem(**options), scripted.model(), "") if "one more" in c]
    assert [key in one for one in said] == ([True] if key else [])


def test_a_faithful_edit_is_a_solution_and_an_unfaithful_one_says_why() -> None:
    assert problem().parse(EDIT) == EDIT
    assert problem().parse("Sort the letter.") == Refusal(
        "lacks the placeholder {team} of the start"
    )
