"""Stores with runs, runs that wait for a sign, and documents with hostile texts everywhere."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import llmopt
from llmopt.core.presentation import ACCURACY
from llmopt.core.store import LABEL, RunInfo
from llmopt.core.values import Usage
from llmopt.engine.header import RunHeader
from llmopt.evidence.comparison import Differing
from llmopt.evidence.scores import Score
from llmopt.history.compare import RunComparison
from llmopt.history.compared_run import Compared
from llmopt.history.listing import Listed
from llmopt.history.text_diff import Change
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.problems.numeric.regression import linear_regression
from llmopt.statistics import Difference, Interval
from llmopt.testing import scripted
from llmopt.web.pages.run_rows import ListedRun, Rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from llmopt.core.values import Call


def fill(path: Path) -> None:
    """Make three runs of which two can be compared, one on a function, and labels."""
    path.write_bytes(_filled())


@cache
def _filled() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "runs.sqlite"
        _search(path)
        return path.read_bytes()


def _search(path: Path) -> None:
    model = scripted.model()
    words = replace(scripted.problem(120, (30, 30, 60)), scorer=model)
    shared: dict[str, Any] = {"store": path, "progress": False}
    llmopt.optimize(words, name="first", optimizer=model, steps=2, **shared)
    llmopt.optimize(words, name="second", optimizer=model, steps=2, seed=1, **shared)
    llmopt.optimize(linear_regression(), name="line", algorithm="cma-es", steps=2, **shared)
    kept = llmopt.open_store(path)
    kept.append("first", LABEL, {"tags": ["shown"], "note": "What we <b>showed</b>."})
    kept.close()


async def until(true: Callable[[], bool]) -> None:
    """Wait for something that tells nobody when it comes to be."""
    while not true():  # noqa: ASYNC110 - what is waited for sets no event
        await asyncio.sleep(0.02)


@dataclass
class Slow:
    """A run in a thread of its own that takes its next step when it is told to."""

    store: Path
    name: str = "slow"
    steps: int = 3
    _gate: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _asked: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def step(self, many: int = 1) -> None:
        """Let it ask the optimizer LLM so many times more."""
        self._gate.release(many)

    def finish(self) -> None:
        """Let it come to its end."""
        self._gate.release(1_000_000)
        self._thread.join()

    def _run(self) -> None:
        def answer(call: Call) -> str:
            if call.role == "optimizer":
                self._gate.acquire()
            return scripted.answer(call)

        model = ScriptedModel(answer, identity="scripted/slow")
        words = replace(scripted.problem(60, (12, 8, 20)), scorer=scripted.model())
        llmopt.optimize(
            words,
            name=self.name,
            optimizer=model,
            steps=self.steps,
            algorithm=llmopt.opro(samples=1),
            store=self.store,
            progress=False,
        )


def hostile_rows(text: str) -> Rows:
    """Return a list with a text in every place that a text can come to, a name included."""
    info = RunInfo(text, "2026-01-01T00:00:00.000+00:00", "done", 3, 0.5, (text,), text)
    row = ListedRun(
        Listed(info, RunHeader("run", text, ACCURACY, text, control=False)),
        "run",
        start="1",
        best="2",
        word="better",
        cost="1",
        used="2",
    )
    return Rows((row, replace(row, kind="evaluation")), 2, 2, 2, (text,), (text,))


def hostile_comparison(text: str) -> RunComparison:
    """Return a comparison with a text in every place that a text can come to."""
    interval = Interval(0.1, 0.2)
    score = Score(0.15, interval, 9, 9)
    difference = Difference(0.15, interval, 0.03, 9, 5, 2, 2, text, 100)
    row = Compared(
        *(text, "2026-01-01T00:00:00.000+00:00", text, text, text, text, text, text),
        steps=2,
        candidates=3,
        evaluations=4,
        usage={"scorer": Usage(1, 2, 3)},
        seconds=1.0,
        caps={text: 2.0},
        start=text,
        best=text,
        train=score,
        validation=score,
        test=score,
        verdict=text,
        curve=(0.1, 0.2, 0.3),
    )
    kinds: tuple[Any, ...] = ("same", "out", "in")
    wording = tuple(Change(kind, text) for kind in kinds)
    other = replace(row, run=f"{text}2", difference=difference, corrected=0.03, wording=wording)
    items = tuple(Differing(text, text, text, (1.0, 0.0), (text, text)) for _ in range(20))
    return RunComparison((row, other), ACCURACY, items, text, (text,))
