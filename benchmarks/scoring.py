"""The scoring path against a floor: the same calls with the bare HTTP library.

    python benchmarks/scoring.py

An OPRO run of 5 steps x 8 candidates x 64 items, with the store on disk, against a mock server
with 50 ms a reply, at 64 and at 256 in flight; then the floor, which makes the same number of
calls in the same waves with bare aiohttp and does nothing with the replies. The run has no
controls: "sampling" would search again, in small waves that the floor would have to repeat.
Wall time is compared as a ratio within one round, processor time is per call.

The last rows draw the latency from a log-normal distribution (p99 = 10 x median). How busy the
slots were is what the server saw: requests in work over slots, from the first request of a
step's scoring to the last one (while there is work for a free slot), and to the last reply (with
the tail in which the slowest are waited for, because the next step needs all scores). The very last
row is the search without steps (`run.mode = "steady"`); its floor is one wave, and the slots count
from the first request of the search to its last one, and to the last reply. With a larger
`--latency` the processor matters less, so that a busy machine hides nothing.

    python benchmarks/scoring.py --refuse 0.01

prints what refusals cost instead: the run at 64 in flight against a server that refuses one request
in a hundred at random, asking to wait as long as a reply takes, and beside it the same run against
a server that refuses none, in the same round.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Literal

import aiohttp

from llmopt.api import optimize_async
from llmopt.models.providers.openai import OpenAIModel
from llmopt.problems.prompt.prompt_problem import PromptProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

STEPS, CANDIDATES, ITEMS, LATENCY = 5, 8, 64, 0.05
SEARCHED = STEPS * CANDIDATES * (ITEMS + 1)  # calls between the starts and the end
LONG_TAIL = math.log(10) / 2.326  # sigma of a log-normal whose p99 is ten times its median


Mode = Literal["steps", "steady"]
ROWS: tuple[tuple[int, float, Mode], ...] = (
    (64, 0.0, "steps"),
    (256, 0.0, "steps"),
    (64, LONG_TAIL, "steps"),
    (64, LONG_TAIL, "steady"),
)


@dataclass
class Server:
    """A running mock server; what it served is known when it has stopped."""

    url: str
    latency: float
    served: list[tuple[float, float, bool]] = field(default_factory=list)

    def busy(self, slots: int) -> tuple[float, float]:
        """Return the share of slots in work: while work waits, and until the last reply."""
        waiting = whole = work = early = 0.0
        for phase in self.phases():
            begin = min(arrived for arrived, _ in phase)
            last = max(arrived for arrived, _ in phase)
            waiting += last - begin
            whole += max(left for _, left in phase) - begin
            work += sum(left - arrived for arrived, left in phase)
            early += sum(min(left, last) - arrived for arrived, left in phase)
        return early / (slots * waiting), work / (slots * whole)

    def busy_throughout(self, slots: int) -> tuple[float, float]:
        """Return the same of a search without steps, from its first request to its last."""
        found = sorted((arrived, left) for arrived, left, _ in self.served)[ITEMS:][:SEARCHED]
        begin, last = found[0][0], found[-1][0]
        end = max(left for _, left in found)
        work = sum(left - arrived for arrived, left in found)
        early = sum(min(left, last) - arrived for arrived, left in found)
        return early / (slots * (last - begin)), work / (slots * (end - begin))

    def phases(self) -> Iterator[list[tuple[float, float]]]:
        """Give the requests of each step's scoring: those after an instruction was asked for."""
        served = sorted(self.served)
        asked = [arrived for arrived, _, asks in served if asks]
        begins = [
            at
            for at, after in zip(asked, [*asked[1:], math.inf], strict=True)
            if after - at > self.latency / 2
        ]
        for begin, end in zip(begins, [*begins[1:], math.inf], strict=True):
            phase = [(a, left) for a, left, asks in served if begin < a < end and not asks]
            if phase:
                yield phase[: CANDIDATES * ITEMS]


@contextmanager
def server(latency: float, spread: float = 0.0, refuse: float = 0.0) -> Iterator[Server]:
    """Start a mock server in its own process."""
    script = Path(__file__).with_name("mock_server.py")
    command = [sys.executable, str(script), "--latency", str(latency), "--spread", str(spread)]
    command += ["--refuse", str(refuse)]
    with subprocess.Popen(  # noqa: S603 - our own script
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        running = Server(f"http://127.0.0.1:{int(process.stdout.readline())}/v1", latency)
        yield running
        process.stdin.close()
        running.served = [tuple(one) for one in json.loads(process.stdout.read())]
        process.wait()


def problem(model: OpenAIModel) -> PromptProblem:
    """Return 64 training items, and two to test on."""
    rows = [{"input": f"Question {n}?", "target": ("yes", "no")[n % 2]} for n in range(ITEMS + 2)]
    return PromptProblem.from_rows(
        rows, sizes=(ITEMS, 0, 2), instructions=["Answer."], task="Answer.", scorer=model
    )


async def ours(url: str, slots: int, store: Path, mode: Mode = "steps") -> tuple[float, float, int]:
    """Run OPRO; return wall seconds, processor seconds, and calls."""
    model = OpenAIModel("mock", base_url=url)
    began, cpu = time.perf_counter(), time.process_time()
    result = await optimize_async(
        problem(model),
        steps=STEPS,
        mode=mode,
        concurrency=slots,
        store=store,
        progress=False,
        controls=(),
    )
    spent = (time.perf_counter() - began, time.process_time() - cpu)
    await model.close()
    return *spent, sum(used.calls for used in result.usage.values())


async def floor(url: str, slots: int, calls: int, mode: Mode = "steps") -> tuple[float, float]:
    """Make as many calls in the same waves with bare aiohttp; return wall and processor time.

    Without steps, all of the search is one wave.
    """
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
        if mode == "steady":
            await wave(session, SEARCHED)
        else:
            for _ in range(STEPS):
                await wave(session, CANDIDATES)
                await wave(session, CANDIDATES * ITEMS)
        await wave(session, calls - ITEMS - SEARCHED)
    return time.perf_counter() - began, time.process_time() - cpu


async def measured(
    slots: int, latency: float, spread: float, rounds: int, mode: Mode = "steps"
) -> None:
    """Print one row: the medians over some rounds."""
    rows = []
    for number in range(rounds):
        with server(latency, spread) as mine, tempfile.TemporaryDirectory() as folder:
            wall, cpu, calls = await ours(mine.url, slots, Path(folder) / f"{number}.sqlite", mode)
        with server(latency, spread) as other:
            low, low_cpu = await floor(other.url, slots, calls, mode)
        share = mine.busy(slots) if mode == "steps" else mine.busy_throughout(slots)
        rows.append((wall / low, wall, low, 1e3 * cpu / calls, 1e3 * low_cpu / calls, *share))
    columns = [median(column) for column in zip(*rows, strict=True)]
    ratio, wall, low, cpu, low_cpu, busy, whole = columns
    name = (
        f"{slots} in flight"
        + (", long tail" if spread else "")
        + (", steady" if mode == "steady" else "")
    )
    print(
        f"{name:29} {wall:6.2f} {low:7.2f} {ratio:6.2f} {cpu:7.3f} {low_cpu:8.3f} "
        f"{busy:5.0%} {whole:5.0%}",
        flush=True,
    )


async def disturbed(slots: int, latency: float, refuse: float, rounds: int) -> None:
    """Print what refusals cost, in the median over some rounds."""
    ratios = []
    for number in range(rounds):
        walls = []
        for share in (0.0, refuse):
            with server(latency, refuse=share) as mine, tempfile.TemporaryDirectory() as folder:
                wall, _, _ = await ours(mine.url, slots, Path(folder) / f"{number}.sqlite")
                walls.append(wall)
        calm, rough = walls
        ratios.append(rough / calm)
        print(f"undisturbed {calm:.2f} s, {refuse:.1%} refused {rough:.2f} s", flush=True)
    print(f"{slots} in flight, {refuse:.1%} refused: {median(ratios):.2f} x the time")


def main() -> None:
    """Print the table, or what refusals cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--refuse", type=float, default=0.0, help="share of requests, 0 to 1")
    parser.add_argument("--only", default="", choices=("steps", "steady"), help="rows of one mode")
    parser.add_argument("--latency", type=float, default=LATENCY, help="seconds, the median")
    rounds, refuse = (arguments := parser.parse_args()).rounds, arguments.refuse
    if refuse:
        asyncio.run(disturbed(64, arguments.latency, refuse, rounds))
        return
    print(f"{'':29} wall s floor s  ratio  cpu ms floor ms  busy whole")
    for slots, spread, mode in ROWS:
        if arguments.only in (mode, ""):
            asyncio.run(measured(slots, arguments.latency, spread, rounds, mode))


if __name__ == "__main__":
    main()
