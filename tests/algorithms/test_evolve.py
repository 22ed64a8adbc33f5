"""Evolution: grids of features on islands, parents drawn from them, and edits of the parent."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from llmopt.algorithms.evolve import evolve
from llmopt.algorithms.evolve.asking import ParentRemarks
from llmopt.algorithms.evolve.feature_grid import GridElites, Islands
from llmopt.algorithms.evolve.parents import GridDraw
from llmopt.core.model import Traits
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation, Outcome
from llmopt.errors import ConfigError
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.problems.code.changeable import changeable
from llmopt.testing import algorithms, scripted

if TYPE_CHECKING:
    from llmopt.core.model import Family
    from llmopt.core.problem import Problem, Refusal
    from llmopt.core.values import Call

GOLDEN = Path(__file__).parents[1] / "golden" / "evolve"
START = "total = 0\nfor one in numbers:\n    total += one\n"
SHORT = "total = sum(numbers)\n"
DEEP = "total = 0\nfor one in numbers:\n    for _ in range(one):\n        total += 1\n"


@dataclass(frozen=True)
class TakesEdits:
    """The problem of the scripted world, with proposals that may be edits."""

    inner: Problem

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def edited(self, text: str, base: str) -> str | Refusal:
        return changeable(START, "program").parse(text, base)

    def parse(self, text: str) -> str | Refusal:
        return self.edited(text, "")


def entry(text: str, score: float, step: int = 1, said: str = "") -> Entry:
    outcome = Outcome("value", score, feedback=said)
    return Entry(Candidate(text, step), Evaluation((outcome,), 1))


def past(*entries: Entry) -> Trajectory:
    told = Trajectory().tell([entry(START, 1.0, 0)])
    for step in range(1, max((one.candidate.step for one in entries), default=0) + 1):
        told = told.tell([one for one in entries if one.candidate.step == step])
    return told


def kept(trajectory: Trajectory, **options: Any) -> list[str]:
    ctx = scripted.context(trajectory)
    return [one.text for one in GridElites(Islands(**options))(ctx)]


def test_the_best_of_each_cell_is_kept() -> None:
    same = START.replace("one", "two")
    told = past(entry(SHORT, 3.0), entry(DEEP, 0.5), entry(same, 1.05), entry(same + "\n", 1.01))
    assert kept(told, count=1) == [SHORT, same, DEEP]
    assert kept(told, count=1, features=()) == [SHORT]
    assert kept(told, count=1, features=("loops",)) == [SHORT, same, DEEP]


@pytest.mark.parametrize(
    ("scores", "cells"),
    [
        ((1.0, 1.9, 2.1, 4.1, 0.5, -0.2, 0.0), 5),
        ((-8.0, -8.1, -4.0, -2.0, 0.0), 4),
        ((0.0, 0.0, 1.0, -1.0), 3),
    ],
)
def test_scores_have_a_bin_for_each_half_doubling(scores: tuple[float, ...], cells: int) -> None:
    """Losses below 0, too; what changes its sign has bins of its own."""
    first, *others = scores
    told = Trajectory().tell([entry(START, first, 0)])
    told = told.tell([entry(f"{START}# {at}", score) for at, score in enumerate(others)])
    assert len(kept(told, count=1, features=("score",))) == cells


def test_islands_take_turns_and_the_best_of_each_migrates() -> None:
    """Steps 1, 3, … are for the first island; before step 3 the best of each joins the other."""
    islands = Islands(count=2, migrate=2, features=("loops",))
    one, two, three = entry(SHORT, 2.0, 1), entry(DEEP, 3.0, 2), entry(SHORT + "#", 1.5, 3)

    def parents(told: Trajectory) -> list[set[str]]:
        part = GridDraw(islands, parents=60, best=0, diverse=0, explore=1.0, exploit=0.0)
        found = []
        for step in (1, 2):
            ctx = replace(scripted.context(told), step=step)
            groups = scripted_groups(part, ctx)
            found.append({group.base.text for group in groups})
        return found

    assert parents(past(one, two)) == [{START, SHORT}, {START, DEEP}]
    assert parents(past(one, two, three)) == [{START, SHORT, DEEP}] * 2


def scripted_groups(part: GridDraw, ctx: Any) -> Any:
    try:
        part(ctx).send(None)  # it awaits nothing
    except StopIteration as ended:
        return ended.value


@pytest.mark.parametrize(("explore", "exploit"), [(1.0, 0.0), (0.0, 1.0), (0.0, 0.0)])
async def test_parents_are_drawn_as_explore_and_exploit_say(explore: float, exploit: float) -> None:
    islands = Islands(1, features=("score",))
    others = [entry(f"{START}# {at}", 2.0**at) for at in range(1, 5)]
    part = GridDraw(islands, parents=600, best=1, diverse=1, explore=explore, exploit=exploit)
    groups = await part(scripted.context(past(*others)))
    drawn = Counter(group.base.text for group in groups if group.base)
    counts = [drawn[text] for text in (*(one.text for one in reversed(others)), START)]
    if exploit:
        assert counts == [600, 0, 0, 0, 0]
    elif explore:
        assert min(counts) > 80
    else:
        assert counts == sorted(counts, reverse=True)
        assert 160 < counts[0] < 240
    for group in groups:
        scores = [one.score for one in group.shown]
        assert len(scores) == 2
        assert scores == sorted(scores)
        assert group.base not in group.shown


async def test_nothing_is_drawn_where_nothing_has_a_score() -> None:
    lost = Entry(Candidate("x"), Evaluation((Outcome("value", None, reason="lost"),), 1))
    ctx = scripted.context(Trajectory().tell([lost]))
    assert [group.base for group in await GridDraw()(ctx)] == [None]
    assert (await ParentRemarks()(ctx)).text == ""


async def test_a_parent_is_told_with_its_failures_or_else_with_remarks() -> None:
    part, wrong = ParentRemarks(), entry(SHORT, -1.0, said="line 1: expected '3'")
    ctx = replace(scripted.context(), base=wrong)
    assert (await part(ctx)).text == "line 1: expected '3'"
    slow = entry(SHORT, 0.5, said="spends its time in sum")
    assert (await part(replace(ctx, base=slow))).text == "spends its time in sum"


@pytest.mark.parametrize(
    "option",
    [
        {"islands": 0},
        {"migrate": -1},
        {"features": ("color",)},
        {"parents": 0},
        {"best": -1},
        {"explore": 0.5, "exploit": 0.6},
        {"change": "none"},
        {"clip": 0},
    ],
)
def test_an_option_out_of_its_range_is_refused(option: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="but got"):
        evolve(**option)


EDIT = """I use sum.
<<<<<<< SEARCH
for one in numbers:
    total += one
=======
total += sum(numbers)
>>>>>>> REPLACE
"""


async def test_edits_are_made_to_the_parent_that_was_drawn() -> None:
    parent = f"import math\n{START}"
    told = past(entry(parent, 2.0))
    method = evolve(islands=1, features=("score",), explore=0.0, exploit=1.0, samples=1)
    problem = TakesEdits(scripted.listing())
    for reply in (EDIT, f"<INS>{EDIT}</INS>"):
        model = ScriptedModel(lambda _: reply)  # noqa: B023 - asked within the loop
        asked = await method.ask(problem, told, model, 0, 5)
        assert [one.text for one in asked.candidates] == [
            "import math\ntotal = 0\ntotal += sum(numbers)\n"
        ]
        assert asked.candidates[0].parents[-1] == Candidate(parent).id
    model = ScriptedModel(lambda _: EDIT.replace("+= one", "+= two"))
    asked = await method.ask(problem, told, model, 0, 5)
    assert [one.reason for one in asked.rejected] == ["an edit does not match"]


@pytest.mark.parametrize("family", ["chat", "brackets", "continuation"])
async def test_the_meta_prompt_for_programs_is_the_reviewed_one(family: Family) -> None:
    sent: list[str] = []

    def answer(call: Call) -> str:
        sent.append(call.text)
        return ""

    model = ScriptedModel(answer, traits=Traits(completion=True, family=family))
    told = past(entry(SHORT, 2.5), entry(DEEP, -0.5, 1, "test 1: line 1: expected '3', got '4'"))
    problem = TakesEdits(scripted.listing())
    for change in ("edits", "whole"):
        method = evolve(family=family, islands=1, explore=0.0, exploit=0.0, change=change)
        for seed in range(30):  # until the wrong one is the parent
            asked = len(sent)
            await method.ask(problem, told, model, seed, 5)
            if "What was said" in sent[asked]:
                break
        path, text = GOLDEN / f"{family}-{change}.txt", sent[asked]
        if os.environ.get("LLMOPT_GOLDEN") == "write":
            path.write_text(text + "\n", encoding="utf-8")
        assert text + "\n" == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("check", algorithms.CHECKS, ids=lambda c: c.__name__)
async def test_many_islands_and_parents_conform(check: algorithms.Check, tmp_path: Path) -> None:
    method = evolve(islands=3, migrate=1, parents=2, samples=2, change="whole")
    await check(method, scripted.listing(), tmp_path)
