"""The local model on the demo's scorer calls: what stopping early and the order of calls are worth.

    python benchmarks/local.py

The same (instruction, review) pairs are asked in four ways: as a careless client would (256 tokens
at most, no stop text, pairs in random order), then with the demo's stop texts and 8 tokens at most,
then also with the calls of one instruction one after the other, as scoring sends them, so that
llama.cpp finds their beginning in its prompt cache. The first figure of each row is the median of
some rounds; other work on the machine slows all rows.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

from llmopt.config.reading import read
from llmopt.models.registry import model_named
from llmopt.recipes import recipe_or_file

if TYPE_CHECKING:
    from llmopt.model import Model
    from llmopt.types import Call

INSTRUCTIONS = (
    "Is this review positive or negative?",
    "What is the sentiment of this product review?",
    "Read the customer's review and say whether it is positive or negative.",
    "Is the customer who wrote this happy with it? Answer with positive or negative.",
)


def calls(model: Model, items: int) -> list[Call]:
    """Return the demo's calls: the instructions one after the other, each on the same reviews."""
    problem = read(recipe_or_file("demo")).built_problem()
    return [
        problem.call(text, item, model)
        for text in INSTRUCTIONS
        for item in problem.items("train")[:items]
    ]


async def timed(model: Model, asked: list[Call]) -> tuple[float, float]:
    """Return calls and generated tokens per second, as many calls at once as the model likes."""
    waiting, tokens = iter(asked), 0

    async def work() -> None:
        nonlocal tokens
        for call in waiting:
            tokens += (await model.complete(call)).usage.output_tokens

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(model.traits.slots)))
    seconds = time.perf_counter() - began
    return len(asked) / seconds, tokens / len(asked)


async def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    model = model_named("local/smollm2-135m")
    usual = calls(model, arguments.items)
    mixed = random.Random(0).sample(usual, len(usual))
    rows = {
        "256 tokens, no stop, mixed": [replace(c, max_tokens=256, stop=()) for c in mixed],
        "8 tokens, stop, mixed": mixed,
        "8 tokens, stop, by instruction": usual,
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in rows}
    await timed(model, usual[:4])  # loads the weights
    for number in range(arguments.rounds):
        for name, asked in rows.items():
            # Another draw each round, so that no prompt is in the cache from the round before.
            fresh = [replace(c, temperature=0.0, sample=number) for c in asked]
            found[name].append(await timed(model, fresh))
    print(f"{'':32} calls/s  tokens a call")
    for name, figures in found.items():
        rates, tokens = zip(*figures, strict=True)
        print(f"{name:32} {median(rates):7.1f} {median(tokens):14.1f}")
    await model.close()


if __name__ == "__main__":
    asyncio.run(main())
