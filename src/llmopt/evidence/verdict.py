"""From a finished search to a reliable statement.

Search, selection and report use three disjoint splits: candidates are searched on train, the
winner is chosen among the best of them by train and validation together, and test is looked at
once, for the winner, the start and the controls. Where test had been looked at before,
:mod:`llmopt.evidence.looks` says what that costs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, get_args

from llmopt.core.formatting import counted
from llmopt.core.problem import Concludes, SplitName, presented
from llmopt.core.trajectory import Entry
from llmopt.core.values import Candidate, Evaluation
from llmopt.errors import BudgetError
from llmopt.evidence.differences import (
    START,
    Versus,
    compared,
    concluded,
    difference_of,
    groups_of,
    scale_of,
    sentence,
)
from llmopt.evidence.finalists import (
    behind,
    cut_off,
    finalists_of,
    left_out,
    monotony,
    on_choosing,
    standing,
    unbeaten,
    unmeasured,
)
from llmopt.evidence.looks import PriorLooks
from llmopt.evidence.losses import Losses, losses_of
from llmopt.evidence.optimism import optimism_interval
from llmopt.evidence.pooled import pooled
from llmopt.evidence.result import Held, ResultRow
from llmopt.evidence.scores import LEVEL, score_of
from llmopt.evidence.thinned_finalists import (
    dropped_on_the_way,
    on_thinning,
    thinned,
    thinned_calls,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from llmopt.core.part import Measure
    from llmopt.core.presentation import Presentation
    from llmopt.core.problem import Conclusion, Problem
    from llmopt.core.trajectory import Trajectory
    from llmopt.statistics import Interval


@dataclass(frozen=True)
class Evidence:
    """What a verdict is asked to say.

    Attributes:
        level: Confidence level of intervals and words, between 0 and 1.
        controls: Label and text of each plain control, measured on the test items.
        samples: Answers to each test item, 1 or more.
        drop: Whether finalists are dropped on the way through validation; see
            :mod:`llmopt.evidence.thinned_finalists`.
    """

    level: float = LEVEL
    controls: tuple[tuple[str, str], ...] = ()
    samples: int = 1
    drop: bool = False


@dataclass(frozen=True)
class Selection:
    """The winner with everything measured on the way to it.

    Attributes:
        best: The winner.
        start: The solution to beat.
        lines: The table: the start, the winner, the controls.
        winner: What the winner got on test, or None where nothing is held out.
        others: Label and evaluation on test of the start, unless it won, and of the controls.
        test: The held-out comparison with the start.
        notes: What a careful reader should know.
        finalists: How many solutions were compared on validation.
        level: Confidence level.
        groups: Which group each item belongs to, by its id.
        shown: How the problem's scores are shown.
        losses: What the winner lost against the start on single test items, where scores are
            graded.
        unbeaten: Where the start has won: what did not do better than it, on what.
        looks: How many results the held-out items had given before.
        conclusion: What the problem itself says of the winner, in place of a test over items.
        held: What the finalists got on validation, by id; empty where there is no such split.
    """

    best: Entry
    start: Entry
    lines: tuple[ResultRow, ...]
    winner: Evaluation | None
    others: tuple[tuple[str, Evaluation], ...]
    test: Held | None
    notes: tuple[str, ...]
    finalists: int
    level: float
    groups: Mapping[str, str]
    shown: Presentation
    losses: Losses | None = None
    unbeaten: str = ""
    looks: PriorLooks = field(default_factory=PriorLooks)
    conclusion: Conclusion | None = None
    held: Mapping[str, Evaluation] = field(default_factory=dict)

    @cached_property
    def comparisons(self) -> tuple[Versus, ...]:
        """The winner against the start, and then against the controls; see :func:`compared`."""
        if self.winner is None:
            return ()
        scale = scale_of(self.shown)
        found = compared(self.winner, self.others, self.level, self.groups, scale)
        return concluded(self.looks.corrected(found, self.level), self.conclusion)

    @property
    def answers(self) -> tuple[tuple[str, str, Evaluation], ...]:
        """Label, text and evaluation of all that was tested: the winner as ``best``, `others`."""
        if self.winner is None:
            return ()
        texts = {line.label: line.text for line in self.lines}
        tested = (("best", self.winner), *self.others)
        return tuple((label, texts[label], evaluation) for label, evaluation in tested)

    @property
    def verdict(self) -> str:
        """What the comparisons say, in words; or the problem itself."""
        if self.conclusion is not None:
            return self.conclusion.sentence
        return sentence(
            self.comparisons,
            self.shown,
            tested=self.test is not None,
            unbeaten=self.unbeaten,
            level=self.level,
        )

    @property
    def optimism(self) -> float | None:
        """The winner's score on train minus that on test, or None."""
        line = self.lines[1]
        return None if not (line.train and line.test) else line.train.mean - line.test.mean

    @property
    def optimism_interval(self) -> Interval | None:
        """The interval of `optimism`, at the level of the report."""
        line = self.lines[1]
        return None if not (line.train and line.test) else optimism_interval(line.train, line.test)


async def decide(
    problem: Problem,
    trajectory: Trajectory,
    measure: Measure,
    announce: Callable[[SplitName, int], None],
    finalists: int,
    *,
    evidence: Evidence | None = None,
    testing: Measure | None = None,
) -> Selection:
    """Choose the winner and test it once against the start and the controls.

    When a spending limit is reached in the controls, those that are missing are named in the
    notes, and everything else is said as usual.

    Args:
        problem: What was optimized.
        trajectory: The finished search; its first entry is the start.
        measure: Measures jobs.
        announce: Told the split and the number of jobs before they are measured.
        finalists: How many of the best on train are measured on validation.
        evidence: What to say beside that; None: the usual level, and no controls.
        testing: Measures jobs on test; None: as the others.

    Raises:
        ModelError: A call failed for good.
        BudgetError: A spending limit is reached before the winner and the start are tested.
    """
    evidence, start = evidence or Evidence(), next(iter(trajectory))
    testing = testing or measure
    level, groups, shown = evidence.level, _questions(problem), presented(problem)
    entries = finalists_of(trajectory, finalists, start)
    held = await _validated(problem, entries, start, measure, announce, drop=evidence.drop)
    best, tested, conclusion, passed = await _tested(
        problem, entries, held, start, measure=testing, announce=announce, level=level
    )
    found, missing = await _controls(problem, evidence, tested, testing, announce)

    def line(label: str, entry: Entry) -> ResultRow:
        key = entry.candidate.id
        splits = (entry.evaluation, held.get(key), tested.get(key))
        scores = (score_of(e, shown, level=level, groups=groups) for e in splits)
        return ResultRow(label, entry.text, *scores)

    lines = [line(START, start), line("best", best)]
    lines += [line(label, entry) for label, entry in found]
    winner = tested.get(best.candidate.id)
    others = [] if best is start or not tested else [(START, tested[start.candidate.id])]
    others += [(label, tested[entry.candidate.id]) for label, entry in found]
    losses = losses_of(tested.get(start.candidate.id), winner, shown, evidence.samples)
    notes = [
        *on_choosing(problem),
        *behind([one for one in held.values() if not dropped_on_the_way(one)]),
        *on_thinning(held.values()),
        *monotony(problem, said := winner or held.get(best.candidate.id)),
        *cut_off((said or best.evaluation).outcomes, "of the winner"),
        *unmeasured(trajectory),
        *_left_out([(START, start), ("best", best), *found], held, tested),
        *missing,
        *passed,
        *(losses.note("The winner", "test items", shown) if losses else ()),
    ]
    test = _held(tested, (start, best), shown, level, groups)
    return Selection(
        best,
        start,
        tuple(lines),
        winner,
        tuple(others),
        test,
        tuple(notes),
        len(held),
        level,
        groups,
        shown,
        losses,
        unbeaten(problem, trajectory, entries) if best is start else "",
        conclusion=conclusion,
        held=held,
    )


async def _validated(
    problem: Problem,
    entries: Sequence[Entry],
    start: Entry,
    measure: Measure,
    announce: Callable[[SplitName, int], None],
    *,
    drop: bool,
) -> dict[str, Evaluation]:
    """Measure the finalists on validation, fewer and fewer where that is wanted."""
    items = problem.items("validation")
    if not (drop and items):
        return await _measure(problem, "validation", entries, measure, announce)
    others = sum(entry is not start for entry in entries)
    announce("validation", thinned_calls(others, len(items)) + len(items))
    return await thinned(entries, start, items, measure)


def _fitting(
    problem: Problem, entries: Sequence[Entry], held: Mapping[str, Evaluation], start: Entry
) -> list[Entry]:
    """Return the finalists that may win by what was measured on train and on validation."""
    if not isinstance(problem, Concludes):
        return list(entries)

    def fits(entry: Entry) -> bool:
        measured = (entry.evaluation, held.get(entry.candidate.id))
        return all(problem.fits(one) for one in measured if one is not None)

    return [entry for entry in entries if entry is start or fits(entry)]


async def _tested(
    problem: Problem,
    entries: Sequence[Entry],
    held: Mapping[str, Evaluation],
    start: Entry,
    *,
    measure: Measure,
    announce: Callable[[SplitName, int], None],
    level: float,
) -> tuple[Entry, dict[str, Evaluation], Conclusion | None, list[str]]:
    """Choose the winner and measure it and the start on test.

    Where the problem finds a winner unfit there, the next one of the finalists is taken.

    Returns:
        The winner, what was measured, the problem's own conclusion, and a note on those that were
        passed over.
    """
    left, passed = _fitting(problem, entries, held, start), 0
    tested: dict[str, Evaluation] = {}
    while True:
        best = _chosen(left, held, start)
        both = [start] if best is start else [start, best]
        finals = [entry for entry in both if entry.candidate.id not in tested]
        tested |= await _measure(problem, "test", finals, measure, announce)
        conclusion = None
        if isinstance(problem, Concludes) and tested and best is not start:
            conclusion = problem.conclusion(best.text, level)
        if conclusion is None or not conclusion.unfit:
            break
        left.remove(best)
        passed += 1
    were = "was" if passed == 1 else "were"
    note = f"{counted(passed, 'finalist')} failed on held-out items and {were} passed over."
    return best, tested, conclusion, [note] if passed else []


def _chosen(entries: Sequence[Entry], held: Mapping[str, Evaluation], start: Entry) -> Entry:
    """Return the winner: the best on train and validation together, of those measured on enough."""
    scores = pooled(entries, held)

    def order(entry: Entry) -> tuple[Any, ...]:
        key = entry.candidate.id
        return standing(held.get(key), entry, start, scores.get(key))

    return max(entries, key=order)


def _left_out(
    named: Sequence[tuple[str, Entry]],
    held: Mapping[str, Evaluation],
    tested: Mapping[str, Evaluation],
) -> list[str]:
    """Say which items stayed unmeasured for lines of the table, each solution under one name."""
    entries: dict[str, tuple[str, Entry]] = {}
    for label, entry in named:
        entries.setdefault(entry.candidate.id, (label, entry))
    train = [(label, e.evaluation) for label, e in entries.values() if e.evaluation.measured]
    return [
        *left_out("train", train),
        *left_out("validation", [(label, held.get(key)) for key, (label, _) in entries.items()]),
        *left_out("test", [(label, tested.get(key)) for key, (label, _) in entries.items()]),
    ]


async def _controls(
    problem: Problem,
    evidence: Evidence,
    tested: dict[str, Evaluation],
    measure: Measure,
    announce: Callable[[SplitName, int], None],
) -> tuple[list[tuple[str, Entry]], list[str]]:
    """Add the plain controls to what is tested; return them, and a note on what is missing."""
    found: list[tuple[str, Entry]] = []
    for label, text in evidence.controls if tested else ():
        entry = Entry(Candidate(text), Evaluation((), 0))
        if entry.candidate.id not in tested:  # it may be the start, or have won
            try:
                tested |= await _measure(problem, "test", [entry], measure, announce)
            except BudgetError as error:
                labels = [label for label, _ in evidence.controls[len(found) :]]
                return found, [without(labels, str(error))]
        found.append((label, entry))
    return found, []


def without(labels: Sequence[str], why: str) -> str:
    """Return the note that says which controls are missing, and why."""
    names = ", ".join(f'"{label}"' for label in labels)
    what = "control is" if len(labels) == 1 else "controls are"
    return f"The {what} missing: {names}; {why}."


def _questions(problem: Problem) -> dict[str, str]:
    """Return the groups of all items, whatever split they are in."""
    return groups_of([item for split in get_args(SplitName) for item in problem.items(split)])


def final_calls(problem: Problem, finalists: int, samples: int = 1) -> int:
    """Return an upper bound of the scorer calls that :func:`decide` makes.

    Args:
        problem: What is optimized.
        finalists: How many of the best on train are measured on validation.
        samples: Answers to each test item.
    """
    tested = 2 * samples * len(problem.items("test"))
    return (finalists + 1) * len(problem.items("validation")) + tested


async def _measure(
    problem: Problem,
    split: SplitName,
    entries: Sequence[Entry],
    measure: Measure,
    announce: Callable[[SplitName, int], None],
) -> dict[str, Evaluation]:
    """Measure entries on a whole split; nothing where the split is empty."""
    items = problem.items(split)
    if not items:
        return {}
    jobs = [(e.candidate, item) for e in entries for item in items]
    announce(split, len(jobs))
    outcomes = await measure(jobs)
    size = len(items)
    return {
        e.candidate.id: Evaluation(tuple(outcomes[i * size : (i + 1) * size]), size)
        for i, e in enumerate(entries)
    }


def _held(
    tested: dict[str, Evaluation],
    pair: tuple[Entry, Entry],
    shown: Presentation,
    level: float,
    groups: Mapping[str, str],
) -> Held | None:
    """Compare start and winner on the test items that were measured for both."""
    if not tested:
        return None
    first, second = (tested[entry.candidate.id] for entry in pair)
    difference = difference_of(first, second, level, groups)
    scores = [score_of(e, shown, level=level, groups=groups) for e in (first, second)]
    if difference is None or scores[0] is None or scores[1] is None:
        return None
    return Held(scores[0], scores[1], difference)
