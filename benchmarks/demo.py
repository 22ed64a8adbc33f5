"""The demo over several seeds, with the control beside it: what does searching add?

    python benchmarks/demo.py --seeds 5

For each seed the data are split anew and the demo's recipe is run twice with the real local
model: as it is (OPRO), and as a control with the same number of samples drawn without scores
and without a trajectory (``sampling``), rated and selected in the same way. Options of the
recipe can be changed with ``-o``, as in ``llmopt run``. Scorer replies are shared between
the two within a seed, so seconds are only meaningful for the first.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

from llmopt import optimize
from llmopt.config.reading import read
from llmopt.models.registry import model_named
from llmopt.recipes import recipe_or_file

if TYPE_CHECKING:
    from llmopt.core.model import Model
    from llmopt.evidence.result import Result


def run(
    seed: int, algorithm: str, overrides: list[str], scorer: Model, store: Path
) -> tuple[Result, float]:
    """Run the recipe once and return its result and the seconds it took."""
    own = [f"run.seed={seed}", f"problem.split_seed={seed}", f"algorithm.name={algorithm!r}"]
    if algorithm == "sampling":
        own.append("algorithm.shown=0")
    settings = read(recipe_or_file("demo"), [*own, *overrides])
    if algorithm == "sampling":
        settings.algorithm.__pydantic_extra__.pop("shown")
    from dataclasses import replace

    problem = replace(settings.built_problem(), scorer=scorer)
    began = time.monotonic()
    name = f"{algorithm}-{seed}"
    options = {**settings.options(), "optimizer": scorer}
    result = optimize(problem, **options, name=name, store=store, progress=False)
    return result, time.monotonic() - began


def main() -> None:
    """Print a row per run and the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--store", type=Path, help="keep the runs here")
    parser.add_argument("--only", choices=["opro", "sampling"])
    parser.add_argument("-o", dest="overrides", action="append", default=[])
    arguments = parser.parse_args()
    scorer = model_named("local/smollm2-135m")
    methods = [arguments.only] if arguments.only else ["opro", "sampling"]
    gains: dict[str, list[float]] = {method: [] for method in methods}
    print(f"{'run':12} {'start':>6} {'best':>6} {'gain':>6} {'p':>7} {'calls':>6} {'s':>5}  text")
    with tempfile.TemporaryDirectory() as folder:
        store = arguments.store or Path(folder) / "demo.sqlite"
        for seed in range(arguments.first, arguments.first + arguments.seeds):
            for method in methods:
                result, seconds = run(seed, method, arguments.overrides, scorer, store)
                held = result.test
                if held is None:
                    raise SystemExit("the demo's recipe has no test split")
                gain = held.best.mean - held.start.mean
                gains[method].append(gain)
                calls = sum(used.calls for used in result.usage.values())
                print(
                    f"{result.run:12} {100 * held.start.mean:6.1f} {100 * held.best.mean:6.1f} "
                    f"{100 * gain:+6.1f} {held.difference.p_value:7.4f} {calls:6} {seconds:5.0f}  "
                    f"{result.best.text}",
                    flush=True,
                )
    for method, found in gains.items():
        print(f"mean gain of {method} over {len(found)} seeds: {100 * mean(found):+.1f} points")


if __name__ == "__main__":
    main()
