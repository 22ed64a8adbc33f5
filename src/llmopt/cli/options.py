"""What several commands share: options, and how things are written."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rich.console import Console

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""

store_option = click.option(
    "--store", metavar="FILE", help="Where runs are kept; default: in the user's data directory."
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document on standard output."
)
set_option = click.option(
    "-o",
    "--option",
    "overrides",
    multiple=True,
    metavar="TABLE.KEY=VALUE",
    help="Change a value of the configuration, e.g. -o run.steps=5.",
)
data_dir_option = click.option(
    "--data-dir",
    metavar="FOLDER",
    help="Where a TASK's official files are; default: LLMOPT_DATA, or the Hugging Face hub.",
)
quiet_option = click.option("-q", "--quiet", is_flag=True, help="Show no progress.")


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of every command that runs something."""
    for option in (quiet_option, json_option, store_option, set_option):
        command = option(command)
    return command


def console() -> Console:
    """Return the console for results, on standard output; wide where it is not a terminal."""
    from rich.console import Console

    made = Console(highlight=False)
    if not made.is_terminal:
        made.width = 120
    return made


def write(text: str) -> None:
    """Print a text of unknown origin: exactly where it is piped, made visible on a terminal."""
    from llmopt.report.tables import visible

    if sys.stdout.isatty():
        click.echo(visible(text))
        return
    sys.stdout.flush()  # what was printed before comes first
    sys.stdout.buffer.write(f"{text}\n".encode("utf-8", "surrogatepass"))
    sys.stdout.buffer.flush()


def print_json(data: Any) -> None:
    """Print one strict JSON document on standard output."""
    import json

    from llmopt.report.tables import visible

    # Half a surrogate pair is no UTF-8, but has an escape in JSON, as have control characters.
    write(visible(json.dumps(data, ensure_ascii=False, indent=2, allow_nan=False)))


def command_line(words: Iterable[str], store: str | None, overrides: Iterable[str] = ()) -> str:
    """Return an ``llmopt`` command as a shell takes it."""
    line = ["llmopt", *words]
    for override in overrides:
        line += ["-o", override]
    return shlex.join([*line, "--store", store] if store else line)
