"""Two processes on one store at once: neither harms the other."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from llmopt.store import open_store

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """
[problem]
data = "questions.csv"
task = "Answer with yes or no."
instructions = ["Answer.", "Answer now."]
sizes = [12, 8, 20]

[scorer]
model = "scripted/slow_model:answer"

[algorithm]
samples = 4

[run]
steps = 3
"""

SLOW = """
import os, time
from llmopt.testing.scripted import answer as plain

calls = 0

def answer(call):
    global calls
    calls += 1
    time.sleep(float(os.environ["DELAY"]))
    while calls == int(os.environ["HELD"]) and not os.path.exists("go"):
        time.sleep(0.02)
    return plain(call)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a configuration, its data, and a model that takes its time."""
    rows = [f"Question number {n}?,{'yes' if n % 2 else 'no'}" for n in range(40)]
    (tmp_path / "questions.csv").write_text("\n".join(["input,target", *rows, ""]))
    (tmp_path / "run.toml").write_text(CONFIG)
    (tmp_path / "slow_model.py").write_text(SLOW)
    return tmp_path


class Started:
    """An ``llmopt`` command in a process of its own."""

    def __init__(self, project: Path, *words: str, delay: float = 0.005, held: int = 0) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "llmopt", *words, "--json"],
            cwd=project,
            env={**os.environ, "DELAY": str(delay), "HELD": str(held)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def says(self, words: str) -> bool:
        """Wait until it says so; return whether it did before its end."""
        assert self.process.stderr is not None
        return any(words in line for line in self.process.stderr)

    def ended(self) -> tuple[int, str, str]:
        """Wait for its end; return the exit code, the output, and the rest of what it said."""
        out, err = self.process.communicate()
        return self.process.returncode, out, err


def result(started: Started) -> dict[str, Any]:
    """Return the result of a run that ended well, without what it used, and what others used.

    In a shared store, the second one looks at the test items for the second time.
    """
    code, out, err = started.ended()
    assert code == 0, err
    found: dict[str, Any] = json.loads(out)
    used = ("seconds", "stretch", "usage", "looks", "comparisons", "verdict", "notes")
    return {key: value for key, value in found.items() if key not in used}


def steps(store: Path, run: str) -> list[dict[str, Any]]:
    with closing(open_store(store)) as opened:
        return [record.data for record in opened.records(run) if record.kind == "step"]


def paid(store: Path, run: str) -> int:
    with closing(open_store(store)) as opened:
        return sum(used.calls for used in opened.spent(run).values())


def test_two_runs_share_a_store(project: Path) -> None:
    """Each finds what it finds alone; what one has paid for, the other need not pay again."""
    runs = ("first", "0"), ("second", "1")

    def start(name: str, seed: str, store: str, delay: float) -> Started:
        words = ("run", "run.toml", "--name", name, "-o", f"run.seed={seed}", "--store", store)
        return Started(project, *words, delay=delay)

    together = [start(name, seed, "shared.sqlite", 0.005) for name, seed in runs]
    found = [result(started) for started in together]
    alone = [start(name, seed, f"{name}.sqlite", 0) for name, seed in runs]
    assert found == [result(started) for started in alone]
    shared, calls = project / "shared.sqlite", 0
    for name, _ in runs:
        own = project / f"{name}.sqlite"
        assert steps(shared, name) == steps(own, name)
        assert 0 < paid(shared, name) <= paid(own, name)
        calls += paid(shared, name)
    with closing(sqlite3.connect(shared)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("SELECT count(*) FROM replies").fetchone() == (calls,)
        times = connection.execute("SELECT min(created), max(created) FROM replies GROUP BY run")
        (began, ended), (other_began, other_ended) = times
    assert began < other_ended, "the runs were not at work at once"
    assert other_began < ended, "the runs were not at work at once"


@pytest.mark.parametrize("again", [("run", "run.toml", "--name", "mine"), ("resume", "mine")])
def test_a_run_that_is_going_on_is_not_started_again(project: Path, again: tuple[str, ...]) -> None:
    """The second start is refused and says why; the first does not notice."""
    store = ("--store", "store.sqlite")
    # It is held in the middle of the first step, after 24 calls for the start, and 4 for solutions.
    first = Started(project, "run", "run.toml", "--name", "mine", *store, held=60)
    assert first.says("step 1/3, measuring new solutions")
    code, out, err = Started(project, *again, *store).ended()
    assert first.process.poll() is None, "the first was over before the second was refused"
    (project / "go").touch()
    assert (code, out) == (2, "")
    assert "run 'mine' is worked on by one process at a time" in err
    assert "start a run under another name" in err
    assert "Traceback" not in err
    found = result(first)
    words = ("run", "run.toml", "--name", "mine", "--store", "alone.sqlite")
    assert found == result(Started(project, *words, delay=0))
    assert steps(project / "store.sqlite", "mine") == steps(project / "alone.sqlite", "mine")
