"""The server of a store stops in the midst of a sweep whose cells are done in another process."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from llmopt.store import open_store
from llmopt.sweeps.grid import Sweep, read_sweep
from llmopt.sweeps.runner import run_sweep
from llmopt.testing.temporary_postgres import missing_postgres, running_postgres

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.sweeps.swept import Swept
    from llmopt.testing.temporary_postgres import TemporaryPostgres

AWAY = 3.0  # seconds
BEFORE = 30  # calls before the server stops; the sweep makes some 200

MODEL = """
import pathlib, time
from llmopt.testing.scripted import answer as plain

def answer(call):
    time.sleep(0.02)
    with pathlib.Path("made.txt").open("a") as made:
        made.write(call.key("") + "\\n")
    return plain(call)
"""
SWEEP = """
[base]
problem = { data = "questions.csv", task = "Say yes or no.", instructions = ["Answer."] }
scorer = { model = "scripted/model_that_notes:answer" }

[budget]
calls = 200

[grid]
"run.seed" = [0, 1, 2, 3]
"run.steps" = [2]
"algorithm.samples" = [2]
"problem.sizes" = [[8, 4, 20]]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with data, a sweep and a model, which is the working directory."""
    rows = [f"Question number {n}?,{'yes' if n % 2 else 'no'}" for n in range(40)]
    (tmp_path / "questions.csv").write_text("\n".join(["input,target", *rows, ""]), "utf-8")
    (tmp_path / "model_that_notes.py").write_text(MODEL, "utf-8")
    (tmp_path / "cells.toml").write_text(SWEEP, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def made(folder: Path) -> list[str]:
    """Return the calls that were made, in their order."""
    path = folder / "made.txt"
    return path.read_text("utf-8").split() if path.exists() else []


def done(folder: Path, store: str, **options: Any) -> Swept:
    (folder / "made.txt").unlink(missing_ok=True)
    sweep = read_sweep(folder / "cells.toml")
    return asyncio.run(run_sweep(sweep, store=store, progress=False, **options))


def steps(folder: Path, store: str) -> dict[str, list[Any]]:
    """Return what every cell has tried, with the scores of every item."""
    sweep: Sweep = read_sweep(folder / "cells.toml")
    with closing(open_store(store)) as kept:
        return {
            cell.name: [
                [(entry["text"], [outcome[:2] for outcome in entry["outcomes"]]) for entry in step]
                for step in (r.data["entries"] for r in kept.records(cell.name) if r.kind == "step")
            ]
            for cell in sweep.cells
        }


def stopped(server: TemporaryPostgres, folder: Path, noted: list[int]) -> None:
    """Stop the server for a while once some calls are made; note how many were before and after."""
    while len(made(folder)) < BEFORE:
        time.sleep(0.01)
    server.stop()
    noted.append(len(made(folder)))
    time.sleep(AWAY)
    server.start()
    noted.append(len(made(folder)))


def test_the_sweep_goes_on_when_the_server_is_back(folder: Path) -> None:
    """Cells are those of a sweep that nothing disturbed, and no call is made twice."""
    if missing := missing_postgres():
        pytest.skip(missing)
    undisturbed = done(folder, str(folder / "one.sqlite"))
    with running_postgres() as server:
        store, noted = server.database(), list[int]()
        (folder / "made.txt").unlink()  # of the other sweep: the calls of this one are waited for
        stopping = threading.Thread(target=stopped, args=(server, folder, noted), daemon=True)
        stopping.start()
        found = done(folder, store, on="processes", jobs=2)
        stopping.join()
        calls = made(folder)
        assert len(calls) > noted[1], "it went on after the server was back"
        assert len(set(calls)) == len(calls) == found.bought
        assert [cell.score for cell in found.cells] == [cell.score for cell in undisturbed.cells]
        assert steps(folder, store) == steps(folder, str(folder / "one.sqlite"))
