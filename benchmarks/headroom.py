"""Does a headroom say rightly whether a search is worth it? On simulated and recorded tasks.

    python benchmarks/headroom.py --tasks 60 --capo FOLDER

*Simulated*: half of the tasks have no gain above 2 points. A task draws the mean and the spread of
what the optimizer LLM writes and where the start is; its search measures 80 candidates on all train
items and chooses among the best ten by train and validation, as a run does. The true accuracy of
that winner above the start's is the gain. A headroom sees the first twelve candidates, for the
calls that ``llmopt check --headroom`` takes.

*Recorded* (``--capo``, see ``benchmarks/selection.py``): a table's mean candidate is the start's
level, so the start is the candidate next to the mean, or in every other table next to the best; the
gain is the held-out score of the one that is best on all blocks above the start's. A block is an
item here, so a headroom takes more of the calls than it would on single rows.

An error is "worth it" without a gain above 2 points, or "not worth it" with one.
"""

from __future__ import annotations

import argparse
import asyncio
import math
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
from selection import answers_of, block_tables, pooled

from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Item, Outcome
from llmopt.engine.headroom_race import CANDIDATES, HeadroomRace
from llmopt.evidence.headroom import Headroom
from llmopt.statistics import possible_gain, wilson
from llmopt.testing import scripted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ROWS, SEARCH, FINALISTS, ALIKE, WORTH = 100, 80, 10, 0.85, 0.02
FULL = (1 + SEARCH) * ROWS + (FINALISTS + 1) * ROWS + 2 * ROWS
FIRST = (FULL // 20 - ROWS) // 28  # as headroom_plan has it
NORMAL = NormalDist()


@dataclass(frozen=True)
class Task:
    """Scores of the start and of candidates on train items, and what a search would gain."""

    scores: Floats
    gain: float


def simulated(seed: int, *, gains: bool) -> Task:
    """Return a task with or without a gain above 2 points."""
    random = np.random.RandomState(seed)
    while True:
        mean, spread = random.uniform(0.3, 0.85), random.choice([0.01, 0.03, 0.06, 0.1])
        ahead = random.choice([0.0, 0.0, 0.05, 0.1, -0.1, -0.2])
        truth = mean + spread * random.normal(size=SEARCH + 1)
        truth[0] += ahead
        truth = np.clip(truth, 0.03, 0.97)
        cut = np.array([NORMAL.inv_cdf(p) for p in truth])
        hard, luck = random.normal(size=2 * ROWS), random.normal(size=(SEARCH + 1, 2 * ROWS))
        latent = math.sqrt(ALIKE) * hard + math.sqrt(1 - ALIKE) * luck
        right = (latent < cut[:, None]).astype(float)
        train, held = np.hsplit(right, 2)
        finalists = [0, *(1 + np.argsort(-train[1:].mean(axis=1), kind="stable")[:FINALISTS])]
        winner = finalists[int(pooled(train[finalists], held[finalists]).argmax())]
        gain = float(truth[winner] - truth[0])
        if (gain > WORTH) == gains:
            return Task(train[: CANDIDATES + 1], gain)


def recorded(folder: Path) -> Iterator[Task]:
    """Yield recorded tasks."""
    for number, table in enumerate(block_tables(folder)):
        aim = table.held.max() if number % 2 else table.held.mean()
        start = int(np.abs(table.held - aim).argmin())
        others = np.random.RandomState(number).permutation(len(table.held))
        rows = [start, *(int(i) for i in others if i != start)]
        best = int(table.scores.mean(axis=1).argmax())
        gain = max(0.0, float(table.held[best] - table.held[start]))
        yield Task(table.scores[rows[: CANDIDATES + 1]], gain)


def probed(task: Task, first: int, planned: int, rows: float) -> tuple[Headroom, int]:
    """Return what a headroom says of a task, and the calls that it takes."""
    size = task.scores.shape[1]
    items = [Item(str(n)) for n in range(size)]

    async def measure(jobs: Sequence[tuple[Candidate, Item]]) -> list[Outcome]:
        return [Outcome(i.id, float(task.scores[int(c.text), int(i.id)]), "a") for c, i in jobs]

    trajectory = Trajectory()
    for step, names in enumerate(([0], range(1, len(task.scores)))):
        made = [Candidate(str(n), step) for n in names]
        rate = HeadroomRace(first)
        found = asyncio.run(rate(scripted.context(trajectory), made, items, measure))
        trajectory = trajectory.tell(map(Entry, made, found))
    known = answers_of(trajectory, size)
    gain = possible_gain(known, planned=planned, rows=rows, worth=WORTH)
    calls = int((~np.isnan(known)).sum())
    return Headroom(gain, WORTH, len(task.scores) - 1, planned, calls, FULL), calls


def print_rates(title: str, tasks: Sequence[Task], found: Sequence[Headroom]) -> None:
    """Print how often each word is said, with and without a gain."""
    print(f"\n{title}")
    for gains in (True, False):
        words = [
            h.word for task, h in zip(tasks, found, strict=True) if (task.gain > WORTH) == gains
        ]
        wrong = "not worth it" if gains else "worth it"
        ends = wilson(words.count(wrong), len(words))
        counts = ", ".join(f"{word} {words.count(word)}" for word in sorted(set(words)))
        which = "gain above 2 points" if gains else "no such gain"
        errors = f"{100 * words.count(wrong) / len(words):.1f} %"
        span = f"[{100 * ends.low:.1f}, {100 * ends.high:.1f}]"
        print(f"{which:20} {len(words):4} tasks: {counts}; wrong {errors} {span}")
    inside = [
        h.gain.low <= task.gain <= h.gain.high
        for task, h in zip(tasks, found, strict=True)
        if h.gain is not None
    ]
    print(f"the 80 % interval holds the gain in {100 * np.mean(inside):.0f} %")


def main() -> None:
    """Print the error rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=60)
    parser.add_argument("--capo", type=Path, help="folder of recorded block tables")
    own = parser.parse_args()
    tasks = [simulated(seed, gains=bool(seed % 2)) for seed in range(own.tasks)]
    made = [probed(task, FIRST, SEARCH, 1.25 * ROWS) for task in tasks]
    share = 100 * np.mean([calls for _, calls in made]) / FULL
    print_rates(
        f"simulated, {share:.1f} % of a full run's calls", tasks, [found for found, _ in made]
    )
    if own.capo:
        tasks = list(recorded(own.capo))
        made = [probed(task, 1, 40, 10) for task in tasks]
        print_rates("recorded block tables", tasks, [found for found, _ in made])


if __name__ == "__main__":
    main()
