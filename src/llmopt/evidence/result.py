"""A run's result as plain values: for Python, the journal, the reports and `--json`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from llmopt.core.presentation import Presentation
from llmopt.evidence.scores import LEVEL

if TYPE_CHECKING:
    from llmopt.core.values import Candidate, Usage
    from llmopt.evidence.differences import Versus
    from llmopt.evidence.scores import Score
    from llmopt.models.middleware.traffic import Stretch
    from llmopt.statistics import Difference

BUDGET = "out of budget: "
"""How :attr:`Result.stopped` begins where a spending limit ended the search."""


@dataclass(frozen=True)
class ResultRow:
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
    """What the held-out items say; scores are in the problem's own direction.

    Attributes:
        start: The starting solution.
        best: The winner.
        difference: Winner minus start on the same items, with interval and p-value; above 0 the
            winner is better, whatever the direction.
    """

    start: Score
    best: Score
    difference: Difference


@dataclass(frozen=True)
class OverfittingPoint:
    """A point of the overfitting curve; scores are in the problem's own direction.

    Attributes:
        step: Number of the step; 0 for the starting solutions.
        candidate: Id of the step's best candidate on train.
        train: Its score on train.
        validation: Its score on validation; None where no item could be measured.
    """

    step: int
    candidate: str
    train: Score | None
    validation: Score | None


@dataclass(frozen=True)
class Result:
    """What a run found.

    Attributes:
        run: Name of the run.
        algorithm: Name of the method.
        best: The winner.
        start: The starting solution to beat.
        lines: The table: the start, the winner, the controls.
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
        curve: The overfitting curve, where it was asked for.
        comparisons: The winner against the start and each control on the test items.
        level: Confidence level of all intervals, and of the words in the verdict.
        finalists: Solutions that were compared on validation; 0: there is no such split.
        optimism: The winner's score on train minus that on test, by which the search flattered
            it; in the problem's own direction. None where it was not measured on both.
        presentation: How the problem's scores are shown.
        dropped: Parts of the start that the winner has not, as phrases: headings, placeholders,
            numbered rules, most of its words.
        usd: What was used in US dollars; None where a price is not known.
    """

    run: str
    algorithm: str
    best: Candidate
    start: Candidate
    lines: tuple[ResultRow, ...]
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
    curve: tuple[OverfittingPoint, ...] = ()
    comparisons: tuple[Versus, ...] = ()
    level: float = LEVEL
    finalists: int = 0
    optimism: float | None = None
    presentation: Presentation = field(default_factory=Presentation)
    dropped: tuple[str, ...] = ()
    usd: float | None = None

    @property
    def out_of_budget(self) -> bool:
        """Whether a spending limit ended the search; the run can then be resumed."""
        return self.stopped.startswith(BUDGET)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain data for JSON."""
        return asdict(self)
