"""A method that edits goes on from what its `select` drew, and one that does not is caught."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from llmopt.algorithms.protegi.gradients import Successors, TextualGradients
from llmopt.api import prepare
from llmopt.core.algorithm import Algorithm
from llmopt.core.part import Group
from llmopt.parts.keep import Elitist
from llmopt.parts.propose import Generate
from llmopt.parts.rate import Everything
from llmopt.parts.reflect import NoReflection
from llmopt.testing import algorithms, scripted

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.core.model import Model
    from llmopt.core.part import (
        Feedback,
        Propose,
        Proposed,
        Reflect,
        StepContext,
    )
    from llmopt.core.problem import Problem

EDIT = Generate(samples=2, family="chat", wording="protegi", refine="edit")


@dataclass(frozen=True)
class ParetoDraw:
    """Solutions drawn by how many items each is best on, each alone in its group (after GEPA)."""

    groups: int = 2
    drawn: list[tuple[int, str]] = field(default_factory=list, repr=False, compare=False)

    async def __call__(self, ctx: StepContext) -> tuple[Group, ...]:
        full = [e for e in ctx.trajectory if e.evaluation.measured and not e.evaluation.partial]
        wins = [0] * len(full)
        scored = [[o.score or 0 for o in entry.evaluation.outcomes] for entry in full]
        for scores in zip(*scored, strict=True):
            wins = [n + (score == max(scores)) for n, score in zip(wins, scores, strict=True)]
        share = [n / sum(wins) for n in wins]
        chosen = ctx.rng("select").choice(len(full), self.groups, p=share)
        self.drawn.extend((ctx.step, full[n].candidate.id) for n in chosen)
        return tuple(Group(full[n], (full[n],)) for n in chosen)


def pareto(
    select: ParetoDraw | None = None,
    reflect: Reflect | None = None,
    propose: Propose | None = None,
) -> Algorithm:
    return Algorithm(
        name="pareto",
        select=select or ParetoDraw(),
        reflect=reflect or TextualGradients(groups=1, errors=3, batch=8),
        propose=propose or EDIT,
        rate=Everything(),
        keep=Elitist(),
    )


def survivor(ctx: StepContext) -> StepContext:
    """Return a context with the first survivor in place of what was drawn."""
    return replace(ctx, base=ctx.survivors[0])


@dataclass(frozen=True)
class SurvivorEdited:
    """Edit the first survivor, whatever was drawn."""

    async def __call__(self, ctx: StepContext) -> tuple[Proposed, ...]:
        return await EDIT(survivor(ctx))

    def check(self, model: Model) -> None:
        EDIT.check(model)


@dataclass(frozen=True)
class SurvivorEditedUnsaid(SurvivorEdited):
    """Edit the first survivor and say that it was the drawn one."""

    async def __call__(self, ctx: StepContext) -> tuple[Proposed, ...]:
        found = await EDIT(replace(survivor(ctx), shown=()))
        return tuple(replace(proposed, parents=ctx.shown) for proposed in found)


@dataclass(frozen=True)
class SurvivorReflected:
    """Say what is wrong with the first survivor, whatever was drawn."""

    async def __call__(self, ctx: StepContext) -> Feedback:
        return await TextualGradients(groups=1)(survivor(ctx))


@pytest.mark.parametrize("propose", [EDIT, Successors(EDIT)], ids=["plain", "by finding"])
async def test_in_a_whole_run_what_is_drawn_is_what_is_edited(
    propose: Propose, tmp_path: Path
) -> None:
    model, draw = scripted.model(), ParetoDraw()
    problem = replace(scripted.problem(), scorer=model)
    method = pareto(select=draw, propose=propose)
    store = tmp_path / "store.sqlite"
    async with prepare(
        problem, algorithm=method, optimizer=model, store=store, steps=8, controls=()
    ) as run:
        await run.optimize()
    edited = [
        (entry.candidate.step, entry.candidate.parents[-1])
        for entry in run.trajectory
        if entry.candidate.step
    ]
    assert set(edited) <= set(draw.drawn)
    best = [e.candidate.id for e in run.trajectory if e in run.trajectory.best(1)]
    assert len({parent for _, parent in edited} - set(best)) > 3, "many others than the best"


@pytest.mark.parametrize(
    "problem", [scripted.problem(24, (8, 4, 8)), scripted.stepwise(36, (24, 4, 8))]
)
async def test_a_method_that_edits_the_drawn_one_conforms(problem: Problem, tmp_path: Path) -> None:
    for check in algorithms.CHECKS:
        folder = tmp_path / check.__name__
        folder.mkdir()
        await check(pareto(), problem, folder)


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ({"propose": SurvivorEdited()}, "as its last parent"),
        ({"propose": SurvivorEditedUnsaid()}, "and not the first survivor"),
        (
            {"propose": SurvivorEditedUnsaid(), "reflect": NoReflection()},
            "and not the first survivor",
        ),
        ({"reflect": SurvivorReflected()}, "and not the first survivor"),
    ],
    ids=["edited", "edited unsaid", "edited unsaid and alone", "reflected"],
)
async def test_a_method_that_edits_another_survivor_is_caught(
    parts: dict[str, Any], why: str, tmp_path: Path
) -> None:
    with pytest.raises(AssertionError, match=why):
        await algorithms.edits_what_select_drew(pareto(**parts), scripted.problem(), tmp_path)
