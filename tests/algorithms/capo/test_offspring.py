"""CAPO's couples and children."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from llmopt.algorithms.capo.offspring import Couples, Offspring, Unbeaten
from llmopt.core.demonstrations import Shot
from llmopt.core.part import Group
from llmopt.core.problem import Refusal
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation, Outcome
from llmopt.errors import ConfigError
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.parts.bootstrap_demonstrations import Taught, solution, taught
from llmopt.testing import scripted

if TYPE_CHECKING:
    from llmopt.core.part import StepContext
    from llmopt.core.values import Call

PROBLEM = scripted.few_shot()
IDS = [row.id for row in PROBLEM.items("train")]


def entry(text: str, score: float, shots: tuple[str, ...] = (), measured: int = 12) -> Entry:
    whole = solution(PROBLEM, Taught(text, tuple(map(Shot, shots))))
    outcomes = tuple(Outcome(one, score) for one in IDS[:measured])
    return Entry(Candidate(whole), Evaluation(outcomes, len(IDS)))


A = entry("One.", 0.9, (IDS[0], IDS[1], IDS[2]))
B = entry("Two.", 0.6, (IDS[2], IDS[3]))
C = entry("Three.", 0.5)
TRIED = Trajectory().tell([C]).tell([A, B])


def context(seed: int = 0, model: ScriptedModel | None = None) -> StepContext:
    return scripted.context(
        TRIED,
        problem=PROBLEM,
        seed=seed,
        survivors=(A, B, C),
        model=model or scripted.model(),
        scorer=scripted.model(),
    )


async def child(ctx: StepContext, shown: tuple[Entry, ...] = (B, A)) -> Taught:
    (made,) = await Offspring()(replace(ctx, group=0, base=shown[-1], shown=shown))
    assert isinstance(made.text, str)
    assert made.parents == shown
    assert PROBLEM.parse(made.text) == made.text
    return taught(PROBLEM, made.text)


async def test_parents_of_a_couple_differ_and_the_better_comes_last() -> None:
    for seed in range(9):
        for group in await Couples(3, 4)(context(seed)):
            worse, better = group.shown
            assert group.base == better
            assert better.score > worse.score


async def test_the_first_step_fills_the_population() -> None:
    first = scripted.context(Trajectory().tell([C]), problem=PROBLEM, survivors=(C,))
    assert await Couples(4)(first) == (Group(C, (C,)),) * 3


async def test_a_child_inherits_half_of_its_parents_demonstrations_and_one_more_or_less() -> None:
    sizes = Counter[int]()
    for seed in range(40):
        found = await child(context(seed))
        ids = [shot.id for shot in found.shots]
        assert len(set(ids)) == len(ids)
        assert len(set(ids) - {*IDS[:4]}) <= 1, "at most one is new"
        sizes[len(ids)] += 1
    assert set(sizes) == {1, 2, 3}, "half of five is two; one is added or removed, or neither"


async def test_a_single_parent_gets_any_number_of_demonstrations() -> None:
    sizes = {len((await child(context(seed), (C,))).shots) for seed in range(30)}
    assert sizes == {0, 1, 2, 3, 4}, "five shots are more than the problem allows"


async def test_instructions_are_merged_then_reworded() -> None:
    asked: list[str] = []

    def listen(call: Call) -> str:
        asked.append(call.text)
        return f"<INS>Made {len(asked)}.</INS>"

    found = await child(context(model=ScriptedModel(listen)))
    assert found.instruction == "Made 2."
    assert "One." in asked[0]
    assert "Two." in asked[0]
    assert "Made 1." in asked[1]
    assert not [text for text in asked if '"id"' in text], "demonstrations are not shown"


async def test_a_merger_that_cannot_be_read_is_refused_and_not_reworded() -> None:
    calls: list[Call] = []

    def nothing(call: Call) -> str:
        calls.append(call)
        return ""

    ctx = replace(context(model=ScriptedModel(nothing)), group=0, base=A, shown=(B, A))
    (made,) = await Offspring()(ctx)
    assert isinstance(made.text, Refusal)
    assert len(calls) == 1


def test_who_was_dropped_does_not_survive() -> None:
    dropped = entry("Lucky.", 1.0, measured=3)
    ctx = scripted.context(TRIED.tell([dropped]), problem=PROBLEM)
    assert Unbeaten(2)(ctx) == (A, B)
    assert Unbeaten(9)(ctx) == (A, B, C)
    alone = scripted.context(Trajectory().tell([dropped]), problem=PROBLEM)
    assert Unbeaten(2)(alone) == (dropped,)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Couples(1), "a population has 2 or more, but got 1"),
        (lambda: Couples(2, 0), "crossovers are 1 or more, but got 0"),
        (lambda: Offspring(shots=-1), "shots are 0 or more, but got -1"),
        (lambda: Unbeaten(0), "survivors is 1 or more, but got 0"),
    ],
)
def test_wrong_options_are_refused(make: object, said: str) -> None:
    assert callable(make)
    with pytest.raises(ConfigError, match=said):
        make()
