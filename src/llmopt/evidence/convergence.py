"""Convergence where there is no held-out data: steps to the optimum, gaps.

A run on numbers or tours is not judged on test items. What counts is how soon it finds the best
solution there is, how many different solutions it looks at on the way, and how far it stays off.
All of it follows from the trajectory, which the journal holds.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from llmopt.core.presentation import Presentation
from llmopt.core.problem import HasOptimum
from llmopt.errors import install_command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.core.problem import Problem
    from llmopt.core.trajectory import Trajectory

_CLOSE = 1e-9  # relative; what is nearer than this to the optimum is the optimum
_STEPS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


@dataclass(frozen=True)
class Course:
    """How one search went.

    Attributes:
        path: Step, solutions tried by then and score of each new best; the first is the best
            start's. Scores are as they are inside: higher is better.
        steps: Steps done.
        tried: Different solutions tried, the starting ones included.
        starts: How many of them were starting solutions.
        optimum: The best score there can be, or None where it is not known.
    """

    path: tuple[tuple[int, int, float], ...]
    steps: int
    tried: int
    starts: int
    optimum: float | None = None

    @property
    def begin(self) -> float:
        """The best score of a starting solution; of what came next, if none was measured."""
        first = self.path[0][0]
        return max(score for step, _, score in self.path if step == first)

    @property
    def solved(self) -> int | None:
        """The step that found the optimum, 0 for a starting solution; None: none did."""
        if self.optimum is None or not self.path:
            return None
        step, _, best = self.path[-1]
        return step if best >= self.optimum - _CLOSE * max(1.0, abs(self.optimum)) else None

    @property
    def gap(self) -> float | None:
        """How far the best stays off the optimum, as a share of the optimum's size."""
        return self.gap_after(self.tried)

    def gap_after(self, tried: int) -> float | None:
        """Return the gap when so many solutions were tried; fewer than any measured one: None."""
        if not self.optimum:
            return None
        at = bisect_right([number for _, number, _ in self.path], tried)
        return max(0.0, self.optimum - self.path[at - 1][2]) / abs(self.optimum) if at else None

    def best_at(self, step: int) -> float | None:
        """Return the best score after a step, or None while nothing was measured."""
        at = bisect_right([when for when, _, _ in self.path], step)
        return self.path[at - 1][2] if at else None

    @classmethod
    def plain(cls, data: dict[str, Any]) -> Course:
        """Rebuild a course from what ``asdict`` made of it, also by way of JSON.

        One of an older release says in which direction its values are printed, too.
        """
        path = tuple((int(step), int(tried), float(score)) for step, tried, score in data["path"])
        return cls(**{k: v for k, v in data.items() if k != "higher_is_better"} | {"path": path})


def course_of(problem: Problem, trajectory: Trajectory) -> Course:
    """Return how the search on a problem went that left a trajectory."""
    path: list[tuple[int, int, float]] = []
    starts = 0
    for number, entry in enumerate(trajectory, 1):
        starts += not entry.candidate.step
        score = entry.evaluation.score
        if score is not None and (not path or score > path[-1][2]):
            path.append((entry.candidate.step, number, score))
    return Course(
        tuple(path),
        steps=max(0, trajectory.steps - 1),
        tried=len(trajectory),
        starts=starts,
        optimum=problem.optimum() if isinstance(problem, HasOptimum) else None,
    )


@dataclass(frozen=True)
class Converged:
    """A cell of a sweep, as far as convergence is concerned.

    Attributes:
        variant: What is compared.
        task: On what; empty where there is one task.
        seed: Which repetition.
        course: How it went.
        shown: How the values of its problem are shown.
    """

    variant: str
    task: str
    seed: str
    course: Course
    shown: Presentation = field(default_factory=Presentation)


@dataclass(frozen=True)
class Spread:
    """A mean over repetitions.

    Attributes:
        mean: The mean.
        sd: The sample's standard deviation; None for one value.
        n: Number of values.
    """

    mean: float
    sd: float | None
    n: int

    @property
    def error(self) -> float | None:
        """The standard error of the mean; None for one value."""
        return None if self.sd is None else self.sd / math.sqrt(self.n)


@dataclass(frozen=True)
class VariantCurve:
    """A variant on a task.

    Attributes:
        task: Which.
        variant: Which.
        cells: How many searches.
        solved: How many found the optimum; None where it is not known.
        steps: Steps to the optimum, over those that found it; None: none did.
        tried: Different solutions tried in a search, the starting ones left out.
        gap: Gap to the optimum at the end, as a share.
        level_gap: The gap when as many solutions were tried as by the first variant on the same
            task and seed; for the first variant it is the gap.
        best: The best score at the end, as it is inside.
    """

    task: str
    variant: str
    cells: int
    solved: int | None
    steps: Spread | None
    tried: Spread
    gap: Spread | None
    level_gap: Spread | None
    best: Spread | None


def spread(values: Sequence[float]) -> Spread | None:
    """Return mean and standard deviation; None without a value."""
    if not values:
        return None
    return Spread(fmean(values), stdev(values) if len(values) > 1 else None, len(values))


def lines_of(cells: Sequence[Converged]) -> tuple[VariantCurve, ...]:
    """Return a line for each task and variant, in the order of the cells.

    Args:
        cells: Every cell of a sweep, the first variant first.
    """
    groups: dict[tuple[str, str], list[Converged]] = defaultdict(list)
    for cell in cells:
        groups[cell.task, cell.variant].append(cell)
    first = cells[0].variant if cells else ""
    tried = {(c.task, c.seed): c.course.tried for c in cells if c.variant == first}
    tasks = dict.fromkeys(cell.task for cell in cells)
    variants = dict.fromkeys(cell.variant for cell in cells)
    return tuple(
        _line(groups[task, variant], tried)
        for task in tasks
        for variant in variants
        if (task, variant) in groups
    )


def _line(cells: Sequence[Converged], level: dict[tuple[str, str], int]) -> VariantCurve:
    courses = [cell.course for cell in cells]
    known = all(course.optimum is not None for course in courses)
    solved = [step for course in courses if (step := course.solved) is not None]
    levels = [c.course.gap_after(level[c.task, c.seed]) for c in cells if (c.task, c.seed) in level]
    tried = spread([course.tried - course.starts for course in courses])
    assert tried is not None  # noqa: S101 - a group has a cell
    return VariantCurve(
        task=cells[0].task,
        variant=cells[0].variant,
        cells=len(cells),
        solved=len(solved) if known else None,
        steps=spread(solved),
        tried=tried,
        gap=spread([gap for course in courses if (gap := course.gap) is not None]),
        level_gap=spread([gap for gap in levels if gap is not None]),
        best=spread([course.path[-1][2] for course in courses if course.path]),
    )


@dataclass(frozen=True)
class CurvePoint:
    """The best so far of a variant on a task after a step, over the repetitions.

    Attributes:
        task: Which.
        variant: Which.
        step: After which step.
        best: The best score so far, as it is inside; a search that ended earlier keeps its best.
    """

    task: str
    variant: str
    step: int
    best: Spread


def points_of(cells: Sequence[Converged]) -> tuple[CurvePoint, ...]:
    """Return the convergence of each task and variant at 0, 1, 2, 5, 10, … steps and the last."""
    groups: dict[tuple[str, str], list[Course]] = defaultdict(list)
    for cell in cells:
        groups[cell.task, cell.variant].append(cell.course)
    last: dict[str, int] = defaultdict(int)
    for cell in cells:
        last[cell.task] = max(last[cell.task], cell.course.steps)
    found = []
    for (task, variant), courses in groups.items():
        for step in sorted({*(s for s in _STEPS if s < last[task]), last[task]}):
            best = spread([b for course in courses if (b := course.best_at(step)) is not None])
            if best:
                found.append(CurvePoint(task, variant, step, best))
    return tuple(found)


def notes(lines: Sequence[VariantCurve]) -> list[str]:
    """Return how the table is read."""
    columns = (
        "steps: to the optimum, mean ± sd over the searches that found it (how many in brackets); "
        "tried: different solutions beside the starting ones, mean ± sd; gap: distance of the best "
        "from the optimum in % of the optimum, mean ± standard error."
    )
    found = [columns]
    if len({line.variant for line in lines}) > 1:
        found.append(
            f"level gap: the gap when as many solutions were tried as by {lines[0].variant}, on "
            "the same task and seed; or at the end, where a search tried fewer."
        )
    if any(line.solved is None for line in lines):
        found.append(
            "-: it is not known how good a solution can be. A function may say it (best); of "
            f"tours with more than 20 nodes, {install_command('exact')} proves it."
        )
    if any(line.cells == 1 for line in lines):
        found.append("One search says nothing about the spread.")
    return found


def flat(line: VariantCurve) -> dict[str, Any]:
    """Return a line as a flat mapping of plain values."""
    found: dict[str, Any] = {}
    for key, value in asdict(line).items():
        if key in ("steps", "tried", "gap", "level_gap", "best"):
            found[key] = value and value["mean"]
            found[f"{key}_sd"] = value and value["sd"]
        else:
            found[key] = value
    return found
