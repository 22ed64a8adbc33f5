"""EvoPrompt runs as its paper says: filled once, then crossed, the best or the better kept."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

import llmopt
from llmopt.algorithms.evoprompt import evoprompt_de, evoprompt_ga
from llmopt.core.model import Traits
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation, Outcome
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.parts.variety import ANGLES
from llmopt.problems.prompt.prompt_problem import PromptProblem
from llmopt.testing import scripted

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.core.algorithm import Algorithm
    from llmopt.core.model import Family
    from llmopt.core.values import Call


def asked(folder: Path, algorithm: Algorithm, count: int = 3) -> list[list[Call]]:
    """Return the calls to the optimizer LLM, step by step."""
    calls: list[Call] = []

    def answer(call: Call) -> str:
        if call.role == "optimizer":
            calls.append(call)
        return scripted.answer(call)

    plain = scripted.problem()
    problem = PromptProblem.from_splits(
        plain.splits, instructions=plain.instructions, task=plain.task, scorer=ScriptedModel(answer)
    )
    options: dict[str, Any] = {"controls": (), "progress": False, "store": folder / "runs"}
    llmopt.optimize(problem, algorithm=algorithm, steps=count, **options)
    size = len(calls) - 6 * (count - 1)
    rest = calls[size:]
    return [calls[:size], *(rest[at : at + 6] for at in range(0, len(rest), 6))]


def test_the_paper_s_figures_are_the_defaults() -> None:
    for made in (evoprompt_ga(), evoprompt_de()):
        assert "population=10" in repr(made.select)
        assert "value=0.5" in repr(made.propose)
        assert "scores=0" in repr(made.propose)


def test_ga_rewords_until_the_population_is_full_and_then_crosses(tmp_path: Path) -> None:
    first, second, third = asked(tmp_path, evoprompt_ga(population=6, family="chat"))
    assert len(first) == 4, "two of six are given"
    assert all("in other words" in call.text for call in first)
    assert all("Make one new instruction out of the two" in call.text for call in (*second, *third))
    assert {call.temperature for call in (*first, *second)} == {0.5}
    assert not any("score" in call.text.lower() for call in (*first, *second, *third))


def test_de_shows_base_donors_and_best(tmp_path: Path) -> None:
    first, second, _ = asked(tmp_path, evoprompt_de(population=6, family="chat"))
    assert len(first) == 4
    best = [re.findall(r"The best \w+ so far: <INS>(.*)</INS>", call.text)[0] for call in second]
    assert len(set(best)) == 1
    bases = [re.findall(r"The basic \w+: <INS>(.*)</INS>", call.text)[0] for call in second]
    assert len(set(bases)) == 6, "each of the population is the base once"
    assert all("Make one new instruction out of the four" in call.text for call in second)


@pytest.mark.parametrize(
    ("family", "words"),
    [
        ("chat", "in other words"),
        ("brackets", "in other words"),
        ("continuation", "several different"),
    ],
)
@pytest.mark.parametrize("make", [evoprompt_ga, evoprompt_de])
async def test_a_lone_parent_is_reworded(make: Any, family: Family, words: str) -> None:
    sent: list[str] = []

    def answer(call: Call) -> str:
        sent.append(call.text)
        return ""

    told = Trajectory().tell([Entry(Candidate("Answer."), Evaluation((Outcome("1", 0.5),), 1))])
    model = ScriptedModel(answer, traits=Traits(completion=True))
    await make(population=3, family=family).ask(scripted.problem(), told, model, 0, 4)
    assert len(sent) == 2
    assert all(words in text and "Answer." in text for text in sent)


@pytest.mark.parametrize("make", [evoprompt_ga, evoprompt_de])
def test_each_wording_of_a_lone_parent_is_to_try_something_else(make: Any, tmp_path: Path) -> None:
    """Children of several are asked for with one text, unless the user wants their draws varied."""
    first, second, _ = asked(tmp_path, make(population=6, family="chat"))
    angles = [text for call in first for text in ANGLES if text in call.text]
    assert len(set(angles)) == len(first) == 4
    assert not any(text in call.text for call in second for text in ANGLES)


@pytest.mark.parametrize("make", [evoprompt_ga, evoprompt_de])
def test_words_of_the_user_s_own_are_sent_as_they_are(make: Any, tmp_path: Path) -> None:
    template = "Improve {{ entries[0].text }} and mark it with <INS> and </INS>."
    first, _, _ = asked(tmp_path, make(population=6, family="chat", template=template))
    assert all(re.fullmatch("Improve .* and mark it with <INS> and </INS>.", c.text) for c in first)


async def test_de_children_name_the_base_first(tmp_path: Path) -> None:
    problem = scripted.problem()
    model = scripted.model()
    options: dict[str, Any] = {"store": tmp_path / "runs", "name": "de", "steps": 3}
    scored = PromptProblem.from_splits(
        problem.splits, instructions=problem.instructions, task=problem.task, scorer=model
    )
    async with llmopt.prepare(
        scored, algorithm=evoprompt_de(population=4), optimizer=model, **options
    ) as run:
        for _ in range(3):
            await run.step()
        past = run.trajectory
    assert len(past) > 6
    children = [entry for entry in past if entry.candidate.step == 2]
    assert children
    held = {entry.candidate.id for entry in past if entry.candidate.step < 2}
    assert all(len(child.candidate.parents) == 4 for child in children)
    assert all(child.candidate.parents[0] in held for child in children)


@pytest.mark.parametrize(
    ("make", "steps"),
    [
        (evoprompt_ga, ("1. Crossover", "2. Mutation")),
        (evoprompt_de, ("1. Difference", "2. Mutation", "3. Combination", "4. Crossover")),
    ],
)
def test_the_published_form_has_steps_a_worked_example_and_a_last_marked_text(
    make: Any, steps: tuple[str, ...], tmp_path: Path
) -> None:
    sent: list[str] = []
    scored: list[str] = []

    def answer(call: Call) -> str:
        if call.role != "optimizer":
            scored.append(call.text)
            return scripted.answer(call)
        sent.append(call.text)
        number = len(sent)
        return f"1. <INS>Half {number}.</INS>\n2. <INS>Whole text {number}.</INS>"

    model = ScriptedModel(answer)
    plain = scripted.problem()
    llmopt.optimize(
        PromptProblem.from_splits(
            plain.splits, instructions=plain.instructions, task=plain.task, scorer=model
        ),
        algorithm=make(population=4, wording="paper-like", family="chat"),
        optimizer=model,
        steps=2,
        controls=(),
        progress=False,
        store=tmp_path / "runs",
    )
    crossing = [text for text in sent if steps[0] in text]
    assert crossing
    for text in crossing:  # named once as an order, and once in the example
        places = [text.index(step) for step in steps] + [text.rindex(step) for step in steps]
        assert places == sorted(places)
        assert len(set(places)) == len(places)
    assert any("Whole text" in text for text in scored)
    assert not any("Half" in text for text in scored)
