"""Cells in processes of their own find what they find in one, and end with it."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from llmopt.config.settings import Configuration
from llmopt.errors import (
    ConfigError,
    LlmoptError,
    MissingExtraError,
    RateLimitError,
    RefusedError,
    UnknownNameError,
)
from llmopt.evidence.sweep_summary import Done
from llmopt.store import open_store
from llmopt.sweeps.executors.choice import CellPlace, executor_for
from llmopt.sweeps.executors.processes import CellProcesses, shares_of
from llmopt.sweeps.executors.protocol import Answer, CellJob, SweepWork
from llmopt.sweeps.grid import Sweep, sweep_of
from llmopt.sweeps.runner import run_sweep

if TYPE_CHECKING:
    from llmopt.sweeps.swept import Swept

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="no process gets its own cores here"
)

# A model of the user's, found in the working directory; it may be slow, fail, or kill its process.
MODEL = """
import os, pathlib, time
from llmopt.testing.scripted import answer as plain
from llmopt.errors import RefusedError

def answer(call):
    time.sleep(float(os.environ.get("DELAY", "0")))
    with pathlib.Path("seen.txt").open("a") as seen:
        seen.write(f"{os.getpid()} {sorted(os.sched_getaffinity(0))}\\n")
    if os.environ.get("FAULT") == "refused":
        raise RefusedError("no more")
    if os.environ.get("FAULT") == "bug":
        raise ZeroDivisionError("oh")
    if os.environ.get("FAULT") == "killed":
        os.kill(os.getpid(), 9)
    dead = pathlib.Path("dead.txt")
    if os.environ.get("FAULT") == "killed once" and len(seen_so_far()) > 60 and not dead.exists():
        dead.touch()
        os.kill(os.getpid(), 9)
    return plain(call)

def seen_so_far():
    return pathlib.Path("seen.txt").read_text().splitlines()
"""
SWEEP = """
[base]
problem = { data = "questions.csv", task = "Say yes or no.", instructions = ["Answer."] }
scorer = { model = "scripted/model_of_cells:answer" }

[grid]
"algorithm.order" = ["ascending", "descending"]
"run.seed" = [0, 1]
"run.steps" = [3]
"algorithm.samples" = [2]
"problem.sizes" = [[8, 4, 20]]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with data, a sweep and a model, which is the working directory."""
    rows = [f"Question number {n}?,{'yes' if n % 2 else 'no'}" for n in range(40)]
    (tmp_path / "questions.csv").write_text("\n".join(["input,target", *rows, ""]), "utf-8")
    (tmp_path / "model_of_cells.py").write_text(MODEL, "utf-8")
    (tmp_path / "sweep.toml").write_text(SWEEP, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def made(folder: Path) -> Sweep:
    import tomllib

    return sweep_of(tomllib.loads(SWEEP), "here", folder, name="orders")


def swept(folder: Path, store: str = "store.sqlite", **options: Any) -> Swept:
    options = {"store": folder / store, "progress": False, **options}
    return asyncio.run(run_sweep(made(folder), **options))


def unworded(found: Swept) -> list[Any]:
    """Return the cells without their words, which say how many had looked at the items before."""
    return [replace(cell, verdict="") for cell in found.cells]


def processes(folder: Path) -> set[str]:
    return {line.split()[0] for line in (folder / "seen.txt").read_text("utf-8").splitlines()}


def two_cores() -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("two processes share no core only where there are two")


def in_two(folder: Path, store: str = "store.sqlite") -> Swept:
    """Do the sweep in two processes, which may share a core."""
    two_cores()
    return swept(folder, store, jobs=2, apart=True)


def test_they_find_what_one_process_finds(folder: Path) -> None:
    one = swept(folder, "one.sqlite")
    (folder / "seen.txt").unlink()
    two = in_two(folder)
    assert (unworded(two), two.rows) == (unworded(one), one.rows)
    assert two.bought == one.bought, "a reply is stored once"
    seen = processes(folder)
    assert len(seen) == 2
    assert str(os.getpid()) not in seen
    cores = set((folder / "seen.txt").read_text("utf-8").splitlines())
    assert len(cores) == 2, "each process has its own cores"
    assert in_two(folder) == two, "and nothing is done again"


def test_cells_side_by_side_in_a_process_buy_each_reply_once(folder: Path) -> None:
    """Where they wait for models, a process does several; they find what they find alone."""
    one = swept(folder, "one.sqlite")
    (folder / "seen.txt").unlink()
    found = swept(folder, on="processes", jobs=1)
    assert (unworded(found), found.rows) == (unworded(one), one.rows)
    lines = (folder / "seen.txt").read_text("utf-8").splitlines()
    assert len(lines) == found.bought == one.bought
    assert len(processes(folder)) == 1


def test_all_cells_of_a_process_that_dies_continue_in_another(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = swept(folder, "one.sqlite")
    (folder / "seen.txt").unlink()
    monkeypatch.setenv("FAULT", "killed once")
    found = swept(folder, on="processes", jobs=1)
    assert (unworded(found), found.rows) == (unworded(one), one.rows)
    assert len(processes(folder)) == 2


def test_cells_whose_programs_are_timed_are_not_done_side_by_side(folder: Path) -> None:
    """Nor are those of one budget over processes."""
    sweep = made(folder)
    settings = Configuration.model_validate({"problem": {"function": "model_of_cells:answer"}})
    timed = replace(sweep, cells=(replace(sweep.cells[0], settings=settings),) * 4)
    place = CellPlace("processes", 1)
    for work, slots in (
        (SweepWork(sweep, "orders"), 4),
        (SweepWork(sweep, "orders", calls=100), 1),
        (SweepWork(timed, "orders"), 1),
    ):
        executor = executor_for(place, work, None, cells=4, local=False, quiet=True)
        assert executor is not None
        assert executor.slots == slots


def test_cores_are_shared_out() -> None:
    cores = sorted(os.sched_getaffinity(0))
    assert shares_of(1) == [cores]
    assert sorted(core for own in shares_of(len(cores)) for core in own) == cores
    with pytest.raises(ConfigError, match=f"got jobs = {len(cores) + 1} for {len(cores)}"):
        shares_of(len(cores) + 1)


def test_an_open_store_cannot_be_shared(folder: Path) -> None:
    with (
        closing(open_store(folder / "store.sqlite")) as store,
        pytest.raises(ConfigError, match="open the store by its path"),
    ):
        asyncio.run(run_sweep(made(folder), store=store, jobs=2, apart=True, progress=False))


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ("refused", RefusedError, "no more"),
        ("bug", LlmoptError, "ZeroDivisionError: oh"),
        ("killed", LlmoptError, "ended with the exit code -9 in cell"),
    ],
)
def test_a_cell_that_fails_is_told_and_the_rest_goes_on_later(
    fault: str, kind: type[Exception], words: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAULT", fault)
    with pytest.raises(kind, match=words):
        in_two(folder)
    monkeypatch.delenv("FAULT")
    assert len(swept(folder).cells) == 4


@pytest.mark.parametrize(
    "error",
    [
        UnknownNameError("a colour", "rde", ["red", "blue"]),
        MissingExtraError("a local model", "local"),
        RateLimitError("slowly", 2.5),
    ],
)
def test_errors_go_from_process_to_process(error: LlmoptError) -> None:
    found = pickle.loads(pickle.dumps(error))
    assert (type(found), str(found), vars(found)) == (type(error), str(error), vars(error))


def alive(pids: set[str]) -> set[str]:
    return {pid for pid in pids if Path(f"/proc/{pid}").exists()}


def begun(folder: Path, number: int) -> subprocess.Popen[str]:
    """Begin the sweep as a command; return it when so many processes do cells."""
    two_cores()
    code = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from llmopt.sweeps.grid import read_sweep\n"
        "from llmopt.sweeps.runner import run_sweep\n"
        "if __name__ == '__main__':\n"
        "    sweep = read_sweep(Path('sweep.toml'), name='orders')\n"
        "    try:\n"
        "        asyncio.run(run_sweep(sweep, store='store.sqlite', jobs=2, apart=True))\n"
        "    except KeyboardInterrupt:\n"
        "        sys.exit(130)\n"
    )
    (folder / "script.py").write_text(code, "utf-8")
    command = subprocess.Popen(
        [sys.executable, "script.py"],
        env={**os.environ, "DELAY": "0.02", "PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not (folder / "seen.txt").exists() or len(processes(folder)) < number:
        assert command.poll() is None, command.stderr and command.stderr.read()
        time.sleep(0.05)
    return command


def test_ctrl_c_ends_all_and_the_same_sweep_goes_on(folder: Path) -> None:
    """As at a terminal, where everything that the command began gets the signal."""
    command = begun(folder, 2)
    os.killpg(command.pid, signal.SIGINT)
    _, said = command.communicate(timeout=60)
    assert command.returncode == 130
    assert "Traceback" not in said
    assert "cell 1 of 4" in said
    assert "cell 2 of 4" in said
    assert not alive(processes(folder))
    with closing(open_store(folder / "store.sqlite")) as store:
        assert {info.status for info in store.runs()} - {"done"} == {"interrupted"}
    assert swept(folder).cells == swept(folder, "one.sqlite").cells


def test_they_do_not_outlive_a_parent_that_is_killed(folder: Path) -> None:
    command = begun(folder, 2)
    command.kill()
    command.communicate(timeout=60)
    for _ in range(600):
        if not alive(processes(folder)):
            break
        time.sleep(0.05)
    assert not alive(processes(folder))
    assert swept(folder).cells == swept(folder, "one.sqlite").cells


def test_a_process_that_is_idle_ends_at_once(folder: Path) -> None:
    with closing(open_store(folder / "store.sqlite")) as store:
        store.create("orders", {"sweep": True, "identity": {}, "source": {}})
    cores = [sorted(os.sched_getaffinity(0))]
    work = SweepWork(made(folder), "orders", folder / "store.sqlite")

    async def asked() -> Answer:
        async with CellProcesses(work, cores, quiet=True) as processes:
            return await processes.answer(CellJob(0), None)

    answer = asyncio.run(asked())
    assert isinstance(answer.found, Done)
    assert answer.found.variant == "order=ascending"
    assert answer.bought["scorer"].calls > 0


def test_processes_share_a_store_in_postgresql(folder: Path, database: str) -> None:
    """As several machines would: what two workers want is bought once."""
    one = swept(folder, "one.sqlite")
    two_cores()
    found = asyncio.run(run_sweep(made(folder), store=database, progress=False, jobs=2, apart=True))
    assert (unworded(found), found.rows) == (unworded(one), one.rows)
    assert found.bought == one.bought
