"""Demonstrations are training rows with the right answers of the scorer LLM, or expected ones."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from llmopt.core.demonstrations import Shot, shot_rules_of
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation, Outcome
from llmopt.errors import ConfigError
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.parts.bootstrap_demonstrations import (
    Taught,
    drawn,
    one_instruction,
    prompt_tokens,
    solution,
    taught,
)
from llmopt.testing import scripted

if TYPE_CHECKING:
    from llmopt.core.demonstrations import ShotRules
    from llmopt.core.part import StepContext
    from llmopt.core.values import Call

PROBLEM = scripted.few_shot()
ROWS = PROBLEM.items("train")
_RULES = shot_rules_of(PROBLEM)
assert _RULES is not None
RULES: ShotRules = _RULES
assert RULES is not None
START = PROBLEM.starts[0]


def answered(right: int) -> Entry:
    """Return a start that got the first rows right."""
    outcomes = [Outcome(row.id, float(at < right)) for at, row in enumerate(ROWS)]
    return Entry(Candidate(START), Evaluation(tuple(outcomes), len(outcomes)))


def talks(call: Call) -> str:
    return f"Because it is so: {scripted.answer(call)}"


def context(model: ScriptedModel | None = None) -> StepContext:
    made = model or ScriptedModel(talks)
    return scripted.context(
        Trajectory().tell([answered(4)]), problem=PROBLEM, model=made, scorer=made
    )


async def draw(wanted: int, rules: ShotRules = RULES, seed: str = "a") -> tuple[Shot, ...]:
    ctx = context()
    return await drawn(ctx, rules, wanted, ctx.rng(seed), sources=(answered(4),))


async def test_a_row_that_was_answered_rightly_shows_that_answer() -> None:
    right = {row.id for row in ROWS[:4]}
    for seed in "abcd":
        for shot in await draw(4, seed=seed):
            assert bool(shot.answer) == (shot.id in right)
            assert not shot.answer or shot.answer.startswith("Because it is so: ")


async def test_rules_say_whose_answers_are_drawn() -> None:
    labels = await draw(4, replace(RULES, answers="labels"))
    own = await draw(4, replace(RULES, answers="reasoning"))
    assert not any(shot.answer for shot in labels)
    assert own
    assert all(shot.answer for shot in own)


async def test_drawing_is_repeatable_and_within_the_rules() -> None:
    assert await draw(3) == await draw(3)
    first, others = await draw(3), [await draw(3, seed=seed) for seed in "bcd"]
    assert any(other != first for other in others)
    assert len(await draw(99)) == RULES.most
    short = replace(RULES, tokens=RULES.size(Shot(ROWS[0].id)) * 2)
    found = await draw(4, short)
    assert 0 < len(found) <= 2
    assert not short.fault(found)


async def test_what_is_kept_comes_first_and_never_twice() -> None:
    kept = (Shot(ROWS[5].id), Shot(ROWS[6].id))
    ctx = context()
    found = await drawn(ctx, RULES, 1, ctx.rng("a"), kept=kept)
    assert found[:2] == kept
    assert len({shot.id for shot in found}) == len(found) == 3


async def test_an_answer_that_says_no_more_than_the_expected_one_is_that() -> None:
    model = ScriptedModel(scripted.answer)
    ctx = context(model)
    found = await drawn(ctx, RULES, 4, ctx.rng("a"), sources=(answered(12),))
    assert not [
        shot for shot in found if shot.answer in ("yes", "no") and shot.answer == _target(shot)
    ]


def _target(shot: Shot) -> str:
    return RULES.by_id[shot.id].target


def test_a_solution_is_taken_apart_and_joined_again() -> None:
    made = Taught("Answer.", (Shot(ROWS[0].id), Shot(ROWS[1].id, "So: no")))
    assert taught(PROBLEM, solution(PROBLEM, made)) == made
    plain = scripted.problem()
    assert solution(plain, Taught("Answer.")) == "Answer."
    assert taught(plain, "Answer.") == Taught("Answer.")


def test_demonstrations_make_a_solution_longer() -> None:
    with_one = solution(PROBLEM, Taught("Answer.", (Shot(ROWS[0].id),)))
    assert prompt_tokens(PROBLEM, START) == 2
    assert prompt_tokens(PROBLEM, with_one) == 2 + RULES.size(Shot(ROWS[0].id))


def test_several_instructions_are_refused() -> None:
    one_instruction(PROBLEM)
    one_instruction(scripted.problem())
    with pytest.raises(ConfigError, match="works on one instruction"):
        one_instruction(scripted.program())
