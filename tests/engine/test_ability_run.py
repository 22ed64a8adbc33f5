"""A run whose candidates race by their abilities: fewer calls, estimates in its journal."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from llmopt.algorithms.opro import opro
from llmopt.api import optimize
from llmopt.store import open_store
from llmopt.testing import scripted

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.core.algorithm import Algorithm
    from llmopt.evidence.result import Result


def ran(folder: Path, name: str, algorithm: Algorithm, **more: Any) -> Result:
    problem = replace(scripted.problem(120, (60, 20, 40)), scorer=scripted.model())
    usual = {"steps": 3, "finalists": 3, "progress": False, "controls": (), "seed": 2}
    return optimize(
        problem,
        optimizer=scripted.model(),
        algorithm=algorithm,
        store=folder / "runs.sqlite",
        name=name,
        **{**usual, **more},
    )


def steps(folder: Path, name: str) -> list[dict[str, Any]]:
    store = open_store(folder / "runs.sqlite")
    try:
        return [record.data for record in store.records(name) if record.kind == "step"]
    finally:
        store.close()


def test_estimates_are_in_the_journal_and_a_resumed_run_ends_as_the_unbroken_one(
    tmp_path: Path,
) -> None:
    race = opro(rate="ability", samples=4)
    whole = ran(tmp_path / "whole", "run", race)
    ran(tmp_path / "parts", "run", race, steps=1)
    resumed = ran(tmp_path / "parts", "run", race)
    journal = steps(tmp_path / "whole", "run")
    assert journal == steps(tmp_path / "parts", "run")
    assert resumed.best == whole.best
    estimates = [e.get("expected") for step in journal for e in step["entries"]]
    assert estimates[:2] == [None, None]
    assert any(e is not None for e in estimates[2:])


def test_it_takes_fewer_calls_and_finds_a_better_one_than_the_start(tmp_path: Path) -> None:
    race = ran(tmp_path, "race", opro(rate="ability", samples=4))
    full = ran(tmp_path / "other", "full", opro(samples=4))
    assert race.usage["scorer"].calls < full.usage["scorer"].calls
    assert race.test is not None
    assert race.test.best.mean > race.test.start.mean


def test_runs_without_it_keep_no_estimates(tmp_path: Path) -> None:
    ran(tmp_path, "full", opro(samples=4))
    assert all("expected" not in e for step in steps(tmp_path, "full") for e in step["entries"])
