"""A few of the mutations of a journal, each of which a verification finds."""

from __future__ import annotations

import shutil
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from llmopt import optimize, verify
from llmopt.errors import LlmoptError
from llmopt.models.middleware.budget import Limits
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.testing import scripted

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from llmopt.core.problem import Problem


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, verification: ModuleType
) -> tuple[Problem, Path]:
    problem = replace(scripted.problem(), scorer=ScriptedModel(scripted.answer))
    path = tmp_path_factory.mktemp("verified") / "kept.sqlite"
    optimize(problem, store=path, **verification.OPTIONS)
    return problem, path


@pytest.mark.parametrize("seed", range(15))
def test_every_changed_value_is_found(
    finished: tuple[Problem, Path], verification: ModuleType, seed: int, tmp_path: Path
) -> None:
    problem, kept = finished
    copy = tmp_path / "copy.sqlite"
    shutil.copy(kept, copy)
    kind, where = verification.mutated(copy, Random(seed))
    try:
        holds = verify(problem, store=copy, **verification.OPTIONS).holds
    except LlmoptError:
        holds = False
    assert not holds, (kind, where)


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
