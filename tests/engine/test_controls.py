"""A search is held to controls: as many evaluations, the same test items, paid by the run."""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import llmopt
from llmopt.algorithms import algorithm_named
from llmopt.algorithms.ape import ape
from llmopt.algorithms.opro import opro
from llmopt.algorithms.sampling import sampling
from llmopt.api import prepare
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Item, Outcome, digest
from llmopt.engine.controls import (
    EvaluationCap,
    control_of,
    measured,
    plain_controls,
)
from llmopt.errors import ConfigError, RefusedError
from llmopt.models.middleware.budget import Limits
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.parts.propose import Generate
from llmopt.parts.rate import Everything
from llmopt.problems.function import FunctionProblem
from llmopt.store import open_store
from llmopt.testing import scripted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from llmopt.core.values import Call
    from llmopt.engine.progress import Progress
    from llmopt.evidence.result import Result

TRAIN, VALIDATION, TEST = 12, 8, 20
LABELS = ["start", "best", "empty instruction", "think step by step"]


async def ran(folder: Path, model: ScriptedModel | None = None, **more: Any) -> Result:
    model = model or scripted.model()
    plain = {"name": "tried", "steps": 3, "seed": 3, "finalists": 3, "progress": False}
    options = {"store": folder / "runs.sqlite", "optimizer": model, **plain, **more}
    return await llmopt.optimize_async(replace(scripted.problem(), scorer=model), **options)


def found(result: Result) -> dict[str, Any]:
    """Everything in a result but the time and the trouble it took."""
    return {k: v for k, v in result.to_dict().items() if k not in ("seconds", "stretch")}


def searched(result: Result) -> dict[str, Any]:
    """Everything in a result but what choosing and testing once more costs and changes.

    It may be a second look at the test items, which has a stricter level.
    """
    again = ("usage", "looks", "comparisons", "verdict", "notes")
    return {key: value for key, value in found(result).items() if key not in again}


def journal(folder: Path, run: str) -> list[dict[str, Any]]:
    store = open_store(folder / "runs.sqlite")
    try:
        return [record.data for record in store.records(run) if record.kind == "step"]
    finally:
        store.close()


def runs(folder: Path) -> dict[str, str]:
    store = open_store(folder / "runs.sqlite")
    try:
        return {info.name: info.status for info in store.runs()}
    finally:
        store.close()


def evaluations(steps: Sequence[dict[str, Any]]) -> int:
    return sum(len(entry["outcomes"]) for step in steps[1:] for entry in step["entries"])


async def test_all_controls_stand_in_the_same_report_on_the_same_items(tmp_path: Path) -> None:
    result = await ran(tmp_path)
    assert [line.label for line in result.lines[:4]] == LABELS
    assert result.lines[4].label.startswith("best of ")
    assert all(line.test and line.test.n == TEST for line in result.lines)
    assert [v.against for v in result.comparisons] == [
        line.label for line in result.lines if line.label != "best"
    ]
    assert all(v.corrected >= v.difference.p_value for v in result.comparisons)
    assert all(f'"{versus.against}"' in result.verdict for versus in result.comparisons[1:])


async def test_best_of_n_measures_as_much_as_the_search(tmp_path: Path) -> None:
    """And draws as many solutions in a step, from a meta-prompt without any score."""
    await ran(tmp_path)
    search, control = journal(tmp_path, "tried"), journal(tmp_path, "tried-control")
    assert evaluations(control) == evaluations(search) > 0
    assert {len(step["calls"]) for step in (*search[1:], *control[1:])} == {8}
    store = open_store(tmp_path / "runs.sqlite")
    asked = [store.exchange(key) for step in control[1:] for key in step["calls"]]
    store.close()
    assert asked
    assert not any("score" in exchange[0].text.lower() for exchange in asked if exchange)


@pytest.mark.parametrize("stages", [(), (3, 6)])
async def test_it_is_cut_to_what_a_candidate_cost_the_search(
    tmp_path: Path, stages: tuple[int, ...]
) -> None:
    """In stages too, within what one candidate takes in full."""
    await ran(tmp_path, algorithm=opro(samples=8, stages=stages, keep=0.3), steps=4)
    search, control = journal(tmp_path, "tried"), journal(tmp_path, "tried-control")
    assert abs(evaluations(control) - evaluations(search)) <= (TRAIN if stages else 0)


async def test_switched_off_nothing_more_is_asked(tmp_path: Path) -> None:
    model, bare = scripted.model(), scripted.model()
    await ran(tmp_path / "with", model)
    result = await ran(tmp_path / "without", bare, controls=())
    assert [line.label for line in result.lines] == ["start", "best"]
    assert [versus.against for versus in result.comparisons] == ["start"]
    assert list(runs(tmp_path / "without")) == ["tried"]
    assert bare.calls < model.calls
    assert journal(tmp_path / "with", "tried") == journal(tmp_path / "without", "tried")


async def test_the_controls_are_paid_by_the_run(tmp_path: Path) -> None:
    model = scripted.model()
    result = await ran(tmp_path, model)
    assert sum(used.calls for used in result.usage.values()) == model.calls
    again = await ran(tmp_path, model)
    assert sum(used.calls for used in result.usage.values()) == model.calls
    assert found(again) == found(result)
    assert runs(tmp_path) == {"tried": "done", "tried-control": "done"}


async def test_broken_off_anywhere_the_run_ends_as_the_unbroken_one(tmp_path: Path) -> None:
    """Each stretch gets 97 replies further; nothing is asked twice."""
    whole = scripted.model()
    expected = await ran(tmp_path / "whole", whole)
    asked: list[str] = []
    left = [0]

    def answer(call: Call) -> str:
        if not left[0]:
            raise RefusedError("no quota left")
        left[0] -= 1
        asked.append(call.key("scripted/world"))
        return scripted.answer(call)

    model = ScriptedModel(answer, identity="scripted/world")
    for _ in range(1000):
        left[0] = 97
        try:
            result = await ran(tmp_path / "broken", model, concurrency=1)
        except RefusedError:
            assert runs(tmp_path / "broken")["tried"] == "failed"
            continue
        break
    assert len(asked) == len(set(asked)) == whole.calls
    assert found(result) == found(expected)
    for run in ("tried", "tried-control"):
        assert journal(tmp_path / "broken", run) == journal(tmp_path / "whole", run)


async def test_more_steps_end_as_if_they_had_been_asked_for_at_once(tmp_path: Path) -> None:
    """The search gets a control of its own that is held to all of its evaluations."""
    await ran(tmp_path, steps=1)
    result = await ran(tmp_path, steps=3)
    whole = await ran(tmp_path / "whole", steps=3)
    assert result.verdict == whole.verdict
    assert result.lines == whole.lines
    assert set(runs(tmp_path)) == {"tried", "tried-control", "tried-control-2"}
    assert journal(tmp_path, "tried-control-2") == journal(tmp_path / "whole", "tried-control")


async def test_a_run_of_the_users_own_with_that_name_stays_what_it_is(tmp_path: Path) -> None:
    await ran(tmp_path, name="tried-control", steps=1, controls=())
    before = journal(tmp_path, "tried-control")
    await ran(tmp_path)
    assert journal(tmp_path, "tried-control") == before
    assert "tried-control-2" in runs(tmp_path)


async def test_the_longest_name_has_a_control_too(tmp_path: Path) -> None:
    await ran(tmp_path, name="a" * 64, steps=1)
    assert set(runs(tmp_path)) == {"a" * 64, "a" * 56 + "-control"}


@pytest.mark.parametrize("calls", [560, 800])
async def test_a_search_that_its_budget_ends_has_a_control(tmp_path: Path, calls: int) -> None:
    """Of equal size, or of a smaller one that a note states; the budget holds."""
    full = await ran(tmp_path / "full", steps=5)
    result = await ran(tmp_path, steps=5, budget=Limits(calls=calls))
    assert result.out_of_budget
    assert sum(used.calls for used in result.usage.values()) <= calls
    assert result.test is not None
    assert result.lines[-1].label.startswith("best of ")
    search, control = journal(tmp_path, "tried"), journal(tmp_path, "tried-control")
    assert evaluations(control) <= evaluations(search)
    smaller = any("smaller than the search" in note for note in result.notes)
    assert smaller == (evaluations(control) < 0.9 * evaluations(search))
    (named,) = re.findall(r"at least ([\d,]+) calls", result.stopped)
    further = await ran(tmp_path, steps=5, budget=Limits(calls=int(named.replace(",", ""))))
    assert further.steps > result.steps
    again = await ran(tmp_path, steps=5, budget=Limits(calls=10_000))
    assert searched(again) == searched(full)


async def test_of_what_is_left_no_more_than_a_third_is_kept_for_the_control(
    tmp_path: Path,
) -> None:
    """The starts take 12 of 700 calls here, and choosing and testing at most 72."""
    bare = await ran(tmp_path / "bare", steps=9, budget=Limits(calls=700), controls=())
    held = await ran(tmp_path, steps=9, budget=Limits(calls=700))
    alone, searched = (
        evaluations(journal(folder, "tried")) for folder in (tmp_path / "bare", tmp_path)
    )
    assert bare.out_of_budget
    assert held.out_of_budget
    largest = 8 * 13
    assert searched + largest >= 2 / 3 * alone


async def test_a_control_that_a_budget_cuts_ends_the_same_if_it_is_interrupted(
    tmp_path: Path,
) -> None:
    whole = await ran(tmp_path / "whole", steps=5, budget=Limits(calls=560))
    left = [0]

    def answer(call: Call) -> str:
        if not left[0]:
            raise RefusedError("no quota left")
        left[0] -= 1
        return scripted.answer(call)

    model = ScriptedModel(answer, identity="scripted/world")
    for _ in range(100):
        left[0] = 97
        with contextlib.suppress(RefusedError):
            result = await ran(tmp_path, model, steps=5, budget=Limits(calls=560), concurrency=1)
            break
    assert result.lines == whole.lines
    assert result.gain == whole.gain
    assert journal(tmp_path, "tried-control") == journal(tmp_path / "whole", "tried-control")


async def test_where_a_third_pays_for_no_control_the_search_has_everything(tmp_path: Path) -> None:
    bare = await ran(tmp_path / "bare", steps=5, budget=Limits(calls=400), controls=())
    result = await ran(tmp_path, steps=5, budget=Limits(calls=400))
    assert result.steps == bare.steps
    assert any("best of N" in note and "larger" in note for note in result.notes), result.notes


async def test_a_first_step_that_is_shown_no_score_is_the_controls_too(tmp_path: Path) -> None:
    """Where both ask in the same words, the replies of the search's first step are used again."""
    await ran(tmp_path, algorithm=opro(scores=0, order="random"))
    search, control = journal(tmp_path, "tried"), journal(tmp_path, "tried-control")
    assert control[1]["calls"] == search[1]["calls"]
    assert control[2]["calls"] != search[2]["calls"]


async def test_a_gain_is_printed_in_its_parts_and_survives_the_journal(tmp_path: Path) -> None:
    result = await ran(tmp_path)
    assert result.gain is not None
    assert [part.key for part in result.gain.parts] == ["writing", "choosing", "reading", "luck"]
    assert result.test is not None
    whole = sum(part.mean for part in result.gain.parts[:3])
    assert whole == pytest.approx(result.test.difference.mean)
    assert result.gain.test is not None
    assert (result.gain.test.against, result.gain.test.items) == ("control", TRAIN)
    assert llmopt.result_of("tried", str(tmp_path / "runs.sqlite")).gain == result.gain
    assert type(result).plain(json.loads(json.dumps(result.to_dict()))).gain == result.gain
    said = str(result)
    assert "where the gain comes from" in said
    assert "Did reading scores help?" in said
    assert "one text against one text" in result.verdict


async def test_where_the_start_shows_no_difference_no_control_is_compared(tmp_path: Path) -> None:
    result = await ran(tmp_path, level=0.999999)
    assert {versus.word for versus in result.comparisons[1:]} == {"not tested"}
    assert result.lines[-1].label.startswith("best of")
    assert f'"{result.lines[-1].label}": controls come after the start' in result.verdict
    assert "one text against one text" not in result.verdict


async def test_without_a_control_later_steps_are_held_to_the_first(tmp_path: Path) -> None:
    result = await ran(tmp_path, controls=())
    assert result.gain is not None
    assert [part.key for part in result.gain.parts] == ["writing", "searching", "luck"]
    assert result.gain.test is not None
    assert result.gain.test.against == "step 1"
    assert "A control without scores would tell more." in result.gain.sentence(result.level)
    assert result.gain.telling == (result.gain.test.word != "not distinguishable")
    assert ("A control without scores" in str(result)) == result.gain.telling
    assert (await ran(tmp_path / "sampling", algorithm="sampling")).gain is None


async def test_after_a_search_that_the_budget_ended_no_control_is_begun(tmp_path: Path) -> None:
    result = await ran(tmp_path, budget=Limits(calls=140))
    assert result.out_of_budget
    assert any("best of N" in note and "larger" in note for note in result.notes), result.notes
    assert list(runs(tmp_path)) == ["tried"]
    again, whole = await ran(tmp_path, budget=Limits(calls=10_000)), await ran(tmp_path / "whole")
    assert again.looks is not None
    assert again.looks.own == 1
    assert searched(again) == searched(whole)


async def test_progress_of_the_control_is_told_and_only_the_run_is_done(tmp_path: Path) -> None:
    told: list[tuple[str, str]] = []

    def listen(progress: Progress) -> None:
        told.append((progress.run, progress.phase))

    await ran(tmp_path, progress=listen)
    assert ("tried-control", "scoring") in told
    assert [entry for entry in told if entry[1] == "done"] == [told[-1]] == [("tried", "done")]


async def test_sampling_is_not_its_own_control(tmp_path: Path) -> None:
    result = await ran(tmp_path, algorithm="sampling")
    assert [line.label for line in result.lines] == LABELS
    assert control_of(sampling()) is None


def test_a_method_without_an_optimizer_llm_has_no_such_control() -> None:
    assert control_of(algorithm_named("random-search")) is None


async def test_a_search_that_measured_nothing_new_has_nothing_to_be_held_to(
    tmp_path: Path,
) -> None:
    result = await ran(tmp_path, steps=0)
    assert [line.label for line in result.lines] == LABELS
    assert any("nothing new" in note for note in result.notes)


async def test_a_control_that_ran_dry_is_said_to_be_smaller(tmp_path: Path) -> None:
    """An optimizer LLM that repeats itself unless it is shown scores."""

    def answer(call: Call) -> str:
        if call.role == "optimizer" and "is better" not in call.text:
            return "<INS>Think.</INS>"
        return scripted.answer(call)

    result = await ran(tmp_path, ScriptedModel(answer, identity="scripted/dull"))
    assert result.lines[-1].label == "best of 1, no scores"
    assert any("smaller than the search" in note for note in result.notes)
    assert len(journal(tmp_path, "tried-control")) == 1 + 2 * 3


async def test_a_function_has_best_of_n_alone(tmp_path: Path) -> None:
    problem = FunctionProblem(lambda text: text.count("e"), "Write many e.", ["a"])
    result = await llmopt.optimize_async(
        problem,
        optimizer=scripted.model(),
        store=tmp_path / "runs.sqlite",
        steps=2,
        progress=False,
    )
    assert [line.label[:7] for line in result.lines] == ["start", "best", "best of"]
    assert result.lines[2].train is not None
    assert result.comparisons == ()
    assert result.verdict == "Not tested: nothing is held out."


def test_a_control_measures_and_asks_as_the_method_does() -> None:
    method = opro(samples=5, temperature=0.7, max_tokens=40, exemplars=1, stages=[4], shown=3)
    control = control_of(method)
    assert control is not None
    assert control.name == "sampling"
    assert control.rate == method.rate
    expected = sampling(samples=5, temperature=0.7, max_tokens=40, exemplars=1, stages=[4])
    assert control == expected
    other = control_of(ape(samples=2))
    assert other is not None
    assert isinstance(other.propose, Generate)
    assert other.propose.samples == 8  # it words its request otherwise


def test_a_problem_says_which_plain_controls_it_has() -> None:
    problem = scripted.problem()
    names = ("empty", "think", "sampling")
    assert [text for _, text in plain_controls(problem, names)] == ["", "Let's think step by step."]
    started = replace(problem, instructions=("Let's think step by step.",))
    assert [text for _, text in plain_controls(started, names)] == [""]
    assert plain_controls(FunctionProblem(len, "Write.", ["a"]), names) == ()


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"controls": ("thinking",)}, "did you mean 'think'"),
        ({"controls": "empty"}, "list of names"),
        ({"level": 1.0}, "confidence level"),
        ({"level": 0.5}, "confidence level"),
    ],
)
async def test_what_cannot_be_used_is_refused_before_anything_is_paid(
    tmp_path: Path, wrong: dict[str, Any], match: str
) -> None:
    model = scripted.model()
    with pytest.raises(ConfigError, match=match):
        await ran(tmp_path, model, **wrong)
    assert model.calls == 0


async def test_what_does_not_fit_stays_unmeasured() -> None:
    """Two of three candidates of four items each, where 8 evaluations of 2 were measured."""
    items = [Item(str(number)) for number in range(4)]
    new = [Candidate(name, 1) for name in "abc"]

    async def measure(jobs: Sequence[tuple[Candidate, Item]]) -> list[Outcome]:
        return [Outcome(item.id, 1.0) for _, item in jobs]

    rate = EvaluationCap(Everything(), evaluations=8, candidates=2)
    (evaluation,) = await rate(scripted.context(), [Candidate("s")], items, measure)
    start = Trajectory().tell([Entry(Candidate("start"), evaluation)])
    found = await rate(scripted.context(start), new, items, measure)
    assert [evaluation.measured for evaluation in found] == [4, 4, 0]
    told = start.tell(Entry(c, e) for c, e in zip(new, found, strict=True))
    assert measured(told) == (8, 2)
    assert rate.left(told) == 0


async def test_a_run_that_is_done_step_by_step_has_its_controls_too(tmp_path: Path) -> None:
    model = scripted.model()
    options: dict[str, Any] = {"store": tmp_path / "runs.sqlite", "name": "tried", "steps": 1}
    async with prepare(replace(scripted.problem(), scorer=model), **options) as run:
        await run.step()
        result = await run.optimize()
    assert len(result.lines) == 5


def _world(*, follows: bool, luck: int) -> tuple[llmopt.PromptProblem, ScriptedModel]:
    """A task on which a number in the text is its skill, and two ways to choose that number."""

    def answer(call: Call) -> str:
        if call.role == "optimizer":
            drawn = int(digest(f"{luck} {call.text} {call.sample}")[:6], 16)
            best = max(map(int, re.findall(r"effort (\d+)", call.text)), default=0)
            effort = best + drawn % 12 if follows and best else 30 + drawn % 12
            return f"<INS>Answer {drawn} with effort {min(95, max(5, effort))}.</INS>"
        number = int(re.findall(r"number (\d+)", call.text)[-1])
        skill = int((re.findall(r"effort (\d+)", call.text) or ["30"])[0]) / 100
        right, wrong = ("yes", "no") if number % 2 else ("no", "yes")
        chance = int(digest(f"{luck} {call.text}")[:6], 16) / 0xFFFFFF
        return right if chance < skill else wrong

    model = ScriptedModel(answer, identity=f"scripted/{follows}-{luck}")
    return replace(scripted.problem(), scorer=model), model


async def test_who_ignores_scores_gets_no_claim_and_who_follows_them_does(tmp_path: Path) -> None:
    """Through the whole pipeline; the statistic itself is simulated more often elsewhere."""
    words: dict[bool, list[str]] = {True: [], False: []}
    for follows, runs_of_it in ((False, 6), (True, 3)):
        for luck in range(runs_of_it):
            problem, model = _world(follows=follows, luck=luck)
            result = await llmopt.optimize_async(
                problem,
                optimizer=model,
                steps=4,
                controls=("sampling",),
                seed=luck,
                finalists=2,
                store=tmp_path / f"{follows}-{luck}.sqlite",
                progress=False,
            )
            assert result.gain
            assert result.gain.test
            words[follows].append(result.gain.test.word)
    assert words[False].count("not distinguishable") >= 5
    assert words[True].count("better") >= 2
