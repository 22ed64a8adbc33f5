"""The main job on the real local model: it improves, it is killed, it goes on."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from llmopt.api import prepare
from llmopt.config.reading import read
from llmopt.engine.journal import steps
from llmopt.errors import InputError, RefusedError
from llmopt.models.middleware.base import Middleware
from llmopt.models.providers.local import EngineSettings, LocalModel
from llmopt.models.weights.fetch import obtain
from llmopt.recipes import recipe_or_file
from llmopt.store import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.core.values import Call, Reply
    from llmopt.evidence.result import Result
    from llmopt.problems.prompt.prompt_problem import PromptProblem

pytestmark = [
    pytest.mark.local_model,
    pytest.mark.timeout(1200),  # whole searches, on a machine that may be busy
]

SMALL = [
    "problem.sizes=[6, 4, 6]",
    "algorithm.samples=2",
    "algorithm.stages=[2]",
    "run.steps=2",
    "run.finalists=2",
]


@pytest.fixture(scope="module")
def weights() -> Path:
    pytest.importorskip("xllamacpp", reason="xllamacpp is not installed")
    try:
        return obtain("smollm2-135m")
    except InputError as error:
        pytest.skip(f"the weights cannot be had: {error}")


class Mortal(Middleware):
    """Passes so many calls on and then refuses; remembers what was asked."""

    def __init__(self, inner: LocalModel) -> None:
        super().__init__(inner)
        self.asked: list[str] = []
        self.limit = sys.maxsize

    async def complete(self, call: Call) -> Reply:
        if len(self.asked) >= self.limit:
            raise RefusedError("switched off")
        self.asked.append(call.key(self.identity))
        return await self.inner.complete(call)


def exact(weights: Path) -> Mortal:
    """One slot and no prompt cache: the same call gets the same reply, bit for bit."""
    shape: dict[str, Any] = {"slots": 1, "settings": EngineSettings(reuse=False)}
    return Mortal(LocalModel(weights, "smollm2-135m", **shape))


def small() -> PromptProblem:
    return read(recipe_or_file("demo"), SMALL).built_prompts()


async def run(model: Mortal, store: Path) -> Result:
    settings = read(recipe_or_file("demo"), SMALL)
    options = {**settings.options(), "optimizer": model, "concurrency": 1}
    problem = replace(small(), scorer=model)
    async with prepare(problem, **options, name="killed", store=store) as opened:
        return await opened.optimize()


async def test_broken_off_twice_it_ends_as_the_unbroken_run(weights: Path, tmp_path: Path) -> None:
    whole = exact(weights)
    expected = await run(whole, tmp_path / "whole.sqlite")
    model = exact(weights)
    for share in (1, 2):
        model.limit = share * len(whole.asked) // 3
        with pytest.raises(RefusedError):
            await run(model, tmp_path / "broken.sqlite")
    model.limit = sys.maxsize
    resumed = await run(model, tmp_path / "broken.sqlite")
    assert (resumed.best, resumed.lines, resumed.test) == (
        expected.best,
        expected.lines,
        expected.test,
    )
    assert sorted(model.asked) == sorted(whole.asked)
    stores = [open_store(tmp_path / name) for name in ("whole.sqlite", "broken.sqlite")]
    assert list(steps(stores[0], "killed")) == list(steps(stores[1], "killed"))
    for store in stores:
        store.close()
    await whole.close()
    await model.close()


def replies(store: Path) -> int:
    """Count the stored replies of a store that another process may be writing."""
    if not store.exists():
        return 0
    with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as connection:
        try:
            found: int = connection.execute("SELECT count(*) FROM replies").fetchone()[0]
        except sqlite3.OperationalError:  # the tables are not there yet
            found = 0
    connection.close()
    return found


def test_the_command_killed_in_the_middle_goes_on_and_pays_for_the_rest_only(
    weights: Path, tmp_path: Path
) -> None:
    del weights  # only that they are there
    store = tmp_path / "kill.sqlite"
    options = [part for option in SMALL for part in ("-o", option)]
    command = [sys.executable, "-m", "llmopt", "demo", "--store", str(store), *options]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while replies(store) < 20 and child.poll() is None:
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert child.returncode == -signal.SIGKILL
    before = replies(store)
    assert before >= 20
    resumed = subprocess.run(
        [sys.executable, "-m", "llmopt", "resume", "demo", "--store", str(store)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NO_COLOR": "1"},
    )
    assert resumed.returncode == 0, resumed.stderr
    assert "held out" in resumed.stdout
    opened = open_store(store)
    calls = sum(used.calls for used in opened.spent("demo").values())
    opened.close()
    assert calls == replies(store) > before
