"""Jobs are measured side by side, in order, and a failed call is never a score."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmopt.core.values import Candidate, Item, Outcome
from llmopt.engine.scoring import Scoring
from llmopt.errors import (
    BadCallError,
    BudgetError,
    MeasureError,
    RefusedError,
    StepFailedError,
    TransientError,
    WithheldError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from llmopt.errors import LlmoptError

    Job = tuple[Candidate, Item]


class Desk:
    """A problem that knows what it is measuring; `fail` says what goes wrong with a job."""

    def __init__(self, fail: Callable[[str, int], LlmoptError | None] | None = None) -> None:
        self.fail = fail or (lambda _job, _attempt: None)
        self.started: list[str] = []
        self.finished: list[str] = []
        self.most = 0
        self.gates: dict[str, asyncio.Event] = {}

    async def measure(self, text: str, item: Item, scorer: object) -> Outcome:
        del scorer
        job = f"{text}{item.id}"
        self.started.append(job)
        self.most = max(self.most, len(self.started) - len(self.finished))
        try:
            if job in self.gates:
                await self.gates[job].wait()
            else:
                await asyncio.sleep(0)
            error = self.fail(job, self.started.count(job))
            if error:
                raise error
        finally:
            self.finished.append(job)
        return Outcome(item.id, 0.5, text, item.weight)


def jobs(candidates: str, items: int) -> list[Job]:
    things = [Item(str(n), weight=2.0) for n in range(items)]
    return [(Candidate(name), item) for name in candidates for item in things]


def scoring(
    desk: Desk, slots: int = 4, tolerance: float = 0.0, seen: list[Outcome] | None = None
) -> Scoring:
    problem: Any = desk
    return Scoring(problem, None, slots, tolerance, ([] if seen is None else seen).append)


def once(*failing: str) -> Callable[[str, int], LlmoptError | None]:
    return lambda job, attempt: TransientError("busy") if job in failing and attempt == 1 else None


def always(*failing: str) -> Callable[[str, int], LlmoptError | None]:
    return lambda job, _attempt: TransientError("busy") if job in failing else None


async def turns() -> None:
    """Let everything run that can run without an event being set."""
    for _ in range(100):
        await asyncio.sleep(0)


@given(st.integers(1, 9), st.integers(1, 4), st.integers(1, 7))
def test_at_most_slots_are_in_flight_and_outcomes_keep_the_order_of_the_jobs(
    slots: int, candidates: int, items: int
) -> None:
    desk = Desk()
    work = jobs("abcd"[:candidates], items)
    outcomes = asyncio.run(scoring(desk, slots).measure(work))
    assert [(o.answer, o.item) for o in outcomes] == [(c.text, i.id) for c, i in work]
    assert desk.most == min(slots, len(work))
    assert desk.started == [f"{c.text}{i.id}" for c, i in work]


async def test_without_jobs_nothing_happens() -> None:
    assert await scoring(Desk()).measure([]) == []


async def test_a_slow_job_delays_no_other() -> None:
    desk = Desk()
    desk.gates["a0"] = asyncio.Event()
    task = asyncio.ensure_future(scoring(desk, slots=2).measure(jobs("abc", 3)))
    await turns()
    assert len(desk.finished) == 8
    assert not task.done()
    desk.gates["a0"].set()
    assert [o.answer for o in await task] == list("aaabbbccc")


async def test_a_transient_failure_is_tried_once_more_at_the_end() -> None:
    desk = Desk(once("a1"))
    outcomes = await scoring(desk, slots=1).measure(jobs("ab", 3))
    assert desk.started == ["a0", "a1", "a2", "b0", "b1", "b2", "a1"]
    assert all(o.score == 0.5 for o in outcomes)


async def test_what_fails_again_stays_unmeasured_with_its_reason_and_is_never_zero() -> None:
    desk = Desk(always("a1"))
    outcomes = await scoring(desk).measure(jobs("ab", 3))
    assert outcomes[1] == Outcome("1", None, None, 2.0, "busy")
    assert [o.score for o in outcomes] == [0.5, None, 0.5, 0.5, 0.5, 0.5]
    assert desk.started.count("a1") == 2


async def test_every_job_is_observed_once_with_its_final_outcome() -> None:
    seen: list[Outcome] = []
    desk = Desk(lambda job, n: once("a1")(job, n) or always("b2")(job, n))
    outcomes = await scoring(desk, tolerance=0.5, seen=seen).measure(jobs("ab", 3))
    assert len(seen) == len(outcomes)
    assert sorted(map(repr, seen)) == sorted(map(repr, outcomes))


async def test_above_the_tolerance_the_step_fails_after_those_in_flight_finished() -> None:
    desk = Desk(always("a0", "a1", "a2"))
    desk.gates["a3"] = asyncio.Event()
    task = asyncio.ensure_future(scoring(desk, slots=4, tolerance=0.1).measure(jobs("ab", 10)))
    await turns()
    assert not task.done()
    assert len(desk.started) < 20  # no new jobs are taken
    desk.gates["a3"].set()
    with pytest.raises(StepFailedError) as caught:
        await task
    assert str(caught.value) == (
        "3 of 20 items could not be measured, but at most 2 may stay so, a share that "
        "run.tolerance sets; what was paid is stored. The first failure: busy"
    )
    assert sorted(desk.started) == sorted(desk.finished)
    assert "a3" in desk.finished


async def test_what_concerns_one_item_alone_is_not_tried_again() -> None:
    for error in (BadCallError("too long"), WithheldError("kept"), MeasureError("odd")):
        desk = Desk(lambda job, _n, error=error: error if job == "a1" else None)  # type: ignore[misc]
        outcomes = await scoring(desk).measure(jobs("a", 3))
        assert outcomes[1] == Outcome("1", None, None, 2.0, str(error))
        assert desk.started.count("a1") == 1


async def test_whatever_a_problem_raises_leaves_its_item_unmeasured() -> None:
    class Odd(Desk):
        async def measure(self, text: str, item: Item, scorer: object) -> Outcome:
            if item.id == "1":
                raise LookupError("not there")
            return await super().measure(text, item, scorer)

    outcomes = await scoring(Odd()).measure(jobs("a", 3))
    assert outcomes[1].reason == "LookupError: not there"
    with pytest.raises(StepFailedError, match="LookupError: not there"):
        await scoring(Odd()).measure([(Candidate("a"), Item("1"))] * 3)


async def test_where_nobody_answers_any_more_the_step_ends_before_most_has_failed() -> None:
    desk = Desk(lambda job, _n: TransientError("down") if int(job[1:]) >= 50 else None)
    with pytest.raises(StepFailedError, match=r"17 in a row failed; .* failure: down"):
        await scoring(desk, slots=1, tolerance=0.9).measure(jobs("a", 100))
    assert len(desk.started) == 50 + 17


async def test_bad_items_in_a_row_are_not_taken_for_an_endpoint_that_is_down() -> None:
    desk = Desk(lambda job, _n: BadCallError("too long") if int(job[1:]) >= 50 else None)
    outcomes = await scoring(desk, slots=1, tolerance=0.9).measure(jobs("a", 100))
    assert [o.score for o in outcomes].count(None) == 50


async def test_up_to_the_tolerance_the_step_goes_on() -> None:
    outcomes = await scoring(Desk(always("a0", "b1")), tolerance=0.1).measure(jobs("ab", 10))
    assert [o.score for o in outcomes].count(None) == 2


async def test_the_tolerance_is_that_of_the_whole_step() -> None:
    """Batches share it, so that looking in small portions forgives no more; a new step begins
    anew, and a call that works when it is tried again takes nothing of it."""
    desk = Desk(lambda job, n: always("a0", "b0")(job, n) or once("c0")(job, n))
    measuring = scoring(desk, tolerance=0.05)
    assert [o.score for o in await measuring.measure(jobs("a", 10))].count(None) == 1
    assert [o.score for o in await measuring.measure(jobs("c", 10))].count(None) == 0
    with pytest.raises(StepFailedError, match=r"2 of 30 items .* at most 1 may"):
        await measuring.measure(jobs("b", 10))
    measuring.begin()
    assert [o.score for o in await measuring.measure(jobs("b", 10))].count(None) == 1


@pytest.mark.parametrize("error", [RefusedError("wrong key"), BudgetError("spent")])
async def test_a_final_refusal_takes_no_new_job_and_lets_those_in_flight_finish(
    error: LlmoptError,
) -> None:
    desk = Desk(lambda job, _attempt: error if job == "a1" else None)
    desk.gates["a0"] = asyncio.Event()
    task = asyncio.ensure_future(scoring(desk, slots=3).measure(jobs("abc", 10)))
    await turns()
    assert not task.done()
    desk.gates["a0"].set()
    with pytest.raises(type(error), match=str(error)):
        await task
    assert len(desk.started) <= 6
    assert sorted(desk.started) == sorted(desk.finished)


async def test_cancelling_leaves_nothing_running() -> None:
    desk = Desk()
    desk.gates["a0"] = desk.gates["a1"] = asyncio.Event()
    task = asyncio.ensure_future(scoring(desk, slots=2).measure(jobs("a", 5)))
    await turns()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await turns()
    assert sorted(desk.started) == sorted(desk.finished) == ["a0", "a1"]
