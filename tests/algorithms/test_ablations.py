"""Every row of the ablations of OPRO (section 11) is a choice of options, and does what it says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

import llmopt
from llmopt.algorithms.opro import opro
from llmopt.config.reading import settings
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.problems.prompt.prompt_problem import PromptProblem
from llmopt.testing import scripted

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.core.values import Call
    from llmopt.evidence.result import Result


def ran(
    folder: Path, start: str = "Answer.", steps: int = 3, **options: Any
) -> tuple[list[Call], Result]:
    """Return the calls to the optimizer LLM, in order, and the result."""
    asked: list[Call] = []

    def answer(call: Call) -> str:
        if call.role == "optimizer":
            asked.append(call)
        return scripted.answer(call)

    splits = scripted.problem(items=60, sizes=(20, 8, 20)).splits
    result = llmopt.optimize(
        PromptProblem.from_splits(
            splits, instructions=start, task="Answer.", scorer=ScriptedModel(answer)
        ),
        algorithm=opro(**options),
        steps=steps,
        store=folder / "runs",
        controls=(),
        progress=False,
    )
    return asked, result


def shown(call: Call) -> list[int]:
    """Return the scores that a meta-prompt shows, in their order."""
    return [int(score) for score in re.findall(r"^(\d+): <INS>", call.text, re.MULTILINE)]


@pytest.mark.parametrize("order", ["ascending", "descending", "random"])
def test_the_order_of_the_list(tmp_path: Path, order: Any) -> None:
    last = ran(tmp_path, order=order)[0][-1]
    scores = shown(last)
    assert len(set(scores)) > 2
    assert (scores == sorted(scores)) is (order == "ascending")
    assert (scores == sorted(scores, reverse=True)) is (order == "descending")
    said = {"ascending": "worst to the best", "descending": "best to the worst"}
    assert {o for o, words in said.items() if words in last.text} == {order} & said.keys()


@pytest.mark.parametrize("scores", [100, 20, 0])
def test_the_display_of_scores(tmp_path: Path, scores: int) -> None:
    """The range that the text names is the range that is shown."""
    last = ran(tmp_path, scores=scores)[0][-1]
    assert bool(shown(last)) is (scores > 0)
    assert all(0 <= score <= scores for score in shown(last))
    assert (f"from 0 to {scores};" in last.text) is (scores > 0)
    assert ("accuracy" in last.text) is (scores > 0)
    assert "score" not in last.text, "the measure is called by its name"


@pytest.mark.parametrize("exemplars", [3, 10, 0])
def test_the_number_of_exemplars(tmp_path: Path, exemplars: int) -> None:
    for call in ran(tmp_path, exemplars=exemplars)[0]:
        assert call.text.count('right answer: "') == exemplars


@pytest.mark.parametrize(
    "by", ["random", "constant", "accumulative_most_frequent", "current_most_frequent"]
)
def test_the_choice_of_exemplars(tmp_path: Path, by: Any) -> None:
    calls = ran(tmp_path, exemplars_by=by, samples=1, steps=5)[0]
    drawn = [tuple(re.findall(r"Question number (\d+)\?", call.text)) for call in calls]
    assert all(len(questions) == 3 for questions in drawn)
    assert (len(set(drawn)) == 1) is (by == "constant")
    assert ("most of these inputs were answered wrong" in calls[-1].text) is by.endswith("frequent")


@pytest.mark.parametrize("samples", [1, 2, 4, 8, 16])
def test_instructions_per_step_at_equal_evaluations(tmp_path: Path, samples: int) -> None:
    calls, _ = ran(tmp_path, samples=samples, steps=16 // samples)
    assert len(calls) == 16
    assert len({call.text for call in calls}) <= 16 // samples
    assert len({call.key("m") for call in calls}) == 16, "no draw is the stored one of another"


@pytest.mark.parametrize("temperature", [0, 0.5, 1, 1.5, 2])
def test_the_temperature(tmp_path: Path, temperature: float) -> None:
    calls, _ = ran(tmp_path, temperature=temperature, samples=2, steps=1)
    assert [call.temperature for call in calls] == [temperature] * 2


@pytest.mark.parametrize(
    "start", ["", "Let's solve the problem.", "Let's think step by step.", "The answer is"]
)
def test_the_starting_instruction(tmp_path: Path, start: str) -> None:
    calls, result = ran(tmp_path, start, samples=2, steps=1)
    assert result.start.text == start
    assert re.search(rf"^\d+: <INS>{re.escape(start)}</INS>$", calls[0].text, re.MULTILINE)


def test_one_step_that_draws_fifty(tmp_path: Path) -> None:
    calls, result = ran(tmp_path, samples=50, steps=1)
    assert len(calls) == 50
    assert len({call.text for call in calls}) == 1
    assert (result.steps, result.candidates + sum(result.rejected.values())) == (1, 51)


@pytest.mark.parametrize(
    "option",
    [
        {"order": "random"},
        {"scores": 0},
        {"exemplars": 10},
        {"exemplars_by": "current_most_frequent"},
        {"samples": 16},
        {"temperature": 0},
    ],
)
def test_each_is_a_key_of_a_configuration(option: dict[str, Any], tmp_path: Path) -> None:
    data = {"problem": {"data": "x.csv"}, "scorer": {"model": "local/smollm2-135m"}}
    made = settings({**data, "algorithm": option}, "here", tmp_path)
    assert made.algorithm.built() == opro(**option)
