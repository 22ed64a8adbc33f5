"""GPO's requirements that are not about the method: how a scorer LLM is asked and judged."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

import pytest

from llmopt.algorithms.gpo import gpo
from llmopt.api import prepare
from llmopt.core.model import Traits
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.problems.metrics.rules import metric_named
from llmopt.problems.prompt.layout import Position
from llmopt.problems.prompt.prompt_problem import PromptProblem
from llmopt.problems.prompt.scorer_call import Asking
from llmopt.testing import scripted

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.core.values import Call

MODELS = {
    "chat": Traits(chat=True),
    "completion": Traits(chat=False, completion=True, family="continuation"),
    "both": Traits(chat=True, completion=True),
}


@pytest.mark.parametrize("traits", MODELS.values(), ids=list(MODELS))
async def test_g17_the_second_question_is_a_setting_alike_for_every_scorer(traits: Traits) -> None:
    """In the published code the models of one provider are never asked twice."""
    for again in (False, True):
        calls: list[Call] = []

        def answer(call: Call, calls: list[Call] = calls) -> str:
            calls.append(call)
            return "yes"

        scorer = ScriptedModel(answer, traits=traits)
        problem = replace(scripted.problem(), asking=Asking(again=again), scorer=scorer)
        await problem.measure("Answer.", problem.items("train")[0], scorer)
        assert len(calls) == 1 + again


async def test_g19_the_metric_is_declared_and_kept_with_the_run(tmp_path: Path) -> None:
    model = scripted.model()
    problem = replace(scripted.problem(), scorer=model)
    kept = []
    for metric in ("boolean", "contains"):
        task = replace(problem, metric=metric_named(metric, ("yes", "no")))
        options: dict[str, Any] = {"store": tmp_path / "s.sqlite", "name": metric, "steps": 1}
        async with prepare(task, algorithm=gpo(samples=1), controls=(), **options) as run:
            await run.optimize()
            kept.append(repr(next(iter(run.store.records(metric)))))
    assert "Boolean" in kept[0]
    assert "Contains" in kept[1]


LAYOUTS = [
    pytest.param(position, frame, id=f"{position}-{frame}")
    for position, frame in itertools.product(get_args(Position), (True, False, None))
    if not (position == "steps" and frame)
    and not (position in ("before_Q", "A_begin") and frame is False)
]


@pytest.mark.parametrize("traits", MODELS.values(), ids=list(MODELS))
@pytest.mark.parametrize(("position", "frame"), LAYOUTS)
def test_g20_the_instruction_is_in_every_prompt(
    position: Position, frame: bool | None, traits: Traits
) -> None:
    """With and without frame, for chats and completions, and beside the question."""
    plain = scripted.problem()
    scorer = ScriptedModel(scripted.answer, traits=traits)
    problem = PromptProblem.from_splits(
        plain.splits, instructions=["Mind it."], task="t", position=position, qa_frame=frame
    )
    item = problem.items("train")[0]
    text = problem.call("Mind it.", item, scorer).text
    assert text.count("Mind it.") == 1
    assert text.count(item.input) == 1
    shown = problem.exemplar(item, "<Prompt>")
    assert shown.input.count("<Prompt>") == 1
    assert item.input in shown.input
    assert shown.output == item.target
