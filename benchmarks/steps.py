"""Our own time for a step of a search over numbers or tours, with a model that answers at once.

    python benchmarks/steps.py [--steps 500] [--samples 8]

Runs of OPRO on linear regression and on tours, with the store on disk and a model that always
proposes something new and never the optimum, so that no step is saved. What a step takes is the
time from its first call to that of the next step: reading the proposals, measuring them, writing
the journal, laying out the next meta-prompt. Processor time beside it shows how much is waiting
for the disk. The last column is for steps at the end of the run, when the trajectory is long.
"""

from __future__ import annotations

import argparse
import itertools
import random
import tempfile
import time
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING

import llmopt
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.problems.numeric.regression import linear_regression
from llmopt.problems.tours.tour_problem import tsp

if TYPE_CHECKING:
    from collections.abc import Callable

    from llmopt.core.problem import Problem

AIM = 50  # ms for a step, at most


def pair(number: int) -> str:
    """Return a pair that no other number gives, far from every optimum."""
    return f"w={100 + number % 900}, b={100 + number // 900}"


def tour(number: int) -> str:
    """Return a random tour through 20 nodes."""
    return ",".join(map(str, [0, *random.Random(number).sample(range(1, 20), 19)]))


def measure(
    name: str, problem: Problem, proposal: Callable[[int], str], steps: int, samples: int
) -> None:
    """Print what a step of a run takes."""
    began: list[float] = []

    def answer(_call: object) -> str:
        began.append(time.perf_counter())
        return f"<INS>{proposal(len(began))}</INS>"

    with tempfile.TemporaryDirectory() as folder:
        processor = time.process_time()
        result = llmopt.optimize(
            problem,
            algorithm=llmopt.opro(samples=samples),
            optimizer=ScriptedModel(answer),
            steps=steps,
            store=Path(folder) / "runs.sqlite",
            progress=False,
            controls=(),
        )
        processor = time.process_time() - processor
    if result.steps != steps or len(began) != steps * samples:
        raise SystemExit(
            f"{name}: {result.steps} steps with {len(began)} calls; nothing to compare"
        )
    took = [1e3 * (b - a) for a, b in itertools.pairwise(began[::samples])]
    print(
        f"{name:18} {result.candidates:10,} {median(took):9.1f} {fmean(took):9.1f} "
        f"{sorted(took)[-1 - len(took) // 100]:9.1f} {1e3 * processor / steps:9.1f} "
        f"{median(took[-max(1, steps // 10) :]):11.1f}",
        flush=True,
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--samples", type=int, default=8, help="candidates a step")
    chosen = parser.parse_args()
    print(f"ms a step, of {chosen.steps} steps with {chosen.samples} candidates (aim: {AIM})")
    print(f"{'':18} {'candidates':>10} {'median':>9} {'mean':>9} {'p99':>9} {'CPU':>9} last tenth")
    measure("linear regression", linear_regression(), pair, chosen.steps, chosen.samples)
    measure("20 nodes", tsp(20), tour, chosen.steps, chosen.samples)


if __name__ == "__main__":
    main()
