"""Measures candidates: every (candidate, item) is a job, taken in order by a few workers.

There is no barrier between candidates: a slow reply delays its own candidate only. Jobs are
taken in the order given, candidate after candidate, so that calls with the same prefix reach
the model one after the other and its prompt cache helps.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from llmopt.core.model import noted_keys
from llmopt.core.values import Outcome, packed_keys
from llmopt.engine.slots import Slots
from llmopt.errors import (
    BadCallError,
    LlmoptError,
    MeasureError,
    StepFailedError,
    TransientError,
    WithheldError,
)
from llmopt.problems import function_workers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from llmopt.core.model import Model
    from llmopt.core.values import Candidate, Item

_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())  # who wants the messages configures logging

_OF_AN_ITEM = (TransientError, BadCallError, MeasureError)  # the others may be measured
_ALONE = (BadCallError, WithheldError, MeasureError)  # of those, what says nothing of the endpoint
_KEPT = "what was paid is stored"
_SILENCE = 16  # failures in a row that end a step at least, because nobody answers any more


class Measures(Protocol):
    """What measures a text on an item: a problem, or something around one."""

    async def measure(self, text: str, item: Item, scorer: Model | None) -> Outcome:
        """See :meth:`llmopt.core.problem.Problem.measure`."""
        ...


@dataclass
class Scoring:
    """Measures jobs with a bounded number in flight.

    Attributes:
        problem: What is optimized, or what stands for it.
        scorer: The scorer LLM, or None where the problem needs none.
        slots: How many jobs are in flight at most.
        tolerance: Share of a step's jobs that may stay unmeasured (0..1), but one always may;
            above it the step stops. It also stops where nothing is answered any more: as many
            calls in a row as there are slots have failed, and it is no single item's fault.
        observe: Called once for every job, with its final outcome; for progress.
        shared: The slots, where several measure at once; None: as many as `slots` of its own.
        request: Number of the request whose jobs these are, where slots are shared.
        begun: How many jobs were given since :meth:`begin`.
        lost: How many of them stay unmeasured.
        first: What the first failure among them said.
    """

    problem: Measures
    scorer: Model | None
    slots: int
    tolerance: float
    observe: Callable[[Outcome], None]
    shared: Slots | None = None
    request: int = 0
    begun: int = field(default=0, init=False)
    lost: int = field(default=0, init=False)
    first: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self._turns = self.shared or Slots(self.slots)

    def begin(self) -> None:
        """Begin a step, or what else is done in several batches: none of its jobs has failed."""
        self.begun = self.lost = self._turns.failed_in_a_row = 0
        self.first = ""

    async def measure(self, jobs: Sequence[tuple[Candidate, Item]]) -> list[Outcome]:
        """Return one outcome per job, in order.

        A call that fails for good after its retries leaves its item unmeasured and is tried
        once more at the end of the batch; it is never a score. So does a call that is refused
        for what it holds, an answer that is kept back or that code of the user's fails on, and
        whatever else measuring an item raises that llmopt does not; those are not tried again.

        Raises:
            StepFailedError: More jobs failed than the tolerance allows, or no call is answered.
            RefusedError: The provider will refuse every further call.
            BudgetError: A spending limit is reached.
        """
        outcomes: list[Outcome | None] = [None] * len(jobs)
        self.begun += len(jobs)
        failed = await self._pass(jobs, range(len(jobs)), outcomes)
        if failed:
            await self._pass(jobs, failed, outcomes, last=True)
        return [outcome for outcome in outcomes if outcome is not None]

    async def _pass(
        self,
        jobs: Sequence[tuple[Candidate, Item]],
        which: Sequence[int],
        outcomes: list[Outcome | None],
        *,
        last: bool = False,
    ) -> list[int]:
        """Run the jobs at these positions; return those that are tried again."""
        waiting = iter(which)
        self._turns.queued += len(which)
        again: list[int] = []
        fatal: list[BaseException] = []

        async def work() -> None:
            for at in waiting:
                if fatal:
                    return
                candidate, item = jobs[at]
                try:
                    outcome = await self._one(candidate, item)
                    self._turns.failed_in_a_row = 0
                except Exception as error:  # noqa: BLE001 - raised below, once the others are done
                    if isinstance(error, LlmoptError) and not isinstance(error, _OF_AN_ITEM):
                        fatal.append(error)
                        return
                    outcome = Outcome(item.id, None, weight=item.weight, reason=told(error))
                    if self._is_lost(error, last=last):
                        self.lost += 1
                    else:
                        again.append(at)
                    if why := self._over(len(again), outcome.reason):
                        fatal.append(StepFailedError(why))
                outcomes[at] = outcome
                if last or at not in again:
                    self.observe(outcome)

        # The first reason to stop lets what is in flight finish, so that it is stored.
        await asyncio.gather(*(work() for _ in range(min(self.slots, len(which)))))
        if fatal:
            raise fatal[0]
        return again

    async def _one(self, candidate: Candidate, item: Item) -> Outcome:
        """Measure one job, with the keys of the replies that its outcome is made of."""
        await self._turns.take(self.request)
        try:
            with noted_keys() as keys:
                outcome = await self.problem.measure(candidate.text, item, self.scorer)
        finally:
            self._turns.free()
        return outcome.made_of(packed_keys(keys)) if keys else outcome

    def _is_lost(self, error: Exception, *, last: bool) -> bool:
        """Count a failure; return whether its job is not tried again."""
        alone = isinstance(error, _ALONE) or not isinstance(error, LlmoptError)
        self._turns.failed_in_a_row = 0 if alone else self._turns.failed_in_a_row + 1
        self.first = self.first or told(error)
        if not isinstance(error, LlmoptError):
            _log.warning("an item stays unmeasured: %s", told(error), exc_info=error)
        return last or alone

    def _over(self, again: int, reason: str) -> str:
        """Return why the step stops after a failure, or an empty text while it goes on.

        Args:
            again: How many jobs of this batch have failed and are tried again.
            reason: Of the last failure.
        """
        # Any first failure of a batch is forgiven until it is tried again at the end.
        most = most_lost(self.begun, self.tolerance)
        if self.lost > most or again > max(most - self.lost, 1):
            return too_many(self.lost + again, self.begun, self.tolerance, self.first)
        if (failed := self._turns.failed_in_a_row) > max(_SILENCE, self.slots):
            return (
                f"calls are answered, but {failed} in a row failed; {_KEPT}. The last "
                f"failure: {reason}"
            )
        return ""


def most_lost(begun: int, tolerance: float) -> int:
    """Return how many of the jobs that have begun may stay unmeasured."""
    return max(1, int(tolerance * begun))


def too_many(lost: int, begun: int, tolerance: float, first: str) -> str:
    """Return why a step stops of which more than that is lost; `first` is what failed first."""
    return (
        f"{lost} of {begun} items could not be measured, but at most {most_lost(begun, tolerance)} "
        f"may stay so, a share that run.tolerance sets; {_KEPT}. The first failure: {first}"
    )


def told(error: Exception) -> str:
    """Return what an error says, on one line; with its kind where it is none of llmopt's own."""
    if isinstance(error, LlmoptError):
        return str(error)
    return function_workers.reason_of(error)
