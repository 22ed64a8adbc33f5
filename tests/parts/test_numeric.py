"""Methods without a language model are functions of trajectory and seed, and do what they say."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmopt.algorithms import ALGORITHMS
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation, Outcome
from llmopt.errors import ConfigError
from llmopt.models.providers.null import AbsentModel
from llmopt.parts.perturb import (
    Around,
    Fresh,
    Gaussian,
    Neighbours,
    OneFifth,
    Uniform,
)
from llmopt.problems.function import FunctionProblem
from llmopt.testing import scripted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmopt.core.part import Propose, StepContext
    from llmopt.core.problem import Problem

UNAIDED = ("random-search", "hill-climbing", "one-plus-one-es")


def scored(text: str, score: float | None, step: int = 0, parents: tuple[str, ...] = ()) -> Entry:
    return Entry(Candidate(text, step, parents), Evaluation((Outcome("value", score),), 1))


async def depth(problem: Problem, text: str) -> float:
    outcome = await problem.measure(text, problem.items("train")[0], None)
    assert outcome.score is not None
    return outcome.score


async def begun(problem: Problem) -> Trajectory:
    return Trajectory().tell([scored(text, await depth(problem, text)) for text in problem.starts])


def context(problem: Problem, trajectory: Trajectory, seed: int = 0) -> StepContext:
    (base, *_) = (*trajectory.best(1), None)
    known = {"problem": problem, "model": AbsentModel(), "steps": 10, "seed": seed, "group": 0}
    return scripted.context(trajectory, base=base, **known)


async def searched(name: str, problem: Problem, steps: int, seed: int = 0) -> Trajectory:
    """Return the trajectory of a search, without a run around it."""
    algorithm, trajectory = ALGORITHMS[name](), await begun(problem)
    for _ in range(steps):
        asked = await algorithm.ask(problem, trajectory, AbsentModel(), seed, steps)
        entries = [
            Entry(c, scored(c.text, await depth(problem, c.text)).evaluation)
            for c in asked.candidates
        ]
        trajectory = trajectory.tell(entries)
    return trajectory


@pytest.mark.parametrize(
    ("name", "steps"), [("hill-climbing", 40), ("one-plus-one-es", 150), ("random-search", 5)]
)
async def test_a_valley_is_descended(name: str, steps: int) -> None:
    found = await searched(name, scripted.numbers(), steps)
    assert found.best(1)[0].score >= (-1 if name != "random-search" else -700)


async def test_on_a_small_grid_everything_is_found_once() -> None:
    """Random search draws what is new, until nothing is left."""
    problem = narrow(scripted.numbers(1))
    found = await searched("random-search", problem, 3)
    texts = [entry.text for entry in found]
    assert len(texts) == len(set(texts))
    assert {float(text) for text in texts} >= {-2.0, -1.0, 0.0, 1.0, 2.0}


def narrow(problem: scripted.Valley) -> Problem:
    class Narrow(scripted.Valley):
        def bounds(self) -> tuple[tuple[float, float], ...]:
            return ((-2.0, 2.0),)

        def draw(self, rng: np.random.RandomState) -> str:
            return self.encode([float(rng.randint(-2, 3))])

    return Narrow(
        problem.function, problem.describe, problem.seeds, minimize=True, parser=problem.parser
    )


async def test_a_converged_step_size_still_leads_to_something_new() -> None:
    """Around the bottom of the grid everything is tried, so steps get wider until they leave it."""
    problem = scripted.numbers()
    near = [f"{x}, {y}" for x in range(5, 10) for y in range(-5, 0)]
    told = Trajectory().tell([scored(text, await depth(problem, text)) for text in near])
    proposed = await Gaussian(samples=4, sigma=0.001)(context(problem, told))
    texts = [p.text for p in proposed]
    assert len(set(texts)) == 4
    assert not set(texts) & set(near)


def test_what_cannot_be_new_is_given_back_for_the_run_to_refuse() -> None:
    told = Trajectory().tell([scored("1", 0.0)])
    fresh = Fresh(told)
    assert fresh(lambda _: "1") == "1"
    assert [fresh(lambda _: "2"), fresh(lambda wider: "2" if wider < 2 else "3")] == ["2", "3"]


@given(st.lists(st.booleans(), max_size=60))
def test_the_step_size_follows_the_one_fifth_rule(successes: list[bool]) -> None:
    """The product over all steps, kept between half of the grid and the whole range."""
    problem = scripted.numbers()
    told = Trajectory().tell([scored("-20, -20", 0.0)])
    best, score, expected = told.best(1)[0], 0.0, 0.2
    for step, success in enumerate(successes, 1):
        score += success
        entry = scored(f"{step}, 0", score if success else -1.0, step, (best.candidate.id,))
        told = told.tell([entry])
        best = entry if success else best
        expected *= math.exp(((1 if success else 0) - 0.2) / math.sqrt(3))
        expected = min(1.0, max(0.5 / 60, expected))
    part = OneFifth(0.2)
    found = part.step_size(told, Around(context(problem, told), "test"))
    assert found == pytest.approx(expected)


async def test_one_step_of_the_one_plus_one_es_is_one_solution() -> None:
    problem = scripted.numbers()
    assert len(await OneFifth()(context(problem, await begun(problem)))) == 1


@pytest.mark.parametrize("part", [Uniform(8), Gaussian(8, 5.0), OneFifth(3.0)])
async def test_what_is_drawn_lies_in_the_bounds(part: Propose) -> None:
    problem = scripted.numbers()
    for seed in range(10):
        for proposed in await part(context(problem, await begun(problem), seed)):
            assert all(-30 <= x <= 30 for x in problem.decode(str(proposed.text)))


@pytest.mark.parametrize("part", [Uniform(), Gaussian(), OneFifth()])
async def test_a_search_can_go_on_where_no_start_has_a_score(part: Propose) -> None:
    problem = scripted.numbers()
    told = Trajectory().tell([scored(text, None) for text in problem.starts])
    assert await part(context(problem, told))


@dataclass(frozen=True)
class Sorting(FunctionProblem):
    """Sort the letters of a text by exchanges of two letters that stand side by side."""

    def draw(self, rng: np.random.RandomState) -> str:
        return "".join(np.array(list("abcde"))[rng.permutation(5)])

    def neighbours(self, text: str) -> Iterator[str]:
        for i in range(len(text) - 1):
            yield text[:i] + text[i + 1] + text[i] + text[i + 2 :]


def sorting(worth: dict[str, float] | None = None) -> Sorting:
    def inversions(text: str) -> float:
        if worth is not None:
            return worth[text]
        return float(sum(a > b for i, a in enumerate(text) for b in text[i:]))

    return Sorting(inversions, describe="Sort.", seeds=["edcba"], minimize=True)


async def test_local_search_descends_to_an_optimum_and_begins_anew() -> None:
    problem = sorting()
    found = await searched("two-opt", problem, 20)
    assert found.best(1)[0].text == "abcde"
    restarts = [e for e in found if e.candidate.step and not e.candidate.parents]
    assert restarts
    at_end = max(e.candidate.step for e in found if e.candidate.parents)
    assert {e.text for e in found} >= set(problem.neighbours("abcde"))
    assert restarts[0].candidate.step <= at_end + 1


async def test_local_search_goes_on_from_a_better_neighbour_that_it_knows() -> None:
    """Who was tried in an earlier descent is not tried again, but shows the way."""
    problem = sorting()
    told = Trajectory().tell([scored("edcba", -10.0)])
    told = told.tell([scored("abced", -1.0, 1, (Candidate("edcba").id,))])
    told = told.tell([scored("abecd", -2.0, 2)])  # a restart
    proposed = await Neighbours(8)(context(problem, told))
    assert {p.text for p in proposed} == set(problem.neighbours("abced")) - {"abecd"}
    assert {e.text for p in proposed for e in p.parents or ()} == {"abced"}


async def test_neighbours_of_the_current_descent_alone_are_tried() -> None:
    problem = sorting()
    told = Trajectory().tell([scored("abcde", 0.0)]).tell([scored("edcba", -10.0, 1)])
    proposed = await Neighbours(2)(context(problem, told))
    assert {p.text for p in proposed} <= set(problem.neighbours("edcba"))
    assert len(proposed) == 2


@pytest.mark.parametrize("name", [*UNAIDED, "two-opt"])
async def test_another_seed_searches_elsewhere(name: str) -> None:
    problem: Problem = sorting() if name == "two-opt" else scripted.numbers()
    first, again, other = [
        [entry.candidate for entry in await searched(name, problem, 3, seed)] for seed in (1, 1, 2)
    ]
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("name", "problem", "said"),
    [
        (
            "random-search",
            scripted.problem(),
            "'random-search': it needs a problem of which random",
        ),
        ("hill-climbing", sorting(), "whose solutions are numbers, but got Sorting; take two-opt"),
        ("one-plus-one-es", scripted.problem(), "whose solutions are numbers, but got PromptProb"),
        ("evollm", scripted.problem(), "whose solutions are numbers"),
        ("two-opt", scripted.numbers(), "a problem with neighbours, such as tours"),
    ],
)
def test_a_problem_that_does_not_fit_is_refused(name: str, problem: Problem, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        ALGORITHMS[name]().check(problem, scripted.model())


@pytest.mark.parametrize(
    "make",
    [
        lambda: Uniform(0),
        lambda: Gaussian(0),
        lambda: Gaussian(1, 0.0),
        lambda: OneFifth(-1.0),
        lambda: OneFifth(math.inf),
        lambda: Neighbours(0),
    ],
)
def test_options_out_of_their_range_are_refused(make: type[Propose]) -> None:
    with pytest.raises(ConfigError):
        make()
