"""One item that cannot be measured never ends a run, and says why it was not."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import llmopt
from llmopt.errors import (
    BadCallError,
    ConfigError,
    LlmoptError,
    RefusedError,
    StepFailedError,
    WithheldError,
)
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.problems.metrics.contract import Scored
from llmopt.problems.metrics.judge import Judge
from llmopt.testing.scripted import answer, problem

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llmopt.core.values import Call, Item
    from llmopt.evidence.result import Result
    from llmopt.problems.prompt.prompt_problem import PromptProblem

BAD = problem().splits.train[3].input


class Asked:
    """A model that says of one question what `fault` says, and knows how often it was asked."""

    def __init__(self, fault: LlmoptError | None = None, *, always: bool = False) -> None:
        self.fault, self.always = fault, always
        self.proposals = self.bad = 0

    def __call__(self, call: Call) -> str:
        self.proposals += call.role == "optimizer"
        if call.role == "scorer" and self.fault and (self.always or BAD in call.text):
            self.bad += 1
            raise self.fault
        return answer(call)


async def done(folder: Path, asked: Asked, world: PromptProblem, **options: Any) -> Result:
    return await llmopt.optimize_async(
        replace(world, scorer=ScriptedModel(asked)),
        **{"steps": 2, "controls": (), "name": "run", "progress": False, **options},
        store=folder / "runs.sqlite",
    )


FAULTS = [
    BadCallError("the request is longer than the context"),
    WithheldError("a filter kept it back"),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
async def test_a_row_that_is_refused_alone_stays_unmeasured(
    tmp_path: Path, fault: LlmoptError
) -> None:
    result = await done(tmp_path, Asked(fault), problem())
    assert result.stopped == "steps done"
    train = result.lines[0].train
    assert train is not None
    assert (train.n, train.planned) == (11, 12)
    assert any(str(fault) in note for note in result.notes)


async def test_a_refusal_for_good_still_ends_a_run(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="no quota"):
        await done(tmp_path, Asked(RefusedError("no quota")), problem())


async def test_where_every_row_fails_the_run_ends_before_the_optimizer_is_paid(
    tmp_path: Path,
) -> None:
    asked = Asked(BadCallError("too long"), always=True)
    with pytest.raises(StepFailedError, match="too long") as caught:
        await done(tmp_path, asked, problem())
    assert asked.proposals == 0
    assert caught.value.exit_code == 1
    asked.always, asked.fault = False, None
    assert (await done(tmp_path, asked, problem())).stopped == "steps done"


async def test_a_function_that_fails_on_every_start_ends_the_run_before_the_optimizer_is_paid(
    tmp_path: Path,
) -> None:
    """Its failures are outcomes, and no step has failed: a search could go on from nothing."""
    asked = Asked()

    def broken(_text: str) -> float:
        raise RuntimeError("no licence")

    world = llmopt.FunctionProblem(broken, "Find it.", ["x", "y"])
    with pytest.raises(StepFailedError, match=r"no item of the starting 2 solutions.*no licence"):
        await llmopt.optimize_async(
            world,
            optimizer=ScriptedModel(asked),
            steps=2,
            name="run",
            progress=False,
            store=tmp_path / "runs.sqlite",
        )
    assert asked.proposals == 0


def parsed(output: str, item: Item) -> float:
    if item.input == BAD:
        json.loads("no JSON")
    return float(output.strip().lower().startswith(item.target))


def odd(value: object) -> Callable[[str, Item], Any]:
    return lambda output, item: value if item.input == BAD else parsed(output, item)


async def later(output: str, item: Item) -> float:
    return parsed(output, item)


async def scored_later(output: str, item: Item) -> Scored:
    return Scored(parsed(output, item), output)


def exits(output: str, item: Item) -> float:
    if item.input == BAD:
        raise KeyError("label")
    return parsed(output, item)


def quits(output: str, item: Item) -> float:
    if item.input == BAD:
        sys.exit("usage: metric.py FILE")
    return parsed(output, item)


async def quits_later(output: str, item: Item) -> float:
    return quits(output, item)


METRICS: dict[str, tuple[Callable[[str, Item], Any], str]] = {
    "a function": (parsed, "JSONDecodeError"),
    "a lambda": (lambda output, item: 0 + parsed(output, item), "JSONDecodeError"),
    "an async function": (later, "JSONDecodeError"),
    "an async function of a Scored": (scored_later, "JSONDecodeError"),
    "a missing key": (exits, "KeyError: 'label'"),
    "the end of a script": (quits, "SystemExit: usage"),
    "the end of a script, later": (quits_later, "SystemExit: usage"),
    "no number": (odd("right"), "a score is a number from 0 to 1"),
    "nothing": (odd(None), "a score is a number from 0 to 1"),
    "above 1": (odd(3), "a score is a number from 0 to 1"),
    "not a number": (odd(float("nan")), "a score is a number from 0 to 1"),
}


@pytest.mark.parametrize("name", METRICS)
async def test_an_answer_that_a_metric_of_ones_own_fails_on_stays_unmeasured(
    tmp_path: Path, name: str
) -> None:
    metric, why = METRICS[name]
    world = llmopt.PromptProblem.from_splits(
        problem().splits, instructions=("Answer.",), metric=metric
    )
    result = await done(tmp_path, Asked(), world)
    assert result.stopped == "steps done"
    train = result.lines[0].train
    assert train is not None
    assert (train.n, train.planned) == (11, 12)
    assert any(why in note for note in result.notes), result.notes


def fails(output: str, item: Item) -> float:
    raise ZeroDivisionError(f"{len(output)} {item.id}")


async def test_a_metric_that_always_fails_ends_the_run_with_its_first_error(tmp_path: Path) -> None:
    asked = Asked()
    world = llmopt.PromptProblem.from_splits(problem().splits, metric=fails)
    with pytest.raises(StepFailedError, match="ZeroDivisionError"):
        await done(tmp_path, asked, world)
    assert asked.proposals == 0


@pytest.mark.parametrize("metric", [len, lambda: 1.0, lambda a, b, c: a + b + c])
def test_a_metric_with_other_arguments_is_refused_before_the_first_call(
    metric: Callable[..., float],
) -> None:
    with pytest.raises(ConfigError, match=r"a metric is a function of \(output, item\)"):
        llmopt.PromptProblem.from_splits(problem().splits, metric=metric)


@pytest.mark.parametrize("error", [TypeError("odd"), KeyError("x"), RecursionError()])
def test_a_parser_that_raises_anything_refuses_the_proposal(error: Exception) -> None:
    def parser(text: str) -> str:
        if text != "1":
            raise error
        return text

    world = llmopt.FunctionProblem(float, "A number.", ["1"], parser=parser)
    refused = world.parse("2")
    assert isinstance(refused, llmopt.core.problem.Refusal)
    assert type(error).__name__ in refused.reason


async def test_an_unreadable_verdict_is_drawn_anew_when_the_run_is_resumed(tmp_path: Path) -> None:
    readable = False
    samples: list[int] = []

    def judging(call: Call) -> str:
        if call.role != "judge":
            return answer(call)
        code = call.text.rpartition("Verdict ")[2].partition(":")[0]
        if BAD in call.text:
            samples.append(call.sample)
            if not readable:
                return "I cannot say."
        return f"Verdict {code}: 4"

    model = ScriptedModel(judging)
    world = replace(
        llmopt.PromptProblem.from_splits(problem().splits, metric=Judge(), judge=model),
        scorer=model,
    )

    async def evaluated() -> Any:
        return await llmopt.evaluate_async(
            world, ["Answer."], part="train", store=tmp_path / "judge.sqlite", progress=False
        )

    first = await evaluated()
    assert any("a verdict is the line" in note for note in first.notes)
    assert samples == [0, 1]
    again = await evaluated()
    assert samples == [0, 1, 2, 3], "stored replies are not served again"
    assert again.notes == first.notes or "ended 4 times" in again.notes[0]
    readable = True
    assert not (await evaluated()).notes
    assert samples[4:] == [4]
    assert not (await evaluated()).notes
    assert samples[5:] == [], "a verdict that was read is stored"
