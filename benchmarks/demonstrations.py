"""Do demonstrations beside the instruction help, at equal calls? On three tasks.

    python benchmarks/demonstrations.py
    python benchmarks/demonstrations.py --scorer local/qwen2.5-coder-1.5b --seeds 5 --calls 3000
    python benchmarks/demonstrations.py --tasks reviews tickets hyperbaton --data-dir FOLDER

For each task and seed the same method searches twice with the same calls in all (proposals,
answers, choosing and testing): for an instruction alone, and for an instruction with
demonstrations out of the train rows. Both are tested on the same held-out rows, of a split that the
seed draws. The difference is paired by seed and item; its 95 % interval counts the spread of the
searches as well as that of the items. ``hyperbaton`` and ``navigate`` need the official files of
BIG-Bench Hard in the folder ``--data-dir``; without one, the first two tasks are run.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from equal_calls import HEAD, average, difference, in_points, models, options, row, searched
from problems import problem

from llmopt.algorithms.capo import capo
from llmopt.algorithms.mipro import mipro
from llmopt.problems.prompt.few_shot import FewShot
from llmopt.statistics.two_way import over_tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from equal_calls import EqualSearch

    from llmopt.core.algorithm import Algorithm
    from llmopt.core.model import Model
    from llmopt.problems.prompt.prompt_problem import PromptProblem
    from llmopt.statistics.two_way import MethodDifference

BUNDLED, OFFICIAL = ("reviews", "tickets"), "hyperbaton"
METHODS: dict[str, Callable[[], Algorithm]] = {
    "capo": lambda: capo(population=6, crossovers=4, block=10),
    "mipro": mipro,
}
"""Methods that choose demonstrations together with the instruction."""

ALONE, SHOWN = "instruction alone", "with demonstrations"


def compared(
    asked: Callable[[int], PromptProblem],
    shots: FewShot,
    method: str,
    optimizer: Model,
    *,
    seeds: int,
    calls: int,
    each: Callable[[str, int, EqualSearch], None] = lambda *_: None,
) -> tuple[list[EqualSearch], list[EqualSearch]]:
    """Search for instructions alone and with demonstrations.

    Args:
        asked: The problem of a seed, without demonstrations.
        shots: Which demonstrations there may be.
        method: One of :data:`METHODS`.
        optimizer: The optimizer LLM.
        seeds: How many searches of each kind.
        calls: Of each search.
        each: Told of each search: its kind, its seed and what it found.
    """
    found: dict[str, list[EqualSearch]] = {ALONE: [], SHOWN: []}
    for seed in range(seeds):
        plain = asked(seed)
        for kind, given in ((ALONE, plain), (SHOWN, replace(plain, few_shot=shots))):
            one = searched(given, METHODS[method](), optimizer, seed, calls)
            found[kind].append(one)
            each(kind, seed, one)
    return found[ALONE], found[SHOWN]


def main(words: Sequence[str] | None = None) -> None:
    """Print a row for each search, and the difference for each task and for all."""
    parser = options(__doc__, calls=3000)
    parser.add_argument("--tasks", nargs="+", help="default: reviews, tickets and hyperbaton")
    parser.add_argument("--data-dir", type=Path, help="the folder with the official files")
    parser.add_argument("--method", choices=list(METHODS), default="capo")
    parser.add_argument("--demonstrations", type=int, default=4, help="at most")
    parser.add_argument("--answers", choices=["labels", "reasoning", "both"], default="labels")
    parser.add_argument("--rows", type=int, nargs=3, help="train, validation and test")
    own = parser.parse_args(words)
    if own.seeds < 2:  # noqa: PLR2004 - a spread needs two
        parser.error("--seeds is 2 or more: an interval needs the spread of searches")
    tasks = own.tasks or [*BUNDLED, *([OFFICIAL] if own.data_dir else [])]
    scorer, optimizer = models(own)
    shots = FewShot(own.demonstrations, answers=own.answers)
    gains: list[MethodDifference] = []
    print(HEAD)
    for task in tasks:

        def asked(seed: int, task: str = task) -> PromptProblem:
            return problem(
                task,
                data_dir=own.data_dir,
                scorer=scorer,
                rows=tuple(own.rows) if own.rows else None,
                split_seed=seed,
            )

        def each(kind: str, seed: int, one: EqualSearch, task: str = task) -> None:
            print(row(f"{task} {kind} {seed}", one), flush=True)

        alone, shown = compared(
            asked, shots, own.method, optimizer, seeds=own.seeds, calls=own.calls, each=each
        )
        gains.append(difference(alone, shown))
        print(
            f"{task}: {ALONE} {100 * average(alone):.1f}, {SHOWN} {100 * average(shown):.1f}, "
            f"difference {in_points(gains[-1])} points",
            flush=True,
        )
    if gains[1:]:
        print(f"all {len(gains)} tasks: difference {in_points(over_tasks(gains))} points")


if __name__ == "__main__":
    main()
