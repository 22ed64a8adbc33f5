"""Workers that share a store in PostgreSQL, some of which are killed: what is paid twice, and lost.

Several commands do the parts of a sweep at once, as a job array does, against a server that is
started for it; with ``--on processes``, one command does it in as many workers. They spend one
budget. Some are killed with SIGKILL at random moments, and begun again. A tenth of the calls
fails. Each repeat demands that

- every journal is that of the unbroken sweep, which is kept in SQLite;
- no more calls are paid twice than were in flight at the killed;
- no cell is lost.

Then come trials with a budget that pays for a part of the calls: it is exceeded in none, and the
last line says in how many. With ``--outage 30``, one more repeat stops the server for as many
seconds in the midst of the sweep. ``--minutes 30`` begins no trial after so many minutes, and
``--first 40`` skips the trials before the 41st, so that a hundred can be done in several sessions.

    python benchmarks/workers.py [--workers 8] [--kills 3] [--repeats 20] [--capped 100]
        [--first 0] [--minutes 30] [--outage 30]
    python benchmarks/workers.py --repeats 0        the 100 capped trials alone
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweep_scale import workers as workers_of

from llmopt.core.values import digest
from llmopt.errors import SweepBudgetError, TransientError
from llmopt.store import open_store
from llmopt.sweeps.grid import Sweep, read_sweep
from llmopt.sweeps.swept import finished
from llmopt.testing import scripted
from llmopt.testing.temporary_postgres import running_postgres

if TYPE_CHECKING:
    from collections.abc import Callable

    from llmopt.core.store import Store
    from llmopt.core.values import Call
    from llmopt.testing.temporary_postgres import TemporaryPostgres

SLOTS = 4
LATENCY = 0.002  # seconds
FAILING = 0.1  # share of the calls that fail once
LINE = 65  # bytes of the log for each paid call
_KEYS = 5  # place of the keys of replies in a stored outcome
LOG = "LLMOPT_WORKERS_LOG"
SWEEP = f"""
[base]
problem = {{ data = "questions.csv", task = "Answer with yes or no.", sizes = [8, 6, 10] }}
scorer = {{ model = "scripted/workers:answer" }}
algorithm = {{ samples = 4 }}
run = {{ steps = 2, concurrency = {SLOTS} }}

[budget]
calls = 2000

[grid]
"problem.instructions" = [["Answer.", "Answer now."]]
"algorithm.order" = ["ascending", "descending"]
"run.seed" = [0, 1, 2, 3]
"""


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
    paid = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(paid, f"{key}\n".encode())
    finally:
        os.close(paid)
    return scripted.answer(call)


@dataclass(frozen=True)
class Place:
    """Where a sweep is done.

    Attributes:
        folder: Its file and data.
        store: Where runs are kept.
        log: Paid calls, one a line; None: nobody fails, and nothing is noted.
        calls: What the sweep may buy; None: what the budgets of its cells come to.
        outage: Stops the server for a while; None: workers are killed.
    """

    folder: Path
    store: str
    log: Path | None = None
    calls: int | None = None
    outage: Callable[[], None] | None = None

    @property
    def paid(self) -> int:
        """Calls that were paid up to now."""
        return self.log.stat().st_size // LINE if self.log and self.log.exists() else 0

    def begun(self, *more: str) -> subprocess.Popen[bytes]:
        """Begin the sweep, or a part of it."""
        paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
        variables = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        words = ["-m", "llmopt", "sweep", "cells.toml", "--store", self.store, "-q", "--json"]
        if self.calls:
            words += ["--calls", str(self.calls)]
        return subprocess.Popen(  # noqa: S603 - ours
            [sys.executable, *words, *more],
            cwd=self.folder,
            env={**variables, LOG: str(self.log)} if self.log else variables,
            stdout=subprocess.DEVNULL,
            stderr=self.folder.joinpath("said.txt").open("ab"),
        )


@dataclass
class Team:
    """The commands that do a sweep together.

    Attributes:
        place: Where it is done.
        given: What each command is given.
        killed: How many workers died.
    """

    place: Place
    given: list[list[str]]
    killed: int = 0

    def do(self, moments: list[int], chance: random.Random) -> None:
        """Do the sweep; kill a worker, or stop the server, when so many calls are paid."""
        commands = [(self.place.begun(*more), more) for more in self.given]
        waiting = sorted(moments)
        while commands:
            time.sleep(LATENCY)
            if waiting and self.place.paid >= waiting[0]:
                waiting.pop(0)
                time.sleep(chance.uniform(0, 5 * LATENCY))
                if self.place.outage:
                    self.place.outage()
                else:
                    self._kill([command.pid for command, _ in commands], chance)
            left = []
            for command, more in commands:
                code = command.poll()
                if code is None:
                    left.append((command, more))
                elif code == -signal.SIGKILL:
                    left.append((self.place.begun(*more), more))
                elif code not in (0, SweepBudgetError.exit_code):
                    raise AssertionError(self.place.folder.joinpath("said.txt").read_text("utf-8"))
            commands = left

    def _kill(self, commands: list[int], chance: random.Random) -> None:
        found = [pid for command in commands for pid in workers_of(command)] or commands
        with suppress(ProcessLookupError):
            os.kill(chance.choice(found), signal.SIGKILL)
            self.killed += 1


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
    """Write the sweep; return its journals where nothing disturbs it, and the calls it buys."""
    rows = [f"Question number {n}?,{'yes' if n % 2 else 'no'}" for n in range(40)]
    (folder / "questions.csv").write_text("\n".join(["input,target", *rows, ""]), "utf-8")
    (folder / "cells.toml").write_text(SWEEP, "utf-8")
    place = Place(folder, str(folder / "unbroken.sqlite"))
    if place.begun().wait():
        sys.exit(folder.joinpath("said.txt").read_text("utf-8"))
    with closing(open_store(place.store)) as store:
        sweep = read_sweep(folder / "cells.toml")
        bought = sum(used.calls for used in store.spent(sweep.name).values())
        return journals(store, sweep), bought


@dataclass(frozen=True)
class Outcome:
    """What a trial came to.

    Attributes:
        killed: Workers that died.
        lost: Cells that are not done.
        twice: Calls that were paid more than once.
        paid: Calls that were paid.
        same: Whether all journals are those of the unbroken sweep.
        seconds: What it took.
    """

    killed: int
    lost: int
    twice: int
    paid: int
    same: bool
    seconds: float


def tried(
    place: Place,
    wanted: dict[str, Any],
    bought: int,
    options: argparse.Namespace,
    chance: random.Random,
) -> Outcome:
    """Do the sweep once; see the top of this file."""
    count = options.workers
    given = [["--cells", f"{n}/{count}"] for n in range(1, count + 1)]
    if options.on:
        given = [["--on", options.on, "--jobs", str(count)]]
    team, calls, log = Team(place, given), place.calls, place.log
    begun, most = time.monotonic(), max(1, (calls or bought) * 3 // 4)
    kills = 1 if place.outage else options.kills
    team.do([chance.randint(1, most) for _ in range(kills)], chance)
    seconds = time.monotonic() - begun
    paid = Counter(log.read_text("utf-8").split() if log and log.exists() else ())
    sweep = read_sweep(place.folder / "cells.toml")
    with closing(open_store(place.store)) as store:
        found, done = journals(store, sweep), finished(store, sweep)
    for name, steps in wanted.items():
        if calls is None and found.get(name) != steps:
            print(f"{name}: {_difference(found.get(name, []), steps)}", flush=True)
    lost, twice = len(sweep.cells) - len(done), paid.total() - len(paid)
    return Outcome(team.killed, lost, twice, paid.total(), found == wanted, round(seconds, 1))


def capped(
    folder: Path,
    server: TemporaryPostgres,
    wanted: dict[str, Any],
    bought: int,
    options: argparse.Namespace,
) -> int:
    """Do trials with a budget that pays for a part of the calls; return in how many it failed."""
    exceeded = done = killed = 0
    until = time.monotonic() + 60 * options.minutes
    for number in range(options.first, options.capped):
        if time.monotonic() > until:
            break
        chance = random.Random(f"{options.seed} capped {number}")
        cap = chance.randint(bought // 4, bought - 1)
        place = Place(folder, server.database(), folder / f"capped-{number}.log", cap)
        one = tried(place, wanted, bought, options, chance)
        exceeded, done, killed = exceeded + (one.paid > cap), done + 1, killed + one.killed
        said = "held" if one.paid <= cap else "FAILED"
        words = f"{one.paid} paid, {one.twice} of them again, {one.lost} cells left"
        print(f"{number}: cap {cap}: {words}, {one.killed} killed  {said}", flush=True)
    if done:
        print(f"cap exceeded in {exceeded} of {done} trials, in which {killed} workers were killed")
    return exceeded


def away(server: TemporaryPostgres, seconds: float) -> None:
    """Stop the server for a while."""
    server.stop()
    time.sleep(seconds)
    server.start()


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
    parser.add_argument("--on", help="one command with its workers there, such as processes")
    parser.add_argument("--kills", type=int, default=3, help="workers that are killed")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--capped", type=int, default=100, help="trials with a small budget")
    parser.add_argument("--first", type=int, default=0, help="number of the first such trial")
    parser.add_argument("--minutes", type=float, default=600, help="after which none begins")
    parser.add_argument("--outage", type=float, default=0, help="seconds without the server")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as name, running_postgres() as server:
        folder = Path(name)
        wanted, bought = unbroken(folder)
        print(f"{len(wanted)} cells buy {bought} calls", flush=True)
        outages: list[Callable[[], None] | None] = [None] * options.repeats
        outages += [partial(away, server, options.outage)] if options.outage else []
        for number, outage in enumerate(outages):
            chance = random.Random(f"{options.seed} {number}")
            place = Place(folder, server.database(), folder / f"{number}.log", outage=outage)
            one = tried(place, wanted, bought, options, chance)
            good = one.same and not one.lost and one.twice <= one.killed * SLOTS
            failed += not good
            print(json.dumps(asdict(one)), "held" if good else "FAILED", flush=True)
        failed += capped(folder, server, wanted, bought, options)
    print("all held" if not failed else f"{failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
