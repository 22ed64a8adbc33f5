"""A few of the mutations of a journal, each of which a verification finds."""

from __future__ import annotations

import shutil
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from llmopt import optimize, verify
from llmopt.models.middleware.budget import Limits
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.testing import scripted

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from llmopt.problems.prompt.prompt_problem import PromptProblem


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, verification: ModuleType
) -> tuple[PromptProblem, Path, dict[str, Any]]:
    """The problem, a store with the run, and the manifest of that."""
    problem = verification.the_problem()
    path = tmp_path_factory.mktemp("verified") / "kept.sqlite"
    optimize(problem, store=path, **verification.OPTIONS)
    return problem, path, verify(problem, store=path, **verification.OPTIONS).manifest


@pytest.mark.parametrize("number", range(0, 54, 3))
def test_every_change_is_found_by_what_has_to_find_it(
    finished: tuple[PromptProblem, Path, dict[str, Any]],
    verification: ModuleType,
    number: int,
    tmp_path: Path,
) -> None:
    problem, kept, manifest = finished
    copy = tmp_path / "copy.sqlite"
    shutil.copy(kept, copy)
    kind, where = verification.mutated(copy, number, Random(number))
    allowed = ("derived",) if verification.KINDS[kind][0] else ("derived", "manifest")
    assert verification.found_by(problem, copy, manifest) in allowed, (kind, where)


@pytest.mark.parametrize("method", ["ape", "evoprompt-de", "gepa", "gpo", "protegi", "sampling"])
def test_a_run_of_any_method_holds(method: str, tmp_path: Path) -> None:
    problem = replace(scripted.problem(), scorer=ScriptedModel(scripted.answer))
    path = tmp_path / "runs.sqlite"
    options: dict[str, Any] = {
        "algorithm": method,
        "name": "run",
        "steps": 2,
        "progress": False,
        "store": path,
    }
    optimize(problem, **options)
    found = verify(problem, **options)
    assert found.differences == ()
    assert found.replies > 0


def test_what_follows_a_search_that_a_budget_ended_is_said_to_be_unchecked(tmp_path: Path) -> None:
    problem = replace(scripted.problem(), scorer=ScriptedModel(scripted.answer))
    options: dict[str, Any] = {
        "name": "run",
        "steps": 9,
        "progress": False,
        "store": tmp_path / "runs.sqlite",
    }
    result = optimize(problem, budget=Limits(calls=420), **options)
    assert result.out_of_budget
    found = verify(problem, **options)
    assert found.differences == ()
    assert any("choice, test and control" in why for why in found.unchecked)
