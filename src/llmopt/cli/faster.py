"""``llmopt faster``."""

from __future__ import annotations

from pathlib import Path

import click

from llmopt.cli.options import run_options


@click.command()
@click.argument("program", metavar="PROGRAM.py", type=click.Path(path_type=Path))
@click.option(
    "--tests",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    required=True,
    help="Its tests: a.in with a.out, a.json, or test_*.py.",
)
@click.option("--optimizer", metavar="MODEL", default="", help="The model that rewrites it.")
@click.option("--steps", metavar="N", type=click.IntRange(1), help="Steps of the search.")
@click.option("--change", metavar="PART", default="program", help="program, region or a function.")
@click.option("--inputs", metavar="N", type=click.IntRange(0), help="Inputs that it writes.")
@click.option("--output", metavar="FILE", help="Where a faster program is written.")
@click.option("--name", help="Name of the run; default: a new one from the program's name.")
@run_options
def faster(
    program: Path,
    *,
    tests: Path,
    optimizer: str,
    steps: int | None,
    change: str,
    inputs: int | None,
    output: str | None,
    name: str | None,
    overrides: tuple[str, ...],
    store: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Make a Python program faster that passes its tests, and prove that it is.

    Programs that the model writes run in a sandbox: without network, files or environment of
    yours. The verdict comes from tests that the search has never used, timed in pairs with the
    original.
    """
    from llmopt.cli.execute import execute
    from llmopt.config.reading import settings
    from llmopt.store import open_store

    code: dict[str, object] = {"program": str(program), "tests": str(tests), "change": change}
    if inputs is not None:
        code["inputs"] = inputs
    data: dict[str, dict[str, object]] = {
        "problem": {"code": code},
        "algorithm": {"name": "opro"},
        "run": {"steps": steps} if steps else {},
    }
    if optimizer:
        data["optimizer"] = {"model": optimizer}
    chosen = settings(data, "llmopt faster", Path.cwd(), overrides)
    if not (name or chosen.run.name):
        kept = open_store(store)
        name = kept.new_name(program.stem.lower() or "faster")
        kept.close()
    name = name or chosen.run.name or ""
    execute(chosen, store=store, name=name, as_json=as_json, quiet=quiet)
    if output:
        _write(name, store, Path(output))


def _write(run: str, store: str | None, path: Path) -> None:
    """Write the winner of a run to a file, if it was shown to be better; say what was done."""
    from llmopt.api import result_of
    from llmopt.terminal.progress import say

    result = result_of(run, store)
    word = next((one.word for one in result.comparisons if one.against == "start"), "")
    if word != "better":
        say(f"Nothing was written to {path}: no program was shown to be faster.")
        return
    path.write_text(result.best.text, encoding="utf-8")
    say(f"The faster program is in {path}.")
