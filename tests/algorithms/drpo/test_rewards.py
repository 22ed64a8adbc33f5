"""What an answer was worth is told for training items, from the store, and for poor ones only."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import pytest

from llmopt.algorithms.drpo.rewards import NOTHING_POOR, Rewards
from llmopt.core.recording import Overheard
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import (
    Call,
    Candidate,
    Evaluation,
    Message,
    Outcome,
)
from llmopt.errors import ConfigError, UnknownNameError
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.problems.metrics.judge import Judge
from llmopt.problems.prompt.prompt_problem import PromptProblem
from llmopt.testing import scripted

if TYPE_CHECKING:
    from llmopt.core.model import Model
    from llmopt.core.part import StepContext
    from llmopt.core.problem import Problem

PROBLEM = scripted.problem()


def entry(text: str, scores: list[float], step: int = 0, *parents: Entry) -> Entry:
    items = PROBLEM.items("train")
    outcomes = tuple(Outcome(i.id, s) for i, s in zip(items, scores, strict=False))
    ids = tuple(parent.candidate.id for parent in parents)
    return Entry(Candidate(text, step, ids), Evaluation(outcomes, len(scores)))


def context(
    state: Entry, scorer: Model | None, problem: Problem = PROBLEM, seed: int = 0
) -> StepContext:
    past = Trajectory().tell([state])
    group = {"group": 0, "base": state, "shown": (state,)}
    return scripted.context(past, problem=problem, step=1, seed=seed, scorer=scorer, **group)


# -- what is told ---------------------------------------------------------------------------


def test_an_answer_is_told_with_its_question_and_its_score() -> None:
    state = entry("Answer.", [1.0, 0.0, 1.0])
    poor = PROBLEM.items("train")[1]
    scorer = ScriptedModel(lambda call: f"I think so: {call.text.splitlines()[0]}")
    text = asyncio.run(Rewards()(context(state, scorer))).text
    assert poor.input in text
    assert "I think so: Answer." in text
    assert "0 to 100: 0" in text
    assert "What was said of it" not in text


def test_a_state_without_poor_answers_is_told_about_without_a_reward_or_carried_on() -> None:
    """The published code asks nothing then."""
    state, scorer = entry("Answer.", [1.0, 0.9, 1.0]), ScriptedModel(lambda _: "yes")
    told = asyncio.run(Rewards()(context(state, scorer)))
    assert (told.text, told.reason) == ("", "")
    carried = asyncio.run(Rewards(idle="carry")(context(state, scorer)))
    assert (carried.text, carried.reason) == ("", NOTHING_POOR)
    poor = entry("Answer!", [1.0, 0.2])
    assert asyncio.run(Rewards(idle="carry")(context(poor, scorer))).reason == ""
    with pytest.raises(UnknownNameError, match="idle"):
        Rewards(idle="no")  # type: ignore[arg-type]  # what a user may write


def test_the_scorer_is_asked_what_it_was_asked_when_it_was_measured() -> None:
    state, calls = entry("Answer.", [0.0]), list[Call]()

    def answer(call: Call) -> str:
        calls.append(call)
        return "yes"

    scorer = ScriptedModel(answer)
    asyncio.run(PROBLEM.measure("Answer.", PROBLEM.items("train")[0], scorer))
    asyncio.run(Rewards()(context(state, scorer)))
    assert calls[0] == calls[1]


def test_what_a_judge_said_is_told_without_its_verdict() -> None:
    def rate(call: Call) -> str:
        code = re.findall(r"Verdict ([0-9a-f]{12}):", call.text)[-1]
        return f"clarity: 2, it rambles\ndepth: 4, fine\nVerdict {code}: 2, 4"

    judge = Judge("dynamic").bound(ScriptedModel(rate))
    judged = PromptProblem.from_splits(
        PROBLEM.splits, instructions="Answer.", task="Answer.", metric=judge
    )
    told = asyncio.run(Rewards()(context(entry("Answer.", [0.5]), scripted.model(), judged)))
    assert "What was said of it:\nclarity: 2, it rambles\ndepth: 4, fine" in told.text
    assert "Verdict" not in told.text


@pytest.mark.parametrize(
    ("scores", "options", "count"),
    [
        ([1.0, 0.9], {}, 0),
        ([1.0, 0.875], {}, 1),
        ([0.0, 0.0, 0.0], {"items": 2}, 2),
        ([0.0], {"items": 5}, 1),
        ([1.0, 1.0], {"enough": 1.0}, 1),
    ],
)
def test_what_is_good_enough_is_passed_over(
    scores: list[float], options: dict[str, Any], count: int
) -> None:
    told = asyncio.run(Rewards(**options)(context(entry("Answer.", scores), scripted.model())))
    assert told.text.count("Score of this answer") == count


def test_other_seeds_draw_other_items_and_the_same_seed_the_same() -> None:
    state = entry("Answer.", [0.0] * 12)
    told = [
        asyncio.run(Rewards()(context(state, scripted.model(), seed=seed))).text
        for seed in (0, 0, *range(1, 9))
    ]
    assert told[0] == told[1]
    assert len(set(told)) > 3


def test_without_a_scorer_or_a_state_nothing_is_told() -> None:
    state = entry("Answer.", [0.0])
    assert asyncio.run(Rewards()(context(state, None))).text == ""
    nobody = scripted.context(problem=PROBLEM, group=0, scorer=scripted.model())
    assert asyncio.run(Rewards()(nobody)).text == ""


async def test_who_is_overheard_stays_open() -> None:
    model = ScriptedModel(lambda _: "yes")
    heard = Overheard(model)
    call = Call("scorer", (Message("user", "Now?"),))
    assert (await heard.complete(call)).text == "yes"
    await heard.close()
    assert (await model.complete(call)).text == "yes"
    assert heard.replies == ["yes"]
    assert heard.identity == model.identity


@pytest.mark.parametrize("make", [lambda: Rewards(0), lambda: Rewards(enough=1.1)])
def test_options_out_of_range_are_refused(make: Any) -> None:
    with pytest.raises(ConfigError):
        make()
