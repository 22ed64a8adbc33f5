"""Are two prompts better improved together than each alone, at equal calls? On the example.

    python benchmarks/programs.py
    python benchmarks/programs.py --scorer local/qwen2.5-coder-1.5b --seeds 5 --calls 2000

The program is that of ``examples/program.py``: one prompt finds a note, the other answers from it.
For each seed the same method searches with the same calls in all for both texts, for the first
alone and for the second alone; a text that is not searched for stays as the example has it. All are
tested on the same held-out rows, of a split that the seed draws. Differences are paired by seed and
item; their 95 % intervals count the spread of the searches as well as that of the items.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from equal_calls import HEAD, average, difference, in_points, models, options, row, searched

import llmopt
from llmopt.algorithms import algorithm_named

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from equal_calls import EqualSearch

    from llmopt.core.model import Model

EXAMPLE = Path(__file__).parents[1] / "examples" / "program.py"
JOINT = "joint"


def example() -> Any:
    """Return the example as a module."""
    spec = importlib.util.spec_from_file_location("example_program", EXAMPLE)
    assert spec is not None  # noqa: S101 - it is in the checkout
    assert spec.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Holding:
    """The example's program with some of its texts held fixed.

    Attributes:
        run: The program.
        fixed: The texts that stay as they are, by part.
    """

    run: Callable[[dict[str, str], Any, Any], str]
    fixed: Mapping[str, str]

    def __call__(self, texts: dict[str, str], row: Any, call: Any) -> str:
        """Return the answer to the question of a row."""
        return self.run({**self.fixed, **texts}, row, call)


def problem(
    module: Any, names: Sequence[str], scorer: Model, seed: int, sizes: tuple[int, int, int]
) -> llmopt.ProgramProblem:
    """Return the example with a search for some of its parts.

    Args:
        module: The example.
        names: The parts that are searched for.
        scorer: The scorer LLM.
        seed: Of the split.
        sizes: How many rows train, validation and test have.
    """
    searched_for = {name: module.PARTS[name] for name in names}
    fixed = {name: text for name, text in module.PARTS.items() if name not in names}
    return llmopt.ProgramProblem.from_rows(
        Holding(module.answer, fixed),
        module.rows(sum(sizes)),
        input="question",
        parts=searched_for,
        task=module.TASK,
        metric=module.right,
        sizes=sizes,
        split_seed=seed,
        calls=2,
        scorer=scorer,
    )


def compared(
    method: str,
    scorer: Model,
    optimizer: Model,
    *,
    seeds: int,
    calls: int,
    sizes: tuple[int, int, int],
    each: Callable[[str, int, EqualSearch], None] = lambda *_: None,
) -> dict[str, list[EqualSearch]]:
    """Search for both texts and for each alone; return the searches by what they searched for.

    Args:
        method: Name of the method.
        scorer: The scorer LLM.
        optimizer: The optimizer LLM.
        seeds: How many searches of each kind.
        calls: Of each search.
        sizes: How many rows train, validation and test have.
        each: Told of each search: its kind, its seed and what it found.
    """
    module = example()
    kinds = {JOINT: tuple(module.PARTS)} | {f"{name} alone": (name,) for name in module.PARTS}
    found: dict[str, list[EqualSearch]] = {kind: [] for kind in kinds}
    for seed in range(seeds):
        for kind, names in kinds.items():
            given = problem(module, names, scorer, seed, sizes)
            one = searched(given, algorithm_named(method, {}), optimizer, seed, calls)
            found[kind].append(one)
            each(kind, seed, one)
    return found


def main(words: Sequence[str] | None = None) -> None:
    """Print a row for each search, and joint search against each text alone."""
    parser = options(__doc__, calls=2000)
    parser.add_argument("--method", default="gepa", help="name of a method")
    parser.add_argument("--rows", type=int, nargs=3, default=[40, 40, 120])
    own = parser.parse_args(words)
    if own.seeds < 2:  # noqa: PLR2004 - a spread needs two
        parser.error("--seeds is 2 or more: an interval needs the spread of searches")
    scorer, optimizer = models(own)
    print(HEAD)
    found = compared(
        own.method,
        scorer,
        optimizer,
        seeds=own.seeds,
        calls=own.calls,
        sizes=tuple(own.rows),
        each=lambda kind, seed, one: print(row(f"{kind} {seed}", one), flush=True),
    )
    print(", ".join(f"{kind} {100 * average(some):.1f}" for kind, some in found.items()))
    for kind, some in found.items():
        if kind != JOINT:
            print(f"{JOINT} minus {kind}: {in_points(difference(some, found[JOINT]))} points")


if __name__ == "__main__":
    main()
