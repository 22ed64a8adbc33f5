"""Without steps, solutions are asked for while others are measured, and resuming goes on alike."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import closing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from llmopt.algorithms import algorithm_named
from llmopt.algorithms.opro import opro
from llmopt.algorithms.protegi import protegi
from llmopt.api import optimize_async, prepare
from llmopt.engine.journal import REQUEST, Step, steps
from llmopt.engine.slots import Slots
from llmopt.errors import (
    BadCallError,
    ConfigError,
    LlmoptError,
    RefusedError,
    SlotsClosedError,
    StepFailedError,
    StoreError,
)
from llmopt.history.document import record
from llmopt.models.middleware.budget import Limits
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.parts.propose import Generate
from llmopt.store import open_store
from llmopt.testing import scripted

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from llmopt.core.values import Call, Reply
    from llmopt.engine.progress import Progress
    from llmopt.engine.run import Run
    from llmopt.evidence.result import Result

DRAWS, STEPS = 4, 3
ALL = DRAWS * STEPS  # requests of a run


def options(folder: Path, model: ScriptedModel, **more: Any) -> dict[str, Any]:
    plain = {"name": "tried", "steps": STEPS, "seed": 3, "finalists": 3, "progress": False}
    plain |= {"controls": (), "mode": "steady", "algorithm": opro(samples=DRAWS), "concurrency": 6}
    return {"store": folder / "runs.sqlite", "optimizer": model, **plain, **more}


def opened(
    folder: Path, model: ScriptedModel | None = None, **more: Any
) -> AbstractAsyncContextManager[Run]:
    model = model or scripted.model()
    return prepare(replace(scripted.problem(), scorer=model), **options(folder, model, **more))


async def ran(folder: Path, model: ScriptedModel | None = None, **more: Any) -> Result:
    model = model or scripted.model()
    problem = replace(scripted.problem(), scorer=model)
    return await optimize_async(problem, **options(folder, model, **more))


def told(folder: Path) -> list[Step]:
    with closing(open_store(folder / "runs.sqlite")) as store:
        return list(steps(store, "tried"))


def requests(folder: Path) -> list[dict[str, Any]]:
    with closing(open_store(folder / "runs.sqlite")) as store:
        return [one.data for one in store.records("tried") if one.kind == REQUEST]


def _of_start(call: Call) -> bool:
    return any(start in call.text for start in ("Answer.", "Answer now."))


class Late(ScriptedModel):
    """Answers calls with a text in them only when `free` says so; the others at once."""

    def __init__(self, text: Callable[[Call], bool]) -> None:
        super().__init__(scripted.answer, identity="scripted/world")
        self.free = asyncio.Event()
        self._text = text

    async def complete(self, call: Call) -> Reply:
        if self._text(call):
            await self.free.wait()
        return await super().complete(call)


# -- the search ---------------------------------------------------------------------------------


async def test_each_proposal_is_a_step_of_its_own(tmp_path: Path) -> None:
    result = await ran(tmp_path)
    assert result.stopped == "steps done"
    assert result.steps == ALL
    found = told(tmp_path)
    assert [step.number for step in found] == list(range(ALL + 1))
    assert found[0].request is None
    for step in found[1:]:
        assert step.request is not None
        assert step.request.seen <= step.number
        assert len(step.entries) + len(step.rejected) == 1
        assert all(entry.candidate.step == step.number for entry in step.entries)
    numbers = [step.request.number for step in found[1:] if step.request]
    assert sorted(numbers) == list(range(1, ALL + 1))


async def test_what_is_asked_sees_what_was_told_meanwhile(tmp_path: Path) -> None:
    await ran(tmp_path)
    seen = [request["seen"] for request in requests(tmp_path)]
    assert seen == sorted(seen)
    assert seen[-1] > DRAWS


async def test_a_slow_solution_holds_nobody_up(tmp_path: Path) -> None:
    """Everything else is told before the one whose last answer comes when the others are done."""
    slow = ""

    def is_slow(call: Call) -> bool:
        nonlocal slow
        if call.role == "scorer" and not _of_start(call):
            slow = slow or call.text
        return call.text == slow

    model = Late(is_slow)

    def listen(progress: Progress) -> None:
        if progress.step == ALL - 1:
            model.free.set()

    await ran(tmp_path, model, progress=listen)
    order = [step.request.number for step in told(tmp_path)[1:] if step.request]
    assert order[-1] < ALL - DRAWS


async def test_no_more_is_under_way_than_there_are_slots(tmp_path: Path) -> None:
    busy = most = 0

    class Counting(ScriptedModel):
        async def complete(self, call: Call) -> Reply:
            nonlocal busy, most
            busy += 1
            most = max(most, busy)
            await asyncio.sleep(0)
            busy -= 1
            return await super().complete(call)

    await ran(tmp_path, Counting(scripted.answer))
    assert most == 6


async def test_what_two_requests_propose_is_measured_once(tmp_path: Path) -> None:
    measured: list[str] = []

    def same(call: Call) -> str:
        if call.role == "optimizer":
            return "<INS>Think twice.</INS>"
        measured.append(call.text)
        return scripted.answer(call)

    result = await ran(tmp_path, ScriptedModel(same))
    assert result.candidates == 3
    assert result.rejected == {"already tried": ALL - 1}
    assert len(measured) == len(set(measured))


async def test_a_point_of_the_curve_is_the_best_of_a_whole_step(tmp_path: Path) -> None:
    result = await ran(tmp_path, validate_every=1)
    assert [point.step for point in result.curve] == [0, DRAWS, 2 * DRAWS, 3 * DRAWS]
    found = told(tmp_path)
    for point in result.curve[1:]:
        block = [e for step in found[point.step - DRAWS + 1 : point.step + 1] for e in step.entries]
        best = max(entry.score for entry in block)
        assert next(e for e in block if e.candidate.id == point.candidate).score == best


async def test_progress_counts_what_is_open_and_ends_with_all_of_it(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []

    def listen(progress: Progress) -> None:
        assert progress.done <= progress.planned
        seen.append((progress.phase, progress.done, progress.planned))

    await ran(tmp_path, progress=listen, validate_every=1)
    searching = [one for one in seen if one[0] == "searching"]
    items = 12 * sum(len(step.entries) for step in told(tmp_path)[1:])
    assert searching[-1][1] >= items


async def test_readers_show_the_run_as_any_other(tmp_path: Path) -> None:
    await ran(tmp_path, validate_every=1)
    with closing(open_store(tmp_path / "runs.sqlite")) as store:
        made = record(store, "tried")
    assert len(made["steps"]) == ALL + 1
    assert len(made["curve"]) == STEPS + 1


# -- how it ends --------------------------------------------------------------------------------


async def test_a_target_ends_it_and_what_is_under_way_is_stored(tmp_path: Path) -> None:
    paid: list[str] = []

    def listen(call: Call) -> str:
        paid.append(call.key(""))
        return scripted.answer(call)

    result = await ran(tmp_path, ScriptedModel(listen, identity="scripted/world"), target=0.5)
    assert result.stopped == "target reached"
    assert len(told(tmp_path)) < ALL + 1
    again = await ran(tmp_path, ScriptedModel(listen, identity="scripted/world"), target=2.0)
    assert again.stopped == "steps done"
    assert len(paid) == len(set(paid))


async def test_patience_counts_steps_of_the_method(tmp_path: Path) -> None:
    def dull(call: Call) -> str:
        return scripted.answer(call) if call.role == "optimizer" else "no"

    result = await ran(tmp_path, ScriptedModel(dull), steps=50, patience=2)
    assert result.stopped == f"no better score in {2 * DRAWS} steps"
    # What the calls that are under way complete is journaled, too.
    assert 2 * DRAWS <= result.steps < 50 * DRAWS


async def test_a_budget_ends_it_and_a_larger_one_goes_on(tmp_path: Path) -> None:
    paid: list[str] = []

    def listen(call: Call) -> str:
        paid.append(call.key(""))
        return scripted.answer(call)

    first = await ran(
        tmp_path, ScriptedModel(listen, identity="scripted/world"), budget=Limits(calls=180)
    )
    assert first.out_of_budget
    assert 0 < first.steps < ALL
    before = told(tmp_path)
    assert len(paid) <= 180
    last = await ran(
        tmp_path, ScriptedModel(listen, identity="scripted/world"), budget=Limits(calls=10_000)
    )
    assert last.stopped == "steps done"
    assert told(tmp_path)[: len(before)] == before
    assert len(paid) == len(set(paid))


async def test_an_interrupted_run_asks_again_what_was_open_and_goes_on(tmp_path: Path) -> None:
    paid: list[str] = []

    class Listening(ScriptedModel):
        async def complete(self, call: Call) -> Reply:
            await asyncio.sleep(0.002 if call.role == "scorer" else 0.005)
            paid.append(call.key(""))
            return await super().complete(call)

    async def broken_off(after: int) -> None:
        enough = asyncio.Event()

        def listen(progress: Progress) -> None:
            if progress.step >= after:
                enough.set()

        async with opened(tmp_path, Listening(scripted.answer), progress=listen) as run:
            task = asyncio.ensure_future(run.optimize())
            await enough.wait()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    for after in (3, 8):
        await broken_off(after)
        before, asked = told(tmp_path), requests(tmp_path)
        done = {step.request.number for step in before if step.request}
        assert {request["number"] for request in asked} > done, "some were open"
    await ran(tmp_path, Listening(scripted.answer))
    assert told(tmp_path)[: len(before)] == before
    assert requests(tmp_path)[: len(asked)] == asked
    assert len(requests(tmp_path)) == ALL
    assert len(told(tmp_path)) == ALL + 1


async def test_an_optimizer_that_fails_lets_the_others_come_in(tmp_path: Path) -> None:
    asked = itertools.count()

    def failing(call: Call) -> str:
        if call.role == "optimizer" and next(asked) == DRAWS:
            raise RefusedError("switched off")
        return scripted.answer(call)

    with pytest.raises(RefusedError, match="switched off"):
        await ran(tmp_path, ScriptedModel(failing, identity="scripted/world"))
    with closing(open_store(tmp_path / "runs.sqlite")) as store:
        assert store.runs()[0].status == "failed"
    assert (await ran(tmp_path)).steps == ALL


async def test_a_tolerance_holds_over_the_requests_of_a_step(tmp_path: Path) -> None:
    """One answer of each solution may fail in any case, but not one of each of several."""
    problem = scripted.problem(sizes=(2, 0, 2))
    lost = problem.items("train")[0].input

    def failing(call: Call) -> str:
        if call.role == "scorer" and lost in call.text and not _of_start(call):
            raise BadCallError("too long")
        return scripted.answer(call)

    model = ScriptedModel(failing)
    with pytest.raises(StepFailedError, match="4 of 8 items could not be measured"):
        await optimize_async(
            replace(problem, scorer=model), **options(tmp_path, model, steps=50, tolerance=0.25)
        )
    assert len(told(tmp_path)) <= 1 + 2 * DRAWS  # others may be measured by then


# -- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gpo", "sgdm", "expo", "cma-es", "one-plus-one-es", "two-opt"])
def test_methods_that_need_whole_steps_say_so(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name}.*needs the results of a whole step"):
        algorithm_named(name).divided()


@pytest.mark.parametrize(
    "algorithm", [opro(stages=(4, 8)), opro(share=0.5), protegi()], ids=lambda a: type(a.rate)
)
def test_rates_that_compare_the_solutions_of_a_step_are_refused(algorithm: Any) -> None:
    with pytest.raises(ConfigError, match="compares those of a step"):
        algorithm.divided()


def test_solutions_of_one_reply_stay_together() -> None:
    apart, together = opro(samples=8), opro(samples=8, vary="together")
    assert isinstance(apart.propose, Generate)
    divided, each = apart.divided()
    assert (divided.propose, each) == (replace(apart.propose, samples=1), 8)
    assert together.divided() == (together, 1)


async def test_a_refused_method_costs_no_call(tmp_path: Path) -> None:
    model = scripted.model()
    with pytest.raises(ConfigError, match="set it to 'steps'"):
        await ran(tmp_path, model, algorithm="gpo")
    assert model.calls == 0


@pytest.mark.parametrize("more", [{"mode": "fast"}, {"step_deadline": 5.0}])
async def test_options_that_make_no_sense_are_refused(tmp_path: Path, more: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        await ran(tmp_path, **more)


async def test_a_run_keeps_its_mode(tmp_path: Path) -> None:
    await ran(tmp_path)
    with pytest.raises(StoreError, match="mode changed"):
        await ran(tmp_path, mode="steps")


# -- slots --------------------------------------------------------------------------------------


async def test_the_oldest_request_has_the_next_free_slot() -> None:
    slots, order = Slots(1), list[int]()
    await slots.take(9)

    async def job(request: int) -> None:
        await slots.take(request)
        order.append(request)
        slots.free()

    jobs = [asyncio.ensure_future(job(request)) for request in (5, 3, 4, 3)]
    await asyncio.sleep(0)
    slots.free()
    await asyncio.gather(*jobs)
    assert order == [3, 3, 4, 5]


async def test_closed_slots_let_no_job_begin() -> None:
    slots = Slots(1)
    await slots.take(1)
    waiting = asyncio.ensure_future(slots.take(2))
    await asyncio.sleep(0)
    slots.close()
    for job in (waiting, slots.take(3)):
        with pytest.raises(SlotsClosedError):
            await job
    assert issubclass(SlotsClosedError, LlmoptError)


async def test_a_slot_is_not_lost_with_who_waited_for_it() -> None:
    slots = Slots(1)
    await slots.take(1)
    first, second = (asyncio.ensure_future(slots.take(number)) for number in (2, 3))
    await asyncio.sleep(0)
    slots.free()
    first.cancel()
    with suppress(asyncio.CancelledError):
        await first
    await asyncio.wait_for(second, 1)
