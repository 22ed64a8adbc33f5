"""Which training examples are shown: by chance or by failure, and always by the run's seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from llmopt.core.part import Feedback
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation, Outcome
from llmopt.errors import ConfigError
from llmopt.parts.reflect import Exemplars, NoReflection
from llmopt.problems.function import FunctionProblem
from llmopt.testing import scripted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.core.part import StepContext
    from llmopt.parts.reflect import Choose

PROBLEM = scripted.problem()
ITEMS = PROBLEM.items("train")
RULES: tuple[Choose, ...] = (
    "random",
    "constant",
    "accumulative_most_frequent",
    "current_most_frequent",
)


def entry(text: str, wrong: Sequence[int], step: int = 0) -> Entry:
    outcomes = tuple(Outcome(item.id, float(n not in wrong)) for n, item in enumerate(ITEMS))
    return Entry(Candidate(text, step), Evaluation(outcomes, len(ITEMS)))


def context(
    entries: Sequence[Entry] = (), shown: int = 9, *, step: int = 1, seed: int = 0
) -> StepContext:
    trajectory = Trajectory().tell(entries)
    parents = trajectory.best(shown)[::-1]
    return scripted.context(
        trajectory, problem=PROBLEM, shown=parents, step=step, steps=9, seed=seed, group=0
    )


async def chosen(rule: Choose, about: StepContext, n: int = 3) -> list[int]:
    return [ITEMS.index(item) for item in (await Exemplars(n, rule)(about)).exemplars]


async def test_random_exemplars_change_with_the_step_and_the_seed_and_with_nothing_else() -> None:
    draws = [await chosen("random", context(step=step)) for step in range(1, 9)]
    assert len({tuple(draw) for draw in draws}) > 4
    assert draws[0] == await chosen("random", context([entry("a", [1])], step=1))
    seeds = {tuple(await chosen("random", context(seed=seed))) for seed in range(8)}
    assert len(seeds) > 4


async def test_constant_exemplars_are_the_same_in_every_step_of_a_run() -> None:
    draws = {tuple(await chosen("constant", context(step=step))) for step in range(1, 9)}
    assert len(draws) == 1
    seeds = {tuple(await chosen("constant", context(seed=seed))) for seed in range(8)}
    assert len(seeds) > 4


async def test_accumulative_takes_the_highest_counts_of_the_whole_run() -> None:
    """O14: not any three of all that were ever wrong."""
    past = [entry("a", [0, 2, 5, 7]), entry("b", [2, 5, 7]), entry("c", [5, 7]), entry("d", [7])]
    for seed in range(9):
        about = context(past, shown=1, seed=seed)
        assert await chosen("accumulative_most_frequent", about) == [2, 5, 7]


async def test_current_counts_only_what_is_shown_now() -> None:
    past = [entry("bad", range(8)), entry("worse", range(9)), entry("good", [9, 10])]
    about = context(past, shown=1)
    assert [e.text for e in about.shown] == ["good"]
    assert {9, 10} < set(await chosen("current_most_frequent", about))
    assert await chosen("accumulative_most_frequent", about) != await chosen(
        "current_most_frequent", about
    )


@pytest.mark.parametrize("rule", RULES[2:])
async def test_ties_are_broken_by_the_runs_own_generator(rule: Choose) -> None:
    """O14: the same again for the same seed and step; other ones for another."""
    past = [entry("a", [0, 1, 2, 3, 4, 5, 6]), entry("b", [3])]
    draws = [await chosen(rule, context(past, seed=seed)) for seed in range(12)]
    assert draws == [await chosen(rule, context(past, seed=seed)) for seed in range(12)]
    assert all(3 in draw for draw in draws)
    assert all(set(draw) <= set(range(7)) for draw in draws)
    assert len({tuple(draw) for draw in draws}) > 4
    steps = {tuple(await chosen(rule, context(past, step=step))) for step in range(1, 9)}
    assert len(steps) > 3


@pytest.mark.parametrize("rule", RULES)
async def test_as_many_are_shown_as_wanted_in_the_order_of_the_items(rule: Choose) -> None:
    for n in (0, 1, 5, len(ITEMS), len(ITEMS) + 5):
        found = await chosen(rule, context([entry("a", [4, 8])]), n)
        assert len(found) == min(n, len(ITEMS))
        assert found == sorted(set(found))


async def test_failing_is_claimed_only_where_everything_shown_failed() -> None:
    """O26."""
    past = [entry("a", [4, 8])]
    for n, claimed in ((0, False), (1, True), (2, True), (3, False)):
        for rule in RULES[2:]:
            assert (await Exemplars(n, rule)(context(past))).failing is claimed, (n, rule)
    for rule in RULES[:2]:
        assert not (await Exemplars(2, rule)(context(past))).failing


async def test_an_unmeasured_item_did_not_fail() -> None:
    outcomes = tuple(Outcome(item.id, None) for item in ITEMS)
    lost = Entry(Candidate("lost"), Evaluation(outcomes, len(ITEMS)))
    about = context([entry("a", [6]), lost])
    assert await chosen("accumulative_most_frequent", about, 1) == [6]


@pytest.mark.parametrize("rule", RULES)
async def test_a_problem_without_targets_has_no_exemplars(rule: Choose) -> None:
    function = FunctionProblem(len, "Long texts.", ["x"])
    about = scripted.context(problem=function, group=0)
    assert await Exemplars(3, rule)(about) == Feedback()


async def test_nothing_is_said_by_nothing() -> None:
    assert await NoReflection()(context()) == Feedback()


def test_impossible_options_are_refused() -> None:
    with pytest.raises(ConfigError, match="0 or more"):
        Exemplars(-1)
    with pytest.raises(ConfigError, match="constant"):
        Exemplars(3, "newest")  # type: ignore[arg-type] # what a configuration could say


async def test_examples_may_come_from_the_first_rows_alone() -> None:
    for rule in RULES:
        found = await Exemplars(2, rule, among=3)(context([entry("a", range(9))]))
        assert {item.id for item in found.exemplars} <= {item.id for item in ITEMS[:3]}
        assert len(found.exemplars) == 2
    with pytest.raises(ConfigError, match="0 or more, but got -1"):
        Exemplars(among=-1)
