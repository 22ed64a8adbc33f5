"""EXPO in whole runs, and the meta-prompt that it chooses the words of."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import llmopt
from llmopt.algorithms import algorithm_named
from llmopt.algorithms.expo import expo
from llmopt.algorithms.expo.expo_es import expo_es
from llmopt.core.model import Traits
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation, Outcome
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.preflight.estimate import ModelFacts, estimate
from llmopt.problems.prompt.prompt_problem import PromptProblem
from llmopt.testing import scripted

if TYPE_CHECKING:
    from llmopt.core.model import Family
    from llmopt.core.values import Call, Role

GOLDEN = Path(__file__).parents[1] / "golden" / "expo"


def past() -> Trajectory:
    found = Trajectory()
    for step, (text, score) in enumerate([("Answer.", 0.25), ("Check it twice.", 0.5)]):
        made = Entry(Candidate(text, step), Evaluation((Outcome("1", score),), 1))
        found = found.tell([made])
    return found


@pytest.mark.parametrize("family", ["chat", "brackets", "continuation"])
async def test_the_meta_prompt_with_its_first_words_is_the_reviewed_one(family: Family) -> None:
    sent: list[str] = []

    def answer(call: Call) -> str:
        sent.append(call.text)
        return ""

    model = ScriptedModel(answer, traits=Traits(completion=True, family=family))
    await expo(family=family, samples=1, exemplars=1).ask(scripted.problem(), past(), model, 0, 4)
    assert len(sent) == 2 * 3 + 1
    path = GOLDEN / f"{family}.txt"
    if os.environ.get("LLMOPT_GOLDEN") == "write":
        path.write_text(sent[-1] + "\n", encoding="utf-8")
    assert sent[-1] + "\n" == path.read_text(encoding="utf-8")


def ran(folder: Path, algorithm: Any, steps: int = 4) -> list[Call]:
    """Return the calls to the optimizer LLM that were paid."""
    calls: list[Call] = []

    def answer(call: Call) -> str:
        if call.role == "optimizer":
            calls.append(call)
        return scripted.answer(call)

    plain = scripted.problem()
    problem = PromptProblem.from_splits(
        plain.splits, instructions=plain.instructions, task=plain.task, scorer=ScriptedModel(answer)
    )
    options: dict[str, Any] = {"controls": (), "progress": False, "store": folder / "runs"}
    llmopt.optimize(problem, algorithm=algorithm, steps=steps, **options)
    return calls


def proposals(calls: list[Call]) -> list[Call]:
    """Return those that ask for a solution, and not for another wording."""
    return [call for call in calls if "that were tried" in call.text]


def test_other_wordings_are_paid_once(tmp_path: Path) -> None:
    calls = ran(tmp_path, expo(wordings=3, samples=2))
    rewording = [call for call in calls if "Paraphrase this" in call.text]
    assert len(rewording) == 2 * 2
    assert len(calls) == 2 * 2 + 4 * 2


async def test_an_estimate_counts_other_wordings_once(tmp_path: Path) -> None:
    method, model = expo(wordings=3, samples=2), scripted.model()
    known: dict[Role, ModelFacts] = {"optimizer": ModelFacts(), "scorer": ModelFacts()}
    found = await estimate(scripted.problem(), method, model, model, steps=4, known=known)
    assert found.most("optimizer").calls == len(ran(tmp_path, method))


def test_the_words_of_the_meta_prompt_differ_from_step_to_step(tmp_path: Path) -> None:
    calls = ran(tmp_path, expo(samples=1), steps=12)
    tasks = {re.findall(r"^Task: (.*)$", call.text, re.MULTILINE)[0] for call in proposals(calls)}
    assert len(tasks) > 1


def test_one_list_of_past_solutions_is_expo_and_several_are_expo_es(tmp_path: Path) -> None:
    def shown(calls: list[Call]) -> list[list[int]]:
        return [
            [int(score) for score in re.findall(r"^(\d+): <INS>", call.text, re.MULTILINE)]
            for call in proposals(calls)
        ]

    plain = shown(ran(tmp_path / "plain", expo(shown=3, samples=4), 6))
    drawn = shown(ran(tmp_path / "es", expo_es(shown=3, samples=4), 6))
    assert (len(plain), len(drawn)) == (6 * 4, 6 * 4)
    assert all(1 <= len(scores) <= 3 for scores in (*plain, *drawn))
    assert all(scores == sorted(scores) for scores in drawn)


def test_options_of_a_configuration_are_those_of_the_part() -> None:
    made = algorithm_named("expo-es", {"sequences": 3, "rate": 0.5, "similarity": "words"})
    assert "sequences=3, rate=0.5" in repr(made.propose)
    assert "sequences=1" in repr(expo().propose)
