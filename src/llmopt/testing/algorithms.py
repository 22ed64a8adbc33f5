"""Conformance suite for algorithms: what every method must keep, whatever its parts.

Apply it to a method of your own::

    from llmopt.testing import algorithms

    @pytest.mark.parametrize("check", algorithms.CHECKS)
    async def test_my_method(check, tmp_path):
        await check(my_method(), scripted.problem(), tmp_path)

Each check raises AssertionError with what was broken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from llmopt.api import prepare
from llmopt.errors import RefusedError
from llmopt.journal import steps
from llmopt.models.scripted import ScriptedModel
from llmopt.store import open_store
from llmopt.testing import scripted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from llmopt.algorithm import Algorithm
    from llmopt.problem import Problem
    from llmopt.trajectory import Trajectory
    from llmopt.types import Call
    from llmopt.verdict import Result

    Check = Callable[[Algorithm, Problem, Path], Awaitable[None]]

STEPS = 4


async def asks_purely(algorithm: Algorithm, problem: Problem, folder: Path) -> None:
    """Asking twice gives the same, and leaves the caller's global random state alone."""
    trajectory = await _grown(algorithm, problem, folder)
    before = repr(np.random.get_state())  # noqa: NPY002 - the global state is the point
    first = await algorithm.ask(problem, trajectory, scripted.model(), 7, STEPS)
    again = await algorithm.ask(problem, trajectory, scripted.model(), 7, STEPS)
    other = await algorithm.ask(problem, trajectory, scripted.model(), 8, STEPS)
    after = repr(np.random.get_state())  # noqa: NPY002 - as above
    _demand(first == again, "asking twice with one seed gives the same")
    _demand(set(first.calls).isdisjoint(other.calls), "another seed draws anew")
    _demand(before == after, "the global random state is left alone")


async def proposes_candidates(algorithm: Algorithm, problem: Problem, folder: Path) -> None:
    """Candidates are canonical, new, all different, and of known parents."""
    trajectory = await _grown(algorithm, problem, folder)
    asked = await algorithm.ask(problem, trajectory, scripted.model(), 7, STEPS)
    _demand(asked.candidates, "the scripted model leads to some candidate")
    texts = [candidate.text for candidate in asked.candidates]
    _demand(len(set(texts)) == len(texts), "candidates of a step are all different")
    for candidate in asked.candidates:
        _demand(problem.parse(candidate.text) == candidate.text, "candidates are canonical")
        _demand(not trajectory.knows(candidate), "candidates are new")
        _demand(candidate.step == trajectory.steps, "candidates name their step")
        for parent in candidate.parents:
            trajectory.entry(parent)  # raises KeyError for an unknown parent


async def shows_training_items_only(algorithm: Algorithm, problem: Problem, folder: Path) -> None:
    """The optimizer LLM is never shown a validation or test item."""
    seen: list[str] = []

    def listen(call: Call) -> str:
        if call.role == "optimizer":
            seen.append(call.text)
        return scripted.answer(call)

    await _run(algorithm, problem, folder / "seen.sqlite", ScriptedModel(listen))
    hidden = [i.input for i in (*problem.items("validation"), *problem.items("test"))]
    _demand(seen, "the optimizer LLM was asked")
    for text in hidden:
        _demand(not any(text and text in call for call in seen), f"{text!r} stays hidden")


async def resumes_exactly(algorithm: Algorithm, problem: Problem, folder: Path) -> None:
    """Broken off at one third and two thirds of its calls, a run ends as the unbroken one.

    No call is paid twice, and each break really happened.
    """
    whole = scripted.model()
    expected = await _run(algorithm, problem, folder / "whole.sqlite", whole)
    paid: list[str] = []
    allowed = [0]

    def mortal(call: Call) -> str:
        if len(paid) >= allowed[0]:
            raise RefusedError("switched off")
        paid.append(call.key("scripted/world"))
        return scripted.answer(call)

    broken = folder / "broken.sqlite"
    for share in (whole.calls // 3, 2 * whole.calls // 3):
        allowed[0] = share
        try:
            await _run(algorithm, problem, broken, ScriptedModel(mortal, identity="scripted/world"))
        except RefusedError:
            continue
        _demand(False, "the run was broken off")
    allowed[0] = 10 * whole.calls
    model = ScriptedModel(mortal, identity="scripted/world")
    resumed = await _run(algorithm, problem, broken, model)
    _demand(_outcome(resumed) == _outcome(expected), "the resumed run ends as the unbroken one")
    _demand(len(paid) == len(set(paid)), "no call is paid twice")
    _demand(len(paid) == whole.calls, "as many calls are paid as by the unbroken run")
    _demand(
        _trajectory(broken) == _trajectory(folder / "whole.sqlite"),
        "the journals tell the same steps",
    )


async def survives_nonsense(algorithm: Algorithm, problem: Problem, folder: Path) -> None:
    """An optimizer LLM that only talks nonsense leads to a run that ends and says no gain."""

    def nonsense(call: Call) -> str:
        return " \n" if call.role == "optimizer" else scripted.answer(call)

    result = await _run(algorithm, problem, folder / "nonsense.sqlite", ScriptedModel(nonsense))
    _demand(result.best.step == 0, "a starting solution wins")
    _demand(sum(result.rejected.values()) > 0, "every refused text is counted with a reason")


CHECKS: tuple[Check, ...] = (
    asks_purely,
    proposes_candidates,
    shows_training_items_only,
    resumes_exactly,
    survives_nonsense,
)
"""All checks; each takes an algorithm, a problem that it supports, and an empty folder."""


async def _run(algorithm: Algorithm, problem: Problem, store: Path, model: ScriptedModel) -> Result:
    options: dict[str, Any] = {"store": store, "name": "checked", "steps": STEPS, "seed": 3}
    scorer = _Scored(problem, model)
    async with prepare(scorer, algorithm=algorithm, optimizer=model, **options) as run:
        return await run.optimize()


class _Scored:
    """The problem with a scorer LLM put in, whatever kind of problem it is."""

    def __init__(self, problem: Problem, scorer: ScriptedModel) -> None:
        self._problem = problem
        self.scorer = scorer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._problem, name)


async def _grown(algorithm: Algorithm, problem: Problem, folder: Path) -> Trajectory:
    """Return a trajectory of a few steps."""
    model = scripted.model()
    options: dict[str, Any] = {"store": folder / "grown.sqlite", "name": "grown", "steps": STEPS}
    scored = _Scored(problem, model)
    async with prepare(scored, algorithm=algorithm, optimizer=model, **options) as run:
        for _ in range(3):
            await run.step()
        return run.trajectory


def _outcome(result: Result) -> tuple[object, ...]:
    return (result.best, result.lines, result.test, result.verdict, result.rejected, result.usage)


def _trajectory(store: Path) -> list[object]:
    kept = open_store(store)
    try:
        return list(steps(kept, "checked"))
    finally:
        kept.close()


def _demand(truth: object, rule: str) -> None:
    if not truth:
        raise AssertionError(f"a conforming algorithm keeps this rule: {rule}")
