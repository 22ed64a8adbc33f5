"""Several methods take turns in one run: who acts, what each sees, who is stopped, what is told."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from llmopt.algorithms import ALGORITHMS, algorithm_of, taking_turns
from llmopt.algorithms.portfolio import portfolio
from llmopt.algorithms.portfolio.method_race import MethodRace, chance_of, own_steps
from llmopt.api import prepare
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation, Outcome
from llmopt.engine.journal import steps
from llmopt.errors import ConfigError, InputError, StoreError
from llmopt.store import open_store
from llmopt.testing import algorithms, scripted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from llmopt.core.problem import Problem

ITEMS = 20
PORTFOLIOS = {
    "sharing": ["opro", "ape", "sampling"],
    "own steps": ["promptagent", "opro", "expo"],
    "own steps win": ["evollm", "mapo"],
    "several parts": ["mipro", "capo", "opro"],
}
PROBLEMS: dict[str, Callable[[], Problem]] = {
    "prompt": lambda: scripted.problem(24, (8, 4, 8)),
    "demonstrations": scripted.few_shot,
}


def conforming() -> list[Any]:
    found = []
    for name, methods in PORTFOLIOS.items():
        for kind, problem in PROBLEMS.items():
            algorithm = taking_turns(methods)
            try:
                algorithm.check(problem(), scripted.model())
            except ConfigError:
                continue
            found.append(pytest.param(algorithm, problem, id=f"{name}-{kind}"))
    numbers = taking_turns(["hill-climbing", "one-plus-one-es", "random-search"])
    return [*found, pytest.param(numbers, scripted.numbers, id="without an LLM")]


@pytest.mark.parametrize("check", algorithms.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize(("algorithm", "problem"), conforming())
async def test_portfolios_keep_the_rules(
    check: algorithms.Check, algorithm: Any, problem: Callable[[], Problem], tmp_path: Path
) -> None:
    await check(algorithm, problem(), tmp_path)


def entry(text: str, right: int, step: int, parents: tuple[str, ...] = ()) -> Entry:
    outcomes = tuple(Outcome(str(n), float(n < right)) for n in range(ITEMS))
    return Entry(Candidate(text, step, parents), Evaluation(outcomes, ITEMS))


def race(names: Sequence[str] = ("opro", "ape", "expo"), **options: Any) -> MethodRace:
    return MethodRace(tuple(ALGORITHMS[name]() for name in names), **options)


def told(found: MethodRace, scores: Sequence[int], planned: int = 100) -> Trajectory:
    """Return a trajectory in which each step brings one solution, by whoever has the turn."""
    trajectory = Trajectory().tell([entry("start", 10, 0)])
    for step, right in enumerate(scores, 1):
        by = found.turn(trajectory, planned, 0).by
        trajectory = trajectory.tell([entry(f"solution {step}", right, step)], by)
    return trajectory


def test_all_have_a_turn_before_anyone_has_another() -> None:
    found = told(race(chance=0.0), [12, 12, 12, 12, 12, 12])
    assert found.methods == ("", "opro", "ape", "expo", "opro", "ape", "expo")


def test_a_method_that_is_surely_behind_is_stopped() -> None:
    found = race(chance=0.1)
    after = found.standing(told(found, [12, 18, 5]), 100)
    assert after.left == ("ape",)
    assert after.stopped == {"opro": 3, "expo": 3}


def test_small_differences_stop_nobody() -> None:
    found = race(chance=0.1)
    assert found.standing(told(found, [13, 12, 12]), 100).left == ("opro", "ape", "expo")


def test_a_step_that_finds_nothing_new_is_a_turn_too() -> None:
    found = race()
    start = Trajectory().tell([entry("start", 10, 0)])
    empty = start.tell((), "opro")
    assert found.turn(empty, 1, 0).by == "ape"


def test_one_goes_on_after_its_share_of_the_steps() -> None:
    found = race(chance=0.0, shared=0.3)
    assert found.standing(told(found, [12, 13, 12], planned=9), 9).left == ("ape",)


def test_one_goes_on_after_the_rounds() -> None:
    found = race(chance=0.0, rounds=2)
    trajectory = told(found, [12, 13, 12, 12, 12, 14])
    assert found.standing(trajectory, 1_000_000).left == ("expo",)


def test_small_steps_make_up_one_turn() -> None:
    """The first measures 40 a step, the second 20, so two of its steps are as much."""
    found = race(("opro", "ape"), chance=0.0)
    trajectory = Trajectory().tell([entry("start", 10, 0)])
    for step in range(1, 6):
        by = found.turn(trajectory, 100, 0).by
        each = 2 if by == "opro" else 1
        made = [entry(f"{step} {n}", 12, step) for n in range(each)]
        trajectory = trajectory.tell(made, by)
    assert trajectory.methods[1:] == ("opro", "ape", "ape", "opro", "ape")


def test_who_shares_sees_everything_and_who_does_not_its_own_steps() -> None:
    found = race(chance=0.0)
    trajectory = told(found, [12, 12, 12, 12, 12])
    assert found.turn(told(found, [12, 12, 12]), 100, 0).trajectory.methods[1:] == (
        "opro",
        "ape",
        "expo",
    )
    turn = found.turn(trajectory, 100, 0)
    assert turn.by == "expo"
    assert [e.text for e in turn.trajectory] == ["start", "solution 3"]
    assert [e.candidate.step for e in turn.trajectory] == [0, 1]


def test_the_winner_that_does_not_share_begins_anew_from_the_best() -> None:
    trajectory = Trajectory().tell([entry("start", 10, 0)])
    for step, (by, right) in enumerate([("opro", 15), ("expo", 12), ("opro", 14), ("expo", 16)], 1):
        trajectory = trajectory.tell([entry(f"solution {step}", right, step)], by)
    seen = own_steps(trajectory, "expo", since=3)
    assert [(e.text, e.candidate.step) for e in seen] == [
        ("start", 0),
        ("solution 1", 0),
        ("solution 3", 0),
        ("solution 2", 0),
        ("solution 4", 1),
    ]
    assert not any(e.candidate.parents for e in seen if not e.candidate.step)


def test_chances_are_of_common_items_alone() -> None:
    one = Evaluation((Outcome("a", 1.0), Outcome("b", 1.0), Outcome("c", 0.0)), 5)
    top = Evaluation((Outcome("a", 1.0), Outcome("b", 1.0), Outcome("d", 1.0)), 5)
    assert chance_of(one, top) == 0.5
    assert chance_of(one, Evaluation((Outcome("a", 0.0), Outcome("b", 0.0)), 5)) > 0.8
    assert chance_of(one, Evaluation((Outcome("c", 1.0),), 5)) == 0.5  # one item has no spread


def test_what_another_method_has_tried_is_refused_as_known() -> None:
    found = told(race(), [12, 12, 12])
    assert found.made_by(3) == "expo"
    assert found.made_by(99) == ""


OPTIONS: list[tuple[list[str], dict[str, Any], str]] = [
    (["opro"], {}, "two or more, but got 1"),
    (["opro", "nothing"], {}, "nothing"),
    (["opro", "ape"], {"chance": 0.7}, "a chance is 0 or more and below 0.5, but got 0.7"),
    (["opro", "ape"], {"shared": 2}, "from 0 to 1, but got 2"),
    (["opro", "ape"], {"rounds": 0}, "rounds are 1 or more, but got 0"),
    (["opro", "ape"], {"samples": 2}, r"but got samples = 2; .* \[algorithm.opro\]"),
    (["opro", "portfolio"], {}, "list the methods"),
]


@pytest.mark.parametrize(("methods", "options", "rule"), OPTIONS)
def test_what_cannot_be_is_refused(methods: list[str], options: Any, rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        taking_turns(methods, **options)


def test_a_portfolio_has_none_in_it() -> None:
    one = algorithm_of(["opro", "ape"])
    with pytest.raises(ConfigError, match="single ones"):
        portfolio([one, ALGORITHMS["opro"]()])


def test_two_of_one_method_are_told_apart() -> None:
    opro = ALGORITHMS["opro"]
    assert race(("opro", "opro")).names == ("opro", "opro-2")
    found = algorithm_of([opro(samples=2), opro(), "ape"])
    assert found.options == {
        "methods": ["opro", "opro", "ape"],
        "options": [{"samples": 2}, {}, {}],
    }


def test_names_and_objects_are_one_portfolio() -> None:
    opro, ape = ALGORITHMS["opro"](samples=4), ALGORITHMS["ape"]()
    by_names = taking_turns(["opro", "ape"], [{"samples": 4}])
    assert algorithm_of([opro, ape]).options == by_names.options
    assert algorithm_of(["opro", "ape"]).options == {"methods": ["opro", "ape"]}


def scored() -> Problem:
    return replace(scripted.problem(), scorer=scripted.model())


async def test_a_run_says_who_did_what(tmp_path: Path) -> None:
    store = tmp_path / "runs.sqlite"
    async with prepare(
        scored(),
        algorithm=["opro", "gepa", "sampling"],
        optimizer=scripted.model(),
        store=store,
        name="three",
        steps=8,
    ) as run:
        result = await run.optimize()
    kept = open_store(store)
    told = list(steps(kept, "three"))
    kept.close()
    assert [step.by for step in told][:4] == ["", "opro", "gepa", "sampling"]
    assert sum(one.steps for one in result.methods) == len(told) - 1
    assert sum(one.evaluations for one in result.methods) == sum(
        len(e.evaluation.outcomes) for step in told[1:] for e in step.entries
    )
    (winner,) = [one.name for one in result.methods if one.won]
    assert winner == told[result.best.step].by
    assert any("took turns" in note for note in result.notes)
    assert {line.label for line in result.lines} >= {"start", "best"}
    assert any("no scores" in line.label for line in result.lines)  # the control
    again = type(result).plain(result.to_dict())
    assert again.methods == result.methods


async def test_a_stored_run_is_not_that_of_other_methods(tmp_path: Path) -> None:
    async def opened(methods: list[str]) -> None:
        async with prepare(
            scored(),
            algorithm=methods,
            optimizer=scripted.model(),
            store=tmp_path / "runs.sqlite",
            name="one",
            controls=(),
        ) as run:
            await run.step()

    await opened(["opro", "ape"])
    await opened(["opro", "ape"])
    with pytest.raises(StoreError, match="algorithm options changed"):
        await opened(["opro", "sampling"])
