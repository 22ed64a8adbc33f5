"""A search ends when its next steps are expected to gain too little, and says what that saves."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from llmopt.algorithms.opro import opro
from llmopt.api import optimize
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation, Item, Outcome
from llmopt.engine.no_more_gain import expected_gain
from llmopt.errors import ConfigError
from llmopt.models.middleware.budget import Limits, Price
from llmopt.problems.function import FunctionProblem
from llmopt.statistics import further_gain
from llmopt.store import open_store
from llmopt.testing import scripted

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.core.values import Role
    from llmopt.evidence.result import Result

PRICES: dict[Role, Price] = {"optimizer": Price(1.0, 1.0), "scorer": Price(1.0, 1.0)}


def searched(levels: list[list[float]], items: int = 100) -> Trajectory:
    """A search whose steps found solutions of these true accuracies."""
    random = np.random.RandomState(1)
    hard = random.random_sample(items)
    told = Trajectory()
    for step, level in enumerate(levels):
        entries = []
        for n, accuracy in enumerate(level):
            latent = 0.7 * hard + 0.3 * random.random_sample(items)
            right = latent < np.quantile(latent, accuracy)
            outcomes = tuple(Outcome(Item(str(i)).id, float(r), "a") for i, r in enumerate(right))
            entries.append(Entry(Candidate(f"{step} {n}", step), Evaluation(outcomes, items)))
        told = told.tell(entries)
    return told


def test_steps_that_get_no_better_are_expected_to_gain_little() -> None:
    same = [[0.5], *[[0.50, 0.51, 0.49, 0.50, 0.52, 0.48, 0.5, 0.5]] * 5]
    gain = expected_gain(searched(same), 5)
    assert gain is not None
    assert gain < 0.02


def test_steps_that_get_better_are_expected_to_go_on() -> None:
    rising = [[0.3], *[[0.3 + 0.05 * s + 0.01 * n for n in range(8)] for s in range(5)]]
    gain = expected_gain(searched(rising), 5)
    assert gain is not None
    assert gain > 0.1


def test_one_step_says_nothing_of_the_next() -> None:
    assert expected_gain(searched([[0.3]]), 5) is None
    assert expected_gain(searched([[0.3], [0.4]]), 5) is None


def test_far_behind_the_best_there_is_nothing_to_expect_and_more_steps_gain_more() -> None:
    def steps(best: float) -> list[tuple[Any, Any]]:
        luck = np.full(8, 1e-4)
        new = 0.5 + 0.01 * np.arange(8)
        return [(np.array([best]), luck[:1]), (new, luck), (new, luck), (new, luck)]

    assert further_gain(steps(0.9), 5) == pytest.approx(0.0, abs=1e-6)
    short, long = (further_gain(steps(0.55), ahead) for ahead in (1, 5))
    assert short is not None
    assert long is not None
    assert 0 < short < long
    assert further_gain(steps(0.55), 0) == 0


def ran(folder: Path, **more: Any) -> Result:
    """A search in which every proposal is as good as any other."""
    problem = replace(scripted.problem(120, (60, 20, 40)), scorer=scripted.model())
    usual: dict[str, Any] = {"steps": 40, "finalists": 3, "progress": False, "controls": ()}
    return optimize(
        problem,
        optimizer=scripted.model(),
        algorithm=opro(samples=6),
        store=folder / "runs.sqlite",
        name="run",
        prices=PRICES,
        **{**usual, **more},
    )


def kinds(folder: Path) -> list[str]:
    store = open_store(folder / "runs.sqlite")
    try:
        return [record.kind for record in store.records("run")]
    finally:
        store.close()


def test_the_result_says_why_and_what_was_saved(tmp_path: Path) -> None:
    result = ran(tmp_path, stop="no more gain")
    assert result.stopped.startswith("no more gain: the next 5 steps were expected to gain")
    assert "calls to the scorer LLM, are saved" in result.stopped
    assert result.steps < 40


def test_a_run_with_a_budget_in_dollars_ends_so_and_others_do_not(tmp_path: Path) -> None:
    dollars = ran(tmp_path / "dollars", budget=Limits(usd=1000.0))
    assert dollars.stopped.startswith("no more gain")
    assert "stop" in kinds(tmp_path / "dollars")
    calls = ran(tmp_path / "calls", budget=Limits(calls=100_000), steps=dollars.steps + 2)
    assert calls.stopped == "steps done"
    assert "stop" not in kinds(tmp_path / "calls")


def test_a_run_that_began_without_the_rule_keeps_to_its_steps(tmp_path: Path) -> None:
    first = ran(tmp_path, steps=2)
    assert first.stopped == "steps done"
    more = ran(tmp_path, steps=15, budget=Limits(usd=1000.0))
    assert (more.steps, more.stopped) == (15, "steps done")


def test_a_resumed_run_ends_as_the_unbroken_one(tmp_path: Path) -> None:
    budget = Limits(usd=1000.0)
    whole = ran(tmp_path / "whole", budget=budget)
    ran(tmp_path / "parts", budget=budget, steps=3)
    parts = ran(tmp_path / "parts", budget=budget)
    assert (parts.steps, parts.stopped, parts.best) == (whole.steps, whole.stopped, whole.best)


def test_it_is_switched_off_by_name(tmp_path: Path) -> None:
    result = ran(tmp_path, stop="steps", steps=15, budget=Limits(usd=1000.0))
    assert (result.steps, result.stopped) == (15, "steps done")


def test_scores_that_are_no_shares_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="shares from 0 to 1"):
        optimize(
            FunctionProblem(len, "Write much.", ["a"]),
            optimizer=scripted.model(),
            stop="no more gain",
            store=tmp_path / "runs.sqlite",
            progress=False,
        )
