"""The meta-prompts of regression and tours are reviewed; see test_golden.py."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from llmopt.algorithms.catalyst import catalyst
from llmopt.algorithms.evollm import evollm
from llmopt.algorithms.opro import opro
from llmopt.core.model import Traits
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.problems.numeric.regression import linear_regression
from llmopt.problems.numeric.test_functions import landscape
from llmopt.problems.tours.tour_problem import tsp

if TYPE_CHECKING:
    from llmopt.core.algorithm import Algorithm
    from llmopt.core.model import Family
    from llmopt.core.values import Call
    from llmopt.problems.function import FunctionProblem

FOLDER = Path(__file__).parent / "numbers"
FAMILIES: tuple[Family, ...] = ("chat", "brackets", "continuation")
SHOWN: dict[str, tuple[Algorithm, FunctionProblem]] = {
    "regression": (opro(), linear_regression()),
    "regression-as-published": (opro(), linear_regression(decimals=0)),
    "regression-paper-like": (opro(wording="paper-like"), linear_regression(decimals=0)),
    "tours": (opro(shown=10), tsp(10)),
    "tours-paper-like": (opro(shown=10, wording="paper-like"), tsp(10)),
    "rosenbrock": (opro(), landscape("rosenbrock")),
    "catalyst-tours": (catalyst(proposals=1), tsp(10)),
    "catalyst-rosenbrock": (catalyst(proposals=1), landscape("rosenbrock")),
    "evollm-regression": (evollm(resolution=100), linear_regression()),
}


async def started(problem: FunctionProblem) -> Trajectory:
    """Return what a run knows when it has measured the starts."""
    entries = []
    for text in problem.starts:
        outcomes = [await problem.measure(text, item, None) for item in problem.items("train")]
        entries.append(Entry(Candidate(text), Evaluation(tuple(outcomes), len(outcomes))))
    return Trajectory().tell(entries)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", SHOWN)
async def test_the_first_meta_prompt_is_the_reviewed_one(name: str, family: Family) -> None:
    method, problem = SHOWN[name]
    sent: list[str] = []

    def answer(call: Call) -> str:
        sent.append(call.text)
        return ""

    model = ScriptedModel(answer, traits=Traits(completion=True, family=family))
    await method.ask(problem, await started(problem), model, 0, 4)
    path = FOLDER / f"{name}-{family}.txt"
    if os.environ.get("LLMOPT_GOLDEN") == "write":
        path.write_text(sent[0] + "\n", encoding="utf-8")
    assert path.is_file(), f"{path.name} is not written yet; see the top of test_golden.py"
    assert sent[0] + "\n" == path.read_text(encoding="utf-8")


def test_every_file_belongs_to_a_test() -> None:
    wanted = {f"{name}-{family}" for name in SHOWN for family in FAMILIES}
    assert {path.stem for path in FOLDER.glob("*.txt")} == wanted
