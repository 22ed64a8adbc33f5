"""MIPRO: what is combined, how combinations are chosen, and on what they are measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from llmopt.algorithms.mipro import mipro
from llmopt.algorithms.mipro.combinations import Minibatches, PlannedTrials
from llmopt.algorithms.mipro.parzen import CategoricalParzen
from llmopt.algorithms.mipro.writing import ShotSets
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation, Item, Outcome
from llmopt.errors import ConfigError
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.parts.bootstrap_demonstrations import taught
from llmopt.testing import scripted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.core.values import Call

PROBLEM = scripted.few_shot()
ROWS = PROBLEM.items("train")


def measured(text: str, score: float, step: int) -> Entry:
    outcomes = tuple(Outcome(row.id, score) for row in ROWS)
    return Entry(Candidate(text, step), Evaluation(outcomes, len(ROWS)))


async def steps(count: int) -> tuple[Trajectory, list[Call]]:
    """Return the trajectory after some steps, and the calls to the optimizer LLM."""
    calls: list[Call] = []

    def listen(call: Call) -> str:
        if call.role == "optimizer":
            calls.append(call)
        return scripted.answer(call)

    model = ScriptedModel(listen)
    told = Trajectory().tell([measured(text, 1.0, 0) for text in PROBLEM.starts])
    for step in range(1, count + 1):
        asked = await mipro().ask(PROBLEM, told, model, 0, 4, scorer=model)
        told = told.tell(
            [measured(c.text, 0.5 + 0.01 * n, step) for n, c in enumerate(asked.candidates)]
        )
    return told, calls


async def test_the_first_step_has_every_set_and_every_instruction() -> None:
    told, calls = await steps(1)
    made = [taught(PROBLEM, entry.text) for entry in told]
    assert len({one.shots for one in made}) == 6
    assert len({one.instruction for one in made}) == 4, "two starts and two that were written"
    assert len(calls) == 3, "a summary and two instructions"


async def test_later_steps_ask_nobody_and_combine_what_is_there() -> None:
    first, before = await steps(1)
    told, after = await steps(3)
    assert len(after) == len(before)
    known = [taught(PROBLEM, entry.text) for entry in first]
    for entry in list(told)[len(first) :]:
        made = taught(PROBLEM, entry.text)
        assert made.instruction in {one.instruction for one in known}
        assert made.shots in {one.shots for one in known}


async def test_when_all_are_tried_that_is_said() -> None:
    told, _ = await steps(6)
    model = scripted.model()
    asked = await mipro().ask(PROBLEM, told, model, 0, 9, scorer=model)
    assert not asked.candidates
    assert [one.reason for one in asked.rejected] == ["every combination is tried"]


def test_without_demonstrations_there_is_nothing_to_combine() -> None:
    with pytest.raises(ConfigError, match=r"set problem\.demonstrations"):
        mipro().check(scripted.problem(), scripted.model())


def test_what_the_good_have_in_common_weighs_more() -> None:
    trials = {(0, 0): 0.9, (0, 1): 0.8, (1, 0): 0.3, (1, 1): 0.2, (2, 0): 0.1, (2, 1): 0.1}
    alike, other, unknown = CategoricalParzen(0.3).weights(trials, [(0, 2), (1, 2), (3, 2)])
    assert alike > unknown > other


def test_drawing_prefers_the_heavy_and_takes_none_twice() -> None:
    trials = {(0, n): 1.0 for n in range(9)} | {(1, n): 0.0 for n in range(18)}
    untried = [(0, 50), (1, 51)]
    firsts = [
        CategoricalParzen(1 / 3).drawn(trials, untried, 1, np.random.RandomState(seed))[0]
        for seed in range(50)
    ]
    assert firsts.count((0, 50)) > 35
    both = CategoricalParzen().drawn(trials, untried, 9, np.random.RandomState(0))
    assert sorted(both) == untried
    assert CategoricalParzen().drawn(trials, [], 3, np.random.RandomState(0)) == []


async def test_a_step_shares_its_rows_and_the_best_is_measured_on_all() -> None:
    items = tuple(Item(str(n)) for n in range(80))
    worth = {"good": 1.0, "poor": 0.0, "fair": 0.5}

    async def measure(jobs: Sequence[tuple[Candidate, Item]]) -> list[Outcome]:
        return [Outcome(item.id, worth[c.text]) for c, item in jobs]

    ctx = scripted.context(Trajectory().tell([]), problem=PROBLEM)
    candidates = [Candidate(text, 1) for text in ("poor", "good", "fair")]
    poor, good, fair = await Minibatches(20)(ctx, candidates, items, measure)
    assert [one.measured for one in (poor, good, fair)] == [20, 80, 20]
    assert [o.item for o in poor.outcomes] == [o.item for o in fair.outcomes]
    assert [o.item for o in good.outcomes] == [item.id for item in items]
    small = await Minibatches(20)(ctx, candidates, items[:50], measure)
    assert [one.measured for one in small] == [50] * 3


@pytest.mark.parametrize(("trials", "expected"), [(1, 1), (5, 1), (6, 2), (10, 2), (11, 3)])
def test_trials_are_planned_as_steps(trials: int, expected: int) -> None:
    assert PlannedTrials(5, 5, trials)(PROBLEM) == expected


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"candidates": 1}, "sets of demonstrations are 2 or more"),
        ({"own": 0, "labelled": 0}, "a set has 1 demonstration or more"),
        ({"minibatch": 0}, "rows of a minibatch are 1 or more"),
        ({"full_every": 0}, "trials of a step are 1 or more"),
        ({"good": 0.0}, "good trials is between 0 and 1"),
        ({"summarized": -1}, "summed up are 0 or more"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        mipro(**options)


async def test_sets_follow_whose_answers_may_be_shown() -> None:
    model = scripted.model()
    start = measured(PROBLEM.starts[0], 1.0, 0)
    ctx = scripted.context(Trajectory().tell([start]), problem=PROBLEM, model=model, scorer=model)
    rules = PROBLEM.shot_rules()
    assert rules is not None
    empty, labels, *_ = await ShotSets()(ctx, rules, (start,))
    assert empty == ()
    assert labels
    assert not any(shot.answer for shot in labels)
