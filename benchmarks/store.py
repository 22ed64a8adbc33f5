"""How fast the stores are: replies/s through ``put``, and reading 400,000 replies from SQLite.

Run: ``python benchmarks/store.py [--replies N] [--stored N] [--folder DIR] [--postgres]``. The
floor of the first table is one flush to the same disk per reply; the store shares a flush among
replies. ``--postgres`` measures a PostgreSQL server instead, which is started for it and flushes
every commit: first one process, then several at once.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import random
import resource
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from llmopt.core.values import (
    Call,
    Message,
    Reply,
    Usage,
    to_json,
)
from llmopt.store import open_store
from llmopt.testing.temporary_postgres import running_postgres

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from llmopt.core.model import Replies
    from llmopt.store import Store

MODEL = "openai/benchmark"
WORDS = "the quick answer to a question that is as long as most of them are in practice "


def call_number(number: int) -> Call:
    """Return a scorer call of ordinary size: about 600 characters."""
    return Call("scorer", (Message("user", f"{number}: {WORDS * 8}"),), max_tokens=16)


def reply_number(number: int) -> Reply:
    """Return a short reply."""
    return Reply(f"answer {number}", Usage(1, 150, 4))


def flushes(folder: Path, count: int = 300) -> float:
    """Return flushes to the disk per second: the floor of storing replies one by one."""
    with (folder / "flush").open("wb", buffering=0) as file:
        start = time.perf_counter()
        for _ in range(count):
            file.write(bytes(4096))
            os.fsync(file.fileno())
        return count / (time.perf_counter() - start)


async def put_all(store: Store, run: str, putters: int, count: int) -> tuple[float, float]:
    """Put `count` replies from `putters` coroutines; return wall and CPU seconds."""
    replies = store.replies(run)
    numbers = iter(range(count))

    async def put_next() -> None:
        for number in numbers:
            call = call_number(number)
            await replies.put(f"{run} {number}", MODEL, call, reply_number(number))

    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(put_next() for _ in range(putters)))
    return time.perf_counter() - wall, time.process_time() - cpu


async def waits(store: Store, run: str, putters: int) -> list[float]:
    """Return the seconds that puts take, sorted, while the event loop is busy all the time."""
    replies = store.replies(run)
    waited = []
    end = time.perf_counter() + 3

    async def put_next(putter: int) -> None:
        number = 0
        while (start := time.perf_counter()) < end:
            number += 1
            call = call_number(number)
            await replies.put(f"{run} {putter} {number}", MODEL, call, reply_number(number))
            waited.append(time.perf_counter() - start)

    async def be_busy() -> None:
        while time.perf_counter() < end:
            sum(range(10_000))
            await asyncio.sleep(0)

    await asyncio.gather(be_busy(), *(put_next(putter) for putter in range(putters)))
    return sorted(waited)


def put_from(url: str, run: str, count: int, told: Connection) -> None:
    """Put replies from 256 coroutines, once told to begin; tell the seconds that took."""
    with closing(open_store(url)) as store:
        store.create(run, {})
        told.send(0.0)
        told.recv()
        told.send(asyncio.run(put_all(store, run, 256, count))[0])


def together(url: str, processes: int, count: int) -> float:
    """Return how many replies several processes store in a second together."""
    context = multiprocessing.get_context("spawn")
    ends = []
    for at in range(processes):
        ours, theirs = context.Pipe()
        given = (url, f"of-{processes}-{at}", count, theirs)
        process = context.Process(target=put_from, args=given)
        process.start()
        ends.append((process, ours))
    for _, end in ends:
        end.recv()
    start = time.perf_counter()
    for _, end in ends:
        end.send(None)
    for process, end in ends:
        end.recv()
        process.join()
    return processes * count / (time.perf_counter() - start)


def server_table(count: int) -> None:
    """Print how many durable replies a second a PostgreSQL server of this machine takes."""
    with running_postgres(durable=True) as server:
        url = server.database()
        print("\nPostgreSQL, one process\nputters   replies/s   CPU µs per reply")
        put_table(url, count)
        print("\nPostgreSQL, 256 putters in each process\nprocesses   replies/s")
        for processes in (2, 4):
            print(f"{processes:9} {together(url, processes, count // processes):11,.0f}")


def put_table(where: str | Path, most: int) -> None:
    """Print how many replies a second a store takes from 1 to 1,024 coroutines."""
    with closing(open_store(where)) as store:
        for putters in (1, 16, 64, 256, 1024):
            run = f"putters-{putters}"
            store.create(run, {})
            count = min(most, 500 * putters)
            wall, cpu = asyncio.run(put_all(store, run, putters, count))
            print(f"{putters:7} {count / wall:11,.0f} {1e6 * cpu / count:18.0f}")


def fill(path: Path, count: int) -> None:
    """Write a run with that many replies straight into the file."""
    with closing(open_store(path)) as store:
        store.create("large", {})
    import sqlite3

    call, reply = to_json(call_number(0)), to_json(reply_number(0))
    order = random.Random(0)
    rows = (
        (f"{order.getrandbits(256):064x}", "large", "scorer", 150, 4, 0, "", MODEL, call, reply)
        for _ in range(count)
    )
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.executemany("INSERT INTO replies VALUES (?,?,?,?,?,?,?,?,?,?)", rows)
        connection.commit()


async def look_up(replies: Replies, keys: list[str]) -> tuple[float, float, float]:
    """Look all keys up; return when that began, when the first was found, and when all were."""
    begin = time.perf_counter()
    if await replies.get(keys[0]) is None:
        sys.exit("the replies are not those that were written")
    first = time.perf_counter()
    for key in keys:
        await replies.get(key)
    return begin, first, time.perf_counter()


def read(path: Path, count: int) -> None:
    """Open a store of that many replies and look every one of them up."""
    start = time.perf_counter()
    with closing(open_store(path)) as store:
        opened = time.perf_counter()
        store.spent("large")
        summed = time.perf_counter()
        replies = store.replies("large")
        order = random.Random(0)
        keys = [f"{order.getrandbits(256):064x}" for _ in range(count)]
        begin, first, end = asyncio.run(look_up(replies, keys))
        print(f"\n{count:,} stored replies, {path.stat().st_size / 1e6:,.0f} MB")
        print(f"  open                    {1e3 * (opened - start):10.2f} ms")
        print(f"  usage of the run        {1e3 * (summed - opened):10.2f} ms")
        print(f"  first get               {1e6 * (first - begin):10.1f} µs")
        print(f"  get, mean over all      {1e6 * (end - first) / count:10.1f} µs")
        print(f"  all of them             {end - first:10.2f} s")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"  peak memory, keys included {peak:7.0f} MB")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replies", type=int, default=20_000, help="replies to put")
    parser.add_argument("--stored", type=int, default=400_000, help="replies to read")
    parser.add_argument("--folder", help="where the stores are made; a disk, not memory")
    parser.add_argument("--postgres", action="store_true", help="measure a PostgreSQL server")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        print(f"flushes of this disk: {flushes(folder):,.0f}/s")
        if options.postgres:
            server_table(options.replies)
            return
        print("\nputters   replies/s   CPU µs per reply")
        put_table(folder / "put.sqlite", options.replies)
        with closing(open_store(folder / "put.sqlite")) as store:
            store.create("busy", {})
            waited = asyncio.run(waits(store, "busy", 256))
            median, high = (1e3 * waited[int(len(waited) * share)] for share in (0.5, 0.99))
            print(
                f"256 putters on a busy event loop: a put takes {median:.0f} ms (median), "
                f"{high:.0f} ms (99 %), {1e3 * waited[-1]:.0f} ms (longest)"
            )
        fill(folder / "large.sqlite", options.stored)
        read(folder / "large.sqlite", options.stored)


if __name__ == "__main__":
    main()
