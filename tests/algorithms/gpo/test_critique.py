"""What the optimizer LLM says about the past, and what that costs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from llmopt.algorithms.gpo.critique import (
    CombinedReflection,
    Critique,
    Merged,
    Summary,
)
from llmopt.algorithms.gpo.momentum import Importance, Recency, Relevance
from llmopt.core.part import Feedback
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation, Outcome
from llmopt.errors import ConfigError
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.parts.reflect import Exemplars, NoReflection
from llmopt.testing import scripted

if TYPE_CHECKING:
    from llmopt.core.model import Model
    from llmopt.core.part import StepContext
    from llmopt.core.values import Call
    from llmopt.problems.prompt.prompt_problem import PromptProblem

PROBLEM = scripted.problem(80, (24, 8, 20))


def entry(text: str, right: int, step: int = 0, *parents: Entry) -> Entry:
    """Return an entry that is right on the first items only."""
    items = PROBLEM.items("train")
    outcomes = (Outcome(i.id, float(n < right), f"said {i.id}") for n, i in enumerate(items))
    ids = tuple(parent.candidate.id for parent in parents)
    return Entry(Candidate(text, step, ids), Evaluation(tuple(outcomes), len(items)))


START = entry("Start.", 4)
BETTER = entry("Better.", 12, 1, START)
WORSE = entry("Worse.", 8, 2, BETTER)
PAST = Trajectory().tell([START]).tell([BETTER]).tell([WORSE])


def context(
    model: Model,
    current: Entry = WORSE,
    trajectory: Trajectory = PAST,
    problem: PromptProblem = PROBLEM,
    scorer: Model | None = None,
    *,
    embedder: Model | None = None,
) -> StepContext:
    return scripted.context(
        trajectory,
        problem=problem,
        model=model,
        scorer=scorer,
        embedder=embedder,
        steps=9,
        seed=5,
        group=0,
        base=current,
        shown=(current,),
    )


def critic(calls: list[Call]) -> ScriptedModel:
    """Return a model that finds a fault of its own with each instruction."""

    def answer(call: Call) -> str:
        calls.append(call)
        found = re.search(r"The instruction:\n(.*)\n", call.text)
        if found:
            return f"Well. <TEXT>\nFault of {found[1]}\n</TEXT> Bye."
        return f"<TEXT>merged {len(calls)}</TEXT>"

    return ScriptedModel(answer)


async def test_the_wrong_predictions_are_those_of_the_evaluation() -> None:
    """GPO, section 6: question, wrong prediction and ground truth, and the current prompt."""
    calls: list[Call] = []
    found = await Critique(batch=24)(context(critic(calls)))
    assert found.text == "Fault of Worse."
    assert found.calls == (calls[0].key("scripted"),)
    assert calls[0].temperature == 0
    text, items = calls[0].text, PROBLEM.items("train")
    for number, item in enumerate(items):
        shown = f"Question: {item.input}\nWrong prediction: said {item.id}\n" in text
        assert shown is (number >= 8)
    assert text.count("Ground truth answer: ") == 16


async def test_g11_nothing_is_measured_for_a_critique() -> None:
    """No scorer LLM is there, and none is missed."""
    assert (await Critique()(context(critic([])))).text


async def test_g5_one_critique_costs_one_call() -> None:
    calls: list[Call] = []
    await Critique()(context(critic(calls)))
    assert len(calls) == 1


async def test_an_epoch_looks_at_every_item_once() -> None:
    calls: list[Call] = []
    start, past = entry("All wrong.", 0), Trajectory()
    for _ in range(6):
        past = past.tell([])
        await Critique(batch=8)(context(critic(calls), start, past))
    seen = [re.findall(r"Question: (.*)", call.text) for call in calls]
    whole = sorted(item.input for item in PROBLEM.items("train"))
    assert [len(batch) for batch in seen] == [8] * 6
    assert sorted(q for batch in seen[:3] for q in batch) == whole
    assert sorted(q for batch in seen[3:] for q in batch) == whole
    assert seen[:3] != seen[3:], "the second epoch is mixed anew"


async def test_who_is_right_on_the_batch_is_not_criticized() -> None:
    calls: list[Call] = []
    assert await Critique()(context(critic(calls), entry("Perfect.", 24))) == Feedback()
    assert not calls


async def test_what_could_not_be_read_is_said_to_be_so() -> None:
    calls: list[Call] = []
    items = PROBLEM.items("train")
    blank = tuple(Outcome(item.id, 0.0, None) for item in items)
    silent = Entry(Candidate("Silent."), Evaluation(blank, len(items)))
    await Critique()(context(critic(calls), silent))
    assert "Wrong prediction: (no answer could be read)" in calls[0].text


async def test_an_unmeasured_item_is_no_wrong_prediction() -> None:
    items = PROBLEM.items("train")
    lost = tuple(Outcome(item.id, None, reason="lost") for item in items[1:])
    part = Entry(Candidate("Part."), Evaluation((Outcome(items[0].id, 1.0, "yes"), *lost), 24))
    assert await Critique(batch=24)(context(critic([]), part)) == Feedback()


async def test_a_reply_without_marks_is_taken_whole() -> None:
    found = await Critique()(context(ScriptedModel(lambda _: " It is vague. ")))
    assert found.text == "It is vague."


@pytest.mark.parametrize(
    ("memory", "told"),
    [
        (Recency(2), ["Better.", "Worse."]),
        (Recency(3, "ascending"), ["Start.", "Better.", "Worse."]),
        (Importance(2), ["Start.", "Worse."]),
        (Relevance(2), ["Better.", "Worse."]),
        (Recency(1), ["Worse."]),
    ],
)
async def test_critiques_of_the_past_are_told_as_the_memory_says(
    memory: Recency, told: list[str]
) -> None:
    """Importance is the score gained afterwards, from the start on (G7)."""
    found = await Critique(memory=memory)(context(critic([])))
    assert found.text == "\n\n".join(f"Fault of {text}" for text in told)


async def test_earlier_critiques_are_asked_for_in_the_same_words() -> None:
    """So they come from the store; and the call of this step alone is this step's."""
    calls: list[Call] = []
    first = await Critique(memory=Recency(3))(
        context(critic(calls), START, Trajectory().tell([START]))
    )
    known = {call.key("scripted") for call in calls}
    calls.clear()
    later = await Critique(memory=Recency(3))(context(critic(calls)))
    assert known <= {call.key("scripted") for call in calls}
    assert first.calls != later.calls
    assert len(later.calls) == 1


async def test_past_critiques_can_be_merged_into_one_text() -> None:
    calls: list[Call] = []
    found = await Critique(memory=Merged())(context(critic(calls)))
    merges = [call.text for call in calls if "earlier steps" in call.text]
    assert len(merges) == 2
    assert "Fault of Start." in merges[0]
    assert "Fault of Better." in merges[0]
    assert "Fault of Worse." in merges[1]
    assert found.text.startswith("merged")
    assert len(found.calls) == 2, "this step's critique and this step's merging"


async def test_g12_a_summary_has_its_own_score() -> None:
    """Not that of the current prompt; it is measured on all training items."""
    calls: list[Call] = []

    def answer(call: Call) -> str:
        calls.append(call)
        if call.role == "scorer":
            return scripted.answer(call)
        return "<TEXT>think step by step, check twice</TEXT>"

    model = ScriptedModel(answer)
    found = await Summary()(context(model, scorer=model))
    assert found.summary
    assert found.summary.text == "Think step by step, check twice"
    scored = [call for call in calls if call.role == "scorer"]
    assert len({call.text for call in scored}) == 24
    assert all("Think step by step" in call.text for call in scored)
    assert found.summary.score not in (WORSE.score, BETTER.score)
    asked = [call.text for call in calls if call.role == "optimizer"]
    assert "Previous instruction: Start.\nScore: 17" in asked[0]
    assert "Current instruction: Better.\nScore: 50" in asked[0]
    shown = PROBLEM.show(found.summary.score, 100)
    assert f"Previous instruction: Think step by step, check twice\nScore: {shown}\n" in asked[1]


async def test_the_first_summary_is_the_start() -> None:
    found = await Summary()(context(critic([]), START, Trajectory().tell([START])))
    assert found == Feedback(summary=START)


async def test_a_summary_that_is_no_solution_leaves_the_one_before() -> None:
    found = await Summary()(context(ScriptedModel(lambda _: "<TEXT> </TEXT>")))
    assert found.summary == START
    assert len(found.calls) == 1


async def test_a_summary_that_was_tried_is_not_measured_again() -> None:
    found = await Summary()(context(ScriptedModel(lambda _: "<TEXT>Better.</TEXT>")))
    assert found.summary == BETTER


async def test_reflections_together_say_everything() -> None:
    both = CombinedReflection(
        (NoReflection(), Exemplars(2, "constant"), Critique(), Critique(batch=24))
    )
    found = await both(context(critic([])))
    assert len(found.exemplars) == 2
    assert found.text == "Fault of Worse.\n\nFault of Worse."
    assert len(found.calls) == 2


async def test_an_embedding_model_is_named_and_asked() -> None:
    part = CombinedReflection((NoReflection(), Critique(memory=Relevance(similarity="openai/e"))))
    assert part.embedder() == "openai/e"
    assert CombinedReflection((NoReflection(), Critique())).embedder() == ""
    embedder = ScriptedModel(lambda _: "[1]")
    assert (await part(context(critic([]), embedder=embedder))).text
    assert embedder.calls > 0


async def test_a_model_without_chats_is_asked_with_an_open_end() -> None:
    from llmopt.core.model import Traits

    calls: list[Call] = []

    def answer(call: Call) -> str:
        calls.append(call)
        return " Too short."

    model = ScriptedModel(answer, traits=Traits(completion=True, family="continuation"))
    found = await Critique()(context(model))
    assert found.text == "Too short."
    assert (calls[0].prompt or "").endswith("<TEXT>")
    assert calls[0].stop == ("</TEXT>",)


def test_impossible_options_are_refused() -> None:
    with pytest.raises(ConfigError, match="batch are 1 or more"):
        Critique(batch=0)
    with pytest.raises(ConfigError, match="max_tokens is 1 or more"):
        Summary(max_tokens=0)


async def test_where_nobody_survives_nothing_is_said() -> None:
    empty = scripted.context(problem=PROBLEM, model=critic([]), group=0)
    assert await Critique()(empty) == Feedback()
    assert await Summary()(empty) == Feedback()
