"""The overfitting curve: every few steps, the best solution's score on validation.

The search goes on as if there were no such curve, except that it may be ended by it: what an
optimizer LLM is shown and what is measured on train never depend on a validation item. (OPRO,
section 5.4 of the paper, draws the same curve, every 3 steps.)
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

from llmopt.core.trajectory import rank
from llmopt.errors import ConfigError
from llmopt.evidence.result import OverfittingPoint
from llmopt.evidence.scores import LEVEL, score_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from llmopt.core.presentation import Presentation
    from llmopt.core.problem import Problem
    from llmopt.core.trajectory import Entry
    from llmopt.core.values import Evaluation
    from llmopt.engine.journal import Validation
    from llmopt.evidence.scores import Score

_ENOUGH = 2  # points after the best one before anything is said about them


class Curve:
    """The points so far, and which one comes next.

    Args:
        every: Steps from point to point, the first at the starting solutions; 0: there are none.
        block: How many steps, the last one included, a point is the best of.
    """

    def __init__(self, every: int, block: int = 1) -> None:
        self.every = every
        self._step = -1
        self._block: deque[tuple[Entry, ...]] = deque(maxlen=block)
        self._entries: dict[str, Entry] = {}
        self._found: list[tuple[Entry, Validation]] = []

    def told(self, step: int, entries: Iterable[Entry]) -> None:
        """Take in a told step."""
        self._step = step
        self._block.append(tuple(entries))
        if self.every:
            block = (entry for step in self._block for entry in step)
            self._entries = {entry.candidate.id: entry for entry in block}
        else:  # it is read from a journal
            self._entries.update((entry.candidate.id, entry) for entry in self._block[-1])

    def took(self, validation: Validation) -> None:
        """Take in a point of the last told step."""
        self._found.append((self._entries[validation.candidate], validation))

    def due(self) -> Entry | None:
        """Return what is to be measured on validation now: the best of the last, or nothing.

        Nothing is due where they found nothing new. Among equals it is the newest, as
        everywhere in a trajectory.
        """
        if not self.every or self._step < 0 or self._step % self.every:
            return None
        if self._found and self._found[-1][1].step == self._step:
            return None
        known = [e for e in self._entries.values() if e.evaluation.score is not None]
        return max(reversed(known), key=rank, default=None)

    def left(self, first: int, last: int) -> int:
        """Return how many points the steps from `first` to `last` have at most."""
        return last // self.every - (first - 1) // self.every if self.every else 0

    @property
    def last(self) -> float | None:
        """The last validation score; higher is better."""
        return self._found[-1][1].evaluation.score if self._found else None

    @property
    def evaluations(self) -> dict[str, Evaluation]:
        """What was measured on validation, by candidate."""
        return {point.candidate: point.evaluation for _, point in self._found}

    @property
    def stale(self) -> int:
        """How many validations there were since the one with the best score."""
        if not self._found:
            return 0
        scores = self._scores
        return len(scores) - 1 - scores.index(max(scores))

    @property
    def _scores(self) -> list[float]:
        found = (validation.evaluation.score for _, validation in self._found)
        return [-math.inf if score is None else score for score in found]

    def points(
        self,
        shown: Presentation,
        *,
        level: float = LEVEL,
        groups: Mapping[str, str] | None = None,
    ) -> tuple[OverfittingPoint, ...]:
        """Return the points in order.

        Args:
            shown: How the problem's scores are shown.
            level: Confidence level of their intervals.
            groups: Which group items belong to, by id; an item that is not there is its own.
        """

        def score(evaluation: Evaluation) -> Score | None:
            return score_of(evaluation, shown, level=level, groups=groups)

        return tuple(
            OverfittingPoint(
                point.step, point.candidate, score(entry.evaluation), score(point.evaluation)
            )
            for entry, point in self._found
        )

    def notes(self, shown: Presentation) -> tuple[str, ...]:
        """Say so where train still got better after validation had ceased to.

        Args:
            shown: How the problem's scores are shown.
        """
        scores = self._scores
        if self.stale < _ENOUGH:
            return ()
        at = scores.index(max(scores))
        (best, peak), *later = self._found[at:]
        entry, point = max(later, key=lambda found: found[0].score)
        gain = entry.score - best.score
        if gain <= 0:
            return ()
        held = point.evaluation.score
        fall = (
            shown.points(scores[at] - held, signed=False) if held not in (None, scores[at]) else ""
        )
        return (
            f"From step {peak.step} to step {point.step} the score on train got better by "
            f"{shown.points(gain, signed=False)}, but on validation it did not"
            + (f" ({fall} worse)" if fall else "")
            + ": so far as this is not chance, the search was fitting its training items. More "
            "of them help; so does ending earlier, with validation_patience.",
        )


def check_validation(problem: Problem, *, every: int, patience: int) -> None:
    """Refuse a curve that cannot be drawn, before anything is paid.

    Args:
        problem: What is optimized.
        every: Steps from point to point; 0: there is no curve.
        patience: Points without a better validation score after which the search ends; 0: never.

    Raises:
        ConfigError: There are no validation items, or a patience without a curve.
    """
    if patience and not every:
        raise ConfigError(
            f"validation_patience counts validations, but got {patience} and no validate_every; "
            "set validate_every, such as to 3"
        )
    if every and not problem.items("validation"):
        raise ConfigError(
            f"validate_every needs validation items, but got {every} and a problem without any; "
            "make a validation split, or set validate_every to 0"
        )


def curve_of(steps: Iterable[tuple[int, Sequence[Entry]]], found: Iterable[Validation]) -> Curve:
    """Return the curve of a run as its journal tells it."""
    made = Curve(0)
    by_step = {validation.step: validation for validation in found}
    for number, entries in steps:
        made.told(number, entries)
        if number in by_step:
            made.took(by_step[number])
    return made
