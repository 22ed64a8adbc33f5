"""GEPA's meta-prompt with answered rows, and that the rows apart keep what is tracked unseen."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from llmopt.algorithms.gepa import gepa
from llmopt.core.model import Traits
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation, Outcome
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.testing import algorithms, scripted

if TYPE_CHECKING:
    from llmopt.core.model import Family
    from llmopt.core.values import Call

GOLDEN = Path(__file__).parents[1] / "golden" / "gepa"


@pytest.mark.parametrize("family", ["chat", "brackets", "continuation"])
async def test_the_meta_prompt_with_rows_is_the_reviewed_one(family: Family) -> None:
    sent: list[str] = []

    def answer(call: Call) -> str:
        if call.role == "optimizer":
            sent.append(call.text)
        return scripted.answer(call)

    problem = scripted.problem()
    model = ScriptedModel(answer, traits=Traits(completion=True, family=family))
    items = problem.items("train")
    outcomes = tuple(
        Outcome(i.id, float(n < 8), feedback="" if n % 2 else "The other one was asked for.")
        for n, i in enumerate(items)
    )
    past = Trajectory().tell([Entry(Candidate("Answer."), Evaluation(outcomes, len(items)))])
    await gepa(family=family).ask(problem, past, model, 0, 4, scorer=model)
    path = GOLDEN / f"{family}.txt"
    if os.environ.get("LLMOPT_GOLDEN") == "write":
        path.write_text(sent[0] + "\n", encoding="utf-8")
    assert sent[0] + "\n" == path.read_text(encoding="utf-8")


async def test_full_marks_leave_nothing_to_ask() -> None:
    problem = scripted.problem()
    items = problem.items("train")
    outcomes = tuple(Outcome(item.id, 1.0) for item in items)
    past = Trajectory().tell([Entry(Candidate("Answer."), Evaluation(outcomes, len(items)))])
    model = scripted.model()
    asked = await gepa().ask(problem, past, model, 0, 4, scorer=model)
    assert not asked.candidates
    assert [one.reason for one in asked.rejected] == ["full marks on every row of the step"]
    assert not asked.calls


@pytest.mark.parametrize("check", algorithms.CHECKS, ids=lambda c: c.__name__)
async def test_the_published_setting_conforms(check: algorithms.Check, tmp_path: Path) -> None:
    method = gepa(tracked=0.6, gate="strict", selection="pareto", parents=2, samples=2)
    await check(method, scripted.problem(24, (8, 4, 8)), tmp_path)
