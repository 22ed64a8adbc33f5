"""A run's progress, for displays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from llmopt.core.presentation import Presentation

if TYPE_CHECKING:
    from llmopt.core.values import Usage


@dataclass(frozen=True, slots=True)
class Amount:
    """What was spent of one thing that a budget can cap.

    Attributes:
        of: "calls", "tokens", "usd" or "seconds".
        used: How much, by this run, also before it was resumed.
        cap: How much there may be at most; None: as much as it takes.
    """

    of: str
    used: float
    cap: float | None

    @property
    def share(self) -> float:
        """The share of the cap that is used; 0 where there is no cap."""
        return self.used / self.cap if self.cap else 0.0


@dataclass
class Progress:
    """What a run is doing right now; the same object all along, changed as it goes on.

    Attributes:
        run: Name of the run.
        presentation: How the problem's scores are shown.
        phase: "starts", "asking", "scoring", "searching" (asking and scoring at once, over all
            steps), "checking" (a point of the overfitting curve),
            "validation", "test", "done"; of an evaluation, which has no steps, "evaluating" or
            "judging", and "done"; of a vault "confirming".
        step: The step being done; 0 for the starting solutions.
        steps: Steps planned.
        done: Evaluations done in this phase.
        planned: Evaluations asked for so far in this phase; a rate may ask for more later.
        ahead: About how many evaluations will follow after this phase; None: unknown.
        best: The best score so far in the problem's own direction, or None.
        best_items: Train items on which it was measured, and how many there are; where they
            differ, the best score is partial.
        best_text: The best solution so far.
        validation: The last point of the overfitting curve on validation, as `best`, or None.
        validation_items: Of that point, as `best_items`.
        candidates: Solutions measured so far.
        spent: What was used so far, by role, by this run, also before it was resumed.
        budget: The same over all roles, against the caps; dollars where there are any.
        curve: The best score after each step.
        hits: Replies that came from the store since it was started or resumed.
        retries: Attempts beyond the first ones since it was started or resumed.
        busy: Slots taken now.
        slots: Slots that may be taken now; fewer while the provider cannot keep up.
        warnings: What the user should know now, oldest first; only grows.
        stall: What is waited for while nothing is answered; empty while all is well.
    """

    run: str
    phase: str = "starts"
    step: int = 0
    steps: int = 0
    done: int = 0
    planned: int = 0
    ahead: int | None = None
    best: float | None = None
    best_items: tuple[int, int] = (0, 0)
    best_text: str = ""
    validation: float | None = None
    validation_items: tuple[int, int] = (0, 0)
    candidates: int = 0
    spent: dict[str, Usage] = field(default_factory=dict)
    budget: tuple[Amount, ...] = ()
    curve: list[float] = field(default_factory=list)
    hits: int = 0
    retries: int = 0
    busy: int = 0
    slots: int = 0
    warnings: list[str] = field(default_factory=list)
    stall: str = ""
    presentation: Presentation = field(default_factory=Presentation)


def silent(progress: Progress) -> None:
    """Show nothing."""
    del progress
