"""Every registered method keeps the rules of the conformance suite, in every family."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from llmopt.algorithms import ALGORITHMS
from llmopt.testing import algorithms, scripted

if TYPE_CHECKING:
    from pathlib import Path

FAMILIES = ("chat", "brackets", "continuation")


@pytest.mark.parametrize("check", algorithms.CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", sorted(ALGORITHMS))
async def test_every_method_conforms(
    name: str, family: str, check: algorithms.Check, tmp_path: Path
) -> None:
    await check(ALGORITHMS[name](family=family), scripted.problem(), tmp_path)


@pytest.mark.parametrize("check", algorithms.CHECKS, ids=lambda c: c.__name__)
async def test_measuring_in_stages_conforms(check: algorithms.Check, tmp_path: Path) -> None:
    method = ALGORITHMS["opro"](stages=(3, 6))
    await check(method, scripted.problem(), tmp_path)
