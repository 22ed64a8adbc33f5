"""A task of Inspect AI as a problem, against the real Inspect."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import llmopt
from llmopt.errors import ConfigError, ModelError
from llmopt.integrations.inspect_task import _model, inspect_problem, instructed
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.testing import problems, scripted

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.core.values import Call

inspect_ai = pytest.importorskip("inspect_ai", reason="needs Inspect AI: make test-extras")
pytestmark = pytest.mark.filterwarnings("ignore")  # Inspect's own


def task(**options: Any) -> Any:
    from inspect_ai.dataset import Sample
    from inspect_ai.scorer import match
    from inspect_ai.solver import generate

    samples = [
        Sample(input=f"Question number {n}?", target="yes" if n % 2 else "no") for n in range(40)
    ]
    given = {"solver": generate(), "scorer": match(), "name": "odd", **options}
    return inspect_ai.Task(dataset=samples, **given)


def answer(call: Call) -> str:
    """Answer as the usual model of the tests does, whatever the turns are."""
    if call.role == "optimizer":
        return scripted.answer(call)
    text = "\n".join(turn.content for turn in call.messages)
    return scripted.answer(replace(call, messages=(), prompt=text))


def always(said: str) -> ScriptedModel:
    return ScriptedModel(lambda _: said)


def problem(instruction: str = "Answer.", **options: Any) -> llmopt.ProgramProblem:
    return inspect_problem(
        task(**options),
        instruction=instruction,
        scorer=ScriptedModel(answer, identity="scripted/inspect"),
        sizes=(12, 8, 20),
        task="Answer with yes or no.",
    )


def asking() -> Any:
    """Return a model of Inspect's, which has one that needs no network only for other purposes."""

    async def call(turns: Any, **_: Any) -> str:
        return f"yes, {len(turns)} turns"

    from inspect_ai.model import GenerateConfig

    return _model(call, GenerateConfig())  # type: ignore[arg-type] # it is called as one is


async def test_the_instruction_is_a_system_message_or_a_template() -> None:
    made, model = problem(), ScriptedModel(answer)
    item = made.items("train")[0]
    (step,) = (await made.trace("Think twice.", item, model)).steps
    assert "Think twice." in step.prompt
    assert item.input in step.prompt
    made = problem("Read: {prompt} Then answer.")
    (step,) = (await made.trace(made.starts[0], item, model)).steps
    assert f"Read: {item.input} Then answer." in step.prompt


async def test_the_tasks_scorer_scores() -> None:
    made = problem()
    item = made.items("train")[0]
    for said, score in ((item.target, 1.0), ("nothing", 0.0)):
        outcome = await made.measure("Answer.", item, always(said))
        assert outcome.score == score
        assert outcome.answer == said


async def test_a_failed_call_is_no_score() -> None:
    def fails(call: Call) -> str:
        raise ModelError(f"{call.role} out of order")

    made = problem()
    with pytest.raises(ModelError, match="out of order"):
        await made.measure("Answer.", made.items("train")[0], ScriptedModel(fails))


@pytest.mark.parametrize("check", problems.CHECKS, ids=lambda c: c.__name__)
async def test_a_task_conforms(check: Any) -> None:
    await check(problem())


def test_a_run_resumes_and_its_result_goes_back_into_the_task(tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "algorithm": llmopt.opro(samples=2),
        "optimizer": ScriptedModel(scripted.answer, identity="scripted/writer"),
        "steps": 3,
        "store": str(tmp_path / "runs.sqlite"),
        "name": "task",
        "progress": False,
        "controls": (),
    }
    assert llmopt.optimize(problem(), **options, budget=llmopt.Budget(calls=90)).out_of_budget
    result = llmopt.optimize(problem(), **options)
    assert result.steps == 3
    for text in (result.best.text, "Say {x}."):
        (log,) = inspect_ai.eval(
            instructed(task(), text),
            model=asking(),
            log_dir=str(tmp_path / "logs"),
            display="none",
            limit=2,
        )
        assert log.status == "success"
        sent = log.samples[0].messages[0]
        assert (sent.role, sent.text) == ("system", text)
    template = instructed(task(), "Read {x}: {prompt}")
    (log,) = inspect_ai.eval(
        template, model=asking(), log_dir=str(tmp_path / "logs"), display="none", limit=1
    )
    assert log.samples[0].messages[0].text == "Read {x}: Question number 0?"


def test_what_is_not_for_this_is_refused() -> None:
    with pytest.raises(ConfigError, match="must have a scorer"):
        problem(scorer=None)
