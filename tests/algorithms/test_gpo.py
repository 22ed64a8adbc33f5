"""GPO keeps the requirements of its paper; those on parts alone stand with the parts' tests."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from llmopt.algorithms import algorithm_named
from llmopt.algorithms.gpo import gpo
from llmopt.algorithms.gpo.critique import (
    CombinedReflection,
    Critique,
    Merged,
    Summary,
)
from llmopt.algorithms.gpo.momentum import Relevance
from llmopt.api import prepare
from llmopt.cli import main
from llmopt.config.reading import read
from llmopt.core.problem import Refusal
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation, Outcome
from llmopt.errors import ConfigError, InputError
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.parts.keep import Elitist, LatestBest, NeverChosen
from llmopt.parts.pace import Epochs, epoch_steps
from llmopt.parts.propose import Generate
from llmopt.parts.reflect import Exemplars
from llmopt.parts.select import Lineages
from llmopt.parts.word_limit import StepSize
from llmopt.problems.tasks import entry_named
from llmopt.recipes import recipe_or_file, sweep_or_file
from llmopt.sweeps.grid import read_sweep
from llmopt.testing import algorithms, scripted

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.core.part import Proposed, StepContext
    from llmopt.core.values import Call

VARIANTS: dict[str, dict[str, Any]] = {
    "reflection": {"reflection": "recency"},
    "merged reflections": {"reflection": "summary", "momentum": "none"},
    "summary": {"momentum": "summary"},
    "everything": {
        "momentum": "importance",
        "reflection": "relevance",
        "similarity": "characters",
        "above": "again",
        "words": 5,
        "floor": 0.8,
        "refine": "edit",
        "current": "never_chosen",
        "epochs": 3,
    },
}


@pytest.mark.parametrize("check", algorithms.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", VARIANTS)
async def test_every_variant_conforms(name: str, check: algorithms.Check, tmp_path: Path) -> None:
    await check(gpo(**VARIANTS[name]), scripted.problem(24, (8, 4, 8)), tmp_path)


def test_the_defaults_are_the_paper_s_row() -> None:
    """GPO, sections 1 and 3: performance, relevance, cosine from 50 to 10, generation."""
    made = gpo()
    assert made.select == Relevance(3, "ascending")
    assert made.reflect == Exemplars(3, "constant")
    assert made.keep == LatestBest()
    assert isinstance(made.propose, Generate)
    assert (made.propose.samples, made.propose.refine, made.propose.wording) == (
        8,
        "generate",
        "gpo",
    )
    assert made.propose.temperature(1, 9) == 1
    assert made.propose.step_size == StepSize("cosine", 50, 0.2, 0.0)
    assert (made.propose.step_size(1, 9), made.propose.step_size(99, 9)) == (50, 10)


def test_options_choose_parts() -> None:
    assert gpo(momentum="none").select == Lineages(1)
    assert gpo(current="never_chosen").keep == NeverChosen()
    assert gpo(current="best").keep == Elitist()
    said = gpo(momentum="summary", reflection="summary", batch=4).reflect
    assert said == CombinedReflection((Exemplars(3, "constant"), Summary(), Critique(4, Merged())))
    made = gpo(control="none").propose
    assert isinstance(made, Generate)
    assert made.step_size is None


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"momentum": "relavance"}, "did you mean 'relevance'"),
        ({"control": "consine"}, "did you mean 'cosine'"),
        ({"reflection": "feedback"}, "reflection is one of"),
        ({"current": "newest"}, "the current prompt is one of"),
        ({"refine": "rewrite"}, "generate or edit"),
        ({"epochs": -1}, "epochs are 1 or more"),
    ],
)
def test_g15_names_are_spelt_correctly(options: dict[str, Any], match: str) -> None:
    with pytest.raises(InputError, match=match):
        algorithm_named("gpo", options)


# -- one step -------------------------------------------------------------------------------

START = "Answer with care."


def told(score: float = 5 / 12) -> Trajectory:
    entry = Entry(Candidate(START), Evaluation((Outcome("i", score),), 1))
    return Trajectory().tell([entry])


def listening(calls: list[Call], *replies: str) -> ScriptedModel:
    def answer(call: Call) -> str:
        calls.append(call)
        return f"<INS>{replies[min(len(calls), len(replies)) - 1]}</INS>"

    return ScriptedModel(answer)


async def test_g4_scores_are_shown_on_the_range_that_is_said() -> None:
    """0.4166666 of 100 is 42."""
    calls: list[Call] = []
    await gpo().ask(scripted.problem(), told(), listening(calls, "Go."), 0, 9)
    assert "from 0 to 100" in calls[0].text
    assert f"\n42: <INS>{START}</INS>\n" in calls[0].text
    assert "0.41" not in calls[0].text


async def test_g5_one_candidate_costs_one_completion() -> None:
    calls: list[Call] = []
    await gpo().ask(scripted.problem(), told(), listening(calls, "Go."), 0, 9)
    assert len(calls) == 8
    assert len({call.text for call in calls}) == 1
    assert len({call.sample for call in calls}) == 8


async def test_g8_a_text_that_was_tried_is_refused_by_its_own_name() -> None:
    calls: list[Call] = []
    model = listening(calls, "One.", START, "Two.")
    asked = await gpo(samples=3).ask(scripted.problem(), told(), model, 0, 9)
    assert [c.text for c in asked.candidates] == ["One.", "Two."]
    assert [(r.text, r.reason) for r in asked.rejected] == [(START, "already tried")]


async def test_g14_the_current_prompt_is_the_last_parent_and_changes_are_counted() -> None:
    past = told()
    model = listening([], "Answer with the utmost care, please.")
    asked = await gpo(samples=1).ask(scripted.problem(), past, model, 0, 9)
    (found,) = asked.candidates
    assert found.parents[-1] == Candidate(START).id
    assert past.words_changed(found) == 4
    grown = past.tell([Entry(found, Evaluation((Outcome("i", 1.0),), 1))])
    assert grown.led() == ((1, past.entry(Candidate(START).id)),)
    assert gpo().keep(scripted.context(grown))[0].text == found.text


@pytest.mark.parametrize("order", ["ascending", "descending"])
async def test_whatever_the_order_the_current_prompt_is_the_last_parent(order: str) -> None:
    first = told().best(1)[0]
    second = Entry(Candidate("Care.", 1, (first.candidate.id,)), first.evaluation)
    third = Entry(Candidate("Take care.", 2, (second.candidate.id,)), first.evaluation)
    past = told().tell([second]).tell([third])
    made = algorithm_named("gpo", {"order": order, "samples": 1})
    asked = await made.ask(scripted.problem(), past, listening([], "Go."), 0, 9)
    assert len(asked.candidates[0].parents) == 3
    assert asked.candidates[0].parents[-1] == third.candidate.id


def context(model: ScriptedModel) -> StepContext:
    past = told()
    (now,) = past.best(1)
    return scripted.context(past, model=model, steps=9, group=0, base=now, shown=(now,))


async def limited(above: str, calls: list[Call], *replies: str) -> Proposed:
    limit = StepSize("fixed", words=2, above=above)  # type: ignore[arg-type] # one of the three
    propose = Generate(samples=1, wording="gpo", refine="edit", step_size=limit)
    (found,) = await propose(context(listening(calls, *replies)))
    return found


FAR, NEAR = "Think about each word and answer yes or no.", "Answer with great care."


async def test_g14_a_limit_is_asked_for() -> None:
    calls: list[Call] = []
    await limited("record", calls, NEAR)
    assert "At most 2 words of the current instruction may change." in calls[0].text


async def test_g14_above_the_limit_a_proposal_is_recorded() -> None:
    assert (await limited("record", [], FAR)).text == FAR


async def test_g14_above_the_limit_a_proposal_is_refused() -> None:
    assert (await limited("refuse", [], FAR)).text == Refusal("changes 9 words, more than 2")
    assert (await limited("refuse", [], NEAR)).text == NEAR


async def test_g14_above_the_limit_it_is_asked_again_once() -> None:
    """And told why; both calls are listed."""
    calls: list[Call] = []
    found = await limited("again", calls, FAR, NEAR)
    assert found.text == NEAR
    assert "a first try changed 9 and was refused" in calls[1].text
    assert (*found.further, found.call) == tuple(call.key("scripted") for call in calls)
    calls.clear()
    assert isinstance((await limited("again", calls, FAR)).text, Refusal)
    assert len(calls) == 2


async def test_a_refused_text_keeps_its_own_reason() -> None:
    """What is no instruction at all is not said to be too far away."""
    found = await limited("refuse", [], " ")
    assert found.text == " "


def test_a_limit_without_a_current_prompt_is_refused() -> None:
    with pytest.raises(ConfigError, match="is shown with refine"):
        Generate(step_size=StepSize())


@pytest.mark.parametrize("family", ["chat", "brackets", "continuation"])
@given(
    st.fixed_dictionaries(
        {
            "momentum": st.sampled_from(["none", "recency", "relevance", "importance"]),
            "refine": st.sampled_from(["generate", "edit"]),
            "control": st.sampled_from(["none", "fixed", "linear", "cosine"]),
            "scores": st.sampled_from([0, 20, 100]),
            "exemplars": st.integers(0, 2),
        }
    )
)
async def test_g20_every_prompt_is_defined_and_has_the_current_one(
    family: str, options: dict[str, Any]
) -> None:
    calls: list[Call] = []
    made = algorithm_named("gpo", {**options, "family": family, "samples": 1})
    await made.ask(scripted.problem(), told(), listening(calls, "Go."), 0, 9)
    text = calls[0].text
    assert START in text
    assert ("42" in text) is (options["scores"] == 100)
    assert ("at most 50 words" in text.lower()) is (options["control"] != "none")
    assert text.count("Question number") == options["exemplars"]
    assert "  " not in text
    assert "\n\n\n" not in text


@pytest.mark.parametrize("leak", ["Do it.</END>", "Do it. <END>", "<Prompt> Do it.", "x </START>"])
def test_g21_the_paper_s_tags_are_leaks(leak: str) -> None:
    found = scripted.problem().parse(leak)
    assert isinstance(found, Refusal)
    assert "leaked marker" in found.reason


def test_g21_a_copied_question_is_refused() -> None:
    problem = scripted.problem()
    item = problem.items("train")[0]
    long = replace(item, input="Is it true that nobody at all has ever seen the sea at night?")
    splits = replace(problem.splits, train=(long, *problem.items("train")[1:]))
    assert isinstance(replace(problem, splits=splits).parse(f"Think. {long.input}"), Refusal)


# -- a run ----------------------------------------------------------------------------------


async def test_g9_a_run_stops_at_a_plateau_selects_on_validation_and_tests_once(
    tmp_path: Path,
) -> None:
    calls: list[Call] = []

    def answer(call: Call) -> str:
        calls.append(call)
        return scripted.answer(call)

    model = ScriptedModel(answer)
    problem = replace(scripted.problem(), scorer=model)
    options: dict[str, Any] = {"store": tmp_path / "s.sqlite", "steps": 50, "patience": 2}
    async with prepare(problem, algorithm=gpo(samples=3), controls=(), **options) as run:
        result = await run.optimize()
    assert result.stopped == "no better score in 2 steps"
    tested = [c.text for c in calls for i in problem.items("test") if i.input in c.text]
    assert len(tested) == len(set(tested)) <= 2 * len(problem.items("test"))


async def test_g11_without_reflection_the_scorer_is_asked_for_candidates_alone(
    tmp_path: Path,
) -> None:
    model = scripted.model()
    problem = replace(scripted.problem(), scorer=model)
    options: dict[str, Any] = {"store": tmp_path / "s.sqlite", "steps": 3}
    async with prepare(problem, algorithm=gpo(samples=4), controls=(), **options) as run:
        for _ in range(4):
            await run.step()
        assert model.calls == 3 * 4 + len(run.trajectory) * len(problem.items("train"))


async def test_g10_a_run_ends_with_its_epochs(tmp_path: Path) -> None:
    """12 items are two batches of 8: the rest of 4 counts."""
    problem = replace(scripted.problem(), scorer=scripted.model())
    method = gpo(samples=2, epochs=2)
    options: dict[str, Any] = {"store": tmp_path / "s.sqlite", "steps": 50}
    async with prepare(problem, algorithm=method, controls=(), **options) as run:
        result = await run.optimize()
    assert (result.steps, result.stopped) == (4, "steps done")


@pytest.mark.parametrize(
    ("name", "rows", "steps"), [("bbh", 250, 18), ("gsm8k", 0, 39), ("mmlu", 135, 9)]
)
def test_the_recipes_are_the_paper_s_row_and_steps(name: str, rows: int, steps: int) -> None:
    """GPO, section 3, table of splits."""
    found = read(recipe_or_file(f"gpo/{name}"), ["scorer.model=scripted/any:one"])
    built = found.algorithm.built()
    assert replace(built, pace=None) == gpo(strict=False)  # as its published code reads replies
    assert built.pace == Epochs(3, 8)
    sizes = entry_named(found.problem.benchmark).gpo
    assert sizes
    assert found.scorer
    assert 3 * epoch_steps(sizes(rows)[0], 8) == steps <= found.run.steps
    assert (found.problem.split, found.scorer.temperature, found.scorer.max_tokens) == (
        "gpo",
        0,
        256,
    )


def test_the_grids_are_the_paper_s() -> None:
    """GPO, tables 2 and 3: 2 directions by 5 momenta, 7 controls by 2 refinements; lite BBH."""
    for name, variants in (("grid-direction", 10), ("grid-step-size", 14), ("lite-bbh", 3)):
        path = sweep_or_file(f"gpo/{name}")
        sweep = read_sweep(path, ["scorer.model=scripted/any:one"])
        assert len(sweep.variants) == variants
        assert len({cell.seed for cell in sweep.cells}) == 3
        assert {cell.settings.problem.benchmark for cell in sweep.cells} == {
            "bbh/navigate",
            "bbh/movie_recommendation",
            "bbh/object_counting",
            "bbh/word_sorting",
        }
        if name.startswith("grid"):
            assert {cell.settings.budget.calls for cell in sweep.cells} == {15800}
            combinations = {
                (
                    options.get("momentum"),
                    options.get("reflection"),
                    options.get("control"),
                    options.get("warmup"),
                    options.get("refine"),
                )
                for cell in sweep.cells
                for options in (cell.source["algorithm"],)
            }
            assert len(combinations) == variants


async def test_g14_changed_words_can_be_read_afterwards(tmp_path: Path) -> None:
    """By ``llmopt show``, as text and as JSON, from the journal alone."""
    store = tmp_path / "s.sqlite"
    problem = replace(scripted.problem(), scorer=scripted.model())
    options: dict[str, Any] = {"store": store, "name": "run", "steps": 2, "controls": ()}
    async with prepare(problem, algorithm=gpo(samples=3, reflection="current"), **options) as run:
        await run.optimize()
        trajectory = run.trajectory
    shown = CliRunner().invoke(main, ["show", "run", "--step", "2", "--store", str(store)]).output
    data = CliRunner().invoke(main, ["show", "run", "--json", "--store", str(store)]).output
    for step in json.loads(data)["steps"]:
        for told in step["candidates"]:
            entry = trajectory.entry(told["id"])
            assert told["words_changed"] == trajectory.words_changed(entry.candidate)
            if step["step"] == 2:
                assert f"{told['words_changed']} words from its last parent" in shown
    assert "Wrong prediction: " in shown
