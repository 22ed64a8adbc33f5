"""Options that several commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

store_option = click.option(
    "--store", metavar="URL", help="Where runs are kept; default: the user's data directory."
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
quiet_option = click.option("-q", "--quiet", is_flag=True, help="Show no progress.")


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of every command that runs something."""
    for option in (set_option, store_option, json_option, quiet_option):
        command = option(command)
    return command


def console() -> Console:
    """Return the console for results, on standard output; wide where it is not a terminal."""
    from rich.console import Console

    made = Console(highlight=False)
    if not made.is_terminal:
        made.width = 120
    return made


def print_json(data: Any) -> None:
    """Print one JSON document on standard output."""
    import json

    click.echo(json.dumps(data, ensure_ascii=False, indent=2))
