"""Every registered method keeps the rules of the conformance suite, in every family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
@pytest.mark.parametrize("options", [{"stages": (3, 6)}, {"share": 0.5}], ids=["stages", "race"])
async def test_measuring_a_part_conforms(
    options: dict[str, Any], check: algorithms.Check, tmp_path: Path
) -> None:
    await check(ALGORITHMS["opro"](**options), scripted.problem(), tmp_path)
