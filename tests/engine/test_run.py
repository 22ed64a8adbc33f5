"""A run is its journal: however it is broken off, it ends where the unbroken one ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from llmopt.algorithms.opro import opro
from llmopt.api import optimize_async, prepare
from llmopt.core.values import Evaluation, Outcome
from llmopt.engine.stop import Stop
from llmopt.errors import BudgetError, ConfigError, RefusedError, StoreError
from llmopt.models.middleware.budget import Limits
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.store import open_store
from llmopt.testing import scripted

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from llmopt.core.values import Call
    from llmopt.engine.progress import Progress
    from llmopt.engine.run import Run
    from llmopt.evidence.result import Result

STARTS = 2 * 12  # calls that measure both starting instructions on train


def options(folder: Path, model: ScriptedModel, **more: Any) -> dict[str, Any]:
    plain = {"name": "tried", "steps": 3, "seed": 3, "finalists": 3, "progress": False}
    plain["controls"] = ()
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


def found(result: Result) -> dict[str, Any]:
    """Everything in a result but what it took."""
    return {k: v for k, v in result.to_dict().items() if k not in ("usage", "seconds", "stretch")}


def searched(result: Result) -> dict[str, Any]:
    """Everything in it but what depends on how often the test items had been looked at.

    A resumed run may have tested another winner before.
    """
    said = ("looks", "comparisons", "verdict", "notes")
    return {k: v for k, v in found(result).items() if k not in said}


def journal(folder: Path, run: str = "tried") -> list[dict[str, Any]]:
    store = open_store(folder / "runs.sqlite")
    try:
        return [record.data for record in store.records(run) if record.kind == "step"]
    finally:
        store.close()


def best_of(run: Run) -> str:
    return run.trajectory.best(1)[0].text


# -- ask and tell ---------------------------------------------------------------------------


async def test_the_first_ask_gives_the_starts_and_costs_nothing(tmp_path: Path) -> None:
    model = scripted.model()
    async with opened(tmp_path, model) as run:
        asked = await run.ask()
    assert [c.text for c in asked.candidates] == ["Answer.", "Answer now."]
    assert [c.step for c in asked.candidates] == [0, 0]
    assert model.calls == 0


async def test_who_evaluates_elsewhere_tells_plain_numbers(tmp_path: Path) -> None:
    model = scripted.model()
    async with opened(tmp_path, model) as run:
        run.tell(await run.ask(), [0.25, 0.5])
        assert best_of(run) == "Answer now."
        asked = await run.ask()
        assert asked.candidates
        assert {c.step for c in asked.candidates} == {1}
        assert all(c.parents for c in asked.candidates)
        run.tell(asked, [0.9] + [0] * (len(asked.candidates) - 1))
        assert best_of(run) == asked.candidates[0].text
    assert model.calls == 8  # draws of the optimizer LLM and nothing else


@pytest.mark.parametrize("given", [[0.5], [0.5, float("nan")], [0.5, float("inf")]])
async def test_what_cannot_be_told_leaves_no_trace(tmp_path: Path, given: list[float]) -> None:
    async with opened(tmp_path) as run:
        asked = await run.ask()
        measured = Evaluation(tuple(Outcome(str(n), score) for n, score in enumerate(given)), 2)
        for told in (given, [measured]):
            with pytest.raises(ValueError, match=r"shorter|finite"):
                run.tell(asked, told)
        assert run.trajectory.steps == 0
        run.tell(asked, [0.5, 0.5])
    assert len(journal(tmp_path)) == 1


async def test_the_same_step_cannot_be_told_twice(tmp_path: Path) -> None:
    async with opened(tmp_path) as run:
        asked = await run.ask()
        run.tell(asked, [0.5, 0.5])
        with pytest.raises(ValueError, match="already"):
            run.tell(asked, [0.5, 0.5])
        assert len(run.trajectory) == 2
    assert len(journal(tmp_path)) == 1


async def test_a_refused_ask_leaves_the_journal_as_it_was_and_the_run_resumable(
    tmp_path: Path,
) -> None:
    expected = await ran(tmp_path / "whole")
    broken = [True]

    def answer(call: Call) -> str:
        if broken[0] and call.role == "optimizer":
            raise RefusedError("no quota left")
        return scripted.answer(call)

    model = ScriptedModel(answer, identity="scripted/world")
    async with opened(tmp_path, model) as run:
        await run.step()
        before = journal(tmp_path)
        with pytest.raises(RefusedError, match="quota"):
            await run.ask()
        assert journal(tmp_path) == before
        assert run.trajectory.steps == 1
    broken[0] = False
    assert found(await ran(tmp_path, model)) == found(expected)


# -- where a search ends ----------------------------------------------------------------------


@pytest.mark.parametrize("steps", [0, 1, 3])
async def test_a_run_ends_after_its_steps(tmp_path: Path, steps: int) -> None:
    result = await ran(tmp_path, steps=steps)
    assert (result.steps, result.stopped) == (steps, "steps done")
    assert len(journal(tmp_path)) == steps + 1


async def test_a_run_ends_at_its_target(tmp_path: Path) -> None:
    async with opened(tmp_path, steps=9, target=0.8) as run:
        run.tell(await run.ask(), [0.5, 0.79])
        assert run.why_stop() == ""
        asked = await run.ask()
        run.tell(asked, [0.8] * len(asked.candidates))
        assert run.why_stop() == "target reached"


async def test_a_partial_score_ends_no_run_at_its_target(tmp_path: Path) -> None:
    """Half of the items, all right, may be the easy half."""
    async with opened(tmp_path, steps=9, target=0.8) as run:
        run.tell(await run.ask(), [Evaluation((Outcome("a", 1.0),), 2)] * 2)
        assert run.trajectory.best(1)[0].score >= 0.8
        assert run.why_stop() == ""
        asked = await run.ask()
        run.tell(asked, [0.8] * len(asked.candidates))
        assert run.why_stop() == "target reached"


async def test_the_time_of_a_step_is_stored_with_it(tmp_path: Path) -> None:
    """A process that is killed in a later step has not lost it."""
    async with opened(tmp_path) as run:
        before = [run.store.seconds(run.name)]
        for _ in range(3):
            await run.step()
            before.append(run.store.seconds(run.name))
    assert before[0] == 0.0
    assert before == sorted(set(before))


async def test_a_target_that_a_start_reaches_ends_the_run_before_any_step(tmp_path: Path) -> None:
    result = await ran(tmp_path, target=0.0)
    assert (result.steps, result.stopped) == (0, "target reached")


async def test_a_run_ends_when_nothing_got_better_for_its_patience(tmp_path: Path) -> None:
    """An equal score is no better one."""
    async with opened(tmp_path, steps=9, patience=2) as run:
        run.tell(await run.ask(), [0.5, 0.4])
        for score in (0.6, 0.6):
            asked = await run.ask()
            run.tell(asked, [score] * len(asked.candidates))
            assert run.why_stop() == ""
        asked = await run.ask()
        run.tell(asked, [0.1] * len(asked.candidates))
        assert run.why_stop() == "no better score in 2 steps"


async def test_patience_counts_from_the_gain_also_where_the_starts_had_no_score(
    tmp_path: Path,
) -> None:
    unmeasured = Evaluation((Outcome("told", None, reason="broken"),), 1)
    async with opened(tmp_path, steps=9, patience=1) as run:
        run.tell(await run.ask(), [unmeasured, unmeasured])
        asked = await run.ask()
        run.tell(asked, [0.1] * len(asked.candidates))
        assert run.why_stop() == ""


async def test_patience_is_the_same_after_a_replay(tmp_path: Path) -> None:
    async with opened(tmp_path, steps=9, patience=2) as run:
        for score in (0.5, 0.7, 0.3, 0.2):
            asked = await run.ask()
            run.tell(asked, [score] * len(asked.candidates))
        said = run.why_stop()
    async with opened(tmp_path, steps=9, patience=2) as run:
        assert run.why_stop() == said == "no better score in 2 steps"


def test_impossible_stops_are_refused() -> None:
    for wrong in ({"steps": -1}, {"patience": -1}):
        with pytest.raises(ConfigError, match="0"):
            Stop(**wrong)


# -- budget -----------------------------------------------------------------------------------


@pytest.mark.parametrize("calls", [7, STARTS + 5, 137, 200])
async def test_a_budget_of_calls_is_never_exceeded_and_a_larger_one_continues(
    tmp_path: Path, calls: int
) -> None:
    expected = await ran(tmp_path / "whole")
    model = scripted.model()
    try:
        result = await ran(tmp_path, model, budget=Limits(calls=calls))
    except BudgetError:
        assert calls < STARTS + 4 * 8 + 2 * 20  # too few for the starts and a verdict
        assert model.calls == 0
    else:
        assert model.calls
        assert result.out_of_budget
        assert "resume" in result.stopped
        assert result.test is not None
    assert model.calls <= calls
    again = await ran(tmp_path, model, budget=Limits(calls=10_000))
    assert searched(again) == searched(expected)
    assert again.looks is not None
    assert again.looks.earlier == again.looks.own <= 1
    assert journal(tmp_path) == journal(tmp_path / "whole")


async def test_what_was_found_before_the_budget_ended_is_still_tested(tmp_path: Path) -> None:
    """Choosing among the 3 finalists and the start, and testing, is kept back: 32 + 40 calls."""
    model = scripted.model()
    result = await ran(tmp_path, model, budget=Limits(calls=STARTS + 8 + 20 + 72))
    assert result.out_of_budget
    assert result.test is not None
    assert result.test.best.n == result.test.start.n == 20
    store = open_store(tmp_path / "runs.sqlite")
    assert store.runs()[0].status == "budget"
    store.close()


async def test_a_budget_that_suffices_changes_nothing(tmp_path: Path) -> None:
    expected = await ran(tmp_path / "whole")
    result = await ran(tmp_path, budget=Limits(calls=10_000))
    assert found(result) == found(expected)
    assert not result.out_of_budget


async def test_a_budget_counts_what_was_spent_before_the_resume(tmp_path: Path) -> None:
    model = scripted.model()
    await ran(tmp_path, model, budget=Limits(calls=137))
    paid = model.calls
    for _ in range(2):
        with contextlib.suppress(BudgetError):
            await ran(tmp_path, model, budget=Limits(calls=137))
    assert paid <= model.calls <= 137


# -- resuming and repeating -------------------------------------------------------------------


async def test_a_finished_run_opened_again_pays_nothing_and_says_the_same(tmp_path: Path) -> None:
    model = scripted.model()
    first = await ran(tmp_path, model)
    paid = model.calls
    again = await ran(tmp_path, model)
    assert model.calls == paid
    assert found(again) == found(first)
    assert again.usage == first.usage
    assert again.usage["scorer"].calls + again.usage["optimizer"].calls == paid


async def test_the_trajectory_is_the_same_after_a_replay(tmp_path: Path) -> None:
    async with opened(tmp_path) as run:
        for _ in range(3):
            await run.step()
        before, counts, curve = run.trajectory, run.rejected, run.progress.curve
    async with opened(tmp_path) as run:
        assert list(run.trajectory) == list(before)
        assert run.trajectory.steps == before.steps
        assert run.trajectory.best(99) == before.best(99)
        assert run.trajectory.misses() == before.misses()
        assert run.rejected == counts
        assert run.progress.curve == curve


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"seed": 4}, "seed"),
        ({"algorithm": "ape"}, "algorithm"),
        ({"optimizer": ScriptedModel(scripted.answer, identity="other")}, "optimizer"),
    ],
)
async def test_a_run_is_not_continued_with_another_configuration(
    tmp_path: Path, changed: dict[str, Any], named: str
) -> None:
    await ran(tmp_path, steps=1)
    before = journal(tmp_path)
    with pytest.raises(StoreError, match=rf"'tried'.*{named}.*changed.*another name"):
        await ran(tmp_path, **changed)
    assert journal(tmp_path) == before


async def test_a_run_is_not_continued_with_another_problem(tmp_path: Path) -> None:
    await ran(tmp_path, steps=1)
    model = scripted.model()
    other = replace(scripted.problem(41), scorer=model, task="Say yes or no.")
    with pytest.raises(StoreError, match=r"problem task.*problem train"):
        await optimize_async(other, **options(tmp_path, model))
    assert model.calls == 0


async def test_more_steps_continue_a_finished_run(tmp_path: Path) -> None:
    await ran(tmp_path, steps=1)
    result = await ran(tmp_path, steps=3)
    assert searched(result) == searched(await ran(tmp_path / "whole", steps=3))


async def test_the_same_seed_gives_the_same_journal_and_another_seed_another(
    tmp_path: Path,
) -> None:
    for folder, seed in (("a", 3), ("b", 3), ("c", 4)):
        await ran(tmp_path / folder, seed=seed)
    assert journal(tmp_path / "a") == journal(tmp_path / "b")
    assert journal(tmp_path / "a") != journal(tmp_path / "c")


async def test_runs_in_one_store_share_scorer_replies_but_not_optimizer_draws(
    tmp_path: Path,
) -> None:
    asked: list[Call] = []

    def answer(call: Call) -> str:
        asked.append(call)
        return scripted.answer(call)

    model = ScriptedModel(answer, identity="scripted/world")
    method = opro(exemplars=0)  # so that the first meta-prompts of both are equal
    await ran(tmp_path, model, name="first", seed=1, algorithm=method)
    paid = len(asked)
    await ran(tmp_path, model, name="second", seed=2, algorithm=method)
    second = asked[paid:]
    assert not any(c.role == "scorer" and c.text.startswith("Answer.\n") for c in second)
    draws = [{key for step in journal(tmp_path, run) for key in step["calls"]} for run in
             ("first", "second")]  # fmt: skip
    assert not draws[0] & draws[1]
    assert sum(c.role == "optimizer" for c in second) == len(draws[1]) == 3 * 8


async def test_a_run_that_is_being_done_is_not_done_twice(tmp_path: Path) -> None:
    async with opened(tmp_path):
        with pytest.raises(StoreError, match="tried"):
            await ran(tmp_path)


# -- progress ---------------------------------------------------------------------------------


async def test_progress_never_promises_less_than_is_done(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []

    def listen(progress: Progress) -> None:
        seen.append((progress.phase, progress.done, progress.planned))

    await ran(tmp_path, progress=listen)
    assert [phase for i, (phase, _, _) in enumerate(seen) if i == 0 or seen[i - 1][0] != phase] == [
        "starts", *("asking", "scoring") * 3, "validation", "test", "done"
    ]  # fmt: skip
    assert all(done <= planned for _, done, planned in seen)


# -- other processes --------------------------------------------------------------------------

CHILD = """
import os, signal, sys
from dataclasses import replace
import llmopt
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.testing import scripted

folder, die_after = sys.argv[1], int(sys.argv[2])
log = os.open(folder + "/asked", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

class Slow(ScriptedModel):
    async def complete(self, call):
        os.write(log, call.key(self.identity).encode() + b"\\n")
        if os.fstat(log).st_size >= 65 * die_after:
            os.kill(os.getpid(), signal.SIGKILL)
        return await super().complete(call)

model = Slow(scripted.answer, identity="scripted/world", latency=0.001)
llmopt.optimize(
    replace(scripted.problem(), scorer=model), store=folder + "/runs.sqlite", name="tried",
    steps=3, seed=3, finalists=3, progress=False, optimizer=model, concurrency=8, controls=(),
)
"""


def child(folder: Path, die_after: int, **environment: str) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder), str(die_after)],
        env={**os.environ, **environment},
        stderr=subprocess.PIPE,
        text=True,
    )


async def test_a_killed_run_ends_as_the_unbroken_one(tmp_path: Path) -> None:
    """Killed at one and at two thirds of its calls; only what was in flight is asked again."""
    whole = scripted.model()
    expected = await ran(tmp_path / "whole", whole, concurrency=8)
    for third in (1, 2):
        process = child(tmp_path, whole.calls * third // 3)
        _, said = process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL, said
    asked = (tmp_path / "asked").read_text().split()
    assert len(asked) == whole.calls * 2 // 3
    rest: list[str] = []

    def answer(call: Call) -> str:
        rest.append(call.key("scripted/world"))
        return scripted.answer(call)

    resumed = await ran(tmp_path, ScriptedModel(answer, identity="scripted/world"), concurrency=8)
    assert found(resumed) == found(expected)
    assert resumed.usage == expected.usage
    assert journal(tmp_path) == journal(tmp_path / "whole")
    # Two kills; as many draws in a step as calls in flight, so never more than 8 on their way.
    assert len(asked + rest) - len({*asked, *rest}) <= 2 * 8
    assert len({*asked, *rest}) == whole.calls


def test_the_hash_seed_of_the_process_decides_nothing(tmp_path: Path) -> None:
    """O21."""
    processes = {seed: child(tmp_path / seed, 10**6, PYTHONHASHSEED=seed) for seed in ("1", "2")}
    for process in processes.values():
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
    assert journal(tmp_path / "1") == journal(tmp_path / "2")
