"""Simulated worlds are as they say, and what results claim is held against them."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner

import llmopt
from llmopt.algorithms.opro import opro
from llmopt.errors import ConfigError
from llmopt.statistics import Interval
from llmopt.testing import problems
from llmopt.testing.__main__ import main
from llmopt.testing.evidence import (
    SENTENCE_RULES,
    WORLDS,
    Claim,
    Figure,
    Trial,
    Truth,
    World,
    error_rates,
)
from llmopt.testing.evidence.claims import claims_of, sentences
from llmopt.testing.evidence.readers import best_shown, proposal, reader_of
from llmopt.testing.evidence.worlds import PLAN, ability_of, plan

if TYPE_CHECKING:
    from llmopt.core.problem import SplitName
    from llmopt.evidence.result import Result
    from llmopt.testing.evidence import SimulatedProblem

SMALL = World(sizes=(12, 8, 20))
POOR, GOOD, BEST = (plan(ability, "A", "0" * 8) for ability in (-1.0, 0.0, 1.0))


def scores(world: World, text: str, split: SplitName = "test", seed: int = 0) -> list[float | None]:
    """Return an instruction's scores on a split."""

    async def measured(problem: SimulatedProblem) -> list[float | None]:
        jobs = [problem.measure(text, item, None) for item in problem.items(split)]
        return [(await job).score for job in jobs]

    return asyncio.run(measured(world.problem(seed)))


@pytest.mark.parametrize("name", [name for name, world in WORLDS.items() if not world.noise])
@pytest.mark.parametrize("check", problems.CHECKS, ids=lambda check: check.__name__)
async def test_a_simulated_problem_conforms(name: str, check: problems.Check) -> None:
    """But where answers are drawn again whenever they are measured, on purpose."""
    await check(replace(WORLDS[name], sizes=(12, 8, 20)).problem(0))


@pytest.mark.parametrize("grades", [1, 4])
@pytest.mark.parametrize("noise", [0.0, 0.5])
@pytest.mark.parametrize("accuracy", [0.3, 0.5, 0.9])
def test_an_instruction_has_its_true_accuracy(accuracy: float, noise: float, grades: int) -> None:
    world = World(sizes=(10, 10, 10_000), noise=noise, grades=grades)
    text = plan(ability_of(accuracy), "B", "1" * 8)
    assert world.accuracy(text) == pytest.approx(accuracy, abs=1e-4)
    assert np.mean(np.array(scores(world, text), float)) == pytest.approx(accuracy, abs=0.02)


@pytest.mark.parametrize("grades", [1, 4])
@pytest.mark.parametrize(("first", "second"), [("A", "A"), ("A", "B")])
def test_two_instructions_differ_as_often_as_is_said(first: str, second: str, grades: int) -> None:
    world = World(sizes=(10, 10, 10_000), alike=0.3, style=0.8, grades=grades)
    one, other = plan(0.0, first, "2" * 8), plan(0.5, second, "3" * 8)
    a, b = (np.array(scores(world, text), float) for text in (one, other))
    assert world.differ(one, other) == pytest.approx(((a - b) ** 2).mean(), abs=0.02)
    assert world.differ(one, one) == 0


def test_answers_are_the_same_whenever_they_are_measured_but_with_noise() -> None:
    assert scores(World(), GOOD) == scores(World(), GOOD)
    assert scores(World(), GOOD) != scores(World(), GOOD, seed=1)
    problem = World(noise=0.5).problem(0)
    item = problem.items("test")[0]
    drawn = [asyncio.run(problem.measure(GOOD, item, None)).score for _ in range(50)]
    assert set(drawn) == {0.0, 1.0}


def test_as_many_answers_are_lost_as_is_said() -> None:
    lost = scores(World(sizes=(10, 10, 5000), lost=0.1), GOOD)
    assert lost.count(None) / len(lost) == pytest.approx(0.1, abs=0.02)


def test_items_of_a_passage_have_one_input_and_much_in_common() -> None:
    world = World(sizes=(10, 10, 10_000), passages=5)
    inputs = Counter(item.input for item in world.problem(0).items("test"))
    assert set(inputs.values()) == {5}
    of = np.array(scores(world, GOOD), float).reshape(-1, 5)
    alone = np.array(scores(replace(world, passages=1), GOOD), float).reshape(-1, 5)
    assert of.mean(axis=1).var() > 2 * alone.mean(axis=1).var()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"start": 0.0}, "a true accuracy is above 0 and below 1, but got 0"),
        ({"gain": 0.6}, "a true accuracy is above 0 and below 1, but got 1.1"),
        ({"alike": 0.8}, "at least as alike"),
        ({"lost": 2.0}, "lost is a share from 0 to 1, but got 2.0"),
        ({"grades": 0}, "grades is 1 or more, but got 0"),
    ],
)
def test_a_world_that_cannot_be_is_refused(options: dict[str, float], why: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(why)):
        World(**options)  # type: ignore[arg-type]


SHOWN = "\n".join(
    f"{score:.2f}: <INS>{text}</INS>" for score, text in ((50, GOOD), (30, POOR), (90, BEST))
)


def test_a_reader_believes_the_order_that_is_claimed_and_otherwise_the_scores() -> None:
    """So a list out of order costs."""
    ascending = f"The list runs from the worst to the best:\n{SHOWN}"
    descending = f"The list runs from the best to the worst:\n{SHOWN}"
    assert best_shown(ascending, 2) == [POOR, BEST]
    assert best_shown(descending, 2) == [POOR, GOOD]
    assert best_shown(SHOWN, 2) == [GOOD, BEST]


def test_a_reader_finds_scores_behind_the_texts_as_well() -> None:
    behind = f"text:\n{GOOD}\nscore:\n80.00\n\ntext:\n{POOR}\nscore:\n20.00\n"
    assert best_shown(behind, 1) == [GOOD]


def test_a_single_score_and_a_list_without_any_are_not_heeded() -> None:
    assert best_shown(f"50.00: {GOOD}", 8) == []
    assert best_shown(f"{GOOD}\n{BEST}", 8) == []


def test_what_is_proposed_goes_on_from_the_best_shown_as_often_as_is_said() -> None:
    world = World(heeds=0.5, among=1, start=0.5)
    drawn = [proposal(world, SHOWN, str(n)) for n in range(1000)]
    assert len(set(drawn)) == 1000
    heeded = sum(world.ability(text) == 1 for text in drawn)
    assert heeded / 1000 == pytest.approx(0.5, abs=0.06)
    assert {world.ability(text) for text in drawn} == {0.0, 1.0}


@cache
def result_in(world: World, seed: int = 0) -> Truth:
    """Return what a search in a world says."""
    problem = world.problem(seed)
    result = llmopt.optimize(
        problem,
        algorithm=opro(samples=2),
        optimizer=reader_of(world, seed),
        steps=2,
        finalists=2,
        progress=False,
    )
    return Truth(problem, result)


def named(truth: Truth) -> dict[str, Claim]:
    return {claim.name: claim for claim in claims_of(truth)}


def test_where_all_is_better_better_is_right() -> None:
    truth = result_in(replace(SMALL, start=0.05, gain=0.9))
    assert truth.result.test
    assert truth.gain() == pytest.approx(0.9, abs=1e-4)
    claims = named(truth)
    assert claims["better than the start"].holds
    assert not claims["better than the start, wrongly"].holds
    assert claims["interval: winner minus start"].holds
    assert claims['said and true: "the winner is better than the start"'].holds


def test_the_same_words_are_wrong_where_there_was_nothing_to_find() -> None:
    """The result is held against another truth: that of a world in which all are equal."""
    truth = result_in(replace(SMALL, start=0.05, gain=0.9))
    start, best = truth.result.start, truth.result.best
    same = PLAN.sub(lambda found: found[0].replace(found[1], "+0.0000"), best.text)
    lines = tuple(
        replace(line, text=same if line.label == "best" else "") for line in truth.result.lines
    )
    wrong = named(
        replace(truth, result=replace(truth.result, lines=lines), problem=SMALL.problem(0))
    )
    assert start.text
    assert wrong["better than the start, wrongly"].holds
    assert not wrong["interval: winner minus start"].holds
    assert not wrong['said and true: "the winner is better than the start"'].holds


def said(result: Result, sentence: str, verdict: str = "") -> Result:
    """Return a result that says something else."""
    return replace(result, verdict=verdict, notes=(sentence,), comparisons=(), test=None, gain=None)


@pytest.mark.parametrize(
    ("sentence", "holds"),
    [
        ("The winner is worse than the start on held-out items.", False),
        ("About 1 of them would be needed to tell.", False),
        ("About 1,000 of them would be needed to tell.", True),
        ("No gain: nothing that was tried did better than the starting solution.", False),
        ("These 20 items can show a difference of about 5 points or more.", False),
        ("These 20 items can show a difference of about 90 points or more.", True),
        ("Did reading scores help? Not shown: 8 proposals after step 1 beat 8 others.", True),
        ("Did reading scores help? Yes: 8 proposals after step 1 beat 8 others.", False),
        ('Against the controls it is better than "empty instruction".', True),
        ('Against the controls it is worse than "empty instruction".', False),
        ('Against the controls it is not distinguishable from "empty instruction".', None),
    ],
)
def test_sentences_are_held_against_the_truth(sentence: str, holds: bool | None) -> None:
    truth = result_in(replace(SMALL, start=0.05, gain=0.9))
    told = replace(truth, result=said(truth.result, sentence))
    claims = [c for c in claims_of(told) if c.name.startswith("said") and "luck" not in c.name]
    assert [claim.holds for claim in claims] == ([] if holds is None else [holds])


def test_every_sentence_that_is_printed_is_read() -> None:
    truth = result_in(SMALL)
    found = " ".join(sentences(truth.result))
    for sentence in re.split(r"(?<=\.) ", truth.result.verdict):
        assert sentence in found
    assert "optimizer LLM:" not in found
    assert truth.result.best.text not in found


def test_error_rates_count_in_runs_of_the_real_pipeline() -> None:
    done: list[int] = []
    found = error_rates(
        opro(samples=2), SMALL, runs=3, trial=Trial(steps=2), finalists=2, listen=done.append
    )
    assert done == [1, 2, 3]
    assert found["there is a result"] == Figure("there is a result", 3, 3, 3)
    assert found["better than the start, wrongly"].most == 0.025
    assert found["interval: test"].of > found["interval: test"].runs == 3
    data = json.loads(json.dumps(found.to_dict()))
    assert data["runs"] == 3
    assert {figure["name"] for figure in data["figures"]} == {one.name for one in found.figures}
    again = error_rates(opro(samples=2), SMALL, runs=3, trial=Trial(steps=2), finalists=2)
    assert again == found


@pytest.mark.parametrize("trial", [Trial(steps=1, looks=2), Trial(steps=1, searches=2)])
def test_several_looks_are_counted_together(trial: Trial) -> None:
    found = error_rates(opro(samples=2), SMALL, runs=2, trial=trial, controls=())
    assert found["better than the start, wrongly, in any look"].of == 2


def test_a_search_that_was_broken_off_ends_as_the_unbroken_one() -> None:
    whole, broken = (
        Trial(opro(samples=2), steps=2, breaks=breaks, options={"controls": ()}).run(SMALL, 0)[1]
        for breaks in (0, 2)
    )
    assert broken[0].lines == whole[0].lines
    assert broken[0].verdict == whole[0].verdict


def test_answers_by_calls_are_the_same_answers() -> None:
    trial = Trial(opro(samples=2), steps=2, options={"controls": ()})
    plain, asked = (trial.run(replace(SMALL, calls=calls), 0)[1][0] for calls in (False, True))
    assert asked.lines == plain.lines
    assert asked.usage["scorer"].calls > 0


def test_a_figure_is_beyond_its_bar_where_its_interval_is() -> None:
    assert Figure("x", 30, 100, 100, most=0.025).beyond == "surely"
    assert Figure("x", 1, 30, 30, most=0.025).beyond == "maybe"
    assert Figure("x", 0, 30, 30, most=0.025).beyond == ""
    assert Figure("x", 50, 100, 100, least=0.95).beyond == "surely"
    one_each = Figure("x", 95, 100, 100).interval
    wide = Figure("x", 95, 100, 20).interval
    assert isinstance(wide, Interval)
    assert wide.low < one_each.low


def test_runs_and_trials_are_refused_below_one() -> None:
    with pytest.raises(ConfigError, match="runs are 1 or more, but got 0"):
        error_rates(runs=0)
    with pytest.raises(ConfigError, match="looks is 1 or more, but got 0"):
        Trial(looks=0)
    with pytest.raises(ConfigError, match="breaks are 0 or more, but got -1"):
        Trial(breaks=-1)


def test_the_names_of_judges_differ() -> None:
    assert len({rule.name for rule in SENTENCE_RULES}) == len(SENTENCE_RULES)


def test_the_command_prints_figures_or_json() -> None:
    command = ["evidence", "sampling", "--runs", "1", "--steps", "1", "--world", "nothing"]
    found = CliRunner().invoke(main, command)
    assert found.exit_code in (0, 1), found.output
    assert "sampling in the world 'nothing', 1 runs" in found.stdout
    assert "better than the start, wrongly" in found.stdout
    plain = CliRunner().invoke(main, [*command, "--json"])
    assert json.loads(plain.stdout)["nothing"]["runs"] == 1


def test_a_method_that_is_unknown_is_bad_usage() -> None:
    found = CliRunner().invoke(main, ["evidence", "orpo", "--runs", "1"])
    assert found.exit_code == 2
    assert "did you mean 'opro'" in found.stderr
