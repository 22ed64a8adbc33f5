"""What a headroom measures, and what it says of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from llmopt.algorithms.gepa import gepa
from llmopt.algorithms.opro import opro
from llmopt.core.presentation import ACCURACY
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation, Item, Outcome
from llmopt.engine.headroom_race import CANDIDATES, HeadroomRace, headroom_plan
from llmopt.errors import ConfigError
from llmopt.evidence.headroom import Headroom
from llmopt.problems.function import FunctionProblem
from llmopt.statistics import PossibleGain, possible_gain
from llmopt.testing import scripted

if TYPE_CHECKING:
    from collections.abc import Sequence

ITEMS = tuple(Item(str(n)) for n in range(100))


def answers(accuracies: list[float], seed: int = 0) -> np.ndarray:
    random = np.random.RandomState(seed)
    hard = random.random_sample(100)
    luck = random.random_sample((len(accuracies), 100))
    return ((0.7 * hard + 0.3 * luck) < np.array(accuracies)[:, None]).astype(float)


async def raced(table: np.ndarray, first: int) -> list[Evaluation]:
    """Measure candidates 1, 2, … beside the start, 0."""

    async def measure(jobs: Sequence[tuple[Candidate, Item]]) -> list[Outcome]:
        return [Outcome(i.id, float(table[int(c.text), int(i.id)]), "a") for c, i in jobs]

    start = [Candidate("0")]
    race = HeadroomRace(first)
    found = await race(scripted.context(Trajectory()), start, ITEMS, measure)
    told = Trajectory().tell([Entry(start[0], found[0])])
    others = [Candidate(str(n), 1) for n in range(1, len(table))]
    return [*found, *await race(scripted.context(told), others, ITEMS, measure)]


async def test_candidates_are_spread_over_the_items_and_the_best_see_more() -> None:
    found = await raced(answers([0.5, *[0.2] * 8, 0.9, 0.9, 0.4, 0.4]), 8)
    sizes = [e.measured for e in found]
    assert sizes[0] == 100
    assert sorted(sizes[1:]) == [8] * 8 + [24, 24, 56, 56]
    assert sizes[9] == sizes[10] == 56
    assert len({o.item for e in found[1:9] for o in e.outcomes}) > 50


async def test_few_items_are_measured_once_each() -> None:
    found = await raced(answers([0.5, 0.5, 0.5]), 100)
    assert [e.measured for e in found] == [100, 100, 100]


def test_a_clear_gain_is_worth_it_and_none_is_not() -> None:
    far = possible_gain(answers([0.2, *[0.6] * 12]), planned=80, rows=100, worth=0.02)
    assert far.over > 0.95
    assert 0.2 < far.low < far.mean < far.high
    none = possible_gain(answers([0.9, *[0.3] * 12]), planned=80, rows=100, worth=0.02)
    assert none.over < 0.05
    assert none.mean < 0.02


def test_the_same_answers_say_the_same() -> None:
    table = answers([0.5] * 13)
    first, second = (possible_gain(table, planned=8, rows=50, worth=0.02) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("over", "word"), [(0.9, "worth it"), (0.5, "cannot tell"), (0.1, "not worth it")]
)
def test_a_word_needs_a_probability(over: float, word: str) -> None:
    found = Headroom(PossibleGain(0.05, -0.01, 0.1, over), 0.02, 12, 80, 400, 9300)
    assert found.word == word
    said = found.sentence(ACCURACY)
    assert said.startswith(word.capitalize())
    assert "+5.0 points" in said
    assert "80 % interval -1.0 to +10.0 points" in said


def test_nothing_new_tells_nothing() -> None:
    problem = scripted.problem(120, (60, 20, 40))
    plan = headroom_plan(problem, opro(), steps=10, finalists=10, worth=0.02)
    told = Trajectory().tell([Entry(Candidate("Answer."), Evaluation((), 60))])
    found = plan.found(problem, told, None)
    assert found.word == "cannot tell"
    assert "too few" in found.sentence(ACCURACY)


def test_it_takes_a_twentieth_of_the_calls_at_most_where_rows_allow_it() -> None:
    problem = scripted.problem(400, (100, 100, 200))
    plan = headroom_plan(problem, opro(), steps=20, finalists=10, worth=0.02)
    first = plan.algorithm.rate.first  # type: ignore[attr-defined] # a HeadroomRace
    assert 200 + first * (CANDIDATES + 16) <= 0.05 * plan.full
    assert plan.planned == 160


def test_a_method_with_small_steps_is_planned_with_few_candidates() -> None:
    plan = headroom_plan(scripted.problem(), gepa(), steps=8, finalists=10, worth=0.02)
    assert plan.planned == 8


def test_other_scores_and_methods_without_an_llm_are_refused() -> None:
    value = FunctionProblem(len, "Write much.", ["a"])
    with pytest.raises(ConfigError, match="shares from 0 to 1"):
        headroom_plan(value, opro(), steps=1, finalists=1, worth=0.02)
    without = replace(opro(), propose=_Unaided())  # type: ignore[arg-type] # it asks nothing
    with pytest.raises(ConfigError, match="asks an LLM"):
        headroom_plan(scripted.problem(), without, steps=1, finalists=1, worth=0.02)


class _Unaided:
    """A `propose` that needs no model."""

    def unaided(self) -> bool:
        return True
