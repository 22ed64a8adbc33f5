"""A sweep as plain data: its cells, its table, and how each method converged."""

from __future__ import annotations

from dataclasses import asdict
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from llmopt.core.presentation import ACCURACY
from llmopt.engine.journal import steps
from llmopt.evidence import convergence
from llmopt.evidence import sweep_summary as sweeps
from llmopt.evidence.convergence import Converged, Course, points_of
from llmopt.evidence.scores import LEVEL
from llmopt.evidence.sweep_summary import CELL, ORDER, Done
from llmopt.history.sweep_base import SpentCalls, common_to
from llmopt.statistics.student import t_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.core.presentation import Presentation
    from llmopt.core.store import Store


_REPETITIONS = 3  # at least, for an interval: of two it would be wider than all that is drawn


def swept(store: Store, name: str) -> dict[str, Any]:
    """Return what is known of a sweep.

    ``cells`` are the finished ones, each with the name of its run; ``rows`` is the table where
    winners are compared on held-out items, ``lines`` where there are none; ``points`` are the
    best scores so far on train, mean and standard deviation over the repetitions, by step, with
    the mean number of ``calls`` up to its end, None where that is not known. ``means`` are those
    of the winners' scores over the repetitions, with 95 % intervals, None below three. ``config``
    and ``identity`` are what all cells have in common.
    """
    cells = _cells(store, name)
    converging = bool(cells) and all(cell.course is not None for cell in cells)
    comparable = _comparable(cells)
    shown = cells[0].shown if cells else ACCURACY
    courses = [
        Converged(c.variant, c.task, c.seed, c.course or _course(store, c.cell)) for c in cells
    ]
    found = sweeps.courses_of(comparable) if converging else ()
    lines = convergence.lines_of(found)
    calls = SpentCalls(store, cells)
    rows = () if converging or not comparable else sweeps.summarized(comparable)
    return {
        "measure": measured(shown),
        **common_to(store, cells),
        "finished": bool(cells) and len(cells) == len(comparable),
        "cells": [_cell(cell, shown) for cell in cells],
        "means": _means(cells, shown),
        "rows": [sweeps.flat(row) for row in rows],
        "lines": [convergence.flat(line) for line in lines],
        "points": [
            {
                "task": point.task,
                "variant": point.variant,
                "step": point.step,
                "mean": shown.facing(point.best.mean),
                "sd": point.best.sd,
                "n": point.best.n,
                "calls": calls.mean(point.task, point.variant, point.step),
            }
            for point in points_of([c for c in courses if c.course.steps])
        ],
        "notes": sweeps.notes(rows, comparable) if rows else [],
    }


def measured(shown: Presentation) -> dict[str, Any]:
    """Return what a document says of its scores."""
    return {
        "name": shown.measure,
        "higher_is_better": shown.higher_is_better,
        "shares": shown.shares,
        "decimals": shown.decimals,
    }


def _cells(store: Store, name: str) -> list[Done]:
    """Return the finished cells in the order of the sweep, the last word on each.

    Cells of which no order is known come last, as they were begun.
    """
    found = {
        record.data["cell"]: Done.plain(record.data) for _, record in store.of_kind(CELL, [name])
    }
    orders = [record.data["cells"] for _, record in store.of_kind(ORDER, [name])]
    place = {cell: number for number, cell in enumerate(orders[-1] if orders else ())}
    begun = {info.name: -number for number, info in enumerate(store.runs())}
    last = len(place)
    return sorted(
        found.values(), key=lambda cell: (place.get(cell.cell, last), begun.get(cell.cell, 0))
    )


def _comparable(cells: Sequence[Done]) -> list[Done]:
    """Return the cells of those tasks and seeds for which the first variant is done."""
    first = {(c.task, c.seed) for c in cells if c.variant == cells[0].variant}
    return [cell for cell in cells if (cell.task, cell.seed) in first]


def _cell(cell: Done, shown: Presentation) -> dict[str, Any]:
    bulk = ("test", "course", "controls", "shown")
    data = {key: value for key, value in asdict(cell).items() if key not in bulk}
    return data | {"score": shown.facing(cell.score), "start": shown.facing(cell.start)}


def _means(cells: Sequence[Done], shown: Presentation) -> list[dict[str, Any]]:
    """Return the mean score of each variant on each task, with its interval by Student's t."""
    scores: dict[tuple[str, str], list[float]] = {}
    for cell in cells:
        scores.setdefault((cell.task, cell.variant), []).append(shown.facing(cell.score))
    found = []
    for (task, variant), own in scores.items():
        n, mean = len(own), fmean(own)
        low = high = None
        if n >= _REPETITIONS:
            reach = t_quantile(LEVEL, n - 1) * stdev(own) / n**0.5
            low, high = mean - reach, mean + reach
            if shown.shares:
                low, high = max(0.0, low), min(1.0, high)
        found.append(
            {"task": task, "variant": variant, "n": n, "mean": mean, "low": low, "high": high}
        )
    return found


def _course(store: Store, run: str) -> Course:
    """Return how a search on prompts went on train, from its journal."""
    path: list[tuple[int, int, float]] = []
    tried = starts = number = 0
    for step in steps(store, run):
        number = step.number
        for entry in step.entries:
            tried += 1
            starts += not number
            score = entry.evaluation.score
            if (
                score is not None
                and entry.evaluation.comparable
                and (not path or score > path[-1][2])
            ):
                path.append((number, tried, score))
    return Course(tuple(path), steps=number, tried=tried, starts=starts)
