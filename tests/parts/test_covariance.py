"""CMA-ES is found again in the trajectory: its state is replayed, never stored."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import numpy as np
import pytest

from llmopt.algorithms import ALGORITHMS
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation, Outcome
from llmopt.errors import ConfigError, MissingExtraError
from llmopt.models.providers.null import AbsentModel
from llmopt.parts import covariance
from llmopt.parts.covariance import CovarianceMatrix
from llmopt.testing import scripted

if TYPE_CHECKING:
    from llmopt.core.algorithm import Asked
    from llmopt.core.problem import Problem

needs_cma = pytest.mark.skipif(
    importlib.util.find_spec("cmaes") is None, reason="needs the extra cma"
)


async def told(problem: Problem, trajectory: Trajectory, candidates: list[Candidate]) -> Trajectory:
    entries = []
    for candidate in candidates:
        outcome = await problem.measure(candidate.text, problem.items("train")[0], None)
        entries.append(Entry(candidate, Evaluation((outcome,), 1)))
    return trajectory.tell(entries)


async def begun(problem: Problem) -> Trajectory:
    return await told(problem, Trajectory(), [Candidate(text) for text in problem.starts])


async def asked(problem: Problem, trajectory: Trajectory, seed: int = 0) -> Asked:
    algorithm = ALGORITHMS["cma-es"]()
    return await algorithm.ask(problem, trajectory, AbsentModel(), seed, 10)


async def searched(problem: Problem, steps: int, *, forgetful: bool = False) -> Trajectory:
    trajectory = await begun(problem)
    for _ in range(steps):
        if forgetful:
            covariance._replays.clear()
        found = await asked(problem, trajectory)
        trajectory = await told(problem, trajectory, list(found.candidates))
    return trajectory


@needs_cma
@pytest.mark.parametrize("dimensions", [2, 5])
async def test_a_valley_is_descended(dimensions: int) -> None:
    found = await searched(scripted.numbers(dimensions), 40)
    assert found.best(1)[0].score == 0


@needs_cma
async def test_a_replay_from_the_beginning_finds_the_same() -> None:
    """What is kept in the process changes nothing but the time."""
    kept = await searched(scripted.numbers(), 25)
    anew = await searched(scripted.numbers(), 25, forgetful=True)
    assert [e.candidate for e in kept] == [e.candidate for e in anew]


@needs_cma
async def test_two_searches_that_differ_in_what_they_found_do_not_disturb_each_other() -> None:
    """They share seed and problem, so they share the replay, which has to notice."""
    problem = scripted.numbers()
    start = await begun(problem)
    first = await asked(problem, start)
    texts = [c.text for c in first.candidates]

    def other(scores: list[float]) -> Trajectory:
        return start.tell(
            Entry(c, Evaluation((Outcome("value", s),), 1))
            for c, s in zip(first.candidates, scores, strict=True)
        )

    up = other([float(i) for i in range(len(texts))])
    down = other([float(-i) for i in range(len(texts))])
    covariance._replays.clear()
    alone = await asked(problem, down)
    await asked(problem, up)
    assert await asked(problem, down) == alone
    assert await asked(problem, up) != alone


@needs_cma
async def test_the_global_generator_is_left_alone() -> None:
    before = repr(np.random.get_state())  # noqa: NPY002 - the global state is the point
    await searched(scripted.numbers(), 3)
    assert repr(np.random.get_state()) == before  # noqa: NPY002 - as above


@needs_cma
async def test_what_cannot_be_measured_is_the_worst() -> None:
    problem = scripted.numbers()
    trajectory = await begun(problem)
    for _ in range(4):
        found = await asked(problem, trajectory)
        assert found.candidates
        trajectory = trajectory.tell(
            Entry(c, Evaluation((Outcome("value", None, reason="broken"),), 1))
            for c in found.candidates
        )


def test_one_dimension_is_refused() -> None:
    with pytest.raises(ConfigError, match="2 dimensions or more"):
        ALGORITHMS["cma-es"]().check(scripted.numbers(1), AbsentModel())


def test_a_missing_library_is_named_before_anything_is_paid(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"llms-as-optimizers\[cma\]"):
        CovarianceMatrix().fits(scripted.numbers())


@pytest.mark.parametrize("options", [{"samples": 1}, {"sigma": 0.0}])
def test_options_out_of_their_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        ALGORITHMS["cma-es"](**options)
