"""``llmopt algorithms`` prints the table of parts, and explains a method from its docstrings."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from llmopt.algorithms import ALGORITHMS, explained
from llmopt.cli import main

if TYPE_CHECKING:
    from pathlib import Path

PARTS = ("select", "reflect", "propose", "rate", "keep")


def said(*words: str) -> str:
    found = CliRunner().invoke(main, ["algorithms", *words])
    assert found.exit_code == 0, found.output
    return found.output


def test_the_table_has_every_method_with_all_its_parts() -> None:
    rows = json.loads(said("--json"))
    assert [row["algorithm"] for row in rows] == sorted(ALGORITHMS)
    assert all(row[part] for row in rows for part in PARTS)
    text = said()
    for row in rows:
        assert f"{row['algorithm']}\n    {row['what']}\n    select   {row['select']}\n" in text
        assert f"    keep     {row['keep']}\n" in text


def test_a_part_shows_the_options_that_are_not_the_usual() -> None:
    row = next(row for row in json.loads(said("--json")) if row["algorithm"] == "pe2")
    assert "wording='pe2'" in row["reflect"]
    assert "step_size=StepSize(shape='fixed', words=15)" in row["propose"]
    assert "floor" not in row["propose"]


def test_a_method_is_explained() -> None:
    found = json.loads(said("protegi", "--json"))
    assert "arXiv 2305.03495" in found["paper"]
    (deviations,) = found["deviations"]
    assert deviations.startswith("Known deviations, each of them on purpose: UCB numbers")
    assert "an optimizer LLM" in found["needs"]
    assert any(need.startswith("reflect: TextualGradients refuses") for need in found["needs"])
    assert [part["kind"] for part in found["parts"]] == list(PARTS)
    assert all(part["what"] for part in found["parts"])
    assert [option["option"] for option in found["options"]][:3] == ["beam", "zeros", "batch"]
    text = said("protegi")
    for heading in ("Source:", "Known deviations", "What it needs:", "Parts:", "Options"):
        assert f"\n{heading}" in text
    assert "``" not in text
    assert ":mod:" not in said("expo")


@pytest.mark.parametrize("name", sorted(ALGORITHMS))
def test_of_every_method_it_is_said_where_it_comes_from_and_what_it_needs(name: str) -> None:
    found = explained(name)
    assert found["paper"] or found["deviations"]
    needs = list(found["needs"])
    assert needs[0] in ("an optimizer LLM", "no optimizer LLM")
    assert len(needs) > 1
    assert len(said(name).splitlines()) > 10


OWN = '''"""Ours: one solution at a time.

Ours: all of it.
"""
from llmopt.algorithms.opro import opro

def single(*, shown: int = 3):
    """Return it.

    Args:
        shown: How many are shown.
    """
    return opro(shown=shown, samples=1)
'''


def test_a_method_of_the_users_own_is_explained_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the working directory, as ``llmopt run`` finds it."""
    (tmp_path / "explained_method.py").write_text(OWN, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [path for path in sys.path if path])
    text = said("explained_method:single")
    assert "Ours: one solution at a time." in text
    assert "select   Best(k=3" in text
    assert "shown = 3\n        How many are shown." in text
    found = CliRunner().invoke(main, ["algorithms", "no_such_method:single"])
    assert "put that folder into PYTHONPATH" in found.output
