"""Checks how every reader displays the scores of a problem."""

from __future__ import annotations

import contextlib
import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console

from llmopt.algorithms.opro import opro
from llmopt.engine.identity import register
from llmopt.engine.run import Run
from llmopt.engine.session import Session
from llmopt.engine.stop import Stop
from llmopt.errors import StepFailedError
from llmopt.evidence.convergence import Converged, course_of
from llmopt.history.compare import compared_runs
from llmopt.history.document import record
from llmopt.history.listing import listed
from llmopt.integrations.exported import export, standing
from llmopt.integrations.spreadsheets import trajectory_rows
from llmopt.store import open_store
from llmopt.terminal.convergence_table import print_convergence
from llmopt.terminal.progress import View
from llmopt.terminal.result_table import print_result, print_trajectory
from llmopt.terminal.runs_table import print_runs
from llmopt.testing import scripted
from llmopt.web.pages.run_page import page
from llmopt.web.pages.run_rows import ListQuery, Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from llmopt.core.problem import Problem
    from llmopt.core.store import Store
    from llmopt.engine.progress import Progress
    from llmopt.evidence.result import Result

_RUNS = ("one", "other")
_WIDTH = 1000  # characters of a line, so that nothing is cut


@dataclass(frozen=True)
class Said:
    """What a reader says.

    Attributes:
        reader: Which.
        text: All that it writes; empty where it gives numbers alone.
        numbers: The scores of the start, or of what is best, that it gives.
        score: What the text shows, as it is inside; None: the best score on train.
    """

    reader: str
    text: str
    numbers: tuple[float | None, ...] = ()
    score: float | None = None


async def started(problem: Problem, folder: Path) -> tuple[tuple[float, float] | None, list[Said]]:
    """Measure the starting solutions of a problem, and return what every reader says of them.

    Args:
        problem: Any; a scripted model answers where it asks a scorer LLM.
        folder: Where the store may be made.

    Returns:
        The score of the first and of the best starting solution, as they are inside, and what is
        said of them; no scores where the first could not be measured.
    """
    with contextlib.closing(open_store(folder / "shown.sqlite")) as store:
        seen: list[Progress] = []
        for name in _RUNS:
            try:
                run, result = await _done(problem, store, name, seen.append)
            except StepFailedError:
                return None, []
        start, best = next(iter(run.trajectory)), run.trajectory.best(1)
        if start.evaluation.score is None or not best:
            return None, []
        said = [*_finished(run, result), *_stored(store, run), _watched(seen[-1])]
        return (start.score, best[0].score), said


async def _done(
    problem: Problem, store: Store, name: str, listen: Callable[[Progress], None]
) -> tuple[Run, Result]:
    algorithm, model = opro(), scripted.model()
    register(store, name, problem, algorithm, optimizer=model, scorer=model, seed=0, source=None)
    with store.claim(name):
        session = Session(store, name, optimizer=model, scorer=model, listen=listen)
        run = Run(problem, algorithm, session, stop=Stop(0))
        return run, await run.optimize()


def _finished(run: Run, result: Result) -> Iterator[Said]:
    """Yield what is said by those who get a run or its result."""
    train = [line.train.mean for line in result.lines if line.train]
    yield Said("the final report", _printed(lambda out: print_result(out, result)), tuple(train))
    shown = result.presentation
    yield Said("llmopt show", _printed(lambda out: print_trajectory(out, run.trajectory, shown)))
    course = course_of(run.problem, run.trajectory)
    if not run.problem.items("test"):
        cells = [Converged("method", "", "0", course, shown)]
        yield Said("the table of a sweep", _printed(lambda out: print_convergence(out, cells)))


def _stored(store: Store, run: Run) -> Iterator[Said]:
    """Yield what is said by those who read the store."""
    rows = listed(store)
    yield Said("llmopt runs", _printed(lambda out: print_runs(out, rows)), (rows[0].best,))
    document = record(store, run.name)
    first = document["steps"][0]
    numbers = [
        first["best"],
        first["candidates"][0]["score"],
        document["lines"][0]["train"]["mean"],
    ]
    yield Said("llmopt report", page(document), tuple(numbers))
    compared = compared_runs(store, _RUNS)
    trained = [row.train.mean for row in compared.runs if row.train]
    yield Said("llmopt compare", "", (*trained, *compared.runs[0].curve))
    row = Reading(store).rows(ListQuery()).shown[0]
    held = run.choice.winner if run.choice else None
    yield Said("llmopt view", f"{row.start} {row.best}", score=held.score if held else None)
    found = standing(store, run.name)
    material = export(store, found, found.start, None)
    table = csv.DictReader(io.StringIO(trajectory_rows(material)))
    yield Said("llmopt export", "", (material.export.train, float(next(table)["score"])))


def _watched(progress: Progress) -> Said:
    with contextlib.redirect_stderr(io.StringIO()) as out, View(Console(file=out)) as view:
        view(progress)
    return Said("the progress", out.getvalue(), (progress.best,))


def _printed(printer: Callable[[Console], None]) -> str:
    out = io.StringIO()
    printer(Console(file=out, width=_WIDTH, highlight=False))
    return out.getvalue()
