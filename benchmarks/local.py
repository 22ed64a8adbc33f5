"""A local model on the demo's scorer calls: against a plain loop, and what costs how much.

    python benchmarks/local.py
    python benchmarks/local.py --model local/smollm2-135m --model local/qwen.gguf
    python benchmarks/local.py --threads 2 --busy 1

The same (instruction, review) pairs are asked in several ways, in turns within each round, so that
other work on the machine slows all of them:

- as a careless client would: 256 tokens at most, no stop text, pairs in random order (a quarter of
  them, because it takes long);
- with the demo's stop texts and 8 tokens at most;
- then also with the calls of one instruction one after the other, as scoring sends them, so that
  llama.cpp finds their beginning in its prompt cache; and through all layers of a run, with the
  store on the disk;
- the same requests by a plain loop over llama.cpp's own interface, without llmopt: one after the
  other, and as many at once as the engine has slots;
- read from the answers' likelihood instead of a generated text (``scorer.answer``).

Each figure is the median of some rounds: calls a second, and the processor time of a call, which
other work on the machine changes less; the ratios are to the row of all layers. ``--busy`` starts
so many processes beside it that only compute.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import random
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from llmopt.config.reading import read
from llmopt.models.middleware.stack import wrap
from llmopt.models.providers.local import EngineSettings, LocalModel, free_cores
from llmopt.models.providers.openai_wire import Dialect, request_of
from llmopt.models.registry import model_named
from llmopt.problems.prompt.scorer_call import Asking
from llmopt.recipes import recipe_or_file
from llmopt.store import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from llmopt.core.model import Model
    from llmopt.core.values import Call

INSTRUCTIONS = (
    "Is this review positive or negative?",
    "What is the sentiment of this product review?",
    "Read the customer's review and say whether it is positive or negative.",
    "Is the customer who wrote this happy with it? Answer with positive or negative.",
)
FIRST = "8 tokens, stop, by instruction, all layers"


def calls(model: Model, items: int, *, likelihood: bool = False) -> list[Call]:
    """Return the demo's calls: the instructions one after the other, each on the same reviews."""
    problem = read(recipe_or_file("demo")).built_problem()
    if likelihood:
        problem = replace(problem, asking=Asking(problem.asking.mode, answer="likelihood"))
    return [
        problem.call(text, item, model)
        for text in INSTRUCTIONS
        for item in problem.items("train")[:items]
    ]


Figures = tuple[float, float, float]
"""Calls a second, processor time in ms a call (of all threads), generated tokens a call."""


async def timed(model: Model, asked: Sequence[Call]) -> Figures:
    """Return the figures of a model that gets as many calls at once as it likes."""
    waiting = iter(asked)
    tokens: list[int] = []

    async def work() -> None:
        for call in waiting:
            reply = await model.complete(call)
            tokens.append(reply.usage.output_tokens)

    began, used = time.perf_counter(), time.process_time()
    await asyncio.gather(*(work() for _ in range(model.traits.slots)))
    return figures(began, used, tokens)


def figures(began: float, used: float, tokens: Sequence[int]) -> Figures:
    """Return the figures of calls since a time, with the processor time used before."""
    seconds, busy, count = time.perf_counter() - began, time.process_time() - used, len(tokens)
    return count / seconds, 1000 * busy / count, sum(tokens) / count


def looped(engine: Any, asked: Sequence[Call], at_once: int) -> Figures:
    """Return the figures of a plain loop over llama.cpp's interface."""

    def one(body: dict[str, Any]) -> int:
        tokens: int = engine.handle_chat_completions(body)["usage"]["completion_tokens"]
        return tokens

    bodies = [{**request_of(call, Dialect()), "cache_prompt": True} for call in asked]
    began, used = time.perf_counter(), time.process_time()
    if at_once == 1:
        return figures(began, used, [one(body) for body in bodies])
    with ThreadPoolExecutor(at_once) as threads:
        return figures(began, used, list(threads.map(one, bodies)))


async def measured(model: LocalModel, items: int, rounds: int) -> dict[str, list[float]]:
    """Return the median figures of each row."""
    usual = calls(model, items)
    mixed = random.Random(0).sample(usual, len(usual))
    likely = calls(model, items, likelihood=True)
    found: dict[str, list[Figures]] = {}
    await timed(model, usual[:4])  # loads the weights
    with tempfile.TemporaryDirectory() as folder, closing(open_store(Path(folder) / "s")) as store:
        store.create("run", {})
        onion = wrap(model, replies=store.replies("run"), deadline=None)
        rows: dict[str, tuple[Model, Sequence[Call]]] = {
            "256 tokens, no stop, mixed": (
                model,
                [replace(c, max_tokens=256, stop=()) for c in mixed[::4]],
            ),
            "8 tokens, stop, mixed": (model, mixed),
            FIRST: (onion, usual),
            "likelihood, by instruction, all layers": (onion, likely),
        }
        for number in range(rounds):
            for name, (asked_of, asked) in rows.items():
                # Another draw each round, so that no reply is stored from the round before.
                fresh = [replace(c, sample=number) for c in asked]
                found.setdefault(name, []).append(await timed(asked_of, fresh))
            for name, at_once in (("one", 1), (f"{model.traits.slots}", model.traits.slots)):
                row = f"plain loop, by instruction, {name} at once"
                plain = await asyncio.to_thread(looped, model._engine, usual, at_once)  # noqa: SLF001 - there is no other way to it
                found.setdefault(row, []).append(plain)
    return {name: [median(one) for one in zip(*of, strict=True)] for name, of in found.items()}


def computing() -> None:
    """Keep a core busy."""
    while True:
        sum(range(1000))


@contextmanager
def beside(number: int) -> Iterator[None]:
    """Let so many other processes compute meanwhile."""
    others = [multiprocessing.Process(target=computing, daemon=True) for _ in range(number)]
    for other in others:
        other.start()
    try:
        yield
    finally:
        for other in others:
            other.kill()


async def main() -> None:
    """Print a table for each model."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--model", action="append", help="local/…; may come several times")
    parser.add_argument("--items", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=free_cores())
    parser.add_argument("--spins", type=int, default=EngineSettings().spins)
    parser.add_argument("--busy", type=int, default=0)
    arguments = parser.parse_args()
    for name in arguments.model or ["local/smollm2-135m"]:
        named = model_named(name)
        assert isinstance(named, LocalModel)  # noqa: S101 - the option is for names of such
        model = LocalModel(
            named._path,  # noqa: SLF001 - the same file with other settings
            name,
            threads=arguments.threads,
            settings=EngineSettings(spins=arguments.spins),
        )
        with beside(arguments.busy):
            found = await measured(model, arguments.items, arguments.rounds)
        print(f"{name:44} calls/s  ratio  ms a call  ratio  tokens a call")
        first = found[FIRST]
        for row, (rate, busy, tokens) in found.items():
            print(
                f"{row:44} {rate:7.1f} {rate / first[0]:6.2f} {busy:10.1f} {busy / first[1]:6.2f} "
                f"{tokens:14.1f}"
            )
        await model.close()


if __name__ == "__main__":
    asyncio.run(main())
