"""How sweeps scale over workers, and what a store takes: figures for docs/scale.md.

    python benchmarks/sweep_scale.py [workers | bytes | rates] [--cells 1000] [--jobs 2]
        [--on processes] [--postgres]

``workers`` does a sweep of that many cells, each of about 100 calls, with ``llmopt sweep --on``
against ``mock_server.py`` in a process of its own, and prints the wall time against a floor: as
many bare processes that send the same number of requests, at the same concurrency, and store
nothing. Starting and ending is included in both. With ``--on ""`` one process does ``--jobs``
cells at once, and so the floor is one bare process. The processor time of the children is printed,
too, which depends less on what else the machine does. ``--postgres`` keeps the store on a server
that is started for it, whose own time is not counted. ``--kill 3`` kills three workers at random
times, and says whether all cells were done. ``bytes`` prints what the store of such a sweep
takes per reply and per record, by table. ``rates`` lets eight commands do the parts of the sweep on
a PostgreSQL server, against a server that answers ``--allow`` requests a minute to all of them, and
prints the share that was refused and the share of the allowed requests that were made.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
CONCURRENCY = 16
PARTS = 8
SWEEP = """
[base]
problem = {{ data = "questions.csv", task = "Say yes or no.", instructions = ["Answer."] }}
scorer = {{ model = "openai/mock", base_url = "{url}"{rate} }}
optimizer = {{ model = "openai/mock", base_url = "{url}"{rate} }}

[grid]
"run.seed" = {seeds}
"run.steps" = [2]
"run.concurrency" = [{concurrency}]
"algorithm.samples" = [4]
"problem.sizes" = [[6, 4, 10]]
"""
BARE = """
import asyncio, sys, aiohttp
url, calls, most = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
body = {"model": "mock", "messages": [{"role": "user", "content": "Answer." * 40}]}
async def main():
    left = iter(range(calls))
    async with aiohttp.ClientSession() as session:
        async def one():
            for _ in left:
                async with session.post(url + "/chat/completions", json=body) as reply:
                    await reply.json()
        await asyncio.gather(*(one() for _ in range(most)))
asyncio.run(main())
"""


@contextmanager
def server(**options: float) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Start the mock server.

    Yields:
        Its base URL, and its process.
    """
    with subprocess.Popen(  # noqa: S603 - ours
        [sys.executable, HERE / "mock_server.py", *(f"--{k}={v}" for k, v in options.items())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout  # noqa: S101 - a pipe was asked for
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1", process
        process.kill()


def prepared(folder: Path, url: str, cells: int, per_minute: int = 0) -> None:
    """Write the data and the sweep."""
    rows = [f"Question number {n}?,{'yes' if n % 2 else 'no'}" for n in range(20)]
    (folder / "questions.csv").write_text("\n".join(["input,target", *rows, ""]), "utf-8")
    rate = f", requests_per_minute = {per_minute}" if per_minute else ""
    text = SWEEP.format(url=url, seeds=list(range(cells)), concurrency=CONCURRENCY, rate=rate)
    (folder / "scale.toml").write_text(text, "utf-8")


def begun(folder: Path, store: str, *more: str) -> subprocess.Popen[str]:
    """Begin the sweep."""
    words = ["-m", "llmopt", "sweep", "scale.toml", "--store", store, "--json", "-q", *more]
    return subprocess.Popen(  # noqa: S603 - ours
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "OPENAI_API_KEY": "none"},
        stdout=subprocess.PIPE,
        text=True,
    )


def killed(command: subprocess.Popen[str], count: int) -> int:
    """Kill workers at random times until as many are dead or the sweep is done."""
    dead = 0
    while dead < count and command.poll() is None:
        time.sleep(random.uniform(0.5, 3))
        if at_work := workers(command.pid):
            os.kill(random.choice(at_work), signal.SIGKILL)
            dead += 1
    return dead


def workers(parent: int) -> list[int]:
    """Return the processes of a command that do cells."""
    found, children = [], {parent}
    for path in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        try:
            above = int((path / "stat").read_text("utf-8").rpartition(")")[2].split()[1])
            words = (path / "cmdline").read_bytes()
        except OSError:
            continue
        if above in children:
            children.add(int(path.name))
            if b"spawn_main" in words or b"ray::_work_at" in words:
                found.append(int(path.name))
    return found


def measured(
    folder: Path, options: argparse.Namespace, url: str, store: str = "store.sqlite"
) -> dict[str, Any]:
    """Do the sweep; return what it said and its seconds."""
    prepared(folder, url, options.cells)
    start = time.perf_counter()
    where = ["--on", options.on] if options.on else []
    command = begun(folder, store, "--jobs", str(options.jobs), *where)
    dead = killed(command, options.kill)
    out, _ = command.communicate()
    seconds = time.perf_counter() - start
    if command.returncode:
        sys.exit(command.returncode)
    return json.loads(out) | {"seconds": seconds, "killed": dead}


def rates(options: argparse.Namespace) -> None:
    """Do the parts of a sweep at once under one cap per minute, and print how it was kept."""
    from llmopt.testing.temporary_postgres import running_postgres

    with (
        tempfile.TemporaryDirectory() as name,
        running_postgres() as database,
        server(latency=options.latency, allow=options.allow) as (url, process),
    ):
        folder, store = Path(name), database.database()
        prepared(folder, url, options.cells, options.allow)
        parts = [begun(folder, store, "--cells", f"{n}/{PARTS}") for n in range(1, PARTS + 1)]
        for part in parts:
            part.communicate()
        out, said = process.communicate()  # which closes its input
    arrived = sorted(at for at, _, _ in json.loads(out))
    refused, seconds = int(said), arrived[-1] - arrived[0]
    made = len(arrived) / (options.allow / 60 * seconds)
    print(f"{len(arrived):,} requests answered in {seconds:.0f} s, {made:.1%} of the allowed")
    print(f"{refused:,} refused, {refused / (refused + len(arrived)):.2%} of all")
    print(f"parts ended with {[part.returncode for part in parts]}")


def floor(url: str, calls: int, jobs: int) -> float:
    """Return the seconds of bare workers."""
    start = time.perf_counter()
    words = [sys.executable, "-c", BARE, url, str(calls // jobs), str(CONCURRENCY)]
    bare = [subprocess.Popen(words) for _ in range(jobs)]  # noqa: S603 - ours
    codes = [process.wait() for process in bare]
    if any(codes):
        sys.exit(1)
    return time.perf_counter() - start


def processor() -> float:
    """Return the seconds of processor time of the children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def sizes(path: Path) -> dict[str, tuple[int, int]]:
    """Return rows and bytes on disk of each table of a store, its indices included."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        names = [
            row[0]
            for row in connection.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            )
        ]
        found = {}
        for name in names:
            rows = connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]  # noqa: S608
            size = connection.execute(
                "SELECT sum(pgsize) FROM dbstat JOIN sqlite_schema USING (name) WHERE tbl_name = ?",
                (name,),
            ).fetchone()[0]
            found[name] = rows, size or 0
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", choices=["workers", "bytes", "rates"], default="workers")
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--on", default="processes")
    parser.add_argument("--postgres", action="store_true", help="keep the store on a server")
    parser.add_argument("--latency", type=float, default=0.02, help="seconds")
    parser.add_argument("--refuse", type=float, default=0.0, help="share of requests")
    parser.add_argument("--kill", type=int, default=0, help="workers")
    parser.add_argument("--allow", type=int, default=900, help="requests a minute, for rates")
    options = parser.parse_args()
    if options.what == "rates":
        rates(options)
        return
    with (
        tempfile.TemporaryDirectory() as name,
        server(latency=options.latency, refuse=options.refuse) as (url, _),
        ExitStack() as stack,
    ):
        folder, store = Path(name), "store.sqlite"
        if options.postgres:
            from llmopt.testing.temporary_postgres import running_postgres

            store = stack.enter_context(running_postgres()).database()
        found = measured(folder, options, url, store)
        calls, seconds = found["bought"], found["seconds"]
        used = processor()
        print(
            f"{len(found['cells'])} cells, {calls:,} calls bought, {seconds:.1f} s, "
            f"{used:.1f} s of processor time"
        )
        if options.what == "bytes":
            tables = sizes(folder / "store.sqlite")
            for table, (rows, size) in tables.items():
                each = f"{size / rows:,.0f} bytes a row" if rows else ""
                print(f"{table:10} {rows:9,} rows {size:12,} bytes  {each}")
            whole = sum(size for _, size in tables.values())
            print(f"a reply with all that belongs to it: {whole / calls:,.0f} bytes")
            return
        bare_workers = options.jobs if options.on else 1
        least = floor(url, calls, bare_workers)
        bare = processor() - used
        print(f"floor of {bare_workers} bare workers {least:.1f} s, {bare:.1f} s of processor time")
        print(f"ratio {seconds / least:.2f} of wall time, {used / bare:.2f} of processor time")
        if options.kill:
            done = len(found["cells"]) == options.cells
            print(f"{found['killed']} workers killed; all cells done: {done}")


if __name__ == "__main__":
    main()
