"""Measures candidates: every (candidate, item) is a job, taken in order by a few workers.

There is no barrier between candidates: a slow reply delays its own candidate only. Jobs are
taken in the order given, candidate after candidate, so that calls with the same prefix reach
the model one after the other and its prompt cache helps.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from llmopt.core.model import noted_keys
from llmopt.core.values import Outcome, packed_keys
from llmopt.errors import StepFailedError, TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from llmopt.core.model import Model
    from llmopt.core.values import Candidate, Item


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
            above it the step stops.
        observe: Called once for every job, with its final outcome; for progress.
    """

    problem: Measures
    scorer: Model | None
    slots: int
    tolerance: float
    observe: Callable[[Outcome], None]
    _begun: int = field(default=0, init=False)
    _lost: int = field(default=0, init=False)

    def begin(self) -> None:
        """Begin a step, or what else is done in several batches: none of its jobs has failed."""
        self._begun = self._lost = 0

    async def measure(self, jobs: Sequence[tuple[Candidate, Item]]) -> list[Outcome]:
        """Return one outcome per job, in order.

        A call that fails for good after its retries leaves its item unmeasured and is tried
        once more at the end of the batch; it is never a score.

        Raises:
            StepFailedError: More jobs failed than the tolerance allows.
            RefusedError: The provider will refuse every further call.
            BudgetError: A spending limit is reached.
        """
        outcomes: list[Outcome | None] = [None] * len(jobs)
        self._begun += len(jobs)
        failed = await self._pass(jobs, range(len(jobs)), outcomes)
        if failed:
            self._lost += len(await self._pass(jobs, failed, outcomes, last=True))
        return [outcome for outcome in outcomes if outcome is not None]

    async def _pass(
        self,
        jobs: Sequence[tuple[Candidate, Item]],
        which: Sequence[int],
        outcomes: list[Outcome | None],
        *,
        last: bool = False,
    ) -> list[int]:
        """Run the jobs at these positions; return the positions that failed."""
        waiting = iter(which)
        failed: list[int] = []
        fatal: list[BaseException] = []
        most = max(1, int(self.tolerance * self._begun))
        # Any first failure of a batch is forgiven until it is tried again at the end.
        allowed = max(most - self._lost, 0 if last else 1)

        async def work() -> None:
            for at in waiting:
                if fatal:
                    return
                candidate, item = jobs[at]
                try:
                    with noted_keys() as keys:
                        outcome = await self.problem.measure(candidate.text, item, self.scorer)
                    if keys:
                        outcome = replace(outcome, calls=packed_keys(keys))
                except TransientError as error:
                    failed.append(at)
                    outcome = Outcome(item.id, None, weight=item.weight, reason=str(error))
                    if len(failed) > allowed:
                        count = self._lost + len(failed)
                        fatal.append(_too_many(count, self._begun, most, error))
                except Exception as error:  # noqa: BLE001 - raised below, once the others are done
                    fatal.append(error)
                    return
                outcomes[at] = outcome
                if last or at not in failed:
                    self.observe(outcome)

        # The first reason to stop lets what is in flight finish, so that it is stored.
        await asyncio.gather(*(work() for _ in range(min(self.slots, len(which)))))
        if fatal:
            raise fatal[0]
        return failed


def _too_many(failed: int, jobs: int, allowed: int, last: Exception) -> StepFailedError:
    """Return the error of a step; a call that was asked again says itself when to resume."""
    return StepFailedError(
        f"{failed} of {jobs} items could not be measured, but at most {allowed} may stay so, a "
        f"share that run.tolerance sets; what was paid is stored. The last failure: {last}"
    )
