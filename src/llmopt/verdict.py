"""From a finished search to a statement that can be trusted.

Search, selection and report use three disjoint splits: candidates are searched on train, the
winner is chosen on validation, and test is looked at once, for the winner and the start.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from llmopt.statistics import (
    Difference,
    Interval,
    bootstrap_mean,
    paired_difference,
    wilson,
)
from llmopt.trajectory import rank
from llmopt.types import Candidate, Evaluation, Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from llmopt.algorithm import Measure
    from llmopt.models.layers.traffic import Stretch
    from llmopt.problem import Problem, SplitName
    from llmopt.trajectory import Entry, Trajectory

LEVEL = 0.95
BUDGET = "out of budget: "
_SAME_ANSWER = 0.9  # a winner that answers one thing more often than this is pointed out
_FEW = 20  # fewer validation items than this are too few to choose on


@dataclass(frozen=True)
class Score:
    """A mean with its 95 % interval over `n` items."""

    mean: float
    interval: Interval
    n: int


@dataclass(frozen=True)
class Line:
    """One solution in the final table, with its score on each split where it was measured.

    Scores are in the problem's own direction.
    """

    label: str
    text: str
    train: Score | None = None
    validation: Score | None = None
    test: Score | None = None


@dataclass(frozen=True)
class Held:
    """What the held-out items say.

    Attributes:
        start: The starting solution.
        best: The winner.
        difference: Winner minus start on the same items, with interval and p-value.
    """

    start: Score
    best: Score
    difference: Difference


@dataclass(frozen=True)
class Result:
    """What a run found.

    Attributes:
        run: Name of the run.
        algorithm: Name of the method.
        best: The winner.
        start: The starting solution to beat.
        lines: The table: the start, the winner.
        test: The held-out comparison, or None where nothing is held out.
        verdict: In a sentence: better, worse, not distinguishable, or not tested.
        notes: What a careful reader should know.
        stopped: Why the search ended.
        steps: Steps done, not counting the starting solutions.
        candidates: Solutions measured.
        rejected: Counts of refused proposals by reason.
        usage: What was used, by role.
        seconds: Wall time, also of what came before the run was resumed.
        stretch: What came from the store, was asked again and was lost since the run was last
            started or resumed.
    """

    run: str
    algorithm: str
    best: Candidate
    start: Candidate
    lines: tuple[Line, ...]
    test: Held | None
    verdict: str
    notes: tuple[str, ...]
    stopped: str
    steps: int
    candidates: int
    rejected: dict[str, int]
    usage: dict[str, Usage]
    seconds: float
    stretch: Stretch

    @property
    def out_of_budget(self) -> bool:
        """Whether a spending limit ended the search; the run can then be resumed."""
        return self.stopped.startswith(BUDGET)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain data for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Choice:
    """The winner with everything measured on the way to it."""

    best: Entry
    start: Entry
    lines: tuple[Line, ...]
    test: Held | None
    verdict: str
    notes: tuple[str, ...]


async def decide(
    problem: Problem,
    trajectory: Trajectory,
    measure: Measure,
    announce: Callable[[SplitName, int], None],
    finalists: int,
) -> Choice:
    """Choose the winner and test it once against the start.

    Args:
        problem: What was optimized.
        trajectory: The finished search; its first entry is the start.
        measure: Measures jobs.
        announce: Told the split and the number of jobs before they are measured.
        finalists: How many of the best on train are measured on validation.

    Raises:
        ModelError: A call failed for good.
        BudgetError: A spending limit is reached.
    """
    start = next(iter(trajectory))
    notes: list[str] = []
    entries = _finalists(trajectory, finalists, start)
    held = await _measure(problem, "validation", entries, measure, announce)
    best = max(entries, key=lambda e: _rank(held.get(e.candidate.id), e, start))
    if held:
        if len(problem.items("validation")) < _FEW:
            notes.append(
                f"Only {len(problem.items('validation'))} validation items: the choice of the "
                "winner is hardly better than chance."
            )
    elif len(problem.items("train")) > 1:
        notes.append(
            "There is no validation split: the winner was selected on train, so its train "
            "score is flattered."
        )
    finals = [start] if best is start else [start, best]
    tested = await _measure(problem, "test", finals, measure, announce)
    lines = tuple(
        Line(
            label,
            entry.text,
            *(
                _facing(_score(found), problem)
                for found in (
                    entry.evaluation,
                    held.get(entry.candidate.id),
                    tested.get(entry.candidate.id),
                )
            ),
        )
        for label, entry in (("start", start), ("best", best))
    )
    test = _compare(tested, start, best)
    notes += _warnings(problem, tested.get(best.candidate.id) or held.get(best.candidate.id))
    notes += _unmeasured(start, tested)
    return Choice(best, start, lines, test, _sentence(test, best is start), tuple(notes))


def final_calls(problem: Problem, finalists: int) -> int:
    """Return an upper bound of the scorer calls that :func:`decide` makes."""
    return (finalists + 1) * len(problem.items("validation")) + 2 * len(problem.items("test"))


def _finalists(trajectory: Trajectory, k: int, start: Entry) -> list[Entry]:
    """Return the best on train, best first, and the start wherever it ranks."""
    found = [e for e in trajectory.best(k) if not e.evaluation.partial] or list(trajectory.best(1))
    if all(e.candidate.id != start.candidate.id for e in found):
        found.append(start)
    return [start if e.candidate.id == start.candidate.id else e for e in found]


def _rank(held: Evaluation | None, entry: Entry, start: Entry) -> tuple[Any, ...]:
    """Order by validation, then train, then *the* start, any start, the shorter text.

    On both splits a partial score never outranks a full one.
    """
    return (
        held is not None and not held.partial,
        -math.inf if held is None or held.score is None else held.score,
        (False, -1, -math.inf) if entry.evaluation.score is None else rank(entry),
        entry is start,
        entry.candidate.step == 0,
        -len(entry.text),
    )


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


def _score(evaluation: Evaluation | None) -> Score | None:
    """Return mean and interval: Wilson for equally weighted right/wrong, else bootstrap."""
    if evaluation is None or evaluation.score is None:
        return None
    pairs = [(o.score, o.weight) for o in evaluation.outcomes if o.score is not None]
    scores, weights = [s for s, _ in pairs], [w for _, w in pairs]
    if set(scores) <= {0.0, 1.0} and len(set(weights)) == 1:
        interval = wilson(sum(scores), len(scores), LEVEL)
    elif len(scores) > 1:
        interval = bootstrap_mean(scores, weights, LEVEL)
    else:  # one value of a function has no spread to speak of
        interval = Interval(scores[0], scores[0])
    return Score(evaluation.score, interval, len(scores))


def _facing(score: Score | None, problem: Problem) -> Score | None:
    """Return a score in the problem's own direction: inside, higher is always better."""
    if score is None or problem.description.higher_is_better:
        return score
    return Score(-score.mean, Interval(-score.interval.high, -score.interval.low), score.n)


def _compare(tested: dict[str, Evaluation], start: Entry, best: Entry) -> Held | None:
    """Compare start and winner on the test items that were measured for both."""
    if not tested:
        return None
    pairs = [
        (s, b)
        for s, b in zip(
            tested[start.candidate.id].outcomes, tested[best.candidate.id].outcomes, strict=True
        )
        if s.score is not None and b.score is not None
    ]
    first, second = _score(tested[start.candidate.id]), _score(tested[best.candidate.id])
    if not pairs or first is None or second is None:
        return None
    difference = paired_difference(
        [s.score for s, _ in pairs if s.score is not None],
        [b.score for _, b in pairs if b.score is not None],
        [s.weight for s, _ in pairs],
        LEVEL,
    )
    return Held(first, second, difference)


def _sentence(test: Held | None, same: bool) -> str:
    if same:
        return "No gain: nothing that was tried did better than the starting solution."
    if test is None:
        return "Not tested: nothing is held out."
    points = 100 * test.difference.mean
    if test.difference.p_value < 1 - LEVEL:
        word = "better" if points > 0 else "worse"
        return f"The winner is {word} than the start on held-out items ({points:+.1f} points)."
    return (
        f"The winner is not distinguishable from the start on {test.difference.n} held-out items "
        f"({points:+.1f} points)."
    )


def _warnings(problem: Problem, evaluation: Evaluation | None) -> list[str]:
    """Point out a winner that gives one answer nearly always though the targets do not."""
    if evaluation is None or evaluation.measured < 2:  # noqa: PLR2004 - nothing to compare
        return []
    answers = Counter(o.answer for o in evaluation.outcomes if o.score is not None)
    answer, count = answers.most_common(1)[0]
    targets = Counter(i.target for s in ("validation", "test") for i in problem.items(s))
    usual = max(targets.values()) / targets.total()
    share = count / evaluation.measured
    if share < _SAME_ANSWER or usual >= _SAME_ANSWER:
        return []
    said = "gives no readable answer" if answer is None else f"answers {answer!r}"
    return [f"The winner {said} on {share:.0%} of the items, whatever the input."]


def _unmeasured(start: Entry, tested: dict[str, Evaluation]) -> list[str]:
    notes = []
    if start.evaluation.score is None:
        reason = next((o.reason for o in start.evaluation.outcomes if o.reason), "no reason known")
        notes.append(f"The starting solution could not be measured on train: {reason}.")
    missing = sum(e.planned - e.measured for e in tested.values())
    if missing:
        words = (
            "answer stayed unmeasured and is"
            if missing == 1
            else "answers stayed unmeasured and are"
        )
        notes.append(f"{missing} test {words} left out.")
    return notes
