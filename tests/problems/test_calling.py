"""A function may be slow, fail or end its process; the others are measured all the same."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import own_functions
import pytest

from llmopt.core.values import Item, Outcome
from llmopt.errors import InputError
from llmopt.problems.function import FunctionProblem

VALUE = Item("value")


def problem(function: Any, **options: Any) -> FunctionProblem:
    return FunctionProblem(function, "Find it.", ["x"], **options)


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


async def measured(made: FunctionProblem, *texts: str) -> list[Outcome]:
    return list(await asyncio.gather(*(made.measure(text, VALUE, None) for text in texts)))


# -- threads --------------------------------------------------------------------------------------


async def test_a_call_that_takes_too_long_stays_unmeasured_and_holds_nobody_up() -> None:
    gate = threading.Event()

    def slow(text: str) -> float:
        return float(gate.wait(600)) if text == "slow" else 1.0

    try:
        slow_one, quick = await measured(problem(slow, timeout=0.05), "slow", "quick")
    finally:
        gate.set()
    assert (slow_one.score, slow_one.reason) == (None, "took longer than 0.05 s")
    assert quick.score == 1


async def test_a_coroutine_that_takes_too_long_is_cancelled() -> None:
    cancelled = []

    async def slow(_text: str) -> float:
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise
        return 1.0

    (outcome,) = await measured(problem(slow, timeout=0.05), "x")
    assert (outcome.reason, cancelled) == ("took longer than 0.05 s", [True])


async def test_a_timeout_of_the_functions_own_is_told_as_such() -> None:
    def own(_text: str) -> float:
        raise TimeoutError("the bench is busy")

    (outcome,) = await measured(problem(own, timeout=60), "x")
    assert outcome.reason == "TimeoutError: the bench is busy"


async def test_a_function_may_call_exit_without_ending_the_run() -> None:
    (outcome,) = await measured(problem(own_functions.whole_process), "leave")
    assert (outcome.score, outcome.reason) == (None, "SystemExit: 3")


@pytest.mark.parametrize("workers", ["thread", "process"])
async def test_whatever_is_raised_is_data(workers: str) -> None:
    """Also what is no Exception: it must not leave the call waiting for ever."""
    made = problem(own_functions.raising, workers=workers)
    names = ("GeneratorExit", "CancelledError", "Mute", "StopIteration", "SystemExit")
    outcomes = await measured(made, *names)
    assert [outcome.reason for outcome in outcomes] == list(names)
    assert all(outcome.score is None for outcome in outcomes)


async def test_a_coroutine_may_cancel_or_exit_without_ending_the_run() -> None:
    made = problem(own_functions.raising_later)
    first, second = await measured(made, "CancelledError", "SystemExit")
    assert (first.reason, second.reason) == ("CancelledError", "SystemExit")


async def test_a_run_that_is_cancelled_cancels_its_coroutines() -> None:
    begun = asyncio.Event()

    async def slow(_text: str) -> float:
        begun.set()
        await asyncio.sleep(600)
        return 1.0

    task = asyncio.ensure_future(measured(problem(slow), "x"))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_thread_that_ends_after_its_loop_is_let_go() -> None:
    gate, ended = threading.Event(), threading.Event()

    def slow(_text: str) -> float:
        gate.wait(600)
        ended.set()
        return 1.0

    asyncio.run(measured(problem(slow, timeout=0.01), "x"))
    gate.set()
    assert ended.wait(60)


# -- processes ------------------------------------------------------------------------------------


def test_processes_are_kept_replaced_and_end_with_their_problem() -> None:
    def call(made: FunctionProblem, *texts: str) -> list[Outcome]:
        async def one_by_one() -> list[Outcome]:
            return [await made.measure(text, VALUE, None) for text in texts]

        return asyncio.run(one_by_one())

    made = problem(own_functions.whole_process, workers="process", timeout=2.0)
    first, again, *bad = call(made, "x", "y", "fail", "leave", "sleep", "exit")
    assert first.score == again.score
    assert [outcome.score for outcome in bad] == [None] * 4
    assert [outcome.reason for outcome in bad] == [
        "RuntimeError: no such text",
        "SystemExit: 3",
        "took longer than 2 s",
        "the worker process ended with exit code 7",
    ]
    last, same = call(made, "z")[0].score, call(made, "z")[0].score  # in two event loops
    assert first.score is not None
    assert last is not None
    assert len({os.getpid(), int(first.score), int(last)}) == 3
    assert last == same
    assert not alive(int(first.score))
    del made
    while alive(int(last)):  # exceptions may hold frames, and a thread its call
        gc.collect()
        time.sleep(0.01)


async def test_no_more_processes_than_processors_are_begun() -> None:
    made = problem(own_functions.whole_process, workers="process")
    outcomes = await measured(made, *map(str, range(20)))
    assert all(outcome.score is not None for outcome in outcomes)
    assert len({outcome.score for outcome in outcomes}) <= len(os.sched_getaffinity(0))


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone limits all of this")


@on_linux
async def test_a_process_that_takes_too_much_is_ended_and_the_machine_goes_on() -> None:
    made = problem(own_functions.greedy, workers="process", memory=600_000_000)
    texts = ("memory", "processes", "memory of many", "good")
    memory, processes, together, good = await measured(made, *texts)
    assert good.score == 1
    assert memory.reason.startswith("MemoryError")
    assert processes.reason == "had more than 64 processes at once"
    assert together.reason == "took more memory with its processes than a worker may (memory)"


async def test_programs_of_a_function_import_as_they_do_elsewhere() -> None:
    (outcome,) = await measured(problem(own_functions.path_is_safe, workers="process"), "x")
    assert outcome.score == float("PYTHONSAFEPATH" in os.environ)


def written(path: Path, count: int) -> list[int]:
    """Return the process numbers in a file as soon as it has a number of them."""
    while not path.exists() or len(path.read_text("ascii").splitlines()) < count:
        time.sleep(0.02)
    return [int(line) for line in path.read_text("ascii").splitlines()]


def until_gone(processes: list[int]) -> None:
    """Wait until processes have ended."""
    for process in processes:
        with contextlib.suppress(OSError):
            stat = Path(f"/proc/{process}/stat")
            while stat.read_text("ascii").rpartition(")")[2].split()[0] != "Z":
                gc.collect()  # exceptions may hold frames, and a thread its call
                time.sleep(0.02)


@on_linux
@pytest.mark.parametrize("how", ["children", "children busy"])
def test_what_a_function_started_ends_with_its_process(tmp_path: Path, how: str) -> None:
    """Also what left its process group or session; when the problem goes, and after a timeout."""
    path = tmp_path / how
    made = problem(own_functions.greedy, workers="process", timeout=5.0)
    (outcome,) = asyncio.run(measured(made, f"children {path}"))
    assert (outcome.score is None) == (how == "children busy")
    processes = written(path, 4)
    del made
    until_gone(processes)


def llmopt_run(folder: Path) -> subprocess.Popen[str]:
    """Start the run of a folder's `run.toml`, whose functions are those of this folder."""
    folders = (str(Path(__file__).parent), os.environ.get("PYTHONPATH", ""))
    return subprocess.Popen(
        [sys.executable, "-m", "llmopt", "run", "run.toml", "--json", "-q", "--store", "a.sqlite"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(folders)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@on_linux
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, None])
def test_workers_and_what_they_started_end_with_llmopt_however_it_ends(
    tmp_path: Path, number: signal.Signals | None
) -> None:
    """And nothing that they print gets into the JSON document."""
    path = tmp_path / ("children busy" if number else "children")
    (tmp_path / "run.toml").write_text(
        '[problem]\nfunction = "own_functions:greedy"\n[problem.arguments]\n'
        f'describe = "a"\nseeds = ["children {path}"]\nworkers = "process"\n'
        '[optimizer]\nmodel = "scripted/llmopt.testing.scripted:answer"\n[run]\nsteps = 0\n',
        encoding="utf-8",
    )
    process = llmopt_run(tmp_path)
    processes = written(path, 4) if number else []
    if number:
        process.send_signal(number)
    out, err = process.communicate()
    until_gone(processes or written(path, 4))
    assert "printed" not in out
    assert err.count("printed by") == 2
    if number is None:
        assert json.loads(out)["run"]


@pytest.mark.parametrize("workers", ["thread", "process"])
def test_nothing_that_a_function_prints_gets_into_the_document(
    tmp_path: Path, workers: str
) -> None:
    """Neither Python's output nor that of a program, in threads of llmopt's own process too."""
    (tmp_path / "run.toml").write_text(
        '[problem]\nfunction = "own_functions:printing"\n[problem.arguments]\n'
        f'describe = "a"\nseeds = ["x"]\nworkers = "{workers}"\n'
        '[optimizer]\nmodel = "scripted/llmopt.testing.scripted:answer"\n[run]\nsteps = 0\n',
        encoding="utf-8",
    )
    done = llmopt_run(tmp_path)
    out, err = done.communicate()
    assert json.loads(out)["run"]
    assert err.count("printed by") == 2


async def test_a_worker_prints_to_standard_error_alone(capfd: pytest.CaptureFixture[str]) -> None:
    """Of a program of the user's, too, whose output may be a document."""
    made = problem(own_functions.printing, workers="process")
    [outcome] = await measured(made, "four")
    assert outcome.score == 4.0
    out, err = capfd.readouterr()
    assert (out, err.count("printed by")) == ("", 2)


async def test_a_coroutine_function_runs_in_a_process_too() -> None:
    (outcome,) = await measured(problem(own_functions.later, workers="process"), "abc")
    assert outcome.score == 3


@pytest.mark.parametrize(
    "options",
    [{"workers": "processes"}, {"timeout": 0}, {"timeout": float("inf")}, {"workers": "process"}],
)
def test_what_cannot_be_done_is_refused_at_once(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="but got"):
        problem(lambda _: time.time(), **options)
