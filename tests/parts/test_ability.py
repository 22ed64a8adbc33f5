"""A race by abilities measures few items, estimates the others, and finds the best ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation, Item, Outcome
from llmopt.errors import ConfigError
from llmopt.parts.ability import AbilityRace
from llmopt.parts.rate import Everything, rated
from llmopt.problems.function import FunctionProblem
from llmopt.testing import scripted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

ITEMS = tuple(Item(str(n)) for n in range(60))


class Answers:
    """Measures by a table of scores: a row per candidate, whose text is the row's number."""

    def __init__(self, table: NDArray[np.float64], *, read: bool = True) -> None:
        self.table, self.read = table, read
        self.batches: list[list[tuple[str, str]]] = []

    async def measure(self, jobs: Sequence[tuple[Candidate, Item]]) -> list[Outcome]:
        self.batches.append([(c.text, i.id) for c, i in jobs])
        return [self.outcome(c.text, item) for c, item in jobs]

    def outcome(self, row: str, item: Item) -> Outcome:
        score = float(self.table[int(row), int(item.id)])
        answer = "a" if self.read else None
        return Outcome(item.id, None if np.isnan(score) else score, answer, item.weight)

    @property
    def calls(self) -> int:
        return sum(map(len, self.batches))

    def told(self, *rows: int) -> Trajectory:
        """A trajectory of rows that were measured in full."""
        found = [
            Entry(Candidate(str(r)), Evaluation(tuple(self.outcome(str(r), i) for i in ITEMS), 60))
            for r in rows
        ]
        return Trajectory().tell(found)


def table(abilities: Sequence[float], items: int = 60, seed: int = 0) -> NDArray[np.float64]:
    """Right and wrong answers as a Rasch model gives them, by abilities in logits."""
    random = np.random.RandomState(seed)
    difficulty = random.normal(size=items)
    p = 1 / (1 + np.exp(difficulty[None] - np.array(abilities)[:, None]))
    found: NDArray[np.float64] = (random.random_sample(p.shape) < p).astype(float)
    return found


def named(*rows: int) -> list[Candidate]:
    return [Candidate(str(row), 1) for row in rows]


async def test_the_starting_solutions_are_measured_on_all_items_and_not_estimated() -> None:
    answers = Answers(table([0.0, 0.0]))
    found = await AbilityRace()(scripted.context(Trajectory()), named(0, 1), ITEMS, answers.measure)
    assert answers.calls == 120
    assert [e.expected for e in found] == [None, None]


async def test_hopeless_candidates_get_one_look_and_able_ones_more() -> None:
    answers = Answers(table([0.0, -5.0, 2.0, -5.0, 2.5]))
    race = AbilityRace(k=2)
    found = await race(scripted.context(answers.told(0)), named(1, 2, 3, 4), ITEMS, answers.measure)
    assert [e.measured for e in found] == [8, 30, 8, 30]
    assert all(e.comparable and e.partial and not e.whole for e in found)
    scores = [e.score or 0 for e in found]
    assert max(scores[0], scores[2]) < 0.3
    assert min(scores[1], scores[3]) > 0.7


async def test_all_who_race_are_measured_on_the_same_items() -> None:
    answers = Answers(table([0.0, 1.0, 1.2, 0.8]))
    await AbilityRace()(scripted.context(answers.told(0)), named(1, 2, 3), ITEMS, answers.measure)
    for batch in answers.batches:
        items = {row: [item for r, item in batch if r == row] for row, _ in batch}
        assert len({tuple(own) for own in items.values()}) == 1
    asked = [job for batch in answers.batches for job in batch]
    assert len(asked) == len(set(asked))


async def test_items_that_everybody_gets_right_are_not_paid_for() -> None:
    scores = table([0.0] * 12)
    scores[:, :20] = 1.0
    answers = Answers(scores)
    told = answers.told(*range(8))
    await AbilityRace(cap=0.3)(scripted.context(told), named(8, 9, 10), ITEMS, answers.measure)
    assert min(int(item) for batch in answers.batches for _, item in batch) >= 20


async def test_an_estimate_is_what_was_measured_and_what_the_model_expects_of_the_rest() -> None:
    scores = table([0.0, 0.0, 0.0, 1.0])
    answers = Answers(scores)
    found = await AbilityRace()(
        scripted.context(answers.told(0, 1, 2)), named(3), ITEMS, answers.measure
    )
    assert found[0].measured == 30
    assert found[0].score == found[0].expected
    assert found[0].score == pytest.approx(scores[3].mean(), abs=0.12)


async def test_the_same_answers_give_the_same_race() -> None:
    async def raced() -> tuple[list[list[tuple[str, str]]], tuple[Evaluation, ...]]:
        answers = Answers(table([0.0, 0.5, 1.0, 1.5]))
        ctx = scripted.context(answers.told(0))
        found = await AbilityRace()(ctx, named(1, 2, 3), ITEMS, answers.measure)
        return answers.batches, found

    assert await raced() == await raced()


async def test_graded_scores_are_ranked_as_well() -> None:
    random = np.random.RandomState(3)
    levels = np.array([0.5, 0.3, 0.8, 0.6])
    answers = Answers(np.clip(levels[:, None] + 0.05 * random.normal(size=(4, 60)), 0, 1))
    found = await AbilityRace(k=1)(
        scripted.context(answers.told(0)), named(1, 2, 3), ITEMS, answers.measure
    )
    assert [e.score for e in found] == pytest.approx([0.3, 0.8, 0.6], abs=0.05)
    assert [e.measured for e in found] == [8, 30, 8]


async def test_scores_that_are_no_shares_are_measured_in_full_and_not_estimated() -> None:
    answers = Answers(10 * table([0.0, 1.0, 2.0]))
    found = await AbilityRace()(
        scripted.context(Trajectory().tell([])), named(1, 2), ITEMS, answers.measure
    )
    assert [(e.measured, e.expected) for e in found] == [(60, None), (60, None)]


async def test_few_items_are_all_measured() -> None:
    answers = Answers(table([0.0, 1.0, 2.0]))
    told = answers.told(0)
    found = await AbilityRace()(scripted.context(told), named(1, 2), ITEMS[:11], answers.measure)
    assert [e.measured for e in found] == [11, 11]


async def test_an_answer_that_was_lost_is_not_asked_for_again() -> None:
    scores = table([0.0, 1.0, 1.0])
    scores[1, ::3] = np.nan
    answers = Answers(scores)
    found = await AbilityRace()(
        scripted.context(answers.told(0)), named(1, 2), ITEMS, answers.measure
    )
    asked = [job for batch in answers.batches for job in batch]
    assert len(asked) == len(set(asked))
    assert found[0].measured < len(found[0].outcomes)
    assert found[0].expected is not None


async def test_nothing_is_estimated_of_answers_that_cannot_be_read() -> None:
    scores = table([0.0, 1.0, 1.0])
    scores[1] = 0.0
    told = Answers(scores).told(0)
    found = await AbilityRace()(
        scripted.context(told), named(1), ITEMS, Answers(scores, read=False).measure
    )
    assert found[0].expected is None
    assert found[0].score == 0


async def test_weights_of_items_count_in_an_estimate() -> None:
    items = tuple(Item(str(n), weight=3.0 if n < 30 else 1.0) for n in range(60))
    scores = np.ones((2, 60))
    scores[:, 30:] = 0.0
    answers = Answers(scores)
    found = await AbilityRace(cap=1.0, k=1)(
        scripted.context(answers.told(0)), named(1), items, answers.measure
    )
    assert found[0].score == pytest.approx(0.75, abs=0.05)


async def test_a_long_search_is_raced_against_its_best_and_newest() -> None:
    answers = Answers(table([0.0] * 500 + [1.0]))
    found = await AbilityRace()(
        scripted.context(answers.told(*range(500))), named(500), ITEMS, answers.measure
    )
    assert found[0].expected is not None


def test_an_estimate_ranks_by_its_score_among_full_ones() -> None:
    def entry(text: str, score: float, expected: float | None = None) -> Entry:
        size = 60 if expected is None else 10
        outcomes = tuple(Outcome(item.id, score, "a") for item in ITEMS[:size])
        return Entry(Candidate(text), Evaluation(outcomes, 60, expected))

    told = Trajectory().tell([entry("full", 0.5), entry("low", 0.9, 0.4), entry("high", 0.2, 0.6)])
    assert [e.text for e in told.best(3)] == ["high", "full", "low"]
    assert [told.estimate(e) for e in told.promising(3)] == [0.6, 0.5, 0.4]


def test_a_problem_whose_scores_are_other_values_is_refused() -> None:
    with pytest.raises(ConfigError, match="shares from 0 to 1"):
        AbilityRace().fits(FunctionProblem(len, "Write much.", ["a"]))


@pytest.mark.parametrize(
    "options", [{"first": 0}, {"chance": 0.0}, {"chance": 1.0}, {"k": 0}, {"cap": 0.0}]
)
def test_what_is_out_of_range_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="but got"):
        AbilityRace(**options)  # type: ignore[arg-type] # of each kind


def test_a_method_asks_for_the_race_by_name() -> None:
    assert rated((), 0.5, 1.0, "ability") == AbilityRace()
    assert rated((), 0.5, 1.0) == Everything()
    with pytest.raises(ConfigError, match="neither stages nor a share"):
        rated((), 0.5, 0.5, "ability")
    with pytest.raises(ConfigError, match="auto or ability"):
        rated((), 0.5, 1.0, "fast")  # type: ignore[arg-type] # on purpose
