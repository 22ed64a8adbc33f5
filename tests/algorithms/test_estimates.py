"""What `llmopt check` foretells holds for every method that ships, and for GPO's variants."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from llmopt.algorithms import ALGORITHMS, algorithm_of
from llmopt.algorithms.ape import ape
from llmopt.algorithms.drpo import drpo
from llmopt.algorithms.gpo import gpo
from llmopt.algorithms.protegi import protegi
from llmopt.algorithms.protegi.pe2 import pe2
from llmopt.api import prepare
from llmopt.core.values import Call, Role, digest
from llmopt.errors import ConfigError
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.preflight.estimate import ModelFacts, estimate
from llmopt.testing import scripted

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.core.algorithm import Algorithm
    from llmopt.problems.prompt.prompt_problem import PromptProblem

ROLES: tuple[Role, ...] = ("optimizer", "scorer")
VARIANTS: dict[str, Algorithm] = {
    "gpo with summaries": gpo(momentum="summary", reflection="summary"),
    "gpo with reflection": gpo(reflection="recency"),
    "gpo with rows for examples": gpo(format_rows=3, current_shown="ranked", strict=False),
    "gpo asking again": gpo(above="again", words=1),
    "pe2 asking again": pe2(above="again", words=1),
    "pe2 as in its code": pe2(dev=0.5, reasoning=True, question_temperature=0.5, strict=False),
    "drpo as in its code": drpo(history=4, idle="carry", worth="path"),
    "protegi as in its code": protegi(selection="bf", temperature=0.7, strict=False),
    "protegi by halving": protegi(selection="sh", beam=2, selection_calls=40),
    "ape with induction": ape(induced=6),
    "several in turn": algorithm_of(["sampling", "ape", "gepa"]),
}


TASKS = (scripted.problem(24, (12, 4, 8)), scripted.stepwise())


def problem_for(algorithm: Algorithm) -> PromptProblem | None:
    for task in TASKS:
        try:
            algorithm.check(task, scripted.model())
        except ConfigError:
            continue
        return task
    return None


METHODS = {name: make() for name, make in ALGORITHMS.items()} | VARIANTS
FITTING = [name for name, made in METHODS.items() if made.needs_model and problem_for(made)]


def readable(call: Call) -> str:
    """Answer so that whatever is asked for can be used: critiques and summaries too."""
    said = scripted.answer(call)
    if call.role == "optimizer" and call.temperature == 0 and "Step" not in said:
        return f"<TEXT>Answer {digest(call.text)[:6]} slowly.</TEXT>"
    return said


@pytest.mark.parametrize("answer", [scripted.answer, readable], ids=["as usual", "readable"])
@pytest.mark.parametrize("name", FITTING)
async def test_what_a_method_takes_lies_within_its_estimate(
    name: str, answer: Any, tmp_path: Path
) -> None:
    """SGDM's summaries are asked for and measured, which no proposal says."""
    made: Counter[Role] = Counter()

    def counted(call: Call) -> str:
        made[call.role] += 1
        return str(answer(call))

    model = ScriptedModel(counted, identity="scripted/counted")
    algorithm = METHODS[name]
    task = problem_for(algorithm)
    assert task
    task = replace(task, scorer=model)
    foretold = await estimate(
        task,
        algorithm,
        model,
        model,
        known={role: ModelFacts() for role in ROLES},
        steps=algorithm.steps(task, 4),
    )
    options: dict[str, Any] = {"store": tmp_path / "s.sqlite", "steps": 4, "controls": ()}
    async with prepare(task, algorithm=algorithm, optimizer=model, **options) as run:
        await run.optimize()
    for role in ROLES:
        low, high = (
            sum(phase.of(role).calls for phase in (plan.starts, *plan.steps, plan.final))
            for plan in (foretold.low, foretold.high)
        )
        assert low <= made[role] <= high, role


def test_no_method_for_prompts_is_left_out() -> None:
    left = {name for name in METHODS if METHODS[name].needs_model} - set(FITTING)
    # For numbers, tours and programs evaluations are not foretold; one needs demonstrations.
    assert left == {"catalyst", "evollm", "mipro", "sbllm"}
