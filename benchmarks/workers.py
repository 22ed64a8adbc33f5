"""Workers that share a store in PostgreSQL, some of which are killed: what is paid twice, and lost.

Several processes do the cells of a sweep against a server that is started for it, and spend one
budget. Some are killed with SIGKILL at random moments; their cells go on in new processes. A
tenth of the calls fails. Each repeat demands that

- every journal is that of the unbroken sweep, which is kept in SQLite;
- no more calls are paid twice than were in flight at the killed;
- no cell is lost.

Then come trials with a budget that pays for a part of the calls: it is exceeded in none.

    python benchmarks/workers.py [--workers 8] [--kills 3] [--repeats 20] [--capped 100]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from random import Random
from typing import TYPE_CHECKING, Any

from llmopt.core.values import digest
from llmopt.errors import BudgetError, LlmoptError, TransientError
from llmopt.evidence.sweep_summary import CELL
from llmopt.store import open_store
from llmopt.store.postgres.postgres_store import PostgresStore
from llmopt.sweeps.cell import done_cell
from llmopt.sweeps.grid import Sweep, sweep_of
from llmopt.sweeps.joint_budget import joint_traffic
from llmopt.sweeps.shared_models import BuiltModels, Pool
from llmopt.testing import scripted
from llmopt.testing.temporary_postgres import TemporaryPostgres, running_postgres

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from llmopt.core.store import Store
    from llmopt.core.values import Call

SLOTS = 4
LEASE = 3.0  # seconds; a killed worker's claims are free after these
LATENCY = 0.002  # seconds
FAILING = 0.1  # share of the calls that fail once
LINE = 65  # bytes of the log for each paid call
_KEYS = 5  # place of the keys of replies in a stored outcome
LOG = "LLMOPT_WORKERS_LOG"
SEEDS = 3


def answer(call: Call) -> str:
    """Answer as the scripted world does, and note the payment; a tenth of the calls fails once."""
    key = call.key("")
    log = os.environ.get(LOG)
    if log is None:
        return scripted.answer(call)
    time.sleep(LATENCY)
    with Path(f"{log}.tried").open("a+", encoding="utf-8") as file:
        file.seek(0)
        fails = int(digest(key)[:8], 16) < FAILING * 2**32 and key not in file.read()
        if fails:
            file.write(f"{key}\n")
    if fails:
        raise TransientError("overloaded")
    line = f"{key}\n".encode()
    paid = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(paid, line)
    finally:
        os.close(paid)
    return scripted.answer(call)


def sweep_in(folder: Path) -> Sweep:
    """Return a sweep of a few cells on data that is written to a folder."""
    rows = [f"Question number {n}?,{'yes' if n % 2 else 'no'}" for n in range(40)]
    (folder / "questions.csv").write_text("\n".join(["input,target", *rows, ""]), encoding="utf-8")
    base = {
        "problem": {
            "data": "questions.csv",
            "task": "Answer with yes or no.",
            "instructions": ["Answer.", "Answer now."],
            "sizes": [8, 6, 10],
        },
        "scorer": {"model": "scripted/workers:answer"},
        "algorithm": {"samples": 4},
        "run": {"steps": 2, "concurrency": SLOTS},
        "budget": {"calls": 2000},
    }
    grid = {"algorithm.order": ["ascending", "descending"], "run.seed": list(range(SEEDS))}
    return sweep_of({"base": base, "grid": grid}, "cells", folder, (), name="cells")


def serve(url: str, folder: str, log: str, calls: int | None, pipe: Connection) -> None:
    """Do the cells whose numbers come in, and tell of each how it ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ[LOG] = log
    os.chdir(folder)
    sweep = sweep_in(Path(folder))
    with (
        contextlib.suppress(EOFError),
        asyncio.Runner() as runner,
        closing(PostgresStore(url, lease=LEASE)) as store,
    ):
        traffic = joint_traffic(store, sweep, calls)
        built = BuiltModels(quiet=True)
        pool = Pool(store.replies(sweep.name), built, traffic=traffic)
        try:
            while (number := pipe.recv()) is not None:
                cell = sweep.cells[number]
                try:
                    done = runner.run(done_cell(sweep.name, cell, store, pool, None))
                    store.append(sweep.name, CELL, asdict(done))
                    pipe.send("done")
                except LlmoptError as error:
                    pipe.send("budget" if isinstance(error, BudgetError) else repr(error))
        finally:
            runner.run(pool.aclose())
            runner.run(built.close())


@dataclass
class Work:
    """The cells that are to be done, and the processes that do them.

    Attributes:
        given: What :func:`serve` is given, but for its pipe.
        cells: Numbers of those that are waiting.
        ended: How those that are over have ended.
        busy: The processes at work on a cell.
        killed: How many died.
    """

    given: tuple[str, str, str, int | None]
    cells: SimpleQueue[int]
    ended: dict[int, str]
    busy: list[Any]
    killed: int = 0

    def do(self, workers: int, moments: list[int], random: Random) -> None:
        """Do all cells in several processes; kill one each time that so many calls are paid."""
        threads = [threading.Thread(target=self._lead) for _ in range(workers)]
        for thread in threads:
            thread.start()
        for paid in sorted(moments):
            while self.paid < paid and any(thread.is_alive() for thread in threads):
                time.sleep(LATENCY)
            time.sleep(random.uniform(0, 5 * LATENCY))
            if busy := list(self.busy):
                os.kill(random.choice(busy).pid, signal.SIGKILL)
        for thread in threads:
            thread.join()

    @property
    def paid(self) -> int:
        """Calls that were paid up to now."""
        log = Path(self.given[2])
        return log.stat().st_size // LINE if log.exists() else 0

    def _lead(self) -> None:
        """Hand cells to a process, and to another one where it dies."""
        process, pipe = self._started()
        while True:
            try:
                number = self.cells.get_nowait()
            except Empty:
                break
            self.busy.append(process)
            try:
                pipe.send(number)
                self.ended[number] = pipe.recv()
            except (EOFError, OSError):
                self.killed += 1
                self.cells.put(number)
                process.join()
            self.busy.remove(process)
            if process.exitcode is not None:
                process, pipe = self._started()
        with contextlib.suppress(OSError):
            pipe.send(None)
        process.join()

    def _started(self) -> tuple[Any, Connection]:
        fresh = multiprocessing.get_context("spawn")
        pipe, theirs = fresh.Pipe()
        process = fresh.Process(target=serve, args=(*self.given, theirs), daemon=True)
        process.start()
        theirs.close()
        return process, pipe


def journals(store: Store, sweep: Sweep) -> dict[str, list[dict[str, Any]]]:
    """Return the steps of all cells, without the keys of replies.

    Their order may differ, and an item that is tried again names its reply twice.
    """
    names = {info.name for info in store.runs()}
    return {
        cell.name: [
            _bare(record.data) for record in store.records(cell.name) if record.kind == "step"
        ]
        for cell in sweep.cells
        if cell.name in names
    }


def _bare(step: dict[str, Any]) -> dict[str, Any]:
    """Return a step without the keys of its replies."""
    entries = [
        {**entry, "outcomes": [outcome[:_KEYS] for outcome in entry["outcomes"]]}
        for entry in step["entries"]
    ]
    return {k: v for k, v in step.items() if k not in ("calls", "seconds")} | {"entries": entries}


def unbroken(folder: Path) -> tuple[dict[str, Any], int]:
    """Return the journals of the sweep that nothing disturbs, and how many calls it buys."""

    async def work() -> int:
        sweep = sweep_in(folder)
        with closing(open_store(folder / "unbroken.sqlite")) as store:
            store.create(sweep.name, {"sweep": True, "identity": {}, "source": {}})
            built = BuiltModels(quiet=True)
            pool = Pool(store.replies(sweep.name), built)
            for cell in sweep.cells:
                await done_cell(sweep.name, cell, store, pool, None)
            await pool.aclose()
            await built.close()
            return pool.bought

    bought = asyncio.run(work())
    with closing(open_store(folder / "unbroken.sqlite")) as store:
        return journals(store, sweep_in(folder)), bought


@dataclass(frozen=True)
class Outcome:
    """What a trial came to.

    Attributes:
        lost: Cells that are not done.
        twice: Calls that were paid more than once.
        paid: Calls that were paid.
        same: Whether all journals are those of the unbroken sweep.
        killed: Workers that died.
        seconds: What it took.
    """

    killed: int
    lost: int
    twice: int
    paid: int
    same: bool
    seconds: float


def tried(
    server: TemporaryPostgres,
    folder: Path,
    wanted: dict[str, Any],
    bought: int,
    random: Random,
    *,
    workers: int,
    kills: int,
    calls: int | None = None,
) -> Outcome:
    """Do the sweep once; see the top of this file."""
    url, sweep, log = server.database(), sweep_in(folder), folder / f"{random.random()}.log"
    with closing(open_store(url)) as store:
        store.create(sweep.name, {"sweep": True, "identity": {}, "source": {}})
    cells: SimpleQueue[int] = SimpleQueue()
    for number in range(len(sweep.cells)):
        cells.put(number)
    work = Work((url, str(folder), str(log), calls), cells, {}, [])
    begun = time.monotonic()
    bound = calls or bought
    work.do(workers, [random.randint(1, max(1, bound * 3 // 4)) for _ in range(kills)], random)
    seconds = time.monotonic() - begun
    paid = Counter(log.read_text("utf-8").split()) if log.exists() else Counter()
    with closing(open_store(url)) as store:
        found = journals(store, sweep)
    same = found == wanted
    for name, steps in wanted.items():
        if calls is None and found.get(name) != steps:
            print(f"{name}: {_difference(found.get(name, []), steps)}", flush=True)
    odd = {said for said in work.ended.values() if said not in ("done", "budget")}
    if odd:
        raise AssertionError(f"a cell ended with {odd}")
    lost = sum(said != "done" for said in work.ended.values())
    lost += len(sweep.cells) - len(work.ended)
    return Outcome(work.killed, lost, paid.total() - len(paid), paid.total(), same, seconds)


def _difference(found: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> str:
    """Say where a journal differs from the unbroken one."""
    for number, (one, other) in enumerate(zip(found, wanted, strict=False), 1):
        keys = [key for key in other if one.get(key) != other[key]]
        if keys:
            pair = f"{one.get(keys[0])!r:.300} and not {other[keys[0]]!r:.300}"
            return f"step {number} has in {', '.join(keys)} {pair}"
    return f"it has {len(found)} steps and not {len(wanted)}"


def main() -> int:
    """Do the trials and print what they came to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--kills", type=int, default=3, help="workers that are killed")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--capped", type=int, default=100, help="trials with a small budget")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    failed, team = 0, {"workers": options.workers, "kills": options.kills}
    with tempfile.TemporaryDirectory() as name, running_postgres() as server:
        folder = Path(name)
        os.chdir(folder)
        wanted, bought = unbroken(folder)
        print(f"{len(wanted)} cells buy {bought} calls")
        for number in range(options.repeats):
            random = Random(f"{options.seed} {number}")
            one = tried(server, folder, wanted, bought, random, **team)
            good = one.same and not one.lost and one.twice <= one.killed * SLOTS
            failed += not good
            print(json.dumps(asdict(one)), "held" if good else "FAILED", flush=True)
        for number in range(options.capped):
            random = Random(f"{options.seed} capped {number}")
            cap = random.randint(bought // 4, bought - 1)
            one = tried(server, folder, wanted, bought, random, **team, calls=cap)
            failed += one.paid > cap
            said = "held" if one.paid <= cap else "FAILED"
            print(f"cap {cap}: {one.paid} paid, {one.lost} cells left  {said}", flush=True)
    print("all held" if not failed else f"{failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
