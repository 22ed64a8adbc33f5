"""``llmopt export``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from llmopt.cli.options import json_option, store_option

if TYPE_CHECKING:
    from llmopt.problems.prompting import PromptProblem
    from llmopt.report.export import Standing
    from llmopt.store.protocol import Store
    from llmopt.trajectory import Entry


@click.command()
@click.argument("run", metavar="RUN")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write into this file.")
@click.option("--rank", type=int, metavar="N", help="1: the winner; then the best on train.")
@click.option("--start", is_flag=True, help="The starting solution.")
@click.option(
    "--format",
    "form",
    default="text",
    show_default=True,
    metavar="NAME",
    help="text: the bare text; json: with the exact call around it.",
)
@click.option("--prompt", is_flag=True, help="The exact full prompt as sent, for an input.")
@click.option("--input", "text", metavar="TEXT", help="That input; default: one of the run's.")
@store_option
@json_option
def export(
    run: str,
    *,
    output: Path | None,
    rank: int | None,
    start: bool,
    form: str,
    prompt: bool,
    text: str | None,
    store: str | None,
    as_json: bool,
) -> None:
    """Take the winning text out of a run, byte for byte.

    Nothing is added, not even a line end; only on a terminal control characters are spelled
    out. No model is called.
    """
    from llmopt.errors import ConfigError, UnknownNameError
    from llmopt.report.export import FORMATS, standing
    from llmopt.report.export import export as exported
    from llmopt.store import open_store

    form = "json" if as_json else form
    if form not in FORMATS:
        raise UnknownNameError("a format", form, FORMATS)
    if start and rank is not None:
        raise ConfigError("a solution is the start or has a rank, but got both; leave one out")
    if prompt and form != "text":
        raise ConfigError(
            f"a prompt is written as it is sent, but got the format {form!r}; leave one out: "
            "the call is in the format json too"
        )
    if text is not None and not prompt and form == "text":
        raise ConfigError("an input is for --prompt or --format json, but got neither")
    kept = open_store(store, new=store is None)
    try:
        found = standing(kept, run)
        entry = found.start if start else _ranked(found, rank)
        problem = _problem(kept, run, must=prompt) if prompt or form != "text" else None
        made = exported(kept, found, entry, problem, text)
    finally:
        kept.close()
    if prompt and made.example:
        _write(made.example.call.text, output)
    else:
        _write(FORMATS[form](made), output)


def _ranked(found: Standing, rank: int | None) -> Entry:
    """Return the solution of a rank; by default the winner, if one was chosen."""
    from llmopt.errors import ConfigError

    if rank is None and found.result is None:
        raise ConfigError(
            f"the winner of a run is chosen at its end, but {found.run!r} is not finished; go on "
            f"with: llmopt resume {found.run}, or take the best on train so far with --rank 1"
        )
    return found.at(1 if rank is None else rank)


def _problem(store: Store, run: str, *, must: bool) -> PromptProblem | None:
    """Build a run's problem again; None where it was not made from a configuration file."""
    from llmopt.cli.execute import see_own_modules
    from llmopt.config.reading import settings
    from llmopt.errors import ConfigError

    source = store.config(run)["source"]
    if source:
        see_own_modules()
        made = settings(source, f"the run {run!r}", Path("/"))
        if not made.problem.function:
            return made.built_prompts()
    if must:
        raise ConfigError(
            f"prompts are laid out again for runs of instructions that were started from a "
            f"configuration file, but {run!r} was not; call problem.call(…) in Python"
        )
    return None


def _write(text: str, output: Path | None) -> None:
    """Write exactly this text: to a file, or to standard output."""
    from llmopt.errors import DataError
    from llmopt.report.tables import visible

    data = text.encode("utf-8", "surrogatepass")
    if output is not None:
        try:
            output.write_bytes(data)
        except OSError as error:
            raise DataError(
                f"an export goes to a file that can be written, but got {output}: "
                f"{error.strerror}; choose another"
            ) from error
    elif sys.stdout.isatty():
        click.echo(visible(text).removesuffix("\n"))
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
