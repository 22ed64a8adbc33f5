"""Methods that write one text work on one part of a solution of several."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.algorithms.opro import opro
from llmopt.core.demonstrations import Shot
from llmopt.core.focus import focus_of
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation, Outcome
from llmopt.problems.prompt.few_shot import joined
from llmopt.testing import scripted

if TYPE_CHECKING:
    from llmopt.core.focus import Focus

PROBLEM = scripted.few_shot()
IDS = [item.id for item in PROBLEM.items("train")]
SHOTS = (Shot(IDS[0]), Shot(IDS[1]))


def told(text: str, score: float, step: int = 0, parents: tuple[str, ...] = ()) -> Entry:
    outcomes = tuple(Outcome(one, score) for one in IDS)
    return Entry(Candidate(text, step, parents), Evaluation(outcomes, len(IDS)))


START = told(joined("Answer."), 0.2)
BETTER = told(joined("Answer.", SHOTS), 0.6, 1, (START.candidate.id,))
OTHER = told(joined("Say it."), 0.4, 1, (START.candidate.id,))
TRIED = Trajectory().tell([START]).tell([BETTER, OTHER])


def focus(trajectory: Trajectory = TRIED) -> Focus:
    found = focus_of(opro().propose, PROBLEM, trajectory)
    assert found is not None
    return found


def test_a_solution_of_one_part_is_seen_whole() -> None:
    assert focus_of(opro().propose, scripted.problem(), TRIED) is None


def test_the_past_is_seen_as_instructions_and_the_best_stands_for_its_likes() -> None:
    seen = focus().seen
    assert [(e.text, e.score, e.candidate.step) for e in seen] == [
        ("Answer.", BETTER.score, 0),
        ("Say it.", OTHER.score, 1),
    ]
    assert seen.steps == TRIED.steps
    assert seen.entry(Candidate("Say it.").id).candidate.parents == (Candidate("Answer.").id,)


def test_what_is_proposed_keeps_the_demonstrations_of_what_it_was_made_of() -> None:
    like = {e.text: e.candidate.id for e in focus().seen}
    for parent, shots, whole in (("Answer.", SHOTS, BETTER), ("Say it.", (), OTHER)):
        made = focus().unfocused(Candidate("Think.", 2, (like[parent],)))
        assert made == Candidate(joined("Think.", shots), 2, (whole.candidate.id,))


def test_without_a_parent_it_gets_those_of_the_best() -> None:
    assert focus().unfocused(Candidate("Think.", 2)).text == joined("Think.", SHOTS)


def test_the_view_reads_and_measures_instructions() -> None:
    view = focus().view
    assert view.parse("think.") == "Think."
    assert view.starts == ("Answer.", "Answer now.")
    assert view.parse("=== demonstrations ===") == "=== demonstrations ==="


async def test_a_tried_instruction_is_measured_as_it_was() -> None:
    (item, *_) = PROBLEM.items("train")[2:]
    seen = await focus().view.measure("Answer.", item, scripted.model())
    assert seen == await PROBLEM.measure(BETTER.text, item, scripted.model())


async def test_opro_proposes_instructions_and_is_shown_nothing_else() -> None:
    asked = await opro().ask(PROBLEM, TRIED, scripted.model(), 0, 4)
    assert asked.candidates
    for candidate in asked.candidates:
        assert candidate.text.endswith(joined("", SHOTS).partition("\n")[2])
        assert PROBLEM.parse(candidate.text) == candidate.text
