"""A sweep's table: variants compared with the first one on common test items.

Every cell is one search, and counts with what its winner got on test. For each variant: the
mean, the spread over the seeds, a test against the first variant over seeds and items with Holm's
correction, and the mean rank. Several tasks count the same, whatever their number of items.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass, field, replace
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any, Self

from llmopt.core.formatting import counted
from llmopt.core.presentation import Presentation, of_older_cell
from llmopt.evidence.convergence import Converged, Course
from llmopt.evidence.words import word_of
from llmopt.statistics import (
    Difference,
    Repetition,
    between_methods,
    holm,
    over_tasks,
    paired_difference,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


OUT_OF_BUDGET = "budget used"
"""Why a cell stopped that had used its budget."""

CELL = "cell"
"""Kind of the records of a sweep's journal that say what a cell found."""

ORDER = "order"
"""Kind of those that say in which order its cells are: data ``{"cells": [name, ...]}``, of which
the last one holds."""

UNTESTED = "not tested (one seed)"
"""What is said of a variant with one search on a task: another one might find anything."""

LEVEL = 0.95
_FEW_SEEDS = 5
_TWO = 2  # seeds, from which on there is a test
_UNEQUAL = 1.25  # calls of one cell over another's; a start that wins is tested once, not twice


@dataclass(frozen=True)
class Done:
    """A finished cell.

    Attributes:
        cell: Name of its run.
        variant: What is compared.
        task: On what; empty where there is one task.
        seed: Which repetition.
        test: Item, score (0..1) and weight of the winner on each test item.
        start: Score of the starting instruction on test; of the best start where there is none.
        best: The winner.
        verdict: What its run says about it.
        stopped: Why the search ended.
        steps: Steps done.
        candidates: Solutions measured.
        calls: Calls that the method used, also those that an earlier cell had paid.
        tokens: Tokens of those calls, in and out.
        course: How the search converged, where nothing is held out.
        controls: Name and score of each plain control of the problem, where nothing is held out.
        groups: Which group a test item belongs to, by its id; one that is not there is its own.
        unmeasured: Test answers of winner and start without which their scores are partial.
        shown: How scores are shown; here they are as they are inside.
    """

    cell: str
    variant: str
    task: str
    seed: str
    test: tuple[tuple[str, float, float], ...]
    start: float
    best: str
    verdict: str
    stopped: str
    steps: int
    candidates: int
    calls: int
    tokens: int
    course: Course | None = None
    controls: tuple[tuple[str, float], ...] = ()
    groups: Mapping[str, str] = field(default_factory=dict)
    unmeasured: int = 0
    shown: Presentation = field(default_factory=Presentation)

    @property
    def score(self) -> float:
        """Weighted mean of the winner on test, 0..1; the best of the course if there is one."""
        if self.course is not None:
            return self.course.path[-1][2]
        total = sum(weight for _, _, weight in self.test)
        return sum(score * weight for _, score, weight in self.test) / total

    @classmethod
    def plain(cls, data: dict[str, Any]) -> Self:
        """Rebuild a cell from what ``asdict`` made of it, also by way of JSON."""
        course = data.get("course")
        given = {
            "test": tuple((item, score, weight) for item, score, weight in data["test"]),
            "course": Course.plain(course) if course else None,
            "controls": tuple((name, score) for name, score in data.get("controls", ())),
            "shown": Presentation.plain(data["shown"]) if "shown" in data else of_older_cell(data),
        }
        return cls(**{**data, **given})


@dataclass(frozen=True)
class VariantScore:
    """A variant on a task, or on all of them.

    Attributes:
        task: Which; empty for all tasks together.
        variant: Which.
        cells: How many searches.
        mean: Mean test score of the winners, 0..1; every task counts the same.
        spread: Standard deviation of that mean over the seeds; None for one seed.
        start: Mean test score of the starting instructions.
        rank: Mean rank among the variants over tasks and seeds, 1 is the best; ties share.
        won: On how many tasks and seeds it scored higher than the first variant.
        lost: On how many it scored lower.
        difference: Minus the first variant on common test items; None for the first one. With
            several seeds it is that of the methods, over seeds and items; with one it is that of
            the two winners, over items alone.
        adjusted: The p-value of the difference after Holm's correction over the rows of a table;
            None with one seed.
        steps: Steps done, on average.
        calls: Calls used, on average.
        tokens: Tokens used, on average.
        unmeasured: Test answers that the scores do without, in all cells together.
        seeds: In how many repetitions it is compared with the first one, at least, on each task.
    """

    task: str
    variant: str
    cells: int
    mean: float
    spread: float | None
    start: float
    rank: float
    won: int
    lost: int
    difference: Difference | None
    adjusted: float | None
    steps: float
    calls: float
    tokens: float
    unmeasured: int
    seeds: int = 0

    @property
    def words(self) -> str:
        """What the test says, never more."""
        if self.difference is None:
            return "compared with"
        if self.adjusted is None:
            return UNTESTED
        return word_of(self.difference, self.adjusted)


def courses_of(cells: Sequence[Done]) -> tuple[Converged, ...]:
    """Return how searches converged; after them, as searches of one try, what is known without.

    These are the plain controls of each task and seed, and the optimum where it is known.
    """
    searched = [(c, c.course) for c in cells if c.course]
    shown = {cell.task: cell.shown for cell in cells}
    best = [(cell, course, ("optimum", course.optimum)) for cell, course in searched]
    plain = [(cell, course, told) for cell, course in searched for told in cell.controls]
    known = {
        (cell.task, cell.seed, name): replace(
            course, path=((0, 1, score),), steps=0, tried=1, starts=0
        )
        for cell, course, (name, score) in (*plain, *best)
        if score is not None
    }
    return (
        *(Converged(c.variant, c.task, c.seed, course, c.shown) for c, course in searched),
        *(
            Converged(name, task, seed, course, shown[task])
            for (task, seed, name), course in known.items()
        ),
    )


def summarized(cells: Sequence[Done]) -> tuple[VariantScore, ...]:
    """Return the rows of all tasks together and, where there are several, of each task.

    Args:
        cells: Every cell of a sweep, the first variant first.
    """
    tasks = list(dict.fromkeys(cell.task for cell in cells))
    rows = _table(cells, "")
    if len(tasks) > 1:
        for task in tasks:
            rows += _table([cell for cell in cells if cell.task == task], task)
    return tuple(rows)


def _table(cells: Sequence[Done], task: str) -> list[VariantScore]:
    """Return a row for each variant, with p-values corrected for their number."""
    variants = list(dict.fromkeys(cell.variant for cell in cells))
    of = {name: [cell for cell in cells if cell.variant == name] for name in variants}
    first = of[variants[0]]
    ranks = _ranks(cells)
    rows = [
        _row(task, name, of[name], first, ranks[name], compared=number > 0)
        for number, name in enumerate(variants)
    ]
    tested = [row for row in rows if row.difference is not None and row.seeds >= _TWO]
    p_values = holm([row.difference.p_value for row in tested if row.difference])
    adjusted = {row.variant: p for row, p in zip(tested, p_values, strict=True)}
    return [replace(row, adjusted=adjusted.get(row.variant)) for row in rows]


def _row(
    task: str,
    variant: str,
    cells: Sequence[Done],
    first: Sequence[Done],
    ranks: Sequence[float],
    *,
    compared: bool,
) -> VariantScore:
    by_seed: dict[str, list[float]] = defaultdict(list)
    for cell in cells:
        by_seed[cell.seed].append(cell.score)
    seeds = [fmean(scores) for scores in by_seed.values()]
    theirs = {(cell.task, cell.seed): cell.score for cell in first}
    gains = [cell.score - theirs[cell.task, cell.seed] for cell in cells]
    pairs = _pairs(first, cells) if compared else {}
    repeated = min((len({pair.seed for pair in found}) for found in pairs.values()), default=0)
    return VariantScore(
        task=task,
        variant=variant,
        cells=len(cells),
        mean=fmean(seeds),
        spread=stdev(seeds) if len(seeds) > 1 else None,
        start=fmean(cell.start for cell in cells),
        rank=fmean(ranks),
        won=sum(gain > 0 for gain in gains),
        lost=sum(gain < 0 for gain in gains),
        difference=_difference(pairs, repeated),
        adjusted=None,
        steps=fmean(cell.steps for cell in cells),
        calls=fmean(cell.calls for cell in cells),
        tokens=fmean(cell.tokens for cell in cells),
        unmeasured=sum(cell.unmeasured for cell in cells),
        seeds=repeated,
    )


def _ranks(cells: Sequence[Done]) -> dict[str, list[float]]:
    """Return the ranks of each variant over tasks and seeds; equal scores share their ranks."""
    blocks: dict[tuple[str, str], list[Done]] = defaultdict(list)
    for cell in cells:
        blocks[cell.task, cell.seed].append(cell)
    ranks: dict[str, list[float]] = defaultdict(list)
    for block in blocks.values():
        for cell in block:
            above = sum(other.score > cell.score for other in block)
            equal = sum(other.score == cell.score for other in block)
            ranks[cell.variant].append(above + (equal + 1) / 2)
    return ranks


@dataclass(frozen=True, slots=True)
class _Pair:
    """What two winners of one repetition got on an item."""

    seed: str
    item: str
    before: float
    after: float
    weight: float
    question: str


def _pairs(first: Sequence[Done], second: Sequence[Done]) -> dict[str, list[_Pair]]:
    """Return, for each task, what was measured for both in the same task and seed."""
    theirs = {(cell.task, cell.seed): cell for cell in first}
    pairs: dict[str, list[_Pair]] = defaultdict(list)
    for cell in second:
        before = {item: score for item, score, _ in theirs[cell.task, cell.seed].test}
        pairs[cell.task] += [
            _Pair(cell.seed, item, before[item], score, weight, cell.groups.get(item, item))
            for item, score, weight in cell.test
            if item in before
        ]
    return {task: found for task, found in pairs.items() if found}


def _difference(pairs: Mapping[str, Sequence[_Pair]], seeds: int) -> Difference | None:
    """Compare two variants on common items; all tasks count the same.

    Several searches of each are compared over seeds and items. Of one search of each, it is the
    winners that are compared, item by item; an item is one observation however often it was
    measured, and those of one question are resampled together.

    Args:
        pairs: Of each task.
        seeds: Repetitions of each task, at least.
    """
    if not pairs:
        return None
    items: dict[tuple[str, str], list[_Pair]] = defaultdict(list)
    for task, found in pairs.items():
        for pair in found:
            items[task, pair.item].append(pair)
    before = [fmean(pair.before for pair in found) for found in items.values()]
    after = [fmean(pair.after for pair in found) for found in items.values()]
    if seeds >= _TWO:
        return _of_methods(pairs, before, after, seeds)
    weights = {key: found[-1].weight for key, found in items.items()}
    total: dict[str, float] = defaultdict(float)
    for (task, _), weight in weights.items():
        total[task] += weight
    single = len(total) == 1  # then the weights stay as they are, equal ones exactly equal
    return paired_difference(
        before,
        after,
        [weight if single else weight / total[task] for (task, _), weight in weights.items()],
        LEVEL,
        clusters=[(task, found[-1].question) for (task, _), found in items.items()],
    )


def _of_methods(
    pairs: Mapping[str, Sequence[_Pair]],
    before: Sequence[float],
    after: Sequence[float],
    seeds: int,
) -> Difference:
    """Compare two variants over seeds and items.

    Args:
        pairs: Of each task, in 2 or more repetitions.
        before: What the first got on each item, over the seeds.
        after: What the second got.
        seeds: Repetitions of each task, at least.
    """
    found = over_tasks([between_methods(_repetitions(some)) for some in pairs.values()])
    changes = [b - a for a, b in zip(before, after, strict=True)]
    wins, losses = sum(c > 0 for c in changes), sum(c < 0 for c in changes)
    n = len(changes)
    return Difference(
        mean=found.mean,
        interval=found.interval(LEVEL),
        p_value=found.p_value,
        n=n,
        wins=wins,
        losses=losses,
        ties=n - wins - losses,
        method=f"Student's t test over {seeds} seeds and {n:,} items",
    )


def _repetitions(pairs: Sequence[_Pair]) -> list[Repetition]:
    """Return what was measured in each repetition of a task."""
    by_seed: dict[str, list[_Pair]] = defaultdict(list)
    for pair in pairs:
        by_seed[pair.seed].append(pair)
    return [
        Repetition(
            [pair.before for pair in found],
            [pair.after for pair in found],
            [pair.weight for pair in found],
            [pair.question for pair in found],
        )
        for found in by_seed.values()
    ]


def notes(rows: Sequence[VariantScore], cells: Sequence[Done]) -> list[str]:
    """Return what a careful reader of the table should know."""
    seeds = len({cell.seed for cell in cells})
    compared = [row for row in rows if row.difference is not None]
    found = []
    if compared:
        found += _on_the_test(compared)
    if lost := sum(cell.unmeasured for cell in cells):
        found.append(f"partial: without {counted(lost, 'test answer')} left unmeasured.")
    idle = sum(not cell.steps and cell.stopped == OUT_OF_BUDGET for cell in cells)
    if idle:
        found.append(
            f"{idle} of {len(cells)} cells did no step, for their budget does not buy one; "
            "llmopt sweep FILE --list says what cells may use."
        )
    if 1 < seeds < _FEW_SEEDS:
        found.append(f"A standard deviation of {seeds} values is itself uncertain.")
    for task in dict.fromkeys(cell.task for cell in cells):
        used = [cell.calls for cell in cells if cell.task == task]
        if max(used) > _UNEQUAL * min(used):
            found.append(
                f"The cells{f' of {task}' if task else ''} used {min(used):,} to {max(used):,} "
                "calls: they are compared as they are, not at equal calls. Give the sweep a "
                "[budget] that ends all of them."
            )
    return found


def _on_the_test(compared: Sequence[VariantScore]) -> list[str]:
    """Return what the test asks, or why there is no test.

    Args:
        compared: Rows with a difference, at least one.
    """
    tested = [row for row in compared if row.seeds >= _TWO]
    found = []
    if tested and (one := tested[0].difference):
        number = sum(row.task == tested[0].task for row in tested)
        found.append(
            f"p: two-sided, on common test items ({one.method}); corrected for "
            f"{counted(number, 'comparison')} a table (Holm). Intervals are 95 %, uncorrected."
        )
        found.append(
            "The test asks which variant would find the better winner in other searches, and on "
            "other items: it counts how much winners vary from seed to seed as well as from item "
            "to item. Small differences take many seeds."
        )
    if len(tested) < len(compared):
        found.append(
            "One seed: the 95 % intervals compare the winners that these runs found, item by "
            "item. Which variant finds better ones in other runs is another question, of which "
            "one seed says nothing, so no variant is called better. Add seeds to the grid."
        )
    return found


def flat(row: VariantScore) -> dict[str, Any]:
    """Return a row as a flat mapping of plain values; the task ``all`` is the tasks together."""
    line = asdict(row) | {"task": row.task or "all", "words": row.words}
    tested = line.pop("difference")
    found: dict[str, Any] = tested or {}
    interval = found.get("interval") or {}
    return line | {
        "difference": found.get("mean"),
        "difference_low": interval.get("low"),
        "difference_high": interval.get("high"),
        "p_value": found.get("p_value"),
        "items": found.get("n"),
        "test": found.get("method"),
    }
