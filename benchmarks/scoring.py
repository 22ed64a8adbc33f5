"""The scoring path against a floor: the same calls with the bare HTTP library.

    python benchmarks/scoring.py

An OPRO run of 5 steps x 8 candidates x 64 items, with the store on disk, against a mock server
with 50 ms a reply, at 64 and at 256 in flight; then the floor, which makes the same number of
calls in the same waves with bare aiohttp and does nothing with the replies. Wall time is
compared as a ratio within one round, processor time is per call. The last row draws the
latency from a log-normal distribution (p99 = 10 x median) and tells how busy the slots were
while candidates were measured.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import aiohttp

from llmopt.api import optimize_async
from llmopt.models.openai import OpenAIModel
from llmopt.problems.prompting import PromptProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmopt.progress import Progress

STEPS, CANDIDATES, ITEMS, LATENCY = 5, 8, 64, 0.05
LONG_TAIL = math.log(10) / 2.326  # sigma of a log-normal whose p99 is ten times its median


@contextmanager
def server(spread: float = 0.0) -> Iterator[str]:
    """Start a mock server in its own process and give its base URL."""
    script = Path(__file__).with_name("mock_server.py")
    command = [sys.executable, str(script), "--latency", str(LATENCY), "--spread", str(spread)]
    with subprocess.Popen(  # noqa: S603 - our own script
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        port = int(process.stdout.readline())
        yield f"http://127.0.0.1:{port}/v1"
        process.stdin.close()
        process.wait()


def problem(model: OpenAIModel) -> PromptProblem:
    """Return 64 training items, and two to test on."""
    rows = [{"input": f"Question {n}?", "target": ("yes", "no")[n % 2]} for n in range(ITEMS + 2)]
    return PromptProblem.from_rows(
        rows, sizes=(ITEMS, 0, 2), instructions=["Answer."], task="Answer.", scorer=model
    )


async def ours(url: str, slots: int, store: Path) -> tuple[float, float, int, float]:
    """Run OPRO; return wall seconds, processor seconds, calls, and seconds spent scoring."""
    model = OpenAIModel("mock", base_url=url)
    scoring = 0.0
    phase, since = "", time.perf_counter()

    def listen(progress: Progress) -> None:
        nonlocal scoring, phase, since
        if progress.phase != phase:
            now = time.perf_counter()
            scoring += (now - since) * (phase == "scoring")
            phase, since = progress.phase, now

    began, cpu = time.perf_counter(), time.process_time()
    result = await optimize_async(
        problem(model), steps=STEPS, concurrency=slots, store=store, progress=listen
    )
    spent = (time.perf_counter() - began, time.process_time() - cpu)
    await model.close()
    return *spent, sum(used.calls for used in result.usage.values()), scoring


async def floor(url: str, slots: int, calls: int) -> tuple[float, float]:
    """Make as many calls in the same waves with bare aiohttp; return wall and processor time."""
    body = {
        "model": "mock",
        "messages": [{"role": "user", "content": "Think of 1 and answer.\nQuestion 1?"}],
        "temperature": 0.0,
        "max_tokens": 256,
    }
    connector = aiohttp.TCPConnector(limit=slots)

    async def wave(session: aiohttp.ClientSession, size: int) -> None:
        left = iter(range(size))

        async def work() -> None:
            for _ in left:
                async with session.post(url + "/chat/completions", json=body) as response:
                    (await response.json())["choices"][0]["message"]["content"]

        await asyncio.gather(*(work() for _ in range(min(slots, size))))

    began, cpu = time.perf_counter(), time.process_time()
    async with aiohttp.ClientSession(connector=connector) as session:
        await wave(session, ITEMS)
        for _ in range(STEPS):
            await wave(session, CANDIDATES)
            await wave(session, CANDIDATES * ITEMS)
        await wave(session, calls - ITEMS - STEPS * CANDIDATES * (ITEMS + 1))
    return time.perf_counter() - began, time.process_time() - cpu


async def measured(slots: int, spread: float, rounds: int) -> None:
    """Print one row: the medians over some rounds."""
    rows = []
    for number in range(rounds):
        with server(spread) as url, tempfile.TemporaryDirectory() as folder:
            wall, cpu, calls, scoring = await ours(url, slots, Path(folder) / f"{number}.sqlite")
            low, low_cpu = await floor(url, slots, calls)
        mean = LATENCY * math.exp(spread**2 / 2)
        busy = STEPS * CANDIDATES * ITEMS * mean / (slots * scoring)
        rows.append((wall / low, wall, low, 1e3 * cpu / calls, 1e3 * low_cpu / calls, busy))
    ratio, wall, low, cpu, low_cpu, busy = (median(column) for column in zip(*rows, strict=True))
    name = f"{slots} in flight" + (", long tail" if spread else "")
    print(
        f"{name:26} {wall:7.2f} {low:7.2f} {ratio:6.2f} {cpu:10.3f} {low_cpu:10.3f} {busy:6.0%}",
        flush=True,
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    print(f"{'':26} {'wall s':>7} {'floor s':>7} {'ratio':>6} {'cpu ms':>10} {'floor ms':>10} busy")
    for slots, spread in ((64, 0.0), (256, 0.0), (64, LONG_TAIL)):
        asyncio.run(measured(slots, spread, rounds))


if __name__ == "__main__":
    main()
