"""The first solutions of a search can be inferred from examples alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from llmopt.algorithms.ape import ape
from llmopt.algorithms.ape.induction import Inferred
from llmopt.core.model import Traits
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation, Outcome
from llmopt.errors import ConfigError
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.testing import algorithms, scripted

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.core.model import Family
    from llmopt.core.values import Call

TASK = scripted.problem()
STARTS = [
    Entry(Candidate(text), Evaluation((Outcome("0", 0.5),), 1)) for text in ("Answer.", "Say it.")
]
FIRST = Trajectory().tell(STARTS)


async def asked(family: Family, trajectory: Trajectory, induced: int = 6) -> list[Call]:
    calls: list[Call] = []

    def answer(call: Call) -> str:
        calls.append(call)
        return scripted.answer(call)

    model = ScriptedModel(answer, traits=Traits(completion=True, family=family))
    found = await ape(induced=induced).ask(TASK, trajectory, model, 1, 3)
    assert len(found.calls) == len(calls) == len(set(found.calls))
    return calls


@pytest.mark.parametrize("family", ["chat", "brackets", "continuation"])
async def test_the_first_step_infers_from_pairs_alone(family: Family) -> None:
    calls = await asked(family, FIRST)
    assert len(calls) == 6, "once for all starts"
    for call in calls:
        questions = re.findall(r"Question number \d+\?", call.text)
        assert len(set(questions)) == len(questions) == 5
        assert "Answer with yes or no" not in call.text, "the task is what is to be inferred"
        assert not any(start.text in call.text for start in STARTS)
    assert len({call.text for call in calls}) > 1, "every draw sees pairs of its own"


async def test_later_steps_reword_the_best() -> None:
    calls = await asked("chat", FIRST.tell([]))
    assert len(calls) == 4
    assert all("in other words" in call.text for call in calls)
    assert len(await asked("chat", FIRST, induced=0)) == 4


def test_without_right_answers_nothing_can_be_inferred() -> None:
    with pytest.raises(ConfigError, match="right answers"):
        ape(induced=3).check(scripted.numbers(), scripted.model())
    with pytest.raises(ConfigError, match="1 or more"):
        Inferred(pairs=0)


@pytest.mark.parametrize("check", algorithms.CHECKS, ids=lambda c: c.__name__)
async def test_inferring_conforms(check: algorithms.Check, tmp_path: Path) -> None:
    await check(ape(induced=4), scripted.problem(24, (8, 4, 8)), tmp_path)
