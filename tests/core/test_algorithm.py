"""Asking is a function of problem, trajectory, seed and replies, and of nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from llmopt.algorithms.ape import ape
from llmopt.algorithms.opro import opro
from llmopt.core.encoding import encoded
from llmopt.core.part import StepContext, all_of, generator
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation, Outcome
from llmopt.errors import RefusedError
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.testing import scripted

if TYPE_CHECKING:
    from llmopt.core.values import Call


def told(*texts: str, step: int = 0) -> list[Entry]:
    return [
        Entry(Candidate(text, step), Evaluation((Outcome("i", n / 10),), 1))
        for n, text in enumerate(texts)
    ]


STARTED = Trajectory().tell(told("Answer.", "Answer now."))


def saying(*replies: str) -> ScriptedModel:
    """Return a model that gives these texts in turn, marked as the chat family asks."""
    left = list(replies)
    return ScriptedModel(lambda _call: f"<INS>{left.pop(0)}</INS>")


async def asked(*replies: str) -> tuple[list[str], list[tuple[str, str]]]:
    method = opro(samples=len(replies))
    found = await method.ask(scripted.problem(), STARTED, saying(*replies), 0, 4)
    return [c.text for c in found.candidates], [(r.text, r.reason) for r in found.rejected]


async def test_candidates_keep_the_order_in_which_they_were_first_seen() -> None:
    """O21."""
    texts, rejected = await asked("Zebra.", "Apple.", "Zebra.", "Mango.", " apple. ")
    assert texts == ["Zebra.", "Apple.", "Mango."]
    assert rejected == [("Zebra.", "already tried"), ("Apple.", "already tried")]


async def test_a_start_proposed_again_is_already_tried() -> None:
    """O4."""
    texts, rejected = await asked("Answer.", '"Answer now."', "New.")
    assert texts == ["New."]
    assert rejected == [("Answer.", "already tried"), ("Answer now.", "already tried")]


async def test_nothing_said_is_dropped_without_a_reason() -> None:
    texts, rejected = await asked("", "<TEXT>x", "Fine.", "y" * 501)
    assert texts == ["Fine."]
    assert [reason for _, reason in rejected] == [
        "empty",
        "leaked marker <TEXT>",
        "longer than 500 characters",
    ]


async def test_candidates_know_their_parents_best_last_and_their_step() -> None:
    found = await opro(samples=1).ask(scripted.problem(), STARTED, saying("New."), 0, 4)
    assert found.candidates[0].parents == (Candidate("Answer.").id, Candidate("Answer now.").id)
    assert found.candidates[0].step == 1
    assert len(found.calls) == 1


async def test_a_reply_with_several_solutions_is_one_call() -> None:
    reply = "<INS>Say yes.</INS> <INS>Say no.</INS> <INS>Say what is true.</INS>"
    method = opro(samples=3, vary="together")
    model = ScriptedModel(lambda _call: reply)
    found = await method.ask(scripted.problem(), STARTED, model, 0, 4)
    assert len(found.candidates) == 3
    assert len(found.calls) == model.calls == 1


def test_an_option_given_at_its_default_makes_no_other_run() -> None:
    made, plain = opro(samples=8), opro()
    assert made.made is not None
    assert made.made.options == {}
    changed = opro(samples=4)
    assert changed.made is not None
    assert changed.made.options == {"samples": 4}
    assert encoded(made) == encoded(plain)


def context(seed: int, step: int, group: int) -> StepContext:
    return scripted.context(STARTED, step=step, seed=seed, group=group)


def test_draws_have_different_numbers_in_every_seed_step_group_and_draw() -> None:
    places = [
        (seed, step, group, draw)
        for seed in (0, 1, 11)
        for step in (1, 2, 12)
        for group in (0, 1, 2)
        for draw in range(12)
    ]
    numbers = [context(seed, step, group).sample(draw) for seed, step, group, draw in places]
    assert len(set(numbers)) == len(places)
    assert all(0 <= number < 2**48 for number in numbers)
    assert numbers == [context(s, t, g).sample(d) for s, t, g, d in places]


def test_every_purpose_has_its_own_generator() -> None:
    streams = [
        context(0, 1, 0).rng("a"),
        context(0, 1, 0).rng("b"),
        context(0, 1, 1).rng("a"),
        context(0, 2, 0).rng("a"),
        context(1, 1, 0).rng("a"),
    ]
    assert len({tuple(stream.randint(0, 10**6, 3)) for stream in streams}) == 5
    assert generator(1, 2, "x").randint(10**6) == generator(1, 2, "x").randint(10**6)


def test_the_random_streams_are_frozen() -> None:
    """A stored run is resumed with the draws it was begun with, by every later version."""
    assert context(7, 3, 1).sample(2) == 235456226648619
    before_groups = scripted.context(STARTED, step=3, seed=7).rng("select")
    assert before_groups.permutation(8).tolist() == [1, 5, 6, 2, 7, 0, 3, 4]
    assert generator(7, 3, "select").permutation(8).tolist() == [1, 5, 6, 2, 7, 0, 3, 4]


async def test_groups_with_equal_parents_get_their_own_draws() -> None:
    keys: list[str] = []

    def answer(call: Call) -> str:
        keys.append(call.key("m"))
        return scripted.answer(call)

    await ape(parents=2, samples=3).ask(scripted.problem(), STARTED, ScriptedModel(answer), 0, 4)
    assert len(keys) == len(set(keys)) == 6


async def test_waiting_for_all_finishes_the_others_before_the_first_error_is_raised() -> None:
    done: list[int] = []

    async def work(number: int) -> int:
        if number in (1, 2):
            raise RefusedError(str(number))
        done.append(number)
        return number

    with pytest.raises(RefusedError, match="1"):
        await all_of(work(n) for n in range(5))
    assert done == [0, 3, 4]
    assert await all_of(work(n) for n in (3, 4)) == [3, 4]


def test_a_method_with_a_plan_does_as_many_steps_as_planned_or_allowed() -> None:
    problem = scripted.problem()
    assert opro().steps(problem, 7) == 7
    planned = replace(opro(), pace=lambda _problem: 4)
    assert [planned.steps(problem, most) for most in (3, 4, 7)] == [3, 4, 4]
