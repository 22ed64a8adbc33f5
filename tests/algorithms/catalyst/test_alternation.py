"""Whose turn it is, where a descent begins, and what the language model sees."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from llmopt.algorithms.catalyst import catalyst
from llmopt.algorithms.catalyst.descents import Descents, EndsOfDescents, descents_of
from llmopt.core.part import Group
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation, Item, Outcome
from llmopt.errors import ConfigError, UnknownNameError
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.problems.numeric.test_functions import landscape
from llmopt.problems.tours.tour_problem import tsp
from llmopt.testing import algorithms, scripted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llmopt.core.algorithm import Algorithm
    from llmopt.core.values import Call

DOERS = ("cma-es", "hill-climbing")


def entry(text: str, score: float | None, step: int, parents: tuple[str, ...] = ()) -> Entry:
    ids = tuple(Candidate(one).id for one in parents)
    return Entry(Candidate(text, step, ids), Evaluation((Outcome("value", score),), 1))


async def searched(
    problem: Any, algorithm: Algorithm, answer: Callable[[Call], str], steps: int
) -> tuple[Trajectory, list[int]]:
    """Return the trajectory of a search, and the steps in which the language model was asked."""
    asked: list[int] = []
    trajectory = Trajectory()

    async def measured(candidates: Any) -> list[Entry]:
        return [
            Entry(one, Evaluation((await problem.measure(one.text, Item("value"), None),), 1))
            for one in candidates
        ]

    def listen(call: Call) -> str:
        asked.append(trajectory.steps)
        return answer(call)

    model = ScriptedModel(listen)
    trajectory = trajectory.tell(await measured(Candidate(text) for text in problem.starts))
    for _ in range(steps):
        found = await algorithm.ask(problem, trajectory, model, 1, steps)
        trajectory = trajectory.tell(await measured(found.candidates))
    return trajectory, asked


def far(call: Call) -> str:
    """Name a point that depends on the step, far from the optimum."""
    return f"<INS>{call.sample % 50 - 100}, {call.sample % 41 - 90}</INS>"


@pytest.mark.parametrize("doer", DOERS)
async def test_the_model_is_asked_first_and_where_nothing_gets_better(doer: Any) -> None:
    algorithm = catalyst(doer=doer, patience=3, proposals=1)
    trajectory, asked = await searched(landscape("sphere", decimals=1), algorithm, far, 40)
    assert asked[0] == 1
    assert len(asked) > 1
    found = descents_of(trajectory).all
    assert [descent.root for descent in found] == [0, *asked]
    for step, descent in zip(asked[1:], found[1:], strict=False):
        assert descent.best is not None
        assert step - descent.best.candidate.step == 4  # three steps without a gain
    for one in trajectory:  # a descent goes on from its own best
        if one.candidate.parents:
            parent = trajectory.entry(one.candidate.parents[-1])
            root = max(s for s in (0, *asked) if s < one.candidate.step)
            assert parent.candidate.step >= root


async def test_a_descent_begins_at_the_best_of_what_the_model_names() -> None:
    points = iter(["-90, -90", "-80, -80", "-85, -85"])
    algorithm = catalyst(doer="hill-climbing", proposals=3, samples=4)
    trajectory, _ = await searched(
        landscape("sphere", decimals=1), algorithm, lambda _: f"<INS>{next(points)}</INS>", 2
    )
    children = [one for one in trajectory if one.candidate.step == 2]
    assert len(children) == 4
    for child in children:
        assert trajectory.entry(child.candidate.parents[-1]).text == "x=-80, y=-80"


async def test_two_opt_asks_at_a_local_optimum_and_draws_where_nothing_is_named() -> None:
    problem = tsp(5, 1)
    trajectory, asked = await searched(problem, catalyst(patience=50), lambda _: "no tour", 12)
    found = descents_of(trajectory).all
    assert asked[0] == 1
    assert len(set(asked)) > 1
    assert len(found) > 1  # random tours are the roots of later descents
    assert {one.root for one in found[1:]}.isdisjoint(asked)
    assert max(e.score for e in trajectory) == pytest.approx(problem.optimum())


async def test_a_model_that_names_nothing_leaves_the_search_to_go_on() -> None:
    algorithm = catalyst(doer="cma-es", patience=2)
    trajectory, asked = await searched(
        landscape("rastrigin", decimals=2, moved=True), algorithm, lambda _: "", 30
    )
    assert len(trajectory) > 100
    assert len(asked) < 60


def test_the_ends_of_descents_are_always_shown_worst_first() -> None:
    told = Trajectory().tell([entry("a", 1.0, 0), entry("b", None, 0)])
    told = told.tell([entry("c", 5.0, 1), entry("d", 7.0, 1)])
    told = told.tell([entry(f"e{n}", 6.0 + n / 100, 2, ("d",)) for n in range(30)])
    told = told.tell([entry("f", 2.0, 3)])
    told = told.tell([entry("g", 3.0, 4, ("f",))])
    (group,) = asyncio.run(EndsOfDescents(10, 5)(scripted.context(told)))
    assert isinstance(group, Group)
    assert group.base is not None
    assert group.base.text == "g"
    texts = [one.text for one in group.shown]
    assert {"a", "d", "g"} <= set(texts)
    assert len(texts) == 9  # and six of the thirty others
    assert [one.score for one in group.shown] == sorted(one.score for one in group.shown)
    (few,) = asyncio.run(EndsOfDescents(2, 5)(scripted.context(told)))
    assert [one.text for one in few.shown] == ["g", "d"]


def test_descents_begin_at_the_best_root() -> None:
    found = Descents(2)
    for one in (
        entry("a", 1.0, 0),
        entry("b", 2.0, 0),
        entry("c", 9.0, 1, ("b",)),
        entry("d", 3.0, 2),
        entry("e", 4.0, 2),
        entry("f", 3.5, 3, ("e",)),
    ):
        found.add(one, Trajectory())
    first, second = found.all
    assert [first.begin and first.begin.text, first.best and first.best.text] == ["b", "c"]
    assert [second.root, second.begin and second.begin.text] == [2, "e"]
    assert [one.text for one in found.recorded] == ["a", "b", "c", "e"]


@pytest.mark.parametrize(
    "options",
    [
        {"doer": "gradients"},
        {"patience": 0},
        {"samples": 0},
        {"sigma": 0},
        {"shown": 0},
        {"every": 0},
        {"proposals": 0},
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises((ConfigError, UnknownNameError), match=r"but got|is one of"):
        catalyst(**options)


@pytest.mark.parametrize(
    ("doer", "problem", "words"),
    [
        ("auto", scripted.problem(), "whose solutions are numbers"),
        ("two-opt", scripted.numbers(), "with neighbours"),
        ("hill-climbing", tsp(6, 0), "whose solutions are numbers"),
    ],
)
def test_a_problem_that_the_local_search_is_not_for_is_refused(
    doer: Any, problem: Any, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        catalyst(doer=doer).check(problem, scripted.model())


@pytest.mark.parametrize("check", algorithms.CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("doer", DOERS)
async def test_each_local_search_conforms(
    doer: Any, check: algorithms.Check, tmp_path: Path
) -> None:
    await check(catalyst(doer=doer, patience=1), scripted.numbers(), tmp_path)


def named(call: Call) -> str:
    """Answer with a tour through eight nodes that follows from the call."""
    at = call.sample % 7
    return f"<INS>0,{','.join(str(1 + (n * 3 + at) % 7) for n in range(7))}</INS>"


async def test_tours_resume_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random restarts, known neighbours and named tours are all found again."""
    monkeypatch.setattr(scripted, "answer", named)
    await algorithms.resumes_exactly(catalyst(patience=1), tsp(8, 2), tmp_path)
