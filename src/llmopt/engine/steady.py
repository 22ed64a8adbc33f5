"""A search without steps: the next solution is asked for before the last ones are measured.

Several requests are open at once. Each sees the trajectory as it was when the request began, and
extends it as soon as its solutions are measured, as a step of its own. Both moments are journaled:
the request before its call is sent, and the step with the number of its request. So a run that was
killed repeats the requests that were open, from the same trajectories, and continues. The order in
which requests end depends on how fast models answer: two runs of one seed differ, but each one is
what its journal says.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from llmopt.core.part import StepContext
from llmopt.core.trajectory import OpenRequest, Trajectory
from llmopt.core.values import Rejected
from llmopt.engine.journal import REQUEST, understood
from llmopt.engine.repeated_answers import NumberedDraws
from llmopt.engine.run import Run
from llmopt.engine.scoring import Scoring, most_lost, too_many
from llmopt.engine.slots import Slots
from llmopt.errors import SlotsClosedError, StepFailedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.core.algorithm import Algorithm, Asked
    from llmopt.core.model import Model
    from llmopt.core.problem import Problem
    from llmopt.core.values import Candidate, Evaluation, Item, Outcome
    from llmopt.engine.journal import Step
    from llmopt.engine.scoring import Measures
    from llmopt.engine.session import Session

_MEMORY = 256  # evaluations that the mean time of one is about
_REQUESTS = 16  # requests that their mean time and size are about
_CAUTION = 2.0  # times what is begun while a request is asked
_MOST = 2  # steps' worth of requests that wait for the optimizer LLM at most


class _Mean:
    """The mean of the last few of many values."""

    def __init__(self, last: int, first: float) -> None:
        self.value, self._last, self._seen = first, last, 0

    def add(self, value: float) -> None:
        self._seen = min(self._seen + 1, self._last)
        self.value += (value - self.value) / self._seen


@dataclass(frozen=True)
class _Timed:
    """Measures as the problem does, and notes how long it takes."""

    problem: Measures
    seconds: _Mean

    async def measure(self, text: str, item: Item, scorer: Model | None) -> Outcome:
        began = time.monotonic()
        outcome = await self.problem.measure(text, item, scorer)
        self.seconds.add(time.monotonic() - began)
        return outcome


@dataclass(frozen=True)
class _Answer:
    """What a request led to, with an evaluation for each candidate, and how these were measured."""

    asked: Asked
    evaluations: tuple[Evaluation, ...]
    scoring: Scoring


@dataclass(frozen=True)
class _Result:
    """A request that has ended, with its answer or the error that ended it."""

    request: OpenRequest
    answer: _Answer | Exception


class SteadyRun(Run):
    """A run that keeps several requests open; its starting solutions are measured first.

    Args:
        problem: What is optimized.
        algorithm: How, with as few proposals to a request as it can do; see
            :meth:`~llmopt.core.algorithm.Algorithm.divided`.
        session: See :class:`~llmopt.engine.run.Run`.
        options: See :class:`~llmopt.engine.run.Run`; a step is a request there, and `block` says
            how many make a step of the method.
    """

    def __init__(
        self,
        problem: Problem,
        algorithm: Algorithm,
        session: Session,
        **options: Any,
    ) -> None:
        self._points: list[Trajectory] = [Trajectory()]  # as of each number of steps
        self._journaled: set[int] = set()  # numbers of requests
        super().__init__(problem, algorithm, session, **options)
        records = (record for _, record in self.store.of_kind(REQUEST, [self.name]))
        known = [
            understood(self.name, record, lambda data: OpenRequest(**data)) for record in records
        ]
        self._last = max((request.number for request in known), default=0)
        self._cut_off = deque(r for r in known if r.number not in self._journaled)
        self._slots = Slots(session.slots, self._wake)
        self._results: asyncio.Queue[_Result | None] = asyncio.Queue()
        self._open: dict[OpenRequest, asyncio.Task[None]] = {}
        self._measuring: set[str] = set()  # ids of candidates
        self._asking = 0  # requests that wait for the optimizer LLM
        self._woken = False
        # Of the last requests, how many evaluations were lost, and of how many.
        self._losses = deque[tuple[int, int]](maxlen=self.block)
        items = len(problem.items("train"))
        self._measured_in, self._asked_in = _Mean(_MEMORY, 0.0), _Mean(_REQUESTS, 0.0)
        self._size = _Mean(_REQUESTS, float(items))  # evaluations of a request

    def _took(self, after: Trajectory, step: Step) -> None:
        super()._took(after, step)
        self._points.append(after)
        if step.request:
            self._journaled.add(step.request.number)

    # -- one request ----------------------------------------------------------------------

    async def ask(self) -> Asked:
        """Ask for the next candidates; the first time, these are the starting solutions.

        Raises:
            ModelError: A call failed for good.
            BudgetError: A spending limit is reached.
        """
        if not self.trajectory.steps:
            return await super().ask()
        self._expect_step(self.trajectory.steps)
        return await self._asked(self._next())

    def _next(self) -> OpenRequest:
        """Return a request that was cut off, or else a new one, and journal that."""
        if self._cut_off:
            return self._cut_off.popleft()
        self._last += 1
        request = OpenRequest(self._last, self.trajectory.steps)
        self.store.append(self.name, REQUEST, asdict(request))
        return request

    async def _asked(self, request: OpenRequest) -> Asked:
        asked = await self.algorithm.ask(
            self.problem,
            self._points[request.seen],
            self.session.optimizer,
            self.session.seed,
            self.stop.steps,
            scorer=self._scoring.scorer,
            embedder=self.session.embedder,
            number=request.number,
        )
        new, rejected = [], list(asked.rejected)
        for candidate in asked.candidates:  # other requests may have ended since it began
            if self.trajectory.knows(candidate) or candidate.id in self._measuring:
                rejected.append(Rejected(candidate.text, "already tried", request.number))
            else:
                new.append(candidate)
        return replace(asked, candidates=tuple(new), rejected=tuple(rejected), request=request)

    async def _answered(self, request: OpenRequest) -> _Answer:
        """Ask and measure."""
        began = time.monotonic()
        try:
            asked = await self._asked(request)
        finally:
            self._asking -= 1
            self._wake()
        self._asked_in.add(time.monotonic() - began)
        self._measuring |= {candidate.id for candidate in asked.candidates}
        return await self._rated(request, asked)

    async def _rated(self, request: OpenRequest, asked: Asked) -> _Answer:
        scoring = Scoring(
            _Timed(NumberedDraws(self.problem), self._measured_in),
            self.session.scorer,
            self.session.slots,
            self.session.tolerance,
            self._watch.observed,
            self._slots,
            request.number,
        )

        async def measure(jobs: Sequence[tuple[Candidate, Item]]) -> Sequence[Outcome]:
            self._watch.planned(len(jobs))
            return await scoring.measure(jobs)

        ctx = StepContext(
            problem=self.problem,
            trajectory=self._points[request.seen],
            model=self.session.optimizer,
            step=request.number,
            steps=self.stop.steps,
            seed=self.session.seed,
            scorer=scoring.scorer,
            embedder=self.session.embedder,
        )
        items = self.problem.items("train")
        found = await self.algorithm.rate(ctx, asked.candidates, items, measure)
        self._size.add(scoring.begun)
        return _Answer(asked, found, scoring)

    async def _done(self, request: OpenRequest) -> None:
        """Answer a request, and put its result in the queue."""
        answer: _Answer | Exception
        try:
            answer = await self._answered(request)
        except Exception as error:  # noqa: BLE001 - raised when the other requests have ended
            answer = error
        self._results.put_nowait(_Result(request, answer))

    # -- all of them ----------------------------------------------------------------------

    async def _steps(self) -> str:
        if not self.trajectory.steps:
            await self.step()
        self.session.traffic.keep_back(self._kept, self._aside)
        await self.validate()
        self._watch.say(phase="searching", done=0, planned=0)
        self._slots = Slots(self.session.slots, self._wake)  # those of an earlier search are closed
        usual = self._scoring
        self._scoring = replace(usual, shared=self._slots)  # for validations
        try:
            return await self._overlapping()
        finally:
            self._scoring = usual
            for task in self._open.values():
                task.cancel()
            await asyncio.gather(*self._open.values(), return_exceptions=True)

    async def _overlapping(self) -> str:
        """Keep requests open until the run stops, and return why it did.

        Calls that were sent before are awaited in any case, and what they complete is journaled.
        """
        why, failure = self.why_stop(), None
        while True:
            if why or failure:
                self._slots.close()
            else:
                self._begin()
            if not self._open:
                break
            result = await self._results.get()
            if result is None:
                self._woken = False
                continue
            del self._open[result.request]
            try:
                await self._took_in(result.answer, last=bool(why or failure))
            except SlotsClosedError:  # it is not completely measured, so it stays open
                continue
            except Exception as error:  # noqa: BLE001 - the first is raised below
                failure = failure or error
            else:
                why = why or self.why_stop()
        if failure:
            raise failure
        return why

    async def _took_in(self, answer: _Answer | Exception, *, last: bool) -> None:
        """Journal a result, and measure on validation what is due."""
        if isinstance(answer, Exception):
            raise answer
        self._journal(answer)
        if not last:
            await self.validate()

    def _begin(self) -> None:
        """Begin requests until what is to be measured suffices for the slots."""
        while (begun := self.trajectory.steps - 1 + len(self._open)) < self.stop.steps:
            if not (self._cut_off or self._wanted()):
                break
            request = self._next()
            self._asking += 1
            self._open[request] = asyncio.ensure_future(self._done(request))
        self._watch.note(ahead=self._ahead(begun))
        coming = self._slots.queued + self._asking * self._size.value
        self.session.traffic.expect(round(coming * self._each) + self._asking)

    def _wanted(self) -> bool:
        """Return whether one more request is to begin.

        One is while slots might be idle before its reply comes: while the evaluations that wait,
        with those that the open calls will lead to, are fewer than twice those that begin in this
        time (some replies take longer). Until the first reply, it is a step's worth of requests.
        """
        if not self._open:
            return True
        asked, measured = self._asked_in.value, self._measured_in.value
        if not (asked and measured):
            return self._asking < self.block
        enough = self._slots.size * (1 + _CAUTION * asked / measured)
        self._slots.enough = math.ceil(enough - self._asking * self._size.value)
        return self._asking < _MOST * self.block and self._slots.queued < self._slots.enough

    def _wake(self) -> None:
        """Let the search look at what is to begin."""
        if not self._woken:
            self._woken = True
            self._results.put_nowait(None)

    def _journal(self, answer: _Answer) -> None:
        """Journal a result as the next step.

        Raises:
            StepFailedError: More of what the last requests measured is lost than the tolerance
                allows.
        """
        self.tell(answer.asked, answer.evaluations)
        self._measuring -= {candidate.id for candidate in answer.asked.candidates}
        scoring = answer.scoring
        self._losses.append((scoring.lost, scoring.begun))
        lost, begun = (sum(column) for column in zip(*self._losses, strict=True))
        tolerance = self.session.tolerance
        whole = len(self._losses) == self.block
        if scoring.lost and whole and lost > most_lost(begun, tolerance):
            raise StepFailedError(too_many(lost, begun, tolerance, scoring.first))

    def _check_begins(self, items: int, step: int) -> None:
        if not self._open:
            super()._check_begins(items, step)
        else:
            self._watch.planned(items)
