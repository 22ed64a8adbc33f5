"""Runs every small recipe to its end on the local models, and prints how long each takes.

    python benchmarks/recipes.py --data-dir FOLDER
    python benchmarks/recipes.py --only expo/ opro/rosenbrock
    python benchmarks/recipes.py --folder RESULTS
    python benchmarks/recipes.py -o scorer.model=… -o optimizer.model=…

Small recipes are those whose name ends in "small". Those that need official files are left out
without --data-dir. Each has a store of its own, so none uses another one's replies. With --folder
the stores are kept there: what has ended well is not run again, and what was interrupted finds its
replies. A table ends it: recipe, seconds, exit code, and the first sentence of the result or the
last line of a failure. The exit code is 1 where a recipe failed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from llmopt.recipes import described

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from llmopt.recipes import Recipe

    Runner = Callable[[Sequence[str]], subprocess.CompletedProcess[str]]

_WIDTH = 100  # characters of what came out


@dataclass(frozen=True)
class Ended:
    """How a recipe ended.

    Attributes:
        name: Of the recipe.
        seconds: That it took.
        code: Its exit code.
        said: What came out, in a line.
        options: What it was run with.
    """

    name: str
    seconds: float
    code: int
    said: str
    options: list[str]

    @property
    def row(self) -> str:
        """The row of the table."""
        return f"{self.name:34} {self.seconds:7.0f} s  {self.code:4}  {self.said}"


def small(only: Sequence[str]) -> list[Recipe]:
    """Return the small recipes whose names begin with one of some words; none: all."""
    return [
        recipe
        for recipe in described()
        if recipe.name.endswith("small") and (not only or recipe.name.startswith(tuple(only)))
    ]


def command(recipe: Recipe, store: Path, data: Path | None, options: Sequence[str]) -> list[str]:
    """Return the command line that runs a recipe."""
    line = [sys.executable, "-m", "llmopt", recipe.kind, recipe.name, "--store", str(store)]
    if data is not None and "--data-dir" in recipe.needs:
        line += ["--data-dir", str(data)]
    return [*line, *(part for option in options for part in ("-o", option))]


def ended(
    recipe: Recipe, folder: Path, data: Path | None, options: list[str], run: Runner
) -> Ended:
    """Run a recipe, or return how it ended if it ended well before with the same options."""
    stem = folder / recipe.name.replace("/", "-")
    note = stem.with_suffix(".json")
    if note.is_file():
        before = Ended(**json.loads(note.read_text("utf-8")))
        if before.code == 0 and before.options == options:
            return before
    begin = time.monotonic()
    done = run(command(recipe, stem.with_suffix(".sqlite"), data, options))
    seconds = time.monotonic() - begin
    line = _last(done.stderr) if done.returncode else _sentence(done.stdout)
    found = Ended(recipe.name, seconds, done.returncode, line[:_WIDTH], options)
    note.write_text(json.dumps(asdict(found)), encoding="utf-8")
    return found


def _last(text: str) -> str:
    return next((line.strip() for line in text.splitlines()[::-1] if line.strip()), "")


def _sentence(text: str) -> str:
    lines = [line.strip() for line in text.splitlines()]
    return next((line for line in lines if line.endswith(".")), _last(text))


def all_ended(
    only: Sequence[str], folder: Path, data: Path | None, options: list[str], run: Runner
) -> list[Ended]:
    """Run the recipes one after the other, and say how each ended as soon as it has."""
    found = []
    for recipe in small(only):
        if "--data-dir" in recipe.needs and data is None:
            print(f"{recipe.name:34} needs --data-dir", flush=True)
            continue
        found.append(ended(recipe, folder, data, options, run))
        print(found[-1].row, flush=True)
    return found


def _run(line: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(line, capture_output=True, text=True, check=False)  # noqa: S603 - our own


def main() -> int:
    """Run them, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data-dir", type=Path, help="the folder with the official files")
    parser.add_argument("--only", nargs="+", default=[], help="beginnings of names")
    parser.add_argument("--folder", type=Path, help="where stores and results are kept")
    parser.add_argument("-o", dest="options", action="append", default=[], help="of every recipe")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        found = all_ended(given.only, folder, given.data_dir, given.options, _run)
    print("", f"{'recipe':34} {'time':>9}  code  result", sep="\n")
    print(*(one.row for one in found), sep="\n")
    failed = [one.name for one in found if one.code]
    seconds = sum(one.seconds for one in found)
    print(f"\n{seconds:.0f} s, {len(found)} recipes; failed: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
