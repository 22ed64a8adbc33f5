"""Searches of several kinds at equal calls, compared by seed and item, for scripts beside it."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

import llmopt
from llmopt.history.run_history import told
from llmopt.models.middleware.budget import Limits
from llmopt.models.registry import model_named
from llmopt.statistics.two_way import MethodDifference, Repetition, between_methods

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from llmopt.core.algorithm import Algorithm
    from llmopt.core.model import Model
    from llmopt.core.problem import Problem

STEPS = 1000  # more than any budget here allows: calls end a search
LEVEL = 0.95


@dataclass(frozen=True)
class EqualSearch:
    """A search and what its winner got on held-out items.

    Attributes:
        text: The winner.
        scores: Of the winner on each held-out item that was measured, by id.
        start: The same of the start.
        weights: Of these items.
        calls: Calls used, over all roles.
        steps: Steps done.
        stopped: What ended the search.
        seconds: Wall time.
    """

    text: str
    scores: Mapping[str, float]
    start: Mapping[str, float]
    weights: Mapping[str, float]
    calls: int
    steps: int
    stopped: str
    seconds: float

    def mean(self, scores: Mapping[str, float]) -> float:
        """Return the weighted mean of the winner's scores, or of the start's."""
        return mean_of(scores, self.weights)


def mean_of(scores: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """Return a weighted mean."""
    total = sum(weights[item] for item in scores)
    return sum(weights[item] * score for item, score in scores.items()) / total if total else 0.0


def searched(
    problem: Problem, algorithm: Algorithm, optimizer: Model, seed: int, calls: int
) -> EqualSearch:
    """Run one search until its calls are used, and test its winner."""
    return asyncio.run(_searched(problem, algorithm, optimizer, seed, calls))


async def _searched(
    problem: Problem, algorithm: Algorithm, optimizer: Model, seed: int, calls: int
) -> EqualSearch:
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.sqlite"
        async with llmopt.prepare(
            problem,
            algorithm=algorithm,
            optimizer=optimizer,
            steps=STEPS,
            seed=seed,
            budget=Limits(calls=calls),
            controls=(),
            name="search",
            store=path,
        ) as run:
            result = await run.optimize()
        with closing(llmopt.open_store(path)) as store:
            tested = told(store, "search").tested
    assert tested is not None  # noqa: S101 - every task has held-out rows
    found = [
        {outcome.item: outcome.score for outcome in got.outcomes if outcome.score is not None}
        for _, text, got in sorted(tested.answers, key=lambda one: one[1] != result.best.text)
    ]
    start = {
        outcome.item: outcome.score
        for _, text, got in tested.answers
        if text == result.start.text
        for outcome in got.outcomes
        if outcome.score is not None
    }
    return EqualSearch(
        result.best.text,
        found[0],
        start,
        {item.id: item.weight for item in problem.items("test")},
        sum(used.calls for used in result.usage.values()),
        result.steps,
        "its calls" if result.out_of_budget else result.stopped,
        time.monotonic() - began,
    )


def difference(first: Sequence[EqualSearch], second: Sequence[EqualSearch]) -> MethodDifference:
    """Return how much better the second kind of search is, paired by seed and by item.

    Args:
        first: At least two searches.
        second: Of the same seeds, in the same order.
    """
    repetitions = []
    for one, other in zip(first, second, strict=True):
        items = [item for item in one.scores if item in other.scores]
        repetitions.append(
            Repetition(
                [one.scores[item] for item in items],
                [other.scores[item] for item in items],
                [one.weights[item] for item in items],
                items,
            )
        )
    return between_methods(repetitions)


def in_points(found: MethodDifference) -> str:
    """Return a difference with its interval, in points."""
    ends = found.interval(LEVEL)
    return f"{100 * found.mean:+.1f} [{100 * ends.low:+.1f}, {100 * ends.high:+.1f}]"


def row(name: str, found: EqualSearch) -> str:
    """Return a search as a line of a table."""
    return (
        f"{name:36} {100 * found.mean(found.start):6.1f} {100 * found.mean(found.scores):6.1f} "
        f"{found.calls:6} {found.steps:5} {found.seconds:6.0f}  {found.stopped}"
    )


HEAD = f"{'search':36} {'start':>6} {'best':>6} {'calls':>6} {'steps':>5} {'s':>6}  ended by"


def average(found: Sequence[EqualSearch]) -> float:
    """Return the mean held-out score of some winners."""
    return mean(one.mean(one.scores) for one in found)


def options(about: str | None, calls: int) -> argparse.ArgumentParser:
    """Return a parser with the options that both scripts have."""
    parser = argparse.ArgumentParser(description=(about or "").partition("\n")[0])
    parser.add_argument("--scorer", default="local/qwen2.5-coder-0.5b", metavar="MODEL")
    parser.add_argument("--optimizer", metavar="MODEL", help="default: the scorer's model")
    parser.add_argument("--seeds", type=int, default=5, help="two or more")
    parser.add_argument("--calls", type=int, default=calls, help="of each search, all roles")
    return parser


def models(own: Any) -> tuple[Model, Model]:
    """Return the scorer LLM and the optimizer LLM that the options name."""
    scorer = model_named(own.scorer)
    same = own.optimizer in (None, own.scorer)
    return scorer, scorer if same else model_named(own.optimizer)
