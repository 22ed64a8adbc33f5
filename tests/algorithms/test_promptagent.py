"""PromptAgent does in a run what its page says, and no more than was estimated."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import llmopt
from llmopt.algorithms.promptagent import promptagent
from llmopt.algorithms.promptagent.error_feedback import ErrorFeedback
from llmopt.algorithms.promptagent.reward_rows import RewardRows
from llmopt.core.part import Feedback
from llmopt.core.trajectory import Entry
from llmopt.core.values import Candidate, Evaluation, Item, Outcome
from llmopt.errors import ConfigError
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.preflight.estimate import estimate
from llmopt.testing import scripted

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.core.algorithm import Algorithm
    from llmopt.core.values import Call
    from llmopt.evidence.result import Result
    from llmopt.problems.prompt.prompt_problem import PromptProblem

SIZES = (40, 8, 20)
PATH = "that led to the current one, the oldest first"


def problem() -> PromptProblem:
    return scripted.problem(sum(SIZES), SIZES)


def ran(folder: Path, algorithm: Algorithm, steps: int = 4) -> tuple[list[Call], Result]:
    """Return the calls to the optimizer LLM, in order, and the result."""
    asked: list[Call] = []

    def answer(call: Call) -> str:
        if call.role == "optimizer":
            asked.append(call)
        return scripted.answer(call)

    task = replace(problem(), scorer=ScriptedModel(answer))
    result = llmopt.optimize(
        task, algorithm=algorithm, steps=steps, store=folder / "runs", controls=(), progress=False
    )
    return asked, result


def test_an_expansion_makes_three_feedbacks_and_three_prompts(tmp_path: Path) -> None:
    calls, result = ran(tmp_path, promptagent(family="chat"))
    kinds = Counter("critique" if "Case 1" in call.text else "rewrite" for call in calls)
    assert kinds == {"critique": 12, "rewrite": 12}
    assert result.candidates + sum(result.rejected.values()) == 2 + 12
    assert any(PATH in call.text for call in calls), "the path is shown below the first level"
    assert result.best.step > 0


def test_feedback_shows_no_row_that_gives_rewards(tmp_path: Path) -> None:
    rows, rewards = RewardRows(0.4)(problem().items("train"))
    assert (len(rows), len(rewards)) == (24, 16)
    calls, _ = ran(tmp_path, promptagent(family="chat"))
    shown = set(re.findall(r"Question number \d+\?", "\n".join(call.text for call in calls)))
    assert shown <= {item.input for item in rows}
    assert len(shown) > 5, "batches differ"


def test_a_run_makes_no_more_calls_than_were_estimated(tmp_path: Path) -> None:
    model = scripted.model()
    found = asyncio.run(estimate(problem(), promptagent(), model, model, steps=4, known={}))
    used = ran(tmp_path, promptagent())[1].usage
    for role in ("optimizer", "scorer"):
        phases = (found.high.starts, *found.high.steps, found.high.final)
        assert used[role].calls <= sum(getattr(phase, role).calls for phase in phases)


async def feedback(reply: str, answer: str) -> tuple[str, Feedback]:
    """Return what the optimizer LLM was asked, and the feedback, where the scorer says `answer`."""
    asked: list[str] = []

    def said(call: Call) -> str:
        asked.append(call.text)
        return reply

    base = Entry(Candidate("Answer."), Evaluation((Outcome("0", 0.5),), 1))
    ctx = scripted.context(
        model=ScriptedModel(said), scorer=ScriptedModel(lambda _: answer), base=base, group=0
    )
    found = await ErrorFeedback(batch=4)(ctx)
    return asked[0], found


@pytest.mark.parametrize(
    "reply", ["Too vague.", "Well: <TEXT>Too vague.</TEXT> Bye.", "<TEXT>Too vague."]
)
async def test_the_summary_is_read_with_marks_and_without(reply: str) -> None:
    asked, found = await feedback(reply, "I think: no")
    assert found.text.endswith("\nToo vague.")
    assert "Right answer: " in found.text
    assert len(found.calls) == 1
    assert "led to wrong answers" in asked


async def test_long_replies_are_shortened() -> None:
    asked, _ = await feedback("So.", "thinking " * 500 + "maybe")
    assert max(map(len, asked.splitlines())) < 1_300


async def test_without_errors_the_question_is_why_it_works() -> None:
    rows = RewardRows()(scripted.problem().items("train"))[0]
    right = {item.input: item.target for item in rows}

    def answer(call: Call) -> str:
        return next(target for question, target in right.items() if question in call.text)

    asked: list[str] = []

    def praise(call: Call) -> str:
        asked.append(call.text)
        return "Good."

    base = Entry(Candidate("Answer."), Evaluation((Outcome("0", 1.0),), 1))
    model = ScriptedModel(praise)
    ctx = scripted.context(model=model, scorer=ScriptedModel(answer), base=base, group=0)
    found = await ErrorFeedback()(ctx)
    assert "led to right answers" in asked[0]
    assert found.text.endswith("\nGood.")


async def test_with_nothing_measured_there_is_no_feedback() -> None:
    assert await ErrorFeedback()(scripted.context()) == Feedback()


def test_rows_that_belong_together_are_in_one_share() -> None:
    items = tuple(Item(str(n), f"input {n}", group=str(n // 4)) for n in range(20))
    rows, rewards = RewardRows(0.4)(items)
    assert len(rows) + len(rewards) == 20
    assert {item.group for item in rows}.isdisjoint(item.group for item in rewards)
    alike = tuple(Item(str(n), "same") for n in range(4))
    with pytest.raises(ConfigError, match="one for feedback and one for rewards"):
        RewardRows().check(alike)
    assert RewardRows()(alike) == (alike, alike)


@pytest.mark.parametrize(
    "options",
    [
        *({"rewards": share} for share in (0.0, 1.0)),
        *({"batch": 0}, {"feedback_tokens": 0}, {"temperature": 3.0}, {"samples": 0}),
        *({"width": 0}, {"depth": 0}, {"backup": "max"}),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="but got"):
        promptagent(**options)


def test_a_problem_without_inputs_is_refused() -> None:
    with pytest.raises(ConfigError, match="have no inputs"):
        promptagent().check(scripted.numbers(), scripted.model())
