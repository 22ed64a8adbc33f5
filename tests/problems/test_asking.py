"""What the scorer LLM is sent: every position, and the second round for the final answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import llmopt
from llmopt.core.model import Traits
from llmopt.core.problem import calls_each
from llmopt.core.values import Item, Message, Outcome, Reply
from llmopt.errors import ConfigError
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.preflight.cautions import cautions
from llmopt.problems.data.splits import Splits
from llmopt.problems.metrics.rules import (
    Boolean,
    Brackets,
    Choice,
    Exact,
    LetteredOptions,
    Number,
    Words,
)
from llmopt.problems.prompt.prompt_problem import PromptProblem
from llmopt.problems.prompt.scorer_call import AGAIN_TOKENS, Asking
from llmopt.testing import problems, scripted

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.core.values import Call
    from llmopt.problems.metrics.contract import Metric
    from llmopt.problems.prompt.layout import Position
    from llmopt.problems.prompt.scorer_call import Mode

ITEM = Item("1", "What is 2 + 3?", "5")
OTHERS = (Item("2", "And 4 + 4?", "8"), Item("3", "And 9 + 9?", "18"))

SENT: list[tuple[Position, bool, str, str]] = [
    (
        "before_Q",
        True,
        "Think.\nQ: What is 2 + 3?\n\nA:",
        "Q: What is 2 + 3?\n\nA:",
    ),
    ("Q_begin", True, "Q: Think.\nWhat is 2 + 3?\n\nA:", "Q: What is 2 + 3?\n\nA:"),
    ("Q_end", True, "Q: What is 2 + 3?\nThink.\n\nA:", "Q: What is 2 + 3?\n\nA:"),
    ("A_begin", True, "Q: What is 2 + 3?\n\nA: Think.", "Q: What is 2 + 3?\n\nA:"),
    ("Q_begin", False, "Think.\nWhat is 2 + 3?", "What is 2 + 3?"),
    ("Q_end", False, "What is 2 + 3?\nThink.", "What is 2 + 3?"),
]
"""OPRO, section 4: the table of formats, with an instruction and without one."""


def made(**options: Any) -> PromptProblem:
    return PromptProblem.from_splits(Splits((ITEM, OTHERS[0]), (), OTHERS[1:]), **options)


def listening(*answers: str) -> tuple[ScriptedModel, list[Call]]:
    calls: list[Call] = []

    def answer(call: Call) -> str:
        calls.append(call)
        return answers[min(len(calls), len(answers)) - 1]

    return ScriptedModel(answer, traits=Traits(completion=True)), calls


# -- the first round --------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["chat", "completion"])
@pytest.mark.parametrize(("position", "frame", "filled", "empty"), SENT)
def test_what_is_sent_is_the_papers_whatever_the_mode(
    position: Position, frame: bool, filled: str, empty: str, mode: Any
) -> None:
    problem = made(
        position=position, qa_frame=frame, asking=Asking(mode=mode, max_tokens=9, stop=("\n\n",))
    )
    for text, sent in (("Think.", filled), ("", empty)):
        call = problem.call(text, ITEM, scripted.model())
        assert call.text == sent
        assert call.messages == ((Message("user", sent),) if mode == "chat" else ())
        assert call.prompt == (None if mode == "chat" else sent)
        assert (call.temperature, call.max_tokens, call.stop) == (0.0, 9, ("\n\n",))


@pytest.mark.parametrize(("position", "frame"), [row[:2] for row in SENT])
async def test_what_a_completion_scorer_says_after_a_next_question_does_not_count(
    position: Position, frame: bool
) -> None:
    problem = made(position=position, qa_frame=frame, asking=Asking(mode="completion"))
    model, _ = listening(" It is 5.\n\nQ: What is 4 + 4?\n\nA: It is 8.\n\nQ: And")
    assert await problem.measure("Think.", ITEM, model) == Outcome("1", 1.0, "5")
    model, _ = listening("Q: What is it?\n\nA: It is 5.")
    outcome = await problem.measure("Think.", ITEM, model)
    assert outcome.score == 1.0, "never cut down to nothing (O8)"


def test_auto_prefers_the_chat_and_takes_what_there_is() -> None:
    both, raw = (
        ScriptedModel(scripted.answer, traits=Traits(chat=c, completion=True))
        for c in (True, False)
    )
    assert made().call("Go.", ITEM, both).messages
    assert made().call("Go.", ITEM, raw).prompt


# -- the second round -------------------------------------------------------------------------


async def test_a_chat_is_asked_again_with_its_answer_as_a_turn() -> None:
    model, calls = listening("Two and three\nmore.\n\nQ: What is 4 + 4?\nA: 8", "5.")
    problem = made(asking=Asking(again=True))
    assert await problem.measure("Think.", ITEM, model) == Outcome("1", 1.0, "5")
    first, second = calls
    assert first == made().call("Think.", ITEM, model)
    assert second.messages == (
        Message("user", "Think.\nWhat is 2 + 3?"),
        Message("assistant", "Two and three\nmore."),
        Message("user", "Now give only your final answer: a single number."),
    )
    assert (second.role, second.prompt, second.temperature) == ("scorer", None, 0.0)
    assert second.max_tokens == AGAIN_TOKENS == 50


async def test_the_second_answer_may_be_longer() -> None:
    """Lists of word sorting do not fit into 50 tokens; the published code of GPO has 100."""
    for mode in ("chat", "completion"):
        model, calls = listening("Two and three.", "5.")
        asking = Asking(mode, again=True, again_tokens=100)
        await made(asking=asking).measure("Think.", ITEM, model)
        assert [call.max_tokens for call in calls][1:] == [100]
    with pytest.raises(ConfigError, match="again_tokens is 1 or more, but got 0"):
        Asking(again_tokens=0)


async def test_a_completion_goes_on_with_the_cue() -> None:
    """First prompt, blank, first answer cut at a next question, cue (OPRO, section 4)."""
    model, calls = listening(" Two and three\nmore.\n\nQ: What is 4 + 4?", " 5\n\nQ: 9?")
    problem = made(position="A_begin", asking=Asking(mode="completion", again=True, stop=("###",)))
    assert await problem.measure("Think.", ITEM, model) == Outcome("1", 1.0, "5")
    assert calls[1].prompt == (
        "Q: What is 2 + 3?\n\nA: Think. Two and three\nmore.\nFinal answer (a single number):"
    )
    assert (calls[1].max_tokens, calls[1].stop) == (50, ("###",))


async def test_a_blank_first_answer_is_no_turn() -> None:
    """Providers refuse blank turns; the second answer decides as always."""
    model, calls = listening(" \n", "5")
    assert (await made(asking=Asking(again=True)).measure("Think.", ITEM, model)).score == 1.0
    assert calls[1].messages == (
        Message(
            "user",
            "Think.\nWhat is 2 + 3?\n\nNow give only your final answer: a single number.",
        ),
    )
    model, calls = listening(" \n", "5")
    raw = made(asking=Asking(mode="completion", again=True))
    assert (await raw.measure("", ITEM, model)).score == 1.0
    assert calls[1].prompt == "What is 2 + 3?\nFinal answer (a single number):"


async def test_the_second_answer_is_what_counts() -> None:
    for second, score in (("8", 0.0), ("5", 1.0), ("", 0.0)):
        model, _ = listening("It is 5.", second)
        found = await made(asking=Asking(again=True)).measure("Think.", ITEM, model)
        assert found.score == score


@pytest.mark.parametrize(
    ("metric", "form"),
    [
        (Choice(("yes", "no")), ": one of yes, no."),
        (Choice(tuple(f"answer number {n}" for n in range(20))), ": one of the possible answers."),
        (Number(), ": a single number."),
        (Boolean(), ": a single word."),
        (LetteredOptions(), ": the letter of one option."),
        (Words(), ": the words alone, separated by blanks."),
        (Brackets(), ": the closing brackets alone."),
        (Exact(), "."),
    ],
)
def test_the_cue_names_the_form_that_the_metric_reads(metric: Metric, form: str) -> None:
    asking = Asking(again=True)
    turns = (Message("user", "Go."),)
    second = asking.second(asking.first(turns, scripted.model(), metric, Item("0")), "Hm.", metric)
    assert second
    assert second.messages[-1].content == f"Now give only your final answer{form}"


@pytest.mark.parametrize(
    ("metric", "item", "form"),
    [
        (Boolean(), Item("0", "Go?", "valid"), "only valid or invalid"),
        (LetteredOptions(), Item("0", "Q\n(A) a\n(B) b\n(C) c", "(B)"), "only (A), (B) or (C)"),
        (Choice(("yes", "no")), Item("0", "Go?", "no"), "only yes or no"),
        (Number(), Item("0", "2 + 3", "5"), "a single number"),
        (Brackets(), Item("0", "( [", "] )"), "the closing brackets alone"),
    ],
)
def test_the_cue_can_name_the_answers_as_in_the_published_code_of_gpo(
    metric: Metric, item: Item, form: str
) -> None:
    modes: dict[Mode, str] = {"chat": f"answer: {form}.", "completion": f"answer ({form}):"}
    for scorer, cue in modes.items():
        mode = Asking(scorer, again=True, again_answers=True)
        first = mode.first((Message("user", "Go."),), scripted.model(), metric, item)
        second = mode.second(first, "Hm.", metric, item)
        assert second
        assert second.text.endswith(cue)


def test_it_is_off_unless_asked_for_and_belongs_to_what_a_run_is() -> None:
    once, twice = made(), made(asking=Asking(again=True))
    assert once.again(once.call("Go.", ITEM, scripted.model()), "Hm.") is None
    assert (calls_each(once), calls_each(twice)) == (1, 2)
    assert once.fingerprint["asking"] != twice.fingerprint["asking"]


@pytest.mark.parametrize("check", problems.CHECKS, ids=lambda check: check.__name__)
async def test_a_problem_that_asks_twice_conforms(check: problems.Check) -> None:
    splits = scripted.problem().splits
    await check(
        PromptProblem.from_splits(splits, instructions="Answer.", asking=Asking(again=True))
    )


def test_both_calls_are_stored_and_counted(tmp_path: Path) -> None:
    problem = PromptProblem.from_splits(
        scripted.problem().splits, instructions="Answer.", asking=Asking(again=True)
    )
    usage = []
    for name in ("first", "second"):
        found = llmopt.optimize(
            PromptProblem.from_splits(
                problem.splits,
                instructions="Answer.",
                asking=problem.asking,
                scorer=scripted.model(),
            ),
            algorithm=llmopt.opro(samples=2),
            steps=1,
            store=tmp_path / "runs",
            name=name,
            progress=False,
        )
        usage.append(found.usage["scorer"].calls if "scorer" in found.usage else 0)
    assert usage[0] > 0
    assert usage[0] % 2 == 0
    assert usage[1] == 0, "what is stored is free"


def test_a_usual_answer_that_is_too_long_for_the_second_round_is_pointed_out() -> None:
    items = [Item(str(n), f"{n}?", f"word {n} " * 40) for n in range(4)]
    problem = PromptProblem.from_splits(
        Splits(tuple(items), (), ()),
        metric="exact",
        asking=Asking(max_tokens=900, again=True),
    )
    said = [c for c in cautions(problem, scripted.model(), "") if "cut off" in c]
    assert len(said) == 1
    assert "scorer.again has 50 tokens" in said[0]


async def test_a_reply_that_was_cut_off_keeps_its_limit() -> None:
    """What counts is the answer itself, not the final answer that is asked for besides."""
    said = iter([Reply("4", finish="length"), Reply("5"), Reply("4", finish="length"), Reply("5")])
    model = ScriptedModel(lambda _: next(said))
    for asking, limits in (
        (Asking(max_tokens=8), (8, 0)),
        (Asking(max_tokens=9, again=True), (9,)),
    ):
        problem = made(metric=Number(), asking=asking)
        assert tuple([(await problem.measure("", ITEM, model)).cut_at for _ in limits]) == limits
