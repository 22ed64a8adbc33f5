"""A dspy.Module as a problem, against the real DSPy."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

import llmopt
from llmopt.core.solution import split_parts
from llmopt.core.values import digest
from llmopt.errors import ConfigError, ModelError
from llmopt.integrations.dspy_module import dspy_problem, instructions_of, loaded
from llmopt.integrations.exported import export, standing
from llmopt.integrations.frameworks import dspy_state
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.store import open_store
from llmopt.testing import problems, scripted

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.core.values import Call

dspy = pytest.importorskip("dspy", reason="needs DSPy: make test-extras")
pytestmark = pytest.mark.filterwarnings("ignore")  # DSPy's own


class TwoSteps(dspy.Module):  # type: ignore[name-defined, misc] # DSPy is not typed here
    def __init__(self) -> None:
        super().__init__()
        self.plan = dspy.Predict("question -> plan")
        self.answer = dspy.Predict("question, plan -> answer")

    def forward(self, question: str) -> Any:
        plan = self.plan(question=question).plan
        return self.answer(question=question, plan=plan)


def examples(count: int = 40) -> list[Any]:
    return [
        dspy.Example(question=f"Is {n} odd?", answer="yes" if n % 2 else "no").with_inputs(
            "question"
        )
        for n in range(count)
    ]


def right(example: Any, prediction: Any, trace: object = None) -> Any:
    del trace
    score = float(prediction.answer == example.answer)
    return dspy.Prediction(score=score, feedback="" if score else f"It is {example.answer}.")


def answer(call: Call) -> str:
    """Answer in DSPy's form, the better the more good words the instruction has."""
    if call.role == "optimizer":
        return scripted.answer(call)
    asked = call.messages[-1].content
    number = int("".join(c for c in asked.partition("odd?")[0] if c.isdigit()) or 0)
    skill = 0.3 + 0.2 * sum(word in call.text.lower() for word in scripted.GOOD)
    luck = int(digest(f"{call.text} {number}")[:6], 16) / 0xFFFFFF
    said = ("no", "yes")[(number % 2 == 1) == (luck < skill)]
    field = "plan" if "starting with the field `[[ ## plan" in asked else "answer"
    return f"[[ ## {field} ## ]]\n{said}\n\n[[ ## completed ## ]]"


def labelled(call: Call) -> str:
    """Label reviews, right for every second one."""
    del call
    return "[[ ## label ## ]]\ngood\n\n[[ ## completed ## ]]"


def problem(**options: Any) -> llmopt.ProgramProblem:
    return dspy_problem(
        TwoSteps(),
        examples(),
        metric=right,
        scorer=ScriptedModel(answer, identity="scripted/dspy"),
        sizes=(12, 8, 20),
        task="Say whether numbers are odd.",
        **options,
    )


def test_each_predictor_is_a_part() -> None:
    made = problem()
    assert [part.name for part in made.parts()] == ["plan", "answer"]
    assert split_parts(made.starts[0], ["plan", "answer"]) == instructions_of(TwoSteps())


async def test_calls_are_the_runs_own_with_the_name_of_their_predictor() -> None:
    made, model = problem(), ScriptedModel(answer)
    item = made.items("train")[0]
    trace = await made.trace(made.starts[0], item, model)
    assert [(step.name, step.part) for step in trace.steps] == [("plan", "plan"), ("answer",) * 2]
    outcome = await made.measure(made.starts[0], item, model)
    assert outcome.score in (0.0, 1.0)
    assert outcome.feedback == ("" if outcome.score else f"It is {item.target}.")
    changed = made.starts[0].replace("Given", "Carefully, given")
    trace = await made.trace(changed, item, model)
    assert all("Carefully, given the fields" in step.prompt for step in trace.steps)


async def test_a_failed_call_is_no_score() -> None:
    def fails(call: Call) -> str:
        raise ModelError(f"{call.role} out of order")

    made = problem()
    with pytest.raises(ModelError, match="out of order"):
        await made.measure(made.starts[0], made.items("train")[0], ScriptedModel(fails))


@pytest.mark.parametrize("check", problems.CHECKS, ids=lambda c: c.__name__)
async def test_a_module_conforms(check: Any) -> None:
    await check(problem())


@pytest.mark.parametrize("method", ["gepa", "opro"])
def test_a_run_resumes_and_its_result_is_saved(tmp_path: Path, method: str) -> None:
    made = {"gepa": llmopt.gepa(gate="strict"), "opro": llmopt.opro(samples=2)}[method]
    options: dict[str, Any] = {
        "algorithm": made,
        "optimizer": ScriptedModel(scripted.answer, identity="scripted/writer"),
        "steps": 3,
        "store": str(tmp_path / "runs.sqlite"),
        "name": "module",
        "progress": False,
        "controls": (),
    }
    broken = llmopt.optimize(problem(), **options, budget=llmopt.Budget(calls=130))
    assert broken.out_of_budget
    result = llmopt.optimize(problem(), **options)
    assert result.steps == 3
    other = llmopt.optimize(problem(), **{**options, "store": str(tmp_path / "other.sqlite")})
    assert other.best.text == result.best.text
    better = loaded(TwoSteps(), result.best.text)
    better.save(tmp_path / "module.json")
    again = TwoSteps()
    again.load(tmp_path / "module.json")
    assert instructions_of(again) == instructions_of(better)
    assert split_parts(result.best.text, ["plan", "answer"]) == instructions_of(again)


def test_an_export_of_several_parts_is_the_state_of_a_module(tmp_path: Path) -> None:
    with closing(open_store(str(tmp_path / "runs.sqlite"))) as store:
        llmopt.optimize(
            problem(),
            algorithm=llmopt.opro(samples=2),
            optimizer=ScriptedModel(scripted.answer, identity="scripted/writer"),
            steps=1,
            store=store,
            name="module",
            progress=False,
            controls=(),
        )
        found = standing(store, "module")
        entry = found.ranked[-1]
        (tmp_path / "state.json").write_text(
            dspy_state(export(store, found, entry, None)), encoding="utf-8"
        )
    module = TwoSteps()
    module.load(tmp_path / "state.json")
    assert instructions_of(module) == split_parts(entry.text, ["plan", "answer"])


def test_a_module_without_predictors_is_refused() -> None:
    with pytest.raises(ConfigError, match="one predictor or more, got none"):
        dspy_problem(dspy.Module(), examples(), metric=right, scorer="local/smollm2-135m")
