"""DRPO in whole runs with a judge of dynamic criteria, and the meta-prompt with a reward."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import llmopt
from llmopt.algorithms.drpo import drpo
from llmopt.config.reading import settings
from llmopt.core.model import Traits
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation, Outcome
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.problems.prompt.prompt_problem import PromptProblem
from llmopt.testing import scripted

if TYPE_CHECKING:
    from llmopt.algorithms.drpo.rewards import Idle
    from llmopt.core.model import Family
    from llmopt.core.values import Call

GOLDEN = Path(__file__).parents[1] / "golden" / "drpo"


def judged(call: Call) -> str:
    """Judge by two criteria: one is always met, one where the answer is the reference."""
    parts = re.findall(r"\[begin [a-z ]+ [0-9a-f]{12}\]\n(.*?)\n\[end", call.text, re.DOTALL)
    code = re.findall(r"Verdict ([0-9a-f]{12}):", call.text)[-1]
    right = 5 if parts[1] == parts[2] else 1
    return f"form: 5, one word\ncorrectness: {right}, compared\n\nVerdict {code}: 5, {right}"


def test_a_run_learns_from_what_the_judge_said_and_pays_for_nothing_twice(tmp_path: Path) -> None:
    calls: list[Call] = []

    def answer(call: Call) -> str:
        calls.append(call)
        return judged(call) if call.role == "judge" else scripted.answer(call)

    plain, model = scripted.problem(), ScriptedModel(answer)
    problem = PromptProblem.from_splits(
        plain.splits,
        instructions=plain.instructions,
        task=plain.task,
        metric=llmopt.Judge("dynamic"),
        scorer=model,
        judge=model,
    )
    result = llmopt.optimize(
        problem,
        algorithm=drpo(family="chat"),
        steps=4,
        controls=(),
        progress=False,
        store=tmp_path / "runs",
    )
    asked = [call for call in calls if call.role == "optimizer"]
    assert len(asked) == 4 * 2 * 3
    assert len({call.key("m") for call in calls}) == len(calls)
    first = asked[: 2 * 3]  # later prompts may answer everything right
    assert all("correctness: 1, compared" in call.text for call in first)
    assert any("Instructions that led to the current one" in call.text for call in asked)
    assert not any("Verdict" in call.text for call in asked)
    assert {call.temperature for call in asked} == {0.2}
    assert result.best.step > 0


@pytest.mark.parametrize(("idle", "requests"), [("rewrite", 2 * (1 + 2) * 3), ("carry", 0)])
def test_a_state_without_poor_answers_is_rewritten_or_carried_on(
    idle: Idle, requests: int, tmp_path: Path
) -> None:
    asked: list[Call] = []

    def answer(call: Call) -> str:
        asked.append(call)
        return scripted.answer(call)

    plain, model = scripted.problem(), ScriptedModel(answer)
    problem = PromptProblem.from_splits(
        plain.splits,
        instructions=("Answer.",),
        metric=lambda output, item: 0.95 if output or item else 0.0,
        scorer=model,
    )
    result = llmopt.optimize(
        problem,
        algorithm=drpo(idle=idle, worth="path"),
        optimizer=model,
        steps=3 if idle == "carry" else 2,
        controls=(),
        progress=False,
        store=tmp_path / "runs",
    )
    made = [call for call in asked if call.role == "optimizer"]
    assert len(made) <= requests
    assert bool(made) == bool(requests)
    assert (result.best.text == "Answer.") or requests


@pytest.mark.parametrize("family", ["chat", "brackets", "continuation"])
async def test_the_meta_prompt_with_a_reward_is_the_reviewed_one(family: Family) -> None:
    sent: list[str] = []

    def answer(call: Call) -> str:
        if call.role == "optimizer":
            sent.append(call.text)
        return scripted.answer(call)

    problem = scripted.problem()
    model = ScriptedModel(answer, traits=Traits(completion=True, family=family))
    past, parents = Trajectory(), ()  # type: tuple[Trajectory, tuple[str, ...]]
    for step, text in enumerate(("Answer.", "Check it twice.", "Think slowly.")):
        items = problem.items("train")
        outcomes = tuple(Outcome(i.id, float(n < 4 + step)) for n, i in enumerate(items))
        made = Candidate(text, step, parents)
        past = past.tell([Entry(made, Evaluation(outcomes, len(items)))])
        parents = (*parents, made.id)
    method: Any = drpo(family=family, samples=1, beam=1)
    await method.ask(problem, past, model, 0, 4, scorer=model)
    path = GOLDEN / f"{family}.txt"
    if os.environ.get("LLMOPT_GOLDEN") == "write":
        path.write_text(sent[0] + "\n", encoding="utf-8")
    assert sent[0] + "\n" == path.read_text(encoding="utf-8")


def test_a_configuration_names_method_and_judge(tmp_path: Path) -> None:
    data = {
        "problem": {"data": "x.csv", "metric": "judge"},
        "scorer": {"model": "local/smollm2-135m"},
        "judge": {"model": "openai/gpt-5-mini", "mode": "dynamic"},
        "algorithm": {"name": "drpo", "beam": 3},
    }
    made = settings(data, "here", tmp_path)
    assert made.algorithm.built() == drpo(beam=3)
    assert made.judge is not None
    assert made.judge.built() == llmopt.Judge("dynamic")
