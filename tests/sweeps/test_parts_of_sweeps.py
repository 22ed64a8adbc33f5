"""Parts of a sweep, done by processes that share only the store, are the sweep."""

from __future__ import annotations

import asyncio
import functools
import json
import operator
import os
import subprocess
import sys
import tomllib
from base64 import b64decode
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from llmopt.errors import ConfigError, StoreError, SweepBudgetError
from llmopt.store import open_store
from llmopt.sweeps.grid import Sweep, sweep_of
from llmopt.sweeps.parting import SweepPart, begin_part, bought_by, parts_of
from llmopt.sweeps.runner import run_sweep

ROOT = Path(__file__).parents[2]
ROWS = [f"Question number {n}?,{'yes' if n % 2 else 'no'}" for n in range(40)]
SWEEP = """
[base]
problem = { data = "questions.csv", task = "Say yes or no.", instructions = ["Answer."] }
scorer = { model = "scripted/llmopt.testing.scripted:answer" }

[grid]
"algorithm.order" = ["ascending", "descending"]
"run.seed" = [0, 1]
"run.steps" = [2]
"algorithm.samples" = [2]
"problem.sizes" = [[8, 4, 20]]

[budget]
calls = 120
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with data and a sweep, which is the working directory."""
    (tmp_path / "questions.csv").write_text("\n".join(["input,target", *ROWS, ""]), "utf-8")
    (tmp_path / "orders.toml").write_text(SWEEP, "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made(folder: Path) -> Sweep:
    return sweep_of(tomllib.loads(SWEEP), "here", folder, name="orders")


def done(
    folder: Path, part: str | None = None, store: str = "parts.sqlite", calls: int | None = None
) -> dict[str, object]:
    found = asyncio.run(
        run_sweep(
            made(folder),
            store=store if "://" in store else folder / store,
            part=SweepPart.read(part) if part else None,
            calls=calls,
            progress=False,
        )
    )
    plain: dict[str, object] = json.loads(json.dumps(found.to_dict()))
    return plain


def without_verdicts(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the cells without their words, which say how many had looked at the items before."""
    return [{key: cell[key] for key in cell if key != "verdict"} for cell in found["cells"]]


@pytest.mark.parametrize("cells", [0, 1, 4, 7, 100])
@pytest.mark.parametrize("of", [1, 2, 3, 8])
def test_parts_are_all_cells_and_share_none(cells: int, of: int) -> None:
    numbers = [list(SweepPart(number, of).numbers(cells)) for number in range(1, of + 1)]
    assert functools.reduce(operator.iadd, numbers, []) == list(range(cells))
    assert max(map(len, numbers)) - min(map(len, numbers)) <= 1


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/0", "a/b", "-1/2", ""])
def test_what_is_no_part_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="a part of the cells is i/n"):
        SweepPart.read(text)


def test_the_last_part_has_the_table_of_the_whole(folder: Path) -> None:
    whole = done(folder, store="whole.sqlite")
    first = done(folder, "1/3")
    assert first["part"] == {"number": 1, "of": 3, "done": 1, "cells": 4}
    assert not first["lines"], "there is no table yet"
    done(folder, "3/3")
    last = done(folder, "2/3")
    assert (last["rows"], last["cells"]) == (whole["rows"], whole["cells"])
    assert last["bought"] == whole["bought"], "a reply is bought once by all parts"
    again = done(folder)
    assert (again["rows"], again["bought"]) == (last["rows"], last["bought"])
    assert "part" not in again


def test_a_part_grants_what_its_cells_need_and_the_sweep_has(folder: Path) -> None:
    """Parts that are at work keep what they were granted, whatever the others buy."""
    sweep, (one, two) = made(folder), (SweepPart(1, 2), SweepPart(2, 2))
    with closing(open_store(folder / "store.sqlite")) as store:
        names = [part.run(sweep.name) for part in (one, two)]
        for name, part in zip(names, (one, two), strict=True):
            config = {"sweep": True, "cell": sweep.name, "part": str(part)}
            store.create(name, config | {"identity": {}, "source": {}})
        store.create(sweep.name, {"sweep": True, "identity": {}, "source": {}})
        assert parts_of(store, sweep.name) == {names[0]: one, names[1]: two}
        with store.claim(names[0]), store.claim(names[1]):
            granted = [begin_part(store, sweep, part, set(), 480) for part in (one, two)]
        assert granted == [240, 240]
        lost = {"calls": 30, "input_tokens": 0, "output_tokens": 0, "estimated": True}
        with store.claim(names[0]):
            store.append(names[0], "unstored", {"doubled": {}, "lost": {"scorer": lost}})
            with store.claim(names[1]):
                beside_other = begin_part(store, sweep, one, set(), 480)
                capped = begin_part(store, sweep, one, set(), 300)
            alone = begin_part(store, sweep, one, set(), 480)
        assert bought_by(store, names[0]) == 30
        assert beside_other == 240, "the other may still buy 240 of 480"
        assert alone == 270, "what was lost is taken from what the other will be granted"
        assert capped == 60, "the sweep may buy 300, of which the other may buy 240"


def begun_parts(of: int, store: str, *more: str) -> list[subprocess.Popen[str]]:
    """Begin all parts of the sweep at once."""
    words = ["-m", "llmopt", "sweep", "orders.toml", "--store", store, "--json", "-q", *more]
    return [
        subprocess.Popen(
            [sys.executable, *words, "--cells", f"{n}/{of}"],
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for n in range(1, of + 1)
    ]


def test_a_sweep_whose_own_budget_ends_continues_with_a_larger_one(folder: Path) -> None:
    """A cell does not end by it as by its own budget, which is equal for all."""
    with pytest.raises(SweepBudgetError, match=r"budget is 100 calls, but 100 are spent.*--calls"):
        done(folder, calls=100)
    with closing(open_store(folder / "parts.sqlite")) as store:
        assert sum(used.calls for used in store.spent("orders").values()) == 100
        assert "budget" in {info.status for info in store.runs()}
    assert done(folder, calls=1000)["rows"] == done(folder, store="whole.sqlite")["rows"]


def test_a_file_hands_out_a_budget_by_those_of_the_cells(folder: Path) -> None:
    text = SWEEP.partition("[budget]")[0]
    sweep = sweep_of(tomllib.loads(text), "here", folder, name="orders")
    with pytest.raises(ConfigError, match=r"set budget\.calls in the sweep"):
        asyncio.run(run_sweep(sweep, store=folder / "parts.sqlite", calls=9, progress=False))


def test_parts_spend_one_budget_to_the_last_call(folder: Path, database: str) -> None:
    """With a server, nothing is parted beforehand: what one leaves over, the others may buy."""
    whole = done(folder, store="whole.sqlite")
    commands = begun_parts(2, database, "--calls", "150")
    said = [command.communicate(timeout=300) for command in commands]
    assert {command.returncode for command in commands} <= {0, 3}, said
    with closing(open_store(database)) as store:
        assert sum(used.calls for used in store.spent("orders").values()) == 150
    found = done(folder, store=database)
    assert (found["rows"], found["bought"]) == (whole["rows"], whole["bought"])
    assert without_verdicts(found) == without_verdicts(whole)


def test_a_part_is_done_by_one_process_and_not_while_the_whole_is(folder: Path) -> None:
    done(folder, "1/2")
    with closing(open_store(folder / "parts.sqlite")) as store:
        with store.claim("orders.part-1-of-2"), pytest.raises(StoreError, match="one process"):
            done(folder, "1/2")
        with store.claim("orders.part-1-of-2"), pytest.raises(StoreError, match="one process"):
            done(folder)


def test_parts_at_the_same_time_buy_no_more_than_the_budget(folder: Path) -> None:
    """Three processes begin at once; what two of them pay twice counts."""
    commands = begun_parts(3, "parts.sqlite")
    said = [command.communicate(timeout=300) for command in commands]
    assert [command.returncode for command in commands] == [0, 0, 0], said
    found, whole = done(folder), done(folder, store="whole.sqlite")
    assert found["rows"] == whole["rows"]
    assert without_verdicts(found) == without_verdicts(whole)
    with closing(open_store(folder / "parts.sqlite")) as store:
        runs = ["orders", *parts_of(store, "orders")]
        assert sum(bought_by(store, run) for run in runs) <= 4 * 120


def test_a_job_array_of_slurm_does_the_sweep(folder: Path) -> None:
    """Its script, with the variables that SLURM sets, whatever number the array begins with."""
    shim = folder / "bin" / "llmopt"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m llmopt "$@"\n', "utf-8")
    shim.chmod(0o755)
    script = ROOT / "examples" / "slurm" / "sweep.sbatch"
    variables = {
        **os.environ,
        "PATH": f"{shim.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
        "LLMOPT_STORE": "parts.sqlite",
        "SLURM_ARRAY_TASK_MIN": "0",
        "SLURM_ARRAY_TASK_COUNT": "2",
    }
    ends = []
    for task in ("0", "1"):
        command = subprocess.run(
            ["bash", script, "orders.toml", "--json", "-q"],
            env={**variables, "SLURM_ARRAY_TASK_ID": task},
            capture_output=True,
            text=True,
            check=False,
        )
        assert command.returncode == 0, command.stderr
        ends.append(json.loads(command.stdout))
    assert [end["part"]["done"] for end in ends] == [2, 4]
    assert ends[1]["rows"] == done(folder, store="whole.sqlite")["rows"]
    del variables["LLMOPT_STORE"]
    command = subprocess.run(
        ["bash", script, "orders.toml"],
        env={**variables, "SLURM_ARRAY_TASK_ID": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (command.returncode != 0, "export LLMOPT_STORE" in command.stderr) == (True, True)


def test_what_a_cell_has_asked_is_found_by_its_key(folder: Path) -> None:
    """Its cache is inside of the sweep's, and both are one call."""
    done(folder, store="whole.sqlite")
    with closing(open_store(folder / "whole.sqlite")) as store:
        cell = made(folder).cells[0].name
        tested = next(record for _, record in store.of_kind("tested", [cell]))
        keys = [outcome[5] for answers in tested.data["answers"] for outcome in answers["outcomes"]]
        assert keys
        assert all(store.exchange(b64decode(f"{key}=", b"-_").hex()) for key in keys)
