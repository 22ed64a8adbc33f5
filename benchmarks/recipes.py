"""Runs every small recipe to its end on the local models, and prints how long each takes.

    python benchmarks/recipes.py --data-dir FOLDER
    python benchmarks/recipes.py --only expo/ opro/rosenbrock
    python benchmarks/recipes.py -o scorer.model=… -o optimizer.model=…

Small recipes are those whose name ends in "small". Each gets a store of its own in a temporary
folder, so nothing is continued. Those that need official files are left out without --data-dir. A
recipe that fails is named at the end, and the exit code is then 1.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from llmopt.recipes import described

if TYPE_CHECKING:
    from llmopt.recipes import Recipe


def small(only: list[str]) -> list[Recipe]:
    """Return the small recipes whose names begin with one of some words; none: all."""
    return [
        recipe
        for recipe in described()
        if recipe.name.endswith("small") and (not only or recipe.name.startswith(tuple(only)))
    ]


def command(recipe: Recipe, store: Path, data: Path | None, options: list[str]) -> list[str]:
    """Return the command line that runs a recipe."""
    line = [sys.executable, "-m", "llmopt", recipe.kind, recipe.name, "--store", str(store)]
    if data is not None and "--data-dir" in recipe.needs:
        line += ["--data-dir", str(data)]
    return [*line, *(part for option in options for part in ("-o", option))]


def main() -> int:
    """Run them one after the other."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data-dir", type=Path, help="the folder with the official files")
    parser.add_argument("--only", nargs="+", default=[], help="beginnings of names")
    parser.add_argument("-o", dest="options", action="append", default=[], help="of every recipe")
    arguments = parser.parse_args()
    failed, began = [], time.monotonic()
    for recipe in small(arguments.only):
        if "--data-dir" in recipe.needs and arguments.data_dir is None:
            print(f"{recipe.name:42} needs --data-dir", flush=True)
            continue
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            line = command(
                recipe, Path(folder) / "runs.sqlite", arguments.data_dir, arguments.options
            )
            ended = subprocess.run(line, capture_output=True, text=True, check=False)  # noqa: S603 - our own
        seconds = time.monotonic() - start
        print(f"{recipe.name:42} {seconds:7.0f} s  exit code {ended.returncode}", flush=True)
        if ended.returncode:
            failed.append(recipe.name)
            print(ended.stderr[-500:])
    print(f"\n{time.monotonic() - began:.0f} s; failed: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
