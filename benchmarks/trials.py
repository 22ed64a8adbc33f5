"""Random trials: whatever dies, fails or lies, budgets hold and results stay the same.

A trial draws a method, a budget in one of its four units or none, a private store or one that two
runs share, faults of the endpoint, honest or wrong usage, and signals that stop the processes in
the midst of their work. The runs are real processes, and the endpoint is a server on loopback that
keeps account of its own. Each trial demands that

- with honest usage, no budget is exceeded by what the server has counted; one on calls never is;
- a call that was answered is paid again only if it was in flight when its process was killed, and
  not at all after Ctrl-C or SIGTERM, which let what is in flight come in;
- resumed without a limit, each run ends in the steps and the result of the unbroken run.

    python benchmarks/trials.py --trials 500 --seed 0 [--postgres]

With ``--postgres`` the runs of a trial are in a database of a server that is started for it.
The exit code is 1 if any trial failed; its number repeats it (``--first 17 --trials 1``).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from aiohttp import web

from llmopt import optimize
from llmopt.algorithms import ALGORITHMS
from llmopt.core.values import Call, Message, Reply, digest
from llmopt.errors import BudgetError
from llmopt.models.middleware.stack import Limits, Price
from llmopt.models.providers.openai import OpenAIModel
from llmopt.store import open_store
from llmopt.testing import scripted
from llmopt.testing.temporary_postgres import running_postgres

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from llmopt.testing.temporary_postgres import TemporaryPostgres

METHODS = (
    "ape",
    "drpo",
    "evoprompt-de",
    "evoprompt-ga",
    "expo",
    "gpo",
    "opro",
    "pe2",
    "protegi",
    "sampling",
    "sgdm",
)
PREPARED = (
    "aiohttp.web",
    "llmopt.algorithms",
    "llmopt.api",
    "llmopt.engine.run",
    "llmopt.models.providers.openai",
    "llmopt.store.postgres.postgres_store",
    "llmopt.store.sqlite.sqlite_store",
    "llmopt.testing.scripted",
)
UNITS = ("", "calls", "tokens", "usd", "seconds")
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
FAULTS = ("500", "429", "drop", "cut json", "html", "error in 200", "abort")
BILLED = ("", "drop", "cut json", "abort")  # what may have cost something; no error does
LIES = ("missing", "zero", "negative", "true", "huge", "beyond")
SLOTS = 6
FAILING = 2  # attempts of a call that may fail
LATENCY = 0.01  # seconds
PRICE = Price(100.0, 200.0)
SHARE = 0.15  # of the attempts that fail
GRACE = 1.0  # seconds for a process to begin, and for its last note of the time
MARK = "\nAsked: "


@dataclass(frozen=True)
class Trial:
    """What is tried.

    Attributes:
        number: Which one; it and the seed decide all the rest.
        method: Name of the method.
        unit: Of the budget; empty: none.
        share: The budget as a share of what the unbroken run takes.
        seeds: A run each; two share a store.
        signals: What ends the processes, one after the other.
        faults: Whether the endpoint fails now and then.
        lies: Whether its usage is wrong.
    """

    number: int
    method: str
    unit: str
    share: float
    seeds: tuple[int, ...]
    signals: tuple[signal.Signals, ...]
    faults: bool
    lies: bool


def drawn(seed: int, number: int) -> Trial:
    """Return a trial."""
    random = Random(f"{seed} {number}")
    return Trial(
        number,
        METHODS[number % len(METHODS)],
        UNITS[number % len(UNITS)],
        random.uniform(0.3, 1.2),
        random.choice(((0,), (1,), (0, 0), (0, 1))),
        tuple(random.choices(SIGNALS, k=random.randint(1, 3))),
        random.choice((True, False)),
        random.choice((True, False, False)),
    )


# -- the endpoint ---------------------------------------------------------------------------------


@dataclass
class Bill:
    """What the server counts for a run: calls and tokens that may have cost something."""

    calls: int = 0
    asked: int = 0
    made: int = 0
    seconds: float = 0.0
    answered: Counter[str] = field(default_factory=Counter)

    def amount(self, unit: str) -> float:
        """Return it in the unit of a budget."""
        return {
            "calls": self.calls,
            "tokens": self.asked + self.made,
            "usd": PRICE.of(self.asked, self.made),
            "seconds": self.seconds,
        }[unit]


@dataclass
class World:
    """A server whose replies are a function of the call.

    Attributes:
        trial: What it fails and lies in; None: in nothing.
        seed: Of its faults.
        url: Where its API begins.
        bills: By the names of the runs.
        requests: How many came.
        more: Set whenever one came.
        server: Has a store for each trial; None: they are SQLite files.
    """

    trial: Trial | None = None
    seed: int = 0
    url: str = ""
    bills: dict[str, Bill] = field(default_factory=dict)
    requests: int = 0
    more: asyncio.Event = field(default_factory=asyncio.Event)
    arrivals: dict[str, list[float]] = field(default_factory=dict)
    attempts: Counter[str] = field(default_factory=Counter)
    server: TemporaryPostgres | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer, or fail, and count it."""
        run = request.headers["Authorization"].removeprefix("Bearer ")
        body = await request.json()
        text = body["messages"][0]["content"]
        self.requests += 1
        self.arrivals.setdefault(run, []).append(time.monotonic())
        self.more.set()
        fault = self._fault(run, text)
        said = _said(text)
        asked, made = len(text.encode()) // 4 + 1, len(said.encode()) // 4 + 1
        bill = self.bills.setdefault(run, Bill())
        if fault in BILLED:
            bill.calls, bill.asked, bill.made = bill.calls + 1, bill.asked + asked, bill.made + made
        await asyncio.sleep(LATENCY)
        if not fault:
            bill.answered[text] += 1
        usage = {"prompt_tokens": asked, "completion_tokens": made}
        if self.trial and self.trial.lies:
            usage = _lie(text, usage, body.get("max_tokens", 0))
        answer = {"choices": [{"finish_reason": "stop", "message": {"content": said}}]}
        return _response(request, fault, answer | ({"usage": usage} if usage else {}))

    def _fault(self, run: str, text: str) -> str:
        """Return how this attempt fails; the third one never does."""
        before = self.attempts[f"{run} {text}"]
        self.attempts[f"{run} {text}"] += 1
        random = Random(digest(f"{self.seed} {text} {before}"))
        fails = self.trial is not None and self.trial.faults and before < FAILING
        return random.choice(FAULTS) if fails and random.random() < SHARE else ""


def _said(text: str) -> str:
    """Return what the scripted world answers; the last line says who asks for which draw."""
    text, _, asked = text.rpartition(MARK)
    role, _, draw = asked.partition(" ")
    return scripted.answer(Call(role, (Message("user", text),), sample=int(draw)))


def _lie(text: str, usage: dict[str, Any], most: int) -> dict[str, Any]:
    """Return wrong usage, of a kind that depends on the call."""
    kind = Random(digest(f"lie {text}")).choice(LIES)
    wrong = {"missing": None, "zero": 0, "negative": -5, "true": True, "huge": 1 << 70}
    if kind == "missing":
        return {}
    if kind == "beyond":
        return usage | {"completion_tokens": 3 * most}
    return dict.fromkeys(usage, wrong[kind])


def _response(request: web.Request, fault: str, answer: dict[str, Any]) -> web.Response:
    if fault == "drop":
        if request.transport is not None:
            request.transport.abort()
        return web.Response()
    whole = json.dumps(answer)
    abort = {"choices": [{"finish_reason": "abort", "message": {"content": "yes"}}]}
    failed = {"error": {"message": "overloaded"}, "choices": [{"message": {"content": ""}}]}
    status, kind, content = {
        "": (200, "application/json", whole),
        "500": (500, "text/plain", "Internal Server Error"),
        "429": (429, "application/json", '{"error": {"message": "slow down"}}'),
        "cut json": (200, "application/json", whole[:-7]),
        "html": (502, "text/html", "<html>Bad gateway</html>"),
        "error in 200": (200, "application/json", json.dumps(failed)),
        "abort": (200, "application/json", json.dumps(abort)),
    }[fault]
    return web.Response(status=status, headers={"Content-Type": kind}, text=content)


@asynccontextmanager
async def serving() -> AsyncIterator[World]:
    """Run the server while the context lasts."""
    world = World()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", world.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    world.url = f"http://{host}:{port}/v1"
    try:
        yield world
    finally:
        await runner.cleanup()


# -- a run, in a process of its own ---------------------------------------------------------------


class Numbered(OpenAIModel):
    """Tells the server who asks for which draw, so that each draw has one answer."""

    async def complete(self, call: Call) -> Reply:
        """Ask with a last line more."""
        text = f"{call.text}{MARK}{call.role} {call.sample}"
        return await super().complete(replace(call, messages=(Message("user", text),), prompt=None))


def work(url: str, folder: str, at: int, trial: Trial, limits: Limits) -> None:
    """Do a run, or go on with it, and write what came of it into a file."""
    name = _name(at)
    os.dup2(os.open(Path(folder) / f"{name}.err", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 2)
    model = Numbered("world", base_url=url, key=name, timeout=20.0)
    said: dict[str, Any]
    try:
        result = optimize(
            replace(scripted.problem(), scorer=model),
            algorithm=ALGORITHMS[trial.method](),
            store=_store_in(folder),
            name=name,
            seed=trial.seeds[at],
            steps=2,
            finalists=3,
            concurrency=SLOTS,
            controls=(),
            progress=False,
            budget=limits,
            prices={"optimizer": PRICE, "scorer": PRICE},
        )
        found = result.to_dict()
        # Its words are not compared: they depend on how often the test items were looked at.
        kept = ("best", "start", "lines", "test", "rejected", "steps")
        said = {key: found.get(key) for key in kept}
    except BudgetError as error:
        said = {"budget": str(error)}
    except KeyboardInterrupt:
        sys.exit(130)
    except BaseException:  # noqa: BLE001 - the trial tells it
        traceback.print_exc()
        sys.exit(1)
    Path(folder, f"{name}.json").write_text(json.dumps(said), encoding="utf-8")


@dataclass(frozen=True)
class Place:
    """Where a trial's runs are."""

    world: World
    folder: Path
    trial: Trial

    def make_store(self) -> None:
        """Make a database for the runs where there is a server for them."""
        if self.world.server is not None:
            (self.folder / "store.url").write_text(self.world.server.database(), encoding="utf-8")

    def start(self, at: int, limits: Limits) -> Any:
        """Start a run in a process that was prepared, so that it begins at once."""
        prepared = multiprocessing.get_context("forkserver")
        prepared.set_forkserver_preload(list(PREPARED))
        given = (self.world.url, str(self.folder), at, self.trial, limits)
        process = prepared.Process(target=work, args=given)
        process.start()
        return process

    def result(self, at: int) -> dict[str, Any]:
        """Return what a run has written at its end."""
        found: dict[str, Any] = json.loads((self.folder / f"{_name(at)}.json").read_text("utf-8"))
        return found

    def steps(self, at: int) -> list[dict[str, Any]]:
        """Return a run's steps without the keys of replies, whose lists may differ in order."""
        with closing(open_store(_store_in(self.folder))) as store:
            records = list(store.records(_name(at)))
        return [record.data for record in records if record.kind == "step"]


def _store_in(folder: str | Path) -> str:
    """Return the store of the runs in a folder: a database whose URL is there, or a file."""
    url = Path(folder, "store.url")
    return url.read_text("utf-8") if url.exists() else str(Path(folder, "runs.sqlite"))


def _name(at: int) -> str:
    return ("one", "two")[at]


async def _over(process: Any) -> int:
    await asyncio.to_thread(process.join)
    code: int = process.exitcode
    return code


async def stretch(place: Place, limits: Limits, stop: signal.Signals | None, after: int) -> None:
    """Let all runs of a trial work until they end, or are ended after a number of requests.

    Raises:
        AssertionError: A process ended otherwise than it may.
    """
    world, seeds = place.world, place.trial.seeds
    world.arrivals.clear()
    processes = [place.start(at, limits) for at in range(len(seeds))]
    ends = [asyncio.create_task(_over(process)) for process in processes]
    if stop is not None:
        enough = world.requests + after
        while world.requests < enough and not all(end.done() for end in ends):
            world.more.clear()
            await asyncio.wait(
                [asyncio.ensure_future(world.more.wait()), *ends],
                timeout=1,
                return_when=asyncio.FIRST_COMPLETED,
            )
        await asyncio.sleep(Random(f"{world.seed} {enough}").uniform(0, 2 * LATENCY))
        for process in processes:
            if process.is_alive():
                os.kill(process.pid, stop)
    for at, code in enumerate(await asyncio.gather(*ends)):
        allowed = (0,) if stop is None else (0, 130, -stop)
        kept = place.folder / f"{_name(at)}.err"  # one that was killed at once has none
        errors = kept.read_text("utf-8")[-1500:] if kept.exists() else "nothing said"
        _demand(code in allowed, f"a process ended with {code} after {stop}: {errors}")
    await asyncio.sleep(2 * LATENCY)  # what was sent last is counted before the next stretch
    for run, times in world.arrivals.items():
        world.bills.setdefault(run, Bill()).seconds += max(times) - min(times)


def _demand(truth: object, otherwise: str) -> None:
    if not truth:
        raise AssertionError(otherwise)


async def unbroken(world: World, method: str, seed: int) -> tuple[Bill, Any, Any]:
    """Return what a run takes and finds that nothing disturbs."""
    world.trial, world.seed = None, 0
    world.bills.clear()
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(0, method, "", 1.0, (seed,), (), faults=False, lies=False)
        place = Place(world, Path(folder), trial)
        await stretch(place, Limits(), None, 0)
        return world.bills["one"], place.result(0), place.steps(0)


async def tried(world: World, seed: int, trial: Trial, known: dict[Any, Any]) -> None:
    """Do a trial.

    Args:
        world: The server.
        seed: Of all trials.
        trial: What is tried.
        known: Unbroken runs so far, by method and seed.

    Raises:
        AssertionError: Something does not hold.
    """
    for one in set(trial.seeds):
        if (trial.method, one) not in known:
            known[trial.method, one] = await unbroken(world, trial.method, one)
    whole = known[trial.method, trial.seeds[0]][0]
    limits, cap = Limits(), 0.0
    if trial.unit:
        cap = trial.share * whole.amount(trial.unit)
        cap = int(cap) + 1 if trial.unit in ("calls", "tokens") else max(cap, 1e-6)
        limits = Limits(**{trial.unit: cap})
    world.trial, world.seed = trial, hash((seed, trial.number))
    world.bills.clear()
    world.attempts.clear()
    random = Random(f"{seed} {trial.number} moments")
    with tempfile.TemporaryDirectory() as folder:
        place = Place(world, Path(folder), trial)
        place.make_store()
        for stop in trial.signals:
            after = random.randint(1, max(2, whole.calls * len(trial.seeds) // 2))
            await stretch(place, limits, stop, after)
        await stretch(place, limits, None, 0)
        if trial.unit and (trial.unit == "calls" or not trial.lies):
            slack = GRACE * (len(trial.signals) + 1) if trial.unit == "seconds" else 0.0
            for run, bill in world.bills.items():
                amount = bill.amount(trial.unit)
                _demand(amount <= cap + slack, f"{run} took {amount} {trial.unit} of {cap}")
        await stretch(place, Limits(), None, 0)
        kills = sum(stop == signal.SIGKILL for stop in trial.signals)
        for at, one in enumerate(trial.seeds):
            answered = world.bills[_name(at)].answered
            again = answered.total() - len(answered)
            _demand(again <= kills * SLOTS, f"{again} calls were paid twice, after {kills} kills")
            _, result, steps = known[trial.method, one]
            _demand(place.steps(at) == steps, "the steps are others than those of the unbroken run")
            _demand(place.result(at) == result, "the result is another one than the unbroken run's")


async def all_of(seed: int, numbers: range, *, postgres: bool = False) -> int:
    """Do trials and print what failed; return how many."""
    failed = 0
    known: dict[Any, Any] = {}
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(serving())
        world.server = stack.enter_context(running_postgres()) if postgres else None
        for number in numbers:
            trial, begun = drawn(seed, number), time.monotonic()
            try:
                await tried(world, seed, trial, known)
                said = "held"
            except AssertionError as error:
                failed += 1
                said = f"FAILED: {error}"
            print(f"{time.monotonic() - begun:5.1f} s  {trial}  {said}", flush=True)
    print(f"{len(numbers) - failed} of {len(numbers)} held")
    return failed


def main() -> int:
    """Read the options and do the trials."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, metavar="NUMBER")
    parser.add_argument("--postgres", action="store_true", help="keep the runs in PostgreSQL")
    options = parser.parse_args()
    numbers = range(options.first, options.first + options.trials)
    return 1 if asyncio.run(all_of(options.seed, numbers, postgres=options.postgres)) else 0


if __name__ == "__main__":
    sys.exit(main())
